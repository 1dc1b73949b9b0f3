"""Disks that fill up, break or become read-only: never a 250 that is not kept, and service again when space is.

The file systems are real (ext4 in a file); single calls are failed by strace. Needs root and loop devices.
"""
import contextlib
import os
import signal
import smtplib
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lab import RELAYBOX, SLOW, Relay, Sink, wait  # noqa: E402
from test_kill import IN_FLIGHT, Ledger, sender  # noqa: E402
from test_power import Disk, relay_on  # noqa: E402,F401

pytestmark = pytest.mark.skipif(os.getuid() != 0 or not os.path.exists("/dev/loop-control"), reason="needs root and loop devices")


@pytest.fixture(params=["ext4", "xfs"])
def disk(tmp_path, request):
    d = Disk(tmp_path, request.param)
    yield d
    if os.path.ismount(d.mount):
        d.off()


def send(port, rcpt, size=2000):
    """The reply to one message, whichever command got it."""
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as c:
        c.ehlo("load.test")
        for code, text in (c.mail("a@example.com"), c.rcpt(rcpt)):
            if code != 250:
                return code, text.decode()
        code, text = c.data(b"Subject: x\r\n\r\n" + b"x" * 70 * (size // 70) + b"\r\n")
        return code, text.decode()


def fill(path, leave):
    """A file that takes all the room there is but `leave` bytes."""
    with open(path, "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"\0" * 65536)
        except OSError:
            pass
        os.fsync(f.fileno())
        f.truncate(f.tell() - leave)


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Reluctant(Sink):
    """A sink that says later until `refuse` is no more."""

    def __init__(self):
        super().__init__(script={"MAIL": lambda sink, argument: "450 4.3.0 later" if sink.refuse else None})
        self.refuse = True

    def names(self):
        return sorted(r.split("@")[0] for m in self.messages for r in m.rcpts)


def fill_up(disk, relay, sizes):
    """Take all the room there is, then send until that is refused, larger messages first; the names of those that were taken."""
    ballast = os.path.join(disk.mount, "ballast")
    fill(ballast, 64 << 10)
    acked = []
    for size in sizes:
        refused = 0
        for i in range(300):
            code, text = send(relay.port, "s%d-%d@example.org" % (size, i), size)
            assert code in (250, 451, 452), (code, text)
            refused += code != 250
            if code == 250:
                acked.append("s%d-%d" % (size, i))
            if refused == 5:
                break
        assert refused, "the disk was never full"
        assert code == 452 and "4.3.1" in text, (code, text)
    # and what the refused ones gave back
    with open(ballast, "ab", buffering=0) as f, contextlib.suppress(OSError):
        while f.write(b"\0" * 4096):
            pass
    return ballast, acked


def test_full_disk_refuses_with_452_and_comes_back(disk, tmp_path):
    with Reluctant() as sink, relay_on(disk, tmp_path, sink.port, "message_size_limit = 0\n").start() as relay:
        assert send(relay.port, "before@example.org")[0] == 250
        ballast, acked = fill_up(disk, relay, [20000])
        before = cpu_seconds(relay.process.pid)
        time.sleep(1)
        assert cpu_seconds(relay.process.pid) - before < 0.5, "busy while the disk is full"
        os.unlink(ballast)
        wait(lambda: send(relay.port, "after@example.org")[0] == 250, 5)
        sink.refuse = False
        relay.run("relayctl", "flush")
        wait(relay.empty, 30)
        assert set(sink.names()) == set(acked + ["before", "after"])


def test_room_is_kept_for_the_results(disk, tmp_path):
    """Room for one and a half times the largest message is kept, whether the client tells a size or not."""
    with Reluctant() as sink, relay_on(disk, tmp_path, sink.port, "message_size_limit = 4194304\n").start() as relay:
        ballast = os.path.join(disk.mount, "ballast")
        fill(ballast, 4 << 20)
        code, text = send(relay.port, "no@example.org")
        assert code == 452 and "4.3.1" in text, (code, text)
        os.truncate(ballast, os.path.getsize(ballast) - (24 << 20))
        wait(lambda: send(relay.port, "after@example.org")[0] == 250, 5)


def test_full_disk_and_a_kill_repeat_only_what_was_in_flight(disk, tmp_path):
    """What cannot be recorded is not done: the next start would do it again."""
    with Reluctant() as sink:
        relay = relay_on(disk, tmp_path, sink.port, "message_size_limit = 0\n")
        with relay:
            acked = ["m%d" % i for i in range(150)]
            for name in acked:
                assert send(relay.port, name + "@example.org")[0] == 250
            ballast, more = fill_up(disk, relay, [20000, 2000, 100])
            sink.refuse = False
            relay.run("relayctl", "flush")
            time.sleep(3)
            relay.kill()
            os.unlink(ballast)
            relay.start()
            relay.run("relayctl", "flush")
            wait(relay.empty, 30)
        names = sink.names()
        assert set(names) == set(acked + more)
        # those of the last batch that could be written, and those that were under way when the next could not
        assert len(names) - len(set(names)) <= 2 * IN_FLIGHT, "%d of %d once more" % (len(names) - len(set(names)), len(set(names)))


@pytest.mark.parametrize("disk", ["xfs"], indirect=True)    # ext4 has inodes to spare
def test_start_without_any_room_serves_and_has_its_sockets_once_there_is(disk, tmp_path):
    with Reluctant() as sink:
        relay = relay_on(disk, tmp_path, sink.port, "message_size_limit = 0\n")
        with relay:
            for i in range(20):
                assert send(relay.port, "m%d@example.org" % i)[0] == 250
            ballast, more = fill_up(disk, relay, [20000, 2000, 100])
            relay.kill()
            for name in "control", "submit":
                os.unlink(relay.path(disk.mount, "queue", name))
            with contextlib.suppress(OSError):                  # inodes that are left over
                for i in range(50000):
                    os.mkdir(os.path.join(disk.mount, "crumb%d" % i))
            relay.spawn()
            relay.wait_log("must wait until there is room")
            assert send(relay.port, "refused@example.org")[0] in (451, 452)
            os.unlink(ballast)
            wait(lambda: os.path.exists(os.path.join(disk.mount, "queue", "submit")), 5)
            sink.refuse = False
            relay.run("relayctl", "flush")
            wait(relay.empty, 30)
            relay.wait_log("there is room again")
        assert set(sink.names()) == {"m%d" % i for i in range(20)} | set(more)


def test_read_only_remount_under_load_never_acknowledges_and_keeps_what_was(tmp_path):
    disk, ledger, stop = Disk(tmp_path, "ext4"), Ledger(), threading.Event()
    with Reluctant() as sink:
        relay = relay_on(disk, tmp_path, sink.port)
        relay.start()
        threads = [threading.Thread(target=sender, args=(relay.port, ledger, stop, n)) for n in range(4)]
        for t in threads:
            t.start()
        wait(lambda: len(ledger.acked) > 20)
        # what ext4 does to itself after an error: writers are cut off, whatever they hold open. It takes a while, in which the kernel
        # may answer 0 to a flush whose journal it is throwing away
        began = time.monotonic()
        subprocess.run(["mount", "-o", "remount,abort", disk.mount], stderr=subprocess.DEVNULL)
        ended = time.monotonic()
        with pytest.raises(OSError):
            open(os.path.join(disk.mount, "x"), "w").close()
        for i in range(5):
            code, text = send(relay.port, "no%d@example.org" % i)
            assert code in (451, 452), (code, text)
        before = cpu_seconds(relay.process.pid)
        stop.set()
        for t in threads:
            t.join()
        time.sleep(0.5)
        assert cpu_seconds(relay.process.pid) - before < 0.5, "busy while the disk is read-only"
        relay.kill()
        disk.off()
        disk.on()
        sink.refuse = False
        with relay:
            relay.run("relayctl", "flush")
            wait(relay.empty, 30)
        got = set(sink.names())
        lost = [n for n, (when, _) in ledger.acked.items() if when < began and n not in got]
        assert not lost, "lost: %s" % lost[:5]
        # a reply may have been on its way
        assert not [n for n, (when, _) in ledger.acked.items() if when > ended + 0.5 * SLOW], "acknowledged on a dead disk"
        assert not any(n.startswith("no") for n in got)
        disk.off()


def traced(relay, expression):
    """Start relayd under strace with one kind of call failing; returns the pid of relayd itself."""
    relay.process = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + expression.split(":")[0],
                                      "-e", "inject=" + expression, RELAYBOX, "relayd", "-c", relay.dir],
                                     env=relay.env, stderr=open(relay.path("stderr"), "ab"))

    def answers():
        "relayd to answer"
        return subprocess.run([RELAYBOX, "relayctl", "-c", relay.dir, "ping"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0
    wait(answers)
    return int(subprocess.run(["pgrep", "-P", str(relay.process.pid)], capture_output=True, text=True).stdout.split()[0])


def killed_and_delivered(relay, pid, sink):
    """Whom the sink has after a kill and another start, with a healthy disk, that empties the queue."""
    os.kill(pid, signal.SIGKILL)
    relay.process.wait()
    sink.refuse = False
    with relay.start():
        relay.run("relayctl", "flush")
        wait(relay.empty, 30)
    return [r for m in sink.messages for r in m.rcpts]


@pytest.mark.skipif(SLOW > 1, reason="strace and the sanitizers do not go together")
@pytest.mark.parametrize("call", ["fdatasync:error=EIO:when=3+", "fdatasync:error=ENOSPC:when=3+", "pwritev:error=ENOSPC:when=3+",
                                  "pwritev:error=EDQUOT:when=3+", "pwritev:error=EIO:when=3+"])
def test_failing_calls_are_never_acknowledged(tmp_path, call):
    with Sink(script={"MAIL": lambda s, a: "450 4.3.0 later" if s.refuse else None}) as sink:
        sink.refuse = True
        relay = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\n" % sink.port)
        pid = traced(relay, call)
        codes = [send(relay.port, "m%d@example.org" % i)[0] for i in range(8)]
        acked = ["m%d@example.org" % i for i, code in enumerate(codes) if code == 250]
        assert acked and len(acked) < 8 and set(codes) <= {250, 451, 452}, codes
        assert codes[-1] in (451, 452), codes
        before = cpu_seconds(pid)
        time.sleep(0.5)
        assert cpu_seconds(pid) - before < 0.4, "busy while the disk is broken"
        got = set(killed_and_delivered(relay, pid, sink))
        assert got >= set(acked), (got, acked)


@pytest.mark.skipif(SLOW > 1, reason="strace and the sanitizers do not go together")
@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT"])
def test_flush_without_room_refuses_with_452_and_comes_back(tmp_path, error):
    """As on a thin volume or a file server: the write is taken, and only its flush finds no room."""
    with Sink(script={"MAIL": lambda s, a: "450 4.3.0 later" if s.refuse else None}) as sink:
        sink.refuse = True
        relay = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\n" % sink.port)
        pid = traced(relay, "fdatasync:error=%s:when=5..12" % error)
        acked, refused, began = [], [], 0
        for i in range(60):
            code, text = send(relay.port, "m%d@example.org" % i)
            assert code in (250, 452), (code, text)
            (acked if code == 250 else refused).append("m%d@example.org" % i)
            if code == 452:
                began = began or time.monotonic()
                time.sleep(0.1)
            elif began:
                assert time.monotonic() - began < 5
                break
        assert refused and acked[-1] == "m%d@example.org" % i, (acked, refused)
        got = sorted(killed_and_delivered(relay, pid, sink))
        assert got == sorted(acked), (got, acked, refused)


@pytest.mark.skipif(SLOW > 1, reason="strace and the sanitizers do not go together")
def test_out_of_descriptors_does_not_spin(tmp_path):
    relay = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:1\n")
    pid = traced(relay, "accept4:error=EMFILE:when=2+")
    before = cpu_seconds(pid)
    held = []
    for _ in range(5):
        import socket
        held.append(socket.create_connection(("127.0.0.1", relay.port)))
    time.sleep(1)
    assert cpu_seconds(pid) - before < 0.5
    for s in held:
        s.close()
    os.kill(pid, signal.SIGKILL)
    relay.process.wait()
    relay.process = None
