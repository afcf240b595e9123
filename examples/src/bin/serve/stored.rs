//! The servers over a file.

use std::{path::PathBuf, str::FromStr};

use anyhow::{Context as _, Result};
use mailwire_examples::{say, server::Running};
use mailwire_store::{
    Error, SmtpService,
    sqlite::{self, SqliteStore},
    testing::Config,
};
use mailwire_transport::{Protocol, server::Listener};

use crate::{Arguments, asked_to_end};

/// What `--store` names.
#[derive(Debug, Clone)]
pub(crate) struct File(PathBuf);

impl FromStr for File {
    type Err = String;

    fn from_str(store: &str) -> Result<Self, String> {
        match store.strip_prefix("sqlite:") {
            Some(file) if !file.is_empty() => Ok(Self(file.into())),
            _ => Err("given as sqlite:FILE".into()),
        }
    }
}

/// Serves the users who are in a file, until it is asked to end.
pub(crate) async fn serve(
    file: &File,
    config: &Config,
    arguments: &Arguments,
    listeners: Vec<(Protocol, Listener)>,
) -> Result<()> {
    let kept = sqlite::Config::new()
        .with_mechanisms(config.store.mechanisms.clone())
        .with_search_index(arguments.search_index);
    let store = SqliteStore::open(&file.0, kept).context("--store")?;
    for (name, password) in &config.users {
        match store.set_password(name, password.clone()).await {
            Err(Error::NoSuchAccount) => drop(store.add_user(name, password.clone()).await?),
            set => set?,
        }
    }
    if arguments.search_index {
        // What came while there was none is put there, too.
        let store = store.clone();
        tokio::spawn(async move {
            if let Err(error) = store.index().await {
                eprintln!("serve: messages cannot be put into the index: {error}");
            }
        });
    }
    let mut running = Running::new(config.dialect)
        .with_connections(arguments.connections)
        .with_wire_log(config.wire_log.clone());
    let end = asked_to_end();
    for (listen, (protocol, listener)) in arguments.listen.iter().zip(listeners) {
        if let Some(address) = listener.local_addr() {
            say(format_args!("{} {address}", listen.name))?;
        }
        match protocol {
            Protocol::Imap | Protocol::Pop3 => running.mailboxes(protocol, store.clone(), listener),
            _ => running.mail(protocol, SmtpService::new(store.clone()), config.name.clone(), listener),
        }
    }
    end.await;
    running.end().await
}
