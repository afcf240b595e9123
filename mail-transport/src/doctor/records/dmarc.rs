//! Policies of DMARC: [RFC 7489 section 6](https://www.rfc-editor.org/rfc/rfc7489#section-6).

use mailwire_core::{
    ParseError,
    grammar::{Expected, Grammar, byte, expected},
};
use nom::{
    Err, Parser,
    branch::alt,
    bytes::complete::{tag, tag_no_case, take_while, take_while_m_n, take_while1},
    character::complete::digit1,
    combinator::{opt, recognize, value, verify},
    multi::separated_list1,
    sequence::{delimited, preceded},
};

use super::tags::{Tag, fws, tags, with_colons};

/// What a domain wants to become of mail that says to be from it and proves nothing.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dmarc {
    /// What becomes of it.
    pub policy: DmarcPolicy,
    /// What becomes of it where it says to be from a subdomain, if that is something else.
    pub subdomains: Option<DmarcPolicy>,
    /// To how many per cent of it that is done: 0 to 100.
    pub percent: u8,
    /// Whether the domain says that it is a public suffix, below which others have their domains (`psd`, [RFC
    /// 9989](https://www.rfc-editor.org/rfc/rfc9989)); `None` where it leaves that open.
    pub public_suffix: Option<bool>,
    /// Where reports of all mail go: URIs without their limits of size.
    pub aggregate: Vec<String>,
    /// Where reports of single messages go.
    pub failure: Vec<String>,
    /// Tags that are wrong, and so mean nothing: their places and what is wrong.
    pub ignored: Vec<ParseError>,
}

/// What becomes of mail that proves nothing.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DmarcPolicy {
    /// Nothing; it is only reported.
    None,
    /// It is treated as suspicious.
    Quarantine,
    /// It is refused.
    Reject,
}

impl Dmarc {
    /// Reads a policy. Unknown tags mean nothing, and so do those that are wrong, other than `v`, `p` and `sp`.
    ///
    /// # Errors
    ///
    /// It is not a policy of DMARC; with the place and the reason.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_transport::doctor::records::{Dmarc, DmarcPolicy};
    ///
    /// let dmarc = Dmarc::parse(b"v=DMARC1; p=reject; rua=mailto:dmarc@example.org!10m")?;
    /// assert_eq!(dmarc.policy, DmarcPolicy::Reject);
    /// assert_eq!(dmarc.aggregate, ["mailto:dmarc@example.org"]);
    /// # Ok::<(), mailwire_core::ParseError>(())
    /// ```
    pub fn parse(record: &[u8]) -> Result<Self, ParseError> {
        let tags = tags(record)?;
        let mut read = Self {
            policy: DmarcPolicy::None,
            subdomains: None,
            percent: 100,
            public_suffix: None,
            aggregate: Vec::new(),
            failure: Vec::new(),
            ignored: Vec::new(),
        };
        match tags.first() {
            Some(first) if first.name == "v" => first.read(version())?,
            _ => return Err(ParseError::new(0, "expected v=DMARC1")),
        }
        match tags.iter().position(|tag| tag.name == "p").and_then(|at| Some((at, tags.get(at)?))) {
            None => return Err(ParseError::new(record.len(), "there is no policy: p=")),
            Some((at, tag)) if at > 1 => {
                return Err(ParseError::new(tag.at, "the policy does not come after the version"));
            }
            Some((_, tag)) => read.policy = tag.read(policy())?,
        }
        for tag in tags.iter().skip(2) {
            match tag.name {
                "sp" => read.subdomains = Some(tag.read(policy())?),
                "psd" => take(tag, suffix(), &mut read.public_suffix, &mut read.ignored),
                "pct" => take(tag, percent(), &mut read.percent, &mut read.ignored),
                "rua" => take(tag, uris(), &mut read.aggregate, &mut read.ignored),
                "ruf" => take(tag, uris(), &mut read.failure, &mut read.ignored),
                "adkim" | "aspf" => take(tag, alignment(), &mut (), &mut read.ignored),
                "ri" => take(tag, interval(), &mut (), &mut read.ignored),
                "fo" => take(tag, failures(), &mut (), &mut read.ignored),
                "rf" => take(tag, formats(), &mut (), &mut read.ignored),
                _ => {}
            }
        }
        Ok(read)
    }

