//! What was said of a message before it comes.

use mailwire_smtp::{Mail, Rcpt, ReversePath};

/// The envelope of a message that a client sends: its MAIL, and each RCPT that was accepted
/// ([RFC 5321 section 3.3](https://www.rfc-editor.org/rfc/rfc5321#section-3.3)).
///
/// The server keeps it while the transaction is open; how much it can be is bounded by
/// [`Limits::recipients`](mailwire_smtp::Limits::recipients) and [`Limits::line`](mailwire_smtp::Limits::line).
///
/// # Examples
///
/// ```
/// use mailwire_transport::smtp::{proto::{Mail, Mailbox, Rcpt}, server::Transaction};
///
/// // For the tests of an application; a server makes it by itself.
/// let mail = Mail::new(Mailbox::try_from("anna@example.org")?).with_smtp_utf8(true);
/// let bob = Rcpt::new(Mailbox::try_from("bob@example.net")?);
/// let transaction = Transaction::new(mail).with_recipient(bob);
/// assert_eq!(transaction.from().mailbox().unwrap().local_part(), "anna");
/// assert!(transaction.mail.smtp_utf8 && transaction.recipients.len() == 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// The sender, and what the client says about the message.
    pub mail: Mail,
    /// The recipients that were accepted, in their order: one can be named more than once.
    pub recipients: Vec<Rcpt>,
}

impl Transaction {
    /// A transaction without recipients.
    #[must_use]
    pub const fn new(mail: Mail) -> Self {
        Self { mail, recipients: Vec::new() }
    }

    /// Adds a recipient.
    #[must_use]
    pub fn with_recipient(mut self, recipient: Rcpt) -> Self {
        self.recipients.push(recipient);
        self
    }

    /// Returns who gets the reports of failure; nobody for the null address.
    #[must_use]
    pub const fn from(&self) -> &ReversePath {
        &self.mail.from
    }
}
