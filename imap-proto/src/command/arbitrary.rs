//! Commands for fuzzing: each of them is valid, and is read back as it was written.

use alloc::{
    boxed::Box,
    string::{String, ToString},
    vec::Vec,
};
use core::num::{NonZeroU32, NonZeroU64};

use arbitrary::{Arbitrary, Result, Unstructured};
use mailwire_core::Secret;

use super::{
    AString, Append, AppendData, AppendKind, AppendLiteral, AppendMessage, Authenticate, CatPart, Command,
    Copy, Create, Fetch, FetchAtt, FetchAtts, List, ListPatterns, ListReturnOpt, ListSelectOpt, Login,
    Messages, OtherCommand, OtherItem, PreviewMods, Replace, Replaced, Request, Search, SearchKey,
    SearchReturnOpt, Select, Since, Sort, SortCriterion, SortKey, Status, StatusAtt, Store, StoreAction,
    Thread, ThreadAlgorithm,
};
use crate::capability::Capability;
use crate::extensions::{annotate::AnnotationAttribute, multisearch::ESearch};
use crate::types::{
    Atom, Date, DateTime, Flag, FlagSet, ImapString, ListPattern, MailboxAttribute, MailboxName, MessageSet,
    ObjectId, Partial, Section, SectionText, SeqRange, SetMember, SetNumber, Tag, Value,
};

