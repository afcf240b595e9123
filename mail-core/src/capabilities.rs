//! What a server offers, as IMAP and POP3 have it.

/// Says when a client asks for the server's capabilities by itself: with CAPA in POP3, and in IMAP with
/// CAPABILITY, if the server has not told them unasked. All are on by default.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskCapabilities {
    /// Asks after the greeting. In POP3 it does so before STLS too, as the answer shows whether that is
    /// offered; in IMAP it does not before STARTTLS.
    pub after_greeting: bool,
    /// Asks after STLS or STARTTLS, as all that was learnt before is forgotten.
    pub after_tls: bool,
    /// Asks after the login, as servers then say more, and after it ends (UNAUTHENTICATE). In POP3 it does not if
    /// the server refused CAPA before.
    pub after_login: bool,
}

impl AskCapabilities {
    /// Never asks: some servers of POP3 end the connection when they hear CAPA.
    #[must_use]
    pub const fn never() -> Self {
        Self { after_greeting: false, after_tls: false, after_login: false }
    }
}

impl Default for AskCapabilities {
    fn default() -> Self {
        Self { after_greeting: true, after_tls: true, after_login: true }
    }
}

/// Declares the list of what a server offers, as far as it has said so. For the crates of protocols that
/// name capabilities one by one, whose feature `serde` it heeds.
///
/// ```ignore
/// mailwire_core::capability_list! {
///     /// What a server offers.
///     pub struct Capabilities of Capability;
/// }
/// ```
///
/// It gives `unknown`, `is_known`, `has`, `iter`, `len`, `is_empty`; from an iterator it is known. Its copies share one list:
/// that of a server is the same for thousands of connections.
#[doc(hidden)]
#[macro_export]
macro_rules! capability_list {
    ($(#[$meta:meta])* $vis:vis struct $name:ident of $capability:ident;) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        $vis struct $name {
            /// `None`: the server has not said it.
            list: ::core::option::Option<::alloc::sync::Arc<[$capability]>>,
        }

        impl $name {
            /// Makes the capabilities of a server that has not said what it offers: it may have all of them,
            /// and only trying tells.
            #[must_use]
            pub const fn unknown() -> Self {
                Self { list: ::core::option::Option::None }
            }

            /// Whether the server has said what it offers.
            #[must_use]
            pub const fn is_known(&self) -> bool {
                self.list.is_some()
            }

            pub(crate) fn as_slice(&self) -> &[$capability] {
                self.list.as_deref().unwrap_or_default()
            }

            /// Whether exactly this is offered, its parameters included.
            #[must_use]
            pub fn has(&self, capability: &$capability) -> bool {
                self.as_slice().contains(capability)
            }

            /// All capabilities, in the order in which they were named.
            pub fn iter(&self) -> ::core::slice::Iter<'_, $capability> {
                self.as_slice().iter()
            }

            /// The number of capabilities.
            #[must_use]
            pub fn len(&self) -> usize {
                self.as_slice().len()
            }

            /// Whether there are no capabilities, as where they are not known.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.as_slice().is_empty()
            }
        }

        /// Takes a list as what a server has said.
        impl ::core::iter::FromIterator<$capability> for $name {
            fn from_iter<I: ::core::iter::IntoIterator<Item = $capability>>(list: I) -> Self {
                Self { list: Some(list.into_iter().collect()) }
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                use serde::ser::SerializeStruct as _;
                let mut shown = serializer.serialize_struct(::core::stringify!($name), 2)?;
                shown.serialize_field("list", self.as_slice())?;
                shown.serialize_field("known", &self.is_known())?;
                shown.end()
            }
        }

        impl ::core::iter::IntoIterator for $name {
            type Item = $capability;
            type IntoIter = ::alloc::vec::IntoIter<$capability>;

            fn into_iter(self) -> Self::IntoIter {
                self.as_slice().to_vec().into_iter()
            }
        }

        impl<'a> ::core::iter::IntoIterator for &'a $name {
            type Item = &'a $capability;
            type IntoIter = ::core::slice::Iter<'a, $capability>;

            fn into_iter(self) -> Self::IntoIter {
                self.iter()
            }
        }
    };
}
