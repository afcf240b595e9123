//! How an SMTP service puts a message into mailboxes, and when who waits for it is told.

use std::collections::{HashMap, HashSet};

use mailwire_smtp::{Reply, ReplyCode};
use mailwire_transport::smtp::server::{Body, BodyError, Client, Transaction};
use tokio::sync::mpsc;

use crate::{
    AccountId, Delivered, Delivery, Result, SmtpSession, Store, Target, smtp::refusal, staging::Staged,
};

impl<S: Store> SmtpSession<S> {
    /// Puts the message into each account once, and gives what is to be said for each recipient.
    pub(crate) async fn deliver(&self, staged: &Staged, recipients: &[AccountId]) -> Vec<Reply> {
        let accounts = distinct(recipients);
        let targets: Vec<Target> = accounts.iter().copied().map(Target::inbox).collect();
        let replies: Vec<Reply> =
            self.store.deliver(staged.body, &targets).await.into_iter().map(verdict).collect();
        let reply = |recipient| replies.get(accounts.binary_search(recipient).ok()?).cloned();
        recipients.iter().map(|recipient| reply(recipient).unwrap_or_else(not_told)).collect()
    }

    /// Puts the message into each account once, and answers each recipient as soon as that is known. Gives all that was answered, and
    /// why no more was: nobody else gets the message then, as the client sends it to them again.
    pub(crate) async fn deliver_each(
        &self,
        client: &Client,
        transaction: &Transaction,
        staged: &Staged,
        recipients: &[AccountId],
        body: &mut Body<'_>,
    ) -> (Vec<Reply>, Result<(), BodyError>) {
        let accounts = in_turn(recipients);
        let targets: Vec<Target> = accounts.iter().copied().map(Target::inbox).collect();
        let (told, mut news) = mpsc::unbounded_channel();
        // Who waits for this answer is gone if it cannot be sent.
        let told = move |one| drop(told.send(verdict(one)));
        let delivering = async {
            self.store.deliver_each(staged.body, &targets, told).await;
            Ok::<_, BodyError>(())
        };
        let mut replies = Vec::with_capacity(recipients.len());
        let answering = async {
            let (mut waiting, mut shown) = (recipients.iter(), false);
            let mut verdicts = HashMap::with_capacity(accounts.len());
            for account in &accounts {
                let verdict = news.recv().await.unwrap_or_else(not_told);
                if verdict.is_positive() && !std::mem::replace(&mut shown, true) {
                    self.tell(client, transaction, staged);
                }
                verdicts.insert(*account, verdict);
                while let Some(reply) = waiting.clone().next().and_then(|next| verdicts.get(next)) {
                    waiting.next();
                    body.answer(reply.clone()).await?;
                    replies.push(reply.clone());
                }
            }
            Ok::<_, BodyError>(())
        };
        let answered = tokio::try_join!(delivering, answering).map(|_| ());
        (replies, answered)
    }

    /// Shows a message that was taken.
    pub(crate) fn tell(&self, client: &Client, transaction: &Transaction, staged: &Staged) {
        if let Some(observe) = &self.observer.0 {
            observe(&Delivery { client, transaction, body: staged.body, added: staged.added });
        }
    }
}

/// Each account once, ascending: a user can be named by many addresses, and is the postmaster as well.
pub(crate) fn distinct(recipients: &[AccountId]) -> Vec<AccountId> {
    let mut accounts = recipients.to_vec();
    accounts.sort_unstable();
    accounts.dedup();
    accounts
}

/// Each account once, in the order in which they are named first.
fn in_turn(recipients: &[AccountId]) -> Vec<AccountId> {
    let mut seen = HashSet::with_capacity(recipients.len());
    recipients.iter().copied().filter(|account| seen.insert(*account)).collect()
}

/// For a store that does not tell what became of a message.
pub(crate) fn not_told() -> Reply {
    Reply::new(ReplyCode::LOCAL_ERROR, "4.3.0 Not available now")
}

fn verdict(delivered: Result<Delivered>) -> Reply {
    match delivered {
        Ok(delivered) => Reply::new(ReplyCode::OK, &format!("2.0.0 Stored as {}", delivered.uid)),
        Err(error) => refusal(&error),
    }
}
