//! Address lists of [RFC 5322 section 3.4](https://www.rfc-editor.org/rfc/rfc5322#section-3.4),
//! as IMAP's ENVELOPE shows them: encoded words stay encoded.

use bytes::Bytes;

use super::words::Words;

/// One entry of an address list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A mailbox.
    Mailbox {
        /// The display name, or the comment that older mail has in its place.
        name: Option<Bytes>,
        /// The source route (RFC 822's at-domain-list).
        route: Option<Bytes>,
        /// The local part, without quotes.
        mailbox: Bytes,
        /// The domain; empty if there is none.
        host: Bytes,
    },
    /// The begin of a group, with its name.
    GroupStart(Bytes),
    /// The end of a group.
    GroupEnd,
}

/// More than this of one list is left out.
pub(super) const MAX_ADDRESSES: usize = 4096;

/// Reads an unfolded address list. What is no address at all is taken for a local part. Where only a comma is
/// missing between two addresses, both are given.
#[must_use]
pub fn addresses(value: &Bytes) -> Vec<Address> {
    let mut list = Vec::new();
    let mut words = Words::new(value);
    let mut in_group = false;
    let mut item = Item::default();
    while list.len() < MAX_ADDRESSES {
        let mark = words.mark();
        if let Some(comment) = words.skip_blank() {
            item.comment = Some(comment);
        }
        let glued = words.mark() == mark;
        match words.peek() {
            None => break,
            Some(b',') => {
                words.bump();
                list.extend(item.finish());
            }
            Some(b';') => {
                words.bump();
                list.extend(item.finish());
                if std::mem::take(&mut in_group) {
                    list.push(Address::GroupEnd);
                }
            }
            Some(b':') if !in_group && item.at.is_none() && item.angle.is_none() => {
                words.bump();
                in_group = true;
                list.push(Address::GroupStart(std::mem::take(&mut item).phrase().unwrap_or_default()));
            }
            Some(b'<') => {
                words.bump();
                if item.angle.is_some() {
                    let next = item.words.split_off(item.name.min(item.words.len()));
                    list.extend(item.finish());
                    item.words = next;
                }
                item.name = item.words.len();
                item.angle = Some(angle(&mut words));
            }
            Some(b'"') => item.words.push(Word { text: words.quoted(), glued: false }),
            Some(b'@') => {
                words.bump();
                item.at = Some(item.words.len());
                item.words.push(Word { text: Bytes::from_static(b"@"), glued });
            }
            Some(b'>' | b')' | b':') => words.bump(),
            Some(_) => {
                let text = words.take_while(|byte| !b" \t\r\n(),;:<>@\"".contains(&byte));
                let after_at = item.at.is_some_and(|at| at + 1 == item.words.len());
                item.words.push(Word { text, glued: glued && after_at });
            }
        }
    }
    list.extend(item.finish());
    if in_group {
        list.push(Address::GroupEnd);
    }
    list
}

/// `[route:]local@domain>`, of which the opening bracket was read.
fn angle(words: &mut Words<'_>) -> (Option<Bytes>, Bytes, Bytes) {
    let mut route = Vec::new();
    words.skip_blank();
    let mark = words.mark();
    if words.peek() == Some(b'@') {
        route.extend(words.take_while(|byte| byte != b':' && byte != b'>'));
        route.retain(|byte| !byte.is_ascii_whitespace());
        if !words.eat(b':') {
            route.clear();
            words.reset(mark);
        }
    }
    let (mut local, mut host, mut at) = (Vec::new(), Vec::new(), false);
    loop {
        words.skip_blank();
        let piece = match words.peek() {
            None => break,
            Some(b'>') => {
                words.bump();
                break;
            }
            Some(b'@') => {
                words.bump();
                if at {
                    // The last @ divides; what seemed to be the domain belongs to the local part.
                    local.push(b'@');
                    local.append(&mut host);
                }
                at = true;
                continue;
            }
            Some(b'"') => words.quoted(),
            Some(b'(' | b')' | b'<') => {
                words.bump();
                continue;
            }
            Some(_) => words.take_while(|byte| !b" \t\r\n()<>@\"".contains(&byte)),
        };
        if at { &mut host } else { &mut local }.extend_from_slice(&piece);
    }
    ((!route.is_empty()).then(|| route.into()), local.into(), host.into())
}

/// What was read of one entry.
#[derive(Default)]
struct Item {
    words: Vec<Word>,
    /// Where the last `@` is among the words.
    at: Option<usize>,
    angle: Option<(Option<Bytes>, Bytes, Bytes)>,
    /// How many words stood before the angle.
    name: usize,
    comment: Option<Bytes>,
}

