//! A client's side of DIGEST-MD5 ([RFC 2831](https://www.rfc-editor.org/rfc/rfc2831)), which is historic
//! ([RFC 6331](https://www.rfc-editor.org/rfc/rfc6331)): authentication only, without a security layer.

use mailwire_core::{
    ParseError, Secret,
    grammar::{Expected, byte, expected, run_all},
};
use md5::{Digest, Md5};
use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{take, take_while, take_while1},
    combinator::map,
    multi::{fold_many0, many0},
    sequence::{delimited, preceded, separated_pair, terminated},
};

use super::{SaslError, cram_md5::hex};

/// The size of a challenge: section 2.1.1.
const MAX_CHALLENGE: usize = 2048;
/// This is the first answer to its nonce, and the only one.
const NONCE_COUNT: &str = "00000001";

/// The client's side of one exchange.
pub(super) struct DigestMd5 {
    user: String,
    password: Secret,
    acting_as: Option<String>,
    /// `serv-type "/" host`
    uri: String,
    cnonce: String,
    /// The proof that the server owes.
    expected: Option<Secret>,
}

/// What a client needs of a challenge.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    /// The first realm, where there are several.
    realm: Option<Vec<u8>>,
    nonce: Vec<u8>,
    /// Names and passwords are in UTF-8, otherwise in ISO 8859-1.
    utf8: bool,
}

impl DigestMd5 {
    pub(super) fn new(
        user: &str,
        password: &Secret,
        acting_as: Option<&str>,
        service: &str,
        host: &str,
    ) -> Result<Self, SaslError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|_| SaslError::InvalidCredentials("the system has no randomness"))?;
        Ok(Self {
            user: user.to_owned(),
            password: password.clone(),
            acting_as: acting_as.map(str::to_owned),
            uri: format!("{service}/{host}"),
            cnonce: hex(&random),
            expected: None,
        })
    }

    /// The answer to the challenge.
    ///
    /// ```abnf
    /// digest-response  = 1#( username | realm | nonce | cnonce | nonce-count | qop | digest-uri |
    ///                        response | maxbuf | charset | cipher | authzid | auth-param )
    /// ```
    pub(super) fn respond(&mut self, challenge: &[u8]) -> Result<Secret, SaslError> {
        let Challenge { realm, nonce, utf8 } = read(challenge)?;
        let user = encode(&self.user, utf8)?;
        let secret = self.secret(realm.as_deref().unwrap_or_default(), &nonce);
        self.expected = Some(self.proof(&secret, &nonce, ""));
        let response = self.proof(&secret, &nonce, "AUTHENTICATE");

        let mut out = Vec::new();
        if utf8 {
            out.extend_from_slice(b"charset=utf-8,");
        }
        quote("username", &user, &mut out);
        if let Some(realm) = &realm {
            quote("realm", realm, &mut out);
        }
        quote("nonce", &nonce, &mut out);
        quote("cnonce", self.cnonce.as_bytes(), &mut out);
        quote("digest-uri", self.uri.as_bytes(), &mut out);
        if let Some(acting_as) = &self.acting_as {
            quote("authzid", acting_as.as_bytes(), &mut out);
        }
        out.extend_from_slice(format!("nc={NONCE_COUNT},qop=auth,response=").as_bytes());
        out.extend_from_slice(response.expose());
        Ok(out.into())
    }

    /// Checks that the server knows the password.
    ///
    /// ```abnf
    /// response-auth = "rspauth" "=" response-value
    /// ```
    pub(super) fn verify(&mut self, message: &[u8]) -> Result<(), SaslError> {
        let shown = directives(message)?
            .into_iter()
            .find_map(|(name, value)| name.eq_ignore_ascii_case(b"rspauth").then(|| Secret::from(value)));
        match (shown, self.expected.take()) {
            (Some(shown), Some(expected)) if shown == expected => Ok(()),
            (None, _) => Err(malformed("expected rspauth")),
            _ => Err(SaslError::ServerNotVerified),
        }
    }

    /// `HEX(H(A1))`
    ///
    /// ```text
    /// A1 = { H( { username-value, ":", realm-value, ":", passwd } ),
    ///      ":", nonce-value, ":", cnonce-value [, ":", authzid-value] }
    /// ```
    fn secret(&self, realm: &[u8], nonce: &[u8]) -> Secret {
        // Stores that are shared with HTTP hash them so.
        let hashed = |text: &[u8]| {
            let narrow = std::str::from_utf8(text).ok().and_then(latin1);
            narrow.map_or_else(|| Secret::from(text), Secret::from)
        };
        let (user, password) = (hashed(self.user.as_bytes()), hashed(self.password.expose()));
        let who = joined(&[user.expose(), realm, password.expose()]);
        let mut hash = Md5::new().chain_update(who).chain_update(":").chain_update(nonce);
        hash.update(":");
        hash.update(&self.cnonce);
        if let Some(acting_as) = &self.acting_as {
            hash.update(":");
            hash.update(acting_as);
        }
        hex(&hash.finalize()).into()
    }

    /// `HEX(KD(HEX(H(A1)), { nonce-value, ":" nc-value, ":", cnonce-value, ":", qop-value, ":", HEX(H(A2)) }))`
    /// with `A2 = { method, ":", digest-uri-value }`.
    fn proof(&self, secret: &Secret, nonce: &[u8], method: &str) -> Secret {
        let what = hex(&joined(&[method.as_bytes(), self.uri.as_bytes()]));
        let parts = [
            secret.expose(),
            nonce,
            NONCE_COUNT.as_bytes(),
            self.cnonce.as_bytes(),
            b"auth",
            what.as_bytes(),
        ];
        hex(&joined(&parts)).into()
    }
}

