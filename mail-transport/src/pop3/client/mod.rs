//! A client of POP3.
//!
//! ```no_run
//! # async fn example() -> mailwire_transport::Result<()> {
//! use mailwire_transport::{Endpoint, Protocol, Security, pop3, sasl::Credentials};
//!
//! let endpoint = Endpoint::new("pop.example.org", Protocol::Pop3, Security::implicit_tls());
//! let credentials = Credentials::password("ada", "secret");
//! let mut client = pop3::Client::connect(endpoint, &credentials).await?;
//!
//! for message in client.list().await? {
//!     let mut body = client.retr(message.number).await?;
//!     while let Some(chunk) = body.chunk().await? {
//!         // A part of the message. Nothing is kept of what was read before.
//! #       let _ = chunk;
//!     }
//!     client.dele(message.number).await?;
//! }
//! // Only now the messages are deleted.
//! assert!(matches!(client.quit().await?, pop3::Deletions::Done(_)));
//! # Ok(())
//! # }
//! ```
//!
//! [`Client::download`] does all that a program needs which fetches what is new, keeps it on the server for some days,
//! and deletes nothing that it has not stored.
//!
//! # Dropped calls
//!
//! The future of every call can be dropped at any point, by a timeout or in `select!`. The next call
//! first reads what the dropped one has left on the way, and throws it away: the rest of a message,
//! too. What the dropped call asked for may have been done: after a dropped
//! [`dele`](Client::dele), [`rset`](Client::rset) makes sure that nothing is marked.

mod body;
mod bulk;
mod config;
mod download;
mod header;
mod login;
mod number;
mod seen;

use mailwire_core::{Channel, Error as Violation, ParseError, Text, Ticket};
use mailwire_pop3::{
    Capabilities, Command, DropListing, Follows, Keyword, LanguageListing, LanguageRange, LanguageTag,
    LineText, Listing, Reply, ReplyText, ResponseCode, ScanListing, UniqueIdListing,
    client::{Connection, Deletions, Event},
};

pub use self::{
    body::Body,
    bulk::RetrievedMessages,
    config::{Config, LoginMechanism},
    download::{Download, Downloaded, Downloads, Keep, Listed},
    header::HeaderDigest,
    number::ToNumber,
    seen::Seen,
};
use crate::{
    Endpoint, Error, Phase, Refused, RefusedKind, Result, Stream,
    sasl::Credentials,
    session::{Machine, Session, Verdict, Words, connecting, machine_turns},
};

/// A session with a POP3 server, logged in.
///
/// Numbers of messages count from 1, and stay what they are for the whole session. The calls here
/// are answered one by one; [`dele_all`](Self::dele_all) and [`retr_all`](Self::retr_all) send many
/// commands at once where the server allows it.
///
/// A server's `-ERR` is [`Error::Refused`], with its code (`IN-USE`, `AUTH`, `SYS/TEMP`) and text.
pub struct Client {
    session: Session<Connection>,
    collected: usize,
}

connecting!("pop3", "Pop3");

/// Connects to a server up to what it offers, and goes again. Nobody logs in.
#[cfg(feature = "discover")]
pub(crate) async fn greeted(endpoint: Endpoint) -> Result<()> {
    let (server, limit) = (endpoint.address().clone(), endpoint.timeouts().login);
    let config = Config::login(Credentials::anonymous(""));
    let stream = endpoint.connect().await?;
    let channel = endpoint.channel();
    let greeted = Box::pin(Client::greeted(stream, channel, endpoint, &config));
    let client = crate::within(limit, Phase::Greeting, greeted).await;
    let client = client.map_err(|error| error.during(&server, &Phase::Greeting))?;
    // It has greeted, however it ends.
    let _ = client.quit().await;
    Ok(())
}

impl Client {
    async fn begin(stream: Stream, channel: Channel, endpoint: Endpoint, config: Config) -> Result<Self> {
        let mut client = Self::greeted(stream, channel, endpoint, &config).await?;
        client.session.enter(Phase::Login);
        login::introduce(&mut client.session, &config).await?;
        login::log_in(&mut client.session, &config).await?;
        client.session.enter(Phase::Command);
        Ok(client)
    }

    /// A session that nobody is logged in to: TLS is up, and it is known what is offered.
    async fn greeted(stream: Stream, channel: Channel, endpoint: Endpoint, config: &Config) -> Result<Self> {
        let machine = Connection::new(config.machine(&endpoint, channel));
        let session = Session::over(stream, endpoint, machine);
        let mut client = Self { session, collected: config.collected };
        login::greet(&mut client.session).await?;
        Ok(client)
    }

