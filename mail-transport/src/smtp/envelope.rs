//! Who sends a message, and to whom.

use mailwire_core::Invalid;
use mailwire_smtp::{
    ForwardPath, Mail, Mailbox, Parameter, Rcpt, ReversePath,
    extensions::dsn::{EnvelopeId, Notify, OriginalRecipient, Ret},
};

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
    #[inline]
    pub fn with_recipient(mut self, recipient: Rcpt) -> Self {
        self.recipients.push(recipient);
        self
    }

    /// Adds a parameter of MAIL.
    #[must_use]
    #[inline]
    pub fn with_parameter(mut self, parameter: Parameter) -> Self {
        self.mail = self.mail.with_parameter(parameter);
        self
    }

    /// Sets how much of the message comes back with a report of failure ([RFC 3461 section
    /// 4.3](https://www.rfc-editor.org/rfc/rfc3461#section-4.3)).
    #[must_use]
    #[inline]
    pub fn with_return(mut self, ret: Ret) -> Self {
        self.mail = self.mail.with_ret(ret);
        self
    }

    /// Sets what the sender calls this transaction, in reports ([RFC 3461 section
    /// 4.4](https://www.rfc-editor.org/rfc/rfc3461#section-4.4)).
    ///
    /// # Errors
    ///
    /// No character, one that is not printable ASCII, or more than 100 in `xtext`.
    #[inline]
    pub fn with_envelope_id(mut self, id: &str) -> Result<Self, InvalidValue> {
        let id = EnvelopeId::new(id).map_err(|invalid| InvalidValue::new(invalid, id))?;
        self.mail = self.mail.with_envelope_id(id);
        Ok(self)
    }

    /// Sets when reports are wanted, for each recipient that is there now, with the address by which the report names it
    /// ([RFC 3461 section 4.1](https://www.rfc-editor.org/rfc/rfc3461#section-4.1)): the one that it has, unless another
    /// was set.
    #[must_use]
    #[inline]
    pub fn with_notify(mut self, notify: Notify) -> Self {
        for rcpt in &mut self.recipients {
            let original = rcpt.to.mailbox().and_then(|mailbox| OriginalRecipient::of(mailbox).ok());
            let parameters = rcpt.parameters_mut();
            parameters.notify = Some(notify);
            parameters.original_recipient = parameters.original_recipient.take().or(original);
        }
        self
    }

    /// Has the message go over verified TLS only, from here to its end ([RFC 8689 section
    /// 2](https://www.rfc-editor.org/rfc/rfc8689#section-2)).
    #[must_use]
    #[inline]
    pub fn with_require_tls(mut self) -> Self {
        self.mail = self.mail.with_require_tls(true);
        self
    }

    /// Changes what is said about the message: `|mail| mail.with_hold(hold)`.
    #[must_use]
    pub fn map_mail(mut self, change: impl FnOnce(Mail) -> Mail) -> Self {
        self.mail = change(self.mail);
        self
    }

    /// Changes what is said about each recipient: `|rcpt| rcpt.with_notify(notify)`.
    #[must_use]
    pub fn map_recipients(mut self, change: impl FnMut(Rcpt) -> Rcpt) -> Self {
        self.recipients = self.recipients.into_iter().map(change).collect();
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
}
