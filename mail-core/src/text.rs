//! Text from a peer.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt;

use bytes::Bytes;

use crate::words::words;

/// Text as a peer sent it or is to get it: bytes that are usually UTF-8, never assumed to be.
///
/// A short text, of 23 bytes or fewer, is a copy. A longer one is a slice of what was received, so
/// that cloning is cheap, and it can hold a large receive buffer alive: [`compact`](Self::compact)
/// copies it out. `Debug` and `Display` escape control characters, so that no peer writes to a
/// terminal or forges a line of a log.
#[derive(Clone)]
pub struct Text(Repr);

/// Counting the references to a shared buffer costs more than to copy a few bytes, and most texts are
/// short. The niche of `Bytes` tells the two apart, so that neither is larger than the other where a
/// pointer has 64 bits.
#[derive(Clone)]
enum Repr {
    /// The text, zeros, and in the last byte its length.
    Short([u8; SHORT + 1]),
    Shared(Bytes),
}

const SHORT: usize = 23;

// Where pointers are shorter, `Bytes` is the smaller one.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Text>() == size_of::<Bytes>());

impl Repr {
    /// A copy, if `text` is short enough.
    #[inline]
    fn short(text: &[u8]) -> Option<Self> {
        let [first, second, third] = words(text).filter(|_| text.len() <= SHORT)?;
        let mut bytes = [0; SHORT + 1];
        put_word::<0>(&mut bytes, first)?;
        put_word::<8>(&mut bytes, second)?;
        put_word::<16>(&mut bytes, third | (text.len() as u64) << 56)?;
        Some(Self::Short(bytes))
    }

    /// The representation of the first `length` bytes of a window, without a branch or a loop.
    #[inline]
    fn of_window(window: &[u8; SHORT + 1], length: usize) -> Option<Self> {
        let [first, second, third] = MASKS.get(length)?;
        let mut bytes = [0; SHORT + 1];
        put_word::<0>(&mut bytes, word_at::<0>(window)? & *first)?;
        put_word::<8>(&mut bytes, word_at::<8>(window)? & *second)?;
        put_word::<16>(&mut bytes, word_at::<16>(window)? & *third | (length as u64) << 56)?;
        Some(Self::Short(bytes))
    }
}

#[inline(always)]
fn word_at<const AT: usize>(from: &[u8; SHORT + 1]) -> Option<u64> {
    Some(u64::from_le_bytes(*from.get(AT..)?.first_chunk()?))
}

/// Stored whole: what copies the text next does not wait for pieces.
#[inline(always)]
fn put_word<const AT: usize>(to: &mut [u8; SHORT + 1], word: u64) -> Option<()> {
    *to.get_mut(AT..)?.first_chunk_mut()? = word.to_le_bytes();
    Some(())
}

/// What of a window belongs to a text, by its length.
static MASKS: [[u64; 3]; SHORT + 1] = {
    let mut masks = [[0; 3]; SHORT + 1];
    let mut length = 0;
    while length <= SHORT {
        let mut word = 0;
        while word < 3 {
            let before = word * 8;
            // Both indices are below the lengths, in a constant.
            #[allow(clippy::indexing_slicing)]
            let mask = &mut masks[length][word];
            *mask = if length >= before + 8 {
                u64::MAX
            } else if length <= before {
                0
            } else {
                (1 << ((length - before) * 8)) - 1
            };
            word += 1;
        }
        length += 1;
    }
    masks
};

impl Text {
    /// No bytes.
    #[must_use]
    pub const fn new() -> Self {
        Self(Repr::Short([0; SHORT + 1]))
    }

