//! What fuzzing found, and what must stay mended.

use bytes::{Buf, Bytes, BytesMut};
use mailwire_core::{Channel, Connection as _, Dialect, Next};
use mailwire_imap::{
    Limits, client,
    command::Request,
    framing::{Framed, Framer, Speaker, announcement},
    response::Response,
};

/// What is no digit was multiplied before it was looked at.
#[test]
fn a_date_of_anything_but_digits_is_no_panic() {
    for at in 0..26 {
        for byte in [0u8, b'!', b'/', b'z', 0x7f, 0xc8, 0xff] {
            let mut date = *b"17-Jul-1996 02:44:25 -0700";
            date[at] = byte;
            let line = [b"* 1 FETCH (INTERNALDATE \"", &date[..], b"\")"].concat();
            for dialect in [Dialect::Strict, Dialect::Lenient] {
                let _ = Response::parse(&Bytes::from(line.clone()), dialect);
            }
            let line = [b"a APPEND x \"", &date[..], b"\" {0}\r\n"].concat();
            for dialect in [Dialect::Strict, Dialect::Lenient] {
                let frame = Bytes::from(line.clone());
                let _ = Request::parse(&frame, dialect);
            }
        }
    }
}

/// A value that is not known is kept as it came, and was written with the NUL in it.
#[test]
fn an_unknown_value_holds_no_nul_and_no_line_end() {
    for value in ["a\0b", "\0", "a[\0]", "(a \0)", "a\rb", "x[a\rb]"] {
        let lines = [format!("* 1 FETCH (X-VALUE {value})"), format!("* 1 FETCH (X[{value}] 1)")];
        for line in lines.map(Bytes::from) {
            let Ok(parsed) = Response::parse(&line, Dialect::Lenient) else { continue };
            let mut out = Vec::new();
            parsed.value.write(&mut out);
            let line = out.strip_suffix(b"\r\n").unwrap_or(&out);
            assert!(!line.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')), "{}", out.escape_ascii());
        }
    }
}

/// What ended a line like the announcement of a literal was kept where none was read, and written again as
/// an announcement: what came next would have been the literal.
#[test]
fn nothing_that_is_written_announces_what_does_not_follow() {
    for line in [
        "* ESEARCH (TAG \"a\") UID X-VALUE y{5}",
        "* STATUS inbox (MESSAGES 1 X-VALUE y{5})",
        "* 1 FETCH (X-VALUE {5+}",
        "* XDATA y {5}",
        "* XDATA y{5+}",
        "* LIST () \"/\" inbox (X-VALUE y{5})",
    ] {
        let frame = Bytes::from(line);
        for dialect in [Dialect::Strict, Dialect::Lenient] {
            let Ok(parsed) = Response::parse(&frame, dialect) else { continue };
            let mut out = Vec::new();
            parsed.value.write(&mut out);
            assert_eq!(announcement(&out), None, "{}", out.escape_ascii());
        }
    }
}

/// A space is missing after the star, which the grammar forgives; the framing did not know of it, and
/// took the literal for the next response.
#[test]
fn a_missing_space_hides_no_literal() {
    let mut input = BytesMut::from("*LIST () \"/\" {5}\r\ninbox\r\n");
    let (mut framer, limits) = (Framer::new(Speaker::Server), Limits::client());
    assert!(matches!(framer.next(&mut input, &limits), Ok(Framed::Literal(_))));
    framer.keep(&limits).unwrap();
    let Ok(Framed::Message(frame)) = framer.next(&mut input, &limits) else { panic!("a message is due") };
    let parsed = Response::parse(&frame.bytes, frame.context(Dialect::Lenient, 16)).unwrap();
    assert_eq!(parsed.deviations.len(), 1);
    assert!(input.is_empty());
}

/// What is no capability was left out, and nothing remained to be enabled.
#[test]
fn enable_enables_something() {
    for line in [&b"a ENABLE A\0\0"[..], b"a ENABLE", b"a ENABLE "] {
        let frame = Bytes::from(line.to_vec());
        for dialect in [Dialect::Strict, Dialect::Lenient] {
            assert!(Request::parse(&frame, dialect).is_err(), "{}", line.escape_ascii());
        }
    }
}

/// The wildcard was a flag without parentheses, and none within them.
#[test]
fn the_wildcard_of_permanent_flags_is_not_stored() {
    for line in [r"a STORE 1 +FLAGS \*", r"a STORE 1 +FLAGS x \* y", r"a STORE 1 FLAGS \* y"] {
        let frame = Bytes::from(line);
        assert!(Request::parse(&frame, Dialect::Lenient).is_err(), "{line}");
    }
}

/// What stood after the last BYE that a client takes was read if it had come already, and not otherwise.
#[test]
fn the_last_bye_is_the_last_however_the_input_is_cut() {
    let wire =
        [b"* OK ready\r\n".to_vec(), b"* BYE x\r\n".repeat(Limits::client().noise), b"junk\r\n".to_vec()]
            .concat();
    let read = |size: usize| {
        let mut client = client::Connection::new(client::Config::new(Channel::Tls, 1));
        let (mut input, mut seen) = (BytesMut::new(), Vec::new());
        for piece in wire.chunks(size) {
            input.extend_from_slice(piece);
            loop {
                match client.next_event(&mut input) {
                    Ok(Next::Event(event)) => seen.push(format!("{event:?}")),
                    Ok(Next::NeedInput) => break,
                    other => {
                        seen.push(format!("{:?}", other.map(|next| matches!(next, Next::Closed))));
                        return seen;
                    }
                }
                let output = client.output();
                output.advance(output.remaining());
            }
        }
        seen
    };
    let whole = read(wire.len());
    assert!(!whole.iter().any(|seen| seen.contains("junk")), "{whole:?}");
    for size in 1..wire.len() {
        assert_eq!(read(size), whole, "in pieces of {size}");
    }
    // A limit of none is that of the first.
    let mut config = client::Config::new(Channel::Tls, 1);
    config.limits.noise = 0;
    let mut input = BytesMut::from("* OK ready\r\n");
    let event = client::Connection::new(config).next_event(&mut input);
    assert!(matches!(event, Ok(Next::Event(client::Event::Greeting { .. }))), "{event:?}");
}
