//! Delivery to the hosts of recipients, which are servers on loopback here.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

mod world;

use std::collections::BTreeMap;

use mailwire_transport::{
    deliver::{Options, Status, TlsFailure},
    dns::{Answer, Record, RecordType},
    domain_to_ascii,
    http::Response,
    smtp::Envelope,
    testing::TestCa,
};
use world::{Hosts, MESSAGE, outcomes, says};

#[tokio::test]
async fn hosts_are_tried_in_the_order_of_their_preference() {
    let mut hosts = Hosts::new();
    hosts.good("b.test").await;
    hosts.good("c.test").await;
    // The best is not there.
    hosts.world.mx("one.test", &[(30, "c.test"), (20, "B.test."), (10, "a.test")], false);
    let report = hosts.deliver(&["bob@one.test"]).await;
    assert_eq!(
        (outcomes(&report), report.recipients[0].host.as_deref()),
        (vec!["delivered".to_owned()], Some("b.test"))
    );
    assert_eq!(hosts.came(), [("b.test".to_owned(), vec!["bob@one.test".to_owned()], true)]);
}

#[tokio::test]
async fn equal_hosts_share_the_work() {
    let mut hosts = Hosts::new();
    hosts.good("a.test").await;
    hosts.good("b.test").await;
    hosts.world.mx("one.test", &[(10, "a.test"), (10, "b.test")], false);
    let envelope = Envelope::new("anna@example.org", ["bob@one.test"]).unwrap();
    let delivery = hosts.delivery(Options::new());
    for _ in 0..40 {
        assert!(delivery.deliver(&envelope, MESSAGE).await.is_delivered());
    }
    let came = hosts.came();
    // Once in 2^39 it is one of them alone.
    let first = came.iter().filter(|(host, ..)| host == "a.test").count();
    assert!((1..40).contains(&first), "{first}");
    // Connections are kept.
    assert_eq!(hosts.connections.lock().unwrap().values().sum::<usize>(), 2);
}

#[tokio::test]
async fn domains_without_hosts_are_told_apart() {
    let mut hosts = Hosts::new();
    hosts.good("bare.test").await;
    hosts.good("192.0.2.7").await;
    hosts.good("xn--bcher-kva.test").await;
    hosts.world.broken.lock().unwrap().insert("broken.test".into());
    hosts.world.mx("null.test", &[(0, ".")], false);
    hosts.world.mx("odd.test", &[(0, "192.0.2.1"), (0, "localhost")], false);
    hosts.world.mx("dead.test", &[(0, "nobody.test")], false);
    for domain in ["bare.test", "xn--bcher-kva.test"] {
        let address = Record::Address("192.0.2.7".parse().unwrap());
        hosts.world.answer(domain, RecordType::A, Answer::new(vec![address]));
    }
    let mut to = vec![
        ("a@bare.test", "delivered"),
        ("a@null.test", "failed 5.1.10"),
        ("a@missing.test", "failed 5.1.2"),
        ("a@odd.test", "failed 5.4.4"),
        ("a@broken.test", "deferred 4.4.3"),
        ("a@dead.test", "deferred 4.4.1"),
        ("a@[192.0.2.7]", "delivered"),
        ("a@localhost", "failed 5.1.2"),
        ("postmaster", "failed 5.1.2"),
    ];
    if domain_to_ascii("bücher.test").is_ok() {
        to.push(("a@bücher.test", "delivered"));
    }
    let addresses: Vec<_> = to.iter().map(|(address, _)| *address).collect();
    let report = hosts.deliver(&addresses).await;
    assert_eq!(outcomes(&report), to.iter().map(|(_, outcome)| *outcome).collect::<Vec<_>>());
    let told: Vec<_> = report.recipients.iter().map(|recipient| recipient.address.to_string()).collect();
    assert!(
        told.iter()
            .zip(&addresses)
            .all(|(told, address)| told.to_lowercase().contains(address.trim_start_matches("a@")))
    );
}

#[tokio::test]
async fn no_message_comes_round() {
    let hosts = Hosts::new();
    hosts.world.mx("own.test", &[(10, "me.test"), (20, "b.test")], false);
    hosts.world.mx("backed.test", &[(5, "gone.test"), (10, "me.test"), (20, "b.test")], false);
    let envelope = Envelope::new("anna@example.org", ["a@own.test", "a@backed.test"]).unwrap();
    let report =
        hosts.delivery(Options::new().with_names(vec!["ME.test".into()])).deliver(&envelope, MESSAGE).await;
    assert_eq!(outcomes(&report), ["failed 5.4.6", "deferred 4.4.1"]);
    assert_eq!(report.recipients[1].host.as_deref(), Some("gone.test"));
}

