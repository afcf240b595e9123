//! Why a command is refused, and in which words.

use mailwire_core::ParseError;

use crate::response::{Code, Reply, ReplyKind, ReplyText};

/// Why a command is not handed out.
pub(super) struct Refusal {
    pub(super) status: Reply,
    pub(super) error: ParseError,
}

/// The words for a command that is not known.
pub(super) const UNKNOWN_COMMAND: &str = "unknown command";

// Most commands are not refused.
impl Refusal {
    #[cold]
    pub(super) fn bad(offset: usize, reason: &'static str) -> Self {
        let status = Reply::from_static(ReplyKind::Bad, reason);
        Self { status, error: ParseError::new(offset, reason) }
    }

    /// Whether it is that of a command that is not known.
    pub(super) fn is_unknown_command(&self) -> bool {
        self.error.reason == UNKNOWN_COMMAND
    }

    /// BAD, with the word that is not known.
    pub(super) fn unknown(error: ParseError, word: &[u8]) -> Self {
        if word.is_empty() {
            return Self { status: Reply::from_static(ReplyKind::Bad, error.reason), error };
        }
        let text = alloc::format!("{}: {}", error.reason, mailwire_core::escape_ascii(word));
        let text = ReplyText::new(text).unwrap_or_else(|_| ReplyText::from_static(error.reason));
        Self { status: Reply::from_text(ReplyKind::Bad, text), error }
    }

    #[cold]
    pub(super) fn no(code: Code, reason: &'static str) -> Self {
        let status = Reply::from_static(ReplyKind::No, reason).with_code(code);
        Self { status, error: ParseError::new(0, reason) }
    }

    #[cold]
    pub(super) const fn of(status: Reply, reason: &'static str) -> Self {
        Self { status, error: ParseError::new(0, reason) }
    }

    #[cold]
    pub(super) fn with_code(mut self, code: Code) -> Self {
        self.status.code = Some(code);
        self
    }
}
