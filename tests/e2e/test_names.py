"""Names that people type: postconf, postfix and postcat do on our files what scripts want of them."""
import os
import shutil
import socket
import subprocess

import pytest

from lab import RELAYBOX, SLOW, Relay, Sink, free_port, wait

MAIN = """# written by hand
compatibility_level = 3.6
relayhost = [a.example]
  ,[b.example]
# inside

   # indented
  ,[c.example]
myhostname = h.example
mydestination =
x_banner = $myhostname hello
# tail
"""
MASTER = """# services
2599 inet n - n - - smtpd
  -o syslog_name=postfix/sub
  -o {smtpd_banner=a b}
relay unix - - n - - smtp -o syslog_name=postfix/$service_name
smtp  unix - - n - 5 smtp
"""
POSTCONF = "/usr/sbin/postconf"


@pytest.fixture
def etc(tmp_path):
    for name, text in (("main.cf", MAIN), ("master.cf", MASTER)):
        (tmp_path / name).write_text(text)
        os.chmod(tmp_path / name, 0o644)
    return tmp_path


def run(command, *args, code=0, env=None):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("POSTFIX_", "POSTFIXMASTER_", "RELAYHOST", "MAIL_"))}
    done = subprocess.run([*command, *map(str, args)], capture_output=True, text=True, timeout=60, env={**clean, **(env or {})})
    assert done.returncode == code, (args, done)
    return done


def postconf(*args, **kw):
    return run([RELAYBOX, "postconf"], *args, **kw)


# --- postconf ---------------------------------------------------------------------------------------------------------


def test_postconf_prints_values_defaults_and_what_is_set(etc):
    rows = [
        (["relayhost"], "relayhost = [a.example] ,[b.example] ,[c.example]\n"),
        (["-h", "myhostname", "mydestination"], "h.example\n\n"),
        (["x_banner"], "x_banner = $myhostname hello\n"),
        (["-x", "x_banner"], "x_banner = h.example hello\n"),
        (["-hx", "x_banner", "myorigin"], "h.example hello\nh.example\n"),
        (["myorigin"], "myorigin = $myhostname\n"),
        (["-d", "relayhost", "queue_run_delay"], "relayhost =\nqueue_run_delay = 300s\n"),
        (["-dh", "queue_run_delay"], "300s\n"),
        (["-dx", "myorigin"], "myorigin = h.example\n"),
        (["-n", "relayhost", "queue_run_delay", "mydestination"], "relayhost = [a.example] ,[b.example] ,[c.example]\nmydestination =\n"),
        (["-o", "relayhost=[o]", "-p", "relayhost"], "relayhost = [o]\n"),
        (["config_directory", "command_directory"], "config_directory = %s\ncommand_directory = /usr/sbin\n" % etc),
        (["-h", "relay_destination_recipient_limit"], "50\n"),
    ]
    for args, want in rows:
        done = postconf("-c", etc, *args)
        assert (done.stdout, done.stderr) == (want, ""), args
    everything = postconf("-c", etc).stdout
    assert "\nqueue_run_delay = 300s\n" in everything and "\nmyhostname = h.example\n" in everything
    assert postconf("-c", etc, "-nf").stdout == ("compatibility_level = 3.6\nmydestination =\nmyhostname = h.example\n"
                                                "relayhost = [a.example] ,[b.example] ,[c.example]\nx_banner = $myhostname hello\n")
    assert postconf("-c", etc, "-nh").stdout.splitlines()[2] == "h.example"
    assert {"hash", "lmdb", "pcre", "texthash", "proxy"} <= set(postconf("-m").stdout.split())
    # what relayd would use, not what the file alone says
    assert postconf("-c", etc, "-h", "relayhost", env={"POSTFIX_relayhost": "[env]"}).stdout == "[env]\n"


def test_postconf_warns_of_names_that_nobody_has(etc):
    done = postconf("-c", etc, "nosuch", "smtpd_tls_eecdh_grade", "-h", "myhostname")
    assert done.stdout == "h.example\n"
    assert "nosuch: unknown parameter" in done.stderr and "smtpd_tls_eecdh_grade: relaybox has no such parameter" in done.stderr
    (etc / "main.cf").write_text("relayhost = [r]\nqueue_run_delay = soon\nsmtpd_tls_eecdh_grade = ultra\n")
    done = postconf("-c", etc, "relayhost", "queue_run_delay", "smtpd_tls_eecdh_grade")
    assert done.stdout == "relayhost = [r]\nqueue_run_delay = soon\nsmtpd_tls_eecdh_grade = ultra\n" and "main.cf:2" in done.stderr
    (etc / "main.cf").write_text("relayhost = [r]\nnosuchthing = x\n")
    assert "nosuchthing" not in postconf("-c", etc, "-n").stderr
    assert "nosuchthing" in postconf("-c", etc, "-nv").stderr


