"""Queues on small volumes: 8 MiB is a working relay for small mail, an empty queue always takes some, and space that comes back is
used within five seconds, without a restart. Real file systems; mounting needs root."""
import ctypes
import os
import random
import shutil
import smtplib
import subprocess
import time

import pytest
from lab import SLOW, Relay, Sink, wait

pytestmark = pytest.mark.long
VOLUMES = [("ext4", 8), ("ext4", 16), ("ext4", 32), ("ext4", 70), ("tmpfs", 8), ("tmpfs", 16), ("tmpfs", 32), ("tmpfs", 70)]


def own_mounts():
    """A mount namespace of our own: a copy of our mount in somebody else's would keep the file system alive over umount."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x20000) == 0:                            # CLONE_NEWNS
        libc.mount(b"none", b"/", None, 0x4000 | 0x40000, None)   # MS_REC | MS_PRIVATE


if os.getuid() == 0:
    own_mounts()


class Volume:
    def __init__(self, folder, kind, mib):
        self.kind, self.mib, self.path = kind, mib, str(folder / "volume")
        os.makedirs(self.path)
        if kind == "tmpfs":
            command = ["mount", "-t", "tmpfs", "-o", "size=%dm" % mib, "none", self.path]
        else:
            if not shutil.which("mkfs.ext4"):
                pytest.skip("no mkfs.ext4")
            image = str(folder / "image")
            with open(image, "wb") as f:
                f.truncate(mib << 20)
            subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True, stdout=subprocess.DEVNULL)
            command = ["mount", "-o", "loop", image, self.path]
        done = subprocess.run(command, capture_output=True)
        if done.returncode != 0:
            pytest.skip("cannot mount: " + done.stderr.decode())

    def free(self):
        s = os.statvfs(self.path)
        return s.f_bavail * s.f_frsize

    def fill(self, leave=0):
        """What others put there: all but `leave` bytes."""
        with open(os.path.join(self.path, "ballast"), "wb", buffering=0) as f:
            try:
                while True:
                    f.write(b"\0" * 65536)
            except OSError:
                pass
            f.truncate(max(0, f.tell() - leave))

    def clear(self):
        os.unlink(os.path.join(self.path, "ballast"))

    def off(self):
        subprocess.run(["umount", self.path], check=True)


@pytest.fixture
def volume(tmp_path, request):
    if os.getuid() != 0:
        pytest.skip("mounting needs root")
    v = Volume(tmp_path, *request.param)
    yield v
    v.off()


every_volume = pytest.mark.parametrize("volume", VOLUMES, indirect=True, ids=["%s %d MiB" % v for v in VOLUMES])


class Town:
    """A relay whose queue is on the volume, and a next hop that can be told to wait."""

    def __init__(self, volume, folder, more=""):
        self.volume, self.willing, self.acked = volume, True, []
        self.sink = Sink(script={"MAIL": lambda sink, argument: None if self.willing else "450 4.3.0 later"})
        self.relay = Relay(folder / "relay", "relayhost = [127.0.0.1]:%d\nmydestination =\nsmtpd_client_connection_count_limit = 0\n"
                           "minimal_backoff_time = 1s\nmaximal_backoff_time = 2s\nqueue_run_delay = 1s\nqueue_directory = %s/queue\n%s" % (self.sink.port, volume.path, more))

    def __enter__(self):
        self.relay.start()
        return self

    def __exit__(self, *_):
        self.relay.stop()
        self.sink.close()

    def send(self, size=2000, count=1):
        """The replies' codes, up to the first that is no 250; what was taken is in the ledger."""
        codes = []
        with smtplib.SMTP("127.0.0.1", self.relay.port, timeout=30) as c:
            while len(codes) < count and set(codes) <= {250}:
                name = "m%d" % random.randrange(1 << 40)
                codes.append(self.one(c, name, size))
                if codes[-1] == 250:
                    self.acked.append(name)
        return codes

    @staticmethod
    def one(c, name, size):
        c.ehlo_or_helo_if_needed()
        for code, _ in (c.mail("a@example.com"), c.rcpt(name + "@example.org")):
            if code != 250:
                c.rset()
                return code
        return c.data(b"Subject: x\r\n\r\n" + (b"%070d\r\n" % size) * (size // 72))[0]

    def drain(self):
        def drained():
            self.relay.run("relayctl", "flush")
            return self.relay.empty()
        self.willing = True
        wait(drained, 40, 0.2)

    def all_arrived(self):
        got = [r.split("@")[0] for m in self.sink.messages for r in m.rcpts]
        assert set(got) >= set(self.acked), "lost: %s" % sorted(set(self.acked) - set(got))[:5]
        return got


@every_volume
def test_small_mail_goes_through_as_often_as_one_likes(volume, tmp_path):
    """Far more than the volume holds, with an empty queue again and again: what left makes room within 5 s."""
    with Town(volume, tmp_path) as town:
        sent, size = 0, 20000 if volume.mib == 8 else 60000
        while sent < 3 * min(volume.mib, 16) << 20:
            codes = town.send(size, 20)
            assert codes[:-1] == [250] * (len(codes) - 1) and codes[-1] in (250, 452), codes
            sent += len(codes) * size
            wait(town.relay.empty)
            if codes[-1] == 452:
                wait(lambda: town.send(size, 1) == [250], 5, 0.2)
        assert sorted(town.all_arrived()) == sorted(town.acked)


@every_volume
def test_a_volume_too_small_for_the_largest_message_is_told_at_the_start(volume, tmp_path):
    with Town(volume, tmp_path) as town:
        lines = town.relay.log_lines("warning: .*message_size_limit")
        assert len(lines) == (1 if volume.mib < 30 or (volume.mib, volume.kind) == (32, "ext4") else 0), lines
    if not lines:
        return
    # the value that it names is right
    limit = int(lines[0].split("set message_size_limit = ")[1].split(" ")[0])
    town.relay.write("main.cf", open(town.relay.path("main.cf")).read() + "message_size_limit = %d\n" % limit)
    town.relay.start()
    assert len(town.relay.log_lines("warning: .*message_size_limit")) == 1
    town.relay.stop()


@every_volume
def test_full_of_queued_mail_it_refuses_and_serves_again(volume, tmp_path):
    with Town(volume, tmp_path) as town:
        town.willing = False
        for _ in range(200):
            codes = town.send(200000 if volume.mib > 16 else 20000, 20)
            if codes[0] != 250:
                break
        assert codes == [452], codes
        assert len(town.acked) * (200000 if volume.mib > 16 else 20000) > volume.mib << 18, "it was full after %d" % len(town.acked)
        town.drain()
        wait(lambda: town.send() == [250], 5)
        wait(town.relay.empty)
        assert sorted(town.all_arrived()) == sorted(town.acked)


@every_volume
def test_space_that_others_took_and_gave_back_is_used_within_five_seconds(volume, tmp_path):
    with Town(volume, tmp_path) as town:
        for leave in (0, 100 << 10, 0):
            assert town.send() == [250]
            town.willing = False
            assert town.send() == [250]
            volume.fill(leave)
            assert town.send() == [452]
            volume.clear()
            wait(lambda: town.send() == [250], 5)
            town.drain()
        town.all_arrived()


@every_volume
def test_a_large_message_costs_only_itself(volume, tmp_path):
    """One that does not fit is refused, gives back what it took, and small mail goes on."""
    with Town(volume, tmp_path, "message_size_limit = 200000000\n") as town:
        assert town.send() == [250]
        assert town.send((volume.mib + 1) << 20)[0] == 452
        assert town.send(2000, 3) == [250] * 3
        wait(town.relay.empty)
        wait(lambda: not os.listdir(os.path.join(volume.path, "queue", "big")))
        assert sorted(town.all_arrived()) == sorted(town.acked)


@pytest.mark.parametrize("volume", [("tmpfs", 70), ("ext4", 70)], indirect=True, ids=["tmpfs", "ext4"])
def test_queue_minfree_is_kept_beside_the_largest_message(volume, tmp_path):
    """As in Postfix: both must be free."""
    with Town(volume, tmp_path, "message_size_limit = 4000000\nqueue_minfree = 20000000\n") as town:
        assert town.send() == [250]
        volume.fill(15000000)
        assert town.send() == [452]
        volume.clear()
        volume.fill(24000000)
        wait(lambda: town.send() == [250], 5)
    with Town(volume, tmp_path / "two", "message_size_limit = 4000000\nqueue_minfree = 1000\n") as town:
        volume.clear()
        volume.fill(4000000)
        assert town.send() == [452]
        volume.clear()
        volume.fill(10000000)
        wait(lambda: town.send() == [250], 5)
        volume.clear()


@pytest.mark.parametrize("volume", [("ext4", 8)], indirect=True, ids=["ext4 8 MiB"])
def test_a_day_of_rotation_restart_and_refill(volume, tmp_path):
    rng = random.Random(8)
    town = Town(volume, tmp_path)
    with town:
        end = time.monotonic() + (20 if SLOW == 1 else 40)
        while time.monotonic() < end:
            what = rng.randrange(6)
            if what < 2:
                town.send(rng.choice((500, 5000, 60000, 300000)), rng.randrange(1, 30))
            elif what == 2:
                town.willing = not town.willing
            elif what == 3:
                volume.fill(rng.randrange(0, 200000))
                assert set(town.send(1000, 3)) <= {250, 452}
                time.sleep(0.3)
                volume.clear()
            elif what == 4:
                town.relay.kill() if rng.randrange(2) else town.relay.stop()
                town.relay.start()
            else:
                town.drain()
                wait(lambda: town.send() == [250], 5)
        town.drain()
        wait(lambda: town.send() == [250], 5)
        wait(town.relay.empty)
        got = town.all_arrived()
        assert len(town.acked) > 100
        assert not os.listdir(os.path.join(volume.path, "queue", "big"))
        assert not [n for n in os.listdir(os.path.join(volume.path, "queue", "corrupt")) if not n.endswith(".torn")]
        assert not town.relay.log_lines("lost its end|damaged")
        # a kill may repeat what was under way, nothing else does
        assert len(got) - len(set(got)) < len(got) / 4
