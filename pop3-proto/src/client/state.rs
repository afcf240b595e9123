//! What a client remembers.

use alloc::{collections::VecDeque, vec::Vec};

use mailwire_core::{
    Channel, Error, LineFramer, Output, OutputMark, Ticket, Tickets, dot::Unstuffer, sasl::Exchange,
};

use super::{Config, Deletions, Event};
use crate::{
    capability::{Capabilities, Capability, Tag},
    command::{Command, Effect, Follows, Rules},
    state::State,
    types::{ApopTimestamp, LanguageTag, MessageNumber},
};

/// All that a client is. Whoever changes it wakes its framer: see [`Gate`](mailwire_core::private::Gate).
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) config: Config,
    pub(super) session: Session,
    pub(super) output: Output,
    pub(super) tickets: Tickets,
    /// Commands that wait to be written.
    pub(super) queue: VecDeque<Queued>,
    /// Lines from the server that were no replies.
    pub(super) noise: usize,
    /// What poisoned the connection.
    pub(super) failed: Option<Error>,
    pub(super) eof: bool,
    /// An event that comes right after another.
    pub(super) next: Option<Event>,
    /// What is told before the error that ends the connection: the words of the server that explain it.
    pub(super) last_words: Option<Event>,
}

impl Machine {
    pub(super) fn new(config: Config) -> Self {
        Self {
            session: Session::new(config.channel == Channel::Tls, Phase::Greeting),
            output: Output::new(config.limits.output),
            tickets: Tickets::new(),
            queue: VecDeque::new(),
            noise: 0,
            failed: None,
            eof: false,
            next: None,
            last_words: None,
            config,
        }
    }

    pub(super) fn fail(&mut self, error: Error) {
        self.failed = Some(error);
        self.queue.clear();
    }
}

/// All that is forgotten when TLS takes over.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) tls: bool,
    pub(super) state: State,
    pub(super) phase: Phase,
    pub(super) framer: LineFramer,
    /// Commands that are written, or at least put out, and not answered, in order.
    pub(super) in_flight: VecDeque<InFlight>,
    /// What the machine itself has to send before the caller's commands.
    pub(super) setup: VecDeque<Setup>,
    pub(super) capabilities: Capabilities,
    pub(super) capa_refused: bool,
    pub(super) timestamp: Option<ApopTimestamp>,
    /// The greeting offers XCLIENT.
    pub(super) xclient: bool,
    /// The server has accepted UTF8.
    pub(super) utf8: bool,
    /// The language that the server says it has chosen.
    pub(super) language: Option<LanguageTag>,
    /// A USER was sent, and not refused.
    pub(super) user: bool,
    pub(super) exchange: Option<Exchange>,
    pub(super) marks: Marks,
}

impl Session {
    pub(super) fn new(tls: bool, phase: Phase) -> Self {
        Self {
            tls,
            state: State::Authorization,
            phase,
            framer: LineFramer::new(),
            in_flight: VecDeque::new(),
            setup: VecDeque::new(),
            capabilities: Capabilities::unknown(),
            capa_refused: false,
            timestamp: None,
            xclient: false,
            utf8: false,
            language: None,
            user: false,
            exchange: None,
            marks: Marks::default(),
        }
    }

    /// Whether a command with this effect is in flight.
    pub(super) fn has_in_flight(&self, is: impl Fn(Effect) -> bool) -> bool {
        self.in_flight.iter().any(|command| is(command.rules.effect))
    }

    pub(super) fn has_pipelining(&self) -> bool {
        self.capabilities.offers(Tag::Pipelining)
    }

    /// It is the caller's turn in a SASL exchange.
    pub(super) fn is_challenged(&self) -> bool {
        self.exchange.as_ref().is_some_and(Exchange::is_clients_turn)
    }
}

/// What the next bytes of the server are.
#[derive(Debug)]
pub(super) enum Phase {
    Greeting,
    /// A status line, or a challenge.
    Reply,
    Lines {
        count: u64,
        /// Bytes of the lines that the capabilities are of.
        kept: usize,
        capabilities: Vec<Capability>,
    },
    BodyStart,
    Body(Body),
    /// The answer to STLS was positive.
    Upgrading,
    /// The conversation is over.
    Closed,
}

/// A message that is being read.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) unstuffer: Unstuffer,
    /// Bytes handed out.
    pub(super) length: u64,
    /// Bytes read, with stuffing.
    pub(super) wire: u64,
    /// Why reading ends here.
    pub(super) stop: Option<Error>,
}

/// What the machine sends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setup {
    Capa,
    Stls,
}

/// A command that was put into the output.
#[derive(Debug)]
pub(super) struct InFlight {
    /// `None` for the machine's own.
    pub(super) ticket: Option<Ticket>,
    pub(super) rules: Rules,
    /// The message that it names, if its answer does.
    pub(super) number: Option<MessageNumber>,
    /// The end of its last line in the output.
    pub(super) end: OutputMark,
}

/// A command that waits to be sent.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) ticket: Ticket,
    pub(super) command: Command,
    /// What the caller says that follows the answer to a command that is not known here.
    pub(super) follows: Follows,
}

/// What DELE has marked.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// A DELE was sent, whatever came of it.
    pub(super) sent: bool,
    /// Messages whose DELE was accepted.
    pub(super) accepted: u64,
    /// Whether the server deleted them all: the answer to QUIT.
    pub(super) deleted: Option<bool>,
}

impl Marks {
    pub(super) const fn deletions(&self, state: State, over: bool) -> Deletions {
        match (state, self.deleted, self.accepted) {
            (State::Update, None, _) if over && self.sent => Deletions::Unknown,
            (_, _, 0) => Deletions::None,
            (_, Some(true), marked) => Deletions::Done(marked),
            (_, Some(false), marked) => Deletions::Incomplete(marked),
            (_, None, marked) if over => Deletions::Lost(marked),
            (_, None, marked) => Deletions::Marked(marked),
        }
    }
}
