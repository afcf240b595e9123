//! The names of what lenient reading accepts: see [`Deviation::name`](crate::Deviation::name).
//!
//! The strict dialect refuses the same bytes, with the same name as the reason.

/// Declares the names and the list of all of them.
macro_rules! deviations {
    ($($(#[$doc:meta])* $constant:ident = $name:literal,)*) => {
        $($(#[$doc])* pub const $constant: &str = $name;)*

        /// All names of this crate.
        pub const ALL: &[&str] = &[$($constant),*];
    };
}

deviations! {
    /// A line of the server that ends in LF alone.
    BARE_LF = "bare-lf",
    /// A CR or LF in a message that is not part of a CR LF pair.
    BARE_CR_OR_LF = "bare-cr-or-lf",
    /// More than one space where the grammar has one.
    EXTRA_SPACE = "extra-space",
    /// No space where the grammar has one.
    MISSING_SPACE = "missing-space",
    /// A tab in place of a space.
    TAB_FOR_SPACE = "tab-for-space",
    /// Spaces at the end of a line.
    SPACE_BEFORE_LINE_END = "space-before-line-end",
    /// Spaces at the start of a line.
    SPACE_AT_LINE_START = "space-at-line-start",
    /// A CR or NUL in the text of a status line.
    CONTROL_CHARACTER = "control-character",
    /// A name in USER or APOP that is not UTF-8.
    NOT_UTF_8 = "not-utf-8",
    /// `+OK` where a challenge of AUTH is due, and where it cannot be a success.
    OK_FOR_CHALLENGE = "ok-for-challenge",
    /// An empty line in place of `+OK`, for DELE, RSET and NOOP.
    EMPTY_LINE_FOR_OK = "empty-line-for-ok",
    /// `+ok` or `-err`.
    STATUS_IN_LOWER_CASE = "status-in-lower-case",
    /// A status line longer than 512 octets.
    LONG_STATUS_LINE = "status-line-longer-than-512-octets",
    /// A bracket at the start of the text that begins no response code. It stays in the text.
    MALFORMED_RESPONSE_CODE = "malformed-response-code",
    /// A negative size in STAT or LIST: the server does not know it.
    NEGATIVE_OCTETS = "negative-octets",
    /// No size in STAT or LIST: the server does not know it.
    MISSING_OCTETS = "missing-octets",
    /// A unique-id longer than 70 characters.
    LONG_UNIQUE_ID = "unique-id-longer-than-70-characters",
    /// A character in a unique-id that is not in the range 0x21 to 0x7E.
    ODD_CHARACTER_IN_UNIQUE_ID = "odd-character-in-unique-id",
    /// A parameter of a capability that has none such. It is dropped.
    SURPLUS_PARAMETER = "surplus-parameter",
    /// No parameter of a capability that needs one. It is kept as it is.
    MISSING_PARAMETER = "missing-parameter",
    /// A parameter of a capability that is no number where one is due. It is kept as it is.
    TEXT_FOR_NUMBER = "text-for-number",
    /// A SASL mechanism with a name that RFC 4422 does not allow.
    ODD_MECHANISM_NAME = "odd-mechanism-name",
    /// A space within the name in USER or APOP.
    SPACE_IN_USER_NAME = "space-in-user-name",
    /// A digest in APOP in capital letters.
    DIGEST_IN_UPPER_CASE = "digest-in-upper-case",
    /// A command's name that does not have three or four characters.
    KEYWORD_LENGTH = "keyword-not-of-3-or-4-characters",
    /// A command line longer than 255 octets.
    LONG_COMMAND = "command-longer-than-255-octets",
}
