//! What is asked about mailboxes and the server: quotas, rights, annotations, uses, languages. Our client against our
//! server.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod raw;

use mailwire_core::Text;
use mailwire_store::{
    ImapService, ImapSession,
    memory::{Config as StoreConfig, MemoryStore},
};
use mailwire_transport::{
    Error,
    imap::{
        Capability, Client, FetchAtt, Flag, FlagChange, SearchKey, Server, StatusAtt,
        proto::{
            command::{Create, List, ListReturnOpt, ListSelectOpt, StoreAction},
            extensions::{
                acl::{Rights, RightsChange},
                gmail::GmailLabel,
                metadata::{Depth, EntryName, GetMetadata},
                quota::{ResourceName, SetQuotaResource},
            },
            types::{ListPattern, MailboxAttribute, MailboxName, Section, UidSet},
        },
        server::{Refusal, Service},
    },
    sasl::Identity,
};
use raw::imap_client;

async fn connect(config: StoreConfig) -> Client {
    let store = MemoryStore::with_config(config);
    store.add_user("ada", "secret").unwrap();
    imap_client(&Server::new(ImapService::new(store))).await
}

/// The code of a refusal, as it stands on the wire.
fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    let error = result.unwrap_err();
    let refused = error.refused().unwrap_or_else(|| panic!("{error:?}"));
    refused.code.as_ref().map(ToString::to_string).unwrap_or_default()
}

async fn append(client: &mut Client, mailbox: &str, size: usize) -> Result<(), Error> {
    let message = "x".repeat(size);
    client.append(mailbox, bytes::Bytes::from(message)).await.map(drop)
}

fn entry(name: &str) -> EntryName {
    EntryName::new(name).unwrap()
}

fn text(text: &str) -> Option<Text> {
    Some(Text::from(text))
}

#[tokio::test]
async fn quotas() {
    let mut config = StoreConfig::default();
    config.bytes = 10 << 10;
    config.messages = 3;
    config.set_quota = true;
    let mut client = connect(config).await;
    for resource in [ResourceName::Storage, ResourceName::Message, ResourceName::Mailbox] {
        assert!(client.has(&Capability::QuotaResource(resource)));
    }
    append(&mut client, "INBOX", 3000).await.unwrap();
    let roots = client.quota_roots("INBOX").await.unwrap();
    assert_eq!((roots.len(), roots[0].name.as_bytes()), (1, &b""[..]));
    let usage = client.quota("").await.unwrap();
    assert_eq!(usage, roots[0].usage);
    let of = |resource| usage.iter().find(|one| one.resource == resource).map(|one| (one.usage, one.limit));
    assert_eq!(of(ResourceName::Storage), Some((3, 10)));
    assert_eq!(of(ResourceName::Message), Some((1, 3)));
    assert_eq!(of(ResourceName::Mailbox), Some((1, 1000)));
    assert_eq!(code(client.quota("other").await), "NONEXISTENT");
    assert_eq!(code(client.quota_roots("other").await), "NONEXISTENT");

    let limits = [SetQuotaResource::new(ResourceName::Message, 1)];
    let set = client.set_quota("", limits).await.unwrap();
    assert!(set.iter().any(|one| one.resource == ResourceName::Message && one.limit == 1));
    assert_eq!(code(append(&mut client, "INBOX", 10).await), "OVERQUOTA");
    // What is not named has the limit of the store again, and no more than that.
    let limits = [SetQuotaResource::new(ResourceName::Storage, 1 << 40)];
    let set = client.set_quota("", limits).await.unwrap();
    assert!(set.iter().any(|one| one.resource == ResourceName::Message && one.limit == 3));
    assert!(set.iter().any(|one| one.resource == ResourceName::Storage && one.limit == 10));
    assert_eq!(code(append(&mut client, "INBOX", 8000).await), "OVERQUOTA");

    client.select("INBOX").await.unwrap();
    let all: UidSet = "1:*".parse().unwrap();
    client.uid_store(all, FlagChange::add([Flag::Deleted]).silent()).await.unwrap();
    let items = [StatusAtt::Deleted, StatusAtt::DeletedStorage];
    let status = client.status("INBOX", items).await.unwrap();
    assert_eq!(format!("{:?}", status.items), "[Deleted(1), DeletedStorage(3)]");
    client.expunge().await.unwrap();
    assert_eq!(client.quota("").await.unwrap()[0].usage, 0);
}

