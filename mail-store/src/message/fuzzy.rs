//! FUZZY: how much a message's text is like what is looked for ([RFC
//! 6203](https://www.rfc-editor.org/rfc/rfc6203)).
//!
//! Both are compared word by word, in any case and order, by what [`likeness`] says of two words. A text is like what is
//! looked for if the words of that are found in it to [`ENOUGH`] per cent, on average.

use super::{
    Message,
    casemap::casemap,
    search::{Scope, texts},
};

/// So many words are compared; a person who writes more knows what to look for.
const WORDS: usize = 8;
/// So many bytes of a word are compared.
const LENGTH: usize = 48;
/// So many bytes of a message's header, and of its texts, are looked at for one key.
const LOOKED_AT: usize = 64 << 10;
/// A text that is as much like what is looked for, in per cent, is found.
const ENOUGH: u32 = 50;

/// Something that texts may be like.
#[derive(Debug, Clone)]
pub(crate) struct Like {
    scope: Scope,
    words: Vec<Vec<u8>>,
}

impl Like {
    pub(crate) fn new(scope: Scope, text: &str) -> Self {
        let mut mapped = Vec::new();
        casemap(text, &mut mapped);
        let words = words(&mapped).take(WORDS).map(<[u8]>::to_vec).collect();
        Self { scope, words }
    }

    /// How many bytes are looked at in a message of this size.
    pub(crate) fn cost(&self, size: u64) -> u64 {
        // Most words are of other lengths, or differ where they begin.
        size.min(LOOKED_AT as u64).saturating_mul(self.words.len().max(1) as u64)
    }

