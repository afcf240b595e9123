//! What headers and reports say of a message, as far as it is told: fields, Authentication-Results ([RFC
//! 8601](https://www.rfc-editor.org/rfc/rfc8601)), why a message came back ([RFC 3464](https://www.rfc-editor.org/rfc/rfc3464)).

use memchr::memmem;

/// The values of the fields of this name, unfolded, the topmost first.
pub(super) fn field<'a>(header: &'a [u8], name: &'a str) -> impl Iterator<Item = String> + 'a {
    let mut lines =
        header.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).peekable();
    std::iter::from_fn(move || {
        loop {
            let line = lines.next().filter(|line| !line.is_empty())?;
            let mut value = match split_name(line) {
                Some((found, value)) if found.eq_ignore_ascii_case(name.as_bytes()) => {
                    String::from_utf8_lossy(value).trim().to_owned()
                }
                _ => continue,
            };
            while let Some(more) = lines.next_if(|line| line.first().is_some_and(u8::is_ascii_whitespace)) {
                value.push(' ');
                value.push_str(String::from_utf8_lossy(more).trim());
            }
            return Some(value);
        }
    })
}

fn split_name(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = line.split_at_checked(at)?;
    Some((name.trim_ascii_end(), value.get(1..)?))
}

/// The Received fields, the newest first, at most ten.
pub(super) fn received(header: &[u8]) -> Vec<String> {
    field(header, "Received").take(10).collect()
}

/// Whether a header can be that of a report of delivery: by its type ([RFC 6522](https://www.rfc-editor.org/rfc/rfc6522)), or, for
/// those from before it, by its sender ([RFC 5321 section 4.5.5](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.5)).
pub(super) fn may_be_report(header: &[u8]) -> bool {
    let has = |name, word: &str| {
        field(header, name).next().is_some_and(|value| value.to_ascii_lowercase().contains(word))
    };
    has("Content-Type", "multipart/report")
        || has("Return-Path", "<>")
        || has("From", "<>")
        || has("From", "mailer-daemon")
}

/// Whether a message is a report about the message with this ID: it quotes that, and does not only answer it.
pub(super) fn is_report_of(message: &[u8], id: &str) -> bool {
    let body = memmem::find(message, b"\r\n\r\n").and_then(|end| message.get(end..));
    may_be_report(message) && body.is_some_and(|body| memmem::find(body, id.as_bytes()).is_some())
}

/// The methods of an Authentication-Results field whose result is bad: `spf=softfail`.
pub(super) fn failed(results: &str) -> Vec<String> {
    const METHODS: &[&str] = &["spf", "dkim", "dmarc", "iprev"];
    const BAD: &[&str] = &["fail", "softfail", "permerror", "policy"];
    let bare = without_comments(results);
    let results = bare.split(';').skip(1).filter_map(|result| result.split_whitespace().next());
    let failed = results.filter_map(|result| {
        let (method, result) = result.split_once('=')?;
        let method = method.split('/').next()?.to_ascii_lowercase();
        let result = result.to_ascii_lowercase();
        let is_bad = METHODS.contains(&method.as_str()) && BAD.contains(&result.as_str());
        is_bad.then(|| format!("{method}={result}"))
    });
    failed.take(10).collect()
}

fn without_comments(text: &str) -> String {
    let (mut depth, mut bare) = (0_usize, String::new());
    for letter in text.chars() {
        match letter {
            '(' => depth = depth.saturating_add(1),
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => bare.push(letter),
            _ => {}
        }
    }
    bare
}

/// Who refused a message, and with which words, of a report of delivery.
pub(super) fn diagnosis(report: &[u8]) -> Vec<(&'static str, String)> {
    const FIELDS: &[&str] = &["Remote-MTA", "Status", "Diagnostic-Code"];
    // The fields stand in a part of their own, each group after an empty line.
    let mut found = Vec::new();
    for &name in FIELDS {
        let mut rest = report;
        while !rest.is_empty() && found.len() < 10 {
            if let Some(value) = field(rest, name).next() {
                found.push((name, value));
                break;
            }
            let end = rest.windows(2).position(|two| two == b"\n\n" || two == b"\n\r");
            rest = end.and_then(|end| rest.get(end.saturating_add(2)..)).unwrap_or_default();
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"Received: from a\r\n by b\r\nAuthentication-Results: mx.example; spf=softfail\r\n\
        \tsmtp.mailfrom=a@b; dkim=pass (key; x) header.d=b;\r\n dmarc/1=FAIL\r\nMessage-Id: <x@y>\r\n\r\nSubject: no\r\n";

    #[test]
    fn fields_are_unfolded() {
        assert_eq!(field(HEADER, "received").collect::<Vec<_>>(), ["from a by b"]);
        assert_eq!(field(HEADER, "Message-ID").next().as_deref(), Some("<x@y>"));
        assert_eq!(field(HEADER, "Subject").next(), None);
        assert_eq!(field(b"", "a").next(), None);
    }

    #[test]
    fn what_failed() {
        let results = field(HEADER, "Authentication-Results").next().unwrap();
        assert_eq!(failed(&results), ["spf=softfail", "dmarc=fail"]);
        assert!(failed("mx.example; none").is_empty() && failed("spf=fail").is_empty());
    }

    #[test]
    fn what_is_a_report() {
        for header in [
            &b"Content-Type: Multipart/Report; boundary=b\r\n\r\n"[..],
            b"Return-Path: <>\r\n\r\n",
            b"From: Mail Delivery <MAILER-DAEMON@mx.example>\r\n\r\n",
        ] {
            assert!(may_be_report(header));
        }
        assert!(!may_be_report(HEADER) && !may_be_report(b"Subject: multipart/report\r\n\r\n"));
        // An answer names it too, in its header.
        assert!(is_report_of(b"From: <>\r\n\r\nMessage-ID: <x@y>\r\n", "x@y"));
        assert!(!is_report_of(b"From: <>\r\nIn-Reply-To: <x@y>\r\n\r\nI am away\r\n", "x@y"));
        assert!(
            !is_report_of(b"From: a@b\r\n\r\nMessage-ID: <x@y>\r\n", "x@y") && !is_report_of(b"x@y", "x@y")
        );
    }

    #[test]
    fn why_it_came_back() {
        let report = b"From: x\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a\r\n\r\n\
            Final-Recipient: rfc822; a@b\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1\r\n no such user\r\n";
        let found = diagnosis(report);
        assert_eq!(
            found,
            [("Status", "5.1.1".to_owned()), ("Diagnostic-Code", "smtp; 550 5.1.1 no such user".to_owned())]
        );
        assert!(diagnosis(&b"\n\n".repeat(10_000)).is_empty());
    }
}
