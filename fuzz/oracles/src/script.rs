//! Sessions: what a peer sends and what the machine's owner does, in turn.
//!
//! A script is bytes, so that transcripts are seeds, dictionaries help and a finding can be read. Its
//! first byte chooses the configuration. Steps follow, each after a byte 0xFE: a letter that says
//! what kind of step it is, and its bytes.
//!
//! | letter | step |
//! | --- | --- |
//! | `P` | the peer sends these bytes |
//! | `L` | the owner says this line: a client sends the command, a server answers with the reply |
//! | `A` | the same, with the bytes as the source of an `Arbitrary` value |
//! | `B`, `F` | the owner sends these bytes of a body, or finishes it |
//! | `X`, `x` | the owner sends a SASL message, or cancels the exchange |
//! | `D`, `U` | the owner grants a body (or ends IDLE), or grants the upgrade |
//! | `N` | a server says something unasked |
//! | `E`, `T`, `Q` | the stream ends, time runs out, the owner closes |

use bytes::{Buf, BytesMut};
use mailwire_core::{Channel, Connection, Dialect, Next, SaslStep};

use crate::{Observation, Subject, cuts_of, linear_cost, memory, pieces};

/// What stands before each step.
pub const STEP: u8 = 0xfe;

/// Whoever uses a machine: an application in small.
pub trait Owner: Sized {
    /// The machine.
    type Connection: Connection<Error = mailwire_core::Error>;
    /// Complete messages after which a fresh machine can be told [`GOOD`](Self::GOOD).
    const HELLO: &'static [&'static str] = &[];
    /// A message of which the machine tells its owner, whatever came before.
    const GOOD: &'static str;
    /// How many bytes a machine may leave in its input for more to come, with the limits that
    /// [`connect`](Self::connect) sets; and how many it may have put out.
    const HELD: usize;

    /// An owner and its machine, as the script's first byte says.
    fn connect(config: u8) -> (Self, Self::Connection);
    /// Takes note of an event, and may answer it.
    fn event(
        &mut self,
        connection: &mut Self::Connection,
        event: <Self::Connection as Connection>::Event,
    ) -> Observation;
    /// Does what a step says, if it can be done now.
    fn operate(&mut self, connection: &mut Self::Connection, kind: u8, bytes: &[u8]);
}

/// The channel that two bits of a script's first byte choose.
#[must_use]
pub const fn channel(config: u8) -> Channel {
    match config >> 1 & 3 {
        0 | 1 => Channel::Tls,
        2 => Channel::StartTls,
        _ => Channel::Clear,
    }
}

/// The dialect that another bit of it chooses.
#[must_use]
pub const fn dialect(config: u8) -> Dialect {
    if config & 8 == 0 { Dialect::Lenient } else { Dialect::Strict }
}

/// How the peer's bytes are cut.
#[derive(Clone, Copy)]
enum Cut<'a> {
    Whole,
    Bytes,
    At(&'a [u16]),
}

/// All that a machine said in a session.
#[derive(Debug, Default, PartialEq)]
struct Log {
    seen: Vec<Observation>,
    written: Vec<u8>,
}

/// Runs the script in `data`, and checks what must hold for every machine: no panic, errors that
/// stay, memory within what was fed and the limits, the same events and output however the input is
/// cut, a malformed message that does not disturb the next one, and costs that grow as the input does.
pub fn session<O: Owner>(data: &[u8]) {
    assert!(memory::is_counted(), "the allocator must be memory::Counting");
    let Some((&config, steps)) = data.split_first() else { return };
    let steps: Vec<(u8, &[u8])> = steps
        .split(|&byte| byte == STEP)
        .filter_map(|step| step.split_first().map(|(&kind, bytes)| (kind, bytes)))
        .take(40)
        .collect();
    let whole = run::<O>(config, &steps, Cut::Whole);
    // With a slow reader, how much is answered depends on when it reads.
    if config & SLOW == 0 {
        same(&whole, &run::<O>(config, &steps, Cut::Bytes));
        same(&whole, &run::<O>(config, &steps, Cut::At(&cuts_of(data))));
    }
    if let Some((_, said)) = steps.iter().find(|(kind, _)| *kind == b'P') {
        independent::<O>(config, said);
        // A long one takes its time, and says nothing more.
        if said.len() <= 128 {
            linear_cost(|| greeted::<O>(config), said, 3, memory::taken);
        }
    }
}

/// In the first byte of a script: the peer does not read.
pub const SLOW: u8 = 0x80;

