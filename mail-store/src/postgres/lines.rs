//! What stands in lines of tables: accounts, mailboxes, messages.

use mailwire_core::Text;
use mailwire_imap::{
    extensions::acl::Rights,
    types::{Flag, Uid, UidValidity},
};
use tokio_postgres::Row as Line;

use super::{
    Config,
    sql::{Bitmap, Query, broken, get, int, number, query, small},
};
use crate::{
    InternalDate, Mailbox, MailboxId, MailboxPath, Result, Uids,
    kept::{
        account::Account,
        folder::{Entry, Folder, PAGE, runs_of},
        keywords::{Bits, Keywords},
        limits::Limits,
        mod_seq,
    },
};

macro_rules! account_columns {
    () => {
        "id, name, key, modseq, messages, bytes, mailboxes, annotations, max_bytes, max_messages, max_mailboxes,
        max_annotations, subscribed_at, gone_floor, annotated_floor, last_uid_validity, last_thread, thread_keys,
        xmin::text::bigint"
    };
}

macro_rules! folder_columns {
    () => {
        "id, name, special_use, uid_validity, uid_next, modseq, messages, unseen, deleted, recent, bytes,
        deleted_bytes, rights, account, first_recent, vanished, vanished_floor, keyword_bytes, annotations"
    };
}

macro_rules! entry_columns {
    () => {
        "uid, modseq, flags, keywords, date, zone, saved, size, blob, thread"
    };
}

pub(super) use {account_columns, entry_columns, folder_columns};

pub(super) fn account(line: &Line, config: &Config) -> Result<Account> {
    let most = config.limits();
    let limit = |column, most: u64| {
        let limit = get::<Option<i64>>(line, column)?;
        Ok::<_, crate::Error>(limit.map_or(most, |limit| super::sql::nat(limit).min(most)))
    };
    Ok(Account {
        id: get(line, 0)?,
        name: get(line, 1)?,
        key: get(line, 2)?,
        mod_seq: number(line, 3)?,
        messages: number(line, 4)?,
        bytes: number(line, 5)?,
        mailboxes: number(line, 6)?,
        annotations: number(line, 7)?,
        limits: Limits {
            bytes: limit(8, most.bytes)?,
            messages: limit(9, most.messages)?,
            mailboxes: usize::try_from(limit(10, most.mailboxes as u64)?).unwrap_or(usize::MAX),
            annotations: limit(11, most.annotations)?,
        },
        subscribed_at: number(line, 12)?,
        gone_floor: number(line, 13)?,
        annotated_floor: number(line, 14)?,
        last_uid_validity: small(line, 15)?,
        last_thread: number(line, 16)?,
        thread_keys: number(line, 17)?,
    })
}

pub(super) fn look_at_account(id: i64) -> Query {
    query!(concat!("SELECT ", account_columns!(), " FROM account WHERE id=$1"), id)
}

/// The version of an account's line, another one each time that it is written: whatever changes of an account, its line is
/// written, too.
pub(super) fn version(line: &Line) -> Result<i64> {
    get(line, 18)
}

/// How many columns an account has.
pub(super) const ACCOUNT: usize = 19;
/// How many columns a mailbox has.
pub(super) const FOLDER: usize = 19;

/// A mailbox whose columns begin with the first one.
pub(super) fn folder(line: &Line) -> Result<Folder> {
    folder_from(line, 0)
}

