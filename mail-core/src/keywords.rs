//! Tables of words, found by two comparisons of machine words.

/// An enum of the words that a grammar knows, found in any case.
///
/// ```
/// mailwire_core::keywords! {
///     /// What POP3 lists.
///     pub enum Verb { Stat = "STAT", List = "LIST" }
/// }
/// assert_eq!(Verb::of(b"stat"), Some(Verb::Stat));
/// assert_eq!(Verb::of(b"TOP"), None);
/// assert_eq!(Verb::List.as_str(), "LIST");
/// ```
///
/// Words are at most 16 bytes of letters, digits and `.-_=+/`: the build fails otherwise. The text
/// compared with them is of such characters, or others that an atom can have.
#[macro_export]
macro_rules! keywords {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$doc:meta])* $variant:ident = $text:literal),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $vis enum $name { $($(#[$doc])* $variant,)* }

        #[allow(dead_code, non_upper_case_globals)]
        impl $name {
            /// The word that `text` is, in any case.
            #[inline(always)]
            $vis fn of(text: &[u8]) -> ::core::option::Option<Self> {
                $(const $variant: (u64, u64) = $crate::keyword($text);)*
                match $crate::keyword_key(text) {
                    $($variant => ::core::option::Option::Some(Self::$variant),)*
                    _ => ::core::option::Option::None,
                }
            }

            /// The word as it is written.
            #[inline]
            $vis const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

/// What two equal words have in common, whatever their case.
#[doc(hidden)]
#[inline]
#[must_use]
pub fn keyword_key(text: &[u8]) -> (u64, u64) {
    match crate::words(text) {
        Some([first, second, 0]) => (fold(first), fold(second)),
        _ => (u64::MAX, u64::MAX),
    }
}

/// The same of a word of a table.
///
/// # Panics
///
/// At build time, for a word that cannot be told apart so.
#[doc(hidden)]
#[must_use]
#[allow(clippy::indexing_slicing, clippy::panic)] // In constants only, where a mistake does not build.
pub const fn keyword(text: &str) -> (u64, u64) {
    let text = text.as_bytes();
    assert!(text.len() <= 16, "a keyword of more than 16 bytes");
    let mut number = 0;
    let mut at = text.len();
    while at > 0 {
        at -= 1;
        assert!(
            text[at].is_ascii_alphanumeric() || matches!(text[at], b'.' | b'-' | b'_' | b'=' | b'+' | b'/'),
            "a keyword with a character that is not told from another"
        );
        number = number << 8 | text[at] as u128;
    }
    (fold(number as u64), fold((number >> 64) as u64))
}

/// Each byte without the bit that tells small letters from capital ones.
const fn fold(word: u64) -> u64 {
    word & !u64::from_le_bytes([0x20; 8])
}
