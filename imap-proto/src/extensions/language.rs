//! LANGUAGE: texts for people in their languages ([RFC 5255 section
//! 3](https://www.rfc-editor.org/rfc/rfc5255#section-3)).

use alloc::vec::Vec;

use mailwire_core::{Invalid, ParseError, Text};

use super::{astrings, rest};
use crate::{
    capability::Capability,
    command::{AString, Rules, Writer, rules},
    deviation,
    types::{Reader, write_astring, write_spaced},
};

/// `LANGUAGE`: chooses a language, or asks which there are.
///
/// The server takes the first range that fits one of its languages; `default` is the one that it prefers.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LanguageCommand {
    /// Ranges of languages ([RFC 4647](https://www.rfc-editor.org/rfc/rfc4647)): `de-CH`. None asks for all languages.
    pub ranges: Vec<AString>,
}

/// `LANGUAGE`: the language from now on, or, if there are several, those that can be chosen.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LanguageData {
    /// The tags of the languages ([RFC 5646](https://www.rfc-editor.org/rfc/rfc5646)).
    pub tags: Vec<AString>,
}

const NAME: &str = "LANGUAGE";

impl LanguageCommand {
    /// Asks which languages there are.
    #[must_use]
    pub const fn list() -> Self {
        Self { ranges: Vec::new() }
    }

    /// Chooses the first of these languages that there is.
    ///
    /// # Errors
    ///
    /// NUL, CR or LF in a range.
    pub fn choose<T: Into<Text>>(ranges: impl IntoIterator<Item = T>) -> Result<Self, Invalid> {
        Ok(Self { ranges: astrings(ranges)? })
    }

    #[allow(clippy::unused_self)]
    pub(crate) const fn name(&self) -> &'static str {
        NAME
    }

    #[allow(clippy::unused_self)]
    pub(crate) fn rules(&self) -> Rules {
        rules::any().needs(&Capability::Language)
    }

    pub(crate) fn row(name: &[u8]) -> Option<Rules> {
        name.eq_ignore_ascii_case(NAME.as_bytes()).then(|| rules::any().needs(&Capability::Language))
    }

    /// ```text
    /// language-cmd = "LANGUAGE" *(SP lang-range-quoted)
    /// ```
    ///
    /// After the name. `None`: the name is another.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        name.eq_ignore_ascii_case(NAME.as_bytes()).then(|| {
            let ranges = rest(r, AString::read)?;
            Ok(Self { ranges })
        })
    }

    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        e.put(NAME.as_bytes());
        for range in &self.ranges {
            e.put(b" ");
            e.astring(range);
        }
    }
}

impl LanguageData {
    /// Says that this is the language, or, of several, that these can be chosen.
    ///
    /// # Errors
    ///
    /// NUL, CR or LF in a tag.
    pub fn new<T: Into<Text>>(tags: impl IntoIterator<Item = T>) -> Result<Self, Invalid> {
        Ok(Self { tags: astrings(tags)? })
    }

    #[allow(clippy::unused_self)]
    pub(crate) const fn name(&self) -> &'static str {
        NAME
    }

    /// ```text
    /// language-data = "LANGUAGE" SP "(" lang-tag-quoted *(SP lang-tag-quoted) ")"
    /// ```
    ///
    /// After the name. `None`: the name is another. Lenient: no tags.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        name.eq_ignore_ascii_case(NAME.as_bytes()).then(|| {
            r.space()?;
            let start = r.offset();
            r.expect(b'(', "expected a list of languages")?;
            let tags = r.list_of(AString::read)?;
            if tags.is_empty() {
                r.deviate_at(start, deviation::EMPTY_LIST)?;
            }
            Ok(Self { tags })
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"LANGUAGE (");
        write_spaced(out, &self.tags, |out, tag| write_astring(out, tag.as_bytes()));
        out.push(b')');
    }
}

#[cfg(feature = "arbitrary")]
mod arbitrary {
    use ::arbitrary::{Arbitrary, Result, Unstructured};

    use super::{LanguageCommand, LanguageData};
    use crate::command::arbitrary::{astring, maybe, some};

    impl<'a> Arbitrary<'a> for LanguageCommand {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(Self { ranges: maybe(u, |u| some(u, astring))?.unwrap_or_default() })
        }
    }

    impl<'a> Arbitrary<'a> for LanguageData {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(Self { tags: some(u, astring)? })
        }
    }
}
