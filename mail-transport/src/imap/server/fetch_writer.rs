//! What FETCH answers, on its way out.

use mailwire_imap::{
    command::FetchAtt,
    response::{BinaryData, Code, MsgAtt, SectionData, Untagged},
    types::{Data, Partial, ShortList, Uid},
};

use super::{
    answers::{Fetched, FetchedItem, Stored},
    open::{Open, Shape},
    refusal::Refusal,
    sending::{ServerDriver, push, send_literal},
};
use crate::{
    Budget, Error,
    server::{Content, NoReader, Reader, without_nul},
};

/// Takes what FETCH gives, message by message, and sends it while the next one is made.
///
/// At no time is more of a content in memory than what its [`Content`] holds by itself, and one piece of what
/// it reads.
pub struct FetchWriter<'a> {
    driver: &'a mut ServerDriver,
    open: &'a mut Open,
    /// The messages whose flags this command has changed, ascending.
    seen: &'a [Stored],
    shape: Shape,
    /// Bytes of one response.
    limit: u64,
    budget: Budget,
    given: usize,
    /// Why nothing can be sent any more.
    failed: Option<Error>,
}

impl<'a> FetchWriter<'a> {
    pub(super) const fn new(
        driver: &'a mut ServerDriver,
        open: &'a mut Open,
        seen: &'a [Stored],
        shape: Shape,
        limit: u64,
        budget: Budget,
    ) -> Self {
        Self { driver, open, seen, shape, limit, budget, given: 0, failed: None }
    }

    /// How many messages were given.
    pub(super) const fn given(&self) -> usize {
        self.given
    }

