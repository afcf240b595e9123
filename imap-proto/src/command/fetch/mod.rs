//! FETCH.

mod att;

use alloc::vec::Vec;

use mailwire_core::{ParseError, ParseErrorKind, keywords, setters};

pub use self::att::FetchAtt;
use super::{
    Messages,
    rules::{Need, Needs},
    writer::Writer,
};
use crate::capability::Capability;
use crate::extensions::condstore;
use crate::types::{ModSeq, PartialRange, Reader, chars};

/// `FETCH` and `UID FETCH` (RFC 9051 section 6.4.5).
///
/// ```
/// use mailwire_imap::command::{Fetch, FetchAtt};
/// use mailwire_imap::types::{ModSeq, UidSet};
///
/// let fetch = Fetch::new(UidSet::all(), [FetchAtt::Flags]);
/// let changed = fetch.with_since(ModSeq::new(715_194_045_007).unwrap().into());
/// # let _ = changed;
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Fetch {
    /// Which messages; UIDs make it `UID FETCH`.
    pub messages: Messages,
    /// What of them.
    pub items: FetchAtts,
    /// Only those that changed, and the ones that are gone.
    pub since: Option<Since>,
    /// Only a part of the messages, by their places among them: with UIDs only
    /// ([RFC 9394 section 3.3](https://www.rfc-editor.org/rfc/rfc9394#section-3.3)).
    pub partial: Option<PartialRange>,
}

/// Which changes FETCH asks for (RFC 7162 sections 3.1.4.1 and 3.2.6).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Since {
    /// `CHANGEDSINCE`: messages that changed.
    Changed(ModSeq),
    /// `CHANGEDSINCE`, `VANISHED`: and those that are gone. With UIDs and QRESYNC only.
    ChangedOrVanished(ModSeq),
}

impl From<ModSeq> for Since {
    fn from(mod_seq: ModSeq) -> Self {
        Self::Changed(mod_seq)
    }
}

/// ```text
/// fetch-modifiers = SP "(" fetch-modifier *(SP fetch-modifier) ")"   ; RFC 4466
/// fetch-modifier  = "CHANGEDSINCE" SP mod-sequence-value / "VANISHED" ; RFC 7162
/// fetch-modifier  =/ "PARTIAL" SP partial-range                       ; RFC 9394
/// ```
#[cold]
fn read_modifiers(
    r: &mut Reader<'_>,
    uid: bool,
) -> Result<(Option<Since>, Option<PartialRange>), ParseError> {
    if r.peek() != Some(b' ') || r.peek_at(1) != Some(b'(') {
        return Ok((None, None));
    }
    r.skip(2);
    let (start, mut changed, mut vanished, mut partial) = (r.offset(), None, false, None);
    r.items(|r| {
        let at = r.offset();
        match Modifier::of(r.take_class(chars::ATOM)) {
            Some(Modifier::ChangedSince) if changed.is_none() => {
                r.space()?;
                changed = Some(ModSeq::read(r)?);
            }
            Some(Modifier::Vanished) if uid => vanished = true,
            Some(Modifier::Partial) if uid && partial.is_none() => {
                r.space()?;
                partial = Some(PartialRange::read(r)?);
            }
            Some(_) => return Err(ParseError::new(at, "not a FETCH modifier here")),
            None => {
                return Err(ParseError::new(at, "unknown FETCH modifier").with_kind(ParseErrorKind::Unknown));
            }
        }
        Ok(())
    })?;
    let since = match changed {
        Some(mod_seq) if vanished => Some(Since::ChangedOrVanished(mod_seq)),
        Some(mod_seq) => Some(Since::Changed(mod_seq)),
        None if vanished || partial.is_none() => {
            return Err(ParseError::new(start, "expected CHANGEDSINCE"));
        }
        None => None,
    };
    Ok((since, partial))
}

keywords! {
    enum Modifier { ChangedSince = "CHANGEDSINCE", Partial = "PARTIAL", Vanished = "VANISHED" }
}

/// What FETCH asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum FetchAtts {
    /// `ALL`: FLAGS, INTERNALDATE, RFC822.SIZE and ENVELOPE.
    All,
    /// `FAST`: the same without ENVELOPE.
    Fast,
    /// `FULL`: that of `ALL` and BODY.
    Full,
    /// These, at least one.
    List(Vec<FetchAtt>),
}

