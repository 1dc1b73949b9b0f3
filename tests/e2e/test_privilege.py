"""Root and the user that serves: what the one does for the other must not make the other root (threats J3, J4).

Each test starts relayd as root with a spool that a taken-over mail_owner has prepared."""
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import time

import pytest

from lab import RELAYBOX, SANITIZER, Relay, Sink, wait, SLOW, open_folder

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root to have something to give up")
OWNER = 12525


@pytest.fixture
def tmp_path():
    with open_folder() as path:
        yield path


def start_as(tmp_path, main_cf="", owner=OWNER, **kwargs):
    r = Relay(tmp_path / "r", "mail_owner = %s\n%s" % (owner, main_cf), **kwargs)
    os.chmod(r.dir, 0o755)
    return r


def prepare(r):
    """The spool as an earlier run left it, in the hands of the user that served."""
    for name in ("", "log", "big", "corrupt", "maildrop"):
        os.makedirs(r.path("queue", name), exist_ok=True)
        os.chown(r.path("queue", name), OWNER, OWNER)


def status(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(word) for word in f.read().split()]


@pytest.fixture
def secret(tmp_path):
    """A file of root's, in a folder that only root may write."""
    folder = tmp_path / "roots"
    folder.mkdir(mode=0o755)
    (folder / "secret").write_text("root's\n")
    os.chmod(folder / "secret", 0o600)
    return str(folder / "secret")


@pytest.mark.parametrize("folder", ["log", "big", "corrupt"])
@pytest.mark.parametrize("link", ["symlink", "hard link"])
def test_what_lies_in_the_spool_is_not_taken_over_by_its_name(tmp_path, secret, folder, link):
    r = start_as(tmp_path)
    prepare(r)
    name = r.path("queue", folder, "00000001.seg" if folder == "log" else "0123456789")
    (os.symlink if link == "symlink" else os.link)(secret, name)
    r.spawn()
    try:
        wait(lambda: r.process.poll() is not None or r.log_lines("daemon started"))
        assert os.stat(secret).st_uid == 0 and stat.S_IMODE(os.stat(secret).st_mode) == 0o600
    finally:
        r.stop()
    assert open(secret).read() == "root's\n"


@pytest.mark.parametrize("name", ["log", "big", "corrupt", "maildrop", "lock"])
def test_a_link_in_place_of_a_part_of_the_spool_is_not_followed(tmp_path, secret, name):
    r = start_as(tmp_path)
    prepare(r)
    path = r.path("queue", name)
    if name != "lock":
        os.rmdir(path)
    os.symlink(os.path.dirname(secret) if name != "lock" else secret, path)
    before = [(os.stat(p).st_uid, os.stat(p).st_mode, os.stat(p).st_mtime_ns) for p in (secret, os.path.dirname(secret))]
    r.spawn()
    assert wait(lambda: r.process.poll()) in (71, 73, 75, 78)
    assert before == [(os.stat(p).st_uid, os.stat(p).st_mode, os.stat(p).st_mtime_ns) for p in (secret, os.path.dirname(secret))]


def test_files_that_an_earlier_run_left_to_another_user_are_taken_over(tmp_path):
    with Sink() as sink, start_as(tmp_path, "relayhost = [127.0.0.1]:1\n") as r:
        r.run("sendmail", "-f", "a@x.org", "b@x.org", stdin="Subject: kept\n\nx\n")
        r.wait_log("status=deferred")
        r.stop()
        for top, folders, files in os.walk(r.path("queue")):
            for one in folders + files:
                os.chown(os.path.join(top, one), 0, 0)
        r.start("-o", "relayhost=[127.0.0.1]:%d" % sink.port)
        r.run("postqueue", "-f")
        assert b"kept" in sink.wait(1)[0].content
        assert {os.stat(os.path.join(r.path("queue/log"), f)).st_uid for f in os.listdir(r.path("queue/log"))} == {OWNER}


def test_maildrop_gives_files_its_group_whatever_happened_to_the_folder(tmp_path):
    r = start_as(tmp_path)
    for spoil in (lambda: None, lambda: os.chmod(r.path("queue/maildrop"), 0o733), lambda: os.chown(r.path("queue/maildrop"), 0, 0)):
        spoil()
        with r:
            st = os.stat(r.path("queue/maildrop"))
            assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (0o3733, OWNER, OWNER)


