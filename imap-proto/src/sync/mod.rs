//! Keep a mirror of a mailbox equal to the server's, over any number of sessions that may be cut anywhere.
//!
//! A [`Synchronizer`] says which commands to send and makes [changes](Change) of what comes back. It does no I/O
//! and keeps no messages: an application applies the changes to a table of its own, and stores the
//! [`SyncState`] beside it. Any server will do. One with QRESYNC or CONDSTORE
//! ([RFC 7162](https://www.rfc-editor.org/rfc/rfc7162)) tells only what has changed; of a plain one, all flags
//! are read again.
//!
//! What is known is a map from ranges of identifiers to the last change that is in the mirror. A first
//! synchronization, catching up, new messages, batches and repair after a cut are all the same thing: find a range
//! of which too little is known, and fetch it. That messages are gone is believed only of commands that were
//! answered OK and read whole. At the end, the number of messages that the server tells is held against the
//! mirror's; a search for all of them settles a difference. In any doubt (a response that does not parse, a number
//! that cannot be) the mailbox is selected again.
//!
//! # What to store, and when
//!
//! First the state as [`new`](Synchronizer::new) has made it; then either changes and state in one transaction,
//! whenever it suits; or changes as they come, and the state at each [`Change::Checkpoint`]. Changes can be
//! applied again without harm. After a crash, begin with what is stored.
//!
//! # Examples
//!
//! ```
//! use std::collections::BTreeMap;
//! use bytes::{Buf, BytesMut};
//! use mailwire_imap::{Channel, Connection as _, Next};
//! use mailwire_imap::client::{Config, Connection};
//! use mailwire_imap::sync::{Change, Step, SyncOptions, SyncState, Synchronizer};
//! use mailwire_imap::types::{FlagSet, MailboxName, Uid};
//!
//! let mut connection = Connection::new(Config::new(Channel::Tls, 1));
//! let mut input = BytesMut::from("* PREAUTH [CAPABILITY IMAP4rev1] welcome\r\n");
//! while let Next::Event(_) = connection.next_event(&mut input)? {}
//!
//! let mut mirror: BTreeMap<Uid, FlagSet> = BTreeMap::new();
//! let options = SyncOptions::new(MailboxName::INBOX);
//! let mut sync = Synchronizer::new(SyncState::default(), [], connection.capabilities(), options);
//! # let mut answers = [
//! #     "* 2 EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\n* OK [UIDNEXT 10] next\r\nb.1 OK selected\r\n",
//! #     "* 1 FETCH (UID 4 FLAGS (\\Seen))\r\n* 2 FETCH (UID 9 FLAGS ())\r\nb.2 OK done\r\n",
//! # ].into_iter();
//! loop {
//!     match sync.next_step() {
//!         Step::Send(command) => sync.sent(connection.send(*command).unwrap()),
//!         Step::Wait => {
//!             // Here a driver would write the output, and read.
//!             let output = connection.output();
//!             output.advance(output.remaining());
//!             input.extend_from_slice(answers.next().unwrap().as_bytes());
//!         }
//!         Step::InStep => break,
//!         other => panic!("{other:?}"),
//!     }
//!     while let Next::Event(event) = connection.next_event(&mut input)? {
//!         sync.handle(&event);
//!     }
//!     while let Some(change) = sync.change() {
//!         match change {
//!             Change::Reset { .. } => mirror.clear(),
//!             Change::New { uid, flags, .. } | Change::Flags { uid, flags, .. } => {
//!                 mirror.insert(uid, flags);
//!             }
//!             Change::Gone { first, last } => mirror.retain(|uid, _| !(first..=last).contains(uid)),
//!             // Time to store the mirror with `sync.state().to_bytes()`.
//!             _ => {}
//!         }
//!     }
//! }
//! assert_eq!(mirror.keys().map(|uid| uid.get()).collect::<Vec<_>>(), [4, 9]);
//! # Ok::<(), mailwire_imap::Error>(())
//! ```

mod plan;
mod read;
mod state;
#[cfg(test)]
mod tests;

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};

