//! SORT and THREAD (RFC 5256).

use alloc::{boxed::Box, vec::Vec};

use mailwire_core::{ParseError, ParseErrorKind, keywords};

use super::{
    AString, Search, SearchKey, SearchReturnOpt,
    rules::{Need, Needs},
    search::{RELEVANCY, read_returns, write_returns},
    writer::Writer,
};
use crate::{
    capability::Capability,
    types::{Reader, chars},
};

/// `SORT` and `UID SORT` ([RFC 5256 section 3](https://www.rfc-editor.org/rfc/rfc5256#section-3)): a search whose
/// result has an order.
///
/// ```
/// use mailwire_imap::command::{SearchKey, Sort, SortKey};
///
/// let newest_first = Sort::new([SortKey::Date.reversed()], [SearchKey::Undeleted]).by_uid();
/// # let _ = newest_first;
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Sort {
    /// What the order goes by, the most important first; at least one.
    pub criteria: Vec<SortCriterion>,
    /// What is looked for, and what is told of it: `RETURN` needs ESORT. Its character set is UTF-8 if it has none.
    pub search: Search,
}

/// What an order goes by.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SortCriterion {
    /// What of a message.
    pub key: SortKey,
    /// Whether the order is reversed: `REVERSE`.
    pub reverse: bool,
}

keywords! {
    /// What of a message an order goes by.
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    #[non_exhaustive]
    pub enum SortKey {
        /// `ARRIVAL`: the internal date and time.
        Arrival = "ARRIVAL",
        /// `CC`: the mailbox of the first address in the field.
        Cc = "CC",
        /// `DATE`: the sent date and time.
        Date = "DATE",
        /// `DISPLAYFROM`: the name or address that is shown of the sender
        /// ([RFC 5957](https://www.rfc-editor.org/rfc/rfc5957)).
        DisplayFrom = "DISPLAYFROM",
        /// `DISPLAYTO`: the name or address that is shown of the first recipient
        /// ([RFC 5957](https://www.rfc-editor.org/rfc/rfc5957)).
        DisplayTo = "DISPLAYTO",
        /// `FROM`: the mailbox of the first address in the field.
        From = "FROM",
        /// `MODSEQ`: the modification sequence (Cyrus).
        ModSeq = "MODSEQ",
        /// `RELEVANCY`: what fits best first; with a [`SearchKey::Fuzzy`] only
        /// ([RFC 6203 section 6](https://www.rfc-editor.org/rfc/rfc6203#section-6)).
        Relevancy = "RELEVANCY",
        /// `SIZE`: in bytes.
        Size = "SIZE",
        /// `SUBJECT`: the [base subject](crate::threading::base_subject).
        Subject = "SUBJECT",
        /// `TO`: the mailbox of the first address in the field.
        To = "TO",
        /// `UID`: the unique identifier (Cyrus).
        Uid = "UID",
    }
}

/// `THREAD` and `UID THREAD` ([RFC 5256 section 3](https://www.rfc-editor.org/rfc/rfc5256#section-3)): a search whose
/// result is conversations.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Thread {
    /// How messages are brought together.
    pub algorithm: ThreadAlgorithm,
    /// What is looked for. Its character set is UTF-8 if it has none; it has no `RETURN`.
    pub search: Search,
}

keywords! {
    /// How messages are brought together to conversations.
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    #[non_exhaustive]
    pub enum ThreadAlgorithm {
        /// `ORDEREDSUBJECT`: by their [subjects](crate::threading::ordered_subject).
        OrderedSubject = "ORDEREDSUBJECT",
        /// `REFERENCES`: by [what they refer to](crate::threading::references), and their subjects.
        References = "REFERENCES",
        /// `REFS`: by [what they refer to](crate::threading::refs), the newest conversations last
        /// (draft-ietf-morg-inthread).
        Refs = "REFS",
    }
}

impl SortKey {
    /// In reverse order.
    #[must_use]
    pub const fn reversed(self) -> SortCriterion {
        SortCriterion { key: self, reverse: true }
    }

    /// What a server must have for it, beside SORT.
    fn needs(self) -> Option<Need> {
        Some(match self {
            Self::DisplayFrom | Self::DisplayTo => Need::of(&Capability::SortDisplay),
            Self::ModSeq => Need::of(&Capability::SortModSeq),
            Self::Uid => Need::of(&Capability::SortUid),
            Self::Relevancy => Need::of(&Capability::SearchFuzzy),
            _ => return None,
        })
    }
}

impl From<SortKey> for SortCriterion {
    fn from(key: SortKey) -> Self {
        Self { key, reverse: false }
    }
}

impl Sort {
    /// A `SORT` by `criteria` of the messages that all `keys` are true of.
    #[must_use]
    pub fn new<C: Into<SortCriterion>>(
        criteria: impl IntoIterator<Item = C>,
        keys: impl Into<Vec<SearchKey>>,
    ) -> Self {
        Self { criteria: criteria.into_iter().map(Into::into).collect(), search: Search::new(keys) }
    }

    /// A `UID SORT`.
    #[must_use]
    pub fn by_uid(mut self) -> Self {
        self.search.uid = true;
        self
    }

