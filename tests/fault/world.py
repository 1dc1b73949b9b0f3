"""world - a place for one life after the other (life.py), and which calls of it are struck."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from life import SLOW, Mail, Watched, age, live, settle, strike_start, youth  # noqa: E402
from test_power import Disk  # noqa: E402

CALLS = int(os.environ.get("RELAYBOX_CALLS", "32"))
can_trace = [pytest.mark.skipif(os.uname().machine != "x86_64", reason="at_call knows the registers of x86-64"),
             pytest.mark.skipif(SLOW > 1, reason="tracing and the sanitizers do not go together")]
needs_disks = pytest.mark.skipif(os.getuid() != 0 or not os.path.exists("/dev/loop-control"), reason="needs root and loop devices")


class World:
    """A place for one queue after the other: a folder, or a disk whose power can be cut."""

    def __init__(self, at_call, folder, kind=None, more=""):
        self.at_call, self.folder, self.more, self.lives, self.grown = at_call, folder, more, 0, None
        os.makedirs(os.path.join(folder, "place"))
        self.disk = Disk(Path(folder), kind) if kind else None
        self.queue = os.path.join(self.disk.mount if kind else os.path.join(folder, "place"), "queue")
        self.calls = {youth: self.life(youth)[0], age: self.life(age)[0]}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.disk and os.path.ismount(self.disk.mount):
            self.disk.off()

    def lay(self):
        """The queue that youth left, for age to begin with; the ledger of it."""
        shutil.copytree(os.path.join(self.folder, "grown"), self.queue)
        self.settle_disk()
        return Mail(self.grown)

    def settle_disk(self):
        """What was done so far survives the next cut."""
        if self.disk:
            subprocess.run(["sync", "-f", self.disk.mount], check=True)

    def life(self, part, strike=(), at=0, again=0, each=None):
        """A new life, struck at a call, and at call `again` of the start after that. Returns calls, hit; the promise was kept."""
        mail, self.lives = self.lay() if part is age else Mail(), self.lives + 1
        with mail.sink:
            relay = Watched(self.at_call, os.path.join(self.folder, "r%d" % self.lives), os.path.dirname(self.queue), mail.sink.port, self.more)
            try:
                calls, hit = live(relay, mail, part, strike, at, each)
                if not self.grown:
                    shutil.copytree(self.queue, os.path.join(self.folder, "grown"))
                    self.grown = Mail(mail)
                    self.grown.sink.close()
                self.after_cut(hit)
                if hit and again:
                    self.after_cut(strike_start(relay, strike, again))
                settle(relay, mail, 2 if hit else 0)
            except AssertionError as e:
                raise AssertionError("%s at call %d of %s: %s: %s" % (" ".join(strike), at, part.__name__, relay.struck, e)) from e
            finally:
                if relay.process:
                    relay.kill()
        shutil.rmtree(self.queue)
        self.settle_disk()
        shutil.rmtree(relay.dir)
        return calls, hit

    def after_cut(self, hit):
        if hit and self.disk:
            self.disk.off()
            self.disk.on()


def chosen(world):
    """(part, call), evenly spread."""
    rows = [(part, at) for part in (youth, age) for at in range(1, len(world.calls[part]) + 1)]
    return rows if CALLS >= len(rows) else [rows[int(i * len(rows) / CALLS)] for i in range(CALLS)]


def takes_all(world):
    return CALLS >= sum(len(calls) for calls in world.calls.values())
