//! What is told of messages and mailboxes by extensions, and how messages are stored: our client and our server.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod raw;

use mailwire_core::Channel;
use mailwire_store::{
    ImapService,
    memory::{MemoryStore, User},
};
use mailwire_transport::{
    Payload, Stream,
    imap::{
        Capability, Client, FetchAtt, Flag, SearchKey, Server, StatusAtt,
        client::{AppendOptions, Update},
        proto::{
            command::{AString, PreviewMods},
            types::{Date, ImapString, ObjectId, Uid},
        },
    },
};
use raw::imap_client;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

fn store() -> (MemoryStore, User) {
    let store = MemoryStore::new();
    let ada = store.add_user("ada", "secret").unwrap();
    (store, ada)
}

fn server(store: &MemoryStore) -> Server<ImapService<MemoryStore>> {
    Server::new(ImapService::new(store.clone())).allow_clear_credentials()
}

async fn client(store: &MemoryStore) -> Client {
    imap_client(&server(store)).await
}

#[tokio::test]
async fn the_largest_message_is_told() {
    let (store, _) = store();
    let server = server(&store).configure(|config| config.limits.message = 1000);
    let mut client = imap_client(&server).await;
    assert_eq!(client.capabilities().append_limit(), Some(1000));
    let status = client.status("INBOX", [StatusAtt::AppendLimit]).await.unwrap();
    assert_eq!(status.append_limit(), Some(Some(1000)));
    // It is not even sent.
    let error = client.append("INBOX", vec![b'x'; 1001]).await.unwrap_err();
    assert!(error.to_string().contains("size"), "{error}");
    client.append("INBOX", vec![b'x'; 1000]).await.unwrap();

    // And refused where it is sent nevertheless.
    let mut raw = raw::Servers::new(&store).connect(raw::Protocol::Imap, Channel::Tls, 4096).await;
    assert!(raw.login(raw::Protocol::Imap, "ada", "secret").await);
    let refused = raw.command(raw::Protocol::Imap, "APPEND INBOX {200000000}").await;
    assert!(refused.starts_with("a NO [TOOBIG]"), "{refused}");
}

#[tokio::test]
async fn first_words_are_told() {
    let (store, ada) = store();
    ada.deliver("Subject: a\r\n\r\nSee you\r\n   tomorrow.\r\n".into()).unwrap();
    ada.deliver("Content-Type: image/png\r\n\r\nx".into()).unwrap();
    ada.deliver(format!("Subject: large\r\n\r\nLarge {}", "x".repeat(4 << 20)).into()).unwrap();
    let mut client = client(&store).await;
    client.select("INBOX").await.unwrap();
    let mut words = async |mods| {
        let mut messages = client.uid_fetch(&[1u32, 2, 3][..], [FetchAtt::Preview(mods)]).await.unwrap();
        let mut words = Vec::new();
        while let Some(message) = messages.next().await.unwrap() {
            words.push(message.preview().map(|words| words.into_owned()));
        }
        words
    };
    let large = format!("Large {}", "x".repeat(194));
    assert_eq!(
        words(PreviewMods::new()).await,
        [Some("See you tomorrow."), Some(""), Some(&large)].map(|words| words.map(str::to_owned))
    );
    // What is not at hand is not waited for.
    let lazy = words(PreviewMods::new().with_lazy(true)).await;
    assert_eq!(lazy, [Some("See you tomorrow.".to_owned()), Some(String::new()), None]);
}

