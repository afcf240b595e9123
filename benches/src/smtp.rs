//! SMTP commands and replies.

use bytes::Bytes;
use mailwire_smtp::{Capabilities, Command, Dialect, Reply};
use peer_lettre::transport::smtp::{extension::ServerInfo, response::Response as LettreResponse};
use peer_smtp_proto::{EhloResponse, Request, Response, response::parser::ResponseReceiver};

use crate::{Aim, Group, Groups, Kind, corpus, received};

pub(crate) fn add(groups: &mut Groups) {
    for (name, title, wire) in [
        ("ehlo", "EHLO", corpus::EHLO_COMMAND),
        ("mail", "MAIL without parameters", corpus::MAIL_PLAIN),
        ("mail-parameters", "MAIL with four parameters", corpus::MAIL_PARAMETERS),
        ("rcpt", "RCPT without parameters", corpus::RCPT_PLAIN),
        ("rcpt-parameters", "RCPT with two parameters", corpus::RCPT_PARAMETERS),
        ("rcpt-encoded", "RCPT with an encoded address", corpus::RCPT_ENCODED),
    ] {
        groups.add(format!("smtp/command-{name}"), |group| command(group, title, wire));
        groups.add(format!("smtp/write-{name}"), |group| write(group, title, wire));
    }
    groups.add("smtp/reply-1", |group| reply(group, "reply of one line", corpus::REPLY_1, 1));
    groups.add("smtp/reply-10", |group| reply(group, "reply of ten lines", corpus::REPLY_10, 10));
    groups.add("smtp/reply-10-lines", reply_lines);
    groups.add("smtp/ehlo-reply", ehlo_reply);
}

/// What a framer gives: all but the last line end.
fn frame(wire: &[u8]) -> Bytes {
    received(wire).slice(..wire.len() - 2)
}

fn parse_command(frame: &Bytes) -> Command {
    Command::parse(frame, Dialect::Strict).expect("a valid command").value
}

fn parse_request(wire: &[u8]) -> Request<std::borrow::Cow<'_, str>> {
    Request::parse(&mut wire.iter()).expect("a valid command")
}

fn command(group: String, title: &str, wire: &'static [u8]) -> Group {
    // The facts are the same.
    match (parse_command(&frame(wire)), parse_request(wire)) {
        (Command::Ehlo(name), Request::Ehlo { host }) => assert_eq!(name.as_str(), host),
        (Command::Mail(mail), Request::Mail { from }) => {
            assert_eq!(mail.from.mailbox().expect("a mailbox").as_str(), from.address);
            assert_eq!(mail.size.unwrap_or_default(), from.size as u64);
        }
        (Command::Rcpt(rcpt), Request::Rcpt { to }) => {
            assert_eq!(rcpt.to.mailbox().expect("a mailbox").as_str(), to.address);
            let dsn = rcpt.parameters();
            assert_eq!(
                (dsn.notify.is_none(), dsn.original_recipient.is_none()),
                (to.flags == 0, to.orcpt.is_none())
            );
        }
        other => panic!("not the same: {other:?}"),
    }
    Group::new(group, format!("SMTP command {title}"), Aim::OfFastestPeer(1.0), wire.len())
        .add(Kind::Ours, "mailwire", move || {
            let frame = frame(wire);
            move || parse_command(&frame)
        })
        .add(Kind::Peer, "smtp-proto", move || move || parse_request(std::hint::black_box(wire)))
        .add(Kind::Peer, "smtp-proto into_owned", move || {
            move || parse_request(std::hint::black_box(wire)).into_owned()
        })
        .add_tokens(wire)
}

fn write(group: String, title: &str, wire: &'static [u8]) -> Group {
    let command = parse_command(&frame(wire));
    let mut out = Vec::new();
    command.write(&mut out);
    assert_eq!(out, wire);
    Group::new(group, format!("SMTP command {title}, written"), Aim::None, wire.len())
        .add(Kind::Ours, "mailwire", move || {
            let (command, mut out) = (command.clone(), Vec::with_capacity(4096));
            move || {
                out.clear();
                std::hint::black_box(&command).write(&mut out);
                out.len()
            }
        })
        .add(Kind::Floor, "memcpy", move || {
            let mut out = Vec::with_capacity(4096);
            move || {
                out.clear();
                out.extend_from_slice(std::hint::black_box(wire));
                out.len()
            }
        })
}

fn stalwart_reply(wire: &[u8]) -> Response<String> {
    ResponseReceiver::default().parse(&mut wire.iter()).expect("a valid reply")
}

