//! Messages in pieces: what arrives is their concatenation, and what is said of it before is right.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Mutex;

use bytes::Bytes;
use mailwire_core::Misuse;
use mailwire_transport::{
    Endpoint, Error, Payload, Security,
    sasl::Authenticator,
    server::Listener,
    smtp::{
        self, Envelope,
        proto::{BodyType, Host, Mail, Reply, ReplyCode},
        server::{Body, BodyError, Client, Server, Service, Session, Transaction},
    },
};
use tokio_util::sync::CancellationToken;

/// What a server was told of a message, and the message.
type Taken = (Mail, Bytes);

#[derive(Default)]
struct Keeper(std::sync::Arc<Mutex<Vec<Taken>>>);

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
        self.0.lock().unwrap().push((transaction.mail.clone(), message));
        Ok(Reply::new(ReplyCode::OK, "2.0.0 Kept"))
    }
}

/// Sends each message, and gives what the server has of it.
async fn sent(messages: Vec<Payload<'_>>) -> Vec<Result<Taken, Error>> {
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
    let mut client = smtp::Client::connect_with(endpoint, smtp::Config::anonymous()).await.unwrap();
    let envelope = Envelope::new("anna@example.org", ["bob@example.net"]).unwrap();
    let mut taken = Vec::new();
    for message in messages {
        let sent = client.send(&envelope, message).await;
        taken.push(sent.map(|_| kept.lock().unwrap().pop().unwrap()));
    }
    client.quit().await.unwrap();
    shutdown.cancel();
    task.await.unwrap().unwrap();
    taken
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
    for (taken, (bytes, body)) in sent(payloads).await.into_iter().zip(expected) {
        let (mail, message) = taken.unwrap();
        assert_eq!(message, bytes);
        assert_eq!((mail.size, mail.body), (Some(bytes.len() as u64), body));
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
    for taken in sent(wrong).await {
        assert!(matches!(taken, Err(Error::Misuse(Misuse::InvalidBody { .. }))), "{taken:?}");
    }
}
