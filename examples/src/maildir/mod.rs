//! A Maildir: a folder whose messages are files, delivered and changed in such a way that no reader sees half of one.

mod folders;
mod letters;
mod newlines;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    hash::{DefaultHasher, Hasher as _},
    io::{self, BufWriter, Read, Write as _},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

pub use self::{
    folders::{folder_of, mailbox_of, subfolders},
    letters::Letters,
    newlines::{Converted, Newlines},
};

/// A Maildir. All it does is blocking.
#[derive(Debug, Clone)]
pub struct Maildir {
    path: PathBuf,
}

/// The folder of a Maildir that a file is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subfolder {
    New,
    Cur,
}

/// A message that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    subfolder: Subfolder,
    name: String,
}

/// All messages that are there, by the part of their names that stays.
pub type Entries = BTreeMap<String, Entry>;

/// What is between the part of a name that stays and its letters.
const INFO: &str = ":2,";

impl Entry {
    /// The letters of its flags.
    #[must_use]
    pub fn letters(&self) -> Letters {
        self.name.split_once(INFO).map_or(Letters::NONE, |(_, letters)| Letters::of_name(letters))
    }

    /// The name that it gets with these letters. Those that mean nothing here stay.
    fn with(&self, letters: Letters) -> Self {
        let (base, old) = self.name.split_once(INFO).unwrap_or((&self.name, ""));
        let mut all: Vec<char> = letters.to_string().chars().collect();
        all.extend(old.chars().filter(|letter| Letters::of_name(&letter.to_string()).is_empty()));
        all.sort_unstable();
        all.dedup();
        Self { subfolder: Subfolder::Cur, name: format!("{base}{INFO}{}", String::from_iter(all)) }
    }
}

/// Which content a message has, whatever its line ends: whatever differs here is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest {
    length: u64,
    hash: u64,
}

impl Maildir {
    /// Opens a Maildir, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        for part in ["new", "cur", "tmp"] {
            fs::create_dir_all(path.join(part))?;
        }
        Ok(Self { path })
    }

    /// A Maildir that may not be there. Then there is nothing in it.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of a message.
    #[must_use]
    pub fn file(&self, entry: &Entry) -> PathBuf {
        let subfolder = match entry.subfolder {
            Subfolder::New => "new",
            Subfolder::Cur => "cur",
        };
        self.path.join(subfolder).join(&entry.name)
    }

    /// All messages. Names that are not text are given to `odd`.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn entries(&self, mut odd: impl FnMut(&Path)) -> io::Result<Entries> {
        let mut entries = Entries::new();
        // First new: what is moved to cur meanwhile is found there, not missed.
        for (subfolder, folder) in [(Subfolder::New, "new"), (Subfolder::Cur, "cur")] {
            let Some(files) = found(fs::read_dir(self.path.join(folder)))? else { continue };
            for file in files {
                let file = file?;
                if !file.file_type()?.is_file() {
                    continue;
                }
                match file.file_name().into_string() {
                    Ok(name) if !name.starts_with('.') && !name.contains(['\n', '\r']) => {
                        let base = name.split(':').next().unwrap_or_default().to_owned();
                        entries.insert(base, Entry { subfolder, name });
                    }
                    Ok(name) if name.starts_with('.') => {}
                    _ => odd(&file.path()),
                }
            }
        }
        Ok(entries)
    }

    /// All messages, where `expected` are to be there. While another program renames files, a folder can be read
    /// without them: those that are missing were looked for twice.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn entries_with<'a>(
        &self,
        expected: impl Iterator<Item = &'a str> + Clone,
        mut odd: impl FnMut(&Path),
    ) -> io::Result<Entries> {
        let mut entries = self.entries(&mut odd)?;
        for _ in 0..10 {
            if expected.clone().all(|base| entries.contains_key(base)) {
                break;
            }
            let before = std::mem::replace(&mut entries, self.entries(|_| ())?);
            if before == entries {
                break;
            }
        }
        Ok(entries)
    }

    /// Removes what a delivery has left that was killed.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn sweep(&self, mark: &str) -> io::Result<()> {
        for file in fs::read_dir(self.path.join("tmp"))? {
            let file = file?;
            if file.file_name().to_string_lossy().contains(mark) {
                fs::remove_file(file.path())?;
            }
        }
        Ok(())
    }

    /// Begins a message, whose name will be `base`.
    ///
    /// # Errors
    ///
    /// No file can be made.
    pub fn begin(&self, base: &str) -> io::Result<Arriving> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join("tmp").join(format!("{base}.{}-{number}", process::id()));
        let file = Temporary { path };
        let to = BufWriter::with_capacity(BLOCK, File::create(&file.path)?);
        Ok(Arriving { file, to, newlines: Newlines::lf(), piece: Vec::new(), digest: Digesting::default() })
    }

    /// Gives a message that is on the disk its name and subfolder.
    ///
    /// # Errors
    ///
    /// It cannot be named.
    pub fn keep(&self, arrived: Arrived, base: &str, letters: Letters) -> io::Result<Entry> {
        let entry = Entry { subfolder: Subfolder::New, name: base.to_owned() };
        let entry = if letters.is_empty() { entry } else { entry.with(letters) };
        fs::rename(&arrived.file.path, self.file(&entry))?;
        Ok(entry)
    }

    /// Gives a message other letters. Returns it, or `None` if it is not there any more by this name.
    ///
    /// # Errors
    ///
    /// It cannot be renamed.
    pub fn mark(&self, entry: &Entry, letters: Letters) -> io::Result<Option<Entry>> {
        let now = entry.with(letters);
        found(fs::rename(self.file(entry), self.file(&now))).map(|done| done.map(|()| now))
    }

    /// Removes a message. `false`: it is not there any more by this name.
    ///
    /// # Errors
    ///
    /// It cannot be removed.
    pub fn remove(&self, entry: &Entry) -> io::Result<bool> {
        Ok(found(fs::remove_file(self.file(entry)))?.is_some())
    }

    /// When a message came, and what its content is. `None`: it is not there any more by this name.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn digest(&self, entry: &Entry) -> io::Result<Option<Digest>> {
        let Some(file) = found(File::open(self.file(entry)))? else { return Ok(None) };
        let mut digest = Digesting::default();
        let mut reader = Newlines::lf().reader(file);
        let mut block = vec![0; BLOCK];
        loop {
            let read = reader.read(&mut block)?;
            if read == 0 {
                return Ok(Some(digest.end()));
            }
            digest.add(block.get(..read).unwrap_or_default());
        }
    }

    /// Whether a message has the content of one that came.
    ///
    /// # Errors
    ///
    /// One of them cannot be read.
    pub fn is_same(&self, arrived: &Arrived, entry: &Entry) -> io::Result<bool> {
        let Some(file) = found(File::open(self.file(entry)))? else { return Ok(false) };
        let mut ours = Newlines::lf().reader(file);
        let mut theirs = File::open(&arrived.file.path)?;
        loop {
            let (mut a, mut b) = (Vec::with_capacity(BLOCK), Vec::with_capacity(BLOCK));
            (&mut ours).take(BLOCK as u64).read_to_end(&mut a)?;
            (&mut theirs).take(BLOCK as u64).read_to_end(&mut b)?;
            if a != b || a.is_empty() {
                return Ok(a == b);
            }
        }
    }

    /// Waits until all names are on the disk.
    ///
    /// # Errors
    ///
    /// The disk fails.
    pub fn sync(&self) -> io::Result<()> {
        ["new", "cur"].iter().try_for_each(|part| sync_folder(&self.path.join(part)))
    }
}

