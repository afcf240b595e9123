//! Bytes as what a server says in a SASL exchange.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailwire_fuzz::mail::sasl_client(data));
