//! NUL in what is received or sent.

use memchr::memchr;

/// Looks for the first NUL in a body that comes or goes in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NulSearch {
    /// Bytes looked at so far.
    offset: u64,
    found: Option<u64>,
}

impl NulSearch {
    /// At the start of a body.
    #[must_use]
    pub const fn new() -> Self {
        Self { offset: 0, found: None }
    }

    /// Looks through the next piece.
    #[inline]
    pub fn look(&mut self, piece: &[u8]) {
        if self.found.is_some() {
            return;
        }
        // A call is not worth it for a few bytes.
        let at = if piece.len() < 16 { piece.iter().position(|&byte| byte == 0) } else { memchr(0, piece) };
        self.found = at.map(|at| self.offset.saturating_add(at as u64));
        self.offset = self.offset.saturating_add(piece.len() as u64);
    }

    /// Where the first NUL stood, in bytes from the start of the body.
    #[must_use]
    pub const fn found(&self) -> Option<u64> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_one_is_found_in_any_cut() {
        for (body, place) in [(&b"abcde"[..], None), (b"\0", Some(0)), (b"ab\0c\0", Some(2)), (b"", None)] {
            for cut in 0..=body.len() {
                let mut search = NulSearch::new();
                search.look(&body[..cut]);
                search.look(&body[cut..]);
                assert_eq!(search.found(), place, "{body:?} cut at {cut}");
            }
        }
    }
}
