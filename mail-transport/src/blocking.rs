//! Clients for programs without a runtime: each call waits on the thread that makes it.
//!
//! With [`Wait`], every call of the clients of this crate has [`wait`](Wait::wait) in the place of `.await`. No runtime of
//! tokio's is started, and none need be there: sockets are those of the standard library, and the times of
//! [`Timeouts`](crate::Timeouts) are kept by them. What a call decides is decided by the same code as in async programs.
//!
//! ```no_run
//! # #[cfg(feature = "smtp")]
//! # fn example() -> mailwire_transport::Result<()> {
//! use mailwire_transport::{Endpoint, Protocol, Security, blocking::Wait as _, sasl::Credentials, smtp};
//!
//! let server = Endpoint::new("mail.example.org", Protocol::Submission, Security::implicit_tls());
//! let mut client = smtp::Client::connect(server, &Credentials::password("anna", "secret")).wait()?;
//! let envelope = smtp::Envelope::new("anna@example.org", ["bob@example.net"])?;
//! client.send(&envelope, "From: anna@example.org\r\nSubject: Hi\r\n\r\nHello, Bob.\r\n").wait()?;
//! client.quit().wait()?;
//! # Ok(())
//! # }
//! ```
//!
//! The crate tokio is compiled in all the same, for the traits of its streams. Pools and `smtp::Mailer` have tasks of their
//! own, and need its runtime.
//!
//! Threads of their own look a name up and connect to its addresses, so that the call can end by its time, of which the system
//! knows nothing; they end when the system gives up. A call that waits keeps its thread: in async code, `.await` is the
//! right word.

use std::{
    cell::RefCell,
    future::Future,
    io::{self, IoSlice, Read, Write},
    mem::MaybeUninit,
    net::{SocketAddr, TcpStream},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering, fence},
    },
    task::{Context, Poll, Wake, Waker},
    thread::Thread,
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

/// Waits for a future on this thread.
pub trait Wait: Future + Sized {
    /// Runs the future to its end, as [`block_on`] does.
    fn wait(self) -> Self::Output {
        block_on(self)
    }
}

impl<F: Future> Wait for F {}

/// Runs a future to its end on this thread, which waits meanwhile.
///
/// Clients that connect within it have sockets of the standard library, and are of use within it alone.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let parker = Arc::new(Parker { thread: std::thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&parker));
    let mut cx = Context::from_waker(&waker);
    loop {
        let scope = Scope::enter();
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        let waits = scope.leave();
        // The waker itself, and this: others have it too if they are to wake us. Looked at first: whoever does wake us
        // tells it before the waker is let go, so that what is not counted any more is seen below.
        let wakes = Arc::strong_count(&parker) > 2;
        fence(Ordering::Acquire);
        if !parker.woken.swap(false, Ordering::AcqRel) {
            waits.wait(wakes);
        }
    }
}

struct Parker {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

thread_local! {
    /// What the future that is polled waits for; `None` where none is waited for by this thread.
    static WAITS: RefCell<Option<Waits>> = const { RefCell::new(None) };
}

/// What a future waits for.
#[derive(Default)]
struct Waits {
    until: Option<Instant>,
    readable: Vec<Arc<Kind>>,
    /// It has waited a little already, and wants to be asked again.
    again: bool,
}

/// One poll, during which waits are noted. One can be within another.
struct Scope {
    outer: Option<Waits>,
}

impl Scope {
    fn enter() -> Self {
        Self { outer: WAITS.replace(Some(Waits::default())) }
    }

