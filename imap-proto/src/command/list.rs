//! LIST.

use alloc::{boxed::Box, vec::Vec};

use mailwire_core::{ParseError, ParseErrorKind, keywords};

use super::{
    StatusAtt,
    parse::read_atom,
    rules::{Need, Needs},
    writer::Writer,
};
use crate::{
    capability::Capability,
    extensions::{metadata::EntryName, spaced},
    types::{Atom, ListPattern, MailboxName, Reader},
};

/// `LIST` (RFC 9051 section 6.3.9, RFC 5258).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct List {
    /// Where the patterns begin.
    pub reference: MailboxName,
    /// What is asked for.
    pub patterns: ListPatterns,
    /// What RFC 5258 has added. `None` is the LIST of RFC 3501.
    pub options: Option<Box<ListOptions>>,
}

/// The options of an extended LIST.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ListOptions {
    /// Which mailboxes; all if there is none.
    pub selection: Vec<ListSelectOpt>,
    /// What is to be told of each.
    pub returns: Vec<ListReturnOpt>,
}

/// One pattern or more.
///
/// ```
/// use mailwire_imap::command::ListPatterns;
/// use mailwire_imap::types::ListPattern;
///
/// let patterns = ListPatterns::from(ListPattern::ALL);
/// assert_eq!(patterns[..], [ListPattern::ALL]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPatterns(Repr);

/// The usual one pattern costs no memory of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Repr {
    One([ListPattern; 1]),
    /// More than one.
    Many(Vec<ListPattern>),
}

impl ListPatterns {
    /// `first` and `more`.
    #[must_use]
    pub fn new(first: ListPattern, more: impl IntoIterator<Item = ListPattern>) -> Self {
        let mut more = more.into_iter();
        match more.next() {
            None => Self(Repr::One([first])),
            Some(second) => Self(Repr::Many([first, second].into_iter().chain(more).collect())),
        }
    }
}

impl From<ListPattern> for ListPatterns {
    fn from(pattern: ListPattern) -> Self {
        Self(Repr::One([pattern]))
    }
}

