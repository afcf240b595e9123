//! Bytes as the answers of a proxy.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailwire_fuzz::connecting::proxy_answer(data));
