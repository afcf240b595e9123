//! A text as the URL of an account.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailwire_fuzz::connecting::account_url(data));
