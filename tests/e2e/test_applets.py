"""The applets as people and scripts call them, against a fake relayd (aiosmtpd on the submit socket), a fake relayhost and
the tools of other mail systems."""
import base64
import email
import email.policy
import json
import os
import pathlib
import shutil
import re
import socket
import ssl
import stat
import subprocess
import tempfile
import threading
import time

import pytest

aiosmtpd_controller = pytest.importorskip("aiosmtpd.controller")
from aiosmtpd.smtp import SMTP, AuthResult  # noqa: E402

from lab import SLOW  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELAYBOX = os.path.abspath(os.environ.get("RELAYBOX", ROOT / "build" / "relaybox"))


class Sink:
    """Keeps what it is given; refuses recipients that say so."""

    def __init__(self):
        self.messages = []
        self.logins = []

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address.startswith("nobody"):
            return "550 5.1.1 <%s>: User unknown" % address
        if address.startswith("later"):
            return "450 4.2.0 <%s>: try again" % address
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server, session, envelope):
        self.messages.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content, list(envelope.mail_options)))
        return "250 2.0.0 Ok: queued as 8DE012082C"

    def parsed(self, n=-1):
        return email.message_from_bytes(self.messages[n][2].replace(b"\r\n", b"\n"), policy=email.policy.default)

    def __getattr__(self, name):
        # not a property: aiosmtpd looks at every attribute of its handler
        if name == "last":
            return self.messages[-1]
        raise AttributeError(name)


