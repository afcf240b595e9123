//! The IMAP client against servers that follow a script.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::{collections::HashMap, time::Duration};

use mailwire_transport::{
    Endpoint, Result, Security, Stream,
    imap::{
        Client, Config, FetchItem, Flag, SearchKey, SequenceSet,
        client::Update,
        proto::types::{ImapString, Section, SectionText},
    },
    sasl::Credentials,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// A server that says its lines: `S: ` is sent, `C: ` must come, and then the end. In `C:` lines, `A `
/// at the beginning stands for the tag that comes, and then for this tag in `S:` lines; so do other
/// capital letters. `S+ ` has no line end, and `\x00` in it stands for that byte.
async fn play(stream: &mut DuplexStream, script: &str) -> String {
    let mut tags: HashMap<String, String> = HashMap::new();
    for line in script.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        if let Some(text) = line.strip_prefix("S:").or_else(|| line.strip_prefix("S+ ")) {
            let text = text.strip_prefix(' ').unwrap_or(text);
            let text = match text.split_once(' ') {
                Some((tag, rest)) if tags.contains_key(tag) => format!("{} {rest}", tags[tag]),
                _ => text.to_owned(),
            };
            let end = if line.starts_with("S+") { "" } else { "\r\n" };
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
    let mut config = ada();
    config.allow_clear_credentials = true;
    config
}

fn endpoint() -> Endpoint {
    Endpoint::tcp("test", 143, Security::plaintext_without_encryption())
}

async fn against<T>(config: Config, script: &str, calls: impl AsyncFnOnce(Client) -> Result<T>) -> Result<T> {
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
    let (result, wrong) = tokio::time::timeout(Duration::from_secs(20), both).await.expect("nobody hangs");
    assert_eq!(wrong, "", "{:?}", result.as_ref().err());
    result
}

const CAPABILITIES: &str =
    "IMAP4rev1 SASL-IR LITERAL+ UIDPLUS MOVE IDLE NAMESPACE ENABLE UNSELECT ID AUTH=PLAIN";

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
    against(clear(), &open(script), async |mut client| {
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
        assert_eq!((selected.exists, selected.recent, selected.unseen), (172, Some(1), Some(12)));
        assert_eq!((selected.uid_validity, selected.uid_next), (Some(3_857_529_045), Some(4392)));
        assert_eq!((selected.read_only, selected.highest_mod_seq), (false, Some(715_194_045_007)));
        assert!(selected.flags.contains(&Flag::Seen) && !selected.flags.contains(&Flag::Deleted));
        assert!(selected.permanent_flags.unwrap().new_keywords);
        assert_eq!(client.exists(), Some(172));

        let unseen = client.uid_search([SearchKey::Unseen]).await?;
        assert_eq!((unseen.iter().collect::<Vec<_>>(), unseen.len()), (vec![40, 41, 43], 3));
        assert_eq!((unseen.min(), unseen.max(), unseen.contains(42)), (Some(40), Some(43), false));
        let mut subjects = Vec::new();
        let mut messages = client.uid_fetch(&unseen, [FetchItem::Envelope]).await?;
        while let Some(message) = messages.next().await? {
            subjects.push((message.uid(), message.subject().map(|subject| subject.into_owned())));
        }
        assert!(messages.next().await?.is_none());
        assert_eq!(
            subjects,
            [(Some(40), Some("one".into())), (Some(41), Some("two".into())), (Some(43), None)]
        );
        // Flags were not asked for: another session has set them.
        let updates: Vec<_> = client.updates().collect();
        assert!(matches!(&updates[..], [Update::Flags { number: 15, uid: None, .. }]), "{updates:?}");
        client.logout().await
    })
    .await
    .unwrap();
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
            FetchItem::Uid,
            FetchItem::Flags,
            FetchItem::Rfc822Size,
            FetchItem::InternalDate,
            FetchItem::BodyStructure,
            FetchItem::MESSAGE,
            FetchItem::BodySection { section: date(), partial: None, peek: true },
        ];
        let mut messages = client.fetch("1:2".parse::<SequenceSet>()?, items).await?;
        let message = messages.next().await?.unwrap();
        assert_eq!((message.number(), message.uid(), message.size()), (1, Some(7), Some(5)));
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

fn date() -> Section {
    Section::new(Vec::new(), Some(SectionText::HeaderFields(vec![ImapString::new("Date").unwrap()]))).unwrap()
}
