//! Mirrors of mailboxes, over the client, the server and the memory store: connections are cut anywhere, and the
//! mirror ends equal to the store.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod mirror;

use mailwire_imap::{
    command::StoreAction,
    sync::{Change, SyncOptions, SyncState},
    types::{Flag, MailboxName, ModSeq, Uid},
};
use mailwire_store::{FlagChange, Store as _, Uids, Which};
use mailwire_transport::{Result, imap::client::Syncing};
use mirror::{HIDDEN, Mailbox, Mirror, Random};

/// Takes changes until the mirror is in step; an error is a cut.
async fn catch_up(syncing: &mut Syncing<'_>, mirror: &mut Mirror) -> Result<()> {
    while let Some(change) = syncing.next().await? {
        mirror.apply(change);
        mirror.state = syncing.state().clone();
    }
    assert_eq!(syncing.in_doubt(), None, "{:?}", syncing);
    Ok(())
}

#[tokio::test]
async fn a_mirror_survives_cuts() {
    for seed in 0..60 {
        let random = &mut Random(seed);
        let mailbox = Mailbox::new();
        let mut mirror = Mirror::default();
        for session in 0..8 {
            for _ in 0..random.below(6) {
                mailbox.change(random).await;
            }
            let last = session == 7;
            let lines = if last || random.chance(40) { usize::MAX } else { 6 + random.below(60) };
            let options = SyncOptions::new(MailboxName::INBOX).with_batch(2 + random.below(20) as u32);
            let Ok(mut client) = mailbox.connect(HIDDEN[random.below(4)], lines).await else { continue };
            let stepwise = random.chance(30);
            let sync =
                client.sync(mirror.state.clone(), mirror.known(), options.with_stepwise(stepwise)).await;
            let mut syncing = sync.unwrap();
            if catch_up(&mut syncing, &mut mirror).await.is_err() {
                continue;
            }
            assert_eq!(mirror.messages, mailbox.messages().await, "seed {seed}, session {session}");
            // From here on, the server pushes.
            for _ in 0..random.below(4) {
                mailbox.change(random).await;
                let truth = mailbox.messages().await;
                let mut cut = false;
                while mirror.messages != truth && !cut {
                    match syncing.wait().await {
                        Ok(change) => {
                            mirror.apply(change);
                            mirror.state = syncing.state().clone();
                        }
                        Err(_) => cut = true,
                    }
                }
                if cut {
                    break;
                }
            }
            assert!(!last || mirror.messages == mailbox.messages().await, "seed {seed}: the end");
        }
    }
}

/// A client that comes back asks for what has changed, not for what it has.
#[tokio::test]
async fn a_mirror_in_step_costs_what_is_new() {
    for hidden in HIDDEN {
        let mailbox = Mailbox::new();
        for _ in 0..2000 {
            mailbox.user.deliver("Subject: x\r\n\r\nx\r\n".into()).unwrap();
        }
        let mut mirror = Mirror::default();
        let options = SyncOptions::new(MailboxName::INBOX);
        let mut client = mailbox.connect(hidden, usize::MAX).await.unwrap();
        let mut syncing = client.sync(SyncState::default(), [], options.clone()).await.unwrap();
        catch_up(&mut syncing, &mut mirror).await.unwrap();
        assert_eq!(mirror.messages.len(), 2000);
        let mod_seqs = !hidden.contains(&"CONDSTORE");
        assert!(mirror.state.is_in_step() && mirror.state.to_bytes().len() < 40);
        // Flags that were read from a plain server are read again.
        let stored = SyncState::from_bytes(&mirror.state.to_bytes()).unwrap();
        assert_eq!(stored.is_in_step(), mod_seqs);

        let inbox = mailbox.user.status("INBOX").unwrap().id;
        let some: Uids = (1..=10).filter_map(|uid| Uid::new(uid * 7)).collect();
        let flags = FlagChange::new(StoreAction::Add, [Flag::Flagged].into());
        mailbox.store.store(inbox, &some, &flags).await.unwrap();
        let gone: Uids = [11, 12, 500].into_iter().filter_map(Uid::new).collect();
        mailbox.store.expunge(inbox, &gone, Which::All).await.unwrap();
        mailbox.user.deliver("Subject: x\r\n\r\nx\r\n".into()).unwrap();

        // With modification sequences, it comes within some lines. Without QRESYNC, a search names what is left.
        let lines = if mod_seqs { 60 } else { usize::MAX };
        let mut client = mailbox.connect(hidden, lines).await.unwrap();
        let sync = client.sync(mirror.state.clone(), mirror.known(), options).await;
        let mut syncing = sync.unwrap();
        catch_up(&mut syncing, &mut mirror).await.unwrap();
        assert_eq!(mirror.messages, mailbox.messages().await, "{hidden:?}");
    }
}

/// The identifiers of a mailbox that was made anew are not those of the old one.
#[tokio::test]
async fn a_mailbox_that_was_made_anew_is_read_anew() {
    let mailbox = Mailbox::new();
    let sync = async |mirror: &mut Mirror| {
        let mut client = mailbox.connect(&[], usize::MAX).await.unwrap();
        let options = SyncOptions::new(MailboxName::new("other").unwrap());
        let mut syncing = client.sync(mirror.state.clone(), mirror.known(), options).await.unwrap();
        catch_up(&mut syncing, mirror).await.unwrap();
    };
    let mut mirror = Mirror::default();
    let append = || {
        mailbox.user.append("other", mailwire_store::memory::NewMessage::new("x\r\n".into())).unwrap();
    };
    append();
    append();
    sync(&mut mirror).await;
    assert_eq!(mirror.messages.len(), 2);
    let before = mirror.state.uid_validity();
    mailbox.user.delete("other").unwrap();
    mailbox.user.create("other", None).unwrap();
    append();
    sync(&mut mirror).await;
    assert_eq!(mirror.messages.len(), 1);
    assert_ne!(mirror.state.uid_validity(), before);
    assert!(mirror.state.segments().all(|segment| segment.anchor > Some(ModSeq::ZERO)));
}

#[tokio::test]
async fn a_mailbox_that_is_not_there_is_refused() {
    let mailbox = Mailbox::new();
    let mut client = mailbox.connect(&[], usize::MAX).await.unwrap();
    let options = SyncOptions::new(MailboxName::new("nothing").unwrap());
    let mut syncing = client.sync(SyncState::default(), [], options).await.unwrap();
    let error = loop {
        match syncing.next().await {
            Ok(Some(Change::Checkpoint)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(
        error
            .refused()
            .is_some_and(|refused| refused.code.as_ref().is_some_and(|code| *code == "NONEXISTENT")),
        "{error:?}"
    );
    client.noop().await.unwrap();
}
