//! `maild` takes connections by LMTP, behind proxies, and at sockets that systemd has opened.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
};

use mailwire_transport::{
    Endpoint,
    proxy_protocol::{Header, Origin, Version},
    smtp::{self, Envelope},
};

use super::world::{Maild, World, arrived};

#[tokio::test]
async fn lmtp_answers_for_each_recipient() {
    let world = World::new("lmtp = \"unix:lmtp\"\n");
    let maild = world.start();
    let mut config = smtp::Config::anonymous();
    config.lmtp = true;
    let mut client = smtp::Client::connect_with(Endpoint::unix(world.path("lmtp")), config).await.unwrap();
    let to = ["anna@example.org", "carol@example.org", "bob@example.org", "bob@example.net"];
    let envelope = Envelope::new("dan@example.net", to).unwrap();
    let sent = client.send(&envelope, "Subject: By LMTP\r\n\r\nHello.\r\n").await.unwrap();
    let refused: Vec<_> = sent.refused.iter().map(|refused| refused.recipient.to_string()).collect();
    assert_eq!(refused, ["<carol@example.org>", "<bob@example.net>"]);
    client.quit().await.unwrap();
    for user in ["anna", "bob"] {
        let [message] = &arrived(&mut maild.imap(user).await, 1).await[..] else { panic!() };
        assert!(message.contains("with LMTP") && message.contains("Subject: By LMTP"), "{message}");
    }
    assert_eq!(maild.end(), 0);
}

/// Brings a message to bob, line after line; `first` comes before the greeting. Returns what was answered.
fn bring(port: u16, first: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(first).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let mut answered = String::new();
    for line in [
        "",
        "HELO client.test",
        "MAIL FROM:<dan@example.net>",
        "RCPT TO:<bob@example.org>",
        "DATA",
        "Subject: x\r\n\r\n.",
    ] {
        if !line.is_empty() {
            // Whoever is not let in is told nothing.
            let _ = write!(stream, "{line}\r\n");
        }
        let mut reply = String::new();
        let _ = replies.read_line(&mut reply);
        answered += reply.get(..3).unwrap_or("---");
    }
    answered
}

#[tokio::test]
async fn proxies_say_who_comes() {
    let world = World::new("");
    world.configure_first("proxies = [\"127.0.0.0/8\"]\n");
    let maild = world.start();
    let (source, destination) = ("192.0.2.7:51000".parse().unwrap(), "198.51.100.1:25".parse().unwrap());
    let header = |version| Header::new(version, Origin::Inet { source, destination }).to_bytes();
    for version in [Version::V1, Version::V2] {
        assert_eq!(bring(maild.port("smtp"), &header(version)), "220250250250354250");
    }
    // Nobody comes by the proxy.
    assert_eq!(bring(maild.port("smtp"), b""), "------------------");
    assert_eq!(maild.end(), 0);

    // Who is not a proxy says nothing of others.
    world.configure("");
    world.configure_first("proxies = [\"192.0.2.0/24\"]\n");
    let maild = world.start();
    assert_eq!(bring(maild.port("smtp"), &header(Version::V1)), "------------------");
    assert_eq!(maild.end(), 0);
    world.configure("");
    let maild = world.start();
    let messages = arrived(&mut maild.imap("bob").await, 2).await;
    assert_eq!(messages.len(), 2);
    for message in messages {
        assert!(message.contains("[192.0.2.7]"), "{message}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn sockets_of_systemd_are_served() {
    use std::{net::TcpListener, os::fd::OwnedFd, process::Command};

    let world = World::new("");
    let text = std::fs::read_to_string(world.path("maild.toml")).unwrap();
    let own = "imaps = \"127.0.0.1:0\"";
    world.folder.file("maild.toml", text.replace(own, "imaps = \"systemd:imaps.socket\""));
    // As systemd does it: the process has the socket as number 3, and its name.
    let imaps = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = imaps.local_addr().unwrap().port();
    let plain = world.command();
    let mut command = Command::new("sh");
    command
        .args(["-c", "LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&0 </dev/null"])
        .arg(plain.get_program())
        .args(plain.get_args())
        .current_dir(world.folder.path())
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDNAMES", "imaps.socket")
        .stdin(OwnedFd::from(imaps));
    let maild = Maild::start(&mut command, world.path("mail.db.cert.pem"));
    assert_eq!(maild.port("imaps"), port);
    maild.imap("anna").await.logout().await.unwrap();
    assert_eq!(maild.end(), 0);
    // Without it, that is told.
    world.maild(&[]).expect(69, &["systemd has opened no socket of the name \"imaps.socket\""]);
}
