//! Which mailboxes NOTIFY and ESEARCH are about ([RFC 5465 section
//! 6](https://www.rfc-editor.org/rfc/rfc5465#section-6)).

use std::collections::BTreeSet;

use mailwire_imap::{extensions::notify::MailboxFilter, types::MailboxName};

use super::{
    answers::Namespaces,
    listing::{Mailbox, unicode_name},
};

/// Picks mailboxes (RFC 5465 section 6).
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// The prefixes of those that are not the user's own.
    personal: Option<Vec<String>>,
    pub(super) subscribed: bool,
    exactly: BTreeSet<String>,
    /// These and what lies below them.
    below: BTreeSet<String>,
    /// These and what lies one level below them.
    one_below: BTreeSet<String>,
}

impl Filter {
    /// What any of these pick, but for the selected mailbox.
    pub(super) fn new<'a>(
        mailboxes: impl IntoIterator<Item = &'a MailboxFilter>,
        namespaces: &Namespaces,
        utf8: bool,
    ) -> Self {
        let delimiter = namespaces.personal.first().and_then(|(_, delimiter)| *delimiter);
        // What is no name is no mailbox, and not looked at (section 3.1).
        let names = |list: &'a [MailboxName]| {
            let names = list.iter().filter_map(move |name| unicode_name(name, utf8));
            names.map(move |name| spelt(name, delimiter))
        };
        let mut filter = Self::default();
        for mailboxes in mailboxes {
            match mailboxes {
                MailboxFilter::Selected | MailboxFilter::SelectedDelayed => {}
                MailboxFilter::Subscribed => filter.subscribed = true,
                MailboxFilter::Subtree(list) => filter.below.extend(names(list)),
                MailboxFilter::SubtreeOne(list) => filter.one_below.extend(names(list)),
                MailboxFilter::Mailboxes(list) => filter.exactly.extend(names(list)),
                // Mail may be delivered to all of them (section 6.3).
                _ => {
                    let others = namespaces.other_users.iter().chain(&namespaces.shared);
                    filter.personal = Some(others.map(|(prefix, _)| prefix.clone()).collect());
                }
            }
        }
        filter
    }

    pub(super) fn is_empty(&self) -> bool {
        self.personal.is_none() && !self.subscribed && self.named().next().is_none()
    }

    pub(super) fn covers(&self, mailbox: &Mailbox) -> bool {
        let name = mailbox.name.as_str();
        let is_own = |others: &Vec<String>| !others.iter().any(|other| name.starts_with(other));
        (self.subscribed && mailbox.subscribed)
            || self.personal.as_ref().is_some_and(is_own)
            || [&self.exactly, &self.below, &self.one_below].into_iter().any(|names| names.contains(name))
            || mailbox.delimiter.is_some_and(|delimiter| self.is_below(name, delimiter))
    }

    fn is_below(&self, name: &str, delimiter: char) -> bool {
        if self.below.is_empty() && self.one_below.is_empty() {
            return false;
        }
        let mut above = name.rmatch_indices(delimiter).filter_map(|(end, _)| name.get(..end)).peekable();
        above.peek().is_some_and(|parent| self.one_below.contains(*parent))
            || above.any(|above| self.below.contains(above))
    }

    /// The mailboxes that are named, whether or not they are there.
    pub(super) fn named(&self) -> impl Iterator<Item = &String> {
        self.exactly.iter().chain(&self.below).chain(&self.one_below)
    }

    /// Picks what another one picks, too.
    pub(super) fn add(&mut self, other: &Self) {
        if self.personal.is_none() {
            self.personal.clone_from(&other.personal);
        }
        self.subscribed |= other.subscribed;
        self.exactly.extend(other.exactly.iter().cloned());
        self.below.extend(other.below.iter().cloned());
        self.one_below.extend(other.one_below.iter().cloned());
    }

    pub(super) fn bytes(&self) -> usize {
        self.named().map(String::len).sum()
    }
}

/// A name as sessions spell it: INBOX in capitals, and no delimiter at the end.
fn spelt(mut name: String, delimiter: Option<char>) -> String {
    const INBOX: &str = "INBOX";
    if let Some(delimiter) = delimiter {
        if name.ends_with(delimiter) {
            name.pop();
        }
    }
    let (first, rest) = name.split_at_checked(INBOX.len()).unwrap_or_default();
    if first.eq_ignore_ascii_case(INBOX)
        && (rest.is_empty() || delimiter.is_some_and(|one| rest.starts_with(one)))
    {
        return format!("{INBOX}{rest}");
    }
    name
}
