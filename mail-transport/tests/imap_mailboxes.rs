//! What the IMAP client makes of servers' older and own ways with mailboxes.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::time::Duration;

use mailwire_core::Text;
use mailwire_transport::{
    Endpoint, Error, RefusedKind, Result, Security, Stream,
    imap::{
        Capability, Client, Config, FetchAtt, SearchKey, UidSet,
        client::AppendOptions,
        proto::{
            command::{AString, Select, StatusAtt, Store, StoreAction},
            extensions::{
                annotate::{
                    AnnotationAttribute, AnnotationName, AnnotationPattern, AnnotationScope, EntryAtts,
                    FetchAnnotations, SearchAnnotation,
                },
                condstore::QResync,
                gmail::GmailLabel,
                object_ids::ObjectIds,
            },
            response::StatusAttVal,
            sync::{Change, SyncOptions, SyncState},
            types::{Flag, MailboxName, ModSeq, ObjectId, UidValidity},
        },
    },
    sasl::Credentials,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

/// A client of a server that offers `capabilities` and says its answers: each to the command beside it, with `TAG` for
/// its tag.
async fn client(
    capabilities: &str,
    answers: &'static [(&'static str, &'static str)],
    config: Config,
) -> Result<Client> {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let greeting = format!("* PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ {capabilities}] ready\r\n");
    let anonymous = config.credentials.is_none();
    tokio::spawn(async move {
        let mut stream = BufReader::new(theirs);
        let greeting = if anonymous { greeting } else { greeting.replace("PREAUTH", "OK") };
        stream.write_all(greeting.as_bytes()).await.unwrap();
        for (command, answer) in answers {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            while line.ends_with("+}\r\n") {
                stream.read_line(&mut line).await.unwrap();
            }
            let (tag, text) = line.trim_end().split_once(' ').unwrap();
            assert_eq!(text, *command);
            let answer = answer.replace("TAG", tag).replace('\n', "\r\n");
            stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
        }
        // It stays until the client goes.
        let _ = stream.read_line(&mut String::new()).await;
    });
    let endpoint = Endpoint::tcp("localhost", 143, Security::plaintext_without_encryption());
    Client::over(Stream::other(ours), endpoint, config).await
}

fn referrals<T: std::fmt::Debug>(result: Result<T>) -> Vec<String> {
    let error = result.unwrap_err();
    let refused = error.refused().unwrap_or_else(|| panic!("{error:?}"));
    refused.referrals().map(str::to_owned).collect()
}

#[tokio::test]
async fn labels() -> Result<()> {
    let answers = &[
        ("SELECT INBOX", "* 2 EXISTS\nTAG OK [READ-WRITE] done"),
        (
            "UID FETCH 7 (X-GM-MSGID X-GM-THRID X-GM-LABELS)",
            "* 1 FETCH (X-GM-THRID 12 X-GM-MSGID 18446744073709551615 X-GM-LABELS (\"\\\\Inbox\" \"Entw&APw-rfe\") UID 7)\nTAG OK done",
        ),
        (
            "UID STORE 7 -X-GM-LABELS (\\Inbox)",
            "* 1 FETCH (X-GM-LABELS (\"Entw&APw-rfe\") UID 7)\n* 2 FETCH (FLAGS (\\Seen))\nTAG OK done",
        ),
        ("UID SEARCH CHARSET UTF-8 X-GM-RAW {13+}\r\nlabel:Gr\u{fc}\u{df}e", "* SEARCH 7 9\nTAG OK done"),
        ("UID SEARCH X-GM-LABELS Entw&APw-rfe X-GM-MSGID 12", "* SEARCH\nTAG OK done"),
    ];
    let mut client = client("X-GM-EXT-1", answers, Config::anonymous()).await?;
    client.select("INBOX").await?;
    let seven: UidSet = "7".parse().unwrap();
    let items = [FetchAtt::GmailMessageId, FetchAtt::GmailThreadId, FetchAtt::GmailLabels];
    let mut messages = client.uid_fetch(seven.clone(), items).await?;
    let message = messages.next().await?.unwrap();
    assert_eq!((message.gmail_message_id(), message.gmail_thread_id()), (Some(u64::MAX), Some(12)));
    let names: Vec<_> =
        message.labels().unwrap().iter().map(|label| label.to_unicode().into_owned()).collect();
    assert_eq!(names, ["\\Inbox", "Entwürfe"]);
    assert!(messages.next().await?.is_none());
    let stored = client.uid_store_labels(seven, StoreAction::Remove, [GmailLabel::INBOX]).await?;
    assert_eq!(stored[0].labels().unwrap(), [GmailLabel::new("Entwürfe")?]);
    let raw = SearchKey::GmailRaw(AString::new("label:Grüße")?);
    assert_eq!(client.uid_search([raw]).await?.iter().map(u32::from).collect::<Vec<_>>(), [7, 9]);
    let keys = [SearchKey::GmailLabel(GmailLabel::new("Entwürfe")?), SearchKey::GmailMessageId(12)];
    client.uid_search(keys).await?;
    Ok(())
}

#[tokio::test]
async fn annotations_of_messages() -> Result<()> {
    let answers = &[
        ("SELECT INBOX (ANNOTATE)", "* 2 EXISTS\n* OK [ANNOTATIONS 65536] limited\nTAG OK [READ-WRITE] done"),
        ("APPEND INBOX ANNOTATION (/comment (value.priv \"a b\")) {10+}\r\nSubject: x", "TAG OK done"),
        (
            "UID STORE 7 ANNOTATION (/comment (value.priv \"c\" value.shared NIL))",
            "* 1 FETCH (FLAGS ())\nTAG OK done",
        ),
        (
            "UID FETCH 7 ANNOTATION (/* (value.priv size.priv))",
            "* 1 FETCH (UID 7 ANNOTATION (/comment (value.priv \"c\" size.priv \"1\")))\nTAG OK done",
        ),
        ("UID SEARCH ANNOTATION /comment value \"c\"", "* SEARCH 7\nTAG OK done"),
    ];
    let mut client = client("ANNOTATE-EXPERIMENT-1", answers, Config::anonymous()).await?;
    client.select_with(Select::new(MailboxName::INBOX).with_annotate(true)).await?;
    let comment = EntryAtts::new(AnnotationName::new("/comment")?);
    let first = comment.clone().with_value(AnnotationAttribute::VALUE_PRIV, "a b");
    client.append_with("INBOX", AppendOptions::new().with_annotations([first]), "Subject: x").await?;
    let seven: UidSet = "7".parse().unwrap();
    let other = comment
        .with_value(AnnotationAttribute::VALUE_PRIV, "c")
        .without_value(AnnotationAttribute::VALUE_SHARED);
    client.uid_store_annotations(seven.clone(), [other]).await?;
    let asked = FetchAnnotations::new(
        [AnnotationPattern::new("/*")?],
        [AnnotationAttribute::VALUE_PRIV, AnnotationAttribute::SIZE_PRIV],
    );
    let mut messages = client.uid_fetch(seven, [FetchAtt::Annotation(asked.into())]).await?;
    let message = messages.next().await?.unwrap();
    let found = &message.annotations().unwrap()[0];
    let told = [AnnotationAttribute::VALUE_PRIV, AnnotationAttribute::SIZE_PRIV]
        .map(|it| found.value(&it).unwrap().clone());
    assert_eq!(told, ["c", "1"].map(Text::from));
    assert!(messages.next().await?.is_none());
    let key = SearchAnnotation::new(AnnotationPattern::new("/comment")?, AnnotationScope::Both, "c");
    assert_eq!(client.uid_search([SearchKey::Annotation(key.into())]).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn identifiers_in_one_list() -> Result<()> {
    let answers = &[
        ("ENABLE OBJECTID+", "* ENABLED OBJECTID+\nTAG OK done"),
        ("CREATE Reports", "TAG OK [OBJECTID (MAILBOXID F7 ACCOUNTID Aa)] done"),
        (
            "SELECT Old (OBJECTID (MAILBOXID F7))",
            "* 2 EXISTS\n* OK [OBJECTID (MAILBOXID F7 ACCOUNTID Aa BLOB (x (y)) SHARE \"s t\")] ids\nTAG OK [READ-WRITE] done",
        ),
        (
            "STATUS Reports (OBJECTID)",
            "* STATUS Reports (OBJECTID (MAILBOXID F7 ACCOUNTID a.b))\nTAG OK done",
        ),
        ("UID FETCH 7 OBJECTID", "* 1 FETCH (UID 7 OBJECTID (EMAILID M1 THREADID T2))\nTAG OK done"),
    ];
    let mut client = client("ENABLE OBJECTID+", answers, Config::anonymous()).await?;
    assert_eq!(client.enable([Capability::ObjectIds]).await?, [Capability::ObjectIds]);
    let id = |text| ObjectId::new(text).unwrap();
    assert_eq!(client.create("Reports").await?, Some(id("F7").into()));
    let by_id = ObjectIds::new().with_mailbox(id("F7"));
    // Whatever it is called now. Names of identifiers that are not known are skipped, with any value.
    let selected = client.select_with(Select::new(MailboxName::new("Old")?).with_object_ids(by_id)).await?;
    let both = ObjectIds::new().with_mailbox(id("F7")).with_account(id("Aa"));
    assert_eq!(selected.object_ids.as_deref(), Some(&both));
    // What is no identifier is left out.
    let status = client.status("Reports", [StatusAtt::ObjectIds]).await?;
    let told = StatusAttVal::ObjectIds(Box::new(ObjectIds::new().with_mailbox(id("F7"))));
    assert_eq!(status.items, [told]);
    let mut messages = client.uid_fetch("7".parse::<UidSet>().unwrap(), [FetchAtt::ObjectIds]).await?;
    let message = messages.next().await?.unwrap();
    let both = ObjectIds::new().with_email(id("M1")).with_thread(id("T2"));
    assert_eq!(message.object_ids(), Some(&both));
    assert!(messages.next().await?.is_none());
    Ok(())
}

#[tokio::test]
async fn uses_by_xlist() -> Result<()> {
    let answers = &[(
        "XLIST \"\" *",
        "* XLIST (\\HasNoChildren \\Inbox) \"/\" Inbox\n* XLIST (\\AllMail) \"/\" \"[Gmail]/Alle\"\n* XLIST () \"/\" Papierkorb\nTAG OK done",
    )];
    let mut client = client("XLIST", answers, Config::anonymous()).await?;
    let found = client.special_mailboxes().await?;
    let shown: Vec<_> = found.iter().map(|one| format!("{} {}", one.special_use, one.mailbox)).collect();
    assert_eq!(shown, ["\\All [Gmail]/Alle", "\\Trash Papierkorb"]);
    assert!(!found[0].guessed && found[1].guessed);
    Ok(())
}

#[tokio::test]
async fn referrals_are_told() -> Result<()> {
    let url = "imap://user;AUTH=*@SERVER2/REMOTE";
    let answers = &[
        ("RLIST \"\" %", "* LIST () \"/\" REMOTE\nTAG OK done"),
        ("SELECT REMOTE", "TAG NO [REFERRAL imap://user;AUTH=*@SERVER2/REMOTE] elsewhere"),
        ("NOOP", "TAG OK done"),
    ];
    let mut remote = client("MAILBOX-REFERRALS", answers, Config::anonymous()).await?;
    assert_eq!(remote.rlist("", "%").await?.len(), 1);
    assert_eq!(referrals(remote.select("REMOTE").await), [url]);
    // Nothing follows it.
    remote.noop().await?;

    let answers = &[("LOGIN ada \"secret\"", "TAG NO [REFERRAL imap://ada@SERVER2/] elsewhere")];
    let mut config = Config::login(Credentials::password("ada", "secret"));
    config.allow_clear_credentials = true;
    assert_eq!(referrals(client("LOGIN-REFERRALS", answers, config).await), ["imap://ada@SERVER2/"]);
    Ok(())
}

/// A server that tells quotas as RFC 2087 has them: a root without limits, and no `QUOTA=RES-`.
#[tokio::test]
async fn quotas_of_rfc_2087() -> Result<()> {
    let answers = &[
        (
            "GETQUOTAROOT INBOX",
            "* QUOTAROOT INBOX \"\" \"User quota\"\n* QUOTA \"User quota\" ( STORAGE 10  512)\n* QUOTA \"\" ()\nTAG OK done",
        ),
        ("GETMETADATA \"\" (/shared/comment)", "* METADATA \"\" ()\nTAG OK done"),
    ];
    let mut client = client("QUOTA METADATA-SERVER", answers, Config::anonymous()).await?;
    let roots = client.quota_roots("INBOX").await?;
    assert_eq!((roots.len(), roots[0].usage.len(), roots[1].usage[0].limit), (2, 0, 512));
    assert_eq!(client.metadata("", "/shared/comment").await?, None::<Text>);
    assert!(matches!(client.metadata("INBOX", "/shared/comment").await, Err(Error::Misuse(_))));
    assert!(matches!(client.set_quota("", []).await, Err(Error::Misuse(_))));
    Ok(())
}

/// What a server sends without end is not collected without end.
#[tokio::test]
async fn the_pairs_of_a_copy_have_an_end() -> Result<()> {
    let flood = format!("{}TAG OK done", "* OK [COPYUID 1 1:2 3:4] copied\n".repeat(5000));
    let answers = vec![("SELECT INBOX", "* 2 EXISTS\nTAG OK done"), ("UID MOVE 1:2 x", &*flood.leak())];
    let mut config = Config::anonymous();
    config.collected = 100_000;
    let mut client = client("MOVE", answers.leak(), config).await?;
    client.select("INBOX").await?;
    let error = client.uid_move_to("1:2".parse::<UidSet>().unwrap(), "x").await.unwrap_err();
    assert!(
        matches!(error, Error::Protocol { error: mailwire_core::Error::LimitExceeded { .. }, .. }),
        "{error:?}"
    );
    Ok(())
}

/// However many messages others have changed, all of them are told.
#[tokio::test]
async fn a_long_list_of_what_was_left_alone() -> Result<()> {
    let left: Vec<String> = (1..40_000).map(|number| (2 * number).to_string()).collect();
    let answer = format!("TAG OK [MODIFIED {}] some have changed", left.join(","));
    let answers = vec![
        ("SELECT INBOX", "* 2 EXISTS\n* OK [HIGHESTMODSEQ 7] it is\nTAG OK done"),
        ("UID STORE 1:* (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Seen)", &*answer.leak()),
    ];
    let mut client = client("CONDSTORE", answers.leak(), Config::anonymous()).await?;
    client.select("INBOX").await?;
    let store = Store::new(UidSet::all(), StoreAction::Add, [Flag::Seen].into()).with_silent(true);
    let stored = client.store_unchanged(store.with_unchanged_since(ModSeq::new(5).unwrap())).await?;
    assert_eq!(stored.modified.unwrap().ranges().count(), left.len());
    Ok(())
}

/// RFC 9738: a part of what was to be left alone where it has changed is not joined with the next.
#[tokio::test]
async fn what_is_left_alone_is_told_of_one_part_only() -> Result<()> {
    let answers = &[
        ("SELECT INBOX", "* 9 EXISTS\n* OK [HIGHESTMODSEQ 7] it is\nTAG OK done"),
        (
            "UID STORE 1:9 (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Seen)",
            "* NO [MESSAGELIMIT 5 5] a part\nTAG OK [MODIFIED 7] some have changed",
        ),
    ];
    let mut client = client("CONDSTORE MESSAGELIMIT=5", answers, Config::anonymous()).await?;
    client.select("INBOX").await?;
    let store =
        Store::new("1:9".parse::<UidSet>().unwrap(), StoreAction::Add, [Flag::Seen].into()).with_silent(true);
    let error =
        client.store_unchanged(store.with_unchanged_since(ModSeq::new(5).unwrap())).await.unwrap_err();
    assert_eq!(error.refused().unwrap().kind, RefusedKind::Partial);
    Ok(())
}

/// A server without IDLE is asked, however short its client waits each time.
#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_goes_on() -> Result<()> {
    let answers = &[
        (
            "SELECT INBOX",
            "* 0 EXISTS\n* OK [UIDVALIDITY 3] it is\n* OK [UIDNEXT 8] next\nTAG OK [READ-WRITE] done",
        ),
        ("UID FETCH 1:* FLAGS", "TAG OK done"),
        ("NOOP", "* 1 EXISTS\nTAG OK done"),
        ("UID FETCH 1:* FLAGS", "* 1 FETCH (UID 8 FLAGS ())\nTAG OK done"),
    ];
    let mut client = client("", answers, Config::anonymous()).await?;
    let mut syncing = client.sync(SyncState::default(), [], SyncOptions::new(MailboxName::INBOX)).await?;
    for _ in 0..9 {
        if let Ok(change) = timeout(Duration::from_secs(25), syncing.wait()).await {
            if matches!(change?, Change::New { .. }) {
                return Ok(());
            }
        }
    }
    panic!("it was not asked");
}

/// Names are told apart in one step each: a server can have very many of them.
/// They are counted, and those who know what there was are told.
#[tokio::test]
async fn messages_go_while_a_mailbox_is_opened() -> Result<()> {
    let answers = &[
        ("SELECT INBOX", "* 5 EXISTS\n* 3 EXPUNGE\n* 6 EXISTS\n* 1 EXPUNGE\nTAG OK done"),
        // What is told of INBOX before it is left says nothing of the other mailbox.
        ("SELECT Sent", "* 4 EXPUNGE\n* OK [CLOSED] left\n* 9 EXISTS\n* 2 EXPUNGE\nTAG OK done"),
        ("SELECT None", "* 8 EXISTS\n* OK [CLOSED] left\nTAG OK done"),
        ("ENABLE QRESYNC", "* ENABLED QRESYNC\nTAG OK done"),
        ("SELECT INBOX (QRESYNC (1 7))", "* 9 EXISTS\n* VANISHED (EARLIER) 1:2\n* VANISHED 7:8\nTAG OK done"),
    ];
    let mut client = client("ENABLE QRESYNC", answers, Config::anonymous()).await?;
    for (mailbox, exists) in [("INBOX", 5), ("Sent", 8), ("None", 0)] {
        assert_eq!(
            (client.select(mailbox).await?.exists, client.exists()),
            (exists, Some(exists)),
            "{mailbox}"
        );
        assert_eq!(client.updates().next(), None);
    }
    client.enable([Capability::QResync]).await?;
    let known = QResync::new(UidValidity::MIN, ModSeq::new(7).unwrap());
    let selected = client.select_with(Select::new(MailboxName::INBOX).with_qresync(known)).await?;
    assert_eq!((selected.exists, client.exists()), (7, Some(7)));
    let gone: Vec<_> =
        selected.vanished.iter().map(|(low, high)| (u32::from(*low), u32::from(*high))).collect();
    assert_eq!(gone, [(1, 2), (7, 8)]);
    Ok(())
}

#[tokio::test]
async fn many_quota_roots() -> Result<()> {
    const COUNT: usize = 30_000;
    let roots: Vec<String> = (0..COUNT).map(|number| format!("r{number}")).collect();
    let quotas: Vec<String> = roots.iter().rev().map(|root| format!("* QUOTA {root} ()\n")).collect();
    let answer = format!("* QUOTAROOT INBOX {}\n{}TAG OK done", roots.join(" "), quotas.concat());
    let answers = vec![("GETQUOTAROOT INBOX", &*answer.leak())];
    let mut client = client("QUOTA", answers.leak(), Config::anonymous()).await?;
    assert_eq!(client.quota_roots("INBOX").await?.len(), COUNT);
    Ok(())
}

/// RFC 9755 has no form of its own for messages with 8-bit headers, RFC 6855 has.
#[tokio::test]
async fn a_message_in_utf_8_is_given_once_more_in_the_older_form() -> Result<()> {
    let answers = &[
        ("APPEND a {11+}\r\nSubject: \u{fc}", "TAG NO not so"),
        ("ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT\nTAG OK done"),
        ("APPEND a {11+}\r\nSubject: \u{fc}", "TAG NO not so"),
        ("APPEND a UTF8 (~{11+}\r\nSubject: \u{fc})", "TAG OK [APPENDUID 1 7] done"),
        ("APPEND a {11+}\r\nSubject: \u{fc}", "TAG NO [OVERQUOTA] full"),
        ("APPEND a {10+}\r\nSubject: x", "TAG NO not so"),
    ];
    let mut client = client("ENABLE UTF8=ACCEPT", answers, Config::anonymous()).await?;
    client.append("a", "Subject: \u{fc}").await.unwrap_err();
    client.enable([mailwire_transport::imap::Capability::Utf8Accept]).await?;
    let appended = client.append("a", "Subject: \u{fc}").await?.unwrap();
    assert_eq!(appended.uids.to_string(), "7");
    client.append("a", "Subject: \u{fc}").await.unwrap_err();
    client.append("a", "Subject: x").await.unwrap_err();
    Ok(())
}
