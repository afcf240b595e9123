//! Addresses of an envelope as names and addresses.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt;

use super::{
    charsets::{Charsets, NO_OTHERS, guessed, one_line},
    words::decode_words_with,
};
use crate::types::{Address, ImapString};

/// An address with the name of whose it is. It shows itself as in a header, without encoded words:
/// `"Äne, Dr." <a@example.org>`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NamedAddress {
    /// The name, decoded and in one line; `None` if there is none.
    pub name: Option<String>,
    /// The address, `a@example.org`: with its local part in quotes where that takes them, without `@` if no host is known, and
    /// empty if nothing is.
    pub address: String,
}

/// Addresses that stand together: those of a group, or those between groups.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AddressGroup {
    /// The name of the group; `None` for addresses that are in none.
    pub name: Option<String>,
    /// Its addresses. A group can have none: `undisclosed-recipients:;`.
    pub members: Vec<NamedAddress>,
}

/// Gives names and addresses, those in groups too ([RFC 9051 section
/// 7.5.2](https://www.rfc-editor.org/rfc/rfc9051#section-7.5.2)).
///
/// # Examples
///
/// ```
/// use mailwire_imap::{reading, types::Address};
///
/// let address = Address::new("a b".try_into().ok(), "example.org".try_into().ok());
/// let from = [address.with_name("=?utf-8?q?=C3=84ne=2C_Dr=2E?=".try_into().ok())];
/// let one = reading::addresses(&from).next().unwrap();
/// assert_eq!(one.name.as_deref(), Some("Äne, Dr."));
/// assert_eq!(one.to_string(), "\"Äne, Dr.\" <\"a b\"@example.org>");
/// ```
pub fn addresses(addresses: &[Address]) -> impl Iterator<Item = NamedAddress> + '_ {
    addresses_with(addresses, NO_OTHERS)
}

/// As [`addresses`], and asks `charsets` for those that are not known here.
pub fn addresses_with<'a>(
    addresses: &'a [Address],
    charsets: Charsets<'a>,
) -> impl Iterator<Item = NamedAddress> + 'a {
    addresses.iter().filter(|address| address.host.is_some()).map(|address| named(address, charsets))
}

/// Gives the addresses by groups, in their order. A group that does not end ends where the next one begins.
#[must_use]
pub fn groups(addresses: &[Address]) -> Vec<AddressGroup> {
    groups_with(addresses, NO_OTHERS)
}

/// As [`groups`], and asks `charsets` for those that are not known here.
#[must_use]
pub fn groups_with(addresses: &[Address], charsets: Charsets<'_>) -> Vec<AddressGroup> {
    let (mut groups, mut open) = (Vec::new(), AddressGroup::default());
    for address in addresses {
        match (&address.host, &address.mailbox) {
            (Some(_), _) => open.members.push(named(address, charsets)),
            // A group begins with its name, and ends without one.
            (None, name) => {
                let name = name.as_ref().map(|name| decode_words_with(name.as_bytes(), charsets));
                let before = core::mem::replace(&mut open, AddressGroup { name, members: Vec::new() });
                groups.extend(Some(before).filter(is_something));
            }
        }
    }
    groups.extend(Some(open).filter(is_something));
    groups
}

fn is_something(group: &AddressGroup) -> bool {
    group.name.is_some() || !group.members.is_empty()
}

/// What servers say for a host or a local part that is missing.
const MISSING: [&str; 4] = ["MISSING_DOMAIN", "MISSING_MAILBOX", ".MISSING-HOST-NAME.", "MISSING-HOST-NAME"];

fn named(address: &Address, charsets: Charsets<'_>) -> NamedAddress {
    let name = address.name.as_ref().map(|name| decode_words_with(name.as_bytes(), charsets));
    let name = name.map(|name| unquoted(name.trim())).filter(|name| !name.is_empty());
    let given = |field: &Option<ImapString>| {
        let text = field.as_ref().map(|text| one_line(guessed(text.as_bytes()))).unwrap_or_default();
        if MISSING.iter().any(|missing| text.eq_ignore_ascii_case(missing)) { String::new() } else { text }
    };
    let (mut local, host) = (given(&address.mailbox), given(&address.host));
    let is_missing = local.is_empty() && host.is_empty();
    if !is_missing {
        local = unquoted(&local);
        if !is_dot_atom(&local) {
            local = quoted(&local);
        }
    }
    let address = if host.is_empty() { local } else { alloc::format!("{local}@{host}") };
    NamedAddress { name, address }
}

/// Without the quotes around a whole name or local part, which some servers leave.
fn unquoted(name: &str) -> String {
    let inner = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    let Some(inner) = inner else { return name.into() };
    let mut letters = inner.chars();
    let next =
        || letters.next().and_then(|letter| if letter == '\\' { letters.next() } else { Some(letter) });
    core::iter::from_fn(next).collect()
}

/// ```text
/// dot-atom-text = 1*atext *("." 1*atext)
/// ```
fn is_dot_atom(text: &str) -> bool {
    !text.is_empty() && text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn is_atext(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(letter) || !letter.is_ascii()
}

/// ```text
/// phrase = 1*word        ; word = atom / quoted-string
/// ```
fn phrase(name: &str) -> Cow<'_, str> {
    let is_atoms = name.split(' ').all(|word| !word.is_empty() && word.chars().all(is_atext));
    if is_atoms { Cow::Borrowed(name) } else { Cow::Owned(quoted(name)) }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

impl fmt::Display for NamedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            None => f.write_str(&self.address),
            Some(name) => write!(f, "{} <{}>", phrase(name), self.address),
        }
    }
}

impl fmt::Display for AddressGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{}: ", phrase(name))?;
        }
        for (at, member) in self.members.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            fmt::Display::fmt(member, f)?;
        }
        if self.name.is_some() { f.write_str(";") } else { Ok(()) }
    }
}
