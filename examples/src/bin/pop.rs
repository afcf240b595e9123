//! Downloads messages by POP3.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Parser;
use mailwire_examples::{AccountArguments, exit_code, progress};
use mailwire_transport::{Protocol, pop3};
use tokio::io::{AsyncWriteExt, BufWriter};

/// Downloads messages by POP3.
///
/// Without --output, lists the messages. With it, each message becomes a file in that folder, named by its
/// unique id; a message that is there already is not downloaded again. With --delete, messages are
/// deleted from the server once all are on disk; otherwise they are kept.
///
/// Example:
///   MAILWIRE_PASSWORD=... pop --server mail.example.org --user anna --output mail
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    exit_code(env!("CARGO_BIN_NAME"), run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<()> {
    let mut config = pop3::Config::login(arguments.account.required_credentials()?);
    config.allow_clear_credentials = arguments.account.allows_clear_credentials();
    let endpoint = arguments.account.endpoint(Protocol::Pop3)?;
    let mut client = pop3::Client::connect_with(endpoint, config).await?;
    let sizes = client.list().await?;
    let ids = client.uidl().await.unwrap_or_default();
    let id_of = |message: u32| {
        let found = ids.iter().find(|listing| listing.number.get() == message);
        found.map_or_else(|| format!("message {message}"), |listing| listing.unique_id.to_string())
    };
    let Some(folder) = arguments.output else {
        for listing in &sizes {
            let size = listing.octets.map_or_else(|| "?".to_owned(), |octets| octets.to_string());
            println!("{:>6} {size:>10} {}", listing.number.get(), id_of(listing.number.get()));
        }
        client.quit().await?;
        return Ok(());
    };
    tokio::fs::create_dir_all(&folder).await.with_context(|| format!("cannot make {}", folder.display()))?;
    let bar = progress(sizes.iter().filter_map(|listing| listing.octets).sum(), "downloading");
    for listing in &sizes {
        let message = listing.number.get();
        // A unique id can hold any printable character.
        let name: String = id_of(message).chars().map(|c| if c == '/' { '_' } else { c }).collect();
        let path = folder.join(format!("{name}.eml"));
        if !tokio::fs::try_exists(&path).await? {
            let partial = folder.join(format!("{name}.part"));
            let mut file = BufWriter::new(tokio::fs::File::create(&partial).await?);
            let mut body = client.retr(message).await?;
            while let Some(chunk) = body.chunk().await? {
                file.write_all(&chunk).await?;
                bar.inc(chunk.len() as u64);
            }
            file.flush().await?;
            file.get_ref().sync_all().await?;
            tokio::fs::rename(&partial, &path).await?;
        }
    }
    bar.finish_and_clear();
    if arguments.delete {
        let _ = client.dele_all(sizes.iter().map(|listing| listing.number.get())).await?;
    }
    let deletions = client.quit().await?;
    println!("{} messages in {}; deletions: {deletions:?}", sizes.len(), folder.display());
    Ok(())
}
