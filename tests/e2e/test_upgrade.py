"""Listening sockets that others hand over: a supervisor's (LISTEN_FDS), and those of the relayd that an upgrade replaces."""
import hashlib
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import time

import pytest

from lab import RELAYBOX, SLOW, Relay, Sink, free_port, wait, open_folder
from test_balancer import get, status
from test_kill import Ledger, judge

# as sd_listen_fds(3) says: from descriptor 3 on, for this process
START = """import os, sys
at, names, fds = sys.argv[1:4]
fds = [int(fd) for fd in fds.split(",") if fd]
high = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
for fd in fds:
    os.close(fd)
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i)
    os.close(fd)
os.environ.update(LISTEN_FDS=str(len(fds)), LISTEN_PID=str(os.getpid()) if at == "me" else "1", LISTEN_FDNAMES=names)
os.execv(sys.argv[4], sys.argv[4:])
"""


class Activated(Relay):
    """A relayd whose listening sockets are the test's."""

    def __init__(self, folder, main_cf="", sockets=(), names="", at="me", **more):
        super().__init__(folder, main_cf, **more)
        self.sockets, self.names, self.at = sockets, names, at

    def spawn(self, *options):
        with open(self.path("stderr"), "ab") as err:
            self.process = subprocess.Popen([sys.executable, "-c", START, self.at, self.names, ",".join(str(s.fileno()) for s in self.sockets), RELAYBOX,
                                             "relayd", "-c", self.dir, *options], env=self.env, stdin=subprocess.DEVNULL, stderr=err,
                                            pass_fds=[s.fileno() for s in self.sockets])


def listening(address="127.0.0.1"):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    s.bind((address, 0))
    s.listen(64)
    return s


def banner(port, host="127.0.0.1"):
    with socket.create_connection((host, port), 20) as s:
        return s.makefile("rb").readline()


def test_sockets_of_a_supervisor_serve_by_name_and_by_port(tmp_path):
    smtp, submission, http = listening(), listening(), listening()
    port, by_port, health = (s.getsockname()[1] for s in (smtp, submission, http))
    other = free_port()
    master_cf = ("smtp inet n - n - - smtpd\n  -o smtpd_banner=smtp\n%d inet n - n - - smtpd\n  -o smtpd_banner=by-port\n%d inet n - n - - smtpd\n"
                 "  -o smtpd_banner=own\n" % (by_port, other))
    with Activated(tmp_path / "r", "http_listen = 127.0.0.1:%d\n" % free_port(), (smtp, submission, http), "smtp:relayd.socket:http",
                   master_cf=master_cf) as r:
        for s in (smtp, submission, http):
            s.close()
        # smtp is bound nowhere else: its port may be one that we could not bind
        assert banner(port) == b"220 smtp\r\n" and banner(by_port) == b"220 by-port\r\n" and banner(other) == b"220 own\r\n"
        assert status(get(health, "/healthz")) == 200
        # a reload drops no session, nor a socket
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as c:
            c.ehlo()
            for word in ("again", "smtp"):
                r.write("master.cf", master_cf.replace("smtpd_banner=smtp", "smtpd_banner=" + word))
                r.run("relayctl", "reload")
                assert c.noop()[0] == 250 and banner(port) == b"220 %s\r\n" % word.encode()
        # what would leave a socket without a service is no configuration for this start
        r.write("master.cf", "%d inet n - n - - smtpd\n" % by_port)
        assert r.run("relayctl", "reload", check=False).returncode != 0
        assert r.log_lines('LISTEN_FDS: no service is called "smtp"') and banner(port) == b"220 smtp\r\n"


