//! FETCH.

use std::{
    borrow::Cow,
    collections::VecDeque,
    future::poll_fn,
    mem,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use mailwire_core::{Invalid, Text, Upgrade, apart};
use mailwire_imap::{
    client::{Connection, Event},
    command::{Command, Fetch, FetchAtt, FetchAtts, Messages},
    extensions::{
        annotate::{AnnotationData, EntryAtts},
        gmail::GmailLabel,
        object_ids::ObjectIds,
    },
    response::{self, MsgAtt, Untagged},
    types::{BodyStructure, Data, DateTime, Envelope, FlagSet, ImapString, Section, SeqNumber, Uid},
};

#[cfg(feature = "encoded-words")]
use mailwire_imap::reading::decode_words_with;

use super::{
    Call, Client, ToSet,
    error::refused,
    items::{data_of, data_ref},
    kept::Room,
    parts::Rest,
};
use crate::{
    Result,
    runtime::Boxed,
    session::{Machine, Turn, nothing_due},
};

/// The data that a server gave of one message.
///
/// A server may tell it in several pieces: then each piece is a `FetchedMessage` of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedMessage {
    fetch: response::FetchData,
}

impl FetchedMessage {
    /// Returns the sequence number, which is from 1 on; `None` where the server said 0.
    #[inline]
    #[must_use]
    pub fn number(&self) -> Option<SeqNumber> {
        self.fetch.number
    }

