//! A layer between a server's conversation and its stream, for tests.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::Stream;

/// Reads and writes what a server reads and writes, above TLS and compression: it sees the protocol's own bytes, and can
/// change, delay or swallow them. For servers that are to fail in tests; see
/// [`Server::with_layers`](crate::server::Server::with_layers).
///
/// One value is made for each connection. Its methods do what those of tokio's traits do, over the stream `below`.
///
/// # Examples
///
/// ```
/// use std::{io, task::{Context, Poll}};
/// use mailwire_transport::{Stream, testing::Layer};
///
/// /// Does not let the server say anything.
/// struct Mute;
///
/// impl Layer for Mute {
///     fn poll_write(&mut self, _: &mut Stream, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
///         Poll::Ready(Ok(bytes.len()))
///     }
/// }
/// ```
pub trait Layer: Send + Sync + 'static {
    /// Reads, as [`AsyncRead::poll_read`] does. By default from the stream below.
    fn poll_read(
        &mut self,
        below: &mut Stream,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(below).poll_read(cx, buffer)
    }

    /// Writes, as [`AsyncWrite::poll_write`] does. By default to the stream below.
    fn poll_write(
        &mut self,
        below: &mut Stream,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(below).poll_write(cx, bytes)
    }

    /// Lets what was written leave, as [`AsyncWrite::poll_flush`] does.
    fn poll_flush(&mut self, below: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(below).poll_flush(cx)
    }

    /// Ends the stream, as [`AsyncWrite::poll_shutdown`] does.
    fn poll_shutdown(&mut self, below: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(below).poll_shutdown(cx)
    }

    /// Tells that there is another stream below: TLS or compression was put on it, or taken off.
    fn upgraded(&mut self, below: &Stream) {
        let _ = below;
    }
}

/// A stream with a [`Layer`] above it.
pub struct Layered {
    pub(crate) layer: Box<dyn Layer>,
    pub(crate) inner: Stream,
}

impl Layered {
    /// Puts another stream below, made of the one that is there.
    pub(crate) fn replace<E>(mut self, make: impl FnOnce(Stream) -> Result<Stream, E>) -> Result<Stream, E> {
        self.inner = make(std::mem::take(&mut self.inner))?;
        self.layer.upgraded(&self.inner);
        Ok(Stream::Layered(Box::new(self)))
    }
}

impl fmt::Debug for Layered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layered").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl AsyncRead for Layered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { layer, inner } = &mut *self;
        layer.poll_read(inner, cx, buffer)
    }
}

impl AsyncWrite for Layered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { layer, inner } = &mut *self;
        layer.poll_write(inner, cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { layer, inner } = &mut *self;
        layer.poll_flush(inner, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { layer, inner } = &mut *self;
        layer.poll_shutdown(inner, cx)
    }
}

/// Makes the layers of a server's connections.
#[derive(Clone)]
pub(crate) struct Layers(pub(crate) Arc<dyn Fn() -> Box<dyn Layer> + Send + Sync>);

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Layers(..)")
    }
}
