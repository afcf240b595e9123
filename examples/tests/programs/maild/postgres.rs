//! Several servers over one database: `interop/postgres.sh` starts PostgreSQL for it.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use mailwire_transport::{
    Endpoint, Security,
    imap::{self, client::Update},
    sasl::Credentials,
    smtp::{self, Envelope, proto::Host},
    testing::TestCa,
    tls::ClientTls,
};

use super::{
    dns::Zone,
    world::{LONG, Maild, World, arrived},
};
use crate::run::{PASSWORD, TestFolder};

/// Where the database is, if there is one.
fn url() -> Option<String> {
    let url = std::env::var("POSTGRES_URL").ok();
    if url.is_none() {
        eprintln!("passed over: POSTGRES_URL is not set; interop/postgres.sh starts a server and sets it");
    }
    url
}

#[tokio::test]
async fn what_is_sent_at_one_server_is_told_at_the_other() {
    let Some(url) = url() else { return };
    let one = World::over(&url);
    for user in ["anna", "bob"] {
        one.maild(&["user", "add", user]).expect(0, &[]);
    }
    let two = World::over(&url);
    let listed = two.maild(&["user", "list"]).out;
    assert!(["anna", "bob"].iter().all(|user| listed.lines().any(|line| line == *user)), "{listed}");
    let (one, two) = (one.start(), two.start());
    let mut bob = two.imap("bob").await;
    assert_eq!(bob.select("INBOX").await.unwrap().exists, 0);
    let mut idle = bob.idle().await.unwrap();
    one.send("anna", &["bob@example.org"], "Across").await.unwrap();
    let told = async { while !matches!(idle.next().await.unwrap(), Update::Exists(1)) {} };
    tokio::time::timeout(LONG, told).await.unwrap();
    idle.done().await.unwrap();
    assert!(arrived(&mut bob, 1).await[0].contains("Across"));
    assert_eq!((one.get("/health").0, two.get("/health").0), (200, 200));
    drop(bob);
    // One goes, and the other has it all.
    assert_eq!(two.end(), 0);
    assert_eq!(arrived(&mut one.imap("bob").await, 1).await.len(), 1);
    assert_eq!(one.end(), 0);
}

/// HAProxy, if it is installed.
fn haproxy() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&paths).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join("haproxy")).find(|path| path.is_file());
    if found.is_none() {
        eprintln!("passed over: HAProxy is not installed");
    }
    found
}

/// The protocols that `compose.yaml` has, with the port of each.
const PROTOCOLS: [(&str, u16); 7] = [
    ("smtp", 25),
    ("submissions", 465),
    ("submission", 587),
    ("imaps", 993),
    ("imap", 143),
    ("pop3s", 995),
    ("pop3", 110),
];

/// A server as `cluster.toml` says, at ports of 127.0.0.1 that are free.
fn node(url: &str, ca: &TestCa, zone: u16) -> World {
    let world = World { folder: TestFolder::new() };
    let identity = ca.server(&["localhost", "127.0.0.1", "mail.example.org"]).unwrap();
    let path = |name: &str| world.path(name).display().to_string();
    fs::write(path("chain.pem"), identity.chain_pem).unwrap();
    fs::write(path("key.pem"), identity.key_pem).unwrap();
    fs::write(path("root.pem"), ca.root_pem()).unwrap();
    let mut text = include_str!("../../../maild/cluster.toml").to_owned();
    let mut change = |from: &str, to: &str| {
        assert!(text.contains(from), "no {from} in cluster.toml");
        text = text.replace(from, to);
    };
    change("postgres://mail:the-password-of-the-database@database/mail", url);
    change("172.28.0.2", "127.0.0.1");
    change("/etc/maild/tls/chain.pem", &path("chain.pem"));
    change("/etc/maild/tls/key.pem", &path("key.pem"));
    change("/var/lib/maild/queue.db", &path("queue.db"));
    change("[checks]", &format!("[dns]\nservers = [\"127.0.0.1:{zone}\"]\n[checks]"));
    for (protocol, port) in PROTOCOLS.into_iter().chain([("http", 8025)]) {
        change(&format!("{protocol} = \"0.0.0.0:{port}\""), &format!("{protocol} = \"127.0.0.1:0\""));
    }
    world.folder.file("maild.toml", text);
    world
}

