//! The page of `serve`: what is answered to whom, and what a browser may make of it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
};

use serde_json::Value;

use crate::run::{Run as _, Serve, program};

const HOST: &str = "localhost";

/// A mail server for everybody, with a page.
fn start(options: &[&str]) -> Serve {
    let mut command = program("serve");
    command.args(["--listen", "smtp=127.0.0.1:0", "--http", "127.0.0.1:0"]).args(options);
    Serve::of(&mut command, 2)
}

/// Delivers a message, whose lines end with a line feed, over a connection.
struct Sender(BufReader<TcpStream>);

impl Sender {
    fn new(serve: &Serve) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", serve.port("smtp"))).unwrap();
        let mut sender = Self(BufReader::new(stream));
        sender.reply();
        sender.say("EHLO [127.0.0.1]\r\n");
        sender
    }

    fn reply(&mut self) {
        let mut line = String::new();
        while line.get(3..4).is_none_or(|after| after != " ") {
            line.clear();
            self.0.read_line(&mut line).unwrap();
        }
        assert!(line.starts_with(['2', '3']), "{line}");
    }

    fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
        self.reply();
    }

    fn send(&mut self, from: &str, to: &[&str], message: &str) {
        self.say(&format!("MAIL FROM:<{from}>\r\n"));
        for to in to {
            self.say(&format!("RCPT TO:<{to}>\r\n"));
        }
        self.say("DATA\r\n");
        self.say(&format!("{}\r\n.\r\n", message.replace('\n', "\r\n")));
    }
}

struct Answer {
    status: u16,
    /// In small letters, each with its line.
    header: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }

    #[track_caller]
    fn has(&self, field: &str) -> &Self {
        assert!(self.header.contains(field), "no {field} in {}", self.header);
        self
    }
}

fn ask(serve: &Serve, method: &str, path: &str) -> Answer {
    ask_with(serve, &format!("{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n"))
}

/// Asks with the lines of a request's head.
fn ask_with(serve: &Serve, head: &str) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", serve.port("http"))).unwrap();
    stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let (header, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = header.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, header: header.to_lowercase(), body: body.to_owned() }
}

fn get(serve: &Serve, path: &str) -> Answer {
    ask(serve, "GET", path)
}

fn numbers(list: &Value) -> Vec<u64> {
    list["messages"].as_array().unwrap().iter().map(|message| message["number"].as_u64().unwrap()).collect()
}

const MESSAGE: &str = "From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>
To: Bob <bob@example.net>, carol@example.net
Subject: =?utf-8?b?R3LDvMOfZQ==?=
Date: Sun, 1 Feb 2026 12:00:00 +0000
Content-Type: multipart/mixed; boundary=m

--m
Content-Type: multipart/alternative; boundary=a

--a
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Gr=FC=DFe: https://example.org/confirm?a=3D1&b=3D2.
--a
Content-Type: text/html; charset=utf-8

<link rel=preconnect href=//evil.example><p>Hello <img src=\"cid:dot@x\"><script>alert(1)</script>
--a--
--m
Content-Type: image/png
Content-ID: <dot@x>
Content-Transfer-Encoding: base64
Content-Disposition: inline

AAAA
--m
Content-Type: text/html; name=\"=?utf-8?q?b=C3=B6se=22=0D=0AX-Y=3A?= z.html\"
Content-Disposition: attachment

<script>alert(2)</script>
--m--
";

