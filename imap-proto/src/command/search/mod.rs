//! SEARCH.

mod key;
mod parse;
mod write;

use alloc::{boxed::Box, vec::Vec};

use mailwire_core::{ParseError, ParseErrorKind, keywords, setters};

pub use self::key::SearchKey;
use super::{
    AString,
    parse::{eat_word, read_atom},
    rules::{Need, Needs},
    writer::Writer,
};
use crate::{
    capability::Capability,
    types::{Atom, PartialRange, Reader},
};

/// `SEARCH` and `UID SEARCH` (RFC 9051 section 6.4.4).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Search {
    /// Whether the result is UIDs.
    pub uid: bool,
    /// `RETURN (...)`: what of the result. `None` is a search of RFC 3501; an empty list asks for
    /// `ALL`.
    pub returns: Option<Vec<SearchReturnOpt>>,
    /// The character set of the strings; US-ASCII or UTF-8 if there is none.
    pub charset: Option<Box<AString>>,
    /// What must all be true of a message. None means all messages.
    pub keys: Vec<SearchKey>,
}

/// What SEARCH returns.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum SearchReturnOpt {
    /// `MIN`: the lowest number.
    Min,
    /// `MAX`: the highest number.
    Max,
    /// `ALL`: all numbers.
    All,
    /// `COUNT`: how many.
    Count,
    /// `SAVE`: the result is kept, and is `$` in later commands
    /// ([RFC 5182](https://www.rfc-editor.org/rfc/rfc5182)).
    Save,
    /// `PARTIAL`: the numbers of a part of the result. Not together with `ALL`
    /// ([RFC 9394 section 3.1](https://www.rfc-editor.org/rfc/rfc9394#section-3.1)).
    Partial(PartialRange),
    /// `CONTEXT`: more will be asked about this result
    /// ([RFC 5267 section 4.2](https://www.rfc-editor.org/rfc/rfc5267#section-4.2)).
    Context,
    /// `UPDATE`: the client is told of changes of the result
    /// ([RFC 5267 section 4.3](https://www.rfc-editor.org/rfc/rfc5267#section-4.3)).
    Update,
    /// `RELEVANCY`: how well each message fits a [`SearchKey::Fuzzy`]
    /// ([RFC 6203 section 4](https://www.rfc-editor.org/rfc/rfc6203#section-4)).
    Relevancy,
    /// Another option, of one word.
    Other(Atom),
}

impl Search {
    /// A `SEARCH` for messages of which all of `keys` are true.
    #[must_use]
    pub fn new(keys: impl Into<Vec<SearchKey>>) -> Self {
        Self { uid: false, returns: None, charset: None, keys: keys.into() }
    }

    /// A `UID SEARCH`.
    #[must_use]
    pub fn by_uid(keys: impl Into<Vec<SearchKey>>) -> Self {
        Self { uid: true, ..Self::new(keys) }
    }

    /// ```text
    /// search             = "SEARCH" [search-return-opts] SP search-program
    /// search-return-opts = SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"
    /// search-program     = ["CHARSET" SP charset SP] search-key *(SP search-key)
    /// ```
    pub(super) fn read(r: &mut Reader<'_>, uid: bool) -> Result<Self, ParseError> {
        r.space()?;
        Self::read_program(r, uid)
    }

    /// After the space.
    #[inline]
    pub(crate) fn read_program(r: &mut Reader<'_>, uid: bool) -> Result<Self, ParseError> {
        let returns = read_returns(r)?;
        let mut charset = None;
        if eat_word(r, "CHARSET") {
            r.space()?;
            charset = Some(Box::new(AString::read(r)?));
            r.space()?;
        }
        Ok(Self { uid, returns, charset, keys: SearchKey::read_all(r)? })
    }

    pub(super) fn write(&self, e: &mut Writer<'_>) {
        e.name(self.uid, b"SEARCH ");
        self.write_program(e);
    }

    /// After the name and its space.
    #[inline]
    pub(crate) fn write_program(&self, e: &mut Writer<'_>) {
        write_returns(self.returns.as_deref(), e);
        if let Some(charset) = &self.charset {
            e.put(b"CHARSET ");
            e.astring(charset);
            e.put(b" ");
        }
        SearchKey::write_all(&self.keys, e);
    }
}

setters!(Search {
    with_returns(returns: some into Vec<SearchReturnOpt>),
    with_charset(charset: some boxed AString),
});

/// ```text
/// search-return-opts = SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"
/// ```
///
/// With the space after it, if there are any; the space before was read.
pub(super) fn read_returns(r: &mut Reader<'_>) -> Result<Option<Vec<SearchReturnOpt>>, ParseError> {
    if !eat_word(r, "RETURN") {
        return Ok(None);
    }
    r.space()?;
    r.expect(b'(', "expected (")?;
    let mut options = Vec::new();
    let mut name_at = r.offset();
    r.items(|r| {
        // Options are named by letters: this belongs to one that is not known.
        if r.peek().is_some_and(|byte| matches!(byte, b'(' | b'-' | b'*' | b'0'..=b'9')) {
            let error = ParseError::new(name_at, "unknown SEARCH result option");
            return Err(error.with_kind(ParseErrorKind::Unknown));
        }
        name_at = r.offset();
        options.push(SearchReturnOpt::read(r)?);
        Ok(())
    })?;
    r.space()?;
    Ok(Some(options))
}

