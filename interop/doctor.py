"""The program `doctor` before other people's servers: set-ups that are right, and some that are wrong in one way each, of which it
has to tell that, and nothing else as an error. And what whoever sits at a terminal sees of it."""

import contextlib
import json
import os
import pty
import re
import select
import socket
import struct
import subprocess
import termios
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import apart
from servers import PASSWORD, USER, Cyrus, Dovecot, Postfix, free_ports

MAIL = "mail.example.org"
# Where Dovecot is: of what comes from its own address it believes that nobody can read it.
NEAR = "127.0.0.2"
# What programs look for in DNS, and the port that is registered for it.
SERVICES = {"_imaps": 993, "_imap": 143, "_pop3s": 995, "_pop3": 110, "_submissions": 465, "_submission": 587}


class Names:
    """A name server with the records of a domain: all is well with them. A service that is not at one of `ports` is said not to
    be there. What was asked is in `asked`."""

    TYPES = {"A": 1, "PTR": 12, "MX": 15, "TXT": 16, "SRV": 33}

    def __init__(self, ports):
        self.asked, self._records = [], {}
        self._add("example.org", "MX", struct.pack("!H", 10) + self._name(MAIL))
        self._add(MAIL, "A", socket.inet_aton("192.0.2.25"))
        self._add("25.2.0.192.in-addr.arpa", "PTR", self._name(MAIL))
        for name, text in (("example.org", "v=spf1 mx -all"), ("_dmarc.example.org", "v=DMARC1; p=reject")):
            self._add(name, "TXT", bytes([len(text)]) + text.encode())
        for service, port in SERVICES.items():
            place = (port, MAIL) if port in ports else (0, "")
            self._add(f"{service}._tcp.example.org", "SRV", struct.pack("!HHH", 0, 1, place[0]) + self._name(place[1]))
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _add(self, name, kind, data):
        self._records.setdefault((name, self.TYPES[kind]), []).append(data)

    @staticmethod
    def _name(name):
        return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                question, peer = self._socket.recvfrom(4096)
                self._socket.sendto(self._answer(question), peer)

    def _answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode().lower())
            at += 1 + question[at]
        (kind,) = struct.unpack("!H", question[at + 1:at + 3])
        name = ".".join(labels)
        self.asked.append(name)
        found = self._records.get((name, kind), [])
        # A response, recursion available; no such name, if there is none of any type.
        code = 0 if any(known == name for known, _ in self._records) else 3
        header = question[:2] + bytes([0x81, 0x80 | code]) + struct.pack("!HHHH", 1, len(found), 0, 0)
        records = (b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data for data in found)
        return header + question[12:at + 5] + b"".join(records)

    def close(self):
        self._socket.close()


class Doctor:
    """The program, and the authority that it trusts."""

    def __init__(self, program, authority):
        self.program, self.authority = program, authority

    @contextlib.contextmanager
    def words(self, ports, *options):
        """The words that have servers examined: `ports` has the registered port of each, and where it is in truth."""
        names = Names(ports)
        words = [self.program, USER, "--resolver", f"127.0.0.1:{names.port}", "--no-dnssec", "--no-database", "--ca",
                 self.authority.ca, "--timeout", 8, *options]
        for port, place in ports.items():
            words += ["--port", port, "--connect-to", f"{MAIL}:{port}={place}"]
        try:
            yield [str(word) for word in words], names
        finally:
            names.close()

    def examine(self, ports, *options, password=PASSWORD):
        """Gives the findings, and how the program ended."""
        with self.words(ports, "--json", *options) as (words, _):
            done = subprocess.run(words, capture_output=True, timeout=60, stdin=subprocess.DEVNULL,
                                  env=dict(os.environ, MAILWIRE_PASSWORD=password))
        if done.returncode > 2:
            raise RuntimeError(f"doctor ended with {done.returncode}: {done.stderr.decode()}")
        return json.loads(done.stdout)["findings"], done.returncode

    def judge(self, setup):
        """Examines a set-up; returns what is wrong with what is told of it, or nothing."""
        findings, status = self.examine(setup.ports, *setup.options, password=setup.password)
        told = {(found["severity"], found["check"]) for found in findings}
        errors = {check for severity, check in told if severity == "error"}
        wanted = {setup.check} if setup.severity == "error" else set()
        missing = {(setup.severity, setup.check), *(("good", check) for check in setup.good)} - told - {("good", "")}
        without = [found["check"] for found in findings if found["severity"] == "error" and not found["remedy"]]
        worst = 2 if errors else int(any(severity == "warning" for severity, _ in told))
        if errors == wanted and not missing and not without and status == worst:
            return ""
        return (f"{setup.name}: expected {setup.check or 'no error'}, was told {sorted(told - {t for t in told if t[0] == 'good'})}, "
                f"not told {sorted(missing)}, without a remedy {without}, ended with {status}")


