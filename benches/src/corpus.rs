//! What is parsed.

const MIB: usize = 1024 * 1024;

/// 1 MiB of base64-like lines of 76 characters, one line in a hundred with a dot in front.
#[must_use]
pub fn body_with_few_dots() -> Vec<u8> {
    body(|line| line % 100 == 50)
}

/// The same with a dot in front of every line but the first, where the peer would not look for one.
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
/// The first command of a client.
pub const EHLO_COMMAND: &[u8] = b"EHLO client.example.com\r\n";
