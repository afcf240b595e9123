//! How annotations of messages are read and written.

use alloc::vec::Vec;

use mailwire_core::{ParseError, Text};

use super::{
    AnnotateCode, AnnotationAttribute, AnnotationData, AnnotationName, AnnotationPattern, AnnotationScope,
    AnnotationStore, AnnotationSupport, EntryAtts, FetchAnnotations, SearchAnnotation,
};
use crate::{
    command::{Messages, Writer, write_messages},
    extensions::metadata::{put_value, read_value, write_value},
    types::{
        ListPattern, ModSeq, Reader, chars, read_astring, read_nz, write_astring, write_number, write_spaced,
    },
};

impl AnnotationName {
    /// ```text
    /// entry = astring
    /// ```
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        Self::new(read_astring(r)?.into_text())
            .map_err(|_| ParseError::new(start, "not the name of an annotation"))
    }
}

impl AnnotationPattern {
    /// ```text
    /// entry-match = list-mailbox
    /// ```
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        Self::new(Text::from(ListPattern::read(r)?.as_bytes()))
            .map_err(|_| ParseError::new(start, "not a pattern of annotations"))
    }

    fn write(&self, e: &mut Writer<'_>) {
        // `NIL` is a pattern like any other.
        if chars::all(self.as_bytes(), chars::LIST) {
            e.put(self.as_bytes());
        } else {
            e.string_bytes(self.as_bytes());
        }
    }
}

impl AnnotationAttribute {
    /// ```text
    /// attrib = astring
    /// ```
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        Self::new(read_astring(r)?.into_text())
            .map_err(|_| ParseError::new(start, "not an attribute of annotations"))
    }
}

impl EntryAtts {
    /// ```text
    /// entry-att = entry SP "(" att-value *(SP att-value) ")"
    /// att-value = attrib SP value
    /// value     = nstring / literal8
    /// ```
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let name = AnnotationName::read(r)?;
        r.space()?;
        Self::read_attributes(name, r)
    }

    fn read_attributes(name: AnnotationName, r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let attributes = read_some(r, |r| {
            let attribute = AnnotationAttribute::read(r)?;
            r.space()?;
            Ok((attribute, read_value(r)?))
        })?;
        Ok(Self { name, attributes })
    }

    /// ```text
    /// att-annotate = "ANNOTATION" SP "(" entry-att *(SP entry-att) ")"
    /// ```
    ///
    /// After the name.
    #[cold]
    pub(crate) fn read_all(r: &mut Reader<'_>) -> Result<Vec<Self>, ParseError> {
        r.space()?;
        read_some(r, Self::read)
    }

    #[cold]
    pub(crate) fn put_all(annotations: &[Self], e: &mut Writer<'_>) {
        e.put(b" ANNOTATION (");
        e.spaced(annotations, |e, entry| {
            e.astring_bytes(entry.name.as_bytes());
            e.put(b" (");
            e.spaced(&entry.attributes, |e, (name, value)| {
                e.astring_bytes(name.as_bytes());
                e.put(b" ");
                put_value(value.as_ref(), e);
            });
            e.put(b")");
        });
        e.put(b")");
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_astring(out, self.name.as_bytes());
        out.extend_from_slice(b" (");
        write_spaced(out, &self.attributes, |out, (name, value)| {
            write_astring(out, name.as_bytes());
            out.push(b' ');
            write_value(out, value.as_ref());
        });
        out.push(b')');
    }
}

impl FetchAnnotations {
    /// ```text
    /// fetch-att =/ "ANNOTATION" SP "(" entries SP attribs ")"
    /// entries   = entry-match / "(" entry-match *(SP entry-match) ")"
    /// attribs   = attrib / "(" attrib *(SP attrib) ")"
    /// ```
    ///
    /// After the name.
    #[cold]
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        r.expect(b'(', "expected (")?;
        let names = one_or_some(r, AnnotationPattern::read)?;
        r.space()?;
        let attributes = one_or_some(r, AnnotationAttribute::read)?;
        r.expect(b')', "expected )")?;
        Ok(Self { names, attributes })
    }

    #[cold]
    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        e.put(b"ANNOTATION (");
        put_some(&self.names, e, |e, name| name.write(e));
        e.put(b" ");
        put_some(&self.attributes, e, |e, name| e.astring_bytes(name.as_bytes()));
        e.put(b")");
    }
}

