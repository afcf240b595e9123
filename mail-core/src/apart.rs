//! Values that are dropped by one function.

/// Makes types that each hold one value, and have it dropped by a function of the crate that they stand in. The compiler puts the
/// code that drops what is in a value into each part of each crate where that may be, down to the programs; of a large
/// enum that is a lot.
///
/// The value needs a default one, which takes its place. The type is used like the value.
#[doc(hidden)]
#[macro_export]
macro_rules! apart {
    ($($(#[$meta:meta])* $vis:vis struct $name:ident($value:ty);)*) => {$(
        $(#[$meta])*
        $vis struct $name(::core::mem::ManuallyDrop<$value>);

        impl ::core::ops::Drop for $name {
            // In no other crate.
            #[inline(never)]
            fn drop(&mut self) {
                *self.0 = ::core::default::Default::default();
            }
        }

        impl ::core::default::Default for $name {
            #[inline]
            fn default() -> Self {
                Self(::core::mem::ManuallyDrop::new(::core::default::Default::default()))
            }
        }

        impl ::core::ops::Deref for $name {
            type Target = $value;
            #[inline]
            fn deref(&self) -> &$value {
                &self.0
            }
        }

        impl ::core::ops::DerefMut for $name {
            #[inline]
            fn deref_mut(&mut self) -> &mut $value {
                &mut self.0
            }
        }
    )*};
}
