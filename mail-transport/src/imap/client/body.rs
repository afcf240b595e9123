//! Bodies that are read piece by piece.

use bytes::Bytes;
use mailwire_core::Text;
use mailwire_imap::{
    client::Event,
    command::{Command, Fetch, FetchAtt},
    response::Untagged,
    types::{Data, Section, Uid},
};

use super::{Call, Client, items::data_of};
use crate::{Result, body::streamed_body};

/// A message, or a part of one, that is being received.
///
/// It need not be read to its end: the next call to the client reads what is left and throws it away.
/// To stop a large one early, drop the [`Client`] itself.
#[must_use]
pub struct Body<'a> {
    client: &'a mut Client,
    call: Call,
    length: u64,
    state: State,
}

enum State {
    /// It came whole.
    Whole(Bytes),
    /// It comes in pieces.
    Pieces,
    /// The end of the command is still to come.
    Ending,
    Ended,
}

/// A body that a server has begun to send, without the client.
pub(super) struct Begun {
    call: Call,
    length: u64,
    state: State,
}

impl Begun {
    pub(super) fn of(self, client: &mut Client) -> Body<'_> {
        Body { client, call: self.call, length: self.length, state: self.state }
    }
}

impl Body<'_> {
    /// Returns the length that the server has announced, in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Receives the next piece, as large as what came over the network at once; `None` at the end.
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// The server refuses after all, or the connection fails. The body is then not whole.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        if let State::Whole(bytes) = &mut self.state {
            let bytes = std::mem::take(bytes);
            self.state = State::Ending;
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
        while !matches!(self.state, State::Ended) {
            let event = match self.client.event(self.call).await {
                Ok(event) => event,
                Err(error) => {
                    self.state = State::Ended;
                    return Err(error);
                }
            };
            match event {
                Event::BodyChunk(chunk) if matches!(self.state, State::Pieces) => return Ok(Some(chunk)),
                Event::BodyEnd => self.state = State::Ending,
                event => {
                    if let Some(end) = self.client.ended(self.call, event) {
                        self.state = State::Ended;
                        end?;
                    }
                }
            }
        }
        Ok(None)
    }
}

streamed_body!(Body);

impl std::fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("length", &self.length).finish_non_exhaustive()
    }
}

impl Client {
    /// UID FETCH of one message or a part of it, to be read piece by piece: of any size, it costs no
    /// more memory than what comes over the network at once. `\Seen` is left alone.
    ///
    /// `None`: there is no such message (any more), or no such part.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: &mut mailwire_transport::imap::Client) -> mailwire_transport::Result<()> {
    /// use mailwire_transport::imap::proto::types::Section;
    ///
    /// for uid in &client.uid_search([]).await? {
    ///     if let Some(body) = client.fetch_body(uid, Section::WHOLE).await? {
    ///         let mut file = tokio::fs::File::create(format!("{uid}.eml")).await?;
    ///         body.copy_to(&mut file).await?;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn fetch_body(&mut self, uid: Uid, section: Section) -> Result<Option<Body<'_>>> {
        self.fetch_item(uid, FetchAtt::BodySection { section, partial: None, peek: true }).await
    }

    /// UID FETCH of any item that is a body, to be read piece by piece: some bytes of a part, a part decoded by the server
    /// (`BINARY`), one that becomes `\Seen` by it.
    ///
    /// # Errors
    ///
    /// As [`fetch_body`](Self::fetch_body).
    pub async fn fetch_item(&mut self, uid: Uid, item: FetchAtt) -> Result<Option<Body<'_>>> {
        let begun = self.begin_item(uid, item).await?;
        Ok(begun.map(|begun| begun.of(self)))
    }

    /// Begins what [`fetch_item`](Self::fetch_item) gives.
    pub(super) async fn begin_item(&mut self, uid: Uid, item: FetchAtt) -> Result<Option<Begun>> {
        let fetch = Fetch::new(uid, item);
        let call = self.start(Command::Fetch(fetch)).await?;
        loop {
            match self.event(call).await? {
                Event::BodyStart(start) if start.uid.is_none_or(|of| of == uid) => {
                    return Ok(Some(Begun { call, length: start.length, state: State::Pieces }));
                }
                Event::Data { data: Untagged::Fetch(mut fetch), .. } => {
                    let ours = fetch.message_uid().is_none_or(|of| of == uid);
                    let data = fetch.items.iter_mut().find_map(data_of).filter(|_| ours).map(take);
                    self.inbox.push(Untagged::Fetch(fetch));
                    if let Some(Some(text)) = data {
                        let bytes = text.into_bytes();
                        let length = bytes.len() as u64;
                        return Ok(Some(Begun { call, length, state: State::Whole(bytes) }));
                    }
                }
                event => {
                    if let Some(end) = self.ended(call, event) {
                        return end.map(|_| None);
                    }
                }
            }
        }
    }
}

fn take(data: &mut Data) -> Option<Text> {
    match std::mem::replace(data, Data::Nil) {
        Data::Inline(text) => Some(text),
        Data::Nil | Data::Streamed { .. } => None,
    }
}
