//! What a server says of a token that it does not take.

use std::fmt;

use mailwire_core::Text;

#[cfg(feature = "server")]
use super::Mechanism;

/// What a server does not like about an OAuth token: the JSON of
/// [RFC 7628 section 3.2.2](https://www.rfc-editor.org/rfc/rfc7628#section-3.2.2), and of XOAUTH2.
///
/// A client finds it in [`Refused::oauth`](crate::Refused::oauth), a server gives it in
/// [`Authenticator::check_token`](super::Authenticator::check_token).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OAuthError {
    /// The error: `invalid_token`, `insufficient_scope`; a status of HTTP with XOAUTH2.
    pub status: Option<Text>,
    /// The schemes of authentication that there are, of XOAUTH2: `bearer`.
    pub schemes: Option<Text>,
    /// The scope that a token needs here.
    pub scope: Option<Text>,
    /// Where the server's OpenID configuration is, to get a token from.
    pub openid_configuration: Option<Text>,
}

impl OAuthError {
    /// Says that the token is not valid, or not any more.
    #[must_use]
    pub fn invalid_token() -> Self {
        Self::new("invalid_token")
    }

    /// Makes an error of this status, from the [registry of OAuth](https://www.rfc-editor.org/rfc/rfc6750#section-3.1).
    pub fn new(status: impl Into<Text>) -> Self {
        Self { status: Some(status.into()), ..Self::default() }
    }

    /// Says which scope a token needs.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<Text>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Says where the OpenID configuration is: an `https` URL.
    #[must_use]
    pub fn with_openid_configuration(mut self, url: impl Into<Text>) -> Self {
        self.openid_configuration = Some(url.into());
        self
    }

    /// Whether another token may do, because this one is not valid or not any more: `invalid_token`, and the
    /// statuses 400 and 401 by which servers say so with XOAUTH2. With another scope or without permission, a fresh
    /// token is no help.
    #[must_use]
    pub fn is_invalid_token(&self) -> bool {
        let status = self.status.as_ref().map(Text::as_bytes);
        status.is_none_or(|status| {
            matches!(status, b"400" | b"401") || status.eq_ignore_ascii_case(b"invalid_token")
        })
    }

    fn fields(&self) -> [(&'static str, Option<&Text>); 4] {
        [
            ("status", self.status.as_ref()),
            ("schemes", self.schemes.as_ref()),
            ("scope", self.scope.as_ref()),
            ("openid-configuration", self.openid_configuration.as_ref()),
        ]
    }

    /// As a server sends it. XOAUTH2 has statuses of HTTP: those of
    /// [RFC 6750 section 3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1).
    #[cfg(feature = "server")]
    pub(super) fn to_json(&self, mechanism: &Mechanism) -> String {
        let mut error = self.clone();
        if *mechanism == Mechanism::XOAuth2 {
            error.status = self.status.as_ref().map(|status| match status.as_bytes() {
                b"invalid_token" => "401".into(),
                b"insufficient_scope" => "403".into(),
                b"invalid_request" => "400".into(),
                _ => status.clone(),
            });
            error.schemes.get_or_insert_with(|| "bearer".into());
        }
        let members: Vec<_> = error
            .fields()
            .iter()
            .filter_map(|(name, value)| value.map(|value| format!("\"{name}\":{}", quoted(value))))
            .collect();
        format!("{{{}}}", members.join(","))
    }
}

/// A string of JSON.
#[cfg(feature = "server")]
fn quoted(text: &Text) -> String {
    let mut quoted = String::from("\"");
    for letter in text.to_string_lossy().chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OAuth")?;
        self.fields().iter().try_for_each(|(name, value)| match value {
            Some(value) => write!(f, " {name}={value}"),
            None => Ok(()),
        })
    }
}

#[cfg(feature = "client")]
mod json {
    //! As much of JSON ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259)) as an OAuth error has: one object
    //! of strings and numbers. What else a server has put into it is passed over.

    use nom::{
        IResult, Parser,
        branch::alt,
        bytes::complete::{tag, take_while_m_n, take_while1},
        character::complete::{char, multispace0},
        combinator::{all_consuming, map, opt, value, verify},
        multi::{fold_many0, many0_count, separated_list0},
        sequence::{delimited, pair, preceded, separated_pair},
    };

    use super::OAuthError;
    use crate::refused::beginning;

    /// How deep objects and lists may stand within one another.
    const DEPTH: u8 = 4;
    /// How much of a value is kept, in bytes.
    const KEPT: usize = 1024;

    impl OAuthError {
        /// Reads the JSON; `None` if it is anything else.
        pub(crate) fn parse(json: &[u8]) -> Option<Self> {
            let json = std::str::from_utf8(json).ok()?;
            let object = delimited(multispace0, object(DEPTH), multispace0);
            let (_, members) = all_consuming(object).parse(json).ok()?;
            let mut error = Self::default();
            for (name, text) in members {
                let text = text.map(|text| beginning(text.as_bytes(), KEPT));
                match name.as_str() {
                    "status" => error.status = text,
                    "schemes" => error.schemes = text,
                    "scope" => error.scope = text,
                    "openid-configuration" => error.openid_configuration = text,
                    _ => {}
                }
            }
            (error != Self::default()).then_some(error)
        }
    }

    type Read<'a, T> = IResult<&'a str, T>;
    type Member = (String, Option<String>);

