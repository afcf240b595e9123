//! Texts that are types of their own.

/// Declares a text with a rule: a newtype over [`Text`](crate::Text) whose constructor, `new`, stands
/// beside it and is the caller's. For the protocol crates, whose feature `serde` it heeds.
///
/// After the name stands what `as_str` gives: `str` where the rule makes it always UTF-8, `bytes` where
/// it does not, and `as_str` is an `Option`. With `ignore_case` the case of ASCII letters does not
/// count in comparisons. After `=>` stands the method that gives what `Display` shows, if that is not the text itself.
///
/// ```ignore
/// mailwire_core::text_newtype! {
///     /// The name of an extension.
///     pub struct Keyword: str, ignore_case;
/// }
///
/// impl Keyword {
///     pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> { .. Ok(Self::unchecked(text)) }
/// }
/// ```
///
/// It gives `as_bytes`, `as_str`, `as_text`, `into_text`, `compact`, `eq_ignore_ascii_case`; within the
/// crate `unchecked`; conversions from `&str` and `String`; comparisons with `str`; `AsRef<[u8]>`,
/// `Debug` and `Display` as `Text` has them; `Serialize`.
#[doc(hidden)]
#[macro_export]
macro_rules! text_newtype {
    ($(#[$meta:meta])* $vis:vis struct $name:ident: $kind:ident $(, $case:ident)? $(=> $shown:ident)?;) => {
        $(#[$meta])*
        #[derive(Clone)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
        $vis struct $name($crate::Text);

        $crate::text_newtype!(@as_str $kind $name);
        $crate::text_newtype!(@compare $name $($case)?);
        $crate::text_newtype!(@display $name $($shown)?);

        #[allow(dead_code)]
        impl $name {
            /// The bytes.
            #[must_use]
            #[inline]
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }

            /// The text.
            #[must_use]
            #[inline]
            pub const fn as_text(&self) -> &$crate::Text {
                &self.0
            }

            /// The text, given away.
            #[must_use]
            #[inline]
            pub fn into_text(self) -> $crate::Text {
                self.0
            }

            /// Whether this is `other` but for the case of ASCII letters.
            #[must_use]
            #[inline]
            pub fn eq_ignore_ascii_case(&self, other: &str) -> bool {
                self.0.eq_ignore_ascii_case(other)
            }

            /// A copy that keeps no receive buffer alive.
            #[must_use]
            #[inline]
            pub fn compact(&self) -> Self {
                Self(self.0.compact())
            }

            /// Of a text that was checked.
            #[inline]
            pub(crate) const fn unchecked(text: $crate::Text) -> Self {
                Self(text)
            }
        }

        impl ::core::convert::TryFrom<&str> for $name {
            type Error = $crate::Invalid;
            #[inline]
            fn try_from(text: &str) -> ::core::result::Result<Self, $crate::Invalid> {
                Self::new(text)
            }
        }

        impl ::core::convert::TryFrom<::alloc::string::String> for $name {
            type Error = $crate::Invalid;
            #[inline]
            fn try_from(text: ::alloc::string::String) -> ::core::result::Result<Self, $crate::Invalid> {
                Self::new(text.as_str())
            }
        }

        impl ::core::str::FromStr for $name {
            type Err = $crate::Invalid;
            #[inline]
            fn from_str(text: &str) -> ::core::result::Result<Self, $crate::Invalid> {
                Self::new(text)
            }
        }

        impl ::core::convert::AsRef<[u8]> for $name {
            #[inline]
            fn as_ref(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl ::core::fmt::Debug for $name {
            #[inline]
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Debug::fmt(&self.0, f)
            }
        }
    };

    (@display $name:ident) => {
        impl ::core::fmt::Display for $name {
            #[inline]
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Display::fmt(&self.0, f)
            }
        }
    };
    (@display $name:ident $shown:ident) => {
        impl ::core::fmt::Display for $name {
            #[inline]
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Display::fmt(&$crate::escape_ascii(self.$shown().as_bytes()), f)
            }
        }
    };

    (@as_str str $name:ident) => {
        impl $name {
            /// The text, which is always UTF-8.
            #[must_use]
            #[inline]
            pub fn as_str(&self) -> &str {
                self.0.as_str().unwrap_or_default()
            }
        }
    };
    (@as_str bytes $name:ident) => {
        impl $name {
            /// The text, if it is UTF-8.
            #[must_use]
            #[inline]
            pub fn as_str(&self) -> ::core::option::Option<&str> {
                self.0.as_str()
            }
        }
    };

    (@compare $name:ident) => {
        $crate::text_newtype!(@traits $name
            |a, b| a == b,
            |a, b| ::core::cmp::Ord::cmp(a, b),
            |bytes, state| ::core::hash::Hash::hash(bytes, state)
        );
    };
    (@compare $name:ident ignore_case) => {
        $crate::text_newtype!(@traits $name
            |a, b| a.eq_ignore_ascii_case(b),
            |a, b| $crate::private::cmp_ignore_case(a, b),
            |bytes, state| $crate::private::hash_ignore_case(bytes, state)
        );
    };
    (@traits $name:ident
        |$a:ident, $b:ident| $eq:expr,
        |$c:ident, $d:ident| $cmp:expr,
        |$bytes:ident, $state:ident| $hash:expr
    ) => {
        impl ::core::cmp::PartialEq for $name {
            #[inline]
            fn eq(&self, other: &Self) -> bool {
                let ($a, $b) = (self.0.as_bytes(), other.0.as_bytes());
                $eq
            }
        }

        impl ::core::cmp::Eq for $name {}

        impl ::core::cmp::PartialEq<str> for $name {
            #[inline]
            fn eq(&self, other: &str) -> bool {
                let ($a, $b) = (self.0.as_bytes(), other.as_bytes());
                $eq
            }
        }

        impl ::core::cmp::PartialEq<&str> for $name {
            #[inline]
            fn eq(&self, other: &&str) -> bool {
                *self == **other
            }
        }

        impl ::core::cmp::PartialOrd for $name {
            #[inline]
            fn partial_cmp(&self, other: &Self) -> ::core::option::Option<::core::cmp::Ordering> {
                ::core::option::Option::Some(::core::cmp::Ord::cmp(self, other))
            }
        }

        impl ::core::cmp::Ord for $name {
            #[inline]
            fn cmp(&self, other: &Self) -> ::core::cmp::Ordering {
                let ($c, $d) = (self.0.as_bytes(), other.0.as_bytes());
                $cmp
            }
        }

        impl ::core::hash::Hash for $name {
            fn hash<H: ::core::hash::Hasher>(&self, $state: &mut H) {
                let $bytes = self.0.as_bytes();
                $hash
            }
        }
    };
}

