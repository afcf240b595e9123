//! The servers of a store.

use mailwire_core::Dialect;
use mailwire_store::{ImapService, Pop3Service, Store};
use mailwire_transport::{
    Protocol, Result, WireLog, imap, pop3,
    sasl::Authenticator,
    server::{Listener, Server, ServerLimits, ServerProtocol},
    smtp::{self, proto::Host, server::Service},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Servers that run until they are told to end.
#[derive(Debug)]
pub struct Running {
    dialect: Dialect,
    connections: Option<usize>,
    log: Option<WireLog>,
    stop: CancellationToken,
    servers: JoinSet<Result<()>>,
}

impl Running {
    /// None, so far. They are to read like this.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        let (stop, servers) = (CancellationToken::new(), JoinSet::new());
        Self { dialect, connections: None, log: None, stop, servers }
    }

    /// Those that come from now on have so many connections at one time at each place, in place of 1000; a tenth of them from
    /// one address.
    #[must_use]
    pub fn with_connections(mut self, connections: Option<usize>) -> Self {
        self.connections = connections;
        self
    }

    /// Those that come from now on show the lines of their conversations so.
    #[must_use]
    pub fn with_wire_log(mut self, log: Option<WireLog>) -> Self {
        self.log = log;
        self
    }

    /// Serves the mailboxes of a store by IMAP, or by POP3 for any other protocol.
    pub fn mailboxes<S: Store + Authenticator>(&mut self, protocol: Protocol, store: S, listener: Listener) {
        let dialect = self.dialect;
        if protocol == Protocol::Imap {
            let server = imap::Server::new(ImapService::new(store));
            self.serve(server.configure(|it| it.dialect = dialect), listener);
        } else {
            let server = pop3::Server::new(Pop3Service::new(store));
            self.serve(server.configure(|it| it.dialect = dialect), listener);
        }
    }

    /// Takes mail by SMTP, submission or LMTP, for a service.
    pub fn mail(&mut self, protocol: Protocol, service: impl Service, name: Host, listener: Listener) {
        let dialect = self.dialect;
        let server = smtp::Server::new(service, name);
        let server = match protocol {
            Protocol::Submission => server.require_authentication(),
            Protocol::Lmtp => server.lmtp(),
            _ => server,
        };
        self.serve(server.configure(|it| it.dialect = dialect), listener);
    }

    fn serve<P, S>(&mut self, server: Server<P, S>, listener: Listener)
    where
        P: ServerProtocol<S>,
        S: Send + Sync + 'static,
    {
        let server = match self.connections {
            None => server,
            Some(connections) => {
                let mut limits: ServerLimits = server.server_limits().clone();
                (limits.connections, limits.connections_per_address) =
                    (connections, connections.div_ceil(10));
                server.with_server_limits(limits)
            }
        };
        let server = match self.log.clone() {
            Some(log) => server.with_wire_log(move |line| log.show(line)),
            None => server,
        };
        let stop = self.stop.clone();
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
