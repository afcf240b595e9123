//! Downloads over connections that are cut at every byte: nothing is lost, and nothing comes twice.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    pin::Pin,
    task::{Context, Poll},
    time::SystemTime,
};

use bytes::Bytes;
use mailwire_core::{Channel, Secret};
use mailwire_store::{Pop3Service, memory::MemoryStore};
use mailwire_transport::{
    Endpoint, Result, Security, Stream,
    pop3::{Client, Config, Download, Keep, LoginMechanism, Seen, Server},
    sasl::{Authenticator, Credentials, LoginContext, Unavailable},
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

struct Quick;

impl Authenticator for Quick {
    async fn verify_password(
        &self,
        _: &str,
        password: &Secret,
        _: &LoginContext,
    ) -> Result<bool, Unavailable> {
        Ok(password.expose() == b"secret")
    }
}

/// A stream that ends after so many bytes in both directions together.
struct Cut {
    stream: DuplexStream,
    left: usize,
}

impl AsyncRead for Cut {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut room = vec![0; self.left.min(buffer.remaining())];
        let mut small = ReadBuf::new(&mut room);
        let result = Pin::new(&mut self.stream).poll_read(context, &mut small);
        self.left -= small.filled().len();
        buffer.put_slice(small.filled());
        result
    }
}

impl AsyncWrite for Cut {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let bytes = bytes.get(..self.left.min(bytes.len())).unwrap_or_default();
        if bytes.is_empty() {
            return Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()));
        }
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = result {
            self.left -= count;
        }
        result
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

const MESSAGES: [&str; 3] =
    ["Subject: one\r\n\r\n.\r\n", "Subject: two\r\n\r\nlonger\r\n", "Subject: three\r\n\r\n\r\n"];

/// One session over a connection that ends after so many bytes. What was confirmed is put into `got`.
async fn session(
    server: &Server<Pop3Service<MemoryStore, Quick>>,
    cut: usize,
    keep: Keep,
    seen: &mut Seen,
    got: &mut BTreeMap<Bytes, usize>,
) -> Result<()> {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let serving = server.clone();
    let task = tokio::spawn(async move { serving.serve_stream(Stream::other(theirs), Channel::Clear).await });
    let mut config = Config::login(Credentials::password("ada", "secret")).with_allow_clear_credentials(true);
    config.mechanism = Some(LoginMechanism::UserPass);
    let endpoint = Endpoint::tcp("pipe", 110, Security::plaintext_without_encryption());
    let result = async {
        let stream = Stream::other(Cut { stream: ours, left: cut });
        let client = Client::over(stream, endpoint, config).await?;
        let mut downloads = client.download(Download::new(keep), seen, SystemTime::now()).await?;
        while let Some((message, body)) = downloads.next().await? {
            let text = body.unwrap().bytes(1000).await?;
            *got.entry(text).or_default() += 1;
            downloads.confirm(&message).unwrap();
        }
        downloads.quit().await?;
        Ok(())
    }
    .await;
    // The lease ends with the session.
    let _ = task.await;
    result
}

#[tokio::test]
async fn at_every_byte_nothing_is_lost_and_nothing_comes_twice() {
    // A user is made once, as that takes time.
    let store = MemoryStore::new();
    let ada = store.add_user("ada", "secret").unwrap();
    let server = Server::new(Pop3Service::with_authenticator(store.clone(), Quick)).allow_clear_credentials();
    for keep in [Keep::Nothing, Keep::All] {
        let mut cut = 0;
        loop {
            for message in MESSAGES {
                ada.deliver(Bytes::from_static(message.as_bytes())).unwrap();
            }
            let (mut seen, mut got) = (Seen::new(), BTreeMap::new());
            let whole = session(&server, cut, keep, &mut seen, &mut got).await.is_ok();
            // What is gone from the server, the caller has.
            let there = store.user("ada").unwrap().messages("INBOX").unwrap();
            for message in MESSAGES.map(|message| Bytes::from_static(message.as_bytes())) {
                assert!(there.contains(&message) || got.contains_key(&message), "cut after {cut}");
            }
            // The next session brings the rest, with the state as a text.
            let mut seen: Seen = seen.to_string().parse().unwrap();
            session(&server, usize::MAX, keep, &mut seen, &mut got).await.unwrap();
            let expected: BTreeMap<Bytes, usize> =
                MESSAGES.map(|message| (Bytes::from_static(message.as_bytes()), 1)).into();
            assert_eq!(got, expected, "cut after {cut}");
            let left = store.user("ada").unwrap().messages("INBOX").unwrap().len();
            assert_eq!(left, if keep == Keep::All { MESSAGES.len() } else { 0 }, "cut after {cut}");
            session(&server, usize::MAX, Keep::Nothing, &mut seen, &mut got).await.unwrap();
            if whole {
                break;
            }
            cut += 1;
        }
        assert!(cut > 300, "all of a session: {cut}");
    }
}
