//! Responses for fuzzing: each of them is valid, and is read back as it was written.

use alloc::{boxed::Box, vec::Vec};
use core::num::NonZeroU32;

use arbitrary::{Arbitrary, Error, Result, Unstructured};
use bytes::Bytes;
use mailwire_core::{Dialect, Text};

use super::{
    BinaryData, BinarySize, Code, ContextChange, Continuation, CopyUid, ESearchData, FetchData, ListData,
    ListExtension, ListKind, MsgAtt, OtherCode, OtherData, OtherMsgAtt, Reply, ReplyKind, ReplyText,
    Response, SearchData, SearchReturnData, SearchedMailbox, SectionData, StatusAttVal, StatusData, Tagged,
    Untagged, VanishedData,
};
use crate::{
    Capability,
    command::arbitrary::{atom, date_time, flags, mailbox, maybe, part, section, some, text, word},
    extensions::namespace::{NamespaceData, NamespaceDescr},
    types::{
        Address, BodyStructure, CommonExtension, ContentEncoding, Data, Disposition, Envelope, ImapString,
        KnownSet, MailboxAttribute, MailboxAttributes, MessagePart, ModSeq, MultiExtension, MultiPart,
        ParseContext, PartExtension, PartKind, PermanentFlags, RawValue, Reader, SetMember, ShortList,
        SinglePart, Tag,
    },
};

fn none(_: impl core::fmt::Debug) -> Error {
    Error::IncorrectFormat
}

/// What no literal, no quote and no line end may harm. UTF-8, for other bytes in a quoted string are
/// a deviation.
fn string(u: &mut Unstructured<'_>) -> Result<ImapString> {
    let mut bytes = text(u)?;
    if u.ratio(1, 8)? {
        bytes.extend_from_slice(b"\r\n) {3}\r\n* BYE");
    }
    ImapString::new(bytes).map_err(none)
}

fn nstring(u: &mut Unstructured<'_>) -> Result<Option<ImapString>> {
    maybe(u, string)
}

/// Numbers of 63 bits.
fn long(u: &mut Unstructured<'_>) -> Result<u64> {
    u.int_in_range(0..=i64::MAX as u64)
}

fn from_one<N: From<NonZeroU32>>(u: &mut Unstructured<'_>) -> Result<N> {
    u.int_in_range(1..=u32::MAX).and_then(|number| NonZeroU32::new(number).map(N::from).ok_or(none(())))
}

fn mod_seq(u: &mut Unstructured<'_>) -> Result<ModSeq> {
    u.int_in_range(1..=i64::MAX as u64).and_then(|value| ModSeq::new(value).ok_or(none(())))
}

fn response_text(u: &mut Unstructured<'_>) -> Result<ReplyText> {
    let mut text = text(u)?;
    text.retain(|byte| (b' '..0x7f).contains(byte));
    // A space at either end is a deviation in some places.
    ReplyText::new(text.trim_ascii()).or_else(|_| ReplyText::new("done {20}")).map_err(none)
}

fn known<N: SetMember>(u: &mut Unstructured<'_>) -> Result<KnownSet<N>> {
    let ranges = some(u, |u| Ok((from_one(u)?, from_one(u)?)))?;
    KnownSet::from_ranges(ranges).map_err(none)
}

fn raw(u: &mut Unstructured<'_>) -> Result<RawValue> {
    // The extensions of a body structure cannot be atoms.
    const VALUES: [&str; 7] =
        ["NIL", "12", "\"a \\\" (b\"", "()", "((a b) \"c\")", "{3}\r\n(\r\n", "(a {1}\r\n) \"\")"];
    let bytes = Bytes::from_static(u.choose(&VALUES)?.as_bytes());
    let context = ParseContext::new(Dialect::Strict);
    let mut reader = Reader::new(&bytes, &context);
    RawValue::read(&mut reader).map_err(none)
}

fn capabilities(u: &mut Unstructured<'_>) -> Result<Vec<Capability>> {
    some(u, |u| {
        Ok(match u.int_in_range(0..=4)? {
            0 => Capability::Imap4Rev1,
            1 => Capability::LiteralPlus,
            2 => Capability::Auth(u.arbitrary()?),
            3 => Capability::AppendLimit(maybe(u, long)?),
            _ => Capability::Other(atom(u)?),
        })
    })
}

