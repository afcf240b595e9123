//! Who sends a message, and to whom.

use mailwire_core::Invalid;
use mailwire_smtp::{ForwardPath, Mail, Mailbox, Parameter, Rcpt, ReversePath};

use crate::InvalidValue;

/// The sender of a message and those who are to get it: what MAIL and RCPT say, which need not be what the message's
/// header says ([RFC 5321 section 2.3.1](https://www.rfc-editor.org/rfc/rfc5321#section-2.3.1)).
///
/// # Examples
///
/// ```
/// use mailwire_transport::smtp::{Envelope, proto::{Mailbox, Rcpt, extensions::dsn::Notify}};
///
/// let envelope = Envelope::new("anna@example.org", ["bob@example.net"])?;
/// assert_eq!(envelope.recipients().len(), 1);
///
/// // A recipient with a parameter of its own (RFC 3461).
/// let carol = Rcpt::new(Mailbox::try_from("carol@example.net")?).with_notify(Notify::NEVER);
/// let envelope = envelope.with_recipient(carol);
/// assert_eq!(envelope.recipients().len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    mail: Mail,
    recipients: Vec<Rcpt>,
}

impl Envelope {
    /// An envelope from `from` (empty for the null address) to each of `to`: addresses, or `postmaster` for the
    /// server's own.
    ///
    /// # Errors
    ///
    /// A text that is not an address.
    pub fn new<'a>(from: &str, to: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidValue> {
        let mailbox =
            |text: &str| Mailbox::try_from(text).map_err(|invalid: Invalid| InvalidValue::new(invalid, text));
        let from = match from {
            "" => ReversePath::Null,
            address => mailbox(address)?.into(),
        };
        let recipient =
            |text: &'a str| ForwardPath::try_from(text).map_err(|invalid| InvalidValue::new(invalid, text));
        let to: Result<Vec<_>, InvalidValue> =
            to.into_iter().map(|to| recipient(to).map(Rcpt::new)).collect();
        Ok(Self { mail: Mail::new(from), recipients: to? })
    }

    /// An envelope of the commands themselves, with their parameters. SIZE, BODY and SMTPUTF8 are found by
    /// [`Client::send`](super::Client::send).
    #[must_use]
    pub fn from_commands(mail: Mail, recipients: impl IntoIterator<Item = Rcpt>) -> Self {
        Self { mail, recipients: recipients.into_iter().collect() }
    }

    /// Adds a recipient.
    #[must_use]
    pub fn with_recipient(mut self, recipient: Rcpt) -> Self {
        self.recipients.push(recipient);
        self
    }

    /// Adds a parameter of MAIL.
    #[must_use]
    pub fn with_parameter(mut self, parameter: Parameter) -> Self {
        self.mail = self.mail.with_parameter(parameter);
        self
    }

    /// Returns the sender, and what is said about the message.
    #[must_use]
    pub const fn mail(&self) -> &Mail {
        &self.mail
    }

    /// Returns the recipients, in the order in which they are told to the server.
    #[must_use]
    pub fn recipients(&self) -> &[Rcpt] {
        &self.recipients
    }

    /// Whether an address needs SMTPUTF8.
    pub(super) fn is_international(&self) -> bool {
        self.mail.is_international() || self.recipients.iter().any(Rcpt::is_international)
    }
}
