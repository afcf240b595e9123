//! Replays conversations for both roles.
//!
//! A transcript is a file of lines. `C: ` is what the client says, `S: ` what the server says, each
//! with its CR LF left out. `#` begins a comment. `--- tls` is where TLS begins. Directives stand at
//! the top: `@ lmtp`, `@ starttls` (otherwise the stream is protected from the start), `@ clear`,
//! `@ require-auth`, `@ only client` or `@ only server`, `@ no-pipelining`.
//!
//! The server's application answers what the `S: ` lines say; the client's caller sends what the
//! `C: ` lines say. Each machine must then write its lines byte for byte, and tell the same events
//! whether its input comes whole, byte by byte, or cut in two at any place.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::expect_used
)]

mod common;

use std::{collections::VecDeque, fmt::Write as _};

use bytes::{Bytes, BytesMut};
use common::{client_config, drain, server_config};
use mailwire_core::sasl;
use mailwire_smtp::{
    Channel, Command, Connection as _, Dialect, Limits, Next, Reply, ReplyCode, ReplyFramer, SaslStep,
    client, server,
};

struct Transcript {
    name: String,
    directives: Vec<String>,
    /// Who says what, as turns. `None` where TLS begins.
    turns: Vec<Option<(Side, Vec<String>)>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Client,
    Server,
}

impl Transcript {
    fn has(&self, directive: &str) -> bool {
        self.directives.iter().any(|it| it == directive)
    }

    fn channel(&self) -> Channel {
        match (self.has("starttls"), self.has("clear")) {
            (true, _) => Channel::StartTls,
            (_, true) => Channel::Clear,
            _ => Channel::Tls,
        }
    }

    fn text(&self, side: Side) -> String {
        self.turns.iter().flatten().filter(|turn| turn.0 == side).map(|turn| wire(&turn.1)).collect()
    }
}

fn wire(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}

fn transcripts() -> Vec<Transcript> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
        .iter()
        .map(|path| {
            let mut transcript = Transcript {
                name: path.file_name().unwrap().to_string_lossy().into_owned(),
                directives: Vec::new(),
                turns: Vec::new(),
            };
            for line in std::fs::read_to_string(path).unwrap().lines() {
                let (side, text) = match line.split_at_checked(3) {
                    Some(("C: ", text)) => (Side::Client, text),
                    Some(("S: ", text)) => (Side::Server, text),
                    _ if line == "C:" => (Side::Client, ""),
                    _ if line == "--- tls" => {
                        transcript.turns.push(None);
                        continue;
                    }
                    _ if line.starts_with("@ ") => {
                        transcript.directives.push(line[2..].into());
                        continue;
                    }
                    _ if line.is_empty() || line.starts_with('#') => continue,
                    _ => panic!("{}: {line}", path.display()),
                };
                match transcript.turns.last_mut() {
                    Some(Some((last, lines))) if *last == side => lines.push(text.into()),
                    _ => transcript.turns.push(Some((side, vec![text.into()]))),
                }
            }
            transcript
        })
        .collect()
}

/// How the input comes.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Whole,
    Bytes,
    At(usize),
}

impl Cut {
    /// The pieces of `text`, which begins at `start` of all that comes.
    fn pieces(self, text: &str, start: usize) -> Vec<&[u8]> {
        let bytes = text.as_bytes();
        match self {
            Cut::Whole => vec![bytes],
            Cut::Bytes => bytes.chunks(1).collect(),
            Cut::At(at) => {
                let at = at.saturating_sub(start).min(bytes.len());
                vec![&bytes[..at], &bytes[at..]]
            }
        }
    }
}

fn ways(length: usize) -> impl Iterator<Item = Cut> {
    [Cut::Whole, Cut::Bytes].into_iter().chain((0..=length).map(Cut::At))
}

#[test]
fn servers() {
    for transcript in transcripts().iter().filter(|it| !it.has("only client")) {
        let length = transcript.text(Side::Client).len();
        let mut expected = None;
        for cut in ways(length) {
            let (events, written) = serve(transcript, cut);
            assert_eq!(written, transcript.text(Side::Server), "{} {cut:?}\n{events}", transcript.name);
            assert_eq!(
                *expected.get_or_insert_with(|| events.clone()),
                events,
                "{} {cut:?}",
                transcript.name
            );
        }
    }
}

