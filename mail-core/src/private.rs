//! What the protocol crates need of this one and nobody else: no part of the public API, and changed
//! in any release.

use core::{cmp, hash, ops::RangeInclusive};

use crate::{Invalid, deviation};
pub use crate::{
    classes::ByteClasses,
    gate::{Gate, Park},
    keywords::{keyword, keyword_key, long_keyword_key},
    nul::NulSearch,
    words::words,
};

/// That a text has a length that is allowed, in bytes, and only bytes that are.
///
/// # Errors
///
/// The first byte that is wrong, for `reason`; or the length.
pub fn check_text(
    what: &'static str,
    text: &[u8],
    length: RangeInclusive<usize>,
    allowed: impl Fn(u8) -> bool,
    reason: &'static str,
) -> Result<(), Invalid> {
    match text.iter().position(|&byte| !allowed(byte)) {
        Some(offset) => Err(Invalid::new(what, offset, reason)),
        None if length.contains(&text.len()) => Ok(()),
        None if text.is_empty() => Err(Invalid::new(what, 0, "it is empty")),
        None if text.len() < *length.start() => Err(Invalid::new(what, text.len(), "it is too short")),
        None => Err(Invalid::new(what, *length.end(), "it is too long")),
    }
}

/// The order of texts in which the case of ASCII letters does not count.
#[must_use]
pub fn cmp_ignore_case(a: &[u8], b: &[u8]) -> cmp::Ordering {
    a.iter().map(u8::to_ascii_uppercase).cmp(b.iter().map(u8::to_ascii_uppercase))
}

/// The hash of a text in which the case of ASCII letters does not count.
pub fn hash_ignore_case<H: hash::Hasher>(text: &[u8], state: &mut H) {
    text.iter().for_each(|byte| state.write_u8(byte.to_ascii_uppercase()));
    state.write_u8(0xff);
}

/// The text of a line of documentation.
#[must_use]
pub const fn doc_text(doc: &str) -> &str {
    doc.trim_ascii_start()
}

/// What a deviation of several protocols means.
///
/// # Panics
///
/// At build time, if it is none.
#[must_use]
#[allow(clippy::indexing_slicing, clippy::panic)] // In constants only, where a mistake does not build.
pub const fn meaning_of_deviation(name: &str) -> &'static str {
    let mut at = 0;
    while at < deviation::ALL.len() {
        let (known, meaning) = deviation::ALL[at];
        if is_same(known.as_bytes(), name.as_bytes()) {
            return meaning;
        }
        at += 1;
    }
    panic!("not a deviation of several protocols")
}

#[allow(clippy::indexing_slicing)]
const fn is_same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    a.len() == b.len()
}

/// What is wrong with a crate's list of deviations: names that `page`, its documentation, does not
/// have between backticks at the start of a row of a table, rows without a name of the list, and
/// places in `sources` (name and text) where a name is spelled out, not a constant.
#[cfg(feature = "std")]
#[must_use]
pub fn deviation_mistakes<'a>(
    all: &[(&str, &str)],
    page: &str,
    sources: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> alloc::vec::Vec<alloc::string::String> {
    use alloc::{collections::BTreeSet, format, vec::Vec};

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
#[cfg(feature = "std")]
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

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    #[test]
    fn mistakes_in_lists_of_deviations_are_found() {
        let all = [("a-b", "A."), ("c-d", "C.")];
        let page = "| name | |\n| --- | --- |\n| `a-b` | A |\n| `c-d` | C |\n";
        let good = "fn f() { cursor.deviate(A_B)?; cursor.deviate_at(cursor.offset(), C_D) }\n#[cfg(test)] deviate(\"x\")";
        assert!(deviation_mistakes(&all, page, [("good.rs", good)]).is_empty());
        let bad = "\ncursor.deviate(\"a-b\")?;\ncursor.deviate_at(\n  start.max(1), \"c-d\",\n)";
        let mistakes = deviation_mistakes(&all[..1], page, [("bad.rs", bad)]);
        assert_eq!(
            mistakes,
            [
                "c-d is in the table only",
                "bad.rs:2: a name that is not a constant",
                "bad.rs:3: a name that is not a constant"
            ]
        );
        let twice = [("e-f", ""), ("e-f", "")];
        assert_eq!(
            deviation_mistakes(&twice, "", []),
            ["a name stands twice in the list", "e-f is not in the table"]
        );
    }
}
