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

/// From now on the program can be asked to end, by SIGINT or SIGTERM: what is given waits for that. It is called before anybody
/// is told that the program serves, so that whoever ends it then ends it in order.
pub fn asked_to_end() -> impl Future<Output = ()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let asked =
            signal(SignalKind::terminate()).and_then(|end| Ok((end, signal(SignalKind::interrupt())?)));
        async {
            let Ok((mut terminate, mut interrupt)) = asked else { return std::future::pending().await };
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
    }
    #[cfg(not(unix))]
    {
        async {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
