//! Base subjects: RFC 5256 section 2.1.

use alloc::string::String;

/// A subject without what mail programs put around it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct BaseSubject {
    /// What is left. It is compared in any case of its letters.
    pub text: String,
    /// Whether something was removed that says that the message is a reply or was forwarded.
    pub is_reply: bool,
}

/// Extracts the base subject ([RFC 5256 section 2.1](https://www.rfc-editor.org/rfc/rfc5256#section-2.1)) of a subject
/// whose encoded words were decoded. It takes time in proportion to the length.
///
/// ```
/// use mailwire_imap::threading::base_subject;
///
/// let subject = base_subject("Re: [list] Fwd:  lunch\ttoday (fwd)");
/// assert_eq!((subject.text.as_str(), subject.is_reply), ("lunch today", true));
/// assert_eq!(base_subject("[fwd: [a] [b]]").text, "[b]");
/// ```
#[must_use]
pub fn base_subject(subject: &str) -> BaseSubject {
    let text = collapsed(subject);
    let mut left = text.as_str();
    let mut is_reply = false;
    loop {
        // (2)
        left = left.trim_end_matches(' ');
        while let Some(shorter) = strip_end(left, "(fwd)") {
            is_reply = true;
            left = shorter.trim_end_matches(' ');
        }
        // (3), (4), (5)
        loop {
            left = left.trim_start_matches(' ');
            let after = blobs(left);
            if let Some(rest) = refwd(after.rest) {
                is_reply = true;
                left = rest;
                continue;
            }
            // No blob before the last has a leader after it: all of them go, but not the whole subject.
            left = if after.rest.is_empty() { after.last } else { after.rest };
            break;
        }
        // (6)
        let inner = strip_start(left, "[fwd:").and_then(|inner| inner.strip_suffix(']'));
        match inner {
            Some(inner) => {
                is_reply = true;
                left = inner;
            }
            None => return BaseSubject { text: left.into(), is_reply },
        }
    }
}

/// (1): white space is one space each.
fn collapsed(subject: &str) -> String {
    let mut text = String::with_capacity(subject.len());
    for letter in subject.chars() {
        match letter {
            ' ' | '\t' | '\r' | '\n' if text.ends_with(' ') => {}
            ' ' | '\t' | '\r' | '\n' => text.push(' '),
            letter => text.push(letter),
        }
    }
    text
}

struct Blobs<'a> {
    /// What follows them.
    rest: &'a str,
    /// From the last of them on.
    last: &'a str,
}

/// Steps over the blobs at the beginning.
fn blobs(text: &str) -> Blobs<'_> {
    let mut found = Blobs { rest: text, last: text };
    while let Some(rest) = blob(found.rest) {
        found = Blobs { rest, last: found.rest };
    }
    found
}

/// ```text
/// subj-blob = "[" *BLOBCHAR "]" *WSP
/// BLOBCHAR  = any CHAR8 except '[' and ']'
/// ```
fn blob(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('[')?;
    let end = memchr::memchr2(b'[', b']', inner.as_bytes())?;
    inner.get(end..)?.strip_prefix(']').map(|rest| rest.trim_start_matches(' '))
}

/// ```text
/// subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"
/// ```
fn refwd(text: &str) -> Option<&str> {
    let rest = ["re", "fwd", "fw"].into_iter().find_map(|word| strip_start(text, word))?;
    let rest = rest.trim_start_matches(' ');
    blob(rest).unwrap_or(rest).strip_prefix(':')
}

fn strip_start<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let start = text.get(..word.len())?;
    if start.eq_ignore_ascii_case(word) { text.get(word.len()..) } else { None }
}

fn strip_end<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(word.len())?;
    let end = text.get(at..)?;
    if end.eq_ignore_ascii_case(word) { text.get(..at) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_put_around_a_subject() {
        for (subject, base, is_reply) in [
            ("", "", false),
            ("  lunch  ", "lunch", false),
            ("Re: lunch", "lunch", true),
            ("RE:FW: fwd : re [3]: lunch", "lunch", true),
            ("Re[2]: lunch", "lunch", true),
            ("Re: [list] Re: lunch", "lunch", true),
            ("[list] [more] lunch", "lunch", false),
            ("[list] [more]", "[more]", false),
            ("[list]", "[list]", false),
            ("Re: [list]", "[list]", true),
            ("[list] Re:", "", true),
            ("lunch (fwd) (FWD)", "lunch", true),
            ("[Fwd: lunch]", "lunch", true),
            ("[fwd: [fwd: Re: lunch (fwd)] ]", "lunch", true),
            ("[fwd: lunch", "[fwd: lunch", false),
            ("[fwd: a] b", "b", false),
            ("Return: lunch", "Return: lunch", false),
            ("Re lunch", "Re lunch", false),
            ("AW: lunch", "AW: lunch", false),
            ("Re: [a [b] lunch", "[a [b] lunch", true),
            ("a\r\n\t b", "a b", false),
            ("Re: \u{fc}\u{df}", "\u{fc}\u{df}", true),
            ("\u{fc}", "\u{fc}", false),
        ] {
            let found = base_subject(subject);
            assert_eq!((found.text.as_str(), found.is_reply), (base, is_reply), "{subject}");
        }
    }

    #[test]
    fn long_subjects_take_no_time() {
        for part in ["[a]", "re:", "[fwd:", "re [a", "(fwd)", "[", "re[a]", "[a] re"] {
            let mut subject = part.repeat(300_000);
            let _ = base_subject(&subject);
            subject.push_str(&"]".repeat(300_000));
            let _ = base_subject(&subject);
        }
    }
}
