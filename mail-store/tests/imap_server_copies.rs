//! What the IMAP server sends of a message is the store's own memory.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    io::{self, IoSlice},
    ops::Range,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use mailwire_core::Channel;
use mailwire_store::{ImapService, memory::MemoryStore};
use mailwire_transport::{Stream, imap::server::Server};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, WriteHalf};

/// Counts the written bytes that come from one place in memory.
struct Watched {
    stream: WriteHalf<DuplexStream>,
    place: Range<usize>,
    from_there: Arc<AtomicUsize>,
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(count)) = written
            && self.place.contains(&(buf.as_ptr() as usize))
        {
            self.from_there.fetch_add(count, Ordering::Relaxed);
        }
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write(cx, bufs.first().map_or(&[], |first| first))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_message_is_not_copied_on_its_way_to_the_stream() {
    let (header, line) = ("Subject: x\r\n\r\n", "a line of the message\r\n");
    let message = Bytes::from(format!("{header}{}", line.repeat(10_000)));
    let store = MemoryStore::new();
    store.add_user("ada", "secret").unwrap().deliver(message.clone()).unwrap();

    let (mut client, theirs) = tokio::io::duplex(1 << 16);
    let from_there = Arc::new(AtomicUsize::new(0));
    let start = message.as_ptr() as usize;
    let place = start..start + message.len();
    let (reads, stream) = tokio::io::split(theirs);
    let watched = Watched { stream, place, from_there: Arc::clone(&from_there) };
    let theirs = tokio::io::join(reads, watched);
    let server = Server::new(ImapService::new(store));
    tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Tls).await });

    let commands = "a LOGIN ada secret\r\nb SELECT INBOX\r\n\
        c FETCH 1 (BODY.PEEK[] UID BODY.PEEK[TEXT] BODY.PEEK[]<100.2000> BODY.PEEK[HEADER] BINARY.PEEK[1])\r\n";
    client.write_all(commands.as_bytes()).await.unwrap();
    let mut answers = Vec::new();
    while !answers.ends_with(b"c OK Done\r\n") {
        assert_ne!(client.read_buf(&mut answers).await.unwrap(), 0, "closed");
    }
    // The header is so small that it is copied.
    let text = message.len() - header.len();
    assert_eq!(from_there.load(Ordering::Relaxed), message.len() + text + 2000 + text);
}