    /// Returns what the server has said that it offers. Some say more after the login: it is asked for once
    /// more then, and the answer comes with that to the first call.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        self.session.machine_ref().capabilities()
    }

    /// Returns what became of the marked messages: only the answer to QUIT deletes them. A connection
    /// that is lost before deletes nothing.
    #[must_use]
    pub fn deletions(&self) -> Deletions {
        self.session.machine_ref().deletions()
    }

    /// STAT: asks how many messages there are, and how large they are together ([RFC 1939 section 5](https://www.rfc-editor.org/rfc/rfc1939#section-5)).
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn stat(&mut self) -> Result<DropListing> {
        match self.call(Command::Stat).await? {
            Reply::Drop(listing) => Ok(listing),
            _ => Err(unexpected("an answer to STAT without numbers")),
        }
    }

    /// LIST: asks for the size of each message.
    ///
    /// A line that cannot be read costs that line, and is reported as a warning to `tracing`.
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn list(&mut self) -> Result<Vec<ScanListing>> {
        let pick = |line| match line {
            Listing::Scan(mut scan) => {
                scan.rest = scan.rest.compact();
                let beside = scan.rest.as_bytes().len();
                Some((scan, beside))
            }
            _ => None,
        };
        self.lines(Command::List(None), pick).await
    }

    /// LIST: asks for the size of one message.
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn list_one(&mut self, message: impl ToNumber) -> Result<ScanListing> {
        let message = message.to_number()?;
        match self.call(Command::List(Some(message))).await? {
            Reply::Listing(Listing::Scan(scan)) if scan.number == message => Ok(scan),
            _ => Err(unexpected("an answer to LIST about something else")),
        }
    }

    /// UIDL: asks for the unique id of each message, which is the same in all sessions ([RFC 1939 section 7](https://www.rfc-editor.org/rfc/rfc1939#section-7)).
    ///
    /// A line that cannot be read costs that line, and is reported as a warning to `tracing`.
    ///
    /// # Errors
    ///
    /// The server refuses (it need not know UIDL), or the connection fails.
    pub async fn uidl(&mut self) -> Result<Vec<UniqueIdListing>> {
        let pick = |line| match line {
            Listing::UniqueId(mut id) => {
                id.unique_id = id.unique_id.compact();
                let beside = id.unique_id.as_bytes().len();
                Some((id, beside))
            }
            _ => None,
        };
        self.lines(Command::Uidl(None), pick).await
    }

    /// UIDL: asks for the unique id of one message.
    ///
    /// # Errors
    ///
    /// The server refuses (it need not know UIDL), or the connection fails.
    pub async fn uidl_one(&mut self, message: impl ToNumber) -> Result<UniqueIdListing> {
        let message = message.to_number()?;
        match self.call(Command::Uidl(Some(message))).await? {
            Reply::Listing(Listing::UniqueId(id)) if id.number == message => Ok(id),
            _ => Err(unexpected("an answer to UIDL about something else")),
        }
    }

    /// RETR: asks for a message, to be read piece by piece ([RFC 1939 section 5](https://www.rfc-editor.org/rfc/rfc1939#section-5)).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: &mut mailwire_transport::pop3::Client) -> mailwire_transport::Result<()> {
    /// let mut file = tokio::fs::File::create("1.eml").await?;
    /// let length = client.retr(1).await?.copy_to(&mut file).await?;
    /// println!("{length} bytes");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn retr(&mut self, message: impl ToNumber) -> Result<Body<'_>> {
        self.body(Command::Retr(message.to_number()?)).await
    }

    /// TOP: asks for a message's header and the first lines of its body ([RFC 1939 section 7](https://www.rfc-editor.org/rfc/rfc1939#section-7)).
    ///
    /// # Errors
    ///
    /// The server refuses (it need not know TOP), or the connection fails.
    pub async fn top(&mut self, message: impl ToNumber, lines: u64) -> Result<Body<'_>> {
        self.body(Command::Top { number: message.to_number()?, lines }).await
    }

    /// DELE: marks a message, to be deleted by [`quit`](Self::quit).
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn dele(&mut self, message: impl ToNumber) -> Result<()> {
        self.call(Command::Dele(message.to_number()?)).await.map(drop)
    }

    /// RSET: takes all marks back.
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn rset(&mut self) -> Result<()> {
        self.call(Command::Rset).await.map(drop)
    }

    /// NOOP: does nothing, but lets the server hear from the client.
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn noop(&mut self) -> Result<()> {
        self.call(Command::Noop).await.map(drop)
    }

    /// CAPA: asks what the server offers ([RFC 2449](https://www.rfc-editor.org/rfc/rfc2449)).
    ///
    /// # Errors
    ///
    /// The server refuses (it need not know CAPA), or the connection fails.
    pub async fn capa(&mut self) -> Result<Capabilities> {
        self.lines(Command::Capa, |_| None::<((), usize)>).await?;
        Ok(self.capabilities().clone())
    }

    /// LANG: asks which languages the server has texts in ([RFC 6856 section
    /// 3](https://www.rfc-editor.org/rfc/rfc6856#section-3)).
    ///
    /// # Errors
    ///
    /// The server does not offer it, or refuses, or the connection fails.
    pub async fn languages(&mut self) -> Result<Vec<LanguageListing>> {
        let pick = |line| match line {
            Listing::Language(mut language) => {
                language.tag = language.tag.compact();
                language.description = language.description.compact();
                let beside =
                    language.tag.as_bytes().len().saturating_add(language.description.as_bytes().len());
                Some((language, beside))
            }
            _ => None,
        };
        self.lines(Command::Lang(None), pick).await
    }

    /// LANG: asks for the server's texts in a language, or in the one that it prefers
    /// ([`LanguageRange::PREFERRED`](mailwire_pop3::LanguageRange::PREFERRED)). Returns the language that it has chosen, as
    /// far as it tells. For texts about the login see [`Config::language`].
    ///
    /// # Errors
    ///
    /// The server does not offer it, or has no such language, or the connection fails.
    pub async fn set_language(&mut self, range: LanguageRange) -> Result<Option<LanguageTag>> {
        self.call(Command::Lang(Some(range))).await?;
        Ok(self.session.machine_ref().language().cloned())
    }

    /// Whether messages come with headers beyond ASCII as they are: the server has accepted UTF8, see
    /// [`Config::utf8`].
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        self.session.machine_ref().is_utf8()
    }

    /// Sends a command that this client does not know, with an answer of one line. Returns its text.
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn command(&mut self, keyword: Keyword, arguments: Option<LineText>) -> Result<ReplyText> {
        let reply = self.call(Command::Other { keyword, arguments }).await?;
        Ok(reply.text().cloned().unwrap_or_default())
    }

    /// QUIT: deletes what is marked, ends the session, and says what was deleted. If nothing is marked, a
    /// connection that ends without an answer has ended as it was to.
    ///
    /// # Errors
    ///
    /// The server refuses, which means that it could not delete all that was marked, or the
    /// connection fails. [`QuitError::deletions`] says what is known then.
    pub async fn quit(mut self) -> Result<Deletions, QuitError> {
        let result = self.call(Command::Quit).await;
        // How the stream ends changes nothing.
        let _ = self.session.close().await;
        let deletions = self.deletions();
        match result {
            Ok(_) => Ok(deletions),
            // Nothing depended on the answer, and the connection has ended as it was to.
            Err(error) if error.is_end() && deletions == Deletions::None => Ok(deletions),
            Err(error) => Err(QuitError { error, deletions }),
        }
    }

    /// Sends a command, after what dropped calls have left.
    async fn start(&mut self, command: Command) -> Result<Call> {
        self.session.finish_dropped(unclaimed).await?;
        send(&mut self.session, command)
    }

    async fn call(&mut self, command: Command) -> Result<Reply> {
        let call = self.start(command).await?;
        answer(&mut self.session, call).await
    }

    async fn lines<T>(
        &mut self,
        command: Command,
        pick: impl Fn(Listing) -> Option<(T, usize)>,
    ) -> Result<Vec<T>> {
        let call = self.start(command).await?;
        answer(&mut self.session, call).await?;
        let ticket = call.ticket;
        let mut lines = Vec::new();
        let mut left = self.collected;
        loop {
            match self.session.event().await? {
                Event::Line { ticket: of, line, .. } if of == ticket => {
                    let Some((line, beside)) = pick(line) else { continue };
                    // A list that grows takes up to three times its elements while it does.
                    let weight = size_of::<T>().saturating_mul(3).saturating_add(beside);
                    left = left.checked_sub(weight).ok_or_else(|| self.too_much())?;
                    lines.push(line);
                }
                Event::LinesEnd { ticket: of } if of == ticket => return Ok(lines),
                event => unclaimed(event),
            }
        }
    }

    /// The rest of a listing without end is not worth waiting for.
    fn too_much(&mut self) -> Error {
        let limit = self.collected as u64;
        let what = "bytes of a listing";
        self.session.end(Violation::LimitExceeded { what, limit }.into())
    }

    async fn body(&mut self, command: Command) -> Result<Body<'_>> {
        let call = self.start(command).await?;
        answer(&mut self.session, call).await?;
        Ok(Body::new(&mut self.session, call.ticket))
    }
}

