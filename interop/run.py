#!/usr/bin/env python3
"""The interoperability suite: every pair of a client and a server exchanges the same messages, which must come
through byte for byte; three servers are asked the same about messages that are hard to read; and our client tries
the extensions that a server offers. Prints a table; exits non-zero if a case failed.

    run.py FOLDER_OF_PROGRAMS [PART_OF_A_NAME]

FOLDER_OF_PROGRAMS holds the built `send`, `fetch`, `pop`, `extensions` and `serve`. IMAPFLOW in the environment names
the folder that ImapFlow is installed in; without it, it is left out.
"""

import contextlib
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import clients
import differential
import extensions
import twoway
from clients import Aerc, Mailbox, Mutt, Ours, run, without_marks
from messages import as_sent, messages, without_trace
from servers import PASSWORD, USER, Authority, Cyrus, Dovecot, Postfix, Serve, free_ports


def pairs(ours, other, dovecot, cyrus, postfix, serve, unbound):
    """Name, server whose mailbox is used, how messages get in, how they get out. Where one half of a pair is not what
    is tested, it is Python's imaplib."""
    with_dovecot, with_cyrus, with_serve, with_unbound = (
        Mailbox(server, other) for server in (dovecot, cyrus, serve, unbound))
    yield "send (STARTTLS, AUTH) > Postfix", with_dovecot, ours.send("starttls", postfix.smtp), with_dovecot.get
    yield "send (STARTTLS, AUTH) > Dovecot submission", with_dovecot, ours.send("starttls", dovecot.submission), \
        with_dovecot.get
    yield "send --lmtp > Dovecot LMTP", with_dovecot, ours.lmtp(dovecot.lmtp), with_dovecot.get
    yield "fetch (implicit TLS) < Dovecot IMAP", with_dovecot, with_dovecot.put, ours.fetch("tls", dovecot.imaps)
    yield "fetch (STARTTLS) < Dovecot IMAP", with_dovecot, with_dovecot.put, ours.fetch("starttls", dovecot.imap)
    yield "fetch --append > Dovecot IMAP", with_dovecot, ours.append("tls", dovecot.imaps), with_dovecot.get
    yield "pop (implicit TLS) < Dovecot POP3", with_dovecot, with_dovecot.put, ours.pop("tls", dovecot.pop3s)
    yield "pop (STLS) < Dovecot POP3", with_dovecot, with_dovecot.put, ours.pop("starttls", dovecot.pop3)
    yield "send > Postfix > fetch < Dovecot", with_dovecot, ours.send("starttls", postfix.smtp), \
        ours.fetch("tls", dovecot.imaps)
    yield "fetch (implicit TLS) < Cyrus IMAP", with_cyrus, with_cyrus.put, ours.fetch("tls", cyrus.imaps)
    yield "fetch (STARTTLS) < Cyrus IMAP", with_cyrus, with_cyrus.put, ours.fetch("starttls", cyrus.imap)
    yield "fetch --append > Cyrus IMAP", with_cyrus, ours.append("tls", cyrus.imaps), with_cyrus.get
    yield "pop (implicit TLS) < Cyrus POP3", with_cyrus, with_cyrus.put, ours.pop("tls", cyrus.pop3s)
    yield "pop (STLS) < Cyrus POP3", with_cyrus, with_cyrus.put, ours.pop("starttls", cyrus.pop3)

    yield "curl > serve submission (STARTTLS)", with_serve, other.curl_smtp("smtp", serve.submission), with_serve.get
    yield "curl > serve submissions (TLS)", with_serve, other.curl_smtp("smtps", serve.submissions), with_serve.get
    yield "smtplib > serve submission", with_serve, other.smtplib(serve.submission), with_serve.get
    yield "smtplib > serve LMTP", with_serve, other.lmtplib(serve.lmtp), with_serve.get
    yield "msmtp > serve submission", with_serve, other.msmtp(serve.submission), with_serve.get
    yield "swaks > serve SMTP (STARTTLS)", with_serve, other.swaks(serve.smtp, "ESMTP"), with_serve.get
    yield "swaks > serve LMTP", with_serve, other.swaks(serve.lmtp, "LMTP"), with_serve.get
    yield "imaplib > serve IMAP > imaplib", with_serve, with_serve.put, with_serve.get
    yield "curl < serve IMAP (STARTTLS)", with_serve, with_serve.put, other.curl_imap("imap", serve.imap)
    yield "curl < serve IMAP (TLS)", with_serve, with_serve.put, other.curl_imap("imaps", serve.imaps)
    yield "curl > serve IMAP (APPEND)", with_serve, other.curl_append(serve.imaps), with_serve.get
    yield "mbsync < serve IMAP", with_serve, with_serve.put, other.mbsync_pull(serve.imaps)
    yield "mbsync > serve IMAP", with_serve, other.mbsync_push(serve.imaps), \
        lambda: list(map(without_marks, with_serve.get()))
    yield "poplib < serve POP3 (STLS)", with_serve, with_serve.put, other.poplib(serve.pop3)
    yield "curl < serve POP3 (TLS)", with_serve, with_serve.put, other.curl_pop(serve.pop3s)
    yield "mpop < serve POP3 (TLS)", with_serve, with_serve.put, other.mpop(serve.pop3s)
    # Where SCRAM-SHA-256-PLUS is offered, mutt chooses it, cannot bind, and shows the password after all.
    for name in ("mutt", "neomutt"):
        mutt = Mutt(name, other.authority, other.folder)
        yield f"{name} < serve IMAP (STARTTLS)", with_serve, with_serve.put, mutt.pull(serve.imap)
        yield f"{name} > serve IMAP (STARTTLS)", with_serve, mutt.push(serve.imap), \
            lambda: list(map(without_marks, with_serve.get()))
        yield f"{name} < serve IMAP without channel binding", with_unbound, with_unbound.put, mutt.pull(unbound.imap)
    yield "aerc < serve IMAP (TLS)", with_serve, with_serve.put, \
        Aerc(other.authority, other.folder).pull(with_serve, serve.imaps)
    yield "send > serve > fetch", with_serve, ours.send("starttls", serve.submission), ours.fetch("tls", serve.imaps)
    yield "send > serve > pop", with_serve, ours.send("tls", serve.submissions), ours.pop("tls", serve.pop3s)


