//! Looking for messages, and bringing them into an order: our client and clients by hand, against our server.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod raw;

use std::num::NonZeroU32;

use mailwire_core::Channel;
use mailwire_store::{
    ImapService, InternalDate,
    memory::{MemoryStore, NewMessage, User},
};
use mailwire_transport::imap::{
    Client, FetchAtt, SearchKey, Server,
    proto::{
        command::{Fetch, Search, SearchReturnOpt, SortKey, ThreadAlgorithm},
        types::{Uid, UidSet},
    },
};
use raw::{Protocol, Raw, Servers, imap_client};

fn store() -> (MemoryStore, User) {
    let store = MemoryStore::new();
    let ada = store.add_user("ada", "secret").unwrap();
    (store, ada)
}

fn append(user: &User, raw: &str, seconds: i64) {
    let mut message = NewMessage::new(raw.to_owned().into());
    message.date = InternalDate { seconds, zone: 0 };
    user.append("INBOX", message).unwrap();
}

/// A session of Ada's in her INBOX.
async fn select(store: &MemoryStore) -> Raw {
    let mut raw = Servers::new(store).connect(Protocol::Imap, Channel::Tls, 1 << 20).await;
    assert!(raw.login(Protocol::Imap, "ada", "secret").await);
    assert!(raw.command(Protocol::Imap, "SELECT INBOX").await.starts_with("a OK"));
    raw
}

/// All lines of the answer to a command, without `* ` and `a `.
async fn ask(raw: &mut Raw, command: &str) -> Vec<String> {
    raw.write(format!("a {command}\r\n")).await;
    let mut lines = Vec::new();
    loop {
        let line = raw.line().await;
        match line.strip_prefix("a ") {
            Some(end) => {
                lines.push(end.to_owned());
                return lines;
            }
            None => lines.push(line.strip_prefix("* ").unwrap_or(&line).to_owned()),
        }
    }
}

/// The only untagged line of the answer to a command that is done.
async fn one(raw: &mut Raw, command: &str) -> String {
    let mut lines = ask(raw, command).await;
    assert!(lines.len() == 2 && lines[1].starts_with("OK"), "{command}: {lines:?}");
    lines.remove(0)
}

