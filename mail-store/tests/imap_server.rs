//! The IMAP server over the memory store, spoken to by hand.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::time::Duration;

use mailwire_core::Channel;
use mailwire_imap::{
    support::{EXTENSIONS, Support},
    types::Flag,
};
use mailwire_store::{
    ImapService, InternalDate,
    memory::{Config, MemoryStore, NewMessage, User},
};
use mailwire_transport::{Stream, imap::Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::timeout,
};

/// A client that writes lines and reads lines.
struct Raw {
    stream: DuplexStream,
    buffer: Vec<u8>,
    commands: usize,
}

impl Raw {
    async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return String::from_utf8_lossy(&line).trim_end_matches("\r\n").to_owned();
            }
            let mut chunk = [0; 4096];
            let read = timeout(Duration::from_secs(20), self.stream.read(&mut chunk)).await;
            let read = read.unwrap().unwrap();
            assert!(read > 0, "the server has closed the connection");
            self.buffer.extend_from_slice(&chunk[..read]);
        }
    }

    async fn write(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).await.unwrap();
    }

    /// The untagged lines, and the tagged one without its tag.
    async fn command(&mut self, command: &str) -> (Vec<String>, String) {
        self.commands += 1;
        let tag = format!("t{} ", self.commands);
        self.write(format!("{tag}{command}\r\n")).await;
        self.until(&tag).await
    }

    async fn until(&mut self, tag: &str) -> (Vec<String>, String) {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            if let Some(end) = line.strip_prefix(tag) {
                return (lines, end.to_owned());
            }
            lines.push(line);
        }
    }

    /// The untagged lines of a command that succeeds.
    async fn ok(&mut self, command: &str) -> Vec<String> {
        let (lines, end) = self.command(command).await;
        assert!(end.starts_with("OK"), "{command}: {end}");
        lines
    }

    async fn no(&mut self, command: &str) -> String {
        let (_, end) = self.command(command).await;
        assert!(end.starts_with("NO") || end.starts_with("BAD"), "{command}: {end}");
        end
    }

    async fn append(&mut self, mailbox: &str, flags: &str, message: &str) -> String {
        self.commands += 1;
        let tag = format!("t{} ", self.commands);
        self.write(format!("{tag}APPEND {mailbox} {flags}{{{}}}\r\n", message.len())).await;
        let line = self.line().await;
        if !line.starts_with('+') {
            return line.strip_prefix(&tag).unwrap().to_owned();
        }
        self.write(format!("{message}\r\n")).await;
        self.until(&tag).await.1
    }
}

fn store() -> (MemoryStore, User) {
    let store = MemoryStore::new();
    let user = store.add_user("ada", "secret").unwrap();
    (store, user)
}

async fn connect(store: &MemoryStore) -> Raw {
    connect_to(Server::new(ImapService::new(store.clone()))).await
}

async fn connect_to(server: Server<ImapService<MemoryStore>>) -> Raw {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Tls).await });
    let mut raw = Raw { stream: ours, buffer: Vec::new(), commands: 0 };
    assert!(raw.line().await.starts_with("* OK [CAPABILITY IMAP4rev1 IMAP4rev2 "));
    raw
}

async fn login(store: &MemoryStore) -> Raw {
    let mut raw = connect(store).await;
    raw.ok("LOGIN ada secret").await;
    raw
}

async fn select(store: &MemoryStore) -> Raw {
    let mut raw = login(store).await;
    raw.ok("SELECT INBOX").await;
    raw
}

/// What is said of new keywords before they are seen on a message.
fn announced(keywords: &str) -> [String; 2] {
    let flags = format!("\\Seen \\Answered \\Flagged \\Deleted \\Draft {keywords}");
    [format!("* FLAGS ({flags})"), format!("* OK [PERMANENTFLAGS ({flags} \\*)] Flags that stay")]
}

fn deliver(user: &User, count: usize) {
    for number in 1..=count {
        user.deliver(format!("Subject: {number}\r\n\r\nbody {number}\r\n").into()).unwrap();
    }
}

