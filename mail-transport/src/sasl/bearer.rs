//! The client's messages that carry a token: of OAUTHBEARER ([RFC 7628 section
//! 3.1](https://www.rfc-editor.org/rfc/rfc7628#section-3.1)), and of XOAUTH2, which came before it.

use mailwire_core::Secret;
#[cfg(feature = "server")]
use mailwire_core::{
    ParseError,
    grammar::{Expected, Grammar, byte, expected, run_all},
};
#[cfg(feature = "server")]
use nom::{
    IResult, Parser,
    bytes::complete::{tag, tag_no_case, take_while, take_while1},
    combinator::{opt, rest},
    multi::fold_many0,
    sequence::{preceded, separated_pair, terminated},
};

#[cfg(feature = "server")]
use super::{
    SaslError,
    scram::{gs2_header, utf8},
};

/// The message of OAUTHBEARER. The user is named in the GS2 header.
#[cfg(feature = "client")]
pub(super) fn oauthbearer(user: &str, token: &Secret) -> Secret {
    let user = user.replace('=', "=3D").replace(',', "=2C");
    with_token(format!("n,a={user},\x01auth=Bearer "), token)
}

/// The message of XOAUTH2.
#[cfg(feature = "client")]
pub(super) fn xoauth2(user: &str, token: &Secret) -> Secret {
    with_token(format!("user={user}\x01auth=Bearer "), token)
}

#[cfg(feature = "client")]
fn with_token(before: String, token: &Secret) -> Secret {
    // It is written once, into room that is enough.
    let mut message = Vec::with_capacity(before.len() + token.expose().len() + 2);
    message.extend_from_slice(before.as_bytes());
    message.extend_from_slice(token.expose());
    message.extend_from_slice(b"\x01\x01");
    message.into()
}

#[cfg(feature = "server")]
type Pair<'a> = (&'a [u8], &'a [u8]);

/// The user, if the client names one, and the token.
///
/// ```abnf
/// client-resp = (gs2-header kvsep *kvpair kvsep) / kvsep
/// ```
///
/// The lone `kvsep` answers an error and is no message. The key `auth` has what would be in HTTP's
/// Authorization header. Other keys (`host`, `port`) are for servers that ask what they were called by.
#[cfg(feature = "server")]
pub(super) fn client_response(message: &[u8]) -> Result<(Option<String>, Secret), SaslError> {
    let pairs = fold_many0(pair, || None, |auth, (key, value)| auth.or((key == b"auth").then_some(value)));
    let grammar = (terminated(gs2_header, separator()), terminated(pairs, separator()));
    let ((binding, user), auth) = run(message, grammar)?;
    if binding.is_some() {
        return Err(malformed("a channel binding, which this mechanism does not have"));
    }
    // "Bearer" SP b64token: RFC 6750 section 2.1.
    let token = preceded(expected("expected Bearer", tag_no_case("Bearer ")), rest);
    match run(auth.unwrap_or_default(), token)? {
        [] => Err(malformed("expected a token")),
        token => Ok((user, Secret::from(token))),
    }
}

#[cfg(feature = "server")]
const fn malformed(reason: &'static str) -> SaslError {
    SaslError::Malformed(ParseError::new(0, reason))
}

#[cfg(feature = "server")]
fn run<'a, T>(message: &'a [u8], grammar: impl Grammar<'a, T>) -> Result<T, SaslError> {
    run_all(message, grammar).map_err(SaslError::Malformed)
}

/// The user and the token of XOAUTH2, which [Google](https://developers.google.com/workspace/gmail/imap/xoauth2-protocol)
/// has defined.
///
/// ```abnf
/// message = "user=" user %x01 "auth=Bearer " token %x01 %x01
/// ```
#[cfg(feature = "server")]
pub(super) fn xoauth2_message(message: &[u8]) -> Result<(Option<String>, Secret), SaslError> {
    let is_value = |byte| byte != 1;
    let grammar = (
        preceded(expected("expected user=", tag("user=")), opt(utf8(is_value))),
        preceded(separator(), preceded(expected("expected auth=", tag("auth=Bearer ")), utf8(is_value))),
        (separator(), separator()),
    );
    let (user, token, _) = run(message, grammar)?;
    Ok((user.map(str::to_owned), token.into()))
}

