//! What registries and RFCs name, and real servers say: all of it has types, asked and answered alike.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

use bytes::Bytes;
use mailwire_imap::{
    Dialect, ParseError, Request, Response,
    command::WriteOptions,
    types::{Flag, MailboxAttribute},
};

/// What debug output shows of values that are only carried.
const UNTYPED: [&str; 3] = ["Other(", "Other {", "Malformed"];

/// What has no type, or is written as something else. All of it is told at the end.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    /// A response that has a type of its own, and is written as it was read.
    fn response(&mut self, line: &str, document: &str) {
        let parsed = Response::parse(&Bytes::from(line.to_owned()), Dialect::Strict);
        let written = parsed.map(|parsed| {
            let mut out = Vec::new();
            parsed.value.write(&mut out);
            (format!("{:?}", parsed.value), out)
        });
        self.check(written, line, document);
    }

    fn command(&mut self, line: &str, document: &str) {
        let line = format!("a {line}");
        let written = Request::parse(&Bytes::from(line.clone()), Dialect::Strict).map(|parsed| {
            let mut out = Vec::new();
            let shown = format!("{:?}", parsed.value.command);
            parsed.value.write(WriteOptions::default(), &mut out);
            (shown, out)
        });
        self.check(written, &line, document);
    }

    fn check(&mut self, written: Result<(String, Vec<u8>), ParseError>, line: &str, document: &str) {
        let what = match written {
            Err(error) => error.to_string(),
            Ok((shown, _)) if UNTYPED.iter().any(|name| shown.contains(name)) => shown,
            Ok((_, out)) if out.strip_suffix(b"\r\n") == Some(line.as_bytes()) => return,
            Ok((_, out)) => String::from_utf8_lossy(&out).into_owned(),
        };
        self.0.push(format!("{line} ({document}): {what}"));
    }

    fn end(self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

#[test]
fn response_codes() {
    let mut wrong = Wrong::default();
    for (document, codes) in [
        (
            "RFC 9051",
            &[
                "ALERT",
                "ALREADYEXISTS",
                "APPENDUID 3 7",
                "APPENDUID 3 7:9",
                "AUTHENTICATIONFAILED",
                "AUTHORIZATIONFAILED",
                "BADCHARSET",
                "BADCHARSET (UTF-8 \"X Y\")",
                "CANNOT",
                "CAPABILITY IMAP4rev2 AUTH=PLAIN",
                "CLIENTBUG",
                "CLOSED",
                "CONTACTADMIN",
                "COPYUID 3 1,5 7:8",
                "CORRUPTION",
                "EXPIRED",
                "EXPUNGEISSUED",
                "HASCHILDREN",
                "INUSE",
                "LIMIT",
                "NONEXISTENT",
                "NOPERM",
                "OVERQUOTA",
                "PARSE",
                "PERMANENTFLAGS (\\Seen $Junk \\*)",
                "PRIVACYREQUIRED",
                "READ-ONLY",
                "READ-WRITE",
                "SERVERBUG",
                "TRYCREATE",
                "UIDNEXT 5",
                "UIDNOTSTICKY",
                "UIDVALIDITY 5",
                "UNAVAILABLE",
                "UNKNOWN-CTE",
            ][..],
        ),
        ("RFC 3501", &["UNSEEN 4"]),
        ("RFC 2060", &["NEWNAME old new"]),
        ("RFC 2193", &["REFERRAL imap://a/b imap://c/d"]),
        ("RFC 2221", &["REFERRAL imap://ada;AUTH=*@b/"]),
        ("RFC 4467", &["URLMECH INTERNAL", "URLMECH INTERNAL XSAMPLE=P34OKhO7VEkCbsiYY8rGEg=="]),
        ("RFC 4469", &["BADURL imap:a", "TOOBIG"]),
        ("RFC 4978", &["COMPRESSIONACTIVE"]),
        ("RFC 5182", &["NOTSAVED"]),
        ("RFC 5255", &["BADCOMPARATOR"]),
        (
            "RFC 5257",
            &[
                "ANNOTATE TOOBIG",
                "ANNOTATE TOOMANY",
                "ANNOTATIONS NONE",
                "ANNOTATIONS READ-ONLY",
                "ANNOTATIONS 20480 NOPRIVATE",
            ],
        ),
        ("RFC 5259", &["TEMPFAIL", "MAXCONVERTMESSAGES 1", "MAXCONVERTPARTS 1"]),
        ("RFC 5267", &["NOUPDATE \"B02\""]),
        (
            "RFC 5464",
            &["METADATA LONGENTRIES 2199", "METADATA MAXSIZE 1024", "METADATA TOOMANY", "METADATA NOPRIVATE"],
        ),
        ("RFC 5465", &["NOTIFICATIONOVERFLOW", "BADEVENT (MessageNew MessageExpunge)"]),
        ("RFC 5466", &["UNDEFINED-FILTER on-the-road"]),
        ("RFC 6154", &["USEATTR"]),
        ("RFC 7162", &["HIGHESTMODSEQ 715194045007", "NOMODSEQ", "MODIFIED 7,9"]),
        ("RFC 8474", &["MAILBOXID (F2212ea87-6097-4256)"]),
        ("RFC 9585", &["INPROGRESS", "INPROGRESS (\"A001\" 454 1000)", "INPROGRESS (NIL NIL NIL)"]),
        ("RFC 9586", &["UIDREQUIRED"]),
        ("RFC 9738", &["MESSAGELIMIT 1000", "MESSAGELIMIT 1000 23221"]),
        ("RFC 10022", &["TOOFEW", "TOOMANY"]),
        ("Gmail", &["WEBALERT https://example.org/a", "THROTTLED"]),
    ] {
        for code in codes {
            wrong.response(&format!("* NO [{code}] text"), document);
            wrong.response(&format!("a1 OK [{code}] text"), document);
        }
    }
    wrong.end();
}

/// What FETCH asks for and what it is answered with.
#[test]
fn fetch_attributes() {
    let mut wrong = Wrong::default();
    let envelope = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)";
    let body = "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 5 1)";
    for (document, asked, answered) in [
        ("RFC 9051", "BODY", format!("BODY {body}")),
        ("RFC 9051", "BODYSTRUCTURE", format!("BODYSTRUCTURE {body}")),
        ("RFC 9051", "BODY[]", "BODY[] \"x\"".into()),
        ("RFC 9051", "BODY.PEEK[1.2.HEADER]<0.9>", "BODY[1.2.HEADER]<0> \"x\"".into()),
        ("RFC 9051", "BODY.PEEK[HEADER.FIELDS (Date)]", "BODY[HEADER.FIELDS (Date)] \"x\"".into()),
        ("RFC 9051", "BODY[HEADER.FIELDS.NOT (Date)]", "BODY[HEADER.FIELDS.NOT (Date)] \"x\"".into()),
        ("RFC 9051", "BODY[1.MIME]", "BODY[1.MIME] NIL".into()),
        ("RFC 9051", "BODY[TEXT]", "BODY[TEXT] \"x\"".into()),
        ("RFC 9051", "ENVELOPE", format!("ENVELOPE {envelope}")),
        ("RFC 9051", "FLAGS", "FLAGS (\\Seen)".into()),
        ("RFC 9051", "INTERNALDATE", "INTERNALDATE \" 4-Jan-2015 16:53:35 +0800\"".into()),
        ("RFC 9051", "RFC822.SIZE", "RFC822.SIZE 5".into()),
        ("RFC 9051", "UID", "UID 5".into()),
        ("RFC 3501", "RFC822", "RFC822 \"x\"".into()),
        ("RFC 3501", "RFC822.HEADER", "RFC822.HEADER \"x\"".into()),
        ("RFC 3501", "RFC822.TEXT", "RFC822.TEXT \"x\"".into()),
        ("RFC 3516", "BINARY[1]", "BINARY[1] \"x\"".into()),
        ("RFC 3516", "BINARY.PEEK[1]<0.5>", "BINARY[1]<0> \"x\"".into()),
        ("RFC 3516", "BINARY.SIZE[1]", "BINARY.SIZE[1] 5".into()),
        (
            "RFC 5257",
            "ANNOTATION (/comment value)",
            "ANNOTATION (/comment (value.priv \"x\" value.shared NIL))".into(),
        ),
        (
            "RFC 5257",
            "ANNOTATION ((/% /1/*) (value.priv size.priv))",
            "ANNOTATION (/comment /altsubject)".into(),
        ),
        ("RFC 7162", "MODSEQ", "MODSEQ (5)".into()),
        ("RFC 8474", "EMAILID", "EMAILID (M6d99ac3275bb4e)".into()),
        ("RFC 8474", "THREADID", "THREADID (T64b478a75b7ea9)".into()),
        ("RFC 8474", "THREADID", "THREADID NIL".into()),
        ("RFC 8514", "SAVEDATE", "SAVEDATE NIL".into()),
        ("RFC 8970", "PREVIEW", "PREVIEW \"x\"".into()),
        ("RFC 8970", "(PREVIEW (LAZY))", "PREVIEW NIL".into()),
        ("draft-slusarz-imap-fetch-snippet", "SNIPPET", "SNIPPET (FUZZY \"x\")".into()),
        ("Gmail", "X-GM-MSGID", "X-GM-MSGID 1278455344230334865".into()),
        ("Gmail", "X-GM-THRID", "X-GM-THRID 1266894439832287888".into()),
        ("Gmail", "X-GM-LABELS", "X-GM-LABELS (\\Inbox Foo)".into()),
    ] {
        wrong.command(&format!("FETCH 1 {asked}"), document);
        wrong.response(&format!("* 1 FETCH ({answered})"), document);
    }
    for (document, line) in [
        ("RFC 9051", "FETCH 1:* ALL"),
        ("RFC 9051", "UID FETCH 1:* FAST"),
        ("RFC 9051", "FETCH 1:* FULL"),
        ("RFC 7162", "UID FETCH 1:* FLAGS (CHANGEDSINCE 12345 VANISHED)"),
        ("RFC 9394", "UID FETCH 1:* FLAGS (PARTIAL -1:-30)"),
        (
            "RFC 5257",
            "STORE 1 ANNOTATION (/comment (value.priv \"a b\" value.shared NIL) /altsubject (value.priv \"c\"))",
        ),
        ("RFC 7162", "STORE 1 (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Seen)"),
    ] {
        wrong.command(line, document);
    }
    wrong.end();
}

