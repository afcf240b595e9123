//! A test of code that sends mail: what was sent is looked at in a server of its own.
use std::time::Duration;

use anyhow::Context;
use mailwire_store::testing::MailServer;
use mailwire_transport::{Endpoint, Protocol, Result, sasl::Credentials, smtp};

/// What is tested.
async fn welcome(server: Endpoint, login: &Credentials, user: &str) -> Result<()> {
    let mut client = smtp::Client::connect(server, login).await?;
    let message = format!("From: shop@example.org\nTo: {user}\nSubject: Welcome\n\nHello!\n");
    let _sent = client.send_message(message).await?;
    client.quit().await
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = MailServer::start().await?;
    welcome(server.endpoint(Protocol::Submission), &server.credentials(), "bob@example.net").await?;
    let messages = server.wait_for(1, Duration::from_secs(5)).await?;
    let message = messages.first().context("no message")?;
    assert_eq!(message.recipients(), ["bob@example.net"]);
    assert_eq!(message.subject().as_deref(), Some("Welcome"));
    println!("as it should be");
    Ok(())
}
