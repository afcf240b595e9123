//! Bytes that must not be seen.

use alloc::{string::String, vec::Vec};
use core::fmt;

use bytes::{Bytes, BytesMut};
use zeroize::Zeroize;

/// A password, a token or a SASL message. `Debug` prints no byte of it and not even its length, and
/// it is zeroed on drop.
///
/// ```
/// let secret = mailwire_core::Secret::from("tanstaaf");
/// assert_eq!(format!("{secret:?}"), "Secret(..)");
/// assert_eq!(secret.expose(), b"tanstaaf");
/// ```
#[derive(Clone, Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The bytes themselves. Named so that its use stands out.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is nothing to hide.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Secret {
    /// The bytes as what is shared and sliced; they are zeroed when the last slice is dropped.
    pub(crate) fn into_bytes(self) -> Bytes {
        /// Gives the bytes to nobody but their slices.
        struct Owner(Secret);

        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                self.0.expose()
            }
        }

        Bytes::from_owner(Owner(self))
    }

    /// Takes bytes off the front of an input: a line that may hold a secret. What is returned is a copy that
    /// is zeroed when its last slice is dropped; where they stood, the bytes are zeroed now, as nobody knows
    /// what becomes of that memory.
    pub(crate) fn take(input: &mut BytesMut, length: usize) -> Bytes {
        let mut line = input.split_to(length.min(input.len()));
        let copy = Self::from(&line[..]);
        line.as_mut().zeroize();
        copy.into_bytes()
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<&[u8]> for Secret {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

/// Compares in a time that depends on the lengths alone.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let differing = self.0.iter().zip(&other.0).fold(0, |acc, (a, b)| acc | (a ^ b));
        core::hint::black_box(differing) == 0 && self.0.len() == other.0.len()
    }
}

impl Eq for Secret {}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Secret {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self(u.arbitrary()?))
    }
}
