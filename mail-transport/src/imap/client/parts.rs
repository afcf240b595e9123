//! Commands that a server does for a part of their messages at once (RFC 9738).

use mailwire_imap::{
    command::{Command, Fetch, Messages, SearchKey, SearchReturnOpt},
    response::{Code, Reply},
    types::{SeqRange, Uid, UidSet},
};

use super::{Call, Client, call::Take, error::refused};
use crate::{Result, runtime::Boxed};

/// A command that can be done in parts.
pub(super) trait Divide: Clone {
    /// Whether what is still to do can be told from how far the server came.
    fn is_divisible(&self) -> bool;

    /// Leaves what is below an identifier; `None` if there is nothing.
    fn clip(&mut self, uid: Uid) -> Option<()>;
}

/// What is still to do of a command.
#[derive(Debug)]
pub(super) struct Rest<C> {
    /// The command as it was given.
    whole: C,
    /// All from this identifier on is done.
    done: Option<Uid>,
    /// So many parts are still asked for.
    parts: u32,
}

/// A server of a thousand messages at once does a hundred million in so many parts.
const MOST_PARTS: u32 = 100_000;

impl Divide for Fetch {
    fn is_divisible(&self) -> bool {
        self.partial.is_none() && names_uids(&self.messages)
    }

    fn clip(&mut self, uid: Uid) -> Option<()> {
        clip(&mut self.messages, uid)
    }
}

impl Divide for Command {
    fn is_divisible(&self) -> bool {
        match self {
            Self::Fetch(fetch) => fetch.is_divisible(),
            // Of these, what was left alone has to be told as well, and a part tells only its own.
            Self::Store(store) => store.unchanged_since.is_none() && names_uids(&store.messages),
            Self::StoreAnnotations(store) => store.unchanged_since.is_none() && names_uids(&store.messages),
            Self::StoreLabels(store) => store.unchanged_since.is_none() && names_uids(&store.messages),
            Self::Move(moved) => names_uids(&moved.messages),
            Self::UidExpunge(set) => !set.is_saved(),
            Self::Search(search) => {
                let whole = |option: &SearchReturnOpt| {
                    matches!(
                        option,
                        SearchReturnOpt::All
                            | SearchReturnOpt::Count
                            | SearchReturnOpt::Min
                            | SearchReturnOpt::Max
                    )
                };
                search.returns.iter().flatten().all(whole)
            }
            _ => false,
        }
    }

    fn clip(&mut self, uid: Uid) -> Option<()> {
        match self {
            Self::Fetch(fetch) => fetch.clip(uid),
            Self::Store(store) => clip(&mut store.messages, uid),
            Self::StoreAnnotations(store) => clip(&mut store.messages, uid),
            Self::StoreLabels(store) => clip(&mut store.messages, uid),
            Self::Move(moved) => clip(&mut moved.messages, uid),
            Self::UidExpunge(set) => below(set, uid).map(|left| *set = left),
            Self::Search(search) => {
                search.keys.push(SearchKey::UidBefore(uid));
                Some(())
            }
            _ => None,
        }
    }
}

impl<C: Divide> Rest<C> {
    /// `None`: of this command only a server can tell what is still to do.
    pub(super) fn of(command: &C) -> Option<Self> {
        command.is_divisible().then(|| Self { whole: command.clone(), done: None, parts: MOST_PARTS })
    }

    /// The command for what is left after a part was done. `Some(None)`: nothing is left. `None`: the server does
    /// not come forward, or says not how far it came, or there is no end to it.
    pub(super) fn after(&mut self, reply: &Reply) -> Option<Option<C>> {
        let Some(Code::MessageLimit { uid, .. }) = &reply.code else { return Some(None) };
        let uid = uid.filter(|uid| self.done.is_none_or(|done| *uid < done))?;
        self.done = Some(uid);
        self.parts = self.parts.checked_sub(1)?;
        let mut command = self.whole.clone();
        Some(command.clip(uid).map(|()| command))
    }
}

fn names_uids(messages: &Messages) -> bool {
    matches!(messages, Messages::Uid(set) if !set.is_saved())
}

fn clip(messages: &mut Messages, uid: Uid) -> Option<()> {
    let Messages::Uid(set) = messages else { return None };
    *set = below(set, uid)?;
    Some(())
}

/// What of a set is below an identifier. `*`, the highest, is not.
fn below(set: &UidSet, uid: Uid) -> Option<UidSet> {
    let last = Uid::new(uid.get() - 1)?;
    let ranges = set.normalized(Uid::MAX).into_iter().filter(|(low, _)| *low <= last);
    UidSet::from_ranges(ranges.map(|(low, high)| SeqRange::new(low, high.min(last)))).ok()
}

impl Client {
    /// Whether the server does commands for a part of their messages.
    pub(super) fn is_limited(&self) -> bool {
        self.capabilities().message_limit().is_some()
    }

    /// Runs a command, and again for what is left of it, until it is done for all its messages.
    ///
    /// # Errors
    ///
    /// It was done for a part, and it cannot be told for which; a later part was refused.
    #[inline]
    pub(super) fn run_all<'a>(
        &'a mut self,
        command: Command,
        take: &'a mut Take<'_>,
    ) -> Boxed<'a, Result<Reply>> {
        let Some(mut rest) = Some(&command).filter(|_| self.is_limited()).and_then(Rest::of) else {
            return self.run(command, take);
        };
        Box::pin(async move {
            let mut next = command;
            loop {
                let call = self.start(next).await?;
                let call = Call { partial: false, ..call };
                let reply = self.finish(call, take).await?;
                match rest.after(&reply) {
                    Some(Some(command)) => next = command,
                    Some(None) => return Ok(reply),
                    None => return Err(refused(call.name, &reply)),
                }
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::num::NonZeroU32;

    use mailwire_imap::response::ReplyKind;

    use super::*;

    #[test]
    fn what_is_left_of_a_set() {
        let left = |set: &str, uid| below(&set.parse().unwrap(), Uid::new(uid).unwrap());
        assert_eq!(left("1:*", 50), Some("1:49".parse().unwrap()));
        assert_eq!(left("*:20,7,90", 50), Some("7,20:49".parse().unwrap()));
        assert_eq!(left("50:*,60", 50), None);
        assert_eq!(left("*", 50), None);
        assert_eq!(left("1:*", 1), None);
    }

    #[test]
    fn the_parts_have_an_end() {
        let mut rest = Rest::of(&Command::UidExpunge(UidSet::all())).unwrap();
        let mut part = |uid| {
            let code = Code::MessageLimit { limit: NonZeroU32::MIN, uid: Uid::new(uid) };
            rest.after(&Reply::new(ReplyKind::Ok, "a part").unwrap().with_code(code))
        };
        let mut uids = (1..=u32::MAX).rev();
        assert!(uids.by_ref().take(100_000).all(|uid| part(uid).is_some()));
        assert_eq!(uids.next().and_then(&mut part), None);
    }
}