    /// What is left of the budget.
    pub(super) fn end(self) -> Result<Budget, Error> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self.budget),
        }
    }

    /// Messages of which only the UID is asked for.
    pub(super) async fn bare(&mut self, uids: &[Uid]) -> Result<(), Refusal> {
        for &uid in uids {
            self.message(Fetched::<NoReader>::new(uid)).await?;
        }
        Ok(())
    }

    /// Sends what is given of a message. A message that the client does not know is left out.
    ///
    /// # Errors
    ///
    /// The client is gone, or this is more than one response may have
    /// ([`Limits::response`](mailwire_imap::Limits::response)): give this error as the answer to the FETCH.
    pub async fn message<R: Reader>(&mut self, message: Fetched<R>) -> Result<(), Refusal> {
        let bytes = message.items.iter().fold(0u64, |sum, item| sum.saturating_add(length(item)));
        if bytes > self.limit {
            return Err(
                Refusal::new("A response would be too large: ask for less at once").with_code(Code::Limit)
            );
        }
        self.given += 1;
        if let Err(error) = self.send(message).await {
            self.failed = Some(error);
            return Err(Refusal::unavailable());
        }
        Ok(())
    }

    /// What this command may still cost: see [`Limits::work`](mailwire_imap::Limits::work). Grant it what is
    /// stored and looked at once, and spend all that is looked at.
    pub const fn budget(&mut self) -> &mut Budget {
        &mut self.budget
    }

    async fn send<R: Reader>(&mut self, mut message: Fetched<R>) -> Result<(), Error> {
        let Shape { mut with_uid, with_mod_seq, rev2 } = self.shape;
        let uid = message.uid;
        if self.open.view.number(uid).is_none() {
            return Ok(());
        }
        let place = self.seen.binary_search_by_key(&uid, |stored| stored.uid);
        if let Some(Stored { flags, mod_seq, .. }) = place.ok().and_then(|place| self.seen.get(place)) {
            let is_flags = |item: &FetchedItem<_>| matches!(item, FetchedItem::Data(MsgAtt::Flags(_)));
            if !message.items.iter().any(is_flags) {
                message.data(MsgAtt::Flags(flags.clone()));
            }
            let is_mod_seq = |item: &FetchedItem<_>| matches!(item, FetchedItem::Data(MsgAtt::ModSeq(_)));
            if with_mod_seq && !message.items.iter().any(is_mod_seq) {
                if let Some(mod_seq) = *mod_seq {
                    message.data(MsgAtt::ModSeq(Some(mod_seq)));
                }
            }
            // RFC 7162 section 3.2.4: as with any other change.
            with_uid |= with_mod_seq;
        }
        let mut is_new = false;
        for item in &message.items {
            is_new |= matches!(item, FetchedItem::Data(MsgAtt::Flags(flags)) if self.open.learn(flags));
        }
        if is_new {
            self.open.tell_flags(self.driver).await?;
        }
        let mut items = ShortList::new();
        let mut streams = Vec::new();
        if with_uid {
            items.push(MsgAtt::Uid(uid));
        }
        for item in message.items {
            match item {
                FetchedItem::Data(MsgAtt::Flags(flags)) => {
                    items.push(MsgAtt::Flags(self.open.shown(uid, flags, rev2)));
                }
                FetchedItem::Data(MsgAtt::ModSeq(Some(mod_seq))) => {
                    items.push(self.open.changes.item(mod_seq))
                }
                FetchedItem::Data(item) => items.push(item),
                FetchedItem::Content { asked, content } => {
                    let binary = matches!(asked, FetchAtt::Binary { .. });
                    let (data, source) = announce(content, binary);
                    let Some(item) = item_of(asked, data) else { continue };
                    items.push(item);
                    streams.extend(source.map(|source| (source, binary)));
                }
            }
        }
        if items.is_empty() {
            return Ok(());
        }
        let Some(fetched) = self.open.fetched(uid, items) else { return Ok(()) };
        push(self.driver, Untagged::Fetch(fetched)).await?;
        for (source, binary) in streams {
            send_literal(self.driver, source, binary).await?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for FetchWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FetchWriter")
            .field("given", &self.given)
            .field("limit", &self.limit)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

fn length<R>(item: &FetchedItem<R>) -> u64 {
    match item {
        FetchedItem::Content { content: Some(Content::Bytes(bytes)), .. } => bytes.len() as u64,
        FetchedItem::Content { content: Some(Content::Stream { length, .. }), .. } => *length,
        _ => 0,
    }
}

/// A content of no more bytes is a part of the response; a larger one is sent after it, piece by piece.
const INLINE: usize = 4096;

/// How a content stands in its response, and what is to be sent after that.
fn announce<R>(content: Option<Content<R>>, binary: bool) -> (Data, Option<Content<R>>) {
    match content {
        None => (Data::Nil, None),
        Some(Content::Bytes(bytes)) if bytes.len() <= INLINE => {
            let bytes = if binary { bytes } else { without_nul(bytes) };
            (Data::Inline(bytes.into()), None)
        }
        Some(Content::Bytes(bytes)) => {
            (Data::Streamed { length: bytes.len() as u64 }, Some(Content::Bytes(bytes)))
        }
        Some(Content::Stream { length, reader }) => {
            (Data::Streamed { length }, Some(Content::Stream { length, reader }))
        }
    }
}

fn item_of(asked: FetchAtt, data: Data) -> Option<MsgAtt> {
    let origin = |partial: Option<Partial>| partial.map(|partial| partial.offset);
    Some(match asked {
        FetchAtt::BodySection { section, partial, .. } => {
            MsgAtt::Section(Box::new(SectionData::new(section, data).with_origin(origin(partial))))
        }
        FetchAtt::Binary { part, partial, .. } => {
            MsgAtt::Binary(Box::new(BinaryData::new(part, data).with_origin(origin(partial))))
        }
        FetchAtt::Rfc822 => MsgAtt::Rfc822(data),
        FetchAtt::Rfc822Header => MsgAtt::Rfc822Header(data),
        FetchAtt::Rfc822Text => MsgAtt::Rfc822Text(data),
        _ => return None,
    })
}
