//! Two servers over one database: `interop/postgres.sh` starts PostgreSQL for it.

use mailwire_transport::imap::client::Update;

use super::world::{LONG, World, arrived};

#[tokio::test]
async fn what_is_sent_at_one_server_is_told_at_the_other() {
    let Ok(url) = std::env::var("POSTGRES_URL") else {
        eprintln!("passed over: POSTGRES_URL is not set; interop/postgres.sh starts a server and sets it");
        return;
    };
    let one = World::over(&url);
    for user in ["anna", "bob"] {
        one.maild(&["user", "add", user]).expect(0, &[]);
    }
    let two = World::over(&url);
    assert_eq!(two.maild(&["user", "list"]).out, "anna\nbob\n");
    let (one, two) = (one.start(), two.start());
    let mut bob = two.imap("bob").await;
    assert_eq!(bob.select("INBOX").await.unwrap().exists, 0);
    let mut idle = bob.idle().await.unwrap();
    one.send("anna", &["bob@example.org"], "Across").await.unwrap();
    let told = async { while !matches!(idle.next().await.unwrap(), Update::Exists(1)) {} };
    tokio::time::timeout(LONG, told).await.unwrap();
    idle.done().await.unwrap();
    assert!(arrived(&mut bob, 1).await[0].contains("Across"));
    assert_eq!((one.get("/health").0, two.get("/health").0), (200, 200));
    drop(bob);
    // One goes, and the other has it all.
    assert_eq!(two.end(), 0);
    assert_eq!(arrived(&mut one.imap("bob").await, 1).await.len(), 1);
    assert_eq!(one.end(), 0);
}
