//! The algorithms: RFC 5256 section 3.

use alloc::{collections::BTreeMap, vec, vec::Vec};

use super::Message;
use crate::response::ThreadNode;

/// Groups messages by their base subjects: `ORDEREDSUBJECT`
/// ([RFC 5256 section 3](https://www.rfc-editor.org/rfc/rfc5256#section-3)). The messages have to be in the order of
/// their mailbox. Gives the nodes of the threads, each before those below it.
#[must_use]
pub fn ordered_subject(messages: &[Message]) -> Vec<ThreadNode> {
    let mut sorted: Vec<(usize, &Message)> = messages.iter().enumerate().collect();
    sorted.sort_by(|(at, one), (other_at, other)| {
        (&one.subject, one.date, at).cmp(&(&other.subject, other.date, other_at))
    });
    let mut threads: Vec<&[(usize, &Message)]> =
        sorted.chunk_by(|(_, one), (_, next)| one.subject == next.subject).collect();
    threads.sort_by_key(|thread| thread.first().map(|(at, first)| (first.date, *at)));
    let nodes = threads.into_iter().flat_map(|thread| {
        let depths = core::iter::once(0).chain(core::iter::repeat(1));
        thread.iter().zip(depths).map(|((_, message), depth)| ThreadNode::new(Some(message.number), depth))
    });
    nodes.collect()
}

/// Groups messages by what they refer to, and threads by their base subjects: `REFERENCES`
/// ([RFC 5256 section 3](https://www.rfc-editor.org/rfc/rfc5256#section-3)). The messages have to be in the order of
/// their mailbox. Gives the nodes of the threads, each before those below it.
#[must_use]
pub fn references(messages: &[Message]) -> Vec<ThreadNode> {
    let mut forest = Forest::of(messages);
    forest.sort_roots_by_first();
    forest.gather_by_subject();
    forest.sort_all();
    forest.sort_roots_by_first();
    forest.nodes()
}

/// Groups messages by what they refer to alone, the threads by their newest message: `REFS`
/// (draft-ietf-morg-inthread). The messages have to be in the order of their mailbox, with their internal dates.
/// Gives the nodes of the threads, each before those below it.
#[must_use]
pub fn refs(messages: &[Message]) -> Vec<ThreadNode> {
    let mut forest = Forest::of(messages);
    forest.sort_all();
    forest.sort_roots_by_newest();
    forest.nodes()
}

/// Messages and what stands for those that are not there.
struct Forest<'a> {
    messages: &'a [Message],
    /// Those below each; the messages come first, in their order.
    children: Vec<Vec<usize>>,
    roots: Vec<usize>,
}

/// Steps that may be taken to find loops, for each link. Conversations in which references contradict each other all
/// the time are parted where more would be needed.
const STEPS: usize = 256;

/// Who is below whom, while that is found out.
struct Links {
    parents: Vec<Option<usize>>,
    /// How many are below each.
    below: Vec<usize>,
    steps: usize,
}

impl Links {
    fn add(&mut self) -> usize {
        self.parents.push(None);
        self.below.push(0);
        self.steps = self.steps.saturating_add(STEPS);
        self.parents.len() - 1
    }

    fn parent(&self, of: usize) -> Option<usize> {
        self.parents.get(of).copied().flatten()
    }

    fn has_children(&self, of: usize) -> bool {
        self.below.get(of).is_some_and(|below| *below > 0)
    }

    fn set(&mut self, child: usize, parent: Option<usize>) {
        if let Some(below) = self.parent(child).and_then(|before| self.below.get_mut(before)) {
            *below = below.saturating_sub(1);
        }
        if let Some(below) = parent.and_then(|parent| self.below.get_mut(parent)) {
            *below += 1;
        }
        if let Some(place) = self.parents.get_mut(child) {
            *place = parent;
        }
    }

    /// Whether `parent` is `child`, or below it.
    fn would_loop(&mut self, parent: usize, child: usize) -> bool {
        if parent == child {
            return true;
        }
        // Nothing is below one that has no children.
        if !self.has_children(child) {
            return false;
        }
        let mut next = self.parent(parent);
        while let Some(node) = next {
            if node == child || self.steps == 0 {
                return true;
            }
            self.steps -= 1;
            next = self.parent(node);
        }
        false
    }
}

