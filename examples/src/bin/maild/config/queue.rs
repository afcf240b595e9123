//! The queue of what leaves: the table `queue`.

use std::path::PathBuf;

use anyhow::Result;
#[cfg(feature = "postgres")]
use mailwire_examples::Usage;
use mailwire_examples::queue;
use mailwire_transport::smtp::proto::extensions::future_release::HoldInterval;
use serde::Deserialize;
use toml::Spanned;

use super::{
    QueueAt, StoreAt, beside,
    file::Source,
    values::{Bytes, Time},
};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct QueueTable {
    file: Option<PathBuf>,
    messages: Option<u64>,
    bytes: Option<Bytes>,
    at_once: Option<Spanned<usize>>,
    memory: Option<Bytes>,
    first_retry: Option<Spanned<Time>>,
    longest_retry: Option<Spanned<Time>>,
    greylisted_retry: Option<Time>,
    give_up: Option<Spanned<Time>>,
    /// `0s`: never.
    warn: Option<Spanned<Time>>,
    /// Without, nothing is held back.
    longest_hold: Option<Spanned<Time>>,
    held_messages: Option<Spanned<u64>>,
    held_bytes: Option<Spanned<Bytes>>,
    priorities: bool,
}

/// What the table says, and what is usual where it does not.
pub(super) fn read(source: &Source<'_>, table: &QueueTable, store: &StoreAt) -> Result<QueueAt> {
    let mut retry = queue::Retry::default();
    let set = |at: &Option<Spanned<Time>>, usual| at.as_ref().map_or(usual, |time| time.get_ref().0);
    retry.first = set(&table.first_retry, retry.first);
    retry.longest = set(&table.longest_retry, retry.longest);
    retry.give_up = set(&table.give_up, retry.give_up);
    retry.greylisted = table.greylisted_retry.map_or(retry.greylisted, |time| time.0);
    retry.warn = table.warn.as_ref().map_or(retry.warn, |time| Some(time.get_ref().0));
    retry.warn = retry.warn.filter(|warn| !warn.is_zero());
    if let Some(first) = table.first_retry.as_ref().filter(|first| first.get_ref().0.is_zero()) {
        return Err(source.wrong(&first.span(), "queue.first-retry", "no pause at all"));
    }
    if let Some(longest) = table.longest_retry.as_ref().filter(|_| retry.longest < retry.first) {
        let why = "is shorter than queue.first-retry";
        return Err(source.wrong(&longest.span(), "queue.longest-retry", why));
    }
    // Where only one of the two is said, the other is as usual.
    if let Some(warn) = table.warn.as_ref().filter(|_| retry.warn.is_some_and(|warn| warn >= retry.give_up)) {
        return Err(source.wrong(&warn.span(), "queue.warn", "is not before queue.give-up"));
    }
    let mut options = queue::Options::default().with_retry(retry);
    if let Some(at_once) = &table.at_once {
        if *at_once.get_ref() == 0 {
            return Err(source.wrong(&at_once.span(), "queue.at-once", "nothing would ever leave"));
        }
        options.at_once = *at_once.get_ref();
    }
    options.memory = table.memory.map_or(options.memory, |bytes| bytes.0);
    let mut limits = queue::Limits::default();
    limits.messages = table.messages.unwrap_or(limits.messages);
    limits.bytes = table.bytes.map_or(limits.bytes, |bytes| bytes.0);
    let longest_hold = holds(source, table, &mut limits)?;
    let file = match (&table.file, store) {
        (Some(file), _) => file.clone(),
        (None, StoreAt::Sqlite(store)) => beside(store, "queue"),
        #[cfg(feature = "postgres")]
        (None, StoreAt::Postgres(_)) => {
            let path = source.path.display();
            let why = "is not said: each server has a queue of its own, in a file";
            return Err(Usage(format!("{path}: queue.file: {why}")).into());
        }
    };
    Ok(QueueAt { file, limits, options, longest_hold, priorities: table.priorities })
}

/// How long, and how much, users may have held back (FUTURERELEASE).
fn holds(
    source: &Source<'_>,
    table: &QueueTable,
    limits: &mut queue::Limits,
) -> Result<Option<HoldInterval>> {
    let Some(longest) = &table.longest_hold else {
        let spans = [
            ("queue.held-messages", table.held_messages.as_ref().map(Spanned::span)),
            ("queue.held-bytes", table.held_bytes.as_ref().map(Spanned::span)),
        ];
        return match spans.into_iter().find_map(|(key, span)| Some((key, span?))) {
            Some((key, span)) => {
                Err(source.wrong(&span, key, "nothing is held back without queue.longest-hold"))
            }
            None => Ok(None),
        };
    };
    limits.held_messages = table.held_messages.as_ref().map_or(limits.held_messages, |most| *most.get_ref());
    limits.held_bytes = table.held_bytes.as_ref().map_or(limits.held_bytes, |most| most.get_ref().0);
    let seconds = u32::try_from(longest.get_ref().0.as_secs()).ok();
    match seconds.and_then(HoldInterval::new) {
        Some(longest) => Ok(Some(longest)),
        None => {
            let why = "from 1s to 999999999s, or leave it out to hold nothing back";
            Err(source.wrong(&longest.span(), "queue.longest-hold", why))
        }
    }
}
