//! The client.
//!
//! ```no_run
//! use mailwire_transport::{Endpoint, Protocol, Security, imap, sasl::Credentials};
//! use mailwire_transport::imap::{FetchAtt, SearchKey};
//!
//! # async fn run() -> mailwire_transport::Result<()> {
//! let server = Endpoint::new("imap.example.org", Protocol::Imap, Security::implicit_tls());
//! let mut client = imap::Client::connect(server, &Credentials::password("anna", "secret")).await?;
//! client.select("INBOX").await?;
//! let unseen = client.uid_search([SearchKey::Unseen]).await?;
//! let mut messages = client.uid_fetch(&unseen, [FetchAtt::Envelope]).await?;
//! while let Some(message) = messages.next().await? {
//!     println!("{}", message.subject().unwrap_or_default());
//! }
//! client.logout().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What comes without being asked for
//!
//! Other sessions change the mailbox, and the server says so inside of any call. Such data is kept:
//! [`Client::updates`] gives it, oldest first, and [`Client::idle`] waits for it. A response that
//! cannot be read does not end the call in which it comes: [`Client::malformed`] gives it. How the
//! last call ended, with its response code, says [`Client::completion`]: a server with a limit on
//! messages, for one, says OK and `MESSAGELIMIT`.
//!
//! # Dropped calls
//!
//! The future of every call can be dropped at any point, by a timeout or in `select!`. The next call
//! first reads what the dropped one has left on the way, and throws it away: the rest of a message,
//! too. What the dropped call asked for may have been done. Only an [`append`](Client::append) from a
//! reader that is dropped within the message leaves the client spent: each call then says
//! [`Error::Spent`]. After an error that ends the connection each call says [`Error::Ended`], with that
//! error.

mod append;
mod body;
mod call;
#[cfg(feature = "imap-extensions")]
mod catenate;
mod config;
#[cfg(feature = "imap-extensions")]
mod context;
#[cfg(feature = "imap-extensions")]
mod download;
mod error;
#[cfg(feature = "imap-extensions")]
mod extensions;
mod fetch;
#[cfg(feature = "imap-extensions")]
mod i18n;
mod idle;
mod inbox;
mod items;
mod kept;
#[cfg(feature = "imap-extensions")]
mod listing;
mod login;
mod mailboxes;
mod messages;
#[cfg_attr(not(feature = "sync"), path = "no_mirror.rs")]
mod mirror;
mod parts;
#[cfg(feature = "pool")]
mod pool;
mod search;
mod select;
mod set;
#[cfg(feature = "imap-extensions")]
mod special;
#[cfg(feature = "sync")]
mod sync;
#[cfg(feature = "sync")]
mod watch;

use mailwire_core::{Channel, Misuse, WrongState};
use mailwire_imap::{
    Capabilities, Capability,
    client::{Connection, State},
    command::{AString, Command},
    extensions::{
        namespace::NamespaceData,
        notify::{Notify, NotifyEvent},
    },
    response::{Reply, Untagged},
    types::{ImapString, ModSeq},
};

#[cfg(feature = "pool")]
pub use self::pool::Pool;
pub use self::{
    append::{AppendOptions, AppendUid, Content},
    body::Body,
    config::{Config, LoginMechanism},
    fetch::{FetchedMessage, FetchedMessages},
    idle::Idle,
    inbox::{Malformed, Update},
    messages::{FlagChange, StoredUnchanged},
    search::{Found, Numbers},
    select::Selected,
    set::{ToMailbox, ToSet},
};
use self::{
    call::{Call, hand_back},
    error::{too_many, unexpected},
    inbox::Inbox,
    kept::compact_capabilities,
};
#[cfg(feature = "imap-extensions")]
pub use self::{
    catenate::Catenate,
    context::{FoundIn, SearchContext},
    download::Download,
    extensions::{ListedRights, Metadata},
    listing::Listed,
    special::SpecialMailbox,
};
#[cfg(feature = "sync")]
pub use self::{
    sync::Syncing,
    watch::{Watch, WatchEvent, WatchOptions},
};
use crate::{
    Endpoint, Error, Phase, RefusedKind, Result, Stream,
    runtime::Boxed,
    sasl::Credentials,
    session::{Session, connecting},
};

