//! The IMAP client against servers that follow a script.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    clippy::sliced_string_as_bytes,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::{
    collections::HashMap,
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use mailwire_core::{Error as Violation, Misuse, NotOffered};
use mailwire_transport::{
    Endpoint, Error, Payload, RefusedKind, Result, Security, Stream,
    imap::{
        Capability, Client, Config, FetchAtt, Flag, FlagChange, LoginMechanism, SearchKey, SequenceSet,
        StatusAtt, UidSet,
        client::{AppendOptions, Update},
        proto::{
            client::State,
            command::{
                AString, Command, Copy, Create, List, ListReturnOpt, OtherItem, Search, SearchReturnOpt,
                Status,
            },
            types::{
                ImapString, ListPattern, MailboxName, ModSeq, Section, SectionText, SeqNumber, Uid,
                UidValidity, Value,
            },
        },
    },
    sasl::{Credentials, Mechanism, SaslError},
    testing::TestCa,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

fn uid(uid: u32) -> Uid {
    Uid::new(uid).unwrap()
}

fn number(number: u32) -> SeqNumber {
    SeqNumber::new(number).unwrap()
}

/// A server that says its lines: `S: ` is sent, `C: ` must come, and then the end. In `C:` lines, `A `
/// at the beginning stands for the tag that comes, and then for this tag in `S:` lines; so do other
/// capital letters. `S+ ` has no line end; a CR stands for CR LF.
async fn play(stream: &mut DuplexStream, script: &str) -> String {
    let mut tags: HashMap<String, String> = HashMap::new();
    for line in script.split('\n').map(str::trim_start).filter(|line| !line.is_empty()) {
        if let Some(text) = line.strip_prefix("S:").or_else(|| line.strip_prefix("S+ ")) {
            let text = text.strip_prefix(' ').unwrap_or(text);
            let text = match text.split_once(' ') {
                Some((tag, rest)) if tags.contains_key(tag) => format!("{} {rest}", tags[tag]),
                _ => text.to_owned(),
            };
            let end = if line.starts_with("S+") { "" } else { "\r\n" };
            let text = text.replace('\r', "\r\n");
            if stream.write_all(format!("{text}{end}").as_bytes()).await.is_err() {
                return format!("gone before {line}");
            }
        } else if let Some(text) = line.strip_prefix("C:") {
            let text = text.strip_prefix(' ').unwrap_or(text);
            let mut came = Vec::new();
            while !came.ends_with(b"\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => came.push(byte),
                    Err(_) => return format!("gone before {line}"),
                }
            }
            let came = String::from_utf8_lossy(&came).trim_end_matches("\r\n").to_owned();
            let mut expected = text.to_owned();
            if let Some((name, rest)) = text.split_once(' ') {
                if name.len() == 1 && name.chars().all(|c| c.is_ascii_uppercase()) {
                    let tag = came.split(' ').next().unwrap_or_default().to_owned();
                    expected = format!("{tag} {rest}");
                    tags.insert(name.to_owned(), tag);
                }
            }
            if came != expected {
                return format!("{came:?} in place of {expected:?}");
            }
        } else {
            return format!("not a line: {line}");
        }
    }
    String::new()
}

fn ada() -> Config {
    Config::login(Credentials::password("ada", "tanstaaf"))
}

fn clear() -> Config {
    ada().with_allow_clear_credentials(true)
}

fn endpoint() -> Endpoint {
    Endpoint::tcp("test", 143, Security::plaintext_without_encryption())
}

async fn against<T>(config: Config, script: &str, calls: impl AsyncFnOnce(Client) -> Result<T>) -> T {
    tried(config, script, calls).await.unwrap()
}

async fn tried<T>(config: Config, script: &str, calls: impl AsyncFnOnce(Client) -> Result<T>) -> Result<T> {
    against_for(Duration::from_secs(20), config, script, calls).await
}

async fn against_for<T>(
    limit: Duration,
    config: Config,
    script: &str,
    calls: impl AsyncFnOnce(Client) -> Result<T>,
) -> Result<T> {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let client = async move {
        let client = Client::over(Stream::other(ours), endpoint(), config).await?;
        calls(client).await
    };
    let server = async move {
        let wrong = play(&mut theirs, script).await;
        drop(theirs);
        wrong
    };
    let both = async { tokio::join!(client, server) };
    let (result, wrong) = tokio::time::timeout(limit, both).await.expect("nobody hangs");
    assert_eq!(wrong, "", "{:?}", result.as_ref().err());
    result
}

const CAPABILITIES: &str = "IMAP4rev1 SASL-IR LITERAL+ UIDPLUS MOVE IDLE NAMESPACE ENABLE UNSELECT ID ESEARCH \
                            LIST-EXTENDED LIST-STATUS AUTH=PLAIN";

/// Logged in, with these capabilities.
fn offering(capabilities: &str, script: &str) -> String {
    format!(
        "S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready
        C: A AUTHENTICATE PLAIN AGFkYQB0YW5zdGFhZg==
        S: A OK [CAPABILITY {capabilities}] welcome
        {script}"
    )
}

fn then(script: &str) -> String {
    offering(CAPABILITIES, script)
}

/// And a mailbox is open.
fn open(script: &str) -> String {
    then(&format!(
        "C: B SELECT INBOX
        S: * 3 EXISTS
        S: B OK [READ-WRITE] done
        {script}"
    ))
}

async fn within<T>(script: &str, calls: impl AsyncFnOnce(&mut Client) -> Result<T>) -> Result<T> {
    tried(clear(), &open(script), async |mut client| {
        client.select("INBOX").await?;
        calls(&mut client).await
    })
    .await
}

#[tokio::test]
async fn the_unseen_messages_of_an_inbox() {
    let script = then(
        r#"
        C: A SELECT INBOX
        S: * FLAGS (\Answered \Seen)
        S: * 172 EXISTS
        S: * 1 RECENT
        S: * OK [UNSEEN 12] first unseen
        S: * OK [UIDVALIDITY 3857529045] valid
        S: * OK [UIDNEXT 4392] next
        S: * OK [PERMANENTFLAGS (\Deleted \Seen \*)] limited
        S: * OK [HIGHESTMODSEQ 715194045007] highest
        S: A OK [READ-WRITE] done
        C: B UID SEARCH UNSEEN
        S: * SEARCH 40 41 43
        S: B OK done
        C: C UID FETCH 40:41,43 ENVELOPE
        S: * 12 FETCH (UID 40 ENVELOPE (NIL "one" NIL NIL NIL NIL NIL NIL NIL NIL))
        S: * 13 FETCH (UID 41 ENVELOPE (NIL {3}
        S: two NIL NIL NIL NIL NIL NIL NIL NIL))
        S: * 15 FETCH (FLAGS (\Seen))
        S: * 15 FETCH (UID 43 ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL))
        S: C OK done
        C: D LOGOUT
        S: * BYE see you
        S: D OK done
        "#,
    );
    against(clear(), &script, async |mut client| {
        let selected = client.select("inbox").await?;
        assert_eq!((selected.exists, selected.recent, selected.unseen), (172, Some(1), Some(number(12))));
        assert_eq!(
            (selected.uid_validity, selected.uid_next),
            (UidValidity::new(3_857_529_045), Some(uid(4392)))
        );
        assert_eq!((selected.read_only, selected.highest_mod_seq), (false, ModSeq::new(715_194_045_007)));
        assert!(selected.flags.contains(&Flag::Seen) && !selected.flags.contains(&Flag::Deleted));
        assert!(selected.permanent_flags.unwrap().new_keywords);
        assert_eq!(client.exists(), Some(172));

        let unseen = client.uid_search([SearchKey::Unseen]).await?;
        assert_eq!((unseen.iter().collect::<Vec<_>>(), unseen.len()), (vec![uid(40), uid(41), uid(43)], 3));
        assert_eq!(
            (unseen.min(), unseen.max(), unseen.contains(uid(42))),
            (Some(uid(40)), Some(uid(43)), false)
        );
        let mut subjects = Vec::new();
        let mut messages = client.uid_fetch(&unseen, [FetchAtt::Envelope]).await?;
        while let Some(message) = messages.next().await? {
            subjects.push((message.uid(), message.subject().map(|subject| subject.into_owned())));
        }
        assert!(messages.next().await?.is_none());
        assert_eq!(
            subjects,
            [(Some(uid(40)), Some("one".into())), (Some(uid(41)), Some("two".into())), (Some(uid(43)), None)]
        );
        // Flags were not asked for: another session has set them.
        let updates: Vec<_> = client.updates().collect();
        assert!(
            matches!(&updates[..], [Update::Flags { number, uid: None, .. }] if number.get() == 15),
            "{updates:?}"
        );
        client.logout().await
    })
    .await;
}

