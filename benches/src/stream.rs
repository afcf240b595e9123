//! A stream in memory, for the peers that want one.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is read from the stream, in pieces of at most `piece` bytes; what is written is dropped. One
/// answer is there after each flush, and the first from the start.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    answers: Arc<Mutex<Answers>>,
    piece: usize,
}

#[derive(Debug, Default)]
struct Answers {
    now: Bytes,
    later: VecDeque<Bytes>,
}

impl Script {
    pub(crate) fn new(piece: usize) -> Self {
        Self { answers: Arc::default(), piece }
    }

    /// What can be read at once.
    pub(crate) fn say(&self, bytes: &Bytes) {
        self.answers.lock().expect("no panic before").now = bytes.clone();
    }

    /// What can be read after another flush.
    pub(crate) fn then(&self, bytes: &Bytes) {
        self.answers.lock().expect("no panic before").later.push_back(bytes.clone());
    }
}

impl AsyncRead for Script {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut answers = self.answers.lock().expect("no panic before");
        let count = answers.now.len().min(to.remaining()).min(self.piece);
        if count == 0 {
            return Poll::Pending;
        }
        to.put_slice(&answers.now[..count]);
        answers.now.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut answers = self.answers.lock().expect("no panic before");
        if answers.now.is_empty() {
            answers.now = answers.later.pop_front().unwrap_or_default();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Runs a future that never has to wait.
pub(crate) fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the stream was read to its end, and the peer wants more"),
    }
}
