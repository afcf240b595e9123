//! Shows who wrote what: `inbox imaps://ada:secret@mail.example.org`.
use mailwire_transport::imap::*;

#[tokio::main]
async fn main() -> mailwire_transport::Result<()> {
    let url = std::env::args().nth(1).unwrap_or_default();
    let mut client = Client::connect_to(&*url).await?;
    client.select("INBOX").await?;
    let mut messages = client.uid_fetch(UidSet::all(), [FetchAtt::Envelope, FetchAtt::Flags]).await?;
    while let Some(message) = messages.next().await? {
        println!("{}", message.decoded_subject().unwrap_or_default());
    }
    client.logout().await
}
