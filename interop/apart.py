"""Exim, OpenSMTPD and Courier. Their packages conflict with Postfix' and Dovecot's, and their paths are compiled in:
they are unpacked instead of installed, and each runs in a mount namespace of its own, where its files lie over those of
the system and `/var` and `/run` are below the temporary folder."""

import os
import shutil
import subprocess
from pathlib import Path

from servers import HOST, PASSWORD, USER, Server, free_ports

# Where they are unpacked, each in a folder of its name.
PACKAGES = os.environ.get("INTEROP_PACKAGES")
# Numbers that nobody has.
FIRST_ID = 61000


class Apart(Server):
    """A server in a mount namespace."""

    NAME = ""
    # Its users, each with a group of that name.
    USERS = ()
    # What it expects below /var and /run.
    FOLDERS = ()

    def enter(self, folder):
        """Lays out what is mounted."""
        self.folder, self.packages = folder, Path(PACKAGES) / self.NAME
        for path in ("etc", "var/tmp", "run", *self.FOLDERS):
            (folder / path).mkdir(parents=True)
        (folder / "var/tmp").chmod(0o1777)
        for name in ("passwd", "group"):
            lines = Path("/etc", name).read_text()
            for number, user in enumerate(self.USERS, FIRST_ID):
                lines += f"{user}:x:{number}:{number}::/var/empty:/bin/false\n" if name == "passwd" else f"{user}:x:{number}:\n"
            (folder / "etc" / name).write_text(lines)
        (folder / "var/empty").mkdir()
        (folder / "var/run").symlink_to("/run")

    def within(self, *words):
        """The words that run a program with its files in place."""
        layers = [f"{self.folder}/etc"]
        if (self.packages / "etc").is_dir():
            layers.append(f"{self.packages}/etc")
        mounts = [f"mount -t overlay -o ro,lowerdir={self.packages}/usr:/usr none /usr",
                  f"mount -t overlay -o ro,lowerdir={':'.join(layers)}:/etc none /etc",
                  f"mount --bind {self.folder}/var /var",
                  f"mount --bind {self.folder}/run /run"]
        if (self.folder / self.NAME).is_dir():
            mounts.append(f"mount --bind {self.folder}/{self.NAME} /etc/{self.NAME}")
        # Nothing outlives its first process.
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-ec", "; ".join([*mounts, 'exec "$@"']), "sh", *words]

    def own(self, path, user):
        """Gives a file to one of its users."""
        number = FIRST_ID + self.USERS.index(user)
        os.chown(self.folder / path, number, number)

    def begin(self, words, ports):
        """Starts it; `stop` ends it."""
        with open(self.folder / "log", "wb") as log:
            self.start(self.within(*words), ports, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self, seconds=0):
        # `unshare` does not hear a request to end.
        super().stop(seconds)


class Exim(Apart):
    """SMTP with STARTTLS, AUTH, CHUNKING, DSN, PRDR and SMTPUTF8; what it takes goes to another server."""

    NAME, USERS = "exim", ("Debian-exim",)

    def __init__(self, folder, authority, protocol, port):
        """Delivers to `port` by `protocol`, which is smtp or lmtp."""
        self.enter(folder)
        (self.smtp,) = free_ports(1)
        (folder / "spool").mkdir()
        self.own("spool", "Debian-exim")
        # In its usual place: Exim has no privileges with another one.
        (folder / "etc/exim4").mkdir()
        (folder / "etc/exim4/exim4.conf").write_text(f"""
primary_hostname = {HOST}
daemon_smtp_ports = {self.smtp}
local_interfaces = 127.0.0.1
spool_directory = {folder}/spool
log_file_path = {folder}/spool/%slog
pid_file_path = {folder}/spool/pid
keep_environment =
tls_advertise_hosts = *
tls_certificate = {authority.cert}
tls_privatekey = {authority.key}
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
chunking_advertise_hosts = *
pipelining_connect_advertise_hosts = *
prdr_enable
message_size_limit = 50M
rfc1413_query_timeout = 0s
acl_smtp_rcpt = recipient
acl_smtp_data = accept
remote_max_parallel = 4
smtp_accept_max = 0
smtp_accept_max_per_connection = 0
smtp_accept_queue_per_connection = 0

begin acl
recipient:
  accept authenticated = *
  accept domains = example.org
  deny message = relaying denied

begin routers
onward:
  driver = manualroute
  domains = example.org
  transport = onward
  route_list = * 127.0.0.1
  self = send
nowhere:
  driver = redirect
  allow_fail
  data = :fail: no such domain

begin transports
onward:
  driver = smtp
  protocol = {protocol}
  port = {port}
  hosts_try_chunking = *
  hosts_try_prdr = *
  tls_verify_certificates = {authority.ca}
  message_linelength_limit = 1000000
  dkim_domain =

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and {{{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth2
  server_advertise_condition = ${{if def:tls_in_cipher}}
""")
        self.begin(["/usr/sbin/exim4", "-bdf", "-q1m"], [self.smtp])