def check(mailbox, put, get, files):
    """Runs one pair; returns what is wrong, or nothing."""
    mailbox.clear()
    put(files)
    mailbox.wait_for(len(files))
    # A message whose last line has no end gets one in SMTP, POP3 and some mailbox formats.
    got = sorted(as_sent(without_trace(message)) for message in get())
    sent = sorted(as_sent(content) for content in messages().values())
    if got == sent:
        return ""
    names = [name for name, content in messages().items() if as_sent(content) not in got]
    return f"{len(got)} came of {len(sent)}; not byte for byte: {', '.join(names)}"


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
        postfix = start(Postfix, folder / "postfix", authority, relay, dovecot)
        serve = start(Serve, programs / "serve", authority)
        # Here, mutt logs in by SCRAM.
        unbound = start(Serve, programs / "serve", authority, "--without-channel-binding")
        files = []
        for number, content in enumerate(messages().values()):
            files.append(folder / f"{number}.eml")
            files[-1].write_bytes(content)
        ours, other = Ours(programs, authority, folder), clients.Others(authority, folder)
        rows = []
        cases = [(name, lambda mailbox=mailbox, put=put, get=get: check(mailbox, put, get, files))
                 for name, mailbox, put, get in pairs(ours, other, dovecot, cyrus, postfix, serve, unbound)]
        cases.append(("mbsync <> serve IMAP, both ways", lambda: twoway.mbsync(other, serve, folder)))
        cases.append(("offlineimap <> serve IMAP, both ways", lambda: twoway.offlineimap(other, serve, folder)))
        cases.append(("interimap: Dovecot <> serve IMAP (QRESYNC, COMPRESS)",
                      lambda: twoway.interimap(other, serve, folder, dovecot)))
        if modules := os.environ.get("IMAPFLOW"):
            cases.append(("ImapFlow <> serve IMAP", lambda: imapflow(modules, authority, serve)))
        for name, server in (("Dovecot", dovecot), ("Cyrus", cyrus), ("serve", serve)):
            cases.append((f"extensions <> {name} IMAP",
                          lambda server=server, name=name: extensions.check(ours, server, name)))
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
