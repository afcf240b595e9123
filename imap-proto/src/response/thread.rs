//! THREAD.

use alloc::{vec, vec::Vec};
use core::num::NonZeroU32;

use mailwire_core::{Invalid, ParseError};

use crate::{
    deviation,
    types::{Reader, read_nz, write_number},
};

/// Messages in conversations ([RFC 5256 section 4](https://www.rfc-editor.org/rfc/rfc5256#section-4)): trees, whose
/// nodes come each before those below it.
///
/// ```
/// use mailwire_imap::response::{Response, ThreadData, Untagged};
/// use mailwire_imap::Dialect;
///
/// let line = b"* THREAD (2)(3 6 (4 23)(44 7 96))"[..].into();
/// let Response::Untagged(Untagged::Thread(data)) = Response::parse(&line, Dialect::Strict)?.value else { panic!() };
/// let shown: Vec<_> = data.nodes().iter().map(|node| (node.depth, node.number.unwrap().get())).collect();
/// assert_eq!(shown, [(0, 2), (0, 3), (1, 6), (2, 4), (3, 23), (2, 44), (3, 7), (4, 96)]);
/// # Ok::<(), mailwire_core::ParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ThreadData(Vec<ThreadNode>);

/// A message in a conversation.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ThreadNode {
    /// Its sequence number, or its unique identifier after UID THREAD. `None`: the message is not there, or was not
    /// looked for, and holds those below it together.
    pub number: Option<NonZeroU32>,
    /// How many messages are above it.
    pub depth: u32,
}

impl ThreadNode {
    /// Makes a message with so many above it.
    #[must_use]
    pub const fn new(number: Option<NonZeroU32>, depth: u32) -> Self {
        Self { number, depth }
    }
}

impl ThreadData {
    /// Makes conversations of their nodes, each before those below it.
    ///
    /// # Errors
    ///
    /// A node is more than one deeper than the one before it; or one without a number has fewer than two below it, or
    /// is the only one below another.
    pub fn new(nodes: impl Into<Vec<ThreadNode>>) -> Result<Self, Invalid> {
        let nodes = nodes.into();
        let mut deepest = 0;
        for node in &nodes {
            if node.depth > deepest {
                return Err(Invalid::new("conversation", 0, "a message below none"));
            }
            deepest = node.depth.saturating_add(1);
        }
        if are_lone(&nodes).contains(&true) {
            return Err(Invalid::new("conversation", 0, "a missing message that holds nothing together"));
        }
        Ok(Self(nodes))
    }

    /// The nodes, each before those below it.
    #[must_use]
    pub fn nodes(&self) -> &[ThreadNode] {
        &self.0
    }

    /// The conversations, each as its nodes.
    pub fn threads(&self) -> impl Iterator<Item = &[ThreadNode]> {
        self.0.chunk_by(|_, next| next.depth > 0)
    }

