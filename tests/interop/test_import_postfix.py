"""relayctl import-postfix: the queue that Debian's Postfix leaves behind, for us."""
import os
import re
import shutil
import signal
import smtplib
import subprocess
import time

import pytest
from lab import Relay, Sink, free_port, wait, open_folder
from own_postfix import Postfix, needs_postfix

CHECKS = """\
/^X-Drop/ IGNORE
/^Subject: edit/ PREPEND X-Added: yes
/^Subject: hold/ HOLD
/^Subject: redirect/ REDIRECT elsewhere@example.net
/^Subject: filter/ FILTER smtp:[127.0.0.1]:9
"""


class Queue(Postfix):
    """One whose relay is away, so that mail stays."""

    def __init__(self, folder, more=""):
        super().__init__(folder, free_port(), "header_checks = regexp:%s/conf/checks\nsmtputf8_enable = yes\n%s" % (folder, more))
        (folder / "conf/checks").write_text(CHECKS)

    def files(self, *queues):
        return [os.path.join(folder, name) for q in queues for folder, _, names in os.walk(self.dir / "queue" / q) for name in names]

    def settled(self, n, *queues):
        wait(lambda: len(self.files(*queues)) == n and not self.files("incoming", "active"), 30)

    def sendmail(self, *args, stdin):
        subprocess.run(["/usr/lib/postfix/sbin/sendmail" if os.path.exists("/usr/lib/postfix/sbin/sendmail") else "/usr/sbin/sendmail",
                        "-C", str(self.dir / "conf"), *args], input=stdin, check=True, capture_output=True)


@pytest.fixture
def folder():
    needs_postfix()
    with open_folder() as path:
        yield path


def taken(done):
    """from -> id, and from -> why it is left."""
    rows = done.stdout.decode().splitlines()
    return (dict(re.fullmatch(r"(\S+): now (\S+)", row).groups() for row in rows if ": now " in row),
            dict(row.split(": left: ") for row in rows if ": left: " in row))


LONG = "z" * 5000
BODY = "Subject: %s\r\nX-Drop: 1\r\n\r\n.dot\r\n" + LONG + "\r\n\tgr\u00fcn\r\n\r\nlast\r\n"


def test_what_postfix_has_is_here_and_stays_there(folder):
    with Queue(folder / "postfix") as theirs:
        with smtplib.SMTP("127.0.0.1", theirs.port, timeout=30) as c:
            c.ehlo("client.example")
            c.sendmail("a@example.com", ["b@example.org", "c@example.org"], (BODY % "edit").encode(), mail_options=["RET=HDRS", "ENVID=e+2Bx", "BODY=8BITMIME"],
                       rcpt_options=["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;o@example.com"])
            c.sendmail("", ["null@example.org"], "Subject: hold\r\n\r\nx\r\n")
            c.sendmail("a@example.com", ["r1@example.org", "r2@example.org"], "Subject: redirect\r\n\r\nx\r\n")
            c.sendmail("a@example.com", ["bare@example.org"], "no header here\r\nbody\r\n")
            c.sendmail("a@example.com", ["m%d@example.org" % i for i in range(50)], "Subject: many\r\n\r\nx\r\n")
            c.sendmail("a@example.com", ["f@example.org"], "Subject: filter\r\n\r\nx\r\n")
        theirs.settled(6, "deferred", "hold")
    # after master is gone nobody picks it up
    theirs.sendmail("-f", "me@example.com", "drop1@example.org", "drop2@example.org", stdin=b"Subject: drop\n\nfirst\n.second\n")
    theirs.sendmail("-t", stdin=b"From: me@example.com\nTo: t1@example.org\nBcc: t2@example.org\nSubject: from header\n\nx\n")
    before = {name: open(name, "rb").read() for name in theirs.files("deferred", "hold", "maildrop")}
    assert len(before) == 8
    with Sink(extensions=("PIPELINING", "8BITMIME", "SIZE 50000000", "DSN")) as sink:
        mail = []
        sink.script["MAIL"] = lambda s, a: mail.append(a)
        with Relay(folder / "r", "relayhost = [127.0.0.1]:%d\nsmtp_line_length_limit = 0\n" % sink.port) as r:
            done = r.run("relayctl", "import-postfix", str(folder / "postfix/queue"), check=False)
            now, left = taken(done)
            assert done.returncode == 75 and done.stdout.decode().splitlines()[-1] == "7 messages taken over, 1 left"
            assert list(left.values()) == ["it is for a content filter (content_filter, FILTER)"]
            assert before == {name: open(name, "rb").read() for name in theirs.files("deferred", "hold", "maildrop")}
            wait(lambda: len(sink.messages) >= 6)
            assert "null@example.org" in r.run("relayctl", "queue", "--state", "hold").stdout.decode()
            wait(lambda: "1 Request" in r.mailq())
            assert len(r.log_lines("adopted: was [0-9A-F]+ of Postfix")) == 5
    got = {re.search(rb"Subject: (.*)\r\n", m.content).group(1).decode() if b"Subject: " in m.content else "bare": m for m in sink.messages}
    assert sorted(got["edit"].rcpts) == ["b@example.org", "c@example.org"] and got["edit"].sender == "a@example.com"
    head, body = got["edit"].content.split(b"\r\n\r\n", 1)
    assert body == (".dot\r\n" + LONG + "\r\n\tgr\u00fcn\r\n\r\nlast\r\n").encode()
    assert b"\r\nX-Added: yes\r\nSubject: edit\r\n" in head and b"X-Drop" not in head and head.startswith(b"Received: from client.example")
    assert head.count(b"Received: ") == 1 and head.count(b"Message-Id: ") == 1
    options = next(a for a in mail if "ENVID" in a)
    assert "RET=HDRS" in options and "ENVID=e+2Bx" in options and "BODY=8BITMIME" in options
    assert got["redirect"].rcpts == ["elsewhere@example.net"]
    assert got["bare"].content.split(b"\r\n\r\n", 1)[1] == b"no header here\r\nbody\r\n"
    assert len(got["many"].rcpts) == 50
    assert sorted(got["drop"].rcpts) == ["drop1@example.org", "drop2@example.org"] and got["drop"].body == b"first\r\n.second\r\n"
    assert sorted(got["from header"].rcpts) == ["t1@example.org", "t2@example.org"] and b"t2@" not in got["from header"].content
    # a mail that Postfix itself would deliver now is the same but for our own trace field
    assert got["drop"].sender == "me@example.com" and b"Message-Id: " in got["drop"].header