#[test]
fn a_message_is_told_with_all_that_it_has() {
    let serve = start(&[]);
    let mut sender = Sender::new(&serve);
    sender.send("joerg@example.org", &["bob@example.net", "dave@example.net"], MESSAGE);
    let list = get(&serve, "/api/wait?count=1&timeout=60").json();
    assert_eq!((&list["came"], &list["kept"], &list["next"]), (&1.into(), &1.into(), &Value::Null));
    let listed = &list["messages"][0];
    assert_eq!(listed["subject"], "Grüße");
    assert_eq!(listed["from"][0]["name"], "Jörg");
    assert_eq!(listed["envelope"]["recipients"][1], "dave@example.net");
    assert_eq!((&listed["attachments"], &listed["protocol"]), (&2.into(), &"smtp".into()));
    assert_eq!(listed["preview"], "Grüße: https://example.org/confirm?a=1&b=2.");

    for path in ["/api/messages/1", "/api/messages/latest"] {
        let message = get(&serve, path).json();
        assert_eq!(message["envelope"]["from"], "joerg@example.org");
        assert_eq!(message["client"]["hello"], "[127.0.0.1]");
        assert_eq!(message["to"][1]["address"], "carol@example.net");
        assert_eq!(message["headers"][2]["value"], "Grüße");
        assert_eq!(message["text"], "Grüße: https://example.org/confirm?a=1&b=2.");
        assert!(message["html"].as_str().unwrap().contains("<link rel=preconnect"));
        assert_eq!(message["links"], serde_json::json!(["https://example.org/confirm?a=1&b=2"]));
        assert_eq!(message["structure"]["parts"][0]["parts"][1]["number"], "1.2");
        assert_eq!(message["attachments"][1]["number"], "3");
        assert_eq!(message["inline"], serde_json::json!([]));
        assert_eq!(message["cut"], false);
    }
    let raw = get(&serve, "/api/messages/1/raw");
    raw.has("content-type: message/rfc822").has("content-disposition: attachment;");
    assert_eq!(raw.body, format!("{MESSAGE}\n").replace('\n', "\r\n"));
    assert!(get(&serve, "/api/messages/1/text").body.starts_with("Grüße"));
    for path in
        ["/api/messages/2", "/api/messages/x", "/api/messages/1/x", "/api/messages/1/parts/9", "/api/x", "/x"]
    {
        assert_eq!(get(&serve, path).status, 404, "{path}");
    }
}

#[test]
fn what_comes_from_strangers_neither_runs_nor_loads() {
    let serve = start(&[]);
    Sender::new(&serve).send("joerg@example.org", &["bob@example.net"], MESSAGE);
    let html = get(&serve, "/html/1");
    let policy = html.header.lines().find(|line| line.starts_with("content-security-policy: ")).unwrap();
    for directive in ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'self'"]
    {
        assert!(policy.contains(directive), "{policy}");
    }
    // A sandbox that allows nothing, and images that stand in the message.
    assert!(policy.ends_with("; sandbox") && policy.contains("img-src data:;"), "{policy}");
    assert!(!policy.contains("script-src") && !policy.contains("allow-"), "{policy}");
    html.has("content-type: text/html; charset=utf-8").has("x-dns-prefetch-control: off");
    assert!(html.body.contains("<img src=\"data:image/png;base64,AAAA\">"), "{}", html.body);
    assert!(!html.body.contains("<link"), "{}", html.body);

    // A file is stored and not shown, whatever its sender calls it.
    let file = get(&serve, "/api/messages/1/parts/3");
    assert_eq!(file.body, "<script>alert(2)</script>");
    file.has("content-type: application/octet-stream")
        .has("content-disposition: attachment; filename*=utf-8''b%c3%b6se");
    assert!(!file.header.contains("\nx-y"), "{}", file.header);
    for path in [
        "/",
        "/page.js",
        "/api",
        "/api/messages",
        "/api/messages/1",
        "/api/messages/1/html",
        "/api/messages/1/parts/3",
        "/html/1",
        "/x",
    ] {
        let answer = get(&serve, path);
        answer
            .has("x-content-type-options: nosniff")
            .has("referrer-policy: no-referrer")
            .has("cache-control: no-store");
        answer
            .has("cross-origin-resource-policy: same-origin")
            .has("content-security-policy: default-src 'none';");
        assert!(!answer.header.contains("access-control-"), "{}", answer.header);
        assert!(
            path == "/html/1" || !answer.header.contains("content-type: text/html") || path == "/",
            "{path}"
        );
    }
    get(&serve, "/").has("script-src 'self';").has("trusted-types 'none'").has("frame-ancestors 'none'");
}

