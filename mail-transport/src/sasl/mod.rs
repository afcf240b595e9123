//! SASL.
/// x
#[derive(Debug, Clone, thiserror::Error)]
#[error("x")]
pub struct SaslError;
