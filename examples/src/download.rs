//! Messages that are fetched one by one, and what becomes of each.

use anyhow::Result;
use bytes::Bytes;
use indicatif::ProgressBar;
use mailwire_transport::{Error, RefusedKind};

use crate::{Folder, Kept, Later, Status, Tally, progress};

/// How often the connection may be lost in a row, with no message in between.
const LOSSES: u32 = 3;

/// What a message that could not be had means for those after it.
#[derive(Debug)]
pub enum Failed {
    /// Only this message is missing.
    Alone(Status, anyhow::Error),
    /// They need another connection.
    Connection(anyhow::Error),
    /// Nothing can be written any more.
    Disk(anyhow::Error),
}

impl From<Error> for Failed {
    /// A plain refusal leaves the connection as it was.
    fn from(error: Error) -> Self {
        let kind = error.refused().map(|refused| refused.kind);
        let goes_on = matches!(kind, Some(RefusedKind::No | RefusedKind::Bad | RefusedKind::Err));
        let error = anyhow::Error::new(error);
        if goes_on { Self::Alone(Status::of(&error), error) } else { Self::Connection(error) }
    }
}

impl Failed {
    fn disk(error: std::io::Error) -> Self {
        Self::Disk(anyhow::Error::new(error).context("cannot write"))
    }
}

/// Messages on their way into a folder.
#[derive(Debug)]
pub struct Download<'a> {
    /// The folder that they are written to.
    pub folder: Folder,
    /// What has succeeded and failed.
    pub tally: &'a mut Tally,
    /// The number of messages that have a new file.
    pub new: u64,
    /// The number of messages whose file was there.
    pub there: u64,
    bar: ProgressBar,
    losses: u32,
}

impl<'a> Download<'a> {
    /// A download of so many bytes.
    #[must_use]
    pub fn new(folder: Folder, bytes: u64, tally: &'a mut Tally) -> Self {
        Self { folder, tally, new: 0, there: 0, bar: progress(bytes, "downloading"), losses: 0 }
    }

    /// There are so many bytes more to come.
    pub fn expect(&self, bytes: u64) {
        self.bar.inc_length(bytes);
    }

    /// Writes a message, whose next piece `chunk` gives until there is none.
    ///
    /// # Errors
    ///
    /// The message does not come whole, or cannot be written. Nothing is left of it.
    pub async fn write(
        &mut self,
        name: &str,
        mut chunk: impl AsyncFnMut() -> mailwire_transport::Result<Option<Bytes>>,
    ) -> Result<(), Failed> {
        let mut file = self.folder.begin(name).await.map_err(Failed::disk)?;
        while let Some(chunk) = chunk().await? {
            file.write(&chunk).await.map_err(Failed::disk)?;
            self.bar.inc(chunk.len() as u64);
        }
        match file.keep().await.map_err(Failed::disk)? {
            Kept::New => self.new += 1,
            Kept::There => self.there += 1,
        }
        self.tally.done();
        self.losses = 0;
        Ok(())
    }

    /// The connection was lost with a message.
    ///
    /// # Errors
    ///
    /// It was lost too often with nothing in between: another one would not help.
    pub fn lost(&mut self) -> Result<(), Later> {
        self.losses += 1;
        if self.losses < LOSSES { Ok(()) } else { Err(Later("the connection was lost too often")) }
    }
}

impl Drop for Download<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