/// Waits until the names in a folder are on the disk.
///
/// # Errors
///
/// The disk fails.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened like a file.
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// What was done, or `None` if the file is not there.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// How much of a file is read or written at once, in bytes.
const BLOCK: usize = 64 * 1024;

/// A file that goes with this value, unless it got another name.
#[derive(Debug)]
struct Temporary {
    path: PathBuf,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // It may have got another name.
        let _ = fs::remove_file(&self.path);
    }
}

/// A message that is being written.
#[derive(Debug)]
pub struct Arriving {
    file: Temporary,
    to: BufWriter<File>,
    newlines: Newlines,
    piece: Vec<u8>,
    digest: Digesting,
}

/// A message that is on the disk, and has no name yet.
#[derive(Debug)]
pub struct Arrived {
    file: Temporary,
    /// What its content is.
    pub digest: Digest,
}

impl Arriving {
    /// Writes the next piece.
    ///
    /// # Errors
    ///
    /// It cannot be written: the disk is full, perhaps.
    pub fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.newlines.push(piece, &mut self.piece);
        self.put()
    }

    fn put(&mut self) -> io::Result<()> {
        self.digest.add(&self.piece);
        self.to.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }

    /// It is whole: waits until it is on the disk. `date`, in seconds after 1970, is when it came.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn end(mut self, date: Option<i64>) -> io::Result<Arrived> {
        self.newlines.end(&mut self.piece);
        self.put()?;
        self.to.flush()?;
        let file = self.to.get_ref();
        let seconds = date.and_then(|date| u64::try_from(date).ok());
        if let Some(date) =
            seconds.and_then(|date| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(date)))
        {
            file.set_modified(date)?;
        }
        file.sync_all()?;
        Ok(Arrived { digest: self.digest.end(), file: self.file })
    }
}

#[derive(Debug, Default)]
struct Digesting {
    length: u64,
    hash: DefaultHasher,
}

impl Digesting {
    fn add(&mut self, piece: &[u8]) {
        self.length += piece.len() as u64;
        self.hash.write(piece);
    }

    fn end(&self) -> Digest {
        Digest { length: self.length, hash: self.hash.finish() }
    }
}