    /// A text that is part of the program.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Repr::Shared(Bytes::from_static(text.as_bytes())))
    }

    /// `part` of `frame`, which it holds alive unless it is short.
    #[must_use]
    #[inline]
    pub(crate) fn part_of(frame: &Bytes, part: core::ops::Range<usize>) -> Self {
        if part.len() > SHORT {
            return Self::long_part_of(frame, part);
        }
        match Self::short_part_of(frame, &part) {
            Some(short) => short,
            None => frame.get(part).and_then(Repr::short).map(Self).unwrap_or_default(),
        }
    }

    /// The text of a part that is short and not at the end of the frame, as most parts are.
    #[inline(always)]
    pub(crate) fn short_part_of(frame: &Bytes, part: &core::ops::Range<usize>) -> Option<Self> {
        let window = frame.get(part.start..)?.first_chunk()?;
        Repr::of_window(window, part.len()).map(Self)
    }

    /// Apart, so that short texts are not slowed down by what only this needs.
    #[inline(never)]
    fn long_part_of(frame: &Bytes, part: core::ops::Range<usize>) -> Self {
        if frame.get(part.clone()).is_none() { Self::new() } else { Self(Repr::Shared(frame.slice(part))) }
    }

    /// A part of the text, which holds alive what the text does unless it is short. There is nothing
    /// beyond the end.
    #[must_use]
    pub fn slice(&self, part: core::ops::Range<usize>) -> Self {
        match &self.0 {
            Repr::Short(_) => Self::from(self.as_bytes().get(part).unwrap_or_default()),
            Repr::Shared(bytes) => Self::part_of(bytes, part),
        }
    }

    /// The bytes as they came.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Short(bytes) => {
                let [.., length] = bytes;
                bytes.get(..usize::from(*length)).unwrap_or_default()
            }
            Repr::Shared(bytes) => bytes,
        }
    }

    /// Appends the bytes.
    // `extend_from_slice` of `as_bytes` but for speed.
    #[doc(hidden)]
    #[inline]
    pub fn append_to(&self, out: &mut Vec<u8>) {
        match &self.0 {
            // All of its room, whose size is known, and then what does not belong to it is cut off:
            // that takes less than to copy as much as there is.
            Repr::Short(bytes) => {
                let end = out.len().saturating_add(self.len());
                out.extend_from_slice(bytes);
                out.truncate(end);
            }
            Repr::Shared(bytes) => out.extend_from_slice(bytes),
        }
    }

    /// Whether all bytes are ASCII.
    // `is_ascii` of `as_bytes` but for speed: the length of a short text is below 0x80, too.
    #[doc(hidden)]
    #[must_use]
    #[inline]
    pub fn is_ascii(&self) -> bool {
        let words = |mut rest: &[u8], mut all: u64| {
            while let Some((word, after)) = rest.split_first_chunk() {
                all |= u64::from_le_bytes(*word);
                rest = after;
            }
            all & 0x8080_8080_8080_8080 == 0
        };
        match &self.0 {
            Repr::Short(bytes) => words(bytes, 0),
            Repr::Shared(bytes) => match bytes.last_chunk() {
                Some(end) if bytes.len() <= 64 => words(bytes, u64::from_le_bytes(*end)),
                _ => bytes.is_ascii(),
            },
        }
    }

    /// The text, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        core::str::from_utf8(self.as_bytes()).ok()
    }

    /// The text, with U+FFFD for what is not UTF-8.
    #[must_use]
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }

    /// The number of bytes.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// Whether this is `other` but for the case of ASCII letters.
    #[must_use]
    pub fn eq_ignore_ascii_case(&self, other: &str) -> bool {
        self.as_bytes().eq_ignore_ascii_case(other.as_bytes())
    }

    /// The bytes, still shared with what was received if they are more than a few.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Repr::Short(_) => Bytes::copy_from_slice(self.as_bytes()),
            Repr::Shared(bytes) => bytes,
        }
    }

    /// A copy that holds nothing else alive.
    #[must_use]
    pub fn compact(&self) -> Self {
        Self::from(self.as_bytes())
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl core::hash::Hash for Text {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl From<Bytes> for Text {
    #[inline]
    fn from(bytes: Bytes) -> Self {
        Self(Repr::short(&bytes).unwrap_or(Repr::Shared(bytes)))
    }
}

impl From<&Bytes> for Text {
    // Apart, so that it is made in memory and lies there when it is moved: what is put together from
    // registers right before a move is waited for.
    #[inline(never)]
    fn from(bytes: &Bytes) -> Self {
        Self(Repr::short(bytes).unwrap_or_else(|| Repr::Shared(bytes.clone())))
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Repr::short(&bytes).unwrap_or_else(|| Repr::Shared(bytes.into())))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self(Repr::short(bytes).unwrap_or_else(|| Repr::Shared(Bytes::copy_from_slice(bytes))))
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<[u8]> for Text {
    fn eq(&self, other: &[u8]) -> bool {
        self.as_bytes() == other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        escape(self.as_bytes(), f)?;
        f.write_str("\"")
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(self.as_bytes(), f)
    }
}

/// Shows bytes as text in which control characters, quotes and what is not UTF-8 are escaped.
pub fn escape_ascii(bytes: &[u8]) -> impl fmt::Display + '_ {
    struct Escaped<'a>(&'a [u8]);
    impl fmt::Display for Escaped<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            escape(self.0, f)
        }
    }
    Escaped(bytes)
}

