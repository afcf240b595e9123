//! Flags of messages and attributes of mailboxes.

use alloc::vec::Vec;
use core::fmt;

use mailwire_core::{Invalid, ParseError, Text};

use super::{
    chars,
    reader::Reader,
    string::{Atom, checked, read_string},
    text::display,
};
use crate::deviation;

macro_rules! known {
    (
        $(#[$doc:meta])* $name:ident;
        $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)*
        ---
        $($(#[$other_doc:meta])* $other:ident($other_type:ty),)*
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            $($(#[$other_doc])* $other($other_type),)*
        }

        impl $name {
            /// All that have a name here.
            pub(crate) const KNOWN: &'static [(&'static str, Self)] = &[$(($text, Self::$variant)),*];

            /// The bit of one that is listed here, in a set.
            #[inline]
            pub(super) const fn bit(&self) -> Option<u32> {
                #[allow(dead_code)]
                enum Order { $($variant,)* }
                match self {
                    $(Self::$variant => Some(1 << Order::$variant as u32),)*
                    _ => None,
                }
            }

            /// The name of one that is listed here.
            const fn known_name(&self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some($text),)*
                    _ => None,
                }
            }

            /// Whether the grammar has no form for it.
            pub(crate) const fn is_malformed(&self) -> bool {
                matches!(self, Self::Malformed(_))
            }

            /// Appends the name.
            pub(crate) fn write(&self, out: &mut Vec<u8>) {
                match self.known_name() {
                    Some(name) => out.extend_from_slice(name.as_bytes()),
                    None => self.write_other(out),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                display(f, &|out| self.write(out))
            }
        }

        impl TryFrom<&str> for $name {
            type Error = Invalid;
            #[inline]
            fn try_from(name: &str) -> Result<Self, Invalid> {
                Self::new(name)
            }
        }
    };
}

known! {
    /// A flag of a message (RFC 9051 section 2.3.2).
    ///
    /// ```text
    /// flag           = "\Answered" / "\Flagged" / "\Deleted" / "\Seen" / "\Draft" / flag-keyword / flag-extension
    /// flag-extension = "\" atom
    /// flag-keyword   = "$MDNSent" / "$Forwarded" / "$Junk" / "$NotJunk" / "$Phishing" / atom
    /// ```
    Flag;
    /// `\Seen`: it has been read.
    Seen = "\\Seen",
    /// `\Answered`: it has been answered.
    Answered = "\\Answered",
    /// `\Flagged`: it is urgent or special.
    Flagged = "\\Flagged",
    /// `\Deleted`: EXPUNGE will remove it.
    Deleted = "\\Deleted",
    /// `\Draft`: it is not finished.
    Draft = "\\Draft",
    /// `\Recent`: this session is the first to hear of it (RFC 3501). No client can set it.
    Recent = "\\Recent",
    /// `$Forwarded`: it has been forwarded.
    Forwarded = "$Forwarded",
    /// `$MDNSent`: a disposition notification has been sent.
    MdnSent = "$MDNSent",
    /// `$Junk`: the user says that it is junk.
    Junk = "$Junk",
    /// `$NotJunk`: the user says that it is not junk.
    NotJunk = "$NotJunk",
    /// `$Phishing`: it is a trap.
    Phishing = "$Phishing",
    /// `$Important`: it is likely important (RFC 8457).
    Important = "$Important",
    /// `$SubmitPending`: it is about to be submitted (RFC 5550).
    SubmitPending = "$SubmitPending",
    /// `$Submitted`: it has been submitted (RFC 5550).
    Submitted = "$Submitted",
    /// `$autosent`: it was sent by a program, as a vacation notice is (RFC 9979).
    AutoSent = "$autosent",
    /// `$canunsubscribe`: it belongs to a mailing list that can be left (RFC 9979).
    CanUnsubscribe = "$canunsubscribe",
    /// `$followed`: the user follows its conversation (RFC 9979).
    Followed = "$followed",
    /// `$hasattachment`: it has an attachment (RFC 9979).
    HasAttachment = "$hasattachment",
    /// `$hasmemo`: the user has a note about it (RFC 9979).
    HasMemo = "$hasmemo",
    /// `$hasnoattachment`: it has no attachment (RFC 9979).
    HasNoAttachment = "$hasnoattachment",
    /// `$imported`: it was imported from another mailbox (RFC 9979).
    Imported = "$imported",
    /// `$istrusted`: its sender is who it says (RFC 9979).
    IsTrusted = "$istrusted",
    /// `$MailFlagBit0`: the first bit of the color of `\\Flagged` (RFC 9979).
    MailFlagBit0 = "$MailFlagBit0",
    /// `$MailFlagBit1`: the second bit of that color (RFC 9979).
    MailFlagBit1 = "$MailFlagBit1",
    /// `$MailFlagBit2`: the third bit of that color (RFC 9979).
    MailFlagBit2 = "$MailFlagBit2",
    /// `$maskedemail`: it came to an address made for its sender (RFC 9979).
    MaskedEmail = "$maskedemail",
    /// `$memo`: it is a note about another message (RFC 9979).
    Memo = "$memo",
    /// `$muted`: the user does not want to see its conversation (RFC 9979).
    Muted = "$muted",
    /// `$new`: it is to be shown before others, as after it was snoozed (RFC 9979).
    New = "$new",
    /// `$notify`: the user is to be told of it (RFC 9979).
    Notify = "$notify",
    /// `$unsubscribed`: the user has left its mailing list (RFC 9979).
    Unsubscribed = "$unsubscribed",
    ---
    /// `\` and an atom that is not listed here; the atom.
    Extension(Atom),
    /// A keyword that is not listed here.
    Keyword(Atom),
    /// A name that the grammar does not have, `a]b` for instance, as lenient reading found it. It is not
    /// written: a response leaves it out, and a client's command with it is
    /// [`Misuse`](mailwire_core::Misuse).
    Malformed(MalformedName),
}

