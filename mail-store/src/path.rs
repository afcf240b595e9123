//! Names of mailboxes.

use std::{fmt, sync::Arc};

use crate::{Error, Result};

/// What divides the levels of a mailbox's name.
pub const DELIMITER: char = '/';

const INBOX: &str = "INBOX";
/// Bytes of a name.
const MAX_BYTES: usize = 1000;
/// Bytes of one level: what file systems and other servers have room for.
const MAX_LEVEL_BYTES: usize = 255;
const MAX_LEVELS: usize = 32;

/// The name of a mailbox in Unicode, with [`DELIMITER`] between its levels: `work/2026`.
///
/// It has from 1 to 1000 bytes and at most 32 levels of 1 to 255 bytes, and neither control
/// characters nor `*` and `%`, which are wildcards of LIST. `INBOX` stands in capitals, alone or as
/// the first level (RFC 9051 section 5.1).
///
/// # Examples
///
/// ```
/// use mailwire_store::MailboxPath;
///
/// let path = MailboxPath::new("inbox/lists/rust")?;
/// assert_eq!(path.as_str(), "INBOX/lists/rust");
/// assert_eq!(path.parents().collect::<Vec<_>>(), ["INBOX", "INBOX/lists"]);
/// assert!(MailboxPath::new("a//b").is_err());
/// # Ok::<(), mailwire_store::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxPath(Arc<str>);

impl MailboxPath {
    /// A name that a mailbox can have. A delimiter at its end (RFC 9051 section 6.3.4) is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::MailboxName`].
    pub fn new(name: &str) -> Result<Self> {
        let name = name.strip_suffix(DELIMITER).unwrap_or(name);
        let wrong = |reason| Err(Error::MailboxName(reason));
        if name.is_empty() || name.len() > MAX_BYTES {
            return wrong("empty or too long");
        }
        if name.split(DELIMITER).any(str::is_empty) {
            return wrong("it has an empty level");
        }
        if name.split(DELIMITER).any(|level| level.len() > MAX_LEVEL_BYTES) {
            return wrong("a level is too long");
        }
        if name.split(DELIMITER).count() > MAX_LEVELS {
            return wrong("it has too many levels");
        }
        if name.chars().any(|c| c.is_control() || matches!(c, '*' | '%')) {
            return wrong("it has wildcards or control characters");
        }
        Ok(match name.split_at_checked(INBOX.len()) {
            Some((inbox, rest))
                if inbox.eq_ignore_ascii_case(INBOX) && (rest.is_empty() || rest.starts_with(DELIMITER)) =>
            {
                Self(format!("{INBOX}{rest}").into())
            }
            _ => Self(name.into()),
        })
    }

    /// `INBOX`, which every account has.
    #[must_use]
    pub fn inbox() -> Self {
        Self(INBOX.into())
    }

    /// Whether this is `INBOX` itself.
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        self.as_str() == INBOX
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names of the levels above it, from the top.
    pub fn parents(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices(DELIMITER).filter_map(|(end, _)| self.0.get(..end))
    }

    /// Whether it lies below another.
    #[must_use]
    pub fn is_below(&self, other: &Self) -> bool {
        self.as_str().strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with(DELIMITER))
    }

    /// The name that this one has after `from`, which it is or lies below, was renamed to `to`.
    ///
    /// # Errors
    ///
    /// [`Error::MailboxName`]: it would be too long or too deep.
    pub fn renamed(&self, from: &Self, to: &Self) -> Result<Self> {
        let rest = self.as_str().strip_prefix(from.as_str()).unwrap_or_default();
        Self::new(&format!("{to}{rest}"))
    }
}

impl fmt::Display for MailboxPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for MailboxPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl std::borrow::Borrow<str> for MailboxPath {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl TryFrom<&str> for MailboxPath {
    type Error = Error;
    fn try_from(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in [
            "",
            "/",
            "/a",
            "a//b",
            "a\r\nb",
            "a*",
            "%",
            &"a".repeat(256),
            &"\u{e4}".repeat(128),
            &["a"; 1001].join("/"),
            &"a/".repeat(33),
        ] {
            assert!(matches!(MailboxPath::new(name), Err(Error::MailboxName(_))), "{name:?}");
        }
        assert!(MailboxPath::new(&["a".repeat(255), "b".repeat(255)].join("/")).is_ok());
        for (name, is) in
            [("Sent/", "Sent"), ("inBox", "INBOX"), ("inbox/a", "INBOX/a"), ("inboxes", "inboxes")]
        {
            assert_eq!(MailboxPath::new(name).unwrap().as_str(), is);
        }
    }

    #[test]
    fn renaming() {
        let path = |name| MailboxPath::new(name).unwrap();
        assert_eq!(path("a/b").renamed(&path("a"), &path("x/y")).unwrap(), path("x/y/b"));
        assert_eq!(path("a").renamed(&path("a"), &path("x")).unwrap(), path("x"));
        assert!(path("a/b").is_below(&path("a")) && !path("ab").is_below(&path("a")));
        assert!(path(&"x/".repeat(20)).renamed(&path("x"), &path(&"y/".repeat(20))).is_err());
    }
}
