//! What each command is: one row a command.

use core::slice;

use mailwire_core::{Upgrade, WrongState, keywords};

use super::{Command, search};
use crate::{
    capability::{Capabilities, Capability},
    extensions::{ExtensionCommand, condstore},
    response::{ReplyKind, Untagged},
    state::State,
};

/// What a command is, whoever sends or receives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// The capability that a server must have, if the base protocol does not have the command.
    pub(crate) needs: Option<Need>,
    /// The states that it is valid in.
    pub(crate) valid_in: ValidIn,
    /// How it names messages.
    pub(crate) numbers: Numbers,
    /// The server may send EXPUNGE while it is in progress (RFC 9051 section 7.5.1).
    pub(crate) expunge: bool,
    /// What the server may have much to say of because of it.
    pub(crate) asks: Asks,
    /// What its completion changes.
    pub(crate) effect: Effect,
}

/// What a command asks for. What it does not ask for can come all the same, but gives a server no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asks {
    Nothing,
    /// Data, but none of messages.
    Data,
    /// Any data, also of messages, or that they are gone.
    Messages,
}

/// The states that a command is valid in (RFC 9051 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValidIn {
    Any,
    NotAuthenticated,
    LoggedIn,
    Selected,
}

/// How a command names messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    None,
    /// By sequence number, so that an EXPUNGE before it would change what it means.
    Sequence,
    /// By UID: `UID` stands before its name.
    Uid,
}

/// What a command needs: one of these capabilities, which brings it. Its name is that of the first.
///
/// Two words, which go through registers: each option, item and key of a command is asked for its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need(&'static [Capability]);

/// Hears what a command needs, one after the other, and keeps the first that a peer lacks.
pub(crate) struct Needs<'a> {
    /// What the peer has.
    offered: &'a Capabilities,
    lacking: Option<Need>,
}

/// What the completion of a command changes in the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    StartTls,
    Login,
    Authenticate,
    Select,
    /// CLOSE, UNSELECT.
    Deselect,
    Enable,
    Logout,
    Append,
    Idle,
    /// COMPRESS: the stream is another one after it.
    Compress,
    /// UNAUTHENTICATE: nothing is left but TLS.
    Unauthenticate,
    /// NOTIFY: what may be said from its OK on.
    Notify {
        /// EXPUNGE may come while no command is in progress.
        expunges_at_any_time: bool,
    },
}

/// What follows from the answer to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    GoOn,
    /// Another stream is put in place.
    Upgrade(Upgrade),
    /// Other things are offered now.
    LoggedIn,
    /// It counts for a server: nobody tries passwords for ever.
    LoginFailed,
    /// Nothing is left of the session but its protection.
    LoggedOut,
    /// The conversation is over.
    Close,
}

impl Command {
    /// The first that a peer with these capabilities lacks of what the command and its options need.
    pub(crate) fn lacks(&self, rules: &Rules, offered: &Capabilities) -> Option<Need> {
        let mut needs = Needs::new(offered);
        needs.add(rules.needs);
        match self {
            Command::Select(select) | Command::Examine(select) => select.needs(&mut needs),
            Command::Create(create) => needs.add(create.needs()),
            Command::StoreAnnotations(store) => store.needs(&mut needs),
            Command::StoreLabels(store) => store.needs(&mut needs),
            Command::Status(status) => status.items.iter().for_each(|item| needs.add(item.needs())),
            Command::List(list) => list.needs(&mut needs),
            Command::Search(search) => search.needs(&mut needs),
            Command::ESearch(search) => search.search.needs(&mut needs),
            Command::Sort(sort) => sort.needs(&mut needs),
            Command::Thread(thread) => thread.needs(&mut needs),
            Command::Fetch(fetch) => fetch.needs(&mut needs),
            Command::Store(store) => store.needs(&mut needs),
            Command::Copy(copy) | Command::Move(copy) => needs.add(copy.messages.needs()),
            Command::UidExpunge(set) if set.is_saved() => needs.add(Some(search::saved())),
            Command::Notify(notify) => notify.items().for_each(|item| needs.add(item.needs())),
            Command::Append(append) => append.needs(&mut needs),
            Command::Replace(replace) => replace.append.needs(&mut needs),
            _ => {}
        }
        needs.lacking()
    }

