//! Downloads messages by POP3.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Result, anyhow};
use clap::Parser;
use indicatif::ProgressBar;
use mailwire_examples::{
    AccountArguments, EXIT_STATUS, Folder, Kept, Later, Status, Tally, file_name, program, progress, say,
    tell,
};
use mailwire_transport::{
    Error, Protocol,
    pop3::{self, proto::client::Deletions},
};

/// Downloads messages by POP3.
///
/// Without --output, lists the messages. With it, each message becomes a file in that folder, named by its
/// unique id; one that is there already is not downloaded again, and no file is ever replaced. A message that
/// cannot be had is named on standard error, and does not stop the others.
///
/// With --delete, the messages that are on disk are deleted from the server; otherwise they are kept. One whose
/// file was there before is then downloaded and compared: another account's message can have its unique id. A
/// server without unique ids gives numbers alone, which mean other messages the next time: so each is downloaded
/// every time.
///
/// Example:
///   MAILWIRE_PASSWORD=... pop --server mail.example.org --user anna --output mail
#[derive(Parser)]
#[command(version, verbatim_doc_comment, after_help = EXIT_STATUS)]
struct Arguments {
    #[command(flatten)]
    account: AccountArguments,
    /// The folder for the messages
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Leave the messages on the server, as is done by default
    #[arg(long, conflicts_with = "delete")]
    keep: bool,
    /// Delete the messages from the server once they are on disk
    #[arg(long, requires = "output")]
    delete: bool,
}

/// How often the connection may be lost in a row, with no message in between.
const LOSSES: u32 = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program(run).await
}

async fn run(arguments: Arguments) -> Result<Status> {
    let mut tally = Tally::new();
    let result = work(&arguments, &mut tally).await;
    Ok(tally.end(result))
}

async fn work(arguments: &Arguments, tally: &mut Tally) -> Result<()> {
    let mut client = connect(arguments).await?;
    let messages = listing(&mut client, tally).await?;
    let Some(path) = &arguments.output else {
        list(&messages, tally)?;
        leave(client).await;
        return Ok(());
    };
    let folder = Folder::open(path).await?;
    let bar = progress(messages.iter().filter_map(|message| message.octets).sum(), "downloading");
    let delete = arguments.delete;
    let mut download =
        Download { folder, bar, tally, delete, tried: HashMap::new(), new: 0, there: 0, deleted: 0 };
    let result = download.all(arguments, client, messages).await;
    download.bar.finish_and_clear();
    let Download { new, there, deleted, .. } = download;
    let more = |count: u64, what: &str| if count > 0 { format!(", {count} {what}") } else { String::new() };
    let (there, deleted) = (more(there, "were there already"), more(deleted, "deleted from the server"));
    say(format_args!("{new} messages in {}{there}{deleted}", path.display()))?;
    result
}

async fn connect(arguments: &Arguments) -> Result<pop3::Client> {
    let account = &arguments.account;
    let mut config = pop3::Config::login(account.required_credentials()?);
    config.allow_clear_credentials = account.allows_clear_credentials();
    config.mechanism =
        account.mechanism.clone().map(|mechanism| match mechanism.as_str().to_ascii_uppercase().as_str() {
            "APOP" => pop3::LoginMechanism::Apop,
            "USER" => pop3::LoginMechanism::UserPass,
            _ => pop3::LoginMechanism::Sasl(mechanism),
        });
    Ok(pop3::Client::connect_with(account.endpoint(Protocol::Pop3)?, config).await?)
}

/// Ends a session in which nothing was deleted. How it ends changes nothing.
async fn leave(client: pop3::Client) {
    if let Err(error) = client.quit().await {
        tell(format_args!("the end of the session: {error}"));
    }
}

/// A message as the server lists it.
#[derive(Default)]
struct Message {
    number: u32,
    octets: Option<u64>,
    /// What the server calls it in all sessions.
    id: Option<String>,
}

