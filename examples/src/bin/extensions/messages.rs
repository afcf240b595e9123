//! Storing messages, and what they are asked for.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use mailwire_transport::{
    Error, Payload,
    imap::{
        Client, FetchAtt, Flag, FlagChange, SearchKey, StatusAtt, UidSet,
        client::AppendOptions,
        proto::{
            command::PreviewMods,
            response::MsgAtt,
            types::{Section, Uid},
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
