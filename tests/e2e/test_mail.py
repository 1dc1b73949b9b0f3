"""mail on a terminal (a pty), and its rarer flags."""
import base64
import email
import email.policy
import fcntl
import os
import re
import pty
import resource
import select
import struct
import subprocess
import termios
import time

import pytest

from lab import RELAYBOX, SLOW, Relay, wait
from test_applets import box  # noqa: F401

INTERRUPT, END = b"\x03", b"\x04"
TIOCGPTN = 0x80045430


class Terminal:
    """mail with a terminal of its own as its controlling one."""

    def __init__(self, box, *args, env=None):
        env = dict(os.environ, MAIL_CONFIG=str(box.etc), HOME=str(box.tmp), **(env or {}))
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(box.tmp)
            os.execve(RELAYBOX, ["mail", *args], env)
        number = struct.unpack("I", fcntl.ioctl(self.fd, TIOCGPTN, b"    "))[0]
        self.slave = os.open("/dev/pts/%d" % number, os.O_RDWR | os.O_NOCTTY)
        self.seen = b""

    def expect(self, text):
        end = time.monotonic() + 20 * SLOW
        while text not in self.seen:
            assert time.monotonic() < end, (text, self.seen)
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    data = os.read(self.fd, 4096)
                except OSError:
                    data = b""
                assert data, (text, self.seen)
                self.seen += data
        self.seen = self.seen[self.seen.index(text) + len(text):]

    def type(self, data):
        os.write(self.fd, data)

    def taken(self):
        """What was typed has been read: an interrupt would drop it."""
        def empty():
            "mail to read its terminal"
            return fcntl.ioctl(self.slave, termios.FIONREAD, b"    ") == b"\0\0\0\0"
        wait(empty)

    def wait(self):
        os.close(self.slave)
        # the rest is read, or mail could not end
        while True:
            try:
                if not os.read(self.fd, 4096):
                    break
            except OSError:
                break
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.mark.parametrize("end", [b".\n", END])
def test_a_letter_by_hand(box, end):
    sink = box.listen()
    t = Terminal(box, "-r", "me@x.org", "b@x.org")
    t.expect(b"Subject: ")
    t.type("Grüße\n".encode())
    t.expect(b"Ctrl-D")
    t.type("~q is text\nä\n..\n".encode())
    t.expect(b"\r\n..\r\n")
    t.type(end)
    assert t.wait() == 0
    assert sink.parsed()["Subject"] == "Grüße"
    assert sink.last[2].endswith("\r\n\r\n~q is text\r\nä\r\n..\r\n".encode())
    assert not (box.tmp / "dead.letter").exists()


def test_interrupting_twice_cancels_and_keeps_the_text(box):
    sink = box.listen()
    (box.tmp / "dead.letter").write_text("old\n")
    t = Terminal(box, "-s", "x", "b@x.org")
    t.expect(b"twice")
    t.type(b"one\n")
    t.expect(b"one\r\n")
    t.taken()
    t.type(INTERRUPT)
    t.expect(b"one more")
    t.type(b"two\n")
    t.expect(b"two\r\n")
    t.taken()
    t.type(INTERRUPT)
    t.expect(b"one more")
    t.type(INTERRUPT)
    assert t.wait() == 1
    assert not sink.messages
    assert (box.tmp / "dead.letter").read_bytes() == b"old\none\r\ntwo\r\n"


def test_a_letter_that_is_refused_is_kept(box):
    box.listen()
    t = Terminal(box, "-s", "x", "nobody@x.org")
    t.expect(b"twice")
    t.type(b"precious\n")
    t.expect(b"precious\r\n")
    t.type(b".\n")
    assert t.wait() == 67
    assert (box.tmp / "dead.letter").read_bytes() == b"precious\r\n"


def test_file_names_and_long_fields(box):
    sink = box.listen()
    name = "Übersicht über das – vergangene – Geschäftsjahr mit einem sehr langen Namen.pdf"
    (box.tmp / name).write_bytes(b"%PDF-1.4\n\0binary")
    (box.tmp / "notes").write_text("läuft\n")
    (box.tmp / "raw").write_bytes(b"\0\1\2")
    subject = "Ein sehr langer Betreff mit Umläuten, " * 8
    to = ["person%02d@example.org" % i for i in range(20)]
    box.run("mail", "-s", subject.strip(), "-a", name, "-A", "notes", "-a", "raw", "-a", "X-Note: " + "wort " * 60 + "ende",
            "-c", "Jörg Ä <joerg@x.org>", *to, input="Text\n")
    header = sink.last[2].split(b"\r\n\r\n")[0]
    assert all(len(line) <= 100 for line in header.split(b"\r\n")) and header.isascii()
    parsed = sink.parsed()
    assert parsed["Subject"] == subject.strip() and parsed["X-Note"] == "wort " * 60 + "ende"
    assert [a.addr_spec for a in parsed["To"].addresses] == to and parsed["Cc"].addresses[0].display_name == "Jörg Ä"
    assert sorted(sink.last[1]) == sorted(to + ["joerg@x.org"])
    files = {p.get_filename(): (p.get_content_type(), p.get_payload(decode=True)) for p in parsed.iter_attachments()}
    assert files == {name: ("application/pdf", b"%PDF-1.4\n\0binary"), "notes": ("text/plain", "läuft\n".encode()),
                     "raw": ("application/octet-stream", b"\0\1\2")}


