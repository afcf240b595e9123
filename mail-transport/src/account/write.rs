//! Writing an account's URL.

use std::fmt;

use mailwire_core::{Secret, grammar::percent_encode};

use super::{
    Account, Auth,
    parse::{SCHEMES, TLS, is_host, is_password, is_path, is_user},
};
use crate::Address;

impl Account {
    /// Returns the whole URL, with the password.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_transport::Account;
    ///
    /// let account = Account::parse("smtps://anna@mail.example.org")?.with_password("a:b@c");
    /// assert_eq!(account.to_url().expose(), b"smtps://anna:a:b%40c@mail.example.org");
    /// # Ok::<(), mailwire_core::Invalid>(())
    /// ```
    #[must_use]
    pub fn to_url(&self) -> Secret {
        // What grows leaves copies behind: how long it will be is counted first.
        let mut length = Length(0);
        let _ = self.write(&mut length, true);
        let mut url = String::with_capacity(length.0);
        // A String takes all there is.
        let _ = self.write(&mut url, true);
        Secret::from(url)
    }

    fn write(&self, out: &mut impl fmt::Write, with_password: bool) -> fmt::Result {
        let kind = self.endpoint.security().0;
        let is_unix = matches!(self.endpoint.address(), Address::Unix(_));
        let of_protocol = || SCHEMES.iter().filter(|(_, protocol, _)| *protocol == self.protocol);
        let fitting = of_protocol().find(|(.., known)| *known == kind && !is_unix);
        let scheme = fitting.or_else(|| of_protocol().next()).map_or("", |(scheme, ..)| *scheme);
        out.write_str(scheme)?;
        match self.endpoint.address() {
            Address::Unix(path) => {
                out.write_str("+unix:")?;
                let path = path.as_os_str().as_encoded_bytes();
                if self.user.is_some() || self.auth.is_some() || path.starts_with(b"//") {
                    out.write_str("//")?;
                    self.write_user(out, with_password)?;
                }
                percent_encode(out, path, is_ascii_path)?;
            }
            Address::Tcp { host, port } => {
                out.write_str("://")?;
                self.write_user(out, with_password)?;
                match host.contains(':') {
                    true => write!(out, "[{host}]")?,
                    false => percent_encode(out, host.as_bytes(), |byte| byte.is_ascii() && is_host(byte))?,
                }
                if *port != self.endpoint.security().default_port(self.protocol) {
                    write!(out, ":{port}")?;
                }
                if let Some(mailbox) = &self.mailbox {
                    out.write_char('/')?;
                    percent_encode(out, mailbox.as_bytes(), |byte| byte != b'@' && is_ascii_path(byte))?;
                }
            }
        }
        let mut sign = '?';
        if fitting.is_none() && !is_unix {
            for (name, _) in TLS.into_iter().filter(|(_, known)| *known == kind) {
                write!(out, "{sign}tls={name}")?;
            }
            sign = '&';
        }
        if self.clear_credentials {
            write!(out, "{sign}credentials=clear")?;
        }
        Ok(())
    }

    fn write_user(&self, out: &mut impl fmt::Write, with_password: bool) -> fmt::Result {
        if self.user.is_none() && self.auth.is_none() {
            return Ok(());
        }
        let user = self.user.as_deref().unwrap_or_default();
        percent_encode(out, user.as_bytes(), |byte| byte.is_ascii() && is_user(byte))?;
        match &self.auth {
            None => {}
            Some(Auth::Sasl(mechanism)) => write!(out, ";AUTH={mechanism}")?,
            Some(Auth::Login) => out.write_str(";AUTH=+LOGIN")?,
            Some(Auth::Apop) => out.write_str(";AUTH=+APOP")?,
        }
        if let (true, Some(password)) = (with_password, &self.password) {
            out.write_char(':')?;
            percent_encode(out, password.expose(), |byte| byte.is_ascii() && is_password(byte))?;
        }
        out.write_char('@')
    }
}

/// How many bytes were written.
struct Length(usize);

impl fmt::Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.saturating_add(text.len());
        Ok(())
    }
}

const fn is_ascii_path(byte: u8) -> bool {
    byte.is_ascii() && is_path(byte)
}

/// The URL without the password.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, false)
    }
}
