//! What a server refuses becomes a report, which goes from the null address to who sent the message.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mailwire_transport::{
    Endpoint, Security,
    sasl::Authenticator,
    server::Listener,
    smtp::{
        self, Envelope,
        proto::{
            Capability, Host, Mail, Mailbox, Rcpt, Reply, ReplyCode,
            extensions::dsn::{EnvelopeId, Notify, OriginalRecipient, Ret},
            trace::Timestamp,
        },
        report::{DeliveryReport, Header, Limits, Original, Report},
        server::{Body, BodyError, Client, Server, Service, Session, Transaction},
    },
};
use tokio_util::sync::CancellationToken;

/// Refuses by the local part, and keeps the rest.
#[derive(Default)]
struct Picky(Arc<Mutex<Vec<(Transaction, Bytes)>>>);

impl Authenticator for Picky {}

impl Service for Picky {
    type Session = Self;
    type Authenticator = Self;

    fn authenticator(&self) -> &Self {
        self
    }

    async fn connect(&self, _client: &Client) -> Result<Self, Reply> {
        Ok(Self(self.0.clone()))
    }
}

impl Session for Picky {
    async fn rcpt(&mut self, _client: &Client, rcpt: &Rcpt) -> Reply {
        match rcpt.to.mailbox().map(Mailbox::local_part) {
            Some("full") => Reply::new(ReplyCode::INSUFFICIENT_STORAGE, "4.2.2 Mailbox full"),
            Some("odd") => Reply::new(ReplyCode::BAD_MAILBOX, "No, and no code"),
            Some(name) if name.starts_with("no") => {
                Reply::new(ReplyCode::MAILBOX_UNAVAILABLE, "5.1.1 No such user")
            }
            _ => Reply::new(ReplyCode::OK, "2.1.5 Ok"),
        }
    }

    async fn message(
        &mut self,
        _client: &Client,
        transaction: &Transaction,
        body: &mut Body<'_>,
    ) -> Result<Reply, BodyError> {
        let message = body.bytes().await?;
        self.0.lock().unwrap().push((transaction.clone(), message));
        Ok(Reply::new(ReplyCode::OK, "2.0.0 Kept"))
    }
}

fn mailbox(text: &str) -> Mailbox {
    Mailbox::try_from(text).unwrap()
}

#[tokio::test]
async fn a_refused_transaction_is_reported() {
    let clear = Security::plaintext_without_encryption();
    let listener = Listener::bind("127.0.0.1:0", clear, None).await.unwrap();
    let address = listener.local_addr().unwrap();
    let picky = Picky::default();
    let kept = picky.0.clone();
    let shutdown = CancellationToken::new();
    let server = Server::new(picky, Host::try_from("mx.example.net").unwrap()).configure(|config| {
        let offered: Vec<_> = config.capabilities().iter().chain([Capability::Dsn]).collect();
        config.set_capabilities(offered).unwrap();
    });
    let task = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { server.serve(listener, shutdown).await }
    });
    let endpoint = Endpoint::tcp("127.0.0.1", address.port(), clear);
    let mut client = smtp::Client::connect_with(endpoint, smtp::Config::anonymous()).await.unwrap();

    let mail = Mail::new(mailbox("anna@example.org"))
        .with_ret(Ret::Headers)
        .with_envelope_id(EnvelopeId::new("QQ+314159").unwrap());
    let original = OriginalRecipient::new("rfc822", "list+bob@example.org").unwrap();
    let recipients = [
        Rcpt::new(mailbox("nobody@example.net")).with_original_recipient(original),
        Rcpt::new(mailbox("full@example.net")).with_notify(Notify::FAILURE),
        Rcpt::new(mailbox("none@example.net")).with_notify(Notify::NEVER),
        Rcpt::new(mailbox("not@example.net")).with_notify(Notify::SUCCESS),
        Rcpt::new(mailbox("odd@example.net")),
    ];
    let (us, them) = (Host::try_from("mail.example.org").unwrap(), Host::try_from("mx.example.net").unwrap());
    let envelope = Envelope::from_commands(mail, recipients);
    let message = Bytes::from_static(b"Subject: Hello\r\n\r\nHello.\r\n");

    // Refused for all, and for some: the one is the other's report with one recipient more who has it.
    client.send(&envelope, message.clone()).await.unwrap_err();
    let all = client.take_refused();
    let envelope = envelope.with_recipient(Rcpt::new(mailbox("bob@example.net")));
    let some = client.send(&envelope, message.clone()).await.unwrap().refused;
    let report = DeliveryReport::of_refused(&us, &them, &envelope, &some).unwrap();
    assert_eq!(DeliveryReport::of_refused(&us, &them, &envelope, &all), Some(report.clone()));

    let report = report.with_original(Original::of(&message, envelope.mail().parameters().ret));
    let told: Vec<_> = report
        .recipients
        .iter()
        .map(|it| (it.recipient.text(), it.status.to_string(), it.diagnostic.as_ref().unwrap().to_string()))
        .collect();
    let expected = [
        ("nobody@example.net", "5.1.1", "smtp; 550 5.1.1 No such user"),
        ("full@example.net", "4.2.2", "smtp; 452 4.2.2 Mailbox full"),
        ("odd@example.net", "5.0.0", "smtp; 553 5.0.0 No, and no code"),
    ];
    assert_eq!(told, expected.map(|(who, status, why)| (who, status.to_owned(), why.to_owned())));
    assert_eq!(report.recipients[0].original.as_ref().unwrap().to_string(), "rfc822; list+bob@example.org");
    assert_eq!(report.envelope_id.as_ref().unwrap().as_str(), "QQ+314159");
    assert!(
        report
            .text
            .as_ref()
            .unwrap()
            .contains("<full@example.net>\n    mx.example.net said: 452 4.2.2 Mailbox full\n")
    );

    let header = Header::new(
        mailbox("mailer-daemon@mail.example.org"),
        mailbox("anna@example.org"),
        Timestamp::new(0, 0).unwrap(),
    );
    let _sent = client.send(&header.envelope(), report.write(&header)).await.unwrap();
    let (transaction, bytes) = kept.lock().unwrap().pop().unwrap();
    assert_eq!((transaction.from().mailbox(), transaction.recipients.len()), (None, 1));
    let Ok(Report::Delivery(read)) = Report::parse(&bytes, &Limits::default()) else { panic!() };
    assert_eq!(read, report);
    assert_eq!(read.original, Some(Original::Headers("Subject: Hello\r\n".into())));

    // Nobody reports about a report, nor to who does not want to know.
    let bounce = Envelope::new("", ["nobody@example.net"]).unwrap();
    assert_eq!(DeliveryReport::of_refused(&us, &them, &bounce, &some), None);
    let quiet = Envelope::new("anna@example.org", []).unwrap();
    let quiet = all.iter().fold(quiet, |envelope, it| {
        envelope.with_recipient(Rcpt::new(it.recipient.clone()).with_notify(Notify::NEVER))
    });
    assert_eq!(DeliveryReport::of_refused(&us, &them, &quiet, &all), None);

    client.quit().await.unwrap();
    shutdown.cancel();
    task.await.unwrap().unwrap();
}
