//! Connecting to one of the addresses of a name.

use std::{
    future::{Future, poll_fn},
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::Instant,
};

use super::Keepalive;
use crate::{CLIENT_TRACES, Stream, runtime::until, traces};

/// How sockets are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sockets {
    pub(super) keepalive: Option<Keepalive>,
    /// Where connections come from, if that is not for the system to choose.
    pub(super) local: Option<IpAddr>,
}

impl Default for Sockets {
    fn default() -> Self {
        Self { keepalive: Some(Keepalive::default()), local: None }
    }
}

impl Sockets {
    /// Connects to one of these addresses, as [`connect_any`] does.
    pub(super) async fn connect(self, addresses: impl Iterator<Item = SocketAddr>) -> io::Result<Stream> {
        let local = self.local;
        #[cfg(feature = "blocking")]
        if crate::blocking::is_waiting() {
            let one = |address| crate::runtime::on_thread(move || connect_blocking(local, address));
            let stream = connect_any(local, addresses, async |address| one(address).await?).await?;
            stream.set_nodelay(true)?;
            self.keep_alive(SockRef::from(&stream));
            return Ok(crate::blocking::Socket::tcp(stream)?.into());
        }
        let stream = connect_any(local, addresses, |address| connect_one(local, address)).await?;
        // A group of commands is one write already; waiting for more only delays it.
        stream.set_nodelay(true)?;
        self.keep_alive(SockRef::from(&stream));
        Ok(stream.into())
    }

    /// Where the system does not know how, the connection is still good.
    fn keep_alive(self, socket: SockRef<'_>) {
        let Some(keepalive) = self.keepalive else { return };
        if let Err(error) = socket.set_tcp_keepalive(&keepalive.into()) {
            traces::debug!(target: CLIENT_TRACES, %error, "no keepalive");
        }
    }
}

impl From<Keepalive> for TcpKeepalive {
    fn from(keepalive: Keepalive) -> Self {
        let params = Self::new().with_time(keepalive.time);
        #[cfg(any(
            target_os = "android",
            target_os = "linux",
            target_os = "windows",
            target_vendor = "apple"
        ))]
        let params = params.with_interval(keepalive.interval).with_retries(keepalive.probes);
        params
    }
}

/// The addresses of a name.
pub(super) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    #[cfg(feature = "blocking")]
    if crate::blocking::is_waiting() {
        let host = host.to_owned();
        let work = move || std::net::ToSocketAddrs::to_socket_addrs(&(&*host, port)).map(Iterator::collect);
        return crate::runtime::on_thread(work).await?;
    }
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

/// How long one address is waited for before the next is tried beside it: RFC 8305 section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to whichever address answers first, the families in turn: an address that swallows
/// everything does not keep us from one that works.
async fn connect_any<S, F: Future<Output = io::Result<S>>>(
    local: Option<IpAddr>,
    addresses: impl Iterator<Item = SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<S> {
    // From an address, only those of its family can be reached.
    let mut all = addresses.peekable();
    let has_any = all.peek().is_some();
    let fits = |address: &SocketAddr| local.is_none_or(|local| local.is_ipv4() == address.is_ipv4());
    let mut addresses = in_turn(all.filter(fits)).into_iter().peekable();
    // Dropping them ends the attempts that were not needed.
    let mut attempts = Vec::new();
    let mut failure = match local {
        Some(local) if has_any => io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            format!("the name has no address that can be reached from {local}"),
        ),
        _ => io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
    };
    loop {
        match addresses.next() {
            Some(address) => attempts.push(Box::pin(connect(address))),
            None if attempts.is_empty() => return Err(failure),
            None => {}
        }
        let next = addresses.peek().map(|_| Instant::now() + ATTEMPT_DELAY);
        match until(next, poll_fn(|cx| first_of(&mut attempts, cx))).await {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => failure = error,
            None => {}
        }
    }
}

/// The outcome of the first that has one, which is taken out.
fn first_of<F: Future>(attempts: &mut Vec<Pin<Box<F>>>, cx: &mut Context<'_>) -> Poll<F::Output> {
    let ready =
        attempts.iter_mut().enumerate().find_map(|(index, attempt)| match attempt.as_mut().poll(cx) {
            Poll::Ready(output) => Some((index, output)),
            Poll::Pending => None,
        });
    match ready {
        Some((index, output)) => {
            drop(attempts.swap_remove(index));
            Poll::Ready(output)
        }
        None => Poll::Pending,
    }
}

/// The system's own time for an attempt is minutes; nobody waits so long for this thread.
#[cfg(feature = "blocking")]
fn connect_blocking(local: Option<IpAddr>, address: SocketAddr) -> io::Result<std::net::TcpStream> {
    use socket2::{Domain, Protocol, Socket, Type};

    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(local) = local {
        socket.bind(&SocketAddr::new(local, 0).into()).map_err(|error| from_local(local, &error))?;
    }
    socket.connect(&address.into())?;
    Ok(socket.into())
}

fn from_local(local: IpAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("from {local}: {error}"))
}

async fn connect_one(local: Option<IpAddr>, address: SocketAddr) -> io::Result<TcpStream> {
    let Some(local) = local else { return TcpStream::connect(address).await };
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind(SocketAddr::new(local, 0)).map_err(|error| from_local(local, &error))?;
    socket.connect(address).await
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let connect = |address| connect_one(None, address);
        let stream = connect_any(None, [closed, open].into_iter(), connect).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        let error = connect_any(None, [closed].into_iter(), connect).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = connect_any(None, [].into_iter(), connect).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
