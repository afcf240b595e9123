//! What users send: into the queue, whomever it is for.

use std::{sync::Arc, time::SystemTime};

use bytes::{Bytes, BytesMut};
use mailwire_examples::queue::{Queue, QueueError};
use mailwire_store::{AccountId, Error, Room, Store};
use mailwire_transport::smtp::{
    Envelope,
    proto::{
        Capability, EnhancedStatus, ForwardPath, Host, Mail, Mailbox, Rcpt, Reply, ReplyCode,
        extensions::future_release::{FutureRelease, HoldInterval},
        trace::Timestamp,
    },
    server::{Body, BodyError, Client, Service, Session, Transaction},
};

use crate::{dkim::Signers, users::Users};

/// Whose mail goes where.
#[derive(Debug, Clone)]
pub(crate) struct Ours {
    pub(crate) name: Host,
    pub(crate) domains: Arc<[String]>,
}

impl Ours {
    /// Whether a domain's mail is for users of this server.
    pub(crate) fn has(&self, domain: &str) -> bool {
        self.domains.iter().any(|ours| ours.eq_ignore_ascii_case(domain))
    }
}

/// The account that gets the mail for an address, as the SMTP service of a store finds it.
pub(crate) async fn account(store: &impl Store, address: &Mailbox) -> mailwire_store::Result<AccountId> {
    let local_part = address.unquoted_local_part();
    match store.account(&format!("{local_part}@{}", address.domain())).await {
        Err(Error::NoSuchAccount) if local_part.eq_ignore_ascii_case("postmaster") => {
            store.postmaster(Some(address.domain())).await
        }
        found => found,
    }
}

/// The service of submission, for users of the store alone.
#[derive(Debug, Clone)]
pub(crate) struct Submission<S> {
    pub(crate) store: S,
    pub(crate) ours: Ours,
    pub(crate) queue: Queue,
    pub(crate) room: Room,
    pub(crate) signers: Signers,
    /// Whether there is a way to others.
    pub(crate) leaves: bool,
    /// The longest for which messages are held back; `None`: they are not.
    pub(crate) longest_hold: Option<HoldInterval>,
    /// Whether users say which messages go first.
    pub(crate) priorities: bool,
}

impl<S: Users> Service for Submission<S> {
    type Session = Sending<S>;
    type Authenticator = S;

    fn authenticator(&self) -> &S {
        &self.store
    }

    /// What the queue keeps, and those who take its messages are told.
    fn extensions(&self) -> Vec<Capability> {
        let mut offered = vec![Capability::Dsn, Capability::RequireTls];
        offered.extend(self.priorities.then_some(Capability::MtPriority(None)));
        offered
    }

    fn extensions_for(&self, _: &Client) -> Vec<Capability> {
        let offered = self.longest_hold.map(|longest| FutureRelease::starting(SystemTime::now(), longest));
        offered.and_then(Result::ok).map(Capability::FutureRelease).into_iter().collect()
    }

    async fn connect(&self, _: &Client) -> Result<Sending<S>, Reply> {
        Ok(Sending { service: self.clone(), recipients: Vec::new() })
    }
}

/// One connection of a user.
#[derive(Debug)]
pub(crate) struct Sending<S> {
    service: Submission<S>,
    recipients: Vec<Rcpt>,
}

