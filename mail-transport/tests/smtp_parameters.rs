//! What an envelope asks for beyond its addresses, and recipients who do not go into one transaction.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod peer;

use mailwire_core::{Misuse, NotOffered};
use mailwire_transport::{
    Error, Payload,
    smtp::{
        Client, Config, Envelope, Missing, Outcome, Sent,
        proto::extensions::{
            dsn::{Notify, Ret},
            future_release::{Hold, HoldInterval},
        },
    },
};
use peer::{endpoint, with};

/// A server that offers these.
fn script(offered: &str, script: &str) -> String {
    format!("S: 220 mx.example\nC: EHLO localhost\nS: 250-mx.example\n{offered}S: 250 PIPELINING\n{script}")
}

async fn send(
    config: Config,
    script: &str,
    envelope: &Envelope,
    message: &'static str,
) -> (Result<Sent, Error>, Client) {
    with(script, async |stream| {
        let mut client = Client::over(stream, endpoint(), config).await.unwrap();
        let sent = client.send(envelope, message).await;
        (sent, client)
    })
    .await
}

/// Each recipient who was not accepted, with its outcome.
fn refused(sent: &Sent) -> Vec<(String, Outcome)> {
    let each = sent.refused.iter();
    each.map(|it| (it.recipient.mailbox().unwrap().local_part().to_owned(), it.outcome)).collect()
}

fn envelope(names: &[&str]) -> Envelope {
    let addresses: Vec<_> = names.iter().map(|name| format!("{name}@b.example")).collect();
    Envelope::new("ada@a.example", addresses.iter().map(String::as_str)).unwrap()
}

