//! Bytes as replies of POP3.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailwire_fuzz::pop3::reply(data));
