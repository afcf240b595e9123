//! Every limit is reached, and has its answer.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use bytes::{Buf, Bytes, BytesMut};
use common::{Client, Server, drain, feed, quiet_config, run};
use mailwire_core::{Channel, Connection as _, Dialect, Error, Misuse, Next, SaslStep};
use mailwire_pop3::{
    Capability, Command, Keyword, Listing, Mechanism, MessageNumber, Reply, ScanListing, State,
    client::{self, Event},
    server,
};

fn client(set: impl FnOnce(&mut client::Config)) -> Client {
    let mut config = quiet_config(Channel::Tls);
    set(&mut config);
    Client::logged_in(config)
}

fn server(set: impl FnOnce(&mut server::Config)) -> Server {
    let mut config = server::Config::new(Channel::Tls);
    set(&mut config);
    Server::logged_in(config)
}

#[test]
fn line() {
    // The client's: a status line, a line of a listing.
    let mut c = client(|config| config.limits.line = 100);
    c.connection.send(Command::List(None)).unwrap();
    assert_eq!(c.feed(&"+".repeat(101)), Err(Error::LineTooLong { limit: 100 }));
    let mut c = client(|config| config.limits.line = 100);
    c.connection.send(Command::List(None)).unwrap();
    assert_eq!(c.feed(&format!("+OK\r\n{}", "1".repeat(100))), Err(Error::LineTooLong { limit: 100 }));
    // The server's, which answers.
    let mut s = server(|config| config.limits.line = 100);
    assert_eq!(s.feed(&"x".repeat(100)), Err(Error::LineTooLong { limit: 100 }));
    assert_eq!(drain(&mut s.connection), "-ERR line too long\r\n");
    assert_eq!(s.feed("QUIT\r\n"), Err(Error::LineTooLong { limit: 100 }));
    // `PASS tanstaaf` just fits.
    let mut s = server(|config| config.limits.line = 15);
    s.command("QUIT");
}

