//! Who waits for changes is woken: in this process at once, in others by hints.
//!
//! A hint says up to which number an account has changed. It is sent after the commit, never with it: NOTIFY within a
//! transaction lets one transaction of the whole server commit at a time. A hint can be lost, so it is also asked once a
//! second how far the accounts are that somebody waits for.

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
};
use tokio_postgres::{AsyncMessage, Client};

use super::{
    connect::Connector,
    sql::{Conn, nat, query},
};

/// So long hints are gathered after some were sent.
const GATHERED: Duration = Duration::from_millis(10);
/// How often it is asked for changes whose hints were lost.
const ASKED: Duration = Duration::from_secs(1);
/// How long it is waited before a connection is tried once more.
const AGAIN: Duration = Duration::from_millis(200);
/// Bytes of one notification: fewer than 8000.
const MOST: usize = 7000;

/// An account that somebody waits for.
#[derive(Debug)]
struct Watched {
    wakes: watch::Sender<u64>,
    /// Up to which number they were woken.
    told: u64,
}

#[derive(Debug, Default)]
pub(super) struct Hints {
    watches: Mutex<HashMap<i64, Watched>>,
    /// What is to be sent.
    waiting: Mutex<HashMap<i64, u64>>,
    sends: Notify,
    asks: Notify,
}

impl Hints {
    fn watches(&self) -> MutexGuard<'_, HashMap<i64, Watched>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn watch(&self, account: i64) -> watch::Receiver<u64> {
        let mut watches = self.watches();
        let watched = watches.entry(account).or_insert_with(|| {
            // How far it is, nobody knows: it is asked for now.
            self.asks.notify_one();
            Watched { wakes: watch::Sender::default(), told: 0 }
        });
        watched.wakes.subscribe()
    }

    /// An account has changed up to a number. Whoever was woken for that is not woken again.
    fn ring(&self, account: i64, mod_seq: u64) {
        if let Some(watched) = self.watches().get_mut(&account).filter(|watched| watched.told < mod_seq) {
            watched.told = mod_seq;
            watched.wakes.send_modify(|wakes| *wakes += 1);
        }
    }

    fn ring_all(&self) {
        for watched in self.watches().values() {
            watched.wakes.send_modify(|wakes| *wakes += 1);
        }
    }

    /// This process has changed an account: its own sessions are woken, and others are told.
    pub(super) fn tell(&self, account: i64, mod_seq: u64) {
        self.ring(account, mod_seq);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let number = waiting.entry(account).or_default();
        *number = mod_seq.max(*number);
        drop(waiting);
        self.sends.notify_one();
    }

    /// The accounts that somebody waits for.
    fn accounts(&self) -> Vec<i64> {
        let mut watches = self.watches();
        watches.retain(|_, watched| watched.wakes.receiver_count() > 0);
        watches.keys().copied().collect()
    }

    /// What is to be sent, as texts that a notification has room for.
    fn take(&self) -> Vec<String> {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut texts: Vec<String> = Vec::new();
        for (account, mod_seq) in waiting {
            let hint = format!("{account}:{mod_seq} ");
            match texts.last_mut() {
                Some(text) if text.len() + hint.len() <= MOST => text.push_str(&hint),
                _ => texts.push(hint),
            }
        }
        texts
    }

    /// What others have sent.
    fn heard(&self, text: &str) {
        for hint in text.split_ascii_whitespace() {
            let Some((account, mod_seq)) = hint.split_once(':') else { continue };
            if let (Ok(account), Ok(mod_seq)) = (account.parse(), mod_seq.parse()) {
                self.ring(account, mod_seq);
            }
        }
    }
}