def test_socket_for_both_families_is_one(tmp_path):
    s = socket.socket(socket.AF_INET6)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::", 0))
    s.listen(64)
    port = s.getsockname()[1]
    with Activated(tmp_path / "r", "inet_interfaces = all\nmynetworks = 127.0.0.0/8\ndefault_transport = discard\n", (s,), port=port) as r:
        s.close()
        assert banner(port, "::1").startswith(b"220 ")
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as c:
            c.sendmail("a@example.com", ["b@example.org"], "Subject: x\r\n\r\n")
        r.wait_log(r"\]: connect from unknown\[127\.0\.0\.1\]")


def test_sockets_for_another_process_are_not_touched(tmp_path):
    s = listening()
    with Activated(tmp_path / "r", "", (s,), at="other") as r:
        assert banner(r.port).startswith(b"220 ")
        with socket.create_connection(s.getsockname(), 20) as c:
            c.settimeout(0.5)
            with pytest.raises(TimeoutError):
                c.recv(1)
    s.close()


def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    return s


@pytest.mark.parametrize("made,why", [(udp, "it does not listen for TCP"), (lambda: socket.socket(), "it does not listen for TCP"),
                                      (listening, "no service is called")], ids=["udp", "unbound", "nobody's"])
def test_socket_that_serves_nobody_stops_the_start(tmp_path, made, why):
    s = made()
    r = Activated(tmp_path / "r", "", (s,), "x")
    r.spawn()
    code = r.process.wait(20 * SLOW)
    r.process = None
    s.close()
    assert code != 0 and why in r.log() + r.stderr()


class Keeper:
    """A supervisor that keeps descriptors, as systemd does (FDSTORE)."""

    def __init__(self, path):
        self.path, self.kept, self.ready = str(path), [], 0
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            text, fds, _, _ = socket.recv_fds(self.socket, 4096, 4)
            said = dict(line.split("=", 1) for line in text.decode().splitlines())
            if said.get("FDNAME") == "relayd-kept" and "FDSTOREREMOVE" in said:
                for s in self.kept:
                    s.close()
                self.kept = []
            elif said.get("FDNAME") == "relayd-kept" and said.get("FDSTORE") == "1":
                self.kept += [socket.socket(fileno=fd) for fd in fds]
            self.ready += "READY" in said

    def ports(self):
        return sorted(s.getsockname()[1] for s in self.kept)

    def restart(self, r):
        """Another relayd of the same unit, with what was kept."""
        told = self.ready
        if r.process:
            assert r.stop() == 0
        r.sockets, r.names = list(self.kept), ":".join(["relayd-kept"] * len(self.kept))
        r.start()
        wait(lambda: self.ready > told)


@pytest.mark.parametrize("keeps", [True, False])
def test_sockets_that_the_supervisor_keeps_refuse_nobody_over_a_restart(tmp_path, keeps):
    ledger, boss, http = Ledger(), Keeper(tmp_path / "notify"), free_port()
    env = dict({"FDSTORE": "16"} if keeps else {}, NOTIFY_SOCKET=boss.path)
    with Sink(script={"END": ledger.arrive}) as sink:
        r = Activated(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nsmtpd_client_connection_count_limit = 0\nhttp_listen = 127.0.0.1:%d\n" % (sink.port, http),
                      env=env)
        boss.restart(r)
        try:
            if not keeps:
                assert boss.kept == []
                return
            assert boss.ports() == sorted([r.port, http])
            load = Load(r.port, ledger)
            for _ in range(4):
                enough = len(ledger.acked) + 20
                wait(lambda: len(ledger.acked) >= enough, 60)
                boss.restart(r)
            load.end()
            assert load.refused == [] and status(get(http, "/healthz")) == 200
            wait(r.empty, 60)
            judge(ledger, 0)
            # what a reload gives up is kept no more
            told, settings = boss.ready, open(r.path("main.cf")).read()
            r.write("main.cf", settings.replace("http_listen", "#http_listen"))
            r.run("relayctl", "reload")
            wait(lambda: boss.ready > told)
            assert boss.ports() == [r.port] and banner(r.port).startswith(b"220")
            with pytest.raises(ConnectionRefusedError):
                get(http, "/healthz")
        finally:
            r.stop()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to give up")
