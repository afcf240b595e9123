//! A client and a server of IMAP face to face.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailwire_fuzz::imap::pair(data));
