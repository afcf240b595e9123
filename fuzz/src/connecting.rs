//! What a program is given, or told by others, on its way to a server: URLs of accounts, answers of proxies, PROXY headers; and what it
//! makes of a message that the server cannot take as it is.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use mailwire_transport::{
    Account, Endpoint, Payload, Security, Stream,
    proxy::{Handshake, Proxy, Step},
    proxy_protocol::Header,
    smtp::{Client, Config, Envelope, Missing},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::mail::in_proportion;

/// A text as the URL of an account: what is read is written in one form, which reads as the same; nothing that is refused is
/// shown.
pub fn account_url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let account = match in_proportion(data.len(), 64, || Account::parse(text)) {
        Ok(account) => account,
        Err(error) => {
            assert!(error.offset <= text.len(), "{error}");
            return;
        }
    };
    let url = account.to_url();
    let url = std::str::from_utf8(url.expose()).expect("a URL is text");
    let again = Account::parse(url).expect("what is written is read");
    assert_eq!(again.to_url().expose(), url.as_bytes(), "one form");
    assert_eq!((again.protocol(), again.user()), (account.protocol(), account.user()));
    assert_eq!(again.endpoint().address(), account.endpoint().address());
    assert_eq!(again.endpoint().security(), account.endpoint().security());
    assert_eq!(again.has_password(), account.has_password());
    let shown = Account::parse(&account.to_string()).expect("what is shown is read");
    assert!(!shown.has_password(), "a password is shown");
    assert_eq!((shown.user(), shown.endpoint().address()), (account.user(), account.endpoint().address()));
}

/// The answers of a proxy: SOCKS5 or HTTP, with a login or without, by the first byte. No more is read than there surely is, nor
/// without end.
pub fn proxy_answer(data: &[u8]) {
    let Some((first, mut answer)) = data.split_first() else { return };
    let is_http = first & 1 > 0;
    let proxy =
        if is_http { Proxy::http("proxy.example", 8080) } else { Proxy::socks5("proxy.example", 1080) };
    let proxy = if first & 2 > 0 { proxy.with_login("ada", "s3kr1t") } else { proxy };
    let host = if first & 4 > 0 { "2001:db8::1" } else { "mail.example.org" };
    let mut handshake = Handshake::new(&proxy, host, 993).expect("a host that can be asked for");
    let before = answer.len();
    in_proportion(data.len(), 8, || {
        loop {
            match handshake.next_step() {
                Step::Write(bytes) => assert!(!bytes.expose().is_empty() && bytes.expose().len() < 1024),
                Step::Read(count) => {
                    assert!((1..=512).contains(&count), "{count} bytes are asked for");
                    let Some((now, rest)) = answer.split_at_checked(count) else { return };
                    answer = rest;
                    assert!(before - answer.len() <= (16 << 10) + 2, "it reads on and on");
                    if let Err(refusal) = handshake.received(now) {
                        assert!(!format!("{refusal:?} {refusal}").contains("s3kr1t"), "a secret in an error");
                        return;
                    }
                }
                Step::Done => break,
            }
        }
        assert!(!format!("{handshake:?}").contains("s3kr1t"), "a secret is shown");
        let heard = data.get(1..=before - answer.len()).expect("what was read");
        if is_http {
            // All of the answer, and nothing after it: of those before the last one, each has the end of its header.
            assert!(heard.ends_with(b"\n\r\n") || heard.ends_with(b"\n\n"), "{}", heard.escape_ascii());
        } else {
            assert_eq!(heard.first(), Some(&5));
            assert!(heard.len() <= 4 + 4 + 256 + 2 + 2, "an answer of {} bytes", heard.len());
        }
    });
}

/// Bytes as a PROXY header: no byte after it is asked for, and what is read is written and reads as the same.
pub fn proxy_header(data: &[u8]) {
    let mut begun = 0;
    let whole = loop {
        let bytes = data.get(..begun).expect("what was read");
        let missing = match Header::missing(bytes) {
            Ok(0) => break bytes,
            Ok(missing) => missing,
            Err(error) => {
                // Where the longest line would have ended, if that cannot be any more.
                assert!(error.offset <= begun.max(107), "{error}");
                return;
            }
        };
        begun += missing;
        assert!(begun <= 16 + 4096, "a header of {begun} bytes");
        if begun > data.len() {
            return;
        }
    };
    // However it comes in pieces.
    for cut in 0..whole.len().min(256) {
        let missing = Header::missing(&whole[..cut]).expect("the beginning of a header");
        assert!(
            missing > 0 && cut + missing <= whole.len(),
            "{missing} bytes after {cut} of {}",
            whole.len()
        );
    }
    let frame = Bytes::copy_from_slice(whole);
    let Ok(header) = in_proportion(whole.len(), 64, || Header::parse(&frame)) else { return };
    let written = header.to_bytes();
    assert_eq!(Header::missing(&written), Ok(0));
    assert_eq!(Header::parse(&written).as_ref(), Ok(&header), "{}", written.escape_ascii());
}

