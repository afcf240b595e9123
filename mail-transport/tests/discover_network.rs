//! The defaults of discovery over loopback sockets: DNS with and without signatures, HTTPS, and servers that are tried.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod zone;

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{
        Name, RData, Record, RecordType as Type,
        rdata::{A, AAAA, CNAME, MX, SRV, TLSA, TXT},
    },
};
use mailwire_transport::{
    Address, Endpoint, Error,
    discover::{Checked, Connect, Discovery, Options, Probe, Source, Trust},
    dns::{DnsResolver, Mx, Record as Told, RecordType, Resolver, Srv, Tlsa},
    http::{Http, HttpError, HttpsClient, Request, Url},
    testing::TestCa,
    tls::{ClientTls, ServerTls},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};
use zone::{Root, name, name_server};

fn srv(port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(0, 1, port, name(target)))
}

#[tokio::test]
async fn records_of_each_type_are_looked_up() {
    let zone = vec![
        ("example.test", RData::A(A::new(192, 0, 2, 1))),
        ("example.test", RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))),
        ("example.test", RData::MX(MX::new(10, name("MX.example.test")))),
        ("none.test", RData::MX(MX::new(0, Name::root()))),
        ("example.test", RData::TXT(TXT::from_bytes(vec![b"v=STSv1; ", b"id=1;\xff"]))),
        ("_imaps._tcp.example.test", srv(993, "imap.example.test")),
        ("_25._tcp.mx.example.test", RData::TLSA(TLSA::new(3.into(), 1.into(), 1.into(), vec![7; 32]))),
    ];
    let resolver = DnsResolver::of_servers([name_server(zone, None, |_| {}).await]);
    for (name, record_type, expected) in [
        ("example.test", RecordType::A, Told::Address("192.0.2.1".parse().unwrap())),
        ("example.test", RecordType::Aaaa, Told::Address("2001:db8::1".parse().unwrap())),
        ("example.test", RecordType::Mx, Told::Mx(Mx::new(10, "MX.example.test"))),
        ("none.test.", RecordType::Mx, Told::Mx(Mx::new(0, "."))),
        ("example.test", RecordType::Txt, Told::Txt(b"v=STSv1; id=1;\xff".to_vec())),
        ("_imaps._tcp.example.test", RecordType::Srv, Told::Srv(Srv::new(0, 1, 993, "imap.example.test"))),
        ("_25._tcp.mx.example.test", RecordType::Tlsa, Told::Tlsa(Tlsa::new(3, 1, 1, vec![7; 32]))),
    ] {
        let answer = resolver.lookup(name, record_type).await.unwrap();
        assert_eq!((answer.records, answer.authenticated), (vec![expected], false), "{name} {record_type}");
    }
    for name in ["nobody.test", "_imap._tcp.example.test"] {
        assert_eq!(resolver.lookup(name, RecordType::Srv).await.unwrap().records, []);
    }
    for name in ["a b\u{e9}", "a..b", &"a".repeat(300)] {
        assert!(resolver.lookup(name, RecordType::A).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn an_answer_is_authenticated_if_signatures_prove_it() {
    let root = Arc::new(Root::new());
    let zone = || vec![("_imaps._tcp.example.test", srv(993, "imap.host.test"))];
    let asked = |server, trusted: Vec<u8>| async move {
        let resolver = DnsResolver::of_servers([server]).with_trusted_key(15, trusted);
        resolver.lookup("_imaps._tcp.example.test", RecordType::Srv).await
    };
    let signed = name_server(zone(), Some(root.clone()), |_| {}).await;
    let answer = asked(signed, root.public()).await.unwrap();
    assert_eq!((answer.authenticated, answer.srv().count()), (true, 1));
    // Whoever is not asked for signatures is told none.
    let plain = DnsResolver::of_servers([signed]);
    assert!(!plain.lookup("_imaps._tcp.example.test", RecordType::Srv).await.unwrap().authenticated);

    // Another target, no signature, and a root that is not trusted.
    let other = |answer: &mut Message| {
        for record in &mut answer.answers {
            if record.record_type() == Type::SRV {
                record.data = srv(993, "imap.evil.test");
            }
        }
    };
    let forged = name_server(zone(), Some(root.clone()), other).await;
    let bare = |answer: &mut Message| answer.answers.retain(|record| record.record_type() != Type::RRSIG);
    let stripped = name_server(zone(), Some(root.clone()), bare).await;
    for (server, trusted) in
        [(forged, root.public()), (stripped, root.public()), (signed, Root::new().public())]
    {
        let answer = asked(server, trusted).await;
        assert!(answer.as_ref().is_err() || !answer.as_ref().unwrap().authenticated, "{answer:?}");
    }
}

#[tokio::test]
async fn answers_that_are_none_are_not_believed() {
    let zone = || vec![("example.test", RData::A(A::new(192, 0, 2, 66)))];
    let other_id = |answer: &mut Message| {
        answer.metadata.id = answer.metadata.id.wrapping_add(1);
    };
    let failure = |answer: &mut Message| {
        answer.metadata.response_code = ResponseCode::ServFail;
    };
    let query_of_other = |answer: &mut Message| {
        answer.queries[0].set_name(name("other.test"));
    };
    let alias = |answer: &mut Message| {
        // An alias to itself.
        let to_itself = RData::CNAME(CNAME(name("example.test")));
        answer.answers = vec![Record::from_rdata(name("example.test"), 300, to_itself)];
    };
    let servers = [
        name_server(zone(), None, other_id).await,
        name_server(zone(), None, query_of_other).await,
        name_server(zone(), None, alias).await,
        name_server(zone(), None, failure).await,
    ];
    let lookups = servers.map(|server| {
        tokio::spawn(async move {
            let resolver = DnsResolver::of_servers([server]).with_timeout(Duration::from_millis(100));
            resolver.lookup("example.test", RecordType::A).await
        })
    });
    for lookup in lookups {
        let answer = lookup.await.unwrap();
        assert!(answer.as_ref().map_or(true, |answer| answer.addresses().next().is_none()), "{answer:?}");
    }
}

/// Leads each endpoint to a port of this machine: the host stays the one that the certificate has to be for.
fn to_loopback(
    tls: ClientTls,
    ports: Vec<(u16, u16)>,
) -> impl Fn(Endpoint) -> Endpoint + Send + Sync + Clone {
    move |endpoint| {
        let Address::Tcp { host, port } = endpoint.address().clone() else { return endpoint };
        // What is not there is a port where nobody listens.
        let here = ports.iter().find(|(there, _)| *there == port).map_or(1, |(_, here)| *here);
        Endpoint::tcp("127.0.0.1", here, endpoint.security())
            .with_timeouts(endpoint.timeouts().clone())
            .with_server_name(host)
            .with_tls(tls.clone())
    }
}

/// A server within TLS that answers each line, after a greeting. An answer without a line end ends the connection.
async fn server(
    tls: ServerTls,
    greeting: &'static str,
    answer: impl Fn(&str) -> Option<String> + Send + Sync + Clone + 'static,
) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (tls, answer) = (tls.clone(), answer.clone());
            tokio::spawn(async move {
                let Ok(stream) = tls.accept(socket.into()).await else { return };
                let mut stream = BufReader::new(stream);
                let _ = stream.write_all(greeting.as_bytes()).await;
                let _ = stream.flush().await;
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|length| length > 0) {
                    if let Some(answer) = answer(line.trim_end()) {
                        let _ = stream.write_all(answer.as_bytes()).await;
                        let _ = stream.flush().await;
                        if !answer.ends_with("\r\n") {
                            break;
                        }
                    }
                    line.clear();
                }
                let _ = stream.shutdown().await;
                // The client closes when it has all.
                let _ = stream.read(&mut [0; 64]).await;
            });
        }
    });
    port
}