def setup(name, ports, check="", *options, severity="error", good=(), password=PASSWORD, host="127.0.0.1"):
    """Servers at registered ports, the check that has to be told of them, and those that have to be good."""
    places = {port: f"{host}:{place}" if isinstance(place, int) else place for port, place in ports.items()}
    return SimpleNamespace(name=name, ports=places, check=check, options=options, severity=severity if check else "good",
                           good=good, password=password)


LOG_IN = ("--user", USER)
SEND = ("--test-mail", "--yes", "--wait", "30")


class Beds:
    """Servers for set-ups, which are started as they are needed, below a folder."""

    def __init__(self, folder, authority, stack):
        self.folder, self.stack = folder, stack
        folder.mkdir()
        name = f"DNS:{MAIL}"
        self.good = authority.issue("doctor", name, days=60)
        self.expired = authority.issue("doctor-expired", name, days=-1)
        self.other = authority.issue("doctor-other", "DNS:other.example.org")
        self.own = authority.issue("doctor-own", name, is_own_issuer=True)
        self.weak = authority.issue("doctor-weak", name, key=("-newkey", "rsa:1024", "-nodes"))
        # Who has said a wrong password does not wait.
        self.dovecot = self.start(Dovecot, "right", self.good, 9, host=NEAR, more="auth_failure_delay = 0\nservice anvil {\n"
                                  "  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n")

    def start(self, kind, name, *arguments, **options):
        server = kind(self.folder / f"{kind.__name__}-{name}", *arguments, **options)
        self.stack.callback(server.stop)
        return server

    def postfix(self):
        """One Postfix: a service a set-up."""
        lines, ports = [], {}

        def service(name, *options, certificate=None):
            (ports[name],) = free_ports(1)
            if certificate:
                options = (*options, f"smtpd_tls_chain_files = {certificate.key}, {certificate.cert}")
            lines.append(f"127.0.0.1:{ports[name]} inet n - n - - smtpd")
            lines.extend(f"  -o {{ {option} }}" for option in options)

        wrapped, old = "smtpd_tls_wrappermode = yes", "<=TLSv1.1"
        lenient = "tls_medium_cipherlist = ALL:@SECLEVEL=0"
        service("mx", "smtpd_sasl_auth_enable = no")
        service("submissions", wrapped)
        service("expired", certificate=self.expired)
        service("other name", wrapped, certificate=self.other)
        service("own", certificate=self.own)
        service("weak", lenient, certificate=self.weak)
        service("old", f"smtpd_tls_protocols = {old}", f"smtpd_tls_mandatory_protocols = {old}", lenient)
        service("in clear", "smtpd_tls_auth_only = no")
        service("without TLS", "smtpd_tls_security_level = none")
        service("without SASL", "smtpd_sasl_auth_enable = no")
        service("greylists", "smtpd_recipient_restrictions = check_recipient_access static:{450 4.7.1 greylisted}")
        service("refuses", "smtpd_recipient_restrictions = check_recipient_access static:{550 5.7.1 no such mail here}")
        service("returns", "content_filter = error:5.7.1 a filter does not like it")
        (port,) = free_ports(1)
        self.start(Postfix, "right", self.good, port, self.dovecot, "lmtp", self.dovecot.lmtp, services="\n".join(lines))
        read = {993: f"{NEAR}:{self.dovecot.imaps}", 995: f"{NEAR}:{self.dovecot.pop3s}"}
        in_front = {25: ports["mx"], 587: port, 465: ports["submissions"], **read}

        def wrong(name, check, *options, at=587, **how):
            return setup(f"Postfix: {name}", {25: ports["mx"], at: ports[name], **read}, check, *options, **how)

        return [
            setup("Postfix: MX, submission by STARTTLS and TLS, a message to itself", in_front, "", *SEND,
                  good=("certificate-good", "login-works", "test-delivered", "mx-found")),
            wrong("expired", "certificate-expired"),
            wrong("other name", "certificate-name", at=465),
            wrong("own", "certificate-self-signed"),
            wrong("weak", "certificate-weak"),
            wrong("old", "tls-old-only"),
            wrong("in clear", "password-in-clear"),
            wrong("without TLS", "starttls-missing"),
            wrong("without SASL", "login-not-offered"),
            setup("Postfix: another protocol at its port", {**in_front, 993: ports["submissions"]}, "protocol-wrong"),
            setup("Postfix: STARTTLS where TLS has to be", {**in_front, 465: port}, "tls-not-spoken"),
            setup("Postfix: MX without TLS", {**in_front, 25: ports["without TLS"]}, "starttls-missing", severity="warning"),
            wrong("greylists", "test-deferred", *SEND),
            wrong("refuses", "test-refused", *SEND),
            wrong("returns", "test-returned", *SEND),
            setup("Postfix: a message comes back, by POP3", {587: ports["returns"], 995: read[995]}, "test-returned", *SEND),
        ]

    def dovecots(self):
        """IMAP and POP3 by STARTTLS and by TLS."""
        config = self.folder / "openssl.cnf"
        config.write_text("openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nMaxProtocol = TLSv1.1\n"
                          "CipherString = ALL:@SECLEVEL=0\n")
        unwrapped = "".join(f"service {service}-login {{\n  inet_listener {listener} {{\n    ssl = no\n  }}\n}}\n"
                            for service, listener in (("imap", "imaps"), ("pop3", "pop3s")))
        old = "ssl_min_protocol = TLSv1\nssl_cipher_list = ALL:@SECLEVEL=0\n"

        def dovecot(name, certificate=self.good, more="", **environment):
            return self.start(Dovecot, name, certificate, 9, host=NEAR, more=more, **environment)

        def all_of(server):
            return {143: server.imap, 993: server.imaps, 110: server.pop3, 995: server.pop3s}

        def wrong(name, check, *arguments, severity="error", **environment):
            return setup(f"Dovecot: {name}", all_of(dovecot(name.replace(" ", "-"), *arguments, **environment)), check,
                         severity=severity, host=NEAR)

        right, plain = all_of(self.dovecot), dovecot("plain", more=unwrapped + "ssl = no")
        return [
            setup("Dovecot: IMAP and POP3, by STARTTLS and TLS", right, "", *LOG_IN, host=NEAR,
                  good=("certificate-good", "login-works", "tls-versions")),
            wrong("nothing newer than TLS 1.1", "tls-old-only", self.good, old + "import_environment = OPENSSL_CONF\n",
                  OPENSSL_CONF=str(config)),
            wrong("TLS 1.0 besides", "tls-old", self.good, old, severity="warning"),
            wrong("passwords in clear", "password-in-clear", self.good, "disable_plaintext_auth = no"),
            wrong("an expired certificate", "certificate-expired", self.expired),
            wrong("another name", "certificate-name", self.other),
            wrong("no TLS at the ports for it", "tls-not-spoken", self.good, unwrapped),
            setup("Dovecot: no STARTTLS", {143: plain.imap, 110: plain.pop3}, "starttls-missing", host=NEAR),
            setup("Dovecot: a wrong password", {993: right[993]}, "login-refused", *LOG_IN, password="wrong", host=NEAR),
            setup("Dovecot: POP3 at the port of IMAP", {**right, 993: self.dovecot.pop3s}, "protocol-wrong", host=NEAR),
            setup("Dovecot: nobody at the one port", {993: free_ports(1)[0]}, "port-closed", host=NEAR),
        ]

    def exims(self):
        def exim(name, certificate):
            return self.start(apart.Exim, name, certificate, "lmtp", self.dovecot.lmtp)

        right, own, expired = exim("right", self.good), exim("own", self.own), exim("expired", self.expired)
        read = {993: f"{NEAR}:{self.dovecot.imaps}", 995: f"{NEAR}:{self.dovecot.pop3s}"}
        return [
            setup("Exim: MX and submission by STARTTLS", {25: right.smtp, 587: right.smtp, **read}, "", *LOG_IN,
                  good=("certificate-good", "login-works", "mx-found")),
            setup("Exim: a certificate signed by itself", {25: right.smtp, 587: own.smtp, **read}, "certificate-self-signed"),
            setup("Exim: an expired certificate", {25: right.smtp, 587: expired.smtp, **read}, "certificate-expired"),
        ]

    def cyruses(self):
        right = self.start(Cyrus, "right", self.good)
        clear = self.start(Cyrus, "clear", self.good, "yes")
        other = self.start(Cyrus, "other", self.other)

        def all_of(server):
            return {143: server.imap, 993: server.imaps, 110: server.pop3, 995: server.pop3s}

        return [
            setup("Cyrus: IMAP and POP3, by STARTTLS and TLS", all_of(right), good=("certificate-good", "tls-versions")),
            # Each login takes three seconds: it refuses channel binding with TLS 1.3, after it has offered it.
            setup("Cyrus: a login", {993: right.imaps}, "", *LOG_IN, good=("login-works",)),
            setup("Cyrus: passwords in clear", all_of(clear), "password-in-clear"),
            setup("Cyrus: a certificate for another name", all_of(other), "certificate-name"),
        ]


