//! How replies, lines and messages leave.

use alloc::vec::Vec;

use mailwire_core::{Error, Misuse, Output, SaslStep, SendError, WrongAnswer, dot::Stuffer};

use super::{
    rules::Then,
    state::{Machine, Phase, Stage},
};
use crate::{
    command::Follows,
    reply::{Challenge, Listing, Reply},
};

impl Machine {
    /// Answers the command.
    pub(super) fn put_reply(&mut self, reply: Reply) {
        let ok = reply.is_ok();
        if let Reply::Listing(Listing::Language(language)) = &reply {
            self.session.language = Some(language.tag.compact());
        }
        self.put_status(reply);
        let Some(current) = &self.session.current else { return };
        let (rules, number) = (current.rules, current.number);
        match self.conclude(rules.effect, ok) {
            Then::GoOn => {}
            Then::LoginFailed => self.login_failed(),
            Then::Close => self.session.phase = Phase::Closed,
        }
        match rules.follows {
            Follows::Body if ok => self.set_stage(Stage::Body(Stuffer::new(self.config.bare_newline))),
            Follows::Lines if ok && number.is_none() => self.set_stage(Stage::Lines),
            _ => self.session.current = None,
        }
    }

    pub(super) fn login_failed(&mut self) {
        self.auth_failures = self.auth_failures.saturating_add(1);
        let limit = self.config.limits.auth_failures;
        if self.auth_failures >= limit {
            self.fail(Error::LimitExceeded { what: "failed logins", limit: limit as u64 });
        }
    }

    /// Sends a challenge, or hands it back.
    pub(super) fn put_challenge(&mut self, step: SaslStep) -> Result<(), SendError<SaslStep>> {
        match (self.permits_challenge(), step) {
            (Err(reason), step) => Err(SendError::new(reason, step)),
            (Ok(()), SaslStep::Cancel) => {
                let reason = Misuse::WrongAnswer(WrongAnswer::Cancelled);
                Err(SendError::new(reason, SaslStep::Cancel))
            }
            (Ok(()), SaslStep::Data(data)) => {
                self.output.write(|out| Challenge { data }.write(out));
                self.set_stage(Stage::Auth);
                Ok(())
            }
        }
    }

    pub(super) fn set_stage(&mut self, stage: Stage) {
        if let Some(current) = &mut self.session.current {
            current.stage = stage;
        }
    }

    /// Codes are for clients that were told of them (RFC 2449 section 6.4).
    pub(super) fn put_status(&mut self, mut reply: Reply) {
        if let Reply::Ok { code, .. } | Reply::Err { code, .. } = &mut reply {
            code.take_if(|_| !self.config.resp_codes);
        }
        self.output.write(|out| reply.write(out));
    }

    /// The whole answer to CAPA.
    pub(super) fn put_capabilities(&mut self) {
        self.put_status(Reply::ok("capability list follows"));
        for capability in &self.session.capabilities {
            put_line(&mut self.output, |out| capability.write(out));
        }
        self.output.put(b".\r\n");
    }

    /// The answer to AUTH alone.
    pub(super) fn put_mechanisms(&mut self) {
        self.put_status(Reply::ok("list of SASL mechanisms follows"));
        for mechanism in self.session.capabilities.mechanisms() {
            put_line(&mut self.output, |out| out.extend_from_slice(mechanism.as_bytes()));
        }
        self.output.put(b".\r\n");
    }

    /// The conversation is over, whatever was going on.
    pub(super) fn end(&mut self) {
        self.session.phase = Phase::Closed;
        self.session.current = None;
    }

    /// A message that cannot be completed takes the connection with it.
    pub(super) fn given_up<T>(&mut self, result: Result<T, Misuse>) -> Result<T, Misuse> {
        if result.is_err() {
            self.end();
        }
        result
    }
}

/// Puts out a line that may start with a dot.
pub(super) fn put_line(output: &mut Output, write: impl FnOnce(&mut Vec<u8>)) {
    output.write(|out| {
        let start = out.len();
        write(out);
        if out.get(start) == Some(&b'.') {
            out.insert(start, b'.');
        }
        out.extend_from_slice(b"\r\n");
    });
}
