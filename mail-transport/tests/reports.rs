//! Delivery and disposition reports: those of real servers are read, ours are read back, and nothing that a stranger puts
//! into one becomes a field, a part or a day's work.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use bytes::Bytes;
use mailwire_transport::smtp::{
    proto::{EnhancedCode, Mailbox, trace::Timestamp},
    report::{
        Action, DeliveryReport, Disposition, DispositionReport, DispositionType, Field, FieldText, Header,
        Limits, Modifier, Original, RecipientReport, Report, ReportError, ReportingUa, Typed,
    },
};
use proptest::prelude::*;

/// With LF and with CR LF.
fn both_ways(file: &str) -> Report {
    let path = format!("{}/tests/reports/{file}.eml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let [lf, crlf] = [text.clone(), text.replace('\n', "\r\n")].map(|text| parse(text).unwrap());
    let originals = [&lf, &crlf].map(|report| original(report).map(|it| it.bytes().to_vec()));
    let crs = |bytes: &Vec<u8>| bytes.iter().filter(|byte| **byte != b'\r').copied().collect::<Vec<_>>();
    assert_eq!(originals[0].as_ref().map(crs), originals[1].as_ref().map(crs));
    assert_eq!(without_original(lf), without_original(crlf.clone()));
    crlf
}

fn parse(message: impl Into<Bytes>) -> Result<Report, ReportError> {
    Report::parse(&message.into(), &Limits::default())
}

fn original(report: &Report) -> Option<&Original> {
    match report {
        Report::Delivery(report) => report.original.as_ref(),
        Report::Disposition(report) => report.original.as_ref(),
        _ => None,
    }
}

fn without_original(mut report: Report) -> Report {
    match &mut report {
        Report::Delivery(report) => report.original = None,
        Report::Disposition(report) => report.original = None,
        _ => {}
    }
    report
}

fn delivery(file: &str) -> DeliveryReport {
    let Report::Delivery(report) = both_ways(file) else { panic!("{file}") };
    report
}

fn disposition(file: &str) -> DispositionReport {
    let Report::Disposition(report) = both_ways(file) else { panic!("{file}") };
    report
}

fn code(text: &str) -> EnhancedCode {
    let numbers: Vec<u16> = text.split('.').map(|number| number.parse().unwrap()).collect();
    EnhancedCode::new(numbers[0] as u8, numbers[1], numbers[2]).unwrap()
}

/// Recipient, action, status.
fn told(report: &DeliveryReport) -> Vec<(&str, &str, String)> {
    let one = |it: &RecipientReport| it.status.to_string();
    report.recipients.iter().map(|it| (it.recipient.text(), it.action.as_str(), one(it))).collect()
}

fn shown(value: &Option<impl std::fmt::Display>) -> String {
    value.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn names(fields: &[Field]) -> Vec<String> {
    fields.iter().map(|field| format!("{}: {}", field.name(), field.value())).collect()
}

#[test]
fn postfix() {
    let report = delivery("postfix");
    assert_eq!(shown(&report.reporting_mta), "dns; mail.example.org");
    assert_eq!(shown(&report.envelope_id), "QQ+2B314159");
    assert_eq!(shown(&report.arrival_date), "Sat, 14 Nov 2026 10:02:10 +0100");
    let extensions = ["X-Postfix-Queue-ID: 3C1D21A2B9", "X-Postfix-Sender: rfc822; anna@example.org"];
    assert_eq!(names(&report.extensions), extensions);
    let expected = [
        ("nobody@example.net", "failed", "5.1.1".to_owned()),
        ("full@example.net", "failed", "5.2.2".to_owned()),
    ];
    assert_eq!(told(&report), expected);
    let full = &report.recipients[1];
    assert_eq!(full.original, Some(full.recipient.clone()));
    assert_eq!(shown(&full.remote_mta), "dns; mx.example.net");
    let words = "smtp; 552 5.2.2 <full@example.net>: mailbox full, and here    are many more words about it";
    assert_eq!(shown(&full.diagnostic), words);
    assert!(report.text.unwrap().starts_with("Your message could not be delivered"));
    let header = report.original.unwrap();
    assert!(matches!(&header, Original::Headers(it) if it.ends_with(b"Message-ID: <1@example.org>\r\n")));
}

#[test]
fn exim() {
    let report = delivery("exim");
    assert_eq!(told(&report), [("bob@example.com", "failed", "5.0.0".to_owned())]);
    assert!(report.text.unwrap().contains("    Unrouteable address\n"));
    assert!(
        matches!(report.original, Some(Original::Message(it)) if it.ends_with(b"\r\n\r\nHello, Bob.\r\n"))
    );
}

#[test]
fn exchange() {
    let report = delivery("exchange");
    assert_eq!(told(&report), [("carl@example.com", "failed", "5.1.10".to_owned())]);
    let carl = &report.recipients[0];
    assert!(
        carl.diagnostic
            .as_ref()
            .unwrap()
            .text()
            .ends_with("RecipientNotFound; Recipient not found by SMTP address lookup")
    );
    assert_eq!(names(&carl.extensions), ["X-Display-Name: Carl"]);
    assert_eq!(report.text.as_deref(), Some("Votre message n'a pas pu \u{ea}tre remis.\n"));
    assert!(
        matches!(report.original, Some(Original::Message(it)) if it.ends_with(b"\r\n\r\nHello, Carl.\r\n"))
    );
}

#[test]
fn sendmail() {
    let report = delivery("sendmail");
    assert_eq!(told(&report), [("dora@example.net", "delayed", "4.4.1".to_owned())]);
    let dora = &report.recipients[0];
    assert_eq!(shown(&report.received_from), "dns; client.example.org");
    assert_eq!(shown(&dora.retry_until), "Thu, 19 Nov 2026 01:08:00 -0500");
    assert_eq!(dora.last_attempt.unwrap().seconds(), 1_794_650_940);
    assert!(report.text.unwrap().contains("THIS IS A WARNING"));
}

/// No empty lines, no forms, no status, no closing boundary, within a multipart of a gateway.
#[test]
fn others() {
    let report = delivery("odd");
    assert_eq!(shown(&report.reporting_mta), "dns; gw.example.com");
    assert_eq!(names(&report.extensions), ["X-Gateway: 1"]);
    let expected = [
        ("fred@example.com (Fred)", "failed", "5.1.1".to_owned()),
        ("<gina@example.com>", "delayed", "4.2.2".to_owned()),
        ("/G=Hanna/S=Example/", "delivered", "2.0.0".to_owned()),
    ];
    assert_eq!(told(&report), expected);
    let mailboxes = report.recipients.iter().map(|it| it.recipient.mailbox().map(|it| it.to_string()));
    let mailboxes: Vec<_> = mailboxes.map(Option::unwrap_or_default).collect();
    assert_eq!(mailboxes, ["fred@example.com", "gina@example.com", ""]);
    assert_eq!(shown(&report.recipients[0].diagnostic), "smtp; 550-5.1.1 unknown user");
    // What cannot be understood is kept.
    assert_eq!(names(&report.recipients[1].extensions), ["Last-Attempt-Date: some day", "X-Trailing: yes"]);
    assert_eq!(names(&report.recipients[2].extensions), ["Status: 550"]);
    assert!(matches!(report.original, Some(Original::Headers(it)) if it.starts_with(b"Subject: Hello")));
}

#[test]
fn beyond_ascii() {
    let report = delivery("international");
    let [user] = &report.recipients[..] else { panic!() };
    let mailbox = user.recipient.mailbox().unwrap();
    assert_eq!(mailbox.as_str(), "用户@例子.中国");
    assert_eq!(user.original.as_ref().unwrap().mailbox(), Some(mailbox));
    let localized: Vec<_> = user.localized.iter().map(Typed::kind).collect();
    assert_eq!(localized, ["de", "fr"]);
    assert!(
        matches!(report.original, Some(Original::Message(it)) if it.starts_with("From: jörg".as_bytes()))
    );
}

#[test]
fn dispositions() {
    let report = disposition("thunderbird");
    assert_eq!(report.disposition, Disposition::manual(DispositionType::Displayed));
    let ua = report.reporting_ua.unwrap();
    assert_eq!(
        (ua.name().as_str(), shown(&ua.product().cloned())),
        ("laptop.example.net", "Mozilla Thunderbird 128.0".to_owned())
    );
    assert_eq!(shown(&report.original_message_id), "<1@example.org>");
    assert!(report.text.unwrap().starts_with("This is a return receipt"));

    let report = disposition("sieve");
    let deleted = Disposition::automatic(DispositionType::Deleted).with_modifier(Modifier::error());
    assert_eq!(report.disposition, deleted);
    assert_eq!(report.errors, [FieldText::new("no thanks").unwrap()]);
    assert_eq!(names(&report.extensions), ["Warning: old"]);
}

#[test]
fn no_reports() {
    let qmail = include_bytes!("reports/qmail.eml");
    assert_eq!(parse(&qmail[..]), Err(ReportError::NotReport));
    // A report that is attached to a message, within another message, is not this message.
    let forwarded = concat!(
        "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: message/rfc822\n\n",
        "Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; a@b.c\n--a--\n"
    );
    for text in [
        "",
        "\r\n",
        "Subject: x\r\n\r\nx",
        "Content-Type: multipart/report; boundary=a\r\n\r\n--a--\r\n",
        forwarded,
    ] {
        assert_eq!(parse(text), Err(ReportError::NotReport), "{text}");
    }
    let malformed = parse("Content-Type: message/delivery-status\n\nReporting-MTA: dns; a\n");
    assert_eq!(malformed, Err(ReportError::Malformed("no recipient")));
    let malformed =
        parse("Content-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; a@b.c\n");
    assert_eq!(malformed, Err(ReportError::Malformed("no disposition")));
}

#[test]
fn limits() {
    let recipient = "Final-Recipient: rfc822; a@b.c\n\n";
    let message = |count| {
        format!(
            "Content-Type: message/delivery-status\n\nReporting-MTA: dns; a\n\n{}",
            recipient.repeat(count)
        )
    };
    let limits = Limits::default().with_recipients(3).with_content(1000).with_message(2000);
    let read = |count| Report::parse(&message(count).into(), &limits);
    assert!(read(3).is_ok());
    for (count, what) in [(4, "recipients"), (40, "bytes of fields"), (100, "bytes of the message")] {
        assert!(matches!(read(count), Err(ReportError::TooLarge { what: it, .. }) if it == what), "{count}");
    }
}

/// What would be quadratic for a reader that looks again and again: it would not come to an end here.
#[test]
fn work_is_linear() {
    let nested: String = (0..100_000)
        .map(|at| format!("--b{}\nContent-Type: multipart/report; boundary=b{at}\n\n", at as i64 - 1))
        .collect();
    let folds = format!(
        "Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822;{}",
        "\n a".repeat(300_000)
    );
    let fields = format!("Content-Type: message/delivery-status\n\n{}", "Final-Recipient:a\n".repeat(9_999));
    let comments = format!(
        "Content-Type: message/delivery-status\n\nFinal-Recipient:a\nStatus: {}",
        "(".repeat(1_000_000)
    );
    let boundaries = format!("Content-Type: multipart/report; boundary=b\n\n{}", "--b\n".repeat(1_000_000));
    let header = format!("Content-Type: multipart/report;{}\n\n", "\n a=b;".repeat(1_000_000));
    let [points, cut] = ["\\x{", "\\x{aaaaa\u{f6}"].map(|point| {
        let points = point.repeat(1_000_000 / point.len());
        format!("Content-Type: message/delivery-status\n\nFinal-Recipient: utf-8;{points}")
    });
    for message in [nested, folds, fields, comments, boundaries, header, points, cut] {
        if let Ok(Report::Delivery(report)) = parse(message) {
            let _ = report.recipients.iter().filter_map(|it| it.recipient.mailbox()).count();
        }
    }
}

fn header() -> Header {
    let mailbox = |text| Mailbox::try_from(text).unwrap();
    let date = Timestamp::new(1_794_646_931, 60).unwrap();
    Header::new(mailbox("mailer-daemon@mail.example.org"), mailbox("anna@example.org"), date)
}

fn report() -> DeliveryReport {
    let bob = Typed::new("rfc822", "bob@example.net").unwrap();
    DeliveryReport::new(Typed::new("dns", "mail.example.org").unwrap()).with_recipient(RecipientReport::new(
        bob,
        Action::Failed,
        code("5.1.1"),
    ))
}

#[test]
fn a_report_as_it_is_written() {
    let original = Original::Message("Subject: Hello\r\n\r\nHello, Bob.\r\n".into());
    let written = report()
        .with_text("Sorry.\n")
        .with_original(original)
        .write(&header().with_from_name("Mail delivery".parse().unwrap()));
    let text = String::from_utf8(written).unwrap();
    let boundary = text.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
    let id = boundary.strip_suffix("/report").unwrap();
    let expected = format!(
        "Date: Sat, 14 Nov 2026 10:02:11 +0100\r\n\
         From: \"Mail delivery\" <mailer-daemon@mail.example.org>\r\n\
         To: <anna@example.org>\r\n\
         Subject: Undelivered mail\r\n\
         Message-ID: <{id}@mail.example.org>\r\n\
         Auto-Submitted: auto-replied\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=\"delivery-status\"; \r\n\tboundary=\"{boundary}\"\r\n\r\n\r\n\
         --{boundary}\r\n\
         Content-Type: text/plain; charset=\"utf-8\"\r\n\
         Content-Transfer-Encoding: 7bit\r\n\r\n\
         Sorry.\r\n\r\n\
         --{boundary}\r\n\
         Content-Type: message/delivery-status\r\n\
         Content-Transfer-Encoding: 7bit\r\n\r\n\
         Reporting-MTA: dns; mail.example.org\r\n\r\n\
         Final-Recipient: rfc822; bob@example.net\r\n\
         Action: failed\r\n\
         Status: 5.1.1\r\n\r\n\
         --{boundary}\r\n\
         Content-Type: message/rfc822\r\n\
         Content-Transfer-Encoding: 7bit\r\n\r\n\
         Subject: Hello\r\n\r\nHello, Bob.\r\n\r\n\
         --{boundary}--\r\n"
    );
    assert_eq!(text, expected);
}

/// What stands in a message that comes back cannot be a part or a field of the report.
#[test]
fn nothing_is_injected() {
    assert!(
        FieldText::new("a\r\nStatus: 2.0.0").is_err()
            && FieldText::new("a\nb").is_err()
            && FieldText::new("a\0").is_err()
    );
    assert!(
        Field::new("X: y\r\nStatus", FieldText::default()).is_err()
            && Field::new("", FieldText::default()).is_err()
    );
    assert!(
        Typed::new("rfc822;x", "a").is_err()
            && Typed::new("", "a").is_err()
            && Typed::new("rfc822", "a\rb").is_err()
    );
    assert!(Modifier::new("error/x").is_err() && Modifier::new("a,b").is_err());
    assert!(ReportingUa::new("a;b".parse().unwrap(), None).is_err());

    // A field that has a place is not written twice.
    let forged = Field::new("action", "delivered".parse().unwrap()).unwrap();
    let mut forging = report().with_extensions(vec![forged.clone()]);
    forging.recipients[0].extensions = vec![forged];
    assert_eq!(parse(forging.write(&header())), parse(report().write(&header()).to_vec()));

    // A message that was made with the boundary of an earlier report in mind.
    let first = String::from_utf8(report().write(&header())).unwrap();
    let boundary = first.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
    let evil = format!(
        "Subject: x\r\n\r\n--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; eve@x.y\r\n--{boundary}--\r\n"
    );
    for text in [None, Some(evil.clone())] {
        let mut report = report().with_original(Original::Message(evil.clone().into()));
        report.text = text;
        let Ok(Report::Delivery(read)) = parse(report.write(&header())) else { panic!() };
        assert_eq!(told(&read), told(&report));
        assert_eq!(read.original, report.original);
    }
}

/// Returned messages that cannot stand in another.
#[test]
fn odd_originals() {
    let long = "y".repeat(2000);
    let long =
        format!("Subject: x\r\nX-A: {long}\r\n a\r\nX-B: b\r\n {long}\r\n b\r\nTo: a\r\n\tb\r\n\r\nx\r\n");
    for (message, headers) in [
        ("Subject: x\n\nbare\n", Some("Subject: x\r\n\r\nbare\r\n")),
        ("Subject: x\r\n\r\n\0\r\n", None),
        (long.as_str(), None),
        ("", Some("")),
    ] {
        let written = report().with_original(Original::Message(message.to_owned().into())).write(&header());
        assert!(!written.contains(&0) && written.split(|byte| *byte == b'\n').all(|line| line.len() < 1000));
        let Ok(Report::Delivery(read)) = parse(written) else { panic!("{message}") };
        match (read.original.unwrap(), headers) {
            (Original::Message(it), Some(expected)) => assert_eq!(it, expected),
            // Whole fields: a line of one that is left out is none of the field before it.
            (Original::Headers(it), None) => {
                assert!(it == "Subject: x\r\n" || it == "Subject: x\r\nTo: a\r\n\tb\r\n", "{it:?}")
            }
            other => panic!("{other:?}"),
        }
    }
}

/// For servers without 8BITMIME.
#[test]
fn seven_bits() {
    let mut report = report().with_text("Grüße");
    report.recipients[0].diagnostic = Some(Typed::new("smtp", "550 Größe").unwrap());
    let body = Original::Message("Subject: x\r\n\r\nGrüße\r\n".into());
    let international = Original::Message("Subject: Grüße\r\n\r\nx\r\n".into());
    for (original, seven) in [
        (body.clone(), Original::Headers("Subject: x\r\n".into())),
        // Without a header.
        (Original::Message("\r\nGrüße\r\n\r\nx\r\n".into()), Original::Headers("".into())),
        (international.clone(), international.clone()),
        (Original::Headers("Subject: ü\r\n".into()), Original::Headers("Subject: ü\r\n".into())),
    ] {
        let report = report.clone().with_original(original);
        let written = report.write(&header());
        assert!(!written.is_ascii());
        assert_eq!(parse(written).unwrap(), Report::Delivery(report.clone()));
        let written = report.write(&header().with_seven_bit(true));
        assert!(written.is_ascii());
        let expected = report.with_original(seven);
        assert_eq!(parse(written).unwrap(), Report::Delivery(expected));
    }
}

fn text() -> impl Strategy<Value = FieldText> {
    let long = prop::collection::vec("[!-~é]{1,300}", 0..10).prop_map(|words| words.join(" "));
    prop_oneof!["[ -~]{0,40}", long, "[a-z;()<> \\t]{0,30}"].prop_map(|text| FieldText::new(text).unwrap())
}

fn typed() -> impl Strategy<Value = Typed> {
    ("[a-z0-9-]{1,10}", text()).prop_map(|(kind, text)| Typed::new(&kind, text.as_str()).unwrap())
}

fn date() -> impl Strategy<Value = Timestamp> {
    (-2_000_000_000_i64..32_000_000_000, -1439..1440_i16)
        .prop_map(|(seconds, minutes)| Timestamp::new(seconds, minutes).unwrap())
}

fn extensions() -> impl Strategy<Value = Vec<Field>> {
    let one = ("X-[!-9;-~]{1,20}", text()).prop_map(|(name, value)| Field::new(&name, value).unwrap());
    prop::collection::vec(one, 0..3)
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Failed),
        Just(Action::Delayed),
        Just(Action::Delivered),
        Just(Action::Relayed),
        Just(Action::Expanded)
    ]
}

