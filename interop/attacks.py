#!/usr/bin/env python3
"""Attacks the program `serve`, and shows what each costs: seconds, the memory of the process before it, at its worst and
after it, and how long somebody else waits meanwhile. Exits non-zero where that is beyond a bound.

    attacks.py FOLDER_OF_PROGRAMS [PART_OF_A_NAME]
"""

import contextlib
import socket
import ssl
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path

from servers import PASSWORD, USER, Authority, Serve

# What the process may hold more than before, in MB, and what somebody else may wait, in seconds: on an idle machine it is
# some tens of milliseconds.
MEMORY, WAIT = 150, 1.0
# One address may not have more connections than this; the rest of them is refused.
MANY = 80
ATTACKER, OTHER = "127.0.0.1", "127.0.0.2"


class Attack:
    """One server, and connections to it."""

    def __init__(self, serve):
        self.serve, self.open = serve, []
        self.tls = ssl.create_default_context()
        self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE

    def memory(self):
        with open(f"/proc/{self.serve.process.pid}/status") as status:
            return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS"))

    def connect(self, port, source=ATTACKER, timeout=60):
        connection = socket.create_connection(("127.0.0.1", port), timeout, (source, 0))
        self.open.append(connection)
        return connection

    def greeted(self, port, source=ATTACKER):
        connection = self.connect(port, source)
        connection.recv(1000)
        return connection

    def secured(self, port, source=ATTACKER):
        connection = self.tls.wrap_socket(self.connect(port, source))
        self.open[-1] = connection
        return connection

    def imap(self, source=ATTACKER):
        connection = self.secured(self.serve.imaps, source)
        connection.recv(1000)
        self.command(connection, f'l LOGIN {USER} "{PASSWORD}"')
        return connection

    def command(self, connection, line):
        """Sends a line with a tag, and reads up to its completion."""
        tag = line.split()[0].encode()
        connection.sendall(line.encode() + b"\r\n")
        got = b""
        while not any(part.startswith(tag + b" ") for part in got.split(b"\r\n")[:-1]):
            part = connection.recv(65536)
            if not part:
                raise EOFError(got[-200:])
            got = got[-65536:] + part
        return got

    def close(self):
        for connection in self.open:
            connection.close()
        self.open.clear()


def pour(connection, chunks, seconds=2):
    """Sends without reading, for a while, as long as the server takes it. Gives how many bytes it took."""
    connection.settimeout(1)
    end, sent = time.monotonic() + seconds, 0
    with contextlib.suppress(OSError):
        for chunk in chunks:
            if time.monotonic() > end:
                break
            connection.sendall(chunk)
            sent += len(chunk)
    return sent


def pour_and_read(connection, chunks, seconds=2):
    """Sends for a while, and throws away what comes."""
    def drain():
        with contextlib.suppress(OSError):
            while connection.recv(1 << 20):
                pass
    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    return pour(connection, chunks, seconds)


def compressed(attack, plain, count):
    """A session that compresses, and what inflates to `count` times `plain`."""
    connection = attack.imap()
    attack.command(connection, "c COMPRESS DEFLATE")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    chunks = [deflate.compress(plain) for _ in range(count)] + [deflate.flush()]
    return connection, chunks


def bomb_of_a_line(attack):
    pour(*compressed(attack, b"a" * (1 << 20), 1000))


def bomb_of_commands(attack):
    pour_and_read(*compressed(attack, b"n NOOP\r\n" * (1 << 17), 200))


def bomb_of_commands_unread(attack):
    pour(*compressed(attack, b"n NOOP\r\n" * (1 << 17), 200))


def bomb_of_literals(attack):
    literal = b"a APPEND INBOX {1048576+}\r\n" + b"b" * (1 << 20) + b"\r\n"
    pour_and_read(*compressed(attack, literal, 100))
    attack.command(attack.imap(), "s SELECT INBOX")


def bombs_of_many(attack):
    for _ in range(10):
        connection, chunks = compressed(attack, b"a" * (1 << 20), 60)
        pour(connection, chunks, 1)


def half_handshakes(attack):
    hello = b"\x16\x03\x01\x40\x00" + b"\x01\x00\x3f\xfc\x03\x03" + b"r" * 32
    for port in (attack.serve.imaps, attack.serve.submissions, attack.serve.pop3s):
        for _ in range(MANY):
            attack.connect(port).sendall(hello)
    for _ in range(MANY):
        connection = attack.greeted(attack.serve.smtp)
        connection.sendall(b"EHLO x\r\nSTARTTLS\r\n")
    time.sleep(3)


def renegotiations(attack):
    """Handshakes in full, one after the other."""
    end = time.monotonic() + 3
    while time.monotonic() < end:
        attack.secured(attack.serve.imaps).close()


