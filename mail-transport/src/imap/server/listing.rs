//! LIST and LSUB: which of an application's mailboxes a client is shown, and how.

use std::collections::{BTreeMap, BTreeSet};

use mailwire_imap::{
    command::{List, ListSelectOpt},
    types::{ListPattern, MailboxAttribute, MailboxName},
};

/// A mailbox as an application lists it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The name, in Unicode.
    pub name: String,
    /// The character between the levels of the name; `None` if it has only one.
    pub delimiter: Option<char>,
    /// The attributes of the mailbox. A name that is only subscribed to has
    /// [`NonExistent`](MailboxAttribute::NonExistent). Whether there are mailboxes below it is worked
    /// out if nothing is said.
    pub attributes: Vec<MailboxAttribute>,
    /// Whether the user is subscribed to it.
    pub subscribed: bool,
}

impl Mailbox {
    /// A mailbox without attributes, in a hierarchy that is divided by `/`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), delimiter: Some('/'), attributes: Vec::new(), subscribed: false }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, attribute: MailboxAttribute) -> Self {
        self.attributes.push(attribute);
        self
    }

    /// Sets whether the user is subscribed to it.
    #[must_use]
    pub const fn subscribed(mut self, subscribed: bool) -> Self {
        self.subscribed = subscribed;
        self
    }

    fn has(&self, attribute: &MailboxAttribute) -> bool {
        self.attributes.contains(attribute)
    }

    /// Whether it can be selected, as far as its attributes say.
    pub(super) fn is_selectable(&self) -> bool {
        !self.has(&MailboxAttribute::NoSelect) && !self.has(&MailboxAttribute::NonExistent)
    }
}

/// One line of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) mailbox: Mailbox,
    /// It is there for the sake of a subscription below it, which the pattern does not reach
    /// (`CHILDINFO`).
    pub(super) child_subscribed: bool,
}

/// A name as it stands on the wire: in modified UTF-7 until IMAP4rev2 is enabled. `None` for what
/// cannot be a name.
pub(super) fn wire_name(name: &str, utf8: bool) -> Option<MailboxName> {
    if utf8 { MailboxName::new_utf8(name) } else { MailboxName::new(name) }.ok()
}

/// The name that a client means.
pub(super) fn unicode_name(name: &MailboxName, utf8: bool) -> String {
    if utf8 { name.as_text().to_string_lossy().into_owned() } else { name.to_unicode().into_owned() }
}

/// What LIST answers (RFC 9051 section 6.3.9).
pub(super) fn list(all: Vec<Mailbox>, list: &List, utf8: bool) -> Vec<Listed> {
    let selects = |selection: &ListSelectOpt| list.selection().contains(selection);
    let pattern = Patterns::new(&list.reference, &list.patterns, utf8);
    let subscribed = selects(&ListSelectOpt::Subscribed);
    let recursive = selects(&ListSelectOpt::RecursiveMatch);
    let mut listed = Vec::new();
    for node in tree(all) {
        if !pattern.matches(&node.mailbox) {
            continue;
        }
        let mailbox = &node.mailbox;
        let child_subscribed = recursive && node.subscribed_below;
        let chosen = if subscribed {
            mailbox.subscribed || child_subscribed
        } else if selects(&ListSelectOpt::SpecialUse) {
            mailbox.attributes.iter().any(is_special_use)
        } else {
            // A subscription alone is no mailbox; a name with mailboxes below it is one level.
            !mailbox.has(&MailboxAttribute::NonExistent) || node.exists_below
        };
        if chosen {
            listed.push(Listed { child_subscribed, mailbox: node.into_mailbox() });
        }
    }
    listed
}

/// What LSUB answers (RFC 3501 section 6.3.9). With `%`, a subscription that lies deeper shows its
/// level, as one that cannot be selected.
pub(super) fn lsub(
    all: Vec<Mailbox>,
    reference: &MailboxName,
    pattern: &ListPattern,
    utf8: bool,
) -> Vec<Listed> {
    let by_level = pattern.as_bytes().contains(&b'%');
    let pattern = Patterns::new(reference, std::slice::from_ref(pattern), utf8);
    tree(all)
        .into_iter()
        .filter(|node| pattern.matches(&node.mailbox))
        .filter(|node| node.mailbox.subscribed || (by_level && node.subscribed_below))
        .map(|node| {
            let mut mailbox = node.mailbox;
            mailbox.attributes =
                if mailbox.subscribed { Vec::new() } else { vec![MailboxAttribute::NoSelect] };
            Listed { mailbox, child_subscribed: false }
        })
        .collect()
}

fn is_special_use(attribute: &MailboxAttribute) -> bool {
    use MailboxAttribute as A;
    matches!(
        attribute,
        A::All | A::Archive | A::Drafts | A::Flagged | A::Junk | A::Sent | A::Trash | A::Important
    )
}

struct Patterns(Vec<ListPattern>, bool);

impl Patterns {
    /// The reference stands before each pattern.
    fn new(reference: &MailboxName, patterns: &[ListPattern], utf8: bool) -> Self {
        let joined = |pattern: &ListPattern| {
            if reference.as_bytes().is_empty() {
                return Some(pattern.clone());
            }
            ListPattern::from_wire([reference.as_bytes(), pattern.as_bytes()].concat()).ok()
        };
        Self(patterns.iter().filter_map(joined).collect(), utf8)
    }

    fn matches(&self, mailbox: &Mailbox) -> bool {
        let Some(name) = wire_name(&mailbox.name, self.1) else { return false };
        let delimiter = mailbox.delimiter.and_then(|delimiter| u8::try_from(delimiter).ok());
        self.0.iter().any(|pattern| pattern.matches(&name, delimiter))
    }
}

