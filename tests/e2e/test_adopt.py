"""relayctl adopt: the queue of a relayd that is gone, for the one that runs."""
import os
import random
import signal
import smtplib
import subprocess
import time

import pytest

from lab import RELAYBOX, Relay, Sink, free_port, wait, open_folder


@pytest.fixture
def tmp_path():
    with open_folder() as path:
        yield path


def away(folder):
    return "relayhost = [127.0.0.1]:%d\nqueue_big_threshold = 16384\nmessage_size_limit = 0\nmailbox_size_limit = 0\n" % free_port()


def orphan(tmp_path, n=5, main_cf="", **more):
    """A queue whose relayd is gone: mail to u0 to uN-1, each with another body."""
    r = Relay(tmp_path / "old", away(tmp_path) + main_cf, **more)
    with r:
        with smtplib.SMTP("127.0.0.1", r.port, timeout=30) as c:
            for i in range(n):
                c.sendmail("s%d@example.com" % i, ["u%d@example.com" % i], body(i))
        r.wait_log("status=deferred", n)
    return r


def body(i, size=100):
    return "Subject: m%d\r\nX-Long: %s\r\n\r\n.line\r\n%s\r\n" % (i, "y" * 50, "".join("x%d line %d\r\n" % (i, k) for k in range(size)))


def ids(r):
    return r.run("relayctl", "queue", "--ids").stdout.decode().split()


def show(r, qid):
    return r.run("relayctl", "show", qid).stdout.decode()


def test_everything_of_a_message_comes_along(tmp_path):
    with Relay(tmp_path / "old", away(tmp_path)) as old:
        with smtplib.SMTP("127.0.0.1", old.port, timeout=30) as c:
            c.ehlo()
            # a big one, DSN wishes, a null sender
            c.sendmail("a@example.com", ["big@example.com"], body(1, 20000), mail_options=["RET=HDRS", "ENVID=e+2Bx", "BODY=8BITMIME"],
                       rcpt_options=["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;o@example.com"])
            c.sendmail("", ["null@example.com"], body(2))
            c.sendmail("a@example.com", ["held@example.com"], body(3))
        old.wait_log("status=deferred", 3)
        held = old.run("relayctl", "queue", "--to", "held@example.com", "--ids").stdout.decode().strip()
        old.run("relayctl", "hold", held)
        before = {qid: show(old, qid) for qid in ids(old)}
    with Relay(tmp_path / "new", away(tmp_path)) as new:
        done = new.run("relayctl", "adopt", old.path("queue"))
        rows = [line.split() for line in done.stdout.decode().splitlines()]
        assert rows[-1] == "3 messages taken over, 0 left".split()
        now = {row[0].rstrip(":"): row[2] for row in rows[:-1]}
        assert set(now) == set(before)
        for qid, text in before.items():
            def facts(text):
                return [line for line in text.splitlines() if not line.startswith(("last answer", "next try", "queue id", "state", "due"))]
            after = facts(show(new, now[qid]))
            # the id of the queue that it came to first stays in its Received field
            assert after == [line.replace(qid, now[qid]) if line.startswith("***") else line for line in facts(text)]
            assert new.log_lines(r"%s: adopted: was %s of %s" % (now[qid], qid, old.path("queue")))
        assert "held@example.com" in new.run("relayctl", "queue", "--state", "hold").stdout.decode()
        assert ids(old) == []
    # and it is there after a kill, held as it was
    with new.start() as new:
        assert sorted(ids(new)) == sorted(now.values())
        assert "held@example.com" in new.run("relayctl", "queue", "--state", "hold").stdout.decode()


def test_who_has_it_already_gets_no_second_copy(tmp_path):
    with Sink(script={"RCPT": lambda sink, a: "450 4.2.0 later" if "late" in a else None}) as sink:
        with Relay(tmp_path / "old", "relayhost = [127.0.0.1]:%d\n" % sink.port) as old:
            with smtplib.SMTP("127.0.0.1", old.port, timeout=30) as c:
                c.sendmail("a@example.com", ["now@example.com", "late@example.com"], body(1))
            old.wait_log("to=<late@example.com>.*status=deferred")
            wait(lambda: len(sink.messages) == 1)
    with Sink() as sink, Relay(tmp_path / "new", "relayhost = [127.0.0.1]:%d\n" % sink.port) as new:
        new.run("relayctl", "adopt", old.path("queue"))
        wait(new.empty)
        assert [m.rcpts for m in sink.messages] == [["late@example.com"]]


def test_drops_come_along_as_who_wrote_them(tmp_path):
    old = orphan(tmp_path, 1)
    old.run("sendmail", "d@example.com", stdin="Subject: drop\n\ndrop\n")
    assert len(os.listdir(old.path("queue", "maildrop"))) == 1
    with Sink() as sink, Relay(tmp_path / "new", "relayhost = [127.0.0.1]:%d\n" % sink.port) as new:
        assert b"2 messages taken over, 0 left" in new.run("relayctl", "adopt", old.path("queue")).stdout
        wait(lambda: len(sink.messages) == 2 and new.empty())
    assert os.listdir(old.path("queue", "maildrop")) == []


@pytest.mark.skipif(os.getuid() != 0, reason="needs root for folders of others")
def test_root_touches_nothing_but_as_the_owner_of_the_folder(tmp_path):
    old = orphan(tmp_path, 3)
    for folder, names, files in os.walk(old.path("queue")):
        for name in names + files + ["."]:
            os.chown(os.path.join(folder, name), 65534, 65534, follow_symlinks=False)
    with Relay(tmp_path / "new", away(tmp_path) + "mail_owner = 12525\n") as new:
        assert b"3 messages taken over, 0 left" in new.run("relayctl", "adopt", old.path("queue")).stdout
    # its owner can go on there
    for folder, names, files in os.walk(old.path("queue")):
        for name in files:
            assert os.stat(os.path.join(folder, name)).st_uid == 65534, name


