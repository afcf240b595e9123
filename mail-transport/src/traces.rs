//! What is told to `tracing`: the spans and events of this crate, their levels and their fields.
//!
//! Clients tell theirs where the feature `tracing` is on; servers always do.
//!
//! No field holds a secret or a message: of a command only its name is told, of a login the mechanism. Texts of a peer
//! are escaped. The names here are an interface; whoever filters or counts by them can rely on them.
//!
//! # Spans
//!
//! Everything that a server does over a connection is within its span; clients have none of their own, and tell the
//! `server` in each event.
//!
//! | span | level | fields |
//! | --- | --- | --- |
//! | connection | INFO | `protocol`, `id`, `peer`; `proxy` where one told the peer |
//!
//! # Clients
//!
//! With the target `mailwire_transport::client`.
//!
//! | event | level | fields |
//! | --- | --- | --- |
//! | answered | TRACE | `server`, `command`, `verdict` |
//! | asking the proxy | DEBUG | `server`, `proxy` |
//! | connected | DEBUG | `server`, `peer` |
//! | connecting | DEBUG | `server` |
//! | connection ended | DEBUG | `server`, `error` |
//! | ended without a goodbye | DEBUG | `error` |
//! | failed | DEBUG | `server`, `phase`, `error` |
//! | logged in | DEBUG | `server`, `command`, `mechanism` |
//! | logging in with a fresh token | DEBUG | `server`, `error` |
//! | logging in without channel binding | WARN | `server`, `refused`, `error` |
//! | login refused | DEBUG | `server`, `command` |
//! | no keepalive | DEBUG | `error` |
//! | not kept | DEBUG | `server` |
//! | sent | TRACE | `server`, `command` |
//! | trying again after a pause | DEBUG | `error`, `pause` |
//! | within TLS | DEBUG | `server`, `version`, `cipher` |
//!
//! # Servers, and what is odd about what was read
//!
//! With the paths of modules as targets, below `mailwire_transport`.
//!
//! | event | level | fields |
//! | --- | --- | --- |
//! | a line that cannot be read | DEBUG | `error` |
//! | a login waits, because of those that failed | DEBUG |  |
//! | a server without unique ids | WARN | `refused` |
//! | accepted | DEBUG |  |
//! | APPENDLIMIT is not offered | ERROR | `error` |
//! | authentication failed | INFO |  |
//! | cannot accept | WARN | `protocol`, `error` |
//! | cannot be read | WARN | `response`, `error`, `line` |
//! | cannot expunge | WARN | `reason` |
//! | closed | DEBUG |  |
//! | command | TRACE | `command` |
//! | cut | INFO | `notice` |
//! | cut at shutdown | INFO | `protocol`, `connections` |
//! | ended | INFO | `error` |
//! | failed | ERROR | `error` |
//! | goes on without it | DEBUG | `refused` |
//! | ID | DEBUG | `refused` |
//! | logged in | INFO | `user`, `acting_as`, `mechanism` |
//! | logged out | INFO |  |
//! | login refused | INFO | `reason` |
//! | malformed | DEBUG | `error` |
//! | message refused | INFO | `reason` |
//! | messages not deleted | WARN | `count`, `reason` |
//! | no thread for the timer: nothing ends by its time | ERROR | `error` |
//! | not a trusted proxy | INFO | `protocol`, `peer` |
//! | not offered | WARN | `capability`, `error` |
//! | odd answer | DEBUG | `command`, `deviations` |
//! | odd message | DEBUG | `deviations` |
//! | odd response | DEBUG | `command`, `deviations` |
//! | quit | INFO | `deleted` |
//! | QUIT without its answer | DEBUG | `server`, `error` |
//! | refused | DEBUG | `command`, `reply`, `reason` |
//! | refused within a synchronization | DEBUG | `command`, `error` |
//! | speaks for another | INFO | `address` |
//! | the session goes on watching | WARN | `reason` |
//! | the transcript of what is said cannot be written | WARN | `error` |
//! | too many connections | INFO | `protocol`, `peer` |
//! | … is not valid now | WARN | `from`, `until` |

