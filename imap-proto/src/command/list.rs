//! LIST.

use alloc::vec::Vec;

use mailwire_core::ParseError;

use super::{StatusItem, encode::Encoder, parse::read_atom};
use crate::types::{Atom, ListPattern, MailboxName, Reader};

/// `LIST` (RFC 9051 section 6.3.9, RFC 5258).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct List {
    /// Which mailboxes; all if there is none.
    pub selection: Vec<ListSelection>,
    /// Where the patterns begin.
    pub reference: MailboxName,
    /// What is asked for.
    pub patterns: ListPatterns,
    /// What is to be told of each.
    pub returns: Vec<ListReturn>,
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
pub enum ListSelection {
    /// `SUBSCRIBED`
    Subscribed,
    /// `REMOTE`
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
pub enum ListReturn {
    /// `SUBSCRIBED`
    Subscribed,
    /// `CHILDREN`
    Children,
    /// `STATUS (...)`: RFC 5819. At least one item.
    Status(Vec<StatusItem>),
    /// `SPECIAL-USE`: RFC 6154.
    SpecialUse,
    /// Another option, of one word.
    Other(Atom),
}

impl List {
    /// Mailboxes like `pattern`.
    #[must_use]
    pub fn new(reference: MailboxName, pattern: ListPattern) -> Self {
        Self { selection: Vec::new(), reference, patterns: pattern.into(), returns: Vec::new() }
    }

    /// ```text
    /// list             = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]
    /// mbox-or-pat      = list-mailbox / patterns
    /// patterns         = "(" list-mailbox *(SP list-mailbox) ")"               ; RFC 5258
    /// list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")"
    /// ```
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let mut selection = Vec::new();
        if r.eat(b'(') {
            r.items(|r| {
                selection.push(ListSelection::read(r)?);
                Ok(())
            })?;
            r.space()?;
        }
        let reference = MailboxName::read(r)?;
        r.space()?;
        let patterns = if r.peek() == Some(b'(') { read_patterns(r)? } else { ListPattern::read(r)?.into() };
        let mut returns = Vec::new();
        if r.peek() == Some(b' ') && r.peek_at(1).is_some_and(|byte| byte != b' ') {
            r.skip(1);
            r.expect_ignore_case("RETURN", "expected RETURN")?;
            r.space()?;
            r.expect(b'(', "expected (")?;
            r.items(|r| {
                returns.push(ListReturn::read(r)?);
                Ok(())
            })?;
        }
        Ok(Self { selection, reference, patterns, returns })
    }

    pub(super) fn write(&self, e: &mut Encoder<'_>) {
        e.put(b"LIST ");
        if !self.selection.is_empty() {
            e.put(b"(");
            e.spaced(&self.selection, |e, option| option.write(e));
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
        if !self.returns.is_empty() {
            e.put(b" RETURN (");
            e.spaced(&self.returns, |e, option| option.write(e));
            e.put(b")");
        }
    }
}

fn read_patterns(r: &mut Reader<'_>) -> Result<ListPatterns, ParseError> {
    let start = r.offset();
    r.skip(1);
    let mut patterns = Vec::new();
    r.items(|r| {
        patterns.push(ListPattern::read(r)?);
        Ok(())
    })?;
    let mut patterns = patterns.into_iter();
    let first = patterns.next().ok_or(ParseError::new(start, "an empty list of patterns"))?;
    Ok(ListPatterns::new(first, patterns))
}

impl ListSelection {
    /// ```text
    /// list-select-opt = "SUBSCRIBED" / "REMOTE" / "RECURSIVEMATCH" / "SPECIAL-USE" / option-extension
    /// ```
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let name = read_atom(r)?;
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        Ok(if is("SUBSCRIBED") {
            Self::Subscribed
        } else if is("REMOTE") {
            Self::Remote
        } else if is("RECURSIVEMATCH") {
            Self::RecursiveMatch
        } else if is("SPECIAL-USE") {
            Self::SpecialUse
        } else {
            Self::Other(name)
        })
    }

    fn write(&self, e: &mut Encoder<'_>) {
        e.put(match self {
            Self::Subscribed => b"SUBSCRIBED",
            Self::Remote => b"REMOTE",
            Self::RecursiveMatch => b"RECURSIVEMATCH",
            Self::SpecialUse => b"SPECIAL-USE",
            Self::Other(name) => name.as_bytes(),
        });
    }
}

impl ListReturn {
    /// ```text
    /// return-option = "SUBSCRIBED" / "CHILDREN" / status-option / "SPECIAL-USE" / option-extension
    /// status-option = "STATUS" SP "(" status-att *(SP status-att) ")"
    /// ```
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let name = read_atom(r)?;
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        Ok(if is("SUBSCRIBED") {
            Self::Subscribed
        } else if is("CHILDREN") {
            Self::Children
        } else if is("STATUS") {
            r.space()?;
            Self::Status(StatusItem::read_list(r)?)
        } else if is("SPECIAL-USE") {
            Self::SpecialUse
        } else {
            Self::Other(name)
        })
    }

    fn write(&self, e: &mut Encoder<'_>) {
        match self {
            Self::Subscribed => e.put(b"SUBSCRIBED"),
            Self::Children => e.put(b"CHILDREN"),
            Self::Status(items) => {
                e.put(b"STATUS ");
                StatusItem::write_list(items, e);
            }
            Self::SpecialUse => e.put(b"SPECIAL-USE"),
            Self::Other(name) => e.put(name.as_bytes()),
        }
    }
}
