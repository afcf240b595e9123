//! Sending a message.

use mailwire_core::{Misuse, WrongState, dot::Mended};
use mailwire_smtp::{BodyType, Capability, ForwardPath, Mail, Rcpt, Reply, client::Outcome};

use super::{Client, Envelope, downgrade::Downgrade, pipeline::Pipeline, signed::Start};
use crate::{Error, Payload, Result, runtime::Boxed};

/// A message that the server took for at least one recipient.
#[must_use = "some recipients may have been refused"]
#[non_exhaustive]
#[derive(Debug)]
pub struct Sent {
    /// The server's reply to the message: often with the name that it has there. In LMTP, to its last
    /// recipient that was accepted.
    pub reply: Reply,
    /// The recipients whom it was not accepted for, in the order of the envelope where several transactions were needed.
    pub refused: Vec<RefusedRecipient>,
    /// The CRs and LFs of the message that stood alone, and were made CR LF: see
    /// [`Config::bare_newline`](super::Config::bare_newline).
    pub mended: Mended,
}

/// A recipient for whom a message was not accepted, while it was for others.
#[non_exhaustive]
#[derive(Debug)]
pub struct RefusedRecipient {
    /// The address of the recipient.
    pub recipient: ForwardPath,
    /// The reason: [`Error::Refused`]; of a message that is sent in parts, also the error that came before this one's
    /// part, or [`Error::Misuse`] with what the server does not take.
    pub error: Error,
    /// Whether the server can have accepted the message for this recipient all the same: [`Outcome::Unknown`] says so.
    pub outcome: Outcome,
}

impl RefusedRecipient {
    /// A recipient whom the server refused.
    pub(super) const fn new(recipient: ForwardPath, error: Error) -> Self {
        Self { recipient, error, outcome: Outcome::Refused }
    }

    pub(super) const fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }
}

impl Client {
    /// Sends a message: MAIL, RCPT and DATA in one group where the server allows it, then the
    /// message, which is not copied. A large one is sent by BDAT where the server offers CHUNKING, unless
    /// [`Config::chunking`](super::Config::chunking) forbids it. [`send_all`](Self::send_all) is faster for several.
    ///
    /// Who does not fit into one transaction, by the server's LIMITS ([RFC 9422](https://www.rfc-editor.org/rfc/rfc9422); with
    /// the feature `smtp-extensions`) or because it says "too many recipients" ([RFC 5321 section
    /// 4.5.3.1.10](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.10)), gets the message in another one, if it is in
    /// memory, and who is named twice gets it once; the result is one for all, and so is the
    /// [`outcome`](Client::outcome), while each [`RefusedRecipient`] has one of its own.
    ///
    /// What the server does not offer of DSN, 8BITMIME and SMTPUTF8 is refused, left out or converted, as
    /// [`Config`](super::Config) says.
    ///
    /// SIZE, BODY=8BITMIME and SMTPUTF8 are given where the message or its addresses need them and
    /// the server offers them. Where lines end in LF alone or in CR alone they are
    /// [mended](super::Config::bare_newline). With BODY=BINARYMIME in the
    /// envelope's MAIL a message can have any bytes
    /// ([RFC 3030 section 3](https://www.rfc-editor.org/rfc/rfc3030#section-3)), if the server offers that.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: &mut mailwire_transport::smtp::Client) -> mailwire_transport::Result<()> {
    /// use mailwire_transport::smtp::Envelope;
    ///
    /// let envelope = Envelope::new("ada@example.org", ["bob@example.net", "carol@example.net"])?;
    /// let message = "From: ada@example.org\r\nSubject: Hello\r\n\r\nHello, both of you.\r\n";
    /// let sent = client.send(&envelope, message).await?;
    /// for refused in &sent.refused {
    ///     println!("{} will not get it: {}", refused.recipient, refused.error);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the server takes the message for no recipient; of several reasons, the
    /// first, unless one of them ended the connection; [`take_refused`](Client::take_refused) has them all. [`Error::Misuse`] with [`Misuse::NotOffered`] if the
    /// server lacks what this message needs, with [`Misuse::InvalidBody`] if a message in memory has what
    /// cannot be sent (a NUL, or a CR or LF that stands alone and is not mended): nothing is sent then. Any other error ends the connection; so does a
    /// message that is read while it is sent by DATA, if it cannot be read or sent to its end. Whether the client
    /// can be used on says [`is_usable`](Client::is_usable), whether the server can have accepted the
    /// message [`outcome`](Client::outcome).
    pub async fn send(&mut self, envelope: &Envelope, message: impl Into<Payload<'_>>) -> Result<Sent> {
        self.send_payload(envelope, message.into()).await
    }

