//! What calls take: mailboxes and sets of messages.

use std::num::NonZeroU32;

use mailwire_core::Invalid;
use mailwire_imap::types::{
    KnownUids, MailboxName, MessageSet, SeqNumber, SeqRange, SequenceSet, SetMember, Uid, UidSet,
};

use super::Found;

/// Names a mailbox: a name for people, or a [`MailboxName`] as a server gave it.
pub trait ToMailbox {
    /// Converts into the name as it is sent.
    ///
    /// # Errors
    ///
    /// There is a control character in it.
    fn to_mailbox(self) -> Result<MailboxName, Invalid>;
}

impl ToMailbox for MailboxName {
    #[inline]
    fn to_mailbox(self) -> Result<MailboxName, Invalid> {
        Ok(self)
    }
}

impl ToMailbox for &MailboxName {
    #[inline]
    fn to_mailbox(self) -> Result<MailboxName, Invalid> {
        Ok(self.clone())
    }
}

impl ToMailbox for &str {
    #[inline]
    fn to_mailbox(self) -> Result<MailboxName, Invalid> {
        MailboxName::new(self)
    }
}

impl ToMailbox for &String {
    #[inline]
    fn to_mailbox(self) -> Result<MailboxName, Invalid> {
        MailboxName::new(self)
    }
}

/// Names messages: one number, several, a set (`"1:*".parse()`), what a search has
/// [`Found`]. `N` says whether the numbers are sequence numbers or UIDs.
///
/// An empty set is nothing to be done, and nothing is sent for it.
///
/// # Examples
///
/// ```
/// use mailwire_transport::imap::{
///     ToSet,
///     proto::types::{SeqNumber, SetMember, Uid},
/// };
///
/// fn sent<N: SetMember>(messages: impl ToSet<N>) -> String {
///     messages.to_set().unwrap().map(|set| set.to_string()).unwrap_or_default()
/// }
///
/// let (first, second) = (Uid::try_from(7)?, Uid::try_from(8)?);
/// assert_eq!(sent([first, second]), "7:8");
/// assert_eq!(sent(vec![second, first]), "8,7");
/// assert_eq!(sent([SeqNumber::try_from(3)?]), "3");
/// // Numbers are either, as the call has it.
/// let numbers: [u32; 3] = [1, 2, 9];
/// assert_eq!((sent::<Uid>(numbers), sent::<SeqNumber>(&numbers[..0])), ("1:2,9".into(), "".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ToSet<N> {
    /// Converts into the set as it is sent; `None` if it is empty.
    ///
    /// # Errors
    ///
    /// A number is zero.
    fn to_set(self) -> Result<Option<MessageSet<N>>, Invalid>;
}

const ZERO: Invalid = Invalid::new("set of messages", 0, "zero");

fn from_numbers<N: SetMember>(
    numbers: impl IntoIterator<Item = u32>,
) -> Result<Option<MessageSet<N>>, Invalid> {
    let numbers = numbers.into_iter().map(|number| NonZeroU32::new(number).map(N::from).ok_or(ZERO));
    let numbers: Vec<N> = numbers.collect::<Result<_, _>>()?;
    Ok(MessageSet::from_numbers(numbers).ok())
}

impl<N: SetMember> ToSet<N> for MessageSet<N> {
    #[inline]
    fn to_set(self) -> Result<Option<MessageSet<N>>, Invalid> {
        Ok(Some(self))
    }
}

impl<N: SetMember> ToSet<N> for &MessageSet<N> {
    #[inline]
    fn to_set(self) -> Result<Option<MessageSet<N>>, Invalid> {
        Ok(Some(self.clone()))
    }
}

impl ToSet<Uid> for KnownUids {
    #[inline]
    fn to_set(self) -> Result<Option<UidSet>, Invalid> {
        Ok(Some(self.into()))
    }
}

impl ToSet<Uid> for &KnownUids {
    #[inline]
    fn to_set(self) -> Result<Option<UidSet>, Invalid> {
        Ok(Some(self.clone().into()))
    }
}

impl ToSet<Uid> for Uid {
    #[inline]
    fn to_set(self) -> Result<Option<UidSet>, Invalid> {
        Ok(Some(UidSet::single(self)))
    }
}

impl ToSet<SeqNumber> for SeqNumber {
    #[inline]
    fn to_set(self) -> Result<Option<SequenceSet>, Invalid> {
        Ok(Some(SequenceSet::single(self)))
    }
}

impl<N: SetMember> ToSet<N> for u32 {
    #[inline]
    fn to_set(self) -> Result<Option<MessageSet<N>>, Invalid> {
        from_numbers([self])
    }
}

impl<N: SetMember> ToSet<N> for &[u32] {
    #[inline]
    fn to_set(self) -> Result<Option<MessageSet<N>>, Invalid> {
        from_numbers(self.iter().copied())
    }
}

impl<N: SetMember, const LEN: usize> ToSet<N> for [u32; LEN] {
    #[inline]
    fn to_set(self) -> Result<Option<MessageSet<N>>, Invalid> {
        from_numbers(self)
    }
}

impl<N: SetMember> ToSet<N> for Vec<u32> {
    #[inline]
    fn to_set(self) -> Result<Option<MessageSet<N>>, Invalid> {
        from_numbers(self)
    }
}

impl<N: SetMember> ToSet<N> for &Vec<u32> {
    #[inline]
    fn to_set(self) -> Result<Option<MessageSet<N>>, Invalid> {
        from_numbers(self.iter().copied())
    }
}

impl<N: SetMember> ToSet<N> for Found<N> {
    #[inline]
    fn to_set(self) -> Result<Option<MessageSet<N>>, Invalid> {
        (&self).to_set()
    }
}

impl<N: SetMember> ToSet<N> for &Found<N> {
    #[inline]
    fn to_set(self) -> Result<Option<MessageSet<N>>, Invalid> {
        let ranges: Vec<_> = self.ranges().iter().map(|&(first, last)| SeqRange::new(first, last)).collect();
        Ok(MessageSet::from_ranges(ranges).ok())
    }
}

macro_rules! lists_of {
    ($($number:ty),*) => {$(
        impl ToSet<$number> for Vec<$number> {
            #[inline]
            fn to_set(self) -> Result<Option<MessageSet<$number>>, Invalid> {
                Ok(MessageSet::from_numbers(self).ok())
            }
        }

        impl ToSet<$number> for &Vec<$number> {
            #[inline]
            fn to_set(self) -> Result<Option<MessageSet<$number>>, Invalid> {
                Ok(MessageSet::from_numbers(self.iter().copied()).ok())
            }
        }

        impl<const LEN: usize> ToSet<$number> for [$number; LEN] {
            fn to_set(self) -> Result<Option<MessageSet<$number>>, Invalid> {
                Ok(MessageSet::from_numbers(self).ok())
            }
        }

        impl ToSet<$number> for &[$number] {
            #[inline]
            fn to_set(self) -> Result<Option<MessageSet<$number>>, Invalid> {
                Ok(MessageSet::from_numbers(self.iter().copied()).ok())
            }
        }
    )*};
}

lists_of!(Uid, SeqNumber);
