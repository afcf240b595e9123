//! NAMESPACE: where the mailboxes are ([RFC 2342](https://www.rfc-editor.org/rfc/rfc2342)).

use alloc::{string::String, vec::Vec};

use mailwire_core::{Invalid, ParseError};

use crate::{
    deviation,
    types::{
        ImapString, MailboxName, Reader, eat_nil, read_delimiter, read_string, skip_value, write_delimiter,
        write_spaced, write_string,
    },
};

/// Where the mailboxes are (RFC 9051 section 7.3.2, RFC 2342).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NamespaceData {
    /// The user's own.
    pub personal: Vec<NamespaceDescr>,
    /// Those of other users.
    pub other_users: Vec<NamespaceDescr>,
    /// Those that are shared.
    pub shared: Vec<NamespaceDescr>,
}

/// One namespace.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NamespaceDescr {
    /// What the names begin with, as on the wire.
    pub prefix: ImapString,
    /// The character between the levels of names. `None`: there are no levels.
    pub delimiter: Option<u8>,
    /// Extensions: names and values ([RFC 2342 section 5](https://www.rfc-editor.org/rfc/rfc2342#section-5)).
    pub extensions: Vec<(ImapString, Vec<ImapString>)>,
}

impl NamespaceDescr {
    /// Makes a namespace of its prefix and the character between the levels of names.
    #[must_use]
    pub const fn new(prefix: ImapString, delimiter: Option<u8>) -> Self {
        Self { prefix, delimiter, extensions: Vec::new() }
    }

    /// Adds an extension: its name, and values of it, of which there has to be one.
    #[must_use]
    pub fn with_extension(mut self, name: ImapString, values: impl Into<Vec<ImapString>>) -> Self {
        self.extensions.push((name, values.into()));
        self
    }

    /// Adds how the prefix is called in the language that was chosen ([RFC 5255 section
    /// 3.4](https://www.rfc-editor.org/rfc/rfc5255#section-3.4)).
    ///
    /// # Errors
    ///
    /// There is a control character in it.
    #[inline]
    pub fn with_translation(self, translation: &str) -> Result<Self, Invalid> {
        let translation = ImapString::new(MailboxName::new(translation)?.into_text())?;
        Ok(self.with_extension(ImapString::unchecked(TRANSLATION.into()), [translation]))
    }

    /// The values of an extension, whose name is in any case.
    #[inline]
    #[must_use]
    pub fn extension(&self, name: &str) -> Option<&[ImapString]> {
        let mut found = self.extensions.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, values)| values.as_slice())
    }

    /// How the prefix is called in the language that was chosen, for people: `TRANSLATION` ([RFC 5255 section
    /// 3.4](https://www.rfc-editor.org/rfc/rfc5255#section-3.4)). Names of mailboxes are sent with the prefix itself.
    ///
    /// ```
    /// use mailwire_imap::{extensions::namespace::NamespaceDescr, types::ImapString};
    ///
    /// let others = NamespaceDescr::new(ImapString::new("Other Users/")?, Some(b'/'));
    /// assert_eq!(others.translation(), None);
    /// let others = others.with_translation("Andere Benützer/")?;
    /// assert_eq!(others.extension("translation").unwrap()[0], "Andere Ben&APw-tzer/");
    /// assert_eq!(others.translation().unwrap(), "Andere Benützer/");
    /// # Ok::<(), mailwire_imap::Invalid>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn translation(&self) -> Option<String> {
        let wire = self.extension(TRANSLATION)?.first()?.as_text().clone();
        MailboxName::from_wire(wire).ok().map(|name| name.to_unicode().into_owned())
    }
}

const TRANSLATION: &str = "TRANSLATION";

impl NamespaceData {
    /// Makes an answer of the three lists.
    #[must_use]
    pub const fn new(
        personal: Vec<NamespaceDescr>,
        other_users: Vec<NamespaceDescr>,
        shared: Vec<NamespaceDescr>,
    ) -> Self {
        Self { personal, other_users, shared }
    }

