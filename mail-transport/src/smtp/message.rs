//! Messages that tell by themselves who is to get them.

#[cfg(feature = "builder")]
use std::borrow::Cow;
use std::{fmt, time::SystemTime};

use bytes::Bytes;
#[cfg(feature = "builder")]
use mailwire_core::Invalid;
use mailwire_smtp::{Mailbox, client::Outcome, trace::Timestamp};

#[cfg(feature = "builder")]
use super::header::{FROM, Listed, TO, base};
use super::{
    Client, Envelope, Sent,
    fields::Fields,
    header::{BLIND, without_fields},
    signed::is_signed,
};
#[cfg(feature = "header-envelope")]
use crate::payload::from_bytes;
use crate::{InvalidValue, Payload, Result, runtime::Boxed};

/// A message that is sent to those whom its header names: a text, or what `mail-builder` or `lettre` has built.
///
/// | from | with the feature |
/// | --- | --- |
/// | `&str`, `&[u8]`, `String`, `Vec<u8>`, [`Bytes`] | `header-envelope` |
/// | `mail_builder::MessageBuilder`, 0.4 | `builder` |
/// | `lettre::Message`, 0.11, built with its feature `builder` alone | `lettre` |
///
/// What is sent by [`Client::send_message`] has no Bcc, and it has Date and Message-ID.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "header-envelope")] {
/// use mailwire_transport::smtp::Message;
///
/// let message = Message::from("From: ada@example.org\r\nTo: bob@example.net\r\nBcc: cy@example.net\r\n\r\nHi.\r\n");
/// let (envelope, payload) = message.into_parts()?;
/// assert_eq!(envelope.recipients().len(), 2);
/// # let _ = payload;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Message {
    /// Fields that were missing.
    added: Bytes,
    bytes: Bytes,
    /// What the header says, if that was not found out yet.
    envelope: Option<Result<Envelope, InvalidValue>>,
}

impl Message {
    /// Sets the envelope, for a message whose header names others than it is sent to, or nobody. What Bcc says is not sent in
    /// any case.
    #[must_use]
    pub fn with_envelope(mut self, envelope: Envelope) -> Self {
        self.envelope = Some(Ok(envelope));
        self
    }

    /// Returns who sends this message and to whom: what was [set](Self::with_envelope), or else what the header
    /// [says](Envelope::from_header).
    ///
    /// # Errors
    ///
    /// The header names no sender, or there is something other than an address in it.
    pub fn envelope(&self) -> Result<Envelope, InvalidValue> {
        match &self.envelope {
            Some(envelope) => envelope.clone(),
            #[cfg(feature = "header-envelope")]
            None => Envelope::from_header(&self.bytes),
            #[cfg(not(feature = "header-envelope"))]
            None => Envelope::of_fields(&[]),
        }
    }

    /// Adds Date and Message-ID if the header lacks them ([RFC 5322 section
    /// 3.6](https://www.rfc-editor.org/rfc/rfc5322#section-3.6), [RFC 6409 section
    /// 8](https://www.rfc-editor.org/rfc/rfc6409#section-8)): for who wants to know them before the message is sent, which adds
    /// them in any case. The Message-ID is random, in the domain of the sender. A message that is signed stays as it is: the
    /// signature may say that they are missing.
    #[must_use]
    pub fn completed(mut self) -> Self {
        let (mut date, mut id) = (false, false);
        for field in Fields::of(&self.added).chain(Fields::of(&self.bytes)) {
            date |= field.is(&["date"]);
            id |= field.is(&["message-id"]);
        }
        if date && id || is_signed(&self.bytes) {
            return self;
        }
        let now = SystemTime::now();
        let mut added = String::new();
        if !date {
            added = format!("Date: {}\r\n", Timestamp::from(now));
        }
        if !id {
            let envelope = self.envelope().ok();
            let sender = envelope.as_ref().and_then(|envelope| envelope.mail().from.mailbox());
            let domain =
                sender.map(Mailbox::domain).filter(|domain| domain.is_ascii()).unwrap_or("localhost");
            added = format!("{added}Message-ID: <{:032x}@{domain}>\r\n", unique(now));
        }
        self.added = Bytes::from(added);
        self
    }