class Submit(threading.Thread):
    """The submit socket as relayd has it: everything pipelined, BDAT, DSN parameters."""

    def __init__(self, path, sink):
        super().__init__(daemon=True)
        self.sink = sink
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(path)
        self.sock.listen(16)
        self.start()

    def stop(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def run(self):
        while True:
            try:
                c, _ = self.sock.accept()
            except OSError:
                return
            try:
                with c, c.makefile("rwb") as f:
                    self.serve(f)
            except OSError:
                pass

    def serve(self, f):
        def say(text):
            f.write(text.encode() + b"\r\n")
            f.flush()

        say("220 box.example.com ESMTP")
        sender, params, rcpts, content = None, [], [], b""
        for line in f:
            assert line.endswith(b"\r\n")
            word, _, rest = line.decode().rstrip("\r\n").partition(" ")
            if word == "EHLO":
                for k in ("box", "PIPELINING", "SIZE 50000000", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8"):
                    say("250-" + k)
                say("250 CHUNKING")
            elif word == "MAIL":
                path, *params = rest[5:].split(" ")
                sender, rcpts, content = path[1:-1], [], b""
                say("250 2.1.0 Ok")
            elif word == "RCPT":
                path, *self.rcpt_params = rest[3:].split(" ")
                if path.startswith("<nobody"):
                    say("550 5.1.1 %s: User unknown" % path)
                elif path.startswith("<later"):
                    say("450 4.2.0 %s: try again" % path)
                else:
                    rcpts.append(path[1:-1])
                    say("250 2.1.5 Ok")
            elif word in ("BDAT", "DATA") and not rcpts:
                if word == "BDAT":
                    f.read(int(rest.split()[0]))
                say("554 5.5.1 Error: no valid recipients")
            elif word == "BDAT":
                size, *last = rest.split()
                content += f.read(int(size))
                if last:
                    self.sink.messages.append((sender, rcpts, content, params))
                    rcpts = []
                say("250 2.0.0 Ok: queued as 8DE012082C" if last else "250 2.0.0 Ok: %s bytes" % size)
            elif word == "DATA":
                say("354 go on")
                rows = []
                while (row := f.readline()) != b".\r\n":
                    rows.append(row[row.startswith(b"."):])
                content = b"".join(rows)
                self.sink.messages.append((sender, rcpts, content, params))
                rcpts = []
                say("250 2.0.0 Ok: queued as 8DE012082C")
            elif word == "QUIT":
                say("221 2.0.0 Bye")
                return
            else:
                say("250 2.0.0 Ok")


class Box:
    def __init__(self, tmp):
        self.tmp = tmp
        self.etc = tmp / "etc"
        self.spool = tmp / "spool"
        self.etc.mkdir()
        self.spool.mkdir()
        self.conf()
        self.sink = Sink()
        self.controllers = []

    def conf(self, **extra):
        rows = {"compatibility_level": "3.6", "myhostname": "box.example.com", "mydestination": "", "queue_directory": self.spool,
                "alias_maps": "", "alias_database": "", "smtp_host_lookup": "native, dns", **extra}
        (self.etc / "main.cf").write_text("".join("%s = %s\n" % row for row in rows.items()))

    def listen(self):
        self.controllers.append(Submit(str(self.spool / "submit"), self.sink))
        return self.sink

    def listen_tcp(self, **kw):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        c = aiosmtpd_controller.Controller(self.sink, hostname="127.0.0.1", port=port, enable_SMTPUTF8=True,
                                           server_hostname="sink.example.com", **kw)
        c.start()
        self.controllers.append(c)
        return port

    def run(self, *args, input=b"", code=0, env=None):
        if isinstance(input, str):
            input = input.encode()
        e = {k: v for k, v in os.environ.items() if not k.startswith(("POSTFIX_", "RELAYHOST", "MAIL", "NAME"))}
        r = subprocess.run([RELAYBOX, *map(str, args)], input=input, capture_output=True, timeout=60 * SLOW,
                           env={**e, "HOME": str(self.tmp), "MAIL_CONFIG": str(self.etc), **(env or {})}, cwd=self.tmp)
        assert code is None or r.returncode == code, (args, r.returncode, r.stdout, r.stderr)
        return r

    def close(self):
        for c in self.controllers:
            c.stop()


@pytest.fixture
def box(tmp_path):
    b = Box(tmp_path)
    yield b
    b.close()


# --- the dispatcher -------------------------------------------------------------------------------------------------


def test_list_names_every_applet_and_alias(box):
    names = box.run("--list").stdout.decode().split()
    for name in "sendmail mailq newaliases mail mailx relayd postconf postfix relayctl postqueue postsuper postcat mapgen postmap postalias mxcheck".split():
        assert name in names


def test_install_makes_links_that_work(box):
    for flag, is_link in (("-s", True), (None, False)):
        d = box.tmp / ("bin" + (flag or ""))
        d.mkdir()
        binary = box.tmp / "relaybox"
        if not binary.exists():
            shutil.copy(RELAYBOX, binary)
        subprocess.run([str(binary), "--install", *([flag] if flag else []), str(d)], check=True)
        assert (d / "mailq").is_symlink() == is_link
        out = subprocess.run([str(d / "postmap"), "--help"], capture_output=True)
        assert out.returncode == 0 and b"mapgen" in out.stdout
        again = subprocess.run([str(binary), "--install", *([flag] if flag else []), str(d)])
        assert again.returncode == 0


def test_uninstall_takes_away_its_links_alone(tmp_path):
    for flag in (["-s"], []):
        here, there = tmp_path / ("here%d" % len(flag)), tmp_path / ("there%d" % len(flag))
        for folder in (here, there):
            folder.mkdir()
        binary = shutil.copy(RELAYBOX, here / "relaybox")
        for folder in (here, there):
            subprocess.run([binary, "--install", *flag, folder], check=True)
        for name in ("mailq", "postmap"):
            (there / name).unlink()
        (there / "mailq").write_text("another program")
        (there / "postmap").symlink_to("/nowhere/relaybox")
        subprocess.run([binary, "--uninstall", there], check=True)
        assert sorted(os.listdir(there)) == ["mailq", "postmap"]
        subprocess.run([binary, "--uninstall"], check=True, cwd=tmp_path)
        assert os.listdir(here) == ["relaybox"]
    assert subprocess.run([binary, "--uninstall", here, there], stderr=subprocess.DEVNULL).returncode == 64


def test_a_binary_with_the_name_of_an_applet_is_not_taken_for_a_link(tmp_path):
    binary = shutil.copy(RELAYBOX, tmp_path / "mail")
    (tmp_path / "relaybox").symlink_to("mail")
    for words in (["--install", "-s", "-f", "."], ["--uninstall", "."]):
        subprocess.run([tmp_path / "relaybox", *words], check=True, cwd=tmp_path)
        assert os.path.isfile(binary) and not os.path.islink(binary)
        assert os.path.islink(tmp_path / "mailq") == (words[0] == "--install")


def test_install_does_not_replace_another_program(box):
    (box.tmp / "sendmail").write_text("someone else's")
    r = box.run("--install", "-s", box.tmp, code=73)
    assert b"-f replaces" in r.stderr
    assert (box.tmp / "sendmail").read_text() == "someone else's"


def test_every_applet_has_help_and_refuses_unknown_options(box):
    for name in ("sendmail", "mail", "relayctl", "postconf", "postfix", "postcat", "mapgen", "mxcheck"):
        assert b"usage:" in box.run(name, "--help").stdout
        assert b"--help" in box.run(name, "--no-such-option", code=64).stderr
    assert b"no applet" in box.run("frobnicate", code=64).stderr


# --- sendmail -------------------------------------------------------------------------------------------------------

CALLS = [
    ("cronie", ["-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "root"]),
    ("php", ["-t", "-i"]),
    ("php -f", ["-t", "-i", "-f", "www@example.com"]),
    ("git send-email", ["-f", "me@example.com", "-i", "b@example.com"]),
    ("debian cron", ["-i", "-FCronDaemon", "-B8BITMIME", "-oem", "b@example.com"]),
    ("mdadm", ["-t"]),
    ("ignored flags", ["-Am", "-h", "10", "-L", "tag", "-p", "x", "-X", "log", "-G", "-U", "-c", "-m", "-n", "-x", "-e", "m", "-t"]),
    ("dsn", ["-N", "success,failure", "-R", "hdrs", "-V", "abc", "-t"]),
    ("end of options", ["-oi", "--", "b@example.com"]),
    ("other -O", ["-O", "DeliveryMode=b", "-t"]),
]


@pytest.mark.parametrize("flags", [c[1] for c in CALLS], ids=[c[0] for c in CALLS])
def test_sendmail_takes_what_callers_pass(box, flags):
    sink = box.listen()
    box.run("sendmail", *flags, input="To: b@example.com\nSubject: x\n\nhello\n")
    assert sink.last[1] == ["b@example.com"]
    assert sink.last[2].endswith(b"\r\n\r\nhello\r\n")


def test_sendmail_t_takes_to_cc_bcc_and_drops_bcc(box):
    sink = box.listen()
    box.run("sendmail", "-t", "e@x.org", input="To: A <a@x.org>, b@x.org\nCc: (note) c@x.org\nBcc: d@x.org,\n f@x.org\n"
            "Subject: s\n\ntext\n")
    assert sorted(sink.last[1]) == ["a@x.org", "b@x.org", "c@x.org", "d@x.org", "e@x.org", "f@x.org"]
    assert sink.parsed()["Bcc"] is None
    assert sink.parsed()["To"] == "A <a@x.org>, b@x.org"


def test_sendmail_t_prefers_resent_fields(box):
    sink = box.listen()
    box.run("sendmail", "-t", input="To: a@x.org\nResent-To: r@x.org\nResent-Bcc: s@x.org\n\ntext\n")
    assert sorted(sink.last[1]) == ["r@x.org", "s@x.org"]


def test_sendmail_recipient_argument_is_a_list(box):
    sink = box.listen()
    box.run("sendmail", 'a@x.org, "X, Y" <b@x.org>', input="Subject: s\n\ntext\n")
    assert sink.last[1] == ["a@x.org", "b@x.org"]


@pytest.mark.parametrize("flag,want", [("", ""), ("<>", ""), ("Some One <me@x.org>", "me@x.org"), ("me@x.org", "me@x.org")])
def test_sendmail_f(box, flag, want):
    sink = box.listen()
    box.run("sendmail", "-f", flag, "b@x.org", input="Subject: s\n\ntext\n")
    assert (sink.last[0] or "") == want


def test_sendmail_adds_from_with_the_full_name_only_when_missing(box):
    sink = box.listen()
    box.run("sendmail", "-F", "Jörg Ä.", "-f", "me@x.org", "b@x.org", input="Subject: s\n\ntext\n")
    assert sink.parsed()["From"].addresses[0].display_name == "Jörg Ä."
    assert sink.last[2].isascii()
    box.run("sendmail", "-F", 'A "B" C.', "-f", "me@x.org", "b@x.org", input="Subject: s\n\ntext\n")
    assert sink.parsed()["From"].addresses[0].display_name == 'A "B" C.'
    box.run("sendmail", "-F", "X", "-f", "me@x.org", "b@x.org", input="From: other@x.org\n\ntext\n")
    assert sink.parsed().get_all("From") == ["other@x.org"]


def test_sendmail_dot_ends_only_without_i(box):
    sink = box.listen()
    box.run("sendmail", "b@x.org", input="Subject: s\n\none\n.\ntwo\n")
    assert sink.last[2].endswith(b"\r\n\r\none\r\n")
    box.run("sendmail", "-i", "b@x.org", input="Subject: s\n\none\n.\ntwo\n")
    assert sink.last[2].endswith(b"\r\n\r\none\r\n.\r\ntwo\r\n")


def test_sendmail_body_without_header_and_leading_from_lines(box):
    sink = box.listen()
    box.run("sendmail", "-f", "", "b@x.org", input="From me Thu Jan  1\n>From you\nhello world\nSubject: no\n")
    assert sink.last[2] == b"\r\nhello world\r\nSubject: no\r\n"


@pytest.mark.parametrize("body", [b"a\r\nb\r\n", b"a\nb", b"a\rb\n", "ü\n".encode(), b"..\n.a\n", b"x" * 2000 + b"\n", b"",
                                  b"\xff\xfe\n"], ids=repr)
def test_sendmail_keeps_the_body(box, body):
    sink = box.listen()
    box.run("sendmail", "-i", "-f", "", "b@x.org", input=b"Subject: s\n\n" + body)
    want = body.replace(b"\r\n", b"\n").replace(b"\r", b" ").replace(b"\n", b"\r\n")
    if want and not want.endswith(b"\r\n"):
        want += b"\r\n"
    assert sink.last[2] == b"Subject: s\r\n\r\n" + want


def test_sendmail_big_message(box):
    sink = box.listen()
    body = os.urandom(3_000_000).hex().encode()
    body = b"\n".join(body[i:i + 70] for i in range(0, len(body), 70)) + b"\n"
    box.run("sendmail", "-f", "", "b@x.org", input=b"Subject: s\n\n" + body, code=None)
    assert sink.last[2] == b"Subject: s\r\n\r\n" + body.replace(b"\n", b"\r\n")


def test_sendmail_refuses_what_is_too_big(box):
    box.conf(message_size_limit="1000")
    box.listen()
    r = box.run("sendmail", "b@x.org", input=b"Subject: s\n\n" + b"x" * 2000, code=69)
    assert b"too big" in r.stderr


def test_sendmail_without_recipients_is_a_usage_error(box):
    box.listen()
    assert b"recipient" in box.run("sendmail", input="x\n", code=64).stderr
    assert b"no recipient" in box.run("sendmail", "-t", input="Subject: x\n\ny\n", code=64).stderr


def test_sendmail_refused_recipients(box):
    sink = box.listen()
    assert b"550 5.1.1" in box.run("sendmail", "nobody@x.org", input="\nx\n", code=67).stderr
    assert b"450 4.2.0" in box.run("sendmail", "later@x.org", input="\nx\n", code=75).stderr
    r = box.run("sendmail", "nobody@x.org", "b@x.org", input="\nx\n", code=67)
    assert b"1 of 2" in r.stderr and sink.last[1] == ["b@x.org"]


def test_sendmail_usage_errors(box):
    for args in (["-bz"], ["-B", "9BIT", "a@x"], ["-qX"]):
        box.run("sendmail", *args, input="x", code=64)


def test_sendmail_modes_that_do_nothing(box):
    box.run("sendmail", "-bh")
    box.run("sendmail", "-bH")
    box.run("sendmail", "-q30m")


def test_sendmail_verbose_says_the_queue_id(box):
    box.listen()
    assert b"8DE012082C" in box.run("sendmail", "-v", "b@x.org", input="\nx\n").stderr


def test_sendmail_utf8_address_asks_for_smtputf8(box):
    sink = box.listen()
    box.run("sendmail", "-f", "me@x.org", "jörg@x.org", input="Subject: s\n\nx\n")
    assert sink.last[1] == ["jörg@x.org"] and "SMTPUTF8" in sink.last[3]


# what the dialogue of -bs leaves in the message: Postfix's form, but for an id that no queue has
OF_BS = rb"Received: from me \(localhost \[127\.0\.0\.1\]\)\r\n\tby \S+ \(\S+\) with %s\r\n\tfor <b@x\.org>; [^\r]+\r\n"


def test_sendmail_bs(box):
    sink = box.listen()
    r = box.run("sendmail", "-bs", input=b"EHLO me\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\nSubject: s\r\n\r\n..dot\r\n"
                b".\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<nobody@x.org>\r\nDATA\r\n\r\nx\r\n.\r\nQUIT\r\n")
    assert re.fullmatch(OF_BS % rb"ESMTP" + rb"Subject: s\r\n\r\n\.dot\r\n", sink.messages[0][2])
    lines = r.stdout.decode().splitlines()
    assert any(line.startswith("250 2.0.0 Ok: queued as") for line in lines)
    assert any(line.startswith("554") for line in lines) and lines[-1].startswith("221")


def test_sendmail_bs_takes_as_many_recipients_as_the_parameter_says(box):
    box.listen()
    address = "a" * 56 + "%d@" + ".".join(["d" * 60] * 2) + ".x"
    rcpts = "".join("RCPT TO:<%s> ORCPT=rfc822;%s\r\n" % (address % i, address % i) for i in range(1000))
    replies = box.run("sendmail", "-bs", input="EHLO me\r\nMAIL FROM:<a@x.org>\r\n%sRSET\r\nQUIT\r\n" % rcpts).stdout.decode().splitlines()
    assert len([line for line in replies if line.startswith("250 2.1.5")]) == 1000


def test_sendmail_bs_of_a_program_that_writes_lf(box):
    sink = box.listen()
    dialogue = b"HELO me\nMAIL FROM:<a@x.org>\nRCPT TO:<b@x.org>\nDATA\nSubject: s\n\n..dot\n.\nQUIT\n"
    r = box.run("sendmail", "-bs", input=dialogue)
    assert re.fullmatch(OF_BS % rb"SMTP" + rb"Subject: s\r\n\r\n\.dot\r\n", sink.last[2]) and r.stdout.endswith(b"Bye\r\n")
    # where lines end with CRLF, a dot between bare LFs is content
    box.run("sendmail", "-bs", input=dialogue.replace(b"\n", b"\r\n").replace(b"..dot\r\n", b"a\n.\nMAIL FROM:<b@x.org>\r\n"))
    assert len(sink.messages) == 2 and b"MAIL FROM" in sink.last[2]


# --- the other ways out ----------------------------------------------------------------------------------------------


def test_maildrop_when_nobody_listens(box):
    drop = box.spool / "maildrop"
    drop.mkdir(mode=0o700)
    box.run("sendmail", "-f", "me@x.org", "b@x.org", input="Subject: s\n\nhello\n")
    names = [p for p in drop.iterdir() if not p.name.startswith(".")]
    assert len(names) == 1
    data = names[0].read_bytes()
    assert data.startswith(b"relaybox-maildrop 1\n") and data.endswith(b"Subject: s\r\nFrom: " + data.split(b"From: ")[1])
    assert stat.S_IMODE(names[0].stat().st_mode) == 0o600


def test_maildrop_of_another_user_is_not_readable_by_strangers(box):
    drop = box.spool / "maildrop"
    drop.mkdir()
    drop.chmod(0o3733)
    box.run("sendmail", "-f", "me@x.org", "b@x.org", input="\nhello\n")
    assert stat.S_IMODE(next(drop.iterdir()).stat().st_mode) == 0o640


def test_direct_to_relayhost_without_spool(box):
    port = box.listen_tcp()
    box.conf(queue_directory=box.tmp / "none", relayhost="[127.0.0.1]:%d" % port)
    box.run("sendmail", "-f", "me", "b@x.org", input="Subject: s\n\nhello\n")
    sender, rcpts, content, _ = box.sink.last
    assert sender == "me@box.example.com" and rcpts == ["b@x.org"]
    m = box.sink.parsed()
    assert m["Date"] and m["Message-Id"] and m["Received"] and content.endswith(b"\r\n\r\nhello\r\n")


def test_direct_with_relayhost_from_the_environment_and_login(box):
    logins = []

    def check(server, session, envelope, mechanism, data):
        logins.append((mechanism, data.login, data.password))
        return AuthResult(success=data.password == b"p$x", handled=False)

    port = box.listen_tcp(authenticator=check, auth_require_tls=False, auth_required=True)
    env = {"RELAYHOST": "[127.0.0.1]:%d" % port, "RELAYHOST_USERNAME": "u", "RELAYHOST_PASSWORD": "p$x",
           "POSTFIX_queue_directory": str(box.tmp / "none"), "POSTFIX_smtp_sasl_security_options": "noanonymous"}
    box.run("sendmail", "-f", "me@x.org", "b@x.org", input="\nhello\n", env=env)
    assert logins[-1][1:] == (b"u", b"p$x")
    r = box.run("sendmail", "-f", "me@x.org", "b@x.org", input="\nhello\n", env={**env, "RELAYHOST_PASSWORD": "wrong"})
    assert b"login" in r.stderr and b"kept in" in r.stderr


def make_certificate(d):
    d.mkdir(exist_ok=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(d / "key.pem"),
                    "-out", str(d / "cert.pem")], check=True, capture_output=True)
    return d


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("cert"))


def tls_context(certificate):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return c


def test_direct_with_verified_tls(box, certificate):
    port = box.listen_tcp(tls_context=tls_context(certificate), require_starttls=True)
    base = dict(queue_directory=box.tmp / "none", relayhost="[localhost]:%d" % port, inet_protocols="ipv4")
    box.conf(**base, smtp_tls_security_level="secure", smtp_tls_CAfile=certificate / "cert.pem")
    box.run("sendmail", "-f", "me@x.org", "b@x.org", input="\nhello\n")
    assert len(box.sink.messages) == 1
    other = make_certificate(box.tmp / "other") / "cert.pem"
    for authority, why in (({"smtp_tls_CAfile": other}, b"not trusted"), ({}, b"secure trusts nobody without an authority")):
        box.conf(**base, smtp_tls_security_level="secure", **authority)
        r = box.run("sendmail", "-f", "me@x.org", "b@x.org", input="\nhello\n")
        assert why in r.stderr and b"kept in" in r.stderr and len(box.sink.messages) == 1
    box.conf(**base, smtp_tls_security_level="encrypt")
    box.run("sendmail", "-f", "me@x.org", "b@x.org", input="\nhello\n")
    assert len(box.sink.messages) == 2


def test_direct_tries_the_next_relayhost(box):
    port = box.listen_tcp()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        closed = s.getsockname()[1]
    box.conf(queue_directory=box.tmp / "none", relayhost="[127.0.0.1]:%d, [127.0.0.1]:%d" % (closed, port))
    box.run("sendmail", "-f", "me@x.org", "b@x.org", input="\nhello\n")
    assert len(box.sink.messages) == 1


def test_no_way_out_is_a_temporary_failure_that_says_why(box):
    box.conf(queue_directory=box.tmp / "none")
    r = box.run("sendmail", "b@x.org", input="\nhello\n", code=75)
    assert b"no relayd answers" in r.stderr and b"relayhost" in r.stderr


# --- mail ------------------------------------------------------------------------------------------------------------


def test_mail_plain(box):
    sink = box.listen()
    box.run("mail", "-s", "hi", "-r", "me@x.org", "-c", "c@x.org", "-b", "d@x.org", "b@x.org", input="text\n")
    m = sink.parsed()
    assert sink.last[0] == "me@x.org" and sorted(sink.last[1]) == ["b@x.org", "c@x.org", "d@x.org"]
    assert (m["Subject"], m["To"], m["Cc"], m["Bcc"], m["From"]) == ("hi", "b@x.org", "c@x.org", None, "me@x.org")
    assert m.get_content() == "text\n"


def test_mail_utf8(box):
    sink = box.listen()
    subject = "Grüße aus Köln: eine ziemlich lange Betreffzeile, die gefaltet werden muß, weil sie so lang ist"
    box.run("mailx", "-s", subject, "-r", "Jörg Müller <me@x.org>", "Änne <b@x.org>", input="Schöne Grüße\n")
    m = sink.parsed()
    assert m["Subject"] == subject and m["From"].addresses[0].display_name == "Jörg Müller"
    assert m["To"].addresses[0].display_name == "Änne"
    assert m.get_content() == "Schöne Grüße\n" and m.get_content_charset() == "utf-8"
    header = sink.last[2].split(b"\r\n\r\n")[0]
    assert header.isascii() and max(map(len, header.split(b"\r\n"))) <= 78


def test_mail_long_lines_are_encoded(box):
    sink = box.listen()
    for text in ("x" * 5000 + "\n", "ü" * 5000 + "\n"):
        box.run("mail", "-s", "x", "-r", "me@x.org", "b@x.org", input=text)
        assert sink.parsed().get_content().replace("\r\n", "\n") == text
        assert max(map(len, sink.last[2].split(b"\r\n"))) <= 998


def test_mail_attachments(box):
    sink = box.listen()
    binary = bytes(range(256)) * 50
    (box.tmp / "data.bin").write_bytes(binary)
    (box.tmp / "naïve name.txt").write_text("text ü\n")
    box.run("mail", "-s", "x", "-r", "me@x.org", "-a", "data.bin", "-A", "naïve name.txt", "b@x.org", input="see files\n")
    m = sink.parsed()
    parts = list(m.iter_attachments())
    assert m.get_body().get_content() == "see files\n"
    assert parts[0].get_filename() == "data.bin" and parts[0].get_content() == binary
    assert parts[1].get_filename() == "naïve name.txt" and parts[1].get_content() == "text ü\n"


def test_mail_a_is_a_header_or_a_file_or_an_error(box):
    sink = box.listen()
    box.run("mail", "-s", "x", "-r", "me@x.org", "-a", "X-Custom: yes", "-a", "Content-Type: text/html; charset=utf-8", "b@x.org",
            input="<b>x</b>\n")
    m = sink.parsed()
    assert m["X-Custom"] == "yes" and m.get_content_type() == "text/html" and len(m.get_all("Content-Type")) == 1
    assert b"neither" in box.run("mail", "-a", "no such thing", "b@x.org", input="x", code=64).stderr


def test_mail_tilde_and_dot_are_text(box):
    sink = box.listen()
    box.run("mail", "-s", "x", "-r", "me@x.org", "b@x.org", input="~!touch /tmp/evil\n~r /etc/passwd\n.\nend\n")
    assert sink.parsed().get_content() == "~!touch /tmp/evil\n~r /etc/passwd\n.\nend\n"


def test_mail_e_skips_empty_text(box):
    sink = box.listen()
    box.run("mail", "-E", "-s", "x", "b@x.org", input="")
    assert not sink.messages
    box.run("mail", "-s", "x", "b@x.org", input="")
    assert len(sink.messages) == 1


def test_mail_s_variables(box):
    sink = box.listen()
    box.run("mail", "-S", "from=me@x.org", "-S", "replyto=r@x.org", "-S", "sendwait", "-n", "-s", "x", "b@x.org", input="x\n")
    m = sink.parsed()
    assert m["From"] == "me@x.org" and m["Reply-To"] == "r@x.org" and sink.last[0] == "me@x.org"


def test_mail_s_server(box):
    port = box.listen_tcp()
    box.run("mail", "-S", "mta=smtp://127.0.0.1:%d" % port, "-s", "x", "-r", "me@x.org", "b@x.org", input="x\n")
    assert box.sink.last[1] == ["b@x.org"]


def test_mail_t_reads_a_whole_message(box):
    sink = box.listen()
    box.run("mail", "-t", "-r", "me@x.org", input="To: b@x.org\nSubject: s\n\ntext\n")
    assert sink.last[1] == ["b@x.org"] and sink.parsed()["Subject"] == "s"


def test_mail_options_for_sendmail_after_two_dashes(box):
    sink = box.listen()
    box.run("mail", "-s", "x", "b@x.org", "--", "-f", "me@x.org", input="x\n")
    assert sink.last[:2] == ("me@x.org", ["b@x.org"])
    box.run("mail", "-s", "x", "b@x.org", "--", "-F", "Full Name", "-odi", "-N", "never", "-fme@x.org", "c@x.org", "-X", input="x\n")
    assert sink.last[:2] == ("me@x.org", ["c@x.org", "b@x.org"]) and sink.parsed()["From"] == "Full Name <me@x.org>"


def test_mail_subject_cannot_forge_a_header(box):
    sink = box.listen()
    box.run("mail", "-s", "x\nBcc: evil@x.org", "-a", "X-A: b\r\nCc: evil@x.org", "b@x.org", input="x\n")
    m = sink.parsed()
    assert sink.last[1] == ["b@x.org"] and "Bcc" not in m and "Cc" not in m
    # as s-nail and bsd-mailx do, a line end becomes a blank
    assert m["Subject"] == "x Bcc: evil@x.org" and m["X-A"].split() == ["b", "Cc:", "evil@x.org"]


def test_mail_reads_no_mailbox(box):
    assert box.run("mail", "-e", code=1)
    box.run("mail", code=64)


# --- mapgen ------------------------------------------------------------------------------------------------------------

TABLE = 'a 1\nB two words\n# comment\na 3\n "q k" v\n"q k" w\nx:  y\n   cont\n\nlast end'


def test_postmap_builds_and_answers(box):
    (box.tmp / "t").write_text(TABLE)
    r = box.run("postmap", "hash:t")
    assert b't, line 4: duplicate entry: "a"' in r.stderr and b"alias file" in r.stderr
    assert box.run("postmap", "-q", "A", "hash:t").stdout == b"1\n"
    assert box.run("postmap", "-q", "b", "t").stdout == b"two words\n"
    assert box.run("postmap", "-q", "zz", "lmdb:t", code=1).stdout == b""
    assert box.run("postmap", "-q", "-", "hash:t", input="a\nzz\nlast\n").stdout == b"a\t1\nlast\tend\n"
    assert json.loads(box.run("postmap", "-jq", "b", "t").stdout) == {"b": "two words"}
    assert b"x:\ty   cont\n" in box.run("postmap", "-s", "t").stdout


def test_postmap_duplicates(box):
    (box.tmp / "t").write_text("a 1\na 2\n")
    assert not box.run("postmap", "-w", "t").stderr
    assert box.run("postmap", "-q", "a", "t").stdout == b"1\n"
    box.run("postmap", "-r", "t")
    assert box.run("postmap", "-q", "a", "t").stdout == b"2\n"


def test_postmap_update_and_delete(box):
    (box.tmp / "t").write_text("a 1\nb 2\n")
    box.run("postmap", "t")
    box.run("postmap", "-i", "t", input="c 3\nB 9\n")
    assert box.run("postmap", "-q", "b", "t").stdout == b"2\n"
    box.run("postmap", "-ir", "t", input="b 9\n")
    assert box.run("postmap", "-q", "b", "t").stdout == b"9\n"
    box.run("postmap", "-d", "B", "t")
    box.run("postmap", "-d", "B", "t", code=1)
    box.run("postmap", "-d", "-", "t", input="a\nnone\n")
    assert box.run("postmap", "-s", "t").stdout == b"c\t3\n"


def test_postmap_mode_of_the_source_is_kept(box):
    t = box.tmp / "t"
    t.write_text("a 1\n")
    t.chmod(0o600)
    box.run("postmap", "t")
    assert stat.S_IMODE((box.tmp / "t.cdb").stat().st_mode) == 0o600
    box.run("postmap", "-p", "t")
    assert stat.S_IMODE((box.tmp / "t.cdb").stat().st_mode) == 0o644


def test_postmap_keeps_the_old_table_when_the_source_is_gone(box):
    (box.tmp / "t").write_text("a 1\n")
    box.run("postmap", "t")
    before = (box.tmp / "t.cdb").read_bytes()
    (box.tmp / "t").unlink()
    assert b"No such file" in box.run("postmap", "t", code=73).stderr
    assert (box.tmp / "t.cdb").read_bytes() == before and not (box.tmp / "t.cdb.tmp").exists()


def test_postmap_keep_case_and_nul_and_files(box):
    (box.tmp / "t").write_text("Key v\n")
    box.run("postmap", "-f", "t")
    assert box.run("postmap", "-fq", "Key", "t").stdout == b"v\n"
    box.run("postmap", "-fq", "key", "t", code=1)
    box.run("postmap", "-N", "t")
    assert box.run("postmap", "-q", "key", "t").stdout == b"v\n"
    (box.tmp / "t").write_text("k %s\n" % (box.tmp / "content"))
    (box.tmp / "content").write_bytes(b"\x00\x01binary")
    box.run("postmap", "-F", "t")
    assert base64.b64decode(box.run("postmap", "-q", "k", "t").stdout) == b"\x00\x01binary"
    assert box.run("postmap", "-Fq", "k", "t").stdout == b"\x00\x01binary\n"


def test_postmap_other_types_are_not_built(box):
    r = box.run("postmap", "cidr:t", code=64)
    assert b"cidr" in r.stderr
    assert box.run("postmap", "-q", "x", "static:yes").stdout == b"yes\n"
    assert box.run("postmap", "-q", "10.1.2.3", "cidr:{{10.0.0.0/8 ten}}").stdout == b"ten\n"


def test_postmap_works_for_a_hostile_folder(box):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with tempfile.TemporaryDirectory(dir=os.environ.get("RELAYBOX_TMP")) as name:
        d = pathlib.Path(name)
        (d / "t").write_text("a 1\n")
        os.chown(d, 65534, 65534)
        os.chown(d / "t", 65534, 65534)
        victim = box.tmp / "victim"
        victim.write_text("precious")
        (d / "t.cdb.tmp").symlink_to(victim)
        box.run("postmap", d / "t", code=73)
        assert victim.read_text() == "precious"
        (d / "t.cdb.tmp").unlink()
        box.run("postmap", d / "t")
        assert (d / "t.cdb").stat().st_uid == 65534


def test_cdb_interop(box):
    if not shutil.which("cdb"):
        pytest.skip("needs the cdb tool (tinycdb)")
    (box.tmp / "t").write_text("".join("key%d value %d\n" % (i, i) for i in range(1000)))
    box.run("postmap", "t")
    assert subprocess.run(["cdb", "-q", "t.cdb", "key77"], cwd=box.tmp, capture_output=True).stdout == b"value 77"
    assert len(subprocess.run(["cdb", "-l", "t.cdb"], cwd=box.tmp, capture_output=True).stdout.split()) == 1000
    subprocess.run(["cdb", "-c", "-m", "u.cdb"], cwd=box.tmp, input=b"k1 v1\nk2 v2\n", check=True)
    assert box.run("postmap", "-q", "k2", "cdb:u").stdout == b"v2\n"


def test_postmap_interop(box):
    if not os.path.exists("/usr/sbin/postmap"):
        pytest.skip("needs Postfix's postmap")
    def postmap(*args, **kw):
        return subprocess.run(["/usr/sbin/postmap", "-o", *args], cwd=box.tmp, capture_output=True,
                              env={**os.environ, "MAIL_CONFIG": str(box.tmp / "pf")}, **kw)
    (box.tmp / "pf").mkdir()
    (box.tmp / "pf" / "main.cf").write_text("compatibility_level = 3.6\n")
    (box.tmp / "t").write_text(TABLE + "\nUPPER Case\n")
    types = subprocess.run(["/usr/sbin/postconf", "-m"], capture_output=True, env={**os.environ, "MAIL_CONFIG": str(box.tmp / "pf")})
    if b"cdb" not in types.stdout:
        pytest.skip("this postmap has no cdb")
    keys = ("a", "upper", "UPPER", '"q k"', "x:", "last", "zz")

    def answers(ask):
        return [ask("-q", key, "cdb:t").stdout for key in keys]

    def ours(*args):
        return box.run("postmap", *args, code=None)

    assert postmap("cdb:t").returncode == 0
    theirs = answers(postmap)
    assert any(theirs) and answers(ours) == theirs
    box.run("postmap", "cdb:t")
    assert answers(postmap) == theirs and answers(ours) == theirs


def test_newaliases_and_postalias(box):
    (box.tmp / "aliases").write_text('root: a@x.org,\n  b@x.org\n"two words": c\nbad line\n')
    box.conf(alias_database="hash:%s" % (box.tmp / "aliases"))
    r = box.run("newaliases")
    assert b"line 4" in r.stderr
    assert box.run("postalias", "-q", "root", box.tmp / "aliases").stdout == b"a@x.org,  b@x.org\n"
    assert b"two words:\tc" in box.run("postalias", "-s", box.tmp / "aliases").stdout
    (box.tmp / "aliases.cdb").unlink()
    box.run("sendmail", "-bi")
    assert (box.tmp / "aliases.cdb").exists()


def test_mapgen_check(box):
    (box.tmp / "transport").write_text("@x.org smtp:[a]\nexample.com mail.example.com\nA :\na :\n")
    out = box.run("mapgen", "--check", "hash:transport", code=1).stdout.decode()
    assert "transport:1: problem" in out and "transport:2: problem" in out and "transport:4: warning: duplicate" in out
    (box.tmp / "net").write_text("10.0.0.0/8 a\n10.1.0.0/16 b\n")
    assert "net:2: problem" in box.run("mapgen", "--check", "cidr:net", code=1).stdout.decode()
    (box.tmp / "sasl_passwd").write_text("[h]:587 u:p\n")
    assert "chmod 600" in box.run("mapgen", "--check", "sasl_passwd").stdout.decode()


# --- relayctl ------------------------------------------------------------------------------------------------------------


class Control(threading.Thread):
    """A relayd's control socket that answers from a table and remembers what was asked."""

    def __init__(self, path, answers):
        super().__init__(daemon=True)
        self.asked = []
        self.answers = answers
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(str(path))
        self.sock.listen()
        self.start()

    def run(self):
        while True:
            try:
                c, _ = self.sock.accept()
            except OSError:
                return
            with c, c.makefile("rw") as f:
                line = f.readline().rstrip("\n")
                self.asked.append(line)
                f.write(self.answers.get(line, self.answers.get(line.split()[0], "!unknown request\n")))


@pytest.fixture
def control(box):
    c = Control(box.spool / "control", {
        "queue": "+Mail queue is empty\n.\n", "queue rows": "+m\tAB12345678\tactive\t1\t0\t5\t0\ta@b\n.\n", "queue json": '+{"queue_id": "AB12345678"}\n.\n', "flush": "+2\n.\n",
        "delete": "+1\n.\n", "delete ALL": "+3\n.\n", "hold": "!no such message in the queue\n", "release": "+1\n.\n", "requeue": "+1\n.\n",
        "expire": "+1\n.\n", "ping": ".\n", "stats": "+f\tmessages_total\tmessages accepted\t1\n.\n", "explain": "+=> transport smtp\n.\n", "reload": "!not permitted\n",
        "show": "+line one\n+\n+.dot\n.\n"})
    yield c
    c.sock.shutdown(socket.SHUT_RDWR)
    c.sock.close()


def test_relayctl_requests(box, control):
    assert b"\nAB12345678*  " in box.run("relayctl", "queue").stdout
    assert box.run("mailq").stdout == b"Mail queue is empty\n"
    assert box.run("sendmail", "-bp").stdout == b"Mail queue is empty\n"
    assert box.run("postqueue", "-p").stdout == b"Mail queue is empty\n"
    assert json.loads(box.run("postqueue", "-j").stdout)["queue_id"] == "AB12345678"
    assert json.loads(box.run("relayctl", "queue", "--json").stdout)["queue_id"] == "AB12345678"
    assert box.run("relayctl", "show", "AB12345678").stdout == b"line one\n\n.dot\n"
    assert box.run("relayctl", "stats").stdout.startswith(b"messages accepted                         1\n")
    box.run("relayctl", "ping")
    assert b"not permitted" in box.run("relayctl", "reload", code=69).stderr
    box.run("relayctl", "explain", "a@b", "--from", "c@d", "--client", "1.2.3.4")
    assert control.asked[-1] == "explain a@b from=c@d client=1.2.3.4"


def test_flush_requests(box, control):
    for args, want in ((["relayctl", "flush"], "flush"), (["relayctl", "flush", "AB12345678"], "flush AB12345678"),
                       (["relayctl", "flush", "x.org"], "flush site:x.org"), (["postqueue", "-f"], "flush"),
                       (["postqueue", "-i", "AB12345678"], "flush AB12345678"), (["postqueue", "-s", "x.org"], "flush site:x.org"),
                       (["sendmail", "-q"], "flush"), (["sendmail", "-qIAB12345678"], "flush AB12345678"),
                       (["sendmail", "-qRx.org"], "flush site:x.org")):
        box.run(*args)
        assert control.asked[-1] == want


def test_a_control_protocol_of_another_version_is_told(box, control):
    rows = "+message\tAB12345678\tactive\t1\t0\t5\t0\ta@b\n.\n"
    for hello in ("", "#relaybox-control 1\n", "#relaybox-control 2\n"):
        control.answers["queue rows"] = hello + rows
        assert b"AB12345678" in box.run("relayctl", "queue").stdout
    for hello in ("#relaybox-control 3\n", "#relaybox-control x\n"):
        control.answers["queue rows"] = control.answers["ping"] = hello + rows
        for request in ("queue", "ping"):
            r = box.run("relayctl", request, code=76)
            assert b"another version" in r.stderr and not r.stdout


def test_postsuper(box, control):
    r = box.run("postsuper", "-d", "AB12345678", "-r", "AB12345678", "-H", "AB12345678", "-e", "AB12345678")
    lines = r.stderr.splitlines()
    assert lines[:4] == [b"postsuper: AB12345678: " + word for word in (b"removed", b"requeued", b"released from hold", b"expired")]
    assert lines[4:] == [b"postsuper: Deleted: 1 message", b"postsuper: Released from hold: 1 message",
                                     b"postsuper: Requeued: 1 message", b"postsuper: Force-expired: 1 message"]
    assert b"Deleted: 3 messages" in box.run("postsuper", "-d", "ALL").stderr
    box.run("postsuper", "-d", "-", input="AB12345678*  331 Sun\nAB12345679\n")
    assert control.asked[-2:] == ["delete AB12345678", "delete AB12345679"]
    assert b"no such message" in box.run("postsuper", "-h", "AB12345678", code=66).stderr
    assert b"not a queue id" in box.run("relayctl", "delete", "x y", code=64).stderr
    assert box.run("relayctl", "delete", "ALL").stdout == b"Deleted: 3 messages\n"
    box.run("postsuper", "-d", "ALL", "deferred", "hold")
    assert control.asked[-1] == "delete ALL deferred hold"


def test_a_mistake_beside_all_deletes_nothing(box, control):
    for args in (["delete", "ALL", "deferred"], ["delete", "ALL", "--from", "a@b"], ["delete", "ALL", "--state=hold"], ["flush", "--site", "a.example"]):
        assert box.run("relayctl", *args, code=64).stderr
    assert b"the queues are hold" in box.run("postsuper", "-d", "ALL", "defered", code=64).stderr
    assert control.asked == []


def test_without_relayd_it_says_what_to_do(box):
    for args in (["relayctl", "ping"], ["postqueue", "-f"], ["sendmail", "-q"]):
        assert b"start relayd" in box.run(*args, code=69).stderr


# --- mxcheck ---------------------------------------------------------------------------------------------------------------


def findings(r):
    return [json.loads(line) for line in r.stdout.splitlines()]


def has(result, verdict, check, text=""):
    return any(f["verdict"] == verdict and f["check"] == check and text in f["text"] for f in result["findings"])


def test_mxcheck_a_good_domain(box, dns, certificate):
    port = box.listen_tcp(tls_context=tls_context(certificate))
    server = dns({("x.org", "MX"): [(10, "localhost")], ("localhost", "A"): ["127.0.0.1"], ("x.org", "TXT"): ["v=spf1 -all"],
                  ("_dmarc.x.org", "TXT"): ["v=DMARC1; p=none"], ("1.0.0.127.in-addr.arpa", "PTR"): ["localhost"]})
    r = box.run("mxcheck", "--json", "--dns", server, "-p", port, "--ca", certificate / "cert.pem", "x.org")
    x = findings(r)[0]
    a = x["hosts"][0]["addresses"][0]
    assert x["problems"] == 0 and a["starttls"] and a["tls"]["name_matches"] and a["tls"]["trust"] in ("Trusted", "Verified")
    assert has(x, "ok", "spf") and has(x, "ok", "dmarc") and has(x, "ok", "expiry", "days left") and not has(x, "warning", "trust")
    text = box.run("mxcheck", "-v", "--dns", server, "-p", port, "--ca", certificate / "cert.pem", "x.org").stdout.decode()
    assert "MX 10 localhost" in text and "STARTTLS" not in text.split("banner")[0] and "\033" not in text


def test_mxcheck_finds_faults(box, dns, certificate):
    port = box.listen_tcp(tls_context=tls_context(certificate))
    server = dns({("x.org", "MX"): [(10, "mx.x.org"), (5, "gone.x.org")], ("mx.x.org", "A"): ["127.0.0.1"],
                  ("x.org", "TXT"): ["v=spf1 -all", "v=spf1 ~all"]})
    x = findings(box.run("mxcheck", "--json", "--dns", server, "-p", port, "-w", "100", "x.org", code=1))[0]
    assert [h["name"] for h in x["hosts"]] == ["gone.x.org", "mx.x.org"]
    assert has(x, "problem", "address", "gone.x.org") and has(x, "warning", "name") and has(x, "warning", "trust")
    assert has(x, "problem", "spf") and has(x, "warning", "expiry")


def test_mxcheck_explains_what_cannot_be_reached(box, dns):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        closed = s.getsockname()[1]
    server = dns({("x.org", "MX"): [(10, "mx.x.org")], ("mx.x.org", "A"): ["127.0.0.1"], ("null.org", "MX"): [(0, "")]})
    a, b, c = findings(box.run("mxcheck", "--json", "--dns", server, "-p", closed, "x.org", "null.org", "nx.org", code=1))
    assert has(a, "problem", "connect", "refused") and has(b, "note", "mx", "null MX") and has(c, "problem", "mx", "not exist")


def test_mxcheck_silent_server_times_out(box):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        began = time.monotonic()
        x = findings(box.run("mxcheck", "--json", "-t", "1", "--server", "127.0.0.1:%d" % s.getsockname()[1], code=1))[0]
        assert has(x, "problem", "banner", "no answer") and time.monotonic() - began < 10


def test_mxcheck_server_without_tls_and_nagios(box):
    port = box.listen_tcp()
    x = findings(box.run("mxcheck", "--json", "--server", "127.0.0.1:%d" % port))[0]
    assert has(x, "warning", "tls", "not offered")
    r = box.run("mxcheck", "--nagios", "--server", "127.0.0.1:%d" % port, code=1)
    assert r.stdout.startswith(b"MXCHECK WARNING") and b"| time=" in r.stdout


def test_mxcheck_refusing_server(box):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()

        def serve():
            c, _ = s.accept()
            c.sendall(b"554 go away\r\n")
            # until it has heard that, and goes
            while c.recv(1000):
                pass
            c.close()

        threading.Thread(target=serve, daemon=True).start()
        x = findings(box.run("mxcheck", "--json", "--server", "127.0.0.1:%d" % s.getsockname()[1], code=1))[0]
        assert any("554" in f["text"] for f in x["findings"] if f["verdict"] == "problem")
