"""Every pair of a client and a server: its name, the mailbox that is used, how messages get in, how they get out, and
which are left out. Where one half of a pair is not what is tested, it is Python's imaplib."""

import pop3
from clients import Aerc, Mailbox, Mutt, without_marks


def of(servers, relays, ours, other):
    """All of them. `servers` has those with mailboxes, by their names."""
    boxes = {name: Mailbox(server, other) for name, server in servers.items()}
    serve, box = servers["serve"], boxes["serve"]
    yield from smtp_of_ours(servers, boxes, ours)
    yield from by_way_of(relays, boxes, ours)
    yield from imap_of_ours(servers, boxes, ours)
    yield from others_with(serve, box, other)
    yield from at_a_terminal(servers, boxes, other)
    yield from pop3_both_ways(servers, boxes, ours, other)
    yield "send > serve > fetch", box, ours.send("starttls", serve.submission), ours.fetch("tls", serve.imaps)
    yield "send > serve > pop", box, ours.send("tls", serve.submissions), ours.pop("tls", serve.pop3s)


def smtp_of_ours(servers, boxes, ours):
    box = boxes["Dovecot"]
    yield "send (STARTTLS, AUTH) > Dovecot submission", box, ours.send("starttls", servers["Dovecot"].submission), box.get
    for name in ("Dovecot", "Cyrus"):
        yield f"send --lmtp > {name} LMTP", boxes[name], ours.lmtp(servers[name].lmtp), boxes[name].get
    if "Courier" in servers:
        box = boxes["Courier"]
        # It counts a line of 9,000 octets as header, wherever it is.
        yield "send (STARTTLS, AUTH) > Courier", box, ours.send("starttls", servers["Courier"].smtp), box.get, \
            {"long lines"}


def by_way_of(relays, boxes, ours):
    """`send` to another's server, which hands the messages on."""
    for relay, port, security, name, protocol in relays:
        put = ours.send(security, port) if security == "starttls" else ours.send_in_clear(port)
        yield f"send ({security}) > {relay} > {name} {protocol.upper()}", boxes[name], put, boxes[name].get
        # OpenSMTPD and Dovecot's LMTP do not offer SMTPUTF8.
        if name == "serve" and relay != "OpenSMTPD":
            put = ours.send(security, port, sender="j\u00f6rg@example.net")
            yield f"send (SMTPUTF8) > {relay} > {name} {protocol.upper()}", boxes[name], put, boxes[name].get


def imap_of_ours(servers, boxes, ours):
    for name in ("Dovecot", "Cyrus"):
        server, box = servers[name], boxes[name]
        yield f"fetch (implicit TLS) < {name} IMAP", box, box.put, ours.fetch("tls", server.imaps)
        yield f"fetch (STARTTLS) < {name} IMAP", box, box.put, ours.fetch("starttls", server.imap)
        yield f"fetch --append > {name} IMAP", box, ours.append("tls", server.imaps), box.get


def others_with(serve, box, other):
    """Everybody else's clients, one way."""
    yield "curl > serve submission (STARTTLS)", box, other.curl_smtp("smtp", serve.submission), box.get
    yield "curl > serve submissions (TLS)", box, other.curl_smtp("smtps", serve.submissions), box.get
    yield "smtplib > serve submission", box, other.smtplib(serve.submission), box.get
    yield "smtplib > serve LMTP", box, other.lmtplib(serve.lmtp), box.get
    yield "msmtp > serve submission", box, other.msmtp(serve.submission), box.get
    yield "swaks > serve SMTP (STARTTLS)", box, other.swaks(serve.smtp, "ESMTP"), box.get
    yield "swaks > serve LMTP", box, other.swaks(serve.lmtp, "LMTP"), box.get
    yield "imaplib > serve IMAP > imaplib", box, box.put, box.get
    yield "curl < serve IMAP (STARTTLS)", box, box.put, other.curl_imap("imap", serve.imap)
    yield "curl < serve IMAP (TLS)", box, box.put, other.curl_imap("imaps", serve.imaps)
    yield "curl > serve IMAP (APPEND)", box, other.curl_append(serve.imaps), box.get
    yield "mbsync < serve IMAP", box, box.put, other.mbsync_pull(serve.imaps)
    yield "mbsync > serve IMAP", box, other.mbsync_push(serve.imaps), lambda: list(map(without_marks, box.get()))


def at_a_terminal(servers, boxes, other):
    """Programs that want a terminal and keys."""
    serve, box, unbound = servers["serve"], boxes["serve"], "serve without channel binding"
    # Where SCRAM-SHA-256-PLUS is offered, mutt chooses it, cannot bind, and shows the password after all.
    for name in ("mutt", "neomutt"):
        mutt = Mutt(name, other.authority, other.folder)
        yield f"{name} < serve IMAP (STARTTLS)", box, box.put, mutt.pull(serve.imap)
        yield f"{name} > serve IMAP (STARTTLS)", box, mutt.push(serve.imap), \
            lambda: list(map(without_marks, box.get()))
        yield f"{name} < {unbound} IMAP", boxes[unbound], boxes[unbound].put, mutt.pull(servers[unbound].imap)
    yield "aerc < serve IMAP (TLS)", box, box.put, \
        Aerc(other.authority, other.folder).pull(box, serve.imaps)


def pop3_both_ways(servers, boxes, ours, other):
    """POP3, keeping the messages and deleting them."""
    for what, delete in (("keeping", False), ("deleting", True)):
        for name in ("Dovecot", "Cyrus", "Courier"):
            if name in servers:
                box, server = boxes[name], servers[name]
                words, get = ("STLS", ours.pop("starttls", server.pop3, delete)) if delete else \
                    ("implicit TLS", ours.pop("tls", server.pop3s, delete))
                yield f"pop ({words}) < {name} POP3, {what}", box, box.put, pop3.leaves(box, get, delete)
        box = boxes["serve"]
        for name, get, *left_out in pop3.Clients(other).of(servers["serve"], delete):
            yield f"{name} < serve POP3, {what}", box, box.put, pop3.leaves(box, get, delete), *left_out
