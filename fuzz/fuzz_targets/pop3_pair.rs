//! A client and a server of POP3 face to face.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailwire_fuzz::pop3::pair(data));
