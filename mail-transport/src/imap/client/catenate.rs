//! CATENATE: messages that are put together by the server.

use mailwire_core::{Misuse, NotOffered};
use mailwire_imap::{
    Capability,
    command::{AString, AppendData, CatPart},
    url::{MessageRef, Target},
};

use super::{Client, Content, append::Payloads};
use crate::{Payload, Result};

/// A message that the server puts together of what is sent and what it has, so that an attachment need not be sent again
/// ([RFC 4469](https://www.rfc-editor.org/rfc/rfc4469)).
///
/// # Examples
///
/// ```no_run
/// # async fn example(client: &mut mailwire_transport::imap::Client) -> mailwire_transport::Result<()> {
/// use mailwire_transport::imap::{
///     client::Catenate,
///     proto::{types::{Section, Uid}, url::MessageRef},
/// };
///
/// let draft = |section| MessageRef::new("Drafts".try_into().unwrap(), Uid::MIN).with_section(section);
/// let message = Catenate::new()
///     .with_text("Subject: another one\r\nMIME-Version: 1.0\r\nContent-Type: image/png\r\n\r\n")
///     .with_part(draft(Section::TEXT));
/// client.append("Drafts", message).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Catenate<'p> {
    parts: Vec<Part<'p>>,
}

#[derive(Debug)]
enum Part<'p> {
    Text(Payload<'p>),
    Url(Box<MessageRef>),
}

impl<'p> Catenate<'p> {
    /// A message of no parts so far; it needs one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes that are sent.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<Payload<'p>>) -> Self {
        self.parts.push(Part::Text(text.into()));
        self
    }

    /// Adds bytes that the server has: of another message, in any mailbox. Ranges of bytes need URL-PARTIAL.
    #[must_use]
    pub fn with_part(mut self, part: MessageRef) -> Self {
        self.parts.push(Part::Url(part.into()));
        self
    }
}

impl<'p> From<Catenate<'p>> for Content<'p> {
    fn from(parts: Catenate<'p>) -> Self {
        Self::Catenate(parts)
    }
}

impl Client {
    /// The parts as they are announced; what is sent after that goes to `payloads`.
    pub(super) fn catenate<'p>(
        &self,
        Catenate { parts }: Catenate<'p>,
        payloads: &mut Payloads<'p>,
    ) -> Result<AppendData> {
        if parts.is_empty() {
            return Err(Misuse::BodyMismatch("it has no parts").into());
        }
        let parts = parts.into_iter().map(|part| match part {
            Part::Text(payload) => self.literal(payload, payloads).map(CatPart::Text),
            Part::Url(part) => self.url(*part).map(CatPart::Url),
        });
        Ok(AppendData::Catenate(parts.collect::<Result<_>>()?))
    }

    fn url(&self, part: MessageRef) -> Result<AString> {
        if part.partial.is_some() && !self.has(&Capability::UrlPartial) {
            return Err(Misuse::NotOffered(NotOffered::Extension("URL-PARTIAL")).into());
        }
        Ok(AString::new(&Target::from(part))?)
    }
}