/// The hash of these with a colon between each two.
fn joined(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Md5::new();
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            hash.update(":");
        }
        hash.update(part);
    }
    hash.finalize().into()
}

/// In UTF-8 or ISO 8859-1.
fn encode(text: &str, utf8: bool) -> Result<Vec<u8>, SaslError> {
    if utf8 {
        return Ok(text.as_bytes().to_vec());
    }
    latin1(text).ok_or(SaslError::InvalidCredentials("the server knows no such characters"))
}

/// In ISO 8859-1, if that has all of it.
fn latin1(text: &str) -> Option<Vec<u8>> {
    if text.chars().any(|letter| u8::try_from(letter).is_err()) {
        return None;
    }
    // What grows would leave pieces of a password behind.
    let mut out = Vec::with_capacity(text.len());
    out.extend(text.chars().filter_map(|letter| u8::try_from(letter).ok()));
    Some(out)
}

fn quote(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    for &byte in value {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.extend_from_slice(b"\",");
}

/// ```abnf
/// digest-challenge = 1#( realm | nonce | qop-options | stale | maxbuf | charset | algorithm |
///                        cipher-opts | auth-param )
/// ```
fn read(message: &[u8]) -> Result<Challenge, SaslError> {
    if message.len() >= MAX_CHALLENGE {
        return Err(malformed("a challenge that is too long"));
    }
    let all = directives(message)?;
    let values = |wanted: &'static str| {
        all.iter()
            .filter(move |(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()))
            .map(|(_, value)| value.as_slice())
    };
    let at_most_once = |wanted: &'static str| {
        let mut values = values(wanted);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(malformed("a directive that may come once only")),
        }
    };
    let nonce = at_most_once("nonce")?.ok_or(malformed("expected a nonce"))?.to_vec();
    match at_most_once("algorithm")? {
        Some(algorithm) if algorithm.eq_ignore_ascii_case(b"md5-sess") => {}
        _ => return Err(malformed("an algorithm that is not known")),
    }
    let utf8 = match at_most_once("charset")? {
        None => false,
        Some(charset) if charset.eq_ignore_ascii_case(b"utf-8") => true,
        Some(_) => return Err(malformed("a charset that is not known")),
    };
    at_most_once("stale")?;
    at_most_once("maxbuf")?;
    let mut protections = values("qop").flat_map(|list| list.split(|&byte| byte == b',')).peekable();
    let offers_auth = protections.peek().is_none()
        || protections.any(|offered| offered.trim_ascii().eq_ignore_ascii_case(b"auth"));
    if !offers_auth {
        return Err(malformed("a server that wants a security layer"));
    }
    Ok(Challenge { realm: values("realm").next().map(<[u8]>::to_vec), nonce, utf8 })
}

