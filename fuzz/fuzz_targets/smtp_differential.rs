//! SMTP as another parser reads it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailwire_fuzz::smtp::differential(data));
