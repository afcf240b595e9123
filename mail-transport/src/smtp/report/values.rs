//! What the fields of reports hold.

use std::fmt;

use mailwire_smtp::{EnhancedCode, Mailbox, extensions::dsn::OriginalRecipient, trace::Timestamp};
#[cfg(any(feature = "client", feature = "server"))]
use mailwire_smtp::{ForwardPath, Host};

use super::{
    FieldText,
    field::{invalid, without_comments},
};
use crate::InvalidValue;

/// A text with the name of its form: an address, the name of an MTA, a diagnostic code
/// ([RFC 3464 section 2.1.2](https://www.rfc-editor.org/rfc/rfc3464#section-2.1.2)).
///
/// # Examples
///
/// ```
/// use mailwire_transport::smtp::report::Typed;
///
/// let recipient = Typed::new("rfc822", "bob@example.net")?;
/// assert_eq!(recipient.mailbox().unwrap().domain(), "example.net");
/// assert_eq!(recipient.to_string(), "rfc822; bob@example.net");
/// # Ok::<(), mailwire_transport::InvalidValue>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Typed {
    kind: String,
    text: FieldText,
}

impl Typed {
    /// Makes a text of a form: `rfc822` and `utf-8` for addresses, `dns` for names of hosts, `smtp` for replies, `x-` and a name for others.
    /// The case of the letters of `kind` does not count.
    ///
    /// # Errors
    ///
    /// A form that is no atom, a text with a control character other than a tab.
    pub fn new(kind: &str, text: impl Into<String>) -> Result<Self, InvalidValue> {
        if !is_atom(kind) {
            return Err(invalid("form of a text", 0, "expected an atom", kind));
        }
        Ok(Self { kind: kind.to_ascii_lowercase(), text: FieldText::new(text)? })
    }

    /// An address: `rfc822`, or `utf-8` if it is not ASCII
    /// ([RFC 6533 section 3](https://www.rfc-editor.org/rfc/rfc6533#section-3)).
    #[must_use]
    pub fn address(mailbox: &Mailbox) -> Self {
        Self::unchecked(if mailbox.is_ascii() { "rfc822" } else { "utf-8" }, mailbox.as_str())
    }

    /// The recipient of a RCPT.
    #[cfg(any(feature = "client", feature = "server"))]
    pub(super) fn recipient(to: &ForwardPath) -> Self {
        match to.mailbox() {
            Some(mailbox) => Self::address(mailbox),
            None => Self::unchecked("rfc822", to.to_string().trim_matches(['<', '>'])),
        }
    }

    /// The name of a server: `dns`, unless it is an address ([RFC 3461 section
    /// 6.3](https://www.rfc-editor.org/rfc/rfc3461#section-6.3)).
    #[cfg(any(feature = "client", feature = "server"))]
    pub(super) fn host(host: &Host) -> Self {
        let kind = if matches!(host, Host::Domain(_)) { "dns" } else { "x-local-hostname" };
        Self::unchecked(kind, host.as_str())
    }

    /// Of a text that may have control characters: spaces take their place.
    pub(super) fn unchecked(kind: &str, text: &str) -> Self {
        Self { kind: kind.to_owned(), text: FieldText::lenient(text.as_bytes()) }
    }

    /// ```abnf
    /// atom ";" *text
    /// ```
    ///
    /// Others leave the form out, which then is `guess`.
    pub(super) fn read(value: &str, guess: impl Fn(&str) -> &'static str) -> Self {
        if let Some((kind, text)) = value.split_once(';') {
            let kind = without_comments(kind);
            if is_atom(&kind) {
                return Self::unchecked(&kind.to_ascii_lowercase(), text);
            }
        }
        Self::unchecked(guess(value), value)
    }

    /// Reads an address, which others write without its form, too.
    pub(super) fn read_address(value: &str) -> Self {
        Self::read(value, |text| match (text.contains('@'), text.is_ascii()) {
            (true, true) => "rfc822",
            (true, false) => "utf-8",
            (false, _) => "unknown",
        })
    }

    /// Reads the name of an MTA.
    pub(super) fn read_mta(value: &str) -> Self {
        Self::read(value, |_| "dns")
    }

    /// Reads a diagnostic code.
    pub(super) fn read_diagnostic(value: &str) -> Self {
        Self::read(value, |text| {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 3 { "smtp" } else { "unknown" }
        })
    }

    /// The form, in lower case.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The text as it stands in the report, with what may be a comment.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.as_str()
    }

    /// The address, if it is one of SMTP: without comments and angle brackets, and for `utf-8` without the `\x{..}` of
    /// [RFC 6533 section 3](https://www.rfc-editor.org/rfc/rfc6533#section-3).
    #[must_use]
    pub fn mailbox(&self) -> Option<Mailbox> {
        if !matches!(&*self.kind, "rfc822" | "utf-8" | "unknown") {
            return None;
        }
        let text = without_comments(self.text());
        let bare = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(&text);
        match &*self.kind {
            "utf-8" => Mailbox::try_from(without_unitext(bare)).ok(),
            _ => Mailbox::try_from(bare).ok(),
        }
    }
}

