//! Responses that are written are read back as the same values, and framed as one message.
#![allow(clippy::panic)]

use arbitrary::{Arbitrary, Unstructured};
use bytes::{Bytes, BytesMut};
use mailwire_core::Dialect;
use mailwire_imap::{
    Limits,
    framing::{Framed, Framer, Speaker},
    response::Response,
    types::ParseContext,
};
use proptest::prelude::*;

/// The first message that a framer of a client finds, and whether it finds nothing else.
fn first_message(bytes: &[u8]) -> Option<(Bytes, bool)> {
    let mut limits = Limits::client();
    limits.inline_literal = usize::MAX;
    let (mut framer, mut input) = (Framer::new(Speaker::Server), BytesMut::from(bytes));
    loop {
        match framer.next(&mut input, &limits).ok()? {
            Framed::Literal(announced) if announced.size > 1000 => return None,
            Framed::Literal(_) => framer.keep(&limits).ok()?,
            Framed::Message(frame) => return Some((frame.bytes, input.is_empty())),
            _ => return None,
        }
    }
}

/// The one message that a framer of a client finds.
fn framed(bytes: &[u8]) -> Bytes {
    match first_message(bytes) {
        Some((frame, true)) => frame,
        other => panic!("not one message but {other:?}: {}", bytes.escape_ascii()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values(seed in prop::collection::vec(any::<u8>(), 10..600)) {
        let Ok(response) = Response::arbitrary(&mut Unstructured::new(&seed)) else { return Ok(()) };
        let mut out = Vec::new();
        response.write(&mut out);
        let frame = framed(&out);
        for dialect in [Dialect::Strict, Dialect::Lenient] {
            let mut context = ParseContext::new(dialect);
            context.utf8 = true;
            match Response::parse(&frame, context) {
                Ok(parsed) => {
                    prop_assert_eq!(&parsed.value, &response, "{}", out.escape_ascii());
                    prop_assert_eq!(&parsed.deviations, &vec![], "{}", out.escape_ascii());
                }
                Err(error) => prop_assert!(false, "{}: {:?}: {}", error, response, out.escape_ascii()),
            }
        }
    }

    /// Whatever comes, reading ends, and what lenient reading makes of it can be written and read.
    #[test]
    fn noise(pieces in prop::collection::vec(piece(), 1..24), untagged in any::<bool>()) {
        let mut text = if untagged { b"* ".to_vec() } else { Vec::new() };
        pieces.iter().for_each(|piece| text.extend_from_slice(piece));
        text.extend_from_slice(b"\r\n");
        let Some((frame, _)) = first_message(&text) else { return Ok(()) };
        let strict = Response::parse(&frame, Dialect::Strict);
        let lenient = Response::parse(&frame, Dialect::Lenient);
        if let Ok(strict) = &strict {
            prop_assert_eq!(&strict.deviations, &vec![]);
            // Where there is no deviation the dialects agree.
            prop_assert_eq!(lenient.as_ref().ok().map(|parsed| &parsed.value), Some(&strict.value), "{}", frame.escape_ascii());
        }
        if let Ok(lenient) = lenient {
            prop_assert_eq!(strict.is_ok(), lenient.deviations.is_empty(), "{}: {:?}", frame.escape_ascii(), lenient);
            for deviation in &lenient.deviations {
                prop_assert!(deviation.offset <= frame.len());
            }
            let mut out = Vec::new();
            lenient.value.write(&mut out);
            if !out.is_empty() {
                let again = framed(&out);
                let again = Response::parse(&again, Dialect::Lenient);
                prop_assert!(again.is_ok(), "{} from {}", out.escape_ascii(), frame.escape_ascii());
            }
        }
    }
}

/// Pieces that responses are made of.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: &[&str] = &[
        "* ",
        "a1 ",
        "+ ",
        "OK ",
        "BYE",
        "[",
        "]",
        "(",
        ")",
        " ",
        " ",
        "  ",
        "\"",
        "\\",
        "NIL",
        " NIL",
        "1",
        "0",
        "-1",
        "4294967296",
        "FETCH (",
        "UID ",
        "FLAGS (",
        "ENVELOPE (",
        "BODYSTRUCTURE (",
        "BODY[",
        "BODY[TEXT] ",
        "BODY ",
        "{3}\r\n",
        "{3}\r\nabc",
        "~{1}\r\n\0",
        "\"text\" \"plain\" ",
        "\"multipart\"",
        "\"message\" \"rfc822\" ",
        "LIST () \"/\" ",
        "STATUS ",
        "MESSAGES ",
        "SEARCH",
        "ESEARCH",
        "(TAG \"a\")",
        "ALL ",
        "CAPABILITY ",
        "AUTH=",
        "UIDNEXT ",
        "COPYUID ",
        "PERMANENTFLAGS (",
        "\\*",
        "\\Seen",
        "x",
        "\u{e9}",
        "\"a\"",
        " \"b c\"",
        "INTERNALDATE ",
        "\" 4-Jan-2015 16:53:35 +0800\"",
        "MODSEQ (",
        "RFC822.SIZE ",
        "X-GM-LABELS (",
        "NAMESPACE ",
        "ID ",
        "<0>",
        "BINARY[1] ",
        "EXISTS",
        "((\"a\" NIL \"b\" \"c\"))",
        " NIL NIL NIL \"7BIT\" 1",
        "VANISHED ",
        "1:5,7",
        "*",
    ];
    prop_oneof![
        12 => prop::sample::select(WORDS).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..3),
    ]
}
