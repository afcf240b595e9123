//! Where the mail in the queue goes: into mailboxes here, to the servers of its recipients, or to a smart host.

use bytes::Bytes;
use mailwire_examples::queue::{Carrier, Fate, Parcel, Why};
use mailwire_store::{AccountId, BodyWriter as _, Error, Store, Target};
use mailwire_transport::{
    self as transport,
    deliver::{Delivery, Reason},
    smtp::{
        Envelope, Mailer, Outcome,
        proto::{Mailbox, Rcpt, trace::ReturnPath},
    },
};

use crate::submission::{Ours, account};

/// The way to others.
#[derive(Debug)]
pub(crate) enum Way {
    Nowhere,
    Mx(Box<Delivery>),
    /// With its name.
    SmartHost(Box<Mailer>, String),
}

#[derive(Debug)]
pub(crate) struct Post<S> {
    pub(crate) store: S,
    pub(crate) ours: Ours,
    pub(crate) way: Way,
}

impl<S: Store> Carrier for Post<S> {
    async fn carry(&self, parcel: Parcel) -> Vec<Fate> {
        let recipients = parcel.envelope.recipients();
        let is_here = |rcpt: &&Rcpt| rcpt.to.mailbox().is_some_and(|to| self.ours.has(to.domain()));
        let (here, away): (Vec<&Rcpt>, Vec<&Rcpt>) = recipients.iter().partition(is_here);
        let here: Vec<&Mailbox> = here.into_iter().filter_map(|rcpt| rcpt.to.mailbox()).collect();
        let (mut local, mut remote) =
            tokio::join!(async { self.put(&parcel, &here).await.into_iter() }, async {
                self.send(&parcel, &away).await.into_iter()
            },);
        let unsaid = || Fate::Deferred(Why::new("4.3.0", "nothing is known of it"));
        let fates = recipients.iter().map(|to| if is_here(&to) { local.next() } else { remote.next() });
        fates.map(|fate| fate.unwrap_or_else(unsaid)).collect()
    }
}

impl<S: Store> Post<S> {
    /// Puts a message into mailboxes here.
    async fn put(&self, parcel: &Parcel, to: &[&Mailbox]) -> Vec<Fate> {
        let mut found = Vec::with_capacity(to.len());
        for to in to {
            found.push(account(&self.store, to).await);
        }
        let mut accounts: Vec<AccountId> =
            found.iter().filter_map(|found| found.as_ref().ok().copied()).collect();
        accounts.sort_unstable();
        accounts.dedup();
        let put = if accounts.is_empty() { Ok(Vec::new()) } else { self.deliver(parcel, &accounts).await };
        let fate = |found: Result<AccountId, Error>| {
            let account = match found {
                Ok(account) => account,
                Err(error) => return failed(&error),
            };
            match (&put, accounts.binary_search(&account)) {
                (Ok(fates), Ok(at)) => {
                    fates.get(at).cloned().unwrap_or_else(|| failed(&Error::NoSuchAccount))
                }
                (Err(error), _) => failed(error),
                (_, Err(_)) => failed(&Error::NoSuchAccount),
            }
        };
        found.into_iter().map(fate).collect()
    }

    async fn deliver(&self, parcel: &Parcel, accounts: &[AccountId]) -> Result<Vec<Fate>, Error> {
        let mut fields = Vec::new();
        ReturnPath::new(parcel.envelope.mail().from.clone()).write(&mut fields);
        let size = (fields.len() as u64).saturating_add(parcel.message.len() as u64);
        let mut writer = self.store.body(accounts, Some(size)).await?;
        writer.write(Bytes::from(fields)).await?;
        writer.write(parcel.message.clone()).await?;
        let body = writer.finish().await?;
        let targets: Vec<Target> = accounts.iter().copied().map(Target::inbox).collect();
        let delivered = self.store.deliver(body, &targets).await;
        let fate =
            |delivered: Result<_, Error>| delivered.map_or_else(|error| failed(&error), |_| Fate::Delivered);
        Ok(delivered.into_iter().map(fate).collect())
    }

    /// Sends a message to others, who are told what the sender wants to hear of.
    async fn send(&self, parcel: &Parcel, to: &[&Rcpt]) -> Vec<Fate> {
        if to.is_empty() {
            return Vec::new();
        }
        let envelope = Envelope::from_commands(parcel.envelope.mail().clone(), to.iter().copied().cloned());
        match &self.way {
            Way::Nowhere => {
                let why = Why::new("5.4.4", "no mail leaves from here");
                vec![Fate::Failed(why); to.len()]
            }
            Way::Mx(delivery) => Fate::of(&delivery.deliver(&envelope, parcel.message.clone()).await),
            Way::SmartHost(mailer, host) => {
                by_smart_host(mailer, host, &envelope, parcel.message.clone()).await
            }
        }
    }
}

/// What the store's error means for a message.
fn failed(error: &Error) -> Fate {
    match error {
        Error::NoSuchAccount => Fate::Failed(Why::new("5.1.1", "there is no such user here")),
        Error::OverQuota => Fate::Deferred(Why::new("4.2.2", "the mailbox is full")),
        Error::Full => Fate::Deferred(Why::new("4.3.1", "the mail system is full")),
        Error::Unknown(_) => Fate::InDoubt(Why::new("4.3.0", error)),
        error => Fate::Deferred(Why::new("4.3.0", error)),
    }
}

/// Sends a message to one server for all recipients, and says what it said of each.
async fn by_smart_host(mailer: &Mailer, host: &str, envelope: &Envelope, message: Bytes) -> Vec<Fate> {
    let all = |fate: Fate| vec![fate; envelope.recipients().len()];
    let mut client = match mailer.client().await {
        Ok(client) => client,
        Err(error) => {
            // A server that is not there, or lets this one not in, says nothing about the message.
            let mut why = reason(&error, host);
            why.code = match (&why.reply, why.code.get(1..)) {
                (Some(_), Some(rest)) => format!("4{rest}"),
                _ => "4.4.1".to_owned(),
            };
            return all(Fate::Deferred(why));
        }
    };
    let (refused, rest) = match client.send(envelope, message).await {
        Ok(sent) => (sent.refused, Fate::Relayed { reports: !client.leaves_out_reports(envelope) }),
        Err(error) => {
            let rest = fate(&error, client.outcome(), host);
            // What is said of recipients after a refusal of MAIL is about their order.
            let is_of_all = error.refused().is_some_and(|refused| refused.command == "MAIL");
            (if is_of_all { Vec::new() } else { client.take_refused() }, rest)
        }
    };
    let said = envelope.recipients().iter().map(|rcpt| {
        let own = refused.iter().find(|refused| refused.recipient == rcpt.to);
        own.map_or_else(|| rest.clone(), |own| fate(&own.error, own.outcome, host))
    });
    said.collect()
}

/// What an error of the smart host, or of the way to it, means for a message.
fn fate(error: &transport::Error, outcome: Outcome, host: &str) -> Fate {
    let why = reason(error, host);
    match outcome {
        Outcome::Unknown => Fate::InDoubt(why),
        _ if is_for_good(error) => Fate::Failed(why),
        _ => Fate::Deferred(why),
    }
}

fn is_for_good(error: &transport::Error) -> bool {
    match error {
        transport::Error::Refused(refused) => !refused.is_transient(),
        // What this host does not offer, or what cannot be said to it.
        transport::Error::Misuse(_) | transport::Error::Invalid(_) => true,
        _ => false,
    }
}

fn reason(error: &transport::Error, host: &str) -> Why {
    Why::of(&Reason::of(error), Some(host))
}
