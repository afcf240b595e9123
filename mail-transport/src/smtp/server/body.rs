//! A message on its way in.

use std::collections::VecDeque;

use bytes::Bytes;
use mailwire_core::Ticket;
use mailwire_smtp::{
    Command, Reply, ReplyCode,
    extensions::burl::{Burl, MessageUrl},
    server::{BodyRefusal, Connection, Event, default_reply},
};

use crate::{
    Driver, Error, Step, Stream,
    body::{self, Pieces},
    metrics,
};

/// A message as it comes, by DATA or BDAT: dots are unstuffed, lines end in CR LF, unless MAIL said BODY=BINARYMIME.
///
/// With DATA the client is told to go on (354) when this is first asked for a part: until then the message can be
/// refused without having been sent. With BDAT it comes unasked, and is dropped if it is refused.
///
/// Where BURL is offered ([RFC 4468](https://www.rfc-editor.org/rfc/rfc4468)), parts of the message are only named, by URLs, and
/// whoever offers it reads the message by [`part`](Self::part). It stays the application's to fetch them, to bound how large the
/// message becomes by them, and to let nobody but the user whom a URL's `urlauth=submit+` names use it.
///
/// # Examples
///
/// ```
/// use mailwire_transport::smtp::{proto::{Reply, ReplyCode, extensions::burl::MessageUrl}, server::{Body, BodyError, Part}};
///
/// async fn read(body: &mut Body<'_>) -> Result<Vec<u8>, BodyError> {
///     let mut message = Vec::new();
///     while let Some(part) = body.part().await? {
///         match part {
///             Part::Bytes(bytes) => message.extend_from_slice(&bytes),
///             Part::Url(url) => match fetch(&url).await {
///                 Some(fetched) => message.extend_from_slice(&fetched),
///                 None => return Err(body.refuse(Reply::new(ReplyCode::FAILED, "5.6.6 No such message"))),
///             },
///         }
///     }
///     Ok(message)
/// }
///
/// async fn fetch(url: &MessageUrl) -> Option<Vec<u8>> {
///     // Log in at `url.host()`, and ask for it by URLFETCH.
/// #   let _ = url;
/// #   None
/// }
/// ```
pub struct Body<'a> {
    driver: &'a mut Driver<Stream, Connection>,
    /// The DATA, BDAT or BURL with which it begins, before it was asked for.
    waiting: Option<Begun>,
    /// The BURL whose part the application was asked for last, and whether it is the last one.
    fetching: Option<(Ticket, bool)>,
    /// Who has a reply of their own, and none yet.
    unanswered: VecDeque<Ticket>,
    pub(super) end: Option<End>,
}

/// A part of a message as it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// What comes next, a slice of what was received.
    Bytes(Bytes),
    /// The next part is the data that this URL names (BURL): the application fetches it, and asks for the part after it, by which the
    /// client is told that it was fetched; or it calls [`Body::refuse`].
    Url(MessageUrl),
}

/// How a message begins.
pub(super) enum Begun {
    /// By DATA or BDAT, which waits to be granted.
    Bytes(Ticket),
    Url(Ticket, Burl),
}

#[derive(Clone, Copy)]
pub(super) enum End {
    /// The reply is due, with this ticket.
    Complete(Ticket),
    Refused(BodyRefusal),
}

/// The reason why a message is not to be kept.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is too large, has a NUL or bare CRs or LFs, or was given up between two chunks, and was refused.
    #[error("the message was refused: {0:?}")]
    Refused(BodyRefusal),
    /// The connection failed before its end.
    #[error(transparent)]
    Connection(#[from] Error),
}

impl<'a> Body<'a> {
    pub(super) fn new(
        driver: &'a mut Driver<Stream, Connection>,
        begun: Begun,
        recipients: Vec<Ticket>,
    ) -> Self {
        Self { driver, waiting: Some(begun), fetching: None, unanswered: recipients.into(), end: None }
    }

    /// The recipients that are not answered yet.
    pub(super) fn into_unanswered(self) -> VecDeque<Ticket> {
        self.unanswered
    }