fn replies(text: &str) -> VecDeque<Reply> {
    let (mut framer, mut input, mut replies) = (ReplyFramer::new(), BytesMut::from(text), VecDeque::new());
    while let Some(frame) = framer.next_reply(&mut input, &Limits::client()).unwrap() {
        replies.push_back(Reply::parse(&frame.bytes, Dialect::Lenient).unwrap().value);
    }
    assert!(input.is_empty());
    replies
}

fn serve(transcript: &Transcript, cut: Cut) -> (String, String) {
    let mut config = server_config();
    config.channel = transcript.channel();
    config.lmtp = transcript.has("lmtp");
    config.require_auth = transcript.has("require-auth");
    let mut server = server::Connection::new(config);
    let mut replies = replies(&transcript.text(Side::Server));
    replies.pop_front().expect("a greeting");
    let (mut events, mut written, mut body) = (String::new(), drain(&mut server), Vec::new());
    // In LMTP, those who get a reply of their own.
    let mut recipients = transcript.has("lmtp").then(Vec::new);
    let mut input = BytesMut::new();
    let mut start = 0;
    // All that the client says before TLS, then all behind it.
    for section in transcript.turns.split(|turn| turn.is_none()) {
        let said: String = section
            .iter()
            .flatten()
            .filter(|turn| turn.0 == Side::Client)
            .map(|turn| wire(&turn.1))
            .collect();
        for piece in cut.pieces(&said, start) {
            input.extend_from_slice(piece);
            loop {
                let event = match server.next_event(&mut input).unwrap() {
                    Next::Event(event) => event,
                    Next::NeedInput => break,
                    Next::Paused => {
                        written += &drain(&mut server);
                        continue;
                    }
                    Next::Upgrade(_) => {
                        server.upgraded(mailwire_core::Upgrade::Tls);
                        break;
                    }
                    Next::Closed => break,
                };
                if let server::Event::BodyChunk(chunk) = &event {
                    body.extend_from_slice(chunk);
                    continue;
                }
                writeln!(events, "{event:?}").unwrap();
                answer(&mut server, event, &mut replies, recipients.as_mut());
            }
            written += &drain(&mut server);
        }
        start += said.len();
    }
    writeln!(events, "{}", body.escape_ascii()).unwrap();
    assert!(replies.is_empty(), "{}: {replies:?}", transcript.name);
    (events, written)
}

/// Answers what the transcript's server does.
fn answer(
    server: &mut server::Connection,
    event: server::Event,
    replies: &mut VecDeque<Reply>,
    recipients: Option<&mut Vec<mailwire_smtp::Ticket>>,
) {
    use server::Event;
    match event {
        Event::BodyStart { .. } => {}
        Event::BodyEnd { .. } if recipients.is_some() => {
            for recipient in recipients.unwrap().drain(..) {
                server.reply(recipient, replies.pop_front().unwrap()).unwrap();
            }
        }
        Event::Command {
            ticket, command: Command::Ehlo(_) | Command::Lhlo(_) | Command::Helo(_), ..
        } => {
            let reply = replies.pop_front().unwrap();
            let reply = if reply.is_positive() { Reply::new(ReplyCode::OK, "") } else { reply };
            server.reply(ticket, reply).unwrap();
        }
        Event::Command { ticket, command, .. } => {
            let reply = replies.pop_front().unwrap();
            if let (Some(recipients), Command::Rcpt(_)) = (recipients, &command)
                && reply.is_positive()
            {
                recipients.push(ticket);
            }
            give(server, ticket, &command, reply);
        }
        Event::AuthResponse { ticket, step: SaslStep::Data(_) } | Event::BodyEnd { ticket, .. } => {
            let reply = replies.pop_front().unwrap();
            match reply.code() {
                ReplyCode::CHALLENGE => challenge(server, &reply),
                _ => server.reply(ticket, reply).unwrap(),
            }
        }
        // Answered by the machine.
        Event::AuthResponse { .. }
        | Event::Refused { .. }
        | Event::Malformed { .. }
        | Event::BodyRefused { .. } => {
            replies.pop_front().unwrap();
        }
        _ => {}
    }
}

