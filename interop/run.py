#!/usr/bin/env python3
"""The interoperability suite: every pair of a client and a server exchanges the same messages, which must come
through byte for byte; reports about delivery are asked for and read; our client tries the extensions that a server
offers; and three servers are asked the same about messages that are hard to read. Prints a table; exits non-zero if a
case failed.

    run.py FOLDER_OF_PROGRAMS [PART_OF_A_NAME]

FOLDER_OF_PROGRAMS holds the built `send`, `fetch`, `pop`, `sync`, `migrate`, `reports`, `extensions` and `serve`. IMAPFLOW in the
environment names the folder that ImapFlow is installed in, and INTEROP_PACKAGES one with the folders `exim`, `opensmtpd`
and `courier`, in which their packages are unpacked; without them, they are left out. DOCTOR is the program `doctor`, whose
set-ups are left out without it.
"""

import contextlib
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import apart
import clients
import differential
import doctor
import extensions
import logins
import moving
import pairs
import reports
import smtp
import twoway
from clients import Mailbox, Ours, run
from messages import as_sent, messages, without_trace
from servers import PASSWORD, USER, Authority, Cyrus, Dovecot, Postfix, Serve, free_ports


def check(folder, mailbox, put, get, left_out=()):
    """Runs one pair, with the messages that are not left out; returns what is wrong, or nothing."""
    sent = {name: content for name, content in messages().items() if name not in left_out}
    mailbox.clear()
    put([folder / f"{name}.eml" for name in sent])
    mailbox.wait_for(len(sent))
    # A message whose last line has no end gets one in SMTP, POP3 and some mailbox formats.
    got = sorted(as_sent(without_trace(message)) for message in get())
    if got == sorted(map(as_sent, sent.values())):
        return ""
    names = [name for name, content in sent.items() if as_sent(content) not in got]
    return f"{len(got)} came of {len(sent)}; not byte for byte: {', '.join(names)}"


def source(mailbox, port, *options):
    """`smtp-source` sends messages of its own on several connections; returns what is wrong, or nothing."""
    mailbox.clear()
    run("smtp-source", "-d", *options, "-s", 5, "-m", 100, "-l", 5000, "-f", clients.SENDER, "-t", USER, f"127.0.0.1:{port}")
    mailbox.wait_for(100)
    sizes = [len(without_trace(message)) for message in mailbox.get()]
    return "" if len(sizes) == 100 and min(sizes) >= 5000 else f"{len(sizes)} messages, of {set(sizes)} octets"


def differ(servers, tls):
    """Compares what three servers say of the same messages; returns what is wrong, or nothing."""
    problems, summary = differential.check(servers, tls)
    print(f"        {summary}", flush=True)
    more = [f"and {len(problems) - 50} more"] if len(problems) > 50 else []
    return "\n        ".join(line.replace("\n", "\n        ") for line in problems[:50] + more)


def imapflow(modules, authority, serve):
    """Runs what an application does with ImapFlow; returns what is wrong, or nothing."""
    said = run("node", Path(__file__).with_name("imapflow.mjs"), modules, serve.imaps, authority.ca, USER, PASSWORD)
    for line in said.decode().splitlines():
        print(f"        {line}", flush=True)
    return ""


