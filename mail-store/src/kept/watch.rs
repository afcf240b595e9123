//! Waiting for changes.

use tokio::sync::watch::Receiver;

/// Waits for changes in an account.
#[derive(Debug)]
pub struct Watch(pub(crate) Receiver<u64>);

impl crate::Watch for Watch {
    async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // The store is gone: nothing will ever happen.
            std::future::pending::<()>().await;
        }
    }
}
