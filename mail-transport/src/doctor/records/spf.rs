//! Records of SPF: [RFC 7208 section 12](https://www.rfc-editor.org/rfc/rfc7208#section-12).

use std::net::{Ipv4Addr, Ipv6Addr};

use mailwire_core::{
    ParseError,
    grammar::{Expected, Grammar, byte, expected, run_all},
};
use nom::{
    Err, IResult, Parser,
    branch::alt,
    bytes::complete::{tag, tag_no_case, take_while, take_while_m_n, take_while1},
    combinator::{map_opt, opt, peek, recognize, value, verify},
    sequence::preceded,
};

use super::tags::within_bounds;

/// Which hosts may send mail of a domain.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spf {
    /// The mechanisms in their order: the first that fits decides.
    pub directives: Vec<(SpfResult, Mechanism)>,
    /// The domain whose record decides where none fits.
    pub redirect: Option<DomainSpec>,
}

/// What a mechanism that fits says of a host.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpfResult {
    /// `+`, or nothing: it may.
    Pass,
    /// `-`: it may not.
    Fail,
    /// `~`: it probably may not.
    SoftFail,
    /// `?`: nothing is said.
    Neutral,
}

/// Which hosts are meant ([RFC 7208 section 5](https://www.rfc-editor.org/rfc/rfc7208#section-5)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mechanism {
    /// All hosts.
    All,
    /// Those of another domain.
    Include(DomainSpec),
    /// The addresses of a name, or of the domain itself, and those in the same networks.
    A(Option<DomainSpec>),
    /// The hosts that take a domain's mail.
    Mx(Option<DomainSpec>),
    /// Those whose names are within a domain.
    Ptr(Option<DomainSpec>),
    /// A network, with the length of its prefix.
    Ip4(Ipv4Addr, u8),
    /// A network, with the length of its prefix.
    Ip6(Ipv6Addr, u8),
    /// All, if the name exists.
    Exists(DomainSpec),
}

/// A domain, which can have macros in it: what it is depends on the message then.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainSpec {
    /// As it is in the record.
    pub text: String,
    /// Whether there are macros in it.
    pub has_macros: bool,
}

impl Spf {
    /// Reads a record.
    ///
    /// # Errors
    ///
    /// It is not one of SPF; with the place and the reason.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_transport::doctor::records::{Mechanism, Spf, SpfResult};
    ///
    /// let spf = Spf::parse(b"v=spf1 mx include:_spf.example.net -all")?;
    /// assert_eq!(spf.directives.last(), Some(&(SpfResult::Fail, Mechanism::All)));
    /// # Ok::<(), mailwire_core::ParseError>(())
    /// ```
    pub fn parse(record: &[u8]) -> Result<Self, ParseError> {
        within_bounds(record)?;
        run_all(record, terms)
    }

    /// Whether a text is meant to be such a record ([RFC 7208 section
    /// 4.5](https://www.rfc-editor.org/rfc/rfc7208#section-4.5)).
    pub(super) fn is_one(text: &[u8]) -> bool {
        let (version, rest) = text.split_at_checked(6).unwrap_or((text, &[]));
        version.eq_ignore_ascii_case(b"v=spf1") && rest.first().is_none_or(|&byte| byte == b' ')
    }
}

enum Term {
    Directive(SpfResult, Mechanism),
    Redirect(DomainSpec),
    Explanation,
    Unknown,
}

