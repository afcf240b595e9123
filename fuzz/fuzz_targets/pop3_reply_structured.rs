//! Replies and listings of POP3, written and read back.
#![no_main]

libfuzzer_sys::fuzz_target!(|value: (mailwire_pop3::Reply, mailwire_pop3::Listing)| {
    mailwire_fuzz::pop3::reply_is_written(&value.0);
    mailwire_fuzz::pop3::listing_is_written(&value.1);
});