/// The recipient as it goes into a report ([RFC 6533 section 3](https://www.rfc-editor.org/rfc/rfc6533#section-3)).
impl From<&OriginalRecipient> for Typed {
    fn from(original: &OriginalRecipient) -> Self {
        Self::unchecked(&original.address_type().to_ascii_lowercase(), original.address())
    }
}

impl fmt::Display for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gap = if self.text.is_empty() { "" } else { " " };
        write!(f, "{};{gap}{}", self.kind, self.text)
    }
}

/// ```abnf
/// Atom = 1*atext   ; RFC 5321 section 4.1.2
/// ```
pub(super) fn is_atom(text: &str) -> bool {
    let other = |byte| b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || other(byte))
}

/// An address of the type `utf-8` without the encoding that it can have in an ORCPT parameter.
///
/// ```abnf
/// EmbeddedUnicodeChar = %x5C.78 "{" HEXPOINT "}"   ; RFC 6533 section 3
/// ```
fn without_unitext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x{") {
        out.push_str(before);
        // Six digits at most: what has no end is not looked through.
        let end = after.bytes().take(7).position(|byte| byte == b'}');
        let point = end.and_then(|end| after.split_at_checked(end));
        let character = point.and_then(|(digits, after)| {
            let hex = digits.len() >= 2 && digits.bytes().all(|it| it.is_ascii_hexdigit());
            let point = hex.then(|| u32::from_str_radix(digits, 16).ok())??;
            Some((char::from_u32(point)?, after.get(1..)?))
        });
        match character {
            Some((character, after)) => {
                out.push(character);
                rest = after;
            }
            None => {
                out.push_str("\\x{");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Reads a status code, which a comment may follow.
///
/// ```abnf
/// status-code = DIGIT "." 1*3DIGIT "." 1*3DIGIT   ; RFC 3464 section 2.3.4
/// ```
pub(super) fn read_status(value: &str) -> Option<EnhancedCode> {
    let text = without_comments(value);
    let word = text.split([' ', '\t', ';']).next()?;
    word.parse().ok()
}

/// Reads a date as others write it.
pub(super) fn read_date(value: &str) -> Option<Timestamp> {
    Timestamp::read(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_codes() {
        for (text, expected) in [
            ("5.1.1", Some((5, 1, 1))),
            ("4.0.0 (host name lookup failure)", Some((4, 0, 0))),
            ("2.0.0; delivered", Some((2, 0, 0))),
            ("5.7.515", Some((5, 7, 515))),
            ("3.1.1", None),
            ("5.1", None),
            ("5.1.1.1", None),
            ("5.1234.1", None),
            ("5.+1.1", None),
            ("550", None),
            ("", None),
        ] {
            let expected =
                expected.and_then(|(class, subject, detail)| EnhancedCode::new(class, subject, detail));
            assert_eq!(read_status(text), expected, "{text}");
        }
    }

    #[test]
    fn addresses() {
        for (text, kind, mailbox) in [
            ("rfc822;bob@example.net", "rfc822", Some("bob@example.net")),
            ("RFC822 ; <bob@example.net>", "rfc822", Some("bob@example.net")),
            ("bob@example.net", "rfc822", Some("bob@example.net")),
            ("rfc822; bob@example.net (Bob)", "rfc822", Some("bob@example.net")),
            ("utf-8; j\\x{F6}rg@example.org", "utf-8", Some("j\u{f6}rg@example.org")),
            ("utf-8; j\u{f6}rg@example.org", "utf-8", Some("j\u{f6}rg@example.org")),
            ("utf-8; \\x{110000}\\x{", "utf-8", None),
            ("utf-8; \\x{}\\x{F}\\x{0000F6}\\x{00000F6}\\x{F\u{f6}}@example.org", "utf-8", None),
            ("utf-8; \\x{0000F6}a@example.org", "utf-8", Some("\u{f6}a@example.org")),
            ("unknown; nair_s", "unknown", None),
            ("x400; /S=a/", "x400", None),
            ("two words; x", "unknown", None),
        ] {
            let read = Typed::read_address(text);
            assert_eq!(read.kind(), kind, "{text}");
            assert_eq!(read.mailbox().as_ref().map(Mailbox::as_str), mailbox, "{text}");
        }
    }

    #[test]
    fn dates() {
        for (text, shown) in [
            ("Thu, 7 Jul 1994 17:15:49 -0400", "Thu, 7 Jul 1994 17:15:49 -0400"),
            ("7 Jul 1994 17:15:49 +0530 (IST)", "Thu, 7 Jul 1994 17:15:49 +0530"),
            ("Thu,  7 Jul 1994 17:15:49 GMT", "Thu, 7 Jul 1994 17:15:49 +0000"),
        ] {
            let date = read_date(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(date.to_string(), shown);
            assert_eq!(read_date(shown), Some(date));
        }
        for text in ["yesterday", "", "99 Jul 1994 17:15:49 GMT", "7 Jul 1994"] {
            assert_eq!(read_date(text), None, "{text}");
        }
    }
}
