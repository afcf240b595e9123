//! The names of what lenient reading accepts: see [`Deviation::name`](crate::Deviation::name).
//!
//! The strict dialect refuses the same bytes, with the same name as the reason.
//!
//! What was read with a deviation is written strictly, with exceptions, for which there is no strict form that
//! means the same: `unique-id-longer-than-70-characters`, `odd-character-in-unique-id`,
//! `odd-mechanism-name`, `odd-language-tag`, `missing-parameter`, `text-for-number`, `space-in-user-name`, `not-utf-8`,
//! `keyword-not-of-3-or-4-characters` and `command-longer-than-255-octets`. These are written as they came.

mailwire_core::deviations! {
    common BARE_LF, EXTRA_SPACE, MISSING_SPACE, TAB_FOR_SPACE, SPACE_BEFORE_LINE_END, SPACE_AT_LINE_START,
        SURPLUS_ARGUMENT, CONTROL_CHARACTER, NOT_UTF_8;
    /// A CR or LF in a message that is not part of a CR LF pair.
    BARE_CR_OR_LF = "bare-cr-or-lf";
    /// `+OK` where a challenge of AUTH is due, and where it cannot be a success.
    OK_FOR_CHALLENGE = "ok-for-challenge";
    /// An empty line in place of `+OK`, for DELE, RSET and NOOP.
    EMPTY_LINE_FOR_OK = "empty-line-for-ok";
    /// `+ok` or `-err`.
    STATUS_IN_LOWER_CASE = "status-in-lower-case";
    /// A status line longer than 512 octets.
    LONG_STATUS_LINE = "status-line-longer-than-512-octets";
    /// A bracket at the start of the text that begins no response code. It stays in the text.
    MALFORMED_RESPONSE_CODE = "malformed-response-code";
    /// A negative size in STAT or LIST: the server does not know it.
    NEGATIVE_OCTETS = "negative-octets";
    /// No size in STAT or LIST: the server does not know it.
    MISSING_OCTETS = "missing-octets";
    /// No number in the answer to LIST or UIDL about one message: it is the message that was asked for.
    MISSING_NUMBER = "missing-number";
    /// A unique-id longer than 70 characters.
    LONG_UNIQUE_ID = "unique-id-longer-than-70-characters";
    /// A character in a unique-id that is not in the range 0x21 to 0x7E.
    ODD_CHARACTER_IN_UNIQUE_ID = "odd-character-in-unique-id";
    /// A parameter of a capability that has none such. It is dropped.
    SURPLUS_PARAMETER = "surplus-parameter";
    /// No parameter of a capability that needs one. It is kept as it is.
    MISSING_PARAMETER = "missing-parameter";
    /// A parameter of a capability that is no number where one is due. It is kept as it is.
    TEXT_FOR_NUMBER = "text-for-number";
    /// A SASL mechanism with a name that [RFC 4422 section 3.1](https://www.rfc-editor.org/rfc/rfc4422#section-3.1) does not allow.
    ODD_MECHANISM_NAME = "odd-mechanism-name";
    /// A language whose tag [RFC 5646 section 2.1](https://www.rfc-editor.org/rfc/rfc5646#section-2.1) does not allow, such as `de_DE`.
    ODD_LANGUAGE_TAG = "odd-language-tag";
    /// No language in the answer to LANG with one.
    MISSING_LANGUAGE_TAG = "missing-language-tag";
    /// A space within the name in USER or APOP.
    SPACE_IN_USER_NAME = "space-in-user-name";
    /// A digest in APOP in capital letters.
    DIGEST_IN_UPPER_CASE = "digest-in-upper-case";
    /// A command's name that does not have three or four characters.
    KEYWORD_LENGTH = "keyword-not-of-3-or-4-characters";
    /// A command line longer than 255 octets.
    LONG_COMMAND = "command-longer-than-255-octets";
}
