//! Which messages have gone where.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use anyhow::{Context as _, Result};
use mailwire_transport::imap::proto::types::{Uid, UidValidity};

use crate::Usage;

/// Which messages have gone where, in memory and in a file if there is one. Lines are added to the file, each on the
/// disk before the next messages go; one that is not whole, for the program was killed, is as good as none.
#[derive(Debug, Default)]
pub struct Journal {
    file: Option<File>,
    pairs: HashMap<String, Pair>,
    /// The mailboxes whose messages the file's next lines name.
    current: String,
}

/// What is known of two mailboxes.
#[derive(Debug, Default)]
struct Pair {
    /// The UIDVALIDITY of either; 0 where a server has none.
    validity: (u32, u32),
    /// The UIDs in the source, and those in the target, 0 where they are not known.
    gone: HashMap<u32, u32>,
}

/// The first line; the number is of the form.
const FORM: &str = "mailwire-migrate 1";

impl Journal {
    /// In memory alone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a file, or makes it. `accounts` names both accounts.
    ///
    /// # Errors
    ///
    /// It cannot be read or written, or is of other accounts.
    pub fn open(path: &Path, accounts: &str) -> Result<Self> {
        let named = || format!("the state {}", path.display());
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(named),
        };
        // What comes after it was being written.
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let mut lines = text.get(..whole).unwrap_or_default().lines();
        let mut journal = Self::default();
        let is_new = match (lines.next(), lines.next()) {
            (Some(FORM), Some(of)) if of == accounts => false,
            (None, _) | (Some(FORM), None) => true,
            (Some(FORM), Some(of)) => {
                return Err(Usage(format!("{}: it is of {of}", named())).into());
            }
            _ => return Err(Usage(format!("{}: it is something else", named())).into()),
        };
        for line in lines {
            // A line that means nothing costs a look at the messages it was about.
            journal.read(line);
        }
        let mut file = File::options().create(true).append(true).open(path).with_context(named)?;
        let length = if is_new { 0 } else { whole as u64 };
        file.set_len(length).with_context(named)?;
        if is_new {
            file.write_all(format!("{FORM}\n{accounts}\n").as_bytes()).with_context(named)?;
        }
        // The next line may belong to others than the last one.
        journal.current.clear();
        journal.file = Some(file);
        Ok(journal)
    }

    fn read(&mut self, line: &str) -> Option<()> {
        if let Some(line) = line.strip_prefix("mailbox ") {
            let mut words = line.splitn(3, ' ');
            let validity = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            self.current = words.next()?.to_owned();
            self.pair(validity);
        } else {
            let (source, target) = line.split_once(' ')?;
            let gone = (source.parse().ok()?, target.parse().ok()?);
            self.pairs.get_mut(&self.current)?.gone.insert(gone.0, gone.1);
        }
        Some(())
    }

    /// What is known of the current mailboxes; nothing, if UIDs mean other messages now.
    fn pair(&mut self, validity: (u32, u32)) {
        let pair = self.pairs.entry(self.current.clone()).or_default();
        if pair.validity != validity || validity.0 == 0 {
            *pair = Pair { validity, gone: HashMap::new() };
        }
    }

    /// What follows is about these mailboxes.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn begin(
        &mut self,
        mailboxes: &str,
        source: Option<UidValidity>,
        target: Option<UidValidity>,
    ) -> io::Result<()> {
        let validity = (source.map_or(0, UidValidity::get), target.map_or(0, UidValidity::get));
        let known = self.pairs.get(mailboxes).map(|pair| pair.validity);
        let is_new = self.current != mailboxes || known != Some(validity);
        mailboxes.clone_into(&mut self.current);
        self.pair(validity);
        match &mut self.file {
            Some(file) if is_new => {
                file.write_all(format!("mailbox {} {} {mailboxes}\n", validity.0, validity.1).as_bytes())
            }
            _ => Ok(()),
        }
    }

    /// Whether a message of the current mailbox has gone.
    #[must_use]
    pub fn has(&self, source: Uid) -> bool {
        self.pairs.get(&self.current).is_some_and(|pair| pair.gone.contains_key(&source.get()))
    }

    /// The messages of the current target that are known to have come from the source.
    #[must_use]
    pub fn arrived(&self) -> HashSet<u32> {
        self.pairs.get(&self.current).map(|pair| pair.gone.values().copied().collect()).unwrap_or_default()
    }

    /// These messages have gone, and have these UIDs in the target as far as it is known.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn record(&mut self, gone: &[(Uid, Option<Uid>)]) -> io::Result<()> {
        let numbers = gone.iter().map(|(source, target)| (source.get(), target.map_or(0, Uid::get)));
        if let Some(pair) = self.pairs.get_mut(&self.current) {
            pair.gone.extend(numbers.clone());
        }
        if let Some(file) = self.file.as_mut().filter(|_| !gone.is_empty()) {
            let lines: String = numbers.map(|(source, target)| format!("{source} {target}\n")).collect();
            file.write_all(lines.as_bytes())?;
            file.sync_data()?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn uid(number: u32) -> Uid {
        Uid::new(number).unwrap()
    }

    #[test]
    fn any_part_of_the_file_is_a_state() {
        let path = std::env::temp_dir().join(format!("mailwire-journal-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        let one = UidValidity::new(1);
        let mut journal = Journal::open(&path, "a > b").unwrap();
        journal.begin("INBOX > INBOX", one, one).unwrap();
        journal.record(&[(uid(11), Some(uid(1))), (uid(12), None)]).unwrap();
        journal.begin("x y > z", one, one).unwrap();
        journal.record(&[(uid(5), Some(uid(6)))]).unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            fs::write(&path, whole.get(..cut).unwrap()).unwrap();
            let mut journal = Journal::open(&path, "a > b").unwrap();
            for round in 0..2 {
                journal.begin("INBOX > INBOX", one, one).unwrap();
                // Lines of others never count.
                assert!(!journal.has(uid(5)));
                if cut == whole.len() || round == 1 {
                    assert!(journal.has(uid(11)) && journal.has(uid(12)));
                    assert!(journal.arrived().contains(&1));
                }
                journal.record(&[(uid(11), Some(uid(1))), (uid(12), None)]).unwrap();
                journal = Journal::open(&path, "a > b").unwrap();
            }
        }
        assert!(Journal::open(&path, "a > c").unwrap_err().is::<Usage>());
        let mut journal = Journal::open(&path, "a > b").unwrap();
        journal.begin("x y > z", one, one).unwrap();
        assert!(journal.has(uid(5)));
        journal.begin("x y > z", one, UidValidity::new(2)).unwrap();
        assert!(!journal.has(uid(5)));
        fs::remove_file(&path).unwrap();
    }
}
