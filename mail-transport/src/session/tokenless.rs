//! Stands in for tokens where the feature is off: nobody is asked for credentials, and no login is tried again.

use std::borrow::Cow;

use super::{Machine, Session};
use crate::{Error, Result, sasl::Credentials};

impl<C: Machine> Session<C> {
    pub(crate) async fn credentials<'a>(&self, given: &'a Credentials) -> Result<Cow<'a, Credentials>> {
        Ok(Cow::Borrowed(given))
    }

    pub(crate) async fn renewed(
        &self,
        _: &Credentials,
        _: &Credentials,
        error: Error,
    ) -> Result<Credentials> {
        Err(error)
    }
}
