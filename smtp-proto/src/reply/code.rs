//! Reply codes and enhanced status codes.

use core::{fmt, num::NonZeroU8, str::FromStr};

use mailwire_core::Invalid;

/// The three digits of a reply ([RFC 5321 section
/// 4.2.1](https://www.rfc-editor.org/rfc/rfc5321#section-4.2.1)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct ReplyCode(u16);

impl ReplyCode {
    /// System status or help.
    pub const STATUS: Self = Self(211);
    /// The answer to HELP.
    pub const HELP: Self = Self(214);
    /// The greeting; ready for TLS.
    pub const READY: Self = Self(220);
    /// Goodbye: the connection is closed.
    pub const CLOSING: Self = Self(221);
    /// Authenticated ([RFC 4954](https://www.rfc-editor.org/rfc/rfc4954)).
    pub const AUTHENTICATED: Self = Self(235);
    /// What was asked for is done.
    pub const OK: Self = Self(250);
    /// Not local, forwarded.
    pub const FORWARDED: Self = Self(251);
    /// Not verified, but accepted.
    pub const CANNOT_VERIFY: Self = Self(252);
    /// So many messages wait, and are being sent ([RFC 1985](https://www.rfc-editor.org/rfc/rfc1985)).
    pub const PENDING_STARTED: Self = Self(253);
    /// A SASL challenge ([RFC 4954](https://www.rfc-editor.org/rfc/rfc4954)).
    pub const CHALLENGE: Self = Self(334);
    /// A reply for each recipient follows, and then one for the message (PRDR).
    pub const RECIPIENT_REPLIES_FOLLOW: Self = Self(353);
    /// Send the message.
    pub const START_INPUT: Self = Self(354);
    /// Send the message from this byte on ([RFC 1845](https://www.rfc-editor.org/rfc/rfc1845)).
    pub const RESTART_OFFSET: Self = Self(355);
    /// The server closes the connection.
    pub const UNAVAILABLE: Self = Self(421);
    /// A password is to be given once by another mechanism: only the table of [RFC
    /// 5248](https://www.rfc-editor.org/rfc/rfc5248) has it. See [`PASSWORD_TRANSITION`](Self::PASSWORD_TRANSITION).
    pub const PASSWORD_NEEDED: Self = Self(422);
    /// The command is not valid now: only the table of [RFC 5248](https://www.rfc-editor.org/rfc/rfc5248) has it.
    pub const NOT_NOW: Self = Self(430);
    /// A password is to be given once by another mechanism ([RFC 4954](https://www.rfc-editor.org/rfc/rfc4954)).
    pub const PASSWORD_TRANSITION: Self = Self(432);
    /// The mailbox is busy, or policy says so.
    pub const MAILBOX_BUSY: Self = Self(450);
    /// A local error.
    pub const LOCAL_ERROR: Self = Self(451);
    /// Too many recipients, or no room.
    pub const INSUFFICIENT_STORAGE: Self = Self(452);
    /// No mail waits for the client ([RFC 2645](https://www.rfc-editor.org/rfc/rfc2645)).
    pub const NO_MAIL_WAITING: Self = Self(453);
    /// Temporary failure of authentication or of TLS ([RFC 4954](https://www.rfc-editor.org/rfc/rfc4954),
    /// [RFC 3207](https://www.rfc-editor.org/rfc/rfc3207)).
    pub const TEMPORARY_FAILURE: Self = Self(454);
    /// The parameters of MAIL or RCPT cannot be obeyed now.
    pub const PARAMETERS_UNAVAILABLE: Self = Self(455);
    /// Messages for this node cannot be queued ([RFC 1985](https://www.rfc-editor.org/rfc/rfc1985)).
    pub const CANNOT_QUEUE: Self = Self(458);
    /// The client may not ask for this node ([RFC 1985](https://www.rfc-editor.org/rfc/rfc1985)).
    pub const NODE_NOT_ALLOWED: Self = Self(459);
    /// Unknown command.
    pub const UNRECOGNIZED: Self = Self(500);
    /// Wrong arguments.
    pub const BAD_ARGUMENTS: Self = Self(501);
    /// The command is known and not implemented.
    pub const NOT_IMPLEMENTED: Self = Self(502);
    /// Not at this point.
    pub const BAD_SEQUENCE: Self = Self(503);
    /// The argument is not implemented.
    pub const PARAMETER_NOT_IMPLEMENTED: Self = Self(504);
    /// The host accepts no mail ([RFC 7504](https://www.rfc-editor.org/rfc/rfc7504)).
    pub const NO_MAIL: Self = Self(521);
    /// Encryption is needed ([RFC 5248](https://www.rfc-editor.org/rfc/rfc5248)).
    pub const ENCRYPTION_NEEDED: Self = Self(523);
    /// The mechanism needs encryption ([RFC 5248](https://www.rfc-editor.org/rfc/rfc5248)).
    pub const MECHANISM_NEEDS_ENCRYPTION: Self = Self(524);
    /// The user's account is closed ([RFC 5248](https://www.rfc-editor.org/rfc/rfc5248)).
    pub const ACCOUNT_DISABLED: Self = Self(525);
    /// TLS or authentication is required.
    pub const REQUIRED: Self = Self(530);
    /// The client may not do this ([RFC 5248](https://www.rfc-editor.org/rfc/rfc5248)).
    pub const NOT_AUTHORIZED: Self = Self(533);
    /// The mechanism is too weak for this user ([RFC 4954](https://www.rfc-editor.org/rfc/rfc4954)).
    pub const MECHANISM_TOO_WEAK: Self = Self(534);
    /// Wrong credentials ([RFC 4954](https://www.rfc-editor.org/rfc/rfc4954)).
    pub const BAD_CREDENTIALS: Self = Self(535);
    /// The mechanism needs encryption: historic, for [`ENCRYPTION_NEEDED`](Self::ENCRYPTION_NEEDED) ([RFC 4954 section
    /// 6](https://www.rfc-editor.org/rfc/rfc4954#section-6)).
    pub const ENCRYPTION_REQUIRED: Self = Self(538);
    /// No such mailbox, or policy says so.
    pub const MAILBOX_UNAVAILABLE: Self = Self(550);
    /// The user is elsewhere.
    pub const NOT_LOCAL: Self = Self(551);
    /// Too large.
    pub const TOO_LARGE: Self = Self(552);
    /// The mailbox's name is not allowed.
    pub const BAD_MAILBOX: Self = Self(553);
    /// The transaction failed.
    pub const FAILED: Self = Self(554);
    /// The parameters of MAIL or RCPT are not known.
    pub const BAD_PARAMETERS: Self = Self(555);
    /// The recipient's domain accepts no mail ([RFC 7504](https://www.rfc-editor.org/rfc/rfc7504)).
    pub const DOMAIN_TAKES_NO_MAIL: Self = Self(556);

