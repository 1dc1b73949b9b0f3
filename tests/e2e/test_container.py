"""A container of 64 MB: in a real memory group, under each attack of docs/security.md, section I, one after the other and then all at once,
nothing is killed for want of memory and mynetworks is served.

The group counts what a container's does: the process, its helper, sockets' buffers and the files' pages that cannot be given back.
"""
import contextlib
import os
import pathlib
import resource
import selectors
import shlex
import socket
import subprocess
import threading
import time

import pytest

from lab import RELAYBOX, SLOW, Relay, certificate, free_port, wait
from test_drops import drop, plain
from test_edge import close, connect, greeting, hello, hold_recipients, stats, talk

MEMORY = 64 << 20
MAIN = """mynetworks = 127.0.0.1/32
relay_domains = relayed.test
relayhost = [127.0.0.1]:9
message_size_limit = 150000000
queue_minfree = 1000000
smtpd_peername_lookup = yes
smtpd_tls_security_level = may
smtpd_forbid_unauth_pipelining = no
smtpd_hard_error_limit = 100000
smtpd_soft_error_limit = 100000
smtpd_junk_command_limit = 100000
maximal_queue_lifetime = 1d
"""


KINDS = (  # of memory groups: where they are, the file that says there are some, the limit's, that of what happened
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.limit_in_bytes", "memory.oom_control"),
    ("/sys/fs/cgroup", "cgroup.subtree_control", "memory.max", "memory.events"),
)


class Group:
    """A memory group of its own, of either version; the test is skipped where none can be made."""

    def __init__(self, limit):
        top, _, file, self.events = next((k for k in KINDS if os.path.exists(os.path.join(k[0], k[1]))), (None, "", "", ""))
        if not top:
            pytest.skip("this machine has no memory groups")
        self.dir = pathlib.Path(top, "relaybox-test-%d" % os.getpid())
        try:
            self.dir.mkdir()
            self.write(file, limit)
        except OSError as e:
            self.close()
            pytest.skip("no memory group can be made here: %s" % e)
        # swap would hide what is too much
        for name in ("memory.swap.max", "memory.swappiness"):
            if (self.dir / name).exists():
                self.write(name, 0)

    def write(self, name, value):
        (self.dir / name).write_text("%s\n" % value)

    def killed(self):
        """How many processes the kernel ended in it for want of memory."""
        return int(dict(line.split() for line in (self.dir / self.events).read_text().splitlines())["oom_kill"])

    def close(self):
        """False: somebody is still in it."""
        with contextlib.suppress(OSError):
            self.dir.rmdir()
        return not self.dir.exists()


class Contained(Relay):
    """A relayd in such a group, with a name server of its own."""
    LONG_MS = 150  # where memory is short the kernel looks for some in the time of whoever asks

    def spawn(self, *options):
        # attacks but the one on names shall not wait for it
        self.write("resolv.conf", "nameserver 127.0.53.1\noptions timeout:1 attempts:1\n")
        self.write("hosts", "127.0.0.1 localhost\n" + "".join("127.0.%d.2 stranger.test\n" % (i + 1) for i in range(20)))
        script = "echo 0 > %s/cgroup.procs && mount --bind %s /etc/resolv.conf && mount --bind %s /etc/hosts && exec %s relayd -c %s" % tuple(
            map(shlex.quote, (str(self.group.dir), self.path("resolv.conf"), self.path("hosts"), RELAYBOX, self.dir)))
        self.process = subprocess.Popen(["unshare", "-m", "sh", "-c", script], env=self.env, stdin=subprocess.DEVNULL,
                                        stderr=open(self.path("stderr"), "ab"))


class Silent:
    """A name server that never answers."""

    def __enter__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.53.1", 53))
        return self

    def __exit__(self, *_):
        self.socket.close()


# --- attacks: each gives sockets that stay open until the next one ----------------------------------------------------

def strangers(relay, n, each, clients=20):
    """n connections of that many strangers, who say what they have to say as far as it is taken, and then nothing."""
    held = []
    for i in range(n):
        with contextlib.suppress(OSError):
            held.append((connect(relay, "127.0.%d.2" % (1 + i % clients), 20), each(i)))
    with selectors.DefaultSelector() as left:
        for s, text in held:
            s.setblocking(False)
            left.register(s, selectors.EVENT_WRITE, text)
        while left.get_map():
            ready = left.select(1)
            if not ready:
                break
            for key, _ in ready:
                rest = b""
                with contextlib.suppress(OSError):
                    rest = key.data[key.fileobj.send(key.data):]
                if rest:
                    left.modify(key.fileobj, selectors.EVENT_WRITE, rest)
                else:
                    left.unregister(key.fileobj)
    return [s for s, _ in held]


def envelopes(relay):
    return strangers(relay, 100, lambda i: hold_recipients(999), 2)


def headers(relay):
    lines = b"".join(b"X-%d: %s\r\n" % (k, b"x" * 900) for k in range(4000))
    return strangers(relay, 100, lambda i: b"EHLO x\r\nMAIL FROM:<a@relayed.test>\r\nRCPT TO:<b@relayed.test>\r\nBDAT 9000000\r\n" + lines, 2)


def replies(relay):
    return strangers(relay, 100, lambda i: b"EHLO x\r\n" + b"MAIL\r\n" * 6000, 2)


