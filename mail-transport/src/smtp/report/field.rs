//! Fields of reports: `name: value`, folded over lines ([RFC 3464 section
//! 2.1.1](https://www.rfc-editor.org/rfc/rfc3464#section-2.1.1)).

use std::{borrow::Cow, fmt};

use mailwire_core::Invalid;
use mailwire_smtp::extensions::future_release::Hold;

/// The value of a field: text in one line, without a blank at either end and without control characters other than tabs, so that it cannot become
/// a second field.
///
/// # Examples
///
/// ```
/// use mailwire_transport::smtp::report::FieldText;
///
/// assert_eq!(FieldText::new(" QQ314159 ")?.as_str(), "QQ314159");
/// assert!(FieldText::new("a\r\nAction: delivered").is_err());
/// # Ok::<(), mailwire_transport::InvalidValue>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct FieldText(String);

impl FieldText {
    /// Makes a value of a text. Blanks at its ends are left out.
    ///
    /// # Errors
    ///
    /// A control character other than a tab.
    pub fn new(text: impl Into<String>) -> Result<Self, crate::InvalidValue> {
        let text: String = text.into();
        match text.find(is_control) {
            Some(at) => Err(invalid("value of a field", at, "unexpected control character", &text)),
            None => Ok(Self::trimmed(&text)),
        }
    }

