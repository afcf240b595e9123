//! The messages of an APPEND, on their way in.

use std::{collections::VecDeque, num::NonZeroU32};

use bytes::Bytes;
use mailwire_core::{Dialect, Ticket};
use mailwire_imap::{
    Capability,
    command::{AString, Append, AppendData, AppendMessage, CatPart},
    response::Code,
    server::{Connection, Event},
    types::{Flag, ImapString},
    url::{MailboxRef, MessageRef, Target},
};

use super::{limiting::too_many, options::NewMessage, refusal::Refusal};
use crate::{Budget, Driver, Error, OverBudget, Step, Stream};

/// A message that a client appends: at no time is more of it in memory than one piece.
///
/// It is complete when [`chunk`](Self::chunk) or [`piece`](Self::piece) says `None`; nothing may be kept of it before
/// that.
///
/// Where UTF8=ACCEPT is offered and the client has not enabled it, a message with 8-bit text in its header is refused ([RFC
/// 6855 section 4](https://www.rfc-editor.org/rfc/rfc6855#section-4)). A server that is to take old mail with such
/// headers reads leniently ([`Config::dialect`](mailwire_imap::server::Config::dialect)), or does not offer it.
#[derive(Debug)]
pub struct Body<'a> {
    driver: &'a mut Driver<Stream, Connection>,
    ticket: Ticket,
    length: u64,
    /// What the client has said of what comes, up to the next bytes.
    coming: VecDeque<Coming>,
    state: State,
    /// The mailbox that URLs are relative to.
    selected: Option<MailboxRef>,
    /// Bytes of the present message so far, and how many it can have.
    size: u64,
    limit: u64,
    /// The header of the present message, where nothing beyond ASCII may stand in it.
    header: Option<Header>,
    budget: Budget,
}

/// Looks for bytes beyond ASCII in the header of a message.
#[derive(Debug, Default)]
struct Header {
    /// The line that is being read has something in it.
    in_line: bool,
}

impl Header {
    /// Looks at the next bytes, as far as they belong to the header.
    ///
    /// # Errors
    ///
    /// There is such a byte.
    fn look(mut self, bytes: &[u8]) -> Result<Option<Self>, Refusal> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !line.is_ascii() {
                let refusal =
                    Refusal::new("UTF8=ACCEPT is not enabled, and there is 8-bit text in the header");
                return Err(refusal.with_code(Code::Cannot));
            }
            self.in_line |= !matches!(line, b"\r\n" | b"\n" | b"\r");
            if line.ends_with(b"\n") {
                if !self.in_line {
                    return Ok(None);
                }
                self.in_line = false;
            }
        }
        Ok(Some(self))
    }
}

/// A piece of a message that a client appends.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Bytes that the client sent.
    Bytes(Bytes),
    /// What the user has there, as it is: CATENATE ([RFC 4469](https://www.rfc-editor.org/rfc/rfc4469)).
    Url(Box<UrlPiece>),
}

/// A part of a message that is taken from another one.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlPiece {
    /// The message, and what of it. Who asks is the session's user, and nobody is [authorized](MessageRef::auth) by
    /// it.
    pub part: MessageRef,
    url: AString,
}

impl UrlPiece {
    /// Refuses the message for this URL: there is no such mailbox with this UIDVALIDITY, message or part that the
    /// user may read.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        bad_url(&self.url)
    }
}

#[derive(Debug)]
enum Coming {
    Url(AString),
    Bytes,
    Next(Box<AppendMessage>),
}

#[derive(Debug)]
enum State {
    /// What comes next is among what the client has said, and waits to be asked for.
    Between,
    Reading,
    /// The message is complete, and another follows.
    Next(Box<AppendMessage>),
    Complete,
    /// The command was not one: the machine has answered it.
    Aborted,
    Failed(Error),
}

/// How a body was left.
pub(super) enum BodyOutcome {
    Complete,
    Incomplete,
    Answered,
    Failed(Error),
}

impl<'a> Body<'a> {
    /// The messages of a command, with the first one.
    ///
    /// `None`: it has no message.
    pub(super) fn new(
        driver: &'a mut Driver<Stream, Connection>,
        ticket: Ticket,
        append: Append,
        selected: Option<MailboxRef>,
        (readable, budget): (u64, Budget),
    ) -> Option<(NewMessage, Self)> {
        let announced = driver.connection().capabilities().append_limit();
        let limit = announced.map_or(readable, |announced| announced.min(readable));
        let (coming, state) = (VecDeque::new(), State::Between);
        let mut body =
            Self { driver, ticket, length: 0, coming, state, selected, size: 0, limit, header: None, budget };
        let mut messages = append.messages.into_iter();
        let first = body.begin(messages.next()?);
        body.coming.extend(messages.map(|message| Coming::Next(message.into())));
        Some((first, body))
    }

