//! Lists, downloads and stores messages by IMAP.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, anyhow, bail};
use clap::Parser;
use mailwire_core::Text;
use mailwire_examples::{
    AccountArguments, Download, EXIT_STATUS, Failed, Folder, Input, Later, Status, Tally, program, say, tell,
};
use mailwire_transport::{
    Error, encoded_words,
    imap::{
        self, FetchAtt, SearchKey,
        client::{Malformed, Selected, Update},
        proto::{
            response::Untagged,
            types::{Section, Uid},
        },
    },
};

/// Lists, downloads and stores messages by IMAP.
///
/// Without --output, lists the messages of the mailbox. With it, each becomes a file in that folder, named
/// by its UID; a file that is there is never replaced. Downloading marks nothing as seen. With --append, files
/// are stored in the mailbox first. A message that cannot be had is named on standard error, and does not
/// stop the others.
///
/// Examples:
///   MAILWIRE_PASSWORD=... fetch --server mail.example.org --user anna --unseen
///   MAILWIRE_PASSWORD=... fetch --server mail.example.org --user anna --mailbox Archive --output mail
#[derive(Parser)]
#[command(version, verbatim_doc_comment, after_help = EXIT_STATUS)]
struct Arguments {
    #[command(flatten)]
    account: AccountArguments,
    /// The mailbox; without, that of the URL, or INBOX
    #[arg(long)]
    mailbox: Option<String>,
    /// Only messages that are not seen
    #[arg(long)]
    unseen: bool,
    /// The folder for the messages
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Store this message in the mailbox first; may be given several times
    #[arg(long, value_name = "FILE")]
    append: Vec<PathBuf>,
}

/// How many messages one command asks for: servers have limits for the length of a line.
const AT_ONCE: usize = 500;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program(run).await
}

async fn run(arguments: &Arguments, tally: &mut Tally) -> Result<()> {
    let mut client = connect(arguments).await?;
    let mut files = arguments.append.iter();
    while let Some(path) = files.next() {
        client = match append(client, &arguments.mailbox(), path, tally).await {
            Some(client) => client,
            None => connect(arguments).await.inspect_err(|error| {
                for path in files.by_ref() {
                    tally.failed_as(Status::of(error), path.display(), "not tried");
                }
            })?,
        };
    }
    let (selected, uids) = search(&mut client, arguments, tally).await?;
    let Some(path) = &arguments.output else {
        list(&mut client, &uids, tally).await?;
        leave(client).await;
        return Ok(());
    };
    let folder = Folder::open(path).await?;
    let mut download = Download::new(folder, sizes(&mut client, &uids).await?, tally);
    download_all(&mut download, client, arguments, &selected, &uids).await;
    let there = match download.there {
        0 => String::new(),
        there => format!(", {there} were there already"),
    };
    say(format_args!("{} messages in {}{there}", download.new, path.display()))?;
    Ok(())
}

impl Arguments {
    fn mailbox(&self) -> String {
        self.mailbox.clone().or_else(|| self.account.mailbox()).unwrap_or_else(|| "INBOX".to_owned())
    }
}

async fn connect(arguments: &Arguments) -> Result<imap::Client> {
    arguments.account.imap("mailwire-fetch").await
}

/// Ends the session. All is done: how it ends changes nothing.
async fn leave(mut client: imap::Client) {
    passed_over(&mut client);
    if let Err(error) = client.logout().await {
        tell(format_args!("the end of the session: {error}"));
    }
}

/// Tells what could not be read of the server's words, and returns it.
fn passed_over(client: &mut imap::Client) -> Vec<Malformed> {
    let malformed: Vec<Malformed> = client.malformed().collect();
    for malformed in &malformed {
        tell(format_args!("passed over a response: {}", malformed.error));
    }
    malformed
}

