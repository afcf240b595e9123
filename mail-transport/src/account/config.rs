//! What an account means to the clients of the three protocols.

use mailwire_core::Invalid;

use super::Account;
use crate::{InvalidValue, Protocol, Result};

#[cfg_attr(
    not(any(feature = "smtp", feature = "imap", feature = "pop3")),
    allow(dead_code, reason = "for the configurations of clients")
)]
impl Account {
    /// Checks that a client can be one of this account's protocol.
    fn check(&self, protocols: &[Protocol], reason: &'static str) -> Result<()> {
        match protocols.contains(&self.protocol) {
            true => Ok(()),
            false => Err(InvalidValue::new(Invalid::new("account", 0, reason), &self.to_string()).into()),
        }
    }
}

/// # Errors
///
/// The account is for another protocol, or has a user without a password.
#[cfg(feature = "smtp")]
impl TryFrom<&Account> for crate::smtp::Config {
    type Error = crate::Error;

    fn try_from(account: &Account) -> Result<Self> {
        let protocols = [Protocol::Smtp, Protocol::Submission, Protocol::Lmtp];
        account.check(&protocols, "not one of SMTP or LMTP")?;
        let mut config = if account.protocol == Protocol::Lmtp { Self::lmtp() } else { Self::anonymous() };
        config.credentials = account.credentials()?;
        config.mechanism = account.mechanism().cloned();
        config.allow_clear_credentials = account.clear_credentials;
        Ok(config)
    }
}

/// # Errors
///
/// The account is for another protocol, or has a user without a password.
#[cfg(feature = "imap")]
impl TryFrom<&Account> for crate::imap::Config {
    type Error = crate::Error;

    fn try_from(account: &Account) -> Result<Self> {
        use super::Auth;
        use crate::imap::LoginMechanism;

        account.check(&[Protocol::Imap], "not one of IMAP")?;
        let mut config = Self::anonymous();
        config.credentials = account.credentials()?;
        config.mechanism = account.auth.as_ref().map(|auth| match auth {
            Auth::Sasl(mechanism) => LoginMechanism::Sasl(mechanism.clone()),
            Auth::Login | Auth::Apop => LoginMechanism::Login,
        });
        config.allow_clear_credentials = account.clear_credentials;
        Ok(config)
    }
}

/// # Errors
///
/// The account is for another protocol, or has no user or no password.
#[cfg(feature = "pop3")]
impl TryFrom<&Account> for crate::pop3::Config {
    type Error = crate::Error;

    fn try_from(account: &Account) -> Result<Self> {
        use super::Auth;
        use crate::{pop3::LoginMechanism, sasl::SaslError};

        account.check(&[Protocol::Pop3], "not one of POP3")?;
        let nobody = SaslError::InvalidCredentials("no user, which POP3 needs");
        let mut config = Self::login(account.credentials()?.ok_or(nobody)?);
        config.mechanism = account.auth.as_ref().map(|auth| match auth {
            Auth::Sasl(mechanism) => LoginMechanism::Sasl(mechanism.clone()),
            Auth::Login => LoginMechanism::UserPass,
            Auth::Apop => LoginMechanism::Apop,
        });
        config.allow_clear_credentials = account.clear_credentials;
        Ok(config)
    }
}