@pytest.mark.parametrize("name", ["ACME, Müller", 'Jörg "J." Maier (Ops) <x>', "a; é: @b"])
def test_names_with_signs_of_the_grammar(box, name):
    sink = box.listen()
    quoted = '"%s"' % name.replace('"', '\\"')
    box.run("mail", "-r", quoted + " <me@x.org>", quoted + " <b@x.org>", input="x\n")
    for field in ("From", "To"):
        assert [a.display_name for a in sink.parsed()[field].addresses] == [name]
    assert sink.last[:2] == ("me@x.org", ["b@x.org"])
    box.run("mail", "-r", "me@x.org (Jörg, too)", "b@x.org", input="x\n")
    assert [str(a) for a in sink.parsed()["From"].addresses] == ['"Jörg, too" <me@x.org>']
    box.run("sendmail", "-F", name, "b@x.org", input="To: b@x.org\n\nx\n")
    assert [a.display_name for a in sink.parsed()["From"].addresses] == [name]


def test_text_from_files_and_its_type(box):
    sink = box.listen()
    (box.tmp / "page.html").write_text("<p>ä</p>\n")
    (box.tmp / "head").write_text("quoted\n")
    box.run("mail", "-M", "text/html", "-m", "page.html", "-s", "x", "b@x.org")
    assert sink.parsed().get_content_type() == "text/html" and sink.parsed().get_content() == "<p>ä</p>\n"
    box.run("mail", "-q", "head", "-s", "x", "-b", "hidden@x.org", "b@x.org", input="text\n")
    assert sink.parsed().get_content() == "quoted\ntext\n" and sink.last[1] == ["b@x.org", "hidden@x.org"]
    assert sink.parsed()["Bcc"] is None
    box.run("mail", "-m", "missing", "b@x.org", code=66)
    box.run("mail", "-a", "./missing", "b@x.org", input="x", code=64)
    box.run("mail", "-A", "./missing", "b@x.org", input="x", code=66)
    box.run("mail", "-A", "account", "b@x.org", input="x\n")
    assert not list(sink.parsed().iter_attachments())


def test_attached_mail_and_bytes_that_are_no_text(box):
    sink = box.listen()
    (box.tmp / "m.eml").write_bytes(b"Subject: inner\r\n\r\nx\r\n")
    box.run("mail", "-a", "m.eml", "-s", "x", "b@x.org", input=b"\xff\xfe not utf-8\n")
    parsed = email.message_from_bytes(sink.last[2], policy=email.policy.compat32)
    text, mail = parsed.get_payload()
    assert text.get_payload(decode=True).rstrip() == b"\xff\xfe not utf-8" and text.get_content_charset() == "unknown-8bit"
    assert base64.b64decode(mail.get_payload()) == b"Subject: inner\r\n\r\nx\r\n"


def test_a_file_whose_name_has_a_colon_is_attached(box):
    sink = box.listen()
    (box.tmp / "backup-10:30.log").write_text("1\n")
    box.run("mail", "-a", "backup-10:30.log", "-a", "X-Short:value", "-a", "X-Long: value", "b@x.org", input="x\n")
    assert [part.get_filename() for part in sink.parsed().iter_attachments()] == ["backup-10:30.log"]
    assert (sink.parsed()["X-Short"], sink.parsed()["X-Long"]) == ("value", "value")


def test_lists_without_commas(box):
    sink = box.listen()
    box.run("mail", "-c", "c@x.org\td@x.org", "a@x.org  b@x.org\n", input="x\n")
    assert sink.last[1] == ["a@x.org", "b@x.org", "c@x.org", "d@x.org"]
    assert sink.parsed()["To"] == "a@x.org, b@x.org" and sink.parsed()["Cc"] == "c@x.org, d@x.org"
    box.run("mail", "A B <a@x.org>", input="x\n")
    assert sink.last[1] == ["a@x.org"]


