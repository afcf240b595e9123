//! What the documents name exists: paths, links, tests, features and dependencies.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use mailwire_core::support::{Extension, Support};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Folders whose layout is the same, so that a path in one of them is a path in all.
const PROTOCOLS: [&str; 3] = ["smtp-proto", "imap-proto", "pop3-proto"];
/// Where their layout differs: IMAP has responses, and extensions are where there are any.
const NOT_IN_ALL: [&str; 3] = ["reply", "response", "extensions"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn document(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What stands between backticks, and the text before each since the one before it. Code blocks are left out.
fn code_words(text: &str) -> Vec<(String, String)> {
    let mut words = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            let parts: Vec<&str> = line.split('`').collect();
            let pairs = parts.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned()));
            words.extend(pairs);
        }
    }
    words
}

/// The paths that a document names in backticks: with a slash in them, or of a source file.
fn paths(text: &str) -> Vec<String> {
    let top: Vec<String> = names_in(&root());
    let is_path = |word: &str| match word.split_once('/') {
        Some((first, _)) => {
            let last = word.rsplit('/').next().unwrap_or_default();
            word.ends_with('/') || last.contains('.') || top.iter().any(|name| name == first)
        }
        None => word.ends_with(".rs"),
    };
    let words = code_words(text).into_iter().filter_map(|(_, word)| {
        let path = word.split("::").next()?.split(' ').next()?.to_owned();
        let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._*-".contains(c));
        (plain && is_path(&path)).then_some(path)
    });
    words.collect()
}

/// The links of a document to files beside it.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let targets = targets.filter(|target| !target.contains(':') && !target.starts_with('#'));
    targets.map(|target| target.split('#').next().unwrap_or_default().to_owned()).collect()
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Whether a name is of a pattern, where `*` is anything.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, rest)) => name.strip_prefix(before).is_some_and(|name| {
            (0..=name.len()).any(|at| name.get(at..).is_some_and(|name| matches(rest, name)))
        }),
    }
}

/// Whether there is such a path below a folder. A module may be a file or a folder.
fn is_below(folder: &Path, path: &str) -> bool {
    let path = path.trim_end_matches('/').replace("PROTOCOL", "*");
    match path.split_once('/') {
        Some((first, rest)) => {
            names_in(folder).iter().any(|name| matches(first, name) && is_below(&folder.join(name), rest))
        }
        None => {
            let module = path.strip_suffix(".rs").map(|name| folder.join(name).join("mod.rs"));
            names_in(folder).iter().any(|name| matches(&path, name)) || module.is_some_and(|it| it.exists())
        }
    }
}

/// Whether there is such a path below a folder or below any folder in it.
fn is_anywhere(folder: &Path, path: &str) -> bool {
    let inner = || names_in(folder).into_iter().map(|name| folder.join(name)).filter(|inner| inner.is_dir());
    is_below(folder, path) || inner().any(|inner| is_anywhere(&inner, path))
}

/// Whether a crate has a path. `command/parse.rs` is said of a file somewhere in `src`.
fn has(folder: &Path, path: &str) -> bool {
    match path.starts_with("src/") || path.starts_with("tests/") {
        true => is_below(folder, path),
        false => is_anywhere(&folder.join("src"), path),
    }
}

/// What is wrong with a path of a document, if anything.
fn fault(path: &str, folders: &[PathBuf]) -> Option<String> {
    let root = root();
    if is_below(&root, path) {
        return None;
    }
    if !folders.iter().any(|folder| has(folder, path)) {
        return Some(format!("no {path} in any crate"));
    }
    // A path that another crate has, too, may be said of that one.
    let protocols = PROTOCOLS.map(|folder| root.join(folder));
    let elsewhere = folders.iter().any(|folder| !protocols.contains(folder) && has(folder, path));
    let missing: Vec<_> = PROTOCOLS.into_iter().filter(|folder| !has(&root.join(folder), path)).collect();
    let short = path.strip_prefix("src/").unwrap_or(path);
    let differs = elsewhere || !path.contains('/') || NOT_IN_ALL.iter().any(|it| short.starts_with(it));
    (!differs && !missing.is_empty()).then(|| format!("no {path} in {}", missing.join(", ")))
}

