//! What each command is: one row a command.

use mailwire_core::{WrongState, keywords};

use super::{Command, Follows};
use crate::{capability::Tag, reply::Expected, state::State};

/// What a command is, whoever sends or receives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// The capability that tells of it, if it need not be there.
    pub(crate) needs: Option<Tag>,
    /// The states that it is valid in.
    pub(crate) valid_in: ValidIn,
    /// What stands in its positive status line.
    pub(crate) status: Expected,
    /// What follows that line.
    pub(crate) follows: Follows,
    /// What each line is that follows.
    pub(crate) lines: Expected,
    /// What its answer changes.
    pub(crate) effect: Effect,
    /// Its answer says nothing but that it was done: one server leaves `+OK` out.
    pub(crate) may_be_empty: bool,
}

/// The states that a command is valid in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValidIn {
    Any,
    Authorization,
    Transaction,
}

/// What the answer to a command changes in the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    Capa,
    StartTls,
    /// UTF-8 mode.
    Utf8,
    /// The language of texts.
    Lang,
    /// Who the client is.
    Xclient,
    /// The name for the PASS that follows.
    User,
    /// PASS, APOP.
    Login,
    Authenticate,
    Dele,
    Rset,
    Quit,
}

keywords! {
    /// The names of the commands that are known here.
    pub(crate) enum Name of Command except Other, AuthList {
        User = "USER",
        Pass = "PASS",
        Apop = "APOP",
        Auth = "AUTH",
        Stls = "STLS",
        Capa = "CAPA",
        Utf8 = "UTF8",
        Lang = "LANG",
        Xclient = "XCLIENT",
        Stat = "STAT",
        List = "LIST",
        Uidl = "UIDL",
        Retr = "RETR",
        Top = "TOP",
        Dele = "DELE",
        Rset = "RSET",
        Noop = "NOOP",
        Quit = "QUIT",
    }
}

impl Name {
    /// The table: a row a command.
    const fn row(self) -> Rules {
        match self {
            Name::User => authorization().needs(Tag::User).does(Effect::User),
            Name::Pass => authorization().needs(Tag::User).does(Effect::Login),
            Name::Apop => authorization().does(Effect::Login),
            Name::Auth => authorization().needs(Tag::Sasl).does(Effect::Authenticate),
            Name::Stls => authorization().needs(Tag::Stls).does(Effect::StartTls),
            Name::Capa => any().lines(Expected::Capability).does(Effect::Capa),
            Name::Utf8 => authorization().needs(Tag::Utf8).does(Effect::Utf8),
            Name::Lang => any().lines(Expected::Language).needs(Tag::Lang).does(Effect::Lang),
            Name::Xclient => authorization().does(Effect::Xclient),
            Name::Stat => transaction().status(Expected::DropListing),
            Name::List => transaction().lines(Expected::ScanListing),
            Name::Uidl => transaction().lines(Expected::UniqueIdListing).needs(Tag::Uidl),
            Name::Retr => transaction().body(),
            Name::Top => transaction().body().needs(Tag::Top),
            Name::Dele => transaction().may_be_empty().does(Effect::Dele),
            Name::Rset => transaction().may_be_empty().does(Effect::Rset),
            Name::Noop => transaction().may_be_empty(),
            Name::Quit => any().does(Effect::Quit),
        }
    }

    /// The row of this command.
    #[inline]
    fn rules(self) -> Rules {
        ROWS.get(self as usize).copied().unwrap_or(any())
    }
}

/// The table in memory: a load for each command in place of a match (hostile/pop3-server-commands).
static ROWS: [Rules; Name::ALL.len()] = {
    let mut rows = [any(); Name::ALL.len()];
    let mut at = 0;
    while at < rows.len() {
        // In a constant, where a mistake does not build.
        #[allow(clippy::indexing_slicing)]
        {
            rows[at] = Name::ALL[at].row();
        }
        at += 1;
    }
    rows
};

impl Command {
    /// The row of this command. Where a value decides (`LIST 1` is not `LIST`), it is asked here.
    #[inline]
    pub(crate) fn rules(&self) -> Rules {
        match self {
            // What is sent as it is may be known here nevertheless.
            Self::Other { keyword, .. } => Name::of(keyword.as_bytes()).map_or(any(), Name::rules),
            Self::List(Some(_)) => Name::List.rules().of_one(),
            Self::Uidl(Some(_)) => Name::Uidl.rules().of_one(),
            Self::Lang(Some(_)) => Name::Lang.rules().of_one(),
            Self::AuthList => authorization().lines(Expected::Mechanism).needs(Tag::Sasl),
            known => Name::of_value(known).map_or(any(), Name::rules),
        }
    }
}

/// A row with what most commands are.
const fn row(valid_in: ValidIn) -> Rules {
    Rules {
        needs: None,
        valid_in,
        status: Expected::Status,
        follows: Follows::Nothing,
        lines: Expected::Status,
        effect: Effect::Nothing,
        may_be_empty: false,
    }
}

const fn any() -> Rules {
    row(ValidIn::Any)
}

const fn authorization() -> Rules {
    row(ValidIn::Authorization)
}

const fn transaction() -> Rules {
    row(ValidIn::Transaction)
}

impl Rules {
    const fn needs(mut self, tag: Tag) -> Self {
        self.needs = Some(tag);
        self
    }

    const fn status(mut self, status: Expected) -> Self {
        self.status = status;
        self
    }

    const fn lines(mut self, lines: Expected) -> Self {
        self.follows = Follows::Lines;
        self.lines = lines;
        self
    }

    /// Of one message or language: what would be a line is in the status line.
    const fn of_one(mut self) -> Self {
        self.follows = Follows::Nothing;
        self.status = self.lines;
        self
    }

    const fn body(mut self) -> Self {
        self.follows = Follows::Body;
        self
    }

    const fn may_be_empty(mut self) -> Self {
        self.may_be_empty = true;
        self
    }

    const fn does(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// Whether nothing may be sent after it before it is answered: bytes of another command would be
    /// taken for a part of the exchange, for TLS, or for nothing.
    pub(crate) const fn blocks(&self) -> bool {
        matches!(self.effect, Effect::Authenticate | Effect::StartTls | Effect::Quit)
    }
}

impl ValidIn {
    /// # Errors
    ///
    /// Why it is not valid in this state.
    pub(crate) const fn check(self, state: State) -> Result<(), WrongState> {
        match (self, state) {
            (_, State::Update) => Err(WrongState::Ending),
            (Self::Authorization, State::Transaction) => Err(WrongState::AlreadyAuthenticated),
            (Self::Transaction, State::Authorization) => Err(WrongState::NotAuthenticated),
            _ => Ok(()),
        }
    }
}

impl Effect {
    pub(crate) const fn is_login(self) -> bool {
        matches!(self, Self::Login | Self::Authenticate)
    }

    /// The state when a command with this effect was said.
    pub(crate) const fn before(self, state: State) -> State {
        match (self, state) {
            (Self::Quit, State::Transaction) => State::Update,
            _ => state,
        }
    }

    /// The state when a command with this effect was answered.
    pub(crate) const fn after(self, state: State, ok: bool) -> State {
        match self {
            Self::Login | Self::Authenticate if ok => State::Transaction,
            _ => state,
        }
    }
}