    /// Why its options exclude each other.
    #[inline]
    pub(crate) fn conflict(&self) -> Option<&'static str> {
        let beside = || match self {
            Command::ESearch(search) => search.conflict(),
            Command::Sort(sort) => sort.conflict(),
            _ => None,
        };
        self.searched().and_then(search::conflict).or_else(beside)
    }

    /// Whether it names messages by their numbers, or would be answered with numbers: not so once UIDONLY is
    /// enabled ([RFC 9586 sections 3.2, 3.5 and 3.7](https://www.rfc-editor.org/rfc/rfc9586#section-3.2)).
    #[cold]
    pub(crate) fn needs_numbers(&self, rules: &Rules) -> bool {
        let numbered = rules.numbers == Numbers::Sequence || self.uses_sequence_numbers();
        numbered || condstore::matches_numbers(self)
    }

    /// Whether it can be sent while `before` is in progress (RFC 9051 section 5.5).
    pub(crate) fn may_follow(&self, before: &Rules) -> bool {
        let is_alone = self.rules().is_alone() || before.is_alone();
        let renumbers = before.expunge && self.uses_sequence_numbers();
        !is_alone && !renumbers
    }

    /// The row of this command. Where a value decides (`UID FETCH` is not `FETCH`), it is asked here.
    pub(crate) fn rules(&self) -> Rules {
        match self {
            // The one UID form that is an extension of its own.
            Command::UidExpunge(_) => {
                selected().numbered().by_uid().needs_one_of(&[Capability::UidPlus, Capability::Imap4Rev2])
            }
            Command::Extension(command) => command.rules(),
            Command::Notify(notify) => {
                let expunges_at_any_time = notify.expunges_at_any_time();
                Name::Notify.rules().does(Effect::Notify { expunges_at_any_time })
            }
            Command::ESearch(search) if search.names_selected() => {
                Rules { valid_in: ValidIn::Selected, ..Name::ESearch.rules() }
            }
            // What is sent as it is may be known here nevertheless.
            Command::Other(other) => {
                let name = other.name().as_bytes();
                row_of(name).unwrap_or(unknown())
            }
            known => {
                let row = known.key().map_or(any(), Name::rules);
                if known.is_uid() { row.by_uid() } else { row }
            }
        }
    }

    /// The name of a command of the base protocol.
    pub(crate) const fn key(&self) -> Option<Name> {
        use Command as C;
        Some(match self {
            C::Capability => Name::Capability,
            C::Noop => Name::Noop,
            C::Notify(_) => Name::Notify,
            C::Logout => Name::Logout,
            C::Id(_) => Name::Id,
            C::StartTls => Name::StartTls,
            C::Authenticate(_) => Name::Authenticate,
            C::Login(_) => Name::Login,
            C::Enable(_) => Name::Enable,
            C::Select(_) => Name::Select,
            C::Examine(_) => Name::Examine,
            C::Compress => Name::Compress,
            C::Create(_) => Name::Create,
            C::Delete(_) => Name::Delete,
            C::Rename { .. } => Name::Rename,
            C::Subscribe(_) => Name::Subscribe,
            C::Unsubscribe(_) => Name::Unsubscribe,
            C::List(_) => Name::List,
            C::Lsub { .. } => Name::Lsub,
            C::Namespace => Name::Namespace,
            C::Status(_) => Name::Status,
            C::Append(_) => Name::Append,
            C::Replace(_) => Name::Replace,
            C::Idle => Name::Idle,
            C::Check => Name::Check,
            C::Close => Name::Close,
            C::Unauthenticate => Name::Unauthenticate,
            C::Unselect => Name::Unselect,
            C::Expunge | C::UidExpunge(_) => Name::Expunge,
            C::Search(_) => Name::Search,
            C::ESearch(_) => Name::ESearch,
            C::Sort(_) => Name::Sort,
            C::Thread(_) => Name::Thread,
            C::Fetch(_) => Name::Fetch,
            C::Store(_) | C::StoreAnnotations(_) | C::StoreLabels(_) => Name::Store,
            C::Copy(_) => Name::Copy,
            C::Move(_) => Name::Move,
            C::Extension(_) | C::Other(_) => return None,
        })
    }
}

