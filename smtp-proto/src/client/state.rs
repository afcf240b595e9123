//! What a client remembers.

use alloc::{collections::VecDeque, vec::Vec};

use bytes::Bytes;
use mailwire_core::{
    Channel, Error, Misuse, Output, OutputMark, Ticket, Tickets,
    dot::{Mended, Mender, Stuffer},
    private::{NulSearch, TextSearch},
    sasl::Exchange,
};

use super::{Config, Event, limits::Counts};
use crate::{
    Capabilities, Command, ReplyFramer, State,
    command::{Effect, Rules},
};

/// All that a client is. Whoever changes it wakes its framer: see [`Gate`](mailwire_core::private::Gate).
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) config: Config,
    pub(super) output: Output,
    pub(super) framer: ReplyFramer,
    pub(super) tickets: Tickets,
    pub(super) phase: Phase,
    pub(super) session: Session,
    /// Where EHLO ends that was written before the greeting came.
    pub(super) early: Option<OutputMark>,
    /// What poisoned the connection.
    pub(super) failed: Option<Error>,
    pub(super) eof: bool,
    pub(super) noise: usize,
    /// What is told before the error that ends the connection: the words of the server that explain it.
    pub(super) last_words: Option<Event>,
}

impl Machine {
    pub(super) fn new(config: Config) -> Self {
        Self {
            output: Output::new(config.limits.output),
            framer: ReplyFramer::new(),
            tickets: Tickets::new(),
            phase: Phase::Greeting,
            session: Session::new(config.channel == Channel::Tls),
            early: None,
            failed: None,
            eof: false,
            noise: 0,
            last_words: None,
            config,
        }
    }
}

/// The parts of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Greeting,
    /// EHLO, LHLO or HELO was written, up to `end`.
    Hello {
        fallback: bool,
        end: OutputMark,
    },
    StartTls {
        end: OutputMark,
    },
    /// The server agreed to TLS.
    Upgrading,
    Ready,
    /// QUIT was taken for sending; nothing may follow it.
    Leaving,
    Closed,
}

/// A command that is not written yet.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) ticket: Ticket,
    pub(super) command: Command,
}

/// A command that was written and waits for its reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFlight {
    pub(super) ticket: Ticket,
    pub(super) rules: Rules,
    pub(super) part: Part,
    /// MAIL that asks for PRDR.
    pub(super) prdr: bool,
    /// Where that ends in the output: no reply to it can come before it was written to the stream.
    pub(super) end: OutputMark,
}

/// The part of a command that a reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Its line, or a response to a challenge.
    Line,
    /// A chunk of a message, which is not the last.
    Chunk,
    /// The end of its message.
    Message,
    /// The end of an empty message that nobody is to get.
    Empty,
    /// LMTP and PRDR: the end of a message, for the recipient of the ticket.
    Recipient { data: Ticket, last: bool },
}

impl InFlight {
    /// Whether another command may follow in the same group (RFC 2920 section 3.1).
    pub(super) const fn groups(&self) -> bool {
        match self.part {
            Part::Line => self.rules.groups,
            Part::Chunk | Part::Message | Part::Empty | Part::Recipient { .. } => true,
        }
    }

    /// Whether its reply is about a message, or a part of one.
    pub(super) const fn is_message(&self) -> bool {
        matches!(self.part, Part::Chunk | Part::Message | Part::Recipient { .. })
    }

    /// Whether it is QUIT.
    pub(super) fn is_quit(&self) -> bool {
        self.rules.effect == Effect::Quit
    }

    /// What a reply is waited for, in words.
    pub(super) const fn waiting_for(&self) -> &'static str {
        match self.part {
            Part::Line => self.rules.effect.waiting_for(),
            Part::Chunk | Part::Message | Part::Empty | Part::Recipient { .. } => "the reply to the message",
        }
    }
}

/// A message on its way.
#[derive(Debug)]
pub(super) enum Body {
    None,
    /// The server waits for it.
    Sending {
        /// DATA.
        command: InFlight,
        stuffer: Stuffer,
        /// None where NUL is allowed.
        nul: Option<NulSearch>,
    },
    /// It has something that cannot be sent, and part of it is out already.
    Broken(Misuse),
}

/// What the caller has given of the message that belongs to the MAIL that it gave last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    Nothing,
    Data,
    /// Chunks, and not the last.
    Chunks,
    /// All of it, by BDAT.
    Whole,
}

/// How far the last message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Unfinished,
    /// It was written, up to here.
    Ended(OutputMark),
    Answered {
        accepted: bool,
    },
}

/// All that is learnt of a server. It is made anew when TLS is up.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) tls: bool,
    /// Where the session stands, as far as the server has answered.
    pub(super) state: State,
    pub(super) capabilities: Capabilities,
    pub(super) authenticated: bool,
    pub(super) queue: VecDeque<Queued>,
    pub(super) in_flight: VecDeque<InFlight>,
    pub(super) transaction: Transaction,
    pub(super) body: Body,
    pub(super) sending: Sending,
    /// The bytes of the BDAT commands in the queue.
    pub(super) chunks: VecDeque<Bytes>,
    /// What is looked for in all chunks of the message that was begun. None in BINARYMIME.
    pub(super) search: Option<TextSearch>,
    /// What mends bare CRs and LFs, instead of them being looked for.
    pub(super) mender: Option<Mender>,
    /// Those of the last message that were.
    pub(super) mended: Mended,
    /// BDAT commands that are not sent after all, to be told.
    pub(super) unsent: VecDeque<(Ticket, Misuse)>,
    pub(super) progress: Progress,
    /// MAIL was taken for sending while the message before was not answered yet.
    pub(super) begun: bool,
    pub(super) counts: Counts,
    /// The last MAIL that was taken for sending has SMTPUTF8.
    pub(super) smtp_utf8: bool,
    /// It has BODY=BINARYMIME.
    pub(super) binary: bool,
    /// That of the AUTH command that was written.
    pub(super) exchange: Option<Exchange>,
}

/// What the server has answered since it accepted MAIL.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// The RCPTs that it accepted.
    pub(super) recipients: Vec<Ticket>,
    /// Its MAIL asked for PRDR.
    pub(super) prdr: bool,
    /// LMTP: it has accepted the message for one of them.
    pub(super) delivered: bool,
    /// It has refused a chunk: nothing but RSET ends this well.
    pub(super) failed: bool,
}

impl Session {
    pub(super) fn new(tls: bool) -> Self {
        Self {
            tls,
            state: State::Connected,
            capabilities: Capabilities::new(),
            authenticated: false,
            queue: VecDeque::new(),
            in_flight: VecDeque::new(),
            transaction: Transaction::default(),
            body: Body::None,
            sending: Sending::Nothing,
            chunks: VecDeque::new(),
            search: None,
            mender: None,
            mended: Mended::default(),
            unsent: VecDeque::new(),
            progress: Progress::Unfinished,
            begun: false,
            counts: Counts::default(),
            smtp_utf8: false,
            binary: false,
            exchange: None,
        }
    }

    /// Whether a challenge waits for the caller's response.
    pub(super) fn is_challenged(&self) -> bool {
        self.exchange.as_ref().is_some_and(Exchange::is_clients_turn)
    }
}
