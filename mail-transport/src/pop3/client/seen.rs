//! What was downloaded in earlier sessions.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::{self, Write as _},
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use mailwire_core::Invalid;
use mailwire_pop3::UniqueId;

use super::HeaderDigest;

/// The messages of one maildrop that were downloaded in earlier sessions, by their unique ids: the state of
/// [`Client::download`](super::Client::download), which the caller keeps from session to session.
///
/// It is no larger than the server's listing: what is gone from there is forgotten. `Display` writes it as text of
/// ASCII, a line a message, and `FromStr` reads it again.
///
/// ```text
/// line   = (seconds / "-") SP (octets / "-") SP (unique-id / "header" SP digest) LF
/// ```
///
/// `seconds`, since 1970, are when the message was confirmed, `-` if it was begun and never was. In the unique id, `%`
/// and what is not printable ASCII are written as `%` and two hexadecimal digits. `digest` is a [`HeaderDigest`], of
/// servers without unique ids.
///
/// # Examples
///
/// ```
/// use mailwire_transport::pop3::Seen;
///
/// let seen: Seen = "1793664000 320 whqtswO00WBw418f9t5JxYwZ\n- 120 QhdPYR:00WBw1Ph7x7\n".parse()?;
/// assert_eq!(seen.len(), 2);
/// assert_eq!(seen.to_string().lines().count(), 2);
/// # Ok::<(), mailwire_core::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    messages: BTreeMap<Key, Known>,
}

/// What a message is known by in all sessions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key {
    UniqueId(Box<[u8]>),
    Header(HeaderDigest),
}

impl From<&UniqueId> for Key {
    fn from(unique_id: &UniqueId) -> Self {
        Self::UniqueId(unique_id.as_bytes().into())
    }
}

/// A message that was handed to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// When it was confirmed, in seconds since 1970; `None`: never yet.
    pub(super) confirmed: Option<u64>,
    /// Its size as LIST told it. Another message with a unique id that is used again has another, most of the time.
    octets: Option<u64>,
}

impl Seen {
    /// Nothing was downloaded yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { messages: BTreeMap::new() }
    }

    /// Returns the number of messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether no messages are known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Returns when a message was confirmed; `None` if it was not.
    #[must_use]
    pub fn confirmed(&self, unique_id: &UniqueId) -> Option<SystemTime> {
        let seconds = self.messages.get(&unique_id.into())?.confirmed?;
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }

    /// Forgets a message, so that it is downloaded again.
    pub fn forget(&mut self, unique_id: &UniqueId) {
        self.remove(&unique_id.into());
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.messages.remove(key);
    }

    /// What is known of a message of this size. An equal header says something of one whose size is known alone.
    pub(super) fn get(&self, key: &Key, octets: Option<u64>) -> Option<Known> {
        let known = self.messages.get(key)?;
        let same = match (known.octets, octets) {
            (Some(then), Some(now)) => then == now,
            _ => matches!(key, Key::UniqueId(_)),
        };
        same.then_some(*known)
    }

    /// The message is handed to the caller.
    pub(super) fn begin(&mut self, key: Key, octets: Option<u64>) {
        self.messages.insert(key, Known { confirmed: None, octets });
    }

    /// The message is stored. That it was so before stays.
    pub(super) fn confirm(&mut self, key: &Key, now: u64) {
        if let Some(known) = self.messages.get_mut(key) {
            known.confirmed.get_or_insert(now);
        }
    }

    /// Forgets what is not listed. A server that tells no unique ids this time has not said that they are gone.
    pub(super) fn retain(&mut self, listed: &HashSet<Key>, unique_ids: bool) {
        self.messages
            .retain(|key, _| listed.contains(key) || (!unique_ids && matches!(key, Key::UniqueId(_))));
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, known) in &self.messages {
            for number in [known.confirmed, known.octets] {
                match number {
                    Some(number) => write!(f, "{number} ")?,
                    None => f.write_str("- ")?,
                }
            }
            match key {
                Key::UniqueId(unique_id) => escaped(f, unique_id)?,
                Key::Header(digest) => write!(f, "{HEADER} {digest}")?,
            }
            f.write_char('\n')?;
        }
        Ok(())
    }
}

