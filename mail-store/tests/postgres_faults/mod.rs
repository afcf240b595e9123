//! A database that fails, and what clients are told.

use std::time::Duration;

use mailwire_core::Channel;
use mailwire_imap::types::Uid;
use mailwire_store::{
    BodyReader as _, Error, Store as _, Uids,
    postgres::{Config, PostgresStore},
};

use crate::{
    client, count, deliver, inbox,
    postgres_server::{node, place, url},
    raw::{Protocol, Servers},
    uid,
};

async fn impatient(place: &str) -> PostgresStore {
    let config = Config::new().with_connections(4).with_wait(Duration::from_millis(200));
    PostgresStore::connect_with(place, config).await.unwrap()
}

/// The server has no room, or is a replica by now: clients are told to come again, and nothing that was answered is lost.
#[tokio::test]
async fn clients_are_told_to_come_again() {
    let Some(server) = url() else { return };
    let place = place(&server).await;
    let store = impatient(&place).await;
    let ada = store.add_user("ada", "secret").await.unwrap();
    for _ in 0..2 {
        deliver(&store, ada, b"Subject: x\r\n\r\nx\r\n").await.unwrap();
    }
    let servers = Servers::new(&store);
    let mut smtp = servers.connect(Protocol::Smtp, Channel::Tls, 1 << 16).await;
    smtp.command(Protocol::Smtp, "EHLO client.example").await;
    let mut imap = servers.connect(Protocol::Imap, Channel::Tls, 1 << 16).await;
    assert!(imap.login(Protocol::Imap, "ada", "secret").await);
    imap.command(Protocol::Imap, "SELECT INBOX").await;
    let mut send = async || {
        for command in ["MAIL FROM:<b@example.org>", "RCPT TO:<ada@example.org>", "DATA"] {
            smtp.command(Protocol::Smtp, command).await;
        }
        smtp.command(Protocol::Smtp, "Subject: y\r\n\r\ny\r\n.").await
    };
    const APPEND: &str = "APPEND INBOX {1+}\r\nz";
    let sql = client(&place).await;
    // As the server says it where a disk is full, where it is a replica, and where something else is wrong.
    for (code, reply) in [("53100", "452 "), ("25006", "451 "), ("58030", "451 ")] {
        let fail = format!(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'as if' USING ERRCODE='{code}'; END $$;
            CREATE TRIGGER fail BEFORE INSERT OR UPDATE OR DELETE ON message EXECUTE FUNCTION fail()"
        );
        let mut pop3 = servers.connect(Protocol::Pop3, Channel::Tls, 1 << 16).await;
        while !pop3.login(Protocol::Pop3, "ada", "secret").await {}
        pop3.command(Protocol::Pop3, "DELE 1").await;
        sql.batch_execute(&fail).await.unwrap();
        let told = send().await;
        assert!(told.starts_with(reply), "{code}: {told}");
        for command in [APPEND, "STORE 1 +FLAGS (\\Flagged)", "COPY 1 INBOX"] {
            let told = imap.command(Protocol::Imap, command).await;
            assert!(told.starts_with("a NO [UNAVAILABLE]"), "{code}, {command}: {told}");
        }
        // What is there can be read.
        assert!(imap.command(Protocol::Imap, "FETCH 1 FLAGS").await.starts_with("a OK"));
        let told = pop3.command(Protocol::Pop3, "QUIT").await;
        assert!(told.starts_with("-ERR [SYS/TEMP]"), "{code}: {told}");
        assert_eq!(count(&place, "message").await, 2);
        sql.batch_execute("DROP TRIGGER fail ON message; DROP FUNCTION fail").await.unwrap();
    }
    assert!(send().await.starts_with("250 "));
    assert!(imap.command(Protocol::Imap, APPEND).await.starts_with("a OK"));
    assert_eq!(count(&place, "message").await, 4);
}

