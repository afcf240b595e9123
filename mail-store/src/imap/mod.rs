//! Any store as an IMAP service.

mod catenate;
mod fetch;
mod open;
mod order;
pub(crate) mod rights;
mod search;
mod session;
mod user;

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
    ImapService
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
            Capability::Utf8Accept,
        ];
        let of_this_store = self.store.extensions();
        // Filters are annotations.
        let annotated = |one: &Capability| matches!(one, Capability::Metadata | Capability::MetadataServer);
        let filters = of_this_store.iter().any(annotated).then_some(Capability::Filters);
        of_all_stores.into_iter().chain(of_this_store).chain(filters).collect()
    }

    async fn open(&self, identity: &Identity) -> Result<ImapSession<S>, Refusal> {
        match self.store.account(&identity.acting_as).await {
            Ok(account) => Ok(ImapSession::new(self.store.clone(), account)),
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
            Error::NotDone(_) | Error::Unknown(_) => return internal(&error),
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
