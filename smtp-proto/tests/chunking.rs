//! CHUNKING and BINARYMIME (RFC 3030): what the machines refuse, drop and go on with.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::{Buf, Bytes, BytesMut};
use common::{Granting, chunking_config, client_config, drain, feed, mailbox, ready_client_with};
use mailwire_core::{
    NotOffered, WrongState,
    dot::{BareNewline, CheckedText},
};
use mailwire_smtp::{
    BodyType, Command, Connection as _, Mail, Misuse, Next, Rcpt, Reply, ReplyCode, State, Ticket, client,
    server::{self, BodyRefusal, Event},
};

const BEGIN: &str = "MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mx.example>\r\n";
const BINARY: &str = "MAIL FROM:<a@client.example> BODY=BINARYMIME\r\nRCPT TO:<b@mx.example>\r\n";
const BEGUN: &str = "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n";

fn serving(config: server::Config) -> Granting {
    let lmtp = config.lmtp;
    let mut server = Granting::new(config);
    server.say(if lmtp { "LHLO client.example\r\n" } else { "EHLO client.example\r\n" });
    server.events.clear();
    server
}

fn refusals(server: &Granting) -> Vec<BodyRefusal> {
    let reason = |event: &Event| match event {
        Event::BodyRefused { reason, .. } => Some(*reason),
        _ => None,
    };
    server.events.iter().filter_map(reason).collect()
}

/// Says `said` whole, byte by byte and cut in two at every byte: the same replies, and the same body.
fn at_every_cut(config: &server::Config, said: &str) -> (String, Vec<u8>, Vec<Event>) {
    let converse = |cuts: &[usize]| {
        let mut server = serving(config.clone());
        let (mut written, mut at) = (String::new(), 0);
        for &cut in cuts {
            written += &server.say(&said.as_bytes()[at..cut]);
            at = cut;
        }
        written += &server.say(&said.as_bytes()[at..]);
        (written, server.body, server.events)
    };
    let whole = converse(&[]);
    assert_eq!(converse(&(1..said.len()).collect::<Vec<_>>()), whole);
    (0..=said.len()).for_each(|cut| assert_eq!(converse(&[cut]), whole, "cut at {cut}"));
    whole
}

#[test]
fn chunks_are_one_message() {
    let said = format!("{BEGIN}BDAT 7\r\nA: b\r\n\r");
    let said = said + "BDAT 1\r\n\nBDAT 0\r\nBDAT 4 LAST\r\n..\r\nNOOP\r\n";
    let (written, body, events) = at_every_cut(&chunking_config(), &said);
    assert_eq!(
        written,
        format!(
            "{BEGUN}250 2.0.0 7 bytes received\r\n250 2.0.0 1 bytes received\r\n250 2.0.0 0 bytes received\r\n\
             250 2.0.0 Queued\r\n250 2.0.0 Ok\r\n"
        )
    );
    assert_eq!(body, b"A: b\r\n\r\n..\r\n");
    let first = |event: &&Event| matches!(event, Event::Command { command: Command::Bdat { .. }, .. });
    assert_eq!(events.iter().filter(first).count(), 1, "of the first alone the application is asked");
    assert!(events.iter().any(|event| matches!(event, Event::BodyEnd { length: 12, .. })));
}

/// What ends a message of DATA, and what could be a command, is data in a chunk.
#[test]
fn nothing_in_a_chunk_is_a_command_or_an_end() {
    let smuggled = "a\r\n.\r\nMAIL FROM:<x@evil.example>\r\nRCPT TO:<y@mx.example>\r\nDATA\r\n.\r\n";
    let chunk = |last: &str| format!("BDAT {}{last}\r\n{smuggled}", smuggled.len());
    let (written, body, _) = at_every_cut(&chunking_config(), &format!("{BEGIN}{}QUIT\r\n", chunk(" LAST")));
    assert_eq!(written, format!("{BEGUN}250 2.0.0 Queued\r\n221 2.0.0 Goodbye\r\n"));
    assert_eq!(body, smuggled.as_bytes());

    // Nor in one that is refused: out of order, for nobody, too large, or where BDAT is not offered.
    for (config, before, replies) in [
        (chunking_config(), "", "503 5.5.1 Send MAIL first\r\n"),
        (chunking_config(), "MAIL FROM:<>\r\n", "250 2.1.0 Ok\r\n503 5.5.1 No recipients\r\n"),
        (common::server_config(), BEGIN, &format!("{BEGUN}502 5.5.1 BDAT is not offered\r\n")),
        (
            chunking_config().with_limits(mailwire_smtp::Limits::server().with_message(10)),
            BEGIN,
            &format!("{BEGUN}552 5.3.4 Message too large\r\n"),
        ),
    ] {
        for last in ["", " LAST"] {
            let (written, body, events) = at_every_cut(&config, &format!("{before}{}NOOP\r\n", chunk(last)));
            assert_eq!(written, format!("{replies}250 2.0.0 Ok\r\n"));
            assert!(body.is_empty());
            let refused =
                |event: &&Event| matches!(event, Event::Refused { command: Command::Bdat { .. }, .. });
            assert_eq!(events.iter().filter(refused).count(), 1, "{events:?}");
        }
    }
}

