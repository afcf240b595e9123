//! The grammar of SCRAM's messages (RFC 5802 section 7), checked before rsasl sees them.
//!
//! ```abnf
//! client-first-message = gs2-header client-first-message-bare
//! gs2-header      = gs2-cbind-flag "," [ authzid ] ","
//! gs2-cbind-flag  = ("p=" cb-name) / "n" / "y"
//! authzid         = "a=" saslname
//! client-first-message-bare = [reserved-mext ","] username "," nonce ["," extensions]
//! username        = "n=" saslname
//! saslname        = 1*(value-safe-char / "=2C" / "=3D")
//! server-first-message = [reserved-mext ","] nonce "," salt "," iteration-count ["," extensions]
//! client-final-message = channel-binding "," nonce ["," extensions] "," proof
//! server-final-message = (server-error / verifier) ["," extensions]
//! ```

use super::SaslError;

/// Below this, a password can be guessed from an exchange that somebody has seen: RFC 5802 section
/// 5.1 and RFC 7677 section 4 ask for 4096 at least.
#[cfg(feature = "client")]
const MIN_ITERATIONS: u64 = 4096;
/// Above this, computing them is an attack on the client.
#[cfg(feature = "client")]
const MAX_ITERATIONS: u64 = 5_000_000;

/// What a server wants to know of the client's first message.
#[cfg(feature = "server")]
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientFirst {
    pub(super) user: String,
    pub(super) acting_as: Option<String>,
    /// The type of channel binding that is used.
    pub(super) binding: Option<String>,
}

#[cfg(feature = "server")]
pub(super) fn client_first(message: &[u8]) -> Result<ClientFirst, SaslError> {
    let mut parts = message.split(|&byte| byte == b',');
    let mut next = || parts.next().ok_or(SaslError::Malformed("a part is missing"));
    let binding = match next()? {
        b"n" | b"y" => None,
        flag => match flag.strip_prefix(b"p=") {
            Some(name) if !name.is_empty() => Some(text(name)?.to_owned()),
            _ => return Err(SaslError::Malformed("no flag of channel binding")),
        },
    };
    let acting_as = match next()? {
        b"" => None,
        authzid => Some(name(value(authzid, b"a=")?)?),
    };
    let user = name(value(next()?, b"n=")?)?;
    nonce(next()?)?;
    attributes(parts)?;
    Ok(ClientFirst { user, acting_as, binding })
}

#[cfg(feature = "client")]
pub(super) fn server_first(message: &[u8]) -> Result<(), SaslError> {
    let mut parts = message.split(|&byte| byte == b',');
    let mut next = || parts.next().ok_or(SaslError::Malformed("a part is missing"));
    nonce(next()?)?;
    let salt = value(next()?, b"s=")?;
    let iterations = value(next()?, b"i=")?;
    attributes(parts)?;
    if salt.is_empty() {
        return Err(SaslError::Malformed("no salt"));
    }
    let iterations = text(iterations)?
        .parse()
        .map_err(|_| SaslError::Malformed("the number of iterations is not a number"))?;
    if (MIN_ITERATIONS..=MAX_ITERATIONS).contains(&iterations) {
        Ok(())
    } else {
        Err(SaslError::Iterations(iterations))
    }
}

#[cfg(feature = "server")]
pub(super) fn client_final(message: &[u8]) -> Result<(), SaslError> {
    let mut parts = message.split(|&byte| byte == b',');
    let mut next = || parts.next().ok_or(SaslError::Malformed("a part is missing"));
    value(next()?, b"c=")?;
    nonce(next()?)?;
    let mut last = next()?;
    for part in parts {
        attributes([last].into_iter())?;
        last = part;
    }
    value(last, b"p=").map(drop)
}

/// The server's error, if it is one.
#[cfg(feature = "client")]
pub(super) fn server_final(message: &[u8]) -> Result<Option<&[u8]>, SaslError> {
    let mut parts = message.split(|&byte| byte == b',');
    let first = parts.next().unwrap_or_default();
    attributes(parts)?;
    match first.strip_prefix(b"e=") {
        Some(error) => Ok(Some(error)),
        None => value(first, b"v=").map(|_| None),
    }
}

