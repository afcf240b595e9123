//! The messages of SCRAM ([RFC 5802 section 7](https://www.rfc-editor.org/rfc/rfc5802#section-7)),
//! checked before rsasl sees them.

#[cfg(feature = "client")]
use mailwire_core::grammar::number64;
use mailwire_core::grammar::{Expected, Grammar, byte, expected, run_all};
use nom::{
    Err, IResult, Parser,
    bytes::complete::{tag, take_while, take_while_m_n, take_while1},
    combinator::{cut, recognize},
    multi::many0_count,
    sequence::preceded,
};
#[cfg(feature = "server")]
use nom::{
    branch::alt,
    character::complete::one_of,
    combinator::{not, value},
    multi::fold_many1,
    sequence::terminated,
};

use super::SaslError;

/// Below this, a password can be guessed from an exchange that somebody has seen: RFC 5802 section
/// 5.1 and RFC 7677 section 4 ask for 4096 at least.
#[cfg(feature = "client")]
const MIN_ITERATIONS: u64 = 4096;

type Read<'a, T> = IResult<&'a [u8], T, Expected<'a>>;

/// What a server wants to know of the client's first message.
#[cfg(feature = "server")]
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientFirst {
    pub(super) user: String,
    pub(super) acting_as: Option<String>,
    /// The type of channel binding that is used.
    pub(super) binding: Option<String>,
}

/// ```abnf
/// client-first-message      = gs2-header client-first-message-bare
/// client-first-message-bare = [reserved-mext ","] username "," nonce ["," extensions]
/// username                  = "n=" saslname
/// ```
#[cfg(feature = "server")]
pub(super) fn client_first(message: &[u8]) -> Result<ClientFirst, SaslError> {
    let grammar = (
        gs2_header,
        preceded(no_reserved_mext, attribute("n=", "expected n=", saslname)),
        preceded(comma(), nonce),
        extensions,
    );
    let ((binding, acting_as), user, (), ()) = run(message, grammar)?;
    Ok(ClientFirst { user, acting_as, binding })
}

/// ```abnf
/// server-first-message = [reserved-mext ","] nonce "," salt "," iteration-count ["," extensions]
/// salt                 = "s=" base64
/// iteration-count      = "i=" posit-number
/// ```
#[cfg(feature = "client")]
pub(super) fn server_first(message: &[u8], max_iterations: u32) -> Result<(), SaslError> {
    let grammar = (
        preceded(no_reserved_mext, nonce),
        preceded(comma(), attribute("s=", "expected s=", base64)),
        // Zeros in front are let pass, as rsasl does; none is out of the bounds.
        preceded(comma(), attribute("i=", "expected i=", number64())),
        extensions,
    );
    let ((), (), iterations, ()) = run(message, grammar)?;
    if (MIN_ITERATIONS..=max_iterations.into()).contains(&iterations) {
        Ok(())
    } else {
        Err(SaslError::Iterations(iterations))
    }
}

/// ```abnf
/// client-final-message               = client-final-message-without-proof "," proof
/// client-final-message-without-proof = channel-binding "," nonce ["," extensions]
/// channel-binding                    = "c=" base64
/// proof                              = "p=" base64
/// ```
#[cfg(feature = "server")]
pub(super) fn client_final(message: &[u8]) -> Result<(), SaslError> {
    let extension = preceded(not(tag("p=")), cut(attr_val));
    let grammar = (
        attribute("c=", "expected c=", base64),
        preceded(comma(), nonce),
        many0_count(preceded(comma(), extension)),
        preceded(comma(), attribute("p=", "expected p=", base64)),
    );
    run(message, grammar).map(drop)
}

