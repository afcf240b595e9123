//! POP3.

mod differential;
mod pair;
mod session;

use bytes::Bytes;
use mailwire_core::{Dialect, sasl};
use mailwire_pop3::{
    ApopDigest, Capability, Challenge, Command, Expected, Greeting, Listing, ParseContext, Password, Reply,
};

use self::session::{Caller, Service};
use crate::{case, check_read, session_with_secrets};
use mailwire_oracles::script::session;
use mailwire_oracles::{both_dialects, one_line, round_trip, shown_alike};

/// Bytes as a command.
pub fn command(data: &[u8]) {
    let line = Bytes::copy_from_slice(data);
    check_read(both_dialects(line.len(), |dialect| Command::parse(&line, dialect)), command_is_written);
}

/// A command is written as one line, which reads back as itself; its secret is not shown. `dialect`: a value
/// that only lenient reading gives can be one that only lenient reading takes.
pub fn command_is_written(command: &Command, dialect: Dialect) {
    let mut out = Vec::new();
    command.write(&mut out);
    one_line(&out);
    // A SASL message may be longer than a line of the strict dialect; a client sends it apart then.
    let dialect = if out.len() > mailwire_pop3::MAX_COMMAND_LINE { Dialect::Lenient } else { dialect };
    let again = Command::parse(&line_of(&out), dialect);
    round_trip(command, &out, again.map(|parsed| parsed.value));
    let other = match command {
        Command::Pass(_) => Command::Pass(Password::new("another").expect("a password")),
        Command::Auth { mechanism, initial: Some(_) } => {
            Command::Auth { mechanism: mechanism.clone(), initial: Some("another".into()) }
        }
        Command::Apop { name, .. } => Command::Apop { name: name.clone(), digest: ApopDigest::new([7; 16]) },
        _ => return,
    };
    shown_alike(command, &other);
}

/// Bytes as a line of the server's.
pub fn reply(data: &[u8]) {
    let line = Bytes::copy_from_slice(data);
    let length = line.len();
    for expected in Expected::ALL {
        let (strict, lenient) = both_dialects(length, |dialect| {
            Reply::parse(&line, ParseContext::new(dialect).expecting(expected))
        });
        strict.iter().for_each(reply_is_written);
        if let Some(reply) = lenient {
            let mut out = Vec::new();
            reply.write(&mut out);
            one_line(&out);
            let again = Reply::parse(
                &line_of(&out),
                ParseContext::new(Dialect::Lenient).expecting(Expected::of_reply(&reply)),
            );
            let again = again.unwrap_or_else(|error| panic!("{}: {error}", out.escape_ascii())).value;
            assert_eq!(again.is_ok(), reply.is_ok(), "{}", out.escape_ascii());
        }
        let (strict, lenient) = both_dialects(length, |dialect| {
            Listing::parse(&line, ParseContext::new(dialect).expecting(expected))
        });
        if let Some(listing) = strict {
            listing_is_written(&listing);
        }
        if let Some(listing) = lenient {
            let mut out = Vec::new();
            listing.write(&mut out);
            no_line_end(&out);
        }
    }
    let (greeting, _) = both_dialects(length, |dialect| Greeting::parse(&line, dialect));
    if let Some(greeting) = greeting {
        let mut out = Vec::new();
        greeting.write(&mut out);
        one_line(&out);
        let again = Greeting::parse(&line_of(&out), Dialect::Strict);
        round_trip(&greeting, &out, again.map(|parsed| parsed.value));
    }
    both_dialects(length, |dialect| Capability::parse(&line, dialect));
    if let Ok(challenge) = Challenge::parse(&line, Dialect::Strict) {
        assert_eq!(challenge.deviations, []);
        let mut out = Vec::new();
        challenge.value.write(&mut out);
        let again = Challenge::parse(&line_of(&out), Dialect::Strict).expect("as it was read");
        assert_eq!(again.value, challenge.value);
    }
    let _ = Challenge::parse(&line, Dialect::Lenient);
    let _ = sasl::decode_step(&line);
}

/// A reply is written as one line, which reads back as itself.
pub fn reply_is_written(reply: &Reply) {
    let mut out = Vec::new();
    reply.write(&mut out);
    one_line(&out);
    let again =
        Reply::parse(&line_of(&out), ParseContext::new(Dialect::Strict).expecting(Expected::of_reply(reply)));
    round_trip(reply, &out, again.map(|parsed| parsed.value));
}

/// A line of a listing reads back as itself.
pub fn listing_is_written(listing: &Listing) {
    let mut out = Vec::new();
    listing.write(&mut out);
    no_line_end(&out);
    let again = Listing::parse(
        &Bytes::from(out.clone()),
        ParseContext::new(Dialect::Strict).expecting(Expected::of_line(listing)),
    );
    round_trip(listing, &out, again.map(|parsed| parsed.value));
}

fn no_line_end(written: &[u8]) {
    one_line(&[written, b"\r\n"].concat());
}

/// A line without its line end.
fn line_of(written: &[u8]) -> Bytes {
    Bytes::copy_from_slice(written.strip_suffix(b"\r\n").unwrap_or(written))
}

/// A script of a client's session.
pub fn client_session(data: &[u8]) {
    session::<Caller>(data);
}

/// A script of a server's session; and the same bytes around a secret.
pub fn server_session(data: &[u8]) {
    session_with_secrets::<Service>(
        data,
        &[&["USER a", "PASS "], &["PASS "], &["AUTH PLAIN "], &["AUTH PLAIN", ""], &["AUTH UNKNOWN "]],
    );
}

/// A client and a server face to face, in a case made of `data`.
pub fn pair(data: &[u8]) {
    case(data, pair::run);
}

/// Bytes as another parser reads them.
pub fn differential(data: &[u8]) {
    differential::run(data);
}
