//! What fuzzing found, and what must stay mended.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use bytes::Bytes;
use mailwire_core::Dialect;
use mailwire_imap::{command::Request, response::Response, types::ParseContext};

/// What is no digit was multiplied before it was looked at.
#[test]
fn a_date_of_anything_but_digits_is_no_panic() {
    for at in 0..26 {
        for byte in [0u8, b'!', b'/', b'z', 0x7f, 0xc8, 0xff] {
            let mut date = *b"17-Jul-1996 02:44:25 -0700";
            date[at] = byte;
            let line = [b"* 1 FETCH (INTERNALDATE \"", &date[..], b"\")"].concat();
            for dialect in [Dialect::Strict, Dialect::Lenient] {
                let _ = Response::parse(&Bytes::from(line.clone()), ParseContext::new(dialect));
            }
            let line = [b"a APPEND x \"", &date[..], b"\" {0}\r\n"].concat();
            for dialect in [Dialect::Strict, Dialect::Lenient] {
                let frame = Bytes::from(line.clone());
                let _ = Request::parse(&frame, ParseContext::new(dialect));
            }
        }
    }
}