    /// Goes on with this message.
    fn begin(&mut self, message: AppendMessage) -> NewMessage {
        let new = NewMessage::of(&message);
        let after = std::mem::take(&mut self.coming);
        match message.data {
            AppendData::Catenate(parts) => self.say(parts),
            _ => self.coming.push_back(Coming::Bytes),
        }
        self.coming.extend(after);
        (self.size, self.state, self.length) = (0, State::Between, new.length);
        // RFC 6855 section 4.
        let connection = self.driver.connection();
        let offered = connection.capabilities();
        let offers_utf8 = offered.has(&Capability::Utf8Accept) || offered.has(&Capability::Utf8Only);
        let is_strict = connection.dialect() == Dialect::Strict;
        self.header = (offers_utf8 && is_strict && !connection.is_utf8_accept()).then(Header::default);
        new
    }

    fn say(&mut self, parts: Vec<CatPart>) {
        self.coming.extend(parts.into_iter().map(|part| match part {
            CatPart::Url(url) => Coming::Url(url),
            _ => Coming::Bytes,
        }));
    }

    /// How many bytes the client has announced: of a message that is put together, those that it sends itself, as far as
    /// it has said.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// The work that the command may cost beyond what it stores: to find parts of messages, say.
    pub const fn budget(&mut self) -> &mut Budget {
        &mut self.budget
    }

    /// The next piece, of whatever size it came in; `None` at the end.
    ///
    /// # Errors
    ///
    /// The message will not be complete: give this error as the answer to the APPEND. A service with CATENATE asks for
    /// [`piece`](Self::piece) instead.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Refusal> {
        match self.piece().await? {
            Some(Piece::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Piece::Url(url)) => Err(url.refusal()),
            None => Ok(None),
        }
    }

    /// The next piece, which can be one that the user has already where the service has
    /// [`Capability::Catenate`]; `None` at the end.
    ///
    /// # Errors
    ///
    /// The message will not be complete, is too large, or has a part that nobody can have: give this error as the answer
    /// to the APPEND.
    pub async fn piece(&mut self) -> Result<Option<Piece>, Refusal> {
        let coming = match self.advance().await {
            Ok(coming) => coming,
            Err(error) => {
                if !matches!(self.state, State::Aborted | State::Failed(_)) {
                    self.state = State::Failed(error);
                }
                return Err(Refusal::new("The message is not complete"));
            }
        };
        match coming {
            Some(Ok(bytes)) => {
                self.count(bytes.len() as u64)?;
                if let Some(header) = self.header.take() {
                    self.header = header.look(&bytes)?;
                }
                Ok(Some(Piece::Bytes(bytes)))
            }
            Some(Err(url)) => {
                // What was stored once may be stored again.
                self.header = None;
                self.resolve(url).map(|piece| Some(Piece::Url(piece.into())))
            }
            None => Ok(None),
        }
    }

    /// Counts bytes that a URL stands for, before they are taken.
    ///
    /// # Errors
    ///
    /// The message becomes larger than the server takes.
    pub fn count(&mut self, bytes: u64) -> Result<(), Refusal> {
        self.size = self.size.saturating_add(bytes);
        if self.size <= self.limit {
            return Ok(());
        }
        Err(Refusal::new("The message becomes too large").with_code(Code::TooBig))
    }

    /// A URL is of a message, and of nobody else's server (RFC 4469 section 3).
    fn resolve(&self, url: AString) -> Result<UrlPiece, Refusal> {
        match Target::parse(url.as_bytes(), self.selected.as_ref()) {
            Ok(Target::Message(part)) if part.auth.is_none() && self.takes(&part) => {
                Ok(UrlPiece { part: *part, url })
            }
            _ => Err(bad_url(&url)),
        }
    }

    fn takes(&self, part: &MessageRef) -> bool {
        part.partial.is_none() || self.driver.connection().capabilities().has(&Capability::UrlPartial)
    }

    async fn advance(&mut self) -> Result<Option<Result<Bytes, AString>>, Error> {
        loop {
            match &self.state {
                State::Between => match self.coming.pop_front() {
                    Some(Coming::Url(url)) => return Ok(Some(Err(url))),
                    Some(Coming::Bytes) => {
                        self.driver.connection_mut().accept_body(self.ticket)?;
                        self.state = State::Reading;
                    }
                    Some(Coming::Next(message)) => self.state = State::Next(message),
                    // All was said, and the end with it.
                    None => self.state = State::Reading,
                },
                State::Reading => match self.driver.next().await? {
                    Step::Event(Event::BodyChunk(chunk)) => return Ok(Some(Ok(chunk))),
                    Step::Event(Event::BodyEnd { .. }) => self.state = State::Complete,
                    Step::Event(Event::AppendMore { parts, messages, .. }) => {
                        self.say(parts);
                        self.coming.extend(messages.into_iter().map(|next| Coming::Next(next.into())));
                        self.state = State::Between;
                    }
                    Step::Event(Event::BodyRefused { .. }) => self.state = State::Aborted,
                    Step::Event(_) => {}
                    Step::Blocked | Step::Upgrade(_) | Step::Closed => return Err(Error::Closed),
                },
                State::Complete | State::Next(_) => return Ok(None),
                State::Aborted | State::Failed(_) => return Err(Error::Closed),
            }
        }
    }

    /// Reads past what is left.
    pub(super) async fn skip(&mut self) {
        while let Ok(Some(_)) = self.piece().await {}
    }

    pub(super) fn end(self) -> BodyOutcome {
        match self.state {
            State::Complete => BodyOutcome::Complete,
            State::Between | State::Reading | State::Next(_) => BodyOutcome::Incomplete,
            State::Aborted => BodyOutcome::Answered,
            State::Failed(error) => BodyOutcome::Failed(error),
        }
    }
}

