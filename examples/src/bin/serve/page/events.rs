//! News for pages that are open: that something has changed, not what. They ask for what they show, so that nothing is
//! kept for a page that does not read.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use mailwire_store::testing::{MailServer, Tally};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

/// What comes within this time is one event.
const PAUSE: Duration = Duration::from_millis(150);
/// A connection says something at least as often, so that one that is gone is noticed.
const SILENCE: Duration = Duration::from_secs(20);

/// The next event, and those that come after it.
pub(super) type Next = Pin<Box<dyn Future<Output = (Bytes, Events)> + Send>>;

/// The [events](https://html.spec.whatwg.org/multipage/server-sent-events.html) of one page.
pub(super) struct Events {
    server: Arc<MailServer>,
    since: String,
    told: Tally,
    /// It is free again when the page has left.
    _place: OwnedSemaphorePermit,
}

impl Events {
    pub(super) fn new(server: Arc<MailServer>, since: String, place: OwnedSemaphorePermit) -> Self {
        let told = server.tally();
        Self { server, since, told, _place: place }
    }

    /// How things stand now, for one who may have missed something.
    pub(super) fn begin(self) -> Next {
        Box::pin(async move { (self.event(), self) })
    }

    pub(super) fn next(mut self) -> Next {
        Box::pin(async move {
            tokio::time::sleep(PAUSE).await;
            match tokio::time::timeout(SILENCE, self.server.changed(self.told)).await {
                Ok(tally) => {
                    self.told = tally;
                    (self.event(), self)
                }
                Err(_) => (Bytes::from_static(b": nothing new\n\n"), self),
            }
        })
    }

    fn event(&self) -> Bytes {
        let Tally { came, kept, last, forgotten, .. } = self.told;
        let since = &self.since;
        let data =
            json!({ "since": since, "came": came, "kept": kept, "last": last, "forgotten": forgotten });
        format!("event: tally\ndata: {data}\n\n").into()
    }
}
