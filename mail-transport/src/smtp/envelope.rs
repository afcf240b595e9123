//! Who sends a message, and to whom.

use mailwire_core::Invalid;
use mailwire_smtp::{ForwardPath, Mail, Mailbox, Parameter, ReversePath};

/// Who sends a message and who is to get it: the addresses of MAIL and RCPT, which need not be
/// those in the message's header (RFC 5321 section 2.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The address for reports of failure; none in such reports.
    pub from: ReversePath,
    /// The recipients.
    pub to: Vec<ForwardPath>,
    /// Parameters of MAIL that this crate does not know. SIZE, BODY and SMTPUTF8 are found by
    /// [`Client::send`](super::Client::send).
    pub parameters: Vec<Parameter>,
}

impl Envelope {
    /// From `from` (empty for the null address) to each of `to`.
    ///
    /// # Errors
    ///
    /// An address that is none.
    pub fn new<'a>(from: &str, to: impl IntoIterator<Item = &'a str>) -> Result<Self, Invalid> {
        let from = match from {
            "" => ReversePath::Null,
            address => Mailbox::try_from(address)?.into(),
        };
        let to: Result<_, Invalid> = to.into_iter().map(|to| Ok(Mailbox::try_from(to)?.into())).collect();
        Ok(Self { from, to: to?, parameters: Vec::new() })
    }

    /// The MAIL command, without what depends on the server.
    pub(super) fn mail(&self) -> Mail {
        let mut mail = Mail::new(self.from.clone());
        mail.other.clone_from(&self.parameters);
        mail.smtp_utf8 = mail.is_international()
            || self.to.iter().any(|to| to.mailbox().is_some_and(|mailbox| !mailbox.is_ascii()));
        mail
    }
}
