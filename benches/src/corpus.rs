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
