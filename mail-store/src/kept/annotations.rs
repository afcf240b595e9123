//! Annotations of a mailbox or of an account (RFC 5464).

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use mailwire_core::Text;
use mailwire_imap::extensions::metadata::{Depth, EntryName};
use mailwire_transport::imap::server::MetadataOptions;

use crate::{Error, Result};

/// Bytes of a value: fewer than a server takes as an argument. At least 1024 have to be taken (RFC 5464 section 4.1).
const MAX_VALUE: u64 = 8 << 10;
/// Entries of a mailbox or an account. At least 10 have to be taken.
const MAX_ENTRIES: usize = 500;
/// Bytes of a name.
const MAX_NAME: usize = 1000;

/// Names, in small letters, and values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Annotations {
    entries: BTreeMap<String, (EntryName, Text)>,
    bytes: u64,
}

impl Annotations {
    /// Annotations as a store has kept them.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn kept(all: Vec<(EntryName, Text)>) -> Self {
        let bytes = all.iter().map(|(name, value)| weight(name, value)).sum();
        Self { entries: all.into_iter().map(|entry| (key(&entry.0), entry)).collect(), bytes }
    }

    /// An annotation, and under which name it is kept.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn get(&self, name: &EntryName) -> (String, Option<&(EntryName, Text)>) {
        let key = key(name);
        let entry = self.entries.get(&key);
        (key, entry)
    }

    /// Bytes of all names and values.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Those that are asked for.
    pub(crate) fn find(&self, options: &MetadataOptions) -> Vec<(EntryName, Text)> {
        // By their places: thousands can be asked for.
        let asked: BTreeSet<String> = options.entries.iter().map(key).collect();
        let mut found = BTreeMap::new();
        for above in &asked {
            let from = self.entries.range::<str, _>((Bound::Included(above.as_str()), Bound::Unbounded));
            let near = from.take_while(|(key, _)| key.starts_with(above));
            found.extend(near.filter(|(_, (name, _))| name.is_within(above, options.depth)));
        }
        found.into_values().cloned().collect()
    }

    pub(crate) fn contains(&self, name: &EntryName) -> bool {
        self.entries.contains_key(&key(name))
    }

    /// These after a change: all of it, or an error. `shared`: entries for all users may be changed.
    pub(crate) fn changed(&self, entries: &[(EntryName, Option<Text>)], shared: bool) -> Result<Self> {
        let mut changed = self.clone();
        for (name, value) in entries {
            let permitted = name.is_within("/private", Depth::Infinity) || (shared && name.is_shared());
            if !permitted || name.as_bytes().iter().filter(|byte| **byte == b'/').count() < 2 {
                return Err(Error::Denied("such an annotation cannot be changed here"));
            }
            let key = key(name);
            if let Some((before, old)) = changed.entries.remove(&key) {
                changed.bytes -= weight(&before, &old);
            }
            let Some(value) = value else { continue };
            if value.as_bytes().len() as u64 > MAX_VALUE {
                return Err(Error::AnnotationSize(MAX_VALUE));
            }
            if name.as_bytes().len() > MAX_NAME || changed.entries.len() >= MAX_ENTRIES {
                return Err(Error::Annotations);
            }
            // What is kept holds no receive buffer alive.
            let (name, value) = (name.compact(), value.compact());
            changed.bytes += weight(&name, &value);
            changed.entries.insert(key, (name, value));
        }
        Ok(changed)
    }
}

/// Under which an entry is found, in whatever case it is written.
fn key(name: &EntryName) -> String {
    name.to_string().to_ascii_lowercase()
}

fn weight(name: &EntryName, value: &Text) -> u64 {
    (2 * name.as_bytes().len() + value.as_bytes().len()) as u64
}
