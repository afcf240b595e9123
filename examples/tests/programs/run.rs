//! Programs that are run, and folders for them.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread::{self, JoinHandle},
};

pub(crate) const PASSWORD: &str = "correct-horse-7";

/// The program of this name, with the password in its environment.
pub(crate) fn program(name: &str) -> Command {
    let path = match name {
        "fetch" => env!("CARGO_BIN_EXE_fetch"),
        "pop" => env!("CARGO_BIN_EXE_pop"),
        "send" => env!("CARGO_BIN_EXE_send"),
        "serve" => env!("CARGO_BIN_EXE_serve"),
        "doctor" => env!("CARGO_BIN_EXE_doctor"),
        "inspect" => env!("CARGO_BIN_EXE_inspect"),
        "blocking" => env!("CARGO_BIN_EXE_blocking"),
        "roundtrip" => env!("CARGO_BIN_EXE_roundtrip"),
        "giant" => env!("CARGO_BIN_EXE_giant"),
        "mirror" => env!("CARGO_BIN_EXE_mirror"),
        "extensions" => env!("CARGO_BIN_EXE_extensions"),
        "reports" => env!("CARGO_BIN_EXE_reports"),
        "migrate" => env!("CARGO_BIN_EXE_migrate"),
        "sync" => env!("CARGO_BIN_EXE_sync"),
        "maild" => env!("CARGO_BIN_EXE_maild"),
        _ => panic!("no program {name}"),
    };
    let mut command = Command::new(path);
    for name in ["MAILWIRE_USER", "MAILWIRE_TOKEN", "MAILWIRE_USERS", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.env("MAILWIRE_PASSWORD", PASSWORD);
    command
}

/// The program as a client of a scripted server.
pub(crate) fn client(name: &str, port: u16) -> Command {
    let mut command = program(name);
    command.args(["--server", &format!("127.0.0.1:{port}"), "--security", "plaintext"]);
    if name != "send" {
        command.args(["--user", "anna"]);
    }
    command
}

/// The command, whose files may have so many blocks of 512 bytes each: writing more fails as on a full disk.
#[cfg(target_os = "linux")]
pub(crate) fn with_file_limit(command: &Command, blocks: u32) -> Command {
    let mut limited = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    limited.args(["-c", &script]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited
}

/// What came of a program.
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            status: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

pub(crate) trait Run {
    fn run(&mut self) -> Ended;
}

impl Run for Command {
    fn run(&mut self) -> Ended {
        self.stdin(Stdio::null()).output().unwrap().into()
    }
}

impl Ended {
    /// Checks the exit status, and that standard error has each of `words`.
    #[track_caller]
    pub(crate) fn expect(&self, status: i32, words: &[&str]) {
        assert_eq!(self.status, status, "out: {}\nerr: {}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in: {}", self.err);
        }
    }
}

/// A folder of a test's own, gone with this value.
pub(crate) struct TestFolder(PathBuf);

impl TestFolder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("mailwire-programs-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it with these bytes.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// What is in it: names and contents.
    pub(crate) fn files(&self) -> BTreeMap<String, String> {
        let file = |entry: fs::DirEntry| {
            (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
        };
        fs::read_dir(&self.0).unwrap().map(|entry| file(entry.unwrap())).collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.files().into_keys().collect()
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The program `serve` with the user anna, on free ports.
pub(crate) struct Serve {
    child: Child,
    /// Reads its standard error to the end.
    listener: Option<JoinHandle<String>>,
    ports: BTreeMap<String, u16>,
    /// Its certificate authority, in PEM.
    pub(crate) authority: String,
}

impl Serve {
    pub(crate) fn start(protocols: &[&str], options: &[&str]) -> Self {
        Self::start_with(&mut program("serve"), protocols, options)
    }

    /// Starts it with all that it says.
    pub(crate) fn start_traced(protocols: &[&str]) -> Self {
        Self::start_with(program("serve").env("RUST_LOG", "trace"), protocols, &[])
    }

    fn start_with(command: &mut Command, protocols: &[&str], options: &[&str]) -> Self {
        command.env("MAILWIRE_USERS", format!("anna={PASSWORD}")).args(options);
        for protocol in protocols {
            command.args(["--listen", &format!("{protocol}=127.0.0.1:0")]);
        }
        Self::of(command, protocols.len())
    }

    /// Starts a command that is to listen on so many ports.
    pub(crate) fn of(command: &mut Command, count: usize) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut authority = String::new();
        while !authority.contains("END CERTIFICATE") {
            authority += &told.next().unwrap().unwrap();
            authority.push('\n');
        }
        // So that it never waits for somebody to read it.
        let before = authority.clone();
        let listener =
            thread::spawn(move || told.map_while(Result::ok).fold(before, |all, line| all + &line + "\n"));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(count);
        let ports = lines.map(|line| {
            let line = line.unwrap();
            let (protocol, address) = line.split_once(' ').unwrap();
            (protocol.to_owned(), address.rsplit_once(':').unwrap().1.parse().unwrap())
        });
        Self { ports: ports.collect(), child, listener: Some(listener), authority }
    }

    /// Ends it. Returns what it has said on standard error.
    pub(crate) fn end(mut self) -> String {
        self.child.kill().unwrap();
        self.listener.take().unwrap().join().unwrap()
    }

    pub(crate) fn port(&self, protocol: &str) -> u16 {
        self.ports[protocol]
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
