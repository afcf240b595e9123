//! What is counted by the facade [`metrics`](https://docs.rs/metrics), with the feature `metrics`: the names, their labels
//! and the values of these.
//!
//! An application installs a recorder, such as that of `metrics-exporter-prometheus`; without one, nothing is counted. The
//! names here are an interface. No label has a value that a peer can choose: a name that it made up is `other`, and there is
//! no user, host or address among them, so that the number of series is bounded.
//!
//! | label | values |
//! | --- | --- |
//! | `protocol` | `smtp` (of a pool, LMTP, too), `lmtp`, `imap`, `pop3`; of an [`Acceptor`](crate::server::Acceptor), what it was given |
//! | `role` | `client`, `server`: which side this one is |
//! | `command` | the name of a command that this crate knows; `other` |
//! | `mechanism` | the name of a SASL mechanism that this crate speaks; `other`; `command` for a login by the protocol's own: LOGIN, USER and PASS, APOP |
//! | `result` | `ok`, `refused`, `failed`, `unavailable`; of a message also `in_doubt`, `not_sent` |
//! | `cause` | `closed`, `cut`, `shutdown`, `unauthenticated`, `expired`, `goodbye`, `timeout`, `io`, `tls`, `protocol`, `other` |
//! | `reason` | `limit`, `proxy` |
//! | `phase` | `resolve`, `connect`, `proxy`, `tls`, `other` |
//! | `reused` | `true`, `false` |
//!
//! # Counters
//!
//! | counter | labels | of |
//! | --- | --- | --- |
//! | `mailwire_bytes_received_total` | `protocol`, `role` | bytes of the protocol that came, within TLS and compression |
//! | `mailwire_bytes_sent_total` | `protocol`, `role` | bytes of the protocol that were written, within TLS and compression |
//! | `mailwire_commands_total` | `protocol`, `command` | commands that a server was to answer |
//! | `mailwire_connections_ended_total` | `protocol`, `role`, `cause` | connections that have ended |
//! | `mailwire_connections_opened_total` | `protocol`, `role` | connections that were made or accepted |
//! | `mailwire_connections_refused_total` | `protocol`, `reason` | connections that a server did not take: one too many, or not of a trusted proxy |
//! | `mailwire_connects_failed_total` | `phase` | connections that a client could not make |
//! | `mailwire_logins_total` | `protocol`, `role`, `result`, `mechanism` | logins that were tried |
//! | `mailwire_messages_received_total` | `protocol`, `result` | messages that a server was given by SMTP or LMTP; in LMTP each recipient counts |
//! | `mailwire_messages_sent_total` | `protocol`, `result` | messages that a client has sent by SMTP or LMTP |
//! | `mailwire_pool_leases_total` | `protocol`, `reused` | connections that a pool gave, kept before or new |
//! | `mailwire_retries_total` |  | messages that a [`Mailer`](crate::smtp::Mailer) tries to send again after a pause |
//! | `mailwire_tls_handshakes_total` | `role`, `result` | TLS handshakes |
//!
//! # Gauges
//!
//! | gauge | labels | of |
//! | --- | --- | --- |
//! | `mailwire_connections_open` | `protocol`, `role` | connections that are open now |
//!
//! # Histograms
//!
//! | histogram | labels | of |
//! | --- | --- | --- |
//! | `mailwire_connection_seconds` | `protocol`, `role` | how long a connection was open |
//! | `mailwire_pool_wait_seconds` | `protocol` | how long a connection of a pool was waited for, where it was |
//! | `mailwire_tls_handshake_seconds` | `role` | how long a TLS handshake took that succeeded |
//!
//! # Examples
//!
//! ```no_run
//! use mailwire_transport::smtp;
//!
//! # async fn run(install: impl Fn()) -> mailwire_transport::Result<()> {
//! // `PrometheusBuilder::new().install()`, or whatever else records.
//! install();
//! let mailer = smtp::Mailer::to("smtps://anna:secret@mail.example.org")?;
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "metrics")]
pub(crate) use recorded::*;
#[cfg(not(feature = "metrics"))]
pub(crate) use silent::*;

use crate::Error;

/// Why a connection has ended.
#[allow(dead_code, reason = "without a role nobody asks")]
pub(crate) const fn cause(error: &Error) -> &'static str {
    match error {
        Error::Closed => "closed",
        Error::Io(_) => "io",
        Error::Tls(_) => "tls",
        Error::Protocol { .. } => "protocol",
        Error::Timeout { .. } => "timeout",
        Error::Refused(_) => "goodbye",
        _ => "other",
    }
}

#[cfg(feature = "metrics")]
#[allow(dead_code, reason = "some are called in one role or protocol alone")]
mod recorded {
    use std::time::Instant;