def test_a_number_is_a_user_and_nothing_of_root_stays(tmp_path):
    with start_as(tmp_path) as r:
        s = status(r.process.pid)
        assert s["Uid"].split() == [str(OWNER)] * 4 and s["Gid"].split() == [str(OWNER)] * 4 and s["Groups"].strip() == ""
        assert int(s["CapEff"], 16) == int(s["CapPrm"], 16) == 0 and s["NoNewPrivs"] == "1" and s["Seccomp"] == "2"


def test_no_account_to_become_is_told_and_nobody_is_none(tmp_path):
    r = start_as(tmp_path, owner="no-such-account")
    r.spawn()
    assert wait(lambda: r.process.poll()) == 78
    assert "mail_owner no-such-account: no such user: make it (adduser" in r.stderr()
    with start_as(tmp_path, owner="nobody") as r:
        assert "mail_owner nobody is nobody" in r.stderr() + r.log()


def test_the_helper_has_given_up_what_it_does_not_need(tmp_path):
    with start_as(tmp_path) as r:
        [helper] = children(r.process.pid)
        s = status(helper)
        assert int(s["CapEff"], 16) == int(s["CapPrm"], 16) == int(s["CapBnd"], 16) == 1 << 6 | 1 << 7 | 1 << 2
        assert s["Seccomp"] == "2" and s["NoNewPrivs"] == "1"


def test_mailboxes_are_their_users_and_roots_has_one_place(tmp_path):
    spool = tmp_path / "mail"
    spool.mkdir()
    os.chmod(spool, 0o1777)
    with start_as(tmp_path, "mydestination = example.test\nlocal_recipient_maps =\nmail_spool_directory = %s\n" % spool) as r:
        for user in ("root", "games"):
            r.run("sendmail", "-f", "a@x.org", user + "@example.test", stdin="Subject: x\n\nx\n")
            r.wait_log("to=<%s@example.test>.*status=sent" % user)
    assert sorted(os.listdir(spool)) == ["games", "root"]
    for user in ("root", "games"):
        st = os.stat(spool / user)
        assert st.st_uid == pwd.getpwnam(user).pw_uid and stat.S_IMODE(st.st_mode) == 0o600


