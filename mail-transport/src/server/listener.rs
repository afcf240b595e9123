use std::{io, net::SocketAddr};

use mailwire_core::Channel;
use tokio::net::{TcpListener, TcpSocket, ToSocketAddrs, lookup_host};

use super::{ProxyProtocol, proxied::Admission};
use crate::{
    Plain, Result, Security, Stream,
    tls::{ServerTls, TlsError},
};

/// How many connections may wait to be taken. The system has a bound of its own, 4,096 on Linux. What finds no place is
/// dropped, and its client tries again after a second: with the usual 128, a burst of connections from one address would
/// make all others wait.
const WAITING: u32 = 4096;

/// A socket that takes connections, and how those are protected.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    security: Security,
    tls: Option<ServerTls>,
    proxies: Option<ProxyProtocol>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener),
}

impl Listener {
    /// Listens at a TCP address; port 0 is any free one. Up to 4,096 connections may wait to be taken, as far as the system
    /// lets them (`net.core.somaxconn` on Linux).
    ///
    /// # Errors
    ///
    /// The address is taken or not ours, or TLS is asked for and not configured.
    pub async fn bind(
        address: impl ToSocketAddrs,
        security: Security,
        tls: Option<ServerTls>,
    ) -> Result<Self> {
        let mut refused = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address to listen at");
        for address in lookup_host(address).await? {
            match listen(address) {
                Ok(socket) => return Self::from_tcp(socket, security, tls),
                Err(error) => refused = error,
            }
        }
        Err(refused.into())
    }

    /// Takes over a socket that listens already, with the number of waiting connections that it was given.
    ///
    /// # Errors
    ///
    /// TLS is asked for and not configured.
    pub fn from_tcp(socket: TcpListener, security: Security, tls: Option<ServerTls>) -> Result<Self> {
        if security.is_tls() && tls.is_none() {
            return Err(TlsError::NotConfigured.into());
        }
        // What is not to be used cannot be used by mistake.
        let tls = tls.filter(|_| security.is_tls());
        Ok(Self { socket: Socket::Tcp(socket), security, tls, proxies: None })
    }

    /// Takes over a socket of the standard library that listens already: one that systemd or another process has
    /// opened and handed on.
    ///
    /// # Errors
    ///
    /// The socket is of no use, or TLS is asked for and not configured.
    pub fn from_std(
        socket: std::net::TcpListener,
        security: Security,
        tls: Option<ServerTls>,
    ) -> Result<Self> {
        socket.set_nonblocking(true)?;
        Self::from_tcp(TcpListener::from_std(socket)?, security, tls)
    }

    /// Takes clients that come through proxies, which tell their addresses by the PROXY protocol. Limits, delays of logins
    /// and trace fields count those then. A client's bytes do not count as protected by a Unix socket if the proxy
    /// did not get them within TLS.
    #[must_use]
    pub fn with_proxy_protocol(mut self, proxies: ProxyProtocol) -> Self {
        self.proxies = Some(proxies);
        self
    }

    /// Listens at a Unix socket, in clear: the bytes never leave the machine.
    ///
    /// # Errors
    ///
    /// The path is taken or cannot be written.
    #[cfg(unix)]
    pub fn bind_unix(path: impl AsRef<std::path::Path>) -> Result<Self> {
        Ok(Self::from_unix(tokio::net::UnixListener::bind(path)?))
    }

    /// Takes over a Unix socket that listens already.
    #[cfg(unix)]
    #[must_use]
    pub const fn from_unix(socket: tokio::net::UnixListener) -> Self {
        let security = Security::plaintext_without_encryption();
        Self { socket: Socket::Unix(socket), security, tls: None, proxies: None }
    }

    /// Takes over a Unix socket of the standard library that listens already.
    ///
    /// # Errors
    ///
    /// The socket is of no use.
    #[cfg(unix)]
    pub fn from_std_unix(socket: std::os::unix::net::UnixListener) -> Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self::from_unix(tokio::net::UnixListener::from_std(socket)?))
    }

    /// Returns the address that is listened at; a Unix socket has none.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(tcp) => tcp.local_addr().ok(),
            #[cfg(unix)]
            Socket::Unix(_) => None,
        }
    }

    /// Returns how connections are protected.
    #[must_use]
    pub const fn security(&self) -> Security {
        self.security
    }

    /// Returns the channel for the state machines. A Unix socket counts as protected.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        match self.socket {
            Socket::Tcp(_) => self.security.channel(),
            #[cfg(unix)]
            Socket::Unix(_) => Channel::Tls,
        }
    }

    pub(super) const fn tls(&self) -> Option<&ServerTls> {
        self.tls.as_ref()
    }

    pub(super) const fn proxies(&self) -> Option<&ProxyProtocol> {
        self.proxies.as_ref()
    }

    /// What becomes of a connection of this peer.
    pub(super) fn admission(&self, peer: Option<SocketAddr>) -> Admission {
        self.proxies.as_ref().map_or(Admission::Direct, |proxies| proxies.admission(peer))
    }

    pub(super) fn is_implicit_tls(&self) -> bool {
        self.security == Security::implicit_tls()
    }

    pub(super) async fn accept(&self) -> std::io::Result<(Stream, Option<SocketAddr>)> {
        match &self.socket {
            Socket::Tcp(tcp) => {
                let (stream, peer) = tcp.accept().await?;
                // Replies are gathered into one write already. If it cannot be set, they still
                // arrive.
                let _ = stream.set_nodelay(true);
                Ok((stream.into(), Some(peer)))
            }
            #[cfg(unix)]
            Socket::Unix(unix) => Ok((unix.accept().await?.0.into(), None)),
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server that starts again does not wait for its old connections' ends. On Windows the option would let another
    // process take the port.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

/// Writes what fits at once; nobody waits for a connection that is refused.
pub(super) fn refuse(stream: &Stream, line: &[u8]) {
    match stream.plain() {
        Some(Plain::Tcp(tcp)) => drop(tcp.try_write(line)),
        #[cfg(unix)]
        Some(Plain::Unix(unix)) => drop(unix.try_write(line)),
        _ => {}
    }
}