#[tokio::test]
async fn recipients_with_the_same_hosts_get_one_message() {
    let mut hosts = Hosts::new();
    hosts.host("mx.test", None, says("RCPT TO:<carol", "550 5.1.1 no such user")).await;
    hosts.good("other.test").await;
    for domain in ["one.test", "two.test"] {
        hosts.world.mx(domain, &[(10, "mx.test")], false);
    }
    hosts.world.mx("three.test", &[(10, "other.test")], false);
    let report = hosts.deliver(&["bob@one.test", "carol@two.test", "dan@three.test", "eve@two.test"]).await;
    assert_eq!(outcomes(&report), ["delivered", "failed 5.1.1", "delivered", "delivered"]);
    let mut came = hosts.came();
    came.sort();
    let both = vec!["bob@one.test".to_owned(), "eve@two.test".to_owned()];
    assert_eq!(
        came,
        [("mx.test".into(), both, false), ("other.test".into(), vec!["dan@three.test".into()], true)]
    );
}

#[tokio::test]
async fn refusals_are_what_they_are() {
    for (on, reply, outcome, tries_next) in [
        ("MAIL", "550 5.7.1 not you", "failed 5.7.1", false),
        ("RCPT", "550 5.1.1 no such user", "failed 5.1.1", false),
        (".", "554 5.6.0 not that", "failed 5.6.0", false),
        ("RCPT", "450 4.2.0 Greylisted, please try again in 300 seconds", "deferred 4.2.0", false),
        ("RCPT", "452 4.2.2 mailbox full", "delivered", true),
        ("MAIL", "451 4.3.0 not now", "delivered", true),
        (".", "451 4.3.0 not now", "delivered", true),
        ("", "554 5.3.2 not here", "delivered", true),
        ("", "421 4.3.2 busy", "delivered", true),
        ("DATA", "", "delivered", true),
        (".", "", "in doubt", false),
    ] {
        let mut hosts = Hosts::new();
        hosts.host("a.test", None, says(on, reply)).await;
        hosts.good("b.test").await;
        hosts.world.mx("one.test", &[(10, "a.test"), (20, "b.test")], false);
        let report = hosts.deliver(&["bob@one.test"]).await;
        assert_eq!(outcomes(&report), [outcome], "{on} {reply}: {report:?}");
        assert_eq!(hosts.came().len(), usize::from(tries_next), "{on} {reply}");
        if let Status::Deferred(reason) = &report.recipients[0].status {
            assert!(reason.is_greylisting());
        }
    }
}

#[tokio::test]
async fn what_no_host_takes_is_the_last_ones_word() {
    let mut hosts = Hosts::new();
    hosts.host("a.test", None, says("RCPT", "452 4.2.2 full")).await;
    hosts.host("b.test", None, says("", "421 4.3.2 busy")).await;
    hosts.world.mx("one.test", &[(10, "a.test"), (20, "b.test")], false);
    let report = hosts.deliver(&["bob@one.test"]).await;
    assert_eq!(outcomes(&report), ["deferred 4.3.2"]);
    assert_eq!(report.recipients[0].host.as_deref(), Some("b.test"));
}

#[tokio::test]
async fn without_a_policy_tls_is_taken_as_it_is_offered() {
    let mut hosts = Hosts::new();
    let stranger = TestCa::new().unwrap().server_tls(&["other.test"]).unwrap();
    hosts.host("strange.test", Some(stranger), |_| None).await;
    hosts.host("clear.test", None, |_| None).await;
    // Offers what it does not have.
    hosts.host("broken.test.test", hosts.tls("x.test"), says("STARTTLS", "454 4.7.0 not now")).await;
    for (domain, host, tls) in [
        ("a.test", "strange.test", true),
        ("b.test", "clear.test", false),
        ("c.test", "broken.test.test", false),
    ] {
        hosts.world.mx(domain, &[(10, host)], false);
        let report = hosts.deliver(&[&format!("bob@{domain}")]).await;
        assert!(report.is_delivered() && report.tls.is_empty(), "{report:?}");
        assert_eq!(hosts.came()[0].2, tls, "{domain}");
    }
}

