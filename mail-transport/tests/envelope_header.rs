//! An envelope out of a message's header.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use mailwire_core::dot::Mender;
use mailwire_transport::smtp::{Envelope, Message, without_bcc};
use proptest::prelude::*;

fn envelope(message: &str) -> (String, Vec<String>) {
    let envelope = Envelope::from_header(message.as_bytes()).unwrap();
    let to = envelope.recipients().iter().map(|rcpt| rcpt.to.to_string()).collect();
    (envelope.mail().from.to_string(), to)
}

#[test]
fn the_author_sends_to_all_that_are_named() {
    let message = "From: Ada <ada@a.example>, b@a.example\r\nTo: \"Bob, B.\" <bob@b.example>,\r\n cy@b.example\r\n\
                   Cc: Team: dan@b.example, <bob@b.example>;\r\nBcc: eve@b.example\r\nSubject: x\r\n\r\nTo: no@b.example\r\n";
    let to = ["<bob@b.example>", "<cy@b.example>", "<dan@b.example>", "<eve@b.example>"];
    assert_eq!(envelope(message), ("<ada@a.example>".into(), to.map(String::from).to_vec()));
    let (from, _) = envelope(&format!("Sender: secretary@a.example\r\n{message}"));
    assert_eq!(from, "<secretary@a.example>");
    assert_eq!(envelope("From: a@a.example\r\n\r\n").1, Vec::<String>::new());
}

/// RFC 5322 section 3.6.6: the topmost block alone.
#[test]
fn who_sends_again_counts() {
    let message = "Resent-From: two@a.example\r\nResent-To: three@b.example\r\nResent-Message-ID: <1@x>\r\n\
                   Resent-From: one@a.example\r\nResent-To: two@a.example\r\nReceived: x\r\nResent-Cc: none@b.example\r\n\
                   From: a@a.example\r\nTo: one@a.example\r\n\r\n";
    assert_eq!(envelope(message), ("<two@a.example>".into(), vec!["<three@b.example>".into()]));
}

#[test]
fn a_header_without_a_sender_or_with_what_is_no_address_is_refused() {
    for message in
        ["", "To: bob@b.example\r\n\r\n", "From: a@a.example\r\nTo: nobody\r\n\r\n", "From: a\r\n\r\n"]
    {
        assert!(Envelope::from_header(message.as_bytes()).is_err(), "{message}");
    }
}

#[test]
fn blind_copies_stay_blind() {
    let message = "From: a@a.example\r\nBcc: b@b.example,\r\n c@b.example\r\nTo: d@b.example\r\nresent-bcc: e@b.example\r\n\r\nBcc: body\r\n";
    let sent = without_bcc(message.into());
    assert_eq!(sent, "From: a@a.example\r\nTo: d@b.example\r\n\r\nBcc: body\r\n");
    let same = without_bcc(sent.clone());
    assert_eq!((same.as_ptr(), same.len()), (sent.as_ptr(), sent.len()));
}

/// However odd a field of blind copies is: whoever it names gets the message, and nobody is told.
#[test]
fn blind_copies_in_odd_forms() {
    let (from, body) = ("From: a@a.example\r\nMessage-ID: <1@a>\r\nDate: x\r\n", "\r\nBcc: body@x\r\n");
    for (bcc, to) in [
        ("Bcc: b@b.example\r\n", &["<b@b.example>"][..]),
        ("bCC : b@b.example\r\n", &["<b@b.example>"]),
        ("Bcc:\r\n\tb@b.example,\r\n  \"c, d\"\r\n <c@b.example>\r\n", &["<b@b.example>", "<c@b.example>"]),
        ("Bcc: b@b.example\r\nBcc: c@b.example\r\n", &["<b@b.example>", "<c@b.example>"]),
        ("Bcc: Team: b@b.example, C <c@b.example>;\r\n", &["<b@b.example>", "<c@b.example>"]),
        ("Bcc: undisclosed-recipients:;\r\n", &[]),
        ("Bcc:\r\n", &[]),
        ("Bcc: b@b.example (who\r\n is blind)\r\n", &["<b@b.example>"]),
        ("Bcc: b@b.example\n", &["<b@b.example>"]),
        ("Bcc: b@b.example\r", &["<b@b.example>"]),
        ("Bcc: b@b.example,\r\n \r\n c@b.example\r\n", &["<b@b.example>"]),
        (
            "X: y\r\n no field\r\nBcc: b@b.example\r\nnonsense\r\n Bcc: c@b.example\r\n",
            &["<b@b.example>", "<c@b.example>"],
        ),
        ("Bcc\r\n b@b.example,\r\n\tc@b.example\r\n", &[]),
        ("bcc \r\n : b@b.example\r\n c: c@b.example\r\n", &[]),
        ("Bcc: b\u{f6}b@b.example\r\n", &["<b\u{f6}b@b.example>"]),
    ] {
        for message in [format!("{from}{bcc}{body}"), format!("{bcc}{from}{body}"), format!("{from}{bcc}")] {
            let (envelope, _) = Message::from(&message).into_parts().unwrap();
            let named: Vec<_> = envelope.recipients().iter().map(|rcpt| rcpt.to.to_string()).collect();
            assert!(
                named.starts_with(&to.iter().map(ToString::to_string).collect::<Vec<_>>()),
                "{message:?} {named:?}"
            );
            let sent = without_bcc(message.clone().into());
            let sent = std::str::from_utf8(&sent).unwrap();
            assert!(!sent.contains("b.example"), "{sent:?}");
            assert!(sent.contains(from) && message.contains(body) == sent.contains(body), "{sent:?}");
        }
    }
}

