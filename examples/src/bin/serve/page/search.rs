//! What is looked for in messages.

use mailwire_store::{message::Message, testing::ReceivedMessage};

use super::answer::Refused;

/// More words are not looked for: each is looked for in the whole message.
const WORDS: usize = 8;
/// Nor longer ones, in bytes together.
const LENGTH: usize = 1000;

/// Words that a message must all have.
#[derive(Clone, Default)]
pub(super) struct Search(Vec<(Scope, String)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Anywhere,
    From,
    To,
    Subject,
    /// It has one; no word is looked for.
    Attachment,
}

impl Search {
    /// Words and `"several words"`, each after `from:`, `to:` or `subject:` if it is to stand there; `has:attachment`.
    pub(super) fn parse(text: &str) -> Result<Self, Refused> {
        if text.len() > LENGTH {
            return Err(Refused::Wrong(format!("search: no more than {LENGTH} bytes")));
        }
        let mut words = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (scope, after) = scope(rest);
            let (word, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
            };
            match scope {
                Scope::Anywhere if word.eq_ignore_ascii_case("has:attachment") => {
                    words.push((Scope::Attachment, String::new()));
                }
                _ if word.is_empty() => {}
                _ => words.push((scope, word.to_owned())),
            }
            rest = after.trim_start();
        }
        match words.len() {
            0..=WORDS => Ok(Self(words)),
            _ => Err(Refused::Wrong(format!("search: no more than {WORDS} words"))),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn finds(&self, received: &ReceivedMessage, message: &Message) -> bool {
        self.0.iter().all(|(scope, word)| scope.has(word, received, message))
    }
}

/// Where the next word is to stand, and the rest.
fn scope(text: &str) -> (Scope, &str) {
    let scopes = [("from:", Scope::From), ("to:", Scope::To), ("subject:", Scope::Subject)];
    for (name, scope) in scopes {
        let (begin, rest) = text.split_at_checked(name.len()).unwrap_or((text, ""));
        if begin.eq_ignore_ascii_case(name) {
            return (scope, rest);
        }
    }
    (Scope::Anywhere, text)
}

impl Scope {
    fn has(self, word: &str, received: &ReceivedMessage, message: &Message) -> bool {
        let addresses =
            |names: &[&str]| names.iter().any(|name| message.address_contains(name.as_bytes(), word));
        let lower = word.to_lowercase();
        let sender = || received.from().to_lowercase().contains(&lower);
        let recipient = || received.recipients().iter().any(|to| to.to_lowercase().contains(&lower));
        match self {
            Self::From => sender() || addresses(&["from"]),
            Self::To => recipient() || addresses(&["to", "cc"]),
            Self::Subject => message.header_contains(b"subject", word),
            Self::Anywhere => sender() || recipient() || message.text_contains(word),
            Self::Attachment => message.structure(true).contents().has_attachment(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_where_they_stand() {
        let parsed = |text| Search::parse(text).map(|search| search.0).unwrap();
        let expected = [
            (Scope::Anywhere, "hello"),
            (Scope::From, "anna"),
            (Scope::Subject, "two words"),
            (Scope::Attachment, ""),
            (Scope::Anywhere, "a:b"),
            (Scope::To, "no end"),
        ];
        let found =
            parsed("  hello FROM:anna subject:\"two words\" Has:Attachment a:b \"\" from: to:\"no end");
        let found: Vec<_> = found.iter().map(|(scope, word)| (*scope, &**word)).collect();
        assert_eq!(found, expected);
        assert!(parsed(" ").is_empty());
        assert!(Search::parse("a b c d e f g h i").is_err());
        assert!(
            Search::parse(&"a".repeat(LENGTH)).is_ok() && Search::parse(&"a".repeat(LENGTH + 1)).is_err()
        );
    }
}
