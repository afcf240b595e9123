//! What a synchronization remembers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs::{self, File},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::{self, Write as _},
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use mailwire_imap::sync::SyncState;
use mailwire_transport::imap::proto::types::Uid;

use crate::{
    Later,
    maildir::{Letters, sync_folder},
};

/// A message that is on the server, in the Maildir, or was on both sides when they were compared last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// Its flags on the server; `None`: it is gone there, and here is still to be removed.
    pub there: Option<Letters>,
    /// The flags that both sides had when they were compared last.
    pub agreed: Letters,
    /// Its size on the server, 0 where that is not known.
    pub size: u64,
    /// Its file here, by the part of the name that stays; `None`: it is to be fetched.
    pub file: Option<String>,
}

/// All that is remembered of a mailbox and its Maildir.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Which mailbox of which account it is.
    pub place: String,
    /// Stands in the names of the files that were fetched: another mailbox has another.
    pub id: String,
    /// How far what is known of the server has come.
    pub sync: SyncState,
    /// The messages by their UIDs.
    pub rows: BTreeMap<Uid, Row>,
    /// Files that the server has, and has not said as which messages.
    pub sent: BTreeSet<String>,
}

/// The first line of the file; the number is of its form.
const FORM: &str = "mailwire-sync 1";

impl Table {
    /// Nothing is known.
    #[must_use]
    pub fn new(place: &str) -> Self {
        Self {
            place: place.to_owned(),
            id: new_id(),
            sync: SyncState::default(),
            rows: BTreeMap::new(),
            sent: BTreeSet::new(),
        }
    }

    /// Reads a file. `None`: there is none.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not such a file.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let damaged = || {
            format!(
                "{} is damaged. Without it, what is on both sides is found by its content, and what was deleted on one side comes back",
                path.display()
            )
        };
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map(Some).with_context(damaged),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines();
        let mut line = |name: &str| {
            let value = lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.with_context(|| format!("no {name}"))
        };
        let (name, version) = FORM.split_once(' ').unwrap_or((FORM, ""));
        if line(name)? != version {
            bail!("it is of another version");
        }
        let place = line("mailbox")?.to_owned();
        let id = line("id")?.to_owned();
        let state = line("state")?;
        let count: usize = line("messages")?.parse()?;
        let bytes = (0..state.len()).step_by(2).map(|at| {
            let digits = state.get(at..at + 2).unwrap_or_default();
            u8::from_str_radix(digits, 16).context("no state")
        });
        let sync = SyncState::from_bytes(&bytes.collect::<Result<Vec<u8>>>()?)?;
        let (mut rows, mut sent) = (BTreeMap::new(), BTreeSet::new());
        if lines.next_back() != Some("end") {
            bail!("no end");
        }
        for line in lines {
            match line.strip_prefix("sent ") {
                Some(name) => drop(sent.insert(name.to_owned())),
                None => rows.extend([row(line).with_context(|| format!("what is {line:?}?"))?]),
            }
        }
        if rows.len() + sent.len() != count {
            bail!("{} messages of {count}", rows.len() + sent.len());
        }
        Ok(Self { place, id, sync, rows, sent })
    }

    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = format!("{FORM}\nmailbox {}\nid {}\nstate ", self.place, self.id);
        self.sync.to_bytes().iter().try_for_each(|byte| write!(text, "{byte:02x}"))?;
        writeln!(text, "\nmessages {}", self.rows.len() + self.sent.len())?;
        for (uid, row) in &self.rows {
            let there = row.there.map_or_else(|| "!".to_owned(), |letters| format!("={letters}"));
            let file = row.file.as_deref().unwrap_or_default();
            writeln!(text, "{uid} {there} ={} {} {file}", row.agreed, row.size)?;
        }
        self.sent.iter().try_for_each(|name| writeln!(text, "sent {name}"))?;
        text.push_str("end\n");
        Ok(text)
    }

    /// Writes the file: whoever is stopped leaves the one that was there, or this one.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let failed = || format!("cannot write {}", path.display());
        let text = self.text().with_context(failed)?;
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".new");
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, path)?;
            path.parent().map_or(Ok(()), sync_folder)
        };
        write().with_context(failed)
    }

    /// The messages that are known to be on the server.
    pub fn known(&self) -> impl Iterator<Item = (Uid, Uid)> + '_ {
        self.rows.iter().filter(|(_, row)| row.there.is_some()).map(|(uid, _)| (*uid, *uid))
    }

    /// The files that belong to messages.
    pub fn files(&self) -> impl Iterator<Item = &str> + Clone {
        self.rows.values().filter_map(|row| row.file.as_deref())
    }

    /// The name of the file of a message that is fetched. Whoever finds it knows whose it is, though the table was
    /// not saved.
    ///
    /// # Errors
    ///
    /// The server does not say how long its UIDs are valid.
    pub fn name(&self, uid: Uid, date: Option<i64>) -> Result<String, Later> {
        Ok(format!("{}.{}.mailwire", date.unwrap_or(0), self.mark(uid)?))
    }

    fn mark(&self, uid: Uid) -> Result<String, Later> {
        let validity = self.sync.uid_validity().ok_or(Later("the server does not keep UIDs"))?;
        Ok(format!("V{validity}U{uid}I{}", self.id))
    }

    /// The message that a file was fetched from.
    #[must_use]
    pub fn fetched_from(&self, name: &str) -> Option<Uid> {
        let mark = name.split('.').nth(1)?;
        let uid = mark.split_once('U')?.1.split_once('I')?.0.parse().ok().and_then(Uid::new)?;
        (self.mark(uid).ok()? == mark).then_some(uid)
    }

    /// Forgets which message is which: UIDs mean others now, also those in the names of files.
    pub fn forget(&mut self) {
        self.rows.clear();
        self.sent.clear();
        self.id = new_id();
    }
}

