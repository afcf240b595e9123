//! Numbers that are types of their own, and how numbers are written.

use alloc::vec::Vec;

/// Appends a decimal number.
pub fn write_number(out: &mut Vec<u8>, mut number: u64) {
    let start = out.len();
    loop {
        // Less than 10, so it fits.
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

/// Declares a number that is a type of its own: `new -> Option`, `get`, the conversions, and how it is
/// shown. For the protocol crates, whose features `serde` and `arbitrary` it heeds.
///
/// ```ignore
/// mailwire_core::number! {
///     /// The number of a message.
///     MessageNumber(NonZeroU32) from u32, "message number", "not from 1 to 4294967295", NonZeroU32::new, NonZeroU32::get
/// }
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty) from $plain:ty, $what:literal, $range:literal, $check:expr, $get:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
        pub struct $name($inner);

        impl $name {
            /// The number, if it is one of this kind.
            #[must_use]
            #[inline]
            pub const fn new(number: $plain) -> ::core::option::Option<Self> {
                match $check(number) {
                    ::core::option::Option::Some(number) => ::core::option::Option::Some(Self(number)),
                    ::core::option::Option::None => ::core::option::Option::None,
                }
            }

            /// The plain number.
            #[must_use]
            #[inline]
            pub const fn get(self) -> $plain {
                $get(self.0)
            }
        }

        impl ::core::convert::From<$name> for $plain {
            #[inline]
            fn from(number: $name) -> Self {
                number.get()
            }
        }

        impl ::core::convert::TryFrom<$plain> for $name {
            type Error = $crate::Invalid;
            #[inline]
            fn try_from(number: $plain) -> ::core::result::Result<Self, $crate::Invalid> {
                Self::new(number).ok_or($crate::Invalid::new($what, 0, $range))
            }
        }

        impl ::core::str::FromStr for $name {
            type Err = $crate::Invalid;
            #[inline]
            fn from_str(text: &str) -> ::core::result::Result<Self, $crate::Invalid> {
                text.parse().ok().and_then(Self::new).ok_or($crate::Invalid::new($what, 0, $range))
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Display::fmt(&self.get(), f)
            }
        }

        impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.get())
            }
        }

        #[cfg(feature = "arbitrary")]
        impl<'a> arbitrary::Arbitrary<'a> for $name {
            fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
                Self::new(u.arbitrary()?).ok_or(arbitrary::Error::IncorrectFormat)
            }
        }

        impl ::core::cmp::PartialEq<$plain> for $name {
            fn eq(&self, number: &$plain) -> bool {
                self.get() == *number
            }
        }
    };
}

#[cfg(test)]
#[allow(unreachable_pub)]
mod tests {
    use alloc::{format, string::ToString};
    use core::num::NonZeroU32;

    crate::number! {
        /// A number for the test.
        Small(NonZeroU32) from u32, "small number", "not from 1 on", NonZeroU32::new, NonZeroU32::get
    }

    #[test]
    fn a_number_of_its_own() {
        let small = Small::new(7).unwrap();
        assert_eq!((small.get(), u32::from(small), small == 7), (7, 7, true));
        assert_eq!(Small::new(0), None);
        assert_eq!("7".parse(), Ok(small));
        assert!(
            "0".parse::<Small>().is_err() && "x".parse::<Small>().is_err() && Small::try_from(0).is_err()
        );
        assert_eq!((small.to_string(), format!("{small:?}")), ("7".to_string(), "Small(7)".to_string()));
    }
}
