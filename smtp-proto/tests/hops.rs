//! Trace fields as real servers write them.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use mailwire_core::Text;
use mailwire_smtp::{
    Mailbox,
    extensions::priority::Priority,
    trace::{Hop, Protocol, Received, Timestamp, hops},
};

/// from, reverse, address, by, with, id, for, cipher suite, seconds.
type Expected = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Option<i64>,
);

const NOON: i64 = 1_795_867_200;

fn shown(text: Option<&Text>) -> String {
    text.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
}

#[test]
fn fields_of_real_servers() {
    let cases: [(&str, &str, Expected); 17] = [
        (
            "Postfix",
            "from mail.example.org (mail.example.org [IPv6:2001:db8::1])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n\t key-exchange X25519 server-signature RSA-PSS (2048 bits))\r\n\t(No client certificate requested)\r\n\tby mx.example.net (Postfix) with ESMTPS id 4XyZ12\r\n\tfor <bob@example.net>; Sat, 28 Nov 2026 13:00:00 +0100 (CET)",
            (
                "mail.example.org",
                "mail.example.org",
                "2001:db8::1",
                "mx.example.net",
                "ESMTPS",
                "4XyZ12",
                "bob@example.net",
                "TLS_AES_256_GCM_SHA384",
                Some(NOON),
            ),
        ),
        (
            "Postfix, from a user",
            "by mail.example.org (Postfix, from userid 1000)\r\n\tid 8D2F; Sat, 28 Nov 2026 12:00:00 +0000 (UTC)",
            ("", "", "", "mail.example.org", "", "8D2F", "", "", Some(NOON)),
        ),
        (
            "Gmail",
            "from mail-wr1-x431.google.com (mail-wr1-x431.google.com. [2a00:1450:4864:20::431])\r\n        by mx.google.com with ESMTPS id a1-20020a5.2026.11.28.04.00.00\r\n        for <bob@example.net>\r\n        (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256 bits=128/128);\r\n        Sat, 28 Nov 2026 04:00:00 -0800 (PST)",
            (
                "mail-wr1-x431.google.com",
                "mail-wr1-x431.google.com.",
                "2a00:1450:4864:20::431",
                "mx.google.com",
                "ESMTPS",
                "a1-20020a5.2026.11.28.04.00.00",
                "bob@example.net",
                "TLS_AES_128_GCM_SHA256",
                Some(NOON),
            ),
        ),
        (
            "Gmail, within",
            "by 2002:a05:6a10:1234:b0:1:2:3 with SMTP id abc123csp;\r\n        Sat, 28 Nov 2026 04:00:00 -0800 (PST)",
            ("", "", "", "2002:a05:6a10:1234:b0:1:2:3", "SMTP", "abc123csp", "", "", Some(NOON)),
        ),
        (
            "Exchange",
            "from DB9PR01.eurprd01.prod.example.com (2603:10a6:10:2a1::5) by\r\n AM0PR01.eurprd01.prod.example.com (2603:10a6:208:e3::22) with Microsoft SMTP\r\n Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id\r\n 15.20.8534.26; Sat, 28 Nov 2026 12:00:00 +0000",
            (
                "DB9PR01.eurprd01.prod.example.com",
                "",
                "2603:10a6:10:2a1::5",
                "AM0PR01.eurprd01.prod.example.com",
                "Microsoft SMTP Server",
                "15.20.8534.26",
                "",
                "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
                Some(NOON),
            ),
        ),
        (
            "Exchange, within",
            "from AM0PR01.example.com ([fe80::1%4]) by AM0PR01.example.com\r\n ([fe80::1%4]) with mapi id 15.20.8534.26; Sat, 28 Nov 2026 12:00:00 +0000",
            (
                "AM0PR01.example.com",
                "",
                "",
                "AM0PR01.example.com",
                "mapi",
                "15.20.8534.26",
                "",
                "",
                Some(NOON),
            ),
        ),
        (
            "Exim",
            "from [192.0.2.1] (port=40312 helo=client.example)\r\n\tby mx.example.net with esmtpsa  (TLS1.3) tls TLS_AES_256_GCM_SHA384\r\n\t(Exim 4.98)\r\n\t(envelope-from <a@client.example>)\r\n\tid 1tGabc-000000001-XyZ\r\n\tfor bob@example.net;\r\n\tSat, 28 Nov 2026 12:00:00 +0000",
            (
                "client.example",
                "",
                "192.0.2.1",
                "mx.example.net",
                "esmtpsa",
                "1tGabc-000000001-XyZ",
                "bob@example.net",
                "TLS_AES_256_GCM_SHA384",
                Some(NOON),
            ),
        ),
        (
            "Exim, with a name",
            "from name.example ([192.0.2.1]:5000 helo=client.example)\r\n\tby mx.example.net with esmtp (Exim 4.98) id 1tG; Sat, 28 Nov 2026 12:00:00 +0000",
            (
                "client.example",
                "name.example",
                "192.0.2.1",
                "mx.example.net",
                "esmtp",
                "1tG",
                "",
                "",
                Some(NOON),
            ),
        ),
        (
            "Sendmail",
            "from client.example (name.example [192.0.2.1] (may be forged))\r\n\t(authenticated bits=0)\r\n\tby mx.example.net (8.18.1/8.18.1) with ESMTPSA id 4ASC0 (version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NO)\r\n\tfor <bob@example.net>; Sat, 28 Nov 2026 12:00:00 GMT",
            (
                "client.example",
                "name.example",
                "192.0.2.1",
                "mx.example.net",
                "ESMTPSA",
                "4ASC0",
                "bob@example.net",
                "TLS_AES_256_GCM_SHA384",
                Some(NOON),
            ),
        ),
        (
            "qmail",
            "from unknown (HELO client.example) (192.0.2.1)\r\n  by mx.example.net with SMTP; 28 Nov 2026 12:00:00 -0000",
            ("client.example", "", "192.0.2.1", "mx.example.net", "SMTP", "", "", "", Some(NOON)),
        ),
        (
            "qmail, from the network",
            "(qmail 12345 invoked from network); 28 Nov 2026 12:00:00 -0000",
            ("", "", "", "", "", "", "", "", Some(NOON)),
        ),
        (
            "CommuniGate Pro",
            "from [192.0.2.1] (HELO client.example)\r\n  by mx.example.net (CommuniGate Pro SMTP 6.4)\r\n  with ESMTPS id 123456 for bob@example.net; Sat, 28 Nov 2026 12:00:00 +0000",
            (
                "client.example",
                "",
                "192.0.2.1",
                "mx.example.net",
                "ESMTPS",
                "123456",
                "bob@example.net",
                "",
                Some(NOON),
            ),
        ),
        (
            "fetchmail",
            "from pop.example.org [192.0.2.1]\r\n\tby localhost with POP3 (fetchmail-6.4.39)\r\n\tfor <bob@localhost> (single-drop); Sat, 28 Nov 2026 13:00:00 +0100 (CET)",
            ("pop.example.org [192.0.2.1]", "", "", "localhost", "POP3", "", "bob@localhost", "", Some(NOON)),
        ),
        (
            "Dovecot, LMTP",
            "from mx.example.net\r\n\tby imap.example.net with LMTP\r\n\tid 8OXDFKCT1\r\n\t(envelope-from <a@client.example>)\r\n\tfor <bob@example.net>; Sat, 28 Nov 2026 12:00:00 +0000",
            (
                "mx.example.net",
                "",
                "",
                "imap.example.net",
                "LMTP",
                "8OXDFKCT1",
                "bob@example.net",
                "",
                Some(NOON),
            ),
        ),
        (
            "Cyrus",
            "from mx.example.net ([unix socket])\r\n\t by imap.example.net (Cyrus 3.8.4) with LMTPA;\r\n\t Sat, 28 Nov 2026 12:00:00 +0000",
            ("mx.example.net", "", "", "imap.example.net", "LMTPA", "", "", "", Some(NOON)),
        ),
        (
            "SendGrid",
            "by geopod-ismtpd-24 with SMTP id Abc_dEf-gh\r\n\tSat, 28 Nov 2026 12:00:00.000 +0000 (UTC)",
            (
                "",
                "",
                "",
                "geopod-ismtpd-24",
                "SMTP",
                "Abc_dEf-gh Sat, 28 Nov 2026 12:00:00.000 +0000",
                "",
                "",
                None,
            ),
        ),
        (
            "RFC 5321, with all clauses and several recipients",
            "from \"a b\" by c via TCP with SMTP id \"x;y\"@z for <a@b>, <c@d> (and others) ; 28 Nov 26 12:00 UT",
            ("\"a b\"", "", "", "c", "SMTP", "\"x;y\"@z", "<a@b>, <c@d>", "", Some(NOON)),
        ),
    ];
    for (who, field, (from, reverse, address, by, with, id, recipient, cipher_suite, date)) in cases {
        let hop = Hop::read(field.as_bytes());
        let said = [&hop.from, &hop.reverse, &hop.by, &hop.with, &hop.id, &hop.recipient, &hop.cipher_suite];
        assert_eq!(
            said.map(|text| shown(text.as_ref())),
            [from, reverse, by, with, id, recipient, cipher_suite],
            "{who}"
        );
        assert_eq!(hop.address.map(|it| it.to_string()).unwrap_or_default(), address, "{who}");
        assert_eq!(hop.date.map(Timestamp::seconds), date, "{who}");
        // However it is folded.
        assert_eq!(Hop::read(field.replace("\r\n", "\n").as_bytes()).from, hop.from, "{who}");
    }
}