/// A session with an IMAP server.
///
/// A server's NO, BAD or BYE is [`Error::Refused`], with its code and text, whatever data came before
/// it.
pub struct Client {
    session: Session<Connection>,
    inbox: Inbox,
    settings: Settings,
    /// A command has changed who this client is for the server, or how the two speak.
    altered: bool,
}

/// What of the [`Config`] is of use after the login.
#[derive(Debug, Clone, Copy)]
struct Settings {
    idle_interval: std::time::Duration,
    items: usize,
    message_bodies: usize,
    collected: usize,
}

/// The answer to a [`call`](Client::call): how it ended, and all that came before that.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The OK, with its code and text.
    pub status: Reply,
    /// The untagged data.
    pub data: Vec<Untagged>,
}

connecting!("imap", "Imap");

impl Client {
    async fn begin(stream: Stream, channel: Channel, endpoint: Endpoint, config: Config) -> Result<Self> {
        let machine = Connection::new(config.machine(&endpoint, channel));
        let settings = Settings {
            idle_interval: config.idle_interval(),
            items: config.items,
            message_bodies: config.message_bodies,
            collected: config.collected,
        };
        let session = Session::over(stream, endpoint, machine);
        let inbox = Inbox::new(config.updates, config.update_bytes);
        let mut client = Self { session, inbox, settings, altered: false };
        client.inbox.progress = config.progress.clone();
        client.introduce(channel, config).await?;
        Ok(client)
    }

