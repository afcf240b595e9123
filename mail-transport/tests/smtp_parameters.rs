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
            priority::Priority,
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
        (bob().map_mail(|mail| mail.with_priority(Priority::default())), "hi\r\n", "MT-PRIORITY"),
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
        .with_missing_priority(Missing::Drop)
        .with_missing_eight_bit_mime(Missing::Drop)
        .with_missing_smtp_utf8(Missing::Drop);
    let asking = envelope(&["ann", "jürgen", "bob"]).with_return(Ret::Full).with_notify(Notify::SUCCESS);
    let asking = asking.map_mail(|mail| mail.with_priority(Priority::new(3).unwrap()));
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

/// Plays a server that takes one message, and gives what it was told from MAIL on.
async fn said(
    offered: &str,
    config: Config,
    envelope: &Envelope,
    message: impl Into<Payload<'static>>,
) -> (Result<Sent, Error>, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (ours, mut theirs) = tokio::io::duplex(1 << 16);
    let offers = format!("250-mx.example\r\n{offered}250 SIZE\r\n");
    let server = async {
        let mut said = Vec::new();
        theirs.write_all(b"220 mx.example\r\n").await.unwrap();
        let (mut buffer, mut done, mut body) = (vec![0; 4096], 0, false);
        while let Ok(count @ 1..) = theirs.read(&mut buffer).await {
            said.extend_from_slice(&buffer[..count]);
            while let Some(rest) = said.get(done..) {
                let end = if body { &b"\r\n.\r\n"[..] } else { b"\r\n" };
                let Some(at) = rest.windows(end.len()).position(|it| it == end) else { break };
                let line = String::from_utf8_lossy(&rest[..at]).into_owned();
                done += at + end.len();
                let reply = match line.get(..4).unwrap_or_default() {
                    "EHLO" => &offers,
                    "DATA" if !body => "354 go\r\n",
                    "BDAT" if !body => {
                        done += line.split(' ').nth(1).unwrap().parse::<usize>().unwrap();
                        "250 taken\r\n"
                    }
                    _ => "250 ok\r\n",
                };
                body = reply.starts_with("354");
                let _ = theirs.write_all(reply.as_bytes()).await;
            }
        }
        String::from_utf8_lossy(&said).into_owned()
    };
    let client = async {
        let stream = mailwire_transport::Stream::other(ours);
        let mut client = Client::over(stream, endpoint(), config).await.unwrap();
        let sent = client.send(envelope, message).await;
        drop(client);
        sent
    };
    let (sent, said) = tokio::join!(client, server);
    (sent, said.split_once("EHLO localhost\r\n").unwrap().1.to_owned())
}

fn downgrading() -> Config {
    Config::anonymous()
        .with_missing_dsn(Missing::Downgrade)
        .with_missing_eight_bit_mime(Missing::Downgrade)
        .with_missing_smtp_utf8(Missing::Downgrade)
}

const MIXED: &str = "From: a@a.example\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=\"=o\"\r
Content-Transfer-Encoding: 8bit\r
\r
Vorwort für niemand\r
--=o\r
Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: 8bit\r
\r
Grüße = gut, in a text that is mostly ASCII \r
.\r
\r
--=o \r
Content-Type: multipart/alternative; boundary=i\r
\r
--i\r
\r
plain\r
--i\r
Content-Type: text/html\r
Content-Transfer-Encoding: 8bit\r
\r
<p>Привет, мир, и тебе</p>\r
--i--\r
\r
--=o\r
Content-Type: message/rfc822\r
Content-Transfer-Encoding: 8bit\r
\r
Subject: inner\r
\r
é\r
--=o\r
Content-Type: application/x-y\r
Content-Transfer-Encoding: base64\r
\r
AAEC\r
--=o--\r
";

/// What [`MIXED`] becomes; from a reader, where it is not known what a part has until its header is out.
const CONVERTED: &str = "From: a@a.example\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=\"=o\"\r
Content-Transfer-Encoding: 7bit\r
\r
Vorwort f??r niemand\r
--=o\r
Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: quoted-printable\r
\r
Gr=C3=BC=C3=9Fe =3D gut, in a text that is mostly ASCII=20\r
.\r
\r
--=o \r
Content-Type: multipart/alternative; boundary=i\r
\r
--i\r
\r
plain\r
--i\r
Content-Type: text/html;\r
 charset=utf-8\r
Content-Transfer-Encoding: base64\r
\r
PHA+0J/RgNC40LLQtdGCLCDQvNC40YAsINC4INGC0LXQsdC1PC9wPg==\r
\r
--i--\r
\r
--=o\r
Content-Type: message/rfc822\r
Content-Transfer-Encoding: 7bit\r
\r
Subject: inner\r
MIME-Version: 1.0\r
Content-Type: text/plain;\r
 charset=utf-8\r
