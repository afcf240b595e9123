//! Commands of POP3, written and read back.
#![no_main]

libfuzzer_sys::fuzz_target!(|command: mailwire_pop3::Command| {
    mailwire_fuzz::pop3::command_is_written(&command, mailwire_core::Dialect::Strict);
});