#[tokio::test]
async fn limits_are_not_the_users_own() {
    let mut client = connect(StoreConfig::default()).await;
    assert!(client.has(&Capability::Quota) && !client.has(&Capability::QuotaSet));
    let limits = [SetQuotaResource::new(ResourceName::Message, 1)];
    assert!(matches!(client.set_quota("", limits).await, Err(Error::Misuse(_))));
}

#[tokio::test]
async fn annotations() {
    let mut config = StoreConfig::default();
    config.annotations = 25 << 10;
    let mut client = connect(config).await;
    client.create("Entwürfe").await.unwrap();
    assert_eq!(client.metadata("Entwürfe", "/private/comment").await.unwrap(), None);
    let entries = [
        (entry("/private/comment"), text("My own\r\ncomment")),
        (entry("/shared/comment"), text("a\0b")),
        (entry("/private/vendor/x/y"), text("")),
    ];
    client.set_metadata("Entwürfe", entries).await.unwrap();
    assert_eq!(client.metadata("Entwürfe", "/PRIVATE/Comment").await.unwrap(), text("My own\r\ncomment"));
    assert_eq!(client.metadata("Entwürfe", "/shared/comment").await.unwrap(), text("a\0b"));
    let name = MailboxName::new("Entwürfe").unwrap();
    let get = |depth| GetMetadata::new(name.clone(), [entry("/private")]).with_depth(depth);
    let of = |found: mailwire_transport::imap::client::Metadata| -> Vec<String> {
        found.entries.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name.to_string()).collect()
    };
    assert_eq!(of(client.metadata_with(get(Depth::Zero)).await.unwrap()), [""; 0]);
    assert_eq!(of(client.metadata_with(get(Depth::One)).await.unwrap()), ["/private/comment"]);
    let all = client.metadata_with(get(Depth::Infinity)).await.unwrap();
    assert_eq!(of(all), ["/private/comment", "/private/vendor/x/y"]);
    let short = client.metadata_with(get(Depth::Infinity).with_max_size(Some(5))).await.unwrap();
    assert_eq!((short.longest_left_out, of(short)), (Some(15), vec!["/private/vendor/x/y".to_owned()]));

    // They follow the mailbox, and go with it.
    client.rename("Entwürfe", "Drafts").await.unwrap();
    assert!(client.metadata("Drafts", "/private/comment").await.unwrap().is_some());
    client.delete("Drafts").await.unwrap();
    client.create("Drafts").await.unwrap();
    assert_eq!(client.metadata("Drafts", "/private/comment").await.unwrap(), None);

    // All or none, and not without end.
    let long = Some(Text::from("x".repeat((8 << 10) + 1)));
    let entries = [(entry("/private/a"), text("1")), (entry("/private/b"), long)];
    assert_eq!(code(client.set_metadata("INBOX", entries).await), "METADATA MAXSIZE 8192");
    assert_eq!(client.metadata("INBOX", "/private/a").await.unwrap(), None);
    let many: Vec<_> = (0..501).map(|number| (entry(&format!("/private/{number}")), text(""))).collect();
    assert_eq!(code(client.set_metadata("INBOX", many).await), "METADATA TOOMANY");
    let large = Some(Text::from("x".repeat(7 << 10)));
    for number in 0..3 {
        let one = [(entry(&format!("/private/{number}")), large.clone())];
        client.set_metadata("INBOX", one).await.unwrap();
    }
    assert_eq!(code(client.set_metadata("INBOX", [(entry("/shared/3"), large)]).await), "OVERQUOTA");
    client.set_metadata("INBOX", [(entry("/private/1"), None)]).await.unwrap();
    assert_eq!(client.metadata("INBOX", "/private/1").await.unwrap(), None);

    // The server's own.
    client.set_metadata("", [(entry("/private/comment"), text("mine"))]).await.unwrap();
    assert_eq!(client.metadata("", "/private/comment").await.unwrap(), text("mine"));
    assert_eq!(code(client.set_metadata("", [(entry("/shared/admin"), text("x"))]).await), "NOPERM");
    assert_eq!(code(client.set_metadata("INBOX", [(entry("/comment"), text("x"))]).await), "NOPERM");
    assert_eq!(code(client.metadata("other", "/private/comment").await), "NONEXISTENT");
}

