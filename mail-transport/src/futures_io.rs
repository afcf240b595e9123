//! Streams of `futures-io`, on any executor.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::Stream;

impl Stream {
    /// A stream over one of `futures-io`: of smol, async-std, or another executor. A client over it runs there, and needs
    /// no runtime of tokio's: times are kept by a thread then.
    ///
    /// [`Endpoint::connect`](crate::Endpoint::connect) makes sockets of tokio's; the client's `over` is what takes this
    /// one.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[cfg(all(feature = "imap", feature = "client"))]
    /// # async fn example<S>(socket: S) -> mailwire_transport::Result<()>
    /// # where S: futures_io::AsyncRead + futures_io::AsyncWrite + Send + Sync + Unpin + 'static {
    /// use mailwire_transport::{Endpoint, Protocol, Security, Stream, imap, sasl::Credentials};
    ///
    /// // `socket` is a `smol::net::TcpStream`, say, that is connected to this server.
    /// let server = Endpoint::new("imap.example.org", Protocol::Imap, Security::implicit_tls());
    /// let config = imap::Config::login(Credentials::password("anna", "secret"));
    /// let mut client = imap::Client::over(Stream::futures_io(socket), server, config).await?;
    /// client.logout().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn futures_io<S>(stream: S) -> Self
    where
        S: futures_io::AsyncRead + futures_io::AsyncWrite + Send + Sync + Unpin + 'static,
    {
        Self::other(Adapter(stream))
    }
}

struct Adapter<S>(S);

impl<S: futures_io::AsyncRead + Unpin> AsyncRead for Adapter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buf.initialize_unfilled();
        let most = room.len();
        let count = ready!(Pin::new(&mut self.0).poll_read(cx, room))?;
        // Whoever claims more has not written it there.
        buf.advance(count.min(most));
        Poll::Ready(Ok(()))
    }
}

impl<S: futures_io::AsyncWrite + Unpin> AsyncWrite for Adapter<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    /// It is not known; the driver gives slices in any case.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}
