//! The end of a conversation.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use mailwire_core::Connection;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Driver, clock::Whole};

/// The most that is thrown away while lingering.
const LINGER_BYTES: usize = 1024 * 1024;

#[derive(Debug)]
pub(super) enum Closing {
    No,
    Drain,
    Shutdown,
    Linger { left: usize },
    Done,
}

impl<S: AsyncRead + AsyncWrite + Unpin, C: Connection> Driver<S, C> {
    /// Lets the last bytes leave, as far as the peer takes them in time.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.write_failure.is_some() {
            self.closing = Closing::Done;
        }
        loop {
            let limit = match self.closing {
                Closing::No => {
                    self.clock.restart();
                    self.closing = Closing::Drain;
                    continue;
                }
                Closing::Drain => {
                    if self.connection.output().is_empty() {
                        if !self.unflushed || self.poll_flush(cx).is_ready() {
                            self.closing = Closing::Shutdown;
                            continue;
                        }
                    } else {
                        match self.poll_write_once(cx) {
                            Poll::Ready(Ok(())) => continue,
                            Poll::Ready(Err(_)) => {
                                self.connection.output().clear();
                                self.closing = Closing::Done;
                                continue;
                            }
                            Poll::Pending => {}
                        }
                    }
                    self.config.close_timeout
                }
                Closing::Shutdown => {
                    if Pin::new(&mut self.stream).poll_shutdown(cx).is_ready() {
                        self.clock.restart();
                        self.closing = if self.eof || self.config.linger.is_zero() {
                            Closing::Done
                        } else {
                            Closing::Linger { left: LINGER_BYTES }
                        };
                        continue;
                    }
                    self.config.close_timeout
                }
                Closing::Linger { left } => {
                    self.input.clear();
                    self.input.reserve(self.config.read_at_least);
                    match self.poll_fill(cx) {
                        Poll::Ready(Ok(count @ 1..)) if count < left => {
                            self.closing = Closing::Linger { left: left.saturating_sub(count) };
                            continue;
                        }
                        Poll::Ready(_) => {
                            self.closing = Closing::Done;
                            continue;
                        }
                        Poll::Pending => {}
                    }
                    self.config.linger
                }
                Closing::Done => return Poll::Ready(()),
            };
            // All of it has this time, however its bytes trickle.
            ready!(self.clock.poll(cx, Some(limit), Whole { time: Some(limit), least_rate: 0 }));
            self.closing = Closing::Done;
        }
    }
}
