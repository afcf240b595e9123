//! What is kept of what a server sends: copies that hold no receive buffer alive, counted in bytes.

use std::mem::size_of;

use bytes::Bytes;
use mailwire_core::{Dialect, Error as Violation};
use mailwire_imap::{
    Capability,
    response::{FetchData, ListData, MsgAtt, Reply, Response, Untagged},
    types::{Data, Flag, FlagSet},
};

use super::items::data_ref;
use crate::{Result, refused::beginning};

/// A list that grows takes up to three times its elements while it does.
const GROWTH: usize = 3;
/// What is parsed takes at most so many bytes of memory for each byte on the wire: a flag of one letter,
/// a number in a set, `NIL` in a structure.
const PARSED: usize = 40;

/// How many bytes one call may still collect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    left: usize,
    limit: usize,
}

impl Room {
    pub(super) const fn new(limit: usize) -> Self {
        Self { left: limit, limit }
    }

    /// Takes room for elements of a list, and what they hold beside.
    ///
    /// # Errors
    ///
    /// There is not so much left.
    pub(super) fn take<T>(&mut self, count: usize, beside: usize) -> Result<()> {
        let weight = size_of::<T>().saturating_mul(GROWTH).saturating_mul(count).saturating_add(beside);
        let limit = self.limit as u64;
        let over = Violation::LimitExceeded { what: "bytes that one call collects", limit };
        self.left = self.left.checked_sub(weight).ok_or(over)?;
        Ok(())
    }

    /// Keeps data: a copy of it.
    ///
    /// # Errors
    ///
    /// There is no room for it.
    pub(super) fn keep(&mut self, data: Untagged) -> Result<Untagged> {
        let (data, weight) = compact(data);
        self.take::<Untagged>(1, weight)?;
        Ok(data)
    }

    /// Keeps an answer to FETCH or STORE.
    ///
    /// # Errors
    ///
    /// There is no room for it.
    #[inline]
    pub(super) fn keep_fetch(&mut self, fetch: FetchData) -> Result<Option<FetchData>> {
        match self.keep(Untagged::Fetch(fetch))? {
            Untagged::Fetch(fetch) => Ok(Some(fetch)),
            _ => Ok(None),
        }
    }

    /// Keeps an answer to LIST.
    ///
    /// # Errors
    ///
    /// There is no room for it.
    #[inline]
    pub(super) fn keep_list(&mut self, list: ListData) -> Result<Option<ListData>> {
        match self.keep(Untagged::List(list))? {
            Untagged::List(list) => Ok(Some(list)),
            _ => Ok(None),
        }
    }
}

/// A copy that holds no receive buffer alive, and how much memory it takes at most beside itself.
pub(super) fn compact(data: Untagged) -> (Untagged, usize) {
    let lean = match &data {
        Untagged::Exists(_) | Untagged::Recent(_) | Untagged::Expunge(_) => return (data, 0),
        // Attributes are few and mostly known by name; a mailbox's name is a copy of its bytes.
        Untagged::List(list) => {
            Some((list.attributes.len() + list.extensions.len()) * 64 * GROWTH + list.name.as_bytes().len())
        }
        _ => None,
    };
    let streamed = matches!(&data, Untagged::Fetch(fetch) if fetch.items.iter().any(is_streamed));
    let (copy, length) = rewrite(data, streamed);
    let weight = match lean {
        Some(lean) => lean.saturating_add(length),
        None => length.saturating_mul(PARSED),
    };
    (copy, weight)
}

/// What is written and read again shares nothing with what came. A literal that was streamed is not
/// there to be written.
fn rewrite(data: Untagged, streamed: bool) -> (Untagged, usize) {
    let response = Response::Untagged(data);
    let mut line = Vec::new();
    response.write(&mut line);
    while matches!(line.last(), Some(b'\r' | b'\n')) {
        line.pop();
    }
    let length = line.len();
    let original = |response| match response {
        Response::Untagged(data) => data,
        _ => Untagged::Exists(0),
    };
    if streamed {
        return (original(response), length.saturating_add(64 * 1024));
    }
    line.shrink_to_fit();
    match Response::parse(&Bytes::from(line), Dialect::Lenient) {
        Ok(parsed) if same_kind(&parsed.value, &response) => (original(parsed.value), length),
        // It holds its receive buffer, and counts for that.
        _ => (original(response), length.saturating_add(64 * 1024)),
    }
}

fn same_kind(one: &Response, other: &Response) -> bool {
    match (one, other) {
        (Response::Untagged(one), Response::Untagged(other)) => {
            std::mem::discriminant(one) == std::mem::discriminant(other)
        }
        _ => false,
    }
}

fn is_streamed(item: &MsgAtt) -> bool {
    matches!(data_ref(item), Some(Data::Streamed { .. }))
}

/// A copy of a list of flags, and how much memory it takes at most.
pub(super) fn compact_flags(flags: &FlagSet) -> (FlagSet, usize) {
    let mut beside = 0_usize;
    let copies = flags.iter().map(|flag| {
        let name = flag.to_string();
        beside = beside.saturating_add(name.len());
        Flag::new(name).unwrap_or_else(|_| flag.clone())
    });
    let copy: FlagSet = copies.collect();
    (copy, beside.saturating_add(flags.len().saturating_mul(size_of::<Flag>() * GROWTH)))
}

/// A copy of a status response, and how much memory it takes at most. What is beyond `limit` is cut: a
/// long code goes, of a long text the beginning stays. `None` if none of it can be written.
pub(super) fn compact_reply(reply: &Reply, limit: usize) -> Option<(Reply, usize)> {
    let mut line = b"* ".to_vec();
    reply.write(&mut line);
    let weight = line.len().saturating_mul(PARSED);
    if weight <= limit {
        line.shrink_to_fit();
        if let Ok(parsed) = Response::parse(&Bytes::from(line), Dialect::Lenient) {
            if let Response::Untagged(Untagged::Reply(copy)) = parsed.value {
                return Some((copy, weight));
            }
        }
    }
    let text = beginning(reply.text.as_bytes(), limit.min(4096));
    let weight = text.len();
    // A text that the server could send can be sent.
    let cut = Reply::new(reply.kind, text).or_else(|_| Reply::new(reply.kind, "..."));
    Some((cut.ok()?, weight))
}

/// Copies of capabilities that were enabled.
pub(super) fn compact_capabilities(room: &mut Room, list: &[Capability]) -> Result<Vec<Capability>> {
    let mut kept = Vec::with_capacity(list.len().min(1024));
    for capability in list {
        let name = capability.to_string();
        room.take::<Capability>(1, name.len())?;
        kept.push(Capability::new(name).unwrap_or_else(|_| capability.clone()));
    }
    Ok(kept)
}
