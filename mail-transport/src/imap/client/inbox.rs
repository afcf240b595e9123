//! What comes without being asked for.

use std::{collections::VecDeque, mem::size_of, num::NonZeroU32, sync::Arc};

use bytes::Bytes;
use mailwire_core::{ParseError, apart};
use mailwire_imap::{
    Capability,
    client::Event,
    extensions::inprogress::Progress,
    response::{Code, ESearchData, FetchData, MsgAtt, Reply, ReplyKind, Untagged, VanishedData},
    types::{FlagSet, ModSeq, SeqNumber, Uid},
};

use super::{
    Call,
    error::refused,
    items::data_of,
    kept::{compact, compact_flags, compact_reply},
    search::is_update,
};
use crate::Result;

/// News that no call asked for: of the selected mailbox mostly, made by other sessions.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// The mailbox has this number of messages now.
    Exists(u32),
    /// This number of messages is new to this session (IMAP4rev1).
    Recent(u32),
    /// The message of this number is gone, and those after it have moved up.
    Expunge(SeqNumber),
    /// The messages of these UIDs are gone ([RFC 7162](https://www.rfc-editor.org/rfc/rfc7162)).
    Vanished(VanishedData),
    /// A message has these flags now.
    Flags {
        /// The sequence number of the message.
        number: SeqNumber,
        /// The UID of the message, if the server said it.
        uid: Option<Uid>,
        /// All flags of the message.
        flags: FlagSet,
        /// The change that made them so, if the server counts changes.
        mod_seq: Option<ModSeq>,
    },
    /// A message has these flags now, in a session without sequence numbers
    /// ([RFC 9586](https://www.rfc-editor.org/rfc/rfc9586)).
    UidFlags {
        /// The UID of the message.
        uid: Uid,
        /// All flags of the message.
        flags: FlagSet,
        /// The modification sequence of the change, if the server said it.
        mod_seq: Option<ModSeq>,
    },
    /// The result of a search that the server keeps up to date has changed: see
    /// [`SearchContext::apply`](super::SearchContext::apply).
    Search(Box<ESearchData>),
    /// Words of the server outside of any answer, or with `ALERT`. Alerts must be shown to the user
    /// ([RFC 9051 section 7.1](https://www.rfc-editor.org/rfc/rfc9051#section-7.1)); NO and BAD are warnings.
    Notice(Reply),
    /// Data of another kind.
    Data(Box<Untagged>),
    /// More came than [`Config::updates`](super::Config::updates) and
    /// [`Config::update_bytes`](super::Config::update_bytes) keep, and what was about messages is
    /// lost: look at the mailbox anew.
    Overflow,
}

/// Hears how far a call has come: [`Config::with_progress`](super::Config::with_progress).
#[derive(Clone)]
pub(super) struct ProgressHook(Arc<dyn Fn(&Progress) + Send + Sync>);

impl ProgressHook {
    pub(super) fn new(hear: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }

    fn tell(&self, progress: Option<&Progress>) {
        let bare = Progress::new();
        let progress = progress.unwrap_or(&bare);
        // RFC 9585 section 6: what cannot be true is disregarded.
        if progress.is_plausible() {
            (self.0)(progress);
        }
    }
}

impl PartialEq for ProgressHook {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::fmt::Debug for ProgressHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProgressHook(..)")
    }
}

/// A response that could not be read. The call in which it came went on without it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The response, or its beginning if it is long.
    pub bytes: Bytes,
    /// The reason why it could not be read.
    pub error: ParseError,
}

/// How many responses that could not be read are kept, and how much of each.
const MALFORMED: usize = 64;
const MALFORMED_BYTES: usize = 4096;

/// What belongs to no call.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Each with how many bytes it takes at most.
    updates: Updates,
    limit: usize,
    /// How many bytes the updates may take, all together.
    room: usize,
    overflowed: bool,
    /// How many bytes the updates take at most.
    weight: usize,
    pub(super) malformed: VecDeque<Malformed>,
    /// How many messages the selected mailbox has.
    pub(super) exists: Option<u32>,
    /// The HIGHESTMODSEQ that was told last.
    pub(super) highest_mod_seq: Option<ModSeq>,
    /// How the last call ended.
    pub(super) completion: Completion,
    /// IMAP4rev2 or UTF8=ACCEPT was enabled.
    pub(super) utf8: bool,
    /// Said apart from the end of a command: it was done for a part of its messages: the two values of
    /// the code MESSAGELIMIT.
    part: Option<(NonZeroU32, Option<Uid>)>,
    /// Who hears how far a call has come.
    pub(super) progress: Option<ProgressHook>,
    /// NOTIFY has asked for items of new messages.
    pub(super) shows_new: bool,
}