/// ```abnf
/// kvsep = %x01
/// ```
#[cfg(feature = "server")]
fn separator<'a>() -> impl Grammar<'a, ()> {
    byte(1, "expected a separator")
}

/// ```abnf
/// kvpair = key "=" value kvsep
/// key    = 1*(ALPHA)
/// value  = *(VCHAR / SP / HTAB / CR / LF )
/// ```
#[cfg(feature = "server")]
fn pair(input: &[u8]) -> IResult<&[u8], Pair<'_>, Expected<'_>> {
    let key = expected("expected a key", take_while1(|byte: u8| byte.is_ascii_alphabetic()));
    let value = take_while(|byte: u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'));
    terminated(separated_pair(key, byte(b'=', "expected ="), value), separator()).parse_complete(input)
}

#[cfg(all(test, feature = "client", feature = "server"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let token = Secret::from("dG9rZW4=");
        let message = oauthbearer("a=b,c@example.org", &token);
        assert_eq!(message.expose(), b"n,a=a=3Db=2Cc@example.org,\x01auth=Bearer dG9rZW4=\x01\x01");
        let (user, read) = client_response(message.expose()).unwrap();
        assert_eq!((user.as_deref(), read), (Some("a=b,c@example.org"), token));
        let message = xoauth2("ada@example.org", &"ya29".into());
        assert_eq!(message.expose(), b"user=ada@example.org\x01auth=Bearer ya29\x01\x01");
        let (user, read) = xoauth2_message(message.expose()).unwrap();
        assert_eq!((user.as_deref(), read), (Some("ada@example.org"), "ya29".into()));
        for end in 0..message.expose().len() {
            assert!(xoauth2_message(&message.expose()[..end]).is_err(), "{end}");
        }
        assert_eq!(xoauth2_message(b"user=\x01auth=Bearer x\x01\x01").unwrap(), (None, "x".into()));
        for bad in [
            &b"user=a\x01auth=Bearer \x01\x01"[..],
            b"user=\xff\x01auth=Bearer x\x01\x01",
            b"user=a\x01auth=Bearer x\x01\x01\x01",
            b"user=a\x01auth=Basic x\x01\x01",
        ] {
            assert!(xoauth2_message(bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn the_messages_of_the_rfc() {
        // RFC 7628 section 4.1.
        let message = b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01\
            auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";
        let (user, token) = client_response(message).unwrap();
        assert_eq!(user.as_deref(), Some("user@example.com"));
        assert_eq!(token.expose(), b"vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
        let (user, token) = client_response(b"y,,\x01auth=bearer x\x01auth=Bearer y\x01\x01").unwrap();
        assert_eq!((user, token.expose()), (None, &b"x"[..]));
    }

    #[test]
    fn every_other_message_is_refused() {
        let good = b"n,a=b=2Cc,\x01auth=Bearer x\x01\x01";
        assert_eq!(client_response(good).unwrap().0.as_deref(), Some("b,c"));
        for end in 0..good.len() {
            assert!(client_response(&good[..end]).is_err(), "{end}");
        }
        for bad in [
            &b"\x01"[..],
            b"n,,\x01\x01",
            b"n,,\x01auth=Bearer \x01\x01",
            b"n,,\x01auth=Basic x\x01\x01",
            b"n,,\x01=x\x01auth=Bearer x\x01\x01",
            b"n,,\x01auth=Bearer \x80\x01\x01",
            b"n,,\x01auth=Bearer x\x01\x01\x01",
            b"n,a=,\x01auth=Bearer x\x01\x01",
            b"x,,\x01auth=Bearer x\x01\x01",
            b"p=tls-exporter,,\x01auth=Bearer x\x01\x01",
        ] {
            assert!(client_response(bad).is_err(), "{}", bad.escape_ascii());
        }
    }
}
