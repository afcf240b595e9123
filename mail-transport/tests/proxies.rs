//! Connecting through proxies: good ones, such that refuse, and such that are none.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{net::Ipv4Addr, time::Duration};

use mailwire_transport::{
    Endpoint, Error, Phase, Proxy, Security, Stream, Timeouts,
    proxy::{Handshake, ProxyRefusal, Step},
    testing::TestCa,
};
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

const CLEAR: Security = Security::plaintext_without_encryption();

/// A proxy that says `answers` one after the other, each when what it is to hear has come. Gives its port and, at the
/// end, its stream.
async fn proxy(script: Vec<(Vec<u8>, Vec<u8>)>, step: usize) -> (u16, JoinHandle<TcpStream>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        for (expected, answer) in script {
            let mut heard = vec![0; expected.len()];
            stream.read_exact(&mut heard).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(&expected));
            for piece in answer.chunks(step) {
                // Whoever has heard enough goes.
                if stream.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        stream
    });
    (port, task)
}

fn endpoint(proxy: Proxy) -> Endpoint {
    // Nobody here can look that up.
    Endpoint::tcp("imap.invalid", 993, CLEAR).with_proxy(Some(proxy))
}

const REQUEST: &[u8] = b"\x05\x01\x00\x03\x0cimap.invalid\x03\xe1";
const GREETING: &[u8] = b"* OK hello\r\n";

fn socks(method: u8, reply: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut script = vec![(b"\x05\x01\x00".to_vec(), vec![5, method])];
    if method == 0 {
        script.push((REQUEST.to_vec(), [reply, GREETING].concat()));
    }
    script
}

/// The server's first words come with the proxy's last ones, and are the stream's.
async fn is_greeted(mut stream: Stream) {
    let mut heard = vec![0; GREETING.len()];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, GREETING);
}

#[tokio::test]
async fn socks5_connects_by_name_and_loses_nothing() {
    let v4 = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x19";
    let name = b"\x05\x00\x00\x03\x05proxy\x00\x19";
    let v6 = [&b"\x05\x00\x00\x04"[..], &[0; 18]].concat();
    for reply in [&v4[..], name, &v6, b"\x05\x00\x00\x03\x00\x00\x19"] {
        for step in [1, 1000] {
            let (port, task) = proxy(socks(0, reply), step).await;
            is_greeted(endpoint(Proxy::socks5("127.0.0.1", port)).connect().await.unwrap()).await;
            task.await.unwrap();
        }
    }
}

#[tokio::test]
async fn socks5_logs_in_and_tells_addresses_as_addresses() {
    let script = vec![
        (b"\x05\x02\x00\x02".to_vec(), b"\x05\x02".to_vec()),
        (b"\x01\x04anna\x06secret".to_vec(), b"\x01\x00".to_vec()),
        (
            [&b"\x05\x01\x00\x04"[..], &[0; 15], &[1, 0, 25]].concat(),
            [&b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"[..], GREETING].concat(),
        ),
    ];
    let (port, task) = proxy(script, 1).await;
    let proxy = format!("socks5h://anna:secret@127.0.0.1:{port}").parse::<Proxy>().unwrap();
    assert!(!format!("{proxy:?} {proxy}").contains("secret"));
    is_greeted(Endpoint::tcp("::1", 25, CLEAR).with_proxy(Some(proxy)).connect().await.unwrap()).await;
    task.await.unwrap();
}

#[tokio::test]
async fn each_refusal_of_socks5_has_its_words() {
    let words = [
        "it has failed in general",
        "its rules do not allow the connection",
        "the network cannot be reached",
        "the host cannot be reached",
        "the connection was refused",
        "the packets have lived too long",
        "it does not connect to servers",
        "it does not know such addresses",
        "it refuses with the code 9",
    ];
    for (code, words) in (1..).zip(words) {
        let (port, _task) = proxy(socks(0, &[5, code, 0, 1, 0, 0, 0, 0, 0, 0]), 1000).await;
        let error = endpoint(Proxy::socks5("127.0.0.1", port)).connect().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("imap.invalid:993 through the proxy 127.0.0.1:{port}: {words}")
        );
        assert_eq!(error.is_transient(), [1, 3, 4, 5, 6].contains(&code), "{code}");
        assert!(!error.is_authentication(), "of the server");
    }
}

