#!/usr/bin/env python3
"""The load of `serve --store sqlite:FILE` beside that of Dovecot, in one run on this machine, both with `fsync`: messages a
second by LMTP, FETCH and SEARCH in a mailbox of many, and memory for each IDLE session. Prints tables in Markdown.

    run.py [--quick] [--serve PROGRAM] [--folder FOLDER] [--rounds N] [--fetched N] [--searched N] [--sessions N]

`serve` is built for release (`cargo build --release -p mailwire-examples --bin serve`); Dovecot 2.3 (dovecot-imapd,
dovecot-lmtpd) is started with a configuration of its own below FOLDER, which is to be on a disk, and not in memory: that
waits for no `fsync`. Rates are the medians of rounds, in which both take their turns. It needs root, for Dovecot, a
`rustc`, and as many open files as there are sessions (`ulimit -n`): otherwise there are fewer, which is said. What is given
as 0 is left out: `--rounds 0 --searched 0` has sessions alone.
"""

import argparse
import base64
import functools
import hashlib
import hmac
import os
import resource
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from servers import Authority, Server, free_ports, listen  # noqa: E402

USERS = 10
SIZE = 2000
CONNECTIONS = (1, 8, 10)
DOMAIN = "example.org"
# Dovecot has a process for each session.
DOVECOT_SESSIONS = 500


class Ours(Server):
    name = "ours"

    def __init__(self, folder, authority, program, index=False):
        self.lmtp, self.imap, self.imaps = free_ports(3)
        self.sessions = sys.maxsize
        self.again = functools.partial(self.restarted, folder, authority, program, index)
        words = [program, "--store", f"sqlite:{folder / 'mail.db'}", "--connections", 20_000, "--cert", authority.cert, "--key", authority.key]
        for user in range(USERS):
            words += ["--user", f"user{user}@{DOMAIN}=secret"]
        for protocol, port in (("lmtp", self.lmtp), ("imap", self.imap), ("imaps", self.imaps)):
            words += ["--listen", f"{protocol}=127.0.0.1:{port}"]
        if index:
            words.append("--search-index")
        self.start(words, (self.lmtp, self.imap, self.imaps), stdout=subprocess.DEVNULL)


    def restarted(self, *words):
        self.stop()
        server = Ours(*words)
        server.name = self.name
        return server


class Dovecot(Server):
    name = "Dovecot"

    def again(self):
        """Each session is a process of its own anyway."""
        return self

    def __init__(self, folder, authority):
        self.lmtp, self.imap, self.imaps = free_ports(3)
        self.sessions = DOVECOT_SESSIONS
        mail = folder / "mail"
        mail.mkdir(parents=True)
        shutil.chown(mail, "mail", "mail")
        config = folder / "dovecot.conf"
        config.write_text(f"""
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{authority.cert}
ssl_key = <{authority.key}
disable_plaintext_auth = no
hostname = localhost
mail_location = sdbox:{mail}/%u
mail_fsync = optimized
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
first_valid_gid = 1
default_internal_user = dovecot
default_login_user = dovenull
default_process_limit = 2000
default_client_limit = 10000
default_vsz_limit = 0
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={mail}/%u allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
}}
protocol imap {{
  mail_max_userip_connections = 100000
}}
service imap-login {{
  service_count = 0
  process_limit = 4
}}
{listen("imap-login", imap=self.imap, imaps=self.imaps)}
{listen("lmtp", lmtp=self.lmtp)}
service stats {{
  chroot =
}}
""")
        self.start(["dovecot", "-F", "-c", config], (self.lmtp, self.imap, self.imaps))


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
        self.socket.sendall(begin + command.encode() + b"\r\n")
        pieces, end = [self.rest], b""
        while True:
            end = (end + pieces[-1])[-8192:]
            place = end.find(b"tag7 ") if end.startswith(b"tag7 ") else end.find(b"\r\ntag7 ")
            if place >= 0 and end.endswith(b"\r\n"):
                if b"tag7 OK" not in end[place:]:
                    raise RuntimeError(f"{command}: {end[place:]!r}")
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


def deliver(program, server, connections, messages, users=USERS):
    """Messages a second."""
    words = [program, *map(str, (server.lmtp, connections, messages, SIZE, users))]
    return messages / float(subprocess.run(words, check=True, capture_output=True, text=True, timeout=3600).stdout)


def timed(work):
    start = time.monotonic()
    answer = work()
    return time.monotonic() - start, answer


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
    warm = [begin(number) for number in range(200)]
    before = memory(server)
    sessions = [begin(number) for number in range(200, 200 + count)]
    used = memory(server) - before
    for session in warm + sessions:
        session.socket.close()
    return used / count


