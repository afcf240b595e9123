//! Which mechanisms are supported, and how far: [`MECHANISMS`].
//!
//! # Examples
//!
//! ```
//! use mailwire_transport::sasl::support::{MECHANISMS, Support};
//!
//! let digest = MECHANISMS.iter().find(|mechanism| mechanism.names == ["DIGEST-MD5"]).unwrap();
//! assert_eq!((digest.client, digest.server), (Support::Whole, Support::Nothing));
//! ```

pub use mailwire_core::support::{Extension, Support};

mailwire_core::support_table! {
    /// All mechanisms that are known to be in use or registered, by [priority](Extension::priority). Where it says
    /// `Values`, the application brings the exchange, as a [`Custom`](super::Custom) or by
    /// [`Authenticator::custom`](super::Authenticator::custom).
    MECHANISMS of "mechanism":
    1 "PLAIN" in "RFC 4616": Whole Whole
        "a name and a password"
        ["mail-store/tests/logins.rs::every_mechanism_in_every_protocol", "mail-transport/tests/sasl.rs::acting_as_somebody_else"]
    1 "LOGIN" in "draft-murchison-sasl-login": Whole Whole
        "a name and a password that are asked for"
        ["mail-store/tests/logins.rs::every_mechanism_in_every_protocol", "mail-transport/tests/sasl.rs::login_with_an_initial_response"]
    1 "XOAUTH2" in "Google": Whole Whole
        "a token of OAuth 2"
        ["mail-store/tests/logins.rs::every_mechanism_in_every_protocol", "mail-store/tests/logins.rs::a_stale_token_is_renewed_once"]
    1 "OAUTHBEARER" in "RFC 7628": Whole Whole
        "a token of OAuth 2"
        ["mail-store/tests/logins.rs::every_mechanism_in_every_protocol", "mail-store/tests/logins.rs::what_a_fresh_token_does_not_mend_is_told"]
    1 "SCRAM-SHA-256" in "RFC 7677": Whole Whole
        "both sides prove that they know the password, and neither shows it"
        ["mail-store/tests/logins.rs::every_mechanism_in_every_protocol", "mail-transport/tests/sasl.rs::an_unknown_user_looks_like_a_known_one"]
    1 "SCRAM-SHA-256-PLUS" in "RFC 7677": Whole Whole
        "such a proof, bound to the TLS channel"
        ["mail-store/tests/pop3.rs::logs_in_by_every_mechanism", "mail-transport/tests/sasl.rs::bindings_must_be_the_same_on_both_sides"]
    1 "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS" in "RFC 5802": Whole Whole
        "such proofs with an older hash function"
        ["mail-store/tests/logins.rs::every_mechanism_in_every_protocol", "mail-transport/tests/sasl.rs::taking_plus_off_the_list_is_noticed"]
    2 "CRAM-MD5" in "RFC 2195": Whole Whole
        "a proof of a password that the server keeps as it is"
        ["mail-store/tests/logins.rs::every_mechanism_in_every_protocol", "mail-transport/tests/sasl.rs::cram_md5_answers_a_challenge_and_nothing_else"]
    2 "EXTERNAL" in "RFC 4422": Whole Whole
        "a certificate that TLS has shown"
        ["mail-store/tests/certificates.rs::imap_offers_external_to_whom_it_helps", "mail-transport/tests/sasl.rs::external_and_anonymous"]
    2 "GSSAPI" in "RFC 4752": Values Values
        "Kerberos; its tickets are in libraries of the system, with which an application makes the exchange"
        ["mail-store/tests/logins.rs::mechanisms_of_ones_own"]
    2 "ANONYMOUS" in "RFC 4505": Whole Whole
        "nobody in particular"
        ["mail-store/tests/logins.rs::every_mechanism_in_every_protocol", "mail-transport/tests/sasl.rs::external_and_anonymous"]
    3 "NTLM" in "Microsoft": Values Values
        "passwords of Windows; its ciphers are broken, and an application that has to speak it brings them"
        ["mail-store/tests/logins.rs::mechanisms_of_ones_own"]
    3 "SCRAM-SHA-512", "SCRAM-SHA-512-PLUS" in "draft-melnikov-scram-sha-512": Whole Whole
        "SCRAM with a longer hash function"
        ["mail-store/tests/logins.rs::every_mechanism_in_every_protocol", "mail-store/tests/pop3.rs::logs_in_by_every_mechanism"]
    3 "DIGEST-MD5" in "RFC 2831": Whole Nothing
        "a proof with MD5, which a client gives only if it is asked for by name; a server does not have it, by decision: RFC 6331 gave it up, and SCRAM does all of it"
        ["mail-transport/tests/sasl.rs::digest_md5_is_asked_for_by_name", "mail-transport/tests/logins.rs::digest_md5_in_all_three_protocols"]
    3 "GSS-SPNEGO" in "Microsoft": Values Values
        "the choice between Kerberos and NTLM; it needs those" []
    4 "SCRAM-SHA3-512", "SCRAM-SHA3-512-PLUS" in "draft-melnikov-scram-sha3-512": Values Values
        "SCRAM with another hash function; no mail server is known that has it" []
    4 "GS2-KRB5", "GS2-KRB5-PLUS" in "RFC 5801": Values Values
        "Kerberos in another frame; GSSAPI is preferred to it" []
    4 "SPNEGO", "SPNEGO-PLUS" in "RFC 5801": Values Values
        "a negotiation within a negotiation; clients must not choose it" []
    4 "OAUTH10A" in "RFC 7628": Values Values
        "tokens of OAuth 1.0a; no mail server is known that has it" []
    4 "XOAUTH" in "Google": Values Values
        "tokens of OAuth 1.0a; its service has ended" []
    4 "OTP", "SKEY" in "RFC 2444": Values Values
        "passwords for one use; the server has to keep count of them" []
    4 "SECURID" in "RFC 2808": Values Values
        "a number from a device; the service behind it is its maker's" []
    4 "SAML20", "OPENID20" in "RFC 6595, RFC 6616": Values Values
        "a login in a browser; the application has that" []
    4 "EAP-AES128", "EAP-AES128-PLUS" in "RFC 7055": Values Values
        "methods of EAP; no mail server is known that has it" []
    4 "9798-" in "RFC 3163": Values Values
        "signatures with old algorithms; no mail server is known that has it" []
    4 "KERBEROS_V4", "KERBEROS_V5" in "RFC 2222": Values Values
        "Kerberos before GSSAPI; obsolete" []
    4 "NMAS_LOGIN", "NMAS_AUTHEN", "NMAS-SAMBA-AUTH" in "Novell": Values Values
        "for its own directory" []
    4 "HT-" in "draft-schmaus-kitten-sasl-ht": Values Values
        "tokens from an earlier login; no mail server is known that has it" []
    4 "PLAIN-CLIENTTOKEN", "ATOKEN", "ATOKEN2", "X-ZIMBRA" in "Google, Apple, Zimbra": Values Values
        "for their own clients" []
}
