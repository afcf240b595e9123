//! Messages that users have held back (RFC 4865).

use std::time::SystemTime;

use mailwire_transport::smtp::{
    Envelope,
    proto::{
        DateTime, Mail, Mailbox, ReversePath,
        extensions::future_release::{Hold, HoldInterval},
    },
};

use super::world::{Maild, World, arrived};

const DAY: i64 = 24 * 3600;

fn from_now(seconds: i64) -> DateTime {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    DateTime::from_unix_seconds(i64::try_from(now).unwrap() + seconds).unwrap()
}

async fn send(maild: &Maild, hold: Hold) {
    let envelope = Envelope::new("anna@example.org", ["bob@example.org"]).unwrap();
    let envelope = envelope.map_mail(|mail| mail.with_hold(hold));
    let mut client = maild.submission("anna").await;
    let _sent = client.send(&envelope, "From: anna@example.org\r\nSubject: Later\r\n\r\n").await.unwrap();
    client.quit().await.unwrap();
}

#[tokio::test]
async fn what_is_held_comes_at_its_time() {
    let world = World::new("[queue]\nlongest-hold = \"30d\"\n");
    let maild = world.start();
    let client = maild.submission("anna").await;
    let offered = client.capabilities().future_release().unwrap();
    assert_eq!(i64::from(offered.max_interval().get()), 30 * DAY);
    let left = offered.max_date_time().unix_seconds() - from_now(0).unix_seconds();
    assert!((30 * DAY - 60..=30 * DAY).contains(&left), "{left}");
    drop(client);
    send(&maild, Hold::Until(from_now(29 * DAY))).await;
    let begun = SystemTime::now();
    send(&maild, Hold::For(HoldInterval::new(2).unwrap())).await;
    assert_eq!(maild.end(), 0);
    // Nothing is sooner for it.
    assert_eq!(world.maild(&["queue", "flush"]).out, "0 recipients are tried now\n");
    // By another process, and not before its time.
    let maild = world.start();
    arrived(&mut maild.imap("bob").await, 1).await;
    assert!(begun.elapsed().unwrap().as_secs() >= 2);
    assert_eq!(maild.end(), 0);
    let listed = world.maild(&["queue", "list"]).out;
    assert_eq!(listed.matches(" anna@example.org held until ").count(), 1, "{listed}");
    let number = listed.split_once(' ').unwrap().0;
    assert_eq!(world.maild(&["queue", "remove", number]).out, "1 recipients do not get it\n");
}

#[tokio::test]
async fn what_cannot_be_held_is_refused() {
    let world = World::new("[queue]\nlongest-hold = \"1h\"\nheld-messages = 1\nheld-bytes = \"64K\"\n");
    let maild = world.start();
    let mut client = maild.submission("anna").await;
    let anna = || Mail::new(Mailbox::try_from("anna@example.org").unwrap());
    let hour = || Hold::For(HoldInterval::new(3600).unwrap());
    let is_taken = anna().with_hold(hour());
    client.call(is_taken.into()).await.unwrap();
    client.rset().await.unwrap();
    for (mail, code) in [
        (Mail::new(ReversePath::Null).with_hold(hour()), "501 5.5.4"),
        (anna().with_hold(hour()).with_size(1 << 20), "552 5.2.2"),
    ] {
        let error = client.call(mail.into()).await.unwrap_err();
        assert!(error.to_string().contains(code), "{error}");
    }
    client.quit().await.unwrap();
    send(&maild, hour()).await;
    let mut client = maild.submission("anna").await;
    let error = client.call(anna().with_hold(hour()).into()).await.unwrap_err();
    assert!(error.to_string().contains("552 5.2.2"), "{error}");
    // Without it, as ever.
    client.call(anna().into()).await.unwrap();
    client.quit().await.unwrap();
    assert_eq!(maild.end(), 0);
    // It is not offered unless it is said.
    let world = World::new("");
    let maild = world.start();
    let client = maild.submission("anna").await;
    assert!(client.capabilities().future_release().is_none());
    drop(client);
    assert_eq!(maild.end(), 0);
}
