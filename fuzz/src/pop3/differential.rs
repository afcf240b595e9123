//! POP3 as the simplest reader takes it: words between spaces. The peers that can be had read from
//! sockets only, and do not give what they read.

use bytes::Bytes;
use mailwire_pop3::{Command, Dialect, Expected, Listing, ParseContext, Reply, ResponseCodeKind};

/// A line that is a command or a reply means what its words say.
pub fn run(data: &[u8]) {
    let end = data.windows(2).position(|two| two == b"\r\n").unwrap_or(data.len());
    let line = Bytes::copy_from_slice(&data[..end]);
    let Ok(text) = String::from_utf8(line.to_vec()) else { return };
    if let Ok(command) = Command::parse(&line, Dialect::Strict) {
        commands(&command.value, &text);
    }
    if let Ok(reply) = Reply::parse(&line, ParseContext::new(Dialect::Strict).expecting(Expected::Status)) {
        replies(&reply.value, &text);
    }
    if let Ok(reply) =
        Reply::parse(&line, ParseContext::new(Dialect::Strict).expecting(Expected::DropListing))
    {
        if let Reply::Drop(drop) = reply.value {
            let words = text.split(' ').skip(1).collect::<Vec<_>>();
            assert_eq!(words.first().map(|word| word.parse()), Some(Ok(drop.messages)), "{text:?}");
            assert_eq!(words.get(1).and_then(|word| word.parse().ok()), drop.octets, "{text:?}");
        }
    }
    for expected in [Expected::ScanListing, Expected::UniqueIdListing] {
        let words = text.split(' ').collect::<Vec<_>>();
        match Listing::parse(&line, ParseContext::new(Dialect::Strict).expecting(expected))
            .map(|parsed| parsed.value)
        {
            Ok(Listing::Scan(scan)) => {
                assert_eq!(words[0].parse(), Ok(scan.number.get()), "{text:?}");
                assert_eq!(words[1].parse().ok(), scan.octets, "{text:?}");
            }
            Ok(Listing::UniqueId(id)) => {
                assert_eq!(words[0].parse(), Ok(id.number.get()), "{text:?}");
                assert_eq!(words[1].as_bytes(), id.unique_id.as_bytes(), "{text:?}");
            }
            _ => {}
        }
    }
}

fn commands(command: &Command, text: &str) {
    let (word, rest) = text.split_once(' ').map_or((text, None), |(word, rest)| (word, Some(rest)));
    let keyword = command.keyword();
    let keyword = String::from_utf8_lossy(keyword.as_bytes()).into_owned();
    assert!(keyword.eq_ignore_ascii_case(word), "{text:?}: {command:?}");
    let numbers: Vec<u64> = rest.into_iter().flat_map(|rest| rest.split(' ')).flat_map(str::parse).collect();
    match command {
        Command::User(name) => assert_eq!(Some(name.as_bytes()), rest.map(str::as_bytes)),
        Command::Pass(password) => assert_eq!(Some(password.expose()), rest.map(str::as_bytes)),
        Command::Retr(message) | Command::Dele(message) => {
            assert_eq!(numbers, [u64::from(message.get())], "{text:?}");
        }
        Command::List(message) | Command::Uidl(message) => {
            let message: Vec<u64> = message.iter().map(|message| message.get().into()).collect();
            assert_eq!(numbers, message, "{text:?}");
        }
        Command::Top { number: message, lines } => {
            assert_eq!(numbers, [u64::from(message.get()), *lines], "{text:?}");
        }
        Command::Lang(range) => {
            assert_eq!(range.as_ref().map(|range| range.to_string()).as_deref(), rest, "{text:?}");
        }
        Command::Utf8 | Command::AuthList => assert_eq!(rest, None, "{text:?}"),
        Command::Stat | Command::Noop | Command::Rset | Command::Quit | Command::Capa | Command::Stls => {
            assert_eq!(rest, None, "{text:?}");
        }
        _ => {}
    }
}

fn replies(reply: &Reply, text: &str) {
    assert_eq!(reply.is_ok(), text.starts_with("+OK"), "{text:?}");
    assert_eq!(!reply.is_ok(), text.starts_with("-ERR"), "{text:?}");
    if let Some(code) = reply.code() {
        let in_use = text.split_once('[').is_some_and(|(_, rest)| {
            rest.get(..6).is_some_and(|rest| rest.eq_ignore_ascii_case("IN-USE"))
                && matches!(rest.as_bytes().get(6), Some(b']' | b'/'))
        });
        if code.kind() == ResponseCodeKind::InUse {
            assert!(in_use, "{text:?}");
        }
    }
}
