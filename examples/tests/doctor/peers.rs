//! What is no mail server of ours: a web server, servers from long ago, and a firewall.

use std::{collections::HashMap, net::Ipv4Addr, sync::Arc};

use mailwire_transport::{Stream, tls::ServerTls};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
};

/// Documents by their paths: a status, a media type, and the text.
pub(crate) type Documents = HashMap<String, (u16, &'static str, String)>;

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A web server within TLS.
pub(crate) async fn web(tls: ServerTls, documents: Documents) -> u16 {
    let (listener, port) = listener().await;
    let documents = Arc::new(documents);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (tls, documents) = (tls.clone(), documents.clone());
            tokio::spawn(async move {
                let Ok(stream) = tls.accept(Stream::from(socket)).await else { return };
                let mut stream = BufReader::new(stream);
                let (mut request, mut line) = (String::new(), String::new());
                while stream.read_line(&mut line).await.is_ok_and(|length| length > 2) {
                    if request.is_empty() {
                        request.clone_from(&line);
                    }
                    line.clear();
                }
                let path =
                    request.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
                let none = (404, "text/plain", String::new());
                let (status, media_type, text) = documents.get(path).unwrap_or(&none);
                let length = text.len();
                let response = format!(
                    "HTTP/1.1 {status} x\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n{text}"
                );
                let _ = stream.write_all(response.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    port
}

/// A server that knows nothing newer than TLS 1.0: its answer to each hello.
pub(crate) async fn tls_1_0() -> u16 {
    let (listener, port) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut hello = vec![2, 0, 0, 38, 3, 1];
            hello.extend([7; 32]);
            hello.extend([0, 0, 0x2f, 0]);
            let mut record = vec![22, 3, 1, 0, 42];
            record.extend(hello);
            tokio::spawn(async move {
                let mut header = [0; 5];
                let _ = stream.read_exact(&mut header).await;
                let _ = stream.write_all(&record).await;
                // The rest is read, so that the end is not a reset.
                while stream.read_u8().await.is_ok() {}
            });
        }
    });
    port
}

/// A server that says this, and nothing more.
pub(crate) async fn says(greeting: &'static str) -> u16 {
    let (listener, port) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.write_all(greeting.as_bytes()).await;
                while stream.read_u8().await.is_ok() {}
            });
        }
    });
    port
}

/// A port where what is sent comes to nothing, as long as this lives.
pub(crate) struct Firewall {
    pub(crate) port: u16,
    _listener: TcpListener,
    _waiting: Vec<JoinHandle<std::io::Result<TcpStream>>>,
}

impl Firewall {
    /// A queue of connections that is full.
    pub(crate) async fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let waiting = (0..8).map(|_| tokio::spawn(TcpStream::connect(address))).collect();
        tokio::task::yield_now().await;
        Self { port: address.port(), _listener: listener, _waiting: waiting }
    }
}
