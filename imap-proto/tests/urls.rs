//! IMAP URLs: RFC 5092, with those of RFC 4467 and RFC 5593.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use arbitrary::{Arbitrary, Unstructured};
use mailwire_imap::{
    types::{MailboxName, Uid},
    url::{Access, ImapUrl, MailboxRef, MessageRef, Server, Target, UrlAuth, UrlText, Verifier},
};
use proptest::prelude::*;

fn parse(url: &str) -> ImapUrl {
    ImapUrl::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn message(url: &str) -> MessageRef {
    match parse(url).target {
        Some(Target::Message(part)) => *part,
        other => panic!("{url}: {other:?}"),
    }
}

/// Examples of RFC 5092, RFC 4467, RFC 4469 and RFC 5550, which are written as they came.
#[test]
fn examples_of_the_rfcs() {
    for url in [
        "imap://psicorp.example.org",
        "imap://minbari.example.org/gray-council;UIDVALIDITY=385759045/;UID=20/;PARTIAL=0.1024",
        "imap://psicorp.example.org/~peter/%E6%97%A5%E6%9C%AC%E8%AA%9E/%E5%8F%B0%E5%8C%97",
        "imap://;AUTH=GSSAPI@minbari.example.org/gray-council/;UID=20/;SECTION=1.2",
        "imap://;AUTH=*@minbari.example.org/gray%20council?SUBJECT%20shadows",
        "imap://john;AUTH=*@minbari.example.org/babylon5/personel?charset%20UTF-8%20SUBJECT%20%7B14+%7D%0D%0A%D0%98%D0%B2%D0%B0%D0%BD%D0%BE%D0%B2%D0%B0",
        "imap://joe@example.com/INBOX/;UID=20/;SECTION=1.2;URLAUTH=submit+fred:internal:91354a473744909de610943775f92038",
        "imap://joe@example.com/INBOX/;UID=20;EXPIRE=2006-10-01T12:00:00Z;URLAUTH=anonymous",
        "imap://joe@[2001:db8::1]:1143/a/;UID=1;EXPIRE=2006-10-01T12:00:00-02:30;URLAUTH=stream",
        "imap://joe@example.com/a/;UID=1;URLAUTH=other+ann%20b",
        "imap://%E5%8F%B0.example.org/a%20b",
        "imap://example.com:143/a/;UID=1/;SECTION=HEADER.FIELDS%20(To%20From)/;PARTIAL=5",
    ] {
        assert_eq!(parse(url).to_string(), url);
    }
    let part =
        message("imap://example.com/Drafts;uidvalidity=385759045/;uid=20/;section=1.mime/;partial=7.9");
    assert_eq!(part.mailbox.uid_validity.unwrap().get(), 385_759_045);
    assert_eq!(part.to_string(), "Drafts;UIDVALIDITY=385759045/;UID=20/;SECTION=1.MIME/;PARTIAL=7.9");
    assert_eq!((part.partial.unwrap().offset, part.partial.unwrap().length.unwrap().get()), (7, 9));
    let auth = message(
        "imap://joe@example.com/a/;UID=1;URLAUTH=USER+Fred:INTERNAL:91354a473744909de610943775f92038",
    )
    .auth
    .unwrap();
    assert_eq!(auth.access, Access::User(UrlText::new("Fred").unwrap()));
    assert!(auth.verifier.unwrap().mechanism.eq_ignore_ascii_case("internal"));
    assert!(
        parse("imap://example.com/").target.is_none() && parse("IMAP://example.com:").server.port.is_none()
    );
}

#[test]
fn mailboxes_are_in_unicode_whatever_stands_for_them_on_the_wire() {
    let part = message("imap://example.com/Entw%C3%BCrfe%20%26%20mehr/;UID=1");
    assert_eq!(part.mailbox.name(), "Entwürfe & mehr");
    let wire = MailboxName::new(part.mailbox.name()).unwrap();
    assert_eq!(wire.as_bytes(), b"Entw&APw-rfe &- mehr");
    assert_eq!(MailboxRef::try_from(&wire).unwrap(), part.mailbox);
    // What would be read as something else.
    for (name, written) in [
        ("/a", "%2Fa"),
        ("a/../b", "a/%2E%2E/b"),
        ("./a", "%2E/a"),
        ("..", "%2E%2E"),
        ("a/", "a/"),
        ("a//b", "a//b"),
        ("//", "%2F/"),
        ("a;UID=1", "a%3BUID=1"),
        ("a?b%c", "a%3Fb%25c"),
        ("...", "..."),
    ] {
        let mailbox = MailboxRef::new(name).unwrap();
        assert_eq!(mailbox.to_string(), written);
        let target = Target::from(MessageRef::new(mailbox, Uid::MIN));
        assert_eq!(Target::parse(target.to_string(), None).unwrap(), target, "{name}");
    }
}

#[test]
fn what_is_no_url_is_refused_where_it_ends_being_one() {
    for (url, offset) in [
        ("http://example.com/", 0),
        ("imap:/example.com", 0),
        ("imap://", 7),
        ("imap://@example.com", 7),
        ("imap://a:b@example.com", 9),
        ("imap://example.com/%zz", 19),
        ("imap://example.com/%00", 19),
        ("imap://example.com/%0D%0A", 19),
        ("imap://example.com/%FF", 19),
        ("imap://example.com/a b", 20),
        ("imap://example.com/a/;UID=0", 26),
        ("imap://example.com/a/;UID=4294967296", 26),
        ("imap://example.com/a;UIDVALIDITY=x/;UID=1", 33),
        ("imap://example.com/a/;UID=1/;SECTION=", 37),
        ("imap://example.com/a/;UID=1/;PARTIAL=1.0", 39),
        ("imap://example.com/a/;UID=1;URLAUTH=", 36),
        ("imap://example.com/a/;UID=1;URLAUTH=authuser:INTERNAL:00", 54),
        ("imap://example.com/a/;UID=1;EXPIRE=2006-02-30T12:00:00Z;URLAUTH=authuser", 35),
        ("imap://example.com/a/;UID=1;EXPIRE=2006-02-03T12:00:00Z", 27),
        ("imap://example.com/a/;UID=1x", 27),
        ("imap://example.com:99999/", 19),
        ("imap://a;AUTH=%00@example.com", 14),
        ("imap://[::1/", 11),
    ] {
        let error = ImapUrl::parse(url).unwrap_err();
        assert_eq!(error.offset, offset, "{url}: {error}");
    }
    for section in ["MIME", "1.", "HEADER.FIELDS%20()", "1%5D%5B2", "%7B3%7D%0D%0Aabc"] {
        ImapUrl::parse(format!("imap://example.com/a/;UID=1/;SECTION={section}")).unwrap_err();
    }
    assert!(Server::new("a/b").is_err() && Server::new("").is_err() && Server::new("[::1]").is_ok());
    assert!(MailboxRef::new("").is_err() && MailboxRef::new("a\r\nb").is_err() && UrlText::new("").is_err());
    let internal = mailwire_imap::url::AuthMechanism::INTERNAL;
    assert!(
        Verifier::new(internal.clone(), "00").is_err() && Verifier::new(internal, "x".repeat(32)).is_err()
    );
    assert!(Access::application("a+b", None).is_err());
    assert!(matches!(Access::application("SUBMIT", UrlText::new("x").ok()), Ok(Access::Submit(_))));
    assert!(UrlAuth::new(Access::AuthUser).verifier.is_none());
}

/// RFC 5092 section 9.1, RFC 3986 section 5.4.
#[test]
fn relative_to_what_is_known() {
    let mailbox = "imap://joe@example.com/INBOX;UIDVALIDITY=7";
    let part = "imap://joe;AUTH=*@example.com/a/b/;UID=20/;SECTION=1";
    for (base, reference, resolved) in [
        (mailbox, "/foo/;UID=20/..", "imap://joe@example.com/foo"),
        (mailbox, ";UID=20", "imap://joe@example.com/INBOX;UIDVALIDITY=7/;UID=20"),
        (mailbox, "other/;UID=1", "imap://joe@example.com/other/;UID=1"),
        (mailbox, "", mailbox),
        (mailbox, "?ALL", "imap://joe@example.com/INBOX;UIDVALIDITY=7?ALL"),
        (mailbox, "/", "imap://joe@example.com"),
        (mailbox, "//other.example/x", "imap://other.example/x"),
        (mailbox, "imap://other.example/x", "imap://other.example/x"),
        (part, ";SECTION=2", "imap://joe;AUTH=*@example.com/a/b/;UID=20/;SECTION=2"),
        (part, "../;UID=21", "imap://joe;AUTH=*@example.com/a/b/;UID=21"),
        (part, "../../c/;UID=1", "imap://joe;AUTH=*@example.com/a/c/;UID=1"),
        (part, "../../../../../x", "imap://joe;AUTH=*@example.com/x"),
        (
            "imap://example.com/a/b",
            "..;UIDVALIDITY=385759045/;UID=20",
            "imap://example.com/a/..;UIDVALIDITY=385759045/;UID=20",
        ),
        ("imap://example.com", "a/;UID=1", "imap://example.com/a/;UID=1"),
    ] {
        let found = parse(base).resolve(reference).unwrap_or_else(|error| panic!("{reference}: {error}"));
        // Where dots are no step, they are written so that nobody takes them for one.
        let resolved = resolved.replace("/..;", "/%2E%2E;");
        assert_eq!(found.to_string(), resolved, "{base} {reference}");
    }
    for (reference, selected) in [
        ("imap://example.com/a/;UID=1", None),
        ("//example.com/a/;UID=1", None),
        ("", None),
        (";UID=1", None),
        ("/..", None),
        (";UID=0", Some("a")),
    ] {
        let selected = selected.map(|name| MailboxRef::new(name).unwrap());
        Target::parse(reference, selected.as_ref()).unwrap_err();
    }
    let selected = MailboxRef::new("ü").unwrap();
    let target = Target::parse(";UID=3/;SECTION=TEXT", Some(&selected)).unwrap();
    assert_eq!(target.to_string(), "/%C3%BC/;UID=3/;SECTION=TEXT");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(seed in prop::collection::vec(any::<u8>(), 20..300)) {
        let Ok(url) = ImapUrl::arbitrary(&mut Unstructured::new(&seed)) else { return Ok(()) };
        let written = url.to_string();
        prop_assert!(written.bytes().all(|byte| byte.is_ascii_graphic()), "{}", written);
        let read = ImapUrl::parse(&written);
        prop_assert!(read.as_ref() == Ok(&url), "{}: {:?} {:?}", written, read, url);
        prop_assert_eq!(url.resolve(&written).unwrap(), url.clone());
        let Some(target) = &url.target else { return Ok(()) };
        let server = ImapUrl::new(url.server.clone());
        prop_assert!(server.resolve(target.to_string()).as_ref() == Ok(&url), "{}", target);
        prop_assert_eq!(&Target::parse(target.to_string(), None).unwrap(), target);
    }

    #[test]
    fn nothing_breaks_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..60), url in "[imap:/;UIDSECTON=?%20.#@\\[\\]a-c1]{0,60}") {
        let base = parse("imap://example.com/a/;UID=1");
        for text in [bytes.as_slice(), url.as_bytes(), &[b"imap://e/".as_slice(), url.as_bytes()].concat()] {
            for read in [ImapUrl::parse(text), base.resolve(text)] {
                let Ok(read) = read else { continue };
                prop_assert!(ImapUrl::parse(read.to_string()).as_ref() == Ok(&read), "{}", read);
            }
        }
    }
}
