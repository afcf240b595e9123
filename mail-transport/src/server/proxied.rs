//! Clients that come through a proxy.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::{
    Error, Phase, Result,
    proxy_protocol::{Header, Network, Origin},
    within,
};

/// Which proxies a [`Listener`](super::Listener) believes when they tell, by the PROXY protocol, for whom they speak.
///
/// Whether there is a header is never guessed. A connection from a trusted network has to begin with one, before TLS,
/// within [five seconds](Self::with_timeout); it is ended if it does not. A connection from elsewhere is closed at once,
/// so that nobody passes by the proxy, or taken as it is [if that is wanted](Self::with_direct_clients): a header that
/// such a client sends is no header then, but a line of its own that no protocol understands.
///
/// # Examples
///
/// ```no_run
/// # async fn example(tls: mailwire_transport::tls::ServerTls) -> Result<(), Box<dyn std::error::Error>> {
/// use mailwire_transport::{Security, server::{Listener, ProxyProtocol}};
///
/// let proxies = ProxyProtocol::from_networks(["10.0.7.0/24".parse()?, "fd00:7::/64".parse()?]);
/// let listener = Listener::bind("[::]:993", Security::implicit_tls(), Some(tls))
///     .await?
///     .with_proxy_protocol(proxies);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ProxyProtocol {
    trusted: Arc<[Network]>,
    timeout: Duration,
    direct: bool,
}

/// What a trusted proxy has told of a connection.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxied {
    /// The proxy's own address; none over a Unix socket.
    pub proxy: Option<SocketAddr>,
    /// What it has told.
    pub header: Header,
}

/// What becomes of a connection at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is its client's own.
    Direct,
    /// It begins with a header.
    Proxied,
    /// It comes from where nobody is trusted, and that is needed.
    Refused,
}

impl ProxyProtocol {
    /// Trusts the proxies of these networks. A Unix socket's peers are trusted as well: the file's permissions say who they
    /// can be.
    #[must_use]
    pub fn from_networks(trusted: impl IntoIterator<Item = Network>) -> Self {
        Self { trusted: trusted.into_iter().collect(), timeout: Duration::from_secs(5), direct: false }
    }

    /// Sets the time that a proxy has for its header: five seconds by default. A connection on which none has come by then is
    /// closed.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets whether clients from elsewhere are served, as their own; `false` by default.
    #[must_use]
    pub const fn with_direct_clients(mut self, serve: bool) -> Self {
        self.direct = serve;
        self
    }

    /// Whether a proxy at this address is believed.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    pub(super) fn admission(&self, peer: Option<SocketAddr>) -> Admission {
        match peer {
            None => Admission::Proxied,
            Some(peer) if self.trusts(peer.ip()) => Admission::Proxied,
            Some(_) if self.direct => Admission::Direct,
            Some(_) => Admission::Refused,
        }
    }

    /// Reads the header with which a stream begins, and not a byte more.
    ///
    /// # Errors
    ///
    /// There is none in time, the stream ends before its end, or it is none.
    pub async fn read(&self, stream: &mut (impl AsyncRead + Unpin)) -> Result<Header> {
        within(self.timeout, Phase::ProxyHeader, read(stream)).await
    }
}

/// What is missing is asked for, which is a few bytes at a time in version 1: its length is not told in advance, and what comes
/// after it can be the beginning of TLS.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Header> {
    let mut begun = BytesMut::new();
    loop {
        match Header::missing(&begun).map_err(Error::ProxyHeader)? {
            0 => return Header::parse(&Bytes::from(begun)).map_err(Error::ProxyHeader),
            missing => {
                if (&mut *stream).take(missing as u64).read_buf(&mut begun).await? == 0 {
                    let during = "before the end of the PROXY header";
                    return Err(mailwire_core::Error::UnexpectedEof { during }.into());
                }
            }
        }
    }
}

impl Proxied {
    /// The address that counts as the client's: the proxy's own where it tells no other.
    pub(super) fn client(&self) -> Option<SocketAddr> {
        self.header.source().or(self.proxy)
    }

    /// Whether the client's bytes may have come in clear from another machine: not if the proxy says that they came
    /// within TLS, by a socket of this machine, or that it speaks for itself.
    pub(super) fn is_exposed(&self) -> bool {
        match self.header.origin() {
            Origin::Local | Origin::Unix(_) => false,
            _ => !self.header.ssl().is_some_and(|ssl| ssl.is_tls()),
        }
    }
}