async fn connect(store: &MemoryStore) -> Client {
    let mut client = imap_client(&Server::new(ImapService::new(store.clone()))).await;
    client.select("INBOX").await.unwrap();
    client
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

#[tokio::test]
async fn pages() {
    let (store, user) = store();
    for _ in 0..5 {
        append(&user, "Subject: x\r\n\r\n", 0);
    }
    let mut raw = select(&store).await;
    ask(&mut raw, "STORE 2 FLAGS (\\Deleted)").await;
    ask(&mut raw, "EXPUNGE").await;
    for (returns, result) in [
        ("PARTIAL 1:2", "PARTIAL (1:2 1,3)"),
        ("PARTIAL 2:1", "PARTIAL (2:1 1,3)"),
        ("PARTIAL 3:9", "PARTIAL (3:9 4:5)"),
        ("PARTIAL 5:9", "PARTIAL (5:9 NIL)"),
        ("PARTIAL -1:-2 COUNT MIN", "PARTIAL (-1:-2 4:5) COUNT 4 MIN 1"),
        ("PARTIAL -4:-90", "PARTIAL (-4:-90 1)"),
        ("PARTIAL -5:-90", "PARTIAL (-5:-90 NIL)"),
    ] {
        let line = one(&mut raw, &format!("UID SEARCH RETURN ({returns}) ALL")).await;
        assert_eq!(line, format!("ESEARCH (TAG \"a\") UID {result}"));
    }
    assert_eq!(
        ask(&mut raw, "SEARCH RETURN (ALL PARTIAL 1:2) ALL").await,
        ["BAD only one of ALL and PARTIAL can be asked for"]
    );
    let fetched = ask(&mut raw, "UID FETCH 2:* (UID) (PARTIAL -1:-2)").await;
    assert_eq!(fetched[..2], ["3 FETCH (UID 4)", "4 FETCH (UID 5)"]);
    assert_eq!(ask(&mut raw, "UID FETCH 2:* (UID) (PARTIAL 9:7)").await.len(), 1);
    assert!(ask(&mut raw, "FETCH 1:* (UID) (PARTIAL 1:1)").await[0].starts_with("BAD"));
}

#[tokio::test]
async fn pages_by_the_client() {
    let (store, user) = store();
    for _ in 0..7 {
        append(&user, "Subject: x\r\n\r\n", 0);
    }
    let mut client = connect(&store).await;
    let newest = "-1:-3".parse().unwrap();
    let search = Search::by_uid([SearchKey::All]).with_returns([
        SearchReturnOpt::Count,
        SearchReturnOpt::Partial(newest),
        SearchReturnOpt::Save,
    ]);
    let found = client.search_with(search).await.unwrap().of::<Uid>();
    assert_eq!((found.len(), found.iter().map(Uid::get).collect::<Vec<_>>()), (7, vec![5, 6, 7]));
    // With COUNT, all is saved.
    let fetch = Fetch::new(UidSet::saved(), [FetchAtt::Uid]).with_partial("2:3".parse().unwrap());
    let mut messages = client.fetch_with(fetch).await.unwrap();
    let mut uids = Vec::new();
    while let Some(message) = messages.next().await.unwrap() {
        uids.push(message.uid().unwrap().get());
    }
    assert_eq!(uids, [2, 3]);
    let young = client.uid_search([SearchKey::Younger(number(100))]).await.unwrap();
    assert!(young.is_empty());
}

#[tokio::test]
async fn saved_results() {
    let (store, user) = store();
    for _ in 0..6 {
        append(&user, "Subject: x\r\n\r\n", 0);
    }
    let mut raw = select(&store).await;
    for (returns, saved) in [
        ("SAVE", "1:6"),
        ("SAVE MIN", "1"),
        ("SAVE MAX", "6"),
        ("SAVE MIN MAX", "1,6"),
        ("SAVE MIN MAX COUNT", "1:6"),
        ("SAVE MAX ALL", "1:6"),
        ("SAVE PARTIAL 2:3", "2:3"),
        ("SAVE PARTIAL 2:3 MIN", "1:3"),
        ("SAVE PARTIAL 2:3 MIN MAX", "1:3,6"),
        ("SAVE PARTIAL -2:-3 MAX", "4:6"),
        ("SAVE PARTIAL 2:3 COUNT MIN", "1:6"),
    ] {
        ask(&mut raw, &format!("SEARCH RETURN ({returns}) ALL")).await;
        let line = one(&mut raw, "SEARCH RETURN (ALL) UID $").await;
        assert_eq!(line, format!("ESEARCH (TAG \"a\") ALL {saved}"), "{returns}");
    }
    // RFC 5182 section 2.2, example 5: what is refused saves nothing; what is wrong changes nothing.
    ask(&mut raw, "SEARCH RETURN (SAVE) ALL").await;
    assert!(ask(&mut raw, "SEARCH RETURN (SAVE) 9").await[0].starts_with("BAD"));
    assert!(ask(&mut raw, "SEARCH CHARSET KOI8-R ALL").await[0].starts_with("NO [BADCHARSET"));
    assert_eq!(one(&mut raw, "SEARCH RETURN (COUNT) $").await, "ESEARCH (TAG \"a\") COUNT 6");
    assert!(ask(&mut raw, "SEARCH RETURN (SAVE) CHARSET KOI8-R $").await[0].starts_with("NO [BADCHARSET"));
    assert_eq!(one(&mut raw, "SEARCH RETURN (COUNT) $").await, "ESEARCH (TAG \"a\") COUNT 0");
    // What is expunged leaves the result; another mailbox forgets it.
    ask(&mut raw, "SEARCH RETURN (SAVE) 2:4").await;
    ask(&mut raw, "STORE 3 +FLAGS.SILENT (\\Deleted)").await;
    ask(&mut raw, "EXPUNGE").await;
    assert_eq!(one(&mut raw, "SEARCH RETURN (ALL) $").await, "ESEARCH (TAG \"a\") ALL 2:3");
    ask(&mut raw, "EXAMINE INBOX").await;
    assert_eq!(ask(&mut raw, "FETCH $ FLAGS").await.len(), 1);
}

#[tokio::test]
async fn ages() {
    let (store, user) = store();
    let now = InternalDate::now().seconds;
    for age in [0, 5000, 100_000] {
        append(&user, "Subject: x\r\n\r\n", now - age);
    }
    let mut raw = select(&store).await;
    for (keys, found) in [
        ("YOUNGER 1000", "1"),
        ("YOUNGER 6000", "1:2"),
        ("OLDER 1000", "2:3"),
        ("OLDER 6000 YOUNGER 4294967295", "3"),
        ("NOT OLDER 1000", "1"),
        ("OR OLDER 90000 YOUNGER 1000", "1,3"),
    ] {
        let line = one(&mut raw, &format!("SEARCH RETURN () {keys}")).await;
        assert_eq!(line, format!("ESEARCH (TAG \"a\") ALL {found}"), "{keys}");
    }
    assert!(ask(&mut raw, "SEARCH OLDER 0").await[0].starts_with("BAD"));
}

#[tokio::test]
async fn orders() {
    let (store, user) = store();
    for (seconds, header) in [
        (
            30,
            "From: =?utf-8?q?=C3=84nne?= <zoe@x>\r\nTo: b@y\r\nSubject: Re: lunch\r\nDate: 2 Jan 2026 10:00 +0200\r\n",
        ),
        (
            10,
            "From: Bob <bob@x>\r\nTo: Carl <a@y>\r\nSubject: [list] Lunch (fwd)\r\nDate: 2 Jan 2026 08:30 +0000\r\n",
        ),
        (20, "From: adam@x\r\nCc: d@y\r\nSubject: dinner\r\n"),
    ] {
        append(&user, &format!("{header}\r\n"), seconds);
    }
    let mut raw = select(&store).await;
    for (criteria, order) in [
        ("ARRIVAL", "2 3 1"),
        ("REVERSE ARRIVAL", "1 3 2"),
        ("DATE", "3 1 2"),
        ("SUBJECT", "3 1 2"),
        ("REVERSE SUBJECT", "1 2 3"),
        ("SUBJECT REVERSE DATE", "3 2 1"),
        ("FROM", "3 2 1"),
        ("DISPLAYFROM", "3 1 2"),
        ("TO", "3 2 1"),
        ("DISPLAYTO", "3 1 2"),
        ("CC", "1 2 3"),
        ("SIZE", "3 2 1"),
        ("REVERSE UID", "3 2 1"),
        ("REVERSE MODSEQ", "3 2 1"),
    ] {
        assert_eq!(
            one(&mut raw, &format!("SORT ({criteria}) UTF-8 ALL")).await,
            format!("SORT {order}"),
            "{criteria}"
        );
    }
    assert_eq!(one(&mut raw, "SORT (SIZE) US-ASCII SUBJECT none").await, "SORT");
    let line = one(&mut raw, "UID SORT RETURN (MIN MAX ALL COUNT SAVE) (DATE) UTF-8 1:3").await;
    assert_eq!(line, "ESEARCH (TAG \"a\") UID MIN 3 MAX 2 ALL 3,1:2 COUNT 3");
    assert_eq!(
        one(&mut raw, "SORT RETURN (PARTIAL -1:-1) (ARRIVAL) UTF-8 $").await,
        "ESEARCH (TAG \"a\") PARTIAL (-1:-1 1)"
    );
    for refused in
        ["SORT () UTF-8 ALL", "SORT (X-KEY) UTF-8 ALL", "SORT (RELEVANCY) UTF-8 ALL", "SORT (SIZE) ALL"]
    {
        assert!(ask(&mut raw, refused).await[0].starts_with("BAD"), "{refused}");
    }
    assert!(ask(&mut raw, "SORT (SIZE) KOI8-R ALL").await[0].starts_with("NO [BADCHARSET"));

    let mut client = connect(&store).await;
    let sorted = client.uid_sort([SortKey::Arrival.reversed()], [SearchKey::All]).await.unwrap();
    assert_eq!(sorted.iter().map(Uid::get).collect::<Vec<_>>(), [1, 3, 2]);
}

#[tokio::test]
async fn conversations() {
    let (store, user) = store();
    for (date, header) in [
        (5, "Subject: lunch\r\nMessage-ID: <a@x>\r\n"),
        (6, "Subject: Re: lunch\r\nMessage-ID: <b@x>\r\nReferences: <a@x>\r\n"),
        (7, "Subject: dinner\r\nMessage-ID: <c@x>\r\n"),
        (8, "Subject: other\r\nMessage-ID: <d@x>\r\nIn-Reply-To: yours <\"a\"@x> of today\r\n"),
        (9, "Subject: Re: lunch\r\nMessage-ID: <e@x>\r\nReferences: <a@x> <b@x>\r\n"),
    ] {
        append(&user, &format!("Date: {date} Jan 2026 10:00:00 +0000\r\n{header}\r\n"), 100 - date);
    }
    let mut raw = select(&store).await;
    assert_eq!(one(&mut raw, "THREAD ORDEREDSUBJECT UTF-8 ALL").await, "THREAD (1 (2)(5))(3)(4)");
    assert_eq!(one(&mut raw, "THREAD REFERENCES UTF-8 ALL").await, "THREAD (1 (2 5)(4))(3)");
    assert_eq!(one(&mut raw, "UID THREAD REFERENCES UTF-8 NOT 1").await, "THREAD ((2 5)(4))(3)");
    assert_eq!(one(&mut raw, "THREAD REFS UTF-8 ALL").await, "THREAD (3)(1 (4)(2 5))");
    assert_eq!(one(&mut raw, "THREAD REFERENCES UTF-8 SUBJECT none").await, "THREAD");
    assert!(ask(&mut raw, "THREAD X-OWN UTF-8 ALL").await[0].starts_with("BAD"));

    let mut client = connect(&store).await;
    let threads = client.uid_thread(ThreadAlgorithm::References, [SearchKey::All]).await.unwrap();
    let shown: Vec<_> = threads.nodes().iter().map(|node| (node.depth, node.number.unwrap().get())).collect();
    assert_eq!(shown, [(0, 1), (1, 2), (2, 5), (1, 4), (0, 3)]);
    assert_eq!(threads.threads().count(), 2);
}

#[tokio::test]
async fn comparators() {
    let (store, user) = store();
    append(&user, "Subject: =?utf-8?q?GR=C3=9CN?=\r\n\r\n", 0);
    let mut raw = select(&store).await;
    for patterns in ["", " default", " cz;* i;unicode*"] {
        assert_eq!(
            one(
                &mut raw,
                &format!("COMPARATOR{patterns}")
                    .replace(" cz;*", " \"cz;*\"")
                    .replace(" i;unicode*", " \"i;unicode*\"")
            )
            .await,
            "COMPARATOR i;unicode-casemap"
        );
    }
    assert!(ask(&mut raw, "COMPARATOR i;octet").await[0].starts_with("NO [BADCOMPARATOR]"));

    let mut client = connect(&store).await;
    let active = client.comparator(["i;unicode-casemap"]).await.unwrap();
    assert_eq!(active.as_deref(), Some("i;unicode-casemap"));
    let error = client.comparator(["i;octet"]).await.unwrap_err();
    assert!(error.refused().unwrap().code.as_ref().is_some_and(|code| *code == "BADCOMPARATOR"));
    let subject = SearchKey::Subject("gr\u{fc}n".try_into().unwrap());
    assert_eq!(client.uid_search([subject]).await.unwrap().len(), 1);
}

/// A criterion that comes again decides nothing.
#[tokio::test]
async fn criteria_that_are_given_again_cost_nothing() {
    let (store, ada) = store();
    for number in 0..600 {
        append(&ada, "Cc: a@x\r\n\r\n", number);
    }
    let mut raw = select(&store).await;
    let sorted =
        one(&mut raw, &format!("SORT (CC {}REVERSE CC ARRIVAL) UTF-8 1:3", "CC ".repeat(20_000))).await;
    assert_eq!(sorted, "SORT 1 2 3");
    one(&mut raw, &format!("SORT ({}CC) UTF-8 ALL", "CC ".repeat(20_000))).await;
}

/// RFC 6203: what is alike is found, and told how much it is so.
#[tokio::test]
async fn what_is_alike() {
    let (store, user) = store();
    for subject in ["Hello", "Help wanted", "Other", "A helot"] {
        append(&user, &format!("Subject: {subject}\r\n\r\nbody\r\n"), 0);
    }
    let mut raw = select(&store).await;
    assert_eq!(one(&mut raw, "SEARCH SUBJECT Helo").await, "SEARCH 4");
    assert_eq!(one(&mut raw, "SEARCH FUZZY SUBJECT Helo").await, "SEARCH 1 2 4");
    assert_eq!(
        one(&mut raw, "SEARCH RETURN (RELEVANCY ALL) FUZZY SUBJECT Helo").await,
        "ESEARCH (TAG \"a\") RELEVANCY (75 75 90) ALL 1:2,4"
    );
    assert_eq!(one(&mut raw, "SORT (RELEVANCY) UTF-8 FUZZY SUBJECT Helo").await, "SORT 4 1 2");
    assert_eq!(
        one(&mut raw, "UID SORT RETURN (PARTIAL 1:2 RELEVANCY) (RELEVANCY SUBJECT) UTF-8 FUZZY TEXT helo")
            .await,
        "ESEARCH (TAG \"a\") UID PARTIAL (1:2 4,1) RELEVANCY (90 75)"
    );
    // What is not text is asked for as it stands.
    assert_eq!(one(&mut raw, "SEARCH FUZZY (SUBJECT Helo NOT SUBJECT want LARGER 10)").await, "SEARCH 1 4");
    assert_eq!(one(&mut raw, "SEARCH NOT FUZZY OR SUBJECT Helo UNSEEN").await, "SEARCH");
    let refused = ask(&mut raw, "SORT (RELEVANCY) UTF-8 SUBJECT Helo").await;
    assert!(refused[0].starts_with("BAD"), "{refused:?}");
}

/// RFC 5466: searches that are kept under a name.
#[tokio::test]
async fn filters_have_names() {
    let (store, user) = store();
    for subject in ["one", "two", "three"] {
        append(&user, &format!("Subject: {subject}\r\n\r\n"), 0);
    }
    let mut raw = select(&store).await;
    for (name, value) in [
        ("private/filters/values/small", "OR SUBJECT one SUBJECT \\\"two\\\""),
        ("private/filters/values/Deep", "NOT FILTER small"),
        ("private/filters/values/odd", "OR SMALLER"),
        ("private/filters/values/loop", "FILTER loop2"),
        ("private/filters/values/loop2", "OR SEEN FILTER loop"),
        ("private/filters/values/wide0", "ALL ALL ALL ALL ALL ALL ALL ALL"),
    ] {
        let set = ask(&mut raw, &format!("SETMETADATA \"\" (\"/{name}\" \"{value}\")")).await;
        assert!(set.last().unwrap().starts_with("OK"), "{name}: {set:?}");
    }
    assert_eq!(one(&mut raw, "SEARCH FILTER small").await, "SEARCH 1 2");
    assert_eq!(one(&mut raw, "UID SEARCH OR FILTER deep SUBJECT one").await, "SEARCH 1 3");
    assert_eq!(one(&mut raw, "SORT (REVERSE ARRIVAL) UTF-8 FILTER SMALL 2:3").await, "SORT 2");
    for (search, name) in [("FILTER none", "none"), ("NOT FILTER odd", "odd"), ("UNSEEN FILTER loop", "loop")]
    {
        let refused = ask(&mut raw, &format!("SEARCH {search}")).await;
        assert!(refused[0].starts_with(&format!("NO [UNDEFINED-FILTER {name}")), "{refused:?}");
    }
    // Each has the one below it many times.
    for depth in 1..7 {
        let value = format!("FILTER wide{}", depth - 1);
        let value = [value.as_str(); 12].join(" ");
        let set = format!("SETMETADATA \"\" (\"/private/filters/values/wide{depth}\" \"{value}\")");
        assert!(ask(&mut raw, &set).await.last().unwrap().starts_with("OK"));
    }
    assert_eq!(one(&mut raw, "SEARCH FILTER wide2").await, "SEARCH 1 2 3");
    let refused = ask(&mut raw, "SEARCH FILTER wide6").await;
    assert!(refused[0].starts_with("NO [LIMIT]"), "{refused:?}");
}

/// A search may name a hundred filters, each as often as it likes.
#[tokio::test]
async fn a_filter_counts_once() {
    let (store, user) = store();
    append(&user, "Subject: one\r\n\r\n", 0);
    let mut raw = select(&store).await;
    for number in 0..=100 {
        let set = format!("SETMETADATA \"\" (\"/private/filters/values/f{number}\" \"SUBJECT one\")");
        assert!(ask(&mut raw, &set).await.last().unwrap().starts_with("OK"));
    }
    let search = |numbers: std::ops::Range<u32>| -> String {
        let names: Vec<String> = numbers.map(|number| format!("FILTER f{number}")).collect();
        format!("SEARCH {}", names.join(" "))
    };
    assert_eq!(one(&mut raw, &(search(0..100) + " FILTER f0")).await, "SEARCH 1");
    let refused = ask(&mut raw, &search(0..101)).await;
    assert!(refused[0].starts_with("NO [LIMIT]"), "{refused:?}");
}

/// Deep filters in each other do not exhaust the stack.
#[tokio::test]
async fn filters_are_not_nested_without_end() {
    let (store, user) = store();
    append(&user, "Subject: one\r\n\r\n", 0);
    let mut raw = select(&store).await;
    let deep = |inner: &str| format!("{}{inner}{}", "FUZZY (".repeat(30), ")".repeat(30));
    let mut inner = "ALL".to_owned();
    for number in 0..8 {
        let set = format!("SETMETADATA \"\" (\"/private/filters/values/f{number}\" \"{}\")", deep(&inner));
        assert!(ask(&mut raw, &set).await.last().unwrap().starts_with("OK"));
        inner = format!("FILTER f{number}");
    }
    assert_eq!(one(&mut raw, "SEARCH FILTER f0").await, "SEARCH 1");
    for number in [1, 4, 7] {
        let refused = ask(&mut raw, &format!("SEARCH FILTER f{number}")).await;
        assert!(refused[0].starts_with("NO [LIMIT]"), "{refused:?}");
    }
}

/// PREVIEW under the names that it had before.
#[tokio::test]
async fn first_words_under_other_names() {
    let (store, user) = store();
    append(&user, "Subject: one\r\n\r\nThe first words\r\n", 0);
    let mut raw = select(&store).await;
    let told = ask(&mut raw, "FETCH 1 (SNIPPET (LAZY=FUZZY) PREVIEW (FUZZY))").await;
    assert_eq!(told[0], "1 FETCH (SNIPPET (FUZZY \"The first words\") PREVIEW \"The first words\")");
}
