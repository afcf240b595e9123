//! The field `Return-Path`.

use alloc::vec::Vec;

use super::LINE;
use crate::ReversePath;

/// The field `Return-Path`: who gets the reports of failure, as MAIL said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnPath(ReversePath);

impl ReturnPath {
    /// The field for the sender of MAIL.
    #[must_use]
    pub fn new(sender: impl Into<ReversePath>) -> Self {
        Self(sender.into())
    }

    /// The sender.
    #[must_use]
    pub const fn sender(&self) -> &ReversePath {
        &self.0
    }

    /// Appends the field with its line end. An address that is too long for a line of a message, of 998 bytes, is the null
    /// address there: nobody can be told anything then.
    ///
    /// ```abnf
    /// Return-path-line = "Return-Path:" FWS Reverse-path <CRLF>     ; RFC 5321 section 4.4
    /// ```
    pub fn write(&self, out: &mut Vec<u8>) {
        const NAME: &[u8] = b"Return-Path: ";
        let start = out.len();
        out.extend_from_slice(NAME);
        self.0.write(out);
        if out.len().saturating_sub(start) > LINE {
            out.truncate(start.saturating_add(NAME.len()));
            out.extend_from_slice(b"<>");
        }
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mailbox;

    #[test]
    fn a_path_fits_into_a_line() {
        let field = |length: usize| {
            let local = "a".repeat(length);
            let mut out = Vec::new();
            ReturnPath::new(Mailbox::try_from(&*alloc::format!("{local}@b")).unwrap()).write(&mut out);
            out
        };
        let most = LINE - "Return-Path: <@b>".len();
        assert_eq!(field(most).len(), LINE + 2);
        assert_eq!(field(most + 1), b"Return-Path: <>\r\n");
    }
}