#[test]
fn initial_responses_longer_than_a_command() {
    let auth = format!("AUTH OAUTHBEARER {}", "QUJD".repeat(500));
    let server = |dialect| {
        let mut config = server::Config::new(Channel::Tls);
        config.mechanisms = vec![Mechanism::OAuthBearer];
        config.dialect = dialect;
        let mut server = Server::new(config);
        drain(&mut server.connection);
        server
    };
    let mut s = server(Dialect::Lenient);
    let (ticket, command) = s.command(&auth);
    let Command::Auth { mechanism: Mechanism::OAuthBearer, initial: Some(token) } = command else {
        panic!("{command:?}")
    };
    assert_eq!(token.expose(), b"ABC".repeat(500));
    s.connection.reply(ticket, Reply::ok("welcome")).unwrap();
    assert_eq!(drain(&mut s.connection), "+OK welcome\r\n");
    assert_eq!(s.connection.state(), State::Transaction);
    // The strict one tells the client why, shows nobody the token, and takes it by a challenge.
    let mut s = server(Dialect::Strict);
    let events = s.hear(&format!("{auth}\r\n"));
    let [server::Event::Malformed { ticket: None, bytes, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(bytes, "AUTH");
    assert_eq!(drain(&mut s.connection), "-ERR command-longer-than-255-octets\r\n");
    s.command("AUTH OAUTHBEARER");
    s.connection.send_auth(SaslStep::Data(Default::default())).unwrap();
    let events = s.hear(&format!("{}\r\n", "QUJD".repeat(500)));
    assert!(matches!(&events[..], [server::Event::AuthResponse { step: SaslStep::Data(_), .. }]));
}

#[test]
fn sasl_line_and_steps() {
    let config = |set: fn(&mut mailwire_pop3::Limits)| {
        let mut config = server::Config::new(Channel::Tls);
        config.mechanisms = vec![Mechanism::Plain];
        set(&mut config.limits);
        config
    };
    let mut s = Server::new(config(|limits| limits.auth_line = 50));
    s.command("AUTH PLAIN");
    s.connection.send_auth(SaslStep::Data(Default::default())).unwrap();
    assert_eq!(s.feed(&"A".repeat(50)), Err(Error::LineTooLong { limit: 50 }));

    let mut s = Server::new(config(|limits| limits.auth_steps = 3));
    s.command("AUTH PLAIN");
    for _ in 0..3 {
        s.connection.send_auth(SaslStep::Data(Default::default())).unwrap();
        assert_eq!(s.hear("AAAA\r\n").len(), 1);
    }
    s.connection.send_auth(SaslStep::Data(Default::default())).unwrap();
    assert!(matches!(s.feed("AAAA\r\n"), Err(Error::LimitExceeded { limit: 3, .. })));

    let mut config = quiet_config(Channel::Tls);
    config.limits.auth_steps = 2;
    let mut c = Client::new(config);
    c.hear("+OK\r\n");
    c.connection.send(Command::Auth { mechanism: Mechanism::Plain, initial: None }).unwrap();
    for _ in 0..2 {
        assert_eq!(c.hear("+ \r\n").len(), 1);
        c.connection.send_auth(SaslStep::Data("a".into())).unwrap();
    }
    assert!(matches!(c.feed("+ \r\n"), Err(Error::LimitExceeded { limit: 2, .. })));
}

#[test]
fn listing_lines_and_capabilities() {
    let mut c = client(|config| config.limits.listing_lines = 3);
    c.connection.send(Command::List(None)).unwrap();
    let lines = "1 1\r\n".repeat(3);
    assert_eq!(c.hear(&format!("+OK\r\n{lines}")).len(), 4);
    assert!(matches!(c.feed("4 4\r\n"), Err(Error::LimitExceeded { limit: 3, .. })));

    let mut c = client(|config| config.limits.capabilities = 3);
    c.connection.send(Command::Capa).unwrap();
    assert!(matches!(
        c.feed(&format!("+OK\r\n{}", "TOP\r\n".repeat(4))),
        Err(Error::LimitExceeded { what: "capabilities", limit: 3 })
    ));
}

#[test]
fn message() {
    let mut c = client(|config| config.limits.message = 10);
    c.connection.send(Command::Retr(MessageNumber::FIRST)).unwrap();
    assert_eq!(c.hear("+OK\r\n12345678\r\n.\r\n").len(), 4);
    c.connection.send(Command::Retr(MessageNumber::FIRST)).unwrap();
    assert!(matches!(c.feed("+OK\r\n123456789\r\n.\r\n"), Err(Error::LimitExceeded { limit: 10, .. })));
}

#[test]
fn queue_and_pipeline_depth() {
    let mut c = client(|config| config.limits.queue = 5);
    c.connection.send(Command::Stat).unwrap(); // on its way
    for _ in 0..5 {
        c.connection.send(Command::Stat).unwrap();
    }
    let refused = c.connection.send(Command::Noop).unwrap_err();
    assert_eq!((refused.reason, refused.message), (Misuse::Full { limit: 5 }, Command::Noop));
    assert_eq!(drain(&mut c.connection), "STAT\r\n");

    let mut c = client(|config| config.limits.pipeline = 3);
    c.connection.send(Command::Capa).unwrap();
    c.hear("+OK\r\nPIPELINING\r\n.\r\n");
    for _ in 0..10 {
        c.connection.send(Command::Noop).unwrap();
    }
    assert_eq!(drain(&mut c.connection), "NOOP\r\n".repeat(3));
    c.hear("+OK\r\n+OK\r\n");
    assert_eq!(drain(&mut c.connection), "NOOP\r\n".repeat(2));
}

#[test]
fn output() {
    // The client stops putting out; what it has put out stays small.
    let mut c = client(|config| {
        config.limits.output = 10;
        config.limits.pipeline = 100;
    });
    c.connection.send(Command::Capa).unwrap();
    c.hear("+OK\r\nPIPELINING\r\n.\r\n");
    for _ in 0..10 {
        c.connection.send(Command::Noop).unwrap();
    }
    assert_eq!(c.connection.output().len(), 12);

    // The server takes no more commands.
    let mut s = server(|config| config.limits.output = 100);
    let mut input = BytesMut::from("NOOP\r\n".repeat(1000).as_str());
    assert_eq!(run(&mut s.connection, &mut input, &mut Vec::new()), Ok(Next::Paused));
    assert!(s.connection.output().len() < 200 && input.len() > 5000);
    drain(&mut s.connection);
    assert_eq!(run(&mut s.connection, &mut input, &mut Vec::new()), Ok(Next::Paused));
    assert!(s.connection.output().len() < 200);

    // Lines and messages are taken as far as there is room.
    let mut s = server(|config| config.limits.output = 50);
    let (ticket, _) = s.command("LIST");
    s.connection.reply(ticket, Reply::ok("")).unwrap();
    let line = Listing::Scan(ScanListing::new(MessageNumber::FIRST, 1));
    let mut sent = 0;
    let refused = loop {
        match s.connection.send_line(line.clone()) {
            Ok(()) => sent += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!((refused.reason, refused.message), (Misuse::Full { limit: 50 }, line.clone()));
    assert_eq!(drain(&mut s.connection), format!("+OK\r\n{}", "1 1\r\n".repeat(sent)));
    s.connection.send_line(line).unwrap();
    s.connection.finish_body().unwrap();
    drain(&mut s.connection);

    let (ticket, _) = s.command("RETR 1");
    s.connection.reply(ticket, Reply::ok("")).unwrap();
    let mut body = Bytes::from("x".repeat(100));
    assert_eq!(s.connection.send_body(&mut body), Ok(45));
    assert_eq!(s.connection.send_body(&mut body), Ok(0));
    assert_eq!(body.len(), 55);
    drain(&mut s.connection);
    assert_eq!(s.connection.send_body(&mut body), Ok(50));
}

#[test]
fn bad_commands() {
    for line in ["FOO\r\n", "RETR x\r\n", "USER a\r\n"] {
        let mut s = server(|config| config.limits.bad_commands = 3);
        assert_eq!(s.hear(line).len(), 1);
        assert_eq!(s.hear(line).len(), 1);
        s.hear("NOOP\r\n");
        assert_eq!(s.feed(line), Err(Error::TooManyBadCommands { limit: 3 }));
        assert!(drain(&mut s.connection).ends_with("-ERR [SYS/PERM] too many bad commands\r\n"));
    }
}

#[test]
fn idle_commands() {
    for line in ["NOOP\r\n", "CAPA\r\n"] {
        let mut s = server(|config| config.limits.idle_commands = 5);
        for _ in 0..5 {
            s.hear(line);
        }
        // A command that does something begins the count anew.
        let (ticket, _) = s.command("STAT");
        s.connection.reply(ticket, Reply::drop_listing(0, 0)).unwrap();
        for _ in 0..5 {
            s.hear(line);
        }
        assert!(matches!(s.feed(line), Err(Error::LimitExceeded { limit: 5, .. })));
    }
}

#[test]
fn auth_failures() {
    let mut config = server::Config::new(Channel::Tls);
    config.limits.auth_failures = 2;
    let mut s = Server::new(config);
    for _ in 0..2 {
        let events = s.hear("USER a\r\nPASS b\r\n");
        let [server::Event::Login { ticket, .. }] = &events[..] else { panic!("{events:?}") };
        s.connection.reply(*ticket, Reply::err("no")).unwrap();
    }
    assert!(drain(&mut s.connection).ends_with("-ERR no\r\n"));
    assert!(matches!(s.feed("USER a\r\n"), Err(Error::LimitExceeded { what: "failed logins", limit: 2 })));
}

/// An exchange that the client gives up, or that it spoils, is a failed login as well.
#[test]
fn cancelled_exchanges_are_failures() {
    for response in ["*", "!!"] {
        let mut config = server::Config::new(Channel::Tls);
        config.mechanisms = vec![Mechanism::Plain];
        config.limits.auth_failures = 2;
        let mut s = Server::new(config);
        for _ in 0..2 {
            let (ticket, _) = s.command("AUTH PLAIN");
            assert!(s.connection.send_auth(SaslStep::Data("".into())).is_ok());
            s.input.extend_from_slice(format!("{response}\r\n").as_bytes());
            let found = s.connection.next_event(&mut s.input);
            let told = match &found {
                Ok(Next::Event(server::Event::AuthResponse { ticket, .. })) => Some(*ticket),
                Ok(Next::Event(server::Event::Malformed { ticket, .. })) => *ticket,
                _ => None,
            };
            assert_eq!(told, Some(ticket), "{found:?}");
        }
        assert!(matches!(s.feed("CAPA\r\n"), Err(Error::LimitExceeded { what: "failed logins", limit: 2 })));
    }
}

#[test]
fn timeouts() {
    let mut config = quiet_config(Channel::Tls);
    config.timeouts.quit = std::time::Duration::from_secs(7);
    let mut c = Client::new(config.clone());
    assert_eq!(c.connection.timeout(), Some(config.timeouts.greeting));
    c.hear("+OK\r\n");
    assert_eq!(c.connection.timeout(), None);
    c.connection.handle_timeout(); // too late: nothing is due
    c.connection.send(Command::Quit).unwrap();
    assert_eq!(c.connection.timeout(), Some(config.timeouts.quit));
    c.connection.handle_timeout();
    assert_eq!(c.feed(""), Err(Error::TimedOut { waiting_for: "an answer" }));

    let mut s = server(|_| {});
    assert_eq!(s.connection.timeout(), Some(server::Timeouts::default().idle));
    let (ticket, _) = s.command("STAT");
    assert_eq!(s.connection.timeout(), None);
    s.connection.reply(ticket, Reply::drop_listing(0, 0)).unwrap();
    assert_eq!(s.connection.timeout(), Some(server::Timeouts::default().body));
    drain(&mut s.connection);
    s.connection.handle_timeout();
    assert_eq!(s.feed(""), Err(Error::TimedOut { waiting_for: "a command" }));
    // RFC 1939 section 3: nothing is sent, nothing is deleted.
    assert_eq!(drain(&mut s.connection), "");
    assert_eq!(s.connection.state(), State::Transaction);
}

#[test]
fn a_maildrop_of_100_000_messages_is_a_stream() {
    let mut server = server(|_| {});
    let mut client = client(|_| {});
    client.connection.send(Command::List(None)).unwrap();
    let (ticket, _) = server.command("LIST");
    server.connection.reply(ticket, Reply::ok("")).unwrap();
    let mut numbers = 1..=100_000;
    let mut waiting = None;
    let (mut seen, mut most) = (0, 0);
    drain(&mut client.connection);
    loop {
        while let Some(line) = waiting.take().or_else(|| {
            numbers.next().map(|n| Listing::Scan(ScanListing::new(MessageNumber::new(n).unwrap(), 1)))
        }) {
            if let Err(refused) = server.connection.send_line(line) {
                assert!(matches!(refused.reason, Misuse::Full { .. }));
                waiting = Some(refused.message);
                break;
            }
        }
        let done = waiting.is_none();
        if done {
            server.connection.finish_body().unwrap();
        }
        most = most.max(server.connection.output().len());
        let text = drain(&mut server.connection);
        let mut events = Vec::new();
        let next = feed(&mut client.connection, &mut client.input, &text, &mut events);
        assert!(next.is_ok());
        assert!(client.input.len() < 100);
        seen += events.iter().filter(|event| matches!(event, Event::Line { .. })).count();
        if done {
            assert!(matches!(events.last(), Some(Event::LinesEnd { .. })));
            break;
        }
    }
    assert_eq!(seen, 100_000);
    assert!(most < 70_000, "{most}");
}

#[test]
fn an_applications_own_command() {
    let mut s = server(|config| config.set_extension_commands([Keyword::new("XLST").unwrap()]).unwrap());
    let (ticket, command) = s.command("xlst a b");
    assert!(matches!(&command, Command::Other { arguments: Some(text), .. } if text.as_bytes() == b"a b"));
    s.connection.reply_with_lines(ticket, Reply::ok("")).unwrap();
    s.connection.send_line(Listing::Other(".dot".try_into().unwrap())).unwrap();
    s.connection.finish_body().unwrap();
    assert_eq!(drain(&mut s.connection), "+OK\r\n..dot\r\n.\r\n");
    let mut c = client(|_| {});
    c.connection.send_expecting(command, mailwire_pop3::Follows::Lines).unwrap();
    let events = c.hear("+OK\r\n..dot\r\n.\r\n");
    assert!(
        matches!(&events[1], Event::Line { line: Listing::Other(text), .. } if text.as_bytes() == b".dot")
    );
    assert_eq!(s.connection.output().remaining(), 0);
}

/// What the machine does not follow is neither announced, nor handed on, nor sent raw.
#[test]
fn what_cannot_be_kept_is_refused() {
    let keyword = |name: &str| Keyword::new(name).unwrap();
    let other = |tag: &str| Capability::Other { tag: keyword(tag), arguments: None };
    let mut config = server::Config::new(Channel::Tls);
    let own =
        [Capability::Stls, Capability::Top, Capability::Uidl, Capability::User, Capability::Sasl(vec![])];
    let by_others_names =
        [Capability::Lang, Capability::Utf8 { user: true }, other("XCLIENT"), other("STLS"), other("expire")];
    for capability in own.into_iter().chain(by_others_names) {
        assert!(config.set_more([other("X-OURS"), capability.clone()]).is_err(), "{capability:?}");
        assert!(config.more().is_empty());
    }
    let days = Capability::Expire { days: None, per_user: false };
    config.set_more([days.clone(), other("X-OURS")]).unwrap();
    for name in ["STLS", "auth", "UTF8", "LANG", "XCLIENT", "RETR"] {
        assert!(config.set_extension_commands([keyword("XOUR"), keyword(name)]).is_err(), "{name}");
        assert!(config.extension_commands().is_empty());
    }
    // A name that is longer than the RFC's is possible in the strict dialect, where it is configured.
    config.set_extension_commands([keyword("XVENDOR")]).unwrap();
    let mut s = Server::logged_in(config);
    assert!(s.connection.capabilities().has(&days) && s.connection.capabilities().has(&other("X-OURS")));
    let (ticket, _) = s.command("xvendor 1");
    s.connection.reply(ticket, Reply::ok("")).unwrap();
    assert!(matches!(&s.hear("XOTHERS\r\n")[..], [server::Event::Malformed { .. }]));
    // And in the client.
    let mut c = client(|_| {});
    for name in ["STLS", "AUTH", "utf8", "LANG", "XCLIENT", "RETR", "QUIT"] {
        let command = Command::Other { keyword: keyword(name), arguments: None };
        let refused =
            c.connection.send_expecting(command.clone(), mailwire_pop3::Follows::Lines).unwrap_err();
        assert!(matches!(refused.reason, Misuse::WrongState(_)) && refused.message == command, "{name}");
    }
    c.connection.send(Command::Other { keyword: keyword("NOOP"), arguments: None }).unwrap();
    c.hear("+OK\r\n");
    // Bytes beyond ASCII can be sent.
    let arguments = Some("caf\u{e9}".try_into().unwrap());
    c.connection.send(Command::Other { keyword: keyword("XTND"), arguments }).unwrap();
    assert_eq!(drain(&mut c.connection), "XTND caf\u{e9}\r\n");
}

/// A list that is short by its lines can be long by its bytes. What is kept keeps no receive buffer.
#[test]
fn bytes_of_capabilities() {
    let list = |lines: usize| {
        let line = format!("X-{} {}\r\n", "A".repeat(60), "b".repeat(1000));
        format!("+OK\r\n{}.\r\n", line.repeat(lines))
    };
    let mut c = client(|config| config.limits.capability_bytes = 5000);
    c.connection.send(Command::Capa).unwrap();
    c.hear(&list(4));
    assert_eq!(c.connection.capabilities().len(), 4);
    c.connection.send(Command::Capa).unwrap();
    let limit = Error::LimitExceeded { what: "bytes of capabilities", limit: 5000 };
    assert_eq!(c.feed(&list(5)), Err(limit));
}
