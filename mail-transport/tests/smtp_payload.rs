//! Messages in pieces, mended, with an envelope of their own: what arrives is right, and so is what is said of it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use mailwire_core::{Channel, Misuse};
use mailwire_transport::{
    Endpoint, Error, Payload, Security, Stream,
    sasl::Authenticator,
    server::Listener,
    smtp::{
        self, BareNewline, Config, Envelope, Message, Outcome,
        proto::{BodyType, Host, Mail, Reply, ReplyCode},
        server::{Body, BodyError, Client, Server, Service, Session, Transaction},
    },
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, DuplexStream, ReadBuf};
use tokio_util::sync::CancellationToken;

/// What a server was told of a message, and the message.
struct Kept {
    mail: Mail,
    to: Vec<String>,
    message: Bytes,
}

#[derive(Default)]
struct Keeper(Arc<Mutex<Vec<Kept>>>);

impl Authenticator for Keeper {}

impl Service for Keeper {
    type Session = Self;
    type Authenticator = Self;

    fn authenticator(&self) -> &Self {
        self
    }

    async fn connect(&self, _client: &Client) -> Result<Self, Reply> {
        Ok(Self(self.0.clone()))
    }
}

impl Session for Keeper {
    async fn message(
        &mut self,
        _client: &Client,
        transaction: &Transaction,
        body: &mut Body<'_>,
    ) -> Result<Reply, BodyError> {
        let message = body.bytes().await?;
        let to = transaction.recipients.iter().map(|rcpt| rcpt.to.to_string()).collect();
        self.0.lock().unwrap().push(Kept { mail: transaction.mail.clone(), to, message });
        Ok(Reply::new(ReplyCode::OK, "2.0.0 Kept"))
    }
}

/// What a server keeps of what a client sends to it.
async fn kept(config: Config, send: impl AsyncFnOnce(&mut smtp::Client)) -> Vec<Kept> {
    let clear = Security::plaintext_without_encryption();
    let listener = Listener::bind("127.0.0.1:0", clear, None).await.unwrap();
    let address = listener.local_addr().unwrap();
    let keeper = Keeper::default();
    let kept = keeper.0.clone();
    let shutdown = CancellationToken::new();
    let server = Server::new(keeper, Host::try_from("mx.example.net").unwrap());
    let task = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { server.serve(listener, shutdown).await }
    });
    let endpoint = Endpoint::tcp("127.0.0.1", address.port(), clear);
    let mut client = smtp::Client::connect_with(endpoint, config).await.unwrap();
    send(&mut client).await;
    match client.is_usable() {
        true => client.quit().await.unwrap(),
        false => drop(client),
    }
    shutdown.cancel();
    task.await.unwrap().unwrap();
    std::mem::take(&mut *kept.lock().unwrap())
}

/// A reader that fails.
struct Broken;

impl AsyncRead for Broken {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::Error::other("the disk is gone")))
    }
}

/// Counts what would be system calls.
struct Counting(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.0).poll_write_vectored(cx, bufs);
        self.1.fetch_add(usize::from(written.is_ready()), Ordering::Relaxed);
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// What is sent of it, its end, and the commands of the next one.
#[tokio::test]
async fn a_short_message_is_one_write() {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let writes = Arc::new(AtomicUsize::new(0));
    let stream = Stream::other(Counting(ours, writes.clone()));
    let keeper = Keeper::default();
    let server = Server::new(Keeper(keeper.0.clone()), Host::try_from("mx.example.net").unwrap());
    let talk = async {
        let endpoint = Endpoint::tcp("mx.example.net", 25, Security::plaintext_without_encryption());
        let mut client = smtp::Client::over(stream, endpoint, Config::anonymous()).await.unwrap();
        let before = writes.load(Ordering::Relaxed);
        let text = "Subject: x\r\n\r\n.dot\r\n".to_owned() + &"0123456789\r\n".repeat(400);
        let message = Bytes::from(text);
        let (envelope, message) = (&to_bob(), &message);
        let mut sending = client.send_all((0..10).map(|_| (envelope, message)));
        while let Some(sent) = sending.next().await {
            assert!(sent.unwrap().refused.is_empty());
        }
        assert_eq!(writes.load(Ordering::Relaxed) - before, 1 + 10);
        let _sent = client.send(envelope, message).await.unwrap();
        assert_eq!(writes.load(Ordering::Relaxed) - before, 1 + 10 + 2);
        client.quit().await.unwrap();
        message.clone()
    };
    let (served, message) = tokio::join!(server.serve_stream(Stream::other(theirs), Channel::Clear), talk);
    served.unwrap();
    let kept = keeper.0.lock().unwrap();
    assert!(kept.len() == 11 && kept.iter().all(|kept| kept.message == message));
}