#[tokio::test]
async fn wrong_passwords() {
    let (store, _) = store();
    let mut raw = connect(&store).await;
    let wrong = "NO [AUTHENTICATIONFAILED] User name or password is wrong";
    assert_eq!(raw.no("LOGIN ada wrong").await, wrong);
    assert_eq!(raw.no("LOGIN nobody secret").await, wrong);
    assert!(raw.no("SELECT INBOX").await.starts_with("BAD"));
    // AGFkYQB3cm9uZw== is \0ada\0wrong, AGFkYQBzZWNyZXQ= is \0ada\0secret.
    assert_eq!(raw.no("AUTHENTICATE PLAIN AGFkYQB3cm9uZw==").await, wrong);
    raw.write("a AUTHENTICATE PLAIN\r\n*\r\n").await;
    let (_, end) = raw.until("a ").await;
    assert!(end.starts_with("BAD"), "{end}");
    let (_, end) = raw.command("AUTHENTICATE PLAIN AGFkYQBzZWNyZXQ=").await;
    assert!(end.starts_with("OK [CAPABILITY IMAP4rev1"), "{end}");
    assert!(!end.contains("AUTH="), "{end}");

    let mut raw = connect(&store).await;
    for _ in 0..4 {
        raw.no("LOGIN ada wrong").await;
    }
    raw.write("x LOGIN ada wrong\r\n").await;
    // The command is answered, and then nothing more is.
    assert_eq!(raw.line().await, format!("x {wrong}"));
    assert!(raw.line().await.starts_with("* BYE "));
}

/// The table of extensions says of servers what this one offers.
#[tokio::test]
async fn what_is_supported_is_announced() {
    // Said before the login, in clear, or in place of another.
    let elsewhere = ["AUTH=", "STARTTLS", "LOGINDISABLED", "SASL-IR", "LITERAL-"];
    // Said where it is configured, or where a service has more to say than its store.
    let configured = [
        "QUOTASET",
        "MESSAGELIMIT=",
        "METADATA-SERVER",
        "JMAPACCESS",
        "LANGUAGE",
        "LOGIN-REFERRALS",
        "MAILBOX-REFERRALS",
        "SAVELIMIT=",
        "URLAUTH",
        "URLAUTH=BINARY",
        "UTF8=ONLY",
        "X-GM-EXT-1",
        "XLIST",
    ];
    let announced = login(&store().0).await.ok("CAPABILITY").await.join(" ");
    for extension in EXTENSIONS {
        let whole = extension.server == Support::Whole;
        for name in
            extension.names.iter().filter(|name| !elsewhere.contains(name) && !configured.contains(name))
        {
            let found = announced.split(' ').any(|word| {
                word.strip_prefix(name)
                    .is_some_and(|rest| rest.is_empty() || name.ends_with('=') || rest.starts_with('='))
            });
            assert_eq!(found, whole, "{name} in {announced}");
        }
    }
}

#[tokio::test]
async fn what_select_tells() {
    let (store, user) = store();
    deliver(&user, 2);
    let mut raw = login(&store).await;
    let status = user.status("INBOX").unwrap();
    assert_eq!(
        raw.ok("SELECT inbox").await,
        [
            "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft)".to_owned(),
            "* 2 EXISTS".to_owned(),
            "* 2 RECENT".to_owned(),
            "* OK [UNSEEN 1] The first unseen message".to_owned(),
            format!("* OK [UIDVALIDITY {}] UIDs are valid", status.uid_validity),
            "* OK [UIDNEXT 3] The next UID".to_owned(),
            "* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft \\*)] Flags that stay"
                .to_owned(),
            "* OK [MAILBOXID (F1)] The mailbox".to_owned(),
            "* OK [HIGHESTMODSEQ 3] The last change".to_owned(),
        ]
    );
    assert!(raw.ok("EXAMINE INBOX").await.contains(&"* 0 RECENT".to_owned()));
    assert_eq!(
        raw.no("STORE 1 +FLAGS (\\Deleted)").await,
        "NO [NOPERM] The mailbox is open for reading only"
    );
    assert_eq!(raw.no("SELECT nothing").await, "NO [NONEXISTENT] no such mailbox");
    assert!(raw.no("FETCH 1 FLAGS").await.starts_with("BAD"), "the other mailbox is closed");
    assert_eq!(
        raw.ok("STATUS INBOX (MESSAGES UNSEEN SIZE)").await,
        ["* STATUS INBOX (MESSAGES 2 UNSEEN 2 SIZE 44)"]
    );
}

