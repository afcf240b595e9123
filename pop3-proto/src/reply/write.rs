//! Writing replies.

use alloc::vec::Vec;

use super::{Greeting, MAX_STATUS_LINE, Reply, ResponseCode};
use crate::types::ReplyText;

impl Reply {
    /// Appends the status line with its line end. Nothing is allocated but the room in `out`.
    ///
    /// What does not fit into a line of [`MAX_STATUS_LINE`] octets is cut off.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
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
        end(out, start);
    }
}

impl Greeting {
    /// Appends the greeting with its line end. The timestamp is part of the text.
    ///
    /// What does not fit into a line of [`MAX_STATUS_LINE`] octets is cut off.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let status_word: &[u8] = if self.ok { b"+OK" } else { b"-ERR" };
        status(out, status_word, self.code.as_ref(), &self.text);
        end(out, start);
    }
}

/// Ends the line that begins at `start`.
fn end(out: &mut Vec<u8>, start: usize) {
    out.truncate(start.saturating_add(MAX_STATUS_LINE - 2));
    out.extend_from_slice(b"\r\n");
}

fn status(out: &mut Vec<u8>, word: &[u8], code: Option<&ResponseCode>, text: &ReplyText) {
    out.extend_from_slice(word);
    let fits = |code: &&ResponseCode| code.as_text().len() < MAX_STATUS_LINE - "-ERR []\r\n".len();
    let code = code.filter(fits);
    if let Some(code) = code {
        out.extend_from_slice(b" [");
        out.extend_from_slice(code.as_text().as_bytes());
        out.push(b']');
    }
    if !text.is_empty() {
        out.push(b' ');
        let start = out.len();
        out.extend_from_slice(text.as_bytes());
        // A bracket would begin a response code.
        if let (None, Some(first @ b'[')) = (code, out.get_mut(start)) {
            *first = b'(';
        }
    }
}