/// What STATUS asks for and what it is answered with.
#[test]
fn status_attributes() {
    let mut wrong = Wrong::default();
    for (document, asked, answered) in [
        ("RFC 9051", "MESSAGES", "MESSAGES 5"),
        ("RFC 9051", "UIDNEXT", "UIDNEXT 5"),
        ("RFC 9051", "UIDVALIDITY", "UIDVALIDITY 5"),
        ("RFC 9051", "UNSEEN", "UNSEEN 5"),
        ("RFC 9051", "DELETED", "DELETED 5"),
        ("RFC 9051", "SIZE", "SIZE 5000000000"),
        ("RFC 3501", "RECENT", "RECENT 5"),
        ("RFC 7162", "HIGHESTMODSEQ", "HIGHESTMODSEQ 5"),
        ("RFC 7889", "APPENDLIMIT", "APPENDLIMIT NIL"),
        ("RFC 7889", "APPENDLIMIT", "APPENDLIMIT 5"),
        ("RFC 8474", "MAILBOXID", "MAILBOXID (F2212ea87-6097-4256)"),
        ("RFC 9208", "DELETED-STORAGE", "DELETED-STORAGE 5"),
    ] {
        wrong.command(&format!("STATUS INBOX ({asked})"), document);
        wrong.command(&format!("LIST \"\" % RETURN (STATUS ({asked}))"), document);
        wrong.response(&format!("* STATUS INBOX ({answered})"), document);
    }
    wrong.end();
}

