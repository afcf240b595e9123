//! Responses of IMAP, written and read back.
#![no_main]

libfuzzer_sys::fuzz_target!(|response: mailwire_imap::response::Response| {
    mailwire_fuzz::imap::response_is_written(&response);
});
