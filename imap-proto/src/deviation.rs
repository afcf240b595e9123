//! The names of what lenient reading accepts: see [`Deviation::name`](crate::Deviation::name).
//!
//! The strict dialect refuses the same bytes, with the same name as the reason.
//!
//! | name | seen in | meaning |
//! | --- | --- | --- |
//! | `8-bit-text` | text | bytes beyond ASCII where only ASCII is allowed |
//! | `address-without-list` | ENVELOPE | an address that is not in a list of addresses |
//! | `atom-for-string` | strings | an atom where the grammar has a quoted string or a literal |
//! | `attribute-without-backslash` | LIST | a mailbox's attribute without its backslash: it is read as the attribute |
//! | `bare-lf` | lines | a line ends in LF without CR |
//! | `code-without-ok` | responses | a response code after `*`, with no `OK` before it |
//! | `colon-in-zone` | dates | a colon within a time zone, as in `+01:00` |
//! | `comma-for-space` | SEARCH | a comma between two numbers |
//! | `control-character` | text | a control character within text |
//! | `date-time-without-zone` | dates | a date-time without a time zone: UTC is meant |
//! | `day-without-leading-space` | dates | a day whose width is not two: a digit without a space before it, or a space before two digits |
//! | `disposition-without-list` | BODYSTRUCTURE | a disposition that is a string, with no list around it |
//! | `dot-without-part` | FETCH | a dot at the end of a section's part number |
//! | `empty-address` | ENVELOPE | an address without any field: it is left out |
//! | `empty-body` | BODYSTRUCTURE | a body structure without any field |
//! | `empty-code` | status responses | brackets without a response code |
//! | `empty-date` | FETCH | an empty string where a date is due |
//! | `empty-delimiter` | LIST, NAMESPACE | an empty string for a hierarchy delimiter: there is none |
//! | `empty-fetch` | FETCH | a FETCH response without items |
//! | `empty-flag` | flags | a backslash without the name of a flag: it is left out |
//! | `empty-item-in-set` | sets | a comma in a set with nothing before or after it |
//! | `empty-list` | status responses, parameters of commands | an empty list where the grammar has at least one member |
//! | `empty-list-for-nil` | FETCH, LIST, NAMESPACE | an empty list where `NIL` is due |
//! | `extra-space` | everywhere | more spaces than the grammar has |
//! | `field-without-value` | ID | a field of ID that has a name and no value |
//! | `fraction-for-number` | numbers | a number with a fraction or an exponent |
//! | `fraction-of-a-second` | dates | a time with fractions of a second: they are left out |
//! | `impossible-date` | dates | a date or a time that does not exist |
//! | `impossible-zone` | dates | a time zone with more than 59 minutes: UTC is taken |
//! | `length-in-origin` | FETCH | a length after the origin of a partial section, as in `<0.100>` |
//! | `lines-of-a-basic-part` | BODYSTRUCTURE | a number of lines in a part that is not text: it is left out |
//! | `list-for-location` | BODYSTRUCTURE | a list where the location is due: it is left out |
//! | `list-for-preview` | FETCH | a list where the text of a preview is due, as in early drafts of it |
//! | `list-for-string` | BODYSTRUCTURE | a list where a language is due: it is left out |
//! | `literal-for-date` | FETCH | a literal where a date is due |
//! | `lone-thread` | THREAD | a conversation in a list of its own, where two belong: it is read as one |
//! | `malformed-address` | ENVELOPE | an address that cannot be read: it is left out |
//! | `malformed-code` | status responses | a known response code with arguments that cannot be read: it is kept as it came |
//! | `malformed-item` | FETCH, STATUS | an item that cannot be read: it is kept as it came |
//! | `message-without-structure` | BODYSTRUCTURE | a part of type MESSAGE without the envelope and the structure of its message |
//! | `missing-asterisk` | responses | a response code at the start of a line: `* OK` is meant |
//! | `missing-field` | lists | a list that ends too early |
//! | `missing-name` | LIST | a LIST response without a mailbox's name |
//! | `missing-parenthesis` | lists | a list without one of its parentheses |
//! | `missing-space` | everywhere | no space where the grammar has one |
//! | `missing-subtype` | BODYSTRUCTURE | a media type without its subtype: the usual one of the type is meant |
//! | `missing-text` | status responses | no text at the end of a status response or a continuation |
//! | `missing-value` | ID, ESEARCH, STATUS | a name without the value that is due after it |
//! | `multipart-without-parts` | BODYSTRUCTURE | a multipart that has no parts |
//! | `namespace-without-list` | NAMESPACE | a namespace that is not in a list of namespaces |
//! | `negative-number` | numbers | a number below 0: it is taken as unknown |
//! | `nil-for-address` | ENVELOPE | `NIL` in a list of addresses: it is left out |
//! | `nil-for-body` | BODYSTRUCTURE | `NIL` where a body structure is due |
//! | `nil-for-date` | FETCH | `NIL` where a date is due |
//! | `nil-for-empty-list` | FETCH, LIST | `NIL` where an empty list is due |
//! | `nil-for-envelope` | ENVELOPE | `NIL` where an envelope is due |
//! | `nil-for-number` | numbers | `NIL` where a number is due |
//! | `nil-for-string` | strings | `NIL` where a string is due |
//! | `not-utf-8` | strings | bytes that are not UTF-8 where the text has to be |
//! | `nul-in-literal` | FETCH | a NUL in a literal that must not have one |
//! | `number-too-large` | numbers | a number beyond its range: it is taken as unknown |
//! | `odd-capability` | CAPABILITY | a capability with characters that are not allowed: it is left out |
//! | `odd-character-in-atom` | strings | a character that an atom must not have |
//! | `odd-code` | status responses | a response code whose name is not an atom |
//! | `odd-delimiter` | LIST, NAMESPACE | a hierarchy delimiter that is not one character between quotes |
//! | `odd-flag` | flags | a flag with characters that are not allowed |
//! | `odd-quota-list` | GETQUOTA, SETQUOTA | a list of quotas that is written otherwise than in RFC 9208 |
//! | `odd-right` | SETACL, ACL, LISTRIGHTS, MYRIGHTS | a right that is no small letter and no digit: it is left out |
//! | `odd-url` | status responses | a URL with characters that it must not have |
//! | `options-after-mailbox` | GETMETADATA | options after the name of the mailbox |
//! | `parameter-without-value` | BODYSTRUCTURE | a parameter of a media type or a disposition that has no value |
//! | `parameters-for-md5` | BODYSTRUCTURE | parameters where Content-MD5 is due: they are left out |
//! | `parenthesis-around-item` | FETCH | a parenthesis before an item of FETCH |
//! | `peek-in-response` | FETCH | `.PEEK` in the name of an item, as it was asked for |
//! | `quoted-capability` | CAPABILITY | a capability between quotes |
//! | `quoted-flag` | flags | a flag between quotes |
//! | `quoted-number` | numbers | a number between quotes |
//! | `section-of-rfc822` | FETCH | a section in brackets after `RFC822`: that of `BODY` is meant |
//! | `short-year` | dates | a year with fewer than four digits |
//! | `signed-number` | numbers | a number with a plus sign |
//! | `space-before-line-end` | lines | spaces before the end of a line |
//! | `space-between-addresses` | ENVELOPE | spaces between two addresses of a list, where the grammar has none |
//! | `space-between-parts` | BODYSTRUCTURE | a space between two parts of a multipart, where the grammar has none |
//! | `string-for-nil` | FETCH | a string where the grammar has a list or `NIL` |
//! | `surplus-address-field` | ENVELOPE | a field after the four of an address: it is left out |
//! | `surplus-data` | responses | data after the end of a response: items of FETCH are read, all else is left out |
//! | `surplus-disposition-field` | BODYSTRUCTURE | a field after the parameters of a disposition: it is left out |
//! | `surplus-envelope-field` | ENVELOPE | a field after the ten of an envelope: it is left out |
//! | `surplus-id-field` | ID | more fields in ID than the 30 that are allowed |
//! | `tab-for-space` | CAPABILITY | a tab where the grammar has a space |
//! | `tagged-bye` | responses | BYE with the tag of a command, whose end it is |
//! | `time-without-leading-zero` | dates | hours, minutes or seconds of one digit |
//! | `time-without-seconds` | dates | a time without seconds |
//! | `unclosed-code` | status responses | a bracket at the start of a text that no bracket closes; it stays in the text |
//! | `unescaped-backslash` | strings | a backslash in a quoted string that escapes nothing |
//! | `unescaped-quote` | strings | a quote within a quoted string, without a backslash before it |
//! | `unknown-zone` | dates | a time zone in letters that is not UTC: UTC is taken |
//! | `unquoted-mailbox-name` | LIST, STATUS | a mailbox's name with spaces, and without quotes |
//! | `wildcard-flag` | FLAGS, FETCH | `\*` where it has no meaning: it is left out |
//! | `zero-for-message-number` | responses | 0 for the number of a message |
//! | `zero-for-modseq` | numbers | 0 for a mod-sequence: the message has none |
//! | `zero-for-number` | numbers | 0 where the lowest number is 1 |
//! | `zero-for-part` | FETCH | 0 for a section's part number: the header is meant |
//! | `zero-for-uid` | FETCH | 0 for a unique identifier: it is left out |
//! | `zero-for-uidnext` | status responses | 0 in the code UIDNEXT |
//! | `zero-for-uidvalidity` | status responses | 0 for a UIDVALIDITY |
//! | `zero-for-unseen` | status responses | 0 in the code UNSEEN |
//! | `zone-in-letters` | dates | a time zone in letters that means UTC, as in `GMT` |
//! | `zone-without-sign` | dates | a time zone without a sign: plus is meant |

