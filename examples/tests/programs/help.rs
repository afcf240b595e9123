//! Each example in `--help` is run as it stands there, but for where the server is.

use std::fs;

use crate::run::{PASSWORD, Run as _, Serve, TestFolder, program};

const PROGRAMS: [&str; 15] = [
    "fetch",
    "pop",
    "send",
    "serve",
    "maild",
    "doctor",
    "inspect",
    "blocking",
    "roundtrip",
    "giant",
    "mirror",
    "extensions",
    "reports",
    "sync",
    "migrate",
];

/// The examples of a program's help: the words of each.
fn examples(name: &str) -> Vec<Vec<String>> {
    let help = program(name).arg("--help").run();
    assert_eq!(help.status, 0);
    let lines = help.out.lines().skip_while(|line| !line.starts_with("Example")).skip(1);
    let lines = lines.take_while(|line| line.starts_with("  "));
    let text = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    text.lines().map(|line| line.split_whitespace().map(|word| word.replace("''", "")).collect()).collect()
}

/// Whoever adds an example adds to this number.
#[test]
fn all_examples_are_found() {
    let counts = PROGRAMS.map(|name| examples(name).len());
    assert_eq!(counts, [2, 1, 3, 1, 1, 3, 0, 1, 0, 0, 0, 1, 1, 2, 2]);
}

#[test]
fn the_readme_names_all_programs() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let (_, section) = readme.split_once("\n## Programs\n").unwrap();
    let rows = section.split("\n## ").next().unwrap().lines().filter_map(|line| line.strip_prefix("| `"));
    let cells: Vec<&str> = rows.map(|row| row.split(" | ").next().unwrap()).collect();
    let mut named: Vec<&str> =
        cells.iter().flat_map(|cell| cell.trim_end_matches('`').split("`, `")).collect();
    let mut programs = PROGRAMS.to_vec();
    named.sort_unstable();
    programs.sort_unstable();
    assert_eq!(named, programs);
}

/// A server that has the mail of the examples, as `protocol`.
struct World {
    serve: Serve,
    folder: TestFolder,
}

impl World {
    fn new() -> Self {
        let serve = Serve::start(&["imaps", "pop3s", "submissions", "lmtp", "smtp"], &[]);
        let folder = TestFolder::new();
        folder.file("message.eml", "Subject: hi\r\n\r\nhi\r\n");
        folder.file("ca.pem", &serve.authority);
        Self { serve, folder }
    }

    /// Runs an example with this program's server in the place of its own.
    fn run(&self, words: &[String], protocol: &str) -> crate::run::Ended {
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        words.retain(|word| !word.starts_with("MAILWIRE_"));
        let mut input = None;
        if let Some(at) = words.iter().position(|word| *word == "<") {
            input = words.get(at + 1).map(|name| self.folder.path().join(name));
            words.truncate(at);
        }
        let server = format!("127.0.0.1:{}", self.serve.port(protocol));
        let at = words.iter().position(|word| *word == "--server").unwrap();
        words[at + 1] = &server;
        let mut command = program(words[0]);
        command.args(&words[1..]).current_dir(self.folder.path());
        if protocol.ends_with('s') {
            command.args(["--ca", "ca.pem"]);
        }
        let Some(input) = input else { return command.run() };
        command.stdin(fs::File::open(input).unwrap()).output().unwrap().into()
    }
}

#[test]
fn the_examples_of_the_clients_work() {
    let world = World::new();
    let submission = &examples("send")[0];
    // Mail for bob is not for anybody here.
    let words: Vec<String> = submission.iter().map(|word| word.replace("bob@", "anna@")).collect();
    world.run(&words, "submissions").expect(0, &[]);
    world.folder.file("report.pdf", "%PDF");
    let attached = &examples("send")[2];
    let words: Vec<String> = attached.iter().map(|word| word.replace("bob@", "anna@")).collect();
    world.run(&words, "submissions").expect(0, &[]);
    world.run(&examples("send")[1], "lmtp").expect(0, &[]);
    let blocking: Vec<String> =
        examples("blocking")[0].iter().map(|word| word.replace("bob@", "anna@")).collect();
    world.run(&blocking, "smtp").expect(0, &[]);

    let listed = world.run(&examples("fetch")[0], "imaps");
    listed.expect(0, &[]);
    assert_eq!(listed.out.lines().count(), 4);
    // The mailbox of the second one is not made by itself.
    let words: Vec<String> =
        examples("fetch")[1].iter().map(|word| word.replace("Archive", "INBOX")).collect();
    let fetched = world.run(&words, "imaps");
    fetched.expect(0, &[]);
    assert!(fetched.out.starts_with("4 messages in mail"), "{}", fetched.out);
    // One cannot be used: the mailboxes of this server are their owner's alone.
    let used = world.run(&examples("extensions")[0], "imaps");
    used.expect(1, &["extensions: ACL: the server refused SETACL"]);
    assert_eq!(used.err.lines().count(), 1, "{}", used.err);
    let differs: Vec<&str> = used.out.lines().filter(|line| line.contains("differs")).collect();
    assert!(matches!(differs[..], [acl] if acl.starts_with("ACL ")), "{differs:?}");
    let synchronized = world.run(&examples("sync")[0], "imaps");
    synchronized.expect(0, &[]);
    assert!(synchronized.out.starts_with("INBOX: 4 fetched, 0 stored"), "{}", synchronized.out);
    let all = world.run(&examples("sync")[1], "imaps");
    all.expect(0, &[]);
    assert!(all.out.starts_with("INBOX: 0 fetched, 0 stored"), "{}", all.out);
    for example in examples("migrate") {
        let server = format!("127.0.0.1:{}", world.serve.port("imaps"));
        let mut words = example.iter().filter(|word| !word.starts_with("MAILWIRE_"));
        let mut command = program(words.next().unwrap());
        command.args(
            words.map(|word| word.replace("old.example.org", &server).replace("new.example.org", &server)),
        );
        let migrated =
            command.args(["--from-ca", "ca.pem", "--to-ca", "ca.pem"]).current_dir(world.folder.path()).run();
        migrated.expect(0, &[]);
        // Into itself: all of it is there.
        assert!(migrated.out.contains("INBOX: 0 copied, 4 there already"), "{}", migrated.out);
    }
    let fetched = world.run(&examples("pop")[0], "pop3s");
    fetched.expect(0, &[]);
    assert!(fetched.out.starts_with("4 messages in mail"), "{}", fetched.out);
}

#[test]
fn the_example_of_the_server_works() {
    let words = examples("serve").remove(0);
    let mut command = program(&words[0]);
    // Its ports may be taken on this machine.
    let port =
        |word: &String| word.rsplit_once(':').map_or_else(|| word.clone(), |(host, _)| format!("{host}:0"));
    command.args(words[1..].iter().map(port));
    let serve = Serve::of(&mut command, 2);
    let folder = TestFolder::new();
    let authority = folder.file("ca.pem", &serve.authority);
    let server = format!("127.0.0.1:{}", serve.port("imap"));
    let mut fetch = program("fetch");
    fetch.args(["--user", "anna", "--security", "starttls", "--server", &server, "--ca"]).arg(authority);
    assert_ne!(PASSWORD, "secret");
    fetch.env("MAILWIRE_PASSWORD", "secret").run().expect(0, &[]);
}
