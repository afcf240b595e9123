#!/usr/bin/env python3
"""How fast messages go: SMTP clients against the same `smtp-sink`, our client against a sink on this project's server, and
`smtp-source` against both. All on loopback, in clear. Prints tables in Markdown, in messages or MB per second: medians of
rounds, in which all take their turns, so that what else the machine does meets all of them.

    run.py [--quick] [--minutes N] [--before CLIENT] FOLDER_OF_PROGRAMS

FOLDER_OF_PROGRAMS holds the `client` and `sink` of this crate, built for release; `smtp-source` and `smtp-sink` are
Postfix'. CLIENT is such a `client` over an older commit, which takes its turns as `ours, before`. NODEMAILER in the environment names the folder that nodemailer is installed in; without it, it is left out.
Rounds go on as long as another one fits into the minutes (5), but there are at least three; `--quick` is one round, of a
quarter of the messages.
"""

import argparse
import os
import socket
import statistics
import subprocess
import time
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
# Bytes of a message, and how many messages are sent.
SIZES = [("1 KiB", 1 << 10, 2000), ("5 KiB", 5 << 10, 2000), ("100 KiB", 100 << 10, 400), ("10 MiB", 10 << 20, 10)]
CONNECTIONS = (1, 10)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def smtp_sink():
    port = free_port()
    process = subprocess.Popen(["smtp-sink", "-u", "nobody", f"127.0.0.1:{port}", "1000"])
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process, port
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("smtp-sink does not come up")


def our_sink(programs):
    process = subprocess.Popen([programs / "sink"], stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())


def said(*words):
    """The seconds that a program prints."""
    return float(subprocess.run([str(word) for word in words], check=True, capture_output=True, timeout=600).stdout)


def nodemailer(modules, nodelay, *numbers):
    return said("node", HERE / "nodemailer.mjs", modules, nodelay, *numbers)


def smtp_source(port, connections, messages, size):
    """Its own time, from its start to its end."""
    start = time.monotonic()
    subprocess.run(["smtp-source", "-d", "-s", str(connections), "-m", str(messages), "-l", str(size), "-f", "bob@example.net",
                    "-t", "anna@example.org", f"127.0.0.1:{port}"], check=True, timeout=600)
    return time.monotonic() - start


class Row:
    """One size on so many connections: who sends, and how long each took in each round."""

    def __init__(self, table, label, connections, count, size, contenders):
        self.table, self.label, self.connections, self.count, self.size = table, label, connections, count, size
        self.contenders = contenders
        self.times = {name: [] for name in contenders}
        self.failed = {}

    def round(self):
        for name, contender in self.contenders.items():
            try:
                self.times[name].append(contender())
            except (subprocess.SubprocessError, ValueError) as error:
                self.failed[name] = f"failed: {getattr(error, 'stderr', b'') or error}"[:200]

    def rate(self, name):
        if name in self.failed:
            return self.failed[name]
        seconds = statistics.median(self.times[name])
        if self.size < 1 << 20:
            return f"{self.count / seconds:,.0f}/s"
        return f"{self.count * self.size / seconds / 1e6:,.0f} MB/s"

    def cells(self):
        return [self.label, str(self.connections), *map(self.rate, self.contenders)]


def tables(rows):
    for title in dict.fromkeys(row.table for row in rows):
        of_it = [row for row in rows if row.table == title]
        names = list(of_it[0].contenders)
        print(f"\n{title}:\n\n| size | connections | {' | '.join(names)} |\n| --- | ---: |{' ---: |' * len(names)}")
        for row in of_it:
            print(f"| {' | '.join(row.cells())} |")
    for row in rows:
        if row.connections != 1 or row.table != CLIENTS or row.failed:
            continue
        for name, called in (("ours", "`send`"), ("ours, before", "`send` did before")):
            if slower := row.times.get(name):
                ratio = statistics.median(one / other for one, other in zip(slower, row.times["ours, in a row"]))
                print(f"\n{row.label}, one connection: `send_all` sends {ratio:.2f} times as many as {called}.", end="")
    print(flush=True)


CLIENTS = "Clients, to `smtp-sink`"


def rows_of(client, before, modules, their_port, our_port, part):
    """All that is measured, of a part of the messages."""
    def sending(names, port, numbers):
        return {name: partial(said, client, name, port, *numbers) for name in names}

    both = ("ours", "ours, in a row")
    for label, size, count in SIZES:
        for connections in CONNECTIONS:
            numbers = (connections, max(count // part, connections), size)
            contenders = sending((*both, "lettre+nodelay", "mail-send+nodelay"), their_port, numbers)
            if before:
                contenders["ours, before"] = partial(said, before, "ours", their_port, *numbers)
            if modules:
                contenders["nodemailer+nodelay"] = partial(nodemailer, modules, "yes", their_port, *numbers)
            contenders["smtp-source"] = partial(smtp_source, their_port, *numbers)
            yield Row(CLIENTS, label, *numbers, contenders)
            yield Row("Our client, to a sink on our server", label, *numbers, sending(both, our_port, numbers))
            contenders = {"ours": partial(smtp_source, our_port, *numbers),
                          "smtp-sink": partial(smtp_source, their_port, *numbers)}
            yield Row("Servers, from `smtp-source`", label, *numbers, contenders)
    label, size, _ = SIZES[0]
    numbers = (1, 40, size)
    contenders = sending(("ours", "lettre", "mail-send"), their_port, numbers)
    if modules:
        contenders["nodemailer"] = partial(nodemailer, modules, "no", their_port, *numbers)
    yield Row("As they are without TCP_NODELAY, which their callers cannot all set", label, *numbers, contenders)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--before", type=Path)
    arguments = parser.parse_args()
    theirs, their_port = smtp_sink()
    ours, our_port = our_sink(arguments.programs)
    try:
        modules = os.environ.get("NODEMAILER")
        part = 4 if arguments.quick else 1
        rows = list(rows_of(arguments.programs / "client", arguments.before, modules, their_port, our_port, part))
        start = time.monotonic()
        rounds = 0
        while True:
            for row in rows:
                row.round()
            rounds += 1
            took = time.monotonic() - start
            if arguments.quick or rounds >= 3 and took * (rounds + 1) / rounds > arguments.minutes * 60:
                break
        print(f"Medians of {rounds} rounds in {took:.0f} s.")
        tables(rows)
    finally:
        for process in (theirs, ours):
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
