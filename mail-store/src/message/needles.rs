//! Many words that are looked for in one text, in one pass.

/// Words that are looked for in a text: a trie in which each place knows where to go on when the next byte does
/// not fit (Aho and Corasick). A pass takes time in proportion to the text and the words, whatever they are:
/// what was found once is not looked at again.
#[derive(Debug, Clone)]
pub(super) struct Needles {
    /// By depth; the children of each stand side by side, by their bytes. The first is the root.
    nodes: Vec<Node>,
    /// Where the root's children are, by their bytes; 0 for none.
    first: Box<[u32; 256]>,
    /// The words that are empty: any text contains them.
    empty: Vec<u32>,
    /// For each word, others that are equal.
    same: Vec<Vec<u32>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Node {
    byte: u8,
    children: u32,
    count: u16,
    /// The longest proper end of what stands here that begins a word.
    fail: u32,
    /// Here or by way of `fail`: the next place where a word ends, 0 for none.
    out: u32,
    /// Of the words that end here the first, plus one.
    word: u32,
}

/// The place in a text that comes in pieces.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Position(u32);

impl Needles {
    /// So many bytes of memory it takes for each byte of a word.
    pub(super) const PER_BYTE: usize = size_of::<Node>();

    /// Makes the set of words. A word is named by its place in the list.
    pub(super) fn new<W: AsRef<[u8]>>(words: &[W]) -> Self {
        let mut sorted: Vec<(&[u8], u32)> = words.iter().map(AsRef::as_ref).zip(0..).collect();
        sorted.sort_unstable();
        let mut needles = Self {
            nodes: vec![Node::default()],
            first: Box::new([0; 256]),
            empty: Vec::new(),
            same: vec![Vec::new(); words.len()],
        };
        let mut rest = sorted.as_slice();
        while let [([], word), more @ ..] = rest {
            needles.empty.push(*word);
            rest = more;
        }
        // The words of each node, whose beginnings are the same.
        let mut groups = vec![rest];
        let mut depth = vec![0];
        let mut at = 0;
        while let (Some(&group), Some(&length)) = (groups.get(at), depth.get(at)) {
            let children = u32::try_from(needles.nodes.len()).unwrap_or(u32::MAX);
            let mut count = 0;
            let byte_of = |word: &[u8]| word.get(length).copied();
            let mut longer = group;
            while let Some(((word, number), more)) = longer.split_first() {
                if byte_of(word).is_some() {
                    break;
                }
                needles.ends_at(at, *number);
                longer = more;
            }
            for group in longer.chunk_by(|(one, _), (other, _)| byte_of(one) == byte_of(other)) {
                let byte = group.first().and_then(|(word, _)| byte_of(word)).unwrap_or_default();
                needles.nodes.push(Node { byte, ..Node::default() });
                groups.push(group);
                depth.push(length + 1);
                count += 1;
            }
            if let Some(node) = needles.nodes.get_mut(at) {
                (node.children, node.count) = (children, count);
            }
            at += 1;
        }
        needles.link();
        needles
    }

    fn ends_at(&mut self, node: usize, word: u32) {
        let Some(node) = self.nodes.get_mut(node) else { return };
        if node.word == 0 {
            node.word = word + 1;
        } else if let Some(same) =
            usize::try_from(node.word - 1).ok().and_then(|first| self.same.get_mut(first))
        {
            same.push(word);
        }
    }

    /// Works out where each place goes on when it cannot.
    fn link(&mut self) {
        for (child, byte) in self.children(0).collect::<Vec<_>>() {
            if let Some(first) = self.first.get_mut(usize::from(byte)) {
                *first = child;
            }
        }
        for at in 0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX) {
            let node = self.node(at);
            for (child, byte) in self.children(at).collect::<Vec<_>>() {
                let fail = if at == 0 { 0 } else { self.next(node.fail, byte) };
                let ends = self.node(child).word != 0;
                let out = if ends { child } else { self.node(fail).out };
                if let Some(node) = self.nodes.get_mut(child as usize) {
                    (node.fail, node.out) = (fail, out);
                }
            }
        }
    }

