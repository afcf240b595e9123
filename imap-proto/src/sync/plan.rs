//! What to ask next.

use core::num::NonZeroU32;

use super::{Anchor, InDoubt, Selection, Synchronizer, state::after};
use crate::{
    capability::Capability,
    command::{Command, Fetch, FetchAtt, Search, SearchKey, SearchReturnOpt, Select, Since},
    extensions::{condstore::QResync, uid_batches::UidBatchesCommand},
    types::{KnownUids, ModSeq, PartialRange, SetNumber, Uid, UidSet},
    view::View,
};

/// A command to come.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    Enable,
    Select {
        qresync: Option<ModSeq>,
    },
    /// The highest identifier of all stands for `*`.
    Fetch {
        low: Uid,
        high: Uid,
        since: Option<ModSeq>,
        vanished: bool,
    },
    Search {
        low: Uid,
        high: Uid,
        /// Only so many, the highest.
        last: Option<u32>,
    },
    Batches,
    Noop,
}

impl Ask {
    const ALL: Self = Self::Search { low: Uid::MIN, high: Uid::MAX, last: None };
}

/// The mailbox is selected again so many times in doubt.
const MOST_RESELECTS: u32 = 4;
/// A search settles the count so many times.
const MOST_SEARCHES: u32 = 4;
/// Commands fail so many times on end.
const MOST_FAILURES: u32 = 20;

impl Synchronizer {
    /// The next command. `None`: the mirror is in step with what this session was told, or comes no nearer.
    pub(super) fn plan(&mut self) -> Option<Ask> {
        if self.failures > MOST_FAILURES {
            self.in_doubt = Some(InDoubt::Refusals);
            return None;
        }
        if core::mem::take(&mut self.offer.enable) {
            return Some(Ask::Enable);
        }
        if self.selected && (self.view.doubt().is_some() || self.selection.lossy) {
            self.reselects += 1;
            if self.reselects > MOST_RESELECTS {
                // It will not get better. What is known of numbers is not believed.
                self.in_doubt = Some(InDoubt::Contradictions);
                self.frozen = true;
                self.selection.lossy = false;
                self.view = View::new(self.view.len(), self.view.numbering());
            } else {
                self.selected = false;
            }
        }
        if !self.selected {
            return Some(self.select());
        }
        if let Some(high) = self.selection.rest.take() {
            return Some(Ask::Search { low: Uid::MIN, high, last: None });
        }
        let target = self.selection.target;
        let due = self.state.ranges().rev().find(|(_, _, anchor)| match anchor {
            Anchor::None => true,
            Anchor::Read => false,
            Anchor::At(anchor) => target.is_some_and(|target| *anchor < target),
        });
        if let Some((low, high, anchor)) = due {
            let since = if let Anchor::At(since) = anchor { Some(since) } else { None };
            return Some(self.batch_of(low, high, since));
        }
        if self.selection.top_due {
            let low = self.state.top().map_or(Uid::MIN, after);
            let since = target.filter(|_| !self.rules.arrivals);
            return Some(self.batch_of(low, Uid::MAX, since));
        }
        // A message in the count that is gone already, and was not told, hides one that went before SELECT.
        if !self.selection.flushed && self.rules.flush {
            return Some(Ask::Noop);
        }
        if (self.distrust || self.must_prove && self.rules.open) && !self.selection.proved {
            return Some(Ask::ALL);
        }
        self.prove()
    }

    /// Holds the number of messages, and what is known of their order, against the mirror.
    fn prove(&mut self) -> Option<Ask> {
        if self.selection.settled {
            return None;
        }
        let count = self.known.len();
        let fits = match self.in_doubt {
            None => self.view.learn(self.known.ranges()).is_ok(),
            Some(_) => self.view.len() == count,
        };
        if fits {
            if self.in_doubt.is_none() {
                self.reselects = 0;
            }
            (self.state.open, self.must_prove) = (false, false);
            self.selection.settled = self.in_doubt.is_none();
        } else if self.rules.count {
            self.selection.tries += 1;
            if self.selection.tries <= MOST_SEARCHES {
                return Some(Ask::ALL);
            }
            self.in_doubt.get_or_insert(InDoubt::Count);
        }
        None
    }

    /// Selects the mailbox, again or for the first time.
    fn select(&mut self) -> Ask {
        if self.reselects > 0 {
            self.must_prove |= self.state.open;
        }
        self.state.open = self.rules.open;
        self.begun = true;
        self.selection = Selection::default();
        self.view = View::default();
        self.state.map(|anchor| if anchor == Anchor::Read { Anchor::None } else { anchor });
        // Several anchors: range by range, so that nothing comes twice.
        let mut anchors = self.state.ranges().filter_map(|(_, _, anchor)| match anchor {
            Anchor::At(anchor) => Some(anchor),
            _ => None,
        });
        let first = anchors.next().filter(|first| anchors.all(|other| other == *first));
        let qresync = first.filter(|_| self.offer.qresync && !self.options.stepwise && !self.distrust);
        Ask::Select { qresync }
    }

