//! A mail server.

mod arguments;
mod carrier;
mod certificate;
mod checks;
mod config;
mod dkim;
mod notify;
#[cfg(feature = "http")]
mod page;
mod recorder;
mod serve;
mod submission;
mod users;

use std::{process::ExitCode, time::SystemTime};

use anyhow::Result;
use mailwire_examples::{Usage, program, queue::Queue, say};
use mailwire_transport::smtp::proto::trace::Timestamp;

use self::{
    arguments::{Arguments, Command, QueueCommand},
    config::Config,
    users::with_store,
};

#[tokio::main]
async fn main() -> ExitCode {
    program(async |arguments, _| run(arguments).await).await
}

async fn run(arguments: &Arguments) -> Result<()> {
    #[cfg(feature = "http")]
    let http = arguments.http.as_ref();
    #[cfg(not(feature = "http"))]
    let http = None;
    let (path, store) = (arguments.config.as_deref(), arguments.store.as_ref());
    let config = Config::read(path, store, &arguments.listen, http)?;
    match arguments.command.as_ref().unwrap_or(&Command::Run) {
        Command::Run => with_store(&config, serve::Serving(&config)).await,
        Command::CheckConfig => {
            if let Some(files) = &config.certificates {
                files.read()?.build()?;
            }
            say("the configuration is as it has to be")?;
            Ok(())
        }
        Command::User(command) => with_store(&config, command).await,
        Command::Queue(command) => queue(&config, command).await,
    }
}

/// The most messages that are told of.
const TOLD: u64 = 10_000;

async fn queue(config: &Config, command: &QueueCommand) -> Result<()> {
    let queue = Queue::open(&config.queue.file, config.queue.limits)?;
    match command {
        QueueCommand::List => {
            for entry in queue.list(TOLD).await? {
                let from = entry.from.as_deref().unwrap_or("<>");
                let held =
                    entry.held.map_or_else(String::new, |until| format!(" held until {}", date(until)));
                let (number, size, arrived) = (entry.number, entry.size, date(entry.arrived));
                say(format_args!("{number} {size} {arrived} {from}{held}"))?;
                for waiting in entry.recipients {
                    let next = waiting.next.map_or_else(|| "now".to_owned(), date);
                    let why = waiting.why.unwrap_or_default();
                    let attempts = waiting.attempts;
                    say(format_args!("    {} next: {next} attempts: {attempts} {why}", waiting.address))?;
                }
            }
        }
        QueueCommand::Flush { number } => {
            say(format_args!("{} recipients are tried now", queue.flush(*number).await?))?;
        }
        QueueCommand::Remove { number } => match queue.remove(*number).await? {
            0 => {
                return Err(Usage(format!("the message {number} is not there, or is being delivered")).into());
            }
            count => say(format_args!("{count} recipients do not get it"))?,
        },
    }
    Ok(())
}

fn date(time: SystemTime) -> String {
    Timestamp::from(time).to_string()
}
