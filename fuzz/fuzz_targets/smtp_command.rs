//! Bytes as commands of SMTP.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailwire_fuzz::smtp::command(data));