CHANGES = [["-e", "relayhost = [new]"], ["relayhost=[new]", "fresh =  v  w"], ["-e", "mydestination=$myhostname, localhost"],
           ["-X", "relayhost"], ["-X", "nosuch", "x_banner"], ["-e", "compatibility_level=2", "myhostname=a", "relayhost=b=c"]]


@pytest.mark.parametrize("args", CHANGES, ids=" ".join)
def test_postconf_changes_main_cf_as_postfix_does(etc, tmp_path, args):
    if not os.path.exists(POSTCONF):
        pytest.skip("needs Postfix's postconf")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for name in ("main.cf", "master.cf"):
        shutil.copy(etc / name, theirs / name)
    run([POSTCONF], "-c", theirs, *args)
    assert postconf("-c", etc, *args).stdout == ""
    assert (etc / "main.cf").read_text() == (theirs / "main.cf").read_text() != MAIN
    assert (etc / "main.cf").stat().st_mode & 0o777 == 0o644
    assert sorted(p.name for p in etc.iterdir()) == ["main.cf", "master.cf", "theirs"]


def test_postconf_refuses_what_it_cannot_do_and_changes_nothing(etc):
    for args in (["-e", "relayhost=x", "nothing"], ["-e", "# a=b"], ["-e", "a=b\nc=d"], ["-X", "a=b"], ["-e"], ["-X"], ["-e", "=b"],
                 ["-n", "a=b"], ["-d", "-e", "a=b"], ["-e", "-X", "a"], ["-n", "-d"], ["-M", "-P"], ["-M", "-e", "smtp/unix=x"],
                 ["-P", "2599/inet/syslog_name=x"], ["-Q"]):
        assert postconf("-c", etc, *args, code=64).stderr
    assert (etc / "main.cf").read_text() == MAIN and (etc / "master.cf").read_text() == MASTER
    (etc / "main.cf").unlink()
    assert "make an empty file first" in postconf("-c", etc, "-e", "a=b", code=78).stderr
    assert not (etc / "main.cf").exists()


def test_postconf_editors_at_the_same_time_lose_nothing(etc):
    jobs = [subprocess.Popen([RELAYBOX, "postconf", "-c", str(etc), "-e", "k%d=%d" % (i, i)]) for i in range(20)]
    assert [j.wait(60) for j in jobs] == [0] * 20
    text = (etc / "main.cf").read_text()
    assert text.startswith(MAIN) and sorted(text[len(MAIN):].splitlines()) == sorted("k%d = %d" % (i, i) for i in range(20))


@pytest.mark.parametrize("args", [["-M"], ["-M", "smtp"], ["-M", "smtp/unix"], ["-M", "*/inet"], ["-M", "nosuch", "relay/unix"], ["-P"],
                                  ["-P", "2599/inet/syslog_name"], ["-Ph", "*/*/syslog_name"], ["-P", "relay"], ["-P", "smtp/unix"]], ids=" ".join)
def test_postconf_prints_master_cf_as_postfix_does(etc, args):
    ours = postconf("-c", etc, *args)
    assert ("unmatched request" in ours.stderr) == ("nosuch" in args or args == ["-P", "smtp/unix"])
    assert ours.stdout or "unmatched" in ours.stderr
    if os.path.exists(POSTCONF):
        assert ours.stdout == run([POSTCONF], "-c", etc, *args).stdout
    (etc / "master.cf").write_text("smtp inet n\n")
    assert "line 1" in postconf("-c", etc, *args, code=78).stderr


# --- postfix, postcat -------------------------------------------------------------------------------------------------

PARTS = [(["-q"], "eHhb"), (["-eq"], "e"), (["-hq"], "h"), (["-bq"], "b"), (["-bhq"], "hb"), (["-qv", "-e", "-b"], "eb")]


def look_at_parts(r, qid):
    for flags, parts in PARTS:
        out = r.run("postcat", "-c", r.dir, *flags, qid).stdout.decode()
        assert ("sender: a@x.example\n" in out, "recipient: b@y.example\n" in out) == ("e" in parts,) * 2, (flags, out)
        assert ("\nSubject: subject\n" in out) == ("h" in parts) and ("one\n\ntwo\n" in out) == ("b" in parts), (flags, out)
        assert out.startswith("*** ENVELOPE RECORDS %s ***\n" % qid) == ("e" in parts)
        assert out.endswith("\ntwo\n*** MESSAGE FILE END %s ***\n" % qid) == ("e" in parts and "b" in parts)
        if parts == "hb":
            header, body = out.split("\n\n", 1)
            assert body == "one\n\ntwo\n" and header.splitlines()[-1].split(":")[0].istitle()
        if parts == "b":
            assert out == "one\n\ntwo\n"