@pytest.mark.skipif(os.getuid() != 0, reason="needs root for folders of others")
@pytest.mark.parametrize("owner, believed", [(0, True), (12525, True), (65534, False)])
def test_the_queue_of_a_stranger_is_judged_as_his_drops(tmp_path, owner, believed):
    """Its owner could write what he likes there: who sent, from where, and what is no line of mail."""
    old = orphan(tmp_path, 1)
    old.run("sendmail", "d@example.com", stdin="Subject: drop\n\ndrop\n")
    subprocess.run(["chown", "-R", "%d:%d" % (owner, owner), old.path("queue")], check=True)
    with Sink() as sink, Relay(tmp_path / "new", "mail_owner = 12525\nrelayhost = [127.0.0.1]:%d\n" % sink.port) as new:
        assert b"2 messages taken over, 0 left" in new.run("relayctl", "adopt", old.path("queue")).stdout
        m, = [m for m in sink.wait(2) if b"m0" in m.content]
        assert (b"from [127.0.0.1]" in m.content.split(b"Subject")[0]) == believed or b"userid 65534" in m.content
        assert bool(new.log_lines("uid=65534 from=<s0@example.com>")) == (not believed)
        assert bool(new.log_lines("adopted: was")) == believed
    assert ids(old) == []


@pytest.mark.skipif(os.getuid() != 0, reason="needs root for folders of others")
def test_a_log_in_somebody_elses_folder_is_no_queue(tmp_path):
    old = orphan(tmp_path, 1)
    os.chown(old.path("queue", "log"), 65534, 65534)
    with Relay(tmp_path / "new", away(tmp_path)) as new:
        done = new.run("relayctl", "adopt", old.path("queue"), check=False)
        assert done.returncode != 0 and b"is not its folder's owner's" in done.stderr and ids(new) == []


def test_what_is_no_orphan_is_left_alone(tmp_path):
    with orphan(tmp_path, 1) as old, Relay(tmp_path / "new", away(tmp_path)) as new:
        for folder, why in ((old.path("queue"), b"another process"), (new.path("queue"), b"is the queue of the relayd that runs"),
                            (str(tmp_path), b"no queue folder of relaybox"), (str(tmp_path / "nothing"), b"no queue folder of relaybox")):
            done = new.run("relayctl", "adopt", folder, check=False)
            assert done.returncode != 0 and why in done.stderr, (folder, done.stderr)
        assert not os.path.exists(str(tmp_path / "nothing"))
        assert len(ids(old)) == 1 and ids(new) == []
    done = new.run("relayctl", "adopt", old.path("queue"), check=False)
    assert done.returncode == 69 and len(ids(old)) == 1


def test_what_cannot_be_read_is_named_and_left(tmp_path):
    with orphan(tmp_path, 2) as old:
        with smtplib.SMTP("127.0.0.1", old.port, timeout=30) as c:
            c.sendmail("a@example.com", ["big@example.com"], body(9, 5000))
    big, = os.listdir(old.path("queue", "big"))
    os.truncate(old.path("queue", "big", big), 100)
    with Relay(tmp_path / "new", away(tmp_path)) as new:
        done = new.run("relayctl", "adopt", old.path("queue"), check=False)
        assert done.returncode == 75 and b"2 messages taken over, 1 left" in done.stdout and big.encode() in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to be another")
def test_only_root_and_the_owner_may_give(tmp_path):
    old = orphan(tmp_path, 1)
    subprocess.run(["chown", "-R", "65534:65534", old.path("queue")], check=True)
    with Relay(tmp_path / "new", away(tmp_path)) as new:
        done = subprocess.run([RELAYBOX, "relayctl", "-c", new.dir, "adopt", old.path("queue")], user=65534, group=65534, extra_groups=[],
                              env=new.env, capture_output=True, timeout=60)
        assert done.returncode == 75 and b"not permitted" in done.stdout and ids(new) == []
    subprocess.run(["chown", "-R", "0:0", old.path("queue")], check=True)
    assert len(ids(old)) == 1


@pytest.mark.parametrize("victim", ["relayd", "relayctl"])
def test_killed_at_any_moment_loses_nothing(tmp_path, victim):
    rng = random.Random(7)
    names = {"u%d@example.com" % i for i in range(40)}
    old = orphan(tmp_path, 40)
    new = Relay(tmp_path / "new", away(tmp_path)).start()
    copies = 0
    try:
        for _ in range(8):
            p = subprocess.Popen([RELAYBOX, "relayctl", "-c", new.dir, "adopt", old.path("queue")], env=new.env, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL)
            for _ in range(rng.randrange(1, 8)):
                p.stdout.readline()
            if victim == "relayd":
                new.kill()
                p.communicate(timeout=60)
                new.start()
            else:
                p.kill()
                p.communicate()
        new.run("relayctl", "adopt", old.path("queue"), check=False)
        assert ids(old) == []
        there = [line.split("recipient: ")[1] for qid in ids(new) for line in show(new, qid).splitlines() if line.startswith("recipient: ")]
        copies = len(there) - len(set(there))
        assert set(there) == names
    finally:
        new.stop()
    # of a batch that was not flushed there when it ended
    assert copies <= 8 * 17
    print("%d extra copies in 8 kills" % copies)
