//! What is written is read back as the same value.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use arbitrary::{Arbitrary, Unstructured};
use bytes::{Bytes, BytesMut};
use mailwire_core::Dialect;
use mailwire_imap::{
    Limits,
    command::{Literals, Request, WriteOptions, Written},
    framing::{Framed, Framer, Speaker},
    response::{Reply, ReplyKind, Response, Untagged},
    types::MailboxName,
};
use proptest::prelude::*;

fn request(seed: &[u8]) -> Option<Request> {
    Request::arbitrary(&mut Unstructured::new(seed)).ok()
}

fn options() -> impl Strategy<Value = WriteOptions> {
    let literals = prop_oneof![Just(Literals::Synchronizing), Just(Literals::Minus), Just(Literals::Plus)];
    (literals, any::<bool>())
        .prop_map(|(literals, utf8)| WriteOptions::default().with_literals(literals).with_utf8(utf8))
}

/// The message that a framer of a server finds, and that it finds nothing else.
fn framed(bytes: &[u8]) -> Bytes {
    let mut limits = Limits::client();
    limits.inline_literal = usize::MAX;
    let (mut framer, mut input) = (Framer::new(Speaker::Client), BytesMut::from(bytes));
    loop {
        match framer.next(&mut input, &limits).unwrap() {
            Framed::Literal(_) => framer.keep(&limits).unwrap(),
            Framed::Message(frame) => {
                assert!(input.is_empty(), "more than one message: {}", bytes.escape_ascii());
                return frame.bytes;
            }
            other => panic!("{other:?} in {}", bytes.escape_ascii()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn commands(seed in prop::collection::vec(any::<u8>(), 20..300), options in options()) {
        let Some(request) = request(&seed) else { return Ok(()) };
        let mut out = Vec::new();
        let Written { waits, bodies, .. } = request.write(options, &mut out);
        prop_assert_eq!(bodies, []);
        for wait in &waits {
            assert!(out[..*wait].ends_with(b"}\r\n"));
            assert!(!out[..*wait].ends_with(b"+}\r\n"));
        }
        let frame = framed(&out);
        let parsed = Request::parse(&frame, Dialect::Strict);
        match parsed {
            Ok(parsed) => prop_assert_eq!(&parsed.value, &request, "{}", out.escape_ascii()),
            Err(error) => prop_assert!(false, "{}: {:?}: {}", error, request, out.escape_ascii()),
        }
    }

    #[test]
    fn no_bytes_break_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let frame = Bytes::from(bytes);
        for dialect in [Dialect::Strict, Dialect::Lenient] {
            let _ = Request::parse(&frame, dialect);
        }
    }
}

/// Found by fuzzing: a name in neither ASCII nor UTF-8 was sent with U+FFFD in it, which is another
/// mailbox.
#[test]
fn a_mailbox_name_is_converted_only_where_nothing_is_lost() {
    for (wire, utf7, utf8) in [
        (&b"Entw\xfcrfe"[..], &b"Entw\xfcrfe"[..], &b"Entw\xfcrfe"[..]),
        ("Entw\u{fc}rfe".as_bytes(), b"Entw&APw-rfe", "Entw\u{fc}rfe".as_bytes()),
        (b"Entw&APw-rfe", b"Entw&APw-rfe", "Entw\u{fc}rfe".as_bytes()),
        (b"&AGE-", b"&AGE-", b"&AGE-"),
        (b"a&-b", b"a&-b", b"a&b"),
    ] {
        let name = MailboxName::from_wire(wire).unwrap();
        assert_eq!((name.to_utf7().as_bytes(), name.to_utf8().as_bytes()), (utf7, utf8));
    }
}

/// Found by fuzzing: such a text was read back as a code by a lenient reader.
#[test]
fn a_text_that_looks_like_a_code_stays_a_text() {
    for text in ["  [ALERT] x", " [ALERT] x"] {
        let status = Reply::new(ReplyKind::Ok, text).unwrap();
        let mut out = Vec::new();
        Response::from(status).write(&mut out);
        let frame = Bytes::copy_from_slice(out.strip_suffix(b"\r\n").unwrap());
        let parsed = Response::parse(&frame, Dialect::Lenient).unwrap().value;
        let Response::Untagged(Untagged::Reply(status)) = parsed else { panic!("{parsed:?}") };
        assert!(status.code.is_none() && status.text.as_bytes().ends_with(text.as_bytes()));
    }
}
