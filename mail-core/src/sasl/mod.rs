//! What the three protocols share of SASL: names of mechanisms, which of them may go in clear, and the
//! base64 lines of an exchange.
//!
//! SMTP (RFC 4954 section 4), IMAP (RFC 9051 section 6.2.2) and POP3 (RFC 5034 section 4) wrap
//! each message of a mechanism in a line of base64; a client cancels with `*`, and writes an empty
//! initial response as `=`.

mod exchange;
mod mechanism;
mod policy;
pub(crate) mod step;

pub use exchange::{Challenged, Exchange, Steps, room_for, room_for_step, write_step};
pub use mechanism::{Mechanism, OtherMechanism};
pub use policy::Policy;

use alloc::{vec, vec::Vec};

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::{ParseError, SaslStep, Secret};

// RFC 4648 padding is required by the RFCs and left out by some clients; both decode. Trailing bits
// must be zero, so that a message has one spelling.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Appends `data` in base64.
///
/// ```
/// let mut line = Vec::new();
/// mailwire_core::sasl::encode(b"\0user\0pass", &mut line);
/// assert_eq!(line, b"AHVzZXIAcGFzcw==");
/// ```
pub fn encode(data: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let Some(length) = base64::encoded_len(data.len(), true) else { return };
    out.resize(start.saturating_add(length), 0);
    let written = match out.get_mut(start..) {
        Some(room) => BASE64.encode_slice(data, room).unwrap_or(0),
        None => 0,
    };
    out.truncate(start.saturating_add(written));
}

/// Appends `data` as an initial response, in which `=` stands for no bytes at all.
pub fn encode_initial(data: &[u8], out: &mut Vec<u8>) {
    if data.is_empty() { out.push(b'=') } else { encode(data, out) }
}

/// Reads a line, without its line end, of a client's response.
///
/// # Errors
///
/// What is neither `*` nor base64. The error's offset counts from the start of `line`.
pub fn decode_step(line: &[u8]) -> Result<SaslStep, ParseError> {
    if line == b"*" { Ok(SaslStep::Cancel) } else { decode(line).map(SaslStep::Data) }
}

/// Reads an initial response.
///
/// # Errors
///
/// What is neither `=` nor base64.
pub fn decode_initial(argument: &[u8]) -> Result<Secret, ParseError> {
    if argument == b"=" { Ok(Secret::default()) } else { decode(argument) }
}

/// Reads base64, with or without padding.
///
/// # Errors
///
/// What is not base64.
pub fn decode(line: &[u8]) -> Result<Secret, ParseError> {
    let mut decoded = vec![0; base64::decoded_len_estimate(line.len())];
    let result = BASE64.decode_slice(line, &mut decoded);
    if let Ok(length) = result {
        decoded.truncate(length);
    }
    // What was decoded before an error is zeroed as well.
    let decoded = Secret::from(decoded);
    result.map(|_| decoded).map_err(|error| {
        let base64::DecodeSliceError::DecodeError(error) = error else {
            return ParseError::new(0, "base64 of a length that is not expected");
        };
        let (offset, reason) = match error {
            base64::DecodeError::InvalidByte(offset, _) => (offset, "not a base64 character"),
            base64::DecodeError::InvalidLength(_) => (line.len(), "base64 of this length does not exist"),
            base64::DecodeError::InvalidLastSymbol(offset, _) => {
                (offset, "base64 with stray bits at its end")
            }
            base64::DecodeError::InvalidPadding => (line.len(), "wrong base64 padding"),
        };
        ParseError::new(offset, reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancel_and_empty() {
        assert_eq!(decode_step(b"*"), Ok(SaslStep::Cancel));
        assert_eq!(decode_step(b""), Ok(SaslStep::Data(Secret::default())));
        assert_eq!(decode_initial(b"="), Ok(Secret::default()));
        let mut out = Vec::new();
        encode_initial(b"", &mut out);
        assert_eq!(out, b"=");
    }

    #[test]
    fn padding_is_optional() {
        for line in [&b"Zg=="[..], b"Zg"] {
            assert_eq!(decode(line), Ok(Secret::from("f")));
        }
    }

    #[test]
    fn names_the_wrong_byte() {
        assert_eq!(decode(b"Zm9v!A").unwrap_err().offset, 4);
        assert!(decode(b"Z").is_err());
        assert!(decode(b"Zh==").is_err(), "stray bits");
    }
}
