//! What FETCH gives of a message.

use std::{
    collections::BTreeMap,
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
};

use mailwire_core::from_variants;
use mailwire_imap::{
    command::{FetchAtt, PreviewMods},
    response::{BinarySize, Code, MsgAtt},
    types::{ImapString, Partial, Section},
    url::MessageRef,
};
use mailwire_transport::{
    Budget, OverBudget,
    imap::server::{FetchWriter, Fetched, Refusal, UrlBytes},
    server::Content,
};

use crate::{
    Error, Fields, InternalDate, MailboxId, Row, Store, Uids,
    content::{Contents, content, count, worked},
    gmail::thread_number,
    message::{Choice, Message, Pieces, UnknownEncoding, partial, without_extension},
};

/// So many bytes of messages have their envelopes and structures made at once, which may become as large.
const SUMMARIES: u64 = 1 << 20;

/// The items of a FETCH, with what is the same for all messages.
pub(super) struct Plan<'a> {
    items: Vec<(&'a FetchAtt, Option<Choice>)>,
    fields: Fields,
}

impl<'a> Plan<'a> {
    pub(super) fn new(items: &'a [FetchAtt]) -> Self {
        let asked = |item: &FetchAtt| items.contains(item);
        let choice = |item: &FetchAtt| match item {
            FetchAtt::BodySection { section, .. } => Choice::of(section),
            _ => None,
        };
        Self {
            items: items.iter().map(|item| (item, choice(item))).collect(),
            fields: Fields::new()
                .with_flags(asked(&FetchAtt::Flags))
                .with_labels(asked(&FetchAtt::GmailLabels))
                .with_envelope(asked(&FetchAtt::Envelope))
                .with_structure(asked(&FetchAtt::Body) || asked(&FetchAtt::BodyStructure)),
        }
    }

    /// Gives the items of all these messages, one message after the other.
    pub(super) async fn fetch<S: Store>(
        &self,
        store: &S,
        mailbox: MailboxId,
        uids: &Uids,
        out: &mut FetchWriter<'_>,
    ) -> Result<(), Refusal> {
        let light = Fields { envelope: false, structure: false, ..self.fields };
        let rows = store.messages(mailbox, uids, light, usize::MAX).await?;
        if light == self.fields {
            return self.give(store, &rows, out).await;
        }
        let mut rest = rows.as_slice();
        while !rest.is_empty() {
            let mut bytes = 0u64;
            let fits = |row: &&Row| {
                bytes = bytes.saturating_add(row.size);
                bytes <= SUMMARIES
            };
            let many = rest.iter().take_while(fits).count().max(1);
            let (page, more) = rest.split_at_checked(many).unwrap_or((rest, &[]));
            let uids = page.iter().map(|row| row.uid).collect();
            let rows = store.messages(mailbox, &uids, self.fields, usize::MAX).await?;
            self.give(store, &rows, out).await?;
            rest = more;
        }
        Ok(())
    }

    async fn give<S: Store>(
        &self,
        store: &S,
        rows: &[Row],
        out: &mut FetchWriter<'_>,
    ) -> Result<(), Refusal> {
        for row in rows {
            // What is looked at once or twice is in proportion to what is stored.
            out.budget().grant(row.size.saturating_mul(4).saturating_add(1024));
            let mut fetch = Fetch { store, row, parts: None, sizes: BTreeMap::new(), budget: out.budget() };
            match fetch.items(&self.items).await {
                Ok(fetched) => out.message(fetched).await?,
                Err(Stop::Store(Error::NoSuchBody)) => {}
                Err(stop) => return Err(stop.into()),
            }
        }
        Ok(())
    }
}

/// What a URL names of a message.
pub(super) async fn part<S: Store>(
    store: &S,
    row: &Row,
    part: &MessageRef,
    form: UrlBytes,
    budget: &mut Budget,
) -> Result<Found<S>, Refusal> {
    let section = part.section();
    let range = part
        .partial
        .map(|range| Partial { offset: range.offset, length: range.length.unwrap_or(NonZeroU64::MAX) });
    let asked = match form {
        UrlBytes::Decoded if section.text().is_none() => {
            FetchAtt::Binary { part: section.part().to_vec(), partial: range, peek: true }
        }
        _ => FetchAtt::BodySection { section: section.clone(), partial: range, peek: true },
    };
    if *section != Section::WHOLE {
        // To find a part is to look at the message.
        budget.spend(row.size).await?;
    }
    let mut fetch = Fetch { store, row, parts: None, sizes: BTreeMap::new(), budget };
    match fetch.content(&asked, Choice::of(section).as_ref()).await {
        Ok(found) => Ok(found),
        Err(Stop::Store(Error::NoSuchBody)) => Ok(None),
        Err(stop) => Err(stop.into()),
    }
}

enum Stop {
    Store(Error),
    UnknownEncoding,
    OverBudget(OverBudget),
}

from_variants!(Stop { Store(Error), OverBudget(OverBudget) });

impl From<UnknownEncoding> for Stop {
    fn from(_: UnknownEncoding) -> Self {
        Self::UnknownEncoding
    }
}

