//! IMAP as `imap-codec` and `imap-proto` read it.

use bytes::Bytes;
use mailwire_core::Dialect;
use mailwire_imap::{
    command::{Command, Request},
    response::{MsgAtt, ReplyKind, Response, Untagged},
    types::SeqNumber,
};
use peer_imap_codec::{CommandCodec, decode::Decoder, imap_types::command::CommandBody};
use peer_imap_proto::{AttributeValue, MailboxDatum, Response as Peer, Status};

use super::{Speaker, framed};

/// A message that both take means the same to both, in what is compared.
pub fn run(data: &[u8]) {
    for frame in framed(Speaker::Client, [data]).frames {
        if !frame.streamed.is_empty() {
            continue;
        }
        let Ok(ours) = Request::parse(&frame.bytes, frame.context(Dialect::Strict, 16)) else { continue };
        let message = [&frame.bytes[..], b"\r\n"].concat();
        if let Ok((b"", peer)) = CommandCodec::default().decode(&message) {
            command(&ours.value, &peer);
        }
    }
    for frame in framed(Speaker::Server, [data]).frames {
        if !frame.streamed.is_empty() {
            continue;
        }
        let Ok(ours) = Response::parse(&frame.bytes, frame.context(Dialect::Strict, 16)) else { continue };
        let message = Bytes::from([&frame.bytes[..], b"\r\n"].concat());
        if let Ok((b"", peer)) = Peer::parse(&message) {
            response(&ours.value, &peer, &message);
        }
    }
}

fn command(ours: &Request, peer: &peer_imap_codec::imap_types::command::Command<'_>) {
    assert_eq!(ours.tag.as_bytes(), peer.tag.as_ref().as_bytes(), "{peer:?}");
    // What is not known to us can be known to the peer, an extension.
    if matches!(ours.command, Command::Other(_)) {
        return;
    }
    assert_eq!(ours.command.name(), peer.name(), "{peer:?}");
    match (&ours.command, &peer.body) {
        (Command::Login(ours), CommandBody::Login { username, password }) => {
            assert_eq!(ours.user().as_bytes(), username.as_ref());
            assert_eq!(ours.password().expose(), password.declassify().as_ref());
        }
        (Command::Fetch(ours), CommandBody::Fetch { uid, .. }) => assert_eq!(ours.messages.is_uid(), *uid),
        (Command::Store(ours), CommandBody::Store { uid, .. }) => assert_eq!(ours.messages.is_uid(), *uid),
        (Command::Search(ours), CommandBody::Search { uid, .. }) => assert_eq!(ours.uid, *uid),
        (
            Command::Copy(ours) | Command::Move(ours),
            CommandBody::Copy { uid, .. } | CommandBody::Move { uid, .. },
        ) => {
            assert_eq!(ours.messages.is_uid(), *uid);
        }
        _ => {}
    }
}

fn response(ours: &Response, peer: &Peer<'_>, message: &[u8]) {
    let shown = message.escape_ascii();
    match (ours, peer) {
        (Response::Tagged(ours), Peer::Done { tag, status, .. }) => {
            assert_eq!(ours.tag.as_bytes(), tag.0.as_bytes(), "{shown}");
            assert!(same_status(ours.reply.kind, status), "{shown}");
        }
        (Response::Continuation(_), Peer::Continue(_)) => {}
        (Response::Untagged(ours), peer) => match (ours, peer) {
            (Untagged::Reply(ours), Peer::Data { status, .. }) => {
                assert!(same_status(ours.kind, status), "{shown}");
            }
            (Untagged::Exists(ours), Peer::MailboxData(MailboxDatum::Exists(peer)))
            | (Untagged::Recent(ours), Peer::MailboxData(MailboxDatum::Recent(peer))) => {
                assert_eq!(ours, peer, "{shown}");
            }
            (Untagged::Expunge(ours), Peer::Expunge(peer)) => {
                assert_eq!(*ours, SeqNumber::new(*peer), "{shown}");
            }
            (Untagged::Search(ours), Peer::MailboxData(MailboxDatum::Search(peer))) => {
                assert_eq!(&ours.numbers, peer, "{shown}");
            }
            (Untagged::Fetch(ours), Peer::Fetch(number, items)) => {
                assert_eq!(ours.number, SeqNumber::new(*number), "{shown}");
                let known = |item: &MsgAtt| match item {
                    MsgAtt::Uid(uid) => Some((1, u64::from(uid.get()))),
                    MsgAtt::Rfc822Size(size) => Some((2, u64::from(*size))),
                    _ => None,
                };
                let peers = |item: &AttributeValue<'_>| match item {
                    AttributeValue::Uid(uid) => Some((1, u64::from(*uid))),
                    AttributeValue::Rfc822Size(size) => Some((2, u64::from(*size))),
                    _ => None,
                };
                assert!(
                    ours.items.iter().filter_map(known).eq(items.iter().filter_map(peers)),
                    "{shown}: {ours:?}, {items:?}"
                );
            }
            (Untagged::Exists(_) | Untagged::Recent(_) | Untagged::Expunge(_) | Untagged::Fetch(_), peer) => {
                panic!("{shown}: {ours:?}, {peer:?}")
            }
            _ => {}
        },
        (ours, peer) => panic!("{shown}: {ours:?}, {peer:?}"),
    }
}

fn same_status(ours: ReplyKind, peer: &Status) -> bool {
    matches!(
        (ours, peer),
        (ReplyKind::Ok, Status::Ok)
            | (ReplyKind::No, Status::No)
            | (ReplyKind::Bad, Status::Bad)
            | (ReplyKind::PreAuth, Status::PreAuth)
            | (ReplyKind::Bye, Status::Bye)
    )
}
