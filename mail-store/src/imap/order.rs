//! SORT and THREAD: what an order goes by, and what conversations are made of.

use std::cmp::Ordering;

use mailwire_imap::{
    command::{SortCriterion, SortKey, ThreadAlgorithm},
    response::ThreadNode,
    threading::{self, base_subject, sent_date},
    types::{Address, Envelope, ImapString, Uid},
};
use mailwire_transport::{
    Budget, OverBudget, encoded_words,
    imap::server::{Refusal, SortOptions},
    run_blocking,
};

use crate::{
    Error, Fields, MailboxId, Row, Store, Uids,
    message::{Message, casemap, header},
};

/// So many rows are asked of a store at once.
const ROWS: u32 = 256;
/// What it costs to compare a message, in bytes.
const COMPARED: u64 = 256;
/// What messages are compared by takes so many bytes of memory at most, all together.
const MEMORY: usize = 256 << 20;
/// More of a text is not compared.
const TEXT: usize = 1024;
/// More of a header field is not looked at.
const FIELD: usize = 8 << 10;

/// A value that an order goes by.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Number(i64),
    Text(Vec<u8>),
}

/// Brings messages into an order.
pub(super) async fn sort<S: Store>(
    store: &S,
    mailbox: MailboxId,
    uids: &Uids,
    options: &SortOptions,
    budget: &mut Budget,
) -> Result<Vec<Uid>, Refusal> {
    // One that comes again decides nothing, and there can be thousands.
    let mut distinct: Vec<SortCriterion> = Vec::new();
    for criterion in &options.criteria {
        if !distinct.iter().any(|before| before.key == criterion.key) {
            distinct.push(*criterion);
        }
    }
    let from_envelope = distinct.iter().filter(|criterion| !is_in_row(criterion.key)).count() as u64;
    let fields = Fields::new().with_envelope(from_envelope > 0);
    let mut sorted: Vec<(Vec<Value>, Uid)> = Vec::new();
    let mut room = MEMORY;
    for page in uids.pages(ROWS) {
        for row in store.messages(mailbox, &page, fields, usize::MAX).await? {
            let cost = COMPARED + from_envelope * row.size.min(FIELD as u64);
            budget.grant(cost);
            budget.spend(cost).await?;
            let values: Vec<Value> = distinct
                .iter()
                .map(|criterion| match criterion.key {
                    SortKey::Relevancy => Value::Number(-i64::from(relevancy(&options.relevancy, row.uid))),
                    key => value(key, &row),
                })
                .collect();
            let size = values.iter().map(|value| match value {
                Value::Number(_) => size_of::<Value>(),
                Value::Text(text) => size_of::<Value>() + text.len(),
            });
            room = room.checked_sub(size.sum()).ok_or(OverBudget)?;
            sorted.push((values, row.uid));
        }
    }
    let reverse: Vec<bool> = distinct.iter().map(|criterion| criterion.reverse).collect();
    let work = move || {
        sorted.sort_unstable_by(|(one, uid), (other, other_uid)| {
            let values = one.iter().zip(other).zip(&reverse);
            let mut orders =
                values.map(|((one, other), reverse)| if *reverse { other.cmp(one) } else { one.cmp(other) });
            orders.find(|order| *order != Ordering::Equal).unwrap_or_else(|| uid.cmp(other_uid))
        });
        sorted.into_iter().map(|(_, uid)| uid).collect()
    };
    Ok(run_blocking(work).await)
}

/// Whether the envelope is not needed.
const fn is_in_row(key: SortKey) -> bool {
    matches!(key, SortKey::Arrival | SortKey::Size | SortKey::ModSeq | SortKey::Relevancy | SortKey::Uid)
}

/// How relevant a message is.
fn relevancy(scores: &[(Uid, u8)], uid: Uid) -> u8 {
    let place = scores.binary_search_by_key(&uid, |score| score.0).ok();
    place.and_then(|place| scores.get(place)).map_or(0, |score| score.1)
}

fn value(key: SortKey, row: &Row) -> Value {
    let envelope = row.envelope.as_deref();
    let first = |list: fn(&Envelope) -> &[Address]| envelope.and_then(|envelope| list(envelope).first());
    let mailbox = |address: Option<&Address>| {
        Value::Text(mapped(&decoded(address.and_then(|address| address.mailbox.as_ref()))))
    };
    match key {
        SortKey::Arrival => Value::Number(row.date.seconds),
        SortKey::Date => Value::Number(sent(envelope, row)),
        SortKey::Size => Value::Number(i64::try_from(row.size).unwrap_or(i64::MAX)),
        SortKey::ModSeq => Value::Number(i64::try_from(row.mod_seq.get()).unwrap_or(i64::MAX)),
        SortKey::Uid => Value::Number(row.uid.get().into()),
        SortKey::Cc => mailbox(first(Envelope::cc)),
        SortKey::From => mailbox(first(Envelope::from)),
        SortKey::To => mailbox(first(Envelope::to)),
        SortKey::DisplayFrom => Value::Text(mapped(&displayed(first(Envelope::from)))),
        SortKey::DisplayTo => Value::Text(mapped(&displayed(first(Envelope::to)))),
        SortKey::Subject => {
            let subject = decoded(envelope.and_then(Envelope::subject));
            Value::Text(mapped(&base_subject(&subject).text))
        }
        _ => Value::Number(0),
    }
}

