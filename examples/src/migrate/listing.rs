//! What is in a mailbox, and which of it is in another one already.

use std::collections::{HashMap, HashSet};

use mailwire_transport::{
    Error,
    imap::{
        Client, FetchAtt,
        client::FetchedMessage,
        proto::types::{DateTime, ImapString, Section, SectionText, Uid, UidSet},
    },
};

use crate::Failed;

/// A message of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    pub uid: Uid,
    pub size: u64,
    /// Its internal date, in seconds after 1970.
    pub date: Option<i64>,
}

impl Item {
    /// What equal messages have in common, as far as it costs nothing to know.
    const fn kind(&self) -> (u64, Option<i64>) {
        (self.size, self.date)
    }
}

/// How many messages one command asks for.
const AT_ONCE: usize = 500;

/// The messages of the mailbox that is open, by their UIDs.
pub(super) async fn listing(client: &mut Client) -> Result<Vec<Item>, Failed> {
    if client.exists() == Some(0) {
        return Ok(Vec::new());
    }
    let items = [FetchAtt::Uid, FetchAtt::Rfc822Size, FetchAtt::InternalDate];
    let all: UidSet = "1:*".parse().map_err(Error::from)?;
    let mut messages = client.uid_fetch(all, items).await?;
    let mut found: HashMap<Uid, Item> = HashMap::new();
    while let Some(message) = messages.next().await? {
        let Some(uid) = message.uid() else { continue };
        let item = found.entry(uid).or_insert(Item { uid, size: 0, date: None });
        item.size = message.size().unwrap_or(item.size);
        item.date = message.internal_date().map(DateTime::to_unix).or(item.date);
    }
    let mut found: Vec<Item> = found.into_values().collect();
    found.sort_unstable_by_key(|item| item.uid);
    Ok(found)
}

/// Which messages of the source are in the target: pairs of their UIDs. They have the same size, the same date and
/// the same Message-ID, or without one the same Date, From and Subject. As many are paired as there are on both sides.
pub(super) async fn pairs(
    source: &mut Client,
    target: &mut Client,
    mut ours: Vec<Item>,
    mut theirs: Vec<Item>,
) -> Result<Vec<(Uid, Uid)>, Side> {
    let kinds: HashSet<_> = theirs.iter().map(Item::kind).collect();
    ours.retain(|item| kinds.contains(&item.kind()));
    let kinds: HashSet<_> = ours.iter().map(Item::kind).collect();
    theirs.retain(|item| kinds.contains(&item.kind()));
    let (ours_named, theirs_named) = tokio::join!(identities(source, &ours), identities(target, &theirs));
    let (ours_named, theirs_named) = (ours_named.map_err(Side::Source)?, theirs_named.map_err(Side::Target)?);
    let mut there: HashMap<(u64, Option<i64>, &str), Vec<Uid>> = HashMap::new();
    for item in theirs.iter().rev() {
        if let Some(identity) = theirs_named.get(&item.uid) {
            there.entry((item.size, item.date, identity)).or_default().push(item.uid);
        }
    }
    let pairs = ours.iter().filter_map(|item| {
        let key = (item.size, item.date, ours_named.get(&item.uid)?.as_str());
        Some((item.uid, there.get_mut(&key)?.pop()?))
    });
    Ok(pairs.collect())
}

/// Which side has failed.
#[derive(Debug)]
pub(super) enum Side {
    Source(Failed),
    Target(Failed),
}

async fn identities(client: &mut Client, items: &[Item]) -> Result<HashMap<Uid, String>, Failed> {
    let mut identities = HashMap::new();
    for items in items.chunks(AT_ONCE) {
        let uids: Vec<Uid> = items.iter().map(|item| item.uid).collect();
        let mut messages = client.uid_fetch(uids, [FetchAtt::Uid, identifying()]).await?;
        while let Some(message) = messages.next().await? {
            if let (Some(uid), Some(identity)) = (message.uid(), identity(&message)) {
                identities.insert(uid, identity);
            }
        }
    }
    Ok(identities)
}

fn fields() -> Section {
    let names = ["MESSAGE-ID", "DATE", "FROM", "SUBJECT"].map(ImapString::new);
    let names = names.into_iter().filter_map(Result::ok).collect();
    Section::new(Vec::new(), Some(SectionText::HeaderFields(names))).unwrap_or(Section::HEADER)
}

fn identifying() -> FetchAtt {
    FetchAtt::BodySection { section: fields(), partial: None, peek: true }
}

/// The Message-ID, or the other fields that tell messages apart.
fn identity(message: &FetchedMessage) -> Option<String> {
    let header = message.section(&fields())?;
    let text = String::from_utf8_lossy(&header);
    // Servers fold lines as they like.
    let unfolded = text.replace("\r\n ", " ").replace("\r\n\t", " ");
    let mut fields: Vec<String> = Vec::new();
    for line in unfolded.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value: Vec<&str> = value.split_whitespace().collect();
        let (name, value) = (name.trim().to_ascii_lowercase(), value.join(" "));
        if name == "message-id" && !value.is_empty() {
            return Some(value);
        }
        fields.push(format!("{name}:{value}"));
    }
    fields.sort_unstable();
    Some(fields.join("\n"))
}