    /// ```text
    /// thread-data    = "THREAD" [SP 1*thread-list]
    /// thread-list    = "(" (thread-members / thread-nested) ")"
    /// thread-members = nz-number *(SP nz-number) [SP thread-nested]
    /// thread-nested  = 2*thread-list
    /// ```
    ///
    /// The name was read. Lenient: spaces; a list alone where two belong.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let mut nodes = Vec::new();
        // Of each list that is open: how deep its next member is, and what is in it.
        let mut open: Vec<(u32, Last)> = Vec::new();
        let mut spaced = false;
        if r.is_at_end() {
            return Ok(Self(nodes));
        }
        let start = r.offset();
        r.space()?;
        if r.is_at_end() {
            return r.deviate_at(start, deviation::SPACE_BEFORE_LINE_END).map(|()| Self(nodes));
        }
        // A message takes six bytes or more, mostly; what is reserved is less than twice what came.
        nodes.reserve(r.rest().len() / 6);
        loop {
            match (r.peek(), open.last_mut()) {
                (Some(b'('), Some((depth, last))) => {
                    match last {
                        Last::Nothing => {
                            nodes.push(ThreadNode::new(None, *depth));
                            *depth = depth.saturating_add(1);
                        }
                        Last::Number if !spaced => r.deviate(deviation::MISSING_SPACE)?,
                        Last::List if spaced => r.deviate(deviation::EXTRA_SPACE)?,
                        Last::Number | Last::List => {}
                    }
                    *last = Last::List;
                    let depth = *depth;
                    r.skip(1);
                    open.push((depth, Last::Nothing));
                }
                (Some(b'('), None) => {
                    if spaced {
                        r.deviate(deviation::EXTRA_SPACE)?;
                    }
                    r.skip(1);
                    open.push((0, Last::Nothing));
                }
                (Some(b')'), Some((_, last))) => {
                    if *last == Last::Nothing {
                        return Err(r.error("expected a number"));
                    }
                    if spaced {
                        r.deviate(deviation::EXTRA_SPACE)?;
                    }
                    r.skip(1);
                    open.pop();
                }
                (Some(b'0'..=b'9'), Some((depth, last @ (Last::Nothing | Last::Number)))) => {
                    if *last == Last::Nothing && spaced {
                        r.deviate(deviation::EXTRA_SPACE)?;
                    }
                    nodes.push(ThreadNode::new(Some(read_nz(r)?), *depth));
                    *depth = depth.saturating_add(1);
                    *last = Last::Number;
                }
                (None, None) => break,
                _ => return Err(r.error("expected a conversation")),
            }
            spaced = false;
            while r.peek() == Some(b' ') {
                if spaced || r.peek_at(1).is_none() {
                    r.deviate(deviation::EXTRA_SPACE)?;
                }
                spaced = true;
                r.skip(1);
            }
        }
        let lone = are_lone(&nodes);
        if lone.contains(&true) {
            r.deviate(deviation::LONE_THREAD)?;
            nodes = without_lone(&nodes, &lone);
        }
        Ok(Self(nodes))
    }

    /// Appends the name and the conversations.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"THREAD");
        if self.0.is_empty() {
            return;
        }
        out.push(b' ');
        let below = counts(&self.0);
        // The nodes above the next one: how deep each is, whether its children have lists of their own, and whether it
        // opened one itself.
        let mut above: Vec<(u32, bool, bool)> = Vec::new();
        let mut before = None;
        for (node, below) in self.0.iter().zip(below) {
            while let Some(&(depth, _, opened)) = above.last() {
                if depth < node.depth {
                    break;
                }
                if opened {
                    out.push(b')');
                }
                above.pop();
            }
            let opens = above.last().is_none_or(|(_, splits, _)| *splits);
            // After the number right above it.
            if before.is_some_and(|before: ThreadNode| before.depth < node.depth && before.number.is_some()) {
                out.push(b' ');
            }
            if opens {
                out.push(b'(');
            }
            if let Some(number) = node.number {
                write_number(out, u64::from(number.get()));
            }
            above.push((node.depth, below > 1, opens));
            before = Some(*node);
        }
        out.extend(above.iter().filter(|(_, _, opened)| *opened).map(|_| b')'));
    }
}

/// What stands last in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Number,
    List,
}

/// Puts what is below lone nodes into their places.
fn without_lone(nodes: &[ThreadNode], lone: &[bool]) -> Vec<ThreadNode> {
    let mut kept = Vec::with_capacity(nodes.len());
    // How deep those above are, and by how much what is below them moves up.
    let mut above: Vec<(u32, u32)> = Vec::new();
    for (node, is_lone) in nodes.iter().zip(lone) {
        while above.last().is_some_and(|(depth, _)| *depth >= node.depth) {
            above.pop();
        }
        let up = above.last().map_or(0, |(_, up)| *up);
        if !is_lone {
            kept.push(ThreadNode::new(node.number, node.depth - up));
        }
        above.push((node.depth, up + u32::from(*is_lone)));
    }
    kept
}

/// Whether each is a missing message that holds nothing together: there are fewer than two below it; or it is all that
/// is below a message, and there is no way to write it.
fn are_lone(nodes: &[ThreadNode]) -> Vec<bool> {
    // How deep those above are, and whether there is but one thing below the message that is right above it, when lone
    // nodes are gone.
    let mut above: Vec<(u32, bool)> = Vec::new();
    let mut lone = Vec::with_capacity(nodes.len());
    for (node, below) in nodes.iter().zip(counts(nodes)) {
        while above.last().is_some_and(|(depth, _)| *depth >= node.depth) {
            above.pop();
        }
        let is_only = above.last().is_some_and(|(_, one)| *one);
        lone.push(node.number.is_none() && (below < 2 || is_only));
        above.push((node.depth, below < 2 && (node.number.is_some() || is_only)));
    }
    lone
}

