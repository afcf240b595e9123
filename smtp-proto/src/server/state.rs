//! What a server remembers.

use alloc::vec::Vec;

use mailwire_core::{
    Channel, Error, LineFramer, Output, Ticket, Tickets,
    dot::{LineEnds, Unstuffer},
    private::{NulSearch, TextSearch},
    sasl::{Mechanism, Steps},
};

use super::{Config, Event, chunk::Refused, read::Overlong, recipients::RecipientReplies};
use crate::{
    Capabilities, Capability, Limits, Parameter, State, command::Rules, extensions::limits::SessionLimits,
};

/// All that a server is. Whoever changes it wakes its framer: see [`Gate`](mailwire_core::private::Gate).
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) config: Config,
    pub(super) output: Output,
    pub(super) framer: LineFramer,
    pub(super) tickets: Tickets,
    pub(super) phase: Phase,
    /// While there is one, no other is read.
    pub(super) current: Option<Current>,
    pub(super) session: Session,
    pub(super) counts: Counts,
    /// What poisoned the connection.
    pub(super) failed: Option<Error>,
    pub(super) eof: bool,
    /// A line that passed its limit and whose end is not there yet.
    pub(super) overlong: Option<Overlong>,
    /// What is told next.
    pub(super) later: Option<Event>,
    /// Something was done without an event, and what comes next may be there.
    pub(super) moved: bool,
    /// Bytes of a command line, which depends on what is offered.
    pub(super) line_limit: usize,
    /// What is offered now.
    pub(super) capabilities: Capabilities,
    /// The last command was an AUTH that has not succeeded, and a client that did not notice may send
    /// its password as the next line: one word, in base64.
    pub(super) secret_may_follow: bool,
}

impl Machine {
    /// A server that has said nothing.
    pub(super) fn new(config: Config) -> Self {
        let mut machine = Self {
            output: Output::new(config.limits.output),
            framer: LineFramer::new(),
            tickets: Tickets::new(),
            phase: Phase::Open,
            current: None,
            session: Session::new(config.channel == Channel::Tls),
            counts: Counts::default(),
            failed: None,
            eof: false,
            overlong: None,
            later: None,
            moved: false,
            line_limit: 0,
            capabilities: Capabilities::new(),
            secret_may_follow: false,
            config,
        };
        machine.offer();
        machine
    }

    /// Finds out what is offered, whenever that may have changed.
    pub(super) fn offer(&mut self) {
        let config = &self.config;
        let mut offered: Capabilities = config
            .capabilities()
            .iter()
            .filter(|capability| self.session.tls || *capability != Capability::RequireTls)
            .map(|capability| match capability {
                Capability::Limits(_) => Capability::Limits(announced(&config.limits)),
                // 0 is no limit (RFC 1870 section 4).
                Capability::Size(size) => {
                    let limit = config.limits.message;
                    let size = size.filter(|&size| size > 0).unwrap_or(limit).min(limit);
                    Capability::Size(Some(size))
                }
                other => other,
            })
            .collect();
        if config.channel == Channel::StartTls && !self.session.tls {
            offered.push(Capability::StartTls);
        }
        if !self.session.authenticated {
            let policy = self.policy();
            let mechanisms = config.mechanisms.iter().filter(|mechanism| policy.permits(mechanism));
            let mechanisms: Vec<Mechanism> = mechanisms.cloned().collect();
            if !mechanisms.is_empty() {
                offered.push(Capability::Auth(mechanisms));
            }
        }
        self.line_limit = match config.limits.line {
            // RFC 5321 section 4.5.3.1.4; less is the owner's own choice.
            limit @ 512.. => limit.max(512 + offered.line_growth()),
            less => less,
        };
        self.capabilities = offered;
    }
}

/// What a server says of its limits in LIMITS.
fn announced(limits: &Limits) -> SessionLimits {
    let number = |limit| u32::try_from(limit).unwrap_or(u32::MAX);
    SessionLimits::new()
        .with_rcpt_max(number(limits.recipients).min(999_999))
        .with_mail_max(number(limits.transactions))
}

/// The parts of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// The greeting was a refusal: only QUIT is left (RFC 5321 section 3.1).
    Refused,
    /// STARTTLS was accepted.
    Upgrading,
    Closed,
}

/// The command that is being answered.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) ticket: Ticket,
    pub(super) rules: Rules,
    pub(super) due: Due,
    /// Responses of its SASL exchange.
    pub(super) steps: Steps,
}