    /// What others wrote: a control character counts as a space, and bytes that are not UTF-8 as Latin 1.
    pub(super) fn lenient(bytes: &[u8]) -> Self {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
        };
        match text.contains(is_control) {
            true => Self::trimmed(&text.replace(is_control, " ")),
            false => Self::trimmed(&text),
        }
    }

    fn trimmed(text: &str) -> Self {
        Self(text.trim_matches([' ', '\t']).to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn is_control(character: char) -> bool {
    character.is_control() && character != '\t'
}

pub(super) fn invalid(
    what: &'static str,
    at: usize,
    reason: &'static str,
    text: &str,
) -> crate::InvalidValue {
    crate::InvalidValue::new(Invalid::new(what, at, reason), text)
}

impl fmt::Display for FieldText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<&str> for FieldText {
    type Error = crate::InvalidValue;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl std::str::FromStr for FieldText {
    type Err = crate::InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// A field that has no place of its own in a report, with its name as it was written
/// ([RFC 3464 section 2.4](https://www.rfc-editor.org/rfc/rfc3464#section-2.4)).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    name: String,
    value: FieldText,
}

impl Field {
    /// Makes a field. Names that begin with `X-` are for experiments.
    ///
    /// ```abnf
    /// field-name = 1*(%d33-57 / %d59-126)   ; RFC 5322 section 3.6.8
    /// ```
    ///
    /// # Errors
    ///
    /// A name that is empty, has a blank or a colon, or is not ASCII.
    pub fn new(name: &str, value: FieldText) -> Result<Self, crate::InvalidValue> {
        if !is_name(name.as_bytes()) {
            return Err(invalid(
                "name of a field",
                0,
                "expected printable characters other than a colon",
                name,
            ));
        }
        Ok(Self { name: name.to_owned(), value })
    }

    /// ```abnf
    /// future-release-request-field = "Future-Release-Request:" orig-hold-param-value   ; RFC 4865 section 5.1.2
    /// orig-hold-param-value = ("for;" future-release-interval) / ("until;" future-release-date-time)
    /// ```
    pub(super) fn future_release_request(hold: &Hold) -> Self {
        let value = match hold {
            Hold::For(interval) => format!("for;{}", interval.get()),
            Hold::Until(until) => format!("until;{until}"),
        };
        Self { name: "Future-Release-Request".to_owned(), value: FieldText::lenient(value.as_bytes()) }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value.
    #[must_use]
    pub const fn value(&self) -> &FieldText {
        &self.value
    }

    /// Whether it has this name, in any case of its letters.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// Short enough to stand in one line with the beginning of its value.
fn is_name(name: &[u8]) -> bool {
    (1..=76).contains(&name.len()) && name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':')
}

/// What comes out of the lines of a report.
pub(super) enum Line {
    Field(Field),
    /// An empty line, which ends a group.
    Blank,
}

/// The fields of `content`, whether its lines end in CR LF or LF. What has no name is passed over.
pub(super) fn lines(content: &[u8]) -> impl Iterator<Item = Line> + '_ {
    let mut rest = content;
    std::iter::from_fn(move || {
        loop {
            let mut field = next_line(&mut rest)?;
            if field.trim_ascii().is_empty() {
                return Some(Line::Blank);
            }
            let mut unfolded = Vec::new();
            while matches!(rest.first(), Some(b' ' | b'\t')) {
                let mut after = rest;
                let Some(line) = next_line(&mut after).filter(|line| !line.trim_ascii().is_empty()) else {
                    break;
                };
                rest = after;
                if unfolded.is_empty() {
                    unfolded.extend_from_slice(field);
                }
                unfolded.extend_from_slice(line);
            }
            if !unfolded.is_empty() {
                field = &unfolded;
            }
            if let Some(field) = named(field) {
                return Some(Line::Field(field));
            }
        }
    })
}

/// The next line without its end.
fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if rest.is_empty() {
        return None;
    }
    let (line, after) = match memchr::memchr(b'\n', rest).and_then(|at| rest.split_at_checked(at)) {
        Some((line, after)) => (line, after.get(1..).unwrap_or_default()),
        None => (*rest, &[][..]),
    };
    *rest = after;
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

fn named(line: &[u8]) -> Option<Field> {
    let (name, value) = line.split_at_checked(memchr::memchr(b':', line)?)?;
    let name = name.trim_ascii();
    let text = std::str::from_utf8(name).ok().filter(|_| is_name(name))?;
    Some(Field { name: text.to_owned(), value: FieldText::lenient(value.get(1..)?) })
}

/// Takes the first field of this name out of a group.
pub(super) fn take(group: &mut Vec<Field>, name: &str) -> Option<FieldText> {
    let at = group.iter().position(|field| field.is(name))?;
    Some(group.remove(at).value)
}

/// Takes the first field of this name out of a group, if `read` can make something of it.
pub(super) fn take_as<T>(group: &mut Vec<Field>, name: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    let at = group.iter().position(|field| field.is(name))?;
    let value = read(group.get(at)?.value.as_str())?;
    group.remove(at);
    Some(value)
}

/// Where lines are folded if they can be, and where they have to be
/// ([RFC 5322 section 2.1.1](https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1)), in bytes.
const FOLD: usize = 78;
const LONGEST: usize = 900;

/// Appends a field. Long values are folded at their blanks; a word or a gap of more than 900 bytes is broken.
pub(super) fn write(name: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    if !value.is_empty() {
        out.push(b' ');
    }
    let mut column = name.len() + 2;
    let mut rest = value;
    while !rest.is_empty() {
        let gap = rest.find(|character| !matches!(character, ' ' | '\t')).unwrap_or(rest.len());
        let (gap, after) = rest.split_at_checked(gap).unwrap_or((rest, ""));
        let (word, after) =
            after.split_at_checked(after.find([' ', '\t']).unwrap_or(after.len())).unwrap_or((after, ""));
        rest = after;
        let gap = if gap.len() > LONGEST { " " } else { gap };
        if !gap.is_empty() && column + gap.len() + word.len() > FOLD {
            out.extend_from_slice(b"\r\n");
            column = 0;
        }
        out.extend_from_slice(gap.as_bytes());
        column += gap.len();
        for character in word.chars() {
            if column >= LONGEST {
                out.extend_from_slice(b"\r\n ");
                column = 1;
            }
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            column += character.len_utf8();
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// A text without its comments, which stand in parentheses outside of quotes, and without blanks at its ends.
pub(super) fn without_comments(text: &str) -> Cow<'_, str> {
    if !text.contains('(') {
        return Cow::Borrowed(text.trim());
    }
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let kept = text.chars().filter(|&character| {
        let within = depth > 0;
        if std::mem::take(&mut escaped) {
            return !within;
        }
        match character {
            '\\' => escaped = quoted || within,
            '"' if !within => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if within => depth -= 1,
            _ => {}
        }
        !within && depth == 0
    });
    let kept: String = kept.collect();
    Cow::Owned(kept.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, value: &str) -> String {
        let mut out = Vec::new();
        write(name, value, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn read(content: &str) -> Vec<String> {
        let show = |line| match line {
            Line::Field(field) => format!("{}={}", field.name(), field.value()),
            Line::Blank => String::new(),
        };
        lines(content.as_bytes()).map(show).collect()
    }

    #[test]
    fn lines_of_all_kinds() {
        let content = "A: 1\r\nB :2\n  3 \n\n \t\nno name\n: none\nC:\n x: y\r\nD: e\r\n \r\nE: \u{7f}f\x00";
        assert_eq!(read(content), ["A=1", "B=2  3", "", "", "C=x: y", "D=e", "", "E=f"]);
        assert_eq!(read(" orphan: 1\nA: 2"), ["orphan=1", "A=2"]);
        assert_eq!(read("A: caf\u{e9}"), ["A=caf\u{e9}"]);
        let latin: Vec<_> = lines(b"A: caf\xe9").collect();
        assert!(matches!(&latin[..], [Line::Field(field)] if field.value().as_str() == "caf\u{e9}"));
    }

    #[test]
    fn folding() {
        let long = format!("smtp; 550 {}", "word ".repeat(60));
        let text = written("Diagnostic-Code", long.trim());
        assert!(text.lines().all(|line| line.len() <= FOLD && !line.trim().is_empty()));
        assert_eq!(read(&text), [format!("Diagnostic-Code={}", long.trim())]);
        for value in ["\u{e9}".repeat(2000), format!("a{}b", " ".repeat(3000))] {
            assert!(written("X", &value).lines().all(|line| line.len() <= 998 && !line.trim().is_empty()));
            assert_eq!(read(&written("X", &value)).len(), 1);
        }
    }

    #[test]
    fn comments() {
        for (text, expected) in [
            ("5.0.0 (permanent (nested) failure)", "5.0.0"),
            ("(a) failed (unclosed", "failed"),
            (r#""a(b)c"@example.org (\) x)"#, r#""a(b)c"@example.org"#),
            ("plain", "plain"),
        ] {
            assert_eq!(without_comments(text), expected, "{text}");
        }
    }
}
