//! Bytes as commands of IMAP.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailwire_fuzz::imap::command(data));