/// ```abnf
/// server-final-message = (server-error / verifier) ["," extensions]
/// server-error         = "e=" server-error-value
/// verifier             = "v=" base64
/// ```
///
/// The server's error, if it is one. It is for people, so any bytes may be in it.
#[cfg(feature = "client")]
pub(super) fn server_final(message: &[u8]) -> Result<Option<&[u8]>, SaslError> {
    if message.starts_with(b"e=") {
        let error = preceded(tag("e="), take_while(|byte| byte != b','));
        return run(message, (error, extensions)).map(|(error, ())| Some(error));
    }
    let verifier = attribute("v=", "expected e= or v=", base64);
    run(message, (verifier, extensions)).map(|_| None)
}

fn run<'a, T>(message: &'a [u8], grammar: impl Grammar<'a, T>) -> Result<T, SaslError> {
    run_all(message, grammar).map_err(SaslError::Malformed)
}

fn comma<'a>() -> impl Grammar<'a, ()> {
    byte(b',', "expected a comma")
}

fn attribute<'a, T>(
    name: &'static str,
    reason: &'static str,
    value: impl Grammar<'a, T>,
) -> impl Grammar<'a, T> {
    preceded(expected(reason, tag(name)), value)
}

/// ```abnf
/// gs2-header = gs2-cbind-flag "," [ authzid ] ","
/// authzid    = "a=" saslname
/// ```
///
/// The type of channel binding, and the identity that is asked for.
#[cfg(feature = "server")]
pub(super) fn gs2_header(input: &[u8]) -> Read<'_, (Option<String>, Option<String>)> {
    let authzid = attribute("a=", "expected a= or a comma", saslname);
    (terminated(gs2_cbind_flag, comma()), alt((value(None, comma()), terminated(authzid.map(Some), comma()))))
        .parse_complete(input)
}

/// ```abnf
/// gs2-cbind-flag = ("p=" cb-name) / "n" / "y"
/// cb-name        = 1*(ALPHA / DIGIT / "." / "-")
/// ```
#[cfg(feature = "server")]
fn gs2_cbind_flag(input: &[u8]) -> Read<'_, Option<String>> {
    let cb_name = take_while1(|byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
        .map(|name| Some(String::from_utf8_lossy(name).into_owned()));
    let bound = preceded(tag("p="), expected("expected the name of a channel binding", cb_name));
    expected("expected p=, n or y", alt((bound, value(None, one_of("ny"))))).parse_complete(input)
}

/// ```abnf
/// saslname        = 1*(value-safe-char / "=2C" / "=3D")
/// value-safe-char = %x01-2B / %x2D-3C / %x3E-7F / UTF8-2 / UTF8-3 / UTF8-4
/// ```
#[cfg(feature = "server")]
fn saslname(input: &[u8]) -> Read<'_, String> {
    let escape = alt((value(",", tag("2C")), value("=", tag("3D"))));
    let escape = preceded(tag("="), cut(expected("expected 2C or 3D after =", escape)));
    let safe = utf8(|byte| !matches!(byte, 0 | b'=' | b','));
    let name = fold_many1(alt((escape, safe)), String::new, |name, piece| name + piece);
    expected("expected a name", name).parse_complete(input)
}

/// Mandatory extensions, of which there are none.
///
/// ```abnf
/// reserved-mext = "m=" 1*(value-char)
/// ```
fn no_reserved_mext(input: &[u8]) -> Read<'_, ()> {
    match input {
        [b'm', b'=', ..] => {
            Err(Err::Failure(Expected { rest: input, reason: "a mandatory extension that is not known" }))
        }
        _ => Ok((input, ())),
    }
}

/// ```abnf
/// nonce     = "r=" c-nonce [s-nonce]
/// c-nonce   = printable
/// s-nonce   = printable
/// printable = %x21-2B / %x2D-7E
/// ```
///
/// One byte or more of them.
fn nonce(input: &[u8]) -> Read<'_, ()> {
    let printable = take_while1(|byte: u8| byte.is_ascii_graphic() && byte != b',');
    attribute("r=", "expected r=", expected("expected a nonce", printable).map(drop)).parse_complete(input)
}

