//! Whatever comes, however it is cut: the same events, the same answers, and no panic.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::BytesMut;
use common::{Granting, chunking_config, client_config, drain, feed, mailbox, ready_client};
use mailwire_smtp::{
    Auth, Command, Connection as _, Dialect, Mail, Mechanism, Next, Rcpt, ReversePath, Secret, client,
};
use proptest::prelude::*;

/// Pieces of a client's conversation, proper and not.
fn said() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        5 => prop::sample::select(vec![
            "EHLO a.example\r\n", "HELO a.example\r\n", "LHLO a.example\r\n", "MAIL FROM:<a@b.example>\r\n",
            "mail from: a@b.example SIZE=5\r\n", "MAIL FROM:<> SIZE=99999999999\r\n", "RCPT TO:<c@d.example>\r\n",
            "RCPT TO:<\"x y\"@d.example> X=1\r\n", "DATA\r\n", "DATA\r\nx\r\n.\r\n", ".\r\n", "..\r\n", "\r\n.\r\n",
            "BDAT 5\r\nab\r\nc", "BDAT 0\r\n", "BDAT 0 LAST\r\n", "BDAT 3 LAST\r\nx\r\n", "bdat 7 last\r\n\r\n.\r\nNO",
            "BDAT 300\r\n", "BDAT 2\r\na\r", "BDAT x\r\n", "MAIL FROM:<> BODY=BINARYMIME\r\n",
            "RSET\r\n", "NOOP\r\n", "VRFY a\r\n", "HELP\r\n", "AUTH PLAIN AGEAYg==\r\n", "AUTH LOGIN\r\n",
            "AUTH LOGIN\r\nYQ==\r\n", "*\r\n", "!!\r\n", "STARTTLS\r\n", "WHAT\r\n", "NOOP\n", "\r", "\n", "\0",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..30),
        1 => (1usize..400).prop_map(|count| vec![b'x'; count]),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

fn serve(said: &[u8], cuts: &[usize], lenient: bool) -> String {
    let mut config = chunking_config();
    config.limits.line = 100;
    config.limits.auth_line = 150;
    config.limits.message = 200;
    config.limits.output = 2000;
    if lenient {
        config.dialect = Dialect::Lenient;
    }
    let mut server = Granting::new(config);
    let mut written = String::new();
    let mut bodies = Vec::new();
    let mut left = said;
    for cut in cuts.iter().copied().chain([usize::MAX]) {
        let (now, later) = left.split_at(cut.min(left.len()));
        written += &server.say(now);
        left = later;
    }
    // A server whose output was full goes on when it is drained.
    loop {
        let more = server.say("");
        if more.is_empty() {
            break;
        }
        written += &more;
    }
    bodies.extend_from_slice(&server.body);
    format!("{written}\n{:?}\n{:?}\n{}", server.events, server.error, bodies.escape_ascii())
}

/// Pieces of a server's conversation.
fn answered() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => prop::sample::select(vec![
            "250 ok\r\n", "250-a\r\n250 b\r\n", "550 5.1.1 no\r\n", "354 go\r\n", "334 YQ==\r\n", "334 ?\r\n",
            "421 bye\r\n", "221 bye\r\n", "235 ok\r\n", "250-a\r\n\r\n", "noise\r\n", "250 a\n", "280 x\r\n", "\r\n",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

fn converse(answers: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut client = ready_client(client_config());
    let auth = Auth::new(Mechanism::Login).with_initial(Secret::from("x"));
    client.send(Command::Auth(auth)).unwrap();
    client.send(Command::Mail(Mail::new(ReversePath::Null))).unwrap();
    client.send(Command::Rcpt(Rcpt::new(mailbox("a@b.example")))).unwrap();
    client.send(Command::Data).unwrap();
    client.send(Command::Quit).unwrap();
    let mut input = BytesMut::new();
    let (mut events, mut written) = (Vec::new(), String::new());
    let mut left = answers;
    for cut in cuts.iter().copied().chain([usize::MAX]) {
        let (now, later) = left.split_at(cut.min(left.len()));
        left = later;
        input.extend_from_slice(now);
        loop {
            written += &drain(&mut client);
            match client.next_event(&mut input) {
                Ok(Next::Event(event)) => {
                    match &event {
                        client::Event::BodyRequested { .. } => {
                            client.send_body(&mut "x\r\n".into()).unwrap();
                            client.finish_body().unwrap();
                        }
                        client::Event::AuthChallenge { .. } => {
                            client.send_auth(mailwire_smtp::SaslStep::Data("y".into())).unwrap();
                        }
                        _ => {}
                    }
                    events.push(format!("{event:?}"));
                }
                Ok(_) => break,
                Err(error) => {
                    events.push(format!("{error:?}"));
                    break;
                }
            }
        }
        if events.last().is_some_and(|last| last.contains("{ what") || last.contains("limit")) {
            break;
        }
    }
    written += &drain(&mut client);
    events.push(format!("{written}\n{:?}", client.outcome()));
    events
}

/// Whether two logs are equal, as far as no reply came before its command: whether that shows depends on when the
/// bytes come. An early 421 is no error, but answers nothing.
fn same(whole: &[String], cut: &[String]) -> bool {
    match whole.iter().position(|event| event.starts_with("Unsolicited")) {
        Some(at) => cut.starts_with(&whole[..at]),
        None => cut == whole,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn servers(said in said(), cuts in proptest::collection::vec(0usize..40, 0..20), lenient in any::<bool>()) {
        let whole = serve(&said, &[], lenient);
        prop_assert_eq!(&serve(&said, &cuts, lenient), &whole);
        prop_assert_eq!(&serve(&said, &vec![1; said.len()], lenient), &whole);
    }

    #[test]
    fn clients(answers in answered(), cuts in proptest::collection::vec(0usize..40, 0..20)) {
        let whole = converse(&answers, &[]);
        for cuts in [cuts, vec![1; answers.len()]] {
            let cut = converse(&answers, &cuts);
            prop_assert!(same(&whole, &cut), "{:#?} {:#?}", whole, cut);
        }
    }
}

#[test]
fn a_long_initial_response_waits_for_the_challenge() {
    let mut client = ready_client(client_config());
    let token = "t".repeat(1000);
    let auth = Auth::new(Mechanism::Plain).with_initial(Secret::from(token.as_str()));
    let ticket = client.send(Command::Auth(auth)).unwrap();
    assert_eq!(drain(&mut client), "AUTH PLAIN\r\n", "RFC 4954 section 4: the line would be too long");
    assert!(feed(&mut client, b"334 \r\n").is_empty());
    let line = drain(&mut client);
    assert!(line.len() > 1300 && line.ends_with("\r\n"));
    let events = feed(&mut client, b"235 ok\r\n");
    assert!(matches!(&events[..], [client::Event::Reply { ticket: it, .. }] if *it == ticket));
    assert!(client.is_authenticated());
}