#[tokio::test]
async fn fetching() {
    let (store, user) = store();
    deliver(&user, 3);
    let mut raw = select(&store).await;
    assert_eq!(
        raw.ok("FETCH 2 (UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)] FLAGS)").await,
        [
            "* 2 FETCH (UID 2 RFC822.SIZE 22 BODY[HEADER.FIELDS (SUBJECT)] {14}",
            "Subject: 2",
            "",
            " FLAGS (\\Recent))"
        ]
    );
    // Reading sets \Seen, and says so.
    assert_eq!(
        raw.ok("FETCH 3 BODY[TEXT]<0.4>").await,
        ["* 3 FETCH (BODY[TEXT]<0> \"body\" FLAGS (\\Seen \\Recent))"]
    );
    assert_eq!(raw.ok("FETCH 3 BODY[TEXT]<0.4>").await, ["* 3 FETCH (BODY[TEXT]<0> \"body\")"]);
    assert_eq!(
        raw.ok("UID FETCH 2:9999 FLAGS").await,
        ["* 2 FETCH (UID 2 FLAGS (\\Recent))", "* 3 FETCH (UID 3 FLAGS (\\Seen \\Recent))"]
    );
    assert_eq!(raw.ok("UID FETCH 77 FLAGS").await, [""; 0]);
    assert_eq!(raw.no("FETCH 4 FLAGS").await, "BAD There is no message of this number");
    assert!(raw.no("FETCH 1:4294967295 FLAGS").await.starts_with("BAD"));
    assert_eq!(raw.ok("FETCH 1 BODY.PEEK[9]").await, ["* 1 FETCH (BODY[9] NIL)"]);
    assert_eq!(
        raw.ok("FETCH 1 (BINARY.PEEK[1] BINARY.SIZE[1])").await.concat(),
        "* 1 FETCH (BINARY[1] {8}body 1 BINARY.SIZE[1] 8)",
    );
    assert_eq!(
        raw.ok("FETCH 1 BODY").await,
        ["* 1 FETCH (BODY (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 8 1))"]
    );
    let envelope = raw.ok("FETCH 1 ENVELOPE").await;
    assert_eq!(envelope, ["* 1 FETCH (ENVELOPE (NIL \"1\" NIL NIL NIL NIL NIL NIL NIL NIL))"]);
    let all = raw.ok("FETCH 1 ALL").await.concat();
    assert!(
        all.starts_with("* 1 FETCH (FLAGS (\\Recent) INTERNALDATE \"") && all.contains("ENVELOPE"),
        "{all}"
    );
}

#[tokio::test]
async fn two_sessions_see_each_other() {
    let (store, user) = store();
    deliver(&user, 2);
    let mut one = select(&store).await;
    let mut two = select(&store).await;
    let appended = one.append("INBOX", "(\\Draft) ", "Subject: new\r\n\r\n").await;
    assert!(appended.starts_with("OK [APPENDUID ") && appended.contains(" 3] "), "{appended}");
    // The first to hear of it was the one who appended it.
    assert_eq!(two.ok("NOOP").await, ["* 3 EXISTS", "* 0 RECENT"]);

    let [flags, permanent] = announced("$Work");
    assert_eq!(
        one.ok("STORE 1 +FLAGS ($Work \\Flagged)").await,
        [&flags, &permanent, "* 1 FETCH (FLAGS (\\Flagged \\Recent $Work))"]
    );
    assert_eq!(one.ok("NOOP").await, [""; 0], "one's own change is not told twice");
    assert_eq!(two.ok("NOOP").await, [&flags, &permanent, "* 1 FETCH (UID 1 FLAGS (\\Flagged $Work))"]);

    assert_eq!(two.ok("STORE 1:2 +FLAGS.SILENT (\\Deleted)").await, [""; 0]);
    assert_eq!(two.ok("EXPUNGE").await, ["* 1 EXPUNGE", "* 1 EXPUNGE"]);
    assert_eq!(two.ok("NOOP").await, [""; 0]);
    assert_eq!(one.ok("NOOP").await, ["* 1 EXPUNGE", "* 1 EXPUNGE"]);
    assert_eq!(one.ok("FETCH 1 UID").await, ["* 1 FETCH (UID 3)"]);

    // Another session's change that meets one's own is told although one's own is silent.
    one.ok("STORE 1 +FLAGS.SILENT (\\Seen)").await;
    assert_eq!(
        two.ok("STORE 1 +FLAGS.SILENT (\\Answered)").await,
        ["* 1 FETCH (UID 3 FLAGS (\\Seen \\Answered \\Draft))"]
    );
}

#[tokio::test]
async fn expunge_waits_for_its_time() {
    let (store, user) = store();
    deliver(&user, 3);
    let mut one = select(&store).await;
    let mut two = select(&store).await;
    one.ok("STORE 2 +FLAGS.SILENT (\\Deleted)").await;
    one.ok("EXPUNGE").await;
    // Not during FETCH, STORE and SEARCH by number: what is gone keeps its number.
    let (lines, end) = two.command("FETCH 1:3 UID").await;
    assert_eq!(lines, ["* 1 FETCH (UID 1)", "* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)"]);
    assert_eq!(end, "OK Done");
    let (lines, end) = two.command("FETCH 2:3 RFC822.SIZE").await;
    assert_eq!(
        (lines, end.as_str()),
        (vec!["* 3 FETCH (RFC822.SIZE 22)".to_owned()], "OK [EXPUNGEISSUED] Done")
    );
    assert_eq!(two.ok("STORE 3 +FLAGS (\\Seen)").await, ["* 3 FETCH (FLAGS (\\Seen))"]);
    user.deliver("Subject: 4\r\n\r\n".into()).unwrap();
    assert_eq!(two.ok("SEARCH ALL").await, ["* SEARCH 1 3", "* 4 EXISTS", "* 1 RECENT"]);
    // UID commands may bring it.
    assert_eq!(two.ok("UID FETCH 4 UID").await, ["* 4 FETCH (UID 4)", "* 2 EXPUNGE"]);
    assert_eq!(two.ok("FETCH 3 UID").await, ["* 3 FETCH (UID 4)"]);
}

