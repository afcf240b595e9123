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
const MAX_ADDRESSES: usize = 4096;

/// Reads an unfolded address list. What is no address at all is taken for a local part.
#[must_use]
pub fn addresses(value: &Bytes) -> Vec<Address> {
    let mut list = Vec::new();
    let mut words = Words::new(value);
    let mut in_group = false;
    let mut item = Item::default();
    while list.len() < MAX_ADDRESSES {
        if let Some(comment) = words.skip_blank() {
            item.comment = Some(comment);
        }
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
            Some(b':') if !in_group => {
                words.bump();
                in_group = true;
                list.push(Address::GroupStart(std::mem::take(&mut item).phrase().unwrap_or_default()));
            }
            Some(b'<') => {
                words.bump();
                item.angle = Some(angle(&mut words));
            }
            Some(b'"') => {
                let quoted = words.quoted();
                item.push(quoted);
            }
            Some(b'@') => {
                words.bump();
                item.at = Some(item.words.len());
            }
            Some(b'>' | b')' | b':') => words.bump(),
            Some(_) => {
                let word = words.take_while(|byte| !b" \t\r\n(),;:<>@\"".contains(&byte));
                item.push(word);
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
    if words.peek() == Some(b'@') {
        route.extend_from_slice(&words.take_while(|byte| byte != b':' && byte != b'>'));
        words.eat(b':');
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
            Some(b'(' | b')') => {
                words.bump();
                continue;
            }
            Some(_) => words.take_while(|byte| !b" \t\r\n()>@\"".contains(&byte)),
        };
        if at { &mut host } else { &mut local }.extend_from_slice(&piece);
    }
    ((!route.is_empty()).then(|| route.into()), local.into(), host.into())
}

/// What was read of one entry.
#[derive(Default)]
struct Item {
    words: Vec<Bytes>,
    /// How many words stood before the last `@`.
    at: Option<usize>,
    angle: Option<(Option<Bytes>, Bytes, Bytes)>,
    comment: Option<Bytes>,
}

impl Item {
    fn push(&mut self, word: Bytes) {
        self.words.push(word);
    }

    fn phrase(self) -> Option<Bytes> {
        let mut words = self.words.into_iter();
        let first = words.next();
        match words.len() {
            0 => first.or(self.comment),
            _ => {
                let mut phrase = first?.to_vec();
                for word in words {
                    phrase.push(b' ');
                    phrase.extend_from_slice(&word);
                }
                Some(phrase.into())
            }
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
        let host = item.words.split_off(item.at.unwrap_or(item.words.len()).min(item.words.len()));
        Some(Address::Mailbox {
            name: item.comment,
            route: None,
            mailbox: item.words.concat().into(),
            host: host.concat().into(),
        })
    }
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
            ("a@b <", &["a b|-||"]),
            ("<>", &["-|-||"]),
            ("a . b @ c . d", &["-|-|a.b|c.d"]),
        ] {
            assert_eq!(read(value), expected, "{value}");
        }
    }
}