fn to_bob() -> Envelope {
    Envelope::new("anna@example.org", ["bob@example.net"]).unwrap()
}

#[tokio::test]
async fn a_header_is_put_before_a_message() {
    let message = Bytes::from_static(b"Subject: x\r\n\r\n.dot\r\n.\r\n\r\n");
    let eight = Bytes::from_static("X-A: caf\u{e9}\r\n".as_bytes());
    let large = Bytes::from("Subject: y\r\n\r\n".to_owned() + &"0123456789\r\n".repeat(100_000));
    let read =
        || Payload::from_reader(&b"Subject: x\r\n\r\n.dot\r\n.\r\n\r\n"[..], Some(message.len() as u64));
    let with = |payload: Payload<'static>, header: &Bytes| payload.with_header(header.clone()).unwrap();
    let signature = Bytes::from_static(b"DKIM-Signature: v=1;\r\n\tb=\r\n");
    let cases = [
        (with(message.clone().into(), &signature), [&signature, &message], None),
        (with(message.clone().into(), &eight), [&eight, &message], Some(BodyType::EightBitMime)),
        (with(large.clone().into(), &signature), [&signature, &large], None),
        (with(read(), &signature), [&signature, &message], Some(BodyType::EightBitMime)),
        (
            Payload::from_pieces([message.slice(..5), Bytes::new(), message.slice(5..)]),
            [&message, &Bytes::new()],
            None,
        ),
        // A line end that is cut in two.
        (Payload::from_pieces([message.slice(..11), message.slice(11..)]), [&message, &Bytes::new()], None),
    ];
    let (payloads, expected): (Vec<_>, Vec<_>) =
        cases.into_iter().map(|(it, pieces, body)| (it, (pieces.map(|it| &it[..]).concat(), body))).unzip();
    let kept = kept(Config::anonymous(), async |client| {
        for payload in payloads {
            assert_eq!(client.send(&to_bob(), payload).await.unwrap().mended.count, 0);
        }
    })
    .await;
    assert_eq!(kept.len(), expected.len());
    for (kept, (bytes, body)) in kept.into_iter().zip(expected) {
        assert_eq!(kept.message, bytes);
        assert_eq!((kept.mail.size, kept.mail.body), (Some(bytes.len() as u64), body));
    }
}

