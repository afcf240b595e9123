"""The servers whose load is measured, each with users of its own below a folder, and each waiting for the disk as it does by
itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import servers
from servers import Server, free_ports, listen
from session import DOMAIN, Imap

INTEROP = Path(__file__).resolve().parent.parent
USERS = 10
PASSWORD = "secret"
# Of servers that have a process for each session.
PROCESSES = 300


class Database(Server):
    """A cluster of PostgreSQL as Debian's package makes one: `fsync` and `synchronous_commit` are on."""

    def __init__(self, folder):
        words = [INTEROP / "postgres.sh", "sh", "-c", 'echo "$POSTGRES_URL"; exec sleep infinity']
        self.start(words, stdout=subprocess.PIPE, text=True, env=dict(os.environ, TMPDIR=str(folder)))

    def come_up(self, _):
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError("PostgreSQL does not come up")


class Maild(Server):
    """`maild`, over a file or a database."""

    sessions = sys.maxsize

    def __init__(self, name, folder, authority, program, store, index=False):
        self.name, self.words = name, (name, folder, authority, program, store, index)
        self.lmtp, self.imap, self.imaps = free_ports(3)
        folder.mkdir(exist_ok=True)
        config = folder / "maild.toml"
        config.write_text(f"""
domains = ["{DOMAIN}"]
store = "{store}"
search-index = {str(index).lower()}
connections = 20000
[listen]
lmtp = "127.0.0.1:{self.lmtp}"
imap = "127.0.0.1:{self.imap}"
imaps = "127.0.0.1:{self.imaps}"
[tls]
certificate = "{authority.cert}"
key = "{authority.key}"
[queue]
file = "{folder / 'queue.db'}"
""")
        words = [program, "--config", config]
        there = subprocess.run([*words, "user", "list"], check=True, capture_output=True, text=True).stdout.split()
        for user in {f"user{user}@{DOMAIN}" for user in range(USERS)}.difference(there):
            subprocess.run([*words, "user", "add", user], check=True, env=dict(os.environ, MAILWIRE_PASSWORD=PASSWORD))
        self.start(words, (self.lmtp, self.imap, self.imaps), stdout=subprocess.DEVNULL)

    def again(self, index=None):
        """The same one in a new process, with an index or without one."""
        self.stop()
        name, *words, had = self.words
        return Maild(name, *words, had if index is None else index)


class Dovecot(Server):
    """Version 2.3, with sdbox and `mail_fsync=optimized`."""

    name, sessions = "Dovecot", PROCESSES

    def again(self):
        """Each session is a process of its own, which ends with it."""
        return self

    def __init__(self, folder, authority):
        self.lmtp, self.imap, self.imaps = free_ports(3)
        mail = folder / "mail"
        mail.mkdir(parents=True)
        shutil.chown(mail, "mail", "mail")
        config = folder / "dovecot.conf"
        config.write_text(f"""
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{authority.cert}
ssl_key = <{authority.key}
disable_plaintext_auth = no
hostname = localhost
mail_location = sdbox:{mail}/%u
mail_fsync = optimized
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
first_valid_gid = 1
default_internal_user = dovecot
default_login_user = dovenull
default_process_limit = 2000
default_client_limit = 10000
default_vsz_limit = 0
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={mail}/%u allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
}}
protocol imap {{
  mail_max_userip_connections = 100000
}}
service imap-login {{
  service_count = 0
  process_limit = 4
}}
{listen("imap-login", imap=self.imap, imaps=self.imaps)}
{listen("lmtp", lmtp=self.lmtp)}
service stats {{
  chroot =
}}
""")
        self.start(["dovecot", "-F", "-c", config], (self.lmtp, self.imap, self.imaps))


class Cyrus(servers.Cyrus):
    """As the suite of interoperability has it."""

    name, sessions = "Cyrus", PROCESSES

    def __init__(self, folder, authority):
        users = [f"user{user}@{DOMAIN}" for user in range(USERS)]
        # The rounds have messages of the same identifiers.
        more = "duplicatesuppression: no\n"
        super().__init__(folder, authority, users=[(user, PASSWORD) for user in users], more=more)
        try:
            # Whoever logs in has an INBOX.
            for user in range(USERS):
                Imap(self.imap, user=user).socket.close()
        except BaseException:
            self.stop()
            raise

    def start(self, words, ports=(), **options):
        self.words, self.ports, self.options = words, ports, options
        super().start(words, ports, **options)

    def again(self):
        """Processes that have served one client wait for another."""
        self.stop()
        self.start(self.words, self.ports, **{**self.options, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL})
        return self
