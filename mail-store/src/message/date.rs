//! The Date field, as SEARCH looks at it.

use mailwire_core::private::HeaderDate;

/// Reads the day of a date, whatever time may follow: `[day-name ","] day month year`, with hyphens, too, and with months
/// in full ([RFC 5322 section 3.3](https://www.rfc-editor.org/rfc/rfc5322#section-3.3)).
pub(super) fn day(date: &[u8]) -> Option<(u16, u8, u8)> {
    HeaderDate::read(date).map(|date| (date.year, date.month, date.day))
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
            assert_eq!(day(date.as_bytes()), expected, "{date}");
        }
    }
}
