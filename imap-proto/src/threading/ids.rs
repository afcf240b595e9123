//! Identifiers of messages.

use alloc::{boxed::Box, vec::Vec};

/// Finds the identifiers in the value of a field Message-ID, References or In-Reply-To, at most `max` of them,
/// without `<` and `>`, and without the quotes that make no difference
/// ([RFC 5256 section 3](https://www.rfc-editor.org/rfc/rfc5256#section-3)). What is none is stepped over.
///
/// ```
/// use mailwire_imap::threading::message_ids;
///
/// let ids = message_ids(b"<\"a\"@x> (b) <c@y>", 10);
/// assert_eq!(ids, [b"a@x"[..].into(), b"c@y"[..].into()]);
/// ```
#[must_use]
pub fn message_ids(field: &[u8], max: usize) -> Vec<Box<[u8]>> {
    let mut ids = Vec::new();
    let mut rest = field;
    while ids.len() < max {
        let Some(start) = memchr::memchr(b'<', rest) else { break };
        rest = rest.get(start + 1..).unwrap_or_default();
        match read(rest) {
            Read::Id { id, length } => {
                ids.push(id.into_boxed_slice());
                rest = rest.get(length..).unwrap_or_default();
            }
            Read::Nothing { length } => rest = rest.get(length..).unwrap_or_default(),
        }
    }
    ids
}

enum Read {
    Id {
        id: Vec<u8>,
        /// With the `>`.
        length: usize,
    },
    /// Up to where another can begin.
    Nothing { length: usize },
}

fn read(text: &[u8]) -> Read {
    let (mut id, mut at) = (Vec::new(), None);
    let (mut quoted, mut escaped) = (false, false);
    for (place, &byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => {
                escaped = false;
                id.push(byte);
            }
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => {
                let is_id = at.is_some_and(|at| at > 0 && at + 1 < id.len());
                let length = place + 1;
                return if is_id { Read::Id { id, length } } else { Read::Nothing { length } };
            }
            b'<' if !quoted => return Read::Nothing { length: place },
            b' ' | b'\t' | b'\r' | b'\n' if !quoted => {}
            _ => {
                if byte == b'@' && !quoted {
                    at = Some(id.len());
                }
                id.push(byte);
            }
        }
    }
    Read::Nothing { length: text.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_of_all_kinds() {
        let ids = |field: &str| -> Vec<_> {
            message_ids(field.as_bytes(), 3)
                .iter()
                .map(|id| alloc::string::String::from_utf8_lossy(id).into_owned())
                .collect()
        };
        assert_eq!(ids("<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>"), ["01KF8JCEOCBS0045PS@xxx.yyy.com"]);
        assert_eq!(ids("<a b@x>\r\n <c@d><e@[1.2.3.4]> <f@g>"), ["ab@x", "c@d", "e@[1.2.3.4]"]);
        assert_eq!(ids("<\"a\\\"> <b\"@x>"), ["a\"> <b@x"]);
        assert_eq!(ids("Your message of Monday <a@b"), [""; 0]);
        assert_eq!(ids("<a> <@b> <c@> <<d@e> x@y"), ["d@e"]);
        assert_eq!(ids("<a@b <c@d>"), ["c@d"]);
    }

    #[test]
    fn odd_quotes_take_no_time() {
        let field = b"<\"<\\\"".repeat(200_000);
        assert!(message_ids(&field, 3).is_empty());
        assert!(message_ids(&b"<".repeat(1_000_000), 3).is_empty());
    }
}
