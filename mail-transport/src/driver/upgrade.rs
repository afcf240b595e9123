//! Another stream under a conversation.

use std::{future::Future, io};

use bytes::BytesMut;
use mailwire_core::{Connection, Upgrade};

use super::{Driver, DriverError};
use crate::Stream;

impl<S, C: Connection> Driver<S, C> {
    /// Goes on with the same conversation over another stream, after [`Step::Upgrade`](super::Step::Upgrade).
    /// The machine is told that it was [`upgraded`](Connection::upgraded).
    ///
    /// `replace` is given the stream, and the bytes that were received after the agreement and are the
    /// first of the new one: none if that is TLS, where they are an error ([`Upgrade::takes_rest`]).
    ///
    /// # Errors
    ///
    /// Bytes were received in clear after the agreement on TLS.
    pub fn replace_stream<T>(
        mut self,
        replace: impl FnOnce(S, BytesMut) -> T,
    ) -> Result<Driver<T, C>, DriverError<C::Error>> {
        let (upgrade, rest) = self.take_upgrade()?;
        let Self { stream, mut connection, config, wire, .. } = self;
        connection.upgraded(upgrade);
        Ok(Driver { wire, ..Driver::with_config(replace(stream, rest), connection, config) })
    }

    /// Does what [`replace_stream`](Self::replace_stream) does, with a handshake in between. The machine
    /// is told once that has succeeded.
    ///
    /// # Errors
    ///
    /// The handshake's error, or that bytes were received in clear after the agreement on TLS.
    pub async fn upgrade<T, F, E>(
        mut self,
        handshake: impl FnOnce(S, BytesMut) -> F,
    ) -> Result<Driver<T, C>, E>
    where
        F: Future<Output = Result<T, E>>,
        E: From<DriverError<C::Error>>,
    {
        let (upgrade, rest) = self.take_upgrade()?;
        let Self { stream, mut connection, config, wire, .. } = self;
        let stream = handshake(stream, rest).await?;
        connection.upgraded(upgrade);
        Ok(Driver { wire, ..Driver::with_config(stream, connection, config) })
    }

    /// Does what [`upgrade`](Self::upgrade) does in place, for a stream type that holds both forms.
    ///
    /// `placeholder` stands in for the stream while the handshake runs; if that fails, or its future is
    /// dropped, the driver is left without a stream and says so from then on.
    ///
    /// # Errors
    ///
    /// The handshake's error, or that bytes were received in clear after the agreement on TLS.
    pub async fn upgrade_in_place<F, E>(
        &mut self,
        placeholder: S,
        handshake: impl FnOnce(S, BytesMut) -> F,
    ) -> Result<(), E>
    where
        F: Future<Output = Result<S, E>>,
        E: From<DriverError<C::Error>>,
    {
        let (upgrade, rest) = self.take_upgrade()?;
        let stream = std::mem::replace(&mut self.stream, placeholder);
        self.failed = Some(io::ErrorKind::NotConnected);
        self.stream = handshake(stream, rest).await?;
        self.failed = None;
        self.read_size = self.config.read_at_least;
        self.clock.restart();
        self.connection.upgraded(upgrade);
        Ok(())
    }

    /// What was agreed upon, and the bytes after that. An upgrade that nobody has agreed upon is taken
    /// for the most careful one.
    fn take_upgrade(&mut self) -> Result<(Upgrade, BytesMut), DriverError<C::Error>> {
        let upgrade = self.upgrade.take().unwrap_or(Upgrade::Tls);
        self.check_upgrade(upgrade)?;
        Ok((upgrade, self.input.take()))
    }

    pub(super) fn check_upgrade(&mut self, upgrade: Upgrade) -> Result<(), DriverError<C::Error>> {
        if let Some(kind) = self.failed {
            return Err(DriverError::Io(kind.into()));
        }
        if !upgrade.takes_rest() && !self.input.is_empty() {
            self.failed = Some(io::ErrorKind::InvalidData);
            return Err(DriverError::BytesBeforeUpgrade);
        }
        Ok(())
    }
}

impl<C: Connection> Driver<Stream, C> {
    /// Puts compression above the stream, or ends it, after a [`Step::Upgrade`](super::Step::Upgrade) that says so.
    ///
    /// # Errors
    ///
    /// Those of [`Stream::layered`].
    pub async fn layer(&mut self, upgrade: Upgrade) -> Result<(), DriverError<C::Error>> {
        let layered =
            |stream: Stream, rest| std::future::ready(stream.layered(upgrade, rest).map_err(Into::into));
        self.upgrade_in_place(Stream::Absent, layered).await
    }
}
