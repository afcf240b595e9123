//! Methods that set the options of a struct.

/// Declares a method `with_x` for each option `x`, so that options can be set in one expression. What an
/// option means stands at its field. `const`: the methods are, which they can be where nothing is dropped.
///
/// The type is the field's own; or `some T` where the field is an `Option<T>` and the method gives it a value, `some
/// boxed T` for an `Option<Box<T>>`; `into T` and `some into T` take all that can become it.
#[doc(hidden)]
#[macro_export]
macro_rules! setters {
    (const $name:ident { $($with:ident($field:ident: $($type:tt)*),)* }) => {
        impl $name {
            $($crate::setters! { @one [const fn $with] $field: $($type)* })*
        }
    };
    ($name:ident { $($with:ident($field:ident: $($type:tt)*),)* }) => {
        impl $name {
            $($crate::setters! { @one [fn $with] $field: $($type)* })*
        }
    };
    (@one $fn:tt $field:ident: some into $type:ty) => {
        $crate::setters! { @method $fn $field: impl Into<$type>, Some($field.into()) }
    };
    (@one $fn:tt $field:ident: some boxed $type:ty) => {
        $crate::setters! { @method $fn $field: $type, Some($crate::private::Box::new($field)) }
    };
    (@one $fn:tt $field:ident: some $type:ty) => {
        $crate::setters! { @method $fn $field: $type, Some($field) }
    };
    (@one $fn:tt $field:ident: into $type:ty) => {
        $crate::setters! { @method $fn $field: impl Into<$type>, $field.into() }
    };
    (@one $fn:tt $field:ident: $type:ty) => {
        $crate::setters! { @method $fn $field: $type, $field }
    };
    (@method [$($fn:tt)*] $field:ident: $type:ty, $value:expr) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
        #[must_use]
        #[inline]
        pub $($fn)*(mut self, $field: $type) -> Self {
            self.$field = $value;
            self
        }
    };
}
