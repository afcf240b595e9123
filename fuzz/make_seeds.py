#!/usr/bin/env python3
"""Makes the seed corpora out of the transcripts and the tests of quirks in this repository.

Run it again when those change: `python3 fuzz/make_seeds.py`.
"""
import hashlib
import pathlib
import re
import shutil

ROOT = pathlib.Path(__file__).resolve().parent.parent
SEEDS = ROOT / "fuzz" / "seeds"
# What a step of a session begins with: see oracles/src/script.rs.
STEP = b"\xfe"
# No seed corpus becomes larger than this, in bytes and in files.
BUDGET = 6000
MOST = 100


def transcripts(protocol):
    for path in sorted((ROOT / f"{protocol}-proto/tests/transcripts").glob("*.txt")):
        lines = []
        for line in path.read_text("utf-8").splitlines():
            if line.startswith(("C: ", "S: ")) or line in ("C:", "S:"):
                lines.append((line[0], line[3:].encode()))
        yield lines


def quirks(protocol):
    """The string literals of the tests that look like messages."""
    paths = sorted((ROOT / f"{protocol}-proto/tests").glob("quirks*.rs"))
    text = "".join(path.read_text("utf-8") for path in paths)
    for match in re.finditer(r'"((?:[^"\\]|\\.)*)"', text):
        literal = match[1]
        if len(literal) < 5 or "{" in literal and "}" not in literal or re.search(r"\{(\w*:\?)?\}", literal):
            continue
        try:
            yield literal.encode().decode("unicode_escape").encode("latin-1")
        except (UnicodeDecodeError, UnicodeEncodeError):
            continue


def write(target, seeds):
    folder = SEEDS / target
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    left = BUDGET
    for seed in dict.fromkeys(seeds):
        if len(seed) <= left and len(list(folder.iterdir())) < MOST:
            left -= len(seed)
            (folder / hashlib.sha1(seed).hexdigest()[:12]).write_bytes(seed)


def messages(protocol, speaker, end):
    """Each message of a speaker in the transcripts once, literals with what announced them."""
    for lines in transcripts(protocol):
        message = b""
        for who, line in lines:
            if who != speaker:
                continue
            message += line
            if protocol == "imap" and re.search(rb"\{\d+\+?\}$", line):
                message += b"\r\n"
            elif protocol == "smtp" and speaker == "S" and line[3:4] == b"-":
                message += b"\r\n"
            else:
                yield message + end
                message = b""


def is_command(protocol, text):
    if protocol == "imap":
        return re.match(rb"[A-Za-z][\w.]* [A-Za-z]", text) is not None and b" OK" not in text
    return re.match(rb"[A-Za-z]{3,10}\b", text) is not None and b"::" not in text


def is_reply(protocol, text):
    start = {"imap": rb"(\*|\+|[a-z][\w.]*) ", "pop3": rb"(\+|-ERR|\d+ )", "smtp": rb"\d\d\d"}[protocol]
    return re.match(start, text) is not None


def literals(path):
    """The string literals of a file that are longer than a word."""
    for match in re.finditer(r'"((?:[^"\\\\]|\\\\.)*)"', (ROOT / path).read_text("utf-8")):
        text = re.sub(r"\\\\u\{(\w+)\}", lambda digits: chr(int(digits[1], 16)), match[1])
        text = text.replace('\\"', '"').replace("\\r", "\r").replace("\\n", "\n").replace("\\t", "\t")
        if len(text) > 20:
            yield text.encode()


