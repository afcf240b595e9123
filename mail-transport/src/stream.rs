//! What bytes travel over.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::BytesMut;
use mailwire_core::Upgrade;
use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

#[cfg(feature = "compress")]
use crate::Compressed;
#[cfg(feature = "testing")]
use crate::layer::Layered;
use crate::tls::{ChannelBindings, TlsStream};

/// A stream of any kind: TCP, a Unix socket or something of the caller's, in clear or within TLS.
///
/// Vectored writes are passed through to the socket or to TLS.
#[non_exhaustive]
#[derive(Debug, Default)]
pub enum Stream {
    /// In clear.
    Plain(Plain),
    /// Within TLS, of either role.
    Tls(Box<TlsStream>),
    /// Compressed, above one of the others.
    #[cfg(feature = "compress")]
    Compressed(Box<Compressed>),
    /// With a layer above it, for tests.
    #[cfg(feature = "testing")]
    Layered(Box<Layered>),
    /// No stream: reading and writing fail. It stands in while another is being made.
    #[default]
    Absent,
}

/// A stream in clear, and what TLS runs over.
#[non_exhaustive]
pub enum Plain {
    /// A TCP connection.
    Tcp(TcpStream),
    /// A Unix socket.
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
    /// A socket of the standard library.
    #[cfg(feature = "blocking")]
    Blocking(crate::blocking::Socket),
    /// Anything else: an in-memory pipe in tests, a proxy's tunnel.
    Other(Box<dyn Duplex>),
}

/// Anything that can be a [`Stream`]: both directions, and free to move between threads.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static> Duplex for T {}

impl Stream {
    /// A stream over anything that reads and writes.
    pub fn other(stream: impl Duplex) -> Self {
        Self::Plain(Plain::Other(Box::new(stream)))
    }

    /// Whether bytes travel within TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls().is_some()
    }

    /// Returns the TLS session, if there is one.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsStream> {
        match self {
            Self::Tls(tls) => Some(tls),
            #[cfg(feature = "compress")]
            Self::Compressed(compressed) => compressed.inner.tls(),
            #[cfg(feature = "testing")]
            Self::Layered(layered) => layered.inner.tls(),
            Self::Plain(_) | Self::Absent => None,
        }
    }

    /// Returns the stream beneath TLS, or the stream itself.
    #[must_use]
    pub fn plain(&self) -> Option<&Plain> {
        match self {
            Self::Plain(plain) => Some(plain),
            Self::Tls(tls) => Some(tls.plain()),
            #[cfg(feature = "compress")]
            Self::Compressed(compressed) => compressed.inner.plain(),
            #[cfg(feature = "testing")]
            Self::Layered(layered) => layered.inner.plain(),
            Self::Absent => None,
        }
    }

    /// Puts compression above this stream, or ends it: `upgrade` is what a machine has agreed upon, `rest` what
    /// was received after that.
    ///
    /// # Errors
    ///
    /// `upgrade` is another one, or the feature `compress` is off.
    #[inline]
    pub fn layered(self, upgrade: Upgrade, rest: BytesMut) -> io::Result<Self> {
        match (self, upgrade) {
            #[cfg(feature = "testing")]
            (Self::Layered(layered), upgrade) => layered.replace(|inner| inner.layered(upgrade, rest)),
            #[cfg(feature = "compress")]
            (Self::Compressed(mut compressed), Upgrade::Deflate) => {
                compressed.begin(rest);
                Ok(Self::Compressed(compressed))
            }
            #[cfg(feature = "compress")]
            (stream, Upgrade::Deflate) => Ok(Self::Compressed(Box::new(Compressed::new(stream, rest)))),
            #[cfg(feature = "compress")]
            (Self::Compressed(mut compressed), Upgrade::Uncompressed) => {
                compressed.end(rest);
                Ok(Self::Compressed(compressed).settled())
            }
            (_, _) => {
                drop(rest);
                Err(io::ErrorKind::Unsupported.into())
            }
        }
    }

    /// The stream below, where compression has ended and nothing of it is left.
    #[cfg(any(feature = "client", feature = "server", feature = "compress"))]
    pub(crate) fn settled(self) -> Self {
        match self {
            #[cfg(feature = "compress")]
            Self::Compressed(compressed) if compressed.is_over() => compressed.inner,
            stream => stream,
        }
    }

    /// Returns the peer's address; through a proxy, that is the proxy's. A Unix socket has none.
    #[inline]
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        match self.plain()? {
            Plain::Tcp(tcp) => tcp.peer_addr().ok(),
            #[cfg(feature = "blocking")]
            Plain::Blocking(socket) => socket.peer_addr(),
            _ => None,
        }
    }

    /// Returns the local address. A Unix socket has none.
    #[inline]
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self.plain()? {
            Plain::Tcp(tcp) => tcp.local_addr().ok(),
            #[cfg(feature = "blocking")]
            Plain::Blocking(socket) => socket.local_addr(),
            _ => None,
        }
    }

    /// Whether the stream never leaves the machine because it is a Unix socket.
    #[must_use]
    pub fn is_unix(&self) -> bool {
        match self.plain() {
            #[cfg(unix)]
            Some(Plain::Unix(_)) => true,
            #[cfg(feature = "blocking")]
            Some(Plain::Blocking(socket)) => socket.is_unix(),
            _ => false,
        }
    }

    /// Returns the peer's certificates, its own first. A client always has the server's within TLS; a
    /// server has the client's if it asked for them and they were verified.
    #[must_use]
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.tls()?.peer_certificates()
    }

    /// Returns what SASL's `-PLUS` mechanisms bind to. Empty without TLS.
    #[must_use]
    pub fn channel_bindings(&self) -> ChannelBindings {
        self.tls().map(TlsStream::channel_bindings).unwrap_or_default()
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Plain(Plain::Tcp(stream))
    }
}

