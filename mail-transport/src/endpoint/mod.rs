//! Where to connect, and how long that may take.

mod dial;
mod extras;
mod timeouts;

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use mailwire_core::{Channel, setters};
use tokio::time::Instant;

pub use self::timeouts::Timeouts;
use self::{dial::Sockets, extras::Extras};
use crate::{
    CLIENT_TRACES, Error, Phase, Protocol, Security, Stream,
    idn::domain_to_ascii,
    metrics::{Watch, connect_failed},
    runtime::Boxed,
    security::Kind,
    tls::{ClientTls, ServerName, TlsError},
    traces, within,
};

/// The place of a server: a host and a port, or a Unix socket.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A host, by name or address, and a port.
    Tcp {
        /// A DNS name, which may be an [internationalized](domain_to_ascii) one, or an IP address without
        /// brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port } => HostPort(host, *port).fmt(f),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A host and a port as people write them.
pub(crate) struct HostPort<'a>(pub(crate) &'a str, pub(crate) u16);

impl std::fmt::Display for HostPort<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.contains(':') {
            true => write!(f, "[{}]:{}", self.0, self.1),
            false => write!(f, "{}:{}", self.0, self.1),
        }
    }
}

/// A server, how to talk to it, and how long that may take: all that a client needs to connect.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> mailwire_transport::Result<()> {
/// use mailwire_transport::{Endpoint, Protocol, Security, Timeouts};
///
/// let endpoint = Endpoint::new("imap.example.org", Protocol::Imap, Security::implicit_tls());
/// let stream = endpoint.connect().await?;
///
/// // Another port, and a program whose user waits.
/// let endpoint = Endpoint::tcp("mail.example.org", 2525, Security::required_starttls())
///     .with_timeouts(Timeouts::interactive());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Endpoint {
    address: Address,
    security: Security,
    /// Shared by clones, so that the roots are read once.
    tls: Arc<OnceLock<ClientTls>>,
    /// It was given.
    own_tls: bool,
    server_name: Option<String>,
    /// What the host's name is known to mean.
    addresses: Option<Arc<[IpAddr]>>,
    timeouts: Timeouts,
    sockets: Sockets,
    extras: Extras,
}

impl Endpoint {
    /// A server at the port that is registered for its protocol and protection. Nothing else is taken from the protocol: what is
    /// spoken there is the client's, and `smtp::Config::lmtp` asks one of SMTP to speak LMTP.
    #[must_use]
    pub fn new(host: impl Into<String>, protocol: Protocol, security: Security) -> Self {
        Self::tcp(host, security.default_port(protocol), security)
    }

    /// A server at any port.
    #[must_use]
    pub fn tcp(host: impl Into<String>, port: u16, security: Security) -> Self {
        Self::at(Address::Tcp { host: host.into(), port }, security)
    }

