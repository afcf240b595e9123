//! Searches that have a name ([RFC 5466](https://www.rfc-editor.org/rfc/rfc5466)): annotations of the server hold them.

use std::collections::BTreeMap;

use bytes::Bytes;
use mailwire_core::{Dialect, Text};
use mailwire_imap::{
    command::SearchKey,
    extensions::metadata::EntryName,
    response::Code,
    types::{Atom, ParseContext},
};

use super::{
    conversation::{Conversation, Stop},
    options::MetadataOptions,
    refusal::Refusal,
    service::{Service, Session},
};

/// So deep are filters put into filters; three at least (section 3.1).
const DEPTH: usize = 8;
/// So many bytes of filters are put in the place of their names, all together.
const ROOM: usize = 256 << 10;
/// So deep are keys in keys where filters are put, all together: whatever goes through keys takes stack for each level.
const NESTING: usize = 64;
/// So many of them are asked for.
const NAMES: usize = 100;

impl<S: Service> Conversation<S> {
    /// Puts the searches that have names in the place of those names.
    pub(super) async fn with_filters(&mut self, mut keys: Vec<SearchKey>) -> Result<Vec<SearchKey>, Stop> {
        let mut known: BTreeMap<Atom, Option<Filter>> = BTreeMap::new();
        let mut room = ROOM;
        for _ in 0..DEPTH {
            let named = names(&keys);
            if named.is_empty() {
                return Ok(keys);
            }
            for name in named {
                if known.contains_key(&name) {
                    continue;
                }
                if known.len() >= NAMES {
                    return Err(too_large("Too many filters").into());
                }
                let found = self.stored_filter(&name).await?;
                known.insert(name, found);
            }
            let mut replace = Replace { known: &known, room };
            keys = keys.into_iter().map(|key| replace.key(key, 0)).collect::<Result<_, _>>()?;
            room = replace.room;
        }
        // A loop, mostly.
        match names(&keys).pop() {
            Some(name) => Err(undefined(name).into()),
            None => Ok(keys),
        }
    }

    /// What is stored under a name: one's own before that which all share.
    async fn stored_filter(&mut self, name: &Atom) -> Result<Option<Filter>, Stop> {
        let names = ["/private", "/shared"].map(|part| format!("{part}/filters/values/{}", name.as_text()));
        let entries: Vec<EntryName> =
            names.into_iter().filter_map(|name| EntryName::new(name).ok()).collect();
        let options = MetadataOptions::new(entries.as_slice());
        let found = match self.session()?.metadata(None, &options).await {
            Ok(found) => found,
            // What cannot be seen is not there.
            Err(Refusal { code: Some(Code::NoPerm | Code::NonExistent), .. }) => Vec::new(),
            Err(refusal) => return Err(refusal.into()),
        };
        let value = entries.iter().find_map(|entry| {
            let is = |name: &EntryName| name.as_bytes().eq_ignore_ascii_case(entry.as_bytes());
            found.iter().find(|(name, _)| is(name)).map(|(_, value)| value)
        });
        Ok(value.and_then(Filter::parse))
    }
}

/// A search that has a name.
struct Filter {
    keys: Vec<SearchKey>,
    /// In bytes, as it is stored.
    length: usize,
    /// So many levels of keys are in keys.
    depth: usize,
}

impl Filter {
    /// `None` for what is no search, which is as good as none.
    fn parse(value: &Text) -> Option<Self> {
        let text = Bytes::copy_from_slice(value.as_bytes());
        let mut context = ParseContext::new(Dialect::Strict);
        (context.utf8, context.nesting) = (true, NESTING);
        let keys = SearchKey::parse_all(&text, &context).ok()?;
        let depth = keys.iter().map(depth).max().unwrap_or(0);
        Some(Self { keys, length: text.len(), depth })
    }
}

/// How many levels of keys are in a key.
fn depth(key: &SearchKey) -> usize {
    match key {
        SearchKey::Not(key) | SearchKey::Fuzzy(key) => 1 + depth(key),
        SearchKey::Or(one, other) => 1 + depth(one).max(depth(other)),
        SearchKey::And(keys) => 1 + keys.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn too_large(reason: &'static str) -> Refusal {
    Refusal::new(reason).with_code(Code::Limit)
}

fn undefined(name: Atom) -> Refusal {
    Refusal::new("There is no such filter").with_code(Code::UndefinedFilter(name))
}

/// The names of filters in keys, in no order.
fn names(keys: &[SearchKey]) -> Vec<Atom> {
    fn gather(key: &SearchKey, names: &mut Vec<Atom>) {
        match key {
            SearchKey::Filter(name) => names.push(name.clone()),
            SearchKey::Not(key) | SearchKey::Fuzzy(key) => gather(key, names),
            SearchKey::Or(one, other) => {
                gather(one, names);
                gather(other, names);
            }
            SearchKey::And(keys) => keys.iter().for_each(|key| gather(key, names)),
            _ => {}
        }
    }
    let mut names = Vec::new();
    keys.iter().for_each(|key| gather(key, &mut names));
    names
}

struct Replace<'a> {
    known: &'a BTreeMap<Atom, Option<Filter>>,
    room: usize,
}

impl Replace<'_> {
    /// The key, which so many others are around.
    fn key(&mut self, key: SearchKey, around: usize) -> Result<SearchKey, Refusal> {
        let inner = around + 1;
        Ok(match key {
            SearchKey::Filter(name) => {
                let Some(Some(filter)) = self.known.get(&name) else { return Err(undefined(name)) };
                if around + filter.depth > NESTING {
                    return Err(too_large("The filters are nested too deeply together"));
                }
                let left = self.room.checked_sub(filter.length);
                self.room = left.ok_or_else(|| too_large("The filters are too large together"))?;
                SearchKey::And(filter.keys.clone())
            }
            SearchKey::Not(key) => self.key(*key, inner)?.not(),
            SearchKey::Fuzzy(key) => SearchKey::Fuzzy(Box::new(self.key(*key, inner)?)),
            SearchKey::Or(one, other) => self.key(*one, inner)?.or(self.key(*other, inner)?),
            SearchKey::And(keys) => {
                SearchKey::And(keys.into_iter().map(|key| self.key(key, inner)).collect::<Result<_, _>>()?)
            }
            key => key,
        })
    }
}