use mailwire_core::{Ticket, setters};

pub use self::state::{Segment, SyncState};
use self::{plan::Ask, read::Job, state::Anchor};
use crate::{
    capability::{Capabilities, Capability},
    command::{Command, FetchAtt},
    extensions::uid_batches::UidBatchesCommand,
    response::{MsgAtt, Reply},
    types::{FlagSet, MailboxName, ModSeq, Uid, UidValidity},
    view::{Uids, View},
};

/// Brings a mirror of one mailbox in step with the server, and keeps it there.
///
/// See the [module](self) for how it is used.
#[derive(Debug)]
pub struct Synchronizer {
    options: SyncOptions,
    offer: Offer,
    state: SyncState,
    /// What the state was at the last checkpoint.
    checkpoint: SyncState,
    /// The messages of the mirror.
    known: Uids,
    view: View,
    changes: VecDeque<Change>,
    /// The command in progress.
    job: Option<Job>,
    /// What holds as long as the mailbox is selected.
    selection: Selection,
    selected: bool,
    /// SELECT was asked for, over this connection.
    begun: bool,
    /// The most messages of one command.
    batch: u32,
    /// The set of messages has to be asked for, whatever the counts say.
    must_prove: bool,
    /// VANISHED (EARLIER) of this server was wrong.
    distrust: bool,
    /// No anchor moves any more.
    frozen: bool,
    reselects: u32,
    failures: u32,
    /// The server does not say what would be needed.
    in_doubt: Option<InDoubt>,
    refused: Option<Box<Reply>>,
    rules: Rules,
}

/// What the server can do.
#[derive(Debug, Clone, Copy)]
struct Offer {
    condstore: bool,
    /// It is enabled.
    qresync: bool,
    /// It is to be enabled first.
    enable: bool,
    esearch: bool,
    partial: bool,
    /// UIDBATCHES: the smallest batches that it parts a mailbox into.
    batches: Option<u32>,
}

impl Offer {
    fn of(offered: &Capabilities) -> Self {
        let qresync = offered.has(&Capability::QResync) && offered.has_or_rev2(&Capability::Enable);
        Self {
            condstore: qresync || offered.has(&Capability::CondStore),
            qresync: false,
            enable: qresync,
            esearch: offered.has_or_rev2(&Capability::ESearch),
            partial: offered.has(&Capability::Partial),
            batches: offered.has(&Capability::UidBatches).then_some(UidBatchesCommand::SMALLEST),
        }
    }
}

/// What holds as long as the mailbox is selected.
#[derive(Debug, Default)]
struct Selection {
    /// Its HIGHESTMODSEQ: what an anchor moves to. `None`: there are no modification sequences.
    target: Option<ModSeq>,
    /// A HIGHESTMODSEQ that came since the last completion of a command.
    highest: Option<ModSeq>,
    no_mod_seq: bool,
    uid_validity: Option<UidValidity>,
    uid_next: Option<Uid>,
    /// There may be messages above all ranges.
    top_due: bool,
    /// What was told late was told: the count can be believed.
    flushed: bool,
    /// The set of messages was asked for.
    proved: bool,
    /// News are lost.
    lossy: bool,
    /// The count was proved, and neither it nor the mirror's messages have changed since.
    settled: bool,
    /// A search goes on from here downwards.
    rest: Option<Uid>,
    /// Where batches begin.
    cuts: Option<Uids>,
    /// How many messages there were when the server parted the mailbox.
    parted: Option<u32>,
    /// They were just asked for.
    planned: bool,
    tries: u32,
}

/// Options of a [`Synchronizer`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SyncOptions {
    /// The mailbox.
    pub mailbox: MailboxName,
    /// The most messages that one command asks for; 1000 by default. What is kept in memory beside the set of
    /// identifiers grows with it. From 500 on, a server with UIDBATCHES says where each batch begins
    /// ([RFC 10022](https://www.rfc-editor.org/rfc/rfc10022)).
    pub batch: u32,
    /// What is asked of messages that the mirror does not have, beside their flags; nothing by default. It saves a
    /// command, and is no promise: a message comes without them if the server tells of it before it is asked, or if
    /// one command asks for it and for messages that the mirror has.
    pub items: Vec<FetchAtt>,
    /// Goes through the mailbox in batches even where QRESYNC would give all changes in the answer to one SELECT:
    /// each batch is a checkpoint, so that a connection that is often cut gets on.
    pub stepwise: bool,
}

