//! Writing replies.

use alloc::vec::Vec;

use super::{Greeting, Reply, ResponseCode};
use crate::types::ReplyText;

impl Reply {
    /// Appends the status line with its line end. Nothing is allocated but the room in `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ok { code, text } => status(out, b"+OK", code.as_ref(), text),
            Self::Err { code, text } => status(out, b"-ERR", code.as_ref(), text),
            Self::Drop(listing) => {
                out.extend_from_slice(b"+OK ");
                listing.write(out);
            }
            Self::Listing(listing) => {
                out.extend_from_slice(b"+OK ");
                listing.write(out);
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

impl Greeting {
    /// Appends the greeting with its line end. The timestamp is part of the text.
    pub fn write(&self, out: &mut Vec<u8>) {
        let status_word: &[u8] = if self.ok { b"+OK" } else { b"-ERR" };
        status(out, status_word, self.code.as_ref(), &self.text);
        out.extend_from_slice(b"\r\n");
    }
}

fn status(out: &mut Vec<u8>, word: &[u8], code: Option<&ResponseCode>, text: &ReplyText) {
    out.extend_from_slice(word);
    if let Some(code) = code {
        out.extend_from_slice(b" [");
        out.extend_from_slice(code.as_text().as_bytes());
        out.push(b']');
    }
    if !text.is_empty() {
        out.push(b' ');
        out.extend_from_slice(text.as_bytes());
    }
}
