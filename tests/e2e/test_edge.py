"""The edge: whoever connects, and however often, keeps nobody else from being served, and what all hold together is bounded.

Strangers are 127.0.0.2 and further ones; 127.0.0.1 is mynetworks. IDs are those of docs/security.md.
"""
import json
import mmap
import os
import resource
import select
import signal
import socket
import ssl
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import RELAYBOX, SLOW, Relay, Sink, certificate, wait  # noqa: E402

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
        assert talk(held[0], b"EHLO x", b"NONSENSE", b"NOOP") == ["250 CHUNKING", "500 5.5.2 Error: command not recognized", "250 2.0.0 Ok"]
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


def test_i4_strangers_lock_nobody_out_of_the_process(tmp_path):
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


@pytest.mark.skipif(SLOW > 1, reason="the sanitizers have memory of their own")
@pytest.mark.parametrize("what", sorted(HOLDS))
def test_i4_what_all_clients_hold_together_is_bounded(tmp_path, what):
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
        # what grows beside sessions, or is less than fair in each, passes it by a little, and for no longer than a step of all of them takes
        assert rss(relay) < 64 << 20
        wait(lambda: stats(relay)["memory_bytes"] <= 54 << 20)
        close(held)
        relay.run("sendmail", "-f", "c@relayed.test", "d@relayed.test", stdin="Subject: x\n\nx\n")
        relay.wait_log("from=<c@relayed.test>, size=")


def test_i4_the_greediest_is_refused_first(tmp_path):
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


def hello():
    """A ClientHello."""
    out = ssl.MemoryBIO()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    try:
        tls.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    except ssl.SSLWantReadError:
        return out.read()


def test_handshakes_are_done_in_turn_for_each_client(tmp_path):
    """Three hundred ClientHellos of one client, answered with RSA-4096, wait behind another's handshake and keep no message."""
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:4096", "-nodes", "-days", "30", "-keyout", key, "-out", cert, "-subj",
                    "/CN=localhost"], check=True, stderr=subprocess.DEVNULL)
    with Relay(tmp_path / "r", EDGE + "smtpd_client_connection_count_limit = 0\nsmtpd_tls_security_level = may\n"
               "smtpd_tls_cert_file = %s\nsmtpd_tls_key_file = %s\n" % (cert, key)) as relay:
        flood = [connect(relay) for _ in range(300)]
        for s in flood:
            assert greeting(s) == b"220" and talk(s, b"EHLO x", b"STARTTLS")[1].startswith("220")
        for s in flood:
            s.sendall(hello())
        with connect(relay, "127.0.0.1") as own:
            greeting(own)
            assert talk(own, b"EHLO x", b"MAIL FROM:<a@relayed.test>", b"RCPT TO:<b@relayed.test>", b"DATA",
                        b"Subject: x\r\n\r\nx\r\n.")[4].startswith("250 2.0.0 Ok: queued")
        with connect(relay, "127.0.0.1") as own:
            greeting(own)
            talk(own, b"EHLO x", b"STARTTLS")
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
            secure = tls.wrap_socket(own)
            answered = len(select.select(flood, [], [], 0)[0])
            assert answered < 250, "the other client waited for %d of 300" % answered
            secure.sendall(b"EHLO x\r\n")
            assert secure.recv(500).startswith(b"250")
            secure.close()
        # handshakes of those that have gone are not done
        close(flood)


def test_f2_files_that_are_no_drops_cost_later_drops_nothing(tmp_path):
    """Thousands of them are looked at once; then a drop is taken by its name, and the folder is not read any more."""
    with Relay(tmp_path, EDGE + "sendmail_submission = maildrop\n") as relay:
        folder = relay.path("queue", "maildrop")
        for i in range(2000):
            with open(os.path.join(folder, "junk-%d" % i), "w"):
                pass
            with open(os.path.join(folder, ".x"), "w") as f:
                f.write("no drop")
            os.rename(os.path.join(folder, ".x"), os.path.join(folder, "%016x-%08x" % (i, i)))
        relay.wait_log("not a message: left alone", 100)

        def drop(name):
            relay.run("sendmail", "-f", name + "@relayed.test", "b@relayed.test", stdin="Subject: x\n\nx\n")
            relay.wait_log("from=<%s@relayed.test>, size=" % name)
        drop("first")
        before = os.stat(folder).st_atime_ns
        for i in range(3):
            drop("a%d" % i)
        assert os.stat(folder).st_atime_ns == before, "the folder was listed again"
        os.listdir(folder)
        if os.stat(folder).st_atime_ns == before:
            pytest.skip("this file system keeps no times of reading")
        assert len(relay.log_lines("not a message: left alone")) == 100
        # and a restart takes what came meanwhile, old or new
        relay.stop()
        relay.run("sendmail", "-f", "late@relayed.test", "b@relayed.test", stdin="Subject: x\n\nx\n")
        relay.start()
        relay.wait_log("from=<late@relayed.test>, size=")


