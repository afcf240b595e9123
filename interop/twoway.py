"""Programs that keep two mailboxes equal: what changes on either side comes to the other, and then nothing more."""

import re

from clients import Mailbox, run, without_marks
from servers import HOST, PASSWORD, USER

# A Maildir's letters for flags.
LETTERS = {"S": "\\Seen", "R": "\\Answered", "F": "\\Flagged", "D": "\\Draft"}


def message(name):
    return (f"From: Bob <bob@example.net>\r\nTo: Anna <anna@example.org>\r\nSubject: {name}\r\n"
            f"Message-ID: <{name}@example.net>\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n\r\n"
            f"This is {name}.\r\n").encode()


def name_of(content):
    return re.search(rb"^Subject: (\S+)", content, re.MULTILINE).group(1).decode()


class Folder:
    """A mailbox on a server, through Python's imaplib."""

    def __init__(self, server, others):
        self.mailbox = Mailbox(server, others)

    def clear(self):
        self.mailbox.clear()

    def add(self, name):
        with self.mailbox.session() as imap:
            imap.append("INBOX", "", None, message(name))

    def _number(self, imap, name):
        return imap.search(None, "SUBJECT", name)[1][0].decode()

    def flag(self, name, letter):
        with self.mailbox.session() as imap:
            imap.store(self._number(imap, name), "+FLAGS", LETTERS[letter])

    def remove(self, name):
        with self.mailbox.session() as imap:
            imap.store(self._number(imap, name), "+FLAGS", "\\Deleted")
            imap.expunge()

    def contents(self):
        with self.mailbox.session() as imap:
            found = {}
            fetched = imap.fetch("1:*", "(FLAGS BODY.PEEK[])")[1] if int(imap.select("INBOX")[1][0]) else []
            for part in fetched:
                if isinstance(part, tuple):
                    flags = {flag for flag in LETTERS.values() if flag.encode() in part[0]}
                    found[name_of(part[1])] = (flags, without_marks(part[1]))
            return found


class Maildir:
    """A Maildir on this machine."""

    def __init__(self, path):
        self.path = path
        self.clear()

    def clear(self):
        run("rm", "-rf", self.path)
        for part in ("new", "cur", "tmp"):
            (self.path / part).mkdir(parents=True)

    def _files(self):
        return [file for part in ("new", "cur") for file in (self.path / part).iterdir()]

    def _file(self, name):
        return next(file for file in self._files() if name_of(file.read_bytes()) == name)

    def add(self, name):
        (self.path / "cur" / f"1764000000.{name}.here:2,").write_bytes(message(name).replace(b"\r\n", b"\n"))

    def flag(self, name, letter):
        file = self._file(name)
        start, _, letters = file.name.partition(":2,")
        file.rename(self.path / "cur" / f"{start}:2,{''.join(sorted(set(letters) | {letter}))}")

    def remove(self, name):
        self._file(name).unlink()

    def contents(self):
        found = {}
        for file in self._files():
            content = file.read_bytes().replace(b"\n", b"\r\n")
            letters = file.name.partition(":2,")[2]
            flags = {flag for letter, flag in LETTERS.items() if letter in letters}
            found[name_of(content)] = (flags, without_marks(content))
        return found


def two_way(near, far, synchronize):
    """Runs one program over both sides; returns what is wrong, or nothing."""
    far.clear()
    near.clear()
    for name in ("a", "b", "c"):
        far.add(name)
    for name in ("d", "e"):
        near.add(name)

    def compare(step, expected):
        synchronize()
        ours, theirs = near.contents(), far.contents()
        if ours != theirs or set(ours) != set(expected):
            show = {side: {name: sorted(flags) for name, (flags, _) in contents.items()}
                    for side, contents in (("near", ours), ("far", theirs))}
            raise RuntimeError(f"{step}: not equal, or not {expected}: {show}")
        return ours

    compare("first", "abcde")
    far.flag("a", "S")
    far.flag("a", "F")
    far.remove("b")
    far.add("f")
    near.flag("d", "R")
    near.remove("e")
    near.add("g")
    after = compare("changes on both sides", "acdfg")
    flags = {name: flags for name, (flags, _) in after.items()}
    if not flags["a"] >= {"\\Seen", "\\Flagged"} or "\\Answered" not in flags["d"]:
        raise RuntimeError(f"flags are lost: {flags}")
    near.remove("a")
    far.remove("d")
    compare("removals on both sides", "cfg")
    if compare("nothing new", "cfg") != near.contents():
        raise RuntimeError("a run without news changed something")
    return ""


def mbsync(others, serve, folder):
    near = Maildir(folder / "mbsync" / "INBOX")
    return two_way(near, Folder(serve, others),
                   lambda: others.mbsync(serve.imaps, near.path.parent, ["--expunge"]))


def offlineimap(others, serve, folder):
    """OfflineIMAP, which needs a folder of its own for what it has seen."""
    home = folder / "offlineimap"
    near = Maildir(home / "mail" / "INBOX")
    config = home / "config"
    config.write_text(f"""
[general]
accounts = test
metadata = {home}/metadata
ui = quiet
[Account test]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {home}/mail
sync_deletes = yes
[Repository far]
type = IMAP
remotehost = {HOST}
remoteport = {serve.imaps}
remoteuser = {USER}
remotepass = {PASSWORD}
auth_mechanisms = PLAIN
ssl = yes
sslcacertfile = {others.authority.ca}
folderfilter = lambda name: name == 'INBOX'
expunge = yes
sync_deletes = yes
""")
    return two_way(near, Folder(serve, others), lambda: run("offlineimap", "-c", config, "-o"))


def interimap(others, serve, folder, near):
    """interimap, which keeps two servers equal by QRESYNC, and compresses."""
    home = folder / "interimap"
    (home / "config" / "interimap").mkdir(parents=True)
    (home / "data" / "interimap").mkdir(parents=True, mode=0o700)
    sides = "".join(f"""
[{name}]
type = imaps
host = {HOST}
port = {server.imaps}
username = {USER}
password = {PASSWORD}
SSL_CAfile = {others.authority.ca}
""" for name, server in (("local", near), ("remote", serve)))
    (home / "config" / "interimap" / "config").write_text(f"database = test.db\nlist-mailbox = INBOX\n{sides}")
    environment = {"XDG_CONFIG_HOME": str(home / "config"), "XDG_DATA_HOME": str(home / "data")}
    return two_way(Folder(near, others), Folder(serve, others), lambda: run("interimap", env=environment))