    /// Returns the whole message, with Bcc: for the folder of what was sent.
    ///
    /// ```no_run
    /// # #[cfg(all(feature = "imap", feature = "header-envelope"))]
    /// # async fn example(
    /// #     client: &mut mailwire_transport::smtp::Client, account: &mut mailwire_transport::imap::Client,
    /// # ) -> mailwire_transport::Result<()> {
    /// use mailwire_transport::smtp::Message;
    ///
    /// let message = Message::from("From: ada@example.org\r\nTo: bob@example.net\r\n\r\nHi.\r\n").completed();
    /// let _sent = client.send_message(&message).await?;
    /// account.append("Sent", message.payload()).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn payload(&self) -> Payload<'static> {
        Payload::from_pieces([self.added.clone(), self.bytes.clone()])
    }

    /// Makes of it what [`Client::send`] takes: the envelope, and the message without Bcc and with Date and Message-ID. It is not
    /// copied.
    ///
    /// # Errors
    ///
    /// Those of [`envelope`](Self::envelope).
    pub fn into_parts(self) -> Result<(Envelope, Payload<'static>), InvalidValue> {
        let envelope = self.envelope()?;
        let message = Self { envelope: Some(Ok(envelope.clone())), ..self }.completed();
        let pieces = Payload::from_pieces(without_fields(&message.bytes, &BLIND));
        Ok((envelope, pieces.with_header(message.added)?))
    }
}

/// Random, or at least never told before.
fn unique(now: SystemTime) -> u128 {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut bytes = since.as_nanos().to_be_bytes();
    let _ = getrandom::fill(&mut bytes);
    u128::from_be_bytes(bytes)
}

impl Client {
    /// Sends a message to those whom its header names in To, Cc and Bcc, without Bcc, and with Date and Message-ID: see
    /// [`Message`]. All else is as with [`send`](Self::send).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[cfg(feature = "builder")]
    /// # async fn example(client: &mut mailwire_transport::smtp::Client) -> mailwire_transport::Result<()> {
    /// use mail_builder::MessageBuilder;
    ///
    /// let message = MessageBuilder::new()
    ///     .from(("Ada", "ada@example.org"))
    ///     .to("bob@example.net")
    ///     .bcc("cy@example.net")
    ///     .subject("Pictures")
    ///     .text_body("Here they are.\n")
    ///     .attachment("image/png", "sun.png", &b"\x89PNG"[..]);
    /// let sent = client.send_message(message).await?;
    /// println!("{}", sent.reply);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `send`; [`Error::Invalid`](crate::Error::Invalid) if the header names no sender or something that is not an
    /// address, and [`Error::Misuse`](crate::Error::Misuse) if it names no recipient: nothing is sent then.
    pub async fn send_message(&mut self, message: impl Into<Message>) -> Result<Sent> {
        self.send_parts(message.into()).await
    }

    /// [`send_message`](Self::send_message), compiled once.
    fn send_parts(&mut self, message: Message) -> Boxed<'_, Result<Sent>> {
        Box::pin(async move {
            self.refused.clear();
            self.begun = false;
            self.told = Some(Outcome::NotSent);
            let (envelope, payload) = message.into_parts()?;
            self.send(&envelope, payload).await
        })
    }
}

#[cfg(feature = "header-envelope")]
impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self { added: Bytes::new(), bytes, envelope: None }
    }
}

#[cfg(feature = "header-envelope")]
from_bytes!(Message);

impl From<&Self> for Message {
    #[inline]
    fn from(message: &Self) -> Self {
        message.clone()
    }
}

