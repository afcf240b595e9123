//! APPEND and REPLACE.

use mailwire_core::Ticket;
use mailwire_imap::{
    Capability,
    command::{Append, Replace},
    response::{Code, Reply, ReplyKind, Untagged},
    types::KnownUids,
};

use super::{
    answers::Appended,
    body::{Body, BodyOutcome, Messages},
    conversation::{Conversation, Stop, done},
    options::NewMessage,
    refusal::{Refusal, status},
    sending::push,
    service::{Service, Session},
    sets,
};

impl<S: Service> Conversation<S> {
    /// APPEND: RFC 9051 section 6.3.12; of several messages, RFC 3502.
    pub(super) async fn append(&mut self, ticket: Ticket, append: Append) -> Result<Reply, Stop> {
        let several = self.offers(&Capability::MultiAppend);
        let name = self.name(&append.mailbox)?;
        let message = first(append)?;
        let limit = self.save_limit();
        let session = self.session.as_mut().ok_or(Stop::Bad("Log in first"))?;
        let mut body = Body::new(&mut self.driver, ticket, message.length);
        let stored = if several {
            let mut messages = Messages::new(message, body, limit);
            let stored = session.append_all(&name, &mut messages).await;
            body = messages.into_body();
            stored
        } else {
            session.append(&name, message, &mut body).await.map(|one| one.into_iter().collect())
        };
        let mut reply = done();
        reply.code = append_uid(&ended(stored, body).await?);
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
        let message = first(replace.append)?;
        let session = self.session.as_mut().ok_or(Stop::Bad("Log in first"))?;
        let mut body = Body::new(&mut self.driver, ticket, message.length);
        let stored = session.replace(replaced, &name, message, &mut body).await;
        let stored: Vec<_> = ended(stored, body).await?.into_iter().collect();
        if let Some(code) = append_uid(&stored) {
            // Section 4.3: before the EXPUNGE, which is among the updates.
            let told = status(ReplyKind::Ok, "Stored").with_code(code);
            push(&mut self.driver, Untagged::Reply(told)).await?;
        }
        Ok(done())
    }
}

/// The first message of an APPEND; the machine tells of the others when they come.
fn first(append: Append) -> Result<NewMessage, Stop> {
    append.messages.into_iter().next().map(NewMessage::of).ok_or(Stop::Bad("The message is missing"))
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
