"""8-bit content to a server that takes 7: what a real Postfix sends there is what we send."""
import smtplib

from lab import Relay, Sink, open_folder
from own_postfix import Postfix, needs_postfix

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


def test_what_postfix_sends_to_a_server_of_7_bits(tmp_path):
    needs_postfix()
    with Sink(extensions=("PIPELINING",)) as theirs, Sink(extensions=("PIPELINING",)) as ours:
        with open_folder() as folder, Postfix(folder / "postfix", theirs.port) as postfix:
            send(postfix.port)
            want = arrived(theirs)
        with Relay(tmp_path / "relay", "relayhost = [127.0.0.1]:%d\nmynetworks = 127.0.0.0/8\n" % ours.port) as relay:
            send(relay.port)
            got = arrived(ours)
        for i in range(len(MESSAGES)):
            assert got[i] == want[i], i
