//! All of the server, from its start to its end.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use mailwire_core::Dialect;
use mailwire_examples::{
    queue::{Queue, Runner},
    say,
    server::{Opened, Running, asked_to_end},
};
use mailwire_store::{Reports, Room, SmtpService};
use mailwire_transport::{
    Protocol,
    deliver::{self, Delivery},
    dns::DnsResolver,
    http::HttpsClient,
    server::{Listener, ProxyProtocol},
    smtp::{self, Mailer, MailerOptions, Missing},
};
use tokio_util::sync::CancellationToken;

use crate::{
    carrier::{Post, Way},
    certificate,
    checks::Checker,
    config::{Config, Dns, Outgoing},
    notify, recorder,
    submission::{Ours, Submission},
    users::{self, Users, WithStore},
};

/// Serves as it is configured, until it is asked to end.
pub(crate) struct Serving<'a>(pub(crate) &'a Config);

impl WithStore for Serving<'_> {
    async fn run<S: Users>(self, store: S) -> Result<()> {
        let config = self.0;
        let counted = recorder::install();
        let (queue, runner) = open_queue(config)?;
        let files = certificate::files(config)?;
        let tls = files.read()?.build()?;
        users::first(&store).await?;

        let ours = Ours { name: config.name.clone(), domains: config.domains.clone().into() };
        let way = way(config)?;
        let leaves = !matches!(way, Way::Nowhere);
        let room = Room::new(config.memory);
        let submission = Submission {
            store: store.clone(),
            ours: ours.clone(),
            queue: queue.clone(),
            room: room.clone(),
            signers: config.signers.clone(),
            leaves,
            longest_hold: config.queue.longest_hold,
            priorities: config.queue.priorities,
        };
        let incoming = incoming(config, &store, &queue, room)?;

        let mut opened = Opened::take();
        let mut running = Running::new(Dialect::Lenient).with_connections(config.connections);
        let mut told = Vec::new();
        for listen in &config.listen {
            let listener = proxied(config, listen.bind(&tls, &mut opened).await?);
            let address = listener.local_addr().map_or_else(|| listen.address.clone(), |it| it.to_string());
            told.push(format!("{} {address}", listen.name));
            let name = config.name.clone();
            match listen.protocol {
                Protocol::Imap | Protocol::Pop3 => {
                    running.mailboxes(listen.protocol, store.clone(), listener)
                }
                Protocol::Submission => running.mail(listen.protocol, submission.clone(), name, listener),
                Protocol::Lmtp => {
                    let service = SmtpService::new(store.clone()).with_reports(Reports::new(queue.clone()));
                    running.mail(listen.protocol, service, name, listener);
                }
                _ => running.mail(listen.protocol, incoming.clone(), name, listener),
            }
        }
        let stop = CancellationToken::new();
        #[cfg(feature = "http")]
        let page = match &config.http {
            None => None,
            Some(address) => {
                let (listener, address) = opened.bind(address).await?;
                told.push(format!("http {address}"));
                let page = crate::page::Page { store: store.clone(), queue: queue.clone(), counted };
                Some(tokio::spawn(page.serve(listener, stop.clone())))
            }
        };
        #[cfg(not(feature = "http"))]
        let _ = counted;
        #[cfg(unix)]
        let renewing = tokio::spawn(mailwire_examples::server::renew(files, tls));
        let post = Arc::new(Post { store, ours, way });
        let post = tokio::spawn(runner.run(post, stop.clone()));
        let end = asked_to_end();
        told.iter().try_for_each(say)?;
        notify::tell("READY=1");

        end.await;
        notify::tell("STOPPING=1");
        // First whoever brings something, then what takes it away.
        let ended = running.end().await;
        stop.cancel();
        post.await?;
        #[cfg(feature = "http")]
        if let Some(page) = page {
            page.await?;
        }
        #[cfg(unix)]
        renewing.abort();
        ended
    }
}

/// The service of the port where anybody may bring mail for users here.
fn incoming<S: Users>(
    config: &Config,
    store: &S,
    queue: &Queue,
    room: Room,
) -> Result<SmtpService<S, NoLogins>> {
    let service = SmtpService::with_authenticator(store.clone(), NoLogins);
    let service = service.with_reports(Reports::new(queue.clone()));
    Ok(match config.checks {
        Some(checks) => {
            let checker = Checker::new(config.name.as_str(), checks, &config.dns)?;
            service.with_inspector(checker, room)
        }
        None => service,
    })
}

/// Nobody logs in where mail from elsewhere comes: users have submission.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoLogins;

impl mailwire_transport::sasl::Authenticator for NoLogins {}

fn open_queue(config: &Config) -> Result<(Queue, Runner)> {
    let path: &Path = &config.queue.file;
    let named = || path.display().to_string();
    let queue = Queue::open(path, config.queue.limits).with_context(named)?;
    let runner = queue.runner(config.name.clone(), config.queue.options).with_context(named)?;
    Ok((queue, runner))
}

/// Clients have to come through the proxies, if there are any.
fn proxied(config: &Config, listener: Listener) -> Listener {
    // A Unix socket is not where a proxy comes.
    if config.proxies.is_empty() || listener.local_addr().is_none() {
        return listener;
    }
    listener.with_proxy_protocol(ProxyProtocol::from_networks(config.proxies.iter().copied()))
}

/// Where the mail of users to others goes.
fn way(config: &Config) -> Result<Way> {
    Ok(match &config.outgoing {
        Outgoing::Nowhere => Way::Nowhere,
        Outgoing::Mx(port) => {
            let client = as_relay(smtp::Config::anonymous(), config);
            let options = deliver::Options::new()
                .with_client(client)
                .with_names(vec![config.name.to_string()])
                .with_port(*port);
            let delivery = Delivery::over(resolver(&config.dns)?, HttpsClient::new());
            Way::Mx(Box::new(delivery.with_options(options)))
        }
        Outgoing::SmartHost(account, tls) => {
            let client = as_relay(smtp::Config::try_from(&**account)?, config);
            let mut endpoint = account.endpoint().clone();
            if let Some(tls) = tls {
                endpoint = endpoint.with_tls(tls.clone());
            }
            let host = endpoint.address().to_string();
            Way::SmartHost(Box::new(Mailer::with_options(endpoint, client, MailerOptions::new())), host)
        }
    })
}

/// How this server speaks to others: what a sender wants to hear of is told to those who can report it, and how urgent it is to those who
/// heed it; others get the message all the same.
fn as_relay(mut client: smtp::Config, config: &Config) -> smtp::Config {
    client.name = Some(config.name.clone().into());
    client.with_missing_dsn(Missing::Drop).with_missing_priority(Missing::Drop)
}

fn resolver(dns: &Dns) -> Result<DnsResolver> {
    let resolver = if dns.servers.is_empty() {
        DnsResolver::system()?
    } else {
        DnsResolver::of_servers(dns.servers.iter().copied())
    };
    Ok(if dns.dnssec { resolver.with_dnssec() } else { resolver })
}
