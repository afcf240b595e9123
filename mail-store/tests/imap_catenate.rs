//! Messages that are put together of others (CATENATE, RFC 4469): our client and our server.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod raw;

use std::num::NonZeroU64;

use mailwire_core::Channel;
use mailwire_store::{
    ImapService,
    memory::{Config as StoreConfig, MemoryStore, User},
};
use mailwire_transport::{
    Payload,
    imap::{
        Capability, Flag, Server,
        client::{AppendOptions, Catenate, Content},
        proto::{
            types::{Section, Uid, UidValidity},
            url::{MailboxRef, MessageRef},
        },
    },
};
use raw::imap_client;

const MESSAGE: &str = "Subject: pictures\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
    --x\r\nContent-Type: text/plain\r\n\r\nold words\r\n--x\r\nContent-Type: image/png\r\n\r\nPNG\r\n--x--\r\n";

fn server(store: &MemoryStore) -> Server<ImapService<MemoryStore>> {
    Server::new(ImapService::new(store.clone())).allow_clear_credentials()
}

fn store() -> (MemoryStore, User) {
    let store = MemoryStore::new();
    let ada = store.add_user("ada", "secret").unwrap();
    ada.create("Entwürfe", None).unwrap();
    ada.deliver(MESSAGE.into()).unwrap();
    (store, ada)
}

fn inbox(uid: u32) -> MessageRef {
    MessageRef::new(MailboxRef::new("INBOX").unwrap(), Uid::new(uid).unwrap())
}

fn part(number: u32) -> Section {
    Section::new(vec![number.try_into().unwrap()], None).unwrap()
}

/// The code of a server's no.
fn code(error: &mailwire_transport::Error) -> Option<&str> {
    match error {
        mailwire_transport::Error::Refused(refused) => refused.code.as_ref()?.as_str(),
        _ => None,
    }
}