keywords! {
    /// The commands that are known here, and `UID` before some of them.
    pub(crate) enum Name {
        Append = "APPEND",
        Authenticate = "AUTHENTICATE",
        Capability = "CAPABILITY",
        Check = "CHECK",
        Close = "CLOSE",
        Compress = "COMPRESS",
        Copy = "COPY",
        Create = "CREATE",
        Delete = "DELETE",
        ESearch = "ESEARCH",
        Enable = "ENABLE",
        Examine = "EXAMINE",
        Expunge = "EXPUNGE",
        Fetch = "FETCH",
        Id = "ID",
        Idle = "IDLE",
        List = "LIST",
        Login = "LOGIN",
        Logout = "LOGOUT",
        Lsub = "LSUB",
        Move = "MOVE",
        Namespace = "NAMESPACE",
        Noop = "NOOP",
        Notify = "NOTIFY",
        Rename = "RENAME",
        Replace = "REPLACE",
        Search = "SEARCH",
        Select = "SELECT",
        Sort = "SORT",
        StartTls = "STARTTLS",
        Status = "STATUS",
        Store = "STORE",
        Subscribe = "SUBSCRIBE",
        Thread = "THREAD",
        Uid = "UID",
        Unauthenticate = "UNAUTHENTICATE",
        Unselect = "UNSELECT",
        Unsubscribe = "UNSUBSCRIBE",
    }
}

impl Name {
    /// The table: a row a command.
    pub(crate) fn rules(self) -> Rules {
        use Capability as Cap;
        match self {
            Name::Capability | Name::Noop => any(),
            Name::Logout => any().does(Effect::Logout),
            Name::Id => any().needs(&Cap::Id),
            Name::StartTls => not_authenticated().does(Effect::StartTls),
            Name::Authenticate => not_authenticated().does(Effect::Authenticate),
            Name::Login => not_authenticated().does(Effect::Login),
            Name::Create | Name::Delete | Name::Rename | Name::Subscribe | Name::Unsubscribe => logged_in(),
            Name::List | Name::Lsub | Name::Status => logged_in(),
            Name::Select | Name::Examine => logged_in().does(Effect::Select),
            Name::Append => logged_in().does(Effect::Append),
            Name::Replace => selected().numbered().needs(&Cap::Replace).does(Effect::Append),
            Name::Enable => logged_in().needs_one_of(&[Cap::Enable, Cap::Imap4Rev2]).does(Effect::Enable),
            Name::Namespace => logged_in().needs_one_of(&[Cap::Namespace, Cap::Imap4Rev2]),
            Name::Idle => logged_in().needs_one_of(&[Cap::Idle, Cap::Imap4Rev2]).does(Effect::Idle),
            Name::Notify => {
                logged_in().needs(&Cap::Notify).does(Effect::Notify { expunges_at_any_time: false })
            }
            Name::Compress => logged_in().needs(&Cap::CompressDeflate).does(Effect::Compress),
            Name::Unauthenticate => logged_in().needs(&Cap::Unauthenticate).does(Effect::Unauthenticate),
            Name::Close => selected().does(Effect::Deselect),
            Name::Unselect => {
                selected().needs_one_of(&[Cap::Unselect, Cap::Imap4Rev2]).does(Effect::Deselect)
            }
            Name::Check | Name::Expunge => selected(),
            Name::Search | Name::Fetch | Name::Store => selected().numbered().without_expunge(),
            Name::ESearch => logged_in().needs(&Cap::MultiSearch),
            Name::Sort => selected().numbered().without_expunge().needs(&Cap::Sort),
            Name::Thread => selected().numbered().without_expunge(),
            Name::Copy => selected().numbered(),
            Name::Move => selected().numbered().needs_one_of(&[Cap::Move, Cap::Imap4Rev2]),
            // Before the name of a command that is not read yet.
            Name::Uid => selected().numbered().by_uid(),
        }
    }
}

