//! Which commands, capabilities and response codes are supported, and how far: [`EXTENSIONS`].
//!
//! # Examples
//!
//! ```
//! use mailwire_pop3::support::{EXTENSIONS, Support};
//!
//! let utf8 = EXTENSIONS.iter().find(|extension| extension.names == ["UTF8"]).unwrap();
//! assert_eq!((utf8.client, utf8.server), (Support::Whole, Support::Whole));
//! ```

pub use mailwire_core::support::{Extension, Support};

mailwire_core::support_table! {
    /// All extensions that are known to be in use, by [priority](Extension::priority).
    EXTENSIONS of "capability":
    1 "CAPA" in "RFC 2449": Whole Whole
        "what a server offers, which changes with TLS and the login"
        ["pop3-proto/tests/extensions.rs::capabilities_change_with_the_state", "mail-store/tests/pop3.rs::keeps_and_deletes_over_every_kind_of_tls"]
    1 "USER" in "RFC 1939": Whole Whole
        "USER and PASS"
        ["mail-store/tests/pop3.rs::logs_in_by_every_mechanism"]
    1 "TOP" in "RFC 1939": Whole Whole
        "the header of a message, and its first lines"
        ["mail-store/tests/pop3.rs::keeps_and_deletes_over_every_kind_of_tls"]
    1 "UIDL" in "RFC 1939": Whole Whole
        "names of messages that stay"
        ["mail-store/tests/pop3.rs::keeps_and_deletes_over_every_kind_of_tls"]
    1 "SASL" in "RFC 5034": Whole Whole
        "AUTH, with its first message where it fits; AUTH alone lists the mechanisms"
        ["mail-store/tests/pop3.rs::logs_in_by_every_mechanism", "pop3-proto/tests/extensions.rs::auth_alone_lists_mechanisms"]
    1 "STLS" in "RFC 2595": Whole Whole
        "TLS on a connection that began in clear"
        ["mail-store/tests/pop3.rs::keeps_and_deletes_over_every_kind_of_tls", "mail-store/tests/pop3.rs::bytes_after_stls_are_refused_by_the_server"]
    1 "RESP-CODES" in "RFC 2449": Whole Whole
        "reasons that programs read"
        ["pop3-proto/tests/extensions.rs::codes_are_hierarchical"]
    1 "AUTH-RESP-CODE" in "RFC 3206": Whole Whole
        "a refusal says whether the credentials are wrong"
        ["mail-store/tests/pop3.rs::wrong_names_and_wrong_passwords_are_the_same"]
    1 "PIPELINING" in "RFC 2449": Whole Whole
        "commands that do not wait"
        ["mail-transport/tests/pop3_client.rs::many_at_once"]
    2 "APOP" in "RFC 1939": Whole Whole
        "a login that does not show the password; MD5 protects it, so it is not offered unless asked for"
        ["mail-transport/tests/pop3_client.rs::logs_in_the_best_way"]
    2 "IMPLEMENTATION" in "RFC 2449": Whole Whole
        "which software it is, told after the login"
        ["pop3-proto/tests/extensions.rs::capabilities_change_with_the_state"]
    2 "EXPIRE" in "RFC 2449": Whole Whole
        "for how long messages stay, for all users or each"
        ["mail-store/tests/pop3_extensions.rs::nothing_stays_where_nothing_may", "mail-store/tests/pop3_extensions.rs::what_is_too_old_is_deleted_at_a_login", "mail-store/tests/pop3_extensions.rs::a_policy_can_be_each_users_own"]
    2 "LOGIN-DELAY" in "RFC 2449": Whole Whole
        "how often a user may log in"
        ["mail-store/tests/pop3_extensions.rs::who_comes_back_too_soon_is_told_so", "mail-store/tests/pop3_extensions.rs::a_policy_can_be_each_users_own"]
    2 "UTF8" in "RFC 6856": Whole Whole
        "header fields, names and passwords beyond ASCII; who has not said it gets headers in ASCII (RFC 6858), those of parts excepted"
        ["mail-store/tests/pop3_extensions.rs::headers_beyond_ascii_are_for_those_who_say_utf8", "mail-store/tests/pop3_extensions.rs::or_they_are_refused_with_the_code", "pop3-proto/tests/extensions.rs::utf8_is_a_mode_of_the_session"]
    3 "LANG" in "RFC 6856": Whole Whole
        "texts in other languages; what the server's machine refuses by itself stays in English"
        ["mail-store/tests/pop3_extensions.rs::texts_are_in_the_language_that_was_chosen", "mail-store/tests/pop3_extensions.rs::our_client_chooses_a_language"]
    3 "XCLIENT" in "Dovecot": Whole Whole
        "a trusted proxy tells who its client is"
        ["mail-store/tests/pop3_extensions.rs::a_trusted_proxy_speaks_for_its_client", "pop3-proto/tests/extensions.rs::a_proxy_tells_who_its_client_is"]
    4 "XOIP" in "draft": Nothing Nothing
        "a proxy tells its client's address; the tag is carried as it came" []
    4 "X-GOOGLE-RICO" in "Gmail": Nothing Nothing
        "not documented; the tag is carried as it came" []
}
