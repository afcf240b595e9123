//! Where to connect, and how long that may take.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use mailwire_core::Channel;
use tokio::{net::TcpStream, task::JoinSet, time::Instant};

use crate::{
    CLIENT_TRACES, Error, Phase, Protocol, Security, Stream, WireLine, WireLog,
    security::Kind,
    tls::{ClientTls, ServerName, TlsError},
    within,
};

/// The place of a server: a host and a port, or a Unix socket.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A host, by name or address, and a port.
    Tcp {
        /// A DNS name or an IP address, without brackets.
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
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
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
    server_name: Option<String>,
    timeouts: Timeouts,
    wire_log: Option<WireLog>,
}

impl Endpoint {
    /// A server at the port that is registered for its protocol and protection.
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
            server_name: None,
            timeouts: Timeouts::default(),
            wire_log: None,
        }
    }

    /// Uses this TLS configuration. Without one, [`ClientTls::new`] is made when it is needed first.
    #[must_use]
    pub fn with_tls(mut self, tls: ClientTls) -> Self {
        self.tls = Arc::new(OnceLock::from(tls));
        self
    }

    /// Sets the name that the server's certificate must be for, where that is not the host's.
    #[must_use]
    pub fn with_server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Uses these timeouts.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Shows the lines that clients of this server say and hear, without secrets: see [`WireLog`].
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_transport::{Endpoint, Protocol, Security};
    ///
    /// let endpoint = Endpoint::new("imap.example.org", Protocol::Imap, Security::implicit_tls())
    ///     .with_wire_log(|line| eprintln!("{line}"));
    /// ```
    #[must_use]
    pub fn with_wire_log(mut self, show: impl Fn(WireLine<'_>) + Send + Sync + 'static) -> Self {
        self.wire_log = Some(WireLog::of_client(show));
        self
    }

    /// Returns what is shown the lines of a conversation.
    #[must_use]
    pub const fn wire_log(&self) -> Option<&WireLog> {
        self.wire_log.as_ref()
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
    /// The name is unknown, no address answers, the handshake fails, or a phase takes too long.
    pub async fn connect(&self) -> Result<Stream, Error> {
        tracing::debug!(target: CLIENT_TRACES, server = %self.address, "connecting");
        let stream = self.open().await?;
        let peer = stream.peer_addr().map(tracing::field::display);
        tracing::debug!(target: CLIENT_TRACES, server = %self.address, peer, "connected");
        match self.security.0 {
            Kind::Implicit => self.start_tls(stream).await,
            Kind::StartTls | Kind::Plaintext => Ok(stream),
        }
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
        let name = self.tls_name()?;
        let tls = match self.tls.get() {
            Some(tls) => tls,
            None => {
                let tls = ClientTls::new()?;
                self.tls.get_or_init(|| tls)
            }
        };
        let stream = within(self.timeouts.tls, Phase::Tls, tls.connect(name, stream)).await;
        let stream = stream.map_err(|error| self.failed(Phase::Tls, error))?;
        if let Some(tls) = stream.tls() {
            let (version, cipher) = (tls.version(), tls.cipher_suite());
            tracing::debug!(target: CLIENT_TRACES, server = %self.address, ?version, cipher, "within TLS");
        }
        Ok(stream)
    }

    fn failed(&self, phase: Phase, error: Error) -> Error {
        let error = error.during(&self.address, &phase);
        tracing::debug!(target: CLIENT_TRACES, server = %self.address, %phase, %error, "failed");
        error
    }

    fn tls_name(&self) -> Result<ServerName<'static>, TlsError> {
        match (&self.server_name, &self.address) {
            (Some(name), _) => ClientTls::server_name(name),
            (None, Address::Tcp { host, .. }) => ClientTls::server_name(host),
            (None, Address::Unix(path)) => Err(TlsError::ServerName(path.display().to_string())),
        }
    }

    async fn open(&self) -> Result<Stream, Error> {
        match &self.address {
            Address::Tcp { host, port } => {
                let begun = Instant::now();
                let resolving = tokio::net::lookup_host((host.as_str(), *port));
                let addresses = self.within(begun, Phase::Resolve, resolving).await?;
                let stream = self.within(begun, Phase::Connect, connect_any(addresses)).await?;
                // A group of commands is one write already; waiting for more only delays it.
                stream.set_nodelay(true)?;
                Ok(stream.into())
            }
            #[cfg(unix)]
            Address::Unix(path) => {
                let connecting = tokio::net::UnixStream::connect(path);
                Ok(self.within(Instant::now(), Phase::Connect, connecting).await?.into())
            }
            #[cfg(not(unix))]
            Address::Unix(_) => {
                Err(self.failed(Phase::Connect, io::Error::from(io::ErrorKind::Unsupported).into()))
            }
        }
    }

    /// Lets a part of connecting take what is left of the time for all of it.
    async fn within<T>(
        &self,
        begun: Instant,
        phase: Phase,
        work: impl Future<Output = io::Result<T>>,
    ) -> Result<T, Error> {
        let limit = self.timeouts.connect;
        let left = limit.saturating_sub(begun.elapsed());
        let result = match tokio::time::timeout(left, work).await {
            Ok(result) => result.map_err(Error::from),
            Err(_) => Err(Error::Timeout { phase, after: limit, server: None }),
        };
        result.map_err(|error| self.failed(phase, error))
    }
}

