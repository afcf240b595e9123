//! What can be limited.

use mailwire_core::{Invalid, Text, keywords};

use crate::types::Atom;

/// What can be limited (RFC 9208 section 5).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum ResourceName {
    /// `STORAGE`: the size of all messages, in units of 1024 octets.
    Storage,
    /// `MESSAGE`: the number of messages.
    Message,
    /// `MAILBOX`: the number of mailboxes.
    Mailbox,
    /// `ANNOTATION-STORAGE`: the size of all annotations, in units of 1024 octets.
    AnnotationStorage,
    /// Another, as it was written.
    Other(Atom),
}

keywords! {
    enum Known of ResourceName except Other {
        Storage = "STORAGE",
        Message = "MESSAGE",
        Mailbox = "MAILBOX",
        AnnotationStorage = "ANNOTATION-STORAGE",
    }
}

impl ResourceName {
    /// A resource by its name, in any case.
    ///
    /// # Errors
    ///
    /// The name is not an atom.
    pub fn new(name: impl Into<Text>) -> Result<Self, Invalid> {
        let name = name.into();
        Ok(match Self::known(name.as_bytes()) {
            Some(known) => known,
            None => Self::Other(Atom::new(name)?),
        })
    }

    pub(super) fn known(name: &[u8]) -> Option<Self> {
        Known::of(name).map(|known| match known {
            Known::Storage => Self::Storage,
            Known::Message => Self::Message,
            Known::Mailbox => Self::Mailbox,
            Known::AnnotationStorage => Self::AnnotationStorage,
        })
    }

    /// The name, as it stands on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match (self, Known::of_value(self)) {
            (Self::Other(name), _) => name.as_bytes(),
            (_, known) => known.map_or("", Known::as_str).as_bytes(),
        }
    }
}

#[cfg(feature = "arbitrary")]
mod arbitrary {
    use ::arbitrary::{Arbitrary, Result, Unstructured};

    use super::ResourceName;
    use crate::command::arbitrary::atom;

    impl<'a> Arbitrary<'a> for ResourceName {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(match u.int_in_range(0..=4)? {
                0 => Self::Storage,
                1 => Self::Message,
                2 => Self::Mailbox,
                3 => Self::AnnotationStorage,
                _ => Self::Other(atom(u)?),
            })
        }
    }
}