fn status() -> impl Strategy<Value = EnhancedCode> {
    (prop::sample::select(vec![2, 4, 5]), 0..1000_u16, 0..1000_u16)
        .prop_map(|(class, subject, detail)| EnhancedCode::new(class, subject, detail).unwrap())
}

fn recipient() -> impl Strategy<Value = RecipientReport> {
    let maybe = || prop::option::of(typed());
    let first = (typed(), action(), status(), maybe(), maybe(), maybe());
    let second = (
        prop::collection::vec(typed(), 0..3),
        prop::option::of(date()),
        prop::option::of(text()),
        prop::option::of(date()),
        extensions(),
    );
    (first, second).prop_map(
        |(
            (recipient, action, status, original, remote, diagnostic),
            (localized, last, log, retry, extensions),
        )| {
            let mut report = RecipientReport::new(recipient, action, status).with_extensions(extensions);
            report.original = original;
            report.remote_mta = remote;
            report.localized = if diagnostic.is_some() { localized } else { Vec::new() };
            report.diagnostic = diagnostic;
            report.last_attempt = last;
            report.log_id = log;
            report.retry_until = retry.filter(|_| report.action == Action::Delayed);
            report
        },
    )
}

fn delivery_report() -> impl Strategy<Value = DeliveryReport> {
    let maybe = || prop::option::of(typed());
    (
        typed(),
        maybe(),
        maybe(),
        prop::option::of(text()),
        prop::option::of(date()),
        extensions(),
        prop::collection::vec(recipient(), 1..4),
    )
        .prop_map(|(mta, gateway, from, id, date, extensions, recipients)| {
            let mut report = DeliveryReport::new(mta).with_extensions(extensions).with_recipients(recipients);
            report.gateway = gateway;
            report.received_from = from;
            report.envelope_id = id;
            report.arrival_date = date;
            report
        })
}

