"""The edge: whoever connects, and however often, keeps nobody else from being served, and what all hold together is bounded.

Strangers are 127.0.0.2 and further ones; 127.0.0.1 is mynetworks. IDs are those of docs/threats.md.
"""
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import RELAYBOX, Relay, Sink, certificate, free_port, wait  # noqa: E402

EDGE = "mynetworks = 127.0.0.1/32\nrelay_domains = relayed.test\nrelayhost = [127.0.0.1]:9\n"


class Narrow(Relay):
    """A relayd with few descriptors or little memory: limits are options of prlimit(1)."""
    limits = ()

    def spawn(self, *options):
        self.process = subprocess.Popen(["prlimit", *self.limits, RELAYBOX, "relayd", "-c", self.dir, *options], env=self.env,
                                        stdin=subprocess.DEVNULL, stderr=open(self.path("stderr"), "ab"))


def narrow(folder, main_cf, *limits):
    r = Narrow(folder, main_cf)
    r.limits = limits
    return r


def connect(relay, source="127.0.0.2", seconds=20):
    return socket.create_connection(("127.0.0.1", relay.port), seconds, (source, 0))


def greeting(s):
    return s.recv(500)[:3]


def talk(s, *lines):
    """The last reply to each line."""
    replies = []
    with s.makefile("rb") as file:
        for line in lines:
            s.sendall(line + b"\r\n")
            reply = file.readline()
            while reply[3:4] == b"-":
                reply = file.readline()
            replies.append(reply.decode().rstrip("\r\n"))
    return replies


def stats(relay):
    return json.loads(relay.run("relayctl", "stats", "--json").stdout.splitlines()[0])


def close(sockets):
    for s in sockets:
        s.close()


def test_strangers_lock_nobody_out_of_a_listener_and_stress_ends_them(tmp_path):
    """A place for our own beside any number of silent strangers; those end sooner under stress, and who waited gets their place."""
    with Relay(tmp_path, EDGE + "default_process_limit = 20\nsmtpd_timeout = ${stress?{2}:{300}}s\n") as relay:
        held = [connect(relay, "127.0.0.%d" % (2 + i)) for i in range(18)]
        assert [greeting(s) for s in held] == [b"220"] * 18
        assert talk(held[0], b"EHLO x", b"NONSENSE", b"NOOP") == ["250 CHUNKING", "502 5.5.2 Error: command not recognized", "250 2.0.0 Ok"]
        late = connect(relay, "127.0.0.50")
        own = connect(relay, "127.0.0.1")
        assert greeting(own) == b"220"
        assert talk(own, b"EHLO x", b"MAIL FROM:<a@relayed.test>")[1].startswith("250")
        relay.wait_log('has reached its process limit "20"')
        relay.wait_log("stress mode on")
        # the others' values: one error is too many now, and silence ends
        assert talk(held[0], b"NOOP")[0].startswith("421 4.7.0")
        assert greeting(late) == b"220"
        assert held[1].recv(500).startswith(b"421 4.4.2")
        close(held + [late, own])
        relay.wait_log("stress mode off", seconds=30)
        last = connect(relay)
        assert greeting(last) == b"220"
        assert talk(last, b"NONSENSE", b"NONSENSE", b"NOOP")[2].startswith("250")
        last.close()


def test_strangers_lock_nobody_out_of_the_process(tmp_path):
    """The same without a process limit, where descriptors are the bound: sendmail, relayctl and our own still get in."""
    with narrow(tmp_path, EDGE + "smtpd_client_connection_count_limit = 0\n", "--nofile=240:240") as relay:
        held = [connect(relay) for _ in range(160)]
        codes = [greeting(s) for s in held]
        assert codes == sorted(codes) and codes.count(b"220") == 108
        assert talk(connect(relay, "127.0.0.1"), b"NOOP")[0].startswith("220")
        done = relay.run("sendmail", "-f", "a@relayed.test", "b@relayed.test", stdin="Subject: x\n\nx\n")
        assert done.returncode == 0
        relay.wait_log("uid=.*from=<a@relayed.test>")
        assert stats(relay)["sessions"]
        close(held)


