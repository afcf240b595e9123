//! Any store as a destination of SMTP and LMTP.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use mailwire_smtp::{
    Capability, Command, EnhancedStatus, ForwardPath, Mail, Query, Rcpt, Reply, ReplyCode,
    extensions::priority::Priority, server::default_reply,
};
use mailwire_transport::{
    proxy_protocol::Network,
    sasl::Authenticator,
    smtp::server::{Body, BodyError, Client, Service, Session, Transaction},
};

#[cfg(feature = "reports")]
use crate::reports::{Reporting, Reports};
use crate::{
    AccountId, BodyId, Error, Inspector, Result, Room, Store,
    delivering::{distinct, not_told},
    inspect::Inspection,
    service::over_store,
    staging::Staged,
    valid_since::Required,
};

over_store! {
    /// An SMTP or LMTP service over any [`Store`], for an [`smtp::Server`](mailwire_transport::smtp::Server).
    ///
    /// It takes mail for the store's accounts from anybody, puts it into their INBOX, and relays nothing. Who gets
    /// the postmaster's mail says [`Store::postmaster`]. Each message gets the fields `Return-Path` and `Received` before it;
    /// see [`with_trace_fields`](Self::with_trace_fields).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use mailwire_store::{SmtpService, memory::MemoryStore};
    /// use mailwire_transport::{Result, Security, server::Listener, smtp, tls::ServerTls};
    /// use tokio_util::sync::CancellationToken;
    ///
    /// # async fn run(store: MemoryStore, tls: ServerTls) -> Result<()> {
    /// let server = smtp::Server::new(SmtpService::new(store), "mx.example.org".try_into()?);
    /// let listener = Listener::bind("[::]:25", Security::required_starttls(), Some(tls)).await?;
    /// server.serve(listener, CancellationToken::new()).await
    /// # }
    /// ```
    SmtpService,
    trace_fields: bool = true,
    verify: bool = false,
    observer: Observer = Observer(None),
    inspection: Option<Inspection> = None,
    valid_since: bool = false,
    priorities: bool = false,
    trusted: Vec<Network> = Vec::new(),
    #[cfg(feature = "reports")]
    reports: Option<Reports> = None
}

impl<S: Store, A: Authenticator> SmtpService<S, A> {
    /// Sets whether VRFY is answered by whether there is such a mailbox, to whoever may ask ([RFC 5321 section
    /// 7.3](https://www.rfc-editor.org/rfc/rfc5321#section-7.3) has reasons not to). By default it is 252: the server does
    /// not say.
    #[must_use]
    pub const fn with_verify(mut self, verify: bool) -> Self {
        self.verify = verify;
        self
    }

    /// Sets whether RRVS is offered ([RFC 7293](https://www.rfc-editor.org/rfc/rfc7293)): mail for who had the address at a
    /// time is refused where [`Store::owner_since`] knows somebody else by then. So it is where a field
    /// `Require-Recipient-Valid-Since` says it of a recipient of whom RCPT does not; messages are stored without such fields. False
    /// by default.
    #[must_use]
    pub const fn with_valid_since(mut self, valid_since: bool) -> Self {
        self.valid_since = valid_since;
        self
    }

    /// Sets whether MT-PRIORITY is offered ([RFC 6710](https://www.rfc-editor.org/rfc/rfc6710)). Every message is delivered
    /// at once, so that its priority is told in `Received` and changes nothing else. One above 0 counts for clients alone that
    /// have logged in, and over LMTP, for others it is 0. False by default.
    #[must_use]
    pub const fn with_priorities(mut self, priorities: bool) -> Self {
        self.priorities = priorities;
        self
    }

    /// Trusts the clients in these networks to tell, for their own clients, who they are: XCLIENT and XFORWARD are offered to
    /// them, and `Received` names who they speak for. Nobody is trusted by default.
    #[must_use]
    pub fn with_trusted(mut self, networks: impl IntoIterator<Item = Network>) -> Self {
        self.trusted = networks.into_iter().collect();
        self
    }

    /// Offers DSN ([RFC 3461](https://www.rfc-editor.org/rfc/rfc3461)) and DELIVERBY ([RFC
    /// 2852](https://www.rfc-editor.org/rfc/rfc2852)), and sends the reports that senders ask for: into the INBOX of a sender
    /// whose address is this store's, for others by the [queue](crate::ReportQueue). Nobody answers the null address.
    ///
    /// A message that is delivered to some recipients and then not to others, as the store fails or one's room was taken
    /// meanwhile, is accepted, and a report of failure says to whom it did not get. Without reports it is refused, so
    /// that a client sends it to all of them again.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_store::{OutgoingReport, Reports, SmtpService, memory::MemoryStore};
    /// use tokio::sync::mpsc;
    ///
    /// let (queue, mut reports) = mpsc::channel::<OutgoingReport>(100);
    /// let service = SmtpService::new(MemoryStore::new()).with_reports(Reports::new(queue));
    /// // Elsewhere, `reports.recv()` gives each report, which is sent on by an SMTP client.
    /// # let _ = (service, reports);
    /// ```
    #[cfg(feature = "reports")]
    #[must_use]
    pub fn with_reports(mut self, reports: Reports) -> Self {
        self.reports = Some(reports);
        self
    }

