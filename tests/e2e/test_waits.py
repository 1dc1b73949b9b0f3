"""What the loop of relayd waits for: for events, and for nothing else. The watchdog of steps measures work on a processor; a call that waits costs none, so
the calls themselves are looked at, by strace, from the first event on."""
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import RELAYBOX, SLOW, Client, Relay, Sink, wait  # noqa: E402

pytestmark = pytest.mark.skipif(not shutil.which("strace") or SLOW > 1, reason="needs strace and a plain binary")
CALLS = "openat,open,fsync,fdatasync,sync,syncfs,flock,fcntl,nanosleep,clock_nanosleep,connect,wait4,waitid,poll,ppoll,select,pselect6,epoll_wait,epoll_pwait"
# what ends the loop's being at hand for others; a lock that is tried is none that is waited for
WAITS = re.compile(r"^(fsync|fdatasync|sync|syncfs|nanosleep|clock_nanosleep|waitid|select|pselect6)\(|^flock\((?!.*LOCK_(NB|UN))|^fcntl\(.*SETLKW"
                   r"|^wait4\((?!.*WNOHANG)|^p?poll\((?!.*(, 0\)|tv_nsec=0\}|, 0 <))")


def may_wait(call, own):
    """Whether a call is one that waits, an open of what others may have made a FIFO, or a connection that is waited for."""
    if call.startswith("connect("):
        return not re.search(r"EINPROGRESS|EAGAIN|= 0$|ECONNREFUSED|ENOENT|EACCES|AF_UNSPEC", call)
    opened = re.match(r'open(?:at\([^<]*<([^>]*)>, |\()"([^"]*)"', call)
    if not opened:
        return bool(WAITS.search(call))
    name = os.path.join(opened[1] or own[0], opened[2])
    return not name.startswith((*own, "/proc/", "/sys/", "/dev/")) and not re.search("O_NONBLOCK|O_DIRECTORY|O_PATH|= -1 ENOENT", call)


class Watched(Relay):
    def spawn(self, *options):
        self.process = subprocess.Popen(["strace", "-D", "-f", "-qq", "-yy", "-e", "signal=none", "-e", "trace=" + CALLS, "-o", self.path("calls"), RELAYBOX, "relayd",
                                         "-c", self.dir, *options], env=self.env, stdin=subprocess.DEVNULL, stderr=open(self.path("stderr"), "ab"))

    def waits(self):
        """Calls of the loop's thread, which is the one that waits for events, that may have waited for something else."""
        calls, begun = [], {}
        with open(self.path("calls"), errors="replace") as f:
            for line in f:
                thread, call = line.rstrip("\n").split(None, 1)
                # another thread's call came between its beginning and its end
                if call.endswith("<unfinished ...>"):
                    begun[thread] = call[:-len("<unfinished ...>")]
                else:
                    calls.append((thread, re.sub(r"^<\.\.\. \w+ resumed>", lambda _: begun.pop(thread, ""), call)))
        looks = [thread for thread, call in calls if call.startswith("epoll_")]
        loop = max(set(looks), key=looks.count)
        mine = [call for thread, call in calls if thread == loop]
        mine = mine[next(i for i, call in enumerate(mine) if call.startswith("epoll_")):]
        assert len(mine) > 50
        return [call for call in mine if may_wait(call, (self.dir + "/queue", self.dir + "/log", self.dir + "/facts"))]


@pytest.mark.parametrize("call, waits", [
    ('openat(AT_FDCWD</x>, "/etc/aliases", O_RDONLY|O_CLOEXEC) = 5</etc/aliases>', True), ('openat(9</etc>, "aliases", O_RDONLY) = 5</etc/aliases>', True),
    ('openat(9</etc>, "aliases", O_RDONLY|O_NONBLOCK) = 5</etc/aliases>', False), ('openat(9</q/log>, "1.seg", O_RDONLY) = 5</q/log/1.seg>', False),
    ('open("maildrop", O_RDONLY) = 5</q/maildrop>', False), ("fsync(4</q/log>) = 0", True), ("fdatasync(4</q/log>) = 0", True), ("flock(4</q/lock>, LOCK_EX) = 0", True),
    ("flock(4</q/lock>, LOCK_EX|LOCK_NB) = 0", False), ("fcntl(4</m>, F_SETLKW, {l_type=F_WRLCK}) = 0", True), ("fcntl(4</m>, F_SETLK, {l_type=F_WRLCK}) = 0", False),
    ("nanosleep({tv_sec=0, tv_nsec=1}, NULL) = 0", True), ("wait4(-1, NULL, 0, NULL) = 7", True), ("wait4(-1, NULL, WNOHANG, NULL) = 0", False),
    ("poll([{fd=3, events=POLLIN}], 1, 1000) = 1", True), ("poll([{fd=3, events=POLLIN}], 1, 0) = 0 (Timeout)", False),
    ("connect(3<TCP:[1]>, {sa_family=AF_INET}, 16) = -1 EINPROGRESS (Operation now in progress)", False),
    ("connect(3<TCP:[1]>, {sa_family=AF_INET}, 16) = -1 ETIMEDOUT (Connection timed out)", True),
])
def test_what_waits_is_known(call, waits):
    assert may_wait(call, ("/q", "/l")) == waits


def test_the_loop_waits_for_events_only(tmp_path):
    with Sink() as sink:
        folder = tmp_path / "r"
        r = Watched(folder, "relayhost = [127.0.0.1]:%d\nmydestination = here.test\nalias_maps = texthash:%s/aliases\ntransport_maps = regexp:%s/transport\n"
                    "header_checks = regexp:%s/checks\nsmtpd_recipient_restrictions = check_recipient_access texthash:%s/access, permit_mynetworks, reject\n"
                    % (sink.port, *[folder] * 4), files={"aliases": "list: :include:%s/list\n" % folder, "list": "a@there.test\nb@there.test\n", "transport": "/x/ smtp:\n",
                                                        "checks": "/^Subject: stop/ REJECT\n", "access": "no@there.test REJECT\n"})
        with r:
            for rcpt in ("list@here.test", "c@there.test"):
                with Client(r.port) as c:
                    assert c.say("EHLO x", "MAIL FROM:<s@there.test>", "RCPT TO:<%s>" % rcpt, "DATA", "Subject: x\r\n\r\nhello\r\n.").startswith("250")
            r.run("sendmail", "-f", "s@there.test", "d@there.test", stdin="Subject: y\n\nhello\n")
            wait(lambda: len(sink.messages) >= 3)
            for words in (("queue",), ("stats",), ("explain", "list@here.test"), ("reload",)):
                r.run("relayctl", *words)
            r.process.send_signal(signal.SIGHUP)
            with Client(r.port) as c:
                assert c.say("EHLO x", "MAIL FROM:<s@there.test>", "RCPT TO:<no@there.test>").startswith("554 5.7.1")
            wait(r.empty)
            assert r.waits() == []