/// ```abnf
/// base64      = *base64-4 [base64-3 / base64-2]
/// base64-4    = 4base64-char
/// base64-3    = 3base64-char "="
/// base64-2    = 2base64-char "=="
/// base64-char = ALPHA / DIGIT / "/" / "+"
/// ```
///
/// None is empty: no salt, binding or proof of no bytes is taken.
fn base64(input: &[u8]) -> Read<'_, ()> {
    let chars = take_while(|byte: u8| byte.is_ascii_alphanumeric() || b"/+".contains(&byte));
    let padding = take_while_m_n(0, 2, |byte| byte == b'=');
    let (rest, text) = recognize((chars, padding)).parse_complete(input)?;
    if text.is_empty() || text.len() % 4 != 0 {
        return Err(Err::Failure(Expected { rest: input, reason: "expected base64" }));
    }
    Ok((rest, ()))
}

/// ```abnf
/// extensions = attr-val *("," attr-val)
/// ```
///
/// With the comma before each; or none.
fn extensions(input: &[u8]) -> Read<'_, ()> {
    many0_count(preceded(comma(), cut(attr_val))).map(drop).parse_complete(input)
}

/// ```abnf
/// attr-val   = ALPHA "=" value
/// value      = 1*value-char
/// value-char = value-safe-char / "="
/// ```
fn attr_val(input: &[u8]) -> Read<'_, ()> {
    let name = take_while_m_n(1, 1, |byte: u8| byte.is_ascii_alphabetic());
    let value = expected("expected a value", utf8(|byte| !matches!(byte, 0 | b',')));
    let name = expected("expected an attribute", name);
    (name, byte(b'=', "expected ="), value).map(drop).parse_complete(input)
}

/// At least one byte of a class, which together are UTF-8.
pub(super) fn utf8<'a>(class: impl Fn(u8) -> bool) -> impl Grammar<'a, &'a str> {
    let mut bytes = take_while1(class);
    move |input: &'a [u8]| {
        let (rest, bytes) = bytes.parse_complete(input)?;
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let rest = input.get(error.valid_up_to()..).unwrap_or_default();
            Err::Failure(Expected { rest, reason: "expected UTF-8" })
        })?;
        Ok((rest, text))
    }
}

#[cfg(all(test, feature = "client", feature = "server"))]
mod tests {
    use super::*;

    fn first_of_server(message: &[u8]) -> Result<(), SaslError> {
        server_first(message, super::super::DEFAULT_MAX_ITERATIONS)
    }

    #[test]
    fn messages_of_the_rfc() {
        let first = client_first(b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL").unwrap();
        assert_eq!(first, ClientFirst { user: "user".into(), acting_as: None, binding: None });
        first_of_server(b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096").unwrap();
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
                let _ = (client_first(prefix), first_of_server(prefix), client_final(prefix));
                let _ = server_final(prefix);
            }
        }
    }

    #[test]
    fn iterations_are_bounded() {
        for (count, good) in [
            ("1", false),
            ("4095", false),
            ("4096", true),
            ("500000", true),
            ("500001", false),
            ("4294967295", false),
        ] {
            assert_eq!(first_of_server(format!("r=a,s=YQ==,i={count}").as_bytes()).is_ok(), good, "{count}");
        }
        assert!(first_of_server(b"r=a,s=YQ==,i=-5").is_err());
        assert!(first_of_server(b"r=a,s=YQ==,i=99999999999999999999999").is_err());
    }

    /// Where and why a message is refused.
    #[allow(clippy::unwrap_used)]
    fn refused<T: std::fmt::Debug>(result: Result<T, SaslError>) -> (usize, &'static str) {
        let SaslError::Malformed(error) = result.unwrap_err() else { unreachable!("a malformed message") };
        (error.offset, error.reason)
    }