#[tokio::test]
async fn rights() {
    let mut client = connect(StoreConfig::default()).await;
    assert!(client.has(&Capability::Rights(Rights::new("kxte").unwrap())));
    client.create("box").await.unwrap();
    assert_eq!(client.my_rights("box").await.unwrap(), Rights::ALL);
    assert_eq!(client.acl("box").await.unwrap(), [("ada".into(), Rights::ALL)]);
    let listed = client.list_rights("box", "ada").await.unwrap();
    assert_eq!(listed.required, Rights::LOOKUP | Rights::ADMINISTER);
    assert!(listed.optional.contains(&Rights::READ));
    assert_eq!(client.list_rights("box", "bob").await.unwrap().optional, []);
    append(&mut client, "box", 10).await.unwrap();

    // Nobody else gets there, and it is said.
    let all = RightsChange::Replace(Rights::ALL);
    assert_eq!(code(client.set_acl("box", "anyone", all).await), "NOPERM");
    assert_eq!(code(client.set_acl("box", "ada", RightsChange::Add(Rights::ANNOTATE)).await), "NOPERM");
    assert_eq!(code(client.delete_acl("box", "ada").await), "NOPERM");

    let take = |rights| RightsChange::Remove(rights);
    client.set_acl("box", "ada", take(Rights::WRITE | Rights::EXPUNGE)).await.unwrap();
    let selected = client.select("box").await.unwrap();
    let permanent = selected.permanent_flags.unwrap();
    assert!(permanent.flags.contains(&Flag::Seen) && !permanent.flags.contains(&Flag::Flagged));
    assert!(!permanent.new_keywords && !selected.read_only);
    let first: UidSet = "1".parse().unwrap();
    let change = FlagChange::add([Flag::Flagged]);
    assert_eq!(code(client.uid_store(first.clone(), change).await), "NOPERM");
    let change = FlagChange::add([Flag::Flagged, Flag::Deleted]);
    let stored = client.uid_store(first.clone(), change).await.unwrap();
    let flags = stored[0].flags().unwrap();
    assert!(flags.contains(&Flag::Deleted) && !flags.contains(&Flag::Flagged));
    assert_eq!(code(client.expunge().await), "NOPERM");
    assert_eq!(code(client.uid_move_to(first.clone(), "INBOX").await), "NOPERM");
    client.uid_copy_to(first, "INBOX").await.unwrap();

    // What is given and taken while the mailbox is open counts at once.
    let one: UidSet = "1".parse().unwrap();
    client.set_acl("box", "ada", RightsChange::Add(Rights::WRITE | Rights::EXPUNGE)).await.unwrap();
    client.uid_store(one.clone(), FlagChange::add([Flag::Flagged])).await.unwrap();
    client.set_acl("box", "ada", take(Rights::WRITE | Rights::EXPUNGE)).await.unwrap();
    assert_eq!(code(client.uid_store(one.clone(), FlagChange::remove([Flag::Flagged])).await), "NOPERM");
    assert_eq!(code(client.expunge().await), "NOPERM");
    assert_eq!(code(client.uid_move_to(one, "INBOX").await), "NOPERM");

    // RFC 4314 section 4: what cannot be marked as seen can be read.
    client.set_acl("box", "ada", take(Rights::SEEN)).await.unwrap();
    append(&mut client, "box", 10).await.unwrap();
    client.select("box").await.unwrap();
    let body = FetchAtt::BodySection { section: Section::WHOLE, partial: None, peek: false };
    let mut read = client.uid_fetch("2".parse::<UidSet>().unwrap(), [body, FetchAtt::Flags]).await.unwrap();
    assert!(!read.next().await.unwrap().unwrap().flags().unwrap().contains(&Flag::Seen));
    drop(read);
    // Nor does a copy bring what cannot be set where it comes to.
    client.select("INBOX").await.unwrap();
    client
        .uid_store("1".parse::<UidSet>().unwrap(), FlagChange::add([Flag::Seen, Flag::Deleted]))
        .await
        .unwrap();
    client.uid_copy_to("1".parse::<UidSet>().unwrap(), "box").await.unwrap();
    client.select("box").await.unwrap();
    let mut copies = client.uid_fetch("3".parse::<UidSet>().unwrap(), [FetchAtt::Flags]).await.unwrap();
    let copy = copies.next().await.unwrap().unwrap();
    let flags = copy.flags().unwrap();
    assert!(flags.contains(&Flag::Deleted) && !flags.contains(&Flag::Seen));
    drop(copies);

    client.set_acl("box", "ada", RightsChange::Replace(Rights::new("r").unwrap())).await.unwrap();
    assert_eq!(client.my_rights("box").await.unwrap(), Rights::new("lra").unwrap());
    assert!(client.select("box").await.unwrap().read_only);
    assert_eq!(code(append(&mut client, "box", 10).await), "NOPERM");
    assert_eq!(code(client.delete("box").await), "NOPERM");
    assert_eq!(code(client.rename("box", "other").await), "NOPERM");
    assert_eq!(code(client.create("box/below").await), "NOPERM");
    // However many levels are made on the way there.
    assert_eq!(code(client.create("box/below/it/all").await), "NOPERM");
    assert_eq!(code(client.rename("INBOX", "box/below/it").await), "NOPERM");
    client.set_acl("box", "ada", take(Rights::READ)).await.unwrap();
    assert_eq!(code(client.select("box").await), "NOPERM");
    assert_eq!(code(client.status("box", [StatusAtt::Messages]).await), "NOPERM");
    assert_eq!(code(client.metadata("box", "/private/comment").await), "NOPERM");
    // `d` of earlier clients is what deletes messages today.
    client.set_acl("box", "ada", RightsChange::Add(Rights::new("cd").unwrap())).await.unwrap();
    assert_eq!(client.my_rights("box").await.unwrap(), Rights::new("lkxtea").unwrap());
    client.delete("box").await.unwrap();
    assert_eq!(code(client.my_rights("box").await), "NONEXISTENT");
}