/// A replica is refused. One that the primary has turn is left, and what was answered is there.
#[tokio::test]
async fn a_server_that_can_only_be_read() {
    let Some(server) = url() else { return };
    let place = place(&server).await;
    let ada = node(&place).await.add_user("ada", "secret").await.unwrap();
    let (sql, role) = (client(&place).await, format!("role_{}", std::process::id()));
    sql.batch_execute(&format!("CREATE ROLE {role} LOGIN SUPERUSER")).await.unwrap();
    let theirs = place.replace("//mail@", &format!("//{role}@"));
    let store = impatient(&theirs).await;
    deliver(&store, ada, b"one").await.unwrap();
    let turn = async |state: &str| {
        let set = format!("ALTER ROLE {role} SET default_transaction_read_only={state}");
        sql.batch_execute(&set).await.unwrap();
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename=$1";
        sql.query_one(end, &[&role]).await.unwrap();
    };
    turn("on").await;
    let told = deliver(&store, ada, b"two").await.unwrap_err();
    assert!(matches!(&told, Error::NotDone(text) if text.contains("does not allow writes")), "{told}");
    let told = PostgresStore::connect(&theirs).await.unwrap_err().to_string();
    assert!(told.contains("does not allow writes"), "{told}");
    turn("off").await;
    deliver(&store, ada, b"three").await.unwrap();
    assert_eq!(count(&place, "message").await, 2);
}

/// The database goes back to an earlier state, while a server has numbers for bodies from the later one.
#[tokio::test]
async fn a_restored_backup() {
    let Some(server) = url() else { return };
    let place = place(&server).await;
    let late = node(&place).await;
    let ada = late.add_user("ada", "secret").await.unwrap();
    deliver(&late, ada, b"kept").await.unwrap();
    let mailbox = inbox(&late, ada).await;
    let before = late.open(mailbox, None).await.unwrap();
    let sql = client(&place).await;
    let backup = "CREATE TABLE kept_mailbox AS TABLE mailbox; CREATE TABLE kept_account AS TABLE account;
        CREATE TABLE kept_blob AS TABLE blob; CREATE TABLE kept_id AS SELECT last_value FROM blob_id";
    sql.batch_execute(backup).await.unwrap();
    deliver(&late, ada, b"lost").await.unwrap();
    let restore = "DELETE FROM message WHERE uid>1; UPDATE page SET bits=set_bit(0::bit(4096), 1, 1);
        DELETE FROM chunk WHERE blob NOT IN (SELECT id FROM kept_blob);
        TRUNCATE mailbox, account, blob, delivery; INSERT INTO mailbox TABLE kept_mailbox;
        INSERT INTO account TABLE kept_account; INSERT INTO blob TABLE kept_blob;
        SELECT setval('blob_id', last_value, false) FROM kept_id";
    sql.batch_execute(restore).await.unwrap();
    let store = node(&place).await;
    store.renew_uid_validity().await.unwrap();
    let after = store.open(mailbox, None).await.unwrap();
    assert!(after.mailbox.uid_validity > before.mailbox.uid_validity);
    assert!(after.mailbox.mod_seq > before.mailbox.mod_seq);
    assert_eq!(after.uids, uid(1).into());
    // Each has the number of its own.
    for n in 0..5 {
        deliver(&store, ada, format!("new {n}").as_bytes()).await.unwrap();
        deliver(&late, ada, format!("late {n}").as_bytes()).await.unwrap();
    }
    let rows = store.messages(mailbox, &Uids::below(Uid::MAX), Default::default(), usize::MAX).await.unwrap();
    let mut texts = Vec::new();
    for row in rows {
        let raw = store.read(row.body, 0..u64::MAX).await.unwrap().chunk().await.unwrap().unwrap();
        texts.push(String::from_utf8_lossy(&raw).into_owned());
    }
    let each = (0..5).flat_map(|n| [format!("new {n}"), format!("late {n}")]);
    assert_eq!(texts, std::iter::once("kept".to_owned()).chain(each).collect::<Vec<_>>());
}
