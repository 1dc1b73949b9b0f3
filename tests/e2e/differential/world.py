"""world - the network in which the rows of the table are tried: a namespace of its own, with a name server, mail servers that remember,
and a client that may come from any address.

enter() begins this program anew in network, mount and process namespaces that end with it. 192.0.2.1 is the server that is asked;
10.0.0.0/8 are its own clients, 192.0.2.100 and up are strangers, and the rest of 192.0.2.0/24 has the servers of ZONE.
"""
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading

from lab import Dns, Sink, SinkSession

SERVER, OWN_CLIENT = "192.0.2.1", "10.0.0.7"
INSIDE = "DIFFERENTIAL_INSIDE"
ZONE = """\
mx.example.test A 192.0.2.1
example.test MX 10 mx.example.test
smart.test A 192.0.2.25
smart2.test A 192.0.2.26
smart.test MX 10 smart.test
far.test MX 10 mx1.far.test
far.test MX 20 mx2.far.test
mx1.far.test A 192.0.2.31
mx2.far.test A 192.0.2.32
other.test MX 10 mx.other.test
mx.other.test A 192.0.2.33
sub.other.test A 192.0.2.36
aonly.test A 192.0.2.34
sender.test MX 10 mx.sender.test
sender.test NS ns.sender.test
mx.sender.test A 192.0.2.35
ns.sender.test A 192.0.2.45
dead.test MX 10 mx.dead.test
mx.dead.test A 192.0.2.99
dead2.test A 192.0.2.98
fallback.test MX 10 mx.dead2.test
fallback.test MX 20 mx2.far.test
mx.dead2.test A 192.0.2.97
nullmx.test MX 0 .
loop.test MX 10 mx.example.test
broken.test MX 10 nowhere.test
slow.test SERVFAIL
back.test MX 10 mx.example.test
back.test MX 5 mx.backprimary.test
mx.backprimary.test A 192.0.2.37
one.isp.test A 192.0.2.26
txtonly.test TXT nothing
good.client.test A 192.0.2.101
101.2.0.192.in-addr.arpa PTR good.client.test
102.2.0.192.in-addr.arpa PTR good.client.test
104.2.0.192.in-addr.arpa PTR gone.client.test
dyn-105.pool.test A 192.0.2.105
105.2.0.192.in-addr.arpa PTR dyn-105.pool.test
mail.partner.test A 192.0.2.106
106.2.0.192.in-addr.arpa PTR mail.partner.test
partner.test MX 10 mail.partner.test
107.2.0.192.in-addr.arpa SERVFAIL
110.2.0.192.bl.test A 127.0.0.2
110.2.0.192.bl.test TXT listed here
111.2.0.192.bl.test A 127.0.0.4
112.2.0.192.wl.test A 127.0.1.2
113.2.0.192.bl.test SERVFAIL
bad.test.rhs.test A 127.0.0.2
bad.test A 192.0.2.33
bad.test.rhs.test TXT bad domain
spam.helo.test.rhs.test A 127.0.0.3
spam.helo.test A 192.0.2.33
dyn-105.pool.test.rhs.test A 127.0.0.9
helo.test A 192.0.2.101
"""
# where servers listen, and who may log in there
LOGINS = {"joe": "secret", "ann": "secret2", "site": "secret3"}
SERVERS = [("192.0.2.%d" % n, 25, None) for n in (25, 26, 31, 32, 33, 34, 35, 36, 37)] + \
    [("192.0.2.25", 587, LOGINS), ("192.0.2.26", 587, LOGINS), ("192.0.2.25", 2525, None), ("192.0.2.40", 24, None)]


def unable():
    """Why namespaces cannot be made here, or None."""
    if os.geteuid() != 0:
        return "networks of their own need root"
    if subprocess.run(["unshare", "-n", "-m", "-p", "--fork", "true"], stderr=subprocess.DEVNULL).returncode:
        return "this machine does not allow namespaces"
    return None


def command(*args):
    """What begins this program, with args, inside a network of its own."""
    # the shell, the first process there, takes leave of whatever ends
    return ["unshare", "-n", "-m", "-p", "--fork", "--kill-child", "--mount-proc", "sh", "-c", '"$@"; exit $?', "sh", "/usr/bin/python3", *args]


def enter():
    """Make the namespace what the rows expect. Call it inside."""
    folder = tempfile.mkdtemp()
    for name, text in (("resolv.conf", "nameserver 127.0.0.1\n"), ("hosts", "127.0.0.1 localhost\n"), ("nsswitch.conf", "hosts: files dns\npasswd: files\n")):
        with open(os.path.join(folder, name), "w") as f:
            f.write(text)
        subprocess.run(["mount", "--bind", os.path.join(folder, name), "/etc/" + name], check=True)
    # nobody's mailboxes but its own
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/var/mail"], check=True)
    for line in ("link set lo up", "addr add %s/32 dev lo" % SERVER, "route add local 192.0.2.0/24 dev lo", "route add local 10.0.0.0/8 dev lo"):
        subprocess.run(["ip", *line.split()], check=True)


class NameServer(Dns):
    """Answers what ZONE says; SERVFAIL is a name that cannot be asked."""

    def __init__(self):
        records = {}
        for line in ZONE.splitlines():
            name, kind, *value = line.split(" ", 2)
            if kind == "SERVFAIL":
                records[name, "ANY"] = None
                continue
            if kind == "MX":
                preference, host = value[0].split()
                value = [(int(preference), host)]
            records.setdefault((name, kind), []).extend(value)
        super().__init__(records, 53)


class ServerSession(SinkSession):
    """Remembers RCPT TO as it was said, its parameters in order. Postfix names the original recipient always, relaybox where it differs.
    A local part that begins with gone or later has a mailbox that says so."""

    login = ""

    def do_AUTH(self, argument):
        import base64
        if argument.startswith("PLAIN "):
            self.login = base64.b64decode(argument.split()[1]).decode().split("\0")[1]
        super().do_AUTH(argument)

    def do_RCPT(self, argument):
        local = re.sub("^.*?<", "", argument)
        if local.startswith(("gone", "later")):
            self.say("550 5.1.1 no such user" if local.startswith("gone") else "450 4.2.1 come again later")
            return
        super().do_RCPT(argument)
        if self.rcpts:
            address, wishes = re.fullmatch(r"(<.*>)(.*)", argument[3:]).groups()
            wishes = wishes.split()
            same = "ORCPT=rfc822;" + re.sub("[+= ]", lambda c: "+%02X" % ord(c[0]), address[1:-1])
            self.rcpts[-1] = " ".join([address] + sorted(w for w in wishes if w != same))

    def end(self, content):
        self.server.logins.append(self.login)
        super().end(content)


class Server(Sink):
    def __init__(self, address, port, users):
        self.logins = []
        super().__init__(port, users=users, address=address, extensions=("PIPELINING", "8BITMIME", "SIZE 50000000", "DSN", "ENHANCEDSTATUSCODES"))
        self.RequestHandlerClass = ServerSession
        self.where = "%s:%d" % (address, port)


class World:
    """The servers of ZONE, and what they got since it was asked last."""

    def __init__(self):
        self.names = NameServer()
        self.servers = [Server(*row) for row in SERVERS]

    def take(self):
        got = []
        for s in self.servers:
            for m, login in zip(s.messages, s.logins):
                got.append((s.where, login, m))
            s.messages, s.logins = [], []
        return got


def dial(client):
    sock = socket.socket()
    sock.settimeout(60)
    sock.bind((client, 0))
    sock.connect((SERVER, 25))
    return sock
