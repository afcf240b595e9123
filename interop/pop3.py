"""Everybody else's POP3 clients. Each function returns one that gets all messages out of a mailbox, and leaves or deletes
them."""

import poplib
import tempfile
from pathlib import Path

from clients import run
from servers import HOST, PASSWORD, USER

poplib._MAXLINE = 100_000


def leaves(mailbox, get, delete):
    """Gets all messages, and looks whether they are still there."""
    def then():
        got = get()
        left, expected = mailbox.count(), 0 if delete else len(got)
        if left != expected:
            raise RuntimeError(f"{left} messages are left, not {expected}")
        return got
    return then


class Clients:
    """curl, fetchmail, getmail6, mpop and Python."""

    def __init__(self, others):
        self.others, self.authority, self.folder = others, others.authority, others.folder

    def of(self, server, delete):
        """Name, a function that gets all messages, and which it cannot get."""
        return [("poplib (STLS)", lambda: self.poplib(server.pop3, delete)),
                ("curl (TLS)", lambda: self.curl(server.pop3s, delete)),
                ("mpop (TLS)", lambda: self.mpop(server.pop3s, delete)),
                # It breaks lines after 8,192 octets, and adds octets of its own there.
                ("fetchmail (STLS)", lambda: self.fetchmail(server.pop3, delete), {"long lines"}),
                ("getmail6 (TLS)", lambda: self.getmail(server.pop3s, delete))]

    def poplib(self, port, delete):
        pop = poplib.POP3(HOST, port)
        pop.stls(context=self.others.tls)
        pop.user(USER)
        pop.pass_(PASSWORD)
        got = []
        for number in range(1, pop.stat()[0] + 1):
            got.append(b"".join(line + b"\r\n" for line in pop.retr(number)[1]))
            if delete:
                pop.dele(number)
        pop.quit()
        return got

    def curl(self, port, delete):
        url = f"pop3s://{HOST}:{port}/"
        words = self.others.curl_words
        count = len(run(*words, url).splitlines())
        got = [run(*words, f"{url}{number}") for number in range(1, count + 1)]
        if delete:
            for number in range(count, 0, -1):
                run(*words, f"{url}{number}", "--request", "DELE", "--head")
        return got

    def _into_maildir(self, fetch):
        """What a program puts into a new Maildir."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            maildir = Path(name)
            for part in ("new", "cur", "tmp"):
                (maildir / part).mkdir()
            fetch(maildir)
            return [file.read_bytes().replace(b"\n", b"\r\n") for file in (maildir / "new").iterdir()]

    def mpop(self, port, delete):
        return self._into_maildir(lambda maildir: run(
            "mpop", "--file=/dev/null", f"--host={HOST}", f"--port={port}", "--auth=user", f"--user={USER}",
            f"--passwordeval=echo '{PASSWORD}'", "--tls=on", "--tls-starttls=off", f"--keep={'off' if delete else 'on'}",
            f"--tls-trust-file={self.authority.ca}", f"--uidls-file={maildir}/uidls", "--received-header=off",
            f"--delivery=maildir,{maildir}"))

    def fetchmail(self, port, delete):
        def fetch(maildir):
            config = maildir / "fetchmailrc"
            config.write_text(f"""
set invisible
set idfile "{maildir}/ids"
poll {HOST} protocol pop3 service {port} uidl:
    user "{USER}" password "{PASSWORD}" sslproto "TLS1.2+" sslcertck sslcertfile "{self.authority.ca}"
    fetchall {'nokeep' if delete else 'keep'} no rewrite pass8bits mda "sh -c 'cat > {maildir}/new/$$'"
""")
            config.chmod(0o600)
            run("fetchmail", "--silent", "--fetchmailrc", config, env={"FETCHMAILHOME": str(maildir)})
        return self._into_maildir(fetch)

    def getmail(self, port, delete):
        def fetch(maildir):
            # As root it delivers only for somebody else.
            for path in (maildir, *maildir.iterdir()):
                path.chmod(0o777)
            (maildir / "rc").write_text(f"""
[retriever]
type = SimplePOP3SSLRetriever
server = {HOST}
port = {port}
username = {USER}
password = {PASSWORD}
ca_certs = {self.authority.ca}
[destination]
type = Maildir
path = {maildir}/
user = nobody
[options]
delete = {'true' if delete else 'false'}
delivered_to = false
received = false
verbose = 0
""")
            run("getmail", "--getmaildir", maildir, "--rcfile", maildir / "rc")
        return self._into_maildir(fetch)