#[test]
fn a_chunk_without_a_size_ends_the_connection() {
    for line in [
        "BDAT\r\n",
        "BDAT x\r\n",
        "BDAT -1 LAST\r\n",
        "BDAT 9223372036854775808\r\n",
        "BDAT 99999999999999999999999999999999999999 LAST\r\n",
        "BDAT 4 LAST LAST\r\n",
        "BDAT 4 FIRST\r\n",
        "BDAT 4\n",
        "bdat 4 LAST\n",
        "BDAT 0x4\r\n",
        &format!("BDAT {}\r\n", "0".repeat(5000)),
    ] {
        let mut server = serving(chunking_config());
        let written = server.say(format!("{BEGIN}{line}QUIT\r\nNOOP\r\n"));
        let reply = written.strip_prefix(BEGUN).unwrap();
        assert!(reply.starts_with("50") && reply.lines().count() == 1, "{line}: {reply}");
        assert!(matches!(server.events.last(), Some(Event::Malformed { .. })));
        assert!(matches!(server.machine.next_event(&mut server.input), Ok(Next::Closed)));
    }
    // Also where a line that is too long could be a password, of which nothing is kept.
    let mut server = serving(chunking_config());
    server.say("AUTH LOGIN\r\n*\r\n");
    let said = server.say(format!("BDAT {}\r\nNOOP\r\n", "0".repeat(5000)));
    assert_eq!(said, "500 5.5.6 Line too long\r\n");
    assert!(matches!(server.machine.next_event(&mut server.input), Ok(Next::Closed)));
}

#[test]
fn data_and_bdat_do_not_mix() {
    let mut server = serving(chunking_config());
    assert_eq!(
        server.say(format!("{BEGIN}BDAT 2\r\nabDATA\r\n")),
        format!("{BEGUN}250 2.0.0 2 bytes received\r\n503 5.5.1 DATA and BDAT do not mix\r\n")
    );
    assert_eq!(server.say("RCPT TO:<c@mx.example>\r\n"), "503 5.5.1 The message has begun\r\n");
    assert_eq!(server.say("MAIL FROM:<>\r\n"), "503 5.5.1 A transaction is under way\r\n");
    assert_eq!(
        server.say("VRFY a\r\nBDAT 0 LAST\r\n"),
        "252 2.1.5 Cannot verify, but will accept and attempt\r\n250 2.0.0 Queued\r\n"
    );
    assert_eq!(server.say("BDAT 1 LAST\r\nx"), "503 5.5.1 Send MAIL first\r\n");
    assert_eq!(
        server.say(format!("{BINARY}DATA\r\n")),
        format!("{BEGUN}503 5.5.1 BINARYMIME needs BDAT\r\n")
    );
    assert_eq!(server.say("RSET\r\n"), "250 2.0.0 Ok\r\n");
    assert_eq!(
        server.say(format!("{BEGIN}DATA\r\nx\r\n.\r\n")),
        format!("{BEGUN}354 Start mail input; end with <CRLF>.<CRLF>\r\n250 2.0.0 Queued\r\n")
    );
    assert!(server.error.is_none());
}

