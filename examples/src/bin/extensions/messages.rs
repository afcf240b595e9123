//! Storing messages, and what they are asked for.

use std::num::NonZeroU64;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use mailwire_transport::{
    Error, Payload,
    imap::{
        Capability, Client, FetchAtt, Flag, FlagChange, SearchKey, StatusAtt, UidSet,
        client::{AppendOptions, Catenate},
        proto::{
            command::{AString, PreviewMods},
            extensions::{
                annotate::{
                    AnnotationAttribute, AnnotationName, AnnotationPattern, AnnotationScope, EntryAtts,
                    FetchAnnotations, SearchAnnotation,
                },
                urlauth::{UrlContent, UrlFetchArg, UrlFetchParam, UrlItem},
            },
            response::MsgAtt,
            types::{Section, Uid},
            url::{Access, ImapUrl, MailboxRef, MessageRef, Server, UrlAuth},
        },
    },
};

use crate::{
    AS_EXPECTED, NOTHING_TO_DO,
    tour::{ATTACHMENT, MESSAGES, Tour, same},
};

const NOTE: &str = "Subject: note\r\n\r\nFirst.\r\n";
const OTHER_NOTE: &str = "Subject: other note\r\n\r\nSecond.\r\n";

/// A message in bytes, as it was stored.
async fn content(client: &mut Client, uid: Uid) -> Result<Bytes> {
    client.noop().await?;
    let mut body = client.fetch_body(uid, Section::WHOLE).await?.context("no such message")?;
    let mut content = Vec::new();
    while let Some(chunk) = body.chunk().await? {
        content.extend_from_slice(&chunk);
    }
    Ok(content.into())
}