known! {
    /// An attribute of a mailbox (RFC 9051 section 7.3.1, RFC 6154, RFC 8457, RFC 9979).
    ///
    /// ```text
    /// mbx-list-oflag  = "\Noinferiors" / child-mbox-flag / "\Subscribed" / "\Remote" / flag-extension
    /// mbx-list-sflag  = "\NonExistent" / "\Noselect" / "\Marked" / "\Unmarked"
    /// child-mbox-flag = "\HasChildren" / "\HasNoChildren"
    /// ```
    MailboxAttribute;
    /// `\HasNoChildren`: there is no mailbox below it.
    HasNoChildren = "\\HasNoChildren",
    /// `\HasChildren`: there are mailboxes below it.
    HasChildren = "\\HasChildren",
    /// `\Noinferiors`: there can be no mailbox below it.
    NoInferiors = "\\Noinferiors",
    /// `\Noselect`: it cannot be selected.
    NoSelect = "\\Noselect",
    /// `\NonExistent`: there is no such mailbox; mailboxes below it or a subscription are.
    NonExistent = "\\NonExistent",
    /// `\Marked`: the server thinks it interesting.
    Marked = "\\Marked",
    /// `\Unmarked`: nothing new since it was last selected.
    Unmarked = "\\Unmarked",
    /// `\Subscribed`: it is subscribed to.
    Subscribed = "\\Subscribed",
    /// `\Remote`: it is on another server.
    Remote = "\\Remote",
    /// `\NoAccess`: the user may not know of it (RFC 5465).
    NoAccess = "\\NoAccess",
    /// `\All`: all messages of the user.
    All = "\\All",
    /// `\Archive`: where messages are archived.
    Archive = "\\Archive",
    /// `\Drafts`: where drafts are kept.
    Drafts = "\\Drafts",
    /// `\Flagged`: all messages with `\Flagged`.
    Flagged = "\\Flagged",
    /// `\Junk`: where junk goes.
    Junk = "\\Junk",
    /// `\Sent`: copies of what was sent.
    Sent = "\\Sent",
    /// `\Trash`: where deleted messages go.
    Trash = "\\Trash",
    /// `\Important`: all messages that are likely important.
    Important = "\\Important",
    /// `\Inbox`: the inbox, as XLIST says it.
    Inbox = "\\Inbox",
    /// `\Snoozed`: messages that come back to the inbox later.
    Snoozed = "\\Snoozed",
    /// `\Scheduled`: messages that are sent later.
    Scheduled = "\\Scheduled",
    /// `\Memos`: notes about messages.
    Memos = "\\Memos",
    ---
    /// `\` and an atom that is not listed here; the atom.
    Extension(Atom),
    /// A name that the grammar does not have, as lenient reading found it. It is not written.
    Malformed(MalformedName),
}

