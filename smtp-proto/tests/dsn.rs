//! DSN: RFC 3461, and the addresses of RFC 6533.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::{Granting, client_config, drain, mailbox, ready_client, ready_client_with, server_config};
use mailwire_smtp::{
    Capability, Command, Dialect, ForwardPath, Mail, Misuse, Rcpt, ReversePath,
    extensions::dsn::{EnvelopeId, Notify, OriginalRecipient, Ret},
    server,
};

fn parse(line: &str) -> Command {
    let frame = Bytes::copy_from_slice(line.as_bytes());
    Command::parse(&frame, Dialect::Strict).unwrap_or_else(|error| panic!("{line}: {error}")).value
}

fn rcpt(parameter: &str) -> Rcpt {
    match parse(&format!("RCPT TO:<a@b.example> {parameter}")) {
        Command::Rcpt(rcpt) => rcpt,
        other => panic!("{other:?}"),
    }
}

/// `line` is refused in both dialects, at this byte.
fn refuse(line: &str, offset: usize) {
    for dialect in [Dialect::Strict, Dialect::Lenient] {
        let error = Command::parse(&Bytes::copy_from_slice(line.as_bytes()), dialect).unwrap_err();
        assert_eq!(error.offset, offset, "{line}: {error}");
    }
}

/// `line` is read, and written as `meaning`.
fn written(line: &str, meaning: &str) {
    let mut out = Vec::new();
    parse(line).write(&mut out);
    assert_eq!(String::from_utf8(out).unwrap(), format!("{meaning}\r\n"));
}

#[test]
fn parameters_of_mail() {
    let Command::Mail(mail) = parse("MAIL FROM:<> ENVID=QQ+2B314159 RET=hdrs SIZE=5") else { panic!() };
    assert_eq!(mail.parameters().ret, Some(Ret::Headers));
    assert_eq!(mail.parameters().envelope_id.as_ref().unwrap(), "QQ+314159");
    assert!(mail.parameters().other.is_empty());
    written("MAIL FROM:<> envid=a+20b+41 ret=Full", "MAIL FROM:<> RET=FULL ENVID=a+20bA");
    for (parameter, offset) in [
        ("RET", 16),
        ("RET=", 17),
        ("RET=HDR", 17),
        ("RET=FULLY", 21),
        ("RET=FULL RET=FULL", 22),
        ("ENVID", 18),
        ("ENVID=", 19),
        ("ENVID=a=b", 20),
        ("ENVID=a+2", 20),
        ("ENVID=a+2b", 20),
        ("ENVID=a+00", 19),
        ("ENVID=a ENVID=b", 21),
    ] {
        refuse(&format!("MAIL FROM:<> {parameter}"), offset);
    }
}

#[test]
fn conditions_of_reports() {
    for (text, conditions) in [
        ("NEVER", Notify::NEVER),
        ("never", Notify::NEVER),
        ("SUCCESS", Notify::SUCCESS),
        ("Delay,failure", Notify::FAILURE | Notify::DELAY),
        ("SUCCESS,FAILURE,DELAY,SUCCESS", Notify::SUCCESS | Notify::FAILURE | Notify::DELAY),
    ] {
        assert_eq!(rcpt(&format!("NOTIFY={text}")).parameters().notify, Some(conditions), "{text}");
    }
    assert_eq!(rcpt("").parameters().notify, None);
    for text in [
        "NEVER",
        "SUCCESS",
        "FAILURE",
        "SUCCESS,FAILURE",
        "DELAY",
        "SUCCESS,DELAY",
        "FAILURE,DELAY",
        "SUCCESS,FAILURE,DELAY",
    ] {
        let notify = rcpt(&format!("NOTIFY={text}")).parameters().notify.unwrap();
        assert_eq!((notify.as_str(), notify.to_string()), (text, text.to_owned()));
    }
    written("RCPT TO:<a@b.example> NOTIFY=delay,success", "RCPT TO:<a@b.example> NOTIFY=SUCCESS,DELAY");
    for (text, offset) in [
        ("NOTIFY", 28),
        ("NOTIFY=", 29),
        ("NOTIFY=ALWAYS", 29),
        ("NOTIFY=NEVER,SUCCESS", 29),
        ("NOTIFY=SUCCESS,NEVER", 37),
        ("NOTIFY=SUCCESS,", 37),
        ("NOTIFY=NEVER NOTIFY=NEVER", 35),
    ] {
        refuse(&format!("RCPT TO:<a@b.example> {text}"), offset);
    }
}