pub(crate) async fn stored(tour: &mut Tour<'_>) -> Result<&'static str> {
    let came = tour.messages().await?;
    same("messages", &came.len(), &MESSAGES.len())?;
    for (came, (_, sent)) in came.iter().zip(MESSAGES) {
        same("a message", &came.body, &Bytes::from(sent))?;
    }
    Ok(AS_EXPECTED)
}

/// A message that is too large is not sent.
pub(crate) async fn append_limit(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let Some(limit) = client.capabilities().append_limit() else { return Ok(NOTHING_TO_DO) };
    let large = Payload::from_reader(tokio::io::empty(), Some(limit.saturating_add(1)));
    let refused = client.append(&tour.mailbox, large).await;
    ensure!(matches!(refused, Err(Error::Misuse(_))), "a message beyond the limit: {refused:?}");
    client.noop().await?;
    Ok(AS_EXPECTED)
}

pub(crate) async fn binary(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let uid = tour.messages().await?.get(4).context("no message 5")?.uid;
    let part = vec![2.try_into()?];
    let item = FetchAtt::Binary { part: part.clone(), partial: None, peek: true };
    let mut body = client.fetch_item(uid, item).await?.context("no part")?;
    let mut content = Vec::new();
    while let Some(chunk) = body.chunk().await? {
        content.extend_from_slice(&chunk);
    }
    same("the decoded part", &content.as_slice(), &ATTACHMENT.as_slice())?;
    let mut sizes = client.uid_fetch(uid, [FetchAtt::BinarySize { part }]).await?;
    let message = sizes.next().await?.context("no answer")?;
    let size = message.items().iter().find_map(|item| match item {
        MsgAtt::BinarySize(size) => Some(size.size),
        _ => None,
    });
    drop(sizes);
    same("BINARY.SIZE", &size, &Some(ATTACHMENT.len() as u64))?;
    // A message with NUL is a literal8.
    let appended = client.append(&tour.mailbox, Bytes::from_static(b"Subject: nul\r\n\r\n\0\r\n")).await;
    if let Ok(appended) = appended {
        let uid = appended.and_then(|told| told.uid()).context("no UID")?;
        let item = FetchAtt::Binary { part: vec![], partial: None, peek: true };
        let mut body = client.fetch_item(uid, item).await?.context("no message")?;
        let came = body.chunk().await?;
        ensure!(came.is_some_and(|bytes| bytes.contains(&0)), "NUL is lost");
        drop(body);
        tour.remove_message(uid).await?;
    }
    Ok(AS_EXPECTED)
}

pub(crate) async fn multi_append(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let before = tour.uids().await?;
    let messages = [NOTE, OTHER_NOTE].map(|note| (AppendOptions::new(), Payload::from(note)));
    let told = client.append_all(&tour.mailbox, messages).await?;
    let new: Vec<Uid> = tour.uids().await?.into_iter().filter(|uid| !before.contains(uid)).collect();
    if let Some(told) = told {
        same("APPENDUID", &told.uids.iter(10).collect(), &new)?;
    }
    let mut came = Vec::new();
    for uid in &new {
        came.push(content(&mut tour.plain, *uid).await?);
        tour.remove_message(*uid).await?;
    }
    same("messages", &came, &vec![Bytes::from(NOTE), Bytes::from(OTHER_NOTE)])?;
    Ok(AS_EXPECTED)
}

/// A message is made of what is sent, and of parts that the server has.
pub(crate) async fn catenate(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let first = tour.messages().await?.into_iter().next().context("no message")?;
    let mailbox = MailboxRef::try_from(tour.mailbox.as_str())?;
    let text = MessageRef::new(mailbox.clone(), first.uid).with_section(Section::TEXT);
    let mut made = Catenate::new().with_text("Subject: made\r\n\r\nHe asked:\r\n").with_part(text.clone());
    let mut expected = "Subject: made\r\n\r\nHe asked:\r\nIs there tea?\r\n".to_owned();
    if client.has(&Capability::UrlPartial) {
        made = made.with_part(text.with_partial(3, NonZeroU64::new(5)));
        expected.push_str("there");
    }
    client.append(&tour.mailbox, made.with_text("\r\n")).await?;
    expected.push_str("\r\n");
    let new = tour.uids().await?.pop().context("no message")?;
    same("the message", &content(&mut tour.plain, new).await?, &Bytes::from(expected))?;
    // What is not there makes no message.
    let gone = MessageRef::new(mailbox, Uid::MAX);
    let refused = client.append(&tour.mailbox, Catenate::new().with_part(gone)).await;
    ensure!(matches!(refused, Err(Error::Refused(_))), "a part that is not there: {refused:?}");
    same("the last message", &tour.uids().await?.pop(), &Some(new))?;
    Ok(AS_EXPECTED)
}

/// A URL of a part gives who has it that part, until it is taken back.
pub(crate) async fn authorized_urls(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let first = tour.messages().await?.into_iter().next().context("no message")?;
    let mailbox = MailboxRef::try_from(tour.mailbox.as_str())?;
    let part = MessageRef::new(mailbox, first.uid)
        .with_section(Section::TEXT)
        .with_auth(UrlAuth::new(Access::AuthUser));
    let server = Server::new(tour.host())?.with_user(tour.user()?)?;
    let url = ImapUrl::new(server).with_target(part);
    let made = client.generate_url_auth([&url]).await?.pop().context("no URL")?;
    let fetched = async |client: &mut Client| {
        let found = client.url_fetch([UrlFetchArg::new(AString::new(made.clone())?)]).await?;
        anyhow::Ok(found.into_iter().next().context("no answer")?.content)
    };
    match fetched(&mut client).await? {
        UrlContent::Bytes(bytes) => {
            same("the part", &bytes.as_bytes(), &b"Is there tea?\r\n".as_slice())?;
        }
        other => anyhow::bail!("the part: {other:?}"),
    }
    client.reset_key(&tour.mailbox).await?;
    same("a URL that was taken back", &fetched(&mut client).await?, &UrlContent::Nil)?;
    Ok(AS_EXPECTED)
}

/// A decoded part by such a URL.
pub(crate) async fn authorized_parts(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let uid = tour.messages().await?.get(4).context("no message 5")?.uid;
    let section = Section::new(vec![2.try_into()?], None)?;
    let part = MessageRef::new(MailboxRef::try_from(tour.mailbox.as_str())?, uid)
        .with_section(section)
        .with_auth(UrlAuth::new(Access::AuthUser));
    let server = Server::new(tour.host())?.with_user(tour.user()?)?;
    let url = ImapUrl::new(server).with_target(part);
    let made = client.generate_url_auth([&url]).await?.pop().context("no URL")?;
    let arg = UrlFetchArg::new(AString::new(made)?).with_params([UrlFetchParam::Binary]);
    let found = client.url_fetch([arg]).await?.into_iter().next().context("no answer")?;
    let decoded = UrlContent::Items(vec![UrlItem::Binary(Some(ATTACHMENT.to_vec().into()))]);
    same("the decoded part", &found.content, &decoded)?;
    Ok(AS_EXPECTED)
}

/// An annotation is stored, fetched, found and removed; a message brings one along.
pub(crate) async fn annotations(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let uid = *tour.uids().await?.first().context("no message")?;
    let asked = FetchAnnotations::new(
        [AnnotationPattern::new("/comment")?],
        [AnnotationAttribute::VALUE_PRIV, AnnotationAttribute::SIZE_PRIV],
    );
    let comment = async |client: &mut Client, uid: Uid| {
        let mut messages = client.uid_fetch(uid, [FetchAtt::Annotation(asked.clone().into())]).await?;
        let message = messages.next().await?.context("no answer")?;
        let found = message.annotations().context("no annotations")?.first().cloned();
        anyhow::Ok(found.map(|entry| {
            [AnnotationAttribute::VALUE_PRIV, AnnotationAttribute::SIZE_PRIV]
                .map(|it| entry.value(&it).cloned())
        }))
    };
    let entry = EntryAtts::new(AnnotationName::new("/comment")?);
    let value = entry.clone().with_value(AnnotationAttribute::VALUE_PRIV, "Is it green?");
    client.uid_store_annotations(uid, [value.clone()]).await?;
    let expected = Some([Some("Is it green?".into()), Some("12".into())]);
    same("ANNOTATION", &comment(&mut client, uid).await?, &expected)?;
    let key = SearchAnnotation::new(AnnotationPattern::ALL, AnnotationScope::Private, "green");
    let found: Vec<Uid> = client.uid_search([SearchKey::Annotation(key.into())]).await?.iter().collect();
    same("messages with it", &found, &vec![uid])?;
    client.append_with(&tour.mailbox, AppendOptions::new().with_annotations([value]), NOTE).await?;
    let new = *tour.uids().await?.last().context("no message")?;
    client.noop().await?;
    same("ANNOTATION of APPEND", &comment(&mut client, new).await?, &expected)?;
    tour.remove_message(new).await?;
    client.uid_store_annotations(uid, [entry.without_value(AnnotationAttribute::VALUE_PRIV)]).await?;
    let left = comment(&mut client, uid).await?.and_then(|[value, _]| value);
    same("ANNOTATION after it was removed", &left, &None)?;
    Ok(AS_EXPECTED)
}

pub(crate) async fn object_ids(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let status = client.status(&tour.mailbox, [StatusAtt::MailboxId]).await?;
    let selected = client.select(&tour.mailbox).await?;
    same("MAILBOXID", &status.mailbox_id(), &selected.mailbox_id.as_ref())?;
    ensure!(selected.mailbox_id.is_some(), "no MAILBOXID");
    // A copy is the same message.
    let uid = *tour.uids().await?.first().context("no message")?;
    let copied = client.uid_copy_to(uid, &tour.mailbox).await?.context("no COPYUID")?;
    let copy = copied.destination.iter(1).next().context("no UID")?;
    let mut ids = Vec::new();
    let mut messages = client.uid_fetch(vec![uid, copy], [FetchAtt::EmailId, FetchAtt::ThreadId]).await?;
    while let Some(message) = messages.next().await? {
        ids.push((message.email_id().cloned().context("no EMAILID")?, message.thread_id().cloned()));
    }
    ensure!(matches!(ids.as_slice(), [one, other] if one == other), "a copy has other identifiers: {ids:?}");
    tour.remove_message(copy).await?;
    Ok(AS_EXPECTED)
}

/// The first words are those of the text.
pub(crate) async fn preview(tour: &mut Tour<'_>, name: &str) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let item = match name {
        "PREVIEW" => FetchAtt::Preview(PreviewMods::new()),
        "PREVIEW=FUZZY" => FetchAtt::Preview(PreviewMods::new().with_fuzzy(true)),
        _ => FetchAtt::Snippet(PreviewMods::new().with_fuzzy(true)),
    };
    let texts = tour.messages().await?;
    let mut previews = client.uid_fetch(UidSet::all(), [item]).await?;
    let mut count = 0;
    while let Some(message) = previews.next().await? {
        let whole = texts.iter().find(|other| Some(other.uid) == message.uid()).context("no such message")?;
        let whole = String::from_utf8_lossy(&whole.body);
        let preview = message.preview().context("no preview")?;
        ensure!(!preview.is_empty() && whole.contains(preview.trim()), "{preview:?} is not in {whole:?}");
        count += 1;
    }
    same("previews", &count, &texts.len())?;
    Ok(AS_EXPECTED)
}

