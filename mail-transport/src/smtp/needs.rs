//! What a message needs of a server, and what happens where the server does not offer it.

use std::{borrow::Cow, time::SystemTime};

use mailwire_core::{Invalid, Misuse, NotOffered, dot::BareNewline};
use mailwire_smtp::{BodyType, Capability, Mail, Mailbox, Rcpt, ReversePath, extensions::dsn::Notify};

use super::{Client, Config, Envelope, downgrade::Downgrade};
use crate::{Error, InvalidValue, Payload, Result, domain_to_ascii, tls::TlsStream};

/// What happens to a message that needs an extension which the server does not offer.
///
/// What cannot be left out without changing the meaning of a message (REQUIRETLS, HOLDFOR, BY) has no such setting: the
/// message is refused.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Missing {
    /// Nothing is sent, and the error says what is missing.
    #[default]
    Refuse,
    /// It is sent without what needs the extension.
    Drop,
    /// It is converted, so that it does not need the extension, where that can be done without losing anything; what
    /// cannot be converted is refused. For [`Config::missing_dsn`], which has nothing to convert, it is `Drop`. Messages are
    /// converted with the feature `downgrade`: without it, those that would be are refused.
    Downgrade,
}

/// What the server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Lines of ASCII alone: neither 8BITMIME nor BINARYMIME.
    SevenBit,
    /// Lines of any bytes: 8BITMIME, and no BINARYMIME.
    EightBit,
}

impl Target {
    pub(super) const fn body(self) -> Option<BodyType> {
        match self {
            Self::SevenBit => None,
            Self::EightBit => Some(BodyType::EightBitMime),
        }
    }
}

/// The settings of a client that say so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    dsn: Missing,
    priority: Missing,
    eight_bit_mime: Missing,
    smtp_utf8: Missing,
    mends: bool,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Self {
            dsn: config.missing_dsn,
            priority: config.missing_priority,
            eight_bit_mime: config.missing_eight_bit_mime,
            smtp_utf8: config.missing_smtp_utf8,
            mends: config.bare_newline == BareNewline::Normalize,
        }
    }
}

impl Client {
    fn leaves_out(&self, setting: Missing, extension: &Capability) -> bool {
        setting != Missing::Refuse && !self.capabilities().has(extension)
    }

    /// How a message has to be converted for this server, if it has to be and may.
    pub(super) fn downgrade(&self, mail: &Mail, message: &Payload<'_>) -> Result<Option<Downgrade>> {
        if self.settings.eight_bit_mime != Missing::Downgrade {
            return Ok(None);
        }
        let offered = self.capabilities();
        let lines = offered.has(&Capability::EightBitMime);
        let binary = mail.body == Some(BodyType::BinaryMime);
        let target = match (binary, lines) {
            (true, _) if offered.has(&Capability::BinaryMime) && offered.has(&Capability::Chunking) => {
                return Ok(None);
            }
            (true, true) => Target::EightBit,
            (false, true) => return Ok(None),
            (false, false) if message.is_ascii() == Some(true) => return Ok(None),
            (_, false) => Target::SevenBit,
        };
        Ok(Some(Downgrade::new(target, self.settings.mends && !binary, message.pieces())?))
    }

    /// The sender as the server can be told of it.
    pub(super) fn adapted_sender(&self, from: &ReversePath) -> Result<ReversePath> {
        match from.mailbox().and_then(|mailbox| self.in_ascii(mailbox)) {
            Some(adapted) => Ok(adapted?.into()),
            None => Ok(from.clone()),
        }
    }

    /// An address beyond ASCII for a server without SMTPUTF8, where it is to be converted: its domain in A-labels.
    fn in_ascii(&self, mailbox: &Mailbox) -> Option<Result<Mailbox, InvalidValue>> {
        let converts = self.settings.smtp_utf8 == Missing::Downgrade && !mailbox.is_ascii();
        (converts && !self.capabilities().has(&Capability::SmtpUtf8)).then(|| in_ascii(mailbox))
    }

    /// MAIL, without what is left out.
    pub(super) fn adapt_mail(&self, mail: &mut Mail) {
        if mail.body == Some(BodyType::EightBitMime)
            && self.settings.eight_bit_mime == Missing::Drop
            && !self.capabilities().has(&Capability::EightBitMime)
        {
            mail.body = None;
        }
        if mail.parameters().priority.is_some()
            && self.settings.priority != Missing::Refuse
            && !self.capabilities().iter().any(|offered| matches!(offered, Capability::MtPriority(_)))
        {
            mail.parameters_mut().priority = None;
        }
        let dsn = mail.parameters();
        if (dsn.ret.is_some() || dsn.envelope_id.is_some())
            && self.leaves_out(self.settings.dsn, &Capability::Dsn)
        {
            let dsn = mail.parameters_mut();
            (dsn.ret, dsn.envelope_id) = (None, None);
        }
    }

