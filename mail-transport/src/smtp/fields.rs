//! The fields of a message's header, wherever they stand and however odd they are.

#[cfg(any(feature = "builder", feature = "header-envelope", feature = "lettre"))]
use std::ops::Range;

/// A field.
pub(super) struct Field<'m> {
    /// What stands before its colon, or all of a line that has none.
    name: &'m [u8],
    /// All of it, with its line end.
    pub(super) bytes: &'m [u8],
    /// Where it stands in the message.
    #[cfg(any(feature = "builder", feature = "header-envelope", feature = "lettre"))]
    pub(super) place: Range<usize>,
}

impl Field<'_> {
    /// Whether its name is one of these, in any case and with space in it or around it, as lenient readers take it.
    pub(super) fn is(&self, names: &[&str]) -> bool {
        let mine = || self.name.iter().filter(|byte| !byte.is_ascii_whitespace());
        names.iter().any(|name| mine().map(u8::to_ascii_lowercase).eq(name.bytes()))
    }
}

/// The fields of a header, to the empty line or to the end. A CR or LF that stands alone ends a line, too: it will be
/// mended to one. Linear.
pub(super) struct Fields<'m> {
    message: &'m [u8],
    at: usize,
}

impl<'m> Fields<'m> {
    pub(super) const fn of(message: &'m [u8]) -> Self {
        Self { message, at: 0 }
    }

    fn rest(&self) -> &'m [u8] {
        self.message.get(self.at..).unwrap_or_default()
    }

    /// Goes to the end of a line that is not empty.
    fn line(&mut self) -> Option<&'m [u8]> {
        let rest = self.rest();
        let (line, end) = match rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            Some(0) => return None,
            Some(at) if rest.get(at..).is_some_and(|end| end.starts_with(b"\r\n")) => (at, at + 2),
            Some(at) => (at, at + 1),
            None => (rest.len(), rest.len()),
        };
        self.at += end;
        rest.get(..line).filter(|line| !line.is_empty())
    }
}

impl<'m> Iterator for Fields<'m> {
    type Item = Field<'m>;

    fn next(&mut self) -> Option<Field<'m>> {
        let start = self.at;
        let line = self.line()?;
        let name = line.iter().position(|byte| !matches!(byte, b':' | b' ' | b'\t')).unwrap_or(line.len());
        let line = line.get(name..)?;
        let colon = line.iter().position(|byte| *byte == b':');
        // What is no field is not continued: that of the next line may be one.
        while colon.is_some() && matches!(self.rest().first(), Some(b' ' | b'\t')) && self.line().is_some() {}
        let name = line.get(..colon.unwrap_or(line.len()))?;
        Some(Field {
            name,
            bytes: self.message.get(start..self.at)?,
            #[cfg(any(feature = "builder", feature = "header-envelope", feature = "lettre"))]
            place: start..self.at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_odd_headers() {
        for (message, names) in [
            ("", &[][..]),
            ("\r\nA: b", &[]),
            ("A: b", &["a"]),
            ("A: b\r\n", &["a"]),
            ("A: b\nB: c\rC: d\r\n\ne: f\r\n", &["a", "b", "c"]),
            ("A : b\r\n c\r\n\td\r\n \r\n e\r\nB:\r\n\r\n", &["a", "b"]),
            (" A: b\r\n:B: c\r\n", &["a", "b"]),
            ("A: b\r\nno field\r\n B: c\r\n", &["a", "nofield", "b"]),
            ("A: b\r\n\n", &["a"]),
            ("A: b\r\n\r", &["a"]),
            ("A: b\r\r", &["a"]),
        ] {
            let fields: Vec<_> = Fields::of(message.as_bytes()).collect();
            assert_eq!(fields.len(), names.len(), "{message:?}");
            for (field, name) in fields.iter().zip(names) {
                assert!(field.is(&[name]), "{message:?} {name}");
                #[cfg(any(feature = "builder", feature = "header-envelope", feature = "lettre"))]
                assert_eq!(field.bytes, &message.as_bytes()[field.place.clone()]);
            }
        }
    }
}
