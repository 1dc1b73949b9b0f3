"""Hosts that send directly: what the relayhost does not take now is kept in the user's own spool and goes out later, once."""
import email
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import RELAYBOX, SLOW, Sink, free_port, wait  # noqa: E402

root_only = pytest.mark.skipif(os.getuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0,
                               reason="needs root and mount namespaces")


class Host:
    """A user's view of a host with nothing but RELAYHOST in the environment."""

    def __init__(self, tmp):
        self.tmp, self.home, self.port = tmp, tmp / "home", free_port()
        self.home.mkdir(mode=0o755)
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "RELAYHOST": "[127.0.0.1]:%d" % self.port,
                    "MAIL_CONFIG": str(tmp / "none"), "POSTFIX_queue_directory": str(tmp / "no-queue"),
                    "POSTFIX_myhostname": "host.example.com", "POSTFIX_smtp_connect_timeout": "5s"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]
        self.spool = self.home / ".relaybox"
        self.var_tmp = tmp / "var-tmp"
        self.var_tmp.mkdir()
        self.var_tmp.chmod(0o1777)
        self.last = self.var_tmp / ("relaybox-%d" % os.getuid())
        self.sinks = []

    def sink(self, **script):
        self.sinks.append(Sink(self.port, script=script))
        return self.sinks[-1]

    def down(self):
        self.sinks.pop().close()

    def command(self, *args, applet="sendmail"):
        """The command; as root with a /var/tmp of its own."""
        own = ["unshare", "-m", "--", "sh", "-c", 'mount --bind "$1" /var/tmp && shift && exec "$@"', "sh", str(self.var_tmp)]
        return (own if os.getuid() == 0 else []) + [RELAYBOX, applet, *args]

    def run(self, *args, input="Subject: s\n\nhello\n", code=0, applet="sendmail", **env):
        r = subprocess.run(self.command(*args, applet=applet), input=input.encode(), capture_output=True, env={**self.env, **env},
                           timeout=60 * SLOW, cwd=self.tmp)
        assert r.returncode == code, (args, r.returncode, r.stdout, r.stderr)
        return r

    def send(self, *rcpts, code=0, **env):
        return self.run("-f", "me@example.com", *(rcpts or ["b@x.org"]), code=code, **env).stderr.decode()

    def drops(self, where=None):
        folder = (where or self.spool) / "maildrop"
        return sorted(folder.iterdir()) if folder.exists() else []

    def letters(self):
        folder = self.spool / "dead.letter"
        return sorted(folder.iterdir()) if folder.exists() else []


@pytest.fixture
def host(tmp_path):
    h = Host(tmp_path)
    yield h
    for s in h.sinks:
        s.close()


def no(what):
    return lambda sink, argument: what if "later" in argument or "never" in argument else None


def test_mail_is_kept_while_the_relayhost_is_down_and_flushed_by_q(host):
    said = host.send()
    assert str(host.spool) in said and "sendmail -q" in said and len(said.splitlines()) == 1
    assert len(host.drops()) == 1
    for p, mode in ((host.spool, 0o700), (host.drops()[0].parent, 0o700), (host.drops()[0], 0o600)):
        assert stat.S_IMODE(p.stat().st_mode) == mode
    assert b"still kept" in host.run("-q", code=75).stderr
    sink = host.sink()
    assert host.run("-q").stderr == b""
    assert [(m.sender, m.rcpts) for m in sink.messages] == [("me@example.com", ["b@x.org"])]
    assert sink.messages[0].body == b"hello\r\n"
    assert host.drops() == []
    host.run("-q")
    assert len(sink.messages) == 1


def test_the_next_run_sends_what_is_due(host):
    host.send("first@x.org")
    sink = host.sink()
    host.send("second@x.org")
    # tried a moment ago: minimal_backoff_time is not over
    assert [m.rcpts for m in sink.messages] == [["second@x.org"]] and len(host.drops()) == 1
    os.utime(host.drops()[0], (0, 0))
    host.send("third@x.org")
    assert [m.rcpts for m in sink.messages] == [["second@x.org"], ["third@x.org"], ["first@x.org"]]
    assert host.drops() == []


