//! What is said over connections, in a file.

use std::{fs::OpenOptions, path::PathBuf};

use anyhow::{Context as _, Result};
use mailwire_transport::{WireLine, wire_transcript};

/// Where what is said over connections is written down.
#[derive(Debug, clap::Args)]
pub struct WireArguments {
    /// Write what is said over each connection to this file, without passwords and messages; `inspect FILE` explains it.
    /// What was in the file is gone
    #[arg(long, value_name = "FILE")]
    pub wire: Option<PathBuf>,
}

impl WireArguments {
    /// Opens the file, if one is named. Copies of what is returned write to the same.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn open(&self) -> Result<Option<impl Fn(WireLine<'_>) + Clone + Send + Sync + use<>>> {
        let Some(path) = &self.wire else { return Ok(None) };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        // Addresses and subjects are nobody else's business.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).with_context(|| format!("--wire {}", path.display()))?;
        Ok(Some(wire_transcript(file)))
    }
}
