//! Sends messages by SMTP, submission or LMTP.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use mailwire_examples::{AccountArguments, exit_code, progress};
use mailwire_transport::{Payload, Protocol, smtp};
use tokio::io::AsyncReadExt;

/// Sends messages by SMTP, submission or LMTP.
///
/// Each FILE is a message with its header; its line ends may be LF or CR LF. Messages are read while they
/// are sent, so their size does not matter. The exit status is 1 if any recipient of any message was
/// refused.
///
/// Examples:
///   MAILWIRE_PASSWORD=... send --server mail.example.org --user anna --from anna@example.org \
///       --to bob@example.net message.eml
///   send --server localhost:24 --security plaintext --lmtp --from '' --to anna message.eml
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Arguments {
    #[command(flatten)]
    account: AccountArguments,
    /// The sender's address; empty for the null address of reports
    #[arg(long, value_name = "ADDRESS")]
    from: String,
    /// A recipient's address; may be given several times
    #[arg(long, value_name = "ADDRESS", required = true)]
    to: Vec<String>,
    /// Speak LMTP
    #[arg(long)]
    lmtp: bool,
    /// The name in EHLO
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The messages
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let result = run(Arguments::parse()).await.and_then(|refused| match refused {
        0 => Ok(()),
        refused => bail!("{refused} refused"),
    });
    exit_code(env!("CARGO_BIN_NAME"), result)
}

async fn run(arguments: Arguments) -> Result<usize> {
    let protocol = match (arguments.lmtp, &arguments.account.user) {
        (true, _) => Protocol::Lmtp,
        (false, Some(_)) => Protocol::Submission,
        (false, None) => Protocol::Smtp,
    };
    let mut config = smtp::Config::default();
    config.credentials = arguments.account.credentials()?;
    config.lmtp = arguments.lmtp;
    config.allow_clear_credentials = arguments.account.allows_clear_credentials();
    config.bare_newline = smtp::BareNewline::Normalize;
    if let Some(name) = &arguments.name {
        config.name = Some(name.as_str().try_into()?);
    }
    let envelope = smtp::Envelope::new(&arguments.from, arguments.to.iter().map(String::as_str))?;
    let mut client = smtp::Client::connect_with(arguments.account.endpoint(protocol)?, config).await?;
    let mut refused = 0;
    for path in &arguments.files {
        let name = path.display();
        let file = tokio::fs::File::open(path).await.with_context(|| format!("cannot open {name}"))?;
        let metadata = file.metadata().await?;
        if !metadata.is_file() {
            bail!("not a file: {name}");
        }
        let bar = progress(metadata.len(), &name.to_string());
        let reader = bar.wrap_async_read(file.take(metadata.len()));
        let result = client.send(&envelope, Payload::from_reader(reader, Some(metadata.len()))).await;
        bar.finish_and_clear();
        match result {
            Ok(sent) => {
                println!("{name}: {}", sent.reply);
                for recipient in &sent.refused {
                    eprintln!("{name}: {:?}: {}", recipient.recipient, recipient.error);
                }
                refused += sent.refused.len();
            }
            Err(error @ mailwire_transport::Error::Refused(_)) => {
                eprintln!("{name}: {error}");
                refused += arguments.to.len();
            }
            Err(error) => return Err(error).with_context(|| format!("{name} ({:?})", client.outcome())),
        }
    }
    client.quit().await?;
    Ok(refused)
}
