//! LIST and LSUB: which of an application's mailboxes a client is shown, and how.

use mailwire_imap::{
    command::{List, ListSelectOpt},
    types::{ListMatcher, ListPattern, MailboxAttribute, MailboxName},
};

use crate::{Budget, OverBudget};

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

/// The name that a client means. `None` if it is written in another way than [`wire_name`] writes it: two
/// spellings would be one mailbox, or one that cannot be shown.
pub(super) fn unicode_name(name: &MailboxName, utf8: bool) -> Option<String> {
    if utf8 {
        return name.as_text().as_str().map(str::to_owned);
    }
    name.is_utf7().then(|| name.to_unicode().into_owned())
}

/// What LIST or LSUB asks for.
pub(super) struct Listing {
    patterns: Vec<ListMatcher>,
    utf8: bool,
    choice: Choice,
}

enum Choice {
    List {
        /// SUBSCRIBED.
        subscribed: bool,
        /// RECURSIVEMATCH.
        recursive: bool,
        /// SPECIAL-USE.
        special_use: bool,
    },
    Lsub {
        /// With `%`, a subscription that lies deeper shows its level.
        by_level: bool,
    },
}

impl Listing {
    /// What LIST asks for (RFC 9051 section 6.3.9).
    pub(super) fn list(list: &List, utf8: bool) -> Self {
        let selects = |selection: &ListSelectOpt| list.selection().contains(selection);
        let choice = Choice::List {
            subscribed: selects(&ListSelectOpt::Subscribed),
            recursive: selects(&ListSelectOpt::RecursiveMatch),
            special_use: selects(&ListSelectOpt::SpecialUse),
        };
        Self { patterns: patterns(&list.reference, &list.patterns), utf8, choice }
    }

    /// What LSUB asks for (RFC 3501 section 6.3.9).
    pub(super) fn lsub(reference: &MailboxName, pattern: &ListPattern, utf8: bool) -> Self {
        let by_level = pattern.as_bytes().contains(&b'%');
        let patterns = patterns(reference, std::slice::from_ref(pattern));
        Self { patterns, utf8, choice: Choice::Lsub { by_level } }
    }

    /// The line that this asks for of a name, if it does. What it takes to find out is counted.
    pub(super) async fn line(
        &self,
        entry: Entry<'_>,
        budget: &mut Budget,
    ) -> Result<Option<Listed>, OverBudget> {
        if !self.chooses(&entry) {
            budget.spend(COMPARISON).await?;
            return Ok(None);
        }
        let Some(name) = wire_name(entry.name(), self.utf8) else { return Ok(None) };
        let delimiter = entry.mailbox.delimiter.and_then(|delimiter| u8::try_from(delimiter).ok());
        let cost = COMPARISON + name.as_bytes().len() as u64;
        for pattern in &self.patterns {
            budget.spend(cost).await?;
            if pattern.matches(&name, delimiter) {
                return Ok(Some(self.shown(&entry)));
            }
        }
        Ok(None)
    }

    fn chooses(&self, entry: &Entry<'_>) -> bool {
        let subscribed = entry.is_mailbox() && entry.mailbox.subscribed;
        match self.choice {
            Choice::List { subscribed: true, recursive, .. } => {
                subscribed || (recursive && entry.node.subscribed_below)
            }
            Choice::List { special_use: true, .. } => {
                entry.is_mailbox() && entry.mailbox.attributes.iter().any(MailboxAttribute::is_special_use)
            }
            // A subscription alone is no mailbox; a name with mailboxes below it is one level.
            Choice::List { .. } => {
                entry.node.exists_below
                    || (entry.is_mailbox() && !entry.mailbox.has(&MailboxAttribute::NonExistent))
            }
            Choice::Lsub { by_level } => subscribed || (by_level && entry.node.subscribed_below),
        }
    }

    fn shown(&self, entry: &Entry<'_>) -> Listed {
        let mut mailbox = entry.to_mailbox();
        match self.choice {
            Choice::List { recursive, .. } => {
                Listed { mailbox, child_subscribed: recursive && entry.node.subscribed_below }
            }
            Choice::Lsub { .. } => {
                mailbox.attributes =
                    if mailbox.subscribed { Vec::new() } else { vec![MailboxAttribute::NoSelect] };
                Listed { mailbox, child_subscribed: false }
            }
        }
    }
}

