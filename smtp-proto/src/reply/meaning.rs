//! What people ask of a refusal: is the mailbox full, is there no such user, is it worth another try.

use super::{EnhancedCode, EnhancedStatus as Status, Reply, ReplyCode};

impl EnhancedCode {
    /// Its row of the registry, if it is registered.
    #[must_use]
    pub const fn status(self) -> Option<Status> {
        Status::of(self.subject(), self.detail())
    }

    /// Whether its class is 2: success.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.class() == 2
    }

    /// Whether its class is 4: not now.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        self.class() == 4
    }

    /// Whether its class is 5: not ever, in this form.
    #[must_use]
    pub const fn is_permanent(self) -> bool {
        self.class() == 5
    }

    /// Its row of the registry, if it is one of a failure.
    const fn failure(self) -> Option<Status> {
        if self.is_success() { None } else { self.status() }
    }

    /// Whether there is no such recipient: X.1.1, X.1.2, X.1.6, X.1.10 of a failure.
    #[must_use]
    #[inline]
    pub const fn is_unknown_recipient(self) -> bool {
        use Status::{MailboxMoved, RecipientNullMx, UnknownHost, UnknownMailbox};
        matches!(self.failure(), Some(UnknownMailbox | UnknownHost | MailboxMoved | RecipientNullMx))
    }

    /// Whether the mailbox has no room: X.2.2 of a failure.
    #[must_use]
    #[inline]
    pub const fn is_mailbox_full(self) -> bool {
        matches!(self.failure(), Some(Status::MailboxFull))
    }

    /// Whether the mailbox is closed: X.2.1 of a failure.
    #[must_use]
    #[inline]
    pub const fn is_mailbox_disabled(self) -> bool {
        matches!(self.failure(), Some(Status::MailboxDisabled))
    }

    /// Whether the message is too large: X.2.3, X.3.4, X.7.16 of a failure.
    #[must_use]
    #[inline]
    pub const fn is_too_large(self) -> bool {
        use Status::{MailboxMessageSize, PriorityMessageSize, SystemMessageSize};
        matches!(self.failure(), Some(MailboxMessageSize | SystemMessageSize | PriorityMessageSize))
    }

    /// Whether the message has too many recipients: X.5.3 of a failure.
    #[must_use]
    pub const fn is_too_many_recipients(self) -> bool {
        matches!(self.failure(), Some(Status::TooManyRecipients))
    }

    /// Whether it is about logging in: X.5.6, X.7.8, X.7.9, X.7.11 to X.7.14 of a failure.
    #[must_use]
    #[inline]
    pub const fn is_authentication(self) -> bool {
        use Status::{
            AccountDisabled, AuthLineTooLong, BadCredentials, EncryptionForMechanism, MechanismTooWeak,
            PasswordTransition, TrustRequired,
        };
        matches!(
            self.failure(),
            Some(
                AuthLineTooLong
                    | BadCredentials
                    | MechanismTooWeak
                    | EncryptionForMechanism
                    | PasswordTransition
                    | AccountDisabled
                    | TrustRequired
            )
        )
    }

    /// Whether encryption is missing: X.7.10, X.7.11, X.7.30 of a failure.
    #[must_use]
    #[inline]
    pub const fn is_encryption_needed(self) -> bool {
        use Status::{EncryptionForMechanism, EncryptionNeeded, RequireTlsUnsupported};
        matches!(self.failure(), Some(EncryptionNeeded | EncryptionForMechanism | RequireTlsUnsupported))
    }

    /// Whether a check of who sent the message failed (SPF, DKIM, ARC, names in the DNS): X.7.20 to X.7.27 and
    /// X.7.29 of a failure.
    #[must_use]
    pub const fn is_sender_unverified(self) -> bool {
        !self.is_success() && self.subject() == 7 && matches!(self.detail(), 20..=27 | 29)
    }

    /// Whether it is the server's policy: X.7 of a failure, but what is about logging in, encryption or
    /// cryptography (X.7.3 to X.7.7).
    #[must_use]
    #[inline]
    pub const fn is_policy(self) -> bool {
        let other = self.is_authentication() || self.is_encryption_needed() || matches!(self.detail(), 3..=7);
        !self.is_success() && self.subject() == 7 && !other
    }

    /// Whether it is about addresses or headers beyond ASCII: X.6.7 to X.6.10 of a failure.
    #[must_use]
    #[inline]
    pub const fn is_international(self) -> bool {
        use Status::{NonAsciiAddress, Utf8Header, Utf8ReplyRequired, Utf8ReplyRequiredOld};
        matches!(
            self.failure(),
            Some(NonAsciiAddress | Utf8ReplyRequired | Utf8Header | Utf8ReplyRequiredOld)
        )
    }
}

