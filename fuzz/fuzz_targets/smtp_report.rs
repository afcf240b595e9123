//! Bytes as reports of delivery and disposition.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailwire_fuzz::mail::report(data));