fn code(u: &mut Unstructured<'_>) -> Result<Code> {
    Ok(match u.int_in_range(0..=29)? {
        29 => Code::ObjectIds(Box::new(u.arbitrary()?)),
        27 => Code::Annotate(u.arbitrary()?),
        28 => Code::Annotations(u.arbitrary()?),
        0 => Code::Alert,
        1 => Code::ReadOnly,
        2 => Code::TryCreate,
        3 => Code::BadCharset(maybe(u, |u| some(u, charset))?.unwrap_or_default()),
        4 => Code::Capability(capabilities(u)?),
        5 => Code::PermanentFlags(PermanentFlags { flags: flags(u)?, new_keywords: u.arbitrary()? }),
        6 => Code::UidNext(Some(from_one(u)?)),
        7 => Code::UidValidity(Some(from_one(u)?)),
        8 => Code::Unseen(Some(from_one(u)?)),
        9 => Code::AppendUid { uid_validity: Some(from_one(u)?), uids: known(u)? },
        10 => Code::CopyUid(Box::new(CopyUid {
            uid_validity: Some(from_one(u)?),
            source: known(u)?,
            destination: known(u)?,
        })),
        11 => Code::HighestModSeq(Some(mod_seq(u)?)),
        12 => Code::Modified(known(u)?),
        13 => Code::MailboxId(ImapString::new(word(u, b"Az09_-")?).map_err(none)?),
        14 => u
            .choose(&[
                Code::UnknownCte,
                Code::UidRequired,
                Code::TooFew,
                Code::TooMany,
                Code::TempFail,
                Code::Throttled,
            ])?
            .clone(),
        15 => Code::Closed,
        17 => Code::Metadata(u.arbitrary()?),
        18 => Code::Referral(some(u, |u| {
            ImapString::new(alloc::format!("imap://{}/", word(u, b"aB.;*()\"")?)).map_err(none)
        })?),
        19 => Code::InProgress(maybe(u, |u| u.arbitrary().map(Box::new))?),
        20 => Code::BadEvent(some(u, atom)?),
        21 => Code::NoUpdate(Tag::new(word(u, b"Aa09.-")?).map_err(none)?),
        22 => Code::UndefinedFilter(atom(u)?),
        23 => Code::BadUrl(ImapString::new(&u.arbitrary::<crate::url::Target>()?).map_err(none)?),
        24 => Code::UrlMech(u.arbitrary::<Option<_>>()?.into_iter().collect()),
        25 => match u.int_in_range(0..=3)? {
            0 => Code::NewName(Box::new([charset(u)?, charset(u)?])),
            1 => Code::WebAlert(ImapString::new(&u.arbitrary::<crate::url::Target>()?).map_err(none)?),
            2 => Code::MaxConvertMessages(from_one(u)?),
            _ => Code::MaxConvertParts(from_one(u)?),
        },
        16 => Code::MessageLimit { limit: from_one(u)?, uid: maybe(u, from_one)? },
        _ => {
            let arguments = maybe(u, |u| word(u, b"Az09 ()\"\\*%"))?;
            let arguments = arguments.map(ImapString::new).transpose().map_err(none)?;
            Code::Other(Box::new(OtherCode { name: atom(u)?, arguments }))
        }
    })
}

fn charset(u: &mut Unstructured<'_>) -> Result<ImapString> {
    ImapString::new(word(u, b"UTF-8 ]\"\\")?).map_err(none)
}

fn status(u: &mut Unstructured<'_>, kinds: &[ReplyKind]) -> Result<Reply> {
    Ok(Reply { kind: *u.choose(kinds)?, code: maybe(u, code)?, text: response_text(u)? })
}

fn address(u: &mut Unstructured<'_>) -> Result<Address> {
    Ok(Address { name: nstring(u)?, adl: nstring(u)?, mailbox: nstring(u)?, host: nstring(u)? })
}

fn addresses(u: &mut Unstructured<'_>) -> Result<Vec<Address>> {
    Ok(maybe(u, |u| some(u, address))?.unwrap_or_default())
}

fn envelope(u: &mut Unstructured<'_>) -> Result<Envelope> {
    let from = addresses(u)?;
    let sender = if u.arbitrary()? { from.clone() } else { addresses(u)? };
    let reply_to = if u.arbitrary()? { from.clone() } else { addresses(u)? };
    let envelope = Envelope::new([from, sender, reply_to, addresses(u)?, addresses(u)?, addresses(u)?]);
    Ok(envelope
        .with_date(nstring(u)?)
        .with_subject(nstring(u)?)
        .with_in_reply_to(nstring(u)?)
        .with_message_id(nstring(u)?))
}

