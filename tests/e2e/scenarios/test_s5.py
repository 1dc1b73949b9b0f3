"""S5: every mail through a provider's smarthost, ten connections at most, quick retries, six addresses behind one name."""
import re
import smtplib
import threading
import time

import pytest

from lab import SLOW, Sink, SinkSession, wait
from peers import QID, Authority, filled

NAME, PORT, USER, PASSWORD = "sandbox.smtps.jp", 10025, "api-user", "api:key=1"
ADDRESSES = ["153.128.30.%d" % n for n in range(207, 213)]
CONNECT = 2  # smtp_connect_timeout, so that a dead address need not cost the tests 30 s


class Meter:
    """How many connections the provider has at once, over all its addresses."""

    def __init__(self):
        self.lock, self.now, self.most = threading.Lock(), 0, 0

    def count(self, change):
        with self.lock:
            self.now += change
            self.most = max(self.most, self.now)


class MeteredSession(SinkSession):
    """A session that is counted from its beginning until it is over for its client."""

    def setup(self):
        self.counted = True
        self.server.meter.count(1)
        super().setup()

    def uncount(self):
        if self.counted:
            self.counted = False
            self.server.meter.count(-1)

    def say(self, line):
        if line.startswith("221 "):
            self.uncount()  # first: with the answer to QUIT in hand a client may open another one
        super().say(line)

    def finish(self):
        self.uncount()
        super().finish()


class Provider:
    def __init__(self, host, tls):
        self.meter, self.answers, self.offered, self.fronts = Meter(), [], [], []
        with host.network():
            for address in ADDRESSES:
                front = Sink(PORT, {"RCPT": self.on_rcpt, "END": self.on_end}, {USER: PASSWORD}, tls, address=address)
                front.meter, front.RequestHandlerClass = self.meter, MeteredSession
                self.fronts.append(front)
        host.sinks += self.fronts

    def on_rcpt(self, _, argument):
        self.offered.append((time.monotonic(), argument))
        return self.answers.pop(0) if self.answers else None

    def on_end(self, *_):
        time.sleep(0.01)

    @property
    def messages(self):
        return [m for front in self.fronts for m in front.messages]


class System:
    def __init__(self, net, tmp_path_factory):
        self.net = net
        net.dns(*("%s. A %s" % (NAME, a) for a in ADDRESSES))
        authority = Authority(tmp_path_factory.mktemp("ca"))
        self.bundle = authority.bundle
        self.sv1 = net.host("sv1", "192.168.1.10", hostname="sv1.example.jp")
        self.provider = Provider(net.host("provider", *ADDRESSES), authority.issue(NAME))
        self.sv1.write("/etc/postfix/main.cf", filled("s5/main.cf"))
        self.sv1.write("/etc/postfix/transport", filled("s5/transport", {"SMTPホスト名": NAME, "YOUR-HOSTNAME": "sv1.example.jp"}))
        self.sv1.write("/etc/postfix/relay_password", filled("s5/relay_password", {
            "SMTPホスト名": NAME, "username": USER, "password": PASSWORD}))
        self.sv1.write("/etc/pki/tls/certs/ca-bundle.crt", authority.bundle)
        self.sv1.box("postmap", "hash:/etc/postfix/transport")
        self.sv1.box("postmap", "hash:/etc/postfix/relay_password")
        self.sv1.relayd(25, "-o", "smtp_connect_timeout=%ds" % CONNECT)

    def submit(self, count, subject):
        with self.sv1.network(), smtplib.SMTP("127.0.0.1", 25, timeout=60) as client:
            for i in range(count):
                client.sendmail("app@sv1.example.jp", "user%d@example.net" % i, "Subject: %s %d\r\n\r\nbody\r\n" % (subject, i))

    def arrived(self, subject):
        return [m for m in self.provider.messages if b"Subject: " + subject.encode() in m.header]

    def deliver(self, count, subject, seconds=60):
        """Submit and wait until all have arrived; the seconds it took."""
        began = time.monotonic()
        self.submit(count, subject)
        wait(lambda: len(self.arrived(subject)) >= count, seconds)
        wait(lambda: "Mail queue is empty" in self.sv1.box("mailq").stdout.decode())
        return time.monotonic() - began


@pytest.fixture(scope="module")
def s5(net, tmp_path_factory):
    return System(net, tmp_path_factory)


def test_never_more_than_ten_connections_and_six_addresses_share(s5):
    s5.deliver(500, "bulk")
    rcpts = sorted(r for m in s5.arrived("bulk") for r in m.rcpts)
    assert rcpts == sorted("user%d@example.net" % i for i in range(500))
    assert 2 <= s5.provider.meter.most <= 10
    shares = [len(front.messages) for front in s5.provider.fronts]
    assert all(abs(n - 500 / 6) <= 0.2 * 500 / 6 for n in shares), shares


