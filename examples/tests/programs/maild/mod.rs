//! The mail server: what it takes is there, or is told not to be.

mod checks;
mod dns;
mod held;
mod listening;
mod outgoing;
#[cfg(feature = "postgres")]
mod postgres;
mod wishes;
mod world;

use std::{fs, time::Duration};

use mailwire_transport::{imap, pop3, sasl::Credentials, smtp};

use self::world::{Maild, World, arrived};
use crate::run::{PASSWORD, Run as _, TestFolder, program};

/// The options of a server on free ports.
const FREE: [&str; 8] = [
    "--listen",
    "imaps=127.0.0.1:0",
    "--listen",
    "pop3s=127.0.0.1:0",
    "--listen",
    "submissions=127.0.0.1:0",
    "--http",
    "127.0.0.1:0",
];

#[tokio::test]
async fn it_works_from_nothing_and_what_it_has_stays() {
    let folder = TestFolder::new();
    let start = || {
        let mut command = program("maild");
        command.current_dir(folder.path()).args(["--store", "sqlite:mail.db"]).args(FREE);
        Maild::start(&mut command, folder.path().join("mail.db.cert.pem"))
    };
    let maild = start();
    assert!(maild.said.recv().unwrap().contains("mail.db.cert.pem: made"));
    let line = maild.said.recv().unwrap();
    let password = line.strip_prefix("the first user is postmaster, with the password ").unwrap();
    let user = Credentials::password("postmaster", password);
    #[cfg(unix)]
    for name in folder.path().read_dir().unwrap() {
        use std::os::unix::fs::PermissionsExt as _;
        let name = name.unwrap();
        assert_eq!(name.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name:?}");
    }

    let mut client = smtp::Client::connect(maild.tls("submissions"), &user).await.unwrap();
    let envelope = smtp::Envelope::new("postmaster@localhost", ["postmaster@localhost"]).unwrap();
    let message = "From: postmaster@localhost\r\nSubject: To myself\r\n\r\nHello.\r\n";
    let _sent = client.send(&envelope, message).await.unwrap();
    client.quit().await.unwrap();
    let mut client = imap::Client::connect(maild.tls("imaps"), &user).await.unwrap();
    let [message] = &arrived(&mut client, 1).await[..] else { panic!() };
    assert!(message.starts_with("Return-Path: <postmaster@localhost>\r\nReceived: from "), "{message}");
    for field in ["with ESMTPSA", "\r\nDate: ", "\r\nMessage-ID: <", "\r\nSubject: To myself\r\n"] {
        assert!(message.contains(field), "no {field:?} in {message}");
    }
    assert_eq!(maild.get("/health"), (200, "ok\n".to_owned()));
    let (status, metrics) = maild.get("/metrics");
    assert_eq!(status, 200);
    for line in [
        "# TYPE mailwire_connections_opened_total counter\n",
        "mailwire_logins_total{protocol=\"imap\",role=\"server\",result=\"ok\",mechanism=\"SCRAM-SHA-256-PLUS\"} 1\n",
        "maild_queue_attempts_total{result=\"delivered\"} 1\n",
        "maild_queue_messages 0\n",
        "mailwire_tls_handshake_seconds_bucket{role=\"server\",le=\"+Inf\"} 2\n",
    ] {
        assert!(metrics.contains(line), "no {line:?} in {metrics}");
    }
    assert_eq!(maild.get("/").0, 200);
    assert_eq!(maild.get("/mail.db").0, 404);
    drop(client);
    assert_eq!(maild.end(), 0);

    // The second time nothing is made.
    let maild = start();
    let mut client = pop3::Client::connect(maild.tls("pop3s"), &user).await.unwrap();
    assert_eq!(client.stat().await.unwrap().messages, 1);
    client.quit().await.unwrap();
    assert!(maild.said.try_recv().is_err());
    // It is for one process at a time.
    let mut second = program("maild");
    second.current_dir(folder.path()).args(["--store", "sqlite:mail.db"]).args(FREE);
    second.run().expect(69, &["another process runs this queue"]);
    maild.kill();
}