fn disposition_report() -> impl Strategy<Value = DispositionReport> {
    let kind = prop_oneof![
        Just(DispositionType::Displayed),
        Just(DispositionType::Dispatched),
        Just(DispositionType::Processed),
        Just(DispositionType::Deleted),
        "[a-c]{1,4}".prop_map(|word| DispositionType::Other(Modifier::new(&word).unwrap())),
    ];
    let modifiers = prop::collection::vec("[a-z-]{1,8}".prop_map(|word| Modifier::new(&word).unwrap()), 0..3);
    let disposition = (any::<bool>(), kind, modifiers).prop_map(|(manual, kind, modifiers)| {
        let disposition = if manual { Disposition::manual(kind) } else { Disposition::automatic(kind) };
        modifiers.into_iter().fold(disposition, Disposition::with_modifier)
    });
    (typed(), disposition, prop::option::of(text()), prop::collection::vec(text(), 0..3), extensions())
        .prop_map(|(recipient, disposition, id, errors, extensions)| {
            let mut report = DispositionReport::new(recipient, disposition)
                .with_errors(errors)
                .with_extensions(extensions);
            report.original_message_id = id;
            report
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]
    #[test]
    fn delivery_there_and_back(report in delivery_report(), words in "[ -~é\\n]{0,300}") {
        let mut content = Vec::new();
        report.write_content(&mut content);
        prop_assert!(content.split(|byte| *byte == b'\n').all(|line| line.len() < 1000));
        prop_assert_eq!(DeliveryReport::parse_content(&content, &Limits::default()), Ok(report.clone()));
        let report = report.with_text(words).with_original(Original::Headers("Subject: x\r\n".into()));
        prop_assert_eq!(parse(report.write(&header())), Ok(Report::Delivery(report.clone())));
        prop_assert_eq!(parse(report.write(&header().with_seven_bit(true))), Ok(Report::Delivery(report)));
    }

    #[test]
    fn disposition_there_and_back(report in disposition_report()) {
        let mut content = Vec::new();
        report.write_content(&mut content);
        prop_assert_eq!(DispositionReport::parse_content(&content, &Limits::default()), Ok(report.clone()));
        let report = report.with_text("Read.\n");
        prop_assert_eq!(parse(report.write(&header())), Ok(Report::Disposition(report)));
    }

    /// What was read of anything is written so that the same is read again.
    #[test]
    fn anything_read_is_written_well(
        lines in prop::collection::vec(
            prop_oneof![
                "(Final-Recipient|Original-Recipient|Action|Status|Diagnostic-Code|Error|Disposition|X-A|Last-Attempt-Date|Remote-MTA|action)(:| :|) ?[ -~é]{0,20}",
                Just("Action: failed".to_owned()), Just("Status: 5.1.1 (x)".to_owned()), Just("Disposition: displayed/error".to_owned()),
                Just(String::new()), Just(" more".to_owned()), "[ -~]{0,10}",
            ], 0..30),
        crlf: bool,
    ) {
        let content = lines.join(if crlf { "\r\n" } else { "\n" });
        if let Ok(report) = DeliveryReport::parse_content(content.as_bytes(), &Limits::default()) {
            let mut first = Vec::new();
            report.write_content(&mut first);
            let again = DeliveryReport::parse_content(&first, &Limits::default()).unwrap();
            let mut second = Vec::new();
            again.write_content(&mut second);
            prop_assert_eq!(String::from_utf8(first), String::from_utf8(second));
            prop_assert_eq!(told(&report), told(&again));
        }
        if let Ok(report) = DispositionReport::parse_content(content.as_bytes(), &Limits::default()) {
            let mut first = Vec::new();
            report.write_content(&mut first);
            let again = DispositionReport::parse_content(&first, &Limits::default()).unwrap();
            prop_assert_eq!(&again.disposition, &report.disposition);
            prop_assert_eq!(again.recipient, report.recipient);
        }
    }

    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0..4_usize) {
        let types = ["message/delivery-status", "message/global-disposition-notification", "multipart/report; boundary=a", "text/plain"];
        let mut message = format!("Content-Type: {}\r\n\r\n--a\r\n", types[kind]).into_bytes();
        message.extend_from_slice(&bytes);
        let _ = parse(message);
        let _ = parse(bytes);
    }
}