pub(crate) async fn replace(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let old = tour.add(NOTE).await?;
    client.noop().await?;
    let told = client.uid_replace(old, &tour.mailbox, AppendOptions::new(), OTHER_NOTE).await?;
    let new = told.and_then(|told| told.uid()).context("no UID")?;
    let uids = tour.uids().await?;
    ensure!(uids.contains(&new) && !uids.contains(&old), "{old} was to become {new}: {uids:?}");
    same("the message", &content(&mut tour.plain, new).await?, &Bytes::from(OTHER_NOTE))?;
    tour.remove_message(new).await?;
    Ok(AS_EXPECTED)
}

/// When a message was stored is later than the day on which it came.
pub(crate) async fn save_dates(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let messages = tour.messages().await?;
    let new = tour.add(NOTE).await?;
    let now = tour.messages().await?.pop().context("no message")?.date.to_unix();
    client.noop().await?;
    let mut dates = client.uid_fetch(UidSet::all(), [FetchAtt::SaveDate]).await?;
    let mut count = 0;
    while let Some(message) = dates.next().await? {
        let saved = message.save_date().context("no SAVEDATE")?.to_unix();
        ensure!((now - 3600..=now + 60).contains(&saved), "saved at {saved}, it is {now}");
        count += 1;
    }
    same("dates", &count, &(messages.len() + 1))?;
    tour.remove_message(new).await?;
    client.noop().await?;
    same(
        "SAVEDATESUPPORTED",
        &client.uid_search([SearchKey::SaveDateSupported]).await?.len(),
        &(messages.len() as u64),
    )?;
    Ok(AS_EXPECTED)
}

