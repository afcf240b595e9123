//! Who may log in.

use std::borrow::Cow;

use mailwire_core::Secret;
use mailwire_transport::sasl::{Authenticator, LoginContext, Mechanism, StoredPassword, Unavailable};

use crate::memory::MemoryStore;

/// Those of a store, or everybody.
#[derive(Debug, Clone)]
pub(super) struct Users {
    pub(super) store: MemoryStore,
    pub(super) anybody: bool,
}

/// What shows a password or a token, so that any can be taken.
const OPEN: [Mechanism; 4] = [Mechanism::Plain, Mechanism::Login, Mechanism::OAuthBearer, Mechanism::XOAuth2];

impl Authenticator for Users {
    fn mechanisms(&self) -> &[Mechanism] {
        if self.anybody { &OPEN } else { self.store.mechanisms() }
    }

    fn canonical_name<'a>(&self, user: &'a str) -> Cow<'a, str> {
        self.store.canonical_name(user)
    }

    async fn lookup(&self, user: &str, login: &LoginContext) -> Result<Option<StoredPassword>, Unavailable> {
        self.store.lookup(user, login).await
    }

    async fn verify_password(
        &self,
        user: &str,
        password: &Secret,
        login: &LoginContext,
    ) -> Result<bool, Unavailable> {
        if self.anybody { Ok(true) } else { self.store.verify_password(user, password, login).await }
    }

    async fn verify_token(
        &self,
        user: Option<&str>,
        _: &Secret,
        _: &LoginContext,
    ) -> Result<Option<String>, Unavailable> {
        Ok(user.filter(|_| self.anybody).map(str::to_owned))
    }

    async fn shared_secret(&self, user: &str, login: &LoginContext) -> Result<Option<Secret>, Unavailable> {
        self.store.shared_secret(user, login).await
    }

    async fn may_act_as(&self, _: &str, _: &str, _: &LoginContext) -> Result<bool, Unavailable> {
        Ok(self.anybody)
    }
}