fn give(server: &mut server::Connection, ticket: mailwire_smtp::Ticket, command: &Command, reply: Reply) {
    match (command, reply.code()) {
        (Command::Data, ReplyCode::START_INPUT) => server.accept_body(ticket).unwrap(),
        (Command::StartTls, ReplyCode::READY) => server.accept_upgrade(ticket).unwrap(),
        (Command::Auth(_), ReplyCode::CHALLENGE) => challenge(server, &reply),
        _ => server.reply(ticket, reply).unwrap(),
    }
}

fn challenge(server: &mut server::Connection, reply: &Reply) {
    let data = sasl::decode(reply.first_line().as_bytes()).unwrap();
    server.send_auth(SaslStep::Data(data)).unwrap();
}

#[test]
fn clients() {
    for transcript in transcripts().iter().filter(|it| !it.has("only server")) {
        let length = transcript.text(Side::Server).len();
        let mut expected = None;
        for cut in ways(length) {
            let (events, written) = converse(transcript, cut);
            assert_eq!(written, transcript.text(Side::Client), "{} {cut:?}\n{events}", transcript.name);
            assert_eq!(
                *expected.get_or_insert_with(|| events.clone()),
                events,
                "{} {cut:?}",
                transcript.name
            );
        }
    }
}

fn converse(transcript: &Transcript, cut: Cut) -> (String, String) {
    let mut config = client_config();
    config.channel = transcript.channel();
    config.lmtp = transcript.has("lmtp");
    config.pipelining = !transcript.has("no-pipelining");
    let mut client = client::Connection::new(config);
    let (mut events, mut written) = (String::new(), String::new());
    let mut input = BytesMut::new();
    let mut start = 0;
    let (mut in_body, mut in_exchange) = (false, false);
    for turn in &transcript.turns {
        match turn {
            None => client.upgraded(mailwire_core::Upgrade::Tls),
            Some((Side::Client, lines)) => {
                say(&mut client, lines, in_body, in_exchange);
                (in_body, in_exchange) = (false, false);
                written += &drain(&mut client);
            }
            Some((Side::Server, lines)) => {
                let said = wire(lines);
                for piece in cut.pieces(&said, start) {
                    input.extend_from_slice(piece);
                    while let Next::Event(event) = client.next_event(&mut input).unwrap() {
                        in_body |= matches!(event, client::Event::BodyRequested { .. });
                        in_exchange |= matches!(event, client::Event::AuthChallenge { .. });
                        writeln!(events, "{event:?}").unwrap();
                    }
                }
                start += said.len();
            }
        }
    }
    (events, written)
}

/// Sends what the transcript's client says, unless the machine says it by itself.
fn say(client: &mut client::Connection, lines: &[String], in_body: bool, in_exchange: bool) {
    let mut lines = lines.iter();
    if in_body {
        let body: String = lines
            .by_ref()
            .take_while(|line| *line != ".")
            .map(|line| format!("{}\r\n", line.strip_prefix('.').unwrap_or(line)))
            .collect();
        client.send_body(&mut Bytes::from(body)).unwrap();
        client.finish_body().unwrap();
    }
    if in_exchange {
        let step = sasl::decode_step(lines.next().unwrap().as_bytes()).unwrap();
        client.send_auth(step).unwrap();
    }
    for line in lines {
        let frame = Bytes::from(line.clone());
        match Command::parse(&frame, Dialect::Strict) {
            Ok(parsed) => match parsed.value {
                Command::Ehlo(_) | Command::Helo(_) | Command::Lhlo(_) | Command::StartTls => {}
                command => drop(client.send(command).unwrap()),
            },
            // The end of a message that the machine sends by itself.
            Err(_) => assert_eq!(line, "."),
        }
    }
}
