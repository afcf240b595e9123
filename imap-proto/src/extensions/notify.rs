//! NOTIFY: the server tells of what happens at any time, in other mailboxes, too
//! ([RFC 5465](https://www.rfc-editor.org/rfc/rfc5465)).
//!
//! A client says which events it wants to hear of in which mailboxes. Of the selected mailbox it is told with
//! EXISTS, FETCH and EXPUNGE, of others with STATUS and LIST, whether a command is in progress or not.
//!
//! ```
//! use mailwire_imap::command::{Command, FetchAtt, Request, WriteOptions};
//! use mailwire_imap::extensions::notify::{EventGroup, MailboxFilter, Notify, NotifyEvent};
//! use mailwire_imap::types::Tag;
//!
//! let here = [NotifyEvent::MessageNew(vec![FetchAtt::Uid, FetchAtt::Flags]), NotifyEvent::MessageExpunge];
//! let there = [NotifyEvent::MessageNew(vec![]), NotifyEvent::MessageExpunge, NotifyEvent::MailboxName];
//! let notify = Notify::set([
//!     EventGroup::new(MailboxFilter::SelectedDelayed, here),
//!     EventGroup::new(MailboxFilter::Personal, there),
//! ])?;
//! let command = Command::Notify(notify.with_status(true).into());
//! let mut out = Vec::new();
//! Request { tag: Tag::new("a1")?, command }.write(WriteOptions::default(), &mut out);
//! assert_eq!(
//!     out,
//!     b"a1 NOTIFY SET STATUS (SELECTED-DELAYED (MessageNew (UID FLAGS) MessageExpunge)) \
//!       (PERSONAL (MessageNew MessageExpunge MailboxName))\r\n"
//! );
//! # Ok::<(), mailwire_core::Invalid>(())
//! ```

use alloc::vec::Vec;

use mailwire_core::{Invalid, ParseError, keywords};

use crate::{
    command::{FetchAtt, FetchAtts, Writer},
    types::{Atom, MailboxName, Reader, chars},
};

// Types

/// Says what a client wants to be told from now on, in place of what it said before. The rules for groups of
/// events, which [`set`](Self::set) checks, hold for each value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Notify {
    groups: Vec<EventGroup>,
    status: bool,
}

/// Says of which events a client wants to be told in some mailboxes.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct EventGroup {
    /// The mailboxes.
    pub mailboxes: MailboxFilter,
    /// The events; `NONE` if there are none.
    pub events: Vec<NotifyEvent>,
}

/// Picks mailboxes ([RFC 5465 section 6](https://www.rfc-editor.org/rfc/rfc5465#section-6)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum MailboxFilter {
    /// `SELECTED`: the mailbox that is selected then. Messages change their numbers at any time: who asks for
    /// this names messages by their UIDs.
    Selected,
    /// `SELECTED-DELAYED`: the mailbox that is selected then; messages keep their numbers until a command that
    /// permits EXPUNGE.
    SelectedDelayed,
    /// `INBOXES`: those of the user's own mailboxes to which mail is delivered.
    Inboxes,
    /// `PERSONAL`: the user's own mailboxes.
    Personal,
    /// `SUBSCRIBED`: those that the user has subscribed to.
    Subscribed,
    /// `SUBTREE`: these mailboxes and all below them.
    Subtree(Vec<MailboxName>),
    /// `SUBTREE-ONE`: these mailboxes and those one level below them. Not in NOTIFY: see
    /// [`ESearch`](super::multisearch::ESearch).
    SubtreeOne(Vec<MailboxName>),
    /// `MAILBOXES`: these mailboxes.
    Mailboxes(Vec<MailboxName>),
}

