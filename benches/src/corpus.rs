//! What is parsed.

const MIB: usize = 1024 * 1024;

/// 1 MiB of base64-like lines of 76 characters, one line in a hundred with a dot in front.
#[must_use]
pub fn body_with_few_dots() -> Vec<u8> {
    body(|line| line % 100 == 50)
}

/// 1 MiB of such lines with a dot in front of every one but the first, where the peer would not look for one.
#[must_use]
pub fn body_with_a_dot_on_every_line() -> Vec<u8> {
    body(|line| line > 0)
}

fn body(dot: impl Fn(usize) -> bool) -> Vec<u8> {
    let mut body = Vec::with_capacity(MIB + 100);
    let mut line = 0usize;
    while body.len() < MIB - 100 {
        let start = body.len();
        if dot(line) {
            body.push(b'.');
        }
        while body.len() < start + 76 {
            let value = (body.len().wrapping_mul(2_654_435_761) >> 7) % 62;
            body.push(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"[value]);
        }
        body.extend_from_slice(b"\r\n");
        line += 1;
    }
    body
}

/// A body as it goes over the wire, dot-stuffed and ended.
#[must_use]
pub fn stuffed(body: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(body.len() * 2);
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

/// A server's reply to EHLO.
pub const EHLO_REPLY: &[u8] = b"250-mx.example.org Hello client.example.com [192.0.2.1]\r\n\
250-PIPELINING\r\n\
250-SIZE 52428800\r\n\
250-ETRN\r\n\
250-STARTTLS\r\n\
250-AUTH PLAIN LOGIN SCRAM-SHA-256\r\n\
250-ENHANCEDSTATUSCODES\r\n\
250-8BITMIME\r\n\
250-DSN\r\n\
250-CHUNKING\r\n\
250 SMTPUTF8\r\n";

/// A reply of one line.
pub const REPLY_1: &[u8] = b"250 2.1.5 Recipient <alice@example.org> accepted, queued as 4Zx9Qk3J\r\n";

/// A reply of ten lines.
pub const REPLY_10: &[u8] = b"550-5.7.1 Your message was rejected because the sending domain\r\n\
550-5.7.1 does not publish a policy that permits this address, and\r\n\
550-5.7.1 the message carried no signature that we could verify.\r\n\
550-5.7.1 If you believe that this is wrong, please contact the\r\n\
550-5.7.1 postmaster of the receiving domain by another way, and\r\n\
550-5.7.1 quote the identifier below together with the date and the\r\n\
550-5.7.1 address of the sender. Automatic senders should retry not\r\n\
550-5.7.1 earlier than in an hour. See also our page about policies\r\n\
550-5.7.1 at the address of this server under /policy for details\r\n\
550 5.7.1 Identifier 4Zx9Qk3J-0001f2\r\n";

/// Commands of a transaction.
pub const MAIL_PLAIN: &[u8] = b"MAIL FROM:<alice.smith@mail.example.org>\r\n";
/// With parameters.
pub const MAIL_PARAMETERS: &[u8] =
    b"MAIL FROM:<alice.smith@mail.example.org> SIZE=1234567 BODY=8BITMIME SMTPUTF8 AUTH=<>\r\n";
/// Its recipient.
pub const RCPT_PLAIN: &[u8] = b"RCPT TO:<bob.jones@lists.example.com>\r\n";
/// With parameters.
pub const RCPT_PARAMETERS: &[u8] =
    b"RCPT TO:<bob.jones@lists.example.com> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob.jones@example.com\r\n";
/// With an address that is encoded.
pub const RCPT_ENCODED: &[u8] =
    b"RCPT TO:<bob.jones@lists.example.com> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob+2Bjones@example.com\r\n";
/// The first command of a client.
pub const EHLO_COMMAND: &[u8] = b"EHLO client.example.com\r\n";

/// FETCH with an ENVELOPE.
pub const FETCH_ENVELOPE: &[u8] = b"* 12 FETCH (UID 4392 ENVELOPE (\"Mon, 7 Sep 2026 02:23:25 -0700 (PDT)\" \
\"Re: Agenda for the planning meeting on Thursday\" \
((\"Terry Gray\" NIL \"terry.gray\" \"cac.example.edu\")) \
((\"Terry Gray\" NIL \"terry.gray\" \"cac.example.edu\")) \
((\"Terry Gray\" NIL \"terry.gray\" \"cac.example.edu\")) \
((NIL NIL \"imap-protocol\" \"lists.example.edu\")(\"Mark Crispin\" NIL \"mrc\" \"panda.example.com\")) \
((NIL NIL \"minutes\" \"cnri.example.org\")(\"John Klensin\" NIL \"klensin\" \"mit.example.edu\")) NIL \
\"<B27397-0100000@cac.example.edu>\" \"<20260907092325.GA12345@cac.example.edu>\"))\r\n";

/// An ENVELOPE with a Sender and a Reply-To that are not From: ours sees by the bytes when they are.
pub const FETCH_ENVELOPE_APART: &[u8] =
    b"* 12 FETCH (UID 4392 ENVELOPE (\"Mon, 7 Sep 2026 02:23:25 -0700 (PDT)\" \
\"Re: Agenda for the planning meeting on Thursday\" \
((\"Terry Gray\" NIL \"terry.gray\" \"cac.example.edu\")) \
((\"Terry Gray\" NIL \"assistant.\" \"cac.example.edu\")) \
((\"Terry Gray\" NIL \"answers.to\" \"cac.example.edu\")) \
((NIL NIL \"imap-protocol\" \"lists.example.edu\")(\"Mark Crispin\" NIL \"mrc\" \"panda.example.com\")) \
((NIL NIL \"minutes\" \"cnri.example.org\")(\"John Klensin\" NIL \"klensin\" \"mit.example.edu\")) NIL \
\"<B27397-0100000@cac.example.edu>\" \"<20260907092325.GA12345@cac.example.edu>\"))\r\n";

/// QUOTA with three resources.
pub const QUOTA: &[u8] =
    b"* QUOTA \"user/anna\" (STORAGE 104857 524288 MESSAGE 12345 100000 ANNOTATION-STORAGE 5 1000)\r\n";

/// FETCH with the BODYSTRUCTURE of a message with text, HTML and an attachment.
pub const FETCH_BODYSTRUCTURE: &[u8] =
    b"* 12 FETCH (BODYSTRUCTURE (((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"UTF-8\" \
\"FORMAT\" \"flowed\") NIL NIL \"QUOTED-PRINTABLE\" 2279 48 NIL NIL NIL NIL)\
(\"TEXT\" \"HTML\" (\"CHARSET\" \"UTF-8\") NIL NIL \"QUOTED-PRINTABLE\" 13110 211 NIL NIL NIL NIL) \
\"ALTERNATIVE\" (\"BOUNDARY\" \"----=_Part_2_1889735.1234\") NIL NIL NIL)\
(\"APPLICATION\" \"PDF\" (\"NAME\" \"minutes-2026-09.pdf\") NIL NIL \"BASE64\" 184290 NIL \
(\"ATTACHMENT\" (\"FILENAME\" \"minutes-2026-09.pdf\")) NIL NIL) \
\"MIXED\" (\"BOUNDARY\" \"----=_Part_1_1889735.1233\") NIL NIL NIL))\r\n";

/// FETCH with FLAGS only.
pub const FETCH_FLAGS: &[u8] = b"* 12 FETCH (FLAGS (\\Seen \\Answered $Forwarded))\r\n";

/// LIST.
pub const LIST: &[u8] = b"* LIST (\\HasNoChildren \\Sent) \"/\" \"INBOX/Sent Messages\"\r\n";

/// The tagged end of a command.
pub const TAGGED_OK: &[u8] = b"A042 OK [READ-WRITE] SELECT completed (0.001 + 0.000 secs).\r\n";

/// So many identifiers, with gaps of different sizes.
fn identifiers(count: u32) -> impl Iterator<Item = u32> {
    (1..=count).map(|n| n * 7 + n % 5)
}

/// SEARCH with 10,000 identifiers.
#[must_use]
pub fn search() -> Vec<u8> {
    numbers(b"* SEARCH", identifiers(10_000))
}

/// SORT with 10,000 identifiers: the mailbox in three parts, each from its end.
#[must_use]
pub fn sort() -> Vec<u8> {
    let parts = (0..3).flat_map(|part| (1..=10_000).rev().filter(move |n| n % 3 == part));
    numbers(b"* SORT", parts.map(|n| n * 7 + n % 5))
}

/// THREAD with 10,000 identifiers in conversations of ten.
#[must_use]
pub fn thread() -> Vec<u8> {
    let mut ids = identifiers(10_000);
    let mut wire = "* THREAD ".to_owned();
    for _ in 0..1000 {
        for part in "(# # (# # (# #)(#))(# # #))".split_inclusive('#') {
            let id = if part.ends_with('#') { ids.next() } else { None };
            wire.push_str(&part.replace('#', &id.map(|id| id.to_string()).unwrap_or_default()));
        }
    }
    wire.push_str("\r\n");
    wire.into_bytes()
}

fn numbers(name: &[u8], ids: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut wire = name.to_vec();
    for id in ids {
        wire.extend_from_slice(format!(" {id}").as_bytes());
    }
    wire.extend_from_slice(b"\r\n");
    wire
}

/// A set of 10,000 identifiers, in ranges of three and single ones.
fn set() -> String {
    let mut set = String::new();
    let (mut at, mut count) = (1u32, 0);
    while count < 10_000 {
        if !set.is_empty() {
            set.push(',');
        }
        if count % 4 == 0 {
            set.push_str(&format!("{at}:{}", at + 2));
            (at, count) = (at + 5, count + 3);
        } else {
            set.push_str(&at.to_string());
            (at, count) = (at + 3, count + 1);
        }
    }
    set
}

/// ESEARCH with 10,000 identifiers.
#[must_use]
pub fn esearch() -> Vec<u8> {
    format!("* ESEARCH (TAG \"A042\") UID COUNT 10000 ALL {}\r\n", set()).into_bytes()
}

/// ESEARCH with a page of 10,000 identifiers.
#[must_use]
pub fn esearch_partial() -> Vec<u8> {
    format!("* ESEARCH (TAG \"A042\") UID COUNT 65536 PARTIAL (1:10000 {})\r\n", set()).into_bytes()
}

/// VANISHED with 10,000 identifiers.
#[must_use]
pub fn vanished() -> Vec<u8> {
    format!("* VANISHED (EARLIER) {}\r\n", set()).into_bytes()
}

/// FETCH with a literal of so many bytes.
#[must_use]
pub fn fetch_literal(size: usize) -> Vec<u8> {
    let mut body = body_with_few_dots();
    body.resize(size.max(body.len()), b'x');
    let mut wire = format!("* 12 FETCH (UID 4392 BODY[] {{{size}}}\r\n").into_bytes();
    wire.extend_from_slice(&body[..size]);
    wire.extend_from_slice(b")\r\n");
    wire
}

/// 500 FETCH responses, each with a small literal.
#[must_use]
pub fn small_literals() -> Vec<u8> {
    let mut wire = Vec::new();
    for n in 1..=500 {
        let subject = format!("Subject: message number {n} of this mailbox, and some more words\r\n\r\n");
        wire.extend_from_slice(
            format!(
                "* {n} FETCH (UID {} BODY[HEADER.FIELDS (SUBJECT)] {{{}}}\r\n{subject})\r\n",
                n * 3,
                subject.len()
            )
            .as_bytes(),
        );
    }
    wire
}

/// Commands of an IMAP client.
pub const IMAP_COMMANDS: &[(&str, &[u8])] = &[
    (
        "fetch",
        b"A043 UID FETCH 4392:4492,5000 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)\r\n",
    ),
    (
        "search",
        b"A044 UID SEARCH UNSEEN SINCE 11-Feb-2026 NOT FROM \"Smith\" OR SUBJECT \"meeting\" LARGER 10000\r\n",
    ),
    ("store", b"A045 UID STORE 4392:4400 +FLAGS.SILENT (\\Seen \\Flagged $Forwarded)\r\n"),
    ("list", b"A047 LIST \"\" \"INBOX/%\"\r\n"),
    ("login", b"A048 LOGIN \"alice@example.org\" \"correct horse battery\"\r\n"),
    ("append", b"A046 APPEND \"Sent Messages\" (\\Seen) \"17-Jul-2026 02:44:25 -0700\" {1024+}\r\n"),
];

/// FETCH of a set of 10,000 messages.
#[must_use]
pub fn fetch_set() -> Vec<u8> {
    format!("A049 UID FETCH {} (UID FLAGS)\r\n", set()).into_bytes()
}

/// A command as it goes over the wire, with its literal.
#[must_use]
pub fn with_literal(command: &[u8]) -> Vec<u8> {
    let mut wire = command.to_vec();
    if command.ends_with(b"{1024+}\r\n") {
        wire.extend_from_slice(&body_with_few_dots()[..1024]);
        wire.extend_from_slice(b"\r\n");
    }
    wire
}
