//! Watching mailboxes over one connection after another.

use std::{pin::Pin, time::Duration};

use mailwire_core::{Invalid, setters};
use mailwire_imap::{
    Capabilities,
    extensions::notify::{EventGroup, MailboxFilter, Notify, NotifyEvent},
    sync::{Change, InDoubt, SyncOptions, SyncState, Synchronizer},
    types::{MailboxName, Uid},
    view::View,
};
use tokio::time::Instant;

use crate::runtime::sleep_until;

use super::{
    Client, Update,
    mirror::{Mirror, Waiting},
};
use crate::{Error, Result, pauses::pause_after};

/// Keeps a mirror of a mailbox in step with the server for as long as it takes, and hears of other mailboxes where
/// the server tells.
///
/// News come by NOTIFY ([RFC 5465](https://www.rfc-editor.org/rfc/rfc5465)), else by IDLE, else by asking now and
/// then. A connection that is lost, or does not answer, is made anew after a pause; the mirror goes on where it
/// was, so that nothing is missed and nothing comes twice. See [`mailwire_imap::sync`] for what to store when, and
/// [`Change`] for what to do with changes.
///
/// It can be dropped at any time, and goes on from what was stored.
///
/// # Examples
///
/// ```no_run
/// use mailwire_transport::{Endpoint, Protocol, Security, imap, sasl::Credentials};
/// use mailwire_transport::imap::{MailboxName, WatchEvent, proto::sync::{Change, SyncOptions, SyncState}};
///
/// # async fn run() -> mailwire_transport::Result<()> {
/// let server = Endpoint::new("imap.example.org", Protocol::Imap, Security::implicit_tls());
/// let config = imap::Config::login(Credentials::password("ada", "secret"));
/// let connect = move || imap::Client::connect_with(server.clone(), config.clone());
/// let inbox = SyncOptions::new(MailboxName::INBOX);
/// let mut watch = imap::Watch::new(connect, SyncState::default(), [], inbox);
/// loop {
///     match watch.next().await? {
///         WatchEvent::Change(Change::New { uid, .. }) => println!("{uid} is new"),
///         WatchEvent::Lost { error, pause } => println!("{error}; trying again in {pause:?}"),
///         _ => {}
///     }
/// }
/// # }
/// ```
#[must_use]
pub struct Watch<'a> {
    connect: Box<dyn FnMut() -> Connecting + Send>,
    options: WatchOptions,
    mirror: Mirror,
    line: Line<'a>,
    pauses: Pauses,
    /// The application was told that the mirror is in step, over the present connection.
    in_step: bool,
    /// The doubt that it was told of last.
    in_doubt: Option<InDoubt>,
    /// What is wrong with the options.
    invalid: Option<Invalid>,
}

type Connecting = Pin<Box<dyn Future<Output = Result<Client>> + Send>>;

enum Line<'a> {
    /// There is a pause.
    Down,
    Connecting(Connecting),
    Lent(&'a mut Client),
    Own(Box<Client>),
}

/// Options of a [`Watch`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WatchOptions {
    /// What is to be told of other mailboxes, where the server has NOTIFY; nothing by default.
    /// [`with_others`](Self::with_others) adds the common events. The STATUS of each mailbox comes first, over each
    /// connection.
    pub others: Vec<EventGroup>,
    /// Whether NOTIFY is used; true by default.
    pub notify: bool,
    /// Whether IDLE is used; true by default. How long one lasts says
    /// [`Config::idle_interval`](field@super::Config::idle_interval) of each client.
    pub idle: bool,
    /// How often a server is asked for news that has neither: once a minute by default.
    pub poll: Duration,
    /// How long the server may be silent while it is asked for news, or begins or ends an IDLE: a minute by default.
    /// After that the connection counts as lost, and a new one is made. For other commands,
    /// [`Timeouts::command`](crate::Timeouts::command) is the limit.
    pub patience: Duration,
    /// The pause after the first connection that failed or was lost: a second by default. Each further one is
    /// twice as long, and each is shortened by chance, to no less than a half, so that not all clients of a server
    /// that begins anew come at once. After a connection that has held for a minute, it is the first again.
    pub first_pause: Duration,
    /// The longest pause: 5 minutes by default.
    pub longest_pause: Duration,
    /// How many failures in a row are made good by another attempt; `None`, the default: any number.
    pub attempts: Option<u32>,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            others: Vec::new(),
            notify: true,
            idle: true,
            poll: Waiting::POLL,
            patience: Duration::from_secs(60),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(5 * 60),
            attempts: None,
        }
    }
}