/// One to four values.
pub(crate) fn some<T>(
    u: &mut Unstructured<'_>,
    mut one: impl FnMut(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut values = alloc::vec![one(u)?];
    while values.len() < 4 && u.arbitrary()? {
        values.push(one(u)?);
    }
    Ok(values)
}

pub(crate) fn maybe<T>(
    u: &mut Unstructured<'_>,
    one: impl FnOnce(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Option<T>> {
    if u.arbitrary()? { one(u).map(Some) } else { Ok(None) }
}

/// Characters out of `alphabet`, at least one.
pub(crate) fn word(u: &mut Unstructured<'_>, alphabet: &[u8]) -> Result<String> {
    some(u, |u| u.choose(alphabet).map(|byte| char::from(*byte))).map(|chars| chars.into_iter().collect())
}

/// An atom that is not the name of something.
pub(crate) fn atom(u: &mut Unstructured<'_>) -> Result<Atom> {
    let text = alloc::format!("X-{}", word(u, b"AZaz09-_.+/=!")?);
    Atom::new(text).map_err(|_| arbitrary::Error::IncorrectFormat)
}

/// Text of all kinds: plain, with quotes, with wildcards, like a literal's announcement, 8-bit.
pub(crate) fn text(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    const ODD: [&[u8]; 8] = [b"", b"{5}", b"a {5+}", b"NIL", b"\"\\", b"a b", b"\xc3\xbc", b"\xff %*()]"];
    if u.arbitrary()? {
        return u.choose(&ODD).map(|odd| odd.to_vec());
    }
    let mut bytes: Vec<u8> = u.arbitrary()?;
    bytes.truncate(40);
    bytes.retain(|byte| !matches!(byte, 0 | b'\r' | b'\n'));
    Ok(bytes)
}

pub(crate) fn astring(u: &mut Unstructured<'_>) -> Result<AString> {
    AString::new(text(u)?).map_err(|_| arbitrary::Error::IncorrectFormat)
}

/// ASCII: others are converted between encodings on their way.
pub(crate) fn mailbox(u: &mut Unstructured<'_>) -> Result<MailboxName> {
    let mut name = text(u)?;
    name.retain(|byte| byte.is_ascii() && *byte != b'&');
    MailboxName::from_wire(name).map_err(|_| arbitrary::Error::IncorrectFormat)
}

pub(crate) fn pattern(u: &mut Unstructured<'_>) -> Result<ListPattern> {
    ListPattern::from_wire(text(u)?).map_err(|_| arbitrary::Error::IncorrectFormat)
}

fn number<N: SetMember>(u: &mut Unstructured<'_>) -> Result<SetNumber<N>> {
    Ok(maybe(u, |u| u.arbitrary::<NonZeroU32>())?
        .map_or(SetNumber::Largest, |number| SetNumber::Value(number.into())))
}

pub(crate) fn messages(u: &mut Unstructured<'_>) -> Result<Messages> {
    Ok(if u.arbitrary()? { Messages::Uid(set(u)?) } else { Messages::Sequence(set(u)?) })
}

fn set<N: SetMember>(u: &mut Unstructured<'_>) -> Result<MessageSet<N>> {
    if u.ratio(1, 8)? {
        return Ok(MessageSet::saved());
    }
    let ranges = some(u, |u| {
        let start = number(u)?;
        Ok(SeqRange { start, end: maybe(u, number)?.unwrap_or(start) })
    })?;
    MessageSet::from_ranges(ranges).map_err(|_| arbitrary::Error::IncorrectFormat)
}

fn date(u: &mut Unstructured<'_>) -> Result<Date> {
    Date::new(u.int_in_range(1970..=9999)?, u.int_in_range(1..=12)?, u.int_in_range(1..=28)?)
        .map_err(|_| arbitrary::Error::IncorrectFormat)
}

pub(crate) fn date_time(u: &mut Unstructured<'_>) -> Result<DateTime> {
    let (hour, minute, second) = (u.int_in_range(0..=23)?, u.int_in_range(0..=59)?, u.int_in_range(0..=59)?);
    DateTime::new(date(u)?, hour, minute, second, u.int_in_range(-720..=720)?)
        .map_err(|_| arbitrary::Error::IncorrectFormat)
}

pub(crate) fn flags(u: &mut Unstructured<'_>) -> Result<FlagSet> {
    let mut flags = FlagSet::new();
    for _ in 0..u.int_in_range(0..=3)? {
        flags.insert(match u.int_in_range(0..=3)? {
            0 => Flag::Seen,
            1 => Flag::Deleted,
            2 => Flag::Extension(atom(u)?),
            _ => Flag::Keyword(atom(u)?),
        });
    }
    Ok(flags)
}

pub(crate) fn part(u: &mut Unstructured<'_>) -> Result<Vec<NonZeroU32>> {
    Ok(maybe(u, |u| some(u, |u| u.arbitrary()))?.unwrap_or_default())
}

pub(crate) fn section(u: &mut Unstructured<'_>) -> Result<Section> {
    let field =
        |u: &mut Unstructured<'_>| ImapString::new(text(u)?).map_err(|_| arbitrary::Error::IncorrectFormat);
    let part = part(u)?;
    let text = match u.int_in_range(0..=5)? {
        0 => Some(SectionText::Header),
        1 => Some(SectionText::Text),
        2 => Some(SectionText::HeaderFields(some(u, field)?)),
        3 => Some(SectionText::HeaderFieldsNot(some(u, field)?)),
        4 if !part.is_empty() => Some(SectionText::Mime),
        _ => None,
    };
    Section::new(part, text).map_err(|_| arbitrary::Error::IncorrectFormat)
}

fn partial(u: &mut Unstructured<'_>) -> Result<Partial> {
    let length = NonZeroU64::new(u.int_in_range(1..=i64::MAX as u64)?).unwrap_or(NonZeroU64::MIN);
    Ok(Partial { offset: u.int_in_range(0..=i64::MAX as u64)?, length })
}

fn value(u: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    Ok(match u.int_in_range(0..=if depth == 0 { 2 } else { 3 })? {
        0 => Value::word(u.choose(&["NIL", "12", "1:*,7", "\\Seen", "a]b", "x+y"])?.to_string())
            .map_err(|_| arbitrary::Error::IncorrectFormat)?,
        1 => Value::number(u.arbitrary()?),
        2 => Value::string(text(u)?).map_err(|_| arbitrary::Error::IncorrectFormat)?,
        _ => Value::List(some(u, |u| value(u, depth - 1))?),
    })
}

fn other(u: &mut Unstructured<'_>) -> Result<OtherItem> {
    let arguments = maybe(u, |u| some(u, |u| value(u, 2)))?.unwrap_or_default();
    Ok(OtherItem::new(atom(u)?).with_arguments(arguments))
}

fn fetch_item(u: &mut Unstructured<'_>) -> Result<FetchAtt> {
    Ok(match u.int_in_range(0..=24)? {
        24 => FetchAtt::ObjectIds,
        23 => FetchAtt::Annotation(Box::new(u.arbitrary()?)),
        20 => FetchAtt::GmailLabels,
        21 => FetchAtt::GmailMessageId,
        22 => FetchAtt::GmailThreadId,
        0 => FetchAtt::Envelope,
        1 => FetchAtt::Flags,
        2 => FetchAtt::InternalDate,
        3 => FetchAtt::Rfc822,
        4 => FetchAtt::Rfc822Header,
        5 => FetchAtt::Rfc822Size,
        6 => FetchAtt::Rfc822Text,
        7 => FetchAtt::Body,
        8 => FetchAtt::BodyStructure,
        9 => FetchAtt::Uid,
        10 => FetchAtt::Binary { part: part(u)?, partial: maybe(u, partial)?, peek: u.arbitrary()? },
        11 => FetchAtt::BinarySize { part: part(u)? },
        12 => FetchAtt::Other(other(u)?),
        13 => FetchAtt::ModSeq,
        14 => FetchAtt::EmailId,
        15 => FetchAtt::ThreadId,
        16 => FetchAtt::SaveDate,
        17 => FetchAtt::Preview(preview_mods(u)?),
        18 => FetchAtt::Snippet(preview_mods(u)?),
        _ => {
            FetchAtt::BodySection { section: section(u)?, partial: maybe(u, partial)?, peek: u.arbitrary()? }
        }
    })
}

fn preview_mods(u: &mut Unstructured<'_>) -> Result<PreviewMods> {
    Ok(PreviewMods::new().with_lazy(u.arbitrary()?).with_fuzzy(u.arbitrary()?))
}

fn fetch(u: &mut Unstructured<'_>) -> Result<Fetch> {
    let items = match u.int_in_range(0..=5)? {
        0 => FetchAtts::All,
        1 => FetchAtts::Fast,
        2 => FetchAtts::Full,
        _ => FetchAtts::List(some(u, fetch_item)?),
    };
    let messages = messages(u)?;
    let since = maybe(u, |u| u.arbitrary())?;
    let vanished = u.arbitrary()?;
    let since = since.map(|at| {
        if vanished && messages.is_uid() { Since::ChangedOrVanished(at) } else { Since::Changed(at) }
    });
    let partial = maybe(u, |u| u.arbitrary())?.filter(|_| messages.is_uid());
    Ok(Fetch { messages, items, since, partial })
}

fn key(u: &mut Unstructured<'_>, depth: usize) -> Result<SearchKey> {
    if u.ratio(1, 4)? {
        return extended_key(u, depth);
    }
    let last = if depth == 0 { 33 } else { 36 };
    if u.ratio(1, 16)? {
        return Ok(match u.int_in_range(0..=4)? {
            4 => SearchKey::Annotation(Box::new(u.arbitrary()?)),
            0 => SearchKey::GmailLabel(u.arbitrary()?),
            1 => SearchKey::GmailMessageId(u.arbitrary()?),
            2 => SearchKey::GmailRaw(astring(u)?),
            _ => SearchKey::GmailThreadId(u.arbitrary()?),
        });
    }
    Ok(match u.int_in_range(0..=last)? {
        0 => SearchKey::All,
        1 => SearchKey::Answered,
        2 => SearchKey::Bcc(astring(u)?),
        3 => SearchKey::Before(date(u)?),
        4 => SearchKey::Body(astring(u)?),
        5 => SearchKey::Cc(astring(u)?),
        6 => SearchKey::Deleted,
        7 => SearchKey::Draft,
        8 => SearchKey::Flagged,
        9 => SearchKey::From(astring(u)?),
        10 => SearchKey::Header(astring(u)?, astring(u)?),
        11 => SearchKey::Keyword(atom(u)?),
        12 => SearchKey::Larger(u.int_in_range(0..=i64::MAX as u64)?),
        13 => SearchKey::New,
        14 => SearchKey::Old,
        15 => SearchKey::On(date(u)?),
        16 => SearchKey::Recent,
        17 => SearchKey::Seen,
        18 => SearchKey::SentBefore(date(u)?),
        19 => SearchKey::SentOn(date(u)?),
        20 => SearchKey::SentSince(date(u)?),
        21 => SearchKey::Since(date(u)?),
        22 => SearchKey::Smaller(u.int_in_range(0..=i64::MAX as u64)?),
        23 => SearchKey::Subject(astring(u)?),
        24 => SearchKey::Text(astring(u)?),
        25 => SearchKey::To(astring(u)?),
        26 => SearchKey::Uid(set(u)?),
        27 => SearchKey::Unanswered,
        28 => SearchKey::Undeleted,
        29 => SearchKey::Undraft,
        30 => SearchKey::Unflagged,
        31 => SearchKey::Unkeyword(atom(u)?),
        32 => SearchKey::Sequence(set(u)?),
        33 => SearchKey::ModSeq(u.arbitrary()?),
        34 => SearchKey::Not(Box::new(key(u, depth - 1)?)),
        35 => SearchKey::Or(Box::new(key(u, depth - 1)?), Box::new(key(u, depth - 1)?)),
        _ => SearchKey::And(some(u, |u| key(u, depth - 1))?),
    })
}

/// A key of an extension.
fn extended_key(u: &mut Unstructured<'_>, depth: usize) -> Result<SearchKey> {
    Ok(match u.int_in_range(0..=if depth == 0 { 10 } else { 11 })? {
        0 => SearchKey::EmailId(ObjectId::email(u.arbitrary()?)),
        1 => SearchKey::Filter(
            Atom::new(word(u, b"AZaz09-_")?).map_err(|_| arbitrary::Error::IncorrectFormat)?,
        ),
        2 => SearchKey::Older(u.arbitrary()?),
        3 => SearchKey::SaveDateSupported,
        4 => SearchKey::SavedBefore(date(u)?),
        5 => SearchKey::SavedOn(date(u)?),
        6 => SearchKey::SavedSince(date(u)?),
        7 => SearchKey::ThreadId(ObjectId::thread(u.arbitrary()?)),
        8 => SearchKey::UidAfter(u.arbitrary()?),
        9 => SearchKey::UidBefore(u.arbitrary()?),
        10 => SearchKey::Younger(u.arbitrary()?),
        _ => SearchKey::Fuzzy(Box::new(key(u, depth - 1)?)),
    })
}

fn search(u: &mut Unstructured<'_>) -> Result<Search> {
    let option = |u: &mut Unstructured<'_>| {
        Ok(match u.int_in_range(0..=9)? {
            6 => SearchReturnOpt::Partial(u.arbitrary()?),
            7 => SearchReturnOpt::Context,
            8 => SearchReturnOpt::Update,
            9 => SearchReturnOpt::Relevancy,
            0 => SearchReturnOpt::Min,
            1 => SearchReturnOpt::Max,
            2 => SearchReturnOpt::All,
            3 => SearchReturnOpt::Count,
            4 => SearchReturnOpt::Save,
            _ => SearchReturnOpt::Other(atom(u)?),
        })
    };
    let mut keys = some(u, |u| key(u, 3))?;
    if u.ratio(1, 8)? {
        keys.push(SearchKey::Other(other(u)?));
    }
    Ok(Search {
        uid: u.arbitrary()?,
        returns: maybe(u, |u| Ok(maybe(u, |u| some(u, option))?.unwrap_or_default()))?,
        charset: maybe(u, astring)?.map(Box::new),
        keys,
    })
}

fn select(u: &mut Unstructured<'_>) -> Result<Select> {
    let mut select = Select::new(mailbox(u)?).with_condstore(u.arbitrary()?).with_annotate(u.ratio(1, 4)?);
    if u.ratio(1, 4)? {
        select = select.with_object_ids(u.arbitrary()?);
    }
    Ok(match maybe(u, |u| u.arbitrary())? {
        Some(known) => select.with_qresync(known),
        None => select,
    })
}

/// What SORT and THREAD look for: they name a character set.
fn criteria(u: &mut Unstructured<'_>) -> Result<Search> {
    let mut search = search(u)?;
    search.returns = None;
    if search.charset.is_none() {
        search.charset = Some(Box::new(astring(u)?));
    }
    Ok(search)
}

fn sort(u: &mut Unstructured<'_>) -> Result<Sort> {
    let returns = search(u)?.returns;
    let criteria_of = |u: &mut Unstructured<'_>| {
        Ok(SortCriterion { key: *u.choose(&SortKey::ALL)?, reverse: u.arbitrary()? })
    };
    let mut sort = Sort { criteria: some(u, criteria_of)?, search: criteria(u)? };
    sort.search.returns = returns;
    Ok(sort)
}

fn status_items(u: &mut Unstructured<'_>) -> Result<Vec<StatusAtt>> {
    some(u, |u| {
        Ok(match u.int_in_range(0..=12)? {
            12 => StatusAtt::ObjectIds,
            11 => StatusAtt::DeletedStorage,
            0 => StatusAtt::Messages,
            1 => StatusAtt::Recent,
            2 => StatusAtt::UidNext,
            3 => StatusAtt::UidValidity,
            4 => StatusAtt::Unseen,
            5 => StatusAtt::Deleted,
            6 => StatusAtt::Size,
            7 => StatusAtt::HighestModSeq,
            8 => StatusAtt::AppendLimit,
            9 => StatusAtt::MailboxId,
            _ => StatusAtt::Other(atom(u)?),
        })
    })
}

fn list(u: &mut Unstructured<'_>) -> Result<List> {
    let selection = |u: &mut Unstructured<'_>| {
        Ok(match u.int_in_range(0..=4)? {
            0 => ListSelectOpt::Subscribed,
            1 => ListSelectOpt::Remote,
            2 => ListSelectOpt::RecursiveMatch,
            3 => ListSelectOpt::SpecialUse,
            _ => ListSelectOpt::Other(atom(u)?),
        })
    };
    let returns = |u: &mut Unstructured<'_>| {
        Ok(match u.int_in_range(0..=6)? {
            4 => ListReturnOpt::MyRights,
            5 => ListReturnOpt::Metadata(some(u, |u| u.arbitrary())?),
            0 => ListReturnOpt::Subscribed,
            1 => ListReturnOpt::Children,
            2 => ListReturnOpt::Status(status_items(u)?),
            3 => ListReturnOpt::SpecialUse,
            _ => ListReturnOpt::Other(atom(u)?),
        })
    };
    let selection = maybe(u, |u| some(u, selection))?.unwrap_or_default();
    let returns = maybe(u, |u| some(u, returns))?.unwrap_or_default();
    let list = List {
        reference: mailbox(u)?,
        patterns: ListPatterns::new(pattern(u)?, maybe(u, |u| some(u, pattern))?.unwrap_or_default()),
        options: None,
    };
    Ok(list.selecting(selection).returning(returns))
}

