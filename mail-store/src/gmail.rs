//! Gmail's search language, as far as it is known here: what `X-GM-RAW` asks.
//!
//! A query is a list of terms, all of which have to be true. Operators are in small letters or large ones:
//!
//! | term | finds |
//! | --- | --- |
//! | `word`, `+word`, `"several words"` | the text in the header or the body |
//! | `from:`, `to:`, `cc:`, `bcc:` | a text in that field's addresses |
//! | `subject:`, `list:`, `deliveredto:` | a text in that field |
//! | `rfc822msgid:` | the Message-ID |
//! | `label:name` | the label, whose blanks and slashes are written as `-` |
//! | `in:inbox`, `in:sent`, `in:drafts`, `in:trash`, `in:spam`, `in:anywhere` | such a label; everything |
//! | `is:unread`, `is:read`, `is:starred`, `is:important`, `is:draft` | a flag, or such a label |
//! | `has:attachment` | something to offer as a file; not what is to be shown where it stands |
//! | `larger:5M`, `smaller:10k`, `size:` (larger) | bytes, with `k` and `m` |
//! | `after:2026/02/01`, `before:`, `newer:`, `older:` | the day of arrival, `-` and `.` do, too; or seconds since 1970 |
//! | `newer_than:2d`, `older_than:1m` | its age in days, months (of 30 days) or years (of 365) |
//! | `-term`, `NOT term` | what the term does not find |
//! | `one OR other`, `{one other}` | what any of them finds |
//! | `(one other)` | what all of them find |
//!
//! The value of an operator can be a list in `(`, `)` or `{`, `}`, too. What has a colon and is none of these is a text, but
//! for operators of Gmail that are missing here: a search with one of them is refused.

use std::{borrow::Cow, collections::BTreeSet, num::NonZeroU32};

use mailwire_imap::{
    command::{AString, SearchKey},
    extensions::gmail::GmailLabel,
    types::Date,
};

use crate::Row;

/// The operators of Gmail that are missing here.
const MISSING: [&str; 4] = ["category", "filename", "header", "circle"];

/// So deep can lists be within each other. What is deeper is read as if it were not in a list.
const NESTING: usize = 16;

/// A term of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Term {
    /// What IMAP can ask as well.
    Key(SearchKey),
    /// A label, in the way that queries write it.
    Label(String),
    /// Whether there is a file.
    Attachment,
    /// Whether the message arrived before this moment, in seconds.
    Before(i64),
    /// Something else than this.
    Not(Box<Term>),
    /// One of these.
    Any(Vec<Term>),
    /// All of these.
    All(Vec<Term>),
    /// An operator that is missing here.
    Missing(&'static str),
}

/// A label as it is compared.
pub(crate) fn folded(label: &GmailLabel) -> String {
    label.to_unicode().to_lowercase()
}

/// A label as queries write it.
fn written(label: &str) -> String {
    label.trim_start_matches('\\').to_lowercase().replace([' ', '/', '&', '(', ')'], "-")
}

/// The labels of a message, made ready to be compared many times.
pub(crate) struct LabelNames {
    folded: BTreeSet<String>,
    written: BTreeSet<String>,
}

impl LabelNames {
    pub(crate) fn of(labels: &[GmailLabel]) -> Self {
        let written = labels.iter().map(|label| written(&label.to_unicode()));
        Self { folded: labels.iter().map(folded).collect(), written: written.collect() }
    }

    pub(crate) fn has(&self, folded: &str) -> bool {
        self.folded.contains(folded)
    }

    pub(crate) fn has_written(&self, written: &str) -> bool {
        self.written.contains(written)
    }
}

/// The number by which Gmail's clients know a conversation. Where there are none, each message is one.
pub(crate) fn thread_number(row: &Row) -> u64 {
    row.thread.map_or(row.body.get(), |thread| thread.get())
}

/// An operator that the keys ask for and that is missing here.
pub(crate) fn unsupported(keys: &[SearchKey]) -> Option<&'static str> {
    keys.iter().find_map(|key| match key {
        SearchKey::GmailRaw(query) => missing(&parse(&query.as_text().to_string_lossy())),
        SearchKey::Not(key) | SearchKey::Fuzzy(key) => unsupported(std::slice::from_ref(key)),
        SearchKey::Or(one, other) => {
            unsupported(std::slice::from_ref(one)).or_else(|| unsupported(std::slice::from_ref(other)))
        }
        SearchKey::And(keys) => unsupported(keys),
        _ => None,
    })
}

fn missing(term: &Term) -> Option<&'static str> {
    match term {
        Term::Missing(operator) => Some(operator),
        Term::Not(term) => missing(term),
        Term::Any(terms) | Term::All(terms) => terms.iter().find_map(missing),
        _ => None,
    }
}

