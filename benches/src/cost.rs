//! What hostile input costs, in instructions: the same input byte by byte, and more of the same.

use std::{fmt::Write as _, hint::black_box, path::Path};

use bytes::{Buf, BytesMut};
use mailwire_core::{Channel, Connection, Next, dot};

use crate::{
    callgrind::{self, Counted},
    corpus, counted_call, counted_region,
};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Byte by byte it costs at most so many times what it costs as a whole.
    ByteByByte(f64),
    /// Four times as much costs four times as much, at most so many times that.
    Linear(f64),
}

/// What was measured of a scenario.
#[derive(Debug, Clone)]
pub struct Cost {
    /// What happens.
    pub title: &'static str,
    /// What is asked.
    pub limit: Limit,
    /// Instructions: of the whole input, or of the smaller one.
    pub first: u64,
    /// Instructions: byte by byte, or of the larger one.
    pub second: u64,
    /// Instructions byte by byte with the caller's part: its loop, and a byte put into the buffer.
    pub with_caller: u64,
    /// How many there are of what is counted in the smaller one, or bytes.
    pub count: usize,
}

impl Cost {
    /// The measured ratio that the limit is about.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        let ratio = self.second as f64 / self.first as f64;
        match self.limit {
            Limit::ByteByByte(_) => ratio,
            Limit::Linear(_) => ratio / 4.0,
        }
    }

    /// Whether the limit is kept.
    #[must_use]
    pub fn is_within(&self) -> bool {
        match self.limit {
            Limit::ByteByByte(limit) | Limit::Linear(limit) => self.ratio() <= limit,
        }
    }
}

/// One kind of hostile input.
struct Scenario {
    name: &'static str,
    title: &'static str,
    limit: Limit,
    /// How much of it: the smaller number.
    count: usize,
    /// The input for a number, and what reads it in pieces of a size.
    run: fn(count: usize, piece: usize),
}

