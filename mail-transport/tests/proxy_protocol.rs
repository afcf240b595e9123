//! The PROXY protocol: headers, byte by byte, and servers after a proxy.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{net::SocketAddr, time::Duration};

use bytes::{Bytes, BytesMut};
use mailwire_transport::proxy_protocol::{
    Header, Network, NetworkError, Origin, OtherTlv, Ssl, Tlv, UnixAddresses, Version,
};
use proptest::prelude::*;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A header of version 2 by its parts, its length told rightly.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.extend([command, family]);
    header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    header.extend(rest);
    header
}

fn parse(header: &[u8]) -> Result<Header, String> {
    Header::parse(&Bytes::copy_from_slice(header)).map_err(|error| error.to_string())
}

const V4: &[u8] = &[192, 0, 2, 7, 198, 51, 100, 1, 0xc7, 0x38, 0x03, 0xe1];

#[test]
fn lines_of_version_1_are_read() {
    let header = parse(b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 993\r\n").unwrap();
    assert_eq!(header.version(), Version::V1);
    assert_eq!(header.source(), Some(address("192.0.2.7:51000")));
    assert_eq!(header.destination(), Some(address("198.51.100.1:993")));
    let header = parse(b"PROXY TCP6 2001:db8::7 ::1 0 65535\r\n").unwrap();
    assert_eq!(header.source(), Some(address("[2001:db8::7]:0")));
    assert_eq!(header.destination(), Some(address("[::1]:65535")));
    for unknown in [&b"PROXY UNKNOWN\r\n"[..], b"PROXY UNKNOWN ffff::1 what \r ever\r\n"] {
        assert_eq!(parse(unknown).unwrap().origin(), &Origin::Unknown);
    }
    // The longest that there is.
    let longest = format!("PROXY UNKNOWN {0} {0} 65535 65535\r\n", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    assert_eq!(longest.len(), Header::MOST_V1);
    parse(longest.as_bytes()).unwrap();
}

#[test]
fn what_is_no_line_of_version_1_is_refused_where_it_departs() {
    for (line, offset) in [
        ("PROXY TCP4 192.0.2.7 198.51.100.1 51000\r\n", 39),
        ("PROXY TCP4 192.0.2.7  198.51.100.1 51000 993\r\n", 21),
        ("PROXY TCP4 192.0.2.07 198.51.100.1 51000 993\r\n", 11),
        ("PROXY TCP4 ::1 ::1 51000 993\r\n", 11),
        ("PROXY TCP6 192.0.2.7 198.51.100.1 51000 993\r\n", 11),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 051000 993\r\n", 34),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 65536 993\r\n", 34),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 -1 993\r\n", 34),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 51000 993 \r\n", 43),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 51000 993\n", 43),
        ("PROXY UDP4 192.0.2.7 198.51.100.1 51000 993\r\n", 6),
        ("PROXY  TCP4 192.0.2.7 198.51.100.1 51000 993\r\n", 6),
        ("proxy TCP4 192.0.2.7 198.51.100.1 51000 993\r\n", 0),
        ("PROXY UNKNOWN\r\nEHLO x\r\n", 14),
        ("EHLO example.org\r\n", 0),
    ] {
        let error = Header::parse(&Bytes::from_static(line.as_bytes())).unwrap_err();
        assert_eq!(error.offset, offset, "{line:?}: {error}");
    }
}

#[test]
fn headers_of_version_2_are_read() {
    assert_eq!(parse(&v2(0x21, 0x11, V4)).unwrap().source(), Some(address("192.0.2.7:51000")));
    let mut v6 = [0; 36];
    v6[15] = 1;
    v6[31] = 2;
    v6[35] = 25;
    let header = parse(&v2(0x21, 0x21, &v6)).unwrap();
    assert_eq!(header.origin(), &Origin::inet(address("[::1]:0"), address("[::2]:25")));
    let mut unix = [0; 216];
    unix[..6].copy_from_slice(b"/run/a");
    unix[109] = b'b';
    let header = parse(&v2(0x21, 0x31, &unix)).unwrap();
    assert_eq!(header.origin(), &Origin::Unix(UnixAddresses::new("/run/a", &b"\0b"[..]).unwrap()));
    assert_eq!(parse(&v2(0x21, 0x00, b"")).unwrap().origin(), &Origin::Unknown);
    // Whatever LOCAL has with it is skipped.
    assert_eq!(parse(&v2(0x20, 0x00, b"")).unwrap().origin(), &Origin::Local);
    assert_eq!(parse(&v2(0x20, 0xff, b"nonsense")).unwrap().origin(), &Origin::Local);
}