/// The error of [`Client::quit`], and the fate of the messages that were marked.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct QuitError {
    /// The error. [`Error::Refused`]: the server could not delete all of them.
    pub error: Error,
    /// The fate of the marked messages, as far as it is known.
    pub deletions: Deletions,
}

impl From<QuitError> for Error {
    fn from(error: QuitError) -> Self {
        error.error
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("server", self.endpoint().address())
            .field("deletions", &self.deletions())
            .finish_non_exhaustive()
    }
}

impl Machine for Connection {
    type Witness = ();

    machine_turns!();

    fn completes(event: &Event) -> Option<Ticket> {
        match event {
            Event::Reply { ticket, follows: Follows::Nothing, .. }
            | Event::LinesEnd { ticket }
            | Event::BodyEnd { ticket, .. }
            | Event::NotSent { ticket, .. } => Some(*ticket),
            Event::Malformed { ticket, .. } => *ticket,
            _ => None,
        }
    }

    fn verdict(event: &Event) -> Option<Verdict> {
        match event {
            Event::Reply { reply, .. } => Some(Verdict::of(reply.is_ok())),
            Event::LinesEnd { .. } | Event::BodyEnd { .. } => Some(Verdict::Accepted),
            _ => None,
        }
    }

    fn words(event: &Event) -> Option<Words> {
        match event {
            Event::StartTlsRefused(reply) => {
                let mut line = Vec::new();
                reply.write(&mut line);
                Words::sentence(&line)
            }
            Event::Malformed { bytes, .. } => Words::sentence(bytes),
            _ => None,
        }
    }

