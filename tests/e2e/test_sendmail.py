"""sendmail's flags, each by what it changes; those that change nothing are in test_applets.py."""
import os
import signal
import socket
import subprocess

import pytest

from lab import RELAYBOX, SLOW, Relay, free_port, wait
from test_applets import Control, box  # noqa: F401

MESSAGE = "Subject: s\n\nhello\n"


def submit(box, *args, input=MESSAGE, code=0):
    r = box.run("sendmail", "-f", "list@example.com", *args, input=input, code=code)
    return r.stderr.decode()


def test_dsn_wishes_travel(box):
    sink = box.listen()
    submit(box, "-N", "success,failure", "-R", "hdrs", "-V", "abc+1", "b@x.org")
    assert {"RET=HDRS", "ENVID=abc+2B1"} <= set(sink.last[3])
    assert box.controllers[0].rcpt_params == ["NOTIFY=SUCCESS,FAILURE"]
    submit(box, "-N", "never", "-R", "full", "b@x.org")
    assert "RET=FULL" in sink.last[3] and box.controllers[0].rcpt_params == ["NOTIFY=NEVER"]


@pytest.mark.parametrize("flag,value", [("-N", "sometimes"), ("-N", "never,delay"), ("-R", "half"), ("-V", "x" * 101), ("-V", "a\nb")])
def test_bad_dsn_wishes_only_warn(box, flag, value):
    sink = box.listen()
    assert "warning: " + flag in submit(box, flag, value, "b@x.org")
    assert len(sink.messages) == 1 and not [p for p in sink.last[3] if p.startswith(("RET", "ENVID"))]


@pytest.mark.parametrize("flag", ["-i", "-oi", "-oiee", "-oitrue", "-ti"])
def test_a_dot_is_text(box, flag):
    sink = box.listen()
    submit(box, flag, "b@x.org", input="Subject: s\n\na\n.\nb\n")
    assert sink.last[2].endswith(b"\r\n\r\na\r\n.\r\nb\r\n")


def test_full_name_of_nobody(box):
    sink = box.listen()
    submit(box, "-F", "", "b@x.org")
    assert b"From:" not in sink.last[2]  # what is added then has no name


def test_each_recipient_gets_it_once(box):
    sink = box.listen()
    submit(box, "-t", "b@x.org", "c@x.org", input="To: B@x.org, root\nCc: c@X.org, root\n\nx\n")
    assert sink.last[1] == ["b@x.org", "c@x.org", "root"]


@pytest.mark.parametrize("mode", ["-q", "-bp", "-bi"])
def test_recipients_want_a_message(box, mode):
    assert "message only" in submit(box, mode, "b@x.org", code=64)


def test_verp_gives_each_recipient_a_sender(box):
    sink = box.listen()
    submit(box, "-XV", "b@x.org", "c@y.org", "root")
    assert [(m[0], m[1]) for m in sink.messages] == [("list+b=x.org@example.com", ["b@x.org"]), ("list+c=y.org@example.com", ["c@y.org"]),
                                                     ("list+root@example.com", ["root"])]
    submit(box, "-XV-=", "-t", input="To: b@x.org\n\nx\n")
    assert sink.last[0] == "list-b=x.org@example.com"
    submit(box, "-X", "/var/log/traffic", "b@x.org")
    assert sink.last[0] == "list@example.com"


def test_verp_says_what_is_wrong(box):
    sink = box.listen()
    for args in (["-XV+"], ["-XV+a"], ["-XVxyz"]):
        assert "delimit" in submit(box, *args, "b@x.org", code=64)
    assert b"sender" in box.run("sendmail", "-XV", "-f", "", "b@x.org", input=MESSAGE, code=64).stderr
    assert not sink.messages


def test_verp_goes_on_after_a_refused_recipient(box):
    sink = box.listen()
    assert "nobody@x.org" in submit(box, "-XV", "nobody@x.org", "b@x.org", code=67)
    assert [m[1] for m in sink.messages] == [["b@x.org"]]


def test_what_cannot_be_promised_is_refused(box):
    sink = box.listen()
    assert "REQUIRETLS is required" in submit(box, "-O", "requiretls=yes", "b@x.org", code=75) and not sink.messages
    submit(box, "-O", "requiretls=no", "b@x.org")
    assert len(sink.messages) == 1
    for flush in ("-qI", "-qR"):
        assert "are known" in submit(box, flush, code=64)


@pytest.mark.parametrize("named", ["directory", "file"])
def test_c_names_the_configuration(box, named):
    sink = box.listen()
    path = str(box.etc if named == "directory" else box.etc / "main.cf")
    box.run("sendmail", "-C", path, "b@x.org", input=MESSAGE, env={"MAIL_CONFIG": "/nonexistent"})
    assert len(sink.messages) == 1


LF_FIRST, CRLF_FIRST = b"Subject: s\n\nx\r\n\r\ny\n", b"Subject: s\r\n\r\nx\r\n\ny\n"
LONG = b"X: " + b"x" * 16379