#[test]
fn tlvs_are_kept_by_what_they_mean() {
    let mut rest = V4.to_vec();
    rest.extend(
        b"\x01\0\x04imap\x02\0\x10mail.example.org\x04\0\x03\0\0\0\x05\0\x02id\x30\0\x02ns\xe0\0\x01x",
    );
    rest.extend(b"\x20\0\x18\x05\0\0\0\0\x21\0\x07TLSv1.3\x22\0\x06client");
    let header = parse(&v2(0x21, 0x11, &rest)).unwrap();
    assert_eq!(header.alpn().unwrap(), "imap");
    assert_eq!(header.authority(), Some("mail.example.org"));
    assert_eq!(header.unique_id().unwrap(), "id");
    let ssl = header.ssl().unwrap();
    assert!(ssl.is_tls() && ssl.is_verified() && !Ssl::new(Ssl::CLIENT_SSL, 0).is_verified());
    assert_eq!((ssl.version(), ssl.common_name(), ssl.cipher()), (Some("TLSv1.3"), Some("client"), None));
    assert!(header.tlvs().contains(&Tlv::NetworkNamespace("ns".into())));
    assert!(header.tlvs().contains(&Tlv::Other(OtherTlv::new(0xe0, "x").unwrap())));
    assert_eq!(header.tlvs().len(), 6, "padding is none");
    assert!(!header.has_checksum());
}

#[test]
fn what_is_no_header_of_version_2_is_refused_where_it_departs() {
    let tlv = |tlv: &[u8]| v2(0x21, 0x11, &[V4, tlv].concat());
    let mut cut_off = v2(0x21, 0x11, V4);
    cut_off.pop();
    let mut too_much = v2(0x21, 0x11, V4);
    too_much.push(b'x');
    for (header, offset, reason) in [
        (v2(0x11, 0x11, V4), 12, "neither LOCAL nor PROXY"),
        (v2(0x22, 0x11, V4), 12, "neither LOCAL nor PROXY"),
        (v2(0x21, 0x12, V4), 13, "datagrams"),
        (v2(0x21, 0x41, V4), 13, "unknown family"),
        (v2(0x21, 0x11, &V4[..11]), 16, "expected two addresses"),
        (v2(0x21, 0x21, V4), 16, "expected two addresses"),
        (v2(0x21, 0x31, V4), 16, "expected two names"),
        (tlv(b"\x01"), 28, "expected a TLV"),
        (tlv(b"\x01\0\x05imap"), 28, "expected a TLV"),
        (tlv(b"\x02\0\x01x\x01\0"), 32, "expected a TLV"),
        (tlv(b"\x03\0\x03abc"), 31, "wrong checksum"),
        (tlv(b"\x20\0\x04\0\0\0\0"), 31, "expected what is known of TLS"),
        (tlv(b"\x20\0\x09\x01\0\0\0\0\x21\0\x02a"), 36, "expected a part of TLS"),
        (tlv(&[&b"\x05\0\x81"[..], &[b'i'; 129]].concat()), 31, "more than 128"),
        (v2(0x21, 0x00, &[4; 4097]), 14, "more than 4096"),
        (cut_off, 27, "cut off"),
        (too_much, 28, "expected the end"),
    ] {
        let error = Header::parse(&Bytes::from(header)).unwrap_err();
        assert!(error.reason.contains(reason) && error.offset == offset, "{reason}: {error}");
    }
}

#[test]
fn a_changed_byte_does_not_pass_a_checksum() {
    let origin = Origin::inet(address("192.0.2.7:51000"), address("198.51.100.1:993"));
    let header = Header::new(Version::V2, origin).with_tlv(Tlv::Alpn("imap".into())).unwrap().with_checksum();
    let bytes = header.to_bytes();
    assert!(parse(&bytes).unwrap().has_checksum());
    for at in 16..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1 << bit;
            // Of what was the checksum's type, another can be made.
            if let Ok(read) = parse(&changed) {
                assert!(!read.has_checksum() && (35..38).contains(&at), "byte {at}");
            }
        }
    }
}

