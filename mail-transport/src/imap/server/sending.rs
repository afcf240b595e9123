//! What goes out: responses, and contents that come piece by piece.

use bytes::Bytes;
use mailwire_imap::{response::Untagged, server::Connection};

use crate::{
    Budget, Driver, Error, Stream,
    server::{Content, Reader, without_nul},
};

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

/// So much of what is in memory is looked at and handed on at once.
const PIECE: usize = 64 << 10;

/// Sends the literal that is due. A content that is not as long as it claimed to be cannot be mended:
/// the connection has to end.
pub(super) async fn send_literal<R: Reader>(
    driver: &mut ServerDriver,
    content: Content<R>,
    binary: bool,
) -> Result<(), Error> {
    let mut turns = Budget::unlimited();
    match content {
        Content::Bytes(mut bytes) => {
            while !bytes.is_empty() {
                let piece = bytes.split_to(bytes.len().min(PIECE));
                send_piece(driver, piece, binary, &mut turns).await?;
            }
        }
        Content::Stream { mut reader, .. } => {
            while let Some(piece) = reader.chunk().await? {
                send_piece(driver, piece, binary, &mut turns).await?;
            }
        }
    }
    driver.connection_mut().finish_body()?;
    Ok(())
}

async fn send_piece(
    driver: &mut ServerDriver,
    piece: Bytes,
    binary: bool,
    turns: &mut Budget,
) -> Result<(), Error> {
    // The client can read faster than is fair to others; this one has no limit.
    let _ = turns.spend(piece.len() as u64).await;
    let mut piece = if binary { piece } else { without_nul(piece) };
    while !piece.is_empty() {
        driver.connection_mut().send_body(&mut piece)?;
        if !piece.is_empty() {
            driver.flush().await?;
        }
    }
    Ok(())
}
