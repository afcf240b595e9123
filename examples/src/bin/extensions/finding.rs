//! Searching, order and conversations.

use std::num::NonZeroU32;

use anyhow::{Context as _, Result, bail, ensure};
use mailwire_transport::{
    encoded_words,
    imap::{
        Client, FetchAtt, SearchKey,
        client::SearchContext,
        proto::{
            command::{AString, Fetch, Search, SearchReturnOpt, Sort, SortKey, ThreadAlgorithm},
            extensions::{multisearch::ESearch, notify::MailboxFilter, uid_batches::UidBatchesCommand},
            response::ThreadNode,
            threading::{self, base_subject, sent_date},
            types::{Address, ImapString, MailboxName, SequenceSet, Uid},
        },
    },
};

use crate::{
    AS_EXPECTED,
    tour::{Message, Tour, same, soon},
};

/// What extended searches are asked for here.
fn subject(text: &str) -> Result<SearchKey> {
    Ok(SearchKey::Subject(AString::new(text.to_owned())?))
}

async fn plainly(tour: &mut Tour<'_>, key: &SearchKey) -> Result<Vec<Uid>> {
    Ok(tour.plain.uid_search([key.clone()]).await?.iter().collect())
}

pub(crate) async fn extended_search(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let key = subject("tea")?;
    let expected = plainly(tour, &key).await?;
    let returns = [SearchReturnOpt::Min, SearchReturnOpt::Max, SearchReturnOpt::Count, SearchReturnOpt::All];
    let found = client.search_with(Search::by_uid([key]).with_returns(returns)).await?.of::<Uid>();
    same("ALL", &found.iter().collect(), &expected)?;
    same("COUNT", &found.len(), &(expected.len() as u64))?;
    same("MIN and MAX", &(found.min(), found.max()), &(expected.first().copied(), expected.last().copied()))?;
    let returns = [SearchReturnOpt::Count];
    let nothing = client.search_with(Search::by_uid([subject("nowhere")?]).with_returns(returns)).await?;
    ensure!(nothing.is_empty(), "{nothing:?}");
    Ok(AS_EXPECTED)
}

pub(crate) async fn extended_sort(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let sort = || Sort::new([SortKey::Subject, SortKey::Date], [SearchKey::All]).by_uid();
    let expected: Vec<Uid> = client.sort_with(sort()).await?.of().iter().collect();
    let returns = [SearchReturnOpt::All, SearchReturnOpt::Count, SearchReturnOpt::Min, SearchReturnOpt::Max];
    let found = client.sort_with(sort().with_returns(returns)).await?.of::<Uid>();
    same("ALL", &found.iter().collect(), &expected)?;
    same("COUNT", &found.len(), &(expected.len() as u64))?;
    same("MIN and MAX", &(found.min(), found.max()), &(expected.first().copied(), expected.last().copied()))?;
    Ok(AS_EXPECTED)
}

/// Letters beyond ASCII are found in any case.
pub(crate) async fn any_case(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let uid = tour.uids().await?.get(4).copied().context("no message 5")?;
    for text in ["\u{dc}ber", "\u{fc}BER", "B\u{c4}UME"] {
        let found: Vec<Uid> = client.uid_search([subject(text)?]).await?.iter().collect();
        same(text, &found, &vec![uid])?;
    }
    Ok(AS_EXPECTED)
}

pub(crate) async fn pages(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let all = tour.uids().await?;
    let search = Search::by_uid([SearchKey::All]).with_returns([SearchReturnOpt::Partial("-1:-2".parse()?)]);
    let mut found: Vec<Uid> = client.search_with(search).await?.of().iter().collect();
    found.sort_unstable();
    same("the last two", &found.as_slice(), &all.get(all.len() - 2..).unwrap_or_default())?;
    Ok(AS_EXPECTED)
}

pub(crate) async fn batches(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let all = tour.uids().await?;
    let found = client.uid_batches(UidBatchesCommand::new(UidBatchesCommand::SMALLEST.try_into()?)).await?;
    let ends = all.first().copied().zip(all.last().copied());
    same("the only batch", &found, &ends.into_iter().collect())?;
    Ok(AS_EXPECTED)
}

/// A message comes and goes: the server tells what that changes in a result, and of the order where there is one.
pub(crate) async fn kept_result(tour: &mut Tour<'_>, name: &str) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let key = subject("tea")?;
    let mut result = match name {
        "CONTEXT=SORT" => client.sort_context(Sort::new([SortKey::Subject], [key.clone()])).await?,
        _ => client.search_context(Search::by_uid([key.clone()])).await?,
    };
    ensure!(result.is_current(), "the server does not keep it");
    let before = result.clone();
    let found = |result: &SearchContext| {
        let mut found: Vec<Uid> = result.iter().collect();
        found.sort_unstable();
        found
    };
    same("the result", &found(&result), &plainly(tour, &key).await?)?;
    let new = tour.add("Subject: Iced tea\r\n\r\nNow.\r\n").await?;
    follow(&mut client, &mut result, |result| result.contains(new)).await?;
    if name == "CONTEXT=SORT" {
        // `Iced tea` comes before `tea`.
        same("the first", &result.iter().next(), &Some(new))?;
    }
    tour.remove_message(new).await?;
    follow(&mut client, &mut result, |result| !result.contains(new)).await?;
    same("the result", &found(&result), &found(&before))?;
    client.cancel_updates([result]).await?;
    Ok(AS_EXPECTED)
}

