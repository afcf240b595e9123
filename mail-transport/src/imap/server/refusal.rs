//! NO and other replies of our own words.

use mailwire_imap::response::{Code, Reply, ReplyKind, ReplyText};

use crate::OverBudget;

/// An application's refusal of a command: tagged NO.
pub type Refusal = crate::server::Refusal<Code>;

impl Refusal {
    /// There is no such mailbox.
    #[must_use]
    pub fn no_such_mailbox() -> Self {
        Self::new("There is no such mailbox").with_code(Code::NonExistent)
    }

    /// The service cannot answer now.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new("Not available now").with_code(Code::Unavailable)
    }

    /// This service does not do that.
    #[must_use]
    pub fn not_here() -> Self {
        Self::new("This is not possible here").with_code(Code::Cannot)
    }
}

impl From<OverBudget> for Refusal {
    fn from(_: OverBudget) -> Self {
        Self::new("This takes too much work: ask for less at once").with_code(Code::Limit)
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let mut reply = Self::from_text(ReplyKind::No, words(&refusal.text));
        reply.code = refusal.code;
        reply
    }
}

/// Words for people that can stand in a response.
pub(super) fn words(text: &str) -> ReplyText {
    let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    let text: String = text.trim_start_matches(['[', ' ']).chars().map(printable).collect();
    ReplyText::new(text).unwrap_or_else(|_| plain("Refused"))
}

#[allow(clippy::expect_used, reason = "letters and spaces can always stand in a response")]
fn plain(text: &'static str) -> ReplyText {
    ReplyText::new(text).expect("plain words")
}

/// A status of our own words.
pub(super) fn status(kind: ReplyKind, text: &'static str) -> Reply {
    Reply::from_text(kind, words(text))
}