struct Node {
    mailbox: Mailbox,
    exists_below: bool,
    subscribed_below: bool,
}

impl Node {
    fn into_mailbox(self) -> Mailbox {
        use MailboxAttribute::{HasChildren, HasNoChildren, NoInferiors};
        let mut mailbox = self.mailbox;
        if ![HasChildren, HasNoChildren, NoInferiors].iter().any(|said| mailbox.has(said)) {
            mailbox.attributes.push(if self.exists_below { HasChildren } else { HasNoChildren });
        }
        mailbox
    }
}

/// All names, and the levels above them that were left out, in order.
fn tree(all: Vec<Mailbox>) -> Vec<Node> {
    let (mut exists_above, mut subscribed_above) = (BTreeSet::new(), BTreeSet::new());
    let mut missing: BTreeMap<String, Option<char>> = BTreeMap::new();
    for mailbox in &all {
        let Some(delimiter) = mailbox.delimiter else { continue };
        let exists = !mailbox.has(&MailboxAttribute::NonExistent);
        for (end, _) in mailbox.name.match_indices(delimiter) {
            let Some(level) = mailbox.name.get(..end).filter(|level| !level.is_empty()) else { continue };
            missing.insert(level.to_owned(), mailbox.delimiter);
            if exists {
                exists_above.insert(level.to_owned());
            }
            if mailbox.subscribed {
                subscribed_above.insert(level.to_owned());
            }
        }
    }
    for mailbox in &all {
        missing.remove(&mailbox.name);
    }
    let missing = missing.into_iter().map(|(name, delimiter)| Mailbox {
        name,
        delimiter,
        attributes: vec![MailboxAttribute::NonExistent],
        subscribed: false,
    });
    let mut nodes: Vec<Node> = all
        .into_iter()
        .chain(missing)
        .map(|mailbox| Node {
            exists_below: exists_above.contains(&mailbox.name),
            subscribed_below: subscribed_above.contains(&mailbox.name),
            mailbox,
        })
        .collect();
    // INBOX first, as people expect it.
    nodes.sort_by(|a, b| {
        let key = |node: &Node| (node.mailbox.name != "INBOX", node.mailbox.name.clone());
        key(a).cmp(&key(b))
    });
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Mailbox> {
        vec![
            Mailbox::new("Sent").with(MailboxAttribute::Sent).subscribed(true),
            Mailbox::new("a"),
            Mailbox::new("a/b/c").subscribed(true),
            Mailbox::new("gone").with(MailboxAttribute::NonExistent).subscribed(true),
            Mailbox::new("INBOX"),
            Mailbox::new("Entw\u{fc}rfe"),
        ]
    }

    fn names(selection: &[ListSelectOpt], reference: &str, pattern: &str) -> Vec<String> {
        let request = List::new(MailboxName::new(reference).unwrap(), ListPattern::new(pattern).unwrap())
            .selecting(selection.to_vec());
        let show = |listed: Listed| {
            let mark = if listed.child_subscribed { "+" } else { "" };
            format!("{}{mark}", listed.mailbox.name)
        };
        list(all(), &request, false).into_iter().map(show).collect()
    }

    #[test]
    fn patterns() {
        assert_eq!(names(&[], "", "*"), ["INBOX", "Entw\u{fc}rfe", "Sent", "a", "a/b", "a/b/c"]);
        assert_eq!(names(&[], "", "%"), ["INBOX", "Entw\u{fc}rfe", "Sent", "a"]);
        assert_eq!(names(&[], "a/", "%"), ["a/b"]);
        assert_eq!(names(&[], "", "inbox"), ["INBOX"]);
        assert_eq!(names(&[], "", "Entw\u{fc}%"), ["Entw\u{fc}rfe"]);
        assert_eq!(names(&[], "", "gone"), [""; 0]);
    }

    #[test]
    fn selections() {
        let subscribed = ListSelectOpt::Subscribed;
        assert_eq!(names(std::slice::from_ref(&subscribed), "", "*"), ["Sent", "a/b/c", "gone"]);
        assert_eq!(names(std::slice::from_ref(&subscribed), "", "%"), ["Sent", "gone"]);
        assert_eq!(names(&[subscribed, ListSelectOpt::RecursiveMatch], "", "%"), ["Sent", "a+", "gone"]);
        assert_eq!(names(&[ListSelectOpt::SpecialUse], "", "*"), ["Sent"]);
    }

    #[test]
    fn attributes() {
        let request = List::new(MailboxName::new("").unwrap(), ListPattern::ALL);
        let listed = list(all(), &request, false);
        let attributes = |name: &str| {
            listed.iter().find(|listed| listed.mailbox.name == name).unwrap().mailbox.attributes.clone()
        };
        assert_eq!(attributes("a"), [MailboxAttribute::HasChildren]);
        assert_eq!(attributes("a/b"), [MailboxAttribute::NonExistent, MailboxAttribute::HasChildren]);
        assert_eq!(attributes("Sent"), [MailboxAttribute::Sent, MailboxAttribute::HasNoChildren]);
    }

    #[test]
    fn lsub_shows_levels() {
        let lsub = |pattern: &str| {
            super::lsub(all(), &MailboxName::new("").unwrap(), &ListPattern::new(pattern).unwrap(), false)
                .into_iter()
                .map(|listed| (listed.mailbox.name, listed.mailbox.attributes.len()))
                .collect::<Vec<_>>()
        };
        let expected = |list: &[(&str, usize)]| {
            list.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<Vec<_>>()
        };
        assert_eq!(lsub("*"), expected(&[("Sent", 0), ("a/b/c", 0), ("gone", 0)]));
        assert_eq!(lsub("%"), expected(&[("Sent", 0), ("a", 1), ("gone", 0)]));
    }
}
