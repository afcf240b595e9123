//! Sends a message with an attachment: `send-mail-send HOST USER PASSWORD FILE`.
use mail_send::{SmtpClientBuilder, mail_builder::MessageBuilder};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [host, user, password, file] = [1, 2, 3, 4].map(|at| std::env::args().nth(at).unwrap_or_default());
    let message = MessageBuilder::new()
        .from(("Ada", "ada@example.org"))
        .to(("Bob", "bob@example.net"))
        .subject("Pictures")
        .text_body("Here it is.\n")
        .attachment("image/png", "sun.png", std::fs::read(file)?);
    let client = SmtpClientBuilder::new(host, 465)?.implicit_tls(true).credentials((user, password));
    let mut client = client.connect().await?;
    client.send(message).await?;
    println!("sent");
    Ok(client.quit().await?)
}