/// What a refusal is about: by its enhanced code where it has one, otherwise by a reply code that says it.
///
/// ```
/// use mailwire_smtp::{Reply, ReplyCode};
///
/// let reply = Reply::new(ReplyCode::MAILBOX_BUSY, "4.7.1 Greylisted, please try again in 300 seconds");
/// assert!(reply.is_greylisting() && reply.is_policy() && !reply.is_authentication());
/// assert!(Reply::new(ReplyCode::BAD_CREDENTIALS, "Wrong").is_authentication());
/// ```
impl Reply {
    fn says(&self, enhanced: fn(EnhancedCode) -> bool, otherwise: impl Fn(u16) -> bool) -> bool {
        match self.enhanced() {
            // X.0.0 says nothing.
            Some(code) if code.status() != Some(Status::Undefined) => enhanced(code),
            _ => otherwise(self.code().get()),
        }
    }

    /// Whether there is no such recipient: [`EnhancedCode::is_unknown_recipient`]; 551 and 556 without a code.
    /// 550 alone is no such word: it can be policy as well.
    #[must_use]
    #[inline]
    pub fn is_unknown_recipient(&self) -> bool {
        self.says(EnhancedCode::is_unknown_recipient, |code| matches!(code, 551 | 556))
    }

    /// Whether the mailbox has no room: [`EnhancedCode::is_mailbox_full`].
    #[must_use]
    #[inline]
    pub fn is_mailbox_full(&self) -> bool {
        self.says(EnhancedCode::is_mailbox_full, |_| false)
    }

    /// Whether the message is too large: [`EnhancedCode::is_too_large`].
    #[must_use]
    #[inline]
    pub fn is_too_large(&self) -> bool {
        self.says(EnhancedCode::is_too_large, |_| false)
    }

    /// Whether the message has too many recipients, so that the others can be tried in another transaction:
    /// [`EnhancedCode::is_too_many_recipients`]; 452 and, of old servers, 552 in answer to RCPT ([RFC 5321 section
    /// 4.5.3.1.10](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.10)) without a code.
    #[must_use]
    pub fn is_too_many_recipients(&self) -> bool {
        self.says(EnhancedCode::is_too_many_recipients, |code| matches!(code, 452 | 552))
    }

    /// Whether it is about logging in: [`EnhancedCode::is_authentication`]; 432, 534, 535, 538 in any case, as
    /// nothing else has them ([RFC 4954 section 6](https://www.rfc-editor.org/rfc/rfc4954#section-6)).
    #[must_use]
    #[inline]
    pub fn is_authentication(&self) -> bool {
        matches!(self.code().get(), 432 | 534 | 535 | 538)
            || self.enhanced().is_some_and(EnhancedCode::is_authentication)
    }

    /// Whether encryption is missing: [`EnhancedCode::is_encryption_needed`]; 523, 524, 538 in any case.
    #[must_use]
    #[inline]
    pub fn is_encryption_needed(&self) -> bool {
        matches!(self.code().get(), 523 | 524 | 538)
            || self.enhanced().is_some_and(EnhancedCode::is_encryption_needed)
    }

    /// Whether it is the server's policy: [`EnhancedCode::is_policy`], unless its reply code is about logging in or
    /// encryption.
    #[must_use]
    #[inline]
    pub fn is_policy(&self) -> bool {
        self.says(EnhancedCode::is_policy, |_| false)
            && !self.is_authentication()
            && !self.is_encryption_needed()
            && self.code() != ReplyCode::REQUIRED
    }

    /// Whether the server most likely wants to see the same message once more, a little later ([RFC
    /// 6647](https://www.rfc-editor.org/rfc/rfc6647)). No code says so: this is a guess from 450 or 451 with 4.7.1,
    /// and from the word in the text of any transient failure.
    #[must_use]
    #[inline]
    pub fn is_greylisting(&self) -> bool {
        let usual = matches!(self.code(), ReplyCode::MAILBOX_BUSY | ReplyCode::LOCAL_ERROR)
            && self.enhanced() == Some(Status::NotAuthorized.transient());
        self.is_transient_failure() && (usual || self.lines().any(|line| names_greylisting(line.as_bytes())))
    }
}

/// Greylist, gray-listed, grey listing.
#[inline]
fn names_greylisting(line: &[u8]) -> bool {
    line.windows(4).enumerate().any(|(at, word)| {
        let rest = line.get(at.saturating_add(4)..).unwrap_or_default();
        let rest = match rest {
            [b' ' | b'-' | b'_', rest @ ..] => rest,
            rest => rest,
        };
        (word.eq_ignore_ascii_case(b"grey") || word.eq_ignore_ascii_case(b"gray"))
            && rest.get(..4).is_some_and(|list| list.eq_ignore_ascii_case(b"list"))
    })
}