    /// Returns the UID. It comes with every answer to [`Client::uid_fetch`].
    #[inline]
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        self.fetch.message_uid()
    }

    /// Returns the flags.
    #[inline]
    #[must_use]
    pub fn flags(&self) -> Option<&FlagSet> {
        self.find(|item| if let MsgAtt::Flags(flags) = item { Some(flags) } else { None })
    }

    /// Returns the main fields of the header.
    #[inline]
    #[must_use]
    pub fn envelope(&self) -> Option<&Envelope> {
        self.find(|item| if let MsgAtt::Envelope(envelope) = item { Some(&**envelope) } else { None })
    }

    /// Returns the subject, from the envelope, as it stands there. Words beyond ASCII are mostly encoded:
    /// [`decoded_subject`](Self::decoded_subject) decodes them.
    #[inline]
    #[must_use]
    pub fn subject(&self) -> Option<Cow<'_, str>> {
        Some(self.envelope()?.subject()?.to_string_lossy())
    }

    /// Returns the subject for people: decoded ([RFC 2047](https://www.rfc-editor.org/rfc/rfc2047)), in one line. With the
    /// feature `encoded-words` it knows all charsets, otherwise [some](mailwire_imap::reading#charsets).
    #[inline]
    #[must_use]
    pub fn decoded_subject(&self) -> Option<String> {
        let subject = self.envelope()?.subject()?.as_bytes();
        #[cfg(feature = "encoded-words")]
        return Some(decode_words_with(subject, &crate::charset_text));
        #[cfg(not(feature = "encoded-words"))]
        return Some(mailwire_imap::reading::decode_words(subject));
    }

    /// Returns who it is from, for people: the addresses of the field From in the envelope, with their names decoded as
    /// [`decoded_subject`](Self::decoded_subject) is. Others are read by [`addresses`](mailwire_imap::reading::addresses).
    #[cfg(feature = "imap-extensions")]
    #[inline]
    #[must_use]
    pub fn decoded_from(&self) -> Vec<mailwire_imap::reading::NamedAddress> {
        let from = self.envelope().map_or(&[][..], Envelope::from);
        #[cfg(feature = "encoded-words")]
        return mailwire_imap::reading::addresses_with(from, &crate::charset_text).collect();
        #[cfg(not(feature = "encoded-words"))]
        return mailwire_imap::reading::addresses(from).collect();
    }

    /// Returns the parts, with extension data if there is any.
    #[inline]
    #[must_use]
    pub fn body_structure(&self) -> Option<&BodyStructure> {
        self.find(|item| match item {
            MsgAtt::BodyStructure(structure) | MsgAtt::Body(structure) => Some(structure),
            _ => None,
        })
    }

    /// Returns the size in bytes.
    #[inline]
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.find(|item| if let MsgAtt::Rfc822Size(size) = item { Some(*size) } else { None })
    }

    /// Returns the date at which it came.
    #[inline]
    #[must_use]
    pub fn internal_date(&self) -> Option<DateTime> {
        self.find(|item| if let MsgAtt::InternalDate(date) = item { *date } else { None })
    }

    /// Returns the modification sequence ([RFC 7162](https://www.rfc-editor.org/rfc/rfc7162)).
    #[inline]
    #[must_use]
    pub fn mod_seq(&self) -> Option<u64> {
        self.find(|item| if let MsgAtt::ModSeq(value) = item { value.map(u64::from) } else { None })
    }

    /// Returns what identifies the content of the message, in any mailbox
    /// ([RFC 8474](https://www.rfc-editor.org/rfc/rfc8474)).
    #[inline]
    #[must_use]
    pub fn email_id(&self) -> Option<&ImapString> {
        self.find(|item| if let MsgAtt::EmailId(id) = item { Some(id) } else { None })
    }

    /// Returns what identifies the thread of the message; `None` as well where the server has no threads
    /// ([RFC 8474](https://www.rfc-editor.org/rfc/rfc8474)).
    #[inline]
    #[must_use]
    pub fn thread_id(&self) -> Option<&ImapString> {
        self.find(|item| if let MsgAtt::ThreadId(id) = item { id.as_ref() } else { None })
    }

    /// Returns what identifies the message and its thread, where OBJECTID+ was used
    /// ([draft-ietf-mailmaint-imap-objectid-bis](https://datatracker.ietf.org/doc/draft-ietf-mailmaint-imap-objectid-bis/)).
    #[inline]
    #[must_use]
    pub fn object_ids(&self) -> Option<&ObjectIds> {
        self.find(|item| if let MsgAtt::ObjectIds(ids) = item { Some(&**ids) } else { None })
    }

    /// Returns when it was put into the mailbox ([RFC 8514](https://www.rfc-editor.org/rfc/rfc8514)).
    #[inline]
    #[must_use]
    pub fn save_date(&self) -> Option<DateTime> {
        self.find(|item| if let MsgAtt::SaveDate(date) = item { *date } else { None })
    }

    /// Returns its first words ([RFC 8970](https://www.rfc-editor.org/rfc/rfc8970)): empty if it has none to show,
    /// `None` as well where the server has not found them out yet.
    #[inline]
    #[must_use]
    pub fn preview(&self) -> Option<Cow<'_, str>> {
        let text = self.find(|item| match item {
            MsgAtt::Preview(text) | MsgAtt::Snippet(text) => text.as_ref(),
            _ => None,
        });
        text.map(ImapString::to_string_lossy)
    }

    /// Returns the annotations that were asked for ([RFC 5257](https://www.rfc-editor.org/rfc/rfc5257)).
    #[inline]
    #[must_use]
    pub fn annotations(&self) -> Option<&[EntryAtts]> {
        self.find(|item| match item {
            MsgAtt::Annotation(data) => match &**data {
                AnnotationData::Values(values) => Some(values.as_slice()),
                _ => None,
            },
            _ => None,
        })
    }

    /// Returns Gmail's labels.
    #[inline]
    #[must_use]
    pub fn labels(&self) -> Option<&[GmailLabel]> {
        self.find(|item| if let MsgAtt::GmailLabels(labels) = item { Some(labels.as_slice()) } else { None })
    }

    /// Returns Gmail's identifier of the message, which is the same under all labels.
    #[inline]
    #[must_use]
    pub fn gmail_message_id(&self) -> Option<u64> {
        self.find(|item| if let MsgAtt::GmailMessageId(id) = item { Some(*id) } else { None })
    }

    /// Returns Gmail's identifier of the conversation.
    #[inline]
    #[must_use]
    pub fn gmail_thread_id(&self) -> Option<u64> {
        self.find(|item| if let MsgAtt::GmailThreadId(id) = item { Some(*id) } else { None })
    }

    /// Returns the whole message.
    #[must_use]
    #[inline]
    pub fn body(&self) -> Option<Bytes> {
        self.section(&Section::WHOLE)
            .or_else(|| self.find(|item| if let MsgAtt::Rfc822(data) = item { bytes(data) } else { None }))
    }

    /// Returns the header.
    #[must_use]
    #[inline]
    pub fn header(&self) -> Option<Bytes> {
        self.section(&Section::HEADER).or_else(|| {
            self.find(|item| if let MsgAtt::Rfc822Header(data) = item { bytes(data) } else { None })
        })
    }

    /// Returns the body without the header.
    #[must_use]
    #[inline]
    pub fn text(&self) -> Option<Bytes> {
        self.section(&Section::TEXT).or_else(|| {
            self.find(|item| if let MsgAtt::Rfc822Text(data) = item { bytes(data) } else { None })
        })
    }

    /// Returns a part, or as much of it as was asked for. `None` if there is no such part, and if it
    /// was too large for [`Config::message_bodies`](super::Config::message_bodies).
    #[must_use]
    #[inline]
    pub fn section(&self, section: &Section) -> Option<Bytes> {
        let sections = || {
            self.fetch.items.iter().filter_map(|item| match item {
                MsgAtt::Section(part) => Some(part),
                _ => None,
            })
        };
        // Servers spell the names of fields in their own way.
        let alike = |other: &Section| {
            other.part() == section.part()
                && other.text().map(mem::discriminant) == section.text().map(mem::discriminant)
        };
        let exact = sections().find(|part| part.section == *section);
        let part = exact.or_else(|| sections().find(|part| alike(&part.section)))?;
        bytes(&part.data)
    }

    /// Iterates over the bodies that were too large to be collected, with their sizes in bytes.
    pub fn omitted(&self) -> impl Iterator<Item = (&MsgAtt, u64)> {
        self.fetch.items.iter().filter_map(|item| match data_ref(item)? {
            Data::Streamed { length } => Some((item, *length)),
            _ => None,
        })
    }

    /// Returns all the data, as the protocol has it.
    #[must_use]
    pub fn items(&self) -> &[MsgAtt] {
        &self.fetch.items
    }

    fn find<'a, T>(&'a self, pick: impl FnMut(&'a MsgAtt) -> Option<T>) -> Option<T> {
        self.fetch.items.iter().find_map(pick)
    }
}

