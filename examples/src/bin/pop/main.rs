//! Downloads messages by POP3.

mod state;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, anyhow};
use clap::Parser;
use mailwire_examples::{
    AccountArguments, Download, EXIT_STATUS, Failed, Folder, Later, Status, Tally, file_name, program, say,
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
/// With --state, a file says which messages are on disk, and since when, so that they can be moved or renamed there;
/// --delete and --delete-after go by it alone. Each user has a file of its own. With a server without unique ids,
/// messages are known by their headers then.
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
    /// Download what this file does not name yet; it is made if it is not there
    #[arg(long, value_name = "FILE", requires = "output")]
    state: Option<PathBuf>,
    /// Delete the messages from the server so many days after they were on disk
    #[arg(long, value_name = "DAYS", requires = "state", conflicts_with_all = ["keep", "delete"])]
    delete_after: Option<u32>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program(run).await
}

async fn run(arguments: &Arguments, tally: &mut Tally) -> Result<()> {
    if let (Some(state), Some(path)) = (&arguments.state, &arguments.output) {
        return state::download(arguments, state, path, tally).await;
    }
    let mut client = connect(arguments).await?;
    let stated = stated(&mut client).await?;
    let messages = listing(&mut client, stated, tally).await?;
    let Some(path) = &arguments.output else {
        list(&messages, tally)?;
        leave(client).await;
        return Ok(());
    };
    let folder = Folder::open(path).await?;
    let bytes = messages.iter().filter_map(|message| message.octets).fold(0, u64::saturating_add);
    let download = Download::new(folder, bytes, tally);
    let mut maildrop = Maildrop { download, delete: arguments.delete, tried: HashMap::new(), deleted: 0 };
    maildrop.all(arguments, client, messages).await;
    let Download { new, there, .. } = maildrop.download;
    summary(path, new, there, maildrop.deleted)
}

/// Tells what was done.
fn summary(path: &Path, new: u64, there: u64, deleted: u64) -> Result<()> {
    let more = |count: u64, what: &str| if count > 0 { format!(", {count} {what}") } else { String::new() };
    let (there, deleted) = (more(there, "were there already"), more(deleted, "deleted from the server"));
    say(format_args!("{new} messages in {}{there}{deleted}", path.display()))?;
    Ok(())
}

async fn connect(arguments: &Arguments) -> Result<pop3::Client> {
    let account = arguments.account.required_account(Protocol::Pop3)?;
    let config = pop3::Config::try_from(&account)?;
    Ok(pop3::Client::connect_with(account.into_endpoint(), config).await?)
}

/// Ends a session in which nothing was deleted. How it ends changes nothing.
async fn leave(client: pop3::Client) {
    if let Err(error) = client.quit().await {
        tell(format_args!("the end of the session: {error}"));
    }
}

/// A message as the server lists it.
#[derive(Default)]
struct Listed {
    number: u32,
    octets: Option<u64>,
    /// What the server calls it in all sessions.
    id: Option<String>,
}