PREFIXES = [  # what main.cf says, addresses that are one client, one that is another
    ("", ["2001:db8::1", "2001:db8::fff:ffff:ffff"], "2001:db8::1000:0:1"),
    ("smtpd_client_ipv6_prefix_length = 56\n", ["2001:db8::1", "2001:db8:0:ff::1"], "2001:db8:0:100::1"),
    ("", ["192.0.2.1", "192.0.2.1"], "192.0.2.2"),
    ("smtpd_client_ipv4_prefix_length = 24\n", ["192.0.2.1", "192.0.2.250"], "192.0.3.1"),
]


@pytest.mark.parametrize("more,same,other", PREFIXES)
def test_clients_are_counted_by_their_network(tmp_path, more, same, other):
    with Relay(tmp_path, "mynetworks = 10.0.0.0/8\nsmtpd_client_connection_count_limit = 1\nsmtpd_upstream_proxy_protocol = haproxy\n"
               "smtpd_upstream_proxy_networks = 127.0.0.1\n" + more) as relay:
        held = []
        for address in same + [other]:
            held.append(connect(relay, "127.0.0.1"))
            family, to = ("TCP6", "::1") if ":" in address else ("TCP4", "127.0.0.1")
            held[-1].sendall(b"PROXY %s %s %s 999 25\r\n" % (family.encode(), address.encode(), to.encode()))
            assert greeting(held[-1]) == (b"421" if address == same[1] and len(held) == 2 else b"220")
        close(held)


def test_local_connections_are_bounded_for_each_user(tmp_path):
    """Silent ones to the control and the submit socket: no more than so many, and mail and requests of others go on."""
    with Relay(tmp_path, EDGE) as relay:
        held = {"control": [], "submit": []}
        for name, n in (("control", 30), ("submit", 120)):
            for _ in range(n):
                s = socket.socket(socket.AF_UNIX)
                s.settimeout(20)
                s.connect(relay.path("queue", name))
                held[name].append(s)
        codes = [greeting(s) for s in held["submit"]]
        assert codes.count(b"220") == 100 and codes.count(b"421") == 20
        assert b"!too many connections" in held["control"][16].recv(500)
        # somebody else's requests, and our own mail, which takes another way then
        held["control"].pop(0).close()
        wait(lambda: relay.run("relayctl", "ping", check=False).returncode == 0)
        assert relay.run("sendmail", "-f", "a@relayed.test", "b@relayed.test", stdin="Subject: x\n\nx\n").returncode == 0
        relay.wait_log("from=<a@relayed.test>")
        relay.wait_log("uid .* has 100 connections to the submit socket")
        for sockets in held.values():
            close(sockets)


def test_signals_that_mean_nothing_change_nothing(tmp_path):
    """Neither for relayd nor for its helper: afterwards both are there, and have said nothing."""
    with Relay(tmp_path, EDGE) as relay:
        before = relay.log()
        children = subprocess.run(["pgrep", "-P", str(relay.process.pid)], capture_output=True, text=True).stdout.split()
        names = ("SIGPIPE", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGUSR2", "SIGIO", "SIGPWR", "SIGSTKFLT", "SIGURG", "SIGWINCH", "SIGCONT",
                 "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGCHLD")
        for pid in [relay.process.pid, *map(int, children)]:
            for signo in [getattr(signal, name) for name in names] + list(range(32, signal.SIGRTMAX + 1)):
                os.kill(pid, signo)
        with connect(relay) as s:
            assert talk(s, b"NOOP")[0].startswith("220")
        assert relay.run("relayctl", "ping").returncode == 0
        assert subprocess.run(["pgrep", "-P", str(relay.process.pid)], capture_output=True, text=True).stdout.split() == children
        assert [line for line in relay.log()[len(before):].splitlines() if "unknown[127.0.0.2]" not in line] == []