fn parameters(u: &mut Unstructured<'_>) -> Result<ShortList<(ImapString, ImapString)>> {
    Ok(maybe(u, |u| some(u, |u| Ok((string(u)?, string(u)?))))?.unwrap_or_default().into())
}

fn common(u: &mut Unstructured<'_>) -> Result<CommonExtension> {
    Ok(CommonExtension {
        disposition: maybe(u, |u| Ok(Disposition { kind: string(u)?, parameters: parameters(u)? }))?,
        language: maybe(u, |u| some(u, string))?.unwrap_or_default(),
        location: nstring(u)?,
        others: maybe(u, |u| some(u, raw))?.unwrap_or_default(),
    })
}

pub(crate) fn body(u: &mut Unstructured<'_>, extended: bool, depth: usize) -> Result<BodyStructure> {
    if depth < 4 && u.ratio(1, 3)? {
        let parts = some(u, |u| body(u, extended, depth + 1))?.into();
        let extension = if extended && u.arbitrary()? {
            Some(MultiExtension { parameters: parameters(u)?, common: common(u)? })
        } else {
            None
        };
        return Ok(BodyStructure::Multi(Box::new(MultiPart { parts, media_subtype: string(u)?, extension })));
    }
    let octets = Some(long(u)?);
    let (media_type, media_subtype, kind) = match u.int_in_range(0..=3)? {
        0 => ("TEXT", string(u)?, PartKind::Text { lines: Some(long(u)?) }),
        1 if depth < 4 => {
            let message = MessagePart {
                envelope: envelope(u)?,
                body: body(u, extended, depth + 1)?,
                lines: Some(long(u)?),
            };
            ("message", ImapString::new("rfc822").map_err(none)?, PartKind::Message(Box::new(message)))
        }
        _ => (*u.choose(&["application", "image", "x-own", "multipart"])?, string(u)?, PartKind::Basic),
    };
    let extension = if extended && u.arbitrary()? {
        Some(PartExtension { md5: nstring(u)?, common: common(u)? })
    } else {
        None
    };
    Ok(BodyStructure::Single(Box::new(SinglePart {
        media_type: ImapString::new(media_type).map_err(none)?,
        media_subtype,
        parameters: parameters(u)?,
        id: nstring(u)?,
        description: nstring(u)?,
        encoding: match u.int_in_range(0..=3)? {
            0 => ContentEncoding::SevenBit,
            1 => ContentEncoding::Base64,
            2 => ContentEncoding::QuotedPrintable,
            _ => ContentEncoding::from(ImapString::new(word(u, b"Xx- \"")?).map_err(none)?),
        },
        octets,
        kind,
        extension,
    })))
}

fn data(u: &mut Unstructured<'_>, binary: bool) -> Result<Data> {
    Ok(match u.int_in_range(0..=3)? {
        0 => Data::Nil,
        1 if binary => Data::Inline(Text::from(u.arbitrary::<Vec<u8>>()?)),
        _ => Data::Inline(string(u)?.into_text()),
    })
}

fn object_id(u: &mut Unstructured<'_>) -> Result<ImapString> {
    ImapString::new(word(u, b"MaZ09_-")?).map_err(none)
}