    /// Asks for these results: `RETURN (...)`. None of them asks for `ALL`.
    #[must_use]
    pub fn with_returns(mut self, returns: impl Into<Vec<SearchReturnOpt>>) -> Self {
        self.search.returns = Some(returns.into());
        self
    }

    /// Why it cannot be asked for so.
    pub(super) fn conflict(&self) -> Option<&'static str> {
        let by_relevancy = self.criteria.iter().any(|criterion| criterion.key == SortKey::Relevancy);
        (by_relevancy && !self.search.keys.iter().any(SearchKey::is_fuzzy)).then_some(RELEVANCY)
    }

    pub(super) fn needs(&self, needs: &mut Needs<'_>) {
        self.criteria.iter().for_each(|criterion| needs.add(criterion.key.needs()));
        self.search.needs(needs);
    }

    /// ```text
    /// sort           = ["UID" SP] "SORT" [search-return-opts] SP sort-criteria SP search-criteria
    /// sort-criteria  = "(" sort-criterion *(SP sort-criterion) ")"
    /// sort-criterion = ["REVERSE" SP] sort-key
    /// ```
    pub(super) fn read(r: &mut Reader<'_>, uid: bool) -> Result<Self, ParseError> {
        r.space()?;
        let returns = read_returns(r)?;
        r.expect(b'(', "expected (")?;
        let mut criteria = Vec::with_capacity(2);
        r.items(|r| {
            let mut start = r.offset();
            let mut name = r.take_class(chars::ATOM);
            let reverse = name.eq_ignore_ascii_case(b"REVERSE");
            if reverse {
                r.space()?;
                start = r.offset();
                name = r.take_class(chars::ATOM);
            }
            let unknown = ParseError::new(start, "unknown sort key").with_kind(ParseErrorKind::Unknown);
            criteria.push(SortCriterion { key: SortKey::of(name).ok_or(unknown)?, reverse });
            Ok(())
        })?;
        if criteria.is_empty() {
            return Err(r.error("expected a sort key"));
        }
        Ok(Self { criteria, search: read_criteria(r, uid, returns)? })
    }

    pub(super) fn write(&self, e: &mut Writer<'_>) {
        e.name(self.search.uid, b"SORT ");
        write_returns(self.search.returns.as_deref(), e);
        e.put(b"(");
        e.spaced(&self.criteria, |e, criterion| {
            if criterion.reverse {
                e.put(b"REVERSE ");
            }
            e.put(criterion.key.as_str().as_bytes());
        });
        if self.criteria.is_empty() {
            e.put(b"ARRIVAL");
        }
        e.put(b")");
        write_criteria(&self.search, e);
    }
}

impl Thread {
    /// A `THREAD` of the messages that all `keys` are true of.
    #[must_use]
    pub fn new(algorithm: ThreadAlgorithm, keys: impl Into<Vec<SearchKey>>) -> Self {
        Self { algorithm, search: Search::new(keys) }
    }

    /// A `UID THREAD`.
    #[must_use]
    pub fn by_uid(mut self) -> Self {
        self.search.uid = true;
        self
    }

    pub(super) fn needs(&self, needs: &mut Needs<'_>) {
        needs.add(Some(match self.algorithm {
            ThreadAlgorithm::OrderedSubject => Need::of(&Capability::ThreadOrderedSubject),
            ThreadAlgorithm::References => Need::of(&Capability::ThreadReferences),
            ThreadAlgorithm::Refs => Need::of(&Capability::ThreadRefs),
        }));
        self.search.needs(needs);
    }

    /// ```text
    /// thread = ["UID" SP] "THREAD" SP thread-alg SP search-criteria
    /// ```
    pub(super) fn read(r: &mut Reader<'_>, uid: bool) -> Result<Self, ParseError> {
        r.space()?;
        let start = r.offset();
        let unknown = ParseError::new(start, "unknown algorithm").with_kind(ParseErrorKind::Unknown);
        let algorithm = ThreadAlgorithm::of(r.take_class(chars::ATOM)).ok_or(unknown)?;
        Ok(Self { algorithm, search: read_criteria(r, uid, None)? })
    }

    pub(super) fn write(&self, e: &mut Writer<'_>) {
        e.name(self.search.uid, b"THREAD ");
        e.put(self.algorithm.as_str().as_bytes());
        write_criteria(&self.search, e);
    }
}

/// ```text
/// search-criteria = charset 1*(SP search-key)
/// charset         = atom / quoted
/// ```
fn read_criteria(
    r: &mut Reader<'_>,
    uid: bool,
    returns: Option<Vec<SearchReturnOpt>>,
) -> Result<Search, ParseError> {
    r.space()?;
    let charset = AString::read(r)?;
    r.space()?;
    let mut search = Search::new(SearchKey::read_all(r)?);
    (search.uid, search.returns, search.charset) = (uid, returns, Some(Box::new(charset)));
    Ok(search)
}

fn write_criteria(search: &Search, e: &mut Writer<'_>) {
    e.put(b" ");
    match &search.charset {
        Some(charset) => e.astring(charset),
        None => e.put(b"UTF-8"),
    }
    e.put(b" ");
    SearchKey::write_all(&search.keys, e);
}