/// The row of the command with this name. `None`: it is not known here.
pub(crate) fn row_of(name: &[u8]) -> Option<Rules> {
    Name::of(name).map(Name::rules).or_else(|| ExtensionCommand::row(name))
}

/// A row with what most commands are.
const fn row(valid_in: ValidIn) -> Rules {
    let asks = match valid_in {
        ValidIn::Any | ValidIn::NotAuthenticated => Asks::Nothing,
        ValidIn::LoggedIn => Asks::Data,
        ValidIn::Selected => Asks::Messages,
    };
    Rules { needs: None, valid_in, numbers: Numbers::None, expunge: true, asks, effect: Effect::Nothing }
}

/// A command of which nothing is known may ask for anything.
const fn unknown() -> Rules {
    Rules { asks: Asks::Messages, ..any() }
}

pub(crate) const fn any() -> Rules {
    row(ValidIn::Any)
}

pub(crate) const fn not_authenticated() -> Rules {
    row(ValidIn::NotAuthenticated)
}

pub(crate) const fn logged_in() -> Rules {
    row(ValidIn::LoggedIn)
}

pub(crate) const fn selected() -> Rules {
    row(ValidIn::Selected)
}

impl Rules {
    pub(crate) const fn needs(self, capability: &'static Capability) -> Self {
        Self { needs: Some(Need::of(capability)), ..self }
    }

    /// One of them will do.
    pub(crate) const fn needs_one_of(self, capabilities: &'static [Capability]) -> Self {
        Self { needs: Some(Need::one_of(capabilities)), ..self }
    }

    /// It names messages by sequence number; its form with `UID` by UID.
    pub(crate) const fn numbered(self) -> Self {
        Self { numbers: Numbers::Sequence, ..self }
    }

    /// The form with `UID`, during which EXPUNGE may always come.
    pub(crate) const fn by_uid(self) -> Self {
        Self { numbers: Numbers::Uid, expunge: true, ..self }
    }

    pub(crate) const fn without_expunge(self) -> Self {
        Self { expunge: false, ..self }
    }

    pub(crate) const fn does(self, effect: Effect) -> Self {
        let asks = match effect {
            // Messages that changed since (RFC 7162).
            Effect::Select => Asks::Messages,
            Effect::Idle => Asks::Nothing,
            _ => self.asks,
        };
        Self { effect, asks, ..self }
    }

    /// Whether it asks for such data. What is said in one line, once, is asked for by nobody.
    pub(crate) fn asks_for(&self, data: &Untagged) -> bool {
        match data {
            Untagged::Reply(_)
            | Untagged::Capability(_)
            | Untagged::Enabled(_)
            | Untagged::Flags(_)
            | Untagged::Exists(_)
            | Untagged::Recent(_)
            | Untagged::Namespace(_)
            | Untagged::Id(_) => false,
            Untagged::Fetch(_) | Untagged::Expunge(_) | Untagged::Vanished(_) => self.asks == Asks::Messages,
            _ => self.asks != Asks::Nothing,
        }
    }

    /// Whether it changes how other commands are read or what they are about, so that it is in
    /// progress alone.
    pub(crate) const fn is_alone(&self) -> bool {
        !matches!(self.effect, Effect::Nothing | Effect::Append)
    }
}

