//! What senders want to hear of, and what of their messages (DSN, RFC 3461).

use mailwire_transport::smtp::{
    proto::{
        Mail, Rcpt,
        extensions::dsn::{EnvelopeId, Notify as When, OriginalRecipient, Ret},
    },
    report::Original,
};

use super::*;

/// An envelope with all that DSN has.
fn with_wishes(recipients: &[(&str, Option<When>)]) -> Envelope {
    let mail = Mail::new(address("ada@example.org")).with_envelope_id(EnvelopeId::new("order 42").unwrap());
    let recipients = recipients.iter().map(|(to, when)| {
        let original = OriginalRecipient::new("rfc822", format!("first.{to}")).unwrap();
        let rcpt = Rcpt::new(address(to)).with_original_recipient(original);
        match when {
            Some(when) => rcpt.with_notify(*when),
            None => rcpt,
        }
    });
    Envelope::from_commands(mail, recipients)
}

#[tokio::test(start_paused = true)]
async fn what_was_said_is_kept_and_handed_on() {
    let folder = Folder::new();
    let envelope =
        with_wishes(&[("bob@example.net", Some(When::SUCCESS | When::DELAY)), ("carol@example.net", None)])
            .with_return(Ret::Headers)
            .with_require_tls();
    folder.queue().add(envelope.clone(), MESSAGE.into()).await.unwrap();
    // By another process.
    let queue = folder.queue();
    let carrier = Scripted::new(|_, _| Fate::Relayed { reports: true });
    let running = Running::start(&queue, options(), Arc::clone(&carrier));
    assert_eq!(carrier.carried(1).await[0].1.envelope, envelope);
    running.end().await;
    // Who takes it, reports.
    assert_eq!(queue.total().await.unwrap(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_sender_hears_of_what_he_wants_to() {
    // What becomes of a recipient is its local part, and when its sender wants to hear of it the rest.
    let wanted = [
        ("stored@example.net", None, None),
        ("stored@example.com", Some(When::SUCCESS), Some(Action::Delivered)),
        ("stored@example.edu", Some(When::FAILURE | When::DELAY), None),
        ("stored@example.org", Some(When::NEVER), None),
        ("relayed@example.net", None, None),
        ("relayed@example.com", Some(When::SUCCESS), Some(Action::Relayed)),
        ("told@example.com", Some(When::SUCCESS), None),
        ("never@example.net", None, Some(Action::Failed)),
        ("never@example.com", Some(When::SUCCESS | When::DELAY), None),
        ("never@example.edu", Some(When::FAILURE), Some(Action::Failed)),
        ("never@example.org", Some(When::NEVER), None),
        ("late@example.net", None, Some(Action::Delayed)),
        ("late@example.com", Some(When::DELAY), Some(Action::Delayed)),
        ("late@example.edu", Some(When::SUCCESS | When::FAILURE), None),
        ("late@example.org", Some(When::NEVER), None),
    ];
    let folder = Folder::new();
    let queue = folder.queue();
    let carrier = Scripted::new(|parcel, to| match to.local_part() {
        _ if parcel.from().is_none() => Fate::Delivered,
        "stored" => Fate::Delivered,
        "relayed" => Fate::Relayed { reports: false },
        "told" => Fate::Relayed { reports: true },
        "never" => never(),
        _ => later(),
    });
    let recipients: Vec<_> = wanted.iter().map(|(to, when, _)| (*to, *when)).collect();
    let number = queue.add(with_wishes(&recipients), MESSAGE.into()).await.unwrap();
    let running = Running::start(&queue, options(), Arc::clone(&carrier));
    // Past the warning; what is late comes on for days.
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    running.end().await;
    assert_eq!(queue.list(9).await.unwrap().iter().map(|entry| entry.number).collect::<Vec<_>>(), [number]);
    let carried = carrier.carried(0).await;
    let reports: Vec<DeliveryReport> = carried
        .iter()
        .filter(|(_, parcel)| parcel.from().is_none())
        .map(|(_, parcel)| reported(parcel))
        .collect();
    // One of each kind, and a second time nothing.
    assert_eq!(reports.len(), 4);
    let mut told = BTreeMap::new();
    for report in &reports {
        assert_eq!(report.envelope_id.as_ref().unwrap().as_str(), "order 42");
        for it in &report.recipients {
            assert_eq!(it.original.as_ref().unwrap().text(), format!("first.{}", it.recipient.text()));
            assert_eq!(
                it.status.class(),
                if it.action == Action::Failed {
                    5
                } else if it.action == Action::Delayed {
                    4
                } else {
                    2
                }
            );
            assert!(told.insert(it.recipient.text().to_owned(), it.action.clone()).is_none());
        }
    }
    let expected = wanted.into_iter().filter_map(|(to, _, action)| Some((to.to_owned(), action?)));
    assert_eq!(told, expected.collect());
}

#[tokio::test(start_paused = true)]
async fn a_report_returns_what_is_asked_for() {
    let large = format!("{MESSAGE}{}", "Hello.\r\n".repeat(9000));
    let required = Mail::new(address("ada@example.org")).with_require_tls(true);
    let plain = Mail::new(address("ada@example.org"));
    for (mail, message, whole) in [
        (plain.clone(), MESSAGE, true),
        (plain.clone().with_ret(Ret::Full), MESSAGE, true),
        (plain.clone().with_ret(Ret::Headers), MESSAGE, false),
        (plain.clone(), &large, false),
        (plain.with_ret(Ret::Full), &large, true),
        // RFC 8689 section 5.
        (required.clone(), MESSAGE, false),
        (required.with_ret(Ret::Full), MESSAGE, false),
    ] {
        let folder = Folder::new();
        let queue = folder.queue();
        let is_required = mail.parameters().require_tls;
        let envelope = Envelope::from_commands(mail, [Rcpt::new(address("bob@example.net"))]);
        queue.add(envelope, message.to_owned().into()).await.unwrap();
        let carrier =
            Scripted::new(|parcel, _| if parcel.from().is_some() { never() } else { Fate::Delivered });
        let running = Running::start(&queue, options(), Arc::clone(&carrier));
        let parcel = carrier.carried(2).await.remove(1).1;
        running.end().await;
        let expected = if whole { message } else { "From: ada@example.org\r\nSubject: Hello\r\n" };
        let original = reported(&parcel).original.unwrap();
        assert_eq!(matches!(original, Original::Message(_)), whole);
        assert_eq!(String::from_utf8_lossy(original.bytes()).trim_end(), expected.trim_end());
        assert_eq!(parcel.envelope.mail().parameters().require_tls, is_required);
        assert_eq!(parcel.envelope.mail().from, ReversePath::Null);
    }
}
