"""trust - what it costs to be believed: signatures, policies of domains about TLS, passwords of those who log in."""
import base64
import contextlib
import hashlib
import http.server
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time

import load
import tools
from mta import KINDS, RUN
from place import MS_BIND, ROOT, Unable, mount

# --- DKIM -----------------------------------------------------------------------------------------------------------------

MILTER = 8891
LEAST = 600                                    # bytes that a signature and a Received field add to a message


def key():
    """A folder with an RSA key that signs for example.test."""
    folder = os.path.join(tools.DIR, "keys")
    path = os.path.join(folder, "example.test.mail.pem")
    os.makedirs(folder, exist_ok=True)
    if not os.path.exists(path):
        made = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, check=True).stdout
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
            f.write(made)
    return folder, path


@contextlib.contextmanager
def opendkim(path):
    """OpenDKIM as Postfix's milter, with its log off; it answers before this goes on."""
    if not shutil.which("opendkim"):
        raise Unable("opendkim is not installed")
    settings = {"Domain": "example.test", "Selector": "mail", "KeyFile": path, "Socket": "inet:%d@127.0.0.1" % MILTER, "Mode": "s", "UserID": "root",
                "Canonicalization": "relaxed/relaxed", "SignatureAlgorithm": "rsa-sha256", "InternalHosts": "127.0.0.1", "Syslog": "no",
                "OversignHeaders": "From", "PidFile": os.path.join(tools.DIR, "opendkim.pid"), "RequireSafeKeys": "no"}
    with open(os.path.join(tools.DIR, "opendkim.conf"), "w") as f:
        f.writelines("%s %s\n" % pair for pair in settings.items())
    with subprocess.Popen(["opendkim", "-f", "-x", f.name]) as process:
        try:
            tools.wait_for(lambda: not socket.socket().connect_ex(("127.0.0.1", MILTER)), 10)
            yield
        finally:
            process.kill()


def signed(kind, count, **more):
    """Mail that leaves with a signature: relayd's own, or OpenDKIM's."""
    folder, path = key()
    with contextlib.ExitStack() as stack:
        if kind == "relayd":
            params = {"dkim_key_directory": folder}
        else:
            stack.enter_context(opendkim(path))
            params = {"smtpd_milters": "inet:127.0.0.1:%d" % MILTER, "milter_default_action": "tempfail"}
        got = load.relay(kind, count, params=params, **more)
    if got["mb_s"] * 1e6 / got["rate"] < 4096 + LEAST:
        raise Unable("%s: messages of %.0f bytes leave: they are not signed" % (kind, got["mb_s"] * 1e6 / got["rate"]))
    return got


# --- policies about TLS -----------------------------------------------------------------------------------------------------

HOST = "mx.example.test"
WEB = "198.51.100.80"                         # policies are not asked of inner addresses


def name(text):
    return b"".join(bytes([len(p)]) + p.encode() for p in text.split(".")) + b"\0"


class Resolver(threading.Thread):
    """A resolver on loopback, for one question at a time; all that it says was validated."""

    def __init__(self, records):
        super().__init__(daemon=True)
        self.records = records                 # (name, type) -> data
        self.names = {n for n, _ in records}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        self.start()

    def run(self):
        while True:
            q, peer = self.socket.recvfrom(4096)
            at, labels = 12, []
            while q[at]:
                labels.append(q[at + 1:at + 1 + q[at]].decode().lower())
                at += 1 + q[at]
            kind, asked = int.from_bytes(q[at + 1:at + 3], "big"), ".".join(labels)
            data = self.records.get((asked, kind))
            head = q[:2] + b"\x81" + bytes([0xa0 | (0 if asked in self.names else 3)]) + b"\0\1" + (b"\0\1" if data else b"\0\0") + b"\0\0\0\0"
            answer = b"\xc0\x0c" + q[at + 1:at + 5] + b"\0\0\x0e\x10" + len(data).to_bytes(2, "big") + data if data else b""
            self.socket.sendto(head + q[12:at + 5] + answer, peer)


def certificates():
    """An authority, and the certificate of the MX host and of the policy's web server."""
    ca, leaf = (os.path.join(tools.DIR, "trust-%s.pem" % n) for n in ("ca", "leaf"))
    if not os.path.exists(leaf):
        script = """openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -keyout ca.key -out %s -subj /CN=bench
        openssl req -newkey rsa:2048 -nodes -keyout leaf.key -out leaf.csr -subj /CN=%s
        printf 'subjectAltName=DNS:%s,DNS:mta-sts.example.test' > leaf.ext
        openssl x509 -req -in leaf.csr -CA %s -CAkey ca.key -CAcreateserial -days 3650 -extfile leaf.ext -out leaf.crt
        cat leaf.key leaf.crt > %s""" % (ca, HOST, HOST, ca, leaf)
        subprocess.run(["sh", "-ec", script], cwd=tools.DIR, check=True, capture_output=True)
    return ca, leaf