/// ```text
/// record           = version terms *SP
/// version          = "v=spf1"
/// terms            = *( 1*SP ( directive / modifier ) )
/// ```
fn terms(input: &[u8]) -> IResult<&[u8], Spf, Expected<'_>> {
    let (mut rest, _) = expected("expected v=spf1", tag_no_case(&b"v=spf1"[..])).parse_complete(input)?;
    let mut spf = Spf { directives: Vec::new(), redirect: None };
    let mut is_explained = false;
    loop {
        let (after, spaces) = take_while(|byte: u8| byte == b' ').parse_complete(rest)?;
        if after.is_empty() {
            return Ok((after, spf));
        }
        if spaces.is_empty() {
            return Err(Err::Error(Expected { rest, reason: "expected a space" }));
        }
        let twice = Err(Err::Failure(Expected { rest: after, reason: "a modifier that is there twice" }));
        // What has a name and an equals sign is a modifier, and nothing else.
        let (end, term) = match modifier(after) {
            Err(Err::Error(_)) => directive(after)?,
            other => other?,
        };
        match term {
            Term::Directive(result, mechanism) => spf.directives.push((result, mechanism)),
            Term::Redirect(_) if spf.redirect.is_some() => return twice,
            Term::Redirect(domain) => spf.redirect = Some(domain),
            Term::Explanation if is_explained => return twice,
            Term::Explanation => is_explained = true,
            Term::Unknown => {}
        }
        rest = end;
    }
}

/// ```text
/// directive        = [ qualifier ] mechanism
/// qualifier        = "+" / "-" / "?" / "~"
/// ```
fn directive(input: &[u8]) -> IResult<&[u8], Term, Expected<'_>> {
    let (rest, result) = opt(alt((
        value(SpfResult::Pass, tag(&b"+"[..])),
        value(SpfResult::Fail, tag(&b"-"[..])),
        value(SpfResult::Neutral, tag(&b"?"[..])),
        value(SpfResult::SoftFail, tag(&b"~"[..])),
    )))
    .parse_complete(input)?;
    let (after, name) = take_while(|byte: u8| byte.is_ascii_alphanumeric()).parse_complete(rest)?;
    let (after, mechanism) = mechanism(rest, name, after)?;
    Ok((after, Term::Directive(result.unwrap_or(SpfResult::Pass), mechanism)))
}

/// ```text
/// mechanism        = ( all / include
///                    / a / mx / ptr / ip4 / ip6 / exists )
/// all              = "all"
/// include          = "include"  ":" domain-spec
/// a                = "a"      [ ":" domain-spec ] [ dual-cidr-length ]
/// mx               = "mx"     [ ":" domain-spec ] [ dual-cidr-length ]
/// ptr              = "ptr"    [ ":" domain-spec ]
/// ip4              = "ip4"      ":" ip4-network   [ ip4-cidr-length ]
/// ip6              = "ip6"      ":" ip6-network   [ ip6-cidr-length ]
/// exists           = "exists"   ":" domain-spec
/// ```
/// What comes after its name; `whole` begins with it.
fn mechanism<'a>(
    whole: &'a [u8],
    name: &[u8],
    input: &'a [u8],
) -> IResult<&'a [u8], Mechanism, Expected<'a>> {
    let colon = || byte(b':', "expected :");
    let domain = || preceded(colon(), domain_spec);
    match name.to_ascii_lowercase().as_slice() {
        b"all" => Ok((input, Mechanism::All)),
        b"include" => domain().map(Mechanism::Include).parse_complete(input),
        b"exists" => domain().map(Mechanism::Exists).parse_complete(input),
        b"ptr" => optional(domain()).map(Mechanism::Ptr).parse_complete(input),
        b"a" => (optional(domain()), dual_cidr_length)
            .map(|(domain, ())| Mechanism::A(domain))
            .parse_complete(input),
        b"mx" => (optional(domain()), dual_cidr_length)
            .map(|(domain, ())| Mechanism::Mx(domain))
            .parse_complete(input),
        b"ip4" => {
            let network = map_opt(address, |text| text.parse().ok());
            let network = preceded(colon(), expected("expected an IPv4 address", network));
            let length = cidr_length(32).map(|length| length.unwrap_or(32));
            (network, length).map(|(network, length)| Mechanism::Ip4(network, length)).parse_complete(input)
        }
        b"ip6" => {
            let network = map_opt(address, |text| text.parse().ok());
            let network = preceded(colon(), expected("expected an IPv6 address", network));
            let length = cidr_length(128).map(|length| length.unwrap_or(128));
            (network, length).map(|(network, length)| Mechanism::Ip6(network, length)).parse_complete(input)
        }
        _ => Err(Err::Error(Expected { rest: whole, reason: "a mechanism that there is not" })),
    }
}