    use metrics::{Counter, counter, gauge, histogram};

    use crate::{
        Error,
        sasl::{Mechanism, SPOKEN},
    };

    /// A connection, from its beginning to its end.
    #[derive(Debug)]
    pub(crate) struct Counted {
        protocol: &'static str,
        role: &'static str,
        since: Instant,
        cause: &'static str,
    }

    impl Counted {
        pub(crate) fn opened(protocol: &'static str, role: &'static str) -> Self {
            counter!("mailwire_connections_opened_total", "protocol" => protocol, "role" => role)
                .increment(1);
            gauge!("mailwire_connections_open", "protocol" => protocol, "role" => role).increment(1);
            Self { protocol, role, since: Instant::now(), cause: "closed" }
        }

        /// It ends for this reason.
        pub(crate) const fn ends(&mut self, cause: &'static str) {
            self.cause = cause;
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            let Self { protocol, role, since, cause } = *self;
            gauge!("mailwire_connections_open", "protocol" => protocol, "role" => role).decrement(1);
            histogram!("mailwire_connection_seconds", "protocol" => protocol, "role" => role)
                .record(since.elapsed());
            counter!("mailwire_connections_ended_total", "protocol" => protocol, "role" => role, "cause" => cause)
                .increment(1);
        }
    }

    /// The bytes of a connection. Cheap: what is counted is found once.
    #[derive(Clone, Default)]
    pub(crate) struct Meter(Option<(Counter, Counter)>);

    impl Meter {
        pub(crate) fn new(protocol: &'static str, role: &'static str) -> Self {
            Self(Some((
                counter!("mailwire_bytes_received_total", "protocol" => protocol, "role" => role),
                counter!("mailwire_bytes_sent_total", "protocol" => protocol, "role" => role),
            )))
        }

        pub(crate) fn received(&self, count: usize) {
            if let Some((received, _)) = &self.0 {
                received.increment(count as u64);
            }
        }

        pub(crate) fn sent(&self, count: usize) {
            if let Some((_, sent)) = &self.0 {
                sent.increment(count as u64);
            }
        }
    }

    impl std::fmt::Debug for Meter {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Meter")
        }
    }

    /// A time that is measured.
    pub(crate) struct Watch(Instant);

    impl Watch {
        pub(crate) fn start() -> Self {
            Self(Instant::now())
        }

        /// A handshake has come to its end.
        pub(crate) fn handshake<T>(&self, role: &'static str, result: &Result<T, Error>) {
            let word = if result.is_ok() { "ok" } else { "failed" };
            counter!("mailwire_tls_handshakes_total", "role" => role, "result" => word).increment(1);
            if result.is_ok() {
                histogram!("mailwire_tls_handshake_seconds", "role" => role).record(self.0.elapsed());
            }
        }

        /// A connection of a pool was waited for.
        #[cfg(all(feature = "client", any(feature = "smtp", feature = "imap")))]
        pub(crate) fn waited(&self, protocol: &'static str) {
            histogram!("mailwire_pool_wait_seconds", "protocol" => protocol).record(self.0.elapsed());
        }
    }

    /// A login by a SASL mechanism, or by a command of the protocol.
    pub(crate) fn login(
        protocol: &'static str,
        role: &'static str,
        result: &'static str,
        mechanism: Option<&Mechanism>,
    ) {
        let mechanism = match mechanism {
            None => "command".to_owned(),
            Some(spoken) if *spoken == Mechanism::DigestMd5 || SPOKEN.contains(spoken) => spoken.to_string(),
            Some(_) => "other".to_owned(),
        };
        counter!("mailwire_logins_total", "protocol" => protocol, "role" => role, "result" => result, "mechanism" => mechanism)
            .increment(1);
    }

    #[cfg(feature = "client")]
    pub(crate) fn connect_failed(phase: &crate::Phase) {
        use crate::Phase;
        let phase = match phase {
            Phase::Resolve => "resolve",
            Phase::Connect => "connect",
            Phase::Proxy => "proxy",
            Phase::Tls => "tls",
            _ => "other",
        };
        counter!("mailwire_connects_failed_total", "phase" => phase).increment(1);
    }

    #[cfg(all(feature = "client", feature = "smtp"))]
    pub(crate) fn message_sent(protocol: &'static str, is_ok: bool, outcome: mailwire_smtp::client::Outcome) {
        use mailwire_smtp::client::Outcome;
        let result = match outcome {
            _ if is_ok => "ok",
            Outcome::Refused => "refused",
            Outcome::NotSent => "not_sent",
            _ => "in_doubt",
        };
        counter!("mailwire_messages_sent_total", "protocol" => protocol, "result" => result).increment(1);
    }

    #[cfg(all(feature = "client", feature = "smtp"))]
    pub(crate) fn retried() {
        counter!("mailwire_retries_total").increment(1);
    }

    #[cfg(all(feature = "client", any(feature = "smtp", feature = "imap")))]
    pub(crate) fn leased(protocol: &'static str, reused: bool) {
        let reused = if reused { "true" } else { "false" };
        counter!("mailwire_pool_leases_total", "protocol" => protocol, "reused" => reused).increment(1);
    }

    #[cfg(all(feature = "server", feature = "smtp"))]
    pub(crate) fn message_received(protocol: &'static str, accepted: bool) {
        let result = if accepted { "ok" } else { "refused" };
        counter!("mailwire_messages_received_total", "protocol" => protocol, "result" => result).increment(1);
    }

    #[cfg(feature = "server")]
    pub(crate) fn refused(protocol: &'static str, reason: &'static str) {
        counter!("mailwire_connections_refused_total", "protocol" => protocol, "reason" => reason)
            .increment(1);
    }

    #[cfg(feature = "server")]
    pub(crate) fn command(protocol: &'static str, known: Option<&'static str>) {
        let command = known.unwrap_or("other");
        counter!("mailwire_commands_total", "protocol" => protocol, "command" => command).increment(1);
    }
}

