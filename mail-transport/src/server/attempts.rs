//! Delays for logins that fail.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::slots::customer;
use crate::sasl::Unavailable;

/// The bounds on guessing passwords: how failed logins delay further ones.
///
/// They are counted by address (IPv6 by /64) and by account. A login that is broken off counts as one that
/// failed. The delay is before the next attempt, so that a right password after wrong ones waits as
/// well; attempts from one address wait in a queue, however many connections they come over. Many attempts at one
/// account that are in progress at once, from whatever addresses, are delayed as if the others had failed. Whether
/// there is such an account makes no difference.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginLimits {
    /// The number of failures that cost no time: 5.
    pub free_failures: u32,
    /// The delay after the next failure; each further one doubles it: 100 milliseconds.
    pub first_delay: Duration,
    /// The longest delay by address: 15 seconds. Zero for no delays at all. Who would have to wait twice
    /// as long, because others of the address wait already, is told to come back later.
    pub longest_delay: Duration,
    /// The longest delay by account: 4 seconds. It is short because the account's owner waits, too, while
    /// others guess.
    pub longest_account_delay: Duration,
    /// The time after which one failure is forgotten: 1 minute.
    pub recovery: Duration,
    /// The most that is remembered, in bytes: 8 MiB. Beyond it, the oldest is forgotten.
    pub memory: usize,
}

impl Default for LoginLimits {
    fn default() -> Self {
        Self {
            free_failures: 5,
            first_delay: Duration::from_millis(100),
            longest_delay: Duration::from_secs(15),
            longest_account_delay: Duration::from_secs(4),
            recovery: Duration::from_secs(60),
            memory: 8 << 20,
        }
    }
}

impl LoginLimits {
    /// No delays: for servers whose logins are bounded elsewhere.
    #[must_use]
    pub fn without_delays() -> Self {
        Self { longest_delay: Duration::ZERO, longest_account_delay: Duration::ZERO, ..Self::default() }
    }

    fn delay(&self, failures: u32, longest: Duration) -> Duration {
        match failures.checked_sub(self.free_failures) {
            None | Some(0) => Duration::ZERO,
            Some(over) => {
                let factor = 1_u32.checked_shl(over.saturating_sub(1)).unwrap_or(u32::MAX);
                self.first_delay.saturating_mul(factor).min(longest)
            }
        }
    }
}

/// So many attempts of one address, or of one account, may be in progress without being taken for guesses: a program that
/// opens some connections at once has done no harm yet.
const AT_ONCE: u32 = 8;
/// Failures beyond this are not counted: with it the longest delay is reached, and forgetting takes a
/// bounded time.
const MOST_FAILURES: u32 = 30;
/// What one record takes, in bytes, with the room that its table keeps free.
const RECORD: usize = 128;

/// Who failed to log in lately.
#[derive(Debug)]
pub(crate) struct Attempts {
    limits: LoginLimits,
    keys: RandomState,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    addresses: Table,
    accounts: Table,
}

/// Records in two generations: when the younger is full, or old enough, it becomes the elder, and what
/// nobody has asked for meanwhile is forgotten.
#[derive(Debug, Default)]
struct Table {
    younger: HashMap<u64, Record>,
    elder: HashMap<u64, Record>,
    begun: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    failures: u32,
    /// Attempts whose end is not known yet.
    open: u32,
    /// Failures were forgotten up to then.
    counted: Instant,
    /// The next attempt may be made then.
    free_at: Instant,
}

impl Attempts {
    pub(crate) fn new(limits: LoginLimits) -> Arc<Self> {
        Arc::new(Self { limits, keys: RandomState::new(), tables: Mutex::default() })
    }