impl From<Stop> for Refusal {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Store(error) => error.into(),
            Stop::UnknownEncoding => {
                Self::new("The part's transfer encoding is not known").with_code(Code::UnknownCte)
            }
            Stop::OverBudget(over) => over.into(),
        }
    }
}

struct Fetch<'a, S> {
    store: &'a S,
    row: &'a Row,
    parts: Option<Arc<Message>>,
    /// The sizes of decoded parts, each worked out once.
    sizes: BTreeMap<Vec<NonZeroU32>, u64>,
    budget: &'a mut Budget,
}

/// What there is of a content that was asked for.
pub(super) type Found<S> = Option<Content<Contents<<S as Store>::Reader>>>;

impl<S: Store> Fetch<'_, S> {
    async fn items(
        &mut self,
        items: &[(&FetchAtt, Option<Choice>)],
    ) -> Result<Fetched<Contents<S::Reader>>, Stop> {
        let mut fetched = Fetched::new(self.row.uid);
        for (item, choice) in items {
            if let Some(data) = self.data(item).await? {
                fetched.data(data);
            } else {
                fetched.content((*item).clone(), self.content(item, choice.as_ref()).await?);
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
            FetchAtt::ModSeq => Some(MsgAtt::ModSeq(Some(row.mod_seq))),
            FetchAtt::Envelope => row.envelope.clone().map(MsgAtt::Envelope),
            FetchAtt::Body => structure().map(|structure| MsgAtt::Body(without_extension(structure))),
            FetchAtt::BodyStructure => structure().map(MsgAtt::BodyStructure),
            FetchAtt::EmailId => Some(MsgAtt::EmailId(row.body.object_id().into())),
            FetchAtt::ThreadId => Some(MsgAtt::ThreadId(row.thread.map(|thread| thread.object_id().into()))),
            FetchAtt::GmailLabels => Some(MsgAtt::GmailLabels(row.labels.clone())),
            FetchAtt::GmailMessageId => Some(MsgAtt::GmailMessageId(row.body.get())),
            // Without threads, each message is one.
            FetchAtt::GmailThreadId => Some(MsgAtt::GmailThreadId(thread_number(row))),
            FetchAtt::SaveDate => Some(MsgAtt::SaveDate(InternalDate::from(row.saved).to_date_time())),
            FetchAtt::Preview(mods) => Some(MsgAtt::Preview(self.preview(*mods).await?)),
            // The one algorithm that there is under all its names.
            FetchAtt::Snippet(mods) => Some(MsgAtt::Snippet(self.preview(*mods).await?)),
            FetchAtt::BinarySize { part } => {
                let size = match self.parts().await?.binary_pieces(part) {
                    Some(found) => match found? {
                        Ok(pieces) => self.size(part, &pieces).await?,
                        Err(bytes) => bytes.len() as u64,
                    },
                    None => 0,
                };
                Some(MsgAtt::BinarySize(Box::new(BinarySize::new(part.clone(), size))))
            }
            _ => None,
        })
    }

    /// The first words. Of a message that is large enough to keep others waiting they are not at hand.
    async fn preview(&mut self, mods: PreviewMods) -> Result<Option<ImapString>, Stop> {
        if mods.lazy && self.row.size > Budget::TURN {
            return Ok(None);
        }
        self.budget.spend(Message::preview_cost(self.row.size)).await?;
        let text = self.parts().await?.preview();
        Ok(Some(ImapString::new(text).unwrap_or_default()))
    }

    async fn content(&mut self, item: &FetchAtt, choice: Option<&Choice>) -> Result<Found<S>, Stop> {
        let found = match item {
            FetchAtt::BodySection { section, partial: range, .. } => {
                if section.part().is_empty() && section.text().is_none() {
                    return self.whole(*range).await.map(Some);
                }
                let parts = self.parts().await?;
                match choice {
                    Some(choice) => match parts.chosen(section, choice) {
                        Some(pieces) => return Ok(Some(worked(pieces, None, *range, self.budget).await?)),
                        None => None,
                    },
                    None => parts.section(section).map(|found| partial(&found, *range)),
                }
            }
            FetchAtt::Binary { part, partial: range, .. } => {
                if part.is_empty() {
                    return self.whole(*range).await.map(Some);
                }
                match self.parts().await?.binary_pieces(part) {
                    Some(found) => match found? {
                        Ok(pieces) => {
                            let size = self.size(part, &pieces).await?;
                            return Ok(Some(worked(pieces, Some(size), *range, self.budget).await?));
                        }
                        Err(bytes) => Some(partial(&bytes, *range)),
                    },
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

    /// The size of a part without its transfer encoding.
    async fn size(&mut self, part: &[NonZeroU32], pieces: &Pieces) -> Result<u64, OverBudget> {
        if let Some(size) = self.sizes.get(part) {
            return Ok(*size);
        }
        let size = count(pieces, self.budget).await?;
        self.sizes.insert(part.to_vec(), size);
        Ok(size)
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
