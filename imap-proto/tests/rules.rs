//! What the rows say, asked of the machines.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use common::*;
use mailwire_core::Misuse;
use mailwire_imap::{
    command::{Command, Fetch, FetchAtt, OtherCommand},
    extensions::quota,
    types::{Atom, ModSeq, SequenceSet},
};

#[test]
fn raw_commands_do_not_change_the_session() {
    let mut client = logged_in("IMAP4rev2");
    for name in ["select", "CLOSE", "Logout", "IDLE"] {
        let raw = OtherCommand::new(Atom::new(name).unwrap(), "INBOX").unwrap();
        assert!(client.send(Command::Other(raw)).is_err(), "{name}");
    }
    let raw = OtherCommand::new(Atom::new("X-NOOP").unwrap(), "").unwrap();
    client.send(Command::Other(raw)).unwrap();
}

#[test]
fn extensions_are_asked_for_only_where_they_are_offered() {
    let mut client = logged_in("IMAP4rev2");
    let refused = client.send(quota::QuotaCommand::get("").unwrap().into()).unwrap_err();
    assert_eq!(refused.reason, Misuse::NotOffered("QUOTA"));
    let mut client = selected("IMAP4rev2 QUOTA");
    client.send(quota::QuotaCommand::get("").unwrap().into()).unwrap();
    let fetch = Fetch::new(SequenceSet::all(), [FetchAtt::Flags]);
    let fetch = fetch.with_since(ModSeq::new(5).unwrap().into());
    let refused = client.send(Command::Fetch(fetch)).unwrap_err();
    assert_eq!(refused.reason, Misuse::NotOffered("CONDSTORE"));
}

#[test]
fn a_literal_of_a_command_out_of_place_is_refused_before_it_comes() {
    let mut server = serving();
    feed(&mut server, b"a SEARCH {5}\r\n");
    assert_eq!(drain_text(&mut server), "a BAD no mailbox is selected\r\n");
}
