//! Any store as an IMAP service.

mod catenate;
mod fetch;
mod notify;
mod open;
mod order;
pub(crate) mod rights;
mod search;
mod session;
mod storing;
mod user;

use std::sync::Arc;

use mailwire_imap::{Capability, extensions::metadata::MetadataCode, response::Code};
use mailwire_transport::{
    imap::server::{Refusal, Service},
    sasl::{Authenticator, Identity},
};

pub use self::session::ImapSession;
use crate::{Error, Store, service::over_store};

over_store! {
    /// An IMAP service over any [`Store`], for an [`imap::Server`](mailwire_transport::imap::Server).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use mailwire_store::{ImapService, memory::MemoryStore};
    /// use mailwire_transport::{Result, Security, imap, server::Listener, tls::ServerTls};
    /// use tokio_util::sync::CancellationToken;
    ///
    /// # async fn run(store: MemoryStore, tls: ServerTls) -> Result<()> {
    /// let server = imap::Server::new(ImapService::new(store));
    /// let listener = Listener::bind("[::]:993", Security::implicit_tls(), Some(tls)).await?;
    /// server.serve(listener, CancellationToken::new()).await
    /// # }
    /// ```
    ImapService,
    utf8_only: bool = false,
    // Applications and the users that fetch URLs for them; without, there is no URLAUTH.
    url_agents: Option<Arc<[(String, String)]>> = None
}

impl<S: Store, A: Authenticator> ImapService<S, A> {
    /// Lets users make URLs of their messages that others can use: URLAUTH ([RFC
    /// 4467](https://www.rfc-editor.org/rfc/rfc4467)), and with decoded parts ([RFC
    /// 5524](https://www.rfc-editor.org/rfc/rfc5524)). The `agents` are applications, such as `submit`, and the names of the
    /// users as whom they log in to fetch what URLs name. Not so by default.
    #[must_use]
    pub fn with_url_auth<T, U>(mut self, agents: impl IntoIterator<Item = (T, U)>) -> Self
    where
        T: Into<String>,
        U: Into<String>,
    {
        self.url_agents = Some(agents.into_iter().map(|(name, user)| (name.into(), user.into())).collect());
        self
    }

    /// Sets whether clients have to enable UTF8=ACCEPT before they do anything with mailboxes: UTF8=ONLY ([RFC 6855
    /// section 6](https://www.rfc-editor.org/rfc/rfc6855#section-6)). Names of mailboxes are in UTF-8 then, and messages can
    /// have UTF-8 in their headers. By default, clients may enable it.
    #[must_use]
    pub const fn utf8_only(mut self, utf8_only: bool) -> Self {
        self.utf8_only = utf8_only;
        self
    }
}

impl<S: Store, A: Authenticator + 'static> Service for ImapService<S, A> {
    type Session = ImapSession<S>;
    type Authenticator = A;

    fn authenticator(&self) -> &A {
        &self.authenticator
    }

    fn capabilities(&self) -> Vec<Capability> {
        let of_all_stores = [
            Capability::CondStore,
            Capability::QResync,
            Capability::Notify,
            Capability::Preview,
            Capability::PreviewFuzzy,
            Capability::SnippetFuzzy,
            Capability::SearchFuzzy,
            Capability::Sort,
            Capability::SortDisplay,
            Capability::ESort,
            Capability::ContextSort,
            Capability::SortModSeq,
            Capability::SortUid,
            Capability::ThreadOrderedSubject,
            Capability::ThreadReferences,
            Capability::ThreadRefs,
            Capability::I18nLevel1,
            Capability::I18nLevel2,
            Capability::Within,
            Capability::ObjectId,
            Capability::SaveDate,
            Capability::Catenate,
            Capability::UrlPartial,
            if self.utf8_only { Capability::Utf8Only } else { Capability::Utf8Accept },
        ];
        let of_this_store = self.store.extensions();
        // Filters are annotations.
        let annotated = |one: &Capability| matches!(one, Capability::Metadata | Capability::MetadataServer);
        let filters = of_this_store.iter().any(annotated).then_some(Capability::Filters);
        let url_auth = self.url_agents.as_ref().map(|_| [Capability::UrlAuth, Capability::UrlAuthBinary]);
        let all = of_all_stores.into_iter().chain(url_auth.into_iter().flatten());
        all.chain(of_this_store).chain(filters).collect()
    }

    async fn open(&self, identity: &Identity) -> Result<ImapSession<S>, Refusal> {
        match self.store.account(&identity.acting_as).await {
            Ok(account) => {
                let agents = self.url_agents.clone().unwrap_or_default();
                Ok(ImapSession::new(self.store.clone(), account, agents))
            }
            Err(error @ Error::NoSuchAccount) => {
                Err(Refusal::new(error.to_string()).with_code(Code::AuthorizationFailed))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let code = match error {
            Error::NoSuchMailbox | Error::NoSuchAccount => Code::NonExistent,
            Error::NoSuchBody => Code::ExpungeIssued,
            Error::MailboxExists => Code::AlreadyExists,
            Error::OverQuota => Code::OverQuota,
            Error::InUse => Code::InUse,
            Error::Denied(_) => Code::NoPerm,
            Error::SpecialUse(_) => Code::UseAttr,
            Error::AnnotationSize(limit) => Code::Metadata(MetadataCode::MaxSize(limit)),
            Error::Annotations => Code::Metadata(MetadataCode::TooMany),
            Error::HasChildren => Code::HasChildren,
            Error::Limit(_) => Code::Limit,
            Error::Full | Error::NotDone(_) | Error::Unknown(_) => return internal(&error),
            _ => Code::Cannot,
        };
        Self::new(error.to_string()).with_code(code)
    }
}

/// What went wrong inside is not the client's matter.
fn internal(error: &Error) -> Refusal {
    tracing::warn!(%error, "the store failed");
    match error {
        Error::Unknown(_) => Refusal::new("It is not known whether this was done").with_code(Code::ServerBug),
        _ => Refusal::unavailable(),
    }
}

/// Copying into a mailbox that is not there: the client may make it and try again.
fn try_create(error: Error) -> Refusal {
    match error {
        Error::NoSuchMailbox => Refusal::from(error).with_code(Code::TryCreate),
        _ => error.into(),
    }
}
