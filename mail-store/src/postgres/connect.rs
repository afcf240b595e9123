//! Connections to the server.

use std::{sync::Arc, time::Duration};

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, QueueMode, RecyclingMethod, Runtime};
use rustls::ClientConfig;
use tokio_postgres::{
    AsyncMessage, Client, NoTls,
    config::TargetSessionAttrs,
    tls::{MakeTlsConnect, TlsConnect},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Config, sql::Failure};
use crate::{Error, Result};

/// What every connection of the pool begins with. To plan for long, or anew for other arguments, is not worth it for
/// statements as short as ours, which go by an index line by line; a transaction of a process that hangs does not keep its
/// account locked for ever.
const BEGIN: &str = "SET jit=off; SET plan_cache_mode=force_generic_plan; SET enable_seqscan=off;
    SET enable_hashjoin=off; SET enable_mergejoin=off; SET lock_timeout='5s';
    SET idle_in_transaction_session_timeout='60s'";

/// Opens connections: those of the pool, and single ones.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) pool: Pool,
    config: Arc<tokio_postgres::Config>,
    tls: Option<MakeRustlsConnect>,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // There may be a password in its configuration.
        f.debug_struct("Connector").field("pool", &self.pool.status()).finish_non_exhaustive()
    }
}

/// A connection that is still to be driven.
pub(super) type Connection = Box<dyn Messages>;

pub(super) trait Messages: Send {
    fn poll_message(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<AsyncMessage, tokio_postgres::Error>>>;
}

impl<S, T> Messages for tokio_postgres::Connection<S, T>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send,
{
    fn poll_message(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<AsyncMessage, tokio_postgres::Error>>> {
        tokio_postgres::Connection::poll_message(self, context)
    }
}

impl Connector {
    pub(super) fn new(url: &str, tls: Option<ClientConfig>, config: &Config) -> Result<Self> {
        let wrong = |error: tokio_postgres::Error| Error::NotDone(format!("not a PostgreSQL URL: {error}"));
        let mut server: tokio_postgres::Config = url.parse().map_err(wrong)?;
        if server.get_application_name().is_none() {
            server.application_name("mailwire");
        }
        if server.get_connect_timeout().is_none() {
            server.connect_timeout(config.wait.max(Duration::from_secs(1)));
        }
        // A server that was cut off is not waited for.
        if server.get_tcp_user_timeout().is_none() {
            server.tcp_user_timeout(Duration::from_secs(30));
        }
        server.keepalives_idle(Duration::from_secs(15));
        // A replica lags behind the hints, and cannot be written. Of several hosts the primary is taken.
        server.target_session_attrs(TargetSessionAttrs::ReadWrite);
        let tls = tls.map(MakeRustlsConnect::new);
        let options = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match &tls {
            Some(tls) => Manager::from_config(server.clone(), tls.clone(), options),
            None => Manager::from_config(server.clone(), NoTls, options),
        };
        let hook = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
            Box::pin(async move { client.batch_execute(BEGIN).await.map_err(HookError::Backend) })
        });
        let pool = Pool::builder(manager)
            .max_size(config.connections.max(1))
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(config.wait))
            .create_timeout(Some(config.wait))
            .post_create(hook)
            .build();
        let pool = pool.map_err(|error| Error::NotDone(error.to_string()))?;
        Ok(Self { pool, config: Arc::new(server), tls })
    }

    /// A connection of its own, which somebody else drives.
    pub(super) async fn open(&self) -> Result<(Client, Connection), tokio_postgres::Error> {
        async fn open<T>(
            config: &tokio_postgres::Config,
            tls: T,
        ) -> Result<(Client, Connection), tokio_postgres::Error>
        where
            T: MakeTlsConnect<tokio_postgres::Socket>,
            T::Stream: Send + 'static,
            T::TlsConnect: TlsConnect<tokio_postgres::Socket>,
        {
            let (client, connection) = config.connect(tls).await?;
            Ok((client, Box::new(connection)))
        }
        match &self.tls {
            Some(tls) => open(&self.config, tls.clone()).await,
            None => open(&self.config, NoTls).await,
        }
    }

    /// A connection of its own.
    pub(super) async fn connect(&self) -> Result<Client, Error> {
        let (client, mut connection) = self.open().await.map_err(|error| Failure::from(error).not_done())?;
        tokio::spawn(async move {
            let next = |context: &mut std::task::Context<'_>| connection.poll_message(context);
            let mut next = next;
            while let Some(Ok(_)) = std::future::poll_fn(&mut next).await {}
        });
        Ok(client)
    }
}