def rss(relay):
    with open("/proc/%d/status" % relay.process.pid) as f:
        return int(f.read().split("VmRSS:")[1].split()[0]) * 1024


def hold_recipients(n):
    """A transaction as large as smtpd_recipient_limit allows, not ended."""
    lines = [b"EHLO x", b"MAIL FROM:<a@relayed.test>"]
    lines += [b"RCPT TO:<%s%05d@%s.relayed.test> ORCPT=rfc822;%s" % (b"a" * 58, i, b"b" * 60, b"c" * 400) for i in range(n)]
    return b"\r\n".join(lines) + b"\r\n"


HOLDS = {
    "recipients": lambda: [hold_recipients(999)],
    "a header": lambda: [b"EHLO x\r\nMAIL FROM:<a@relayed.test>\r\nRCPT TO:<b@relayed.test>\r\nBDAT 9000000\r\n" +
                         b"".join(b"X-%d: %s\r\n" % (i, b"x" * 900) for i in range(4000))],
    "replies": lambda: [b"EHLO x\r\n" + b"MAIL\r\n" * 6000],
}


@pytest.mark.parametrize("what", sorted(HOLDS))
def test_d2_what_all_clients_hold_together_is_bounded(tmp_path, what):
    """Three clients with fifty connections each, in a process that may have 64 MB: it lives, and takes our mail."""
    with narrow(tmp_path, EDGE + "smtpd_forbid_unauth_pipelining = no\nsmtpd_hard_error_limit = 100000\nsmtpd_soft_error_limit = 100000\nsmtpd_junk_command_limit = 100000\n",
                "--data=%d" % (64 << 20)) as relay:
        assert stats(relay)["memory_limit_bytes"] == 48 << 20
        held, pieces = [], HOLDS[what]()
        for i in range(150):
            s = connect(relay, "127.0.0.%d" % (2 + i // 50))
            s.setblocking(False)
            try:
                for piece in pieces:
                    s.send(piece)
            except OSError:
                pass
            held.append(s)
            if i % 50 == 49:
                with connect(relay, "127.0.0.1") as own:
                    assert talk(own, b"EHLO x", b"MAIL FROM:<a@relayed.test>", b"RCPT TO:<b@relayed.test>")[0].startswith("220")
        # what grows beside sessions, or is less than fair in each, passes it by a little
        now = stats(relay)
        assert now["memory_bytes"] <= 54 << 20 and rss(relay) < 64 << 20
        close(held)
        relay.run("sendmail", "-f", "c@relayed.test", "d@relayed.test", stdin="Subject: x\n\nx\n")
        relay.wait_log("from=<c@relayed.test>, size=")


def test_d2_the_greediest_is_refused_first(tmp_path):
    """Past memory_limit the one that holds most goes, with a 4xx; those that hold little stay."""
    with Relay(tmp_path, EDGE + "smtpd_forbid_unauth_pipelining = no\nmemory_limit = 8000000\nsmtpd_client_connection_count_limit = 0\n") as relay:
        small = [connect(relay) for _ in range(10)]
        for s in small:
            assert greeting(s) == b"220"
            assert talk(s, b"EHLO x", b"MAIL FROM:<a@relayed.test>", b"RCPT TO:<b@relayed.test>")[2] == "250 2.1.5 Ok"
        large = []
        while stats(relay)["memory_refusals_total"] == 0 and len(large) < 60:
            large.append(connect(relay))
            large[-1].sendall(hold_recipients(999) + b"NOOP\r\n")
            with large[-1].makefile("rb") as file:
                while file.readline()[:9] not in (b"250 2.0.0", b"421 4.3.1", b""):
                    pass
        relay.wait_log("memory_limit: .* the first has")
        relay.wait_log("too little memory after NOOP from")
        for s in small:
            assert talk(s, b"RSET")[0] == "250 2.0.0 Ok"
        close(small + large)
