//! Bytes as a header that is made ASCII.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailwire_fuzz::mail::surrogate(data));
