//! Sends a hundred messages at once, over few connections that are kept: `pool smtps://ada:secret@mail.example.org`.
use std::time::Duration;

use mailwire_transport::{
    Account,
    smtp::{Config, Mailer},
};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let account = Account::parse(&std::env::args().nth(1).unwrap_or_default())?;
    let mailer = Mailer::with_config(account.endpoint().clone(), Config::try_from(&account)?);
    let mut tasks = JoinSet::new();
    for number in 1..=100 {
        let mailer = mailer.clone();
        let message = format!("From: ada@example.org\nTo: bob@example.net\nSubject: {number}\n\nHello.\n");
        tasks.spawn(async move { mailer.send_message(message).await });
    }
    let results = tasks.join_all().await;
    println!("{} sent", results.iter().filter(|result| result.is_ok()).count());
    mailer.close(Duration::from_secs(10)).await;
    Ok(())
}
