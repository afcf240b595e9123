//! Lists an inbox: `list-mailwire HOST USER PASSWORD`.
use mailwire_transport::{Endpoint, Protocol, Security, imap::*, sasl::Credentials};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [host, user, password] = [1, 2, 3].map(|at| std::env::args().nth(at).unwrap_or_default());
    let server = Endpoint::new(&*host, Protocol::Imap, Security::implicit_tls());
    let mut client = Client::connect(server, &Credentials::password(user, password)).await?;
    client.select("INBOX").await?;
    let mut messages = client.fetch(SequenceSet::all(), [FetchAtt::Envelope]).await?;
    while let Some(message) = messages.next().await? {
        println!("{}", message.subject().unwrap_or_default());
    }
    Ok(client.logout().await?)
}
