"""DKIM: what leaves by SMTP is signed as the next host gets it. python3-dkim says whether each signature is valid."""
import os
import random
import re
import shutil
import smtplib
import socket
import subprocess
import tempfile

import dkim
import pytest
from lab import RELAYBOX, Relay, Sink, free_port, wait
from test_corpus import compare, fields, generated, name, python_corpus

DOMAIN = "example.com"
EXTENSIONS = {
    "eight": ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 50000000"),
    "seven": ("PIPELINING", "SMTPUTF8", "SIZE 50000000"),
    "chunks": ("PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "SIZE 50000000"),
    "checked": ("PIPELINING", "SMTPUTF8", "SIZE 50000000"),
}


def make_keys(folder, domain, selector, *more):
    """A key in a folder, as mapgen makes it, and copies of it with other names; the record for DNS."""
    os.makedirs(folder)
    record = subprocess.run([RELAYBOX, "mapgen", "--dkim", domain, selector], cwd=folder, check=True, capture_output=True).stdout
    for name in more:
        shutil.copy(os.path.join(folder, "%s.%s.pem" % (domain, selector)), os.path.join(folder, name))
    return b"".join(re.findall(rb'"([^"]*)"', record))


class Lab:
    def __init__(self, folder):
        keys = os.path.join(str(folder), "keys")
        self.record = make_keys(keys, DOMAIN, "mail", "own.example.com.mail.pem", "example.com.old.pem")
        self.sinks = {k: Sink(extensions=v) for k, v in EXTENSIONS.items()}
        routes = ", ".join("{%s.test = %s:[127.0.0.1]:%d}" % (k, "checked" if k == "checked" else "smtp", s.port) for k, s in self.sinks.items())
        self.relay = Relay(os.path.join(str(folder), "r"), "transport_maps = inline:{%s}\nappend_at_myorigin = no\nsmtputf8_enable = yes\n"
                           "smtpd_client_connection_count_limit = 0\ndkim_key_directory = %s\nmydestination = here.test\n"
                           "alias_maps = texthash:%s/aliases\n"
                           "smtpd_upstream_proxy_networks = 127.0.0.1\n"
                           "smtpd_relay_restrictions = permit_mynetworks, check_recipient_access inline:{eight.test=OK}, reject_unauth_destination\n"
                           % (routes, keys, os.path.join(str(folder), "r")), files={"aliases": "away: someone@eight.test\n"})
        self.proxied = free_port()
        self.relay.write("master.cf", "%d inet n - n - - smtpd\n%d inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy\nsmtp unix - - n - - smtp\nchecked unix - - n - - smtp\n"
                         " -o smtp_line_length_limit=300\n -o { smtp_header_checks = regexp:{ {/^Subject: (.*)/ REPLACE Subject: [out] $1} "
                         "{/^X-Folded:/ IGNORE} {/^To:/ PREPEND Cc: also@example.org} } }\n"
                         " -o { smtp_body_checks = regexp:{ {/^line 7 / REPLACE line  seven  } {/^\\.\\./ IGNORE} } }\n"
                         " -o { smtp_generic_maps = inline:{ {inside@lan.test = outside@own.example.com} } }\n" % (self.relay.port, self.proxied))

    def verify(self, content):
        """(is the first signature valid, names that were asked for, or why not)."""
        asked = []

        def answer(what, timeout=5):
            asked.append(what.rstrip(b".").decode())
            return self.record
        try:
            return dkim.DKIM(content, minkey=2048).verify(dnsfunc=answer), asked
        except dkim.DKIMException as e:
            return False, e


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    x = Lab(tmp_path_factory.mktemp("dkim"))
    with x.relay:
        yield x
    for sink in x.sinks.values():
        sink.close()


def tag(content, which):
    field = fields(content)[0][0]
    assert name(field) == b"dkim-signature"
    return re.search(rb"[;\s]%s=([^;]*)" % which.encode(), field).group(1).replace(b"\r\n\t", b"").strip().decode()


def with_from(text, sender):
    """The message with that one From field."""
    head, body = fields(text.replace(b"\r\n", b"\n").replace(b"\r", b" ").replace(b"\n", b"\r\n"))
    head = [b"From: " + sender] + [f for f in head if name(f) != b"from"]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def awkward(count):
    """What makes canonical forms differ."""
    rng = random.Random(376)
    out = []
    for i in range(count):
        head = [b"Subject:" + rng.choice([b"", b" ", b"  two  blanks \t", b"\r\n folded", b" a\r\n \tb\r\n  c  "])]
        for _ in range(rng.randrange(3)):
            head.append(rng.choice([b"to:a@b.test", b"To:  A  <a@b.test> ,\r\n\t c@d.test", b"CC: \r\n x@y.test", b"Reply-To:", b"References: <1@a>\r\n <2@a>",
                                    b"DKIM-Signature: v=1; d=other.test; b=xx", b"List-Id: <l.test>", b"X-Folded: x\r\n y", b"Message-ID:   <%d@a>" % i,
                                    "Sender: ünï@b.test".encode(), b"Subject: again", b"MIME-Version: 1.0", b"List-Id: <m.test>"]))
        lines = [rng.choice([b"", b"", b" ", b"\t", b" \t ", b"a", b"a ", b" a  b\t\tc ", b".", b"..", b".a", b"From x", b"--", b"line 7 x", "ü".encode(), b"\xff\xfe ",
                             b"w " * 700, b"w" * 3000, b" " * 1200, b"\0"]) for _ in range(rng.randrange(12))]
        if rng.random() < 0.4:
            head += [b"Content-Type: multipart/mixed; boundary=x", b"Content-Transfer-Encoding: 8bit"]
            lines += [b"--x", b"Content-Transfer-Encoding: 8bit", b"", "grüß dich ".encode() * rng.randrange(200), b"--x--"]
        elif rng.random() < 0.4:
            head += [b"MIME-Version: 1.0", b"Content-Transfer-Encoding: " + rng.choice([b"8bit", b"7bit", b"binary"])]
        rng.shuffle(head)
        out.append(("canonical-%03d" % i, b"\r\n".join(head) + b"\r\n\r\n" + b"\r\n".join(lines) + rng.choice([b"", b"\r\n", b"\r\n\r\n \r\n"])))
    return out


def test_every_message_is_valid_at_every_next_host_and_nothing_else_changes(lab):
    messages = [(label, with_from(text, rb"inside@lan.test, x@example.com" if i % 5 == 4 else b"Some  One <someone@Sub.Example.com>"))
                for i, (label, text) in enumerate(python_corpus() + generated(150) + awkward(250))]
    with smtplib.SMTP("127.0.0.1", lab.relay.port) as c:
        c.ehlo()
        for label, text in messages:
            c.mail("b@example.org", ["BODY=8BITMIME", "SMTPUTF8"])
            for k in lab.sinks:
                c.rcpt("%s@%s.test" % (label.replace(".", "-"), k))
            assert c.data(text)[0] == 250, label
    bad = []
    for k, sink in lab.sinks.items():
        got = {m.rcpts[0].split("@")[0]: m.content for m in sink.wait(len(messages), 90)}
        for i, (label, text) in enumerate(messages):
            content = got[label.replace(".", "-")]
            if i % 5 == 4 and k != "checked":
                # the first author is nobody whose key is here
                assert name(fields(content)[0][0]) == b"received", label
                continue
            valid = lab.verify(content)
            want = "own.example.com" if i % 5 == 4 else "example.com"
            if not valid[0] or valid[1] != ["mail._domainkey." + want]:
                bad.append((k, label, valid))
            if k == "eight" and not bad and max(map(len, text.split(b"\r\n"))) <= 998:
                compare(label, text, content[len(fields(content)[0][0]) + 2:])
    assert not bad, (len(bad), bad[:5])
    checked = [m.content for m in lab.sinks["checked"].messages]
    assert sum(b"\r\nSubject: [out]" in c for c in checked) > 100 and not any(b"\r\nX-Folded:" in c for c in checked)
    # what the checks did is told once for each message, though the content went through them twice
    assert len(lab.relay.log_lines(r"replace: header Subject: awkward 0:")) == 1


def send(lab, text, rcpt):
    with smtplib.SMTP("127.0.0.1", lab.relay.port) as c:
        c.sendmail("b@example.org", [rcpt], text)


def send_as_stranger(lab, text, *rcpts):
    with socket.create_connection(("127.0.0.1", lab.proxied), 15) as s, s.makefile("rwb") as f:
        for line in ["PROXY TCP4 192.0.2.7 127.0.0.1 4000 25", "EHLO stranger.test", "MAIL FROM:<b@example.org>", *["RCPT TO:<%s>" % r for r in rcpts],
                     "DATA"]:
            f.write(line.encode() + b"\r\n")
            f.flush()
            reply = f.readline()
            while reply[3:4] == b"-":
                reply = f.readline()
            assert reply[:1] in (b"2", b"3"), (line, reply)
        f.write(text + b".\r\nQUIT\r\n")
        f.flush()
        assert f.readline().startswith(b"250")


def got(lab, sink, rcpt):
    def there():
        return [m.content for m in lab.sinks[sink].messages if m.rcpts == [rcpt]]
    return wait(there)[0]


def test_big_message(lab):
    body = b"".join(b"%d \t line of a big  message\r\n" % i for i in range(300000)) + b"\r\n" * 70000
    send(lab, b"From: a@example.com\r\n\r\n" + body, "big@seven.test")
    content = got(lab, "seven", "big@seven.test")
    assert lab.verify(content)[0] and content.endswith(body)


def test_second_from_or_changed_word_is_not_valid(lab):
    send(lab, b"From: a@example.com\r\nSubject: x\r\n\r\nbody\r\n", "forged@eight.test")
    content = got(lab, "eight", "forged@eight.test")
    assert lab.verify(content)[0]
    assert not lab.verify(b"From: other@example.com\r\n" + content)[0]
    assert not lab.verify(content.replace(b"Subject: x", b"Subject: y"))[0]
    assert not lab.verify(content.replace(b"body", b"Body"))[0]


def test_what_strangers_send_is_not_signed(lab):
    text = b"From: a@example.com\r\nSubject: x\r\n\r\nbody\r\n"
    send_as_stranger(lab, text, "stranger@eight.test", "away@here.test")
    assert name(fields(got(lab, "eight", "stranger@eight.test"))[0][0]) == b"received"
    assert b"dkim-signature" not in got(lab, "eight", "someone@eight.test").lower()


def test_mail_of_this_host_is_signed_and_with_the_new_selector_after_a_reload(lab):
    lab.relay.run("sendmail", "local1@eight.test", stdin="From: a@example.com\n\nx\n")
    assert lab.verify(got(lab, "eight", "local1@eight.test"))[1] == ["mail._domainkey.example.com"]
    with open(lab.relay.path("main.cf"), "a") as f:
        f.write("dkim_selector = old\n")
    lab.relay.run("relayctl", "reload")
    lab.relay.run("sendmail", "local2@eight.test", stdin="From: a@example.com\n\nx\n")
    valid, asked = lab.verify(got(lab, "eight", "local2@eight.test"))
    assert valid and asked == ["old._domainkey.example.com"]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to have something to give up")
def test_keys_are_roots_alone_and_the_next_selector_comes_with_a_reload():
    folder = tempfile.mkdtemp(prefix="relaybox-test-")
    os.chmod(folder, 0o755)
    record = make_keys(os.path.join(folder, "keys"), DOMAIN, "mail", "example.com.next.pem")
    os.chmod(os.path.join(folder, "keys"), 0o755)
    r = Relay(os.path.join(folder, "r"))
    os.chmod(r.dir, 0o755)
    try:
        with Sink() as sink:
            def main_cf(selector):
                with open(r.path("main.cf")) as f:
                    text = f.read().split("mail_owner")[0]
                r.write("main.cf", text + "mail_owner = 12525\ndkim_key_directory = %s/keys\nrelayhost = [127.0.0.1]:%d\ndkim_selector = %s\n"
                        % (folder, sink.port, selector))
            main_cf("mail")
            with r:
                for n, selector in enumerate(("mail", "next")):
                    main_cf(selector)
                    r.run("relayctl", "reload")
                    with smtplib.SMTP("127.0.0.1", r.port) as c:
                        c.sendmail("b@example.org", ["x@seven.test"], b"From: a@example.com\r\n\r\nx\r\n")
                    content = sink.wait(n + 1)[n].content
                    assert dkim.verify(content, dnsfunc=lambda name, timeout=5: record) and tag(content, "s") == selector
    finally:
        shutil.rmtree(folder)


def test_a_server_that_goes_while_its_mail_is_signed_gets_it_later(tmp_path):
    record = make_keys(str(tmp_path / "keys"), DOMAIN, "mail")
    body = b"a line of a big message\r\n" * 400000
    with Sink(script={"DATA": lambda sink, argument: "354 go\r\n421 4.3.2 going" if sink.sessions < 4 else None}) as sink, \
            Relay(tmp_path / "r", "dkim_key_directory = %s\nrelayhost = [127.0.0.1]:%d\n" % (tmp_path / "keys", sink.port)) as r:
        with smtplib.SMTP("127.0.0.1", r.port) as c:
            c.sendmail("b@example.org", ["x@seven.test"], b"From: a@example.com\r\n\r\n" + body)
        for n in range(1, 4):
            r.wait_log("status=deferred.*4.3.2 going", n)
            r.run("relayctl", "flush")
        content = sink.wait(1, 30)[0].content
        assert dkim.verify(content, dnsfunc=lambda name, timeout=5: record) and content.endswith(body)


def test_sendmail_signs_without_relayd(tmp_path):
    record = make_keys(str(tmp_path / "keys"), DOMAIN, "mail")
    with Sink() as sink:
        r = Relay(tmp_path / "r", "dkim_key_directory = %s\nrelayhost = [127.0.0.1]:%d\n" % (tmp_path / "keys", sink.port))
        r.run("sendmail", "x@seven.test", stdin="From: a@example.com\nSubject: x\n\nbody\n")
        assert dkim.verify(sink.wait(1)[0].content, dnsfunc=lambda name, timeout=5: record)


def test_mapgen_makes_a_key_once(tmp_path):
    def run(*args):
        return subprocess.run([RELAYBOX, "mapgen", "--dkim", *args], cwd=tmp_path, capture_output=True)
    first = run("Example.com", "s1")
    path = tmp_path / "example.com.s1.pem"
    assert first.returncode == 0 and first.stdout.startswith(b's1._domainkey.example.com. IN TXT ( "v=DKIM1; k=rsa; p=')
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    subprocess.run(["openssl", "rsa", "-in", str(path), "-check", "-noout"], check=True, capture_output=True)
    public = subprocess.run(["openssl", "rsa", "-in", str(path), "-pubout"], check=True, capture_output=True).stdout
    strings = re.findall(rb'"([^"]*)"', first.stdout)
    assert b"".join(strings) == b"v=DKIM1; k=rsa; p=" + b"".join(public.splitlines()[1:-1]) and max(map(len, strings)) <= 255
    assert run("example.com", "s1").stdout == first.stdout and path.read_bytes() == before
    for args in (["example.com"], ["../x", "s"], ["example.com", "a/b"], ["", "s"], ["a.test", "b", "c"]):
        assert run(*args).returncode == 64, args
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("lines,mode,why", [
    ("dkim_selector = none\n", 0o600, "no file DOMAIN.none.pem"),
    ("", 0o644, "everybody may open this private key"),
    ("smtp_line_length_limit = 78\n", 0o600, "smtp_line_length_limit"),
])
def test_bad_settings_are_told_before_anything_starts(tmp_path, lines, mode, why):
    make_keys(str(tmp_path / "keys"), DOMAIN, "mail")
    os.chmod(tmp_path / "keys" / "example.com.mail.pem", mode)
    r = Relay(tmp_path / "r", "dkim_key_directory = %s\n%s" % (tmp_path / "keys", lines))
    done = r.run("relayd", "-c", r.dir, "-t", check=False)
    assert done.returncode != 0 and why in (done.stdout + done.stderr).decode()


def selector_of(content):
    return tag(content, "d"), tag(content, "s")


def test_tables_of_opendkim_say_who_signs(tmp_path):
    keys = tmp_path / "keys"
    record = make_keys(str(keys), DOMAIN, "mail")
    key = keys / "example.com.mail.pem"
    (tmp_path / "KeyTable").write_text("# made for OpenDKIM\nours example.com:2026a:%s\nany %%:shared:%s\n" % (key, key))
    (tmp_path / "SigningTable").write_text("*@example.com ours\n*@*.example.com ours\nboss@other.test any\n")
    cases = (("A@Example.Com", ("example.com", "2026a")), ("a@x.example.com", ("example.com", "2026a")), ("boss@other.test", ("other.test", "shared")),
             ("x@other.test", None))
    with Sink() as sink, Relay(tmp_path / "r", "dkim_key_table = %s/KeyTable\ndkim_signing_table = refile:%s/SigningTable\n"
                               "relayhost = [127.0.0.1]:%d\nappend_at_myorigin = no\n" % (tmp_path, tmp_path, sink.port)) as relay:
        for i, (sender, want) in enumerate(cases):
            with smtplib.SMTP("127.0.0.1", relay.port) as c:
                c.sendmail("s@b.test", ["x@seven.test"], "From: %s\nSubject: x\n\nbody\n" % sender)
            content = sink.wait(i + 1)[i].content
            assert (b"DKIM-Signature:" in content) == bool(want), sender
            if want:
                assert selector_of(content) == want
                assert dkim.verify(content, dnsfunc=lambda name, timeout=5: record)
        # tables that changed count from the next reload on
        (tmp_path / "SigningTable").write_text("*@other.test any\n")
        relay.run("relayctl", "reload")
        with smtplib.SMTP("127.0.0.1", relay.port) as c:
            c.sendmail("s@b.test", ["x@seven.test"], "From: x@other.test\nSubject: x\n\nbody\n")
        assert selector_of(sink.wait(len(cases) + 1)[-1].content) == ("other.test", "shared")
        (tmp_path / "SigningTable").write_text("*@other.test nobody\n")
        done = relay.run("relayctl", "reload", check=False)
        assert done.returncode != 0
        relay.wait_log("SigningTable, line 1: the key table has no such name")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to have a file system of its own")
def test_keys_of_the_other_image_sign_without_a_word():
    """/etc/opendkim/keys/DOMAIN.private and DKIM_SELECTOR, where there is no main.cf."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        keys = os.path.join(folder, "keys")
        record = make_keys(keys, DOMAIN, "mail")
        with Sink() as sink:
            inside = os.path.join(folder, "etc")
            os.makedirs(inside)
            shutil.copy(os.path.join(keys, "example.com.mail.pem"), os.path.join(inside, "example.com.private"))
            env = dict(os.environ, HOME=folder, POSTFIX_sendmail_submission="direct", RELAYHOST="[127.0.0.1]:%d" % sink.port, DKIM_SELECTOR="mail,example.com=s2", DKIM_AUTOGENERATE="")
            script = "mkdir -p /etc/opendkim/keys && mount --bind %s /etc/opendkim/keys && exec %s sendmail -C %s x@seven.test" % (
                inside, RELAYBOX, os.path.join(folder, "none"))
            made = not os.path.exists("/etc/opendkim/keys")
            try:
                subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", script], env=env, check=True,
                               input=b"From: a@example.com\nSubject: x\n\nbody\n")
            finally:
                if made:
                    os.rmdir("/etc/opendkim/keys")
            content = sink.wait(1)[0].content
            assert selector_of(content) == ("example.com", "s2")
            assert dkim.verify(content, dnsfunc=lambda name, timeout=5: record)
