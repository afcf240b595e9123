//! Bytes as a message that is made ASCII for a server.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailwire_fuzz::connecting::downgraded(data));
