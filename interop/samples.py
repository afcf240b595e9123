"""Messages that are hard to read: made by hand, each with one oddity, and made up from a seed.

Lines end in CR LF, and there is no NUL in them: what the three servers cannot store alike is not compared.
"""

import random

PLAIN = "From: Bob <bob@example.net>\nTo: anna@example.org\nSubject: %s\nDate: Sat, 21 Nov 2026 12:00:00 +0000\n" \
        "Message-ID: <%s@example.net>\n"


def crlf(text):
    return (text.encode("utf-8") if isinstance(text, str) else text).replace(b"\n", b"\r\n")


def mime(name, rest):
    """A usual header, and then this."""
    return crlf(PLAIN % (name, name) + "MIME-Version: 1.0\n") + crlf(rest)


BODIES = {
    "no-content-type": "\nhello\n",
    "no-line-end": "\none\ntwo",
    "no-line-end-but-one": "\none",
    "empty-body": "\n",
    "header-alone": "",
    "blank-lines": "\n\n\n\n",
    "text-without-charset": "Content-Type: text/plain\n\nhello\n",
    "text-with-other-parameters": "Content-Type: text/html; name=x.html; format=flowed\n\n<p>hello\n",
    "application": "Content-Type: application/octet-stream\n\nhello\n",
    "content-type-without-subtype": "Content-Type: text\n\nhello\n",
    "content-type-without-subtype-but-slash": "Content-Type: text/\n\nhello\n",
    "content-type-empty": "Content-Type:\n\nhello\n",
    "content-type-is-no-type": "Content-Type: text plain; charset=utf-8\n\nhello\n",
    "content-type-with-two-slashes": "Content-Type: text/plain/html; charset=utf-8\n\nhello\n",
    "content-type-quoted": "Content-Type: \"text/plain\"; charset=utf-8\n\nhello\n",
    "content-type-twice": "Content-Type: text/html\nContent-Type: text/plain; charset=utf-8\n\nhello\n",
    "content-type-with-comments":
        "Content-Type: (a) text (b) / (c) html (d) ; (e) charset (f) = (g) utf-8 (h)\n\nhello\n",
    "content-type-in-capitals": "CONTENT-TYPE: TEXT/HTML; CHARSET=UTF-8\n\nhello\n",
    "content-type-folded": "Content-Type:\n text/html;\n\tcharset=\"utf-8\";\n name=\"a\n b\"\n\nhello\n",
    "content-type-junk-after-it": "Content-Type: text/html charset=utf-8\n\nhello\n",
    "parameter-without-semicolon":
        "Content-Type: message/external-body; access-type=mail-server server=\"x@example.org\"\n\n"
        "Content-Type: text/plain\n\n",
    "parameter-with-spaces": "Content-Type: text/plain; name=my file.txt; charset=utf-8\n\nhello\n",
    "parameter-without-value": "Content-Type: text/plain; junk; charset=utf-8; name=; format\n\nhello\n",
    "parameter-empty": "Content-Type: text/plain; name=\"\"; charset=utf-8\n\nhello\n",
    "parameter-escaped": "Content-Type: text/plain; name=\"a\\\"b\\\\c\\d\"\n\nhello\n",
    "parameter-quote-open": "Content-Type: text/plain; name=\"abc\n\nhello\n",
    "parameter-twice": "Content-Type: text/plain; name=a; name=b\n\nhello\n",
    "parameter-many-semicolons": "Content-Type: text/plain;; ; name=a;\n\nhello\n",
    "parameter-with-specials": "Content-Type: text/plain; name=a/b=c?d; charset=utf-8\n\nhello\n",
    "parameter-spaces-around-equals": "Content-Type: text/plain; name = \"a b\" ; charset = utf-8\n\nhello\n",
    "parameter-8-bit": "Content-Type: text/plain; name=\"Grüße.txt\"\n\nhello\n",
    "parameter-8-bit-atom": "Content-Type: text/plain; name=Grüße.txt\n\nhello\n",
    "parameter-encoded-word": "Content-Type: text/plain; name=\"=?utf-8?q?Gr=C3=BC=C3=9Fe?=\"\n\nhello\n",
    "rfc2231-charset": "Content-Type: text/plain; name*=utf-8'de'Gr%C3%BC%C3%9Fe.txt\n\nhello\n",
    "rfc2231-continued": "Content-Type: text/plain; name*0=\"a long \"; name*1=name.txt\n\nhello\n",
    "rfc2231-continued-charset":
        "Content-Type: text/plain; name*0*=utf-8''Gr%C3%BC; name*1*=%C3%9Fe; name*2=\".txt\"\n\nhello\n",
    "rfc2231-out-of-order": "Content-Type: text/plain; name*1=b; name*0=a\n\nhello\n",
    "rfc2231-gap": "Content-Type: text/plain; name*0=a; name*2=c\n\nhello\n",
    "rfc2231-both": "Content-Type: text/plain; name=plain.txt; name*=utf-8''Gr%C3%BC.txt\n\nhello\n",
    "encoding-unknown": "Content-Type: text/plain\nContent-Transfer-Encoding: x-uuencode\n\nhello\n",
    "encoding-with-comment": "Content-Transfer-Encoding: base64 (really)\n\naGVsbG8=\n",
    "encoding-in-capitals": "Content-Transfer-Encoding: Quoted-Printable\n\nh=65llo w=C3=B6rld\n",
    "encoding-empty": "Content-Transfer-Encoding:\n\nhello\n",
    "encoding-quoted": "Content-Transfer-Encoding: \"base64\"\n\naGVsbG8=\n",
    "encoding-semicolon": "Content-Transfer-Encoding: base64;\n\naGVsbG8=\n",
    "encoding-with-space": "Content-Transfer-Encoding: quoted printable\n\nh=65llo\n",
    "disposition": "Content-Disposition: attachment; filename=\"a b.txt\"; size=5\n\nhello\n",
    "disposition-without-kind": "Content-Disposition: ; filename=a.txt\n\nhello\n",
    "disposition-filename-alone": "Content-Disposition: filename=a.txt\n\nhello\n",
    "disposition-with-spaces": "Content-Disposition: attachment; filename=my file.txt\n\nhello\n",
    "disposition-empty": "Content-Disposition:\n\nhello\n",
    "languages": "Content-Language: de, en (english),\n fr\n\nhello\n",
    "language-odd": "Content-Language: de en;fr\n\nhello\n",
    "other-fields":
        "Content-ID: <1@x> (c)\nContent-Description: a  long\n description\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\n"
        "Content-Location: http://example.org/a\n b\n\nhello\n",
    "description-8-bit": "Content-Description: Grüße \"x\" \\y\n\nhello\n",
    "header-line-without-colon": "this is no field\nContent-Type: text/html\n\nhello\n",
    "header-space-before-colon": "Content-Type : text/html\n\nhello\n",
    "header-line-of-spaces": "X-Odd: a\n  \n b\nContent-Type: text/html\n\nhello\n",

    "multipart": "Content-Type: multipart/mixed; boundary=x\n\npreamble\n--x\n\none\n--x\nContent-Type: text/html\n\n"
                 "<p>two\n--x--\nepilogue\n",
    "multipart-without-boundary": "Content-Type: multipart/mixed\n\n--x\n\none\n--x--\n",
    "multipart-empty-boundary": "Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\none\n----\n",
    "multipart-no-part": "Content-Type: multipart/mixed; boundary=x\n\nno part here\n",
    "multipart-no-body": "Content-Type: multipart/mixed; boundary=x\n\n",
    "multipart-header-alone": "Content-Type: multipart/mixed; boundary=x\n",
    "multipart-boundaries-alone": "Content-Type: multipart/mixed; boundary=x\n\n--x\n--x\n--x--\n",
    "multipart-one-boundary-alone": "Content-Type: multipart/mixed; boundary=x\n\n--x\n",
    "multipart-end-alone": "Content-Type: multipart/mixed; boundary=x\n\n--x--\n",
    "multipart-end-first": "Content-Type: multipart/mixed; boundary=x\n\n--x--\n\n--x\n\none\n--x--\n",
    "multipart-no-end": "Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x\n\ntwo\n",
    "multipart-no-end-no-line-end": "Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x\n\ntwo",
    "multipart-end-without-line-end": "Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x--",
    "multipart-more-after-end": "Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x--\n\n--x\n\ntwo\n--x--\n",
    "multipart-padding": "Content-Type: multipart/mixed; boundary=x\n\n--x \t\n\none\n--x-- \t\n",
    "multipart-junk-after-boundary": "Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--xjunk\n\ntwo\n--x junk\n"
                                     "\nthree\n--x--\n",
    "multipart-junk-after-end": "Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x--junk\n\ntwo\n--x--\n",
    "multipart-space-before-boundary": "Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n --x\n\ntwo\n--x--\n",
    "multipart-boundary-quoted": "Content-Type: multipart/mixed; boundary=\"a b (c)\"\n\n--a b (c)\n\none\n--a b (c)--\n",
    "multipart-boundary-space-at-end": "Content-Type: multipart/mixed; boundary=\"x \"\n\n--x \n\none\n--x --\n",
    "multipart-boundary-ends-in-dashes": "Content-Type: multipart/mixed; boundary=\"x--\"\n\n--x--\n\none\n--x----\n",
    "multipart-boundary-of-dashes": "Content-Type: multipart/mixed; boundary=\"--\"\n\n----\n\none\n------\n",
    "multipart-boundary-other-case": "Content-Type: multipart/mixed; boundary=AbC\n\n--abc\n\none\n--AbC\n\ntwo\n--AbC--\n",
    "multipart-boundary-long":
        f"Content-Type: multipart/mixed; boundary=\"{'b' * 100}\"\n\n--{'b' * 100}\n\none\n--{'b' * 100}--\n",
    "multipart-boundary-continued":
        "Content-Type: multipart/mixed; boundary*0=ab; boundary*1=cd\n\n--abcd\n\none\n--abcd--\n",
    "multipart-boundary-8-bit": "Content-Type: multipart/mixed; boundary=\"ü\"\n\n--ü\n\none\n--ü--\n",
    "multipart-without-subtype": "Content-Type: multipart; boundary=x\n\n--x\n\none\n--x--\n",
    "multipart-encoded": "Content-Type: multipart/mixed; boundary=x\nContent-Transfer-Encoding: base64\n\n--x\n\none\n--x--\n",
    "multipart-no-empty-line-after-header":
        "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/html\n--x\n\ntwo\n--x--\n",
    "multipart-text-for-header": "Content-Type: multipart/mixed; boundary=x\n\n--x\nno header: here\nbut text\n\nmore\n--x--\n",
    "multipart-lone-text-for-header": "Content-Type: multipart/mixed; boundary=x\n\n--x\nbut text alone\n--x--\n",
    "nested": "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/alternative; boundary=y\n\n"
              "--y\n\none\n--y\nContent-Type: text/html\n\ntwo\n--y--\n--x\n\nthree\n--x--\n",
    "nested-no-end": "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/alternative; boundary=y\n\n"
                     "--y\n\none\n--x\n\nthree\n--x--\n",
    "nested-prefix-outer": "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/alternative; "
                           "boundary=xy\n\n--xy\n\none\n--xy\n\ntwo\n--xy--\n--x\n\nthree\n--x--\n",
    "nested-prefix-inner": "Content-Type: multipart/mixed; boundary=xy\n\n--xy\nContent-Type: multipart/alternative; "
                           "boundary=x\n\n--x\n\none\n--x\n\ntwo\n--x--\n--xy\n\nthree\n--xy--\n",
    "nested-dash-prefix": "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/alternative; "
                          "boundary=x--y\n\n--x--y\n\none\n--x--y--\n--x\n\nthree\n--x--\n",
    "nested-same-boundary": "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/alternative; "
                            "boundary=x\n\n--x\n\none\n--x--\n--x\n\nthree\n--x--\n",
    "nested-without-boundary": "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/alternative\n\n"
                               "text\n--x\n\nthree\n--x--\n",
    "nested-empty": "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/alternative; boundary=y\n\n"
                    "--x\n\nthree\n--x--\n",
    "digest": "Content-Type: multipart/digest; boundary=x\n\n--x\n\nSubject: inner\nFrom: a@b.c\n\none\n--x\n"
              "Content-Type: text/plain\n\ntwo\n--x\nContent-Type: nonsense\n\nthree\n--x--\n",
    "message": "Content-Type: message/rfc822\n\nFrom: a@b.c\nSubject: inner\n\none\ntwo\n",
    "message-in-multipart": "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: message/rfc822\n\n"
                            "From: a@b.c\nSubject: inner\nContent-Type: multipart/mixed; boundary=y\n\n--y\n\none\n--y\n\n"
                            "two\n--y--\n\n--x\n\nthree\n--x--\n",
    "message-of-text": "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: message/rfc822\n\n"
                       "From: a@b.c\n\none\n--x--\n",
    "message-in-message": "Content-Type: message/rfc822\n\nSubject: a\nContent-Type: message/rfc822\n\nSubject: b\n\nc\n",
    "message-empty": "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: message/rfc822\n\n--x--\n",
    "message-base64": "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeA0KDQp5DQo=\n",
    "message-global": "Content-Type: message/global\n\nSubject: ü\n\none\n",
    "message-partial": "Content-Type: message/partial; id=\"x\"; number=1; total=2\n\nSubject: x\n\none\n",
    "message-delivery-status": "Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\n\nfailed\n"
                               "--x\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; a\n\nStatus: 5.1.1\n"
                               "--x\nContent-Type: text/rfc822-headers\n\nSubject: old\n--x--\n",
    "text-latin-1": b"Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\nGr\xfc\xdfe J\xf6rg\n",
    "text-base64": "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
                   "R3LDvMOfZSB2b24gSsO2cmcgSW5uZXJseQo=\n",
    "text-utf-7": "Content-Type: text/plain; charset=utf-7\n\nGr+APwA3w-e\n",
    "text-koi8": b"Content-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: 8bit\n\n\xf0\xd2\xc9\xd7\xc5\xd4\n",
    "text-japanese": b"Content-Type: text/plain; charset=iso-2022-jp\n\n\x1b$B%F%9%H\x1b(B\n",
    "text-unknown-charset": b"Content-Type: text/plain; charset=x-none\n\nfindable \xfc\n",
    "text-soft-line-breaks": "Content-Transfer-Encoding: quoted-printable\n\nsoft=\nbreak and trailing   \n",
    "binary-base64": "Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\nZmluZGFibGUtYmluYXJ5\n",
    "html-entities": "Content-Type: text/html; charset=utf-8\n\n<p title=\"insidetag\">caf&eacute; spl<b>it</b>word</p>\n",
    "casemap": "Content-Type: text/plain; charset=utf-8\n\nSTRASSE straße ﬁnal Å Å Ǆ ① ｆｕｌｌ İstanbul ςσΣ\n",
}

