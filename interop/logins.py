"""Our clients log in by each mechanism that Dovecot has, and others by the mechanisms of our server that they do not
choose by themselves."""

import contextlib
import imaplib
import smtplib

from clients import run
from servers import HOST, PASSWORD, USER, Dovecot, Serve, free_ports

MECHANISMS = ["CRAM-MD5", "DIGEST-MD5", "LOGIN", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"]


def check(ours, folder):
    """With the right password and a wrong one; returns what is wrong, or nothing."""
    problems = []
    with contextlib.ExitStack() as stack:
        (relay,) = free_ports(1)
        server = Dovecot(folder / "logins", ours.authority, relay, " ".join(MECHANISMS).lower())
        stack.callback(server.stop)
        for program, port in (("fetch", server.imaps), ("pop", server.pop3s)):
            for mechanism in MECHANISMS:
                for password, accepted in ((PASSWORD, True), ("wrong", False)):
                    words = (ours.programs / program, "--server", f"{HOST}:{port}", "--ca", ours.authority.ca,
                             "--mechanism", mechanism)
                    try:
                        run(*words, env={"MAILWIRE_USER": USER, "MAILWIRE_PASSWORD": password})
                        came = ""
                    except RuntimeError as error:
                        came = str(error)
                    if accepted != (not came) or came and "refused" not in came:
                        problems.append(f"{program} {mechanism}: {came or 'a wrong password is accepted'}")
    return "\n        ".join(problems)


def cram_md5(ours, other):
    """Others at our server; returns what is wrong, or nothing."""
    with contextlib.ExitStack() as stack:
        server = Serve(ours.programs / "serve", ours.authority, "--mechanism", "CRAM-MD5")
        stack.callback(server.stop)
        for scheme, port in (("imaps", server.imaps), ("pop3s", server.pop3s)):
            run(*other.curl_words, f"{scheme}://{HOST}:{port}/", "--login-options", "AUTH=CRAM-MD5")
        with imaplib.IMAP4(HOST, server.imap) as imap:
            imap.login_cram_md5(USER, PASSWORD)
            imap.select("INBOX")
        with smtplib.SMTP(HOST, server.submission) as smtp:
            smtp.ehlo()
            smtp.user, smtp.password = USER, PASSWORD
            smtp.auth("CRAM-MD5", smtp.auth_cram_md5)
            smtp.noop()
    return ""