#[tokio::test]
async fn several_messages_are_stored_or_none() {
    let (store, ada) = store();
    let mut client = client(&store).await;
    let large = "Subject: large\r\n\r\n".to_owned() + &"x".repeat(300 << 10);
    let messages = [
        (AppendOptions::new().with_flags([Flag::Seen]), Payload::from("Subject: a\r\n\r\n")),
        (AppendOptions::new(), Payload::from_reader(large.as_bytes(), Some(large.len() as u64))),
        (AppendOptions::new(), Payload::from_reader(&b"Subject: c\r\n\r\n"[..], Some(14))),
    ];
    let appended = client.append_all("INBOX", messages).await.unwrap().unwrap();
    assert_eq!(appended.uids.to_string(), "1:3");
    let stored = ada.messages("INBOX").unwrap();
    assert_eq!(stored, ["Subject: a\r\n\r\n", &large, "Subject: c\r\n\r\n"]);

    // The mailbox is not there, or a message is too large: nothing is stored of the others either.
    let two = || [(AppendOptions::new(), Payload::from("a")), (AppendOptions::new(), Payload::from("b"))];
    client.append_all("nowhere", two()).await.unwrap_err();
    let mut raw = raw::Servers::new(&store).connect(raw::Protocol::Imap, Channel::Tls, 4096).await;
    assert!(raw.login(raw::Protocol::Imap, "ada", "secret").await);
    for (more, answer) in [
        (" {200000000}\r\n", "a NO [TOOBIG]"),
        (" {3+}\r\na\0b\r\n", "a BAD"),
        (" (\\Seen) 5\r\n", "a BAD"),
        (" (\\X) {1+}\r\na\r\n", "a NO [CANNOT]"),
    ] {
        raw.write(format!("a APPEND INBOX {{3+}}\r\nabc{more}")).await;
        let said = raw.answer(raw::Protocol::Imap).await;
        assert!(said.starts_with(answer), "{more}: {said}");
    }
    assert_eq!(raw.command(raw::Protocol::Imap, "NOOP").await, "a OK Done");
    assert_eq!(ada.messages("INBOX").unwrap().len(), 3);
    // What is told of many messages does not fill the memory.
    let flag = "a".repeat(60 << 10);
    raw.write("a APPEND INBOX {1+}\r\nx").await;
    for _ in 0..280 {
        raw.write(format!(" ({flag}) {{1+}}\r\nx")).await;
    }
    raw.write("\r\n").await;
    let said = raw.answer(raw::Protocol::Imap).await;
    assert!(said.starts_with("a NO [LIMIT]"), "{said:.200}");
    assert_eq!(ada.messages("INBOX").unwrap().len(), 3);
    client.append_all("INBOX", two()).await.unwrap();
    assert_eq!(ada.status("INBOX").unwrap().uid_next.get(), 6);
}

#[tokio::test]
async fn a_message_takes_the_place_of_another() {
    let (store, ada) = store();
    for number in 1..=3 {
        ada.deliver(format!("Subject: {number}\r\n\r\n").into()).unwrap();
    }
    ada.create("Sent", None).unwrap();
    let mut client = client(&store).await;
    client.select("INBOX").await.unwrap();
    let draft = || AppendOptions::new().with_flags([Flag::Draft]);
    let uid = |number| Uid::new(number).unwrap();
    let stored = client.uid_replace(uid(2), "INBOX", draft(), "Subject: new\r\n\r\n").await.unwrap();
    assert_eq!(stored.and_then(|stored| stored.uid()), Some(uid(4)));
    let updates: Vec<_> = client.updates().collect();
    assert!(matches!(updates[..], [Update::Exists(4), .., Update::Expunge(_)]), "{updates:?}");
    let left = ["Subject: 1\r\n\r\n", "Subject: 3\r\n\r\n", "Subject: new\r\n\r\n"];
    assert_eq!(ada.messages("INBOX").unwrap(), left);

    // To another mailbox; and where that cannot be, the old one stays.
    client.uid_replace(uid(4), "Sent", draft(), "Subject: sent\r\n\r\n").await.unwrap();
    assert_eq!(ada.messages("Sent").unwrap(), ["Subject: sent\r\n\r\n"]);
    client.uid_replace(uid(3), "nowhere", draft(), "x").await.unwrap_err();
    client.uid_replace(uid(4), "INBOX", draft(), "x").await.unwrap_err();
    assert_eq!(ada.messages("INBOX").unwrap(), left[..2]);

    // By number; a mailbox that is open for reading only keeps its messages.
    let mut raw = raw::Servers::new(&store).connect(raw::Protocol::Imap, Channel::Tls, 4096).await;
    assert!(raw.login(raw::Protocol::Imap, "ada", "secret").await);
    raw.command(raw::Protocol::Imap, "EXAMINE INBOX").await;
    let refused = raw.command(raw::Protocol::Imap, "REPLACE 1 INBOX {1}").await;
    assert!(refused.starts_with("a NO [NOPERM]"), "{refused}");
    raw.command(raw::Protocol::Imap, "SELECT INBOX").await;
    raw.write("a REPLACE * Sent {1+}\r\nx\r\n").await;
    assert_eq!(raw.answer(raw::Protocol::Imap).await, "a OK Done");
    assert_eq!(ada.messages("INBOX").unwrap(), left[..1]);
}

