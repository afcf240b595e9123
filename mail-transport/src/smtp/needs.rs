//! What a message needs of a server, and what happens where the server does not offer it.

use std::borrow::Cow;

use mailwire_core::{Misuse, NotOffered};
use mailwire_smtp::{BodyType, Capability, Mail, Rcpt, extensions::dsn::Notify};

use super::{Client, Config, Envelope};
use crate::{Result, tls::TlsStream};

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
}

/// The settings of a client that say so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    dsn: Missing,
    eight_bit_mime: Missing,
    smtp_utf8: Missing,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Self {
            dsn: config.missing_dsn,
            eight_bit_mime: config.missing_eight_bit_mime,
            smtp_utf8: config.missing_smtp_utf8,
        }
    }
}

impl Client {
    fn leaves_out(&self, setting: Missing, extension: &Capability) -> bool {
        setting == Missing::Drop && !self.capabilities().has(extension)
    }

    /// MAIL, without what is left out.
    pub(super) fn adapt_mail(&self, mail: &mut Mail) {
        if mail.body == Some(BodyType::EightBitMime)
            && self.leaves_out(self.settings.eight_bit_mime, &Capability::EightBitMime)
        {
            mail.body = None;
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
        if dsn.notify.is_none() && dsn.original_recipient.is_none() {
            return Cow::Borrowed(rcpt);
        }
        let mut rcpt = Cow::Borrowed(rcpt);
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
        let recipients = recipients.map(|rcpt| self.adapted(rcpt, mail.smtp_utf8));
        Ok(self.session.machine_ref().check_transaction(mail, recipients)?)
    }

    /// The recipients who cannot be told to this server, if those are left out.
    pub(super) fn unreachable(&self, envelope: &Envelope) -> Vec<usize> {
        if envelope.mail().is_international()
            || !self.leaves_out(self.settings.smtp_utf8, &Capability::SmtpUtf8)
        {
            return Vec::new();
        }
        let recipients = envelope.recipients().iter().enumerate();
        recipients.filter(|(_, rcpt)| rcpt.is_international()).map(|(index, _)| index).collect()
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
