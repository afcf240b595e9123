//! The servers over a file.

use std::{path::PathBuf, str::FromStr};

use anyhow::{Context as _, Result};
use mailwire_examples::say;
use mailwire_store::{
    Error, ImapService, Pop3Service, SmtpService,
    sqlite::{self, SqliteStore},
    testing::Config,
};
use mailwire_transport::{
    Protocol, WireLog, imap, pop3,
    server::{Listener, Server, ServerLimits, ServerProtocol},
    smtp,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

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
    let mut limits = ServerLimits::default();
    if let Some(connections) = arguments.connections {
        (limits.connections, limits.connections_per_address) = (connections, connections.div_ceil(10));
    }
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    for (listen, (protocol, listener)) in arguments.listen.iter().zip(listeners) {
        if let Some(address) = listener.local_addr() {
            say(format_args!("{} {address}", listen.name))?;
        }
        let (store, stop) = (store.clone(), stop.clone());
        let (dialect, limits) = (config.dialect, limits.clone());
        let log = config.wire_log.clone();
        match protocol {
            Protocol::Imap => {
                let server = imap::Server::new(ImapService::new(store));
                let server = ready(server.configure(|it| it.dialect = dialect), limits, log);
                running.spawn(async move { server.serve(listener, stop).await });
            }
            Protocol::Pop3 => {
                let server = pop3::Server::new(Pop3Service::new(store));
                let server = ready(server.configure(|it| it.dialect = dialect), limits, log);
                running.spawn(async move { server.serve(listener, stop).await });
            }
            _ => {
                let server = smtp::Server::new(SmtpService::new(store), config.name.clone());
                let server = match protocol {
                    Protocol::Submission => server.require_authentication(),
                    Protocol::Lmtp => server.lmtp(),
                    _ => server,
                };
                let server = ready(server.configure(|it| it.dialect = dialect), limits, log);
                running.spawn(async move { server.serve(listener, stop).await });
            }
        }
    }
    asked_to_end().await;
    stop.cancel();
    // Clients are told, and what is being written is written.
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}

/// A server with what all of them have.
fn ready<P: ServerProtocol<S>, S: Send + Sync + 'static>(
    server: Server<P, S>,
    limits: ServerLimits,
    log: Option<WireLog>,
) -> Server<P, S> {
    let server = server.with_server_limits(limits);
    match log {
        Some(log) => server.with_wire_log(move |line| log.show(line)),
        None => server,
    }
}
