//! URLs that others can use (URLAUTH, RFC 4467 and RFC 5524): our client and our server.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use mailwire_core::Channel;
use mailwire_store::{
    ImapService,
    memory::{MemoryStore, User},
};
use mailwire_transport::{
    Endpoint, Security, Stream,
    imap::{
        Client, Config, Server,
        proto::{
            command::AString,
            extensions::urlauth::{UrlContent, UrlFetchArg, UrlFetchParam, UrlItem},
            types::{BodyStructure, ContentEncoding, DateTime, Section, Uid},
            url::{Access, ImapUrl, MailboxRef, MessageRef, Server as UrlServer, UrlAuth, UrlText},
        },
    },
    sasl::Credentials,
};

const MESSAGE: &str = "Subject: pictures\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
    --x\r\nContent-Type: text/plain\r\n\r\nwords\r\n\
    --x\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nUE4AR0==\r\n\
    --x\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: x-odd\r\n\r\n??\r\n--x--\r\n";

struct Test {
    store: MemoryStore,
    ada: User,
}

impl Test {
    fn new() -> Self {
        let store = MemoryStore::new();
        let ada = store.add_user("ada", "secret").unwrap();
        for name in ["bob", "submitter"] {
            store.add_user(name, "secret").unwrap();
        }
        ada.deliver(MESSAGE.into()).unwrap();
        Self { store, ada }
    }

    fn server(&self) -> Server<ImapService<MemoryStore>> {
        let service = ImapService::new(self.store.clone()).with_url_auth([("submit", "submitter")]);
        Server::new(service).allow_clear_credentials()
    }

    async fn client(&self, user: &str) -> Client {
        client_of(self.server(), user).await
    }
}

async fn client_of(server: Server<ImapService<MemoryStore>>, user: &str) -> Client {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Clear).await });
    let endpoint = Endpoint::tcp("test", 143, Security::plaintext_without_encryption());
    let config = Config::login(Credentials::password(user, "secret")).with_allow_clear_credentials(true);
    Client::over(Stream::other(ours), endpoint, config).await.unwrap()
}

fn message() -> MessageRef {
    MessageRef::new(MailboxRef::new("INBOX").unwrap(), Uid::MIN)
}

fn part(number: u32) -> MessageRef {
    message().with_section(Section::new(vec![number.try_into().unwrap()], None).unwrap())
}

fn url(owner: &str, part: MessageRef, auth: UrlAuth) -> ImapUrl {
    let server = UrlServer::new("example.com").unwrap().with_user(owner).unwrap();
    ImapUrl::new(server).with_target(part.with_auth(auth))
}

fn for_all() -> UrlAuth {
    UrlAuth::new(Access::AuthUser)
}