/// Feeds a stream to `missing` in the pieces that it asks for.
fn framed(stream: &[u8]) -> Result<(usize, usize), String> {
    let (mut read, mut reads) = (0, 0);
    loop {
        match Header::missing(&stream[..read]).map_err(|error| error.to_string())? {
            0 => return Ok((read, reads)),
            missing => {
                read += missing;
                reads += 1;
                if read > stream.len() {
                    return Err("reads beyond the end".into());
                }
            }
        }
    }
}

#[test]
fn a_header_is_read_to_its_end_and_no_further() {
    let local = Header::new(Version::V2, Origin::Local).to_bytes();
    for header in [
        &b"PROXY UNKNOWN\r\n"[..],
        b"PROXY UNKNOWN x\r\r\n",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 1\r\n",
        &v2(0x21, 0x11, V4),
        &local,
    ] {
        let stream = [header, b"\x16\x03\x01 the client's bytes\r\n"].concat();
        let (read, reads) = framed(&stream).unwrap();
        assert_eq!(read, header.len());
        assert!(reads <= Header::MOST_V1 / 2);
        // However the bytes come.
        for cut in 0..header.len() {
            let missing = Header::missing(&header[..cut]).unwrap();
            assert!((1..=header.len() - cut).contains(&missing), "{cut}");
            assert!(parse(&header[..cut]).is_err());
        }
    }
    // As soon as it can be known, even within the signature.
    for not in [&b"E"[..], b"PROXX", b"PROXY\t", b"\r\n\r\n\0\r\nQUIT\r", b"\r\n\r\nE", b"\x16"] {
        assert!(Header::missing(not).is_err());
        assert!(Header::missing(&not[..not.len() - 1]).is_ok());
    }
    let mut line = b"PROXY UNKNOWN ".to_vec();
    line.resize(Header::MOST_V1 - 2, b'x');
    assert_eq!(Header::missing(&line), Ok(2));
    line.push(b'x');
    assert!(Header::missing(&line).is_err(), "it cannot end in time");
}

#[test]
fn networks_have_their_addresses_and_no_others() {
    let network = |text: &str| text.parse::<Network>();
    for (text, within, without) in [
        ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
        ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("192.0.2.6/31", "::ffff:192.0.2.7", "::192.0.2.7"),
        ("0.0.0.0/0", "255.255.255.255", "::1"),
        ("2001:db8::/32", "2001:db8:ffff::", "2001:db9::"),
        ("::/0", "::1", "10.0.0.1"),
        ("::1", "::1", "::2"),
        // As a socket of IPv6 says it, too.
        ("::ffff:192.0.2.0/120", "::ffff:192.0.2.1", "192.0.2.1"),
    ] {
        let read = network(text).unwrap();
        assert!(read.contains(within.parse().unwrap()), "{text}");
        assert!(!read.contains(without.parse().unwrap()), "{text}");
        assert_eq!(network(&read.to_string()), Ok(read));
    }
    for text in
        ["", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "::/129", "10.0.0/8", "host/8", "10.0.0.0/256"]
    {
        assert!(network(text).is_err(), "{text}");
    }
    let error = network("10.1.2.3/16").unwrap_err();
    assert!(matches!(error, NetworkError::Bits { .. }));
    assert!(error.to_string().contains("within 10.1.0.0/16"), "{error}");
}

