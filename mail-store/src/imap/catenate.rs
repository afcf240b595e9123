//! Messages that are put together of others, and what URLs name.

use mailwire_imap::{extensions::acl::Rights, url::MessagePart};
use mailwire_transport::{
    Budget,
    imap::server::{Body, Piece, Refusal, UrlPiece},
    server::{Content, Reader as _},
};

use super::{
    fetch::{self, Found},
    user::User,
};
use crate::{BodyWriter, Error, Fields, Store, Uids};

impl<S: Store> User<S> {
    /// Takes a message, with what of it the user has already.
    pub(super) async fn write(&self, body: &mut Body<'_>, writer: &mut S::Writer) -> Result<(), Refusal> {
        while let Some(piece) = body.piece().await? {
            match piece {
                Piece::Bytes(bytes) => writer.write(bytes).await?,
                Piece::Url(url) => self.write_part(&url, body, writer).await?,
                _ => return Err(Error::NotDone("a piece that is not known here".into()).into()),
            }
        }
        Ok(())
    }

    /// Takes a part of a message that the user can read ([RFC 4469 section
    /// 3](https://www.rfc-editor.org/rfc/rfc4469#section-3)).
    async fn write_part(
        &self,
        url: &UrlPiece,
        body: &mut Body<'_>,
        writer: &mut S::Writer,
    ) -> Result<(), Refusal> {
        let content = match self.part(&url.part, body.budget()).await? {
            Some(content) => content,
            None => return Err(url.refusal()),
        };
        match content {
            Content::Bytes(mut bytes) => {
                body.count(bytes.len() as u64)?;
                while !bytes.is_empty() {
                    let turn = bytes.split_to(bytes.len().min(Budget::TURN as usize));
                    writer.write(turn).await?;
                    tokio::task::yield_now().await;
                }
            }
            Content::Stream { length, mut reader } => {
                body.count(length)?;
                let failed = |error: std::io::Error| Error::NotDone(error.to_string().into());
                while let Some(chunk) = reader.chunk().await.map_err(failed)? {
                    writer.write(chunk).await?;
                    tokio::task::yield_now().await;
                }
            }
            _ => return Err(url.refusal()),
        }
        Ok(())
    }

    /// What a URL names, if it is there and the user may read it.
    pub(super) async fn part(&self, part: &MessagePart, budget: &mut Budget) -> Result<Found<S>, Refusal> {
        let mailbox = match self.named(part.mailbox.name()).await {
            Ok(mailbox) => mailbox,
            Err(Error::NoSuchMailbox) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let is_stale = part.mailbox.uid_validity.is_some_and(|known| known != mailbox.uid_validity);
        if is_stale || !mailbox.rights.contains(Rights::READ) {
            return Ok(None);
        }
        let uids = Uids::from(&[part.uid][..]);
        let rows = self.store.messages(mailbox.id, &uids, Fields::new(), 1).await?;
        match rows.first() {
            Some(row) => fetch::part(&self.store, row, part, budget).await,
            None => Ok(None),
        }
    }
}
