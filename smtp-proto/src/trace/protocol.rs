//! The protocol that a message came by.

use core::fmt;

/// The word after `with` in a [`Received`](super::Received) field: the protocol, and how it was protected ([RFC
/// 3848](https://www.rfc-editor.org/rfc/rfc3848), [RFC 6531 section
/// 4.3](https://www.rfc-editor.org/rfc/rfc6531#section-4.3)).
///
/// # Examples
///
/// ```
/// use mailwire_smtp::trace::Protocol;
///
/// assert_eq!(Protocol::smtp(false).as_str(), "SMTP");
/// assert_eq!(Protocol::smtp(true).with_tls(true).with_authenticated(true).as_str(), "ESMTPSA");
/// assert_eq!(Protocol::lmtp().with_smtp_utf8(true).as_str(), "UTF8LMTP");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Protocol {
    name: Name,
    tls: bool,
    authenticated: bool,
    smtp_utf8: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Name {
    Smtp,
    Esmtp,
    Lmtp,
}

impl Protocol {
    /// SMTP; `extended` where the client said EHLO, and not HELO.
    #[must_use]
    pub const fn smtp(extended: bool) -> Self {
        let name = if extended { Name::Esmtp } else { Name::Smtp };
        Self { name, tls: false, authenticated: false, smtp_utf8: false }
    }

    /// LMTP, from one server to the next.
    #[must_use]
    pub const fn lmtp() -> Self {
        Self { name: Name::Lmtp, ..Self::smtp(true) }
    }

    /// The protocol of a registered word, in any case of its letters; that after HELO is [`smtp`](Self::smtp) alone.
    #[must_use]
    pub fn of(word: &[u8]) -> Option<Self> {
        let names = [Self::smtp(false), Self::smtp(true), Self::lmtp()];
        let mut all = names.into_iter().flat_map(|name| {
            (0..8_u8).map(move |bits| {
                name.with_tls(bits & 1 != 0).with_authenticated(bits & 2 != 0).with_smtp_utf8(bits & 4 != 0)
            })
        });
        all.find(|protocol| word.eq_ignore_ascii_case(protocol.as_str().as_bytes()))
    }

    /// Sets whether TLS protects the connection, from its beginning or by STARTTLS.
    #[must_use]
    pub const fn with_tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// Sets whether the client has logged in by AUTH.
    #[must_use]
    pub const fn with_authenticated(mut self, authenticated: bool) -> Self {
        self.authenticated = authenticated;
        self
    }

    /// Sets whether MAIL had SMTPUTF8.
    #[must_use]
    pub const fn with_smtp_utf8(mut self, smtp_utf8: bool) -> Self {
        self.smtp_utf8 = smtp_utf8;
        self
    }

    /// Whether TLS protects the connection.
    #[must_use]
    pub const fn is_tls(self) -> bool {
        self.tls
    }

    /// Whether the client has logged in.
    #[must_use]
    pub const fn is_authenticated(self) -> bool {
        self.authenticated
    }

    /// Whether the message may have addresses and a header beyond ASCII.
    #[must_use]
    pub const fn is_smtp_utf8(self) -> bool {
        self.smtp_utf8
    }

    /// The registered word. After HELO there is one, `SMTP`, whatever protects the connection.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match (self.name, self.smtp_utf8, self.tls, self.authenticated) {
            (Name::Smtp, ..) => "SMTP",
            (Name::Esmtp, false, false, false) => "ESMTP",
            (Name::Esmtp, false, false, true) => "ESMTPA",
            (Name::Esmtp, false, true, false) => "ESMTPS",
            (Name::Esmtp, false, true, true) => "ESMTPSA",
            (Name::Esmtp, true, false, false) => "UTF8SMTP",
            (Name::Esmtp, true, false, true) => "UTF8SMTPA",
            (Name::Esmtp, true, true, false) => "UTF8SMTPS",
            (Name::Esmtp, true, true, true) => "UTF8SMTPSA",
            (Name::Lmtp, false, false, false) => "LMTP",
            (Name::Lmtp, false, false, true) => "LMTPA",
            (Name::Lmtp, false, true, false) => "LMTPS",
            (Name::Lmtp, false, true, true) => "LMTPSA",
            (Name::Lmtp, true, false, false) => "UTF8LMTP",
            (Name::Lmtp, true, false, true) => "UTF8LMTPA",
            (Name::Lmtp, true, true, false) => "UTF8LMTPS",
            (Name::Lmtp, true, true, true) => "UTF8LMTPSA",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