/// The tasks that send, hear and ask. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Tasks(Vec<AbortHandle>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Tasks {
    pub(super) fn start(hints: &Arc<Hints>, connector: &Connector, channel: &str) -> Self {
        let both = || (Arc::clone(hints), connector.clone(), channel.to_owned());
        let sends = {
            let (hints, connector, channel) = both();
            tokio::spawn(async move { send(&hints, &connector, &channel).await })
        };
        let hears = {
            let (hints, connector, channel) = both();
            tokio::spawn(async move { hear(&hints, &connector, &channel).await })
        };
        let asks = {
            let (hints, connector, _) = both();
            tokio::spawn(async move { ask(&hints, &connector).await })
        };
        Self([sends, hears, asks].iter().map(tokio::task::JoinHandle::abort_handle).collect())
    }

    pub(super) fn add(&mut self, task: AbortHandle) {
        self.0.push(task);
    }
}

/// Sends hints, all that have come in a while at once. One that cannot be sent is lost.
async fn send(hints: &Hints, connector: &Connector, channel: &str) {
    let mut open: Option<Client> = None;
    loop {
        hints.sends.notified().await;
        let texts = hints.take();
        if open.as_ref().is_none_or(Client::is_closed) {
            open = match connector.connect().await {
                // No hint waits for a disk.
                Ok(client) => client.batch_execute("SET synchronous_commit=off").await.ok().map(|()| client),
                Err(error) => {
                    tracing::debug!(%error, "others cannot be told of changes now");
                    None
                }
            };
        }
        let Some(client) = &open else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        for text in texts {
            if client.execute("SELECT pg_notify($1, $2)", &[&channel, &text]).await.is_err() {
                open = None;
                break;
            }
        }
        tokio::time::sleep(GATHERED).await;
    }
}

/// Hears hints, over one connection after the other.
async fn hear(hints: &Hints, connector: &Connector, channel: &str) {
    let mut is_first = true;
    loop {
        match connector.open().await {
            Ok((client, mut connection)) => {
                let listen = format!("LISTEN \"{channel}\"");
                let listens = async {
                    if client.batch_execute(&listen).await.is_ok() && !std::mem::take(&mut is_first) {
                        // What has happened without a connection is not known.
                        hints.ring_all();
                    }
                    std::future::pending::<()>().await;
                };
                let hears = async {
                    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                        if let AsyncMessage::Notification(hint) = message {
                            hints.heard(hint.payload());
                        }
                    }
                };
                tokio::select! {
                    () = listens => {}
                    () = hears => {}
                }
                tracing::debug!("the connection that hears of changes has ended");
            }
            Err(error) => tracing::debug!(%error, "changes of others cannot be heard of now"),
        }
        is_first = false;
        tokio::time::sleep(AGAIN).await;
    }
}

/// Asks how far the accounts are that somebody waits for.
async fn ask(hints: &Hints, connector: &Connector) {
    loop {
        let _ = tokio::time::timeout(ASKED, hints.asks.notified()).await;
        let accounts = hints.accounts();
        if accounts.is_empty() {
            continue;
        }
        let Ok(object) = connector.pool.get().await else { continue };
        let text = "SELECT id, modseq FROM account WHERE id=ANY($1)";
        let Ok(found) = Conn::new(object).send(&[query!(text, accounts)]).await else { continue };
        for line in found.iter().flatten() {
            if let (Ok(account), Ok(mod_seq)) = (line.try_get(0), line.try_get::<_, i64>(1)) {
                hints.ring(account, nat(mod_seq));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_have_room_in_notifications() {
        let (one, other) = (Hints::default(), Hints::default());
        let watch = other.watch(999);
        (0..1000).for_each(|account| one.tell(account, u64::MAX / 2));
        let texts = one.take();
        assert!(texts.len() > 1 && texts.iter().all(|text| text.len() <= MOST));
        texts.iter().for_each(|text| other.heard(text));
        assert!(watch.has_changed().unwrap() && one.take().is_empty());
    }

    #[test]
    fn nobody_is_woken_twice() {
        let hints = Hints::default();
        let mut watch = hints.watch(1);
        let mut wakes = |text: &str| {
            hints.heard(text);
            let is_woken = watch.has_changed().unwrap();
            watch.mark_unchanged();
            is_woken
        };
        assert!(wakes("1:5"));
        assert!(!wakes("1:5 1:4 2:9 nonsense 1:x :"));
        assert!(wakes("2:9 1:6"));
    }
}
