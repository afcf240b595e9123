use std::time::Duration;

use mailwire_core::setters;

/// What a [`Pool`](super::Pool) may use up, and how long a connection is kept.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mailwire_transport::pool::{PoolOptions, Rate};
///
/// let options = PoolOptions::new()
///     .with_connections(4)
///     .with_uses(50)
///     .with_rate(Rate::new(300, Duration::from_secs(60)));
/// assert_eq!(options.idle, Duration::from_secs(60));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolOptions {
    /// How many connections there are at most, of all accounts together, in use or not: 10 by default, and 1 at least.
    pub connections: usize,
    /// How many of them one account can have: `None`, the default, for all.
    pub connections_per_account: Option<usize>,
    /// How many calls of one account may wait for a connection: 1000 by default. Beyond that, a call fails at once, with
    /// [`Error::Busy`](crate::Error::Busy).
    pub waiting: usize,
    /// How long a call waits for a free connection: 30 seconds by default. Connecting and logging in have
    /// [times of their own](crate::Timeouts).
    pub wait: Duration,
    /// How often a connection is used before it is ended: `None`, the default, for any number. For SMTP these are messages.
    pub uses: Option<u32>,
    /// How long a connection is kept that nobody uses: a minute by default. Servers have patience for a few.
    pub idle: Duration,
    /// How old a connection may become: an hour by default. One that is in use then is ended after that.
    pub age: Duration,
    /// How long a connection may have been unused so that its server need not be asked, by NOOP, whether it is still there:
    /// 20 seconds by default. Whether the server has closed it, or said goodbye, is seen in any case, without asking.
    pub ask_after: Duration,
    /// How long the answer to that NOOP may take: 10 seconds by default. After that, another connection is made.
    pub patience: Duration,
    /// How often connections may be used in a stretch of time, each account by itself: `None`, the default, for no bound.
    pub rate: Option<Rate>,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            connections: 10,
            connections_per_account: None,
            waiting: 1000,
            wait: Duration::from_secs(30),
            uses: None,
            idle: Duration::from_secs(60),
            age: Duration::from_secs(60 * 60),
            ask_after: Duration::from_secs(20),
            patience: Duration::from_secs(10),
            rate: None,
        }
    }
}

impl PoolOptions {
    /// Makes the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

setters!(PoolOptions {
    with_connections(connections: usize),
    with_connections_per_account(connections_per_account: some usize),
    with_waiting(waiting: usize),
    with_wait(wait: Duration),
    with_uses(uses: some u32),
    with_idle(idle: Duration),
    with_age(age: Duration),
    with_ask_after(ask_after: Duration),
    with_patience(patience: Duration),
    with_rate(rate: some Rate),
});

/// So many uses in any stretch of time of this length, however they lie: what a provider means by "300 messages a minute".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub(super) uses: usize,
    pub(super) per: Duration,
}

impl Rate {
    /// At most `uses` (at least 1) within `per`. When each of the last `uses` was is remembered: 16 bytes each.
    #[must_use]
    pub const fn new(uses: u32, per: Duration) -> Self {
        Self { uses: if uses == 0 { 1 } else { uses as usize }, per }
    }
}
