//! Who a message is from: SPF, DKIM, DMARC and ARC, checked as it is received, and a DKIM signature on the way out.
//!
//! The crate mail-auth does the checks. A server of this workspace hands on what they need: the address and the name of the client
//! (`Client`), the sender and the recipients (`Transaction`) and the message (`Body`). What they add is put before the message
//! without copying it (`Payload::with_header`).
//!
//! `cargo run -p mailwire-examples --example authenticate` shows it on this machine alone: it asks a zone of its own,
//! [`Zone::example`], and no name server.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, Mutex},
    time::Instant,
};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use mail_auth::{
    ArcOutput, AuthenticatedMessage, AuthenticationResults, DkimOutput, DmarcOutput, DmarcResult, Error, MX,
    MessageAuthenticator, Parameters, ResolverCache, SpfOutput, Txt,
    common::{crypto::Ed25519Key, headers::HeaderWriter, parse::TxtRecordParser, verify::DomainKey},
    dkim::{Canonicalization, DkimSigner, Done},
    dmarc::{Dmarc, Policy, verify::DmarcParameters},
    hickory_resolver::proto::op::ResponseCode,
    spf::{Spf, verify::SpfParameters},
};
use mailwire_examples::say;
use mailwire_transport::{
    Endpoint, Payload, Security,
    sasl::Authenticator,
    server::Listener,
    smtp::{
        self, Envelope,
        proto::{Host, Reply, ReplyCode},
        server::{Body, BodyError, Client, Server, Service, Session, Transaction},
        without_fields,
    },
};
use tokio_util::sync::CancellationToken;

/// The name of this server, in the results that it vouches for.
const OURS: &str = "mx.example.net";

#[tokio::main]
async fn main() -> Result<()> {
    let key = Ed25519Key::generate_pkcs8().context("a key")?;
    let signer = Signer::new(&key)?;
    let mailboxes = Mailboxes::default();
    let (address, shutdown) = serve(Checked::new(Zone::example(&signer.public), mailboxes.clone())?).await?;
    let message =
        Bytes::from("From: anna@example.org\r\nTo: bob@example.net\r\nSubject: Hello\r\n\r\nHello, Bob.\r\n");
    let envelope = Envelope::new("anna@example.org", ["bob@example.net"])?;
    for payload in [signer.signed(message.clone())?, message.into()] {
        let mut client = smtp::Client::connect_with(address.clone(), signing_host()?).await?;
        match client.send(&envelope, payload).await {
            Ok(sent) => say(format_args!("taken: {}", sent.reply))?,
            Err(error) => say(format_args!("not taken: {error}"))?,
        }
        client.quit().await?;
    }
    for message in mailboxes.take() {
        say(format_args!("{}", String::from_utf8_lossy(&message.concat())))?;
    }
    shutdown.cancel();
    Ok(())
}

/// A client that calls itself by the name of the host that signs.
fn signing_host() -> Result<smtp::Config> {
    let mut config = smtp::Config::anonymous();
    config.name = Some(Host::try_from("mail.example.org")?.into());
    Ok(config)
}

/// Serves on a free port of this machine, until the token is cancelled.
async fn serve(service: Checked) -> Result<(Endpoint, CancellationToken)> {
    let clear = Security::plaintext_without_encryption();
    let listener = Listener::bind("127.0.0.1:0", clear, None).await?;
    let endpoint = Endpoint::tcp("127.0.0.1", listener.local_addr().context("an address")?.port(), clear);
    let shutdown = CancellationToken::new();
    let server = Server::new(service, Host::try_from(OURS)?);
    tokio::spawn({
        let shutdown = shutdown.clone();
        async move { server.serve(listener, shutdown).await }
    });
    Ok((endpoint, shutdown))
}

/// Signs messages that leave.
struct Signer {
    signer: DkimSigner<Ed25519Key, Done>,
    /// The public key, for the zone.
    public: Vec<u8>,
}

impl Signer {
    fn new(key: &[u8]) -> Result<Self> {
        let key = Ed25519Key::from_pkcs8_der(key).context("the key")?;
        let public = key.public_key();
        let signer = DkimSigner::from_key(key)
            .domain("example.org")
            .selector("now")
            .headers(["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"])
            .header_canonicalization(Canonicalization::Relaxed)
            .body_canonicalization(Canonicalization::Relaxed);
        Ok(Self { signer, public })
    }

    /// The message with its signature before it.
    fn signed(&self, message: Bytes) -> Result<Payload<'static>> {
        let signature = self.signer.sign(&message).context("the signature")?;
        Ok(Payload::from(message).with_header(signature.to_header())?)
    }
}

/// What was taken: each message in pieces, as it came and what was put before it.
#[derive(Clone, Default)]
struct Mailboxes(Arc<Mutex<Vec<Vec<Bytes>>>>);