    /// Whether nothing was asked for yet.
    pub(super) const fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Receives the next bytes, a slice of what was received; `None` after the last. A part that a URL names is refused, with 554 as
    /// for what is not there. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The message is not to be kept.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        match self.part().await? {
            Some(Part::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Part::Url(_)) => Err(self.refuse(not_available())),
            None => Ok(None),
        }
    }

    /// Receives the next part; `None` after the last. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The message is not to be kept.
    pub async fn part(&mut self) -> Result<Option<Part>, BodyError> {
        match self.waiting.take() {
            Some(Begun::Url(ticket, burl)) => return Ok(Some(self.fetch(ticket, burl))),
            Some(Begun::Bytes(ticket)) => {
                self.driver.connection_mut().accept_body(ticket).map_err(Error::from)?;
            }
            None => self.fetched()?,
        }
        loop {
            match self.end {
                Some(End::Complete(_)) => return Ok(None),
                Some(End::Refused(reason)) => return Err(BodyError::Refused(reason)),
                None => {}
            }
            match self.driver.next().await.map_err(Error::from)? {
                Step::Event(Event::BodyChunk(chunk)) => return Ok(Some(Part::Bytes(chunk))),
                Step::Event(Event::BodyEnd { ticket, .. }) => self.end = Some(End::Complete(ticket)),
                Step::Event(Event::BodyRefused { reason, .. }) => self.end = Some(End::Refused(reason)),
                Step::Event(Event::Command { ticket, command: Command::Burl(burl), .. }) => {
                    return Ok(Some(self.fetch(ticket, burl)));
                }
                // The first one after a part that a URL named.
                Step::Event(Event::Command { ticket, command: Command::Bdat { .. }, .. }) => {
                    self.driver.connection_mut().accept_body(ticket).map_err(Error::from)?;
                }
                // Between two parts: NOOP, and others that change nothing.
                Step::Event(Event::Command { ticket, command, .. }) => {
                    let reply = default_reply(&command);
                    self.driver.connection_mut().reply(ticket, reply).map_err(Error::from)?;
                }
                Step::Event(_) => {}
                Step::Blocked | Step::Upgrade(_) | Step::Closed => return Err(Error::Closed.into()),
            }
        }
    }

    /// Asks the application for what a URL names.
    fn fetch(&mut self, ticket: Ticket, burl: Burl) -> Part {
        self.fetching = Some((ticket, burl.last));
        Part::Url(burl.url)
    }

    /// The application goes on after such a part: it was fetched.
    fn fetched(&mut self) -> Result<(), Error> {
        match self.fetching.take() {
            Some((ticket, true)) => self.end = Some(End::Complete(ticket)),
            Some((ticket, false)) => {
                self.driver.connection_mut().reply(ticket, Reply::new(ReplyCode::OK, "2.5.0 Ok"))?;
            }
            None => {}
        }
        Ok(())
    }

    /// Refuses the [URL](Part::Url) that was received last, and with it the message: 554 for what is not there or may not be
    /// fetched, 451 if its server does not answer now ([RFC 4468 section 5](https://www.rfc-editor.org/rfc/rfc4468#section-5)).
    /// Gives the error by which a session ends.
    pub fn refuse(&mut self, reply: Reply) -> BodyError {
        let given_up = BodyError::Refused(BodyRefusal::GivenUp);
        let Some((ticket, _)) = self.fetching.take() else { return given_up };
        let reply = if reply.is_positive() { not_available() } else { reply };
        self.end = Some(End::Refused(BodyRefusal::GivenUp));
        let refused = self.driver.connection_mut().reply(ticket, reply);
        refused.map_err(Error::from).err().map_or(given_up, BodyError::from)
    }

    /// Reads all of it into memory.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk). The message's size is bounded by the server's limit.
    pub async fn bytes(&mut self) -> Result<Bytes, BodyError> {
        body::collect(self, |_| Ok(())).await
    }

    /// Answers the next recipient now, while the message is still being delivered to those after it; of use in
    /// [`Session::message_for_each`](super::Session::message_for_each), whose replies are for the recipients that are left then. What is left of the
    /// message is read and dropped: nobody can be answered before. With PRDR the client is told of all at once, as it says so.
    ///
    /// Returns whether there was a recipient to be answered. There is none in SMTP without PRDR, where one reply is for all.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk).
    pub async fn answer(&mut self, reply: Reply) -> Result<bool, BodyError> {
        while self.chunk().await?.is_some() {}
        let Some(recipient) = self.unanswered.pop_front() else { return Ok(false) };
        metrics::message_received("lmtp", reply.is_positive());
        self.driver.connection_mut().reply(recipient, reply).map_err(Error::from)?;
        self.driver.flush().await.map_err(Error::from)?;
        Ok(true)
    }

    /// Reads what is left and drops it.
    pub(super) async fn drain(&mut self) -> Result<End, Error> {
        loop {
            match (self.part().await, self.end) {
                (_, Some(end)) => return Ok(end),
                (Ok(_), None) => {}
                (Err(BodyError::Connection(error)), None) => return Err(error),
                (Err(BodyError::Refused(reason)), None) => return Ok(End::Refused(reason)),
            }
        }
    }
}

/// What RFC 4468 section 5 has for it.
fn not_available() -> Reply {
    Reply::new(ReplyCode::FAILED, "5.6.6 Message content not available")
}

impl Pieces for Body<'_> {
    type Error = BodyError;

    async fn piece(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.chunk().await
    }
}

impl std::fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("complete", &self.end.is_some()).finish_non_exhaustive()
    }
}