def test_refused_for_good_is_reported_and_not_kept(host):
    host.sink(RCPT=lambda s, a: "550 5.1.1 no such user" if "never" in a else None,
              END=lambda s, m: "554 5.7.1 not this" if b"spam" in m.content else None)
    assert "550 5.1.1" in host.send("never@x.org", code=67)
    assert b"554 5.7.1" in host.run("b@x.org", input="\nspam\n", code=69).stderr
    assert host.drops() == []


def test_each_recipient_has_its_own_fate(host):
    answers = {"later": "450 4.2.1 later", "never": "550 5.1.1 no such user"}
    sink = host.sink(RCPT=lambda s, a: next((v for k, v in answers.items() if k in a), None))
    said = host.send("a@x.org", "later@x.org", "never@x.org", code=67)
    assert "kept" in said and "550 5.1.1" in said
    assert [m.rcpts for m in sink.messages] == [["a@x.org"]]
    text = host.drops()[0].read_bytes()
    assert b"later@x.org" in text and b"never@x.org" not in text and b"a@x.org\n" not in text
    answers.clear()
    host.run("-q")
    assert [m.rcpts for m in sink.messages] == [["a@x.org"], ["later@x.org"]] and host.drops() == []


def test_a_later_for_the_content_is_kept_with_its_message_id_and_date(host):
    seen = []

    def end(sink, message):
        seen.append(email.message_from_bytes(message.content))
        return "451 4.3.0 not now" if len(seen) < 3 else None
    host.sink(END=end)
    assert "451 4.3.0" in host.send()
    second = int(time.time())
    wait(lambda: int(time.time()) > second)  # a new Date would be another one
    host.run("-q", code=75)
    host.run("-q")
    assert len(seen) == 3
    assert len({m["Message-Id"] for m in seen}) == 1 and len({m["Date"] for m in seen}) == 1 and seen[0]["Date"]


def test_what_is_too_old_or_refused_later_becomes_a_dead_letter(host):
    host.send("old@x.org", "older@x.org")
    said = host.run("-q", POSTFIX_maximal_queue_lifetime="0").stderr.decode()
    assert host.drops() == [] and len(host.letters()) == 1 and str(host.letters()[0]) in said
    letter = email.message_from_bytes(host.letters()[0].read_bytes())
    assert letter.get_all("X-Envelope-To") == ["<old@x.org>", "<older@x.org>"] and letter["X-Envelope-From"] == "<me@example.com>"
    assert letter["Subject"] == "s" and letter.get_payload() == "hello\r\n" and letter["X-Not-Sent"]
    assert stat.S_IMODE(host.letters()[0].stat().st_mode) == 0o600
    host.send("b@x.org")
    host.sink(RCPT=lambda s, a: "550 5.1.1 gone")
    said = host.run("-q").stderr.decode()
    assert "550 5.1.1 gone" in said and host.drops() == [] and len(host.letters()) == 2


def test_nobody_answering_ends_the_round(host):
    for _ in range(3):
        host.send()
    sink = host.sink(CONNECT=lambda s, a: "DROP")
    host.run("-q", code=75)
    assert sink.sessions == 1 and len(host.drops()) == 3


def test_one_message_that_must_wait_does_not_hold_up_the_others(host):
    for name in ("later", "b", "c"):
        host.send(name + "@x.org")
    sink = host.sink(RCPT=no("450 4.2.1 greylisted"))
    host.run("-q", code=75)
    assert sorted(m.rcpts[0] for m in sink.messages) == ["b@x.org", "c@x.org"] and len(host.drops()) == 1


def test_two_runs_at_once_send_each_message_once(host):
    for i in range(6):
        host.send("b%d@x.org" % i)
    sink = host.sink(END=lambda s, m: time.sleep(0.1))
    runs = [subprocess.Popen(host.command("-q"), env=host.env, stderr=subprocess.PIPE) for _ in range(3)]
    for r in runs:
        r.communicate(timeout=60 * SLOW)
    host.run("-q")
    assert sorted(m.rcpts[0] for m in sink.messages) == ["b%d@x.org" % i for i in range(6)]
    assert host.drops() == []


