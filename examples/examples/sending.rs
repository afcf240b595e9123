//! Sends a message: `sending smtps://ada:secret@mail.example.org`.
use mailwire_transport::smtp;

#[tokio::main]
async fn main() -> mailwire_transport::Result<()> {
    let url = std::env::args().nth(1).unwrap_or_default();
    let mut client = smtp::Client::connect_to(&*url).await?;
    let message = "From: ada@example.org\nTo: bob@example.net\nSubject: Hi\n\nHello, Bob.\n";
    println!("{}", client.send_message(message).await?.reply);
    client.quit().await
}
