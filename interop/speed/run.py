#!/usr/bin/env python3
"""How fast messages go: SMTP clients against the same `smtp-sink`, and `smtp-source` against `smtp-sink` and against a
sink on this project's server. All on loopback, in clear. Prints tables in Markdown, in messages or MB per second: the
best of several rounds, in which all take their turns.

    run.py FOLDER_OF_PROGRAMS [ROUNDS]

FOLDER_OF_PROGRAMS holds the `client` and `sink` of this crate, built for release; `smtp-source` and `smtp-sink` are
Postfix'. NODEMAILER in the environment names the folder that nodemailer is installed in; without it, it is left out.
"""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
# Bytes of a message, and how many messages are sent.
SIZES = [("1 KiB", 1 << 10, 4000), ("5 KiB", 5 << 10, 4000), ("100 KiB", 100 << 10, 1000), ("10 MiB", 10 << 20, 20)]
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


def best(contenders, rounds):
    """Of each name the best time, or why there is none. All take their turns, so that what else the machine does hits all."""
    times = {}
    for _ in range(rounds):
        for name, contender in contenders.items():
            try:
                seconds = contender()
            except (subprocess.SubprocessError, ValueError) as error:
                times[name] = f"failed: {getattr(error, 'stderr', b'') or error}"[:200]
                continue
            if not isinstance(times.get(name), str):
                times[name] = min(seconds, times.get(name, seconds))
    return times


def table(title, names, rows):
    print(f"\n{title}\n\n| size | connections | {' | '.join(names)} |\n| --- | ---: |{' ---: |' * len(names)}")
    for label, connections, count, size, times in rows:
        def rate(seconds):
            if isinstance(seconds, str):
                return seconds
            return f"{count / seconds:,.0f}/s" if size < 1 << 20 else f"{count * size / seconds / 1e6:,.0f} MB/s"
        print(f"| {label} | {connections} | {' | '.join(rate(times[name]) for name in names)} |", flush=True)


def main():
    programs = Path(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    client, modules = programs / "client", os.environ.get("NODEMAILER")
    theirs, their_port = smtp_sink()
    ours, our_port = our_sink(programs)
    try:
        sending, between, receiving = [], [], []
        for label, size, count in SIZES:
            for connections in CONNECTIONS:
                numbers = (their_port, connections, count, size)
                contenders = {name: lambda name=name: said(client, name, *numbers)
                              for name in ("ours", "ours, in a row", "lettre+nodelay", "mail-send+nodelay")}
                if modules:
                    contenders["nodemailer+nodelay"] = lambda: nodemailer(modules, "yes", *numbers)
                contenders["smtp-source"] = lambda: smtp_source(*numbers)
                sending.append((label, connections, count, size, best(contenders, rounds)))
                numbers = (our_port, connections, count, size)
                to_ours = {name: lambda name=name, numbers=numbers: said(client, name, *numbers)
                           for name in ("ours", "ours, in a row")}
                between.append((label, connections, count, size, best(to_ours, rounds)))
                contenders = {"ours": lambda: smtp_source(our_port, connections, count, size),
                              "smtp-sink": lambda: smtp_source(their_port, connections, count, size)}
                receiving.append((label, connections, count, size, best(contenders, rounds)))
        table("Clients, to `smtp-sink`", list(sending[0][4]), sending)
        label, size, count = SIZES[0][0], SIZES[0][1], 100
        contenders = {name: lambda name=name: said(client, name, their_port, 1, count, size)
                      for name in ("ours", "lettre", "mail-send")}
        if modules:
            contenders["nodemailer"] = lambda: nodemailer(modules, "no", their_port, 1, count, size)
        rows = [(label, 1, count, size, best(contenders, 1))]
        table("As they are without TCP_NODELAY, which their callers cannot all set", list(contenders), rows)
        table("Our client, to a sink on our server", list(between[0][4]), between)
        table("Servers, from `smtp-source`", list(receiving[0][4]), receiving)
    finally:
        for process in (theirs, ours):
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