const fn malformed(reason: &'static str) -> SaslError {
    SaslError::Malformed(ParseError::new(0, reason))
}

type Directive<'a> = (&'a [u8], Vec<u8>);
type Read<'a, T> = IResult<&'a [u8], T, Expected<'a>>;

/// A list as `#rule` of section 7.1 has it: commas between its elements, some of which may be missing.
fn directives(message: &[u8]) -> Result<Vec<Directive<'_>>, SaslError> {
    let list = preceded((space, commas), many0(terminated(directive, (space, end_or_comma))));
    run_all(message, list).map_err(SaslError::Malformed)
}

fn end_or_comma(input: &[u8]) -> Read<'_, ()> {
    if input.is_empty() {
        return Ok((input, ()));
    }
    preceded(byte(b',', "expected a comma"), preceded(space, commas)).parse_complete(input)
}

fn commas(input: &[u8]) -> Read<'_, ()> {
    fold_many0(terminated(byte(b',', "expected a comma"), space), || (), |(), ()| ()).parse_complete(input)
}

/// ```abnf
/// auth-param    = token "=" ( token | quoted-string )
/// quoted-string = ( <"> qdstr-val <"> )
/// qdstr-val     = *( qdtext | quoted-pair )
/// ```
fn directive(input: &[u8]) -> Read<'_, Directive<'_>> {
    let quoted = delimited(byte(b'"', "expected a quote"), quoted_text, byte(b'"', "expected a quote"));
    let value = alt((quoted, map(token, <[u8]>::to_vec)));
    separated_pair(token, (space, byte(b'=', "expected ="), space), value).parse_complete(input)
}

fn quoted_text(input: &[u8]) -> Read<'_, Vec<u8>> {
    let plain = take_while1(|byte| !matches!(byte, b'"' | b'\\'));
    let pair = preceded(byte(b'\\', "expected a quoted pair"), take(1_usize));
    let join = |mut text: Vec<u8>, piece: &[u8]| {
        text.extend_from_slice(piece);
        text
    };
    fold_many0(alt((plain, pair)), Vec::new, join).parse_complete(input)
}

/// ```abnf
/// token = 1*<any CHAR except CTLs or separators>
/// ```
fn token(input: &[u8]) -> Read<'_, &[u8]> {
    let is_char = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
    expected("expected a word", take_while1(is_char)).parse_complete(input)
}

