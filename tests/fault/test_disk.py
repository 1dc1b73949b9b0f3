"""Disks that fill up, break or become read-only: never a 250 that is not kept, and service again when space is.

The file systems are real (ext4 in a file); single calls are failed by strace. Needs root and loop devices.
"""
import os
import signal
import smtplib
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lab import RELAYBOX, SLOW, Relay, Sink, wait  # noqa: E402
from test_power import Disk, relay_on  # noqa: E402,F401

pytestmark = pytest.mark.skipif(os.getuid() != 0 or not os.path.exists("/dev/loop-control"), reason="needs root and loop devices")


@pytest.fixture
def disk(tmp_path):
    d = Disk(tmp_path, "ext4")
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


def test_full_disk_refuses_with_452_and_comes_back(disk, tmp_path):
    with Sink(script={"MAIL": lambda s, a: "450 4.3.0 later" if s.refuse else None}) as sink:
        sink.refuse = True
        relay = relay_on(disk, tmp_path, sink.port)
        with relay:
            assert send(relay.port, "before@example.org")[0] == 250
            ballast = os.path.join(disk.mount, "ballast")
            fill(ballast, 64 << 10)
            acked, refused = [], []
            for i in range(300):
                code, text = send(relay.port, "m%d@example.org" % i, 20000)
                (acked if code == 250 else refused).append("m%d@example.org" % i)
                assert code in (250, 451, 452), (code, text)
                if len(refused) == 5:
                    break
            assert refused, "the disk was never full"
            assert code == 452 and "4.3.1" in text, (code, text)
            before = cpu_seconds(relay.process.pid)
            time.sleep(1)
            assert cpu_seconds(relay.process.pid) - before < 0.5, "busy while the disk is full"
            os.unlink(ballast)
            wait(lambda: send(relay.port, "after@example.org")[0] == 250, 5)
            sink.refuse = False
            relay.run("relayctl", "flush")
            wait(relay.empty, 30)
        got = sorted(r for m in sink.messages for r in m.rcpts)
        assert set(got) == set(acked + ["before@example.org", "after@example.org"])


def test_read_only_remount_never_acknowledges_and_keeps_what_was(disk, tmp_path):
    with Sink(script={"MAIL": lambda s, a: "450 4.3.0 later" if s.refuse else None}) as sink:
        sink.refuse = True
        relay = relay_on(disk, tmp_path, sink.port)
        relay.start()
        for i in range(5):
            assert send(relay.port, "m%d@example.org" % i)[0] == 250
        # what ext4 does to itself after an error: writers are cut off, whatever they hold open
        subprocess.run(["mount", "-o", "remount,abort", disk.mount], stderr=subprocess.DEVNULL)
        with pytest.raises(OSError):
            open(os.path.join(disk.mount, "x"), "w").close()
        for i in range(5):
            code, text = send(relay.port, "no%d@example.org" % i)
            assert code in (451, 452), (code, text)
        relay.kill()
        disk.off()
        disk.on()
        sink.refuse = False
        with relay:
            relay.run("relayctl", "flush")
            wait(relay.empty, 30)
        assert sorted({r for m in sink.messages for r in m.rcpts}) == ["m%d@example.org" % i for i in range(5)]


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
        os.kill(pid, signal.SIGKILL)
        relay.process.wait()
        sink.refuse = False
        with relay.start():
            relay.run("relayctl", "flush")
            wait(relay.empty, 30)
        got = {r for m in sink.messages for r in m.rcpts}
        assert got >= set(acked), (got, acked)


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