/// What a comparison costs beside the bytes of the name.
const COMPARISON: u64 = 16;

/// The reference stands before each pattern.
fn patterns(reference: &MailboxName, patterns: &[ListPattern]) -> Vec<ListMatcher> {
    let joined = |pattern: &ListPattern| {
        if reference.as_bytes().is_empty() {
            return Some(ListMatcher::new(pattern));
        }
        let joined = ListPattern::from_wire([reference.as_bytes(), pattern.as_bytes()].concat());
        joined.ok().map(|pattern| ListMatcher::new(&pattern))
    };
    patterns.iter().filter_map(joined).collect()
}

/// All names in order, each after the levels above it, and INBOX before all others.
pub(super) struct Tree {
    mailboxes: Vec<Mailbox>,
    nodes: Vec<Node>,
}

/// A name, or a level above names that was left out.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// The mailbox whose name begins with this one.
    mailbox: usize,
    /// So many bytes of that are this one.
    length: usize,
    exists_below: bool,
    subscribed_below: bool,
}

/// A name of a [`Tree`].
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    mailbox: &'a Mailbox,
    node: Node,
}

impl Entry<'_> {
    fn name(&self) -> &str {
        self.mailbox.name.get(..self.node.length).unwrap_or_default()
    }

    /// Whether it was listed itself.
    fn is_mailbox(&self) -> bool {
        self.mailbox.name.len() == self.node.length
    }

    fn to_mailbox(self) -> Mailbox {
        use MailboxAttribute::{HasChildren, HasNoChildren, NoInferiors, NonExistent};
        let mut mailbox = if self.is_mailbox() {
            self.mailbox.clone()
        } else {
            let delimiter = self.mailbox.delimiter;
            Mailbox { delimiter, ..Mailbox::new(self.name()).with(NonExistent) }
        };
        if ![HasChildren, HasNoChildren, NoInferiors].iter().any(|said| mailbox.has(said)) {
            mailbox.attributes.push(if self.node.exists_below { HasChildren } else { HasNoChildren });
        }
        mailbox
    }
}

impl Tree {
    /// How many bytes are looked at to make one of these.
    pub(super) fn cost(mailboxes: &[Mailbox]) -> u64 {
        let rounds = u64::from(mailboxes.len().checked_ilog2().unwrap_or_default()) + 4;
        mailboxes.iter().map(|mailbox| mailbox.name.len() as u64 + COMPARISON).sum::<u64>() * rounds
    }

    pub(super) fn new(mut mailboxes: Vec<Mailbox>) -> Self {
        mailboxes.sort_by(by_levels);
        let mut nodes: Vec<Node> = Vec::with_capacity(mailboxes.len());
        // The levels above a name: each is a part of the name after it.
        let mut above: Vec<usize> = Vec::new();
        for (index, mailbox) in mailboxes.iter().enumerate() {
            let is_above = |node: &Node| {
                let level = mailboxes.get(node.mailbox).and_then(|of| of.name.get(..node.length));
                let rest = level.and_then(|level| mailbox.name.strip_prefix(level));
                rest.zip(mailbox.delimiter).is_some_and(|(rest, delimiter)| rest.starts_with(delimiter))
            };
            while above.last().and_then(|&last| nodes.get(last)).is_some_and(|node| !is_above(node)) {
                above.pop();
            }
            let known = above.last().and_then(|&last| nodes.get(last)).map_or(0, |node| node.length);
            let node = Node { mailbox: index, length: 0, exists_below: false, subscribed_below: false };
            if let Some(delimiter) = mailbox.delimiter {
                for (length, _) in mailbox.name.match_indices(delimiter).filter(|(end, _)| *end > known) {
                    above.push(nodes.len());
                    nodes.push(Node { length, ..node });
                }
            }
            let exists = !mailbox.has(&MailboxAttribute::NonExistent);
            for &level in &above {
                if let Some(level) = nodes.get_mut(level) {
                    level.exists_below |= exists;
                    level.subscribed_below |= mailbox.subscribed;
                }
            }
            above.push(nodes.len());
            nodes.push(Node { length: mailbox.name.len(), ..node });
        }
        Self { mailboxes, nodes }
    }

