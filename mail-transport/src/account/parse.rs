//! The grammar of an account's URL.

use std::{net::Ipv6Addr, path::PathBuf, str};

use mailwire_core::{
    ParseError, Secret,
    grammar::{Expected, Grammar, byte, expected, percent_decode, percent_encoded, run_all},
};
use nom::{
    Err, IResult, Parser,
    branch::alt,
    bytes::complete::{tag, tag_no_case, take_while1},
    combinator::{cut, map, opt, value, verify},
    multi::many0,
    sequence::{delimited, preceded, terminated},
};

use super::{Account, Auth};
use crate::{
    Endpoint, Protocol, Security, domain_to_ascii,
    security::Kind::{self, Implicit, Plaintext, StartTls},
};

/// The schemes; the first of a protocol and protection is the one that is written.
pub(super) const SCHEMES: [(&str, Protocol, Kind); 10] = [
    ("smtp", Protocol::Smtp, StartTls),
    ("smtps", Protocol::Smtp, Implicit),
    ("submission", Protocol::Submission, StartTls),
    ("submissions", Protocol::Submission, Implicit),
    ("lmtp", Protocol::Lmtp, StartTls),
    ("imap", Protocol::Imap, StartTls),
    ("imaps", Protocol::Imap, Implicit),
    ("pop3", Protocol::Pop3, StartTls),
    ("pop3s", Protocol::Pop3, Implicit),
    ("pop", Protocol::Pop3, StartTls),
];

/// How the connection is protected: the values of the option `tls`.
pub(super) const TLS: [(&str, Kind); 3] =
    [("starttls", StartTls), ("implicit", Implicit), ("none", Plaintext)];

/// ```text
/// account = scheme ( "://" server / "+unix:" socket ) [ "?" options ]
/// ```
pub(super) fn account(url: &[u8]) -> Result<Account, ParseError> {
    run_all(url, |input| {
        let name = take_while1(|byte: u8| byte.is_ascii_alphanumeric());
        let (rest, name): (_, &[u8]) = expected("expected a scheme", name).parse_complete(input)?;
        let known = SCHEMES.iter().find(|(scheme, ..)| name.eq_ignore_ascii_case(scheme.as_bytes()));
        let Some(&(_, protocol, kind)) = known else {
            return failure(
                input,
                "not a scheme of mail: smtp, submission, lmtp, imap, pop3, most with an s",
            );
        };
        let unix: IResult<_, _, Expected<'_>> = tag_no_case(&b"+unix:"[..]).parse_complete(rest);
        match unix {
            Ok((_, _)) if kind == Implicit => failure(input, "a Unix socket is without TLS"),
            Ok((rest, _)) => socket(protocol, rest),
            Err(_) => {
                let (rest, _) = expected("expected ://", tag(&b"://"[..])).parse_complete(rest)?;
                server(protocol, kind, rest)
            }
        }
    })
}

/// ```text
/// server = authority [ "/" [ mailbox ] ]
/// ```
fn server(protocol: Protocol, kind: Kind, input: &[u8]) -> IResult<&[u8], Account, Expected<'_>> {
    let (rest, (user, host, port)) = authority(Some(protocol)).parse_complete(input)?;
    let (rest, mailbox) = match rest {
        [b'/', path @ ..] => {
            let length = path.iter().position(|&byte| byte == b'?').unwrap_or(path.len());
            if user.is_none() && path.get(..length).is_some_and(|path| path.contains(&b'@')) {
                return failure(rest, "a / that is part of a name or password is written %2F");
            }
            mailbox(protocol, path)?
        }
        [] | [b'?', ..] => (rest, None),
        _ => return failure(rest, "expected :, /, ? or the end"),
    };
    let (rest, options) = options(rest)?;
    let kind = match (kind, options.tls) {
        (kind, None) => kind,
        (StartTls, Some((_, kind))) => kind,
        (_, Some((_, Implicit))) => Implicit,
        (_, Some((at, _))) => return failure(at, "the scheme says TLS from the first byte"),
    };
    let security = Security(kind);
    let port = port.unwrap_or_else(|| security.default_port(protocol));
    let mut account = Account::new(protocol, Endpoint::tcp(host, port, security));
    account.mailbox = mailbox;
    Ok((rest, finished(account, user, &options)))
}

/// Who asks which host, at which port.
///
/// ```text
/// authority = [ userinfo "@" ] host [ ":" port ]
/// port      = 1*DIGIT
/// ```
pub(crate) fn authority<'a>(
    protocol: Option<Protocol>,
) -> impl Grammar<'a, (Option<UserInfo>, String, Option<u16>)> {
    move |input: &'a [u8]| {
        let end = input.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(input.len());
        let mut parts = input.get(..end).unwrap_or_default().splitn(3, |&byte| byte == b'@');
        let (first, has_user) = (parts.next().unwrap_or_default(), parts.next().is_some());
        if parts.next().is_some() {
            let at = input.get(first.len()..).unwrap_or_default();
            return failure(at, "an @ that is part of a name or password is written %40");
        }
        let (rest, user) = match has_user {
            true => map(terminated(cut(user_info(protocol)), byte(b'@', AT)), Some).parse_complete(input)?,
            false => (input, None),
        };
        let (rest, host) = host(rest)?;
        let port = expected("expected a port", nom::character::complete::u16);
        let (rest, port) = opt(preceded(byte(b':', ""), cut(port))).parse_complete(rest)?;
        Ok((rest, (user, host, port)))
    }
}

