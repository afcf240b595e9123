//! The table of extensions says what the crate does.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use mailwire_core::Channel;
use mailwire_imap::{
    Capability, server,
    support::{EXTENSIONS, Extension, Support},
};

/// A capability of the extension, with a value where it needs one.
fn capabilities(extension: &Extension) -> impl Iterator<Item = Capability> {
    extension.names.iter().map(|name| {
        let value = match *name {
            "AUTH=" => "PLAIN",
            "RIGHTS=" => "texk",
            name if name.ends_with('=') => "1000",
            _ => "",
        };
        Capability::new(format!("{name}{value}")).unwrap()
    })
}

#[test]
fn none_is_missing() {
    let count = |priority| EXTENSIONS.iter().filter(|extension| extension.priority == priority).count();
    assert_eq!([1, 2, 3].map(count), [25, 24, 20]);
}

#[test]
fn whole_ones_have_types() {
    for extension in EXTENSIONS.iter().filter(|extension| extension.client == Support::Whole) {
        for capability in capabilities(extension) {
            assert!(!matches!(capability, Capability::Other(_)), "{capability}");
        }
    }
}

/// What is said of servers is what a server can be told to offer.
#[test]
fn a_server_can_offer_what_is_whole() {
    // Of the connection: the machine offers these by itself where they are so.
    let by_itself =
        ["IMAP4rev1", "IMAP4rev2", "AUTH=", "STARTTLS", "LOGINDISABLED", "SASL-IR", "LITERAL+", "LITERAL-"];
    for extension in EXTENSIONS.iter().filter(|extension| extension.server == Support::Whole) {
        if !by_itself.contains(&extension.names[0]) {
            let mut config = server::Config::new(Channel::Tls);
            let added = config.add_capabilities(capabilities(extension));
            assert!(added.is_ok(), "{:?}: {}", extension.names, added.unwrap_err());
        }
    }
}

/// How far it is, by priority.
#[test]
fn summary() {
    for priority in 1..=4 {
        let of = |support: fn(&Extension) -> bool| {
            EXTENSIONS.iter().filter(|extension| extension.priority == priority && support(extension)).count()
        };
        let client = of(|extension| extension.client == Support::Whole);
        let server = of(|extension| extension.server == Support::Whole);
        let typed = of(|extension| extension.client >= Support::Values);
        println!(
            "priority {priority}: of {}, client {client}, server {server}, with types {typed}",
            of(|_| true)
        );
    }
}