def test_connections_are_encrypted_trusted_and_logged(s5):
    lines = s5.sv1.log("TLS connection established")
    shape = r"postfix/smtp\[\d+\]: Trusted TLS connection established to sandbox\.smtps\.jp\[153\.128\.30\.2\d\d\]:10025: " \
            r"TLSv1\.[23] with cipher [A-Z0-9_-]+ \(\d+/\d+ bits\)"
    assert lines and all(re.search(shape, line) for line in lines), lines[:3]


def test_unknown_authority_is_untrusted_and_mail_flows_all_the_same(s5, tmp_path_factory):
    s5.sv1.write("/etc/pki/tls/certs/ca-bundle.crt", Authority(tmp_path_factory.mktemp("other")).bundle)
    s5.sv1.box("relayctl", "reload")
    s5.deliver(1, "stranger")
    assert s5.sv1.wait_log(r"Untrusted TLS connection established to sandbox\.smtps\.jp\[")
    s5.sv1.write("/etc/pki/tls/certs/ca-bundle.crt", s5.bundle)
    s5.sv1.box("relayctl", "reload")


def test_refused_mail_comes_back_after_five_and_ten_seconds(s5):
    s5.provider.offered.clear()
    s5.provider.answers = ["450 4.3.2 busy, come again"] * 6
    s5.submit(1, "retry")
    wait(lambda: s5.arrived("retry"), 40)
    # two addresses of the name are asked each time
    times = [when for when, _ in s5.provider.offered][::2]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert len(gaps) == 3, gaps
    for gap, wanted in zip(gaps, (5, 5, 10)):
        # by the rule: the message's age, at least 5 s, at most 10 s
        assert wanted - 0.1 <= gap <= wanted + 3 * SLOW, gaps  # of a busy machine
    qid = re.search(r": (%s): to=" % QID, s5.sv1.log("status=deferred")[-1]).group(1)
    assert len(s5.sv1.log(r"%s: to=<user0@example.net>, relay=%s\[[\d.]+\]:10025, .*dsn=4.3.2, status=deferred \(host %s\[[\d.]+\] said: "
                          r"450 4.3.2 busy, come again \(in reply to RCPT TO command\)\)" % (qid, NAME, NAME))) == 3


def test_local_names_stay_at_home(s5):
    count = len(s5.provider.messages)
    # as cron calls it, and by the name that hostname prints
    s5.sv1.box("sendmail", "-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", stdin="To: root\nSubject: cron\n\njob output\n")
    s5.sv1.box("sendmail", "-i", "root@sv1.example.jp", stdin="Subject: cron 2\n\njob output\n")
    s5.sv1.wait_log(r"to=<root@sv1.example.jp>,.* relay=local, .*status=sent \(delivered to mailbox\)", 2)
    assert "Subject: cron\n" in s5.sv1.read("/var/mail/root") and "Subject: cron 2\n" in s5.sv1.read("/var/mail/root")
    assert len(s5.provider.messages) == count


def test_host_that_dies_while_its_session_waits_costs_one_timeout(s5):
    s5.deliver(1, "before")
    address = re.search(r"relay=\S+\[([\d.]+)\]:", s5.sv1.log("status=sent")[-1]).group(1)
    time.sleep(0.5)
    began = time.monotonic()
    s5.net.cut(address)
    s5.deliver(3, "waited")
    s5.net.heal(address)
    assert time.monotonic() - began < 30 * SLOW
    assert not s5.sv1.log("status=deferred.*timed out")
    # the provider was not told that one is gone: it must not count below
    time.sleep(3)
    s5.provider.meter.count(-s5.provider.meter.now)


def test_one_dead_address_costs_no_message_and_one_timeout_at_most(s5):
    deferred = len(s5.sv1.log("status=deferred"))
    seen = len(s5.sv1.log("status=sent"))
    s5.net.cut(ADDRESSES[2])
    s5.deliver(200, "dead")
    s5.net.heal(ADDRESSES[2])
    assert len(s5.arrived("dead")) == 200
    assert len(s5.sv1.log("status=deferred")) == deferred
    # delays=a/b/c/d: before the queue's manager, in it, until a connection was there, of the transmission. Who waits for a connection that others
    # hold up may wait for their timeout and then meet one of his own
    lines = s5.sv1.log("status=sent")[seen:]
    told = "\n".join(s5.sv1.log("connect to|lost connection|timed out")[-30:])
    for line in lines:
        connecting = float(re.search(r"delays=[\d.]+/[\d.]+/([\d.]+)/", line).group(1))
        delay = float(re.search(r"delay=([\d.]+)", line).group(1))
        assert connecting < 2 * CONNECT and delay < 2 * CONNECT + 1, line + "\n" + told
    assert s5.provider.meter.most <= 10
