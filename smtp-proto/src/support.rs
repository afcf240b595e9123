//! Which extensions of SMTP and LMTP are supported, and how far: [`EXTENSIONS`].
//!
//! # Examples
//!
//! ```
//! use mailwire_smtp::support::{EXTENSIONS, Support};
//!
//! let size = EXTENSIONS.iter().find(|extension| extension.names == ["SIZE"]).unwrap();
//! assert_eq!((size.client, size.server), (Support::Whole, Support::Whole));
//! ```

pub use mailwire_core::support::{Extension, Support};

mailwire_core::support_table! {
    /// All extensions that are known to be in use, by [priority](Extension::priority). Those of LMTP are the same but
    /// for what says otherwise.
    EXTENSIONS of "keyword":
    1 "LHLO" in "RFC 2033": Whole Whole
        "LMTP: an answer for each recipient"
        ["mail-store/tests/smtp.rs::lmtp_answers_for_each_recipient"]
    1 "SIZE" in "RFC 1870": Whole Whole
        "how large a message is, before it comes"
        ["smtp-proto/tests/limits.rs::message_size"]
    1 "8BITMIME" in "RFC 6152": Whole Whole
        "messages with bytes beyond ASCII"
        ["mail-store/tests/smtp.rs::large_messages_stream"]
    1 "PIPELINING" in "RFC 2920": Whole Whole
        "commands in groups"
        ["mail-store/tests/smtp.rs::many_recipients_go_out_in_waves"]
    1 "STARTTLS" in "RFC 3207": Whole Whole
        "TLS on a connection that began in clear"
        ["mail-store/tests/smtp.rs::submits_with_every_security", "mail-transport/tests/tls.rs::starttls_in_both_roles"]
    1 "AUTH" in "RFC 4954": Whole Whole
        "logging in, and who submitted a message first"
        ["mail-store/tests/smtp.rs::every_mechanism_logs_in"]
    1 "ENHANCEDSTATUSCODES" in "RFC 2034": Whole Whole
        "reasons that programs read"
        ["mail-store/tests/smtp.rs::each_recipient_has_a_result"]
    1 "SMTPUTF8" in "RFC 6531": Whole Whole
        "addresses and header fields beyond ASCII"
        ["smtp-proto/tests/parameters.rs::addresses_beyond_ascii"]
    1 "DSN" in "RFC 3461, RFC 6533": Whole Whole
        "which reports of delivery the sender wants; a server offers it if it is told where reports go"
        ["smtp-proto/tests/dsn.rs::a_server_hands_on_what_it_offers", "mail-transport/tests/smtp_parameters.rs::reports_are_asked_for", "mail-store/tests/smtp_reports.rs::success_is_reported_to_who_wants_it"]
    1 "CHUNKING" in "RFC 3030": Whole Whole
        "messages in parts whose size is told"
        ["smtp-proto/tests/chunking.rs::nothing_in_a_chunk_is_a_command_or_an_end", "mail-transport/tests/smtp_sending.rs::large_messages_go_by_bdat_unless_that_is_forbidden"]
    2 "BINARYMIME" in "RFC 3030": Whole Whole
        "messages with any bytes"
        ["smtp-proto/tests/chunking.rs::only_binarymime_may_have_any_bytes", "mail-transport/tests/smtp_sending.rs::messages_of_any_bytes_go_by_bdat"]
    2 "LIMITS" in "RFC 9422": Whole Whole
        "how much a server takes at once: a client sends the rest in other transactions"
        ["mail-transport/tests/smtp_parameters.rs::limits_are_obeyed", "mail-store/tests/smtp_parameters.rs::limits_are_told_and_obeyed"]
    2 "REQUIRETLS" in "RFC 8689": Whole Whole
        "a message that goes over verified TLS only"
        ["smtp-proto/tests/parameters.rs::tls_that_is_required", "mail-store/tests/smtp_parameters.rs::tls_that_is_required"]
    2 "FUTURERELEASE" in "RFC 4865": Whole Whole
        "messages that are held back; a server offers it if its service has a queue in which they wait, as that of maild"
        ["smtp-proto/tests/parameters.rs::messages_that_are_held_back", "mail-transport/tests/smtp_server.rs::a_message_that_is_to_be_held_comes_with_its_time", "examples/src/queue/tests/held.rs::a_message_is_released_at_its_time_and_not_before", "examples/tests/programs/maild/held.rs::what_is_held_comes_at_its_time"]
    2 "VRFY", "EXPN", "HELP" in "RFC 5321": Whole Whole
        "asking about users, lists and commands"
        ["mail-store/tests/smtp.rs::commands_beside_sending"]
    2 "XCLIENT" in "Postfix": Whole Whole
        "a trusted proxy tells who its client is, who takes its place"
        ["mail-transport/tests/smtp_server.rs::a_proxys_client_takes_its_place", "smtp-proto/tests/further_commands.rs::a_server_begins_anew_after_xclient"]
    3 "DELIVERBY" in "RFC 2852": Whole Whole
        "by when a message has to be delivered; a store delivers at once, and offers it if it is told where reports go"
        ["smtp-proto/tests/parameters.rs::times_of_delivery", "mail-store/tests/smtp_reports.rs::what_is_late_is_returned_or_told"]
    3 "MT-PRIORITY" in "RFC 6710": Whole Whole
        "which message goes first: the queue of maild heeds it; a store delivers at once, and records it in the trace field where it is told to offer it"
        ["smtp-proto/tests/parameters.rs::priorities", "examples/src/queue/tests/held.rs::the_most_urgent_goes_first", "mail-store/tests/smtp_reports.rs::priorities_are_recorded"]
    3 "RRVS" in "RFC 7293": Whole Whole
        "mail for who had an address at a time; a server offers it if its store knows since when, and heeds the header field of the same meaning"
        ["smtp-proto/tests/parameters.rs::recipients_of_old", "mail-store/tests/smtp_reports.rs::mail_for_an_owner_of_before_is_refused"]
    3 "BURL" in "RFC 4468": Whole Values
        "messages that a server fetches by IMAP; the fetching is the application's"
        ["smtp-proto/tests/burl.rs::a_message_of_several_parts", "mail-transport/tests/smtp_server.rs::a_message_that_the_server_fetches", "mail-transport/tests/smtp_server.rs::a_message_of_several_parts"]
    3 "ETRN" in "RFC 1985": Whole Values
        "starting a queue; the queue is the application's, and a store has none"
        ["smtp-proto/tests/further_commands.rs::etrn_names_a_host_a_domain_or_a_queue", "mail-transport/tests/smtp_server.rs::a_queue_is_started_where_the_application_says_so"]
    3 "XFORWARD" in "Postfix": Whole Whole
        "what a filter is told of where a message came from"
        ["mail-transport/tests/smtp_server.rs::a_proxys_client_takes_its_place", "smtp-proto/tests/further_commands.rs::attributes_as_postfix_writes_them"]
    4 "NO-SOLICITING" in "RFC 3865": Values Values
        "which solicitations are not wanted; what is refused for it is the application's"
        ["smtp-proto/tests/parameters.rs::rare_ones"]
    4 "SUBMITTER" in "RFC 4405": Values Values
        "who is responsible for a message; checking it is the application's"
        ["smtp-proto/tests/parameters.rs::rare_ones"]
    4 "MTRK" in "RFC 3885": Values Values
        "messages whose way can be asked for; MTQP, which asks, is another protocol"
        ["smtp-proto/tests/parameters.rs::rare_ones"]
    4 "CONPERM", "CONNEG" in "RFC 4141": Values Values
        "converting messages; what is converted is the application's"
        ["smtp-proto/tests/parameters.rs::rare_ones"]
    4 "CHECKPOINT" in "RFC 1845": Values Nothing
        "transactions that go on after a cut; experimental, and no server in use offers it: for 355 a client would have to keep each message over connections, and a server parts of it, so it is neither sent nor offered"
        ["smtp-proto/tests/parameters.rs::rare_ones"]
    4 "PRDR" in "draft-hall-prdr": Whole Whole
        "an answer for each recipient in SMTP"
        ["smtp-proto/tests/prdr.rs::each_recipient_has_a_reply", "mail-transport/tests/smtp_sending.rs::prdr_has_a_result_for_each_recipient", "smtp-proto/tests/parameters.rs::rare_ones"]
    4 "IGNOREQUOTA" in "Cyrus": Values Values
        "LMTP alone: more than a mailbox has room for; whom a server lets do so is the application's"
        ["smtp-proto/tests/parameters.rs::rare_ones"]
    4 "XRCPTFORWARD" in "Dovecot": Values Values
        "LMTP alone: what servers of a site tell each other about recipients; its value is not looked into"
        ["smtp-proto/tests/parameters.rs::rare_ones"]
    4 "ATRN" in "RFC 2645": Whole Values
        "mail that is asked for over the same connection, in which the roles change; the queue is the application's"
        ["mail-transport/tests/smtp_server.rs::roles_change", "smtp-proto/tests/further_commands.rs::atrn_needs_a_login_and_ends_the_conversation"]
    4 "UTF8SMTP" in "RFC 5336": Nothing Nothing
        "obsolete since SMTPUTF8; its parameter ALT-ADDRESS is kept as it came"
        ["smtp-proto/tests/parameters.rs::rare_ones"]
    4 "VERB", "ONEX" in "Sendmail": Values Values
        "how much is told, and that one message comes; what follows from it is the application's"
        ["smtp-proto/tests/further_commands.rs::a_server_takes_what_it_offers"]
    4 "CLIENTID" in "draft-storey-smtp-client-id": Values Values
        "which device it is; what it is used for is the application's"
        ["smtp-proto/tests/further_commands.rs::clientid_has_two_words"]
    4 "PIPECONNECT" in "Exim": Whole Values
        "EHLO before the greeting; a server reads it in any case, and says so where it is configured to"
        ["smtp-proto/tests/further_commands.rs::hello_before_the_greeting"]
    4 "SEND", "SOML", "SAML", "TURN" in "RFC 821": Nothing Nothing
        "messages to terminals, and roles that change; never sent, and refused by 502, as RFC 5321 gave them up"
        ["smtp-proto/tests/further_commands.rs::what_was_given_up_is_not_implemented"]
    4 "XVERP" in "Postfix": Nothing Nothing
        "a sender for each recipient; its parameter is kept as it came" []
    4 "X-EXPS", "X-LINK2STATE", "X-ANONYMOUSTLS", "XEXCH50", "XRDST" in "Exchange": Nothing Nothing
        "between servers of one make; the keywords are carried as they came" []
    4 "XUSR", "XONE", "TRACE" in "Sendmail, Cyrus": Nothing Nothing
        "not documented; the keywords are carried as they came" []
}
