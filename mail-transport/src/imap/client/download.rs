//! Parts of messages, without their transfer encoding.

use bytes::Bytes;
use mailwire_imap::{
    Capability,
    command::FetchAtt,
    reading::{Part, TransferDecoder},
    response::Code,
    types::Uid,
};

use super::{Client, body::Body};
use crate::{Error, Result, body::streamed_body};

/// A part of a message that is being received and decoded: [`Client::download`].
///
/// It need not be read to its end, as a [`Body`].
#[must_use]
pub struct Download<'a> {
    body: Body<'a>,
    /// What is left to be undone here.
    decoder: Option<TransferDecoder>,
    decoded: bool,
}

impl Download<'_> {
    /// Whether the part comes without its transfer encoding; `false` for encodings that neither the server nor this client
    /// knows.
    #[must_use]
    pub const fn is_decoded(&self) -> bool {
        self.decoded
    }

    /// Receives the next piece, no larger than what came over the network at once; `None` at the end. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The server refuses after all, or the connection fails. The part is then not whole.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        loop {
            let chunk = self.body.chunk().await?;
            let Some(decoder) = &mut self.decoder else { return Ok(chunk) };
            let mut decoded = Vec::new();
            match chunk {
                Some(chunk) => decoder.decode(&chunk, &mut decoded),
                None => self.decoder.take().into_iter().for_each(|decoder| decoder.finish(&mut decoded)),
            }
            if !decoded.is_empty() {
                return Ok(Some(decoded.into()));
            }
        }
    }
}

streamed_body!(Download);

impl std::fmt::Debug for Download<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download").field("body", &self.body).finish_non_exhaustive()
    }
}

impl Client {
    /// UID FETCH of one part of a message, decoded and piece by piece: of any size, it costs no more memory than what comes
    /// over the network at once. `\Seen` is left alone.
    ///
    /// The server decodes it if it has BINARY ([RFC 3516](https://www.rfc-editor.org/rfc/rfc3516)) and the client does
    /// otherwise. Parts come from [`BodyStructure::parts`](mailwire_imap::types::BodyStructure::parts) or
    /// [`contents`](mailwire_imap::types::BodyStructure::contents). A text is still in its charset:
    /// [`decode_text`](mailwire_imap::reading::decode_text).
    ///
    /// `None`: there is no such message (any more), or no such part.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: &mut mailwire_transport::imap::Client) -> mailwire_transport::Result<()> {
    /// use mailwire_transport::imap::{FetchAtt, proto::types::Uid};
    ///
    /// let uid = Uid::new(7).unwrap();
    /// let mut messages = client.uid_fetch(uid, [FetchAtt::BodyStructure]).await?;
    /// let message = messages.next().await?;
    /// while messages.next().await?.is_some() {}
    /// let structure = message.as_ref().and_then(|message| message.body_structure());
    /// for part in structure.into_iter().flat_map(|structure| structure.contents().attachments) {
    ///     let name = part.file_name().unwrap_or_else(|| format!("part {part}"));
    ///     if let Some(download) = client.download(uid, &part).await? {
    ///         let mut file = tokio::fs::File::create_new(name).await?;
    ///         download.copy_to(&mut file).await?;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn download(&mut self, uid: Uid, part: &Part<'_>) -> Result<Option<Download<'_>>> {
        let decoder = TransferDecoder::new(&part.part.encoding);
        let is_identity = decoder.as_ref().is_some_and(TransferDecoder::is_identity);
        if !is_identity && self.has_or_rev2(&Capability::Binary) {
            let item = FetchAtt::Binary { part: part.number.clone(), partial: None, peek: true };
            match self.begin_item(uid, item).await {
                Ok(begun) => {
                    let begun = begun.map(|begun| begun.of(self));
                    return Ok(begun.map(|body| Download { body, decoder: None, decoded: true }));
                }
                // It does not know the encoding: then it gives the part as it is.
                Err(error) if is_unknown(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let item = FetchAtt::BodySection { section: part.section(), partial: None, peek: true };
        let Some(body) = self.fetch_item(uid, item).await? else { return Ok(None) };
        let decoded = decoder.is_some();
        Ok(Some(Download { body, decoder: decoder.filter(|_| !is_identity), decoded }))
    }
}

fn is_unknown(error: &Error) -> bool {
    let code = error.refused().and_then(|refused| refused.code.as_ref());
    code.is_some_and(|code| code.to_string() == Code::UnknownCte.to_string())
}
