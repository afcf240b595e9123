//! Messages that an SMTP service stores before it knows what becomes of them.

use bytes::Bytes;
use mailwire_smtp::{Reply, extensions::priority::Priority, trace::ReturnPath};
use mailwire_transport::smtp::server::{Body, BodyError, Client, Transaction};

use crate::{
    BodyId, BodyWriter, Result, SmtpSession, Store, delivering::distinct, inspect::Inspection, smtp::refusal,
    valid_since::Header,
};

/// A message that is stored once, for all its recipients.
pub(crate) struct Staged {
    pub(crate) body: BodyId,
    pub(crate) size: u64,
    /// So many bytes of it are the trace fields.
    pub(crate) added: u64,
}

/// A message on its way into the store.
struct Staging<W> {
    writer: W,
    size: u64,
    added: u64,
}

impl<W: BodyWriter> Staging<W> {
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        self.size = self.size.saturating_add(piece.len() as u64);
        self.writer.write(piece).await
    }

    async fn finish(self) -> Result<Staged> {
        let Self { writer, size, added } = self;
        writer.finish().await.map(|body| Staged { body, size, added })
    }
}

impl<S: Store> SmtpSession<S> {
    /// Stores the message. The inner error is what the client is told.
    pub(crate) async fn stage(
        &self,
        client: &Client,
        transaction: &Transaction,
        body: &mut Body<'_>,
    ) -> Result<Result<Staged, Reply>, BodyError> {
        match &self.inspection {
            None => {
                let mut staging = match self.staging(client, transaction, transaction.mail.size).await {
                    Ok(staging) => staging,
                    Err(error) => return Ok(Err(refusal(&error))),
                };
                if self.valid_since {
                    let mut header = Header::default();
                    while let Some(piece) = body.chunk().await?
                        && header.push(&piece)
                    {}
                    let kept = match self.heed(transaction, header).await {
                        Ok(kept) => kept,
                        Err(reply) => return Ok(Err(reply)),
                    };
                    if let Err(error) = staging.write(kept).await {
                        return Ok(Err(refusal(&error)));
                    }
                }
                while let Some(piece) = body.chunk().await? {
                    if let Err(error) = staging.write(piece).await {
                        return Ok(Err(refusal(&error)));
                    }
                }
                Ok(staging.finish().await.map_err(|error| refusal(&error)))
            }
            Some(Inspection { inspector, room }) => {
                let whole = match room.read(body).await? {
                    Ok(whole) => whole,
                    Err(reply) => return Ok(Err(reply)),
                };
                match inspector.inspect(client, transaction, whole.message.clone()).await {
                    Ok(pieces) => {
                        let mut pieces = pieces.into_iter();
                        let mut kept = Vec::new();
                        if self.valid_since {
                            let mut header = Header::default();
                            for piece in pieces.by_ref() {
                                if !header.push(&piece) {
                                    break;
                                }
                            }
                            match self.heed(transaction, header).await {
                                Ok(header) => kept.push(header),
                                Err(reply) => return Ok(Err(reply)),
                            }
                        }
                        let pieces = kept.into_iter().chain(pieces).collect();
                        let staged = self.stage_pieces(client, transaction, pieces).await;
                        Ok(staged.map_err(|error| refusal(&error)))
                    }
                    Err(reply) => Ok(Err(reply)),
                }
            }
        }
    }

    /// Takes what is required of the recipients' owners out of the header, if it is so.
    async fn heed(&self, transaction: &Transaction, header: Header) -> Result<Bytes, Reply> {
        let (kept, required) = header.split();
        match self.check_owners(transaction, &required).await {
            Some(refusal) => Err(refusal),
            None => Ok(kept),
        }
    }

    /// Stores what an inspector gave.
    async fn stage_pieces(
        &self,
        client: &Client,
        transaction: &Transaction,
        pieces: Vec<Bytes>,
    ) -> Result<Staged> {
        let size = pieces.iter().map(|piece| piece.len() as u64).sum();
        let mut staging = self.staging(client, transaction, Some(size)).await?;
        for piece in pieces {
            staging.write(piece).await?;
        }
        staging.finish().await
    }

    /// Begins with the trace fields.
    async fn staging(
        &self,
        client: &Client,
        transaction: &Transaction,
        announced: Option<u64>,
    ) -> Result<Staging<S::Writer>> {
        let fields = match self.trace_fields {
            true => trace_fields(client, transaction, self.priority),
            false => Bytes::new(),
        };
        let added = fields.len() as u64;
        let announced = announced.filter(|size| *size > 0).map(|announced| added.saturating_add(announced));
        let writer = self.store.body(&distinct(&self.recipients), announced).await?;
        let mut staging = Staging { writer, size: 0, added };
        staging.write(fields).await?;
        Ok(staging)
    }
}

/// What a delivery puts before a message: first who gets reports of failure, then how it came.
fn trace_fields(client: &Client, transaction: &Transaction, priority: Option<Priority>) -> Bytes {
    let mut fields = Vec::new();
    ReturnPath::new(transaction.from().clone()).write(&mut fields);
    let mut received = client.received(transaction);
    received.priority = priority;
    received.write(&mut fields);
    fields.into()
}