mailwire_core::text_newtype! {
    /// What lenient reading found in place of a flag: bytes without space, controls, parentheses,
    /// quotes and `{`.
    pub struct MalformedName: bytes;
}

impl MalformedName {
    /// Makes a name of these bytes, if they can be one.
    ///
    /// # Errors
    ///
    /// There are none, or one of them cannot be in it.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        checked("flag", text.into(), chars::ODD_FLAG).map(Self)
    }
}

impl Flag {
    /// One by its name as it is written.
    ///
    /// # Errors
    ///
    /// The name is not an atom, with or without `\` before it.
    pub fn new(name: impl Into<Text>) -> Result<Self, Invalid> {
        let name = name.into();
        if let Some(known) = Self::known(name.as_bytes()) {
            return Ok(known);
        }
        match name.as_bytes() {
            [b'\\', rest @ ..] => checked("flag", Text::from(rest), chars::ATOM)
                .map(|name| Self::Extension(Atom::unchecked(name))),
            _ => checked("flag", name, chars::ATOM).map(|name| Self::Keyword(Atom::unchecked(name))),
        }
    }

    /// By its length and bytes.
    #[inline]
    fn known(name: &[u8]) -> Option<Self> {
        let is = |text: &str| chars::is_name(name, text);
        let flag = match (name.first()?, name.len()) {
            (b'\\', 5) if is("\\Seen") => Self::Seen,
            (b'\\', 6) if is("\\Draft") => Self::Draft,
            (b'\\', 7) if is("\\Recent") => Self::Recent,
            (b'\\', 8) if is("\\Flagged") => Self::Flagged,
            (b'\\', 8) if is("\\Deleted") => Self::Deleted,
            (b'\\', 9) if is("\\Answered") => Self::Answered,
            (b'$', 5) if is("$Junk") => Self::Junk,
            (b'$', 8) if is("$NotJunk") => Self::NotJunk,
            (b'$', 8) if is("$MDNSent") => Self::MdnSent,
            (b'$', 9) if is("$Phishing") => Self::Phishing,
            (b'$', 10) if is("$Forwarded") => Self::Forwarded,
            (b'$', 10) if is("$Important") => Self::Important,
            (b'$', _) => return Self::seldom(name),
            _ => return None,
        };
        Some(flag)
    }

    #[cold]
    fn seldom(name: &[u8]) -> Option<Self> {
        let found = Self::KNOWN.iter().find(|(known, _)| chars::is_name(name, known));
        found.map(|(_, flag)| flag.clone())
    }

    /// The bit and length of one that is listed here and stands next, written as most do.
    #[inline]
    pub(super) fn bit_ahead(rest: &[u8]) -> Option<(u32, usize)> {
        match rest {
            [b'\\', b'S', ..] => bit_of(rest, Self::Seen.bit(), b"\\Seen"),
            [b'\\', b'A', ..] => bit_of(rest, Self::Answered.bit(), b"\\Answered"),
            [b'\\', b'F', ..] => bit_of(rest, Self::Flagged.bit(), b"\\Flagged"),
            [b'\\', b'R', ..] => bit_of(rest, Self::Recent.bit(), b"\\Recent"),
            [b'\\', b'D', b'e', ..] => bit_of(rest, Self::Deleted.bit(), b"\\Deleted"),
            [b'\\', b'D', ..] => bit_of(rest, Self::Draft.bit(), b"\\Draft"),
            [b'$', b'F', ..] => bit_of(rest, Self::Forwarded.bit(), b"$Forwarded"),
            [b'$', b'M', ..] => bit_of(rest, Self::MdnSent.bit(), b"$MDNSent"),
            [b'$', b'J', ..] => bit_of(rest, Self::Junk.bit(), b"$Junk"),
            [b'$', b'N', ..] => bit_of(rest, Self::NotJunk.bit(), b"$NotJunk"),
            _ => None,
        }
    }

    /// Whether a client may set it: all but `\Recent`.
    #[inline]
    #[must_use]
    pub fn is_settable(&self) -> bool {
        *self != Self::Recent
    }

    fn write_other(&self, out: &mut Vec<u8>) {
        match self {
            Self::Extension(name) => {
                out.push(b'\\');
                out.extend_from_slice(name.as_bytes());
            }
            Self::Keyword(name) => out.extend_from_slice(name.as_bytes()),
            Self::Malformed(name) => out.extend_from_slice(name.as_bytes()),
            _ => {}
        }
    }

