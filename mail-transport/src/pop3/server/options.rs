//! What an application says of its maildrops.

use std::time::Duration;

use mailwire_core::setters;
use mailwire_pop3::{Capability, LanguageTag};

/// The policy of a site for the maildrops of its users: EXPIRE and LOGIN-DELAY ([RFC 2449 sections 6.5 and
/// 6.7](https://www.rfc-editor.org/rfc/rfc2449#section-6.5)).
///
/// The server announces it. It refuses who comes back too soon, and at QUIT it deletes what was downloaded where
/// [nothing may stay](Expire::Days). Older messages are the application's to delete.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mailwire_transport::pop3::server::{Expire, Policy};
///
/// let policy = Policy::new().with_expire(Expire::Days(30)).with_login_delay(Duration::from_secs(300));
/// assert_eq!(policy.expire, Some(Expire::Days(30)));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// For how long messages stay; `None` announces nothing.
    pub expire: Option<Expire>,
    /// The least time from one login of a user to the next, in whole seconds; `None` for any.
    pub login_delay: Option<Duration>,
    /// Whether the policy differs from user to user: before the login the shortest `expire` and the longest
    /// `login_delay` are announced, and the user's own after it.
    pub per_user: bool,
}

/// For how long messages stay on the server ([RFC 2449 section 6.7](https://www.rfc-editor.org/rfc/rfc2449#section-6.7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expire {
    /// The server deletes nothing by itself.
    Never,
    /// So many days at least. With 0 nothing may stay: the server deletes at QUIT what the client has
    /// downloaded whole with RETR, as if it had said DELE.
    Days(u32),
}

impl Policy {
    /// No policy: nothing is announced.
    #[must_use]
    pub const fn new() -> Self {
        Self { expire: None, login_delay: None, per_user: false }
    }

    /// The policy of a user as it is announced, after that for `all`: what is announced before the login has to be
    /// after it, too (RFC 2449 section 5).
    pub(super) fn after(self, all: &Self) -> Self {
        Self {
            expire: self.expire.or(all.expire.map(|_| Expire::Never)),
            login_delay: self.login_delay.or(all.login_delay.map(|_| Duration::ZERO)),
            per_user: false,
        }
    }

    /// What is announced of it.
    pub(super) fn capabilities(&self) -> impl Iterator<Item = Capability> {
        let per_user = self.per_user;
        let delay = self.login_delay.map(|delay| {
            let seconds = delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0));
            Capability::LoginDelay { seconds, per_user }
        });
        let expire = self.expire.map(|expire| Capability::Expire {
            days: match expire {
                Expire::Never => None,
                Expire::Days(days) => Some(days.into()),
            },
            per_user,
        });
        delay.into_iter().chain(expire)
    }
}

setters!(const Policy {
    with_expire(expire: some Expire),
    with_login_delay(login_delay: some Duration),
    with_per_user(per_user: bool),
});

/// What clients get of messages with text beyond ASCII in their headers ([RFC 6856 section
/// 2.1](https://www.rfc-editor.org/rfc/rfc6856#section-2.1)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Utf8 {
    /// UTF8 is not offered, and each client gets messages as they are.
    #[default]
    AsItIs,
    /// UTF8 is offered. Who has not said it gets such messages with a header in ASCII ([RFC
    /// 6858](https://www.rfc-editor.org/rfc/rfc6858)): words are encoded, addresses that cannot be are replaced by
    /// invalid ones that show them, and other fields and parameters are left out. LIST tells the size of the message
    /// as it is, as section 4 there allows. Headers of parts within the message stay as they are.
    Surrogate,
    /// UTF8 is offered. Who has not said it is refused such messages, with the code UTF8.
    Refuse,
}

/// A language that an application has texts in.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Language {
    /// Its tag.
    pub tag: LanguageTag,
    /// Its name in itself: `Deutsch`.
    pub name: String,
}

impl Language {
    /// A language and its name in itself.
    pub fn new(tag: LanguageTag, name: impl Into<String>) -> Self {
        Self { tag, name: name.into() }
    }
}
