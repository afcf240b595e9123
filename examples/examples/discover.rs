//! Tells where the mail of an address is read and sent, and how far that can be trusted: `discover ada@example.org`.
use mailwire_transport::discover::Discovery;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_default();
    let discovered = Discovery::new()?.discover(&address).await?;
    for settings in discovered.incoming().chain(discovered.submission()) {
        println!("{settings}, as {} ({:?})", settings.user, settings.checked);
        for found in &settings.found {
            println!("    {}: {} ({})", found.trust, found.place, found.source);
        }
        match settings.account() {
            Ok(account) => println!("    {account}"),
            Err(doubt) => println!("    ask first: {doubt}"),
        }
    }
    for missed in &discovered.missed {
        eprintln!("{missed}");
    }
    Ok(())
}