def test_postfix_stop_waits_as_long_as_relayd_may_take(tmp_path):
    r = Relay(tmp_path / "r", "shutdown_delay = 11s\nshutdown_timeout = 0s\n").start()
    done = r.run("postfix", "-c", r.dir, "stop", check=False)
    assert done.returncode == 0, done
    assert r.process.wait(5 * SLOW) == 0          # its socket is gone before it is
    r.process = None


def test_postfix_starts_stops_and_steers(tmp_path):
    port = free_port()
    r = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\n" % port)

    def postfix(*args, code=0):
        done = r.run("postfix", "-c", r.dir, *args, check=False)
        assert done.returncode == code, (args, done)
        return done

    assert b"usage:" in postfix("-h").stdout
    for args in ((), ("nosuch",), ("start", "stop"), ("-Q", "start")):
        postfix(*args, code=64)
    for word in ("status", "stop", "reload", "flush"):
        assert b"no relayd answers" in postfix(word, code=69).stderr
    assert b"the configuration is good" in postfix("check").stdout
    # what the daemon writes to is not what its starter is waited for
    with open(r.path("stderr"), "ab") as null:
        start = subprocess.run([RELAYBOX, "postfix", "-v", "-c", r.dir, "start"], env=r.env, stdin=subprocess.DEVNULL, stdout=null,
                               stderr=null, timeout=60)
    try:
        assert start.returncode == 0, r.stderr()
        assert b"relayd runs" in postfix("status").stdout
        assert b"runs already" in postfix("start", code=69).stderr
        r.run("sendmail", "-f", "a@x.example", "b@y.example", stdin="Subject: subject\n\none\n\ntwo\n")
        qid = r.run("relayctl", "queue", "--ids").stdout.decode().strip()
        wait(lambda: r.log_lines("status=deferred"))
        look_at_parts(r, qid)
        assert r.run("postcat", "-q", "0000000000", check=False).returncode == 66
        assert qid.encode() in subprocess.run([RELAYBOX, "--complete", "postcat", "-c", r.dir, "-q", ""], env=r.env, capture_output=True).stdout
        r.run("postconf", "-e", "smtpd_banner=$myhostname changed")
        postfix("reload")
        with socket.create_connection(("127.0.0.1", r.port), 15) as s:
            assert b" changed" in s.recv(1000)
        sink = Sink(port, script={"RCPT": lambda s, a: "450 4.2.0 later" if s.messages else None})
        postfix("flush")
        wait(lambda: sink.messages and r.empty())
        r.run("sendmail", "-f", "a@x.example", "b@y.example", stdin="Subject: subject\n\none\n\ntwo\n")
        qid = r.run("relayctl", "queue", "--ids").stdout.decode().strip()
        wait(lambda: len(r.log_lines("status=deferred")) == 2)
        # what is refused does not keep what runs from being stopped
        r.run("postconf", "-e", "queue_run_delay=soon")
        assert b"refused" in postfix("reload", code=69).stderr
        assert b"queue_run_delay" in postfix("stop").stderr
        r.run("postconf", "-X", "queue_run_delay")
    except BaseException:
        postfix("stop")
        raise
    assert r.log_lines("terminating on request")
    # stopped is stopped: the queue can be had at once, and says what it said
    postfix("status", code=69)
    look_at_parts(r, qid)
    assert r.run("postcat", "-q", "0000000000", check=False).returncode == 66
    assert b"no files" in r.run("postcat", qid, check=False).stderr and r.run("postcat", "-q", check=False).returncode == 64
    r.write("main.cf", "queue_run_delay = soon\n")
    for word in ("start", "start-fg", "check"):
        assert b"main.cf:1" in postfix(word, code=78).stderr


def test_relayd_ends_when_it_is_asked_to(tmp_path):
    r = Relay(tmp_path / "r", "")
    r.process = subprocess.Popen([RELAYBOX, "postfix", "-c", r.dir, "start-fg"], env=r.env, stdin=subprocess.DEVNULL,
                                 stderr=open(r.path("stderr"), "ab"))
    try:
        wait(lambda: r.run("relayctl", "ping", check=False).returncode == 0)
        r.run("relayctl", "stop")
        assert r.process.wait(60) == 0
    finally:
        r.stop()
    assert r.log_lines("terminating on request")
