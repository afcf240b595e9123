//! Where a program listens.

use std::{net::SocketAddr, str::FromStr};

use anyhow::{Context as _, Result, bail};
use mailwire_transport::{Protocol, Security, server::Listener, tls::ServerTls};
use tokio::net::TcpListener;

/// A protocol and where to listen: `imap=127.0.0.1:1143`, or `imap=systemd:NAME` for a socket that systemd has opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Listen {
    /// The protocol as it was named.
    pub name: String,
    /// The protocol.
    pub protocol: Protocol,
    /// How connections are protected.
    pub security: Security,
    /// Where.
    pub address: String,
}

impl Listen {
    /// A place for the protocol of this name; `None` if there is none.
    #[must_use]
    pub fn new(name: &str, address: &str) -> Option<Self> {
        let (protocol, security) = match name {
            "smtp" => (Protocol::Smtp, Security::required_starttls()),
            "submission" => (Protocol::Submission, Security::required_starttls()),
            "submissions" => (Protocol::Submission, Security::implicit_tls()),
            "lmtp" => (Protocol::Lmtp, Security::plaintext_without_encryption()),
            "imap" => (Protocol::Imap, Security::required_starttls()),
            "imaps" => (Protocol::Imap, Security::implicit_tls()),
            "pop3" => (Protocol::Pop3, Security::required_starttls()),
            "pop3s" => (Protocol::Pop3, Security::implicit_tls()),
            _ => return None,
        };
        Some(Self { name: name.to_owned(), protocol, security, address: address.to_owned() })
    }

    /// Listens there.
    ///
    /// # Errors
    ///
    /// The address is taken, or is none; systemd has no such socket.
    pub async fn bind(&self, tls: &ServerTls, opened: &mut Opened) -> Result<Listener> {
        let Self { security, address, .. } = self;
        let tls = Some(tls.clone());
        let listener = match (address.strip_prefix("systemd:"), address.strip_prefix("unix:")) {
            (Some(name), _) => Listener::from_std(opened.listener(name)?, *security, tls),
            #[cfg(unix)]
            (_, Some(path)) => Listener::bind_unix(path),
            _ => Listener::bind(&**address, *security, tls).await,
        };
        listener.with_context(|| format!("cannot listen on {address}"))
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(listen: &str) -> Result<Self, String> {
        let given = || format!("--listen {listen}: given as PROTOCOL=ADDRESS");
        let (name, address) = listen.split_once('=').ok_or_else(given)?;
        Self::new(name, address).ok_or_else(|| format!("--listen {listen}: no such protocol"))
    }
}

/// The sockets that systemd has opened for this process, with their names (`LISTEN_FDS`, `LISTEN_FDNAMES`).
pub struct Opened {
    sockets: listenfd::ListenFd,
    names: Vec<String>,
}

impl Opened {
    /// Takes them, which can be done once.
    #[must_use]
    pub fn take() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        Self { sockets: listenfd::ListenFd::from_env(), names: names.split(':').map(str::to_owned).collect() }
    }

    /// The socket of this name, which can be had once. Of several it is the first that is left.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn listener(&mut self, name: &str) -> Result<std::net::TcpListener> {
        for (index, known) in self.names.iter_mut().enumerate() {
            if known == name {
                known.clear();
                let socket = self.sockets.take_tcp_listener(index);
                let socket =
                    socket.with_context(|| format!("the socket {name:?} of systemd is none of TCP"))?;
                return socket.with_context(|| format!("systemd has not handed on the socket {name:?}"));
            }
        }
        bail!("systemd has opened no socket of the name {name:?}")
    }

    /// Listens for HTTP at an address, or at a socket that systemd has opened.
    ///
    /// # Errors
    ///
    /// As [`Listen::bind`].
    pub async fn bind(&mut self, address: &str) -> Result<(TcpListener, SocketAddr)> {
        let listener = match address.strip_prefix("systemd:") {
            Some(name) => {
                let socket = self.listener(name)?;
                socket.set_nonblocking(true)?;
                TcpListener::from_std(socket)
            }
            None => TcpListener::bind(address).await,
        };
        let listener = listener.with_context(|| format!("cannot listen on {address}"))?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }
}
