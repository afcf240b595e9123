use std::process::Command;

use crate::{
    peer::{Answer::Usual, Peer, last, message, say},
    run::{Run as _, TestFolder, client},
};

fn into(folder: &TestFolder, peer: &Peer) -> Command {
    let mut command = client("pop", peer.port);
    command.arg("--output").arg(folder.path());
    command
}

fn one(text: &str) -> crate::peer::Answer {
    say(format!("+OK\r\nSubject: {text}\r\n\r\n.\r\n"))
}

#[test]
fn without_unique_ids_a_number_is_no_identity() {
    let folder = TestFolder::new();
    let old = Peer::pop3(|_, line| if line == "UIDL" { say("-ERR unknown\r\n") } else { Usual });
    into(&folder, &old).arg("--delete").run().expect(0, &[]);
    // Other mail has these numbers the next time.
    let new = Peer::pop3(|_, line| match line {
        "UIDL" => say("-ERR unknown\r\n"),
        "RETR 1" => one("new"),
        _ => Usual,
    });
    let ended = into(&folder, &new).arg("--delete").run();
    ended.expect(0, &[]);
    assert!(ended.out.contains("1 messages in ") && ended.out.contains("1 were there"), "{}", ended.out);
    assert!(ended.out.contains("2 deleted"), "{}", ended.out);
    assert_eq!(folder.names(), ["message 1 (2).eml", "message 1.eml", "message 2.eml"]);
    assert_eq!(folder.files()["message 1.eml"], message("1"));
    assert!(folder.files()["message 1 (2).eml"].contains("new"));
    assert_eq!(new.count("RETR"), 2);
}

#[test]
fn equal_unique_ids_tell_nothing_apart() {
    let folder = TestFolder::new();
    let peer = Peer::pop3(|_, line| if line == "UIDL" { say("+OK\r\n1 a\r\n2 a\r\n.\r\n") } else { Usual });
    let ended = into(&folder, &peer).arg("--delete").run();
    ended.expect(0, &[]);
    let files: Vec<String> = folder.files().into_values().collect();
    assert_eq!(files, [message("1"), message("2")]);
    assert_eq!(peer.count("DELE"), 2);
}

#[test]
fn unique_ids_are_not_paths_and_do_not_collide() {
    let folder = TestFolder::new();
    let peer = Peer::pop3(|_, line| match line {
        "LIST" => say("+OK\r\n1 1\r\n2 1\r\n3 1\r\n.\r\n"),
        "UIDL" => say("+OK\r\n1 ../../x\r\n2 a/b\r\n3 a_b\r\n.\r\n"),
        _ => Usual,
    });
    into(&folder, &peer).run().expect(0, &[]);
    assert_eq!(folder.names(), ["%2E.%2F..%2Fx.eml", "a%2Fb.eml", "a_b.eml"]);
    assert_eq!(folder.files()["a_b.eml"], message("3"));
}

#[test]
fn a_refused_message_is_neither_counted_nor_deleted() {
    let folder = TestFolder::new();
    let peer = Peer::pop3(|_, line| if line == "RETR 1" { say("-ERR cannot open\r\n") } else { Usual });
    let ended = into(&folder, &peer).arg("--delete").run();
    ended.expect(1, &["message 1: ", "cannot open"]);
    assert!(ended.out.starts_with("1 messages in ") && ended.out.contains("1 deleted"), "{}", ended.out);
    assert_eq!(folder.names(), ["bbb.eml"]);
    assert_eq!(peer.said().iter().filter(|line| line.starts_with("DELE")).collect::<Vec<_>>(), ["DELE 2"]);
}

