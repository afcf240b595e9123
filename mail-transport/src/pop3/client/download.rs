//! Downloads of what is new.

use std::{
    collections::{BTreeMap, HashMap},
    time::{SystemTime, UNIX_EPOCH},
};

use mailwire_core::{Misuse, NotOffered, WrongState, setters};
use mailwire_pop3::{MessageNumber, UniqueId, client::Deletions};

use super::{Body, Client, QuitError, Seen, bulk::Retrieving};
use crate::{Budget, Error, Refused, Result};

/// What becomes of messages on the server, in [`Client::download`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Keep {
    /// They stay.
    All,
    /// They are deleted once the caller has [confirmed](Downloads::confirm) them, now or in an earlier session.
    Nothing,
    /// They are deleted so many days after the caller has confirmed them.
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

/// A message as a server lists it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its number in this session.
    pub number: MessageNumber,
    /// Its unique id; `None` if the server gives none, or the same to several messages.
    pub unique_id: Option<UniqueId>,
    /// Its size in bytes, if the server knows it.
    pub octets: Option<u64>,
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
    /// The server has no UIDL, without which nobody knows what is new or how old it is:
    /// [`NotOffered`]; [`Keep::Nothing`], and [`Download::again`] with [`Keep::All`], do without. Or the connection
    /// fails.
    pub async fn download(
        mut self,
        options: Download,
        seen: &mut Seen,
        now: SystemTime,
    ) -> Result<Downloads<'_>> {
        let (mut messages, mut turns) = (BTreeMap::new(), Budget::unlimited());
        let entry = |number| Listed { number, unique_id: None, octets: None };
        for scan in self.list().await? {
            let _ = turns.spend(LISTED).await;
            messages.entry(scan.number).or_insert_with(|| entry(scan.number)).octets = scan.octets;
        }
        match self.uidl().await {
            Ok(lines) => {
                let mut ids: HashMap<UniqueId, Option<MessageNumber>> = HashMap::new();
                for line in lines {
                    let _ = turns.spend(LISTED).await;
                    messages.entry(line.number).or_insert_with(|| entry(line.number));
                    // What two have says nothing of either.
                    let of = |known: &mut Option<MessageNumber>| *known = None;
                    ids.entry(line.unique_id).and_modify(of).or_insert(Some(line.number));
                }
                for (unique_id, number) in ids {
                    let _ = turns.spend(LISTED).await;
                    if let Some(message) = number.and_then(|number| messages.get_mut(&number)) {
                        message.unique_id = Some(unique_id);
                    }
                }
                // Now, as a session need not come to its end.
                seen.retain(messages.values().filter_map(|message| message.unique_id.as_ref()));
            }
            Err(Error::Refused(_))
                if options.keep == Keep::Nothing || (options.again && options.keep == Keep::All) => {}
            Err(Error::Refused(refused)) => {
                tracing::warn!(%refused, "a server without unique ids");
                return Err(Misuse::NotOffered(NotOffered::Extension("UIDL")).into());
            }
            Err(error) => return Err(error),
        }
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Ok(Downloads::new(self, options, seen, now, messages, &mut turns).await)
    }
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
            let id = message.unique_id.as_ref();
            let known = id.and_then(|id| seen.get(id.as_bytes(), message.octets));
            match known.map(|known| known.confirmed) {
                Some(Some(_)) if options.again => wanted.push(message.number),
                Some(Some(confirmed)) => {
                    let gone = match options.keep {
                        Keep::All => false,
                        Keep::Nothing => true,
                        Keep::Days(days) => now.saturating_sub(confirmed) >= u64::from(days) * DAY,
                    };
                    if gone {
                        deleted.push(message.number);
                    }
                }
                Some(None) => last.push(message.number),
                None => wanted.push(message.number),
            }
        }
        wanted.append(&mut last);
        let retrieving = Retrieving::new(wanted);
        Self { client, seen, keep: options.keep, now, messages, retrieving, current: None, deleted }
    }

    /// Returns how many messages are still to come.
    #[must_use]
    pub fn left(&self) -> usize {
        self.retrieving.left()
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
        let message = known.unwrap_or(Listed { number, unique_id: None, octets: None });
        self.current = Some(number);
        if let Some(unique_id) = &message.unique_id {
            // It was confirmed before where it is downloaded again.
            if self.seen.get(unique_id.as_bytes(), message.octets).is_none() {
                self.seen.begin(unique_id.as_bytes(), message.octets);
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
        if let Some(unique_id) = &message.unique_id {
            self.seen.confirm(unique_id.as_bytes(), self.now);
        }
        if self.keep == Keep::Nothing || self.keep == Keep::Days(0) {
            self.deleted.push(message.number);
        }
        Ok(())
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
        let numbers: Vec<u32> = self.deleted.iter().map(|number| number.get()).collect();
        match self.client.dele_all(numbers).await {
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
                let message = self.messages.get(&number);
                if let Some(unique_id) = message.and_then(|message| message.unique_id.as_ref()) {
                    self.seen.forget(unique_id);
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