async fn fetch(client: &mut Client, url: &str) -> Option<String> {
    let asked = UrlFetchArg::new(AString::new(url).unwrap());
    let found = client.url_fetch([asked]).await.unwrap().remove(0);
    assert_eq!(found.url.to_string_lossy(), url);
    match found.content {
        UrlContent::Bytes(bytes) => Some(bytes.to_string_lossy().into_owned()),
        UrlContent::Nil => None,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_url_lets_others_read_what_they_could_not() {
    let test = Test::new();
    let (mut ada, mut bob) = (test.client("ada").await, test.client("bob").await);
    let mut submitter = test.client("submitter").await;
    let of = |user: &str| UrlText::new(user).unwrap();
    let asked = [
        url("ada", part(1), for_all()),
        url("ada", message(), UrlAuth::new(Access::User(of("bob")))),
        url("ada", part(1), UrlAuth::new(Access::Submit(of("whoever")))),
        url("ada", part(1), UrlAuth::new(Access::application("stream", None).unwrap())),
        url("ada", part(1).with_partial(1, 3.try_into().ok()), for_all()),
        url("ada", part(1), for_all().with_expire(DateTime::from_unix(1_000_000_000, 60).unwrap())),
        url("ada", part(1), for_all().with_expire(DateTime::from_unix(200_000_000_000, 0).unwrap())),
        url("ada", part(7), for_all()),
    ];
    let made: Vec<String> = ada
        .generate_url_auth(&asked)
        .await
        .unwrap()
        .iter()
        .map(|url| url.as_str().unwrap().to_owned())
        .collect();
    assert!(
        made[0].starts_with("imap://ada@example.com/INBOX/;UID=1/;SECTION=1;URLAUTH=authuser:internal:01"),
        "{}",
        made[0]
    );
    for (at, of_bob, of_submitter) in [
        (0, Some("words"), Some("words")),
        (1, Some(MESSAGE), None),
        (2, None, Some("words")),
        (3, None, None),
        (4, Some("ord"), Some("ord")),
        (5, None, None),
        (6, Some("words"), Some("words")),
        (7, None, None),
    ] {
        assert_eq!(fetch(&mut bob, &made[at]).await.as_deref(), of_bob, "{}", made[at]);
        assert_eq!(fetch(&mut submitter, &made[at]).await.as_deref(), of_submitter, "{}", made[at]);
    }
    // What is not as it was made is worth nothing.
    for (from, to) in [
        ("UID=1", "UID=2"),
        ("SECTION=1", "SECTION=2"),
        ("example.com", "Example.com"),
        ("authuser", "anonymous"),
        (":internal:01", ":other:01"),
        (":internal:01", ":internal:02"),
        ("ada", "bob"),
    ] {
        assert_eq!(fetch(&mut bob, &made[0].replace(from, to)).await, None, "{from} {to}");
    }
    for wrong in ["imap://ada@example.com/INBOX/;UID=1", "imap://example.com/", "/INBOX/;UID=1", "x y"] {
        assert_eq!(fetch(&mut bob, wrong).await, None);
    }
    // In whatever case the digits are.
    let (before, token) = made[0].rsplit_once(':').unwrap();
    assert!(fetch(&mut bob, &format!("{before}:{}", token.to_ascii_uppercase())).await.is_some());

    // Nobody makes URLs of others' messages, nor of none, nor twice.
    let theirs = url("ada", part(1), for_all());
    bob.generate_url_auth([&theirs]).await.unwrap_err();
    ada.generate_url_auth([&url("ada", MessageRef::new(MailboxRef::new("x").unwrap(), Uid::MIN), for_all())])
        .await
        .unwrap_err();
    ada.generate_url_auth([&ImapUrl::parse(&made[0]).unwrap()]).await.unwrap_err();
    let without_user =
        ImapUrl::new(UrlServer::new("example.com").unwrap()).with_target(part(1).with_auth(for_all()));
    ada.generate_url_auth([&without_user]).await.unwrap_err();
    ada.generate_url_auth([&ImapUrl::parse("imap://ada@example.com/INBOX/;UID=1").unwrap()])
        .await
        .unwrap_err();
    // Nothing is seen by all that.
    assert_eq!(test.ada.status("INBOX").unwrap().unseen, 1);

    // It is taken back.
    ada.reset_key("INBOX").await.unwrap();
    assert_eq!(fetch(&mut bob, &made[0]).await, None);
    let again = ada.generate_url_auth(&asked[..1]).await.unwrap();
    assert_ne!(again[0].as_str(), Some(made[0].as_str()));
    assert!(fetch(&mut bob, again[0].as_str().unwrap()).await.is_some());
    ada.reset_all_keys().await.unwrap();
    assert_eq!(fetch(&mut bob, again[0].as_str().unwrap()).await, None);
    ada.reset_key("nowhere").await.unwrap_err();
}

#[tokio::test]
async fn decoded_parts_and_their_kind() {
    let test = Test::new();
    let (mut ada, mut bob) = (test.client("ada").await, test.client("bob").await);
    let asked =
        [url("ada", part(2), for_all()), url("ada", part(3), for_all()), url("ada", part(9), for_all())];
    let made = ada.generate_url_auth(&asked).await.unwrap();
    let of = |at: usize, params: &[UrlFetchParam]| {
        UrlFetchArg::new(AString::new(made[at].clone()).unwrap()).with_params(params)
    };
    use UrlFetchParam::{Binary, Body, BodyPartStructure};
    let asked = [
        of(0, &[Binary, BodyPartStructure]),
        of(0, &[BodyPartStructure]),
        of(1, &[Binary, BodyPartStructure]),
        of(2, &[Body]),
        of(0, &[Body]),
    ];
    let found = bob.url_fetch(asked).await.unwrap();
    let kind = |item: &UrlItem| match item {
        UrlItem::BodyPartStructure(structure) => match &**structure {
            BodyStructure::Single(part) => (part.encoding.clone(), part.octets),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let items = |at: usize| match &found[at].content {
        UrlContent::Items(items) => items.as_slice(),
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(&items(0)[0]), (ContentEncoding::Binary, Some(4)));
    assert_eq!(items(0)[1], UrlItem::Binary(Some((&b"PN\0G"[..]).into())));
    assert_eq!((kind(&items(1)[0]), items(1).len()), ((ContentEncoding::Base64, Some(8)), 1));
    assert_eq!(items(2)[1], UrlItem::Binary(None));
    assert_eq!(found[3].content, UrlContent::Nil);
    assert!(matches!(&items(4)[0], UrlItem::Body(Some(bytes)) if bytes.as_bytes() == b"UE4AR0=="));
}

#[tokio::test]
async fn nobody_is_offered_it_unless_it_is_switched_on() {
    let test = Test::new();
    let server = Server::new(ImapService::new(test.store.clone())).allow_clear_credentials();
    let mut client = client_of(server, "ada").await;
    client.reset_all_keys().await.unwrap_err();
    client.generate_url_auth([&url("ada", part(1), for_all())]).await.unwrap_err();
    // More than is given at once.
    test.ada.deliver(format!("Subject: a\r\n\r\n{}", "x".repeat(10_000)).into()).unwrap();
    let server = test.server().configure(|config| config.limits.response = 5000);
    let mut client = client_of(server, "ada").await;
    let large = MessageRef::new(MailboxRef::new("INBOX").unwrap(), Uid::new(2).unwrap());
    let asked = [
        url("ada", large.clone(), for_all()),
        url("ada", large.with_partial(0, 20.try_into().ok()), for_all()),
    ];
    let made = client.generate_url_auth(&asked).await.unwrap();
    client.url_fetch([UrlFetchArg::new(AString::new(made[0].clone()).unwrap())]).await.unwrap_err();
    assert_eq!(
        fetch(&mut client, made[1].as_str().unwrap()).await.as_deref(),
        Some("Subject: a\r\n\r\nxxxxxx")
    );
}

/// What is looked at for a structure is counted as what is looked at for a part.
#[tokio::test]
async fn structures_take_work() {
    let test = Test::new();
    test.ada.deliver(format!("Subject: a\r\n\r\n{}", "x".repeat(60_000)).into()).unwrap();
    let server = test.server().configure(|config| config.limits.work = 100_000);
    let mut client = client_of(server, "ada").await;
    let large = MessageRef::new(MailboxRef::new("INBOX").unwrap(), Uid::new(2).unwrap());
    let made = client.generate_url_auth([&url("ada", large, for_all())]).await.unwrap().remove(0);
    let structure = || {
        UrlFetchArg::new(AString::new(made.clone()).unwrap()).with_params([UrlFetchParam::BodyPartStructure])
    };
    client.url_fetch([structure()]).await.unwrap();
    let refused = client.url_fetch([structure(), structure()]).await.unwrap_err();
    assert!(refused.to_string().contains("too much work"), "{refused}");
}
