//! ESEARCH: one search in several mailboxes ([RFC 7377](https://www.rfc-editor.org/rfc/rfc7377)).

use std::collections::BTreeSet;

use mailwire_core::{Dialect, Ticket};
use mailwire_imap::{
    command::{List, Search, SearchKey, SearchReturnOpt},
    extensions::{multisearch::ESearch, notify::MailboxFilter},
    response::{Code, ESearchData, Reply, SearchReturnData, SearchedMailbox, Untagged},
    types::{ImapString, ListPattern, MailboxName, Tag},
    view::{Numbering, View},
};

use super::{
    contexts::weight,
    conversation::{Conversation, Stop, done},
    limiting,
    listing::wire_name,
    messages::NOT_COUNTED,
    options::{SearchOptions, SelectOptions},
    picking::Filter,
    progress::telling,
    refusal::Refusal,
    searching::{Found, check_charset, returns},
    sending::push,
    service::{Service, Session},
    sets,
};
use crate::Budget;

/// What it costs to see whether a mailbox is looked into, in bytes.
const COMPARED: u64 = 64;
/// What it costs to open a mailbox, whatever is in it.
const OPENED: u64 = 4096;
/// What it costs to know a message.
const KNOWN: u64 = 16;

/// What is looked for in each mailbox, and told of it.
struct Question {
    keys: Vec<SearchKey>,
    returns: Vec<SearchReturnOpt>,
    tag: Option<Tag>,
    /// What it costs to open a mailbox, and to make the keys ready for it.
    cost: u64,
}

impl<S: Service> Conversation<S> {
    /// ESEARCH: RFC 7377 section 2.
    pub(super) async fn esearch(&mut self, ticket: Ticket, esearch: ESearch) -> Result<Reply, Stop> {
        let (here, utf8) = (esearch.names_selected(), self.utf8());
        let ESearch { sources, search, .. } = esearch;
        check_charset(search.charset.as_deref())?;
        let mut budget = self.budget();
        let mut names = self.sources(&sources, &mut budget).await?;
        if here {
            let (_, open) = self.opened()?;
            names.remove(&open.name);
            if let Some(name) = wire_name(&open.name, utf8) {
                let mailbox = SearchedMailbox::new(name, open.uid_validity);
                self.find(ticket, search.clone(), None, Some(mailbox)).await?;
            }
        }
        if names.is_empty() {
            return Ok(done());
        }
        let Some(identity) = self.identity.clone() else { return Ok(done()) };
        let tag = self.driver.connection().tag(ticket).cloned();
        let Search { keys, returns: asked, .. } = search;
        let keys = self.with_filters(keys).await?;
        let cost = OPENED + keys.iter().map(weight).sum::<usize>() as u64;
        let question = Question { keys, returns: returns(asked, true)?.unwrap_or_default(), tag, cost };
        // A session of its own, so that the selected mailbox stays what it is.
        let mut other = self.service().open(&identity).await?;
        if let Some(language) = &self.language {
            other.speak(language);
        }
        for name in names {
            self.search_in(&mut other, &name, &question, &mut budget).await?;
        }
        Ok(done())
    }

    /// Looks for messages in a mailbox, and tells of it if there are some. One that is not there, or that the user may not
    /// read, is passed over (section 2.2).
    async fn search_in(
        &mut self,
        other: &mut S::Session,
        name: &str,
        question: &Question,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        let Some(wire) = wire_name(name, self.utf8()) else { return Ok(()) };
        budget.spend(question.cost).await?;
        let selected = match other.select(name, &SelectOptions::new().with_read_only(true)).await {
            Ok(selected) => selected,
            Err(Refusal { code: Some(Code::NoPerm | Code::NonExistent), .. }) => return Ok(()),
            Err(refusal) => return Err(refusal.into()),
        };
        let view = View::with_uids(selected.uids, Numbering::Numbers);
        let count = view.len() as usize;
        limiting::check(count, self.message_limit())?;
        let about_changes = question.keys.iter().any(SearchKey::uses_mod_seq);
        if about_changes && other.highest_mod_seq().is_none() {
            return Err(NOT_COUNTED);
        }
        // All that is there is looked at once.
        let cost = (count as u64).saturating_mul(KNOWN);
        budget.grant(cost);
        budget.spend(cost).await?;
        // Section 2: numbers beyond the last message are no error.
        let keys = sets::translate(&view, question.keys.clone(), Dialect::Lenient)?;
        let options = SearchOptions::new(keys).with_messages(view.len().into());
        let search = other.search(&options, budget);
        let mut found = telling(&mut self.driver, self.tag.as_ref(), &options.progress, search).await??;
        found.sort_unstable();
        found.dedup();
        let scores = match question.returns.contains(&SearchReturnOpt::Relevancy) {
            true => other.relevancy(&found, &options, budget).await?,
            false => Vec::new(),
        };
        let found = Found::new(&view, true, found, scores);
        if !found.is_empty() {
            let mut results = found.results(&question.returns);
            if about_changes {
                let mod_seq = other.mod_seq_of(&found.saved(&question.returns)).await?;
                results.extend(mod_seq.map(SearchReturnData::ModSeq));
            }
            let tag = question.tag.as_ref().and_then(|tag| ImapString::new(tag.as_text().clone()).ok());
            let data = ESearchData::new(true, results)
                .with_tag(tag)
                .with_mailbox(SearchedMailbox::new(wire, selected.uid_validity));
            push(&mut self.driver, Untagged::ESearch(data)).await?;
        }
        other.unselect().await;
        Ok(())
    }

    /// The mailboxes that are looked into beside the selected one, each once.
    async fn sources(
        &mut self,
        sources: &[MailboxFilter],
        budget: &mut Budget,
    ) -> Result<BTreeSet<String>, Stop> {
        if sources.iter().all(|source| *source == MailboxFilter::Selected) {
            return Ok(BTreeSet::new());
        }
        let utf8 = self.utf8();
        let session = self.session()?;
        let filter = Filter::new(sources, &session.namespace().await?, utf8);
        let root = MailboxName::new("").map_err(|_| Refusal::unavailable())?;
        let all = session.list(&List::new(root, ListPattern::ALL)).await?;
        let mut chosen: BTreeSet<String> = filter.named().cloned().collect();
        for mailbox in all {
            budget.spend(COMPARED + mailbox.name.len() as u64).await?;
            if mailbox.is_selectable() && filter.covers(&mailbox) {
                chosen.insert(mailbox.name);
            }
        }
        Ok(chosen)
    }
}
