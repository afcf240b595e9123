use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use bytes::Bytes;
use mailwire_core::{
    ParseError, Text,
    grammar::{Expected, Grammar, byte, expected, run_all},
};
use nom::{
    Err, IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take, take_while1},
    combinator::{cut, peek, rest, value, verify},
    multi::{length_data, many0},
    number::complete::{be_u8, be_u16, be_u32},
    sequence::{delimited, pair, preceded, terminated},
};

use super::{
    Header, Origin, Ssl, Tlv, UnixAddresses, Version,
    checksum::checksum,
    framing::{SIGNATURE, WORD},
    tlv::{self, OtherTlv},
};

impl Header {
    /// Reads a whole header, of either version: the bytes of which [`missing`](Self::missing) says that no more are
    /// to come.
    ///
    /// Datagrams are refused, as no mail comes by them. What comes after `LOCAL` of version 2 or `UNKNOWN` of version 1 is
    /// skipped, as the protocol asks for.
    ///
    /// # Errors
    ///
    /// It is not a header, or not one alone; or its checksum is wrong.
    pub fn parse(frame: &Bytes) -> Result<Self, ParseError> {
        match Self::missing(frame)? {
            0 if frame.starts_with(WORD) => run_all(frame, line()),
            0 => run_all(frame, binary(frame)),
            _ => Err(ParseError::new(frame.len(), "a PROXY header that is cut off")),
        }
    }
}

/// ```text
/// line      = "PROXY" SP ("UNKNOWN" *OCTET / "TCP4" inet4 / "TCP6" inet6) CRLF
/// inet4     = SP ipv4 SP ipv4 SP port SP port      ; source first
/// inet6     = SP ipv6 SP ipv6 SP port SP port
/// port      = "0" / nonzero 0*4DIGIT               ; 0 to 65535
/// ```
/// Section 2.1.
fn line<'a>() -> impl Grammar<'a, Header> {
    let unknown = (tag("UNKNOWN"), |input: &'a [u8]| match input.strip_suffix(b"\r\n") {
        Some(_) => Ok((input.get(input.len().saturating_sub(2)..).unwrap_or_default(), ())),
        None => Result::Err(Err::Error(Expected { rest: input, reason: "expected CR LF" })),
    });
    let origin = alt((
        value(Origin::Unknown, unknown),
        preceded(tag("TCP4"), addresses::<Ipv4Addr>()),
        preceded(tag("TCP6"), addresses::<Ipv6Addr>()),
    ));
    delimited(tag(WORD), expected("expected TCP4, TCP6 or UNKNOWN", origin), tag("\r\n"))
        .map(|origin| Header::new(Version::V1, origin))
}

fn addresses<'a, A: FromStr + Into<IpAddr>>() -> impl Grammar<'a, Origin> {
    let address = || preceded(byte(b' ', "expected a space"), word::<A>("expected an address"));
    let port = || preceded(byte(b' ', "expected a space"), port());
    (address(), address(), port(), port()).map(|(source, destination, from, to)| {
        Origin::inet(SocketAddr::new(source.into(), from), SocketAddr::new(destination.into(), to))
    })
}

fn port<'a>() -> impl Grammar<'a, u16> {
    // A number has one form: what is written in two ways is read in two ways by somebody.
    let digits = verify(take_while1(|byte: u8| byte.is_ascii_digit()), |digits: &[u8]| {
        digits.len() == 1 || !digits.starts_with(b"0")
    });
    expected("expected a port", digits.map_res_text())
}

fn word<'a, T: FromStr>(reason: &'static str) -> impl Grammar<'a, T> {
    expected(
        reason,
        take_while1(|byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':')).map_res_text(),
    )
}

/// Reads what a grammar took as a text of another kind.
trait AsText<'a>: Grammar<'a, &'a [u8]> + Sized {
    fn map_res_text<T: FromStr>(mut self) -> impl Grammar<'a, T> {
        move |input: &'a [u8]| {
            let (rest, word) = self.parse_complete(input)?;
            match std::str::from_utf8(word).ok().and_then(|word| word.parse().ok()) {
                Some(value) => Ok((rest, value)),
                None => Result::Err(Err::Error(Expected { rest: input, reason: "unexpected byte" })),
            }
        }
    }
}

impl<'a, G: Grammar<'a, &'a [u8]>> AsText<'a> for G {}