/// What is there and empty is not there.
#[test]
fn no_text_is_empty() {
    for field in ["for <>", "from by a for <> ; x", "from (helo=) by b (cipher=)", "tls ; from"] {
        let hop = Hop::read(field.as_bytes());
        let all = [hop.from, hop.reverse, hop.by, hop.via, hop.with, hop.id, hop.recipient, hop.cipher_suite];
        assert!(all.iter().flatten().all(|text| !text.as_bytes().is_empty()), "{field}");
    }
}

#[test]
fn protocols_and_their_protection() {
    for (field, tls, authenticated) in [
        ("by a with ESMTPSA", true, true),
        ("by a with esmtp", false, false),
        ("by a with UTF8LMTPS", true, false),
        ("by a with SMTP tls TLS_AES_256_GCM_SHA384", true, false),
        ("by a with Microsoft SMTP Server (version=TLS1_2, cipher=X)", true, false),
        ("by a with HTTP", false, false),
    ] {
        let hop = Hop::read(field.as_bytes());
        assert_eq!(hop.is_tls(), tls, "{field}");
        assert_eq!(hop.protocol().is_some_and(Protocol::is_authenticated), authenticated, "{field}");
    }
}

#[test]
fn the_way_of_a_message_and_its_delays() {
    let message = b"Return-Path: <a@b>\r\nReceived: by d\r\n\twith LMTP; Sat, 28 Nov 2026 12:00:07 +0000\r\n\
        received : from b by c; Sat, 28 Nov 2026 13:00:05 +0100\r\nno field\r\nX-Received: by x; Sat, 28 Nov 2026 12:00:00 +0000\r\n\
        Received: from nowhere\r\nReceived: from a by b; Sat, 28 Nov 2026 04:00:09 -0800\r\n\r\nReceived: by e\r\n";
    let hops = hops(message);
    let way: Vec<_> = hops.iter().map(|hop| (shown(hop.by.as_ref()), hop.delay)).collect();
    let expected = [("b", None), ("", None), ("c", Some(-4)), ("d", Some(2))];
    assert_eq!(way, expected.map(|(by, delay)| (by.to_owned(), delay)));
    assert!(mailwire_smtp::trace::hops(b"").is_empty());
    // Anybody can send a header of nothing else.
    let many = b"Received:\r\n".repeat(100_000);
    assert_eq!(mailwire_smtp::trace::hops(&many).len(), 500);
}

