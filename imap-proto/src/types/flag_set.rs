//! Sets of flags and attributes.

use alloc::vec::Vec;
use core::fmt;

use mailwire_core::ParseError;

use super::{
    flag::{Flag, MailboxAttribute},
    reader::Reader,
    string::eat_nil,
};
use crate::deviation;

macro_rules! set {
    ($(#[$doc:meta])* $set:ident of $item:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, Default)]
        pub struct $set {
            /// One bit for each of the known ones.
            known: u32,
            others: Vec<$item>,
        }

        impl $set {
            /// Makes an empty set.
            #[must_use]
            pub const fn new() -> Self {
                Self { known: 0, others: Vec::new() }
            }

            /// Adds one.
            #[inline]
            pub fn insert(&mut self, item: $item) {
                match item.bit() {
                    Some(bit) => self.known |= bit,
                    None if self.others.contains(&item) => {}
                    None => self.others.push(item),
                }
            }

            /// Adds one without looking whether it is there: what a peer sends can be long.
            #[inline]
            fn push(&mut self, item: $item) {
                match item.bit() {
                    Some(bit) => self.known |= bit,
                    None => self.others.push(item),
                }
            }

            /// Takes one away; whether it was there.
            #[inline]
            pub fn remove(&mut self, item: &$item) -> bool {
                let before = self.len();
                match item.bit() {
                    Some(bit) => self.known &= !bit,
                    None => self.others.retain(|other| other != item),
                }
                self.len() != before
            }

            /// Whether it is there.
            #[inline]
            #[must_use]
            pub fn contains(&self, item: &$item) -> bool {
                match item.bit() {
                    Some(bit) => self.known & bit != 0,
                    None => self.others.contains(item),
                }
            }

            /// How many there are.
            #[must_use]
            pub fn len(&self) -> usize {
                self.known.count_ones() as usize + self.others.len()
            }

            /// Whether there are none.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.known == 0 && self.others.is_empty()
            }

            /// All of them: those with a name here first, then the others in their order.
            pub fn iter(&self) -> impl Iterator<Item = &$item> + '_ {
                $item::KNOWN
                    .iter()
                    .map(|(_, item)| item)
                    .filter(|item| item.bit().is_some_and(|bit| self.known & bit != 0))
                    .chain(&self.others)
            }

            /// Appends the list with its parentheses; not what has no form in the grammar.
            pub(crate) fn write(&self, out: &mut Vec<u8>) {
                out.push(b'(');
                self.write_items(out);
                out.push(b')');
            }

            fn write_items(&self, out: &mut Vec<u8>) {
                let start = out.len();
                let mut left = self.known;
                while left != 0 {
                    let at = left.trailing_zeros();
                    left &= left - 1;
                    if let Some((name, _)) = $item::KNOWN.get(at as usize) {
                        if out.len() > start {
                            out.push(b' ');
                        }
                        out.extend_from_slice(name.as_bytes());
                    }
                }
                if !self.others.is_empty() {
                    self.write_others(out, start);
                }
            }

            /// After those with a name here, which begin at `start`.
            fn write_others(&self, out: &mut Vec<u8>, start: usize) {
                for item in self.others.iter().filter(|item| !item.is_malformed()) {
                    if out.len() > start {
                        out.push(b' ');
                    }
                    item.write(out);
                }
            }
        }

        impl FromIterator<$item> for $set {
            fn from_iter<I: IntoIterator<Item = $item>>(items: I) -> Self {
                let mut set = Self::new();
                set.extend(items);
                set
            }
        }

        impl Extend<$item> for $set {
            fn extend<I: IntoIterator<Item = $item>>(&mut self, items: I) {
                items.into_iter().for_each(|item| self.insert(item));
            }
        }

        impl<const N: usize> From<[$item; N]> for $set {
            fn from(items: [$item; N]) -> Self {
                items.into_iter().collect()
            }
        }

        impl fmt::Debug for $set {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_set().entries(self.iter()).finish()
            }
        }

        impl fmt::Display for $set {
            #[inline]
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("(")?;
                for (at, item) in self.iter().enumerate() {
                    if at > 0 {
                        f.write_str(" ")?;
                    }
                    fmt::Display::fmt(item, f)?;
                }
                f.write_str(")")
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $set {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(self.iter().map(alloc::string::ToString::to_string))
            }
        }
    };
}