#[test]
fn only_binarymime_may_have_any_bytes() {
    for (chunks, reason) in [
        (&["a\nb"][..], BodyRefusal::BareNewline(1)),
        (&["a\r", "b"], BodyRefusal::BareNewline(1)),
        (&["a", "\nb"], BodyRefusal::BareNewline(1)),
        (&["a\r\n", "\r"], BodyRefusal::BareNewline(3)),
        (&["ab", "\0"], BodyRefusal::Nul(2)),
    ] {
        let parts = chunks.iter().enumerate().map(|(at, chunk)| {
            let last = if at + 1 == chunks.len() { " LAST" } else { "" };
            format!("BDAT {}{last}\r\n{chunk}", chunk.len())
        });
        let parts = parts.collect::<String>();
        let mut server = serving(chunking_config());
        let written = server.say(format!("{BEGIN}{parts}"));
        assert!(written.contains("554 5.6.0"), "{chunks:?}: {written}");
        assert_eq!(refusals(&server), [reason]);
        let mut server = serving(chunking_config());
        let written = server.say(format!("{BINARY}{parts}"));
        assert!(written.ends_with("250 2.0.0 Queued\r\n"), "{chunks:?}: {written}");
        assert_eq!(server.body, chunks.concat().as_bytes());
    }
}

#[test]
fn a_refused_chunk_fails_the_transaction_until_rset() {
    let config = chunking_config().with_limits(mailwire_smtp::Limits::server().with_message(10));
    let said = format!(
        "{BEGIN}BDAT 8\r\n12345678BDAT 3\r\nabcBDAT 2\r\ndeRCPT TO:<c@mx.example>\r\nMAIL FROM:<>\r\nRSET\r\n{BEGIN}\
         BDAT 3 LAST\r\nx\r\n"
    );
    let (written, body, events) = at_every_cut(&config, &said);
    assert_eq!(
        written,
        format!(
            "{BEGUN}250 2.0.0 8 bytes received\r\n552 5.3.4 Message too large\r\n\
             503 5.5.1 A chunk before this one was refused\r\n503 5.5.1 The message has begun\r\n\
             503 5.5.1 A transaction is under way\r\n250 2.0.0 Ok\r\n{BEGUN}250 2.0.0 Queued\r\n"
        )
    );
    assert_eq!(body, b"x\r\n");
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::BodyRefused { reason: BodyRefusal::TooLarge(10), .. }))
    );
    // Its last chunk ends it as well.
    let said = format!("{BEGIN}BDAT 8\r\n12345678BDAT 3\r\nabcBDAT 0 LAST\r\n{BEGIN}");
    let (written, ..) = at_every_cut(&config, &said);
    assert!(
        written.ends_with(&format!("503 5.5.1 A chunk before this one was refused\r\n{BEGUN}")),
        "{written}"
    );
}

/// Lines that come between two chunks and end the message are told after its end.
#[test]
fn a_message_is_given_up_between_two_chunks() {
    for line in ["RSET", "EHLO again.example", "HELO again.example", "QUIT"] {
        let said = format!("{BEGIN}BDAT 2\r\nab{line}\r\n");
        let (_, _, events) = at_every_cut(&chunking_config(), &said);
        let [.., Event::BodyRefused { reason: BodyRefusal::GivenUp, .. }, Event::Command { command, .. }] =
            &events[..]
        else {
            panic!("{events:?}")
        };
        assert!(line.starts_with(command.name()));
    }
}

#[test]
fn the_application_refuses_a_chunk_that_is_dropped_then() {
    for (last, code) in [("", 552), (" LAST", 452)] {
        let mut server = serving(chunking_config());
        server.input.extend_from_slice(format!("{BEGIN}BDAT 9{last}\r\nQUIT\r\n").as_bytes());
        let mut written = String::new();
        let ticket = loop {
            match server.machine.next_event(&mut server.input).unwrap() {
                Next::Event(Event::Command { ticket, command: Command::Bdat { size: 9, .. }, .. }) => {
                    break ticket;
                }
                Next::Event(Event::Command { ticket, command, .. }) => {
                    server.machine.reply(ticket, server::default_reply(&command)).unwrap();
                }
                next => panic!("{next:?}"),
            }
        };
        assert!(server.machine.reply(ticket, Reply::new(ReplyCode::OK, "Ok")).is_err());
        let reply = Reply::new(ReplyCode::new(code).unwrap(), "No");
        server.machine.reject_body(ticket, reply).unwrap();
        written += &server.say("");
        assert_eq!(written, BEGUN, "nothing before the chunk has come");
        assert_eq!(server.say("123NOOP\r\n"), format!("{code} {}.0.0 No\r\n250 2.0.0 Ok\r\n", code / 100));
        let next = if last.is_empty() { State::Recipients } else { State::Ready };
        assert_eq!(server.machine.state(), next);
    }
}

