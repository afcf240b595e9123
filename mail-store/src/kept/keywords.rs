//! Flags as bits: the keywords of a mailbox, numbered.

use mailwire_imap::{
    command::StoreAction,
    types::{Flag, FlagSet, ModSeq},
};

use crate::{Error, FlagChange, Result};

/// The flags of one message. Keywords are numbered by their mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Bits {
    system: u8,
    keywords: u64,
}

const SYSTEM: [Flag; 5] = [Flag::Seen, Flag::Answered, Flag::Flagged, Flag::Deleted, Flag::Draft];
const SEEN: u8 = 1;
const DELETED: u8 = 8;

impl Bits {
    /// Flags as a store has kept them.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) const fn new(system: u8, keywords: u64) -> Self {
        Self { system, keywords }
    }

    /// The flags of the system: `\Seen` is 1, `\Answered` 2, `\Flagged` 4, `\Deleted` 8, `\Draft` 16.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) const fn system(self) -> u8 {
        self.system
    }

    /// The keywords, by their places in their mailbox.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) const fn keywords(self) -> u64 {
        self.keywords
    }

    /// Whether a flag that every message has, set or not, is among them.
    pub(crate) const fn has_system(self) -> bool {
        self.system != 0
    }

    pub(crate) const fn is_seen(self) -> bool {
        self.system & SEEN != 0
    }

    pub(crate) const fn is_deleted(self) -> bool {
        self.system & DELETED != 0
    }

    /// These after flags are added, removed, or take their place.
    pub(crate) const fn after(self, action: StoreAction, flags: Self) -> Self {
        match action {
            StoreAction::Replace => flags,
            StoreAction::Add => self.with(flags),
            StoreAction::Remove => self.without(flags),
        }
    }

    /// Whether UNCHANGEDSINCE leaves a message alone that has these flags since the change `mod_seq`.
    pub(crate) fn is_refused(self, mod_seq: u64, how: &FlagChange, flags: Self) -> bool {
        // RFC 7162 section 3.1.3: 0 asks whether there is such a keyword, which a message without it has never
        // had changed; flags of the system are always there.
        let adds_new = |since: ModSeq| {
            let is_without = self.without(flags) == self;
            since == ModSeq::ZERO && how.action == StoreAction::Add && !flags.has_system() && is_without
        };
        how.unchanged_since.is_some_and(|since| mod_seq > since.get() && !adds_new(since))
    }

    pub(crate) const fn with(self, other: Self) -> Self {
        Self { system: self.system | other.system, keywords: self.keywords | other.keywords }
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self { system: self.system & !other.system, keywords: self.keywords & !other.keywords }
    }
}

/// The keywords that a mailbox has seen: at most 63, of some bytes, so that no client can grow it without end.
/// Messages hold them as bits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keywords {
    all: Vec<Flag>,
    bytes: u64,
}

/// What becomes of keywords that the mailbox does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// All are added; if there is no room, nothing is.
    Add,
    /// So many are added as there is room for.
    AddSome,
    /// All are left out.
    Ignore,
}

/// What becomes of keywords that the mailbox does not have when a message's flags change.
impl From<StoreAction> for Unknown {
    fn from(action: StoreAction) -> Self {
        if action == StoreAction::Remove { Self::Ignore } else { Self::Add }
    }
}

impl Keywords {
    pub(crate) const MAX: usize = 63;
    /// Bytes of all keywords of a mailbox.
    pub(crate) const MAX_BYTES: u64 = 4096;