Content-Transfer-Encoding: base64\r
\r
w6k=\r
\r
--=o\r
Content-Type: application/x-y\r
Content-Transfer-Encoding: base64\r
\r
AAEC\r
--=o--\r
";

/// RFC 6152 section 3: converted, or given back.
#[tokio::test]
async fn parts_beyond_ascii_are_encoded_for_a_server_without_8bitmime() {
    let to = envelope(&["bob"]);
    let stuffed = CONVERTED.replace("\r\n.\r\n", "\r\n..\r\n");
    // However the bytes come.
    for size in [1, 7, 64, 10_000] {
        let pieces = MIXED.as_bytes().chunks(size).map(bytes::Bytes::copy_from_slice);
        let (sent, said) = said("", downgrading(), &to, Payload::from_pieces(pieces)).await;
        let _ = sent.unwrap();
        let (commands, message) = said.split_once("DATA\r\n").unwrap();
        assert!(!commands.contains("BODY=") && commands.contains(" SIZE="), "{commands}");
        assert_eq!(message, format!("{stuffed}.\r\n"));
    }
    // What is told to all servers stays as it is.
    let (sent, told) = said("250-8BITMIME\r\n", downgrading(), &to, MIXED).await;
    assert!(sent.is_ok() && told.contains("BODY=8BITMIME") && told.contains("Grüße"));
    let (sent, told) = said("", downgrading(), &to, "plain\r\n").await;
    assert!(sent.is_ok() && told.ends_with("DATA\r\nplain\r\n.\r\n"), "{told}");
}

/// A message that is read is never whole in memory, and what its parts say of themselves has to do.
#[tokio::test]
async fn a_message_that_is_read_is_encoded_by_what_its_parts_say() {
    let to = envelope(&["bob"]);
    let reader = |text: &'static str| Payload::from_reader(text.as_bytes(), None);
    let message = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n";
    let (sent, told) = said("", downgrading(), &to, reader(message)).await;
    assert!(
        sent.is_ok()
            && !told.contains("BODY=")
            && told.contains("quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe\r\n.\r\n"),
        "{told}"
    );
    // The end must not come.
    for message in ["\r\nGrüße\r\n", "Subject: grüße\r\n\r\n", MIXED] {
        let (sent, told) = said("", downgrading(), &to, reader(message)).await;
        assert!(matches!(sent.unwrap_err(), Error::Misuse(Misuse::InvalidBody { .. })));
        assert!(told.contains("DATA\r\n") && !told.contains("\r\n.\r\n"), "{told}");
    }
}

/// RFC 3030 section 3: BINARYMIME in base64, whatever else the server offers.
#[tokio::test]
async fn binary_parts_are_encoded_for_a_server_without_binarymime() {
    let to = envelope(&["bob"])
        .map_mail(|mail| mail.with_body(mailwire_transport::smtp::proto::BodyType::BinaryMime));
    let message = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n\
        --b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\r\n\n\r\xff\r\n--\r\n\
        --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa9 is a letter of some\r\n--b--\r\n";
    let image =
        "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAA0KCg3/DQotLQ==\r\n\r\n--b";
    for (offered, container, text, body) in [
        ("250-8BITMIME\r\n250-CHUNKING\r\n", "8bit", "8bit\r\n\r\né is", " BODY=8BITMIME"),
        ("", "7bit", "quoted-printable\r\n\r\n=C3=A9 is", ""),
    ] {
        let (sent, told) = said(offered, downgrading(), &to, message.to_vec()).await;
        let _ = sent.unwrap();
        assert!(told.contains(image) && told.contains(text), "{told}");
        assert!(
            told.contains(&format!("boundary=b\r\nContent-Transfer-Encoding: {container}\r\n")),
            "{told}"
        );
        assert_eq!((told.contains(" BODY="), told.contains(body)), (!body.is_empty(), true));
    }
    let (sent, told) = said("250-8BITMIME\r\n", Config::anonymous(), &to, message.to_vec()).await;
    assert_eq!((missing(&sent.unwrap_err()), &*told), ("BINARYMIME", ""));
    // A large one that becomes larger goes by BDAT.
    let large: Vec<u8> =
        [b"Content-Type: x/y\r\nContent-Transfer-Encoding: binary\r\n\r\n", &[0xff; 100_000][..]].concat();
    let (sent, told) = said("250-8BITMIME\r\n250-CHUNKING\r\n", downgrading(), &to, large).await;
    assert!(sent.is_ok() && told.contains("BDAT ") && !told.contains("DATA\r\n"));
}