/// Tells what could not be read of the server's words, and returns whether one of these responses is among it:
/// `* SEARCH 7 x`, `* x EXISTS`.
fn is_unreadable(client: &mut imap::Client, names: &[&str]) -> bool {
    let is_one_of = |word: &[u8]| names.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()));
    let words = |bytes: &[u8], count| bytes.split(u8::is_ascii_whitespace).take(count).any(is_one_of);
    let malformed = passed_over(client).iter().any(|malformed| words(&malformed.bytes, 3));
    // A word in the place of the number reads as the name of an unknown response.
    let unknown = client.updates().any(|update| match update {
        Update::Data(data) => matches!(&*data, Untagged::Other(other) if words(other.rest().as_bytes(), 1)),
        _ => false,
    });
    malformed || unknown
}

/// Stores a file. Returns the client if it can be used on.
async fn append(
    mut client: imap::Client,
    mailbox: &str,
    path: &Path,
    tally: &mut Tally,
) -> Option<imap::Client> {
    let name = path.display();
    let mut input = match Input::open(path).await {
        Ok(input) => input,
        Err(error) => {
            tally.failed_as(Status::NoInput, name, error);
            return Some(client);
        }
    };
    match client.append(mailbox, input.payload()).await {
        Ok(appended) => {
            tally.done();
            if input.has_changed().await {
                tally.failed(&name, &anyhow!("the file has changed while it was read, and a part is stored"));
            }
            let uid = appended.and_then(|appended| appended.uid());
            let stored = uid.map_or_else(|| "stored".to_owned(), |uid| format!("stored as {uid}"));
            if let Err(error) = say(format_args!("{name}: {stored}")) {
                tally.failed_as(Status::Local, name, error);
            }
            Some(client)
        }
        // It was not sent, or not whole.
        Err(error @ (Error::Misuse(_) | Error::Invalid(_))) => {
            tally.failed(name, &error.into());
            client.is_usable().then_some(client)
        }
        Err(error) => match error.into() {
            Failed::Alone(status, error) => {
                tally.failed_as(status, name, error);
                Some(client)
            }
            // It may have come to its end there.
            Failed::Connection(error) | Failed::Disk(error) => {
                tally.unsure(name, &error);
                None
            }
        },
    }
}

/// Opens the mailbox. Returns it, and the UIDs of the messages that are wanted, each once, as far as the server's
/// words can be read.
async fn search(
    client: &mut imap::Client,
    arguments: &Arguments,
    tally: &mut Tally,
) -> Result<(Selected, Vec<Uid>)> {
    // What was odd before is no news of this mailbox.
    is_unreadable(client, &[]);
    let selected = client.examine(&arguments.mailbox()).await?;
    if is_unreadable(client, &["EXISTS"]) {
        let why = "how many messages there are cannot be read";
        tally.failed_as(Status::Refused, arguments.mailbox(), why);
    }
    if selected.exists == 0 {
        return Ok((selected, Vec::new()));
    }
    let key = if arguments.unseen { SearchKey::Unseen } else { SearchKey::All };
    let found = client.uid_search([key]).await?;
    if is_unreadable(client, &["SEARCH", "ESEARCH"]) {
        tally.failed_as(Status::Refused, arguments.mailbox(), "what was found cannot be read");
    }
    let exists = client.exists().unwrap_or(0).max(selected.exists);
    // A range of a few bytes can be billions.
    if found.len() > u64::from(exists) {
        bail!("the server has found {} messages in a mailbox of {exists}", found.len());
    }
    let uids: BTreeSet<Uid> = found.iter().collect();
    Ok((selected, uids.into_iter().collect()))
}

async fn list(client: &mut imap::Client, uids: &[Uid], tally: &mut Tally) -> Result<()> {
    let items = [FetchAtt::Uid, FetchAtt::Flags, FetchAtt::Rfc822Size, FetchAtt::Envelope];
    for uids in uids.chunks(AT_ONCE) {
        let mut missing: BTreeSet<Uid> = uids.iter().copied().collect();
        let mut messages = client.uid_fetch(uids, items.clone()).await?;
        loop {
            let message = match messages.next().await {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(error) => match error.into() {
                    Failed::Alone(status, error) => {
                        tally.failed_as(status, format_args!("{} messages", missing.len()), error);
                        missing.clear();
                        break;
                    }
                    Failed::Connection(error) | Failed::Disk(error) => return Err(error),
                },
            };
            say(line(&message))?;
            if message.uid().is_some_and(|uid| missing.remove(&uid)) {
                tally.done();
            }
        }
        for uid in missing {
            tally.failed_as(Status::Temporary, format_args!("message {uid}"), GONE);
        }
    }
    Ok(())
}