/// A web server within TLS: what it answers to the request line, with an empty line at the end of the header.
async fn web_server(tls: ServerTls, respond: impl Fn(&str) -> String + Send + Sync + Clone + 'static) -> u16 {
    let request = Arc::new(std::sync::Mutex::new(String::new()));
    server(tls, "", move |line| {
        let mut request = request.lock().unwrap();
        match line {
            "" => Some(respond(&std::mem::take(&mut *request))),
            line if line.starts_with("GET ") || line.starts_with("POST ") => {
                line.clone_into(&mut request);
                None
            }
            _ => None,
        }
    })
    .await
}

fn document(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn documents_come_over_https_from_who_proves_to_be_the_host() {
    let ca = TestCa::new().unwrap();
    let port = web_server(ca.server_tls(&["a.example.test"]).unwrap(), |request| match request {
        "GET /doc?x=y HTTP/1.1" => document("hello"),
        "POST /post HTTP/1.1" => document("posted"),
        "GET /large HTTP/1.1" => document(&"x".repeat(100)),
        "GET /none HTTP/1.1" => "SSH-2.0-x".into(),
        "GET /moved HTTP/1.1" => {
            "HTTP/1.1 301 Moved\r\nLocation: https://b.example.test/\r\nContent-Length: 0\r\n\r\n".into()
        }
        _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n.".into(),
    })
    .await;
    let client = |ca: &TestCa| {
        let shape = to_loopback(ca.client_tls().unwrap(), vec![(443, port)]);
        HttpsClient::new().with_endpoint(shape)
    };
    let own = client(&ca);
    let url = |text: &str| Url::parse(text).unwrap();
    let get = async |text: &str| own.send(&Request::get(url(text), 50)).await;
    let response = get("https://a.example.test/doc?x=y").await.unwrap();
    assert_eq!((response.status, response.body.as_ref()), (200, &b"hello"[..]));
    assert_eq!(response.media_type.as_deref(), Some("text/xml"));
    let post = Request::post(url("https://a.example.test/post"), "text/xml", "<a/>", 50);
    assert_eq!(own.send(&post).await.unwrap().body, "posted");
    assert_eq!(get("https://a.example.test/other").await.unwrap().status, 404);
    let moved = get("https://a.example.test/moved").await.unwrap();
    assert_eq!((moved.status, moved.location.as_deref()), (301, Some("https://b.example.test/")));
    let error = get("https://a.example.test/large").await.unwrap_err();
    assert!(matches!(error, HttpError::TooLarge { limit: 50, .. }), "{error}");
    let error = get("https://a.example.test/none").await.unwrap_err();
    assert!(matches!(error, HttpError::Malformed { .. }), "{error}");
    // Another name than the certificate's, and an authority that is not trusted.
    for (client, host) in [(own.clone(), "b"), (client(&TestCa::new().unwrap()), "a")] {
        let error = client
            .send(&Request::get(url(&format!("https://{host}.example.test/doc")), 50))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, HttpError::Connection(error) if matches!(**error, Error::Tls(_))),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_web_server_that_says_nothing_is_given_up() {
    let ca = TestCa::new().unwrap();
    let port = server(ca.server_tls(&["a.example.test"]).unwrap(), "", |_| None).await;
    let client = HttpsClient::new()
        .with_endpoint(to_loopback(ca.client_tls().unwrap(), vec![(443, port)]))
        .with_timeout(Duration::from_millis(200));
    let request = Request::get(Url::parse("https://a.example.test/").unwrap(), 50);
    let error = client.send(&request).await.unwrap_err();
    assert!(
        matches!(&error, HttpError::Connection(error) if matches!(**error, Error::Timeout { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("a.example.test"), "{error}");
}

/// Enough of each protocol to greet and to say goodbye. `None`: nothing is said to that.
fn imap(line: &str) -> Option<String> {
    let (tag, command) = line.split_once(' ')?;
    Some(match command {
        "LOGOUT" => format!("* BYE\r\n{tag} OK bye\r\n"),
        "CAPABILITY" => format!("* CAPABILITY IMAP4rev1\r\n{tag} OK\r\n"),
        _ => format!("{tag} BAD\r\n"),
    })
}

fn pop3(line: &str) -> Option<String> {
    Some(match line {
        "CAPA" => "+OK\r\nUSER\r\n.\r\n".into(),
        "QUIT" => "+OK\r\n".into(),
        _ => "-ERR\r\n".into(),
    })
}

fn smtp(line: &str) -> Option<String> {
    Some(match line.split(' ').next()? {
        "EHLO" => "250 smtp.example.test\r\n".into(),
        "QUIT" => "221 2.0.0 bye\r\n".into(),
        _ => "500 no\r\n".into(),
    })
}

#[tokio::test]
async fn an_address_is_all_that_it_takes() {
    let ca = TestCa::new().unwrap();
    let tls = |host| ca.server_tls(&[host]).unwrap();
    let autoconfig = r#"<clientConfig version="1.1"><emailProvider id="e"><incomingServer type="pop3">
        <hostname>pop.example.test</hostname><port>995</port><socketType>SSL</socketType></incomingServer>
        </emailProvider></clientConfig>"#;
    let web = web_server(tls("autoconfig.example.test"), move |request| {
        match request.starts_with("GET /mail/config-v1.1.xml?emailaddress=anna%40example.test ") {
            true => document(autoconfig),
            false => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n.".into(),
        }
    })
    .await;
    let ports = vec![
        (443, web),
        (993, server(tls("imap.example.test"), "* OK IMAP4rev1 ready\r\n", imap).await),
        (995, server(tls("pop.example.test"), "+OK ready\r\n", pop3).await),
        // The certificate is another host's: whoever answers there is not believed.
        (465, server(tls("smtp.other.test"), "220 smtp.example.test ESMTP\r\n", smtp).await),
        (587, server(tls("smtp.example.test"), "220 smtp.example.test ESMTP\r\n", smtp).await),
    ];
    let zone = vec![
        ("_imaps._tcp.example.test", srv(993, "imap.example.test")),
        ("_submissions._tcp.example.test", RData::SRV(SRV::new(0, 1, 465, name("smtp.example.test")))),
        ("_submissions._tcp.example.test", RData::SRV(SRV::new(9, 1, 587, name("smtp.example.test")))),
    ];
    let shape = to_loopback(ca.client_tls().unwrap(), ports);
    let discovery = Discovery::over(
        DnsResolver::of_servers([name_server(zone, None, |_| {}).await]),
        HttpsClient::new().with_endpoint(shape.clone()),
        Connect::new().with_endpoint(shape),
    );
    let discovery = discovery.with_options(Options::new().with_database(None));
    let found = discovery.discover("anna@example.test").await.unwrap();
    let told: Vec<_> = found
        .settings
        .iter()
        .map(|settings| {
            let found = &settings.found[0];
            (settings.to_string(), found.source, found.trust, settings.checked == Checked::Answers)
        })
        .collect();
    let expected = [
        ("POP3 at pop.example.test:995 with TLS", Source::Autoconfig, Trust::Https, true),
        ("IMAP at imap.example.test:993 with TLS", Source::Srv, Trust::Plain, true),
        ("submission at smtp.example.test:587 with TLS", Source::Srv, Trust::Plain, true),
        ("submission at smtp.example.test:465 with TLS", Source::Srv, Trust::Plain, false),
    ];
    assert_eq!(
        told,
        expected.map(|(text, source, trust, answers)| (text.to_owned(), source, trust, answers))
    );
    let forged = found.submission().last().unwrap();
    assert!(
        matches!(&forged.checked, Checked::Fails(reason) if reason.contains("smtp.example.test")),
        "{forged:?}"
    );
    assert!(found.settings.iter().all(|settings| settings.doubt().is_none()));
    // An account goes to a client as it is.
    let account = found.incoming().next().unwrap().account().unwrap();
    assert_eq!(account.to_string(), "pop3s://anna%40example.test@pop.example.test");
    assert!(Connect::new().probe(forged).await.is_err());
}
