"""S4: senders A and B without a way out, relay C, and relay D for when C is down. All four call themselves example.jp."""
import re
import signal
import smtplib
import time

import pytest

from lab import RELAYBOX, wait
from peers import NUMBER, QID, SPLIT, check, filled

A, B, C, D, STRANGER, WORLD, MIRROR = "172.16.10.5", "172.16.10.6", "172.16.1.11", "172.16.1.12", "172.16.10.7", "203.0.113.25", "203.0.113.26"
RCPT = "admin@dest.example.net"
CONNECT = 2  # smtp_connect_timeout of the senders, so that the tests need not wait for the default


class System:
    def __init__(self, net):
        self.net = net
        net.dns("example.jp. MX 10 mx.example.net.", "dest.example.net. MX 10 mx.example.net.", "mx.example.net. A " + WORLD, "mirror.example.net. A " + MIRROR)
        self.a = net.host("a", A, hostname="mailtest2")
        self.b = net.host("b", B, hostname="mailtest3")
        self.c = net.host("c", C, hostname="mailtest1")
        self.d = net.host("d", D, hostname="mailtest4")
        self.stranger = net.host("stranger", STRANGER)
        self.world = net.host("world", WORLD).sink(25)
        self.mirror = net.host("mirror", MIRROR).sink(25)
        for relay in (self.c, self.d):
            relay.write("/etc/postfix/main.cf", filled("s4/relay/main.cf"))
            # Postfix as a sender takes the common name for a loop
            relay.relayd(25, *(["-o", "myhostname=%s.example.jp" % relay.name] if net.real else []))
        for sender in (self.a, self.b):
            sender.write("/etc/postfix/main.cf", filled("s4/sender_fallback/main.cf"))
            sender.write("/etc/aliases", "root: %s\n" % RCPT)
            sender.box("newaliases")
            sender.relayd(25, "-o", "smtp_connect_timeout=%ds" % CONNECT)

    def send(self, host, *rcpts, sender=None):
        """sendmail on host; its last delivery line, and how many messages there were before."""
        count, seen = len(self.world.messages), len(host.log("status="))
        began = time.monotonic()
        host.box("sendmail", *(["-f", sender] if sender else []), *(rcpts or [RCPT]), stdin="Subject: test\n\nbody\n")
        line = host.wait_log("status=", seen + 1, 20)[-1]
        self.took = time.monotonic() - began
        return line, count

    def through(self, host, *rcpts, **more):
        """Send, and the relay that took it."""
        line, count = self.send(host, *rcpts, **more)
        message = self.world.wait(count + 1)[-1]
        assert "status=sent" in line, line
        return re.search(r"relay=([\d.]+)\[", line).group(1), message


@pytest.fixture(scope="module")
def s4(net):
    return System(net)


def test_each_hop_leaves_the_documents_lines(s4):
    line, count = s4.send(s4.a, sender="user1")
    on_a = re.search(r": (%s): to=" % QID, line).group(1)
    on_c = re.search(r"queued as (%s)" % QID, line).group(1)
    s4.c.wait_log(on_c + ": removed")
    check(s4.a.log(r"\]: %s: " % on_a), "mailtest2",
          ("pickup", on_a + ": uid=0 from=<user1>"),
          ("cleanup", on_a + r": message-id=<[^ ]*%s@example.jp>" % on_a),
          ("qmgr", on_a + r": from=<user1@example.jp>, size=\d+, nrcpt=1 \(queue active\)"),
          ("smtp", on_a + r": to=<%s>, relay=172.16.1.11\[172.16.1.11\]:25, delay=%s, delays=%s, dsn=2.0.0, status=sent "
                          r"\(250 2.0.0 Ok: queued as %s\)" % (RCPT, NUMBER, SPLIT, on_c)),
          ("qmgr", on_a + ": removed"))
    s4.c.wait_log("disconnect from")
    check(s4.c.log(r"\]: %s: " % on_c), "mailtest1",
          ("smtpd", on_c + r": client=unknown\[172.16.10.5\]"),
          ("cleanup", on_c + r": message-id=<[^ ]*%s@example.jp>" % on_a),
          ("qmgr", on_c + r": from=<user1@example.jp>, size=\d+, nrcpt=1 \(queue active\)"),
          ("smtp", on_c + r": to=<%s>, relay=mx.example.net\[%s\]:25, delay=%s, delays=%s, dsn=2.0.0, status=sent \(250 2.0.0 .*\)"
           % (RCPT, WORLD, NUMBER, SPLIT)),
          ("qmgr", on_c + ": removed"))
    assert s4.c.log(r"smtpd\[\d+\]: disconnect from unknown\[172.16.10.5\]")