    #[test]
    fn malformed_first_messages_of_a_client() {
        for (message, offset, reason) in [
            (&b""[..], 0, "expected p=, n or y"),
            (b"x,,n=u,r=x", 0, "expected p=, n or y"),
            (b"p=,,n=u,r=x", 2, "expected the name of a channel binding"),
            (b"p=tls unique,,n=u,r=x", 5, "expected a comma"),
            (b"n", 1, "expected a comma"),
            (b"n,u,n=u,r=x", 2, "expected a= or a comma"),
            (b"n,a=,n=u,r=x", 4, "expected a name"),
            (b"n,a=b", 5, "expected a comma"),
            (b"n,,m=x,n=u,r=x", 3, "a mandatory extension that is not known"),
            (b"n,,u,r=x", 3, "expected n="),
            (b"n,,n=,r=x", 5, "expected a name"),
            (b"n,,n=a\0b,r=x", 6, "expected a comma"),
            (b"n,,n=a=2c,r=x", 7, "expected 2C or 3D after ="),
            (b"n,,n==,r=x", 6, "expected 2C or 3D after ="),
            (b"n,,n=a\xffb,r=x", 6, "expected UTF-8"),
            (b"n,,n=u", 6, "expected a comma"),
            (b"n,,n=u,x", 7, "expected r="),
            (b"n,,n=u,r=", 9, "expected a nonce"),
            (b"n,,n=u,r=a b", 10, "expected the end"),
            (b"n,,n=u,r=x,", 11, "expected an attribute"),
            (b"n,,n=u,r=x,1=2", 11, "expected an attribute"),
            (b"n,,n=u,r=x,ab", 12, "expected ="),
            (b"n,,n=u,r=x,a=", 13, "expected a value"),
            (b"n,,n=u,r=x,a=b\xc3", 14, "expected UTF-8"),
        ] {
            assert_eq!(refused(client_first(message)), (offset, reason), "{}", message.escape_ascii());
        }
    }

    #[test]
    fn malformed_first_messages_of_a_server() {
        for (message, offset, reason) in [
            ("", 0, "expected r="),
            ("m=x,r=a,s=YQ==,i=4096", 0, "a mandatory extension that is not known"),
            ("r=a", 3, "expected a comma"),
            ("r=a,YQ==,i=4096", 4, "expected s="),
            ("r=a,s=,i=4096", 6, "expected base64"),
            ("r=a,s=YQ=,i=4096", 6, "expected base64"),
            ("r=a,s=?,i=4096", 6, "expected base64"),
            ("r=a,s=YQ==,4096", 11, "expected i="),
            ("r=a,s=YQ==,i=x", 13, "expected a number"),
            ("r=a,s=YQ==,i=-5", 13, "expected a number"),
            ("r=a,s=YQ==,i=99999999999999999999999", 13, "expected a number"),
            ("r=a,s=YQ==,i=4096x", 17, "expected the end"),
            ("r=a,s=YQ==,i=4096,x", 19, "expected ="),
        ] {
            assert_eq!(refused(first_of_server(message.as_bytes())), (offset, reason), "{message}");
        }
    }

    #[test]
    fn malformed_last_messages() {
        for (message, offset, reason) in [
            ("", 0, "expected c="),
            ("c=,r=a,p=YQ==", 2, "expected base64"),
            ("c=biws,p=YQ==", 7, "expected r="),
            ("c=biws,r=a", 10, "expected a comma"),
            ("c=biws,r=a,x=y", 14, "expected a comma"),
            ("c=biws,r=a,x,p=YQ==", 12, "expected ="),
            ("c=biws,r=a,p=Y", 13, "expected base64"),
            ("c=biws,r=a,p=YQ==,x=y", 17, "expected the end"),
        ] {
            assert_eq!(refused(client_final(message.as_bytes())), (offset, reason), "{message}");
        }
        for (message, offset, reason) in [
            ("", 0, "expected e= or v="),
            ("r=x", 0, "expected e= or v="),
            ("v=", 2, "expected base64"),
            ("v=YQ==x", 6, "expected the end"),
            ("v=YQ==,x", 8, "expected ="),
            ("e=other-error,x", 15, "expected ="),
        ] {
            assert_eq!(refused(server_final(message.as_bytes())), (offset, reason), "{message}");
        }
    }
}
