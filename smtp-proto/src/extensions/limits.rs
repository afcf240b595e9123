//! LIMITS: how much a server takes at once ([RFC 9422](https://www.rfc-editor.org/rfc/rfc9422)).

use alloc::vec::Vec;
use core::num::NonZeroU32;

use mailwire_core::{Text, private::write_number};

use super::Offered;

/// How much a server takes at once: LIMITS ([RFC 9422 section
/// 4](https://www.rfc-editor.org/rfc/rfc9422#section-4)). A client obeys by itself.
///
/// # Examples
///
/// ```
/// use mailwire_smtp::{Capabilities, Dialect};
///
/// let frame = bytes::Bytes::from_static(b"250-mx.example\r\n250 LIMITS RCPTMAX=20 MAILMAX=5 X-OURS");
/// let limits = Capabilities::parse(&frame, Dialect::Strict)?.value.limits().unwrap();
/// assert_eq!((limits.rcpt_max(), limits.mail_max(), limits.rcpt_domain_max()), (Some(20), Some(5), None));
/// assert_eq!(limits.other().next(), Some((&b"X-OURS"[..], None)));
/// # Ok::<(), mailwire_smtp::ParseError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SessionLimits {
    mail_max: Option<NonZeroU32>,
    rcpt_max: Option<NonZeroU32>,
    rcpt_domain_max: Option<NonZeroU32>,
    /// Others, with a space between two.
    other: Text,
}

/// The most that six digits can say.
const MOST: u32 = 999_999;

/// What is not from 1 to 999,999 cannot be said.
const fn sayable(limit: u32) -> Option<NonZeroU32> {
    if limit > MOST { None } else { NonZeroU32::new(limit) }
}

impl SessionLimits {
    /// No limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// MAILMAX: the number of MAIL commands of one session. 0, and what is beyond 999,999, is not said.
    #[must_use]
    pub const fn with_mail_max(mut self, limit: u32) -> Self {
        self.mail_max = sayable(limit);
        self
    }

    /// RCPTMAX: the number of RCPT commands of one transaction. 0, and what is beyond 999,999, is not said.
    #[must_use]
    pub const fn with_rcpt_max(mut self, limit: u32) -> Self {
        self.rcpt_max = sayable(limit);
        self
    }

    /// RCPTDOMAINMAX: the number of different domains of recipients in one session. 0, and what is beyond 999,999, is
    /// not said.
    #[must_use]
    pub const fn with_rcpt_domain_max(mut self, limit: u32) -> Self {
        self.rcpt_domain_max = sayable(limit);
        self
    }

    /// MAILMAX: the number of MAIL commands that the server takes in one session ([RFC 9422 section
    /// 4.1](https://www.rfc-editor.org/rfc/rfc9422#section-4.1)).
    #[must_use]
    pub fn mail_max(&self) -> Option<u32> {
        self.mail_max.map(NonZeroU32::get)
    }

    /// RCPTMAX: the number of RCPT commands that it takes in one transaction ([RFC 9422 section
    /// 4.2](https://www.rfc-editor.org/rfc/rfc9422#section-4.2)).
    #[must_use]
    pub fn rcpt_max(&self) -> Option<u32> {
        self.rcpt_max.map(NonZeroU32::get)
    }

    /// RCPTDOMAINMAX: the number of different domains of recipients that it takes in one session ([RFC 9422 section
    /// 4.3](https://www.rfc-editor.org/rfc/rfc9422#section-4.3)).
    #[must_use]
    pub fn rcpt_domain_max(&self) -> Option<u32> {
        self.rcpt_domain_max.map(NonZeroU32::get)
    }

    /// Limits that this crate does not know, or whose values it does not: each with its value.
    pub fn other(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let words = self.other.as_bytes().split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        words.map(|word| match word.iter().position(|&byte| byte == b'=') {
            Some(at) => (word.get(..at).unwrap_or_default(), word.get(at + 1..)),
            None => (word, None),
        })
    }
}

