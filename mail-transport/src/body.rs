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
pub(crate) use client::{copy, streamed_body, within};

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
            Err(mailwire_core::Error::LimitExceeded { what: "bytes of a body", limit }.into())
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

    /// Gives a client's `Body` what follows from its `chunk`, in the same words for each protocol.
    macro_rules! streamed_body {
        ($body:ident) => {
            impl $body<'_> {
                /// Reads all of it into memory, if it has at most `limit` bytes.
                ///
                /// # Errors
                ///
                /// It is larger ([`LimitExceeded`](mailwire_core::Error::LimitExceeded)), or
                /// [`chunk`](Self::chunk) fails.
                pub async fn bytes(mut self, limit: usize) -> $crate::Result<bytes::Bytes> {
                    $crate::body::collect(&mut self, $crate::body::within(limit)).await
                }

                /// Writes it to `writer` as it comes, and flushes. Gives its length in bytes.
                ///
                /// # Errors
                ///
                /// The writer fails ([`Error::Io`](crate::Error::Io)), or [`chunk`](Self::chunk) does. A
                /// part may have been written then.
                pub async fn copy_to<W: tokio::io::AsyncWrite + Unpin>(
                    mut self,
                    writer: &mut W,
                ) -> $crate::Result<u64> {
                    $crate::body::copy(&mut self, writer).await
                }
            }

            impl $crate::body::Pieces for $body<'_> {
                type Error = $crate::Error;

                async fn piece(&mut self) -> $crate::Result<Option<bytes::Bytes>> {
                    self.chunk().await
                }
            }
        };
    }
    pub(crate) use streamed_body;
}
