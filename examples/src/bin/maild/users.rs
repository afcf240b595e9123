//! The users: who they are, and their passwords.

use std::{future::Future, io::BufRead as _};

use anyhow::{Context as _, Result};
use mailwire_core::Secret;
use mailwire_examples::{Usage, say};
#[cfg(feature = "postgres")]
use mailwire_store::postgres::{self, PostgresStore};
use mailwire_store::{
    Result as Stored, Store,
    sqlite::{self, SqliteStore},
};
use mailwire_transport::sasl::Authenticator;

use crate::{
    arguments::UserCommand,
    config::{Config, StoreAt},
};

/// A store that knows its users, and can be given others.
pub(crate) trait Users: Store + Authenticator {
    /// Adds a user.
    fn add(&self, name: &str, password: Secret) -> impl Future<Output = Stored<()>> + Send;
    /// Gives a user another password.
    fn change(&self, name: &str, password: Secret) -> impl Future<Output = Stored<()>> + Send;
    /// All names.
    fn names(&self) -> impl Future<Output = Stored<Vec<String>>> + Send;
}

impl Users for SqliteStore {
    async fn add(&self, name: &str, password: Secret) -> Stored<()> {
        self.add_user(name, password).await.map(drop)
    }

    async fn change(&self, name: &str, password: Secret) -> Stored<()> {
        self.set_password(name, password).await
    }

    async fn names(&self) -> Stored<Vec<String>> {
        self.users().await
    }
}

#[cfg(feature = "postgres")]
impl Users for PostgresStore {
    async fn add(&self, name: &str, password: Secret) -> Stored<()> {
        self.add_user(name, password).await.map(drop)
    }

    async fn change(&self, name: &str, password: Secret) -> Stored<()> {
        self.set_password(name, password).await
    }

    async fn names(&self) -> Stored<Vec<String>> {
        self.users().await
    }
}

/// Does something with the store that is configured.
pub(crate) trait WithStore {
    async fn run<S: Users>(self, store: S) -> Result<()>;
}

/// Opens the store, for whatever is to be done with it.
pub(crate) async fn with_store(config: &Config, what: impl WithStore) -> Result<()> {
    match &config.store {
        StoreAt::Sqlite(path) => {
            let options = sqlite::Config::new().with_domains(config.domains.clone());
            let options = options.with_search_index(config.search_index);
            let store = SqliteStore::open(path, options).with_context(|| path.display().to_string())?;
            if config.search_index {
                // What came while there was none is put there, too.
                let store = store.clone();
                tokio::spawn(async move {
                    if let Err(error) = store.index().await {
                        eprintln!("maild: messages cannot be put into the index: {error}");
                    }
                });
            }
            what.run(store).await
        }
        #[cfg(feature = "postgres")]
        StoreAt::Postgres(url) => {
            let tls = config.store_tls.as_ref().map(|tls| tls.config().clone());
            let options = postgres::Config::new().with_domains(config.domains.clone()).with_tls(tls);
            what.run(PostgresStore::connect_with(url, options).await.context("the database")?).await
        }
    }
}

impl WithStore for &UserCommand {
    async fn run<S: Users>(self, store: S) -> Result<()> {
        match self {
            UserCommand::Add { name } => {
                let password = asked_for_password()?;
                store.add(name, password).await.with_context(|| format!("the user {name}"))
            }
            UserCommand::Passwd { name } => {
                let password = asked_for_password()?;
                store.change(name, password).await.with_context(|| format!("the user {name}"))
            }
            UserCommand::List => {
                for name in store.names().await? {
                    say(name)?;
                }
                Ok(())
            }
        }
    }
}

/// The password in `MAILWIRE_PASSWORD`, or the first line of standard input.
fn asked_for_password() -> Result<Secret> {
    if let Ok(password) = std::env::var("MAILWIRE_PASSWORD") {
        return Ok(password.into());
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("the password, in a line of standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Usage(
            "no password: set MAILWIRE_PASSWORD, or give it in a line of standard input".into(),
        )
        .into());
    }
    Ok(Secret::from(password))
}

/// The user of a store that has none: `postmaster`, who gets what is written to the server's operator, too.
pub(crate) async fn first(store: &impl Users) -> Result<()> {
    if !store.names().await?.is_empty() {
        return Ok(());
    }
    let password = random_password()?;
    match store.add("postmaster", Secret::from(password.as_str())).await {
        Ok(()) => eprintln!(
            "the first user is postmaster, with the password {password}\n\
             maild user passwd postmaster gives another, maild user add NAME adds users"
        ),
        // Another process was first.
        Err(mailwire_store::Error::Account(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// 100 bits that can be read and typed.
fn random_password() -> Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let letter = |byte: u8| LETTERS.get(usize::from(byte % 32)).map_or('x', |&letter| char::from(letter));
    Ok(bytes.into_iter().map(letter).collect())
}