/// Something that happens ([RFC 5465 section 5](https://www.rfc-editor.org/rfc/rfc5465#section-5)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum NotifyEvent {
    /// `MessageNew`: a message came. In the selected mailbox, these items of it are told.
    MessageNew(Vec<FetchAtt>),
    /// `MessageExpunge`: a message is gone.
    MessageExpunge,
    /// `FlagChange`: a message has other flags.
    FlagChange,
    /// `AnnotationChange`: a message has other annotations.
    AnnotationChange,
    /// `MailboxName`: a mailbox was made, deleted, or has another name.
    MailboxName,
    /// `SubscriptionChange`: the user has subscribed to a mailbox, or does not any more.
    SubscriptionChange,
    /// `MailboxMetadataChange`: a mailbox has other annotations.
    MailboxMetadataChange,
    /// `ServerMetadataChange`: the server has other annotations.
    ServerMetadataChange,
    /// Another, which is not known here.
    Other(Atom),
}

keywords! {
    enum Filter {
        Selected = "SELECTED",
        SelectedDelayed = "SELECTED-DELAYED",
        Inboxes = "INBOXES",
        Personal = "PERSONAL",
        Subscribed = "SUBSCRIBED",
        Subtree = "SUBTREE",
        SubtreeOne = "SUBTREE-ONE",
        Mailboxes = "MAILBOXES",
    }
}

keywords! {
    enum EventName of NotifyEvent except Other {
        MessageNew = "MessageNew",
        MessageExpunge = "MessageExpunge",
        FlagChange = "FlagChange",
        AnnotationChange = "AnnotationChange",
        MailboxName = "MailboxName",
        SubscriptionChange = "SubscriptionChange",
        MailboxMetadataChange = "MailboxMetadataChange",
        ServerMetadataChange = "ServerMetadataChange",
    }
}

impl Notify {
    /// `NOTIFY NONE`: nothing is told, not even of the selected mailbox.
    #[must_use]
    pub const fn none() -> Self {
        Self { groups: Vec::new(), status: false }
    }

    /// `NOTIFY SET`: these events are told.
    ///
    /// # Errors
    ///
    /// There is no group; two are about the selected mailbox, or one of them has other events than those of
    /// messages; items are asked of messages in other mailboxes; there is `MessageNew` without
    /// `MessageExpunge` or the other way round, or one of the other events of messages without both.
    pub fn set(groups: impl Into<Vec<EventGroup>>) -> Result<Self, Invalid> {
        let groups = groups.into();
        check(&groups).map_err(|reason| Invalid::new("NOTIFY", 0, reason))?;
        Ok(Self { groups, status: false })
    }

    /// Sets whether the STATUS of each of the mailboxes is told first.
    #[must_use]
    pub const fn with_status(mut self, status: bool) -> Self {
        self.status = status;
        self
    }

    /// The groups of events; none for `NONE`.
    #[must_use]
    pub fn groups(&self) -> &[EventGroup] {
        &self.groups
    }

    /// Whether the STATUS of each of the mailboxes is told first.
    #[must_use]
    pub const fn status(&self) -> bool {
        self.status
    }

    /// Whether EXPUNGE may come at any time: SELECTED with `MessageExpunge`.
    #[must_use]
    pub fn expunges_at_any_time(&self) -> bool {
        self.groups.iter().any(|group| {
            group.mailboxes == MailboxFilter::Selected && group.events.contains(&NotifyEvent::MessageExpunge)
        })
    }

    /// The items that are asked of new messages.
    pub(crate) fn items(&self) -> impl Iterator<Item = &FetchAtt> {
        self.groups.iter().flat_map(|group| &group.events).flat_map(|event| match event {
            NotifyEvent::MessageNew(items) => items.as_slice(),
            _ => &[],
        })
    }
}

impl EventGroup {
    /// Makes a group of events in some mailboxes.
    #[must_use]
    pub fn new(mailboxes: MailboxFilter, events: impl Into<Vec<NotifyEvent>>) -> Self {
        Self { mailboxes, events: events.into() }
    }
}

impl MailboxFilter {
    /// Whether it is about the selected mailbox.
    #[must_use]
    pub const fn is_selected(&self) -> bool {
        matches!(self, Self::Selected | Self::SelectedDelayed)
    }
}