/// The messages, in the order of their numbers.
async fn listing(client: &mut pop3::Client, tally: &mut Tally) -> Result<Vec<Message>> {
    let mut messages = BTreeMap::new();
    let at = |number| Message { number, ..Message::default() };
    for line in client.list().await? {
        let number = line.number.get();
        messages.entry(number).or_insert_with(|| at(number)).octets = line.octets;
    }
    let ids = match client.uidl().await {
        Ok(ids) => ids,
        // It is optional: RFC 1939 section 7.
        Err(Error::Refused(_)) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    for line in ids {
        let number = line.number.get();
        messages.entry(number).or_insert_with(|| at(number)).id = Some(line.unique_id.to_string());
    }
    // Numbers have no gaps: a line could not be read.
    let last = messages.keys().next_back().copied().unwrap_or(0);
    let missing = u64::from(last).saturating_sub(messages.len() as u64);
    if missing > 0 {
        tally.failed(format_args!("{missing} messages"), &anyhow!("the server's list does not have them"));
    }
    Ok(messages.into_values().collect())
}

fn list(messages: &[Message], tally: &mut Tally) -> Result<()> {
    for Message { number, octets, id } in messages {
        let size = octets.map_or_else(|| "?".to_owned(), |octets| octets.to_string());
        let id = id.clone().unwrap_or_else(|| format!("message {number}"));
        say(format_args!("{number:>6} {size:>10} {id}"))?;
        tally.done();
    }
    Ok(())
}

/// The messages that their ids tell apart, and the files that these come to. What two messages share says nothing.
fn names(messages: &[Message]) -> Vec<Option<String>> {
    let mut seen = HashSet::new();
    let mut twice = HashSet::new();
    let ids = messages.iter().filter_map(|message| message.id.as_deref());
    twice.extend(ids.filter(|id| !seen.insert(*id)));
    let name = |message: &Message| {
        let id = message.id.as_deref().filter(|id| !twice.contains(id))?;
        file_name(id.as_bytes())
    };
    messages.iter().map(name).collect()
}

struct Download<'a> {
    folder: Folder,
    bar: ProgressBar,
    tally: &'a mut Tally,
    delete: bool,
    /// The messages that were tried, by name, and whether they are on disk.
    tried: HashMap<String, bool>,
    new: u64,
    there: u64,
    deleted: u64,
}

/// How a session ended.
enum End {
    /// All was tried that could be.
    Whole,
    /// With the connection. So many messages were not tried; `None` of them can be told apart in another session.
    Lost { left: usize, nameless: bool },
}

/// What a message that could not be had means for those after it.
enum Failed {
    /// Nothing.
    Alone(anyhow::Error),
    /// They need another session.
    Connection(anyhow::Error),
    /// Nothing can be written any more.
    Disk(anyhow::Error),
}

