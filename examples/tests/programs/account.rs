//! Servers and accounts as URLs.

use crate::{
    peer::{Answer::Usual, Peer, say},
    run::{PASSWORD, Run as _, Serve, TestFolder, program},
};

#[test]
fn a_url_says_server_user_and_mailbox() {
    let peer = Peer::imap(
        |_, line| if line.contains("EXAMINE Archive") { say("TAG NO none here\r\n") } else { Usual },
    );
    let url = format!("imap://anna;AUTH=+LOGIN@127.0.0.1:{}/Archive?tls=none&credentials=clear", peer.port);
    program("fetch").args(["--server", &url]).run().expect(69, &["none here"]);
    assert_eq!(peer.count(&format!("LOGIN anna \"{PASSWORD}\"")), 1, "{:?}", peer.said());

    let peer = Peer::pop3(|_, _| Usual);
    let url = format!("pop3://anna;AUTH=+LOGIN:se%3Acret@127.0.0.1:{}?tls=none&credentials=clear", peer.port);
    let ended = program("pop").args(["--server", &url]).run();
    ended.expect(0, &[]);
    assert_eq!((peer.count("USER anna"), peer.count("PASS se:cret")), (1, 1), "{:?}", peer.said());
}

#[test]
fn a_url_says_lmtp_or_smtp() {
    let folder = TestFolder::new();
    let message = folder.file("1.eml", "Subject: 1\n\nhi\n");
    for (scheme, hello) in [("smtp", "EHLO "), ("submission", "EHLO "), ("lmtp", "LHLO ")] {
        let peer = Peer::smtp(
            |_, line| if line.starts_with("LHLO") { say("250 mx.example.net\r\n") } else { Usual },
        );
        let url = format!("{scheme}://127.0.0.1:{}?tls=none", peer.port);
        let mut send = program("send");
        send.args(["--server", &url, "--from", "a@example.org", "--to", "bob@example.net"]).arg(&message);
        send.run().expect(0, &[]);
        assert_eq!(peer.count(hello), 1, "{:?}", peer.said());
    }
}

#[test]
fn mistakes_in_a_url_are_told_without_its_password() {
    let peer = Peer::imap(|_, _| Usual);
    let clear = format!("imap://anna:hunter2@127.0.0.1:{}?tls=none", peer.port);
    for (name, arguments, words) in [
        ("fetch", &["--server", "imaps://anna@b:hunter2@h"][..], "is written %40"),
        ("fetch", &["--server", "pop3s://anna:hunter2@h"], "pop3s://anna@h is of another protocol"),
        ("pop", &["--server", "pop3s://h"], "a user is needed"),
        (
            "fetch",
            &["--server", "imaps://anna:hunter2@h", "--security", "tls"],
            "a URL says it by its scheme",
        ),
        ("fetch", &["--server", "imaps://anna:hunter2@h", "--user", "bob"], "the URL says anna"),
        ("fetch", &["--server", "imap://anna:hunter2@h?tls=yes"], "expected starttls, implicit or none"),
        (
            "extensions",
            &["--server", "imaps://anna:hunter2@h/INBOX"],
            "the mailbox INBOX of the URL is not used",
        ),
        (
            "migrate",
            &["--from", "imaps://anna:hunter2@h/Box", "--to", "imaps://anna:hunter2@i"],
            "the mailbox Box of the URL is not used",
        ),
    ] {
        let ended = program(name).args(arguments).run();
        assert!(!ended.err.contains("hunter2") && !ended.out.contains("hunter2"), "{}", ended.err);
        ended.expect(64, &[words]);
    }
    // Plaintext is one thing, a password in it another.
    let ended = program("fetch").args(["--server", &clear]).run();
    assert_ne!(ended.status, 0);
    assert!(peer.said().iter().all(|line| !line.contains("hunter2")), "{:?}", peer.said());
}

#[test]
fn a_proxy_is_used_where_it_is_asked_for() {
    // Nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
    drop(listener);
    let peer = Peer::imap(|_, _| Usual);
    let url = format!("imap://anna@127.0.0.1:{}?tls=none&credentials=clear", peer.port);
    let fetch = |more: &[&str], no_proxy| {
        let mut fetch = program("fetch");
        fetch.args(["--server", &url]).args(more);
        fetch.env("ALL_PROXY", format!("socks5://anna:hunter2@{proxy}")).env("NO_PROXY", no_proxy);
        fetch.env_remove("all_proxy").env_remove("no_proxy").run()
    };
    let through = format!("through the proxy {proxy}: connecting: ");
    fetch(&[], "").expect(0, &[]);
    fetch(&["--proxy", "env"], "127.0.0.0/8").expect(0, &[]);
    let failed = fetch(&["--proxy", "env"], "");
    failed.expect(75, &[&through]);
    assert!(!failed.err.contains("hunter2"));
    fetch(&["--proxy", &format!("http://{proxy}")], "*").expect(75, &[&through]);
    fetch(&["--proxy", "ftp://x:hunter2@y"], "").expect(64, &["expected socks5:// or http://"]);
}

#[test]
fn sync_remembers_whose_mailbox_it_is_without_the_password() {
    let folder = TestFolder::new();
    let serve = Serve::start(&["imaps"], &[]);
    let port = serve.port("imaps");
    let url = format!("imaps://anna:{PASSWORD}@127.0.0.1:{port}/INBOX");
    let (ca, mail) = (folder.file("ca.pem", &serve.authority), folder.path().join("mail"));
    let mut sync = program("sync");
    sync.args(["--server", &url, "--ca"]).arg(&ca).arg(&mail).env_remove("MAILWIRE_PASSWORD");
    sync.run().expect(0, &[]);
    let state = std::fs::read_to_string(mail.join(".mailwire-sync")).unwrap();
    assert!(!state.contains(PASSWORD), "{state}");
    // The same account in other words.
    let server = format!("127.0.0.1:{port}");
    let mut sync = program("sync");
    sync.args(["--server", &server, "--user", "anna", "--ca"]).arg(&ca).arg(&mail);
    let again = sync.run();
    again.expect(0, &[]);
    assert!(!again.err.contains("it begins anew"), "{}", again.err);
    // The URL says which mailbox.
    let ended = program("sync").args(["--server", &format!("{url}2"), "--ca"]).arg(&ca).arg(&mail).run();
    assert!(ended.status != 0 && ended.err.contains("INBOX2"), "{}", ended.err);
    assert!(!ended.err.contains(PASSWORD), "{}", ended.err);
    // As there is none, what is known of the other stays.
    assert_eq!(std::fs::read_to_string(mail.join(".mailwire-sync")).unwrap(), state);
}
