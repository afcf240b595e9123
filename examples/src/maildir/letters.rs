//! The flags that a Maildir can hold.

use std::fmt::{self, Write as _};

use mailwire_transport::imap::{Flag, proto::types::FlagSet};

/// Letters for flags, as they stand in the names of a Maildir's files. Keywords other than `$Forwarded` have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Letters(u8);

/// In the order of their letters, as names have them.
const ALL: [(char, Flag); 6] = [
    ('D', Flag::Draft),
    ('F', Flag::Flagged),
    ('P', Flag::Forwarded),
    ('R', Flag::Answered),
    ('S', Flag::Seen),
    ('T', Flag::Deleted),
];

impl Letters {
    /// All of them.
    pub const ALL: Self = Self(0b11_1111);
    /// None.
    pub const NONE: Self = Self(0);

    fn collect(is_set: impl Fn(&(char, Flag)) -> bool) -> Self {
        let bits = ALL.iter().enumerate().filter(|(_, one)| is_set(one)).map(|(bit, _)| 1 << bit);
        Self(bits.sum())
    }

    fn iter(self) -> impl Iterator<Item = &'static (char, Flag)> {
        const { &ALL }.iter().enumerate().filter(move |(bit, _)| self.0 >> bit & 1 == 1).map(|(_, one)| one)
    }

    /// Those of a file's name. Others are left out.
    #[must_use]
    pub fn of_name(letters: &str) -> Self {
        Self::collect(|(letter, _)| letters.contains(*letter))
    }

    /// Those of a message on a server.
    #[must_use]
    pub fn of_flags(flags: &FlagSet) -> Self {
        Self::collect(|(_, flag)| flags.contains(flag))
    }

    /// The flags.
    pub fn flags(self) -> impl Iterator<Item = Flag> {
        self.iter().map(|(_, flag)| flag.clone())
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those of these that are among the others, too.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// These and the others.
    #[must_use]
    pub const fn or(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// These without the others.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// What both sides are to have, who have agreed on `self` before: of each flag, what the side says that has
    /// changed it. They cannot differ: a flag that both have changed is on both sides what it was not.
    #[must_use]
    pub const fn merged(self, here: Self, there: Self) -> Self {
        here.and(there).or(here.or(there).without(self))
    }
}

impl fmt::Display for Letters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|(letter, _)| f.write_char(*letter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_changed_a_flag_decides() {
        for bits in 0..8_u8 {
            let [agreed, here, there] = [bits & 1, bits >> 1 & 1, bits >> 2 & 1].map(Letters);
            let merged = agreed.merged(here, there);
            let expected = if here == agreed { there } else { here };
            assert_eq!(merged, expected, "{agreed:?} {here:?} {there:?}");
        }
    }

    #[test]
    fn letters_are_flags_in_order() {
        let letters = Letters::of_name("SaFS");
        assert_eq!(letters.to_string(), "FS");
        assert_eq!(letters.flags().collect::<Vec<_>>(), [Flag::Flagged, Flag::Seen]);
        assert_eq!(Letters::of_flags(&letters.flags().collect()), letters);
        assert_eq!(Letters::ALL.to_string(), "DFPRST");
    }
}