#[tokio::test]
async fn a_message_in_pieces_is_checked_before_it_is_sent() {
    let pieces =
        |pieces: &[&'static str]| Payload::from_pieces(pieces.iter().map(|piece| Bytes::from(*piece)));
    let wrong = vec![
        pieces(&["a\r", "b\r\n"]),
        pieces(&["a\r\n", "b\n"]),
        pieces(&["a\r\n", "b\0"]),
        pieces(&["a\r"]),
    ];
    let config = Config::anonymous().with_bare_newline(BareNewline::Refuse);
    let kept = kept(config, async |client| {
        for payload in wrong {
            let error = client.send(&to_bob(), payload).await.unwrap_err();
            assert!(matches!(error, Error::Misuse(Misuse::InvalidBody { .. })), "{error}");
            assert!(client.is_usable() && client.outcome() == Outcome::NotSent);
        }
    })
    .await;
    assert!(kept.is_empty());
}

/// By DATA and by BDAT, in memory and read, in one group of messages: the same arrives, and the result tells.
#[tokio::test]
async fn lines_are_mended_and_it_is_told() {
    let small = ("a: b\n\n.\nc\rd\r\n\n", "a: b\r\n\r\n.\r\nc\r\nd\r\n\r\n", 5, 4);
    let large = ("0123456789\n.\r\n".repeat(10_000), "0123456789\r\n.\r\n".repeat(10_000), 10_000, 10);
    let well = ("a: b\r\n\r\nc\r\n", "a: b\r\n\r\nc\r\n", 0, 0);
    let cases = [well, small, (&large.0, &large.1, large.2, large.3), well];
    let kept = kept(Config::anonymous(), async |client| {
        let check = |sent: smtp::Sent, (_, _, count, first): (&str, &str, u64, u64)| {
            assert_eq!(sent.mended.count, count);
            assert_eq!(sent.mended.first, (count > 0).then_some(first));
        };
        for case in cases {
            check(client.send(&to_bob(), case.0).await.unwrap(), case);
        }
        let mut sending = client.send_all(cases.map(|case| (to_bob(), case.0)));
        for case in cases {
            check(sending.next().await.unwrap().unwrap(), case);
        }
        for known in [true, false] {
            for case in cases {
                let length = known.then_some(case.0.len() as u64);
                let payload = Payload::from_reader(case.0.as_bytes(), length);
                check(client.send(&to_bob(), payload).await.unwrap(), case);
            }
        }
    })
    .await;
    assert_eq!(kept.len(), 4 * cases.len());
    for (at, (kept, case)) in kept.iter().zip(cases.iter().cycle()).enumerate() {
        assert_eq!(kept.message, case.1);
        // What is said of its size is right where it is known.
        let size = if at < 8 { case.1.len() } else { case.0.len() };
        assert!(at >= 12 || kept.mail.size == Some(size as u64));
    }
}

#[tokio::test]
async fn signed_messages_are_mended_where_that_restores_them() {
    let file = "DKIM-Signature: v=1\nFrom: a@example.org\n\nHello\n";
    let large =
        format!("DKIM-Signature: v=1\r\nFrom: a@example.org\r\n\r\n{}", "0123456789\r\n".repeat(10_000));
    let mixed = format!("{large}\n{large}");
    let late = format!("{large}x\n");
    let kept = kept(Config::anonymous(), async |client| {
        let sent = client.send(&to_bob(), file).await.unwrap();
        assert_eq!(sent.mended.count, 4);
        for message in ["DKIM-Signature: v=1\r\n\r\na\nb\r\n", &mixed, &late] {
            let error = client.send(&to_bob(), message).await.unwrap_err().to_string();
            assert!(error.contains("in a message that is signed"), "{error}");
            assert_eq!(client.outcome(), Outcome::NotSent);
            // By BDAT, while it is read.
            let reader = Payload::from_reader(message.as_bytes(), Some(message.len().max(1 << 20) as u64));
            let error = client.send(&to_bob(), reader).await.unwrap_err().to_string();
            assert!(error.contains("in a message that is signed"), "{error}");
            assert!(client.is_usable() && client.outcome() != Outcome::Accepted);
        }
        for length in [Some(large.len() as u64), None] {
            let sent = client.send(&to_bob(), Payload::from_reader(large.as_bytes(), length)).await.unwrap();
            assert_eq!(sent.mended.count, 0);
        }
        // By DATA it is too late for this connection.
        let reader = Payload::from_reader(mixed.as_bytes(), None);
        let error = client.send(&to_bob(), reader).await.unwrap_err().to_string();
        assert!(error.contains("in a message that is signed"), "{error}");
        assert!(!client.is_usable());
    })
    .await;
    let kept: Vec<_> = kept.into_iter().map(|kept| kept.message).collect();
    assert_eq!(kept, [file.replace('\n', "\r\n"), large.clone(), large]);
}

/// A message that cannot be read to its end, after chunks of it were sent, harms nothing.
#[tokio::test]
async fn the_connection_goes_on_after_half_a_message_by_bdat() {
    let kept = kept(Config::anonymous(), async |client| {
        for chunks in 0..3 {
            let half = "0123456789\r\n".repeat(10_000 * chunks);
            let broken = half.as_bytes().chain(Broken);
            let error =
                client.send(&to_bob(), Payload::from_reader(broken, Some(1 << 24))).await.unwrap_err();
            assert!(error.to_string().contains("the disk is gone"), "{error}");
            assert!(client.is_usable());
            client.noop().await.unwrap();
            let _ = client.send(&to_bob(), "a: b\r\n").await.unwrap();
        }
    })
    .await;
    assert_eq!(kept.len(), 3);
}

#[tokio::test]
async fn a_message_goes_to_those_whom_its_header_names() {
    let text = "From: Anna <anna@example.org>\nTo: bob@example.net\nBcc: cy@example.net,\n dan@example.net\nSubject: x\n\nHi.\n";
    let built = mail_builder::MessageBuilder::new()
        .from(("Anna", "anna@example.org"))
        .to(vec!["bob@example.net"])
        .bcc("cy@example.net")
        .subject("Grüße")
        .text_body("Hi.\n.\n")
        .attachment("text/plain", "a.txt", "b");
    let lettre = lettre::Message::builder()
        .from("Anna <anna@example.org>".parse().unwrap())
        .to("bob@example.net".parse().unwrap())
        .bcc("cy@example.net".parse().unwrap())
        .subject("x")
        .body("Hi.\n".to_owned())
        .unwrap();
    let kept = kept(Config::anonymous(), async |client| {
        for text in
            [Message::from(text), text.as_bytes().into(), text.to_owned().into(), (&Bytes::from(text)).into()]
        {
            assert_eq!(client.send_message(&text).await.unwrap().mended.count, 5);
        }
        let _ = client.send_message(&built).await.unwrap();
        let _ = client.send_message(lettre).await.unwrap();
        // Each is complete, and has a name of its own.
        for wrong in [
            "",
            "Hi.\r\n",
            "To: bob@example.net\r\n\r\n",
            "From: a@example.org\r\n\r\nHi\r\n",
            "From: x\r\n\r\n",
        ] {
            let error = client.send_message(wrong).await.unwrap_err();
            assert!(matches!(error, Error::Invalid(_) | Error::Misuse(_)), "{error}");
            assert!(client.is_usable() && client.outcome() == Outcome::NotSent);
        }
        let other = Envelope::new("", ["eve@example.net"]).unwrap();
        let _ = client.send_message(Message::from(text).with_envelope(other)).await.unwrap();
    })
    .await;
    let mut names = std::collections::HashSet::new();
    for (at, kept) in kept.iter().enumerate() {
        let message = std::str::from_utf8(&kept.message).unwrap();
        let (header, _) = message.split_once("\r\n\r\n").unwrap();
        assert!(
            !message.contains("cy@") && !message.contains("dan@") && !header.to_lowercase().contains("bcc:")
        );
        let field =
            |name: &str| header.lines().filter_map(|line| line.strip_prefix(name)).collect::<Vec<_>>();
        let [id] = field("Message-ID: ")[..] else { panic!("{header}") };
        let domain = if at == 6 { "@localhost>" } else { "@example.org>" };
        assert!(names.insert(id.to_owned()) && id.starts_with('<') && id.ends_with(domain), "{id}");
        assert_eq!(field("Date: ").len(), 1);
        let to: &[&str] = match at {
            0..=3 => &["<bob@example.net>", "<cy@example.net>", "<dan@example.net>"],
            4 | 5 => &["<bob@example.net>", "<cy@example.net>"],
            _ => &["<eve@example.net>"],
        };
        assert_eq!(kept.to, to);
        assert_eq!(kept.mail.from.to_string(), if at == 6 { "<>" } else { "<anna@example.org>" });
    }
    assert_eq!(kept.len(), 7);
}