impl Offered for SessionLimits {
    fn put(&self, out: &mut Vec<u8>) {
        let known =
            [("RCPTMAX", self.rcpt_max), ("MAILMAX", self.mail_max), ("RCPTDOMAINMAX", self.rcpt_domain_max)];
        for (name, limit) in known {
            if let Some(limit) = limit {
                out.push(b' ');
                out.extend_from_slice(name.as_bytes());
                out.push(b'=');
                write_number(out, limit.get().into());
            }
        }
        if !self.other.is_empty() {
            out.push(b' ');
            out.extend_from_slice(self.other.as_bytes());
        }
    }
}

#[cfg(feature = "extensions")]
mod grammar {
    use alloc::vec::Vec;
    use core::num::NonZeroU32;

    use mailwire_core::{
        Text,
        grammar::{Grammar, byte, expected},
    };
    use nom::{
        Parser,
        branch::alt,
        bytes::complete::take_while1,
        combinator::{cut, eof, opt, value},
        multi::separated_list1,
        sequence::preceded,
    };

    use super::{super::read::ReadOffered, SessionLimits};

    impl ReadOffered for SessionLimits {
        /// ```abnf
        /// limits-param     = limit-name-value 0*[SP limit-name-value]
        /// limit-name-value = limit-name ["=" limit-value]
        /// limit-name       = 1*(ALPHA / DIGIT / "-" / "_")
        /// limit-value      = 1*(%x21-3A / %x3C-7E)    ; any VCHAR except ";"
        /// ```
        ///
        /// Without any it says nothing, which is as if it was not there (section 3.7).
        fn grammar<'a>() -> impl Grammar<'a, Self> {
            let name = take_while1(|byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
            let text = take_while1(|byte: u8| byte.is_ascii_graphic() && byte != b';');
            let text = preceded(byte(b'=', "expected ="), cut(expected("expected a value", text)));
            let limit = (expected("expected the name of a limit", name), opt(text));
            let limits = separated_list1(byte(b' ', "expected a space"), limit);
            alt((value(Vec::new(), eof), limits)).map(|list: Vec<(&'a [u8], Option<&'a [u8]>)>| {
                let (mut limits, mut other) = (Self::default(), Vec::new());
                for (name, value) in list {
                    limits.add(name, value, &mut other);
                }
                limits.other = Text::from(other);
                limits
            })
        }
    }

    impl SessionLimits {
        fn slot(&mut self, name: &[u8]) -> Option<&mut Option<NonZeroU32>> {
            Some(match name.len() {
                7 if name.eq_ignore_ascii_case(b"MAILMAX") => &mut self.mail_max,
                7 if name.eq_ignore_ascii_case(b"RCPTMAX") => &mut self.rcpt_max,
                13 if name.eq_ignore_ascii_case(b"RCPTDOMAINMAX") => &mut self.rcpt_domain_max,
                _ => return None,
            })
        }

        /// A limit whose value cannot be read counts as none (section 3.7).
        fn add(&mut self, name: &[u8], value: Option<&[u8]>, other: &mut Vec<u8>) {
            if let (Some(slot @ None), Some(limit)) = (self.slot(name), value.and_then(limit_value)) {
                *slot = Some(limit);
                return;
            }
            if !other.is_empty() {
                other.push(b' ');
            }
            other.extend_from_slice(name);
            if let Some(value) = value {
                other.push(b'=');
                other.extend_from_slice(value);
            }
        }
    }

    /// ```abnf
    /// %x31-39 0*5DIGIT    ; "0" not allowed, six-digit maximum
    /// ```
    fn limit_value(value: &[u8]) -> Option<NonZeroU32> {
        if !matches!(value, [b'1'..=b'9', ..]) || value.len() > 6 {
            return None;
        }
        let digits = value.iter().map(|byte| byte.is_ascii_digit().then(|| u32::from(byte - b'0')));
        let number = digits.reduce(|number, digit| Some(number? * 10 + digit?))??;
        NonZeroU32::new(number)
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for SessionLimits {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let limits = Self::new().with_mail_max(u.int_in_range(1..=MOST)?);
        let rcpt_domain_max = u.int_in_range(0..=MOST)?;
        Ok(limits.with_rcpt_max(u.int_in_range(0..=MOST)?).with_rcpt_domain_max(rcpt_domain_max))
    }
}