apart! {
    #[derive(Debug)]
    struct Updates(VecDeque<(Update, usize)>);

    #[derive(Debug)]
    pub(super) struct Completion(Option<Reply>);
}

impl Inbox {
    pub(super) fn new(limit: usize, room: usize) -> Self {
        Self {
            updates: Updates::default(),
            limit,
            room,
            overflowed: false,
            weight: 0,
            malformed: VecDeque::new(),
            exists: None,
            highest_mod_seq: None,
            completion: Completion::default(),
            utf8: false,
            part: None,
            progress: None,
            shows_new: false,
        }
    }

    /// A call begins: what was said of another one is not about this.
    pub(super) fn begin(&mut self) {
        self.part = None;
    }

    /// The oldest update.
    pub(super) fn pop(&mut self) -> Option<Update> {
        if std::mem::take(&mut self.overflowed) {
            return Some(Update::Overflow);
        }
        let (update, weight) = self.updates.pop_front()?;
        self.weight = self.weight.saturating_sub(weight);
        Some(update)
    }

    /// The mailbox is no longer selected: what is known of its messages means nothing.
    pub(super) fn forget_mailbox(&mut self) {
        self.exists = None;
        self.highest_mod_seq = None;
        self.overflowed = false;
        self.keep_only(|update| !is_about_messages(update));
    }

    /// The user has logged out: what is left was for nobody else.
    #[inline]
    pub(super) fn forget_session(&mut self) {
        self.forget_mailbox();
        self.keep_only(|_| false);
        self.malformed.clear();
        self.utf8 = false;
        self.shows_new = false;
    }

    /// An event that belongs to no call that goes on.
    pub(super) fn unclaimed(&mut self, event: Event) {
        match event {
            Event::Data { data, .. } => {
                self.note(&data);
                self.push(data);
            }
            Event::Malformed { bytes, error, .. } => self.push_malformed(&bytes, error),
            _ => {}
        }
    }

    /// How the call ended, if the event is its end. Any other belongs to no call.
    pub(super) fn ended(&mut self, call: Call, event: Event) -> Option<Result<Reply>> {
        match event {
            Event::Reply { ticket, mut reply, .. } if ticket == call.ticket => {
                if let Some((limit, uid)) = self.part.take() {
                    reply.code = Some(Code::MessageLimit { limit, uid });
                }
                self.complete(&reply);
                self.note_code(&reply);
                // A part is not what was asked for (RFC 9738).
                let part = call.partial && matches!(reply.code, Some(Code::MessageLimit { .. }));
                if !reply.is_ok() || part {
                    return Some(Err(refused(call.name, &reply)));
                }
                if call.leaves {
                    let kept = (self.exists, self.highest_mod_seq);
                    self.forget_mailbox();
                    (self.exists, self.highest_mod_seq) = kept;
                }
                Some(Ok(reply))
            }
            Event::NotSent { ticket, reason } if ticket == call.ticket => Some(Err(reason.into())),
            Event::Malformed { ticket: Some(ticket), error, .. } if ticket == call.ticket => {
                let (what, offset) = (error.reason, error.offset);
                self.unclaimed(event);
                Some(Err(mailwire_core::Error::Unexpected { what, offset }.into()))
            }
            event => {
                self.unclaimed(event);
                None
            }
        }
    }

    fn push_malformed(&mut self, bytes: &Bytes, error: ParseError) {
        let beginning = bytes.get(..MALFORMED_BYTES).unwrap_or(bytes);
        crate::traces::warn!(response = %mailwire_core::escape_ascii(beginning), %error, "cannot be read");
        if self.malformed.len() >= MALFORMED {
            self.malformed.pop_front();
        }
        // A copy, so that no receive buffer is held.
        self.malformed.push_back(Malformed { bytes: Bytes::copy_from_slice(beginning), error });
    }

