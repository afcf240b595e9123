//! Lists, downloads and stores messages by IMAP.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Parser;
use mailwire_core::Text;
use mailwire_examples::{AccountArguments, exit_code, progress};
use mailwire_transport::{
    Payload, Protocol, encoded_words,
    imap::{self, FetchAtt, SearchKey},
};
use tokio::io::{AsyncWriteExt, BufWriter};

/// Lists, downloads and stores messages by IMAP.
///
/// Without --output, lists the messages of the mailbox. With it, each becomes a file in that folder, named
/// by its UID. Downloading marks nothing as seen. With --append, files are stored in the mailbox first.
///
/// Examples:
///   MAILWIRE_PASSWORD=... fetch --server mail.example.org --user anna --unseen
///   MAILWIRE_TOKEN=... fetch --server mail.example.org --user anna --mailbox Archive --output mail
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Arguments {
    #[command(flatten)]
    account: AccountArguments,
    /// The mailbox
    #[arg(long, default_value = "INBOX")]
    mailbox: String,
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    exit_code(env!("CARGO_BIN_NAME"), run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<()> {
    let mut config = imap::Config::login(arguments.account.required_credentials()?);
    config.allow_clear_credentials = arguments.account.allows_clear_credentials();
    config.identify("mailwire-fetch", env!("CARGO_PKG_VERSION"))?;
    let endpoint = arguments.account.endpoint(Protocol::Imap)?;
    let mut client = imap::Client::connect_with(endpoint, config).await?;
    for path in &arguments.append {
        append(&mut client, &arguments.mailbox, path).await?;
    }
    let selected = client.examine(&arguments.mailbox).await?;
    let key = if arguments.unseen { SearchKey::Unseen } else { SearchKey::All };
    let found = if selected.exists > 0 { Some(client.uid_search([key]).await?) } else { None };
    let uids: Vec<u32> = found.iter().flat_map(|found| found.iter()).collect();
    match &arguments.output {
        None => list(&mut client, &uids).await?,
        Some(folder) => {
            tokio::fs::create_dir_all(folder)
                .await
                .with_context(|| format!("cannot make {}", folder.display()))?;
            download(&mut client, &uids, folder).await?;
            println!("{} messages in {}", uids.len(), folder.display());
        }
    }
    for malformed in client.malformed() {
        eprintln!("fetch: passed over a response: {}", malformed.error);
    }
    client.logout().await?;
    Ok(())
}

async fn append(client: &mut imap::Client, mailbox: &str, path: &PathBuf) -> Result<()> {
    let name = path.display();
    let file = tokio::fs::File::open(path).await.with_context(|| format!("cannot open {name}"))?;
    let length = file.metadata().await?.len();
    let bar = progress(length, &name.to_string());
    let message = Payload::from_reader(bar.wrap_async_read(file), Some(length));
    let appended = client.append(mailbox, message).await.with_context(|| format!("{name}"))?;
    bar.finish_and_clear();
    match appended.and_then(|appended| appended.uid()) {
        Some(uid) => println!("{name}: stored as {uid}"),
        None => println!("{name}: stored"),
    }
    Ok(())
}

async fn list(client: &mut imap::Client, uids: &[u32]) -> Result<()> {
    let items = [FetchAtt::Uid, FetchAtt::Flags, FetchAtt::Rfc822Size, FetchAtt::Envelope];
    let mut messages = client.uid_fetch(uids, items).await?;
    while let Some(message) = messages.next().await? {
        let uid = message.uid().map_or_else(|| "?".to_owned(), |uid| uid.to_string());
        let size = message.size().unwrap_or(0);
        let flags = message.flags().map(ToString::to_string).unwrap_or_default();
        let subject = message.envelope().and_then(|envelope| envelope.subject());
        let subject = subject.map(|text| encoded_words(text.as_bytes())).unwrap_or_default();
        // A text shows control characters as escapes: no sender writes to this terminal.
        println!("{uid:>8} {size:>10} {} ({flags})", Text::from(subject));
    }
    Ok(())
}

async fn download(client: &mut imap::Client, uids: &[u32], folder: &std::path::Path) -> Result<()> {
    let mut sizes = Vec::with_capacity(uids.len());
    let mut messages = client.uid_fetch(uids, [FetchAtt::Uid, FetchAtt::Rfc822Size]).await?;
    while let Some(message) = messages.next().await? {
        sizes.extend(message.size());
    }
    drop(messages);
    let bar = progress(sizes.iter().sum(), "downloading");
    for &uid in uids {
        // Gone meanwhile, perhaps.
        let Some(mut body) = client.fetch_body(uid, imap::proto::types::Section::WHOLE).await? else {
            continue;
        };
        let partial = folder.join(format!("{uid}.part"));
        let mut file = BufWriter::new(tokio::fs::File::create(&partial).await?);
        while let Some(chunk) = body.chunk().await? {
            file.write_all(&chunk).await?;
            bar.inc(chunk.len() as u64);
        }
        file.flush().await?;
        tokio::fs::rename(&partial, folder.join(format!("{uid}.eml"))).await?;
    }
    bar.finish_and_clear();
    Ok(())
}