    /// RCPT, without what is left out. In a transaction with SMTPUTF8 the original recipient is told in UTF-8 (RFC 6533
    /// section 3).
    pub(super) fn adapted<'r>(&self, rcpt: &'r Rcpt, smtp_utf8: bool) -> Cow<'r, Rcpt> {
        let dsn = rcpt.parameters();
        let mut rcpt = Cow::Borrowed(rcpt);
        if let Some(Ok(mailbox)) = rcpt.to.mailbox().and_then(|mailbox| self.in_ascii(mailbox)) {
            rcpt.to_mut().to = mailbox.into();
        }
        if dsn.notify.is_none() && dsn.original_recipient.is_none() {
            return rcpt;
        }
        if self.leaves_out(self.settings.dsn, &Capability::Dsn) {
            let dsn = rcpt.to_mut().parameters_mut();
            (dsn.notify, dsn.original_recipient) = (None, None);
        } else if let (true, Some(original)) = (smtp_utf8, dsn.original_recipient.clone()) {
            rcpt.to_mut().parameters_mut().original_recipient = Some(original.in_utf8());
        }
        rcpt
    }

    /// Whether the server offers what this transaction needs, and takes it at once.
    pub(super) fn check_transaction<'r>(
        &self,
        mail: &Mail,
        recipients: impl Iterator<Item = &'r Rcpt>,
    ) -> Result<()> {
        if mail.parameters().require_tls && !self.session.stream().tls().is_some_and(TlsStream::is_verified) {
            // RFC 8689 section 2.
            let needs = NotOffered::Extension("REQUIRETLS over TLS that is verified");
            return Err(Misuse::NotOffered(needs).into());
        }
        if let (Some(hold), Some(by)) = (&mail.parameters().hold, mail.parameters().deliver_by) {
            // RFC 4865 section 5.2.1.
            if hold.time_to_deliver(by, SystemTime::now()).is_none_or(|left| left.is_zero()) {
                return Err(Misuse::NotOffered(NotOffered::Value("HOLDFOR or HOLDUNTIL beyond BY")).into());
            }
        }
        let recipients = recipients.map(|rcpt| self.adapted(rcpt, mail.smtp_utf8));
        Ok(self.session.machine_ref().check_transaction(mail, recipients)?)
    }

    /// The recipients who cannot be told to this server, if those are left out, each with the reason.
    pub(super) fn unreachable(&self, envelope: &Envelope) -> Vec<(usize, Error)> {
        if !self.leaves_out(self.settings.smtp_utf8, &Capability::SmtpUtf8)
            || envelope.mail().is_international() && self.settings.smtp_utf8 == Missing::Drop
        {
            return Vec::new();
        }
        let reason = |mailbox: &Mailbox| match self.in_ascii(mailbox) {
            _ if mailbox.is_ascii() => None,
            Some(adapted) => adapted.err().map(Error::from),
            None => Some(Misuse::NotOffered(NotOffered::Extension("SMTPUTF8")).into()),
        };
        let recipients = envelope.recipients().iter().enumerate();
        recipients.filter_map(|(index, rcpt)| Some((index, reason(rcpt.to.mailbox()?)?))).collect()
    }

    /// Whether reports that this envelope asks for will not come, because the server does not offer DSN and they are left
    /// out by [`Config::missing_dsn`]: who asked for reports of success is to be told by the caller that the message was
    /// relayed ([RFC 3461 section 5.2.2](https://www.rfc-editor.org/rfc/rfc3461#section-5.2.2)).
    #[must_use]
    pub fn leaves_out_reports(&self, envelope: &Envelope) -> bool {
        let asks = |rcpt: &Rcpt| rcpt.parameters().notify.is_some_and(|notify| notify.has(Notify::SUCCESS));
        self.leaves_out(self.settings.dsn, &Capability::Dsn) && envelope.recipients().iter().any(asks)
    }
}

/// # Errors
///
/// The local part is not in ASCII, which nobody but the domain's own servers may change ([RFC 6530 section
/// 8](https://www.rfc-editor.org/rfc/rfc6530#section-8)); or the domain has no form in ASCII.
fn in_ascii(mailbox: &Mailbox) -> Result<Mailbox, InvalidValue> {
    let invalid = |invalid| InvalidValue::new(invalid, mailbox.as_str());
    let local_part = mailbox.local_part();
    if let Some(at) = local_part.bytes().position(|byte| !byte.is_ascii()) {
        let reason = "its local part is not in ASCII";
        return Err(invalid(Invalid::new("address for a server without SMTPUTF8", at, reason)));
    }
    let domain = domain_to_ascii(mailbox.domain())?;
    Mailbox::try_from(format!("{local_part}@{domain}").as_str()).map_err(invalid)
}