    fn object<'a>(depth: u8) -> impl Fn(&'a str) -> Read<'a, Vec<Member>> {
        move |input| {
            let member = separated_pair(string, spaced(':'), any(depth));
            delimited(
                (char('{'), multispace0),
                separated_list0(spaced(','), member),
                (multispace0, char('}')),
            )
            .parse(input)
        }
    }

    /// A string or a word (a number, `true`); nothing of what has parts.
    fn any<'a>(depth: u8) -> impl Fn(&'a str) -> Read<'a, Option<String>> {
        move |input| {
            let word = take_while1(|c: char| c.is_ascii_alphanumeric() || "+-.".contains(c));
            let scalar = map(alt((string, map(word, str::to_owned))), Some);
            let Some(within) = depth.checked_sub(1) else { return { scalar }.parse(input) };
            let list = delimited(
                (char('['), multispace0),
                pair(opt(any(within)), many0_count(preceded(spaced(','), any(within)))),
                (multispace0, char(']')),
            );
            alt((scalar, map(list, |_| None), map(object(within), |_| None))).parse(input)
        }
    }

    fn spaced<'a>(sign: char) -> impl Parser<&'a str, Output = char, Error = nom::error::Error<&'a str>> {
        delimited(multispace0, char(sign), multispace0)
    }

    fn string(input: &str) -> Read<'_, String> {
        let plain = map(take_while1(|c: char| !matches!(c, '"' | '\\')), str::to_owned);
        let piece = fold_many0(alt((plain, escape)), String::new, |text, piece: String| text + &piece);
        delimited(char('"'), piece, char('"')).parse(input)
    }

    fn escape(input: &str) -> Read<'_, String> {
        let named = alt((
            value("\"", tag("\"")),
            value("\\", tag("\\")),
            value("/", tag("/")),
            value("\u{8}", tag("b")),
            value("\u{c}", tag("f")),
            value("\n", tag("n")),
            value("\r", tag("r")),
            value("\t", tag("t")),
        ));
        preceded(char('\\'), alt((map(named, str::to_owned), unicode))).parse(input)
    }

    /// One unit of UTF-16, or a pair. Half of a pair is shown as a character that cannot be shown.
    fn unicode(input: &str) -> Read<'_, String> {
        let digits = || take_while_m_n(4, 4, |c: char| c.is_ascii_hexdigit());
        let unit =
            || map(preceded(char('u'), digits()), |digits| u16::from_str_radix(digits, 16).unwrap_or(0));
        let low = verify(preceded(char('\\'), unit()), |unit| (0xdc00..0xe000).contains(unit));
        let (rest, high) = unit().parse(input)?;
        let (rest, low) = if (0xd800..0xdc00).contains(&high) { opt(low).parse(rest)? } else { (rest, None) };
        let units = [high, low.unwrap_or_default()];
        let units = units.get(..=usize::from(low.is_some())).unwrap_or_default();
        Ok((rest, String::from_utf16_lossy(units)))
    }
}

#[cfg(all(test, feature = "client", feature = "server"))]
mod tests {
    use super::*;

    #[test]
    fn the_json_of_oauth_is_read() {
        let google = br#"{"status":"400","schemes":"Bearer","scope":"https:\/\/mail.google.com\/"}"#;
        let error = OAuthError::parse(google).unwrap();
        assert_eq!(error.to_string(), "OAuth status=400 schemes=Bearer scope=https://mail.google.com/");
        let rfc = b" { \"status\" : \"invalid_token\",\r\n \"openid-configuration\":\"https://x\\u002ey\" } ";
        let error = OAuthError::parse(rfc).unwrap();
        assert_eq!(error.to_string(), "OAuth status=invalid_token openid-configuration=https://x.y");
        assert_eq!(OAuthError::parse(br#"{"status":401}"#).unwrap().status, Some("401".into()));
        for other in ["", "{}", "no", "{\"a\":1}", "{\"status\":\"x\"", "{\"status\":{}}", "[1]"] {
            assert_eq!(OAuthError::parse(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn what_else_there_is_is_passed_over() {
        let json =
            br#"{"x":[],"y":{"z":[1,"a",{"b":null}]},"schemes":["bearer"],"status":"\ud83d\ude00\ud83d!"}"#;
        let error = OAuthError::parse(json).unwrap();
        assert_eq!((error.status, error.schemes), (Some("\u{1f600}\u{fffd}!".into()), None));
        let deep = format!("{{\"status\":\"401\",\"x\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(OAuthError::parse(deep.as_bytes()), None, "too deep");
        let long = format!("{{\"status\":\"{}\"}}", "x".repeat(100_000));
        assert_eq!(OAuthError::parse(long.as_bytes()).unwrap().status.unwrap().len(), 1024);
    }

    #[test]
    fn what_a_server_sends_a_client_reads() {
        let error = OAuthError::new("insufficient_scope")
            .with_scope("mail \"all\" \\ \u{1}")
            .with_openid_configuration("https://example.org/.well-known/openid-configuration");
        let json = error.to_json(&Mechanism::OAuthBearer);
        assert_eq!(OAuthError::parse(json.as_bytes()).unwrap(), error);
        let json = OAuthError::invalid_token().to_json(&Mechanism::XOAuth2);
        assert_eq!(json, r#"{"status":"401","schemes":"bearer"}"#);
        for (status, fresh) in [
            ("invalid_token", true),
            ("401", true),
            ("400", true),
            ("403", false),
            ("insufficient_scope", false),
        ] {
            assert_eq!(OAuthError::new(status).is_invalid_token(), fresh, "{status}");
        }
    }
}
