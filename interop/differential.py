"""What three servers say of the same messages, compared token by token: the project's `serve`, Dovecot and Cyrus.

Each difference is named in `differences.txt` with its reason. One that is not listed fails, and so does an entry of the
list that nothing needs.
"""

import collections
import re
from pathlib import Path

import samples
from imap import Imap, Refused
from servers import HOST, PASSWORD, USER

LIST = Path(__file__).parent / "differences.txt"
OURS = "serve"
SEED, COUNT = 20261128, 60
FIELDS = "HEADER.FIELDS (SUBJECT from CC)"

SINGLE = ["type", "subtype", "parameters", "id", "description", "encoding", "octets"]
EXTENSION = ["disposition", "language", "location"]
ENVELOPE = ["date", "subject", "from", "sender", "reply-to", "to", "cc", "bcc", "in-reply-to", "message-id"]
WITHOUT_CASE = {"type", "subtype", "encoding", "language"}

DATES = ["1-Feb-2026", "2-Feb-2026", "3-Feb-2026", "21-Nov-2026", "2-Feb-1999", "3-Mar-2026"]
WORDS = {
    "FROM": ["anna@example.org", "anna", "b", "Anna B", "Anna", "j@example", "Jörg", "jorg", "Meier", "Meier,", "a.example",
             "B, \"Anna\"", "c1", "nested", "example.org>", "http", "anna b", "Carl", "<anna", "xämple", "Sat"],
    "TO": ["a@example.org", "friends", "my friends", "undisclosed", "b", "B <b", "example.org", "all my", "mailto"],
    "CC": ["copy", "c@example.org", "Copy <copy@example.org>", "example"],
    "BCC": ["secret", "example.org", "none"],
    "SUBJECT": ["o", "ö", "u", "grusse", "GRÜSSE", "grüße", "one two", "one", "two", "three", "full", "angstrom", "fin", "ss",
                "straße", "an alle", "e f", "g", "=?utf-8", "{3}", "inner"],
    "BODY": ["o", "ö", "hello", "jörg", "jorg", "innerly", "findable", "findable-binary", "softbreak", "break and",
             "insidetag", "café", "splitword", "entry", "ｓtrasse", "straße", "final", "full", "1", "ǆ", "σσσ", "istanbul",
             "привет", "テスト", "wörld", "world", "epilogue", "preamble", "one", "two", "three", "inner", "boundary",
             "text/html", "Content-Type", "failed", "5.1.1", "old", "signature", "a=b", "From me"],
    "TEXT": ["anna", "jörg", "o", "findable", "no-content-type", "hello", "Message-ID", "subject", "innerly", "=?utf-8",
             "epilogue", "boundary=x", "1.0", "secret"],
}
HEADERS = [("Message-ID", ""), ("Message-ID", "@b"), ("Message-ID", "example.net"), ("X-None", ""), ("Subject", ""),
           ("Date", "Feb"), ("From", "anna"), ("From", "jörg"), ("In-Reply-To", "c@d"), ("References", "<r@s>"),
           ("Content-Type", "text"), ("Content-Description", "long description"), ("Sender", ""), ("X-Odd", "a")]


def searches():
    for key, words in WORDS.items():
        for word in words:
            yield f"{key} {word}", [key, word.encode()]
    for name, word in HEADERS:
        yield f"HEADER {name} {word}", ["HEADER", name, word.encode()]
    for key in ("SENTON", "SENTBEFORE", "SENTSINCE"):
        for date in DATES:
            yield f"{key} {date}", [f"{key} {date}"]
    for key in ("LARGER 300", "SMALLER 300", "ALL", "NOT FROM anna", "OR SUBJECT one SUBJECT two",
                "NOT SENTSINCE 1-Jan-1990"):
        yield key, [key]


def is_multipart(part):
    return isinstance(part[0], list)


def parts_of(part):
    """The parts of a multipart, which stand before its subtype."""
    return part[:next(place for place, item in enumerate(part) if not isinstance(item, list))]


def is_message(part):
    return not is_multipart(part) and (part[0] or b"").upper() == b"MESSAGE" and len(part) > 8 \
        and isinstance(part[7], list)


def numbers(part, prefix=""):
    """The numbers of the parts of a message."""
    if part is None:
        return
    for number, inside in enumerate(parts_of(part) if is_multipart(part) else [part], 1):
        yield f"{prefix}{number}"
        if is_message(inside):
            yield from numbers(inside[8], f"{prefix}{number}.")
        elif is_multipart(inside):
            yield from numbers(inside, f"{prefix}{number}.")


