//! Replies of SMTP, written and read back.
#![no_main]

libfuzzer_sys::fuzz_target!(|reply: mailwire_smtp::Reply| mailwire_fuzz::smtp::reply_is_written(&reply));
