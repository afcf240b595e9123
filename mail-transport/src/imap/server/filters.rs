//! Searches that have a name ([RFC 5466](https://www.rfc-editor.org/rfc/rfc5466)): annotations of the server hold them.

use std::collections::{BTreeMap, btree_map::Entry};

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
/// So many of them are asked for.
const NAMES: usize = 100;

impl<S: Service> Conversation<S> {
    /// Puts the searches that have names in the place of those names.
    pub(super) async fn with_filters(&mut self, mut keys: Vec<SearchKey>) -> Result<Vec<SearchKey>, Stop> {
        let mut known: BTreeMap<Atom, Option<(Vec<SearchKey>, usize)>> = BTreeMap::new();
        let mut room = ROOM;
        for _ in 0..DEPTH {
            let named = names(&keys);
            if named.is_empty() {
                return Ok(keys);
            }
            for name in named {
                if known.len() >= NAMES {
                    return Err(Refusal::new("Too many filters").with_code(Code::Limit).into());
                }
                if let Entry::Vacant(entry) = known.entry(name) {
                    let found = self.stored_filter(entry.key()).await?;
                    entry.insert(found);
                }
            }
            let mut replace = Replace { known: &known, room };
            keys = keys.into_iter().map(|key| replace.key(key)).collect::<Result<_, _>>()?;
            room = replace.room;
        }
        // A loop, mostly.
        match names(&keys).pop() {
            Some(name) => Err(undefined(name).into()),
            None => Ok(keys),
        }
    }

    /// What is stored under a name, with its length: one's own before that which all share.
    async fn stored_filter(&mut self, name: &Atom) -> Result<Option<(Vec<SearchKey>, usize)>, Stop> {
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
        Ok(value.and_then(parsed))
    }
}

/// `None` for what is no search, which is as good as none.
fn parsed(value: &Text) -> Option<(Vec<SearchKey>, usize)> {
    let text = Bytes::copy_from_slice(value.as_bytes());
    let mut context = ParseContext::new(Dialect::Strict);
    context.utf8 = true;
    Some((SearchKey::parse_all(&text, &context).ok()?, text.len()))
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
    known: &'a BTreeMap<Atom, Option<(Vec<SearchKey>, usize)>>,
    room: usize,
}

impl Replace<'_> {
    fn key(&mut self, key: SearchKey) -> Result<SearchKey, Refusal> {
        Ok(match key {
            SearchKey::Filter(name) => match self.known.get(&name) {
                Some(Some((keys, length))) => {
                    let left = self.room.checked_sub(*length);
                    self.room = left.ok_or_else(|| {
                        Refusal::new("The filters are too large together").with_code(Code::Limit)
                    })?;
                    SearchKey::And(keys.clone())
                }
                _ => return Err(undefined(name)),
            },
            SearchKey::Not(key) => self.key(*key)?.not(),
            SearchKey::Fuzzy(key) => SearchKey::Fuzzy(Box::new(self.key(*key)?)),
            SearchKey::Or(one, other) => self.key(*one)?.or(self.key(*other)?),
            SearchKey::And(keys) => {
                SearchKey::And(keys.into_iter().map(|key| self.key(key)).collect::<Result<_, _>>()?)
            }
            key => key,
        })
    }
}
