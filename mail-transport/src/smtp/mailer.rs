//! Sending over connections that are kept.

use std::{borrow::Borrow, fmt, future::Future, time::Duration};

use futures_core::Stream;
use mailwire_core::setters;
use mailwire_smtp::client::Outcome;

use super::{Client, Config, Envelope, Mailing, Messages, RefusedRecipient, Sent};
use crate::{
    Account, Endpoint, Error, Payload, Result,
    pauses::pause_after,
    pool::{Lease, Pool, PoolOptions, PoolStatus, Wanted, pooled},
    sasl::Credentials,
};

pooled!("smtp", |client| client.session.look(drop));

/// Sends messages from wherever in a program, over connections that are kept and made anew as needed: SMTP, submission or
/// LMTP. Cheap to clone: clones share the connections.
///
/// # What happens to a message
///
/// Where the connection is lost, or cannot be made, before the server can have accepted the message, it is sent over another
/// one, after a [pause](MailerOptions::first_pause), and no more often than [`MailerOptions::attempts`] says. The same holds where the server
/// ends the conversation (421). Any other refusal, for now or for good, is about the message, and is returned: what becomes
/// of a message after that is for a queue, which this is not. If the connection is lost while the server may have accepted
/// the message, the error is [`Error::InDoubt`], and nothing is sent again: so nobody gets anything twice.
///
/// A message that is [read while it is sent](Payload::from_reader) can be sent once; for such a one, a connection that was used
/// before is asked by NOOP whether it is alive.
///
/// # Examples
///
/// ```no_run
/// # async fn run() -> mailwire_transport::Result<()> {
/// use mailwire_transport::{Endpoint, Protocol, Security, sasl::Credentials, smtp};
///
/// let server = Endpoint::new("mail.example.org", Protocol::Submission, Security::implicit_tls());
/// let mailer = smtp::Mailer::new(server, &Credentials::password("anna", "secret"));
///
/// let envelope = smtp::Envelope::new("anna@example.org", ["bob@example.net"])?;
/// mailer.send(&envelope, "From: anna@example.org\r\nSubject: Hi\r\n\r\nHello, Bob.\r\n").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Mailer {
    pub(super) pool: Pool<Client>,
    pub(super) options: MailerOptions,
}

/// Options of a [`Mailer`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mailwire_transport::{pool::{PoolOptions, Rate}, smtp::MailerOptions};
///
/// // What a provider permits.
/// let pool = PoolOptions::new().with_connections(2).with_rate(Rate::new(100, Duration::from_secs(60)));
/// let options = MailerOptions::new().with_pool(pool).with_attempts(5);
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailerOptions {
    /// The bounds on connections and messages. By default, those of [`PoolOptions`], and 100 messages a connection.
    pub pool: PoolOptions,
    /// How often it is tried to send a message, the first time included: 3 by default, and 1 at least. A connection that was
    /// kept and turns out to be lost does not count.
    pub attempts: u32,
    /// The pause after the first attempt: a second by default. Each further one is twice as long, and each is shortened by
    /// chance, to no less than a half.
    pub first_pause: Duration,
    /// The longest pause: 30 seconds by default.
    pub longest_pause: Duration,
    /// How many connections one [`send_all`](Mailer::send_all) uses at once: `None`, the default, for as many as the account may
    /// have; 1 at least.
    pub batch_connections: Option<usize>,
    /// How many bytes of messages one [`send_all`](Mailer::send_all) has taken and not told of, at most: 64 MiB by default.
    /// Beyond it goes one message, however large. One that is [read while it is sent](Payload::from_reader) counts as what is
    /// read of it at once.
    pub batch_bytes: usize,
}

impl Default for MailerOptions {
    fn default() -> Self {
        Self {
            pool: PoolOptions::new().with_uses(100),
            attempts: 3,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
            batch_connections: None,
            batch_bytes: 64 << 20,
        }
    }
}

impl MailerOptions {
    /// Makes the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

setters!(MailerOptions {
    with_pool(pool: PoolOptions),
    with_attempts(attempts: u32),
    with_first_pause(first_pause: Duration),
    with_longest_pause(longest_pause: Duration),
    with_batch_connections(batch_connections: some usize),
    with_batch_bytes(batch_bytes: usize),
});

impl Mailer {
    /// A mailer that logs in with `credentials`, as [`Client::connect`] does. Nothing is connected yet.
    #[must_use]
    pub fn new(endpoint: Endpoint, credentials: &Credentials) -> Self {
        Self::with_config(endpoint, Config::login(credentials.clone()))
    }

