//! Downloads of what is new.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::{SystemTime, UNIX_EPOCH},
};

use mailwire_core::{Misuse, NotOffered, WrongState, setters};
use mailwire_pop3::{Capability, Command, MessageNumber, UniqueId, client::Deletions};

use super::{Body, Client, HeaderDigest, QuitError, Seen, bulk::Retrieving, header, seen::Key};
use crate::{Budget, Error, Refused, Result};

/// What becomes of messages on the server, in [`Client::download`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Keep {
    /// All messages stay.
    All,
    /// Messages are deleted once the caller has [confirmed](Downloads::confirm) them, now or in an earlier session.
    Nothing,
    /// Messages are deleted so many days after the caller has confirmed them first.
    Days(u32),
}

/// The options of [`Client::download`].
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Download {
    /// What becomes of messages on the server.
    pub keep: Keep,
    /// Download all messages, those that were confirmed in earlier sessions, too. False by default: only what is new.
    pub again: bool,
}

impl Download {
    /// Downloads what is new.
    #[must_use]
    pub const fn new(keep: Keep) -> Self {
        Self { keep, again: false }
    }
}

setters!(const Download { with_again(again: bool), });

impl Download {
    /// Whether it is all the same which messages were downloaded before.
    fn does_without_identity(self) -> bool {
        self.keep == Keep::Nothing || (self.again && self.keep == Keep::All)
    }
}

impl Keep {
    /// Whether what was confirmed at that time is deleted now.
    fn is_over(self, confirmed: u64, now: u64) -> bool {
        match self {
            Self::All => false,
            Self::Nothing => true,
            Self::Days(days) => now.saturating_sub(confirmed) >= u64::from(days) * DAY,
        }
    }
}

/// A message as a server lists it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its number in this session.
    pub number: MessageNumber,
    /// Its unique id; `None` if the server gives none, or the same to several messages.
    pub unique_id: Option<UniqueId>,
    /// What its header comes to, by which it is known where the server gives no unique ids; `None` if another has the
    /// same, or it cannot be had.
    pub header: Option<HeaderDigest>,
    /// Its size in bytes, if the server knows it.
    pub octets: Option<u64>,
}

impl Listed {
    const fn new(number: MessageNumber) -> Self {
        Self { number, unique_id: None, header: None, octets: None }
    }

    /// What it is known by in all sessions.
    fn key(&self) -> Option<Key> {
        self.unique_id.as_ref().map(Key::from).or(self.header.map(Key::Header))
    }
}

