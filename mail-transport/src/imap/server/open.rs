//! The selected mailbox, and what the client is told of it.

use std::collections::{BTreeMap, BTreeSet};

use mailwire_imap::{
    extensions::gmail::GmailLabel,
    response::{Code, FetchData, MsgAtt, Reply, ReplyKind, Untagged},
    types::{Flag, FlagSet, ModSeq, PermanentFlags, ShortList, Uid, UidValidity},
    view::{self, Allow, Numbering, Telling, View},
};

use super::{
    answers::{Flagged, Update},
    contexts::Contexts,
    limiting::Parted,
    refusal::{status, words},
    sending::{ServerDriver, push},
    sets::{ranges, vanished},
};
use crate::{Budget, Error};

/// OK with a code, in the middle of a command.
pub(super) fn ok(code: Code, text: &'static str) -> Untagged {
    Untagged::Reply(status(ReplyKind::Ok, text).with_code(code))
}

/// The flags that can be changed for ever.
pub(super) fn permanent(flags: PermanentFlags) -> Untagged {
    ok(Code::PermanentFlags(flags), "Flags that stay")
}

/// What it costs to tell of a message, in bytes that are looked at.
const TOLD: u64 = 64;

/// The selected mailbox as the client knows it.
#[derive(Debug)]
pub(super) struct Open {
    /// The mailbox, in Unicode.
    pub(super) name: String,
    pub(super) uid_validity: UidValidity,
    pub(super) view: View,
    pub(super) read_only: bool,
    known: KnownFlags,
    pub(super) changes: Counted,
    /// Searches whose results are kept up to date.
    pub(super) contexts: Contexts,
    /// Messages that the command in progress has put there.
    pub(super) made: BTreeSet<Uid>,
    /// How the client was told that the mailbox can be parted.
    pub(super) parted: Option<Parted>,
}

/// What is told of changes by their modification sequences (RFC 7162).
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// The change up to which the service has given all. `None`: it does not count.
    pub(super) given: Option<ModSeq>,
    /// The HIGHESTMODSEQ that the client was told last.
    told: Option<ModSeq>,
    /// The last message that there was, whether or not it is still there.
    pub(super) last: Option<Uid>,
    /// The highest MODSEQ in a FETCH response of the command in progress.
    sent: Option<ModSeq>,
}

impl Counted {
    /// The client is told of HIGHESTMODSEQ as it selects the mailbox.
    pub(super) fn new(highest: Option<ModSeq>, uid_next: Uid) -> Self {
        Self { given: highest, told: highest, last: Uid::new(uid_next.get() - 1), sent: None }
    }

    /// A change that is not earlier than any that is not given yet.
    fn next(&self) -> ModSeq {
        self.given.and_then(|given| ModSeq::new(given.get() + 1)).unwrap_or(ModSeq::ZERO)
    }

    /// The item that says when a message was changed; the client has it then.
    pub(super) fn item(&mut self, mod_seq: ModSeq) -> MsgAtt {
        self.sent = self.sent.max(Some(mod_seq));
        MsgAtt::ModSeq(Some(mod_seq))
    }
}

/// What a FETCH response has beside what it is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) with_uid: bool,
    /// The client knows of modification sequences.
    pub(super) with_mod_seq: bool,
    pub(super) rev2: bool,
}

impl Shape {
    /// Of a response that the client did not ask for: it has the UID.
    pub(super) fn unasked(driver: &ServerDriver) -> Self {
        let machine = driver.connection();
        Self { with_uid: true, with_mod_seq: machine.is_condstore(), rev2: machine.is_rev2() }
    }
}

/// The flags that a client was told of.
#[derive(Debug)]
pub(super) struct KnownFlags {
    pub(super) flags: FlagSet,
    pub(super) permanent: PermanentFlags,
}

impl Open {
    pub(super) fn new(
        name: String,
        uid_validity: UidValidity,
        view: View,
        read_only: bool,
        known: KnownFlags,
        changes: Counted,
    ) -> Self {
        Self {
            name,
            uid_validity,
            view,
            read_only,
            known,
            changes,
            contexts: Contexts::default(),
            made: BTreeSet::new(),
            parted: None,
        }
    }