def test_helper_has_none_of_the_sockets(tmp_path_all):
    s = listening()
    port, name = s.getsockname()[1], os.readlink("/proc/self/fd/%d" % s.fileno())

    def has(pid):
        return name in [os.readlink("/proc/%s/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%s/fd" % pid)]
    with Activated(tmp_path_all / "r", "mail_owner = 12525\n", (s,), port=port) as r:
        s.close()
        assert banner(port).startswith(b"220 ")
        pid = r.process.pid
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            helper, = f.read().split()
        assert has(pid) and not has(helper)


@pytest.fixture
def tmp_path_all():
    with open_folder() as path:
        yield path


# --- upgrade ---------------------------------------------------------------------------------------------------------------


class Upgraded(Relay):
    """A relayd in the background, whose place others take."""

    def start(self, *options):
        os.makedirs(self.dir, exist_ok=True)
        os.chmod(self.dir, 0o755)
        done = self.run("relayd", "-d", "-c", self.dir, *options, check=False)
        assert done.returncode == 0, done.stderr.decode() + self.log()
        return self

    def pid(self):
        """Of who serves now."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.path("queue", "control"))
            return int.from_bytes(s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], "little")

    def kill(self, signo=signal.SIGKILL):
        pid = self.pid()
        os.kill(pid, signo)
        wait(lambda: gone(pid))

    def __exit__(self, *_):
        try:
            self.kill(signal.SIGTERM)
        except OSError:
            pass

    def __enter__(self):
        return self.start()


def gone(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(") ", 1)[1][0] == "Z"
    except FileNotFoundError:
        return True


class Load:
    """Clients that come one after the other, each with two messages; what becomes of each connection is counted."""

    def __init__(self, port, ledger, clients=4):
        self.port, self.ledger, self.refused, self.reset, self.stop = port, ledger, [], 0, threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(clients)]
        for t in self.threads:
            t.start()

    def run(self):
        while not self.stop.is_set():
            try:
                s = socket.create_connection(("127.0.0.1", self.port), 60)
            except OSError as e:
                self.refused.append(repr(e))
                continue
            with s:
                f = s.makefile("rwb", buffering=0)
                self.talk(f)

    def ask(self, f, line):
        f.write(line + b"\r\n")
        while (reply := f.readline())[3:4] == b"-":
            pass
        return reply

    def talk(self, f):
        if not f.readline().startswith(b"220"):
            self.refused.append("no greeting")
            return
        try:
            if not self.ask(f, b"EHLO x").startswith(b"250"):
                return
            for _ in range(2):
                with self.ledger.lock:
                    self.ledger.number += 1
                    name = "m%06d" % self.ledger.number
                body = b"x" * 500 + b"\r\n"
                self.ledger.sent[name] = hashlib.sha256(body).hexdigest()
                for line in (b"MAIL FROM:<load@example.com>", b"RCPT TO:<%s@example.org>" % name.encode(), b"DATA"):
                    if self.ask(f, line)[:1] not in b"23":
                        return
                if self.ask(f, b"Subject: x\r\n\r\n" + body + b".").startswith(b"250"):
                    self.ledger.acked[name] = (time.monotonic(), "")
        except OSError:
            # a session that 421 ended while the next command was on its way
            self.reset += 1

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join()


def setting(tmp_path, who, port):
    return Upgraded(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nsmtpd_client_connection_count_limit = 0\n%s" % (
        port, "" if who == "root" else "mail_owner = 12525\n"))


@pytest.mark.parametrize("who", ["user", "root"])
def test_upgrade_under_load_refuses_and_loses_nothing(tmp_path_all, who):
    """user: started by root, which was given up for another, with helper and sandbox."""
    if who == "user" and os.getuid() != 0:
        pytest.skip("needs root to give up")
    ledger = Ledger()
    with Sink(script={"END": ledger.arrive}) as sink, setting(tmp_path_all, who, sink.port) as r:
        new = str(tmp_path_all / "relaybox-new")
        shutil.copy(RELAYBOX, new)
        load, pids = Load(r.port, ledger), [r.pid()]
        for k in range(5):
            enough = len(ledger.acked) + 20
            wait(lambda: len(ledger.acked) >= enough, 60)
            done = r.run("relayctl", "upgrade", *([new] if k % 2 else []))
            assert done.stderr == b"" or b"warning" in done.stderr
            pids.append(r.pid())
            assert gone(pids[-2])
        load.end()
        assert os.readlink("/proc/%d/exe" % pids[-1]) == os.path.realpath(RELAYBOX)
        assert len(set(pids)) == 6 and load.refused == []
        wait(r.empty, 60)
        extra = judge(ledger, 0)
        with open("/proc/%d/status" % pids[-1]) as f:
            text = f.read()
        # the new one is in a sandbox of its own, and is who the old one was
        assert "Seccomp:\t2\n" in text and ("Uid:\t12525\t" in text) == (who == "user")
        print("%d acknowledged, refused 0, lost 0, %d extra copies, %d sessions ended between commands" % (len(ledger.acked), extra, load.reset))
        assert r.log_lines("terminating: another relayd takes over")


def test_upgrade_keeps_the_options_and_what_is_in_the_queue(tmp_path_all):
    r = Upgraded(tmp_path_all / "r", "relayhost = [127.0.0.1]:%d\n" % free_port())
    r.start("-o", "smtpd_banner=of the command line", "-o", "mynetworks=127.0.0.0/8")
    try:
        with smtplib.SMTP("127.0.0.1", r.port, timeout=20) as c:
            c.sendmail("a@example.com", ["b@example.org"], "Subject: x\r\n\r\n")
        r.wait_log("status=deferred")
        r.run("relayctl", "upgrade")
        assert banner(r.port) == b"220 of the command line\r\n" and "b@example.org" in r.mailq()
        assert os.path.exists(r.path("queue", "submit")) and r.run("sendmail", "c@example.org", stdin="Subject: y\n\n").returncode == 0
        assert "c@example.org" in r.mailq()
    finally:
        r.kill(signal.SIGTERM)


def test_relayd_in_the_foreground_is_restarted_by_who_waits_for_it(tmp_path):
    with Relay(tmp_path / "r") as r:
        done = r.run("relayctl", "upgrade", check=False)
        assert done.returncode == 69 and b"in the foreground" in done.stderr, done.stderr
        assert banner(r.port).startswith(b"220 ")


def test_upgrade_to_what_cannot_serve_changes_nothing(tmp_path_all):
    with Upgraded(tmp_path_all / "r") as r:
        pid = r.pid()
        good = open(r.path("main.cf")).read()
        r.write("main.cf", good + "queue_run_delay = soon\n")
        assert r.run("relayctl", "upgrade", check=False).returncode != 0
        # one that fails once it has the sockets: a port of its own is taken
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen(1)
            r.write("main.cf", good + "http_listen = 127.0.0.1:%d\n" % s.getsockname()[1])
            assert r.run("relayctl", "upgrade", check=False).returncode != 0
        r.write("main.cf", good)
        assert r.run("relayctl", "upgrade", "/bin/false", check=False).returncode != 0
        assert r.run("relayctl", "upgrade", "/nonexistent", check=False).returncode != 0
        # nor is 0 of any program an upgrade
        done = r.run("relayctl", "upgrade", "/bin/true", check=False)
        assert done.returncode == 69 and b"/bin/true has taken nothing over" in done.stderr
        assert r.pid() == pid and banner(r.port).startswith(b"220 ") and os.path.exists(r.path("queue", "submit"))


def test_new_one_that_is_killed_before_it_is_ready_costs_nothing(tmp_path_all):
    """By hand: the dialogue up to the sockets, then the end."""
    with Upgraded(tmp_path_all / "r") as r:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(r.path("queue", "control"))
            s.sendall(b"takeover\n")
            text, fds, _, _ = socket.recv_fds(s, 4096, 8)
            while b"+ready" not in text:
                more, got, _, _ = socket.recv_fds(s, 4096, 8)
                text, fds = text + more, fds + got
            assert len(fds) == text.count(b"+socket -\n") == 1
            for fd in fds:
                os.close(fd)
        assert banner(r.port).startswith(b"220 ")


def others(r, pid):
    """Processes of this configuration beside that one."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open("/proc/%s/cmdline" % entry, "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if b"relayd" in words and r.dir.encode() in words and int(entry) != pid and not gone(int(entry)):
            found.append(int(entry))
    return found