fn fetch_item(u: &mut Unstructured<'_>) -> Result<MsgAtt> {
    Ok(match u.int_in_range(0..=24)? {
        24 => MsgAtt::ObjectIds(Box::new(u.arbitrary()?)),
        23 => MsgAtt::Annotation(Box::new(u.arbitrary()?)),
        21 => MsgAtt::Snippet(nstring(u)?),
        0 => MsgAtt::Uid(u.arbitrary()?),
        1 => MsgAtt::Flags(flags(u)?),
        2 => MsgAtt::InternalDate(Some(date_time(u)?)),
        3 => MsgAtt::Rfc822Size(long(u)?),
        4 => MsgAtt::Envelope(Box::new(envelope(u)?)),
        5 => MsgAtt::BodyStructure(body(u, true, 0)?),
        6 => MsgAtt::Body(body(u, false, 0)?),
        7 => MsgAtt::Section(Box::new(SectionData {
            section: section(u)?,
            origin: maybe(u, long)?,
            data: data(u, false)?,
        })),
        8 => MsgAtt::Binary(Box::new(BinaryData {
            part: part(u)?,
            origin: maybe(u, long)?,
            data: data(u, true)?,
        })),
        9 => MsgAtt::BinarySize(Box::new(BinarySize { part: part(u)?, size: long(u)? })),
        10 => MsgAtt::Rfc822(data(u, false)?),
        11 => MsgAtt::Rfc822Header(data(u, false)?),
        12 => MsgAtt::Rfc822Text(data(u, false)?),
        13 => MsgAtt::ModSeq(ModSeq::new(long(u)?.max(1))),
        14 => MsgAtt::EmailId(object_id(u)?),
        15 => MsgAtt::ThreadId(maybe(u, object_id)?),
        16 => MsgAtt::SaveDate(maybe(u, date_time)?),
        17 => MsgAtt::Preview(nstring(u)?),
        18 => MsgAtt::GmailMessageId(u.arbitrary()?),
        19 => MsgAtt::GmailThreadId(u.arbitrary()?),
        20 => MsgAtt::GmailLabels(maybe(u, |u| some(u, |u| u.arbitrary()))?.unwrap_or_default()),
        _ => MsgAtt::Other(Box::new(OtherMsgAtt { name: atom(u)?.into_text(), value: raw(u)? })),
    })
}

fn delimiter(u: &mut Unstructured<'_>) -> Result<Option<u8>> {
    u.choose(&[None, Some(b'/'), Some(b'.'), Some(b'\\'), Some(b'"')]).copied()
}

fn list(u: &mut Unstructured<'_>) -> Result<ListData> {
    let mut attributes = MailboxAttributes::new();
    for _ in 0..u.int_in_range(0..=2)? {
        attributes.insert(match u.int_in_range(0..=2)? {
            0 => MailboxAttribute::HasNoChildren,
            1 => MailboxAttribute::Junk,
            _ => MailboxAttribute::Extension(atom(u)?),
        });
    }
    let extension = |u: &mut Unstructured<'_>| {
        Ok(match u.int_in_range(0..=2)? {
            0 => ListExtension::ChildInfo(some(u, |u| ImapString::new(atom(u)?.into_text()).map_err(none))?),
            1 => ListExtension::OldName(mailbox(u)?),
            _ => ListExtension::Other {
                name: ImapString::new(atom(u)?.into_text()).map_err(none)?,
                value: raw(u)?,
            },
        })
    };
    Ok(ListData {
        kind: *u.choose(&[ListKind::List, ListKind::Lsub, ListKind::Xlist])?,
        attributes,
        delimiter: delimiter(u)?,
        name: mailbox(u)?,
        extensions: maybe(u, |u| some(u, extension))?.unwrap_or_default(),
    })
}

fn status_item(u: &mut Unstructured<'_>) -> Result<StatusAttVal> {
    Ok(match u.int_in_range(0..=12)? {
        11 => StatusAttVal::ObjectIds(Box::new(u.arbitrary()?)),
        0 => StatusAttVal::Messages(u.arbitrary()?),
        1 => StatusAttVal::Recent(u.arbitrary()?),
        2 => StatusAttVal::UidNext(Some(from_one(u)?)),
        3 => StatusAttVal::UidValidity(Some(from_one(u)?)),
        4 => StatusAttVal::Unseen(u.arbitrary()?),
        5 => StatusAttVal::Deleted(u.arbitrary()?),
        6 => StatusAttVal::Size(long(u)?),
        7 => StatusAttVal::DeletedStorage(long(u)?),
        8 => StatusAttVal::HighestModSeq(u.arbitrary()?),
        9 => StatusAttVal::AppendLimit(maybe(u, long)?),
        10 => StatusAttVal::MailboxId(object_id(u)?),
        _ => StatusAttVal::Other { name: atom(u)?, value: raw(u)? },
    })
}

fn esearch_item(u: &mut Unstructured<'_>) -> Result<SearchReturnData> {
    let changes = |u: &mut Unstructured<'_>| {
        some(u, |u| Ok(ContextChange { position: u.arbitrary()?, numbers: known(u)? }))
    };
    Ok(match u.int_in_range(0..=9)? {
        6 => SearchReturnData::Partial { range: u.arbitrary()?, found: maybe(u, known)? },
        7 => SearchReturnData::AddTo(changes(u)?),
        8 => SearchReturnData::RemoveFrom(changes(u)?),
        9 => SearchReturnData::Relevancy(some(u, |u| u.int_in_range(1..=100))?),
        0 => SearchReturnData::Min(u.int_in_range(1..=u32::MAX)?),
        1 => SearchReturnData::Max(u.int_in_range(1..=u32::MAX)?),
        2 => SearchReturnData::Count(u.arbitrary()?),
        3 => SearchReturnData::All(known(u)?),
        4 => SearchReturnData::ModSeq(mod_seq(u)?),
        _ => {
            SearchReturnData::Other { name: crate::types::Atom::new("X-OWN").map_err(none)?, value: raw(u)? }
        }
    })
}

