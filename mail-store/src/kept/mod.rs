//! What the stores of this crate decide alike.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod account;
pub(crate) mod annotations;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod bodies;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod coming;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod folder;
pub(crate) mod keywords;
#[cfg(any(feature = "memory", feature = "sqlite"))]
pub(crate) mod leases;
pub(crate) mod limits;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod maps;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod messages;
pub(crate) mod references;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod rows;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod summary;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod tables;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod watch;

use mailwire_core::Secret;
use mailwire_imap::types::{ModSeq, Uid};
use mailwire_transport::sasl::{Mechanism, StoredPassword, prepared_name, prepared_password};

use crate::{Error, Result, Uids};

/// A change's number as a type. The counter of an account does not reach 63 bits.
pub(crate) fn mod_seq(number: u64) -> ModSeq {
    ModSeq::new(number).unwrap_or(ModSeq::ZERO)
}

/// The UID after this one.
pub(crate) fn after(uid: Uid) -> Option<Uid> {
    uid.get().checked_add(1).and_then(Uid::new)
}

/// Checks how many messages a call names.
pub(crate) fn check_count(uids: &Uids, most: u32) -> Result<()> {
    if uids.len() > u64::from(most) { Err(Error::Limit("messages at once")) } else { Ok(()) }
}

/// Checks that so many more messages can have UIDs in a mailbox.
pub(crate) fn check_uids(uid_next: Uid, more: usize) -> Result<()> {
    let left = usize::try_from(u32::MAX - uid_next.get()).unwrap_or(usize::MAX);
    if more > left { Err(Error::Limit("messages in this mailbox")) } else { Ok(()) }
}

/// User names are the same in any case, and in all forms that SASLprep makes one.
pub(crate) fn key(name: &str) -> String {
    prepared_name(name).to_lowercase()
}

/// Whether users without a domain in their names get mail at this one.
pub(crate) fn is_ours(domains: &[String], domain: &str) -> bool {
    domains.is_empty() || domains.iter().any(|ours| ours.eq_ignore_ascii_case(domain))
}

/// Checks a new user's name.
pub(crate) fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(Error::Account("not a user name"));
    }
    Ok(())
}

/// What is kept of a password: what it is checked against, and itself if a mechanism needs that.
pub(crate) fn kept_password(
    password: &Secret,
    mechanisms: &[Mechanism],
) -> Result<(StoredPassword, Option<Secret>)> {
    let not_a_password = |_| Error::Account("not a password");
    let shares = mechanisms.contains(&Mechanism::CramMd5);
    let shared = shares.then(|| prepared_password(password)).transpose().map_err(not_a_password)?;
    Ok((StoredPassword::derive(password).map_err(not_a_password)?, shared))
}
