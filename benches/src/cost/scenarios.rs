//! The kinds of hostile input that are measured.

use std::hint::black_box;

use bytes::BytesMut;
use mailwire_core::dot;

use super::{
    Limit,
    machines::{drive, imap_client, imap_server, pop3_server, small_literals, smtp_client, smtp_server},
};
use crate::{corpus, counted_region};

/// One kind of hostile input.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) limit: Limit,
    /// How much of it: the smaller number.
    pub(super) count: usize,
    /// The input for a number, and what reads it in pieces of a size.
    pub(super) run: fn(count: usize, piece: usize),
}

impl Scenario {
    /// That byte by byte costs not much more than whole.
    const fn bytes(name: &'static str, title: &'static str, run: fn(usize, usize)) -> Self {
        Self { name, title, limit: Limit::ByteByByte(3.0), count: 100, run }
    }

    /// That four times as much costs four times as much.
    const fn linear(name: &'static str, title: &'static str, count: usize, run: fn(usize, usize)) -> Self {
        Self { name, title, limit: Limit::Linear(1.1), count, run }
    }
}

/// A message, from EHLO on: what comes after the reply to DATA, with the end of it.
fn smtp_message(lines: &[u8], piece: usize) {
    let envelope = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n";
    smtp_server(&[corpus::EHLO_COMMAND, envelope, lines].concat(), piece);
}

