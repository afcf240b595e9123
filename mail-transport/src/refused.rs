//! What a server says when it refuses.

use std::fmt;
#[cfg(feature = "oauth")]
use std::sync::Arc;

use mailwire_core::Text;

#[cfg(feature = "oauth")]
use crate::sasl::OAuthError;

/// A server's refusal of one command, in any of the protocols.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The command's name; `the connection` if the server refused to talk at all, or ended the
    /// conversation unasked.
    pub command: &'static str,
    /// The kind of the refusal.
    pub kind: RefusedKind,
    /// The machine-readable reason beside it: SMTP's enhanced status code (`5.1.1`), IMAP's response
    /// code (`AUTHENTICATIONFAILED`, with its arguments), POP3's (`IN-USE`).
    pub code: Option<Text>,
    /// The words for people; the lines of a reply of several are separated by a space.
    pub text: Text,
    /// What the server said about an OAuth token beside its refusal.
    #[cfg(feature = "oauth")]
    pub oauth: Option<Arc<OAuthError>>,
}

/// The ways in which a server refuses.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusedKind {
    /// SMTP's and LMTP's three digits, 4xx or 5xx.
    Smtp(u16),
    /// IMAP's NO.
    No,
    /// IMAP's BAD.
    Bad,
    /// IMAP's BYE.
    Bye,
    /// IMAP's OK with the code `MESSAGELIMIT`: a part was done, for no more messages than the code says, and
    /// up to its UID; the rest is still to do ([RFC 9738](https://www.rfc-editor.org/rfc/rfc9738)).
    Partial,
    /// POP3's -ERR.
    Err,
}

impl Refused {
    /// How much of the server's words is kept, in bytes.
    const KEPT: usize = 8 * 1024;

    /// Makes a refusal of `command` from the parts of the server's answer, of which it keeps copies: of
    /// long ones the beginning.
    #[must_use]
    pub fn new(command: &'static str, kind: RefusedKind, code: Option<Text>, text: Text) -> Self {
        let code = code.map(|code| beginning(code.as_bytes(), Self::KEPT));
        let text = beginning(text.as_bytes(), Self::KEPT);
        Self {
            command,
            kind,
            code,
            text,
            #[cfg(feature = "oauth")]
            oauth: None,
        }
    }

    /// Returns the refusal as the reply of SMTP that it was, with an enhanced code and the beginning of the text: it
    /// can be asked what it is about.
    ///
    /// # Examples
    ///
    /// ```
    /// # use mailwire_transport::{Refused, RefusedKind};
    /// let refused = Refused::new("RCPT", RefusedKind::Smtp(552), Some("5.2.2".into()), "Over quota".into());
    /// assert!(refused.reply().is_some_and(|reply| reply.is_mailbox_full()));
    /// ```
    #[cfg(feature = "smtp")]
    #[must_use]
    pub fn reply(&self) -> Option<mailwire_smtp::Reply> {
        use mailwire_smtp::{Reply, ReplyCode};
        let RefusedKind::Smtp(code) = self.kind else { return None };
        let code = ReplyCode::new(code)?;
        let text = self.text.as_bytes().utf8_chunks().map(|chunk| chunk.valid()).collect::<String>();
        let enhanced = self.code.as_ref().and_then(Text::as_str);
        let reply = enhanced.and_then(|enhanced| Reply::reject(code.get(), enhanced, &text).ok());
        Some(reply.unwrap_or_else(|| Reply::new(code, &text)))
    }

    /// Whether the server said, by its code, that the same may succeed later; or that it ends the
    /// connection, so that another one may do.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self.kind {
            RefusedKind::Smtp(code) => (400..500).contains(&code),
            // RFC 5530 section 3.
            RefusedKind::No | RefusedKind::Bad => {
                self.has_code(&["UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG"])
            }
            RefusedKind::Bye => !self.has_code(PERMANENT),
            // Trying again would do nothing new: the rest is to be asked for.
            RefusedKind::Partial => false,
            // RFC 2449 section 8.1, RFC 3206 section 3.
            RefusedKind::Err => self.has_code(&["IN-USE", "LOGIN-DELAY", "SYS/TEMP"]),
        }
    }

    /// The URLs of where to go instead, of IMAP's code REFERRAL ([RFC 2221](https://www.rfc-editor.org/rfc/rfc2221), [RFC
    /// 2193](https://www.rfc-editor.org/rfc/rfc2193)). Nothing follows them by itself: whether to trust another server with
    /// the credentials is the caller's to say.
    #[inline]
    pub fn referrals(&self) -> impl Iterator<Item = &str> {
        let code = self.code.as_ref().and_then(Text::as_str);
        let urls = code.and_then(|code| code.strip_prefix("REFERRAL ")).unwrap_or_default();
        urls.split(' ').filter(|url| !url.is_empty())
    }

    /// Whether the server does not accept the credentials of a login.
    #[inline]
    #[must_use]
    pub fn is_authentication(&self) -> bool {
        const LOGINS: &[&str] = &["AUTH", "AUTHENTICATE", "LOGIN", "USER", "PASS", "APOP"];
        if !LOGINS.contains(&self.command) || self.is_transient() {
            return false;
        }
        match self.kind {
            // RFC 4954 section 6. Those left out are about the command, or about missing TLS.
            RefusedKind::Smtp(500..=504 | 530 | 538) | RefusedKind::Bad | RefusedKind::Partial => false,
            RefusedKind::Smtp(_) => true,
            // Those of RFC 5530 that are about something else; most servers give no code.
            RefusedKind::No => !self.has_code(&["CONTACTADMIN", "PRIVACYREQUIRED", "CLIENTBUG", "CANNOT"]),
            RefusedKind::Bye => self.has_code(&["AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED"]),
            RefusedKind::Err => !self.has_code(&["SYS/PERM", "SYS"]),
        }
    }

    /// Whether the server ends the connection with it, rather than answering a command.
    #[cfg(feature = "client")]
    pub(crate) const fn is_goodbye(&self) -> bool {
        matches!(self.kind, RefusedKind::Bye | RefusedKind::Smtp(421 | 221))
    }

    /// Whether the code is one of these, whatever its arguments are. Not inlined: it would be unrolled for each list of words.
    #[inline(never)]
    fn has_code(&self, words: &[&str]) -> bool {
        let Some(code) = &self.code else { return false };
        let word = code.as_bytes().split(|&byte| byte == b' ').next().unwrap_or_default();
        words.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
    }

    /// Adds what the server said within the exchange: JSON, or else words for people.
    #[cfg(feature = "client")]
    pub(crate) fn with_server_error(mut self, words: &Text) -> Self {
        #[cfg(feature = "oauth")]
        if let Some(error) = OAuthError::parse(words.as_bytes()) {
            self.oauth = Some(Arc::new(error));
            return self;
        }
        let text = [self.text.as_bytes(), words.as_bytes()].join(&b' ');
        self.text = beginning(&text, Self::KEPT);
        self
    }
}

