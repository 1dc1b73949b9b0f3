"""Power cuts: the file system under the queue is shut down without flushing its log, at random moments under load.

What was acknowledged must arrive after the journal was replayed. The controls at the end must fail: with the
flush or the directory flush taken away the same harness must see losses, or it would prove nothing. Needs root and loop devices.
"""
import ctypes
import fcntl
import os
import random
import shutil
import struct
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lab import RELAYBOX, SLOW, Relay, Sink, wait  # noqa: E402
from test_kill import IN_FLIGHT, Ledger, drain, judge, sender  # noqa: E402

CUTS = int(os.environ.get("RELAYBOX_CUTS", "10" if SLOW > 1 else "50"))
SHUTDOWN = 0x8004587D      # FS_IOC_SHUTDOWN of ext4 and XFS
NO_LOG_FLUSH = 2
MAKE = {"ext4": (["mkfs.ext4", "-q", "-F", "-O", "^fast_commit"], 128), "xfs": (["mkfs.xfs", "-q", "-f"], 400)}

pytestmark = pytest.mark.skipif(os.getuid() != 0 or not os.path.exists("/dev/loop-control"), reason="needs root and loop devices")


def own_mounts():
    """A mount namespace of our own: a copy of our mount in somebody else's would keep the file system alive over umount."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x20000) == 0:                            # CLONE_NEWNS
        libc.mount(b"none", b"/", None, 0x4000 | 0x40000, None)   # MS_REC | MS_PRIVATE


if os.getuid() == 0:
    own_mounts()


class Disk:
    """A file system in a file, mounted, that can lose its power."""

    def __init__(self, folder, kind):
        self.kind = kind
        self.image, self.mount = str(folder / "image"), str(folder / "mount")
        os.makedirs(self.mount)
        command, mib = MAKE[kind]
        if not shutil.which(command[0]):
            pytest.skip("no " + command[0])
        with open(self.image, "wb") as f:
            f.truncate(mib << 20)
        subprocess.run(command + [self.image], check=True, stdout=subprocess.DEVNULL)
        self.on()

    def on(self):
        done = subprocess.run(["mount", "-o", "loop", self.image, self.mount], capture_output=True)
        if done.returncode != 0:
            pytest.skip("cannot mount: " + done.stderr.decode())

    def cut(self):
        fd = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def off(self):
        def unmounted():
            "the file system to be let go"
            return subprocess.run(["umount", self.mount], stderr=subprocess.DEVNULL).returncode == 0
        wait(unmounted, 10)


@pytest.fixture
def disk(tmp_path, request):
    d = Disk(tmp_path, request.param)
    yield d
    if os.path.ismount(d.mount):
        d.off()


def relay_on(disk, tmp_path, port, more=""):
    return Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nqueue_directory = %s/queue\nminimal_backoff_time = 1s\n"
                 "maximal_backoff_time = 2s\nsmtpd_client_connection_count_limit = 0\nqueue_big_threshold = 65536\n"
                 "queue_segment_size = 1048576\n%s" % (port, disk.mount, more))


def cut_under_load(disk, relay, ledger, rng, seed):
    disk_on = relay.start()
    stop = threading.Event()
    threads = [threading.Thread(target=sender, args=(disk_on.port, ledger, stop, seed * 4 + n)) for n in range(4)]
    for t in threads:
        t.start()
    time.sleep(rng.uniform(0.01, 0.25) * SLOW)
    began = time.monotonic()
    disk.cut()
    stop.set()
    relay.kill()
    for t in threads:
        t.join()
    # The ioctl takes a while, and until it is done the kernel may answer 0 to a flush whose journal it is throwing away. A
    # power cut takes no time and takes the 250 along: what was acknowledged from here on was never promised to anybody.
    for name in [n for n, (when, _) in ledger.acked.items() if when >= began]:
        ledger.late[name] = ledger.acked.pop(name)
    disk.off()
    disk.on()


@pytest.mark.parametrize("disk", ["ext4", "xfs"], indirect=True)
def test_power_cuts_lose_nothing(disk, tmp_path):
    rng, ledger = random.Random(99), Ledger()
    with Sink(script={"END": ledger.arrive}) as sink:
        relay = relay_on(disk, tmp_path, sink.port)
        for k in range(CUTS):
            cut_under_load(disk, relay, ledger, rng, k)
            # the load is faster than this sink: what waits must not fill the disk
            if k % 50 == 49 or k == CUTS - 1:
                with relay:
                    drain(relay, ledger)
    assert len(ledger.acked) > CUTS, "the load was no load: %d" % len(ledger.acked)
    extra = judge(ledger, CUTS * IN_FLIGHT)
    print("%d cuts on %s: %d acknowledged before, lost 0, altered 0, %d while the power went, %d extra copies" % (
        CUTS, disk.kind, len(ledger.acked), len(ledger.late), extra))


def lying(relay, calls):
    """relayd under strace, with these calls answered 0 and not done: a disk, or a build, that does not flush."""
    class Liar(Relay):
        pass
    start = Relay.start

    def start_lying(self, *options):
        real = subprocess.Popen

        def popen(argv, **kw):
            return real(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + calls, "-e", "inject=%s:retval=0" % calls] + argv, **kw)
        subprocess.Popen = popen
        try:
            return start(self, *options)
        finally:
            subprocess.Popen = real
    relay.start = start_lying.__get__(relay)
    kill = relay.kill

    def kill_all():
        for pid in subprocess.run(["pgrep", "-P", str(relay.process.pid)], capture_output=True, text=True).stdout.split():
            os.kill(int(pid), 9)
        kill()
    relay.kill = kill_all
    return relay


def without_flush(relay, what):
    """The relay with its flushes taken away: by its own option, by strace that answers for the kernel, by a library before libc."""
    if what == "strace":
        return lying(relay, "fsync,fdatasync")
    if what == "eatmydata":
        relay.env = dict(relay.env, LD_PRELOAD="libeatmydata.so", ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")
    return relay


# strace and the sanitizers do not go together, and before a static program no library is loaded
@pytest.mark.parametrize("what", ["nothing"] + (["eatmydata"] if SLOW > 1 else ["option", "strace"]))
@pytest.mark.parametrize("disk", ["ext4", "xfs"], indirect=True)
def test_control_without_the_flush_mail_is_lost(disk, tmp_path, what):
    rng, ledger = random.Random(7), Ledger()
    lost = []
    # the sink refuses for now, so that all that was acknowledged must still be in the queue at each cut
    with Sink(script={"MAIL": lambda sink, arg: "450 4.3.0 later" if sink.refuse else None}) as sink:
        sink.refuse = True
        relay = without_flush(relay_on(disk, tmp_path, sink.port, "queue_sync = no\n" if what == "option" else ""), what)
        for k in range(5):
            cut_under_load(disk, relay, ledger, rng, k)
            left = relay.run("relayctl", "queue", "--json", check=what == "nothing").stdout.decode()
            lost = [n for n in ledger.acked if n + "@" not in left]
            if lost:
                break
    print("control: without %s on %s %d of %d acknowledged messages are lost after %d cuts" % (
        "anything done to it" if what == "nothing" else "a flush (%s)" % what, disk.kind, len(lost), len(ledger.acked), k + 1))
    assert ledger.acked and bool(lost) == (what != "nothing"), "the harness is blind, or sees what is not there"
