use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    process::Command,
};

use crate::run::{PASSWORD, Run as _, Serve, TestFolder, program};

/// A program as a client of `serve`, with TLS.
fn client(name: &str, serve: &Serve, protocol: &str, folder: &TestFolder) -> Command {
    let security = if protocol.ends_with('s') { "tls" } else { "starttls" };
    let server = format!("127.0.0.1:{}", serve.port(protocol));
    let mut command = program(name);
    command.args(["--user", "anna", "--security", security, "--server", &server, "--ca"]);
    command.arg(folder.file("ca.pem", &serve.authority));
    command
}

/// What a server in clear answers: the last line of each reply.
fn answers(port: u16, lines: &[&str]) -> Vec<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut next = || {
        let reply = replies.by_ref().map(Result::unwrap).find(|line| line.as_bytes().get(3) != Some(&b'-'));
        reply.unwrap()
    };
    next();
    let mut answer = |line: &&str| {
        stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        next()
    };
    lines.iter().map(&mut answer).collect()
}

#[test]
fn people_s_devices_are_served_unless_it_is_strict() {
    let lines = ["EHLO my_pc", "EHLO x", "MAIL FROM: <a@example.org>", "QUIT"];
    let serve = Serve::start(&["smtp"], &[]);
    let patient: Vec<String> = answers(serve.port("smtp"), &lines);
    assert!(patient[..3].iter().all(|reply| reply.starts_with("250 ")), "{patient:?}");
    let serve = Serve::start(&["smtp"], &["--strict"]);
    let strict: Vec<String> = answers(serve.port("smtp"), &lines);
    assert!(strict[0].starts_with("501 ") && strict[2].starts_with("501 "), "{strict:?}");
    assert!(strict[1].starts_with("250 "), "{strict:?}");
}

#[test]
fn it_fails_as_it_is_told() {
    let lines = [
        "EHLO x",
        "MAIL FROM:<a@example.org>",
        "RCPT TO:<anna@example.org>",
        "RCPT TO:<bob@example.org>",
        "QUIT",
    ];
    let fault = "smtp before RCPT nth 2: reply 450 4.7.1 Later";
    let options = ["--fault", fault, "--fault", "imap before *: cut", "--catch-all", "anna", "--seed", "3"];
    let serve = Serve::start(&["smtp"], &options);
    let said = answers(serve.port("smtp"), &lines);
    assert_eq!(said[3], "450 4.7.1 Later");
    assert!(said[2].starts_with("250 ") && said[4].starts_with("221 "), "{said:?}");
    // The next client meets nothing: bob's mail is anna's.
    assert!(answers(serve.port("smtp"), &lines)[3].starts_with("250 "));
    let listen = ["--listen", "smtp=127.0.0.1:0"];
    let wrong = [
        ("before RCPT", "expected a colon"),
        ("before RCPT: explode", "expected what happens"),
        ("odds 2: cut", "odds are from 0 to 1"),
    ];
    for (fault, reason) in wrong {
        program("serve").args(listen).args(["--fault", fault]).run().expect(64, &[reason]);
    }
}

#[test]
fn without_users_everybody_has_a_mailbox() {
    let folder = TestFolder::new();
    let mut command = program("serve");
    let serve = Serve::of(command.args(["--listen", "smtp=127.0.0.1:0", "--listen", "imaps=127.0.0.1:0"]), 2);
    let message = folder.file("1.eml", "Subject: hi\r\n\r\n");
    let mut send = program("send");
    send.args(["--security", "starttls", "--server", &format!("127.0.0.1:{}", serve.port("smtp")), "--ca"]);
    send.arg(folder.file("ca.pem", &serve.authority));
    send.args(["--from", "anna@localhost", "--to", "anna@localhost"]).arg(&message);
    send.env_remove("MAILWIRE_PASSWORD").run().expect(0, &[]);
    let fetched = client("fetch", &serve, "imaps", &folder).run();
    fetched.expect(0, &[]);
    assert!(fetched.out.contains("hi"), "{}", fetched.out);
}

