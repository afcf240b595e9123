//! The selected mailbox, and what the client is told of it.

use std::collections::BTreeMap;

use mailwire_imap::{
    response::{Code, FetchData, MsgAtt, Reply, ReplyKind, Untagged},
    types::{Flag, FlagSet, ModSeq, PermanentFlags, Uid},
    view::{self, Allow, Telling, View},
};

use super::{
    refusal::{status, words},
    sending::{ServerDriver, push},
    service::Update,
    sets::ranges,
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

/// A service does not say by which change something came: clients cannot ask for it.
const NO_MOD_SEQ: ModSeq = ModSeq::ZERO;

/// What it costs to tell of a message, in bytes that are looked at.
const TOLD: u64 = 64;

/// The selected mailbox as the client knows it.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) view: View,
    pub(super) read_only: bool,
    known: KnownFlags,
}

/// The flags that a client was told of.
#[derive(Debug)]
pub(super) struct KnownFlags {
    pub(super) flags: FlagSet,
    pub(super) permanent: PermanentFlags,
}

impl Open {
    pub(super) const fn new(view: View, read_only: bool, known: KnownFlags) -> Self {
        Self { view, read_only, known }
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

    /// The response that shows a message's flags. `None` if the client does not know the message.
    pub(super) fn flags(&self, uid: Uid, flags: FlagSet, with_uid: bool, rev2: bool) -> Option<Untagged> {
        let number = self.view.number(uid)?;
        let flags = MsgAtt::Flags(self.shown(uid, flags, rev2));
        let items = if with_uid { vec![MsgAtt::Uid(uid), flags] } else { vec![flags] };
        Some(Untagged::Fetch(FetchData::new(number, items)))
    }

    /// Tells what others did. EXPUNGE is held back where sequence numbers must not change (RFC 9051
    /// section 7.5.1).
    pub(super) async fn tell(
        &mut self,
        driver: &mut ServerDriver,
        updates: Vec<Update>,
        permits_expunge: bool,
    ) -> Result<(), Error> {
        let mut flags = BTreeMap::new();
        for update in updates {
            match update {
                Update::Added { uids, recent } => self.view.arrived(ranges(uids), NO_MOD_SEQ, recent),
                Update::Expunged(uids) => self.view.removed(ranges(uids), NO_MOD_SEQ),
                Update::Flags(changed) => {
                    for (uid, now) in changed {
                        self.view.changed(uid, NO_MOD_SEQ);
                        flags.insert(uid, now);
                    }
                }
                Update::MailboxGone => {
                    let bye = status(ReplyKind::Bye, "The selected mailbox was deleted");
                    // If it cannot be said any more, the connection is at its end anyway.
                    let _ = driver.connection_mut().goodbye(bye);
                    return Ok(());
                }
                Update::Alert(text) => {
                    let alert = Reply::from_text(ReplyKind::Ok, words(&text)).with_code(Code::Alert);
                    push(driver, Untagged::Reply(alert)).await?;
                }
            }
        }
        self.tell_pending(driver, flags, permits_expunge).await
    }

    /// Tells that messages are gone, during a command that permits it.
    pub(super) async fn expunge(&mut self, driver: &mut ServerDriver, gone: Vec<Uid>) -> Result<(), Error> {
        self.view.removed(ranges(gone), NO_MOD_SEQ);
        self.tell_pending(driver, BTreeMap::new(), true).await
    }

    async fn tell_pending(
        &mut self,
        driver: &mut ServerDriver,
        mut flags: BTreeMap<Uid, FlagSet>,
        permits_expunge: bool,
    ) -> Result<(), Error> {
        let (rev2, mut turns) = (driver.connection().is_rev2(), Budget::unlimited());
        while let Some(update) = self.view.tell(Allow::new(permits_expunge), Telling::Expunge) {
            // A client that reads fast takes no turns from others; this one has no limit.
            let _ = turns.spend(TOLD).await;
            match update {
                view::Update::Exists { exists, recent } => {
                    push(driver, Untagged::Exists(exists)).await?;
                    if !rev2 {
                        push(driver, Untagged::Recent(recent)).await?;
                    }
                }
                view::Update::Flags { uid, .. } => {
                    let Some(now) = flags.remove(&uid) else { continue };
                    self.announce(driver, &now).await?;
                    if let Some(data) = self.flags(uid, now, true, rev2) {
                        push(driver, data).await?;
                    }
                }
                view::Update::Expunge { number, .. } => push(driver, Untagged::Expunge(Some(number))).await?,
                // VANISHED is for QRESYNC and UIDONLY, which nobody can enable here.
                _ => {}
            }
        }
        Ok(())
    }
}
