//! The IMAP server over sockets: STARTTLS, injection, login within TLS, shutting down.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{net::SocketAddr, time::Duration};

use mailwire_core::SaslStep;
use mailwire_store::{ImapService, memory::MemoryStore};
use mailwire_transport::{
    Endpoint, Security, Stream,
    imap::Server,
    sasl::{ClientExchange, Credentials, Mechanism, SaslContext},
    server::Listener,
    testing::TestCa,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

struct Running {
    address: SocketAddr,
    ca: TestCa,
    shutdown: CancellationToken,
    server: JoinHandle<mailwire_transport::Result<()>>,
}

async fn serve(security: Security) -> Running {
    let store = MemoryStore::new();
    store.add_user("ada", "secret").unwrap();
    let ca = TestCa::new().unwrap();
    let tls = ca.server_tls(&["localhost"]).unwrap();
    let listener = Listener::bind("127.0.0.1:0", security, Some(tls)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    let server =
        tokio::spawn(async move { Server::new(ImapService::new(store)).serve(listener, token).await });
    Running { address, ca, shutdown, server }
}

impl Running {
    async fn connect(&self) -> BufReader<TcpStream> {
        BufReader::new(TcpStream::connect(self.address).await.unwrap())
    }

    fn endpoint(&self, security: Security) -> Endpoint {
        Endpoint::tcp("localhost", self.address.port(), security).with_tls(self.ca.client_tls().unwrap())
    }
}

async fn line<S: AsyncReadExt + Unpin>(stream: &mut BufReader<S>) -> String {
    let mut line = String::new();
    timeout(Duration::from_secs(20), stream.read_line(&mut line)).await.unwrap().unwrap();
    line.trim_end().to_owned()
}

#[tokio::test]
async fn bytes_after_starttls_are_not_commands() {
    let running = serve(Security::required_starttls()).await;
    let mut stream = running.connect().await;
    let greeting = line(&mut stream).await;
    assert!(greeting.contains("STARTTLS") && greeting.contains("LOGINDISABLED"), "{greeting}");
    // In clear, only what shows no password is offered.
    let mut offered = greeting.split([' ', ']']).filter_map(|word| word.strip_prefix("AUTH="));
    assert!(offered.all(|mechanism| mechanism.starts_with("SCRAM-")), "{greeting}");
    stream.write_all(b"a STARTTLS\r\nb LOGIN ada secret\r\nc LOGOUT\r\n").await.unwrap();
    let mut rest = String::new();
    timeout(Duration::from_secs(20), stream.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert!(rest.starts_with("* BYE"), "{rest}");
    assert!(!rest.contains("OK"), "{rest}");

    // In a later segment, before the handshake: it is no handshake, and nothing of it is executed.
    let mut stream = running.connect().await;
    line(&mut stream).await;
    stream.write_all(b"a STARTTLS\r\n").await.unwrap();
    assert!(line(&mut stream).await.starts_with("a OK"));
    stream.write_all(b"b LOGIN ada secret\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await.unwrap();
    assert!(!String::from_utf8_lossy(&rest).contains("OK"), "{rest:?}");
}

#[tokio::test]
async fn no_credentials_in_clear() {
    for security in [Security::required_starttls(), Security::plaintext_without_encryption()] {
        let running = serve(security).await;
        let mut stream = running.connect().await;
        line(&mut stream).await;
        stream.write_all(b"a LOGIN ada secret\r\n").await.unwrap();
        assert!(line(&mut stream).await.starts_with("a NO [PRIVACYREQUIRED]"));
        stream.write_all(b"b AUTHENTICATE PLAIN AGFkYQBzZWNyZXQ=\r\n").await.unwrap();
        assert!(line(&mut stream).await.starts_with("b NO [PRIVACYREQUIRED]"));
        // A password that is to follow as a literal is not asked for.
        stream.write_all(b"c LOGIN ada {6}\r\n").await.unwrap();
        assert!(line(&mut stream).await.starts_with("c NO"));
    }
}

#[tokio::test]
async fn scram_with_channel_binding_after_starttls() {
    let running = serve(Security::required_starttls()).await;
    let endpoint = running.endpoint(Security::required_starttls());
    let mut stream = BufReader::new(endpoint.connect().await.unwrap());
    line(&mut stream).await;
    stream.write_all(b"a STARTTLS\r\n").await.unwrap();
    assert!(line(&mut stream).await.starts_with("a OK"));
    let stream = endpoint.start_tls(stream.into_inner()).await.unwrap();
    let context = SaslContext::of(&stream);
    let mut stream = BufReader::new(stream);
    stream.write_all(b"b CAPABILITY\r\n").await.unwrap();
    let capabilities = line(&mut stream).await;
    assert!(!capabilities.contains("STARTTLS"), "{capabilities}");
    line(&mut stream).await;

    let offered = capabilities.split(' ').filter_map(|word| word.strip_prefix("AUTH="));
    let credentials = Credentials::password("ada", "secret");
    let mut exchange = ClientExchange::choose(&credentials, offered, &context).unwrap();
    assert_eq!(exchange.mechanism(), &Mechanism::ScramSha256Plus);
    let end = exchange_lines(&mut stream, &mut exchange).await;
    assert!(end.starts_with("c OK [CAPABILITY"), "{end}");
    exchange.finish(None).unwrap();
}

async fn exchange_lines(stream: &mut BufReader<Stream>, exchange: &mut ClientExchange) -> String {
    let mut command = format!("c AUTHENTICATE {} ", exchange.mechanism()).into_bytes();
    mailwire_core::sasl::encode_initial(exchange.initial().unwrap().unwrap().expose(), &mut command);
    command.extend_from_slice(b"\r\n");
    stream.write_all(&command).await.unwrap();
    loop {
        let line = line(stream).await;
        let Some(challenge) = line.strip_prefix("+ ") else { return line };
        let challenge = mailwire_core::sasl::decode(challenge.as_bytes()).unwrap();
        let SaslStep::Data(response) = exchange.step(&challenge).unwrap() else { panic!("cancelled") };
        let mut answer = Vec::new();
        mailwire_core::sasl::encode(response.expose(), &mut answer);
        answer.extend_from_slice(b"\r\n");
        stream.write_all(&answer).await.unwrap();
    }
}

#[tokio::test]
async fn shutting_down_says_bye() {
    let running = serve(Security::implicit_tls()).await;
    let connected = running.endpoint(Security::implicit_tls()).connect().await.unwrap();
    let mut stream = BufReader::new(connected);
    let greeting = line(&mut stream).await;
    assert!(greeting.contains("AUTH=SCRAM-SHA-256-PLUS"), "{greeting}");
    stream.write_all(b"a LOGIN ada secret\r\nb SELECT INBOX\r\nc IDLE\r\n").await.unwrap();
    while !line(&mut stream).await.starts_with("+ ") {}
    running.shutdown.cancel();
    assert_eq!(line(&mut stream).await, "* BYE [UNAVAILABLE] The server shuts down");
    assert_eq!(line(&mut stream).await, "");
    drop(stream);
    timeout(Duration::from_secs(20), running.server).await.unwrap().unwrap().unwrap();
}