def check(doctor, setups, show):
    """Examines set-ups, some at once; returns what is wrong, or nothing."""
    with ThreadPoolExecutor(4) as pool:
        judged = list(pool.map(doctor.judge, setups))
    for one, problem in zip(setups, judged):
        show(f"{'failed' if problem else 'told':6} {one.check or 'no error':24} {one.name}")
    return "\n        ".join(filter(None, judged))


def at_terminal(words, answer="", error_is_terminal=True, **environment):
    """Runs a program at a terminal, which answers its question; gives what it wrote there and how it ended."""
    leader, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (40, 90))
    process = subprocess.Popen(words, stdin=terminal, stdout=terminal, stderr=terminal if error_is_terminal else subprocess.DEVNULL,
                               env=dict(os.environ, MAILWIRE_PASSWORD=PASSWORD, TERM="xterm", **environment))
    os.close(terminal)
    said = b""
    with contextlib.suppress(OSError):
        while select.select([leader], [], [], 60)[0] and (read := os.read(leader, 4096)):
            said += read
            if answer and b"[y/N]" in said:
                os.write(leader, answer.encode() + b"\n")
                answer = ""
    os.close(leader)
    return said.decode(), process.wait(60)


def terminal(doctor, beds):
    """What is seen at a terminal: a question before a message is sent, progress, colours; returns what is wrong, or nothing."""
    dovecot = beds.dovecot
    ports = {993: f"{NEAR}:{dovecot.imaps}", 995: f"{NEAR}:{dovecot.pop3s}"}
    coloured = re.compile(r"\x1b\[[0-9;]*m")
    problems = []

    def expect(what, holds, said):
        if not holds:
            problems.append(f"{what}: {said!r}")

    with doctor.words(ports, "--test-mail") as (words, names):
        said, status = at_terminal(words, "n")
        told, asked = said.find("One message is sent from anna@example.org to itself"), said.find("[y/N]")
        expect("it asks, after it has told what is sent", 0 <= told < asked and "nothing was done" in said and status == 0, said)
        expect("who says no is believed", not names.asked, names.asked)
        done = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, timeout=60,
                              env=dict(os.environ, MAILWIRE_PASSWORD=PASSWORD))
        expect("nothing is sent where nobody can be asked", done.returncode == 64 and b"--yes" in done.stderr, done)
        expect("and nobody is asked for a name", not names.asked, names.asked)
        said, status = at_terminal(words, "y")
        expect("who says yes has it done", "test-withheld" in said and names.asked, said)
    with doctor.words(ports) as (words, _):
        said, _ = at_terminal(words)
        expect("progress is shown", f"examining {MAIL}:993" in said, said)
        expect("colours are shown", "\x1b[32m✓ good" in said, said)
        expect("lines fit", all(len(coloured.sub("", line)) <= 90 for line in said.split("✓ good")[-1].splitlines()), said)
        said, _ = at_terminal(words, error_is_terminal=False, NO_COLOR="1")
        expect("NO_COLOR takes colours away", "✓ good" in said and "\x1b" not in said, said)
        said, _ = at_terminal([*words, "--color", "always"], error_is_terminal=False, NO_COLOR="1")
        expect("what is said counts more", coloured.search(said), said)
    return "\n        ".join(problems)


def cases(program, folder, authority, stack, show):
    """The cases of the suite: each a name and what runs it."""
    doctor, kept = Doctor(Path(program), authority), {}

    def beds():
        if not kept:
            kept["beds"] = Beds(folder / "doctor", authority, stack)
        return kept["beds"]

    groups = {"Postfix": Beds.postfix, "Dovecot": Beds.dovecots, "Cyrus": Beds.cyruses}
    if apart.PACKAGES:
        groups["Exim"] = Beds.exims
    for name, group in groups.items():
        yield f"doctor > {name}", lambda group=group: check(doctor, group(beds()), show)
    yield "doctor at a terminal", lambda: terminal(doctor, beds())