    /// How the client is told of messages that are gone (RFC 7162 section 3.2.10).
    fn telling(&self, driver: &ServerDriver) -> Telling {
        match self.changes.given {
            Some(_) if driver.connection().is_qresync() => Telling::Vanished,
            _ => Telling::Expunge,
        }
    }

    /// The HIGHESTMODSEQ that the client is to be told at the end of a command, if it is new, or lower than a
    /// MODSEQ that the client saw: then there is something below that it was not told of (RFC 7162 sections
    /// 3.2 and 6).
    pub(super) fn news_of_changes(&mut self) -> Option<Code> {
        let safe = self.view.safe_mod_seq(self.changes.given?);
        let saw_more = self.changes.sent.take() > Some(safe);
        (saw_more || self.changes.told != Some(safe)).then(|| self.highest_mod_seq()).flatten()
    }

    /// The HIGHESTMODSEQ that the client may be told; it is told now.
    pub(super) fn highest_mod_seq(&mut self) -> Option<Code> {
        let safe = self.view.safe_mod_seq(self.changes.given?);
        self.changes.told = Some(safe);
        Some(Code::HighestModSeq(Some(safe)))
    }

    /// Tells of flags that the client has not seen in this mailbox, before it sees them on a message: RFC 9051
    /// section 7.3.5 (FLAGS).
    pub(super) async fn announce(&mut self, driver: &mut ServerDriver, flags: &FlagSet) -> Result<(), Error> {
        if self.learn(flags) { self.tell_flags(driver).await } else { Ok(()) }
    }

    /// Whether some of these flags are new in this mailbox to the client.
    pub(super) fn learn(&mut self, flags: &FlagSet) -> bool {
        let before = self.known.flags.len();
        for flag in flags.iter().filter(|flag| **flag != Flag::Recent) {
            if !self.known.flags.contains(flag) {
                self.known.flags.insert(flag.clone());
                if !self.read_only {
                    self.known.permanent.flags.insert(flag.clone());
                }
            }
        }
        self.known.flags.len() > before
    }

    /// Tells of the flags that can be on messages, and be changed.
    pub(super) async fn tell_flags(&self, driver: &mut ServerDriver) -> Result<(), Error> {
        push(driver, Untagged::Flags(self.known.flags.clone())).await?;
        push(driver, permanent(self.known.permanent.clone())).await
    }

    /// A message's flags as this client is to see them.
    pub(super) fn shown(&self, uid: Uid, mut flags: FlagSet, rev2: bool) -> FlagSet {
        flags.remove(&Flag::Recent);
        if !rev2 && self.view.is_recent(uid) {
            flags.insert(Flag::Recent);
        }
        flags
    }

    /// The response that shows a message's flags; without them, when it was changed. `None` if the client
    /// does not know the message.
    pub(super) fn flags(
        &mut self,
        uid: Uid,
        flags: Option<FlagSet>,
        mod_seq: Option<ModSeq>,
        shape: Shape,
    ) -> Option<Untagged> {
        let flags = flags.map(|flags| MsgAtt::Flags(self.shown(uid, flags, shape.rev2)));
        self.changed(uid, flags, mod_seq, shape)
    }

    /// As [`flags`](Self::flags), of Gmail's labels.
    pub(super) fn labels(
        &mut self,
        uid: Uid,
        labels: Option<Vec<GmailLabel>>,
        mod_seq: Option<ModSeq>,
        shape: Shape,
    ) -> Option<Untagged> {
        self.changed(uid, labels.map(MsgAtt::GmailLabels), mod_seq, shape)
    }

    fn changed(
        &mut self,
        uid: Uid,
        item: Option<MsgAtt>,
        mod_seq: Option<ModSeq>,
        shape: Shape,
    ) -> Option<Untagged> {
        let mut items = ShortList::new();
        if shape.with_uid {
            items.push(MsgAtt::Uid(uid));
        }
        items.extend(item);
        if let Some(mod_seq) = mod_seq.filter(|_| shape.with_mod_seq) {
            items.push(self.changes.item(mod_seq));
        }
        Some(Untagged::Fetch(self.fetched(uid, items)?))
    }

