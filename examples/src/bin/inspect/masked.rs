//! What stands in a log in the place of passwords and messages, and what is read in its place.

use std::borrow::Cow;

use crate::{Protocol, Side};

/// What a log has in the place of what it does not show.
const HIDDEN: &[u8] = b"[hidden]";
/// Base64, as any part of a SASL exchange is.
const BASE64: &[u8] = b"aGlkZGVu";
/// A mechanism.
const MECHANISM: &[u8] = b"X-HIDDEN";

/// What is read in the place of a line of a log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StandIn<'a> {
    /// This line.
    Line(Cow<'a, [u8]>),
    /// So many bytes of no meaning; the last two are a line's end if `is_lines`.
    Bytes { count: u64, is_lines: bool },
}

/// What is read in the place of a line that `side` has said.
///
/// A command that logs in keeps its name, and has arguments that mean nothing. Where nothing is known of a line, it stays as it
/// is, and so does what no parser needs.
pub(crate) fn stand_in(protocol: Option<Protocol>, side: Side, line: &[u8]) -> StandIn<'_> {
    if let Some((count, is_lines)) = count(line) {
        return StandIn::Bytes { count, is_lines };
    }
    let words: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    let arguments = match (words.split_last(), side, protocol) {
        (Some((&HIDDEN, known)), Side::Client, Some(Protocol::Imap)) => match known {
            [_, name] if is(name, "LOGIN") => b"hidden hidden",
            [_, name] if is(name, "AUTHENTICATE") => MECHANISM,
            [_, name, _] if is(name, "AUTHENTICATE") => BASE64,
            _ => return StandIn::Line(line.into()),
        },
        (Some((&HIDDEN, known)), Side::Client, _) => match known {
            [name] if is(name, "APOP") => b"hidden 00000000000000000000000000000000",
            [name] if is(name, "AUTH") => MECHANISM,
            [name, _] if is(name, "AUTH") => BASE64,
            _ => return StandIn::Line(line.into()),
        },
        (Some((&HIDDEN, [b"334" | b"+"])), Side::Server, _) => BASE64,
        _ => return StandIn::Line(line.into()),
    };
    let known = line.strip_suffix(HIDDEN).unwrap_or(line);
    StandIn::Line([known, arguments].concat().into())
}

/// `[N bytes]` or `[a message of N bytes]`, which is lines.
fn count(line: &[u8]) -> Option<(u64, bool)> {
    let within = line.strip_prefix(b"[")?.strip_suffix(b" bytes]")?;
    let message = within.strip_prefix(b"a message of ");
    let digits = std::str::from_utf8(message.unwrap_or(within)).ok()?;
    Some((digits.parse().ok()?, message.is_some()))
}

/// Whether a line is wholly hidden.
pub(crate) fn is_hidden(line: &[u8]) -> bool {
    line == HIDDEN
}

/// Why a message of a log cannot be understood, if the log is the reason: it has hidden or cut it.
pub(crate) fn reason(raw: &str) -> Option<&'static str> {
    if raw.contains("[hidden]") {
        Some("HIDDEN")
    } else if raw.contains(" more bytes]") {
        Some("CUT")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_can_be_read() {
        let cases = [
            (Protocol::Imap, Side::Client, "a1 LOGIN [hidden]", "a1 LOGIN hidden hidden"),
            (
                Protocol::Imap,
                Side::Client,
                "a1 AUTHENTICATE PLAIN [hidden]",
                "a1 AUTHENTICATE PLAIN aGlkZGVu",
            ),
            (Protocol::Imap, Side::Client, "a1 AUTHENTICATE [hidden]", "a1 AUTHENTICATE X-HIDDEN"),
            (Protocol::Imap, Side::Server, "+ [hidden]", "+ aGlkZGVu"),
            (Protocol::Imap, Side::Server, "a1 NO [hidden]", "a1 NO [hidden]"),
            (Protocol::Smtp, Side::Client, "auth plain [hidden]", "auth plain aGlkZGVu"),
            (Protocol::Smtp, Side::Server, "334 [hidden]", "334 aGlkZGVu"),
            (Protocol::Smtp, Side::Client, "[hidden]", "[hidden]"),
            (Protocol::Pop3, Side::Client, "PASS [hidden]", "PASS [hidden]"),
            (Protocol::Pop3, Side::Client, "APOP [hidden]", "APOP hidden 00000000000000000000000000000000"),
        ];
        for (protocol, side, line, read) in cases {
            let expected = StandIn::Line(Cow::from(read.as_bytes()));
            assert_eq!(stand_in(Some(protocol), side, line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn bodies_have_their_length() {
        let of = |line: &'static str| stand_in(Some(Protocol::Smtp), Side::Client, line.as_bytes());
        assert_eq!(of("[36 bytes]"), StandIn::Bytes { count: 36, is_lines: false });
        assert_eq!(of("[a message of 36 bytes]"), StandIn::Bytes { count: 36, is_lines: true });
        for line in ["[x bytes]", "[-1 bytes]", "36 bytes", "\\x5b36 bytes]", "[99999999999999999999 bytes]"]
        {
            assert!(matches!(of(line), StandIn::Line(same) if *same == *line.as_bytes()), "{line}");
        }
    }
}
