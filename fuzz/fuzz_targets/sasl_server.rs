//! Bytes as what a client says in a SASL exchange.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailwire_fuzz::mail::sasl_server(data));