/// Reads a query. Nothing fails: what makes no sense is left out, and an empty query finds everything.
pub(crate) fn parse(query: &str) -> Term {
    let mut parser = Parser { rest: query, depth: 0 };
    let mut terms = Vec::new();
    while !parser.rest.is_empty() {
        terms.append(&mut parser.terms(&|text| text_term("text", text)));
        // A bracket that nothing has opened.
        parser.bump();
    }
    Term::All(terms)
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self) {
        let mut letters = self.rest.chars();
        letters.next();
        self.rest = letters.as_str();
    }

    fn skip_blank(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// The terms up to a closing bracket or the end; `word` makes a term of a text.
    fn terms(&mut self, word: &dyn Fn(&str) -> Term) -> Vec<Term> {
        let (mut terms, mut joins) = (Vec::new(), false);
        loop {
            self.skip_blank();
            if matches!(self.peek(), None | Some(')' | '}')) {
                return terms;
            }
            if self.eat_word("OR") {
                joins = !terms.is_empty();
                continue;
            }
            // So many at once: a query like `- - - -` nests nothing.
            let mut negated = false;
            loop {
                self.skip_blank();
                if self.peek() == Some('-') {
                    self.bump();
                } else if !self.eat_word("NOT") {
                    break;
                }
                negated = !negated;
            }
            if self.eat_word("AND") {
                continue;
            }
            let Some(term) = self.term(word) else { continue };
            let term = if negated { Term::Not(Box::new(term)) } else { term };
            // OR binds more than what stands side by side.
            match terms.last_mut() {
                Some(Term::Any(any)) if joins => any.push(term),
                Some(last) if joins => {
                    let first = std::mem::replace(last, Term::Any(Vec::new()));
                    *last = Term::Any(vec![first, term]);
                }
                _ => terms.push(term),
            }
            joins = false;
        }
    }

    /// A word in capitals by itself.
    fn eat_word(&mut self, word: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(word) else { return false };
        let ends = rest.chars().next().is_none_or(|next| next.is_whitespace() || "(){}".contains(next));
        if ends {
            self.rest = rest;
        }
        ends
    }

    fn term(&mut self, word: &dyn Fn(&str) -> Term) -> Option<Term> {
        if let Some(list) = self.list(word) {
            return list;
        }
        if self.peek() == Some('+') {
            self.bump();
        }
        let operator = self.operator();
        let value = |text: &str| match operator {
            Some(operator) => operator_term(operator, text),
            None => word(text),
        };
        if let Some(list) = operator.and_then(|_| self.list(&value)) {
            return list;
        }
        let text = self.text();
        (!text.is_empty()).then(|| value(&text))
    }

    /// A list in brackets. `None`: there is no bracket. What is in it can be nothing.
    fn list(&mut self, word: &dyn Fn(&str) -> Term) -> Option<Option<Term>> {
        let any = match self.peek() {
            Some('(') => false,
            Some('{') => true,
            _ => return None,
        };
        self.bump();
        if self.depth == NESTING {
            return Some(None);
        }
        self.depth += 1;
        let terms = self.terms(word);
        self.depth -= 1;
        self.bump();
        Some((!terms.is_empty()).then_some(if any { Term::Any(terms) } else { Term::All(terms) }))
    }

    /// `name:`, if it is an operator's.
    fn operator(&mut self) -> Option<&'static str> {
        // No name is longer; what follows can be.
        let colon = self.rest.bytes().take(16).position(|byte| byte == b':')?;
        let (name, rest) = self.rest.split_at_checked(colon)?;
        let known = OPERATORS.iter().chain(&MISSING).find(|known| known.eq_ignore_ascii_case(name))?;
        self.rest = rest.strip_prefix(':').unwrap_or(rest).trim_start_matches(' ');
        Some(known)
    }

    /// A word, or several in quotes.
    fn text(&mut self) -> Cow<'a, str> {
        if let Some(rest) = self.rest.strip_prefix('"') {
            let (text, rest) = rest.split_once('"').unwrap_or((rest, ""));
            self.rest = rest;
            return Cow::Borrowed(text);
        }
        let end = self.rest.find(|letter: char| letter.is_whitespace() || "(){}\"".contains(letter));
        let (text, rest) =
            self.rest.split_at_checked(end.unwrap_or(self.rest.len())).unwrap_or((self.rest, ""));
        self.rest = rest;
        Cow::Borrowed(text)
    }
}

