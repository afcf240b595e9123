//! Flags as bits: the keywords of a mailbox, numbered.

use mailwire_imap::types::{Flag, FlagSet};

use crate::{Error, Result};

/// The flags of one message. Keywords are numbered by their mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bits {
    system: u8,
    keywords: u64,
}

const SYSTEM: [Flag; 5] = [Flag::Seen, Flag::Answered, Flag::Flagged, Flag::Deleted, Flag::Draft];
const SEEN: u8 = 1;
const DELETED: u8 = 8;

impl Bits {
    pub(super) const fn is_seen(self) -> bool {
        self.system & SEEN != 0
    }

    pub(super) const fn is_deleted(self) -> bool {
        self.system & DELETED != 0
    }

    pub(super) const fn with(self, other: Self) -> Self {
        Self { system: self.system | other.system, keywords: self.keywords | other.keywords }
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self { system: self.system & !other.system, keywords: self.keywords & !other.keywords }
    }
}

/// The keywords that a mailbox has seen: at most 63, so that no client can grow it without end.
#[derive(Debug, Default)]
pub(super) struct Keywords(Vec<Flag>);

/// What becomes of keywords that the mailbox does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// They are added; if there is no room, nothing is.
    Add,
    /// They are added as far as there is room.
    AddSome,
    /// They are left out.
    Ignore,
}

impl Keywords {
    pub(super) const MAX: usize = 63;

    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= Self::MAX
    }

    pub(super) fn all(&self) -> FlagSet {
        self.0.iter().cloned().collect()
    }

    /// The flags that a client can set, as bits.
    pub(super) fn bits(&mut self, flags: &FlagSet, unknown: Unknown) -> Result<Bits> {
        let before = self.0.len();
        let mut bits = Bits::default();
        for flag in flags.iter().filter(|flag| flag.is_settable()) {
            if let Some(place) = SYSTEM.iter().position(|system| system == flag) {
                bits.system |= 1 << place;
            } else if let Some(place) = self.place(flag) {
                bits.keywords |= 1 << place;
            } else if unknown == Unknown::Ignore {
            } else if !self.is_full() {
                bits.keywords |= 1 << self.0.len();
                self.0.push(flag.clone());
            } else if unknown == Unknown::Add {
                self.0.truncate(before);
                return Err(Error::Limit("keywords in this mailbox"));
            }
        }
        Ok(bits)
    }

    /// Keywords are the same in any case of their letters.
    fn place(&self, flag: &Flag) -> Option<usize> {
        let exactly = self.0.iter().position(|known| known == flag);
        exactly.or_else(|| {
            let name = flag.to_string();
            self.0.iter().position(|known| known.to_string().eq_ignore_ascii_case(&name))
        })
    }

    pub(super) fn set(&self, bits: Bits) -> FlagSet {
        let system = SYSTEM.iter().enumerate().filter(|(place, _)| bits.system >> place & 1 == 1);
        let mut set: FlagSet = system.map(|(_, flag)| flag.clone()).collect();
        if bits.keywords != 0 {
            let keywords = self.0.iter().enumerate().filter(|(place, _)| bits.keywords >> place & 1 == 1);
            set.extend(keywords.map(|(_, flag)| flag.clone()));
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(flags: &[&str]) -> FlagSet {
        flags.iter().map(|flag| Flag::new(*flag).unwrap()).collect()
    }

    #[test]
    fn keywords() {
        let mut keywords = Keywords::default();
        let bits = keywords.bits(&set(&["\\Seen", "$Work", "\\Recent"]), Unknown::Add).unwrap();
        assert_eq!(bits, keywords.bits(&set(&["\\SEEN", "$work", "none"]), Unknown::Ignore).unwrap());
        assert_eq!(keywords.set(bits).to_string(), "(\\Seen $Work)");
        assert!(bits.is_seen() && !bits.is_deleted());
        assert_eq!(bits.without(bits.with(Bits::default())), Bits::default());

        let many: FlagSet = (0..63).map(|n| Flag::new(format!("k{n}")).unwrap()).collect();
        assert!(matches!(keywords.bits(&many, Unknown::Add), Err(Error::Limit(_))));
        assert_eq!(keywords.all().len(), 1, "nothing was added");
        let bits = keywords.bits(&many, Unknown::AddSome).unwrap();
        assert_eq!((keywords.set(bits).len(), keywords.is_full()), (62, true));
    }
}
