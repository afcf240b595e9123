//! Leases: lines with the time when they end. That of a maildrop is renewed by its holder.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::task::AbortHandle;

use super::{
    Inner,
    sql::{get, lines, query},
};
use crate::{Error, Lease, Result};

/// The maildrops that this process holds, by account.
#[derive(Debug, Default)]
pub(super) struct Leases {
    held: Mutex<HashMap<i64, Vec<u8>>>,
    /// Given back; their lines may still be there.
    over: Mutex<HashMap<i64, Vec<Vec<u8>>>>,
}

impl Leases {
    fn held(&self) -> MutexGuard<'_, HashMap<i64, Vec<u8>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn over(&self) -> MutexGuard<'_, HashMap<i64, Vec<Vec<u8>>>> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who has the maildrop of an account, as this process knows it.
    pub(super) fn holder(&self, account: i64) -> Option<Vec<u8>> {
        self.held().get(&account).cloned()
    }
}

/// A lease of a [`PostgresStore`](super::PostgresStore). That of a maildrop is renewed for as long as this value lives.
#[derive(Debug)]
pub struct Held {
    _maildrop: Option<Maildrop>,
}

#[derive(Debug)]
struct Maildrop {
    store: Arc<Inner>,
    account: i64,
    holder: Vec<u8>,
    renews: AbortHandle,
}

impl Inner {
    /// Takes a lease, if nobody has it whose time is not over.
    pub(super) async fn lease(self: &Arc<Self>, account: i64, lease: Lease, time: Duration) -> Result<Held> {
        let kind = match lease {
            Lease::Maildrop => "maildrop",
            Lease::Login => "login",
        };
        let over = self.leases.over().get(&account).cloned().unwrap_or_default();
        let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        // The names of holders are the server's, so that no two are alike. After an answer that was lost, its own name is
        // not known, and it waits as others do.
        let take = "INSERT INTO lease SELECT id, $2, uuid_send(gen_random_uuid()), clock_timestamp()+$3*interval '1 ms'
            FROM account WHERE id=$1
            ON CONFLICT (account, kind) DO UPDATE SET holder=excluded.holder, until=excluded.until
                WHERE lease.until<clock_timestamp() OR lease.holder=ANY($4) RETURNING holder";
        let there = "SELECT 1 FROM account WHERE id=$1";
        let take = query!(take, account, kind, millis as f64, over);
        let taken = self.apply_and_read(vec![query!(there, account), take]).await?;
        lines(&taken, 0).first().ok_or(Error::NoSuchAccount)?;
        let holder: Vec<u8> = get(lines(&taken, 1).first().ok_or(Error::InUse)?, 0)?;
        if lease == Lease::Login {
            return Ok(Held { _maildrop: None });
        }
        self.leases.held().insert(account, holder.clone());
        let renews = tokio::spawn({
            let (store, holder) = (Arc::downgrade(self), holder.clone());
            async move {
                loop {
                    tokio::time::sleep(time / 4).await;
                    let Some(store) = store.upgrade() else { return };
                    let text = "UPDATE lease SET until=clock_timestamp()+$3*interval '1 ms' WHERE account=$1 AND holder=$2";
                    let renew = query!(text, account, holder.clone(), millis as f64);
                    if let Err(error) = store.apply(vec![renew]).await {
                        tracing::warn!(%error, "the lease of a maildrop cannot be renewed now");
                    }
                }
            }
        });
        let maildrop = Maildrop { store: Arc::clone(self), account, holder, renews: renews.abort_handle() };
        Ok(Held { _maildrop: Some(maildrop) })
    }
}

impl Drop for Maildrop {
    fn drop(&mut self) {
        self.renews.abort();
        let (account, leases) = (self.account, &self.store.leases);
        if leases.holder(account).as_ref() == Some(&self.holder) {
            leases.held().remove(&account);
        }
        leases.over().entry(account).or_default().push(self.holder.clone());
        let (store, holder) = (Arc::clone(&self.store), std::mem::take(&mut self.holder));
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let text = "DELETE FROM lease WHERE account=$1 AND holder=$2";
            // Otherwise its time ends by itself.
            let _ = store.apply(vec![query!(text, account, holder.clone())]).await;
            let mut over = store.leases.over();
            if let Some(of) = over.get_mut(&account) {
                of.retain(|one| *one != holder);
                if of.is_empty() {
                    over.remove(&account);
                }
            }
        });
    }
}