fn missing(error: &Error) -> &'static str {
    match error {
        Error::Misuse(Misuse::NotOffered(NotOffered::Extension(name) | NotOffered::Limit(name))) => name,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn reports_are_asked_for() {
    let to_both = envelope(&["bob", "cy"])
        .with_return(Ret::Headers)
        .with_envelope_id("order 42")
        .unwrap()
        .with_notify(Notify::SUCCESS | Notify::FAILURE);
    let script = script(
        "S: 250-DSN\n",
        "C: MAIL FROM:<ada@a.example> RET=HDRS ENVID=order+2042
        C: RCPT TO:<bob@b.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@b.example
        C: RCPT TO:<cy@b.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;cy@b.example
        C: DATA
        S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nR: message\nS: 250 queued",
    );
    let (sent, client) = send(Config::anonymous(), &script, &to_both, "hi\r\n").await;
    assert!(sent.unwrap().refused.is_empty() && !client.leaves_out_reports(&to_both));
}

/// Nothing is sent of a message that needs what is not offered, whichever command says so.
#[tokio::test]
async fn what_is_missing_is_found_before_anything_is_sent() {
    let bob = || envelope(&["ann", "bob"]);
    let hold = Hold::For(HoldInterval::new(60).unwrap());
    for (envelope, message, name) in [
        (bob().with_return(Ret::Full), "hi\r\n", "DSN"),
        (bob().with_notify(Notify::NEVER), "hi\r\n", "DSN"),
        (bob().map_mail(|mail| mail.with_hold(hold)), "hi\r\n", "FUTURERELEASE"),
        (bob().map_recipients(|rcpt| rcpt.with_conneg(true)), "hi\r\n", "CONNEG"),
        (bob().with_require_tls(), "hi\r\n", "REQUIRETLS over TLS that is verified"),
        (bob(), "grüße\r\n", "8BITMIME"),
        (envelope(&["ann", "jürgen"]), "hi\r\n", "SMTPUTF8"),
    ] {
        let (sent, mut client) =
            send(Config::anonymous(), &script("", "C: NOOP\nS: 250 ok"), &envelope, message).await;
        assert_eq!(missing(&sent.unwrap_err()), name);
        assert_eq!(client.outcome(), Outcome::NotSent);
        assert!(client.is_usable());
        let _ = &mut client;
    }
}

#[tokio::test]
async fn what_is_missing_is_left_out_where_that_is_said() {
    let config = Config::anonymous()
        .with_missing_dsn(Missing::Drop)
        .with_missing_eight_bit_mime(Missing::Drop)
        .with_missing_smtp_utf8(Missing::Drop);
    let asking = envelope(&["ann", "jürgen", "bob"]).with_return(Ret::Full).with_notify(Notify::SUCCESS);
    let script = script(
        "",
        "C: MAIL FROM:<ada@a.example>
        C: RCPT TO:<ann@b.example>
        C: RCPT TO:<bob@b.example>
        C: DATA
        S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nR: message\nS: 250 queued",
    );
    let (sent, client) = send(config, &script, &asking, "grüße\r\n").await;
    let sent = sent.unwrap();
    assert_eq!(refused(&sent), [("jürgen".to_owned(), Outcome::NotSent)]);
    assert_eq!(missing(&sent.refused[0].error), "SMTPUTF8");
    assert!(client.leaves_out_reports(&asking));
}

/// One transaction of those with these names, all accepted.
fn accepted(names: &[&str]) -> String {
    let mut script = "C: MAIL FROM:<ada@a.example>\n".to_owned();
    for name in names {
        script += &format!("C: RCPT TO:<{name}@b.example>\n");
    }
    script += "C: DATA\nS: 250 ok\n";
    script += &"S: 250 ok\n".repeat(names.len());
    script + "S: 354 go\nR: message\nS: 250 queued\n"
}

#[tokio::test]
async fn limits_are_obeyed() {
    let conversation = [accepted(&["a", "b"]), accepted(&["c", "d"]), accepted(&["e"])].concat();
    let five = envelope(&["a", "b", "c", "d", "e"]);
    let script = script("S: 250-LIMITS RCPTMAX=2\n", &conversation);
    let (sent, client) = send(Config::anonymous(), &script, &five, "hi\r\n").await;
    assert!(sent.unwrap().refused.is_empty());
    assert_eq!(client.outcome(), Outcome::Accepted);
}

/// A message that can be read once is sent once, or not at all.
#[tokio::test]
async fn a_message_that_is_read_is_not_sent_twice() {
    let script = script("S: 250-LIMITS RCPTMAX=1\n", "C: QUIT\nS: 221 bye");
    with(&script, async |stream| {
        let mut client = Client::over(stream, endpoint(), Config::anonymous()).await.unwrap();
        let message = Payload::from_reader(&b"hi\r\n"[..], None);
        let error = client.send(&envelope(&["a", "b"]), message).await.unwrap_err();
        assert_eq!((missing(&error), client.outcome()), ("RCPTMAX", Outcome::NotSent));
        client.quit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn those_beyond_other_limits_are_told() {
    let script = script("S: 250-LIMITS MAILMAX=1 RCPTMAX=2\n", &accepted(&["a", "b"]));
    let (sent, _) = send(Config::anonymous(), &script, &envelope(&["a", "b", "c"]), "hi\r\n").await;
    let sent = sent.unwrap();
    assert_eq!(refused(&sent), [("c".to_owned(), Outcome::NotSent)]);
    assert_eq!(missing(&sent.refused[0].error), "MAILMAX");
}

/// RFC 5321 section 4.5.3.1.10: what was too much at once is sent in another transaction, in the envelope's order.
#[tokio::test]
async fn too_many_recipients_are_tried_again() {
    for too_many in ["452 4.5.3 too many recipients", "452 too many recipients", "552 too many recipients"] {
        let conversation = format!(
            "C: MAIL FROM:<ada@a.example>
            C: RCPT TO:<a@b.example>
            C: RCPT TO:<b@b.example>
            C: RCPT TO:<c@b.example>
            C: RCPT TO:<d@b.example>
            C: DATA
            S: 250 ok\nS: 250 ok\nS: 550 5.1.1 unknown\nS: {too_many}\nS: {too_many}\nS: 354 go\nR: message\nS: 250 queued
            C: MAIL FROM:<ada@a.example>
            C: RCPT TO:<c@b.example>
            C: RCPT TO:<d@b.example>
            C: DATA
            S: 250 ok\nS: 452 4.2.2 mailbox full\nS: 250 ok\nS: 354 go\nR: message\nS: 250 queued"
        );
        let four = envelope(&["a", "b", "c", "d"]);
        let (sent, _) = send(Config::anonymous(), &script("", &conversation), &four, "hi\r\n").await;
        let sent = sent.unwrap();
        assert_eq!(refused(&sent), [("b".to_owned(), Outcome::Refused), ("c".to_owned(), Outcome::Refused)]);
        assert_eq!(sent.refused[1].error.refused().unwrap().text, "mailbox full");
    }
}

/// Within a transaction a server delivers to each once, but it knows nothing of the one before.
#[tokio::test]
async fn who_is_named_twice_gets_one_message() {
    let limited = script("S: 250-LIMITS RCPTMAX=2\n", &[accepted(&["a", "b"]), accepted(&["c"])].concat());
    let told = format!(
        "C: MAIL FROM:<ada@a.example>
        C: RCPT TO:<a@b.example>
        C: RCPT TO:<b@b.example>
        C: RCPT TO:<a@b.example>
        C: RCPT TO:<c@b.example>
        C: RCPT TO:<b@b.example>
        C: RCPT TO:<c@b.example>
        C: DATA
        S: 250 ok\nS: 250 ok\nS: 250 ok\n{}S: 354 go\nR: message\nS: 250 queued\n{}",
        "S: 452 4.5.3 too many recipients\n".repeat(4),
        accepted(&["c"])
    );
    for conversation in [limited, script("", &told)] {
        let six = envelope(&["a", "b", "a", "c", "b", "c"]);
        let (sent, _) = send(Config::anonymous(), &conversation, &six, "hi\r\n").await;
        assert_eq!(refused(&sent.unwrap()), []);
    }
}

/// A server that has no room for anybody is not asked for ever.
#[tokio::test]
async fn a_transaction_without_recipients_is_the_last() {
    let conversation = "C: MAIL FROM:<ada@a.example>
        C: RCPT TO:<a@b.example>
        C: RCPT TO:<b@b.example>
        C: DATA
        S: 250 ok\nS: 452 too many\nS: 452 too many\nS: 554 no valid recipients
        C: NOOP\nS: 250 ok";
    let (sent, mut client) =
        send(Config::anonymous(), &script("", conversation), &envelope(&["a", "b"]), "hi\r\n").await;
    assert!(sent.unwrap_err().is_transient());
    assert_eq!((client.outcome(), client.take_refused().len()), (Outcome::Refused, 2));
}

/// Who has the message, who has not, and who may, at each cut of the second part.
#[tokio::test]
async fn a_cut_between_parts_leaves_no_doubt() {
    let begun = "C: MAIL FROM:<ada@a.example>\nC: RCPT TO:<c@b.example>\nC: RCPT TO:<d@b.example>\nC: DATA\n";
    let until_body = format!("{begun}S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n");
    for (cut, outcome) in [
        (String::new(), Outcome::NotSent),
        (begun.to_owned(), Outcome::NotSent),
        (format!("{until_body}R: message\n"), Outcome::Unknown),
    ] {
        let conversation = [accepted(&["a", "b"]), cut.clone()].concat();
        let script = script("S: 250-LIMITS RCPTMAX=2\n", &conversation);
        let five = envelope(&["a", "b", "c", "d", "e"]);
        let (sent, client) = send(Config::anonymous(), &script, &five, "hi\r\n").await;
        let expected = [("c", outcome), ("d", outcome), ("e", Outcome::NotSent)];
        let expected = expected.map(|(name, outcome)| (name.to_owned(), outcome));
        assert_eq!(refused(&sent.unwrap()), expected, "{cut}");
        assert!(!client.is_usable());
    }
}

/// One part is refused, the next is not.
#[tokio::test]
async fn a_refused_part_does_not_keep_the_next_one() {
    let refusing = "C: MAIL FROM:<ada@a.example>\nC: RCPT TO:<a@b.example>\nC: DATA
        S: 250 ok\nS: 550 5.1.1 unknown\nS: 554 no valid recipients\nC: RSET\nS: 250 ok\n";
    let script = script("S: 250-LIMITS RCPTMAX=1\n", &format!("{refusing}{}", accepted(&["b"])));
    let (sent, _) = send(Config::anonymous(), &script, &envelope(&["a", "b"]), "hi\r\n").await;
    let sent = sent.unwrap();
    assert_eq!(refused(&sent), [("a".to_owned(), Outcome::Refused)]);
    assert_eq!(sent.refused[0].error.refused().unwrap().text, "unknown");
}