impl core::ops::Deref for ListPatterns {
    type Target = [ListPattern];
    fn deref(&self) -> &[ListPattern] {
        match &self.0 {
            Repr::One(one) => one,
            Repr::Many(many) => many,
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for ListPatterns {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// Which mailboxes LIST selects.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum ListSelectOpt {
    /// `SUBSCRIBED`: those that are subscribed to, there or not.
    Subscribed,
    /// `REMOTE`: those on other servers, too.
    Remote,
    /// `RECURSIVEMATCH`: parents of what is selected, too.
    RecursiveMatch,
    /// `SPECIAL-USE`: RFC 6154.
    SpecialUse,
    /// Another option, of one word.
    Other(Atom),
}

/// What LIST returns.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum ListReturnOpt {
    /// `SUBSCRIBED`: whether each is subscribed to.
    Subscribed,
    /// `CHILDREN`: whether there are others below each.
    Children,
    /// `STATUS (...)`: RFC 5819. At least one item.
    Status(Vec<StatusAtt>),
    /// `SPECIAL-USE`: RFC 6154.
    SpecialUse,
    /// `MYRIGHTS`: the user's rights to each ([RFC 8440](https://www.rfc-editor.org/rfc/rfc8440)).
    MyRights,
    /// `METADATA (...)`: these annotations of each, at least one ([RFC
    /// 9590](https://www.rfc-editor.org/rfc/rfc9590)).
    Metadata(Vec<EntryName>),
    /// Another option, of one word.
    Other(Atom),
}

impl List {
    /// Mailboxes like `pattern`.
    #[must_use]
    pub fn new(reference: MailboxName, pattern: ListPattern) -> Self {
        Self { reference, patterns: pattern.into(), options: None }
    }

    /// Only mailboxes of this kind, too.
    #[must_use]
    pub fn selecting(mut self, options: impl IntoIterator<Item = ListSelectOpt>) -> Self {
        for option in options {
            self.options.get_or_insert_default().selection.push(option);
        }
        self
    }

    /// With this told of each, too.
    #[must_use]
    pub fn returning(mut self, options: impl IntoIterator<Item = ListReturnOpt>) -> Self {
        for option in options {
            self.options.get_or_insert_default().returns.push(option);
        }
        self
    }

    /// Which mailboxes; all if there is none.
    #[must_use]
    pub fn selection(&self) -> &[ListSelectOpt] {
        self.options.as_ref().map_or(&[], |options| &options.selection)
    }

    /// What is to be told of each.
    #[must_use]
    pub fn returns(&self) -> &[ListReturnOpt] {
        self.options.as_ref().map_or(&[], |options| &options.returns)
    }

    /// What a server must have for the options and the patterns.
    pub(super) fn needs(&self, needs: &mut Needs<'_>) {
        let extended = self.options.is_some() || self.patterns.len() > 1;
        needs.add(extended.then(|| Need::one_of(&[Capability::ListExtended, Capability::Imap4Rev2])));
        self.selection().iter().for_each(|option| needs.add(option.needs()));
        for option in self.returns() {
            needs.add(option.needs());
            if let ListReturnOpt::Status(items) = option {
                items.iter().for_each(|item| needs.add(item.needs()));
            }
        }
    }

    /// ```text
    /// list             = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]
    /// mbox-or-pat      = list-mailbox / patterns
    /// patterns         = "(" list-mailbox *(SP list-mailbox) ")"               ; RFC 5258
    /// list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")"
    /// ```
    #[inline]
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let mut options = if r.peek() == Some(b'(') { read_selection(r)? } else { None };
        let reference = MailboxName::read(r)?;
        r.space()?;
        let patterns = if r.peek() == Some(b'(') { read_patterns(r)? } else { ListPattern::read(r)?.into() };
        if r.peek() == Some(b' ') {
            read_returns(r, &mut options)?;
        }
        Ok(Self { reference, patterns, options })
    }

    // Another caller would move it out of line, which is some per cent of a LIST (imap/write-list).
    #[inline(always)]
    pub(super) fn write(&self, e: &mut Writer<'_>) {
        e.put(b"LIST ");
        if !self.selection().is_empty() {
            e.put(b"(");
            e.spaced(self.selection(), |e, option| option.write(e));
            e.put(b") ");
        }
        e.mailbox(&self.reference);
        e.put(b" ");
        match &*self.patterns {
            [pattern] => e.pattern(pattern),
            patterns => {
                e.put(b"(");
                e.spaced(patterns, |e, pattern| e.pattern(pattern));
                e.put(b")");
            }
        }
        if !self.returns().is_empty() {
            e.put(b" RETURN (");
            e.spaced(self.returns(), |e, option| option.write(e));
            e.put(b")");
        }
    }
}

/// What stands in parentheses belongs to an option that is not known.
#[cold]
fn unknown_option(name_at: usize) -> ParseError {
    ParseError::new(name_at, "unknown LIST option").with_kind(ParseErrorKind::Unknown)
}

#[inline(never)]
fn read_selection(r: &mut Reader<'_>) -> Result<Option<Box<ListOptions>>, ParseError> {
    r.skip(1);
    let mut name_at = r.offset();
    let mut options: Option<Box<ListOptions>> = None;
    r.items(|r| {
        if r.peek() == Some(b'(') {
            return Err(unknown_option(name_at));
        }
        name_at = r.offset();
        options.get_or_insert_default().selection.push(ListSelectOpt::read(r)?);
        Ok(())
    })?;
    r.space()?;
    Ok(options)
}

#[inline(never)]
fn read_returns(r: &mut Reader<'_>, options: &mut Option<Box<ListOptions>>) -> Result<(), ParseError> {
    if r.peek_at(1).is_none_or(|byte| byte == b' ') {
        // Spaces at the end of the line.
        return Ok(());
    }
    r.skip(1);
    r.expect_ignore_case("RETURN", "expected RETURN")?;
    r.space()?;
    r.expect(b'(', "expected (")?;
    let mut name_at = r.offset();
    r.items(|r| {
        if r.peek() == Some(b'(') {
            return Err(unknown_option(name_at));
        }
        name_at = r.offset();
        options.get_or_insert_default().returns.push(ListReturnOpt::read(r)?);
        Ok(())
    })
}

#[inline(never)]
fn read_patterns(r: &mut Reader<'_>) -> Result<ListPatterns, ParseError> {
    let start = r.offset();
    r.skip(1);
    let patterns = r.list_of(ListPattern::read)?;
    let mut patterns = patterns.into_iter();
    let first = patterns.next().ok_or(ParseError::new(start, "an empty list of patterns"))?;
    Ok(ListPatterns::new(first, patterns))
}

impl ListSelectOpt {
    /// What a server must have for it, beside LIST-EXTENDED.
    fn needs(&self) -> Option<Need> {
        matches!(self, Self::SpecialUse).then(|| Need::of(&Capability::SpecialUse))
    }