/// What begins with a colon, or nothing.
fn optional<'a, T>(mut grammar: impl Grammar<'a, T>) -> impl Grammar<'a, Option<T>> {
    move |input: &'a [u8]| match input.first() {
        Some(b':') => grammar.parse_complete(input).map(|(rest, value)| (rest, Some(value))),
        _ => Ok((input, None)),
    }
}

/// ```text
/// modifier         = redirect / explanation / unknown-modifier
/// redirect         = "redirect" "=" domain-spec
/// explanation      = "exp" "=" domain-spec
/// unknown-modifier = name "=" macro-string
/// name             = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." )
/// ```
fn modifier(input: &[u8]) -> IResult<&[u8], Term, Expected<'_>> {
    let name = recognize((
        take_while_m_n(1, 1, |byte: u8| byte.is_ascii_alphabetic()),
        take_while(|byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')),
    ));
    let (rest, (name, ())) = (name, byte(b'=', "expected =")).parse_complete(input)?;
    let cut = |error| match error {
        Err::Error(error) => Err::Failure(error),
        error => error,
    };
    match name.to_ascii_lowercase().as_slice() {
        b"redirect" => domain_spec.map(Term::Redirect).parse_complete(rest).map_err(cut),
        b"exp" => domain_spec.map(|_| Term::Explanation).parse_complete(rest).map_err(cut),
        _ => macro_string(rest, false).map(|(rest, _)| (rest, Term::Unknown)).map_err(cut),
    }
}

/// ```text
/// domain-spec      = macro-string domain-end
/// domain-end       = ( "." toplabel [ "." ] ) / macro-expand
/// ```
fn domain_spec(input: &[u8]) -> IResult<&[u8], DomainSpec, Expected<'_>> {
    let (rest, string) = macro_string(input, true)?;
    let text = input.get(..input.len().saturating_sub(rest.len())).unwrap_or_default();
    let text = String::from_utf8_lossy(text).into_owned();
    if !string.ends_in_macro {
        let bare = text.strip_suffix('.').unwrap_or(&text);
        let last = bare.rsplit_once('.').map(|(_, last)| last);
        if !last.is_some_and(is_toplabel) {
            return Err(Err::Error(Expected { rest: input, reason: "not the name of a domain" }));
        }
    }
    Ok((rest, DomainSpec { text, has_macros: string.has_macros }))
}

/// ```text
/// toplabel         = ( *alphanum ALPHA *alphanum ) /
///                    ( 1*alphanum "-" *( alphanum / "-" ) alphanum )
/// ```
fn is_toplabel(label: &str) -> bool {
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    label.bytes().all(is_one)
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().any(|byte| !byte.is_ascii_digit())
}

struct MacroString {
    has_macros: bool,
    ends_in_macro: bool,
}

/// ```text
/// macro-string     = *( macro-expand / macro-literal )
/// macro-literal    = %x21-24 / %x26-7E
/// ```
/// In the domain of a mechanism, a length that ends the term is not part of it.
fn macro_string(input: &[u8], is_domain: bool) -> IResult<&[u8], MacroString, Expected<'_>> {
    let mut string = MacroString { has_macros: false, ends_in_macro: false };
    let mut rest = input;
    loop {
        rest = match rest {
            [b'/', ..] if is_domain && (dual_cidr_length, peek(end)).parse_complete(rest).is_ok() => break,
            [b'%', ..] => {
                (string.has_macros, string.ends_in_macro) = (true, true);
                macro_expand(rest)?.0
            }
            [byte, after @ ..] if byte.is_ascii_graphic() => {
                string.ends_in_macro = false;
                after
            }
            _ => break,
        };
    }
    Ok((rest, string))
}

