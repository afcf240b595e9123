//! IMAP responses, whole messages.

use bytes::{Buf, Bytes};
use mailwire_core::{Dialect, Output};
use mailwire_imap::{
    Limits,
    framing::{Framer, Speaker},
    response::{MsgAtt, ReplyKind, Response, SearchReturnData, Untagged},
    types::{BodyStructure, Data},
};
use peer_imap_codec::{
    ResponseCodec,
    decode::Decoder,
    encode::Encoder,
    imap_types::{IntoStatic, response::Response as CodecResponse},
};
use peer_imap_proto::{
    AttributeValue, BodyStructure as ProtoBody, MailboxDatum, Response as ProtoResponse,
    Status as ProtoStatus,
};

use crate::{
    Aim, Group, Groups, Kind, corpus,
    imap::{framed, next_frame, same_facts},
    read_buffer, waiting,
};

/// Which peers can read it.
#[derive(Clone, Copy, PartialEq)]
enum Peers {
    Both,
    /// imap-codec alone.
    Codec,
    None,
}

/// What is read in it, as far as all can tell: a few facts in one line.
type Facts = fn(&Response) -> String;
type ProtoFacts = fn(&ProtoResponse<'_>) -> String;

struct Case {
    name: &'static str,
    title: &'static str,
    aim: f64,
    wire: fn() -> Vec<u8>,
    peers: Peers,
    /// Whether a part of it is so large that it is chained to the output.
    chained: bool,
    facts: Facts,
    proto_facts: ProtoFacts,
}

const CASES: &[Case] = &[
    Case {
        name: "fetch-envelope",
        title: "FETCH with ENVELOPE",
        aim: 0.5,
        wire: || corpus::FETCH_ENVELOPE.to_vec(),
        peers: Peers::Both,
        chained: false,
        facts: |response| match fetch(response) {
            [MsgAtt::Uid(_), MsgAtt::Envelope(envelope)] => format!(
                "{:?} {} {} {}",
                envelope.subject().expect("a subject").as_bytes(),
                envelope.to().len(),
                envelope.cc().len(),
                envelope.bcc().len()
            ),
            other => panic!("{other:?}"),
        },
        proto_facts: |response| match proto_items(response) {
            [AttributeValue::Uid(_), AttributeValue::Envelope(envelope)] => format!(
                "{:?} {} {} {}",
                envelope.subject.as_deref().expect("a subject"),
                envelope.to.as_ref().map_or(0, Vec::len),
                envelope.cc.as_ref().map_or(0, Vec::len),
                envelope.bcc.as_ref().map_or(0, Vec::len)
            ),
            other => panic!("{other:?}"),
        },
    },
    Case {
        name: "fetch-bodystructure",
        title: "FETCH with BODYSTRUCTURE",
        aim: 0.5,
        wire: || corpus::FETCH_BODYSTRUCTURE.to_vec(),
        peers: Peers::Both,
        chained: false,
        facts: |response| match fetch(response) {
            [MsgAtt::BodyStructure(body)] => match body {
                BodyStructure::Multi(multi) => format!("{}", multi.parts.len()),
                BodyStructure::Single(_) => panic!("not a multipart"),
            },
            other => panic!("{other:?}"),
        },
        proto_facts: |response| match proto_items(response) {
            [AttributeValue::BodyStructure(ProtoBody::Multipart { bodies, .. })] => {
                format!("{}", bodies.len())
            }
            other => panic!("{other:?}"),
        },
    },
    Case {
        name: "fetch-flags",
        title: "FETCH with FLAGS only",
        aim: 1.0 / 3.0,
        wire: || corpus::FETCH_FLAGS.to_vec(),
        peers: Peers::Both,
        chained: false,
        facts: |response| match fetch(response) {
            [MsgAtt::Flags(flags)] => format!("{}", flags.iter().count()),
            other => panic!("{other:?}"),
        },
        proto_facts: |response| match proto_items(response) {
            [AttributeValue::Flags(flags)] => format!("{}", flags.len()),
            other => panic!("{other:?}"),
        },
    },
    Case {
        name: "fetch-literal-65536",
        title: "FETCH with a literal of 64 KiB",
        aim: 0.5,
        wire: || corpus::fetch_literal(64 * 1024),
        peers: Peers::Both,
        chained: true,
        facts: |response| match fetch(response) {
            [MsgAtt::Uid(_), MsgAtt::Section(section)] => match &section.data {
                Data::Inline(text) => format!("{}", text.len()),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        },
        proto_facts: |response| match proto_items(response) {
            [AttributeValue::Uid(_), AttributeValue::BodySection { data: Some(data), .. }] => {
                format!("{}", data.len())
            }
            other => panic!("{other:?}"),
        },
    },
    Case {
        name: "list",
        title: "LIST",
        aim: 1.0 / 2.5,
        wire: || corpus::LIST.to_vec(),
        peers: Peers::Both,
        chained: false,
        facts: |response| match response {
            Response::Untagged(Untagged::List(list)) => {
                format!("{} {}", list.name, list.attributes.iter().count())
            }
            other => panic!("{other:?}"),
        },
        proto_facts: |response| match response {
            ProtoResponse::MailboxData(MailboxDatum::List(list)) => {
                format!("{} {}", list.name, list.name_attributes.len())
            }
            other => panic!("{other:?}"),
        },
    },
    Case {
        name: "tagged-ok",
        title: "tagged OK",
        aim: 1.0 / 1.8,
        wire: || corpus::TAGGED_OK.to_vec(),
        peers: Peers::Both,
        chained: false,
        facts: |response| match response {
            Response::Tagged(tagged) => format!(
                "{} {} {}",
                tagged.tag.as_str().unwrap_or_default(),
                tagged.reply.kind == ReplyKind::Ok,
                tagged.reply.code.is_some()
            ),
            other => panic!("{other:?}"),
        },
        proto_facts: |response| match response {
            ProtoResponse::Done { tag, status, outcome } => {
                format!("{} {} {}", tag.0, *status == ProtoStatus::Ok, outcome.code.is_some())
            }
            other => panic!("{other:?}"),
        },
    },
    Case {
        name: "search",
        title: "SEARCH with 10,000 identifiers",
        aim: 0.5,
        wire: corpus::search,
        peers: Peers::Both,
        chained: false,
        facts: |response| match response {
            Response::Untagged(Untagged::Search(search)) => {
                format!("{} {:?}", search.numbers.len(), search.numbers.last())
            }
            other => panic!("{other:?}"),
        },
        proto_facts: |response| match response {
            ProtoResponse::MailboxData(MailboxDatum::Search(ids)) => {
                format!("{} {:?}", ids.len(), ids.last())
            }
            other => panic!("{other:?}"),
        },
    },
    Case {
        name: "esearch",
        title: "ESEARCH with 10,000 identifiers",
        aim: 0.5,
        wire: corpus::esearch,
        peers: Peers::None,
        chained: false,
        facts: |response| match response {
            Response::Untagged(Untagged::ESearch(search)) => match &search.items[..] {
                [SearchReturnData::Count(10_000), SearchReturnData::All(_)] => String::new(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        },
        proto_facts: |_| String::new(),
    },
    Case {
        name: "esearch-partial",
        title: "ESEARCH with a page of 10,000 identifiers",
        aim: 0.5,
        wire: corpus::esearch_partial,
        peers: Peers::None,
        chained: false,
        facts: |response| match response {
            Response::Untagged(Untagged::ESearch(search)) => match &search.items[..] {
                [SearchReturnData::Count(65_536), SearchReturnData::Partial { found: Some(_), .. }] => {
                    String::new()
                }
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        },
        proto_facts: |_| String::new(),
    },
    Case {
        name: "sort",
        title: "SORT with 10,000 identifiers",
        aim: 0.5,
        wire: corpus::sort,
        peers: Peers::Both,
        chained: false,
        facts: |response| match response {
            Response::Untagged(Untagged::Sort(sort)) => {
                format!("{} {:?}", sort.numbers.len(), sort.numbers.last())
            }
            other => panic!("{other:?}"),
        },
        proto_facts: |response| match response {
            ProtoResponse::MailboxData(MailboxDatum::Sort(ids)) => {
                format!("{} {:?}", ids.len(), ids.last())
            }
            other => panic!("{other:?}"),
        },
    },
    Case {
        name: "thread",
        title: "THREAD with 10,000 identifiers",
        aim: 0.5,
        wire: corpus::thread,
        peers: Peers::Codec,
        chained: false,
        facts: |response| match response {
            Response::Untagged(Untagged::Thread(threads)) => format!("{}", threads.nodes().len()),
            other => panic!("{other:?}"),
        },
        proto_facts: |_| String::new(),
    },
    Case {
        name: "vanished",
        title: "VANISHED with 10,000 identifiers",
        aim: 0.5,
        wire: corpus::vanished,
        peers: Peers::Both,
        chained: false,
        facts: |response| match response {
            Response::Untagged(Untagged::Vanished(vanished)) => format!("{}", vanished.earlier),
            other => panic!("{other:?}"),
        },
        proto_facts: |response| match response {
            ProtoResponse::Vanished { earlier, .. } => format!("{earlier}"),
            other => panic!("{other:?}"),
        },
    },
];

fn fetch(response: &Response) -> &[MsgAtt] {
    match response {
        Response::Untagged(Untagged::Fetch(fetch)) => &fetch.items,
        other => panic!("{other:?}"),
    }
}

fn proto_items<'a, 'r>(response: &'a ProtoResponse<'r>) -> &'a [AttributeValue<'r>] {
    match response {
        ProtoResponse::Fetch(_, items) => items,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn add(groups: &mut Groups) {
    for case in CASES {
        groups.add(format!("imap/response-{}", case.name), |name| read(name, case));
        groups.add(format!("imap/write-response-{}", case.name), |name| write(name, case));
    }
}

pub(crate) fn parse(frame: &Bytes) -> Response {
    Response::parse(frame, Dialect::Lenient).expect("a valid response").value
}

fn codec(wire: &[u8]) -> CodecResponse<'_> {
    let (rest, response) = ResponseCodec::new().decode(wire).expect("a valid response");
    assert!(rest.is_empty());
    response
}

fn proto(wire: &[u8]) -> ProtoResponse<'_> {
    let (rest, response) = ProtoResponse::parse(wire).expect("a valid response");
    assert!(rest.is_empty());
    response
}

fn read(group: String, case: &'static Case) -> Group {
    let wire: &'static [u8] = (case.wire)().leak();
    let ours = parse(&framed(wire));
    let mut out = Vec::new();
    ours.write(&mut out);
    same_facts(&out, wire);
    let strict = Response::parse(&framed(wire), Dialect::Strict).expect("a valid response");
    assert!(strict.deviations.is_empty() && strict.value == ours);
    let facts = (case.facts)(&ours);
    if case.peers != Peers::None {
        same_facts(&ResponseCodec::new().encode(&codec(wire)).dump(), wire);
    }
    if case.peers == Peers::Both {
        assert_eq!(facts, (case.proto_facts)(&proto(wire)));
    }

    let aim = if case.peers == Peers::None { Aim::None } else { Aim::OfFastestPeer(case.aim) };
    let mut group = Group::new(group, format!("IMAP {}", case.title), aim, wire.len())
        .add(Kind::Ours, "mailwire", move || {
            let frame = framed(wire);
            move || parse(&frame)
        })
        .add_prepared(
            Kind::Ours,
            "mailwire with framing",
            waiting(wire),
            move || {
                let mut limits = Limits::client();
                (limits.line, limits.frame) = (1 << 20, 1 << 21);
                (Framer::new(Speaker::Server), limits, read_buffer(wire))
            },
            move |(framer, limits, input)| {
                for _ in 0..waiting(wire) {
                    next_frame(framer, limits, input, |frame| {
                        std::hint::black_box(parse(frame));
                    });
                }
            },
        );
    if case.peers == Peers::Both {
        group = group.add(Kind::Peer, "imap-proto", move || move || proto(std::hint::black_box(wire))).add(
            Kind::Peer,
            "imap-proto into_owned",
            move || move || proto(std::hint::black_box(wire)).into_owned(),
        );
    }
    if case.peers != Peers::None {
        group = group.add(Kind::Peer, "imap-codec", move || move || codec(std::hint::black_box(wire))).add(
            Kind::Peer,
            "imap-codec into_static",
            move || move || codec(std::hint::black_box(wire)).into_static(),
        );
    }
    group.add_tokens(wire).add_line_ends("memchr", wire)
}

fn write(group: String, case: &'static Case) -> Group {
    let wire: &'static [u8] = (case.wire)().leak();
    let response = parse(&framed(wire));
    let aim = if case.peers == Peers::None { Aim::None } else { Aim::OfFastestPeer(0.25) };
    let mut group = Group::new(group, format!("IMAP {}, written", case.title), aim, wire.len());
    let copied = if case.chained { "mailwire to a buffer" } else { "mailwire" };
    if case.chained {
        // As the machine writes: the literal is not copied, and leaves the output as it is.
        let response = response.clone();
        group = group.add(Kind::Ours, "mailwire to the output", move || {
            let (response, mut output) = (response.clone(), Output::new(1 << 20));
            move || {
                std::hint::black_box(&response).write_to(&mut output);
                let length = output.len();
                output.advance(length);
                length
            }
        });
    }
    group = group.add(Kind::Ours, copied, move || {
        let (response, mut out) = (response.clone(), Vec::with_capacity(wire.len() + 1024));
        move || {
            out.clear();
            std::hint::black_box(&response).write(&mut out);
            out.len()
        }
    });
    if case.peers != Peers::None {
        group = group.add(Kind::Peer, "imap-codec", move || {
            let response = codec(wire).into_static();
            move || ResponseCodec::new().encode(std::hint::black_box(&response))
        });
    }
    group.add(Kind::Floor, "memcpy", move || {
        let mut out = Vec::with_capacity(wire.len() + 1024);
        move || {
            out.clear();
            out.extend_from_slice(std::hint::black_box(wire));
            out.len()
        }
    })
}