/// HAProxy before servers, as `haproxy.cfg` says. It ends with this value.
struct Proxy {
    child: Child,
    ports: Vec<(&'static str, u16)>,
}

impl Proxy {
    fn start(program: &Path, folder: &Path, nodes: &[Maild]) -> Self {
        let free = PROTOCOLS.map(|(protocol, _)| (protocol, TcpListener::bind("127.0.0.1:0").unwrap()));
        let ports: Vec<_> =
            free.iter().map(|(protocol, socket)| (*protocol, socket.local_addr().unwrap().port())).collect();
        let mut text = include_str!("../../../maild/haproxy.cfg").to_owned();
        let mut change = |from: &str, to: &str| {
            assert!(text.contains(from), "no {from} in haproxy.cfg");
            text = text.replace(from, to);
        };
        change(" port 8025", "");
        // A test may have fewer files open.
        change("maxconn 20000", "maxconn 100");
        for ((protocol, port), (_, own)) in PROTOCOLS.into_iter().zip(&ports) {
            change(&format!("bind :::{port} v4v6\n"), &format!("bind 127.0.0.1:{own}\n"));
            for (node, number) in nodes.iter().zip(1..) {
                let (to, page) = (node.port(protocol), node.port("http"));
                change(&format!("maild{number}:{port}\n"), &format!("127.0.0.1:{to} check port {page}\n"));
            }
        }
        let path = folder.join("haproxy.cfg");
        fs::write(&path, text).unwrap();
        drop(free);
        let mut command = Command::new(program);
        command.arg("-f").arg(path).stdout(Stdio::null()).stderr(Stdio::inherit());
        let mut proxy = Self { child: command.spawn().unwrap(), ports };
        while TcpStream::connect(("127.0.0.1", proxy.port("imap"))).is_err() {
            assert!(proxy.child.try_wait().unwrap().is_none(), "HAProxy has ended");
        }
        proxy
    }

    fn port(&self, protocol: &str) -> u16 {
        self.ports.iter().find(|(known, _)| *known == protocol).unwrap().1
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn three_servers_are_one_behind_a_proxy() {
    let (Some(url), Some(program)) = (url(), haproxy()) else { return };
    let ca = TestCa::new().unwrap();
    // Who comes is 127.0.0.1, as the proxy says.
    let zone = Zone::texts(&[
        ("good.test", "v=spf1 ip4:127.0.0.1 -all"),
        ("_dmarc.good.test", "v=DMARC1; p=reject"),
    ]);
    let zone = zone.serve();
    let worlds = [(); 3].map(|()| node(&url, &ca, zone));
    for user in ["ada", "eve"] {
        worlds[0].maild(&["user", "add", user]).expect(0, &[]);
    }
    let mut nodes: Vec<Maild> =
        worlds.iter().map(|world| Maild::start(&mut world.command(), world.path("root.pem"))).collect();
    let proxy = Proxy::start(&program, worlds[0].folder.path(), &nodes);
    let tls = ClientTls::with_roots_pem(ca.root_pem()).unwrap();
    let at = |protocol: &str, security| {
        Endpoint::tcp("127.0.0.1", proxy.port(protocol), security).with_tls(tls.clone())
    };
    let user = |name: &str| Credentials::password(name, PASSWORD);

    // One session at each: the proxy gives them to who has the fewest.
    let mut sessions = Vec::new();
    for _ in &nodes {
        let mut client =
            imap::Client::connect(at("imaps", Security::implicit_tls()), &user("eve")).await.unwrap();
        assert_eq!(client.select("INBOX").await.unwrap().exists, 0);
        sessions.push(client);
    }
    for node in &nodes {
        let metrics = node.get("/metrics").1;
        let login = "mailwire_logins_total{protocol=\"imap\",role=\"server\",result=\"ok\",mechanism=\"SCRAM-SHA-256-PLUS\"} 1\n";
        assert!(metrics.contains(login), "{metrics}");
    }
    let mut idle = Vec::new();
    for session in &mut sessions {
        idle.push(session.idle().await.unwrap());
    }
    // By one of them from outside, by one from a user.
    let mut config = smtp::Config::anonymous();
    config.name = Some(Host::try_from("mail.good.test").unwrap().into());
    let mut outside =
        smtp::Client::connect_with(at("smtp", Security::required_starttls()), config).await.unwrap();
    let mut inside =
        smtp::Client::connect(at("submissions", Security::implicit_tls()), &user("ada")).await.unwrap();
    for (client, from) in [(&mut outside, "dan@good.test"), (&mut inside, "ada@example.org")] {
        let envelope = Envelope::new(from, ["eve@example.org"]).unwrap();
        let _sent = client.send(&envelope, format!("From: {from}\r\nSubject: To all\r\n\r\n")).await.unwrap();
    }
    for mut idle in idle {
        let told = async { while !matches!(idle.next().await.unwrap(), Update::Exists(2)) {} };
        tokio::time::timeout(LONG, told).await.unwrap();
        idle.done().await.unwrap();
    }
    drop((sessions, outside, inside));

    // One goes, and whoever comes is served by another one.
    assert_eq!(nodes.remove(0).end(), 0);
    for _ in 0..2 {
        let mut client =
            imap::Client::connect(at("imaps", Security::implicit_tls()), &user("eve")).await.unwrap();
        let messages = arrived(&mut client, 2).await;
        assert!(messages[0].contains("spf=pass") && messages[0].contains("[127.0.0.1]"), "{messages:?}");
    }
    for node in nodes {
        assert_eq!(node.end(), 0);
    }
}