/// Printable characters as they are; the rest as Rust escapes. Bidirectional overrides are not
/// printable in this sense: `char::escape_debug` escapes them.
fn escape(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\'' => f.write_str("'")?,
                c => write!(f, "{}", c.escape_debug())?,
            }
        }
        for byte in chunk.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

#[cfg(feature = "serde")]
impl serde::Serialize for Text {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_str() {
            Some(text) => serializer.serialize_str(text),
            None => serializer.collect_str(self),
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Text {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(u.arbitrary::<Vec<u8>>()?.into())
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString};

    use super::*;

    #[test]
    fn parts_of_a_frame_are_those_bytes() {
        let frame = Bytes::from((0..60).collect::<Vec<u8>>());
        for start in 0..60 {
            for end in start..60 {
                let text = Text::part_of(&frame, start..end);
                assert_eq!(text.as_bytes(), &frame[start..end]);
                assert_eq!(text, Text::from(&frame[start..end]));
                assert_eq!(Text::from(frame.clone()).slice(start..end), text);
                assert_eq!(Text::from(&frame[..end]).slice(start..end), text);
            }
        }
        assert!(Text::part_of(&frame, 50..70).is_empty() && Text::part_of(&frame, 70..71).is_empty());
        assert!(Text::from("short").slice(3..6).is_empty());
    }

    #[test]
    fn shows_no_control_character() {
        let text = Text::from(&b"a\x1b[2J\r\nb\x00 \xe9 \xc3\xbc \"'\xe2\x80\xae"[..]);
        assert_eq!(text.to_string(), "a\\u{1b}[2J\\r\\nb\\0 \\xe9 ü \\\"'\\u{202e}");
        assert_eq!(format!("{text:?}"), format!("\"{text}\""));
    }

    #[test]
    fn short_and_long_texts_are_alike() {
        use core::hash::{BuildHasher, BuildHasherDefault, Hasher};
        #[derive(Default)]
        struct Sum(u64);
        impl Hasher for Sum {
            fn finish(&self) -> u64 {
                self.0
            }
            fn write(&mut self, bytes: &[u8]) {
                bytes.iter().for_each(|&byte| self.0 = self.0.wrapping_mul(31).wrapping_add(byte.into()));
            }
        }
        let whole = Bytes::from_static(b"abcdefghijklmnopqrstuvwxyz0123456789");
        let hash = |text: &Text| BuildHasherDefault::<Sum>::default().hash_one(text);
        for length in 0..whole.len() {
            let shared = Text(Repr::Shared(whole.slice(..length)));
            for text in [
                Text::from(whole.slice(..length)),
                Text::from(&whole.slice(..length)),
                Text::from(&whole[..length]),
                Text::from(whole[..length].to_vec()),
                Text::part_of(&whole, 0..length),
                shared.compact(),
            ] {
                assert_eq!(matches!(text.0, Repr::Short(_)), length <= SHORT);
                assert_eq!((text.as_bytes(), text.len()), (&whole[..length], length));
                let mut out = b"x".to_vec();
                text.append_to(&mut out);
                assert_eq!((out.first(), &out[1..]), (Some(&b'x'), &whole[..length]));
                assert_eq!((&text, hash(&text)), (&shared, hash(&shared)));
                assert_eq!(text.clone().into_bytes(), whole.slice(..length));
                assert!(text <= Text::part_of(&whole, 0..length + 1));
            }
        }
        assert_eq!(Text::part_of(&whole, 30..99), Text::new());
    }

    #[test]
    fn compact_shares_nothing() {
        let whole = Bytes::from_static(b"0123456789012345678901234567890123456789");
        let text = Text::from(whole.slice(2..32));
        assert_eq!(text.as_bytes().as_ptr(), whole[2..].as_ptr());
        assert_ne!(text.compact().as_bytes().as_ptr(), whole[2..].as_ptr());
        assert_eq!(text.compact(), text);
    }

    #[test]
    fn ascii_of_any_length() {
        for length in 0..40 {
            let mut text = alloc::vec![b'\x7f'; length];
            assert!(Text::from(text.as_slice()).is_ascii(), "{length}");
            for at in 0..length {
                text[at] = 0x80;
                assert!(!Text::from(text.as_slice()).is_ascii(), "{length} {at}");
                text[at] = b'a';
            }
        }
    }
}