/// The tests that a cell of SECURITY.md's tables names, each with its file. A name belongs to the file before
/// it, as long as only commas stand between them; one at the start belongs to all files of the cell.
fn tests(cell: &str) -> Vec<(String, String)> {
    let words = code_words(cell);
    let file_of =
        |word: &str| word.split("::").next().filter(|file| file.ends_with(".rs")).map(str::to_owned);
    let mut tests = Vec::new();
    let mut file = None;
    for (index, (before, word)) in words.iter().enumerate() {
        match (file_of(word), &file) {
            (Some(named), _) => {
                tests.extend(word.split_once("::").map(|(_, test)| (named.clone(), test.to_owned())));
                file = Some(named);
            }
            (None, Some(file)) if before == ", " => tests.push((file.clone(), word.clone())),
            (None, None) if index == 0 => {
                let files = words.iter().filter_map(|(_, word)| file_of(word));
                tests.extend(files.map(|file| (file, word.clone())));
            }
            (None, _) => file = None,
        }
    }
    tests
}

fn has_test(file: &str, test: &str) -> bool {
    let source = fs::read_to_string(root().join(file)).unwrap_or_default();
    source.contains(&format!("fn {test}("))
}

/// The packages of the workspace, as cargo tells of them.
fn packages() -> Vec<Value> {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&cargo.stdout).unwrap();
    told["packages"].as_array().unwrap().clone()
}

fn folder(package: &Value) -> PathBuf {
    Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

/// The lines of the section with this heading.
fn section<'a>(text: &'a str, heading: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("\n## {heading}\n"))?;
    rest.split("\n## ").next()
}

/// What the first column of a section's table names in backticks, and whether `(default)` stands after it, or
/// `(all default)` after the last one.
fn table(section: &str) -> Vec<(String, bool)> {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split('|').next()).map(|cell| format!("`{cell}"));
    let names = cells.flat_map(|cell| {
        let mut parts: Vec<String> = cell.split('`').map(str::to_owned).collect();
        parts.remove(0);
        let all = cell.contains("(all default)") || cell.contains("(both default)");
        let pairs = parts.chunks_exact(2).map(|pair| (pair[0].clone(), all || pair[1].contains("(default)")));
        pairs.collect::<Vec<_>>()
    });
    names.collect()
}

/// What is missing or wrong in the README of a published package.
fn readme_faults(package: &Value, readme: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let name = package["name"].as_str().unwrap();
    let version = package["version"].as_str().unwrap();
    let short = version.rsplit_once('.').unwrap().0;
    if !readme.contains(&format!("{name} = \"{short}\""))
        && !readme.contains(&format!("{name} = {{ version = \"{short}\""))
    {
        faults.push(format!("no line for Cargo.toml with {name} {short}"));
    }
    let features = package["features"].as_object().unwrap();
    let named = table(section(readme, "Features").unwrap_or_default());
    let is_default = |feature: &str| features["default"].as_array().unwrap().iter().any(|it| it == feature);
    for feature in features.keys().filter(|feature| *feature != "default") {
        match named.iter().find(|(name, _)| name == feature) {
            None => faults.push(format!("the feature {feature} is not in the table")),
            Some((_, default)) if *default != is_default(feature) => {
                faults.push(format!("whether {feature} is on by default"));
            }
            Some(_) => {}
        }
    }
    let unknown = named.iter().filter(|(name, _)| !features.contains_key(name));
    faults.extend(unknown.map(|(name, _)| format!("there is no feature {name}")));

    let public = table(section(readme, "Public dependencies").unwrap_or_default());
    if public.is_empty() {
        faults.push("no table of public dependencies".into());
    }
    for (dependency, _) in public {
        let (dependency, version) = dependency.split_once(' ').unwrap_or((&dependency, "a version"));
        let all = package["dependencies"].as_array().unwrap();
        // Which kind of dependency: null is a normal one.
        let found = all.iter().find(|it| it["name"] == dependency && it["kind"].is_null());
        let asked = found.and_then(|it| it["req"].as_str()).unwrap_or_default().trim_start_matches('^');
        if asked != version && !asked.starts_with(&format!("{version}.")) {
            faults.push(format!("{dependency} is named with {version}, and Cargo.toml says \"{asked}\""));
        }
    }
    if !readme.contains("MIT") || !readme.contains("Apache-2.0") {
        faults.push("no licence".into());
    }
    faults
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_path_in_a_document_exists() {
    let folders: Vec<PathBuf> = packages().iter().map(folder).collect();
    let mut faults = Vec::new();
    let mut count = 0;
    let mut names: Vec<_> =
        names_in(&root().join("docs/src")).iter().map(|it| format!("docs/src/{it}")).collect();
    let top = ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "README.md", "RELEASING.md"];
    names.extend(top.map(str::to_owned));
    for name in &names {
        let text = document(name);
        let beside = root().join(name);
        for path in paths(&text) {
            count += 1;
            faults.extend(fault(&path, &folders).map(|fault| format!("{name}: {fault}")));
        }
        let missing = links(&text).into_iter().filter(|link| !beside.with_file_name(link).exists());
        faults.extend(missing.map(|link| format!("{name}: no {link}")));
    }
    assert!(count > 150, "{count} paths found");
    assert_none(&faults);
}

