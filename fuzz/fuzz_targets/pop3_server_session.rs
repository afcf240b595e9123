//! A server of POP3 in use.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailwire_fuzz::pop3::server_session(data));
