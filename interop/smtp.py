"""What the other side tells of a session of SMTP: whether a message came by BDAT, and for whom a proxy spoke.

REQUIRETLS has no case here, as none of them offers it (Postfix 3.7, Exim 4.96, OpenSMTPD, Courier): our client meets our
server in `mail-store/tests/smtp_parameters.rs`. BINARYMIME is offered by none either."""

import contextlib
import os
import subprocess
import time

from clients import SENDER, Mailbox, run
from messages import HEAD
from servers import HOST, PASSWORD, USER, Dovecot, Serve

# Of the client that a proxy stands for.
ADDRESS, NAME = "192.0.2.7", "spike.example"


def wait_for_line(log, *words):
    """A line that has all the words; servers write it when the session is over."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
            if all(word in line for word in words):
                return line
        time.sleep(0.05)
    raise RuntimeError(f"{log.name} has no line with {' '.join(words)}")


def large(folder):
    """A message of which our client thinks that BDAT is worth it, in more than one chunk."""
    file = folder / "parts.eml"
    file.write_bytes(HEAD % (b"parts", b"parts") + b"\r\n" + b".a line\r\n" * 150_000)
    return file


def chunked(ours, box, relay, server, security, onward, folder):
    """Our client sends by BDAT, and so does the relay to our server where it can; returns what is wrong, or nothing."""
    box.clear()
    file = large(folder)
    put = ours.send(security, server.smtp) if security == "starttls" else ours.send_in_clear(server.smtp)
    put([file])
    box.wait_for(1)
    if not box.get()[0].endswith(file.read_bytes()):
        return "not byte for byte"
    if relay == "Postfix":
        # Its client has no BDAT: RFC 3030 is in smtpd(8) alone.
        lines = [wait_for_line(server.folder / "log", "disconnect from", " bdat=")]
    else:
        # K is for CHUNKING, and => is the way out.
        log = server.folder / "spool/mainlog"
        lines = [wait_for_line(log, " <= ", " K ")]
        if onward == "smtp":
            lines.append(wait_for_line(log, " => ", " K "))
    for line in lines:
        print(f"        {line}", flush=True)
    return ""


def chunked_to(ours, box, security, port, folder, *options):
    """Our client sends by BDAT to a server that does not tell, so that our client's trace does."""
    box.clear()
    file = large(folder)
    words = ours._words("send", security, port)
    login = {"MAILWIRE_USER": USER, "MAILWIRE_PASSWORD": PASSWORD} if security == "starttls" else {}
    done = subprocess.run([*map(str, words), *options, "--from", SENDER, "--to", USER, str(file)], capture_output=True,
                          env=dict(os.environ, RUST_LOG="trace", **login), timeout=60)
    box.wait_for(1)
    if not box.get()[0].endswith(file.read_bytes()):
        return "not byte for byte"
    sent = done.stderr.count(b'command="BDAT" verdict=Some(Accepted)')
    print(f"        {sent} chunks were accepted", flush=True)
    return "" if sent > 1 and b'command="DATA"' not in done.stderr else done.stderr.decode()[-2000:]


def named(message):
    """What is wrong with the trace field that a trusted server has put before a message."""
    header = message.partition(b"\r\n\r\n")[0].decode(errors="replace")
    field = next((line for line in header.replace("\r\n\t", " ").replace("\r\n ", " ").splitlines()
                  if line.lower().startswith("received:") and ADDRESS in line), "")
    print(f"        {field or header}", flush=True)
    return "" if field else f"no trace field names {ADDRESS}"


def xclient_to_postfix(ours, box, postfix, file):
    """Our client tells Postfix for whom it speaks."""
    box.clear()
    told = (("ADDR", ADDRESS), ("NAME", NAME), ("HELO", NAME))
    ours.send_in_clear(postfix.smtp, *(word for name, value in told for word in ("--xclient", f"{name}={value}")))([file])
    box.wait_for(1)
    return named(box.get()[0])


def xclient_to_ours(ours, other, file, folder):
    """swaks, and Dovecot's submission service as a proxy, tell our server."""
    with contextlib.ExitStack() as stack:
        serve = Serve(ours.programs / "serve", ours.authority, "--trust", "127.0.0.1")
        stack.callback(serve.stop)
        box = Mailbox(serve, other)
        run("swaks", "--server", HOST, "--port", serve.smtp, "--from", SENDER, "--to", USER, "--silent", "1",
            "--xclient", f"ADDR={ADDRESS} NAME={NAME} HELO={NAME}", "--data", f"@{file}")
        box.wait_for(1)
        if problem := named(box.get()[0]):
            return f"swaks: {problem}"
        box.clear()
        dovecot = Dovecot(folder / "proxy", ours.authority, serve.smtp, trusted=True)
        stack.callback(dovecot.stop)
        ours.send("starttls", dovecot.submission)([file])
        box.wait_for(1)
        header = box.get()[0].partition(b"\r\n\r\n")[0]
        print(f"        {header.splitlines()[1].decode()}", flush=True)
        return "" if b"with ESMTPA" in header else f"Dovecot: nobody logged in: {header}"