#[test]
fn what_no_server_reads_cannot_be_written() {
    let unknown = || Header::new(Version::V2, Origin::Unknown);
    assert!(unknown().with_tlv(Tlv::Alpn(vec![0; 4087].into())).is_err());
    assert!(unknown().with_tlv(Tlv::Alpn(vec![0; 4086].into())).is_ok());
    assert!(unknown().with_tlv(Tlv::UniqueId(vec![0; 129].into())).is_err());
    assert!(Header::new(Version::V1, Origin::Unknown).with_tlv(Tlv::Alpn(Bytes::new())).is_err());
    assert!(Header::new(Version::V2, Origin::Local).with_tlv(Tlv::Alpn(Bytes::new())).is_err());
    assert!(UnixAddresses::new(vec![b'x'; 109], "").is_err());
    assert!(OtherTlv::new(3, "abcd").is_err());
    assert_eq!(Header::new(Version::V1, Origin::Local).origin(), &Origin::Unknown);
    let mixed = Origin::inet(address("192.0.2.7:1"), address("[::1]:2"));
    for version in [Version::V1, Version::V2] {
        let bytes = Header::new(version, mixed.clone()).to_bytes();
        assert_eq!(parse(&bytes).unwrap().source(), Some(address("[::ffff:192.0.2.7]:1")));
    }
}

fn origin() -> impl Strategy<Value = Origin> {
    let v4 = (any::<[u8; 4]>(), any::<u16>()).prop_map(SocketAddr::from);
    let v6 = (any::<[u8; 16]>(), any::<u16>()).prop_map(SocketAddr::from);
    let name = || proptest::collection::vec(any::<u8>(), 0..=108);
    prop_oneof![
        Just(Origin::Local),
        Just(Origin::Unknown),
        (v4.clone(), v4).prop_map(|(source, destination)| Origin::inet(source, destination)),
        (v6.clone(), v6).prop_map(|(source, destination)| Origin::inet(source, destination)),
        (name(), name()).prop_map(|(one, other)| Origin::Unix(UnixAddresses::new(one, other).unwrap())),
    ]
}

fn tlv() -> impl Strategy<Value = Tlv> {
    let value = || proptest::collection::vec(any::<u8>(), 0..100).prop_map(Bytes::from);
    let parts = proptest::collection::vec((any::<u8>(), value()), 0..4);
    prop_oneof![
        value().prop_map(Tlv::Alpn),
        value().prop_map(|value| Tlv::Authority(value.into())),
        value().prop_map(Tlv::UniqueId),
        value().prop_map(|value| Tlv::NetworkNamespace(value.into())),
        (any::<u8>(), any::<u32>(), parts).prop_map(|(client, verify, parts)| {
            let ssl = Ssl::new(client, verify);
            Tlv::Ssl(parts.into_iter().fold(ssl, |ssl, (kind, value)| ssl.with_part(kind, value)))
        }),
        (any::<u8>(), value())
            .prop_filter_map("a known type", |(kind, value)| OtherTlv::new(kind, value).ok().map(Tlv::Other)),
    ]
}

fn header() -> impl Strategy<Value = Header> {
    let tlvs = proptest::collection::vec(tlv(), 0..6);
    (any::<bool>(), origin(), tlvs, any::<bool>()).prop_map(|(text, origin, tlvs, checksum)| {
        let mut header = Header::new(if text { Version::V1 } else { Version::V2 }, origin);
        for tlv in tlvs {
            header = header.clone().with_tlv(tlv).unwrap_or(header);
        }
        if checksum { header.with_checksum() } else { header }
    })
}

proptest! {
    #[test]
    fn headers_are_read_as_they_were_written(header in header(), after: Vec<u8>) {
        let bytes = header.to_bytes();
        prop_assert_eq!(Header::parse(&bytes).unwrap(), header);
        let (read, _) = framed(&[&bytes[..], &after].concat()).unwrap();
        prop_assert_eq!(read, bytes.len());
    }

    #[test]
    fn any_bytes_are_read_or_refused(mut bytes: Vec<u8>, begin in 0..3_usize) {
        let begin: &[u8] = [&b""[..], b"PROXY ", SIGNATURE][begin];
        bytes.splice(0..0, begin.iter().copied());
        if let Ok(header) = parse(&bytes) {
            prop_assert_eq!(parse(&header.to_bytes()), Ok(header));
        }
    }
}

mod servers {
    use std::sync::{Arc, Mutex};

    use mailwire_transport::{
        Endpoint, Error, Phase, Result, Security,
        server::{Accepted, Acceptor, Listener, ProxyProtocol, ServerLimits},
        testing::TestCa,
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };
    use tokio_util::sync::CancellationToken;

    use super::*;

    const CLEAR: Security = Security::plaintext_without_encryption();

