//! Which names a LIST pattern stands for.

use alloc::vec::Vec;

use memchr::{memchr, memmem, memrchr};

use super::mailbox::{ListPattern, MailboxName};

/// A [`ListPattern`] that is made ready to be compared with many names
/// ([RFC 9051 section 6.3.9](https://www.rfc-editor.org/rfc/rfc9051#section-6.3.9)).
///
/// `*` stands for anything, `%` for anything without the hierarchy delimiter. Making it takes time in
/// proportion to the pattern. A comparison takes none where the name is shorter than what the pattern
/// asks for, whatever the pattern's length; otherwise time in proportion to the name, once for each level of
/// the name at most.
///
/// # Examples
///
/// ```
/// use mailwire_imap::types::{ListMatcher, ListPattern, MailboxName};
///
/// let matcher = ListMatcher::new(&ListPattern::new("lists/%")?);
/// assert!(matcher.matches(&MailboxName::new("lists/rust")?, Some(b'/')));
/// assert!(!matcher.matches(&MailboxName::new("lists/rust/2026")?, Some(b'/')));
/// # Ok::<(), mailwire_core::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListMatcher {
    /// The pattern, with one wildcard in place of each run of them.
    pattern: Vec<u8>,
    /// No shorter name is one that it stands for.
    least: usize,
}

impl ListPattern {
    /// Whether the pattern stands for `name`: `*` for anything, `%` for anything without the
    /// hierarchy `delimiter`, `INBOX` in any case. For many names, make a [`ListMatcher`] once.
    #[must_use]
    pub fn matches(&self, name: &MailboxName, delimiter: Option<u8>) -> bool {
        ListMatcher::new(self).matches(name, delimiter)
    }
}

impl ListMatcher {
    /// Makes a pattern ready.
    #[must_use]
    pub fn new(pattern: &ListPattern) -> Self {
        let mut folded: Vec<u8> = Vec::with_capacity(pattern.as_bytes().len());
        let mut least = 0;
        for &byte in pattern.as_bytes() {
            match (folded.last_mut(), byte) {
                // What `*` stands for is also what several of them stand for, or both kinds.
                (Some(last @ (b'*' | b'%')), b'*') => *last = b'*',
                (Some(b'*' | b'%'), b'%') => {}
                _ => {
                    least += usize::from(!matches!(byte, b'*' | b'%'));
                    folded.push(byte);
                }
            }
        }
        Self { pattern: folded, least }
    }

    /// Whether the pattern stands for `name`, in a hierarchy with this delimiter. `INBOX` is meant in any case
    /// of its letters.
    #[must_use]
    pub fn matches(&self, name: &MailboxName, delimiter: Option<u8>) -> bool {
        self.compare(name.as_bytes(), delimiter).0
    }

    /// The answer, and how many bytes were looked at for it.
    fn compare(&self, name: &[u8], delimiter: Option<u8>) -> (bool, usize) {
        let any_case = name == b"INBOX";
        let mut comparison = Comparison { name, delimiter, any_case, level: None, looked_at: 0 };
        let matches = self.least <= name.len() && comparison.whole(&self.pattern);
        (matches, comparison.looked_at)
    }
}

/// A name that is being compared.
struct Comparison<'a> {
    name: &'a [u8],
    delimiter: Option<u8>,
    any_case: bool,
    /// A part of a level that was looked through: to its end, or backwards from its begin.
    level: Option<(usize, usize)>,
    looked_at: usize,
}

/// Why a segment does not stand where it was tried.
enum Miss {
    /// It does not stand anywhere in this level, nor does it in what is left of the name.
    Never,
    /// It may stand somewhere after this level.
    AfterLevel,
}