/// ```text
/// socket = [ "//" [ userinfo "@" ] ] path-absolute
/// ```
fn socket(protocol: Protocol, input: &[u8]) -> IResult<&[u8], Account, Expected<'_>> {
    let (rest, user) = match input {
        [b'/', b'/', rest @ ..] if rest.starts_with(b"/") => (rest, None),
        [b'/', b'/', rest @ ..] => {
            map(terminated(user_info(Some(protocol)), byte(b'@', AT)), Some).parse_complete(rest)?
        }
        path => (path, None),
    };
    let (after, raw) = percent_encoded(is_path, "expected an absolute path").parse_complete(rest)?;
    if !raw.starts_with(b"/") {
        return failure(rest, "expected an absolute path");
    }
    let path = text(raw, rest)?;
    let (rest, options) = options(after)?;
    if let Some((at, _)) = options.tls {
        return failure(at, "a Unix socket is without TLS");
    }
    let account = Account::new(protocol, Endpoint::unix(PathBuf::from(path)));
    Ok((rest, finished(account, user, &options)))
}

const AT: &str = "expected @";

fn finished(mut account: Account, user: Option<UserInfo>, options: &Options<'_>) -> Account {
    if let Some(info) = user {
        (account.user, account.auth, account.password) = (info.user, info.auth, info.password);
    }
    account.clear_credentials = options.clear_credentials;
    account
}

pub(crate) struct UserInfo {
    pub(crate) user: Option<String>,
    auth: Option<Auth>,
    pub(crate) password: Option<Secret>,
}

/// ```text
/// userinfo = [ user ] [ ";AUTH=" ( "*" / [ "+" ] mechanism ) ] [ ":" password ]
/// ```
fn user_info<'a>(protocol: Option<Protocol>) -> impl Grammar<'a, UserInfo> {
    move |input: &'a [u8]| {
        let (rest, user) = opt(percent_encoded(is_user, "expected a name")).parse_complete(input)?;
        let user = user.map(|raw| text(raw, input)).transpose()?;
        let (rest, auth) = match protocol {
            Some(protocol) => {
                opt(preceded(tag_no_case(&b";AUTH="[..]), cut(auth(protocol)))).parse_complete(rest)?
            }
            None => (rest, None),
        };
        let (after, password) = match rest {
            [b':', b'@', ..] => (rest.get(1..).unwrap_or_default(), Some(&b""[..])),
            [b':', password @ ..] => {
                map(cut(percent_encoded(is_password, "expected a password, percent-encoded")), Some)
                    .parse_complete(password)?
            }
            _ => (rest, None),
        };
        let password = password.map(|raw| secret(raw, rest)).transpose()?;
        match after {
            [b'@', ..] => {}
            [b';', ..] => return failure(after, "a ; in a name is written %3B"),
            _ => return failure(after, "percent-encode what is not a letter or digit in a name or password"),
        }
        if user.is_none() && auth.is_none() {
            return failure(input, "expected a name");
        }
        Ok((after, UserInfo { user, auth: auth.flatten(), password }))
    }
}

fn auth<'a>(protocol: Protocol) -> impl Grammar<'a, Option<Auth>> {
    move |input: &'a [u8]| match input {
        [b'*', rest @ ..] => Ok((rest, None)),
        _ => {
            let (rest, raw) =
                expected("expected a SASL mechanism", take_while1(is_auth)).parse_complete(input)?;
            match str::from_utf8(raw).ok().and_then(|name| Auth::of(protocol, name)) {
                Some(auth) => Ok((rest, Some(auth))),
                None => failure(input, "not a SASL mechanism"),
            }
        }
    }
}

/// ```text
/// host = "[" IPv6address "]" / reg-name
/// ```
fn host(input: &[u8]) -> IResult<&[u8], String, Expected<'_>> {
    let address = take_while1(|byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
    let literal = delimited(
        tag(&b"["[..]),
        verify(address, |text: &[u8]| {
            str::from_utf8(text).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
        }),
        tag(&b"]"[..]),
    );
    let name = percent_encoded(is_host, "expected a host");
    let (rest, raw) = match input {
        [b'[', ..] => expected_here("not an IPv6 address in brackets", input, literal)?,
        _ => cut(name).parse_complete(input)?,
    };
    let host = text(raw, input)?;
    let is_one =
        domain_to_ascii(&host).is_ok_and(|ascii| ascii.bytes().all(|byte| is_host(byte) || byte == b':'));
    if !is_one {
        return failure(input, "not the name of a host");
    }
    Ok((rest, host))
}