pub(crate) async fn uid_plus(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let told = client.append(&tour.mailbox, NOTE).await?;
    let appended = told.and_then(|told| told.uid()).context("no APPENDUID")?;
    same("APPENDUID", &tour.uids().await?.last().copied(), &Some(appended))?;
    let copied = client.uid_copy_to(appended, &tour.mailbox).await?.context("no COPYUID")?;
    let copy = copied.destination.iter(1).next().context("no UID")?;
    same("the copy", &content(&mut tour.plain, copy).await?, &Bytes::from(NOTE))?;
    // Both are marked, one is removed.
    client.uid_store(vec![appended, copy], FlagChange::add([Flag::Deleted])).await?;
    client.uid_expunge(appended).await?;
    let uids = tour.uids().await?;
    ensure!(!uids.contains(&appended) && uids.contains(&copy), "UID EXPUNGE {appended}: {uids:?}");
    client.uid_expunge(copy).await?;
    ensure!(!tour.uids().await?.contains(&copy), "UID EXPUNGE {copy}");
    Ok(AS_EXPECTED)
}

pub(crate) async fn moves(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let target = tour.below("Moved");
    client.create(&target).await?;
    let uid = tour.add(NOTE).await?;
    client.noop().await?;
    let told = client.uid_move_to(uid, &target).await?.context("no COPYUID")?;
    ensure!(!tour.uids().await?.contains(&uid), "{uid} is still there");
    client.select(&target).await?;
    let moved = told.destination.iter(1).next().context("no UID")?;
    same("the message", &content(&mut client, moved).await?, &Bytes::from(NOTE))?;
    client.close().await?;
    client.delete(&target).await?;
    Ok(AS_EXPECTED)
}
