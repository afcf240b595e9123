//! Faults in words, for the arguments of programs.

use std::{fmt, str::FromStr, time::Duration};

use mailwire_core::grammar::{Expected, Grammar, byte, expected, number64, run_all};
use mailwire_transport::Protocol;
use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::take_while1,
    character::complete::{multispace0, multispace1},
    combinator::{cut, map, map_opt, rest, value, verify},
    multi::many0,
    number::complete::double,
    sequence::{preceded, separated_pair},
};

use super::{Action, Fault, Moment};

/// These words are no [`Fault`].
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{fault}\" is no fault: {reason} (at byte {offset})")]
pub struct NotAFault {
    /// The words.
    pub fault: String,
    /// Where they are wrong, in bytes from their beginning.
    pub offset: usize,
    /// What is wrong with them.
    pub reason: &'static str,
}

/// Reads `WHEN: WHAT`.
///
/// *When* is any of a protocol (`smtp`, `submission`, `lmtp`, `imap`, `pop3`), `connection N`, `nth N`, `times N`, `always`
/// and `odds P`, and one of `before COMMAND`, `answer COMMAND`, `after COMMAND`, `read BYTES` and `written BYTES`; without
/// these, it is at a new connection. *What* is one of `reply TEXT`, `delay TIME`, `close`, `cut`, `reset`, `stall`,
/// `garbage BYTES`, `goodbye`, `no-close-notify` and `slow BYTES TIME`. A time is a number with `ms` or `s` after it.
///
/// # Examples
///
/// ```
/// use mailwire_store::testing::Fault;
/// use mailwire_transport::Protocol;
///
/// let fault: Fault = "smtp before RCPT nth 2: reply 450 4.7.1 Come back later".parse()?;
/// assert_eq!(fault, Fault::reply("450 4.7.1 Come back later").before("RCPT").nth(2).over(Protocol::Smtp));
/// let fault: Fault = "answer . odds 0.1: reset".parse()?;
/// assert_eq!(fault, Fault::reset().in_place_of_answer(".").with_odds(0.1));
/// # Ok::<(), mailwire_store::testing::NotAFault>(())
/// ```
///
/// # Errors
///
/// They are other words: what is wrong with them, and where.
impl FromStr for Fault {
    type Err = NotAFault;

    fn from_str(fault: &str) -> Result<Self, NotAFault> {
        run_all(fault.as_bytes().trim_ascii_end(), self::fault).map_err(|error| NotAFault {
            fault: fault.to_owned(),
            offset: error.offset,
            reason: error.reason,
        })
    }
}

/// The words that are read as the same fault, as far as there are any: a command has no space and no colon, a reply is one line of
/// text, and times are counted in milliseconds.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Some(Protocol::Smtp) => "smtp ",
            Some(Protocol::Submission) => "submission ",
            Some(Protocol::Lmtp) => "lmtp ",
            Some(Protocol::Imap) => "imap ",
            Some(Protocol::Pop3) => "pop3 ",
            _ => "",
        };
        f.write_str(protocol)?;
        match &self.moment {
            Moment::Before(command) => write!(f, "before {command}"),
            Moment::Answer(command) => write!(f, "answer {command}"),
            Moment::After(command) => write!(f, "after {command}"),
            Moment::Read(bytes) => write!(f, "read {bytes}"),
            Moment::Written(bytes) => write!(f, "written {bytes}"),
        }?;
        if let Some(connection) = self.connection {
            write!(f, " connection {connection}")?;
        }
        if self.nth != 1 {
            write!(f, " nth {}", self.nth)?;
        }
        if self.odds < 1.0 {
            write!(f, " odds {}", self.odds)?;
        }
        match self.times {
            Some(1) if self.odds >= 1.0 => {}
            Some(times) => write!(f, " times {times}")?,
            None => f.write_str(" always")?,
        }
        f.write_str(": ")?;
        match &self.action {
            Action::Reply(text) => write!(f, "reply {}", String::from_utf8_lossy(text)),
            Action::Delay(time) => write!(f, "delay {}ms", time.as_millis()),
            Action::Close => f.write_str("close"),
            Action::Cut => f.write_str("cut"),
            Action::Reset => f.write_str("reset"),
            Action::Stall => f.write_str("stall"),
            Action::Garbage(bytes) => write!(f, "garbage {bytes}"),
            Action::Goodbye => f.write_str("goodbye"),
            Action::WithoutCloseNotify => f.write_str("no-close-notify"),
            Action::Slow { bytes, pause } => write!(f, "slow {bytes} {}ms", pause.as_millis()),
        }
    }
}

/// What is said before the colon.
#[derive(Clone)]
enum When {
    Over(Protocol),
    At(Moment),
    Connection(u64),
    Nth(u32),
    Times(Option<u32>),
    Odds(f64),
}

