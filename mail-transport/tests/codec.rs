//! A state machine under `Framed`.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use futures_util::{SinkExt, StreamExt};
use mailwire_core::{Connection, Upgrade};
use mailwire_transport::{
    Error,
    codec::{Codec, Item},
};
use support::Toy;
use tokio::io::duplex;
use tokio_util::codec::{Framed, FramedParts};

#[tokio::test]
async fn a_conversation_and_an_upgrade() {
    let (a, b) = duplex(1000);
    let server = tokio::spawn(async move {
        let mut framed = Framed::new(b, Codec::new(Toy::server()));
        let mut log = Vec::new();
        while let Some(item) = framed.next().await {
            match item.unwrap() {
                Item::Event(line) => {
                    log.push(line.clone());
                    let reply = |toy: &mut Toy| {
                        toy.reply(&line);
                        Ok(())
                    };
                    framed.send(reply).await.unwrap();
                }
                Item::Write => framed.send(|_: &mut Toy| Ok(())).await.unwrap(),
                Item::Upgrade(Upgrade::Tls) => {
                    let parts = framed.into_parts();
                    assert!(parts.read_buf.is_empty() && parts.write_buf.is_empty());
                    let mut codec = parts.codec;
                    codec.connection_mut().upgraded(Upgrade::Tls);
                    log.push("upgraded".into());
                    framed = Framed::from_parts(FramedParts::new::<fn(&mut Toy) -> Result<(), Error>>(
                        parts.io, codec,
                    ));
                }
                item => unreachable!("{item:?}"),
            }
        }
        log
    });

    let mut framed = Framed::new(a, Codec::new(Toy::client()));
    // `Framed` decodes only once something was read: what is to be said first is sent first.
    framed.send(|_: &mut Toy| Ok(())).await.unwrap();
    for line in ["one", "STARTTLS", "two"] {
        let command = |toy: &mut Toy| {
            toy.send(line);
            Ok(())
        };
        framed.send(command).await.unwrap();
        match framed.next().await.unwrap().unwrap() {
            Item::Event(reply) => assert_eq!(reply, line),
            Item::Upgrade(_) => framed.codec_mut().connection_mut().upgraded(Upgrade::Tls),
            item => unreachable!("{item:?}"),
        }
    }
    drop(framed);
    assert_eq!(server.await.unwrap(), ["one", "upgraded", "two"]);
}

#[tokio::test]
async fn injected_bytes_and_early_ends_are_errors() {
    use tokio::io::AsyncWriteExt;
    for input in [&b"STARTTLS\r\nEVIL\r\n"[..], b"cut off"] {
        let (mut a, b) = duplex(1000);
        a.write_all(input).await.unwrap();
        drop(a);
        let mut framed = Framed::new(b, Codec::new(Toy::server()));
        assert!(matches!(framed.next().await, Some(Err(Error::Protocol { .. }))));
    }
}
