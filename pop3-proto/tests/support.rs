//! The table of extensions says what the crate does.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use bytes::Bytes;
use mailwire_core::Dialect;
use mailwire_pop3::{
    Capability,
    support::{EXTENSIONS, Support},
};

/// Whole ones that are announced have types.
#[test]
fn whole_ones_have_types() {
    let by_other_means = ["CAPA", "APOP", "XCLIENT"];
    let whole = EXTENSIONS.iter().filter(|extension| extension.client == Support::Whole);
    for name in whole.flat_map(|extension| extension.names).filter(|name| !by_other_means.contains(name)) {
        let arguments = match *name {
            "EXPIRE" | "LOGIN-DELAY" => " 7 USER",
            "SASL" => " PLAIN",
            _ => "",
        };
        let line = Bytes::from(format!("{name}{arguments}"));
        let capability = Capability::parse(&line, Dialect::Strict).unwrap().value;
        assert!(!matches!(capability, Capability::Other { .. }), "{capability:?}");
    }
}
