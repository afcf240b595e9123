//! What a peer may repeat of a login.

use std::collections::VecDeque;

use mailwire_core::sasl;
use zeroize::Zeroizing;

/// So many are remembered: the parts of one login.
const MOST: usize = 4;

/// What is shorter occurs in any text.
const SHORTEST: usize = 4;

/// The last words of a login that were hidden: servers repeat what they do not like.
#[derive(Default)]
pub(super) struct Repeats(VecDeque<Zeroizing<Vec<u8>>>);

impl Repeats {
    /// Remembers the secret of a hidden text: its last word, as it is and decoded from base64.
    pub(super) fn remember(&mut self, hidden: &[u8]) {
        let word = last(hidden, |byte| byte.is_ascii_whitespace() || byte == b'"');
        self.keep(word);
        if let Ok(message) = sasl::decode(word) {
            self.keep(last(message.expose(), |byte| matches!(byte, 0 | 1 | b' ')));
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

fn last(text: &[u8], separates: impl Fn(u8) -> bool) -> &[u8] {
    text.rsplit(|&byte| separates(byte)).find(|word| !word.is_empty()).unwrap_or_default()
}