fn namespaces(u: &mut Unstructured<'_>) -> Result<Vec<NamespaceDescr>> {
    let namespace = |u: &mut Unstructured<'_>| {
        let mut prefix = string(u)?;
        let delimiter = delimiter(u)?;
        if prefix.is_empty() && delimiter.is_none() {
            prefix = ImapString::new("#").map_err(none)?;
        }
        let extensions = maybe(u, |u| some(u, |u| Ok((string(u)?, some(u, string)?))))?.unwrap_or_default();
        Ok(NamespaceDescr { prefix, delimiter, extensions })
    };
    Ok(maybe(u, |u| some(u, namespace))?.unwrap_or_default())
}

impl<'a> Arbitrary<'a> for Untagged {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        const ALL: [ReplyKind; 5] =
            [ReplyKind::Ok, ReplyKind::No, ReplyKind::Bad, ReplyKind::Bye, ReplyKind::PreAuth];
        Ok(match u.int_in_range(0..=22)? {
            21 => Self::Sort(SearchData {
                numbers: some(u, |u| from_one::<NonZeroU32>(u).map(NonZeroU32::get))?,
                mod_seq: maybe(u, mod_seq)?,
            }),
            22 => Self::Thread(u.arbitrary()?),
            0 | 1 => Self::Reply(status(u, &ALL)?),
            2 => Self::Capability(capabilities(u)?),
            3 => Self::Enabled(capabilities(u)?),
            4 => Self::List(list(u)?),
            5 => Self::Status(StatusData { mailbox: mailbox(u)?, items: some(u, status_item)? }),
            6 => Self::Search(SearchData {
                numbers: maybe(u, |u| some(u, |u| from_one::<NonZeroU32>(u).map(NonZeroU32::get)))?
                    .unwrap_or_default(),
                mod_seq: maybe(u, mod_seq)?,
            }),
            7 => Self::ESearch(ESearchData {
                tag: nstring(u)?,
                mailbox: maybe(u, |u| {
                    Ok(Box::new(SearchedMailbox { name: mailbox(u)?, uid_validity: from_one(u)? }))
                })?,
                uid: u.arbitrary()?,
                items: maybe(u, |u| some(u, esearch_item))?.unwrap_or_default(),
            }),
            8 => Self::Flags(flags(u)?),
            9 => Self::Exists(u.arbitrary()?),
            10 => Self::Recent(u.arbitrary()?),
            11 => Self::Expunge(Some(from_one(u)?)),
            12 => Self::Vanished(VanishedData { earlier: u.arbitrary()?, uids: known(u)? }),
            13 => Self::Namespace(Box::new(NamespaceData {
                personal: namespaces(u)?,
                other_users: namespaces(u)?,
                shared: namespaces(u)?,
            })),
            14 => Self::Id(maybe(u, |u| some(u, |u| Ok((string(u)?, nstring(u)?))))?.unwrap_or_default()),
            15 => Self::Other(Box::new(OtherData {
                number: maybe(u, long)?,
                name: atom(u)?.into_text(),
                rest: Text::from(raw(u)?.as_bytes()),
                complete: true,
            })),
            16 => Self::Extension(Box::new(u.arbitrary()?)),
            _ => {
                let items = some(u, fetch_item)?;
                Self::Fetch(match u.arbitrary()? {
                    true => FetchData::new(from_one(u)?, items),
                    false => FetchData::by_uid(from_one(u)?, items),
                })
            }
        })
    }
}

impl<'a> Arbitrary<'a> for Response {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.int_in_range(0..=7)? {
            0 => Self::Tagged(Tagged {
                tag: Tag::new(word(u, b"Aa09.-")?).map_err(none)?,
                reply: status(u, &[ReplyKind::Ok, ReplyKind::No, ReplyKind::Bad])?,
            }),
            1 => Self::Continuation(Continuation { code: maybe(u, code)?, text: response_text(u)? }),
            _ => Self::Untagged(u.arbitrary()?),
        })
    }
}