    /// Reads one flag. Lenient: a name with characters that an atom cannot have; a quoted one.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        match Self::read_maybe(r)? {
            Some(flag) => Ok(flag),
            None => Err(ParseError::new(start, "expected a flag")),
        }
    }

    /// Reads a flag. Lenient: nothing, where its name is empty.
    #[inline]
    pub(super) fn read_maybe(r: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        let Some(start) = plain_name(r) else { return Self::odd(r) };
        let name = r.since(start);
        Ok(Some(match Self::known(name) {
            Some(flag) => flag,
            None if name.first() == Some(&b'\\') => Self::Extension(Atom::unchecked(r.text_from(start + 1))),
            None => Self::Keyword(Atom::unchecked(r.text_from(start))),
        }))
    }

    #[cold]
    fn odd(r: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        let Some(name) = odd_name(r, "expected a flag")? else { return Ok(None) };
        Ok(Some(match Self::new(name.clone()) {
            Ok(flag) => flag,
            Err(_) => Self::Malformed(MalformedName(name)),
        }))
    }
}

impl MailboxAttribute {
    /// One by its name as it is written, with its `\`.
    ///
    /// # Errors
    ///
    /// The name is not an atom with `\` before it.
    pub fn new(name: impl Into<Text>) -> Result<Self, Invalid> {
        let name = name.into();
        if let Some(known) = Self::known(name.as_bytes()) {
            return Ok(known);
        }
        match name.as_bytes() {
            [b'\\', rest @ ..] => checked("mailbox attribute", Text::from(rest), chars::ATOM)
                .map(|name| Self::Extension(Atom::unchecked(name))),
            _ => Err(Invalid::new("mailbox attribute", 0, "no backslash before it")),
        }
    }

    /// Whether it says what the mailbox is for: `\Sent`, `\Archive` and the like ([RFC
    /// 6154](https://www.rfc-editor.org/rfc/rfc6154#section-2), RFC 8457, RFC 9979).
    #[must_use]
    pub const fn is_special_use(&self) -> bool {
        matches!(
            self,
            Self::All
                | Self::Archive
                | Self::Drafts
                | Self::Flagged
                | Self::Important
                | Self::Junk
                | Self::Memos
                | Self::Scheduled
                | Self::Sent
                | Self::Snoozed
                | Self::Trash
        )
    }

    /// By its length and bytes.
    #[inline]
    fn known(name: &[u8]) -> Option<Self> {
        let is = |text: &str| chars::is_name(name, text);
        let attribute = match name.len() {
            14 if is("\\HasNoChildren") => Self::HasNoChildren,
            12 if is("\\HasChildren") => Self::HasChildren,
            12 if is("\\Noinferiors") => Self::NoInferiors,
            9 if is("\\Noselect") => Self::NoSelect,
            7 if is("\\Marked") => Self::Marked,
            9 if is("\\Unmarked") => Self::Unmarked,
            5 if is("\\Sent") => Self::Sent,
            _ => {
                return Self::KNOWN
                    .iter()
                    .find(|(known, _)| known.len() == name.len() && is(known))
                    .map(|(_, attribute)| attribute.clone());
            }
        };
        Some(attribute)
    }

    /// The bit and length of a common one that stands next, written as most do.
    #[inline]
    pub(super) fn bit_ahead(rest: &[u8]) -> Option<(u32, usize)> {
        match rest {
            [b'\\', b'H', b'a', b's', b'N', ..] => {
                bit_of(rest, Self::HasNoChildren.bit(), b"\\HasNoChildren")
            }
            [b'\\', b'H', ..] => bit_of(rest, Self::HasChildren.bit(), b"\\HasChildren"),
            [b'\\', b'N', ..] => bit_of(rest, Self::NoSelect.bit(), b"\\Noselect"),
            [b'\\', b'U', ..] => bit_of(rest, Self::Unmarked.bit(), b"\\Unmarked"),
            [b'\\', b'M', ..] => bit_of(rest, Self::Marked.bit(), b"\\Marked"),
            [b'\\', b'S', b'u', ..] => bit_of(rest, Self::Subscribed.bit(), b"\\Subscribed"),
            [b'\\', b'S', ..] => bit_of(rest, Self::Sent.bit(), b"\\Sent"),
            [b'\\', b'D', ..] => bit_of(rest, Self::Drafts.bit(), b"\\Drafts"),
            [b'\\', b'T', ..] => bit_of(rest, Self::Trash.bit(), b"\\Trash"),
            [b'\\', b'J', ..] => bit_of(rest, Self::Junk.bit(), b"\\Junk"),
            _ => None,
        }
    }