fn reply(group: String, title: &str, wire: &'static [u8], lines: usize) -> Group {
    let parse = |frame: &Bytes| Reply::parse(frame, Dialect::Strict).expect("a valid reply").value;
    let lettre = |wire: &str| wire.parse::<LettreResponse>().expect("a valid reply");
    let text = std::str::from_utf8(wire).expect("ASCII");
    let (ours, stalwarts, lettres) = (parse(&frame(wire)), stalwart_reply(wire), lettre(text));
    let enhanced = ours.enhanced().expect("an enhanced code");
    assert_eq!(ours.lines().count(), lines);
    assert_eq!(lettres.message().count(), lines);
    assert!(lettres.has_code(ours.code().get()));
    assert_eq!(
        (ours.code().get(), [enhanced.class(), enhanced.subject() as u8, enhanced.detail() as u8]),
        (stalwarts.code, stalwarts.esc)
    );
    let last = ours.lines().last().expect("a line").to_string_lossy().into_owned();
    assert!(stalwarts.message.contains(&last));
    assert!(lettres.message().last().expect("a line").contains(&last));

    Group::new(group, format!("SMTP {title}"), Aim::OfFastestPeer(1.0 / 1.5), wire.len())
        .add(Kind::Ours, "mailwire", move || {
            let frame = frame(wire);
            move || parse(&frame)
        })
        .add(Kind::Peer, "smtp-proto", move || move || stalwart_reply(std::hint::black_box(wire)))
        .add(Kind::Peer, "lettre", move || move || lettre(std::hint::black_box(text)))
        .add_line_ends("line ends", wire)
}

/// The reply of ten lines, and each of them taken out of it.
fn reply_lines(group: String) -> Group {
    let wire = corpus::REPLY_10;
    let text = std::str::from_utf8(wire).expect("ASCII");
    let ours = |frame: &Bytes| {
        let reply = Reply::parse(frame, Dialect::Strict).expect("a valid reply").value;
        reply.lines().map(|line| std::hint::black_box(line).len()).sum::<usize>()
    };
    let lines = |message: &str| message.lines().map(|line| std::hint::black_box(line).len()).sum::<usize>();
    let stalwarts = move |wire: &[u8]| lines(stalwart_reply(wire).message());
    let lettres = |wire: &str| {
        let response = wire.parse::<LettreResponse>().expect("a valid reply");
        response.message().map(|line| std::hint::black_box(line).len()).sum::<usize>()
    };
    assert_eq!(ours(&frame(wire)), stalwarts(wire));
    // This one leaves the enhanced codes in the lines.
    assert_eq!(ours(&frame(wire)), lettres(text) - 10 * "5.7.1 ".len());

    Group::new(group, "SMTP reply of ten lines, each taken out", Aim::None, wire.len())
        .add(Kind::Ours, "mailwire", move || {
            let frame = frame(wire);
            move || ours(&frame)
        })
        .add(Kind::Peer, "smtp-proto", move || move || stalwarts(std::hint::black_box(wire)))
        .add(Kind::Peer, "lettre", move || move || lettres(std::hint::black_box(text)))
}

fn ehlo_reply(group: String) -> Group {
    let wire = corpus::EHLO_REPLY;
    let text = std::str::from_utf8(wire).expect("ASCII");
    let parse = |frame: &Bytes| Capabilities::parse(frame, Dialect::Strict).expect("a valid reply").value;
    let stalwart = |wire: &[u8]| EhloResponse::parse(&mut wire.iter()).expect("a valid reply");
    let lettre = |wire: &str| {
        let response = wire.parse::<LettreResponse>().expect("a valid reply");
        ServerInfo::from_response(&response).expect("a valid reply to EHLO")
    };
    let (ours, stalwarts, lettres) = (parse(&frame(wire)), stalwart(wire), lettre(text));
    assert_eq!(ours.size_limit(), Some(stalwarts.size as u64));
    assert_eq!(ours.auth().expect("AUTH").len(), stalwarts.auth_mechanisms.count_ones() as usize);
    assert_eq!(ours.iter().count(), stalwarts.capabilities.count_ones() as usize);
    assert_eq!(stalwarts.hostname, "mx.example.org");
    assert_eq!(lettres.name(), "mx.example.org");

    Group::new(group, "SMTP reply to EHLO: capabilities", Aim::OfFastestPeer(1.0 / 1.5), wire.len())
        .add(Kind::Ours, "mailwire", move || {
            let frame = frame(wire);
            move || parse(&frame)
        })
        .add(Kind::Peer, "smtp-proto", move || move || stalwart(std::hint::black_box(wire)))
        .add(Kind::Peer, "lettre", move || move || lettre(std::hint::black_box(text)))
        .add_line_ends("line ends", wire)
}