@pytest.mark.parametrize("victim", ["old", "new"])
def test_kill_between_the_two_loses_nothing(tmp_path_all, victim):
    go_on = threading.Event()
    with Sink(script={"END": lambda sink, m: go_on.wait(60) and None}) as sink:
        r = Upgraded(tmp_path_all / "r", "relayhost = [127.0.0.1]:%d\nshutdown_timeout = 60s\n" % sink.port).start()
        with smtplib.SMTP("127.0.0.1", r.port, timeout=20) as c:
            for i in range(5):
                c.sendmail("a@example.com", ["u%d@example.org" % i], "Subject: x\r\n\r\n")
        wait(lambda: sink.open)
        old = r.pid()
        # a delivery keeps the old one, and the new one waits for the queue
        upgrade = subprocess.Popen([RELAYBOX, "relayctl", "-c", r.dir, "upgrade"], env=r.env, stderr=subprocess.DEVNULL)
        r.wait_log("terminating: another relayd takes over")
        new = wait(lambda: others(r, old))
        for pid in [old] if victim == "old" else new:
            os.kill(pid, signal.SIGKILL)
        if victim == "new":
            assert upgrade.wait(60) != 0
        go_on.set()
        if victim == "old":
            assert upgrade.wait(60) == 0
        else:
            # the old one had the word already: it ends as it said, and the queue is on disk
            wait(lambda: gone(old), 60)
            r.start()
        try:
            assert banner(r.port).startswith(b"220 ")
            wait(r.empty, 60)
            got = [m.rcpts[0] for m in sink.messages]
            assert set(got) == {"u%d@example.org" % i for i in range(5)}
        finally:
            r.kill(signal.SIGTERM)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to give up")