#[cfg(test)]
#[allow(unreachable_pub)]
mod tests {
    use alloc::{format, string::String};
    use core::hash::{BuildHasher, BuildHasherDefault, Hash};

    use crate::{Invalid, Text, private};

    crate::text_newtype! {
        /// Letters.
        struct Word: str, ignore_case;
    }

    impl Word {
        fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
            let text = text.into();
            private::check_text(
                "word",
                text.as_bytes(),
                1..=4,
                |byte| byte.is_ascii_alphabetic(),
                "not a letter",
            )?;
            Ok(Self::unchecked(text))
        }
    }

    crate::text_newtype! {
        /// Anything.
        struct Raw: bytes;
    }

    impl Raw {
        fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
            Ok(Self::unchecked(text.into()))
        }
    }

    fn hash(value: &impl Hash) -> u64 {
        #[allow(deprecated)]
        BuildHasherDefault::<core::hash::SipHasher>::default().hash_one(value)
    }

    #[test]
    fn case_counts_where_it_does() {
        let (small, capital) = (Word::new("word").unwrap(), Word::try_from(String::from("WORD")).unwrap());
        assert_eq!((&small, hash(&small)), (&capital, hash(&capital)));
        assert!(small == "Word" && small.cmp(&capital).is_eq() && small < Word::new("worf").unwrap());
        assert!(Word::new("wor").unwrap() < small);
        let (small, capital) = (Raw::new("word").unwrap(), Raw::new("WORD").unwrap());
        assert!(small != capital && hash(&small) != hash(&capital) && capital < small && small != "WORD");
        assert!(small.eq_ignore_ascii_case("WORD"));
    }

    #[test]
    fn text_and_errors() {
        assert_eq!("word".parse::<Word>().unwrap().as_str(), "word");
        assert_eq!(Raw::new(&b"\xff"[..]).unwrap().as_str(), None);
        for (text, offset) in [("", 0), ("a1", 1), ("abcde", 4)] {
            assert_eq!(Word::new(text).unwrap_err().offset, offset);
        }
        assert_eq!(format!("{0} {0:?}", Raw::new("a\n").unwrap()), "a\\n \"a\\n\"");
    }
}