    /// A server at a Unix socket, in clear: the bytes never leave the machine.
    #[must_use]
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::at(Address::Unix(path.into()), Security::plaintext_without_encryption())
    }

    /// A server at this address.
    #[must_use]
    pub fn at(address: Address, security: Security) -> Self {
        Self {
            address,
            security,
            tls: Arc::default(),
            own_tls: false,
            server_name: None,
            addresses: None,
            timeouts: Timeouts::default(),
            sockets: Sockets::default(),
            extras: Extras::default(),
        }
    }

    /// Whether a connection to one is as good as one to the other: the server, its proof, and all that was chosen are
    /// the same. Two TLS configurations are, if one is a clone of the other; so are two that nobody has given.
    #[cfg(all(feature = "pool", any(feature = "smtp", feature = "imap")))]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        // Whoever adds a field says here whether it matters.
        let Self { address, security, tls, own_tls, server_name, addresses, timeouts, sockets, extras } =
            self;
        *address == other.address
            && *security == other.security
            && *own_tls == other.own_tls
            && (!own_tls || tls.get().zip(other.tls.get()).is_some_and(|(tls, other)| tls.is_same(other)))
            && *server_name == other.server_name
            && *addresses == other.addresses
            && *timeouts == other.timeouts
            && *sockets == other.sockets
            && *extras == other.extras
    }

    /// Uses this TLS configuration. Without one, [`ClientTls::new`] is made when it is needed first.
    #[inline]
    #[must_use]
    pub fn with_tls(mut self, tls: ClientTls) -> Self {
        self.tls = Arc::new(OnceLock::from(tls));
        self.own_tls = true;
        self
    }

    /// Replaces how the connection is protected.
    #[cfg(feature = "doctor")]
    pub(crate) const fn protected(mut self, security: Security) -> Self {
        self.security = security;
        self
    }

    /// Connects to one address of the host alone, whose name the certificate is still for.
    #[cfg(feature = "doctor")]
    pub(crate) fn toward(mut self, address: IpAddr) -> Self {
        if let Address::Tcp { host, .. } = &mut self.address {
            let host = std::mem::replace(host, address.to_string());
            self.server_name.get_or_insert(host);
        }
        self
    }

    /// Sets the name that the server's certificate must be for, where that is not the host's.
    #[must_use]
    pub fn with_server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Connects to these addresses of the host, in place of those that the system's resolver finds: for who has looked them up
    /// already, with proof. A proxy is told the name, as always.
    #[must_use]
    pub fn with_addresses(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.addresses = Some(addresses.into_iter().collect());
        self
    }

    /// Uses these timeouts.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets when idle connections are probed; `None` for never. By default it is as [`Keepalive`] says.
    #[must_use]
    pub const fn with_keepalive(mut self, keepalive: Option<Keepalive>) -> Self {
        self.sockets.keepalive = keepalive;
        self
    }

    /// Connects from this address of the machine, which chooses one by itself otherwise. Only addresses of the
    /// server that are of its family are tried.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_transport::{Endpoint, Protocol, Security};
    ///
    /// // Mail leaves from the address that has a name in DNS.
    /// let endpoint = Endpoint::new("mx.example.org", Protocol::Smtp, Security::required_starttls())
    ///     .with_local_address("192.0.2.25".parse().unwrap());
    /// ```
    #[must_use]
    pub const fn with_local_address(mut self, address: IpAddr) -> Self {
        self.sockets.local = Some(address);
        self
    }

    /// Returns the place of the server.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Returns how the conversation is protected.
    #[must_use]
    pub const fn security(&self) -> Security {
        self.security
    }

    /// Returns the channel for the state machine. A Unix socket never leaves the machine, and counts as
    /// protected.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        match (self.security.0, &self.address) {
            (Kind::Plaintext, Address::Unix(_)) => Channel::Tls,
            _ => self.security.channel(),
        }
    }

    /// Returns how long each phase may take.
    #[must_use]
    pub const fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Connects, and shakes hands if TLS is implicit. With STARTTLS the stream is in clear, and
    /// [`start_tls`](Self::start_tls) follows when the machine says so.
    ///
    /// # Errors
    ///
    /// The name is unknown or cannot be one, no address answers, the handshake fails, or a phase takes too long.
    pub async fn connect(&self) -> Result<Stream, Error> {
        self.reach().await
    }

    fn reach(&self) -> Boxed<'_, Result<Stream, Error>> {
        Box::pin(async move {
            traces::debug!(target: CLIENT_TRACES, server = %self.address, "connecting");
            let stream = self.open().await?;
            let peer = || stream.peer_addr().map(traces::display);
            traces::debug!(target: CLIENT_TRACES, server = %self.address, peer = peer(), "connected");
            match self.security.0 {
                Kind::Implicit => self.start_tls(stream).await,
                Kind::StartTls | Kind::Plaintext => Ok(stream),
            }
        })
    }

    /// Takes a stream from elsewhere in place of [`connect`](Self::connect): a proxy's tunnel, a pipe in
    /// tests. TLS comes on top of it if that is implicit, unless the stream has it already. Says also
    /// how the stream is protected then: a pipe is in clear, whatever the endpoint's address is.
    ///
    /// # Errors
    ///
    /// Those of [`start_tls`](Self::start_tls).
    pub async fn adopt(&self, stream: Stream) -> Result<(Stream, Channel), Error> {
        let protected = stream.is_tls() || stream.is_unix();
        let stream = if self.security.channel() == Channel::Tls && !protected {
            self.start_tls(stream).await?
        } else {
            stream
        };
        let channel = match self.channel() {
            _ if stream.is_tls() => Channel::Tls,
            Channel::Tls if !stream.is_unix() => Channel::Clear,
            channel => channel,
        };
        Ok((stream, channel))
    }

    /// Shakes hands over a stream in clear: for the upgrade after STARTTLS and STLS.
    ///
    /// # Errors
    ///
    /// The handshake fails or takes too long.
    pub async fn start_tls(&self, stream: Stream) -> Result<Stream, Error> {
        self.shake_hands(stream).await
    }

    fn shake_hands(&self, stream: Stream) -> Boxed<'_, Result<Stream, Error>> {
        Box::pin(async move {
            let name = self.tls_name()?;
            let tls = match self.tls.get() {
                Some(tls) => tls,
                None => {
                    let tls = ClientTls::new()?;
                    self.tls.get_or_init(|| tls)
                }
            };
            let watch = Watch::start();
            let stream = within(self.timeouts.tls, Phase::Tls, tls.connect(name, stream)).await;
            watch.handshake("client", &stream);
            let stream = stream.map_err(|error| self.failed(Phase::Tls, error))?;
            if let Some(tls) = stream.tls() {
                let (version, cipher) = (tls.version(), tls.cipher_suite());
                traces::debug!(target: CLIENT_TRACES, server = %self.address, ?version, cipher, "within TLS");
            }
            Ok(stream)
        })
    }

    fn failed(&self, phase: Phase, error: Error) -> Error {
        let error = error.during(&format_args!("{}{}", self.address, self.extras), &phase);
        connect_failed(&phase);
        traces::debug!(target: CLIENT_TRACES, server = %self.address, %phase, %error, "failed");
        error
    }

    fn tls_name(&self) -> Result<ServerName<'static>, Error> {
        let name = match (&self.server_name, &self.address) {
            (Some(name), _) => name,
            (None, Address::Tcp { host, .. }) => host,
            (None, Address::Unix(path)) => {
                return Err(TlsError::ServerName(path.display().to_string()).into());
            }
        };
        Ok(ClientTls::server_name(&domain_to_ascii(name)?)?)
    }

    async fn open(&self) -> Result<Stream, Error> {
        match &self.address {
            Address::Tcp { host, port } => {
                let begun = Instant::now();
                let host = domain_to_ascii(host)?;
                #[cfg(feature = "proxy")]
                if let Some(proxy) = self.proxy() {
                    return self.through(proxy, begun, &host, *port).await;
                }
                let addresses = match &self.addresses {
                    Some(known) => known.iter().map(|&address| (address, *port).into()).collect(),
                    None => self.resolve(begun, &host, *port).await?,
                };
                self.dial(begun, addresses).await
            }
            #[cfg(all(unix, feature = "blocking"))]
            Address::Unix(path) if crate::blocking::is_waiting() => {
                let path = path.clone();
                let connecting = async {
                    let work = move || std::os::unix::net::UnixStream::connect(path);
                    crate::blocking::Socket::unix(crate::runtime::on_thread(work).await??)
                };
                Ok(self.within(Instant::now(), Phase::Connect, connecting).await?.into())
            }
            #[cfg(unix)]
            Address::Unix(path) => {
                let connecting = tokio::net::UnixStream::connect(path);
                Ok(self.within(Instant::now(), Phase::Connect, connecting).await?.into())
            }
            #[cfg(not(unix))]
            Address::Unix(_) => {
                Err(self.failed(Phase::Connect, std::io::Error::from(std::io::ErrorKind::Unsupported).into()))
            }
        }
    }

    async fn resolve(&self, begun: Instant, host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
        self.within(begun, Phase::Resolve, dial::resolve(host, port)).await
    }

    async fn dial(&self, begun: Instant, addresses: Vec<SocketAddr>) -> Result<Stream, Error> {
        self.within(begun, Phase::Connect, self.sockets.connect(addresses.into_iter())).await
    }

    /// Lets a part of connecting take what is left of the time for all of it.
    async fn within<T, E: Into<Error>>(
        &self,
        begun: Instant,
        phase: Phase,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Error> {
        let limit = self.timeouts.connect;
        let left = limit.saturating_sub(begun.elapsed());
        let result = match crate::runtime::timeout(left, work).await {
            Ok(result) => result.map_err(Into::into),
            Err(_) => Err(Error::Timeout { phase, after: limit, server: None }),
        };
        result.map_err(|error| self.failed(phase, error))
    }
}

