//! Sends a message with an attachment: `attachment smtps://ada:secret@mail.example.org sun.png`.
use mail_builder::MessageBuilder;
use mailwire_transport::smtp;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let [url, file] = [1, 2].map(|at| std::env::args().nth(at).unwrap_or_default());
    let message = MessageBuilder::new()
        .from(("Ada", "ada@example.org"))
        .to(("Bob", "bob@example.net"))
        .subject("Pictures")
        .text_body("Here it is.\n")
        .attachment("image/png", "sun.png", std::fs::read(file)?);
    let mut client = smtp::Client::connect_to(&*url).await?;
    println!("{}", client.send_message(message).await?.reply);
    Ok(client.quit().await?)
}