#[cfg(feature = "tracing")]
#[allow(unused_imports, reason = "each protocol and role uses a part of it")]
pub(crate) use tracing::{debug, error, field::display, trace, warn};

#[cfg(not(feature = "tracing"))]
#[allow(unused_imports, reason = "each protocol and role uses a part of it")]
pub(crate) use silent::{display, untold, untold as debug, untold as error, untold as trace, untold as warn};

/// Stands in for `tracing` where the feature is off: what an event would tell is not looked at, and nothing is left of it.
#[cfg(not(feature = "tracing"))]
#[allow(dead_code, unused_imports, unused_macros, reason = "each protocol and role uses a part of it")]
mod silent {
    /// Takes the arguments of an event, one after the other, as used.
    macro_rules! untold {
        ($message:literal) => {{}};
        (target: $target:expr, $($rest:tt)*) => { $crate::traces::untold!(target = $target, $($rest)*) };
        ($name:ident = $(%)? $(?)? $value:expr, $($rest:tt)*) => {{
            if false {
                let _ = &$value;
            }
            $crate::traces::untold!($($rest)*)
        }};
        ($(%)? $(?)? $name:ident, $($rest:tt)*) => { $crate::traces::untold!($name = $name, $($rest)*) };
    }
    pub(crate) use untold;

    pub(crate) fn display<T>(value: T) -> T {
        value
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    /// The sources of this crate, one after the other.
    fn sources(folder: &Path, out: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, out);
            } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("traces.rs") {
                *out += &fs::read_to_string(path).unwrap();
            }
        }
    }

    /// The level, message and arguments of each event.
    fn events(source: &str) -> Vec<(String, String, String)> {
        let begins = ["tracing::", "traces::"].into_iter().flat_map(|path| {
            source.match_indices(path).filter_map(|(at, word)| source.get(at + word.len()..))
        });
        let events = begins.filter_map(|rest| {
            let (level, rest) = rest.split_once("!(")?;
            ["trace", "debug", "info", "warn", "error"].contains(&level).then_some(())?;
            let end = rest.match_indices('"').map(|(at, _)| at).find(|at| {
                rest.get(at + 1..)
                    .is_some_and(|after| after.trim_start_matches([',', ' ', '\n']).starts_with(')'))
            })?;
            let (arguments, message) = rest.get(..end)?.rsplit_once('"')?;
            let message = message.replace("{info} is", "… is");
            Some((level.to_ascii_uppercase(), message, arguments.to_owned()))
        });
        events.collect()
    }

    /// A row for each event, and no others; each field is one of an event's.
    #[test]
    fn the_tables_have_every_event() {
        let mut source = String::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut source);
        let events = events(&source);
        let calls = source.matches("tracing::").count() + source.matches("traces::").count();
        assert!(events.len() > 40 && calls > events.len(), "{} events", events.len());
        let told: BTreeSet<_> =
            events.iter().map(|(level, message, _)| (message.clone(), level.clone())).collect();
        let rows = include_str!("traces.rs").lines().filter_map(|line| line.strip_prefix("//! | "));
        let mut named = BTreeSet::new();
        for row in rows.filter(|row| !row.starts_with("event |") && !row.starts_with("--")) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let [message, level, fields, ..] = cells[..] else { panic!("{row}") };
            if ["span", "connection"].contains(&message) {
                continue;
            }
            named.insert((message.to_owned(), level.to_owned()));
            for field in fields.split('`').skip(1).step_by(2) {
                let has = |(_, known, arguments): &(String, String, String)| {
                    known == message && arguments.contains(field)
                };
                assert!(events.iter().any(has), "{message}: {field}");
            }
        }
        assert_eq!(named, told);
    }
}