#[test]
fn search_keys() {
    let mut wrong = Wrong::default();
    for (document, keys) in [
        (
            "RFC 9051",
            &[
                "1,3:*",
                "ALL",
                "ANSWERED",
                "BCC x",
                "BEFORE 1-Feb-1994",
                "BODY x",
                "CC x",
                "DELETED",
                "DRAFT",
                "FLAGGED",
                "FROM x",
                "HEADER X-Y z",
                "KEYWORD $Junk",
                "LARGER 5",
                "NOT SEEN",
                "ON 1-Feb-1994",
                "OR SEEN DRAFT",
                "SEEN",
                "SENTBEFORE 1-Feb-1994",
                "SENTON 1-Feb-1994",
                "SENTSINCE 1-Feb-1994",
                "SINCE 1-Feb-1994",
                "SMALLER 5",
                "SUBJECT x",
                "TEXT x",
                "TO x",
                "UID 5",
                "UNANSWERED",
                "UNDELETED",
                "UNDRAFT",
                "UNFLAGGED",
                "UNKEYWORD $Junk",
                "UNSEEN",
                "(SEEN DRAFT)",
            ][..],
        ),
        ("RFC 3501", &["NEW", "OLD", "RECENT"]),
        ("RFC 5032", &["OLDER 5", "YOUNGER 5"]),
        ("RFC 5182", &["$", "UID $"]),
        ("RFC 5257", &["ANNOTATION /comment value \"IMAP4\"", "ANNOTATION * value.priv \"IMAP4\""]),
        ("RFC 5466", &["FILTER on-the-road"]),
        ("RFC 6203", &["FUZZY SUBJECT x"]),
        ("RFC 7162", &["MODSEQ 5", "MODSEQ \"/flags/\\\\Draft\" all 5"]),
        ("RFC 8474", &["EMAILID M5", "THREADID T5"]),
        (
            "RFC 8514",
            &["SAVEDBEFORE 1-Feb-1994", "SAVEDON 1-Feb-1994", "SAVEDSINCE 1-Feb-1994", "SAVEDATESUPPORTED"],
        ),
        ("RFC 9738", &["UIDAFTER 5", "UIDBEFORE 5"]),
        (
            "Gmail",
            &[
                "X-GM-RAW \"has:attachment in:unread\"",
                "X-GM-MSGID 5",
                "X-GM-THRID 5",
                "X-GM-LABELS Foo",
                "X-GM-LABELS \\Inbox",
            ],
        ),
    ] {
        for key in keys {
            wrong.command(&format!("SEARCH {key}"), document);
            wrong.command(&format!("UID SEARCH NOT {key}"), document);
        }
    }
    wrong.end();
}

