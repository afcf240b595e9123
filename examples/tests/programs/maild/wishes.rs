//! What senders wish for: reports (DSN), TLS to the end (REQUIRETLS), to be first (MT-PRIORITY); and what domains do, which sign (DKIM).

use std::fs;

use mailwire_store::{
    OutgoingReport, Reports, SmtpService,
    memory::MemoryStore,
    testing::{Config, MailServer},
};
use mailwire_transport::{
    Protocol, Security,
    server::Listener,
    smtp::{
        self, Envelope,
        proto::{
            Capability, Host, Mail, Mailbox, Rcpt,
            extensions::{
                dsn::{EnvelopeId, Notify, OriginalRecipient, Ret},
                priority::Priority,
            },
        },
        report::{Action, DeliveryReport, Limits, Original, Report},
        server::Transaction,
    },
    testing::TestCa,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    checks::bring,
    dns::Zone,
    world::{LONG, Maild, World, arrived},
};

/// A smart host that offers DSN, REQUIRETLS and MT-PRIORITY. What it takes is told.
async fn who_reports(ca: &TestCa) -> (u16, mpsc::UnboundedReceiver<Transaction>) {
    let (tell, told) = mpsc::unbounded_channel();
    let (reports, _reports) = mpsc::channel::<OutgoingReport>(9);
    let store = MemoryStore::new();
    store.add_user("dan@example.net", "secret").unwrap();
    let service = SmtpService::new(store)
        .with_reports(Reports::new(reports))
        .with_priorities(true)
        .with_observer(move |delivery| drop(tell.send(delivery.transaction.clone())));
    let tls = ca.server_tls(&["127.0.0.1"]).unwrap();
    let listener = Listener::bind("127.0.0.1:0", Security::required_starttls(), Some(tls)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = smtp::Server::new(service, Host::try_from("relay.example.net").unwrap());
    let server = server.with_extension(Capability::RequireTls).unwrap();
    tokio::spawn(async move { server.serve(listener, CancellationToken::new()).await });
    (port, told)
}

/// An envelope with all that a sender can wish for.
fn wishes(to: &str) -> Envelope {
    let mail = Mail::new(Mailbox::try_from("anna@example.org").unwrap())
        .with_ret(Ret::Headers)
        .with_priority(Priority::new(3).unwrap())
        .with_envelope_id(EnvelopeId::new("order 42").unwrap());
    let rcpt = Rcpt::new(Mailbox::try_from(to).unwrap())
        .with_notify(Notify::SUCCESS | Notify::FAILURE)
        .with_original_recipient(OriginalRecipient::new("rfc822", "first@example.com").unwrap());
    Envelope::from_commands(mail, [rcpt])
}

async fn send(maild: &Maild, envelope: &Envelope) {
    let mut client = maild.submission("anna").await;
    let _sent =
        client.send(envelope, "From: anna@example.org\r\nSubject: Wishes\r\n\r\nHello.\r\n").await.unwrap();
    client.quit().await.unwrap();
}

/// The last of so many reports to anna.
async fn report(maild: &Maild, count: u32) -> DeliveryReport {
    let message = arrived(&mut maild.imap("anna").await, count).await.pop().unwrap();
    let Report::Delivery(report) = Report::parse(&message.into(), &Limits::default()).unwrap() else {
        panic!()
    };
    assert_eq!(report.envelope_id.as_ref().unwrap().as_str(), "order 42");
    let [recipient] = &report.recipients[..] else { panic!("{report:?}") };
    assert_eq!(recipient.original.as_ref().unwrap().text(), "first@example.com");
    assert!(matches!(report.original, Some(Original::Headers(_))), "{report:?}");
    report
}

#[tokio::test]
async fn a_sender_hears_of_success() {
    let clear = Security::plaintext_without_encryption();
    // It reports nothing, and does not speak TLS.
    let config = Config::new().with_listener(Protocol::Smtp, clear, "127.0.0.1:0");
    let server = MailServer::start_with(config).await.unwrap();
    let port = server.address(Protocol::Smtp, clear).port();
    let outgoing = format!("[outgoing]\nto = \"smtp://127.0.0.1:{port}?tls=none\"\n");
    let world = World::new(&format!("{outgoing}[queue]\npriorities = true\n"));
    let maild = world.start();
    send(&maild, &wishes("bob@example.org")).await;
    let told = report(&maild, 1).await;
    assert_eq!(
        (told.recipients[0].action.clone(), told.recipients[0].recipient.text()),
        (Action::Delivered, "bob@example.org")
    );
    send(&maild, &wishes("dan@example.net")).await;
    let told = report(&maild, 2).await;
    assert_eq!(
        (told.recipients[0].action.clone(), told.recipients[0].recipient.text()),
        (Action::Relayed, "dan@example.net")
    );
    let came = server.wait_for(1, LONG).await.unwrap();
    assert_eq!(came[0].transaction.recipients[0], Rcpt::new(Mailbox::try_from("dan@example.net").unwrap()));
    assert!(String::from_utf8_lossy(&came[0].raw).contains("priority 3"));
    // What has to stay within TLS goes nowhere else.
    send(&maild, &wishes("dan@example.net").with_require_tls()).await;
    let told = report(&maild, 3).await;
    assert_eq!(
        (told.recipients[0].action.clone(), told.recipients[0].status.to_string()),
        (Action::Failed, "5.7.30".into())
    );
    assert_eq!(server.messages().len(), 1);
    assert_eq!(maild.end(), 0);
}

#[tokio::test]
async fn who_reports_is_told_what_to() {
    let ca = TestCa::new().unwrap();
    let (port, mut told) = who_reports(&ca).await;
    let world = World::new("");
    fs::write(world.path("ca.pem"), ca.root_pem()).unwrap();
    world.configure(&format!(
        "[outgoing]\nto = \"smtp://127.0.0.1:{port}\"\nca = \"ca.pem\"\n[queue]\npriorities = true\n"
    ));
    let maild = world.start();
    let envelope = wishes("dan@example.net").with_require_tls();
    send(&maild, &envelope).await;
    let came = tokio::time::timeout(LONG, told.recv()).await.unwrap().unwrap();
    let (said, wished) = (came.mail.parameters(), envelope.mail().parameters());
    assert_eq!((said.ret, &said.envelope_id, said.require_tls), (wished.ret, &wished.envelope_id, true));
    assert_eq!((&came.recipients[..], said.priority), (envelope.recipients(), wished.priority));
    assert_eq!(maild.end(), 0);
    // The report is the other's to send.
    assert_eq!(world.maild(&["queue", "list"]).out, "");
    let maild = world.start();
    assert_eq!(arrived(&mut maild.imap("anna").await, 0).await, Vec::<String>::new());
}

/// A key of RSA, whose public part is in DNS; and how it stands in the configuration.
const RSA: &str = include_str!("dkim.pem");
const RSA_PUBLIC: &str = "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwe/NdIg1NVXcVjFBM7Js2w3sJcELmTR8360E7Gw+0qYSmgyWXKNxm9Zax3mMxYrw3oxwuocciblSG0l5Brn+bI/tbMv2hvSH7VjYJy96RuXvBBzXXtyPogFzBcseQKfrqARFBsH4vN529uVr1bM4YHQcdkwubqPzkCAwW3bBPM9Roq5SxLZ5lPP2N1VriJyocAyX5dzXFZu/PEQD7lcLNdVzp1Ho6rxUrms09unSScxMqxJqcVu/90v1vvsBBKbe5z2arxSROe2MvYc+cJRZsfRIpFNwKQTax4HbStUmwOANu9GoPz+2kIQF9+SQO+AaCTTqZWa4fDF4XQ3/jKZNGwIDAQAB";

#[tokio::test]
async fn what_users_send_is_signed() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let ed25519 = format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(key.public_key_raw()));
    for (pem, public) in [(RSA, RSA_PUBLIC), (&key.serialize_pem(), &ed25519)] {
        let clear = Security::plaintext_without_encryption();
        let config = Config::new().with_listener(Protocol::Smtp, clear, "127.0.0.1:0");
        let server = MailServer::start_with(config).await.unwrap();
        let port = server.address(Protocol::Smtp, clear).port();
        let zone = Zone::default().text("s1._domainkey.example.org", public).serve();
        let world = World::new(&format!(
            "[dns]\nservers = [\"127.0.0.1:{zone}\"]\n[checks]\n\
             [outgoing]\nto = \"smtp://127.0.0.1:{port}?tls=none\"\n"
        ));
        fs::write(world.path("dkim.pem"), pem).unwrap();
        let text = fs::read_to_string(world.path("maild.toml")).unwrap();
        let signing = "[dkim.\"example.org\"]\nselector = \"s1\"\nkey = \"dkim.pem\"\n";
        fs::write(world.path("maild.toml"), format!("{text}{signing}")).unwrap();
        let maild = world.start();
        maild.send("anna", &["dan@example.net"], "Signed").await.unwrap();
        // Not theirs to sign.
        let mut client = maild.submission("anna").await;
        let envelope = Envelope::new("anna@example.org", ["dan@example.net"]).unwrap();
        let _sent =
            client.send(&envelope, "From: bob@example.org\r\nSubject: Not signed\r\n\r\n").await.unwrap();
        client.quit().await.unwrap();
        let mut came = server.wait_for(2, LONG).await.unwrap();
        came.sort_by_key(|message| message.subject() != Some("Signed".into()));
        assert!(came[1].header("DKIM-Signature").is_none());
        // It comes back, from elsewhere.
        let signed = String::from_utf8(came[0].raw.to_vec()).unwrap();
        bring(&maild, "dan@good.test", &signed).await.unwrap();
        bring(&maild, "dan@good.test", &signed.replace("Hello.", "Goodbye.")).await.unwrap();
        let [whole, changed] = &arrived(&mut maild.imap("bob").await, 2).await[..] else { panic!() };
        assert!(whole.contains("dkim=pass") && whole.contains("header.d=example.org"), "{whole}");
        assert!(changed.contains("dkim=fail") || changed.contains("dkim=neutral"), "{changed}");
    }
}
