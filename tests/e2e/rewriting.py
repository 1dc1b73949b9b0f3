"""rewriting - what becomes of addresses, row by row, in relaybox and in a real Postfix.

A world is a configuration; a case is one message sent into it: sender, recipients, header. What comes out is the reply to each
recipient and to the message, and what the next hop was given: sender, recipients with their DSN wishes, header. Run as a program
this file asks the Postfix of this system (as root) and writes rewriting.json, which test_rewriting.py compares relaybox with:

    python3 tests/e2e/rewriting.py
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from lab import Relay, Sink, SinkSession, free_port, wait

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rewriting.json")
MADE_HERE = ("received", "message-id", "date", "resent-message-id", "resent-date")
BASE = """\
compatibility_level = 3.6
myhostname = mx.example.test
mydomain = example.test
myorigin = example.test
mydestination = mx.example.test, localhost.example.test, localhost, example.test
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
smtpd_recipient_restrictions =
smtputf8_enable = no
"""


def from_rows(path):
    """The worlds and their cases: world NAME, main.cf lines, file NAME with indented lines; case NAME, then its lines."""
    worlds, world, case, file = [], None, None, None
    for line in open(path, encoding="utf-8"):
        line = line.rstrip("\n")
        if not line or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        if line.startswith("\t") and file is not None:
            world["files"][file] += line[1:] + "\n"
        elif line.startswith("\t"):
            case["header"] += line[1:] + "\r\n"
        elif word == "world":
            world, case = {"name": rest, "main.cf": "", "files": {}, "cases": []}, None
            worlds.append(world)
        elif word == "file":
            file, case = rest, None
            world["files"][file] = ""
        elif word == "case":
            file, case = None, {"name": rest, "from": "s@sender.test", "to": [], "header": ""}
            world["cases"].append(case)
        elif case is None:
            file = None
            world["main.cf"] += line + "\n"
        elif word == "from":
            case["from"] = rest
        elif word == "to":
            case["to"].append(rest)
        else:
            raise ValueError(line)
    return worlds


class DsnSession(SinkSession):
    """Remembers RCPT TO as it was said, its parameters in order. Postfix names the original recipient always, relaybox where it differs."""

    def do_RCPT(self, argument):
        super().do_RCPT(argument)
        if self.rcpts:
            address, wishes = re.fullmatch(r"(<.*>)(.*)", argument[3:]).groups()
            wishes = wishes.split()
            self.rcpts[-1] = " ".join([address] + sorted(w for w in wishes if w != "ORCPT=rfc822;" + address[1:-1].replace("+", "+2B")))


class DsnSink(Sink):
    def __init__(self):
        super().__init__(extensions=("PIPELINING", "8BITMIME", "SIZE 50000000", "DSN", "ENHANCEDSTATUSCODES"))
        self.RequestHandlerClass = DsnSession


def say(file, sock, line):
    sock.sendall(line if isinstance(line, bytes) else line.encode() + b"\r\n")
    while True:
        got = file.readline().decode()
        if got[3:4] != "-":
            return got.strip()


def send(port, case):
    """The dialogue of one case: replies to the recipients and to the message."""
    with socket.create_connection(("127.0.0.1", port), 60) as sock, sock.makefile("rb") as file:
        file.readline()
        say(file, sock, "EHLO client.test")
        replies = [say(file, sock, "MAIL FROM:<%s>" % case["from"])]
        for to in case["to"]:
            replies.append(say(file, sock, "RCPT TO:" + (to if "<" in to else "<%s>" % to)))
        if any(r.startswith("2") for r in replies[1:]):
            say(file, sock, "DATA")
            text = case["header"] + "X-Case: %s\r\n\r\nbody\r\n.\r\n" % case["name"]
            replies.append(say(file, sock, text.encode()))
        say(file, sock, "QUIT")
    return [re.sub(r"queued as \w+", "queued", r) for r in replies]


def fields(header):
    """The header fields that are not made by each system in its own words."""
    out = []
    for line in header.decode("utf-8", "surrogateescape").split("\r\n"):
        if line[:1] in (" ", "\t") and out:
            out[-1] += "\n" + line
        elif line:
            out.append(line)
    return [f for f in out if f.split(":")[0].lower() not in MADE_HERE]


def seen(messages):
    """What came out, case by case."""
    cases = {}
    for m in messages:
        got = fields(m.header)
        name = [f[8:] for f in got if f.startswith("X-Case: ")]
        if not name:
            continue
        cases.setdefault(name[0], []).append({"from": m.sender, "to": sorted(m.rcpts), "header": [f for f in got if not f.startswith("X-Case:")]})
    return {name: sorted(v, key=lambda m: m["to"]) for name, v in cases.items()}


def run(world, port, sink, is_empty):
    replies = {}
    for case in world["cases"]:
        replies[case["name"]] = send(port, case)
    wait(is_empty, 60)
    out = seen(sink.messages)
    return {case["name"]: {"replies": replies[case["name"]], "out": out.get(case["name"], [])} for case in world["cases"]}


def main_cf(world, sink, folder):
    return BASE + "relayhost = [127.0.0.1]:%d\nlocal_transport = smtp:[127.0.0.1]:%d\n" % (sink.port, sink.port) + \
        world["main.cf"].replace("DIR", folder)


def run_relaybox(world, folder):
    with DsnSink() as sink:
        relay = Relay(folder, main_cf(world, sink, str(folder)), files=world["files"])
        with relay:
            return run(world, relay.port, sink, relay.empty)


class Postfix:
    """A Postfix in a folder of its own."""
    SERVICES = """\
%d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

    def __init__(self, folder, text, files):
        self.dir, self.port = folder, free_port()
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o755)
        for name in ("queue", "data"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        shutil.chown(os.path.join(folder, "data"), "postfix")
        for name, content in files.items():
            self.write(name, content)
        self.write("main.cf", text + "queue_directory = %s/queue\ndata_directory = %s/data\nmaillog_file = %s/log\n"
                   "maillog_file_prefixes = /tmp\n" % (folder, folder, folder))
        self.write("master.cf", self.SERVICES % self.port)
        self.command("postfix", "start")
        wait(self.greets, 30)

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(text)

    def command(self, name, *args):
        return subprocess.run(["/usr/sbin/" + name, "-c", self.dir, *args], check=True, capture_output=True).stdout.decode()

    def greets(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as s:
                return s.recv(100).startswith(b"220")
        except OSError:
            return False

    def empty(self):
        return "Mail queue is empty" in self.command("postqueue", "-p")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.command("postfix", "stop")


def run_postfix(world):
    folder = tempfile.mkdtemp(prefix="rewriting-")
    try:
        with DsnSink() as sink, Postfix(folder, main_cf(world, sink, folder), world["files"]) as p:
            try:
                return run(world, p.port, sink, p.empty)
            finally:
                if os.environ.get("SHOW_LOG"):
                    sys.stderr.write(open(folder + "/log").read())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


ROWS = os.path.join(os.path.dirname(GOLDEN), "rewriting.rows")

if __name__ == "__main__":
    version = subprocess.run(["/usr/sbin/postconf", "-dh", "mail_version"], capture_output=True, check=True).stdout.decode().strip()
    golden = {"postfix": version, "worlds": {}}
    rows = sys.argv[1] if len(sys.argv) > 1 else ROWS
    for one in from_rows(rows):
        golden["worlds"][one["name"]] = run_postfix(one)
    text = json.dumps(golden, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if len(sys.argv) > 1:
        print(text)
    else:
        with open(GOLDEN, "w", encoding="utf-8") as f:
            f.write(text)
