//! ESEARCH.

use alloc::{boxed::Box, vec::Vec};

use mailwire_core::{Dialect, ParseError, ParseErrorKind, Text, setters};

use crate::{
    deviation,
    types::{
        Atom, ImapString, KnownNumbers, MailboxName, ModSeq, PartialRange, RawValue, Reader, UidValidity,
        chars, eat_nil, read_astring, read_mod_seq, write_number, write_spaced, write_string,
    },
};

/// The messages found, and what else was asked about them (RFC 9051 section 7.3.4, RFC 4731).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ESearchData {
    /// The tag of the command that this answers.
    pub tag: Option<ImapString>,
    /// The mailbox that was searched, if several were.
    pub mailbox: Option<Box<SearchedMailbox>>,
    /// Whether the numbers are unique identifiers.
    pub uid: bool,
    /// The results.
    pub items: Vec<SearchReturnData>,
}

/// One result of ESEARCH.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum SearchReturnData {
    /// `MIN`: the lowest number found. 0, which is none, is not written.
    Min(u32),
    /// `MAX`: the highest number found. 0, which is none, is not written.
    Max(u32),
    /// `COUNT`: how many were found.
    Count(u32),
    /// `ALL`: all numbers found.
    All(KnownNumbers),
    /// `MODSEQ`: the highest modification sequence among them (RFC 7162).
    ModSeq(ModSeq),
    /// `PARTIAL`: the numbers in a part of the result
    /// ([RFC 9394 section 3.1](https://www.rfc-editor.org/rfc/rfc9394#section-3.1)).
    Partial {
        /// The part that was asked for.
        range: PartialRange,
        /// The numbers, in the order of the result. `None`: it lies beyond the result.
        found: Option<KnownNumbers>,
    },
    /// `ADDTO`: what came into a result that is kept up to date
    /// ([RFC 5267 section 4.3.3](https://www.rfc-editor.org/rfc/rfc5267#section-4.3.3)).
    AddTo(Vec<ContextChange>),
    /// `REMOVEFROM`: what left a result that is kept up to date
    /// ([RFC 5267 section 4.3.4](https://www.rfc-editor.org/rfc/rfc5267#section-4.3.4)).
    RemoveFrom(Vec<ContextChange>),
    /// `RELEVANCY`: how well each message fits what was looked for, from 1 to 100, in the order of the result
    /// ([RFC 6203 section 4](https://www.rfc-editor.org/rfc/rfc6203#section-4)).
    Relevancy(Vec<u8>),
    /// A result that this crate does not know.
    Other {
        /// Its name.
        name: Atom,
        /// Its value.
        value: RawValue,
    },
}

/// One change of a result that is kept up to date
/// ([RFC 5267 section 4.3.2](https://www.rfc-editor.org/rfc/rfc5267#section-4.3.2)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ContextChange {
    /// The place in the result of the first number, from 1 on; 0 where the result is in the order of the mailbox.
    pub position: u32,
    /// The numbers, in the order of the result.
    pub numbers: KnownNumbers,
}

impl ContextChange {
    /// Makes a change: `numbers` at `position`.
    #[must_use]
    pub const fn new(position: u32, numbers: KnownNumbers) -> Self {
        Self { position, numbers }
    }
}

/// The mailbox that a result is about, from a search of several
/// ([RFC 7377 section 2.1](https://www.rfc-editor.org/rfc/rfc7377#section-2.1)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SearchedMailbox {
    /// Its name.
    pub name: MailboxName,
    /// Its UIDVALIDITY.
    pub uid_validity: UidValidity,
}

impl SearchedMailbox {
    /// Makes a mailbox that was searched.
    #[must_use]
    pub const fn new(name: MailboxName, uid_validity: UidValidity) -> Self {
        Self { name, uid_validity }
    }
}

impl ESearchData {
    /// Makes results; `uid`: whether the numbers are unique identifiers.
    #[must_use]
    pub fn new(uid: bool, items: impl Into<Vec<SearchReturnData>>) -> Self {
        Self { tag: None, mailbox: None, uid, items: items.into() }
    }

    /// The set of `ALL`.
    #[inline]
    #[must_use]
    pub fn all(&self) -> Option<&KnownNumbers> {
        self.items.iter().find_map(|item| match item {
            SearchReturnData::All(set) => Some(set),
            _ => None,
        })
    }