/// A header of 10 MB is looked through in a moment.
#[test]
fn huge_headers() {
    let bcc = "Bcc: b@b.example,\r\n c@b.example\r\n".repeat(300_000);
    let message = format!("From: a@a.example\r\n{bcc}\r\nHi\r\n");
    let (envelope, _) = Message::from(message.clone()).into_parts().unwrap();
    assert_eq!(envelope.recipients().len(), 2);
    assert_eq!(without_bcc(message.into()), "From: a@a.example\r\n\r\nHi\r\n");
}

/// The envelope that is made of what a builder has been told is that of the header which it writes.
#[test]
fn builders_and_their_headers_name_the_same() {
    use mail_builder::{
        MessageBuilder,
        headers::{address::Address, raw::Raw},
    };

    let list =
        || Address::from(vec![("Bob, B.", "bob@b.example"), ("", "cy@b.example"), ("Bob", "bob@b.example")]);
    let group = || Address::new_group(Some("Team"), vec!["dan@b.example".into(), "\"e e\"@b.example".into()]);
    let (raw, text) = (Raw::new("Ada <ada@a.example>, f@b.example"), "ada@a.example");
    for builder in [
        MessageBuilder::new().from(("Ada", "ada@a.example")).to(list()).cc(group()).bcc("eve@b.example"),
        MessageBuilder::new().sender("secretary@a.example").from(list()).to(list()).to(group()),
        MessageBuilder::new()
            .from(text)
            .header("resent-from", Address::from("two@a.example"))
            .header("Resent-To", group()),
        MessageBuilder::new().header("FROM", raw.clone()).header("to", raw).cc(group()),
        MessageBuilder::new().from(Vec::<&str>::new()).to(list()),
        MessageBuilder::new().from(("Ada", "")).to(list()),
        MessageBuilder::new().from(text).to("nobody"),
        MessageBuilder::new().from(text).to("Bob <bob@b.example>"),
        MessageBuilder::new().from(text).to(" bob@b.example "),
        MessageBuilder::new().from(text).to("undisclosed-recipients:;"),
        MessageBuilder::new().from(text),
    ] {
        let written = builder.clone().write_to_vec().unwrap();
        let told = Message::from(builder).envelope().map_err(|error| error.to_string());
        let read = Envelope::from_header(&written).map_err(|error| error.to_string());
        assert_eq!(format!("{told:?}"), format!("{read:?}"), "{}", written.escape_ascii());
    }
}

proptest! {
    /// What a reader of the message could take for a blind copy is never left.
    #[test]
    fn no_blind_copy_is_left(parts in prop::collection::vec(prop::sample::select(vec![
        "Bcc", "bcc ", "Resent-Bcc", "From", "To", ":", ": ", "a@b.example", "\"", "(", ")", "<", ">", ",", ";", "\\", " ", "\t",
        "\r\n", "\n", "\r", "\r\n ", "x", "\u{e9}",
    ]), 0..40)) {
        let message = parts.concat();
        // As it will be sent, and as lenient readers see that.
        let kept = Mender::new().push(without_bcc(message.clone().into()));
        let parsed = mail_parser::MessageParser::new().parse_headers(&kept[..]);
        for header in parsed.iter().flat_map(|parsed| parsed.headers()) {
            let blind = matches!(header.name, mail_parser::HeaderName::Bcc | mail_parser::HeaderName::ResentBcc);
            prop_assert!(!blind, "{:?} of {:?}", kept, message);
        }
        let _ = Message::from(message).into_parts();
    }
}
