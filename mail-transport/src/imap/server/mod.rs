//! A server over an application's [`Service`].
//!
//! The application has users, mailboxes and messages, which it names by their UIDs. Everything else
//! is here: sequence numbers and what the client was told, `\Recent`, the two revisions of IMAP and
//! their responses, EXPUNGE held back where it would confuse, IDLE, login by all mechanisms, TLS,
//! limits, shutting down.

mod answers;
mod appending;
mod body;
mod contexts;
mod conversation;
mod extensions;
mod fetch_writer;
mod filters;
mod limiting;
mod listing;
mod mailboxes;
mod messages;
mod multisearch;
mod notify;
mod open;
mod options;
mod picking;
mod progress;
mod refusal;
mod searching;
mod sending;
mod service;
mod sets;
mod urls;

use std::{
    num::NonZeroU32,
    sync::{Arc, OnceLock},
};

use mailwire_core::Channel;
use mailwire_imap::{Capability, server::Config};

pub use answers::{
    Appended, Changes, Copied, Fetched, FetchedItem, Flagged, GrantableRights, Labelled, MailboxEvent,
    MailboxUpdate, Namespaces, Selected, Status, Stored, Update, UrlContent,
};
pub use body::{Body, Messages, Piece, UrlPiece};
pub use fetch_writer::FetchWriter;
pub use listing::Mailbox;
pub use options::{
    ChangesOptions, CopyOptions, CreateOptions, FetchOptions, LabelOptions, MetadataOptions, NewMessage,
    SearchOptions, SelectOptions, SortOptions, StatusOptions, StoreOptions, ThreadOptions, UrlBytes,
    UrlOptions, WatchOptions,
};
pub use progress::Progress;
pub use refusal::Refusal;
pub use service::{Service, Session};

use self::conversation::Conversation;
use crate::{
    Result,
    server::{Accepted, ServerProtocol},
};

/// A server of IMAP.
///
/// `ImapService` of `mailwire-store` is a service over any store of mailboxes and messages. What a service
/// of one's own has to do stands at [`Service`] and [`Session`].
///
/// ```no_run
/// use mailwire_transport::{Result, Security, imap, server::Listener, tls::ServerTls};
/// use tokio_util::sync::CancellationToken;
///
/// # async fn run(service: impl imap::server::Service, tls: ServerTls) -> Result<()> {
/// let server = imap::Server::new(service);
/// let listener = Listener::bind("[::]:993", Security::implicit_tls(), Some(tls)).await?;
/// server.serve(listener, CancellationToken::new()).await
/// # }
/// ```
pub type Server<S> = crate::server::Server<Imap, S>;

/// IMAP as a server speaks it.
#[derive(Debug, Clone)]
pub struct Imap {
    config: Config,
    /// `config` as connections have it, made for the first of them: all share its lists.
    ready: OnceLock<Config>,
}

impl Imap {
    const fn new(config: Config) -> Self {
        Self { config, ready: OnceLock::new() }
    }

    fn ready(&self) -> Config {
        self.ready.get_or_init(|| ready(self.config.clone())).clone()
    }
}

/// A configuration that offers APPENDLIMIT, and COMPRESS only where that is compiled in.
fn ready(mut config: Config) -> Config {
    let offered = config.capabilities();
    let limit = Capability::AppendLimit(Some(config.limits.message));
    let limit = (!offered.iter().any(|one| matches!(one, Capability::AppendLimit(_)))).then_some(limit);
    let can = |one: &&Capability| cfg!(feature = "compress") || **one != Capability::CompressDeflate;
    let list: Vec<_> = offered.iter().filter(can).cloned().chain(limit).collect();
    if let Err(error) = config.set_capabilities(list) {
        tracing::error!(%error, "APPENDLIMIT is not offered");
    }
    config
}

impl<S: Service> ServerProtocol<S> for Imap {
    type Config = Config;

    fn config_mut(&mut self) -> &mut Config {
        self.ready.take();
        &mut self.config
    }

    fn allow_clear_credentials(&mut self) {
        self.ready.take();
        self.config.allow_clear_credentials = true;
    }

    const NAME: &'static str = "imap";

    const REFUSAL: &'static [u8] = b"* BYE [UNAVAILABLE] Too many connections\r\n";

