//! Trying servers.

use std::{
    fmt,
    future::Future,
    sync::{Arc, OnceLock},
};

use super::Settings;
use crate::{Endpoint, Protocol, Result, Timeouts, imap, pop3, smtp, tls::ClientTls};

/// Tries a server without credentials: [`Connect`], or what an application has for it.
pub trait Probe: Send + Sync {
    /// Connects to the server with TLS as the settings say, up to what it greets with, and goes again. There are no credentials
    /// here to be sent.
    ///
    /// # Errors
    ///
    /// It cannot be reached, does not prove by its certificate to be the host, or does not speak the protocol.
    fn probe(&self, settings: &Settings) -> impl Future<Output = Result<()>> + Send;
}

impl<P: Probe + ?Sized> Probe for &P {
    fn probe(&self, settings: &Settings) -> impl Future<Output = Result<()>> + Send {
        (**self).probe(settings)
    }
}

impl<P: Probe + ?Sized> Probe for Arc<P> {
    fn probe(&self, settings: &Settings) -> impl Future<Output = Result<()>> + Send {
        (**self).probe(settings)
    }
}

/// Tries servers by connecting to them: the default.
#[derive(Clone)]
pub struct Connect {
    shape: Arc<dyn Fn(Endpoint) -> Endpoint + Send + Sync>,
    tls: Arc<OnceLock<ClientTls>>,
}

impl Default for Connect {
    fn default() -> Self {
        Self::new()
    }
}

impl Connect {
    /// Trusts what [`ClientTls::new`] does.
    #[must_use]
    pub fn new() -> Self {
        Self { shape: Arc::new(|endpoint| endpoint), tls: Arc::default() }
    }

    /// Changes each server before it is connected to: through a proxy, from another address of the machine, by another
    /// configuration of TLS.
    #[must_use]
    pub fn with_endpoint(mut self, shape: impl Fn(Endpoint) -> Endpoint + Send + Sync + 'static) -> Self {
        self.shape = Arc::new(shape);
        self
    }
}

impl Probe for Connect {
    async fn probe(&self, settings: &Settings) -> Result<()> {
        let tls = match self.tls.get() {
            Some(tls) => tls,
            None => {
                let tls = ClientTls::new()?;
                self.tls.get_or_init(|| tls)
            }
        };
        let endpoint =
            settings.unconfirmed_endpoint().with_timeouts(Timeouts::interactive()).with_tls(tls.clone());
        let endpoint = (self.shape)(endpoint);
        // A server that does not say goodbye has greeted all the same.
        match settings.protocol {
            Protocol::Imap => {
                let client = imap::Client::connect_with(endpoint, imap::Config::anonymous()).await?;
                let _ = client.logout().await;
            }
            Protocol::Pop3 => pop3::greeted(endpoint).await?,
            _ => {
                let client = smtp::Client::connect_with(endpoint, smtp::Config::anonymous()).await?;
                let _ = client.quit().await;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connect(..)")
    }
}
