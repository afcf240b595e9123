//! What announces a literal, read and written.

use alloc::vec::Vec;

use crate::types::write_number;

/// Announces a literal at the end of a line: `{5}`, `{5+}` or `~{5}`.
///
/// ```text
/// literal  = "{" number64 ["+"] "}" CRLF *CHAR8     ; RFC 9051
/// literal8 = "~{" number64 ["+"] "}" CRLF *OCTET    ; RFC 9051, RFC 7888
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// The number of bytes that follow. A number beyond 64 bits is [`u64::MAX`], which no limit
    /// allows.
    pub size: u64,
    /// Whether the sender waits for a go-ahead (`+`) before it sends them.
    pub synchronizing: bool,
    /// Whether it is a `literal8`, which can hold NUL.
    pub binary: bool,
}

impl Announcement {
    /// What a server announces: it waits for nobody.
    pub(crate) const fn by_server(size: u64, binary: bool) -> Self {
        Self { size, synchronizing: true, binary }
    }

    /// Appends it with its line end, after which the literal's bytes go.
    #[inline]
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        if self.binary {
            out.push(b'~');
        }
        out.push(b'{');
        write_number(out, self.size);
        if !self.synchronizing {
            out.push(b'+');
        }
        out.extend_from_slice(b"}\r\n");
    }
}

/// Reads what a line, given with its line end, announces at its end. Leading zeros are part of a
/// number; a sign is not.
#[inline]
#[must_use]
pub fn announcement(line: &[u8]) -> Option<Announcement> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    announced_at_end(line.strip_suffix(b"}")?)
}

/// Out of the way of the many lines that end in something else than `}`.
#[inline]
fn announced_at_end(line: &[u8]) -> Option<Announcement> {
    let (line, synchronizing) = match line.strip_suffix(b"+") {
        Some(line) => (line, false),
        None => (line, true),
    };
    let digits = line.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (before, digits) = line.split_at_checked(line.len().saturating_sub(digits))?;
    let before = before.strip_suffix(b"{")?;
    if digits.is_empty() {
        return None;
    }
    let size = digits.iter().fold(0u64, |value, digit| {
        value.saturating_mul(10).saturating_add(u64::from(digit.saturating_sub(b'0')))
    });
    Some(Announcement { size, synchronizing, binary: before.ends_with(b"~") })
}
