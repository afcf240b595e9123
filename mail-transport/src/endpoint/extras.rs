//! What features add to an endpoint: a proxy on the way to it, and a log of what is said there.

use std::fmt;
#[cfg(feature = "proxy")]
use std::sync::Arc;

#[cfg(any(feature = "proxy", feature = "wire-log"))]
use super::Endpoint;
#[cfg(feature = "proxy")]
use crate::{
    CLIENT_TRACES, Error, Phase, Stream, domain_to_ascii,
    proxy::{self, Proxy},
    traces,
};
#[cfg(feature = "wire-log")]
use crate::{WireLine, WireLog};

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Extras {
    #[cfg(feature = "proxy")]
    proxy: Option<Arc<Proxy>>,
    #[cfg(feature = "wire-log")]
    wire_log: Option<WireLog>,
}

/// What an error tells after the server: through which proxy it was to be reached.
impl fmt::Display for Extras {
    #[cfg_attr(not(feature = "proxy"), allow(unused_variables, reason = "there is no proxy"))]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(feature = "proxy")]
        if let Some(proxy) = &self.proxy {
            write!(f, " through the proxy {proxy}")?;
        }
        Ok(())
    }
}

#[cfg(feature = "proxy")]
impl Endpoint {
    /// Connects through a proxy; `None`, the default, for none. A Unix socket is never reached through one. The time
    /// for connecting is for all of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_transport::{Endpoint, Protocol, Proxy, Security};
    ///
    /// let endpoint = Endpoint::new("imap.example.org", Protocol::Imap, Security::implicit_tls())
    ///     .with_proxy(Proxy::from_environment("imap.example.org")?);
    /// # Ok::<(), mailwire_core::Invalid>(())
    /// ```
    #[must_use]
    pub fn with_proxy(mut self, proxy: Option<Proxy>) -> Self {
        self.extras.proxy = proxy.map(Arc::new);
        self
    }

    /// Returns the proxy.
    #[must_use]
    pub fn proxy(&self) -> Option<&Proxy> {
        self.extras.proxy.as_deref()
    }

    /// Has the proxy connect to the server.
    pub(super) async fn through(
        &self,
        proxy: &Proxy,
        begun: tokio::time::Instant,
        host: &str,
        port: u16,
    ) -> Result<Stream, Error> {
        let near = domain_to_ascii(proxy.host())?;
        let addresses = self.resolve(begun, &near, proxy.port()).await?;
        let mut stream = self.dial(begun, addresses).await?;
        traces::debug!(target: CLIENT_TRACES, server = %self.address, %proxy, "asking the proxy");
        self.within(begun, Phase::Proxy, proxy::ask(proxy, &mut stream, host, port)).await?;
        Ok(stream)
    }
}

#[cfg(feature = "wire-log")]
impl Endpoint {
    /// Shows the lines that clients of this server say and hear, without secrets: see [`WireLog`].
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_transport::{Endpoint, Protocol, Security};
    ///
    /// let endpoint = Endpoint::new("imap.example.org", Protocol::Imap, Security::implicit_tls())
    ///     .with_wire_log(|line| eprintln!("{line}"));
    /// ```
    #[must_use]
    pub fn with_wire_log(mut self, show: impl Fn(WireLine<'_>) + Send + Sync + 'static) -> Self {
        self.extras.wire_log = Some(WireLog::of_client(show));
        self
    }

    /// Returns what is shown the lines of a conversation.
    #[must_use]
    pub const fn wire_log(&self) -> Option<&WireLog> {
        self.extras.wire_log.as_ref()
    }
}
