//! DELIVERBY: by when a message has to be delivered ([RFC 2852](https://www.rfc-editor.org/rfc/rfc2852)).

use alloc::vec::Vec;

use mailwire_core::{Invalid, Text, private::write_number};

use super::{Offered, Value, put_offered};

/// The most seconds in either direction.
const MOST: i32 = 999_999_999;

/// By when a message has to be delivered: BY ([RFC 2852 section
/// 4](https://www.rfc-editor.org/rfc/rfc2852#section-4)).
///
/// # Examples
///
/// ```
/// use mailwire_smtp::{Command, Mail, ReversePath, extensions::deliver_by::DeliverBy};
///
/// // Within an hour, or it comes back.
/// let by = DeliverBy::or_return(3600)?.with_trace(true);
/// let mut out = Vec::new();
/// Command::Mail(Mail::new(ReversePath::Null).with_deliver_by(by)).write(&mut out);
/// assert_eq!(out, b"MAIL FROM:<> BY=3600;RT\r\n");
/// # Ok::<(), mailwire_smtp::Invalid>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DeliverBy {
    seconds: i32,
    mode: ByMode,
    trace: bool,
}

/// What happens to a message that is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum ByMode {
    /// `N`: the sender is told, and it is delivered all the same.
    Notify,
    /// `R`: it is returned.
    Return,
}

impl DeliverBy {
    /// Within so many seconds, or the sender is told. A time that is over is below zero.
    ///
    /// # Errors
    ///
    /// More than 999,999,999 seconds in either direction.
    pub fn or_notify(seconds: i32) -> Result<Self, Invalid> {
        Self::new(seconds, ByMode::Notify)
    }

    /// Within so many seconds, or it is returned.
    ///
    /// # Errors
    ///
    /// Less than one second, or more than 999,999,999.
    pub fn or_return(seconds: i32) -> Result<Self, Invalid> {
        Self::new(seconds, ByMode::Return)
    }

    fn new(seconds: i32, mode: ByMode) -> Result<Self, Invalid> {
        let least = if mode == ByMode::Return { 1 } else { -MOST };
        if (least..=MOST).contains(&seconds) {
            return Ok(Self { seconds, mode, trace: false });
        }
        Err(Invalid::new("time of delivery", 0, "not a time that can be asked for"))
    }

    /// Has each server on the way report that it relays the message.
    #[must_use]
    pub const fn with_trace(mut self, trace: bool) -> Self {
        self.trace = trace;
        self
    }

    /// The seconds that are left.
    #[must_use]
    pub const fn seconds(self) -> i32 {
        self.seconds
    }

    /// What happens when it is late.
    #[must_use]
    pub const fn mode(self) -> ByMode {
        self.mode
    }

    /// Whether each server on the way reports.
    #[must_use]
    pub const fn has_trace(self) -> bool {
        self.trace
    }
}

impl Value for DeliverBy {
    fn write(&self, out: &mut Vec<u8>) {
        if self.seconds < 0 {
            out.push(b'-');
        }
        write_number(out, self.seconds.unsigned_abs().into());
        out.extend_from_slice(if self.mode == ByMode::Return { b";R" } else { b";N" });
        if self.trace {
            out.push(b'T');
        }
    }
}

/// What a server says of DELIVERBY ([RFC 2852 section 2](https://www.rfc-editor.org/rfc/rfc2852#section-2)).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DeliverByParam {
    min_by_time: Option<u32>,
    /// With the comma before them.
    tokens: Text,
}

impl DeliverByParam {
    /// That a message that is to be returned when it is late has so many seconds at least.
    ///
    /// # Errors
    ///
    /// More than 999,999,999 seconds.
    pub fn new(min_by_time: Option<u32>) -> Result<Self, Invalid> {
        match min_by_time {
            Some(seconds) if seconds > MOST.unsigned_abs() => {
                Err(Invalid::new("least time of delivery", 0, "more than nine digits"))
            }
            _ => Ok(Self { min_by_time, tokens: Text::new() }),
        }
    }

    /// The least time in seconds that may be asked for where the message is to be returned when it is late.
    #[must_use]
    pub const fn min_by_time(&self) -> Option<u32> {
        self.min_by_time
    }

    /// Options of later extensions.
    pub fn extension_tokens(&self) -> impl Iterator<Item = &[u8]> {
        self.tokens.as_bytes().split(|&byte| byte == b',').filter(|token| !token.is_empty())
    }

    /// Whether the server says that it takes this.
    #[must_use]
    pub fn permits(&self, by: DeliverBy) -> bool {
        by.mode == ByMode::Notify || self.min_by_time.is_none_or(|least| by.seconds.unsigned_abs() >= least)
    }
}

impl Offered for DeliverByParam {
    fn put(&self, out: &mut Vec<u8>) {
        put_offered(out, self.min_by_time.map(u64::from), self.tokens.as_bytes());
    }
}

#[cfg(feature = "extensions")]
mod grammar {
    use mailwire_core::{
        Cursor, ParseError, Text,
        grammar::{Grammar, byte, expected},
    };
    use nom::{
        Parser,
        branch::alt,
        bytes::complete::{tag_no_case, take_while1},
        character::complete::one_of,
        combinator::{opt, recognize, value},
        multi::many0,
        sequence::preceded,
    };

    use super::{
        super::read::{ReadOffered, ReadValue, number9},
        ByMode, DeliverBy, DeliverByParam,
    };

    impl ReadValue for DeliverBy {
        /// ```abnf
        /// by-value = by-time ";" by-mode [by-trace]
        /// by-time  = ["-" / "+"] 1*9DIGIT     ; a negative or zero value is not allowed with "R"
        /// by-mode  = "N" / "R"
        /// by-trace = "T"
        /// ```
        fn read(_: &[u8], cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
            let start = cursor.offset();
            let mode =
                || alt((value(ByMode::Notify, tag_no_case("N")), value(ByMode::Return, tag_no_case("R"))));
            let ((sign, seconds), mode, trace) = cursor.run(|_| {
                let time = (opt(one_of("+-")), number9("expected a time in seconds"));
                let mode = preceded(byte(b';', "expected ;"), expected("expected N or R", mode()));
                (time, mode, opt(tag_no_case("T")))
            })?;
            // Of nine digits.
            let seconds = if sign == Some('-') { -(seconds as i32) } else { seconds as i32 };
            let by = Self::new(seconds, mode).map_err(|error| ParseError::new(start, error.reason))?;
            Ok(by.with_trace(trace.is_some()))
        }
    }

    impl ReadOffered for DeliverByParam {
        /// ```abnf
        /// deliverby-param = min-by-time *("," extension-token)
        /// min-by-time     = [1*9DIGIT]
        /// ```
        fn grammar<'a>() -> impl Grammar<'a, Self> {
            let token = (
                byte(b',', "expected a comma"),
                take_while1(|byte: u8| byte.is_ascii_graphic() && byte != b','),
            );
            (opt(number9("expected a number")), recognize(many0(token)))
                .map(|(min_by_time, tokens): (_, &[u8])| Self { min_by_time, tokens: Text::from(tokens) })
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for DeliverBy {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let seconds = u.int_in_range(-MOST..=MOST)?;
        let by =
            if seconds > 0 && u.arbitrary()? { Self::or_return(seconds) } else { Self::or_notify(seconds) };
        Ok(by.map_err(|_| arbitrary::Error::IncorrectFormat)?.with_trace(u.arbitrary()?))
    }
}