#[tokio::test]
async fn identifiers_stay() {
    let (store, ada) = store();
    ada.deliver("Message-ID: <a@x>\r\nSubject: a\r\n\r\n".into()).unwrap();
    ada.deliver("Message-ID: <b@x>\r\nReferences: <a@x>\r\n\r\n".into()).unwrap();
    ada.deliver("Message-ID: <c@x>\r\n\r\n".into()).unwrap();
    let mut client = client(&store).await;
    let made = client.create("a").await.unwrap();
    assert!(made.is_some());
    client.rename("a", "b").await.unwrap();
    let status = client.status("b", [StatusAtt::MailboxId, StatusAtt::Messages]).await.unwrap();
    assert_eq!(status.mailbox_id(), made.as_ref());
    assert_ne!(client.select("INBOX").await.unwrap().mailbox_id, made);

    let items = || [FetchAtt::EmailId, FetchAtt::ThreadId, FetchAtt::SaveDate];
    let fetched = async |client: &mut Client| {
        let mut messages = client.uid_fetch(&[1u32, 2, 3][..], items()).await.unwrap();
        let mut found = Vec::new();
        while let Some(message) = messages.next().await.unwrap() {
            assert!(message.save_date().is_some());
            found.push((message.email_id().cloned().unwrap(), message.thread_id().cloned().unwrap()));
        }
        found
    };
    let before = fetched(&mut client).await;
    assert!(before[0].0 != before[1].0 && before[0].1 == before[1].1 && before[1].1 != before[2].1);
    client.uid_copy_to(&[1u32, 2, 3][..], "b").await.unwrap();
    client.select("b").await.unwrap();
    assert_eq!(fetched(&mut client).await, before);

    let id = |id: &ImapString| ObjectId::new(id.as_str().unwrap()).unwrap();
    let (email, thread) = (id(&before[1].0), id(&before[0].1));
    for (keys, expected) in [
        (vec![SearchKey::EmailId(email.clone())], &[2][..]),
        (vec![SearchKey::ThreadId(thread.clone())], &[1, 2]),
        (vec![SearchKey::EmailId(thread)], &[]),
        (vec![SearchKey::ThreadId(email)], &[]),
        (vec![SearchKey::SaveDateSupported], &[1, 2, 3]),
        (vec![SearchKey::SavedSince(Date::new(2000, 1, 1).unwrap())], &[1, 2, 3]),
        (vec![SearchKey::SavedBefore(Date::new(2000, 1, 1).unwrap())], &[]),
    ] {
        let found: Vec<u32> = client.uid_search(keys).await.unwrap().iter().map(|uid| uid.get()).collect();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn names_are_in_utf_8_once_that_is_enabled() {
    let (store, ada) = store();
    ada.create("Entw\u{fc}rfe", None).unwrap();
    let mut raw = raw::Servers::new(&store).connect(raw::Protocol::Imap, Channel::Tls, 4096).await;
    assert!(raw.login(raw::Protocol::Imap, "ada", "secret").await);
    raw.write("a LIST \"\" Ent*\r\n").await;
    assert_eq!(raw.line().await, "* LIST (\\HasNoChildren) \"/\" Entw&APw-rfe");
    raw.line().await;
    let refused = raw.command(raw::Protocol::Imap, "APPEND INBOX UTF8 (~{1+}\r\nx)").await;
    assert!(refused.starts_with("a BAD"), "{refused}");
    raw.write("a ENABLE UTF8=ACCEPT\r\n").await;
    assert_eq!(raw.line().await, "* ENABLED UTF8=ACCEPT");
    raw.line().await;
    raw.write("a LIST \"\" Ent*\r\n").await;
    assert_eq!(raw.line().await, "* LIST (\\HasNoChildren) \"/\" {9}");
    assert_eq!(raw.line().await, "Entw\u{fc}rfe");
    raw.line().await;
    for (command, answer) in [
        ("SELECT \"Entw\u{fc}rfe\"", "a OK"),
        ("STATUS Entw&APw-rfe (MESSAGES)", "a NO [NONEXISTENT]"),
        ("CREATE \"\u{20ac}\"", "a OK"),
        ("SELECT \"\u{20ac}\"", "a OK"),
        ("SEARCH CHARSET UTF-8 SUBJECT x", "a BAD"),
        ("SEARCH SUBJECT \"\u{20ac}\"", "a OK"),
        ("APPEND \"\u{20ac}\" UTF8 (~{17+}\r\nSubject: \u{20ac}\r\n\r\nx)", "a OK [APPENDUID"),
        ("APPEND \"\u{20ac}\" {17+}\r\nSubject: \u{20ac}\r\n\r\nx", "a OK [APPENDUID"),
        ("APPEND \"\u{20ac}\" UTF8 (~{1+}\r\nx", "a BAD"),
    ] {
        let said = raw.command(raw::Protocol::Imap, command).await;
        assert!(said.starts_with(answer), "{command}: {said}");
    }
    let expected = "Subject: \u{20ac}\r\n\r\nx";
    assert_eq!(ada.messages("\u{20ac}").unwrap(), [expected, expected]);

    let mut client = client(&store).await;
    client.enable([Capability::Utf8Accept]).await.unwrap();
    client.create("\u{e4}").await.unwrap();
    client.select("\u{20ac}").await.unwrap();
    let found = client.uid_search([SearchKey::Subject(AString::new("\u{20ac}").unwrap())]).await.unwrap();
    assert_eq!(found.iter().count(), 2);
    assert!(client.list("", "*").await.unwrap().iter().any(|mailbox| mailbox.name.to_unicode() == "\u{e4}"));

    // A server that demands it.
    let server = Server::new(ImapService::new(store.clone()).utf8_only(true)).allow_clear_credentials();
    let mut client = imap_client(&server).await;
    client.status("\u{e4}", [StatusAtt::Messages]).await.unwrap();
    let (ours, theirs) = tokio::io::duplex(4096);
    tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Clear).await });
    let mut lines = BufReader::new(ours).lines();
    lines.next_line().await.unwrap();
    let commands = "a LOGIN ada secret\r\nb SELECT INBOX\r\n";
    lines.get_mut().get_mut().write_all(commands.as_bytes()).await.unwrap();
    lines.next_line().await.unwrap();
    let refused = lines.next_line().await.unwrap().unwrap();
    assert!(refused.starts_with("b NO [CANNOT]"), "{refused}");
}