@pytest.mark.skipif(SLOW > 1, reason="the sanitizers may write into /tmp")
def test_files_of_aliases_are_written_and_no_others(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    os.chown(folder, OWNER, OWNER)
    for name in ("there", "later"):
        (folder / name).write_text("")
        os.chown(folder / name, OWNER, OWNER)
    with start_as(tmp_path, "mydestination = example.test\nlocal_recipient_maps =\nalias_maps = texthash:%s/r/aliases\n" % tmp_path,
                  files={"aliases": "there: %s/there\nnew: root, %s/new\nroot: /dev/null\n" % (folder, folder)}) as r:
        for name in ("there", "new"):
            r.run("sendmail", "-f", "a@x.org", name + "@example.test", stdin="Subject: x\n\nx\n")
            r.wait_log("to=<%s@example.test>.*status=sent" % name)
            assert "Subject: x" in (folder / name).read_text()
            assert (folder / name).stat().st_uid == OWNER
        (tmp_path / "other").mkdir()
        os.chown(tmp_path / "other", OWNER, OWNER)
        (tmp_path / "other" / "later").write_text("")
        os.chown(tmp_path / "other" / "later", OWNER, OWNER)
        r.write("aliases", "later: %s/other/later\n" % tmp_path)
        r.run("relayctl", "reload")
        r.run("sendmail", "-f", "a@x.org", "later@example.test", stdin="Subject: x\n\nx\n")
        r.wait_log("to=<later@example.test>.*status=deferred")
        r.wait_log("warning: .*other/later of an alias: .*named it when relayd was started: restart it")
        r.stop()
        r.start()
        r.run("postqueue", "-f")
        r.wait_log("to=<later@example.test>.*status=sent")


class OrdinaryRelay(Relay):
    """Started by a user who is nobody in particular: no helper, nothing to give up."""

    def spawn(self, *options):
        os.chown(self.dir, OWNER, OWNER)
        self.process = subprocess.Popen([RELAYBOX, "relayd", "-c", self.dir, *options], env=self.env, user=OWNER, group=OWNER, extra_groups=[],
                                        stdin=subprocess.DEVNULL, stderr=open(self.path("stderr"), "ab"))


def test_the_whole_sandbox_of_an_ordinary_user_lets_mail_through(tmp_path):
    """Files of aliases whose table has no text, the spool, a log that is renamed, a new table and a new row at a reload."""
    folder, spool = tmp_path / "files", tmp_path / "mail"
    for path in (folder, spool):
        path.mkdir()
        os.chown(path, OWNER, OWNER)
    (tmp_path / "tables").mkdir(mode=0o755)
    (tmp_path / "tables" / "aliases").write_text("archive: %s/archive, %s/maildir/\n" % (folder, folder))
    subprocess.run([RELAYBOX, "mapgen", "--alias", "hash:%s/tables/aliases" % tmp_path], check=True)
    os.unlink(tmp_path / "tables" / "aliases")
    r = OrdinaryRelay(tmp_path / "r", "mydestination = example.test\nlocal_recipient_maps =\nalias_maps = hash:%s/tables/aliases\n"
                      "mail_spool_directory = %s\nlog_also =\n" % (tmp_path, spool))
    with r:
        assert status(r.process.pid)["Seccomp"] == "2" and not children(r.process.pid)
        for name in ("archive", "games"):
            r.run("sendmail", "-f", "a@x.org", name + "@example.test", stdin="Subject: x\n\nx\n")
            r.wait_log("to=<%s@example.test>.*status=sent" % name)
        assert "Subject: x" in (folder / "archive").read_text() and len(os.listdir(folder / "maildir" / "new")) == 1
        assert os.listdir(spool) == ["games"]
        os.rename(r.path("log"), r.path("log.1"))
        (tmp_path / "tables" / "transport").write_text("b.test discard:\n")
        with open(r.path("main.cf"), "a") as f:
            f.write("transport_maps = texthash:%s/tables/transport\n" % tmp_path)
        # a table that chooses next hops may need any port: that was not asked for at the start
        r.process.send_signal(signal.SIGHUP)
        wait(lambda: os.path.exists(r.path("log")) and r.log_lines("a new port needs a restart where sandbox = required"))
        r.stop()
        r.start()
        r.run("sendmail", "-f", "a@x.org", "u@b.test", stdin="Subject: x\n\nx\n")
        r.wait_log("to=<u@b.test>.*status=sent")
        (tmp_path / "tables" / "new").write_text("c.test discard:\n")
        with open(r.path("main.cf"), "a") as f:
            f.write("transport_maps = texthash:%s/tables/new\n" % tmp_path)
        r.process.send_signal(signal.SIGHUP)
        r.wait_log("reload -- ")
        r.run("sendmail", "-f", "a@x.org", "u@c.test", stdin="Subject: x\n\nx\n")
        r.wait_log("to=<u@c.test>.*status=sent")


def test_mailboxes_that_a_reload_moves_wait_for_a_restart(tmp_path):
    for name in ("mail", "mail2"):
        (tmp_path / name).mkdir()
        os.chmod(tmp_path / name, 0o1777)
    main = "mydestination = example.test\nlocal_recipient_maps =\nmail_spool_directory = %s\n"
    with start_as(tmp_path, main % (tmp_path / "mail")) as r:
        text = open(r.path("main.cf")).read()
        r.write("main.cf", text.replace(str(tmp_path / "mail"), str(tmp_path / "mail2")))
        r.run("relayctl", "reload")
        r.run("sendmail", "-f", "a@x.org", "games@example.test", stdin="Subject: x\n\nx\n")
        r.wait_log("status=deferred .mailboxes are elsewhere since relayd was started: restart it")
        r.stop()
        r.start()
        r.run("postqueue", "-f")
        r.wait_log("status=sent")
    assert os.listdir(tmp_path / "mail") == [] and os.listdir(tmp_path / "mail2") == ["games"]


@pytest.mark.parametrize("how", ["HUP", "reload"])
def test_a_renamed_log_is_made_anew_by_the_side_that_may(tmp_path, how):
    folder = tmp_path / "logs"
    folder.mkdir(mode=0o755)
    with start_as(tmp_path, "maillog_file = %s/mail.log\n" % folder) as r:
        os.rename(folder / "mail.log", folder / "mail.log.1")
        if how == "HUP":
            r.process.send_signal(signal.SIGHUP)
        else:
            os.chmod(r.path("main.cf"), 0o600)  # opened by the helper, too
            r.run("relayctl", "reload")
        wait(lambda: (folder / "mail.log").exists() and "reload" in (folder / "mail.log").read_text())


def test_the_log_is_not_written_through_a_strangers_link(tmp_path, secret):
    folder = tmp_path / "logs"
    folder.mkdir()
    os.symlink(secret, folder / "mail.log")
    os.chown(folder, OWNER, OWNER)
    r = start_as(tmp_path, "maillog_file = %s/mail.log\n" % folder)
    r.spawn()
    assert wait(lambda: r.process.poll()) == 73
    assert open(secret).read() == "root's\n" and "mail.log" in r.stderr()


def include_fifo(r):
    os.mkfifo(r.path("list"))
    return "fifo: :include:%s\n" % r.path("list")


def test_a_fifo_in_place_of_a_file_stops_nobody(tmp_path):
    r = start_as(tmp_path, "mydestination = example.test\n")
    r.write("aliases", include_fifo(r))
    r.write("table", "")
    with Sink() as sink:
        r.write("main.cf", open(r.path("main.cf")).read() + "alias_maps = texthash:%s\ntransport_maps = texthash:%s\n"
                "relayhost = [127.0.0.1]:%d\n" % (r.path("aliases"), r.path("table"), sink.port))
        with r:
            os.unlink(r.path("table"))
            os.mkfifo(r.path("table"))
            time.sleep(1.2)  # tables are looked at once a second
            r.run("sendmail", "-f", "a@x.org", "fifo@example.test", stdin="Subject: x\n\nx\n")
            r.wait_log("to=<fifo@example.test>.*status=deferred|451 4")
            with socket.create_connection(("127.0.0.1", r.port), 5) as s:
                assert s.recv(100).startswith(b"220 ")
            os.rename(r.path("main.cf"), r.path("main.cf.0"))
            os.mkfifo(r.path("main.cf"))
            r.process.send_signal(signal.SIGHUP)
            r.wait_log("main.cf: cannot read: ")
            assert r.stop() == 0


def test_a_user_who_stops_his_deliveries_stops_nobody_elses(tmp_path):
    """They run as he, so he may. Two wait for ever, however he writes himself; others have their mail, and a stop leaves nobody behind."""
    spool = tmp_path / "mail"
    spool.mkdir()
    os.chmod(spool, 0o1777)
    with start_as(tmp_path, "mydestination = example.test, other.test\nmail_spool_directory = %s\nrecipient_delimiter = +\nshutdown_timeout = 1s\n"
                  % spool) as r:
        [helper] = children(r.process.pid)
        lock = spool / "games.lock"
        lock.touch()
        forms = ["games@example.test", "Games@example.test", "gAMES+x@example.test", "games+y@other.test", "\"games\"@other.test",
                 "\"ga\\mes\"@example.test"]
        for to in forms * 2:
            r.run("sendmail", "-f", "a@x.org", to, stdin="Subject: x\n\nx\n")
        r.wait_log("queue active", count=len(forms) * 2)
        wait(lambda: len(children(helper)) == 2)
        stopped = children(helper)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        r.run("sendmail", "-f", "a@x.org", "nobody@example.test", stdin="Subject: x\n\nx\n")
        r.wait_log("to=<nobody@example.test>.*status=sent")
        wait(lambda: children(helper) == stopped)
        assert not r.log_lines("busy")
        r.stop()
        wait(lambda: not os.path.exists("/proc/%d" % helper), seconds=20)
        for pid in stopped:
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("bits,owner", [(0o2755, (0, OWNER)), (0o4755, (0, 0)), (0o6755, (OWNER, OWNER))])
def test_rights_that_the_programs_file_gives_are_given_up(tmp_path, bits, owner):
    """Under set-user-ID and set-group-ID bits every applet is one that anybody may run: none of them reads or writes as somebody else."""
    program = str(tmp_path / "mapgen")
    shutil.copy(RELAYBOX, program)
    os.chown(program, *owner)
    os.chmod(program, bits)
    (tmp_path / "secret").write_text("secret line\n")
    os.chown(tmp_path / "secret", *owner)
    os.chmod(tmp_path / "secret", 0o640)

    def ask(uid):
        return subprocess.run([program, "-q", "secret", "texthash:%s/secret" % tmp_path], user=uid, group=uid, extra_groups=[], capture_output=True,
                              env=SANITIZER)
    assert ask(0).stdout == b"line\n"
    done = ask(65533)
    assert (done.returncode, done.stdout) == (75, b"") and b"Permission denied" in done.stderr