impl AnnotationData {
    /// ```text
    /// msg-att-dynamic =/ "ANNOTATION" SP ("(" entry-att *(SP entry-att) ")" / "(" entry *(SP entry) ")")
    /// ```
    ///
    /// After the name. No annotations at all are values.
    #[cold]
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        r.expect(b'(', "expected (")?;
        let (mut values, mut changed) = (Vec::new(), Vec::new());
        r.items(|r| {
            let name = AnnotationName::read(r)?;
            if r.rest().starts_with(b" (") {
                r.skip(1);
                values.push(EntryAtts::read_attributes(name, r)?);
            } else {
                changed.push(name);
            }
            Ok(())
        })?;
        match (values.is_empty(), changed.is_empty()) {
            (_, true) => Ok(Self::Values(values)),
            (true, false) => Ok(Self::Changed(changed)),
            (false, false) => Err(r.error("annotations with values and without")),
        }
    }

    #[cold]
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"ANNOTATION (");
        match self {
            Self::Values(values) => write_spaced(out, values, |out, entry| entry.write(out)),
            Self::Changed(names) => write_spaced(out, names, |out, name| write_astring(out, name.as_bytes())),
        }
        out.push(b')');
    }
}

impl SearchAnnotation {
    /// ```text
    /// search-key =/ "ANNOTATION" SP entry-match SP att-search SP value
    /// att-search = "value" / "value.priv" / "value.shared"
    /// ```
    ///
    /// After the name.
    #[cold]
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let name = AnnotationPattern::read(r)?;
        r.space()?;
        let start = r.offset();
        let scope = AnnotationScope::of(read_astring(r)?.as_bytes())
            .ok_or(ParseError::new(start, "expected value, value.priv or value.shared"))?;
        r.space()?;
        Ok(Self { name, scope, value: read_value(r)? })
    }

    #[cold]
    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        e.put(b"ANNOTATION ");
        self.name.write(e);
        e.put(b" ");
        e.put(self.scope.as_str().as_bytes());
        e.put(b" ");
        put_value(self.value.as_ref(), e);
    }
}

impl AnnotationStore {
    /// ```text
    /// store-att-flags =/ att-annotate
    /// ```
    ///
    /// After the name.
    pub(crate) fn read(
        messages: Messages,
        unchanged_since: Option<ModSeq>,
        r: &mut Reader<'_>,
    ) -> Result<Self, ParseError> {
        Ok(Self { messages, annotations: EntryAtts::read_all(r)?, unchanged_since })
    }

    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        write_messages(&self.messages, self.unchanged_since, e);
        EntryAtts::put_all(&self.annotations, e);
    }
}

impl AnnotationSupport {
    /// ```text
    /// resp-text-code =/ "ANNOTATIONS" SP ann-size
    /// ann-size       = "NONE" / (("READ-ONLY" / nz-number) [SP "NOPRIVATE"])
    /// ```
    ///
    /// After the name.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let mut size = None;
        if r.eat_ignore_case("NONE") {
            return Ok(Self::None);
        }
        if !r.eat_ignore_case("READ-ONLY") {
            size = Some(read_nz(r)?);
        }
        let private = !r.eat_ignore_case(" NOPRIVATE");
        Ok(size.map_or(Self::ReadOnly { private }, |size| Self::Writable { size, private }))
    }

    pub(crate) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"ANNOTATIONS ");
        let private = match self {
            Self::None => return out.extend_from_slice(b"NONE"),
            Self::ReadOnly { private } => {
                out.extend_from_slice(b"READ-ONLY");
                private
            }
            Self::Writable { size, private } => {
                write_number(out, u64::from(size.get()));
                private
            }
        };
        if !private {
            out.extend_from_slice(b" NOPRIVATE");
        }
    }
}

impl AnnotateCode {
    /// ```text
    /// resp-text-code =/ "ANNOTATE" SP "TOOBIG" / "ANNOTATE" SP "TOOMANY"
    /// ```
    ///
    /// After the name.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let start = r.offset();
        Self::of(r.take_class(chars::ATOM)).ok_or(ParseError::new(start, "unknown ANNOTATE code"))
    }
}

/// A list of at least one.
fn read_some<T>(
    r: &mut Reader<'_>,
    read: impl FnMut(&mut Reader<'_>) -> Result<T, ParseError>,
) -> Result<Vec<T>, ParseError> {
    let start = r.offset();
    r.expect(b'(', "expected (")?;
    let values = r.list_of(read)?;
    if values.is_empty() { Err(ParseError::new(start, "an empty list of annotations")) } else { Ok(values) }
}

/// One, or a list of at least one.
fn one_or_some<T>(
    r: &mut Reader<'_>,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T, ParseError>,
) -> Result<Vec<T>, ParseError> {
    if r.peek() == Some(b'(') { read_some(r, read) } else { Ok(alloc::vec![read(r)?]) }
}

fn put_some<T>(values: &[T], e: &mut Writer<'_>, mut put: impl FnMut(&mut Writer<'_>, &T)) {
    if let [one] = values {
        return put(e, one);
    }
    e.put(b"(");
    e.spaced(values, put);
    e.put(b")");
}