    /// What data means whoever asked for it.
    pub(super) fn note(&mut self, data: &Untagged) {
        match data {
            Untagged::Exists(count) => self.exists = Some(*count),
            Untagged::Reply(Reply {
                kind: ReplyKind::No,
                code: Some(Code::MessageLimit { limit, uid }),
                ..
            }) => {
                self.part = Some((*limit, *uid));
            }
            Untagged::Reply(Reply {
                kind: ReplyKind::Ok, code: Some(Code::InProgress(progress)), ..
            }) => {
                if let Some(hook) = &self.progress {
                    hook.tell(progress.as_deref());
                }
            }
            Untagged::Expunge(_) => self.exists = self.exists.map(|count| count.saturating_sub(1)),
            Untagged::Vanished(VanishedData { earlier: false, uids, .. }) => {
                let gone = u32::try_from(uids.count()).unwrap_or(u32::MAX);
                self.exists = self.exists.map(|count| count.saturating_sub(gone));
            }
            Untagged::Reply(reply) => self.note_code(reply),
            Untagged::Enabled(enabled) => {
                self.utf8 |=
                    enabled.contains(&Capability::Imap4Rev2) || enabled.contains(&Capability::Utf8Accept);
            }
            _ => {}
        }
    }

    /// RFC 7162 section 6: what is told last counts.
    fn note_code(&mut self, reply: &Reply) {
        match reply.code {
            Some(Code::HighestModSeq(mod_seq)) => self.highest_mod_seq = mod_seq,
            Some(Code::NoModSeq) => self.highest_mod_seq = None,
            _ => {}
        }
    }

    /// Keeps data that nobody asked for.
    pub(super) fn push(&mut self, data: Untagged) {
        let mut weight = 0;
        let update = match data {
            Untagged::Exists(count) => Update::Exists(count),
            Untagged::Recent(count) => Update::Recent(count),
            Untagged::Expunge(Some(number)) => Update::Expunge(number),
            // There is no message 0.
            Untagged::Expunge(None) => return,
            Untagged::Vanished(vanished) => {
                weight = vanished.uids.ranges().count().saturating_mul(48);
                Update::Vanished(vanished)
            }
            Untagged::Fetch(fetch) => match of_fetch(fetch, self.shows_new) {
                Some((update, heavy)) => {
                    weight = heavy;
                    update
                }
                None => return,
            },
            Untagged::Reply(status) => match status {
                // Said on its own account already, or of no consequence: "still here".
                Reply { kind: ReplyKind::Bye, .. }
                | Reply {
                    kind: ReplyKind::Ok,
                    code: None | Some(Code::InProgress(_) | Code::HighestModSeq(_)),
                    ..
                } => {
                    return;
                }
                status => {
                    let Some((status, heavy)) = compact_reply(&status, self.room / 4) else { return };
                    weight = heavy;
                    Update::Notice(status)
                }
            },
            data => {
                let (data, heavy) = compact(data);
                weight = heavy.saturating_add(size_of::<Untagged>());
                match data {
                    Untagged::ESearch(data) if is_update(&data) => Update::Search(Box::new(data)),
                    data => Update::Data(Box::new(data)),
                }
            }
        };
        self.add(update, weight);
    }

    /// Keeps the words with which a call ended, if they are for the user.
    pub(super) fn complete(&mut self, status: &Reply) {
        let room = self.room / 4;
        *self.completion = compact_reply(status, room).map(|(copy, _)| copy);
        if let Some(completion @ Reply { code: Some(Code::Alert), .. }) = &*self.completion {
            if let Some((notice, weight)) = compact_reply(completion, room) {
                self.add(Update::Notice(notice), weight);
            }
        }
    }

    fn add(&mut self, update: Update, weight: usize) {
        let weight = weight.saturating_add(PLACE);
        if self.is_full(weight) {
            // What is about messages is of no use with gaps in it.
            self.overflowed = true;
            self.keep_only(|update| matches!(update, Update::Notice(_)));
            // Where notices fill it, the older of them go as well, until half of the room is free: what little is
            // gained otherwise would have to be gained again for nearly every update that follows.
            while self.updates.len() > self.limit / 2 || self.weight.saturating_add(weight) > self.room / 2 {
                let Some((_, old)) = self.updates.pop_front() else { break };
                self.weight = self.weight.saturating_sub(old);
            }
            self.updates.shrink_to_fit();
            if is_about_messages(&update) || weight > self.room {
                return;
            }
        }
        self.weight = self.weight.saturating_add(weight);
        self.updates.push_back((update, weight));
    }

