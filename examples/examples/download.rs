//! Downloads by POP3 what is new, and leaves it on the server for two weeks: `download pop3s://ada:secret@mail.example.org mail`.
use std::{fs, path::Path, time::SystemTime};

use mailwire_transport::pop3::{Client, Download, Keep, Seen};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let [url, folder] = [1, 2].map(|at| std::env::args().nth(at).unwrap_or_default());
    fs::create_dir_all(&folder)?;
    let state = Path::new(&folder).join("seen");
    let mut seen: Seen = fs::read_to_string(&state).unwrap_or_default().parse()?;
    let now = SystemTime::now();
    let client = Client::connect_to(&*url).await?;
    let mut downloads = client.download(Download::new(Keep::Days(14)), &mut seen, now).await?;
    let mut count = 0;
    while let Some((message, body)) = downloads.next().await? {
        let since = now.duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
        let mut file =
            tokio::fs::File::create(Path::new(&folder).join(format!("{since}-{}.eml", message.number)))
                .await?;
        body?.copy_to(&mut file).await?;
        file.sync_all().await?;
        downloads.confirm(&message)?;
        count += 1;
    }
    downloads.quit().await?;
    fs::write(state, seen.to_string())?;
    println!("{count} new");
    Ok(())
}