    /// A code of three digits of which the first is 2 to 5 and the second 0 to 5.
    ///
    /// ```abnf
    /// Reply-code = %x32-35 %x30-35 %x30-39
    /// ```
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            200..=259 | 300..=359 | 400..=459 | 500..=559 => Some(Self(code)),
            _ => None,
        }
    }

    /// A code as peers send it: the second digit may be any.
    pub(crate) const fn lenient(code: u16) -> Option<Self> {
        match code {
            200..=599 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The first digit, from which alone a client decides ([RFC 5321 section
    /// 4.3.2](https://www.rfc-editor.org/rfc/rfc5321#section-4.3.2)).
    #[must_use]
    pub const fn class(self) -> u8 {
        // 2 to 5.
        (self.0 / 100) as u8
    }

    /// The code that three digits are.
    #[inline]
    pub(crate) fn of_digits(digits: &[u8; 3]) -> Option<Self> {
        match digits {
            [a @ b'2'..=b'5', b @ b'0'..=b'5', c @ b'0'..=b'9'] => {
                Some(Self(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')))
            }
            _ => None,
        }
    }

    /// The code as it is written: one that was read leniently with a second digit that the grammar does not have
    /// gets the last that it has, which leaves its class.
    pub(crate) const fn digits(self) -> [u8; 3] {
        let second = self.0 / 10 % 10;
        let second = if second > 5 { 5 } else { second };
        [b'0' + (self.0 / 100) as u8, b'0' + second as u8, b'0' + (self.0 % 10) as u8]
    }

    /// Whether it is 50z, which refuses a command for its form or its place in the sequence and changes nothing
    /// ([RFC 5321 section 4.1.4](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.4)).
    pub(crate) const fn is_about_syntax(self) -> bool {
        self.0 / 10 == 50
    }
}

impl TryFrom<u16> for ReplyCode {
    type Error = Invalid;

    fn try_from(code: u16) -> Result<Self, Self::Error> {
        Self::new(code).ok_or(Invalid::new("reply code", 0, "expected 2xx to 5xx"))
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An enhanced status code ([RFC 3463](https://www.rfc-editor.org/rfc/rfc3463), [RFC
/// 2034](https://www.rfc-editor.org/rfc/rfc2034)): class, subject, detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnhancedCode {
    class: NonZeroU8,
    subject: u16,
    detail: u16,
}

impl EnhancedCode {
    /// A code of these three numbers: a class of 2, 4 or 5, the others of three digits at most.
    #[must_use]
    pub const fn new(class: u8, subject: u16, detail: u16) -> Option<Self> {
        match (class, NonZeroU8::new(class), subject, detail) {
            (2 | 4 | 5, Some(class), 0..=999, 0..=999) => Some(Self { class, subject, detail }),
            _ => None,
        }
    }

    /// One of the registry, whose numbers are right; `class` is not 0.
    pub(super) const fn registered(class: u8, (subject, detail): (u16, u16)) -> Self {
        let class = match NonZeroU8::new(class) {
            Some(class) => class,
            None => NonZeroU8::MIN,
        };
        Self { class, subject, detail }
    }

    /// 2: success, 4: not now, 5: not ever.
    #[must_use]
    pub const fn class(self) -> u8 {
        self.class.get()
    }

    /// What it is about, as [`Subject`](super::Subject) has it.
    #[must_use]
    pub const fn subject(self) -> u16 {
        self.subject
    }

    /// What exactly, as [`EnhancedStatus`](super::EnhancedStatus) has it.
    #[must_use]
    pub const fn detail(self) -> u16 {
        self.detail
    }

    /// The code at the start of the first line's text, if it is of the reply's class, and its length.
    #[inline]
    pub(crate) fn of_first_line(code: ReplyCode, text: &[u8]) -> Option<(Self, u8)> {
        Self::at_start(text).filter(|(enhanced, _)| enhanced.class() == code.class())
    }

    /// The code at the start of a line's text, and its length.
    ///
    /// ```abnf
    /// status-code ::= class "." subject "." detail    ; RFC 2034 section 4
    /// class       ::= "2" / "4" / "5"
    /// subject     ::= 1*3digit
    /// detail      ::= 1*3digit
    /// ```
    // A call for each line is 3 % of a long reply (smtp/reply-10).
    #[inline(always)]
    fn at_start(text: &[u8]) -> Option<(Self, u8)> {
        // The usual code has three digits.
        if let [
            class @ (b'2' | b'4' | b'5'),
            b'.',
            subject @ b'0'..=b'9',
            b'.',
            detail @ b'0'..=b'9',
            b' ',
            ..,
        ] = text
        {
            let number = |digit: &u8| u16::from(digit - b'0');
            return Some((
                Self { class: class_of(*class)?, subject: number(subject), detail: number(detail) },
                5,
            ));
        }
        let (&class @ (b'2' | b'4' | b'5'), b'.') = (text.first()?, text.get(1)?) else { return None };
        let (subject, at) = number(text, 2)?;
        if text.get(at) != Some(&b'.') {
            return None;
        }
        let (detail, at) = number(text, at + 1)?;
        let code = Self { class: class_of(class)?, subject, detail };
        // At most nine bytes.
        matches!(text.get(at), None | Some(b' ')).then_some((code, at as u8))
    }
}

const fn class_of(digit: u8) -> Option<NonZeroU8> {
    NonZeroU8::new(digit - b'0')
}

/// One to three digits from `at` on, and where they end.
#[inline]
fn number(text: &[u8], mut at: usize) -> Option<(u16, usize)> {
    let start = at;
    let mut value = 0;
    while let Some(digit @ b'0'..=b'9') = text.get(at) {
        if at - start == 3 {
            return None;
        }
        value = value * 10 + u16::from(digit - b'0');
        at += 1;
    }
    (at > start).then_some((value, at))
}

impl FromStr for EnhancedCode {
    type Err = Invalid;

    /// Reads `5.1.1`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match Self::at_start(text.as_bytes()) {
            Some((code, length)) if usize::from(length) == text.len() => Ok(code),
            _ => {
                Err(Invalid::new("enhanced code", 0, "expected 2, 4 or 5 and two numbers, with dots between"))
            }
        }
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for EnhancedCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enhanced_codes() {
        assert_eq!(EnhancedCode::at_start(b"5.1.10 x"), Some((EnhancedCode::new(5, 1, 10).unwrap(), 6)));
        assert_eq!(EnhancedCode::at_start(b"2.0.0"), Some((EnhancedCode::new(2, 0, 0).unwrap(), 5)));
        for text in ["3.1.1 x", "5.1 x", "5.1.1x", "5.1234.1 x", "5..1 x", "", "5", "5.", "5.1.", "5.1.1.1 x"]
        {
            assert_eq!(EnhancedCode::at_start(text.as_bytes()), None, "{text}");
        }
    }
}