    fn write_other(&self, out: &mut Vec<u8>) {
        match self {
            Self::Extension(name) => {
                out.push(b'\\');
                out.extend_from_slice(name.as_bytes());
            }
            Self::Malformed(name) => out.extend_from_slice(name.as_bytes()),
            _ => {}
        }
    }

    /// Reads one attribute. Lenient: a name without `\`, one with odd characters, a quoted one;
    /// nothing, where the name is empty.
    #[inline]
    pub(crate) fn read_maybe(r: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        if r.peek() != Some(b'\\') {
            return Self::odd(r);
        }
        let Some(start) = plain_name(r) else { return Self::odd(r) };
        Ok(Some(match Self::known(r.since(start)) {
            Some(attribute) => attribute,
            None => Self::Extension(Atom::unchecked(r.text_from(start + 1))),
        }))
    }

    #[cold]
    fn odd(r: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        let start = r.offset();
        if plain_name(r).is_some() {
            r.deviate_at(start, deviation::ATTRIBUTE_WITHOUT_BACKSLASH)?;
            return Ok(Some(Self::bare(r.text_from(start))));
        }
        Ok(odd_name(r, "expected a mailbox attribute")?.map(Self::bare))
    }

    fn bare(name: Text) -> Self {
        let mut with = Vec::with_capacity(name.len() + 1);
        with.push(b'\\');
        with.extend_from_slice(name.as_bytes());
        Self::known(&with)
            .or_else(|| Self::new(name.clone()).ok())
            .or_else(|| Self::new(with).ok())
            .unwrap_or(Self::Malformed(MalformedName(name)))
    }
}

#[inline(always)]
fn bit_of<const LENGTH: usize>(rest: &[u8], bit: Option<u32>, name: &[u8; LENGTH]) -> Option<(u32, usize)> {
    let (next, after) = rest.split_first_chunk()?;
    if next == name && matches!(after, [b' ' | b')', ..]) { Some((bit?, LENGTH)) } else { None }
}

/// Reads `\` and an atom, or an atom, and gives its start. Nothing is read if it is something else.
#[inline]
fn plain_name(r: &mut Reader<'_>) -> Option<usize> {
    let start = r.offset();
    r.eat(b'\\');
    let length = r.take_class(chars::ATOM).len();
    if length == 0 || r.peek().is_some_and(|byte| chars::is(byte, chars::ODD_FLAG) || byte == b'"') {
        r.seek(start);
        return None;
    }
    Some(start)
}

/// A name that the grammar does not have; none if it is empty.
fn odd_name(r: &mut Reader<'_>, reason: &'static str) -> Result<Option<Text>, ParseError> {
    let start = r.offset();
    let name = if r.peek() == Some(b'"') {
        r.deviate(deviation::QUOTED_FLAG)?;
        read_string(r)?.into_text()
    } else {
        let name = r.text_class(chars::ODD_FLAG, reason)?;
        let deviation = if name == "\\" { deviation::EMPTY_FLAG } else { deviation::ODD_FLAG };
        r.deviate_at(start, deviation)?;
        name
    };
    if name.is_empty() || name == "\\" {
        return Ok(None);
    }
    if !chars::all(name.as_bytes(), chars::ODD_FLAG) {
        return Err(ParseError::new(start, reason));
    }
    Ok(Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! seen_ahead {
        ($type:ident) => {
            for (name, item) in $type::KNOWN {
                for after in [" x", ")", "", "x", "\"", "]"] {
                    let rest = [name.as_bytes(), after.as_bytes()].concat();
                    let ends = matches!(after, " x" | ")");
                    if let Some((bit, length)) = $type::bit_ahead(&rest) {
                        assert_eq!((Some(bit), length, ends), (item.bit(), name.len(), true), "{name}");
                    }
                }
            }
        };
    }

    #[test]
    fn known_names_are_seen_ahead() {
        seen_ahead!(Flag);
        seen_ahead!(MailboxAttribute);
        assert!(Flag::bit_ahead(b"\\Seen)").is_some() && Flag::bit_ahead(b"$Forwarded ").is_some());
        assert!(MailboxAttribute::bit_ahead(b"\\HasChildren \\Sent)").is_some());
    }
}