def test_a_run_that_is_killed_loses_nothing(host):
    host.send()
    reached, go = threading.Event(), threading.Event()

    def end(sink, message):
        reached.set()
        go.wait(30 * SLOW)
        return "DROP" if not go.is_set() else None
    sink = host.sink(END=end)
    run = subprocess.Popen(host.command("-q"), env=host.env)
    assert reached.wait(30 * SLOW)
    run.kill()
    run.wait()
    assert len(host.drops()) == 1
    go.set()
    host.run("-q")
    assert host.drops() == [] and sink.messages[-1].rcpts == ["b@x.org"]


def test_mailq_lists_what_is_kept(host):
    assert b"Mail queue is empty" in host.run("-bp").stdout
    host.send("b@x.org", "c@x.org")
    text = host.run(applet="mailq").stdout.decode()
    assert text.startswith("-Queue ID-") and "me@example.com" in text and "in 1 Request." in text
    assert re.search(r"^ +b@x\.org$", text, re.M) and re.search(r"^ +c@x\.org$", text, re.M)
    # whoever looks need not know where it goes
    assert host.run(applet="mailq", RELAYHOST="").stdout.decode() == text
    row = json.loads(host.run("-j", applet="postqueue").stdout)
    assert row["sender"] == "me@example.com" and [r["address"] for r in row["recipients"]] == ["b@x.org", "c@x.org"]


def test_smtp_on_standard_input_is_kept_too(host):
    r = host.run("-bs", input="EHLO x\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n\r\nx\r\n.\r\nQUIT\r\n")
    assert b"250 2.0.0 Ok: queued as" in r.stdout and len(host.drops()) == 1


def test_a_maildrop_that_appears_takes_what_was_kept(host):
    host.send()
    drop = host.tmp / "queue" / "maildrop"
    drop.mkdir(parents=True)
    drop.chmod(0o700)
    host.send("c@x.org", POSTFIX_queue_directory=str(drop.parent), POSTFIX_minimal_backoff_time="1s")
    os.utime(host.drops()[0], (0, 0)) if host.drops() else None
    host.send("d@x.org", POSTFIX_queue_directory=str(drop.parent))
    text = b"".join(p.read_bytes() for p in drop.iterdir())
    assert host.drops() == [] and all(b"%s@x.org" % n in text for n in (b"b", b"c", b"d"))


@root_only
@pytest.mark.parametrize("kind", ["symlink", "writable by all", "a file"])
def test_a_folder_that_strangers_could_have_made_is_not_used(host, kind):
    other = host.tmp / "other"
    other.mkdir()
    if kind == "symlink":
        host.spool.symlink_to(other)
    elif kind == "a file":
        host.spool.write_text("x")
    else:
        host.spool.mkdir()
        host.spool.chmod(0o777)
    assert "/var/tmp/relaybox-0" in host.send() and len(host.drops(host.last)) == 1
    assert list(other.iterdir()) == [] and (kind == "a file" or list(host.spool.iterdir()) == [])
    # neither is mail taken from such a folder
    (other / "maildrop").mkdir()
    shutil.copy(host.drops(host.last)[0], other / "maildrop")
    sink = host.sink()
    host.run("-q")
    assert len(sink.messages) == 1 and len(list((other / "maildrop").iterdir())) == 1


@root_only
def test_another_users_home_is_not_used(host):
    second = host.tmp / "second"
    second.mkdir()
    os.chown(host.home, 12345, 12345)
    host.send(POSTFIX_sendmail_spool=str(second))
    assert not host.spool.exists() and len(host.drops(second / "relaybox-0")) == 1
    os.chown(second, 12345, 12345)
    assert "/var/tmp/relaybox-0" in host.send(POSTFIX_sendmail_spool=str(second))


@root_only
def test_a_scratch_container_with_a_read_only_root(host):
    """Nothing but the binary: mail goes out; when it cannot, the caller keeps it and hears where a folder is missing."""
    image = host.tmp / "image"
    image.mkdir()
    shutil.copy(RELAYBOX, image / "relaybox")
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec chroot "$@"'

    def run(code):
        r = subprocess.run(["unshare", "-m", "--", "sh", "-c", script, "sh", str(image), str(image), "/relaybox", "sendmail", "b@x.org"],
                           env={**host.env, "HOME": "/"}, input=b"\nhello\n", capture_output=True, timeout=60 * SLOW)
        assert r.returncode == code, r.stderr
        return r.stderr.decode()

    if subprocess.run(["ldd", RELAYBOX], capture_output=True, text=True).stdout.count("=>") > 0:
        pytest.skip("not a static binary")
    said = run(75)
    assert "/.relaybox: Read-only file system" in said and "/var/tmp/relaybox-0: No such file" in said
    sink = host.sink()
    assert run(0) == ""
    assert sink.messages[0].body == b"hello\r\n"