def test_reloads_are_bounded_while_sessions_keep_what_they_began_with(tmp_path):
    with Relay(tmp_path, EDGE + "smtpd_client_connection_count_limit = 0\n") as relay:
        held = []
        for _ in range(258):
            held.append(connect(relay))
            greeting(held[-1])
            last = relay.run("relayctl", "reload", check=False)
            if last.returncode:
                break
        assert b"refused" in last.stderr and len(held) == 256
        relay.wait_log("reload refused: 256 earlier configurations are still in use")
        assert talk(held[0], b"NOOP")[0].startswith("250")
        close(held)
        wait(lambda: relay.run("relayctl", "reload", check=False).returncode == 0)


@pytest.mark.skipif(SLOW > 1, reason="the sanitizers have memory of their own")
def test_i2_a_line_without_an_end_costs_no_memory(tmp_path):
    """A gigabyte of it, as a command and as content: what the first megabyte took is all that it takes."""
    def pour(relay, megabytes, *before):
        with connect(relay, seconds=60 * SLOW) as s:
            greeting(s)
            if before:
                talk(s, *before)
            try:
                for _ in range(megabytes):
                    s.sendall(b"x" * (1 << 20))
            except OSError:
                pass
    with Relay(tmp_path, EDGE) as relay:
        for before in ((), (b"EHLO x", b"MAIL FROM:<a@relayed.test>", b"RCPT TO:<b@relayed.test>", b"DATA")):
            pour(relay, 12, *before)
            wait(lambda: stats(relay)["sessions"] == 0)
            small = rss(relay)
            pour(relay, 1024, *before)
            wait(lambda: stats(relay)["sessions"] == 0)
            assert rss(relay) - small < 64 << 10


