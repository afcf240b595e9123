//! Messages that are known by their headers, as the server has no unique ids.

use std::{fmt, str::FromStr};

use mailwire_core::Invalid;
use memchr::memchr;
use sha2::{Digest, Sha256};

/// The SHA-256 of a message's header: what a message is known by in all sessions with a server without UIDL.
///
/// Lines count without their ends. Fields that servers change while the message lies there do not count: `Status`,
/// `X-Status`, `X-Keywords`, `X-UID`, `X-UIDL`, `X-IMAP`, `X-IMAPbase` and `Content-Length`. `Display` writes it as 64
/// hexadecimal digits, and `FromStr` reads it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderDigest([u8; 32]);

impl HeaderDigest {
    /// Returns the bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for HeaderDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for HeaderDigest {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = Invalid::new("digest of a header", 0, "expected 64 hexadecimal digits");
        let mut digest = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong);
        }
        for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| wrong)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong)?;
        }
        Ok(Self(digest))
    }
}

/// A header that is larger identifies nothing.
const LARGEST: usize = 256 << 10;

/// Fields that servers change while a message lies there.
const CHANGED: [&str; 8] =
    ["content-length", "status", "x-imap", "x-imapbase", "x-keywords", "x-status", "x-uid", "x-uidl"];

/// Reads the answer to TOP.
pub(super) struct Reader {
    /// Up to [`LARGEST`] bytes, and what came with the last of them.
    header: Vec<u8>,
    ended: bool,
    all: u64,
}

impl Reader {
    pub(super) const fn new() -> Self {
        Self { header: Vec::new(), ended: false, all: 0 }
    }

    /// Takes the next bytes. Some servers send the body, too.
    pub(super) fn read(&mut self, chunk: &[u8]) {
        self.all = self.all.saturating_add(chunk.len() as u64);
        if !self.ended {
            // The end may lie across two chunks.
            let from = self.header.len().saturating_sub(3);
            self.header.extend_from_slice(chunk);
            let new = self.header.get(from..).unwrap_or_default();
            self.ended = memchr::memmem::find(new, b"\n\r\n").is_some()
                || memchr::memmem::find(new, b"\n\n").is_some()
                || self.header.len() > LARGEST;
        }
    }

    /// What it cost to read it, in bytes.
    pub(super) fn cost(&self) -> u64 {
        // Digesting takes longer than looking.
        self.all.saturating_add(4 * self.header.len() as u64)
    }

    /// What the header comes to. A trace of the delivery has to be in it, as senders write alike what they like.
    pub(super) fn digest(&self) -> Option<HeaderDigest> {
        if self.header.len() > LARGEST {
            return None;
        }
        let (mut digest, mut counts, mut traced) = (Sha256::new(), true, false);
        for line in self.header.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                break;
            }
            if !matches!(line.first(), Some(b' ' | b'\t')) {
                let name = line.get(..memchr(b':', line).unwrap_or(line.len())).unwrap_or_default();
                let name = name.trim_ascii_end();
                counts = !CHANGED.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
                traced |= name.eq_ignore_ascii_case(b"received");
            }
            if counts {
                digest.update(line);
                digest.update(b"\n");
            }
        }
        traced.then(|| HeaderDigest(digest.finalize().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(header: &str) -> Option<HeaderDigest> {
        let mut whole = Reader::new();
        whole.read(header.as_bytes());
        let mut pieces = Reader::new();
        header.as_bytes().chunks(1).for_each(|piece| pieces.read(piece));
        assert_eq!(whole.digest(), pieces.digest(), "{header:?}");
        whole.digest()
    }

    #[test]
    fn what_servers_change_does_not_count() {
        let header = "Received: from a by b;\r\n\tx\r\nSubject: c\r\n";
        let one = digest(header).unwrap();
        for same in [
            "\r\nbody\r\n",
            "Status: RO\r\n\r\n",
            "X-UIDL: 1\r\n 2\r\nx-keywords :\r\nContent-Length: 3\r\n\r\n",
        ] {
            assert_eq!(digest(&format!("{header}{same}")), Some(one), "{same:?}");
        }
        assert_eq!(digest(&header.replace("\r\n", "\n")), Some(one));
        for other in ["X-Statuses: 1\r\n\r\n", " more\r\n\r\n", "Status\r\n x\r\nA: b\r\n\r\n"] {
            assert_ne!(digest(&format!("{header}{other}")), Some(one), "{other:?}");
        }
        assert_eq!(one.to_string().parse(), Ok(one));
    }

    #[test]
    fn without_a_trace_or_an_end_there_is_none() {
        assert_eq!(digest("Subject: c\r\n\r\nReceived: no\r\n"), None);
        assert_eq!(digest(""), None);
        let mut reader = Reader::new();
        for _ in 0..100 {
            reader.read(&b"Received: x\r\n".repeat(1000));
        }
        assert!(reader.digest().is_none() && reader.header.len() < LARGEST + 20_000);
        assert!(
            ["", "0", &"0".repeat(63), &"+0".repeat(32)].iter().all(|it| it.parse::<HeaderDigest>().is_err())
        );
    }
}