impl SyncOptions {
    /// Makes the default options for a mailbox.
    #[must_use]
    pub const fn new(mailbox: MailboxName) -> Self {
        Self { mailbox, batch: 1000, items: Vec::new(), stepwise: false }
    }

    /// Sets the most messages that one command asks for; at least 1.
    #[must_use]
    pub const fn with_batch(mut self, messages: u32) -> Self {
        self.batch = if messages == 0 { 1 } else { messages };
        self
    }
}

setters!(const SyncOptions {
    with_stepwise(stepwise: bool),
});

setters!(SyncOptions {
    with_items(items: into Vec<FetchAtt>),
});

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Send this command, and say [`sent`](Synchronizer::sent).
    Send(Box<Command>),
    /// A command is in progress: give the events to [`handle`](Synchronizer::handle).
    Wait,
    /// The mirror has what the server has told. News come as events of any other command: IDLE, NOOP.
    InStep,
    /// It is as near as the server lets it come. Nothing that is in the mirror was invented; something may be
    /// missing.
    InDoubt(InDoubt),
    /// The mailbox could not be selected.
    Refused(Box<Reply>),
}

/// Why a mirror cannot be brought in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InDoubt {
    /// What the server said contradicted itself, or did not parse, each time the mailbox was selected.
    Contradictions,
    /// The server counts other messages than it finds.
    Count,
    /// Commands were refused again and again.
    Refusals,
}

/// A change of the mirror. Applying one again does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// The identifiers of the mirror are no longer valid: it has to be emptied.
    Reset {
        /// What is valid now.
        uid_validity: UidValidity,
    },
    /// A message that the mirror did not have.
    New {
        /// Its identifier.
        uid: Uid,
        /// Its flags, without `\Recent`.
        flags: FlagSet,
        /// All that came with it. What [`SyncOptions::items`] names may be missing.
        items: Vec<MsgAtt>,
    },
    /// The flags of a message, which may be what they were.
    Flags {
        /// Its identifier.
        uid: Uid,
        /// All its flags, without `\Recent`.
        flags: FlagSet,
    },
    /// Messages are gone: all that the mirror has from the first to the last identifier.
    Gone {
        /// The lowest identifier.
        first: Uid,
        /// The highest one.
        last: Uid,
    },
    /// The server went back to an earlier state, as from a backup: all is read again. Identifiers may be used for
    /// other messages than before; compare what else is known of them. The state should be stored at once.
    Rewound,
    /// All changes until here were given, and [`state`](Synchronizer::state) has moved on.
    Checkpoint,
}

/// Each rule can be switched off, so that a test can show what it is for.
#[derive(Debug, Clone, Copy)]
struct Rules {
    /// The count of messages is held against the mirror.
    count: bool,
    /// A range is read up to the highest identifier that was seen, not to what UIDNEXT promises.
    seen: bool,
    rewind: bool,
    garbled: bool,
    /// A message that a whole fetch does not name is gone.
    absent: bool,
    lossy: bool,
    flush: bool,
    grew: bool,
    lost_state: bool,
    /// A rewind is noticed by what was seen before SELECT.
    before: bool,
    cap: bool,
    open: bool,
    /// Arrivals are found by identifier, not by modification sequence.
    arrivals: bool,
    /// Anchors move by HIGHESTMODSEQ alone, not by each FETCH.
    sealed: bool,
}

impl Rules {
    const ALL: Self = Self {
        count: true,
        seen: true,
        rewind: true,
        garbled: true,
        absent: true,
        lossy: true,
        flush: true,
        grew: true,
        lost_state: true,
        before: true,
        cap: true,
        open: true,
        arrivals: true,
        sealed: true,
    };
}

