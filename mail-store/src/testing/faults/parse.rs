//! Faults in words, for the arguments of programs.

use std::{str::FromStr, time::Duration};

use mailwire_transport::Protocol;

use super::{Action, Fault, Moment};

/// These words are no [`Fault`].
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{fault}\" is no fault: {reason}")]
pub struct NotAFault {
    /// The words.
    pub fault: String,
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
impl FromStr for Fault {
    type Err = NotAFault;

    fn from_str(fault: &str) -> Result<Self, NotAFault> {
        read(fault).map_err(|reason| NotAFault { fault: fault.to_owned(), reason })
    }
}

fn read(fault: &str) -> Result<Fault, &'static str> {
    let (when, what) = fault.split_once(':').ok_or("it is written as WHEN: WHAT")?;
    let mut fault = Fault::new(action(what.trim())?);
    let mut words = when.split_whitespace();
    while let Some(word) = words.next() {
        let protocol = match word {
            "smtp" => Some(Protocol::Smtp),
            "submission" => Some(Protocol::Submission),
            "lmtp" => Some(Protocol::Lmtp),
            "imap" => Some(Protocol::Imap),
            "pop3" => Some(Protocol::Pop3),
            _ => None,
        };
        if protocol.is_some() {
            fault.protocol = protocol;
            continue;
        }
        if word == "always" {
            fault.times = None;
            continue;
        }
        let value = words.next().ok_or("a word is missing before the colon")?;
        let command = || value.to_owned();
        match word {
            "before" => fault.moment = Moment::Before(command()),
            "answer" => fault.moment = Moment::Answer(command()),
            "after" => fault.moment = Moment::After(command()),
            "read" => fault.moment = Moment::Read(number(value)?),
            "written" => fault.moment = Moment::Written(number(value)?),
            "connection" => fault.connection = Some(number(value)?),
            "nth" => fault.nth = number(value)?,
            "times" => fault.times = Some(number(value)?),
            "odds" => {
                fault = fault.with_odds(number(value)?);
                if !(0.0..=1.0).contains(&fault.odds) {
                    return Err("odds are from 0 to 1");
                }
            }
            _ => return Err("a word before the colon is not known"),
        }
    }
    Ok(fault)
}

fn action(what: &str) -> Result<Action, &'static str> {
    let (word, rest) = what.split_once(' ').unwrap_or((what, ""));
    Ok(match (word, rest.trim()) {
        ("reply", text) => Action::Reply(text.to_owned().into()),
        ("delay", time) => Action::Delay(duration(time)?),
        ("close", "") => Action::Close,
        ("cut", "") => Action::Cut,
        ("reset", "") => Action::Reset,
        ("stall", "") => Action::Stall,
        ("garbage", bytes) => Action::Garbage(number(bytes)?),
        ("goodbye", "") => Action::Goodbye,
        ("no-close-notify", "") => Action::WithoutCloseNotify,
        ("slow", rest) => {
            let (bytes, pause) = rest.split_once(' ').ok_or("slow has a number of bytes and a time")?;
            Action::Slow { bytes: number(bytes)?, pause: duration(pause)? }
        }
        _ => return Err("what happens is not known"),
    })
}

fn number<T: FromStr>(word: &str) -> Result<T, &'static str> {
    word.parse().map_err(|_| "a number is none, or out of its range")
}

fn duration(word: &str) -> Result<Duration, &'static str> {
    let word = word.trim();
    let milliseconds = word.strip_suffix("ms").map(|count| number(count).map(Duration::from_millis));
    let time =
        milliseconds.or_else(|| word.strip_suffix('s').map(|count| number(count).map(Duration::from_secs)));
    time.ok_or("a time ends in ms or s")?
}
