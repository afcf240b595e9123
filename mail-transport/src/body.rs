//! What is read piece by piece, put together or handed on.

use bytes::{Bytes, BytesMut};

/// A source of pieces.
pub(crate) trait Pieces {
    /// Why there is not a next one.
    type Error;

    /// The next piece; `None` at the end.
    async fn piece(&mut self) -> Result<Option<Bytes>, Self::Error>;
}

/// All pieces together. `check` is asked whether there may be so many bytes. A body of one piece is not
/// copied.
pub(crate) async fn collect<P: Pieces>(
    pieces: &mut P,
    check: impl Fn(usize) -> Result<(), P::Error>,
) -> Result<Bytes, P::Error> {
    let Some(first) = pieces.piece().await? else { return Ok(Bytes::new()) };
    check(first.len())?;
    let Some(second) = pieces.piece().await? else { return Ok(first) };
    let mut whole = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(piece) = next {
        check(whole.len().saturating_add(piece.len()))?;
        whole.extend_from_slice(&piece);
        next = pieces.piece().await?;
    }
    Ok(whole.freeze())
}

#[cfg(all(feature = "client", any(feature = "imap", feature = "pop3")))]
pub(crate) use client::{copy, within};

/// What only clients do with pieces.
#[cfg(all(feature = "client", any(feature = "imap", feature = "pop3")))]
mod client {
    use tokio::io::{AsyncWrite, AsyncWriteExt};

    use super::Pieces;
    use crate::{Error, Result};

    /// Whether so many bytes are within a limit that the caller has set.
    pub(crate) fn within(limit: usize) -> impl Fn(usize) -> Result<()> {
        move |length| {
            if length <= limit {
                return Ok(());
            }
            let limit = limit as u64;
            Err(Error::Protocol(mailwire_core::Error::LimitExceeded { what: "bytes of a body", limit }))
        }
    }

    /// Writes all pieces as they come, and flushes. Gives their length.
    pub(crate) async fn copy<P: Pieces<Error = Error>>(
        pieces: &mut P,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Result<u64> {
        let mut length: u64 = 0;
        while let Some(piece) = pieces.piece().await? {
            writer.write_all(&piece).await?;
            length = length.saturating_add(piece.len() as u64);
        }
        writer.flush().await?;
        Ok(length)
    }
}
