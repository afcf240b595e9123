//! Whose connections are whose.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
};

use tokio::sync::Semaphore;

use super::{
    PoolOptions, Pooled,
    pace::{Pace, Turn},
};
use crate::{Address, Endpoint, Result};

/// What most owners differ in: a server, and who logs in.
type Name = (Address, Option<String>);
type Connecting<C> = Pin<Box<dyn Future<Output = Result<C>> + Send>>;

/// Whose connections these are, and how they are made.
pub(super) struct Owner<C: Pooled> {
    way: Way<C>,
    /// One for each connection that it may have in use, where that is fewer than all.
    pub(super) slots: Option<Arc<Semaphore>>,
    /// One for each call that may wait.
    pub(super) queue: Semaphore,
    pub(super) pace: Option<Pace>,
}

enum Way<C: Pooled> {
    Of(Box<(Endpoint, C::Config)>),
    Own(Box<dyn Fn() -> Connecting<C> + Send + Sync>),
}

impl<C: Pooled> Owner<C> {
    fn new(way: Way<C>, options: &PoolOptions) -> Self {
        let own = options.connections_per_account.filter(|own| *own < options.connections);
        Self {
            way,
            slots: own.map(|own| Arc::new(Semaphore::new(own.max(1)))),
            queue: Semaphore::new(options.waiting.min(Semaphore::MAX_PERMITS)),
            pace: options.rate.map(Pace::new),
        }
    }

    pub(super) fn from_connector<F>(
        connect: impl Fn() -> F + Send + Sync + 'static,
        options: &PoolOptions,
    ) -> Self
    where
        F: Future<Output = Result<C>> + Send + 'static,
    {
        Self::new(Way::Own(Box::new(move || Box::pin(connect()))), options)
    }

    /// Makes a connection.
    pub(super) async fn connect(&self) -> Result<C> {
        match &self.way {
            Way::Of(known) => C::open(known.0.clone(), known.1.clone()).await,
            Way::Own(connect) => connect().await,
        }
    }

    /// Waits for the rate, if there is one.
    pub(super) async fn turn(&self) -> Option<Turn<'_>> {
        match &self.pace {
            Some(pace) => Some(pace.turn().await),
            None => None,
        }
    }

    /// The server, for errors.
    pub(super) fn server(&self) -> String {
        match &self.way {
            Way::Of(known) => known.0.address().to_string(),
            Way::Own(_) => "the server".into(),
        }
    }

    /// Whether a connection of this one may be given to whoever has these. All of the configuration counts, credentials
    /// first: nothing that somebody chose is done in another's name or another way.
    fn is(&self, endpoint: &Endpoint, config: &C::Config) -> bool {
        matches!(&self.way, Way::Of(known) if known.0.is_same(endpoint) && known.1 == *config)
    }
}

/// The accounts that somebody holds, or that have connections.
pub(super) struct Owners<C: Pooled> {
    known: HashMap<Name, Vec<Weak<Owner<C>>>>,
    /// When there are so many, those that are gone are looked for.
    crowded: usize,
}

impl<C: Pooled> Default for Owners<C> {
    fn default() -> Self {
        Self { known: HashMap::new(), crowded: 16 }
    }
}

impl<C: Pooled> Owners<C> {
    pub(super) fn find(
        &mut self,
        endpoint: Endpoint,
        config: C::Config,
        options: &PoolOptions,
    ) -> Arc<Owner<C>> {
        if self.known.len() >= self.crowded {
            self.known.retain(|_, owners| {
                owners.retain(|account| account.strong_count() > 0);
                !owners.is_empty()
            });
            self.crowded = self.known.len().saturating_mul(2).max(16);
        }
        let key = (endpoint.address().clone(), C::user(&config).map(str::to_owned));
        let owners = self.known.entry(key).or_default();
        owners.retain(|account| account.strong_count() > 0);
        let mut held = owners.iter().filter_map(Weak::upgrade);
        if let Some(account) = held.find(|account| account.is(&endpoint, &config)) {
            return account;
        }
        let account = Arc::new(Owner::new(Way::Of(Box::new((endpoint, config))), options));
        owners.push(Arc::downgrade(&account));
        account
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(all(test, feature = "smtp"))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Protocol, Security, Timeouts, sasl::Credentials, smtp, tls::ClientTls};

    type Known = Owners<smtp::Client>;