def test_more_recipients_than_a_field_holds(box):
    sink = box.listen()
    rcpts = ["user%d@x.org" % i for i in range(9000)]
    box.run("mail", *rcpts, input="x\n")
    assert sorted(r for message in sink.messages for r in message[1]) == sorted(rcpts)
    # header_size_limit cuts what people see of them, at a whole address or not, never the list of those who get it
    assert sink.parsed()["To"].startswith("user0@x.org, user1@x.org")


def test_options_complete_a_whole_message(box):
    sink = box.listen()
    options = ["-t", "-s", "option", "-r", "me@x.org", "-c", "c@x.org", "-a", "X-A: b"]
    box.run("mail", *options, "b@x.org", input="From x Mon\nTo: a@x.org\n\nbody\n")
    assert sink.last[:2] == ("me@x.org", ["b@x.org", "c@x.org", "a@x.org"]) and sink.last[2].endswith(b"\r\n\r\nbody\r\n")
    assert [sink.parsed()[name] for name in ("Subject", "From", "Cc", "X-A", "To")] == ["option", "me@x.org", "c@x.org", "b", "a@x.org"]
    box.run("mail", *options, input="To: a@x.org\nSubject: own\nfrom: you@x.org\n\nbody\n")
    assert sink.parsed().get_all("Subject") == ["own"] and sink.parsed().get_all("From") == ["you@x.org"]
    (box.tmp / "file").write_text("1\n")
    for more in (["-a", "file"], ["-M", "text/html"]):
        assert b"whole message" in box.run("mail", "-t", *more, input="To: a@x.org\n\nbody\n", code=64).stderr
    assert len(sink.messages) == 2


def test_environment_of_mailx(box):
    sink = box.listen()
    box.run("mail", "b@x.org", input="x\n", env={"REPLYTO": "team@x.org"})
    assert sink.parsed()["Reply-To"] == "team@x.org"
    box.run("mail", "-S", "replyto=me@x.org", "b@x.org", input="x\n", env={"REPLYTO": "team@x.org"})
    assert sink.parsed().get_all("Reply-To") == ["me@x.org"]
    dead = box.tmp / "letters"
    t = Terminal(box, "-s", "x", "nobody@x.org", env={"DEAD": str(dead)})
    t.expect(b"twice")
    t.type(b"precious\n.\n")
    assert t.wait() == 67 and dead.read_bytes() == b"precious\r\n"


def test_options_of_other_mailx_are_taken(box):
    sink = box.listen()
    box.run("mail", "-n", "-N", "-i", "-I", "-v", "-d", "-F", "-u", "root", "-T", "x", "-:", "/", "--subject=long", "--return-address=me@x.org",
            "--append=X-A: b", "--cc=c@x.org", "--bcc=d@x.org", "--content-type=text/plain", "b@x.org", input="x\n")
    assert sink.last[:2] == ("me@x.org", ["b@x.org", "c@x.org", "d@x.org"])
    assert sink.parsed()["Subject"] == "long" and sink.parsed()["X-A"] == "b"
    (box.tmp / "a").write_text("1\n")
    box.run("mail", "--mime", "--encoding=base64", "--content-filename=first.txt", "--attach=a", "--content-name", "second", "-a", "a", "-A", "a",
            "b@x.org", input="x\n")
    assert [part.get_filename() for part in sink.parsed().iter_attachments()] == ["first.txt", "second", "a"]
    box.run("mail", "--to", input="To: e@x.org\n\nx\n")
    assert sink.last[1] == ["e@x.org"]
    for flag in ("-e", "-H", "-f"):
        assert b"No mail" in subprocess.run([RELAYBOX, "mail", flag], capture_output=True, timeout=60 * SLOW).stderr


def test_copies_named_as_fields_are_sent(box):
    sink = box.listen()
    box.run("mail", "-s", "x", "-r", "me@x.org", "-c", "c1@x.org", "-a", "Cc: c2@x.org", "-a", "Bcc: h@x.org", "-C", "To: t2@x.org", "t1@x.org", input="x\n")
    m = sink.parsed()
    assert sorted(sink.last[1]) == ["c1@x.org", "c2@x.org", "h@x.org", "t1@x.org", "t2@x.org"]
    assert m.get_all("To") == ["t2@x.org, t1@x.org"] and m.get_all("Cc") == ["c1@x.org, c2@x.org"] and "Bcc" not in m


def test_a_field_that_may_be_there_once_is(box):
    sink = box.listen()
    box.run("mail", "-s", "x", "-r", "me@x.org", "-a", "Subject: y", "-a", "From: Me <me2@x.org>", "-a", "X-A: 1", "-a", "X-A: 2", "-a",
            "Reply-To: r@x.org", "-a", "reply-to: r2@x.org", "b@x.org", input="x\n", env={"REPLYTO": "z@x.org"})
    m = sink.parsed()
    assert m.get_all("Subject") == ["y"] and m.get_all("From") == ["Me <me2@x.org>"] and m.get_all("X-A") == ["1", "2"]
    assert m.get_all("Reply-To") == ["r2@x.org"] and sink.last[0] == "me@x.org"