    fn from_here() -> ProxyProtocol {
        ProxyProtocol::from_networks(["127.0.0.0/8".parse().unwrap()])
    }

    fn from_elsewhere() -> ProxyProtocol {
        ProxyProtocol::from_networks(["192.0.2.0/24".parse().unwrap()])
    }

    /// Says who the client is, and then its first line.
    async fn tell(mut connection: Accepted) -> Result<()> {
        let proxy = connection.proxied.as_ref().map(|proxied| proxied.proxy.is_some());
        let line = format!(
            "{:?} {proxy:?} {:?}\r\n",
            connection.peer.map(|peer| peer.to_string()),
            connection.channel
        );
        connection.stream.write_all(line.as_bytes()).await?;
        let mut said = Vec::new();
        while !said.ends_with(b"\n") {
            said.push(connection.stream.read_u8().await?);
        }
        connection.stream.write_all(&said).await?;
        Ok(())
    }

    fn acceptor(limits: ServerLimits) -> Acceptor {
        Acceptor::new("toy").with_limits(limits).with_refusal(b"busy\r\n")
    }

    /// Serves, as long as the token is not dropped.
    fn serve(listener: Listener, limits: ServerLimits) -> (SocketAddr, tokio_util::sync::DropGuard) {
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let acceptor = acceptor(limits).with_shutdown(shutdown.clone());
        tokio::spawn(async move { acceptor.serve(listener, tell).await });
        (address, shutdown.drop_guard())
    }

    async fn start(proxies: ProxyProtocol) -> (SocketAddr, tokio_util::sync::DropGuard) {
        let listener = Listener::bind("127.0.0.1:0", CLEAR, None).await.unwrap();
        serve(listener.with_proxy_protocol(proxies), ServerLimits::default())
    }