/// Stands in for what counts where the feature is off: nothing is counted, and nothing is left of its calls.
#[cfg(not(feature = "metrics"))]
#[allow(dead_code, reason = "some are called in one role or protocol alone")]
mod silent {
    use crate::{Error, sasl::Mechanism};

    #[derive(Debug)]
    pub(crate) struct Counted;

    impl Counted {
        pub(crate) const fn opened(_: &'static str, _: &'static str) -> Self {
            Self
        }
        pub(crate) const fn ends(&mut self, _: &'static str) {}
    }

    #[derive(Debug, Clone, Default)]
    pub(crate) struct Meter(());

    impl Meter {
        pub(crate) const fn new(_: &'static str, _: &'static str) -> Self {
            Self(())
        }
        pub(crate) const fn received(&self, _: usize) {}
        pub(crate) const fn sent(&self, _: usize) {}
    }

    pub(crate) struct Watch;

    impl Watch {
        pub(crate) const fn start() -> Self {
            Self
        }
        pub(crate) const fn handshake<T>(&self, _: &'static str, _: &Result<T, Error>) {}
        pub(crate) const fn waited(&self, _: &'static str) {}
    }

    pub(crate) const fn login(_: &'static str, _: &'static str, _: &'static str, _: Option<&Mechanism>) {}
    #[cfg(feature = "client")]
    pub(crate) const fn connect_failed(_: &crate::Phase) {}
    #[cfg(all(feature = "client", feature = "smtp"))]
    pub(crate) const fn message_sent(_: &'static str, _: bool, _: mailwire_smtp::client::Outcome) {}
    pub(crate) const fn retried() {}
    pub(crate) const fn leased(_: &'static str, _: bool) {}
    pub(crate) const fn message_received(_: &'static str, _: bool) {}
    pub(crate) const fn refused(_: &'static str, _: &'static str) {}
    pub(crate) const fn command(_: &'static str, _: Option<&'static str>) {}
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// The tables have what is counted, with its labels, and nothing else.
    #[test]
    fn the_tables_have_everything_that_is_counted() {
        let source = include_str!("metrics.rs");
        let mut counted = BTreeSet::new();
        for kind in ["counter", "gauge", "histogram"] {
            let mark = format!("{kind}!(\"");
            let calls = source.split(&mark).skip(1).filter_map(|rest| rest.split_once(')'));
            for (arguments, _) in calls {
                let mut words = arguments.split('"').step_by(2);
                let name = words.next().unwrap();
                let labels: BTreeSet<&str> = arguments.split('"').skip(2).step_by(2).collect();
                let labels = labels.into_iter().filter(|label| label.chars().all(char::is_lowercase));
                counted.insert((
                    kind,
                    name.to_owned(),
                    labels.filter(|it| !it.is_empty()).collect::<BTreeSet<_>>(),
                ));
            }
        }
        let mut kind = "";
        let mut told = BTreeSet::new();
        for row in source.lines().filter_map(|line| line.strip_prefix("//! | ")) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let [name, labels, _, ..] = cells[..] else { continue };
            kind = ["counter", "gauge", "histogram"].into_iter().find(|kind| *kind == name).unwrap_or(kind);
            if let Some(name) = name.strip_prefix('`').filter(|name| name.starts_with("mailwire_")) {
                let labels: BTreeSet<&str> = labels.split('`').skip(1).step_by(2).collect();
                told.insert((kind, name.trim_end_matches('`').to_owned(), labels));
            }
        }
        assert!(told.len() > 15, "{told:?}");
        assert_eq!(told, counted);
    }
}