def test_names_come_from_the_configuration(s4):
    message = s4.world.wait(1)[0]
    assert message.sender == "user1@example.jp"
    received = re.findall(rb"(?m)^Received: ([^\r]*(?:\r\n[ \t][^\r]*)*)", message.header)
    assert len(received) == 2
    assert b"from example.jp (unknown [172.16.10.5])" in received[0] and b"by example.jp " in received[0]
    assert received[1].startswith(b"by example.jp ")


def test_equal_names_everywhere_are_no_loop(s4):
    relay, _ = s4.through(s4.b)
    assert relay == C
    assert not s4.a.log("loop") and not s4.b.log("loop") and not s4.c.log("loop")


def test_who_greets_with_our_own_name_is_we(s4):
    s4.mirror.greeting = "EXAMPLE.jp"
    try:
        s4.c.box("sendmail", "-f", "a@example.net", "x@mirror.example.net", stdin="Subject: test\n\nbody\n")
        line = s4.c.wait_log("to=<x@mirror.example.net>.*status=")[0]
        assert "dsn=5.4.6, status=bounced (mail for mirror.example.net loops back to myself)" in line
        assert s4.c.log(r"host mirror\.example\.net\[203\.0\.113\.26\] greeted me with my own name example\.jp")
    finally:
        s4.mirror.greeting = "sink.example.test"


def test_mail_for_root_is_forwarded(s4):
    _, count = s4.send(s4.a, "root@[127.0.0.1]")
    assert s4.world.wait(count + 1)[-1].rcpts == [RCPT]
    assert s4.a.log(r"to=<root@\[127.0.0.1\]>, relay=local, .*status=sent \(forwarded as %s\)" % QID)


def test_bare_root_is_completed_with_myorigin(s4):
    line, count = s4.send(s4.a, "root")
    assert "to=<root@example.jp>, orig_to=<root>, relay=172.16.1.11[172.16.1.11]:25" in line
    assert s4.world.wait(count + 1)[-1].rcpts == ["root@example.jp"]


def offer(host, server, rcpt=RCPT):
    with host.network(), smtplib.SMTP(server, 25, timeout=20) as client:
        client.ehlo("client.example.jp")
        client.mail("x@example.jp")
        return client.rcpt(rcpt)


def test_only_the_named_clients_may_relay(s4):
    assert offer(s4.a, C)[0] == 250
    assert offer(s4.b, C)[0] == 250
    assert offer(s4.c, "127.0.0.1")[0] == 250
    code, text = offer(s4.stranger, C)
    assert (code, text) == (454, b"4.7.1 <%s>: Relay access denied" % RCPT.encode())
    assert s4.c.log(r"NOQUEUE: reject: RCPT from unknown\[172.16.10.7\]: 454 4.7.1 <%s>: Relay access denied; from=<x@example.jp> "
                    r"to=<%s> proto=ESMTP helo=<client.example.jp>$" % (RCPT, RCPT))


def test_senders_listen_on_loopback_only(s4):
    with pytest.raises(OSError):
        s4.c.connect(A, 25, 2)


def test_d_takes_over_when_c_refuses(s4):
    s4.c.stop()
    relay, _ = s4.through(s4.a)
    assert relay == D and s4.took < CONNECT
    assert s4.a.log(r"connect to 172.16.1.11\[172.16.1.11\]:25: Connection refused")
    s4.c.relayd()
    wait(lambda: s4.through(s4.a)[0] == C, 30, every=0.5)


def test_d_takes_over_when_c_is_silent(s4):
    s4.net.cut(C)
    relay, _ = s4.through(s4.b)
    assert relay == D and s4.took < 2 * CONNECT
    s4.net.heal(C)
    wait(lambda: s4.through(s4.b)[0] == C, 30, every=0.5)


def test_nothing_is_lost_when_c_dies_under_load(s4):
    count = len(s4.world.messages)
    for i in range(60):
        s4.a.box("sendmail", RCPT, stdin="Subject: load %d\n\nbody\n" % i)
        if i == 20:
            s4.c.stop(signal.SIGKILL)
        if i == 40:
            s4.c.relayd()

    def subjects():
        "all sixty messages"
        # what was on its way at the kill is deferred, not lost: its next try need not be waited for
        s4.a.run(RELAYBOX, "postqueue", "-f")
        found = [m.header for m in s4.world.messages[count:]]
        return all(any(b"Subject: load %d\r\n" % i in h for h in found) for i in range(60))
    wait(subjects, 30, every=0.5)


def test_both_relays_down_keeps_the_mail(s4):
    s4.c.stop()
    s4.d.stop()
    line, count = s4.send(s4.a)
    assert "status=deferred" in line, line
    s4.d.relayd()
    s4.a.run(RELAYBOX, "postqueue", "-f")
    s4.world.wait(count + 1)
    assert "172.16.1.12" in s4.a.wait_log("status=sent")[-1]