def test_with_remove_it_is_gone_there(folder):
    with Queue(folder / "postfix") as theirs:
        with smtplib.SMTP("127.0.0.1", theirs.port, timeout=30) as c:
            for i in range(10):
                c.sendmail("a@example.com", ["u%d@example.org" % i], "Subject: x\r\n\r\nx\r\n")
        theirs.settled(10, "deferred")
        with Relay(folder / "r", "relayhost = [127.0.0.1]:%d\n" % free_port()) as r:
            done = r.run("relayctl", "import-postfix", "--remove", str(folder / "postfix/queue"), check=False)
            assert done.returncode == 66 and b"Postfix runs there" in done.stderr
    with Relay(folder / "r", "relayhost = [127.0.0.1]:%d\n" % free_port()) as r:
        done = r.run("relayctl", "import-postfix", "--remove", str(folder / "postfix/queue"))
        assert b"10 messages taken over, 0 left" in done.stdout and theirs.files("deferred") == []
        assert b"0 messages taken over, 0 left" in r.run("relayctl", "import-postfix", "--remove", str(folder / "postfix/queue")).stdout


def test_who_has_it_already_and_what_is_not_whole(folder):
    with Sink(script={"RCPT": lambda s, a: "450 later" if "late" in a else "550 no" if "never" in a else None}) as sink:
        with Queue(folder / "postfix", "relayhost = [127.0.0.1]:%d\n" % sink.port) as theirs:
            with smtplib.SMTP("127.0.0.1", theirs.port, timeout=30) as c:
                c.sendmail("a@example.com", ["now@example.org", "late@example.org"], "Subject: x\r\n\r\nx\r\n")
            theirs.settled(1, "deferred")
            wait(lambda: len(sink.messages) == 1)
    whole, = theirs.files("deferred")
    text = open(whole, "rb").read()
    rows = {"CUT": (text[:-1], "damaged, or cut off"), "END": (text[:-2], "it is not complete"), "HEAD": (text[:text.index(b"log_client_name") + 5], "damaged, or cut off"),
            "TEXT": (b"hello", "it is no queue file of Postfix"),
            "TYPE": (text.replace(b"N\x0cSubject", b"?\x0cSubject") if b"N\x0cSubject" in text else text[:-4] + b"?" + text[-3:], "its content is damaged"),
            "FALSE": (text.replace(b"a@example.com", b"a@exa\nple.com"), "its envelope has control characters"),
            "WRONG": (text.replace(b"late@example.org", b"late example org"), "is none that mail can be sent with")}
    for name, (content, _) in rows.items():
        with open(theirs.dir / "queue/deferred" / name, "wb") as f:
            f.write(content)
        os.chmod(theirs.dir / "queue/deferred" / name, 0o700)
        shutil.chown(theirs.dir / "queue/deferred" / name, "postfix", "postfix")
    with open(theirs.dir / "queue/incoming/UNDONE", "wb") as f:
        f.write(text)
    os.chmod(theirs.dir / "queue/incoming/UNDONE", 0o600)
    shutil.chown(theirs.dir / "queue/incoming/UNDONE", "postfix", "postfix")
    os.symlink("/etc/shadow", theirs.dir / "queue/deferred/LINK")
    shutil.copy(whole, theirs.dir / "queue/hold/NOTICE")
    shutil.chown(theirs.dir / "queue/hold/NOTICE", "postfix", "postfix")
    os.makedirs(theirs.dir / "queue/bounce/N", exist_ok=True)
    open(theirs.dir / "queue/bounce/N/NOTICE", "w").close()
    with Sink() as sink, Relay(folder / "r", "relayhost = [127.0.0.1]:%d\n" % sink.port) as r:
        done = r.run("relayctl", "import-postfix", str(folder / "postfix/queue"), check=False)
        now, left = taken(done)
        assert len(now) == 1 and done.returncode == 75
        for name, (_, why) in rows.items():
            assert why in left["deferred/" + name], (name, left)
        assert left["incoming/UNDONE"] == "Postfix has not finished it" and "LINK" in left
        assert "(bounce/)" in left["hold/NOTICE"]
        wait(r.empty)
        assert [m.rcpts for m in sink.messages] == [["late@example.org"]]