    /// A mailer for an [`Account`], or its URL. Nothing is connected yet.
    ///
    /// ```
    /// let mailer = mailwire_transport::smtp::Mailer::to("smtps://anna:secret@mail.example.org")?;
    /// # let _ = mailer;
    /// # Ok::<(), mailwire_transport::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// It is no URL of an account, or one of another protocol.
    pub fn to(account: impl TryInto<Account, Error: Into<Error>>) -> Result<Self> {
        let account = account.try_into().map_err(Into::into)?;
        let config = Config::try_from(&account)?;
        Ok(Self::with_config(account.into_endpoint(), config))
    }

    /// A mailer whose clients have this configuration: [`Config::anonymous`] for a relay, [`Config::lmtp`] for LMTP.
    #[must_use]
    pub fn with_config(endpoint: Endpoint, config: Config) -> Self {
        Self::with_options(endpoint, config, MailerOptions::default())
    }

    /// A mailer with options.
    #[must_use]
    pub fn with_options(endpoint: Endpoint, config: Config, options: MailerOptions) -> Self {
        Self { pool: Pool::with_options(endpoint, config, options.pool.clone()), options }
    }

    /// A mailer over clients that `connect` makes, all of one account: see [`Pool::from_connector`].
    pub fn from_connector<F>(connect: impl Fn() -> F + Send + Sync + 'static, options: MailerOptions) -> Self
    where
        F: Future<Output = Result<Client>> + Send + 'static,
    {
        Self { pool: Pool::from_connector(connect, options.pool.clone()), options }
    }

    /// The mailer of another account, within the same bounds: see [`Pool::for_account`].
    #[must_use]
    pub fn for_account(&self, endpoint: Endpoint, config: Config) -> Self {
        Self { pool: self.pool.for_account(endpoint, config), options: self.options.clone() }
    }

    /// Sends a message, as [`Client::send`] does.
    ///
    /// Dropped before its end, it leaves no connection half used; whether the message was sent is not known then.
    ///
    /// # Errors
    ///
    /// Those of [`Client::send`] and of [connecting](Client::connect), of the last attempt. [`Error::InDoubt`] if the server may have accepted
    /// the message; after any other, it has not. [`Error::Timeout`] with [`Phase::Pool`](crate::Phase::Pool) and [`Error::Busy`] if too much is to
    /// be sent at once, [`Error::Closed`] after [`close`](Self::close).
    pub async fn send(&self, envelope: &Envelope, message: impl Into<Payload<'_>>) -> Result<Sent> {
        let mut message = message.into();
        let mut attempts = Attempts { options: &self.options, failed: 0 };
        let mut wanted = if message.again().is_some() { Wanted::Any } else { Wanted::Proven };
        loop {
            // Whoever cannot have a turn has waited for it already.
            let turn = self.pool.turn().await?;
            let again = message.again();
            let mut client = match turn.lease(wanted).await {
                Ok(client) => client,
                Err(error) => {
                    attempts.fail(error).await?;
                    continue;
                }
            };
            let error = match client.send(envelope, message).await {
                Ok(sent) => return Ok(sent),
                Err(error) => error,
            };
            let failure = Failure::of(error, client.outcome(), &client.take_refused());
            message = match (failure, again) {
                (Failure::NotSent(error), Some(again)) => {
                    // It was lost before: the server, or the way to it, may have forgotten all that are as old. One that
                    // can be used on has nothing to do with it.
                    let stale = client.is_reused() && !client.is_usable() && wanted != Wanted::Fresh;
                    drop(client);
                    wanted = Wanted::Fresh;
                    if !stale {
                        attempts.fail(error).await?;
                    }
                    again
                }
                (Failure::NotSent(error) | Failure::InDoubt(error) | Failure::Final(error), _) => {
                    return Err(error);
                }
            };
        }
    }

    /// Sends a message to those whom its header names, as [`Client::send_message`] does, and all else as [`send`](Self::send): what
    /// `mail-builder` or `lettre` has built, or a text.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(mailer: &mailwire_transport::smtp::Mailer) -> mailwire_transport::Result<()> {
    /// mailer.send_message("From: ada@example.org\r\nTo: bob@example.net\r\nSubject: Hi\r\n\r\nHello, Bob.\r\n").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of both.
    #[cfg(any(feature = "builder", feature = "header-envelope", feature = "lettre"))]
    pub async fn send_message(&self, message: impl Into<super::Message>) -> Result<Sent> {
        let (envelope, payload) = message.into().into_parts()?;
        self.send(&envelope, payload).await
    }

    /// Sends messages over as many connections as there may be, and one after the other over each, without a round trip between
    /// two of them where the server allows it: see [`Client::send_all`]. For each message all is as with [`send`](Self::send): what the
    /// server cannot have is sent again, within the [rate](PoolOptions::rate), and nobody gets anything twice.
    ///
    /// [`Mailing::next`] gives the result of each message, with its place among them, as soon as it is known. Messages are taken as they
    /// are needed: no more than ten for each connection, nor more than [`MailerOptions::batch_bytes`]. Calls of
    /// others have their turn, between two messages.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(mailer: &mailwire_transport::smtp::Mailer) -> Result<(), Box<dyn std::error::Error>> {
    /// use mailwire_transport::smtp::Envelope;
    ///
    /// let readers = ["bob@example.net", "carol@example.net", "dan@example.org"];
    /// let messages = readers.map(|reader| {
    ///     let envelope = Envelope::new("news@example.org", [reader]).unwrap();
    ///     (envelope, format!("From: news@example.org\r\nTo: {reader}\r\nSubject: News\r\n\r\nNone.\r\n"))
    /// });
    /// let mut mailing = mailer.send_all(messages);
    /// while let Some((place, result)) = mailing.next().await {
    ///     match result {
    ///         Ok(sent) => println!("{}: {}", readers[place], sent.reply),
    ///         Err(error) => println!("{}: {error}", readers[place]),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_all<M, E, P>(&self, messages: M) -> Mailing<Messages<M::IntoIter>>
    where
        M: IntoIterator<Item = (E, P)>,
        E: Borrow<Envelope>,
        P: Into<Payload<'static>>,
    {
        self.send_stream(Messages::new(messages))
    }

    /// Sends messages as they come, as [`send_all`](Self::send_all) does: out of a queue, a channel, a database. A connection goes
    /// back while there is nothing to be sent.
    ///
    /// Any [`Stream`] will do; one that is not [`Unpin`] in a [`Box::pin`].
    pub fn send_stream<M, E, P>(&self, messages: M) -> Mailing<M>
    where
        M: Stream<Item = (E, P)> + Unpin,
        E: Borrow<Envelope>,
        P: Into<Payload<'static>>,
    {
        Mailing::new(self.clone(), messages)
    }

    /// Gives a connection for calls other than [`send`](Self::send), and for what a [`Client`] tells of a message that was
    /// refused: see [`Pool::get`].
    ///
    /// # Errors
    ///
    /// As [`Pool::get`].
    pub async fn client(&self) -> Result<Lease<Client>> {
        self.pool.get().await
    }

    /// Ends it: messages that are being sent have `grace` to come to their end, others are not sent any more. See
    /// [`Pool::close`].
    pub async fn close(&self, grace: Duration) -> usize {
        self.pool.close(grace).await
    }

    /// Returns how many connections and calls there are now.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        self.pool.status()
    }
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer").field("pool", &self.pool).finish_non_exhaustive()
    }
}

