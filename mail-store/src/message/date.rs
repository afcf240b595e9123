//! The Date field, as SEARCH looks at it.

use bytes::Bytes;

use super::words::Words;

/// Reads the day of a date, whatever time may follow: `[day-name ","] day month year`, with hyphens, too, and with months
/// in full ([RFC 5322 section 3.3](https://www.rfc-editor.org/rfc/rfc5322#section-3.3)).
pub(super) fn day(date: &Bytes) -> Option<(u16, u8, u8)> {
    const MONTHS: [&[u8; 3]; 12] =
        [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
    let mut words = Words::new(date);
    let mut next = || {
        words.skip_blank();
        words.take_while(|byte| matches!(byte, b'-' | b',' | b'.'));
        words.skip_blank();
        words.take_while(|byte| byte.is_ascii_alphanumeric())
    };
    let number = |word: &Bytes| -> Option<u16> { std::str::from_utf8(word).ok()?.parse().ok() };
    let mut first = next();
    if first.iter().all(u8::is_ascii_alphabetic) {
        first = next();
    }
    let day = number(&first).and_then(|day| u8::try_from(day).ok()).filter(|day| (1..=31).contains(day))?;
    let name = next().get(..3)?.to_ascii_lowercase();
    let month = (1..).zip(MONTHS).find(|(_, month)| month[..] == name)?.0;
    let year = next();
    // RFC 5322 section 4.3.
    let year = match (number(&year)?, year.len()) {
        (year @ 0..=49, 2) => year + 2000,
        (year, 2 | 3) => year + 1900,
        (year, 4) => year,
        _ => return None,
    };
    Some((year, month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_dates() {
        for (date, expected) in [
            ("Mon, 2 Feb 2026 23:30:00 -0800 (PST)", Some((2026, 2, 2))),
            ("2 Feb 2026", Some((2026, 2, 2))),
            ("1 Feb 26 25:00", Some((2026, 2, 1))),
            ("mon, (x) 02-february-99 10:00", Some((1999, 2, 2))),
            ("Mon,2 Feb 101", Some((2001, 2, 2))),
            ("Mon 2. Feb 2026", Some((2026, 2, 2))),
            ("Mon, 2 Feb", None),
            ("Mon, 32 Feb 2026", None),
            ("Mon, 0 Feb 2026", None),
            ("Mon, 2 Fe 2026", None),
            ("Mon, 2 Feb 20261", None),
            ("Mon Feb  2 23:30:00 2026", None),
            ("2026-02-02T23:30:00Z", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(day(&Bytes::from_static(date.as_bytes())), expected, "{date}");
        }
    }
}