/// How long one address is waited for before the next is tried beside it: RFC 8305 section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to whichever address answers first, the families in turn: an address that swallows
/// everything does not keep us from one that works.
async fn connect_any(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut addresses = in_turn(addresses).into_iter().peekable();
    // Dropping the set ends the attempts that were not needed.
    let mut attempts = JoinSet::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        match addresses.next() {
            Some(address) => drop(attempts.spawn(TcpStream::connect(address))),
            None if attempts.is_empty() => return Err(failure),
            None => {}
        }
        tokio::select! {
            Some(attempt) = attempts.join_next() => match attempt {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failure = error,
                Err(error) => failure = error.into(),
            },
            () = tokio::time::sleep(ATTEMPT_DELAY), if addresses.peek().is_some() => {}
        }
    }
}

/// Addresses with the families in turn, each in its own order, the first one's first.
fn in_turn(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let all: Vec<_> = addresses.collect();
    let first_is_v6 = all.first().is_some_and(SocketAddr::is_ipv6);
    let (a, b): (Vec<_>, Vec<_>) = all.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let (mut a, mut b) = (a.into_iter(), b.into_iter());
    let mut sorted = Vec::new();
    loop {
        let (one, other) = (a.next(), b.next());
        if one.is_none() && other.is_none() {
            return sorted;
        }
        sorted.extend(one.into_iter().chain(other));
    }
}

/// The times that the phases of a conversation may take.
///
/// Times of commands and bodies are idle times: they start anew whenever bytes move. So that nobody
/// makes this side wait for ever by single bytes, [`whole`](Self::whole), [`least_rate`](Self::least_rate) and
/// [`login`](Self::login) bound what takes long although bytes move.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// Looking up the name and connecting: 30 seconds.
    pub connect: Duration,
    /// The TLS handshake: 30 seconds.
    pub tls: Duration,
    /// The server's greeting: 5 minutes ([RFC 5321 section 4.5.3.2.1](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.2.1)).
    pub greeting: Duration,
    /// A command's reply: 5 minutes ([RFC 5321 section 4.5.3.2](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.2)).
    pub command: Duration,
    /// Each part of a body: 3 minutes.
    pub body: Duration,
    /// The reply to a whole body, and to POP3's QUIT, before which the server deletes what is marked: 10
    /// minutes.
    pub body_reply: Duration,
    /// QUIT of SMTP, LOGOUT, and the closing of the stream: 10 seconds.
    pub close: Duration,
    /// All from the connected stream to the end of the login: 15 minutes.
    pub login: Duration,
    /// The whole of a command with all that comes before its end: 30 minutes. Time that the caller takes
    /// for itself, between two pieces of a body, does not count.
    pub whole: Duration,
    /// The least rate of what is large, in bytes per second: so many bytes of a whole, in either
    /// direction, give the server another second. 100; 0 for none. What no command asked for gives none.
    pub least_rate: u32,
    /// All of a session, if that has an end: none by default, as IDLE can last for days.
    pub session: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            tls: Duration::from_secs(30),
            greeting: Duration::from_secs(300),
            command: Duration::from_secs(300),
            body: Duration::from_secs(180),
            body_reply: Duration::from_secs(600),
            close: Duration::from_secs(10),
            login: Duration::from_secs(900),
            whole: Duration::from_secs(1800),
            least_rate: 100,
            session: None,
        }
    }
}

impl Timeouts {
    /// Times for a program whose user waits: half a minute for everything but bodies, whose replies still get
    /// a few minutes; five minutes for a whole, and 500 bytes per second of a large one.
    #[must_use]
    pub fn interactive() -> Self {
        let short = Duration::from_secs(30);
        Self {
            connect: Duration::from_secs(10),
            tls: Duration::from_secs(10),
            greeting: short,
            command: short,
            body: short,
            body_reply: Duration::from_secs(180),
            close: Duration::from_secs(3),
            login: Duration::from_secs(90),
            whole: Duration::from_secs(300),
            least_rate: 500,
            session: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_as_people_write_them() {
        let tcp = |host: &str| Address::Tcp { host: host.into(), port: 25 }.to_string();
        assert_eq!((tcp("mx.example"), tcp("::1")), ("mx.example:25".into(), "[::1]:25".into()));
    }

    #[test]
    fn families_take_turns() {
        let parse = |list: &[&str]| -> Vec<SocketAddr> {
            list.iter().map(|address| address.parse().unwrap()).collect()
        };
        let addresses = parse(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"]);
        let sorted = parse(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]);
        assert_eq!(in_turn(addresses.into_iter()), sorted);
    }

    #[tokio::test]
    async fn the_next_address_is_tried_and_the_last_error_told() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let closed = {
            let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            closed.local_addr().unwrap()
        };
        let stream = connect_any([closed, open].into_iter()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        let error = connect_any([closed].into_iter()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(connect_any([].into_iter()).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
