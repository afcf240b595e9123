//! Which rights the commands of a session take (RFC 4314 section 4).

use mailwire_imap::{
    extensions::acl::Rights,
    response::Code,
    types::{Flag, FlagSet, PermanentFlags},
};
use mailwire_transport::imap::server::Refusal;

use crate::Mailbox;

/// Refuses what takes other rights than there are.
pub(super) fn check(has: Rights, needs: Rights) -> Result<(), Refusal> {
    if has.contains(needs) { Ok(()) } else { Err(refused()) }
}

fn refused() -> Refusal {
    Refusal::new("You have no right to do this").with_code(Code::NoPerm)
}

/// The rights under which a mailbox is open to be changed (RFC 4314 section 5.2).
const CHANGES: Rights =
    Rights::SEEN.with(Rights::WRITE).with(Rights::INSERT).with(Rights::DELETE_MESSAGES).with(Rights::EXPUNGE);

/// Whether nothing in a mailbox can be changed.
pub(super) const fn is_read_only(rights: Rights) -> bool {
    !rights.intersects(CHANGES)
}

/// Annotations are for those who see the mailbox and may do something in it (RFC 5464 section 3.3).
pub(super) fn check_annotated(mailbox: &Mailbox) -> Result<(), Refusal> {
    const ANY: Rights =
        Rights::READ.with(Rights::SEEN).with(Rights::WRITE).with(Rights::INSERT).with(Rights::POST);
    check(mailbox.rights, Rights::LOOKUP)?;
    if mailbox.rights.intersects(ANY) { Ok(()) } else { Err(refused()) }
}

/// The right that it takes to change a flag.
const fn of(flag: &Flag) -> Rights {
    match flag {
        Flag::Seen => Rights::SEEN,
        Flag::Deleted => Rights::DELETE_MESSAGES,
        _ => Rights::WRITE,
    }
}

/// Those of the flags that can be changed.
pub(crate) fn permitted(flags: &FlagSet, rights: Rights) -> FlagSet {
    flags.iter().filter(|flag| rights.contains(of(flag))).cloned().collect()
}

/// Those of the flags that STORE may change: the others stay as they are. None of several is refused, and so is it to
/// replace all flags without the rights to all.
pub(super) fn stored(flags: &FlagSet, replaces: bool, rights: Rights) -> Result<FlagSet, Refusal> {
    const ALL: Rights = Rights::SEEN.with(Rights::DELETE_MESSAGES).with(Rights::WRITE);
    if rights.contains(ALL) {
        return Ok(flags.clone());
    }
    let permitted = permitted(flags, rights);
    if replaces || (permitted.is_empty() && !flags.is_empty()) { Err(refused()) } else { Ok(permitted) }
}

/// The flags that a client can change for good.
pub(super) fn permanent(flags: &FlagSet, new_keywords: bool, rights: Rights) -> PermanentFlags {
    PermanentFlags::new(permitted(flags, rights), new_keywords && rights.contains(Rights::WRITE))
}