#[tokio::test]
async fn uses_of_mailboxes() {
    let mut client = connect(StoreConfig::default()).await;
    let create = |name: &str, uses: &[MailboxAttribute]| {
        Create::new(MailboxName::new(name).unwrap()).with_special_use(uses)
    };
    client.create_with(create("Postausgang", &[MailboxAttribute::Sent])).await.unwrap();
    client.create_with(create("Später", &[MailboxAttribute::Snoozed])).await.unwrap();
    client.create("Trash").await.unwrap();
    for uses in [
        &[MailboxAttribute::All][..],
        &[MailboxAttribute::Drafts, MailboxAttribute::Junk],
        &[MailboxAttribute::new("\\X-Own").unwrap()],
    ] {
        assert_eq!(code(client.create_with(create("x", uses)).await), "USEATTR");
        assert_eq!(code(client.delete("x").await), "NONEXISTENT");
    }
    let found = client.special_mailboxes().await.unwrap();
    let show: Vec<_> = found
        .iter()
        .map(|one| format!("{} {} {}", one.special_use, one.mailbox.to_unicode(), one.guessed))
        .collect();
    assert_eq!(show, ["\\Sent Postausgang false", "\\Snoozed Später false", "\\Trash Trash true"]);
}

/// What LIST tells of each mailbox beside its name.
#[tokio::test]
async fn listing() {
    let mut client = connect(StoreConfig::default()).await;
    client.create("Entwürfe/b").await.unwrap();
    client.subscribe("Entwürfe/b").await.unwrap();
    client.set_metadata("Entwürfe", [(entry("/shared/comment"), text("hi"))]).await.unwrap();
    let list = List::new(MailboxName::new("").unwrap(), ListPattern::new("*").unwrap());
    let list = list.returning([
        ListReturnOpt::MyRights,
        ListReturnOpt::Metadata(vec![entry("/shared/comment"), entry("/private/none")]),
        ListReturnOpt::Status(vec![StatusAtt::Messages]),
    ]);
    let listed = client.list_with(list).await.unwrap();
    let names: Vec<_> = listed.iter().map(|one| one.mailbox.name.to_unicode().into_owned()).collect();
    assert_eq!(names, ["INBOX", "Entwürfe", "Entwürfe/b"]);
    for one in &listed {
        assert_eq!((one.rights, one.status.as_ref().unwrap().messages()), (Some(Rights::ALL), Some(0)));
        let comment = (one.mailbox.name.to_unicode() == "Entwürfe").then(|| Text::from("hi"));
        let mut metadata = one.metadata.clone();
        metadata.sort();
        assert_eq!(metadata, [(entry("/private/none"), None), (entry("/shared/comment"), comment)]);
    }
    let list = List::new(MailboxName::new("").unwrap(), ListPattern::new("%").unwrap());
    let list =
        list.selecting([ListSelectOpt::Subscribed, ListSelectOpt::RecursiveMatch, ListSelectOpt::Remote]);
    let list = list.returning([ListReturnOpt::Children, ListReturnOpt::Subscribed]);
    let listed = client.list_with(list).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(format!("{:?}", listed[1].mailbox.extensions), "[ChildInfo([\"SUBSCRIBED\"])]");
    assert!(listed[1].mailbox.attributes.contains(&MailboxAttribute::HasChildren));
    client.noop().await.unwrap();
}