    /// ```text
    /// namespace-response = "NAMESPACE" SP namespace SP namespace SP namespace
    /// ```
    ///
    /// Lenient: the last ones missing.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let mut found = Self::default();
        for (at, slot) in
            [&mut found.personal, &mut found.other_users, &mut found.shared].into_iter().enumerate()
        {
            if at > 0 && r.rest().iter().all(|&byte| byte == b' ') {
                r.deviate(deviation::MISSING_FIELD)?;
                break;
            }
            r.space()?;
            *slot = read_namespaces(r)?;
        }
        Ok(found)
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"NAMESPACE");
        for namespaces in [&self.personal, &self.other_users, &self.shared] {
            out.push(b' ');
            if namespaces.is_empty() {
                out.extend_from_slice(b"NIL");
                continue;
            }
            out.push(b'(');
            for namespace in namespaces {
                namespace.write(out);
            }
            out.push(b')');
        }
    }
}

/// ```text
/// namespace = nil / "(" 1*namespace-descr ")"
/// ```
///
/// Lenient: an empty list; spaces between the descriptions; one without a list around it.
fn read_namespaces(r: &mut Reader<'_>) -> Result<Vec<NamespaceDescr>, ParseError> {
    let mut namespaces = Vec::new();
    let start = r.offset();
    if eat_nil(r) {
        return Ok(namespaces);
    }
    r.expect(b'(', "expected a namespace")?;
    if matches!(r.peek(), Some(b'"' | b'{')) {
        r.deviate_at(start, deviation::NAMESPACE_WITHOUT_LIST)?;
        namespaces.push(NamespaceDescr::read(r)?);
        return Ok(namespaces);
    }
    loop {
        r.no_space()?;
        if r.eat(b')') {
            if namespaces.is_empty() {
                r.deviate_at(start, deviation::EMPTY_LIST_FOR_NIL)?;
            }
            return Ok(namespaces);
        }
        r.expect(b'(', "expected a namespace")?;
        namespaces.push(NamespaceDescr::read(r)?);
    }
}

impl NamespaceDescr {
    /// ```text
    /// namespace-descr               = "(" string SP (DQUOTE QUOTED-CHAR DQUOTE / nil)
    ///                                 [namespace-response-extensions] ")"
    /// namespace-response-extension  = SP string SP "(" string *(SP string) ")"
    /// ```
    ///
    /// The `(` was read. Lenient: no delimiter.
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.no_space()?;
        let prefix = read_string(r)?;
        let mut delimiter = None;
        if r.peek() == Some(b')') {
            r.deviate(deviation::MISSING_FIELD)?;
        } else {
            r.space()?;
            delimiter = read_delimiter(r)?;
        }
        let mut extensions = Vec::new();
        r.items_after(|r| {
            let name = read_string(r)?;
            r.space()?;
            let mut values = Vec::new();
            if r.eat(b'(') {
                r.items(|r| {
                    values.push(read_string(r)?);
                    Ok(())
                })?;
            } else {
                r.deviate(deviation::MISSING_PARENTHESIS)?;
                if r.peek() == Some(b'"') {
                    values.push(read_string(r)?)
                } else {
                    skip_value(r).map(|_| ())?
                }
            }
            extensions.push((name, values));
            Ok(())
        })?;
        Ok(Self { prefix, delimiter, extensions })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'(');
        write_string(out, self.prefix.as_bytes());
        out.push(b' ');
        write_delimiter(out, self.delimiter);
        for (name, values) in self.extensions.iter().filter(|(_, values)| !values.is_empty()) {
            out.push(b' ');
            write_string(out, name.as_bytes());
            out.extend_from_slice(b" (");
            write_spaced(out, values, |out, value| write_string(out, value.as_bytes()));
            out.push(b')');
        }
        out.push(b')');
    }
}