/// With the space after them.
pub(super) fn write_returns(returns: Option<&[SearchReturnOpt]>, e: &mut Writer<'_>) {
    if let Some(returns) = returns {
        e.put(b"RETURN (");
        e.spaced(returns, |e, option| option.write(e));
        e.put(b") ");
    }
}

impl SearchReturnOpt {
    /// ```text
    /// search-return-opt = "MIN" / "MAX" / "ALL" / "COUNT" / "SAVE" / "PARTIAL" SP partial-range /
    ///                     "CONTEXT" / "UPDATE" / "RELEVANCY" / search-ret-opt-ext
    /// ```
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let name = read_atom(r)?;
        Ok(match Opt::of(name.as_bytes()) {
            Some(Opt::Min) => Self::Min,
            Some(Opt::Max) => Self::Max,
            Some(Opt::All) => Self::All,
            Some(Opt::Count) => Self::Count,
            Some(Opt::Save) => Self::Save,
            Some(Opt::Partial) => {
                r.space()?;
                Self::Partial(PartialRange::read(r)?)
            }
            Some(Opt::Context) => Self::Context,
            Some(Opt::Update) => Self::Update,
            Some(Opt::Relevancy) => Self::Relevancy,
            None => Self::Other(name),
        })
    }

    fn write(&self, e: &mut Writer<'_>) {
        let name = match self {
            Self::Min => Opt::Min,
            Self::Max => Opt::Max,
            Self::All => Opt::All,
            Self::Count => Opt::Count,
            Self::Save => Opt::Save,
            Self::Partial(range) => {
                e.put(b"PARTIAL ");
                return range.write(e.out);
            }
            Self::Context => Opt::Context,
            Self::Update => Opt::Update,
            Self::Relevancy => Opt::Relevancy,
            Self::Other(name) => return e.put(name.as_bytes()),
        };
        e.put(name.as_str().as_bytes());
    }

    /// What a server must have for it, beside extended results themselves.
    fn needs(&self) -> Option<Need> {
        Some(match self {
            Self::Save => saved(),
            Self::Partial(range) if range.is_from_end() => Need::of(&Capability::Partial),
            Self::Partial(_) => {
                Need::one_of(&[Capability::Partial, Capability::ContextSearch, Capability::ContextSort])
            }
            Self::Context | Self::Update => {
                Need::one_of(&[Capability::ContextSearch, Capability::ContextSort])
            }
            Self::Relevancy => fuzzy(),
            Self::Min | Self::Max | Self::All | Self::Count | Self::Other(_) => return None,
        })
    }
}

/// Results in ESEARCH.
fn extended() -> Need {
    Need::one_of(&[
        Capability::ESearch,
        Capability::ContextSearch,
        Capability::ESort,
        Capability::ContextSort,
        Capability::Imap4Rev2,
    ])
}

/// Results that are kept.
pub(crate) fn saved() -> Need {
    Need::one_of(&[Capability::SearchRes, Capability::Imap4Rev2])
}

fn fuzzy() -> Need {
    Need::of(&Capability::SearchFuzzy)
}

impl Search {
    /// What a server must have for its results and keys.
    pub(crate) fn needs(&self, needs: &mut Needs<'_>) {
        if let Some(returns) = &self.returns {
            needs.add(Some(extended()));
            returns.iter().for_each(|option| needs.add(option.needs()));
        }
        for key in &self.keys {
            key.leaf(&mut |key| {
                needs.add(key.needs());
                needs.lacking()
            });
        }
    }
}

/// Why results cannot be asked for so.
pub(crate) fn conflict(search: &Search) -> Option<&'static str> {
    let Search { returns, keys, .. } = search;
    let returns = returns.as_ref()?;
    let partial = returns.iter().filter(|option| matches!(option, SearchReturnOpt::Partial(_))).count();
    if partial > 1 || (partial == 1 && returns.contains(&SearchReturnOpt::All)) {
        return Some("only one of ALL and PARTIAL can be asked for");
    }
    let is_fuzzy = || keys.iter().any(SearchKey::is_fuzzy);
    (returns.contains(&SearchReturnOpt::Relevancy) && !is_fuzzy()).then_some(RELEVANCY)
}

/// Why messages have no relevancy.
pub(super) const RELEVANCY: &str = "RELEVANCY needs a key FUZZY";

keywords! {
    /// The names of result options.
    enum Opt {
        Min = "MIN",
        Max = "MAX",
        All = "ALL",
        Count = "COUNT",
        Save = "SAVE",
        Partial = "PARTIAL",
        Context = "CONTEXT",
        Update = "UPDATE",
        Relevancy = "RELEVANCY",
    }
}