def file(name, sendopts=0):
    """A queue file as Postfix 3.11 writes it, put there by hand."""
    rows = [("C", "%15d %15d %15d %15d %15d %15d" % (9, 100, 1, 0, 9, sendopts)), ("T", "1700000000 5"), ("S", "a@example.com"),
            ("R", "b@example.org"), ("M", ""), ("N", "Subject: by hand"), ("N", ""), ("N", "x"), ("X", ""), ("E", "")]
    os.makedirs(os.path.dirname(name), exist_ok=True)
    with open(name, "wb") as f:
        f.write(b"".join(b"%c%c%s" % (ord(t), len(d), d.encode()) for t, d in rows))
    os.chmod(name, 0o700)


@pytest.fixture
def by_hand(tmp_path):
    os.makedirs(tmp_path / "queue/active")
    os.makedirs(tmp_path / "queue/deferred")
    return tmp_path


def test_requiretls_of_postfix_comes_along(by_hand):
    """SOPT_REQUIRETLS_ESMTP (threats B3): such mail does not go on in the clear because it changed its queue."""
    file(by_hand / "queue/deferred/ABC1", 1 << 5)
    file(by_hand / "queue/deferred/ABC2")
    with Sink() as sink, Relay(by_hand / "r", "relayhost = [127.0.0.1]:%d\n" % sink.port) as r:
        now, left = taken(r.run("relayctl", "import-postfix", str(by_hand / "queue")))
        assert len(now) == 2 and not left
        r.wait_log("%s: .*status=bounced" % now["deferred/ABC1"])
        r.wait_log("%s: .*status=sent" % now["deferred/ABC2"])
        assert [m.rcpts for m in sink.messages] == [["b@example.org"]]


def test_names_that_are_no_queue_ids_are_left_and_steer_no_terminal(by_hand):
    """A name goes into a request to relayd, the log and root's terminal (threats F3, F6, J1)."""
    names = ["AB\nC", "AB\x1b[2JC", "AB C", "AB.bak"]
    for name in names:
        file(str(by_hand / "queue/deferred") + "/" + name)
    os.symlink("nowhere", by_hand / "queue/deferred/L\x1b[2JK")
    with Relay(by_hand / "r", "relayhost = [127.0.0.1]:%d\n" % free_port()) as r:
        done = r.run("relayctl", "import-postfix", str(by_hand / "queue"), check=False)
        rows = done.stdout.decode().splitlines()
        assert rows[-1] == "0 messages taken over, 5 left" and len(rows) == 6 and b"\x1b" not in done.stdout
        assert sum("its name is no queue id" in row for row in rows) == 4
        assert not r.log_lines("adopted")


def test_what_is_no_queue_of_postfix_is_told(folder):
    with Relay(folder / "r") as r:
        for name, why in ((str(folder), b"no queue_directory of Postfix"), (str(folder / "nothing"), b"No such file")):
            done = r.run("relayctl", "import-postfix", name, check=False)
            assert done.returncode == 66 and why in done.stderr