def test_root_runs_nothing_on_the_word_of_a_relayd_of_another_user(tmp_path_all):
    """A taken-over relayd that names a configuration of its own would be root with the next upgrade (threats F10)."""
    with Upgraded(tmp_path_all / "r", "mail_owner = 12525\n") as r:
        r.kill(signal.SIGTERM)
        evil = tmp_path_all / "evil"
        os.mkdir(evil)
        mark = tmp_path_all / "ran"
        binary = tmp_path_all / "binary"
        binary.write_text("#!/bin/sh\necho $* >%s\n" % mark)
        os.chmod(binary, 0o755)
        for says, word in (("+directory\t%s\n" % evil, "-c %s upgrade" % evil), ("+directory\t%s\n+option\tmail_owner=root\n" % r.dir, "-o mail_owner=root upgrade")):
            false = ("import os, socket\nos.setgid(12525)\nos.setuid(12525)\ns = socket.socket(socket.AF_UNIX)\ns.bind('control')\ns.listen()\nprint(flush=True)\n"
                     "c = s.accept()[0]\nc.recv(99)\nc.sendall(%r)\n" % ("#relaybox-control 1\n" + says + ".\n").encode())
            with subprocess.Popen([sys.executable, "-c", false], cwd=r.path("queue"), stdout=subprocess.PIPE) as p:
                p.stdout.readline()
                done = r.run("relayctl", "upgrade", str(binary), check=False)
            os.unlink(r.path("queue", "control"))
            assert done.returncode == 77 and word.encode() in done.stderr and not mark.exists(), done


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to give up")
def test_root_repeats_the_options_of_a_relayd_of_another_user(tmp_path_all):
    r = Upgraded(tmp_path_all / "r", "mail_owner = 12525\n")
    r.start("-o", "smtpd_banner=of the command line", "-o", "mynetworks=127.0.0.0/8")
    try:
        pid = r.pid()
        assert r.run("relayctl", "upgrade", check=False).returncode == 77
        assert r.run("relayctl", "-o", "mynetworks=127.0.0.0/8", "upgrade", check=False).returncode == 77
        assert r.run("relayctl", "-o", "mynetworks=127.0.0.0/8", "ping", check=False).returncode == 64
        assert r.pid() == pid
        r.run("relayctl", "-o", "smtpd_banner=of the command line", "-o", "mynetworks=127.0.0.0/8", "upgrade")
        assert r.pid() != pid and banner(r.port) == b"220 of the command line\r\n"
    finally:
        r.kill(signal.SIGTERM)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to be refused as another")
