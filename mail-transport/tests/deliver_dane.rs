//! Delivery to hosts whose certificates DNS vouches for (DANE).
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod world;
mod zone;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{
        RData, RecordType as Type,
        rdata::{A, CNAME, MX, NS, TLSA},
    },
};

use mailwire_transport::{
    deliver::{Dane, DaneError, MxHost, Options, TlsFailure, TlsPolicy},
    dns::{Answer, DnsResolver, Record, RecordType, Tlsa},
    smtp::Envelope,
    testing::{Identity, TestCa},
    tls::{ClientTls, ServerTls},
};
use rustls::{
    pki_types::{CertificateDer, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use sha2::{Digest, Sha256, Sha512};
use world::{Hosts, MESSAGE, World, outcomes};
use zone::{Root, Zone, name, name_server};

/// A record for the first certificate in PEM.
fn tlsa(usage: u8, selector: u8, matching: u8, pem: &str) -> Tlsa {
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let data = match selector {
        0 => certificate.to_vec(),
        _ => ParsedCertificate::try_from(&certificate).unwrap().subject_public_key_info().to_vec(),
    };
    let data = match matching {
        0 => data,
        1 => Sha256::digest(&data).to_vec(),
        _ => Sha512::digest(&data).to_vec(),
    };
    Tlsa::new(usage, selector, matching, data)
}

fn publish(world: &World, host: &str, records: &[Tlsa], signed: bool) {
    let records = records.iter().cloned().map(Record::Tlsa).collect();
    let answer = Answer::new(records).with_authenticated(signed);
    world.answer(&format!("_25._tcp.{host}"), RecordType::Tlsa, answer);
}

/// A certificate for this name, with or without its authority's beside it.
fn identity(ca: &TestCa, name: &str, with_authority: bool) -> Identity {
    let mut identity = ca.server(&[name]).unwrap();
    if with_authority {
        identity.chain_pem.push_str(ca.root_pem());
    }
    identity
}

fn server(identity: &Identity) -> ServerTls {
    ServerTls::from_pem(&identity.chain_pem, &identity.key_pem).unwrap()
}

#[tokio::test]
async fn a_host_gets_the_message_if_a_record_is_for_its_certificate() {
    use TlsFailure::{CertificateHostMismatch, ValidationFailure};
    // Usage, selector, matching type; what it is for; the certificate's name; whether the authority's is shown.
    let own = |usage, selector, matching| ((usage, selector, matching), "own");
    let authority = |usage, selector, matching| ((usage, selector, matching), "authority");
    let other = |usage, selector, matching| ((usage, selector, matching), "other");
    for (record, name, with_authority, failure) in [
        (own(3, 0, 0), "mx.one.test", false, None),
        (own(3, 0, 1), "mx.one.test", false, None),
        (own(3, 0, 2), "mx.one.test", false, None),
        (own(3, 1, 0), "mx.one.test", false, None),
        (own(3, 1, 1), "mx.one.test", true, None),
        // Neither the name nor the authority matters.
        (own(3, 1, 2), "elsewhere.test", false, None),
        (other(3, 1, 1), "mx.one.test", true, Some(ValidationFailure)),
        (other(3, 0, 0), "mx.one.test", true, Some(ValidationFailure)),
        (authority(3, 1, 1), "mx.one.test", true, Some(ValidationFailure)),
        (authority(2, 0, 1), "mx.one.test", true, None),
        (authority(2, 0, 2), "mx.one.test", true, None),
        (authority(2, 1, 0), "mx.one.test", true, None),
        (authority(2, 1, 1), "mx.one.test", true, None),
        // The domain's own name will do.
        (authority(2, 0, 1), "one.test", true, None),
        (authority(2, 0, 1), "elsewhere.test", true, Some(CertificateHostMismatch)),
        // It has to be shown, or be in the record.
        (authority(2, 0, 1), "mx.one.test", false, Some(ValidationFailure)),
        (authority(2, 0, 0), "mx.one.test", false, None),
        (other(2, 0, 0), "mx.one.test", true, Some(TlsFailure::CertificateNotTrusted)),
        (own(2, 0, 1), "mx.one.test", true, Some(ValidationFailure)),
    ] {
        let mut hosts = Hosts::new();
        let (ca, stranger) = (TestCa::new().unwrap(), TestCa::new().unwrap());
        let identity = identity(&ca, name, with_authority);
        let ((usage, selector, matching), of) = record;
        let pem = match of {
            "own" => &identity.chain_pem,
            "authority" => ca.root_pem(),
            _ => stranger.root_pem(),
        };
        hosts.host("mx.one.test", Some(server(&identity)), |_| None).await;
        hosts.world.mx("one.test", &[(10, "mx.one.test")], true);
        publish(&hosts.world, "mx.one.test", &[tlsa(usage, selector, matching, pem)], true);
        let report = hosts.deliver(&["bob@one.test"]).await;
        let expected = if failure.is_none() { "delivered" } else { "deferred 4.7.5" };
        assert_eq!(outcomes(&report), [expected], "{record:?} {name} {with_authority}: {report:?}");
        let [told] = &report.tls[..] else { panic!("{report:?}") };
        assert_eq!((told.policy, told.failure), (TlsPolicy::Tlsa, failure), "{record:?}: {told:?}");
        assert_eq!((told.domain.as_str(), told.host.as_deref()), ("one.test", Some("mx.one.test")));
        assert_eq!(hosts.came().len(), usize::from(failure.is_none()));
    }
}

#[tokio::test]
async fn a_host_with_records_is_never_talked_to_in_clear() {
    let ca = TestCa::new().unwrap();
    let identity = identity(&ca, "elsewhere.test", false);
    let right = tlsa(3, 1, 1, &identity.chain_pem);
    let unusable =
        [Tlsa::new(1, 1, 1, [7; 32]), Tlsa::new(3, 1, 1, [7; 31]), Tlsa::new(3, 1, 9, [7; 32])].to_vec();
    for (records, has_tls, outcome, failures) in [
        (vec![right.clone()], false, "deferred 4.7.5", vec![TlsFailure::StarttlsNotSupported]),
        // Records that cannot be used still mean TLS.
        (unusable.clone(), true, "delivered", vec![TlsFailure::TlsaInvalid]),
        (unusable, false, "deferred 4.7.5", vec![TlsFailure::TlsaInvalid]),
    ] {
        let mut hosts = Hosts::new();
        hosts.host("mx.one.test", has_tls.then(|| server(&identity)), |_| None).await;
        hosts.world.mx("one.test", &[(10, "mx.one.test")], true);
        publish(&hosts.world, "mx.one.test", &records, true);
        let report = hosts.deliver(&["bob@one.test"]).await;
        assert_eq!(outcomes(&report), [outcome], "{records:?}: {report:?}");
        assert_eq!(report.tls.iter().filter_map(|told| told.failure).collect::<Vec<_>>(), failures);
        assert!(hosts.came().iter().all(|(.., tls)| *tls));
    }
}

#[tokio::test]
async fn records_that_nothing_proves_mean_nothing() {
    // The MX, the address and the record: whether each is signed.
    for signed in [(false, true, true), (true, false, true), (true, true, false)] {
        let mut hosts = Hosts::new();
        hosts.host("mx.one.test", None, |_| None).await;
        hosts.world.mx("one.test", &[(10, "mx.one.test")], signed.0);
        hosts.world.address("mx.one.test", signed.1);
        publish(&hosts.world, "mx.one.test", &[Tlsa::new(3, 1, 1, [7; 32])], signed.2);
        if !signed.2 {
            let report = hosts.deliver(&["bob@one.test"]).await;
            assert!(report.is_delivered() && report.tls.is_empty(), "{signed:?}: {report:?}");
            continue;
        }
        // They are not even asked for: some name servers fail at that.
        hosts.world.broken.lock().unwrap().insert("_25._tcp.mx.one.test".into());
        let report = hosts.deliver(&["bob@one.test"]).await;
        assert!(report.is_delivered() && report.tls.is_empty(), "{signed:?}: {report:?}");
    }
}

#[tokio::test]
async fn a_host_whose_records_cannot_be_had_is_not_used() {
    for (broken, failure) in [
        ("_25._tcp.mx.one.test", Some(TlsFailure::DnssecInvalid)),
        ("mx.one.test", Some(TlsFailure::DnssecInvalid)),
        ("one.test", None),
    ] {
        let mut hosts = Hosts::new();
        hosts.good("mx.one.test").await;
        hosts.world.mx("one.test", &[(10, "mx.one.test")], true);
        hosts.world.broken.lock().unwrap().insert(broken.into());
        let report = hosts.deliver(&["bob@one.test"]).await;
        assert_eq!(outcomes(&report), ["deferred 4.4.3"], "{broken}");
        assert_eq!(report.tls.first().and_then(|told| told.failure), failure);
        assert_eq!(hosts.came(), []);
        // Another one is.
        hosts.good("mx2.one.test").await;
        hosts.world.mx("one.test", &[(10, "mx.one.test"), (20, "mx2.one.test")], true);
        assert_eq!(hosts.deliver(&["bob@one.test"]).await.is_delivered(), failure.is_some(), "{broken}");
    }
}

#[tokio::test]
async fn records_are_looked_for_at_the_end_of_an_alias_and_then_at_its_beginning() {
    for (end_is_signed, cname_is_signed, end_has, own_has, base) in [
        (true, true, true, true, Some("end.test")),
        (true, true, false, true, Some("mx.one.test")),
        (true, true, false, false, None),
        (false, true, true, true, Some("mx.one.test")),
        (false, false, true, true, None),
    ] {
        let hosts = Hosts::new();
        let world = &hosts.world;
        let address = vec![Record::Address("192.0.2.25".parse().unwrap())];
        let answer = Answer::new(address).with_authenticated(end_is_signed).with_alias_of("end.test");
        world.answer("mx.one.test", RecordType::A, answer);
        let alias = Answer::new(vec![Record::Cname("end.test".into())]).with_authenticated(cname_is_signed);
        world.answer("mx.one.test", RecordType::Cname, alias);
        for (name, has) in [("end.test", end_has), ("mx.one.test", own_has)] {
            if has {
                publish(world, name, &[Tlsa::new(3, 1, 1, [7; 32])], true);
            }
        }
        let found = MxHost::find(world, "mx.one.test", 25).await.unwrap();
        let told = (!found.tlsa.is_empty()).then_some(found.tlsa_name.as_str());
        assert_eq!(told, base, "{end_is_signed} {cname_is_signed} {end_has} {own_has}");
        assert_eq!(found.addresses.len(), 1);
    }
}

#[tokio::test]
async fn the_certificate_that_is_asked_for_is_the_base_domains() {
    let ca = TestCa::new().unwrap();
    let (default, wanted) = (identity(&ca, "mx.one.test", false), identity(&ca, "end.test", true));
    let tls = ServerTls::builder(&default.chain_pem, &default.key_pem).unwrap();
    let tls = tls.certificate(&wanted.chain_pem, &wanted.key_pem).unwrap().build().unwrap();
    let mut hosts = Hosts::new();
    hosts.host("mx.one.test", Some(tls), |_| None).await;
    hosts.world.mx("one.test", &[(10, "mx.one.test")], true);
    let address = vec![Record::Address("192.0.2.25".parse().unwrap())];
    let answer = Answer::new(address).with_authenticated(true).with_alias_of("end.test");
    hosts.world.answer("mx.one.test", RecordType::A, answer);
    publish(&hosts.world, "end.test", &[tlsa(2, 0, 1, ca.root_pem())], true);
    let delivery = hosts.delivery(Options::new());
    let envelope = Envelope::new("anna@example.org", ["bob@one.test"]).unwrap();
    for _ in 0..3 {
        let report = delivery.deliver(&envelope, MESSAGE).await;
        assert!(report.is_delivered(), "{report:?}");
    }
    // Connections are kept.
    assert_eq!(hosts.connections.lock().unwrap()["mx.one.test"], 1);
}

#[tokio::test]
async fn a_policy_does_not_mend_what_fails_by_the_records() {
    for (is_right, mx, outcome) in [
        (false, "mx.one.test", "deferred 4.7.5"),
        // And what is right by the records needs no policy.
        (true, "other.test", "delivered"),
    ] {
        let mut hosts = Hosts::new();
        let stranger = TestCa::new().unwrap();
        let identity = identity(&hosts.ca, "mx.one.test", false);
        let pem = if is_right { &identity.chain_pem } else { stranger.root_pem() };
        hosts.host("mx.one.test", Some(server(&identity)), |_| None).await;
        hosts.world.mx("one.test", &[(10, "mx.one.test")], true);
        hosts.world.policy("one.test", "1", "enforce", mx);
        publish(&hosts.world, "mx.one.test", &[tlsa(3, 1, 1, pem)], true);
        let report = hosts.deliver(&["bob@one.test"]).await;
        assert_eq!(outcomes(&report), [outcome], "{report:?}");
        assert!(report.tls.iter().all(|told| told.policy == TlsPolicy::Tlsa));
    }
}

#[tokio::test]
async fn what_the_sender_wants_of_tls_goes_with_the_records() {
    let offers =
        |line: &str| line.starts_with("EHLO").then(|| "250-mx\r\n250-REQUIRETLS\r\n250 STARTTLS".to_owned());
    let stranger = TestCa::new().unwrap();
    let identity = identity(&stranger, "elsewhere.test", false);
    let mut hosts = Hosts::new();
    hosts.host("mx.one.test", Some(server(&identity)), offers).await;
    hosts.world.mx("one.test", &[(10, "mx.one.test")], true);
    let envelope = Envelope::new("anna@example.org", ["bob@one.test"]).unwrap();
    let required = envelope.clone().with_require_tls();
    let without = format!("TLS-Required: No\r\n{MESSAGE}");
    let delivery = hosts.delivery(Options::new());
    // By the authorities that are trusted it is nobody.
    assert_eq!(outcomes(&delivery.deliver(&required, MESSAGE).await), ["deferred 4.7.5"]);
    publish(&hosts.world, "mx.one.test", &[tlsa(3, 1, 1, &identity.chain_pem)], true);
    assert!(delivery.deliver(&required, MESSAGE).await.is_delivered());
    publish(&hosts.world, "mx.one.test", &[tlsa(3, 1, 1, stranger.root_pem())], true);
    assert_eq!(outcomes(&delivery.deliver(&envelope, MESSAGE).await), ["deferred 4.7.5"]);
    let report = delivery.deliver(&envelope, without.clone()).await;
    assert!(report.is_delivered() && report.tls.is_empty());

    // What is agreed with who runs a domain is no wish of the recipient.
    let agreed = hosts.delivery(Options::new().with_dane_required(vec!["ONE.test".into()]));
    assert_eq!(outcomes(&agreed.deliver(&envelope, without).await), ["deferred 4.7.5"]);
}

#[tokio::test]
async fn where_records_are_required_nothing_goes_without() {
    for (mx_is_signed, records, outcome) in [
        (true, "right", "delivered"),
        (true, "none", "deferred 4.7.5"),
        (true, "unusable", "deferred 4.7.5"),
        (false, "right", "deferred 4.7.5"),
    ] {
        let mut hosts = Hosts::new();
        let identity = identity(&hosts.ca, "mx.one.test", false);
        hosts.host("mx.one.test", Some(server(&identity)), |_| None).await;
        hosts.world.mx("one.test", &[(10, "mx.one.test")], mx_is_signed);
        let records = match records {
            "right" => vec![tlsa(3, 1, 1, &identity.chain_pem)],
            "unusable" => vec![Tlsa::new(0, 0, 1, [7; 32])],
            _ => Vec::new(),
        };
        publish(&hosts.world, "mx.one.test", &records, true);
        let delivery = hosts.delivery(Options::new().with_dane_required(vec!["one.test".into()]));
        let envelope = Envelope::new("anna@example.org", ["bob@one.test"]).unwrap();
        let report = delivery.deliver(&envelope, MESSAGE).await;
        assert_eq!(outcomes(&report), [outcome], "{records:?}: {report:?}");
        let told = report.tls.last().unwrap().failure;
        assert_eq!(told, (outcome != "delivered").then_some(TlsFailure::DaneRequired));
    }
}

#[test]
fn certificates_are_verified_without_a_connection() {
    let (ca, stranger) = (TestCa::new().unwrap(), TestCa::new().unwrap());
    let identity = identity(&ca, "mx.one.test", true);
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(identity.chain_pem.as_bytes()).map(Result::unwrap).collect();
    let now = UnixTime::now();
    let in_ten_thousand_years = {
        let time = SystemTime::now() + Duration::from_secs(10_000 * 366 * 86_400);
        UnixTime::since_unix_epoch(time.duration_since(SystemTime::UNIX_EPOCH).unwrap())
    };
    let verify = |records: &[Tlsa], chain: &[CertificateDer<'_>], name, time| {
        let name = ClientTls::server_name(name).unwrap();
        Dane::new(records.to_vec()).verify(chain, &name, time)
    };
    let own = tlsa(3, 1, 1, &identity.chain_pem);
    let authority = tlsa(2, 0, 1, ca.root_pem());
    let wrong = |matching| tlsa(3, 1, matching, stranger.root_pem());
    assert!(verify(std::slice::from_ref(&own), &chain, "other.test", in_ten_thousand_years).is_ok());
    assert!(verify(&[wrong(1), own.clone()], &chain, "mx.one.test", now).is_ok());
    // A digest that is stronger goes before one that is not.
    assert!(verify(&[wrong(2), own.clone()], &chain, "mx.one.test", now).is_err());
    assert!(verify(&[wrong(0), own.clone()], &chain, "mx.one.test", now).is_ok());
    assert!(verify(&[authority.clone(), wrong(2)], &chain, "mx.one.test", now).is_ok());
    let expired = verify(std::slice::from_ref(&authority), &chain, "mx.one.test", in_ten_thousand_years);
    assert!(matches!(expired, Err(DaneError::Certificate(_))), "{expired:?}");
    let other = verify(std::slice::from_ref(&authority), &chain, "other.test", now);
    assert!(matches!(other, Err(DaneError::Certificate(_))), "{other:?}");
    for (records, chain) in [
        (vec![], &chain[..]),
        (vec![own.clone()], &[]),
        (vec![own.clone()], &chain[1..]),
        (vec![authority.clone()], &chain[..1]),
        (vec![own, authority], &[CertificateDer::from(&b"\x30\x03abc"[..])]),
    ] {
        let told = verify(&records, chain, "mx.one.test", now);
        assert!(matches!(told, Err(DaneError::NoMatch)), "{told:?}");
    }
}

/// What name servers do to the answer to a question for TLSA records.
fn spoiled(how: &'static str, asked: Type) -> impl Fn(&mut Message) + Send + 'static {
    move |answer| {
        if answer.queries[0].query_type() != asked {
            return;
        }
        match how {
            "forged" => {
                for record in &mut answer.answers {
                    match &mut record.data {
                        RData::TLSA(tlsa) => tlsa.cert_data = vec![9; 32],
                        RData::MX(mx) => mx.exchange = name("mx.evil.test"),
                        _ => {}
                    }
                }
            }
            "stripped" => answer.answers.retain(|record| record.record_type() != Type::RRSIG),
            "removed" => answer.answers.clear(),
            "denied without proof" => {
                answer.answers.clear();
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            "failing" => {
                answer.answers.clear();
                answer.metadata.response_code = ResponseCode::ServFail;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn signed_zones_say_which_certificates_hosts_have() {
    let root = Arc::new(Root::new());
    let mut hosts = Hosts::new();
    let identity = identity(&hosts.ca, "elsewhere.test", false);
    // Nobody but DNS vouches for it.
    hosts.host("mx.one.test", Some(server(&identity)), |_| None).await;
    hosts.host("mx.evil.test", None, |_| None).await;
    let right = tlsa(3, 1, 1, &identity.chain_pem).data;
    let zone = |tlsa: Option<Vec<u8>>| -> Zone {
        let mut zone: Zone = vec![
            ("one.test", RData::MX(MX::new(10, name("mx.one.test")))),
            ("mx.one.test", RData::A(A::new(192, 0, 2, 25))),
            ("mx.evil.test", RData::A(A::new(192, 0, 2, 66))),
            // A zone of its own, without signatures, whose mail goes to the same host.
            ("plain.test", RData::NS(NS(name("ns.plain.test")))),
            ("plain.test", RData::MX(MX::new(10, name("mx.one.test")))),
            // And one whose host is elsewhere.
            ("aliased.test", RData::MX(MX::new(10, name("mx.aliased.test")))),
            ("mx.aliased.test", RData::CNAME(CNAME(name("mx.one.test")))),
        ];
        let record = |data| RData::TLSA(TLSA::new(3.into(), 1.into(), 1.into(), data));
        zone.extend(tlsa.map(|data| ("_25._tcp.mx.one.test", record(data))));
        zone
    };
    let (port, wrong) = (hosts.ports["mx.one.test"], Some(vec![7; 32]));
    hosts.ports.insert("mx.aliased.test".into(), port);
    let right = Some(right);
    for (tlsa, how, at, to, outcome, failure) in [
        (&right, "", Type::TLSA, "one.test", "delivered", None),
        (&right, "", Type::TLSA, "aliased.test", "delivered", None),
        (&wrong, "", Type::TLSA, "one.test", "deferred 4.7.5", Some(TlsFailure::ValidationFailure)),
        (&wrong, "", Type::TLSA, "aliased.test", "deferred 4.7.5", Some(TlsFailure::ValidationFailure)),
        (&None, "", Type::TLSA, "one.test", "delivered", None),
        (&right, "forged", Type::TLSA, "one.test", "deferred 4.4.3", Some(TlsFailure::DnssecInvalid)),
        (&right, "stripped", Type::TLSA, "one.test", "deferred 4.4.3", Some(TlsFailure::DnssecInvalid)),
        (&right, "removed", Type::TLSA, "one.test", "deferred 4.4.3", Some(TlsFailure::DnssecInvalid)),
        (
            &right,
            "denied without proof",
            Type::TLSA,
            "one.test",
            "deferred 4.4.3",
            Some(TlsFailure::DnssecInvalid),
        ),
        (&right, "failing", Type::TLSA, "one.test", "deferred 4.4.3", Some(TlsFailure::DnssecInvalid)),
        (&right, "stripped", Type::A, "one.test", "deferred 4.4.3", Some(TlsFailure::DnssecInvalid)),
        (&right, "forged", Type::MX, "one.test", "deferred 4.4.3", None),
        (&right, "stripped", Type::MX, "one.test", "deferred 4.4.3", None),
        (&right, "removed", Type::MX, "one.test", "deferred 4.4.3", None),
        // Of a zone without signatures nothing is known: what is forged there goes where it says.
        (&wrong, "", Type::MX, "plain.test", "delivered", None),
        (&right, "forged", Type::MX, "plain.test", "delivered", None),
    ] {
        let server = name_server(zone(tlsa.clone()), Some(root.clone()), spoiled(how, at)).await;
        let resolver = DnsResolver::of_servers([server]).with_trusted_key(15, root.public());
        let envelope = Envelope::new("anna@example.org", [format!("bob@{to}").as_str()]).unwrap();
        let report = hosts.delivery_over(resolver, Options::new()).deliver(&envelope, MESSAGE).await;
        assert_eq!(outcomes(&report), [outcome], "{how:?} {at} {to}: {report:?}");
        assert_eq!(report.tls.iter().find_map(|told| told.failure), failure, "{how:?} {at} {to}: {report:?}");
        let is_proved = report.tls.iter().any(|told| told.failure.is_none());
        assert_eq!(is_proved, tlsa == &right && outcome == "delivered" && to != "plain.test");
    }
}
