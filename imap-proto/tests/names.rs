//! No name of the crate stands for two things: nobody has to rename on import.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// What both machines have, under the name that all crates use.
const BOTH_ROLES: [&str; 4] = ["Config", "Connection", "Event", "Timeouts"];

/// Stands in for another file where a feature is off, with its names.
const STANDS_IN: &str = "no_lists.rs";

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with(STANDS_IN) {
            found.push(path);
        }
    }
}

/// The name that a line makes public.
fn public_name(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub ")?;
    let rest = ["struct ", "enum ", "trait ", "type "].iter().find_map(|kind| rest.strip_prefix(kind))?;
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_')?;
    rest.get(..end).filter(|name| !name.is_empty())
}

#[test]
fn each_name_stands_for_one_thing() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut places: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in files {
        for name in fs::read_to_string(&file).unwrap().lines().filter_map(public_name) {
            places.entry(name.to_owned()).or_default().push(file.clone());
        }
    }
    assert!(places.len() > 80 && places.contains_key("MsgAtt"), "names were found");
    let twice = places.iter().filter(|(name, at)| at.len() > 1 && !BOTH_ROLES.contains(&name.as_str()));
    assert_eq!(twice.collect::<Vec<_>>(), [], "a name that stands for several things");
}
