"""lab - what the end-to-end tests are made of: relays in folders of their own, and SMTP servers that remember.

Everything listens on 127.0.0.1 on free ports and ends with the test. Times are bounded: wait() gives up loudly.
"""
import base64
import contextlib
import ctypes
import functools
import mmap
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import tempfile
import threading
import time

import facts

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RELAYBOX = os.environ.get("RELAYBOX", os.path.join(ROOT, "build", "relaybox"))
EMULATED = os.environ.get("RELAYBOX_PASS") == "arm64"  # which knows no Landlock
SLOW = 5 if os.environ.get("RELAYBOX_PASS") == "san" or EMULATED else 1  # sanitizers take their time
FACTS = os.environ.get("RELAYBOX_FACTS", "") == "1"  # both forms of the log, compared at each end (facts.py); conftest.py has more
SANITIZER = {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}  # for a test that starts from no environment


def landlock():
    """The version of Landlock that this kernel has; below 1: none."""
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(444, None, ctypes.c_size_t(0), 1)


@functools.lru_cache(None)
def page_ms():
    "What this machine's kernel takes for a page that is touched for the first time, in milliseconds: the least of five tries."
    def touch(pages=2000):
        with mmap.mmap(-1, pages * mmap.PAGESIZE) as fresh:
            began = time.thread_time()
            for at in range(0, len(fresh), mmap.PAGESIZE):
                fresh[at] = 1
            return (time.thread_time() - began) * 1000 / pages
    return min(touch() for _ in range(5))


# every relay of these tests does its work inside the sandbox, where there is one
SANDBOX = "sandbox = required\n" if landlock() > 1 and not EMULATED else ""
LOGIN = "root" if os.getuid() == 0 else None


