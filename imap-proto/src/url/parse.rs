//! The grammar of IMAP URLs: [RFC 5092 section 11](https://www.rfc-editor.org/rfc/rfc5092#section-11).

use alloc::vec::Vec;
use core::num::NonZeroU32;

use bytes::Bytes;
use mailwire_core::{
    Dialect, ParseError,
    grammar::{Expected, Grammar, byte, expected, number64, percent_decode, percent_encoded, run_all},
};
use nom::{
    Err, Parser,
    branch::alt,
    bytes::complete::{tag, tag_no_case, take_while1},
    combinator::{cut, eof, map, opt, recognize, value, verify},
    sequence::{preceded, terminated},
};

use super::{
    Access, AuthMechanism, AuthType, ImapUrl, MailboxRef, MessageList, MessageRef, Server, Target, UrlAuth,
    UrlPartial, UrlSection, UrlText, Verifier, auth::MIN_TOKEN,
};
use crate::{
    extensions::urlauth::is_mechanism,
    types::{Date, DateTime, ParseContext, Reader, Section, Uid, UidValidity},
};

/// ```text
/// imapurl     = "imap://" iserver ipath-query
/// ipath-query = ["/" [ icommand ]]
/// ```
pub(super) fn absolute(url: &[u8]) -> Result<ImapUrl, ParseError> {
    let scheme = expected("expected imap://", tag_no_case(&b"imap://"[..]));
    run_all(url, preceded(scheme, map((server(), path()), |(server, target)| ImapUrl { server, target })))
}

/// What stands after the server.
pub(super) fn path<'a>() -> impl Grammar<'a, Option<Target>> {
    alt((value(None, eof), preceded(byte(b'/', "expected /"), alt((value(None, eof), map(target(), Some))))))
}

/// ```text
/// iserver   = [iuserinfo "@"] host [ ":" port ]
/// iuserinfo = enc-user [iauth] / [enc-user] iauth
/// iauth     = ";AUTH=" ( "*" / enc-auth-type )
/// ```
pub(super) fn server<'a>() -> impl Grammar<'a, Server> {
    let auth = preceded(
        tag_no_case(&b";AUTH="[..]),
        cut(alt((
            value(AuthType::Any, terminated(byte(b'*', "expected *"), peek_at_sign)),
            map(encoded(is_achar, "expected a mechanism"), AuthType::Mechanism),
        ))),
    );
    let user = verify(encoded(is_achar, "expected a user"), |user: &UrlText| user.as_str().is_some());
    let info = terminated((opt(user), opt(auth)), byte(b'@', "expected @"));
    let info = verify(info, |(user, auth)| user.is_some() || auth.is_some());
    // port = *DIGIT
    let port = preceded(
        byte(b':', "expected :"),
        cut(alt((map(expected("expected a port", nom::character::complete::u16), Some), |rest| {
            Ok((rest, None))
        }))),
    );
    map((opt(info), host(), opt(port)), |(info, host, port)| {
        let (user, auth) = info.unwrap_or_default();
        Server { user: user.map(UrlText::into_text), auth, host: host.into(), port: port.flatten() }
    })
}

fn peek_at_sign(input: &[u8]) -> nom::IResult<&[u8], (), Expected<'_>> {
    if input.first() == Some(&b'@') {
        return Ok((input, ()));
    }
    Err(Err::Error(Expected { rest: input, reason: "expected @" }))
}

/// ```text
/// host = IP-literal / IPv4address / reg-name      ; RFC 3986
/// ```
pub(super) fn host<'a>() -> impl Grammar<'a, &'a [u8]> {
    let address = take_while1(|byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'.' | b'-' | b'_' | b'~')
    });
    let literal = (tag(&b"["[..]), address, tag(&b"]"[..]));
    // Without `;` and the like, which would be something else in an IMAP URL.
    expected("expected a host", alt((recognize(literal), percent_encoded(is_host, "expected a host"))))
}

/// ```text
/// icommand     = imessagelist / imessagepart [iurlauth]
/// imessagelist = imailbox-ref [ "?" enc-search ]
/// imessagepart = imailbox-ref iuid [isection] [ipartial]
/// ```
pub(super) fn target<'a>() -> impl Grammar<'a, Target> {
    move |input: &'a [u8]| {
        let (after, raw) = percent_encoded(is_bchar, "expected a mailbox").parse_complete(input)?;
        let (after, uid_validity) = opt(number(&b";UIDVALIDITY="[..])).parse_complete(after)?;
        // The slash before `;UID=` can stand in a mailbox, too.
        let (after, raw) = match raw {
            [mailbox @ .., b'/'] if uid_validity.is_none() && is_uid(after) => (after, mailbox),
            raw => match after {
                [b'/', uid @ ..] if is_uid(uid) => (uid, raw),
                after => (after, raw),
            },
        };
        let mut mailbox = mailbox(raw)
            .ok_or(Err::Failure(Expected { rest: input, reason: "not the name of a mailbox" }))?;
        mailbox.uid_validity = uid_validity.map(UidValidity::from);
        if is_uid(after) {
            return message_part(mailbox, after);
        }
        let search = preceded(byte(b'?', "expected ?"), cut(encoded(is_bchar, "expected a search")));
        let (after, search) = opt(search).parse_complete(after)?;
        Ok((after, Target::Messages(MessageList { mailbox, search })))
    }
}

