//! Pages of the list of messages.

use mailwire_store::testing::{MailServer, ReceivedMessage};
use serde_json::{Value, json};

use super::{
    answer::{Answer, Refused},
    message,
    query::Query,
    search::Search,
    turns::Turns,
};

/// How many messages a page has, where nothing else is said, and at most.
const USUAL: usize = 50;
const MOST: usize = 500;
/// So many messages are looked at in one go; one that has left is noticed after that.
const PIECE: usize = 250;

/// What of the messages is asked for: the newest first.
pub(super) struct Listing {
    search: Search,
    before: Option<u64>,
    after: u64,
    limit: usize,
}

/// Messages that were found, and where to go on.
struct Found {
    messages: Vec<Value>,
    before: Option<u64>,
    /// There are no more, or no more are wanted.
    ended: bool,
}

impl Listing {
    pub(super) fn of(query: &Query) -> Result<Self, Refused> {
        let limit = query.number("limit")?.map_or(USUAL, |limit| usize::try_from(limit).unwrap_or(MOST));
        Ok(Self {
            search: Search::parse(query.get("search").unwrap_or_default())?,
            before: query.number("before")?,
            after: query.number("after")?.unwrap_or(0),
            limit: limit.min(MOST),
        })
    }

    /// Whether it may have to go through all messages.
    pub(super) fn searches(&self) -> bool {
        !self.search.is_empty()
    }

    pub(super) async fn answer(self, server: &MailServer, turns: &Turns) -> Result<Answer, Refused> {
        let mut messages = Vec::new();
        let mut before = self.before;
        let mut next = None;
        while messages.len() < self.limit {
            let left = self.limit - messages.len();
            let piece = if self.searches() { PIECE } else { left };
            let mut latest = server.latest(before, piece);
            let is_last = latest.len() < piece || latest.iter().any(|message| message.number <= self.after);
            latest.retain(|message| message.number > self.after);
            let search = self.search.clone();
            let mut found = turns.take(move || look(&latest, &search, left)).await?;
            messages.append(&mut found.messages);
            before = found.before.or(before);
            next = before;
            if is_last && found.ended {
                next = None;
                break;
            }
        }
        let tally = server.tally();
        Ok(Answer::json(&json!({
            "came": tally.came,
            "kept": tally.kept,
            "last": tally.last,
            "messages": messages,
            "next": next,
        })))
    }
}

/// Looks at messages until so many are found.
fn look(latest: &[ReceivedMessage], search: &Search, most: usize) -> Found {
    let mut found = Found { messages: Vec::new(), before: None, ended: true };
    for received in latest {
        if found.messages.len() == most {
            found.ended = false;
            break;
        }
        let message = received.parsed();
        if search.finds(received, &message) {
            found.messages.push(message::summary(received, &message));
        }
        found.before = Some(received.number);
    }
    found
}
