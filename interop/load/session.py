"""A session of IMAP by hand, and messages for it."""

import base64
import functools
import hashlib
import hmac
import os
import random
import socket

DOMAIN = "example.org"
# Of a command of APPEND: what is stored together.
TOGETHER = 500


class Imap:
    """A session by hand."""

    def __init__(self, port, tls=None, user=0, source=0):
        address = f"127.0.{source // 200}.{source % 200 + 1}"
        plain = socket.create_connection(("127.0.0.1", port), 120, (address, 0))
        self.socket = tls.wrap_socket(plain, server_hostname="localhost") if tls else plain
        self.rest = b""
        self.line()
        name = f"user{user}@{DOMAIN}"
        if b"LOGINDISABLED" in self.ask("CAPABILITY"):
            self.scram(name, b"secret")
        else:
            self.ask(f"LOGIN {name} secret")

    def scram(self, name, password):
        """RFC 5802: what is not asked for a password in clear has to be asked so."""
        def exchange(words, begin):
            self.socket.sendall(begin + base64.b64encode(words) + b"\r\n")
            return base64.b64decode(self.line().removeprefix(b"+ "))

        first = b"n=%b,r=%b" % (name.encode(), base64.b64encode(os.urandom(18)))
        challenge = exchange(b"n,," + first, b"tag7 AUTHENTICATE SCRAM-SHA-256 ")
        said = dict(part.split(b"=", 1) for part in challenge.split(b","))
        salted = salted_password(password, base64.b64decode(said[b"s"]), int(said[b"i"]))
        last = b"c=biws,r=" + said[b"r"]
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), b",".join((first, challenge, last)), "sha256")
        proof = bytes(one ^ other for one, other in zip(key, signature))
        exchange(last + b",p=" + base64.b64encode(proof), b"")
        # An empty line; the answer to it is the end.
        self.ask("", begin=b"")

    def more(self):
        piece = self.socket.recv(1 << 20)
        if not piece:
            raise RuntimeError("the connection ended")
        return piece

    def line(self):
        while b"\r\n" not in self.rest:
            self.rest += self.more()
        line, _, self.rest = self.rest.partition(b"\r\n")
        return line

    def ask(self, command, begin=b"tag7 "):
        """The answer in bytes; a server's literals are looked through as they are."""
        return self.ask_bytes(command.encode(), begin)

    def ask_bytes(self, command, begin=b"tag7 "):
        self.socket.sendall(begin + command + b"\r\n")
        pieces, end = [self.rest], b""
        while True:
            end = (end + pieces[-1])[-8192:]
            place = end.find(b"tag7 ") if end.startswith(b"tag7 ") else end.find(b"\r\ntag7 ")
            if place >= 0 and end.endswith(b"\r\n"):
                if b"tag7 OK" not in end[place:]:
                    raise RuntimeError(f"{command[:80]!r}: {end[place:]!r}")
                self.rest = b""
                return b"".join(pieces)
            pieces.append(self.more())

    def idle(self):
        self.socket.sendall(b"tag7 IDLE\r\n")
        while not self.line().startswith(b"+"):
            pass


@functools.cache
def salted_password(password, salt, iterations):
    return hashlib.pbkdf2_hmac("sha256", password, salt, iterations)


# Words of four letters, as `lmtp.rs` has them.
WORDS = ["".join(chr(97 + (number >> 3 * place & 7) + 4 * place) for place in range(4)) for number in range(4096)]


@functools.cache
def messages(count, size):
    """Messages of words that are drawn anew for each. One in a thousand has a word that no other has."""
    drawn = random.Random(7)
    made = []
    for number in range(count):
        words = drawn.choices(WORDS, k=(size - 250) // 5)
        lines = "\r\n".join(" ".join(words[place:place + 10]) for place in range(0, len(words), 10))
        rare = "needle\r\n" if number % 1000 == 7 else ""
        made.append((f"From: Bob <bob@example.net>\r\nTo: user0@{DOMAIN}\r\nSubject: message {number}\r\n"
                     f"Message-ID: <{number}.filled@example.net>\r\nDate: Sun, 29 Nov 2026 10:00:00 +0000\r\n\r\n"
                     f"{lines}\r\n{rare}").encode())
    return made


def fill(session, filled):
    """Appends messages, many by one command (RFC 3502): it takes no answer for each."""
    for place in range(0, len(filled), TOGETHER):
        pieces = [b" {%d+}\r\n%b" % (len(message), message) for message in filled[place:place + TOGETHER]]
        session.ask_bytes(b"APPEND INBOX" + b"".join(pieces))
