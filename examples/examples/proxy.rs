//! Hands each message on to another server, and its answer back: `proxy 127.0.0.1:2525 smtps://ada:secret@mail.example.org`.
use mailwire_transport::smtp::{Client, Envelope, Server, proto::*, server::*};
use mailwire_transport::{Account, Error, Payload, Result, Security, server::Listener};

/// The other server's answer, or that it could not be asked.
async fn hand_on(to: &Account, Incoming { client, transaction, message, .. }: Incoming) -> Result<Reply> {
    let mut trace = Vec::new();
    client.received(&transaction).write(&mut trace);
    let mut upstream = Client::connect_to(to.clone()).await?;
    let envelope = Envelope::from_commands(Mail::new(transaction.mail.from), transaction.recipients);
    let sent = upstream.send(&envelope, Payload::from(message).with_header(trace)?).await?;
    upstream.quit().await?;
    Ok(sent.reply)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let [address, url] = [1, 2].map(|at| std::env::args().nth(at).unwrap_or_default());
    let upstream = Account::parse(&url)?;
    let service = each_message(move |incoming| {
        let upstream = upstream.clone();
        async move {
            let refusal = |error: Error| error.refused()?.reply();
            let later = || Reply::new(ReplyCode::LOCAL_ERROR, "4.4.1 Not now");
            hand_on(&upstream, incoming).await.unwrap_or_else(|error| refusal(error).unwrap_or_else(later))
        }
    });
    let listener = Listener::bind(&*address, Security::plaintext_without_encryption(), None).await?;
    println!("{}", listener.local_addr().map_or(address, |it| it.to_string()));
    Ok(Server::new(service, "relay.example.org".try_into()?).serve(listener, Default::default()).await?)
}
