"""The clients of the suite: the project's programs, and everybody else's. Each function returns one that puts files
into a mailbox, or one that gets all messages out of it."""

import contextlib
import fcntl
import imaplib
import os
import pty
import re
import select
import smtplib
import ssl
import subprocess
import tempfile
import termios
import time
from pathlib import Path
from urllib.parse import quote

from servers import HOST, PASSWORD, USER

SENDER = "bob@example.net"
imaplib._MAXLINE = 100_000_000


def run_to_end(*words, env=None, stdin=None):
    """Runs a program, whatever comes of it. Gives what it writes."""
    return _run(words, env, stdin).stdout


def _run(words, env, stdin):
    return subprocess.run([str(word) for word in words], input=stdin, capture_output=True, timeout=300,
                          env=dict(os.environ, **(env or {})))


def run(*words, env=None, stdin=None):
    """Runs a program; its words are in the error if it fails."""
    done = _run(words, env, stdin)
    if done.returncode:
        said = (done.stderr + done.stdout[-2000:]).decode(errors="replace").strip()[-2000:]
        raise RuntimeError(f"{Path(str(words[0])).name} ended with {done.returncode}: {said}")
    return done.stdout


class Mailbox:
    """The inbox on a server, through Python's imaplib."""

    def __init__(self, server, others):
        self.server, self.others = server, others

    @contextlib.contextmanager
    def session(self):
        imap = imaplib.IMAP4_SSL(HOST, self.server.imaps, ssl_context=self.others.tls)
        imap.login(USER, PASSWORD)
        imap.select("INBOX")
        yield imap
        imap.logout()

    def clear(self):
        with self.session() as imap:
            if int(imap.select("INBOX")[1][0]):
                imap.store("1:*", "+FLAGS.SILENT", "\\Deleted")
                imap.expunge()

    def count(self):
        with self.session() as imap:
            return int(imap.select("INBOX")[1][0])

    def wait_for(self, count):
        end = time.monotonic() + 60
        found = 0
        while time.monotonic() < end:
            found = self.count()
            if found == count:
                return
            time.sleep(0.2)
        raise RuntimeError(f"{found} messages arrived of {count}")

    def put(self, files):
        with self.session() as imap:
            for file in files:
                status, data = imap.append("INBOX", "", None, file.read_bytes())
                if status != "OK":
                    raise RuntimeError(f"APPEND: {status} {data}")

    def get(self):
        with self.session() as imap:
            return [part[1] for part in imap.fetch("1:*", "(BODY.PEEK[])")[1] if isinstance(part, tuple)]


class Ours:
    """The project's `send`, `fetch` and `pop`."""

    def __init__(self, programs, authority, folder):
        self.programs, self.authority, self.folder = programs, authority, folder

    def _words(self, program, security, port):
        return [self.programs / program, "--server", f"{HOST}:{port}", "--security", security,
                "--ca", self.authority.ca]

    def _run(self, *words):
        return run(*words, env={"MAILWIRE_USER": USER, "MAILWIRE_PASSWORD": PASSWORD})

    def send(self, security, port, *options, sender=SENDER, to=USER):
        def put(files):
            self._run(*self._words("send", security, port), *options, "--from", sender, "--to", to, *files)
        return put

    def send_in_clear(self, port, *options, sender=SENDER, to=USER):
        def put(files):
            run(*self._words("send", "plaintext", port), *options, "--from", sender, "--to", to, *files)
        return put

    def lmtp(self, port):
        return self.send_in_clear(port, "--lmtp")

    def _into_folder(self, *words):
        with tempfile.TemporaryDirectory(dir=self.folder) as output:
            self._run(*words, "--output", output)
            return [file.read_bytes() for file in Path(output).iterdir()]

    def fetch(self, security, port):
        return lambda: self._into_folder(*self._words("fetch", security, port))

    def append(self, security, port):
        def put(files):
            appends = [word for file in files for word in ("--append", file)]
            self._run(*self._words("fetch", security, port), *appends)
        return put

    def pop(self, security, port, delete=True):
        options = ["--delete"] if delete else []
        return lambda: self._into_folder(*self._words("pop", security, port), *options)