/// Linear white space.
fn space(input: &[u8]) -> Read<'_, ()> {
    take_while(|byte: u8| byte.is_ascii_whitespace()).map(drop).parse_complete(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of section 4.
    fn chris() -> DigestMd5 {
        let password = Secret::from("secret");
        let mut client = DigestMd5::new("chris", &password, None, "imap", "elwood.innosoft.com").unwrap();
        client.cnonce = "OA6MHXh6VqTrRk".into();
        client
    }

    const CHALLENGE: &str = "realm=\"elwood.innosoft.com\",nonce=\"OA6MG9tEQGm2hh\",qop=\"auth\",\
        algorithm=md5-sess,charset=utf-8";

    #[test]
    fn the_example_of_the_rfc() {
        let mut client = chris();
        let answer = client.respond(CHALLENGE.as_bytes()).unwrap();
        let text = String::from_utf8(answer.expose().to_vec()).unwrap();
        for part in [
            "charset=utf-8,username=\"chris\",realm=\"elwood.innosoft.com\"",
            "cnonce=\"OA6MHXh6VqTrRk\",digest-uri=\"imap/elwood.innosoft.com\"",
            "nc=00000001,qop=auth,response=d388dad90d4bbd760a152321f2143af7",
        ] {
            assert!(text.contains(part), "{text}");
        }
        client.verify(b"rspauth=ea40f60335c427b5527b84dbabcdfffd").unwrap();
        assert_eq!(
            client.verify(b"rspauth=ea40f60335c427b5527b84dbabcdfffd"),
            Err(SaslError::ServerNotVerified)
        );
        let mut client = chris();
        client.respond(CHALLENGE.as_bytes()).unwrap();
        assert_eq!(
            client.verify(b"rspauth=ea40f60335c427b5527b84dbabcdffff"),
            Err(SaslError::ServerNotVerified)
        );
    }

    #[test]
    fn lists_have_spaces_and_empty_elements() {
        let challenge = b" ,, realm = \"a\\\"b\" , nonce=\"x\",,realm=c, algorithm=MD5-sess,\tfoo=bar, ";
        let read = read(challenge).unwrap();
        let realm = Some(b"a\"b".to_vec());
        assert_eq!(read, Challenge { realm, nonce: b"x".to_vec(), utf8: false });
        let mut client = chris();
        let answer = client.respond(challenge).unwrap();
        assert!(answer.expose().starts_with(b"username=\"chris\",realm=\"a\\\"b\",nonce=\"x\","));
    }

    /// In ISO 8859-1 it can look like UTF-8.
    #[test]
    fn a_name_is_encoded_once() {
        let mut client = DigestMd5::new("\u{c3}\u{bc}", &"x".into(), None, "imap", "x").unwrap();
        client.cnonce = "y".into();
        let answer = client.respond(b"nonce=\"z\",algorithm=md5-sess").unwrap();
        // The name is the octets C3 BC, of which the server knows the hash.
        assert!(
            answer.expose().ends_with(b"response=f983e55e95b4274695d85abf775588a8"),
            "{}",
            answer.expose().escape_ascii()
        );
    }

    #[test]
    fn every_other_challenge_is_refused() {
        for bad in [
            "",
            "nonce=\"x\"",
            "algorithm=md5-sess",
            "nonce=\"x\",nonce=\"y\",algorithm=md5-sess",
            "nonce=\"x\",algorithm=md5",
            "nonce=\"x\",algorithm=md5-sess,charset=latin1",
            "nonce=\"x\",algorithm=md5-sess,qop=\"auth-int,auth-conf\"",
            "nonce=\"x\",algorithm=md5-sess,stale=true,stale=true",
            "nonce=\"x algorithm=md5-sess",
            "nonce=\"x\\",
            "nonce=\"x\" algorithm=md5-sess",
            "nonce",
            "nonce=",
        ] {
            assert!(matches!(chris().respond(bad.as_bytes()), Err(SaslError::Malformed(_))), "{bad}");
        }
        let long = format!("{CHALLENGE},x=\"{}\"", "y".repeat(MAX_CHALLENGE));
        assert!(chris().respond(long.as_bytes()).is_err());
        for end in 0..CHALLENGE.len() {
            let _ = chris().respond(&CHALLENGE.as_bytes()[..end]);
        }
    }

    #[test]
    fn what_a_server_without_utf8_cannot_know() {
        let challenge = b"nonce=\"x\",algorithm=md5-sess";
        let mut client = DigestMd5::new("\u{fc}", &"\u{fc}".into(), None, "imap", "x").unwrap();
        assert!(client.respond(challenge).unwrap().expose().starts_with(b"username=\"\xfc\","));
        let mut client = DigestMd5::new("\u{20ac}", &"x".into(), Some("y"), "imap", "x").unwrap();
        assert!(matches!(client.respond(challenge), Err(SaslError::InvalidCredentials(_))));
        let utf8 = client.respond(CHALLENGE.as_bytes()).unwrap();
        let text = String::from_utf8(utf8.expose().to_vec()).unwrap();
        assert!(text.contains("username=\"\u{20ac}\"") && text.contains("authzid=\"y\""), "{text}");
    }
}
