//! Messages that are read from files.

use std::{io, path::Path};

use indicatif::ProgressBar;
use mailwire_transport::Payload;
use tokio::{fs::File, io::AsyncReadExt as _};

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

    /// Returns the message, to be read while it is sent. It is as long as the file was when it was opened.
    pub fn payload(&mut self) -> Payload<'_> {
        let reader = self.bar.wrap_async_read((&mut self.file).take(self.length));
        Payload::from_reader(reader, Some(self.length))
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