#[tokio::test]
async fn a_policy_that_is_enforced_is_kept() {
    for (mode, tls_name, mx, is_delivered, failure) in [
        ("enforce", Some("mx.one.test"), "*.one.test", true, None),
        ("enforce", Some("other.test"), "mx.one.test", false, Some(TlsFailure::CertificateHostMismatch)),
        ("enforce", None, "mx.one.test", false, Some(TlsFailure::StarttlsNotSupported)),
        ("enforce", Some("mx.one.test"), "mx.other.test", false, Some(TlsFailure::ValidationFailure)),
        ("testing", Some("mx.one.test"), "mx.one.test", true, None),
        ("testing", Some("other.test"), "mx.one.test", true, Some(TlsFailure::CertificateHostMismatch)),
        ("testing", None, "mx.one.test", true, Some(TlsFailure::StarttlsNotSupported)),
        ("testing", Some("mx.one.test"), "mx.other.test", true, Some(TlsFailure::ValidationFailure)),
    ] {
        let mut hosts = Hosts::new();
        let tls = tls_name.and_then(|name| hosts.tls(name));
        hosts.host("mx.one.test", tls, |_| None).await;
        hosts.world.mx("one.test", &[(10, "mx.one.test")], false);
        hosts.world.policy("one.test", "1", mode, mx);
        let report = hosts.deliver(&["bob@one.test"]).await;
        let expected = if is_delivered { "delivered" } else { "deferred 4.7.5" };
        assert_eq!(outcomes(&report), [expected], "{mode} {tls_name:?} {mx}: {report:?}");
        assert_eq!(report.tls.len(), 1, "{report:?}");
        assert_eq!((report.tls[0].failure, report.tls[0].host.as_deref()), (failure, Some("mx.one.test")));
        // What may not go is not begun.
        assert_eq!(hosts.came().len(), usize::from(is_delivered));
    }
}