/// A mailbox whose columns begin with this one.
pub(super) fn folder_from(line: &Line, first: usize) -> Result<Folder> {
    let id: i64 = get(line, first)?;
    let path = MailboxPath::new(&get::<String>(line, first + 1)?)?;
    let uid_validity =
        UidValidity::new(small(line, first + 3)?).ok_or_else(|| broken("a UIDVALIDITY is 0"))?;
    let mut info = Mailbox::new(MailboxId::new(super::sql::nat(id)), path, uid_validity);
    info.special_use = get::<Option<Vec<u8>>>(line, first + 2)?.map(Text::from);
    info.uid_next = uid(line, first + 4)?;
    info.mod_seq = mod_seq(number(line, first + 5)?);
    (info.messages, info.unseen, info.deleted) =
        (small(line, first + 6)?, small(line, first + 7)?, small(line, first + 8)?);
    info.recent = small(line, first + 9)?;
    (info.bytes, info.deleted_bytes) = (number(line, first + 10)?, number(line, first + 11)?);
    info.rights =
        Rights::new(&get::<String>(line, first + 12)?).map_err(|_| broken("there are no such rights"))?;
    Ok(Folder {
        id,
        account: get(line, first + 13)?,
        info,
        first_recent: uid(line, first + 14)?,
        vanished: number(line, first + 15)?,
        vanished_floor: number(line, first + 16)?,
        keyword_bytes: number(line, first + 17)?,
        annotations: number(line, first + 18)?,
        added: Vec::new(),
        removed: Vec::new(),
    })
}

pub(super) fn look_at_folder(id: MailboxId) -> Query {
    let text = concat!("SELECT ", folder_columns!(), " FROM mailbox WHERE id=$1 AND gone IS NULL");
    query!(text, int(id.get()))
}

pub(super) fn entry(line: &Line) -> Result<(Uid, Entry)> {
    let entry = Entry {
        mod_seq: number(line, 1)?,
        bits: bits(line, 2, 3)?,
        date: InternalDate { seconds: get(line, 4)?, zone: get(line, 5)? },
        saved: get(line, 6)?,
        size: number(line, 7)?,
        blob: get(line, 8)?,
        thread: get(line, 9)?,
    };
    Ok((uid(line, 0)?, entry))
}

/// Flags and keywords of a message.
pub(super) fn bits(line: &Line, flags: usize, keywords: usize) -> Result<Bits> {
    let system = u8::try_from(get::<i16>(line, flags)?).map_err(|_| broken("there are no such flags"))?;
    Ok(Bits::new(system, number(line, keywords)?))
}

pub(super) fn uid(line: &Line, column: usize) -> Result<Uid> {
    Uid::new(small(line, column)?).ok_or_else(|| broken("a UID is 0"))
}

/// The keywords of mailboxes, by mailbox and place.
pub(super) fn look_at_keywords(mailboxes: Vec<i64>) -> Query {
    query!("SELECT mailbox, name FROM keyword WHERE mailbox=ANY($1) ORDER BY mailbox, bit", mailboxes)
}

/// Those of one mailbox.
pub(super) fn keywords(lines: &[Line], mailbox: i64) -> Result<Keywords> {
    let mut all = Vec::new();
    for line in lines {
        if get::<i64>(line, 0)? == mailbox {
            let flag = Flag::new(get::<String>(line, 1)?);
            all.push(flag.map_err(|_| broken("there is no such keyword"))?);
        }
    }
    Ok(Keywords::kept(all))
}

/// The map of UIDs of a mailbox, from the page of a UID on.
pub(super) fn look_at_map(mailbox: i64, from: Uid) -> Query {
    let text = "SELECT page, bits FROM page WHERE mailbox=$1 AND page>=$2 ORDER BY page";
    query!(text, mailbox, i64::from(from.get() / PAGE))
}

/// The messages from a UID on.
pub(super) fn map(lines: &[Line], from: Uid) -> Result<Uids> {
    let mut runs = Vec::new();
    for line in lines {
        let page = small(line, 0)?;
        runs_of(page.saturating_mul(PAGE), &get::<Bitmap>(line, 1)?.0, &mut runs);
    }
    let ranges = runs.into_iter().filter(|(_, last)| *last >= from.get());
    Ok(ranges.filter_map(|(first, last)| Some((Uid::new(first)?.max(from), Uid::new(last)?))).collect())
}