@root_only
def test_a_full_disk_is_a_temporary_failure_that_says_so(host):
    command = ["sh", "-c", 'ulimit -f 0; trap "" XFSZ; exec "$@"', "sh", RELAYBOX, "sendmail", "b@x.org"]
    r = subprocess.run(host.command()[:-2] + command, input=b"\nhello\n", capture_output=True, env=host.env, timeout=60 * SLOW)
    # every folder of the list was tried, none could take the mail
    assert r.returncode == 75 and r.stderr.count(b"File too large") == 2, r.stderr
    assert host.drops() == [] and host.drops(host.last) == []


def test_a_server_for_one_mail_only_gets_that_mail(host):
    host.send("kept@x.org")
    os.utime(host.drops()[0], (0, 0))
    said = host.run("-S", "mta=smtp://127.0.0.1:%d" % free_port(), "b@x.org", input="x\n", applet="mail", code=75).stderr
    assert b"kept in" not in said and len(host.drops()) == 1
    with Sink() as other:
        host.run("-S", "mta=smtp://127.0.0.1:%d" % other.port, "c@x.org", input="x\n", applet="mail")
        assert [m.rcpts for m in other.messages] == [["c@x.org"]] and len(host.drops()) == 1


def test_mail_keeps_its_mail_too(host):
    r = host.run("-s", "hi", "-r", "me@example.com", "b@x.org", input="hello\n", applet="mail")
    assert b"kept in" in r.stderr and len(host.drops()) == 1
    sink = host.sink()
    host.run("-q")

    def sent():
        return sink.messages
    assert email.message_from_bytes(wait(sent)[0].content)["Subject"] == "hi"


def test_mailq_tells_why_and_postsuper_deletes(host):
    host.send("b@x.org")
    host.send("c@x.org")
    listing = host.run("-bp").stdout.decode()
    assert listing.count("Connection refused)") == 2
    ids = re.findall(r"^([0-9a-f]{16})", listing, re.M)
    said = host.run("-d", ids[0], applet="postsuper").stderr.decode()
    assert said == "postsuper: %s: removed\npostsuper: Deleted: 1 message\n" % ids[0] and len(host.drops()) == 1
    assert host.run("delete", ids[1].upper(), applet="relayctl").stdout == b"Deleted: 1 message\n" and not host.drops()
    assert not list((host.spool / "why").iterdir())
    host.run("-d", ids[0], applet="postsuper", code=69)


def test_a_reason_follows_the_last_try(host):
    host.send("b@x.org", "c@x.org")
    host.sink(RCPT=lambda sink, argument: "450 4.2.0 not now, %s" % argument if "c@" in argument else None)
    host.run("-q", code=75)
    listing = host.run("-bp").stdout.decode()
    assert "450 4.2.0 not now" in listing and "Connection refused" not in listing and "b@x.org" not in listing.splitlines()[-3]
    assert len(host.drops()) == len(list((host.spool / "why").iterdir())) == 1


def aliases(host, text):
    (host.tmp / "aliases").write_text(text)
    return {"POSTFIX_alias_maps": "hash:%s" % (host.tmp / "aliases"), "POSTFIX_mydestination": "host.example.com"}


def test_aliases_hold_without_a_daemon(host):
    sink = host.sink()
    env = aliases(host, "root: admin@x.org, ops\nops: ops, o1@x.org\nlist: root, l@x.org\n")
    assert host.send("root", **env) == ""
    assert sorted(sink.messages[-1].rcpts) == ["admin@x.org", "o1@x.org", "ops@host.example.com"]
    host.send("Root@Host.Example.Com", "nobody", "other@y.org", **env)
    assert sorted(sink.messages[-1].rcpts) == ["admin@x.org", "nobody@host.example.com", "o1@x.org", "ops@host.example.com", "other@y.org"]
    host.send("root", POSTFIX_alias_maps="hash:/nonexistent/aliases", POSTFIX_mydestination="host.example.com")
    assert sink.messages[-1].rcpts == ["root@host.example.com"]