impl<'a> Forest<'a> {
    /// Steps (1) to (3).
    fn of(messages: &'a [Message]) -> Self {
        let mut links = Links { parents: Vec::new(), below: Vec::new(), steps: 0 };
        let mut names: BTreeMap<&[u8], usize> = BTreeMap::new();
        for message in messages {
            let node = links.add();
            if let Some(id) = &message.id {
                // Only the first of those that have it in common.
                names.entry(id).or_insert(node);
            }
        }
        for (node, message) in messages.iter().enumerate() {
            let mut before = None;
            for id in &message.references {
                let referred = *names.entry(id).or_insert_with(|| links.add());
                if let Some(parent) = before {
                    // (A): what is linked stays so.
                    if links.parent(referred).is_none() && !links.would_loop(parent, referred) {
                        links.set(referred, Some(parent));
                    }
                }
                before = Some(referred);
            }
            // (B): the message itself knows its parent.
            links.set(node, None);
            if let Some(parent) = before {
                if !links.would_loop(parent, node) {
                    links.set(node, Some(parent));
                }
            }
        }
        let mut forest =
            Self { messages, children: vec![Vec::new(); links.parents.len()], roots: Vec::new() };
        for (node, parent) in links.parents.iter().enumerate() {
            match parent.and_then(|parent| forest.children.get_mut(parent)) {
                Some(children) => children.push(node),
                None => forest.roots.push(node),
            }
        }
        forest.prune();
        forest
    }