    fn leave(self) -> Waits {
        WAITS.take().unwrap_or_default()
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        WAITS.set(self.outer.take());
    }
}

fn note(note: impl FnOnce(&mut Waits)) -> bool {
    WAITS.with_borrow_mut(|waits| waits.as_mut().map(note).is_some())
}

/// Whether this thread waits for the future that it polls now.
pub(crate) fn is_waiting() -> bool {
    note(|_| {})
}

/// Notes that the future waits no longer than until this time. Whether anybody waits here.
pub(crate) fn wait_until(deadline: Instant) -> bool {
    note(|waits| waits.until = Some(waits.until.map_or(deadline, |until| until.min(deadline))))
}

/// How long something is waited for that can end without this thread's knowing: a write beside a read, a socket beside another
/// or beside a waker.
const SLICE: Duration = Duration::from_millis(20);

impl Waits {
    fn wait(self, wakes: bool) {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        if self.again || left.is_some_and(|left| left.is_zero()) {
            return;
        }
        match &self.readable[..] {
            [] => match left {
                Some(left) => std::thread::park_timeout(left),
                None => std::thread::park(),
            },
            [only] if !wakes => only.until_readable(left),
            several => several
                .iter()
                .for_each(|one| one.until_readable(Some(left.map_or(SLICE, |left| left.min(SLICE))))),
        }
    }
}

/// A socket of the standard library. It works within [`block_on`] alone.
#[derive(Debug)]
pub struct Socket(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

/// Calls something of a socket of either kind.
macro_rules! on_socket {
    ($kind:expr, $socket:ident => $call:expr) => {
        match $kind {
            Kind::Tcp($socket) => $call,
            #[cfg(unix)]
            Kind::Unix($socket) => $call,
        }
    };
}

impl Socket {
    /// Takes over a socket that is connected; [`Stream::from`](crate::Stream#impl-From<Socket>-for-Stream) makes a stream of it.
    ///
    /// # Errors
    ///
    /// The socket is of no use.
    pub fn tcp(socket: TcpStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self(Arc::new(Kind::Tcp(socket))))
    }

    /// Takes over a Unix socket that is connected.
    ///
    /// # Errors
    ///
    /// The socket is of no use.
    #[cfg(unix)]
    pub fn unix(socket: std::os::unix::net::UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self(Arc::new(Kind::Unix(socket))))
    }

    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        match &*self.0 {
            Kind::Tcp(tcp) => tcp.peer_addr().ok(),
            #[cfg(unix)]
            Kind::Unix(_) => None,
        }
    }

    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        match &*self.0 {
            Kind::Tcp(tcp) => tcp.local_addr().ok(),
            #[cfg(unix)]
            Kind::Unix(_) => None,
        }
    }

    pub(crate) fn is_unix(&self) -> bool {
        !matches!(*self.0, Kind::Tcp(_))
    }
}

impl Kind {
    /// Waits until something can be read, or the end or an error is there.
    fn until_readable(&self, limit: Option<Duration>) {
        // No limit is not the same as none at all.
        let limit = limit.map(|limit| limit.max(Duration::from_millis(1)));
        let wait = |socket: SockRef<'_>| {
            socket.set_read_timeout(limit)?;
            socket.peek(&mut [MaybeUninit::uninit()]).map(drop)
        };
        // What is wrong with it is found when it is read.
        let _ = self.waiting(|| on_socket!(self, socket => wait(SockRef::from(socket))));
    }

    /// Does something that waits.
    fn waiting<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        on_socket!(self, socket => socket.set_nonblocking(false))?;
        let done = work();
        on_socket!(self, socket => socket.set_nonblocking(true))?;
        done
    }

    fn write(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        on_socket!(self, socket => (&mut &*socket).write_vectored(bufs))
    }
}

/// Whether nothing is wrong but that it would have to wait.
fn would_wait(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Nobody would wake whoever polls this elsewhere.
fn pending<T>(noted: bool) -> Poll<io::Result<T>> {
    if noted {
        return Poll::Pending;
    }
    let reason = "a socket of the standard library, polled outside of mailwire_transport::blocking";
    Poll::Ready(Err(io::Error::new(io::ErrorKind::Unsupported, reason)))
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let room = buf.initialize_unfilled();
            match on_socket!(&*self.0, socket => (&mut &*socket).read(room)) {
                Ok(count) => {
                    buf.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if would_wait(&error) => {
                    return pending(note(|waits| waits.readable.push(Arc::clone(&self.0))));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut waited = false;
        loop {
            let written = if waited {
                // Nobody can wait for room to write and for something to read at once by the standard library alone, and a
                // peer with full buffers has to be read: so this waits a little, and is asked again.
                let slice = || {
                    on_socket!(&*self.0, socket => socket.set_write_timeout(Some(SLICE)))?;
                    self.0.write(bufs)
                };
                self.0.waiting(slice)
            } else {
                self.0.write(bufs)
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if would_wait(&error) && waited => {
                    return pending(note(|waits| waits.again = true));
                }
                Err(error) if would_wait(&error) && is_waiting() => waited = true,
                Err(error) if would_wait(&error) => return pending(false),
                written => return Poll::Ready(written),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = on_socket!(&*self.0, socket => socket.shutdown(std::net::Shutdown::Write));
        Poll::Ready(match shut {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            shut => shut,
        })
    }
}