#[cfg(unix)]
impl From<tokio::net::UnixStream> for Stream {
    fn from(stream: tokio::net::UnixStream) -> Self {
        Self::Plain(Plain::Unix(stream))
    }
}

#[cfg(feature = "blocking")]
impl From<crate::blocking::Socket> for Stream {
    fn from(socket: crate::blocking::Socket) -> Self {
        Self::Plain(Plain::Blocking(socket))
    }
}

impl From<TlsStream> for Stream {
    fn from(stream: TlsStream) -> Self {
        Self::Tls(Box::new(stream))
    }
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(tcp) => f.debug_tuple("Tcp").field(tcp).finish(),
            #[cfg(unix)]
            Self::Unix(unix) => f.debug_tuple("Unix").field(unix).finish(),
            #[cfg(feature = "blocking")]
            Self::Blocking(socket) => f.debug_tuple("Blocking").field(socket).finish(),
            Self::Other(_) => f.write_str("Other(..)"),
        }
    }
}

fn absent<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

macro_rules! on_stream {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Plain($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            Stream::Tls($stream) => {
                let $stream = Pin::new(&mut *$stream.inner);
                $call
            }
            #[cfg(feature = "compress")]
            Stream::Compressed($stream) => {
                let $stream = Pin::new(&mut **$stream);
                $call
            }
            #[cfg(feature = "testing")]
            Stream::Layered($stream) => {
                let $stream = Pin::new(&mut **$stream);
                $call
            }
            Stream::Absent => absent(),
        }
    };
}

macro_rules! on_plain {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Plain::Tcp($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            #[cfg(unix)]
            Plain::Unix($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            #[cfg(feature = "blocking")]
            Plain::Blocking($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            Plain::Other($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
        }
    };
}

/// Reads and writes as the stream within does.
macro_rules! passes_on {
    ($name:ident by $on:ident) => {
        impl AsyncRead for $name {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                $on!(self, stream => stream.poll_read(cx, buf))
            }
        }

        impl AsyncWrite for $name {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                $on!(self, stream => stream.poll_write(cx, buf))
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                $on!(self, stream => stream.poll_write_vectored(cx, bufs))
            }

            fn is_write_vectored(&self) -> bool {
                self.takes_slices()
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                $on!(self, stream => stream.poll_flush(cx))
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                $on!(self, stream => stream.poll_shutdown(cx))
            }
        }
    };
}

passes_on!(Stream by on_stream);
passes_on!(Plain by on_plain);

impl Stream {
    fn takes_slices(&self) -> bool {
        match self {
            Self::Plain(plain) => plain.is_write_vectored(),
            Self::Tls(tls) => tls.inner.is_write_vectored(),
            #[cfg(feature = "compress")]
            Self::Compressed(compressed) => compressed.is_write_vectored(),
            #[cfg(feature = "testing")]
            Self::Layered(_) => false,
            Self::Absent => false,
        }
    }
}

impl Plain {
    fn takes_slices(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.is_write_vectored(),
            #[cfg(unix)]
            Self::Unix(unix) => unix.is_write_vectored(),
            #[cfg(feature = "blocking")]
            Self::Blocking(socket) => socket.is_write_vectored(),
            Self::Other(other) => other.is_write_vectored(),
        }
    }
}