/// How many messages the server says that it has: 0 where it cannot be understood.
async fn stated(client: &mut pop3::Client) -> Result<u64> {
    match client.stat().await {
        Ok(stated) => Ok(stated.messages),
        Err(_) if client.is_usable() => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// The messages, in the order of their numbers. There are to be so many at least.
async fn listing(client: &mut pop3::Client, stated: u64, tally: &mut Tally) -> Result<Vec<Listed>> {
    let mut messages = BTreeMap::new();
    let at = |number| Listed { number, ..Listed::default() };
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
    let missing = u64::from(last).max(stated).saturating_sub(messages.len() as u64);
    if missing > 0 {
        tally.failed(format_args!("{missing} messages"), &anyhow!("the server's list does not have them"));
    }
    Ok(messages.into_values().collect())
}

fn list(messages: &[Listed], tally: &mut Tally) -> Result<()> {
    for Listed { number, octets, id } in messages {
        let size = octets.map_or_else(|| "?".to_owned(), |octets| octets.to_string());
        let id = id.clone().unwrap_or_else(|| format!("message {number}"));
        say(format_args!("{number:>6} {size:>10} {id}"))?;
        tally.done();
    }
    Ok(())
}

/// The messages that their ids tell apart, and the files that these come to. What two messages share says nothing.
fn names(messages: &[Listed]) -> Vec<Option<String>> {
    let mut seen = HashSet::new();
    let mut twice = HashSet::new();
    let ids = messages.iter().filter_map(|message| message.id.as_deref());
    twice.extend(ids.filter(|id| !seen.insert(*id)));
    let name = |message: &Listed| {
        let id = message.id.as_deref().filter(|id| !twice.contains(id))?;
        file_name(id.as_bytes())
    };
    messages.iter().map(name).collect()
}

/// The messages of one user, over one session or several.
struct Maildrop<'a> {
    download: Download<'a>,
    delete: bool,
    /// The messages that were tried, by name, and whether they are on disk for certain.
    tried: HashMap<String, bool>,
    deleted: u64,
}

/// How a session ended.
enum End {
    /// All was tried that could be.
    Whole,
    /// With the connection. These messages, which have names, were to come.
    Lost { left: Vec<Untried> },
}

/// A message that was not tried: its number in the session that was lost, and its name.
struct Untried {
    number: u32,
    name: String,
}

impl Maildrop<'_> {
    async fn all(&mut self, arguments: &Arguments, mut client: pop3::Client, mut messages: Vec<Listed>) {
        while let End::Lost { left } = self.session(client, &messages).await {
            let to_delete = self.delete && self.tried.values().any(|on_disk| *on_disk);
            if left.is_empty() && !to_delete {
                break;
            }
            (client, messages) = match self.again(arguments, &left).await {
                Ok(again) => again,
                Err(error) => return self.give_up(&left, to_delete, &error),
            };
        }
    }

    /// Another connection, after one that was lost, and its messages.
    async fn again(
        &mut self,
        arguments: &Arguments,
        left: &[Untried],
    ) -> Result<(pop3::Client, Vec<Listed>)> {
        self.download.lost()?;
        let mut client = connect(arguments).await?;
        let messages = listing(&mut client, 0, self.download.tally).await?;
        let names: HashSet<String> = names(&messages).into_iter().flatten().collect();
        for Untried { name, .. } in left.iter().filter(|left| !names.contains(&left.name)) {
            let why = "not in the list of another connection; it may have been deleted meanwhile";
            self.download.tally.failed_as(Status::Temporary, name, why);
        }
        Ok((client, messages))
    }

    /// There is no other connection, and all that was to come has failed.
    fn give_up(&mut self, left: &[Untried], to_delete: bool, error: &anyhow::Error) {
        let tally = &mut *self.download.tally;
        if !left.is_empty() {
            tally.failed(format_args!("{} messages after it", left.len()), error);
        }
        for Untried { number, .. } in left {
            tally.failed_as(Status::of(error), format_args!("message {number}"), "not tried");
        }
        if to_delete {
            tally.failed("nothing is deleted", error);
        }
    }

    /// Tries what was not tried yet; then deletes what is on disk, if that is wanted.
    async fn session(&mut self, mut client: pop3::Client, messages: &[Listed]) -> End {
        let again = !self.tried.is_empty();
        let names = names(messages);
        let mut on_disk = Vec::new();
        for (index, (message, name)) in messages.iter().zip(&names).enumerate() {
            match name.as_ref().map(|name| self.tried.get(name).copied()) {
                Some(Some(true)) => {
                    on_disk.push(message.number);
                    continue;
                }
                // It has failed.
                Some(Some(false)) => continue,
                // It may have been tried.
                None if again => continue,
                Some(None) | None => {}
            }
            let result = self.one(&mut client, message, name.as_deref()).await;
            self.tried.extend(name.clone().map(|name| (name, matches!(result, Ok(true)))));
            let what = format!("message {}", message.number);
            let tally = &mut *self.download.tally;
            let rest = names.get(index + 1..).unwrap_or_default();
            let numbers = messages.iter().skip(index + 1).map(|message| message.number);
            match result {
                Ok(true) => on_disk.push(message.number),
                Ok(false) => {}
                Err(Failed::Alone(status, error)) => tally.failed_as(status, what, error),
                Err(Failed::Connection(error)) => {
                    tally.failed(what, &error);
                    let named = numbers.zip(rest).filter_map(|(number, name)| Some((number, name.clone()?)));
                    let left = named.filter(|(_, name)| !self.tried.contains_key(name));
                    let left = left.map(|(number, name)| Untried { number, name }).collect();
                    let nameless = rest.len().saturating_sub(rest.iter().flatten().count());
                    if nameless > 0 && !again {
                        let what = format!("{nameless} messages after it");
                        tally.failed(
                            what,
                            &Later("they have no unique ids to be found by over another connection").into(),
                        );
                    }
                    return End::Lost { left };
                }
                Err(Failed::Disk(error)) => {
                    tally.failed(what, &error);
                    tally.not_tried(rest.len());
                    break;
                }
            }
        }
        if self.delete && !on_disk.is_empty() {
            self.delete(client, on_disk).await;
        } else {
            leave(client).await;
        }
        End::Whole
    }

    /// Gets a message. Returns whether it is on disk for certain, and not by its name alone.
    async fn one(
        &mut self,
        client: &mut pop3::Client,
        message: &Listed,
        name: Option<&str>,
    ) -> Result<bool, Failed> {
        if !self.delete && name.is_some_and(|name| self.download.folder.had(name)) {
            self.download.there += 1;
            self.download.tally.done();
            return Ok(false);
        }
        let mut body = client.retr(message.number).await?;
        let nameless = format!("message {}", message.number);
        self.download.write(name.unwrap_or(&nameless), async || body.chunk().await).await?;
        Ok(true)
    }

    /// Deletes messages, and ends the session, without which nothing is deleted.
    async fn delete(&mut self, mut client: pop3::Client, messages: Vec<u32>) {
        if let Err(error) = self.download.folder.sync().await {
            self.download.tally.failed("nothing is deleted", &error.into());
            return leave(client).await;
        }
        match client.dele_all(messages).await {
            Ok(results) => {
                for (number, result) in results {
                    if let Err(refused) = result {
                        self.download.tally.failed(
                            format_args!("message {number} is not deleted"),
                            &Error::from(refused).into(),
                        );
                    }
                }
            }
            Err(error) => return self.download.tally.failed("nothing is deleted", &error.into()),
        }
        match client.quit().await {
            Ok(Deletions::Done(count)) => self.deleted = count,
            Ok(_) => {}
            Err(error) => {
                let what = not_deleted(error.deletions);
                self.download.tally.failed(what, &error.into());
            }
        }
    }
}

/// What became of the messages that were to be deleted, where that failed.
fn not_deleted(deletions: Deletions) -> String {
    match deletions {
        Deletions::Incomplete(count) => format!("not all of {count} messages are deleted"),
        Deletions::Unknown => "nobody knows what is deleted".to_owned(),
        _ => "nothing is deleted".to_owned(),
    }
}