mailwire_core::deviations! {
    common BARE_LF, CONTROL_CHARACTER, EIGHT_BIT_TEXT, EXTRA_SPACE, MISSING_SPACE, NOT_UTF_8, SPACE_BEFORE_LINE_END, TAB_FOR_SPACE;
    /// An address that is not in a list of addresses.
    ADDRESS_WITHOUT_LIST = "address-without-list";
    /// An atom where the grammar has a quoted string or a literal.
    ATOM_FOR_STRING = "atom-for-string";
    /// A mailbox's attribute without its backslash: it is read as the attribute.
    ATTRIBUTE_WITHOUT_BACKSLASH = "attribute-without-backslash";
    /// A response code after `*`, with no `OK` before it.
    CODE_WITHOUT_OK = "code-without-ok";
    /// A colon within a time zone, as in `+01:00`.
    COLON_IN_ZONE = "colon-in-zone";
    /// A comma between two numbers.
    COMMA_FOR_SPACE = "comma-for-space";
    /// A date-time without a time zone: UTC is meant.
    DATE_TIME_WITHOUT_ZONE = "date-time-without-zone";
    /// A day whose width is not two: a digit without a space before it, or a space before two digits.
    DAY_WITHOUT_LEADING_SPACE = "day-without-leading-space";
    /// A disposition that is a string, with no list around it.
    DISPOSITION_WITHOUT_LIST = "disposition-without-list";
    /// A dot at the end of a section's part number.
    DOT_WITHOUT_PART = "dot-without-part";
    /// An address without any field: it is left out.
    EMPTY_ADDRESS = "empty-address";
    /// A body structure without any field.
    EMPTY_BODY = "empty-body";
    /// Brackets without a response code.
    EMPTY_CODE = "empty-code";
    /// An empty string where a date is due.
    EMPTY_DATE = "empty-date";
    /// An empty string for a hierarchy delimiter: there is none.
    EMPTY_DELIMITER = "empty-delimiter";
    /// A FETCH response without items.
    EMPTY_FETCH = "empty-fetch";
    /// A backslash without the name of a flag: it is left out.
    EMPTY_FLAG = "empty-flag";
    /// A comma in a set with nothing before or after it.
    EMPTY_ITEM_IN_SET = "empty-item-in-set";
    /// An empty list where the grammar has at least one member.
    EMPTY_LIST = "empty-list";
    /// An empty list where `NIL` is due.
    EMPTY_LIST_FOR_NIL = "empty-list-for-nil";
    /// A field of ID that has a name and no value.
    FIELD_WITHOUT_VALUE = "field-without-value";
    /// A number with a fraction or an exponent.
    FRACTION_FOR_NUMBER = "fraction-for-number";
    /// A time with fractions of a second: they are left out.
    FRACTION_OF_A_SECOND = "fraction-of-a-second";
    /// A date or a time that does not exist.
    IMPOSSIBLE_DATE = "impossible-date";
    /// A time zone with more than 59 minutes: UTC is taken.
    IMPOSSIBLE_ZONE = "impossible-zone";
    /// A length after the origin of a partial section, as in `<0.100>`.
    LENGTH_IN_ORIGIN = "length-in-origin";
    /// A number of lines in a part that is not text: it is left out.
    LINES_OF_A_BASIC_PART = "lines-of-a-basic-part";
    /// A list where the location is due: it is left out.
    LIST_FOR_LOCATION = "list-for-location";
    /// A list where the text of a preview is due, as in early drafts of it.
    LIST_FOR_PREVIEW = "list-for-preview";
    /// A list where a language is due: it is left out.
    LIST_FOR_STRING = "list-for-string";
    /// A literal where a date is due.
    LITERAL_FOR_DATE = "literal-for-date";
    /// A conversation in a list of its own where two or more belong: it is read as one.
    LONE_THREAD = "lone-thread";
    /// An address that cannot be read: it is left out.
    MALFORMED_ADDRESS = "malformed-address";
    /// A known response code with arguments that cannot be read: it is kept as it came.
    MALFORMED_CODE = "malformed-code";
    /// An item that cannot be read: it is kept as it came.
    MALFORMED_ITEM = "malformed-item";
    /// A part of type MESSAGE without the envelope and the structure of its message.
    MESSAGE_WITHOUT_STRUCTURE = "message-without-structure";
    /// A response code at the start of a line: `* OK` is meant.
    MISSING_ASTERISK = "missing-asterisk";
    /// A list that ends too early.
    MISSING_FIELD = "missing-field";
    /// A LIST response without a mailbox's name.
    MISSING_NAME = "missing-name";
    /// A list without one of its parentheses.
    MISSING_PARENTHESIS = "missing-parenthesis";
    /// A media type without its subtype: the usual one of the type is meant.
    MISSING_SUBTYPE = "missing-subtype";
    /// No text at the end of a status response or a continuation.
    MISSING_TEXT = "missing-text";
    /// A name without the value that is due after it.
    MISSING_VALUE = "missing-value";
    /// A multipart that has no parts.
    MULTIPART_WITHOUT_PARTS = "multipart-without-parts";
    /// A namespace that is not in a list of namespaces.
    NAMESPACE_WITHOUT_LIST = "namespace-without-list";
    /// A number below 0: it is taken as unknown.
    NEGATIVE_NUMBER = "negative-number";
    /// `NIL` in a list of addresses: it is left out.
    NIL_FOR_ADDRESS = "nil-for-address";
    /// `NIL` where a body structure is due.
    NIL_FOR_BODY = "nil-for-body";
    /// `NIL` where a date is due.
    NIL_FOR_DATE = "nil-for-date";
    /// `NIL` where an empty list is due.
    NIL_FOR_EMPTY_LIST = "nil-for-empty-list";
    /// `NIL` where an envelope is due.
    NIL_FOR_ENVELOPE = "nil-for-envelope";
    /// `NIL` where a number is due.
    NIL_FOR_NUMBER = "nil-for-number";
    /// `NIL` where a string is due.
    NIL_FOR_STRING = "nil-for-string";
    /// A NUL in a literal that must not have one.
    NUL_IN_LITERAL = "nul-in-literal";
    /// A number beyond its range: it is taken as unknown.
    NUMBER_TOO_LARGE = "number-too-large";
    /// A capability with characters that are not allowed: it is left out.
    ODD_CAPABILITY = "odd-capability";
    /// A character that an atom must not have.
    ODD_CHARACTER_IN_ATOM = "odd-character-in-atom";
    /// A response code whose name is not an atom.
    ODD_CODE = "odd-code";
    /// A hierarchy delimiter that is not one character between quotes.
    ODD_DELIMITER = "odd-delimiter";
    /// A flag with characters that are not allowed.
    ODD_FLAG = "odd-flag";
    /// A list of quotas that is written otherwise than in RFC 9208.
    ODD_QUOTA_LIST = "odd-quota-list";
    /// A right that is no small letter and no digit: it is left out.
    ODD_RIGHT = "odd-right";
    /// A URL with characters that it must not have.
    ODD_URL = "odd-url";
    /// Options after the name of the mailbox.
    OPTIONS_AFTER_MAILBOX = "options-after-mailbox";
    /// A parameter of a media type or a disposition that has no value.
    PARAMETER_WITHOUT_VALUE = "parameter-without-value";
    /// Parameters where Content-MD5 is due: they are left out.
    PARAMETERS_FOR_MD5 = "parameters-for-md5";
    /// A parenthesis before an item of FETCH.
    PARENTHESIS_AROUND_ITEM = "parenthesis-around-item";
    /// `.PEEK` in the name of an item, as it was asked for.
    PEEK_IN_RESPONSE = "peek-in-response";
    /// A capability between quotes.
    QUOTED_CAPABILITY = "quoted-capability";
    /// A flag between quotes.
    QUOTED_FLAG = "quoted-flag";
    /// A number between quotes.
    QUOTED_NUMBER = "quoted-number";
    /// A section in brackets after `RFC822`: that of `BODY` is meant.
    SECTION_OF_RFC822 = "section-of-rfc822";
    /// A year with fewer than four digits.
    SHORT_YEAR = "short-year";
    /// A number with a plus sign.
    SIGNED_NUMBER = "signed-number";
    /// Spaces between two addresses of a list, where the grammar has none.
    SPACE_BETWEEN_ADDRESSES = "space-between-addresses";
    /// A space between two parts of a multipart, where the grammar has none.
    SPACE_BETWEEN_PARTS = "space-between-parts";
    /// A string where the grammar has a list or `NIL`.
    STRING_FOR_NIL = "string-for-nil";
    /// A field after the four of an address: it is left out.
    SURPLUS_ADDRESS_FIELD = "surplus-address-field";
    /// Data after the end of a response: items of FETCH are read, all else is left out.
    SURPLUS_DATA = "surplus-data";
    /// A field after the parameters of a disposition: it is left out.
    SURPLUS_DISPOSITION_FIELD = "surplus-disposition-field";
    /// A field after the ten of an envelope: it is left out.
    SURPLUS_ENVELOPE_FIELD = "surplus-envelope-field";
    /// More fields in ID than the 30 that are allowed.
    SURPLUS_ID_FIELD = "surplus-id-field";
    /// BYE with the tag of a command, whose end it is.
    TAGGED_BYE = "tagged-bye";
    /// Hours, minutes or seconds of one digit.
    TIME_WITHOUT_LEADING_ZERO = "time-without-leading-zero";
    /// A time without seconds.
    TIME_WITHOUT_SECONDS = "time-without-seconds";
    /// A bracket at the start of a text that no bracket closes. It stays in the text.
    UNCLOSED_CODE = "unclosed-code";
    /// A backslash in a quoted string that escapes nothing.
    UNESCAPED_BACKSLASH = "unescaped-backslash";
    /// A quote within a quoted string, without a backslash before it.
    UNESCAPED_QUOTE = "unescaped-quote";
    /// A time zone in letters that is not UTC: UTC is taken.
    UNKNOWN_ZONE = "unknown-zone";
    /// A mailbox's name with spaces, and without quotes.
    UNQUOTED_MAILBOX_NAME = "unquoted-mailbox-name";
    /// `\*` where it has no meaning: it is left out.
    WILDCARD_FLAG = "wildcard-flag";
    /// 0 for the number of a message.
    ZERO_FOR_MESSAGE_NUMBER = "zero-for-message-number";
    /// 0 for a mod-sequence: the message has none.
    ZERO_FOR_MODSEQ = "zero-for-modseq";
    /// 0 where the lowest number is 1.
    ZERO_FOR_NUMBER = "zero-for-number";
    /// 0 for a section's part number: the header is meant.
    ZERO_FOR_PART = "zero-for-part";
    /// 0 for a unique identifier: it is left out.
    ZERO_FOR_UID = "zero-for-uid";
    /// 0 in the code UIDNEXT.
    ZERO_FOR_UIDNEXT = "zero-for-uidnext";
    /// 0 for a UIDVALIDITY.
    ZERO_FOR_UIDVALIDITY = "zero-for-uidvalidity";
    /// 0 in the code UNSEEN.
    ZERO_FOR_UNSEEN = "zero-for-unseen";
    /// A time zone in letters that means UTC, as in `GMT`.
    ZONE_IN_LETTERS = "zone-in-letters";
    /// A time zone without a sign: plus is meant.
    ZONE_WITHOUT_SIGN = "zone-without-sign";
}