#[tokio::test]
async fn an_attachment_is_not_sent_again() {
    let (store, ada) = store();
    let mut client = imap_client(&server(&store)).await;
    let words = "new words, ".repeat(10_000);
    let draft = Catenate::new()
        .with_part(inbox(1).with_section(Section::HEADER))
        .with_text("--x\r\nContent-Type: text/plain\r\n\r\n")
        .with_text(Payload::from_reader(words.as_bytes(), Some(words.len() as u64)))
        .with_text("\r\n--x\r\nContent-Type: image/png\r\n\r\n")
        .with_part(inbox(1).with_section(part(2)))
        .with_text("\r\n--x--\r\n");
    let options = || AppendOptions::new().with_flags([Flag::Draft]);
    let appended = client.append_with("Entwürfe", options(), draft).await.unwrap().unwrap();
    assert_eq!(appended.uid(), Some(Uid::MIN));
    let made = MESSAGE.replace("old words", &words);
    assert_eq!(ada.messages("Entwürfe").unwrap(), [made.as_str()]);

    // All of one, and a range of one, in a mailbox whose name is beyond ASCII; nothing of it is seen by that.
    let drafts = MailboxRef::new("Entwürfe").unwrap().with_uid_validity(appended.uid_validity.unwrap());
    let other = MessageRef::new(drafts, Uid::MIN).with_section(Section::HEADER);
    let parts = || {
        Catenate::new()
            .with_part(other.clone().with_partial(0, NonZeroU64::new(19)))
            .with_part(other.clone().with_partial(19, None))
            .with_part(inbox(1))
    };
    // With others, some of which have no bytes of their own.
    let several: [(AppendOptions, Content<'_>); 4] = [
        (options(), parts().into()),
        (options(), "Subject: b\r\n\r\n".into()),
        (options(), Catenate::new().with_part(inbox(1)).into()),
        (options(), Catenate::new().with_part(inbox(1)).with_text("x").into()),
    ];
    let appended = client.append_all("INBOX", several).await.unwrap().unwrap();
    assert_eq!(appended.uids.to_string(), "2:5");
    let (header, _) = made.split_at(made.find("\r\n\r\n").unwrap() + 4);
    let stored = ada.messages("INBOX").unwrap();
    assert_eq!(
        stored[1..],
        [format!("{header}{MESSAGE}"), "Subject: b\r\n\r\n".into(), MESSAGE.into(), format!("{MESSAGE}x")]
    );
    assert!(
        client.uid_search([mailwire_transport::imap::SearchKey::Seen]).await.is_err(),
        "none is selected"
    );
    assert_eq!(ada.status("INBOX").unwrap().unseen, 5);

    // In the place of a message that it is made of.
    client.select("INBOX").await.unwrap();
    let shorter = Catenate::new().with_part(inbox(2).with_section(Section::HEADER)).with_text("gone\r\n");
    client.uid_replace(Uid::new(2).unwrap(), "INBOX", options(), shorter).await.unwrap();
    assert_eq!(ada.messages("INBOX").unwrap()[4], format!("{header}gone\r\n"));
}

#[tokio::test]
async fn what_is_not_there_is_said_with_its_url_and_nothing_is_stored() {
    let (store, ada) = store();
    let mut client = imap_client(&server(&store)).await;
    let stale = MailboxRef::new("INBOX").unwrap().with_uid_validity(UidValidity::new(4_000_000_000).unwrap());
    let elsewhere = MailboxRef::new("Papierkorb").unwrap();
    for (wrong, url) in [
        (inbox(9), "/INBOX/;UID=9"),
        (inbox(1).with_section(part(3)), "/INBOX/;UID=1/;SECTION=3"),
        (MessageRef::new(stale, Uid::MIN), "/INBOX;UIDVALIDITY=4000000000/;UID=1"),
        (MessageRef::new(elsewhere, Uid::MIN), "/Papierkorb/;UID=1"),
    ] {
        let message = Catenate::new().with_text("Subject: a\r\n\r\n").with_part(wrong).with_text("b");
        let error = client.append("INBOX", message).await.unwrap_err();
        assert_eq!(code(&error), Some(format!("BADURL {url}").as_str()), "{error}");
    }
    client.append("INBOX", Catenate::new()).await.unwrap_err();
    assert_eq!(ada.messages("INBOX").unwrap().len(), 1);
    client.append("INBOX", Catenate::new().with_part(inbox(1))).await.unwrap();
    // The first that cannot be, of all messages of the command.
    let both = [
        (AppendOptions::new(), Catenate::new().with_part(inbox(1)).with_text("x")),
        (AppendOptions::new(), Catenate::new().with_part(inbox(1)).with_part(inbox(7)).with_part(inbox(8))),
    ];
    let error = client.append_all("INBOX", both).await.unwrap_err();
    assert_eq!(code(&error), Some("BADURL /INBOX/;UID=7"));
    assert_eq!(ada.messages("INBOX").unwrap().len(), 2);
}

#[tokio::test]
async fn urls_on_the_wire() {
    let (store, ada) = store();
    let mut raw = raw::Servers::new(&store).connect(raw::Protocol::Imap, Channel::Tls, 4096).await;
    assert!(raw.login(raw::Protocol::Imap, "ada", "secret").await);
    let mut append = async |parts: &str| {
        raw.write(format!("a APPEND INBOX CATENATE ({parts})\r\n")).await;
        raw.answer(raw::Protocol::Imap).await
    };
    let bad = |url: &str| format!("a NO [BADURL {url}]");
    for (parts, answer) in [
        ("URL imap://ada@example.com/INBOX/;UID=1", bad("imap://ada@example.com/INBOX/;UID=1")),
        ("URL //example.com/INBOX/;UID=1", bad("//example.com/INBOX/;UID=1")),
        ("URL /INBOX", bad("/INBOX")),
        ("URL /INBOX?ALL", bad("/INBOX?ALL")),
        ("URL ;UID=1", bad(";UID=1")),
        ("URL \"/IN BOX/;UID=1]\"", bad("/IN%20BOX/;UID=1%5D")),
        ("URL \"\\\"\"", bad("%22")),
        ("URL /INBOX/;UID=1;URLAUTH=anonymous", bad("/INBOX/;UID=1;URLAUTH=anonymous")),
        ("URL \"/INBOX/;UID=1/;SECTION=HEADER.FIELDS%20(Subject)\" TEXT {1+}\r\nx", "a OK".into()),
        ("URL \"\"", "a NO".into()),
        ("TEXT {1+}\r\nx URL {14+}\r\n/INBOX/;UID=1x", bad("/INBOX/;UID=1x")),
        ("TEXT {1+}\r\nx URL {13+}\r\n/INBOX/;UID=1", "a OK".into()),
        ("URL /inbox/;uid=1/;section=1.mime/;partial=0.7", "a OK".into()),
    ] {
        let said = append(parts).await;
        assert!(said.starts_with(&answer), "{parts}: {said}");
    }
    assert_eq!(
        ada.messages("INBOX").unwrap()[1..],
        ["Subject: pictures\r\n\r\nx", &format!("x{MESSAGE}"), "Content"]
    );
    // Relative to the mailbox that is selected.
    raw.command(raw::Protocol::Imap, "SELECT INBOX").await;
    raw.write("a APPEND INBOX CATENATE (URL \";UID=2/;SECTION=TEXT\")\r\n").await;
    assert!(raw.answer(raw::Protocol::Imap).await.contains("a OK"), "{:?}", ada.messages("INBOX"));
    assert_eq!(ada.messages("INBOX").unwrap()[4], "x");
}

#[tokio::test]
async fn what_becomes_too_large_is_not_built() {
    let (store, ada) = store();
    let large = format!("Subject: large\r\n\r\n{}", "x".repeat(600_000));
    ada.deliver(large.into()).unwrap();
    let server = server(&store).configure(|config| config.limits.message = 1_000_000);
    let mut client = imap_client(&server).await;
    let double = || Catenate::new().with_part(inbox(2)).with_part(inbox(2));
    let error = client.append("INBOX", double()).await.unwrap_err();
    assert_eq!(code(&error), Some("TOOBIG"));
    let with_text = Catenate::new().with_part(inbox(2)).with_text(vec![b'y'; 500_000]);
    let error = client.append("INBOX", with_text).await.unwrap_err();
    assert_eq!(code(&error), Some("TOOBIG"));
    assert_eq!(ada.messages("INBOX").unwrap().len(), 2);
    // Within what the mailbox may hold, too.
    let mut config = StoreConfig::default();
    config.bytes = 1000;
    let store = MemoryStore::with_config(config);
    let ada = store.add_user("ada", "secret").unwrap();
    ada.deliver("x".repeat(400).into()).unwrap();
    let mut client = imap_client(&self::server(&store)).await;
    let twice = Catenate::new().with_part(inbox(1)).with_part(inbox(1));
    let error = client.append("INBOX", twice).await.unwrap_err();
    assert_eq!(code(&error), Some("OVERQUOTA"));
    client.append("INBOX", Catenate::new().with_part(inbox(1))).await.unwrap();
}

#[tokio::test]
async fn a_client_sends_no_parts_that_were_not_offered() {
    let (store, ada) = store();
    let without = |capability: Capability| {
        server(&store).configure(move |config| {
            let kept: Vec<_> =
                config.capabilities().iter().filter(|one| **one != capability).cloned().collect();
            config.set_capabilities(kept).unwrap();
        })
    };
    let mut client = imap_client(&without(Capability::Catenate)).await;
    client.append("INBOX", Catenate::new().with_part(inbox(1))).await.unwrap_err();
    let mut client = imap_client(&without(Capability::UrlPartial)).await;
    let range = inbox(1).with_partial(0, None);
    client.append("INBOX", Catenate::new().with_part(range)).await.unwrap_err();
    client.append("INBOX", Catenate::new().with_part(inbox(1))).await.unwrap();
    assert_eq!(ada.messages("INBOX").unwrap().len(), 2);
}
