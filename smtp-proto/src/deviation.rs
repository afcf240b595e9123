//! Deviations from the grammar that the lenient dialect accepts.
//!
//! Each is reported as a [`Deviation`](crate::Deviation) with its name; in the strict dialect it is an
//! error with that name as the reason.
//!
//! What was read with a deviation is written strictly, with these exceptions, for which there is no
//! strict form that means the same: `underscore-in-domain`, `hyphen-at-label-edge`,
//! `malformed-address-literal` where there is no IPv6 address in it, `missing-domain`,
//! `unusual-ehlo-name` and `equals-sign-in-parameter-value`. These are written as they came.
//!
//! | name | seen in | meaning |
//! | --- | --- | --- |
//! | `bare-lf` | replies | a line ends in LF without CR; a command that does is refused |
//! | `challenge-not-base64` | replies | a challenge of a SASL exchange is plain text |
//! | `control-character` | replies | a control character in the text |
//! | `empty-line-in-reply` | replies | an empty line between the lines of a reply |
//! | `equals-sign-for-space` | EHLO | `AUTH=PLAIN`: an equals sign after a keyword |
//! | `equals-sign-in-parameter-value` | MAIL, RCPT | an equals sign within a parameter's value |
//! | `extra-space` | both | more than one space between two words |
//! | `hyphen-at-label-edge` | addresses | a label of a domain that begins or ends with a hyphen |
//! | `malformed-address-literal` | addresses | brackets with something else than an address in them; an IPv6 address gets its tag |
//! | `malformed-auth-parameter` | MAIL | a value of AUTH that is no mailbox: taken for `<>` |
//! | `malformed-capability` | EHLO | a line of the reply that is no capability: left out |
//! | `misplaced-dot-in-local-part` | addresses | a dot at an end of a local part, or two in a row: it gets quotes |
//! | `missing-angle-brackets` | MAIL, RCPT | an address without its brackets |
//! | `missing-domain` | RCPT | a local part alone, `<root>`: a user of the server |
//! | `not-utf-8` | replies | text that is not UTF-8 |
//! | `reply-code-out-of-range` | replies | a second digit beyond 5 |
//! | `reply-codes-differ` | replies | lines of one reply with several codes: the last one counts |
//! | `source-route` | MAIL, RCPT | hosts to be passed on the way, before the address: left out |
//! | `space-after-colon` | MAIL, RCPT | `MAIL FROM: <a@b.example>` |
//! | `space-before-colon` | MAIL, RCPT | `MAIL FROM :<a@b.example>` |
//! | `space-before-line-end` | both | spaces at the end of a line |
//! | `space-in-path` | MAIL, RCPT | a space within the angle brackets |
//! | `surplus-argument` | DATA, RSET, QUIT | something after a command without arguments: passed over |
//! | `tab-for-space` | both | a tab where the grammar has a space |
//! | `trailing-dot-in-domain` | addresses | a dot at the end of a domain: left out |
//! | `underscore-in-domain` | addresses | an underscore in the name of a host |
//! | `unprintable-capability` | EHLO | a parameter with bytes that are not printable ASCII |
//! | `unusual-ehlo-name` | EHLO, HELO, LHLO | a client's name that is not the name of a host |

mailwire_core::deviations! {
    common BARE_LF, CONTROL_CHARACTER, EXTRA_SPACE, NOT_UTF_8, SPACE_BEFORE_LINE_END, SURPLUS_ARGUMENT,
        TAB_FOR_SPACE;
    /// A challenge of a SASL exchange is plain text.
    CHALLENGE_NOT_BASE64 = "challenge-not-base64";
    /// An empty line between the lines of a reply.
    EMPTY_LINE_IN_REPLY = "empty-line-in-reply";
    /// An equals sign after a keyword, where a space is due.
    EQUALS_SIGN_FOR_SPACE = "equals-sign-for-space";
    /// An equals sign within a parameter's value.
    EQUALS_SIGN_IN_PARAMETER_VALUE = "equals-sign-in-parameter-value";
    /// A label of a domain that begins or ends with a hyphen.
    HYPHEN_AT_LABEL_EDGE = "hyphen-at-label-edge";
    /// Brackets with something else than an address in them. An IPv6 address without its tag is given it.
    MALFORMED_ADDRESS_LITERAL = "malformed-address-literal";
    /// A value of AUTH that is no mailbox: it is taken for `<>`.
    MALFORMED_AUTH_PARAMETER = "malformed-auth-parameter";
    /// A line of the reply to EHLO that is no capability: it is left out.
    MALFORMED_CAPABILITY = "malformed-capability";
    /// A dot at an end of a local part, or two in a row. The local part is put in quotes, as it has to be.
    MISPLACED_DOT_IN_LOCAL_PART = "misplaced-dot-in-local-part";
    /// An address without its brackets.
    MISSING_ANGLE_BRACKETS = "missing-angle-brackets";
    /// A local part alone, without `@` and a domain: a user of the server.
    MISSING_DOMAIN = "missing-domain";
    /// A reply code whose second digit is beyond 5.
    REPLY_CODE_OUT_OF_RANGE = "reply-code-out-of-range";
    /// Lines of one reply with several codes: the last one counts.
    REPLY_CODES_DIFFER = "reply-codes-differ";
    /// Hosts to be passed on the way, before the address of MAIL or RCPT: they are left out. [RFC 5321 appendix
    /// C](https://www.rfc-editor.org/rfc/rfc5321#appendix-C) has servers take and ignore them, so that they are no
    /// error in the strict dialect either.
    SOURCE_ROUTE = "source-route";
    /// A space after the colon of MAIL or RCPT.
    SPACE_AFTER_COLON = "space-after-colon";
    /// A space before the colon of MAIL or RCPT.
    SPACE_BEFORE_COLON = "space-before-colon";
    /// A space within the angle brackets of MAIL or RCPT.
    SPACE_IN_PATH = "space-in-path";
    /// A dot at the end of a domain: it is left out.
    TRAILING_DOT_IN_DOMAIN = "trailing-dot-in-domain";
    /// An underscore in the name of a host.
    UNDERSCORE_IN_DOMAIN = "underscore-in-domain";
    /// A capability's parameter with bytes that are not printable ASCII.
    UNPRINTABLE_CAPABILITY = "unprintable-capability";
    /// A client's name that is not the name of a host.
    UNUSUAL_EHLO_NAME = "unusual-ehlo-name";
}