def in_a_terminal(words, steps=(), **environment):
    """Runs a program that wants a terminal until it ends. A step is what has to be on the screen, and the keys that are
    pressed then."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (50, 200))
    process = subprocess.Popen([str(word) for word in words], stdin=slave, stdout=slave, stderr=slave,
                               env=dict(os.environ, TERM="xterm", LC_ALL="C.UTF-8", **environment),
                               start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(slave)
    shown = bytearray()
    seen = 0
    steps = list(steps)
    end = time.monotonic() + 60
    try:
        while process.poll() is None and time.monotonic() < end:
            if select.select([master], [], [], 0.2)[0]:
                with contextlib.suppress(OSError):  # it has ended
                    shown += os.read(master, 65536)
            if steps and (found := shown.find(steps[0][0].encode(), seen)) >= 0:
                seen = found + 1
                os.write(master, steps.pop(0)[1].encode())
        if process.poll() != 0:
            last = re.sub(rb"\x1b[^a-zA-Z]*[a-zA-Z]", b" ", bytes(shown[-3000:])).decode(errors="replace")
            raise RuntimeError(f"{words[0]} ended with {process.poll()}: {last}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(master)


class Aerc:
    """aerc, which wants a terminal and keys, too."""

    SAVED = "Saved"

    def __init__(self, authority, folder):
        self.authority, self.home = authority, folder / "aerc"

    def pull(self, mailbox, port):
        """Copies all messages to another mailbox of the server, and gets them from there."""
        def get():
            config = self.home / "aerc"
            config.mkdir(parents=True, exist_ok=True)
            accounts = config / "accounts.conf"
            login = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}"
            accounts.write_text(f"[test]\nsource = imaps://{login}@{HOST}:{port}\ndefault = INBOX\nfrom = {USER}\n")
            accounts.chmod(0o600)
            with mailbox.session() as imap:
                imap.create(self.SAVED)
            # "plain" is the subject of the oldest message, the last that is shown.
            steps = [("plain", f":mark -a\r:copy {self.SAVED}\r"), ("copied", ":quit\r")]
            in_a_terminal(["aerc"], steps, HOME=str(self.home), XDG_CONFIG_HOME=str(self.home),
                          SSL_CERT_FILE=str(self.authority.ca))
            with mailbox.session() as imap:
                imap.select(self.SAVED)
                copies = imap.fetch("1:*", "(BODY.PEEK[])")[1]
                imap.select("INBOX")
                imap.delete(self.SAVED)
                return [part[1] for part in copies if isinstance(part, tuple)]
        return get


class Mutt:
    """mutt or neomutt, which want a terminal and keys."""

    def __init__(self, program, authority, folder):
        self.program, self.authority, self.folder = program, authority, folder

    def _copy(self, source, target, port):
        """Copies all messages of one mailbox to another, and leaves."""
        config = self.folder / f"{self.program}rc"
        config.write_text(f"""
set imap_user="{USER}" imap_pass="{PASSWORD}" folder="imap://{HOST}:{port}" spoolfile="+INBOX"
set ssl_force_tls=yes ssl_starttls=yes ssl_verify_host=yes ssl_verify_dates=yes
set ssl_ca_certificates_file="{self.authority.ca}" certificate_file="{self.authority.ca}"
set mbox_type=Maildir header_cache="" message_cachedir="" tmpdir="{self.folder}"
set confirmappend=no confirmcreate=no quit=yes move=no delete=no mark_old=no wait_key=no timeout=5
push "<tag-pattern>~A<enter><tag-prefix><copy-message><kill-line>{target}<enter><quit>"
""")
        in_a_terminal([self.program, "-n", "-F", config, "-f", source], HOME=str(self.folder))

    def pull(self, port):
        def get():
            with tempfile.TemporaryDirectory(dir=self.folder) as name:
                maildir = Path(name) / "mail"
                self._copy("+INBOX", maildir, port)
                files = [file for part in ("new", "cur") for file in (maildir / part).iterdir()]
                return [without_marks(file.read_bytes().replace(b"\n", b"\r\n")) for file in files]
        return get

    def push(self, port):
        def put(files):
            with tempfile.TemporaryDirectory(dir=self.folder) as maildir:
                for part in ("new", "cur", "tmp"):
                    (Path(maildir) / part).mkdir()
                for number, file in enumerate(files):
                    content = file.read_bytes().replace(b"\r\n", b"\n")
                    (Path(maildir) / "cur" / f"{number}.eml:2,S").write_bytes(content)
                self._copy(maildir, "+INBOX", port)
        return put


class Others:
    """curl, Python, msmtp, swaks and mbsync."""

    def __init__(self, authority, folder):
        self.authority, self.folder = authority, folder
        self.tls = ssl.create_default_context(cafile=str(authority.ca))
        self.curl_words = ["curl", "--silent", "--show-error", "--fail", "--ssl-reqd", "--cacert", authority.ca,
                           "--user", f"{USER}:{PASSWORD}"]

    def curl_smtp(self, scheme, port):
        def put(files):
            for file in files:
                run(*self.curl_words, f"{scheme}://{HOST}:{port}/client.example.net", "--mail-from", SENDER,
                    "--mail-rcpt", USER, "--upload-file", file)
        return put

    def curl_imap(self, scheme, port):
        def get():
            url = f"{scheme}://{HOST}:{port}/INBOX"
            listing = run(*self.curl_words, url, "--request", "FETCH 1:* (UID)").decode()
            uids = [line.split("UID ")[1].rstrip(")\r") for line in listing.split("\n") if "UID " in line]
            return [run(*self.curl_words, f"{url};UID={uid}") for uid in uids]
        return get

    def curl_append(self, port):
        def put(files):
            for file in files:
                run(*self.curl_words, f"imaps://{HOST}:{port}/INBOX", "--upload-file", file)
        return put

    def smtplib(self, port):
        def put(files):
            with smtplib.SMTP(HOST, port) as smtp:
                smtp.starttls(context=self.tls)
                smtp.login(USER, PASSWORD)
                for file in files:
                    smtp.sendmail(SENDER, [USER], file.read_bytes(), ["BODY=8BITMIME"])
        return put

    def lmtplib(self, port):
        def put(files):
            with smtplib.LMTP(HOST, port) as lmtp:
                for file in files:
                    lmtp.sendmail(SENDER, [USER], file.read_bytes(), ["BODY=8BITMIME"])
        return put

    def msmtp(self, port):
        def put(files):
            for file in files:
                # msmtp makes its own line ends.
                run("msmtp", "--file=/dev/null", f"--host={HOST}", f"--port={port}", "--auth=on", f"--user={USER}",
                    f"--passwordeval=echo '{PASSWORD}'", "--tls=on", "--tls-starttls=on",
                    f"--tls-trust-file={self.authority.ca}", f"--from={SENDER}", USER,
                    stdin=file.read_bytes().replace(b"\r\n", b"\n"))
        return put

    def swaks(self, port, protocol):
        def put(files):
            for file in files:
                # swaks takes a file as it stands with @ and --no-data-fixup, but then the caller stuffs the dots.
                stuffed = self.folder / "stuffed"
                content = file.read_bytes().replace(b"\r\n.", b"\r\n..")
                stuffed.write_bytes(content + (b"" if content.endswith(b"\r\n") else b"\r\n") + b".")
                tls = ["--tls", "--tls-verify", "--tls-ca-path", self.authority.ca] if protocol == "ESMTP" else []
                run("swaks", "--server", HOST, "--port", port, "--protocol", protocol, *tls, "--from", SENDER,
                    "--to", USER, "--no-data-fixup", "--data", f"@{stuffed}", "--suppress-data", "--silent", "1")
        return put

    def mbsync(self, port, maildir, words):
        """Runs mbsync between `INBOX` of a server and a Maildir of that name below `maildir`."""
        config = self.folder / "mbsyncrc"
        config.write_text(f"""
