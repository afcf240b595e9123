//! Reports about mail, read and written: whether it was delivered
//! ([RFC 3464](https://www.rfc-editor.org/rfc/rfc3464)), and what became of it then
//! ([RFC 8098](https://www.rfc-editor.org/rfc/rfc8098)), with addresses and texts beyond ASCII, too
//! ([RFC 6533](https://www.rfc-editor.org/rfc/rfc6533)).
//!
//! # Reading
//!
//! ```
//! use mailwire_transport::smtp::report::{Action, Limits, Report};
//!
//! let message = concat!(
//!     "From: MAILER-DAEMON@mail.example.net\r\nMIME-Version: 1.0\r\n",
//!     "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n",
//!     "--b\r\n\r\nSorry, there is no such user.\r\n",
//!     "--b\r\nContent-Type: message/delivery-status\r\n\r\n",
//!     "Reporting-MTA: dns; mail.example.net\r\n\r\n",
//!     "Final-Recipient: rfc822; bob@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n",
//!     "Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n--b--\r\n",
//! );
//! let Report::Delivery(report) = Report::parse(&message.into(), &Limits::default())? else { panic!() };
//! for recipient in report.recipients.iter().filter(|it| it.action == Action::Failed) {
//!     assert_eq!(recipient.recipient.text(), "bob@example.net");
//!     assert_eq!(recipient.status.to_string(), "5.1.1");
//!     assert_eq!(recipient.diagnostic.as_ref().unwrap().text(), "550 5.1.1 No such user");
//! }
//! # Ok::<(), mailwire_transport::smtp::report::ReportError>(())
//! ```
//!
//! A message that is no report, such as a bounce in plain words, is [`ReportError::NotReport`]. Anybody can send a message
//! that looks like a report: it proves nothing ([RFC 3464 section
//! 4.1](https://www.rfc-editor.org/rfc/rfc3464#section-4.1)). Compare
//! [`envelope_id`](DeliveryReport::envelope_id) with what you sent, or sign what you send.
//!
//! # Writing
//!
//! [`DeliveryReport::write`] and [`DispositionReport::write`] make whole messages;
//! [`Header::envelope`] is the envelope that a report is sent in. What a server refused becomes
//! a report by [`DeliveryReport::of_refused`]; what became of a message that one's own server took, by
//! [`DeliveryReport::of_delivered`], [`of_undelivered`](DeliveryReport::of_undelivered) and
//! [`of_late`](DeliveryReport::of_late).

#[cfg(feature = "server")]
mod accepted;
mod compose;
mod delivery;
mod disposition;
mod field;
mod message;
#[cfg(feature = "client")]
mod refused;
mod values;

use bytes::Bytes;
pub use compose::Header;
pub use delivery::{Action, DeliveryReport, OtherAction, RecipientReport};
pub use disposition::{
    ActionMode, Disposition, DispositionReport, DispositionType, Modifier, ReportingUa, SendingMode,
};
pub use field::{Field, FieldText};
use mailwire_smtp::extensions::dsn::Ret;
pub use values::Typed;

/// A report about a message.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Whether it was delivered.
    Delivery(DeliveryReport),
    /// What a recipient did with it.
    Disposition(DispositionReport),
}

impl Report {
    /// Reads a message that is a report: `multipart/report` ([RFC 6522](https://www.rfc-editor.org/rfc/rfc6522)), or another multipart with
    /// a part of a report's type. Lines may end in LF. Parts that are not encoded are slices of the message.
    ///
    /// # Errors
    ///
    /// [`ReportError`]; the time it takes is linear in the message.
    pub fn parse(message: &Bytes, limits: &Limits) -> Result<Self, ReportError> {
        message::read(message, limits)
    }
}

/// What is returned of the message that a report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Original {
    /// All of it.
    Message(Bytes),
    /// Its header.
    Headers(Bytes),
}

impl Original {
    /// What is returned of a message in a report that it failed: its header, if the sender wants no more, else all of it
    /// ([RFC 3461 section 4.3](https://www.rfc-editor.org/rfc/rfc3461#section-4.3)).
    #[must_use]
    pub fn of(message: &Bytes, ret: Option<Ret>) -> Self {
        match ret {
            Some(Ret::Headers) => Self::headers_of(message),
            _ => Self::Message(message.clone()),
        }
    }

    /// The header of a message.
    #[must_use]
    pub fn headers_of(message: &Bytes) -> Self {
        Self::Headers(message::split(message).0)
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        match self {
            Self::Message(bytes) | Self::Headers(bytes) => bytes,
        }
    }
}

/// Why a message could not be read as a report.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// It has no part of a report's type.
    #[error("the message is not a report")]
    NotReport,
    /// It lacks what it cannot be without.
    #[error("the report has {0}")]
    Malformed(&'static str),
    /// It passes a limit.
    #[error("too much in a report: {what} (the limit is {limit})")]
    TooLarge {
        /// What there was too much of.
        what: &'static str,
        /// The limit that was passed.
        limit: usize,
    },
}

/// How large a report may be.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The whole message, in bytes: 64 MiB.
    pub message: usize,
    /// The part with the fields, in bytes: 1 MiB.
    pub content: usize,
    /// The recipients: 10,000.
    pub recipients: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message: 64 << 20, content: 1 << 20, recipients: 10_000 }
    }
}

mailwire_core::setters!(const Limits {
    with_message(message: usize),
    with_content(content: usize),
    with_recipients(recipients: usize),
});

impl Limits {
    fn check(&self, what: &'static str, count: usize, limit: usize) -> Result<(), ReportError> {
        if count > limit { Err(ReportError::TooLarge { what, limit }) } else { Ok(()) }
    }
}