/// ```text
/// fault = *WSP *( when *WSP ) ":" *WSP what
/// ```
fn fault(input: &[u8]) -> IResult<&[u8], Fault, Expected<'_>> {
    let colon = byte(b':', "expected a colon, or a word that may stand before it");
    let action = expected("expected what happens", what);
    let (rest, all) = many0(preceded(multispace0, when)).parse_complete(input)?;
    let (rest, ()) = preceded(multispace0, colon).parse_complete(rest)?;
    let (rest, action) = preceded(multispace0, action).parse_complete(rest)?;
    let add = |mut fault: Fault, when| {
        match when {
            When::Over(protocol) => fault.protocol = Some(protocol),
            When::At(moment) => fault.moment = moment,
            When::Connection(number) => fault.connection = Some(number),
            When::Nth(number) => fault.nth = number,
            When::Times(times) => fault.times = times,
            When::Odds(odds) => fault = fault.with_odds(odds),
        }
        fault
    };
    Ok((rest, all.into_iter().fold(Fault::new(action), add)))
}

/// ```text
/// when     = protocol / "always" / ("connection" / "nth" / "times") 1*WSP number / "odds" 1*WSP decimal
///          / ("before" / "answer" / "after") 1*WSP word / ("read" / "written") 1*WSP number
/// protocol = "smtp" / "submission" / "lmtp" / "imap" / "pop3"
/// ```
fn when(input: &[u8]) -> IResult<&[u8], When, Expected<'_>> {
    let protocol = alt((
        value(Protocol::Smtp, keyword("smtp")),
        value(Protocol::Submission, keyword("submission")),
        value(Protocol::Lmtp, keyword("lmtp")),
        value(Protocol::Imap, keyword("imap")),
        value(Protocol::Pop3, keyword("pop3")),
    ));
    let moment = alt((
        map(argument("before", command), Moment::Before),
        map(argument("answer", command), Moment::Answer),
        map(argument("after", command), Moment::After),
        map(argument("read", number), Moment::Read),
        map(argument("written", number), Moment::Written),
    ));
    alt((
        map(protocol, When::Over),
        map(moment, When::At),
        map(argument("connection", number), When::Connection),
        map(argument("nth", number), When::Nth),
        map(argument("times", number), |times| When::Times(Some(times))),
        value(When::Times(None), keyword("always")),
        map(argument("odds", odds), When::Odds),
    ))
    .parse_complete(input)
}

/// ```text
/// what = "reply" [1*WSP text] / "delay" 1*WSP time / "close" / "cut" / "reset" / "stall" / "goodbye" / "no-close-notify"
///      / "garbage" 1*WSP number / "slow" 1*WSP number 1*WSP time
/// ```
fn what(input: &[u8]) -> IResult<&[u8], Action, Expected<'_>> {
    let reply = preceded((keyword("reply"), multispace0), rest);
    let slow = argument("slow", |input| separated_pair(number, space(), time).parse_complete(input));
    alt((
        map(reply, |text: &[u8]| Action::Reply(text.to_vec().into())),
        map(argument("delay", time), Action::Delay),
        value(Action::Close, keyword("close")),
        value(Action::Cut, keyword("cut")),
        value(Action::Reset, keyword("reset")),
        value(Action::Stall, keyword("stall")),
        map(argument("garbage", number), Action::Garbage),
        value(Action::Goodbye, keyword("goodbye")),
        value(Action::WithoutCloseNotify, keyword("no-close-notify")),
        map(slow, |(bytes, pause)| Action::Slow { bytes, pause }),
    ))
    .parse_complete(input)
}

/// A word, and what belongs to it.
fn argument<'a, T>(name: &'static str, of: impl Grammar<'a, T>) -> impl Grammar<'a, T> {
    preceded(keyword(name), cut(preceded(space(), of)))
}

fn space<'a>() -> impl Grammar<'a, &'a [u8]> {
    expected("expected a space, and what belongs to the word before it", multispace1)
}

/// A word, and no other that begins with it.
fn keyword<'a>(name: &'static str) -> impl Grammar<'a, &'a [u8]> {
    verify(word, move |word: &[u8]| word == name.as_bytes())
}

fn word(input: &[u8]) -> IResult<&[u8], &[u8], Expected<'_>> {
    take_while1(|byte: u8| !byte.is_ascii_whitespace() && byte != b':').parse_complete(input)
}

fn command(input: &[u8]) -> IResult<&[u8], String, Expected<'_>> {
    let command = map_opt(word, |word| Some(std::str::from_utf8(word).ok()?.to_owned()));
    expected("expected a command", command).parse_complete(input)
}

fn number<T: TryFrom<u64>>(input: &[u8]) -> IResult<&[u8], T, Expected<'_>> {
    let number = map_opt(number64(), |number| T::try_from(number).ok());
    expected("a number is none, or out of its range", number).parse_complete(input)
}

fn odds(input: &[u8]) -> IResult<&[u8], f64, Expected<'_>> {
    let odds = verify(double, |odds| (0.0..=1.0).contains(odds));
    expected("odds are from 0 to 1", odds).parse_complete(input)
}

