//! SMTP as Stalwart's `smtp-proto` reads it.

use bytes::Bytes;
use mailwire_smtp::{Command, Dialect, Reply};
use peer_smtp_proto::{Request, response::parser::ResponseReceiver};

/// A line that both take as a command or a reply means the same to both, in what is compared.
pub fn run(data: &[u8]) {
    let Some(end) = data.iter().position(|&byte| byte == b'\n') else { return };
    let line = &data[..=end];
    let Some(text) = line.strip_suffix(b"\r\n") else { return };
    let frame = Bytes::copy_from_slice(text);
    if let Ok(command) = Command::parse(&frame, Dialect::Strict) {
        if let Ok(peer) = Request::parse(&mut line.iter()) {
            commands(&command.value, &peer, line);
        }
    }
    if let Ok(reply) = Reply::parse(&frame, Dialect::Strict) {
        if let Ok(peer) = ResponseReceiver::default().parse(&mut line.iter()) {
            assert_eq!(reply.value.code().get(), peer.code, "{}", line.escape_ascii());
        }
    }
}

fn commands(ours: &Command, peer: &Request<std::borrow::Cow<'_, str>>, line: &[u8]) {
    let shown = line.escape_ascii();
    match (ours, peer) {
        (Command::Mail(ours), Request::Mail { from }) => {
            let address = ours.from.mailbox().map_or("", |mailbox| mailbox.as_str());
            same_address(address, &from.address, line);
            // The peer has no word for a size that is not given.
            let size = usize::try_from(ours.size.unwrap_or(0)).unwrap_or(usize::MAX);
            assert_eq!(size, from.size, "{shown}");
        }
        (Command::Rcpt(ours), Request::Rcpt { to }) => match ours.to.mailbox() {
            Some(mailbox) => same_address(mailbox.as_str(), &to.address, line),
            // The peer keeps no name for it.
            None => {
                assert!(to.address.is_empty() || to.address.eq_ignore_ascii_case("postmaster"), "{shown}")
            }
        },
        (
            Command::Ehlo(ours) | Command::Helo(ours) | Command::Lhlo(ours),
            Request::Ehlo { host } | Request::Helo { host } | Request::Lhlo { host },
            // The peer keeps white space before the line end.
        ) => assert_eq!(String::from_utf8_lossy(ours.as_bytes()), host.trim_ascii_end(), "{shown}"),
        // What is not known to us can be known to the peer, an extension.
        (Command::Other { .. }, _) => return,
        _ => {}
    }
    assert_eq!(ours.name(), peer.name(), "{shown}");
}

/// A quoted local part has several spellings.
fn same_address(ours: &str, peer: &str, line: &[u8]) {
    if !ours.contains(['"', '\\']) {
        assert_eq!(ours, peer, "{}", line.escape_ascii());
    }
}
