//! A function as the application of a server.

use std::future::Future;

use bytes::Bytes;
use mailwire_smtp::Reply;

use super::{Body, BodyError, Client, Service, Session, Transaction};
use crate::sasl::Authenticator;

/// A message that has come, for [`each_message`].
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Who has sent it.
    pub client: Client,
    /// From whom it is, and for whom.
    pub transaction: Transaction,
    /// All of it: as much as [`Limits::message`](mailwire_smtp::Limits) lets in, 50 MB by default.
    pub message: Bytes,
}

/// Makes a service of a function that is given each message, in memory, and answers it: 250 takes it, 451 has the client try
/// again. It takes mail for everybody, and lets nobody log in: for a hook, a test, or a place that another server hands mail to.
///
/// # Examples
///
/// ```no_run
/// use mailwire_transport::{Security, server::Listener, smtp::{Server, proto::{Reply, ReplyCode}, server::each_message}};
/// use tokio_util::sync::CancellationToken;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let service = each_message(async |incoming| {
///     println!("{} bytes from {}", incoming.message.len(), incoming.transaction.mail.from);
///     Reply::new(ReplyCode::OK, "2.0.0 Seen")
/// });
/// let listener = Listener::bind("127.0.0.1:2525", Security::plaintext_without_encryption(), None).await?;
/// Server::new(service, "mx.example.org".try_into()?).serve(listener, CancellationToken::new()).await?;
/// # Ok(())
/// # }
/// ```
pub const fn each_message<F, A>(take: F) -> EachMessage<F>
where
    F: Fn(Incoming) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Reply> + Send,
{
    EachMessage(take)
}

/// The service of [`each_message`].
#[derive(Debug, Clone)]
pub struct EachMessage<F>(F);

impl<F: Send + Sync> Authenticator for EachMessage<F> {}

impl<F, A> Service for EachMessage<F>
where
    F: Fn(Incoming) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Reply> + Send,
{
    type Session = Self;
    type Authenticator = Self;

    fn authenticator(&self) -> &Self {
        self
    }

    async fn connect(&self, _: &Client) -> Result<Self, Reply> {
        Ok(self.clone())
    }
}

impl<F, A> Session for EachMessage<F>
where
    F: Fn(Incoming) -> A + Send + Sync,
    A: Future<Output = Reply> + Send,
{
    async fn message(
        &mut self,
        client: &Client,
        transaction: &Transaction,
        body: &mut Body<'_>,
    ) -> Result<Reply, BodyError> {
        let message = body.bytes().await?;
        let incoming = Incoming { client: client.clone(), transaction: transaction.clone(), message };
        // On the heap: what it does may be a client's whole conversation.
        Ok(Box::pin((self.0)(incoming)).await)
    }
}
