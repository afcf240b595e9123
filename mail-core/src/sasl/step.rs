use crate::Secret;

/// One message of a SASL mechanism, from either side, or the client's wish to stop.
///
/// # Examples
///
/// ```
/// use mailwire_core::{SaslStep, Secret, sasl};
///
/// assert_eq!(sasl::decode_step(b"YQ=="), Ok(SaslStep::Data(Secret::from("a"))));
/// assert_eq!(sasl::decode_step(b"*"), Ok(SaslStep::Cancel));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaslStep {
    /// The mechanism's message, decoded. It may be empty.
    Data(Secret),
    /// `*`: the client gives up. The server answers with an error.
    Cancel,
}
