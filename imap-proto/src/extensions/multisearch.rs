//! MULTISEARCH: one search in several mailboxes ([RFC 7377](https://www.rfc-editor.org/rfc/rfc7377)).
//!
//! Each mailbox in which something is found has an answer of its own, which names it and its UIDVALIDITY:
//! [`ESearchData::mailbox`](crate::response::ESearchData::mailbox). The numbers are always unique identifiers.
//!
//! ```
//! use mailwire_imap::command::{Command, Request, SearchKey, WriteOptions};
//! use mailwire_imap::extensions::{multisearch::ESearch, notify::MailboxFilter};
//! use mailwire_imap::types::{MailboxName, Tag};
//!
//! let folder = MailboxName::new("folder2")?;
//! let search = ESearch::new([MailboxFilter::Inboxes, MailboxFilter::SubtreeOne(vec![folder])], [SearchKey::Unseen]);
//! let mut out = Vec::new();
//! Request { tag: Tag::new("a1")?, command: Command::ESearch(search.into()) }.write(WriteOptions::default(), &mut out);
//! assert_eq!(out, b"a1 ESEARCH IN (INBOXES SUBTREE-ONE folder2) UNSEEN\r\n");
//! # Ok::<(), mailwire_core::Invalid>(())
//! ```

use alloc::vec::Vec;

use mailwire_core::{ParseError, ParseErrorKind};

use super::notify::MailboxFilter;
use crate::{
    command::{Search, SearchKey, SearchReturnOpt, Writer, eat_word},
    types::Reader,
};

/// `ESEARCH`: looks for messages in several mailboxes ([RFC 7377 section
/// 2](https://www.rfc-editor.org/rfc/rfc7377#section-2)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ESearch {
    /// `IN (...)`: the mailboxes to look into; the selected one if there are none.
    /// [`MailboxFilter::SelectedDelayed`] is not possible.
    pub sources: Vec<MailboxFilter>,
    /// What is looked for, and what is told of it: of each mailbox, always by unique identifier.
    pub search: Search,
}

impl ESearch {
    /// Looks into `sources` for messages of which all of `keys` are true.
    #[must_use]
    pub fn new(sources: impl Into<Vec<MailboxFilter>>, keys: impl Into<Vec<SearchKey>>) -> Self {
        Self { sources: sources.into(), search: Search::by_uid(keys) }
    }

    /// Asks for these results of each mailbox: `RETURN (...)`. None of them asks for `ALL`.
    #[must_use]
    pub fn with_returns(mut self, returns: impl Into<Vec<SearchReturnOpt>>) -> Self {
        self.search.returns = Some(returns.into());
        self
    }

    /// Whether the selected mailbox is among those that are looked into.
    #[must_use]
    pub fn names_selected(&self) -> bool {
        self.sources.is_empty() || self.sources.contains(&MailboxFilter::Selected)
    }

    /// Why it cannot be asked for so ([RFC 7377 section
    /// 2.2](https://www.rfc-editor.org/rfc/rfc7377#section-2.2)).
    pub(crate) fn conflict(&self) -> Option<&'static str> {
        for source in &self.sources {
            match source {
                MailboxFilter::SelectedDelayed => return Some("SELECTED-DELAYED is for NOTIFY only"),
                MailboxFilter::Subtree(names)
                | MailboxFilter::SubtreeOne(names)
                | MailboxFilter::Mailboxes(names)
                    if names.is_empty() =>
                {
                    return Some("no mailboxes");
                }
                _ => {}
            }
        }
        let only_selected = self.sources.iter().all(|source| *source == MailboxFilter::Selected);
        let of_selected =
            |option: &SearchReturnOpt| matches!(option, SearchReturnOpt::Save | SearchReturnOpt::Update);
        let asked = self.search.returns.iter().flatten().any(of_selected);
        (asked && !only_selected).then_some("SAVE and UPDATE are for the selected mailbox only")
    }

    /// ```text
    /// esearch             = "ESEARCH" [SP esearch-source-opts] [SP search-return-opts] SP search-program
    /// esearch-source-opts = "IN" SP "(" source-mbox [SP "(" scope-options ")"] ")"
    /// source-mbox         = filter-mailboxes *(SP filter-mailboxes)
    /// ```
    ///
    /// After the name.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let mut sources = Vec::new();
        if eat_word(r, "IN") {
            r.space()?;
            let start = r.offset();
            r.expect(b'(', "expected (")?;
            r.items(|r| {
                if r.peek() == Some(b'(') {
                    let unknown = r.error("unknown scope option");
                    return Err(unknown.with_kind(ParseErrorKind::Unknown));
                }
                sources.push(MailboxFilter::read(r)?);
                Ok(())
            })?;
            if sources.is_empty() {
                return Err(ParseError::new(start, "expected mailboxes"));
            }
            r.space()?;
        }
        Ok(Self { sources, search: Search::read_program(r, true)? })
    }

    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        e.put(b"ESEARCH ");
        if !self.sources.is_empty() {
            e.put(b"IN (");
            e.spaced(&self.sources, |e, source| source.write(e));
            e.put(b") ");
        }
        self.search.write_program(e);
    }
}