#[test]
fn what_is_in_a_file_stays() {
    let folder = TestFolder::new();
    let file = folder.file("mail.db", "");
    let store = format!("sqlite:{}", file.display());
    let message = folder.file("1.eml", "Subject: it stays\r\n\r\n");
    let serve = Serve::start(&["submission"], &["--store", &store]);
    let mut send = client("send", &serve, "submission", &folder);
    send.args(["--from", "anna@localhost", "--to", "anna@localhost"]).arg(&message).run().expect(0, &[]);
    // It is killed, and what was taken is there.
    serve.end();
    let serve = Serve::start(&["imaps", "pop3s"], &["--store", &store]);
    // The one lists subjects, the other numbers.
    for (program, protocol, listed) in [("fetch", "imaps", "it stays"), ("pop", "pop3s", "     1 ")] {
        let fetched = client(program, &serve, protocol, &folder).run();
        fetched.expect(0, &[]);
        assert!(fetched.out.contains(listed), "{}", fetched.out);
    }
    let listen = ["--listen", "imaps=127.0.0.1:0"];
    program("serve").args(listen).args(["--store", "postgres:x"]).run().expect(64, &["sqlite:FILE"]);
    program("serve")
        .args(listen)
        .args(["--store", &store, "--catch-all", "anna"])
        .run()
        .expect(64, &["--catch-all"]);
    let other = format!("sqlite:{}", message.display());
    program("serve").args(listen).args(["--store", &other]).run().expect(69, &["--store", "not a database"]);
}

#[test]
fn not_everybody_of_the_network_is_let_in_unless_it_is_told() {
    let here = ["--listen", "imaps=127.0.0.1:0"];
    let everywhere = ["--listen", "imaps=0.0.0.0:0"];
    program("serve").args(everywhere).run().expect(64, &["--user", "--everybody"]);
    program("serve").args(here).args(everywhere).run().expect(64, &["0.0.0.0:", "--everybody"]);
    let both = ["--everybody", "--user", "anna=x"];
    program("serve").args(here).args(both).run().expect(64, &["--everybody"]);
    drop(Serve::of(program("serve").args(everywhere).arg("--everybody"), 1));
    drop(Serve::of(program("serve").args(everywhere).args(["--user", "anna=x"]), 1));
}

#[test]
fn channel_binding_can_be_left_out() {
    let folder = TestFolder::new();
    for (options, plus) in [(&[][..], true), (&["--without-channel-binding"], false)] {
        let serve = Serve::start(&["imaps", "pop3s", "submissions"], options);
        let bound = ["--mechanism", "SCRAM-SHA-256-PLUS"];
        let status = if plus { 0 } else { 77 };
        client("fetch", &serve, "imaps", &folder).args(bound).run().expect(status, &[]);
        client("pop", &serve, "pop3s", &folder).args(bound).run().expect(status, &[]);
        // A client that could bind sees that it is not offered, and is let in.
        client("fetch", &serve, "imaps", &folder).run().expect(0, &[]);
        client("pop", &serve, "pop3s", &folder).run().expect(0, &[]);
    }
}

#[test]
fn what_is_offered_can_be_chosen() {
    let folder = TestFolder::new();
    let options = ["--mechanism", "CRAM-MD5", "--mechanism", "SCRAM-SHA-512"];
    let serve = Serve::start(&["imap", "pop3"], &options);
    for (mechanism, status) in [("CRAM-MD5", 0), ("SCRAM-SHA-512", 0), ("PLAIN", 77), ("DIGEST-MD5", 77)] {
        let chosen = ["--mechanism", mechanism];
        client("fetch", &serve, "imap", &folder).args(chosen).run().expect(status, &[]);
        client("pop", &serve, "pop3", &folder).args(chosen).run().expect(status, &[]);
    }
}

#[test]
fn the_mechanism_can_be_chosen() {
    let folder = TestFolder::new();
    let message = folder.file("1.eml", "Subject: hi\r\n\r\n");
    let serve = Serve::start(&["imap", "pop3", "submission"], &[]);
    for mechanism in ["plain", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"] {
        let chosen = ["--mechanism", mechanism];
        client("fetch", &serve, "imap", &folder).args(chosen).run().expect(0, &[]);
        client("pop", &serve, "pop3", &folder).args(chosen).run().expect(0, &[]);
        let mut send = client("send", &serve, "submission", &folder);
        send.args(chosen).args(["--from", "anna@localhost", "--to", "anna@localhost"]);
        send.arg(&message).run().expect(0, &[]);
    }
    client("pop", &serve, "pop3", &folder).args(["--mechanism", "user"]).run().expect(0, &[]);
    client("fetch", &serve, "imap", &folder).args(["--mechanism", "GSSAPI"]).run().expect(77, &["GSSAPI"]);
    client("fetch", &serve, "imap", &folder).args(["--mechanism", "CRAM-MD5"]).run().expect(77, &[]);
    client("fetch", &serve, "imap", &folder)
        .args(["--mechanism", "NOT A NAME"])
        .run()
        .expect(64, &["NOT A NAME"]);
    let ended = client("fetch", &serve, "imap", &folder).env("MAILWIRE_PASSWORD", "wrong").run();
    ended.expect(77, &[]);
}