    /// Sets whether `Return-Path` and `Received` are put before each message, as whoever delivers it must ([RFC 5321
    /// section 4.4](https://www.rfc-editor.org/rfc/rfc5321#section-4.4)): true by default. Without them, messages are
    /// stored byte for byte as they come.
    #[must_use]
    pub const fn with_trace_fields(mut self, trace_fields: bool) -> Self {
        self.trace_fields = trace_fields;
        self
    }

    /// Has each message looked at before it is stored, and refused, or stored with what was found. It is whole in memory
    /// meanwhile; who has no room there is told to try again.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{future::Future, pin::Pin};
    /// use bytes::Bytes;
    /// use mailwire_store::{Inspector, Room, SmtpService, memory::MemoryStore};
    /// use mailwire_transport::smtp::{proto::{Reply, ReplyCode}, server::{Client, Transaction}};
    ///
    /// struct NoCats;
    ///
    /// impl Inspector for NoCats {
    ///     fn inspect<'a>(&'a self, _: &'a Client, _: &'a Transaction, message: Bytes)
    ///         -> Pin<Box<dyn Future<Output = Result<Vec<Bytes>, Reply>> + Send + 'a>>
    ///     {
    ///         Box::pin(async move {
    ///             if message.windows(4).any(|word| word == b"meow") {
    ///                 return Err(Reply::new(ReplyCode::FAILED, "5.7.1 No cats"));
    ///             }
    ///             Ok(vec![Bytes::from("X-Cats: none\r\n"), message])
    ///         })
    ///     }
    /// }
    ///
    /// let service = SmtpService::new(MemoryStore::new()).with_inspector(NoCats, Room::new(256 << 20));
    /// ```
    #[must_use]
    pub fn with_inspector(mut self, inspector: impl Inspector, room: Room) -> Self {
        self.inspection = Some(Inspection { inspector: Arc::new(inspector), room });
        self
    }

    /// Shows each message that was taken, after it is stored and before the client is told: to a webhook, an index, a
    /// test. Nothing waits for what this does, and it must not take long: let it send the [`BodyId`] to a task.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_store::{SmtpService, memory::MemoryStore};
    ///
    /// let (told, _news) = tokio::sync::mpsc::unbounded_channel();
    /// let service = SmtpService::new(MemoryStore::new()).with_observer(move |delivery| {
    ///     // Whoever receives this from the channel reads the message by `Store::read`.
    ///     let _ = told.send((delivery.transaction.from().clone(), delivery.body));
    /// });
    /// ```
    #[must_use]
    pub fn with_observer(mut self, observe: impl Fn(&Delivery<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Observer(Some(Arc::new(observe)));
        self
    }
}

/// A message that an [`SmtpService`] has taken, and stored for one recipient at least.
#[non_exhaustive]
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// Who sent it, as far as that is known.
    pub client: &'a Client,
    /// What was said of it before it came. In LMTP it need not be stored for each of the recipients.
    pub transaction: &'a Transaction,
    /// The body in the store. It can be read until the last of the recipients deletes it.
    pub body: BodyId,
    /// The number of bytes at the beginning of the body that the service has put there: `Return-Path` and `Received`.
    pub added: u64,
}

/// Is shown each message.
#[derive(Clone)]
pub(crate) struct Observer(pub(crate) Option<Arc<Observe>>);

pub(crate) type Observe = dyn Fn(&Delivery<'_>) + Send + Sync;

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Observer").field(&self.0.is_some()).finish()
    }
}

impl<S: Store, A: Authenticator + 'static> Service for SmtpService<S, A> {
    type Session = SmtpSession<S>;
    type Authenticator = A;

    fn authenticator(&self) -> &A {
        &self.authenticator
    }

    fn extensions(&self) -> Vec<Capability> {
        let mut kept = Vec::new();
        kept.extend(self.valid_since.then_some(Capability::Rrvs));
        kept.extend(self.priorities.then_some(Capability::MtPriority(None)));
        #[cfg(feature = "reports")]
        if self.reports.is_some() {
            kept.extend([Capability::Dsn, Capability::DeliverBy(Default::default())]);
        }
        kept
    }

    fn trusts(&self, client: &Client) -> bool {
        let within = |network: &Network| client.address.is_some_and(|it| network.contains(it.ip()));
        self.trusted.iter().any(within)
    }

    async fn connect(&self, _client: &Client) -> Result<SmtpSession<S>, Reply> {
        Ok(SmtpSession {
            store: self.store.clone(),
            trace_fields: self.trace_fields,
            verify: self.verify,
            valid_since: self.valid_since,
            observer: self.observer.clone(),
            inspection: self.inspection.clone(),
            #[cfg(feature = "reports")]
            reporting: self.reports.clone().map(Reporting::new),
            size: 0,
            priority: None,
            recipients: Vec::new(),
        })
    }
}

