//! Messages that are read from files.

use std::{
    io,
    path::Path,
    pin::Pin,
    task::{Context, Poll, ready},
};

use indicatif::ProgressBar;
use mailwire_transport::Payload;
use tokio::{
    fs::File,
    io::{AsyncRead, ReadBuf},
};

use crate::progress;

/// A file with a message that is to be sent.
#[derive(Debug)]
pub struct Input {
    file: File,
    length: u64,
    bar: ProgressBar,
}

impl Input {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or is something else than a file.
    pub async fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path).await?;
        let metadata = file.metadata().await?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
        }
        let length = metadata.len();
        Ok(Self { file, length, bar: progress(length, &path.display().to_string()) })
    }

    /// Returns the message, to be read while it is sent. If the file gets another length meanwhile, reading fails,
    /// so that no part of a message passes for the whole.
    pub fn payload(&mut self) -> Payload<'_> {
        let length = self.length;
        let whole = Whole { file: &mut self.file, left: length };
        Payload::from_reader(self.bar.wrap_async_read(whole), Some(length))
    }
}

impl Input {
    /// Whether the file has another length now: what was read of it may be a part.
    pub async fn has_changed(&self) -> bool {
        !self.file.metadata().await.is_ok_and(|metadata| metadata.len() == self.length)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A file that is as long as it was.
struct Whole<'a> {
    file: &'a mut File,
    left: u64,
}

impl AsyncRead for Whole<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut *self.file).poll_read(context, buffer))?;
        let read = buffer.filled().len().saturating_sub(before) as u64;
        let at_end = read == 0 && buffer.remaining() > 0;
        match self.left.checked_sub(read) {
            Some(left) if left == 0 || !at_end => self.left = left,
            _ => return Poll::Ready(Err(io::Error::other("the file has changed while it was read"))),
        }
        Poll::Ready(Ok(()))
    }
}
