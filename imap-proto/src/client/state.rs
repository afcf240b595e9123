//! What a client's machine remembers.

use alloc::{collections::VecDeque, vec::Vec};

use bytes::Bytes;
use mailwire_core::{Misuse, Secret, Ticket};

use crate::{
    body::Outgoing,
    capability::Capability,
    command::{Command, EncodeOptions, Literals, Place},
    types::Tag,
};

/// Where a session stands (RFC 9051 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The client has to log in.
    NotAuthenticated,
    /// A mailbox can be selected.
    Authenticated,
    /// A mailbox is selected.
    Selected,
    /// LOGOUT or BYE: the end.
    Logout,
}

/// What is learnt from the server under the present protection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) tls: bool,
    pub(super) state: State,
    /// `None`: not known.
    pub(super) capabilities: Option<Vec<Capability>>,
    /// Capabilities came since the login was sent.
    pub(super) capabilities_fresh: bool,
    /// IMAP4rev2 or UTF8=ACCEPT was enabled.
    pub(super) utf8: bool,
}

impl Session {
    pub(super) const fn new(tls: bool) -> Self {
        Self {
            tls,
            state: State::NotAuthenticated,
            capabilities: None,
            capabilities_fresh: false,
            utf8: false,
        }
    }

    pub(super) fn has(&self, capability: &Capability) -> bool {
        self.capabilities.as_ref().is_some_and(|known| known.contains(capability))
    }

    /// Whether the server is known to have neither this nor IMAP4rev2, which it is a part of.
    fn lacks(&self, capability: &Capability) -> bool {
        self.capabilities.is_some() && !self.has(capability) && !self.has(&Capability::Imap4Rev2)
    }

    fn has_mechanism(&self, name: &str) -> bool {
        self.capabilities.iter().flatten().any(|capability| match capability {
            Capability::Auth(mechanism) => mechanism.eq_ignore_ascii_case(name),
            _ => false,
        })
    }

    pub(super) fn encode_options(&self, non_synchronizing: bool) -> EncodeOptions {
        let literals = match non_synchronizing {
            true if self.has(&Capability::LiteralPlus) => Literals::Plus,
            true if self.has(&Capability::LiteralMinus) || self.has(&Capability::Imap4Rev2) => {
                Literals::Minus
            }
            _ => Literals::Synchronizing,
        };
        EncodeOptions { literals, utf8: self.utf8 }
    }

    /// Whether the server can be asked for this now.
    pub(super) fn check(&self, command: &Command, allow_clear: bool) -> Result<(), Misuse> {
        let clear = !self.tls && !allow_clear;
        match Place::of(command) {
            Place::Any => {}
            Place::NotAuthenticated if self.state == State::NotAuthenticated => {}
            Place::NotAuthenticated => return Err(Misuse::WrongState("already logged in")),
            Place::Authenticated if matches!(self.state, State::Authenticated | State::Selected) => {}
            Place::Authenticated => return Err(Misuse::WrongState("not logged in")),
            Place::Selected if self.state == State::Selected => {}
            Place::Selected => return Err(Misuse::WrongState("no mailbox is selected")),
        }
        match command {
            Command::StartTls => Err(Misuse::WrongState("STARTTLS is sent with Channel::StartTls only")),
            Command::Login(_) if clear => Err(Misuse::CredentialsInClear),
            Command::Login(_) if self.has(&Capability::LoginDisabled) => Err(Misuse::NotOffered("LOGIN")),
            Command::Authenticate(auth) => {
                let mechanism = auth.mechanism.as_str().unwrap_or_default();
                if clear && shows_secret(mechanism) {
                    Err(Misuse::CredentialsInClear)
                } else if self.capabilities.is_some() && !self.has_mechanism(mechanism) {
                    Err(Misuse::NotOffered("this mechanism"))
                } else {
                    Ok(())
                }
            }
            Command::Idle if self.lacks(&Capability::Idle) => Err(Misuse::NotOffered("IDLE")),
            Command::Move(_) if self.lacks(&Capability::Move) => Err(Misuse::NotOffered("MOVE")),
            Command::Unselect if self.lacks(&Capability::Unselect) => Err(Misuse::NotOffered("UNSELECT")),
            Command::UidExpunge(_) if self.lacks(&Capability::UidPlus) => Err(Misuse::NotOffered("UIDPLUS")),
            Command::Namespace if self.lacks(&Capability::Namespace) => Err(Misuse::NotOffered("NAMESPACE")),
            Command::Enable(_) if self.lacks(&Capability::Enable) => Err(Misuse::NotOffered("ENABLE")),
            Command::Id(_) if self.capabilities.is_some() && !self.has(&Capability::Id) => {
                Err(Misuse::NotOffered("ID"))
            }
            _ => Ok(()),
        }
    }
}

