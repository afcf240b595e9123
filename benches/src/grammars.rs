//! Values read with a [`Cursor`] and with nom 8: what each costs decides where it is used.
//!
//! ENVELOPE is on the cursor in our crate, and here on nom as well; QUOTA is on nom in our crate, and here
//! on a cursor as well. All read whole responses, strictly, into the same public types.

use bytes::Bytes;
use mailwire_core::{
    Cursor, Dialect, ParseError, Text,
    grammar::{Grammar, byte, expected, list, number64, space},
};
use mailwire_imap::{
    command::AString,
    extensions::quota::{QuotaData, QuotaResource, ResourceName},
    response::{FetchData, MsgAtt, Response, Untagged},
    types::{Address, Atom, Envelope, ImapString, ParseContext},
};
use nom::{
    branch::alt,
    bytes::complete::{tag, tag_no_case, take, take_while, take_while1},
    character::complete::u32 as number,
    combinator::{flat_map, map, map_opt, value},
    multi::{fold_many0, many1, separated_list1},
    sequence::{delimited, preceded, terminated},
};

use crate::{Aim, Group, Groups, Kind, corpus, imap::framed};

type Read = fn(&Bytes) -> Result<Response, ParseError>;

pub(crate) fn add(groups: &mut Groups) {
    groups.add("grammar/envelope", |group| {
        let title = "IMAP FETCH with ENVELOPE: Cursor and nom 8";
        compare(
            group,
            title,
            corpus::FETCH_ENVELOPE_APART,
            &[(Kind::Peer, "nom 8", |frame| run(frame, fetch))],
        )
    });
    groups.add("grammar/quota", |group| {
        let title = "IMAP QUOTA: nom 8 and Cursor";
        compare(
            group,
            title,
            corpus::QUOTA,
            &[
                (Kind::Peer, "nom 8", |frame| run(frame, |frame| quota(frame, usage(frame)))),
                (Kind::Peer, "nom 8, our list", |frame| run(frame, |frame| quota(frame, our_usage(frame)))),
                (Kind::Floor, "Cursor", quota_by_hand),
            ],
        )
    });
}

fn compare(group: String, title: &str, wire: &'static [u8], others: &[(Kind, &'static str, Read)]) -> Group {
    let ours: Read = |frame| Ok(Response::parse(frame, ParseContext::new(Dialect::Strict))?.value);
    let expected = ours(&framed(wire)).expect("a valid response");
    let mut group = Group::new(group, title, Aim::None, wire.len());
    for &(kind, who, read) in [(Kind::Ours, "mailwire", ours)].iter().chain(others) {
        assert_eq!(read(&framed(wire)).expect("a valid response"), expected, "{who}");
        group = group.add(kind, who, move || {
            let frame = framed(wire);
            move || read(&frame).expect("a valid response")
        });
    }
    group
}

fn run<'a, G: Grammar<'a, Response>>(
    frame: &'a Bytes,
    grammar: impl FnOnce(&'a Bytes) -> G,
) -> Result<Response, ParseError> {
    let mut cursor = Cursor::new(frame, Dialect::Strict);
    let response = cursor.run(grammar)?;
    cursor.expect_end()?;
    Ok(response)
}

// FETCH with UID and ENVELOPE

/// ```text
/// "*" SP nz-number SP "FETCH" SP "(" item *(SP item) ")"
/// ```
fn fetch<'a>(frame: &'a Bytes) -> impl Grammar<'a, Response> {
    let head = delimited(tag(&b"* "[..]), number, tag_no_case(&b" FETCH ("[..]));
    let items = terminated(separated_list1(sp(), item(frame)), byte(b')', "expected )"));
    map((head, items), |(number, items)| {
        let number = number.try_into().unwrap_or(mailwire_imap::types::SeqNumber::MAX);
        Untagged::Fetch(FetchData::new(number, items)).into()
    })
}

fn item<'a>(frame: &'a Bytes) -> impl Grammar<'a, MsgAtt> {
    let uid = map_opt(number, |uid| std::num::NonZeroU32::new(uid).map(|uid| MsgAtt::Uid(uid.into())));
    alt((
        preceded(tag_no_case(&b"UID "[..]), uid),
        map(preceded(tag_no_case(&b"ENVELOPE "[..]), envelope(frame)), |envelope| {
            MsgAtt::Envelope(Box::new(envelope))
        }),
    ))
}

/// ```text
/// envelope = "(" env-date SP env-subject SP env-from SP env-sender SP env-reply-to SP env-to SP env-cc SP
///            env-bcc SP env-in-reply-to SP env-message-id ")"
/// ```
fn envelope<'a>(frame: &'a Bytes) -> impl Grammar<'a, Envelope> {
    let field = || terminated(nstring(frame), sp());
    let people = || terminated(addresses(frame), sp());
    let lists = (people(), people(), people(), people(), people(), people());
    let fields = (field(), field(), lists, field(), nstring(frame));
    map(in_parentheses(fields), |(date, subject, lists, in_reply_to, message_id)| {
        Envelope::new([lists.0, lists.1, lists.2, lists.3, lists.4, lists.5])
            .with_date(date)
            .with_subject(subject)
            .with_in_reply_to(in_reply_to)
            .with_message_id(message_id)
    })
}

/// ```text
/// env-to = "(" 1*address ")" / nil
/// ```
fn addresses<'a>(frame: &'a Bytes) -> impl Grammar<'a, Vec<Address>> {
    alt((in_parentheses(many1(address(frame))), map(nil(), |()| Vec::new())))
}