def ones(relay):
    return strangers(relay, 1000, lambda i: b"EHLO x\r\nMAIL FROM:<a@relayed.test>\r\nRCPT TO:<b@relayed.test>\r\nDATA\r\n" + b"1" * 200000)


def hellos(relay):
    one = hello()
    return strangers(relay, 500, lambda i: b"EHLO x\r\nSTARTTLS\r\n") + strangers(relay, 500, lambda i: one)


def handshakes(relay):
    """Those that wait for their 220, and then say hello."""
    held, one = [], hello()
    for s in strangers(relay, 300, lambda i: b""):
        s.settimeout(20)
        with contextlib.suppress(OSError):
            if greeting(s) == b"220" and talk(s, b"EHLO x", b"STARTTLS")[1].startswith("220"):
                s.sendall(one)
                held.append(s)
    return held


def names(relay):
    """Addresses whose names nobody tells, again and again."""
    for k in range(20):
        close([connect(relay, "127.%d.%d.1" % (100 + k, i)) for i in range(200)])
    return []


def visitors(relay):
    held = []
    for i in range(400):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(20)
        s.bind(("127.0.%d.3" % (1 + i % 20), 0))
        with contextlib.suppress(OSError):
            s.connect(("127.0.0.1", relay.web))
            s.sendall((b"GET /metrics HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * 8000)[i % 3])
        held.append(s)
    return held


def controls(relay):
    held = []
    for i in range(200):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        with contextlib.suppress(OSError):
            s.connect(relay.path("queue", "submit" if i % 2 else "control"))
            s.sendall(b"x" * 4000)
        held.append(s)
    return held


def sparse(relay):
    """Drops that hold nothing: two sizes that may be, one that may not."""
    for megabytes in (40, 120, 200):
        for _ in range(2):
            drop(relay, plain("%dmb@relayed.test" % megabytes, arrival="%d" % (time.time() * 10 ** 6)), megabytes << 20)
    relay.wait_log("maildrop/.*Message size exceeds fixed limit: left alone", 2, 60)
    for megabytes in (40, 120):
        relay.wait_log("from=<%dmb@relayed.test>, size=" % megabytes, 2, 60)
    return []


def junk(relay):
    folder = relay.path("queue", "maildrop")
    for i in range(20000):
        with open(os.path.join(folder, "%016x-%08x" % (i, i)), "w") as f:
            f.write("no drop")
    return []


def endless(relay):
    """A gigabyte without a line feed: as a command, and as content."""
    for before in ((), (b"EHLO x", b"MAIL FROM:<a@relayed.test>", b"RCPT TO:<b@relayed.test>", b"DATA")):
        with contextlib.suppress(OSError), connect(relay) as s:
            greeting(s)
            if before:
                talk(s, *before)
            for _ in range(1024):
                s.sendall(b"x" * (1 << 20))
    return []


ATTACKS = [envelopes, headers, replies, ones, hellos, handshakes, names, visitors, controls, sparse, junk, endless]


def serves(relay, sender):
    """mynetworks gets 250 for a message, at the first try or, where memory is short for a moment, soon."""
    def taken():
        "mail of mynetworks to be taken"
        with connect(relay, "127.0.0.1", 30) as own:
            if greeting(own) != b"220":
                return False
            return talk(own, b"EHLO x", b"MAIL FROM:<%s@relayed.test>" % sender, b"RCPT TO:<b@relayed.test>", b"DATA",
                        b"Subject: x\r\n\r\nx\r\n.")[4].startswith("250 2.0.0 Ok: queued")
    wait(taken, 30)


@contextlib.contextmanager
def contained(folder, more=""):
    if os.getuid() != 0:
        pytest.skip("only root can make a memory group")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    cert, key = certificate(str(folder))
    group, web = Group(MEMORY), free_port()
    try:
        with Silent():
            relay = Contained(folder / "r", MAIN + "smtpd_tls_cert_file = %s\nsmtpd_tls_key_file = %s\nhttp_listen = 127.0.0.1:%d\n%s" %
                              (cert, key, web, more))
            relay.group, relay.web = group, web
            with relay:
                yield relay
    finally:
        wait(group.close)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def unharmed(relay, what):
    assert relay.process.poll() is None, what
    assert relay.group.killed() == 0, what


@pytest.mark.long
@pytest.mark.skipif(SLOW > 1, reason="the sanitizers have memory of their own")
def test_i4_a_container_of_64_mb_survives_each_attack_and_all_at_once(tmp_path):
    with contained(tmp_path) as relay:
        assert stats(relay)["memory_limit_bytes"] == MEMORY // 4 * 3
        for attack in ATTACKS:
            held = attack(relay)
            serves(relay, attack.__name__.encode())
            unharmed(relay, attack.__name__)
            close(held)
        threads, held = [], []
        for attack in ATTACKS:
            threads.append(threading.Thread(target=lambda a=attack: held.extend(a(relay))))
            threads[-1].start()
        for thread in threads:
            thread.join()
        serves(relay, b"all")
        unharmed(relay, "all at once")
        close(held)


@pytest.mark.skipif(SLOW > 1, reason="the sanitizers have memory of their own")
def test_i4_without_its_bound_such_a_container_ends(tmp_path):
    """The control: the attacks are real, and so is the group."""
    with contained(tmp_path, "memory_limit = 1000000000\n") as relay:
        held = []
        for attack in (envelopes, headers, ones):
            held += attack(relay)
        wait(lambda: relay.group.killed() and relay.process.poll())
        close(held)