@contextlib.contextmanager
def open_folder():
    """A folder that every user may come to, unlike pytest's own."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="relaybox-test-"))
    os.chmod(path, 0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


class Client:
    """Says lines and reads replies: of each the last line."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply()

    def reply(self):
        while True:
            line = self.file.readline().decode(errors="replace")
            if line[3:4] != "-":
                return line.strip()

    def say(self, *lines):
        for line in lines:
            self.socket.sendall((line.encode() if isinstance(line, str) else line) + b"\r\n")
            last = self.reply()
        return last

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def free_port():
    """A port that nobody has: not one of those that the kernel gives to clients, which could be gone a moment later."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("0.0.0.0", port))
                return port
            except OSError:
                pass


def wait(what, seconds=15, every=0.02):
    """The first true value of what(), or an AssertionError that names it."""
    end = time.monotonic() + seconds * SLOW
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited %gs in vain for %s" % (seconds * SLOW, getattr(what, "__doc__", None) or what))
        time.sleep(every)


def certificate(folder, name="localhost"):
    """A self-signed certificate for name and 127.0.0.1, made once per folder."""
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    if not os.path.exists(cert):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
             "-keyout", key, "-out", cert, "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:%s,IP:127.0.0.1" % name],
            check=True, stderr=subprocess.DEVNULL)
    return cert, key


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder):
        self.dir = str(folder)
        os.makedirs(self.dir, exist_ok=True)
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-keyout", "ca.key",
                     "-out", "ca.pem", "-subj", "/CN=Test CA")

    def openssl(self, *args):
        subprocess.run(["openssl", *args], cwd=self.dir, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def read(self, name):
        with open(os.path.join(self.dir, name)) as f:
            return f.read()

    @property
    def bundle(self):
        return self.read("ca.pem")

    def issue(self, name, *others, file=None, by="ca", kind="ec", extensions=None):
        """Paths of a certificate and a key for name and others, in files of that name; extensions stand in place of the names."""
        file = file or name
        with open(os.path.join(self.dir, file + ".ext"), "w") as f:
            f.write((extensions or "subjectAltName=" + ",".join("DNS:" + n for n in (name, *others))) + "\n")
        self.openssl("req", "-newkey", kind, *(["-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else []), "-nodes", "-keyout", file + ".key",
                     "-out", file + ".csr", "-subj", "/CN=" + name)
        self.openssl("x509", "-req", "-in", file + ".csr", "-CA", by + ".pem", "-CAkey", by + ".key", "-CAcreateserial", "-days", "30", "-out",
                     file + ".pem", "-extfile", file + ".ext")
        return os.path.join(self.dir, file + ".pem"), os.path.join(self.dir, file + ".key")


class Relay:
    """One relayd with its own configuration, queue and log."""
    LONG_MS = 50  # no step of its loop works longer

    def __init__(self, folder, main_cf="", master_cf=None, port=None, files=(), env=None):
        self.dir = str(folder)
        os.makedirs(self.dir, exist_ok=True)
        self.port = port or free_port()
        # a home of its own: sendmail takes mail along that it keeps in ~/.relaybox
        self.env = dict(os.environ, HOME=self.dir, **(env or {}))
        self.process = None
        self.long_steps = 0
        self.cut = False  # killed: between the two logs, perhaps
        self.write("main.cf", "myhostname = relay.example.test\nqueue_directory = %s/queue\nmaillog_file = %s/log\n"
                   "inet_interfaces = 127.0.0.1\nalias_maps =\nsmtpd_peername_lookup = no\n%s%s%s\n"
                   % (self.dir, self.dir, SANDBOX, "mail_owner = root\n" if LOGIN else "", main_cf)
                   + ("log_also = %s/facts\nlog_also_format = json\n" % self.dir if FACTS and "log_" not in main_cf else ""))
        self.write("master.cf", "%d inet n - n - - smtpd\n" % self.port if master_cf is None else master_cf)
        for name, text in dict(files).items():
            self.write(name, text)

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(text)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def spawn(self, *options):
        """Start without waiting for it to serve."""
        self.process = subprocess.Popen([RELAYBOX, "relayd", "-c", self.dir, *options], env=self.env,
                                        stdin=subprocess.DEVNULL, stderr=open(self.path("stderr"), "ab"))

    def start(self, *options):
        self.spawn(*options)

        def answers():
            "relayd to answer on its control socket"
            if self.process.poll() is not None:
                raise AssertionError("relayd ended with %d: %s%s" % (self.process.returncode, self.stderr(), self.log()))
            return subprocess.run([RELAYBOX, "relayctl", "-c", self.dir, "ping"], env=self.env,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        try:
            wait(answers)
        except AssertionError:
            self.kill()
            raise
        return self

    def stop(self, signo=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.cut |= signo == signal.SIGKILL
            self.process.send_signal(signo)
            self.process.wait(30 * SLOW)
        code = self.process.returncode if self.process else 0
        self.process = None
        self.judge_long_steps()
        if FACTS and not self.cut and os.path.exists(self.path("facts")):
            with open(self.path("facts"), encoding="utf-8") as f:
                facts.compare(self.log(), f.read())
        return code

    def judge_long_steps(self):
        """No step of the loop works for more than LONG_MS: all others wait for it. Its own time on a processor counts, so a busy machine does not;
        nor does what this machine's kernel takes for a new page above a microsecond (some virtual machines take ten)."""
        for line in self.log_lines("steps of the loop were longer than 50 ms")[self.long_steps:]:
            self.long_steps += 1
            worked = re.search(r"; (\d+) worked so long, the longest (\d+) ms, (\d+) pages", line)
            count, longest, pages = map(int, worked.groups()) if worked else (0, 0, 0)
            # a guest counts it as its own time when its host takes the processor away: one such step is let pass up to twice the bound, for
            # what is too much by itself is so each time
            assert SLOW > 1 or count == 0 or longest - pages * (page_ms() - 0.001) <= self.LONG_MS * (2 if count == 1 else 1), line

    def kill(self):
        self.cut = True
        self.process.kill()
        self.process.wait()
        self.process = None

    def __enter__(self):
        return self if self.process else self.start()

    def __exit__(self, *_):
        self.stop()

    def run(self, applet, *args, stdin=b"", check=True, extra_env=None):
        if isinstance(stdin, str):
            stdin = stdin.encode()
        done = subprocess.run([RELAYBOX, applet, *args], input=stdin, capture_output=True, timeout=60 * SLOW,
                              env=dict(self.env, MAIL_CONFIG=self.dir, **(extra_env or {})))
        if check and done.returncode != 0:
            raise AssertionError("%s %s: exit %d\n%s%s" % (applet, args, done.returncode, done.stdout.decode(errors="replace"),
                                                          done.stderr.decode(errors="replace")))
        return done

    def mailq(self):
        return self.run("mailq").stdout.decode()

    def empty(self):
        return "Mail queue is empty" in self.mailq()

    def log(self):
        try:
            with open(self.path("log"), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def stderr(self):
        with open(self.path("stderr"), errors="replace") as f:
            return f.read()

    def log_lines(self, pattern):
        return [line for line in self.log().splitlines() if re.search(pattern, line)]

    def wait_log(self, pattern, count=1, seconds=15):
        def seen():
            lines = self.log_lines(pattern)
            return lines if len(lines) >= count else None
        seen.__doc__ = "log line %r in:\n" % pattern
        try:
            return wait(seen, seconds)
        except AssertionError as e:
            raise AssertionError(str(e) + self.log()[-4000:])


class Message:
    def __init__(self, sender, rcpts, content, session):
        self.sender, self.rcpts, self.content, self.session = sender, rcpts, content, session

    @property
    def header(self):
        return self.content.split(b"\r\n\r\n", 1)[0] + b"\r\n"

    @property
    def body(self):
        return self.content.split(b"\r\n\r\n", 1)[1]


class Sink(socketserver.ThreadingTCPServer):
    """An SMTP server that keeps what it gets. `script` maps a verb ("MAIL", "RCPT", "DATA", "END") to a function
    (sink, argument) -> reply line or None; users = {name: password} asks for AUTH; tls = (cert, key) or a context offers
    STARTTLS, or with implicit is spoken from the first byte; `secured` tells of each handshake: version, whether it resumed a
    session, the client's certificate."""
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    greeting = "sink.example.test"

    def __init__(self, port=0, script=None, users=None, tls=None, extensions=("PIPELINING", "8BITMIME", "SIZE 50000000"), address="127.0.0.1",
                 implicit=False):
        self.messages, self.script, self.users, self.extensions = [], script or {}, users, list(extensions)
        self.lock, self.sessions, self.open, self.most_open = threading.Lock(), 0, 0, 0
        self.tls, self.implicit, self.secured = None, implicit, []
        self.next_line = None  # a script may set it: a function that answers the next line, whatever it is
        if isinstance(tls, ssl.SSLContext):
            self.tls = tls
        elif tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*tls)
        super().__init__((address, port), SinkSession)
        self.port = self.server_address[1]
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.shutdown()
        self.server_close()

    def wait(self, count, seconds=15):
        def enough():
            return len(self.messages) >= count
        enough.__doc__ = "%d messages" % count
        wait(enough, seconds)
        return list(self.messages)

    def handle_error(self, request, client_address):
        pass