fn end(input: &[u8]) -> IResult<&[u8], (), Expected<'_>> {
    match input.first() {
        None | Some(b' ') => Ok((input, ())),
        _ => Err(Err::Error(Expected { rest: input, reason: "expected a space" })),
    }
}

/// ```text
/// macro-expand     = ( "%{" macro-letter transformers *delimiter "}" )
///                    / "%%" / "%_" / "%-"
/// macro-letter     = "s" / "l" / "o" / "d" / "i" / "p" / "h" /
///                    "c" / "r" / "t" / "v"
/// transformers     = *DIGIT [ "r" ]
/// delimiter        = "." / "-" / "+" / "," / "/" / "_" / "="
/// ```
fn macro_expand(input: &[u8]) -> IResult<&[u8], (), Expected<'_>> {
    let expand = (
        tag(&b"%{"[..]),
        nom::character::complete::one_of(&b"slodiphcrtvSLODIPHCRTV"[..]),
        take_while(|byte: u8| byte.is_ascii_digit()),
        opt(tag_no_case(&b"r"[..])),
        take_while(|byte: u8| matches!(byte, b'.' | b'-' | b'+' | b',' | b'/' | b'_' | b'=')),
        tag(&b"}"[..]),
    );
    let escape = alt((tag(&b"%%"[..]), tag(&b"%_"[..]), tag(&b"%-"[..])));
    alt((recognize(expand), escape)).map(drop).parse_complete(input).map_err(|_: Err<Expected<'_>>| {
        Err::Failure(Expected { rest: input, reason: "a macro that there is not" })
    })
}

/// ```text
/// dual-cidr-length = [ ip4-cidr-length ] [ "/" ip6-cidr-length ]
/// ```
fn dual_cidr_length(input: &[u8]) -> IResult<&[u8], (), Expected<'_>> {
    let (rest, _) = match input {
        [b'/', b'/', ..] => (input, None),
        _ => cidr_length(32).parse_complete(input)?,
    };
    match rest {
        [b'/', rest @ ..] => cidr_length(128).map(drop).parse_complete(rest),
        rest => Ok((rest, ())),
    }
}

/// ```text
/// ip4-cidr-length  = "/" ("0" / %x31-39 0*1DIGIT) ; value range 0-32
/// ip6-cidr-length  = "/" ("0" / %x31-39 0*2DIGIT) ; value range 0-128
/// ```
fn cidr_length<'a>(most: u8) -> impl Grammar<'a, Option<u8>> {
    move |input: &'a [u8]| {
        let [b'/', digits @ ..] = input else { return Ok((input, None)) };
        let number = verify(take_while1(|byte: u8| byte.is_ascii_digit()), |digits: &[u8]| {
            digits == b"0" || !digits.starts_with(b"0")
        });
        let number = map_opt(number, |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u8>().ok());
        let number = verify(number, |number| *number <= most);
        let reason = if most == 32 { "expected a length up to 32" } else { "expected a length up to 128" };
        expected(reason, number).map(Some).parse_complete(digits)
    }
}

