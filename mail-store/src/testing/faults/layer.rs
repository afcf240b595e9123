//! The layer that fails.

use std::{
    future::Future,
    io,
    net::Shutdown,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use mailwire_transport::{Plain, Protocol, Stream, testing::Layer};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{
    Action, Moment,
    fault::{CONNECT, MESSAGE_END},
    script::Cue,
    speech::{Heard, Said, Speech},
};

/// So much is read before the server asks for it.
const MOST_INPUT: usize = 512 * 1024;
/// So much waits to be written before the server waits, too.
const MOST_OUTPUT: usize = 256 * 1024;
/// So much is read and thrown away at the end.
const MOST_DISCARDED: usize = 8 << 20;

/// Stands between one connection of a server and its stream, and fails as its [`Cue`] says.
#[derive(Debug)]
pub(in crate::testing) struct Faulty {
    cue: Cue,
    speech: Speech,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    begun: bool,
    /// What came of the client, and of that, how much is for the server now.
    input: BytesMut,
    granted: usize,
    eof: bool,
    /// What the server said, as far as it was not looked at; and what is to be written.
    said: BytesMut,
    output: BytesMut,
    /// What happens in place of the next answer.
    instead: Option<Action>,
    /// The answer that is being said is not written, and this is in its place.
    replaced: Option<Vec<u8>>,
    /// What happens once all is written.
    then: Option<Action>,
    waits: Option<Pin<Box<Sleep>>>,
    slow: Option<(usize, Duration)>,
    /// Whether TLS ends without its close_notify.
    rude: bool,
    phase: Phase,
    read: Progress,
    written: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Stalled,
    /// The client has been told, by TLS or TCP, and so many bytes of it were thrown away since.
    Ended(usize),
}

/// How many bytes went one way, and from where on faults of that way are looked for.
#[derive(Debug, Default)]
struct Progress {
    bytes: u64,
    from: u64,
}

impl Faulty {
    pub(in crate::testing) fn new(cue: Cue, stop: CancellationToken) -> Self {
        Self {
            speech: Speech::new(cue.protocol),
            cut: Box::pin(cue.cut().cancelled_owned()),
            cue,
            stop: Box::pin(stop.cancelled_owned()),
            begun: false,
            input: BytesMut::new(),
            granted: 0,
            eof: false,
            said: BytesMut::new(),
            output: BytesMut::new(),
            instead: None,
            replaced: None,
            then: None,
            waits: None,
            slow: None,
            rude: false,
            phase: Phase::Open,
            read: Progress::default(),
            written: Progress::default(),
        }
    }

    /// The connection begins.
    fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            match self.cue.at(Moment::Before(CONNECT.into())) {
                Some(action @ (Action::Reply(_) | Action::Garbage(_) | Action::Goodbye)) => {
                    self.instead = Some(action);
                }
                Some(action) => self.act(action, &[]),
                None => {}
            }
        }
    }

    /// What is said beside or in place of an answer. `tag` is the command's, in IMAP.
    fn words(&mut self, action: &Action, tag: &[u8]) -> Option<Vec<u8>> {
        match action {
            Action::Reply(text) => Some(self.reply(text, tag)),
            Action::Garbage(count) => {
                let mut bytes = self.cue.garbage(*count);
                bytes.extend_from_slice(b"\r\n");
                Some(bytes)
            }
            Action::Goodbye => Some(match self.cue.protocol {
                Protocol::Imap => b"* BYE The server is going away\r\n".to_vec(),
                Protocol::Pop3 => b"-ERR [SYS/TEMP] The server is going away\r\n".to_vec(),
                _ => b"421 4.3.2 The server is going away\r\n".to_vec(),
            }),
            _ => None,
        }
    }

    /// A reply with its line ends, and in IMAP with the tag.
    fn reply(&self, text: &[u8], tag: &[u8]) -> Vec<u8> {
        let mut reply = Vec::new();
        for line in text.strip_suffix(b"\n").unwrap_or(text).split(|byte| *byte == b'\n') {
            let is_status = [&b"OK"[..], b"NO", b"BAD"].iter().any(|word| line.starts_with(word));
            if self.speech.is_imap() && is_status {
                reply.extend_from_slice(if tag.is_empty() { b"* " } else { tag });
            }
            reply.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
            reply.extend_from_slice(b"\r\n");
        }
        reply
    }

    /// Does what takes no answer's place. What it says comes after all that was said.
    fn act(&mut self, action: Action, tag: &[u8]) {
        if let Some(words) = self.words(&action, tag) {
            self.output.extend_from_slice(&words);
        }
        match action {
            Action::Delay(time) => self.waits = Some(Box::pin(tokio::time::sleep(time))),
            Action::Stall => self.phase = Phase::Stalled,
            Action::WithoutCloseNotify => self.rude = true,
            Action::Slow { bytes, pause } => self.slow = Some((bytes.max(1), pause)),
            Action::Goodbye => self.then = Some(Action::Close),
            Action::Close | Action::Cut | Action::Reset => self.then = Some(action),
            Action::Reply(_) | Action::Garbage(_) => {}
        }
    }

    /// Whether the connection is about to end.
    const fn is_ending(&self) -> bool {
        matches!(self.then, Some(Action::Close | Action::Cut | Action::Reset))
    }

    /// A command has come, whose first line has so many bytes.
    fn command(&mut self, name: &str, length: usize) {
        let action = self.cue.at(Moment::Before(name.to_owned()));
        if let (MESSAGE_END, Some(Action::Reply(_) | Action::Garbage(_))) = (name, &action) {
            // The server has the message but for its end. It takes none with a NUL in it.
            let rest = std::mem::take(&mut self.input);
            self.input.extend_from_slice(b"\0\r\n");
            self.input.unsplit(rest);
            self.speech.carried_out(name, &[]);
            self.granted = length + 3;
            self.instead = action;
            return;
        }
        let line = self.input.get(..length).unwrap_or_default();
        match action {
            None => {}
            Some(action @ (Action::Delay(_) | Action::WithoutCloseNotify | Action::Slow { .. })) => {
                self.speech.carried_out(name, line);
                self.granted = length;
                return self.act(action, &[]);
            }
            Some(action) => {
                self.speech.not_carried_out(name, line);
                self.input.advance(length);
                let tag = self.speech.take_tag();
                return self.act(action, &tag);
            }
        }
        self.speech.carried_out(name, line);
        self.granted = length;
    }

    /// The server has said something.
    fn say(&mut self, bytes: &[u8]) {
        self.said.extend_from_slice(bytes);
        while !self.is_ending() {
            let (name, tag) = (self.speech.due().to_owned(), self.speech.tag().to_vec());
            match self.speech.say(&self.said) {
                Said::Incomplete => return,
                Said::Other(length) => {
                    let other = self.said.split_to(length);
                    self.output.extend_from_slice(&other);
                }
                Said::Answer { length, first, reply, last } => {
                    let answer = self.said.split_to(length);
                    if first {
                        self.begin_answer(&name, &tag);
                    }
                    match &self.replaced {
                        None => self.output.extend_from_slice(&answer),
                        Some(instead) if reply => self.output.extend_from_slice(instead),
                        Some(_) => {}
                    }
                    if last {
                        self.replaced = None;
                        if self.then.is_none() {
                            self.then = self.cue.at(Moment::After(name));
                        }
                    }
                }
            }
        }
        self.said.clear();
    }

    /// An answer begins: perhaps something else takes its place.
    fn begin_answer(&mut self, name: &str, tag: &[u8]) {
        let action = self.instead.take().or_else(|| self.cue.at(Moment::Answer(name.to_owned())));
        match action {
            Some(action @ (Action::Reply(_) | Action::Garbage(_))) => {
                self.replaced = self.words(&action, tag);
            }
            Some(action @ (Action::Goodbye | Action::Close | Action::Cut | Action::Reset)) => {
                self.replaced = Some(Vec::new());
                self.act(action, tag);
            }
            Some(action) => self.act(action, tag),
            None => {}
        }
    }

    /// Writes what there is to be written, as far as nothing keeps it from that.
    fn poll_drain(&mut self, below: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.poll_cut(cx);
            match self.phase {
                Phase::Open => {}
                Phase::Stalled => return self.poll_stalled(below, cx),
                Phase::Ended(_) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
            ready!(self.poll_wait(cx));
            let place = self.cue.next_place(self.written.from, true);
            if let Some(place) = place.filter(|place| *place <= self.written.bytes) {
                self.written.from = place + 1;
                if let Some(action) = self.cue.at(Moment::Written(place)) {
                    self.act_within(action);
                }
                continue;
            }
            if self.output.is_empty() {
                match &self.then {
                    None => return Poll::Ready(Ok(())),
                    Some(Action::Close | Action::Cut | Action::Reset) => {
                        ready!(self.poll_end(below, cx));
                    }
                    Some(_) => {
                        if let Some(action) = self.then.take() {
                            self.act(action, &[]);
                        }
                    }
                }
                continue;
            }
            let most = self.slow.map_or(usize::MAX, |(bytes, _)| bytes).min(self.output.len());
            let left = place.map_or(u64::MAX, |place| place - self.written.bytes);
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(most);
            let bytes = self.output.get(..most).unwrap_or_default();
            let count = ready!(Pin::new(&mut *below).poll_write(cx, bytes))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.output.advance(count);
            self.written.bytes += count as u64;
            if let Some((_, pause)) = self.slow {
                // What is left in TLS goes with the next.
                let _ = Pin::new(&mut *below).poll_flush(cx);
                self.waits = Some(Box::pin(tokio::time::sleep(pause)));
            }
        }
    }

    /// Ends the connection if all are to be cut, whatever it waits for.
    fn poll_cut(&mut self, cx: &mut Context<'_>) {
        if !matches!(self.phase, Phase::Ended(_))
            && !self.is_ending()
            && self.cut.as_mut().poll(cx).is_ready()
        {
            (self.phase, self.waits) = (Phase::Open, None);
            self.output.clear();
            self.then = Some(Action::Cut);
        }
    }

    /// Something happens in the middle of what is written.
    fn act_within(&mut self, action: Action) {
        let rest = std::mem::take(&mut self.output);
        self.act(action, &[]);
        if !self.is_ending() {
            self.output.extend_from_slice(&rest);
        }
    }

    /// Ends the connection as it is to end.
    fn poll_end(&mut self, below: &mut Stream, cx: &mut Context<'_>) -> Poll<()> {
        if !matches!(self.then, Some(Action::Close)) {
            // The client may be gone already.
            let _ = ready!(Pin::new(&mut *below).poll_flush(cx));
        }
        self.phase = Phase::Ended(0);
        match self.then {
            Some(Action::Reset) => {
                if let Some(Plain::Tcp(tcp)) = below.plain() {
                    let _ = SockRef::from(tcp).set_linger(Some(Duration::ZERO));
                }
                self.phase = Phase::Ended(MOST_DISCARDED);
            }
            Some(Action::Close) if !self.rude => {
                self.phase = Phase::Open;
                let _ = ready!(Pin::new(&mut *below).poll_shutdown(cx));
                self.phase = Phase::Ended(0);
            }
            _ => say_no_more(below),
        }
        Poll::Ready(())
    }

    /// Waits as long as a fault wants it, or until the server ends.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(sleep) = &mut self.waits {
            if self.stop.as_mut().poll(cx).is_pending() {
                ready!(sleep.as_mut().poll(cx));
            }
            self.waits = None;
        }
        Poll::Ready(())
    }

    /// Does nothing until the client or the server ends the connection.
    fn poll_stalled<T>(&mut self, below: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let mut discarded = 0;
        self.poll_discard(below, cx, &mut discarded)
    }

    /// Throws away what comes. It is never `Ok`.
    fn poll_discard<T>(
        &mut self,
        below: &mut Stream,
        cx: &mut Context<'_>,
        discarded: &mut usize,
    ) -> Poll<io::Result<T>> {
        let over = || Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        if self.stop.as_mut().poll(cx).is_ready() {
            return over();
        }
        let mut scratch = [0; 4096];
        while *discarded < MOST_DISCARDED {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut *below).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => *discarded += buffer.filled().len(),
                _ => break,
            }
        }
        over()
    }

    /// Reads what came. Ready with `false` at its end.
    fn poll_fill(&mut self, below: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.eof {
            return Poll::Ready(Ok(false));
        }
        if self.input.len() >= MOST_INPUT {
            // It goes on when the server has taken some of it.
            return Poll::Pending;
        }
        let mut scratch = [0; 8192];
        let mut buffer = ReadBuf::new(&mut scratch);
        ready!(Pin::new(below).poll_read(cx, &mut buffer))?;
        self.input.extend_from_slice(buffer.filled());
        self.eof = buffer.filled().is_empty();
        if self.eof {
            // All that is left is for the server.
            self.granted = self.input.len();
            self.speech.give_up();
        }
        Poll::Ready(Ok(!self.eof))
    }

    /// Gives the server what is granted to it, up to the next place where something happens. True if that is something.
    fn grant(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let mut most = self.granted.min(buffer.remaining());
        if let Some(place) = self.cue.next_place(self.read.from, false) {
            let left = place.saturating_sub(self.read.bytes);
            if left == 0 {
                self.read.from = place + 1;
                if let Some(action) = self.cue.at(Moment::Read(place)) {
                    self.act(action, &[]);
                }
                return false;
            }
            most = usize::try_from(left).unwrap_or(usize::MAX).min(most);
        }
        let bytes = self.input.split_to(most);
        buffer.put_slice(&bytes);
        self.granted -= most;
        self.read.bytes += most as u64;
        true
    }
}