def test_takeover_is_for_root_and_the_same_user(tmp_path_all):
    with Upgraded(tmp_path_all / "r", "mail_owner = 12525\n") as r:
        pid = r.pid()
        def as_user(uid, *args):
            done = subprocess.run([RELAYBOX, *args], user=uid, group=uid, extra_groups=[], capture_output=True, timeout=60,
                                  env=dict(r.env, POSTFIX_maillog_file="/dev/stderr", POSTFIX_log_also=""))
            assert done.returncode != 0
            return done.stderr
        # the old one asks who that is, and the new one does
        assert b"not permitted" in as_user(65534, "relayctl", "-c", r.dir, "upgrade")
        assert b"neither root's nor 65534's" in as_user(65534, "relayd", "--takeover", "-c", r.dir)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(r.path("queue", "control"))
            s.sendall(b"started\n")
            assert b"+directory\t" in s.recv(4096)
        # its own user could not deliver for others any more
        assert b"only root may take over" in as_user(12525, "relayd", "--takeover", "-c", r.dir)
        assert r.pid() == pid and banner(r.port).startswith(b"220 ")


def test_supervised_relayd_is_for_its_supervisor_to_replace(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as boss:
        boss.bind(str(tmp_path / "notify"))
        with Relay(tmp_path / "r", env={"NOTIFY_SOCKET": str(tmp_path / "notify")}) as r:
            done = r.run("relayctl", "upgrade", check=False)
            assert done.returncode != 0 and b"supervisor" in done.stderr + r.log().encode()
            assert banner(r.port).startswith(b"220 ")


def test_takeover_without_a_relayd_is_a_start(tmp_path):
    r = Relay(tmp_path / "r").start("--takeover")
    assert r.log_lines("takeover: no relayd runs") and banner(r.port).startswith(b"220 ")
    assert r.stop() == 0


def test_second_relayd_on_a_queue_takes_nothing_from_the_first(tmp_path):
    with Relay(tmp_path / "r") as r:
        done = subprocess.run([RELAYBOX, "relayd", "-c", r.dir, "-o", "smtpd_listen=127.0.0.1:%d" % free_port(),
                               "-o", "maillog_file=/dev/stderr", "-o", "log_also="], env=dict(r.env, POSTFIXMASTER_x="x"), capture_output=True, timeout=60)
        assert done.returncode != 0
        os.unlink(r.path("master.cf"))
        done = subprocess.run([RELAYBOX, "relayd", "-c", r.dir, "-o", "smtpd_listen=127.0.0.1:%d" % free_port(), "-o", "maillog_file=/dev/stderr",
                               "-o", "log_also="], env=r.env, capture_output=True, timeout=60)
        assert done.returncode != 0 and b"queue_directory" in done.stderr
        assert os.path.exists(r.path("queue", "submit")) and os.path.exists(r.path("queue", "control"))
