//! Sends messages by one of several libraries: `client NAME PORT CONNECTIONS MESSAGES SIZE`, with
//! `NAME+nodelay` for TCP_NODELAY. Prints the seconds from the first message, on connections that are open, to the last
//! answer.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use lettre::transport::smtp::{client::AsyncSmtpConnection, extension::ClientId};
use mail_send::{SmtpClientBuilder, smtp::message::Message};
use mailwire_transport::{Endpoint, Security, smtp};
use tokio::{net::TcpStream, task::JoinSet};

const HOST: &str = "127.0.0.1";
const FROM: &str = "bob@example.net";
const TO: &str = "anna@example.org";

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, numbers @ ..] = arguments.as_slice() else { bail!("no name") };
    let numbers: Vec<usize> = numbers.iter().map(|word| word.parse()).collect::<Result<_, _>>()?;
    let &[port, connections, messages, size] = numbers.as_slice() else { bail!("not four numbers") };
    let port = u16::try_from(port)?;
    let message = message(size);
    let each = messages / connections;
    // Others' clients leave Nagle's algorithm on, and wait for delayed acknowledgements then.
    let (name, nodelay) = match name.strip_suffix("+nodelay") {
        Some(name) => (name, true),
        None => (name.as_str(), false),
    };
    let sent = Sent { port, each, message, nodelay };
    let seconds = match name {
        "ours" => timed::<Ours>(connections, sent).await?,
        "ours, in a row" => timed::<InARow>(connections, sent).await?,
        "lettre" => timed::<Lettre>(connections, sent).await?,
        "mail-send" => timed::<MailSend>(connections, sent).await?,
        name => bail!("no library is called {name}"),
    };
    println!("{seconds}");
    Ok(())
}

/// What each connection sends, and where.
#[derive(Clone)]
struct Sent {
    port: u16,
    each: usize,
    message: Bytes,
    nodelay: bool,
}

/// A library's client.
trait Library: Sized + Send + 'static {
    async fn open(sent: &Sent) -> Result<Self>;
    fn send(self, sent: Sent) -> impl Future<Output = Result<()>> + Send;
}

struct Ours(smtp::Client);

impl Library for Ours {
    async fn open(sent: &Sent) -> Result<Self> {
        let endpoint = Endpoint::tcp(HOST, sent.port, Security::plaintext_without_encryption());
        Ok(Self(smtp::Client::connect_with(endpoint, smtp::Config::default()).await?))
    }

    async fn send(mut self, sent: Sent) -> Result<()> {
        let envelope = smtp::Envelope::new(FROM, [TO])?;
        for _ in 0..sent.each {
            let report = self.0.send(&envelope, sent.message.clone()).await?;
            ensure!(report.refused.is_empty(), "a recipient was refused");
        }
        Ok(())
    }
}

/// Ours, which is given all messages at once: they share their round trips.
struct InARow(Ours);

impl Library for InARow {
    async fn open(sent: &Sent) -> Result<Self> {
        Ok(Self(Ours::open(sent).await?))
    }

    async fn send(mut self, sent: Sent) -> Result<()> {
        let envelope = smtp::Envelope::new(FROM, [TO])?;
        let messages = std::iter::repeat_n((&envelope, sent.message), sent.each);
        let mut sending = self.0.0.send_all(messages);
        while let Some(report) = sending.next().await {
            ensure!(report?.refused.is_empty(), "a recipient was refused");
        }
        Ok(())
    }
}

struct Lettre(AsyncSmtpConnection);

impl Library for Lettre {
    async fn open(sent: &Sent) -> Result<Self> {
        let (timeout, me) = (Some(Duration::from_secs(60)), ClientId::Domain("localhost".into()));
        if !sent.nodelay {
            return Ok(Self(
                AsyncSmtpConnection::connect_tokio1((HOST, sent.port), timeout, &me, None, None).await?,
            ));
        }
        let stream = TcpStream::connect((HOST, sent.port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self(AsyncSmtpConnection::connect_with_transport(Box::new(stream), &me).await?))
    }

    async fn send(mut self, sent: Sent) -> Result<()> {
        let envelope = lettre::address::Envelope::new(Some(FROM.parse()?), vec![TO.parse()?])?;
        for _ in 0..sent.each {
            self.0.send(&envelope, &sent.message).await?;
        }
        Ok(())
    }
}

struct MailSend(mail_send::SmtpClient<TcpStream>);

impl Library for MailSend {
    async fn open(sent: &Sent) -> Result<Self> {
        let client = SmtpClientBuilder::new(HOST, sent.port).connect_plain().await?;
        client.stream.set_nodelay(sent.nodelay)?;
        Ok(Self(client))
    }

    async fn send(mut self, sent: Sent) -> Result<()> {
        for _ in 0..sent.each {
            self.0.send(Message::new(FROM, [TO], sent.message.as_ref())).await?;
        }
        Ok(())
    }
}

/// A message of lines of 76 letters.
fn message(size: usize) -> Bytes {
    let mut message = b"From: bob@example.net\r\nTo: anna@example.org\r\nSubject: speed\r\n\r\n".to_vec();
    while message.len() < size {
        let line = 76.min(size.saturating_sub(message.len() + 2)).max(1);
        message.extend(std::iter::repeat_n(b'x', line));
        message.extend_from_slice(b"\r\n");
    }
    message.into()
}

/// Opens the connections, and then sends on all of them at once.
async fn timed<L: Library>(connections: usize, sent: Sent) -> Result<f64> {
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(L::open(&sent).await.context("no connection")?);
    }
    let start = Instant::now();
    let mut sending = JoinSet::new();
    for client in clients {
        sending.spawn(client.send(sent.clone()));
    }
    while let Some(done) = sending.join_next().await {
        done??;
    }
    Ok(start.elapsed().as_secs_f64())
}
