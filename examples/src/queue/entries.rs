//! What is in the file: messages and their recipients.

use std::time::SystemTime;

use bytes::Bytes;
use mailwire_core::Dialect;
use mailwire_transport::smtp::{
    Envelope,
    proto::{Command, ForwardPath, Mail, Mailbox, Rcpt, ReversePath},
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Limits, QueueError, millis, retry::Progress, run::Parcel, time};

/// A message that waits, with the recipients who do not have it yet.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number, which no other message gets.
    pub number: u64,
    /// The sender; `None` for the null address.
    pub from: Option<String>,
    /// When it came.
    pub arrived: SystemTime,
    /// Its bytes.
    pub size: u64,
    /// Until when it is held back, as its sender asked; that may be over.
    pub held: Option<SystemTime>,
    /// Who is to get it.
    pub recipients: Vec<Waiting>,
}

/// A recipient who waits.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The address.
    pub address: String,
    /// When it is tried next; `None` while it is.
    pub next: Option<SystemTime>,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it was not delivered when it was tried last.
    pub why: Option<String>,
}

/// A number as SQLite has it.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that is never below zero.
fn nat(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

pub(super) fn total(sql: &Connection) -> Result<(u64, u64), QueueError> {
    let read = |line: &Row<'_>| Ok((nat(line.get(0)?), nat(line.get(1)?)));
    Ok(sql.query_row("SELECT messages, bytes FROM total", [], read)?)
}

pub(super) fn check_room(sql: &Connection, limits: Limits, size: u64) -> Result<(), QueueError> {
    let (messages, bytes) = total(sql)?;
    let fits = messages < limits.messages && bytes.saturating_add(size) <= limits.bytes;
    if fits { Ok(()) } else { Err(QueueError::Full) }
}

/// Whether one more message of this sender may be held back. What is released does not count.
pub(super) fn check_hold(
    sql: &Connection,
    limits: Limits,
    sender: &ReversePath,
    size: u64,
    now: i64,
) -> Result<(), QueueError> {
    let text = "SELECT count(*), coalesce(sum(size), 0) FROM hold WHERE sender=?1 AND until>?2";
    let read = |line: &Row<'_>| Ok((nat(line.get(0)?), nat(line.get(1)?)));
    let (messages, bytes) = sql.prepare_cached(text)?.query_row(params![address(sender), now], read)?;
    let fits = messages < limits.held_messages && bytes.saturating_add(size) <= limits.held_bytes;
    if fits { Ok(()) } else { Err(QueueError::Held) }
}

/// The sender as it stands in the file.
fn address(sender: &ReversePath) -> &str {
    sender.mailbox().map_or("", Mailbox::as_str)
}

/// A message without recipients is for nobody, and is not kept.
pub(super) fn insert(
    sql: &Connection,
    envelope: &Envelope,
    message: &[u8],
    now: i64,
) -> Result<u64, QueueError> {
    let text = "INSERT INTO message(sender, arrived, size, body, mail) VALUES(?1, ?2, ?3, ?4, ?5)";
    let mail = envelope.mail();
    let (sender, size) = (address(&mail.from), int(message.len() as u64));
    let said = line(Command::Mail(mail.clone()), Command::Mail(Mail::new(mail.from.clone())));
    sql.prepare_cached(text)?.execute(params![sender, now, size, message, said])?;
    let number = sql.last_insert_rowid();
    let until = mail.parameters().hold.as_ref().map(|hold| millis(hold.release_time(time(now))));
    if let Some(until) = until {
        let text = "INSERT INTO hold(message, sender, size, until) VALUES(?1, ?2, ?3, ?4)";
        sql.prepare_cached(text)?.execute(params![number, sender, size, until])?;
    }
    let mut insert = sql.prepare_cached(
        "INSERT INTO recipient(message, address, next, rcpt, priority) VALUES(?1, ?2, ?3, ?4, ?5)",
    )?;
    let priority = mail.parameters().priority.unwrap_or_default().get();
    for rcpt in envelope.recipients() {
        let ForwardPath::Mailbox(address) = &rcpt.to else {
            return Err(QueueError::Address(rcpt.to.to_string()));
        };
        let said = line(Command::Rcpt(rcpt.clone()), Command::Rcpt(Rcpt::new(rcpt.to.clone())));
        insert.execute(params![number, address.as_str(), until.unwrap_or(now), said, priority])?;
    }
    if envelope.recipients().is_empty() {
        sql.execute("DELETE FROM message WHERE id=?1", [number])?;
    }
    Ok(nat(number))
}

/// A command as it is written, if it says more than the `plain` one.
fn line(command: Command, plain: Command) -> Option<String> {
    let written = |command: Command| {
        let mut line = Vec::new();
        command.write(&mut line);
        line
    };
    let line = written(command);
    (line != written(plain)).then(|| String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// A command that was written so.
fn command(line: String) -> Result<Command, QueueError> {
    match Command::parse(&Bytes::from(line), Dialect::Strict) {
        Ok(parsed) => Ok(parsed.value),
        Err(error) => Err(QueueError::File(format!("a command: {error}"))),
    }
}

pub(super) fn list(sql: &Connection, most: u64) -> Result<Vec<Entry>, QueueError> {
    let text =
        "SELECT m.id, m.sender, m.arrived, m.size, r.address, r.next, r.claimed, r.attempts, r.why, h.until
        FROM (SELECT id, sender, arrived, size FROM message ORDER BY id LIMIT ?1) m
        JOIN recipient r ON r.message=m.id LEFT JOIN hold h ON h.message=m.id ORDER BY m.id, r.id";
    let mut statement = sql.prepare_cached(text)?;
    let mut lines = statement.query([int(most)])?;
    let mut entries: Vec<Entry> = Vec::new();
    while let Some(line) = lines.next()? {
        let number = nat(line.get(0)?);
        let waiting = Waiting {
            address: line.get(4)?,
            next: if line.get::<_, bool>(6)? { None } else { Some(time(line.get(5)?)) },
            attempts: line.get(7)?,
            why: line.get(8)?,
        };
        match entries.last_mut() {
            Some(entry) if entry.number == number => entry.recipients.push(waiting),
            _ => entries.push(Entry {
                number,
                from: Some(line.get(1)?).filter(|from: &String| !from.is_empty()),
                arrived: time(line.get(2)?),
                size: nat(line.get(3)?),
                held: line.get::<_, Option<i64>>(9)?.map(time),
                recipients: vec![waiting],
            }),
        }
    }
    Ok(entries)
}

pub(super) fn flush(sql: &Connection, message: Option<u64>, now: i64) -> Result<usize, QueueError> {
    // RFC 4865 section 4.2 lets nobody release a message before its time.
    let text = "UPDATE recipient SET next=?2 WHERE claimed=0 AND next>?2 AND (?1 IS NULL OR message=?1)
        AND NOT EXISTS(SELECT 1 FROM hold h WHERE h.message=recipient.message AND h.until>?2)";
    Ok(sql.execute(text, params![message.map(int), now])?)
}

pub(super) fn remove(sql: &Connection, message: u64) -> Result<usize, QueueError> {
    Ok(sql.execute("DELETE FROM recipient WHERE claimed=0 AND message=?1", [int(message)])?)
}

/// Frees what a process that has died was delivering. What has come to that more than once may be the reason for it: it
/// waits.
pub(super) fn release(sql: &Connection, now: i64, pause: i64) -> Result<usize, QueueError> {
    let text = "UPDATE recipient SET claimed=0, interrupted=interrupted+1,
        next=CASE WHEN interrupted>0 THEN ?1+?2*interrupted ELSE ?1 END WHERE claimed=1";
    Ok(sql.execute(text, [now, pause])?)
}

/// When something is due next.
pub(super) fn next_due(sql: &Connection) -> Result<Option<i64>, QueueError> {
    let mut statement = sql.prepare_cached("SELECT min(next) FROM recipient WHERE claimed=0")?;
    Ok(statement.query_row([], |line| line.get(0))?)
}

/// A message with those of its recipients who are due.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) parcel: Parcel,
    /// When the message came.
    pub(super) arrived: SystemTime,
    /// Of each recipient of the parcel.
    pub(super) recipients: Vec<Claimed>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Claimed {
    pub(super) id: i64,
    pub(super) progress: Progress,
}

/// A message that is due: its number, when it came, until when it was held back, and its bytes.
type Due = (i64, SystemTime, Option<SystemTime>, u64);

/// The most urgent message that is due (RFC 6710), and of those the one that is for the longest time.
fn due(sql: &Connection, now: i64) -> Result<Option<Due>, QueueError> {
    let text = "SELECT m.id, m.arrived, h.until, m.size FROM recipient r JOIN message m ON m.id=r.message
        LEFT JOIN hold h ON h.message=m.id
        WHERE r.claimed=0 AND r.priority=?2 AND r.next<=?1 ORDER BY r.next LIMIT 1";
    let mut statement = sql.prepare_cached(text)?;
    // Each is one look into the index, however many wait for their time.
    for priority in (-9..=9).rev() {
        let read = |line: &Row<'_>| {
            let until = line.get::<_, Option<i64>>(2)?.map(time);
            Ok((line.get::<_, i64>(0)?, time(line.get(1)?), until, nat(line.get(3)?)))
        };
        if let Some(due) = statement.query_row([now, priority], read).optional()? {
            return Ok(Some(due));
        }
    }
    Ok(None)
}

/// Claims the message whose turn it is, if it has no more than so many bytes; and of its recipients at most so many.
pub(super) fn claim(
    sql: &Connection,
    now: i64,
    most_bytes: u64,
    most_recipients: usize,
) -> Result<Option<Claim>, QueueError> {
    let Some((number, arrived, until, _)) = due(sql, now)?.filter(|(.., size)| *size <= most_bytes) else {
        return Ok(None);
    };
    let text = "UPDATE recipient SET claimed=1, attempts=attempts+1 WHERE id IN (SELECT id FROM recipient
        WHERE message=?1 AND claimed=0 AND next<=?2 ORDER BY id LIMIT ?3)
        RETURNING id, address, attempts, warned, rcpt";
    let mut statement = sql.prepare_cached(text)?;
    let mut lines = statement.query(params![number, now, int(most_recipients as u64)])?;
    let (mut recipients, mut to) = (Vec::new(), Vec::new());
    while let Some(line) = lines.next()? {
        let since = until.unwrap_or(arrived);
        let progress = Progress { since, attempts: line.get(2)?, warned: line.get(3)? };
        recipients.push(Claimed { id: line.get(0)?, progress });
        to.push(match line.get::<_, Option<String>>(4)?.map(command).transpose()? {
            Some(Command::Rcpt(rcpt)) => rcpt,
            _ => Rcpt::new(mailbox(line.get(1)?)?),
        });
    }
    let body = "SELECT body, sender, mail FROM message WHERE id=?1";
    let read = |line: &Row<'_>| {
        Ok((line.get::<_, Vec<u8>>(0)?, line.get::<_, String>(1)?, line.get::<_, Option<String>>(2)?))
    };
    let (message, sender, said) = sql.prepare_cached(body)?.query_row([number], read)?;
    let mut mail = match said.map(command).transpose()? {
        Some(Command::Mail(mail)) => mail,
        _ if sender.is_empty() => Mail::new(ReversePath::Null),
        _ => Mail::new(mailbox(sender)?),
    };
    let hold = mail.parameters().hold.clone();
    if hold.is_some() {
        // That is done, and nobody else is asked for it.
        mail.parameters_mut().hold = None;
    }
    let envelope = Envelope::from_commands(mail, to);
    let parcel = Parcel { number: nat(number), envelope, hold, message: Bytes::from(message) };
    Ok(Some(Claim { parcel, arrived, recipients }))
}

/// Addresses were checked before they came into the file.
fn mailbox(address: String) -> Result<Mailbox, QueueError> {
    Mailbox::try_from(address.as_str())
        .map_err(|error| QueueError::File(format!("the address {address:?}: {error}")))
}

/// A recipient who has the message, or about whom the sender is told.
pub(super) fn finish(sql: &Connection, recipient: i64) -> Result<(), QueueError> {
    sql.prepare_cached("DELETE FROM recipient WHERE id=?1")?.execute([recipient])?;
    Ok(())
}

/// A recipient who is tried again.
pub(super) fn wait(
    sql: &Connection,
    recipient: i64,
    next: i64,
    why: &str,
    warned: bool,
) -> Result<(), QueueError> {
    let text =
        "UPDATE recipient SET claimed=0, interrupted=0, next=?2, why=?3, warned=warned OR ?4 WHERE id=?1";
    sql.prepare_cached(text)?.execute(params![recipient, next, why, warned])?;
    Ok(())
}