impl WatchOptions {
    /// Makes the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has the server tell, where it can, of messages that come and go in these mailboxes, and of mailboxes that
    /// are made, deleted and renamed.
    #[must_use]
    pub fn with_others(mut self, mailboxes: MailboxFilter) -> Self {
        let events =
            [NotifyEvent::MessageNew(Vec::new()), NotifyEvent::MessageExpunge, NotifyEvent::MailboxName];
        self.others.push(EventGroup::new(mailboxes, events));
        self
    }

    fn waiting(&self) -> Result<Waiting, Invalid> {
        let here =
            [NotifyEvent::MessageNew(Vec::new()), NotifyEvent::MessageExpunge, NotifyEvent::FlagChange];
        let mut groups = vec![EventGroup::new(MailboxFilter::Selected, here)];
        groups.extend_from_slice(&self.others);
        let notify = Notify::set(groups)?.with_status(!self.others.is_empty());
        Ok(Waiting {
            notify: self.notify.then_some(notify),
            idle: self.idle,
            poll: self.poll.max(Duration::from_millis(10)),
            patience: Some(self.patience),
        })
    }
}

setters!(WatchOptions {
    with_notify(notify: bool),
    with_idle(idle: bool),
    with_poll(poll: Duration),
    with_patience(patience: Duration),
    with_first_pause(first_pause: Duration),
    with_longest_pause(longest_pause: Duration),
    with_attempts(attempts: some u32),
});

/// Something that happened, from [`Watch::next`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum WatchEvent {
    /// A change of the mirror.
    Change(Change),
    /// The mirror is in step, for the first time over this connection. What follows comes as it happens.
    InStep,
    /// The mirror is as near as the server lets it come. Nothing in it was invented; something may be missing
    /// until the next connection.
    InDoubt(InDoubt),
    /// News of other mailboxes ([`Update::Data`]), words of the server for people ([`Update::Notice`]), or that some
    /// of these were lost ([`Update::Overflow`]).
    Update(Update),
    /// A connection was lost, or could not be made. [`next`](Watch::next) makes another one after a pause.
    Lost {
        /// Why.
        error: Error,
        /// How long the pause is.
        pause: Duration,
    },
}

impl Watch<'static> {
    /// Watches INBOX over connections that `connect` makes, with nothing known of it: what is there comes first, as
    /// [`Change::New`], then [`WatchEvent::InStep`], then what happens.
    ///
    /// ```no_run
    /// use mailwire_transport::imap::{Client, Watch, WatchEvent, proto::sync::Change};
    ///
    /// # async fn run() -> mailwire_transport::Result<()> {
    /// let mut watch = Watch::inbox(|| Client::connect_to("imaps://ada:secret@mail.example.org"));
    /// loop {
    ///     if let WatchEvent::Change(Change::New { uid, .. }) = watch.next().await? {
    ///         println!("{uid} has come");
    ///     }
    /// }
    /// # }
    /// ```
    pub fn inbox<F>(connect: impl FnMut() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<Client>> + Send + 'static,
    {
        Self::new(connect, SyncState::default(), [], SyncOptions::new(MailboxName::INBOX))
    }

    /// Watches a mailbox over connections that `connect` makes: clients that are logged in, made anew each time,
    /// with the credentials of that moment.
    ///
    /// `state` and `known` are what the application has stored: how far it had come, and the identifiers of the
    /// messages that it has, in ranges with both ends.
    pub fn new<F>(
        connect: impl FnMut() -> F + Send + 'static,
        state: SyncState,
        known: impl IntoIterator<Item = (Uid, Uid)>,
        options: SyncOptions,
    ) -> Self
    where
        F: Future<Output = Result<Client>> + Send + 'static,
    {
        let sync = Synchronizer::new(state, known, &Capabilities::unknown(), options);
        let mirror = Mirror::new(sync, Waiting::default());
        Self::with_line(Line::Down, mirror, connect)
    }
}