@pytest.mark.parametrize("how,message,want", [
    ("always", LF_FIRST, b"Subject: s\r\n\r\nx\r\n\r\ny\r\n"),
    ("always", CRLF_FIRST, b"Subject: s\r\n\r\nx\r\n\r\ny\r\n"),
    ("strict", LF_FIRST, b"Subject: s\r\n\r\nx \r\n \r\ny\r\n"),
    ("strict", CRLF_FIRST, b"Subject: s\r\n\r\nx\r\n\r\ny\r\n"),
    ("never", LF_FIRST, b"Subject: s\r\n\r\nx \r\n \r\ny\r\n"),
    # the first line ends with the first piece that is read, and its CR and LF are in two of them
    ("strict", LONG + b"x\r\n\nx\r\n", LONG + b"x\r\n\r\nx\r\n"),
    ("strict", LONG + b"xx\n\nx\r\n", LONG + b"xx\r\n\r\nx \r\n"),
])
def test_line_ends_are_what_the_configuration_says(box, how, message, want):
    box.conf(sendmail_fix_line_endings=how)
    sink = box.listen()
    box.run("sendmail", "-f", "", "b@x.org", input=message)
    assert sink.last[2] == want


@pytest.mark.parametrize("call", [["sendmail", "-bi"], ["sendmail", "-I"], ["newaliases"], ["sendmail", "-bi", "-oA"]])
def test_alias_tables_are_built(box, call):
    (box.tmp / "aliases").write_text("root: admin@example.com\n")
    (box.tmp / "other").write_text("x: y@example.com\n")
    box.conf(alias_database="hash:%s" % (box.tmp / "aliases"))
    table = "aliases"
    if call[-1] == "-oA":
        call, table = call[:-1] + ["-oA%s" % (box.tmp / "other")], "other"
    box.run(*call)
    assert (box.tmp / (table + ".cdb")).exists()
    assert not (box.tmp / ("aliases.cdb" if table == "other" else "other.cdb")).exists()


def test_bv_explains_addresses(box):
    control = Control(box.spool / "control", {"explain": "+=> transport smtp, nexthop [relay]\n.\n"})
    try:
        assert b"nexthop [relay]" in box.run("sendmail", "-bv", "-f", "me@x.org", "b@x.org").stdout
        assert control.asked[-1] == "explain b@x.org from=me@x.org"
        box.run("sendmail", "-bv", "-t", code=64)
        box.run("sendmail", "-bv", code=64)
        box.run("sendmail", "-bv", "b@x.org control=1", code=64)
    finally:
        control.sock.shutdown(socket.SHUT_RDWR)
        control.sock.close()


def test_verbose_twice_shows_configuration_warnings(box):
    box.listen()
    box.conf(no_such_parameter_here="1")
    assert "no_such_parameter_here" not in submit(box, "-v", "b@x.org")
    assert "no_such_parameter_here" in submit(box, "-v", "-v", "b@x.org")


def test_input_that_cannot_be_read(box):
    box.listen()
    fd = os.open("/", os.O_RDONLY)
    try:
        r = subprocess.run([RELAYBOX, "sendmail", "b@x.org"], stdin=fd, capture_output=True, timeout=60 * SLOW,
                           env=dict(os.environ, MAIL_CONFIG=str(box.etc)))
    finally:
        os.close(fd)
    assert r.returncode == 65 and b"standard input" in r.stderr


