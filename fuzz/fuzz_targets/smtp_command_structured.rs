//! Commands of SMTP, written and read back.
#![no_main]

libfuzzer_sys::fuzz_target!(|command: mailwire_smtp::Command| {
    mailwire_fuzz::smtp::command_is_written(&command, mailwire_core::Dialect::Strict);
});
