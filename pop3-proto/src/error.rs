//! The errors, which all three protocols share.

pub use mailwire_core::{Error, Invalid, Misuse, ParseError, SendError};