#[test]
fn original_recipients() {
    for (text, kind, address) in [
        ("rfc822;bob@example.net", "rfc822", "bob@example.net"),
        ("RFC822;Bob+40example.net", "RFC822", "Bob@example.net"),
        ("x400;/G+3DA+20B/S+3DC/", "x400", "/G=A B/S=C/"),
        ("rfc822;+22a+20b+22@c", "rfc822", "\"a b\"@c"),
        // RFC 6533: the seven-bit form, the form in UTF-8, both mixed.
        ("UTF-8;e\\x{3D}mc2@example.com", "UTF-8", "e=mc2@example.com"),
        ("utf-8;j\\x{F6}rg@example.org", "utf-8", "jörg@example.org"),
        ("utf-8;jörg\\x{2B}\\x{5C}@exämple.org", "utf-8", "jörg+\\@exämple.org"),
        ("utf-8;\\x{1F600}\\x{10FFFD}", "utf-8", "😀\u{10fffd}"),
        // What calls itself UTF-8 and is not is a text as any other.
        ("utf-8;a+2Bb@c", "utf-8", "a+b@c"),
        // In xtext the backslash stands for itself, and in the form of RFC 6533 it does not.
        ("rfc822;a\\b", "rfc822", "a\\b"),
        ("utf-8;a\\x{5C}b", "utf-8", "a\\b"),
    ] {
        let rcpt = rcpt(&format!("ORCPT={text}"));
        let original = rcpt.parameters().original_recipient.clone().unwrap();
        assert_eq!((original.address_type(), original.address()), (kind, address), "{text}");
        let made = OriginalRecipient::new(kind, address).unwrap();
        assert_eq!(original, if text.is_ascii() { made } else { made.in_utf8() }, "{text}");
    }
    for (text, meaning) in [
        ("rfc822;a+40b", "rfc822;a@b"),
        ("rfc822;a\\b", "rfc822;a\\b"),
        ("utf-8;a\\x{5C}b", "utf-8;a\\x{5C}b"),
        ("utf-8;j\\x{F6}rg\\x{2B}x", "utf-8;j\\x{F6}rg\\x{2B}x"),
        ("utf-8;jörg\\x{2B}x", "utf-8;jörg\\x{2B}x"),
        ("utf-8;\\x{F6}ö", "utf-8;öö"),
        ("utf-8;a+2Bb@c", "utf-8;a\\x{2B}b@c"),
    ] {
        written(&format!("RCPT TO:<a@b> ORCPT={text}"), &format!("RCPT TO:<a@b> ORCPT={meaning}"));
    }
    for (text, offset) in [
        ("ORCPT", 19),
        ("ORCPT=", 20),
        ("ORCPT=;a", 20),
        ("ORCPT=rfc822", 26),
        ("ORCPT=rfc822;", 27),
        ("ORCPT=rfc822;a=b", 28),
        ("ORCPT=rfc822;a+0A", 27),
        ("ORCPT=rfc822;jörg", 28),
        ("ORCPT=rfc822;j+F6rg", 27),
        ("ORCPT=utf-8;", 26),
        ("ORCPT=utf-8;a\\x{0A}+", 33),
        ("ORCPT=utf-8;a\\x{0A}", 27),
        ("ORCPT=rfc822;a ORCPT=rfc822;a", 29),
    ] {
        refuse(&format!("RCPT TO:<a@b> {text}"), offset);
    }
}

/// Code points have one form each (RFC 6533 section 3), and text that has another is taken as it is.
#[test]
fn code_points_have_one_form() {
    for text in ["\\x{41}", "\\x{0F6}", "\\x{D800}", "\\x{110000}", "\\x{}", "\\x{F6", "\\xF6", "\\u{F6}"] {
        let rcpt = rcpt(&format!("ORCPT=utf-8;{text}"));
        assert_eq!(rcpt.parameters().original_recipient.as_ref().unwrap().address(), text);
    }
}

#[test]
fn what_is_made_can_be_written() {
    for bad in ["", "a\r\nb", "ä", "a\0"] {
        assert!(EnvelopeId::new(bad).is_err(), "{bad:?}");
        assert!(OriginalRecipient::new("rfc822", bad).is_err(), "{bad:?}");
    }
    for bad in ["", "a b", "rfc822;", "a=b", "ü"] {
        assert!(OriginalRecipient::new(bad, "a").is_err(), "{bad:?}");
    }
    assert!(OriginalRecipient::new("utf-8", "a\u{85}").is_err());
    // At most so many characters of what is written.
    assert!(EnvelopeId::new("a".repeat(100)).is_ok() && EnvelopeId::new("a".repeat(101)).is_err());
    assert!(EnvelopeId::new(" ".repeat(33)).is_ok() && EnvelopeId::new(" ".repeat(34)).is_err());
    for (kind, character, most) in
        [("rfc822", "a", 493), ("rfc822", "=", 164), ("utf-8", "ü", 82), ("utf-8", "😀", 54)]
    {
        assert!(OriginalRecipient::new(kind, character.repeat(most)).is_ok(), "{character}");
        assert!(OriginalRecipient::new(kind, character.repeat(most + 1)).is_err(), "{character}");
    }
    refuse(&format!("MAIL FROM:<> ENVID={}", "a".repeat(101)), 119);
    refuse(&format!("RCPT TO:<a@b> ORCPT=rfc822;{}", "a".repeat(494)), 520);
    written(
        &format!("RCPT TO:<a@b> ORCPT=utf-8;{}", "ü".repeat(247)),
        &format!("RCPT TO:<a@b> ORCPT=utf-8;{}", "ü".repeat(247)),
    );
    // None set is the same as none at all.
    let mut mail = Mail::new(ReversePath::Null).with_ret(Ret::Full);
    mail.parameters_mut().ret = None;
    assert_eq!(mail, Mail::new(ReversePath::Null));
}