#[test]
fn lists_come_by_pages_and_searches_find() {
    let serve = start(&[]);
    let mut sender = Sender::new(&serve);
    for number in 1..=7 {
        let message =
            format!("From: Anna <anna@example.org>\nSubject: Number {number}\n\nIt is {}.\n", number % 2);
        sender.send("bounces@example.org", &[&format!("user{number}@example.net")], &message);
    }
    let page = |query: &str| {
        let list = get(&serve, &format!("/api/messages?{query}")).json();
        (numbers(&list), list["next"].as_u64())
    };
    assert_eq!(page(""), (vec![7, 6, 5, 4, 3, 2, 1], None));
    assert_eq!(page("limit=3"), (vec![7, 6, 5], Some(5)));
    assert_eq!(page("limit=3&before=5"), (vec![4, 3, 2], Some(2)));
    assert_eq!(page("limit=3&before=2"), (vec![1], None));
    assert_eq!(page("after=5"), (vec![7, 6], None));
    assert_eq!(page("after=7"), (vec![], None));
    assert_eq!(page("limit=0"), (vec![], None));
    assert_eq!(page("search=%22it+is+1%22"), (vec![7, 5, 3, 1], None));
    assert_eq!(page("search=%22it+is+1%22&limit=2"), (vec![7, 5], Some(5)));
    assert_eq!(page("search=%22it+is+1%22&limit=2&before=5"), (vec![3, 1], None));
    assert_eq!(page("search=%22it+is+1%22&after=3"), (vec![7, 5], None));
    for search in
        ["NUMBER+3", "subject:3", "to:user3", "user3@example.net+from:ANNA", "from:bounces+to:user3"]
    {
        assert_eq!(page(&format!("search={search}")), (vec![3], None), "{search}");
    }
    for search in ["from:user3", "has:attachment", "subject:anna", "3+4"] {
        assert_eq!(page(&format!("search={search}")), (vec![], None), "{search}");
    }
    for wrong in ["limit=x", "before=-1", "search=a+b+c+d+e+f+g+h+i"] {
        assert_eq!(get(&serve, &format!("/api/messages?{wrong}")).status, 400, "{wrong}");
    }
}

#[test]
fn waiting_ends_when_they_came_or_in_time() {
    let serve = start(&[]);
    let few = get(&serve, "/api/wait?count=1&timeout=0");
    assert_eq!(few.status, 409);
    assert!(few.body.contains("0 of 1 messages came within 0ns"), "{}", few.body);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| get(&serve, "/api/wait?count=2&timeout=60").json());
        let mut sender = Sender::new(&serve);
        for _ in 0..2 {
            sender.send("a@example.org", &["b@example.org"], "Subject: x\n\nx\n");
        }
        assert_eq!(numbers(&waiting.join().unwrap()), [2, 1]);
    });
    assert_eq!(ask(&serve, "DELETE", "/api/messages/1").status, 204);
    assert_eq!(ask(&serve, "DELETE", "/api/messages/1").status, 404);
    assert_eq!(numbers(&get(&serve, "/api/messages").json()), [2]);
    assert_eq!(ask(&serve, "DELETE", "/api/messages").status, 204);
    assert_eq!(get(&serve, "/api/wait?count=1&timeout=0").status, 409);
    for (method, path, status) in
        [("DELETE", "/", 405), ("POST", "/api/messages", 405), ("DELETE", "/api/messagesx", 404)]
    {
        assert_eq!(ask(&serve, method, path).status, status, "{method} {path}");
    }
    ask(&serve, "PUT", "/api/messages").has("allow: get, head, delete");
    assert_eq!(ask(&serve, "HEAD", "/api/messages").body, "");
}

