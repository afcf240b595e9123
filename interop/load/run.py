#!/usr/bin/env python3
"""The load of `maild` over a file and over PostgreSQL beside that of Dovecot and of Cyrus, in one run on this machine, all
waiting for the disk as they do by themselves: messages a second by LMTP, FETCH and SEARCH in a mailbox of many, and memory for
each IDLE session. Prints tables in Markdown. README.md says what it needs.

    run.py [--quick] [--servers NAMES] [--maild PROGRAM] [--folder FOLDER] [--rounds N] [--messages N] [--fetched N]
           [--searched N] [--sessions N]

FOLDER is to be on a disk, and not in memory: that waits for no `fsync`. Rates are the medians of rounds, in which all take
their turns, after one that is not counted. What is given as 0 is left out: `--rounds 0 --searched 0` has sessions alone.
"""

import argparse
import os
import resource
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from servers import Authority  # noqa: E402
from session import Imap, fill, messages  # noqa: E402
from stores import USERS, Cyrus, Database, Dovecot, Maild  # noqa: E402

SIZE = 2000
# With one connection each message waits for the disk alone: a part of them is enough.
CONNECTIONS = {1: 4, 8: 1, 10: 1}
# What takes longer than so many seconds is not done again.
LONG = 8


def deliver(program, server, connections, count):
    """Messages a second."""
    words = [program, *map(str, (server.lmtp, connections, count, SIZE, USERS))]
    return count / float(subprocess.run(words, check=True, capture_output=True, text=True, timeout=3600).stdout)


def timed(work):
    start = time.monotonic()
    answer = work()
    return time.monotonic() - start, answer


def waits(folder):
    """Milliseconds that a small write waits for the disk, in the median."""
    with open(folder / "waits", "wb", buffering=0) as file:
        def write():
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
        return statistics.median(timed(write)[0] for _ in range(50)) * 1000


