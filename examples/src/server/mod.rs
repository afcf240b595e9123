//! What the programs that serve share: where they listen, sockets that systemd has opened, the servers of a store, certificates
//! that are read again, and how a program is asked to end.

mod listen;
mod running;

use mailwire_transport::tls::{CertificateFiles, ServerTls};

pub use self::{
    listen::{Listen, Opened},
    running::Running,
};

/// Reads the certificates again whenever that is asked for, by SIGHUP. What cannot be used changes nothing.
#[cfg(unix)]
pub async fn renew(files: CertificateFiles, tls: ServerTls) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut asked) = signal(SignalKind::hangup()) else { return };
    while asked.recv().await.is_some() {
        match files.read().and_then(|builder| builder.build()) {
            Ok(renewed) => tls.replace(&renewed),
            Err(error) => eprintln!("the certificates stay as they are: {error}"),
        }
    }
}

/// Waits until the program is asked to end, by SIGINT or SIGTERM.
pub async fn asked_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
