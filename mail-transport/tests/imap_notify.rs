//! NOTIFY: what a server tells by itself.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod peer;

use mailwire_core::{Misuse, NotOffered};
use mailwire_transport::{
    Error,
    imap::{
        client::Update,
        proto::{
            extensions::notify::{EventGroup, MailboxFilter, Notify, NotifyEvent},
            response::Untagged,
        },
    },
};

/// A server that says these are its capabilities, and goes on with the script.
fn offering(capabilities: &str, script: &str) -> String {
    format!(
        "S: * OK [CAPABILITY IMAP4rev1] hi
        C: ~ LOGIN ada \"tanstaaf\"
        S: ~ OK [CAPABILITY IMAP4rev1 {capabilities}] in
        {script}"
    )
}

fn personal() -> Notify {
    let events = [NotifyEvent::MessageNew(vec![]), NotifyEvent::MessageExpunge, NotifyEvent::MailboxName];
    Notify::set([EventGroup::new(MailboxFilter::Personal, events)]).unwrap()
}

#[tokio::test]
async fn news_of_other_mailboxes_come_by_themselves() {
    let script = offering(
        "NOTIFY",
        "C: ~ NOTIFY SET STATUS (PERSONAL (MessageNew MessageExpunge MailboxName))
        S: * STATUS a (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)
        S: ~ OK done
        S: * STATUS a (MESSAGES 2 UIDNEXT 3)
        S: * LIST () \"/\" new (\"OLDNAME\" (old))
        S: * OK [NOTIFICATIONOVERFLOW] too much
        C: ~ NOOP
        S: ~ OK done
        C: ~ NOTIFY NONE
        S: ~ OK done",
    );
    peer::with(&script, async |stream| {
        let mut client = peer::imap(stream).await.unwrap();
        client.notify(personal().with_status(true)).await.unwrap();
        client.noop().await.unwrap();
        let told: Vec<String> = client
            .updates()
            .map(|update| match update {
                Update::Data(data) => match *data {
                    Untagged::Status(status) => format!("{:?} messages", status.messages()),
                    Untagged::List(list) => list.name.to_unicode().into_owned(),
                    other => panic!("{other:?}"),
                },
                Update::Notice(reply) => reply.code.unwrap().to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, ["Some(1) messages", "Some(2) messages", "new", "NOTIFICATIONOVERFLOW"]);
        client.notify(Notify::none()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_refusal_names_the_events_that_there_are() {
    let script = offering(
        "NOTIFY",
        "C: ~ NOTIFY SET (PERSONAL (MessageNew MessageExpunge MailboxName))
        S: ~ NO [BADEVENT (MessageNew MessageExpunge)] not that",
    );
    peer::with(&script, async |stream| {
        let mut client = peer::imap(stream).await.unwrap();
        let error = client.notify(personal()).await.unwrap_err();
        let code = error.refused().and_then(|refused| refused.code.clone()).unwrap();
        assert!(code.to_string().starts_with("BADEVENT"), "{code}");
        assert!(client.is_usable());
    })
    .await;
}

#[tokio::test]
async fn it_is_asked_for_only_where_it_is_offered() {
    peer::with(&offering("IDLE", ""), async |stream| {
        let mut client = peer::imap(stream).await.unwrap();
        let error = client.notify(Notify::none()).await.unwrap_err();
        assert!(
            matches!(error, Error::Misuse(Misuse::NotOffered(NotOffered::Extension("NOTIFY")))),
            "{error}"
        );
    })
    .await;
}