/// ```text
/// address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"
/// ```
fn address<'a>(frame: &'a Bytes) -> impl Grammar<'a, Address> {
    let field = || terminated(nstring(frame), sp());
    let fields = (field(), field(), field(), nstring(frame));
    map(in_parentheses(fields), |(name, adl, mailbox, host)| {
        Address::new(mailbox, host).with_name(name).with_adl(adl)
    })
}

fn nstring<'a>(frame: &'a Bytes) -> impl Grammar<'a, Option<ImapString>> {
    alt((map(string(frame), Some), map(nil(), |()| None)))
}

/// ```text
/// string = quoted / literal
/// ```
fn string<'a>(frame: &'a Bytes) -> impl Grammar<'a, ImapString> {
    let quoted =
        map(delimited(tag(&b"\""[..]), take_while(is_plain), tag(&b"\""[..])), |text| Text::of(frame, text));
    let piece =
        alt((take_while1(is_plain), preceded(tag(&b"\\"[..]), alt((tag(&b"\""[..]), tag(&b"\\"[..]))))));
    let pieces = fold_many0(piece, Vec::new, |mut text, piece: &[u8]| {
        text.extend_from_slice(piece);
        text
    });
    let escaped = map(delimited(tag(&b"\""[..]), pieces, tag(&b"\""[..])), Text::from);
    let literal = map(flat_map(delimited(tag(&b"{"[..]), number, tag(&b"}\r\n"[..])), take), |text| {
        Text::of(frame, text)
    });
    expected("expected a string", map_opt(alt((quoted, escaped, literal)), |text| ImapString::new(text).ok()))
}

const fn is_plain(byte: u8) -> bool {
    !matches!(byte, 0 | b'\r' | b'\n' | b'"' | b'\\')
}

fn nil<'a>() -> impl Grammar<'a, ()> {
    value((), tag_no_case(&b"NIL"[..]))
}

fn sp<'a>() -> impl Grammar<'a, ()> {
    byte(b' ', "expected a space")
}

fn in_parentheses<'a, T>(inner: impl Grammar<'a, T>) -> impl Grammar<'a, T> {
    delimited(byte(b'(', "expected ("), inner, byte(b')', "expected )"))
}

// QUOTA

mailwire_core::keywords! {
    enum Known {
        Storage = "STORAGE",
        Message = "MESSAGE",
        Mailbox = "MAILBOX",
        AnnotationStorage = "ANNOTATION-STORAGE",
    }
}

/// What a name of a resource means. The text is there for those that are not known.
fn resource_of(name: &[u8], text: impl FnOnce() -> Text) -> Option<ResourceName> {
    Some(match Known::of(name) {
        Some(Known::Storage) => ResourceName::Storage,
        Some(Known::Message) => ResourceName::Message,
        Some(Known::Mailbox) => ResourceName::Mailbox,
        Some(Known::AnnotationStorage) => ResourceName::AnnotationStorage,
        None => ResourceName::Other(Atom::new(text()).ok()?),
    })
}

/// Bytes of an atom that no name of a resource ends at.
const fn is_atom(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// ```text
/// quota-response = "*" SP "QUOTA" SP quota-root-name SP quota-list
/// ```
fn quota<'a>(frame: &'a Bytes, usage: impl Grammar<'a, Vec<QuotaResource>>) -> impl Grammar<'a, Response> {
    let root = delimited(tag(&b"\""[..]), take_while(is_plain), tag(&b"\" "[..]));
    let root = map_opt(root, |root| AString::new(Text::of(frame, root)).ok());
    map(preceded(tag_no_case(&b"* QUOTA "[..]), (root, usage)), |(root, usage)| {
        Untagged::from(QuotaData::Quota { root, usage }).into()
    })
}

/// ```text
/// quota-list     = "(" quota-resource *(SP quota-resource) ")"
/// quota-resource = resource-name SP resource-usage SP resource-limit
/// ```
fn usage<'a>(frame: &'a Bytes) -> impl Grammar<'a, Vec<QuotaResource>> {
    in_parentheses(separated_list1(sp(), one_usage(frame)))
}

fn our_usage<'a>(frame: &'a Bytes) -> impl Grammar<'a, Vec<QuotaResource>> {
    list(Dialect::Strict, "expected a list", one_usage(frame))
}

fn one_usage<'a>(frame: &'a Bytes) -> impl Grammar<'a, QuotaResource> {
    let resource = map_opt(take_while1(is_atom), |name| resource_of(name, || Text::of(frame, name)));
    let number = || preceded(space(Dialect::Strict), number64());
    map((resource, number(), number()), |(resource, usage, limit)| QuotaResource::new(resource, usage, limit))
}

fn quota_by_hand(frame: &Bytes) -> Result<Response, ParseError> {
    let mut cursor = Cursor::new(frame, Dialect::Strict);
    cursor.expect_ignore_case("* QUOTA \"", "expected QUOTA")?;
    let root = cursor.text_while(is_plain);
    let root = AString::new(root).map_err(|_| cursor.error("expected a quota root"))?;
    cursor.expect(b'"', "expected \"")?;
    cursor.expect_space()?;
    cursor.expect(b'(', "expected a list")?;
    let mut usage = Vec::new();
    while !cursor.eat(b')') {
        if !usage.is_empty() {
            cursor.expect_space()?;
        }
        let start = cursor.offset();
        let name = cursor.take_while(is_atom);
        let resource = resource_of(name, || cursor.text_from(start));
        let resource = resource.ok_or_else(|| cursor.error("expected a resource"))?;
        cursor.expect_space()?;
        let used = cursor.number_u64()?;
        cursor.expect_space()?;
        usage.push(QuotaResource::new(resource, used, cursor.number_u64()?));
    }
    cursor.expect_end()?;
    Ok(Untagged::from(QuotaData::Quota { root, usage }).into())
}
