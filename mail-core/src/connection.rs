//! The trait between a state machine and whatever moves its bytes.

use core::time::Duration;

use bytes::BytesMut;

use crate::{Output, SaslStep, SendError};

/// Everything that a driver needs of a state machine, and all it needs.
///
/// A driver is a loop: call [`next_event`](Self::next_event); write what lies in
/// [`output`](Self::output); read more only when told [`Next::NeedInput`]. All bytes live in the
/// input buffer, the connection or the stream, so the loop can be dropped at any point and started
/// again without loss.
pub trait Connection {
    /// What the machine tells its owner.
    type Event;
    /// Why the connection cannot go on. Never an I/O error: those belong to the driver.
    type Error: core::error::Error + Clone;

    /// Takes what it needs off the front of `input` (`split_to(..).freeze()`), never copying it.
    ///
    /// # Errors
    ///
    /// A violation of the protocol by the peer poisons the connection: the same error comes back
    /// from each later call, while [`output`](Self::output) still drains the last reply.
    fn next_event(&mut self, input: &mut BytesMut) -> Result<Next<Self::Event>, Self::Error>;

    /// What is to be written to the peer.
    fn output(&mut self) -> &mut Output;

    /// The peer has closed its sending side: `input` will grow no more.
    ///
    /// The next [`next_event`](Self::next_event) that would have needed input says
    /// [`Next::Closed`] at a clean boundary, and is an error within a message.
    fn handle_eof(&mut self);

    /// How long the peer may take for the step that it owes now; `None` when it owes nothing.
    /// The driver keeps the clock, and starts it anew whenever bytes move.
    fn timeout(&self) -> Option<Duration>;

    /// The time that [`timeout`](Self::timeout) named has passed.
    fn handle_timeout(&mut self);

    /// Whether an event tells of a part of something whose end is still to come: a piece of a body, a
    /// line of a listing, data before the completion of its command.
    ///
    /// A driver bounds the time of the whole by this: after such an event that time runs on, after any
    /// other it starts anew.
    fn is_part(event: &Self::Event) -> bool {
        let _ = event;
        false
    }

    /// Whether what an event [tells in part](Self::is_part) was asked for by what this side waits for.
    ///
    /// What was not gives the peer no time: a driver lets the time of the whole run out however much of it comes.
    fn is_asked_for(&self, event: &Self::Event) -> bool {
        let _ = event;
        true
    }

    /// Whether what it has read since its last event was passed over: whole messages that nobody had asked for, and that lead to
    /// no event. Like those of which an event [tells](Self::is_asked_for), they give the peer no time. What is a part of something,
    /// or is read and dropped because it was asked for and is too large, is not of that kind.
    fn passes_over(&self) -> bool {
        false
    }

    /// Whether the peer has come to the end of whatever it began, so that the next byte begins a new
    /// whole: for machines that take and answer some messages without an event.
    fn is_at_rest(&self) -> bool {
        false
    }

    /// Tells the machine that the stream under it was replaced, after [`Next::Upgrade`]. `upgrade` is
    /// what that named; an upgrade that was not agreed upon changes nothing.
    ///
    /// What becomes of what was learnt, and of bytes after the agreement, is told by [`Upgrade`].
    fn upgraded(&mut self, upgrade: Upgrade);

    /// Sends one step of a SASL exchange: a client's response or a server's challenge, each of the
    /// three protocols' base64 line. Cancelling is a step too.
    ///
    /// # Errors
    ///
    /// Hands the step back when no exchange waits for this side.
    fn send_auth(&mut self, step: SaslStep) -> Result<(), SendError<SaslStep>>;

    /// Ends the connection from this side once the output is drained.
    fn close(&mut self);
}

/// What a connection wants or has, from [`Connection::next_event`].
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<E> {
    /// Something happened; call again for more.
    Event(E),
    /// Nothing more without bytes from the peer.
    NeedInput,
    /// It is the caller's move: a decision is due, or the output must be drained first. Reading
    /// would not help.
    Paused,
    /// The output is drained and both sides agreed: replace the stream, then call
    /// [`Connection::upgraded`]. For [`Upgrade::Tls`], no byte of the peer waits.
    Upgrade(Upgrade),
    /// The conversation is over. Drain the output and close the stream.
    Closed,
}

impl<E> Next<E> {
    /// Replaces the event, if there is one.
    pub fn map<T>(self, f: impl FnOnce(E) -> T) -> Next<T> {
        match self {
            Next::Event(event) => Next::Event(f(event)),
            Next::NeedInput => Next::NeedInput,
            Next::Paused => Next::Paused,
            Next::Upgrade(upgrade) => Next::Upgrade(upgrade),
            Next::Closed => Next::Closed,
        }
    }
}

/// What takes the stream's place.
///
/// Bytes that the peer sent after the agreement belong to the new stream. What becomes of them depends
/// on whether that stream protects: see [`takes_rest`](Self::takes_rest).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Upgrade {
    /// TLS, by STARTTLS or STLS: [RFC 3207](https://www.rfc-editor.org/rfc/rfc3207),
    /// [RFC 2595](https://www.rfc-editor.org/rfc/rfc2595),
    /// [RFC 9051 section 6.2.1](https://www.rfc-editor.org/rfc/rfc9051#section-6.2.1).
    ///
    /// Everything that was learnt in clear is forgotten. A byte in clear after the agreement is an
    /// error, in both roles: it can have been injected ([CVE-2011-0411](https://nvd.nist.gov/vuln/detail/CVE-2011-0411)).
    Tls,
    /// Compression by DEFLATE, in both directions: IMAP's COMPRESS
    /// ([RFC 4978](https://www.rfc-editor.org/rfc/rfc4978)). It lies above TLS: what is sent is compressed
    /// first, and encrypted after that.
    ///
    /// What was learnt is kept, and bytes after the agreement are the first compressed ones.
    Deflate,
    /// The end of compression: the stream below it takes its place, in both directions. IMAP's UNAUTHENTICATE
    /// ends it ([RFC 8437 section 4.1](https://www.rfc-editor.org/rfc/rfc8437#section-4.1)).
    ///
    /// Bytes that were received after the agreement, decompressed or not, are the first ones of the stream
    /// below.
    Uncompressed,
}

impl Upgrade {
    /// Whether the new stream begins with the bytes that were received after the agreement and lie in
    /// the input, so that they have to be handed to it.
    ///
    /// False for TLS, where such bytes are an error. True for a layer that protects nothing, such as
    /// compression, where they are its first ones; what was learnt is then kept.
    #[must_use]
    pub const fn takes_rest(self) -> bool {
        match self {
            Self::Tls => false,
            Self::Deflate | Self::Uncompressed => true,
        }
    }
}

/// How the stream under a connection is protected, as its owner knows when the connection begins: for
/// both roles and all protocols.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// In clear, and it stays so. A client does not ask for TLS, a server does not offer it.
    Clear,
    /// In clear until STARTTLS or STLS. A client does nothing before TLS is up; a server offers it.
    StartTls,
    /// Protected from the first byte: implicit TLS, or a stream that never leaves the machine.
    Tls,
}

impl Channel {
    /// Whether the stream is protected from the first byte.
    #[must_use]
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Tls)
    }

    /// Whether TLS has to be put in place before anything is said.
    #[must_use]
    pub const fn is_start_tls(self) -> bool {
        matches!(self, Self::StartTls)
    }
}
