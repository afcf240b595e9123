//! SEARCH over a store.

use std::sync::Arc;

use mailwire_imap::{response::Code, types::Uid};
use mailwire_transport::{
    Budget, OverBudget,
    imap::server::{Refusal, SearchOptions},
};

use crate::{Error, Filter, MailboxId, Store, Uids, gmail};

/// So many messages are asked of a store at once for a search.
const SEARCHED: u32 = 64;
/// The words of a search may take so many bytes of memory.
const WORDS: u64 = 16 << 20;
/// What it costs to ask a question of a message whose row is there.
const QUESTION: u64 = 8;

/// The messages of a mailbox that are looked for.
pub(super) async fn search<S: Store>(
    store: &S,
    mailbox: MailboxId,
    options: &SearchOptions,
    budget: &mut Budget,
) -> Result<Vec<Uid>, Refusal> {
    if let Some(operator) = gmail::unsupported(&options.keys) {
        let refusal = Refusal::new(format!("Searches have no {operator} here"));
        return Err(refusal.with_code(Code::Cannot));
    }
    let filter = Arc::new(Filter::new(options.keys.iter().cloned()));
    let words = filter.footprint() as u64;
    if words > WORDS {
        return Err(OverBudget.into());
    }
    budget.grant(words);
    let ready = Arc::clone(&filter);
    budget.run(words, move || ready.prepare()).await?;
    // Some keys are for nothing, as it were: so many bytes are looked at for each message anyway.
    let questions = filter.questions() as u64 * QUESTION;
    budget.grant(options.messages.saturating_mul(32 * QUESTION));
    budget.charge(options.messages.saturating_mul(questions))?;
    let preselected = store.preselect(mailbox, &filter).await?;
    // By themselves they ascend: among those that are sure, each would move what comes after it.
    let mut found = Uids::new();
    options.progress.expect(preselected.maybe.len());
    for page in preselected.maybe.pages(SEARCHED) {
        let rows = store.messages(mailbox, &page, filter.fields(), usize::MAX).await?;
        for row in rows {
            options.progress.advance(1);
            let message = match store.message(row.body).await {
                Ok(message) => message,
                Err(Error::NoSuchBody) => continue,
                Err(error) => return Err(error.into()),
            };
            // What is stored is looked at once, whatever is looked for.
            let (uid, cost) = (row.uid, row.size.saturating_add(2 * questions));
            budget.grant(cost);
            let filter = Arc::clone(&filter);
            let compared = comparing(&filter, row.size, budget);
            if budget.run(cost.saturating_add(compared), move || filter.matches(&row, &message)).await? {
                found.insert(uid);
            }
        }
    }
    Ok(preselected.sure.union(&found).iter().collect())
}

/// How much each of the messages is like what is looked for. Those that are gone are left out.
pub(super) async fn relevancy<S: Store>(
    store: &S,
    mailbox: MailboxId,
    uids: &Uids,
    options: &SearchOptions,
    budget: &mut Budget,
) -> Result<Vec<(Uid, u8)>, Refusal> {
    let filter = Arc::new(Filter::new(options.keys.iter().cloned()));
    let mut scores = Vec::new();
    for page in uids.pages(SEARCHED) {
        for row in store.messages(mailbox, &page, filter.fields(), usize::MAX).await? {
            let message = match store.message(row.body).await {
                Ok(message) => message,
                Err(Error::NoSuchBody) => continue,
                Err(error) => return Err(error.into()),
            };
            budget.grant(QUESTION);
            let (filter, cost) = (Arc::clone(&filter), comparing(&filter, row.size, budget));
            scores.push((row.uid, budget.run(cost + QUESTION, move || filter.relevancy(&message)).await?));
        }
    }
    Ok(scores)
}

/// How many bytes are compared in a message to find what is alike. A few words are looked for in all that is stored.
fn comparing(filter: &Filter, size: u64, budget: &mut Budget) -> u64 {
    const WORDS: u64 = 4;
    let compared = filter.comparing(size);
    budget.grant(compared.min(size.saturating_mul(WORDS)));
    compared
}
