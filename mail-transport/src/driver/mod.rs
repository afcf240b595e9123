//! The loop between a state machine and a stream.

mod clock;
mod close;
mod types;
#[cfg(not(feature = "wire-log"))]
mod unseen;
mod upgrade;
#[cfg(feature = "wire-log")]
mod wire;

use std::{
    future::{Future, poll_fn},
    io::{self, IoSlice},
    ops::{Deref, DerefMut},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use mailwire_core::{Connection, Next, Upgrade};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use zeroize::Zeroize;

pub use self::types::{DriverConfig, DriverError, Step};
#[cfg(not(feature = "wire-log"))]
use self::unseen::Wire;
#[cfg(feature = "wire-log")]
use self::wire::Wire;
#[cfg(feature = "wire-log")]
pub use self::wire::{Side, WireLine, WireLog, wire_transcript};
use self::{
    clock::{Clock, Whole},
    close::Closing,
};

/// Drives one connection, of any of the protocols and in either role, over one stream.
///
/// [`next`](Self::next) does all the work. Everything it holds back lies in this value, in the
/// machine or in the stream, so its future can be dropped at any point and called again: nothing is
/// lost and nothing is written twice.
///
/// How it reads the machine:
///
/// - It writes when the machine has no event to give: what the caller put in meanwhile, a group of
///   commands or the replies to one, leaves in one vectored write.
/// - It reads only when the machine says [`Next::NeedInput`], and writes at the same time, so that
///   two peers with full buffers do not wait for each other. After each write it asks the machine
///   again. A machine that takes a body from its caller says `NeedInput` while its output is
///   waiting and [`Next::Paused`] when it has room: then a reply that comes before the body's end is
///   seen.
/// - On [`Next::Paused`] it writes all there is, and says [`Step::Blocked`] if the machine is still
///   paused then.
/// - The machine's `timeout` starts anew whenever bytes move. Beside it, [`DriverConfig::step_deadline`] and
///   [`DriverConfig::least_rate`] bound a whole that makes progress without coming to an end.
pub struct Driver<S, C> {
    stream: S,
    connection: C,
    input: Input,
    config: DriverConfig,
    /// How much is read at once: grows while reads fill it.
    read_size: usize,
    /// Bytes were written that the stream may still hold.
    unflushed: bool,
    eof: bool,
    /// Writing has failed. What was received is still read: the peer's last words are in there.
    write_failure: Option<io::Error>,
    /// The stream is of no more use.
    failed: Option<io::ErrorKind>,
    clock: Clock,
    closing: Closing,
    /// What the machine has agreed to put in the stream's place.
    upgrade: Option<Upgrade>,
    /// Shows what is said, if anybody wants to see it.
    wire: Wire,
}

/// No part of a line with a secret is longer: see `Limits::auth_line` of the protocols.
const MOST_HIDDEN: usize = 64 * 1024;

/// What was received and not taken by the machine yet: it can be a part of a password, and nothing is left of
/// it in memory that is given back.
struct Input(BytesMut);

impl Input {
    fn take(&mut self) -> BytesMut {
        std::mem::take(&mut self.0)
    }
}

impl Deref for Input {
    type Target = BytesMut;

    fn deref(&self) -> &BytesMut {
        &self.0
    }
}

impl DerefMut for Input {
    fn deref_mut(&mut self) -> &mut BytesMut {
        &mut self.0
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.0.as_mut().zeroize();
    }
}

/// More chunks than this are not written at once.
const MAX_SLICES: usize = 32;

impl<S, C> Driver<S, C> {
    /// A driver of `connection` over `stream`, with the default configuration.
    pub fn new(stream: S, connection: C) -> Self {
        Self::with_config(stream, connection, DriverConfig::default())
    }

    /// A driver of `connection` over `stream`.
    pub fn with_config(stream: S, connection: C, config: DriverConfig) -> Self {
        Self {
            stream,
            connection,
            input: Input(BytesMut::new()),
            read_size: config.read_at_least,
            wire: Wire::of(&config),
            config,
            unflushed: false,
            eof: false,
            write_failure: None,
            failed: None,
            clock: Clock::default(),
            closing: Closing::No,
            upgrade: None,
        }
    }

    /// Returns the machine.
    pub const fn connection(&self) -> &C {
        &self.connection
    }

    /// Returns the machine, to send commands, replies and bodies with. Call [`next`](Self::next) or
    /// [`flush`](Self::flush) afterwards: they write.
    pub const fn connection_mut(&mut self) -> &mut C {
        &mut self.connection
    }

    /// Returns the stream.
    pub const fn stream(&self) -> &S {
        &self.stream
    }

    /// Returns the stream. Reading from it or writing to it breaks the conversation.
    pub const fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Returns what this driver allows.
    pub const fn config(&self) -> &DriverConfig {
        &self.config
    }

    /// Changes what this driver allows.
    pub const fn config_mut(&mut self) -> &mut DriverConfig {
        &mut self.config
    }

    /// Returns how many bytes were received and not taken by the machine yet.
    pub fn buffered(&self) -> usize {
        self.input.len()
    }

    /// Takes apart: the stream, the machine, and what was received and not taken by it yet.
    pub fn into_parts(mut self) -> (S, C, BytesMut) {
        (self.stream, self.connection, self.input.take())
    }
}

impl<S, C: Connection> Driver<S, C> {
    /// Whether the stream has failed or was lost: nothing more can be said over it.
    pub const fn is_broken(&self) -> bool {
        self.failed.is_some() || self.write_failure.is_some()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, C: Connection> Driver<S, C> {
    /// Goes on until something is for the caller. Cancel-safe: dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// The stream failed, or the machine cannot go on.
    pub async fn next(&mut self) -> Result<Step<C::Event>, DriverError<C::Error>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Writes all that waits, without reading. [`next`](Self::next) does so by itself, and is the
    /// better choice wherever the peer may be sending too. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The stream failed, or the peer does not read.
    pub async fn flush(&mut self) -> Result<(), DriverError<C::Error>> {
        poll_fn(|cx| {
            loop {
                if let Some(kind) = self.failed {
                    return Poll::Ready(Err(DriverError::Io(kind.into())));
                }
                if let Some(error) = self.write_failure.take() {
                    return Poll::Ready(Err(self.fail(error)));
                }
                if !ready!(self.poll_write_out(cx))? {
                    return Poll::Ready(Ok(()));
                }
            }
        })
        .await
    }

    /// Reads what has come already, waiting for nothing. Says whether something had, be it the end.
    #[cfg(all(feature = "pool", any(feature = "smtp", feature = "imap")))]
    pub(crate) fn look(&mut self) -> bool {
        if self.eof || self.is_broken() {
            return true;
        }
        match self.poll_read(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(Ok(_)) => true,
            Poll::Ready(Err(error)) => {
                let _ = self.fail(error);
                true
            }
            Poll::Pending => false,
        }
    }

    /// Does what [`next`](Self::next) does, for whoever polls by hand.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Self::next).
    #[allow(clippy::type_complexity, reason = "what `next` returns, within `Poll`")]
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Step<C::Event>, DriverError<C::Error>>> {
        loop {
            if let Some(kind) = self.failed {
                return Poll::Ready(Err(DriverError::Io(kind.into())));
            }
            let buffered = self.input.len();
            match self.connection.next_event(&mut self.input.0) {
                Ok(Next::Event(event)) => {
                    if C::is_part(&event) {
                        self.clock.stop();
                        if !self.connection.is_asked_for(&event) {
                            self.take_unasked(buffered.saturating_sub(self.input.len()))?;
                        }
                    } else {
                        self.clock.restart();
                    }
                    return Poll::Ready(Ok(Step::Event(event)));
                }
                Ok(Next::NeedInput) => {
                    if self.input.len() < buffered && self.connection.passes_over() {
                        self.take_unasked(buffered.saturating_sub(self.input.len()))?;
                    }
                    ready!(self.poll_exchange(cx))?;
                }
                Ok(Next::Paused) => {
                    if !ready!(self.poll_paused(cx))? {
                        self.clock.stop();
                        return Poll::Ready(Ok(Step::Blocked));
                    }
                }
                Ok(Next::Upgrade(upgrade)) => {
                    if let Some(error) = self.write_failure.take() {
                        return Poll::Ready(Err(self.fail(error)));
                    }
                    if !ready!(self.poll_write_out(cx))? {
                        self.upgrade = Some(upgrade);
                        self.check_upgrade(upgrade)?;
                        return Poll::Ready(Ok(Step::Upgrade(upgrade)));
                    }
                }
                Ok(Next::Closed) => {
                    ready!(self.poll_close(cx));
                    return Poll::Ready(Ok(Step::Closed));
                }
                Err(error) => {
                    ready!(self.poll_close(cx));
                    return Poll::Ready(Err(DriverError::Protocol(error)));
                }
            }
        }
    }

    /// The machine waits for the peer: write and read at the same time. Ready after any progress.
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DriverError<C::Error>>> {
        if self.write_failure.is_some() {
            self.connection.output().clear();
        }
        let mut wrote = false;
        while !self.connection.output().is_empty() {
            match self.poll_write_once(cx) {
                Poll::Ready(Ok(())) => wrote = true,
                Poll::Ready(Err(error)) => {
                    self.connection.output().clear();
                    self.write_failure = Some(error);
                }
                Poll::Pending => break,
            }
        }
        if self.connection.output().is_empty() && self.unflushed && self.write_failure.is_none() {
            if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
                self.write_failure = Some(error);
            }
        }
        if wrote {
            return Poll::Ready(Ok(()));
        }
        if self.eof {
            // The machine was told, and still asks for more.
            return Poll::Ready(Err(self.fail(io::ErrorKind::UnexpectedEof.into())));
        }
        if let Poll::Ready(read) = self.poll_read(cx) {
            return Poll::Ready(match read {
                Ok(_) => Ok(()),
                Err(error) => {
                    let error = self.write_failure.take().unwrap_or(error);
                    Err(self.fail(error))
                }
            });
        }
        self.poll_clock(cx)
    }

    /// The machine waits for its caller: write only. Ready with `false` when there is nothing left
    /// to write, and with `true` after progress.
    fn poll_paused(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, DriverError<C::Error>>> {
        if self.write_failure.is_none() {
            match self.poll_write_out(cx) {
                Poll::Ready(Err(DriverError::Io(error))) => {
                    self.failed = None;
                    self.write_failure = Some(error);
                }
                other => return other,
            }
        }
        // The peer reads no more; perhaps it has said why. A bounded look at what is there.
        self.connection.output().clear();
        if self.input.len() < self.config.read_at_most {
            if let Poll::Ready(Ok(1..)) = self.poll_read(cx) {
                return Poll::Ready(Ok(true));
            }
        }
        let error = self.write_failure.take().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
        Poll::Ready(Err(self.fail(error)))
    }

    /// Writes without reading. Ready with `false` when there is nothing left to write or to flush,
    /// and with `true` after progress.
    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, DriverError<C::Error>>> {
        let mut wrote = false;
        while !self.connection.output().is_empty() {
            match self.poll_write_once(cx) {
                Poll::Ready(Ok(())) => wrote = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.fail(error))),
                Poll::Pending if wrote => return Poll::Ready(Ok(true)),
                Poll::Pending => {
                    ready!(self.poll_clock(cx))?;
                    return Poll::Ready(Ok(true));
                }
            }
        }
        if self.unflushed {
            match self.poll_flush(cx) {
                Poll::Ready(Ok(())) => wrote = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.fail(error))),
                Poll::Pending => {
                    ready!(self.poll_clock(cx))?;
                    return Poll::Ready(Ok(true));
                }
            }
        }
        Poll::Ready(Ok(wrote))
    }

    fn poll_write_once(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let output = self.connection.output();
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let count = output.chunks_vectored(&mut slices);
        let slices = slices.get(..count).unwrap_or_default();
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.wire.wrote(slices, written);
        output.advance(written);
        self.config.meter.sent(written);
        self.unflushed = true;
        self.clock.moved(written);
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    /// Reads once into room of our own choosing; what the peer announces has no say in it.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.capacity().saturating_sub(self.input.len()) < self.config.read_at_least {
            self.make_room();
        }
        let room = self.input.capacity().saturating_sub(self.input.len());
        let Poll::Ready(read) = self.poll_fill(cx) else {
            self.give_back();
            return Poll::Pending;
        };
        let count = match read {
            Ok(count) => count,
            // TLS without a close_notify. Whether the conversation was complete is for the machine
            // to judge: each of the protocols says where its messages end.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Poll::Ready(Err(error)),
        };
        self.wire.read(&self.input, count);
        self.config.meter.received(count);
        self.clock.moved(count);
        if count == 0 {
            self.eof = true;
            self.connection.handle_eof();
        } else if count >= room {
            self.read_size = self.read_size.saturating_mul(2).min(self.config.read_at_most);
        }
        Poll::Ready(Ok(count))
    }

    /// Makes room for what is read next. A line that has come in part can be a secret's: where it stood,
    /// nothing is left of it.
    fn make_room(&mut self) {
        let begun = self.input.len();
        if begun == 0 || begun > MOST_HIDDEN {
            self.input.reserve(self.read_size);
            return;
        }
        let mut input = BytesMut::with_capacity(begun.saturating_add(self.read_size));
        input.extend_from_slice(&self.input);
        // What was there is zeroed when it is dropped.
        self.input = Input(input);
    }

    /// Whoever waits for the peer may wait for long, and with thousands of others: no room is kept for that.
    fn give_back(&mut self) {
        if self.input.is_empty() {
            self.input = Input(BytesMut::new());
        }
        self.connection.output().give_back();
    }

    /// Reads what there is into the room of the input.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        pin!(self.stream.read_buf(&mut self.input.0)).poll(cx)
    }

    /// So many bytes came that nobody had asked for. They can come without a pause, so that nothing is waited for.
    #[cold]
    fn take_unasked(&mut self, count: usize) -> Result<(), DriverError<C::Error>> {
        self.clock.unasked(count);
        match self.connection.timeout() {
            Some(limit) if self.is_used_up(limit) => self.run_out(),
            _ => Ok(()),
        }
    }

    /// Whether the time of the whole has passed.
    fn is_used_up(&self, limit: Duration) -> bool {
        self.clock.left(limit, self.whole()).is_some_and(|left| left.is_zero())
    }

    /// The time of the present step has run out, by waiting or by what nobody asked for.
    fn run_out(&mut self) -> Result<(), DriverError<C::Error>> {
        let flood = self.clock.flood();
        self.clock.restart();
        if let Some(limit) = flood {
            self.failed = Some(io::ErrorKind::InvalidData);
            return Err(DriverError::Flooded { limit });
        }
        self.connection.handle_timeout();
        Ok(())
    }

    const fn whole(&self) -> Whole {
        Whole { time: self.config.step_deadline, least_rate: self.config.least_rate }
    }

    /// Waits for the time of the present step to run out, and tells the machine.
    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DriverError<C::Error>>> {
        let of_machine = self.connection.timeout();
        let stalled = !self.connection.output().is_empty() || self.unflushed;
        let limit = of_machine.or(stalled.then_some(self.config.write_timeout));
        if !stalled && self.input.is_empty() && self.connection.is_at_rest() {
            self.clock.begin_whole();
        }
        let whole = self.whole();
        ready!(self.clock.poll(cx, limit, whole));
        match of_machine {
            Some(_) => Poll::Ready(self.run_out()),
            None => Poll::Ready(Err(self.fail(io::ErrorKind::TimedOut.into()))),
        }
    }

    fn fail(&mut self, error: io::Error) -> DriverError<C::Error> {
        self.failed = Some(error.kind());
        DriverError::Io(error)
    }
}

/// Shows no bytes: what waits can be a password.
impl<S, C> std::fmt::Debug for Driver<S, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("buffered", &self.input.len())
            .field("eof", &self.eof)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
