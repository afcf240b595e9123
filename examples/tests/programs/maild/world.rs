//! The program, its users and its configuration.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use mailwire_transport::{
    Endpoint, Security,
    imap::{self, FetchAtt, UidSet, client::Update},
    sasl::Credentials,
    smtp::{self, Envelope},
    tls::ClientTls,
};

use crate::run::{Ended, PASSWORD, Run as _, TestFolder, program};

/// So long nothing here takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A folder with a store, and how the server is to be.
pub(crate) struct World {
    pub(crate) folder: TestFolder,
}

impl World {
    /// A store with the users anna and bob, at example.org. `more` is added to the configuration.
    pub(crate) fn new(more: &str) -> Self {
        let world = Self { folder: TestFolder::new() };
        world.configure(more);
        for user in ["anna", "bob"] {
            world.maild(&["user", "add", user]).expect(0, &[]);
        }
        world
    }

    /// A server over a database, with a queue of its own.
    #[cfg(feature = "postgres")]
    pub(crate) fn over(url: &str) -> Self {
        let world = Self { folder: TestFolder::new() };
        let queue = world.path("mail.db");
        world.configure_over(url, &format!("[queue]\nfile = \"{}\"\n", queue.display()));
        world
    }

    pub(crate) fn configure(&self, more: &str) {
        self.configure_over(&format!("sqlite:{}", self.path("mail.db").display()), more);
    }

    /// Adds keys that stand before all tables to the configuration.
    pub(crate) fn configure_first(&self, keys: &str) {
        let path = self.path("maild.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, format!("{keys}{text}")).unwrap();
    }

    fn configure_over(&self, store: &str, more: &str) {
        let text = format!(
            "domains = [\"example.org\"]\nstore = \"{store}\"\n[listen]\nsmtp = \"127.0.0.1:0\"\n\
             submissions = \"127.0.0.1:0\"\nimaps = \"127.0.0.1:0\"\npop3s = \"127.0.0.1:0\"\n\
             http = \"127.0.0.1:0\"\n{more}",
        );
        self.folder.file("maild.toml", text);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = program("maild");
        command.current_dir(self.folder.path()).args(["--config", "maild.toml"]);
        command
    }

    /// Runs a command to its end.
    pub(crate) fn maild(&self, arguments: &[&str]) -> Ended {
        self.command().args(arguments).run()
    }

    pub(crate) fn start(&self) -> Maild {
        Maild::start(&mut self.command(), self.path("mail.db.cert.pem"))
    }
}

/// A server that runs.
pub(crate) struct Maild {
    child: Child,
    ports: BTreeMap<String, u16>,
    /// What it has said on standard error, line by line.
    pub(crate) said: mpsc::Receiver<String>,
    certificate: PathBuf,
}

impl Maild {
    /// Starts a command. It listens once it has said where it tells of its health.
    pub(crate) fn start(command: &mut Command, certificate: PathBuf) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, said) = mpsc::channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        // So that it never waits for somebody to read it.
        thread::spawn(move || errors.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let mut ports = BTreeMap::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let (protocol, address) = line.split_once(' ').unwrap();
            // A Unix socket has none.
            if let Ok(port) = address.rsplit_once(':').unwrap().1.parse() {
                ports.insert(protocol.to_owned(), port);
            }
            if protocol == "http" {
                break;
            }
        }
        assert!(ports.contains_key("http"), "{:?}", said.iter().collect::<Vec<_>>());
        Self { child, ports, said, certificate }
    }

    pub(crate) fn port(&self, protocol: &str) -> u16 {
        self.ports[protocol]
    }

    pub(crate) fn tls(&self, protocol: &str) -> Endpoint {
        let tls = ClientTls::with_roots_pem(fs::read(&self.certificate).unwrap()).unwrap();
        Endpoint::tcp("127.0.0.1", self.port(protocol), Security::implicit_tls()).with_tls(tls)
    }

    pub(crate) async fn imap(&self, user: &str) -> imap::Client {
        imap::Client::connect(self.tls("imaps"), &Credentials::password(user, PASSWORD)).await.unwrap()
    }

    pub(crate) async fn submission(&self, user: &str) -> smtp::Client {
        smtp::Client::connect(self.tls("submissions"), &Credentials::password(user, PASSWORD)).await.unwrap()
    }

    /// Sends a message as one of its users.
    pub(crate) async fn send(
        &self,
        user: &str,
        to: &[&str],
        subject: &str,
    ) -> mailwire_transport::Result<()> {
        let mut client = self.submission(user).await;
        let from = format!("{user}@example.org");
        let message = format!("From: {from}\r\nSubject: {subject}\r\n\r\nHello.\r\n");
        let sent = client.send(&Envelope::new(&from, to.iter().copied())?, message).await.map(drop);
        client.quit().await.unwrap();
        sent
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it as systemd does. Returns its exit status.
    pub(crate) fn end(mut self) -> i32 {
        self.signal("-TERM");
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Ends it at once, whatever it does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The status and the body of an answer.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port("http"))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (header, body) = answer.split_once("\r\n\r\n").unwrap();
        (header.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

impl Drop for Maild {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The messages of an INBOX, once there are so many.
pub(crate) async fn arrived(client: &mut imap::Client, count: u32) -> Vec<String> {
    let all = async {
        let mut there = client.select("INBOX").await.unwrap().exists;
        if there < count {
            let mut idle = client.idle().await.unwrap();
            while there < count {
                if let Update::Exists(now) = idle.next().await.unwrap() {
                    there = now;
                }
            }
            idle.done().await.unwrap();
        }
        let mut fetched = client.uid_fetch(UidSet::all(), [FetchAtt::MESSAGE]).await.unwrap();
        let mut messages = Vec::new();
        while let Some(message) = fetched.next().await.unwrap() {
            messages.push(String::from_utf8_lossy(&message.body().unwrap()).into_owned());
        }
        messages
    };
    tokio::time::timeout(LONG, all).await.unwrap()
}
