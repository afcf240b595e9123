//! The state machines as codecs, for whoever wants [`Framed`](tokio_util::codec::Framed).
//!
//! A [`Driver`](crate::Driver) does more: it keeps the clock, writes large bodies without copying
//! them, and writes what the machine has to say by itself. A codec leaves that to its user. And a
//! `Framed` decodes only once it has read something: whoever speaks first in a protocol, a server its
//! greeting for instance, begins with a send.
//!
//! ```
//! use futures_util::{SinkExt, StreamExt};
//! use mailwire_core::Connection;
//! use mailwire_transport::codec::{Codec, Item};
//! use tokio_util::codec::Framed;
//!
//! async fn print<S, C>(stream: S, connection: C) -> mailwire_transport::Result<()>
//! where
//!     S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
//!     C: Connection<Error = mailwire_core::Error>,
//!     C::Event: std::fmt::Debug,
//! {
//!     let mut framed = Framed::new(stream, Codec::new(connection));
//!     framed.send(|_: &mut C| Ok(())).await?;
//!     while let Some(item) = framed.next().await {
//!         match item? {
//!             Item::Event(event) => println!("{event:?}"),
//!             // The machine has something to say: let it be written.
//!             Item::Write => framed.send(|_: &mut C| Ok(())).await?,
//!             // Here: a command, a reply. An application would pass what it has to say.
//!             Item::Blocked => framed.send(|connection: &mut C| Ok(connection.close())).await?,
//!             Item::Upgrade(_) => break,
//!         }
//!     }
//!     Ok(())
//! }
//! ```

use bytes::{Buf, BufMut, BytesMut};
use mailwire_core::{Connection, Next, Upgrade};
use tokio_util::codec::{Decoder, Encoder};

use crate::{DriverError, Error, Result};

/// A state machine as a codec. It decodes [`Item`]s, and encodes what a closure does with the
/// machine: `framed.send(|machine: &mut _| { machine.send(command)?; Ok(()) })`.
#[derive(Debug)]
pub struct Codec<C> {
    connection: C,
    eof: bool,
}

/// An item that a [`Codec`] decodes.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<E> {
    /// The machine's event.
    Event(E),
    /// The machine waits for bytes from the peer and has some to write first. To be answered with a
    /// send, of a closure that does nothing if need be.
    Write,
    /// It is the caller's move: to be answered with a send.
    Blocked,
    /// The stream is to be replaced: take the parts of the `Framed`, whose read buffer has the first
    /// bytes of the new stream (none if that is TLS, where they are an error), and tell the machine that it was [`upgraded`](Connection::upgraded).
    Upgrade(Upgrade),
}

impl<C> Codec<C> {
    /// A codec of `connection`.
    pub const fn new(connection: C) -> Self {
        Self { connection, eof: false }
    }

    /// Returns the machine.
    pub const fn connection(&self) -> &C {
        &self.connection
    }

    /// Returns the machine. What it then has to say is written with the next send.
    pub const fn connection_mut(&mut self) -> &mut C {
        &mut self.connection
    }

    /// Takes the machine out.
    pub fn into_inner(self) -> C {
        self.connection
    }
}

impl<C: Connection<Error = mailwire_core::Error>> Decoder for Codec<C> {
    type Item = Item<C::Event>;
    type Error = Error;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Self::Item>> {
        let next = self.connection.next_event(src)?;
        let waiting = !self.connection.output().is_empty();
        Ok(match next {
            Next::Event(event) => Some(Item::Event(event)),
            Next::NeedInput | Next::Closed | Next::Upgrade(_) if waiting => Some(Item::Write),
            Next::NeedInput | Next::Closed => None,
            Next::Paused if waiting => Some(Item::Write),
            Next::Paused => Some(Item::Blocked),
            Next::Upgrade(upgrade) if !upgrade.takes_rest() && !src.is_empty() => {
                return Err(DriverError::<mailwire_core::Error>::BytesBeforeUpgrade.into());
            }
            Next::Upgrade(upgrade) => Some(Item::Upgrade(upgrade)),
        })
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Self::Item>> {
        if !self.eof {
            self.eof = true;
            self.connection.handle_eof();
        }
        self.decode(src)
    }
}

impl<C: Connection, F: FnOnce(&mut C) -> Result<()>> Encoder<F> for Codec<C> {
    type Error = Error;

    fn encode(&mut self, act: F, dst: &mut BytesMut) -> Result<()> {
        let result = act(&mut self.connection);
        // What was put before an error still belongs to the conversation.
        let output = self.connection.output();
        while output.has_remaining() {
            let chunk = output.chunk();
            let length = chunk.len();
            dst.put_slice(chunk);
            output.advance(length);
        }
        result
    }
}
