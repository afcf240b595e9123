"""A small IMAP client that shows the answers of a server as they are, token by token."""

import socket

LIMIT = 100_000_000


class Refused(Exception):
    """NO or BAD."""


class Tokens:
    """One response, read: lists, atoms as str, strings as bytes, NIL as None."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def peek(self):
        return self.data[self.at:self.at + 1]

    def skip(self):
        while self.peek() == b" ":
            self.at += 1

    def next(self):
        self.skip()
        start = self.peek()
        if start == b"(":
            self.at += 1
            items = []
            while True:
                self.skip()
                if self.peek() == b")":
                    self.at += 1
                    return items
                if not self.peek():
                    raise ValueError(f"a list without its end: {self.data!r}")
                items.append(self.next())
        if start == b'"':
            return self.quoted()
        if start == b"{" or self.data[self.at:self.at + 2] == b"~{":
            return self.literal()
        return self.atom()

    def quoted(self):
        self.at += 1
        text = bytearray()
        while self.peek() != b'"':
            if self.peek() == b"\\":
                self.at += 1
            if not self.peek():
                raise ValueError(f"a string without its end: {self.data!r}")
            text += self.peek()
            self.at += 1
        self.at += 1
        return bytes(text)

    def literal(self):
        end = self.data.index(b"}", self.at)
        length = int(self.data[self.at:end].lstrip(b"~{"))
        start = end + 3
        self.at = start + length
        return self.data[start:self.at]

    def atom(self):
        start, brackets = self.at, 0
        while self.peek() not in (b"", b"\r") and (brackets or self.peek() not in (b" ", b"(", b")")):
            brackets += {b"[": 1, b"]": -1}.get(self.peek(), 0)
            self.at += 1
        if start == self.at:
            raise ValueError(f"nothing at {start}: {self.data!r}")
        text = self.data[start:self.at].decode("latin-1")
        return None if text.upper() == "NIL" else text

    def all(self):
        items = []
        while True:
            self.skip()
            if self.peek() in (b"", b"\r"):
                return items
            items.append(self.next())


class Imap:
    """A connection that is logged in."""

    def __init__(self, host, port, tls, user, password):
        self.stream = tls.wrap_socket(socket.create_connection((host, port), 60), server_hostname=host)
        self.file = self.stream.makefile("rb")
        self.count = 0
        self._response()
        self.command(f'LOGIN "{user}" "{password}"')

    def _response(self):
        """A response with its literals."""
        response = b""
        while True:
            line = self.file.readline(LIMIT)
            if not line:
                raise EOFError("the server closed the connection")
            response += line
            stem = line.rstrip(b"\r\n")
            digits = stem[stem.rfind(b"{") + 1:-1]
            if not (stem.endswith(b"}") and digits.isdigit()):
                return response
            response += self.file.read(int(digits))

    def command(self, *pieces):
        """Sends a command; bytes are literals. Gives its untagged responses, and raises `Refused`."""
        self.count += 1
        tag = f"t{self.count}"
        untagged = []
        line = tag.encode()
        for piece in pieces:
            if isinstance(piece, str):
                line += b" " + piece.encode()
                continue
            self.stream.sendall(line + b" {%d}\r\n" % len(piece))
            if (tagged := self._until(tag, untagged, "+")) is not None:
                raise Refused(tagged)
            line = piece
        self.stream.sendall(line + b"\r\n")
        tagged = self._until(tag, untagged)
        if not tagged.startswith("OK"):
            raise Refused(tagged)
        return untagged

    def _until(self, tag, untagged, other=None):
        while True:
            response = self._response()
            start, _, rest = response.partition(b" ")
            start = start.strip().decode("latin-1")
            if start == tag:
                return rest.decode("latin-1").strip()
            if start == other:
                return None
            untagged.append(rest)

    def fetch(self, items, numbers="1:*"):
        """Item by item, what FETCH gives of each message."""
        found = {}
        for response in self.command(f"FETCH {numbers} ({items})"):
            number, _, rest = response.partition(b" ")
            if not rest.upper().startswith(b"FETCH "):
                continue
            data = Tokens(rest[6:]).next()
            names = [name.upper() for name in data[::2]]
            found.setdefault(int(number), {}).update(zip(names, data[1::2]))
        return found

    def search(self, *keys):
        found = set()
        for response in self.command("SEARCH", *keys):
            words = response.decode("latin-1").split()
            if words[0].upper() == "SEARCH":
                found.update(map(int, words[1:]))
        return found

    def close(self):
        self.command("LOGOUT")
        self.stream.close()
