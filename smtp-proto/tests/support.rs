//! The table of extensions says what the crate does.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use bytes::Bytes;
use mailwire_core::Channel;
use mailwire_smtp::{
    Capabilities, Capability, Dialect, server,
    support::{EXTENSIONS, Extension, Support},
};

/// Those that are no keywords in the reply to EHLO.
const COMMANDS: [&str; 5] = ["LHLO", "SEND", "SOML", "SAML", "TURN"];

/// The capabilities of an extension, as a server writes them.
fn capabilities(extension: &Extension) -> impl Iterator<Item = Capability> {
    extension.names.iter().filter(|name| !COMMANDS.contains(name)).map(|name| {
        let parameters = match *name {
            "AUTH" => " PLAIN",
            "FUTURERELEASE" => " 1000 2026-11-28T10:00:00Z",
            _ => "",
        };
        let frame = Bytes::from(format!("250-mx\r\n250 {name}{parameters}"));
        Capabilities::parse(&frame, Dialect::Strict).unwrap().value.iter().next().unwrap()
    })
}

/// What has values has a type of its own, and what has none is carried as it came.
#[test]
fn typed_ones_have_types() {
    for extension in EXTENSIONS {
        let typed = extension.client >= Support::Values;
        for capability in capabilities(extension) {
            assert_eq!(!matches!(capability, Capability::Other(_)), typed, "{capability:?}");
        }
    }
}

/// What is said of servers is what a server can be told to offer.
#[test]
fn a_server_can_offer_what_it_has() {
    for extension in EXTENSIONS {
        let has = extension.server >= Support::Values;
        for capability in capabilities(extension) {
            // Of the connection: the machine offers these by itself.
            let by_itself = matches!(capability, Capability::StartTls | Capability::Auth(_));
            let with = match capability {
                Capability::BinaryMime => vec![Capability::Chunking],
                Capability::Burl(_) => vec![Capability::EightBitMime],
                _ => Vec::new(),
            };
            let mut config = server::Config::new("mx.example".try_into().unwrap(), Channel::Tls);
            let taken = config.set_capabilities(with.into_iter().chain([capability.clone()]));
            if !matches!(capability, Capability::Other(_)) {
                assert_eq!(taken.is_ok(), has && !by_itself, "{capability:?}: {taken:?}");
            }
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