    /// Whether a text is meant to be such a record: it begins with the version.
    ///
    /// ```text
    /// dmarc-version = "v" *WSP "=" *WSP %x44 %x4d %x41 %x52 %x43 %x31
    /// ```
    pub(super) fn is_one(text: &[u8]) -> bool {
        let start = (tag_no_case(&b"v"[..]), fws, byte(b'=', "expected ="), fws, tag(&b"DMARC1"[..]));
        recognize(start)
            .parse_complete(text)
            .is_ok_and(|(rest, _)| rest.first().is_none_or(|byte| matches!(byte, b';' | b' ' | b'\t')))
    }
}

fn take<'a, T>(tag: &'a Tag<'_>, grammar: impl Grammar<'a, T>, to: &mut T, ignored: &mut Vec<ParseError>) {
    match tag.read(grammar) {
        Ok(value) => *to = value,
        Err(error) => ignored.push(error),
    }
}

fn version<'a>() -> impl Grammar<'a, ()> {
    expected("expected DMARC1", tag(&b"DMARC1"[..]).map(drop))
}

/// ```text
/// dmarc-request = "p" *WSP "=" *WSP ( "none" / "quarantine" / "reject" )
/// ```
fn policy<'a>() -> impl Grammar<'a, DmarcPolicy> {
    let policies = alt((
        value(DmarcPolicy::None, tag_no_case(&b"none"[..])),
        value(DmarcPolicy::Quarantine, tag_no_case(&b"quarantine"[..])),
        value(DmarcPolicy::Reject, tag_no_case(&b"reject"[..])),
    ));
    expected("expected none, quarantine or reject", policies)
}

/// ```text
/// dmarc-percent = "pct" *WSP "=" *WSP 1*3DIGIT
/// ```
fn percent<'a>() -> impl Grammar<'a, u8> {
    let number = verify(nom::character::complete::u8, |percent| *percent <= 100);
    expected("expected a number up to 100", number)
}

/// `y`, `n`, or `u` for what is not known.
fn suffix<'a>() -> impl Grammar<'a, Option<bool>> {
    let words = alt((
        value(Some(true), tag_no_case(&b"y"[..])),
        value(Some(false), tag_no_case(&b"n"[..])),
        value(None, tag_no_case(&b"u"[..])),
    ));
    expected("expected y, n or u", words)
}

/// ```text
/// dmarc-adkim = "adkim" *WSP "=" *WSP ( "r" / "s" )
/// ```
fn alignment<'a>() -> impl Grammar<'a, ()> {
    expected("expected r or s", nom::character::complete::one_of(&b"rsRS"[..]).map(drop))
}

/// ```text
/// dmarc-ainterval = "ri" *WSP "=" *WSP 1*DIGIT
/// ```
fn interval<'a>() -> impl Grammar<'a, ()> {
    expected("expected a number of seconds", digit1.map(drop))
}

/// ```text
/// dmarc-fo = "fo" *WSP "=" *WSP ( "0" / "1" / "d" / "s" ) *(*WSP ":" *WSP ( "0" / "1" / "d" / "s" ))
/// ```
fn failures<'a>() -> impl Grammar<'a, ()> {
    let option = expected("expected 0, 1, d or s", nom::character::complete::one_of(&b"01dsDS"[..]));
    with_colons(option).map(drop)
}

/// ```text
/// dmarc-rfmt = "rf"  *WSP "=" *WSP Keyword *(*WSP ":" Keyword)
/// Keyword    = Ldh-str
/// ```
fn formats<'a>() -> impl Grammar<'a, ()> {
    let word = take_while1(|byte: u8| byte.is_ascii_alphanumeric() || byte == b'-');
    with_colons(expected("expected a format", word)).map(drop)
}

/// ```text
/// dmarc-auri = "rua" *WSP "=" *WSP dmarc-uri *(*WSP "," *WSP dmarc-uri)
/// dmarc-uri  = URI [ "!" 1*DIGIT [ "k" / "m" / "g" / "t" ] ]
/// ```
fn uris<'a>() -> impl Grammar<'a, Vec<String>> {
    let size = preceded(
        byte(b'!', "expected !"),
        (
            expected("expected a number of bytes", nom::character::complete::u64),
            opt(nom::character::complete::one_of(&b"kmgtKMGT"[..])),
        ),
    );
    let one = (uri(), opt(size)).map(|(uri, _)| uri);
    separated_list1(delimited(fws, byte(b',', "expected ,"), fws), one)
}