#[tokio::test]
async fn idle_pushes_at_once() {
    let (store, user) = store();
    deliver(&user, 1);
    let mut one = select(&store).await;
    let mut two = select(&store).await;
    one.write("i IDLE\r\n").await;
    assert!(one.line().await.starts_with('+'));
    user.deliver("Subject: new\r\n\r\n".into()).unwrap();
    assert_eq!((one.line().await.as_str(), one.line().await.as_str()), ("* 2 EXISTS", "* 2 RECENT"));
    two.ok("STORE 1 FLAGS (\\Deleted)").await;
    assert_eq!(one.line().await, "* 1 FETCH (UID 1 FLAGS (\\Deleted \\Recent))");
    two.ok("EXPUNGE").await;
    assert_eq!(one.line().await, "* 1 EXPUNGE");
    one.write("DONE\r\n").await;
    assert_eq!(one.until("i ").await, (vec![], "OK Done".to_owned()));
    assert_eq!(one.ok("FETCH 1 UID").await, ["* 1 FETCH (UID 2)"]);
}

#[tokio::test]
async fn a_deleted_mailbox_ends_the_session() {
    let (store, user) = store();
    user.create("a", None).unwrap();
    let mut raw = login(&store).await;
    raw.ok("SELECT a").await;
    user.delete("a").unwrap();
    raw.write("x NOOP\r\n").await;
    assert_eq!(raw.line().await, "* BYE The selected mailbox was deleted");
}

#[tokio::test]
async fn searching() {
    let (store, user) = store();
    let message = |raw: &'static str, seconds, flags: &[&'static str]| {
        let mut message = NewMessage::new(raw.into());
        message.date = InternalDate { seconds, zone: 0 };
        message.flags = flags.iter().map(|flag| Flag::new(*flag).unwrap()).collect();
        user.append("INBOX", message).unwrap();
    };
    let day = 86_400;
    // 1: 2 January 1970; 2: 3 January; 3: 4 January.
    message(
        "From: Ada <ada@example.org>\r\nTo: bob@x\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
         Date: Thu, 1 Jan 1970 23:00:00 -0500\r\n\r\nhello world\r\n",
        day,
        &["\\Seen", "$Work"],
    );
    message(
        "From: bob@x\r\nCc: ada@example.org\r\nX-Mark:\r\n\r\ngoodbye\r\n",
        2 * day,
        &["\\Flagged", "\\Draft"],
    );
    message("Bcc: eve@y\r\n\r\n\r\n", 3 * day, &["\\Answered", "\\Deleted"]);
    // The first session takes \Recent with it.
    let _first = select(&store).await;
    message("\r\nempty header\r\n", 3 * day + 5, &[]);
    let mut raw = select(&store).await;
    for (keys, found) in [
        ("ALL", "1 2 3 4"),
        ("SEEN", "1"),
        ("UNSEEN", "2 3 4"),
        ("KEYWORD $work", "1"),
        ("UNKEYWORD $Work", "2 3 4"),
        ("FLAGGED DRAFT", "2"),
        ("UNFLAGGED UNDRAFT", "1 3 4"),
        ("ANSWERED DELETED", "3"),
        ("UNANSWERED UNDELETED", "1 2 4"),
        ("FROM ada", "1"),
        ("TO BOB", "1"),
        ("CC ada", "2"),
        ("BCC eve", "3"),
        ("HEADER x-mark \"\"", "2"),
        ("HEADER x-mark y", ""),
        ("BODY WORLD", "1"),
        ("BODY bob", ""),
        ("TEXT bob", "1 2"),
        ("BEFORE 3-Jan-1970", "1"),
        ("ON 3-Jan-1970", "2"),
        ("SINCE 3-Jan-1970", "2 3 4"),
        ("SENTON 1-Jan-1970", "1"),
        ("SENTBEFORE 1-Jan-1970", ""),
        ("SENTSINCE 1-Jan-1970", "1"),
        ("LARGER 60", "1"),
        ("SMALLER 17", "3 4"),
        ("OR SEEN DELETED", "1 3"),
        ("NOT (OR SEEN DELETED)", "2 4"),
        ("NOT NOT SEEN", "1"),
        ("UID 2:3", "2 3"),
        ("2:* UNDELETED", "2 4"),
        ("RECENT", "4"),
        ("NEW", "4"),
        ("OLD SEEN", "1"),
    ] {
        let line = format!("* SEARCH {found}");
        assert_eq!(raw.ok(&format!("SEARCH {keys}")).await, [line.trim_end()], "{keys}");
    }
    raw.write("s SEARCH CHARSET UTF-8 SUBJECT {7+}\r\ngr\u{fc}\u{df}e\r\n").await;
    assert_eq!(raw.until("s ").await.0, ["* SEARCH 1"]);
    assert!(raw.no("SEARCH CHARSET KOI8-R ALL").await.starts_with("NO [BADCHARSET (US-ASCII UTF-8)]"));
    assert!(raw.no("SEARCH 9").await.starts_with("BAD"));
    assert_eq!(
        raw.ok("UID SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN").await,
        [format!("* ESEARCH (TAG \"t{}\") UID MIN 2 MAX 4 COUNT 3 ALL 2:4", raw.commands)]
    );
    // The saved result.
    assert_eq!(raw.ok("SEARCH RETURN (SAVE) SEEN").await, [""; 0]);
    assert_eq!(raw.ok("UID FETCH $ UID").await, ["* 1 FETCH (UID 1)"]);
    assert_eq!(raw.ok("SEARCH NOT $").await, ["* SEARCH 2 3 4"]);
}

