//! The records of a domain in DNS that are about mail: what they are, and how they are read.

mod dkim;
mod dmarc;
pub(super) mod examine;
mod spf;
mod tags;
mod tlsrpt;

pub use self::{
    dkim::DkimKey,
    dmarc::{Dmarc, DmarcPolicy},
    spf::{DomainSpec, Mechanism, Spf, SpfResult},
    tlsrpt::TlsRpt,
};