def shape(part):
    """The media types of all parts."""
    if part is None:
        return "none"
    if is_multipart(part):
        found = parts_of(part)
        return f"{text(part[len(found)])}({' '.join(map(shape, found))})"
    inside = f"({shape(part[8])})" if is_message(part) else ""
    return f"{text(part[0])}/{text(part[1])}{inside}"


def text(value):
    return "NIL" if value is None else value.decode("latin-1").lower()


def tokens(part, path, extended):
    """Name and value of everything in a BODYSTRUCTURE or BODY."""
    if is_multipart(part):
        found = parts_of(part)
        for number, inside in enumerate(found, 1):
            yield from tokens(inside, f"{path}{number}.", extended)
        rest = part[len(found):]
        yield from named(["subtype", "parameters", *EXTENSION][:len(rest) if extended else 1], rest, path)
        return
    yield from named(SINGLE, part, path)
    rest = part[7:]
    if is_message(part):
        yield from envelope(rest[0], f"{path}envelope")
        yield from tokens(rest[1], f"{path}message.", extended)
        yield f"{path}lines", rest[2]
        rest = rest[3:]
    elif (part[0] or b"").upper() == b"TEXT":
        yield f"{path}lines", rest[0]
        rest = rest[1:]
    if extended:
        yield from named(["md5", *EXTENSION][:len(rest)], rest, path)


def envelope(value, path):
    value = dict(zip(ENVELOPE, value))
    for name, field in value.items():
        if name in ("sender", "reply-to") and field == value["from"]:
            field = "that of From"
        yield f"{path}.{name}", field


def named(names, values, path):
    for name, value in zip(names, values):
        yield path + name, usual(name, value)


def usual(name, value):
    """What may be written in two ways, in one."""
    if name in WITHOUT_CASE and isinstance(value, bytes):
        return value.upper()
    if name == "parameters" and value:
        return [word.upper() if place % 2 == 0 or value[place - 1].upper() == b"CHARSET" else word
                for place, word in enumerate(value)]
    if name == "disposition" and value:
        return [value[0].upper(), usual("parameters", value[1])]
    if name == "language" and isinstance(value, list):
        return value[0].upper() if len(value) == 1 else [word.upper() for word in value]
    return value


def show(value):
    if isinstance(value, list):
        return f"({' '.join(map(show, value))})"
    if isinstance(value, bytes):
        return '"' + value.decode("latin-1").encode("unicode_escape").decode() + '"'
    return "NIL" if value is None else str(value)


class Asked:
    """What one server says of all messages: `{message: {token: value}}`."""

    def __init__(self, name, port, tls, messages):
        self.imap = Imap(HOST, port, tls, USER, PASSWORD)
        self.names, self.refused = [], {}
        try:
            self.imap.command("CREATE differential")
        except Refused:
            pass
        self.imap.command("SELECT differential")
        for message, content in messages.items():
            try:
                self.imap.command("APPEND differential", content)
                self.names.append(message)
            except Refused as error:
                self.refused[message] = str(error)
        self.imap.command("NOOP")
        self.found = {message: {} for message in messages}
        self.answers = 0
        for message, text in self.refused.items():
            self.found[message]["APPEND"] = text
        self.structures, self.without_extension, self.bodies = {}, {}, {}
        self._fetch("1:*", "RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[HEADER] BODY.PEEK[TEXT] "
                           f"BODY.PEEK[{FIELDS}] BODY.PEEK[{FIELDS.replace('FIELDS', 'FIELDS.NOT')}]")

    def _fetch(self, numbers, items):
        for number, found in self.imap.fetch(items, numbers).items():
            message = self.names[number - 1]
            of_message = self.found[message]
            self.answers += len(found)
            for item, value in found.items():
                if item == "ENVELOPE":
                    of_message.update(envelope(value, "ENVELOPE"))
                elif item == "BODYSTRUCTURE":
                    self.structures[message] = value
                    of_message["SHAPE"] = shape(value)
                    of_message.update(tokens(value, "BODYSTRUCTURE.", True))
                    self.without_extension[message] = list(tokens(value, "", False))
                elif item == "BODY":
                    self.bodies[message] = list(tokens(value, "", False))
                else:
                    of_message[item] = value

    def sections(self, message, numbers):
        items = [f"BODY.PEEK[{number}{what}]" for number in numbers for what in ("", ".MIME", ".HEADER", ".TEXT")]
        if message in self.names and items:
            self._fetch(str(self.names.index(message) + 1), " ".join(items))

    def search(self, name, keys):
        self.answers += 1
        try:
            found = self.imap.search("CHARSET UTF-8", *keys)
        except Refused as error:
            self.found.setdefault("-", {})[f"SEARCH {name}"] = str(error)
            return
        for number, message in enumerate(self.names, 1):
            self.found[message][f"SEARCH {name}"] = number in found