/// What SEARCH, SORT and LIST can be told to give, and what they are answered with.
#[test]
fn options_of_results() {
    let mut wrong = Wrong::default();
    for (document, asked, answered) in [
        ("RFC 9051", "MIN", "MIN 5"),
        ("RFC 9051", "MAX", "MAX 5"),
        ("RFC 9051", "ALL", "ALL 1:5"),
        ("RFC 9051", "COUNT", "COUNT 5"),
        ("RFC 9051", "SAVE", "COUNT 5"),
        ("RFC 5267", "CONTEXT", "ALL 1:5"),
        ("RFC 5267", "UPDATE", "ADDTO (0 32768:32769)"),
        ("RFC 5267", "UPDATE", "REMOVEFROM (0 32768)"),
        ("RFC 5267", "PARTIAL 1:500", "PARTIAL (1:500 42,9)"),
        ("RFC 9394", "PARTIAL -1:-100", "PARTIAL (-1:-100 NIL)"),
        ("RFC 6203", "RELEVANCY", "RELEVANCY (4 99 42)"),
        ("RFC 7162", "ALL", "ALL 1:5 MODSEQ 917162500"),
    ] {
        wrong.command(&format!("SEARCH RETURN ({asked}) ALL"), document);
        wrong.response(&format!("* ESEARCH (TAG \"a\") UID {answered}"), document);
    }
    for (document, key) in [
        ("RFC 5256", "ARRIVAL"),
        ("RFC 5256", "CC"),
        ("RFC 5256", "DATE"),
        ("RFC 5256", "FROM"),
        ("RFC 5256", "REVERSE SIZE"),
        ("RFC 5256", "SUBJECT"),
        ("RFC 5256", "TO"),
        ("RFC 5957", "DISPLAYFROM"),
        ("RFC 5957", "REVERSE DISPLAYTO"),
        ("RFC 6203", "RELEVANCY"),
    ] {
        wrong.command(&format!("SORT ({key}) UTF-8 ALL"), document);
    }
    for (document, line) in [
        (
            "RFC 5258",
            "LIST (SUBSCRIBED REMOTE RECURSIVEMATCH) \"\" (\"a\" \"b\") RETURN (SUBSCRIBED CHILDREN)",
        ),
        ("RFC 6154", "LIST (SPECIAL-USE) \"\" * RETURN (SPECIAL-USE)"),
        ("RFC 8440", "LIST \"\" * RETURN (MYRIGHTS)"),
        ("RFC 9590", "LIST \"\" * RETURN (METADATA (/private/comment))"),
        ("RFC 7162", "SELECT INBOX (CONDSTORE)"),
        ("RFC 7162", "SELECT INBOX (QRESYNC (5 6 7:9 (1 7)))"),
        ("RFC 6154", "CREATE x (USE (\\Drafts))"),
        ("RFC 5256", "UID THREAD REFERENCES UTF-8 ALL"),
    ] {
        wrong.command(line, document);
    }
    for (document, line) in [
        ("RFC 5258", "* LIST () \"/\" a (\"CHILDINFO\" (\"SUBSCRIBED\"))"),
        ("RFC 5465", "* LIST () \"/\" a (\"OLDNAME\" (b))"),
    ] {
        wrong.response(line, document);
    }
    wrong.end();
}