impl Comparison<'_> {
    /// The segments between the `*`: the first stands at the name's start and the last at its end; each of the
    /// others, where it comes to its end first, which leaves the most to those after it.
    fn whole(&mut self, pattern: &[u8]) -> bool {
        let mut segments = pattern.split(|&byte| byte == b'*');
        let (Some(first), last) = (segments.next(), segments.next_back()) else { return false };
        let Some(last) = last else { return self.between(first, 0) };
        let Ok(mut at) = self.from(first, 0) else { return false };
        for segment in segments {
            match self.find(segment, at) {
                Some(end) => at = end,
                None => return false,
            }
        }
        self.at_end(last, at)
    }

    /// Whether a segment stands for all of the name from `start` on.
    fn between(&mut self, segment: &[u8], start: usize) -> bool {
        let Some(percent) = segment.iter().rposition(|&byte| byte == b'%') else {
            return self.name.len() - start == segment.len() && self.is_at(segment, start);
        };
        let (before, last) = segment.split_at(percent);
        let last = last.get(1..).unwrap_or_default();
        let Ok(end) = self.from(before, start) else { return false };
        let Some(tail) = self.name.len().checked_sub(last.len()).filter(|tail| *tail >= end) else {
            return false;
        };
        self.is_at(last, tail) && self.level_end(end).is_none_or(|level| level >= tail)
    }

    /// Whether a segment stands for the end of the name, from `at` on or later: compared backwards, each
    /// piece as late as it can be.
    fn at_end(&mut self, segment: &[u8], at: usize) -> bool {
        self.level = None;
        let mut end = self.name.len();
        let mut pieces = segment.rsplit(|&byte| byte == b'%');
        let Some(last) = pieces.next() else { return false };
        match end.checked_sub(last.len()) {
            Some(start) if self.is_at(last, start) => end = start,
            _ => return false,
        }
        for piece in pieces {
            // The gap reaches back to the begin of its level, and the piece, over that.
            let from = self.level_start(end).saturating_sub(piece.len());
            match self.rfind(piece, from, end) {
                Some(start) => end = start,
                None => return false,
            }
        }
        end >= at
    }

    /// Where a segment ends that starts at `start`: each of its pieces as early as it can be. In all ways to
    /// place them they lie in the same levels, so that the earliest leaves the most to the next.
    fn from(&mut self, segment: &[u8], start: usize) -> Result<usize, Miss> {
        let mut pieces = segment.split(|&byte| byte == b'%');
        let first = pieces.next().unwrap_or_default();
        if !self.is_at(first, start) {
            return Err(Miss::Never);
        }
        let mut end = start + first.len();
        for piece in pieces {
            let level = self.level_end(end);
            let last = level.map_or(self.name.len(), |level| (level + piece.len()).min(self.name.len()));
            match self.position(piece, end, last) {
                Some(found) => end = found + piece.len(),
                None => return Err(if level.is_some() { Miss::AfterLevel } else { Miss::Never }),
            }
        }
        Ok(end)
    }

    /// Where the first place of a segment ends, from `at` on. Where one of its pieces is not found, it is
    /// found no better by a start in the same level.
    fn find(&mut self, segment: &[u8], mut at: usize) -> Option<usize> {
        let first = segment.split(|&byte| byte == b'%').next().unwrap_or_default();
        loop {
            let start = self.position(first, at, self.name.len())?;
            match self.from(segment, start) {
                Ok(end) => return Some(end),
                Err(Miss::Never) => return None,
                Err(Miss::AfterLevel) => at = self.level_end(start)? + 1,
            }
        }
    }

    fn is_at(&mut self, piece: &[u8], start: usize) -> bool {
        self.looked_at += piece.len();
        let there = self.name.get(start..start + piece.len());
        there.is_some_and(|there| there == piece || self.any_case && there.eq_ignore_ascii_case(piece))
    }

    /// Where a piece first stands between two places of the name.
    fn position(&mut self, piece: &[u8], from: usize, to: usize) -> Option<usize> {
        let part = self.name.get(from..to)?;
        let found = if self.any_case {
            // Five letters.
            (0..=part.len().checked_sub(piece.len())?).find(|&at| self.is_at(piece, from + at))
        } else {
            memmem::find(part, piece)
        };
        self.looked_at += found.map_or(part.len(), |at| at + piece.len());
        found.map(|at| from + at)
    }

    /// Where a piece last stands between two places of the name.
    fn rfind(&mut self, piece: &[u8], from: usize, to: usize) -> Option<usize> {
        let part = self.name.get(from..to)?;
        let found = if self.any_case {
            (0..=part.len().checked_sub(piece.len())?).rev().find(|&at| self.is_at(piece, from + at))
        } else {
            memmem::rfind(part, piece)
        };
        self.looked_at += found.map_or(part.len(), |at| part.len() - at);
        found.map(|at| from + at)
    }

    /// The delimiter that ends the level of this place.
    fn level_end(&mut self, at: usize) -> Option<usize> {
        let end = match self.level {
            Some((start, end)) if (start..=end).contains(&at) => end,
            _ => {
                let rest = self.name.get(at..)?;
                let found = self.delimiter.and_then(|delimiter| memchr(delimiter, rest));
                let end = at + found.unwrap_or(rest.len());
                self.looked_at += end - at;
                self.level = Some((at, end));
                end
            }
        };
        Some(end).filter(|end| *end < self.name.len())
    }

    /// Where the level before this place begins. For places that go backwards.
    fn level_start(&mut self, at: usize) -> usize {
        match self.level {
            Some((start, end)) if (start..=end).contains(&at) => start,
            _ => {
                let before = self.name.get(..at).unwrap_or_default();
                let found = self.delimiter.and_then(|delimiter| memrchr(delimiter, before));
                let start = found.map_or(0, |found| found + 1);
                self.looked_at += at - start;
                self.level = Some((start, at));
                start
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{format, string::String, vec::Vec};

    use super::*;

    /// The definition.
    fn naive(pattern: &[u8], name: &[u8], delimiter: Option<u8>) -> bool {
        let gap = |name: &[u8]| naive(pattern.get(1..).unwrap_or_default(), name, delimiter);
        match pattern.first() {
            None => name.is_empty(),
            Some(b'*') => (0..=name.len()).any(|at| gap(&name[at..])),
            Some(b'%') => {
                let level = name.iter().position(|&byte| Some(byte) == delimiter).unwrap_or(name.len());
                (0..=level).any(|at| gap(&name[at..]))
            }
            Some(byte) => name.first() == Some(byte) && gap(&name[1..]),
        }
    }

    fn matcher(pattern: &[u8]) -> ListMatcher {
        ListMatcher::new(&ListPattern::from_wire(pattern.to_vec()).unwrap())
    }

    /// All patterns and all names of a few letters.
    #[test]
    fn as_the_definition_says() {
        let words = |letters: &[u8], length: u32| -> Vec<Vec<u8>> {
            let base = letters.len();
            (0..=length)
                .flat_map(|length| (0..base.pow(length)).map(move |number| (number, length)))
                .map(|(number, length)| {
                    (0..length).map(|place| letters[number / base.pow(place) % base]).collect()
                })
                .collect()
        };
        let names = words(b"ab/", 5);
        for pattern in words(b"a/%*", 5).into_iter().chain(words(b"ab/%*", 4)) {
            let matcher = matcher(&pattern);
            for name in &names {
                for delimiter in [Some(b'/'), None] {
                    let (found, _) = matcher.compare(name, delimiter);
                    let shown = || format!("{:?} {:?}", pattern.escape_ascii(), name.escape_ascii());
                    assert_eq!(found, naive(&pattern, name, delimiter), "{} {delimiter:?}", shown());
                }
            }
        }
    }

    #[test]
    fn longer_ones_as_the_definition_says() {
        let mut state = 1u32;
        let mut next = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        for _ in 0..20_000 {
            let mut word = |letters: &[u8], most: u32| -> Vec<u8> {
                (0..next(most)).map(|_| letters[next(letters.len() as u32) as usize]).collect()
            };
            let (pattern, name) = (word(b"aab/%%*", 12), word(b"aab/", 16));
            let (found, _) = matcher(&pattern).compare(&name, Some(b'/'));
            let shown = String::from_utf8_lossy(&pattern);
            assert_eq!(
                found,
                naive(&pattern, &name, Some(b'/')),
                "{shown} {}",
                String::from_utf8_lossy(&name)
            );
        }
    }

    #[test]
    fn inbox_in_any_case() {
        for pattern in ["inBox", "%X", "*nB*", "i%b*", "in*ox", "%", "*"] {
            assert!(matcher(pattern.as_bytes()).compare(b"INBOX", Some(b'/')).0, "{pattern}");
        }
        assert!(!matcher(b"inb*y").compare(b"INBOX", Some(b'/')).0);
    }

    /// However long the pattern is, and whatever stands in it.
    #[test]
    fn the_cost_is_that_of_the_name() {
        let name = b"a".repeat(994);
        let level = b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaab/".repeat(31);
        let patterns = [
            b"*a".repeat(20_000),
            b"*a".repeat(400),
            b"%a".repeat(400),
            [b"*".repeat(40_000), b"b".to_vec()].concat(),
            b"*%".repeat(20_000),
            [b"*".to_vec(), b"a".repeat(500), b"b*".to_vec()].concat(),
            [b"*".to_vec(), b"a%".repeat(300), b"b*".to_vec()].concat(),
            [b"*".to_vec(), b"%a".repeat(10), b"c*".to_vec()].concat(),
            [b"*".to_vec(), b"a%/".repeat(20), b"c*".to_vec()].concat(),
            [b"*".to_vec(), b"%a/".repeat(20), b"a%c".to_vec()].concat(),
            [b"*a%b/".repeat(20), b"*c".to_vec()].concat(),
        ];
        for pattern in &patterns {
            let matcher = matcher(pattern);
            for name in [&name, &level] {
                let levels = name.iter().filter(|&&byte| byte == b'/').count() + 1;
                let (_, looked_at) = matcher.compare(name, Some(b'/'));
                let most = 3 * name.len() * levels;
                assert!(looked_at <= most, "{looked_at} > {most}: {:?}", pattern.escape_ascii());
            }
            assert_eq!(matcher.compare(b"", Some(b'/')).1, 0);
        }
    }
}
