//! What FETCH gives of a message.

use std::sync::Arc;

use mailwire_imap::{
    command::FetchAtt,
    response::{BinarySize, Code, MsgAtt},
    types::{Partial, Section},
};
use mailwire_transport::{
    imap::server::{Fetched, Refusal},
    server::Content,
};

use crate::{
    Error, Fields, Row, Store,
    content::{Contents, content},
    message::{Message, UnknownEncoding, partial, without_extension},
};

/// What the rows have to tell for these items.
pub(super) fn fields(items: &[FetchAtt]) -> Fields {
    let asked = |item: &FetchAtt| items.contains(item);
    Fields::new()
        .with_flags(asked(&FetchAtt::Flags))
        .with_envelope(asked(&FetchAtt::Envelope))
        .with_structure(asked(&FetchAtt::Body) || asked(&FetchAtt::BodyStructure))
}

/// The items of one message. `None` if it is gone.
pub(super) async fn fetch<S: Store>(
    store: &S,
    row: &Row,
    items: &[FetchAtt],
) -> Result<Option<Fetched<Contents<S::Reader>>>, Refusal> {
    match (Fetch { store, row, parts: None }).items(items).await {
        Ok(fetched) => Ok(Some(fetched)),
        Err(Stop::Store(Error::NoSuchBody)) => Ok(None),
        Err(Stop::Store(error)) => Err(error.into()),
        Err(Stop::UnknownEncoding) => {
            Err(Refusal::new("The part's transfer encoding is not known").with_code(Code::UnknownCte))
        }
    }
}

enum Stop {
    Store(Error),
    UnknownEncoding,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<UnknownEncoding> for Stop {
    fn from(_: UnknownEncoding) -> Self {
        Self::UnknownEncoding
    }
}

struct Fetch<'a, S> {
    store: &'a S,
    row: &'a Row,
    parts: Option<Arc<Message>>,
}

impl<S: Store> Fetch<'_, S> {
    async fn items(&mut self, items: &[FetchAtt]) -> Result<Fetched<Contents<S::Reader>>, Stop> {
        let mut fetched = Fetched::new(self.row.uid);
        for item in items {
            if let Some(data) = self.data(item).await? {
                fetched.data(data);
            } else {
                fetched.content(item.clone(), self.content(item).await?);
            }
        }
        Ok(fetched)
    }

    /// A small item. `None` if this is a content.
    async fn data(&mut self, item: &FetchAtt) -> Result<Option<MsgAtt>, Stop> {
        let row = self.row;
        let structure = || row.structure.as_deref().cloned();
        Ok(match item {
            FetchAtt::Flags => Some(MsgAtt::Flags(row.flags.clone())),
            FetchAtt::InternalDate => Some(MsgAtt::InternalDate(row.date.to_date_time())),
            FetchAtt::Rfc822Size => Some(MsgAtt::Rfc822Size(row.size)),
            FetchAtt::Envelope => row.envelope.clone().map(MsgAtt::Envelope),
            FetchAtt::Body => structure().map(|structure| MsgAtt::Body(without_extension(structure))),
            FetchAtt::BodyStructure => structure().map(MsgAtt::BodyStructure),
            FetchAtt::BinarySize { part } => {
                let size = match self.parts().await?.binary(part) {
                    Some(decoded) => decoded?.len() as u64,
                    None => 0,
                };
                Some(MsgAtt::BinarySize(Box::new(BinarySize::new(part.clone(), size))))
            }
            _ => None,
        })
    }

    async fn content(&mut self, item: &FetchAtt) -> Result<Option<Content<Contents<S::Reader>>>, Stop> {
        let found = match item {
            FetchAtt::BodySection { section, partial: range, .. } => {
                if section.part().is_empty() && section.text().is_none() {
                    return self.whole(*range).await.map(Some);
                }
                self.parts().await?.section(section).map(|found| partial(&found, *range))
            }
            FetchAtt::Binary { part, partial: range, .. } => {
                if part.is_empty() {
                    return self.whole(*range).await.map(Some);
                }
                match self.parts().await?.binary(part) {
                    Some(decoded) => Some(partial(&decoded?, *range)),
                    None => None,
                }
            }
            FetchAtt::Rfc822 => return self.whole(None).await.map(Some),
            FetchAtt::Rfc822Header => self.parts().await?.section(&Section::HEADER),
            FetchAtt::Rfc822Text => self.parts().await?.section(&Section::TEXT),
            _ => None,
        };
        Ok(found.map(Content::Bytes))
    }

    async fn parts(&mut self) -> Result<&Message, Stop> {
        let parts = match self.parts.take() {
            Some(parts) => parts,
            None => self.store.message(self.row.body).await?,
        };
        Ok(self.parts.insert(parts))
    }

    /// A range of the message as it is.
    async fn whole(&self, range: Option<Partial>) -> Result<Content<Contents<S::Reader>>, Stop> {
        let range = match range {
            Some(range) => range.offset..range.offset.saturating_add(range.length.get()),
            None => 0..u64::MAX,
        };
        Ok(content(self.store, self.row, range).await?)
    }
}
