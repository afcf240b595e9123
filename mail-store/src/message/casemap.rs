//! `i;unicode-casemap`: [RFC 5051](https://www.rfc-editor.org/rfc/rfc5051).

use unicode_normalization::char::decompose_compatible;

/// Appends a text as the collation compares it: letters in titlecase, and all that can be decomposed
/// decomposed. `ö` is `O` and a mark, so that who looks for `o` finds it.
pub fn casemap(text: &str, out: &mut Vec<u8>) {
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
}
