//! What is said to a proxy, until the server's bytes come.

use std::io;

use mailwire_core::Secret;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use zeroize::Zeroize as _;

use super::{Kind, Proxy, ProxyError, ProxyRefusal, http::Http, socks5::Socks5};
use crate::{Error, endpoint::HostPort};

/// What is said to a proxy, without I/O: [`next_step`](Self::next_step) says what is to be done, and
/// [`received`](Self::received) takes what was read.
///
/// It never asks for a byte more than the proxy's answer surely has, so that the server's first words stay in the
/// stream. What a proxy can make it read is bounded: 16 KiB.
///
/// # Examples
///
/// ```
/// use mailwire_transport::proxy::{Handshake, Proxy, Step};
///
/// let mut handshake = Handshake::new(&Proxy::socks5("proxy.example", 1080), "imap.example.org", 993)?;
/// assert_eq!(handshake.next_step(), Step::Write("\x05\x01\x00".into()));
/// assert_eq!(handshake.next_step(), Step::Read(2));
/// handshake.received(b"\x05\x00")?;
/// assert_eq!(handshake.next_step(), Step::Write(b"\x05\x01\x00\x03\x10imap.example.org\x03\xe1"[..].into()));
/// # Ok::<(), mailwire_transport::proxy::ProxyRefusal>(())
/// ```
#[derive(Debug)]
pub struct Handshake(State);

#[derive(Debug)]
enum State {
    Socks5(Socks5),
    Http(Http),
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// To write these bytes.
    Write(Secret),
    /// To read so many bytes, neither more nor fewer.
    Read(usize),
    /// Nothing: what comes now is the server's.
    Done,
}

impl Handshake {
    /// Begins to ask a proxy for a connection to a server, by its name or address.
    ///
    /// # Errors
    ///
    /// The name, or that of the login, is longer than the proxy's protocol has room for.
    pub fn new(proxy: &Proxy, host: &str, port: u16) -> Result<Self, ProxyRefusal> {
        Ok(Self(match proxy.kind {
            Kind::Socks5 => State::Socks5(Socks5::new(proxy.login.as_ref(), host, port)?),
            Kind::Http => State::Http(Http::new(proxy.login.as_ref(), host, port)?),
        }))
    }

    /// Returns what is to be done next. What is to be written is given once.
    pub fn next_step(&mut self) -> Step {
        match &mut self.0 {
            State::Socks5(socks) => socks.next(),
            State::Http(http) => http.next(),
        }
    }

    /// Takes the bytes that [`Step::Read`] asked for.
    ///
    /// # Errors
    ///
    /// The proxy refuses, or is none.
    pub fn received(&mut self, bytes: &[u8]) -> Result<(), ProxyRefusal> {
        match &mut self.0 {
            State::Socks5(socks) => socks.received(bytes),
            State::Http(http) => http.received(bytes),
        }
    }

    async fn run<S: AsyncRead + AsyncWrite + Unpin>(mut self, stream: &mut S) -> Result<(), Failure> {
        let mut room = [0; 512];
        loop {
            match self.next_step() {
                Step::Write(bytes) => {
                    stream.write_all(bytes.expose()).await?;
                    stream.flush().await?;
                }
                Step::Read(count) => {
                    let room = room.get_mut(..count).unwrap_or_default();
                    stream.read_exact(room).await?;
                    let taken = self.received(room);
                    room.zeroize();
                    taken?;
                }
                Step::Done => return Ok(()),
            }
        }
    }
}

enum Failure {
    Io(io::Error),
    Refused(ProxyRefusal),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ProxyRefusal> for Failure {
    fn from(reason: ProxyRefusal) -> Self {
        Self::Refused(reason)
    }
}

/// Has a proxy connect its stream to a server.
pub(crate) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    proxy: &Proxy,
    stream: &mut S,
    host: &str,
    port: u16,
) -> Result<(), Error> {
    let result = match Handshake::new(proxy, host, port) {
        Ok(handshake) => handshake.run(stream).await,
        Err(reason) => Err(reason.into()),
    };
    result.map_err(|failure| match failure {
        Failure::Io(error) => error.into(),
        Failure::Refused(reason) => {
            let server = HostPort(host, port).to_string();
            Error::Proxy(Box::new(ProxyError { proxy: proxy.to_string(), server, reason }))
        }
    })
}
