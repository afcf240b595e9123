//! What calls take: mailboxes and sets of messages.

use mailwire_core::Invalid;
use mailwire_imap::types::{MailboxName, SeqRange, SequenceSet, SetNumber, Uid, UidSet};

use super::Found;

/// What can name a mailbox: a name for people, or a [`MailboxName`] as a server gave it.
pub trait ToMailbox {
    /// The name as it is sent.
    ///
    /// # Errors
    ///
    /// There is a control character in it.
    fn to_mailbox(self) -> Result<MailboxName, Invalid>;
}

impl ToMailbox for MailboxName {
    fn to_mailbox(self) -> Result<MailboxName, Invalid> {
        Ok(self)
    }
}

impl ToMailbox for &MailboxName {
    fn to_mailbox(self) -> Result<MailboxName, Invalid> {
        Ok(self.clone())
    }
}

impl ToMailbox for &str {
    fn to_mailbox(self) -> Result<MailboxName, Invalid> {
        MailboxName::new(self)
    }
}

impl ToMailbox for &String {
    fn to_mailbox(self) -> Result<MailboxName, Invalid> {
        MailboxName::new(self)
    }
}

/// What can name messages: one number, several, a [`SequenceSet`] (`"1:*".parse()`), what a search has
/// [`Found`].
///
/// An empty set is nothing to be done, and nothing is sent for it.
pub trait ToSet {
    /// The set as it is sent; `None` if it is empty.
    ///
    /// # Errors
    ///
    /// A number is zero.
    fn to_set(self) -> Result<Option<SequenceSet>, Invalid>;
}

fn from_numbers(numbers: impl IntoIterator<Item = u32>) -> Result<Option<SequenceSet>, Invalid> {
    let mut numbers = numbers.into_iter().peekable();
    match numbers.peek() {
        None => Ok(None),
        Some(_) => SequenceSet::from_numbers(numbers).map(Some),
    }
}

impl ToSet for SequenceSet {
    fn to_set(self) -> Result<Option<SequenceSet>, Invalid> {
        Ok(Some(self))
    }
}

impl ToSet for &SequenceSet {
    fn to_set(self) -> Result<Option<SequenceSet>, Invalid> {
        Ok(Some(self.clone()))
    }
}

impl ToSet for UidSet {
    fn to_set(self) -> Result<Option<SequenceSet>, Invalid> {
        Ok(Some(self.into()))
    }
}

impl ToSet for &UidSet {
    fn to_set(self) -> Result<Option<SequenceSet>, Invalid> {
        Ok(Some(self.clone().into()))
    }
}

impl ToSet for u32 {
    fn to_set(self) -> Result<Option<SequenceSet>, Invalid> {
        from_numbers([self])
    }
}

impl ToSet for Uid {
    fn to_set(self) -> Result<Option<SequenceSet>, Invalid> {
        Ok(Some(SequenceSet::single(self)))
    }
}

impl ToSet for &[u32] {
    fn to_set(self) -> Result<Option<SequenceSet>, Invalid> {
        from_numbers(self.iter().copied())
    }
}

impl<const N: usize> ToSet for [u32; N] {
    fn to_set(self) -> Result<Option<SequenceSet>, Invalid> {
        from_numbers(self)
    }
}

impl ToSet for Vec<u32> {
    fn to_set(self) -> Result<Option<SequenceSet>, Invalid> {
        from_numbers(self)
    }
}

impl ToSet for &Vec<u32> {
    fn to_set(self) -> Result<Option<SequenceSet>, Invalid> {
        from_numbers(self.iter().copied())
    }
}

impl ToSet for Found {
    fn to_set(self) -> Result<Option<SequenceSet>, Invalid> {
        (&self).to_set()
    }
}

impl ToSet for &Found {
    fn to_set(self) -> Result<Option<SequenceSet>, Invalid> {
        let mut ranges = Vec::with_capacity(self.ranges().len());
        for &(first, last) in self.ranges() {
            let zero = Invalid::new("sequence set", 0, "zero");
            let number = |number| core::num::NonZeroU32::new(number).map(SetNumber::Value).ok_or(zero);
            ranges.push(SeqRange { start: number(first)?, end: number(last)? });
        }
        if ranges.is_empty() { Ok(None) } else { SequenceSet::from_ranges(ranges).map(Some) }
    }
}

/// Whether it depends on what is in the mailbox which messages these are.
pub(super) fn is_relative(set: &SequenceSet) -> bool {
    set.is_saved() || set.ranges().iter().any(|range| [range.start, range.end].contains(&SetNumber::Largest))
}
