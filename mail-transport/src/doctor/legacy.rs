//! Whether a server takes what nobody should: TLS 1.0 and 1.1 ([RFC 8996](https://www.rfc-editor.org/rfc/rfc8996)), and ciphers
//! that are broken. No library offers these, so a ClientHello of our own asks, and the answer's beginning tells
//! ([RFC 5246 section 7.4.1](https://www.rfc-editor.org/rfc/rfc5246#section-7.4.1)).

use std::{fmt, time::Duration};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::runtime::timeout;

pub(super) const TLS_1_0: u16 = 0x0301;
pub(super) const TLS_1_1: u16 = 0x0302;
pub(super) const TLS_1_2: u16 = 0x0303;

/// Suites that old servers have, none of them broken: AES in CBC, with each kind of key.
const OLD: &[u16] = &[0xc013, 0xc014, 0xc009, 0xc00a, 0x002f, 0x0035, 0x0033, 0x0039, 0x000a, 0xc012];

/// Suites that are broken, by [RFC 9325 section 4.1](https://www.rfc-editor.org/rfc/rfc9325#section-4.1) and RFC 7465.
const BROKEN: &[(u16, &str)] = &[
    (0x0001, "NULL-MD5"),
    (0x0002, "NULL-SHA"),
    (0x003b, "NULL-SHA256"),
    (0xc010, "ECDHE-RSA-NULL-SHA"),
    (0xc006, "ECDHE-ECDSA-NULL-SHA"),
    (0x0003, "EXP-RC4-MD5"),
    (0x0006, "EXP-RC2-CBC-MD5"),
    (0x0008, "EXP-DES-CBC-SHA"),
    (0x0014, "EXP-DHE-RSA-DES-CBC-SHA"),
    (0x0009, "DES-CBC-SHA"),
    (0x0015, "DHE-RSA-DES-CBC-SHA"),
    (0x0004, "RC4-MD5"),
    (0x0005, "RC4-SHA"),
    (0xc011, "ECDHE-RSA-RC4-SHA"),
    (0xc007, "ECDHE-ECDSA-RC4-SHA"),
    (0x000a, "DES-CBC3-SHA"),
    (0x0016, "DHE-RSA-DES-CBC3-SHA"),
    (0xc012, "ECDHE-RSA-DES-CBC3-SHA"),
    (0xc008, "ECDHE-ECDSA-DES-CBC3-SHA"),
    (0x0018, "ADH-RC4-MD5"),
    (0x001b, "ADH-DES-CBC3-SHA"),
    (0x0034, "ADH-AES128-SHA"),
    (0x003a, "ADH-AES256-SHA"),
    (0xc018, "AECDH-AES128-SHA"),
    (0xc019, "AECDH-AES256-SHA"),
];

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// This version at most, with suites that old servers have.
    Version(u16),
    /// TLS 1.2 with broken suites, with those of Diffie-Hellman over integers or without: a server that would take one of these
    /// and has no parameters for it ends the handshake, whatever else it would take.
    BrokenSuites {
        /// Whether they are among them.
        integers: bool,
    },
}

/// What a server chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) version: u16,
    pub(super) suite: u16,
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match BROKEN.iter().find(|(suite, _)| *suite == self.suite) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "suite {:#06x}", self.suite),
        }
    }
}

/// Asks a server, over a stream in clear, and returns what it chose; `None` if it refuses, or says nothing in time.
pub(super) async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    question: Question,
    name: &str,
    patience: Duration,
) -> Option<Chosen> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).ok()?;
    let hello = hello(question, name, random)?;
    let asking = async {
        stream.write_all(&hello).await.ok()?;
        stream.flush().await.ok()?;
        let mut header = [0; 5];
        stream.read_exact(&mut header).await.ok()?;
        // An alert, or no TLS at all.
        let [22, 3, _, high, low] = header else { return None };
        let length = usize::from(u16::from_be_bytes([high, low]));
        // No more is of interest than what comes before the extensions.
        let mut record = vec![0; length.min(256)];
        stream.read_exact(&mut record).await.ok()?;
        chosen(&record)
    };
    timeout(patience, asking).await.ok().flatten()
}

/// ```text
/// struct { ProtocolVersion server_version; Random random; SessionID session_id; CipherSuite cipher_suite; … } ServerHello;
/// ```
fn chosen(record: &[u8]) -> Option<Chosen> {
    let rest = record.strip_prefix(&[2])?;
    let (version, rest) = rest.get(3..)?.split_at_checked(2)?;
    let (&length, rest) = rest.get(32..)?.split_first()?;
    let suite = rest.get(usize::from(length)..)?.get(..2)?;
    Some(Chosen { version: number(version)?, suite: number(suite)? })
}