    /// All names.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.nodes.iter().filter_map(|&node| Some(Entry { mailbox: self.mailboxes.get(node.mailbox)?, node }))
    }
}

fn by_levels(one: &Mailbox, other: &Mailbox) -> std::cmp::Ordering {
    fn levels(mailbox: &Mailbox) -> impl Iterator<Item = &str> {
        let delimiter = mailbox.delimiter;
        mailbox.name.split(move |c| Some(c) == delimiter)
    }
    // INBOX first, as people expect it.
    let later = |mailbox: &Mailbox| levels(mailbox).next() != Some("INBOX");
    later(one).cmp(&later(other)).then_with(|| levels(one).cmp(levels(other)))
}

#[cfg(test)]
mod tests {
    use mailwire_imap::command::ListPatterns;

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

    fn lines(listing: &Listing, mailboxes: Vec<Mailbox>) -> Vec<Listed> {
        let mut budget = Budget::unlimited();
        let tree = Tree::new(mailboxes);
        // Nothing is waited for within a turn.
        let line = |entry| futures_util::FutureExt::now_or_never(listing.line(entry, &mut budget));
        tree.entries().map(line).filter_map(|line| line.unwrap().unwrap()).collect()
    }

    fn names(selection: &[ListSelectOpt], reference: &str, pattern: &str) -> Vec<String> {
        let request = List::new(MailboxName::new(reference).unwrap(), ListPattern::new(pattern).unwrap())
            .selecting(selection.to_vec());
        let show = |listed: Listed| {
            let mark = if listed.child_subscribed { "+" } else { "" };
            format!("{}{mark}", listed.mailbox.name)
        };
        lines(&Listing::list(&request, false), all()).into_iter().map(show).collect()
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
        let listed = lines(&Listing::list(&request, false), all());
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
            let pattern = ListPattern::new(pattern).unwrap();
            lines(&Listing::lsub(&MailboxName::new("").unwrap(), &pattern, false), all())
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

    #[test]
    fn levels_stand_above_what_is_below_them() {
        let all = ["a/b/c", "a!", "a", "INBOX/x", "b/c", "INBOX", "Z"].map(Mailbox::new).to_vec();
        let request = List::new(MailboxName::new("").unwrap(), ListPattern::ALL);
        let listed = lines(&Listing::list(&request, false), all);
        let names: Vec<_> = listed.iter().map(|listed| listed.mailbox.name.as_str()).collect();
        assert_eq!(names, ["INBOX", "INBOX/x", "Z", "a", "a/b", "a/b/c", "a!", "b", "b/c"]);
        let without = |listed: &&Listed| listed.mailbox.has(&MailboxAttribute::HasNoChildren);
        assert_eq!(listed.iter().filter(without).count(), 5);
    }

    /// So many bytes are looked at as there are patterns and names, and no more than the limit.
    #[tokio::test]
    async fn comparisons_are_counted() {
        let all: Vec<_> = (0..100).map(|number| Mailbox::new(format!("{number:0>984}"))).collect();
        let (tree, cost) = (Tree::new(all.clone()), Tree::cost(&all));
        assert_eq!(cost, 100 * 1000 * 10);
        let pattern = ListPattern::new("x*").unwrap();
        let mut request = List::new(MailboxName::new("").unwrap(), pattern.clone());
        request.patterns = ListPatterns::new(pattern.clone(), vec![pattern; 9]);
        let listing = Listing::list(&request, false);
        let mut budget = Budget::new(100 * 10 * 1000);
        for entry in tree.entries() {
            assert_eq!(listing.line(entry, &mut budget).await, Ok(None));
        }
        assert_eq!(budget.left(), 0);
        assert_eq!(listing.line(tree.entries().next().unwrap(), &mut budget).await, Err(OverBudget));
    }
}