HEADERS = {
    "from-comment": "From: anna@example.org (Anna (nested) B)",
    "from-comments-inside": "From: (c1) Anna (c2) B <(c3) anna (c4) @ (c5) example.org (c6)> (c7)",
    "from-quoted": "From: \"B, \\\"Anna\\\" \\\\ \" <anna@example.org>",
    "from-phrase-with-dots": "From: Anna B. Carl <anna@example.org>",
    "from-phrase-with-at": "From: anna@example.org <anna@example.org>",
    "from-quoted-pieces": "From: \"Anna\" B \"C. D\" <anna@example.org>",
    "from-route": "From: Anna <@a.example,@b.example:anna@example.org>",
    "from-route-spaced": "From: <@a.example , @b.example : anna@example.org>",
    "from-spaced": "From: anna . b @ example . org",
    "from-quoted-local": "From: \"anna b\"@example.org",
    "from-quoted-local-in-angle": "From: A <\"anna b\"@example.org>",
    "from-quoted-local-escaped": "From: <\"an\\\"na\\\\b\"@example.org>",
    "from-two-at": "From: <anna@b@example.org>",
    "from-no-domain": "From: anna",
    "from-no-domain-in-angle": "From: Anna <anna>",
    "from-no-local": "From: <@example.org>",
    "from-at-alone": "From: <@>",
    "from-empty-domain": "From: <anna@>",
    "from-empty-angle": "From: Anna <>",
    "from-angle-open": "From: Anna <anna@example.org",
    "from-angle-twice": "From: Anna <<anna@example.org>>",
    "from-text-after-angle": "From: <anna@example.org> Anna",
    "from-two-angles": "From: A <a@example.org> B <b@example.org>",
    "from-quote-open": "From: \"Anna <anna@example.org>",
    "from-comment-open": "From: Anna (open <anna@example.org>",
    "from-comment-close": "From: Anna) <anna@example.org>",
    "from-literal": "From: anna@[192.0.2.1]",
    "from-literal-ipv6": "From: <anna@[IPv6:2001:db8::1]>",
    "from-twice": "From: a@example.org\nFrom: b@example.org",
    "from-empty": "From:",
    "from-space": "From:  ",
    "from-folded": "From: Anna\n B\n\t<anna@\n example.org>",
    "from-tabs": "From: Anna\t\tB <anna@example.org>",
    "from-spaces": "From: Anna   B   <anna@example.org>",
    "from-8-bit": "From: Jörg <j@example.org>",
    "from-8-bit-latin-1": b"From: J\xf6rg <j@example.org>",
    "from-8-bit-local": "From: jörg@exämple.org",
    "from-encoded-word": "From: =?utf-8?q?J=C3=B6rg?= =?utf-8?q?_Meier?= <j@example.org>",
    "from-encoded-word-quoted": "From: \"=?utf-8?q?J=C3=B6rg?=\" <j@example.org>",
    "from-encoded-word-comment": "From: j@example.org (=?utf-8?q?J=C3=B6rg?=)",
    "from-encoded-comma": "From: =?utf-8?q?Meier=2C_J=C3=B6rg?= <j@example.org>",
    "from-apostrophe": "From: 'Anna' <anna@example.org>",
    "from-backslash": "From: An\\na <anna@example.org>",
    "from-url": "From: <http://example.org/>",
    "from-angle-space": "From: Anna < anna@example.org >",
    "from-unix": "From: anna@example.org Sat Nov 21 12:00:00 2026",
    "from-underscore": "From: a_b-c+d@ex-ample.org",
    "sender-and-reply-to": "From: a@example.org\nSender: s@example.org\nReply-To: r@example.org, r2@example.org",
    "sender-empty": "From: a@example.org\nSender:\nReply-To: ",
    "sender-invalid": "From: a@example.org\nSender: <>\nReply-To: ,",
    "to-list": "To: a@example.org, B <b@example.org>,c@example.org",
    "to-commas": "To: ,a@example.org,,b@example.org,",
    "to-semicolons": "To: a@example.org; b@example.org",
    "to-no-comma": "To: <a@example.org> <b@example.org>",
    "to-group": "To: friends: a@example.org, B <b@example.org>;, c@example.org",
    "to-group-empty": "To: undisclosed-recipients:;",
    "to-group-space": "To: undisclosed-recipients: ;",
    "to-group-open": "To: friends: a@example.org",
    "to-group-quoted": "To: \"my friends\": a@example.org;",
    "to-group-two": "To: a: x@example.org;, b: y@example.org;",
    "to-group-no-comma": "To: a: x@example.org; b: y@example.org;",
    "to-group-no-name": "To: : x@example.org;",
    "to-group-comment": "To: (c) friends (d): (e) a@example.org (f); (g)",
    "to-mailto": "To: mailto:a@example.org",
    "to-twice": "To: a@example.org\nTo: b@example.org\nCc: c@example.org\nCc: d@example.org",
    "to-words": "To: all my friends",
    "to-bcc": "Bcc: secret@example.org\nCc: Copy <copy@example.org>",
    "subject-empty": "Subject:",
    "subject-space": "Subject:   ",
    "subject-folded": "Subject: one\n two\n\tthree",
    "subject-folded-spaces": "Subject: one  \n   two  ",
    "subject-empty-first-line": "Subject:\n one",
    "subject-8-bit": "Subject: Grüße an Jörg",
    "subject-8-bit-latin-1": b"Subject: Gr\xfc\xdfe",
    "subject-encoded-words": "Subject: =?utf-8?q?Gr=C3=BC?= =?utf-8?b?w59l?= an alle",
    "subject-encoded-word-split-character": "Subject: =?utf-8?q?Gr=C3?= =?utf-8?q?=BC=C3=9Fe?=",
    "subject-encoded-word-odd": "Subject: a=?utf-8?q?b?=c =?utf-8?x?d?= =?utf-8?q?e f?= =?none?q?g?=",
    "subject-quotes": "Subject: a \"b\" \\c (d) {3}",
    "subject-twice": "Subject: one\nSubject: two",
    "subject-tab": "Subject:\tone\ttwo",
    "subject-casemap": "Subject: ÖL Straße ｆｕｌｌ Ångström ﬁn",
    "date-odd": "Date: 1 Feb 26 25:00",
    "date-comment": "Date: Mon, 2 Feb 2026 23:30:00 -0800 (PST)",
    "date-no-zone": "Date: Mon, 2 Feb 2026 23:30:00",
    "date-no-seconds": "Date: Mon, 2 Feb 2026 23:30 +0000",
    "date-no-time": "Date: Mon, 2 Feb 2026",
    "date-two-digits": "Date: 2 Feb 99 10:00:00 GMT",
    "date-iso": "Date: 2026-02-02T23:30:00Z",
    "date-asctime": "Date: Mon Feb  2 23:30:00 2026",
    "date-long-month": "Date: 2 February 2026 10:00:00 +0000",
    "date-wrong-day": "Date: Sun, 2 Feb 2026 10:00:00 +0000",
    "date-dashes": "Date: Mon, 2-Feb-2026 10:00:00 +0000",
    "date-31-feb": "Date: 31 Feb 2026 10:00:00 +0000",
    "date-zone-name": "Date: Mon, 2 Feb 2026 23:30:00 EST",
    "date-empty": "Date:",
    "date-words": "Date: yesterday",
    "date-folded": "Date: Mon, 2 Feb\n 2026 10:00:00 +0000",
    "date-midnight-24": "Date: Mon, 2 Feb 2026 24:00:00 +0000",
    "date-lower-case": "date: mon, 2 feb 2026 10:00:00 +0000",
    "in-reply-to": "In-Reply-To: <a@b> <c@d> (words)\nReferences: <r@s>",
    "in-reply-to-old": "In-Reply-To: Your message of Monday <a@b>",
    "message-id-odd": "Message-ID: no brackets",
    "message-id-twice": "Message-ID: <a@b>\nMessage-ID: <c@d>",
    "message-id-folded": "Message-ID:\n <a@b>",
    "message-id-empty": "Message-ID:",
}