impl From<response::FetchData> for FetchedMessage {
    fn from(fetch: response::FetchData) -> Self {
        Self { fetch }
    }
}

#[inline]
fn bytes(data: &Data) -> Option<Bytes> {
    match data {
        Data::Inline(text) => Some(text.clone().into_bytes()),
        Data::Nil | Data::Streamed { .. } => None,
    }
}

/// Tells answers to a FETCH or STORE from what other sessions have done to messages meanwhile.
pub(super) struct Wanted {
    messages: Messages,
    flags: bool,
}

impl Wanted {
    pub(super) fn new(messages: Messages, items: &FetchAtts) -> Self {
        let flags = match items {
            FetchAtts::List(items) => items.iter().any(|item| {
                // An extension's item may be about flags; MODSEQ comes with them.
                matches!(item, FetchAtt::Flags | FetchAtt::Other(_))
            }),
            _ => true,
        };
        Self { messages, flags }
    }

    /// Flags of these messages and no other data.
    #[inline]
    pub(super) const fn flags(messages: Messages) -> Self {
        Self { messages, flags: true }
    }

    /// Whether the response answers. Only what has flags and nothing else can be news.
    pub(super) fn is_answered_by(&self, fetch: &response::FetchData, exists: Option<u32>) -> bool {
        let mut has_flags = false;
        for item in &fetch.items {
            match item {
                MsgAtt::Flags(_) => has_flags = true,
                MsgAtt::Uid(_) | MsgAtt::ModSeq(_) => {}
                _ => return true,
            }
        }
        if has_flags && !self.flags {
            return false;
        }
        match &self.messages {
            // RFC 9051 section 6.4.9: the answer has it.
            Messages::Uid(set) => {
                fetch.message_uid().is_some_and(|uid| set.is_relative() || set.contains(uid, uid))
            }
            Messages::Sequence(set) => {
                let largest = exists.and_then(SeqNumber::new).unwrap_or(SeqNumber::MAX);
                set.is_saved() || fetch.number.is_some_and(|number| set.contains(number, largest))
            }
        }
    }
}

/// What [`FetchedMessages::next`] goes on with.
enum Next {
    /// A message; `None` at the end.
    Message(Option<FetchedMessage>),
    /// Something comes first: another stream, or else a command for what is left.
    First(Option<Upgrade>),
}

