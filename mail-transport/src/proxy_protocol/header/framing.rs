//! Where a header ends, told without reading a byte beyond it.

use mailwire_core::ParseError;

use super::Header;

/// The first bytes of version 2. No other protocol begins so, and none takes them for its own.
pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The fixed part of version 2, with the length of the rest at its end.
pub(super) const FIXED: usize = 16;

/// The first bytes of version 1.
pub(super) const WORD: &[u8] = b"PROXY ";

/// The shortest line of version 1: `PROXY UNKNOWN` and its end.
const SHORTEST_V1: usize = 15;

impl Header {
    /// Returns how many more bytes can be read without reading beyond the header that begins with these; 0 if it
    /// is whole. What comes after it belongs to the client, and can be the beginning of TLS.
    ///
    /// # Errors
    ///
    /// No header begins so, or it is longer than is allowed.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_transport::proxy_protocol::Header;
    ///
    /// assert_eq!(Header::missing(b"PROXY UNKNOWN\r"), Ok(1));
    /// assert_eq!(Header::missing(b"PROXY UNKNOWN\r\n"), Ok(0));
    /// assert!(Header::missing(b"EHLO ").is_err());
    /// ```
    pub fn missing(begun: &[u8]) -> Result<usize, ParseError> {
        if begins(begun, &SIGNATURE) && !begun.is_empty() {
            missing_v2(begun)
        } else if begins(begun, WORD) {
            missing_v1(begun)
        } else {
            let at = begun.iter().zip(WORD).take_while(|(one, other)| one == other).count();
            Err(ParseError::new(at, "expected a PROXY header"))
        }
    }
}

/// Whether one of the two begins with the other.
fn begins(bytes: &[u8], with: &[u8]) -> bool {
    bytes.iter().zip(with).all(|(one, other)| one == other)
}

fn missing_v2(begun: &[u8]) -> Result<usize, ParseError> {
    let Some([high, low]) = begun.get(14..FIXED) else { return Ok(FIXED.saturating_sub(begun.len())) };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length > Header::MOST_V2 {
        return Err(ParseError::new(14, "a PROXY header of more than 4096 bytes"));
    }
    match FIXED.saturating_add(length).checked_sub(begun.len()) {
        Some(missing) => Ok(missing),
        None => Err(ParseError::new(FIXED.saturating_add(length), "expected the end")),
    }
}

fn missing_v1(begun: &[u8]) -> Result<usize, ParseError> {
    if let Some(line_feed) = begun.iter().position(|byte| *byte == b'\n') {
        let end = line_feed.saturating_add(1);
        return match begun.strip_suffix(b"\r\n") {
            _ if end > Header::MOST_V1 => Err(TOO_LONG),
            Some(_) if end == begun.len() => Ok(0),
            _ => Err(ParseError::new(line_feed, "a line feed that ends no line")),
        };
    }
    // A line that is not over has two bytes to come, if it does not end with the first of them.
    let end = if begun.last() == Some(&b'\r') { 1 } else { 2 };
    let missing = SHORTEST_V1.saturating_sub(begun.len()).max(end);
    if begun.len().saturating_add(missing) > Header::MOST_V1 { Err(TOO_LONG) } else { Ok(missing) }
}

const TOO_LONG: ParseError = ParseError::new(Header::MOST_V1, "a PROXY header of more than 107 bytes");
