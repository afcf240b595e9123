//! Takes mail from the MTA beside it, at a Unix socket, and answers for each recipient: `lmtp_server /run/mailwire/lmtp`.
use mailwire_store::{SmtpService, memory::MemoryStore};
use mailwire_transport::{server::Listener, smtp::Server};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_default();
    let store = MemoryStore::new();
    store.add_user("ada@example.org", "secret")?;
    let server = Server::new(SmtpService::new(store), "mx.example.org".try_into()?).lmtp();
    let listener = Listener::bind_unix(&path)?;
    println!("{path}");
    Ok(server.serve(listener, CancellationToken::new()).await?)
}