    fn converse(&self, service: Arc<S>, client: Accepted) -> impl Future<Output = Result<()>> + Send {
        let mut conversation = Conversation::new(service, self.ready(), client);
        async move { conversation.run().await }
    }
}

impl<S: Service> Server<S> {
    /// Makes a server with the default limits.
    pub fn new(service: S) -> Self {
        // The channel and the mechanisms are each connection's.
        let mut config = Config::new(Channel::Clear);
        let own = [
            Capability::Binary,
            #[cfg(feature = "compress")]
            Capability::CompressDeflate,
            Capability::ContextSearch,
            Capability::MultiSearch,
            Capability::SearchRes,
            Capability::Partial,
            Capability::InProgress,
            Capability::UidBatches,
            Capability::UidOnly,
            Capability::Unauthenticate,
        ];
        for capability in own.into_iter().chain(service.capabilities()) {
            if let Err(error) = config.add_capabilities([capability.clone()]) {
                tracing::warn!(%capability, %error, "not offered");
            }
        }
        // To enable METADATA asks to be told of what others change, which nobody is.
        let told = |one: &Capability| matches!(one, Capability::Metadata | Capability::MetadataServer);
        let kept = service.capabilities().into_iter().filter(|one| !told(one));
        config.enable = kept.chain([Capability::UidOnly]).collect();
        Self::with_protocol(Imap::new(config), service)
    }

    /// Sets whether connections can be compressed ([RFC 4978](https://www.rfc-editor.org/rfc/rfc4978)); `true` by
    /// default. A compressed connection takes about 400 KiB more.
    #[cfg(feature = "compress")]
    #[must_use]
    pub fn with_compression(self, offer: bool) -> Self {
        self.offer(Capability::CompressDeflate, offer)
    }

    /// Sets whether a client can log out and stay connected, to log in as somebody else
    /// ([RFC 8437](https://www.rfc-editor.org/rfc/rfc8437)); `true` by default. It has to be `false` after a
    /// proxy that only looks at the first login
    /// ([section 8](https://www.rfc-editor.org/rfc/rfc8437#section-8)).
    #[must_use]
    pub fn with_unauthenticate(self, offer: bool) -> Self {
        self.offer(Capability::Unauthenticate, offer)
    }

    /// Sets whether XLIST is there, for clients from before SPECIAL-USE; `false` by default.
    #[must_use]
    pub fn with_xlist(self, offer: bool) -> Self {
        self.offer(Capability::XList, offer)
    }

    /// Sets for how many messages a command is done at once ([RFC
    /// 9738](https://www.rfc-editor.org/rfc/rfc9738)), which should be a thousand at least; `None`, which is the
    /// default, sets no limit. Clients that do not know of it take a part of the messages for all of them.
    /// COPY and an APPEND of more messages are refused.
    #[must_use]
    pub fn with_message_limit(self, limit: Option<NonZeroU32>) -> Self {
        self.offer_instead(
            |capability| matches!(capability, Capability::MessageLimit(_)),
            limit.map(Capability::MessageLimit),
        )
    }

    /// Sets how many messages COPY and APPEND take at once ([RFC
    /// 9738](https://www.rfc-editor.org/rfc/rfc9738)); `None`, which is the default, sets no limit.
    #[must_use]
    pub fn with_save_limit(self, limit: Option<NonZeroU32>) -> Self {
        self.offer_instead(
            |capability| matches!(capability, Capability::SaveLimit(_)),
            limit.map(Capability::SaveLimit),
        )
    }

    fn offer(self, capability: Capability, offer: bool) -> Self {
        let offered = offer.then(|| capability.clone());
        self.offer_instead(|one| *one == capability, offered)
    }

    fn offer_instead(self, replaced: impl Fn(&Capability) -> bool, offered: Option<Capability>) -> Self {
        self.configure(|config| {
            let others = config.capabilities().iter().filter(|one| !replaced(one)).cloned();
            let list: Vec<_> = others.chain(offered.clone()).collect();
            // The others were allowed before, and the machine keeps this one.
            let _ = config.set_capabilities(list);
        })
    }

    /// Sets how many logins may fail on one connection; five by default.
    #[must_use]
    pub fn with_login_attempts(self, attempts: usize) -> Self {
        self.configure(|config| config.limits.auth_failures = attempts.max(1))
    }
}
