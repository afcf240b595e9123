//! APPEND and REPLACE.

use mailwire_core::Ticket;
use mailwire_imap::{
    Capability,
    command::{Append, Replace},
    response::{Code, Reply, ReplyKind, Untagged},
    types::KnownUids,
    url::MailboxRef,
};

use super::{
    answers::Appended,
    body::{Body, BodyOutcome, Messages},
    conversation::{Conversation, Stop, done},
    refusal::{Refusal, status},
    sending::push,
    service::{Service, Session},
    sets,
};
use crate::Budget;

const MISSING: Stop = Stop::Bad("The message is missing");

impl<S: Service> Conversation<S> {
    /// APPEND: RFC 9051 section 6.3.12; of several messages, RFC 3502.
    pub(super) async fn append(&mut self, ticket: Ticket, append: Append) -> Result<Reply, Stop> {
        let several = self.offers(&Capability::MultiAppend);
        let name = self.name(&append.mailbox)?;
        let (limit, cost, selected) = (self.save_limit(), self.message_cost(), self.selected());
        let session = self.session.as_mut().ok_or(Stop::Bad("Log in first"))?;
        let (message, mut body) =
            Body::new(&mut self.driver, ticket, append, selected, cost).ok_or(MISSING)?;
        let stored = if several {
            let mut messages = Messages::new(message, body, limit);
            let stored = session.append_all(&name, &mut messages).await;
            body = messages.into_body();
            stored
        } else {
            session.append(&name, message, &mut body).await.map(|one| one.into_iter().collect())
        };
        let mut reply = done();
        let stored = ended(stored, body).await?;
        reply.code = append_uid(&stored);
        self.put(&name, stored.iter().map(|one| one.uid));
        Ok(reply)
    }

    /// REPLACE and UID REPLACE: RFC 8508.
    pub(super) async fn replace(&mut self, ticket: Ticket, replace: Replace) -> Result<Reply, Stop> {
        self.writable()?;
        let name = self.name(&replace.append.mailbox)?;
        let dialect = self.driver.connection().dialect();
        let (_, open) = self.opened()?;
        let uids = sets::resolve(&open.view, &replace.replaced.messages(), dialect)?;
        let Some(&replaced) = uids.first() else {
            return Err(Refusal::new("There is no such message").with_code(Code::NonExistent).into());
        };
        let (cost, selected) = (self.message_cost(), self.selected());
        let session = self.session.as_mut().ok_or(Stop::Bad("Log in first"))?;
        let (message, mut body) =
            Body::new(&mut self.driver, ticket, replace.append, selected, cost).ok_or(MISSING)?;
        let stored = session.replace(replaced, &name, message, &mut body).await;
        let stored: Vec<_> = ended(stored, body).await?.into_iter().collect();
        if let Some(code) = append_uid(&stored) {
            // Section 4.3: before the EXPUNGE, which is among the updates.
            let told = status(ReplyKind::Ok, "Stored").with_code(code);
            push(&mut self.driver, Untagged::Reply(told)).await?;
        }
        self.put(&name, stored.iter().map(|one| one.uid));
        Ok(done())
    }

    /// How large a message may be, and what it may cost to put it together.
    fn message_cost(&self) -> (u64, Budget) {
        (self.limits.message, self.budget())
    }

    /// The mailbox that URLs are relative to.
    fn selected(&self) -> Option<MailboxRef> {
        self.open.as_ref().and_then(|open| MailboxRef::new(&open.name).ok())
    }
}

/// What became of messages that were on their way in.
async fn ended<T>(stored: Result<T, Refusal>, mut body: Body<'_>) -> Result<T, Stop> {
    if stored.is_ok() {
        body.skip().await;
    }
    match body.end() {
        BodyOutcome::Failed(error) => Err(Stop::Fatal(error)),
        BodyOutcome::Answered => Err(Stop::Answered),
        BodyOutcome::Complete | BodyOutcome::Incomplete => Ok(stored?),
    }
}

fn append_uid(stored: &[Appended]) -> Option<Code> {
    let uid_validity = Some(stored.first()?.uid_validity);
    let uids = KnownUids::from_numbers(stored.iter().map(|one| one.uid)).ok()?;
    Some(Code::AppendUid { uid_validity, uids })
}
