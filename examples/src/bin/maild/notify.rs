//! What systemd is told: that the server is ready, and that it ends (`sd_notify`).

/// Tells it, if systemd wants to know. It is no reason not to serve if that fails.
pub(crate) fn tell(state: &str) {
    #[cfg(unix)]
    if let Some(socket) = std::env::var_os("NOTIFY_SOCKET")
        && let Err(error) = send(&socket, state)
    {
        tracing::warn!(%error, "systemd is not told {state}");
    }
    #[cfg(not(unix))]
    let _ = state;
}

#[cfg(unix)]
fn send(socket: &std::ffi::OsStr, state: &str) -> std::io::Result<()> {
    use std::os::unix::{ffi::OsStrExt as _, net::UnixDatagram};
    let datagram = UnixDatagram::unbound()?;
    match socket.as_bytes().strip_prefix(b"@") {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::{linux::net::SocketAddrExt as _, unix::net::SocketAddr};
            datagram.send_to_addr(state.as_bytes(), &SocketAddr::from_abstract_name(name)?)?;
        }
        _ => drop(datagram.send_to(state.as_bytes(), socket)?),
    }
    Ok(())
}