/// The password as it is, in the base64 of LOGIN and in that of PLAIN; and what a message says.
#[track_caller]
fn no_secret(said: &str) {
    for secret in
        [PASSWORD, "Y29ycmVjdC1ob3JzZS03", "AGFubmEAY29ycmVjdC1ob3JzZS03", "a secret of the message"]
    {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}

#[test]
fn traces_show_no_password() {
    let folder = TestFolder::new();
    let message = folder.file("1.eml", "Subject: hi\r\n\r\na secret of the message\r\n");
    let serve = Serve::start_traced(&["imap", "pop3", "submission"]);
    let plain = ["--mechanism", "PLAIN"];
    let mut send = client("send", &serve, "submission", &folder);
    send.args(["--from", "anna@localhost", "--to", "anna@localhost"]).args(plain).arg(&message);
    let mut fetch = client("fetch", &serve, "imap", &folder);
    let mut login = client("fetch", &serve, "imap", &folder);
    let mut pop = client("pop", &serve, "pop3", &folder);
    let mut user = client("pop", &serve, "pop3", &folder);
    for command in [
        &mut send,
        fetch.args(plain).arg("--output").arg(folder.path().join("imap")),
        login.args(["--mechanism", "LOGIN"]),
        pop.args(plain).arg("--output").arg(folder.path().join("pop")),
        user.args(["--mechanism", "USER"]),
    ] {
        let ended = command.env("RUST_LOG", "trace").run();
        ended.expect(0, &["TRACE"]);
        no_secret(&ended.err);
    }
    let said = serve.end();
    // It has followed each of the sessions.
    for word in ["TRACE", "command=\"AUTH\"", "command=\"LOGIN\"", "protocol=\"pop3\"", "mechanism=PLAIN"] {
        assert!(said.contains(word), "no {word} in {said}");
    }
    no_secret(&said);
    program("fetch")
        .args(["--server", "x", "--user", "x"])
        .env("RUST_LOG", "a=b=c")
        .run()
        .expect(64, &["RUST_LOG"]);
}

#[test]
fn wrong_arguments_are_told() {
    program("serve").run().expect(64, &["--listen"]);
    program("serve")
        .args(["--listen", "imap"])
        .run()
        .expect(64, &["--listen imap: given as PROTOCOL=ADDRESS"]);
    program("serve").args(["--listen", "nntp=127.0.0.1:0"]).run().expect(64, &["no such protocol"]);
    let ended = program("serve").args(["--listen", "imap=127.0.0.1:0", "--user", "anna"]).run();
    ended.expect(64, &["--user: given as NAME=PASSWORD"]);
    let serve = Serve::start(&["imap"], &[]);
    let taken = format!("imap=127.0.0.1:{}", serve.port("imap"));
    program("serve").args(["--listen", &taken]).run().expect(75, &["cannot listen on 127.0.0.1:"]);
}

#[test]
fn clients_come_through_a_proxy() {
    let serve = Serve::start(&["smtp"], &["--proxy-from", "127.0.0.0/8"]);
    let mut stream = TcpStream::connect(("127.0.0.1", serve.port("smtp"))).unwrap();
    stream.write_all(b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 25\r\nQUIT\r\n").unwrap();
    let replies: Vec<String> = BufReader::new(stream).lines().map_while(Result::ok).collect();
    assert!(replies[0].starts_with("220 ") && replies[1].starts_with("221 "), "{replies:?}");
    // From elsewhere nobody comes by.
    let serve = Serve::start(&["smtp"], &["--proxy-from", "192.0.2.0/24"]);
    let stream = TcpStream::connect(("127.0.0.1", serve.port("smtp"))).unwrap();
    assert_eq!(BufReader::new(stream).lines().map_while(Result::ok).count(), 0);
    program("serve")
        .args(["--listen", "smtp=127.0.0.1:0", "--proxy-from", "10.1.2.3/8"])
        .run()
        .expect(64, &["10.0.0.0/8"]);
}

/// As systemd does it: the socket is the third file, and the environment tells whose it is.
#[cfg(unix)]
#[test]
fn a_socket_that_systemd_has_opened_is_served() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let environment = "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=smtp.socket";
    let mut command = Command::new("sh");
    command.args(["-c", &format!("export {environment}; exec \"$0\" \"$@\" 3<&0 </dev/null")]);
    command.arg(program("serve").get_program()).args(["--listen", "smtp=systemd:smtp.socket"]);
    let serve = Serve::of(command.stdin(std::os::fd::OwnedFd::from(listener)), 1);
    assert_eq!(serve.port("smtp"), port);
    assert_eq!(answers(port, &["NOOP"]).len(), 1);
}

#[test]
fn a_socket_that_systemd_has_not_opened_is_told() {
    let ended = program("serve").args(["--listen", "imap=systemd:imap.socket"]).run();
    ended.expect(69, &["systemd has opened no socket of the name \"imap.socket\""]);
}