#[test]
fn a_file_of_another_account_does_not_stand_for_a_message() {
    let folder = TestFolder::new();
    folder.file("aaa.eml", "of another account");
    let peer = Peer::pop3(|_, _| Usual);
    // Nothing is lost if it is not downloaded and not deleted.
    let ended = into(&folder, &peer).run();
    ended.expect(0, &[]);
    assert!(ended.out.starts_with("1 messages in ") && ended.out.contains("1 were there"), "{}", ended.out);
    assert_eq!(peer.count("RETR"), 1);
    // What is to be deleted is compared first.
    into(&folder, &peer).arg("--delete").run().expect(0, &[]);
    assert_eq!(folder.files()["aaa.eml"], "of another account");
    assert_eq!(folder.files()["aaa (2).eml"], message("1"));
    assert_eq!(folder.names(), ["aaa (2).eml", "aaa.eml", "bbb.eml"]);
    assert_eq!(peer.count("DELE"), 2);
}

#[test]
fn after_a_lost_connection_messages_are_known_by_their_ids() {
    let folder = TestFolder::new();
    let peer = Peer::pop3(|connection, line| match (connection, line) {
        (1, "LIST") => say("+OK\r\n1 1\r\n2 1\r\n3 1\r\n.\r\n"),
        (1, "UIDL") => say("+OK\r\n1 aaa\r\n2 bbb\r\n3 ccc\r\n.\r\n"),
        (1, "RETR 2") => last("+OK\r\nSubject: half of"),
        // The first has gone meanwhile by other means, and the others have moved up.
        (2, "LIST") => say("+OK\r\n1 1\r\n2 1\r\n3 1\r\n.\r\n"),
        (2, "UIDL") => say("+OK\r\n1 bbb\r\n2 ccc\r\n3 aaa\r\n.\r\n"),
        _ => Usual,
    });
    let ended = into(&folder, &peer).arg("--delete").run();
    ended.expect(1, &["message 2: "]);
    assert_eq!(folder.names(), ["aaa.eml", "ccc.eml"]);
    let deleted: Vec<String> = peer.said().into_iter().filter(|line| line.starts_with("DELE")).collect();
    assert_eq!(deleted, ["DELE 2", "DELE 3"]);
    assert!(ended.out.contains("2 deleted"), "{}", ended.out);
}

#[test]
fn what_is_on_disk_is_deleted_though_the_last_message_costs_the_connection() {
    let folder = TestFolder::new();
    let peer = Peer::pop3(|connection, line| match (connection, line) {
        (1, "RETR 2") => last("+OK\r\nSubject: half of"),
        _ => Usual,
    });
    into(&folder, &peer).arg("--delete").run().expect(1, &["message 2: "]);
    assert_eq!(folder.names(), ["aaa.eml"]);
    // Not the second one, which was not tried again.
    assert_eq!(
        peer.said().into_iter().filter(|line| line.starts_with("DELE")).collect::<Vec<_>>(),
        ["DELE 1"]
    );
    assert_eq!(peer.count("RETR"), 2);
}

#[test]
fn without_ids_a_lost_connection_ends_the_run() {
    let folder = TestFolder::new();
    let peer = Peer::pop3(|_, line| match line {
        "UIDL" => say("-ERR unknown\r\n"),
        "RETR 1" => last(""),
        _ => Usual,
    });
    let ended = into(&folder, &peer).arg("--delete").run();
    ended.expect(75, &["message 1: ", "1 messages after it: they have no unique ids"]);
    assert!(folder.names().is_empty());
    assert_eq!(peer.count("DELE"), 0);
}

#[test]
fn a_server_that_always_hangs_up_is_left_alone() {
    let folder = TestFolder::new();
    let list = |end: &str| -> String { (1..=9).map(|n| format!("{n} {n}{end}\r\n")).collect() };
    let peer = Peer::pop3(move |_, line| match line {
        "LIST" => say(format!("+OK\r\n{}.\r\n", list(""))),
        "UIDL" => say(format!("+OK\r\n{}.\r\n", list("id"))),
        line if line.starts_with("RETR") => last(""),
        _ => Usual,
    });
    into(&folder, &peer)
        .run()
        .expect(75, &["message 3", "6 messages after it: the connection was lost too often"]);
    assert_eq!(peer.count("LIST"), 3);
}