/// When a connection on which nothing is said is probed, so that one whose peer is gone does not last for ever, and
/// routers on the way do not forget it: keepalives of TCP ([RFC 9293 section
/// 3.8.4](https://www.rfc-editor.org/rfc/rfc9293#section-3.8.4)).
///
/// By default after two minutes, and then every 30 seconds; after four probes without an answer the connection
/// fails. Where the system knows no such times, its own are in force.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mailwire_transport::{Endpoint, Keepalive, Protocol, Security};
///
/// let endpoint = Endpoint::new("imap.example.org", Protocol::Imap, Security::implicit_tls())
///     .with_keepalive(Some(Keepalive::new(Duration::from_secs(600))));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// How long nothing is said before the first probe: 2 minutes.
    pub time: Duration,
    /// How long an answer is waited for before the next probe: 30 seconds.
    pub interval: Duration,
    /// How many probes without an answer end the connection: 4.
    pub probes: u32,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self::new(Duration::from_secs(120))
    }
}

impl Keepalive {
    /// Probes after this time.
    #[must_use]
    pub const fn new(time: Duration) -> Self {
        Self { time, interval: Duration::from_secs(30), probes: 4 }
    }
}

setters!(const Keepalive {
    with_interval(interval: Duration),
    with_probes(probes: u32),
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_as_people_write_them() {
        let tcp = |host: &str| Address::Tcp { host: host.into(), port: 25 }.to_string();
        assert_eq!((tcp("mx.example"), tcp("::1")), ("mx.example:25".into(), "[::1]:25".into()));
    }
}