impl Synchronizer {
    /// Begins with what is stored: the state, and the identifiers of the messages in the mirror, in ranges with
    /// both ends.
    ///
    /// The identifiers are those of the application's own table, not a copy that was stored with the state: what is
    /// there and forgotten would stay for ever. `offered` is what the server can do after the login.
    pub fn new(
        state: SyncState,
        known: impl IntoIterator<Item = (Uid, Uid)>,
        offered: &Capabilities,
        options: SyncOptions,
    ) -> Self {
        let mut uids = Uids::default();
        for (first, last) in known {
            uids.insert(first, last);
        }
        Self::begin(state, uids, offered, options)
    }

    fn begin(mut state: SyncState, known: Uids, offered: &Capabilities, options: SyncOptions) -> Self {
        state.map(|anchor| if anchor == Anchor::Read { Anchor::None } else { anchor });
        // As long as this is open, nothing vouches for the set of messages.
        let must_prove = core::mem::replace(&mut state.open, true);
        Self {
            batch: options.batch,
            options,
            offer: Offer::of(offered),
            checkpoint: SyncState::default(),
            state,
            known,
            view: View::default(),
            changes: VecDeque::new(),
            job: None,
            selection: Selection::default(),
            selected: false,
            begun: false,
            must_prove,
            distrust: false,
            frozen: false,
            reselects: 0,
            failures: 0,
            in_doubt: None,
            refused: None,
            rules: Rules::ALL,
        }
    }

    /// Goes on over another connection, whose server can do this. Changes that were not taken yet stay.
    pub fn reconnected(&mut self, offered: &Capabilities) {
        let must_prove = self.must_prove || self.begun && self.state.open;
        let (state, known) = (core::mem::take(&mut self.state), core::mem::take(&mut self.known));
        let next = Self::begin(state, known, offered, self.options.clone());
        let before = core::mem::replace(self, next);
        self.must_prove = must_prove;
        self.changes = before.changes;
        self.checkpoint = before.checkpoint;
        self.rules = before.rules;
    }

    /// What to do next. Take the [changes](Self::change) first.
    pub fn next_step(&mut self) -> Step {
        if self.job.is_some() {
            return Step::Wait;
        }
        if let Some(reply) = &self.refused {
            return Step::Refused(reply.clone());
        }
        match self.plan() {
            Some(ask) => {
                let command = self.command(&ask);
                self.selection.highest = None;
                self.job = Some(Job::new(ask, self.state.seen));
                Step::Send(Box::new(command))
            }
            None => {
                self.mark();
                self.in_doubt.map_or(Step::InStep, Step::InDoubt)
            }
        }
    }

    /// The command of [`Step::Send`] was given to the machine, which knows it by this ticket.
    pub fn sent(&mut self, ticket: Ticket) {
        if let Some(job) = &mut self.job {
            job.ticket = Some(ticket);
        }
    }

    /// The command of [`Step::Send`] was not given to the machine, or the machine did not take it.
    pub fn not_sent(&mut self) {
        if let Some(job) = self.job.take() {
            self.failed(&job);
        }
    }

    /// The next change. All of them have to be taken before the [next step](Self::next_step), and again after it.
    pub fn change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// What to store beside the mirror, for the changes that were taken until now.
    #[must_use]
    pub const fn state(&self) -> &SyncState {
        &self.state
    }

    /// Which message of the selected mailbox has which number.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// The identifiers of the messages that are in the mirror, as ascending ranges with both ends.
    pub fn known(&self) -> impl Iterator<Item = (Uid, Uid)> + '_ {
        self.known.ranges()
    }

    /// Events were lost, or went elsewhere: the mailbox is selected again.
    pub fn lost(&mut self) {
        self.selection.lossy = true;
    }

    /// Says that the state has moved, if it has.
    fn mark(&mut self) {
        if self.state != self.checkpoint {
            self.checkpoint.clone_from(&self.state);
            self.changes.push_back(Change::Checkpoint);
        }
    }
}