/// A URI, whose commas, exclamation marks and semicolons are encoded.
///
/// ```text
/// URI    = scheme ":" hier-part [ "?" query ] [ "#" fragment ]
/// scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
/// ```
pub(super) fn uri<'a>() -> impl Grammar<'a, String> {
    let scheme = || {
        (
            take_while_m_n(1, 1, |byte: u8| byte.is_ascii_alphabetic()),
            take_while(|byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')),
            byte(b':', "expected :"),
        )
    };
    let rest = || {
        take_while1(|byte: u8| {
            byte.is_ascii_graphic()
                && !matches!(
                    byte,
                    b',' | b'!' | b';' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
                )
        })
    };
    move |input: &'a [u8]| {
        let (after, _) = scheme().parse_complete(input).map_err(|_: Err<Expected<'_>>| {
            Err::Error(Expected {
                rest: input,
                reason: "expected a URI, such as mailto:postmaster@example.org",
            })
        })?;
        let (after, _) = expected("expected an address after the colon", rest()).parse_complete(after)?;
        let length = input.len().saturating_sub(after.len());
        let uri = input.get(..length).unwrap_or_default();
        Ok((after, String::from_utf8_lossy(uri).into_owned()))
    }
}

/// The domain that a URI of `mailto:` is at.
pub(super) fn mail_domain(uri: &str) -> Option<&str> {
    let (scheme, address) = uri.split_once(':')?;
    let address = address.split('?').next()?;
    scheme.eq_ignore_ascii_case("mailto").then_some(address.rsplit_once('@')?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read() {
        let dmarc = Dmarc::parse(
            b"v = DMARC1;p=Quarantine; sp=none; pct=50;rua=mailto:a@b.example!10m , https://c.example/d;ruf=mailto:e@f; \
              adkim=s; aspf=r; ri=86400; fo=1:d; rf=afrf; x=y; ",
        )
        .unwrap();
        assert_eq!((dmarc.policy, dmarc.subdomains), (DmarcPolicy::Quarantine, Some(DmarcPolicy::None)));
        assert_eq!((dmarc.percent, &dmarc.ignored[..]), (50, &[][..]));
        assert_eq!(dmarc.aggregate, ["mailto:a@b.example", "https://c.example/d"]);
        assert_eq!(dmarc.failure, ["mailto:e@f"]);
        let suffix = |value| {
            let dmarc = Dmarc::parse(format!("v=DMARC1; p=none; psd={value}").as_bytes()).unwrap();
            (dmarc.public_suffix, dmarc.ignored.len())
        };
        assert_eq!([suffix("Y"), suffix("n"), suffix("u")], [(Some(true), 0), (Some(false), 0), (None, 0)]);
        assert_eq!((dmarc.public_suffix, suffix("x")), (None, (None, 1)));
        assert_eq!(mail_domain("mailto:a@b.example?subject=x@y"), Some("b.example"));
        assert_eq!(mail_domain("https://a@b.example"), None);
    }

    #[test]
    fn what_is_wrong_beside_the_policy_means_nothing() {
        let dmarc =
            Dmarc::parse(b"v=DMARC1; p=none; pct=101; rua=postmaster@example.org; adkim=x; fo=2").unwrap();
        assert_eq!((dmarc.percent, dmarc.aggregate.len()), (100, 0));
        let offsets: Vec<_> = dmarc.ignored.iter().map(|error| error.offset).collect();
        assert_eq!(offsets, [22, 31, 61, 67]);
    }

    #[test]
    fn policies_that_are_none() {
        for (record, offset, reason) in [
            ("p=none; v=DMARC1", 0, "expected v=DMARC1"),
            ("v=DMARC2; p=none", 2, "expected DMARC1"),
            ("v=DMARC1 p=none", 8, "expected the end"),
            ("v=DMARC1", 8, "there is no policy: p="),
            ("v=DMARC1; rua=mailto:a@b; p=none", 28, "the policy does not come after the version"),
            ("v=DMARC1; p=nothing", 12, "expected none, quarantine or reject"),
            ("v=DMARC1; p=none, sp=none", 16, "expected the end"),
            ("v=DMARC1; p=none; sp=x", 21, "expected none, quarantine or reject"),
            ("v=DMARC1; p=none; p=none", 18, "a tag that is there twice"),
            ("v=DMARC1; p=none\u{201c}", 16, "expected ; or the end"),
        ] {
            assert_eq!(Dmarc::parse(record.as_bytes()), Err(ParseError::new(offset, reason)), "{record}");
        }
        assert!(Dmarc::is_one(b"v=DMARC1") && Dmarc::is_one(b"V = DMARC1 ; p=none"));
        assert!(!Dmarc::is_one(b"v=DMARC10") && !Dmarc::is_one(b"v=dmarc1"));
    }
}