impl Client {
    /// Downloads messages: by default those that were not [confirmed](Downloads::confirm) in an earlier session, as
    /// `seen` has it. `now` is the present time, by which [`Keep::Days`] counts.
    ///
    /// Several messages are on their way at once. One that the server refuses does not stop the others, and one that was
    /// begun and not confirmed in an earlier session comes last, so that others come first if it costs the connection
    /// each time. Only [`Downloads::quit`] deletes, and only what was confirmed.
    ///
    /// Messages are known by their unique ids (UIDL) and sizes, so that servers may number them anew in each session.
    /// What has the same unique id as another is downloaded each time.
    ///
    /// A server without UIDL is asked for each header first (TOP), unless the options do without: [`Keep::Nothing`], and
    /// [`Download::again`] with [`Keep::All`]. A message is then known by its [`HeaderDigest`] and its size. What is like
    /// another in both, or was put there without a `Received` field, is nobody's in particular: it is downloaded each time,
    /// and [`Keep::Days`] does not delete it. If such a server has unique ids one day, or loses them, all its messages
    /// are new once.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::SystemTime;
    /// use mailwire_transport::{
    ///     Endpoint, Result,
    ///     pop3::{Client, Download, Keep, Seen},
    ///     sasl::Credentials,
    /// };
    ///
    /// async fn fetch(endpoint: Endpoint, credentials: &Credentials) -> Result<()> {
    ///     // Each maildrop has a state of its own.
    ///     let mut seen: Seen = std::fs::read_to_string("ada.seen")?.parse()?;
    ///     let client = Client::connect(endpoint, credentials).await?;
    ///     let options = Download::new(Keep::Days(14));
    ///     let mut downloads = client.download(options, &mut seen, SystemTime::now()).await?;
    ///     while let Some((message, body)) = downloads.next().await? {
    ///         match body {
    ///             Ok(body) => {
    ///                 let mut file = tokio::fs::File::create(format!("{}.eml", message.number)).await?;
    ///                 body.copy_to(&mut file).await?;
    ///                 file.sync_all().await?;
    ///                 // Only now it may be deleted.
    ///                 downloads.confirm(&message)?;
    ///             }
    ///             Err(refused) => eprintln!("{}: {refused}", message.number),
    ///         }
    ///     }
    ///     downloads.quit().await?;
    ///     std::fs::write("ada.seen", seen.to_string())?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The server has neither UIDL nor TOP, without which nobody knows what is new or how old it is: [`NotOffered`]. It
    /// offers UIDL and refuses it, or refuses it for now: [`Error::Refused`]. Options that do without have no such error.
    /// Or the connection fails.
    pub async fn download(
        mut self,
        options: Download,
        seen: &mut Seen,
        now: SystemTime,
    ) -> Result<Downloads<'_>> {
        let (mut messages, mut turns) = (BTreeMap::new(), Budget::unlimited());
        for scan in self.list().await? {
            let _ = turns.spend(LISTED).await;
            messages.entry(scan.number).or_insert_with(|| Listed::new(scan.number)).octets = scan.octets;
        }
        match self.uidl().await {
            Ok(lines) => {
                let mut ids = HashMap::new();
                for line in lines {
                    let _ = turns.spend(LISTED).await;
                    messages.entry(line.number).or_insert_with(|| Listed::new(line.number));
                    once(&mut ids, line.unique_id, line.number);
                }
                for (unique_id, number) in ids {
                    let _ = turns.spend(LISTED).await;
                    if let Some(message) = number.and_then(|number| messages.get_mut(&number)) {
                        message.unique_id = Some(unique_id);
                    }
                }
                forget_others(seen, &messages, true);
            }
            Err(Error::Refused(_)) if options.does_without_identity() => {}
            Err(Error::Refused(refused)) => {
                if refused.is_transient() || self.capabilities().has(&Capability::Uidl) {
                    return Err(Error::Refused(refused));
                }
                crate::traces::warn!(%refused, "a server without unique ids");
                self.headers(&mut messages, &mut turns).await?;
                forget_others(seen, &messages, false);
            }
            Err(error) => return Err(error),
        }
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Ok(Downloads::new(self, options, seen, now, messages, &mut turns).await)
    }

    /// Asks for the header of each message, to know them by.
    async fn headers(
        &mut self,
        messages: &mut BTreeMap<MessageNumber, Listed>,
        turns: &mut Budget,
    ) -> Result<()> {
        let top = |number| Command::Top { number, lines: 0 };
        let mut retrieving = Retrieving::new(messages.keys().copied().collect(), top);
        let (mut digests, mut answered) = (HashMap::new(), messages.is_empty());
        while let Some((number, body)) = retrieving.next(&mut self.session).await? {
            // One that is refused is known by nothing.
            let Ok(mut body) = body else { continue };
            answered = true;
            let mut reader = header::Reader::new();
            while let Some(chunk) = body.chunk().await? {
                reader.read(&chunk);
            }
            let _ = turns.spend(reader.cost()).await;
            if let Some(digest) = reader.digest() {
                once(&mut digests, digest, number);
            }
        }
        if !answered {
            return Err(Misuse::NotOffered(NotOffered::Extension("UIDL")).into());
        }
        for (digest, number) in digests {
            let _ = turns.spend(LISTED).await;
            if let Some(message) = number.and_then(|number| messages.get_mut(&number)) {
                message.header = Some(digest);
            }
        }
        Ok(())
    }
}

/// Notes who has a name. What two have says nothing of either.
fn once<N: std::hash::Hash + Eq>(
    names: &mut HashMap<N, Option<MessageNumber>>,
    name: N,
    number: MessageNumber,
) {
    names.entry(name).and_modify(|known| *known = None).or_insert(Some(number));
}

/// Forgets what is gone: now, as a session need not come to its end.
fn forget_others(seen: &mut Seen, messages: &BTreeMap<MessageNumber, Listed>, unique_ids: bool) {
    let listed: HashSet<Key> = messages.values().filter_map(Listed::key).collect();
    seen.retain(&listed, unique_ids);
}

/// Messages that are being downloaded: see [`Client::download`].
///
/// If this is dropped, the connection ends, and nothing is deleted.
#[derive(Debug)]
#[must_use]
pub struct Downloads<'a> {
    client: Client,
    seen: &'a mut Seen,
    keep: Keep,
    now: u64,
    messages: BTreeMap<MessageNumber, Listed>,
    retrieving: Retrieving,
    /// The bytes of what is downloaded.
    octets: u64,
    /// The message that was handed out last.
    current: Option<MessageNumber>,
    /// What QUIT is to delete.
    deleted: Vec<MessageNumber>,
}

/// What it costs to look at a message of a listing, in bytes.
const LISTED: u64 = 256;
/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