/// The messages that a FETCH asks for, as they come.
///
/// They need not be read to the end: the next call to the client reads what is left and throws it
/// away.
#[must_use]
pub struct FetchedMessages<'a> {
    client: &'a mut Client,
    /// `None`: it is over.
    call: Option<Call>,
    /// What is left, where the server does a part of it at once.
    rest: MaybeRest,
    next: MaybeFetch,
    wanted: Option<Wanted>,
    /// The bodies of the next response that came in pieces. `None`: too large.
    bodies: VecDeque<Option<BytesMut>>,
    collected: usize,
    vanished: Vec<(Uid, Uid)>,
    room: Room,
}

apart! {
    struct MaybeRest(Option<Rest<Fetch>>);

    struct MaybeFetch(Option<Fetch>);
}

impl<'a> FetchedMessages<'a> {
    fn new(client: &'a mut Client, call: Option<Call>, wanted: Option<Wanted>) -> Self {
        let room = client.room();
        Self {
            client,
            call,
            rest: MaybeRest::default(),
            next: MaybeFetch::default(),
            wanted,
            bodies: VecDeque::new(),
            collected: 0,
            vanished: Vec::new(),
            room,
        }
    }

    /// Returns the messages that are gone, as ranges with both ends, if they were asked for
    /// ([`Since::ChangedOrVanished`](mailwire_imap::command::Since::ChangedOrVanished)). The server tells
    /// them before it gives the first message.
    #[must_use]
    pub fn vanished(&self) -> &[(Uid, Uid)] {
        &self.vanished
    }

    /// Receives the next message; `None` when the server has told all. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The server refuses, whatever it told before, or the connection fails.
    pub async fn next(&mut self) -> Result<Option<FetchedMessage>> {
        loop {
            match poll_fn(|cx| self.poll_next(cx)).await? {
                Next::Message(message) => return Ok(message),
                Next::First(upgrade) => self.go_on(upgrade).await?,
            }
        }
    }

    /// What comes next, without a future of its own: [`next`](Self::next) is compiled into each program, and this once.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Next>> {
        while let Some(call) = self.call {
            let turn = ready!(self.client.poll_event(call, cx));
            match turn.and_then(|turn| self.take(call, turn)) {
                Ok(None) => {}
                Ok(Some(next)) => return Poll::Ready(Ok(next)),
                Err(error) => {
                    self.call = None;
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(Ok(if self.next.is_some() { Next::First(None) } else { Next::Message(None) }))
    }

    /// What an event gives, if anything.
    fn take(&mut self, call: Call, turn: Turn<Event>) -> Result<Option<Next>> {
        let event = match turn {
            Turn::Event(event) => event.ok_or_else(nothing_due)?,
            Turn::Upgrade(upgrade) => return Ok(Some(Next::First(Some(upgrade)))),
        };
        match event {
            Event::BodyStart(_) => self.bodies.push_back(Some(BytesMut::new())),
            Event::BodyChunk(chunk) => self.collect(&chunk),
            Event::BodyEnd => {}
            Event::Data { data: Untagged::Fetch(fetch), .. } => {
                let fetch = self.complete(fetch);
                let exists = self.client.inbox.exists;
                if self.wanted.as_ref().is_some_and(|wanted| wanted.is_answered_by(&fetch, exists)) {
                    return Ok(Some(Next::Message(Some(FetchedMessage { fetch }))));
                }
                self.client.inbox.push(Untagged::Fetch(fetch));
            }
            Event::Data { data: Untagged::Vanished(gone), .. } if gone.earlier => {
                let taken = self.room.take::<(Uid, Uid)>(gone.uids.ranges().count(), 0);
                taken.map_err(|error| self.client.session.end(error))?;
                self.vanished.extend(gone.uids.ranges());
            }
            event => {
                // Of a response that could not be read, the bodies are lost with it.
                self.forget_bodies();
                if let Some(end) = self.client.ended(call, event) {
                    self.call = None;
                    let reply = end?;
                    *self.next = match self.rest.as_mut().map(|rest| rest.after(&reply)) {
                        Some(None) => return Err(refused(call.name, &reply)),
                        left => left.flatten().flatten(),
                    };
                }
            }
        }
        Ok(None)
    }

    /// Does what comes before the next message.
    fn go_on(&mut self, upgrade: Option<Upgrade>) -> Boxed<'_, Result<()>> {
        Box::pin(async move {
            if let Some(upgrade) = upgrade {
                return Connection::upgrade(&mut self.client.session, upgrade).await;
            }
            self.client.settle().await?;
            // It stays until it is sent.
            if let Some(fetch) = self.next.take() {
                self.call = Some(Call { partial: false, ..self.client.send(Command::Fetch(fetch))? });
            }
            Ok(())
        })
    }

    fn collect(&mut self, chunk: &Bytes) {
        let Some(body) = self.bodies.back_mut() else { return };
        match body {
            Some(bytes)
                if self.collected.saturating_add(chunk.len()) <= self.client.settings.message_bodies =>
            {
                self.collected = self.collected.saturating_add(chunk.len());
                bytes.extend_from_slice(chunk);
            }
            Some(bytes) => {
                self.collected = self.collected.saturating_sub(bytes.len());
                *body = None;
            }
            None => {}
        }
    }

    /// Puts the bodies in their places.
    fn complete(&mut self, mut fetch: response::FetchData) -> response::FetchData {
        for item in &mut fetch.items {
            if let Some(data @ Data::Streamed { .. }) = data_of(item) {
                if let Some(bytes) = self.bodies.pop_front().flatten() {
                    *data = Data::Inline(Text::from(bytes.freeze()));
                }
            }
        }
        self.forget_bodies();
        fetch
    }

    fn forget_bodies(&mut self) {
        self.bodies.clear();
        self.collected = 0;
    }
}

impl std::fmt::Debug for FetchedMessages<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FetchedMessages").field("over", &self.call.is_none()).finish_non_exhaustive()
    }
}