def processes(root):
    """A process and all that it has started."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                pass
    found = {root}
    while True:
        more = {process for process, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


def memory(server):
    """Bytes of memory, of what is shared a part for each who shares it."""
    total = 0
    for process in processes(server.process.pid):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return total


def idle_memory(server, port, tls, count):
    """Bytes for each of so many sessions that wait in IDLE."""
    def begin(number):
        # Of one address servers do not take as many.
        session = Imap(port, tls, number % USERS, number // 5)
        session.ask("SELECT INBOX")
        session.idle()
        return session

    # What is there once, whoever comes, is there before it is measured: caches, threads.
    first = min(200, count // 5)
    warm = [begin(number) for number in range(first)]
    before = memory(server)
    sessions = [begin(number) for number in range(first, first + count)]
    used = memory(server) - before
    for session in warm + sessions:
        session.socket.close()
    return used / count


def rates(program, servers, rounds, count):
    print(f"Messages of {SIZE} bytes for {USERS} users by LMTP, a second; the median of {rounds} rounds, and the lowest and "
          f"highest:\n\n| connections | {' | '.join(server.name for server in servers)} |\n| ---: |"
          f"{' ---: |' * len(servers)}")
    for connections, part in CONNECTIONS.items():
        # The first round is not counted, of any server: it begins what is there from then on for so many at one time, as
        # processes, mailboxes, connections to a database and their statements.
        found = {server.name: [] for server in servers}
        for number in range(rounds + 1):
            for server in servers:
                rate = deliver(program, server, connections, count // part)
                if number > 0:
                    found[server.name].append(rate)
        # Dovecot is what the others are compared with.
        usual = statistics.median(found["Dovecot"]) if "Dovecot" in found else None
        cells = []
        for name, of_it in found.items():
            median = statistics.median(of_it)
            times = f", {median / usual:.1f} times" if usual and name != "Dovecot" else ""
            cells.append(f"{median:,.0f} ({min(of_it):,.0f}-{max(of_it):,.0f}){times}")
        print(f"| {connections} | {' | '.join(cells)} |", flush=True)


def found_by(answer):
    """The numbers of a SEARCH; a server may say before it that it is still at it."""
    return next(line.split()[2:] for line in answer.split(b"\r\n") if line.startswith(b"* SEARCH"))


def line(server, what, count, work):
    """Does it, and again if it was quick. Returns the first answer."""
    seconds, answer = timed(work)
    cells = [f"{seconds:.2f}"]
    if seconds < LONG:
        cells.append(f"{timed(work)[0]:.2f}")
    found = len(found_by(answer)) if what.startswith("SEARCH") else count
    print(f"| {server.name} | {what} | {count:,} | {', '.join(cells)} | {found:,} |", flush=True)


def lookups(servers, fetched, searched):
    """A mailbox is filled first: that of one user, which the rates have left with a part already."""
    print("\nSeconds, of one session, first and again:\n\n| | | messages | seconds | found |\n| --- | --- | ---: | ---: | ---: |")
    for server in servers:
        session = Imap(server.imap)
        there = session.ask("STATUS INBOX (MESSAGES)").partition(b"(MESSAGES ")[2]
        missing = max(fetched, searched) - int(there.partition(b")")[0])
        if missing > 0:
            seconds, _ = timed(lambda: fill(session, messages(missing, SIZE)))
            print(f"| {server.name} | APPEND, 500 by a command | {missing:,} | {seconds:.2f} | |", flush=True)
        session.ask("SELECT INBOX")
        items = "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"
        line(server, "FETCH of envelopes", fetched, lambda: session.ask(f"FETCH 1:{fetched} {items}"))
        line(server, "SEARCH of a word", searched, lambda: session.ask(f'UID SEARCH 1:{searched} BODY "needle"'))


def with_index(server, fetched, searched):
    """The same file, with an index."""
    server = server.again(index=True)
    try:
        server.name = "maild, sqlite, with an index"
        seconds, _ = timed(lambda: settle(server))
        print(f"| {server.name} | all put into the index | | {seconds:.0f} | |", flush=True)
        session = Imap(server.imap)
        session.ask("SELECT INBOX")
        line(server, "SEARCH of a word", searched, lambda: session.ask(f'UID SEARCH 1:{searched} BODY "needle"'))
        return server.again(index=False)
    except BaseException:
        server.stop()
        raise


def sessions(servers, wanted, authority):
    tls = ssl.create_default_context(cafile=str(authority.ca))
    # The server has as many files open as this program.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 400
    count = min(wanted, most)
    if count < wanted:
        print(f"\nOnly {count:,} sessions in place of {wanted:,}: `ulimit -n`.")
    print("\nMemory (PSS) for each session in IDLE, in a mailbox of the above:\n\n"
          "| | sessions | plain | TLS |\n| --- | ---: | ---: | ---: |")
    for place, server in enumerate(servers):
        of_it = min(count, server.sessions)
        cells = []
        for security in (None, tls):
            # What others have left in its memory is not to be used again.
            servers[place] = server = server.again()
            cells.append(idle_memory(server, server.imaps if security else server.imap, security, of_it))
        print(f"| {server.name} | {of_it:,} | {' | '.join(f'{cell / 1000:,.1f} kB' for cell in cells)} |", flush=True)


def settle(server):
    """Waits until a server has nothing to do: until it has put all into its index."""
    def ticks():
        words = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(words[11]) + int(words[12])

    before = ticks()
    while True:
        time.sleep(2)
        now = ticks()
        if now - before < 5:
            return
        before = now


def start(servers, names, folder, authority, maild):
    """What ends them is to be called afterwards, in their order."""
    if "sqlite" in names:
        servers.append(Maild("maild, sqlite", folder / "sqlite", authority, maild, f"sqlite:{folder / 'sqlite' / 'mail.db'}"))
    database = None
    if "postgres" in names:
        database = Database(folder)
        try:
            servers.append(Maild("maild, PostgreSQL", folder / "postgres", authority, maild, database.url))
        except BaseException:
            database.stop()
            raise
    if "dovecot" in names:
        servers.append(Dovecot(folder / "dovecot", authority))
    if "cyrus" in names:
        servers.append(Cyrus(folder / "cyrus", authority))
    return database


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="one short round, and a tenth of all else")
    parser.add_argument("--servers", default="sqlite,postgres,dovecot,cyrus", help="which, separated by commas")
    parser.add_argument("--maild", type=Path, default=HERE.parent.parent / "target/release/maild")
    parser.add_argument("--folder", type=Path, help="on a disk; a temporary one otherwise")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=2000, help="of a round")
    parser.add_argument("--fetched", type=int, default=10_000)
    parser.add_argument("--searched", type=int, default=100_000)
    parser.add_argument("--sessions", type=int, default=5000)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds = 1
        for name in ("messages", "fetched", "searched", "sessions"):
            setattr(arguments, name, getattr(arguments, name) // 10)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    folder = Path(tempfile.mkdtemp(prefix="load-", dir=arguments.folder or HERE))
    folder.chmod(0o755)
    servers, database = [], None
    begun = time.monotonic()
    try:
        program = folder / "lmtp"
        subprocess.run(["rustc", "--edition", "2024", "-O", "-o", program, HERE / "lmtp.rs"], check=True)
        authority = Authority(folder)
        database = start(servers, arguments.servers.split(","), folder, authority, arguments.maild)
        load, wait = os.getloadavg()[0], waits(folder)
        print(f"{os.cpu_count()} processors, with a load of {load:.1f} before; a write of 4 kB waits {wait:.2f} ms for the disk.\n")
        if arguments.rounds:
            rates(program, servers, arguments.rounds, arguments.messages)
        if arguments.searched:
            lookups(servers, arguments.fetched, arguments.searched)
            for place, server in enumerate(servers):
                if server.name == "maild, sqlite":
                    servers[place] = with_index(server, arguments.fetched, arguments.searched)
        if arguments.sessions:
            sessions(servers, arguments.sessions, authority)
        print(f"\nAll of it took {time.monotonic() - begun:.0f} s.")
    finally:
        for server in servers:
            server.stop()
        if database:
            database.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