def main():
    programs = Path(sys.argv[1])
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    # The servers are stopped too if somebody stops this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as servers:
        folder = Path(name)
        folder.chmod(0o755)
        authority = Authority(folder)
        (relay,) = free_ports(1)

        def start(kind, *arguments):
            server = kind(*arguments)
            servers.callback(server.stop)
            return server

        dovecot = start(Dovecot, folder / "dovecot", authority, relay)
        cyrus = start(Cyrus, folder / "cyrus", authority)
        serve = start(Serve, programs / "serve", authority)
        # Here, mutt logs in by SCRAM.
        unbound = start(Serve, programs / "serve", authority, "--without-channel-binding")
        boxes = {"Dovecot": dovecot, "Cyrus": cyrus, "serve": serve, "serve without channel binding": unbound}
        if apart.PACKAGES:
            boxes["Courier"] = start(apart.Courier, folder / "courier", authority)
        relays, chunking = [], []
        for number, (name, protocol, port) in enumerate(
                (("Dovecot", "lmtp", dovecot.lmtp), ("serve", "smtp", serve.smtp), ("serve", "lmtp", serve.lmtp))):
            # Dovecot's submission uses the first.
            listen = free_ports(1)[0] if number else relay
            postfix = start(Postfix, folder / f"postfix{number}", authority, listen, dovecot, protocol, port)
            relays.append(("Postfix", postfix.smtp, "starttls", name, protocol))
            chunking.append(("Postfix", postfix, "starttls", name, protocol))
            if apart.PACKAGES:
                exim = start(apart.Exim, folder / f"exim{number}", authority, protocol, port)
                relays.append(("Exim", exim.smtp, "starttls", name, protocol))
                chunking.append(("Exim", exim, "starttls", name, protocol))
                opensmtpd = start(apart.OpenSmtpd, folder / f"opensmtpd{number}", protocol, port)
                relays.append(("OpenSMTPD", opensmtpd.smtp, "in clear", name, protocol))
        files = folder / "messages"
        files.mkdir()
        for name, content in messages().items():
            (files / f"{name}.eml").write_bytes(content)
        ours, other = Ours(programs, authority, folder), clients.Others(authority, folder)
        rows = []
        cases = [(name, lambda pair=pair: check(files, *pair))
                 for name, *pair in pairs.of(boxes, relays, ours, other)]
        cases.append(("mbsync <> serve IMAP, both ways", lambda: twoway.mbsync(other, serve, folder)))
        cases.append(("offlineimap <> serve IMAP, both ways", lambda: twoway.offlineimap(other, serve, folder)))
        cases.append(("interimap: Dovecot <> serve IMAP (QRESYNC, COMPRESS)",
                      lambda: twoway.interimap(other, serve, folder, dovecot)))

        def show(line):
            print(f"        {line}", flush=True)

        def moved(name, by):
            """With servers of its own, for what is in their mailboxes is counted."""
            place = folder / name
            place.mkdir(mode=0o755)
            with contextlib.ExitStack() as own:
                servers = []
                for side in ("one", "two"):
                    servers.append(Dovecot(place / side, authority, free_ports(1)[0]))
                    own.callback(servers[-1].stop)
                return by(place, *servers)

        cases.append(("sync <> Dovecot IMAP, killed ten times", lambda: moved("synced", lambda place, server, _:
                      moving.sync(programs, other, place, server, 2_000, 1, show))))
        cases.append(("migrate: Dovecot > Dovecot IMAP, killed ten times", lambda: moved("migrated", lambda place, *servers:
                      moving.migrate(programs, other, place, *servers, 2_000, 1, show))))
        box = Mailbox(serve, other)
        cases.append(("smtp-source > serve SMTP", lambda: source(box, serve.smtp)))
        cases.append(("smtp-source > serve LMTP", lambda: source(box, serve.lmtp, "-L")))
        reporting = [*relays]
        if "Courier" in boxes:
            reporting.append(("Courier", boxes["Courier"].smtp, "starttls", "Courier", "Maildir"))
        for relay, port, security, name, protocol in reporting:
            for fails in (False, True) if name == "serve" else (False,):
                arguments = (Mailbox(boxes[name], other), relay, security, port, files / "plain.eml", fails)
                cases.append((f"report of {'failure' if fails else 'success'}: send > {relay} > {name} {protocol}",
                              lambda arguments=arguments: reports.check(ours, *arguments)))
        for relay, server, security, name, protocol in chunking:
            arguments = (Mailbox(boxes[name], other), relay, server, security, protocol, folder)
            cases.append((f"BDAT: send > {relay} > {name} {protocol.upper()}",
                          lambda arguments=arguments: smtp.chunked(ours, *arguments)))
        theirs = Mailbox(dovecot, other)
        for name, security, port, *options in (("LMTP", "plaintext", dovecot.lmtp, "--lmtp"),
                                               ("submission", "starttls", dovecot.submission)):
            cases.append((f"BDAT: send > Dovecot {name}", lambda arguments=(security, port, folder, *options):
                          smtp.chunked_to(ours, theirs, *arguments)))
        cases.append(("XCLIENT: send > Postfix > serve LMTP",
                      lambda: smtp.xclient_to_postfix(ours, box, postfix, files / "plain.eml")))
        cases.append(("XCLIENT: swaks, Dovecot submission > serve SMTP",
                      lambda: smtp.xclient_to_ours(ours, other, files / "plain.eml", folder)))
        if modules := os.environ.get("IMAPFLOW"):
            cases.append(("ImapFlow <> serve IMAP", lambda: imapflow(modules, authority, serve)))
        for name, server in (("Dovecot", dovecot), ("Cyrus", cyrus), ("serve", serve)):
            cases.append((f"extensions <> {name} IMAP",
                          lambda server=server, name=name: extensions.check(ours, server, name)))
        cases.append(("mechanisms <> Dovecot IMAP and POP3", lambda: logins.check(ours, folder)))
        cases.append(("curl and Python by CRAM-MD5 <> serve", lambda: logins.cram_md5(ours, other)))
        if program := os.environ.get("DOCTOR"):
            cases.extend(doctor.cases(program, folder, authority, servers, show))
        compared = {"serve": serve.imaps, "dovecot": dovecot.imaps, "cyrus": cyrus.imaps}
        cases.append(("differential: serve, Dovecot, Cyrus", lambda: differ(compared, other.tls)))
        for name, case in cases:
            if wanted not in name:
                continue
            start = time.monotonic()
            try:
                problem = case()
            except Exception as error:  # one case's failure is a row of the table
                problem = f"{type(error).__name__}: {error}"
                traceback.print_exc()
            rows.append((name, problem))
            print(f"{'failed' if problem else 'passed':7} {time.monotonic() - start:5.1f} s  {name}", flush=True)
            if problem:
                print(f"        {problem}", flush=True)
    failed = sum(1 for _, problem in rows if problem)
    print(f"{len(rows) - failed} passed, {failed} failed")
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
