//! A server of SMTP in use.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailwire_fuzz::smtp::server_session(data));
