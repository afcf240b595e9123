//! Bytes as trace fields.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailwire_fuzz::mail::received(data));