def mail():
    """What stands above the machines."""
    reports = sorted((ROOT / "mail-transport/tests/reports").iterdir())
    write("smtp_report", [path.read_bytes() for path in reports if path.is_file()])
    write("smtp_received", [b"Received: " + text for text in literals("smtp-proto/tests/hops.rs")])
    fields = [text for text in literals("mail-transport/src/pop3/server/surrogate.rs") if b": " in text]
    write("pop3_surrogate", fields)
    tests = (ROOT / "mail-transport/tests/discover.rs").read_text("utf-8")
    documents = re.findall(r'r#"(.*?)"#', tests, re.DOTALL)
    protocol = "<Protocol><Type>IMAP</Type><Server>m.example.org</Server><Port>143</Port><SSL>on</SSL></Protocol>"
    documents.append(f"<Autodiscover><Response><Account><Action>settings</Action>{protocol}</Account></Response></Autodiscover>")
    write("discover_document", [document.encode() for document in documents])
    urls = [text for text in literals("mail-transport/src/account/tests.rs") if b"://" in text or b"+unix:" in text]
    write("account_url", urls)
    lines = [text for text in literals("mail-transport/tests/proxy_protocol.rs") if text.startswith(b"PROXY ")]
    binary = b"\r\n\r\n\0\r\nQUIT\n"
    inet = bytes([192, 0, 2, 1, 192, 0, 2, 2]) + b"\xc7\x38\x03\xe1"
    write("proxy_header", [*lines, binary + b"\x20\x00\x00\x00", binary + b"\x21\x11\x00\x0c" + inet,
                           binary + b"\x21\x11\x00\x14" + inet + b"\x01\x00\x05smtps",
                           binary + b"\x21\x21\x00\x24" + bytes(32) + b"\xc7\x38\x03\xe1"])
    granted = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
    write("proxy_answer", [b"\x00\x05\x00" + granted, b"\x02\x05\x02\x01\x00" + granted,
                           b"\x00\x05\x00\x05\x00\x00\x03\x01a\x00\x00", b"\x00\x05\xff",
                           b"\x01HTTP/1.1 200 OK\r\nVia: x\r\n\r\n", b"\x03HTTP/1.1 407 No\r\n\r\n",
                           b"\x01HTTP/1.0 103 Wait\r\n\r\nHTTP/1.0 200\n\n"])
    multipart = (b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
                 b"Content-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n.\r\n--x\r\n"
                 b"Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\x89PNG\r\n--x--\r\n")
    write("smtp_downgraded", [multipart, b"Subject: x\r\n\r\n\xe9\r\n", b"\r\n.x\r\n",
                              b"Content-Type: message/rfc822\r\n\r\n" + multipart])
    # The first byte is the mechanism, a zero byte ends a message.
    scram = [b"r=abc,s=QSXCR+Q6sek8bf92,i=4096", b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="]
    digest = b'realm="a",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8'
    error = b'{"status":"invalid_token","scope":"imap","openid-configuration":"https://a.example/b"}'
    heard = [b"\0".join(scram), digest + b"\0rspauth=ea40f60335c427b5527b84dbabcdfffd", error, b"<1.2@a>"]
    said = [
        b"n,,n=ada,r=fyko+d2lbbFgONRv9qkxdawL\0c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfc,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        b"p=tls-exporter,a=bob,n=ada,r=abc",
        b"n,a=ada,\x01host=a.example\x01port=143\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01",
        b"user=ada\x01auth=Bearer ya29\x01\x01",
        b"ada",
    ]
    write("sasl_client", [bytes([first]) + text for first in range(14) for text in heard])
    write("sasl_server", [bytes([first]) + text for first in range(14) for text in said])


def main():
    mail()
    for protocol in ("imap", "pop3", "smtp"):
        end = b"" if protocol == "pop3" else b"\r\n"
        found = list(quirks(protocol))
        ended = [text if text.endswith(b"\n") else text + end for text in found]
        commands = [text for text in ended if is_command(protocol, text)]
        replies = [text for text in ended if is_reply(protocol, text)]
        said = [*messages(protocol, "C", end), *messages(protocol, "S", end)]
        write(f"{protocol}_differential", said)
        write(f"{protocol}_command", [*messages(protocol, "C", end), *commands])
        write(f"{protocol}_{'response' if protocol == 'imap' else 'reply'}", [*messages(protocol, "S", end), *replies])
        sessions(protocol)


def sessions(protocol):
    """Transcripts as sessions: the peer's lines as they come, the caller's as operations."""
    for role, peer in (("client", "S"), ("server", "C")):
        seeds = []
        for lines in transcripts(protocol):
            seed, before = b"\x00", None
            for who, line in lines:
                if who == peer:
                    seed += (b"" if before == who else STEP + b"P") + line + b"\r\n"
                else:
                    seed += STEP + b"L" + line
                before = who
            seeds.append(seed)
        write(f"{protocol}_{role}_session", seeds)


if __name__ == "__main__":
    main()