fn line(message: &imap::client::FetchedMessage) -> String {
    let uid = message.uid().map_or_else(|| "?".to_owned(), |uid| uid.to_string());
    let size = message.size().unwrap_or(0);
    let flags = message.flags().map(ToString::to_string).unwrap_or_default();
    let subject = message.envelope().and_then(|envelope| envelope.subject());
    let subject = subject.map(|text| encoded_words(text.as_bytes())).unwrap_or_default();
    // A text shows control characters as escapes: no sender writes to this terminal.
    format!("{uid:>8} {size:>10} {} {flags}", Text::from(subject))
}

/// Why a message that the server had named can be missing, though it has not refused it.
const GONE: &str = "the server gave nothing; it may have been deleted meanwhile";

/// How large the messages are together.
async fn sizes(client: &mut imap::Client, uids: &[Uid]) -> Result<u64> {
    let mut sum = 0_u64;
    for uids in uids.chunks(AT_ONCE) {
        let mut messages = client.uid_fetch(uids, [FetchAtt::Uid, FetchAtt::Rfc822Size]).await?;
        loop {
            match messages.next().await {
                Ok(Some(message)) => sum = sum.saturating_add(message.size().unwrap_or(0)),
                Ok(None) => break,
                // It is for the progress bar alone.
                Err(error) => match error.into() {
                    Failed::Alone(..) => return Ok(sum),
                    Failed::Connection(error) | Failed::Disk(error) => return Err(error),
                },
            }
        }
    }
    Ok(sum)
}

async fn download_all(
    download: &mut Download<'_>,
    client: imap::Client,
    arguments: &Arguments,
    selected: &Selected,
    uids: &[Uid],
) {
    let mut client = Some(client);
    for (index, &uid) in uids.iter().enumerate() {
        let mut connected = match client.take() {
            Some(client) => client,
            None => match connect_again(download, arguments, selected).await {
                Ok(client) => client,
                Err(error) => {
                    let left = uids.len().saturating_sub(index);
                    return download.tally.failed(format_args!("{left} messages from {uid} on"), &error);
                }
            },
        };
        let what = format!("message {uid}");
        match download_one(download, &mut connected, uid).await {
            Ok(()) => client = Some(connected),
            Err(Failed::Alone(status, error)) => {
                download.tally.failed_as(status, what, error);
                client = Some(connected);
            }
            Err(Failed::Connection(error)) => download.tally.failed(what, &error),
            Err(Failed::Disk(error)) => {
                download.tally.failed(what, &error);
                download.tally.not_tried(uids.len().saturating_sub(index + 1));
                return leave(connected).await;
            }
        }
    }
    if let Some(client) = client {
        leave(client).await;
    }
}

/// Another connection, after one that was lost with a message. UIDs must mean what they meant.
async fn connect_again(
    download: &mut Download<'_>,
    arguments: &Arguments,
    before: &Selected,
) -> Result<imap::Client> {
    download.lost()?;
    let mut client = connect(arguments).await?;
    let selected = client.examine(&arguments.mailbox()).await?;
    if selected.uid_not_sticky || before.uid_not_sticky || selected.uid_validity.is_none() {
        bail!(Later("the server does not say that the UIDs of the mailbox stay as they are"));
    }
    if selected.uid_validity != before.uid_validity {
        bail!(Later("the UIDs of the mailbox have changed"));
    }
    Ok(client)
}

async fn download_one(
    download: &mut Download<'_>,
    client: &mut imap::Client,
    uid: Uid,
) -> Result<(), Failed> {
    let Some(mut body) = client.fetch_body(uid, Section::WHOLE).await? else {
        return Err(match passed_over(client).is_empty() {
            true => Failed::Alone(Status::Temporary, anyhow!(GONE)),
            false => Failed::Alone(Status::Refused, anyhow!("what the server gave cannot be read")),
        });
    };
    download.write(&uid.to_string(), async || body.chunk().await).await
}