IMAPStore far
Host {HOST}
Port {port}
User {USER}
Pass "{PASSWORD}"
SSLType IMAPS
CertificateFile {self.authority.ca}

MaildirStore near
Path {maildir}/
Inbox {maildir}/INBOX

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Near
SyncState *
""")
        run("mbsync", "--config", config, *words, "all")

    def mbsync_between(self, source, target, state):
        """Runs mbsync between all mailboxes of two servers, from one into the other."""
        config = self.folder / "mbsyncrc"
        stores = "".join(f"""
IMAPStore {name}
Host {HOST}
Port {port}
User {USER}
Pass "{PASSWORD}"
SSLType IMAPS
CertificateFile {self.authority.ca}
""" for name, port in (("source", source), ("target", target)))
        config.write_text(f"""{stores}
Channel all
Far :source:
Near :target:
Patterns *
Create Near
Sync Pull
CopyArrivalDate yes
SyncState {state}/
""")
        run("mbsync", "--config", config, "all")

    def mbsync_pull(self, port):
        def get():
            with tempfile.TemporaryDirectory(dir=self.folder) as maildir:
                self.mbsync(port, maildir, ["--pull"])
                files = [file for part in ("new", "cur") for file in (Path(maildir) / "INBOX" / part).iterdir()]
                return [without_marks(file.read_bytes().replace(b"\n", b"\r\n")) for file in files]
        return get

    def mbsync_push(self, port):
        def put(files):
            with tempfile.TemporaryDirectory(dir=self.folder) as maildir:
                for part in ("new", "cur", "tmp"):
                    (Path(maildir) / "INBOX" / part).mkdir(parents=True)
                for number, file in enumerate(files):
                    content = file.read_bytes().replace(b"\r\n", b"\n")
                    (Path(maildir) / "INBOX" / "cur" / f"{number}.eml:2,S").write_bytes(content)
                self.mbsync(port, maildir, ["--push"])
        return put


def without_marks(message):
    """mbsync and mutt mark what they copy with header fields of their own."""
    header, separator, body = message.partition(b"\r\n\r\n")
    marks = (b"X-TUID:", b"Status:", b"Content-Length:", b"Lines:")
    lines = [line for line in header.split(b"\r\n") if not line.startswith(marks)]
    return b"\r\n".join(lines) + separator + body
