//! A compressed stream: whatever the peer flushes, however it is cut, and what a few bytes can stand for.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::BytesMut;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use mailwire_core::Upgrade;
use mailwire_transport::Stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

/// What a peer sends that flushes so after each part.
fn deflated(deflate: &mut Compress, parts: &[&[u8]], flush: FlushCompress) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        let end = deflate.total_in() + part.len() as u64;
        let mut rest = *part;
        loop {
            out.reserve(8192);
            let before = deflate.total_in();
            deflate.compress_vec(rest, &mut out, flush).unwrap();
            rest = &rest[(deflate.total_in() - before) as usize..];
            if deflate.total_in() == end && out.len() < out.capacity() {
                break;
            }
        }
    }
    out
}

fn raw() -> Compress {
    Compress::new(Compression::best(), false)
}

fn compressed(stream: DuplexStream, rest: &[u8]) -> Stream {
    Stream::other(stream).layered(Upgrade::Deflate, rest.into()).unwrap()
}

async fn read(stream: &mut (impl AsyncRead + Unpin), length: usize) -> String {
    let mut text = vec![0; length];
    stream.read_exact(&mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

/// Reads once, without waiting.
fn read_now(stream: &mut Stream, room: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buf = ReadBuf::new(room);
    let mut cx = Context::from_waker(Waker::noop());
    Pin::new(stream).poll_read(&mut cx, &mut buf).map_ok(|()| buf.filled().len())
}

#[tokio::test]
async fn a_group_is_readable_once_it_is_flushed() {
    for size in [64, 4096] {
        let (ours, theirs) = duplex(size);
        let (mut ours, mut theirs) = (compressed(ours, b""), compressed(theirs, b""));
        let there = async {
            for turn in 0..20 {
                ours.write_all(format!("a{turn} FETCH 1:* (UID FLAGS)\r\n").as_bytes()).await.unwrap();
                ours.flush().await.unwrap();
                assert_eq!(read(&mut ours, 3).await, "ok\n", "{turn}");
            }
            ours.shutdown().await.unwrap();
            ours
        };
        let back = async {
            for turn in 0..20 {
                let due = format!("a{turn} FETCH 1:* (UID FLAGS)\r\n");
                assert_eq!(read(&mut theirs, due.len()).await, due);
                theirs.write_all(b"ok\n").await.unwrap();
                theirs.flush().await.unwrap();
            }
            assert_eq!(theirs.read_to_end(&mut Vec::new()).await.unwrap(), 0);
        };
        tokio::join!(there, back);
    }
}

#[tokio::test]
async fn every_kind_of_flush_is_read_at_every_cut() {
    let parts: [&[u8]; 4] = [b"* 1 EXISTS\r\n", b"", b"a1 OK done\r\n", &[b'x'; 3000]];
    let whole: Vec<u8> = parts.concat();
    for flush in [FlushCompress::Partial, FlushCompress::Sync, FlushCompress::Full] {
        let bytes = deflated(&mut raw(), &parts, flush);
        for cut in 0..=bytes.len() {
            let (ours, mut theirs) = duplex(1 << 16);
            // What came with the agreement is the first of it.
            let mut ours = compressed(ours, &bytes[..cut]);
            theirs.write_all(&bytes[cut..]).await.unwrap();
            assert_eq!(read(&mut ours, whole.len()).await.as_bytes(), whole, "{flush:?} {cut}");
        }
        let (ours, mut theirs) = duplex(1);
        let mut ours = compressed(ours, b"");
        // The end of the flush may stay where it is.
        let writer = tokio::spawn(async move { theirs.write_all(&bytes).await });
        assert_eq!(read(&mut ours, whole.len()).await.as_bytes(), whole, "{flush:?}");
        writer.abort();
    }
}

#[tokio::test]
async fn what_is_written_is_deflate_and_flushed_once() {
    let (ours, mut theirs) = duplex(1 << 20);
    let mut ours = compressed(ours, b"");
    // Large enough to be compressed in several pieces.
    let text = "FLAGS (\\Seen \\Answered) 1234567 ".repeat(5000);
    ours.write_all(text.as_bytes()).await.unwrap();
    ours.flush().await.unwrap();
    ours.flush().await.unwrap();
    let mut sent = vec![0; 1 << 20];
    let count = theirs.read(&mut sent).await.unwrap();
    assert!(count < text.len() / 3, "{count}");
    let mut out = Vec::with_capacity(text.len() + 1);
    Decompress::new(false).decompress_vec(&sent[..count], &mut out, FlushDecompress::Sync).unwrap();
    assert_eq!(out, text.as_bytes());
    // The end of one flush, and not another one for nothing.
    assert!(sent[..count].ends_with(&[0, 0, 0xff, 0xff]));
    assert!(!sent[..count - 5].ends_with(&[0, 0, 0xff, 0xff]));
}

/// RFC 1951 lets a byte stand for a thousand: no more of them is made than there is room for, and a peer whose
/// bytes nobody reads cannot send on.
#[tokio::test]
async fn a_bomb_fills_no_more_than_the_room_of_its_reader() {
    let zeros = vec![0; 64 << 20];
    let bomb = deflated(&mut raw(), &[&zeros], FlushCompress::Sync);
    assert!(bomb.len() < 200_000);
    let (ours, mut theirs) = duplex(1024);
    let mut ours = compressed(ours, b"");
    let writer = tokio::spawn(async move { theirs.write_all(&bomb).await });
    let mut room = [1; 1000];
    for _ in 0..100 {
        assert!((1..=1000).contains(&ours.read(&mut room).await.unwrap()));
    }
    tokio::task::yield_now().await;
    assert!(!writer.is_finished());
    writer.abort();
}

/// However much there is, others have their turn.
#[test]
fn a_reader_of_a_bomb_lets_others_have_their_turn() {
    let zeros = vec![0; 4 << 20];
    let bomb = deflated(&mut raw(), &[&zeros], FlushCompress::Sync);
    let (ours, _theirs) = duplex(16);
    let mut ours = compressed(ours, &bomb);
    let (mut room, mut read, mut turns) = (vec![0; 32 << 10], 0, 0);
    while read < zeros.len() {
        match read_now(&mut ours, &mut room) {
            Poll::Ready(count) => read += count.unwrap(),
            Poll::Pending => turns += 1,
        }
        assert!(turns < 1000, "{read}");
    }
    assert!((10..20).contains(&turns), "{turns}");
}

#[tokio::test]
async fn what_is_no_deflate_is_an_error() {
    for wrong in [&b"a1 NOOP\r\n"[..], b"\xff\xff\xff\xff"] {
        let (ours, _theirs) = duplex(64);
        let error = compressed(ours, wrong).read(&mut [0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
    // The peer ends its data, and goes on.
    let mut bytes = deflated(&mut raw(), &[b"bye"], FlushCompress::Finish);
    let (ours, theirs) = duplex(64);
    let mut stream = compressed(ours, &bytes);
    drop(theirs);
    assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap(), 3);
    bytes.push(b'x');
    let (ours, _theirs) = duplex(64);
    let error = compressed(ours, &bytes).read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

/// RFC 8437 section 4.1: what follows the last flush is not compressed, even if it came with it.
#[tokio::test]
async fn compression_ends_where_both_sides_say_so() {
    let command = b"a1 UNAUTHENTICATE\r\n";
    for flush in [FlushCompress::Sync, FlushCompress::Full, FlushCompress::Finish] {
        let mut bytes = deflated(&mut raw(), &[command], flush);
        bytes.extend_from_slice(b"a2 NOOP\r\n");
        for cut in 0..bytes.len() {
            let (ours, mut theirs) = duplex(1 << 10);
            let mut ours = compressed(ours, b"");
            theirs.write_all(&bytes[..cut]).await.unwrap();
            let (mut room, mut text) = ([0; 100], Vec::new());
            while let Poll::Ready(count) = read_now(&mut ours, &mut room) {
                text.extend_from_slice(&room[..count.unwrap()]);
                if text.len() >= command.len() {
                    break;
                }
            }
            theirs.write_all(&bytes[cut..]).await.unwrap();
            let missing = command.len() - text.len();
            text.extend_from_slice(read(&mut ours, missing).await.as_bytes());
            assert_eq!(text, command, "{flush:?} {cut}");
            let mut ours = ours.layered(Upgrade::Uncompressed, BytesMut::new()).unwrap();
            assert_eq!(read(&mut ours, 9).await, "a2 NOOP\r\n", "{flush:?} {cut}");
            ours.write_all(b"a2 OK\r\n").await.unwrap();
            assert_eq!(read(&mut theirs, 7).await, "a2 OK\r\n");
            // And it can begin anew.
            let mut ours = ours.layered(Upgrade::Deflate, BytesMut::new()).unwrap();
            theirs.write_all(&deflated(&mut raw(), &[b"a3"], FlushCompress::Sync)).await.unwrap();
            assert_eq!(read(&mut ours, 2).await, "a3");
        }
    }
}

/// A peer that reads slowly always leaves something unread: what it has read is not kept for that.
#[test]
fn what_was_written_is_not_kept() {
    let (ours, mut theirs) = duplex(4096);
    let mut ours = compressed(ours, b"");
    let mut cx = Context::from_waker(Waker::noop());
    let mut seed = 1_u32;
    let mut noise = |count| -> Vec<u8> {
        let next = |_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        };
        (0..count).map(next).collect()
    };
    let _ = Pin::new(&mut ours).poll_write(&mut cx, &noise(10_000));
    for round in 0..500 {
        let more = noise(4000);
        // Others have their turn now and then.
        while Pin::new(&mut ours).poll_write(&mut cx, &more).is_pending() {}
        assert!(Pin::new(&mut ours).poll_flush(&mut cx).is_pending(), "{round}");
        let mut room = [0; 4000];
        let _ = Pin::new(&mut theirs).poll_read(&mut cx, &mut ReadBuf::new(&mut room));
    }
    let shown = format!("{ours:?}");
    let (_, waiting) = shown.split_once("waiting: ").unwrap();
    let waiting: usize = waiting.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
    assert!((1..128 << 10).contains(&waiting), "{waiting}");
}
