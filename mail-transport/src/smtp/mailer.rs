//! Sending over connections that are kept.

use std::{fmt, future::Future, time::Duration};

use mailwire_core::setters;
use mailwire_smtp::client::Outcome;

use super::{Client, Config, Envelope, RefusedRecipient, Sent};
use crate::{
    Account, Endpoint, Error, Payload, Result,
    pauses::pause_after,
    pool::{Lease, Pool, PoolOptions, PoolStatus, Wanted, pooled},
    sasl::Credentials,
};

pooled!(|client| client.session.look(drop));

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
    pool: Pool<Client>,
    options: MailerOptions,
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
}

impl Default for MailerOptions {
    fn default() -> Self {
        Self {
            pool: PoolOptions::new().with_uses(100),
            attempts: 3,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
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
            message = match (Failure::of(&mut client, error), again) {
                (Failure::InDoubt(error), _) => return Err(Error::InDoubt(Box::new(error))),
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
                (Failure::NotSent(error) | Failure::Final(error), _) => return Err(error),
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
    #[cfg(feature = "header-envelope")]
    pub async fn send_message(&self, message: impl Into<super::Message>) -> Result<Sent> {
        let (envelope, payload) = message.into().into_parts()?;
        self.send(&envelope, payload).await
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
struct Attempts<'a> {
    options: &'a MailerOptions,
    failed: u32,
}

impl Attempts<'_> {
    /// One more: waits until the next may be.
    ///
    /// # Errors
    ///
    /// There is none: the error of this one.
    async fn fail(&mut self, error: Error) -> Result<()> {
        let MailerOptions { attempts, first_pause, longest_pause, .. } = *self.options;
        let pause = pause_after(self.failed, first_pause, longest_pause);
        self.failed = self.failed.saturating_add(1);
        if self.failed >= attempts || !error.is_transient() {
            return Err(error);
        }
        tracing::debug!(target: crate::CLIENT_TRACES, %error, ?pause, "trying again after a pause");
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// What a failure means for a message.
enum Failure {
    /// The server cannot have it, and the reason is the connection.
    NotSent(Error),
    /// The server may have it.
    InDoubt(Error),
    /// It is about the message.
    Final(Error),
}

impl Failure {
    fn of(client: &mut Client, error: Error) -> Self {
        let mut refused = client.take_refused().into_iter().map(|refused: RefusedRecipient| refused.outcome);
        let outcome = client.outcome();
        if matches!(outcome, Outcome::Unknown | Outcome::Accepted)
            || refused.any(|one| one == Outcome::Unknown)
        {
            return Self::InDoubt(error);
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
