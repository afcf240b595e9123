use std::process::Command;

use crate::{
    peer::{Answer::Usual, Peer, last, message, say},
    run::{Run as _, TestFolder, client, program},
};

fn into(folder: &TestFolder, peer: &Peer) -> Command {
    let mut command = client("fetch", peer.port);
    command.arg("--output").arg(folder.path());
    command
}

#[test]
fn a_refused_message_does_not_stop_the_others() {
    let peer = Peer::imap(|_, line| match line {
        line if line.contains("FETCH 7 (BODY") || line.contains("FETCH 7 BODY") => {
            say("TAG NO Server error\r\n")
        }
        _ => Usual,
    });
    let folder = TestFolder::new();
    let ended = into(&folder, &peer).run();
    ended.expect(1, &["message 7", "Server error"]);
    assert!(ended.out.starts_with("2 messages in "), "{}", ended.out);
    assert_eq!(folder.names(), ["8.eml", "9.eml"]);
    assert_eq!(folder.files()["8.eml"], message("8"));
}

#[test]
fn a_message_that_is_gone_is_not_counted() {
    let peer = Peer::imap(|_, line| if line.contains("BODY.PEEK") { say("TAG OK done\r\n") } else { Usual });
    let folder = TestFolder::new();
    let ended = into(&folder, &peer).run();
    ended.expect(75, &["message 7", "message 8", "message 9", "gave nothing"]);
    assert!(ended.out.starts_with("0 messages in "), "{}", ended.out);
    assert!(folder.names().is_empty());
}

#[test]
fn a_refusal_of_all_is_for_good() {
    let peer = Peer::imap(|_, line| if line.contains("BODY.PEEK") { say("TAG NO no\r\n") } else { Usual });
    let folder = TestFolder::new();
    into(&folder, &peer).run().expect(69, &["message 9"]);
    // Unless the server says otherwise.
    let peer =
        Peer::imap(|_, line| if line.contains("BODY.PEEK") { say("TAG NO [INUSE] no\r\n") } else { Usual });
    into(&folder, &peer).run().expect(75, &["message 9"]);
}

#[test]
fn a_lost_connection_costs_one_message() {
    let peer = Peer::imap(|_, line| match line {
        line if line.contains(" 8 ") && line.contains("BODY.PEEK") => {
            last("* 2 FETCH (UID 8 BODY[] {1000}\r\nSubject: half of i")
        }
        _ => Usual,
    });
    let folder = TestFolder::new();
    let ended = into(&folder, &peer).run();
    ended.expect(1, &["message 8"]);
    assert!(ended.out.starts_with("2 messages in "), "{}", ended.out);
    // No part of the one in the middle, under any name.
    assert_eq!(folder.names(), ["7.eml", "9.eml"]);
    assert_eq!(peer.count("EXAMINE"), 2);
}

#[test]
fn uids_of_another_validity_are_not_gone_on_with() {
    let peer = Peer::imap(|connection, line| match line {
        line if line.contains("BODY.PEEK") && connection == 1 => last("* BYE\r\n"),
        line if line.contains("EXAMINE") && connection == 2 => {
            say("* 3 EXISTS\r\n* OK [UIDVALIDITY 2] x\r\nTAG OK done\r\n")
        }
        _ => Usual,
    });
    let folder = TestFolder::new();
    into(&folder, &peer).run().expect(75, &["message 7", "2 messages from 8 on", "UIDs"]);
    assert!(folder.names().is_empty());
}

#[test]
fn uids_without_validity_are_not_gone_on_with() {
    for odd in ["", "* OK [UIDVALIDITY 0] x\r\n", "* OK [UIDVALIDITY 1] x\r\n* NO [UIDNOTSTICKY] x\r\n"] {
        for connections in [1..=2, 1..=1, 2..=2] {
            let peer = Peer::imap(move |connection, line| match line {
                line if line.contains("BODY.PEEK") && connection == 1 => last("* BYE\r\n"),
                line if line.contains("EXAMINE") && connections.contains(&connection) => {
                    say(format!("* 3 EXISTS\r\n{odd}TAG OK done\r\n"))
                }
                _ => Usual,
            });
            let folder = TestFolder::new();
            into(&folder, &peer).run().expect(75, &["message 7", "2 messages from 8 on", "UIDs"]);
            assert!(folder.names().is_empty());
        }
    }
}