impl Layer for Faulty {
    fn poll_read(
        &mut self,
        below: &mut Stream,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.begin();
        loop {
            let drained = self.poll_drain(below, cx);
            if let Phase::Ended(mut discarded) = self.phase {
                let over = self.poll_discard(below, cx, &mut discarded);
                self.phase = Phase::Ended(discarded);
                return over;
            }
            match drained {
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending
                    if self.phase == Phase::Stalled || self.waits.is_some() || self.then.is_some() =>
                {
                    return Poll::Pending;
                }
                _ => {}
            }
            if self.granted > 0 {
                if self.grant(buffer) {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            match self.speech.hear(&self.input) {
                Heard::Command(name, length) => self.command(&name, length),
                Heard::Rest(length) => self.granted = length,
                Heard::Unheard(length) => self.input.advance(length),
                Heard::TooEarly if drained.is_ready() && self.said.is_empty() && self.speech.idle() => {}
                Heard::TooEarly | Heard::Incomplete => {
                    if !ready!(self.poll_fill(below, cx))? && self.granted == 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }

    fn poll_write(
        &mut self,
        below: &mut Stream,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.begin();
        let drained = self.poll_drain(below, cx)?;
        if drained.is_pending() && (self.phase != Phase::Open || self.output.len() >= MOST_OUTPUT) {
            return Poll::Pending;
        }
        self.say(bytes);
        // What cannot leave now leaves when it is flushed.
        let _ = self.poll_drain(below, cx)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(&mut self, below: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(below, cx))?;
        Pin::new(below).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, below: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(below, cx))?;
        if !self.rude {
            return Pin::new(below).poll_shutdown(cx);
        }
        ready!(Pin::new(&mut *below).poll_flush(cx))?;
        say_no_more(below);
        Poll::Ready(Ok(()))
    }

    fn upgraded(&mut self, _: &Stream) {
        self.speech.upgraded();
    }
}

/// Ends this direction of the connection beneath TLS.
fn say_no_more(stream: &Stream) {
    // The client may have ended it before.
    match stream.plain() {
        Some(Plain::Tcp(tcp)) => drop(SockRef::from(tcp).shutdown(Shutdown::Write)),
        #[cfg(unix)]
        Some(Plain::Unix(unix)) => drop(SockRef::from(unix).shutdown(Shutdown::Write)),
        _ => {}
    }
}
