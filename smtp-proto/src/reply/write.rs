//! Writing replies.

use alloc::vec::Vec;

use mailwire_core::private::write_number;

use super::{EnhancedCode, Reply, ReplyCode};

impl Reply {
    /// Appends the reply, with its line ends.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_with(self.enhanced, out);
    }

    /// Appends the reply with another enhanced code than its own, or none.
    pub(crate) fn write_with(&self, enhanced: Option<EnhancedCode>, out: &mut Vec<u8>) {
        let mut lines = self.lines();
        while let Some((line, last)) = lines.next_bytes() {
            write_line(self.code, enhanced, line, last, out);
        }
    }
}

/// Appends one line of a reply. A line feed or carriage return within the text would begin another
/// reply; none of a received text is written as it is.
pub(crate) fn write_line(
    code: ReplyCode,
    enhanced: Option<EnhancedCode>,
    text: &[u8],
    last: bool,
    out: &mut Vec<u8>,
) {
    let [first, second, third] = code.digits();
    // A challenge without data is "334 ", with its space (RFC 4954 section 4).
    let alone = enhanced.is_none() && text.is_empty() && code != ReplyCode::CHALLENGE;
    match (last, alone) {
        (false, _) => out.extend_from_slice(&[first, second, third, b'-']),
        (true, false) => out.extend_from_slice(&[first, second, third, b' ']),
        (true, true) => out.extend_from_slice(&[first, second, third]),
    }
    if let Some(enhanced) = enhanced {
        out.extend_from_slice(&[b'0' + enhanced.class(), b'.']);
        write_number(out, enhanced.subject().into());
        out.push(b'.');
        write_number(out, enhanced.detail().into());
        if !text.is_empty() {
            out.push(b' ');
        }
    }
    match text.iter().all(|&byte| super::is_text(byte) && byte.is_ascii()) {
        true => out.extend_from_slice(text),
        false => write_odd_text(text, out),
    }
    out.extend_from_slice(b"\r\n");
}

/// Text may be UTF-8 (RFC 6531 section 3.5.3), and nothing else.
#[cold]
fn write_odd_text(text: &[u8], out: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        out.extend(chunk.valid().bytes().map(|byte| if super::is_text(byte) { byte } else { b'?' }));
        out.extend((!chunk.invalid().is_empty()).then_some(b'?'));
    }
}