    /// All that is said before the first call.
    fn introduce(&mut self, channel: Channel, config: Config) -> Boxed<'_, Result<()>> {
        Box::pin(async move {
            self.greet(channel).await?;
            self.session.enter(Phase::Login);
            self.prove(&config).await?;
            self.session.enter(Phase::Command);
            // RFC 6855 section 6: nothing else goes there without it.
            if self.has(&Capability::Utf8Only) {
                self.enable([Capability::Utf8Accept]).await?;
            }
            let wanted = self.session.machine_ref().profile().id_before_select;
            if (wanted || config.identity.is_some()) && self.has(&Capability::Id) {
                match self.call_id(config.identity).await {
                    // Whoever does not like to hear it may still serve.
                    Err(Error::Refused(refused)) if refused.kind != RefusedKind::Bye => {
                        crate::traces::debug!(%refused, "ID");
                    }
                    told => drop(told?),
                }
            }
            self.altered = false;
            Ok(())
        })
    }

    /// Returns what the server offers, as far as it has said so.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        self.session.machine_ref().capabilities()
    }

    /// Whether the server offers this.
    #[must_use]
    pub fn has(&self, capability: &Capability) -> bool {
        self.capabilities().has(capability)
    }

    /// Whether the server offers this, by name or as a part of IMAP4rev2.
    fn has_or_rev2(&self, capability: &Capability) -> bool {
        self.capabilities().has_or_rev2(capability)
    }

    /// Returns the state of the session ([RFC 9051 section 3](https://www.rfc-editor.org/rfc/rfc9051#section-3)).
    #[must_use]
    pub fn state(&self) -> State {
        self.session.machine_ref().state()
    }

    /// The change up to which the server has told all of the selected mailbox: HIGHESTMODSEQ, as it was said last ([RFC
    /// 7162 section 6](https://www.rfc-editor.org/rfc/rfc7162#section-6)). Whoever comes back begins there.
    #[must_use]
    pub const fn highest_mod_seq(&self) -> Option<ModSeq> {
        self.inbox.highest_mod_seq
    }

    /// Returns the number of messages in the selected mailbox, as far as the server has said it.
    #[must_use]
    pub fn exists(&self) -> Option<u32> {
        if self.state() == State::Selected { self.inbox.exists } else { None }
    }

    /// Takes what came without being asked for, oldest first. It is kept until it is taken here or in
    /// [`idle`](Self::idle), as much of it as [`Config::updates`] says; beyond that there is an
    /// [`Update::Overflow`]. Selecting a mailbox, and leaving it, drops what was about the messages of
    /// the one before.
    pub fn updates(&mut self) -> impl Iterator<Item = Update> + '_ {
        std::iter::from_fn(|| self.inbox.pop())
    }

    /// Takes the responses that could not be read, oldest first. The last 64 of them are kept.
    pub fn malformed(&mut self) -> impl Iterator<Item = Malformed> + '_ {
        self.inbox.malformed.drain(..)
    }

    /// Returns how the last call ended, with the response code and the text: `None` before the first.
    #[must_use]
    pub fn completion(&self) -> Option<&Reply> {
        self.inbox.completion.as_ref()
    }

    /// CAPABILITY: asks what the server offers now. [`capabilities`](Self::capabilities) mostly knows
    /// without asking.
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn capability(&mut self) -> Result<&Capabilities> {
        self.simple(Command::Capability).await?;
        Ok(self.capabilities())
    }

    /// NOOP: does nothing, but lets the server tell what is new.
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn noop(&mut self) -> Result<()> {
        self.simple(Command::Noop).await
    }

    /// ID: tells the server who this is, and asks what it calls itself ([RFC 2971](https://www.rfc-editor.org/rfc/rfc2971)).
    ///
    /// # Errors
    ///
    /// There is a NUL, CR or LF in a text, the server refuses or does not know ID, or the connection
    /// fails.
    pub async fn id(&mut self, fields: &[(&str, &str)]) -> Result<Vec<(ImapString, Option<ImapString>)>> {
        let mut sent = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            sent.push((AString::new(*name)?, Some(AString::new(*value)?)));
        }
        self.call_id((!sent.is_empty()).then_some(sent)).await
    }

    async fn call_id(
        &mut self,
        fields: Option<Vec<(AString, Option<AString>)>>,
    ) -> Result<Vec<(ImapString, Option<ImapString>)>> {
        let mut id = Vec::new();
        let mut room = self.room();
        let mut take = |data| match data {
            Untagged::Id(_) => {
                if let Untagged::Id(fields) = room.keep(data)? {
                    id = fields;
                }
                Ok(None)
            }
            data => Ok(Some(data)),
        };
        self.run(Command::Id(fields), &mut take).await?;
        Ok(id)
    }

    /// ENABLE: has the server use extensions that change what it sends ([RFC 9051 section 6.3.1](https://www.rfc-editor.org/rfc/rfc9051#section-6.3.1)). Returns those that it enabled.
    ///
    /// # Errors
    ///
    /// The server refuses or does not know ENABLE, or the connection fails.
    pub async fn enable(&mut self, capabilities: impl Into<Vec<Capability>>) -> Result<Vec<Capability>> {
        let capabilities = capabilities.into();
        let mut enabled = Vec::new();
        if capabilities.is_empty() {
            return Ok(enabled);
        }
        let mut room = self.room();
        let mut take = |data| match data {
            Untagged::Enabled(now) => {
                enabled.extend(compact_capabilities(&mut room, &now)?);
                Ok(None)
            }
            data => Ok(Some(data)),
        };
        self.run(Command::Enable(capabilities), &mut take).await?;
        Ok(enabled)
    }

    /// NAMESPACE: asks where the user's mailboxes, those of others and the shared ones are ([RFC 9051 section 6.3.10](https://www.rfc-editor.org/rfc/rfc9051#section-6.3.10)).
    ///
    /// # Errors
    ///
    /// The server refuses or does not know NAMESPACE, or the connection fails.
    pub async fn namespace(&mut self) -> Result<NamespaceData> {
        let mut namespace = None;
        let mut room = self.room();
        let mut take = |data| match data {
            Untagged::Namespace(_) => {
                if let Untagged::Namespace(answer) = room.keep(data)? {
                    namespace = Some(*answer);
                }
                Ok(None)
            }
            data => Ok(Some(data)),
        };
        self.run(Command::Namespace, &mut take).await?;
        namespace.ok_or(unexpected("an answer to NAMESPACE without namespaces"))
    }

    /// LOGOUT: ends the session. As every command before it was answered, nothing depends on the answer: a
    /// connection that ends without it has ended as it was to. The answer is waited for as long as
    /// [`Timeouts::close`](crate::Timeouts::close) says.
    ///
    /// # Errors
    ///
    /// The connection had ended before LOGOUT could be sent, or the server refuses. All that was done before
    /// is done.
    pub async fn logout(mut self) -> Result<()> {
        self.say_goodbye().await
    }

    /// LOGOUT, after which nothing can be called any more.
    fn say_goodbye(&mut self) -> Boxed<'_, Result<()>> {
        Box::pin(async move {
            let call = self.start(Command::Logout).await;
            let call = match call {
                Err(Error::Refused(refused)) if refused.kind == RefusedKind::Bye => return Ok(()),
                call => call?,
            };
            let limit = self.endpoint().timeouts().close;
            let answered = crate::runtime::timeout(limit, self.finish(call, &mut hand_back)).await;
            // How the stream ends changes nothing.
            let _ = self.session.close().await;
            match answered {
                // Some close without the last word, others say nothing more.
                Ok(Err(error)) if !error.is_end() => match error {
                    Error::Refused(refused) if refused.kind == RefusedKind::Bye => Ok(()),
                    error => Err(error),
                },
                _ => Ok(()),
            }
        })
    }

    /// NOTIFY: says what the server is to tell by itself from now on, of other mailboxes, too
    /// ([RFC 5465](https://www.rfc-editor.org/rfc/rfc5465)). It comes as [`updates`](Self::updates), STATUS and
    /// LIST of other mailboxes among them as [`Update::Data`], as are the items that are asked of new messages; bodies
    /// too large for [`Limits::inline_literal`](mailwire_imap::Limits::inline_literal) are left out.
    /// [`Notify::none`] ends it.
    ///
    /// With [`MailboxFilter::Selected`](mailwire_imap::extensions::notify::MailboxFilter::Selected) messages
    /// change their numbers at any time, so that only calls by UID say what they mean.
    ///
    /// # Errors
    ///
    /// The server does not offer NOTIFY; it refuses, with `BADEVENT` where it does not know an event; or the
    /// connection fails.
    pub async fn notify(&mut self, notify: Notify) -> Result<()> {
        let asks = |event: &NotifyEvent| matches!(event, NotifyEvent::MessageNew(items) if !items.is_empty());
        let shows_new = notify.groups().iter().flat_map(|group| &group.events).any(asks);
        // They can come before the answer.
        self.inbox.shows_new |= shows_new;
        self.simple(Command::Notify(notify.into())).await?;
        self.inbox.shows_new = shows_new;
        Ok(())
    }

    /// COMPRESS: has both sides compress all that follows ([RFC 4978](https://www.rfc-editor.org/rfc/rfc4978)).
    /// Text becomes a third of its length. [`unauthenticate`](Self::unauthenticate) ends it.
    ///
    /// Whoever sees how many bytes travel can guess at what a mail of his own has in common with what is
    /// around it, although TLS protects them all.
    ///
    /// # Errors
    ///
    /// The server refuses or does not offer COMPRESS, the connection is compressed already, or it fails.
    #[cfg(feature = "compress")]
    pub async fn compress(&mut self) -> Result<()> {
        self.simple(Command::Compress).await
    }

    /// Whether the connection is compressed.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.session.machine_ref().is_compressed()
    }

    /// UNAUTHENTICATE: ends the session and keeps the connection with its TLS, for
    /// [another login](Self::log_in) ([RFC 8437](https://www.rfc-editor.org/rfc/rfc8437)). What was enabled is
    /// not any more, compression ends, and the updates that nobody has taken are dropped.
    ///
    /// # Errors
    ///
    /// The server does not offer UNAUTHENTICATE, or the connection fails.
    pub async fn unauthenticate(&mut self) -> Result<()> {
        self.simple(Command::Unauthenticate).await?;
        self.inbox.forget_session();
        self.session.login = None;
        Ok(())
    }

    /// Sends any command, and gives all that the server sends before its end. What came belongs to this call, and
    /// is not among the [`updates`](Self::updates).
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails. [`Error::Misuse`] for commands that need more than
    /// an answer: [`idle`](Self::idle), [`append`](Self::append) and others are for those.
    pub async fn call(&mut self, command: Command) -> Result<Answer> {
        let streamed = command
            .appended()
            .is_some_and(|append| append.literals().any(|literal| literal.bytes.streamed().is_some()));
        let has_own_call = matches!(
            command,
            Command::Authenticate(_) | Command::Compress | Command::Idle | Command::Unauthenticate
        );
        if streamed || has_own_call {
            return Err(Misuse::WrongState(WrongState::OwnCall).into());
        }
        let limit = self.settings.items;
        let mut data = Vec::new();
        let mut room = self.room();
        let mut take = |item| {
            data.push(room.keep(item)?);
            if data.len() > limit { Err(too_many("responses to one command", limit)) } else { Ok(None) }
        };
        let call = self.start(command).await?;
        // The caller sees how it ended.
        let status = self.finish(Call { partial: false, ..call }, &mut take).await?;
        Ok(Answer { status, data })
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("server", self.endpoint().address())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
