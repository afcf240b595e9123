//! Downloads that go by a state in a file.

use std::{
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context as _, Result};
use mailwire_examples::{Download, Failed, Folder, Tally, file_name, tell};
use mailwire_transport::{
    Error,
    pop3::{self, Deletions, Keep, Listed, Seen},
};
use tokio::{
    fs::{self, File},
    io::AsyncWriteExt as _,
};

use crate::{Arguments, connect, not_deleted, summary};

/// Downloads what the state does not name, over one session or several, and deletes what the arguments say.
pub(crate) async fn download(
    arguments: &Arguments,
    state: &Path,
    path: &Path,
    tally: &mut Tally,
) -> Result<()> {
    let state = StateFile::new(state);
    let mut seen = state.read().await?;
    let keep = match arguments.delete_after {
        Some(days) => Keep::Days(days),
        None if arguments.delete => Keep::Nothing,
        None => Keep::All,
    };
    let client = connect(arguments).await?;
    let download = Download::new(Folder::open(path).await?, 0, tally);
    let mut maildrop = Maildrop { download, state, keep, deleted: 0 };
    maildrop.all(arguments, client, &mut seen).await;
    let Maildrop { download: Download { new, there, .. }, deleted, .. } = maildrop;
    summary(path, new, there, deleted)
}

/// The file that the state is in.
struct StateFile {
    path: PathBuf,
    new: PathBuf,
}

impl StateFile {
    fn new(path: &Path) -> Self {
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        Self { path: path.to_owned(), new: new.into() }
    }

    async fn read(&self) -> Result<Seen> {
        let named = || format!("--state {}", self.path.display());
        match fs::read_to_string(&self.path).await {
            Ok(text) => text.parse().with_context(named),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Seen::new()),
            Err(error) => Err(error).with_context(named),
        }
    }

    /// Puts the state there as a whole, or leaves what was there.
    async fn write(&self, seen: &Seen) -> io::Result<()> {
        let mut file = File::create(&self.new).await?;
        file.write_all(seen.to_string().as_bytes()).await?;
        file.sync_all().await?;
        fs::rename(&self.new, &self.path).await
    }
}

/// The messages of one user, over one session or several.
struct Maildrop<'a> {
    download: Download<'a>,
    state: StateFile,
    keep: Keep,
    deleted: u64,
}

/// How a session went on.
enum End {
    Whole,
    /// The connection was lost, with this message if there was one.
    Lost(String, anyhow::Error),
}

impl Maildrop<'_> {
    async fn all(&mut self, arguments: &Arguments, mut client: pop3::Client, seen: &mut Seen) {
        while let End::Lost(what, error) = self.session(client, seen, true).await {
            if let Err(often) = self.download.lost() {
                self.download.tally.failed(what, &error);
                self.download.tally.failed("the rest is not tried", &often.into());
                if self.keep == Keep::All {
                    return;
                }
                // What is on disk is still to be deleted.
                let Some(last) = self.again(arguments).await else { return };
                if let End::Lost(_, error) = self.session(last, seen, false).await {
                    self.download.tally.failed("nothing is deleted", &error);
                }
                return;
            }
            tell(format_args!("{what}: {error:#}; trying again"));
            let Some(again) = self.again(arguments).await else { return };
            client = again;
        }
    }

    /// Another connection, after one that was lost.
    async fn again(&mut self, arguments: &Arguments) -> Option<pop3::Client> {
        match connect(arguments).await {
            Ok(client) => Some(client),
            Err(error) => {
                self.download.tally.failed("the rest is not tried", &error);
                None
            }
        }
    }

    /// Downloads what is new, unless there is only something to be deleted.
    async fn session(&mut self, client: pop3::Client, seen: &mut Seen, new: bool) -> End {
        let options = pop3::Download::new(self.keep);
        let mut downloads = match client.download(options, seen, SystemTime::now()).await {
            Ok(downloads) => downloads,
            Err(error) => {
                let what = "the list of messages";
                return match error.into() {
                    Failed::Connection(error) => End::Lost(what.into(), error),
                    Failed::Alone(_, error) | Failed::Disk(error) => {
                        self.download.tally.failed(what, &error);
                        End::Whole
                    }
                };
            }
        };
        self.download.expect(downloads.octets());
        loop {
            let next = if new { downloads.next().await } else { Ok(None) };
            let (message, body) = match next {
                Ok(Some(next)) => next,
                Ok(None) => break,
                Err(error) => {
                    self.save(downloads.seen()).await;
                    return End::Lost("the next message".into(), error.into());
                }
            };
            let written = match body {
                Ok(mut body) => self.download.write(&name(&message), async || body.chunk().await).await,
                Err(refused) => Err(Error::from(refused).into()),
            };
            let what = format!("message {}", message.number);
            match written {
                Ok(()) => {
                    if let Err(misuse) = downloads.confirm(&message) {
                        self.download.tally.failed(what, &Error::from(misuse).into());
                    }
                }
                Err(Failed::Alone(status, error)) => self.download.tally.failed_as(status, what, error),
                Err(Failed::Connection(error)) => {
                    self.save(downloads.seen()).await;
                    return End::Lost(what, error);
                }
                Err(Failed::Disk(error)) => {
                    self.download.tally.failed(what, &error);
                    self.download.tally.not_tried(downloads.left());
                    break;
                }
            }
        }
        // What is deleted has to be on disk, and to be known as such should the answer not come.
        let synced = self.download.folder.sync().await;
        if let Err(error) = synced.and(self.state.write(downloads.seen()).await) {
            self.download.tally.failed("nothing is deleted", &error.into());
            return End::Whole;
        }
        match downloads.quit().await {
            Ok(done) => {
                for (number, refused) in done.refused {
                    let what = format!("message {number} is not deleted");
                    self.download.tally.failed(what, &Error::from(refused).into());
                }
                if let Deletions::Done(count) = done.deletions {
                    self.deleted += count;
                }
            }
            Err(error) => self.download.tally.failed(not_deleted(error.deletions), &error.into()),
        }
        self.save(seen).await;
        End::Whole
    }

    async fn save(&mut self, seen: &Seen) {
        if let Err(error) = self.state.write(seen).await {
            self.download.tally.failed(format_args!("--state {}", self.state.path.display()), &error.into());
        }
    }
}

/// The file that a message comes to.
fn name(message: &Listed) -> String {
    let id = message.unique_id.as_ref().and_then(|id| file_name(id.as_bytes()));
    id.or_else(|| message.header.map(|header| header.to_string()))
        .unwrap_or_else(|| format!("message {}", message.number))
}
