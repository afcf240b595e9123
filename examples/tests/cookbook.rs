//! The small programs of the book run against a mail server, and are as short as the book says.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use mailwire_store::testing::{Config, Fault, MailServer};
use mailwire_transport::{
    Endpoint, Protocol, Security,
    imap::{self, FetchAtt, UidSet},
    sasl::Credentials,
    smtp::{self, Envelope},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// The programs, each with the most lines that it may have: of code, without comments and empty lines.
const PROGRAMS: [(&str, usize); 18] = [
    ("attachment", 15),
    ("authenticate", 450),
    ("deliver", 30),
    ("discover", 20),
    ("download", 30),
    ("fuzzing", 30),
    ("imap_store", 90),
    ("inbox", 15),
    ("integration_test", 25),
    ("lmtp_server", 15),
    ("oauth", 20),
    ("pool", 25),
    ("proxy", 40),
    ("sending", 10),
    ("smtp_server", 15),
    ("sync", 45),
    ("watcher", 12),
    ("webhook", 30),
];

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// A program that Cargo has built beside this one.
fn program(name: &str, arguments: &[&str]) -> Command {
    let own = std::env::current_exe().unwrap();
    let path = own.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(path.exists(), "cargo build --examples, as `cargo test` does, makes {}", path.display());
    let mut command = Command::new(path);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A server, and a program's folder with the certificate in it that the program is to trust.
struct Scene {
    server: MailServer,
    folder: PathBuf,
}

impl Scene {
    async fn new(name: &str) -> Self {
        Self::with(name, Config::new()).await
    }

    async fn with(name: &str, config: Config) -> Self {
        let server = MailServer::start_with(config).await.unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("authority.pem"), server.authority().unwrap()).unwrap();
        Self { server, folder }
    }

    fn url(&self, scheme: &str, user: &str, protocol: Protocol) -> String {
        let port = self.server.address(protocol, Security::implicit_tls()).port();
        format!("{scheme}://{user}127.0.0.1:{port}")
    }

    fn program(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = program(name, arguments);
        command.env("SSL_CERT_FILE", self.folder.join("authority.pem")).env_remove("SSL_CERT_DIR");
        command
    }

    /// Runs a program to its end; what it said.
    async fn run(&self, name: &str, arguments: &[&str]) -> String {
        let mut command = self.program(name, arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A program that runs until it is dropped.
struct Running {
    child: Child,
    output: Option<BufReader<std::process::ChildStdout>>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::inherit()).spawn().unwrap();
        let output = child.stdout.take().map(BufReader::new);
        Self { child, output }
    }

    /// The next line that it says.
    async fn line(&mut self) -> String {
        let mut output = self.output.take().unwrap();
        let read = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            (line, output)
        });
        let (line, output) = tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
        self.output = Some(output);
        line.trim_end().to_owned()
    }

    /// Where it listens, which is the first that it says.
    async fn endpoint(&mut self) -> Endpoint {
        let address: std::net::SocketAddr = self.line().await.parse().unwrap();
        Endpoint::tcp("127.0.0.1", address.port(), Security::plaintext_without_encryption())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn smtp(endpoint: Endpoint) -> smtp::Client {
    smtp::Client::connect_with(endpoint, smtp::Config::anonymous()).await.unwrap()
}

const MESSAGE: &str = "From: ada@example.org\nTo: ada@example.org\nSubject: One\n\nHello\n";

/// Lines of code.
fn code(source: &str) -> usize {
    source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[test]
fn programs_are_as_short_as_that() {
    let mut names: Vec<_> = fs::read_dir(examples())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort_unstable();
    assert_eq!(names, PROGRAMS.map(|(name, _)| name));
    for (name, most) in PROGRAMS {
        let lines = code(&fs::read_to_string(examples().join(name).with_extension("rs")).unwrap());
        assert!(lines <= most, "{name} has {lines} lines, and {most} are promised");
        println!("{name}: {lines}");
    }
}

/// The pages of the book.
fn pages() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src");
    let paths = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// What the book shows are the programs as they are, but for the line that says what they do.
#[test]
fn the_book_shows_the_programs() {
    let pages = pages().concat();
    let mut shown = 0;
    for part in pages.split("<!-- ").skip(1) {
        let (name, rest) = part.split_once(" -->\n```rust,no_run\n").unwrap();
        let (code, _) = rest.split_once("```").unwrap();
        let source = fs::read_to_string(examples().join(name)).unwrap();
        let source: String = source.split_inclusive('\n').filter(|line| !line.starts_with("//!")).collect();
        assert_eq!(code, source, "the book has another {name}");
        shown += 1;
    }
    // Not the one that is as long as a server has to be.
    assert_eq!(shown, PROGRAMS.len() - 1);
    for (name, _) in PROGRAMS.iter().filter(|(name, _)| *name != "authenticate") {
        assert!(pages.contains(&format!("<!-- {name}.rs -->")), "the book has no {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sending() {
    let scene = Scene::new("sending").await;
    let url = scene.url("submissions", "ada:secret@", Protocol::Submission);
    assert!(scene.run("sending", &[&url]).await.starts_with("250 "));
    let messages = scene.server.wait_for(1, PATIENCE).await.unwrap();
    assert_eq!(
        (messages[0].from(), messages[0].recipients()),
        ("ada@example.org".to_owned(), vec!["bob@example.net".to_owned()])
    );
    assert!(messages[0].header("Message-ID").is_some() && messages[0].header("Date").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn attachment() {
    let scene = Scene::new("attachment").await;
    let url = scene.url("submissions", "ada:secret@", Protocol::Submission);
    let picture: Vec<u8> = (0..=255).collect();
    fs::write(scene.folder.join("sun.png"), &picture).unwrap();
    assert!(scene.run("attachment", &[&url, &scene.path("sun.png")]).await.starts_with("250 "));
    let messages = scene.server.wait_for(1, PATIENCE).await.unwrap();
    let message = messages[0].parsed();
    let part = message.root().find(&[2.try_into().unwrap()]).unwrap();
    assert_eq!(message.decoded(part).unwrap(), picture);
}

#[tokio::test(flavor = "multi_thread")]
async fn pool() {
    let scene = Scene::new("pool").await;
    let url = scene.url("submissions", "ada:secret@", Protocol::Submission);
    assert_eq!(scene.run("pool", &[&url]).await, "100 sent\n");
    assert_eq!(scene.server.wait_for(100, PATIENCE).await.unwrap().len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn oauth() {
    let scene = Scene::new("oauth").await;
    scene.server.deliver("ada@example.org", MESSAGE.replace('\n', "\r\n")).unwrap();
    let mut command = scene.program("oauth", &[&scene.url("imaps", "", Protocol::Imap), "ada@example.org"]);
    command.env("TOKEN", "ya29.a0");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "1 unseen\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn inbox() {
    let scene = Scene::with("inbox", Config::new().with_user("ada", "secret")).await;
    scene.server.deliver("ada", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHello\r\n").unwrap();
    assert_eq!(
        scene.run("inbox", &[&scene.url("imaps", "ada:secret@", Protocol::Imap)]).await,
        "Gr\u{fc}\u{df}e\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn watcher() {
    let scene = Scene::with("watcher", Config::new().with_user("ada", "secret")).await;
    let deliver = || scene.server.deliver("ada", MESSAGE.replace('\n', "\r\n")).unwrap();
    let first = deliver();
    let mut watcher =
        Running::start(scene.program("watcher", &[&scene.url("imaps", "ada:secret@", Protocol::Imap)]));
    assert_eq!(watcher.line().await, format!("{first} has come"));
    for _ in 0..3 {
        let uid = deliver();
        assert_eq!(watcher.line().await, format!("{uid} has come"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sync() {
    let scene = Scene::with("sync", Config::new().with_user("ada", "secret")).await;
    let message = MESSAGE.replace('\n', "\r\n");
    let uids: Vec<_> = (0..3).map(|_| scene.server.deliver("ada", message.clone()).unwrap()).collect();
    let (url, mail) = (scene.url("imaps", "ada:secret@", Protocol::Imap), scene.path("mail"));
    assert_eq!(scene.run("sync", &[&url, &mail]).await, "3 new\n");
    let file = |uid| Path::new(&mail).join(format!("{uid}.eml"));
    assert!(uids.iter().all(|uid| fs::read_to_string(file(*uid)).unwrap() == message));

    let login = Credentials::password("ada", "secret");
    let mut client = imap::Client::connect(scene.server.endpoint(Protocol::Imap), &login).await.unwrap();
    client.select("INBOX").await.unwrap();
    client.uid_store(uids[1], imap::FlagChange::add([imap::Flag::Deleted])).await.unwrap();
    client.expunge().await.unwrap();
    let new = scene.server.deliver("ada", message).unwrap();
    assert_eq!(scene.run("sync", &[&url, &mail]).await, "1 new\n");
    assert!(file(uids[0]).exists() && !file(uids[1]).exists() && file(new).exists());
    assert_eq!(scene.run("sync", &[&url, &mail]).await, "0 new\n");

    // A part of a message is none.
    let large = format!("Subject: Large\r\n\r\n{}", "All of it.\r\n".repeat(100_000));
    let new = scene.server.deliver("ada", large.clone()).unwrap();
    scene.server.inject(Fault::cut().at_written(500_000));
    let mut program = scene.program("sync", &[&url, &mail]);
    let cut = tokio::task::spawn_blocking(move || program.output().unwrap()).await.unwrap();
    assert!(!cut.status.success());
    assert_eq!(scene.run("sync", &[&url, &mail]).await, "1 new\n");
    assert!(fs::read_to_string(file(new)).unwrap() == large);
}

/// What it does is tested where there are name servers for it.
#[test]
fn deliver() {
    for (arguments, said) in [(&[][..], "deliver FROM TO"), (&["ada@example.org", "b c"], "not a valid")] {
        let output = program("deliver", arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(said), "{error}");
    }
}

/// What it finds is tested where there are name servers for it; here there is nobody to ask.
#[test]
fn discover() {
    for address in ["ada", "ada@localhost"] {
        let output = program("discover", &[address]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains("not a valid address"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn download() {
    let scene = Scene::with("download", Config::new().with_user("ada", "secret")).await;
    let message = MESSAGE.replace('\n', "\r\n");
    let (url, mail) = (scene.url("pop3s", "ada:secret@", Protocol::Pop3), scene.path("mail"));
    for new in [2, 0, 1] {
        for _ in 0..new {
            scene.server.deliver("ada", message.clone()).unwrap();
        }
        assert_eq!(scene.run("download", &[&url, &mail]).await, format!("{new} new\n"));
    }
    let files = fs::read_dir(&mail).unwrap().map(|entry| entry.unwrap().path());
    let messages: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == "eml")).collect();
    assert_eq!(messages.len(), 3);
    assert!(messages.iter().all(|path| fs::read_to_string(path).unwrap() == message));
}

#[tokio::test(flavor = "multi_thread")]
async fn smtp_server() {
    let mut running = Running::start(program("smtp_server", &["127.0.0.1:0"]));
    let mut client = smtp(running.endpoint().await).await;
    let envelope = |to| Envelope::new("bob@example.net", [to]).unwrap();
    let _sent = client.send(&envelope("ada@example.org"), MESSAGE).await.unwrap();
    assert!(client.send(&envelope("eve@example.org"), MESSAGE).await.is_err(), "she has no mailbox");
    client.quit().await.unwrap();
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn lmtp_server() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("l{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let socket = folder.join("s");
    let mut running = Running::start(program("lmtp_server", &[socket.to_str().unwrap()]));
    running.line().await;
    let config = smtp::Config::lmtp();
    let mut client = smtp::Client::connect_with(Endpoint::unix(&socket), config).await.unwrap();
    let envelope = Envelope::new("bob@example.net", ["ada@example.org", "eve@example.org"]).unwrap();
    let sent = client.send(&envelope, MESSAGE).await.unwrap();
    assert_eq!(sent.refused.len(), 1, "each recipient has an answer");
    client.quit().await.unwrap();
    fs::remove_dir_all(&folder).unwrap();
}

/// A web server that takes one request after the other, each answered by the next of these.
fn web(answers: &'static [&str]) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = move || {
        let mut requests = Vec::new();
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                let start = head.len();
                reader.read_line(&mut head).unwrap();
                if let Some(value) = head[start..].strip_prefix("Content-Length: ") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            reader.get_mut().write_all(format!("HTTP/1.0 {answer}\r\n\r\n").as_bytes()).unwrap();
            requests.push(head + std::str::from_utf8(&body).unwrap());
        }
        requests
    };
    (address, std::thread::spawn(serve))
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook() {
    let (host, requests) = web(&["204 No Content", "500 Oh"]);
    let mut running = Running::start(program("webhook", &["127.0.0.1:0", &host, "/mail"]));
    let mut client = smtp(running.endpoint().await).await;
    let envelope = Envelope::new("bob@example.net", ["ada@example.org"]).unwrap();
    let sent = client.send(&envelope, MESSAGE).await.unwrap();
    assert_eq!(sent.reply.to_string(), "250 2.0.0 Handed on");
    // What the other side does not take is not lost: the client is to try again.
    let error = client.send(&envelope, MESSAGE).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    client.quit().await.unwrap();
    let requests = requests.join().unwrap();
    assert!(
        requests[0].starts_with("POST /mail HTTP/1.0\r\n")
            && requests[0].contains("Mail-From: <bob@example.net>\r\n")
    );
    assert!(requests[0].ends_with(&MESSAGE.replace('\n', "\r\n")));
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy() {
    let scene = Scene::with("proxy", Config::new().with_user("ada@example.org", "secret")).await;
    let url = scene.url("submissions", "ada%40example.org:secret@", Protocol::Submission);
    let mut running = Running::start(scene.program("proxy", &["127.0.0.1:0", &url]));
    let mut client = smtp(running.endpoint().await).await;
    let envelope = |to| Envelope::new("ada@example.org", [to]).unwrap();
    let sent = client.send(&envelope("ada@example.org"), MESSAGE).await.unwrap();
    assert!(sent.reply.to_string().starts_with("250 "));
    let messages = scene.server.wait_for(1, PATIENCE).await.unwrap();
    assert!(messages[0].header("Received").unwrap().contains("relay.example.org"));
    // The other server's refusal is handed back.
    let error = client.send(&envelope("eve@example.org"), MESSAGE).await.unwrap_err();
    assert!(error.to_string().contains("550"), "{error}");
    client.quit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn imap_store() {
    let mut running = Running::start(program("imap_store", &["127.0.0.1:0"]));
    let login =
        imap::Config::login(Credentials::password("ada", "secret")).with_allow_clear_credentials(true);
    let mut client = imap::Client::connect_with(running.endpoint().await, login).await.unwrap();
    client.select("INBOX").await.unwrap();
    let mut messages = client.uid_fetch(UidSet::all(), [FetchAtt::Envelope]).await.unwrap();
    let mut subjects = Vec::new();
    while let Some(message) = messages.next().await.unwrap() {
        subjects.extend(message.decoded_subject());
    }
    assert_eq!((subjects.len(), &*subjects[9]), (10, "News 10"));
    client.logout().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_test() {
    for name in ["integration_test", "fuzzing"] {
        let mut command = program(name, &[]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "as it should be\n",
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
