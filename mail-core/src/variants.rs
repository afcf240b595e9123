//! Conversions into sum types.

/// Declares `From` for what a variant holds, where it holds nothing else: `from_variants!(Host { Domain(Domain) })`.
#[doc(hidden)]
#[macro_export]
macro_rules! from_variants {
    ($name:ty { $($variant:ident($held:ty)),* $(,)? }) => {
        $(
            impl ::core::convert::From<$held> for $name {
                fn from(held: $held) -> Self {
                    Self::$variant(held.into())
                }
            }
        )*
    };
}