struct Word {
    text: Bytes,
    /// Nothing stood between this and the word before, one of which is an `@`.
    glued: bool,
}

impl Item {
    fn phrase(self) -> Option<Bytes> {
        match self.words.as_slice() {
            [] => self.comment,
            words => Some(joined(words, |_, word| word.glued)),
        }
    }

    fn finish(&mut self) -> Option<Address> {
        let mut item = std::mem::take(self);
        if let Some((route, mailbox, host)) = item.angle.take() {
            return Some(Address::Mailbox { name: item.phrase(), route, mailbox, host });
        }
        if item.words.is_empty() {
            return None;
        }
        let (local, host) = match item.at.and_then(|at| item.words.split_at_checked(at)) {
            Some((local, host)) => (local, host.get(1..).unwrap_or_default()),
            None => (item.words.as_slice(), &[][..]),
        };
        // White space may be around the dots of a domain; what comes after another space is something else.
        let end = host.windows(2).position(|pair| !matches!(pair, [one, other] if is_dotted(one, other)));
        let host = host.get(..end.map_or(host.len(), |end| end + 1)).unwrap_or_default();
        let (mailbox, host) = (joined(local, is_dotted), joined(host, is_dotted));
        Some(Address::Mailbox { name: item.comment, route: None, mailbox, host })
    }
}

fn is_dotted(one: &Word, other: &Word) -> bool {
    one.text.ends_with(b".") || other.text.starts_with(b".")
}

/// Words with spaces between those that do not belong together.
fn joined(words: &[Word], are_one: impl Fn(&Word, &Word) -> bool) -> Bytes {
    if let [word] = words {
        return word.text.clone();
    }
    let mut text = Vec::new();
    let before = std::iter::once(None).chain(words.iter().map(Some));
    for (before, word) in before.zip(words) {
        if before.is_some_and(|before| !are_one(before, word)) {
            text.push(b' ');
        }
        text.extend_from_slice(&word.text);
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &'static str) -> Vec<String> {
        let show = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
        addresses(&Bytes::from_static(value.as_bytes()))
            .into_iter()
            .map(|address| match address {
                Address::Mailbox { name, route, mailbox, host } => format!(
                    "{}|{}|{}|{}",
                    name.map_or("-".into(), show),
                    route.map_or("-".into(), show),
                    show(mailbox),
                    show(host)
                ),
                Address::GroupStart(name) => format!("{}:", show(name)),
                Address::GroupEnd => ";".into(),
            })
            .collect()
    }

    #[test]
    fn address_lists() {
        for (value, expected) in [
            ("a@b", &["-|-|a|b"][..]),
            ("A B <a@b>, c@d", &["A B|-|a|b", "-|-|c|d"]),
            ("\"B, \\\"A\\\"\" <a.b@c.d>", &["B, \"A\"|-|a.b|c.d"]),
            ("a@b (A (x) B)", &["A (x) B|-|a|b"]),
            ("=?utf-8?q?J=C3=B6rg?= X <j@x>", &["=?utf-8?q?J=C3=B6rg?= X|-|j|x"]),
            ("<@r1,@r2:a@b>", &["-|@r1,@r2|a|b"]),
            ("\"a b\"@c", &["-|-|a b|c"]),
            ("<\"a@b\"@c>", &["-|-|a@b|c"]),
            ("<a@b@c>", &["-|-|a@b|c"]),
            ("friends: a@b, C <c@d>;, e@f", &["friends:", "-|-|a|b", "C|-|c|d", ";", "-|-|e|f"]),
            ("undisclosed-recipients:;", &["undisclosed-recipients:", ";"]),
            ("open: a@b", &["open:", "-|-|a|b", ";"]),
            ("nobody", &["-|-|nobody|"]),
            ("", &[]),
            (",,;>)", &[]),
            ("a@b <", &["a@b|-||"]),
            ("a@b <c@d>", &["a@b|-|c|d"]),
            ("A <a@b> B <c@d>, <e@f> <g@h>", &["A|-|a|b", "B|-|c|d", "-|-|e|f", "-|-|g|h"]),
            ("<a@b> A", &["A|-|a|b"]),
            ("<@r1 , @r2 : a@b>", &["-|@r1,@r2|a|b"]),
            ("<@b>", &["-|-||b"]),
            ("A <<a@b>>", &["A|-|a|b"]),
            ("all my friends", &["-|-|all my friends|"]),
            ("a@b Sat 12:00 2026", &["-|-|a|b"]),
            ("a@[192.0.2.1]", &["-|-|a|[192.0.2.1]"]),
            ("<>", &["-|-||"]),
            ("a . b @ c . d", &["-|-|a.b|c.d"]),
        ] {
            assert_eq!(read(value), expected, "{value}");
        }
    }
}
