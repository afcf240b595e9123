//! What was found and what was not, and asking many at once.

use std::fmt;

use tokio::time::Instant;

use super::{DocumentError, Settings, Source, Work, mx::MailHost};
use crate::{
    Protocol, Security,
    http::HttpError,
    runtime::timeout_at,
    side_by_side::{all, boxed},
};

/// A place where nothing was found, and why.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// By which of the ways.
    pub source: Source,
    /// The name in DNS, the URL, or what else it is.
    pub place: String,
    /// Why nothing was learnt there.
    pub reason: String,
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.source, self.place, self.reason)
    }
}

#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) settings: Vec<Settings>,
    pub(super) missed: Vec<Missed>,
    pub(super) not_offered: Vec<(Protocol, Security)>,
    pub(super) mx: Option<MailHost>,
}

impl Gathered {
    /// Nothing, and why.
    pub(super) fn nothing(source: Source, place: &dyn fmt::Display, reason: &dyn fmt::Display) -> Self {
        let mut gathered = Self::default();
        gathered.missed(source, place, reason);
        gathered
    }

    /// What a document says.
    pub(super) fn of(
        source: Source,
        place: &str,
        read: Result<Result<Vec<Settings>, DocumentError>, HttpError>,
    ) -> Self {
        match read {
            Ok(Ok(settings)) => Self { settings, ..Self::default() },
            Ok(Err(error)) => Self::nothing(source, &place, &error),
            Err(error) => Self::nothing(source, &place, &error),
        }
    }

    pub(super) fn missed(&mut self, source: Source, place: &dyn fmt::Display, reason: &dyn fmt::Display) {
        self.missed.push(Missed { source, place: place.to_string(), reason: reason.to_string() });
    }

    pub(super) fn extend(&mut self, others: Vec<Self>) {
        for other in others {
            self.settings.extend(other.settings);
            self.missed.extend(other.missed);
            self.not_offered.extend(other.not_offered);
            self.mx = self.mx.take().or(other.mx);
        }
    }

    /// Whether mail can be read and sent.
    pub(super) fn is_complete(&self) -> bool {
        self.settings.iter().any(Settings::is_incoming)
            && self.settings.iter().any(|settings| !settings.is_incoming())
    }
}

/// Does all of it at once, each until the time is over.
pub(super) async fn in_time(work: Vec<Work<'_>>, until: Instant) -> Vec<Gathered> {
    let count = work.len();
    // A whole vector, as the compiler then sees that the future can be sent to another thread.
    let mut in_time = Vec::with_capacity(count);
    for Work { source, place, asking } in work {
        in_time.push(boxed(async move {
            match timeout_at(until, asking).await {
                Ok(gathered) => gathered,
                Err(_) => Gathered::nothing(source, &place, &"the time was over"),
            }
        }));
    }
    all(in_time, count).await
}