impl Need {
    /// A capability that IMAP4rev2 does not bring.
    pub(crate) const fn of(capability: &'static Capability) -> Self {
        Self(slice::from_ref(capability))
    }

    /// Any of these will do: IMAP4rev2 is among them where it has what is needed.
    pub(crate) const fn one_of(capabilities: &'static [Capability]) -> Self {
        Self(capabilities)
    }

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        self.0.first().and_then(Capability::known_name).unwrap_or("the extension")
    }

    /// Whether a peer with these capabilities has what is needed.
    // Apart, as most commands need nothing.
    #[inline(never)]
    pub(crate) fn is_met(self, offered: &Capabilities) -> bool {
        self.0.iter().any(|capability| offered.has_some(capability))
    }
}

impl<'a> Needs<'a> {
    pub(crate) const fn new(offered: &'a Capabilities) -> Self {
        Self { offered, lacking: None }
    }

    /// The first that is not met.
    pub(crate) const fn lacking(&self) -> Option<Need> {
        self.lacking
    }

    #[inline]
    pub(crate) fn add(&mut self, need: Option<Need>) {
        if let Some(need) = need.filter(|_| self.lacking.is_none()) {
            if !need.is_met(self.offered) {
                self.lacking = Some(need);
            }
        }
    }
}

impl ValidIn {
    /// # Errors
    ///
    /// Why it is not valid in this state.
    #[inline]
    pub(crate) const fn check(self, state: State) -> Result<(), WrongState> {
        let is_valid = match self {
            ValidIn::Any => true,
            ValidIn::NotAuthenticated => matches!(state, State::NotAuthenticated),
            ValidIn::LoggedIn => matches!(state, State::Authenticated | State::Selected),
            ValidIn::Selected => matches!(state, State::Selected),
        };
        if is_valid { Ok(()) } else { Err(self.wrong(state)) }
    }

    #[cold]
    const fn wrong(self, state: State) -> WrongState {
        match (self, state) {
            (_, State::Logout) => WrongState::Ending,
            (ValidIn::NotAuthenticated, _) => WrongState::AlreadyAuthenticated,
            (_, State::NotAuthenticated) => WrongState::NotAuthenticated,
            _ => WrongState::NoMailbox,
        }
    }
}

impl Effect {
    pub(crate) const fn is_login(self) -> bool {
        matches!(self, Effect::Login | Effect::Authenticate)
    }

    /// The state after a command with this effect was answered.
    pub(crate) const fn after(self, state: State, answer: ReplyKind) -> State {
        match (self, answer) {
            (Effect::Login | Effect::Authenticate, ReplyKind::Ok) => State::Authenticated,
            (Effect::Select, ReplyKind::Ok) => State::Selected,
            // RFC 9051 section 6.3.2: no mailbox is selected then, unless it was not understood (BAD).
            (Effect::Select, ReplyKind::No) | (Effect::Deselect, ReplyKind::Ok) => State::Authenticated,
            (Effect::Unauthenticate, ReplyKind::Ok) => State::NotAuthenticated,
            (Effect::Logout, ReplyKind::Ok) => State::Logout,
            _ => state,
        }
    }

    /// What follows from the answer.
    pub(crate) const fn then(self, answer: ReplyKind) -> Then {
        match (self, answer) {
            (Effect::StartTls, ReplyKind::Ok) => Then::Upgrade(Upgrade::Tls),
            (Effect::Compress, ReplyKind::Ok) => Then::Upgrade(Upgrade::Deflate),
            (Effect::Login | Effect::Authenticate, ReplyKind::Ok) => Then::LoggedIn,
            (Effect::Login | Effect::Authenticate, _) => Then::LoginFailed,
            (Effect::Unauthenticate, ReplyKind::Ok) => Then::LoggedOut,
            (Effect::Logout, ReplyKind::Ok) => Then::Close,
            _ => Then::GoOn,
        }
    }
}
