//! A folder that messages are written to.

use std::{
    collections::HashSet,
    ffi::OsString,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context as _, Result};
use tokio::{
    fs::{self, File},
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader, BufWriter},
};

/// How much of a file is read or written at once, in bytes.
const BLOCK: usize = 64 * 1024;
/// How long the name of a file may be that is made of what a server says, in bytes. File systems take 255, and a
/// temporary name is longer.
const LONGEST_NAME: usize = 200;

/// A folder that messages are written to, each as a file of its own.
///
/// A file gets its name when it is whole and on the disk, and never takes that of another.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// What was there at the beginning, spelled as it is there: file systems may find `a` by `A`.
    names: HashSet<OsString>,
}

impl Folder {
    /// Opens a folder, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be made or read.
    pub async fn open(path: &Path) -> Result<Self> {
        let failed = || format!("cannot use the folder {}", path.display());
        fs::create_dir_all(path).await.with_context(failed)?;
        let mut names = HashSet::new();
        let mut entries = fs::read_dir(path).await.with_context(failed)?;
        while let Some(entry) = entries.next_entry().await.with_context(failed)? {
            names.insert(entry.file_name());
        }
        Ok(Self { path: path.to_owned(), names })
    }

    /// Whether a message of this name was there at the beginning.
    #[must_use]
    pub fn had(&self, name: &str) -> bool {
        self.names.contains(&OsString::from(file(name, 1)))
    }

    /// Begins a message. It has a temporary name, which goes with the value.
    ///
    /// # Errors
    ///
    /// No file can be made.
    pub async fn begin(&self, name: &str) -> io::Result<NewMessage> {
        // Of another process, or of one that was killed and had this number.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let temporary = self.path.join(format!(".{name}.{}-{number}.part", process::id()));
            match File::create_new(&temporary).await {
                Ok(file) => {
                    let file = BufWriter::with_capacity(BLOCK, file);
                    return Ok(NewMessage {
                        folder: self.path.clone(),
                        name: name.to_owned(),
                        temporary,
                        file,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the names are on the disk, too. What is deleted elsewhere after that is not lost here.
    ///
    /// # Errors
    ///
    /// The disk fails.
    pub async fn sync(&self) -> io::Result<()> {
        // Elsewhere a folder cannot be opened like a file.
        if cfg!(unix) { File::open(&self.path).await?.sync_all().await } else { Ok(()) }
    }
}

/// What became of a message that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It has a file of its own now.
    New,
    /// A file of its name has these bytes already.
    There,
}

/// A message that is being written. Unless it is [kept](Self::keep), nothing remains of it.
#[derive(Debug)]
pub struct NewMessage {
    folder: PathBuf,
    name: String,
    temporary: PathBuf,
    file: BufWriter<File>,
}

impl NewMessage {
    /// Writes the next piece.
    ///
    /// # Errors
    ///
    /// It cannot be written: the disk is full, perhaps.
    pub async fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_all(piece).await
    }

    /// Gives the message its name, once it is on the disk: `NAME.eml`, or if another message has that,
    /// `NAME (2).eml`.
    ///
    /// # Errors
    ///
    /// It cannot be written, or not be named.
    pub async fn keep(mut self) -> io::Result<Kept> {
        self.file.flush().await?;
        self.file.get_ref().sync_all().await?;
        let mut copy = 1;
        loop {
            let path = self.folder.join(file(&self.name, copy));
            match name(&self.temporary, &path).await {
                Ok(()) => return Ok(Kept::New),
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Err(_) if are_equal(&self.temporary, &path).await? => return Ok(Kept::There),
                Err(_) => copy += 1,
            }
        }
    }
}

impl Drop for NewMessage {
    fn drop(&mut self) {
        // It may have got another name.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

/// The file of a message. No name that a server's words come to has a space in it.
fn file(name: &str, copy: u64) -> String {
    if copy == 1 { format!("{name}.eml") } else { format!("{name} ({copy}).eml") }
}

/// Gives a file a name that no other has. A link does not replace what is there, other than a renaming.
async fn name(file: &Path, name: &Path) -> io::Result<()> {
    match fs::hard_link(file, name).await {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            // Some file systems have no links.
            if fs::symlink_metadata(name).await.is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(file, name).await
        }
        result => result,
    }
}

/// Whether two files have the same bytes.
async fn are_equal(one: &Path, other: &Path) -> io::Result<bool> {
    let metadata = fs::metadata(other).await;
    let is_alike = |length| metadata.is_ok_and(|other| other.is_file() && other.len() == length);
    if !is_alike(fs::metadata(one).await?.len()) {
        return Ok(false);
    }
    let mut one = BufReader::with_capacity(BLOCK, File::open(one).await?);
    let mut other = BufReader::with_capacity(BLOCK, File::open(other).await?);
    let (mut left, mut right) = (Vec::with_capacity(BLOCK), Vec::with_capacity(BLOCK));
    loop {
        left.clear();
        right.clear();
        (&mut one).take(BLOCK as u64).read_to_end(&mut left).await?;
        (&mut other).take(BLOCK as u64).read_to_end(&mut right).await?;
        if left != right {
            return Ok(false);
        }
        if left.is_empty() {
            return Ok(true);
        }
    }
}

/// Makes the name of a file of what a server calls a message. Letters, digits and a few marks stay; of all else,
/// and of a mark at the beginning, the bytes are written as `%2F`. So no two become one, and none is a path, hidden
/// or an option. `None` if it is empty or too long for the name of a file.
#[must_use]
pub fn file_name(id: &[u8]) -> Option<String> {
    let mut name = String::with_capacity(id.len());
    for &byte in id {
        let stays = byte.is_ascii_alphanumeric() || (!name.is_empty() && b"-_.+=@".contains(&byte));
        if stays {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
        if name.len() > LONGEST_NAME {
            return None;
        }
    }
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_the_folder_and_no_two_are_one() {
        for (id, name) in [
            ("00001a1457b5a851", "00001a1457b5a851"),
            ("<a.b-c_d@e>", "%3Ca.b-c_d@e%3E"),
            ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
            (".hidden", "%2Ehidden"),
            ("-rf", "%2Drf"),
            ("a/b", "a%2Fb"),
            ("a_b", "a_b"),
            ("a%2Fb", "a%252Fb"),
            ("a\\b:c\0", "a%5Cb%3Ac%00"),
            ("\u{e9}", "%C3%A9"),
        ] {
            assert_eq!(file_name(id.as_bytes()).as_deref(), Some(name));
        }
        assert_eq!(file_name(b""), None);
        assert_eq!(file_name(&[b'a'; 201]), None);
        assert!(file_name(&[b'a'; 200]).is_some());
    }
}