/// One SMTP or LMTP connection to a [`Store`].
#[derive(Debug)]
pub struct SmtpSession<S> {
    pub(crate) store: S,
    pub(crate) trace_fields: bool,
    verify: bool,
    pub(crate) valid_since: bool,
    pub(crate) observer: Observer,
    pub(crate) inspection: Option<Inspection>,
    #[cfg(feature = "reports")]
    pub(crate) reporting: Option<Reporting>,
    size: u64,
    pub(crate) priority: Option<Priority>,
    /// An account for each RCPT, in their order: one can be named more than once.
    pub(crate) recipients: Vec<AccountId>,
}

impl<S: Store> SmtpSession<S> {
    /// Who gets the mail for a recipient.
    pub(crate) async fn recipient(&self, to: &ForwardPath) -> Result<AccountId> {
        let mailbox = match to {
            ForwardPath::Postmaster => return self.store.postmaster(None).await,
            ForwardPath::Local(local_part) => return self.store.account(&local_part.unquoted()).await,
            ForwardPath::Mailbox(mailbox) => mailbox,
        };
        let local_part = mailbox.unquoted_local_part();
        match self.store.account(&format!("{local_part}@{}", mailbox.domain())).await {
            Err(Error::NoSuchAccount) if local_part.eq_ignore_ascii_case("postmaster") => {
                self.store.postmaster(Some(mailbox.domain())).await
            }
            found => found,
        }
    }

    /// Whether what the header requires of the recipients' owners is so.
    pub(crate) async fn check_owners(
        &self,
        transaction: &Transaction,
        required: &[Required],
    ) -> Option<Reply> {
        for one in required {
            let about = transaction.recipients.iter().zip(&self.recipients);
            for (_, account) in about.filter(|(rcpt, _)| one.is_about(rcpt)) {
                let refusal = self.check_owner(*account, one.since).await;
                if refusal.is_some() {
                    return refusal;
                }
            }
        }
        None
    }

    /// Whether who has the account had it at that time, too: in seconds since 1970.
    async fn check_owner(&self, account: AccountId, valid_since: i64) -> Option<Reply> {
        match self.store.owner_since(account).await {
            Ok(None) => None,
            Ok(Some(since)) => {
                // A time before 1970 is before all others.
                let since = since.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
                let others = i64::try_from(since).is_ok_and(|since| valid_since < since);
                let refusal =
                    || Reply::new(ReplyCode::MAILBOX_UNAVAILABLE, "5.7.17 The mailbox has another owner");
                others.then(refusal)
            }
            Err(error) => {
                tracing::warn!(%error, "an owner is not known");
                Some(EnhancedStatus::OwnerUnknown.defer("The owner is not known now"))
            }
        }
    }

    /// Whether one of the recipients has no room for the message.
    async fn check_room(&self, size: u64, recipients: &[AccountId]) -> Result<()> {
        for recipient in distinct(recipients) {
            self.store.check_room(recipient, size).await?;
        }
        Ok(())
    }

    /// Gives the message up if one of the recipients has no room for it.
    async fn staged_for_all(&self, staged: Staged, recipients: &[AccountId]) -> Result<Staged> {
        let room = self.check_room(staged.size, recipients).await;
        if room.is_err() {
            self.store.deliver(staged.body, &[]).await;
        }
        room.map(|()| staged)
    }
}

pub(crate) fn refusal(error: &Error) -> Reply {
    match error {
        Error::OverQuota => Reply::new(ReplyCode::INSUFFICIENT_STORAGE, "4.2.2 Mailbox full"),
        Error::Limit(_) => Reply::new(ReplyCode::INSUFFICIENT_STORAGE, &format!("4.3.1 {error}")),
        Error::NoSuchAccount => Reply::new(ReplyCode::MAILBOX_UNAVAILABLE, "5.1.1 No such user here"),
        Error::Full => {
            tracing::warn!(%error, "the store failed");
            Reply::new(ReplyCode::INSUFFICIENT_STORAGE, "4.3.1 Mail system full")
        }
        Error::NotDone(_) | Error::Unknown(_) => {
            tracing::warn!(%error, "the store failed");
            not_told()
        }
        error => Reply::new(ReplyCode::LOCAL_ERROR, &format!("4.3.0 {error}")),
    }
}