def crowd(relay, n):
    """Greeted sessions of many clients."""
    held = [connect(relay, "127.0.%d.%d" % (1 + i // 200, 1 + i % 200)) for i in range(n)]
    for s in held:
        assert greeting(s) == b"220"
        s.sendall(b"EHLO x\r\n")
    for s in held:
        assert s.recv(500).startswith(b"250")
    return held


@pytest.mark.skipif(SLOW > 1, reason="the sanitizers have memory of their own")
def test_i4_ten_thousand_idle_connections_cost_48_mb_and_nobody_his_turn(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 10500:
        pytest.skip("this user may have %d files" % hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with Relay(tmp_path, EDGE + "smtpd_client_connection_count_limit = 0\n") as relay:
            held = crowd(relay, 10000)
            wait(lambda: rss(relay) <= 48 * 10 ** 6)
            with connect(relay, "127.0.0.1") as own:
                greeting(own)
                assert talk(own, b"EHLO x", b"MAIL FROM:<a@relayed.test>", b"RCPT TO:<b@relayed.test>", b"DATA",
                            b"Subject: x\r\n\r\nx\r\n.")[4].startswith("250 2.0.0 Ok: queued")
            # many steps of a bounded size each
            assert stats(relay)["loop_worst_slice_events"] <= 256
            close(held)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def reading_takes_memory():
    """Does this kernel give a page to what is only read? Most have one empty page for all; where a virtual machine's has not, memory that the
    C library looks at to see whether it is empty counts as if it were used."""
    with mmap.mmap(-1, 8 << 20) as fresh, open("/proc/self/statm") as statm:
        before = int(statm.read().split()[1])
        assert not any(fresh[at] for at in range(0, len(fresh), mmap.PAGESIZE))
        statm.seek(0)
        return (int(statm.read().split()[1]) - before) * mmap.PAGESIZE > 4 << 20


@pytest.mark.skipif(SLOW > 1, reason="the sanitizers have memory of their own")
def test_i4_two_thousand_idle_tls_sessions_cost_100_mb(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cert, key = certificate(str(tmp_path))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    try:
        with Relay(tmp_path / "r", EDGE + "smtpd_client_connection_count_limit = 0\nsmtpd_tls_security_level = may\nsmtpd_tls_cert_file = %s\n"
                   "smtpd_tls_key_file = %s\n" % (cert, key)) as relay:
            n, before = 500, rss(relay)
            held = crowd(relay, n)
            for i, s in enumerate(held):
                assert talk(s, b"STARTTLS")[0].startswith("220")
                held[i] = tls.wrap_socket(s)
            # a quarter of them, and a quarter of the memory
            bound = 30 if reading_takes_memory() else 25
            wait(lambda: rss(relay) - before <= bound * 10 ** 6)
            close(held)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


DRIPS = {
    "a command": [],
    "content": [b"EHLO x", b"MAIL FROM:<a@relayed.test>", b"RCPT TO:<b@relayed.test>", b"DATA"],
    "a chunk": [b"EHLO x", b"MAIL FROM:<a@relayed.test>", b"RCPT TO:<b@relayed.test>", b"BDAT 1000"],
    "a refused chunk": [b"EHLO x", b"BDAT 1000"],
    "a handshake": [b"EHLO x", b"STARTTLS"],
}


def test_i1_single_bytes_hold_no_session_and_commands_do(tmp_path):
    cert, key = certificate(str(tmp_path))
    with Relay(tmp_path / "r", EDGE + "smtpd_timeout = 2s\nsmtpd_starttls_timeout = 2s\nsmtpd_tls_security_level = may\nsmtpd_tls_cert_file = %s\n"
               "smtpd_tls_key_file = %s\n" % (cert, key)) as relay:
        with connect(relay) as busy:
            greeting(busy)
            for what, before in DRIPS.items():
                with connect(relay) as s:
                    greeting(s)
                    for line in before:
                        s.sendall(line + b"\r\n")
                        if not line.startswith(b"BDAT"):
                            s.recv(500)
                    for dripped in range(100):
                        if select.select([s], [], [], 0.25)[0]:
                            break
                        s.sendall(b"x")
                        # somebody who says whole commands stays all the time
                        assert talk(busy, (b"NOOP", b"RSET")[dripped % 2])[0].startswith("250"), what
                    assert dripped < 40, what


def test_a_reload_costs_no_long_step_whatever_waits(tmp_path):
    """Ten thousand destinations with mail: the lab looks at the steps of the loop when it ends."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen()
        port = hole.getsockname()[1]
        # one delivery at a time, and the first one gets no greeting
        with Relay(tmp_path, "transport_maps = pcre:%s/map\nshutdown_timeout = 1s\n" % tmp_path,
                   files={"map": "/@(\\d+)\\.(\\d+)\\.test$/ smtp:[127.%s.$1.$2]:%d\n/^first@/ smtp:[127.0.0.1]:%d\n" % ("1", port, port)}) as relay:
            relay.write("master.cf", "%d inet n - n - - smtpd\nsmtp unix - - n - 1 smtp\n" % relay.port)
            relay.run("relayctl", "reload")
            relay.run("sendmail", "-f", "a@relayed.test", "first@relayed.test", stdin="Subject: x\n\nx\n")
            hole.settimeout(30)
            held = hole.accept()[0]
            rcpts = ["u@%d.%d.test" % (i // 100, 1 + i % 100) for i in range(10000)]
            relay.run("sendmail", "-f", "a@relayed.test", "-t", stdin="To: %s\nSubject: x\n\nx\n" % ",\n ".join(rcpts))
            relay.wait_log("nrcpt=10000")
            for _ in range(3):
                relay.run("relayctl", "reload")
            held.close()


@pytest.mark.parametrize("piece", [b"2", b"250-x\r\n"])
def test_i1_a_server_that_never_ends_its_reply_has_the_time_of_one(tmp_path, piece):
    """One byte or one line of a reply now and then: the next mail for other hosts could find all places taken."""
    ends = []

    def drip(sink, _):
        try:
            while True:
                sink.current.sendall(piece)
                time.sleep(0.3)
        except OSError:
            ends.append(1)
        return "DROP"

    class Slow(Sink):
        def finish_request(self, request, client_address):
            self.current = request
            super().finish_request(request, client_address)

    with Slow(script={"EHLO": drip}) as sink, Relay(tmp_path, "relayhost = [127.0.0.1]:%d\nsmtp_helo_timeout = 2s\n" % sink.port) as relay:
        relay.run("sendmail", "-f", "a@relayed.test", "b@relayed.test", stdin="Subject: x\n\nx\n")
        relay.wait_log("timed out while performing the EHLO handshake", seconds=8)
        wait(lambda: ends)
