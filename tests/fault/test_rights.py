"""What root has when relayd starts must be gone when it serves: the user, the group, and the groups beside it (threats F9)."""
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lab import RELAYBOX, SLOW, Relay  # noqa: E402

ROOTS = [0, 4, 6, 24]
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def rights(pid):
    """(user ids, group ids, groups) of every thread of a process."""
    found = set()
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, task)) as f:
            rows = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        found.add(tuple(tuple(int(n) for n in rows[name].split()) for name in ("Uid", "Gid", "Groups")))
    return found


class Rooted(Relay):
    """A relayd that root starts with groups of his own, and that becomes nobody."""

    def __init__(self, folder, more="", under=()):
        self.under = list(under)
        super().__init__(folder, "mail_owner = nobody\n" + more)

    def spawn(self, *options):
        self.process = subprocess.Popen([*self.under, RELAYBOX, "relayd", "-c", self.dir, *options], env=self.env, stdin=subprocess.DEVNULL,
                                        stderr=open(self.path("stderr"), "ab"), preexec_fn=lambda: os.setgroups(ROOTS))

    def stop(self, *_):
        """strace takes no notice of a signal to itself: it goes to what it watches."""
        for pid in self.watched():
            os.kill(pid, signal.SIGTERM)
        return super().stop()

    def watched(self):
        if not self.under or not self.process:
            return []
        children = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout.split()
        return [int(pid) for pid in children]


@pytest.fixture
def open_folder():
    """A folder that everybody may pass through."""
    folder = tempfile.mkdtemp(prefix="relaybox-rights-")
    os.chmod(folder, 0o755)
    yield folder
    shutil.rmtree(folder)


def test_nothing_of_root_is_left(open_folder):
    nobody = pwd.getpwnam("nobody")
    with Rooted(os.path.join(open_folder, "r"), "relayhost = [127.0.0.1]:1\n") as relay:
        assert rights(relay.process.pid) == {((nobody.pw_uid,) * 4, (nobody.pw_gid,) * 4, ())}


def calls_of(report):
    """(process, call, its first argument) of what strace wrote, as far as the call was done."""
    rows = []
    with open(report) as f:
        for line in f:
            pid, _, call = line.partition(" ")
            name, _, rest = call.strip().partition("(")
            if name in ("setgroups", "setgid", "setuid") and rest.rstrip().endswith("= 0"):
                rows.append((pid, name, rest.partition(")")[0].partition(",")[0]))
    return rows


def own_user():
    """A user who is neither root nor nobody, and has a home that is his."""
    for pw in pwd.getpwall():
        if pw.pw_uid not in (0, 65534) and os.path.isdir(pw.pw_dir):
            return pw
    pytest.skip("there is no such user")


@pytest.mark.skipif(SLOW > 1, reason="strace and the sanitizers do not go together")
def test_who_delivers_to_a_user_has_given_up_roots_groups_first(open_folder):
    """The helper stays root; the child that writes into a mailbox has become its owner: groups first, then group, then user."""
    user, report, spool = own_user(), os.path.join(open_folder, "report"), os.path.join(open_folder, "spool")
    os.mkdir(spool)
    os.chmod(spool, 0o1777)
    relay = Rooted(os.path.join(open_folder, "r"), "mydestination = here.test\nmail_spool_directory = %s\n" % spool,
                   ["strace", "-f", "-qq", "-o", report, "-e", "trace=setgroups,setgid,setuid"])
    with relay:
        relay.run("sendmail", "-f", "a@example.com", user.pw_name + "@here.test", stdin="Subject: s\n\nb\n")
        relay.wait_log("status=sent")
    assert os.stat(os.path.join(spool, user.pw_name)).st_uid == user.pw_uid
    rows = calls_of(report)
    wanted = [("setgroups", "0"), ("setgid", str(user.pw_gid)), ("setuid", str(user.pw_uid))]
    for pid in {pid for pid, name, argument in rows if (name, argument) == wanted[2]}:
        assert [(name, argument) for p, name, argument in rows if p == pid] == wanted, rows
        return
    raise AssertionError("nobody became %s: %s" % (user.pw_name, rows))
