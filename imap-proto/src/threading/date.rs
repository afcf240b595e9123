//! Sent dates: RFC 5256 section 2.2.

use mailwire_core::private::HeaderDate;

/// Reads a Date field as the moment in seconds since 1970 that messages are ordered by
/// ([RFC 5256 section 2.2](https://www.rfc-editor.org/rfc/rfc5256#section-2.2)): a zone that is not valid counts as
/// UTC, a time that is not valid as midnight. `None` if there is no day in it: then the internal date counts.
///
/// ```
/// use mailwire_imap::threading::sent_date;
///
/// assert_eq!(sent_date(b"31 Dec 2000 16:01:33 -0800"), sent_date(b"Mon, 1 Jan 2001 00:01:33 +0000"));
/// assert_eq!(sent_date(b"yesterday"), None);
/// ```
#[must_use]
pub fn sent_date(field: &[u8]) -> Option<i64> {
    HeaderDate::read(field)?.unix_seconds()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_all_kinds() {
        for (date, seconds) in [
            ("Thu, 1 Jan 1970 00:00:00 +0000", Some(0)),
            ("1 Jan 70 00:00 GMT", Some(0)),
            ("Thu (x (y)), 1 (z) Jan 1970 01:00:05 +0100 (CET)", Some(5)),
            ("1-January-1970 02:00:00 -0130", Some(12_600)),
            ("1 Jan 1970 00:00:00 PST", Some(28_800)),
            ("1 Jan 1970 00:00:00 XYZ", Some(0)),
            ("1 Jan 1970 00:00:00 +0199", Some(0)),
            ("1 Jan 1970 25:00:00 +0100", Some(-3600)),
            ("2 Jan 1970", Some(86_400)),
            ("1 Jan 1970 00:00:60", Some(59)),
            ("30 Feb 1970 00:00:00", None),
            ("1 Jan", None),
            ("", None),
            ("yesterday", None),
        ] {
            assert_eq!(sent_date(date.as_bytes()), seconds, "{date}");
        }
    }
}