impl NotifyEvent {
    /// Whether it is about messages.
    #[must_use]
    pub const fn is_about_messages(&self) -> bool {
        matches!(self, Self::MessageNew(_) | Self::MessageExpunge | Self::FlagChange | Self::AnnotationChange)
    }

    /// Its name: `MessageNew`.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        match self {
            Self::Other(name) => name.as_bytes(),
            known => EventName::of_value(known).map_or(b"", |name| name.as_str().as_bytes()),
        }
    }
}

/// What goes together ([RFC 5465 section 5](https://www.rfc-editor.org/rfc/rfc5465#section-5)).
fn check(groups: &[EventGroup]) -> Result<(), &'static str> {
    if groups.is_empty() {
        return Err("no events");
    }
    if groups.iter().filter(|group| group.mailboxes.is_selected()).count() > 1 {
        return Err("the selected mailbox twice");
    }
    for EventGroup { mailboxes, events } in groups {
        if mailboxes.is_selected() && !events.iter().all(NotifyEvent::is_about_messages) {
            return Err("only events of messages happen in the selected mailbox");
        }
        let comes = events.iter().any(|event| matches!(event, NotifyEvent::MessageNew(_)));
        let goes = events.contains(&NotifyEvent::MessageExpunge);
        let changes = events.iter().any(|event| event.is_about_messages()) && !(comes && goes);
        if changes {
            return Err("MessageNew and MessageExpunge go together, and other events of messages with them");
        }
        let asks = |event: &NotifyEvent| matches!(event, NotifyEvent::MessageNew(items) if !items.is_empty());
        if !mailboxes.is_selected() && events.iter().any(asks) {
            return Err("items are told of messages in the selected mailbox only");
        }
        let names = match mailboxes {
            MailboxFilter::Subtree(names) | MailboxFilter::Mailboxes(names) => names,
            MailboxFilter::SubtreeOne(_) => return Err("SUBTREE-ONE is for ESEARCH only"),
            _ => continue,
        };
        if names.is_empty() {
            return Err("no mailboxes");
        }
    }
    Ok(())
}

// Grammar

impl Notify {
    /// ```text
    /// notify           = "NOTIFY" SP (notify-set / notify-none)
    /// notify-set       = "SET" [status-indicator] SP event-groups
    /// notify-none      = "NONE"
    /// status-indicator = SP "STATUS"
    /// event-groups     = event-group *(SP event-group)
    /// ```
    ///
    /// After the name.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let start = r.offset();
        let word = r.take_class(chars::ATOM);
        if word.eq_ignore_ascii_case(b"NONE") {
            return Ok(Self::none());
        }
        if !word.eq_ignore_ascii_case(b"SET") {
            return Err(ParseError::new(start, "expected SET or NONE"));
        }
        r.space()?;
        let at = r.offset();
        let status = r.take_class(chars::ATOM);
        if status.eq_ignore_ascii_case(b"STATUS") {
            r.space()?;
        } else if !status.is_empty() {
            return Err(ParseError::new(at, "expected STATUS or a group of events"));
        }
        let status = !status.is_empty();
        let mut groups = alloc::vec![EventGroup::read(r)?];
        while r.peek() == Some(b' ') && r.peek_at(1).is_some() {
            r.space()?;
            groups.push(EventGroup::read(r)?);
        }
        check(&groups).map_err(|reason| ParseError::new(start, reason))?;
        Ok(Self { groups, status })
    }

    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        if self.groups.is_empty() {
            return e.put(b"NOTIFY NONE");
        }
        e.put(b"NOTIFY SET ");
        if self.status {
            e.put(b"STATUS ");
        }
        e.spaced(&self.groups, |e, group| group.write(e));
    }
}