/// What the answer to a command waits for.
#[derive(Debug)]
pub(super) enum Due {
    /// The application's reply, or what it grants.
    Reply,
    /// The client's response to a challenge.
    Response,
    /// The application's reply to BDAT, or what it grants.
    ChunkReply { size: u64, last: bool },
    /// The application's reply to BURL, with which the message ends or does not.
    PartReply { last: bool },
    /// The client's message.
    Body(Body),
    /// The client's message, by BDAT: a chunk of it.
    Chunk(Chunk),
    /// The rest of a chunk that is dropped as it comes.
    RefusedChunk(Refused),
    /// The application's reply to the message.
    MessageReply,
    /// LMTP or PRDR: the application's reply to the message for each recipient.
    RecipientReplies(RecipientReplies),
}

/// A message on its way.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) unstuffer: Unstuffer,
    pub(super) started: bool,
    pub(super) length: u64,
    pub(super) too_large: bool,
    /// None where NUL is allowed.
    pub(super) nul: Option<NulSearch>,
}

impl Body {
    pub(super) fn new(allow_nul: bool) -> Self {
        Self {
            unstuffer: Unstuffer::new(LineEnds::CrLf),
            started: false,
            length: 0,
            too_large: false,
            nul: (!allow_nul).then(NulSearch::new),
        }
    }
}

/// A message that comes by BDAT.
#[derive(Debug)]
pub(super) struct Chunk {
    /// The message's first BDAT.
    pub(super) ticket: Ticket,
    /// The bytes of the chunk that are still to come.
    pub(super) left: u64,
    /// The length of the chunk.
    pub(super) size: u64,
    pub(super) last: bool,
    pub(super) started: bool,
    /// Bytes of the message so far.
    pub(super) length: u64,
    /// None in BINARYMIME.
    pub(super) search: Option<TextSearch>,
}

/// What was learnt of a client. It is made anew when TLS is up.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) tls: bool,
    pub(super) state: State,
    /// The client introduced itself with EHLO or LHLO, not with HELO.
    pub(super) extended: bool,
    pub(super) authenticated: bool,
    /// The XCLIENT that is answered says that its client has logged in.
    pub(super) logged_in_elsewhere: bool,
    /// The VRFY or EXPN that is answered permits an answer beyond ASCII; for other commands there is none.
    pub(super) query: Option<bool>,
    pub(super) transaction: Transaction,
    /// MAIL commands, whatever became of them.
    pub(super) mails: usize,
    /// Recipients of transactions whose MAIL was refused, since one was accepted.
    pub(super) orphans: usize,
}

/// What follows MAIL.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    pub(super) smtp_utf8: bool,
    /// PRDR.
    pub(super) prdr: bool,
    /// BODY=BINARYMIME.
    pub(super) binary: bool,
    /// The message so far, between two chunks.
    pub(super) chunk: Option<Chunk>,
    /// The first part of a message that came by BURL, while there is no chunk.
    pub(super) fetched: Option<Ticket>,
    /// A chunk was refused: nothing but RSET ends this well.
    pub(super) failed: bool,
    /// MAIL was refused, and recipients that were sent along are to come.
    pub(super) refused: bool,
    /// RCPTs, accepted or not.
    pub(super) tried: usize,
    /// Those accepted.
    pub(super) recipients: Vec<Ticket>,
    /// What the application may keep of MAIL and the RCPTs, in bytes.
    pub(super) bytes: usize,
}

impl Transaction {
    /// The message that has begun, if one has, and now is none any more.
    pub(super) fn give_up(&mut self) -> Option<Ticket> {
        let fetched = self.fetched.take();
        self.chunk.take().map(|chunk| chunk.ticket).or(fetched)
    }

    /// Whether parts of a message have come.
    pub(super) const fn has_begun(&self) -> bool {
        self.chunk.is_some() || self.fetched.is_some()
    }

    /// A command of so many bytes, with so many parameters that are not known, may be kept.
    pub(super) fn keep(&mut self, length: usize, other: usize) {
        let parameters = other.saturating_mul(size_of::<Parameter>());
        self.bytes = self.bytes.saturating_add(length).saturating_add(parameters);
    }
}

/// How often a client did what does not lead to mail. Kept until the connection ends.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) bad_commands: usize,
    pub(super) idle_commands: usize,
    pub(super) auth_failures: usize,
}

impl Session {
    pub(super) fn new(tls: bool) -> Self {
        Self {
            tls,
            state: State::Connected,
            extended: false,
            authenticated: false,
            logged_in_elsewhere: false,
            query: None,
            transaction: Transaction::default(),
            mails: 0,
            orphans: 0,
        }
    }
}