impl Mailboxes {
    fn put(&self, message: Vec<Bytes>) {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(message);
    }

    fn take(&self) -> Vec<Vec<Bytes>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

/// A server that checks what it takes.
#[derive(Clone)]
struct Checked {
    resolver: MessageAuthenticator,
    /// Asked in place of name servers. With tables that know an answer to some questions only, and
    /// `MessageAuthenticator::new_system_conf()`, it is a cache.
    zone: Arc<Zone>,
    mailboxes: Mailboxes,
}

impl Checked {
    fn new(zone: Zone, mailboxes: Mailboxes) -> Result<Self> {
        use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};

        // Without a name server: whatever the zone does not have, nobody has.
        let resolver = MessageAuthenticator::new(ResolverConfig::default(), ResolverOpts::default());
        Ok(Self { resolver: resolver.context("a resolver")?, zone: Arc::new(zone), mailboxes })
    }

    async fn check(&self, client: &Client, transaction: &Transaction, message: &[u8]) -> Verdict {
        let Some(parsed) = AuthenticatedMessage::parse(message) else {
            return Verdict::Refuse("5.6.0 The message has no header");
        };
        let Some(address) = client.address.map(|address| address.ip().to_canonical()) else {
            return Verdict::Refuse("5.7.1 Who is it?");
        };
        let hello = client.hello.as_ref().map(ToString::to_string).unwrap_or_default();
        // Of the null address there is only the host.
        let from = transaction.from().mailbox();
        let domain = from.map_or(&*hello, |from| from.domain());
        let sender = from.map_or_else(|| format!("postmaster@{hello}"), ToString::to_string);

        let asked = self.zone.asked(SpfParameters::verify_mail_from(address, &hello, OURS, &sender));
        let spf = self.resolver.verify_spf(asked).await;
        let dkim = self.resolver.verify_dkim(self.zone.asked(&parsed)).await;
        let arc = self.resolver.verify_arc(self.zone.asked(&parsed)).await;
        let dmarc = DmarcParameters::new(&parsed, &dkim, domain, &spf).with_domain_suffix_fn(organization);
        let dmarc = self.resolver.verify_dmarc(self.zone.asked(dmarc)).await;

        let passes = [dmarc.spf_result(), dmarc.dkim_result()].contains(&&DmarcResult::Pass);
        if dmarc.policy() == Policy::Reject && !passes {
            return Verdict::Refuse("5.7.26 The domain in From wants such messages refused");
        }
        Verdict::Take(results(
            &Found { address, hello: &hello, domain, spf, dkim, arc, dmarc },
            parsed.from(),
        ))
    }
}

enum Verdict {
    /// With this header field before it.
    Take(String),
    Refuse(&'static str),
}

struct Found<'a> {
    address: IpAddr,
    hello: &'a str,
    domain: &'a str,
    spf: SpfOutput,
    dkim: Vec<DkimOutput<'a>>,
    arc: ArcOutput<'a>,
    dmarc: DmarcOutput,
}

/// Authentication-Results ([RFC 8601](https://www.rfc-editor.org/rfc/rfc8601)). Of the sender the domain alone: a quoted local part could have
/// anything in it, a result of its own, too.
fn results(found: &Found<'_>, header_from: &str) -> String {
    AuthenticationResults::new(OURS)
        .with_spf_mailfrom_result(&found.spf, found.address, found.domain, found.hello)
        .with_dkim_results(&found.dkim, header_from)
        .with_arc_result(&found.arc, found.address)
        .with_dmarc_result(&found.dmarc)
        .to_header()
}

/// Of a domain the part that an organization has registered. A real server asks the public suffix list.
fn organization(domain: &str) -> &str {
    let mut dots = domain.rmatch_indices('.');
    dots.nth(1).and_then(|(at, _)| domain.get(at + 1..)).unwrap_or(domain)
}

impl Authenticator for Checked {}

impl Service for Checked {
    type Session = Self;
    type Authenticator = Self;

    fn authenticator(&self) -> &Self {
        self
    }

    async fn connect(&self, _client: &Client) -> Result<Self, Reply> {
        Ok(self.clone())
    }
}

impl Session for Checked {
    async fn message(
        &mut self,
        client: &Client,
        transaction: &Transaction,
        body: &mut Body<'_>,
    ) -> Result<Reply, BodyError> {
        let message = body.bytes().await?;
        match self.check(client, transaction, &message).await {
            Verdict::Take(results) => {
                let mut pieces = vec![Bytes::from(results)];
                // Without the results that it came with, in our name or another's (RFC 8601 section 5 permits that): our name can
                // be written in many ways, and what nobody here vouches for is of no use to a reader either.
                pieces.extend(without_fields(&message, &["authentication-results"]));
                self.mailboxes.put(pieces);
                Ok(Reply::new(ReplyCode::OK, "2.0.0 Taken"))
            }
            Verdict::Refuse(why) => Ok(Reply::new(ReplyCode::MAILBOX_UNAVAILABLE, why)),
        }
    }
}

