//! The servers of a store.

use mailwire_core::Dialect;
use mailwire_store::{ImapService, Pop3Service, Store};
use mailwire_transport::{
    Protocol, Result, imap, pop3,
    sasl::Authenticator,
    server::Listener,
    smtp::{self, proto::Host, server::Service},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Servers that run until they are told to end.
#[derive(Debug)]
pub struct Running {
    dialect: Dialect,
    stop: CancellationToken,
    servers: JoinSet<Result<()>>,
}

impl Running {
    /// None, so far. They are to read like this.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, stop: CancellationToken::new(), servers: JoinSet::new() }
    }

    /// Serves the mailboxes of a store by IMAP, or by POP3 for any other protocol.
    pub fn mailboxes<S: Store + Authenticator>(&mut self, protocol: Protocol, store: S, listener: Listener) {
        let (dialect, stop) = (self.dialect, self.stop.clone());
        if protocol == Protocol::Imap {
            let server = imap::Server::new(ImapService::new(store));
            let server = server.configure(|it| it.dialect = dialect);
            self.servers.spawn(async move { server.serve(listener, stop).await });
        } else {
            let server = pop3::Server::new(Pop3Service::new(store));
            let server = server.configure(|it| it.dialect = dialect);
            self.servers.spawn(async move { server.serve(listener, stop).await });
        }
    }

    /// Takes mail by SMTP, submission or LMTP, for a service.
    pub fn mail(&mut self, protocol: Protocol, service: impl Service, name: Host, listener: Listener) {
        let (dialect, stop) = (self.dialect, self.stop.clone());
        let server = smtp::Server::new(service, name);
        let server = match protocol {
            Protocol::Submission => server.require_authentication(),
            Protocol::Lmtp => server.lmtp(),
            _ => server,
        };
        let server = server.configure(|it| it.dialect = dialect);
        self.servers.spawn(async move { server.serve(listener, stop).await });
    }

    /// Ends them: clients are told, and what is being written is written.
    ///
    /// # Errors
    ///
    /// A listener had failed.
    pub async fn end(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        while let Some(ended) = self.servers.join_next().await {
            ended??;
        }
        Ok(())
    }
}