/// The mechanisms that are known not to show the secret, by name or beginning of the name.
fn shows_secret(mechanism: &str) -> bool {
    const SAFE: [&str; 8] =
        ["SCRAM-", "CRAM-MD5", "DIGEST-MD5", "GSSAPI", "GS2-", "NTLM", "ANONYMOUS", "EXTERNAL"];
    !SAFE
        .iter()
        .any(|safe| mechanism.get(..safe.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(safe)))
}

/// A command that was not written yet.
#[derive(Debug)]
pub(super) struct Queued {
    /// `None`: the machine's own.
    pub(super) ticket: Option<Ticket>,
    pub(super) command: Command,
}

/// What the completion of a command means for the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    StartTls,
    Login,
    Select,
    /// CLOSE, UNSELECT.
    Deselect,
    Enable,
    Logout,
    Idle,
    Other,
}

impl Kind {
    pub(super) const fn of(command: &Command) -> Self {
        match command {
            Command::StartTls => Kind::StartTls,
            Command::Login(_) | Command::Authenticate(_) => Kind::Login,
            Command::Select(_) | Command::Examine(_) => Kind::Select,
            Command::Close | Command::Unselect => Kind::Deselect,
            Command::Enable(_) => Kind::Enable,
            Command::Logout => Kind::Logout,
            Command::Idle => Kind::Idle,
            _ => Kind::Other,
        }
    }

    /// Whether the command changes how others are read or what they are about, so that it is in
    /// progress alone.
    pub(super) const fn is_alone(self) -> bool {
        !matches!(self, Kind::Other)
    }
}

/// A command in progress.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) ticket: Option<Ticket>,
    pub(super) tag: Tag,
    pub(super) kind: Kind,
    /// The server may send EXPUNGE meanwhile.
    pub(super) permits_expunge: bool,
    /// All that was ever put out when the last byte of this command was.
    pub(super) end: u64,
}

/// What the command that was written last still has to send. No other is written meanwhile.
#[derive(Debug)]
pub(super) enum Unfinished {
    /// The rest, behind a synchronizing literal's header.
    Parts {
        /// What was not sent yet. It can be a password.
        rest: Secret,
        /// How long each part is that one `+` lets go.
        parts: VecDeque<usize>,
        /// What follows the last part.
        body: Option<Body>,
    },
    /// A literal that the caller sends.
    Sending(Outgoing),
    /// A SASL exchange.
    Auth {
        /// The first message, held back.
        initial: Option<Secret>,
        /// The server waits for a step.
        challenged: bool,
    },
    /// IDLE.
    Idle(Idle),
}

/// The literal at the end of an APPEND.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) outgoing: Outgoing,
    /// The message, if the caller gave it with the command.
    pub(super) message: Option<Bytes>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Idle {
    /// The server said `+`.
    pub(super) begun: bool,
    /// DONE is to be sent, or was.
    pub(super) done: bool,
    pub(super) done_sent: bool,
    /// Begin anew behind the completion.
    pub(super) renew: bool,
}