const OPERATORS: [&str; 22] = [
    "from",
    "to",
    "cc",
    "bcc",
    "subject",
    "list",
    "deliveredto",
    "rfc822msgid",
    "label",
    "in",
    "is",
    "has",
    "larger",
    "smaller",
    "size",
    "after",
    "newer",
    "before",
    "older",
    "newer_than",
    "older_than",
    "text",
];

fn text_term(operator: &str, text: &str) -> Term {
    let Ok(word) = AString::new(text) else { return nothing() };
    let header = |name, word| AString::new(name).map_or(SearchKey::All, |name| SearchKey::Header(name, word));
    Term::Key(match operator {
        "from" => SearchKey::From(word),
        "to" => SearchKey::To(word),
        "cc" => SearchKey::Cc(word),
        "bcc" => SearchKey::Bcc(word),
        "subject" => SearchKey::Subject(word),
        "list" => header("List-Id", word),
        "deliveredto" => header("Delivered-To", word),
        "rfc822msgid" => header("Message-ID", word),
        _ => SearchKey::Text(word),
    })
}

fn operator_term(operator: &'static str, value: &str) -> Term {
    let small = value.to_lowercase();
    match operator {
        "label" => Term::Label(written(value)),
        "in" => match small.as_str() {
            "anywhere" => Term::Key(SearchKey::All),
            "drafts" => drafts(),
            "starred" => starred(),
            _ => Term::Label(written(value)),
        },
        "is" => match small.as_str() {
            "unread" => Term::Key(SearchKey::Unseen),
            "read" => Term::Key(SearchKey::Seen),
            "starred" => starred(),
            "draft" => drafts(),
            "important" => Term::Label(small),
            _ => Term::Missing("such is:"),
        },
        "has" if small == "attachment" => Term::Attachment,
        "has" => Term::Missing("such has:"),
        "larger" | "size" => bytes(&small).map_or_else(nothing, |bytes| Term::Key(SearchKey::Larger(bytes))),
        "smaller" => bytes(&small).map_or_else(nothing, |bytes| Term::Key(SearchKey::Smaller(bytes))),
        "after" | "newer" => match moment(value) {
            Some(Moment::Day(day)) => Term::Key(SearchKey::Since(day)),
            Some(Moment::Second(second)) => Term::Not(Box::new(Term::Before(second))),
            None => nothing(),
        },
        "before" | "older" => match moment(value) {
            Some(Moment::Day(day)) => Term::Key(SearchKey::Before(day)),
            Some(Moment::Second(second)) => Term::Before(second),
            None => nothing(),
        },
        "newer_than" => age(&small).map_or_else(nothing, |age| Term::Key(SearchKey::Younger(age))),
        "older_than" => age(&small).map_or_else(nothing, |age| Term::Key(SearchKey::Older(age))),
        _ => match MISSING.iter().find(|missing| **missing == operator) {
            Some(missing) => Term::Missing(missing),
            None => text_term(operator, value),
        },
    }
}

/// What no message is.
fn nothing() -> Term {
    Term::Any(Vec::new())
}

fn starred() -> Term {
    Term::Any(vec![Term::Key(SearchKey::Flagged), Term::Label("starred".into())])
}

fn drafts() -> Term {
    Term::Any(vec![Term::Key(SearchKey::Draft), Term::Label("draft".into())])
}

