//! Sends a message with an attachment: `send-lettre HOST USER PASSWORD FILE`.
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Attachment, MultiPart, SinglePart},
    transport::smtp::authentication::Credentials,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [host, user, password, file] = [1, 2, 3, 4].map(|at| std::env::args().nth(at).unwrap_or_default());
    let attachment = Attachment::new("sun.png".into()).body(std::fs::read(file)?, "image/png".parse()?);
    let message = Message::builder()
        .from("Ada <ada@example.org>".parse()?)
        .to("Bob <bob@example.net>".parse()?)
        .subject("Pictures")
        .multipart(MultiPart::mixed().singlepart(SinglePart::plain("Here it is.\n".to_owned())).singlepart(attachment))?;
    let client = AsyncSmtpTransport::<Tokio1Executor>::relay(&host)?
        .credentials(Credentials::new(user, password))
        .build();
    let reply = client.send(message).await?;
    println!("{} {}", reply.code(), reply.first_line().unwrap_or_default());
    Ok(())
}