fn expected_here<'a, T>(
    reason: &'static str,
    input: &'a [u8],
    mut grammar: impl Grammar<'a, T>,
) -> IResult<&'a [u8], T, Expected<'a>> {
    grammar.parse_complete(input).or_else(|_| failure(input, reason))
}

fn mailbox(protocol: Protocol, path: &[u8]) -> IResult<&[u8], Option<String>, Expected<'_>> {
    match path {
        [] | [b'?', ..] => Ok((path, None)),
        _ if protocol != Protocol::Imap => failure(path, "only IMAP has mailboxes"),
        _ => {
            let (rest, raw) = percent_encoded(is_path, "expected a mailbox").parse_complete(path)?;
            match rest {
                [] | [b'?', ..] => Ok((rest, Some(text(raw, path)?))),
                _ => failure(rest, "expected no more than a mailbox"),
            }
        }
    }
}

#[derive(Default)]
struct Options<'a> {
    /// With the place where it is said.
    tls: Option<(&'a [u8], Kind)>,
    clear_credentials: bool,
}

/// ```text
/// options = option *( "&" option )
/// option  = "tls=" ( "starttls" / "implicit" / "none" ) / "credentials=clear"
/// ```
fn options<'a>(input: &'a [u8]) -> IResult<&'a [u8], Options<'a>, Expected<'a>> {
    let mut options = Options::default();
    let [b'?', rest @ ..] = input else { return Ok((input, options)) };
    let (rest, first) = option(rest)?;
    let (rest, more) = many0(preceded(byte(b'&', "expected &"), option)).parse_complete(rest)?;
    for found in std::iter::once(first).chain(more) {
        match found {
            Found::Tls(at, _) if options.tls.is_some() => {
                return failure(at, "the option stands there twice");
            }
            Found::Tls(at, kind) => options.tls = Some((at, kind)),
            Found::ClearCredentials => options.clear_credentials = true,
        }
    }
    Ok((rest, options))
}

enum Found<'a> {
    Tls(&'a [u8], Kind),
    ClearCredentials,
}

fn option<'a>(input: &'a [u8]) -> IResult<&'a [u8], Found<'a>, Expected<'a>> {
    let [starttls, implicit, none] = TLS.map(|(name, kind)| value(kind, tag_no_case(name.as_bytes())));
    let tls = expected("expected starttls, implicit or none", alt((starttls, implicit, none)));
    let tls = map(preceded(tag_no_case(&b"tls="[..]), cut(tls)), |kind| Found::Tls(input, kind));
    let clear = expected("expected clear", tag_no_case(&b"clear"[..]));
    let credentials =
        map(preceded(tag_no_case(&b"credentials="[..]), cut(clear)), |_| Found::ClearCredentials);
    cut(expected("expected the option tls or credentials", alt((tls, credentials)))).parse_complete(input)
}

fn failure<'a, T>(rest: &'a [u8], reason: &'static str) -> Result<T, Err<Expected<'a>>> {
    Err(Err::Failure(Expected { rest, reason }))
}

/// What stands at `at`, percent-encoded. It can be written into commands.
fn text<'a>(raw: &[u8], at: &'a [u8]) -> Result<String, Err<Expected<'a>>> {
    let wrong = |reason| Err::Failure(Expected { rest: at, reason });
    let text = String::from_utf8(percent_decode(raw)).map_err(|_| wrong("not UTF-8"))?;
    match text.contains(char::is_control) {
        true => Err(wrong("a control character")),
        false => Ok(text),
    }
}

fn secret<'a>(raw: &[u8], at: &'a [u8]) -> Result<Secret, Err<Expected<'a>>> {
    let secret = Secret::from(percent_decode(raw));
    let is_text = str::from_utf8(secret.expose()).is_ok() && !secret.expose().contains(&0);
    match is_text {
        true => Ok(secret),
        false => Err(Err::Failure(Expected {
            rest: at,
            reason: "a password that is not UTF-8, or has a NUL in it",
        })),
    }
}

/// ```text
/// unreserved = ALPHA / DIGIT / "-" / "." / "_" / "~"
/// ```
///
/// And what is not ASCII, as [RFC 3987](https://www.rfc-editor.org/rfc/rfc3987) has it.
pub(super) const fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') || !byte.is_ascii()
}

/// ```text
/// sub-delims = "!" / "$" / "&" / "'" / "(" / ")" / "*" / "+" / "," / ";" / "="
/// ```
///
/// Without `;`, which begins something else.
pub(super) const fn is_user(byte: u8) -> bool {
    is_host(byte) || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=')
}

pub(super) const fn is_password(byte: u8) -> bool {
    is_user(byte) || matches!(byte, b';' | b':')
}

pub(super) const fn is_path(byte: u8) -> bool {
    is_user(byte) || matches!(byte, b'/' | b':' | b'@')
}

const fn is_auth(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+')
}
