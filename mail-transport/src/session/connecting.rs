//! The ways of the three clients to their servers.

/// Gives a client the ways to its server, in the same words for each protocol. The client has a `session`
/// and `begin(stream, channel, endpoint, config)`, its module a `Config` with `login(credentials)`.
macro_rules! connecting {
    ($module:literal, $protocol:literal) => {
        impl Client {
            /// Connects, with TLS as the endpoint says, and logs in by the best mechanism that the server
            /// offers.
            ///
            /// # Examples
            ///
            /// ```no_run
            /// # async fn example() -> mailwire_transport::Result<()> {
            #[doc = concat!("use mailwire_transport::{Endpoint, Protocol, Security, ", $module, ", sasl::Credentials};")]
            ///
            #[doc = concat!("let endpoint = Endpoint::new(\"mail.example.org\", Protocol::", $protocol, ", Security::implicit_tls());")]
            /// let credentials = Credentials::password("ada", "secret");
            #[doc = concat!("let client = ", $module, "::Client::connect(endpoint, &credentials).await?;")]
            /// assert!(client.is_encrypted());
            /// # Ok(())
            /// # }
            /// ```
            ///
            /// # Errors
            ///
            /// The connection, the TLS handshake or the login fails; or the login would show the password
            /// in clear.
            pub async fn connect(endpoint: Endpoint, credentials: &Credentials) -> Result<Self> {
                Self::connect_with(endpoint, Config::login(credentials.clone())).await
            }

            /// Connects and logs in as an [`Account`](crate::Account) says, or its URL.
            ///
            /// # Examples
            ///
            /// ```no_run
            /// # async fn example() -> mailwire_transport::Result<()> {
            #[doc = concat!("use mailwire_transport::", $module, ";")]
            ///
            #[doc = concat!("let client = ", $module, "::Client::connect_to(\"", $module, "s://ada:secret@mail.example.org\").await?;")]
            /// # Ok(())
            /// # }
            /// ```
            ///
            /// # Errors
            ///
            /// It is no URL of an account, or one of another protocol; or one of those of
            /// [`connect`](Self::connect).
            #[cfg(feature = "account")]
            pub async fn connect_to(account: impl TryInto<crate::Account, Error: Into<crate::Error>>) -> Result<Self> {
                let account = account.try_into().map_err(Into::into)?;
                let config = Config::try_from(&account)?;
                Self::connect_with(account.into_endpoint(), config).await
            }

            /// Connects, with TLS as the endpoint says, and logs in as the configuration says.
            ///
            /// # Errors
            ///
            /// As [`connect`](Self::connect).
            pub async fn connect_with(endpoint: Endpoint, config: Config) -> Result<Self> {
                Self::set_up(None, endpoint, config).await
            }

            /// Begins a session over a stream that is there: a proxy's tunnel, a pipe in tests. TLS comes
            /// on top of it as the endpoint says, unless the stream has it already.
            ///
            /// # Errors
            ///
            /// As [`connect`](Self::connect).
            pub async fn over(stream: Stream, endpoint: Endpoint, config: Config) -> Result<Self> {
                Self::set_up(Some(stream), endpoint, config).await
            }

            /// All that connecting and a login can be is large, and no part of the futures of those who connect.
            fn set_up(
                stream: Option<Stream>,
                endpoint: Endpoint,
                config: Config,
            ) -> crate::runtime::Boxed<'static, Result<Self>> {
                Box::pin(async move {
                    let (stream, channel) = match stream {
                        Some(stream) => endpoint.adopt(stream).await?,
                        None => (endpoint.connect().await?, endpoint.channel()),
                    };
                    let server = endpoint.address().clone();
                    let limit = endpoint.timeouts().login;
                    let begun = Self::begin(stream, channel, endpoint, config);
                    let client = crate::within(limit, Phase::Login, begun).await;
                    client.map_err(|error| error.during(&server, &Phase::Login))
                })
            }

            /// Whether another call can be made: no call has ended the connection, none was dropped where
            /// that cannot be made good, and the server has not said goodbye as far as was read. It waits
            /// for nothing and sends nothing; `noop` asks the server.
            #[must_use]
            pub fn is_usable(&self) -> bool {
                self.session.is_usable()
            }

            /// Returns how this client logged in; `None` if it did not.
            #[must_use]
            pub const fn login(&self) -> Option<&crate::Login> {
                self.session.login.as_ref()
            }

            /// Returns the server that this session is with.
            #[must_use]
            pub const fn endpoint(&self) -> &Endpoint {
                self.session.endpoint()
            }

            /// Whether the connection is protected, by TLS or because it never leaves the machine.
            #[must_use]
            pub fn is_encrypted(&self) -> bool {
                self.session.machine_ref().is_tls()
            }
        }
    };
}
pub(crate) use connecting;