class Policy(http.server.BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self):
        body = "version: STSv1\r\nmode: enforce\r\nmx: %s\r\nmax_age: 604800\r\n" % HOST
        Policy.asked += 1
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def web(leaf):
    if subprocess.run(["ip", "address", "add", WEB + "/32", "dev", "lo"], capture_output=True).returncode:
        raise Unable("ip cannot give loopback another address")
    server = http.server.HTTPServer((WEB, 443), Policy)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def tlsa(leaf):
    pem = subprocess.run(["openssl", "x509", "-in", leaf, "-noout", "-pubkey"], capture_output=True, check=True).stdout
    der = base64.b64decode(b"".join(pem.splitlines()[1:-1]))
    return b"\3\1\1" + hashlib.sha256(der).digest()


# level of TLS, what more, and how the log calls sessions then
POLICIES = {"none": ({"smtp_tls_security_level": "encrypt"}, "Untrusted"), "dane": ({"smtp_tls_security_level": "dane-only"}, "Verified"),
            "sts": ({"smtp_tls_security_level": "encrypt", "smtp_tls_mta_sts": "yes"}, "Verified")}


def policed(policy, count, **more):
    """Mail to a domain by its MX record, over TLS: without a policy of its own, with DANE, with MTA-STS."""
    if not ROOT:
        raise Unable("a resolver of its own needs root")
    ca, leaf = certificates()
    with open(os.path.join(tools.DIR, "resolv.conf"), "w") as f:
        f.write("nameserver 127.0.0.1\noptions trust-ad\n")
    mount(f.name, os.path.realpath("/etc/resolv.conf"), None, MS_BIND)
    Resolver({("example.test", 15): b"\0\x0a" + name(HOST), (HOST, 1): b"\x7f\0\0\1", ("mta-sts.example.test", 1): socket.inet_aton(WEB),
              ("_mta-sts.example.test", 16): b"\x10v=STSv1; id=one;", ("_%d._tcp.%s" % (load.SINK, HOST), 52): tlsa(leaf)})
    web(leaf)
    params, word = POLICIES[policy]
    params = dict(params, relayhost="example.test:%d" % load.SINK, smtp_dns_support_level="dnssec", smtp_tls_loglevel="1", inet_protocols="ipv4")
    if policy == "sts":
        params["smtp_tls_CAfile"] = ca
    got = load.relay("relayd", count, params=params, sink_options=["-z", leaf], **more)
    with open(os.path.join(RUN, "relayd", "log")) as f:
        sessions = [line.split(": ")[1].split(" ")[0] for line in f if "TLS connection established to" in line]
    if not sessions or set(sessions) != {word} or Policy.asked != (policy == "sts"):
        raise Unable("%s: %d TLS sessions, %s; %d policies were fetched" % (policy, len(sessions), sorted(set(sessions)), Policy.asked))
    return got


# --- passwords -------------------------------------------------------------------------------------------------------------

class Logins:
    """Clients that come, log in and go, so many a second, until the block ends."""
    THREADS = 20

    def __init__(self, port, rate):
        self.port, self.every, self.done, self.failed, self.times = port, self.THREADS / rate, threading.Event(), [], []
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(self.THREADS)]

    def login(self):
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.port), 20) as s:
            for line, want in ((None, b"220"), ("EHLO a.example.test", b"250"), ("AUTH PLAIN " + base64.b64encode(b"\0user\0secret").decode(), b"235")):
                if line:
                    s.sendall(line.encode() + b"\r\n")
                if not s.recv(4096).startswith(want):
                    raise OSError("%s was not answered with %s" % (line, want.decode()))
            s.sendall(b"QUIT\r\n")
        self.times.append(time.monotonic() - began)

    def run(self, turn):
        due = time.monotonic() + turn * self.every / self.THREADS
        while not self.done.wait(max(0, due - time.monotonic())):
            try:
                self.login()
            except OSError as e:
                self.failed.append(str(e))
            due += self.every

    def __enter__(self):
        self.began = time.monotonic()
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.rate = len(self.times) / (time.monotonic() - self.began)
        self.done.set()
        for t in self.threads:
            t.join()


def beside_logins(rate, count):
    """One session that sends mail, while others log in at this rate, with hashes of 5,000 rounds; 0: nobody does."""
    word = subprocess.run(["openssl", "passwd", "-6", "secret"], capture_output=True, check=True, text=True).stdout.strip()
    params = {"smtpd_sasl_auth_enable": "yes", "smtpd_tls_auth_only": "no", "smtpd_sasl_password_maps": "texthash:DIR/users",
              "smtpd_sasl_security_options": "noanonymous"}
    sink = tools.Sink(load.SINK)
    with KINDS["relayd"](load.SINK, files={"users": "user %s\n" % word}, **params) as mta:
        load.pass_through(mta, sink, 200, sessions=1)
        if not rate:
            return load.pass_through(mta, sink, count, sessions=1)
        with Logins(mta.port, rate) as logins:
            time.sleep(1)
            got = load.pass_through(mta, sink, count, sessions=1)
        if logins.failed or logins.rate < 0.9 * rate:
            raise Unable("%.0f logins/s, %d failed: %s" % (logins.rate, len(logins.failed), logins.failed[:1]))
    times = sorted(logins.times)
    return dict(got, logins=logins.rate, login_p50_ms=times[len(times) // 2] * 1e3, login_p99_ms=times[len(times) * 99 // 100] * 1e3)