/// RFC 5256 section 2.2.
fn sent(envelope: Option<&Envelope>, row: &Row) -> i64 {
    let field = envelope.and_then(Envelope::date);
    field.and_then(|field| sent_date(start(field))).unwrap_or(row.date.seconds)
}

fn decoded(text: Option<&ImapString>) -> String {
    text.map(|text| encoded_words(start(text))).unwrap_or_default()
}

fn start(field: &ImapString) -> &[u8] {
    let field = field.as_bytes();
    field.get(..FIELD).unwrap_or(field)
}

/// RFC 5957 section 3.
fn displayed(address: Option<&Address>) -> String {
    let Some(address) = address else { return String::new() };
    let name = decoded(address.name.as_ref());
    match (&address.mailbox, &address.host) {
        _ if !name.is_empty() => name,
        (Some(mailbox), Some(host)) => {
            format!("{}@{}", mailbox.as_text().to_string_lossy(), host.as_text().to_string_lossy())
        }
        (Some(mailbox), None) => mailbox.as_text().to_string_lossy().into_owned(),
        (None, _) => String::new(),
    }
}

/// A text as it is compared.
fn mapped(text: &str) -> Vec<u8> {
    let mut end = TEXT.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut out = Vec::new();
    casemap(text.get(..end).unwrap_or(text), &mut out);
    out
}

/// Brings messages into conversations.
pub(super) async fn thread<S: Store>(
    store: &S,
    mailbox: MailboxId,
    uids: &Uids,
    algorithm: ThreadAlgorithm,
    budget: &mut Budget,
) -> Result<Vec<ThreadNode>, Refusal> {
    let mut messages = Vec::new();
    let mut room = MEMORY;
    for page in uids.pages(ROWS) {
        for row in store.messages(mailbox, &page, Fields::new(), usize::MAX).await? {
            let message = match store.message(row.body).await {
                Ok(message) => message,
                Err(Error::NoSuchBody) => continue,
                Err(error) => return Err(error.into()),
            };
            let cost = row.size.saturating_add(COMPARED);
            budget.grant(cost);
            let one = budget.run(cost, move || threaded(&row, &message, algorithm)).await?;
            let size = footprint(&one);
            room = room.checked_sub(size).ok_or(OverBudget)?;
            messages.push(one);
        }
    }
    let work = move || match algorithm {
        ThreadAlgorithm::OrderedSubject => threading::ordered_subject(&messages),
        ThreadAlgorithm::Refs => threading::refs(&messages),
        _ => threading::references(&messages),
    };
    Ok(run_blocking(work).await)
}

/// How much memory a message takes until its conversations are told: with its own names and their places in the tables
/// that tell which message has which.
fn footprint(message: &threading::Message) -> usize {
    /// Of a name: its place in the list of the message, in the table by name, and in the forest.
    const NAME: usize = 128;
    let names = message.references.iter().chain(&message.id).map(|id| NAME + id.len());
    size_of::<threading::Message>() + message.subject.len() + names.sum::<usize>()
}

fn threaded(row: &Row, message: &Message, algorithm: ThreadAlgorithm) -> threading::Message {
    let envelope = message.envelope();
    let date = if algorithm == ThreadAlgorithm::Refs { row.date.seconds } else { sent(Some(&envelope), row) };
    let mut threaded = threading::Message::new(row.uid.into(), date);
    let subject = base_subject(&decoded(envelope.subject()));
    (threaded.subject, threaded.is_reply) = (mapped(&subject.text), subject.is_reply);
    if algorithm == ThreadAlgorithm::OrderedSubject {
        return threaded;
    }
    let references = header::first(&message.header(message.root()), b"references");
    let in_reply_to = envelope.in_reply_to().map(ImapString::as_bytes);
    threaded
        .with_id(envelope.message_id().map(ImapString::as_bytes).unwrap_or_default())
        .with_reference_fields(references.as_deref(), in_reply_to)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// A name takes many times its length until the conversations are told.
    #[test]
    fn references_are_counted() {
        let message = |count: usize| {
            let ids: String = (0..count).map(|number| format!("<{number}@x> ")).collect();
            threading::Message::new(1.try_into().unwrap(), 0).with_references(ids.as_bytes())
        };
        let (none, many) = (footprint(&message(0)), footprint(&message(1000)));
        assert!(none >= size_of::<threading::Message>());
        assert!(many - none >= 1000 * 100, "{many}");
    }
}