def test_a_new_letter_has_its_author_beside_fields_of_resending(box):
    sink = box.listen()
    box.run("mail", "-s", "s", "-a", "Resent-To: q@x.org", "b@x.org", input="x\n")
    header = sink.last[2].split(b"\r\n\r\n")[0].decode()
    assert re.search(r"^From: .*@", header, re.M) or re.search(r"^From: .*<", header, re.M)
    assert re.search(r"^Resent-From: ", header, re.M) and "Resent-To: q@x.org" in header


def test_encoded_words_are_not_encoded_again(box):
    sink = box.listen()
    box.run("mail", "-s", "=?UTF-8?B?w7w=?=", "-a", "X-A: =?iso-8859-1?q?=FC?= x", "b@x.org", input="x\n")
    assert b"\r\nSubject: =?UTF-8?B?w7w=?=\r\nX-A: =?iso-8859-1?q?=FC?= x\r\n" in b"\r\n" + sink.last[2]


@pytest.mark.parametrize("args, empty", [(("-E", "set escape"), True), (("-E",), False), (("-E", "unset x y"), True)])
def test_a_command_after_e_is_no_recipient(box, args, empty):
    sink = box.listen()
    box.run("mail", *args, "-s", "x", "b@x.org", input="text\n")
    assert sink.last[1] == ["b@x.org"] and sink.parsed()["To"] == "b@x.org"
    # GNU's -E says nothing about an empty text, the others' does
    box.run("mail", *args, "-s", "x", "b@x.org", input="")
    assert len(sink.messages) == (2 if empty else 1)


@pytest.mark.parametrize("args", [("-#",), ("-~",), ("-R",), ("-B",), ("-D",), ("-X", "set foo"), ("-Y", "x"), ("-n", "-~#")])
def test_flags_of_s_nail_are_taken(box, args):
    sink = box.listen()
    box.run("mail", *args, "-s", "x", "b@x.org", input="text\n")
    assert sink.last[1] == ["b@x.org"] and sink.parsed()["Subject"] == "x"


def test_a_dot_ends_the_options(box):
    sink = box.listen()
    box.run("mail", "-s", "x", "-.", "b@x.org", "c@x.org", input="text\n")
    assert sink.last[1] == ["b@x.org", "c@x.org"]


def test_version_is_told(box):
    assert box.run("mail", "-V").stdout == box.run("--version").stdout
    assert box.run("sendmail", "-bV").stdout == box.run("--version").stdout


def test_no_standard_input_is_an_empty_text(box):
    sink = box.listen()
    for applet in ("mail", "sendmail"):
        r = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", RELAYBOX, applet, "b@x.org"], capture_output=True,
                           env=dict(os.environ, MAIL_CONFIG=str(box.etc), HOME=str(box.tmp)))
        assert r.returncode == 0, r.stderr
    assert len(sink.messages) == 2 and [m[2].split(b"\r\n\r\n", 1)[1] for m in sink.messages] == [b"", b""]


def test_one_bad_address_costs_itself(box):
    sink = box.listen()
    r = box.run("mail", "-s", "x", "-c", "Joe @ Work <j@x.org>, no@@x", "CORP\\joe <k@x.org>", "'a@x.org' <a@x.org>", input="x\n", code=65)
    assert sink.last[1] == ["k@x.org", "a@x.org", "j@x.org"]
    assert b'Cc: "no@@x"' in r.stderr
    assert sink.parsed()["Cc"] == '"Joe @ Work" <j@x.org>'
    r = box.run("mail", "-r", "no@@x", "b@x.org", input="x\n", code=64)
    assert r.stderr.startswith(b"mail: -r no@@x: not an address")


@pytest.mark.skipif(SLOW > 1, reason="the sanitizers take address space of their own")
@pytest.mark.parametrize("option", ["-a", "-q"])
def test_a_file_without_an_end_is_refused(tmp_path, option):
    """With as much memory as anybody has; what is read of it is bounded."""
    relay = Relay(tmp_path, "relayhost = [127.0.0.1]:9\n")
    done = subprocess.run([RELAYBOX, "mail", "-s", "x", option, "/dev/zero", "to@example.net"], env=dict(relay.env, MAIL_CONFIG=relay.dir), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)))
    assert done.returncode == 66 and "/dev/zero: File too large" in done.stderr, done