#[tokio::test]
async fn messages_come_with_all_their_data() {
    let script = r#"
        C: C FETCH 1:2 (UID FLAGS RFC822.SIZE INTERNALDATE BODYSTRUCTURE BODY.PEEK[] BODY.PEEK[HEADER.FIELDS (Date)])
        S: * 1 FETCH (UID 7 FLAGS (\Seen $Forwarded) RFC822.SIZE 5 INTERNALDATE "17-Jul-1996 02:44:25 -0700" BODYSTRUCTURE ("text" "plain" NIL NIL NIL "7bit" 5 1) BODY[] {5}
        S: hello BODY[HEADER.FIELDS ("DATE")] "x")
        S: * 2 FETCH (UID 8 BODY[] NIL X-NEW (a b))
        S: C OK done
    "#;
    within(script, async |client| {
        let items = [
            FetchAtt::Uid,
            FetchAtt::Flags,
            FetchAtt::Rfc822Size,
            FetchAtt::InternalDate,
            FetchAtt::BodyStructure,
            FetchAtt::MESSAGE,
            FetchAtt::BodySection { section: date(), partial: None, peek: true },
        ];
        let mut messages = client.fetch("1:2".parse::<SequenceSet>()?, items).await?;
        let message = messages.next().await?.unwrap();
        assert_eq!(
            (message.number(), message.uid(), message.size()),
            (Some(number(1)), Some(uid(7)), Some(5))
        );
        assert!(message.flags().unwrap().contains(&Flag::Forwarded));
        assert_eq!(message.internal_date().unwrap().to_unix(), 837_596_665);
        assert!(message.body_structure().is_some() && message.envelope().is_none());
        assert_eq!(
            (message.body().unwrap(), message.section(&date()).unwrap()),
            ("hello".into(), "x".into())
        );
        let message = messages.next().await?.unwrap();
        assert_eq!((message.body(), message.items().len()), (None, 3));
        assert!(messages.next().await?.is_none());
        Ok(())
    })
    .await
    .unwrap();
}

/// RFC 9738: only a part was done.
#[tokio::test]
async fn a_part_is_no_success() {
    let script = r#"
        C: C UID MOVE 1:5000 x
        S: C OK [MESSAGELIMIT 1000 23221] MOVE completed for the last 1000 messages
        C: D UID FETCH 1:* FLAGS
        S: * 3 FETCH (UID 30000 FLAGS ())
        S: D OK [MESSAGELIMIT 1 30000] one
        C: E UID EXPUNGE 1:5
        S: * VANISHED 4
        S: E OK [MESSAGELIMIT 1 4] one
    "#;
    within(script, async |client| {
        let error = client.uid_move_to("1:5000".parse::<UidSet>()?, "x").await.unwrap_err();
        let refused = error.refused().unwrap();
        assert_eq!(
            (refused.kind, refused.code.as_ref().unwrap().to_string()),
            (RefusedKind::Partial, "MESSAGELIMIT 1000 23221".into())
        );
        assert!(error.to_string().contains("for the last 1000 messages") && !error.is_transient());
        let mut found = client.uid_fetch(UidSet::all(), [FetchAtt::Flags]).await?;
        assert_eq!(found.next().await?.unwrap().uid(), Some(uid(30000)));
        let error = found.next().await.unwrap_err();
        assert_eq!(error.refused().unwrap().kind, RefusedKind::Partial);
        drop(found);
        // Whoever asks for all that came gets it, with how it ended.
        let answer = client.call(Command::UidExpunge("1:5".parse()?)).await?;
        assert_eq!(
            (answer.data.len(), answer.status.code.unwrap().to_string()),
            (1, "MESSAGELIMIT 1 4".into())
        );
        Ok(())
    })
    .await
    .unwrap();
}

/// RFC 7889: of the server, and of a mailbox.
#[tokio::test]
async fn what_is_too_large_is_not_sent() {
    let script = offering(
        "IMAP4rev1 LITERAL+ APPENDLIMIT=1000",
        "C: B STATUS small (APPENDLIMIT)
        S: * STATUS small (APPENDLIMIT 10)
        S: B OK done
        C: C NOOP
        S: C OK done",
    );
    against(clear(), &script, async |mut client| {
        let too_large = Err(Misuse::NotOffered(NotOffered::MessageSize));
        let refused = |result: Result<_>| match result {
            Err(Error::Misuse(misuse)) => Err(misuse),
            other => Ok(other),
        };
        let found = refused(client.append("INBOX", "x".repeat(1001)).await);
        assert!(matches!(found, Err(misuse) if Err::<(), _>(misuse) == too_large), "{found:?}");
        client.status("small", [StatusAtt::Other("APPENDLIMIT".try_into()?)]).await?;
        let found = refused(client.append("small", "x".repeat(11)).await);
        assert!(matches!(found, Err(misuse) if Err::<(), _>(misuse) == too_large), "{found:?}");
        // Nothing was sent of either, and the connection goes on.
        client.noop().await
    })
    .await;
}

/// What a careless server sends reaches the caller as what it means.
#[tokio::test]
async fn odd_messages_are_kept_and_those_that_are_none_dropped() {
    let script = r#"
        C: C UID FETCH 7 (UID FLAGS BODY.PEEK[])
        S: * 0 FETCH (UID 7 FLAGS (\Deleted))
        S: * 1 FETCH (UID 7 BODY[] {5}
        S: hello) FLAGS (\Seen)
        S: C OK done
    "#;
    within(script, async |client| {
        let items = [FetchAtt::Uid, FetchAtt::Flags, FetchAtt::MESSAGE];
        let mut found = client.uid_fetch(Uid::new(7).unwrap(), items).await?;
        let message = found.next().await?.unwrap();
        assert_eq!((message.number(), message.body().unwrap()), (Some(number(1)), "hello".into()));
        assert!(message.flags().unwrap().contains(&Flag::Seen));
        assert!(found.next().await?.is_none());
        drop(found);
        let malformed: Vec<_> = client.malformed().collect();
        assert_eq!(malformed.len(), 1, "{malformed:?}");
        Ok(())
    })
    .await
    .unwrap();
}

fn date() -> Section {
    Section::new(Vec::new(), Some(SectionText::HeaderFields(vec![ImapString::new("Date").unwrap()]))).unwrap()
}

