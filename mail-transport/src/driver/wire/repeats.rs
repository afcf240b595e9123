//! What a peer may repeat of a login.

use std::collections::VecDeque;

use mailwire_core::sasl;
use zeroize::Zeroizing;

/// So many are remembered: the parts of one login.
const MOST: usize = 4;

/// What is shorter occurs in any text.
const SHORTEST: usize = 4;

/// What was hidden of a login, as much of its end as can be told from any text: servers repeat what they do not like.
#[derive(Default)]
pub(super) struct Repeats(VecDeque<Zeroizing<Vec<u8>>>);

impl Repeats {
    /// Remembers the secret of a hidden text: its end, as it is and decoded from base64.
    pub(crate) fn remember(&mut self, hidden: &[u8]) {
        self.keep(end_of(hidden, |byte| byte.is_ascii_whitespace() || byte == b'"'));
        let word = hidden.rsplit(u8::is_ascii_whitespace).find(|word| !word.is_empty()).unwrap_or_default();
        if let Ok(message) = sasl::decode(word) {
            self.keep(end_of(message.expose(), |byte| matches!(byte, 0 | 1 | b' ')));
        }
    }

    fn keep(&mut self, secret: &[u8]) {
        if secret.len() >= SHORTEST {
            if self.0.len() >= MOST {
                self.0.pop_front();
            }
            self.0.push_back(Zeroizing::new(secret.to_vec()));
        }
    }

    /// Whether one of them occurs in this text.
    pub(super) fn are_in(&self, text: &[u8]) -> bool {
        self.0.iter().any(|secret| text.windows(secret.len()).any(|part| part == &***secret))
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// The shortest end of the text that begins with a word and is not too short; empty if there is none. What
/// stands after its last word is no part of it.
fn end_of(text: &[u8], separates: impl Fn(u8) -> bool) -> &[u8] {
    let length = text.iter().rposition(|&byte| !separates(byte)).map_or(0, |last| last.saturating_add(1));
    let text = text.get(..length).unwrap_or_default();
    let begins = |&at: &usize| {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        before.is_none_or(|&byte| separates(byte)) && text.get(at).is_some_and(|&byte| !separates(byte))
    };
    let longest = length.saturating_sub(SHORTEST);
    (0..=longest).rev().find(begins).and_then(|at| text.get(at..)).unwrap_or_default()
}