class SinkSession(socketserver.StreamRequestHandler):
    """SMTP, or after LHLO LMTP, which answers for each recipient."""
    timeout = 120
    lmtp = False

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def setup(self):
        super().setup()
        with self.server.lock:
            self.server.sessions += 1
            self.number = self.server.sessions
            self.server.open += 1
            self.server.most_open = max(self.server.most_open, self.server.open)

    def finish(self):
        with self.server.lock:
            self.server.open -= 1
        try:
            super().finish()
        except OSError:
            pass

    def scripted(self, verb, argument):
        fn = self.server.script.get(verb)
        line = fn(self.server, argument) if fn else None
        if line == "DROP":
            raise ConnectionError("dropped")
        if line:
            self.say(line)
        return line

    def handle(self):
        try:
            self.converse()
        except (OSError, ssl.SSLError):
            pass

    def converse(self):
        self.secure = self.authenticated = False
        self.sender, self.rcpts = None, []
        if self.scripted("CONNECT", ""):
            return
        if self.server.implicit:
            self.secure_it()
        self.say("220 %s ESMTP" % self.server.greeting)
        while True:
            raw = self.rfile.readline(65536)
            if not raw:
                return
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            take, self.server.next_line = self.server.next_line, None
            if take:
                self.say(take(line))
                continue
            verb, _, argument = line.partition(" ")
            verb = verb.upper()
            if verb == "QUIT":
                self.say("221 2.0.0 Bye")
                return
            if self.scripted(verb, argument):
                continue
            getattr(self, "do_" + verb, self.unknown)(argument)

    def unknown(self, argument):
        self.say("502 5.5.2 not here")

    def do_EHLO(self, argument):
        words = list(self.server.extensions)
        if self.server.tls and not self.secure:
            words.append("STARTTLS")
        if self.server.users and (self.secure or not self.server.tls):
            words.append("AUTH PLAIN LOGIN")
        lines = ["sink.example.test"] + words
        self.say("\r\n".join("250%s%s" % ("-" if i < len(lines) - 1 else " ", w) for i, w in enumerate(lines)))

    def do_LHLO(self, argument):
        self.lmtp = True
        self.do_EHLO(argument)

    def do_HELO(self, argument):
        self.say("250 sink.example.test")

    def do_STARTTLS(self, argument):
        self.say("220 2.0.0 go")
        self.wfile.flush()
        self.secure_it()

    def secure_it(self):
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb", -1)
        self.wfile = self.connection.makefile("wb", 0)
        self.secure = True
        self.server.secured.append((self.connection.version(), self.connection.session_reused, self.connection.getpeercert()))

    def do_AUTH(self, argument):
        mechanism, _, initial = argument.partition(" ")
        if mechanism.upper() == "PLAIN":
            if not initial:
                self.say("334 ")
                initial = self.rfile.readline().decode().strip()
            _, user, password = base64.b64decode(initial).decode().split("\0")
        else:
            self.say("334 VXNlcm5hbWU6")
            user = base64.b64decode(self.rfile.readline()).decode()
            self.say("334 UGFzc3dvcmQ6")
            password = base64.b64decode(self.rfile.readline()).decode()
        self.authenticated = self.server.users.get(user) == password
        self.say("235 2.7.0 ok" if self.authenticated else "535 5.7.8 no")

    def do_MAIL(self, argument):
        if self.server.users and not self.authenticated:
            self.say("530 5.7.0 Authentication required")
            return
        self.sender, self.rcpts = re.search(r"<(.*?)>", argument).group(1), []
        self.say("250 2.1.0 Ok")

    def do_RCPT(self, argument):
        if self.sender is None:
            self.say("503 5.5.1 MAIL first")
            return
        self.rcpts.append(re.search(r"<(.*?)>", argument).group(1))
        self.say("250 2.1.5 Ok")

    def do_DATA(self, argument):
        if not self.rcpts:
            self.say("554 5.5.1 no recipients")
            return
        self.say("354 go")
        lines = []
        while True:
            line = self.rfile.readline()
            if not line:
                return
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        self.end(b"".join(lines))

    def do_BDAT(self, argument):
        size, _, last = argument.partition(" ")
        data = self.rfile.read(int(size))
        if not self.rcpts:
            self.say("503 5.5.1 no recipients")
            return
        self.chunks = getattr(self, "chunks", b"") + data
        if last.upper() != "LAST":
            self.say("250 2.0.0 Ok")
            return
        content, self.chunks = self.chunks, b""
        self.end(content)

    def end(self, content):
        message = Message(self.sender, self.rcpts, content, self.number)
        self.sender, self.rcpts = None, []
        if self.scripted("END", message):
            return
        with self.server.lock:
            self.server.messages.append(message)
        for _ in message.rcpts if self.lmtp else [None]:
            self.say("250 2.0.0 Ok: queued as SINK%d" % len(self.server.messages))

    def do_RSET(self, argument):
        self.sender, self.rcpts = None, []
        self.say("250 2.0.0 Ok")

    def do_NOOP(self, argument):
        self.say("250 2.0.0 Ok")


