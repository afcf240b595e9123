//! Servers at IPv6 addresses and Unix sockets: clients, mailers, pools, URLs.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use mailwire_store::testing::{Config, MailServer};
use mailwire_transport::{
    Account, Endpoint, Protocol, Security, imap, pop3,
    sasl::Credentials,
    smtp::{self, Envelope, Mailer},
};

const SOON: Duration = Duration::from_secs(20);
const CLEAR: Security = Security::plaintext_without_encryption();
const MESSAGE: &str = "From: ada@example.org\r\nTo: bob@example.net\r\nSubject: x\r\n\r\nx\r\n";

fn envelope() -> Envelope {
    Envelope::new("ada@example.org", ["bob@example.net"]).unwrap()
}

/// A server at `[::1]`; none, and the reason is printed, where the machine has no IPv6.
async fn at_ipv6() -> Option<MailServer> {
    if let Err(error) = tokio::net::TcpListener::bind("[::1]:0").await {
        println!("skipped: no IPv6 here: {error}");
        return None;
    }
    let (tls, starttls) = (Security::implicit_tls(), Security::required_starttls());
    let config = [
        (Protocol::Smtp, CLEAR),
        (Protocol::Smtp, starttls),
        (Protocol::Submission, tls),
        (Protocol::Imap, tls),
        (Protocol::Pop3, starttls),
    ]
    .into_iter()
    .fold(Config::new(), |config, (protocol, security)| config.with_listener(protocol, security, "[::1]:0"));
    Some(MailServer::start_with(config).await.unwrap())
}

#[tokio::test]
async fn by_ipv6_within_tls_and_with_starttls() {
    let Some(server) = at_ipv6().await else { return };
    let login = server.credentials();
    let submission = server.endpoint(Protocol::Submission);
    assert!(submission.address().to_string().starts_with("[::1]:"));
    for endpoint in [submission.clone(), submission.clone().with_local_address("::1".parse().unwrap())] {
        let mailer = Mailer::new(endpoint, &login);
        for _ in 0..2 {
            let _ = mailer.send(&envelope(), MESSAGE).await.unwrap();
        }
        assert_eq!((mailer.status().idle, mailer.close(SOON).await), (1, 0));
    }
    let relay = Mailer::with_config(server.endpoint(Protocol::Smtp), smtp::Config::anonymous());
    let mut mailing = relay.send_all((0..5).map(|_| (envelope(), MESSAGE)));
    while let Some((_, sent)) = mailing.next().await {
        let _ = sent.unwrap();
    }
    let messages = server.wait_for(9, SOON).await.unwrap();
    assert!(messages.iter().all(|message| message.client.address.is_some_and(|it| it.ip().is_ipv6())));
    let bob = Credentials::password("bob@example.net", "x");
    let mut client = imap::Client::connect(server.endpoint(Protocol::Imap), &bob).await.unwrap();
    assert_eq!(client.select("INBOX").await.unwrap().exists, 9);
    client.logout().await.unwrap();
    let mut client = pop3::Client::connect(server.endpoint(Protocol::Pop3), &bob).await.unwrap();
    assert_eq!(client.stat().await.unwrap().messages, 9);
    client.quit().await.unwrap();
    // It has an address of its own kind alone.
    let other = submission.with_local_address("127.0.0.1".parse().unwrap());
    assert!(smtp::Client::connect(other, &login).await.is_err());
    server.shutdown().await;
}

#[tokio::test]
async fn by_the_url_of_an_ipv6_address() {
    let Some(server) = at_ipv6().await else { return };
    let address = server.address(Protocol::Smtp, CLEAR);
    let mailer = Mailer::to(&*format!("smtp://{address}?tls=none")).unwrap();
    let _ = mailer.send(&envelope(), MESSAGE).await.unwrap();
    assert_eq!(server.wait_for(1, SOON).await.unwrap().len(), 1);
    server.shutdown().await;
}

#[cfg(unix)]
mod unix {
    use mailwire_transport::server::Listener;

    use super::*;

    /// A server at Unix sockets in a folder, which is removed.
    struct Here {
        server: MailServer,
        folder: std::path::PathBuf,
    }

    impl Here {
        async fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("mailwire-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            let names = [
                (Protocol::Lmtp, "lmtp"),
                (Protocol::Submission, "a submission"),
                (Protocol::Imap, "imap"),
                (Protocol::Pop3, "pop3"),
            ];
            let listeners =
                names.map(|(protocol, name)| (protocol, Listener::bind_unix(folder.join(name)).unwrap()));
            Self { server: MailServer::start_on(Config::new(), listeners).await.unwrap(), folder }
        }

        fn url(&self, scheme: &str, user: &str, name: &str) -> String {
            format!("{scheme}+unix:{user}{}/{}", self.folder.display(), name.replace(' ', "%20"))
        }
    }

    impl Drop for Here {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    #[tokio::test]
    async fn by_lmtp_over_a_mailer() {
        let here = Here::new("mailer").await;
        let mailers = [
            Mailer::to(&*here.url("lmtp", "", "lmtp")).unwrap(),
            Mailer::with_config(Endpoint::unix(here.folder.join("lmtp")), smtp::Config::lmtp()),
        ];
        for mailer in &mailers {
            let _ = mailer.send(&envelope(), MESSAGE).await.unwrap();
            let mut mailing = mailer.send_all((0..5).map(|_| (envelope(), MESSAGE)));
            while let Some((_, sent)) = mailing.next().await {
                let _ = sent.unwrap();
            }
            assert_eq!(mailer.close(SOON).await, 0);
        }
        let messages = here.server.wait_for(12, SOON).await.unwrap();
        assert!(messages.iter().all(|message| message.protocol == Protocol::Lmtp));
        assert!(messages.iter().all(|message| message.client.address.is_none()));
    }

    /// Who logs in there needs no TLS: the bytes never leave the machine.
    #[tokio::test]
    async fn by_the_urls_of_all_protocols() {
        let here = Here::new("urls").await;
        let user = "//bob%40example.net:secret@";
        let mailer = Mailer::to(&*here.url("submission", user, "a submission")).unwrap();
        let _ = mailer.send(&envelope(), MESSAGE).await.unwrap();
        assert_eq!(here.server.messages()[0].user(), Some("bob@example.net"));
        let account = Account::parse(&here.url("imap", user, "imap")).unwrap();
        let pool = imap::Pool::to(account.clone()).unwrap();
        assert_eq!(pool.select("INBOX", None).await.unwrap().1.exists, 1);
        let mut client = imap::Client::connect_to(account).await.unwrap();
        assert_eq!(client.select("INBOX").await.unwrap().exists, 1);
        let account = Account::parse(&here.url("pop3", user, "pop3")).unwrap();
        let mut client = pop3::Client::connect_to(account).await.unwrap();
        assert_eq!(client.stat().await.unwrap().messages, 1);
    }

    #[tokio::test]
    async fn where_nothing_listens_is_told() {
        let here = Here::new("nothing").await;
        let mailer = Mailer::to(&*here.url("lmtp", "", "other")).unwrap();
        let options = smtp::MailerOptions::new().with_attempts(1);
        let once =
            Mailer::with_options(Endpoint::unix(here.folder.join("other")), smtp::Config::lmtp(), options);
        let error = once.send(&envelope(), MESSAGE).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("/other"), "{error}");
        assert_eq!(mailer.status().in_use, 0);
    }
}
