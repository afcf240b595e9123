//! What stands above the machines and reads what others have written: reports, trace fields, SASL messages, headers.

use std::{borrow::Cow, sync::LazyLock};

use bytes::Bytes;
use mailwire_core::{SaslStep, Secret};
use mailwire_oracles::memory;
use mailwire_smtp::{
    Mailbox,
    trace::{Hop, Protocol, Received, ReturnPath, Timestamp, hops},
};
use mailwire_transport::{
    discover::{Doubt, Found, Source, Trust, read_autoconfig, read_autodiscover, read_pacc},
    pop3::server::header_surrogate,
    sasl::{
        Authenticator, ClientExchange, Credentials, LoginContext, Mechanism, SPOKEN, SaslContext,
        ServerExchange, ServerStep, StoredPassword, Unavailable,
    },
    smtp::report::{DeliveryReport, DispositionReport, Header, Limits, Report},
    tls::ChannelBindings,
};

/// Does something with so many bytes, in memory that is in proportion to them.
pub(crate) fn in_proportion<T>(bytes: usize, factor: usize, work: impl FnOnce() -> T) -> T {
    memory::forget_peak();
    let before = memory::held();
    let result = work();
    let taken = memory::peak().saturating_sub(before);
    assert!(taken <= (1 << 20) + factor * bytes, "{taken} bytes of memory for {bytes}");
    result
}

/// A message as a report: what is read is written, and read again as it was.
pub fn report(data: &[u8]) {
    let message = Bytes::copy_from_slice(data);
    let limits = Limits::default();
    let read = in_proportion(data.len(), 256, || Report::parse(&message, &limits));
    // The fields alone, too: few inputs find their way into a part of a message.
    let delivery = in_proportion(data.len(), 256, || DeliveryReport::parse_content(data, &limits));
    let disposition = in_proportion(data.len(), 256, || DispositionReport::parse_content(data, &limits));
    let header = || {
        let mailbox = |text: &str| Mailbox::try_from(text).expect("an address");
        Header::new(mailbox("a@example.org"), mailbox("b@example.net"), Timestamp::new(0, 0).expect("a date"))
    };
    let whole = |written: Vec<u8>| {
        assert!(!written.contains(&0), "a NUL in a message");
        assert!(
            written.split(|byte| *byte == b'\n').all(|line| line.len() <= 999),
            "a line that is too long"
        );
        Report::parse(&written.into(), &limits).expect("what is written is a report")
    };
    for delivery in delivery.ok().into_iter().chain(match &read {
        Ok(Report::Delivery(delivery)) => Some(delivery.clone()),
        _ => None,
    }) {
        let mut content = Vec::new();
        delivery.write_content(&mut content);
        let again = DeliveryReport::parse_content(&content, &limits).expect("what is written is read");
        assert_eq!(again.recipients.len(), delivery.recipients.len());
        let mut twice = Vec::new();
        again.write_content(&mut twice);
        assert_eq!(twice.escape_ascii().to_string(), content.escape_ascii().to_string());
        let Report::Delivery(sent) = whole(delivery.write(&header())) else { panic!("another kind") };
        assert_eq!(sent.recipients, again.recipients);
    }
    for disposition in disposition.ok().into_iter().chain(match &read {
        Ok(Report::Disposition(disposition)) => Some(disposition.clone()),
        _ => None,
    }) {
        let mut content = Vec::new();
        disposition.write_content(&mut content);
        let again = DispositionReport::parse_content(&content, &limits).expect("what is written is read");
        let mut twice = Vec::new();
        again.write_content(&mut twice);
        assert_eq!(twice.escape_ascii().to_string(), content.escape_ascii().to_string());
        assert!(matches!(whole(disposition.write(&header())), Report::Disposition(_)));
    }
}

/// A header as the way of a message; what was understood is written, and read again as it was.
pub fn received(data: &[u8]) {
    let way = in_proportion(data.len(), 64, || hops(data));
    assert!(way.len() <= 500);
    let hop = in_proportion(data.len(), 64, || Hop::read(data));
    for hop in way.into_iter().chain([hop]) {
        let texts = [&hop.from, &hop.by, &hop.via, &hop.with, &hop.id, &hop.recipient, &hop.cipher_suite];
        assert!(texts.into_iter().flatten().all(|text| !text.as_bytes().is_empty()));
        write(&hop);
    }
    if let Some(date) = Timestamp::read(data) {
        assert_eq!(Timestamp::read(date.to_string().as_bytes()), Some(date));
    }
}

/// What can be written of a hop.
fn write(hop: &Hop) -> Option<()> {
    let text = |text: &Option<mailwire_core::Text>| Some(text.as_ref()?.as_str()?.to_owned());
    let (from, by) = (text(&hop.from)?.parse().ok()?, text(&hop.by)?);
    let mut received = Received::new(from, by.as_str().try_into().ok()?, hop.date?);
    received.address = hop.address;
    received.protocol = hop.protocol().map(|protocol: Protocol| protocol.with_smtp_utf8(true));
    received.recipient = text(&hop.recipient).and_then(|it| Mailbox::try_from(it.as_str()).ok());
    received.priority = hop.priority;
    let mut field = Vec::new();
    received.write(&mut field);
    assert!(field.split(|byte| *byte == b'\n').all(|line| line.len() <= 999));
    let read = hops(&field);
    let [again] = &read[..] else { panic!("one field is {} hops: {}", read.len(), field.escape_ascii()) };
    assert_eq!((again.date, again.priority), (hop.date, hop.priority), "{}", field.escape_ascii());
    if let Some(recipient) = received.recipient {
        let mut path = Vec::new();
        ReturnPath::new(recipient).write(&mut path);
        assert!(path.len() <= 1000 && path.ends_with(b"\r\n"));
    }
    Some(())
}