#[test]
fn keywords_and_attributes() {
    let mut wrong = Wrong::default();
    for (document, keywords) in [
        (
            "RFC 9051",
            &[
                "\\Seen",
                "\\Answered",
                "\\Flagged",
                "\\Deleted",
                "\\Draft",
                "$Forwarded",
                "$MDNSent",
                "$Junk",
                "$NotJunk",
                "$Phishing",
            ][..],
        ),
        ("RFC 5550", &["$SubmitPending", "$Submitted"]),
        ("RFC 8457", &["$Important"]),
        (
            "RFC 9979",
            &[
                "$autosent",
                "$canunsubscribe",
                "$followed",
                "$hasattachment",
                "$hasmemo",
                "$hasnoattachment",
                "$imported",
                "$istrusted",
                "$MailFlagBit0",
                "$MailFlagBit1",
                "$MailFlagBit2",
                "$maskedemail",
                "$memo",
                "$muted",
                "$new",
                "$notify",
                "$unsubscribed",
            ],
        ),
    ] {
        for name in keywords {
            let flag = Flag::new(*name).unwrap();
            assert!(!matches!(flag, Flag::Keyword(_) | Flag::Extension(_)), "{name} ({document})");
            assert_eq!(flag.to_string(), *name);
            wrong.response(&format!("* FLAGS ({name})"), document);
            wrong.command(&format!("STORE 1 FLAGS ({name})"), document);
        }
    }
    for (document, attributes) in [
        (
            "RFC 9051",
            &[
                "\\NoInferiors",
                "\\Noselect",
                "\\Marked",
                "\\Unmarked",
                "\\HasChildren",
                "\\HasNoChildren",
                "\\NonExistent",
                "\\Subscribed",
                "\\Remote",
            ][..],
        ),
        ("RFC 6154", &["\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash"]),
        ("RFC 8457", &["\\Important"]),
        ("RFC 5465", &["\\NoAccess"]),
        ("RFC 9979", &["\\Snoozed", "\\Scheduled", "\\Memos"]),
    ] {
        for name in attributes {
            let attribute = MailboxAttribute::new(*name).unwrap();
            assert!(!matches!(attribute, MailboxAttribute::Extension(_)), "{name} ({document})");
        }
    }
    wrong.end();
}

