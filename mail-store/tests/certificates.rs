//! Clients that log in by their certificate, in SMTP and IMAP.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::{future::Future, net::SocketAddr, time::Duration};

use mailwire_store::{ImapService, SmtpService, memory::MemoryStore};
use mailwire_transport::{
    Endpoint, Result, Security, imap,
    sasl::{Authenticator, Credentials, LoginContext, Mechanism, SPOKEN, StoredPassword, Unavailable},
    server::Listener,
    smtp,
    testing::TestCa,
    tls::{ClientTls, ServerTls},
};
use rustls::pki_types::CertificateDer;
use tokio_util::sync::CancellationToken;

/// A store into which whoever has a certificate is let as Ada.
struct Certified(MemoryStore);

impl Authenticator for Certified {
    fn mechanisms(&self) -> &[Mechanism] {
        &SPOKEN
    }

    async fn lookup(&self, user: &str, login: &LoginContext) -> Result<Option<StoredPassword>, Unavailable> {
        self.0.lookup(user, login).await
    }

    async fn verify_external(
        &self,
        certificates: &[CertificateDer<'static>],
        _: Option<&str>,
        _: &LoginContext,
    ) -> Result<Option<String>, Unavailable> {
        Ok((!certificates.is_empty()).then(|| "ada".to_owned()))
    }
}

struct Site {
    ca: TestCa,
    address: SocketAddr,
    security: Security,
}

impl Site {
    async fn serve<F>(
        security: Security,
        serve: impl FnOnce(Certified, Listener, CancellationToken) -> F,
    ) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let ca = TestCa::new().unwrap();
        let identity = ca.server(&["127.0.0.1"]).unwrap();
        let tls = ServerTls::builder(&identity.chain_pem, &identity.key_pem).unwrap();
        let tls = tls.client_certificates_optional(ca.root_pem()).unwrap().build().unwrap();
        let listener = Listener::bind("127.0.0.1:0", security, Some(tls)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let store = MemoryStore::new();
        store.add_user("ada", "secret").unwrap();
        tokio::spawn(serve(Certified(store), listener, CancellationToken::new()));
        Self { ca, address, security }
    }

    /// To the server, with or without a certificate to show.
    fn endpoint(&self, certified: bool) -> Endpoint {
        let mut tls = ClientTls::builder().roots_pem(self.ca.root_pem()).unwrap();
        if certified {
            let client = self.ca.client("ada").unwrap();
            tls = tls.client_certificate_pem(client.chain_pem, client.key_pem).unwrap();
        }
        Endpoint::tcp("127.0.0.1", self.address.port(), self.security).with_tls(tls.build().unwrap())
    }
}

const BOTH: [fn() -> Security; 2] = [Security::implicit_tls, Security::required_starttls];

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.unwrap()
}

#[tokio::test]
async fn imap_offers_external_to_whom_it_helps() {
    for security in BOTH {
        let serve = |users: Certified, listener, token| async move {
            let service = ImapService::with_authenticator(users.0.clone(), users);
            imap::Server::new(service).serve(listener, token).await
        };
        let site = Site::serve(security(), serve).await;
        let mut client =
            soon(imap::Client::connect(site.endpoint(true), &Credentials::external())).await.unwrap();
        assert_eq!(soon(client.select("INBOX")).await.unwrap().exists, 0);
        let error = soon(imap::Client::connect(site.endpoint(false), &Credentials::external())).await;
        assert!(error.unwrap_err().refused().is_none(), "it is not offered, so it was not tried");
    }
}

#[tokio::test]
async fn smtp_offers_external_to_whom_it_helps() {
    for security in BOTH {
        let serve = |users: Certified, listener, token| async move {
            let service = SmtpService::with_authenticator(users.0.clone(), users);
            let server = smtp::Server::new(service, "mx.example".try_into()?);
            server.require_authentication().serve(listener, token).await
        };
        let site = Site::serve(security(), serve).await;
        let mut client =
            soon(smtp::Client::connect(site.endpoint(true), &Credentials::external())).await.unwrap();
        soon(client.noop()).await.unwrap();
        let offered = client.capabilities().auth().unwrap_or_default();
        assert!(offered.iter().any(|mechanism| mechanism.as_bytes() == b"EXTERNAL"));
        let error = soon(smtp::Client::connect(site.endpoint(false), &Credentials::external())).await;
        assert!(error.unwrap_err().refused().is_none(), "it is not offered, so it was not tried");
    }
}