#[test]
fn a_server_that_always_hangs_up_is_left_alone() {
    let peer = Peer::imap(|_, line| match line {
        line if line.contains("SEARCH") => {
            say("* 1000 EXISTS\r\n* SEARCH 1 2 3 4 5 6 7 8 9\r\nTAG OK done\r\n")
        }
        line if line.contains("BODY.PEEK") => last(""),
        _ => Usual,
    });
    let folder = TestFolder::new();
    into(&folder, &peer).run().expect(75, &["message 3", "6 messages from 4 on"]);
    assert_eq!(peer.count("EXAMINE"), 3);
}

#[test]
fn a_file_that_is_there_is_never_replaced() {
    let folder = TestFolder::new();
    folder.file("7.eml", "of another mailbox");
    let peer = Peer::imap(|_, _| Usual);
    let ended = into(&folder, &peer).run();
    ended.expect(0, &[]);
    assert!(ended.out.starts_with("3 messages in "), "{}", ended.out);
    assert_eq!(folder.names(), ["7 (2).eml", "7.eml", "8.eml", "9.eml"]);
    assert_eq!(folder.files()["7.eml"], "of another mailbox");
    assert_eq!(folder.files()["7 (2).eml"], message("7"));
    // Once more: what is there is not doubled.
    let ended = into(&folder, &peer).run();
    ended.expect(0, &[]);
    assert!(ended.out.starts_with("0 messages in ") && ended.out.contains(", 3 were there"), "{}", ended.out);
    assert_eq!(folder.names().len(), 4);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_leaves_no_part() {
    let peer = Peer::imap(|_, line| match line {
        line if line.contains(" 8 ") && line.contains("BODY.PEEK") => {
            let body = "x".repeat(3_000_000);
            say(format!("* 2 FETCH (UID 8 BODY[] {{{}}}\r\n{body})\r\nTAG OK done\r\n", body.len()))
        }
        _ => Usual,
    });
    let folder = TestFolder::new();
    let command = into(&folder, &peer);
    let ended = crate::run::with_file_limit(&command, 1000).run();
    ended.expect(1, &["message 8: cannot write", "1 more not tried"]);
    assert!(ended.out.starts_with("1 messages in "), "{}", ended.out);
    assert_eq!(folder.names(), ["7.eml"]);
    // With nothing done it is the disk that is to be looked at.
    std::fs::remove_file(folder.path().join("7.eml")).unwrap();
    let ended = crate::run::with_file_limit(&command, 0).run();
    ended.expect(74, &["message 7: cannot write", "2 more not tried"]);
    assert!(folder.names().is_empty());
}

#[test]
fn more_messages_than_there_are_cannot_be_found() {
    let peer = Peer::imap(|_, line| match line {
        line if line.contains("SEARCH") => {
            say("* ESEARCH (TAG \"TAG\") UID ALL 1:4294967295\r\nTAG OK done\r\n")
        }
        _ => Usual,
    });
    let folder = TestFolder::new();
    into(&folder, &peer).run().expect(69, &["4294967295 messages in a mailbox of 3"]);
}

#[test]
fn what_cannot_be_read_of_a_search_is_not_nothing() {
    for odd in ["* SEARCH 7 8 x\r\n", "* esearch (TAG \"TAG\") UID ALL 7:x\r\n", "* Search \"7\"\r\n"] {
        let peer = Peer::imap(move |_, line| match line {
            line if line.contains("SEARCH") => say(format!("{odd}TAG OK done\r\n")),
            _ => Usual,
        });
        let folder = TestFolder::new();
        let ended = into(&folder, &peer).run();
        ended.expect(69, &["passed over a response: ", "what was found cannot be read"]);
        assert!(ended.out.starts_with("0 messages in "), "{}", ended.out);
        client("fetch", peer.port).run().expect(69, &["what was found cannot be read"]);
    }
    for odd in ["* x EXISTS\r\n", "* -3 exists\r\n"] {
        let peer = Peer::imap(move |_, line| match line {
            line if line.contains("EXAMINE") => say(format!("{odd}TAG OK done\r\n")),
            _ => Usual,
        });
        let folder = TestFolder::new();
        into(&folder, &peer).run().expect(69, &["how many messages there are cannot be read"]);
        client("fetch", peer.port).run().expect(69, &["how many messages there are cannot be read"]);
    }
}

#[test]
fn a_part_of_what_was_found_is_downloaded() {
    let peer = Peer::imap(|_, line| match line {
        line if line.contains("SEARCH") => say("* SEARCH 7 8\r\n* SEARCH 9 x\r\nTAG OK done\r\n"),
        _ => Usual,
    });
    let folder = TestFolder::new();
    into(&folder, &peer).run().expect(1, &["what was found cannot be read"]);
    assert_eq!(folder.names(), ["7.eml", "8.eml"]);
}

#[test]
fn an_odd_line_about_something_else_is_no_failure() {
    let odd = "* FLAGS ((\r\n* LIST (\\Exists) search\r\n";
    let peer = Peer::imap(move |_, line| match line {
        line if line.contains("EXAMINE") => say(format!("* 3 EXISTS\r\n{odd}TAG OK done\r\n")),
        line if line.contains("SEARCH") => say(format!("{odd}* SEARCH\r\nTAG OK done\r\n")),
        _ => Usual,
    });
    client("fetch", peer.port).run().expect(0, &["passed over a response: "]);
}

#[test]
fn odd_uids_do_not_stop_the_others() {
    let peer = Peer::imap(|_, line| match line {
        line if line.contains("SEARCH") => say("* SEARCH 9 0 9\r\nTAG OK done\r\n"),
        _ => Usual,
    });
    let folder = TestFolder::new();
    let ended = into(&folder, &peer).run();
    ended.expect(0, &[]);
    assert!(ended.out.starts_with("1 messages in "), "{}", ended.out);
    assert_eq!(folder.names(), ["9.eml"]);
    assert_eq!(peer.count("BODY.PEEK"), 1);
}

#[test]
fn many_messages_are_asked_for_in_several_lines() {
    let odd = |from: u32| -> String { (from..from + 1000).map(|n| format!(" {}", 2 * n + 1)).collect() };
    let peer = Peer::imap(move |_, line| match line {
        line if line.contains("EXAMINE") => say("* 3000 EXISTS\r\nTAG OK done\r\n"),
        line if line.contains("SEARCH") => say(format!("* SEARCH{}\r\nTAG OK done\r\n", odd(100_000))),
        line if line.len() > 8192 => say("TAG BAD too long\r\n"),
        line if line.contains("FETCH") => say("TAG NO [LIMIT] not now\r\n"),
        _ => Usual,
    });
    client("fetch", peer.port).run().expect(75, &["500 messages: ", "not now"]);
    assert_eq!(peer.count("FETCH"), 2);
}

#[test]
fn a_list_names_what_is_missing() {
    let peer = Peer::imap(|_, line| match line {
        line if line.contains("ENVELOPE") => say("* 1 FETCH (UID 7 FLAGS ())\r\nTAG OK done\r\n"),
        _ => Usual,
    });
    let ended = client("fetch", peer.port).run();
    ended.expect(1, &["message 8", "message 9"]);
    assert_eq!(ended.out.lines().count(), 1);
}

#[test]
fn an_end_without_a_farewell_is_no_failure() {
    let peer = Peer::imap(|_, line| if line.contains("LOGOUT") { last("") } else { Usual });
    let ended = client("fetch", peer.port).run();
    ended.expect(0, &[]);
    assert_eq!(ended.out.lines().count(), 3);
}

#[test]
fn what_cannot_be_stored_does_not_stop_the_others() {
    let folder = TestFolder::new();
    let (one, two) = (folder.file("one", message("1")), folder.file("two", message("22")));
    let peer = Peer::imap(|_, line| match line {
        line if line.contains("APPEND") && line.contains(&format!("{{{}", message("1").len())) => {
            say("TAG NO [LIMIT] not now\r\n")
        }
        _ => Usual,
    });
    let mut command = client("fetch", peer.port);
    command.arg("--append").arg(&one).arg("--append").arg(folder.path().join("none"));
    let ended = command.arg("--append").arg(&two).run();
    ended.expect(1, &["one: ", "not now", "none: "]);
    assert!(ended.out.contains("two: stored as 12"), "{}", ended.out);
    assert!(!ended.out.contains("one: stored"), "{}", ended.out);
}

#[test]
fn what_was_not_sent_is_not_stored_for_certain() {
    let folder = TestFolder::new();
    let (one, two) = (folder.file("one", message("1")), folder.file("two", message("22")));
    let peer = Peer::imap(|_, line| match line {
        line if line.contains("CAPABILITY") => {
            say("* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN APPENDLIMIT=10\r\nTAG OK done\r\n")
        }
        line if line.contains("SEARCH") => say("* SEARCH\r\nTAG OK done\r\n"),
        _ => Usual,
    });
    let append = || {
        let mut command = client("fetch", peer.port);
        command.arg("--append").arg(&one).arg("--append").arg(&two);
        command
    };
    let ended = append().run();
    ended.expect(69, &["one: ", "two: "]);
    assert_eq!(ended.out, "");
    assert_eq!((peer.count("AUTHENTICATE"), peer.count("APPEND")), (1, 0));
    // No name of a mailbox has a line end.
    append().args(["--mailbox", "a\nb"]).run().expect(64, &["one: ", "two: "]);
    assert_eq!((peer.count("AUTHENTICATE"), peer.count("APPEND")), (2, 0));
}

#[test]
fn a_message_that_cannot_be_sent_whole_is_not_stored() {
    let folder = TestFolder::new();
    let nul = folder.file("nul", "a\0b");
    let peer = Peer::imap(|_, line| match line {
        line if line.contains("SEARCH") => say("* SEARCH\r\nTAG OK done\r\n"),
        _ => Usual,
    });
    client("fetch", peer.port).arg("--append").arg(&nul).run().expect(69, &["nul: ", "NUL"]);
}

#[test]
fn what_is_not_tried_to_be_stored_is_named() {
    let folder = TestFolder::new();
    let files = ["one", "two", "three"].map(|name| folder.file(name, message(name)));
    let peer = Peer::imap(|connection, line| match line {
        line if line.contains("APPEND") => last(""),
        _ if connection > 1 => last(""),
        _ => Usual,
    });
    let mut command = client("fetch", peer.port);
    for file in &files {
        command.arg("--append").arg(file);
    }
    command.run().expect(1, &["one: ", "two: not tried", "three: not tried"]);
    assert_eq!(peer.count("APPEND"), 1);
}

#[test]
fn a_part_of_a_file_is_not_said_to_be_stored() {
    let folder = TestFolder::new();
    let file = folder.file("one", message("1"));
    let longer = file.clone();
    let peer = Peer::imap(move |_, line| {
        if line.contains("APPEND") {
            std::fs::write(&longer, message("1").repeat(2)).unwrap();
        }
        Usual
    });
    let ended = client("fetch", peer.port).arg("--append").arg(&file).run();
    ended.expect(1, &["one: the file has changed"]);
}

#[test]
fn the_exit_status_tells_the_kind() {
    let peer =
        Peer::imap(|_, line| if line.contains("AUTHENTICATE") { say("TAG NO wrong\r\n") } else { Usual });
    client("fetch", peer.port).run().expect(77, &["wrong"]);
    let peer = Peer::imap(|_, line| if line.contains("EXAMINE") { say("TAG NO none\r\n") } else { Usual });
    client("fetch", peer.port).run().expect(69, &["none"]);
    let peer = Peer::imap(|_, line| if line.contains("EXAMINE") { last("") } else { Usual });
    client("fetch", peer.port).run().expect(75, &[]);
    // Nobody listens on a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    client("fetch", port).run().expect(75, &[]);
    client("fetch", port).env_remove("MAILWIRE_PASSWORD").run().expect(64, &["MAILWIRE_PASSWORD"]);
    client("fetch", port).arg("--nonsense").run().expect(64, &["--nonsense"]);
    client("fetch", port).args(["--ca", "/nonexistent"]).run().expect(66, &["/nonexistent"]);
    program("fetch").args(["--server", "127.0.0.1:x", "--user", "anna"]).run().expect(64, &["not a port: x"]);
    let help = program("fetch").arg("--help").run();
    assert!(help.status == 0 && help.out.contains("Exit status:"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_list_that_cannot_be_written_is_a_failure() {
    let peer = Peer::imap(|_, _| Usual);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = client("fetch", peer.port);
    let output =
        command.stdout(full).stderr(std::process::Stdio::piped()).spawn().unwrap().wait_with_output();
    crate::run::Ended::from(output.unwrap()).expect(74, &["standard output"]);
}