class Entry:
    """A line of the list: `SERVER MESSAGES TOKEN [| OURS | THEIRS]`. In each, `*` is anything; messages and tokens
    are divided by commas."""

    def __init__(self, number, line, reason):
        line, *values = line.split(" | ")
        self.server, messages, token = line.split(None, 2)
        self.text, self.number, self.reason, self.used = line.strip(), number, reason, 0
        self.messages, self.token = self._any(messages.split(",")), self._any([token.strip()])
        self.values = [self._any([value.strip()]) for value in values]

    @staticmethod
    def _any(patterns):
        return re.compile("|".join(re.escape(one).replace(r"\*", ".*") for one in patterns), re.DOTALL)

    def names(self, difference):
        return (self.server in ("*", difference.server) and self.messages.fullmatch(difference.message)
                and self.token.fullmatch(difference.token)
                and all(pattern.fullmatch(show(value))
                        for pattern, value in zip(self.values, (difference.ours, difference.theirs))))


def entries():
    """The list. A reason is the lines with `#` before its entries."""
    reason, found, open_reason = "", [], False
    for number, line in enumerate(LIST.read_text().splitlines(), 1):
        if line.startswith("#"):
            reason = f"{reason} {line[1:].strip()}" if open_reason else line[1:].strip()
            open_reason = True
        elif line.strip():
            found.append(Entry(number, line, reason))
            open_reason = False
    return found


Difference = collections.namedtuple("Difference", "server message token ours theirs")


def differences(server, message, ours, theirs):
    """What differs in the answers about one message. Where its parts are others, neither they nor their sections
    are compared; where what is searched is another thing, the searches are not."""
    if "APPEND" in theirs:
        yield Difference(server, message, "APPEND", "", theirs["APPEND"])
        return
    found = [token for token in ours.keys() | theirs.keys() if ours.get(token, "-") != theirs.get(token, "-")]
    has_other_parts = "SHAPE" in found
    has_other_envelope = any(token.startswith("ENVELOPE.") for token in found)
    has_other_text = any(token.startswith("BODY") and ours.get(token, "-") is not None for token in found)
    for token in sorted(found):
        if has_other_parts and (token.startswith("BODYSTRUCTURE") or token.startswith("BODY[") and token[5].isdigit()):
            continue
        if token.startswith("SEARCH"):
            if has_other_text and token.split()[1] in ("BODY", "TEXT"):
                continue
            if has_other_envelope and not token.startswith(("SEARCH SENT", "SEARCH BODY")):
                continue
        yield Difference(server, message, token, ours.get(token, "-"), theirs.get(token, "-"))


def check(servers, tls):
    """What is wrong, as lines; and a summary. `servers`: the port of each for IMAP over TLS."""
    messages = {**samples.by_hand(), **samples.made_up(SEED, COUNT)}
    asked = {name: Asked(name, port, tls, messages) for name, port in servers.items()}
    for message in messages:
        parts = {number for one in asked.values() for number in numbers(one.structures.get(message))}
        # And one that is not there.
        parts.add(str(1 + sum("." not in number for number in parts)))
        for one in asked.values():
            one.sections(message, sorted(parts))
    for name, keys in searches():
        for one in asked.values():
            one.search(name, keys)
    for one in asked.values():
        one.imap.close()
    ours = asked.pop(OURS)
    problems = [f"{message}: BODY is not BODYSTRUCTURE without its extensions"
                for message in messages if ours.bodies.get(message) != ours.without_extension.get(message)]
    problems += [f"{message}: not stored: {reason}" for message, reason in ours.refused.items()]
    listed, compared, differ = entries(), 0, 0
    for server, one in asked.items():
        for message in [*messages, "-"]:
            mine, theirs = ours.found.get(message, {}), one.found.get(message, {})
            compared += len(mine.keys() | theirs.keys())
            for difference in differences(server, message, mine, theirs):
                differ += 1
                named = [entry for entry in listed if entry.names(difference)]
                for entry in named:
                    entry.used += 1
                if not named:
                    problems.append(f"{server}  {message}  {difference.token}\n    {OURS}: {show(difference.ours)}\n"
                                    f"    {server}: {show(difference.theirs)}")
    problems += [f"{LIST.name}:{entry.number}: nothing needs this: {entry.text}" for entry in listed if not entry.used]
    answers = ours.answers + sum(one.answers for one in asked.values())
    reasons = collections.Counter()
    for entry in listed:
        reasons[entry.reason] += entry.used
    return problems, f"{len(messages)} messages, {answers} answers of {1 + len(asked)} servers, {compared} tokens " \
                     f"compared: {differ} differ, for {len(reasons)} reasons"