@pytest.mark.parametrize("mode", ["-bd", "-bl"])
def test_bd_starts_the_daemon(tmp_path, mode):
    relay = Relay(tmp_path)
    subprocess.run([RELAYBOX, "sendmail", mode, "-q30m", "-C", str(tmp_path)], check=True, timeout=60 * SLOW, env=relay.env,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def daemon():
        "a relayd with this configuration"
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = open("/proc/%s/cmdline" % pid).read().split("\0")
            except OSError:
                continue
            if "relayd" in words[0] and str(tmp_path) in words:
                return int(pid)
    pid = wait(daemon)
    try:
        wait(lambda: relay.run("relayctl", "-c", relay.dir, "ping", check=False).returncode == 0)
    finally:
        os.kill(pid, signal.SIGTERM)
    wait(lambda: not daemon())


def test_users_who_may_not_send(box, tmp_path):
    sink = box.listen()
    box.conf(authorized_submit_users="nobody-here, nor-here")
    assert "authorized_submit_users" in submit(box, "b@x.org", code=77)
    r = box.run("sendmail", "-bs", input="EHLO x\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n\r\nx\r\n.\r\nQUIT\r\n")
    assert b"554 5.0.0 Error: you are not in" in r.stdout and not sink.messages


def test_relayd_does_not_trust_the_program(tmp_path):
    """Who may not send cannot send with a program of his own either: by the socket, or into the maildrop."""
    with Relay(tmp_path, "authorized_submit_users = nobody-here\nrelayhost = [127.0.0.1]:%d\n" % free_port()) as relay:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(relay.path("queue", "submit"))
            f = s.makefile("rwb")
            f.write(b"EHLO x\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nQUIT\r\n")
            f.flush()
            assert b"\r\n550 5.7.0 you are not in" in f.read()
        anyone = {"POSTFIX_authorized_submit_users": "static:anyone", "POSTFIX_sendmail_submission": "maildrop"}
        relay.run("sendmail", "b@x.org", stdin=MESSAGE, extra_env=anyone)
        assert relay.wait_log(r"maildrop/\S+: refused: uid %d is not in authorized_submit_users" % os.getuid())
        wait(lambda: not [n for n in os.listdir(relay.path("queue", "maildrop")) if not n.startswith(".")])
        assert relay.empty()


@pytest.mark.parametrize("mode", ["-q", "-bp", "-bi", "-bs", "-bd", "-bh", "-bH", "-I", "-qIABC", "-qRx.org"])
def test_t_wants_a_message(box, mode):
    for args in ((mode, "-t"), ("-t", mode)):
        assert "-t can be used only in delivery mode" in submit(box, *args, input="To: b@x.org\n\nx\n", code=64)


# the words behind the first recipient are recipients, as in Postfix
@pytest.mark.parametrize("args", [("-fevil@x.org",), ("-f", "evil@x.org"), ("-r", "evil@x.org"), ("-C", "/nonexistent"), ("-bp",), ("-q",), ("-F", "Evil")])
def test_no_option_counts_behind_a_recipient(box, args):
    sink = box.listen()
    assert "begins with -" in submit(box, "-i", "a@x.org", *args, code=65)
    assert sink.last[0] == "list@example.com" and sink.last[1][0] == "a@x.org" and not [r for r in sink.last[1] if r.startswith("-")]
    assert b"Evil" not in sink.last[2]


def test_gvmd_calls_with_i_at_the_end(box):
    sink = box.listen()
    submit(box, "a@x.org", "-i", input="Subject: s\n\na\n.\nb\n")
    assert sink.last[1] == ["a@x.org"] and sink.last[2].endswith(b"\r\n\r\na\r\n.\r\nb\r\n")
    submit(box, "a@x.org", "-t", "-i", input="To: b@x.org\n\n.\nb\n")
    assert sink.last[1] == ["a@x.org", "b@x.org"]


# what Postfix's sendmail makes of the same words (tests/unit/test_msg_addr.c has many more)
@pytest.mark.parametrize("text, rcpts", [
    ("o\\'donnel@x.org", ["o'donnel@x.org"]), ("'a@b.org' <a@b.org>", ["a@b.org"]), ("CORP\\joe <j@x.org>", ["j@x.org"]),
    ("Joe @ Work <j@x.org>", ["j@x.org"]), ("a@x.org b@x.org", ["a@x.org", "b@x.org"]), ('"b@x.org"', ["b@x.org"]), ("a@x.org; b@x.org", ["a@x.org", "b@x.org"]),
])
def test_addresses_as_postfix_reads_them(box, text, rcpts):
    sink = box.listen()
    submit(box, text)
    assert sink.last[1] == rcpts
    submit(box, "-t", input="To: %s\nSubject: s\n\nx\n" % text)
    assert sink.last[1] == rcpts


def test_a_bad_address_costs_only_itself(box):
    sink = box.listen()
    assert 'Cc: "b@@x.org"' in submit(box, "-t", input="To: a@x.org\nCc: b@@x.org, c@x.org\n\nx\n", code=65)
    assert sink.last[1] == ["a@x.org", "c@x.org"]
    assert 'recipient: "b@@x.org"' in submit(box, "b@@x.org", code=65) and len(sink.messages) == 1


@pytest.mark.parametrize("text, sender", [("a@x.org c@y.org", "a@x.org"), ("a@x.org,c@y.org", "a@x.org"), ("a@x.org;b", "a@x.org"),
                                          ("a@x.org\nBcc: q@x.org", "a@x.org"), ("Joe Doe <a@x.org>", "a@x.org")])
def test_of_several_senders_the_first_one_counts(box, text, sender):
    """As in Postfix: the message of whoever calls so wrongly is sent, and the caller is told."""
    sink = box.listen()
    r = box.run("sendmail", "-f", text, "b@x.org", input=MESSAGE)
    assert sink.last[0] == sender and sink.last[1] == ["b@x.org"]
    assert ("the first one counts" in r.stderr.decode()) == ("Joe" not in text)


def test_who_sends_again_is_told_as_postfix_tells_it(box):
    sink = box.listen()
    box.run("sendmail", "-t", "-f", "me@b.org", "-F", "Me", input="Resent-Bcc: a@x.org\nTo: b@x.org\n\nx\n")
    header = sink.last[2].split(b"\r\n\r\n")[0].decode()
    assert sink.last[1] == ["a@x.org"] and "\r\nResent-From: Me <me@b.org>" in "\r\n" + header
    assert "\nFrom:" not in header