/// The messages are inline, so that the command is complete in itself.
fn append_literal(u: &mut Unstructured<'_>) -> Result<AppendLiteral> {
    let kind = *u.choose(&[AppendKind::Plain, AppendKind::Binary, AppendKind::Utf8])?;
    let mut message: Vec<u8> = u.arbitrary()?;
    if kind == AppendKind::Plain {
        message.retain(|byte| *byte != 0);
    }
    Ok(AppendLiteral::inline(message).with_kind(kind))
}

fn append_message(u: &mut Unstructured<'_>) -> Result<AppendMessage> {
    let part = |u: &mut Unstructured<'_>| {
        Ok(if u.arbitrary()? { CatPart::Url(astring(u)?) } else { CatPart::Text(append_literal(u)?) })
    };
    let data = match u.ratio(1, 3)? {
        true => AppendData::Catenate(some(u, part)?),
        false => AppendData::Literal(append_literal(u)?),
    };
    let mut message = AppendMessage::new(data).with_flags(flags(u)?);
    message.date = maybe(u, date_time)?;
    if u.ratio(1, 8)? {
        message.annotations = some(u, |u| u.arbitrary())?;
        // No others can be set.
        let attributes = message.annotations.iter_mut().flat_map(|entry| &mut entry.attributes);
        attributes.for_each(|(name, _)| *name = AnnotationAttribute::VALUE_SHARED);
    }
    Ok(message)
}

