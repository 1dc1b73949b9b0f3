"""A mailbox whose disk loses its power: what relayd logged as delivered is in new/, whole, and nothing half is there.

The queue stands on another file system, so no flush of it takes the mailbox along, and the message is gone from the queue once it is
delivered. The controls take a flush away and must lose mail. Needs root and loop devices.
"""
import hashlib
import os
import re
import subprocess
import sys
import threading

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_power import Disk, disk  # noqa: E402,F401
from world import can_trace, needs_disks  # noqa: E402
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lab import RELAYBOX, SLOW, Relay  # noqa: E402

CUTS = int(os.environ.get("RELAYBOX_CUTS", "3" if SLOW > 1 else "8"))
SIZE = 30000
both = pytest.mark.parametrize("disk", ["ext4", "xfs"], indirect=True)
pytestmark = needs_disks


class Mailbox(Relay):
    """A relayd that delivers into Maildirs on a disk; `lie`: under at_call, with these calls answered and not made."""

    def __init__(self, folder, disk, at_call=None, lie=None):
        self.place, self.under = disk.mount, [at_call, "-n", "0", "-l", lie, disk.mount, "/dev/null"] if lie else []
        self.bodies = {}
        super().__init__(folder, "mydestination = here.test\nmail_spool_directory = %s/mail/\nsmtpd_client_connection_count_limit = 0\n"
                         % disk.mount)

    def spawn(self, *options):
        self.process = subprocess.Popen([*self.under, RELAYBOX, "relayd", "-c", self.dir, *options], env=self.env, stdin=subprocess.DEVNULL,
                                        stderr=open(self.path("stderr"), "ab"))

    def send(self, name):
        self.bodies[name] = b"".join(b"%s %d\n" % (name.encode(), i) for i in range(SIZE // 20))
        self.run("sendmail", "-f", "a@example.com", "root@here.test", 
                 stdin=b"Message-ID: <%s@test>\n\n" % name.encode() + self.bodies[name], check=False)

    def delivered(self):
        """Queue ids of what is in the mailbox, by relayd's word."""
        return {m.group(1) for m in re.finditer(r"postfix/local\[\d+\]: (\w+): .*status=sent \(delivered to maildir\)", self.log())}

    def names(self):
        """The name of each message, by its queue id: the Message-ID has it."""
        return {m.group(1): m.group(2) for m in re.finditer(r"postfix/cleanup\[\d+\]: (\w+): message-id=<(\w+)@test>", self.log())}


def found(place):
    """What is in new/: the message's name, the sum of its body."""
    folder, rows = os.path.join(place, "mail", "root", "new"), []
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, name), "rb") as f:
            head, _, body = f.read().partition(b"\n\n")
        name = re.search(rb"^Message-ID: <(\w+)@test>", head, re.M)
        rows.append((name.group(1).decode() if name else None, hashlib.sha256(body).hexdigest()))
    return rows


def cut(disk, relay):
    """The power goes; what was logged as delivered before that moment."""
    known = relay.delivered()
    disk.cut()
    relay.kill()
    disk.off()
    disk.on()
    return known


def lost(relay, known, rows):
    """Names of what relayd said it had delivered and is not there; what is there must be whole."""
    names, sums = relay.names(), {n: hashlib.sha256(b).hexdigest() for n, b in relay.bodies.items()}
    altered = [(name, total) for name, total in rows if sums.get(name) != total]
    assert not altered, "not whole in new/: %s" % altered
    there = {name for name, _ in rows}
    return [names[qid] for qid in known if names[qid] not in there]


@both
def test_what_was_delivered_survives_a_power_cut(disk, tmp_path):
    """The first message makes the Maildir; the power goes as soon as the last is delivered, or while more are on their way."""
    relay = Mailbox(tmp_path / "r", disk)
    for k in range(CUTS):
        with relay:
            relay.send("first%d" % k)
            relay.wait_log("%s: to=.*status=sent" % next(q for q, n in relay.names().items() if n == "first%d" % k))
            more = threading.Thread(target=relay.send, args=("more%d" % k,))
            if k % 2:
                more.start()
            known = cut(disk, relay)
            if k % 2:
                more.join()
        rows = found(relay.place)
        assert not lost(relay, known, rows)
        assert "first%d" % k in dict(rows)


# strace and ptrace do not go together with the sanitizers
@pytest.mark.parametrize("lie", ["fsyncdir", "fsync"])
@pytest.mark.parametrize("disk", ["ext4", "xfs"], indirect=True)
@can_trace[0]
@can_trace[1]
def test_control_without_a_flush_delivered_mail_is_lost(disk, tmp_path, at_call, lie):
    relay = Mailbox(tmp_path / "r", disk, at_call, lie)
    with relay:
        relay.send("gone")
        relay.wait_log("status=sent")
        known = cut(disk, relay)
    try:
        assert lost(relay, known, found(relay.place)) == ["gone"]
    except AssertionError as e:
        assert "not whole" in str(e), e
