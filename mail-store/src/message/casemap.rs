//! `i;unicode-casemap`: [RFC 5051](https://www.rfc-editor.org/rfc/rfc5051).

use unicode_normalization::char::decompose_compatible;

/// Bytes of a text that are mapped at once: some letters become eighteen.
const PIECE: usize = 64 * 1024;

/// Appends a text as the collation compares it: letters in titlecase, and all that can be decomposed
/// decomposed. `ö` is `O` and a mark, so that who looks for `o` finds it.
pub(super) fn casemap(text: &str, out: &mut Vec<u8>) {
    if text.is_ascii() {
        let start = out.len();
        out.extend_from_slice(text.as_bytes());
        out.get_mut(start..).unwrap_or_default().make_ascii_uppercase();
        return;
    }
    let mut bytes = [0; 4];
    for letter in text.chars() {
        if letter.is_ascii() {
            out.extend(u8::try_from(letter).map(|letter| letter.to_ascii_uppercase()));
        } else {
            decompose_compatible(titlecase(letter), |letter| {
                out.extend_from_slice(letter.encode_utf8(&mut bytes).as_bytes());
            });
        }
    }
}

/// The simple titlecase of a letter, as UnicodeData.txt has it: the uppercase, but for a few.
fn titlecase(letter: char) -> char {
    match letter {
        // One letter that looks like two.
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        // Georgian is written in capitals as a whole or not at all.
        '\u{10d0}'..='\u{10ff}' => letter,
        // The standard library writes the iota of these as a letter of its own.
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => shifted(letter, 8),
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => shifted(letter, 9),
        _ => {
            let mut upper = letter.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(upper), None) => upper,
                // What becomes several letters, like the sharp s, has no simple titlecase.
                _ => letter,
            }
        }
    }
}

fn shifted(letter: char, by: u32) -> char {
    char::from_u32(u32::from(letter) + by).unwrap_or(letter)
}

/// What is looked for in texts, in any case.
pub(super) struct Needle {
    finder: memchr::memmem::Finder<'static>,
}

impl Needle {
    pub(super) fn new(text: &str) -> Self {
        let mut mapped = Vec::new();
        casemap(text, &mut mapped);
        Self { finder: memchr::memmem::Finder::new(&mapped).into_owned() }
    }

    /// Whether a text contains it. That takes time in proportion to both, and little memory.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let length = self.finder.needle().len();
        if length == 0 {
            return true;
        }
        let mut mapped = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let mut end = PIECE.max(length).min(rest.len());
            while !rest.is_char_boundary(end) {
                end += 1;
            }
            let (piece, after) = rest.split_at(end);
            rest = after;
            // What is found may begin in the piece before.
            mapped.drain(..mapped.len().saturating_sub(length - 1));
            casemap(piece, &mut mapped);
            if self.finder.find(&mapped).is_some() {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(text: &str) -> String {
        let mut out = Vec::new();
        casemap(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn letters_are_mapped_as_rfc_5051_says() {
        for (text, expected) in [
            ("Hello 7", "HELLO 7"),
            // The example of section 2.
            ("\u{1c4}\u{1c5}\u{1c6}", "Dz\u{30c}Dz\u{30c}Dz\u{30c}"),
            ("\u{f6}\u{d6}o\u{308}", "O\u{308}O\u{308}O\u{308}"),
            ("\u{df}", "\u{df}"),
            ("\u{fb01}\u{ff21}\u{2460}\u{212b}", "fiA1A\u{30a}"),
            ("\u{1f80}\u{1f88}", "\u{391}\u{313}\u{345}\u{391}\u{313}\u{345}"),
            ("\u{1fb3}\u{1fbc}", "\u{391}\u{345}\u{391}\u{345}"),
            ("\u{3c2}\u{3c3}\u{3a3}", "\u{3a3}\u{3a3}\u{3a3}"),
            ("\u{10d0}", "\u{10d0}"),
            ("\u{ff}", "Y\u{308}"),
        ] {
            assert_eq!(mapped(text), expected, "{text}");
        }
    }

    #[test]
    fn case_makes_no_difference() {
        for letter in char::MIN..=char::MAX {
            let mut lower = letter.to_lowercase();
            let (Some(lower), None) = (lower.next(), lower.next()) else { continue };
            let is_georgian = ('\u{10d0}'..='\u{10ff}').contains(&lower);
            if lower.to_uppercase().eq([letter]) && !is_georgian {
                assert_eq!(mapped(&lower.to_string()), mapped(&letter.to_string()), "{letter:?}");
            }
        }
    }

    #[test]
    fn found_across_pieces() {
        for at in PIECE - 4..PIECE + 2 {
            for text in ["N\u{f6}\u{ff21}D", "nO\u{308}aD"] {
                let text = format!("{}{text}{}", "x".repeat(at), "\u{e9}".repeat(PIECE));
                assert!(Needle::new("n\u{d6}\u{ff41}d").is_in(&text), "{at}");
                assert!(!Needle::new("nod").is_in(&text.replace(['N', 'n'], "m")));
            }
        }
        assert!(Needle::new("").is_in("") && !Needle::new("x").is_in(""));
        let long = "ab".repeat(PIECE * 2);
        assert!(
            Needle::new(&long).is_in(&format!("b{long}c")) && !Needle::new(&format!("{long}a")).is_in(&long)
        );
    }

    #[test]
    fn memory_does_not_grow_with_the_text() {
        // The letter that becomes the most: eighteen.
        assert_eq!(mapped("\u{fdfa}").chars().count(), 18);
        assert!(mapped("\u{fdfa}").len() * PIECE / 3 < 1 << 20);
    }
}