/// What careless servers write, with what stands before and after it.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("* 1 FETCH (ENVELOPE (", "\"", "))"),
    ("* 1 FETCH (ENVELOPE (", "\"x", "))"),
    ("* 1 FETCH (ENVELOPE (\"", "\" x", "))"),
    ("* 1 FETCH (ENVELOPE (\"", "\\\" NIL", "))"),
    ("* 1 FETCH (", "ENVELOPE (\"a\"b) ", ")"),
    ("* 1 FETCH (", "FLAGS x ", ")"),
    ("* 1 FETCH (", "()", ")"),
    ("* 1 FETCH (BODY (", "(\"a\") ", "))"),
    ("* 1 FETCH (BODY (\"text\" \"a\" NIL NIL NIL NIL 1", " NIL", "))"),
    ("* FLAGS (", "a]b ", ")"),
    ("* SEARCH", "  0", ""),
    ("* STATUS x (", "UNSEEN -1 ", ")"),
];

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::bytes(
        "smtp-server-bytes",
        "SMTP server: 100 transactions of MAIL and RCPT with parameters",
        |count, piece| {
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
    ),
    Scenario::bytes("smtp-client-bytes", "SMTP client: 100 replies of ten lines", smtp_client),
    Scenario::bytes("pop3-server-bytes", "POP3 server: 100 commands", |count, piece| {
        pop3_server(count, piece, "TOP 12345 10\r\n")
    }),
    Scenario::bytes(
        "imap-client-bytes",
        "IMAP client: 100 times FETCH ENVELOPE, BODYSTRUCTURE, FLAGS",
        |count, piece| {
            let wire = [corpus::FETCH_ENVELOPE, corpus::FETCH_BODYSTRUCTURE, corpus::FETCH_FLAGS].concat();
            imap_client(&wire.repeat(count), count * 3, piece);
        },
    ),
    Scenario::bytes(
        "imap-client-literal-bytes",
        "IMAP client: 100 times FETCH with a small literal",
        |count, piece| imap_client(&small_literals(count), count, piece),
    ),
    Scenario::bytes("imap-server-bytes", "IMAP server: 100 times FETCH, SEARCH, STORE", |count, piece| {
        let commands: Vec<&[u8]> = corpus::IMAP_COMMANDS.iter().take(3).map(|(_, wire)| *wire).collect();
        imap_server(&commands.concat().repeat(count), count * 3, piece);
    }),
    Scenario::linear("imap-server-commands", "IMAP server: n pipelined commands", 2000, |count, piece| {
        imap_server(&b"a1 UID FETCH 1:* (FLAGS)\r\n".repeat(count), count, piece)
    }),
    Scenario::linear(
        "imap-server-literals",
        "IMAP server: a command with n literals",
        200,
        |count, piece| {
            let wire = [&b"a1 UID SEARCH"[..], &b" SUBJECT {5+}\r\nhello".repeat(count), b"\r\n"].concat();
            imap_server(&wire, 1, piece);
        },
    ),
    Scenario::linear(
        "imap-client-literals",
        "IMAP client: n responses with a literal each",
        500,
        |count, piece| imap_client(&small_literals(count), count, piece),
    ),
    Scenario::linear(
        "imap-client-fields",
        "IMAP client: FETCH with n header fields named",
        500,
        |count, piece| {
            let names = b"X-Some-Field ".repeat(count - 1);
            let wire = [b"* 1 FETCH (BODY[HEADER.FIELDS (", &names[..], b"Last)] \"\")\r\n"].concat();
            imap_client(&wire, 1, piece);
        },
    ),
    Scenario::linear(
        "imap-client-mistakes",
        "IMAP client: responses with n mistakes each, of twelve kinds",
        1000,
        |count, piece| {
            let wire: Vec<u8> = MISTAKES
                .iter()
                .flat_map(|(start, mistake, end)| {
                    [start.as_bytes(), &mistake.as_bytes().repeat(count), end.as_bytes(), b"\r\n"].concat()
                })
                .collect();
            imap_client(&wire, MISTAKES.len(), piece);
        },
    ),
    Scenario::linear(
        "imap-client-nested",
        "IMAP client: BODYSTRUCTURE with n nested lists, which is refused",
        10_000,
        |count, piece| {
            let list = [&b"(".repeat(count)[..], &b")".repeat(count)].concat();
            imap_client(&[b"* 1 FETCH (BODYSTRUCTURE ", &list[..], b")\r\n"].concat(), 1, piece);
        },
    ),
    Scenario::linear(
        "imap-server-nested",
        "IMAP server: SEARCH with n nested lists, which is refused",
        5_000,
        |count, piece| {
            let wire =
                [b"a1 SEARCH ", &b"(".repeat(count)[..], b"ALL", &b")".repeat(count), b"\r\n"].concat();
            imap_server(&wire, 1, piece);
        },
    ),
    Scenario::linear("smtp-server-commands", "SMTP server: n pipelined commands", 2000, |count, piece| {
        let wire = [corpus::EHLO_COMMAND, &b"MAIL FROM:<a@b.example>\r\nRSET\r\n".repeat(count / 2)].concat();
        smtp_server(&wire, piece);
    }),
    Scenario::linear(
        "smtp-server-lines",
        "SMTP server: a message with n header lines",
        10_000,
        |count, piece| {
            smtp_message(&[&b"X-Header: some value\r\n".repeat(count)[..], b".\r\n"].concat(), piece);
        },
    ),
    Scenario::linear(
        "smtp-server-dotted-lines",
        "SMTP server: a message with n lines of dots",
        10_000,
        |count, piece| {
            smtp_message(&[&b"....\r\n".repeat(count)[..], b".\r\n"].concat(), piece);
        },
    ),
    Scenario::linear(
        "smtp-server-body-bytes",
        "SMTP server: a message of n bytes that come one by one",
        10_000,
        |count, _| {
            smtp_message(&corpus::stuffed(&corpus::body_with_few_dots()[..count / 78 * 78]), 1);
        },
    ),
    Scenario::linear("smtp-client-replies", "SMTP client: n replies of ten lines", 200, smtp_client),
    Scenario::linear("smtp-client-lines", "SMTP client: a reply of n lines", 1000, |count, piece| {
        let mut framer = mailwire_smtp::ReplyFramer::new();
        let mut limits = mailwire_smtp::Limits::client();
        limits.reply_lines = count + 1;
        let wire = [&b"250-some text in a line\r\n".repeat(count - 1)[..], b"250 end\r\n"].concat();
        let mut input = BytesMut::new();
        counted_region(|| {
            for piece in wire.chunks(piece) {
                input.extend_from_slice(piece);
                if let Some(frame) = framer.next_reply(&mut input, &limits).expect("within the limits") {
                    let reply = mailwire_smtp::Reply::parse(&frame.bytes, mailwire_smtp::Dialect::Lenient);
                    assert_eq!(black_box(reply).expect("a reply").value.lines().count(), count);
                }
            }
        });
    }),
    Scenario::linear("pop3-server-commands", "POP3 server: n pipelined commands", 2000, |count, piece| {
        pop3_server(count, piece, "TOP 12345 10\r\n")
    }),
    Scenario::linear("pop3-client-lines", "POP3 client: a message of n lines", 10_000, |count, piece| {
        let wire = [&b"+OK\r\n"[..], &b"....\r\nsome text\r\n".repeat(count / 2), b".\r\n"].concat();
        let mut client = crate::pop3::client();
        counted_region(|| {
            let mut ended = false;
            drive(&mut client, &wire, piece, |_, event| {
                ended |= matches!(event, mailwire_pop3::client::Event::BodyEnd { .. });
            });
            assert!(ended);
        });
    }),
    Scenario::linear("stuffing-dots", "dot-stuffing: n lines of dots are sent", 10_000, |count, _| {
        let body = bytes::Bytes::from(b"....\r\n".repeat(count));
        let mut output = mailwire_core::Output::new(usize::MAX);
        counted_region(|| {
            let mut stuffer = dot::Stuffer::new(dot::BareNewline::Refuse);
            stuffer.push(body, &mut output).expect("proper lines");
            stuffer.finish(&mut output).expect("proper lines");
        });
        assert_eq!(output.len(), count * 7 + 3);
    }),
];