/// What an address has in it, as far as it goes.
fn address(input: &[u8]) -> IResult<&[u8], &str, Expected<'_>> {
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
    // What is taken is ASCII.
    take_while1(is_part).map(|text| std::str::from_utf8(text).unwrap_or_default()).parse_complete(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(text: &str) -> DomainSpec {
        DomainSpec { text: text.to_owned(), has_macros: text.contains('%') }
    }

    #[test]
    fn records_are_read() {
        let spf = Spf::parse(
            b"V=SPF1 a mx/24 +a:a.example/24//64 mx:b.example//64 ptr ptr:c.example. ip4:192.0.2.0/24 \
              ip6:2001:db8::/32 ?exists:%{ir}.%{v}._spf.%{d2} include:_spf.example.net x-y=%{s}%% exp=e.%{d} ~all  ",
        )
        .unwrap();
        let expected = [
            (SpfResult::Pass, Mechanism::A(None)),
            (SpfResult::Pass, Mechanism::Mx(None)),
            (SpfResult::Pass, Mechanism::A(Some(domain("a.example")))),
            (SpfResult::Pass, Mechanism::Mx(Some(domain("b.example")))),
            (SpfResult::Pass, Mechanism::Ptr(None)),
            (SpfResult::Pass, Mechanism::Ptr(Some(domain("c.example.")))),
            (SpfResult::Pass, Mechanism::Ip4(Ipv4Addr::new(192, 0, 2, 0), 24)),
            (SpfResult::Pass, Mechanism::Ip6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32)),
            (SpfResult::Neutral, Mechanism::Exists(domain("%{ir}.%{v}._spf.%{d2}"))),
            (SpfResult::Pass, Mechanism::Include(domain("_spf.example.net"))),
            (SpfResult::SoftFail, Mechanism::All),
        ];
        assert_eq!(spf.directives, expected);
        assert_eq!(spf.redirect, None);
        let spf = Spf::parse(b"v=spf1 redirect=a/b.example").unwrap();
        assert_eq!((spf.directives.len(), spf.redirect), (0, Some(domain("a/b.example"))));
        assert_eq!(Spf::parse(b"v=spf1").unwrap().directives, []);
        for (text, is_one) in [("v=spf1", true), ("V=spf1 x", true), ("v=spf10", false), ("v=spf", false)] {
            assert_eq!(Spf::is_one(text.as_bytes()), is_one, "{text}");
        }
    }

    #[test]
    fn records_that_are_none() {
        for (record, offset, reason) in [
            ("v=spf2", 0, "expected v=spf1"),
            ("v=spf1;mx", 6, "expected a space"),
            ("v=spf1 mx, -all", 9, "expected a space"),
            ("v=spf1 ip4:192.0.2.0.1 -all", 11, "expected an IPv4 address"),
            ("v=spf1 ip4:192.0.2.0/33", 21, "expected a length up to 32"),
            ("v=spf1 ip4:192.0.2.0/024", 21, "expected a length up to 32"),
            ("v=spf1 ip6:2001:db8:/32", 11, "expected an IPv6 address"),
            ("v=spf1 ip4=192.0.2.0", 20, ""),
            ("v=spf1 include -all", 14, "expected :"),
            ("v=spf1 include: -all", 15, "not the name of a domain"),
            ("v=spf1 a:example -all", 9, "not the name of a domain"),
            ("v=spf1 a:192.0.2.1", 9, "not the name of a domain"),
            ("v=spf1 ipv4:192.0.2.1 -all", 7, "a mechanism that there is not"),
            ("v=spf1 - all", 8, "a mechanism that there is not"),
            ("v=spf1 exists:%{x}.example", 14, "a macro that there is not"),
            ("v=spf1 exists:%d.example", 14, "a macro that there is not"),
            ("v=spf1 redirect=a.b redirect=c.d", 20, "a modifier that is there twice"),
            ("v=spf1 redirect=", 16, "not the name of a domain"),
            ("v=spf1 all.", 10, "expected a space"),
            ("v=spf1 mx\u{a0}-all", 9, "expected a space"),
        ] {
            match reason {
                // An unknown modifier means nothing.
                "" => assert!(Spf::parse(record.as_bytes()).is_ok(), "{record}"),
                _ => assert_eq!(
                    Spf::parse(record.as_bytes()),
                    Err(ParseError::new(offset, reason)),
                    "{record}"
                ),
            }
        }
        let slashes = format!("v=spf1 a:{}", "/24".repeat(2000));
        assert!(Spf::parse(slashes.as_bytes()).is_err());
    }
}
