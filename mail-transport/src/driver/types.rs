use std::{io, time::Duration};

use mailwire_core::Upgrade;

#[cfg(feature = "wire-log")]
use super::WireLog;
use crate::metrics::Meter;

/// The bounds that a driver sets itself and its peer.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct DriverConfig {
    /// The least that is read at once, in bytes. It grows with what comes. 2 KiB for a server, 8 KiB for a client.
    pub read_at_least: usize,
    /// The most that is read at once, in bytes.
    pub read_at_most: usize,
    /// How long the peer may leave our bytes unread where the machine itself sets no time.
    pub write_timeout: Duration,
    /// How long the peer may let us wait for a whole in all, however steadily its bytes trickle: a
    /// command, a reply, a body with all its pieces, an answer that it reads. It is the guard against
    /// a peer that sends, or takes, one byte a second. [`least_rate`](Self::least_rate) adds to it; it is never
    /// shorter than the machine's own timeout. `None` for no bound. 10 minutes for a server, 30 for a
    /// client, whose server may have to search for long.
    ///
    /// Time that the owner of the driver takes for itself does not count.
    pub step_deadline: Option<Duration>,
    /// The least rate of what is large, in bytes per second: each so many bytes of a whole, in either
    /// direction, give the peer another second. 0 for none, so that the time does not depend on the
    /// length. 500 for a server, 100 for a client. What [nobody asked for](mailwire_core::Connection::is_asked_for)
    /// gives no time.
    pub least_rate: u32,
    /// How long the last bytes may take to leave when the conversation is over.
    pub close_timeout: Duration,
    /// How long the peer's remaining bytes are read and thrown away after our side is closed. With
    /// TCP, closing a socket in which unread bytes lie can destroy the last reply on its way. Zero
    /// for not at all.
    pub linger: Duration,
    /// Shows the lines that are said, without secrets. `None` by default.
    #[cfg(feature = "wire-log")]
    pub wire_log: Option<WireLog>,
    /// Counts the bytes.
    pub(crate) meter: Meter,
}

impl Default for DriverConfig {
    fn default() -> Self {
        Self {
            read_at_least: 8 * 1024,
            read_at_most: 64 * 1024,
            write_timeout: Duration::from_secs(300),
            step_deadline: Some(Duration::from_secs(1800)),
            least_rate: 100,
            close_timeout: Duration::from_secs(10),
            linger: Duration::ZERO,
            #[cfg(feature = "wire-log")]
            wire_log: None,
            meter: Meter::default(),
        }
    }
}

impl DriverConfig {
    /// The defaults of a client.
    #[must_use]
    pub fn client() -> Self {
        Self::default()
    }

    /// The defaults of a server, whose clients are anybody: they have less time, and the last reply is
    /// protected by lingering for two seconds. Most of their connections wait: they begin with less to read into.
    #[must_use]
    pub fn server() -> Self {
        Self {
            read_at_least: 2 * 1024,
            step_deadline: Some(Duration::from_secs(600)),
            least_rate: 500,
            linger: Duration::from_secs(2),
            ..Self::default()
        }
    }
}

/// The outcome of [`Driver::next`](super::Driver::next).
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<E> {
    /// The machine's event.
    Event(E),
    /// Everything is written, and it is the caller's move.
    Blocked,
    /// The stream is to be replaced: [`Driver::replace_stream`](super::Driver::replace_stream), [`Driver::upgrade`](super::Driver::upgrade). Everything is
    /// written, and no byte was read beyond this point.
    Upgrade(Upgrade),
    /// The conversation is over, and the stream is closed.
    Closed,
}

/// The reason why [`Driver::next`](super::Driver::next) cannot go on. Each later call says the same.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum DriverError<E = mailwire_core::Error> {
    /// The stream failed.
    #[error("the connection failed: {0}")]
    Io(io::Error),
    /// The machine found a violation, or its time ran out. Its last reply was written.
    #[error(transparent)]
    Protocol(E),
    /// The peer has sent so much that nobody had asked for, before it came to the end of what was due, that its time is used up:
    /// each MiB costs a second of [`step_deadline`](DriverConfig::step_deadline), as whoever sends without a pause is never waited
    /// for.
    #[error("too much from the peer: more than {limit} bytes that nobody asked for")]
    Flooded {
        /// The bytes that were too many.
        limit: u64,
    },
    /// Bytes in clear lie before an upgrade: never taken for protected ones (CVE-2011-0411).
    #[error("bytes in clear before an upgrade of the stream: refused as an injection")]
    BytesBeforeUpgrade,
}

impl<E> From<io::Error> for DriverError<E> {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
