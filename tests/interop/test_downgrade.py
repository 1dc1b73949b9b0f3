"""8-bit content to a server that takes 7: what a real Postfix sends there is what we send."""
import os
import shutil
import smtplib
import subprocess
import time

import pytest
from lab import Relay, Sink, free_port, wait

MASTER = "/usr/lib/postfix/sbin/master"
SERVICES = """\
127.0.0.1:%d inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
retry unix - - n - - error
error unix - - n - - error
"""
MULTI = b"MIME-Version: 1.0\r\nContent-Type: multipart/%s; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
TEXT = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
BIT8 = b"Content-Transfer-Encoding: 8bit\r\n\r\n"
MESSAGES = [
    TEXT + b"gr\xc3\xbcn = 1 \r\n.dot\r\nFrom here\r\n\ttab\t\r\n",
    TEXT + b"0123456789" * 20 + b"\xc3\xbc\r\n" + b"=" * 100 + b"\r\n" + b" " * 80 + b"\r\n",
    TEXT + b"plain\r\n",
    TEXT + b"\x01\x7f\xe4\r\n",
    MULTI % b"mixed" + b"--b\r\nContent-Type: text/plain\r\n" + BIT8 + b"\xe4\r\n--b\r\nContent-Type: text/html\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=E4 x\r\n--b\r\n\r\nplain = \r\n--b--\r\nbehind\r\n",
    MULTI % b"signed" + b"--b\r\n" + BIT8 + b"\xe4\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nsignature\r\n--b--\r\n",
    MULTI % b"encrypted" + b"--b\r\nContent-Type: application/octet-stream\r\n" + BIT8 + b"\xe4\r\n--b--\r\n",
    MULTI % b"mixed" + b"--b\r\nContent-Type: message/rfc822\r\n" + BIT8 + b"Subject: inner\r\n" + BIT8 + b"\xe4\r\n--b--\r\n",
    MULTI % b"digest" + b"--b\r\n\r\nSubject: inner\r\n" + BIT8 + b"\xe4\r\n--b--\r\n",
    MULTI % b"mixed" + b"--b\r\nContent-Type: multipart/alternative; boundary=\"c d\"\r\n" + BIT8 + b"--c d\r\n" + BIT8
    + b"\xe4\r\n--c d--\r\n--b\r\n" + BIT8 + b"\xfc\r\n--b--\r\n",
    b"MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\x89PNG\r\n\x1a\r\n",
]


def send(port):
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as s:
        for i, message in enumerate(MESSAGES):
            s.sendmail("a@example.test", ["b@example.org"], b"Subject: %d\r\nMessage-ID: <%d@x>\r\nDate: Sun, 1 Nov 2026 00:00:00 +0000\r\n"
                       b"From: a@example.test\r\n" % (i, i) + message, mail_options=["BODY=8BITMIME"])


def arrived(sink):
    """by number: the message, from the first field of ours on"""
    got = sink.wait(len(MESSAGES), 60)
    return {int(m.content.split(b"Subject: ")[1].split(b"\r\n")[0]): m.content[m.content.index(b"Subject: "):] for m in got}


@pytest.fixture
def postfix(tmp_path):
    if os.geteuid() != 0 or not os.path.exists(MASTER):
        pytest.skip("needs root and Postfix")
    os.chmod(tmp_path, 0o755)
    for parent in tmp_path.parents:
        if str(parent) != "/" and str(parent) != "/tmp":
            os.chmod(parent, os.stat(parent).st_mode | 0o055)
    folder = tmp_path / "postfix"
    for name in ("conf", "queue", "data"):
        os.makedirs(folder / name)
    shutil.chown(folder / "data", "postfix")

    def start(sink_port):
        port = free_port()
        (folder / "conf/main.cf").write_text(
            "compatibility_level = 3.6\nmyhostname = relay.example.test\nqueue_directory = %s/queue\ndata_directory = %s/data\n"
            "inet_interfaces = 127.0.0.1\nmydestination =\nalias_maps =\nlocal_recipient_maps =\nrelayhost = [127.0.0.1]:%d\n"
            "mynetworks = 127.0.0.0/8\nalternate_config_directories =\ndisable_dns_lookups = yes\n" % (folder, folder, sink_port))
        (folder / "conf/master.cf").write_text(SERVICES % port)
        subprocess.run(["postfix", "-c", str(folder / "conf"), "check"], check=True, capture_output=True)
        start.process = subprocess.Popen([MASTER, "-d", "-c", str(folder / "conf")], stderr=subprocess.DEVNULL)

        def greets():
            try:
                return smtplib.SMTP("127.0.0.1", port, timeout=5).quit()
            except OSError:
                time.sleep(0.1)
        wait(greets, 30)
        return port
    start.process = None
    yield start
    if start.process:
        start.process.terminate()
        start.process.wait()


def test_what_postfix_sends_to_a_server_of_7_bits(tmp_path, postfix):
    with Sink(extensions=("PIPELINING",)) as theirs, Sink(extensions=("PIPELINING",)) as ours:
        send(postfix(theirs.port))
        want = arrived(theirs)
        with Relay(tmp_path / "relay", "relayhost = [127.0.0.1]:%d\nmynetworks = 127.0.0.0/8\n" % ours.port) as relay:
            send(relay.port)
            got = arrived(ours)
        for i in range(len(MESSAGES)):
            assert got[i] == want[i], i