#[tokio::test]
async fn a_stripped_record_or_a_forged_host_does_not_end_a_policy() {
    let mut hosts = Hosts::new();
    hosts.good("mx.one.test").await;
    hosts.host("mx.evil.test", None, |_| None).await;
    hosts.world.mx("one.test", &[(10, "mx.one.test")], false);
    hosts.world.policy("one.test", "1", "enforce", "mx.one.test");
    let delivery = hosts.delivery(Options::new());
    let envelope = Envelope::new("anna@example.org", ["bob@one.test"]).unwrap();
    for _ in 0..2 {
        assert!(delivery.deliver(&envelope, MESSAGE).await.is_delivered());
    }
    assert_eq!(hosts.world.fetched.lock().unwrap().len(), 1);
    hosts.came();
    // Whoever forges what DNS says takes the record away, and names a host.
    hosts.world.answer("_mta-sts.one.test", RecordType::Txt, Answer::default());
    hosts.world.mx("one.test", &[(10, "mx.evil.test")], false);
    let report = delivery.deliver(&envelope, MESSAGE).await;
    assert_eq!((outcomes(&report), hosts.came()), (vec!["deferred 4.7.5".to_owned()], Vec::new()));
    // Another id is another policy.
    hosts.world.policy("one.test", "2", "none", "mx.one.test");
    assert!(delivery.deliver(&envelope, MESSAGE).await.is_delivered());
    assert_eq!(hosts.world.fetched.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_policy_that_cannot_be_had_is_told_and_none() {
    let mut hosts = Hosts::new();
    hosts.host("mx.test", None, |_| None).await;
    let url = "https://mta-sts.one.test/.well-known/mta-sts.txt";
    let policy = "version: STSv1\nmode: enforce\nmx: other.test\nmax_age: 86400\n";
    for (response, failure) in [
        (Response::new(404, ""), TlsFailure::StsPolicyFetchError),
        (Response::new(302, "").with_location("https://other.test/"), TlsFailure::StsPolicyFetchError),
        (Response::new(200, policy).with_media_type("text/html"), TlsFailure::StsPolicyInvalid),
        (Response::new(200, "x").with_media_type("text/plain"), TlsFailure::StsPolicyInvalid),
    ] {
        hosts.world.mx("one.test", &[(10, "mx.test")], false);
        hosts.world.policy("one.test", "1", "enforce", "other.test");
        hosts.world.documents.lock().unwrap().insert(url.to_owned(), response);
        let report = hosts.deliver(&["bob@one.test"]).await;
        assert!(report.is_delivered());
        assert_eq!((report.tls.len(), report.tls[0].failure), (1, Some(failure)));
    }
}

#[tokio::test]
async fn who_requires_tls_gets_it_or_nothing() {
    let offers =
        |line: &str| line.starts_with("EHLO").then(|| "250-mx\r\n250-REQUIRETLS\r\n250 STARTTLS".to_owned());
    let required = Envelope::new("anna@example.org", ["bob@one.test"]).unwrap().with_require_tls();
    for (signed, tls_name, is_offered, outcome) in [
        (true, Some("mx.test"), true, "delivered"),
        (false, Some("mx.test"), true, "failed 5.7.30"),
        (true, Some("other.test"), true, "deferred 4.7.5"),
        (true, None, false, "deferred 4.7.5"),
        (true, Some("mx.test"), false, "failed 5.7.30"),
    ] {
        let mut hosts = Hosts::new();
        let tls = tls_name.and_then(|name| hosts.tls(name));
        hosts.host("mx.test", tls, move |line| if is_offered { offers(line) } else { None }).await;
        hosts.world.mx("one.test", &[(10, "mx.test")], signed);
        let report = hosts.delivery(Options::new()).deliver(&required, MESSAGE).await;
        assert_eq!(outcomes(&report), [outcome], "{signed} {tls_name:?} {is_offered}: {report:?}");
        assert_eq!(hosts.came().len(), usize::from(outcome == "delivered"));
    }
}

#[tokio::test]
async fn a_message_that_can_do_without_tls_is_not_held_up_by_a_policy() {
    let mut hosts = Hosts::new();
    hosts.host("mx.test", None, |_| None).await;
    hosts.world.mx("one.test", &[(10, "mx.test")], false);
    hosts.world.policy("one.test", "1", "enforce", "other.test");
    let envelope = Envelope::new("anna@example.org", ["bob@one.test"]).unwrap();
    let delivery = hosts.delivery(Options::new());
    assert_eq!(outcomes(&delivery.deliver(&envelope, MESSAGE).await), ["deferred 4.7.5"]);
    let report = delivery.deliver(&envelope, format!("TLS-Required: No\r\n{MESSAGE}")).await;
    assert!(report.is_delivered() && report.tls.is_empty());
}

/// Ten thousand recipients over a hundred hosts: each gets the message once, or what is told of it is so.
#[tokio::test]
async fn many_recipients_over_many_hosts_with_faults() {
    const HOSTS: usize = 100;
    const EACH: usize = 100;
    let mut hosts = Hosts::new();
    hosts.host("backup.test", None, |_| None).await;
    for host in 0..HOSTS {
        let name = format!("mx{host}.test");
        let tls = hosts.tls(&name);
        match host % 10 {
            0 => hosts.good(&name).await,
            1 => hosts.host(&name, tls, |line| refuses(line, "<u1", "550 5.1.1 no such user")).await,
            2 => hosts.host(&name, tls, |line| refuses(line, "<u5", "452 4.5.3 too many recipients")).await,
            3 => hosts.host(&name, None, says("DATA", "")).await,
            4 => hosts.host(&name, None, says("MAIL", "451 4.3.0 not now")).await,
            5 => hosts.host(&name, None, says("", "421 4.3.2 busy")).await,
            6 => hosts.host(&name, tls, says("STARTTLS", "454 4.7.0 not now")).await,
            7 => hosts.host(&name, None, says(".", "")).await,
            // Nobody is there; and not even a second one.
            _ => {}
        }
        let of_domain = [(10, name.as_str()), (20, "backup.test")];
        let count = if host % 10 == 9 { 1 } else { 2 };
        hosts.world.mx(&format!("d{host}.test"), &of_domain[..count], false);
    }
    let to: Vec<_> = (0..HOSTS * EACH).map(|n| format!("u{}@d{}.test", n / HOSTS, n % HOSTS)).collect();
    let report = hosts.deliver(&to.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut got: BTreeMap<String, usize> = BTreeMap::new();
    for (_, to, _) in hosts.came() {
        to.into_iter().for_each(|to| *got.entry(to).or_default() += 1);
    }
    assert_eq!(report.recipients.len(), HOSTS * EACH);
    for (n, (recipient, address)) in report.recipients.iter().zip(&to).enumerate() {
        let times = got.get(address).copied().unwrap_or(0);
        let (is_first, fault) = (address.starts_with("u1"), n % HOSTS % 10);
        match (&recipient.status, fault) {
            (Status::Failed(reason), 1) if is_first => {
                assert_eq!((times, reason.code.as_str()), (0, "5.1.1"), "{address}");
            }
            (Status::InDoubt(_), 7) => assert_eq!(times, 0, "{address}"),
            (Status::Deferred(reason), 9) => {
                assert_eq!((times, reason.code.as_str()), (0, "4.4.1"), "{address}");
            }
            (Status::Delivered(_), 0..=6 | 8) if !(fault == 1 && is_first) => {
                assert_eq!(times, 1, "{address}");
            }
            (other, _) => panic!("{address}: {other:?}"),
        }
    }
}

fn refuses(line: &str, whom: &str, reply: &str) -> Option<String> {
    line.contains(whom).then(|| reply.to_owned())
}