fn same(whole: &Log, cut: &Log) {
    // Of a body that comes to no end, the last bytes may or may not be given.
    let unfinished = |log: &Log| {
        let mut seen = log.seen.clone();
        if let [.., Observation::Body(_), Observation::Error(_)] = &seen[..] {
            seen.remove(seen.len() - 2);
        }
        Log { seen, written: log.written.clone() }
    };
    let (whole, cut) = (&unfinished(whole), &unfinished(cut));
    // Some errors are about what comes too early, which bytes that come later do not.
    let timing = whole.seen.iter().position(|seen| match seen {
        Observation::Error(error) => error.contains("answers nothing") || error.contains("bytes in clear"),
        // An early 421 of SMTP is no error, but answers nothing.
        Observation::Event(event) => event.starts_with("Unsolicited"),
        _ => false,
    });
    match timing {
        None => assert_eq!(whole, cut, "whole (left) and cut (right) differ"),
        Some(at) => {
            let before = whole.seen.get(..at).unwrap_or_default();
            let before = match before {
                [before @ .., Observation::Body(_)] => before,
                // SMTP's refusal of EHLO is told together with the error that ends the conversation.
                [before @ .., Observation::Event(event)] if event.starts_with("HelloRefused") => before,
                before => before,
            };
            assert!(cut.seen.starts_with(before), "whole: {whole:?}, cut: {cut:?}");
        }
    }
}

fn run<O: Owner>(config: u8, steps: &[(u8, &[u8])], cut: Cut<'_>) -> Log {
    let mut runner = Runner::<O>::new(config);
    runner.go();
    for (kind, bytes) in steps {
        runner.step(*kind, bytes, cut);
    }
    runner.log
}

struct Runner<O: Owner> {
    owner: O,
    connection: O::Connection,
    input: BytesMut,
    error: Option<mailwire_core::Error>,
    over: bool,
    slow: bool,
    log: Log,
    held_before: usize,
    logged: usize,
    fed: usize,
}

impl<O: Owner> Runner<O> {
    fn new(config: u8) -> Self {
        let held_before = memory::held();
        let (owner, connection) = O::connect(config);
        Self {
            owner,
            connection,
            input: BytesMut::new(),
            error: None,
            over: false,
            slow: config & SLOW != 0,
            log: Log::default(),
            held_before,
            logged: 0,
            fed: 0,
        }
    }

    fn step(&mut self, kind: u8, bytes: &[u8], cut: Cut<'_>) {
        self.fed += bytes.len();
        match kind {
            b'P' => {
                let pieces = match cut {
                    Cut::Whole => vec![bytes],
                    Cut::Bytes => bytes.chunks(1).collect(),
                    Cut::At(cuts) => pieces(bytes, cuts),
                };
                for piece in pieces {
                    if !self.over {
                        self.input.extend_from_slice(piece);
                    }
                    self.go();
                }
            }
            b'E' => self.connection.handle_eof(),
            b'T' => {
                if self.connection.timeout().is_some() {
                    self.connection.handle_timeout();
                }
            }
            b'Q' => self.connection.close(),
            // Where no exchange waits for it, it is refused.
            b'X' => drop(self.connection.send_auth(SaslStep::Data(bytes.into()))),
            b'x' => drop(self.connection.send_auth(SaslStep::Cancel)),
            kind => self.owner.operate(&mut self.connection, kind, bytes),
        }
        self.go();
    }

    fn go(&mut self) {
        let mut idle = 0;
        loop {
            self.drain();
            match self.connection.next_event(&mut self.input) {
                Ok(next) => {
                    assert_eq!(self.error, None, "an error must stay");
                    match next {
                        Next::Event(event) => {
                            assert!(!self.over, "an event after the end");
                            idle = 0;
                            let seen = self.owner.event(&mut self.connection, event);
                            self.report(seen);
                        }
                        Next::NeedInput => {
                            assert!(
                                self.input.len() <= O::HELD,
                                "{} bytes wait for more of them",
                                self.input.len()
                            );
                            break;
                        }
                        // Drained once more, it is the owner's turn.
                        Next::Paused if idle == 0 && !self.slow => idle = 1,
                        Next::Paused => break,
                        Next::Upgrade(upgrade) => {
                            assert!(
                                upgrade.takes_rest() || self.input.is_empty(),
                                "bytes in clear survive the upgrade"
                            );
                            self.connection.upgraded(upgrade);
                            self.report(Observation::Event(format!("Upgrade {upgrade:?}")));
                        }
                        Next::Closed => {
                            if !self.over {
                                self.report(Observation::Closed);
                            }
                            self.over = true;
                            break;
                        }
                    }
                }
                Err(error) => {
                    if !self.over {
                        self.report(Observation::Error(error.to_string()));
                    }
                    assert!(self.error.is_none_or(|before| before == error), "an error must stay");
                    self.error = Some(error);
                    self.over = true;
                    break;
                }
            }
        }
        self.drain();
        self.bounded();
    }