/// A server that takes ASCII, and what came.
struct SevenBit {
    input: Vec<u8>,
    output: VecDeque<u8>,
    in_message: bool,
    message: Arc<Mutex<Option<Vec<u8>>>>,
}

impl SevenBit {
    fn answer(&mut self) {
        loop {
            let end: &[u8] = if self.in_message { b"\r\n.\r\n" } else { b"\r\n" };
            // The line before the first one of a message is the command.
            let Some(at) = self.input.windows(end.len()).position(|part| part == end) else { return };
            let taken: Vec<u8> = self.input.drain(..at + end.len()).collect();
            if self.in_message {
                let text = taken.get(2..taken.len() - 3).expect("between the ends");
                *self.message.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.to_vec());
                self.in_message = false;
                self.output.extend(b"250 taken\r\n");
                continue;
            }
            let reply: &[u8] = match taken.get(..4) {
                Some(b"EHLO") => b"250 sevenbit.example\r\n",
                Some(b"DATA") => {
                    self.in_message = true;
                    self.input.splice(..0, *b"\r\n");
                    b"354 go\r\n"
                }
                _ => b"250 ok\r\n",
            };
            self.output.extend(reply);
        }
    }
}

impl AsyncRead for SevenBit {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Where there is nothing, the client waits for what does not come: it is the end.
        let count = self.output.len().min(buf.remaining());
        let bytes: Vec<u8> = self.get_mut().output.drain(..count).collect();
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SevenBit {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.input.extend_from_slice(bytes);
        self.answer();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The message that a server without 8BITMIME gets, with dots stuffed; none if it is refused.
fn sent(payload: Payload<'_>) -> Option<Vec<u8>> {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
    });
    let message = Arc::default();
    let server = SevenBit {
        input: Vec::new(),
        output: b"220 sevenbit.example ESMTP\r\n".iter().copied().collect(),
        in_message: false,
        message: Arc::clone(&message),
    };
    let sent = RUNTIME.block_on(async {
        let endpoint = Endpoint::tcp("sevenbit.example", 25, Security::plaintext_without_encryption());
        let config = Config::anonymous().with_missing_eight_bit_mime(Missing::Downgrade);
        let mut client = Client::over(Stream::other(server), endpoint, config).await.expect("a greeting");
        let envelope = Envelope::new("ada@a.example", ["bob@b.example"]).expect("two addresses");
        client.send(&envelope, payload).await.is_ok()
    });
    let message = message.lock().unwrap_or_else(PoisonError::into_inner).take();
    assert!(!sent || message.is_some(), "it is said to be sent");
    message.filter(|_| sent)
}

/// A message that is made ASCII for a server: it is ASCII, no larger than it has to be, the same however it was given, and not
/// changed if it is ASCII already.
pub fn downgraded(data: &[u8]) {
    let given = Bytes::copy_from_slice(data);
    let pieces = || {
        let step = usize::from(data.first().copied().unwrap_or(1)).max(1);
        (0..data.len()).step_by(step).map(move |at| given.slice(at..data.len().min(at + step)))
    };
    let whole = in_proportion(data.len(), 256, || sent(Payload::from(data)));
    let parts = sent(Payload::from_pieces(pieces()));
    let shown = |message: &Option<Vec<u8>>| message.as_ref().map(|it| it.escape_ascii().to_string());
    assert_eq!(shown(&whole), shown(&parts), "pieces of it are another message");
    let Some(message) = whole else { return };
    assert!(message.is_ascii(), "{}", message.escape_ascii());
    // Base64 with line ends, a field a part, of which the shortest has some bytes.
    assert!(message.len() <= 64 * data.len() + 1024, "{} bytes of {}", message.len(), data.len());
    let stuffed = message.strip_prefix(b"..").map_or(message.clone(), |rest| [b".", rest].concat());
    let plain: Vec<u8> = {
        let mut plain = Vec::new();
        for line in stuffed.split_inclusive(|byte| *byte == b'\n') {
            let dot = !plain.is_empty() && line.starts_with(b"..");
            plain.extend_from_slice(&line[usize::from(dot)..]);
        }
        plain
    };
    let again = sent(Payload::from(plain)).expect("what is ASCII is sent");
    assert_eq!(
        again.escape_ascii().to_string(),
        message.escape_ascii().to_string(),
        "what is ASCII is changed"
    );
}