    fn endpoint() -> Endpoint {
        Endpoint::new("mail.example", Protocol::Submission, Security::implicit_tls())
    }

    fn ada() -> smtp::Config {
        smtp::Config::login(Credentials::password("ada", "secret"))
    }

    fn find(known: &mut Known, endpoint: Endpoint, config: smtp::Config) -> Arc<Owner<smtp::Client>> {
        known.find(endpoint, config, &PoolOptions::default())
    }

    #[test]
    fn an_equal_account_is_the_same_and_any_other_is_not() {
        let mut known = Known::default();
        let tls = || {
            let provider = crate::tls::default_provider().unwrap();
            let builder = rustls::ClientConfig::builder_with_provider(provider);
            let versions = builder.with_safe_default_protocol_versions().unwrap();
            let roots = versions.with_root_certificates(rustls::RootCertStore::empty());
            ClientTls::from_config(Arc::new(roots.with_no_client_auth()))
        };
        let shared = tls();
        let ours = find(&mut known, endpoint().with_tls(shared.clone()), ada());
        assert!(Arc::ptr_eq(&ours, &find(&mut known, endpoint().with_tls(shared.clone()), ada())));

        let with = |change: fn(Endpoint) -> Endpoint| change(endpoint().with_tls(shared.clone()));
        let password = |user, password| smtp::Config::login(Credentials::password(user, password));
        let others = [
            (with(|it| it), password("ada", "guessed")),
            (with(|it| it), password("bob", "secret")),
            (with(|it| it), smtp::Config::anonymous()),
            (with(|it| it), smtp::Config::login(Credentials::token("ada", "secret"))),
            (with(|it| it), smtp::Config::login(Credentials::password("ada", "secret").acting_as("bob"))),
            (with(|it| it), ada().with_allow_clear_credentials(true)),
            (with(|it| it.with_server_name("other.example")), ada()),
            (with(|it| it.with_wire_log(|_| ())), ada()),
            (with(|it| it.with_timeouts(Timeouts::interactive())), ada()),
            // Another configuration of TLS trusts others, or is somebody else.
            (endpoint().with_tls(tls()), ada()),
            (endpoint().with_tls(shared.clone().with_verification(true)), ada()),
            (endpoint(), ada()),
            (
                Endpoint::tcp("mail.example", 465, Security::required_starttls()).with_tls(shared.clone()),
                ada(),
            ),
            (Endpoint::tcp("mail.example", 466, Security::implicit_tls()).with_tls(shared.clone()), ada()),
            (Endpoint::new("mx.example", Protocol::Submission, Security::implicit_tls()), ada()),
        ];
        let mut all = vec![ours];
        for (endpoint, config) in others {
            let shown = format!("{endpoint:?} {config:?}");
            let other = find(&mut known, endpoint, config);
            assert!(all.iter().all(|one| !Arc::ptr_eq(one, &other)), "{shown}");
            all.push(other);
        }
    }

    /// A provider of credentials is one account, and nothing is asked of it to know that.
    #[test]
    fn who_is_asked_for_credentials_is_an_account() {
        let mut known = Known::default();
        let provided = || {
            smtp::Config::login(Credentials::provided(|_| async {
                std::future::pending::<()>().await;
                Ok(Credentials::external())
            }))
        };
        let config = provided();
        let one = find(&mut known, endpoint(), config.clone());
        assert!(Arc::ptr_eq(&one, &find(&mut known, endpoint(), config)));
        assert!(!Arc::ptr_eq(&one, &find(&mut known, endpoint(), provided())));
    }

    #[test]
    fn accounts_that_nobody_has_are_forgotten() {
        let mut known = Known::default();
        let held = find(&mut known, endpoint(), ada());
        for number in 0..10_000 {
            let user = Credentials::password(format!("user-{number}"), "guessed");
            drop(find(&mut known, endpoint(), smtp::Config::login(user)));
            assert!(known.len() <= 32);
        }
        for _ in 0..100 {
            drop(find(&mut known, endpoint(), smtp::Config::login(Credentials::password("bob", "guessed"))));
        }
        assert!(Arc::ptr_eq(&held, &find(&mut known, endpoint(), ada())));
        let rates = PoolOptions::new().with_rate(crate::pool::Rate::new(1, Duration::MAX));
        assert!(known.find(endpoint(), smtp::Config::anonymous(), &rates).pace.is_some());
    }
}
