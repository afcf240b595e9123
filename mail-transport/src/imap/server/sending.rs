//! What goes out: responses, and contents that come piece by piece.

use bytes::Bytes;
use mailwire_imap::{response::Untagged, server::Connection};

use crate::{Driver, Error, Stream, server::Reader};

pub(super) type ServerDriver = Driver<Stream, Connection>;

/// Sends untagged data, when there is room.
pub(super) async fn push(driver: &mut ServerDriver, data: Untagged) -> Result<(), Error> {
    use mailwire_core::Connection as _;
    if driver.connection_mut().output().is_full() {
        driver.flush().await?;
    }
    driver.connection_mut().notify(data)?;
    Ok(())
}

/// Sends the literal that is due. A content that is not as long as it claimed to be cannot be mended:
/// the connection has to end.
pub(super) async fn send_stream<R: Reader>(
    driver: &mut ServerDriver,
    mut reader: R,
    binary: bool,
) -> Result<(), Error> {
    while let Some(chunk) = reader.chunk().await? {
        let mut chunk = if binary { chunk } else { without_nul(chunk) };
        while !chunk.is_empty() {
            driver.connection_mut().send_body(&mut chunk)?;
            if !chunk.is_empty() {
                driver.flush().await?;
            }
        }
    }
    driver.connection_mut().finish_body()?;
    Ok(())
}

/// A literal cannot have NUL in it (RFC 9051 section 4.3), but a message that came by other ways can:
/// it is shown as 0x80, as other servers do. The length stays.
pub(super) fn without_nul(bytes: Bytes) -> Bytes {
    if memchr::memchr(0, &bytes).is_none() {
        return bytes;
    }
    bytes.iter().map(|&byte| if byte == 0 { 0x80 } else { byte }).collect()
}
