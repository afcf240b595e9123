//! Lists an inbox: `list-async-imap HOST USER PASSWORD`.
use std::sync::Arc;

use futures_util::TryStreamExt;
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [host, user, password] = [1, 2, 3].map(|at| std::env::args().nth(at).unwrap_or_default());
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = tokio::net::TcpStream::connect((&*host, 993)).await?;
    let stream = TlsConnector::from(Arc::new(config)).connect(host.try_into()?, stream).await?;
    let mut client = async_imap::Client::new(stream);
    client.read_response().await?;
    let mut session = client.login(user, password).await.map_err(|(error, _)| error)?;
    session.select("INBOX").await?;
    let mut messages = session.fetch("1:*", "ENVELOPE").await?;
    while let Some(message) = messages.try_next().await? {
        let subject = message.envelope().and_then(|envelope| envelope.subject.as_deref()).unwrap_or_default();
        println!("{}", String::from_utf8_lossy(subject));
    }
    drop(messages);
    Ok(session.logout().await?)
}