/// ```text
/// time = number ( "ms" / "s" )
/// ```
fn time(input: &[u8]) -> IResult<&[u8], Duration, Expected<'_>> {
    let (rest, count) = number(input)?;
    let unit = alt((
        value(Duration::from_millis as fn(u64) -> Duration, keyword("ms")),
        value(Duration::from_secs as fn(u64) -> Duration, keyword("s")),
    ));
    let (rest, unit) = expected("a time ends in ms or s", unit).parse_complete(rest)?;
    Ok((rest, unit(count)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use proptest::{option, prelude::*};

    use super::*;

    fn faults() -> impl Strategy<Value = Fault> {
        let action = prop_oneof![
            "[!-~]{0,3}( [!-~:]{1,3}){0,2}".prop_map(|text| Action::Reply(text.trim().to_owned().into())),
            any::<u32>().prop_map(|time| Action::Delay(Duration::from_millis(time.into()))),
            any::<usize>().prop_map(Action::Garbage),
            (any::<usize>(), any::<u32>())
                .prop_map(|(bytes, time)| Action::Slow { bytes, pause: Duration::from_millis(time.into()) }),
            prop::sample::select(vec![
                Action::Close,
                Action::Cut,
                Action::Reset,
                Action::Stall,
                Action::Goodbye,
                Action::WithoutCloseNotify
            ]),
        ];
        let moment = prop_oneof![
            "[A-Z.*]{1,5}".prop_map(Moment::Before),
            "[A-Z.*]{1,5}".prop_map(Moment::Answer),
            "[A-Z.*]{1,5}".prop_map(Moment::After),
            any::<u64>().prop_map(Moment::Read),
            any::<u64>().prop_map(Moment::Written),
        ];
        let protocol = prop::sample::select(vec![
            Protocol::Smtp,
            Protocol::Submission,
            Protocol::Lmtp,
            Protocol::Imap,
            Protocol::Pop3,
        ]);
        let when = (moment, option::of(protocol), option::of(any::<u64>()), any::<u32>());
        (action, when, option::of(any::<u32>()), prop_oneof![Just(1.0), 0.0..1.0]).prop_map(
            |(action, (moment, protocol, connection, nth), times, odds)| Fault {
                moment,
                protocol,
                connection,
                nth,
                times,
                odds,
                ..Fault::new(action)
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(fault in faults()) {
            prop_assert_eq!(fault.to_string().parse::<Fault>(), Ok(fault));
        }

        #[test]
        fn any_words_are_read_or_refused(words in "((smtp|pop3|before|nth|odds|delay|slow|reply|[ :0-9.a-z\u{fc}]) ?){0,8}") {
            match words.parse::<Fault>() {
                Ok(fault) => prop_assert_eq!(fault.to_string().parse::<Fault>(), Ok(fault)),
                Err(error) => prop_assert!(error.offset <= words.len()),
            }
        }
    }

    fn parse(words: &str) -> Fault {
        words.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn faults_in_words() {
        for (words, fault) in [
            (": cut", Fault::cut()),
            ("  imap   before\tUID  : stall  ", Fault::stall().before("UID").over(Protocol::Imap)),
            ("answer . odds 1e-1: reset", Fault::reset().in_place_of_answer(".").with_odds(0.1)),
            ("after * always: garbage 24", Fault::garbage(24).after("*").always()),
            ("read 7 times 3:close", Fault { times: Some(3), ..Fault::close().at_read(7) }),
            (
                "written 9 connection 2 nth 4: goodbye",
                Fault { connection: Some(2), nth: 4, ..Fault::goodbye().at_written(9) },
            ),
            ("pop3: slow 1 20ms", Fault::slow(1, Duration::from_millis(20)).over(Protocol::Pop3)),
            ("lmtp: delay 3s", Fault::delay(Duration::from_secs(3)).over(Protocol::Lmtp)),
            ("submission: no-close-notify", Fault::without_close_notify().over(Protocol::Submission)),
            ("before RCPT: reply 450-a: b ", Fault::reply("450-a: b").before("RCPT")),
            (":reply", Fault::reply("")),
        ] {
            assert_eq!(parse(words), fault, "{words}");
        }
    }

    #[test]
    fn what_is_no_fault_is_told_where() {
        for (words, offset, reason) in [
            ("", 0, "expected a colon, or a word that may stand before it"),
            ("smtp nth 2", 10, "expected a colon, or a word that may stand before it"),
            ("smtps: cut", 0, "expected a colon, or a word that may stand before it"),
            ("before", 6, "expected a space, and what belongs to the word before it"),
            ("before : cut", 7, "expected a command"),
            ("nth -1: cut", 4, "a number is none, or out of its range"),
            ("nth 4294967296: cut", 4, "a number is none, or out of its range"),
            ("odds 1.5: cut", 5, "odds are from 0 to 1"),
            ("odds nan: cut", 5, "odds are from 0 to 1"),
            ("smtp:", 5, "expected what happens"),
            ("smtp: cutting", 6, "expected what happens"),
            ("smtp: cut it", 9, "expected the end"),
            ("smtp: delay 3", 13, "a time ends in ms or s"),
            ("smtp: delay 3sec", 13, "a time ends in ms or s"),
            ("smtp: slow 3", 12, "expected a space, and what belongs to the word before it"),
        ] {
            let error = words.parse::<Fault>().unwrap_err();
            assert_eq!((error.offset, error.reason), (offset, reason), "{words:?}");
        }
    }
}