/// What mdbook would miss, where there is none: each page is in the summary once, and nothing else is.
#[test]
fn the_summary_of_the_book_has_each_page() {
    let mut listed = links(&document("docs/src/SUMMARY.md"));
    let mut pages = names_in(&root().join("docs/src"));
    pages.retain(|page| page != "SUMMARY.md" && page.ends_with(".md"));
    listed.sort();
    pages.sort();
    assert!(pages.len() > 5 && listed == pages, "{listed:?} {pages:?}");
}

#[test]
fn every_test_in_the_security_document_exists() {
    let text = document("SECURITY.md");
    let cells = text.lines().filter(|line| line.starts_with('|')).filter_map(|line| line.split(" | ").nth(1));
    let named: Vec<_> = cells.flat_map(tests).collect();
    assert!(named.len() > 150, "{} tests found", named.len());
    let missing = named.iter().filter(|(file, test)| !has_test(file, test));
    let faults: Vec<String> = missing.map(|(file, test)| format!("{file} has no {test}")).collect();
    assert_none(&faults);
}

/// What is supported, a table a protocol.
const TABLES: [&[Extension]; 4] = [
    mailwire_smtp::support::EXTENSIONS,
    mailwire_imap::support::EXTENSIONS,
    mailwire_pop3::support::EXTENSIONS,
    mailwire_transport::sasl::support::MECHANISMS,
];

#[test]
fn every_test_in_the_tables_of_extensions_exists() {
    let tests = TABLES.into_iter().flatten().flat_map(|extension| extension.tests);
    let missing =
        tests.filter(|test| !test.split_once("::").is_some_and(|(file, test)| has_test(file, test)));
    let faults: Vec<String> = missing.map(|test| format!("no {test}")).collect();
    assert_none(&faults);
}

#[test]
fn the_tables_of_extensions_are_in_order() {
    for table in TABLES {
        let names: Vec<_> = table.iter().flat_map(|extension| extension.names).collect();
        for (index, name) in names.iter().enumerate() {
            assert!(!names[..index].contains(name), "{name} stands there twice");
        }
        assert!(table.is_sorted_by_key(|extension| extension.priority));
        for extension in table {
            let whole = extension.client == Support::Whole && extension.server == Support::Whole;
            assert!(!whole || !extension.tests.is_empty(), "{:?}: tests", extension.names);
            let told = extension.about.contains("; ") || extension.priority == 4;
            assert!(whole || told, "{:?}: what is missing", extension.names);
        }
    }
}

#[test]
fn every_readme_tells_what_its_package_has() {
    let mut faults = Vec::new();
    // `publish = false` is an empty list of registries.
    let published = packages().into_iter().filter(|package| package["publish"] != serde_json::json!([]));
    for package in published {
        let readme = folder(&package).join("README.md");
        let text = fs::read_to_string(&readme).unwrap_or_default();
        let found = readme_faults(&package, &text);
        faults.extend(found.into_iter().map(|fault| format!("{}: {fault}", readme.display())));
    }
    assert_none(&faults);
}

