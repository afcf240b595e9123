//! In place of the limits that a server announces, which are not read.

use mailwire_core::Misuse;

use crate::{Capabilities, Rcpt};

/// Nothing is counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {}

impl Counts {
    pub(super) const fn announced(&mut self, _: &Capabilities) {}

    pub(super) const fn permits_mail(&self) -> Result<(), Misuse> {
        Ok(())
    }

    pub(super) const fn permits_rcpt(&self, _: &Rcpt) -> Result<(), Misuse> {
        Ok(())
    }

    pub(super) const fn mail(&mut self) {}

    pub(super) const fn rcpt(&mut self, _: &Rcpt) {}
}