#[test]
fn lmtp_answers_for_each_recipient_or_not_at_all() {
    let config =
        chunking_config().with_lmtp(true).with_limits(mailwire_smtp::Limits::server().with_message(10));
    // Nobody: no reply to the last chunk (RFC 2033 section 4.3).
    let (written, ..) = at_every_cut(&config, "MAIL FROM:<>\r\nBDAT 3 LAST\r\nabcNOOP\r\n");
    assert_eq!(written, "250 2.1.0 Ok\r\n250 2.0.0 Ok\r\n");
    // Two, and a chunk before it was refused with one.
    let two = format!("{BEGIN}RCPT TO:<c@mx.example>\r\n");
    let (written, ..) =
        at_every_cut(&config, &format!("{two}BDAT 11\r\n12345678901BDAT 1 LAST\r\nxNOOP\r\n"));
    let failed = "503 5.5.1 A chunk before this one was refused\r\n";
    assert_eq!(
        written,
        format!("{BEGUN}250 2.1.5 Ok\r\n552 5.3.4 Message too large\r\n{failed}{failed}250 2.0.0 Ok\r\n")
    );
    let (written, ..) = at_every_cut(&config, &format!("{two}BDAT 3 LAST\r\na\nb"));
    assert_eq!(written.matches("554 5.6.0").count(), 2);
}

#[test]
fn chunks_cost_no_more_than_their_bytes() {
    // A chunk without an end is dropped as it comes.
    let config = chunking_config().with_limits(mailwire_smtp::Limits::server().with_message(1000));
    let mut server = serving(config.clone());
    server.say(format!("{BEGIN}BDAT 9223372036854775807 LAST\r\n"));
    for _ in 0..1000 {
        assert_eq!(server.say([b'x'; 10_000]), "");
        assert!(server.input.is_empty() && server.input.capacity() <= 100_000);
    }
    // Empty chunks lead nowhere.
    let mut server = serving(config);
    server.say(BEGIN);
    server.say("BDAT 0\r\n".repeat(200));
    assert!(server.error.is_some());
}

#[test]
fn a_connection_that_ends_within_a_message_says_so() {
    for said in ["BDAT 5\r\nab", "BDAT 2\r\nab", "BDAT 2\r\n", "BDAT 200 LAST\r\nab"] {
        let mut server = serving(chunking_config());
        server.say(format!("{BEGIN}{said}"));
        server.machine.handle_eof();
        server.say("");
        assert!(
            matches!(server.error, Some(mailwire_smtp::Error::UnexpectedEof { during: "within a message" })),
            "{said}"
        );
    }
}

// The client.

const OFFER: &str = "250-mx.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 BINARYMIME\r\n";

