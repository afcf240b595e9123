//! Tells of each message in the inbox, now and for ever, whatever happens to the connection: `watcher imaps://ada:secret@mail.example.org`.
use mailwire_transport::imap::{Client, Watch, WatchEvent, proto::sync::Change};

#[tokio::main]
async fn main() -> mailwire_transport::Result<()> {
    let url = std::env::args().nth(1).unwrap_or_default();
    let mut watch = Watch::inbox(move || Client::connect_to(url.clone()));
    loop {
        if let WatchEvent::Change(Change::New { uid, .. }) = watch.next().await? {
            println!("{uid} has come");
        }
    }
}
