//! A toy protocol on the core vocabulary, and a stream that follows a script.
//!
//! The client sends lines; the server answers each with one line. `STARTTLS` is answered `GO`, and
//! then the stream is replaced. `.` in a reply starts nothing special.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test uses a part of it")]

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use mailwire_core::{Connection, Error, LineFramer, Next, Output, SaslStep, SendError, Upgrade};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Client,
    Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Client: STARTTLS is sent.
    AwaitGo,
    /// The output is to be drained, then the stream replaced.
    Upgrading,
    Closed,
}

#[derive(Debug)]
pub struct Toy {
    role: Role,
    state: State,
    framer: LineFramer,
    output: Output,
    failure: Option<Error>,
    eof: bool,
    /// Client: replies due. Server: replies owed.
    pub due: usize,
    /// Server: how many commands it takes before it wants an answer.
    pub pipeline: usize,
    pub timeout: Option<Duration>,
    pub upgrades: usize,
    /// Goes on after a time-out as if nothing were.
    pub patient: bool,
    pub timeouts: usize,
}

impl Toy {
    pub fn new(role: Role) -> Self {
        Self {
            role,
            state: State::Open,
            framer: LineFramer::new(),
            output: Output::new(4096),
            failure: None,
            eof: false,
            due: 0,
            pipeline: 1,
            timeout: None,
            upgrades: 0,
            patient: false,
            timeouts: 0,
        }
    }

    pub fn client() -> Self {
        Self::new(Role::Client)
    }

    pub fn server() -> Self {
        Self::new(Role::Server)
    }

    pub fn send(&mut self, line: &str) {
        assert_eq!(self.role, Role::Client);
        self.output.put(line.as_bytes());
        self.output.put(b"\r\n");
        self.due += 1;
        if line == "STARTTLS" {
            self.state = State::AwaitGo;
        }
    }

    pub fn reply(&mut self, line: &str) {
        assert_eq!(self.role, Role::Server);
        assert!(self.due > 0);
        self.output.put(line.as_bytes());
        self.output.put(b"\r\n");
        self.due -= 1;
    }

    pub fn append(&mut self, bytes: Bytes) {
        self.output.append(bytes);
    }

    fn fail(&mut self, error: Error) -> Error {
        self.failure = Some(error);
        self.output.put(b"fatal\r\n");
        error
    }
}

impl Connection for Toy {
    type Event = String;
    type Error = Error;

    fn next_event(&mut self, input: &mut BytesMut) -> Result<Next<String>, Error> {
        if let Some(error) = self.failure {
            return Err(error);
        }
        match self.state {
            State::Closed => return Ok(Next::Closed),
            State::Upgrading if self.output.is_empty() => return Ok(Next::Upgrade(Upgrade::Tls)),
            State::Upgrading => return Ok(Next::Paused),
            State::Open | State::AwaitGo => {}
        }
        let wait = match self.role {
            Role::Client => self.due == 0,
            Role::Server => self.due >= self.pipeline || self.output.is_full(),
        };
        if wait {
            return Ok(Next::Paused);
        }
        let Some(line) = self.framer.next_line(input, 1000).map_err(|error| self.fail(error.into()))? else {
            if self.eof {
                if input.is_empty() && self.role == Role::Server {
                    self.state = State::Closed;
                    return Ok(Next::Closed);
                }
                return Err(self.fail(Error::UnexpectedEof { during: "in a line" }));
            }
            return Ok(Next::NeedInput);
        };
        let text = String::from_utf8(line.text.to_vec()).unwrap();
        match self.role {
            Role::Client => {
                self.due -= 1;
                if self.state == State::AwaitGo {
                    if !input.is_empty() {
                        return Err(self.fail(Error::BytesAfterUpgrade { command: "STARTTLS" }));
                    }
                    self.state = State::Upgrading;
                    return self.next_event(input);
                }
                if text == "bye" {
                    self.state = State::Closed;
                }
            }
            Role::Server => {
                if text == "STARTTLS" {
                    if !input.is_empty() {
                        return Err(self.fail(Error::BytesAfterUpgrade { command: "STARTTLS" }));
                    }
                    self.output.put(b"GO\r\n");
                    self.state = State::Upgrading;
                    return self.next_event(input);
                }
                self.due += 1;
            }
        }
        Ok(Next::Event(text))
    }

    fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    fn handle_eof(&mut self) {
        self.eof = true;
    }

    fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    fn handle_timeout(&mut self) {
        self.timeouts += 1;
        if !self.patient {
            self.fail(Error::TimedOut { waiting_for: "a line" });
        }
    }

    fn is_part(event: &String) -> bool {
        event.contains("part")
    }

    fn upgraded(&mut self, upgrade: Upgrade) {
        assert_eq!((upgrade, self.state), (Upgrade::Tls, State::Upgrading));
        self.state = State::Open;
        self.framer = LineFramer::new();
        self.upgrades += 1;
    }

    fn send_auth(&mut self, step: SaslStep) -> Result<(), SendError<SaslStep>> {
        Err(SendError::new(
            mailwire_core::Misuse::WrongState(mailwire_core::WrongState::NothingDue("step of an exchange")),
            step,
        ))
    }

    fn close(&mut self) {
        self.state = State::Closed;
    }
}

/// A stream that gives what it is told, piece by piece, and is never ready at the first asking.
#[derive(Debug, Default)]
pub struct Script {
    pub reads: VecDeque<Vec<u8>>,
    /// After the reads: the end, or nothing for ever.
    pub ends: bool,
    /// How much one write takes.
    pub write_at_most: usize,
    pub written: Vec<u8>,
    pub writes: usize,
    pub write_error: Option<io::ErrorKind>,
    /// Says "pending" before each answer.
    pub hesitant: bool,
    pub shut: bool,
    hesitated: [bool; 4],
}

impl Script {
    pub fn new<'a>(reads: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self {
            reads: reads.into_iter().filter(|read| !read.is_empty()).map(<[u8]>::to_vec).collect(),
            ends: true,
            write_at_most: usize::MAX,
            ..Self::default()
        }
    }

    fn hesitate(&mut self, operation: usize, cx: &mut Context<'_>) -> bool {
        if !self.hesitant {
            return false;
        }
        let flag = &mut self.hesitated[operation];
        *flag = !*flag;
        if *flag {
            cx.waker().wake_by_ref();
        }
        *flag
    }
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.hesitate(0, cx) {
            return Poll::Pending;
        }
        let Some(mut piece) = self.reads.pop_front() else {
            return if self.ends { Poll::Ready(Ok(())) } else { Poll::Pending };
        };
        let count = piece.len().min(buf.remaining());
        buf.put_slice(&piece[..count]);
        if count < piece.len() {
            piece.drain(..count);
            self.reads.push_front(piece);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.as_mut().poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.hesitate(1, cx) {
            return Poll::Pending;
        }
        if let Some(kind) = self.write_error {
            return Poll::Ready(Err(kind.into()));
        }
        let mut left = self.write_at_most;
        if left == 0 {
            return Poll::Pending;
        }
        let mut count = 0;
        for buf in bufs {
            let take = buf.len().min(left);
            self.written.extend_from_slice(&buf[..take]);
            left -= take;
            count += take;
        }
        self.writes += 1;
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.hesitate(2, cx) { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.hesitate(3, cx) {
            return Poll::Pending;
        }
        self.shut = true;
        Poll::Ready(Ok(()))
    }
}