/// What the names of the world mean, so that no name server is asked.
struct Zone {
    txt: Table<Box<str>, Txt>,
    mx: Table<Box<str>, Arc<[MX]>>,
    ipv4: Table<Box<str>, Arc<[Ipv4Addr]>>,
    ipv6: Table<Box<str>, Arc<[Ipv6Addr]>>,
    ptr: Table<IpAddr, Arc<[Box<str>]>>,
}

impl Zone {
    /// The domain example.org: mail comes from this machine, is signed by `key`, and whatever is neither is to be refused.
    fn example(key: &[u8]) -> Self {
        let key = format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(key));
        let names = [
            ("example.org.", Spf::parse(b"v=spf1 ip4:192.0.2.1 -all").into()),
            ("mail.example.org.", Spf::parse(b"v=spf1 ip4:127.0.0.1 -all").into()),
            ("now._domainkey.example.org.", DomainKey::parse(key.as_bytes()).into()),
            ("_dmarc.example.org.", Dmarc::parse(b"v=DMARC1; p=reject").into()),
        ];
        let known = names.map(|(name, record): (&str, Txt)| (name.into(), record)).into();
        Self {
            txt: Table { known, otherwise: Txt::Error(Error::DnsRecordNotFound(ResponseCode::NXDomain)) },
            mx: Table::empty(),
            ipv4: Table::empty(),
            ipv6: Table::empty(),
            ptr: Table::empty(),
        }
    }

    /// A question, with the tables in which its answer is.
    fn asked<P>(&self, params: P) -> Question<'_, P> {
        Parameters {
            params,
            cache_txt: Some(&self.txt),
            cache_mx: Some(&self.mx),
            cache_ptr: Some(&self.ptr),
            cache_ipv4: Some(&self.ipv4),
            cache_ipv6: Some(&self.ipv6),
        }
    }
}

type Question<'a, P> = Parameters<
    'a,
    P,
    Table<Box<str>, Txt>,
    Table<Box<str>, Arc<[MX]>>,
    Table<Box<str>, Arc<[Ipv4Addr]>>,
    Table<Box<str>, Arc<[Ipv6Addr]>>,
    Table<IpAddr, Arc<[Box<str>]>>,
>;

/// Names, and an answer for all that it does not have.
struct Table<K, V> {
    known: HashMap<K, V>,
    otherwise: V,
}

impl<K, V: Default> Table<K, V> {
    fn empty() -> Self {
        Self { known: HashMap::new(), otherwise: V::default() }
    }
}

impl<K: Hash + Eq, V: Clone> ResolverCache<K, V> for Table<K, V> {
    fn get<Q>(&self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Some(self.known.get(name).unwrap_or(&self.otherwise).clone())
    }

    fn remove<Q>(&self, _: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: K, _: V, _: Instant) {}
}

#[cfg(test)]
mod tests {
    use mail_auth::arc::ArcSealer;

    use super::*;

    const MESSAGE: &str =
        "From: anna@example.org\r\nTo: bob@example.net\r\nSubject: Hello\r\n\r\nHello, Bob.\r\n";

    struct World {
        signer: Signer,
        key: Vec<u8>,
        mailboxes: Mailboxes,
        address: Endpoint,
        shutdown: CancellationToken,
    }

    impl World {
        async fn new() -> Self {
            let key = Ed25519Key::generate_pkcs8().unwrap();
            let signer = Signer::new(&key).unwrap();
            let mailboxes = Mailboxes::default();
            let checked = Checked::new(Zone::example(&signer.public), mailboxes.clone()).unwrap();
            let (address, shutdown) = serve(checked).await.unwrap();
            Self { signer, key, mailboxes, address, shutdown }
        }

        /// Sends a message, and gives what was put before it and what came, or why it was refused.
        async fn send(
            &self,
            from: &str,
            message: impl Into<Payload<'_>>,
        ) -> Result<(String, String), String> {
            let mut client =
                smtp::Client::connect_with(self.address.clone(), signing_host().unwrap()).await.unwrap();
            let sent = client.send(&Envelope::new(from, ["bob@example.net"]).unwrap(), message).await;
            client.quit().await.unwrap();
            let _sent = sent.map_err(|error| error.to_string())?;
            let taken = self.mailboxes.take().pop().unwrap();
            let text = |pieces: &[Bytes]| String::from_utf8(pieces.concat()).unwrap();
            Ok((text(&taken[..1]).replace("\r\n\t", " "), text(&taken[1..])))
        }
    }

