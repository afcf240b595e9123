//! Names of deviations from the grammar that mean the same in several protocols, and the macro that
//! lists those of a crate.
//!
//! A name is in kebab case and says what was met: `x-for-y` where x stands in place of y, `missing-x`,
//! `surplus-x`, `x-without-y`. It is what [`Deviation::name`](crate::Deviation::name) holds, so that a
//! program can count them or refuse some.

/// Lists the deviations that a crate knows: a constant for each name, and `ALL`, the names with what
/// each means.
///
/// A name that means the same in several protocols is a constant of `mailwire_core::deviation`, and is
/// listed by that constant after `common`.
///
/// ```
/// mod deviation {
///     mailwire_core::deviations! {
///         common BARE_LF, EXTRA_SPACE;
///         /// A reply code of two digits.
///         SHORT_CODE = "short-code";
///     }
/// }
/// assert_eq!(deviation::SHORT_CODE, "short-code");
/// assert_eq!(deviation::BARE_LF, "bare-lf");
/// assert!(deviation::ALL.contains(&("short-code", "A reply code of two digits.")));
/// assert_eq!(deviation::ALL.len(), 3);
/// ```
#[macro_export]
macro_rules! deviations {
    (
        $(common $($common:ident),* $(,)?;)?
        $($(#[doc = $meaning:literal])+ $constant:ident = $name:literal;)*
    ) => {
        $($(pub use $crate::deviation::$common;)*)?
        $($(#[doc = $meaning])+ pub const $constant: &str = $name;)*

        /// All deviations that are known here: the name of each, and what it means.
        pub const ALL: &[(&str, &str)] = &[
            $($(($common, $crate::private::meaning_of_deviation($common)),)*)?
            $(($name, $crate::private::doc_text(concat!($($meaning),+))),)*
        ];
    };
}

crate::deviations! {
    /// A line ends in LF without CR.
    BARE_LF = "bare-lf";
    /// A CR without LF within a line.
    BARE_CR = "bare-cr";
    /// More spaces than the grammar has between two words.
    EXTRA_SPACE = "extra-space";
    /// No space where the grammar has one.
    MISSING_SPACE = "missing-space";
    /// Spaces before the end of a line.
    SPACE_BEFORE_LINE_END = "space-before-line-end";
    /// Spaces at the start of a line.
    SPACE_AT_LINE_START = "space-at-line-start";
    /// A tab where the grammar has a space.
    TAB_FOR_SPACE = "tab-for-space";
    /// Bytes that are not UTF-8 where the text has to be.
    NOT_UTF_8 = "not-utf-8";
    /// A control character within text.
    CONTROL_CHARACTER = "control-character";
    /// An argument after a command that has none: it is passed over.
    SURPLUS_ARGUMENT = "surplus-argument";
    /// Bytes beyond ASCII where only ASCII is allowed.
    EIGHT_BIT_TEXT = "8-bit-text";
}
