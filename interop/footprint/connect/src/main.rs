//! Opens a TLS connection and says hello, which is in each of the programs beside it: `connect HOST`.
use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let host = std::env::args().nth(1).unwrap_or_default();
    let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = timeout(Duration::from_secs(30), TcpStream::connect((&*host, 465))).await??;
    let mut tls = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(host)?, tcp).await?;
    tls.write_all(b"EHLO [127.0.0.1]\r\n").await?;
    let mut reply = vec![0; 4096];
    let length = tls.read(&mut reply).await?;
    println!("{}", String::from_utf8_lossy(reply.get(..length).unwrap_or_default()));
    Ok(())
}