async fn refusal(proxy: Proxy) -> ProxyRefusal {
    match endpoint(proxy).connect().await.unwrap_err() {
        Error::Proxy(error) => error.reason,
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn logins_that_are_needed_or_refused_are_told_apart() {
    let (port, _task) = proxy(socks(0xff, b""), 1).await;
    assert_eq!(refusal(Proxy::socks5("127.0.0.1", port)).await, ProxyRefusal::LoginNeeded);
    let script = vec![
        (b"\x05\x02\x00\x02".to_vec(), b"\x05\x02".to_vec()),
        (b"\x01\x04anna\x02no".to_vec(), b"\x01\x01".to_vec()),
    ];
    let (port, _task) = proxy(script, 1).await;
    let login = Proxy::socks5("127.0.0.1", port).with_login("anna", "no");
    assert_eq!(refusal(login).await, ProxyRefusal::LoginRefused);
    let answer = b"HTTP/1.1 407 Who are you?\r\nProxy-Authenticate: Basic\r\n\r\n";
    let (port, _task) = proxy(vec![(connect(""), answer.to_vec())], 1).await;
    assert_eq!(refusal(Proxy::http("127.0.0.1", port)).await, ProxyRefusal::LoginNeeded);
    let basic = connect("Proxy-Authorization: Basic YW5uYTpubw==\r\n");
    let (port, _task) = proxy(vec![(basic, answer.to_vec())], 1).await;
    let login = Proxy::http("127.0.0.1", port).with_login("anna", "no");
    assert_eq!(refusal(login).await, ProxyRefusal::LoginRefused);
}

/// What CONNECT is.
fn connect(field: &str) -> Vec<u8> {
    format!("CONNECT imap.invalid:993 HTTP/1.1\r\nHost: imap.invalid:993\r\n{field}\r\n").into_bytes()
}

#[tokio::test]
async fn http_connects_and_loses_nothing() {
    for answer in [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200\r\n\r\n",
        "HTTP/1.1 200 \r\nVia: x\r\nServer: y\r\n\r\n",
        "HTTP/1.1 200 OK\nVia: x\n\n",
        "HTTP/1.1 200 OK\r\nVia: \r x\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 Fine\r\n\r\n",
    ] {
        for step in [1, 3, 1000] {
            let script = vec![(connect(""), [answer.as_bytes(), GREETING].concat())];
            let (port, task) = proxy(script, step).await;
            is_greeted(endpoint(Proxy::http("127.0.0.1", port)).connect().await.unwrap()).await;
            task.await.unwrap();
        }
    }
}

#[tokio::test]
async fn refusals_of_http_are_told_with_the_proxys_words() {
    for (status, transient) in
        [(403, false), (404, false), (502, true), (503, true), (429, true), (301, false)]
    {
        let answer = format!("HTTP/1.1 {status} No\x1b way\r\n\r\n<html>");
        let (port, _task) = proxy(vec![(connect(""), answer.into_bytes())], 1).await;
        let error = endpoint(Proxy::http("127.0.0.1", port)).connect().await.unwrap_err();
        let text = error.to_string();
        assert!(text.ends_with(&format!("127.0.0.1:{port}: it answers {status} No\\u{{1b}} way")), "{text}");
        assert_eq!(error.is_transient(), transient);
    }
}

#[tokio::test]
async fn what_is_no_proxy_is_an_error() {
    for answer in
        [&b"220 mx.example ESMTP\r\n\r\n"[..], b"* OK hello\r\n\r\n", &[0; 64], b"HTTP/1.1 2000 OK\r\n\r\n"]
    {
        let (port, _task) = proxy(vec![(b"\x05\x01\x00".to_vec(), answer.to_vec())], 1000).await;
        let socks = refusal(Proxy::socks5("127.0.0.1", port)).await;
        assert_eq!(socks, ProxyRefusal::NotAProxy("the version is not 5"));
        if answer.ends_with(b"\r\n") {
            let (port, _task) = proxy(vec![(connect(""), answer.to_vec())], 1000).await;
            let http = refusal(Proxy::http("127.0.0.1", port)).await;
            assert!(matches!(http, ProxyRefusal::NotAProxy(_)), "{http:?}");
        }
    }
    let (port, _task) = proxy(socks(2, b""), 1).await;
    let not_offered = refusal(Proxy::socks5("127.0.0.1", port)).await;
    assert!(matches!(not_offered, ProxyRefusal::NotAProxy(_)), "{not_offered:?}");
    // A header without an end.
    let (port, _task) = proxy(vec![(connect(""), b"HTTP/1.1 200 OK\r\nX: y\r\n".repeat(4000))], 4096).await;
    let endless = refusal(Proxy::http("127.0.0.1", port)).await;
    assert_eq!(endless, ProxyRefusal::NotAProxy("a header of more than 16 KiB"));
}

#[tokio::test]
async fn a_proxy_that_goes_is_an_error_that_names_it() {
    for script in [socks(0, b"\x05\x00"), vec![(b"\x05".to_vec(), b"".to_vec())]] {
        let (port, task) = proxy(script, 1).await;
        tokio::spawn(async move { drop(task.await) });
        // The greeting of the first is taken for an address, which has no end.
        let error = endpoint(Proxy::socks5("127.0.0.1", port)).connect().await.unwrap_err().to_string();
        let begin = format!("imap.invalid:993 through the proxy 127.0.0.1:{port}: ");
        assert!(error.starts_with(&begin), "{error}");
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = endpoint(Proxy::http("127.0.0.1", port)).connect().await.unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("imap.invalid:993 through the proxy 127.0.0.1:{port}: connecting: ")),
        "{error}"
    );
}

/// The time for connecting is for the proxy as well. It is short, and real: there is a socket.
#[tokio::test]
async fn a_silent_proxy_ends_in_time() {
    let (port, _task) = proxy(vec![(connect(""), Vec::new()), (vec![0], Vec::new())], 1).await;
    let mut timeouts = Timeouts::interactive();
    timeouts.connect = Duration::from_millis(50);
    let error = endpoint(Proxy::http("127.0.0.1", port)).with_timeouts(timeouts).connect().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { phase: Phase::Proxy, .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains(&format!("through the proxy 127.0.0.1:{port}: the answer of the proxy took longer")),
        "{text}"
    );
}

/// TLS is with the server, whose name the certificate is for.
#[tokio::test]
async fn tls_goes_through_the_proxy() {
    let ca = TestCa::new().unwrap();
    let tls = ca.server_tls(&["imap.invalid"]).unwrap();
    let (port, task) = proxy(vec![(connect(""), b"HTTP/1.1 200 OK\r\n\r\n".to_vec())], 1).await;
    let server = tokio::spawn(async move { tls.accept(task.await.unwrap().into()).await });
    let endpoint = Endpoint::tcp("imap.invalid", 993, Security::implicit_tls())
        .with_tls(ca.client_tls().unwrap())
        .with_proxy(Some(Proxy::http("127.0.0.1", port)));
    assert!(endpoint.connect().await.unwrap().is_tls());
    assert!(server.await.unwrap().is_ok());
}

/// The proxy is told the A-labels.
#[tokio::test]
async fn internationalized_names_are_told_in_ascii() {
    let request = b"\x05\x01\x00\x03\x15xn--bcher-kva.invalid\x00\x19".to_vec();
    let script = vec![
        (b"\x05\x01\x00".to_vec(), vec![5, 0]),
        (request, [&b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"[..], GREETING].concat()),
    ];
    let (port, _task) = proxy(script, 1).await;
    let endpoint =
        Endpoint::tcp("bücher.invalid", 25, CLEAR).with_proxy(Some(Proxy::socks5("127.0.0.1", port)));
    is_greeted(endpoint.connect().await.unwrap()).await;
}

#[test]
fn names_that_do_not_fit_are_refused_before_anything_is_sent() {
    let long = "x".repeat(256);
    let (socks, http) = (Proxy::socks5("p", 1080), Proxy::http("p", 80));
    let not_askable = |proxy: &Proxy, host: &str| {
        matches!(Handshake::new(proxy, host, 25), Err(ProxyRefusal::NotAskable(_)))
    };
    assert!(not_askable(&socks, &long) && not_askable(&socks, ""));
    assert!(not_askable(&socks.clone().with_login(long, "x"), "h"));
    assert!(not_askable(&socks.with_login("x", ""), "h"));
    assert!(not_askable(&http, "a b") && not_askable(&http, "a\r\nX: y") && not_askable(&http, ""));
    assert!(not_askable(&http.with_login("a:b", "c"), "h"));
}

#[test]
fn urls_of_proxies() {
    for (url, expected) in [
        ("socks5://proxy.example", Proxy::socks5("proxy.example", 1080)),
        ("SOCKS5H://[::1]:9050/", Proxy::socks5("::1", 9050)),
        ("http://proxy.example:3128", Proxy::http("proxy.example", 3128)),
        ("http://anna%40x:p%3A@p", Proxy::http("p", 80).with_login("anna@x", "p:")),
    ] {
        assert_eq!(Proxy::parse(url).unwrap(), expected, "{url}");
    }
    for (url, offset, reason) in [
        ("https://p", 0, "expected socks5:// or http://"),
        ("p:1080", 0, "expected socks5:// or http://"),
        ("http://", 7, "expected a host"),
        ("http://p:x", 9, "expected a port"),
        ("http://a@b@p", 8, "an @ that is part of a name or password is written %40"),
        ("http://p/path", 9, "expected the end"),
    ] {
        let error = Proxy::parse(url).unwrap_err();
        assert_eq!((error.offset, error.reason), (offset, reason), "{url}");
    }
}

/// Whatever a proxy says, it comes to an end, and nothing is asked for beyond the end of what it says.
fn run(mut handshake: Handshake, mut answer: &[u8]) -> (Result<(), ProxyRefusal>, usize) {
    let before = answer.len();
    loop {
        match handshake.next_step() {
            Step::Write(bytes) => assert!(!bytes.is_empty()),
            Step::Read(count) => {
                assert!((1..=257).contains(&count), "{count}");
                let Some((taken, rest)) = answer.split_at_checked(count) else {
                    return (Ok(()), before);
                };
                answer = rest;
                if let Err(error) = handshake.received(taken) {
                    return (Err(error), before - answer.len());
                }
            }
            Step::Done => return (Ok(()), before - answer.len()),
        }
    }
}

proptest! {
    #[test]
    fn any_answer_is_read_or_refused(answer in proptest::collection::vec(any::<u8>(), 0..600), login in any::<bool>()) {
        for proxy in [Proxy::socks5("p", 1080), Proxy::http("p", 80)] {
            let proxy = if login { proxy.with_login("a", "b") } else { proxy };
            let _ = run(Handshake::new(&proxy, "h", 25).unwrap(), &answer);
        }
    }

    #[test]
    fn a_header_ends_where_it_ends(
        fields in proptest::collection::vec("[A-Z]: [a-z\r]{0,8}", 0..4),
        ends in proptest::collection::vec(any::<bool>(), 6),
        after in "[\r\n a-z]{0,8}",
    ) {
        let end = |index: usize| if ends[index] { "\r\n" } else { "\n" };
        let mut answer = format!("HTTP/1.1 200 OK{}", end(0));
        for (index, field) in fields.iter().enumerate() {
            answer += &format!("{}x{}", field, end(index + 1));
        }
        answer += end(5);
        let handshake = || Handshake::new(&Proxy::http("p", 80), "h", 25).unwrap();
        prop_assert_eq!(run(handshake(), format!("{answer}{after}").as_bytes()), (Ok(()), answer.len()));
    }
}
