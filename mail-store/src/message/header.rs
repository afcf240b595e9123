//! The fields of a header, as they stand.

use std::ops::Range;

use bytes::Bytes;

/// One field of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The name, without the colon.
    pub name: Bytes,
    /// What stands after the colon, line ends and folds included.
    pub body: Bytes,
    /// The whole field with its line ends.
    pub whole: Bytes,
}

impl Field {
    /// Tells whether the field has this name, in any case.
    #[must_use]
    pub fn is(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Gives the value unfolded ([RFC 5322 section 2.2.3](https://www.rfc-editor.org/rfc/rfc5322#section-2.2.3)),
    /// without the white space around it. Without NUL too, which IMAP cannot carry in a string.
    #[must_use]
    pub fn value(&self) -> Bytes {
        unfold(&self.body)
    }
}

/// Reads the fields of `header`, in their order. Lines that belong to no field are left out.
pub fn fields(header: &Bytes) -> Fields<'_> {
    Fields { header, position: 0 }
}

/// The fields of a header, from [`fields`].
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    header: &'a Bytes,
    position: usize,
}

impl<'a> Fields<'a> {
    /// The fields from this place on.
    pub(super) const fn from(header: &'a Bytes, position: usize) -> Self {
        Self { header, position }
    }

    /// The place after the last field that was given.
    pub(crate) const fn position(&self) -> usize {
        self.position
    }
}

/// Names of header fields, which are compared in any case of their letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldNames(Vec<Vec<u8>>);

impl FieldNames {
    /// A set of names. One of `n` names is asked in the logarithm of `n` comparisons.
    pub fn new<N: AsRef<[u8]>>(names: impl IntoIterator<Item = N>) -> Self {
        let mut names: Vec<Vec<u8>> =
            names.into_iter().map(|name| name.as_ref().to_ascii_lowercase()).collect();
        names.sort_unstable();
        names.dedup();
        Self(names)
    }

    /// Tells whether a name is one of these.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.compare(name).0
    }

    /// Whether a name is one of these, and with how many of them it was compared.
    fn compare(&self, name: &[u8]) -> (bool, usize) {
        let lower = || name.iter().map(u8::to_ascii_lowercase);
        let mut compared = 0;
        let found = self.0.binary_search_by(|known| {
            compared += 1;
            known.iter().copied().cmp(lower())
        });
        (found.is_ok(), compared)
    }
}

impl Iterator for Fields<'_> {
    type Item = Field;

    fn next(&mut self) -> Option<Field> {
        loop {
            let start = self.position;
            let first = line_at(self.header, start)?;
            if is_blank(self.header.get(first.clone())?) {
                return None;
            }
            let mut end = first.end;
            while let Some(next) = line_at(self.header, end) {
                let line = self.header.get(next.clone())?;
                if !matches!(line.first(), Some(b' ' | b'\t')) {
                    break;
                }
                end = next.end;
            }
            self.position = end;
            let line = self.header.get(first)?;
            let Some(colon) = memchr::memchr(b':', line) else { continue };
            let name = line.get(..colon)?.trim_ascii_end();
            if name.is_empty() || name.iter().any(|byte| !(b'!'..=b'~').contains(byte)) {
                continue;
            }
            return Some(Field {
                name: self.header.slice(start..start + name.len()),
                body: self.header.slice(start + colon + 1..end),
                whole: self.header.slice(start..end),
            });
        }
    }
}

/// Finds the first field with this name, and gives its value.
#[must_use]
pub fn first(header: &Bytes, name: &[u8]) -> Option<Bytes> {
    fields(header).find(|field| field.is(name)).map(|field| field.value())
}

/// Where the body begins: after the first empty line, or at the end if there is none.
#[must_use]
pub(crate) fn body_start(part: &[u8]) -> usize {
    let mut position = 0;
    while let Some(line) = line_at(part, position) {
        position = line.end;
        if part.get(line).is_some_and(is_blank) {
            break;
        }
    }
    position
}

/// The line at `start` with its line end; `None` at the end.
fn line_at(text: &[u8], start: usize) -> Option<Range<usize>> {
    let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
    let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |newline| newline + 1);
    Some(start..start + length)
}

fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n")
}

/// A value without its folds and the white space around it; a slice if nothing is to be taken out.
pub(super) fn unfold(body: &Bytes) -> Bytes {
    let trimmed = body.slice_ref(body.trim_ascii());
    if trimmed.iter().all(|byte| !matches!(byte, b'\r' | b'\n' | 0)) {
        return trimmed;
    }
    trimmed.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_headers() {
        let header = Bytes::from_static(
            b"From x@y Mon\r\nA: 1\r\n : folded\r\nno colon here\n\tits fold\nb :2\nC:\r\n: none\r\nlast: x",
        );
        let fields: Vec<_> = fields(&header).map(|field| (field.name.clone(), field.value())).collect();
        let expected: [(&[u8], &[u8]); 4] =
            [(b"A", b"1 : folded"), (b"b", b"2"), (b"C", b""), (b"last", b"x")];
        assert_eq!(fields.len(), 4);
        for (field, expected) in fields.iter().zip(expected) {
            assert_eq!((&field.0[..], &field.1[..]), expected);
        }
    }

    /// A field costs no comparison with each name that is asked for.
    #[test]
    fn many_names_cost_their_logarithm() {
        let all: Vec<_> = (0..5_000).map(|number| format!("X-Name-{number}")).collect();
        for count in [0, 1, 100, 5_000] {
            let names = FieldNames::new(&all[..count]);
            let most = usize::try_from(count.max(1).ilog2()).unwrap() + 2;
            for (name, is_one) in [("x-name-0", count > 0), ("X-NAME-4999", count == 5_000), ("To", false)] {
                let (found, compared) = names.compare(name.as_bytes());
                assert!(found == is_one && compared <= most, "{name} of {count}: {compared} > {most}");
            }
        }
    }

    #[test]
    fn where_the_body_begins() {
        for (part, start) in [
            (&b""[..], 0),
            (b"\r\nbody", 2),
            (b"A: b\r\n\r\nbody", 8),
            (b"A: b\n\nbody", 6),
            (b"A: b", 4),
            (b"A: b\r\n", 6),
        ] {
            assert_eq!(body_start(part), start, "{part:?}");
        }
    }
}