/// The attempts that have failed.
pub(super) struct Attempts<'a> {
    pub(super) options: &'a MailerOptions,
    pub(super) failed: u32,
}

impl Attempts<'_> {
    /// One more: waits until the next may be.
    ///
    /// # Errors
    ///
    /// There is none: the error of this one.
    pub(super) async fn fail(&mut self, error: Error) -> Result<()> {
        let MailerOptions { attempts, first_pause, longest_pause, .. } = *self.options;
        let pause = pause_after(self.failed, first_pause, longest_pause);
        self.failed = self.failed.saturating_add(1);
        if self.failed >= attempts || !error.is_transient() {
            return Err(error);
        }
        crate::metrics::retried();
        crate::traces::debug!(target: crate::CLIENT_TRACES, %error, ?pause, "trying again after a pause");
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// What a failure means for a message.
pub(super) enum Failure {
    /// The server cannot have it, and the reason is the connection.
    NotSent(Error),
    /// The server may have it: [`Error::InDoubt`].
    InDoubt(Error),
    /// It is about the message.
    Final(Error),
}

impl Failure {
    pub(super) fn of(error: Error, outcome: Outcome, refused: &[RefusedRecipient]) -> Self {
        let may_have = |outcome| matches!(outcome, Outcome::Unknown | Outcome::Accepted);
        if may_have(outcome) || refused.iter().any(|refused| refused.outcome == Outcome::Unknown) {
            return Self::InDoubt(Error::InDoubt(Box::new(error)));
        }
        match error.refused() {
            // RFC 5321 section 3.8: it is the service that is not available, whatever the command was.
            Some(refused) if refused.is_goodbye() => Self::NotSent(error),
            Some(_) => Self::Final(error),
            None if outcome == Outcome::NotSent => Self::NotSent(error),
            None => Self::Final(error),
        }
    }
}
