//! Messages that are put together of others, and what URLs name.

use std::num::NonZeroU32;

use bytes::{Bytes, BytesMut};
use mailwire_imap::{
    extensions::acl::Rights,
    response::Code,
    types::{BodyStructure, ContentEncoding, PartKind},
    url::MessageRef,
};
use mailwire_transport::{
    Budget,
    imap::server::{Body, Piece, Refusal, UrlBytes, UrlContent, UrlOptions, UrlPiece},
    server::{Content, Reader as _},
};

use super::{
    fetch::{self, Found},
    user::User,
};
use crate::{BodyReader, BodyWriter, Error, Fields, Row, Store, Uids, content::Contents};

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
        let content = match self.part(&url.part, UrlBytes::Encoded, body.budget()).await? {
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
                while let Some(chunk) = reader.chunk().await.map_err(unreadable)? {
                    writer.write(chunk).await?;
                    tokio::task::yield_now().await;
                }
            }
            _ => return Err(url.refusal()),
        }
        Ok(())
    }

    /// What a URL names, if it is there and the user may read it.
    async fn part(
        &self,
        part: &MessageRef,
        form: UrlBytes,
        budget: &mut Budget,
    ) -> Result<Found<S>, Refusal> {
        match self.row(part, Fields::new()).await? {
            Some(row) => fetch::part(&self.store, &row, part, form, budget).await,
            None => Ok(None),
        }
    }

    /// The message of a URL, if it is there and the user may read it.
    async fn row(&self, part: &MessageRef, fields: Fields) -> Result<Option<Row>, Refusal> {
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
        Ok(self.store.messages(mailbox.id, &uids, fields, 1).await?.pop())
    }

    /// What an authorized URL gives to others ([RFC 4467](https://www.rfc-editor.org/rfc/rfc4467), [RFC
    /// 5524](https://www.rfc-editor.org/rfc/rfc5524)).
    pub(super) async fn url_content(
        &self,
        part: &MessageRef,
        options: &UrlOptions,
        budget: &mut Budget,
    ) -> Result<Option<UrlContent>, Refusal> {
        let form = options.bytes.unwrap_or(UrlBytes::Encoded);
        let mut found = UrlContent::new();
        let content = match self.part(part, form, budget).await {
            Ok(Some(content)) => Some(content),
            Ok(None) => return Ok(None),
            Err(Refusal { code: Some(Code::UnknownCte), .. }) => None,
            Err(refusal) => return Err(refusal),
        };
        let length = match &content {
            Some(Content::Stream { length, .. }) => *length,
            Some(Content::Bytes(bytes)) => bytes.len() as u64,
            _ => 0,
        };
        if options.bytes.is_some() {
            if length > options.limit {
                let refusal = Refusal::new("There is more than is given at once: ask for ranges of it");
                return Err(refusal.with_code(Code::TooBig));
            }
            budget.spend(length).await?;
            found.bytes = match content {
                Some(content) => Some(whole(content).await?),
                None => None,
            };
        }
        if options.structure && part.section().text().is_none() {
            let Some(Row { size, .. }) = self.row(part, Fields::new()).await? else { return Ok(None) };
            // To find the parts is to look at the message.
            budget.spend(size).await?;
            let row = self.row(part, Fields::new().with_structure(true)).await?;
            let structure = row.and_then(|row| row.structure);
            found.structure =
                structure.and_then(|structure| part_of(&structure, part.section().part()).cloned());
            if let (Some(UrlBytes::Decoded), Some(_), Some(BodyStructure::Single(single))) =
                (options.bytes, &found.bytes, &mut found.structure)
            {
                (single.encoding, single.octets) = (ContentEncoding::Binary, Some(length));
            }
        }
        Ok(Some(found))
    }
}

/// All of a content, whose length was looked at.
async fn whole<R: BodyReader>(content: Content<Contents<R>>) -> Result<Bytes, Refusal> {
    match content {
        Content::Bytes(bytes) => Ok(bytes),
        Content::Stream { mut reader, .. } => {
            let mut whole = BytesMut::new();
            while let Some(chunk) = reader.chunk().await.map_err(unreadable)? {
                whole.extend_from_slice(&chunk);
                tokio::task::yield_now().await;
            }
            Ok(whole.freeze())
        }
        _ => Err(Refusal::unavailable()),
    }
}

fn unreadable(error: std::io::Error) -> Error {
    Error::NotDone(error.to_string())
}

/// The structure of a part, by its numbers ([RFC 9051 section
/// 6.4.5.1](https://www.rfc-editor.org/rfc/rfc9051#section-6.4.5.1)).
fn part_of<'a>(structure: &'a BodyStructure, numbers: &[NonZeroU32]) -> Option<&'a BodyStructure> {
    let Some((number, below)) = numbers.split_first() else { return Some(structure) };
    let at = usize::try_from(number.get()).ok()? - 1;
    let part = match structure {
        BodyStructure::Multi(multi) => multi.parts.get(at)?,
        single if at == 0 => single,
        _ => return None,
    };
    match part {
        BodyStructure::Single(single) if !below.is_empty() => match &single.kind {
            PartKind::Message(message) => part_of(&message.body, below),
            _ => None,
        },
        part => part_of(part, below),
    }
}
