//! Where the server listens, and who attends to it there.

use std::{net::SocketAddr, sync::Arc};

use mailwire_transport::{
    Protocol, Security, imap, pop3,
    sasl::Authenticator,
    server::{Listener, Server, ServerProtocol},
    smtp,
    testing::TestCa,
    tls::{ClientTls, ServerTls},
};

use super::{MailServer, Observe, StartError};
use crate::{
    ImapService, Pop3Service, SmtpService, Store,
    testing::{Config, config::ListenAt, faults::Faulty},
};

/// Who vouches for the server.
#[derive(Debug)]
pub(super) struct Authority {
    pub(super) pem: Option<String>,
    pub(super) client_tls: Option<ClientTls>,
}

/// A place where the server listens.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) protocol: Protocol,
    pub(super) security: Security,
    /// It takes clients in clear, too.
    pub(super) clear: bool,
    pub(super) address: SocketAddr,
}

impl<S: Store> MailServer<S> {
    /// Where the configuration has it listen, and whether clients may do without STARTTLS there.
    pub(super) async fn bind(
        &mut self,
        config: &Config,
    ) -> Result<Vec<(Protocol, Listener, bool)>, StartError> {
        let (tls, authority) = certificate(config).map_err(StartError::Certificate)?;
        self.authority = authority;
        let mut listeners = Vec::new();
        for ListenAt { protocol, security, address, clear } in config.places() {
            let bound = Listener::bind(&*address, security, Some(tls.clone())).await;
            let listener = bound.map_err(|error| StartError::Listen { protocol, address, error })?;
            listeners.push((protocol, listener, clear || !security.is_tls()));
        }
        Ok(listeners)
    }

    /// Has the server attend to one more listener. `clear`: clients may do without STARTTLS.
    pub(super) fn attend<A: Authenticator + Clone + 'static>(
        &mut self,
        config: &Config,
        users: &A,
        observe: &Observe,
        protocol: Protocol,
        listener: Listener,
        clear: bool,
    ) {
        let security = listener.security();
        if let Some(address) = listener.local_addr() {
            self.listening.push(Listening { protocol, security, clear, address });
        }
        let (store, users) = (self.store.clone(), users.clone());
        match protocol {
            Protocol::Imap => {
                let server = imap::Server::new(ImapService::with_authenticator(store, users));
                let server = server.configure(|it| it.dialect = config.dialect);
                self.run(config, protocol, server, clear, listener);
            }
            Protocol::Pop3 => {
                let server = pop3::Server::new(Pop3Service::with_authenticator(store, users));
                let server = server.configure(|it| it.dialect = config.dialect);
                self.run(config, protocol, server, clear, listener);
            }
            _ => {
                let service = SmtpService::with_authenticator(store, users)
                    .with_trusted(config.trusted.iter().copied());
                let observe = Arc::clone(observe);
                let service = service.with_observer(move |delivery| observe(protocol, delivery));
                let server = smtp::Server::new(service, config.name.clone());
                let server = match protocol {
                    Protocol::Submission => server.require_authentication(),
                    Protocol::Lmtp => server.lmtp(),
                    _ => server,
                };
                let server = server.configure(|it| it.dialect = config.dialect);
                self.run(config, protocol, server, clear, listener);
            }
        }
    }

    fn run<P: ServerProtocol<T>, T: Send + Sync + 'static>(
        &mut self,
        config: &Config,
        protocol: Protocol,
        server: Server<P, T>,
        clear: bool,
        listener: Listener,
    ) {
        let server = match &config.limits {
            Some(limits) => server.with_server_limits(limits.clone()),
            None => server,
        };
        let server = if clear { server.allow_clear_credentials() } else { server };
        let server = match config.wire_log.clone() {
            Some(log) => server.with_wire_log(move |line| log.show(line)),
            None => server,
        };
        let stop = self.stop.clone();
        let server = if config.injectable || !config.faults.is_empty() {
            let (script, stop) = (Arc::clone(&self.script), stop.clone());
            server.with_layers(move || Box::new(Faulty::new(script.connect(protocol), stop.clone())))
        } else {
            server
        };
        self.running.spawn(async move {
            if let Err(error) = server.serve(listener, stop).await {
                tracing::error!(%error, "a listener of a test server failed");
            }
        });
    }
}

/// The server's certificate, and who trusts it.
fn certificate(config: &Config) -> mailwire_transport::Result<(ServerTls, Authority)> {
    if let Some(tls) = &config.tls {
        return Ok((tls.clone(), Authority { pem: None, client_tls: None }));
    }
    let ca = TestCa::new()?;
    let name = config.name.to_string();
    let tls = ca.server_tls(&["localhost", "127.0.0.1", "::1", &name])?;
    let authority = Authority { pem: Some(ca.root_pem().to_owned()), client_tls: Some(ca.client_tls()?) };
    Ok((tls, authority))
}