async fn follow(
    client: &mut Client,
    result: &mut SearchContext,
    done: impl Fn(&SearchContext) -> bool,
) -> Result<()> {
    soon("what changes of the result", async {
        loop {
            client.noop().await?;
            for update in client.updates() {
                result.apply(&update);
            }
            ensure!(result.is_current(), "the server does not keep it any longer");
            if done(result) {
                return Ok(());
            }
        }
    })
    .await
}

/// One search in the mailbox and in one below it.
pub(crate) async fn everywhere(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let other = tour.below("Searched");
    client.create(&other).await?;
    client.append(&other, "Subject: More tea\r\n\r\nThere.\r\n").await?;
    let expected = plainly(tour, &subject("tea")?).await?.len() as u64;
    let subtree = MailboxFilter::Subtree(vec![MailboxName::new(&tour.mailbox)?]);
    let found = client.search_mailboxes(ESearch::new([subtree], [subject("tea")?])).await?;
    let mut found: Vec<(String, u64)> =
        found.iter().map(|one| (one.mailbox.name.to_unicode().into_owned(), one.found.len())).collect();
    found.sort_unstable();
    client.delete(&other).await?;
    same("what is found", &found, &vec![(tour.mailbox.clone(), expected), (other, 1)])?;
    Ok(AS_EXPECTED)
}

/// What was found is fetched as `$`.
pub(crate) async fn saved_result(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let key = subject("apples")?;
    let expected = plainly(tour, &key).await?;
    client.search_with(Search::new([key]).with_returns([SearchReturnOpt::Save])).await?;
    let mut found = Vec::new();
    let mut messages = client.fetch_with(Fetch::new(SequenceSet::saved(), [FetchAtt::Uid])).await?;
    while let Some(message) = messages.next().await? {
        found.extend(message.uid());
    }
    drop(messages);
    same("FETCH $", &found, &expected)?;
    let again: Vec<Uid> = client
        .uid_search([SearchKey::Sequence(SequenceSet::saved()), subject("fwd")?])
        .await?
        .iter()
        .collect();
    same("SEARCH $", &again, &expected.get(1..).unwrap_or_default().to_vec())?;
    Ok(AS_EXPECTED)
}

/// What is found exactly is found so, too, where the server searches at all.
pub(crate) async fn fuzzy(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let found = client.uid_search([SearchKey::Fuzzy(Box::new(subject("apples")?))]).await?;
    let all = tour.uids().await?;
    ensure!(found.iter().all(|uid| all.contains(&uid)), "{found:?} is not in the mailbox");
    Ok(AS_EXPECTED)
}

pub(crate) async fn ages(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let old = tour.uids().await?;
    let new = tour.add("Subject: note\r\n\r\nNow.\r\n").await?;
    client.noop().await?;
    let hour = NonZeroU32::new(3600).context("no hour")?;
    let found: Vec<Uid> = client.uid_search([SearchKey::Younger(hour)]).await?.iter().collect();
    same("YOUNGER", &found, &vec![new])?;
    let found: Vec<Uid> = client.uid_search([SearchKey::Older(hour)]).await?.iter().collect();
    same("OLDER", &found, &old)?;
    tour.remove_message(new).await?;
    Ok(AS_EXPECTED)
}

/// What a message is ordered by, in any case of its letters.
fn sort_text(key: SortKey, message: &Message) -> String {
    let envelope = &message.envelope;
    let local = |addresses: &[Address]| text(addresses.first().and_then(|first| first.mailbox.as_ref()));
    let shown = |addresses: &[Address]| {
        addresses.first().map(|first| match first.name.as_ref() {
            Some(name) => encoded_words(name.as_bytes()),
            None => format!("{}@{}", text(first.mailbox.as_ref()), text(first.host.as_ref())),
        })
    };
    let text = match key {
        SortKey::Cc => local(envelope.cc()),
        SortKey::From => local(envelope.from()),
        SortKey::To => local(envelope.to()),
        SortKey::DisplayFrom => shown(envelope.from()).unwrap_or_default(),
        SortKey::DisplayTo => shown(envelope.to()).unwrap_or_default(),
        _ => base_subject(&subject_of(message)).text,
    };
    text.to_uppercase()
}