impl<'a> Downloads<'a> {
    async fn new(
        client: Client,
        options: Download,
        seen: &'a mut Seen,
        now: u64,
        messages: BTreeMap<MessageNumber, Listed>,
        turns: &mut Budget,
    ) -> Self {
        let (mut wanted, mut last, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
        for message in messages.values() {
            let _ = turns.spend(LISTED).await;
            let known = message.key().and_then(|key| seen.get(&key, message.octets));
            match known.map(|known| known.confirmed) {
                Some(Some(_)) if options.again => wanted.push(message.number),
                Some(Some(confirmed)) => {
                    if options.keep.is_over(confirmed, now) {
                        deleted.push(message.number);
                    }
                }
                Some(None) => last.push(message.number),
                None => wanted.push(message.number),
            }
        }
        wanted.append(&mut last);
        let octets = wanted.iter().filter_map(|number| messages.get(number)?.octets);
        let octets = octets.fold(0, u64::saturating_add);
        let retrieving = Retrieving::new(wanted, Command::Retr);
        Self { client, seen, keep: options.keep, now, messages, retrieving, octets, current: None, deleted }
    }

    /// Returns how many messages are still to come.
    #[must_use]
    pub fn left(&self) -> usize {
        self.retrieving.left()
    }

    /// Returns how many bytes all its messages have together, as far as the server tells: those that came, too.
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// Receives the next message, or the server's refusal of it; `None` at the end. What was not read of the one before
    /// is thrown away. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The connection fails. What was confirmed is known to the state: over another connection the rest can be had.
    pub async fn next(&mut self) -> Result<Option<(Listed, Result<Body<'_>, Refused>)>> {
        let Some((number, body)) = self.retrieving.next(&mut self.client.session).await? else {
            return Ok(None);
        };
        let known = self.messages.get(&number).cloned();
        let message = known.unwrap_or(Listed::new(number));
        self.current = Some(number);
        if let Some(key) = message.key() {
            // It was confirmed before where it is downloaded again.
            if self.seen.get(&key, message.octets).is_none() {
                self.seen.begin(key, message.octets);
            }
        }
        Ok(Some((message, body)))
    }

    /// Says that the message which came last is stored where it does not get lost: it is not downloaded again, and may
    /// be deleted.
    ///
    /// # Errors
    ///
    /// It is another message, or was refused or not read to its end. Nothing is changed.
    pub fn confirm(&mut self, message: &Listed) -> Result<(), Misuse> {
        if self.current != Some(message.number) || !self.retrieving.is_whole(&self.client.session) {
            return Err(Misuse::WrongState(WrongState::NothingDue("confirmation of this message")));
        }
        self.current = None;
        let mut confirmed = self.now;
        if let Some(key) = message.key() {
            self.seen.confirm(&key, self.now);
            let known = self.seen.get(&key, message.octets);
            confirmed = known.and_then(|known| known.confirmed).unwrap_or(confirmed);
        }
        if self.keep.is_over(confirmed, self.now) {
            self.deleted.push(message.number);
        }
        Ok(())
    }

    /// Returns the state as it is now: who stores it before [`quit`](Self::quit) downloads nothing twice, even if this
    /// program ends before the server has answered.
    #[must_use]
    pub const fn seen(&self) -> &Seen {
        self.seen
    }

    /// Deletes what is to be deleted, and ends the session. What is not downloaded yet stays, and is new in the next
    /// session.
    ///
    /// # Errors
    ///
    /// The connection fails, or the server could not delete all: [`QuitError::deletions`] says what is known then. The
    /// next download deletes the rest.
    pub async fn quit(mut self) -> Result<Downloaded, QuitError> {
        let mut refused = Vec::new();
        let mut gone = Vec::new();
        match self.client.dele_all(self.deleted.iter().copied()).await {
            Ok(results) => {
                for (number, (of, result)) in self.deleted.iter().zip(results) {
                    match result {
                        Ok(()) => gone.push(*number),
                        Err(error) => refused.push((of, error)),
                    }
                }
            }
            Err(error) => return Err(QuitError { error, deletions: self.client.deletions() }),
        }
        let deletions = self.client.quit().await?;
        // An id that is given again is another message's.
        if matches!(deletions, Deletions::Done(_)) {
            for number in gone {
                if let Some(key) = self.messages.get(&number).and_then(Listed::key) {
                    self.seen.remove(&key);
                }
            }
        }
        Ok(Downloaded { deletions, refused })
    }
}

/// The end of [`Downloads`].
#[non_exhaustive]
#[derive(Debug)]
pub struct Downloaded {
    /// What was deleted.
    pub deletions: Deletions,
    /// The messages, by their numbers, that the server did not let be marked for deletion, and why.
    pub refused: Vec<(u32, Refused)>,
}