#[tokio::test]
async fn users_write_to_each_other_and_as_nobody_else() {
    let world = World::new("");
    assert_eq!(world.maild(&["user", "list"]).out, "anna\nbob\n");
    world.maild(&["user", "add", "anna"]).expect(69, &["the user anna", "taken"]);
    world.maild(&["user", "passwd", "carol"]).expect(69, &["no such user"]);
    let maild = world.start();
    maild.send("anna", &["bob@example.org", "anna@example.org", "bob@localhost"], "To us").await.unwrap();
    for user in ["anna", "bob"] {
        let messages = arrived(&mut maild.imap(user).await, 1).await;
        assert!(messages.len() == 1 && messages[0].contains("To us"), "{messages:?}");
    }
    for (to, said) in [
        ("carol@example.org", "5.1.1 No such user here"),
        ("dan@example.net", "5.7.1 No mail leaves from here"),
    ] {
        let error = maild.send("anna", &[to], "To others").await.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    let mut client = maild.submission("anna").await;
    let envelope = smtp::Envelope::new("bob@example.org", ["anna@example.org"]).unwrap();
    let error = client.send(&envelope, "Subject: From bob?\r\n\r\n").await.unwrap_err().to_string();
    assert!(error.contains("5.7.1 The address is not yours"), "{error}");

    // With another password.
    let mut change = world.command();
    change.args(["user", "passwd", "bob"]).env("MAILWIRE_PASSWORD", "another-horse").run().expect(0, &[]);
    let old = Credentials::password("bob", PASSWORD);
    assert!(imap::Client::connect(maild.tls("imaps"), &old).await.unwrap_err().is_authentication());
    let new = Credentials::password("bob", "another-horse");
    imap::Client::connect(maild.tls("imaps"), &new).await.unwrap().logout().await.unwrap();
}

#[test]
fn what_is_wrong_in_the_configuration_is_told() {
    let folder = TestFolder::new();
    let check = |text: &str| {
        folder.file("maild.toml", text);
        let mut command = program("maild");
        command.current_dir(folder.path()).args(["check-config", "--config", "maild.toml"]).run()
    };
    let store = "store = \"sqlite:mail.db\"\n";
    check(store).expect(0, &[]);
    check("").expect(64, &["maild.toml: store: where users and mail are kept is not said"]);
    #[cfg(feature = "postgres")]
    check("store = \"postgres://mail@localhost/mail\"\n")
        .expect(64, &["maild.toml: queue.file: is not said: each server has a queue of its own"]);
    check(&format!("{store}[queue]\ngive_up = \"5d\"\n"))
        .expect(64, &["maild: maild.toml:3: unknown field `give_up`, expected one of ", "`give-up`"]);
    check(&format!("{store}[listen]\nlmtp = \"0.0.0.0:24\"\n")).expect(64, &["lmtp = \"0.0.0.0:24\""]);
    let tls = format!("{store}[tls]\ncertificate = \"none.pem\"\nkey = \"none.pem\"\n");
    check(&tls).expect(69, &["none.pem: No such file"]);
    let mut missing = program("maild");
    missing.args(["--config", "/none.toml"]).run().expect(66, &["/none.toml: No such file"]);
    program("maild").run().expect(64, &["sqlite:FILE"]);
    // Nothing was made.
    assert_eq!(folder.names(), ["maild.toml"]);
}

#[cfg(unix)]
#[tokio::test]
async fn systemd_is_told_and_certificates_are_read_again() {
    use std::os::unix::net::UnixDatagram;

    use mailwire_transport::testing::TestCa;

    let write = |world: &World, ca: &TestCa| {
        let identity = ca.server(&["localhost", "127.0.0.1"]).unwrap();
        fs::write(world.path("chain.pem"), identity.chain_pem).unwrap();
        fs::write(world.path("key.pem"), identity.key_pem).unwrap();
        fs::write(world.path("root.pem"), ca.root_pem()).unwrap();
    };
    let world = World::new("[tls]\ncertificate = \"chain.pem\"\nkey = \"key.pem\"\n");
    write(&world, &TestCa::new().unwrap());
    let socket = UnixDatagram::bind(world.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let told = || {
        let mut bytes = [0; 100];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let mut command = world.command();
    let maild = Maild::start(command.env("NOTIFY_SOCKET", world.path("notify")), world.path("root.pem"));
    assert_eq!(told(), "READY=1");
    maild.imap("anna").await.logout().await.unwrap();
    write(&world, &TestCa::new().unwrap());
    maild.signal("-HUP");
    let anna = Credentials::password("anna", PASSWORD);
    while let Err(error) = imap::Client::connect(maild.tls("imaps"), &anna).await {
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    assert_eq!(maild.end(), 0);
    assert_eq!(told(), "STOPPING=1");
    // One that cannot be used is told before anything starts.
    fs::write(world.path("key.pem"), "nothing").unwrap();
    world.maild(&[]).expect(69, &["key.pem"]);
}
