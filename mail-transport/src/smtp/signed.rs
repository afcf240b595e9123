//! CRs and LFs that stand alone are mended where no signature is made invalid by it.

use mailwire_core::{Misuse, dot::Mended};

use super::fields::{Field, Fields};
use crate::Payload;

/// The most of a message that is looked at for its header, in bytes.
const HEADER: usize = 64 * 1024;

/// The start of a message that is sent, and the form of its lines.
#[derive(Debug, Default)]
pub(super) struct Start {
    header: Vec<u8>,
    /// The first line ended in CR LF, not in LF alone.
    crlf: Option<bool>,
    /// The last piece ended in a CR.
    after_cr: bool,
}

impl Start {
    /// The start of a message in memory.
    pub(super) fn of(message: &Payload<'_>) -> Self {
        let mut start = Self::default();
        for (at, piece) in message.pieces().into_iter().flatten().enumerate() {
            start.push(piece, at < message.added());
        }
        start
    }

    /// Takes the next piece; `added` if it is header fields that this side has put before the message.
    pub(super) fn push(&mut self, piece: &[u8], added: bool) {
        let Some(last) = piece.last() else { return };
        if !added && self.crlf.is_none() {
            let end = piece.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            self.crlf = end.map(|at| piece.get(at) == Some(&b'\r'));
        }
        self.after_cr = *last == b'\r';
        let room = HEADER.saturating_sub(self.header.len()).min(piece.len());
        self.header.extend_from_slice(piece.get(..room).unwrap_or_default());
    }

    /// Whether the message is signed in the form in which it is sent.
    pub(super) fn is_signed(&self) -> bool {
        self.crlf == Some(true) && is_signed(&self.header)
    }

    /// Checks the message, of which all was taken: whether what was mended in it, or is about to be, leaves its signatures
    /// valid.
    ///
    /// A file whose lines end in LF is mended to the form that was signed. Where lines end in CR LF, whoever signed the
    /// message has signed those that stand alone, too.
    ///
    /// # Errors
    ///
    /// It does not.
    pub(super) fn permits(&self, mended: Mended, length: u64) -> Result<(), Misuse> {
        let first = mended.first.or(self.after_cr.then_some(length.saturating_sub(1)));
        match first {
            Some(offset) if self.is_signed() => {
                let reason = "a CR or LF that is not part of a CR LF pair, in a message that is signed";
                Err(Misuse::InvalidBody { reason, offset })
            }
            _ => Ok(()),
        }
    }
}

/// The fields that are signatures of a message.
pub(super) const SIGNATURES: [&str; 4] =
    ["dkim-signature", "arc-message-signature", "domainkey-signature", "x-dkim-signature"];

/// Whether a header, or the beginning of one, says that the message is signed.
pub(super) fn is_signed(header: &[u8]) -> bool {
    let is_multipart_signed = |field: &Field<'_>| {
        let value = || field.bytes.to_ascii_lowercase();
        field.is(&["content-type"]) && value().windows(16).any(|part| part == b"multipart/signed")
    };
    Fields::of(header).any(|field| field.is(&SIGNATURES) || is_multipart_signed(&field))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use mailwire_core::dot::Mender;

    use super::*;

    fn permits(pieces: &[(&str, bool)]) -> bool {
        let (mut start, mut mender, mut length) = (Start::default(), Mender::new(), 0);
        for (piece, added) in pieces {
            start.push(piece.as_bytes(), *added);
            let _ = mender.push(Bytes::copy_from_slice(piece.as_bytes()));
            length += piece.len() as u64;
        }
        start.permits(mender.finish(), length).is_ok()
    }

    #[test]
    fn what_is_signed_in_its_form_on_the_wire_stays_as_it_is() {
        let large = format!("DKIM-Signature: v=1\r\n\r\n{}\n", "x\r\n".repeat(100_000));
        for (message, right) in [
            ("DKIM-Signature: v=1\r\n\r\na\r\nb\r\n", true),
            ("DKIM-Signature: v=1\r\n\r\na\nb\r\n", false),
            ("DKIM-Signature: v=1\r\n\r\na\rb\r\n", false),
            ("DKIM-Signature: v=1\r\n\r\na\r\nb\r", false),
            ("From: a\r\nARC-Message-Signature: v=1\r\n\r\na\n", false),
            ("From: a\r\nContent-type: Multipart/Signed; boundary=x\r\n\r\na\n", false),
            // A file.
            ("DKIM-Signature: v=1\n\na\nb\n", true),
            // Not signed.
            ("From: a\r\n\r\na\nb\r\n", true),
            ("From: a\r\n\r\nDKIM-Signature: v=1\r\n\n", true),
            (&large, false),
        ] {
            assert_eq!(permits(&[(message, false)]), right, "{message:.80}");
            let (one, two) = message.split_at(message.len().min(15));
            assert_eq!(permits(&[(one, false), (two, false)]), right, "{message:.80}");
        }
    }

    #[test]
    fn a_field_that_was_added_does_not_tell_the_form_of_lines() {
        let file = ("DKIM-Signature: v=1\n\na\nb\n", false);
        assert!(permits(&[("Received: here\r\n", true), file]));
        assert!(!permits(&[("DKIM-Signature: v=1\r\n", true), ("A: b\r\n\r\nc\n", false)]));
    }
}