def connections(attack):
    for port in (attack.serve.smtp, attack.serve.imap, attack.serve.pop3, attack.serve.lmtp):
        for _ in range(300):
            with contextlib.suppress(OSError):
                attack.connect(port)
    time.sleep(1)


def slowloris(attack):
    ports = [getattr(attack.serve, protocol) for protocol in Serve.PROTOCOLS]
    all_of_them = [attack.connect(port) for port in ports for _ in range(MANY)]
    for _ in range(10):
        for connection in all_of_them:
            with contextlib.suppress(OSError):
                connection.sendall(b"a")
        time.sleep(0.5)


def recipients(attack):
    connection = attack.greeted(attack.serve.lmtp)
    connection.sendall(b"LHLO x\r\nMAIL FROM:<a@example.net>\r\n")
    line = f"RCPT TO:<{USER}>\r\n".encode()
    pour_and_read(connection, (line * 1000 for _ in range(10_000)))


def recipients_unread(attack):
    connection = attack.greeted(attack.serve.lmtp)
    connection.sendall(b"LHLO x\r\nMAIL FROM:<a@example.net>\r\n")
    line = f"RCPT TO:<{USER}>\r\n".encode()
    pour(connection, (line * 1000 for _ in range(10_000)))


def long_recipients(attack):
    for _ in range(MANY):
        connection = attack.greeted(attack.serve.lmtp)
        connection.sendall(b"LHLO x\r\nMAIL FROM:<a@example.net>\r\n")
        lines = b"".join(b"RCPT TO:<%s+%s@%s>\r\n" % (b"a" * 30, b"b" * 30, b"c." * 90 + b"org") for _ in range(1000))
        pour_and_read(connection, [lines], 1)


def transactions(attack):
    connection = attack.greeted(attack.serve.lmtp)
    connection.sendall(b"LHLO x\r\n")
    lines = f"MAIL FROM:<a@example.net>\r\nRCPT TO:<{USER}>\r\nRSET\r\n".encode()
    pour_and_read(connection, (lines * 1000 for _ in range(10_000)))


def chunks_of_absurd_size(attack):
    for size in (b"18446744073709551615", b"18446744073709551616", b"9" * 40, b"4294967296", b"00000000000000000000001", b"-1"):
        for last in (b"", b" LAST"):
            connection = attack.greeted(attack.serve.lmtp)
            connection.sendall(b"LHLO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<%s>\r\nBDAT %s%s\r\n"
                               % (USER.encode(), size, last))
            pour_and_read(connection, [b"x" * (1 << 20)] * 100, 2)


def tiny_chunks(attack):
    connection = attack.greeted(attack.serve.lmtp)
    connection.sendall(b"LHLO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<%s>\r\n" % USER.encode())
    pour_and_read(connection, (b"BDAT 0\r\nBDAT 1\r\nx" * 1000 for _ in range(1000)))


def idle_storm(attack):
    connection = attack.imap()
    attack.command(connection, "s SELECT INBOX")
    pour_and_read(connection, (b"i IDLE\r\nDONE\r\n" * 1000 for _ in range(1000)))


