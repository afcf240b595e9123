//! Bytes as documents that tell of an address's servers.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailwire_fuzz::mail::settings(data));
