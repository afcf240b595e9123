//! The default client.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Http, HttpError, Request, Response, read::Reader};
use crate::{Endpoint, Phase, Security, Stream, Timeouts, tls::ClientTls, within};

/// The client of HTTP that is used if there is no other: a connection a request, TLS with verified certificates, HTTP/1.1.
///
/// Cheap to clone; clones share the configuration of TLS.
#[derive(Clone)]
pub struct HttpsClient {
    shape: Arc<dyn Fn(Endpoint) -> Endpoint + Send + Sync>,
    tls: Arc<OnceLock<ClientTls>>,
    timeout: Duration,
}

impl Default for HttpsClient {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpsClient {
    /// A client that trusts what [`ClientTls::new`] does.
    #[must_use]
    pub fn new() -> Self {
        Self { shape: Arc::new(|endpoint| endpoint), tls: Arc::default(), timeout: Duration::from_secs(20) }
    }

    /// Changes each server before it is connected to: through a proxy, from another address of the machine, by another
    /// configuration of TLS.
    #[must_use]
    pub fn with_endpoint(mut self, shape: impl Fn(Endpoint) -> Endpoint + Send + Sync + 'static) -> Self {
        self.shape = Arc::new(shape);
        self
    }

    /// Sets how long a request may take with all that belongs to it: 20 seconds by default.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn exchange(&self, request: &Request) -> Result<Response, HttpError> {
        let url = &request.url;
        let tls = match self.tls.get() {
            Some(tls) => tls,
            None => {
                let tls = ClientTls::new().map_err(crate::Error::from)?;
                self.tls.get_or_init(|| tls)
            }
        };
        let endpoint = Endpoint::tcp(url.host(), url.port(), Security::implicit_tls())
            .with_timeouts(Timeouts::interactive())
            .with_tls(tls.clone());
        let endpoint = (self.shape)(endpoint);
        let mut stream = endpoint.connect().await?;
        let failed = |error: std::io::Error| {
            crate::Error::from(error).during(endpoint.address(), &"asking for a document")
        };
        let (head, body) = written(request);
        stream.write_all(head.as_bytes()).await.map_err(failed)?;
        stream.write_all(body).await.map_err(failed)?;
        stream.flush().await.map_err(failed)?;
        read(&mut stream, request, failed).await
    }
}

async fn read(
    stream: &mut Stream,
    request: &Request,
    failed: impl Fn(std::io::Error) -> crate::Error,
) -> Result<Response, HttpError> {
    let mut reader = Reader::new(request.url.host(), request.limit);
    let mut input = BytesMut::new();
    loop {
        if let Some(response) = reader.next(&mut input)? {
            return Ok(response);
        }
        input.reserve(4096);
        match stream.read_buf(&mut input).await {
            Ok(0) => return reader.end(),
            Ok(_) => {}
            Err(error) => return Err(failed(error).into()),
        }
    }
}

/// ```text
/// HTTP-message = request-line CRLF *( field-line CRLF ) CRLF [ message-body ]
/// ```
fn written(request: &Request) -> (String, &[u8]) {
    let (url, authority) = (&request.url, request.url.authority());
    let common = format!(
        "{} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: mailwire\r\nAccept: */*\r\nConnection: close\r\n",
        url.target()
    );
    match &request.body {
        None => (format!("GET {common}\r\n"), &[]),
        Some((media_type, body)) => {
            let length = body.len();
            let head = format!("POST {common}Content-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n");
            (head, body)
        }
    }
}

impl Http for HttpsClient {
    async fn send(&self, request: &Request) -> Result<Response, HttpError> {
        // The time is over where the connection is; what fails before that is told as it is.
        let exchange = async { Ok::<_, crate::Error>(self.exchange(request).await) };
        within(self.timeout, Phase::Command, exchange)
            .await
            .map_err(|error| error.during(&request.url.host(), &Phase::Command))?
    }
}

impl fmt::Debug for HttpsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpsClient").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