/// ```text
/// binary    = signature ver_cmd fam len addresses *tlv
/// ver_cmd   = %x20 / %x21                          ; LOCAL, PROXY
/// fam       = %x00 / %x11 / %x21 / %x31            ; AF_UNSPEC, and streams of AF_INET, AF_INET6, AF_UNIX
/// len       = 2OCTET                               ; of all that comes after it
/// tlv       = type 2OCTET value                    ; the length of the value
/// ```
/// Section 2.2.
fn binary<'a>(frame: &'a Bytes) -> impl Grammar<'a, Header> {
    move |input: &'a [u8]| {
        let (input, (command, family)) =
            delimited(tag(&SIGNATURE[..]), pair(be_u8, be_u8), be_u16).parse_complete(input)?;
        let fail = |at: usize, reason| {
            Result::Err(Err::Failure(Expected { rest: frame.get(at..).unwrap_or_default(), reason }))
        };
        match command {
            0x20 => return value(Header::new(Version::V2, Origin::Local), rest).parse_complete(input),
            0x21 => {}
            _ => return fail(12, "neither LOCAL nor PROXY of version 2"),
        }
        let (input, origin) = match family {
            0x00 => (input, Origin::Unknown),
            0x11 => inet(ipv4).parse_complete(input)?,
            0x21 => inet(ipv6).parse_complete(input)?,
            0x31 => unix(frame).parse_complete(input)?,
            0x12 | 0x22 | 0x32 => return fail(13, "datagrams"),
            _ => return fail(13, "an unknown family of addresses"),
        };
        let mut header = Header::new(Version::V2, origin);
        let (input, tlvs) = many0(element("expected a TLV")).parse_complete(input)?;
        for (kind, value) in tlvs {
            let at = offset(frame, value);
            match kind {
                tlv::NOOP => {}
                tlv::CRC32C => {
                    if value != checksum(frame, at).to_be_bytes() {
                        return fail(at, "a wrong checksum");
                    }
                    header.checksum = true;
                }
                tlv::UNIQUE_ID if value.len() > tlv::MOST_UNIQUE_ID => {
                    return fail(at, "a name of more than 128 bytes");
                }
                kind => header.tlvs.push(read(frame, kind, value)?),
            }
        }
        Ok((input, header))
    }
}

fn read<'a>(frame: &'a Bytes, kind: u8, value: &'a [u8]) -> Result<Tlv, Err<Expected<'a>>> {
    let bytes = || frame.slice_ref(value);
    Ok(match kind {
        tlv::ALPN => Tlv::Alpn(bytes()),
        tlv::AUTHORITY => Tlv::Authority(Text::of(frame, value)),
        tlv::UNIQUE_ID => Tlv::UniqueId(bytes()),
        tlv::NETNS => Tlv::NetworkNamespace(Text::of(frame, value)),
        tlv::SSL => {
            // Of the whole frame is told where it fails.
            let within = |error: Err<Expected<'a>>| {
                error.map(|Expected { rest, reason }| Expected {
                    rest: frame.get(offset(frame, rest)..).unwrap_or_default(),
                    reason,
                })
            };
            Tlv::Ssl(whole(ssl(frame)).parse_complete(value).map_err(within)?.1)
        }
        kind => match OtherTlv::new(kind, bytes()) {
            Ok(other) => Tlv::Other(other),
            Err(_) => return Result::Err(Err::Failure(Expected { rest: value, reason: "unexpected TLV" })),
        },
    })
}

/// ```text
/// ssl = client 4OCTET *tlv                         ; bits, and 0 if the certificate was verified
/// ```
fn ssl<'a>(frame: &'a Bytes) -> impl Grammar<'a, Ssl> {
    let fixed = here("expected what is known of TLS", pair(be_u8, be_u32));
    (fixed, many0(element("expected a part of TLS"))).map(|((client, verify), parts)| {
        let parts = parts.into_iter().map(|(kind, value)| (kind, frame.slice_ref(value))).collect();
        Ssl { client, verify, parts }
    })
}

/// A grammar that has to take everything.
fn whole<'a, T>(grammar: impl Grammar<'a, T>) -> impl Grammar<'a, T> {
    terminated(grammar, nom::combinator::eof)
}

/// A type, a length and a value. Failing within one fails for good.
fn element<'a>(reason: &'static str) -> impl Grammar<'a, (u8, &'a [u8])> {
    preceded(peek(be_u8), cut(here(reason, pair(be_u8, length_data(be_u16)))))
}

/// A grammar that fails at its first byte, wherever within it does.
fn here<'a, T>(reason: &'static str, mut grammar: impl Grammar<'a, T>) -> impl Grammar<'a, T> {
    move |input: &'a [u8]| {
        grammar.parse_complete(input).map_err(|_| Err::Error(Expected { rest: input, reason }))
    }
}

fn inet<'a, A: Into<IpAddr>>(address: impl Grammar<'a, A> + Copy) -> impl Grammar<'a, Origin> {
    let both = (address, address, be_u16, be_u16);
    here("expected two addresses", both).map(|(source, destination, from, to)| {
        Origin::inet(SocketAddr::new(source.into(), from), SocketAddr::new(destination.into(), to))
    })
}

fn ipv4(input: &[u8]) -> IResult<&[u8], Ipv4Addr, Expected<'_>> {
    be_u32.map(Ipv4Addr::from_bits).parse_complete(input)
}

fn ipv6(input: &[u8]) -> IResult<&[u8], Ipv6Addr, Expected<'_>> {
    nom::number::complete::be_u128.map(Ipv6Addr::from_bits).parse_complete(input)
}

fn unix<'a>(frame: &'a Bytes) -> impl Grammar<'a, Origin> {
    let name = || take(UnixAddresses::LENGTH);
    here("expected two names of sockets", pair(name(), name())).map(|(source, destination)| {
        // Of 108 bytes neither is too long.
        UnixAddresses::new(frame.slice_ref(source), frame.slice_ref(destination))
            .map_or(Origin::Unknown, Origin::Unix)
    })
}

fn offset(frame: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(frame.as_ptr() as usize)
}