def rates(program, servers, rounds, messages):
    print(f"Messages of {SIZE} bytes for {USERS} users by LMTP, a second; the median of {rounds} rounds, and the lowest and "
          f"highest:\n\n| connections | {' | '.join(server.name for server in servers)} | times |\n| ---: |"
          f"{' ---: |' * (len(servers) + 1)}")
    for connections in CONNECTIONS:
        found = {server.name: [] for server in servers}
        for _ in range(rounds):
            for server in servers:
                found[server.name].append(deliver(program, server, connections, messages))
        medians = [statistics.median(rates) for rates in found.values()]
        cells = [f"{statistics.median(rates):,.0f} ({min(rates):,.0f}-{max(rates):,.0f})" for rates in found.values()]
        print(f"| {connections} | {' | '.join(cells)} | {medians[0] / medians[1]:.1f} |", flush=True)


def lookups(program, servers, fetched, searched):
    """A mailbox is filled first: that of one user, which the rates have left with a part already."""
    print("\nSeconds, of one session:\n\n| | messages | seconds | found |\n| --- | ---: | ---: | ---: |")
    for server in servers:
        def there():
            answer = Imap(server.imap).ask("STATUS INBOX (MESSAGES)")
            return int(answer.partition(b"(MESSAGES ")[2].partition(b")")[0])

        missing = max(fetched, searched) - there()
        if missing > 0:
            deliver(program, server, 8, missing, users=1)
        session = Imap(server.imap)
        session.ask("SELECT INBOX")
        fetch = f"FETCH 1:{fetched} (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"
        for kind in ("first", "again"):
            seconds, _ = timed(lambda: session.ask(fetch))
            print(f"| {server.name}: FETCH of envelopes, {kind} | {fetched:,} | {seconds:.2f} | |", flush=True)
        for kind in ("first", "again"):
            seconds, answer = timed(lambda: session.ask(f'UID SEARCH 1:{searched} BODY "needle"'))
            found = len(answer.split(b"\r\n")[0].split()) - 2
            print(f"| {server.name}: SEARCH of a word, {kind} | {searched:,} | {seconds:.2f} | {found} |", flush=True)


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
        cells = [idle_memory(server, server.imap, None, of_it)]
        # What others have left in its memory is not to be used again.
        server = server.again()
        servers[place] = server
        cells.append(idle_memory(server, server.imaps, tls, of_it))
        print(f"| {server.name} | {of_it:,} | {' | '.join(f'{cell / 1000:,.1f} kB' for cell in cells)} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="one short round, and a tenth of all else")
    parser.add_argument("--serve", type=Path, default=HERE.parent.parent / "target/release/serve")
    parser.add_argument("--folder", type=Path, help="on a disk; a temporary one otherwise")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=4000, help="of a round")
    parser.add_argument("--fetched", type=int, default=10_000)
    parser.add_argument("--searched", type=int, default=100_000)
    parser.add_argument("--sessions", type=int, default=5000)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds = 1
        for name in ("messages", "fetched", "searched", "sessions"):
            setattr(arguments, name, getattr(arguments, name) // 10)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    folder = Path(tempfile.mkdtemp(prefix="load-", dir=arguments.folder or Path(__file__).parent))
    folder.chmod(0o755)
    servers = []
    try:
        program = folder / "lmtp"
        subprocess.run(["rustc", "--edition", "2024", "-O", "-o", program, HERE / "lmtp.rs"], check=True)
        authority = Authority(folder)
        (folder / "ours").mkdir()
        servers.append(Ours(folder / "ours", authority, arguments.serve))
        servers.append(Dovecot(folder / "dovecot", authority))
        load = os.getloadavg()[0]
        print(f"{os.cpu_count()} processors, with a load of {load:.1f} before.\n")
        if arguments.rounds:
            rates(program, servers, arguments.rounds, arguments.messages)
        if arguments.searched:
            lookups(program, servers, arguments.fetched, arguments.searched)
            # The same file, with an index.
            servers[0].stop()
            servers[0] = indexed = Ours(folder / "ours", authority, arguments.serve, index=True)
            indexed.name = "ours, with an index"
            settle(indexed)
            lookups(program, [indexed], arguments.fetched, arguments.searched)
        if arguments.sessions:
            sessions(servers, arguments.sessions, authority)
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(folder)


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


if __name__ == "__main__":
    main()