/// What is written by this crate is read with all that it says.
#[test]
fn written_and_read() {
    for (from, address) in [("client.example", "192.0.2.1"), ("[IPv6:2001:db8::1]", "2001:db8::1")] {
        let received = Received::new(
            from.parse().unwrap(),
            "mx.example".try_into().unwrap(),
            Timestamp::new(1_795_867_200, -90).unwrap(),
        )
        .with_address(address.parse().unwrap())
        .with_reverse("name.example".parse().unwrap())
        .with_protocol(Protocol::lmtp().with_tls(true))
        .with_recipient(Mailbox::try_from("\"b (c;\"@mx.example").unwrap())
        .with_priority(Priority::new(4).unwrap())
        .with_id("a1")
        .unwrap()
        .with_cipher_suite("TLS13_AES_256_GCM_SHA384")
        .unwrap();
        let mut field = Vec::new();
        received.write(&mut field);
        let hop = &hops(&field)[0];
        assert_eq!(hop.from.as_ref().unwrap(), &from);
        assert_eq!(shown(hop.reverse.as_ref()), "name.example");
        assert_eq!((hop.address, hop.protocol()), (received.address, received.protocol));
        assert_eq!(shown(hop.recipient.as_ref()), "\"b (c;\"@mx.example");
        assert_eq!((shown(hop.id.as_ref()), hop.date), ("a1".to_owned(), Some(received.date)));
        assert_eq!(shown(hop.by.as_ref()), "mx.example");
        assert_eq!(shown(hop.cipher_suite.as_ref()), "TLS13_AES_256_GCM_SHA384");
        assert_eq!(hop.priority, received.priority);
    }
}

#[test]
fn nothing_in_a_field_costs_more_than_its_bytes() {
    for piece in ["(", ")", "\\", "\"", "from ", "(helo=", "[", ";", "<", "cipher ", "a(b", "for <"] {
        for length in [16 * 1024, 200_000] {
            let field = piece.repeat(length / piece.len());
            let hop = Hop::read(field.as_bytes());
            let kept: usize = hop.comments.iter().map(|text| text.as_bytes().len()).sum();
            assert!(kept <= field.len(), "{piece}");
        }
    }
    // A value for each two bytes would take much more than these.
    let field = |comments: usize| format!("from a {} by b", "()".repeat(comments));
    assert_eq!(Hop::read(field(7).as_bytes()).comments.len(), 7);
    let hop = Hop::read(field(8000).as_bytes());
    assert_eq!((hop.comments.len(), shown(hop.by.as_ref())), (50, "b".to_owned()));
    assert_eq!(Hop::read(field(8200).as_bytes()), Hop::default());
}
