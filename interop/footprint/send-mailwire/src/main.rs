//! Sends a message with an attachment: `send-mailwire HOST USER PASSWORD FILE`.
use mail_builder::MessageBuilder;
use mailwire_transport::{Endpoint, Protocol, Security, sasl::Credentials, smtp};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [host, user, password, file] = [1, 2, 3, 4].map(|at| std::env::args().nth(at).unwrap_or_default());
    let message = MessageBuilder::new()
        .from(("Ada", "ada@example.org"))
        .to(("Bob", "bob@example.net"))
        .subject("Pictures")
        .text_body("Here it is.\n")
        .attachment("image/png", "sun.png", std::fs::read(file)?);
    let server = Endpoint::new(&*host, Protocol::Submission, Security::implicit_tls());
    let mut client = smtp::Client::connect(server, &Credentials::password(user, password)).await?;
    println!("{}", client.send_message(message).await?.reply);
    Ok(client.quit().await?)
}