#[tokio::test]
async fn revision_two() {
    let (store, user) = store();
    deliver(&user, 2);
    user.create("Entw\u{fc}rfe", None).unwrap();
    let mut raw = login(&store).await;
    assert_eq!(raw.ok("LIST \"\" Entw*").await, ["* LIST (\\HasNoChildren) \"/\" Entw&APw-rfe"]);
    assert_eq!(raw.ok("ENABLE IMAP4rev2").await, ["* ENABLED IMAP4rev2"]);
    let lines = raw.ok("SELECT INBOX").await;
    assert!(lines.iter().all(|line| !line.contains("RECENT") && !line.contains("UNSEEN")), "{lines:?}");
    assert!(lines.contains(&"* LIST () \"/\" INBOX".to_owned()), "{lines:?}");
    assert_eq!(raw.ok("SEARCH ALL").await, [format!("* ESEARCH (TAG \"t{}\") ALL 1:2", raw.commands)]);
    assert_eq!(raw.ok("UID SEARCH SEEN").await, [format!("* ESEARCH (TAG \"t{}\") UID", raw.commands)]);
    assert_eq!(raw.ok("FETCH 1 FLAGS").await, ["* 1 FETCH (FLAGS ())"]);
    let listed = raw.ok("LIST \"\" \"Entw\u{fc}%\"").await.concat();
    assert!(listed.contains("Entw\u{fc}rfe"), "{listed}");
    raw.ok("CREATE \"A&-B\"").await;
    assert!(user.status("A&-B").is_ok(), "no modified UTF-7 any more");
    let lines = raw.ok("SELECT \"Entw\u{fc}rfe\"").await;
    assert!(lines[0].starts_with("* OK [CLOSED]"), "{lines:?}");
}

#[tokio::test]
async fn mailboxes() {
    let (store, _) = store();
    let mut raw = login(&store).await;
    raw.ok("CREATE work/2026/reports").await;
    raw.ok("SUBSCRIBE work/2026").await;
    assert_eq!(raw.no("CREATE work").await, "NO [ALREADYEXISTS] the mailbox exists already");
    assert_eq!(
        raw.ok("LIST \"\" %").await,
        ["* LIST (\\HasNoChildren) \"/\" INBOX", "* LIST (\\HasChildren) \"/\" work"]
    );
    assert_eq!(raw.ok("LIST work/ *").await.len(), 2);
    assert_eq!(raw.ok("LIST \"\" \"\"").await, ["* LIST (\\Noselect) \"/\" \"\""]);
    assert_eq!(raw.ok("LSUB \"\" %").await, ["* LSUB () \"/\" INBOX", "* LSUB (\\Noselect) \"/\" work"]);
    assert_eq!(
        raw.ok("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %").await,
        [
            "* LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX",
            "* LIST (\\HasChildren) \"/\" work (\"CHILDINFO\" (\"SUBSCRIBED\"))"
        ]
    );
    assert_eq!(
        raw.ok("LIST \"\" INBOX RETURN (STATUS (MESSAGES UIDNEXT))").await,
        ["* LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX", "* STATUS INBOX (MESSAGES 0 UIDNEXT 1)"]
    );
    raw.ok("RENAME work job").await;
    raw.ok("DELETE job").await;
    assert_eq!(raw.no("DELETE job").await, "NO [HASCHILDREN] the name has mailboxes below it");
    assert_eq!(raw.ok("LIST \"\" job").await, ["* LIST (\\HasChildren \\Noselect) \"/\" job"]);
    assert_eq!(raw.ok("NAMESPACE").await, ["* NAMESPACE ((\"\" \"/\")) NIL NIL"]);
    assert_eq!(raw.ok("ID NIL").await, ["* ID (\"name\" \"mailwire\")"]);
    assert_eq!(raw.no("DELETE inbox").await, "NO [CANNOT] INBOX cannot be deleted");
    assert_eq!(raw.ok("LOGOUT").await, ["* BYE logging out"]);
}

