#!/usr/bin/env python3
"""`sync` and `migrate` against Dovecot, with many messages: killed by force ten times at moments of chance, both sides are
equal at the end, with flags and dates. The time of a run that nobody disturbs is told beside mbsync's.

    moving.py FOLDER_OF_PROGRAMS [NUMBER_OF_MESSAGES [SEED]]

The suite does the same with 2,000 messages; here the default is 10,000.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from urllib.parse import quote

from clients import Others, imaplib
from servers import HOST, PASSWORD, USER, Authority, Dovecot, free_ports

KILLS = 10
LETTERS = {"S": "\\Seen", "R": "\\Answered", "F": "\\Flagged", "D": "\\Draft"}
SECRETS = {"MAILWIRE_USER": USER, "MAILWIRE_PASSWORD": PASSWORD}


def message(name, chance):
    text = "".join(f"{chance.getrandbits(256):064x}\n" for _ in range(chance.randrange(5, 100)))
    return (f"From: Bob <bob@example.net>\nTo: Anna <anna@example.org>\nSubject: {name}\n"
            f"Message-ID: <{name}@example.net>\nDate: Sat, 21 Nov 2026 12:00:00 +0000\n\n{text}").encode()


def flags(chance):
    return "".join(letter for letter in sorted(LETTERS) if chance.randrange(3) == 0)


def put(folder, names, chance, owner=None):
    """Writes messages into a Maildir, of Dovecot's or of our own."""
    for part in ("new", "cur", "tmp"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        file = folder / "cur" / f"{1700000000 + number}.{name}.here:2,{flags(chance)}"
        file.write_bytes(message(name, chance))
        os.utime(file, (1700000000 + number, 1700000000 + number))
    if owner:
        for path in [folder, *folder.rglob("*")]:
            shutil.chown(path, owner, owner)


class Account:
    """What is on a server, through Python's imaplib."""

    def __init__(self, server, others):
        self.server, self.others = server, others

    @contextlib.contextmanager
    def session(self, mailbox="INBOX"):
        imap = imaplib.IMAP4_SSL(HOST, self.server.imaps, ssl_context=self.others.tls)
        imap.login(USER, PASSWORD)
        imap.select(f'"{mailbox}"')
        yield imap
        imap.logout()

    def contents(self, mailbox="INBOX"):
        """Content, flags and date of each message, counted: what is there twice is there twice."""
        with self.session(mailbox) as imap:
            if not int(imap.select(f'"{mailbox}"')[1][0]):
                return Counter()
            found = Counter()
            for part in imap.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")[1]:
                if isinstance(part, tuple):
                    date = imaplib.Internaldate2tuple(part[0])
                    has = frozenset(flag for flag in LETTERS.values() if flag.encode() in part[0])
                    found[(part[1], has, time.mktime(date))] += 1
            return found


def near(maildir):
    found = Counter()
    for part in ("new", "cur"):
        for file in (maildir / part).iterdir():
            letters = file.name.partition(":2,")[2]
            has = frozenset(flag for letter, flag in LETTERS.items() if letter in letters)
            date = int(file.stat().st_mtime)
            found[(file.read_bytes().replace(b"\n", b"\r\n"), has, date)] += 1
    return found


def compare(what, ours, theirs, expected):
    if ours != theirs:
        raise RuntimeError(f"{what}: {sum((ours - theirs).values())} here alone, {sum((theirs - ours).values())} there alone")
    if sum(ours.values()) != expected:
        raise RuntimeError(f"{what}: {sum(ours.values())} messages, not {expected}")


def run(words):
    start = time.monotonic()
    done = subprocess.run(list(map(str, words)), env=dict(os.environ, **SECRETS), capture_output=True, timeout=1800)
    if done.returncode:
        said = (done.stderr + done.stdout)[-2000:].decode(errors="replace")
        raise RuntimeError(f"{words[0]} ended with {done.returncode}: {said}")
    return time.monotonic() - start


def killed(words, chance, within):
    """Runs a program, and kills it by force after a time of chance, ten times; then to its end. Tells how often it was
    killed."""
    kills = 0
    for _ in range(KILLS):
        process = subprocess.Popen(list(map(str, words)), env=dict(os.environ, **SECRETS), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            process.wait(chance.uniform(0.02, within))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
        # What the server has received by then it still stores. A run that began before that could not know.
        time.sleep(0.5)
    run(words)
    return kills


def sync(programs, others, folder, server, count, seed, tell):
    """A mailbox and a Maildir, both with messages; then changes on both sides. Returns what is wrong, or nothing."""
    chance = random.Random(seed)
    account = Account(server, others)
    with account.session() as imap:
        if int(imap.select("INBOX")[1][0]):
            imap.store("1:*", "+FLAGS.SILENT", "\\Deleted")
            imap.expunge()
    put(server.folder / "mail" / USER, [f"m{number}" for number in range(count)], chance, "mail")
    words = [programs / "sync", "--server", f"{HOST}:{server.imaps}", "--ca", others.authority.ca]
    # Undisturbed, beside mbsync.
    ours = run([*words, folder / "alone"])
    again = run([*words, folder / "alone"])
    mbsync = folder / "mbsync"
    mbsync.mkdir()
    start = time.monotonic()
    others.mbsync(server.imaps, mbsync, [])
    theirs = time.monotonic() - start
    start = time.monotonic()
    others.mbsync(server.imaps, mbsync, [])
    theirs_again = time.monotonic() - start
    tell(f"{count} messages: sync {ours:.2f} s, mbsync {theirs:.2f} s; nothing new: {again:.2f} s, {theirs_again:.2f} s")
    maildir = folder / "killed"
    put(maildir, [f"n{number}" for number in range(count // 10)], chance)
    kills = killed([*words, maildir], chance, max(ours / 3, 0.2))
    compare("first", near(maildir), account.contents(), count + count // 10)
    # Changes on both sides, of messages of their own.
    files = sorted((maildir / "cur").iterdir())
    chosen = chance.sample(files, count // 5)
    for number, file in enumerate(chosen):
        if number % 2:
            file.unlink()
        else:
            file.rename(file.with_name(f"{file.name.partition(':2,')[0]}:2,{flags(chance)}"))
    put(maildir, [f"o{number}" for number in range(count // 20)], chance)
    with account.session() as imap:
        numbers = [number.decode() for number in imap.search(None, "ALL")[1][0].split()]
        imap.store(",".join(chance.sample(numbers, count // 10)), "+FLAGS.SILENT", "\\Flagged")
        gone = chance.sample(numbers, count // 20)
        imap.store(",".join(gone), "+FLAGS.SILENT", "\\Deleted")
        imap.expunge()
    put(server.folder / "mail" / USER, [f"p{number}" for number in range(count // 20)], chance, "mail")
    kills += killed([*words, maildir], chance, max(ours / 6, 0.2))
    left = near(maildir)
    compare("changes", left, account.contents(), sum(left.values()))
    said = subprocess.run(list(map(str, [*words, maildir])), env=dict(os.environ, **SECRETS), capture_output=True).stdout
    if b"INBOX: 0 fetched, 0 stored, 0 removed here, 0 removed there, 0 marked here, 0 marked there" not in said:
        raise RuntimeError(f"a run without news: {said.decode()}")
    tell(f"killed {kills} times, and equal with {sum(left.values())} messages")
    return ""


def migrate(programs, others, folder, source, target, count, seed, tell):
    """All of one Dovecot into another. Returns what is wrong, or nothing."""
    chance = random.Random(seed)
    boxes = {"INBOX": count * 6 // 10, "Archive/2025": count * 3 // 10, "Entw&APw-rfe": count // 10}
    ours, theirs = Account(source, others), Account(target, others)
    with ours.session() as imap:
        for name in list(boxes)[1:]:
            imap.create(f'"{name}"')
            imap.subscribe(f'"{name}"')
        if int(imap.select("INBOX")[1][0]):
            imap.store("1:*", "+FLAGS.SILENT", "\\Deleted")
            imap.expunge()
    for number, (name, size) in enumerate(boxes.items()):
        below = "" if name == "INBOX" else "." + name.replace("/", ".")
        put(source.folder / "mail" / USER / below, [f"b{number}m{one}" for one in range(size)], chance, "mail")
    user = quote(USER, safe="")
    words = [programs / "migrate", "--from", f"imaps://{user}@{HOST}:{source.imaps}", "--from-ca", others.authority.ca,
             "--to", f"imaps://{user}@{HOST}:{target.imaps}", "--to-ca", others.authority.ca]
    state = ["--state", folder / "migrate.state"]

    def empty():
        with theirs.session() as imap:
            for name in boxes:
                if imap.select(f'"{name}"')[0] == "OK" and int(imap.select(f'"{name}"')[1][0]):
                    imap.store("1:*", "+FLAGS.SILENT", "\\Deleted")
                    imap.expunge()

    def check(what):
        for name, size in boxes.items():
            compare(f"{what}: {name}", ours.contents(name), theirs.contents(name), size)

    alone = run(words)
    check("alone")
    again = run(words)
    check("again")
    empty()
    clear = run([*words, "--no-compress"])
    check("without compression")
    # mbsync copies them as well, and knows in files of its own what has gone.
    empty()
    known = folder / "mbsync-known"
    known.mkdir()
    start = time.monotonic()
    others.mbsync_between(source.imaps, target.imaps, known)
    mbsync = time.monotonic() - start
    start = time.monotonic()
    others.mbsync_between(source.imaps, target.imaps, known)
    mbsync_again = time.monotonic() - start
    tell(f"{count} messages: migrate {alone:.2f} s, without compression {clear:.2f} s, mbsync {mbsync:.2f} s; "
         f"nothing new: {again:.2f} s, {mbsync_again:.2f} s")
    # Ten of them together are shorter than a whole run: none is over before it is killed.
    for name, options in (("without a state", []), ("with a state", state)):
        empty()
        kills = killed([*words, *options], chance, max(alone / 8, 0.2))
        check(name)
        tell(f"{name}: killed {kills} times, and equal")
    with theirs.session() as imap:
        listed = b"".join(line for line in imap.lsub()[1] if line)
    for name in list(boxes)[1:]:
        if name.encode() not in listed:
            raise RuntimeError(f"{name} is not subscribed: {listed}")
    return ""


def main():
    programs = Path(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as servers:
        folder = Path(name)
        folder.chmod(0o755)
        authority = Authority(folder)
        dovecots = []
        for side in ("one", "other"):
            dovecots.append(Dovecot(folder / side, authority, free_ports(1)[0]))
            servers.callback(dovecots[-1].stop)
        others = Others(authority, folder)
        tell = lambda line: print(line, flush=True)  # noqa: E731
        sync(programs, others, folder, dovecots[0], count, seed, tell)
        migrate(programs, others, folder, dovecots[0], dovecots[1], count, seed, tell)
    return 0


if __name__ == "__main__":
    sys.exit(main())
