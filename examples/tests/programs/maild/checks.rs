//! Whom messages are from: a name server of the test's own says who may send what.

use std::{collections::BTreeMap, net::UdpSocket, thread};

use mailwire_transport::{
    Endpoint, Security,
    smtp::{self, Envelope, proto::Host},
};

use super::world::{Maild, World, arrived};

/// A name server on this machine that knows these texts, and nothing else. It ends with the process.
fn name_server(texts: &[(&str, &str)]) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let texts: BTreeMap<String, String> =
        texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            let _ = socket.send_to(&answer(&query[..length], &texts), from);
        }
    });
    port
}

/// The answer to a question of one name ([RFC 1035 section 4](https://www.rfc-editor.org/rfc/rfc1035#section-4)).
fn answer(query: &[u8], texts: &BTreeMap<String, String>) -> Vec<u8> {
    let (mut name, mut at) = (String::new(), 12);
    while query[at] != 0 {
        let label = &query[at + 1..at + 1 + usize::from(query[at])];
        name += &format!("{}.", String::from_utf8_lossy(label).to_lowercase());
        at += 1 + label.len();
    }
    let question = &query[12..at + 5];
    let is_txt = question[question.len() - 4..] == [0, 16, 0, 1];
    let text = texts.get(name.trim_end_matches('.')).filter(|_| is_txt);
    // A response, recursion available; the name does not exist if it has no text.
    let known = texts.keys().any(|known| *known == name.trim_end_matches('.'));
    let (count, code) = (u8::from(text.is_some()), if known { 0 } else { 3 });
    let mut answer = vec![query[0], query[1], 0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0];
    answer.extend_from_slice(question);
    if let Some(text) = text {
        let length = u8::try_from(text.len()).unwrap();
        answer.extend_from_slice(&[0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, length + 1, length]);
        answer.extend_from_slice(text.as_bytes());
    }
    answer
}

async fn bring(maild: &Maild, from: &str, message: &str) -> mailwire_transport::Result<()> {
    let clear = Security::plaintext_without_encryption();
    let mut config = smtp::Config::anonymous();
    config.name = Some(Host::try_from("mail.good.test").unwrap().into());
    let endpoint = Endpoint::tcp("127.0.0.1", maild.port("smtp"), clear);
    let mut client = smtp::Client::connect_with(endpoint, config).await?;
    let sent = client.send(&Envelope::new(from, ["bob@example.org"])?, message.to_owned()).await.map(drop);
    client.quit().await.unwrap();
    sent
}

#[tokio::test]
async fn messages_from_elsewhere_are_checked() {
    let port = name_server(&[
        ("good.test", "v=spf1 ip4:127.0.0.1 -all"),
        ("_dmarc.good.test", "v=DMARC1; p=reject"),
        ("bad.test", "v=spf1 -all"),
        ("_dmarc.bad.test", "v=DMARC1; p=reject"),
        ("lax.test", "v=spf1 -all"),
        ("_dmarc.lax.test", "v=DMARC1; p=none"),
    ]);
    let checks = format!("[dns]\nservers = [\"127.0.0.1:{port}\"]\n[checks]\nreject = true\n");
    let world = World::new(&checks);
    let maild = world.start();
    let claims = "From: ada@good.test\r\nAuthentication-Results: localhost;\r\n dkim=pass\r\nSubject: good\r\n\r\nHello.\r\n";
    bring(&maild, "ada@good.test", claims).await.unwrap();
    bring(&maild, "eve@lax.test", "From: eve@lax.test\r\nSubject: lax\r\n\r\n").await.unwrap();
    let error =
        bring(&maild, "ada@good.test", "From: ada@bad.test\r\nSubject: bad\r\n\r\n").await.unwrap_err();
    assert!(error.to_string().contains("5.7.26"), "{error}");
    let two = "From: ada@good.test, eve@bad.test\r\nSubject: both\r\n\r\n";
    let error = bring(&maild, "ada@good.test", two).await.unwrap_err();
    assert!(error.to_string().contains("From has to name one domain"), "{error}");
    let mut bob = maild.imap("bob").await;
    let [good, lax] = &arrived(&mut bob, 2).await[..] else { panic!() };
    // After how it came, and before what its sender says.
    let (before, after) = good.split_once("\r\nAuthentication-Results: localhost;").unwrap();
    assert!(before.starts_with("Return-Path: <ada@good.test>\r\nReceived: "), "{good}");
    for result in ["spf=pass", "dmarc=pass"] {
        assert!(after.contains(result), "{good}");
    }
    assert!(!after.contains("dkim=pass") && after.ends_with("Subject: good\r\n\r\nHello.\r\n"), "{good}");
    assert!(lax.contains("spf=fail") && lax.contains("dmarc=fail"), "{lax}");
    assert_eq!(arrived(&mut bob, 2).await.len(), 2);
}

#[tokio::test]
async fn without_the_wish_nothing_is_refused() {
    let port = name_server(&[("bad.test", "v=spf1 -all"), ("_dmarc.bad.test", "v=DMARC1; p=reject")]);
    let world = World::new(&format!("[dns]\nservers = [\"127.0.0.1:{port}\"]\n[checks]\n"));
    let maild = world.start();
    bring(&maild, "ada@bad.test", "From: ada@bad.test\r\nSubject: bad\r\n\r\n").await.unwrap();
    let messages = arrived(&mut maild.imap("bob").await, 1).await;
    assert!(messages[0].contains("dmarc=fail"), "{messages:?}");
}