fn begun(config: client::Config, offer: &str, body: Option<BodyType>) -> (client::Connection, Ticket) {
    let mut client = ready_client_with(config, offer);
    let mut mail = Mail::new(mailbox("a@client.example"));
    mail.body = body;
    client.send(Command::Mail(mail)).unwrap();
    let rcpt = client.send(Command::Rcpt(Rcpt::new(mailbox("b@mx.example")))).unwrap();
    (client, rcpt)
}

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[test]
fn chunks_wait_for_the_recipients() {
    let (mut client, _) = begun(client_config(), OFFER, None);
    let chunk = client.send_chunk(text("ab"), false).unwrap();
    client.send_chunk(text(""), true).unwrap();
    assert!(!drain(&mut client).contains("BDAT"));
    feed(&mut client, b"250 ok\r\n");
    assert_eq!(drain(&mut client), "");
    feed(&mut client, b"250 ok\r\n");
    assert_eq!(drain(&mut client), "BDAT 2\r\nabBDAT 0 LAST\r\n");
    assert_eq!(client.outcome(), client::Outcome::Unknown);
    let events = feed(&mut client, b"250 ok\r\n250 queued\r\n");
    assert!(
        matches!(&events[..], [client::Event::Reply { ticket, .. }, client::Event::Reply { .. }] if *ticket == chunk)
    );
    assert_eq!((client.outcome(), client.state()), (client::Outcome::Accepted, State::Ready));

    // Nobody: nothing is sent.
    let (mut client, _) = begun(client_config(), OFFER, None);
    let chunk = client.send_chunk(text("ab"), true).unwrap();
    drain(&mut client);
    let events = feed(&mut client, b"250 ok\r\n550 no\r\n");
    let [.., client::Event::NotSent { ticket, reason, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((*ticket, *reason), (chunk, Misuse::WrongState(WrongState::NoRecipients)));
    assert_eq!((drain(&mut client), client.outcome()), (String::new(), client::Outcome::NotSent));
}

#[test]
fn without_pipelining_each_chunk_waits() {
    let (mut client, _) = begun(client_config().with_pipelining(false), OFFER, None);
    client.send_chunk(text("a"), false).unwrap();
    client.send_chunk(text("b"), true).unwrap();
    for (reply, line) in [
        ("250 ok\r\n", "RCPT TO:<b@mx.example>\r\n"),
        ("250 ok\r\n", "BDAT 1\r\na"),
        ("250 ok\r\n", "BDAT 1 LAST\r\nb"),
    ] {
        drain(&mut client);
        feed(&mut client, reply.as_bytes());
        assert_eq!(drain(&mut client), line);
    }
    feed(&mut client, b"250 queued\r\n");
    assert!(client.is_idle());
}

#[test]
fn nothing_is_sent_after_a_refused_chunk() {
    let (mut client, _) = begun(client_config(), OFFER, None);
    drain(&mut client);
    feed(&mut client, b"250 ok\r\n250 ok\r\n");
    client.send_chunk(text("a"), false).unwrap();
    drain(&mut client);
    assert!(matches!(client.next_event(&mut BytesMut::new()), Ok(Next::Paused)), "the next chunk is due");
    feed(&mut client, b"452 full\r\n");
    assert_eq!(client.outcome(), client::Outcome::Refused);
    let refused = client.send_chunk(text("b"), true).unwrap_err();
    assert_eq!((refused.reason, refused.message), (Misuse::WrongState(WrongState::Busy("RSET")), text("b")));
    assert!(client.send(Command::Mail(Mail::new(mailbox("a@b.example")))).is_err());
    client.send(Command::Rset).unwrap();
    client.send(Command::Mail(Mail::new(mailbox("a@b.example")))).unwrap();
    assert_eq!(drain(&mut client), "RSET\r\nMAIL FROM:<a@b.example>\r\n");
    feed(&mut client, b"250 ok\r\n250 ok\r\n");
    assert_eq!((client.state(), client.outcome()), (State::Sender, client::Outcome::NotSent));

    // Those that wait are told.
    let (mut client, _) = begun(client_config().with_pipelining(false), OFFER, None);
    client.send_chunk(text("a"), false).unwrap();
    let second = client.send_chunk(text("b"), true).unwrap();
    client.send(Command::Rset).unwrap();
    for reply in ["250 ok\r\n", "250 ok\r\n"] {
        drain(&mut client);
        feed(&mut client, reply.as_bytes());
    }
    drain(&mut client);
    let events = feed(&mut client, b"552 no\r\n");
    assert!(
        matches!(&events[..], [.., client::Event::NotSent { ticket, .. }] if *ticket == second),
        "{events:?}"
    );
    assert_eq!(drain(&mut client), "RSET\r\n");
}

#[test]
fn what_is_not_offered_or_does_not_mix_is_not_sent() {
    let (mut client, _) = begun(client_config(), "250-mx.example\r\n250 PIPELINING\r\n", None);
    let refused = client.send_chunk(text("a"), true).unwrap_err();
    assert_eq!(refused.reason, Misuse::NotOffered(NotOffered::Extension("CHUNKING")));
    for (offer, missing) in
        [("250-mx\r\n250 CHUNKING\r\n", "BINARYMIME"), ("250-mx\r\n250 BINARYMIME\r\n", "CHUNKING")]
    {
        let mut client = ready_client_with(client_config(), offer);
        let mail = Mail::new(mailbox("a@b.example")).with_body(BodyType::BinaryMime);
        let refused = client.send(Command::Mail(mail)).unwrap_err();
        assert_eq!(refused.reason, Misuse::NotOffered(NotOffered::Extension(missing)));
    }
    let (mut client, _) = begun(client_config(), OFFER, Some(BodyType::BinaryMime));
    assert_eq!(client.send(Command::Data).unwrap_err().reason, Misuse::WrongState(WrongState::Chunked));
    client.send_chunk(text("a"), true).unwrap();
    assert!(client.send_chunk(text("a"), true).is_err(), "the message is over");
    let (mut client, _) = begun(client_config(), OFFER, None);
    client.send_chunk(text("a"), false).unwrap();
    assert_eq!(client.send(Command::Data).unwrap_err().reason, Misuse::WrongState(WrongState::Chunked));
    let (mut client, _) = begun(client_config(), OFFER, None);
    client.send(Command::Data).unwrap();
    assert!(client.send_chunk(text("a"), true).is_err());
    let raw = client.send(Command::Bdat { size: 1, last: true }).unwrap_err();
    assert_eq!(raw.reason, Misuse::WrongState(WrongState::OwnCall));
}

#[test]
fn a_client_sends_what_a_server_would_refuse_in_binarymime_alone() {
    for (chunks, offset) in [
        (&["a\nb"][..], 1),
        (&["a\r", "b"], 1),
        (&["a", "\nb"], 1),
        (&["a\r\n", "\r"], 3),
        (&["ab", "\0"], 2),
    ] {
        let send = |client: &mut client::Connection| {
            let mut sent = chunks
                .iter()
                .enumerate()
                .map(|(at, chunk)| client.send_chunk(text(chunk), at + 1 == chunks.len()));
            sent.try_for_each(|sent| sent.map(drop))
        };
        let (mut client, _) = begun(client_config(), OFFER, None);
        let refused = send(&mut client).unwrap_err();
        assert!(
            matches!(refused.reason, Misuse::InvalidBody { offset: at, .. } if at == offset),
            "{chunks:?}"
        );
        client.send(Command::Rset).unwrap();
        let (mut client, _) = begun(client_config(), OFFER, Some(BodyType::BinaryMime));
        send(&mut client).unwrap();
    }
}

/// What was looked through before goes as all else does, and between two of them nothing gets through either.
#[test]
fn text_that_was_looked_through_is_not_looked_through_again() {
    let checked = |chunk: &'static str| CheckedText::new(text(chunk)).unwrap();
    for bare in [BareNewline::Refuse, BareNewline::Normalize] {
        let config = client_config().with_bare_newline(bare);
        let (mut client, _) = begun(config, OFFER, None);
        drain(&mut client);
        feed(&mut client, b"250 ok\r\n250 ok\r\n");
        client.send_text(checked("A: b\r\n"), false).unwrap();
        client.send_chunk(text("\r\n.\r"), false).unwrap();
        client.send_chunk(text("\nc"), false).unwrap();
        client.send_text(checked("d\r\n"), true).unwrap();
        // The line end that is cut in two is out with its CR, where it would be mended.
        let parts = match bare {
            BareNewline::Refuse => ["BDAT 4\r\n\r\n.\r", "BDAT 2\r\n\nc"],
            BareNewline::Normalize => ["BDAT 5\r\n\r\n.\r\n", "BDAT 1\r\nc"],
        };
        let [one, two] = parts;
        assert_eq!(drain(&mut client), format!("BDAT 6\r\nA: b\r\n{one}{two}BDAT 3 LAST\r\nd\r\n"));
        assert_eq!(client.mended().count, 0);
    }
    // A CR before it stands alone.
    let (mut client, _) = begun(client_config().with_bare_newline(BareNewline::Refuse), OFFER, None);
    client.send_chunk(text("a\r"), false).unwrap();
    let refused = client.send_text(checked("b\r\n"), true).unwrap_err();
    assert!(matches!(refused.reason, Misuse::InvalidBody { offset: 1, .. }));
    assert_eq!(refused.message, checked("b\r\n"));
    let (mut client, _) = begun(client_config().with_bare_newline(BareNewline::Normalize), OFFER, None);
    client.send_chunk(text("a\r"), false).unwrap();
    client.send_text(checked("b\r\n"), true).unwrap();
    assert_eq!((client.mended().count, client.mended().first), (1, Some(1)));
}

#[test]
fn a_chunk_is_not_copied() {
    let (mut client, _) = begun(client_config(), OFFER, None);
    drain(&mut client);
    feed(&mut client, b"250 ok\r\n250 ok\r\n");
    let chunk = Bytes::from(vec![b'x'; 1 << 20]);
    client.send_chunk(chunk.clone(), true).unwrap();
    let output = client.output();
    assert_eq!(output.chunk(), b"BDAT 1048576 LAST\r\n");
    output.advance(19);
    assert_eq!(output.chunk().as_ptr(), chunk.as_ptr());
    // As long as it is not out, nobody can have accepted it.
    output.advance(1000);
    assert_eq!(client.outcome(), client::Outcome::NotSent);
    client.output().advance(1 << 20);
    assert_eq!(client.outcome(), client::Outcome::Unknown);
}

/// RFC 2920 section 3.1, with the RSET that RFC 3030 wants after a failure.
#[test]
fn the_end_of_a_message_and_the_next_transaction_are_one_group() {
    let (mut client, _) = begun(client_config(), OFFER, None);
    drain(&mut client);
    feed(&mut client, b"250 ok\r\n250 ok\r\n");
    let first = client.send_chunk(text("a"), true).unwrap();
    client.send(Command::Rset).unwrap();
    client.send(Command::Mail(Mail::new(mailbox("a@b.example")))).unwrap();
    client.send(Command::Rcpt(Rcpt::new(mailbox("c@b.example")))).unwrap();
    let second = client.send_chunk(text("b"), true).unwrap();
    assert_eq!(client.outcome_of(first), client::Outcome::NotSent);
    assert_eq!(
        drain(&mut client),
        "BDAT 1 LAST\r\naRSET\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@b.example>\r\n"
    );
    assert_eq!(client.outcome_of(first), client::Outcome::Unknown);
    assert_eq!(client.outcome_of(second), client::Outcome::NotSent);
    feed(&mut client, b"554 no\r\n");
    assert_eq!(client.outcome(), client::Outcome::NotSent, "of the second");
    feed(&mut client, b"250 ok\r\n250 ok\r\n250 ok\r\n");
    assert_eq!(drain(&mut client), "BDAT 1 LAST\r\nb");
    feed(&mut client, b"250 ok\r\n");
    assert_eq!(client.outcome(), client::Outcome::Accepted);

    // With DATA the same, without RSET.
    let mut client = ready_client_with(client_config(), OFFER);
    let next = |client: &mut client::Connection| {
        client.send(Command::Mail(Mail::new(mailbox("a@b.example")))).unwrap();
        client.send(Command::Rcpt(Rcpt::new(mailbox("c@b.example")))).unwrap();
        client.send(Command::Data).unwrap()
    };
    let first = next(&mut client);
    drain(&mut client);
    feed(&mut client, b"250 ok\r\n250 ok\r\n354 go\r\n");
    let second = next(&mut client);
    client.send_body(&mut text("a\r\n")).unwrap();
    assert_eq!(drain(&mut client), "a\r\n");
    client.finish_body().unwrap();
    assert_eq!(drain(&mut client), ".\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@b.example>\r\nDATA\r\n");
    assert_eq!(client.outcome_of(first), client::Outcome::Unknown);
    feed(&mut client, b"250 ok\r\n");
    assert_eq!(
        (client.outcome(), client.outcome_of(second)),
        (client::Outcome::NotSent, client::Outcome::NotSent)
    );
}

/// Unread replies cannot fill the connection: after some chunks the answers are waited for.
#[test]
fn replies_to_chunks_are_read_in_time() {
    let (mut client, _) = begun(client_config(), OFFER, None);
    drain(&mut client);
    feed(&mut client, b"250 ok\r\n250 ok\r\n");
    let mut given = 0;
    while matches!(client.next_event(&mut BytesMut::new()).unwrap(), Next::Paused) || given == 0 {
        client.send_chunk(text("ab"), false).unwrap();
        drain(&mut client);
        given += 1;
        assert!(given < 100);
    }
    feed(&mut client, b"250 ok\r\n");
    assert!(matches!(client.next_event(&mut BytesMut::new()).unwrap(), Next::Paused));
}
