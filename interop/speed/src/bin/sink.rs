//! An SMTP server that throws away what it gets: `sink`. Prints its port.

use anyhow::{Context as _, Result};
use mailwire_transport::{
    Security,
    sasl::Authenticator,
    server::Listener,
    smtp::{
        Server,
        proto::{Host, Reply, ReplyCode},
        server::{Body, BodyError, Client, Service, Session, Transaction},
    },
};
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
struct Sink;

impl Authenticator for Sink {}

impl Service for Sink {
    type Session = Self;
    type Authenticator = Self;

    fn authenticator(&self) -> &Self {
        self
    }

    async fn connect(&self, _: &Client) -> Result<Self, Reply> {
        Ok(Self)
    }
}

impl Session for Sink {
    async fn message(
        &mut self,
        _: &Client,
        _: &Transaction,
        body: &mut Body<'_>,
    ) -> Result<Reply, BodyError> {
        while body.chunk().await?.is_some() {}
        Ok(Reply::new(ReplyCode::OK, "2.0.0 Ok"))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let security = Security::plaintext_without_encryption();
    let listener = Listener::bind("127.0.0.1:0", security, None).await?;
    println!("{}", listener.local_addr().context("no address")?.port());
    Server::new(Sink, Host::try_from("localhost")?).serve(listener, CancellationToken::new()).await?;
    Ok(())
}