impl Fetch {
    /// Asks for `items` of these messages.
    #[must_use]
    pub fn new(messages: impl Into<Messages>, items: impl Into<FetchAtts>) -> Self {
        Self { messages: messages.into(), items: items.into(), since: None, partial: None }
    }

    /// What a server must have for the options and items.
    #[inline]
    pub(super) fn needs(&self, needs: &mut Needs<'_>) {
        needs.add(self.since.map(|since| match since {
            Since::Changed(_) => condstore::needs_condstore(),
            Since::ChangedOrVanished(_) => condstore::needs_qresync(),
        }));
        needs.add(self.partial.map(|_| Need::of(&Capability::Partial)));
        needs.add(self.messages.needs());
        if let FetchAtts::List(items) = &self.items {
            items.iter().for_each(|item| needs.add(item.needs()));
        }
    }

    /// ```text
    /// fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att /
    ///         "(" fetch-att *(SP fetch-att) ")")
    /// ```
    pub(super) fn read(r: &mut Reader<'_>, uid: bool) -> Result<Self, ParseError> {
        r.space()?;
        let messages = Messages::read(r, uid)?;
        r.space()?;
        let items = FetchAtts::read(r)?;
        let (since, partial) = if r.is_at_end() { (None, None) } else { read_modifiers(r, uid)? };
        Ok(Self { messages, items, since, partial })
    }

    pub(super) fn write(&self, e: &mut Writer<'_>) {
        e.name(self.messages.is_uid(), b"FETCH ");
        self.messages.write(e.out);
        e.put(b" ");
        self.write_items(e);
        if self.since.is_some() || self.partial.is_some() {
            self.write_modifiers(e);
        }
    }

    #[cold]
    fn write_modifiers(&self, e: &mut Writer<'_>) {
        let by_uid = self.messages.is_uid();
        let mut before: &[u8] = b" (";
        if let Some(Since::Changed(mod_seq) | Since::ChangedOrVanished(mod_seq)) = self.since {
            e.put(b" (CHANGEDSINCE ");
            e.number(mod_seq.get());
            if by_uid && matches!(self.since, Some(Since::ChangedOrVanished(_))) {
                e.put(b" VANISHED");
            }
            before = b" ";
        }
        if let Some(partial) = self.partial.filter(|_| by_uid) {
            e.put(before);
            e.put(b"PARTIAL ");
            partial.write(e.out);
            before = b" ";
        }
        if before == b" " {
            e.put(b")");
        }
    }

    fn write_items(&self, e: &mut Writer<'_>) {
        match &self.items {
            FetchAtts::All => e.put(b"ALL"),
            FetchAtts::Fast => e.put(b"FAST"),
            FetchAtts::Full => e.put(b"FULL"),
            FetchAtts::List(items) => {
                let alone = matches!(items.as_slice(), [item] if !item.has_arguments());
                if !alone {
                    e.put(b"(");
                }
                e.spaced(items, |e, item| item.write(e));
                if !alone {
                    e.put(b")");
                }
            }
        }
    }
}

setters!(Fetch {
    with_since(since: some Since),
    with_partial(partial: some PartialRange),
});

impl From<Vec<FetchAtt>> for FetchAtts {
    fn from(items: Vec<FetchAtt>) -> Self {
        Self::List(items)
    }
}

impl<const N: usize> From<[FetchAtt; N]> for FetchAtts {
    fn from(items: [FetchAtt; N]) -> Self {
        Self::List(items.into())
    }
}

impl From<FetchAtt> for FetchAtts {
    fn from(item: FetchAtt) -> Self {
        Self::List(alloc::vec![item])
    }
}

impl FetchAtts {
    #[inline(always)]
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        if r.eat(b'(') {
            let mut items = Vec::with_capacity(6);
            r.items(|r| FetchAtt::read(r, true, &mut items))?;
            if items.is_empty() {
                return Err(r.error("an empty list of items"));
            }
            return Ok(Self::List(items));
        }
        let mut items = Vec::with_capacity(1);
        FetchAtt::read(r, false, &mut items)?;
        Ok(match items.as_slice() {
            [FetchAtt::Other(item)] if item.name.eq_ignore_ascii_case("ALL") => Self::All,
            [FetchAtt::Other(item)] if item.name.eq_ignore_ascii_case("FAST") => Self::Fast,
            [FetchAtt::Other(item)] if item.name.eq_ignore_ascii_case("FULL") => Self::Full,
            _ => Self::List(items),
        })
    }
}
