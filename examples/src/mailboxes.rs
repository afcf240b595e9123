//! Which mailboxes of an account are meant.

use anyhow::{Context as _, Result};
use mailwire_transport::imap::{
    Client,
    proto::{
        response::ListData,
        types::{ListPattern, MailboxName},
    },
};

use crate::Usage;

/// Which mailboxes of an account are meant.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct MailboxArguments {
    /// Only mailboxes whose names match this: `*` stands for anything, `%` for anything within one level; may be
    /// given several times
    #[arg(long, value_name = "PATTERN")]
    pub include: Vec<String>,
    /// No mailboxes whose names match this; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
}

impl MailboxArguments {
    /// Whether a mailbox is meant.
    ///
    /// # Errors
    ///
    /// A pattern cannot be one.
    pub fn mean(&self, name: &MailboxName, delimiter: Option<char>) -> Result<bool> {
        let delimiter = delimiter.and_then(|delimiter| u8::try_from(delimiter).ok());
        let matches = |patterns: &[String]| {
            patterns.iter().try_fold(false, |found, pattern| {
                let parsed = ListPattern::new(pattern);
                let pattern = parsed.map_err(|error| Usage(format!("{pattern}: {error}")))?;
                Ok::<_, Usage>(found || pattern.matches(&name.to_utf7(), delimiter))
            })
        };
        Ok((self.include.is_empty() || matches(&self.include)?) && !matches(&self.exclude)?)
    }

    /// The mailboxes of an account that are meant and have messages, and the character between the levels of names.
    ///
    /// # Errors
    ///
    /// A pattern cannot be one, or the server does not list them.
    pub async fn of(&self, client: &mut Client) -> Result<(Vec<ListData>, Option<char>)> {
        let listed = client.list("", "*").await.context("LIST")?;
        let delimiter = delimiter(&listed);
        let mut mailboxes = Vec::new();
        for mailbox in listed {
            if mailbox.is_selectable() && self.mean(&mailbox.name, delimiter)? {
                mailboxes.push(mailbox);
            }
        }
        Ok((mailboxes, delimiter))
    }
}

/// The character between the levels of names.
#[must_use]
pub fn delimiter(listed: &[ListData]) -> Option<char> {
    listed.iter().find_map(|mailbox| mailbox.delimiter).map(char::from)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn excluding_goes_before_including() {
        let patterns = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let meant = |include: &[&str], exclude: &[&str], name| {
            let arguments = MailboxArguments { include: patterns(include), exclude: patterns(exclude) };
            arguments.mean(&MailboxName::new_utf8(name).unwrap(), Some('/')).unwrap()
        };
        assert!(meant(&[], &[], "a/b"));
        assert!(!meant(&["%"], &[], "a/b"));
        assert!(meant(&["%", "a/*"], &[], "a/b"));
        assert!(!meant(&["*"], &["a/*"], "a/b"));
        assert!(meant(&["Entwürfe"], &[], "Entwürfe"));
        assert!(meant(&["inbox"], &[], "INBOX"));
    }
}