    fn node(&self, at: u32) -> Node {
        self.nodes.get(at as usize).copied().unwrap_or_default()
    }

    fn children(&self, at: u32) -> impl Iterator<Item = (u32, u8)> + '_ {
        let node = self.node(at);
        let numbers = node.children..node.children.saturating_add(u32::from(node.count));
        numbers.map(|child| (child, self.node(child).byte))
    }

    fn child(&self, at: u32, byte: u8) -> Option<u32> {
        let node = self.node(at);
        let first = node.children as usize;
        let children = self.nodes.get(first..first + usize::from(node.count))?;
        let place = children.partition_point(|child| child.byte < byte);
        children.get(place).filter(|child| child.byte == byte)?;
        u32::try_from(first + place).ok()
    }

    /// Where one comes from a place by a byte.
    fn next(&self, mut at: u32, byte: u8) -> u32 {
        loop {
            if at == 0 {
                return self.first.get(usize::from(byte)).copied().unwrap_or_default();
            }
            if let Some(child) = self.child(at, byte) {
                return child;
            }
            at = self.node(at).fail;
        }
    }

    /// Marks the words that end in the next piece of a text. `found` has a place for each word.
    pub(super) fn scan(&self, place: &mut Position, text: &[u8], found: &mut [bool]) {
        for &word in &self.empty {
            self.mark(word, found);
        }
        let mut at = place.0;
        for &byte in text {
            at = self.next(at, byte);
            if at != 0 {
                self.report(at, found);
            }
        }
        place.0 = at;
    }

    fn report(&self, at: u32, found: &mut [bool]) {
        let mut out = self.node(at).out;
        while out != 0 {
            let node = self.node(out);
            // Whatever ends where this one does was found with it.
            if !self.mark(node.word.saturating_sub(1), found) {
                return;
            }
            out = self.node(node.fail).out;
        }
    }

    /// Whether it is found for the first time.
    fn mark(&self, word: u32, found: &mut [bool]) -> bool {
        match found.get_mut(word as usize) {
            Some(found) if !*found => *found = true,
            _ => return false,
        }
        for &same in self.same.get(word as usize).into_iter().flatten() {
            if let Some(found) = found.get_mut(same as usize) {
                *found = true;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_there() {
        let mut state = 7u32;
        let mut next = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        for _ in 0..2000 {
            let mut word =
                |most: u32| -> Vec<u8> { (0..next(most)).map(|_| b"aabc"[next(4) as usize]).collect() };
            let words: Vec<_> = (0..10).map(|_| word(5)).collect();
            let text = word(40);
            let expected: Vec<_> =
                words.iter().map(|word| memchr::memmem::find(&text, word).is_some()).collect();
            let needles = Needles::new(&words);
            for cut in 0..=text.len() {
                let (mut place, mut found) = (Position::default(), vec![false; words.len()]);
                for piece in [&text[..cut], &text[cut..]] {
                    needles.scan(&mut place, piece, &mut found);
                }
                assert_eq!(found, expected, "{words:?} in {text:?}");
            }
        }
    }

    /// Words that all end at the same places, of which there are many.
    #[test]
    fn each_is_reported_once() {
        let words: Vec<_> = (1..400).map(|length| vec![b'a'; length]).collect();
        let needles = Needles::new(&words);
        assert_eq!(needles.nodes.len(), 400);
        let (mut place, mut found) = (Position::default(), vec![false; words.len()]);
        needles.scan(&mut place, &[b'a'; 399], &mut found);
        assert!(found.iter().all(|&found| found));
        // Nothing is left to be reported: one step a byte.
        assert!(!needles.mark(needles.node(needles.node(place.0).out).word - 1, &mut found));
    }

    #[test]
    fn none_and_empty() {
        let mut found = [];
        Needles::new::<&[u8]>(&[]).scan(&mut Position::default(), b"abc", &mut found);
        let mut found = [false, false];
        Needles::new(&[Vec::new(), Vec::new()]).scan(&mut Position::default(), b"", &mut found);
        assert_eq!(found, [true, true]);
    }
}