fn mailbox(raw: &[u8]) -> Option<MailboxRef> {
    let name = percent_decode(raw);
    MailboxRef::new(core::str::from_utf8(&name).ok()?).ok()
}

/// ```text
/// iuid     = "/" iuid-only
/// isection = "/" ";SECTION=" enc-section
/// ipartial = "/" ";PARTIAL=" partial-range
/// ```
///
/// From `;UID=` on.
fn message_part(mailbox: MailboxRef, input: &[u8]) -> nom::IResult<&[u8], Target, Expected<'_>> {
    let (after, uid) = cut(number(&b";UID="[..])).parse_complete(input)?;
    let mut part = MessageRef::new(mailbox, Uid::from(uid));
    let section =
        preceded(tag_no_case(&b"/;SECTION="[..]), cut(percent_encoded(is_bchar, "expected a section")));
    let (mut after, found) = opt(section).parse_complete(after)?;
    if let Some(found) = found {
        let found = match found {
            [section @ .., b'/'] if is_partial(after) => section,
            found => found,
        };
        let section = section_of(found)
            .ok_or(Err::Failure(Expected { rest: after, reason: "not a part of a message" }))?;
        part.section = Some(section);
    }
    if let [b'/', partial @ ..] = after {
        if is_partial(partial) {
            after = partial;
        }
    }
    if is_partial(after) {
        (after, part.partial) = map(preceded(tag_no_case(&b";PARTIAL="[..]), cut(partial_range())), Some)
            .parse_complete(after)?;
    }
    let (after, auth) = opt(auth()).parse_complete(after)?;
    part.auth = auth;
    Ok((after, Target::Message(part.into())))
}

fn section_of(raw: &[u8]) -> Option<UrlSection> {
    let mut whole = Vec::with_capacity(raw.len() + 2);
    whole.push(b'[');
    whole.extend_from_slice(&percent_decode(raw));
    whole.push(b']');
    let (frame, context) = (Bytes::from(whole), ParseContext::new(Dialect::Strict));
    let mut reader = Reader::new(&frame, &context);
    let section = Section::read(&mut reader).ok()?;
    if reader.is_at_end() { UrlSection::new(section) } else { None }
}

/// ```text
/// partial-range = number ["." nz-number]
/// ```
fn partial_range<'a>() -> impl Grammar<'a, UrlPartial> {
    let length = preceded(byte(b'.', "expected a dot"), cut(nz64));
    map((number64(), opt(length)), |(offset, length)| UrlPartial { offset, length })
}

/// ```text
/// iurlauth      = iurlauth-rump iua-verifier
/// iurlauth-rump = [expire] ";URLAUTH=" access
/// expire        = ";EXPIRE=" date-time
/// iua-verifier  = ":" uauth-mechanism ":" enc-urlauth
/// enc-urlauth   = 32*HEXDIG
/// ```
fn auth<'a>() -> impl Grammar<'a, UrlAuth> {
    let expire = preceded(tag_no_case(&b";EXPIRE="[..]), cut(date_time));
    let token =
        verify(take_while1(|byte: u8| byte.is_ascii_hexdigit()), |token: &[u8]| token.len() >= MIN_TOKEN);
    let verifier = (
        byte(b':', "expected :"),
        expected("expected a mechanism", take_while1(is_mechanism)),
        byte(b':', "expected :"),
        expected("expected a token", token),
    );
    let verifier = map(verifier, |((), mechanism, (), token): (_, &[u8], _, &[u8])| Verifier {
        mechanism: AuthMechanism::unchecked(mechanism.into()),
        token: token.into(),
    });
    let access = preceded(tag_no_case(&b";URLAUTH="[..]), cut(access()));
    map((opt(expire), access, opt(preceded_by_colon(verifier))), |(expire, access, verifier)| UrlAuth {
        expire,
        access,
        verifier,
    })
}

/// What begins with `:` has to go on.
fn preceded_by_colon<'a, T>(mut grammar: impl Grammar<'a, T>) -> impl Grammar<'a, T> {
    move |input: &'a [u8]| match grammar.parse_complete(input) {
        Err(Err::Error(error)) if input.first() == Some(&b':') => Err(Err::Failure(error)),
        result => result,
    }
}