impl<S: Store> Session for SmtpSession<S> {
    async fn mail(&mut self, client: &Client, mail: &Mail) -> Reply {
        self.recipients.clear();
        self.size = mail.size.unwrap_or(0);
        #[cfg(feature = "reports")]
        self.reporting.iter_mut().for_each(Reporting::begin);
        self.priority = mail.parameters().priority;
        let trusted = client.identity.is_some() || client.lmtp;
        if self.priority.is_some_and(|priority| priority > Priority::default()) && !trusted {
            self.priority = Some(Priority::default());
            // RFC 6710 section 4.1.
            return EnhancedStatus::PriorityChanged.accept("0 is the priority of who has not logged in");
        }
        Reply::new(ReplyCode::OK, "2.1.0 Ok")
    }

    async fn rcpt(&mut self, _client: &Client, rcpt: &Rcpt) -> Reply {
        let found = async {
            let account = self.recipient(&rcpt.to).await?;
            self.check_room(self.size, &[account]).await?;
            Ok::<_, Error>(account)
        };
        match found.await {
            Ok(account) => {
                if let Some(valid) = &rcpt.parameters().valid_since
                    && let Some(refusal) = self.check_owner(account, valid.since().unix_seconds()).await
                {
                    return refusal;
                }
                self.recipients.push(account);
                Reply::new(ReplyCode::OK, "2.1.5 Ok")
            }
            Err(error) => refusal(&error),
        }
    }

    /// One refusal refuses the message for all, so that no recipient gets it twice when the client
    /// tries again; room was asked for at RCPT.
    async fn message(
        &mut self,
        client: &Client,
        transaction: &Transaction,
        body: &mut Body<'_>,
    ) -> Result<Reply, BodyError> {
        let staged = self.stage(client, transaction, body).await?;
        let recipients = std::mem::take(&mut self.recipients);
        let staged = match staged {
            Ok(staged) => self.staged_for_all(staged, &recipients).await.map_err(|error| refusal(&error)),
            Err(reply) => Err(reply),
        };
        let staged = match staged {
            Ok(staged) => staged,
            Err(reply) => return Ok(reply),
        };
        if let Some(late) = self.give_up_late(transaction, &staged).await {
            return Ok(late);
        }
        let replies = self.deliver(&staged, &recipients).await;
        self.report(client, transaction, &staged, &replies).await;
        let told = self.report_failure(client, transaction, &staged, &replies).await;
        let refused = replies.iter().find(|reply| !reply.is_positive()).filter(|_| !told);
        if refused.is_none() {
            self.tell(client, transaction, &staged);
        }
        let reply = refused.or(replies.iter().find(|reply| reply.is_positive()));
        Ok(reply.cloned().unwrap_or_else(|| Reply::new(ReplyCode::OK, "2.0.0 Ok")))
    }

    async fn message_for_each(
        &mut self,
        client: &Client,
        transaction: &Transaction,
        body: &mut Body<'_>,
    ) -> Result<Vec<Reply>, BodyError> {
        let staged = self.stage(client, transaction, body).await?;
        let recipients = std::mem::take(&mut self.recipients);
        let staged = match staged {
            Ok(staged) => staged,
            Err(reply) => return Ok(vec![reply; recipients.len()]),
        };
        if let Some(late) = self.give_up_late(transaction, &staged).await {
            return Ok(vec![late; recipients.len()]);
        }
        let (replies, answered) = self.deliver_each(client, transaction, &staged, &recipients, body).await;
        self.report(client, transaction, &staged, &replies).await;
        answered.map(|()| replies)
    }

    async fn vrfy(&mut self, _client: &Client, who: &Query) -> Reply {
        if !self.verify {
            return default_reply(&Command::Vrfy(who.clone()));
        }
        let asked = who.text.as_str().trim_start_matches('<').trim_end_matches('>');
        let Ok(path) = ForwardPath::try_from(asked) else {
            return EnhancedStatus::AmbiguousMailbox.reject("Give a whole address");
        };
        match self.recipient(&path).await {
            Ok(_) => EnhancedStatus::RecipientValid.accept(&path.to_string()),
            Err(error) => refusal(&error),
        }
    }

    async fn reset(&mut self) {
        self.recipients.clear();
    }
}

/// Without reports nothing is told but by replies.
#[cfg(not(feature = "reports"))]
#[allow(clippy::unused_async, reason = "as with reports")]
impl<S: Store> SmtpSession<S> {
    async fn give_up_late(&self, _: &Transaction, _: &Staged) -> Option<Reply> {
        None
    }

    async fn report(&self, _: &Client, _: &Transaction, _: &Staged, _: &[Reply]) {}

    async fn report_failure(&self, _: &Client, _: &Transaction, _: &Staged, _: &[Reply]) -> bool {
        false
    }
}