const BYTES: Limit = Limit::ByteByByte(3.0);
const LINEAR: Limit = Limit::Linear(1.1);

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "smtp-server-bytes",
        title: "SMTP server: 100 transactions of MAIL and RCPT with parameters",
        limit: BYTES,
        count: 100,
        run: |count, piece| {
            let mut wire = corpus::EHLO_COMMAND.to_vec();
            for _ in 0..count {
                wire.extend_from_slice(
                    b"MAIL FROM:<alice.smith@mail.example.org> SIZE=1234567 BODY=8BITMIME\r\n",
                );
                wire.extend_from_slice(corpus::RCPT_PLAIN);
                wire.extend_from_slice(b"RSET\r\n");
            }
            smtp_server(&wire, piece);
        },
    },
    Scenario {
        name: "smtp-client-bytes",
        title: "SMTP client: 100 replies of ten lines",
        limit: BYTES,
        count: 100,
        run: smtp_client,
    },
    Scenario {
        name: "pop3-server-bytes",
        title: "POP3 server: 100 commands",
        limit: BYTES,
        count: 100,
        run: |count, piece| pop3_server(count, piece, "TOP 12345 10\r\n"),
    },
    Scenario {
        name: "imap-client-bytes",
        title: "IMAP client: 100 times FETCH ENVELOPE, BODYSTRUCTURE, FLAGS",
        limit: BYTES,
        count: 100,
        run: |count, piece| {
            let wire = [corpus::FETCH_ENVELOPE, corpus::FETCH_BODYSTRUCTURE, corpus::FETCH_FLAGS].concat();
            imap_client(&wire.repeat(count), count * 3, piece);
        },
    },
    Scenario {
        name: "imap-client-literal-bytes",
        title: "IMAP client: 100 times FETCH with a small literal",
        limit: BYTES,
        count: 100,
        run: |count, piece| imap_client(&small_literals(count), count, piece),
    },
    Scenario {
        name: "imap-server-bytes",
        title: "IMAP server: 100 times FETCH, SEARCH, STORE",
        limit: BYTES,
        count: 100,
        run: |count, piece| {
            let commands: Vec<&[u8]> = corpus::IMAP_COMMANDS.iter().take(3).map(|(_, wire)| *wire).collect();
            imap_server(&commands.concat().repeat(count), count * 3, piece);
        },
    },
    Scenario {
        name: "imap-server-commands",
        title: "IMAP server: n pipelined commands",
        limit: LINEAR,
        count: 2000,
        run: |count, piece| imap_server(&b"a1 UID FETCH 1:* (FLAGS)\r\n".repeat(count), count, piece),
    },
    Scenario {
        name: "imap-server-literals",
        title: "IMAP server: a command with n literals",
        limit: LINEAR,
        count: 200,
        run: |count, piece| {
            let wire = [&b"a1 UID SEARCH"[..], &b" SUBJECT {5+}\r\nhello".repeat(count), b"\r\n"].concat();
            imap_server(&wire, 1, piece);
        },
    },
    Scenario {
        name: "imap-client-literals",
        title: "IMAP client: n responses with a literal each",
        limit: LINEAR,
        count: 500,
        run: |count, piece| imap_client(&small_literals(count), count, piece),
    },
    Scenario {
        name: "imap-client-fields",
        title: "IMAP client: FETCH with n header fields named",
        limit: LINEAR,
        count: 500,
        run: |count, piece| {
            let names = b"X-Some-Field ".repeat(count - 1);
            let wire = [b"* 1 FETCH (BODY[HEADER.FIELDS (", &names[..], b"Last)] \"\")\r\n"].concat();
            imap_client(&wire, 1, piece);
        },
    },
    Scenario {
        name: "imap-client-nested",
        title: "IMAP client: BODYSTRUCTURE with n nested lists, which is refused",
        limit: LINEAR,
        count: 10_000,
        run: |count, piece| {
            let wire = [b"* 1 FETCH (BODYSTRUCTURE ", &b"(".repeat(count)[..], &b")".repeat(count), b")\r\n"]
                .concat();
            imap_client(&wire, 1, piece);
        },
    },
    Scenario {
        name: "imap-server-nested",
        title: "IMAP server: SEARCH with n nested lists, which is refused",
        limit: LINEAR,
        count: 5_000,
        run: |count, piece| {
            let wire =
                [b"a1 SEARCH ", &b"(".repeat(count)[..], b"ALL", &b")".repeat(count), b"\r\n"].concat();
            imap_server(&wire, 1, piece);
        },
    },
    Scenario {
        name: "smtp-server-commands",
        title: "SMTP server: n pipelined commands",
        limit: LINEAR,
        count: 2000,
        run: |count, piece| {
            let wire =
                [corpus::EHLO_COMMAND, &b"MAIL FROM:<a@b.example>\r\nRSET\r\n".repeat(count / 2)].concat();
            smtp_server(&wire, piece);
        },
    },
    Scenario {
        name: "smtp-server-lines",
        title: "SMTP server: a message with n header lines",
        limit: LINEAR,
        count: 10_000,
        run: |count, piece| {
            let mut wire = corpus::EHLO_COMMAND.to_vec();
            wire.extend_from_slice(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n");
            wire.extend_from_slice(&b"X-Header: some value\r\n".repeat(count));
            wire.extend_from_slice(b".\r\n");
            smtp_server(&wire, piece);
        },
    },
    Scenario {
        name: "smtp-server-dotted-lines",
        title: "SMTP server: a message with n lines of dots",
        limit: LINEAR,
        count: 10_000,
        run: |count, piece| {
            let mut wire = corpus::EHLO_COMMAND.to_vec();
            wire.extend_from_slice(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n");
            wire.extend_from_slice(&b"....\r\n".repeat(count));
            wire.extend_from_slice(b".\r\n");
            smtp_server(&wire, piece);
        },
    },
    Scenario {
        name: "smtp-server-body-bytes",
        title: "SMTP server: a message of n bytes that come one by one",
        limit: LINEAR,
        count: 10_000,
        run: |count, _| {
            let mut wire = corpus::EHLO_COMMAND.to_vec();
            wire.extend_from_slice(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n");
            wire.extend_from_slice(&corpus::stuffed(&corpus::body_with_few_dots()[..count / 78 * 78]));
            smtp_server(&wire, 1);
        },
    },
    Scenario {
        name: "smtp-client-replies",
        title: "SMTP client: n replies of ten lines",
        limit: LINEAR,
        count: 200,
        run: smtp_client,
    },
    Scenario {
        name: "smtp-client-lines",
        title: "SMTP client: a reply of n lines",
        limit: LINEAR,
        count: 1000,
        run: |count, piece| {
            let mut framer = mailwire_smtp::ReplyFramer::new();
            let mut limits = mailwire_smtp::Limits::default();
            limits.reply_lines = count + 1;
            let wire = [&b"250-some text in a line\r\n".repeat(count - 1)[..], b"250 end\r\n"].concat();
            let mut input = BytesMut::new();
            counted_region(|| {
                for piece in wire.chunks(piece) {
                    input.extend_from_slice(piece);
                    if let Some(frame) = framer.next_reply(&mut input, &limits).expect("within the limits") {
                        let reply = mailwire_smtp::Reply::parse(&frame, mailwire_smtp::Dialect::Lenient);
                        assert_eq!(black_box(reply).expect("a reply").value.lines().count(), count);
                    }
                }
            });
        },
    },
    Scenario {
        name: "pop3-server-commands",
        title: "POP3 server: n pipelined commands",
        limit: LINEAR,
        count: 2000,
        run: |count, piece| pop3_server(count, piece, "TOP 12345 10\r\n"),
    },
    Scenario {
        name: "pop3-client-lines",
        title: "POP3 client: a message of n lines",
        limit: LINEAR,
        count: 10_000,
        run: |count, piece| {
            let wire = [&b"+OK\r\n"[..], &b"....\r\nsome text\r\n".repeat(count / 2), b".\r\n"].concat();
            let mut client = crate::pop3::client();
            counted_region(|| {
                let mut ended = false;
                drive(&mut client, &wire, piece, |_, event| {
                    ended |= matches!(event, mailwire_pop3::client::Event::BodyEnd { .. });
                });
                assert!(ended);
            });
        },
    },
    Scenario {
        name: "stuffing-dots",
        title: "dot-stuffing: n lines of dots are sent",
        limit: LINEAR,
        count: 10_000,
        run: |count, _| {
            let body = bytes::Bytes::from(b"....\r\n".repeat(count));
            let mut output = mailwire_core::Output::new(usize::MAX);
            counted_region(|| {
                let mut stuffer = dot::Stuffer::new(dot::BareNewline::Refuse);
                stuffer.push(body, &mut output).expect("proper lines");
                stuffer.finish(&mut output).expect("proper lines");
            });
            assert_eq!(output.len(), count * 7 + 3);
        },
    },
];

/// Feeds a machine, hands on its events, and drains its output as it comes.
fn drive<C: Connection>(
    machine: &mut C,
    wire: &[u8],
    piece: usize,
    mut handle: impl FnMut(&mut C, C::Event),
) {
    let mut input = BytesMut::new();
    let drain = |machine: &mut C| {
        counted_call(|| {
            let output = machine.output();
            output.advance(output.remaining());
        });
    };
    drain(machine);
    for piece in wire.chunks(piece) {
        input.extend_from_slice(piece);
        loop {
            match counted_call(|| machine.next_event(&mut input)) {
                Ok(Next::Event(event)) => counted_call(|| handle(machine, event)),
                Ok(Next::NeedInput) => break,
                Ok(Next::Paused) if !machine.output().is_empty() => {}
                Ok(Next::Paused) if input.is_empty() => break,
                Ok(other) => panic!("{:?}", other.map(|_| ())),
                Err(error) => panic!("{error}"),
            }
            drain(machine);
        }
    }
    assert!(input.is_empty(), "something was not read");
}

fn smtp_server(wire: &[u8], piece: usize) {
    use mailwire_smtp::{Command, Reply, ReplyCode, server};
    let mut config = server::Config::new("mx.example".try_into().expect("a name"), Channel::Tls);
    config.limits.idle_commands = usize::MAX;
    let mut server = server::Connection::new(config);
    let mut answered = 0usize;
    counted_region(|| {
        drive(&mut server, wire, piece, |server, event| match event {
            server::Event::Command { ticket, command: Command::Data, .. } => {
                server.accept_body(ticket).expect("DATA");
            }
            server::Event::Command { ticket, command, .. } => {
                server.reply(ticket, server::default_reply(&command)).expect("a reply");
                answered += 1;
            }
            server::Event::BodyEnd { ticket, .. } => {
                server.reply(ticket, Reply::new(ReplyCode::OK, "Queued")).expect("a reply");
            }
            server::Event::BodyStart { .. } | server::Event::BodyChunk(_) => {}
            other => panic!("{other:?}"),
        });
    });
    assert!(answered > 2);
}

fn smtp_client(count: usize, piece: usize) {
    use mailwire_smtp::{Command, client};
    let mut config = client::Config::new("client.example".try_into().expect("a name"), Channel::Tls);
    config.limits.pipeline = usize::MAX;
    config.limits.output = usize::MAX;
    let mut client = client::Connection::new(config);
    drive(&mut client, b"220 mx.example ESMTP\r\n", usize::MAX, |_, _| {});
    drive(&mut client, b"250-mx.example\r\n250 PIPELINING\r\n", usize::MAX, |_, _| {});
    for _ in 0..count {
        client.send(Command::Rset).expect("room");
    }
    let wire = corpus::REPLY_10.repeat(count);
    let mut lines = 0;
    counted_region(|| {
        drive(&mut client, &wire, piece, |_, event| {
            // A reply tells its lines apart when it is asked for them, which is part of reading it.
            if let client::Event::Reply { reply, .. } = event {
                lines += reply.lines().count();
            }
        });
    });
    assert_eq!(lines, count * 10);
}

fn pop3_server(count: usize, piece: usize, command: &str) {
    use mailwire_pop3::{Reply, server};
    let mut config = server::Config::new(Channel::Tls);
    config.limits.no_ops = usize::MAX;
    let mut server = server::Connection::new(config);
    drive(&mut server, b"USER alice\r\nPASS secret\r\n", usize::MAX, |server, event| {
        if let server::Event::Login { ticket, .. } = event {
            server.reply(ticket, Reply::ok("")).expect("a reply");
        }
    });
    let wire = command.repeat(count).into_bytes();
    let mut answered = 0;
    counted_region(|| {
        drive(&mut server, &wire, piece, |server, event| match event {
            server::Event::Command { ticket, .. } => {
                server.reply(ticket, Reply::err("no such message")).expect("a reply");
                answered += 1;
            }
            other => panic!("{other:?}"),
        });
    });
    assert_eq!(answered, count);
}

fn small_literals(count: usize) -> Vec<u8> {
    (1..=count)
        .flat_map(|n| {
            format!("* {n} FETCH (BODY[HEADER.FIELDS (SUBJECT)] {{15}}\r\nSubject: hello\n)\r\n").into_bytes()
        })
        .collect()
}

fn imap_client(wire: &[u8], messages: usize, piece: usize) {
    use mailwire_imap::client::Event;
    let mut client = crate::imap_stream::client();
    let mut seen = 0;
    counted_region(|| {
        drive(&mut client, wire, piece, |_, event| {
            seen += usize::from(matches!(event, Event::Data { .. } | Event::Malformed { .. }));
        });
    });
    assert_eq!(seen, messages);
}

fn imap_server(wire: &[u8], commands: usize, piece: usize) {
    use mailwire_imap::{
        command::Command,
        response::{Status, StatusKind},
        server::{Config, Connection, Event},
    };
    let status = |kind, text| Status::new(kind, text).expect("a text");
    let mut config = Config::new(Channel::Tls);
    config.greeting = status(StatusKind::PreAuth, "hello");
    config.limits.idle_commands = usize::MAX;
    config.limits.literals = usize::MAX;
    let mut server = Connection::new(config);
    let (ok, no) = (status(StatusKind::Ok, "selected"), status(StatusKind::No, "no such message"));
    let mut answered = 0;
    drive(&mut server, b"a0 SELECT INBOX\r\n", usize::MAX, |server, event| match event {
        Event::Command { ticket, .. } => server.reply(ticket, ok.clone()).expect("an answer"),
        other => panic!("{other:?}"),
    });
    counted_region(|| {
        drive(&mut server, wire, piece, |server, event| match event {
            Event::Command { ticket, command, .. } => {
                assert!(!matches!(command, Command::Other(_)));
                server.reply(ticket, no.clone()).expect("an answer");
                answered += 1;
            }
            Event::Malformed { .. } => answered += 1,
            other => panic!("{other:?}"),
        });
    });
    assert_eq!(answered, commands);
}

/// Pieces of this size are what a network gives.
const SEGMENT: usize = 1400;

/// Runs one scenario once, for callgrind.
///
/// # Panics
///
/// There is no such scenario, or the machine did not do what it has to.
pub fn run(name: &str, count: usize, piece: usize) {
    let scenario = SCENARIOS.iter().find(|it| it.name == name).expect("no such scenario");
    (scenario.run)(count, piece);
}

/// Runs all scenarios once, small, without counting: that they work.
pub fn check() {
    for scenario in SCENARIOS {
        (scenario.run)(scenario.count / 10, SEGMENT);
        (scenario.run)(scenario.count / 10, 1);
    }
}

/// Counts the instructions of all scenarios; `program` is this crate's benchmark.
#[must_use]
pub fn measure(program: &Path) -> Vec<Cost> {
    let count = |scenario: &Scenario, counted: Counted, count: usize, piece: usize| {
        let arguments = ["--cost", scenario.name, &count.to_string(), &piece.to_string()];
        callgrind::instructions(program, counted, &arguments)
    };
    let measured = SCENARIOS.iter().filter_map(|it| {
        let (first, second, with_caller) = match it.limit {
            Limit::ByteByByte(_) => (
                count(it, Counted::Calls, it.count, usize::MAX)?,
                count(it, Counted::Calls, it.count, 1)?,
                count(it, Counted::Region, it.count, 1)?,
            ),
            Limit::Linear(_) => {
                let first = count(it, Counted::Region, it.count, SEGMENT)?;
                let second = count(it, Counted::Region, it.count * 4, SEGMENT)?;
                (first, second, second)
            }
        };
        Some(Cost { title: it.title, limit: it.limit, first, second, with_caller, count: it.count })
    });
    measured.collect()
}

/// A section of the report.
#[must_use]
pub fn markdown(costs: &[Cost]) -> String {
    let mut out = String::new();
    if costs.is_empty() {
        return out;
    }
    out.push_str(
        "\n## Hostile input\n\nInstructions by callgrind, of the machines with their parsers: calls of `next_event`, \
         handling of events and replies to them, and taking the output. The last column has the caller's part as well: \
         its loop, and a call that puts a byte into the buffer.\n\n\
         | byte by byte | whole | byte by byte | ratio | limit | | with the caller's part |\n\
         | --- | ---: | ---: | ---: | ---: | --- | ---: |\n",
    );
    for cost in costs {
        if let Limit::ByteByByte(limit) = cost.limit {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {:.2} | {limit:.1} | {} | {} |",
                cost.title,
                cost.first,
                cost.second,
                cost.ratio(),
                if cost.is_within() { "kept" } else { "passed" },
                cost.with_caller
            );
        }
    }
    out.push_str(
        "\n| more of the same, in pieces of 1,400 bytes | n | instructions for each | for each at 4 n | growth | |\n\
         | --- | ---: | ---: | ---: | ---: | --- |\n",
    );
    for cost in costs {
        if let Limit::Linear(_) = cost.limit {
            let _ = writeln!(
                out,
                "| {} | {} | {:.1} | {:.1} | {:.3} | {} |",
                cost.title,
                cost.count,
                cost.first as f64 / cost.count as f64,
                cost.second as f64 / (cost.count * 4) as f64,
                cost.ratio(),
                if cost.is_within() { "linear" } else { "not linear" }
            );
        }
    }
    out
}
