//! Checking a crate's list of deviations.

use std::{
    collections::BTreeSet,
    format, fs,
    path::{Path, PathBuf},
    string::{String, ToString},
    vec::Vec,
};

/// What is wrong with the list of deviations of the crate in `folder`, as its `CARGO_MANIFEST_DIR` says: names
/// that `page`, its documentation, does not have between backticks at the start of a row of a table, rows without
/// a name of the list, and places below `src` where a name is spelled out, not a constant.
///
/// # Panics
///
/// The sources cannot be read.
#[must_use]
pub fn deviation_mistakes(all: &[(&str, &str)], page: &str, folder: impl AsRef<Path>) -> Vec<String> {
    let mut sources = Vec::new();
    read_sources(folder.as_ref().join("src"), &mut sources);
    assert!(sources.len() > 20, "these are not all sources");
    mistakes(all, page, sources.iter().map(|(name, text)| (name.as_str(), text.as_str())))
}

fn read_sources(path: PathBuf, all: &mut Vec<(String, String)>) {
    if !path.is_dir() {
        match fs::read_to_string(&path) {
            Ok(text) => all.push((path.display().to_string(), text)),
            Err(error) => panic!("{}: {error}", path.display()),
        }
        return;
    }
    match fs::read_dir(&path) {
        Ok(entries) => entries.flatten().for_each(|entry| read_sources(entry.path(), all)),
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

fn mistakes<'a>(
    all: &[(&str, &str)],
    page: &str,
    sources: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<String> {
    let mut mistakes = Vec::new();
    let rows: BTreeSet<&str> = page
        .lines()
        .map(|line| line.trim_start_matches(['/', '!', ' ']))
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| line.split('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    let names: BTreeSet<&str> = all.iter().map(|(name, _)| *name).collect();
    if names.len() != all.len() {
        mistakes.push("a name stands twice in the list".into());
    }
    mistakes.extend(names.difference(&rows).map(|name| format!("{name} is not in the table")));
    mistakes.extend(rows.difference(&names).map(|name| format!("{name} is in the table only")));
    for (source, text) in sources {
        // Tests may spell names out.
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for start in ["deviate(", "deviate_at(", "run_either(", "Deviation::new("] {
            for (at, _) in text.match_indices(start) {
                let call = text.get(at + start.len()..).unwrap_or_default();
                if arguments(call).contains('"') {
                    let line = text.get(..at).unwrap_or_default().lines().count();
                    mistakes.push(format!("{source}:{line}: a name that is not a constant"));
                }
            }
        }
    }
    mistakes
}

/// The part of a call before the parenthesis that ends it.
fn arguments(call: &str) -> &str {
    let mut depth = 1;
    for (at, byte) in call.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return call.get(..at).unwrap_or_default();
        }
    }
    call
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_in_lists_of_deviations_are_found() {
        let all = [("a-b", "A."), ("c-d", "C.")];
        let page = "| name | |\n| --- | --- |\n| `a-b` | A |\n| `c-d` | C |\n";
        let good = "fn f() { cursor.deviate(A_B)?; cursor.deviate_at(cursor.offset(), C_D) }\n#[cfg(test)] deviate(\"x\")";
        assert!(mistakes(&all, page, [("good.rs", good)]).is_empty());
        let bad = "\ncursor.deviate(\"a-b\")?;\ncursor.deviate_at(\n  start.max(1), \"c-d\",\n)";
        let found = mistakes(&all[..1], page, [("bad.rs", bad)]);
        assert_eq!(
            found,
            [
                "c-d is in the table only",
                "bad.rs:2: a name that is not a constant",
                "bad.rs:3: a name that is not a constant"
            ]
        );
        let twice = [("e-f", ""), ("e-f", "")];
        assert_eq!(mistakes(&twice, "", []), ["a name stands twice in the list", "e-f is not in the table"]);
    }
}