    /// ```text
    /// esearch-response   = "ESEARCH" [search-correlator] [SP "UID"] *(SP search-return-data)
    /// search-correlator  = SP "(" one-correlator *(SP one-correlator) ")"          ; RFC 7377
    /// one-correlator     = ("TAG" SP tag-string) / ("MAILBOX" SP astring) / ("UIDVALIDITY" SP nz-number)
    /// search-return-data = "MIN" SP nz-number / "MAX" SP nz-number / "ALL" SP sequence-set /
    ///                      "COUNT" SP number / search-ret-data-ext
    /// search-return-data =/ ret-data-partial / ret-data-addto / ret-data-removefrom ; RFC 5267
    /// search-return-data =/ "RELEVANCY" SP score-list                               ; RFC 6203
    /// ```
    ///
    /// The name was read. Lenient: spaces; `ALL` without a set; a lowest or highest number of 0, which
    /// is left out.
    ///
    /// What cannot be read, and all after it, is left out.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let mut found = Self::default();
        loop {
            let start = r.offset();
            match found.read_next(r) {
                Ok(true) => {}
                Ok(false) => return Ok(found),
                Err(error) if r.dialect() == Dialect::Strict || error.kind == ParseErrorKind::TooDeep => {
                    return Err(error);
                }
                // Nothing of it is known: no answer is told from an empty one.
                Err(error) if found.items.is_empty() => return Err(error),
                Err(_) => {
                    r.rewind(start);
                    r.deviate(deviation::SURPLUS_DATA)?;
                    r.skip(usize::MAX);
                    return Ok(found);
                }
            }
        }
    }

    /// Reads the next part; whether there was one.
    fn read_next(&mut self, r: &mut Reader<'_>) -> Result<bool, ParseError> {
        if r.is_at_end() {
            return Ok(false);
        }
        let start = r.offset();
        r.space()?;
        if r.is_at_end() {
            return r.deviate_at(start, deviation::SPACE_BEFORE_LINE_END).map(|()| false);
        }
        let start = r.offset();
        if r.eat(b'(') {
            return self.read_correlators(r).map(|()| true);
        }
        let name = r.take_class(chars::LABEL);
        let is = |known: &str| chars::is_name(name, known);
        if is("UID") {
            self.uid = true;
            return Ok(true);
        }
        if name.is_empty() {
            return Err(r.error("expected a search result"));
        }
        let name_end = r.offset();
        if is("ALL") && r.rest().iter().all(|&byte| byte == b' ') {
            r.deviate(deviation::MISSING_VALUE)?;
            return Ok(true);
        }
        r.space()?;
        if is("MODSEQ") {
            self.items.extend(read_mod_seq(r)?.map(SearchReturnData::ModSeq));
            return Ok(true);
        }
        if is("MIN") || is("MAX") {
            let item = if is("MIN") { SearchReturnData::Min } else { SearchReturnData::Max };
            let start = r.offset();
            match r.number_u32()? {
                0 => r.deviate_at(start, deviation::ZERO_FOR_MESSAGE_NUMBER)?,
                number => self.items.push(item(number)),
            }
            return Ok(true);
        }
        self.items.push(if is("COUNT") {
            SearchReturnData::Count(r.number_u32()?)
        } else if is("ALL") {
            SearchReturnData::All(KnownNumbers::read(r)?)
        } else if is("PARTIAL") {
            read_partial(r)?
        } else if is("ADDTO") {
            SearchReturnData::AddTo(read_changes(r)?)
        } else if is("REMOVEFROM") {
            SearchReturnData::RemoveFrom(read_changes(r)?)
        } else if is("RELEVANCY") {
            SearchReturnData::Relevancy(read_scores(r)?)
        } else {
            let name = Text::from(r.slice(start, name_end));
            SearchReturnData::Other { name: Atom::unchecked(name), value: RawValue::read(r)? }
        });
        Ok(true)
    }

    /// After the `(`. A mailbox is told only with its UIDVALIDITY.
    pub(crate) fn read_correlators(&mut self, r: &mut Reader<'_>) -> Result<(), ParseError> {
        let (mut mailbox, mut uid_validity) = (None, None);
        r.items(|r| {
            let name = r.take_class(chars::LABEL);
            let is = |known: &str| chars::is_name(name, known);
            if name.is_empty() {
                return RawValue::read(r).map(drop);
            }
            r.space()?;
            if is("TAG") {
                self.tag = Some(read_astring(r)?);
            } else if is("MAILBOX") {
                mailbox = Some(MailboxName::read(r)?);
            } else if is("UIDVALIDITY") {
                let start = r.offset();
                uid_validity = UidValidity::new(r.number_u32()?);
                if uid_validity.is_none() {
                    r.deviate_at(start, deviation::ZERO_FOR_UIDVALIDITY)?;
                }
            } else {
                RawValue::read(r)?;
            }
            Ok(())
        })?;
        if let (Some(name), Some(uid_validity)) = (mailbox, uid_validity) {
            self.mailbox = Some(Box::new(SearchedMailbox { name, uid_validity }));
        }
        Ok(())
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"ESEARCH");
        let mut before: &[u8] = b" (";
        if let Some(tag) = &self.tag {
            out.extend_from_slice(b" (TAG ");
            // Between quotes, as the examples of the RFC have it.
            write_string(out, tag.as_bytes());
            before = b" ";
        }
        if let Some(mailbox) = &self.mailbox {
            out.extend_from_slice(before);
            out.extend_from_slice(b"MAILBOX ");
            mailbox.name.write(out);
            out.extend_from_slice(b" UIDVALIDITY ");
            write_number(out, u64::from(mailbox.uid_validity.get()));
            before = b" ";
        }
        if before == b" " {
            out.push(b')');
        }
        if self.uid {
            out.extend_from_slice(b" UID");
        }
        for item in &self.items {
            let (name, number): (&[u8], _) = match item {
                SearchReturnData::Min(0) | SearchReturnData::Max(0) => continue,
                SearchReturnData::Min(number) => (b" MIN ", u64::from(*number)),
                SearchReturnData::Max(number) => (b" MAX ", u64::from(*number)),
                SearchReturnData::Count(number) => (b" COUNT ", u64::from(*number)),
                SearchReturnData::ModSeq(value) => (b" MODSEQ ", value.get()),
                SearchReturnData::All(set) => {
                    out.extend_from_slice(b" ALL ");
                    set.write(out);
                    continue;
                }
                SearchReturnData::Partial { range, found } => {
                    write_partial(out, *range, found.as_ref());
                    continue;
                }
                SearchReturnData::AddTo(changes) => {
                    write_changes(out, b" ADDTO (", changes);
                    continue;
                }
                SearchReturnData::RemoveFrom(changes) => {
                    write_changes(out, b" REMOVEFROM (", changes);
                    continue;
                }
                SearchReturnData::Relevancy(scores) => {
                    write_scores(out, scores);
                    continue;
                }
                SearchReturnData::Other { name, value } => {
                    if value.is_complete() {
                        out.push(b' ');
                        out.extend_from_slice(name.as_bytes());
                        out.push(b' ');
                        value.write(out);
                    }
                    continue;
                }
            };
            out.extend_from_slice(name);
            write_number(out, number);
        }
    }
}

