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

const BYTES: Limit = Limit::ByteByByte(3.0);
const LINEAR: Limit = Limit::Linear(1.1);

pub(super) const SCENARIOS: &[Scenario] = &[
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
            let mut limits = mailwire_smtp::Limits::client();
            limits.reply_lines = count + 1;
            let wire = [&b"250-some text in a line\r\n".repeat(count - 1)[..], b"250 end\r\n"].concat();
            let mut input = BytesMut::new();
            counted_region(|| {
                for piece in wire.chunks(piece) {
                    input.extend_from_slice(piece);
                    if let Some(frame) = framer.next_reply(&mut input, &limits).expect("within the limits") {
                        let reply =
                            mailwire_smtp::Reply::parse(&frame.bytes, mailwire_smtp::Dialect::Lenient);
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