class Dns(threading.Thread):
    """A name server of a few records over UDP: {(name, type): [data, ...]}; None: SERVFAIL, of the type ANY for all that are not there. A name
    that only others have below it exists without records; anything else does not exist."""

    TYPES = {"A": 1, "NS": 2, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "ANY": 255}

    def __init__(self, records, port=0):
        super().__init__(daemon=True)
        self.records = {(n.lower(), self.TYPES[t]): v for (n, t), v in records.items()}
        self.names = {n for n, _ in self.records}
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", port))
        self.port = self.sock.getsockname()[1]
        self.start()

    @staticmethod
    def name(n):
        return b"".join(bytes([len(p)]) + p.encode() for p in n.split(".") if p) + b"\0"

    def data(self, kind, v):
        if kind == 1:
            return socket.inet_aton(v)
        if kind == 28:
            return socket.inet_pton(socket.AF_INET6, v)
        if kind == 15:
            return v[0].to_bytes(2, "big") + self.name(v[1])
        if kind == 16:
            return b"".join(bytes([len(v[at:at + 255])]) + v[at:at + 255].encode() for at in range(0, max(len(v), 1), 255))
        return self.name(v)

    def run(self):
        while True:
            try:
                q, peer = self.sock.recvfrom(4096)
            except OSError:
                return
            at, labels = 12, []
            while q[at]:
                labels.append(q[at + 1:at + 1 + q[at]].decode("latin-1"))
                at += 1 + q[at]
            question, kind = q[12:at + 5], int.from_bytes(q[at + 1:at + 3], "big")
            name = ".".join(labels).lower()
            rows = self.records.get((name, kind), self.records.get((name, self.TYPES["ANY"]), []))
            rcode = 2 if rows is None else 0 if any(n == name or n.endswith("." + name) for n in self.names) else 3
            rows = rows or []
            out = q[:2] + bytes([0x81, 0x80 | rcode]) + b"\0\1" + len(rows).to_bytes(2, "big") + b"\0\0\0\0" + question
            for row in rows:
                d = self.data(kind, row)
                out += b"\xc0\x0c" + kind.to_bytes(2, "big") + b"\0\1\0\0\0\x3c" + len(d).to_bytes(2, "big") + d
            self.sock.sendto(out, peer)
