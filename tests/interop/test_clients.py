"""Clients that people send with: each delivers a UTF-8 subject and body through relayd unharmed."""
import base64
import email
import email.policy
import os
import shutil
import smtplib
import subprocess
from email.message import EmailMessage

import pytest

from lab import RELAYBOX, ROOT
from net import lent
from peers import filled

SUBJECT, BODY = "お知らせ: テスト送信 – äöü €", "本文です。\nzweite Zeile äöü\n.\n..dots\nFrom here on\n終わり\n"
SENDER, RCPT, RELAY = "app@example.jp", "admin@dest.example.net", "172.16.1.11"
NODE = """
const mailer = require('nodemailer').createTransport({host: '%s', port: 25, ignoreTLS: true});
let text = '';
process.stdin.on('data', d => text += d).on('end', () =>
  mailer.sendMail({from: '%s', to: '%s', subject: process.argv[1], text}).catch(e => { console.error(e); process.exit(1); }));
""" % (RELAY, SENDER, RCPT)


class System:
    def __init__(self, net):
        net.dns("dest.example.net. MX 10 mx.example.net.", "mx.example.net. A 203.0.113.25")
        self.world = net.host("world", "203.0.113.25").sink(25)
        self.client = net.host("client", "172.16.10.5")
        self.relay = net.host("relay", RELAY)
        self.relay.write("/etc/postfix/main.cf", filled("s4/relay/main.cf"))
        self.relay.relayd()
        # the client's own mail goes by a relayd of its own, as commands expect: /usr/sbin/sendmail is the one binary
        self.client.write("/etc/postfix/main.cf", filled("s4/sender/main.cf"))
        self.client.relayd()
        self.client.sh("mount --bind %s /usr/sbin/sendmail" % RELAYBOX)


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    with lent(tmp_path_factory.mktemp("net")) as net:
        yield System(net)


def mime():
    m = EmailMessage()
    m["From"], m["To"], m["Subject"] = SENDER, RCPT, SUBJECT
    m.set_content(BODY)
    return m


def swaks(s):
    s.client.run("swaks", "--server", RELAY, "-f", SENDER, "-t", RCPT, "--data", "-", stdin=mime().as_bytes())


def swaks_eight_bit(s):
    text = "From: <%s>\nTo: <%s>\nSubject: =?utf-8?B?%s?=\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n" \
           "Content-Transfer-Encoding: 8bit\n\n%s" % (SENDER, RCPT, base64.b64encode(SUBJECT.encode()).decode(), BODY)
    s.client.run("swaks", "--server", RELAY, "-f", SENDER, "-t", RCPT, "--data", "-", stdin=text)


def curl(s):
    s.client.run("curl", "-sS", "smtp://%s:25" % RELAY, "--mail-from", SENDER, "--mail-rcpt", RCPT, "-T", "-",
                 stdin=mime().as_bytes(policy=email.policy.SMTP))


def python(s):
    with s.client.network():
        client = smtplib.SMTP(RELAY, 25, timeout=30)
    with client:
        client.send_message(mime(), SENDER, [RCPT])


def nodemailer(s):
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    folder = os.path.join(ROOT, os.environ.get("BUILD", "build"), "interop", "node")
    if not os.path.isdir(folder + "/node_modules/nodemailer"):
        os.makedirs(folder, exist_ok=True)
        try:
            failed = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-save", "nodemailer"], cwd=folder,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=90).returncode
        except subprocess.TimeoutExpired:
            failed = True
        if failed:
            pytest.skip("nodemailer cannot be installed here")
    s.client.run("node", "-e", NODE, SUBJECT, stdin=BODY, env={"NODE_PATH": folder + "/node_modules"})


def s_nail(s):
    s.client.run("s-nail", "-s", SUBJECT, "-r", SENDER, RCPT, stdin=BODY, env={"LC_ALL": "C.UTF-8"})


def bsd_mailx(s):
    # bsd-mailx writes no MIME header for text: it is told to
    s.client.run("bsd-mailx", "-s", SUBJECT, "-r", SENDER, "-a", "MIME-Version: 1.0", "-a", "Content-Type: text/plain; charset=utf-8",
                 "-a", "Content-Transfer-Encoding: 8bit", RCPT, stdin=BODY, env={"LC_ALL": "C.UTF-8"})


def own_mail(s):
    s.client.run(RELAYBOX, "mail", "-s", SUBJECT, "-r", SENDER, RCPT, stdin=BODY)


@pytest.mark.parametrize("send", [swaks, swaks_eight_bit, curl, python, nodemailer, s_nail, bsd_mailx, own_mail], ids=lambda f: f.__name__)
def test_subject_and_body_arrive_intact(system, send):
    count = len(system.world.messages)
    send(system)
    arrived = system.world.wait(count + 1)[-1]
    assert arrived.sender == SENDER and arrived.rcpts == [RCPT]
    message = email.message_from_bytes(arrived.content, policy=email.policy.default)
    subject = str(message["Subject"])
    if "\udce3" in subject or "�" in subject:
        # a client that writes bare UTF-8 into the header: as it came
        subject = next(line for line in arrived.header.split(b"\r\n") if line.startswith(b"Subject: "))[9:].decode()
    assert subject == SUBJECT
    # clients may quote From or add an empty line at the end; otherwise nobody changes a character
    assert message.get_content().replace("\r\n", "\n").replace("\n>From ", "\nFrom ").rstrip("\n") == BODY.rstrip("\n")