    /// On the heap, as it is large, and callers put it into futures of their own.
    fn send_payload<'a>(
        &'a mut self,
        envelope: &'a Envelope,
        message: Payload<'a>,
    ) -> Boxed<'a, Result<Sent>> {
        self.forget();
        Box::pin(Pipeline::new(self).send(envelope, message))
    }

    /// What is checked before anything is sent.
    pub(super) fn prepare<'r>(
        &self,
        mail: &Mail,
        recipients: impl Iterator<Item = &'r Rcpt> + Clone,
        message: &Payload<'_>,
    ) -> Result<Plan> {
        if recipients.clone().next().is_none() {
            return Err(Misuse::WrongState(WrongState::NoRecipients).into());
        }
        let downgrade = self.downgrade(mail, message)?;
        let mut mail = self.mail(mail, message, downgrade.as_ref())?;
        mail.smtp_utf8 |= mail.is_international()
            || recipients.clone().any(|rcpt| self.adapted(rcpt, false).is_international());
        self.check_transaction(&mail, recipients)?;
        let binary = mail.body == Some(BodyType::BinaryMime);
        let mended = match (&downgrade, message.pieces().filter(|_| !binary)) {
            (Some(downgrade), _) => downgrade.mended(),
            (None, Some(_)) if message.is_text() => Mended::default(),
            (None, Some(pieces)) => self.session.machine_ref().check_pieces(pieces)?,
            (None, None) => Mended::default(),
        };
        if mended.count > 0 {
            Start::of(message).permits(mended, message.length().unwrap_or_default())?;
            let added = if downgrade.is_none() { mended.count } else { 0 };
            mail.size = mail.size.and_then(|size| size.checked_add(added));
        }
        let length = downgrade.as_ref().map_or_else(|| message.length(), Downgrade::length);
        Ok(Plan { mail, chunked: binary || self.chunks(length), downgrade })
    }

    /// Whether BDAT helps: the message is not searched for dots a second time.
    fn chunks(&self, length: Option<u64>) -> bool {
        const LARGE: u64 = 64 * 1024;
        self.chunking
            && self.capabilities().has(&Capability::Chunking)
            && length.is_some_and(|length| length >= LARGE)
    }

    fn mail(&self, mail: &Mail, message: &Payload<'_>, downgrade: Option<&Downgrade>) -> Result<Mail> {
        let mut mail = mail.clone();
        mail.from = self.adapted_sender(&mail.from)?;
        let capabilities = self.capabilities();
        if capabilities.has_size() {
            mail.size = downgrade.map_or_else(|| message.length(), Downgrade::length);
        }
        if let Some(downgrade) = downgrade {
            mail.body = downgrade.target().body();
        } else if mail.body != Some(BodyType::BinaryMime) {
            let offered = capabilities.has(&Capability::EightBitMime);
            mail.body = match message.is_ascii() {
                Some(false) => Some(BodyType::EightBitMime),
                None if offered => Some(BodyType::EightBitMime),
                Some(true) | None => None,
            };
        }
        self.adapt_mail(&mut mail);
        Ok(mail)
    }
}

/// How a message is sent.
pub(super) struct Plan {
    pub(super) mail: Mail,
    /// Whether BDAT sends it.
    pub(super) chunked: bool,
    pub(super) downgrade: Option<Downgrade>,
}