#[test]
fn a_connection_lost_in_uidl_is_not_a_server_without_it() {
    let folder = TestFolder::new();
    let peer = Peer::pop3(|_, line| if line == "UIDL" { last("") } else { Usual });
    into(&folder, &peer).arg("--delete").run().expect(75, &[]);
    assert!(folder.names().is_empty());
}

#[test]
fn what_the_list_does_not_have_is_told() {
    let with = |list: &'static str, ids: &'static str| {
        Peer::pop3(move |_, line| match line {
            "LIST" => say(format!("+OK\r\n{list}.\r\n")),
            "UIDL" => say(format!("+OK\r\n{ids}.\r\n")),
            _ => Usual,
        })
    };
    let folder = TestFolder::new();
    let peer = with("nonsense\r\n2 1\r\n", "nonsense\r\n2 bbb\r\n");
    into(&folder, &peer).run().expect(1, &["1 messages: the server's list does not have them"]);
    assert_eq!(folder.names(), ["bbb.eml"]);
    let folder = TestFolder::new();
    let peer = with("1 1\r\nnonsense\r\n", "1 aaa\r\nnonsense\r\n");
    into(&folder, &peer).run().expect(1, &["1 messages: the server's list does not have them"]);
    assert_eq!(folder.names(), ["aaa.eml"]);
    let folder = TestFolder::new();
    let peer = with("nonsense\r\nnonsense\r\n", "nonsense\r\nnonsense\r\n");
    let ended = into(&folder, &peer).run();
    ended.expect(69, &["2 messages: the server's list does not have them"]);
    assert!(ended.out.starts_with("0 messages in "), "{}", ended.out);
    client("pop", peer.port).run().expect(69, &["2 messages"]);
}

#[test]
fn how_many_there_are_need_not_be_said() {
    for answer in ["+OK\r\n", "+OK many\r\n", "-ERR unknown\r\n"] {
        let folder = TestFolder::new();
        let peer = Peer::pop3(move |_, line| if line == "STAT" { say(answer) } else { Usual });
        into(&folder, &peer).run().expect(0, &[]);
        assert_eq!(folder.names(), ["aaa.eml", "bbb.eml"]);
        assert_eq!(peer.count("STAT"), 1);
    }
}

#[test]
fn what_is_left_without_another_connection_is_named() {
    let three = |line: &str| match line {
        "LIST" => say("+OK\r\n1 1\r\n2 1\r\n3 1\r\n.\r\n"),
        "UIDL" => say("+OK\r\n1 aaa\r\n2 bbb\r\n3 ccc\r\n.\r\n"),
        _ => Usual,
    };
    // The second connection ends at its first line, or in the middle of the list.
    for (end, words) in [("CAPA", ""), ("UIDL", "")] {
        let folder = TestFolder::new();
        let peer = Peer::pop3(move |connection, line| match (connection, line) {
            (1, "RETR 2") => last("+OK\r\nSubject: half of"),
            (2, line) if line == end => last(words),
            (_, line) => three(line),
        });
        let ended = into(&folder, &peer).arg("--delete").run();
        ended.expect(
            1,
            &["message 2: ", "1 messages after it: ", "message 3: not tried", "nothing is deleted: "],
        );
        assert!(!ended.out.contains("deleted"), "{}", ended.out);
        assert_eq!(folder.names(), ["aaa.eml"]);
        assert_eq!(peer.count("DELE"), 0);
    }
    // The last message costs the connection: only the deletions are left.
    let folder = TestFolder::new();
    let peer = Peer::pop3(move |connection, line| match (connection, line) {
        (1, "RETR 3") => last(""),
        (2.., _) => last(""),
        (_, line) => three(line),
    });
    let ended = into(&folder, &peer).arg("--delete").run();
    ended.expect(1, &["message 3: ", "nothing is deleted: "]);
    assert!(!ended.err.contains("0 messages"), "{}", ended.err);
    assert_eq!(folder.names(), ["aaa.eml", "bbb.eml"]);
    // So it is with a server that only takes its time to hang up.
    let folder = TestFolder::new();
    let peer = Peer::pop3(move |_, line| match line {
        "RETR 1" => Usual,
        line if line.starts_with("RETR") || line.starts_with("DELE") => last(""),
        line => three(line),
    });
    into(&folder, &peer)
        .arg("--delete")
        .run()
        .expect(1, &["message 2: ", "message 3: ", "nothing is deleted: "]);
    assert_eq!(folder.names(), ["aaa.eml"]);
}

