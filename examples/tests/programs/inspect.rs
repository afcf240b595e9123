//! `inspect` explains what is there, and says what is not.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::Value;

/// What is printed of one server's bytes, and whether all was well.
fn inspected(arguments: &[&str], bytes: &[u8]) -> (Vec<Value>, bool) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_inspect"))
        .args(arguments)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || drop(input.write_all(&bytes)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), output.status.success())
}

const SERVER: &[&str] = &["--protocol", "imap", "--side", "server"];

/// A body that ends before its announced length takes nothing with it.
#[test]
fn a_cut_literal_is_an_error_and_what_follows_is_read() {
    for announced in [200, 100_000, 3_000_000] {
        let body = "Subject: x\r\n\r\nOK then\r\n";
        let bytes = format!(
            "* OK hi\r\n* 1 FETCH (UID 7 BODY[] {{{announced}}}\r\n{body})\r\nb.2 OK done\r\n* 5 EXISTS\r\n"
        );
        let (found, well) = inspected(SERVER, bytes.as_bytes());
        assert!(!well, "{announced}");
        let kinds: Vec<_> = found.iter().map(|one| one["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["OK", "MALFORMED", "OK", "EXISTS"], "{announced}");
        assert_eq!(found[1]["error"]["reason"], "the input ends within a message");
        assert!(found[1]["raw"].as_str().unwrap().ends_with("OK then\r\n)\r\n"), "{announced}");
        // Each byte belongs to one object.
        let ends: Vec<_> = found
            .iter()
            .map(|one| one["offset"].as_u64().unwrap() + one["length"].as_u64().unwrap())
            .collect();
        assert_eq!(ends.last(), Some(&(bytes.len() as u64)), "{announced}");
        assert_eq!(found[2]["offset"].as_u64(), Some(ends[1]));
    }
}

/// Larger than what is waited for.
#[test]
fn a_literal_that_is_passed_over_is_missed_at_the_end() {
    let (found, well) = inspected(SERVER, b"* 1 FETCH (BODY[] {1000000000}\r\nab");
    assert!(!well);
    let [one] = &found[..] else { panic!("{found:?}") };
    assert_eq!(
        (one["kind"].as_str(), one["raw"].as_str()),
        (Some("MALFORMED"), Some("* 1 FETCH (BODY[] {1000000000}\r\n"))
    );
}

#[test]
fn a_literal_that_is_there_is_named_by_its_length() {
    let bytes = format!("* 1 FETCH (BODY[] {{100000}}\r\n{})\r\n", "x".repeat(100_000));
    let (found, well) = inspected(SERVER, bytes.as_bytes());
    assert!(well && found.len() == 1 && found[0]["kind"] == "FETCH", "{found:?}");
    assert!(found[0].to_string().len() < 1000);
}

/// What extensions that are published say has types: nothing of it is only carried.
#[test]
fn published_extensions_are_typed() {
    let server = concat!(
        "* OK [CAPABILITY IMAP4rev1 X-GM-EXT-1] at your service\r\n",
        "* ENABLED CONDSTORE QRESYNC\r\n",
        "* OK [HIGHESTMODSEQ 715194045007] counted\r\n",
        "* OK [MAILBOXID (F2212ea87-6097)] its name for good\r\n",
        "* VANISHED (EARLIER) 41,43:116\r\n",
        "* 12 FETCH (UID 117 MODSEQ (65402) EMAILID (M6d99ac) THREADID NIL SAVEDATE NIL PREVIEW \"Good day\")\r\n",
        "* 12 FETCH (X-GM-MSGID 1278455344230334865 X-GM-THRID 12 X-GM-LABELS (\\Inbox \"Mein B&APw-ro\") UID 117)\r\n",
        "* 117 UIDFETCH (BINARY.SIZE[1] 5 BINARY[2] ~{3}\r\n\0ab)\r\n",
        "* ESEARCH (TAG \"a1\") UID PARTIAL (-1:-100 7:9) MODSEQ 917162500\r\n",
        "* SORT 5 3 4 1 2\r\n* THREAD (2)(3 6 (4 23)(44 7 96))\r\n",
        "* LIST (\\Sent) \"/\" Gesendet (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n",
        "* STATUS INBOX (SIZE 44421 DELETED-STORAGE 8 APPENDLIMIT NIL)\r\n",
        "* QUOTA \"\" (STORAGE 10 512)\r\n* QUOTAROOT INBOX \"\"\r\n",
        "* MYRIGHTS INBOX rwiptsldaex\r\n* METADATA \"\" (/shared/comment \"here\")\r\n",
        "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n* LANGUAGE (de)\r\n* COMPARATOR i;unicode-casemap\r\n",
        "* OK [INPROGRESS (\"a1\" 175 1000)] at it\r\n* UIDBATCHES (TAG \"a1\") 9:5,4:1\r\n",
        "* JMAPACCESS \"https://example.org/jmap\"\r\n",
        "a1 OK [MODIFIED 7,9] done\r\na2 NO [METADATA TOOMANY] no\r\na3 OK [MESSAGELIMIT 1000 23221] a part\r\n",
        "a4 NO [THROTTLED] later\r\na5 NO [WEBALERT https://example.org/unlock] look there\r\n",
    );
    let client = concat!(
        "a0 ID (\"name\" \"mine\")\r\na1 ENABLE QRESYNC\r\n",
        "a2 SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211))\r\n",
        "a3 UID FETCH 1:* (FLAGS X-GM-LABELS) (CHANGEDSINCE 12345 VANISHED)\r\n",
        "a4 UID SEARCH RETURN (SAVE PARTIAL 1:500) X-GM-RAW \"has:attachment\"\r\n",
        "a5 UID SORT (REVERSE DISPLAYFROM) UTF-8 OLDER 5\r\na6 UID THREAD REFERENCES UTF-8 FUZZY TEXT x\r\n",
        "a7 UID STORE 7 (UNCHANGEDSINCE 5) +X-GM-LABELS.SILENT (\\Important)\r\n",
        "a8 LIST (SPECIAL-USE) \"\" (a b) RETURN (STATUS (SIZE) MYRIGHTS METADATA (/private/comment))\r\n",
        "a9 NOTIFY SET STATUS (SELECTED (MessageNew MessageExpunge))\r\nb0 GETQUOTAROOT INBOX\r\n",
        "b1 SETACL INBOX ada lrs\r\nb2 GETMETADATA (DEPTH infinity) INBOX /private\r\nb3 UID MOVE $ x\r\n",
        "b4 UIDBATCHES 2000\r\nb5 LANGUAGE de\r\nb6 GETJMAPACCESS\r\nb7 CREATE x (USE (\\Drafts))\r\n",
        "b8 UNAUTHENTICATE\r\nb9 COMPRESS DEFLATE\r\nc0 UNSELECT\r\n",
    );
    for (side, bytes) in [("server", server), ("client", client)] {
        let (found, well) = inspected(&["--protocol", "imap", "--side", side], bytes.as_bytes());
        assert!(well, "{found:?}");
        for one in found {
            let carried = one["value"].to_string();
            let carried = carried.contains("\"Other\"") || carried.contains("\"Malformed\"");
            assert!(one["raw"].is_null() && !carried && one["deviations"] == serde_json::json!([]), "{one}");
        }
    }
}
