//! Names of mailboxes, from one server to another.

use anyhow::Result;
use mailwire_transport::imap::{Capability, Client};

use crate::Failed;

/// How a server makes names of levels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Names {
    /// The character between the levels.
    pub delimiter: Option<char>,
    /// What the names of the user's own mailboxes begin with, other than INBOX.
    pub prefix: String,
    /// What the names of others' mailboxes begin with.
    pub foreign: Vec<String>,
}

impl Names {
    pub(super) async fn of(client: &mut Client, delimiter: Option<char>) -> Result<Self, Failed> {
        if !client.capabilities().has_or_rev2(&Capability::Namespace) {
            return Ok(Self { delimiter, ..Self::default() });
        }
        let namespaces = client.namespace().await?;
        let unicode = |prefix: &[u8]| {
            mailwire_transport::imap::proto::types::MailboxName::from_wire(prefix)
                .map(|name| name.to_unicode().into_owned())
                .unwrap_or_default()
        };
        let prefix =
            namespaces.personal.first().map(|own| unicode(own.prefix.as_bytes())).unwrap_or_default();
        let foreign = namespaces.other_users.iter().chain(&namespaces.shared);
        let foreign =
            foreign.map(|other| unicode(other.prefix.as_bytes())).filter(|prefix| !prefix.is_empty());
        Ok(Self { delimiter, prefix, foreign: foreign.collect() })
    }

    /// Whether a mailbox is another user's, or shared.
    pub(super) fn is_foreign(&self, name: &str) -> bool {
        self.foreign.iter().any(|prefix| {
            name.starts_with(prefix.as_str())
                || self.delimiter.and_then(|end| prefix.strip_suffix(end)) == Some(name)
        })
    }

    /// What a mailbox of this server is called on another one.
    pub(super) fn translate(&self, name: &str, to: &Self) -> String {
        if name.eq_ignore_ascii_case("INBOX") {
            return "INBOX".to_owned();
        }
        let own = name.strip_prefix(self.prefix.as_str()).filter(|own| !own.is_empty()).unwrap_or(name);
        let levels = own.split(|letter| Some(letter) == self.delimiter);
        let mut levels: Vec<String> = levels
            .map(|level| match to.delimiter {
                Some(delimiter) => level.replace(delimiter, "_"),
                None => level.to_owned(),
            })
            .collect();
        // Below INBOX anyway.
        let is_below = to.prefix.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("INBOX"));
        if is_below
            && levels.len() > 1
            && levels.first().is_some_and(|first| first.eq_ignore_ascii_case("INBOX"))
        {
            levels.remove(0);
        }
        let between = to.delimiter.map_or_else(|| "_".to_owned(), String::from);
        format!("{}{}", to.prefix, levels.join(&between))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(delimiter: char, prefix: &str) -> Names {
        Names { delimiter: Some(delimiter), prefix: prefix.to_owned(), foreign: vec!["#shared/".to_owned()] }
    }

    #[test]
    fn separators_and_prefixes_are_translated() {
        let (slash, dot, courier) = (names('/', ""), names('.', ""), names('.', "INBOX."));
        let flat = Names::default();
        for (from, to, name, expected) in [
            (&slash, &slash, "a/b.c", "a/b.c"),
            (&slash, &dot, "a/b.c", "a.b_c"),
            (&dot, &slash, "a.b/c", "a/b_c"),
            (&courier, &slash, "INBOX.Sent.2025", "Sent/2025"),
            (&slash, &courier, "Sent/2025", "INBOX.Sent.2025"),
            (&slash, &courier, "INBOX/sub", "INBOX.sub"),
            (&slash, &dot, "Inbox/sub", "Inbox.sub"),
            (&courier, &courier, "INBOX.INBOX.x", "INBOX.x"),
            (&slash, &courier, "inbox", "INBOX"),
            (&slash, &flat, "a/Entwürfe", "a_Entwürfe"),
            (&flat, &slash, "a/b", "a_b"),
            (&courier, &slash, "INBOX.", "INBOX/"),
        ] {
            assert_eq!(from.translate(name, to), expected, "{name}");
        }
        assert!(slash.is_foreign("#shared/x") && slash.is_foreign("#shared") && !slash.is_foreign("shared"));
    }
}