fn value<'a>(part: &'a [u8], prefix: &[u8]) -> Result<&'a [u8], SaslError> {
    part.strip_prefix(prefix).ok_or(SaslError::Malformed("an attribute is not the one expected"))
}

fn nonce(part: &[u8]) -> Result<(), SaslError> {
    let nonce = value(part, b"r=")?;
    let printable = nonce.iter().all(|byte| byte.is_ascii_graphic());
    if printable && !nonce.is_empty() { Ok(()) } else { Err(SaslError::Malformed("a bad nonce")) }
}

/// `attr-val = ALPHA "=" value`, `value = 1*value-char`
fn attributes<'a>(mut parts: impl Iterator<Item = &'a [u8]>) -> Result<(), SaslError> {
    let good = parts.all(|part| match part {
        [name, b'=', value @ ..] => name.is_ascii_alphabetic() && !value.is_empty(),
        _ => false,
    });
    if good { Ok(()) } else { Err(SaslError::Malformed("an attribute without a name or a value")) }
}

fn text(bytes: &[u8]) -> Result<&str, SaslError> {
    std::str::from_utf8(bytes).map_err(|_| SaslError::Malformed("not UTF-8"))
}

#[cfg(feature = "server")]
pub(super) fn name(escaped: &[u8]) -> Result<String, SaslError> {
    let escaped = text(escaped)?;
    let mut pieces = escaped.split('=');
    let mut name = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (character, rest) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            (None, None) => return Err(SaslError::Malformed("a bad escape in a name")),
        };
        name.push(character);
        name.push_str(rest);
    }
    if name.is_empty() || name.contains('\0') {
        return Err(SaslError::Malformed("an empty name, or NUL in a name"));
    }
    Ok(name)
}

#[cfg(all(test, feature = "client", feature = "server"))]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_rfc() {
        let first = client_first(b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL").unwrap();
        assert_eq!(first, ClientFirst { user: "user".into(), acting_as: None, binding: None });
        server_first(b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096").unwrap();
        client_final(b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=")
            .unwrap();
        assert_eq!(server_final(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), Ok(None));
        assert_eq!(server_final(b"e=invalid-proof"), Ok(Some(&b"invalid-proof"[..])));
    }

    #[test]
    fn names_are_unescaped() {
        let first = client_first(b"p=tls-exporter,a=b=2Cc=3Dd,n==3D=2C,r=x").unwrap();
        assert_eq!(first.acting_as.as_deref(), Some("b,c=d"));
        assert_eq!(first.user, "=,");
        assert_eq!(first.binding.as_deref(), Some("tls-exporter"));
        for bad in ["n,,n==2,r=x", "n,,n==,r=x", "n,,n=a=2c,r=x", "n,,n=,r=x", "n,a=,n=x,r=x"] {
            assert!(client_first(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_prefix_is_refused_or_read_without_a_panic() {
        let messages: [&[u8]; 4] = [
            b"p=tls-exporter,a=x,n=user,r=abc,x=y",
            b"r=abc,s=QSXCR+Q6sek8bf92,i=4096,x=y",
            b"c=biws,r=abc,x=y,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=,x=y",
        ];
        for message in messages {
            for end in 0..message.len() {
                let prefix = &message[..end];
                let _ = (client_first(prefix), server_first(prefix), client_final(prefix));
                let _ = server_final(prefix);
            }
        }
    }

    #[test]
    fn iterations_are_bounded() {
        for (count, good) in
            [("1", false), ("4095", false), ("4096", true), ("5000000", true), ("4294967295", false)]
        {
            assert_eq!(server_first(format!("r=a,s=YQ==,i={count}").as_bytes()).is_ok(), good, "{count}");
        }
        assert!(server_first(b"r=a,s=YQ==,i=-5").is_err());
        assert!(server_first(b"r=a,s=YQ==,i=99999999999999999999999").is_err());
    }
}