fn new_id() -> String {
    format!("{:08x}", RandomState::new().build_hasher().finish() as u32)
}

/// `UID =LETTERS =LETTERS SIZE NAME`
fn row(line: &str) -> Option<(Uid, Row)> {
    let mut words = line.splitn(5, ' ');
    let uid = words.next()?.parse().ok().and_then(Uid::new)?;
    let there = match words.next()? {
        "!" => None,
        letters => Some(Letters::of_name(letters.strip_prefix('=')?)),
    };
    let agreed = Letters::of_name(words.next()?.strip_prefix('=')?);
    let size = words.next()?.parse().ok()?;
    let file = Some(words.next()?.to_owned()).filter(|name| !name.is_empty());
    Some((uid, Row { there, agreed, size, file }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::string_slice)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("anna@example.org INBOX");
        let (seen, none) = (Letters::of_name("S"), Letters::NONE);
        for (uid, there, file) in
            [(1, Some(seen), Some("1.a b.c")), (2, None, Some("x")), (4_294_967_295, Some(none), None)]
        {
            let row = Row { there, agreed: seen, size: 7, file: file.map(str::to_owned) };
            table.rows.insert(Uid::new(uid).unwrap(), row);
        }
        table.sent.insert("y z".into());
        table
    }

    #[test]
    fn what_is_written_is_read() {
        let table = table();
        assert_eq!(Table::parse(&table.text().unwrap()).unwrap(), table);
        let empty = Table::new("x");
        assert_eq!(Table::parse(&empty.text().unwrap()).unwrap(), empty);
    }

    #[test]
    fn a_part_of_a_file_is_none() {
        let text = table().text().unwrap();
        // The last line may lack its end alone.
        for cut in 0..text.len() - 1 {
            assert!(Table::parse(&text[..cut]).is_err(), "{cut}");
        }
        for odd in ["mailwire-sync 2", "mailwire-sync 1\nmailbox x\nid y\nstate 0g\nmessages 0\nend\n"] {
            assert!(Table::parse(odd).is_err());
        }
    }
}
