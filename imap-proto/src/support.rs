//! Which extensions are supported, and how far: [`EXTENSIONS`].
//!
//! # Examples
//!
//! ```
//! use mailwire_imap::support::{EXTENSIONS, Support};
//!
//! let idle = EXTENSIONS.iter().find(|extension| extension.names == ["IDLE"]).unwrap();
//! assert_eq!((idle.client, idle.server), (Support::Whole, Support::Whole));
//! ```

pub use mailwire_core::support::{Extension, Support};

mailwire_core::support_table! {
    /// All extensions that are known to be in use, by [priority](Extension::priority).
    EXTENSIONS of "capability":
    1 "IMAP4rev1" in "RFC 3501": Whole Whole
        "the base protocol that most servers speak"
        ["mail-store/tests/imap.rs::mailboxes_and_messages"]
    1 "IMAP4rev2" in "RFC 9051": Whole Whole
        "the base protocol, with what earlier extensions brought"
        ["mail-store/tests/imap_server.rs::revision_two"]
    1 "AUTH=" in "RFC 9051": Whole Whole
        "SASL mechanisms of AUTHENTICATE"
        ["mail-store/tests/imap.rs::all_ways_to_log_in"]
    1 "STARTTLS" in "RFC 9051": Whole Whole
        "TLS on a connection that began in clear"
        ["mail-transport/tests/imap_client.rs::starttls", "imap-proto/tests/starttls.rs::the_servers_way"]
    1 "LOGINDISABLED" in "RFC 9051": Whole Whole
        "LOGIN is refused"
        ["imap-proto/tests/starttls.rs::a_server_takes_no_credentials_in_clear", "mail-transport/tests/imap_client.rs::logs_in_the_best_way"]
    1 "SASL-IR" in "RFC 4959": Whole Whole
        "AUTHENTICATE with its first message"
        ["mail-transport/tests/imap_client.rs::logs_in_the_best_way"]
    1 "LITERAL+" in "RFC 7888": Whole Whole
        "literals that do not wait"
        ["mail-transport/tests/imap_client.rs::appends_with_all_kinds_of_literals", "imap-proto/tests/pair.rs::appended_messages"]
    1 "LITERAL-" in "RFC 7888": Whole Whole
        "literals of up to 4096 bytes that do not wait"
        ["mail-transport/tests/imap_client.rs::appends_with_all_kinds_of_literals", "imap-proto/tests/limits.rs::literal_minus"]
    1 "ENABLE" in "RFC 5161": Whole Whole
        "turning extensions on"
        ["mail-store/tests/imap_server.rs::revision_two"]
    1 "ID" in "RFC 2971": Whole Whole
        "what client and server are"
        ["mail-transport/tests/imap_client.rs::tells_who_it_is_before_select", "mail-store/tests/imap_server.rs::mailboxes"]
    1 "IDLE" in "RFC 2177": Whole Whole
        "news while the client waits"
        ["mail-store/tests/imap_server.rs::idle_pushes_at_once", "mail-transport/tests/imap_client.rs::idle_is_begun_anew"]
    1 "NAMESPACE" in "RFC 2342": Whole Whole
        "where mailboxes of oneself and of others are"
        ["mail-transport/tests/imap_client.rs::mailboxes", "mail-store/tests/imap_server.rs::mailboxes"]
    1 "CHILDREN" in "RFC 5258": Whole Whole
        "which mailboxes have others below them"
        ["mail-store/tests/imap_server.rs::mailboxes"]
    1 "UIDPLUS" in "RFC 4315": Whole Whole
        "UID EXPUNGE, and the UIDs of what was appended and copied"
        ["mail-store/tests/imap_server.rs::copies_and_moves", "mail-transport/tests/imap_client.rs::changes_of_messages"]
    1 "UNSELECT" in "RFC 3691": Whole Whole
        "closing a mailbox without expunging"
        ["mail-store/tests/imap.rs::mailboxes_and_messages"]
    1 "MOVE" in "RFC 6851": Whole Whole
        "moving messages"
        ["mail-store/tests/imap_server.rs::copies_and_moves", "mail-transport/tests/imap_client.rs::moves_without_move"]
    1 "SPECIAL-USE" in "RFC 6154": Whole Whole
        "what mailboxes are for"
        ["mail-store/tests/imap_boxes.rs::uses_of_mailboxes"]
    1 "ESEARCH" in "RFC 4731": Whole Whole
        "ranges, counts and extremes of what was found"
        ["mail-store/tests/imap_server.rs::searching", "mail-transport/tests/imap_client.rs::searches"]
    1 "LIST-EXTENDED" in "RFC 5258": Whole Whole
        "options and several patterns of LIST"
        ["mail-store/tests/imap_server.rs::mailboxes", "mail-transport/tests/imap_client.rs::mailboxes"]
    1 "LIST-STATUS" in "RFC 5819": Whole Whole
        "STATUS of each mailbox that LIST shows"
        ["mail-store/tests/imap_server.rs::mailboxes", "mail-transport/tests/imap_client.rs::mailboxes"]
    1 "CONDSTORE" in "RFC 7162": Whole Whole
        "mod-sequences of changes, and changes only where nobody was faster"
        ["mail-store/tests/condstore.rs::stores_that_leave_alone_what_others_changed", "mail-store/tests/condstore.rs::our_client_comes_back"]
    1 "QRESYNC" in "RFC 7162": Whole Whole
        "what changed and vanished since"
        ["mail-store/tests/condstore.rs::who_comes_back_is_told_what_changed", "mail-store/tests/condstore.rs::our_client_comes_back"]
    1 "APPENDLIMIT" in "RFC 7889": Whole Whole
        "the largest message that can be appended"
        ["mail-store/tests/imap_storing.rs::the_largest_message_is_told", "imap-proto/tests/client.rs::a_message_beyond_the_limit_is_not_sent"]
    1 "QUOTA" in "RFC 9208": Whole Whole
        "limits on what mailboxes hold"
        ["mail-store/tests/imap_boxes.rs::quotas"]
    1 "X-GM-EXT-1" in "Gmail": Whole Whole
        "labels, identifiers and a search language; a store offers it if it is told to, for labels are no mailboxes there"
        ["mail-store/tests/imap_gmail.rs::labels_are_kept", "mail-store/tests/imap_gmail.rs::searches", "mail-transport/tests/imap_mailboxes.rs::labels"]
    2 "CREATE-SPECIAL-USE" in "RFC 6154": Whole Whole
        "CREATE that says what the mailbox is for"
        ["mail-store/tests/imap_boxes.rs::uses_of_mailboxes"]
    2 "UTF8=ACCEPT" in "RFC 9755": Whole Whole
        "UTF-8 in names, strings and messages"
        ["mail-store/tests/imap_storing.rs::names_are_in_utf_8_once_that_is_enabled", "mail-store/tests/imap_storing.rs::text_beyond_ascii_in_a_header_waits_for_utf8_to_be_enabled", "mail-transport/tests/imap_mailboxes.rs::a_message_in_utf_8_is_given_once_more_in_the_older_form"]
    2 "COMPRESS=DEFLATE" in "RFC 4978": Whole Whole
        "a compressed connection"
        ["mail-store/tests/imap_sessions.rs::a_compressed_session_is_like_any_other", "mail-transport/tests/compress.rs::every_kind_of_flush_is_read_at_every_cut"]
    2 "BINARY" in "RFC 3516": Whole Whole
        "decoded parts, and messages with NUL"
        ["mail-store/tests/imap_server.rs::fetching", "mail-transport/tests/imap_client.rs::bodies_piece_by_piece"]
    2 "MULTIAPPEND" in "RFC 3502": Whole Whole
        "several messages of one APPEND, all or none"
        ["mail-store/tests/imap_storing.rs::several_messages_are_stored_or_none"]
    2 "REPLACE" in "RFC 8508": Whole Whole
        "a message in the place of another"
        ["mail-store/tests/imap_storing.rs::a_message_takes_the_place_of_another"]
    2 "STATUS=SIZE" in "RFC 8438": Whole Whole
        "the bytes of a mailbox"
        ["mail-store/tests/imap_server.rs::what_select_tells"]
    2 "OBJECTID" in "RFC 8474": Whole Whole
        "identifiers of mailboxes, messages and threads that stay"
        ["mail-store/tests/imap_storing.rs::identifiers_stay"]
    2 "SAVEDATE" in "RFC 8514": Whole Whole
        "when a message came into its mailbox"
        ["mail-store/tests/imap_storing.rs::identifiers_stay"]
    2 "PREVIEW" in "RFC 8970": Whole Whole
        "a few words of a message"
        ["mail-store/tests/imap_storing.rs::first_words_are_told"]
    2 "SORT" in "RFC 5256": Whole Whole
        "messages in an order"
        ["mail-store/tests/imap_search.rs::orders"]
    2 "THREAD=ORDEREDSUBJECT", "THREAD=REFERENCES" in "RFC 5256": Whole Whole
        "messages in conversations"
        ["mail-store/tests/imap_search.rs::conversations"]
    2 "PARTIAL" in "RFC 9394": Whole Whole
        "a page of a result"
        ["mail-store/tests/imap_search.rs::pages", "mail-store/tests/imap_search.rs::pages_by_the_client"]
    2 "SEARCHRES" in "RFC 5182": Whole Whole
        "the last result, as `$`"
        ["mail-store/tests/imap_server.rs::searching", "mail-store/tests/imap_search.rs::saved_results"]
    2 "WITHIN" in "RFC 5032": Whole Whole
        "messages by their age in seconds"
        ["mail-store/tests/imap_search.rs::ages"]
    2 "QUOTA=RES-STORAGE", "QUOTA=RES-MESSAGE" in "RFC 9208": Whole Whole
        "what is limited, and what an expunge would free"
        ["mail-store/tests/imap_boxes.rs::quotas"]
    2 "ACL" in "RFC 4314": Whole Whole
        "who may do what"
        ["mail-store/tests/imap_boxes.rs::rights"]
    2 "RIGHTS=" in "RFC 4314": Whole Whole
        "rights beyond the first ones"
        ["mail-store/tests/imap_boxes.rs::rights"]
    2 "METADATA", "METADATA-SERVER" in "RFC 5464": Whole Whole
        "annotations of mailboxes and of the server"
        ["mail-store/tests/imap_boxes.rs::annotations"]
    2 "NOTIFY" in "RFC 5465": Whole Whole
        "news of any mailbox"
        ["mail-store/tests/imap_notify.rs::other_mailboxes", "mail-store/tests/imap_notify.rs::by_our_client", "mail-transport/tests/imap_notify.rs::news_of_other_mailboxes_come_by_themselves", "imap-proto/tests/notify.rs::expunge_comes_between_commands_only_where_it_was_asked_for"]
    2 "UIDONLY" in "RFC 9586": Whole Whole
        "no sequence numbers"
        ["mail-store/tests/imap_large.rs::without_sequence_numbers", "mail-store/tests/imap_large.rs::uidonly_on_the_wire"]
    2 "MESSAGELIMIT=" in "RFC 9738": Whole Whole
        "a command does so many messages at most"
        ["mail-store/tests/imap_large.rs::a_limit_on_the_wire", "mail-store/tests/imap_large.rs::a_client_takes_no_part_for_the_whole"]
    2 "SAVELIMIT=" in "RFC 9738": Whole Whole
        "COPY and APPEND take so many messages at most"
        ["mail-store/tests/imap_large.rs::more_is_not_saved_at_once", "imap-proto/tests/uid_only.rs::a_client_saves_no_more_than_the_limit"]
    2 "INPROGRESS" in "RFC 9585": Whole Whole
        "how far a long command has come"
        ["mail-store/tests/imap_progress.rs::a_long_command_tells_how_far_it_is", "imap-proto/tests/notify.rs::progress_is_no_end"]
    3 "UTF8=ONLY" in "RFC 9755": Whole Whole
        "UTF-8 has to be enabled"
        ["mail-store/tests/imap_storing.rs::names_are_in_utf_8_once_that_is_enabled"]
    3 "SORT=DISPLAY" in "RFC 5957": Whole Whole
        "order by the names that are shown"
        ["mail-store/tests/imap_search.rs::orders"]
    3 "ESORT" in "RFC 5267": Whole Whole
        "SORT answered as ESEARCH is"
        ["mail-store/tests/imap_search.rs::orders"]
    3 "CONTEXT=SEARCH", "CONTEXT=SORT" in "RFC 5267": Whole Whole
        "results that are kept up to date"
        ["mail-store/tests/imap_contexts.rs::results_follow_what_happens", "mail-store/tests/imap_contexts.rs::our_client_follows"]
    3 "SEARCH=FUZZY" in "RFC 6203": Whole Whole
        "what is alike, and how much it is so"
        ["mail-store/tests/imap_search.rs::what_is_alike"]
    3 "MULTISEARCH" in "RFC 7377": Whole Whole
        "a search in several mailboxes"
        ["mail-store/tests/imap_contexts.rs::several_mailboxes", "mail-store/tests/imap_contexts.rs::our_client_searches_everywhere"]
    3 "QUOTASET" in "RFC 9208": Whole Whole
        "setting limits"
        ["mail-store/tests/imap_boxes.rs::quotas", "mail-store/tests/imap_boxes.rs::limits_are_not_the_users_own"]
    3 "LIST-MYRIGHTS" in "RFC 8440": Whole Whole
        "rights to each mailbox that LIST shows"
        ["mail-store/tests/imap_boxes.rs::listing"]
    3 "LIST-METADATA" in "RFC 9590": Whole Whole
        "annotations of each mailbox that LIST shows"
        ["mail-store/tests/imap_boxes.rs::listing"]
    3 "UIDBATCHES" in "RFC 10022": Whole Whole
        "UIDs that part a mailbox into batches"
        ["mail-store/tests/imap_large.rs::batches"]
    3 "JMAPACCESS" in "RFC 9698": Whole Whole
        "where the mail is to be had by JMAP"
        ["mail-store/tests/imap_boxes.rs::languages_and_other_servers"]
    3 "UNAUTHENTICATE" in "RFC 8437": Whole Whole
        "another login on the connection"
        ["mail-store/tests/imap_sessions.rs::one_connection_serves_one_user_after_the_other", "imap-proto/tests/compress.rs::nothing_is_left_of_a_user_who_has_logged_out"]
    3 "CATENATE" in "RFC 4469": Whole Whole
        "messages made of parts that the server has"
        ["mail-store/tests/imap_catenate.rs::an_attachment_is_not_sent_again", "mail-store/tests/imap_catenate.rs::urls_on_the_wire"]
    3 "I18NLEVEL=1", "I18NLEVEL=2" in "RFC 5255": Whole Whole
        "how text is compared"
        ["mail-store/tests/imap_search.rs::comparators"]
    3 "LANGUAGE" in "RFC 5255": Whole Whole
        "texts in other languages"
        ["mail-store/tests/imap_boxes.rs::languages_and_other_servers"]
    3 "LOGIN-REFERRALS" in "RFC 2221": Whole Whole
        "a login belongs on another server"
        ["mail-transport/tests/imap_mailboxes.rs::referrals_are_told"]
    3 "XLIST" in "Gmail": Whole Whole
        "LIST with what mailboxes are for"
        ["mail-store/tests/imap_boxes.rs::what_a_store_has_not", "mail-transport/tests/imap_mailboxes.rs::uses_by_xlist"]
    3 "SNIPPET=FUZZY" in "draft-slusarz-imap-fetch-snippet": Whole Whole
        "PREVIEW before it was one"
        ["mail-store/tests/imap_search.rs::first_words_under_other_names"]
    3 "PREVIEW=FUZZY" in "drafts of RFC 8970": Whole Whole
        "PREVIEW with an algorithm"
        ["mail-store/tests/imap_search.rs::first_words_under_other_names"]
    3 "THREAD=REFS" in "draft-ietf-morg-inthread": Whole Whole
        "conversations by their latest message"
        ["mail-store/tests/imap_search.rs::conversations"]
    4 "FILTERS" in "RFC 5466": Whole Whole
        "searches that have a name"
        ["mail-store/tests/imap_search.rs::filters_have_names"]
    4 "UTF8=ALL", "UTF8=APPEND", "UTF8=USER" in "RFC 5738": Nothing Nothing
        "UTF-8 in its first form; obsolete since RFC 6855: a server that has no other knows no UTF8=ACCEPT" []
    4 "URLAUTH" in "RFC 4467": Whole Whole
        "URLs of messages that others can use"
        ["mail-store/tests/imap_urlauth.rs::a_url_lets_others_read_what_they_could_not"]
    4 "URLAUTH=BINARY" in "RFC 5524": Whole Whole
        "decoded content of such URLs"
        ["mail-store/tests/imap_urlauth.rs::decoded_parts_and_their_kind"]
    4 "URL-PARTIAL" in "RFC 5550": Whole Whole
        "ranges in URLs"
        ["mail-store/tests/imap_catenate.rs::an_attachment_is_not_sent_again"]
    4 "MAILBOX-REFERRALS" in "RFC 2193": Whole Whole
        "a mailbox is on another server"
        ["mail-store/tests/imap_boxes.rs::languages_and_other_servers", "mail-transport/tests/imap_mailboxes.rs::referrals_are_told"]
    4 "ANNOTATE-EXPERIMENT-1" in "RFC 5257": Whole Values
        "annotations of messages; no store keeps them, and SORT by them is carried as it came"
        ["mail-transport/tests/imap_mailboxes.rs::annotations_of_messages"]
    4 "OBJECTID+" in "draft-ietf-mailmaint-imap-objectid-bis": Whole Values
        "identifiers of accounts, and SELECT by identifier; a draft that still changes: the services of mailwire-store do not offer it"
        ["mail-transport/tests/imap_mailboxes.rs::identifiers_in_one_list", "imap-proto/tests/rules.rs::parts_of_a_command_need_what_brings_them"]
    4 "CONVERT" in "RFC 5259": Nothing Nothing
        "parts in other formats; no server is known that has it" []
    4 "IMAPSIEVE=" in "RFC 6785": Nothing Nothing
        "Sieve scripts that run on changes; it has no commands: a script is named by the annotation /shared/imapsieve/script, which METADATA carries" []
    4 "XAPPLEPUSHSERVICE" in "Apple": Values Values
        "push to devices; what it means is not published"
        []
    4 "XYMHIGHESTMODSEQ" in "Yahoo": Nothing Nothing
        "HIGHESTMODSEQ without CONDSTORE; not documented, and the code is read from any server" []
    4 "X-MSG-EXT" in "Yahoo": Nothing Nothing
        "not documented" []
    4 "SEARCH=INTHREAD" in "draft-ietf-morg-inthread": Nothing Nothing
        "messages whose conversation has a message that is found; the draft has expired, and the key is carried as it came" []
    4 "SORT=MODSEQ", "SORT=UID" in "Cyrus": Whole Whole
        "more keys of SORT"
        ["mail-store/tests/imap_search.rs::orders"]
    4 "ANNOTATEMORE" in "draft-daboo-imap-annotatemore": Nothing Nothing
        "METADATA before it was one" []
    4 "LISTEXT", "LIST-SUBSCRIBED" in "drafts of RFC 5258": Nothing Nothing
        "LIST-EXTENDED before it was one" []
    4 "SCAN" in "UW IMAP": Nothing Nothing
        "mailboxes that have a text in them" []
    4 "ACL2=UNION" in "Courier": Nothing Nothing
        "rights of all identifiers count together" []
    4 "IMAP4" in "RFC 1730": Nothing Nothing
        "the first IMAP4; promises nothing" []
    4 "XSTOP" in "Proton Bridge": Nothing Nothing
        "not documented" []
    4 "X-SIEVE-MAILBOX", "XUSERGROUPS", "MUPDATE=" in "Cyrus": Nothing Nothing
        "for its own servers" []
    4 "XYZZY", "AUTH=PLAIN-CLIENTTOKEN" in "Gmail": Nothing Nothing
        "for its own clients" []
    4 "XAPPLELITERAL", "XMSEARCH", "XUM1" in "Apple": Nothing Nothing
        "for its own clients" []
    4 "CLIENTACCESSRULES", "BACKENDAUTHENTICATE" in "Exchange": Nothing Nothing
        "for its own clients" []
}