const HEADER: &str = "header";

fn escaped(f: &mut fmt::Formatter<'_>, unique_id: &[u8]) -> fmt::Result {
    for &byte in unique_id {
        match byte {
            b'%' => f.write_str("%25")?,
            b'!'..=b'~' => f.write_char(byte.into())?,
            _ => write!(f, "%{byte:02x}")?,
        }
    }
    Ok(())
}

impl FromStr for Seen {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut seen = Self::new();
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
            let (key, known) = read(line.trim_end()).ok_or(Invalid::new(
                "state of a download",
                offset,
                "not such a line",
            ))?;
            seen.messages.insert(key, known);
            offset = offset.saturating_add(line.len());
        }
        Ok(seen)
    }
}

fn read(line: &str) -> Option<(Key, Known)> {
    let mut words = line.split(' ');
    let mut number = || match words.next()? {
        "-" => Some(None),
        digits => digits.parse().ok().map(Some),
    };
    let known = Known { confirmed: number()?, octets: number()? };
    let word = words.next().filter(|word| !word.is_empty())?;
    if let Some(digest) = words.next() {
        let digest = digest.parse().ok().filter(|_| word == HEADER && words.next().is_none())?;
        return Some((Key::Header(digest), known));
    }
    let mut pieces = word.split('%');
    let mut unique_id = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        unique_id.push(u8::from_str_radix(digits, 16).ok()?);
        unique_id.extend_from_slice(rest.as_bytes());
    }
    Some((Key::UniqueId(unique_id.into()), known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(unique_id: &[u8]) -> Key {
        Key::UniqueId(unique_id.into())
    }

    #[test]
    fn text_and_back() {
        let mut seen = Seen::new();
        for (id, octets) in [(&b"plain"[..], Some(3)), (b"a b%c", None), (b"\xff\r\n", Some(u64::MAX))] {
            seen.begin(key(id), octets);
        }
        seen.confirm(&key(b"plain"), 7);
        seen.confirm(&key(b"plain"), 8);
        let digest = "07".repeat(32);
        seen.begin(Key::Header(digest.parse().unwrap()), Some(5));
        let text = seen.to_string();
        // In the order of the ids.
        let lines = "- - a%20b%25c\n7 3 plain\n- 18446744073709551615 %ff%0d%0a\n";
        assert_eq!(text, format!("{lines}- 5 header {digest}\n"));
        assert_eq!(text.parse::<Seen>().unwrap(), seen);
        assert_eq!("".parse::<Seen>().unwrap(), Seen::new());
        assert!("1 2 a".parse::<Seen>().is_ok(), "the last line end can be missing");
        for wrong in [
            "1 2",
            "1 2 ",
            "x 2 a",
            "1 2 a b",
            "1 2 %f",
            "1 2 %zz",
            "\n",
            "1  a",
            "1 2 %\u{e9}x",
            "1 2 header 07",
        ] {
            assert!(wrong.parse::<Seen>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn another_size_is_another_message() {
        let mut seen = Seen::new();
        let (a, b) = (key(b"a"), key(b"b"));
        seen.begin(a.clone(), Some(3));
        assert!(seen.get(&a, Some(3)).is_some() && seen.get(&a, None).is_some());
        assert!(seen.get(&a, Some(4)).is_none() && seen.get(&b, Some(3)).is_none());
        // What is known by its header has to have its size, too.
        let header = Key::Header("00".repeat(32).parse().unwrap());
        seen.begin(header.clone(), Some(3));
        assert!(seen.get(&header, Some(3)).is_some() && seen.get(&header, None).is_none());
    }
}