impl<S: Users> Sending<S> {
    /// Whether the address is one of the user who has logged in.
    async fn is_own(&self, client: &Client, from: &Mailbox) -> mailwire_store::Result<bool> {
        let Some(identity) = &client.identity else { return Ok(false) };
        let store = &self.service.store;
        match account(store, from).await {
            Ok(account) => Ok(account == store.account(&identity.acting_as).await?),
            Err(Error::NoSuchAccount) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl<S: Users> Sending<S> {
    /// The signature of the domain that a message is from, if it has a key, and the user may write from there.
    async fn signature(&self, client: &Client, message: &Bytes) -> mailwire_store::Result<String> {
        // It goes through the whole message.
        let signers = &self.service.signers;
        let Some(from) = tokio::task::block_in_place(|| signers.author(message)) else {
            return Ok(String::new());
        };
        Ok(match self.is_own(client, &from).await? {
            true => tokio::task::block_in_place(|| signers.sign(from.domain(), message)),
            false => String::new(),
        })
    }
}

/// Of a store, or of the queue, that is not to be had now.
fn not_now(error: &dyn std::fmt::Display) -> Reply {
    tracing::warn!(%error, "a message is not taken");
    Reply::new(ReplyCode::LOCAL_ERROR, "4.3.0 Not available now")
}

/// Why a message does not get into the queue. RFC 4865 section 6 names 5.7.16 for what a user may have held back, which stands for
/// something else by now.
fn not_queued(error: &QueueError) -> Reply {
    match error {
        QueueError::Full => Reply::new(ReplyCode::INSUFFICIENT_STORAGE, "4.3.1 The queue is full"),
        QueueError::Held => EnhancedStatus::MailboxFull.reject("You have as much held back as may be"),
        error => not_now(error),
    }
}

impl<S: Users> Session for Sending<S> {
    async fn mail(&mut self, client: &Client, mail: &Mail) -> Reply {
        self.recipients.clear();
        let holds = mail.parameters().hold.is_some();
        // The null address is of reports that a user's program sends, which are not held (RFC 4865 section 5).
        match mail.from.mailbox() {
            None if holds => return EnhancedStatus::InvalidArguments.reject("Reports are not held back"),
            None => return Reply::new(ReplyCode::OK, "2.1.0 Ok"),
            Some(from) => match self.is_own(client, from).await {
                Ok(true) => {}
                Ok(false) => {
                    return Reply::new(ReplyCode::MAILBOX_UNAVAILABLE, "5.7.1 The address is not yours");
                }
                Err(error) => return not_now(&error),
            },
        }
        if holds {
            let size = mail.size.unwrap_or(0);
            if let Err(error) = self.service.queue.check_hold(mail.from.clone(), size).await {
                return not_queued(&error);
            }
        }
        Reply::new(ReplyCode::OK, "2.1.0 Ok")
    }

    async fn rcpt(&mut self, _: &Client, rcpt: &Rcpt) -> Reply {
        let ours = &self.service.ours;
        let mailbox = match &rcpt.to {
            ForwardPath::Mailbox(mailbox) => Ok(mailbox.clone()),
            ForwardPath::Postmaster => Mailbox::new("postmaster", &ours.name),
            ForwardPath::Local(local_part) => Mailbox::new(&local_part.unquoted(), &ours.name),
        };
        let Ok(mailbox) = mailbox else {
            return Reply::new(ReplyCode::BAD_MAILBOX, "5.1.3 Give a whole address");
        };
        if ours.has(mailbox.domain()) {
            match account(&self.service.store, &mailbox).await {
                Ok(_) => {}
                Err(Error::NoSuchAccount) => {
                    return Reply::new(ReplyCode::MAILBOX_UNAVAILABLE, "5.1.1 No such user here");
                }
                Err(error) => return not_now(&error),
            }
        } else if !self.service.leaves {
            return Reply::new(ReplyCode::MAILBOX_UNAVAILABLE, "5.7.1 No mail leaves from here");
        }
        // Whoever is named twice gets it once.
        let to = ForwardPath::from(mailbox);
        if self.recipients.iter().all(|known| known.to != to) {
            let mut kept = rcpt.clone();
            kept.to = to;
            self.recipients.push(kept);
        }
        Reply::new(ReplyCode::OK, "2.1.5 Ok")
    }

    async fn message(
        &mut self,
        client: &Client,
        transaction: &Transaction,
        body: &mut Body<'_>,
    ) -> Result<Reply, BodyError> {
        let recipients = std::mem::take(&mut self.recipients);
        let whole = match self.service.room.read(body).await? {
            Ok(whole) => whole,
            Err(reply) => return Ok(reply),
        };
        let message = with_numbers(&whole.message, &self.service.ours.name);
        let signature = match self.signature(client, &message).await {
            Ok(signature) => signature,
            Err(error) => return Ok(not_now(&error)),
        };
        let mut fields = Vec::new();
        let mut received = client.received(transaction);
        received.priority = transaction.mail.parameters().priority;
        received.write(&mut fields);
        fields.extend_from_slice(signature.as_bytes());
        let envelope = Envelope::from_commands(kept(&transaction.mail), recipients);
        Ok(match self.service.queue.add(envelope, joined(&fields, &message)).await {
            Ok(number) => Reply::new(ReplyCode::OK, &format!("2.0.0 Queued as {number}")),
            Err(error) => not_queued(&error),
        })
    }

    async fn reset(&mut self) {
        self.recipients.clear();
    }
}

/// Of MAIL what is for those who deliver the message.
fn kept(mail: &Mail) -> Mail {
    let said = mail.parameters();
    let mut kept = Mail::new(mail.from.clone()).with_require_tls(said.require_tls);
    if said.hold.is_some() || said.priority.is_some() {
        let parameters = kept.parameters_mut();
        (parameters.hold, parameters.priority) = (said.hold.clone(), said.priority);
    }
    if said.ret.is_some() || said.envelope_id.is_some() {
        let parameters = kept.parameters_mut();
        (parameters.ret, parameters.envelope_id) = (said.ret, said.envelope_id.clone());
    }
    kept
}

/// The message with a date and a number of its own where it has none ([RFC 6409 section
/// 8](https://www.rfc-editor.org/rfc/rfc6409#section-8)).
fn with_numbers(message: &Bytes, name: &Host) -> Bytes {
    let mut fields = String::new();
    if !has_field(message, b"date") {
        fields = format!("Date: {}\r\n", Timestamp::from(SystemTime::now()));
    }
    let mut random = [0; 12];
    if !has_field(message, b"message-id") && getrandom::fill(&mut random).is_ok() {
        let number: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        fields += &format!("Message-ID: <{number}@{name}>\r\n");
    }
    joined(fields.as_bytes(), message)
}

fn joined(fields: &[u8], message: &Bytes) -> Bytes {
    if fields.is_empty() {
        return message.clone();
    }
    let mut whole = BytesMut::with_capacity(fields.len() + message.len());
    whole.extend_from_slice(fields);
    whole.extend_from_slice(message);
    whole.freeze()
}

/// Whether the header has a field of this name, in small letters.
fn has_field(message: &[u8], name: &[u8]) -> bool {
    let lines = message.split(|byte| *byte == b'\n').take_while(|line| !line.trim_ascii().is_empty());
    let mut names = lines.map(|line| line.split(|byte| *byte == b':').next().unwrap_or_default());
    names.any(|found| found.trim_ascii_end().eq_ignore_ascii_case(name))
}