/// RFC 6855 section 4.
#[tokio::test]
async fn text_beyond_ascii_in_a_header_waits_for_utf8_to_be_enabled() {
    let (store, ada) = store();
    let mut client = client(&store).await;
    let long = format!("X-Long: {}\r\n", "x".repeat(100_000));
    for (message, taken) in [
        ("Subject: \u{fc}\r\n\r\nx".to_owned(), false),
        ("Subject: x\r\n\r\n\u{fc}".to_owned(), true),
        ("Subject: x\n\n\u{fc}".to_owned(), true),
        ("\r\n\u{fc}".to_owned(), true),
        (format!("{long}Subject: \u{fc}\r\n\r\n"), false),
        (format!("{long}\r\n\u{fc}"), true),
    ] {
        for streamed in [false, true] {
            let before = ada.messages("INBOX").unwrap().len();
            let bytes = message.clone().into_bytes();
            let length = bytes.len() as u64;
            let payload = if streamed {
                Payload::from_reader(&bytes[..], Some(length))
            } else {
                Payload::from(bytes.clone())
            };
            assert_eq!(client.append("INBOX", payload).await.is_ok(), taken, "{message:.30}");
            assert_eq!(ada.messages("INBOX").unwrap().len(), before + usize::from(taken));
        }
    }
    client.enable([Capability::Utf8Accept]).await.unwrap();
    client.append("INBOX", "Subject: \u{fc}\r\n\r\nx").await.unwrap();
    // Of a server that does not know of it nobody can ask for it.
    let server = server(&store).configure(|config| {
        let kept: Vec<_> =
            config.capabilities().iter().filter(|one| **one != Capability::Utf8Accept).cloned().collect();
        config.set_capabilities(kept).unwrap();
    });
    imap_client(&server).await.append("INBOX", "Subject: \u{fc}\r\n\r\nx").await.unwrap();
    // Old mail has such headers: a server that reads leniently takes it.
    let server = self::server(&store).configure(|config| config.dialect = mailwire_core::Dialect::Lenient);
    imap_client(&server).await.append("INBOX", "Subject: \u{fc}\r\n\r\nx").await.unwrap();
}

/// RFC 8508 section 3.4: what is freed is room for what comes.
#[tokio::test]
async fn a_message_takes_the_place_of_another_where_there_is_no_room_for_both() {
    let mut config = mailwire_store::memory::Config::default();
    (config.bytes, config.messages) = (1000, 1);
    let store = MemoryStore::with_config(config);
    let ada = store.add_user("ada", "secret").unwrap();
    ada.deliver("x".repeat(700).into()).unwrap();
    let mut client = client(&store).await;
    client.select("INBOX").await.unwrap();
    let uid = |number| Uid::new(number).unwrap();
    client.append("INBOX", "y").await.unwrap_err();
    client.uid_replace(uid(1), "INBOX", AppendOptions::new(), "y".repeat(900)).await.unwrap();
    assert_eq!(ada.messages("INBOX").unwrap(), ["y".repeat(900)]);
    let refused = client.uid_replace(uid(2), "INBOX", AppendOptions::new(), "z".repeat(1001)).await;
    let error = refused.unwrap_err();
    assert_eq!(error.refused().unwrap().code.as_ref().unwrap().as_str(), Some("OVERQUOTA"));
    let long = "z".repeat(1001);
    let grows = Payload::from_reader(long.as_bytes(), Some(1001));
    client.uid_replace(uid(2), "INBOX", AppendOptions::new(), grows).await.unwrap_err();
    assert_eq!(ada.messages("INBOX").unwrap(), ["y".repeat(900)]);
    client.uid_replace(uid(2), "INBOX", AppendOptions::new(), "z".repeat(1000)).await.unwrap();
    // Nothing is kept of all that.
    client.uid_replace(uid(3), "INBOX", AppendOptions::new(), "").await.unwrap();
    assert_eq!(ada.messages("INBOX").unwrap(), [""]);
}