impl EventGroup {
    /// ```text
    /// event-group = "(" filter-mailboxes SP events ")"
    /// events      = ( "(" event *(SP event) ")" ) / "NONE"
    /// ```
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.expect(b'(', "expected a group of events")?;
        let mailboxes = MailboxFilter::read(r)?;
        r.space()?;
        let start = r.offset();
        let mut events = Vec::new();
        if r.eat(b'(') {
            r.items(|r| {
                events.push(NotifyEvent::read(r)?);
                Ok(())
            })?;
            if events.is_empty() {
                return Err(ParseError::new(start, "expected an event"));
            }
        } else if !r.take_class(chars::ATOM).eq_ignore_ascii_case(b"NONE") {
            return Err(ParseError::new(start, "expected events or NONE"));
        }
        r.expect(b')', "expected )")?;
        Ok(Self { mailboxes, events })
    }

    fn write(&self, e: &mut Writer<'_>) {
        e.put(b"(");
        self.mailboxes.write(e);
        if self.events.is_empty() {
            return e.put(b" NONE)");
        }
        e.put(b" (");
        e.spaced(&self.events, |e, event| event.write(e));
        e.put(b"))");
    }
}

impl MailboxFilter {
    /// ```text
    /// filter-mailboxes-selected = "selected" / "selected-delayed"
    /// filter-mailboxes-other    = "inboxes" / "personal" / "subscribed" /
    ///                             ( "subtree" SP one-or-more-mailbox ) / ( "mailboxes" SP one-or-more-mailbox )
    /// ```
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        Ok(match Filter::of(r.take_class(chars::ATOM)) {
            Some(Filter::Selected) => Self::Selected,
            Some(Filter::SelectedDelayed) => Self::SelectedDelayed,
            Some(Filter::Inboxes) => Self::Inboxes,
            Some(Filter::Personal) => Self::Personal,
            Some(Filter::Subscribed) => Self::Subscribed,
            Some(Filter::Subtree) => Self::Subtree(names(r)?),
            Some(Filter::SubtreeOne) => Self::SubtreeOne(names(r)?),
            Some(Filter::Mailboxes) => Self::Mailboxes(names(r)?),
            None => return Err(ParseError::new(start, "unknown mailboxes")),
        })
    }

    pub(super) fn write(&self, e: &mut Writer<'_>) {
        let (filter, names) = match self {
            Self::Selected => (Filter::Selected, None),
            Self::SelectedDelayed => (Filter::SelectedDelayed, None),
            Self::Inboxes => (Filter::Inboxes, None),
            Self::Personal => (Filter::Personal, None),
            Self::Subscribed => (Filter::Subscribed, None),
            Self::Subtree(names) => (Filter::Subtree, Some(names)),
            Self::SubtreeOne(names) => (Filter::SubtreeOne, Some(names)),
            Self::Mailboxes(names) => (Filter::Mailboxes, Some(names)),
        };
        e.put(filter.as_str().as_bytes());
        match names.map(Vec::as_slice) {
            None => {}
            Some([name]) => {
                e.put(b" ");
                e.mailbox(name);
            }
            Some(names) => {
                e.put(b" (");
                e.spaced(names, |e, name| e.mailbox(name));
                e.put(b")");
            }
        }
    }
}

/// ```text
/// one-or-more-mailbox = mailbox / many-mailboxes
/// many-mailboxes      = "(" mailbox *(SP mailbox) ")"
/// ```
fn names(r: &mut Reader<'_>) -> Result<Vec<MailboxName>, ParseError> {
    r.space()?;
    if !r.eat(b'(') {
        return Ok(alloc::vec![MailboxName::read(r)?]);
    }
    r.list_of(MailboxName::read)
}