/// ```text
/// access = application / (application "+" enc-user)      ; RFC 5593
/// ```
fn access<'a>() -> impl Grammar<'a, Access> {
    let name = expected("expected who may use it", take_while1(|byte: u8| byte.is_ascii_alphanumeric()));
    let user = preceded(byte(b'+', "expected +"), cut(encoded(is_achar, "expected a user")));
    map((name, opt(user)), |(name, user)| Access::of(core::str::from_utf8(name).unwrap_or_default(), user))
}

/// ```text
/// date-time   = full-date "T" full-time                          ; RFC 3339
/// full-time   = 2DIGIT ":" 2DIGIT ":" 2DIGIT ["." 1*DIGIT] time-offset
/// time-offset = "Z" / ("+" / "-") 2DIGIT ":" 2DIGIT
/// ```
fn date_time(input: &[u8]) -> nom::IResult<&[u8], DateTime, Expected<'_>> {
    let dash = || byte(b'-', "expected -");
    let colon = || byte(b':', "expected :");
    let date = (digits(4), dash(), digits(2), dash(), digits(2));
    let time = (digits(2), colon(), digits(2), colon(), digits(2));
    let fraction = (byte(b'.', "expected a dot"), take_while1(|byte: u8| byte.is_ascii_digit()));
    let utc = value(0, tag_no_case(&b"Z"[..]));
    let sign = alt((value(1, byte(b'+', "expected +")), value(-1, dash())));
    let zone = map((sign, digits(2), colon(), digits(2)), |(sign, hours, (), minutes): (i16, _, _, _)| {
        sign * (hours as i16 * 60 + minutes as i16)
    });
    let zone = expected("expected a zone", alt((utc, zone)));
    let grammar = (date, tag_no_case(&b"T"[..]), time, opt(fraction), zone);
    let (rest, ((year, (), month, (), day), _, (hour, (), minute, (), second), _, zone)) =
        expected("expected a date", grammar).parse_complete(input)?;
    let date = Date::new(year, month as u8, day as u8);
    match date.and_then(|date| DateTime::new(date, hour as u8, minute as u8, second as u8, zone)) {
        Ok(time) => Ok((rest, time)),
        Err(error) => Err(Err::Failure(Expected { rest: input, reason: error.reason })),
    }
}

fn digits<'a>(count: usize) -> impl Grammar<'a, u16> {
    map(
        nom::bytes::complete::take_while_m_n(count, count, |byte: u8| byte.is_ascii_digit()),
        |digits: &[u8]| digits.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0')),
    )
}

/// A number from 1 after a name.
fn number<'a>(name: &'static [u8]) -> impl Grammar<'a, NonZeroU32> {
    let nz = verify(nom::character::complete::u32, |number| *number > 0);
    let nz = map(nz, |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN));
    preceded(tag_no_case(name), cut(expected("expected a number from 1", nz)))
}

fn nz64(input: &[u8]) -> nom::IResult<&[u8], core::num::NonZeroU64, Expected<'_>> {
    let (rest, number) = number64().parse_complete(input)?;
    match core::num::NonZeroU64::new(number) {
        Some(number) => Ok((rest, number)),
        None => Err(Err::Error(Expected { rest: input, reason: "expected a number from 1" })),
    }
}

fn is_uid(input: &[u8]) -> bool {
    input.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b";UID="))
}

fn is_partial(input: &[u8]) -> bool {
    input.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b";PARTIAL="))
}

fn encoded<'a>(class: fn(u8) -> bool, reason: &'static str) -> impl Grammar<'a, UrlText> {
    let mut raw = percent_encoded(class, reason);
    move |input: &'a [u8]| {
        let (rest, raw) = raw.parse_complete(input)?;
        match UrlText::new(percent_decode(raw)) {
            Ok(text) => Ok((rest, text)),
            Err(error) => Err(Err::Failure(Expected { rest: input, reason: error.reason })),
        }
    }
}

/// ```text
/// uchar = unreserved / sub-delims-sh / pct-encoded
/// achar = uchar / "&" / "="
/// ```
pub(super) const fn is_achar(byte: u8) -> bool {
    is_host(byte) || matches!(byte, b'&' | b'=')
}

/// ```text
/// bchar = achar / ":" / "@" / "/"
/// ```
pub(super) const fn is_bchar(byte: u8) -> bool {
    is_achar(byte) || matches!(byte, b':' | b'@' | b'/')
}

/// ```text
/// unreserved    = ALPHA / DIGIT / "-" / "." / "_" / "~"
/// sub-delims-sh = "!" / "$" / "'" / "(" / ")" / "*" / "+" / ","
/// ```
const fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~')
        || matches!(byte, b'!' | b'$' | b'\'' | b'(' | b')' | b'*' | b'+' | b',')
}