    /// As much of a range as one command asks for, from its top.
    fn batch_of(&mut self, low: Uid, high: Uid, since: Option<ModSeq>) -> Ask {
        let vanished = since.is_some() && self.offer.qresync && !self.distrust;
        let fetch = |low| Ask::Fetch { low, high, since, vanished };
        let unknown = self.view.len().saturating_sub(self.known.len());
        let inside_more_than = |count: u32| self.known.nth_back(low, high, count).is_some();
        let few = self.batch.checked_sub(unknown).is_some_and(|room| !inside_more_than(room));
        if high.get() - low.get() < self.batch || few {
            return fetch(low);
        }
        if since.is_some() || unknown <= self.batch / 2 {
            let count = if since.is_some() { self.batch } else { self.batch - unknown };
            let first =
                self.known.nth_back(low, high, count.saturating_sub(1)).filter(|_| inside_more_than(count));
            return fetch(first.unwrap_or(low));
        }
        // What is not known is parted by the server, or by what it finds: all of it at once, or the next two batches.
        let cut = self.selection.cuts.as_ref().and_then(|cuts| cuts.nth_back(low, high, 0));
        let planned = core::mem::take(&mut self.selection.planned);
        match cut {
            Some(cut) => fetch(cut),
            None if planned => fetch(low),
            None if self.may_ask_for_batches() => {
                (self.selection.planned, self.selection.parted) = (true, Some(self.view.len()));
                Ask::Batches
            }
            None if self.offer.partial => {
                self.selection.planned = true;
                Ask::Search { low, high, last: Some(self.batch.saturating_mul(2)) }
            }
            None if self.selection.cuts.is_none() => Ask::ALL,
            None => fetch(low),
        }
    }

    /// RFC 10022: once in a selection, and again after half a batch of messages has come or gone.
    fn may_ask_for_batches(&self) -> bool {
        let changed = |before: u32| self.view.len().abs_diff(before) > self.batch / 2;
        self.offer.batches.is_some_and(|least| self.batch >= least)
            && self.selection.parted.is_none_or(changed)
    }

    /// The command, as it is sent.
    pub(super) fn command(&self, ask: &Ask) -> Command {
        match *ask {
            Ask::Enable => Command::Enable([Capability::QResync].into()),
            Ask::Select { qresync } => {
                let select = Select::new(self.options.mailbox.clone());
                let known = qresync.zip(self.state.uid_validity).map(|(anchor, uid_validity)| {
                    let known = QResync::new(uid_validity, anchor);
                    let all = self.state.top().and_then(|top| KnownUids::from_ranges([(Uid::MIN, top)]).ok());
                    all.into_iter().fold(known, QResync::with_known_uids)
                });
                Command::Select(match known {
                    Some(known) => select.with_qresync(known),
                    None => select.with_condstore(self.offer.condstore),
                })
            }
            Ask::Fetch { low, high, since, vanished } => {
                let mut items = [FetchAtt::Flags].to_vec();
                // What the mirror has already needs no more than its flags.
                if since.is_none() && self.known.nth_back(low, high, 0).is_none() {
                    items.extend(self.options.items.iter().filter(|item| **item != FetchAtt::Flags).cloned());
                }
                let fetch = Fetch::new(set(low, high), items);
                Command::Fetch(match since {
                    Some(since) if vanished => fetch.with_since(Since::ChangedOrVanished(since)),
                    Some(since) => fetch.with_since(Since::Changed(since)),
                    None => fetch,
                })
            }
            Ask::Search { low, high, last } => {
                let key = match (low, high) {
                    (Uid::MIN, Uid::MAX) => SearchKey::All,
                    _ => SearchKey::Uid(set(low, high)),
                };
                let search = Search::by_uid([key]);
                let last =
                    last.and_then(NonZeroU32::new).map(|last| PartialRange::last(NonZeroU32::MIN, last));
                Command::Search(match last {
                    Some(last) => search.with_returns([SearchReturnOpt::Partial(last)]),
                    None if self.offer.esearch => search.with_returns([SearchReturnOpt::All]),
                    None => search,
                })
            }
            Ask::Batches => {
                let size = NonZeroU32::new(self.batch).unwrap_or(NonZeroU32::MAX);
                Command::from(UidBatchesCommand::new(size))
            }
            Ask::Noop => Command::Noop,
        }
    }
}

fn set(low: Uid, high: Uid) -> UidSet {
    UidSet::range(low, if high == Uid::MAX { SetNumber::Largest } else { SetNumber::Value(high) })
}