    /// How much the message is like this, from 1 to 100; 0 if it is not found.
    pub(crate) fn score(&self, message: &Message) -> u8 {
        let mut best = vec![0_u32; self.words.len()];
        let (mut left, mut mapped, mut any) = (LOOKED_AT, Vec::new(), false);
        texts(message, &self.scope, LOOKED_AT, &mut |text| {
            any = true;
            let mut end = left.min(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            left -= end;
            mapped.clear();
            casemap(text.get(..end).unwrap_or_default(), &mut mapped);
            for word in words(&mapped) {
                for (asked, best) in self.words.iter().zip(&mut best).filter(|(_, best)| **best < 100) {
                    *best = likeness(asked, word).max(*best);
                }
            }
            left > 0 && best.iter().any(|best| *best < 100)
        });
        let score = match u32::try_from(best.len()) {
            // Nothing is like everything that is there.
            Ok(0) | Err(_) => {
                if any {
                    100
                } else {
                    0
                }
            }
            Ok(count) => best.iter().sum::<u32>() / count,
        };
        if score < ENOUGH { 0 } else { u8::try_from(score).unwrap_or(100) }
    }
}

/// What stands between spaces and signs, and no more of it than is compared.
fn words(mapped: &[u8]) -> impl Iterator<Item = &[u8]> {
    let words = mapped.split(|byte| byte.is_ascii() && !byte.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).map(|word| word.get(..LENGTH).unwrap_or(word))
}

/// How much a word is like one that is asked for, from 0 to 100:
///
/// | | |
/// | --- | --- |
/// | 100 | it is the word |
/// | 90 | it begins with it, if that has three bytes or more |
/// | 80 | that is in it, if it has three bytes or more |
/// | 75 | one byte of four or more is another, is missing or is too much |
/// | 60 | both begin with the same four bytes or more, and those are half of each |
/// | 50 | two bytes of eight or more are others, are missing or are too much |
fn likeness(asked: &[u8], word: &[u8]) -> u32 {
    if asked == word {
        return 100;
    }
    if asked.len() >= 3 && word.len() > asked.len() {
        if word.starts_with(asked) {
            return 90;
        }
        if memchr::memmem::find(word, asked).is_some() {
            return 80;
        }
    }
    let most = match asked.len() {
        0..=3 => return 0,
        4..=7 => 1,
        _ => 2,
    };
    let changed = distance(asked, word, most);
    if changed == Some(1) {
        return 75;
    }
    let alike = asked.iter().zip(word).take_while(|(one, other)| one == other).count();
    if alike >= 4 && 2 * alike >= asked.len().max(word.len()) {
        return 60;
    }
    if changed.is_some() { 50 } else { 0 }
}

/// How many bytes have to be changed, put in or taken out to make one word the other. `None`: more than `most`, which is
/// small.
fn distance(one: &[u8], other: &[u8], most: usize) -> Option<usize> {
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let (one, other) = (one.get(same..).unwrap_or_default(), other.get(same..).unwrap_or_default());
    let (Some((_, one_rest)), Some((_, other_rest))) = (one.split_first(), other.split_first()) else {
        let left = one.len().max(other.len());
        return (left <= most).then_some(left);
    };
    if one.len().abs_diff(other.len()) > most {
        return None;
    }
    let fewer = most.checked_sub(1)?;
    let ways = [(one_rest, other_rest), (one_rest, other), (one, other_rest)];
    ways.into_iter().filter_map(|(one, other)| distance(one, other, fewer)).min().map(|left| left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(asked: &str, subject: &str) -> u8 {
        let message = Message::parse(format!("Subject: {subject}\r\n\r\nbody\r\n").into());
        Like::new(Scope::Field(b"subject".to_vec()), asked).score(&message)
    }

    #[test]
    fn words_that_are_alike() {
        for (asked, subject, expected) in [
            ("helo", "Hello!", 75),
            ("Helo", "I need HELP", 75),
            ("break", "breaking news", 90),
            ("fast", "breakfast", 80),
            ("IMAP break", "broken imap", 50),
            ("IMAP break", "imap: a Break", 100),
            ("conference", "konferenz", 0),
            ("conference", "konferance", 50),
            ("conference", "conferrenc", 60),
            ("searching", "searched", 60),
            ("gr\u{fc}\u{df}e", "Gr\u{fc}sse", 60),
            ("gr\u{fc}n", "GRUN", 0),
            ("cat", "car", 0),
            ("a b c d", "a b", 50),
            ("a b c d", "a", 0),
            ("", "anything", 100),
        ] {
            assert_eq!(score(asked, subject), expected, "{asked} {subject}");
        }
        let message = Message::parse("To: x@y\r\n\r\n".to_owned().into());
        assert_eq!(Like::new(Scope::Field(b"subject".to_vec()), "").score(&message), 0);
    }

    /// However long a header is, and whatever is asked for: one key costs no more than it says.
    #[test]
    fn headers_are_looked_at_to_a_bound() {
        let header = |size: usize| format!("{}Subject: hello\r\n\r\n", "X: y\r\n".repeat(size / 6));
        let asked = Like::new(Scope::Field(b"subject".to_vec()), "hello");
        let (near, far) = (header(LOOKED_AT / 2), header(2 * LOOKED_AT));
        let far_size = far.len() as u64;
        assert_eq!(asked.score(&Message::parse(near.into())), 100);
        assert_eq!(asked.score(&Message::parse(far.into())), 0);
        let nothing = Like::new(Scope::Field(b"subject".to_vec()), "");
        assert_eq!((asked.cost(far_size), nothing.cost(far_size)), (LOOKED_AT as u64, LOOKED_AT as u64));
    }

    #[test]
    fn distances() {
        let distance = |one: &str, other: &str, most| distance(one.as_bytes(), other.as_bytes(), most);
        assert_eq!(distance("abcd", "abcd", 2), Some(0));
        assert_eq!(distance("abcd", "bcd", 2), Some(1));
        assert_eq!(distance("abcd", "bcda", 2), Some(2));
        assert_eq!(distance("abcd", "bcda", 1), None);
        assert_eq!(distance("", "ab", 2), Some(2));
        assert_eq!(distance("kitten", "sitting", 3), Some(3));
        assert_eq!(distance("kitten", "sitting", 2), None);
    }

    #[test]
    fn all_places() {
        let message = Message::parse(
            "From: =?utf-8?q?J=C3=B6rg?= Mayer <jm@example.org>\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
             --x\r\n\r\nA conversation\r\n--x\r\nContent-Type: image/png\r\n\r\nhidden\r\n--x--\r\n"
                .to_owned()
                .into(),
        );
        let score = |scope, text| Like::new(scope, text).score(&message);
        assert_eq!(score(Scope::Address(b"from".to_vec()), "j\u{f6}rg meyer"), 87);
        assert_eq!(score(Scope::Address(b"from".to_vec()), "exanple.org"), 87);
        assert_eq!(score(Scope::Body, "conversations"), 75);
        assert_eq!(score(Scope::Text, "meyer conversations"), 75);
        assert_eq!(score(Scope::Body, "mayer"), 0);
        assert_eq!(score(Scope::Body, "hidden"), 0);
    }
}
