//! Credentials that are asked for at a login, and tokens that are renewed.

use std::borrow::Cow;

use super::{Machine, Session};
use crate::{
    CLIENT_TRACES, Error, OAuthError, Refused, Result,
    sasl::{Credentials, CredentialsRequest},
    traces,
};

impl<C: Machine> Session<C> {
    /// The credentials for a login: those that were given, or those that whoever knows them gives now.
    ///
    /// # Errors
    ///
    /// There are none.
    pub(crate) async fn credentials<'a>(&self, given: &'a Credentials) -> Result<Cow<'a, Credentials>> {
        Ok(given.ask(self.request(None)).await?.map_or(Cow::Borrowed(given), Cow::Owned))
    }

    /// A fresh token in place of one that was refused, to be tried once.
    ///
    /// # Errors
    ///
    /// The error of the login, where there is no other token, or it would be no help; or nobody answers who has
    /// one.
    pub(crate) async fn renewed(
        &self,
        given: &Credentials,
        used: &Credentials,
        error: Error,
    ) -> Result<Credentials> {
        let Error::Refused(refused) = &error else { return Err(error) };
        let stale = refused.oauth.as_deref().is_none_or(OAuthError::is_invalid_token);
        if !(used.is_token() && stale && refused.is_authentication() && self.is_usable()) {
            return Err(error);
        }
        match given.ask(self.request(Some(refused.clone()))).await? {
            Some(fresh) if fresh != *used => {
                let server = self.course.endpoint.address();
                traces::debug!(target: CLIENT_TRACES, %server, %error, "logging in with a fresh token");
                Ok(fresh)
            }
            _ => Err(error),
        }
    }

    fn request(&self, refused: Option<Box<Refused>>) -> CredentialsRequest {
        let host = self.host().to_owned();
        CredentialsRequest { service: self.machine_ref().service(), host, refused }
    }
}