#[test]
fn news_come_by_themselves() {
    let serve = start(&[]);
    let mut stream = TcpStream::connect(("127.0.0.1", serve.port("http"))).unwrap();
    stream.write_all(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let mut next = || -> Value {
        let data = lines.by_ref().find_map(|line| line.strip_prefix("data: ").map(str::to_owned));
        serde_json::from_str(&data.unwrap()).unwrap()
    };
    assert_eq!(next()["came"], 0);
    let mut sender = Sender::new(&serve);
    sender.send("a@example.org", &["b@example.org"], "Subject: x\n\nx\n");
    let told = next();
    assert_eq!((&told["came"], &told["last"], &told["forgotten"]), (&1.into(), &1.into(), &0.into()));
    ask(&serve, "DELETE", "/api/messages?mailboxes");
    let told = next();
    assert_eq!((&told["came"], &told["last"], &told["forgotten"]), (&0.into(), &1.into(), &1.into()));
}

#[test]
fn who_waits_leaves_room_for_others() {
    let serve = start(&[]);
    let mut waiting = Vec::new();
    let refused = (0..256).position(|_| {
        let mut stream = TcpStream::connect(("127.0.0.1", serve.port("http"))).unwrap();
        stream.write_all(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut status = String::new();
        BufReader::new(&stream).read_line(&mut status).unwrap();
        waiting.push(stream);
        status.starts_with("HTTP/1.1 503 ")
    });
    assert!(refused.is_some_and(|waiting| waiting > 100), "{refused:?}");
    assert_eq!(get(&serve, "/api/wait?timeout=0").status, 503);
    assert_eq!(get(&serve, "/api/messages").status, 200);
}

#[test]
fn nobody_else_gets_at_it() {
    let serve = start(&["--name", "mail.example.org"]);
    let with = |method: &str, fields: &str| {
        ask_with(&serve, &format!("{method} /api/messages HTTP/1.1\r\n{fields}")).status
    };
    let own = format!("127.0.0.1:{}", serve.port("http"));
    for host in ["localhost", "localhost:1", &own, "[::1]", "mail.example.org:80"] {
        assert_eq!(with("GET", &format!("Host: {host}\r\n")), 200, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example:80", "192.0.2.1", ""] {
        assert_eq!(with("GET", &format!("Host: {host}\r\n")), 403, "{host}");
    }
    assert_eq!(with("GET", ""), 403);
    assert_eq!(with("GET", "Host: localhost\r\nSec-Fetch-Site: same-origin\r\n"), 200);
    assert_eq!(with("GET", "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n"), 403);
    assert_eq!(with("DELETE", "Host: localhost\r\nOrigin: http://localhost\r\n"), 204);
    assert_eq!(with("DELETE", "Host: localhost\r\nOrigin: http://evil.example\r\n"), 403);
    // What a browser would ask before another page may delete: it is told nothing that allows it.
    let preflight =
        "Host: localhost\r\nOrigin: http://evil.example\r\nAccess-Control-Request-Method: DELETE\r\n";
    assert_eq!(with("OPTIONS", preflight), 403);
    // What it says of itself lets nobody in.
    let about = get(&serve, "/api/server");
    assert!(about.json()["listening"][0]["address"].as_str().unwrap().starts_with("127.0.0.1:"));
    let listen = ["--listen", "smtp=127.0.0.1:0", "--user", "anna=secret-of-anna"];
    program("serve").args(listen).args(["--http", "0.0.0.0:0"]).run().expect(64, &["--http-everybody"]);
    let everybody = ["--http", "0.0.0.0:0", "--http-everybody"];
    let serve = Serve::of(program("serve").args(listen).args(everybody), 2);
    assert!(!get(&serve, "/api/server").body.contains("secret-of-anna"));
}
