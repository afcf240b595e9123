//! Keeps a folder equal to an inbox, one file a message; run again, it fetches what has changed: `sync imaps://ada:secret@mail.example.org mail`.
use std::{collections::BTreeSet, fs, path::Path};

use mailwire_transport::imap::{
    proto::{sync::*, types::*},
    *,
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let [url, folder] = [1, 2].map(|at| std::env::args().nth(at).unwrap_or_default());
    let file = |uid: Uid| Path::new(&folder).join(format!("{uid}.eml"));
    fs::create_dir_all(&folder)?;
    let stored = fs::read(Path::new(&folder).join("state"));
    let state = stored.map_or(Ok(SyncState::default()), |bytes| SyncState::from_bytes(&bytes))?;
    let known: BTreeSet<Uid> = fs::read_dir(&folder)?
        .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str()?.parse().ok())
        .collect();

    let mut client = Client::connect_to(&*url).await?;
    let inbox = SyncOptions::new(MailboxName::INBOX);
    let mut syncing = client.sync(state, known.iter().map(|&uid| (uid, uid)), inbox).await?;
    let mut new = Vec::new();
    while let Some(change) = syncing.next().await? {
        match change {
            Change::New { uid, .. } => new.push(uid),
            Change::Gone { first, last } => {
                known.range(first..=last).try_for_each(|uid| fs::remove_file(file(*uid)))?;
            }
            Change::Reset { .. } => known.iter().try_for_each(|uid| fs::remove_file(file(*uid)))?,
            Change::Rewound => anyhow::bail!("the server went back to an earlier state: take another folder"),
            _ => {}
        }
    }
    let (state, part) = (syncing.state().to_bytes(), Path::new(&folder).join("part"));
    for uid in &new {
        if let Some(body) = client.fetch_body(*uid, Section::default()).await? {
            let mut arriving = tokio::fs::File::create(&part).await?;
            body.copy_to(&mut arriving).await?;
            arriving.sync_all().await?;
            fs::rename(&part, file(*uid))?;
        }
    }
    fs::write(Path::new(&folder).join("state"), state)?;
    println!("{} new", new.len());
    Ok(client.logout().await?)
}
