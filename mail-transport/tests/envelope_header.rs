//! An envelope out of a message's header.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use mailwire_transport::smtp::{Envelope, without_bcc};

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