/// Reasons of RFC 5530 for a BYE that another connection would meet as well.
const PERMANENT: &[&str] = &[
    "AUTHENTICATIONFAILED",
    "AUTHORIZATIONFAILED",
    "EXPIRED",
    "PRIVACYREQUIRED",
    "CONTACTADMIN",
    "NOPERM",
    "CLIENTBUG",
    "CANNOT",
];

/// A copy of the first bytes.
pub(crate) fn beginning(bytes: &[u8], length: usize) -> Text {
    Text::from(bytes.get(..length).unwrap_or(bytes))
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let did = if self.kind == RefusedKind::Partial { "did only a part of" } else { "refused" };
        write!(f, "the server {did} {}: ", self.command)?;
        match self.kind {
            RefusedKind::Smtp(code) => write!(f, "{code}")?,
            RefusedKind::No => f.write_str("NO")?,
            RefusedKind::Bad => f.write_str("BAD")?,
            RefusedKind::Bye => f.write_str("BYE")?,
            RefusedKind::Partial => f.write_str("OK")?,
            RefusedKind::Err => f.write_str("-ERR")?,
        }
        match (&self.code, self.kind) {
            (Some(code), RefusedKind::Smtp(_)) => write!(f, " {code}")?,
            (Some(code), _) => write!(f, " [{code}]")?,
            (None, _) => {}
        }
        if !self.text.is_empty() {
            write!(f, " {}", self.text)?;
        }
        #[cfg(feature = "oauth")]
        if let Some(error) = &self.oauth {
            write!(f, " ({error})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

#[cfg(all(test, feature = "client"))]
mod tests {
    use super::*;

    #[test]
    fn logins_fail_alike() {
        let refused = |command, kind, code: &str| {
            let code = (!code.is_empty()).then(|| code.into());
            let refused = Refused::new(command, kind, code, "no".into());
            (refused.is_authentication(), refused.is_transient())
        };
        for (command, kind, code, expected) in [
            ("AUTH", RefusedKind::Smtp(535), "5.7.8", (true, false)),
            ("AUTH", RefusedKind::Smtp(534), "5.7.9", (true, false)),
            ("AUTH", RefusedKind::Smtp(454), "4.7.0", (false, true)),
            ("AUTH", RefusedKind::Smtp(504), "5.5.4", (false, false)),
            ("MAIL", RefusedKind::Smtp(530), "5.7.0", (false, false)),
            ("RCPT", RefusedKind::Smtp(550), "5.7.8", (false, false)),
            ("AUTHENTICATE", RefusedKind::No, "AUTHENTICATIONFAILED", (true, false)),
            ("LOGIN", RefusedKind::No, "", (true, false)),
            ("LOGIN", RefusedKind::No, "UNAVAILABLE", (false, true)),
            ("LOGIN", RefusedKind::No, "CONTACTADMIN", (false, false)),
            ("LOGIN", RefusedKind::Bad, "", (false, false)),
            ("LOGIN", RefusedKind::Bye, "", (false, true)),
            ("LOGIN", RefusedKind::Bye, "authenticationfailed", (true, false)),
            ("SELECT", RefusedKind::No, "", (false, false)),
            ("PASS", RefusedKind::Err, "AUTH", (true, false)),
            ("AUTH", RefusedKind::Err, "", (true, false)),
            ("PASS", RefusedKind::Err, "IN-USE", (false, true)),
            ("PASS", RefusedKind::Err, "SYS/PERM", (false, false)),
            ("RETR", RefusedKind::Err, "", (false, false)),
        ] {
            assert_eq!(refused(command, kind, code), expected, "{command} {kind:?} {code}");
        }
    }

    #[test]
    fn long_words_are_cut() {
        let long: Text = vec![b'x'; 1 << 20].into();
        let refused = Refused::new("NOOP", RefusedKind::No, Some(long.clone()), long);
        assert!(refused.text.len() == Refused::KEPT && refused.code.unwrap().len() == Refused::KEPT);
    }
}
