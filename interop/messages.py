"""Messages shaped like those of the real world, and what may be added to them on the way."""

import random

HEAD = b"From: Bob <bob@example.net>\r\nTo: Anna <anna@example.org>\r\nSubject: %s\r\nMessage-ID: <%s@example.net>\r\n" \
       b"Date: Sat, 21 Nov 2026 12:00:00 +0000\r\n"

TRACE = (b"return-path:", b"delivered-to:", b"received:", b"x-original-to:", b"x-delivered-to:",
         b"x-cyrus-session-id:", b"x-sieve:")


def messages():
    """Name and bytes of each message, with CR LF line ends."""
    def head(name, more=b""):
        return HEAD % (name.encode(), name.encode()) + more + b"\r\n"

    parts = [b"--frontier\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
             "Grüße\r\n".encode(), b"--frontier\r\nContent-Type: application/octet-stream\r\n"
             b"Content-Transfer-Encoding: base64\r\n\r\n", b"AAEC" * 19 + b"\r\n", b"--frontier--\r\n"]
    multipart = head("multipart", b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=frontier\r\n")
    numbers = random.Random(1)
    line = bytes(numbers.choice(b"abcdefghijklmnopqrstuvwxyz     .") for _ in range(76)) + b"\r\n"
    return {
        "plain": head("plain") + b"Hello Anna,\r\n\r\nbye\r\n",
        "multipart": multipart + b"".join(parts),
        "8-bit": head("8-bit", b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
                               b"Content-Transfer-Encoding: 8bit\r\n") + b"Gr\xfc\xdfe \xe9\xff\r\n",
        "long lines": head("long") + (b"x" * 9000 + b" end\r\n") * 3,
        "dots": head("dots") + b".\r\n..\r\n...\r\n.a\r\n\r\n.\r\n. \r\nQUIT\r\n.",
        "empty body": head("empty"),
        "no final line end": head("open") + b"the last line has no end",
        "20 MB": head("large") + (line + b"." + line) * (20_000_000 // (2 * len(line) + 1)),
    }


def without_trace(message):
    """The message without the header fields that delivery puts in front."""
    while message.lower().startswith(TRACE):
        end = message.find(b"\r\n")
        while message[end + 2:end + 3] in (b" ", b"\t"):
            end = message.find(b"\r\n", end + 2)
        message = message[end + 2:]
    return message


def as_sent(message):
    """The message as SMTP carries it: its last line has an end."""
    return message if message.endswith(b"\r\n") else message + b"\r\n"