    fn message(&self, node: usize) -> Option<&'a Message> {
        self.messages.get(node)
    }

    fn children(&self, node: usize) -> &[usize] {
        self.children.get(node).map(Vec::as_slice).unwrap_or_default()
    }

    fn take_children(&mut self, node: usize) -> Vec<usize> {
        self.children.get_mut(node).map(core::mem::take).unwrap_or_default()
    }

    fn set_children(&mut self, node: usize, children: Vec<usize>) {
        if let Some(place) = self.children.get_mut(node) {
            *place = children;
        }
    }

    /// All nodes, each after those above it.
    fn top_down(&self) -> Vec<usize> {
        let mut order = self.roots.clone();
        let mut at = 0;
        while let Some(&node) = order.get(at) {
            order.extend_from_slice(self.children(node));
            at += 1;
        }
        order
    }

    /// Step (3): what stands for no message goes, but at the root, where it holds several together.
    fn prune(&mut self) {
        for node in self.top_down().into_iter().rev() {
            let before = self.take_children(node);
            let mut kept: Vec<usize> = Vec::with_capacity(before.len());
            for child in before {
                if self.message(child).is_some() {
                    kept.push(child);
                } else {
                    // The shorter list is moved.
                    let mut promoted = self.take_children(child);
                    if promoted.len() > kept.len() {
                        core::mem::swap(&mut promoted, &mut kept);
                    }
                    kept.append(&mut promoted);
                }
            }
            self.set_children(node, kept);
        }
        for node in core::mem::take(&mut self.roots) {
            match (self.message(node), self.children(node)) {
                (None, []) => {}
                (None, &[only]) => self.roots.push(only),
                _ => self.roots.push(node),
            }
        }
    }

    /// When a node is sorted: by its date, then by its place in the mailbox. One without a message goes by its first
    /// child, which has one.
    fn when(&self, node: usize) -> (i64, usize) {
        let own = |node: usize| self.message(node).map(|message| (message.date, node));
        own(node)
            .or_else(|| self.children(node).iter().filter_map(|&child| own(child)).min())
            .unwrap_or((i64::MAX, node))
    }

    /// Step (4), and the end of step (6).
    fn sort_roots_by_first(&mut self) {
        let mut roots = core::mem::take(&mut self.roots);
        roots.sort_by_cached_key(|&node| self.when(node));
        self.roots = roots;
    }

    fn sort_roots_by_newest(&mut self) {
        let mut newest: Vec<(i64, usize)> = (0..self.children.len())
            .map(|node| self.message(node).map_or((i64::MIN, node), |message| (message.date, node)))
            .collect();
        for node in self.top_down().into_iter().rev() {
            let most = self.children(node).iter().filter_map(|&child| newest.get(child)).max().copied();
            if let (Some(own), Some(most)) = (newest.get_mut(node), most) {
                *own = most.max(*own);
            }
        }
        self.roots.sort_by_key(|&node| newest.get(node).copied());
    }

    /// Step (6), but for the roots.
    fn sort_all(&mut self) {
        for node in self.top_down() {
            let mut children = self.take_children(node);
            children.sort_by_cached_key(|&child| self.when(child));
            self.set_children(node, children);
        }
    }

    /// The message whose subject is that of a thread.
    fn first(&self, root: usize) -> Option<&'a Message> {
        let by_date = |&child: &usize| self.when(child);
        self.message(root).or_else(|| self.message(self.children(root).iter().copied().min_by_key(by_date)?))
    }

    /// Step (5).
    fn gather_by_subject(&mut self) {
        let subject = |forest: &Self, root| {
            forest.first(root).map(|first| &first.subject[..]).filter(|it| !it.is_empty())
        };
        let is_reply = |forest: &Self, node| forest.message(node).is_some_and(|message| message.is_reply);
        let mut table: BTreeMap<&'a [u8], usize> = BTreeMap::new();
        for &root in &self.roots {
            let Some(subject) = subject(self, root) else { continue };
            let entry = table.entry(subject).or_insert(root);
            let better = self.message(root).is_none() || (is_reply(self, *entry) && !is_reply(self, root));
            if self.message(*entry).is_some() && better {
                *entry = root;
            }
        }
        let mut gone = vec![false; self.children.len()];
        let roots = core::mem::take(&mut self.roots);
        let mut added = Vec::new();
        for &root in &roots {
            let Some(entry) = subject(self, root).and_then(|subject| table.get_mut(subject)) else {
                continue;
            };
            let top = *entry;
            if top == root {
                continue;
            }
            if let Some(gone) = gone.get_mut(root) {
                *gone = true;
            }
            match (self.message(top).is_some(), self.message(root).is_some()) {
                (false, false) => {
                    let mut children = self.take_children(root);
                    if let Some(all) = self.children.get_mut(top) {
                        all.append(&mut children);
                    }
                }
                (false, true) => self.children.get_mut(top).into_iter().for_each(|all| all.push(root)),
                _ if is_reply(self, root) && !is_reply(self, top) => {
                    self.children.get_mut(top).into_iter().for_each(|all| all.push(root));
                }
                _ => {
                    *entry = self.children.len();
                    added.push(self.children.len());
                    self.children.push(vec![top, root]);
                    if let Some(gone) = gone.get_mut(top) {
                        *gone = true;
                    }
                }
            }
        }
        self.roots = roots.into_iter().filter(|&root| gone.get(root) == Some(&false)).chain(added).collect();
    }

    /// The nodes, each before those below it.
    fn nodes(&self) -> Vec<ThreadNode> {
        let mut nodes = Vec::with_capacity(self.children.len());
        let mut next: Vec<(usize, u32)> = self.roots.iter().rev().map(|&root| (root, 0)).collect();
        while let Some((node, depth)) = next.pop() {
            nodes.push(ThreadNode::new(self.message(node).map(|message| message.number), depth));
            next.extend(self.children(node).iter().rev().map(|&child| (child, depth + 1)));
        }
        nodes
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String};

    use super::*;
    use crate::{response::ThreadData, threading::base_subject};

    /// Number, date, subject, identifier, references.
    fn message(&(number, date, subject, id, refers): &(u32, i64, &str, &str, &str)) -> Message {
        let subject = base_subject(subject);
        Message::new(number.try_into().unwrap(), date)
            .with_subject(subject.text, subject.is_reply)
            .with_id(format!("<{id}@x>").as_bytes())
            .with_references(
                refers.split_whitespace().map(|id| format!("<{id}@x>")).collect::<String>().as_bytes(),
            )
    }

    fn shown(nodes: Vec<ThreadNode>) -> String {
        let mut out = Vec::new();
        ThreadData::new(nodes).unwrap().write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[track_caller]
    fn check(
        algorithm: fn(&[Message]) -> Vec<ThreadNode>,
        messages: &[(u32, i64, &str, &str, &str)],
        expected: &str,
    ) {
        let messages: Vec<_> = messages.iter().map(message).collect();
        assert_eq!(shown(algorithm(&messages)), format!("THREAD{expected}"));
    }

    #[test]
    fn by_subject() {
        check(ordered_subject, &[], "");
        check(
            ordered_subject,
            &[
                (1, 5, "b", "1", ""),
                (2, 4, "Re: a", "2", ""),
                (3, 9, "a", "3", ""),
                (4, 6, "A x", "4", ""),
                (5, 4, "a", "5", ""),
            ],
            " (2 (5)(3))(1)(4)",
        );
    }

    #[test]
    fn by_references() {
        // A chain, siblings, and what is not there.
        check(
            references,
            &[
                (1, 1, "a", "1", ""),
                (2, 2, "b", "2", "1"),
                (3, 3, "c", "3", "1 2"),
                (4, 4, "d", "4", "1"),
                (5, 5, "e", "5", "x 1 y 4"),
            ],
            " (1 (2 3)(4 5))",
        );
        // Siblings whose parent is missing; alone, it stands for itself.
        check(
            references,
            &[(1, 1, "a", "1", "x"), (2, 2, "b", "2", "x"), (3, 3, "c", "3", "y")],
            " ((1)(2))(3)",
        );
        // A loop is not made.
        check(references, &[(1, 1, "a", "1", "2"), (2, 2, "b", "2", "1")], " (2 1)");
        // An identifier that two have in common is the first one's.
        check(references, &[(1, 1, "a", "1", ""), (2, 2, "b", "1", ""), (3, 3, "c", "3", "1")], " (1 3)(2)");
        // What the message itself says of its parent is better than what others say.
        check(
            references,
            &[(1, 1, "a", "1", "a b c"), (2, 2, "b", "b", "z"), (3, 3, "c", "z", "")],
            " (3 2 1)",
        );
    }

    #[test]
    fn threads_of_one_subject_are_one() {
        // A reply comes below what it answers, whichever was first.
        check(references, &[(1, 2, "Re: a", "1", ""), (2, 3, "a", "2", "")], " (2 1)");
        // Two that are both replies, or neither, are siblings.
        check(
            references,
            &[(1, 1, "a", "1", ""), (2, 2, "a", "2", ""), (3, 3, "a", "3", "")],
            " ((1)(2)(3))",
        );
        check(references, &[(1, 1, "Re: a", "1", ""), (2, 2, "Re: a", "2", "")], " ((1)(2))");
        // One that is missing takes all in.
        check(
            references,
            &[
                (1, 5, "a", "1", "x"),
                (2, 6, "b", "2", "x"),
                (3, 1, "a", "3", ""),
                (4, 7, "a", "4", "y"),
                (5, 8, "d", "5", "y"),
            ],
            " ((3)(1)(2)(4)(5))",
        );
        check(references, &[(1, 1, "", "1", ""), (2, 2, "", "2", "")], " (1)(2)");
    }

    #[test]
    fn by_references_alone() {
        check(refs, &[(1, 1, "a", "1", ""), (2, 2, "a", "2", ""), (3, 3, "a", "3", "1")], " (2)(1 3)");
    }

    #[test]
    fn long_conversations_take_no_time() {
        let number = |n: usize| core::num::NonZeroU32::new(u32::try_from(n).unwrap()).unwrap();
        let id = |n: usize| format!("<{n}@x>");
        let all = 50_000;
        for reversed in [false, true] {
            let messages: Vec<_> = (1..=all)
                .map(|n| {
                    let (own, other) = if reversed { (all - n, all - n + 1) } else { (n, n - 1) };
                    Message::new(number(n), 0)
                        .with_id(id(own).as_bytes())
                        .with_references(id(other).as_bytes())
                })
                .collect();
            let nodes = references(&messages);
            assert_eq!(nodes.last().unwrap().depth as usize, all - 1);
            assert!(!shown(nodes).is_empty());
        }
        // All say something else about the same ones.
        let messages: Vec<_> = (1..=2000)
            .map(|n| {
                let refers: String = (0..100).map(|k| id((n * 7919 + k * 104_729) % 3000)).collect();
                Message::new(number(n), 0).with_id(id(n).as_bytes()).with_references(refers.as_bytes())
            })
            .collect();
        assert_eq!(references(&messages).iter().filter(|node| node.number.is_some()).count(), 2000);
    }
}
