//! What the services of the three protocols are: a store, and who knows its users.

/// Declares a service over a store, with its constructors, and settings with what they are by default.
macro_rules! over_store {
    ($(#[$meta:meta])* $name:ident $(, $(#[$when:meta])* $setting:ident: $kind:ty = $default:expr)*) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        pub struct $name<S, A = S> {
            store: S,
            authenticator: A,
            $($(#[$when])* $setting: $kind,)*
        }

        impl<S: Store + Authenticator> $name<S> {
            /// A service over a store that knows its users' passwords.
            #[must_use]
            pub fn new(store: S) -> Self {
                Self { authenticator: store.clone(), store $(, $(#[$when])* $setting: $default)* }
            }
        }

        impl<S: Store, A: Authenticator> $name<S, A> {
            /// A service over a store, for users that somebody else knows.
            #[must_use]
            pub const fn with_authenticator(store: S, authenticator: A) -> Self {
                Self { store, authenticator $(, $(#[$when])* $setting: $default)* }
            }
        }
    };
}
pub(crate) use over_store;