fn number(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

/// Whether a suite needs parameters of Diffie-Hellman over integers.
fn is_of_integers(name: &str) -> bool {
    name.trim_start_matches("EXP-").starts_with("DHE-") || name.starts_with("ADH-")
}

/// A ClientHello in its record.
fn hello(question: Question, name: &str, random: [u8; 32]) -> Option<Vec<u8>> {
    let (version, suites) = match question {
        Question::Version(version) => (version, OLD.to_vec()),
        Question::BrokenSuites { integers } => {
            let offered = BROKEN.iter().filter(|(_, name)| integers || !is_of_integers(name));
            (TLS_1_2, offered.map(|(suite, _)| *suite).collect())
        }
    };
    let suites: Vec<u8> = suites.into_iter().flat_map(u16::to_be_bytes).collect();
    let mut body = version.to_be_bytes().to_vec();
    body.extend(random);
    body.push(0);
    body.extend(counted(&suites)?);
    body.extend([1, 0]);
    body.extend(counted(&extensions(name)?)?);
    let mut handshake = vec![1, 0];
    handshake.extend(counted(&body)?);
    let mut record = vec![22, 3, 1];
    record.extend(counted(&handshake)?);
    Some(record)
}

fn extensions(name: &str) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    let mut extension = |number: u16, data: &[u8]| {
        all.extend(number.to_be_bytes());
        all.extend(counted(data)?);
        Some(())
    };
    // An address is no name: RFC 6066 section 3.
    if name.parse::<std::net::IpAddr>().is_err() {
        let mut host = vec![0];
        host.extend(counted(name.as_bytes())?);
        extension(0, &counted(&host)?)?;
    }
    // supported_groups: x25519, secp256r1, secp384r1; ec_point_formats: uncompressed.
    extension(10, &[0, 6, 0, 29, 0, 23, 0, 24])?;
    extension(11, &[1, 0])?;
    // signature_algorithms, the old ones too.
    extension(13, &[0, 16, 4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1, 2, 1, 2, 3])?;
    // renegotiation_info, without which some refuse.
    extension(0xff01, &[0])?;
    Some(all)
}

/// These bytes after their number, of two bytes.
fn counted(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut counted = u16::try_from(bytes.len()).ok()?.to_be_bytes().to_vec();
    counted.extend(bytes);
    Some(counted)
}

#[cfg(test)]
mod tests {
    use rustls::server::Acceptor;
    use tokio::io::duplex;

    use super::*;

    /// What rustls reads of the hello.
    #[test]
    fn the_hello_is_one() {
        let broken = |integers| Question::BrokenSuites { integers };
        for question in [Question::Version(TLS_1_2), broken(true), broken(false)] {
            let hello = hello(question, "mail.example.org", [7; 32]).unwrap();
            let mut acceptor = Acceptor::default();
            acceptor.read_tls(&mut hello.as_slice()).unwrap();
            let accepted = acceptor.accept().map_err(|(error, _)| error).unwrap().unwrap();
            assert_eq!(accepted.client_hello().server_name(), Some("mail.example.org"));
            assert!(accepted.client_hello().cipher_suites().len() >= 10);
        }
    }

    async fn answered(bytes: &[u8]) -> Option<Chosen> {
        let (mut ours, mut theirs) = duplex(1 << 16);
        theirs.write_all(bytes).await.unwrap();
        theirs.shutdown().await.unwrap();
        ask(&mut ours, Question::Version(TLS_1_0), "mail.example.org", Duration::from_secs(60)).await
    }

    #[tokio::test]
    async fn answers_are_read_with_bounds() {
        let mut hello = vec![2, 0, 0, 38, 3, 1];
        hello.extend([9; 32]);
        hello.extend([0, 0, 0x2f, 0]);
        let mut record = vec![22, 3, 1, 0, u8::try_from(hello.len()).unwrap()];
        record.extend(&hello);
        assert_eq!(answered(&record).await, Some(Chosen { version: TLS_1_0, suite: 0x2f }));
        // Cut anywhere, too long a session id, an alert, another protocol, a length without bytes.
        for end in 0..record.len() - 1 {
            assert_eq!(answered(&record[..end]).await, None);
        }
        record[43] = 255;
        assert_eq!(answered(&record).await, None);
        for other in [&b"\x15\x03\x01\0\x02\x02\x46"[..], b"220 mail ESMTP\r\n", b"\x16\x03\x01\xff\xff\x02"]
        {
            assert_eq!(answered(other).await, None);
        }
    }
}