impl<'a> Watch<'a> {
    /// Goes on with a mirror over a connection that there is.
    pub(super) fn over<F>(
        client: &'a mut Client,
        mirror: Mirror,
        connect: impl FnMut() -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Client>> + Send + 'static,
    {
        Self::with_line(Line::Lent(client), mirror, connect)
    }

    fn with_line<F>(line: Line<'a>, mirror: Mirror, mut connect: impl FnMut() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<Client>> + Send + 'static,
    {
        Self {
            connect: Box::new(move || Box::pin(connect())),
            options: WatchOptions::default(),
            mirror,
            line,
            pauses: Pauses::new(),
            in_step: false,
            in_doubt: None,
            invalid: None,
        }
        .with_options(WatchOptions::default())
    }

    /// Sets how news are waited for, and connections made.
    pub fn with_options(mut self, options: WatchOptions) -> Self {
        match options.waiting() {
            Ok(waiting) => self.mirror.wait_by(self.line.client(), waiting),
            Err(invalid) => self.invalid = Some(invalid),
        }
        self.options = options;
        self
    }

    /// Waits for what happens next. Cancel-safe.
    ///
    /// # Errors
    ///
    /// What another attempt would not mend: the server refuses the login or the mailbox, or breaks the protocol
    /// before the mirror is in step; or all [attempts](WatchOptions::attempts) have failed. Nothing is lost with it:
    /// the next call makes another connection, after a pause as after any other.
    pub async fn next(&mut self) -> Result<WatchEvent> {
        if let Some(invalid) = self.invalid {
            return Err(invalid.into());
        }
        loop {
            if let Some(change) = self.mirror.sync.change() {
                return Ok(WatchEvent::Change(change));
            }
            match &mut self.line {
                Line::Down => {
                    sleep_until(self.pauses.end).await;
                    self.line = Line::Connecting((self.connect)());
                }
                Line::Connecting(connecting) => match connecting.await {
                    Ok(client) => self.connected(client),
                    Err(error) => return self.lost(error),
                },
                Line::Lent(_) | Line::Own(_) => match self.step().await {
                    Ok(Some(event)) => return Ok(event),
                    Ok(None) => {}
                    Err(error) => return self.lost(error),
                },
            }
        }
    }

    fn connected(&mut self, client: Client) {
        self.mirror.sync.reconnected(client.capabilities());
        self.mirror.connected(&client);
        self.pauses.begun = Some(Instant::now());
        (self.in_step, self.in_doubt) = (false, None);
        self.line = Line::Own(Box::new(client));
    }

    /// Goes on over the present connection: gives an event, or `None` where there is nothing to tell of yet.
    async fn step(&mut self) -> Result<Option<WatchEvent>> {
        let Some(client) = self.line.client_mut() else { return Ok(None) };
        self.mirror.resume(client).await?;
        while let Some(update) = client.inbox.pop() {
            // What is about the messages here is in the mirror.
            if matches!(update, Update::Notice(_) | Update::Data(_) | Update::Overflow) {
                return Ok(Some(WatchEvent::Update(update)));
            }
        }
        if let Some(change) = self.mirror.next(client).await? {
            return Ok(Some(WatchEvent::Change(change)));
        }
        match self.mirror.in_doubt {
            Some(reason) if self.in_doubt != Some(reason) => {
                self.in_doubt = Some(reason);
                return Ok(Some(WatchEvent::InDoubt(reason)));
            }
            None if !self.in_step => {
                (self.in_step, self.in_doubt) = (true, None);
                return Ok(Some(WatchEvent::InStep));
            }
            _ => {}
        }
        self.mirror.wait(client).await?;
        Ok(None)
    }

    /// The connection is lost, or could not be made: a pause begins. An error is one that another attempt would not
    /// mend.
    fn lost(&mut self, error: Error) -> Result<WatchEvent> {
        self.line = Line::Down;
        let pause = self.pauses.begin(&self.options);
        let may_pass = error.is_transient() || self.in_step;
        self.in_step = false;
        let exhausted = self.options.attempts.is_some_and(|attempts| self.pauses.failures > attempts);
        if may_pass && !exhausted { Ok(WatchEvent::Lost { error, pause }) } else { Err(error) }
    }

    /// The client, for other calls: `None` while there is no connection. Calls by UID are safe at any time;
    /// numbers of messages may change before each. Where it selects another mailbox, [`next`](Self::next) selects
    /// this one again.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(watch: &mut mailwire_transport::imap::Watch<'_>) -> mailwire_transport::Result<()> {
    /// use mailwire_transport::imap::{FetchAtt, WatchEvent, proto::sync::Change};
    ///
    /// if let WatchEvent::Change(Change::New { uid, .. }) = watch.next().await? {
    ///     if let Some(client) = watch.client() {
    ///         let mut messages = client.uid_fetch(uid, [FetchAtt::Envelope]).await?;
    ///         while let Some(message) = messages.next().await? {
    ///             println!("{:?}", message.subject());
    ///         }
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn client(&mut self) -> Option<&mut Client> {
        let client = self.line.client_mut()?;
        client.session.witness.get_or_insert_default();
        Some(client)
    }

    /// What to store beside the mirror, for the changes that were given until now.
    #[must_use]
    pub const fn state(&self) -> &SyncState {
        self.mirror.sync.state()
    }

    /// Which message of the mailbox has which number, as far as the present connection has told.
    #[must_use]
    pub const fn view(&self) -> &View {
        self.mirror.sync.view()
    }

    /// Stops: a connection that was made here is ended with LOGOUT, one that was lent is left to its owner.
    ///
    /// # Errors
    ///
    /// As [`Client::logout`].
    pub async fn stop(self) -> Result<()> {
        match self.line {
            Line::Own(client) => client.logout().await,
            Line::Lent(_) | Line::Down | Line::Connecting(_) => Ok(()),
        }
    }
}

impl Line<'_> {
    fn client(&self) -> Option<&Client> {
        match self {
            Self::Lent(client) => Some(client),
            Self::Own(client) => Some(client),
            Self::Down | Self::Connecting(_) => None,
        }
    }

    fn client_mut(&mut self) -> Option<&mut Client> {
        match self {
            Self::Lent(client) => Some(client),
            Self::Own(client) => Some(client),
            Self::Down | Self::Connecting(_) => None,
        }
    }
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("client", &self.line.client())
            .field("in_step", &self.in_step)
            .finish_non_exhaustive()
    }
}

/// Pauses between connections: each is twice as long as the one before.
struct Pauses {
    /// When the present connection was made, if there is one.
    begun: Option<Instant>,
    /// How many in a row have failed, or were lost soon.
    failures: u32,
    /// When the pause ends.
    end: Instant,
}

impl Pauses {
    /// A connection that has held for so long makes good what was before it.
    const HELD: Duration = Duration::from_secs(60);

    fn new() -> Self {
        let now = Instant::now();
        Self { begun: Some(now), failures: 0, end: now }
    }

    /// A pause begins: how long it is.
    fn begin(&mut self, options: &WatchOptions) -> Duration {
        let now = Instant::now();
        if self.begun.take().is_some_and(|begun| now.saturating_duration_since(begun) >= Self::HELD) {
            self.failures = 0;
        }
        let pause = pause_after(self.failures, options.first_pause, options.longest_pause);
        self.failures = self.failures.saturating_add(1);
        self.end = now + pause;
        pause
    }
}