def by_hand():
    samples = {name: mime(name, rest) for name, rest in BODIES.items()}
    for name, fields in HEADERS.items():
        fields = crlf(fields)
        usual = [b"Date: Sat, 21 Nov 2026 12:00:00 +0000", b"From: Bob <bob@example.net>", b"Subject: " + name.encode()]
        given = {line.split(b":")[0].lower() for line in fields.split(b"\r\n")}
        header = [line for line in usual if line.split(b":")[0].lower() not in given] + [fields]
        samples[name] = b"\r\n".join(header) + b"\r\n\r\nhello\r\n"
    return samples


class Maker:
    """Makes messages up: trees of parts with fields from the samples above."""

    TYPES = [rest.split("\n\n")[0] for name, rest in BODIES.items()
             if isinstance(rest, str) and "boundary" not in rest and "message/" not in rest and rest.split("\n\n")[0]]
    FIELDS = [crlf(fields) for name, fields in HEADERS.items() if not name.endswith("-twice")]
    TEXTS = [b"hello\r\n", b"one\r\ntwo", b"", b"\r\n\r\n", b"  indented\r\n--\r\nsignature\r\n", b"a=3Db=\r\nc\r\n",
             "Grüße\r\n".encode(), b"aGVsbG8=\r\n", b"From me\r\n.\r\n"]
    BOUNDARIES = ["x", "xy", "x--y", "a b", "=_1", "x" * 70]

    def __init__(self, seed):
        self.random = random.Random(seed)

    def message(self):
        # One of a name: of several, servers show this or that one.
        fields = {field.split(b":")[0].lower(): field
                  for field in self.random.sample(self.FIELDS, self.random.randint(1, 4))}.values()
        return b"".join(field + b"\r\n" for field in fields) + self.part(0)

    def part(self, depth):
        roll = self.random.random()
        if depth < 3 and roll < 0.45:
            return self.multipart(depth)
        if depth < 3 and roll < 0.55:
            return b"Content-Type: message/rfc822\r\n\r\n" + self.message_inside(depth)
        head = crlf(self.random.choice(self.TYPES)) + b"\r\n" if roll < 0.9 else b""
        return head + b"\r\n" + self.random.choice(self.TEXTS)

    def message_inside(self, depth):
        return self.random.choice(self.FIELDS) + b"\r\n" + self.part(depth + 1)

    def multipart(self, depth):
        boundary = self.random.choice(self.BOUNDARIES)
        kind = self.random.choice(["mixed", "alternative", "digest", "related; type=\"text/html\""])
        delimiter = b"--" + boundary.encode()
        lines = [b"Content-Type: multipart/" + kind.encode() + b"; boundary=\"" + boundary.encode() + b"\"\r\n\r\n"]
        lines += [b"preamble\r\n"] * (self.random.random() < 0.3)
        for _ in range(self.random.randint(1, 3)):
            lines += [delimiter, b"\r\n", self.part(depth + 1), b"\r\n"]
        if self.random.random() < 0.85:
            lines += [delimiter, b"--\r\n"] + [b"epilogue\r\n"] * (self.random.random() < 0.3)
        return b"".join(lines)

    def mutated(self, message):
        """With a few lines missing, repeated, exchanged or cut."""
        lines = message.split(b"\r\n")
        for _ in range(self.random.randint(1, 3)):
            at = self.random.randrange(len(lines))
            match self.random.randrange(4):
                case 0 if len(lines) > 1:
                    del lines[at]
                case 1:
                    lines.insert(at, lines[at])
                case 2:
                    other = self.random.randrange(len(lines))
                    lines[at], lines[other] = lines[other], lines[at]
                case _:
                    lines[at] = lines[at][:self.random.randint(0, len(lines[at]))]
        return b"\r\n".join(lines)


def made_up(seed, count):
    maker = Maker(seed)
    samples = {}
    for number in range(count):
        message = maker.message()
        samples[f"made-{number:03}"] = message
        samples[f"made-{number:03}-mutated"] = maker.mutated(message)
    return samples
