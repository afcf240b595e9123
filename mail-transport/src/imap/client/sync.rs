//! Keeping a mirror of a mailbox in step.

use mailwire_imap::{
    sync::{Change, InDoubt, SyncOptions, SyncState, Synchronizer},
    types::Uid,
    view::View,
};

use super::{
    Client, Watch, WatchOptions,
    mirror::{Mirror, Waiting},
};
use crate::Result;

/// A mirror of a mailbox that is brought in step, and kept there.
///
/// The mailbox is selected as long as this lives. It can be dropped at any time: what was given until then
/// is right, and [`Client::sync`] goes on from there, over this connection or another one.
#[must_use]
pub struct Syncing<'a> {
    client: &'a mut Client,
    mirror: Mirror,
}

impl Client {
    /// Brings a mirror of a mailbox in step with the server: by QRESYNC or CONDSTORE where they are offered
    /// ([RFC 7162](https://www.rfc-editor.org/rfc/rfc7162)), else by reading all flags.
    ///
    /// `state` and `known` are what the application has stored: how far it had come, and the identifiers of the
    /// messages that it has, in ranges with both ends. See [`mailwire_imap::sync`] for what to store when.
    /// [`Watch`] does the same over one connection after another.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use mailwire_imap::{sync::{Change, SyncOptions, SyncState}, types::{MailboxName, Uid}};
    /// # async fn example(client: &mut mailwire_transport::imap::Client) -> mailwire_transport::Result<()> {
    /// # let (stored, known): (SyncState, Vec<(Uid, Uid)>) = Default::default();
    /// let mut syncing = client.sync(stored, known, SyncOptions::new(MailboxName::INBOX)).await?;
    /// while let Some(change) = syncing.next().await? {
    ///     match change {
    ///         Change::New { uid, .. } => println!("{uid} is new"),
    ///         Change::Checkpoint => println!("store {:?}", syncing.state().to_bytes()),
    ///         _ => {}
    ///     }
    /// }
    /// // In step: from here on, changes come as they happen.
    /// let change = syncing.wait().await?;
    /// # let _ = change;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The connection has failed.
    pub async fn sync(
        &mut self,
        state: SyncState,
        known: impl IntoIterator<Item = (Uid, Uid)>,
        options: SyncOptions,
    ) -> Result<Syncing<'_>> {
        self.session.witness = None;
        self.settle().await?;
        let sync = Synchronizer::new(state, known, self.capabilities(), options);
        let mut mirror = Mirror::new(sync, Waiting::default());
        mirror.connected(self);
        Ok(Syncing { client: self, mirror })
    }
}

impl<'a> Syncing<'a> {
    /// The next change; `None` in step with what the server has told, or as near as it lets come
    /// ([`in_doubt`](Self::in_doubt)). Cancel-safe.
    ///
    /// # Errors
    ///
    /// The server refuses to select the mailbox, or the connection fails. What was given before is right.
    pub async fn next(&mut self) -> Result<Option<Change>> {
        self.mirror.next(self.client).await
    }

    /// Waits for the next change: by IDLE, or by asking once a minute where the server does not push.
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub async fn wait(&mut self) -> Result<Change> {
        loop {
            match self.mirror.next(self.client).await? {
                Some(change) => return Ok(change),
                None => self.mirror.wait(self.client).await?,
            }
        }
    }

    /// Goes on for as long as it takes: over this connection first, and when that is lost over those that
    /// `connect` makes.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use mailwire_imap::{sync::{SyncOptions, SyncState}, types::MailboxName};
    /// use mailwire_transport::{Endpoint, imap::{Client, Config, WatchOptions}};
    ///
    /// # async fn example(server: Endpoint, config: Config) -> mailwire_transport::Result<()> {
    /// let connect = move || Client::connect_with(server.clone(), config.clone());
    /// let mut client = connect().await?;
    /// let options = SyncOptions::new(MailboxName::INBOX);
    /// let syncing = client.sync(SyncState::default(), [], options).await?;
    /// let mut watch = syncing.into_watch(connect, WatchOptions::new());
    /// let event = watch.next().await?;
    /// # let _ = event;
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_watch<F>(
        self,
        connect: impl FnMut() -> F + Send + 'static,
        options: WatchOptions,
    ) -> Watch<'a>
    where
        F: Future<Output = Result<Client>> + Send + 'static,
    {
        Watch::over(self.client, self.mirror, connect).with_options(options)
    }

    /// What to store beside the mirror, for the changes that were given until now.
    #[must_use]
    pub const fn state(&self) -> &SyncState {
        self.mirror.sync.state()
    }

    /// Why the mirror may not be in step, although [`next`](Self::next) gave `None`. Nothing in it was invented;
    /// something may be missing.
    #[must_use]
    pub const fn in_doubt(&self) -> Option<InDoubt> {
        self.mirror.in_doubt
    }

    /// Which message of the mailbox has which number.
    #[must_use]
    pub const fn view(&self) -> &View {
        self.mirror.sync.view()
    }
}

impl std::fmt::Debug for Syncing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Syncing").field("in_doubt", &self.in_doubt()).finish_non_exhaustive()
    }
}
