//! The file, as it is written, and what is wrong in it: each error names the file, the line and the key.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    ops::Range,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::Result;
use mailwire_core::Secret;
use mailwire_examples::{Usage, server::Listen};
use mailwire_transport::{
    Account, Protocol,
    proxy_protocol::Network,
    smtp::proto::{Domain, Host},
    tls::{CertificateFiles, ClientTls},
};
use serde::Deserialize;
use toml::Spanned;

use super::{
    Checks, Config, Dns, Outgoing, StoreAt,
    queue::{self, QueueTable},
    usual_places,
    values::{Bytes, OneOrMore, STORES},
};
use crate::dkim::Signer;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct File {
    name: Option<Spanned<String>>,
    domains: Option<Spanned<Vec<String>>>,
    store: Option<StoreAt>,
    store_ca: Option<Spanned<PathBuf>>,
    search_index: Option<Spanned<bool>>,
    memory: Option<Bytes>,
    connections: Option<Spanned<usize>>,
    listen: Option<ListenTable>,
    tls: Option<TlsTable>,
    proxies: Vec<Spanned<String>>,
    dns: DnsTable,
    checks: Option<ChecksTable>,
    dkim: BTreeMap<Spanned<String>, DkimTable>,
    outgoing: Option<Spanned<OutgoingTable>>,
    queue: QueueTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ListenTable {
    smtp: Option<OneOrMore<String>>,
    submission: Option<OneOrMore<String>>,
    submissions: Option<OneOrMore<String>>,
    lmtp: Option<OneOrMore<String>>,
    imap: Option<OneOrMore<String>>,
    imaps: Option<OneOrMore<String>>,
    pop3: Option<OneOrMore<String>>,
    pop3s: Option<OneOrMore<String>>,
    http: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsTable {
    certificate: Spanned<OneOrMore<PathBuf>>,
    key: Spanned<OneOrMore<PathBuf>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DnsTable {
    servers: Vec<Spanned<String>>,
    dnssec: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ChecksTable {
    reject: bool,
}

/// The key of a domain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DkimTable {
    selector: Spanned<String>,
    key: Spanned<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct OutgoingTable {
    to: Option<Spanned<String>>,
    port: Option<Spanned<u16>>,
    password_file: Option<Spanned<PathBuf>>,
    ca: Option<Spanned<PathBuf>>,
}

/// The text of the file, to name the place of what is wrong in it.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    /// What is wrong with a key.
    pub(super) fn wrong(&self, span: &Range<usize>, key: &str, why: impl std::fmt::Display) -> anyhow::Error {
        let line = self.line(span.start);
        Usage(format!("{}:{line}: {key}: {why}", self.path.display())).into()
    }

    fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count()
    }

    /// What TOML or the types of the keys do not have.
    fn unread(&self, error: &toml::de::Error) -> anyhow::Error {
        let path = self.path.display();
        let Some(span) = error.span() else {
            return Usage(format!("{path}: {}", error.message())).into();
        };
        let line = self.line(span.start);
        let text = self.text.lines().nth(line - 1).unwrap_or_default().trim();
        Usage(format!("{path}:{line}: {}, in: {text}", error.message())).into()
    }

    fn parse<T: FromStr<Err: std::fmt::Display>>(&self, key: &str, value: &Spanned<String>) -> Result<T> {
        value.get_ref().parse().map_err(|error| self.wrong(&value.span(), key, error))
    }
}

/// Reads the text of a file. `store` takes the place of the one that it names.
pub(super) fn read(path: &Path, text: &str, store: Option<&StoreAt>) -> Result<Config> {
    let source = Source { path, text };
    let file: File = toml::from_str(text).map_err(|error| source.unread(&error))?;
    let Some(store) = store.or(file.store.as_ref()).cloned() else {
        let why = "store: where users and mail are kept is not said";
        return Err(Usage(format!("{}: {why}: {STORES}", path.display())).into());
    };
    let name = match &file.name {
        Some(name) => Host::try_from(name.get_ref().as_str())
            .map_err(|error| source.wrong(&name.span(), "name", error))?,
        None => Domain::localhost().into(),
    };
    let (listen, http) = places(file.listen);
    let queue = queue::read(&source, &file.queue, &store)?;
    let store_ca = store_ca(&source, file.store_ca.as_ref(), &store)?;
    #[cfg(not(feature = "postgres"))]
    let _ = store_ca;
    Ok(Config {
        domains: domains(&source, file.domains.as_ref(), &name)?,
        beside: match &store {
            StoreAt::Sqlite(path) => path.clone(),
            #[cfg(feature = "postgres")]
            StoreAt::Postgres(_) => queue.file.clone(),
        },
        #[cfg(feature = "postgres")]
        store_tls: store_ca,
        search_index: search_index(&source, file.search_index.as_ref(), &store)?,
        connections: connections(&source, file.connections.as_ref())?,
        queue,
        listen,
        http,
        certificates: file.tls.map(|tls| certificates(&source, tls)).transpose()?,
        proxies: file
            .proxies
            .iter()
            .map(|network| source.parse::<Network>("proxies", network))
            .collect::<Result<_>>()?,
        dns: dns(&source, &file.dns)?,
        checks: file.checks.map(|checks| Checks { reject: checks.reject }),
        signers: file
            .dkim
            .iter()
            .map(|(domain, table)| signer(&source, domain, table))
            .collect::<Result<_>>()?,
        outgoing: file.outgoing.map_or(Ok(Outgoing::Nowhere), |table| outgoing(&source, &table))?,
        memory: usize::try_from(file.memory.map_or(256 << 20, |bytes| bytes.0)).unwrap_or(usize::MAX),
        name,
        store,
    })
}

fn domains(source: &Source<'_>, domains: Option<&Spanned<Vec<String>>>, name: &Host) -> Result<Vec<String>> {
    let Some(spanned) = domains else { return Ok(vec![name.as_str().to_owned()]) };
    if spanned.get_ref().is_empty() {
        return Err(source.wrong(&spanned.span(), "domains", "there is none whose mail would be taken"));
    }
    for domain in spanned.get_ref() {
        if let Err(error) = Domain::new(domain.as_str()) {
            return Err(source.wrong(&spanned.span(), "domains", format_args!("{domain:?}: {error}")));
        }
    }
    let mut domains: Vec<String> = spanned.get_ref().iter().map(|domain| domain.to_lowercase()).collect();
    // Who writes to the server's operator knows nothing but its name.
    domains.push(name.as_str().to_lowercase());
    Ok(domains)
}

fn places(table: Option<ListenTable>) -> (Vec<Listen>, Option<String>) {
    let Some(table) = table else { return (usual_places(), Some("127.0.0.1:8025".into())) };
    let named = [
        ("smtp", table.smtp),
        ("submission", table.submission),
        ("submissions", table.submissions),
        ("lmtp", table.lmtp),
        ("imap", table.imap),
        ("imaps", table.imaps),
        ("pop3", table.pop3),
        ("pop3s", table.pop3s),
    ];
    let listen = named.into_iter().flat_map(|(name, addresses)| {
        let addresses = addresses.map_or(Vec::new(), OneOrMore::all);
        addresses.into_iter().filter_map(move |address| Listen::new(name, &address))
    });
    (listen.collect(), table.http)
}

fn certificates(source: &Source<'_>, tls: TlsTable) -> Result<CertificateFiles> {
    let span = tls.key.span();
    let (chains, keys) = (tls.certificate.into_inner().all(), tls.key.into_inner().all());
    if chains.len() != keys.len() {
        return Err(source.wrong(&span, "tls.key", "one key for each certificate, in their order"));
    }
    let mut pairs = chains.into_iter().zip(keys);
    let Some((chain, key)) = pairs.next() else {
        return Err(source.wrong(&span, "tls.certificate", "there is none"));
    };
    Ok(pairs.fold(CertificateFiles::new(chain, key), |files, (chain, key)| files.and(chain, key)))
}

fn dns(source: &Source<'_>, table: &DnsTable) -> Result<Dns> {
    let server = |text: &Spanned<String>| {
        let with_port = text.get_ref().parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
        with_port.or_else(|_| source.parse("dns.servers", text))
    };
    let servers = table.servers.iter().map(server).collect::<Result<_>>()?;
    Ok(Dns { servers, dnssec: table.dnssec })
}

/// The key by which a domain signs. The selector is a name in DNS, too.
fn signer(source: &Source<'_>, domain: &Spanned<String>, table: &DkimTable) -> Result<(String, Signer)> {
    let name = domain.get_ref().to_lowercase();
    let key = |key: &str| format!("dkim.{name:?}{key}");
    if let Err(error) = Domain::new(name.as_str()) {
        return Err(source.wrong(&domain.span(), &key(""), error));
    }
    let selector = table.selector.get_ref();
    if let Err(error) = Domain::new(selector.as_str()) {
        return Err(source.wrong(&table.selector.span(), &key(".selector"), error));
    }
    match Signer::read(&name, selector, table.key.get_ref()) {
        Ok(signer) => Ok((name, signer)),
        Err(why) => {
            let path = table.key.get_ref().display();
            Err(source.wrong(&table.key.span(), &key(".key"), format_args!("{path}: {why}")))
        }
    }
}

const ONLY_MX: &str = "is for the servers of recipients, and outgoing.to is not \"mx\"";

fn outgoing(source: &Source<'_>, spanned: &Spanned<OutgoingTable>) -> Result<Outgoing> {
    let table = spanned.get_ref();
    let Some(to) = &table.to else {
        let why = "is not said: \"mx\", \"nowhere\", or the URL of a smart host";
        return Err(source.wrong(&spanned.span(), "outgoing.to", why));
    };
    let is_url = match to.get_ref().as_str() {
        "mx" | "nowhere" => false,
        url if Account::is_url(url) => true,
        other => {
            let why = format_args!("{other:?} is not \"mx\", \"nowhere\", or the URL of a smart host");
            return Err(source.wrong(&to.span(), "outgoing.to", why));
        }
    };
    let for_smart_hosts =
        [("outgoing.password-file", table.password_file.as_ref()), ("outgoing.ca", table.ca.as_ref())];
    if !is_url {
        if let Some((key, Some(path))) = for_smart_hosts.into_iter().find(|(_, path)| path.is_some()) {
            return Err(source.wrong(&path.span(), key, "is for a smart host, and outgoing.to names none"));
        }
        return match (to.get_ref().as_str(), &table.port) {
            ("mx", port) => Ok(Outgoing::Mx(port.as_ref().map_or(25, |port| *port.get_ref()))),
            (_, Some(port)) => Err(source.wrong(&port.span(), "outgoing.port", ONLY_MX)),
            _ => Ok(Outgoing::Nowhere),
        };
    }
    if let Some(port) = &table.port {
        return Err(source.wrong(&port.span(), "outgoing.port", ONLY_MX));
    }
    let url = |error: &dyn std::fmt::Display| source.wrong(&to.span(), "outgoing.to", error);
    let mut account = Account::parse(to.get_ref()).map_err(|error| url(&error))?;
    if !matches!(account.protocol(), Protocol::Smtp | Protocol::Submission | Protocol::Lmtp) {
        return Err(url(&"not a URL of SMTP: smtp, smtps, submission, submissions, lmtp"));
    }
    if let Some(path) = &table.password_file {
        let wrong = |why: &dyn std::fmt::Display| source.wrong(&path.span(), "outgoing.password-file", why);
        if account.has_password() {
            return Err(wrong(&"the URL has a password already"));
        }
        if account.user().is_none() {
            return Err(wrong(&"the URL names no user"));
        }
        let text = std::fs::read_to_string(path.get_ref()).map_err(|error| wrong(&error))?;
        account = account.with_password(Secret::from(text.trim_end_matches(['\r', '\n'])));
    }
    // Here, and not at the first message: what cannot be logged in with is told.
    account.credentials().map_err(|error| url(&error))?;
    let tls = match &table.ca {
        None => None,
        Some(path) => {
            let wrong = |why: &dyn std::fmt::Display| source.wrong(&path.span(), "outgoing.ca", why);
            let pem = std::fs::read(path.get_ref()).map_err(|error| wrong(&error))?;
            Some(ClientTls::with_roots_pem(pem).map_err(|error| wrong(&error))?)
        }
    };
    Ok(Outgoing::SmartHost(Box::new(account), tls))
}

/// TLS with the database, by whom it is vouched for.
fn store_ca(
    source: &Source<'_>,
    ca: Option<&Spanned<PathBuf>>,
    store: &StoreAt,
) -> Result<Option<ClientTls>> {
    let Some(ca) = ca else { return Ok(None) };
    let wrong = |why: &dyn std::fmt::Display| source.wrong(&ca.span(), "store-ca", why);
    if matches!(store, StoreAt::Sqlite(_)) {
        return Err(wrong(&"is for a database, and the store is a file"));
    }
    let pem = std::fs::read(ca.get_ref()).map_err(|error| wrong(&error))?;
    ClientTls::with_roots_pem(pem).map(Some).map_err(|error| wrong(&error))
}

/// An index for searches in texts, which a file can have.
fn search_index(source: &Source<'_>, wanted: Option<&Spanned<bool>>, store: &StoreAt) -> Result<bool> {
    let Some(wanted) = wanted.filter(|wanted| *wanted.get_ref()) else { return Ok(false) };
    if matches!(store, StoreAt::Sqlite(_)) {
        return Ok(true);
    }
    Err(source.wrong(&wanted.span(), "search-index", "is for a file, and the store is a database"))
}

fn connections(source: &Source<'_>, most: Option<&Spanned<usize>>) -> Result<Option<usize>> {
    match most {
        Some(most) if *most.get_ref() == 0 => {
            Err(source.wrong(&most.span(), "connections", "nobody would ever be served"))
        }
        most => Ok(most.map(|most| *most.get_ref())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn wrong(text: &str) -> String {
        let read = read(Path::new("m.toml"), text, Some(&StoreAt::Sqlite("mail.db".into())));
        read.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, told) in [
            ("nmae = \"x\"", "m.toml:1: unknown field `nmae`, expected one of `name`"),
            (
                "\n[queue]\ngive-up = 5",
                "m.toml:3: invalid type: integer `5`, expected a string, in: give-up = 5",
            ),
            (
                "[queue]\ngive-up = \"5 days\"",
                "m.toml:2: \"5 days\" is no time: 90s, 15m, 4h, 5d, in: give-up",
            ),
            ("[queue]\nfirst-retry = \"0s\"", "m.toml:2: queue.first-retry: no pause at all"),
            ("[queue]\nwarn = \"6d\"", "m.toml:2: queue.warn: is not before queue.give-up"),
            ("[queue]\nlongest-retry = \"1m\"", "m.toml:2: queue.longest-retry: is shorter than"),
            ("[queue]\nlongest-hold = \"0s\"", "m.toml:2: queue.longest-hold: from 1s to 999999999s"),
            ("[queue]\nlongest-hold = \"11575d\"", "m.toml:2: queue.longest-hold: from 1s to 999999999s"),
            ("[queue]\nlongest-hold = \"a month\"", "m.toml:2: \"a month\" is no time: 90s, 15m, 4h, 5d"),
            ("[queue]\nheld-messages = 3", "m.toml:2: queue.held-messages: nothing is held back without"),
            ("[queue]\nheld-bytes = \"1M\"", "m.toml:2: queue.held-bytes: nothing is held back without"),
            ("[queue]\nat-once = 0", "m.toml:2: queue.at-once: nothing would ever leave"),
            ("name = \"a b\"", "m.toml:1: name: "),
            ("domains = []", "m.toml:1: domains: "),
            ("domains = [\"a..b\"]", "m.toml:1: domains: \"a..b\": "),
            ("store = \"mysql:x\"", "m.toml:1: \"mysql:x\" is no store: sqlite:FILE"),
            ("store-ca = \"a.pem\"", "m.toml:1: store-ca: is for a database"),
            ("connections = 0", "m.toml:1: connections: nobody"),
            ("search-index = 1", "m.toml:1: invalid type"),
            ("[tls]\ncertificate = \"a.pem\"", "m.toml:1: missing field `key`"),
            ("[tls]\ncertificate = \"a\"\nkey = [\"b\", \"c\"]", "m.toml:3: tls.key: one key for each"),
            ("proxies = [\"10.1.2.3/8\"]", "m.toml:1: proxies: 10.1.2.3/8"),
            ("[dns]\nservers = [\"ns.example.org\"]", "m.toml:2: dns.servers: "),
            ("[outgoing]\n", "m.toml:1: outgoing.to: is not said"),
            ("[outgoing]\nto = \"elsewhere\"", "m.toml:2: outgoing.to: \"elsewhere\" is not"),
            ("[outgoing]\nto = \"imaps://a:b@h\"", "m.toml:2: outgoing.to: not a URL of SMTP"),
            ("[outgoing]\nto = \"mx\"\nca = \"ca.pem\"", "m.toml:3: outgoing.ca: is for a smart host"),
            ("[outgoing]\nto = \"nowhere\"\nport = 25", "m.toml:3: outgoing.port: is for the servers"),
            ("[outgoing]\nto = \"smtps://h\"\nport = 25", "m.toml:3: outgoing.port: is for the servers"),
            (
                "[outgoing]\nto = \"smtps://a:b@h\"\npassword-file = \"p\"",
                "m.toml:3: outgoing.password-file: the URL has",
            ),
            (
                "[outgoing]\nto = \"smtps://h\"\npassword-file = \"p\"",
                "m.toml:3: outgoing.password-file: the URL names no",
            ),
            ("[outgoing]\nto = \"smtps://h\"\nca = \"/none\"", "m.toml:3: outgoing.ca: No such file"),
            ("[dkim.\"a..b\"]\nselector = \"s\"\nkey = \"k\"", "m.toml:1: dkim.\"a..b\": "),
            ("[dkim.\"a.b\"]\nselector = \"s s\"\nkey = \"k\"", "m.toml:2: dkim.\"a.b\".selector: "),
            (
                "[dkim.\"a.b\"]\nselector = \"s\"\nkey = \"/none\"",
                "m.toml:3: dkim.\"a.b\".key: /none: No such file",
            ),
            ("[dkim.\"a.b\"]\nkey = \"k\"", "m.toml:1: missing field `selector`"),
            ("listen = 3", "m.toml:1: invalid type"),
            ("= 3", "m.toml:1: "),
        ] {
            assert!(wrong(text).starts_with(told), "{text}: {}", wrong(text));
        }
        assert_eq!(wrong(""), "");
    }

    #[test]
    fn the_file_with_comments_is_one() {
        let text = include_str!("../../../../maild/maild.toml");
        // Its certificates are read when the server starts.
        let config = read(Path::new("maild.toml"), text, None).unwrap();
        assert_eq!(config.domains, ["example.org", "mail.example.org"]);
        assert!(matches!(config.outgoing, Outgoing::Mx(25)) && config.checks.is_some());
        // What is commented out is as it says.
        let all: String =
            text.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line).to_owned() + "\n").collect();
        let error = read(Path::new("maild.toml"), &all, None).map(drop);
        error.unwrap();
    }
}
