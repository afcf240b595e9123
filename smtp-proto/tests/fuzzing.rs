//! What fuzzing found, and what must stay mended.
#![allow(clippy::unwrap_used)]

mod common;

use common::{feed, server_config};
use mailwire_smtp::server;

/// A line after a refused AUTH may be the password, also if it is longer than a command.
#[test]
fn a_long_line_after_a_refused_auth_is_not_shown() {
    let junk = "x".repeat(5000);
    for lines in [
        format!("EHLO a\r\nAUTH UNKNOWN\r\nc2VjcmV0{junk}\r\n"),
        format!("EHLO a\r\n AUTH PLAIN c2VjcmV0{junk}{junk}{junk}{junk}\r\n"),
        format!("EHLO a\r\n\tAUTH\tPLAIN c2VjcmV0{junk}{junk}{junk}{junk}\r\nc2VjcmV0\r\n"),
    ] {
        let mut shown = String::new();
        let mut server = server::Connection::new(server_config());
        for line in lines.split_inclusive('\n') {
            for event in feed(&mut server, line.as_bytes()) {
                shown += &format!("{event:?}");
                if let server::Event::Command { ticket, command, .. } = event {
                    server.reply(ticket, server::default_reply(&command)).unwrap();
                }
            }
        }
        assert!(shown.contains("line too long") && !shown.contains("c2VjcmV0"), "{shown}");
    }
}