set! {
    /// A set of flags. The ones with a name here cost no memory; their order is not kept.
    ///
    /// ```
    /// use mailwire_imap::types::{Flag, FlagSet};
    ///
    /// let flags: FlagSet = [Flag::Seen, Flag::new("$Label1")?].into_iter().collect();
    /// assert!(flags.contains(&Flag::Seen) && !flags.contains(&Flag::Deleted));
    /// assert_eq!(flags.to_string(), "(\\Seen $Label1)");
    /// assert_eq!(format!("{:?}", FlagSet::from([Flag::Seen, Flag::Draft])), "{Seen, Draft}");
    /// # Ok::<(), mailwire_core::Invalid>(())
    /// ```
    FlagSet of Flag
}

set! {
    /// A set of attributes of a mailbox. The ones with a name here cost no memory; their order is not
    /// kept.
    MailboxAttributes of MailboxAttribute
}

impl MailboxAttributes {
    /// ```text
    /// "(" [mbx-list-flags] ")"
    /// ```
    ///
    /// Lenient: `NIL`; empty names.
    #[inline]
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let mut set = Self::new();
        if !r.eat(b'(') {
            let start = r.offset();
            if eat_nil(r) {
                return r.deviate_at(start, deviation::NIL_FOR_EMPTY_LIST).map(|()| set);
            }
            return Err(r.error("expected a list of attributes"));
        }
        r.items(|r| {
            if let Some((bit, length)) = MailboxAttribute::bit_ahead(r.rest()) {
                set.known |= bit;
                r.skip(length);
                return Ok(());
            }
            if let Some(attribute) = MailboxAttribute::read_maybe(r)? {
                set.push(attribute);
            }
            Ok(())
        })?;
        Ok(set)
    }
}

impl FlagSet {
    /// Whether one of them has no form in the grammar, so that it is not written.
    #[inline]
    pub(crate) fn is_malformed(&self) -> bool {
        self.others.iter().any(Flag::is_malformed)
    }

    /// Whether one of them is written.
    pub(crate) fn has_form(&self) -> bool {
        self.known != 0 || !self.others.iter().all(Flag::is_malformed)
    }

    /// ```text
    /// flag-list = "(" [flag *(SP flag)] ")"
    /// ```
    ///
    /// Lenient: `NIL`; `\*`, which has a meaning in PERMANENTFLAGS only; empty names.
    #[inline]
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let (set, wildcard) = Self::read_perm(r)?;
        match wildcard {
            Some(start) => r.deviate_at(start, deviation::WILDCARD_FLAG).map(|()| set),
            None => Ok(set),
        }
    }

    /// ```text
    /// "(" [flag-perm *(SP flag-perm)] ")"
    /// flag-perm = flag / "\*"
    /// ```
    ///
    /// The flags, and where `\*` stood.
    pub(crate) fn read_perm(r: &mut Reader<'_>) -> Result<(Self, Option<usize>), ParseError> {
        let mut set = Self::new();
        let mut wildcard = None;
        if !r.eat(b'(') {
            let start = r.offset();
            if eat_nil(r) {
                r.deviate_at(start, deviation::NIL_FOR_EMPTY_LIST)?;
                return Ok((set, wildcard));
            }
            return Err(r.error("expected a list of flags"));
        }
        r.items(|r| {
            if let Some((bit, length)) = Flag::bit_ahead(r.rest()) {
                set.known |= bit;
                r.skip(length);
                return Ok(());
            }
            if r.peek() == Some(b'\\')
                && r.peek_at(1) == Some(b'*')
                && matches!(r.peek_at(2), Some(b' ' | b')'))
            {
                wildcard = Some(r.offset());
                r.skip(2);
                return Ok(());
            }
            if let Some(flag) = Flag::read_maybe(r)? {
                set.push(flag);
            }
            Ok(())
        })?;
        Ok((set, wildcard))
    }
}

/// The flags that can be changed for good (RFC 9051 section 7.1, PERMANENTFLAGS).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PermanentFlags {
    /// The flags that are named.
    pub flags: FlagSet,
    /// Whether keywords that are new can be set, too: `\*`.
    pub new_keywords: bool,
}

impl PermanentFlags {
    /// Makes the flags that can be changed; `new_keywords`: whether clients can make keywords.
    #[must_use]
    pub const fn new(flags: FlagSet, new_keywords: bool) -> Self {
        Self { flags, new_keywords }
    }

    /// Reads the list.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let (flags, wildcard) = FlagSet::read_perm(r)?;
        Ok(Self { flags, new_keywords: wildcard.is_some() })
    }

    /// Appends the list with its parentheses.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'(');
        self.flags.write_items(out);
        if self.new_keywords {
            out.extend_from_slice(if out.ends_with(b"(") { b"\\*" } else { b" \\*" });
        }
        out.push(b')');
    }
}
