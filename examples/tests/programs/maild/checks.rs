//! Whom messages are from: a name server of the test's own says who may send what.

use mailwire_transport::{
    Endpoint, Security,
    smtp::{self, Envelope, proto::Host},
};

use super::{
    dns::Zone,
    world::{Maild, World, arrived},
};

pub(super) async fn bring(maild: &Maild, from: &str, message: &str) -> mailwire_transport::Result<()> {
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
    let port = Zone::texts(&[
        ("good.test", "v=spf1 ip4:127.0.0.1 -all"),
        ("_dmarc.good.test", "v=DMARC1; p=reject"),
        ("bad.test", "v=spf1 -all"),
        ("_dmarc.bad.test", "v=DMARC1; p=reject"),
        ("lax.test", "v=spf1 -all"),
        ("_dmarc.lax.test", "v=DMARC1; p=none"),
    ])
    .serve();
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
    let port = Zone::texts(&[("bad.test", "v=spf1 -all"), ("_dmarc.bad.test", "v=DMARC1; p=reject")]).serve();
    let world = World::new(&format!("[dns]\nservers = [\"127.0.0.1:{port}\"]\n[checks]\n"));
    let maild = world.start();
    bring(&maild, "ada@bad.test", "From: ada@bad.test\r\nSubject: bad\r\n\r\n").await.unwrap();
    let messages = arrived(&mut maild.imap("bob").await, 1).await;
    assert!(messages[0].contains("dmarc=fail"), "{messages:?}");
}
