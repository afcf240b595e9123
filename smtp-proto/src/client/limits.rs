//! What the limits leave room for that a server has announced (RFC 9422).

use alloc::{collections::BTreeSet, vec::Vec};

use mailwire_core::{Misuse, NotOffered};

use crate::{Capabilities, Rcpt, extensions::limits::SessionLimits};

/// What was taken for sending. Every command counts, whatever became of it (section 4).
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// Those that the server has announced.
    limits: SessionLimits,
    /// MAIL commands of this session.
    mails: u32,
    /// RCPT commands since the last of them.
    rcpts: u32,
    /// The domains of recipients in this session, in small letters, if there is a limit on them.
    domains: BTreeSet<Vec<u8>>,
}

impl Counts {
    /// The server has announced what it offers.
    pub(super) fn announced(&mut self, capabilities: &Capabilities) {
        self.limits = capabilities.limits().unwrap_or_default();
    }

    pub(super) fn permits_mail(&self) -> Result<(), Misuse> {
        check("MAILMAX", self.limits.mail_max(), self.mails)
    }

    pub(super) fn permits_rcpt(&self, rcpt: &Rcpt) -> Result<(), Misuse> {
        check("RCPTMAX", self.limits.rcpt_max(), self.rcpts)?;
        match limited_domain(&self.limits, rcpt) {
            Some((limit, domain))
                if self.domains.len() >= limit as usize && !self.domains.contains(&domain) =>
            {
                Err(Misuse::NotOffered(NotOffered::Limit("RCPTDOMAINMAX")))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn mail(&mut self) {
        self.mails = self.mails.saturating_add(1);
        self.rcpts = 0;
    }

    pub(super) fn rcpt(&mut self, rcpt: &Rcpt) {
        self.rcpts = self.rcpts.saturating_add(1);
        self.domains.extend(limited_domain(&self.limits, rcpt).map(|(_, domain)| domain));
    }
}

fn check(name: &'static str, limit: Option<u32>, sent: u32) -> Result<(), Misuse> {
    match limit {
        Some(limit) if sent >= limit => Err(Misuse::NotOffered(NotOffered::Limit(name))),
        _ => Ok(()),
    }
}

/// The domain of a recipient, where the number of domains has a limit.
fn limited_domain(limits: &SessionLimits, rcpt: &Rcpt) -> Option<(u32, Vec<u8>)> {
    Some((limits.rcpt_domain_max()?, rcpt.to.mailbox()?.domain().to_lowercase().into_bytes()))
}