    /// Keywords as a store has kept them, in their order.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn kept(all: Vec<Flag>) -> Self {
        let bytes = all.iter().map(|flag| flag.to_string().len() as u64).sum();
        Self { all, bytes }
    }

    /// Flags as bits, if there is no keyword among them.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn system(flags: &FlagSet) -> Option<Bits> {
        flags.iter().filter(|flag| flag.is_settable()).try_fold(Bits::default(), |bits, flag| {
            let place = SYSTEM.iter().position(|system| system == flag)?;
            Some(bits.with(Bits { system: 1 << place, keywords: 0 }))
        })
    }

    /// Those from a place on.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn from(&self, place: usize) -> &[Flag] {
        self.all.get(place..).unwrap_or_default()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.all.len() >= Self::MAX || self.bytes >= Self::MAX_BYTES
    }

    pub(crate) fn all(&self) -> FlagSet {
        self.all.iter().cloned().collect()
    }

    /// How many bytes they are, which the quota counts.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The flags that a client can set, as bits. `room` is how many bytes the account has left.
    pub(crate) fn bits(&mut self, flags: &FlagSet, unknown: Unknown, room: u64) -> Result<Bits> {
        let (before, bytes) = (self.all.len(), self.bytes);
        let most = Self::MAX_BYTES.min(bytes.saturating_add(room));
        let mut bits = Bits::default();
        for flag in flags.iter().filter(|flag| flag.is_settable()) {
            if let Some(place) = SYSTEM.iter().position(|system| system == flag) {
                bits.system |= 1 << place;
                continue;
            }
            if let Some(place) = self.place(flag) {
                bits.keywords |= 1 << place;
                continue;
            }
            if unknown == Unknown::Ignore {
                continue;
            }
            // A copy: the flag is a part of what was received.
            let name = flag.to_string();
            let after = self.bytes.saturating_add(name.len() as u64);
            match Flag::new(name) {
                Ok(flag) if self.all.len() < Self::MAX && after <= most => {
                    bits.keywords |= 1 << self.all.len();
                    self.bytes = after;
                    self.all.push(flag);
                }
                _ if unknown == Unknown::Add => {
                    self.all.truncate(before);
                    self.bytes = bytes;
                    let is_ours = after <= Self::MAX_BYTES && after > most;
                    return Err(if is_ours {
                        Error::OverQuota
                    } else {
                        Error::Limit("keywords in this mailbox")
                    });
                }
                _ => {}
            }
        }
        Ok(bits)
    }

    /// Keywords are the same in any case of their letters.
    fn place(&self, flag: &Flag) -> Option<usize> {
        let exactly = self.all.iter().position(|known| known == flag);
        exactly.or_else(|| {
            let name = flag.to_string();
            self.all.iter().position(|known| known.to_string().eq_ignore_ascii_case(&name))
        })
    }

    pub(crate) fn set(&self, bits: Bits) -> FlagSet {
        let system = SYSTEM.iter().enumerate().filter(|(place, _)| bits.system >> place & 1 == 1);
        let mut set: FlagSet = system.map(|(_, flag)| flag.clone()).collect();
        if bits.keywords != 0 {
            let keywords = self.all.iter().enumerate().filter(|(place, _)| bits.keywords >> place & 1 == 1);
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
        let bits = keywords.bits(&set(&["\\Seen", "$Work", "\\Recent"]), Unknown::Add, u64::MAX).unwrap();
        assert_eq!(bits, keywords.bits(&set(&["\\SEEN", "$work", "none"]), Unknown::Ignore, 0).unwrap());
        assert_eq!(keywords.set(bits).to_string(), "(\\Seen $Work)");
        assert!(bits.is_seen() && !bits.is_deleted());
        assert_eq!(bits.without(bits.with(Bits::default())), Bits::default());

        let many: FlagSet = (0..63).map(|n| Flag::new(format!("k{n}")).unwrap()).collect();
        assert!(matches!(keywords.bits(&many, Unknown::Add, u64::MAX), Err(Error::Limit(_))));
        assert_eq!(keywords.all().len(), 1, "nothing was added");
        let bits = keywords.bits(&many, Unknown::AddSome, u64::MAX).unwrap();
        assert_eq!((keywords.set(bits).len(), keywords.is_full()), (62, true));
    }

    #[test]
    fn their_bytes_are_bounded() {
        let mut keywords = Keywords::default();
        let long: Vec<String> = (0..5).map(|n| n.to_string().repeat(1000)).collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        assert!(matches!(keywords.bits(&set(&long), Unknown::Add, u64::MAX), Err(Error::Limit(_))));
        assert_eq!((keywords.all().len(), keywords.bytes()), (0, 0), "nothing was added");
        let bits = keywords.bits(&set(&long), Unknown::AddSome, u64::MAX).unwrap();
        assert_eq!((keywords.set(bits).len(), keywords.bytes()), (4, 4000));
        assert_eq!(keywords.bits(&set(&["abc"]), Unknown::Add, 2), Err(Error::OverQuota));
        assert!(keywords.bits(&set(&["abc"]), Unknown::Add, 3).is_ok());
    }
}