    fn is_full(&self, weight: usize) -> bool {
        self.updates.len() >= self.limit || self.weight.saturating_add(weight) > self.room
    }

    fn keep_only(&mut self, keep: impl Fn(&Update) -> bool) {
        self.updates.retain(|(update, _)| keep(update));
        self.updates.shrink_to_fit();
        self.weight = self.updates.iter().map(|(_, weight)| weight).sum();
    }
}

/// The place of an update in its queue, which can grow to twice what it needs, and is copied then.
const PLACE: usize = size_of::<(Update, usize)>() * 3;

fn is_about_messages(update: &Update) -> bool {
    match update {
        Update::Notice(_) => false,
        Update::Data(data) => matches!(**data, Untagged::Fetch(_)),
        _ => true,
    }
}

/// What an unsolicited FETCH says, and what it weighs beyond its place in the queue. `whole`: what is shown of new
/// messages stays together.
fn of_fetch(mut fetch: FetchData, whole: bool) -> Option<(Update, usize)> {
    let is_of_flags = |item: &MsgAtt| matches!(item, MsgAtt::Uid(_) | MsgAtt::Flags(_) | MsgAtt::ModSeq(_));
    if whole && !fetch.items.iter().all(is_of_flags) {
        let (data, weight) = compact(Untagged::Fetch(fetch));
        return Some((Update::Data(Box::new(data)), weight.saturating_add(size_of::<Untagged>())));
    }
    let uid = fetch.message_uid();
    let mod_seq = fetch.items.iter().find_map(|item| match item {
        MsgAtt::ModSeq(mod_seq) => *mod_seq,
        _ => None,
    });
    let flags = fetch.items.iter_mut().find_map(|item| match item {
        MsgAtt::Flags(flags) => Some(std::mem::take(flags)),
        _ => None,
    });
    if let Some(flags) = flags {
        let (flags, weight) = compact_flags(&flags);
        let update = match fetch.uid {
            Some(uid) => Update::UidFlags { uid, flags, mod_seq },
            None => Update::Flags { number: fetch.number?, uid, flags, mod_seq },
        };
        return Some((update, weight));
    }
    // A body that nobody waits for any more is not news.
    fetch.items.retain_mut(|item| data_of(item).is_none());
    if !fetch.items.iter().any(|item| !matches!(item, MsgAtt::Uid(_))) {
        return None;
    }
    let (data, weight) = compact(Untagged::Fetch(fetch));
    Some((Update::Data(Box::new(data)), weight.saturating_add(size_of::<Untagged>())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn notice(number: usize) -> Untagged {
        Untagged::Reply(Reply::new(ReplyKind::No, format!("notice {number}")).unwrap())
    }

    fn data() -> Untagged {
        Untagged::Flags(FlagSet::default())
    }

    /// How often, while `count` updates come, some had to make room.
    fn cleared(inbox: &mut Inbox, count: usize) -> usize {
        let mut times = 0;
        for _ in 0..count {
            let before = inbox.updates.len();
            inbox.push(data());
            times += usize::from(inbox.updates.len() <= before);
        }
        times
    }

    /// Making room looks at all that is kept, so it must not be done for each update.
    #[test]
    fn a_queue_full_of_notices_is_not_gone_through_for_each_update() {
        let mut by_number = Inbox::new(100, 1 << 20);
        (0..99).for_each(|number| by_number.push(notice(number)));
        let mut by_weight = Inbox::new(1 << 20, 100 * 1000);
        while by_weight.weight < 99 * 1000 {
            by_weight.push(notice(1));
        }
        for inbox in [&mut by_number, &mut by_weight] {
            let times = cleared(inbox, 1000);
            assert!((1..=40).contains(&times), "{times}");
            assert_eq!(inbox.pop(), Some(Update::Overflow));
        }
        // The newest notices are those that stay.
        let last = by_number.updates.iter().filter_map(|(update, _)| match update {
            Update::Notice(reply) => Some(String::from_utf8_lossy(reply.text.as_bytes()).into_owned()),
            _ => None,
        });
        assert_eq!(last.last(), Some("notice 98".to_owned()));
    }
}