    /// Begins an attempt, when its time has come. It counts as failed unless it is told otherwise.
    ///
    /// # Errors
    ///
    /// Too many others of the address wait already.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        account: Option<&str>,
    ) -> Result<Attempt, Unavailable> {
        let address = address.map(|address| self.keys.hash_one(customer(address)));
        let account = account.map(|account| self.keys.hash_one(account));
        let (attempt, at) = self.enter(address, account)?;
        if at > Instant::now() {
            tracing::debug!("a login waits, because of those that failed");
            tokio::time::sleep_until(at).await;
        }
        Ok(attempt)
    }

    fn enter(
        self: &Arc<Self>,
        address: Option<u64>,
        account: Option<u64>,
    ) -> Result<(Attempt, Instant), Unavailable> {
        let limits = &self.limits;
        let now = Instant::now();
        let mut at = now;
        let mut tables = self.lock();
        if let Some(key) = address {
            let record = tables.addresses.record(key, now, limits);
            at = at.max(record.free_at);
            if at.duration_since(now) > limits.longest_delay.saturating_mul(2) {
                return Err(Unavailable);
            }
            record.open = record.open.saturating_add(1);
            let counted = record.failures.saturating_add(record.open.saturating_sub(AT_ONCE));
            record.free_at = at.checked_add(limits.delay(counted, limits.longest_delay)).unwrap_or(at);
        }
        if let Some(key) = account {
            let record = tables.accounts.record(key, now, limits);
            record.open = record.open.saturating_add(1);
            // They wait beside one another, not in a queue: the owner among them waits no longer than that.
            let over = record.open.saturating_sub(AT_ONCE);
            let counted = if over > 0 { record.failures.saturating_add(over) } else { 0 };
            let delay = limits.delay(counted, limits.longest_account_delay);
            at = at.max(record.free_at).max(now.checked_add(delay).unwrap_or(now));
        }
        drop(tables);
        Ok((Attempt { attempts: Arc::clone(self), address, account }, at))
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn record(&mut self, key: u64, now: Instant, limits: &LoginLimits) -> &mut Record {
        let most = limits.memory / RECORD / 4;
        let lasts = limits.recovery.saturating_mul(MOST_FAILURES);
        let begun = *self.begun.get_or_insert(now);
        if self.younger.len() >= most.max(1) || now.duration_since(begun) > lasts {
            self.elder = std::mem::take(&mut self.younger);
            self.begun = Some(now);
        }
        let elder = &mut self.elder;
        let record = self.younger.entry(key).or_insert_with(|| {
            elder.remove(&key).unwrap_or(Record { failures: 0, open: 0, counted: now, free_at: now })
        });
        record.forget(now, limits.recovery);
        record
    }

    fn known(&mut self, key: u64) -> Option<&mut Record> {
        self.younger.get_mut(&key).or_else(|| self.elder.get_mut(&key))
    }
}

impl Record {
    fn forget(&mut self, now: Instant, recovery: Duration) {
        while self.failures > 0 {
            match self.counted.checked_add(recovery) {
                Some(next) if next <= now => {
                    self.counted = next;
                    self.failures = self.failures.saturating_sub(1);
                }
                _ => return,
            }
        }
        self.counted = now;
    }

    fn fail(&mut self, limits: &LoginLimits, longest: Duration) {
        let now = Instant::now();
        self.forget(now, limits.recovery);
        self.failures = self.failures.saturating_add(1).min(MOST_FAILURES);
        let delay = limits.delay(self.failures, longest);
        self.free_at = self.free_at.max(now.checked_add(delay).unwrap_or(now));
    }
}

/// An attempt to log in. Dropped, it has failed.
#[derive(Debug)]
pub(crate) struct Attempt {
    attempts: Arc<Attempts>,
    address: Option<u64>,
    account: Option<u64>,
}

impl Attempt {
    /// The client is who it claims to be: what others guessed of this account is forgotten. What its
    /// address guessed of other accounts is not.
    pub(crate) fn succeeded(self) {
        if let Some(key) = self.account {
            if let Some(record) = self.attempts.lock().accounts.known(key) {
                record.failures = 0;
                record.free_at = record.counted;
            }
        }
        self.void();
    }

    /// Nothing was found out.
    pub(crate) fn void(mut self) {
        self.end(|_, _, _| {});
        (self.address, self.account) = (None, None);
    }

