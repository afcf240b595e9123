//! Messages one after the other, as they come.

use std::{
    borrow::{Borrow, Cow},
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use mailwire_smtp::client::Outcome;

use super::{
    Client, Envelope, RefusedRecipient, Sent,
    pipeline::{Due, Pipeline},
};
use crate::{Payload, Result};

/// Messages on their way, from [`Client::send_all`] or [`Client::send_stream`].
///
/// Dropped before its end, it leaves the client [spent](crate::Error::Spent) if a message was under way. Messages that
/// were not begun stay where they come from, but for one that may have been taken.
#[must_use = "nothing is sent until `next` is called"]
pub struct Sending<'c, 'm, M> {
    pipeline: Pipeline<'c, 'm>,
    messages: M,
}

/// Messages that are all there, for [`Client::send_all`] and [`Mailer::send_all`](super::Mailer::send_all).
#[derive(Debug, Clone)]
pub struct Messages<I>(I);

impl<I> Messages<I> {
    pub(super) fn new(messages: impl IntoIterator<IntoIter = I>) -> Self {
        Self(messages.into_iter())
    }
}

/// Nothing is pinned.
impl<I> Unpin for Messages<I> {}

impl<I: Iterator> Stream for Messages<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}

impl Client {
    /// Sends messages one after the other, the end of each together with the commands of the next where the server
    /// allows it ([RFC 2920 section 3.1](https://www.rfc-editor.org/rfc/rfc2920#section-3.1)): one round trip for
    /// each, where [`send`](Self::send) needs two.
    ///
    /// [`Sending::next`] gives the result of each message in their order, all that `send` tells: also a message whose
    /// recipients need several transactions has one. A message that is refused, or that cannot be sent to this server,
    /// does not disturb the next one.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: &mut mailwire_transport::smtp::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use mailwire_transport::smtp::{Envelope, Outcome};
    ///
    /// let messages = [
    ///     (Envelope::new("ada@example.org", ["bob@example.net"])?, "Subject: One\r\n\r\n1\r\n"),
    ///     (Envelope::new("ada@example.org", ["carol@example.net"])?, "Subject: Two\r\n\r\n2\r\n"),
    /// ];
    /// let mut sending = client.send_all(messages);
    /// while let Some(result) = sending.next().await {
    ///     match (result, sending.outcome()) {
    ///         (Ok(sent), _) => println!("{}", sent.reply),
    ///         (Err(error), Outcome::Unknown) => println!("perhaps sent: {error}"),
    ///         (Err(error), _) => println!("not accepted: {error}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_all<'m, M, E, P>(&mut self, messages: M) -> Sending<'_, 'm, Messages<M::IntoIter>>
    where
        M: IntoIterator<Item = (E, P)>,
        E: Borrow<Envelope>,
        P: Into<Payload<'m>>,
    {
        self.send_stream(Messages::new(messages))
    }

    /// Sends messages as they come, as [`send_all`](Self::send_all) does: one that is there in time is begun together
    /// with the end of the one before, and none is waited for while an answer is due. One message at most is taken from
    /// the stream before the one before it is answered.
    ///
    /// Any [`Stream`] will do, also the receiving end of a channel of tokio-stream or futures; one that is not [`Unpin`]
    /// in a [`Box::pin`]. A server ends a connection on which nothing comes for some minutes.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: &mut mailwire_transport::smtp::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use futures_util::stream::unfold;
    /// use mailwire_transport::smtp::Envelope;
    ///
    /// let (sender, receiver) = tokio::sync::mpsc::channel(10);
    /// sender.send((Envelope::new("ada@example.org", ["bob@example.net"])?, "Subject: One\r\n\r\n1\r\n")).await?;
    /// drop(sender);
    /// let queue = unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    /// let mut sending = client.send_stream(Box::pin(queue));
    /// while let Some(result) = sending.next().await {
    ///     println!("{result:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub const fn send_stream<'m, M, E, P>(&mut self, messages: M) -> Sending<'_, 'm, M>
    where
        M: Stream<Item = (E, P)> + Unpin,
        E: Borrow<Envelope>,
        P: Into<Payload<'m>>,
    {
        Sending { pipeline: Pipeline::new(self), messages }
    }
}

impl<'m, M, E, P> Sending<'_, 'm, M>
where
    M: Stream<Item = (E, P)> + Unpin,
    E: Borrow<Envelope>,
    P: Into<Payload<'m>>,
{
    /// Sends until the next message is answered; `None` after the last. Cancel-safe: dropped and called again, it
    /// goes on where it was.
    ///
    /// # Errors
    ///
    /// Those of [`Client::send`]. After one that ends the connection each message that is left has one, too.
    pub async fn next(&mut self) -> Option<Result<Sent>> {
        loop {
            let due = if self.pipeline.has_room() {
                let first = {
                    let mut due = self.pipeline.go_on();
                    let messages = &mut self.messages;
                    poll_fn(|cx| match due.as_mut().poll(cx) {
                        Poll::Ready(due) => Poll::Ready(Ok(due)),
                        Poll::Pending => Pin::new(&mut *messages).poll_next(cx).map(Err),
                    })
                    .await
                };
                match first {
                    Ok(due) => due,
                    Err(message) => {
                        self.take(message);
                        continue;
                    }
                }
            } else {
                self.pipeline.go_on().await
            };
            match due {
                Due::Told(result) => return Some(result),
                Due::Message => {
                    let message = poll_fn(|cx| Pin::new(&mut self.messages).poll_next(cx)).await;
                    self.take(message);
                }
                // This does not wait, so that a call cannot be dropped here.
                Due::End => {
                    let next = poll_fn(|cx| Poll::Ready(Pin::new(&mut self.messages).poll_next(cx))).await;
                    if let Poll::Ready(message) = next {
                        self.take(message);
                    }
                    self.pipeline.end();
                }
                Due::Nothing => return None,
            }
        }
    }

    fn take(&mut self, message: Option<(E, P)>) {
        match message {
            Some((envelope, payload)) => {
                self.pipeline.put(Cow::Owned(envelope.borrow().clone()), payload.into());
            }
            None => self.pipeline.exhausted(),
        }
    }

    /// Returns the outcome of the message whose result was given last: after an error, whether the server can have
    /// accepted it.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.pipeline.outcome()
    }

    /// Takes the recipients of the message whose result was given last, as [`Client::take_refused`] does.
    #[must_use]
    pub fn take_refused(&mut self) -> Vec<RefusedRecipient> {
        self.pipeline.client.take_refused()
    }

    /// Whether nothing more can be sent over the connection.
    #[cfg(feature = "pool")]
    pub(super) fn is_over(&self) -> bool {
        self.pipeline.over.is_some() || self.pipeline.client.session.is_over()
    }
}

impl<M> std::fmt::Debug for Sending<'_, '_, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sending").field("client", &self.pipeline.client).finish_non_exhaustive()
    }
}