fn text(value: Option<&ImapString>) -> String {
    value.map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
}

fn subject_of(message: &Message) -> String {
    encoded_words(text(message.envelope.subject()).as_bytes())
}

fn sent(message: &Message) -> i64 {
    let date = message.envelope.date().and_then(|date| sent_date(date.as_bytes()));
    date.unwrap_or_else(|| message.date.to_unix())
}

pub(crate) async fn sort(tour: &mut Tour<'_>, name: &str) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let keys = match name {
        "SORT" => [
            SortKey::Arrival,
            SortKey::Cc,
            SortKey::Date,
            SortKey::From,
            SortKey::Size,
            SortKey::Subject,
            SortKey::To,
        ]
        .as_slice(),
        "SORT=DISPLAY" => &[SortKey::DisplayFrom, SortKey::DisplayTo],
        "SORT=MODSEQ" => &[SortKey::ModSeq],
        _ => &[SortKey::Uid],
    };
    let messages = tour.messages().await?;
    for &key in keys {
        let mut ordered: Vec<&Message> = messages.iter().collect();
        match key {
            SortKey::Arrival => ordered.sort_by_key(|message| message.date.to_unix()),
            SortKey::Date => ordered.sort_by_key(|message| sent(message)),
            SortKey::Size => ordered.sort_by_key(|message| message.size),
            SortKey::Uid => ordered.sort_by_key(|message| message.uid),
            SortKey::ModSeq => {
                let at = mod_seqs(&mut client).await?;
                ordered.sort_by_key(|message| at.iter().find(|(uid, _)| *uid == message.uid).map(|it| it.1));
            }
            key => ordered.sort_by_key(|message| sort_text(key, message)),
        }
        let expected: Vec<Uid> = ordered.iter().map(|message| message.uid).collect();
        let found: Vec<Uid> = client.uid_sort([key], [SearchKey::All]).await?.iter().collect();
        same(key.as_str(), &found, &expected)?;
        // Equal ones keep the order of the mailbox (RFC 5256 section 3).
        if matches!(key, SortKey::Date | SortKey::Size | SortKey::Arrival | SortKey::Uid) {
            let backwards: Vec<Uid> =
                client.uid_sort([key.reversed()], [SearchKey::All]).await?.iter().collect();
            let expected: Vec<Uid> = expected.into_iter().rev().collect();
            same("REVERSE", &backwards, &expected)?;
        }
    }
    Ok(AS_EXPECTED)
}

async fn mod_seqs(client: &mut Client) -> Result<Vec<(Uid, u64)>> {
    let mut found = Vec::new();
    let all = mailwire_transport::imap::UidSet::all();
    let mut messages = client.uid_fetch(all, [FetchAtt::ModSeq]).await?;
    while let Some(message) = messages.next().await? {
        found.push((message.uid().context("no UID")?, message.mod_seq().context("no MODSEQ")?));
    }
    Ok(found)
}

/// The value of a field that is one line.
fn field<'a>(message: &'a Message, name: &str) -> Option<&'a [u8]> {
    let text = std::str::from_utf8(&message.body).ok()?;
    let header = text.split("\r\n\r\n").next()?;
    let line = header.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?;
    Some(line.as_bytes())
}

pub(crate) async fn thread(tour: &mut Tour<'_>, name: &str) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let messages = tour.messages().await?;
    let by_arrival = name == "THREAD=REFS";
    let prepared: Vec<threading::Message> = messages
        .iter()
        .map(|message| {
            let date = if by_arrival { message.date.to_unix() } else { sent(message) };
            let subject = base_subject(&subject_of(message));
            threading::Message::new(message.uid.into(), date)
                .with_subject(subject.text.to_uppercase(), subject.is_reply)
                .with_id(field(message, "Message-ID").unwrap_or_default())
                .with_reference_fields(field(message, "References"), field(message, "In-Reply-To"))
        })
        .collect();
    let (algorithm, expected): (_, Vec<ThreadNode>) = match name {
        "THREAD=ORDEREDSUBJECT" => (ThreadAlgorithm::OrderedSubject, threading::ordered_subject(&prepared)),
        "THREAD=REFERENCES" => (ThreadAlgorithm::References, threading::references(&prepared)),
        "THREAD=REFS" => (ThreadAlgorithm::Refs, threading::refs(&prepared)),
        name => bail!("no algorithm is called {name}"),
    };
    let found = client.uid_thread(algorithm, [SearchKey::All]).await?;
    let shown = |nodes: &[ThreadNode]| -> Vec<(u32, u32)> {
        nodes.iter().map(|node| (node.depth, node.number.map_or(0, NonZeroU32::get))).collect()
    };
    same("conversations", &shown(found.nodes()), &shown(&expected))?;
    Ok(AS_EXPECTED)
}