impl Client {
    /// FETCH: asks for data of messages by their sequence numbers ([RFC 9051 section 6.4.5](https://www.rfc-editor.org/rfc/rfc9051#section-6.4.5)).
    ///
    /// # Errors
    ///
    /// A number is zero, nothing is asked for, or the connection fails.
    pub async fn fetch(
        &mut self,
        messages: impl ToSet<SeqNumber>,
        items: impl Into<FetchAtts>,
    ) -> Result<FetchedMessages<'_>> {
        let set = messages.to_set()?;
        self.fetch_messages(set.map(Messages::Sequence), items.into()).await
    }

    /// UID FETCH: asks for data of messages by their UIDs. Those that do not exist any more are left out.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: &mut mailwire_transport::imap::Client) -> mailwire_transport::Result<()> {
    /// use mailwire_transport::imap::{FetchAtt, UidSet};
    ///
    /// let all: UidSet = "1:*".parse()?;
    /// let mut messages = client.uid_fetch(all, [FetchAtt::Flags, FetchAtt::Envelope]).await?;
    /// while let Some(message) = messages.next().await? {
    ///     println!("{:?}: {:?}", message.uid(), message.subject());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// A number is zero, nothing is asked for, or the connection fails.
    pub async fn uid_fetch(
        &mut self,
        messages: impl ToSet<Uid>,
        items: impl Into<FetchAtts>,
    ) -> Result<FetchedMessages<'_>> {
        let set = messages.to_set()?;
        self.fetch_messages(set.map(Messages::Uid), items.into()).await
    }

    /// FETCH or UID FETCH with all that extensions add to it.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch).
    pub async fn fetch_with(&mut self, fetch: Fetch) -> Result<FetchedMessages<'_>> {
        self.ask_for(fetch).await
    }

    fn fetch_messages(
        &mut self,
        messages: Option<Messages>,
        items: FetchAtts,
    ) -> Boxed<'_, Result<FetchedMessages<'_>>> {
        Box::pin(async move {
            check(&items)?;
            match messages {
                Some(messages) => self.ask_for(Fetch::new(messages, items)).await,
                None => Ok(FetchedMessages::new(self, None, None)),
            }
        })
    }

    fn ask_for(&mut self, fetch: Fetch) -> Boxed<'_, Result<FetchedMessages<'_>>> {
        Box::pin(async move {
            check(&fetch.items)?;
            let wanted = Wanted::new(fetch.messages.clone(), &fetch.items);
            let rest = Some(&fetch).filter(|_| self.is_limited()).and_then(Rest::of);
            let call = self.start(Command::Fetch(fetch)).await?;
            let call = Call { partial: call.partial && rest.is_none(), ..call };
            let mut messages = FetchedMessages::new(self, Some(call), Some(wanted));
            *messages.rest = rest;
            Ok(messages)
        })
    }
}

fn check(items: &FetchAtts) -> Result<(), Invalid> {
    match items {
        FetchAtts::List(items) if items.is_empty() => Err(Invalid::new("FETCH", 0, "nothing is asked for")),
        _ => Ok(()),
    }
}
