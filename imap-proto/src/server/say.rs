//! What a server says by itself.

use mailwire_core::{Error, Text};

use super::state::{Machine, Phase};
use crate::{
    capability::Capability,
    response::{Code, Reply, ReplyKind},
    state::State,
};

/// What there can be too many of.
pub(super) const FAILED_LOGINS: &str = "failed authentications";

impl Machine {
    /// The greeting, with what is offered.
    pub(super) fn greet(&mut self) {
        let mut greeting = self.config.greeting().clone();
        if greeting.kind == ReplyKind::PreAuth {
            self.session.state = State::Authenticated;
        }
        self.renew_offer();
        if greeting.code.is_none() {
            greeting.code = Some(self.offer_code());
        }
        self.untagged(&greeting);
    }

    /// The state, the protection or the mechanisms changed.
    pub(super) fn renew_offer(&mut self) {
        if self.session.state != State::NotAuthenticated {
            self.offer = self.config.after_login.clone();
            return;
        }
        let mut list = self.config.after_login.as_slice().to_vec();
        if self.offers_tls() {
            list.push(Capability::StartTls);
        }
        let policy = self.policy();
        if !policy.permits_password() || !self.config.login {
            list.push(Capability::LoginDisabled);
        }
        let offered = self.config.mechanisms.iter().filter(|mechanism| policy.permits(mechanism));
        let mut offered = offered.cloned().map(Capability::Auth).peekable();
        if offered.peek().is_some() {
            list.push(Capability::SaslIr);
            list.extend(offered);
        }
        self.offer = list.into();
    }

    pub(super) fn offer_code(&self) -> Code {
        Code::Capability(self.offer.as_slice().to_vec())
    }

    /// The connection cannot go on: the client is told why.
    pub(super) fn fail(&mut self, error: Error) {
        let code = match error {
            Error::LimitExceeded { what: FAILED_LOGINS, .. } => None,
            Error::LimitExceeded { .. } => Some(Code::TooBig),
            _ => None,
        };
        let text = match error {
            Error::LimitExceeded { what: FAILED_LOGINS, .. } => "too many failed logins",
            Error::LineTooLong { .. } => "the line is too long",
            Error::LimitExceeded { .. } => "too large",
            Error::TooManyBadCommands { .. } => "too many bad commands",
            Error::BytesAfterUpgrade { .. } => "bytes after STARTTLS",
            Error::TimedOut { .. } => "too slow",
            _ => "closing",
        };
        if self.pieces.is_empty() && !matches!(error, Error::UnexpectedEof { .. }) {
            let bye = Reply { code, ..Reply::from_static(ReplyKind::Bye, text) };
            self.untagged(&bye);
        }
        self.failed = Some(error);
    }

    /// BYE ends the conversation; the reason is that of `reply`.
    pub(super) fn say_bye(&mut self, reply: Reply) {
        self.untagged(&Reply { kind: ReplyKind::Bye, ..reply });
        self.session.state = State::Logout;
        self.phase = Phase::Closed;
    }

    /// Whether the client can read all of a reply.
    #[inline]
    fn can_read(&self, reply: &Reply) -> bool {
        self.session.utf8() || reply.is_ascii()
    }

    pub(super) fn untagged(&mut self, status: &Reply) {
        if !self.can_read(status) {
            return self.untagged(&status.to_ascii());
        }
        self.output.write(|out| {
            out.extend_from_slice(b"* ");
            status.write(out);
            out.extend_from_slice(b"\r\n");
        });
    }

    pub(super) fn tagged(&mut self, tag: &Text, status: &Reply) {
        if !self.can_read(status) {
            return self.tagged(tag, &status.to_ascii());
        }
        self.output.write(|out| {
            tag.append_to(out);
            out.push(b' ');
            status.write(out);
            out.extend_from_slice(b"\r\n");
        });
    }
}
