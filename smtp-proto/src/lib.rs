//! Sans-IO SMTP (RFC 5321), submission (RFC 6409) and LMTP (RFC 2033).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod capability;
pub mod client;
mod command;
mod error;
mod limits;
mod reply;
pub mod server;
mod types;

pub use capability::{Capabilities, Capability};
pub use command::{Auth, Command, Mail, Rcpt};
pub use error::{Error, Invalid, Misuse, ParseError, SendError};
pub use limits::Limits;
pub use reply::{EnhancedCode, Reply, ReplyCode, ReplyFramer};
pub use types::{
    AddressLiteral, Argument, BodyType, Domain, EhloName, ForwardPath, Host, Keyword, Mailbox, Mechanism,
    Parameter, ParameterValue, ReversePath, Submitter, Verb,
};

#[doc(no_inline)]
pub use mailwire_core::{
    Channel, Connection, Deviation, Dialect, Next, Parsed, SaslStep, Secret, Text, Ticket, Upgrade,
};