/// `5m`
fn bytes(value: &str) -> Option<u64> {
    let value = value.strip_suffix('b').unwrap_or(value);
    let (digits, unit) = match value.strip_suffix(['k', 'm']) {
        Some(digits) if value.ends_with('k') => (digits, 1 << 10),
        Some(digits) => (digits, 1 << 20),
        None => (value, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// `2d`
fn age(value: &str) -> Option<NonZeroU32> {
    let days = [('d', 1), ('m', 30), ('y', 365)];
    let (number, days) = days
        .iter()
        .find_map(|(unit, days)| Some((value.strip_suffix(*unit)?.parse::<u32>().ok()?, *days)))?;
    NonZeroU32::new(number.saturating_mul(days).saturating_mul(24 * 60 * 60))
}

enum Moment {
    Day(Date),
    Second(i64),
}

/// `2026/02/28`, `02/28/2026`, or seconds since 1970.
fn moment(value: &str) -> Option<Moment> {
    let mut parts = value.split(['/', '-', '.']).map(|part| part.parse::<u16>().ok());
    let day = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(year), Some(month), Some(day), None) if year > Some(31) => (year?, month?, day?),
        (Some(month), Some(day), Some(year), None) => (year?, month?, day?),
        _ => return value.parse().ok().map(Moment::Second),
    };
    let (month, of_month) = (u8::try_from(day.1).ok()?, u8::try_from(day.2).ok()?);
    Date::new(day.0, month, of_month).ok().map(Moment::Day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A term in the words of IMAP.
    fn shown(term: &Term) -> String {
        let all = |terms: &[Term]| terms.iter().map(shown).collect::<Vec<_>>().join(" ");
        match term {
            Term::Key(key) => {
                use mailwire_imap::command::{Command, Request, Search, WriteOptions};
                let command = Command::Search(Search::by_uid([key.clone()]));
                let (tag, mut out) = ("a".try_into().unwrap(), Vec::new());
                Request { tag, command }.write(WriteOptions::default(), &mut out);
                let line = String::from_utf8(out).unwrap();
                line.trim_end()
                    .trim_start_matches("a UID SEARCH ")
                    .trim_start_matches("CHARSET UTF-8 ")
                    .to_owned()
            }
            Term::Label(label) => format!("<{label}>"),
            Term::Attachment => "FILE".into(),
            Term::Before(second) => format!("<{second}"),
            Term::Not(term) => format!("-{}", shown(term)),
            Term::Any(terms) => format!("{{{}}}", all(terms)),
            Term::All(terms) => format!("({})", all(terms)),
            Term::Missing(operator) => format!("?{operator}"),
        }
    }

    #[test]
    fn queries() {
        for (query, expected) in [
            ("", "()"),
            ("two words", "(TEXT two TEXT words)"),
            ("\"two words\" +one", "(TEXT \"two words\" TEXT one)"),
            ("from:ada -to:\"Mr B\" Subject: x", "(FROM ada -TO \"Mr B\" SUBJECT x)"),
            ("a OR b c OR d OR e", "({TEXT a TEXT b} {TEXT c TEXT d TEXT e})"),
            ("{a b} (c d) ()", "({TEXT a TEXT b} (TEXT c TEXT d))"),
            ("from:(a -b) subject:{x y}", "((FROM a -FROM b) {SUBJECT x SUBJECT y})"),
            ("NOT a AND b OR", "(-TEXT a TEXT b)"),
            ("--a -{b} or -", "(TEXT a -{TEXT b} TEXT or)"),
            ("label:My/Work label:\"a b\" in:Inbox", "(<my-work> <a-b> <inbox>)"),
            ("is:unread IS:read is:starred in:drafts", "(UNSEEN SEEN {FLAGGED <starred>} {DRAFT <draft>})"),
            ("has:attachment has:drive is:snoozed", "(FILE ?such has: ?such is:)"),
            ("larger:5M smaller:10kb size:7 larger:x", "(LARGER 5242880 SMALLER 10240 LARGER 7 {})"),
            (
                "after:2026/2/1 before:02/28/2026 older:5 newer:5",
                "(SINCE 1-Feb-2026 BEFORE 28-Feb-2026 <5 -<5)",
            ),
            ("newer_than:2d older_than:1y older_than:9", "(YOUNGER 172800 OLDER 31536000 {})"),
            ("list:a rfc822msgid:b", "(HEADER List-Id a HEADER Message-ID b)"),
            ("12:30 re: http://x category:social", "(TEXT 12:30 TEXT re: TEXT http://x ?category)"),
            (") a } b ( c", "(TEXT a TEXT b (TEXT c))"),
            ("\"open", "(TEXT open)"),
        ] {
            assert_eq!(shown(&parse(query)), expected, "{query}");
        }
        let umlaut = SearchKey::Text(AString::new("Grüße").unwrap());
        assert_eq!(parse("Grüße"), Term::All(vec![Term::Key(umlaut)]));
    }

    #[test]
    fn operators_that_are_missing() {
        let raw = |query: &str| SearchKey::GmailRaw(AString::new(query).unwrap());
        assert_eq!(unsupported(&[SearchKey::All, raw("a {b -filename:x}").not()]), Some("filename"));
        assert_eq!(unsupported(&[raw("a").or(raw("header:x"))]), Some("header"));
        assert_eq!(unsupported(&[raw("a:b")]), None);
    }

    /// Neither deep nor long queries take more than they should.
    #[test]
    fn queries_of_attackers() {
        for piece in ["(", "{(", "-", "NOT ", "from:(", "a OR ", "OR ", ")", "\"", "a:", "-(", "+", "is:("] {
            let query = piece.repeat(200_000);
            fn depth(term: &Term) -> usize {
                match term {
                    Term::Not(term) => 1 + depth(term),
                    Term::Any(terms) | Term::All(terms) => 1 + terms.iter().map(depth).max().unwrap_or(0),
                    _ => 0,
                }
            }
            assert!(depth(&parse(&query)) <= 2 * NESTING + 4, "{piece}");
        }
    }
}