#[cfg(feature = "builder")]
impl From<mail_builder::MessageBuilder<'_>> for Message {
    fn from(builder: mail_builder::MessageBuilder<'_>) -> Self {
        let envelope = envelope(&builder.headers);
        // What it does not tell, such as an address among others in one text, its header may tell once it is written.
        #[cfg(feature = "header-envelope")]
        let envelope = envelope.ok().map(Ok);
        #[cfg(not(feature = "header-envelope"))]
        let envelope = Some(envelope);
        let mut message = Vec::new();
        // A vector takes all.
        let _ = write(builder, &mut message);
        Self { added: Bytes::new(), bytes: message.into(), envelope }
    }
}

#[cfg(feature = "builder")]
impl From<&mail_builder::MessageBuilder<'_>> for Message {
    #[inline]
    fn from(builder: &mail_builder::MessageBuilder<'_>) -> Self {
        builder.clone().into()
    }
}

/// The envelope out of a header that is not written yet: as [`Envelope::from_header`] makes one, without a parser.
#[cfg(feature = "builder")]
fn envelope(
    headers: &[(Cow<'_, str>, mail_builder::headers::HeaderType<'_>)],
) -> Result<Envelope, InvalidValue> {
    use mail_builder::headers::{HeaderType, address::Address};

    fn list<'h>(address: &'h Address<'_>, out: &mut Vec<&'h str>) {
        match address {
            // What has only a name is none, and found out so.
            Address::Address(one) => out.extend(
                [Some(&one.email), one.name.as_ref()]
                    .into_iter()
                    .flatten()
                    .map(|text| text.trim())
                    .find(|text| !text.is_empty()),
            ),
            Address::Group(group) => group.addresses.iter().for_each(|one| list(one, out)),
            Address::List(all) => all.iter().for_each(|one| list(one, out)),
        }
    }
    let mut fields = Vec::new();
    for (name, value) in headers {
        let mut addresses = Vec::new();
        let is_named = |names: &[&str]| names.iter().any(|known| base(name).eq_ignore_ascii_case(known));
        match value {
            HeaderType::Address(address) => list(address, &mut addresses),
            _ if is_named(&FROM) || is_named(&TO) => {
                let reason = "addresses as a text, which the feature header-envelope reads";
                return Err(InvalidValue::new(Invalid::new("header of a message", 0, reason), name));
            }
            _ => {}
        }
        fields.push(Listed { name, addresses });
    }
    Envelope::of_fields(&fields)
}

/// Writes a message as its builder does, but for Date and Message-ID, which are not the builder's to invent: it knows no
/// domain.
#[cfg(feature = "builder")]
fn write(mut builder: mail_builder::MessageBuilder<'_>, mut out: &mut Vec<u8>) -> std::io::Result<()> {
    use mail_builder::headers::Header as _;

    let headers = std::mem::take(&mut builder.headers);
    for (name, value) in &headers {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        // By the type that the headers of parts are written by, too: each is compiled once then.
        value.write_header(&mut out, name.len() + 2)?;
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("MIME-Version")) {
        out.extend_from_slice(b"MIME-Version: 1.0\r\n");
    }
    builder.write_body(out)
}

#[cfg(feature = "lettre")]
impl From<&lettre::Message> for Message {
    fn from(message: &lettre::Message) -> Self {
        let envelope = message.envelope();
        let from = envelope.from().map_or("", AsRef::as_ref);
        let envelope = Envelope::new(from, envelope.to().iter().map(AsRef::as_ref));
        Self { added: Bytes::new(), bytes: message.formatted().into(), envelope: Some(envelope) }
    }
}

#[cfg(feature = "lettre")]
impl From<lettre::Message> for Message {
    fn from(message: lettre::Message) -> Self {
        (&message).into()
    }
}

/// Shows the length alone.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("length", &self.bytes.len()).finish_non_exhaustive()
    }
}
