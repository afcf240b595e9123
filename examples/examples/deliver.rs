//! Delivers a message from standard input to the servers of its recipients: `deliver ada@example.org bob@example.net < message.eml`.
use std::{io::Read as _, time::Duration};

use mailwire_transport::deliver::{Delivery, Status};
use mailwire_transport::smtp::Envelope;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let addresses: Vec<String> = std::env::args().skip(1).collect();
    let (from, to) =
        addresses.split_first().ok_or_else(|| anyhow::anyhow!("deliver FROM TO... < MESSAGE"))?;
    let envelope = Envelope::new(from, to.iter().map(String::as_str))?;
    let mut message = Vec::new();
    std::io::stdin().read_to_end(&mut message)?;
    let delivery = Delivery::new()?;
    let report = delivery.deliver(&envelope, message).await;
    for recipient in &report.recipients {
        match &recipient.status {
            Status::Delivered(reply) => println!("{}: {reply}", recipient.address),
            Status::Deferred(reason) if reason.is_greylisting() => {
                println!("{}: in 15 minutes", recipient.address)
            }
            Status::Deferred(reason) => println!("{}: later: {reason}", recipient.address),
            status => println!("{}: {status:?}", recipient.address),
        }
    }
    delivery.close(Duration::from_secs(5)).await;
    Ok(())
}