fn append(u: &mut Unstructured<'_>) -> Result<Append> {
    let mut append = Append::new(mailbox(u)?, append_message(u)?);
    while append.messages.len() < 4 && u.arbitrary()? {
        append = append.and(append_message(u)?);
    }
    Ok(append)
}

fn replace(u: &mut Unstructured<'_>) -> Result<Replace> {
    let replaced = match u.arbitrary()? {
        true => Replaced::Uid(maybe(u, |u| u.arbitrary())?),
        false => Replaced::Sequence(maybe(u, |u| u.arbitrary())?),
    };
    Ok(Replace::new(replaced, mailbox(u)?, append_message(u)?))
}

fn copy(u: &mut Unstructured<'_>) -> Result<Copy> {
    Ok(Copy::new(messages(u)?, mailbox(u)?))
}

impl<'a> Arbitrary<'a> for Command {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.int_in_range(0..=39)? {
            0 => Command::Capability,
            1 => Command::Noop,
            2 => Command::Logout,
            3 => Command::StartTls,
            4 => Command::Authenticate(Authenticate {
                mechanism: u.arbitrary()?,
                initial: maybe(u, |u| u.arbitrary::<Secret>())?,
            }),
            5 => Command::Login(
                Login::new(astring(u)?, text(u)?).map_err(|_| arbitrary::Error::IncorrectFormat)?,
            ),
            6 => Command::Enable(some(u, |u| Ok(Capability::Other(atom(u)?)))?),
            7 => Command::Select(select(u)?),
            8 => Command::Examine(select(u)?),
            9 => {
                const USES: [MailboxAttribute; 2] = [MailboxAttribute::Sent, MailboxAttribute::Memos];
                let special_use = maybe(u, |u| some(u, |u| u.choose(&USES).cloned()))?.unwrap_or_default();
                Command::Create(Create::new(mailbox(u)?).with_special_use(special_use))
            }
            10 => Command::Delete(mailbox(u)?),
            11 => Command::Rename { from: mailbox(u)?, to: mailbox(u)? },
            12 => Command::Subscribe(mailbox(u)?),
            13 => Command::Unsubscribe(mailbox(u)?),
            14 => Command::List(list(u)?),
            15 => Command::Lsub { reference: mailbox(u)?, pattern: pattern(u)? },
            16 => Command::Namespace,
            17 => Command::Status(Status::new(mailbox(u)?, status_items(u)?)),
            18 if u.ratio(1, 4)? => Command::Replace(replace(u)?.into()),
            18 => Command::Append(append(u)?),
            19 => Command::Idle,
            20 => Command::Check,
            21 => Command::Close,
            22 => Command::Unselect,
            23 => Command::Expunge,
            24 => Command::UidExpunge(set(u)?),
            25 => Command::Search(search(u)?),
            38 => {
                let sources = maybe(u, |u| some(u, |u| u.arbitrary()))?.unwrap_or_default();
                Command::ESearch(Box::new(ESearch { sources, search: Search { uid: true, ..search(u)? } }))
            }
            36 => Command::Sort(Box::new(sort(u)?)),
            37 => Command::Thread(Box::new(Thread {
                algorithm: *u.choose(&ThreadAlgorithm::ALL)?,
                search: criteria(u)?,
            })),
            26 => Command::Fetch(fetch(u)?),
            27 => Command::Store(Store {
                unchanged_since: maybe(u, |u| u.arbitrary())?,
                messages: messages(u)?,
                action: StoreAction::arbitrary(u)?,
                silent: u.arbitrary()?,
                flags: flags(u)?,
            }),
            28 => Command::Copy(copy(u)?),
            29 => Command::Move(copy(u)?),
            34 if u.arbitrary()? => Command::StoreAnnotations(Box::new(u.arbitrary()?)),
            34 => Command::StoreLabels(Box::new(u.arbitrary()?)),
            31 => Command::Extension(u.arbitrary()?),
            32 => Command::Compress,
            33 => Command::Unauthenticate,
            35 => Command::Notify(Box::new(u.arbitrary()?)),
            30 => Command::Id(maybe(u, |u| some(u, |u| Ok((astring(u)?, maybe(u, astring)?))))?),
            _ => Command::Other(
                OtherCommand::new(atom(u)?, word(u, b"ab (){}\"%*5")?.replace("}", ""))
                    .map_err(|_| arbitrary::Error::IncorrectFormat)?,
            ),
        })
    }
}

impl<'a> Arbitrary<'a> for Request {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let tag = Tag::new(word(u, b"Aa09.-")?).map_err(|_| arbitrary::Error::IncorrectFormat)?;
        Ok(Self { tag, command: u.arbitrary()? })
    }
}