/// The finders find, so that the tests above can fail.
mod finders {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_found_where_they_stand() {
        let text = "See `mail-core/src/text.rs`, `src/a.rs::name`, `.ci/run lint`, `config.rs`, `fuzz/PROTOCOL_*`.\n\
                    Not `text/plain`, `a | b`, `Cursor`, `u8::MAX`, nor [a link](benches/README.md).\n\
                    ```\n`src/in_a_block.rs`\n```\n";
        let found = paths(text);
        assert_eq!(found, ["mail-core/src/text.rs", "src/a.rs", ".ci/run", "config.rs", "fuzz/PROTOCOL_*"]);
        assert_eq!(links(text), ["benches/README.md"]);
    }

    #[test]
    fn a_path_that_does_not_exist_is_a_fault() {
        let folders = PROTOCOLS.map(|folder| root().join(folder));
        for good in
            [".ci/run", "imap-proto/src/", "src/client/", "client/", "fuzz/fuzz_targets/PROTOCOL_*", "lib.rs"]
        {
            assert_eq!(fault(good, &folders), None);
        }
        for bad in ["imap-proto/src/none.rs", "src/none/", "none/parse.rs", "fuzz/none/PROTOCOL_*", "none.rs"]
        {
            assert!(fault(bad, &folders).is_some(), "{bad}");
        }
        // In one of the protocols, and not in the others.
        assert!(fault("src/framing.rs", &folders).is_some());
    }

    #[test]
    fn tests_are_found_with_their_files() {
        let cell = "`a/x.rs::one`, `two`; `b/y.rs::three`; measured by `benches`; over sockets `c.rs::four`, `five` |";
        let found: Vec<_> = tests(cell).into_iter().map(|(file, test)| format!("{file} {test}")).collect();
        assert_eq!(found, ["a/x.rs one", "a/x.rs two", "b/y.rs three", "c.rs four", "c.rs five"]);
        let found: Vec<_> = tests("`one` in `a.rs`, `b.rs` and `c.rs` |");
        assert_eq!(found.len(), 3);
        assert_eq!(found[2], ("c.rs".into(), "one".into()));
    }

    #[test]
    fn a_test_that_does_not_exist_is_missed() {
        assert!(has_test("examples/tests/documents.rs", "a_test_that_does_not_exist_is_missed"));
        assert!(!has_test("examples/tests/documents.rs", "a_test_that_does_not_exist"));
        assert!(!has_test("examples/tests/none.rs", "a_test_that_does_not_exist_is_missed"));
    }

    #[test]
    fn what_a_readme_lacks_is_told() {
        let package = json!({
            "name": "it", "version": "0.1.0",
            "features": { "default": ["std"], "std": [], "simd": [] },
            "dependencies": [{ "name": "bytes", "req": "^1.10", "kind": null }],
        });
        let good = "# it\n\n```toml\nit = \"0.1\"\n```\n\n## Features\n\n| `std` (default) | x |\n| `simd` | y |\n\n\
                    ## Public dependencies\n\n| `bytes 1` | z |\n\n## Licence\n\nMIT or Apache-2.0\n";
        assert_eq!(readme_faults(&package, good), Vec::<String>::new());
        for (from, to) in [
            ("it = \"0.1\"", "it = \"0.2\""),
            ("| `simd` | y |\n", ""),
            ("`std` (default)", "`std`"),
            ("`simd`", "`simd` (default)"),
            ("`simd` |", "`simd`, `more` |"),
            ("`std` (default) | x |\n| `simd` |", "`std`, `simd` (both default) |"),
            ("`bytes 1`", "`bytes 2`"),
            ("`bytes 1`", "`tokio 1`"),
            ("| `bytes 1` | z |", ""),
            ("MIT", ""),
        ] {
            assert_eq!(readme_faults(&package, &good.replace(from, to)).len(), 1, "{from} to {to}");
        }
    }
}
