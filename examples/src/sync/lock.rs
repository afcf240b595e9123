//! One run at a time.

use std::{io, path::Path};

use crate::Later;

/// Says that a folder is in use, for as long as it lives. It ends with the process, however that ends.
#[derive(Debug)]
pub struct Lock {
    #[cfg(target_os = "linux")]
    _listener: std::os::unix::net::UnixListener,
}

impl Lock {
    /// Takes the lock of a folder. On systems other than Linux it always succeeds.
    ///
    /// # Errors
    ///
    /// Another process has it.
    #[cfg(target_os = "linux")]
    pub fn take(path: &Path) -> anyhow::Result<Self> {
        use std::os::{
            linux::net::SocketAddrExt as _,
            unix::{
                fs::MetadataExt as _,
                net::{SocketAddr, UnixListener},
            },
        };
        let folder = std::fs::metadata(path)?;
        // It has no file, and so none that somebody who was killed has left.
        let address =
            SocketAddr::from_abstract_name(format!("mailwire-sync {} {}", folder.dev(), folder.ino()))?;
        match UnixListener::bind_addr(&address) {
            Ok(listener) => Ok(Self { _listener: listener }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                Err(Later("the folder is being synchronized by another process").into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the lock of a folder. On systems other than Linux it always succeeds.
    ///
    /// # Errors
    ///
    /// None.
    #[cfg(not(target_os = "linux"))]
    pub fn take(_: &Path) -> anyhow::Result<Self> {
        Ok(Self {})
    }
}
