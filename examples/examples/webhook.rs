//! Posts each message that comes to a URL's host and path: `webhook 127.0.0.1:2525 127.0.0.1:8080 /mail`.
use mailwire_transport::smtp::{Server, proto::*, server::*};
use mailwire_transport::{Security, server::Listener};
use std::time::Duration;
use tokio::{io::*, net::TcpStream, time::timeout};

/// Whether the other side has said that it has the message.
async fn post(host: &str, path: &str, from: &str, message: &[u8]) -> Result<bool> {
    let mut stream = TcpStream::connect(host).await?;
    let head = format!("POST {path} HTTP/1.0\r\nHost: {host}\r\nMail-From: {from}\r\nContent-Length: ");
    let head = format!("{head}{}\r\n\r\n", message.len());
    stream.write_all(&[head.as_bytes(), message].concat()).await?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    Ok(answer.split(' ').nth(1).is_some_and(|status| status.starts_with('2')))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let [address, host, path] = [1, 2, 3].map(|at| std::env::args().nth(at).unwrap_or_default());
    let service = each_message(move |Incoming { transaction, message, .. }| {
        let (host, path) = (host.clone(), path.clone());
        async move {
            let from = transaction.mail.from.to_string();
            // Well before the client of SMTP has no patience any more, which is after ten minutes.
            match timeout(Duration::from_secs(30), post(&host, &path, &from, &message)).await {
                Ok(Ok(true)) => Reply::new(ReplyCode::OK, "2.0.0 Handed on"),
                _ => Reply::new(ReplyCode::LOCAL_ERROR, "4.3.0 Try again later"),
            }
        }
    });
    let listener = Listener::bind(&*address, Security::plaintext_without_encryption(), None).await?;
    println!("{}", listener.local_addr().map_or(address, |it| it.to_string()));
    Ok(Server::new(service, "mx.example.org".try_into()?).serve(listener, Default::default()).await?)
}
