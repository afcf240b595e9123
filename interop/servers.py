"""Dovecot, Cyrus and Postfix on loopback ports, below one temporary folder, and a certificate authority for them. What
is started and does not come up is stopped again."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

HOST = "localhost"
USER = "anna@example.org"
PASSWORD = "correct horse 7"
ACCOUNT = (USER, PASSWORD)


def free_ports(count, host="127.0.0.1"):
    """Ports of an address that were free a moment ago: both servers want theirs in a file before they start."""
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind((host, 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_for(port, process=None, seconds=30, host="127.0.0.1"):
    """Waits until somebody listens on `port`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the server on port {port} ended with {process.returncode}")
        try:
            socket.create_connection((host, port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"nobody listens on port {port}")


class Server:
    """A server in the foreground."""

    # Where it listens.
    host = "127.0.0.1"

    def start(self, words, ports=(), **options):
        """Starts it, and waits until it listens on these ports. If it does not come up, nothing is left of it."""
        self.process = subprocess.Popen(list(map(str, words)), start_new_session=True, **options)
        try:
            self.come_up(ports)
        except BaseException:
            self.stop()
            raise

    def come_up(self, ports):
        for port in ports:
            wait_for(port, self.process, host=self.host)

    def stop(self, seconds=20):
        """Ends it, by force if it takes longer. It may have ended before."""
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # The whole session, which is its own: also what a server has left that ended by itself.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)


class Authority:
    """A certificate authority of its own, and one certificate for localhost."""

    EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")

    def __init__(self, folder):
        self.folder, self.ca, self._ca_key = folder, folder / "ca.pem", folder / "ca-key.pem"
        self._openssl("req", "-x509", *self.EC, "-keyout", self._ca_key, "-out", self.ca, "-days", 2, "-subj",
                      "/CN=interop CA")
        issued = self.issue("localhost", "DNS:localhost,IP:127.0.0.1")
        self.cert, self.key = issued.cert, issued.key

    def issue(self, name, names, days=2, is_own_issuer=False, key=EC):
        """A certificate for these names, from today on for so many days; with -1 it has expired. `name` is that of its
        files, and `key` how its key is made."""
        cert, private, request = (self.folder / f"{name}{end}" for end in (".pem", "-key.pem", "-request.pem"))
        extensions = self.folder / f"{name}-extensions"
        extensions.write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth\n")
        self._openssl("req", *key, "-keyout", private, "-out", request, "-subj", f"/CN={names.split(',')[0].split(':')[1]}")
        signer = ["-signkey", private] if is_own_issuer else ["-CA", self.ca, "-CAkey", self._ca_key, "-CAcreateserial"]
        self._openssl("x509", "-req", "-in", request, *signer, "-days", days, "-extfile", extensions, "-out", cert)
        # Servers drop privileges before they read it.
        private.chmod(0o644)
        return SimpleNamespace(ca=self.ca, cert=cert, key=private)

    @staticmethod
    def _openssl(*words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def listen(service, host="127.0.0.1", **ports):
    """A service of Dovecot's that listens on these ports; `imaps` and `pop3s` speak TLS."""
    listeners = "".join(
        f"  inet_listener {name} {{\n    address = {host}\n    port = {port}\n"
        f"    ssl = {'yes' if name in ('imaps', 'pop3s') else 'no'}\n  }}\n"
        for name, port in ports.items()
    )
    return f"service {service} {{\n{listeners}}}"


class Dovecot(Server):
    """IMAP, POP3, LMTP and submission; also Postfix's authentication."""

    def __init__(self, folder, authority, relay_port, mechanisms="plain login scram-sha-1 scram-sha-256", trusted=False,
                 host="127.0.0.1", more="", **environment):
        """`more` are settings that come after the others. Who comes from the address that it listens at, which is `host`, may
        send passwords in clear, whatever is set."""
        self.folder, self.host = folder, host
        ports = free_ports(7, host)
        self.imap, self.imaps, self.pop3, self.pop3s, self.lmtp, self.submission, self.auth = ports
        folder.mkdir()
        mail = folder / "mail"
        mail.mkdir()
        shutil.chown(mail, "mail", "mail")
        (folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}::::::\n")
        (folder / "users").chmod(0o644)
        config = folder / "dovecot.conf"
        config.write_text(f"""
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap pop3 lmtp submission
listen = {host}
ssl = yes
ssl_cert = <{authority.cert}
ssl_key = <{authority.key}
disable_plaintext_auth = yes
auth_mechanisms = {mechanisms}
auth_verbose = yes
hostname = localhost
submission_host = localhost
mail_location = maildir:{mail}/%u
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
first_valid_gid = 1
default_internal_user = dovecot
default_login_user = dovenull
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={mail}/%u allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Sent {{
    special_use = \\Sent
    auto = create
  }}
}}
mail_plugins = acl quota
mail_attribute_dict = file:{mail}/%u/dovecot-attributes
protocol imap {{
  imap_metadata = yes
  mail_max_userip_connections = 100
  mail_plugins = $mail_plugins imap_acl imap_quota imap_zlib
}}
plugin {{
  acl = vfile
  quota = maildir:User quota
  quota_rule = *:storage=1G:messages=100000
}}
submission_relay_host = 127.0.0.1
submission_relay_port = {relay_port}
submission_relay_trusted = {"yes" if trusted else "no"}
{listen("imap-login", host, imap=self.imap, imaps=self.imaps)}
{listen("pop3-login", host, pop3=self.pop3, pop3s=self.pop3s)}
{listen("submission-login", host, submission=self.submission)}
{listen("lmtp", host, lmtp=self.lmtp)}
{listen("auth", host, auth=self.auth)}
service stats {{
  chroot =
}}
{more}
""")
        self.start(["dovecot", "-F", "-c", config], ports, env=dict(os.environ, **environment))


class Cyrus(Server):
    """IMAP, POP3 and LMTP, with SCRAM: its channel binding is `tls-unique` alone, which TLS 1.3 does not have."""

    USER, BIN = "cyrus", Path("/usr/lib/cyrus/bin")
    # Debian's packages of the two daemons cannot be installed beside those of Dovecot: they are unpacked elsewhere.
    DAEMONS = Path(os.environ.get("CYRUS_DAEMONS", BIN))

    def __init__(self, folder, authority, allow_plaintext="no", users=(ACCOUNT,), more=""):
        """`more` is added to its settings."""
        self.folder = folder
        ports = free_ports(5)
        self.imap, self.imaps, self.pop3, self.pop3s, self.lmtp = ports
        config, spool = folder / "config", folder / "spool"
        daemons = folder / "bin"
        for path in (folder, daemons, config, spool, folder / "run", config / "db", config / "socket", config / "proc"):
            path.mkdir()
            shutil.chown(path, self.USER, "mail")
        for path in (self.DAEMONS / "imapd", self.DAEMONS / "pop3d", self.BIN / "lmtpd"):
            shutil.copy(path, daemons)
        settings = folder / "imapd.conf"
        settings.write_text(f"""
configdirectory: {config}
partition-default: {spool}
defaultpartition: default
temp_path: {folder}/run
proc_path: {config}/proc
sievedir: {config}/sieve
lmtpsocket: {config}/socket/lmtp
idlesocket: {config}/socket/idle
notifysocket: {config}/socket/notify
virtdomains: userid
unixhierarchysep: yes
altnamespace: yes
autocreate_quota: 0
allowplaintext: {allow_plaintext}
servername: localhost
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {folder}/sasldb
sasl_mech_list: SCRAM-SHA-256 SCRAM-SHA-1 PLAIN
search_skipdiacrit: no
search_skiphtml: no
search_whitespace: keep
tls_server_cert: {authority.cert}
tls_server_key: {authority.key}
munge8bit: no
tls_session_timeout: 0
imapidlepoll: 1
syslog_prefix: interop
{more}""")
        services = "".join(
            f'  {name} cmd="{daemons}/{program} -C {settings}" listen="127.0.0.1:{port}" prefork=0\n'
            for name, program, port in (("imap", "imapd", self.imap), ("imaps", "imapd -s", self.imaps),
                                        ("pop3", "pop3d", self.pop3), ("pop3s", "pop3d -s", self.pop3s),
                                        ("lmtp", "lmtpd -a", self.lmtp)))
        (folder / "cyrus.conf").write_text(f"""
START {{
  recover cmd="ctl_cyrusdb -C {settings} -r"
}}
SERVICES {{
{services}}}
EVENTS {{
}}
""")
        for user, password in users:
            name, realm = user.split("@")
            subprocess.run(["saslpasswd2", "-p", "-c", "-f", str(folder / "sasldb"), "-u", realm, name], check=True,
                           input=password.encode())
        shutil.chown(folder / "sasldb", self.USER, "mail")
        with open(folder / "log", "wb") as log:
            self.start([self.BIN / "master", "-C", settings, "-M", folder / "cyrus.conf", "-p", folder / "run" / "pid", "-D"],
                       ports, user=self.USER, group="mail", extra_groups=[], stdin=subprocess.DEVNULL, stdout=log,
                       stderr=log)

    def stop(self, seconds=5):
        # It waits for those of its children that wait for a client.
        super().stop(seconds)


class Postfix:
    """SMTP with STARTTLS and AUTH, which asks Dovecot who somebody is; what it takes goes to another server."""

    def __init__(self, folder, authority, port, dovecot, protocol, onward, services=""):
        """Listens on a port, and delivers to `onward` by a protocol, which is smtp or lmtp; `services` are more lines of its
        master.cf."""
        self.folder, self.smtp = folder, port
        transport = f"{protocol}:[127.0.0.1]:{onward}" if protocol == "smtp" else f"{protocol}:inet:{dovecot.host}:{onward}"
        config, queue, data = folder / "etc", folder / "queue", folder / "data"
        for path in (config, queue, data):
            path.mkdir(parents=True)
        shutil.chown(data, "postfix", "postfix")
        (config / "main.cf").write_text(f"""
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
multi_instance_enable = no
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = relay.example.org
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 192.0.2.1/32
virtual_mailbox_domains = example.org
virtual_transport = {transport}
smtp_tls_security_level = may
smtp_tls_CAfile = {authority.ca}
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:{dovecot.host}:{dovecot.auth}
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_chain_files = {authority.key}, {authority.cert}
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
smtpd_authorized_xclient_hosts = 127.0.0.1
message_size_limit = 52428800
mailbox_size_limit = 0
line_length_limit = 65536
smtp_line_length_limit = 0
lmtp_line_length_limit = 0
smtputf8_enable = yes
alias_maps =
alias_database =
local_recipient_maps =
""")
        (config / "master.cf").write_text(f"""
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
{services}
""")
        try:
            self._run("start")
            wait_for(port)
        except BaseException:
            self.stop()
            raise

    def _run(self, verb, check=True):
        environment = dict(os.environ, MAIL_CONFIG=str(self.folder / "etc"))
        subprocess.run(["postfix", "-c", str(self.folder / "etc"), verb], check=check, env=environment, timeout=60,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        # It uses force itself after five seconds; and it fails if there is nothing to be stopped.
        self._run("stop", check=False)


class Serve(Server):
    """The project's own `serve` program."""

    PROTOCOLS = ("smtp", "submission", "submissions", "lmtp", "imap", "imaps", "pop3", "pop3s")

    def __init__(self, program, authority, *options):
        words = [program, "--cert", authority.cert, "--key", authority.key, *options]
        for protocol in self.PROTOCOLS:
            words += ["--listen", f"{protocol}=127.0.0.1:0"]
        environment = dict(os.environ, MAILWIRE_USERS=f"{USER}={PASSWORD}")
        self.start(words, stdout=subprocess.PIPE, text=True, env=environment)

    def come_up(self, _):
        for _ in self.PROTOCOLS:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError("serve has ended, or does not say where it listens")
            protocol, address = line.split()
            setattr(self, protocol, int(address.rsplit(":", 1)[1]))
