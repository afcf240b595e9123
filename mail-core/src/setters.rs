//! Methods that set the options of a struct.

/// Declares a method `with_x` for each option `x`, so that options can be set in one expression. What an
/// option means stands at its field. `const`: the methods are, which they can be where nothing is dropped.
#[doc(hidden)]
#[macro_export]
macro_rules! setters {
    (const $name:ident { $($with:ident($field:ident: $type:ty),)* }) => {
        impl $name {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub const fn $with(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
    ($name:ident { $($with:ident($field:ident: $type:ty),)* }) => {
        impl $name {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub fn $with(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
}