    fn drain(&mut self) {
        let output = self.connection.output();
        if self.slow {
            assert!(output.remaining() <= O::HELD, "{} bytes wait for a slow reader", output.remaining());
            return;
        }
        let taken = output.copy_to_bytes(output.remaining());
        let before = memory::held();
        self.log.written.extend_from_slice(&taken);
        self.logged += memory::held().saturating_sub(before);
    }

    fn report(&mut self, seen: Observation) {
        self.logged += match &seen {
            Observation::Event(text) | Observation::Error(text) => text.capacity(),
            Observation::Body(bytes) => bytes.capacity(),
            Observation::Closed => 0,
        };
        let before = self.log.seen.capacity();
        match (self.log.seen.last_mut(), seen) {
            (Some(Observation::Body(body)), Observation::Body(more)) => body.extend_from_slice(&more),
            (_, seen) => self.log.seen.push(seen),
        }
        self.logged += (self.log.seen.capacity() - before) * size_of::<Observation>();
    }

    /// No more memory than a fixed part and a part for each byte that came.
    fn bounded(&self) {
        // What is logged counts twice, as a vector that grows can have twice its length.
        let held = memory::held().saturating_sub(self.held_before).saturating_sub(2 * self.logged);
        let allowed = 64 * 1024 + 256 * self.fed;
        assert!(held <= allowed, "{held} bytes are held after {} were fed", self.fed);
    }
}

/// A machine that has said what it says first.
fn greeted<O: Owner>(config: u8) -> Runner<O> {
    let mut runner = Runner::<O>::new(config & !SLOW);
    runner.go();
    for message in O::HELLO {
        runner.step(b'P', message.as_bytes(), Cut::Whole);
    }
    runner.log = Log::default();
    runner
}

impl<O: Owner> Subject for Runner<O> {
    fn feed(&mut self, bytes: &[u8], report: &mut dyn FnMut(Observation)) {
        self.step(b'P', bytes, Cut::Whole);
        std::mem::take(&mut self.log).seen.into_iter().for_each(report);
    }

    fn held(&self) -> usize {
        self.input.len()
    }
}

/// If `bad` is one message, and malformed, then what follows is as it would be without it.
fn independent<O: Owner>(config: u8, bad: &[u8]) {
    let mut disturbed = greeted::<O>(config);
    let Some((last, start)) = bad.split_last() else { return };
    // One line; what follows one that announces a literal is that literal.
    if start.contains(&b'\n') || start.trim_ascii_end().ends_with(b"}") {
        return;
    }
    disturbed.step(b'P', start, Cut::Whole);
    if disturbed.over || !disturbed.log.seen.is_empty() {
        return;
    }
    disturbed.step(b'P', &[*last], Cut::Whole);
    match &disturbed.log.seen[..] {
        [Observation::Event(event)] if event.starts_with("Malformed") && !disturbed.over => {}
        _ => return,
    }
    disturbed.log = Log::default();
    disturbed.step(b'P', O::GOOD.as_bytes(), Cut::Whole);
    let mut alone = greeted::<O>(config);
    alone.step(b'P', O::GOOD.as_bytes(), Cut::Whole);
    let untold = |log: &Log| format!("{:?}", log.seen).replace(|c: char| c.is_ascii_digit(), "");
    assert_eq!(
        untold(&disturbed.log),
        untold(&alone.log),
        "after a malformed message (left) and alone (right)"
    );
}

/// Gives `lines` to a server one by one, and shows nothing of `secret` in any event. Nothing but
/// `before` and `after`, which the fuzzer chooses, can vary: they stand around the secret in the last
/// line.
pub fn hides<O: Owner>(config: u8, lines: &[&str], secret: &str, junk: &[u8])
where
    O::Connection: std::fmt::Debug,
{
    let middle = junk.len() / 2;
    let clean = |junk: &[u8]| -> Vec<u8> {
        junk.iter().copied().filter(|byte| !matches!(*byte, b'\r' | b'\n' | STEP)).collect()
    };
    let (before, after) = (clean(&junk[..middle]), clean(&junk[middle..]));
    let mut runner = Runner::<O>::new(config & !SLOW);
    runner.go();
    let (last, first) = lines.split_last().expect("a line");
    // A line that starts with anything could be any command.
    let before = if last.is_empty() { Vec::new() } else { before };
    for line in first {
        runner.step(b'P', format!("{line}\r\n").as_bytes(), Cut::Whole);
    }
    let line = [last.as_bytes(), &before, secret.as_bytes(), &after, b"\r\n"].concat();
    runner.step(b'P', &line, Cut::Whole);
    let shown = format!("{:?} {:?}", runner.log.seen, runner.connection);
    assert!(!shown.contains(secret), "a secret is shown: {shown}");
}