def idlers(attack):
    """Many in IDLE, while messages come and go."""
    watching = []
    for _ in range(MANY // 2):
        connection = attack.imap()
        attack.command(connection, "s SELECT INBOX")
        connection.sendall(b"i IDLE\r\n")
        watching.append(connection)
    storm(attack)


def notified(attack):
    """Many with NOTIFY, while messages come and go, and mailboxes too. Nobody reads."""
    for _ in range(MANY // 2):
        connection = attack.imap()
        attack.command(connection, "n NOTIFY SET STATUS (PERSONAL (MessageNew MessageExpunge FlagChange MailboxName "
                                   "SubscriptionChange))")
        connection.sendall(b"i IDLE\r\n")
    storm(attack)


def storm(attack):
    actor = attack.imap(OTHER)
    end, number = time.monotonic() + 4, 0
    attack.command(actor, "s SELECT INBOX")
    while time.monotonic() < end:
        number += 1
        attack.command(actor, f"c CREATE box{number}")
        attack.command(actor, "a APPEND INBOX {10+}\r\n0123456789")
        attack.command(actor, "f STORE 1:* +FLAGS (\\Flagged)")
        attack.command(actor, "g STORE 1:* FLAGS (\\Deleted)")
        attack.command(actor, "e EXPUNGE")
        attack.command(actor, f"d DELETE box{number}")
    print(f"        {number} rounds", flush=True)


def notified_of_large_messages(attack):
    """Many with NOTIFY, who want each new message whole and read nothing."""
    for _ in range(MANY // 2):
        connection = attack.imap()
        attack.command(connection, "s SELECT INBOX")
        attack.command(connection, "n NOTIFY SET (SELECTED (MessageNew (UID BODY.PEEK[] BODY.PEEK[TEXT]) MessageExpunge))")
    actor = attack.imap(OTHER)
    body = "a" * (4 << 20)
    for _ in range(5):
        attack.command(actor, f"a APPEND INBOX {{{len(body)}+}}\r\n{body}")
    time.sleep(2)


def notified_of_many_mailboxes(attack):
    actor = attack.imap(OTHER)
    for number in range(2000):
        attack.command(actor, f"c CREATE box{number}")
    for _ in range(10):
        connection = attack.imap()
        pour(connection, [b"n NOTIFY SET STATUS (PERSONAL (MessageNew MessageExpunge))\r\nn NOTIFY NONE\r\n" * 50], 1)
    time.sleep(2)


def kept_results(attack):
    """Many results that the server keeps up to date."""
    for _ in range(MANY // 4):
        connection = attack.imap()
        attack.command(connection, "s SELECT INBOX")
        for number in range(50):
            attack.command(connection, f"c{number} SEARCH RETURN (UPDATE ALL) OR FLAGGED UNSEEN")
        connection.sendall(b"i IDLE\r\n")
    storm(attack)


def many_addresses(attack):
    """As many connections as they are let have, from a handful of addresses."""
    for address in range(1, 11):
        for _ in range(MANY):
            with contextlib.suppress(OSError):
                attack.connect(attack.serve.submission, f"127.0.1.{address}")
    time.sleep(1)


def notify_again(attack):
    connection = attack.imap()
    pour_and_read(connection, (b"n NOTIFY SET STATUS (PERSONAL (MessageNew MessageExpunge))\r\nn NOTIFY NONE\r\n" * 500
                               for _ in range(1000)))


def pop3_unread(attack):
    actor = attack.imap(OTHER)
    body = b"a" * (1 << 20)
    for _ in range(20):
        attack.command(actor, "a APPEND INBOX {%d+}\r\n%s" % (len(body), body.decode()))
    for _ in range(20):
        connection = attack.secured(attack.serve.pop3s)
        connection.recv(1000)
        connection.sendall(f"USER {USER}\r\nPASS {PASSWORD}\r\n".encode())
        pour(connection, [b"".join(b"RETR %d\r\n" % (n % 20 + 1) for n in range(2000))], 1)
    time.sleep(2)


def failed_logins(attack):
    for _ in range(MANY):
        connection = attack.secured(attack.serve.imaps)
        connection.recv(1000)
        connection.sendall(b"l LOGIN x y\r\n" * 20)
    time.sleep(2)


CASES = [bomb_of_a_line, bomb_of_commands, bomb_of_commands_unread, bomb_of_literals, bombs_of_many, half_handshakes,
         renegotiations, connections, slowloris, recipients, recipients_unread, long_recipients, transactions,
         chunks_of_absurd_size, tiny_chunks, idle_storm, idlers, notified,
         notified_of_large_messages, notified_of_many_mailboxes, kept_results, many_addresses, notify_again, pop3_unread, failed_logins]


def watch(attack, stop, worst):
    """Measures what somebody else waits for a greeting and an answer, and the memory."""
    while not stop.is_set():
        begin = time.monotonic()
        with socket.create_connection(("127.0.0.1", attack.serve.submission), 60, (OTHER, 0)) as other:
            other.settimeout(60)
            greeting = other.recv(1000)
            if greeting.startswith(b"220"):
                other.sendall(b"EHLO other\r\n")
                other.recv(1000)
            else:
                worst["refused"].append(greeting)
        worst["wait"] = max(worst["wait"], time.monotonic() - begin)
        worst["memory"] = max(worst["memory"], attack.memory())
        stop.wait(0.05)


def run(case, program, authority):
    serve = Serve(program, authority)
    attack = Attack(serve)
    try:
        stop, before = threading.Event(), attack.memory()
        worst = {"wait": 0.0, "memory": before, "refused": []}
        watcher = threading.Thread(target=watch, args=(attack, stop, worst))
        watcher.start()
        begin = time.monotonic()
        problem = ""
        try:
            case(attack)
        except Exception as error:  # shown in its row
            problem = f" {type(error).__name__}: {error}"
        seconds = time.monotonic() - begin
        attack.close()
        time.sleep(1)
        stop.set()
        watcher.join()
        if worst["refused"]:
            problem += f" others were refused {len(worst['refused'])} times: {worst['refused'][0]}"
        if serve.process.poll() is not None:
            problem += f" serve has ended with {serve.process.returncode}"
        ok = not problem and worst["memory"] - before <= MEMORY and worst["wait"] <= WAIT
        print(f"{'passed' if ok else 'failed':7} {case.__name__:24} {seconds:5.1f} s, {before} > {worst['memory']} > "
              f"{attack.memory()} MB, others waited {worst['wait'] * 1000:.0f} ms{problem}", flush=True)
        return ok
    finally:
        serve.stop()


def main():
    program = Path(sys.argv[1]) / "serve"
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        results = [run(case, program, authority) for case in CASES if wanted in case.__name__]
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
