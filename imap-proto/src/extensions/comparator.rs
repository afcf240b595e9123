//! COMPARATOR: how texts are compared in SEARCH, SORT and THREAD ([RFC 5255 section
//! 4](https://www.rfc-editor.org/rfc/rfc5255#section-4)).

use alloc::vec::Vec;

use mailwire_core::{Invalid, ParseError, Text};

use super::{astrings, more, rest, spaced};
use crate::{
    capability::Capability,
    command::{AString, Rules, Writer, rules},
    deviation,
    types::{Reader, write_astring},
};

/// `COMPARATOR`: chooses a comparator, or asks which one is in use
/// ([RFC 5255 section 4.7](https://www.rfc-editor.org/rfc/rfc5255#section-4.7)).
///
/// The server takes the first that it has; `default` is the one that it prefers.
///
/// ```
/// use mailwire_imap::extensions::comparator::ComparatorCommand;
///
/// let command = ComparatorCommand::choose(["cz;*", "i;basic"])?;
/// assert!(command.matches("i;basic") && command.matches("cz;2") && !command.matches("i;octet"));
/// # Ok::<(), mailwire_imap::Invalid>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ComparatorCommand {
    /// Comparators ([RFC 4790](https://www.rfc-editor.org/rfc/rfc4790)), in which `*` stands for any letters. None asks
    /// which one is in use.
    pub comparators: Vec<AString>,
}

/// `COMPARATOR`: the comparator that is in use
/// ([RFC 5255 section 4.8](https://www.rfc-editor.org/rfc/rfc5255#section-4.8)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ComparatorData {
    /// The comparator: `i;unicode-casemap`.
    pub active: AString,
    /// Those that would have been possible, if there were several.
    pub matching: Vec<AString>,
}

const NAME: &str = "COMPARATOR";

impl ComparatorCommand {
    /// Asks which comparator is in use.
    #[must_use]
    pub const fn ask() -> Self {
        Self { comparators: Vec::new() }
    }

    /// Chooses the first of these comparators that there is.
    ///
    /// # Errors
    ///
    /// NUL, CR or LF in one of them.
    pub fn choose<T: Into<Text>>(comparators: impl IntoIterator<Item = T>) -> Result<Self, Invalid> {
        Ok(Self { comparators: astrings(comparators)? })
    }

    /// Whether it chooses the comparator of this name. `default` is no name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.comparators.iter().any(|pattern| {
            let pattern = pattern.as_bytes();
            // The direction of an order.
            fits(
                pattern.strip_prefix(b"+").or(pattern.strip_prefix(b"-")).unwrap_or(pattern),
                name.as_bytes(),
            )
        })
    }

    #[allow(clippy::unused_self)]
    pub(crate) const fn name(&self) -> &'static str {
        NAME
    }

    #[allow(clippy::unused_self)]
    pub(crate) fn rules(&self) -> Rules {
        rules::logged_in().needs(&Capability::I18nLevel2)
    }

    pub(crate) fn row(name: &[u8]) -> Option<Rules> {
        name.eq_ignore_ascii_case(NAME.as_bytes()).then(|| Self::ask().rules())
    }

    /// ```text
    /// comparator-cmd = "COMPARATOR" *(SP comp-order-quoted)
    /// ```
    ///
    /// After the name. `None`: the name is another.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        name.eq_ignore_ascii_case(NAME.as_bytes()).then(|| {
            let comparators = rest(r, AString::read)?;
            Ok(Self { comparators })
        })
    }

    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        e.put(NAME.as_bytes());
        for comparator in &self.comparators {
            e.put(b" ");
            e.astring(comparator);
        }
    }
}

/// Whether a pattern with `*` fits a name, in any case. One way back is enough.
fn fits(mut pattern: &[u8], mut name: &[u8]) -> bool {
    let mut back = None;
    loop {
        match (pattern, name) {
            ([b'*', rest @ ..], _) => {
                back = Some((rest, name));
                pattern = rest;
            }
            ([one, rest @ ..], [other, after @ ..]) if one.eq_ignore_ascii_case(other) => {
                (pattern, name) = (rest, after);
            }
            ([], []) => return true,
            _ => match back {
                Some((rest, [_, after @ ..])) => {
                    back = Some((rest, after));
                    (pattern, name) = (rest, after);
                }
                _ => return false,
            },
        }
    }
}

impl ComparatorData {
    /// Says which comparator is in use.
    ///
    /// # Errors
    ///
    /// NUL, CR or LF in its name.
    pub fn new(active: impl Into<Text>) -> Result<Self, Invalid> {
        Ok(Self { active: AString::new(active)?, matching: Vec::new() })
    }

    #[allow(clippy::unused_self)]
    pub(crate) const fn name(&self) -> &'static str {
        NAME
    }

    /// ```text
    /// comparator-data = "COMPARATOR" SP comp-sel-quoted [SP "(" comp-id-quoted *(SP comp-id-quoted) ")"]
    /// ```
    ///
    /// After the name. `None`: the name is another. Lenient: an empty list.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        name.eq_ignore_ascii_case(NAME.as_bytes()).then(|| {
            let active = spaced(r, AString::read)?;
            let mut matching = Vec::new();
            if more(r) {
                r.space()?;
                let start = r.offset();
                r.expect(b'(', "expected a list of comparators")?;
                matching = r.list_of(AString::read)?;
                if matching.is_empty() {
                    r.deviate_at(start, deviation::EMPTY_LIST)?;
                }
            }
            Ok(Self { active, matching })
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"COMPARATOR ");
        write_astring(out, self.active.as_bytes());
        for (at, comparator) in self.matching.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b" (" } else { b" " });
            write_astring(out, comparator.as_bytes());
        }
        if !self.matching.is_empty() {
            out.push(b')');
        }
    }
}

#[cfg(feature = "arbitrary")]
mod arbitrary {
    use ::arbitrary::{Arbitrary, Result, Unstructured};

    use super::{ComparatorCommand, ComparatorData};
    use crate::command::arbitrary::{astring, maybe, some};

    impl<'a> Arbitrary<'a> for ComparatorCommand {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(Self { comparators: maybe(u, |u| some(u, astring))?.unwrap_or_default() })
        }
    }

    impl<'a> Arbitrary<'a> for ComparatorData {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let matching = maybe(u, |u| some(u, astring))?.unwrap_or_default();
            Ok(Self { active: astring(u)?, matching })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names() {
        for (pattern, fit) in [
            ("i;unicode-casemap", true),
            ("I;Unicode-CaseMap", true),
            ("+i;unicode-casemap", true),
            ("*", true),
            ("i;*", true),
            ("*casemap", true),
            ("i;*-*map", true),
            ("i;ascii*", false),
            ("i;unicode-casemap2", false),
            ("default", false),
            ("", false),
        ] {
            assert_eq!(
                ComparatorCommand::choose([pattern]).unwrap().matches("i;unicode-casemap"),
                fit,
                "{pattern}"
            );
        }
        let slow = ComparatorCommand::choose([alloc::format!("{}x", "*a".repeat(10_000))]).unwrap();
        assert!(!slow.matches(&"a".repeat(10_000)));
    }
}