setters!(ESearchData {
    with_tag(tag: Option<ImapString>),
    with_mailbox(mailbox: some boxed SearchedMailbox),
});

/// ```text
/// ret-data-partial = "PARTIAL" SP "(" partial-range SP partial-results ")"
/// partial-results  = sequence-set / "NIL"
/// ```
fn read_partial(r: &mut Reader<'_>) -> Result<SearchReturnData, ParseError> {
    r.expect(b'(', "expected (")?;
    r.no_space()?;
    let range = PartialRange::read(r)?;
    r.space()?;
    let found = if eat_nil(r) { None } else { Some(KnownNumbers::read(r)?) };
    r.no_space()?;
    r.expect(b')', "expected )")?;
    Ok(SearchReturnData::Partial { range, found })
}

fn write_partial(out: &mut Vec<u8>, range: PartialRange, found: Option<&KnownNumbers>) {
    out.extend_from_slice(b" PARTIAL (");
    range.write(out);
    out.push(b' ');
    match found {
        Some(found) => found.write(out),
        None => out.extend_from_slice(b"NIL"),
    }
    out.push(b')');
}

/// ```text
/// ret-data-addto = "ADDTO" SP "(" context-position SP sequence-set *(SP context-position SP sequence-set) ")"
/// ```
fn read_changes(r: &mut Reader<'_>) -> Result<Vec<ContextChange>, ParseError> {
    r.expect(b'(', "expected (")?;
    let mut changes = Vec::new();
    r.items(|r| {
        let position = r.number_u32()?;
        r.space()?;
        changes.push(ContextChange { position, numbers: KnownNumbers::read(r)? });
        Ok(())
    })?;
    if changes.is_empty() { Err(r.error("expected a position")) } else { Ok(changes) }
}

/// Nothing, if there are none.
fn write_changes(out: &mut Vec<u8>, name: &[u8], changes: &[ContextChange]) {
    for (at, change) in changes.iter().enumerate() {
        out.extend_from_slice(if at == 0 { name } else { b" " });
        write_number(out, u64::from(change.position));
        out.push(b' ');
        change.numbers.write(out);
    }
    if !changes.is_empty() {
        out.push(b')');
    }
}

/// ```text
/// score      = 1*3DIGIT                      ; (1 <= n <= 100)
/// score-list = "(" [score *(SP score)] ")"
/// ```
fn read_scores(r: &mut Reader<'_>) -> Result<Vec<u8>, ParseError> {
    r.expect(b'(', "expected (")?;
    let mut scores = Vec::new();
    r.items(|r| {
        let start = r.offset();
        match u8::try_from(r.number_u32()?) {
            Ok(score @ 1..=100) => scores.push(score),
            _ => {
                return Err(ParseError::new(start, "not from 1 to 100").with_kind(ParseErrorKind::OutOfRange));
            }
        }
        Ok(())
    })?;
    Ok(scores)
}

fn write_scores(out: &mut Vec<u8>, scores: &[u8]) {
    out.extend_from_slice(b" RELEVANCY (");
    write_spaced(out, scores, |out, score| write_number(out, u64::from((*score).clamp(1, 100))));
    out.push(b')');
}
