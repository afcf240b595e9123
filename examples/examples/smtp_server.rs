//! Takes mail for ada and keeps it in memory: `smtp_server 127.0.0.1:2525`. A server on the internet has TLS: see the page on security.
use mailwire_store::{SmtpService, memory::MemoryStore};
use mailwire_transport::{Security, server::Listener, smtp::Server};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_default();
    let store = MemoryStore::new();
    store.add_user("ada@example.org", "secret")?;
    let server = Server::new(SmtpService::new(store), "mx.example.org".try_into()?);
    let listener = Listener::bind(&*address, Security::plaintext_without_encryption(), None).await?;
    println!("{}", listener.local_addr().map_or(address, |it| it.to_string()));
    Ok(server.serve(listener, CancellationToken::new()).await?)
}