    /// ```text
    /// list-select-opt = "SUBSCRIBED" / "REMOTE" / "RECURSIVEMATCH" / "SPECIAL-USE" / option-extension
    /// ```
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let name = read_atom(r)?;
        Ok(match Selection::of(name.as_bytes()) {
            Some(Selection::Subscribed) => Self::Subscribed,
            Some(Selection::Remote) => Self::Remote,
            Some(Selection::RecursiveMatch) => Self::RecursiveMatch,
            Some(Selection::SpecialUse) => Self::SpecialUse,
            None => Self::Other(name),
        })
    }

    fn write(&self, e: &mut Writer<'_>) {
        let name = match self {
            Self::Subscribed => Selection::Subscribed,
            Self::Remote => Selection::Remote,
            Self::RecursiveMatch => Selection::RecursiveMatch,
            Self::SpecialUse => Selection::SpecialUse,
            Self::Other(name) => return e.put(name.as_bytes()),
        };
        e.put(name.as_str().as_bytes());
    }
}

keywords! {
    enum Selection {
        Subscribed = "SUBSCRIBED",
        Remote = "REMOTE",
        RecursiveMatch = "RECURSIVEMATCH",
        SpecialUse = "SPECIAL-USE",
    }
}

impl ListReturnOpt {
    /// What a server must have for it, beside LIST-EXTENDED.
    fn needs(&self) -> Option<Need> {
        Some(match self {
            Self::Status(_) => Need::one_of(&[Capability::ListStatus, Capability::Imap4Rev2]),
            Self::SpecialUse => Need::of(&Capability::SpecialUse),
            Self::MyRights => Need::of(&Capability::ListMyRights),
            Self::Metadata(_) => Need::of(&Capability::ListMetadata),
            Self::Subscribed | Self::Children | Self::Other(_) => return None,
        })
    }

    /// ```text
    /// return-option = "SUBSCRIBED" / "CHILDREN" / status-option / "SPECIAL-USE" / "MYRIGHTS" /
    ///                 metadata-option / option-extension
    /// status-option = "STATUS" SP "(" status-att *(SP status-att) ")"
    /// metadata-option = "METADATA" SP "(" entry *(SP entry) ")"                ; RFC 9590
    /// ```
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let name = read_atom(r)?;
        Ok(match Return::of(name.as_bytes()) {
            Some(Return::Subscribed) => Self::Subscribed,
            Some(Return::Children) => Self::Children,
            Some(Return::Status) => Self::Status(spaced(r, StatusAtt::read_list)?),
            Some(Return::MyRights) => Self::MyRights,
            Some(Return::Metadata) => Self::Metadata(spaced(r, EntryName::read_list)?),
            Some(Return::SpecialUse) => Self::SpecialUse,
            None => Self::Other(name),
        })
    }

    fn write(&self, e: &mut Writer<'_>) {
        let name = match self {
            Self::Subscribed => Return::Subscribed,
            Self::Children => Return::Children,
            Self::Status(_) => Return::Status,
            Self::MyRights => Return::MyRights,
            Self::Metadata(_) => Return::Metadata,
            Self::SpecialUse => Return::SpecialUse,
            Self::Other(name) => return e.put(name.as_bytes()),
        };
        e.put(name.as_str().as_bytes());
        match self {
            Self::Status(items) => {
                e.put(b" ");
                StatusAtt::write_list(items, e);
            }
            Self::Metadata(entries) => {
                e.put(b" ");
                EntryName::write_list(entries, e);
            }
            _ => {}
        }
    }
}

keywords! {
    enum Return {
        Subscribed = "SUBSCRIBED",
        Children = "CHILDREN",
        Status = "STATUS",
        MyRights = "MYRIGHTS",
        Metadata = "METADATA",
        SpecialUse = "SPECIAL-USE",
    }
}
