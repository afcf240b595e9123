//! The list of deviations, its documentation, and their places of use agree.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use mailwire_core::private::deviation_mistakes;
use mailwire_imap::deviation;

fn sources(folder: &Path, all: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else {
            all.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn each_has_a_row_and_a_constant() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    sources(&root, &mut all);
    assert!(all.len() > 20);
    let page = fs::read_to_string(root.join("deviation.rs")).unwrap();
    let sources = all.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    assert_eq!(deviation_mistakes(deviation::ALL, &page, sources), [""; 0]);
}
