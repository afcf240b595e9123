//! Where commands belong.

use super::Command;

/// The states that a command belongs to (RFC 9051 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Any,
    NotAuthenticated,
    Authenticated,
    Selected,
}

impl Place {
    pub(crate) const fn of(command: &Command) -> Self {
        match command {
            Command::Capability | Command::Noop | Command::Logout | Command::Id(_) | Command::Other(_) => {
                Place::Any
            }
            Command::StartTls | Command::Authenticate(_) | Command::Login(_) => Place::NotAuthenticated,
            Command::Enable(_)
            | Command::Select(_)
            | Command::Examine(_)
            | Command::Create(_)
            | Command::Delete(_)
            | Command::Rename { .. }
            | Command::Subscribe(_)
            | Command::Unsubscribe(_)
            | Command::List(_)
            | Command::Lsub { .. }
            | Command::Namespace
            | Command::Status { .. }
            | Command::Append(_)
            | Command::Idle => Place::Authenticated,
            Command::Check
            | Command::Close
            | Command::Unselect
            | Command::Expunge
            | Command::UidExpunge(_)
            | Command::Search(_)
            | Command::Fetch(_)
            | Command::Store(_)
            | Command::Copy(_)
            | Command::Move(_) => Place::Selected,
        }
    }
}