#[tokio::test]
async fn copies_and_moves() {
    let (store, user) = store();
    deliver(&user, 3);
    user.create("a", None).unwrap();
    let validity = user.status("a").unwrap().uid_validity;
    let mut raw = select(&store).await;
    assert!(raw.no("COPY 1 nowhere").await.starts_with("NO [TRYCREATE]"));
    assert_eq!(raw.command("COPY 1,3 a").await.1, format!("OK [COPYUID {validity} 1,3 1:2] Done"));
    assert_eq!(
        raw.command("UID MOVE 1:2 a").await,
        (
            vec![
                format!("* OK [COPYUID {validity} 1:2 3:4] Moved"),
                "* 1 EXPUNGE".to_owned(),
                "* 1 EXPUNGE".to_owned()
            ],
            "OK Done".to_owned()
        )
    );
    assert_eq!(user.status("a").unwrap().messages, 4);
    // Into itself: the copy is news.
    assert_eq!(raw.ok("COPY 1 INBOX").await, ["* 2 EXISTS", "* 2 RECENT"]);
    raw.ok("STORE 1:2 FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(raw.ok("UID EXPUNGE 4").await, ["* 2 EXPUNGE"]);
    raw.ok("CLOSE").await;
    assert_eq!(user.status("INBOX").unwrap().messages, 0, "CLOSE expunges without a word");
    assert!(raw.no("NOOP2").await.starts_with("BAD"));
}

#[tokio::test]
async fn appending() {
    let store = MemoryStore::with_config({
        let mut config = Config::default();
        config.bytes = 100_000;
        config
    });
    let user = store.add_user("ada", "secret").unwrap();
    let mut raw = login(&store).await;
    // Refused before the message is sent.
    assert!(raw.append("nowhere", "", "x").await.starts_with("NO [TRYCREATE]"));
    assert!(raw.append("INBOX", "", &"x".repeat(100_001)).await.starts_with("NO [OVERQUOTA]"));
    // A client that does not wait has its message read past.
    raw.write("a APPEND nowhere {3+}\r\nabc\r\nb NOOP\r\n").await;
    assert!(raw.until("a ").await.1.starts_with("NO [TRYCREATE]"));
    assert!(raw.until("b ").await.1.starts_with("OK"));

    assert!(raw.append("INBOX", "", "").await.starts_with("OK"), "an empty message");
    assert!(
        raw.append("INBOX", "(\\Seen) \" 5-Feb-2024 10:00:00 +0100\" ", "A: b\r\n\r\n")
            .await
            .starts_with("OK")
    );
    raw.ok("SELECT INBOX").await;
    assert_eq!(
        raw.ok("FETCH 1:* (FLAGS RFC822.SIZE)").await,
        ["* 1 FETCH (FLAGS (\\Recent) RFC822.SIZE 0)", "* 2 FETCH (FLAGS (\\Seen \\Recent) RFC822.SIZE 8)"]
    );
    assert_eq!(
        raw.ok("FETCH 2 INTERNALDATE").await,
        ["* 2 FETCH (INTERNALDATE \" 5-Feb-2024 10:00:00 +0100\")"]
    );

    // What follows the message is no end of the command: nothing is kept.
    raw.write("c APPEND INBOX {3+}\r\nabc junk\r\nd NOOP\r\n").await;
    assert!(raw.until("c ").await.1.starts_with("BAD"));
    assert!(raw.until("d ").await.1.starts_with("OK"));
    assert_eq!(user.status("INBOX").unwrap().messages, 2);
}

#[tokio::test]
async fn many_messages_at_once() {
    let (store, user) = store();
    deliver(&user, 5000);
    let mut one = select(&store).await;
    let mut two = select(&store).await;
    // A store takes 4096 at once.
    assert_eq!(one.ok("STORE 2:* +FLAGS.SILENT (\\Deleted)").await, [""; 0]);
    assert_eq!(one.ok("NOOP").await, [""; 0], "one's own change is not told");
    assert_eq!(two.ok("STORE 1:* +FLAGS.SILENT (\\Flagged)").await.len(), 4999, "others' changes are");
    assert_eq!(one.ok("EXPUNGE").await.len(), 4999 + 1, "and the change of the message that stays");
    assert_eq!(two.ok("NOOP").await.len(), 4999);
    assert_eq!(two.ok("FETCH 1:* FLAGS").await, ["* 1 FETCH (FLAGS (\\Flagged))"]);
}

#[tokio::test]
async fn keywords_are_bounded() {
    let (store, user) = store();
    deliver(&user, 1);
    let mut raw = select(&store).await;
    let keywords: Vec<String> = (0..63).map(|number| format!("k{number}")).collect();
    raw.ok(&format!("STORE 1 +FLAGS.SILENT ({})", keywords.join(" "))).await;
    assert_eq!(raw.no("STORE 1 +FLAGS (other)").await, "NO [LIMIT] too many keywords in this mailbox");
    raw.ok("STORE 1 -FLAGS (other k1)").await;
    let told = raw.ok("SELECT INBOX").await;
    assert!(told.iter().any(|line| line.contains("PERMANENTFLAGS") && !line.contains("\\*")), "{told:?}");
    assert!(raw.append("INBOX", "(other) ", "x").await.starts_with("NO [LIMIT]"));
}

#[tokio::test]
async fn a_message_with_nul_is_shown() {
    let (store, user) = store();
    user.deliver(b"Subject: x\0y\r\n\r\na\0b".to_vec().into()).unwrap();
    let mut raw = select(&store).await;
    let lines = raw.ok("FETCH 1 (ENVELOPE BODY.PEEK[TEXT])").await.concat();
    assert!(lines.contains("\"xy\"") && lines.contains("a\u{fffd}b"), "{lines}");
    let binary = raw.ok("FETCH 1 BINARY.PEEK[1]").await.concat();
    assert!(binary.contains("~{3}a\0b"), "{binary}");
}

#[tokio::test]
async fn pipelined_commands_are_answered_in_order() {
    let (store, user) = store();
    deliver(&user, 2);
    let mut raw = connect(&store).await;
    raw.write(
        "1 LOGIN ada secret\r\n2 SELECT INBOX\r\n3 STORE 1 +FLAGS.SILENT (\\Deleted)\r\n4 EXPUNGE\r\n\
         5 FETCH 1 UID\r\n6 LOGOUT\r\n",
    )
    .await;
    for tag in ["1 ", "2 ", "3 "] {
        assert!(raw.until(tag).await.1.starts_with("OK"), "{tag}");
    }
    assert_eq!(raw.until("4 ").await.0, ["* 1 EXPUNGE"]);
    assert_eq!(raw.until("5 ").await.0, ["* 1 FETCH (UID 2)"]);
    assert!(raw.until("6 ").await.1.starts_with("OK"));
}

#[tokio::test]
async fn keywords_are_announced_before_they_are_seen() {
    let (store, user) = store();
    deliver(&user, 2);
    let (mut one, mut two) = (select(&store).await, select(&store).await);
    let mut three = login(&store).await;
    three.ok("EXAMINE INBOX").await;
    // Of a silent change, too.
    assert_eq!(one.ok("STORE 1 +FLAGS.SILENT ($A)").await, announced("$A"));
    assert_eq!(one.ok("STORE 2 +FLAGS.SILENT ($A)").await, [""; 0]);
    one.write("x IDLE\r\n").await;
    assert!(one.line().await.starts_with('+'));

    // By others, while this one waits; and by a message that is new.
    two.append("INBOX", "($B) ", "Subject: 3\r\n\r\n").await;
    assert_eq!(two.ok("STORE 1 +FLAGS ($C)").await[..2], announced("$A $C"));
    let mut told = Vec::new();
    while told.len() < 4 {
        // Which of the two is told first that the message is recent does not matter here.
        told.extend(Some(one.line().await).filter(|line| !line.ends_with("RECENT")));
    }
    let [flags, permanent] = announced("$A $C");
    assert_eq!(told, ["* 3 EXISTS", &flags, &permanent, "* 1 FETCH (UID 1 FLAGS (\\Recent $A $C))"]);
    one.write("DONE\r\n").await;
    one.until("x ").await;
    assert_eq!(one.ok("FETCH 3 FLAGS").await[..2], announced("$A $C $B"));

    // Where nothing can be changed, nothing is announced as changeable.
    let told = three.ok("FETCH 1 FLAGS").await;
    assert_eq!(told[0], "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $A $C)");
    assert_eq!(told[1], "* OK [PERMANENTFLAGS ()] Flags that stay");
}

#[tokio::test]
async fn flags_of_the_system_that_are_unknown_are_refused() {
    let (store, user) = store();
    deliver(&user, 1);
    let mut raw = select(&store).await;
    for flags in ["+FLAGS (\\Unknown)", "FLAGS.SILENT (\\Seen \\Unknown)", "-FLAGS (\\Unknown)"] {
        assert_eq!(
            raw.no(&format!("STORE 1 {flags}")).await,
            "NO [CANNOT] Not a flag of this mailbox: \\Unknown"
        );
    }
    let appended = raw.append("INBOX", "(\\Unknown \\Seen) ", "Subject: x\r\n\r\n").await;
    assert!(appended.starts_with("NO [CANNOT] Not a flag"), "{appended}");
    assert_eq!(raw.ok("FETCH 1 FLAGS").await, ["* 1 FETCH (FLAGS (\\Recent))"]);
    raw.ok("EXAMINE INBOX").await;
    assert!(raw.no("EXPUNGE").await.starts_with("NO [NOPERM]"));
    assert!(raw.no("UID EXPUNGE 1").await.starts_with("NO [NOPERM]"));
}

#[tokio::test]
async fn names_are_modified_utf_7_and_not_too_long() {
    let (store, _) = store();
    let mut raw = login(&store).await;
    raw.ok("CREATE \"&APw-ber\"").await;
    raw.ok("CREATE a&-b").await;
    raw.ok("SELECT INBOX").await;
    raw.append("INBOX", "", "Subject: x\r\n\r\n").await;
    // Not ended, not in its only form, half of a pair, not encoded at all.
    for name in ["&", "&x", "a&b", "&AGE-", "&2D0-", "\u{fc}"] {
        for command in
            ["CREATE", "DELETE", "SELECT", "EXAMINE", "SUBSCRIBE", "UNSUBSCRIBE", "RENAME INBOX", "COPY 1"]
        {
            let reply = raw.no(&format!("{command} \"{name}\"")).await;
            assert!(
                reply.starts_with("NO [CANNOT]") && reply.ends_with("name is not modified UTF-7"),
                "{reply}"
            );
            raw.ok("SELECT INBOX").await;
        }
        assert!(raw.no(&format!("STATUS \"{name}\" (MESSAGES)")).await.starts_with("NO [CANNOT]"));
        assert!(raw.append(&format!("\"{name}\""), "", "x").await.starts_with("NO [CANNOT]"));
    }
    raw.ok(&format!("CREATE {}", "n".repeat(255))).await;
    for name in ["n".repeat(256), "n".repeat(300), ["n"; 501].join("/")] {
        assert!(raw.no(&format!("CREATE {name}")).await.starts_with("NO [CANNOT]"), "{name}");
        assert!(raw.no(&format!("RENAME &APw-ber {name}")).await.starts_with("NO [CANNOT]"), "{name}");
    }
    raw.ok("ENABLE IMAP4rev2").await;
    raw.ok("CREATE \"\u{fc}\"").await;
    raw.ok("CREATE \"&\"").await;
    assert_eq!(raw.ok("LIST \"\" \"&*\"").await, ["* LIST (\\HasNoChildren) \"/\" &"]);
}

#[tokio::test]
async fn numbers_that_are_not_there() {
    let (store, user) = store();
    let lenient = Server::new(ImapService::new(store.clone()))
        .configure(|config| config.dialect = mailwire_core::Dialect::Lenient);
    let mut raw = connect_to(lenient).await;
    raw.ok("LOGIN ada secret").await;
    raw.ok("SELECT INBOX").await;
    let mut strict = select(&store).await;
    for command in ["FETCH 1:* FLAGS", "STORE 1:* +FLAGS (\\Seen)", "COPY 1:* INBOX", "MOVE * INBOX"] {
        assert_eq!(raw.ok(command).await, [""; 0], "{command}");
        assert!(strict.no(command).await.starts_with("BAD"), "{command}");
    }
    for keys in ["1:*", "5", "UID 5:7", "NOT SEEN 3"] {
        assert_eq!(raw.ok(&format!("SEARCH {keys}")).await, ["* SEARCH"], "{keys}");
    }
    deliver(&user, 2);
    raw.ok("NOOP").await;
    assert_eq!(raw.ok("SEARCH 2:9").await, ["* SEARCH 2"]);
    assert_eq!(raw.ok("SEARCH NOT 9").await, ["* SEARCH 1 2"]);
    // Who names a message that is not there by its number is out of step, and has to know.
    assert!(raw.no("FETCH 3 FLAGS").await.starts_with("BAD"));
    strict.ok("NOOP").await;
    assert!(strict.no("SEARCH 2:9").await.starts_with("BAD"));
}