    /// A response about a message, as this client names it. `None`: it does not know the message.
    pub(super) fn fetched(&self, uid: Uid, items: impl Into<ShortList<MsgAtt>>) -> Option<FetchData> {
        let number = self.view.number(uid)?;
        Some(match self.view.numbering() {
            Numbering::UidOnly => FetchData::by_uid(uid, items),
            _ => FetchData::new(number, items),
        })
    }

    /// Tells what others did. EXPUNGE is held back where sequence numbers must not change (RFC 9051
    /// section 7.5.1).
    pub(super) async fn tell(
        &mut self,
        driver: &mut ServerDriver,
        updates: Vec<Update>,
        permits_expunge: bool,
    ) -> Result<(), Error> {
        let (mut flags, at) = (BTreeMap::new(), self.changes.next());
        for update in updates {
            match update {
                Update::Added { uids, recent } => {
                    self.changes.last = self.changes.last.max(uids.iter().copied().max());
                    self.contexts.touch(uids.iter().copied());
                    self.view.arrived(ranges(uids), at, recent);
                }
                Update::Expunged(uids) => {
                    self.contexts.leave(&uids);
                    self.view.removed(ranges(uids), at);
                }
                Update::Flags(changed) => {
                    self.contexts.touch(changed.iter().map(|now| now.uid));
                    for now in changed {
                        self.view.changed(now.uid, now.mod_seq.unwrap_or(at));
                        flags.insert(now.uid, now);
                    }
                }
                Update::MailboxGone => {
                    // Nothing can be told any more.
                    self.contexts = Contexts::default();
                    let bye = status(ReplyKind::Bye, "The selected mailbox was deleted");
                    // If it cannot be said any more, the connection is at its end anyway.
                    let _ = driver.connection_mut().goodbye(bye);
                    return Ok(());
                }
                Update::Alert(text) => {
                    let alert = Reply::from_text(ReplyKind::Ok, words(&text)).with_code(Code::Alert);
                    push(driver, Untagged::Reply(alert)).await?;
                }
                // Of other mailboxes it is told elsewhere.
                Update::Mailbox(_) | Update::ServerMetadata(_) | Update::Overflow => {}
            }
        }
        self.tell_pending(driver, flags, permits_expunge).await
    }

    /// Tells that messages are gone, during a command that permits it.
    pub(super) async fn expunge(&mut self, driver: &mut ServerDriver, gone: Vec<Uid>) -> Result<(), Error> {
        self.contexts.leave(&gone);
        self.view.removed(ranges(gone), self.changes.next());
        self.tell_pending(driver, BTreeMap::new(), true).await
    }

    async fn tell_pending(
        &mut self,
        driver: &mut ServerDriver,
        mut flags: BTreeMap<Uid, Flagged>,
        permits_expunge: bool,
    ) -> Result<(), Error> {
        let (shape, telling, mut turns) = (Shape::unasked(driver), self.telling(driver), Budget::unlimited());
        if permits_expunge {
            self.contexts.tell_gone(driver, &self.view).await?;
        }
        while let Some(update) = self.view.tell(Allow::new(permits_expunge), telling) {
            // A client that reads fast takes no turns from others; this one has no limit.
            let _ = turns.spend(TOLD).await;
            match update {
                view::Update::Exists { exists, recent } => {
                    push(driver, Untagged::Exists(exists)).await?;
                    if !shape.rev2 {
                        push(driver, Untagged::Recent(recent)).await?;
                    }
                }
                view::Update::Flags { uid, .. } => {
                    let Some(now) = flags.remove(&uid) else { continue };
                    self.announce(driver, &now.flags).await?;
                    if let Some(data) = self.flags(uid, Some(now.flags), now.mod_seq, shape) {
                        push(driver, data).await?;
                    }
                }
                view::Update::Expunge { number, .. } => push(driver, Untagged::Expunge(Some(number))).await?,
                view::Update::Vanished(uids) => {
                    let ranges: Vec<_> = uids.ranges().collect();
                    for data in vanished(false, &ranges) {
                        push(driver, data).await?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}