    impl Drop for World {
        fn drop(&mut self) {
            self.shutdown.cancel();
        }
    }

    #[tokio::test]
    async fn a_signed_message_is_taken() {
        let world = World::new().await;
        let signed = world.signer.signed(MESSAGE.into()).unwrap();
        let (results, message) = world.send("anna@example.org", signed).await.unwrap();
        assert!(message.starts_with("DKIM-Signature: v=1;") && message.ends_with(MESSAGE), "{message}");
        assert!(results.starts_with("Authentication-Results: mx.example.net; spf=fail "), "{results}");
        for result in [
            "; dkim=pass header.d=example.org header.s=now",
            "; arc=none",
            "; dmarc=pass header.from=example.org",
        ] {
            assert!(results.contains(result), "{results}");
        }
        // From a host that may send for the sender's domain.
        let (results, _) = world.send("anna@mail.example.org", MESSAGE).await.unwrap();
        assert!(results.contains("; spf=pass ") && results.contains("; dmarc=pass "), "{results}");
        let (results, _) = world.send("", MESSAGE).await.unwrap();
        assert!(
            results.contains("; spf=pass ") && results.contains("smtp.mailfrom=mail.example.org"),
            "{results}"
        );
    }

    #[tokio::test]
    async fn a_forged_message_is_refused() {
        let world = World::new().await;
        let refused = world.send("anna@example.org", MESSAGE).await.unwrap_err();
        assert!(refused.contains("5.7.26"), "{refused}");
        let signature = world.signer.signer.sign(MESSAGE.as_bytes()).unwrap().to_header();
        let changed = MESSAGE.replace("Hello, Bob", "Hello, Eve");
        let changed = Payload::from(changed).with_header(signature).unwrap();
        let refused = world.send("anna@example.org", changed).await.unwrap_err();
        assert!(refused.contains("5.7.26"), "{refused}");
        // Of a domain that says nothing, nothing is known.
        let other = MESSAGE.replace("example.org", "example.com");
        let (results, _) = world.send("anna@example.com", other).await.unwrap();
        assert!(results.contains("; spf=none ") && results.contains("; dmarc=none "), "{results}");
        assert!(!results.contains("dkim="), "{results}");
    }

    #[tokio::test]
    async fn results_are_ours_alone() {
        let world = World::new().await;
        for claim in [
            "Authentication-Results: mx.example.net; dmarc=pass\r\n",
            "authentication-results : mx.example.net;\r\n\tdmarc=pass\r\n",
            "Authentication-Results: \"mx.example.net\"; dmarc=pass\r\n",
            "Authentication-Results: (hop) mx.example.net 1; dmarc=pass\r\n",
            "Authentication-Results:\r\n (a (b) c)\r\n\tmx.example.net; dmarc=pass\r\n",
            "Authentication-Results: mx (x) .example.net; dmarc=pass\r\n",
            "AUTHENTICATION-RESULTS: mx.example.com; none\r\n",
        ] {
            let forged = format!("Received: x\r\n{claim}{claim}X-Authentication-Results: x\r\n{MESSAGE}");
            let (_, message) = world.send("anna@mail.example.org", forged).await.unwrap();
            assert_eq!(
                message,
                format!("Received: x\r\nX-Authentication-Results: x\r\n{MESSAGE}"),
                "{claim}"
            );
        }
        // What is in the body is text.
        let body = format!("{MESSAGE}Authentication-Results: mx.example.net; none\r\n");
        assert_eq!(world.send("anna@mail.example.org", body.clone()).await.unwrap().1, body);
        // A local part with a result in it.
        let (results, _) = world.send("\"x; dkim=pass\"@mail.example.org", MESSAGE).await.unwrap();
        assert!(!results.contains("dkim=pass"), "{results}");
    }

    /// A list has sealed what it changed.
    #[tokio::test]
    async fn a_sealed_message_is_known() {
        let world = World::new().await;
        let resolver = Checked::new(Zone::example(&world.signer.public), Mailboxes::default()).unwrap();
        let parsed = AuthenticatedMessage::parse(MESSAGE.as_bytes()).unwrap();
        let arc = resolver.resolver.verify_arc(resolver.zone.asked(&parsed)).await;
        let list =
            AuthenticationResults::new("list.example.org").with_arc_result(&arc, [192, 0, 2, 1].into());
        let seal = ArcSealer::from_key(Ed25519Key::from_pkcs8_der(&world.key).unwrap())
            .domain("example.org")
            .selector("now")
            .headers(["From", "To", "Subject"])
            .seal(&parsed, &list, &arc)
            .unwrap();
        let sealed = Payload::from(MESSAGE).with_header(seal.to_header()).unwrap();
        let (results, _) = world.send("anna@mail.example.org", sealed).await.unwrap();
        assert!(results.contains("; arc=pass "), "{results}");
    }
}