fn commands() -> [Command; 4] {
    let original = OriginalRecipient::of(&mailbox("a@b.example")).unwrap();
    [
        Mail::new(ReversePath::Null).with_ret(Ret::Headers).into(),
        Mail::new(ReversePath::Null).with_envelope_id("id".try_into().unwrap()).into(),
        Rcpt::new(ForwardPath::Postmaster).with_notify(Notify::NEVER).into(),
        Rcpt::new(ForwardPath::Postmaster).with_original_recipient(original).into(),
    ]
}

#[test]
fn a_client_does_not_send_what_is_not_offered() {
    let mut client = ready_client(client_config());
    for command in commands() {
        let refused = client.send(command).unwrap_err();
        assert_eq!(refused.reason.to_string(), "the peer does not offer DSN");
    }
    let ehlo = "250-mx.example\r\n250-PIPELINING\r\n250 dsn\r\n";
    let mut client = ready_client_with(client_config(), ehlo);
    for command in commands() {
        client.send(command).unwrap();
    }
    assert_eq!(
        drain(&mut client),
        "MAIL FROM:<> RET=HDRS\r\nMAIL FROM:<> ENVID=id\r\nRCPT TO:<Postmaster> NOTIFY=NEVER\r\n\
         RCPT TO:<Postmaster> ORCPT=rfc822;a@b.example\r\n"
    );
    // RFC 6533: UTF-8 as it is goes to servers with SMTPUTF8 alone.
    let original = OriginalRecipient::new("utf-8", "jörg@b.example").unwrap();
    let rcpt = Rcpt::new(ForwardPath::Postmaster).with_original_recipient(original.clone());
    client.send(rcpt.into()).unwrap();
    let rcpt = Rcpt::new(ForwardPath::Postmaster).with_original_recipient(original.in_utf8());
    assert!(matches!(client.send(rcpt.into()).unwrap_err().reason, Misuse::NotOffered(_)));
}

#[test]
fn a_server_refuses_what_it_does_not_offer() {
    let mut server = Granting::new(server_config());
    server.say("EHLO client.example\r\nMAIL FROM:<>\r\n");
    for line in ["RCPT TO:<a@b> NOTIFY=NEVER", "RCPT TO:<a@b> ORCPT=rfc822;a@b"] {
        assert_eq!(server.say(format!("{line}\r\n")), "555 5.5.4 DSN is not offered\r\n");
    }
    server.say("RSET\r\n");
    for line in ["MAIL FROM:<> RET=FULL", "MAIL FROM:<> ENVID=x"] {
        assert_eq!(server.say(format!("{line}\r\n")), "555 5.5.4 DSN is not offered\r\n");
    }
}

#[test]
fn a_server_hands_on_what_it_offers() {
    let config = server_config().with_capabilities([Capability::Dsn]).unwrap();
    let mut server = Granting::new(config);
    assert!(server.say("EHLO client.example\r\n").contains("250-DSN\r\n"));
    server.say("MAIL FROM:<> RET=FULL ENVID=x+20y\r\nRCPT TO:<a@b> NOTIFY=DELAY ORCPT=rfc822;c+40d\r\n");
    let heard = server.events.iter().filter_map(|event| match event {
        server::Event::Command { command, .. } => Some(command),
        _ => None,
    });
    let original = OriginalRecipient::new("rfc822", "c@d").unwrap();
    let envelope_id = EnvelopeId::new("x y").unwrap();
    assert!(heard.skip(1).eq(&[
        Mail::new(ReversePath::Null).with_ret(Ret::Full).with_envelope_id(envelope_id).into(),
        Rcpt::new(mailbox("a@b")).with_notify(Notify::DELAY).with_original_recipient(original).into(),
    ]));
    // UTF-8 as it is needs SMTPUTF8 as well.
    assert_eq!(server.say("RCPT TO:<a@b> ORCPT=utf-8;ü\r\n"), "555 SMTPUTF8 is not offered\r\n");
    assert!(server.say("RCPT TO:<a@b> NOTIFY=SOMETIMES\r\n").starts_with("501 "));
    assert!(server.say("RCPT TO:<a@b> NOTIFY=DELAY NOTIFY=DELAY\r\n").starts_with("501 "));
}