impl NotifyEvent {
    /// ```text
    /// event         = message-event / mailbox-event / user-event / event-ext
    /// message-event = ( "MessageNew" [SP "(" fetch-att *(SP fetch-att) ")" ] ) /
    ///                 "MessageExpunge" / "FlagChange" / "AnnotationChange"
    /// mailbox-event = "MailboxName" / "SubscriptionChange" / "MailboxMetadataChange"
    /// user-event    = "ServerMetadataChange"
    /// event-ext     = atom
    /// ```
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        let name = r.take_class(chars::ATOM);
        Ok(match EventName::of(name) {
            Some(EventName::MessageNew) if r.rest().starts_with(b" (") => {
                r.skip(1);
                match FetchAtts::read(r)? {
                    FetchAtts::List(items) => Self::MessageNew(items),
                    _ => return Err(ParseError::new(start, "expected FETCH items")),
                }
            }
            Some(EventName::MessageNew) => Self::MessageNew(Vec::new()),
            Some(EventName::MessageExpunge) => Self::MessageExpunge,
            Some(EventName::FlagChange) => Self::FlagChange,
            Some(EventName::AnnotationChange) => Self::AnnotationChange,
            Some(EventName::MailboxName) => Self::MailboxName,
            Some(EventName::SubscriptionChange) => Self::SubscriptionChange,
            Some(EventName::MailboxMetadataChange) => Self::MailboxMetadataChange,
            Some(EventName::ServerMetadataChange) => Self::ServerMetadataChange,
            None if name.is_empty() => return Err(ParseError::new(start, "expected an event")),
            None => Self::Other(Atom::unchecked(r.text_from(start))),
        })
    }

    fn write(&self, e: &mut Writer<'_>) {
        e.put(self.name());
        if let Self::MessageNew(items) = self {
            if !items.is_empty() {
                e.put(b" (");
                e.spaced(items, |e, item| item.write(e));
                e.put(b")");
            }
        }
    }
}

#[cfg(feature = "arbitrary")]
mod arbitrary {
    use alloc::{vec, vec::Vec};

    use ::arbitrary::{Arbitrary, Error, Result, Unstructured};

    use super::{EventGroup, MailboxFilter, Notify, NotifyEvent};
    use crate::command::{
        FetchAtt,
        arbitrary::{atom, mailbox, some},
    };

    fn filter(u: &mut Unstructured<'_>, first: bool) -> Result<MailboxFilter> {
        Ok(match u.int_in_range(0..=if first { 6 } else { 4 })? {
            0 => MailboxFilter::Inboxes,
            1 => MailboxFilter::Personal,
            2 => MailboxFilter::Subscribed,
            3 => MailboxFilter::Subtree(some(u, mailbox)?),
            4 => MailboxFilter::Mailboxes(some(u, mailbox)?),
            5 => MailboxFilter::Selected,
            _ => MailboxFilter::SelectedDelayed,
        })
    }

    /// Those of ESEARCH.
    impl<'a> Arbitrary<'a> for MailboxFilter {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(match u.int_in_range(0..=2)? {
                0 => Self::Selected,
                1 => Self::SubtreeOne(some(u, mailbox)?),
                _ => filter(u, false)?,
            })
        }
    }

    fn group(u: &mut Unstructured<'_>, first: bool) -> Result<EventGroup> {
        let mailboxes = filter(u, first)?;
        let mut events = Vec::new();
        if u.arbitrary()? {
            let items = if mailboxes.is_selected() && u.arbitrary()? {
                vec![FetchAtt::Uid, FetchAtt::Flags, FetchAtt::HEADER]
            } else {
                Vec::new()
            };
            events.extend([NotifyEvent::MessageNew(items), NotifyEvent::MessageExpunge]);
            for event in [NotifyEvent::FlagChange, NotifyEvent::AnnotationChange] {
                if u.arbitrary()? {
                    events.push(event);
                }
            }
        }
        if !mailboxes.is_selected() && u.arbitrary()? {
            events.extend([NotifyEvent::MailboxName, NotifyEvent::SubscriptionChange]);
            events.extend([NotifyEvent::MailboxMetadataChange, NotifyEvent::ServerMetadataChange]);
            events.push(NotifyEvent::Other(atom(u)?));
        }
        Ok(EventGroup { mailboxes, events })
    }

    impl<'a> Arbitrary<'a> for Notify {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            if u.ratio(1, 8)? {
                return Ok(Self::none());
            }
            let mut first = true;
            let groups = some(u, |u| group(u, core::mem::take(&mut first)))?;
            Ok(Self::set(groups).map_err(|_| Error::IncorrectFormat)?.with_status(u.arbitrary()?))
        }
    }
}