/// Lines are mended before they are converted: that is told, and leaves signatures right, as without a conversion.
#[tokio::test]
async fn what_is_mended_before_it_is_converted_is_told() {
    let to = envelope(&["bob"]);
    let eight_bit = "Content-Transfer-Encoding: 8bit\r\n\r\né\r\na\nb\r\n\rc\r";
    let signed = "DKIM-Signature: v=1\r\n\r\na\r\nb\n";
    // Nothing is known of what is read, so that it may have to be converted.
    let reader = |text: &'static str| Payload::from_reader(text.as_bytes(), None);
    for message in [Payload::from(eight_bit), reader(eight_bit)] {
        let (sent, told) = said("", downgrading(), &to, message).await;
        assert!(told.contains("=C3=A9\r\na\r\nb\r\n\r\nc\r\n.\r\n") || told.contains("base64"), "{told}");
        let mended = sent.unwrap().mended;
        assert_eq!((mended.count, mended.first), (3, Some(40)));
    }
    let (sent, told) = said("", downgrading(), &to, reader(signed)).await;
    assert!(sent.unwrap_err().to_string().contains("signed"));
    assert!(!told.contains("\r\n.\r\n"), "{told}");
    let (sent, _) = said("", downgrading(), &to, reader("DKIM-Signature: v=1\n\na\nb\n")).await;
    assert_eq!(sent.unwrap().mended.count, 4);
}

#[tokio::test]
async fn what_must_not_be_converted_is_refused() {
    let to = envelope(&["bob"]);
    for (message, reason) in [
        ("DKIM-Signature: v=1\r\n\r\né\r\n", "signed"),
        ("Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\né\r\n--b--\r\n", "signed"),
        ("Subject: é\r\n\r\n", "header field"),
        ("Content-Type: message/partial\r\nContent-Transfer-Encoding: 8bit\r\n\r\né\r\n", "type"),
        ("Content-Type: multipart/mixed\r\nContent-Transfer-Encoding: 8bit\r\n\r\né\r\n", "type"),
        ("Content-Transfer-Encoding: base64\r\n\r\né\r\n", "says it has none"),
        ("Subject: x\nY: y\r\n\r\né\r\n", "CR or LF"),
    ] {
        let strictly = downgrading().with_bare_newline(mailwire_transport::smtp::BareNewline::Refuse);
        let (sent, told) = said("", strictly, &to, message).await;
        let error = sent.unwrap_err();
        assert!(error.to_string().contains(reason), "{error}: {message}");
        assert_eq!(told, "");
    }
    let (sent, told) = said("", downgrading(), &to, "Subject: x\nY: y\n\né\n").await;
    assert!(sent.is_ok() && told.contains("Subject: x\r\nY: y\r\nMIME-Version: 1.0\r\n"), "{told}");
    assert!(told.ends_with("base64\r\n\r\nw6kNCg==\r\n.\r\n"), "{told}");
    assert_eq!((sent.as_ref().unwrap().mended.count, sent.unwrap().mended.first), (4, Some(10)));
    // A signature stays right where nothing is converted.
    let (sent, _) = said("250-8BITMIME\r\n", downgrading(), &to, "DKIM-Signature: v=1\r\n\r\né\r\n").await;
    assert!(sent.is_ok());
    let deep = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n".repeat(10_000) + "\r\né\r\n";
    let (sent, _) = said("", downgrading(), &to, deep).await;
    assert!(sent.unwrap_err().to_string().contains("too deep"));
}

#[cfg(feature = "idn")]
#[tokio::test]
async fn domains_become_a_labels_for_a_server_without_smtputf8() {
    let to = ["bob@bücher.example", "jürgen@bücher.example", "ann@b.example"];
    let addressed = Envelope::new("ada@müller.example", to).unwrap().with_notify(Notify::FAILURE);
    let (sent, told) = said("", downgrading(), &addressed, "hi\r\n").await;
    let sent = sent.unwrap();
    let commands = "MAIL FROM:<ada@xn--mller-kva.example> SIZE=4\r\nRCPT TO:<bob@xn--bcher-kva.example>\r\nRCPT TO:<ann@b.example>\r\nDATA\r\n";
    assert_eq!(told, format!("{commands}hi\r\n.\r\n"));
    assert_eq!(refused(&sent), [("jürgen".to_owned(), Outcome::NotSent)]);
    let reason = sent.refused[0].error.to_string();
    assert!(reason.contains("jürgen@bücher.example") && reason.contains("local part"), "{reason}");
    // The sender has to be told.
    let addressed = Envelope::new("jürgen@b.example", ["bob@b.example"]).unwrap();
    let (sent, told) = said("", downgrading(), &addressed, "hi\r\n").await;
    let error = sent.unwrap_err().to_string();
    assert!(error.contains("jürgen@b.example") && told.is_empty(), "{error}");
    // Where SMTPUTF8 is offered, addresses are as they are.
    let addressed = Envelope::new("ada@müller.example", to).unwrap();
    let (sent, told) = said("250-SMTPUTF8\r\n250-8BITMIME\r\n", downgrading(), &addressed, "hi\r\n").await;
    assert!(sent.unwrap().refused.is_empty() && told.contains("<jürgen@bücher.example>"), "{told}");
}
