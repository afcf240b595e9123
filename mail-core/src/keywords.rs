//! Tables of words, found by two comparisons of machine words.

/// Declares an enum of the words that a grammar knows, which are found in any case.
///
/// `Name::of(&[u8]) -> Option<Name>` finds a word, `as_str` is the word as it is written, and `ALL`
/// lists the variants in the order of the table. A match on the enum is exhaustive, so that a new
/// word is forgotten nowhere.
///
/// ```
/// mailwire_core::keywords! {
///     /// What POP3 lists.
///     pub enum Verb { Stat = "STAT", List = "LIST" }
/// }
/// assert_eq!(Verb::of(b"stat"), Some(Verb::Stat));
/// assert_eq!(Verb::of(b"TOP"), None);
/// assert_eq!(Verb::List.as_str(), "LIST");
/// assert_eq!(Verb::ALL, [Verb::Stat, Verb::List]);
/// ```
///
/// Words are at most 24 bytes of letters, digits and `.-_=+/`: the build fails otherwise.
///
/// ```compile_fail
/// mailwire_core::keywords! { enum Verb { Long = "A-WORD-OF-MORE-THAN-24-BYTES" } }
/// let _ = Verb::of(b"x");
/// ```
///
/// Two words are the same if they differ in the bit that tells small letters from capital ones. That
/// holds for the characters above and any others that an atom can have; with a control character or
/// DEL in the text, it may be taken for another word.
/// Where the words name the values of another enum, which has a variant of each name, the table says so:
/// `of_value` is then the name of a value, and `None` for the variants after `except`.
///
/// ```
/// enum Command { Stat, List(Option<u32>), Other { name: String } }
/// mailwire_core::keywords! {
///     enum Verb of Command except Other { Stat = "STAT", List = "LIST" }
/// }
/// assert_eq!(Verb::of_value(&Command::List(Some(1))), Some(Verb::List));
/// assert_eq!(Verb::of_value(&Command::Other { name: "X".into() }), None);
/// ```
#[macro_export]
macro_rules! keywords {
    ($(#[$meta:meta])* $vis:vis enum $name:ident of $value:ident except $($other:ident),* {
        $($(#[$doc:meta])* $variant:ident = $text:literal),* $(,)?
    }) => {
        $crate::keywords! {
            $(#[$meta])* $vis enum $name { $($(#[$doc])* $variant = $text),* }
        }

        impl $name {
            /// The word that names a value.
            #[inline]
            #[must_use]
            $vis const fn of_value(value: &$value) -> ::core::option::Option<Self> {
                match value {
                    $($value::$variant { .. } => ::core::option::Option::Some(Self::$variant),)*
                    $($value::$other { .. } => ::core::option::Option::None,)*
                }
            }
        }
    };
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$doc:meta])* $variant:ident = $text:literal),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $vis enum $name { $($(#[$doc])* $variant,)* }

        #[allow(dead_code, non_upper_case_globals)]
        impl $name {
            /// All words, in the order of the table.
            $vis const ALL: [Self; [$($text),*].len()] = [$(Self::$variant),*];

            /// The word that `text` is, in any case.
            #[inline(always)]
            #[must_use]
            $vis fn of(text: &[u8]) -> ::core::option::Option<Self> {
                $crate::keyword_match!(text, $($variant = $text => Self::$variant),*)
            }

            /// The word as it is written.
            #[inline]
            #[must_use]
            $vis const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

/// The value beside the word that `$input` is. Each word is given a name of its own, which the user
/// allows not to be in capital letters.
#[doc(hidden)]
#[macro_export]
macro_rules! keyword_match {
    ($input:expr, $($name:ident = $text:literal => $value:expr),*) => {{
        // Most tables do without the third word, and are faster so.
        const LONG: bool = $($text.len() > 16 ||)* false;
        if LONG {
            $(const $name: (u64, u64, u64) = $crate::private::keyword($text);)*
            match $crate::private::long_keyword_key($input) {
                $($name => ::core::option::Option::Some($value),)*
                _ => ::core::option::Option::None,
            }
        } else {
            $(const $name: (u64, u64) = {
                // There is no third word in a table that is found by this.
                let (first, second, third) = $crate::private::keyword($text);
                (first, second ^ third)
            };)*
            match $crate::private::keyword_key($input) {
                $($name => ::core::option::Option::Some($value),)*
                _ => ::core::option::Option::None,
            }
        }
    }};
}

/// What two equal words of at most 16 bytes have in common, whatever their case.
#[inline]
#[must_use]
pub fn keyword_key(text: &[u8]) -> (u64, u64) {
    match crate::words::words(text) {
        Some([first, second, 0]) => (fold(first), fold(second)),
        _ => (u64::MAX, u64::MAX),
    }
}

/// What two equal words of at most 24 bytes have in common, whatever their case.
#[inline]
#[must_use]
pub fn long_keyword_key(text: &[u8]) -> (u64, u64, u64) {
    match crate::words::words(text) {
        Some([first, second, third]) => (fold(first), fold(second), fold(third)),
        None => (u64::MAX, u64::MAX, u64::MAX),
    }
}

/// The key of a word of a table.
///
/// # Panics
///
/// At build time, for a word that cannot be told apart by its key.
#[must_use]
#[allow(clippy::indexing_slicing, clippy::panic)] // In constants only, where a mistake does not build.
pub const fn keyword(text: &str) -> (u64, u64, u64) {
    let text = text.as_bytes();
    assert!(text.len() <= 24, "a keyword of more than 24 bytes");
    let mut words = [0u64; 3];
    let mut at = text.len();
    while at > 0 {
        at -= 1;
        assert!(
            text[at].is_ascii_alphanumeric() || matches!(text[at], b'.' | b'-' | b'_' | b'=' | b'+' | b'/'),
            "a keyword with a character that is not told from another"
        );
        words[at / 8] = words[at / 8] << 8 | text[at] as u64;
    }
    (fold(words[0]), fold(words[1]), fold(words[2]))
}

/// Each byte without the bit that tells small letters from capital ones.
const fn fold(word: u64) -> u64 {
    word & !u64::from_le_bytes([0x20; 8])
}

#[cfg(test)]
mod tests {
    crate::keywords! {
        enum Short { A = "A", Eight = "ABCDEFGH", Nine = "ABCDEFGHI", Sixteen = "ABCDEFGH-0123456" }
    }
    crate::keywords! {
        enum Long { A = "A", Sixteen = "ABCDEFGH-0123456", More = "ABCDEFGH-01234567", Most = "ABCDEFGH-0123456789abcde" }
    }

    #[test]
    fn each_word_is_found_in_any_case_and_nothing_else_is() {
        for word in Short::ALL {
            assert_eq!(Short::of(word.as_str().to_ascii_lowercase().as_bytes()), Some(word));
        }
        for word in Long::ALL {
            let text = word.as_str();
            assert_eq!(Long::of(text.to_ascii_lowercase().as_bytes()), Some(word));
            assert_eq!(Long::of(text.to_ascii_uppercase().as_bytes()), Some(word));
            for at in 0..text.len() {
                let mut other = text.as_bytes().to_vec();
                other[at] = b'!';
                assert_eq!(Long::of(&other), None);
            }
        }
        for text in [&b""[..], b"AB", b"ABCDEFG", b"ABCDEFGH-012345", b"ABCDEFGH-0123456789abcdef"] {
            assert_eq!((Short::of(text), Long::of(text)), (None, None));
        }
        assert_eq!(Short::of(b"ABCDEFGH-01234567"), None);
    }
}