/// How many nodes are right below each.
fn counts(nodes: &[ThreadNode]) -> Vec<u32> {
    let mut counts = vec![0_u32; nodes.len()];
    let mut above: Vec<(u32, usize)> = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        while above.last().is_some_and(|(depth, _)| *depth >= node.depth) {
            above.pop();
        }
        if let Some(count) = above.last().and_then(|(_, parent)| counts.get_mut(*parent)) {
            *count += 1;
        }
        above.push((node.depth, at));
    }
    counts
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for ThreadData {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut nodes = Vec::new();
        let mut deepest = 0;
        while nodes.len() < 12 && u.arbitrary()? {
            let depth = u.int_in_range(0..=deepest)?;
            nodes.push(ThreadNode::new(Some(u.arbitrary()?), depth));
            deepest = depth + 1;
        }
        let below = counts(&nodes);
        for (node, below) in nodes.iter_mut().zip(&below) {
            if *below > 1 && u.arbitrary()? {
                node.number = None;
            }
        }
        let lone = are_lone(&nodes);
        Ok(Self(without_lone(&nodes, &lone)))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use bytes::Bytes;
    use mailwire_core::Dialect;

    use super::*;
    use crate::response::{Response, Untagged};

    fn read(line: &str, dialect: Dialect) -> Result<ThreadData, ParseError> {
        match Response::parse(&Bytes::copy_from_slice(line.as_bytes()), dialect)?.value {
            Response::Untagged(Untagged::Thread(data)) => Ok(data),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn conversations_are_written_as_they_are_read() {
        for line in [
            "* THREAD",
            "* THREAD (2)(3 6 (4 23)(44 7 96))",
            "* THREAD ((3)(5))",
            "* THREAD (166)(167)((170)(179))(171)((174)(175)(176)(178)(181)(180))((177)(183)(188 (184)(189)))",
            "* THREAD (1 ((2)(3 4))(5))",
            "* THREAD (((1)(2))(3))",
        ] {
            let data = read(line, Dialect::Strict).unwrap_or_else(|error| panic!("{line}: {error}"));
            let mut out = b"* ".to_vec();
            data.write(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), line);
        }
    }

    #[test]
    fn odd_conversations() {
        for (line, nodes) in [
            ("* THREAD ", 0),
            ("* THREAD (1) (2)", 2),
            ("* THREAD ( 1 2 )", 2),
            ("* THREAD (1(2)(3))", 3),
            ("* THREAD (1  2)", 2),
            ("* THREAD ((1 2)(3))(((4 5)))", 6),
            ("* THREAD (1 ((2)(3)))", 3),
            ("* THREAD (1 (((2)(3))))", 3),
            // What is held together stays so.
            ("* THREAD (((1)(2)))", 3),
            ("* THREAD ((((1)(2))))(3)", 4),
        ] {
            assert!(read(line, Dialect::Strict).is_err(), "{line}");
            assert_eq!(read(line, Dialect::Lenient).unwrap().nodes().len(), nodes, "{line}");
        }
        for line in [
            "* THREAD 1",
            "* THREAD (",
            "* THREAD ()",
            "* THREAD (1 (2)(3) 4)",
            "* THREAD (0)",
            "* THREAD (1))",
        ] {
            assert!(read(line, Dialect::Strict).is_err(), "{line}");
        }
        assert!(ThreadData::new([ThreadNode::new(NonZeroU32::new(1), 1)]).is_err());
    }

    #[test]
    fn depth_costs_no_stack() {
        let line = alloc::format!("* THREAD {}{}", "(1 (2)".repeat(100_000), ")".repeat(100_000));
        let _ = read(&line, Dialect::Lenient);
        let deep = alloc::format!("* THREAD {}(1)(2){}", "((1)".repeat(50_000), ")".repeat(50_000));
        assert_eq!(read(&deep, Dialect::Strict).unwrap().nodes().len(), 100_002);
    }
}
