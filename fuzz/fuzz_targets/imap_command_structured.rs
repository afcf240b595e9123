//! Commands of IMAP, written and read back.
#![no_main]

libfuzzer_sys::fuzz_target!(|request: mailwire_imap::command::Request| {
    mailwire_fuzz::imap::command_is_written(&request, mailwire_core::Dialect::Strict);
});