    fn is_closed(&self) -> bool {
        Self::is_closed(self)
    }

    fn service(&self) -> &'static str {
        "pop"
    }
}

/// A command in progress.
#[derive(Debug, Clone, Copy)]
struct Call {
    ticket: Ticket,
    name: &'static str,
}

/// Hands a command to the machine. No await lies between that and the note that its answer is due.
fn send(session: &mut Session<Connection>, command: Command) -> Result<Call> {
    let name = command.known_name().unwrap_or("the command");
    match session.machine().send(command) {
        Ok(ticket) => Ok(Call { ticket: session.expect(ticket, name), name }),
        Err(error) => Err(session.failed(error.into())),
    }
}

/// The status line that answers a command; a positive one.
async fn answer(session: &mut Session<Connection>, call: Call) -> Result<Reply> {
    let Call { ticket, name } = call;
    loop {
        match session.event().await? {
            Event::Reply { ticket: of, reply, deviations, .. } if of == ticket => {
                if !deviations.is_empty() {
                    crate::traces::debug!(command = name, ?deviations, "odd answer");
                }
                return accept(name, reply).map_err(|error| session.failed(error));
            }
            Event::Malformed { ticket: Some(of), bytes, error } if of == ticket => {
                return Err(session.failed(unreadable(&bytes, error)));
            }
            Event::NotSent { ticket: of, reason } if of == ticket => {
                return Err(session.failed(reason.into()));
            }
            event => unclaimed(event),
        }
    }
}

fn accept(name: &'static str, reply: Reply) -> Result<Reply> {
    match reply {
        Reply::Err { code, text } => {
            Err(refused(name, code.as_ref().map(ResponseCode::as_text), &text).into())
        }
        reply => Ok(reply),
    }
}

/// An answer that cannot be read.
fn unreadable(bytes: &[u8], error: ParseError) -> Error {
    let error = Violation::Unexpected { what: error.reason, offset: error.offset }.into();
    match Words::sentence(bytes) {
        Some(Words::Sentence(words)) => Error::WithWords { error: Box::new(error), words },
        _ => error,
    }
}

/// A server's no. It outlives the connection's buffers, so it is a copy.
fn refused(name: &'static str, code: Option<&Text>, text: &ReplyText) -> Refused {
    Refused::new(name, RefusedKind::Err, code.cloned(), text.as_text().clone())
}

fn unexpected(what: &'static str) -> Error {
    mailwire_core::Error::Unexpected { what, offset: 0 }.into()
}

/// An event that belongs to no call that goes on.
fn unclaimed(event: Event) {
    if let Event::Malformed { bytes, error, .. } = event {
        crate::traces::warn!(line = %mailwire_core::escape_ascii(&bytes), %error, "cannot be read");
    }
}