/// The mechanism that the first byte names, and messages between zero bytes.
fn exchange(data: &[u8]) -> Option<(&'static Mechanism, impl Iterator<Item = Secret>)> {
    let (first, rest) = data.split_first()?;
    let known = SPOKEN.iter().chain(&[Mechanism::DigestMd5]);
    let mechanism = known.cycle().nth(usize::from(*first))?;
    Some((mechanism, rest.split(|byte| *byte == 0).map(Secret::from)))
}

fn context() -> SaslContext {
    let bindings = ChannelBindings::new(Some(vec![7; 32]), None);
    let context = SaslContext::protected(bindings).with_external_identity().with_max_iterations(5000);
    context.with_service("imap", "mail.example.org")
}

/// A server's side of an exchange, as a client hears it.
pub fn sasl_client(data: &[u8]) {
    let Some((mechanism, messages)) = exchange(data) else { return };
    for credentials in [
        Credentials::password("ada", "s3kr1t-\u{e9}"),
        Credentials::token("ada", "s3kr1t"),
        Credentials::external(),
        Credentials::anonymous("trace"),
    ] {
        let Ok(mut client) = ClientExchange::with_mechanism(&credentials, mechanism, &context()) else {
            continue;
        };
        let Ok(_) = client.initial() else { continue };
        let mut last = None;
        for message in messages {
            if message.expose() == b"=" {
                break;
            }
            match in_proportion(data.len(), 64, || client.step(&message)) {
                Ok(SaslStep::Data(_)) => {}
                Ok(SaslStep::Cancel) => break,
                Err(error) => {
                    assert!(!format!("{error:?} {error}").contains("s3kr1t"), "a secret in an error");
                    assert!(client.step(&message).is_err(), "an exchange that failed goes on");
                    assert!(client.finish(None).is_err(), "an exchange that failed succeeds");
                    return;
                }
            }
            last = Some(message);
        }
        // A server that proves nothing is not believed: nobody can make a signature of SCRAM here.
        let believed = client.finish(last.as_ref()).is_ok();
        assert!(!(believed && (mechanism.is_scram() || *mechanism == Mechanism::DigestMd5)));
        return;
    }
}

/// Knows ada.
struct Users;

static ADA: LazyLock<StoredPassword> =
    LazyLock::new(|| StoredPassword::derive(&"s3kr1t".into()).expect("a password"));

impl Authenticator for Users {
    fn mechanisms(&self) -> &[Mechanism] {
        &SPOKEN
    }

    fn canonical_name<'a>(&self, user: &'a str) -> Cow<'a, str> {
        user.to_lowercase().into()
    }

    async fn lookup(&self, user: &str, _: &LoginContext) -> Result<Option<StoredPassword>, Unavailable> {
        Ok((user == "ada").then(|| ADA.clone()))
    }
}

/// A client's side of an exchange, as a server hears it: nobody gets in without the password.
pub fn sasl_server(data: &[u8]) {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> =
        LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().expect("a runtime"));
    let Some((mechanism, mut messages)) = exchange(data) else { return };
    let Ok(mut server) = ServerExchange::new(&Users, mechanism, &context()) else { return };
    RUNTIME.block_on(async {
        let initial = messages.next().filter(|message| message.expose() != b"=");
        let mut step = server.start(&Users, initial.as_ref()).await;
        while let ServerStep::Challenge(_) = step {
            let Some(message) = messages.next() else { return };
            step = server.step(&Users, &SaslStep::Data(message)).await;
        }
        if let ServerStep::Success(identity) = step {
            let known = data.windows(6).any(|part| part == b"s3kr1t");
            assert!(known || matches!(mechanism, Mechanism::Anonymous | Mechanism::External), "{identity:?}");
        }
    });
}

/// A header in ASCII for POP3 clients without UTF8: lines of ASCII, and no more of them than are wanted.
pub fn surrogate(data: &[u8]) {
    let limit = 2 * data.len() + 100;
    let made = in_proportion(data.len(), 64, || header_surrogate(data, limit));
    if data.is_ascii() {
        assert_eq!(made.as_deref(), Some(data));
    }
    let Some(made) = made.or_else(|| header_surrogate(data, usize::MAX)) else {
        panic!("no limit is passed")
    };
    assert!(made.is_ascii());
    assert_eq!(header_surrogate(&made, usize::MAX).as_deref(), Some(&made[..]), "it is ASCII already");
}

/// A document of whoever answers, as one that tells of an address's servers: those have hosts and users that can be sent, TLS,
/// and a doubt where they are in another domain.
pub fn settings(data: &[u8]) {
    let address = "ada@example.org";
    let found = Found::new(Source::Autoconfig, "https://autoconfig.example.org/", Trust::Https);
    let readers = [read_autoconfig, read_autodiscover, read_pacc];
    for read in readers {
        // An element is some dozen times larger than its shortest text.
        let Ok(all) = in_proportion(data.len(), 256, || read(data, address, &found)) else { continue };
        assert!(!all.is_empty() && all.len() <= 64);
        for settings in all {
            let host = &settings.host;
            assert!(host.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()), "{host}");
            assert!(settings.port > 0 && settings.security.is_tls());
            assert!(!settings.user.contains(char::is_control), "{:?}", settings.user);
            let is_own = host == "example.org" || host.ends_with(".example.org");
            assert_eq!(settings.doubt(), (!is_own).then_some(Doubt::OtherDomain), "{host}");
            assert_eq!(settings.account().is_ok(), is_own);
        }
    }
}