impl Download<'_> {
    async fn all(
        &mut self,
        arguments: &Arguments,
        mut client: pop3::Client,
        mut messages: Vec<Message>,
    ) -> Result<()> {
        let mut losses = 0;
        loop {
            let before = self.new + self.there;
            let (left, nameless) = match self.session(client, &messages).await {
                End::Whole => return Ok(()),
                End::Lost { left, nameless } => (left, nameless),
            };
            losses = if self.new + self.there > before { 1 } else { losses + 1 };
            let what = format!("{left} messages after it");
            if left > 0 && nameless {
                let why = "they have no unique ids, and cannot be told apart over another connection";
                self.tally.failed_as(Status::Temporary, what, why);
                return Ok(());
            }
            if losses >= LOSSES {
                self.tally.failed(what, &Later("the connection was lost too often").into());
                return Ok(());
            }
            client = connect(arguments).await?;
            messages = listing(&mut client, self.tally).await?;
        }
    }

    /// Tries what was not tried yet; then deletes what is on disk, if that is wanted.
    async fn session(&mut self, mut client: pop3::Client, messages: &[Message]) -> End {
        let again = !self.tried.is_empty();
        let names = names(messages);
        let mut mine = Vec::new();
        for (index, (message, name)) in messages.iter().zip(&names).enumerate() {
            match name.as_ref().map(|name| self.tried.get(name)) {
                Some(Some(true)) => mine.push(message.number),
                // It failed before, or may have been tried before.
                Some(Some(false)) => {}
                None if again => {}
                Some(None) | None => match self.one(&mut client, message, name.as_deref()).await {
                    Ok(on_disk) => {
                        self.tally.done();
                        mine.extend(on_disk.then_some(message.number));
                        self.tried.extend(name.clone().map(|name| (name, on_disk)));
                    }
                    Err(failed) => {
                        self.tried.extend(name.clone().map(|name| (name, false)));
                        let rest = names.get(index + 1..).unwrap_or_default();
                        let left = rest.len();
                        let what = format!("message {}", message.number);
                        match failed {
                            Failed::Alone(error) => self.tally.failed(what, &error),
                            Failed::Connection(error) => {
                                self.tally.failed(what, &error);
                                let nameless = rest.iter().all(Option::is_none);
                                return End::Lost { left, nameless };
                            }
                            Failed::Disk(error) => {
                                self.tally.failed(what, &error);
                                if left > 0 {
                                    let what = format!("{left} messages after it");
                                    self.tally.failed(what, &anyhow!("not fetched"));
                                }
                                break;
                            }
                        }
                    }
                },
            }
        }
        if self.delete && !mine.is_empty() {
            self.delete(client, mine).await;
        } else {
            leave(client).await;
        }
        End::Whole
    }

    /// Gets a message. Returns whether it is on disk for certain, and not by its name alone.
    async fn one(
        &mut self,
        client: &mut pop3::Client,
        message: &Message,
        name: Option<&str>,
    ) -> Result<bool, Failed> {
        if !self.delete && name.is_some_and(|name| self.folder.had(name)) {
            self.there += 1;
            return Ok(false);
        }
        let failed = |error: Error| match error {
            Error::Refused(_) => Failed::Alone(error.into()),
            _ => Failed::Connection(error.into()),
        };
        let disk = |error| Failed::Disk(anyhow::Error::new(error).context("cannot write"));
        let nameless = format!("message {}", message.number);
        let mut file = self.folder.begin(name.unwrap_or(&nameless)).await.map_err(disk)?;
        let mut body = client.retr(message.number).await.map_err(failed)?;
        while let Some(chunk) = body.chunk().await.map_err(failed)? {
            file.write(&chunk).await.map_err(disk)?;
            self.bar.inc(chunk.len() as u64);
        }
        match file.keep().await.map_err(disk)? {
            Kept::New => self.new += 1,
            Kept::There => self.there += 1,
        }
        Ok(true)
    }

    /// Deletes messages, and ends the session, without which nothing is deleted.
    async fn delete(&mut self, mut client: pop3::Client, messages: Vec<u32>) {
        if let Err(error) = self.folder.sync().await {
            self.tally.failed("nothing is deleted", &error.into());
            return leave(client).await;
        }
        match client.dele_all(messages).await {
            Ok(results) => {
                for (number, result) in results {
                    if let Err(refused) = result {
                        self.tally.failed(
                            format_args!("message {number} is not deleted"),
                            &Error::from(refused).into(),
                        );
                    }
                }
            }
            Err(error) => return self.tally.failed("nothing is deleted", &error.into()),
        }
        match client.quit().await {
            Ok(Deletions::Done(count)) => self.deleted = count,
            Ok(_) => {}
            Err(error) => {
                let what = match error.deletions {
                    Deletions::Incomplete(count) => format!("not all of {count} messages are deleted"),
                    Deletions::Unknown => "nobody knows what is deleted".to_owned(),
                    _ => "nothing is deleted".to_owned(),
                };
                self.tally.failed(what, &error.into());
            }
        }
    }
}
