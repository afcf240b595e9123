//! The table of extensions says what the crate does.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use bytes::Bytes;
use mailwire_core::Dialect;
use mailwire_pop3::{
    Capability,
    support::{EXTENSIONS, Support},
};

#[test]
fn each_stands_there_once() {
    let names: Vec<_> = EXTENSIONS.iter().map(|extension| extension.name).collect();
    for (index, name) in names.iter().enumerate() {
        assert!(!names[..index].contains(name), "{name}");
    }
    assert!(EXTENSIONS.is_sorted_by_key(|extension| extension.priority));
}

/// What is said to be whole has tests, and what is not says what is missing.
#[test]
fn each_says_what_shows_it_or_what_is_missing() {
    for extension in EXTENSIONS {
        let whole = extension.client == Support::Whole && extension.server == Support::Whole;
        assert!(!whole || !extension.tests.is_empty(), "{}: tests", extension.name);
        assert!(whole || extension.about.contains("; "), "{}: what is missing", extension.name);
        for test in extension.tests {
            let (file, name) = test.split_once("::").unwrap();
            let path = format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap_or_default();
            assert!(text.contains(&format!("fn {name}(")), "{}: {test}", extension.name);
        }
    }
}

/// Whole ones that are announced have types.
#[test]
fn whole_ones_have_types() {
    let by_other_means = ["CAPA", "APOP", "XCLIENT"];
    for extension in EXTENSIONS.iter().filter(|extension| extension.client == Support::Whole) {
        if by_other_means.contains(&extension.name) {
            continue;
        }
        let arguments = match extension.name {
            "EXPIRE" | "LOGIN-DELAY" => " 7 USER",
            "SASL" => " PLAIN",
            _ => "",
        };
        let line = Bytes::from(format!("{}{arguments}", extension.name));
        let capability = Capability::parse(&line, Dialect::Strict).unwrap().value;
        assert!(!matches!(capability, Capability::Other { .. }), "{capability:?}");
    }
}
