//! The errors, which are the same in all of mailwire's protocols.

pub use mailwire_core::{Error, Invalid, Misuse, ParseError, SendError};