    /// What is answered to these bytes.
    async fn said(address: SocketAddr, pieces: &[&[u8]]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for piece in pieces {
            if stream.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        rest(stream).await
    }

    async fn rest(mut stream: TcpStream) -> String {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    const LINE: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 25\r\n";

    #[tokio::test]
    async fn the_real_address_counts_and_what_follows_is_the_clients() {
        let (address, _running) = start(from_here()).await;
        let told = "Some(\"192.0.2.7:51000\") Some(true) Clear\r\nhello\n";
        let binary = v2(0x21, 0x11, V4);
        for header in [LINE, &binary] {
            assert_eq!(said(address, &[header, b"hello\n"]).await, told);
            // In one piece, and byte by byte.
            let whole = [header, b"hello\n"].concat();
            assert_eq!(said(address, &[&whole]).await, told);
            let bytes: Vec<&[u8]> = whole.chunks(1).collect();
            assert_eq!(said(address, &bytes).await, told);
        }
        // A second header is what the client says.
        let twice = [LINE, b"PROXY TCP4 203.0.113.1 198.51.100.1 1 25\r\n"].concat();
        let answer = said(address, &[&twice]).await;
        assert!(
            answer.starts_with("Some(\"192.0.2.7:51000\")")
                && answer.ends_with("PROXY TCP4 203.0.113.1 198.51.100.1 1 25\r\n")
        );
        // Of nobody in particular: the proxy itself.
        for header in [&b"PROXY UNKNOWN\r\n"[..], &v2(0x20, 0, b"")] {
            let answer = said(address, &[header, b"x\n"]).await;
            assert!(
                answer.starts_with("Some(\"127.0.0.1:") && answer.ends_with("Some(true) Clear\r\nx\n"),
                "{answer}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_cut_off_or_none_is_not_served() {
        let (address, _running) = start(from_here()).await;
        let binary = v2(0x21, 0x11, V4);
        for header in [LINE, &binary] {
            for cut in 0..header.len() {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(&header[..cut]).await.unwrap();
                stream.shutdown().await.unwrap();
                assert_eq!(rest(stream).await, "", "{cut}");
            }
        }
        let wrong = v2(0x21, 0x11, &[V4, b"\x03\0\x04abcd"].concat());
        for not in [&b"EHLO x\r\n"[..], &[b'P'; 200], b"PROXY TCP4 x\r\n", &wrong, b"\x16\x03\x01\0\0"] {
            assert_eq!(said(address, &[not]).await, "", "{not:?}");
        }
    }

    #[tokio::test]
    async fn a_header_from_elsewhere_is_none() {
        let (address, _running) = start(from_elsewhere()).await;
        assert_eq!(said(address, &[LINE, b"x\n"]).await, "", "nobody passes by the proxy");
        let (address, _running) = start(from_elsewhere().with_direct_clients(true)).await;
        let answer = said(address, &[LINE]).await;
        assert!(
            answer.starts_with("Some(\"127.0.0.1:") && answer.contains(" None Clear\r\nPROXY TCP4 "),
            "{answer}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_without_a_header_is_waited_for_in_vain() {
        for (begun, ends) in [(&b""[..], false), (b"PROXY TCP4 ", false), (LINE, true)] {
            let (mut proxy, mut server) = tokio::io::duplex(1024);
            proxy.write_all(begun).await.unwrap();
            let before = tokio::time::Instant::now();
            let read = from_here().with_timeout(Duration::from_secs(3)).read(&mut server).await;
            if ends {
                assert_eq!(read.unwrap().source(), Some(address("192.0.2.7:51000")));
                continue;
            }
            assert!(matches!(read, Err(Error::Timeout { phase: Phase::ProxyHeader, .. })), "{read:?}");
            assert_eq!(before.elapsed(), Duration::from_secs(3));
        }
        // A byte now and then gives no further time.
        let (mut proxy, mut server) = tokio::io::duplex(1024);
        let trickle = async {
            for byte in LINE {
                tokio::time::sleep(Duration::from_secs(1)).await;
                proxy.write_all(&[*byte]).await.unwrap();
            }
        };
        let proxies = from_here();
        let read = proxies.read(&mut server);
        tokio::select! {
            read = read => assert!(matches!(read, Err(Error::Timeout { .. }))),
            () = trickle => panic!("it was waited for"),
        }
    }

    #[tokio::test]
    async fn shares_are_those_of_the_real_addresses() {
        let mut limits = ServerLimits::default();
        limits.connections_per_address = 2;
        let listener = Listener::bind("127.0.0.1:0", CLEAR, None).await.unwrap();
        let (address, _running) = serve(listener.with_proxy_protocol(from_here()), limits);
        let open = async |client: &str| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(format!("PROXY TCP4 {client} 198.51.100.1 1 25\r\n").as_bytes()).await.unwrap();
            let mut first = [0; 6];
            stream.read_exact(&mut first).await.unwrap();
            (stream, String::from_utf8(first.to_vec()).unwrap())
        };
        let mut kept = Vec::new();
        for client in ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.3"] {
            let (stream, first) = open(client).await;
            assert_eq!(first, "Some(\"");
            kept.push(stream);
        }
        assert_eq!(open("192.0.2.1").await.1, "busy\r\n");
        kept.remove(0);
        while open("192.0.2.1").await.1 == "busy\r\n" {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn tls_begins_after_the_header() {
        let ca = TestCa::new().unwrap();
        let tls = ca.server_tls(&["localhost"]).unwrap();
        let listener = Listener::bind("127.0.0.1:0", Security::implicit_tls(), Some(tls)).await.unwrap();
        let (address, _running) = serve(listener.with_proxy_protocol(from_here()), ServerLimits::default());
        let endpoint = Endpoint::tcp("localhost", address.port(), Security::implicit_tls())
            .with_tls(ca.client_tls().unwrap());
        for header in [LINE, &v2(0x21, 0x11, V4)] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(header).await.unwrap();
            let (mut stream, _) = endpoint.adopt(stream.into()).await.unwrap();
            stream.write_all(b"within\n").await.unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            let answer = String::from_utf8(answer).unwrap();
            assert_eq!(answer, "Some(\"192.0.2.7:51000\") Some(true) Tls\r\nwithin\n");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_unix_socket_protects_only_what_came_within_tls() {
        let folder = std::env::temp_dir().join(format!("mailwire-proxy-{}", std::process::id()));
        let _ = std::fs::remove_file(&folder);
        let listener = Listener::bind_unix(&folder).unwrap().with_proxy_protocol(from_elsewhere());
        let acceptor = acceptor(ServerLimits::default());
        tokio::spawn(async move { acceptor.serve(listener, tell).await });
        let tls = Origin::inet(address("192.0.2.7:1"), address("192.0.2.8:2"));
        let tls = Header::new(Version::V2, tls)
            .with_tlv(Tlv::Ssl(Ssl::new(Ssl::CLIENT_SSL, 1)))
            .unwrap()
            .to_bytes();
        for (header, expected) in [
            (LINE, "Some(\"192.0.2.7:51000\") Some(false) Clear"),
            (b"PROXY UNKNOWN\r\n", "None Some(false) Clear"),
            (&v2(0x20, 0, b""), "None Some(false) Tls"),
            (&tls, "Some(\"192.0.2.7:1\") Some(false) Tls"),
        ] {
            let mut stream = tokio::net::UnixStream::connect(&folder).await.unwrap();
            stream.write_all(&[header, b"x\n"].concat()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer, format!("{expected}\r\nx\n"));
        }
        std::fs::remove_file(&folder).unwrap();
    }

    /// The trace field of a message, and who the service was told that the client is.
    #[tokio::test]
    async fn the_real_address_is_in_the_trace_and_delays_logins() {
        use mailwire_transport::{
            sasl::{Authenticator, LoginContext, Mechanism, StoredPassword, Unavailable},
            smtp::{
                proto::{Host, Reply},
                server::{Body, BodyError, Client, Server, Service, Session, Transaction},
            },
        };

        #[derive(Clone, Default)]
        struct Told(Arc<Mutex<Vec<String>>>);
        impl Told {
            fn tell(&self, what: String) {
                self.0.lock().unwrap().push(what);
            }
        }
        impl Authenticator for Told {
            fn mechanisms(&self) -> &[Mechanism] {
                &[Mechanism::Plain]
            }

            async fn lookup(
                &self,
                _: &str,
                login: &LoginContext,
            ) -> Result<Option<StoredPassword>, Unavailable> {
                self.tell(format!("login {:?} {}", login.address, login.proxy.is_some()));
                Ok(None)
            }
        }
        impl Service for Told {
            type Session = Self;
            type Authenticator = Self;

            fn authenticator(&self) -> &Self {
                self
            }

            async fn connect(&self, client: &Client) -> Result<Self, Reply> {
                self.tell(format!("connect {:?} {}", client.address, client.proxy.is_some()));
                Ok(self.clone())
            }
        }
        impl Session for Told {
            async fn message(
                &mut self,
                client: &Client,
                transaction: &Transaction,
                body: &mut Body<'_>,
            ) -> Result<Reply, BodyError> {
                body.bytes().await?;
                let mut received = Vec::new();
                client.received(transaction).write(&mut received);
                self.tell(String::from_utf8(received).unwrap());
                Ok(Reply::new(mailwire_transport::smtp::proto::ReplyCode::OK, "taken"))
            }
        }
        let told = Told::default();
        let server =
            Server::new(told.clone(), Host::try_from("mx.example.org").unwrap()).allow_clear_credentials();
        let listener =
            Listener::bind("127.0.0.1:0", CLEAR, None).await.unwrap().with_proxy_protocol(from_here());
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { server.serve(listener, CancellationToken::new()).await });
        let commands = b"EHLO client.example\r\nAUTH PLAIN AGFubmEAeA==\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n";
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&v2(0x21, 0x11, V4)).await.unwrap();
        for line in commands.split_inclusive(|byte| *byte == b'\n') {
            stream.write_all(line).await.unwrap();
        }
        stream.write_all(b"Subject: x\r\n\r\n.\r\nQUIT\r\n").await.unwrap();
        let answer = rest(stream).await;
        assert!(answer.contains("taken"), "{answer}");
        let told = told.0.lock().unwrap().clone();
        assert_eq!(told[..2], ["connect Some(192.0.2.7:51000) true", "login Some(192.0.2.7:51000) true"]);
        assert!(told[2].contains("client.example ([192.0.2.7])"), "{}", told[2]);
    }
}

#[test]
fn writing_appends() {
    let mut output = BytesMut::from("x");
    Header::new(Version::V2, Origin::Unknown).with_checksum().write(&mut output);
    assert!(parse(&output[1..]).unwrap().has_checksum());
}