#[test]
fn what_another_connection_does_not_have_is_told() {
    let folder = TestFolder::new();
    let peer = Peer::pop3(|connection, line| match (connection, line) {
        (1, "RETR 1") => last(""),
        (2, "UIDL") => say("+OK\r\n1 aaa\r\nnonsense\r\n.\r\n"),
        _ => Usual,
    });
    into(&folder, &peer).run().expect(75, &["message 1: ", "bbb: not in the list of another connection"]);
    assert!(folder.names().is_empty());
    assert_eq!(peer.count("STAT"), 1);
}

#[test]
fn deletions_are_claimed_as_they_were() {
    let folder = TestFolder::new();
    let peer = Peer::pop3(|_, line| if line == "DELE 1" { say("-ERR locked\r\n") } else { Usual });
    let ended = into(&folder, &peer).arg("--delete").run();
    ended.expect(1, &["message 1 is not deleted: ", "locked"]);
    assert!(ended.out.contains("1 deleted"), "{}", ended.out);

    let peer =
        Peer::pop3(|_, line| if line == "QUIT" { last("-ERR some are not deleted\r\n") } else { Usual });
    let ended = into(&folder, &peer).arg("--delete").run();
    ended.expect(1, &["not all of 2 messages are deleted"]);
    assert!(!ended.out.contains("deleted"), "{}", ended.out);

    let peer = Peer::pop3(|_, line| if line == "QUIT" { last("") } else { Usual });
    let ended = into(&folder, &peer).arg("--delete").run();
    ended.expect(1, &["nobody knows what is deleted"]);
    assert!(!ended.out.contains("deleted"), "{}", ended.out);

    // Without marks it changes nothing how the session ends.
    let ended = into(&folder, &peer).run();
    ended.expect(0, &[]);
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_not_on_disk_is_not_deleted() {
    let folder = TestFolder::new();
    let peer = Peer::pop3(|_, line| match line {
        "RETR 2" => say(format!("+OK\r\n{}.\r\n", format!("{}\r\n", "x".repeat(70)).repeat(40_000))),
        _ => Usual,
    });
    let mut command = into(&folder, &peer);
    command.arg("--delete");
    let ended = crate::run::with_file_limit(&command, 1000).run();
    ended.expect(1, &["message 2: cannot write"]);
    assert_eq!(folder.names(), ["aaa.eml"]);
    assert_eq!(peer.count("DELE 1"), 1);
    assert_eq!(peer.count("DELE 2"), 0);
}

/// The program with a state beside its folder.
fn by_state(folder: &TestFolder, peer: &Peer, words: &[&str]) -> Command {
    let mut command = client("pop", peer.port);
    command.arg("--output").arg(folder.path().join("mail"));
    command.arg("--state").arg(folder.path().join("state")).args(words);
    command
}

fn state_of(folder: &TestFolder) -> String {
    std::fs::read_to_string(folder.path().join("state")).unwrap()
}

#[test]
fn a_state_says_what_is_new() {
    let folder = TestFolder::new();
    let peer = Peer::pop3(|_, _| Usual);
    let first = by_state(&folder, &peer, &[]).run();
    first.expect(0, &[]);
    assert!(first.out.starts_with("2 messages in "), "{}", first.out);
    let state = state_of(&folder);
    assert!(state.lines().count() == 2 && state.contains(" 28 aaa\n"), "{state}");
    // What was moved away does not come again.
    std::fs::remove_file(folder.path().join("mail/aaa.eml")).unwrap();
    by_state(&folder, &peer, &["--delete-after", "30"]).run().expect(0, &[]);
    assert_eq!((peer.count("RETR"), peer.count("DELE")), (2, 0));
    let gone = by_state(&folder, &peer, &["--delete-after", "0"]).run();
    gone.expect(0, &[]);
    assert!(gone.out.contains("0 messages in ") && gone.out.contains("2 deleted"), "{}", gone.out);
    assert_eq!((peer.count("RETR"), peer.count("DELE"), &*state_of(&folder)), (2, 2, ""));
}

#[test]
fn a_state_outlives_lost_connections() {
    let folder = TestFolder::new();
    let peer = Peer::pop3(|_, line| match line {
        "LIST" => say("+OK\r\n1 28\r\n2 28\r\n3 28\r\n.\r\n"),
        "UIDL" => say("+OK\r\n1 aaa\r\n2 bbb\r\n3 ccc\r\n.\r\n"),
        "RETR 1" => last("+OK\r\nSubject: half of"),
        _ => Usual,
    });
    let ended = by_state(&folder, &peer, &["--delete"]).run();
    ended.expect(1, &["message 1: ", "the connection was lost too often"]);
    assert!(ended.out.starts_with("2 messages in ") && ended.out.contains("2 deleted"), "{}", ended.out);
    assert_eq!((peer.count("DELE 1"), peer.count("DELE 2"), peer.count("DELE 3")), (0, 1, 1));
    assert_eq!(state_of(&folder), "- 28 aaa\n");
}

#[test]
fn without_unique_ids_a_state_goes_by_headers() {
    let folder = TestFolder::new();
    let peer = Peer::pop3(|_, line| match line {
        "CAPA" | "UIDL" => say("-ERR unknown\r\n"),
        "TOP 1 0" => say("+OK\r\nReceived: a\r\n\r\n.\r\n"),
        "TOP 2 0" => say("+OK\r\nReceived: b\r\n\r\n.\r\n"),
        _ => Usual,
    });
    for there in ["2 messages", "0 messages"] {
        let ended = by_state(&folder, &peer, &[]).run();
        ended.expect(0, &[]);
        assert!(ended.out.starts_with(there), "{}", ended.out);
    }
    assert_eq!(state_of(&folder).matches(" 28 header ").count(), 2);
}

#[test]
fn a_state_that_cannot_be_used_deletes_nothing() {
    let folder = TestFolder::new();
    let peer = Peer::pop3(|_, _| Usual);
    folder.file("state", "what?\n");
    by_state(&folder, &peer, &["--delete"]).run().expect(64, &["state"]);
    std::fs::remove_file(folder.path().join("state")).unwrap();
    std::fs::create_dir(folder.path().join("state.new")).unwrap();
    by_state(&folder, &peer, &["--delete"]).run().expect(1, &["nothing is deleted"]);
    assert_eq!((peer.count("RETR"), peer.count("DELE")), (2, 0));
    let without = |words: &[&str]| client("pop", peer.port).args(words).run();
    without(&["--state", "x"]).expect(64, &["--output"]);
    without(&["--output", "x", "--delete-after", "3"]).expect(64, &["--state"]);
}

#[test]
fn the_exit_status_tells_the_kind() {
    let peer = Peer::pop3(|_, line| if line.starts_with("PASS") { say("-ERR wrong\r\n") } else { Usual });
    client("pop", peer.port).run().expect(77, &["wrong"]);
    let peer =
        Peer::pop3(|_, line| if line.starts_with("PASS") { say("-ERR [IN-USE] wait\r\n") } else { Usual });
    client("pop", peer.port).run().expect(75, &["wait"]);
    client("pop", peer.port).arg("--delete").run().expect(64, &["--output"]);
    let peer = Peer::pop3(|_, line| if line == "LIST" { say("-ERR no\r\n") } else { Usual });
    client("pop", peer.port).run().expect(69, &["no"]);
}