#[tokio::test]
async fn logs_in_the_best_way() {
    // Without TLS, nothing that shows the password, unless allowed by name.
    for capabilities in ["IMAP4rev1 AUTH=PLAIN", "IMAP4rev1", "IMAP4rev1 AUTH=PLAIN LOGINDISABLED"] {
        let script = format!("S: * OK [CAPABILITY {capabilities}] ready");
        let error = tried(ada(), &script, async |_| Ok(())).await.unwrap_err();
        assert!(matches!(error, Error::Sasl(SaslError::CredentialsInClear)), "{error:?}");
    }
    let script = "S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED] ready";
    let error = tried(clear(), script, async |_| Ok(())).await.unwrap_err();
    assert!(matches!(error, Error::Sasl(SaslError::NoMechanism { .. })), "{error:?}");
    // LOGIN as the last resort. Capabilities are asked for where they are not told.
    let script = "S: * OK ready
        C: A CAPABILITY
        S: * CAPABILITY IMAP4rev1 AUTH=GSSAPI
        S: A OK done
        C: B LOGIN ada \"tanstaaf\"
        S: B OK done
        C: C CAPABILITY
        S: * CAPABILITY IMAP4rev1 ID
        S: C OK done
        C: D ID NIL
        S: * ID (\"name\" \"x\")
        S: D OK done";
    against(clear(), script, async |mut client| {
        assert!(client.has(&Capability::Id) && !client.is_encrypted());
        let id = client.id(&[]).await?;
        assert_eq!((id.len(), id[0].0.as_bytes()), (1, &b"name"[..]));
        Ok(())
    })
    .await;
    // A server that does not know CAPABILITY, or says nothing with it.
    for answer in ["BAD what", "OK nothing"] {
        let script = format!(
            "S: * OK ready\nC: A CAPABILITY\nS: A {answer}\nC: B LOGIN ada \"tanstaaf\"\nS: B OK\nC: C CAPABILITY\nS: C {answer}\nC: D NOOP\nS: D OK x\n"
        );
        against(clear(), &script, async |mut client| client.noop().await).await;
    }
    // Without SASL-IR, or with one that does not work.
    for (offered, trust) in [("", true), ("SASL-IR ", false)] {
        let script = format!(
            "S: * OK [CAPABILITY IMAP4rev1 {offered}AUTH=PLAIN] ready
            C: A AUTHENTICATE PLAIN
            S: +
            C: AGFkYQB0YW5zdGFhZg==
            S: * CAPABILITY IMAP4rev1 X-NEW
            S: A OK done"
        );
        let mut config = clear();
        config.initial_response = trust;
        against(config, &script, async |client| {
            assert!(
                client
                    .capabilities()
                    .iter()
                    .any(|capability| *capability == Capability::new("X-NEW").unwrap())
            );
            Ok(())
        })
        .await;
    }
    // By name.
    let script = "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=LOGIN] ready
        C: A AUTHENTICATE LOGIN
        S: + VXNlcm5hbWU6
        C: YWRh
        S: + UGFzc3dvcmQ6
        C: dGFuc3RhYWY=
        S: A OK [CAPABILITY IMAP4rev1] done";
    let mut config = clear();
    config.mechanism = Some(LoginMechanism::Sasl(Mechanism::Login));
    against(config, script, async |_| Ok(())).await;
    // A refusal says why, and nothing of the password.
    let script = "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready
        C: A AUTHENTICATE PLAIN
        S: +
        C: AGFkYQB0YW5zdGFhZg==
        S: + not base64
        C: *
        S: A BAD cancelled";
    let error = tried(clear(), script, async |_| Ok(())).await.unwrap_err();
    assert_eq!(error.refused().unwrap().kind, RefusedKind::Bad);
    let script = "S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready
        C: A AUTHENTICATE PLAIN AGFkYQB0YW5zdGFhZg==
        S: A NO [AUTHENTICATIONFAILED] wrong";
    let error = tried(clear(), script, async |_| Ok(())).await.unwrap_err();
    assert_eq!(error.to_string(), "the server refused AUTHENTICATE: NO [AUTHENTICATIONFAILED] wrong");
    assert!(!format!("{error:?}").contains("tanstaaf") && !error.is_transient());
    // PREAUTH needs no login.
    let script = "S: * PREAUTH [CAPABILITY IMAP4rev1] hello\nC: A NOOP\nS: A OK done";
    against(ada(), script, async |mut client| client.noop().await).await;
    // A greeting that is a farewell.
    let error = tried(ada(), "S: * BYE [UNAVAILABLE] later", async |_| Ok(())).await.unwrap_err();
    assert!(error.is_transient() && error.refused().unwrap().kind == RefusedKind::Bye);
}

#[tokio::test]
async fn uids_that_are_not_kept_are_said_in_a_warning() {
    let script = then(
        r#"
        C: A SELECT funny
        S: * 2 EXISTS
        S: * OK [UIDVALIDITY 3857529045] Validity session-only
        S: * NO [UIDNOTSTICKY] Non-persistent UIDs
        S: A OK [READ-WRITE] SELECT completed
        C: B SELECT other
        S: * 1 EXISTS
        S: B OK [READ-WRITE] SELECT completed
        "#,
    );
    against(clear(), &script, async |mut client| {
        let selected = client.select("funny").await?;
        assert!(selected.uid_not_sticky && selected.uid_validity.is_some());
        assert_eq!(client.updates().filter(|update| matches!(update, Update::Notice(_))).count(), 1);
        assert!(!client.select("other").await?.uid_not_sticky);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn tells_who_it_is_before_select() {
    let mut config = clear();
    config.identify("mailwire", "0.1").unwrap();
    let script = then(
        "C: I ID (\"name\" \"mailwire\" \"version\" \"0.1\")\nS: * ID NIL\nS: I OK done\nC: B EXAMINE INBOX\nS: B OK [READ-ONLY] done",
    );
    against(config.clone(), &script, async |mut client| {
        assert!(client.examine("INBOX").await?.read_only);
        Ok(())
    })
    .await;
    // A server need not like it, or know it.
    let script =
        offering("IMAP4rev1 ID", "C: I ID (\"name\" \"mailwire\" \"version\" \"0.1\")\nS: I BAD what");
    against(config.clone(), &script, async |_| Ok(())).await;
    let script = offering("IMAP4rev1", "");
    against(config, &script, async |_| Ok(())).await;
}

/// What was said of a call that was dropped is not said of the next one.
#[tokio::test]
async fn a_part_of_a_call_that_was_dropped() {
    let script = "
        C: C UID STORE 1:9 +FLAGS.SILENT (\\Seen)
        S: * NO [MESSAGELIMIT 5 4] a part
        S: C OK done
        C: D UID SEARCH ALL
        S: * SEARCH 1
        S: D OK [X-MINE] done
    ";
    within(script, async |client| {
        let change = FlagChange::add([Flag::Seen]).silent();
        let set: UidSet = "1:9".parse()?;
        assert!(polled(pin!(client.uid_store(set, change)).as_mut(), 1).await.is_none());
        assert_eq!(client.uid_search([]).await?.len(), 1);
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn refusals_are_errors_whatever_came_before() {
    let script = "
        C: C UID FETCH 1:* FLAGS
        S: * 1 FETCH (UID 7 FLAGS ())
        S: C NO [EXPUNGEISSUED] some are gone
        C: D CREATE x
        S: D BAD [CLIENTBUG] no
        C: E NOOP
        S: E OK [MESSAGELIMIT 1000 23221] partly
        C: F STATUS x (MESSAGES)
        S: * BYE [X-NEW a b] I go
    ";
    within(script, async |client| {
        let mut messages = client.uid_fetch(UidSet::all(), FetchAtt::Flags).await?;
        assert!(messages.next().await?.is_some());
        let error = messages.next().await.unwrap_err();
        assert_eq!(error.to_string(), "the server refused FETCH: NO [EXPUNGEISSUED] some are gone");
        assert!(messages.next().await?.is_none());
        let refused = client.create("x").await.unwrap_err();
        let refused = refused.refused().unwrap();
        assert_eq!((refused.kind, refused.command), (RefusedKind::Bad, "CREATE"));
        client.noop().await?;
        let code = client.completion().unwrap().code.as_ref().unwrap();
        assert_eq!(code.to_string(), "MESSAGELIMIT 1000 23221");
        for _ in 0..2 {
            let error = client.status("x", [StatusAtt::Messages]).await.unwrap_err();
            assert_eq!(error.to_string(), "the server refused STATUS: BYE [X-NEW a b] I go");
        }
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn mailboxes() {
    let script = then(
        r#"
        C: C LIST "" *
        S: * LIST (\HasNoChildren) "/" INBOX
        S: * LIST (\Noselect) "/" "Entw&APw-rfe"
        S: C OK done
        C: D LIST "" "%" RETURN (STATUS (MESSAGES UNSEEN))
        S: * LIST () "/" a
        S: * STATUS a (MESSAGES 17 UNSEEN 16)
        S: * LIST () NIL b
        S: * STATUS other (MESSAGES 1)
        S: D OK done
        C: E LSUB "" *
        S: * LSUB () "/" a
        S: E OK done
        C: F STATUS Entw&APw-rfe (UIDNEXT)
        S: * STATUS "Entw&APw-rfe" (UIDNEXT 5)
        S: F OK done
        C: G CREATE a
        S: G OK done
        C: H RENAME a "b c"
        S: H OK done
        C: I SUBSCRIBE a
        S: I OK done
        C: J UNSUBSCRIBE a
        S: J OK done
        C: K DELETE a
        S: K OK done
        C: L NAMESPACE
        S: * NAMESPACE (("" "/")) NIL NIL
        S: L OK done
        C: M ENABLE IMAP4rev2
        S: * ENABLED IMAP4rev2
        S: M OK done
        "#,
    );
    let script = script.replace("LIST \"\" \"%\"", "LIST \"\" %");
    against(clear(), &script, async |mut client| {
        let list = client.list("", "*").await?;
        assert_eq!((list.len(), list[1].name.to_unicode().as_ref()), (2, "Entwürfe"));
        let list = List::new(MailboxName::new("")?, ListPattern::new("%")?);
        let returns = [ListReturnOpt::Status(vec![StatusAtt::Messages, StatusAtt::Unseen])];
        let listed = client.list_with(list.returning(returns)).await?;
        assert_eq!((listed.len(), listed[0].status.as_ref().unwrap().items.len()), (2, 2));
        assert!(listed[1].status.is_none());
        assert_eq!(client.updates().count(), 1, "a status that belongs to none of them");
        assert_eq!(client.lsub("", "*").await?.len(), 1);
        let status = client.status("Entwürfe", [StatusAtt::UidNext]).await?;
        assert_eq!((status.uid_next().map(Uid::get), status.messages()), (Some(5), None));
        client.create("a").await?;
        client.rename("a", "b c").await?;
        client.subscribe("a").await?;
        client.unsubscribe("a").await?;
        client.delete(&MailboxName::new("a")?).await?;
        assert_eq!(client.namespace().await?.personal.len(), 1);
        assert_eq!(client.enable([Capability::Imap4Rev2]).await?, [Capability::Imap4Rev2]);
        assert!(matches!(client.create("a\r\nb LOGOUT").await, Err(Error::Invalid(_))));
        assert!(matches!(client.status("a", []).await, Err(Error::Invalid(_))));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn searches() {
    let script = r#"
        C: C SEARCH 1:2 SUBJECT "a b"
        S: * SEARCH
        S: C OK done
        C: D UID SEARCH CHARSET UTF-8 OR TEXT {4+}
        C: Gr"#;
    let script = format!(
        "{script}\u{fc} SEEN
        S: * SEARCH 5 6
        S: * SEARCH 9 (MODSEQ 917162500)
        S: D OK done
        C: E UID SEARCH RETURN (MIN COUNT ALL) ALL
        S: * ESEARCH (TAG \"x\") UID MIN 2 COUNT 5000000 ALL 2:4,4294967290:4294967295
        S: E OK done
        C: F UID SEARCH UNSEEN
        S: * 4 EXISTS
        S: * ESEARCH (TAG \"x\") UID
        S: F OK done
        C: G UID SEARCH CHARSET UTF-8 X-GM-RAW {{4+}}
        C: Gr\u{fc}
        S: * SEARCH 0 5
        S: G OK done
    "
    );
    within(&script, async |client| {
        let found = client
            .search([SearchKey::Sequence("1:2".parse()?), SearchKey::Subject(AString::new("a b")?)])
            .await?;
        assert!(found.is_empty() && found.iter().next().is_none());
        let text = SearchKey::Text(AString::new("Grü")?);
        let found = client.uid_search([SearchKey::Or(Box::new(text), Box::new(SearchKey::Seen))]).await?;
        assert_eq!(
            (found.ranges(), found.mod_seq()),
            (&[(uid(5), uid(6)), (uid(9), uid(9))][..], ModSeq::new(917_162_500))
        );
        let mut search = Search::by_uid([]);
        search.returns = Some(vec![SearchReturnOpt::Min, SearchReturnOpt::Count, SearchReturnOpt::All]);
        let found = client.search_with(search).await?.of::<Uid>();
        assert_eq!((found.len(), found.min(), found.iter().count()), (5_000_000, Some(uid(2)), 9));
        let found = client.uid_search([SearchKey::Unseen]).await?;
        assert!(found.is_empty());
        assert_eq!(client.exists(), Some(4));
        assert_eq!(client.updates().next(), Some(Update::Exists(4)));
        // A key that only the server knows.
        let raw = OtherItem::new("X-GM-RAW".try_into()?).with_arguments([Value::string("Gr\u{fc}")?]);
        assert_eq!(client.uid_search([SearchKey::Other(raw)]).await?.ranges(), [(uid(5), uid(5))]);
        // Nothing is sent for nothing.
        let mut messages = client.uid_fetch(&found, FetchAtt::Envelope).await?;
        assert!(messages.next().await?.is_none());
        assert!(client.uid_store(&found, FlagChange::add([Flag::Seen])).await?.is_empty());
        assert!(client.uid_expunge(Vec::<Uid>::new()).await?.is_empty());
        assert!(client.uid_move_to([0_u32; 0], "x").await?.is_none());
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn changes_of_messages() {
    let script = r"
        C: C STORE 1:2 +FLAGS (\Seen)
        S: * 1 FETCH (FLAGS (\Seen))
        S: * 3 FETCH (FLAGS (\Flagged))
        S: C OK done
        C: D UID STORE 7 -FLAGS.SILENT (\Seen)
        S: * 1 FETCH (UID 7 FLAGS (\Draft))
        S: D OK done
        C: E UID COPY 7:8 x
        S: E OK [COPYUID 38505 7:8 3956:3957] done
        C: F UID MOVE 7 x
        S: * OK [COPYUID 38505 7 3958] moved
        S: * 1 EXPUNGE
        S: F OK done
        C: G EXPUNGE
        S: * 2 EXPUNGE
        S: * 1 EXPUNGE
        S: G OK done
        C: H UID EXPUNGE 9
        S: * OK [X-NOTE] by the way
        S: H OK [ALERT] quota is nearly full
        C: I CLOSE
        S: I OK done
    ";
    within(script, async |client| {
        let stored = client.store([1, 2], FlagChange::add([Flag::Seen])).await?;
        assert_eq!((stored.len(), stored[0].number()), (1, Some(number(1))));
        assert!(client.uid_store(7, FlagChange::remove([Flag::Seen]).silent()).await?.is_empty());
        let copied = client.uid_copy_to([7, 8], "x").await?.unwrap();
        assert_eq!(
            (copied.uid_validity.map(UidValidity::get), copied.destination.to_string().as_str()),
            (Some(38505), "3956:3957")
        );
        let moved = client.uid_move_to(7, "x").await?.unwrap();
        assert_eq!(moved.destination.iter(9).collect::<Vec<_>>(), [3958]);
        assert_eq!(client.exists(), Some(2));
        assert_eq!(client.expunge().await?, [number(2), number(1)]);
        assert_eq!(client.exists(), Some(0));
        client.uid_expunge(9).await?;
        let updates: Vec<_> = client.updates().collect();
        assert!(matches!(updates[0], Update::Flags { number, uid: None, .. } if number.get() == 3));
        assert!(matches!(updates[1], Update::Flags { number, uid: Some(of), .. } if number.get() == 1 && of == uid(7)));
        assert_eq!(updates[2], Update::Expunge(number(1)));
        assert!(matches!(&updates[3], Update::Notice(status) if status.text == "by the way"));
        assert!(matches!(&updates[4], Update::Notice(status) if status.text == "quota is nearly full"));
        assert_eq!(updates.len(), 5);
        client.close().await?;
        assert_eq!((client.exists(), client.state()), (None, State::Authenticated));
        // The machine knows that no mailbox is open, and that flag is the server's.
        assert!(matches!(client.expunge().await, Err(Error::Misuse(_))));
        assert!(matches!(client.store(1, FlagChange::add([Flag::Recent])).await, Err(Error::Invalid(_))));
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn moves_without_move() {
    let select = "C: B SELECT INBOX\nS: * 3 EXISTS\nS: B OK done\n";
    let script = offering(
        "IMAP4rev1 UIDPLUS",
        &format!(
            r"{select}
            C: C UID SEARCH 2:3
            S: * SEARCH 12 15
            S: C OK done
            C: D UID COPY 12,15 x
            S: D OK [COPYUID 1 12,15 1:2] done
            C: E UID STORE 12,15 +FLAGS.SILENT (\Deleted)
            S: E OK done
            C: F UID EXPUNGE 12,15
            S: * 2 EXPUNGE
            S: * 2 EXPUNGE
            S: F OK done"
        ),
    );
    against(clear(), &script, async |mut client| {
        client.select("INBOX").await?;
        assert_eq!(client.move_to([2, 3], "x").await?.unwrap().source.to_string(), "12,15");
        assert_eq!(client.exists(), Some(1));
        Ok(())
    })
    .await;
    let script = offering("IMAP4rev1", select);
    against(clear(), &script, async |mut client| {
        client.select("INBOX").await?;
        assert!(matches!(client.move_to(2, "x").await, Err(Error::Misuse(_))));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn takes_the_commands_themselves() {
    let script = offering(
        "IMAP4rev1 UIDPLUS",
        r"C: B SELECT INBOX
        S: * 3 EXISTS
        S: B OK done
        C: C CREATE a
        S: C OK done
        C: D STATUS a (MESSAGES)
        S: * STATUS a (MESSAGES 0)
        S: D OK done
        C: E COPY 1 a
        S: E OK [COPYUID 1 7 1] done
        C: F UID SEARCH UID 8:*
        S: * SEARCH 9
        S: F OK done
        C: G UID COPY 9 a
        S: G OK [COPYUID 1 9 2] done
        C: H UID STORE 9 +FLAGS.SILENT (\Deleted)
        S: H OK done
        C: I UID EXPUNGE 9
        S: * 3 EXPUNGE
        S: I OK done",
    );
    against(clear(), &script, async |mut client| {
        let mailbox = MailboxName::new("a")?;
        client.select("INBOX").await?;
        client.create_with(Create::from(mailbox.clone())).await?;
        let status = client.status_with(Status::new(mailbox.clone(), [StatusAtt::Messages])).await?;
        assert_eq!(status.messages(), Some(0));
        let error = client.status_with(Status::new(mailbox.clone(), [])).await.unwrap_err();
        assert!(matches!(error, Error::Invalid(_)));
        let first: SequenceSet = "1".parse()?;
        let copied = client.copy_with(Copy::new(first, mailbox.clone())).await?.unwrap();
        assert_eq!(copied.source.to_string(), "7");
        let last: UidSet = "8:*".parse()?;
        let moved = client.move_with(Copy::new(last, mailbox)).await?.unwrap();
        assert_eq!((moved.source.to_string().as_str(), client.exists()), ("9", Some(2)));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn appends_with_all_kinds_of_literals() {
    for (offered, sign) in [("LITERAL+", "+"), ("LITERAL-", "+"), ("X", "")] {
        let wait = if sign.is_empty() { "S: + go on" } else { "" };
        let script = offering(
            &format!("IMAP4rev1 {offered}"),
            &format!(
                r#"C: C APPEND Drafts (\Draft) "17-Jul-1996 02:44:25 -0700" {{14{sign}}}
                {wait}
                C: Subject: x
                C:
                C:
                S: C OK [APPENDUID 38505 3955] done
                C: D APPEND Drafts {{14{sign}}}
                {wait}
                C: Subject: x
                C:
                C:
                S: * 1 EXISTS
                S: D OK done"#
            ),
        );
        against(clear(), &script, async |mut client| {
            use mailwire_transport::imap::proto::types::DateTime;
            let date = DateTime::from_unix(837_596_665, -7 * 60);
            let text = "Subject: x\r\n\r\n";

            let appended = client
                .append_with(
                    "Drafts",
                    AppendOptions::new().with_flags([Flag::Draft]).with_date(date),
                    text.to_owned(),
                )
                .await?
                .unwrap();
            assert_eq!((appended.uid_validity, appended.uid()), (UidValidity::new(38505), Some(uid(3955))));
            let message = Payload::from_reader(text.as_bytes(), Some(14));
            assert!(client.append("Drafts", message).await?.is_none());
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn refused_appends() {
    let script = then(
        "C: C APPEND x {5+}
        C: hello
        S: C NO [TRYCREATE] no such mailbox
        C: D APPEND x {5+}
        C: hello
        S: D OK done",
    );
    against(clear(), &script, async |mut client| {
        let message = Payload::from_reader(&b"hello, and more"[..], Some(5));
        let error = client.append("x", message).await.unwrap_err();
        assert_eq!(error.refused().unwrap().code.as_ref().unwrap().as_bytes(), b"TRYCREATE");
        client.append("x", "hello").await?;
        assert!(matches!(client.append("x", "a\0b").await, Err(Error::Misuse(_))));
        Ok(())
    })
    .await;
    // Refused before the message.
    let script = offering("IMAP4rev1", "C: C APPEND x {5}\nS: C NO [TOOBIG] no\nC: D NOOP\nS: D OK done");
    against(clear(), &script, async |mut client| {
        client.append("x", Payload::from_reader(&b"hello"[..], Some(5))).await.unwrap_err();
        client.noop().await
    })
    .await;
    // A reader that ends early leaves a literal that nothing can end.
    let script = offering("IMAP4rev1", "C: C APPEND x {5}\nS: + go on");
    against(clear(), &script, async |mut client| {
        let error = client.append("x", Payload::from_reader(&b"hell"[..], Some(5))).await.unwrap_err();
        // The server may be gone by then.
        assert!(matches!(error, Error::Misuse(_) | Error::Io(_)), "{error:?}");
        for _ in 0..2 {
            assert!(matches!(client.noop().await, Err(Error::Ended(_))));
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn bodies_piece_by_piece() {
    let large = "0123456789".repeat(20_000);
    let script = format!(
        "C: C UID FETCH 7 BODY.PEEK[]
        S: * 2 EXPUNGE
        S: * 1 FETCH (FLAGS (\\Seen) UID 7 BODY[] {{200000}}
        S+ {large}
        S: )
        S: C OK done
        C: D UID FETCH 8 BODY.PEEK[TEXT]
        S: * 2 FETCH (BODY[TEXT] \"small\" UID 8)
        S: D OK done
        C: E UID FETCH 9 BODY.PEEK[]
        S: E OK nothing
        C: F UID FETCH 7 BODY.PEEK[]
        S: * 1 FETCH (BODY[] {{200000}}
        S+ {large}
        S:  UID 7)
        S: F NO after all
        C: G FETCH 1 (UID BODY.PEEK[])
        S: * 1 FETCH (UID 7 BODY[] {{200000}}
        S+ {large}
        S: )
        S: G OK done
        C: H FETCH 1 (UID BODY.PEEK[])
        S: * 1 FETCH (UID 7 BODY[] {{200000}}
        S+ {large}
        S: )
        S: H OK done
        C: I NOOP
        S: I OK done"
    );
    within(&script, async |client| {
        let mut body = client.fetch_body(uid(7), Section::WHOLE).await?.unwrap();
        assert_eq!(body.length(), 200_000);
        let (mut whole, mut largest) = (Vec::new(), 0);
        while let Some(chunk) = body.chunk().await? {
            largest = largest.max(chunk.len());
            whole.extend_from_slice(&chunk);
        }
        assert!(whole == large.as_bytes() && largest <= 64 * 1024);
        let updates: Vec<_> = client.updates().collect();
        assert!(matches!(updates[..], [Update::Expunge(gone), Update::Flags { number, .. }] if (gone.get(), number.get()) == (2, 1)), "{updates:?}");

        let body = client.fetch_body(uid(8), Section::TEXT).await?.unwrap();
        assert_eq!(body.bytes(5).await?, "small");
        assert!(client.fetch_body(uid(9), Section::WHOLE).await?.is_none());
        let body = client.fetch_body(uid(7), Section::WHOLE).await?.unwrap();
        assert!(body.copy_to(&mut tokio::io::sink()).await.unwrap_err().refused().is_some());

        let mut messages = client.fetch(1, [FetchAtt::Uid, FetchAtt::MESSAGE]).await?;
        let message = messages.next().await?.unwrap();
        assert!(message.body().unwrap() == large && message.omitted().count() == 0);
        assert!(messages.next().await?.is_none());
        drop(client.fetch(1, [FetchAtt::Uid, FetchAtt::MESSAGE]).await?);
        client.noop().await?;
        assert_eq!(client.updates().count(), 0);
        Ok(())
    })
    .await
    .unwrap();

    // What is too large to be collected is left out.
    let mut config = clear();
    config.message_bodies = 100_000;
    let script = open(&format!(
        "C: C FETCH 1 (BODY.PEEK[] BODY.PEEK[TEXT])
        S: * 1 FETCH (BODY[] {{200000}}
        S+ {large}
        S:  BODY[TEXT] {{70000}}
        S+ {}
        S: )
        S: C OK done",
        "0123456789".repeat(7_000)
    ));
    against(config, &script, async |mut client| {
        client.select("INBOX").await?;
        let text = FetchAtt::BodySection { section: Section::TEXT, partial: None, peek: true };
        let mut messages = client.fetch(1, [FetchAtt::MESSAGE, text]).await?;
        let message = messages.next().await?.unwrap();
        assert_eq!((message.body(), message.text().unwrap().len()), (None, 70_000));
        assert_eq!(message.omitted().map(|(_, length)| length).collect::<Vec<_>>(), [200_000]);
        assert!(messages.next().await?.is_none());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_read_ends_no_call() {
    let script = "
        C: C UID FETCH 1:3 (UID ENVELOPE)
        S: * 1 FETCH (UID 1 ENVELOPE (NIL \"one\" NIL NIL NIL NIL NIL NIL NIL NIL))
        S: * 2 FETCH UID 2 ENVELOPE
        S: * ((
        S: + what
        S: * 3 FETCH (UID 3 ENVELOPE (broken \"three\") FLAGS ())
        S: C OK done
        C: D NOOP
        S: D WHAT
        C: E NOOP
        S: E OK done
    ";
    within(script, async |client| {
        let mut messages = client.uid_fetch([1, 2, 3], [FetchAtt::Uid, FetchAtt::Envelope]).await?;
        assert_eq!(messages.next().await?.unwrap().subject().unwrap(), "one");
        let message = messages.next().await?.unwrap();
        assert_eq!((message.uid(), message.subject().unwrap().as_ref()), (Some(uid(3)), "three"));
        assert!(messages.next().await?.is_none());
        let malformed: Vec<_> = client.malformed().collect();
        assert_eq!(malformed.len(), 3, "{malformed:?}");
        assert_eq!(malformed[0].bytes, "* 2 FETCH UID 2 ENVELOPE");
        // How this one ended, nobody knows.
        assert!(matches!(
            client.noop().await,
            Err(Error::Protocol { error: Violation::Unexpected { .. }, .. })
        ));
        client.noop().await
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn data_of_other_sessions_is_found_inside_of_any_call() {
    const NEWS: &str = "S: * 4 EXISTS
        S: * 1 EXPUNGE
        S: * 2 FETCH (FLAGS (\\Deleted) UID 9)
        S: * OK [ALERT] beware
        S: * OK still here
        S: * VANISHED 3:4
        ";
    type Outcome<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;
    type Call = fn(&mut Client) -> Outcome<'_>;
    let calls: &[(&str, Call)] = &[
        ("NOOP", |c| Box::pin(c.noop())),
        ("CREATE x", |c| Box::pin(async { c.create("x").await.map(drop) })),
        ("DELETE x", |c| Box::pin(c.delete("x"))),
        ("LIST \"\" *", |c| Box::pin(async { c.list("", "*").await.map(drop) })),
        ("NAMESPACE", |c| Box::pin(async { c.namespace().await.map(drop) })),
        ("SEARCH ALL", |c| Box::pin(async { c.search([]).await.map(drop) })),
        ("UID FETCH 1 ENVELOPE", |c| {
            Box::pin(async { c.uid_fetch(1, FetchAtt::Envelope).await?.next().await.map(drop) })
        }),
        ("UID FETCH 1 BODY.PEEK[]", |c| {
            Box::pin(async { c.fetch_body(uid(1), Section::WHOLE).await.map(drop) })
        }),
        ("STORE 1 +FLAGS (\\Seen)", |c| {
            Box::pin(async { c.store(1, FlagChange::add([Flag::Seen])).await.map(drop) })
        }),
        ("UID COPY 1 x", |c| Box::pin(async { c.uid_copy_to(1, "x").await.map(drop) })),
        ("APPEND x {1+}\nC: a", |c| Box::pin(async { c.append("x", "a").await.map(drop) })),
        ("ID NIL", |c| Box::pin(async { c.id(&[]).await.map(drop) })),
    ];
    for (command, call) in calls {
        let answer = if *command == "NAMESPACE" { "S: * NAMESPACE NIL NIL NIL\n" } else { "" };
        let script = format!("C: C {command}\n{NEWS}{answer}S: C OK done\n");
        within(&script, async |client| {
            call(client).await?;
            let updates: Vec<_> = client.updates().collect();
            assert!(
                matches!(
                    &updates[..],
                    [
                        Update::Exists(4),
                        Update::Expunge(gone),
                        Update::Flags { number, uid: Some(of), .. },
                        Update::Notice(_),
                        Update::Vanished(_)
                    ] if (gone.get(), number.get(), of.get()) == (1, 2, 9)
                ),
                "{command}: {updates:?}"
            );
            assert_eq!(client.exists(), Some(1), "{command}");
            Ok(())
        })
        .await
        .unwrap();
    }
    // Everything that comes in a call of the general kind is its own.
    let script = format!("C: C CHECK\n{NEWS}S: C OK [X-Y] done\n");
    within(&script, async |client| {
        let answer = client.call(Command::Check).await?;
        assert_eq!((answer.data.len(), answer.status.code.is_some(), client.updates().count()), (6, true, 0));
        assert!(matches!(client.call(Command::Idle).await, Err(Error::Misuse(_))));
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn updates_are_bounded() {
    let mut config = clear();
    config.updates = 10;
    let news = "S: * 1 EXPUNGE\n".repeat(25);
    let script = open(&format!(
        "C: C NOOP\n{news}S: * OK [ALERT] beware\n{news}S: C OK done\nC: D NOOP\nS: * 9 EXISTS\nS: D OK done\n"
    ));
    against(config, &script, async |mut client| {
        client.select("INBOX").await?;
        client.noop().await?;
        let updates: Vec<_> = client.updates().collect();
        assert!(updates.len() <= 11 && updates[0] == Update::Overflow, "{updates:?}");
        assert!(matches!(&updates[1], Update::Notice(status) if status.text == "beware"), "{updates:?}");
        assert!(updates[2..].iter().all(|update| *update == Update::Expunge(number(1))));
        client.noop().await?;
        assert_eq!(client.updates().collect::<Vec<_>>(), [Update::Exists(9)]);
        Ok(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn idle() {
    let script = "
        C: C IDLE
        S: * 4 EXISTS
        S: + idling
        S: * 1 EXPUNGE
        S: * 2 FETCH (FLAGS (\\Seen))
        S: * OK Still here
        S: * 5 EXISTS
        C: DONE
        S: C OK done
        C: D NOOP
        S: D OK done
        C: E IDLE
        S: + idling
        C: DONE
        S: E OK done
        C: F NOOP
        S: F OK done
    ";
    within(script, async |client| {
        let mut idle = client.idle().await?;
        let mut updates = Vec::new();
        while !updates.contains(&Update::Exists(5)) {
            updates.push(idle.next().await?);
        }
        assert_eq!((updates.len(), &updates[..2]), (4, &[Update::Exists(4), Update::Expunge(number(1))][..]));
        idle.done().await?;
        client.noop().await?;
        // Dropped, it ends with the next call.
        drop(client.idle().await?);
        client.noop().await
    })
    .await
    .unwrap();

    let script = offering("IMAP4rev1", "");
    against(clear(), &script, async |mut client| {
        assert!(matches!(client.idle().await, Err(Error::Misuse(_))));
        Ok(())
    })
    .await;
    let script = "C: C IDLE\nS: C NO not now\nC: D NOOP\nS: D OK done\nC: E IDLE\nS: + x\nS: * BYE [UNAVAILABLE] shutting down\n";
    within(script, async |client| {
        assert!(client.idle().await.unwrap_err().refused().is_some());
        client.noop().await?;
        let mut idle = client.idle().await?;
        assert_eq!(idle.next().await.unwrap_err().refused().unwrap().kind, RefusedKind::Bye);
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn idle_is_begun_anew() {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let server = async move {
        let script = open("C: C IDLE\nS: + idling");
        assert_eq!(play(&mut theirs, &script).await, "");
        // A server that is not silent does not keep it from being renewed.
        let begun = tokio::time::Instant::now();
        let mut done = Vec::new();
        while done.len() < 6 {
            tokio::select! {
                byte = theirs.read_u8() => done.push(byte.unwrap()),
                () = tokio::time::sleep(Duration::from_secs(70)) => {
                    theirs.write_all(b"* OK Still here\r\n").await.unwrap();
                }
            }
        }
        assert_eq!(done, b"DONE\r\n");
        assert_eq!(begun.elapsed().as_secs(), 300);
        theirs
    };
    let client = async move {
        let mut config = clear();
        config.idle_interval = Duration::from_secs(300);
        let mut client = Client::over(Stream::other(ours), endpoint(), config).await.unwrap();
        client.select("INBOX").await.unwrap();
        let mut idle = client.idle().await.unwrap();
        // The server does not answer DONE, and the client waits on.
        tokio::time::timeout(Duration::from_secs(400), idle.next()).await.unwrap_err();
    };
    tokio::join!(client, server);

    let script = "
        C: C IDLE
        S: + idling
        C: DONE
        S: C OK done
        C: D IDLE
        S: + idling
        C: DONE
        S: D OK done
        C: E IDLE
        S: + idling
        S: * 5 EXISTS
        C: DONE
        S: E OK done
    ";
    let mut config = clear();
    config.idle_interval = Duration::from_secs(300);
    against_for(Duration::from_secs(3600), config, &open(script), async |mut client| {
        client.select("INBOX").await?;
        let mut idle = client.idle().await?;
        let begun = tokio::time::Instant::now();
        assert_eq!(idle.next().await?, Update::Exists(5));
        assert_eq!(begun.elapsed().as_secs(), 600);
        idle.done().await
    })
    .await
    .unwrap();
}

/// Polls `future` at most `polls` times. `None`: it was dropped before its end.
async fn polled<T>(mut future: Pin<&mut impl Future<Output = T>>, polls: usize) -> Option<T> {
    let mut left = polls;
    std::future::poll_fn(move |cx: &mut Context<'_>| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// A server that answers whatever comes, a few bytes at a time.
async fn answer(mut stream: DuplexStream) {
    async fn say(stream: &mut DuplexStream, text: &str) -> bool {
        for piece in text.as_bytes().chunks(7.max(text.len() / 100)) {
            if stream.write_all(piece).await.is_err() {
                return false;
            }
            tokio::task::yield_now().await;
        }
        true
    }
    let body = "x".repeat(100_000);
    say(&mut stream, &format!("* PREAUTH [CAPABILITY {CAPABILITIES}] hi\r\n")).await;
    let mut line = Vec::new();
    loop {
        line.clear();
        while !line.ends_with(b"\r\n") {
            match stream.read_u8().await {
                Ok(byte) => line.push(byte),
                Err(_) => return,
            }
        }
        let text = String::from_utf8(line.clone()).unwrap();
        let (tag, command) = text.trim_end().split_once(' ').unwrap_or((text.trim_end(), ""));
        let mut data = String::from("* 3 EXISTS\r\n");
        if command.contains("BODY.PEEK[]") {
            data = format!("* 1 FETCH (UID 7 BODY[] {{100000}}\r\n{body})\r\n");
        } else if command.contains("FETCH") {
            data = "* 1 FETCH (UID 7 FLAGS ())\r\n* 2 FETCH (UID 8 FLAGS ())\r\n".into();
        } else if command.contains("SEARCH") {
            data = "* SEARCH 1 2\r\n".into();
        } else if command.contains("STATUS") {
            data = "* STATUS x (MESSAGES 1)\r\n".into();
        } else if command.contains("IDLE") {
            if !say(&mut stream, "+ idling\r\n* 1 EXISTS\r\n").await {
                return;
            }
            line.clear();
            while !line.ends_with(b"DONE\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => line.push(byte),
                    Err(_) => return,
                }
            }
        } else if let Some(announced) = command.strip_suffix("+}") {
            let length: usize = announced.rsplit_once('{').unwrap().1.parse().unwrap();
            let mut message = vec![0; length + 2];
            if stream.read_exact(&mut message).await.is_err() {
                return;
            }
        }
        if !say(&mut stream, &format!("{data}{tag} OK [X-OF {command}] done\r\n")).await {
            return;
        }
    }
}

#[tokio::test]
async fn calls_are_dropped_at_each_poll() {
    type Outcome<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;
    let calls: &[fn(&mut Client) -> Outcome<'_>] = &[
        |c| Box::pin(c.noop()),
        |c| Box::pin(async { c.select("x").await.map(drop) }),
        |c| Box::pin(async { c.status("x", [StatusAtt::Messages]).await.map(drop) }),
        |c| Box::pin(async { c.uid_search([SearchKey::Unseen]).await.map(drop) }),
        |c| {
            Box::pin(async {
                let mut messages = c.uid_fetch([7, 8], FetchAtt::Flags).await?;
                while messages.next().await?.is_some() {}
                Ok(())
            })
        },
        |c| {
            Box::pin(async {
                match c.fetch_body(uid(7), Section::WHOLE).await? {
                    Some(body) => assert_eq!(body.bytes(1_000_000).await?.len(), 100_000),
                    None => panic!("no body"),
                }
                Ok(())
            })
        },
        |c| Box::pin(async { c.append("x", vec![b'x'; 10_000]).await.map(drop) }),
        |c| {
            Box::pin(async {
                let mut idle = c.idle().await?;
                idle.next().await?;
                idle.done().await
            })
        },
        |c| Box::pin(async { c.uid_move_to(7, "x").await.map(drop) }),
    ];
    for (index, call) in calls.iter().enumerate() {
        let mut polls = 0;
        loop {
            let (ours, theirs) = tokio::io::duplex(256);
            let server = tokio::spawn(answer(theirs));
            let mut client = Client::over(Stream::other(ours), endpoint(), ada()).await.unwrap();
            client.select("INBOX").await.unwrap();
            let outcome = polled(pin!(call(&mut client)).as_mut(), polls).await;
            if let Some(outcome) = &outcome {
                outcome.as_ref().unwrap();
            }
            // The next call gets its own answer, and no other.
            let found = tokio::time::timeout(Duration::from_secs(20), client.uid_search([SearchKey::Seen]));
            let found = found.await.unwrap_or_else(|_| panic!("call {index} hangs after {polls} polls"));
            assert_eq!(found.unwrap().ranges(), [(uid(1), uid(2))], "call {index}, {polls} polls");
            let code = client.completion().unwrap().code.as_ref().unwrap().to_string();
            assert_eq!(code, "X-OF UID SEARCH SEEN");
            client.logout().await.unwrap();
            server.await.unwrap();
            if outcome.is_some() {
                break;
            }
            // The long ones need not be looked at everywhere.
            polls += if polls > 60 { polls / 2 } else { 1 };
        }
        assert!(polls > 3, "call {index}: {polls}");
    }
}

#[tokio::test]
async fn an_append_from_a_reader_that_is_dropped_spends_the_client() {
    for polls in 0.. {
        let (ours, theirs) = tokio::io::duplex(256);
        let server = tokio::spawn(answer(theirs));
        let mut client = Client::over(Stream::other(ours), endpoint(), ada()).await.unwrap();
        let text = vec![b'x'; 2000];
        let message = Payload::from_reader(&text[..], Some(2000));
        let outcome = polled(pin!(client.append("x", message)), polls).await;
        match (outcome, client.noop().await) {
            (None | Some(Ok(_)), Ok(())) => {}
            (None, Err(Error::Spent)) => {}
            other => panic!("{other:?}"),
        }
        let ended = client
            .completion()
            .is_some_and(|status| status.code.as_ref().is_some_and(|code| code.to_string().contains("NOOP")));
        drop(client);
        server.await.unwrap();
        if polls > 40 && ended {
            break;
        }
    }
}

#[tokio::test]
async fn the_server_vanishes_at_each_byte() {
    let conversation = format!(
        "* PREAUTH [CAPABILITY {CAPABILITIES}] hi\r\n* 2 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\nTAG1 OK [READ-WRITE] done\r\n\
         * SEARCH 7 8\r\nTAG2 OK done\r\n* 1 FETCH (UID 7 FLAGS (\\Seen) BODY[TEXT] {{3}}\r\nabc)\r\nTAG3 OK done\r\n"
    );
    for end in 0..=conversation.len() {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let said = &conversation[..end];
        let server = async move {
            // Each line that needs a tag waits for its command.
            let mut rest = said;
            for number in 1..=3 {
                let name = format!("TAG{number}");
                let Some(at) = rest.find(&name) else { break };
                let before_data = match number {
                    1 => "* 2 EXISTS",
                    2 => "* SEARCH",
                    _ => "* 1 FETCH",
                };
                let data = rest.find(before_data).unwrap_or(at);
                theirs.write_all(rest[..data].as_bytes()).await.unwrap();
                let mut line = Vec::new();
                while !line.ends_with(b"\r\n") {
                    line.push(theirs.read_u8().await.unwrap());
                }
                let tag = String::from_utf8(line).unwrap().split(' ').next().unwrap().to_owned();
                theirs.write_all(rest[data..at].as_bytes()).await.unwrap();
                theirs.write_all(tag.as_bytes()).await.unwrap();
                rest = &rest[at + name.len()..];
            }
            theirs.write_all(rest.as_bytes()).await.unwrap();
        };
        let client = async move {
            let mut client = Client::over(Stream::other(ours), endpoint(), ada()).await?;
            client.select("INBOX").await?;
            let found = client.uid_search([SearchKey::All]).await?;
            assert_eq!(found.len(), 2);
            let text = FetchAtt::BodySection { section: Section::TEXT, partial: None, peek: true };
            let mut messages = client.uid_fetch(&found, [FetchAtt::Flags, text]).await?;
            let mut read = 0;
            while let Some(message) = messages.next().await? {
                assert_eq!(message.text().unwrap(), "abc");
                read += 1;
            }
            assert_eq!(read, 1);
            Ok(())
        };
        let both = async { tokio::join!(client, server) };
        let (result, ()) = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
        let result: Result<()> = result;
        if end == conversation.len() {
            result.unwrap();
        } else {
            let error = result.expect_err(&format!("cut at {end}"));
            assert!(
                matches!(
                    &error,
                    Error::Io(_)
                        | Error::Closed
                        | Error::Protocol { error: Violation::UnexpectedEof { .. }, .. }
                ),
                "{end}: {error:?}"
            );
        }
    }
}

fn with_tls(ca: &TestCa) -> Endpoint {
    Endpoint::tcp("localhost", 143, Security::required_starttls()).with_tls(ca.client_tls().unwrap())
}

async fn refused_before_tls(script: &str) -> Error {
    let ca = TestCa::new().unwrap();
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let client = Client::over(Stream::other(ours), with_tls(&ca), ada());
    let (result, wrong) = tokio::join!(client, async {
        let wrong = play(&mut theirs, script).await;
        // Nothing more may come.
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(Duration::from_millis(50), theirs.read_to_end(&mut rest)).await;
        assert!(rest.is_empty(), "{}", rest.escape_ascii());
        drop(theirs);
        wrong
    });
    assert_eq!(wrong, "");
    result.unwrap_err()
}

#[tokio::test]
async fn nothing_goes_out_before_tls() {
    for script in [
        "S: * PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hello",
        "S: * OK [CAPABILITY IMAP4rev1] no TLS here",
        "S: * OK hi\nC: A STARTTLS\nS: A NO not now",
        "S: * OK hi\nC: A STARTTLS\nS: A BAD what",
    ] {
        let error = refused_before_tls(script).await;
        assert!(matches!(error.violation(), Some(Violation::TlsUnavailable { .. })), "{script}: {error:?}");
        if script.contains("STARTTLS\nS: ") {
            assert!(error.to_string().ends_with(&script[script.len() - 5..]), "{error}");
        }
    }
    // Bytes after the answer, in one piece with it.
    let error =
        refused_before_tls("S: * OK hi\nC: A STARTTLS\nS: A OK go\r* CAPABILITY IMAP4rev1 AUTH=PLAIN").await;
    assert!(matches!(error, Error::Protocol { error: Violation::BytesAfterUpgrade { .. }, .. }), "{error:?}");
}

#[tokio::test]
async fn starttls() {
    let ca = TestCa::new().unwrap();
    let tls = ca.server_tls(&["localhost"]).unwrap();
    let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
    let server = async move {
        let script =
            "S: * OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED X-CLEAR] hi\nC: A STARTTLS\nS: A OK go";
        assert_eq!(play(&mut theirs, script).await, "");
        let mut stream = tls.accept(Stream::other(theirs)).await.unwrap();
        let mut line = Vec::new();
        for answer in [
            "* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n# OK done\r\n",
            "# OK [CAPABILITY IMAP4rev1 X-IN] done\r\n",
        ] {
            line.clear();
            while !line.ends_with(b"\r\n") {
                line.push(stream.read_u8().await.unwrap());
            }
            let tag = String::from_utf8(line.clone()).unwrap().split(' ').next().unwrap().to_owned();
            stream.write_all(answer.replace('#', &tag).as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        }
        assert!(line.ends_with(b" AUTHENTICATE PLAIN AGFkYQB0YW5zdGFhZg==\r\n"));
        stream
    };
    let (client, _server) = tokio::join!(Client::over(Stream::other(ours), with_tls(&ca), ada()), server);
    let client = client.unwrap();
    assert!(client.is_encrypted());
    assert_eq!(client.capabilities().len(), 2, "what was said in clear is forgotten");
}

/// Bodies are larger than what may be in memory at once by far, in both directions.
#[tokio::test]
async fn large_bodies_in_little_memory() {
    const LENGTH: u64 = 64 << 20;
    let (ours, mut theirs) = tokio::io::duplex(256 * 1024);
    let server = async move {
        let script = open("C: C UID FETCH 7 BODY.PEEK[]");
        assert_eq!(play(&mut theirs, &script).await, "");
        theirs.write_all(format!("* 1 FETCH (UID 7 BODY[] {{{LENGTH}}}\r\n").as_bytes()).await.unwrap();
        let mut sent = tokio::io::repeat(b'x').take(LENGTH);
        tokio::io::copy(&mut sent, &mut theirs).await.unwrap();
        theirs.write_all(b")\r\n* OK [X] go on\r\n").await.unwrap();
        theirs
    };
    let client = async move {
        let mut client = Client::over(Stream::other(ours), endpoint(), clear()).await.unwrap();
        client.select("INBOX").await.unwrap();
        let mut body = client.fetch_body(uid(7), Section::WHOLE).await.unwrap().unwrap();
        let mut length = 0;
        while length < LENGTH {
            let chunk = body.chunk().await.unwrap().unwrap();
            assert!(chunk.len() <= 512 * 1024);
            length += chunk.len() as u64;
        }
        assert_eq!(length, LENGTH);
    };
    tokio::join!(client, server);

    let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
    let server = async move {
        let script = offering("IMAP4rev1", &format!("C: C APPEND x {{{LENGTH}}}\nS: + go on"));
        assert_eq!(play(&mut theirs, &script).await, "");
        let read =
            tokio::io::copy(&mut (&mut theirs).take(LENGTH + 2), &mut tokio::io::sink()).await.unwrap();
        assert_eq!(read, LENGTH + 2);
    };
    let client = async move {
        let mut client = Client::over(Stream::other(ours), endpoint(), clear()).await.unwrap();
        // No more is read than was announced.
        let message = Payload::from_reader(tokio::io::repeat(b'x'), Some(LENGTH));
        client.append("x", message).await.unwrap_err();
    };
    tokio::join!(client, server);
}