fn bad_url(url: &AString) -> Refusal {
    Refusal::new("There is no such part of a message")
        .with_code(Code::BadUrl(ImapString::new(url.as_text().clone()).unwrap_or_default()))
}

/// Several messages that a client appends with one command (MULTIAPPEND, [RFC
/// 3502](https://www.rfc-editor.org/rfc/rfc3502)): all of them are to be stored, or none.
#[derive(Debug)]
pub struct Messages<'a> {
    body: Body<'a>,
    /// The first one, until it was given.
    first: Option<NewMessage>,
    /// No more messages are taken, all together; so many of them may still come, with the present one.
    limit: Option<NonZeroU32>,
    left: Option<u32>,
    /// Bytes that may still be kept of what is told of messages, beside the messages themselves.
    room: usize,
}

/// Bytes that are kept of the flags of all messages together, and of what stands for a message.
const KEPT: usize = 16 << 20;
/// Bytes that stand for a message that waits for the others.
const EACH: usize = 256;

impl<'a> Messages<'a> {
    pub(super) fn new(first: NewMessage, body: Body<'a>, limit: Option<NonZeroU32>) -> Self {
        Self { body, first: Some(first), limit, left: limit.map(NonZeroU32::get), room: KEPT }
    }

    /// The next message, whose bytes [`body`](Self::body) gives; what is left of the one before is read past.
    /// `None`: all have come. Nothing may be kept of any before that.
    ///
    /// # Errors
    ///
    /// They will not be complete: give this error as the answer to the APPEND.
    pub async fn next(&mut self) -> Result<Option<NewMessage>, Refusal> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        while self.body.piece().await?.is_some() {}
        match std::mem::replace(&mut self.body.state, State::Between) {
            State::Next(message) => {
                if let (Some(left), Some(limit)) = (&mut self.left, self.limit) {
                    *left = left.saturating_sub(1);
                    if *left == 0 {
                        return Err(too_many(limit));
                    }
                }
                let message = self.body.begin(*message);
                // A message has to be stored with the others: what is told of it waits for them, however small it is.
                let flags = message.flags.iter().map(|flag| size_of::<Flag>() + flag.to_string().len());
                self.room = self.room.checked_sub(EACH + flags.sum::<usize>()).ok_or(OverBudget)?;
                Ok(Some(message))
            }
            state => {
                self.body.state = state;
                Ok(None)
            }
        }
    }

    /// The next piece of the present message, of whatever size it came in; `None` at its end.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Refusal> {
        self.body.chunk().await
    }

    /// The present message.
    pub const fn body(&mut self) -> &mut Body<'a> {
        &mut self.body
    }

    pub(super) fn into_body(self) -> Body<'a> {
        self.body
    }
}