/// Older ways to list, and what is not there by default.
#[tokio::test]
async fn what_a_store_has_not() {
    let store = MemoryStore::new();
    let ada = store.add_user("ada", "secret").unwrap();
    ada.create("Gesendet", Some("\\Sent".into())).unwrap();
    ada.create("Spam", Some("\\Junk".into())).unwrap();
    let mut client = imap_client(&Server::new(ImapService::new(store.clone()))).await;
    for refused in [
        client.jmap_session().await.map(drop),
        client.languages().await.map(drop),
        client.xlist("", "*").await.map(drop),
        client.rlist("", "*").await.map(drop),
    ] {
        assert!(matches!(refused, Err(Error::Misuse(_))), "{refused:?}");
    }
    client.select("INBOX").await.unwrap();
    let one: UidSet = "1".parse().unwrap();
    let refused = client.uid_store_labels(one.clone(), StoreAction::Add, [GmailLabel::INBOX]).await;
    assert!(matches!(refused, Err(Error::Misuse(_))));
    assert!(matches!(client.uid_fetch(one, [FetchAtt::GmailLabels]).await.map(drop), Err(Error::Misuse(_))));
    assert!(matches!(
        client.uid_search([SearchKey::GmailMessageId(1)]).await.map(drop),
        Err(Error::Misuse(_))
    ));

    let server = Server::new(ImapService::new(store)).with_xlist(true);
    let mut client = imap_client(&server).await;
    let listed = client.xlist("", "*").await.unwrap();
    let shown: Vec<_> = listed.iter().map(|one| format!("{} {}", one.attributes, one.name)).collect();
    assert_eq!(
        shown,
        [
            "(\\HasNoChildren \\Inbox) INBOX",
            "(\\HasNoChildren \\Sent) Gesendet",
            "(\\HasNoChildren \\Spam) Spam"
        ]
    );
}

/// Thousands of annotations of thousands of mailboxes.
#[tokio::test]
async fn what_is_told_of_the_mailboxes_of_a_list_is_bounded() {
    let store = MemoryStore::new();
    store.add_user("ada", "secret").unwrap();
    let server = Server::new(ImapService::new(store)).configure(|config| config.limits.work = 1 << 20);
    let mut client = imap_client(&server).await;
    client.set_metadata("INBOX", [(entry("/private/7"), text("x"))]).await.unwrap();
    let names: Vec<_> = (0..3000).map(|number| entry(&format!("/private/{number}"))).collect();
    let list = List::new(MailboxName::new("").unwrap(), ListPattern::new("*").unwrap())
        .returning([ListReturnOpt::Metadata(names)]);
    assert_eq!(client.list_with(list.clone()).await.unwrap().len(), 1);
    for number in 0..6 {
        client.create(&format!("box{number}")).await.unwrap();
    }
    assert_eq!(code(client.list_with(list).await), "LIMIT");
}

/// A service with more to say than its store.
struct More(ImapService<MemoryStore>);

impl Service for More {
    type Session = ImapSession<MemoryStore>;
    type Authenticator = MemoryStore;

    fn authenticator(&self) -> &MemoryStore {
        self.0.authenticator()
    }

    async fn open(&self, identity: &Identity) -> Result<Self::Session, Refusal> {
        self.0.open(identity).await
    }

    fn capabilities(&self) -> Vec<Capability> {
        vec![Capability::ObjectId, Capability::JmapAccess, Capability::Language, Capability::MailboxReferrals]
    }

    fn languages(&self) -> Vec<String> {
        vec!["de-DE".into(), "en".into()]
    }

    fn jmap_session(&self) -> Option<String> {
        Some("https://jmap.example/session".into())
    }
}

#[tokio::test]
async fn languages_and_other_servers() {
    let store = MemoryStore::new();
    store.add_user("ada", "secret").unwrap();
    let mut client = imap_client(&Server::new(More(ImapService::new(store)))).await;
    assert_eq!(client.jmap_session().await.unwrap(), "https://jmap.example/session");
    assert_eq!(client.languages().await.unwrap(), ["de-DE", "en", "i-default"].map(Text::from));
    assert_eq!(client.choose_language(&["fr", "DE"]).await.unwrap(), text("de-DE"));
    assert_eq!(client.choose_language(&["default"]).await.unwrap(), text("de-DE"));
    assert_eq!(client.choose_language(&["i-default"]).await.unwrap(), text("i-default"));
    assert_eq!(code(client.choose_language(&["d", "e"]).await), "CANNOT");
    assert_eq!(client.rlist("", "%").await.unwrap().len(), 1);
    assert_eq!(client.rlsub("", "%").await.unwrap().len(), 1);
}