/// Commands and untagged data of published extensions.
#[test]
fn commands_and_data() {
    let mut wrong = Wrong::default();
    for (document, line) in [
        ("RFC 2177", "IDLE"),
        ("RFC 2342", "NAMESPACE"),
        ("RFC 2971", "ID (\"name\" \"x\")"),
        ("RFC 2193", "RLIST \"\" *"),
        ("RFC 2193", "RLSUB \"\" *"),
        ("RFC 3691", "UNSELECT"),
        ("RFC 4314", "SETACL INBOX ada lrs"),
        ("RFC 4314", "DELETEACL INBOX ada"),
        ("RFC 4314", "GETACL INBOX"),
        ("RFC 4314", "LISTRIGHTS INBOX ada"),
        ("RFC 4314", "MYRIGHTS INBOX"),
        ("RFC 4315", "UID EXPUNGE 1:5"),
        ("RFC 4978", "COMPRESS DEFLATE"),
        ("RFC 5161", "ENABLE CONDSTORE"),
        ("RFC 5255", "LANGUAGE de \"*\""),
        ("RFC 5255", "COMPARATOR i;basic"),
        ("RFC 5267", "CANCELUPDATE \"a\""),
        ("RFC 5464", "GETMETADATA (MAXSIZE 1024 DEPTH 1) INBOX (/shared/comment)"),
        ("RFC 5464", "SETMETADATA INBOX (/private/comment \"x\")"),
        ("RFC 5465", "NOTIFY SET STATUS (SELECTED (MessageNew MessageExpunge)) (SUBTREE a (MailboxName))"),
        ("RFC 5465", "NOTIFY NONE"),
        ("RFC 6851", "UID MOVE 1 x"),
        ("RFC 7377", "ESEARCH IN (MAILBOXES a SUBTREE b) RETURN (COUNT) SEEN"),
        ("RFC 8437", "UNAUTHENTICATE"),
        ("RFC 9208", "GETQUOTA x"),
        ("RFC 9208", "GETQUOTAROOT x"),
        ("RFC 9208", "SETQUOTA x (STORAGE 512)"),
        ("RFC 9698", "GETJMAPACCESS"),
        ("RFC 10022", "UIDBATCHES 2000 1:5"),
        ("Gmail", "XLIST \"\" *"),
        ("Gmail", "UID STORE 1 +X-GM-LABELS (Foo)"),
    ] {
        wrong.command(line, document);
    }
    for (document, line) in [
        ("RFC 9051", "* CAPABILITY IMAP4rev2"),
        ("RFC 9051", "* ENABLED CONDSTORE"),
        ("RFC 9051", "* LIST (\\Sent) \"/\" a"),
        ("RFC 9051", "* NAMESPACE ((\"\" \"/\")) NIL NIL"),
        ("RFC 9051", "* ESEARCH"),
        ("RFC 3501", "* LSUB () \".\" a"),
        ("RFC 3501", "* SEARCH 1 2"),
        ("RFC 3501", "* 5 RECENT"),
        ("RFC 2971", "* ID (\"name\" \"x\")"),
        ("RFC 4314", "* ACL INBOX ada lrs"),
        ("RFC 4314", "* LISTRIGHTS INBOX ada la r swi"),
        ("RFC 4314", "* MYRIGHTS INBOX lrs"),
        ("RFC 5255", "* LANGUAGE (de i-default)"),
        ("RFC 5255", "* COMPARATOR i;basic"),
        ("RFC 5256", "* SORT 2 3 6"),
        ("RFC 5256", "* THREAD (2)(3 6 (4 23)(44 7 96))"),
        ("RFC 5464", "* METADATA INBOX (/private/comment \"x\")"),
        ("RFC 5464", "* METADATA \"\" /shared/comment"),
        ("RFC 7162", "* VANISHED (EARLIER) 41,43:116"),
        ("RFC 7162", "* SEARCH 2 5 (MODSEQ 917162500)"),
        ("RFC 7377", "* ESEARCH (TAG \"a\" MAILBOX folder1 UIDVALIDITY 1) UID ALL 4001"),
        ("RFC 9208", "* QUOTA x (STORAGE 10 512)"),
        ("RFC 9208", "* QUOTAROOT INBOX x"),
        ("RFC 9586", "* 5 UIDFETCH (FLAGS (\\Seen))"),
        ("RFC 9698", "* JMAPACCESS \"https://example.org/s\""),
        ("RFC 10022", "* UIDBATCHES (TAG \"a\") 215295:99696,99695:20351"),
        ("Gmail", "* XLIST (\\Inbox) \"/\" INBOX"),
        ("Apple", "* XAPPLEPUSHSERVICE \"aps-version\" 2 \"aps-topic\" x"),
    ] {
        wrong.response(line, document);
    }
    wrong.end();
}