    fn end(&self, also: impl Fn(&mut Record, &LoginLimits, Duration)) {
        let limits = &self.attempts.limits;
        let mut tables = self.attempts.lock();
        let tables = &mut *tables;
        for (table, key, longest) in [
            (&mut tables.addresses, self.address, limits.longest_delay),
            (&mut tables.accounts, self.account, limits.longest_account_delay),
        ] {
            if let Some(record) = key.and_then(|key| table.known(key)) {
                record.open = record.open.saturating_sub(1);
                also(record, limits, longest);
            }
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.end(Record::fail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    async fn fails(attempts: &Arc<Attempts>, address: Option<IpAddr>, account: &str) {
        drop(attempts.begin(address, Some(account)).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn failures_of_an_address_delay_it_and_no_other() {
        let attempts = Attempts::new(LoginLimits::default());
        let start = Instant::now();
        let mut waits = Vec::new();
        for number in 0..15 {
            fails(&attempts, address("192.0.2.1"), &number.to_string()).await;
            waits.push(start.elapsed().as_millis());
        }
        // Five are free, then each costs twice the time, up to the longest delay.
        let expected = [0, 0, 0, 0, 0, 0, 100, 300, 700, 1500, 3100, 6300, 12_700, 25_500, 40_500];
        assert_eq!(waits, expected);
        let before = Instant::now();
        fails(&attempts, address("192.0.2.2"), "x").await;
        assert_eq!(before.elapsed(), Duration::ZERO, "another address");
        fails(&attempts, address("192.0.2.1"), "y").await;
        assert_eq!(before.elapsed(), Duration::from_secs(15));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let before = Instant::now();
        fails(&attempts, address("192.0.2.1"), "z").await;
        assert_eq!(before.elapsed(), Duration::ZERO, "all is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn connections_at_once_wait_one_after_the_other_or_are_told_to_come_back() {
        let attempts = Attempts::new(LoginLimits::default());
        let start = Instant::now();
        let tasks: Vec<_> = (0..200)
            .map(|number| {
                let attempts = Arc::clone(&attempts);
                let address = address(&format!("2001:db8::{number:x}"));
                tokio::spawn(async move { attempts.begin(address, None).await.map(drop).is_ok() })
            })
            .collect();
        let mut guesses = 0;
        for task in tasks {
            guesses += usize::from(task.await.unwrap());
        }
        assert!((12..25).contains(&guesses), "{guesses}");
        assert!(start.elapsed() <= Duration::from_secs(31), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_of_one_account_from_everywhere_are_delayed_until_its_owner_comes() {
        let attempts = Attempts::new(LoginLimits::default());
        for number in 0..20 {
            fails(&attempts, address(&format!("192.0.2.{number}")), "anna").await;
        }
        let before = Instant::now();
        let owner = attempts.begin(address("198.51.100.1"), Some("anna")).await.unwrap();
        assert_eq!(before.elapsed(), Duration::from_secs(4));
        owner.succeeded();
        let before = Instant::now();
        attempts.begin(address("198.51.100.1"), Some("anna")).await.unwrap().succeeded();
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_of_one_account_from_everywhere_at_once_are_delayed() {
        let attempts = Attempts::new(LoginLimits::default());
        let start = Instant::now();
        let guess = |number: u8, account| {
            let attempts = Arc::clone(&attempts);
            let address = address(&format!("192.0.2.{number}"));
            tokio::spawn(async move {
                let attempt = attempts.begin(address, Some(account)).await.unwrap();
                let waited = start.elapsed();
                tokio::time::sleep(Duration::from_millis(10)).await;
                drop(attempt);
                waited
            })
        };
        let guesses: Vec<_> = (0..200).map(|number| guess(number, "anna")).collect();
        assert_eq!(guess(201, "bert").await.unwrap(), Duration::ZERO, "another account");
        let mut waits = Vec::new();
        for guess in guesses {
            waits.push(guess.await.unwrap());
        }
        let at_once = waits.iter().filter(|wait| wait.is_zero()).count();
        assert_eq!(at_once, 13, "eight are nothing unusual, five failures are free");
        let longest = Duration::from_secs(4);
        assert_eq!(waits.iter().max(), Some(&longest), "the owner comes in as well");
        assert!(waits.iter().filter(|wait| **wait == longest).count() > 150);
    }

    #[tokio::test(start_paused = true)]
    async fn successes_and_outages_are_no_failures() {
        let attempts = Attempts::new(LoginLimits::default());
        let start = Instant::now();
        for _ in 0..100 {
            attempts.begin(address("192.0.2.1"), Some("anna")).await.unwrap().succeeded();
            attempts.begin(address("192.0.2.1"), Some("bert")).await.unwrap().void();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        // A success in between does not wash an address clean.
        for _ in 0..8 {
            fails(&attempts, address("192.0.2.1"), "bert").await;
            attempts.begin(address("192.0.2.1"), Some("anna")).await.unwrap().succeeded();
        }
        assert!(start.elapsed() > Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded_in_bytes() {
        let limits = LoginLimits { memory: 32 * 1024, ..LoginLimits::default() };
        let attempts = Attempts::new(limits);
        for number in 0..10_000_u32 {
            let address = Some(IpAddr::from(number.to_be_bytes()));
            fails(&attempts, address, &"x".repeat(1 + number as usize % 100)).await;
        }
        let tables = attempts.lock();
        let maps = [&tables.addresses, &tables.accounts].map(|table| [&table.younger, &table.elder]);
        let rows: usize = maps.iter().flatten().map(|map| map.capacity()).sum();
        let row = size_of::<(u64, Record)>() + 1;
        assert!(rows * row * 8 / 7 <= 32 * 1024, "{rows} rows of {row} bytes");
    }
}
