//! What an application is asked.

use std::future::Future;

use mailwire_core::Secret;
use mailwire_pop3::{LanguageTag, ResponseCode, UniqueId};

use super::{Language, Policy, Utf8};
use crate::{
    sasl::{Authenticator, Identity, Unavailable},
    server::{Content, Reader},
};

/// The application of a POP3 server: its users and their maildrops.
pub trait Service: Send + Sync + 'static {
    /// A user's maildrop, locked.
    type Maildrop: Maildrop;
    /// The user store, which knows the passwords.
    type Authenticator: Authenticator;

    /// Returns the user store, which knows the passwords. USER with PASS and AUTH ask here.
    fn authenticator(&self) -> &Self::Authenticator;

    /// Opens and locks the maildrop of a user who has proved who that is. The lock ends when the
    /// maildrop is dropped.
    ///
    /// # Errors
    ///
    /// The user is not let in now: [`Refusal::in_use`] if another session has the maildrop.
    fn open(&self, identity: &Identity) -> impl Future<Output = Result<Self::Maildrop, Refusal>> + Send;

    /// Returns a user's password as it is, for APOP; `None` if there is no such user. It is needed only if the
    /// server [offers it](super::Server::apop).
    fn apop_secret(&self, user: &str) -> impl Future<Output = Result<Option<Secret>, Unavailable>> + Send {
        let _ = user;
        async { Ok(None) }
    }

    /// What clients get of messages with text beyond ASCII in their headers, and whether UTF8 is offered. As they are
    /// by default, and it is not.
    fn utf8(&self) -> Utf8 {
        Utf8::AsItIs
    }

    /// The languages that texts are in, the preferred one first, beside English for everybody (`i-default`). None by
    /// default: LANG is offered if there are some.
    fn languages(&self) -> Vec<Language> {
        Vec::new()
    }

    /// Returns a text of the server's in a language that the client has chosen, one of [`languages`](Self::languages) or
    /// `i-default`. `None` leaves it as it is. The texts of [refusals](Refusal) come by here, too, and those with numbers
    /// in them. What the state machine refuses by itself, such as unknown commands, stays in English.
    fn translate(&self, language: &LanguageTag, english: &str) -> Option<String> {
        let _ = (language, english);
        None
    }

    /// The policy that is announced before the login. None by default. If it differs from user to user, this is the
    /// shortest [`expire`](Policy::expire) and the longest [`login_delay`](Policy::login_delay) of them all.
    fn policy(&self) -> Policy {
        Policy::new()
    }

    /// The policy for a user who has proved who that is. It is [`policy`](Self::policy) by default.
    ///
    /// # Errors
    ///
    /// The login is refused.
    fn policy_of(&self, identity: &Identity) -> impl Future<Output = Result<Policy, Refusal>> + Send {
        let (_, policy) = (identity, self.policy());
        async move { Ok(policy) }
    }

    /// Whether [`open`](Self::open) by itself refuses who comes back before the policy's
    /// [`login_delay`](Policy::login_delay) is over, by [`Refusal::login_delay`]. False by default: the server does, and
    /// knows only who has logged in at it. A service with several servers over the same maildrops can say true.
    fn keeps_login_delay(&self) -> bool {
        false
    }
}

/// A maildrop that one session has for itself ([RFC 1939 section 8](https://www.rfc-editor.org/rfc/rfc1939#section-8)).
///
/// Messages are named by their place in [`messages`](Self::messages), from 0 on. The server keeps the
/// marks of DELE. A maildrop that is dropped without [`commit`](Self::commit) deletes nothing.
///
/// One call is made at a time, and none is dropped half-way while the server lets the client stay.
pub trait Maildrop: Send + 'static {
    /// The reader of messages that are not in memory; [`NoReader`](crate::server::NoReader) if all
    /// are.
    type Reader: Reader;

    /// Lists the messages as they are for the whole session. They are listed once.
    ///
    /// # Errors
    ///
    /// The login is refused.
    fn messages(&mut self) -> impl Future<Output = Result<Vec<Entry>, Refusal>> + Send;

    /// Opens a message, as it is: dots and its end are the server's.
    ///
    /// # Errors
    ///
    /// RETR is refused.
    fn retr(&mut self, index: usize) -> impl Future<Output = Result<Content<Self::Reader>, Refusal>> + Send;

    /// Opens a message's header, the empty line, and at least so many lines after it. More is cut off by
    /// the server; so by default this is [`retr`](Self::retr).
    ///
    /// # Errors
    ///
    /// TOP is refused.
    fn top(
        &mut self,
        index: usize,
        lines: u64,
    ) -> impl Future<Output = Result<Content<Self::Reader>, Refusal>> + Send {
        let _ = lines;
        self.retr(index)
    }

    /// Deletes these messages at the client's QUIT, and gives up the lock. Nothing else deletes.
    ///
    /// # Errors
    ///
    /// Not all of them could be deleted.
    fn commit(self, deleted: Vec<usize>) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// A message of a maildrop.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The size in bytes, each line end counted as two.
    pub size: u64,
    /// The unique id, the same in all sessions and never given again.
    pub unique_id: UniqueId,
}

impl Entry {
    /// A message of `size` bytes, each line end counted as two.
    #[must_use]
    pub const fn new(size: u64, unique_id: UniqueId) -> Self {
        Self { size, unique_id }
    }
}

/// An application's refusal: `-ERR`.
pub type Refusal = crate::server::Refusal<ResponseCode>;

impl Refusal {
    /// Another session has the maildrop
    /// ([RFC 2449 section 8.1.2](https://www.rfc-editor.org/rfc/rfc2449#section-8.1.2)).
    #[must_use]
    pub fn in_use() -> Self {
        Self::new("another session has the maildrop").with_code(ResponseCode::IN_USE)
    }

    /// The user has logged in too short a time ago
    /// ([RFC 2449 section 8.1.1](https://www.rfc-editor.org/rfc/rfc2449#section-8.1.1)).
    #[must_use]
    pub fn login_delay() -> Self {
        Self::new("the last login was too short a time ago").with_code(ResponseCode::LOGIN_DELAY)
    }

    /// Something is wrong that does not pass by itself, such as a maildrop that cannot be read ([RFC 3206 section
    /// 4](https://www.rfc-editor.org/rfc/rfc3206#section-4)).
    #[must_use]
    pub fn broken() -> Self {
        Self::new("the maildrop cannot be used").with_code(ResponseCode::SYS_PERM)
    }

    /// The message needs the UTF-8 mode ([RFC 6856 section 5](https://www.rfc-editor.org/rfc/rfc6856#section-5)).
    #[must_use]
    pub fn needs_utf8() -> Self {
        Self::new("the message has a header beyond ASCII: say UTF8").with_code(ResponseCode::UTF8)
    }

    /// The service cannot answer now, and will later ([RFC 3206 section 4](https://www.rfc-editor.org/rfc/rfc3206#section-4)).
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new("not available now").with_code(ResponseCode::SYS_TEMP)
    }
}

impl From<Unavailable> for Refusal {
    fn from(_: Unavailable) -> Self {
        Self::unavailable()
    }
}
