//! What leaves: by a smart host that fails.

use std::net::TcpListener;

use mailwire_store::testing::{Config, Fault, MailServer};
use mailwire_transport::{
    Protocol, Security,
    smtp::report::{Action, Limits, Report},
};

use super::{
    dns::Zone,
    world::{LONG, World, arrived},
};

/// A server of mail that fails so.
async fn smart_host(faults: impl IntoIterator<Item = Fault>) -> MailServer {
    let clear = Security::plaintext_without_encryption();
    let config = Config::new().with_listener(Protocol::Smtp, clear, "127.0.0.1:0").with_faults(faults);
    MailServer::start_with(config).await.unwrap()
}

fn by(port: u16) -> String {
    format!("[outgoing]\nto = \"smtp://127.0.0.1:{port}?tls=none\"\n[queue]\nfirst-retry = \"1s\"\n")
}

fn port(server: &MailServer) -> u16 {
    server.address(Protocol::Smtp, Security::plaintext_without_encryption()).port()
}

#[tokio::test]
async fn what_is_refused_for_now_is_sent_again_and_what_is_for_good_is_told() {
    let faults = [
        Fault::reply("451 4.2.1 Later").before("RCPT"),
        // Of the second message; the first has taken two already.
        Fault::reply("550 5.1.1 Nobody of that name").before("RCPT").nth(2),
    ];
    let server = smart_host(faults).await;
    let world = World::new(&by(port(&server)));
    let maild = world.start();
    maild.send("anna", &["dan@example.net"], "Once").await.unwrap();
    let came = server.wait_for(1, LONG).await.unwrap();
    assert_eq!(
        (came[0].from(), came[0].recipients()),
        ("anna@example.org".into(), vec!["dan@example.net".into()])
    );
    assert_eq!(came[0].subject().as_deref(), Some("Once"));

    maild.send("anna", &["erin@example.net", "bob@example.org"], "Never").await.unwrap();
    let mut anna = maild.imap("anna").await;
    let [bounce] = &arrived(&mut anna, 1).await[..] else { panic!() };
    assert!(bounce.starts_with("Return-Path: <>\r\n"), "{bounce}");
    let report = Report::parse(&bounce.clone().into(), &Limits::default()).unwrap();
    let Report::Delivery(report) = report else { panic!("{report:?}") };
    let [recipient] = &report.recipients[..] else { panic!("{report:?}") };
    assert_eq!((recipient.recipient.text(), &recipient.action), ("erin@example.net", &Action::Failed));
    assert_eq!(recipient.diagnostic.as_ref().unwrap().text(), "550 5.1.1 Nobody of that name");
    assert!(bounce.contains("Subject: Never"), "{bounce}");
    // The other recipient has it.
    assert_eq!(arrived(&mut maild.imap("bob").await, 1).await.len(), 1);
    assert_eq!(server.messages().len(), 1);
}

#[tokio::test]
async fn what_was_taken_survives_a_kill() {
    // A smart host that says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let world = World::new(&by(silent.local_addr().unwrap().port()));
    let maild = world.start();
    maild.send("anna", &["dan@example.net", "bob@example.org"], "Still here").await.unwrap();
    // It is on its way, and the way to others has begun.
    let (_connection, _) = silent.accept().unwrap();
    assert_eq!(arrived(&mut maild.imap("bob").await, 1).await.len(), 1);
    maild.kill();

    let listed = world.maild(&["queue", "list"]);
    listed.expect(0, &[]);
    assert!(listed.out.contains("anna@example.org\n    dan@example.net next: now"), "{}", listed.out);
    let server = smart_host([]).await;
    world.configure(&by(port(&server)));
    let maild = world.start();
    let came = server.wait_for(1, LONG).await.unwrap();
    assert_eq!(came[0].recipients(), ["dan@example.net"]);
    assert_eq!(maild.end(), 0);
    assert_eq!((server.messages().len(), world.maild(&["queue", "list"]).out.as_str()), (1, ""));
}

#[tokio::test]
async fn what_waits_is_listed_flushed_and_removed() {
    // Nobody is there.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let world = World::new(
        &by(closed).replace("1s", "1h").replace("[queue]", "[queue]\nmessages = 2\nlongest-retry = \"1h\""),
    );
    let maild = world.start();
    for subject in ["One", "Two"] {
        maild.send("anna", &["dan@example.net"], subject).await.unwrap();
    }
    let error = maild.send("anna", &["dan@example.net"], "Three").await.unwrap_err().to_string();
    assert!(error.contains("4.3.1 The queue is full"), "{error}");
    let list = |what: &str| loop {
        let listed = world.maild(&["queue", "list"]);
        listed.expect(0, &[]);
        // Until what is being tried is written down.
        if listed.out.matches(what).count() == 2 {
            break listed.out;
        }
    };
    let first = list("attempts: 1 4.4.1 ");
    assert!(first.starts_with("1 ") && first.contains("\n2 "), "{first}");
    let flushed = world.maild(&["queue", "flush"]);
    assert_eq!(flushed.out, "2 recipients are tried now\n");
    list("attempts: 2 4.4.1 ");
    assert_eq!(world.maild(&["queue", "remove", "1"]).out, "1 recipients do not get it\n");
    world.maild(&["queue", "remove", "1"]).expect(64, &["the message 1 is not there"]);
    assert!(world.maild(&["queue", "list"]).out.starts_with("2 "));
    assert_eq!(maild.end(), 0);
}

#[tokio::test]
async fn others_have_it_by_the_hosts_of_their_domain() {
    let config = Config::new().with_listener(Protocol::Smtp, Security::required_starttls(), "127.0.0.1:0");
    let server = MailServer::start_with(config).await.unwrap();
    let port = server.address(Protocol::Smtp, Security::required_starttls()).port();
    // The better host is not there; one domain takes no mail, and one does not exist.
    let zone = Zone::default()
        .mx("example.net", 10, "gone.example.net")
        .mx("example.net", 20, "mx.example.net")
        .address("gone.example.net", [127, 0, 0, 9])
        .address("mx.example.net", [127, 0, 0, 1])
        .mx("null.test", 0, ".")
        .serve();
    let world = World::new(&format!(
        "[dns]\nservers = [\"127.0.0.1:{zone}\"]\n[outgoing]\nto = \"mx\"\nport = {port}\n[queue]\nfirst-retry = \"1s\"\n"
    ));
    let maild = world.start();
    let to = ["dan@example.net", "erin@example.net", "bob@example.org", "x@null.test", "x@nowhere.test"];
    maild.send("anna", &to, "To all").await.unwrap();
    let came = server.wait_for(1, LONG).await.unwrap();
    assert_eq!(came[0].recipients(), ["dan@example.net", "erin@example.net"]);
    // Whatever the certificate.
    assert!(came[0].client.tls, "{:?}", came[0].client);
    assert_eq!(arrived(&mut maild.imap("bob").await, 1).await.len(), 1);
    let [bounce] = &arrived(&mut maild.imap("anna").await, 1).await[..] else { panic!() };
    for said in ["x@null.test", "Status: 5.1.10", "x@nowhere.test", "Status: 5.1.2"] {
        assert!(bounce.contains(said), "no {said} in {bounce}");
    }
    assert_eq!(maild.end(), 0);
    assert_eq!((server.messages().len(), world.maild(&["queue", "list"]).out.as_str()), (1, ""));
}