def test_kept_mail_goes_where_the_alias_said(host):
    env = aliases(host, "root: admin@x.org, b@x.org\n")
    host.send("root", **env)
    sink = host.sink(RCPT=lambda sink, argument: "450 4.2.0 later" if "b@" in argument else None)
    host.run("-q", code=75)
    del sink.script["RCPT"]
    host.run("-q")
    assert [m.rcpts for m in sink.messages] == [["admin@x.org"], ["b@x.org"]]


def test_direct_mail_is_logged(host):
    log = host.tmp / "mail.log"
    log.touch()
    env = {"POSTFIX_maillog_file": str(log), "POSTFIX_maillog_file_prefixes": str(host.tmp)}
    host.send("b@x.org", **env)
    host.sink()
    host.run("-q", **env)
    lines = log.read_text().splitlines()
    assert len(lines) == 5
    for begin in (lines[0], lines[3]):
        assert " postfix/sendmail[" in begin and "from=<me@example.com>" in begin
    assert " connect to 127.0.0.1" in lines[1] and "Connection refused" in lines[1]
    assert "to=<b@x.org>" in lines[2] and re.search(r"status=deferred \(.*127\.0\.0\.1.*: Connection refused", lines[2])
    assert "to=<b@x.org>" in lines[4] and "status=sent" in lines[4]


@root_only
def test_kept_where_a_restart_does_not_forget_it(host):
    # PrivateTmp, and a file system in memory
    private = host.tmp / "systemd-private-0123-app.service-x" / "tmp"
    private.mkdir(parents=True)
    for mount in ("mount --bind %s /var/tmp" % private, "mount -t tmpfs none /var/tmp"):
        r = subprocess.run(["unshare", "-m", "--", "sh", "-c", mount + ' && exec "$@"', "sh", RELAYBOX, "sendmail", "-f", "me@example.com", "b@x.org"],
                           input=b"\nx\n", capture_output=True, env={**host.env, "HOME": "/tmp"}, timeout=60 * SLOW)
        assert r.returncode == 75 and b"/tmp: a restart forgets it, /var/tmp: a restart forgets it" in r.stderr, r.stderr


def test_mail_in_the_maildrop_of_a_relayd_that_does_not_run(host):
    queue = host.tmp / "queue"
    (queue / "maildrop").mkdir(parents=True)
    env = {"POSTFIX_queue_directory": str(queue)}
    assert "no relayd runs" in host.send("b@x.org", **env)
    for applet, args in (("sendmail", ["-bp"]), ("mailq", []), ("postqueue", ["-p"]), ("relayctl", ["queue"])):
        listing = host.run(*args, applet=applet, **env).stdout.decode()
        assert "b@x.org" in listing and "me@example.com" in listing, (applet, listing)
    assert json.loads(host.run("-j", applet="postqueue", **env).stdout)["recipients"][0]["address"] == "b@x.org"


@root_only
def test_a_table_that_only_root_may_read(host):
    table = host.tmp / "sasl_passwd"
    table.write_text("[127.0.0.1]:%d u:p\n" % host.port)
    table.chmod(0o600)
    for path in (host.tmp, *host.tmp.parents):
        if str(path) != "/tmp" and path.stat().st_uid == 0 and str(path).startswith("/tmp/"):
            path.chmod(0o755)
    env = {**host.env, "POSTFIX_smtp_sasl_auth_enable": "yes", "POSTFIX_smtp_sasl_password_maps": "hash:%s" % table, "HOME": "/nonexistent"}
    r = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", RELAYBOX, "sendmail", "-f", "me@example.com", "b@x.org"], input=b"\nx\n",
                       capture_output=True, env=env, timeout=60 * SLOW)
    shutil.rmtree("/var/tmp/relaybox-65534", ignore_errors=True)
    assert b"may not be read by uid 65534" in r.stderr and b"run \"mapgen" not in r.stderr, r.stderr