class OpenSmtpd(Apart):
    """SMTP with DSN, in clear: Debian's cannot do TLS (`EVP lib`). What it takes goes to another server."""

    NAME, USERS = "opensmtpd", ("opensmtpd", "opensmtpq")
    FOLDERS = ("var/spool/smtpd", "var/lib/opensmtpd/empty")

    def __init__(self, folder, protocol, port):
        """Delivers to `port` by `protocol`, which is smtp or lmtp."""
        self.enter(folder)
        (self.smtp,) = free_ports(1)
        (folder / "var/spool/smtpd").chmod(0o711)
        config = folder / "smtpd.conf"
        config.write_text(f"""
smtp max-message-size 50M
listen on 127.0.0.1 port {self.smtp} hostname {HOST}
action onward relay host "{protocol}://127.0.0.1:{port}"
match from any for domain "example.org" action onward
""")
        self.begin(["/usr/sbin/smtpd", "-d", "-f", config], [self.smtp])


class Courier(Apart):
    """SMTP with STARTTLS, AUTH and DSN, delivering into a Maildir, which POP3 and IMAP have."""

    NAME, USERS = "courier", ("courier",)
    SPOOL = ("tmp", "msgs", "msgq", "track", "filters", "allfilters")
    FOLDERS = ("run/courier/authdaemon", "home", *(f"var/lib/courier/{name}" for name in SPOOL))
    # Who the mail belongs to on each Debian system.
    MAIL = 8

    def __init__(self, folder, authority):
        self.enter(folder)
        ports = free_ports(4)
        self.smtp, self.pop3, self.pop3s, self.imaps = ports
        for name in ("", *self.SPOOL):
            self.own(f"var/lib/courier/{name}", "courier")
        self._configure(folder / "courier", authority)
        home = folder / "home/anna"
        for part in ("new", "cur", "tmp"):
            (home / "Maildir" / part).mkdir(parents=True)
        for path in (home, *home.rglob("*")):
            os.chown(path, self.MAIL, self.MAIL)
        self.begin(["sh", Path(__file__).with_name("courier.sh")], ports)

    def _configure(self, etc, authority):
        shutil.copytree(self.packages / "etc/courier", etc)
        pem = self.folder / "cert.pem"
        pem.write_bytes(authority.cert.read_bytes() + authority.key.read_bytes())
        common = f"""
TLS_CERTFILE={pem}
TLS_DHPARAMS=
TLS_CACHEFILE=
TLS_TRUSTCERTS={authority.ca}
TCPDOPTS="-nodnslookup -noidentlookup -address=127.0.0.1 -maxprocs=40 -maxperip=40 -maxperc=40"
"""
        for file, more in (("esmtpd", f"PORT={self.smtp}\nBOFHCHECKDNS=0\nTARPIT=0\nESMTPAUTH_TLS='PLAIN LOGIN'\n"),
                           ("pop3d", f"PORT={self.pop3}\nPOP3AUTH_TLS='LOGIN PLAIN'\n"),
                           ("pop3d-ssl", f"SSLPORT={self.pop3s}\n"), ("imapd", "IMAP_USELOCKS=0\n"),
                           ("imapd-ssl", f"SSLPORT={self.imaps}\n"),
                           ("authdaemonrc", "authmodulelist=authuserdb\ndaemons=2\n")):
            with open(etc / file, "a") as config:
                config.write(f"{common}{more}")
        _, domain = USER.split("@")
        for file, content in (("me", HOST), ("defaultdomain", HOST), ("locals", HOST), ("hosteddomains/all", domain),
                              ("esmtpacceptmailfor.dir/all", domain), ("sizelimit", "52428800"),
                              ("dsnfrom", f"postmaster@{HOST}"), ("aliases/system", f"postmaster: {USER}")):
            (etc / file).write_text(f"{content}\n")
        hashed = subprocess.run(["openssl", "passwd", "-6", PASSWORD], check=True, capture_output=True, text=True)
        home = self.folder / "home/anna"
        userdb = etc / "userdb"
        userdb.write_text(f"{USER}\tuid={self.MAIL}|gid={self.MAIL}|home={home}|mail={home}/Maildir|"
                          f"systempw={hashed.stdout.strip()}\n")
        userdb.chmod(0o600)
