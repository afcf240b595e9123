//! Members of known commands that are not known here.

use alloc::vec::Vec;

use mailwire_core::ParseError;

use super::writer::Writer;
use crate::types::{Atom, Reader, Value};

/// An item of FETCH or a key of SEARCH that this crate does not know, with its arguments.
///
/// ```
/// use mailwire_imap::command::{FetchAtt, OtherItem, SearchKey};
/// use mailwire_imap::types::{Atom, Value};
///
/// let preview = OtherItem::new(Atom::new("X-PREVIEW")?).with_arguments([Value::word("LAZY")?]);
/// let key = OtherItem::new(Atom::new("X-RAW")?).with_arguments([Value::string("has:attachment")?]);
/// let (item, key) = (FetchAtt::Other(preview), SearchKey::Other(key));
/// # let _ = (item, key);
/// # Ok::<(), mailwire_imap::Invalid>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct OtherItem {
    /// Its name.
    pub name: Atom,
    /// Its arguments. FETCH has them in one list after the name: `NAME (a b)`, SEARCH one by one:
    /// `NAME a b`.
    pub arguments: Vec<Value>,
}

impl OtherItem {
    /// One without arguments.
    #[must_use]
    pub const fn new(name: Atom) -> Self {
        Self { name, arguments: Vec::new() }
    }

    /// Adds arguments.
    #[must_use]
    pub fn with_arguments(mut self, arguments: impl IntoIterator<Item = Value>) -> Self {
        self.arguments.extend(arguments);
        self
    }

    /// Reads the arguments up to the end of the command or of the list that it stands in, each after a
    /// space.
    pub(super) fn read_arguments(&mut self, r: &mut Reader<'_>) -> Result<(), ParseError> {
        if r.peek() == Some(b' ') && r.peek_at(1).is_some() {
            r.space()?;
            Value::read_rest(r, &mut self.arguments)?;
        }
        Ok(())
    }
}

impl From<Atom> for OtherItem {
    fn from(name: Atom) -> Self {
        Self::new(name)
    }
}

impl Writer<'_> {
    pub(super) fn values(&mut self, values: &[Value]) {
        self.spaced(values, |e, value| e.value(value));
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Word(word) => self.put(word.as_bytes()),
            Value::String(string) => self.string_bytes(string.as_bytes()),
            Value::List(values) => {
                self.put(b"(");
                self.values(values);
                self.put(b")");
            }
        }
    }
}
