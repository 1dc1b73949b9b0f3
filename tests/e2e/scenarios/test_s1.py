"""S1: one-way proxy between two regions. Client -> relay in Shanghai (2525) -> relay in Tokyo (3535) -> smarthost (587, STARTTLS, AUTH)."""
import email
import email.policy
import re
import signal

import pytest

from lab import RELAYBOX, wait
from peers import NUMBER, QID, SPLIT, Authority, check, filled, smarthost

SMARTHOST, SMARTHOST_IP, SMARTHOST_IP6 = "email-smtp.us-east-1.amazonaws.com", "52.54.1.156", "2404:6800:4008:c01::6c"
USER, PASSWORD = "AKIAEXAMPLE", "Bx9:/+secret#word"
SENDER, GMAIL = "tomoya@alicloud-mail-cntest.com", "someone@gmail.com"


def configure(host, port, relay_line, other_line, passwords, ca):
    host.write("/etc/postfix/main.cf", filled("s1/main.cf", {
        "<上海リージョンのVPC IPv4 CIDRブロック>": "172.16.0.0/12", "<東京リージョンのVPC IPv4 CIDRブロック>": "10.0.0.0/8",
        **relay_line}, without=[other_line]))
    host.write("/etc/postfix/master.cf", filled("s1/master.cf", {"<2525 or 3535>": port}))
    host.write("/etc/postfix/sasl_passwd", passwords, 0o600)
    host.write("/etc/ssl/certs/ca-bundle.crt", ca)
    host.box("postmap", "hash:/etc/postfix/sasl_passwd")


def shanghai(host, ca):
    configure(host, "2525", {"<東京リージョンのECSのENI>": "10.20.8.37"}, "]:587", "", ca)


def tokyo(host, ca):
    passwords = filled("s1/sasl_passwd", {"<AWS SESのSMTPエンドポイント>": SMARTHOST, "<SMTPユーザ>": USER, "<SMTPパスワード>": PASSWORD})
    configure(host, "3535", {"<AWS SESのSMTPエンドポイント>": SMARTHOST}, "]:3535", passwords, ca)


class System:
    def __init__(self, net, tmp_path_factory):
        self.net = net
        authority = Authority(tmp_path_factory.mktemp("ca"))
        net.dns("%s. A %s" % (SMARTHOST, SMARTHOST_IP), "%s. AAAA %s" % (SMARTHOST, SMARTHOST_IP6),
                "gmail.com. MX 5 gmail-smtp-in.l.google.com.", "gmail-smtp-in.l.google.com. A 64.233.189.26")
        self.a = net.host("a", "172.16.22.241", hostname="iZuf6h1kfgutxc3el68z2lZ")
        self.b = net.host("b", "10.20.8.37", hostname="ecs-suzuki10-blogmail")
        self.ses = net.host("ses", SMARTHOST_IP)
        self.gmail = net.host("gmail", "64.233.189.26").sink(25)
        smarthost(self.ses, SMARTHOST, authority, USER, PASSWORD)
        shanghai(self.a, authority.bundle)
        tokyo(self.b, authority.bundle)
        self.a.relayd(2525)
        self.b.relayd(3535, "-o", "smtp_connect_timeout=2s")

    def send(self, subject, body="本文"):
        """The document's command on the relay in Shanghai; the two queue ids and the message as it arrived."""
        count = len(self.gmail.messages)
        seen = len(self.a.log("status=sent"))
        self.a.box("mail", "-s", subject, "-r", SENDER, GMAIL, stdin=body + "\n")
        line = self.a.wait_log("status=", seen + 1)[-1]
        assert "queued as" in line, line
        return count, re.search(r": (%s): to=" % QID, line).group(1), re.search(r"queued as (%s)" % QID, line).group(1)

    def of(self, host, qid):
        return [line for line in host.log(r"\]: %s: " % qid)]


@pytest.fixture(scope="module")
def s1(net, tmp_path_factory):
    return System(net, tmp_path_factory)


def test_mail_goes_through_both_relays_and_the_smarthost(s1):
    count, on_a, on_b = s1.send("件名 by CEN")
    s1.b.wait_log(": %s: removed" % on_b)
    message = s1.gmail.wait(count + 1)[count]
    assert message.sender == SENDER and message.rcpts == [GMAIL]
    check(s1.of(s1.a, on_a), "iZuf6h1kfgutxc3el68z2lZ",
          ("pickup", on_a + ": uid=0 from=<%s>" % SENDER),
          ("cleanup", on_a + ": message-id=<[^ ]+>"),
          ("qmgr", on_a + r": from=<%s>, size=\d+, nrcpt=1 \(queue active\)" % SENDER),
          ("smtp", on_a + r": to=<%s>, relay=10.20.8.37\[10.20.8.37\]:3535, delay=%s, delays=%s, dsn=2.0.0, status=sent "
                          r"\(250 2.0.0 Ok: queued as %s\)" % (GMAIL, NUMBER, SPLIT, on_b)),
          ("qmgr", on_a + ": removed"))
    check(s1.of(s1.b, on_b), "ecs-suzuki10-blogmail",
          ("smtpd", on_b + r": client=unknown\[172.16.22.241\]"),
          ("cleanup", on_b + ": message-id=<[^ ]+>"),
          ("qmgr", on_b + r": from=<%s>, size=\d+, nrcpt=1 \(queue active\)" % SENDER),
          ("smtp", on_b + r": to=<%s>, relay=%s\[%s\]:587, delay=%s, delays=%s, dsn=2.0.0, status=sent \(250 2.0.0 Ok: .*\)"
           % (GMAIL, SMARTHOST, SMARTHOST_IP, NUMBER, SPLIT)),
          ("qmgr", on_b + ": removed"))


def test_smarthost_saw_tls_and_the_user(s1):
    assert s1.ses.log(r"TLS connection established from unknown\[10.20.8.37\]: TLSv1.3")
    assert s1.ses.log(r"client=unknown\[10.20.8.37\], sasl_method=\S+, sasl_username=%s" % USER)


def test_subject_and_body_arrive_in_utf8(s1):
    message = email.message_from_bytes(s1.gmail.messages[0].content, policy=email.policy.default)
    assert message["Subject"] == "件名 by CEN"
    assert message.get_content().rstrip() == "本文"


def test_empty_password_file_is_no_cause_for_warnings(s1):
    assert not s1.a.log("sasl_passwd|(error|fatal|panic):"), s1.a.logs()
    assert not s1.b.log("fatal|panic")


def test_unreachable_ipv6_costs_nothing(s1):
    # the name has an IPv6 address, and the relay no route to it
    assert s1.b.log("status=sent") and not s1.b.log("status=deferred")


def test_mail_waits_while_the_smarthost_is_unreachable_and_survives_a_crash(s1):
    # not in the middle of the session before, which may be kept for more mail
    wait(lambda: len(s1.ses.log("disconnect from unknown.10.20.8.37")) == len(s1.ses.log(r" connect from unknown.10.20.8.37")))
    s1.net.cut(SMARTHOST_IP)
    count, _, on_b = s1.send("later")
    line = s1.b.wait_log(": %s: to=" % on_b, seconds=20)[0]
    assert re.search(r"relay=none, delay=[2-4](\.\d+)?, delays=[\d.]+/[\d.]+/[2-4](\.\d+)?/0, dsn=4.4.1, status=deferred "
                     r"\(connect to %s\[[^]]+\]:587: (Network is unreachable|Connection timed out)\)$" % re.escape(SMARTHOST), line), line
    assert s1.b.log(r"connect to %s\[%s\]:587: Connection timed out" % (re.escape(SMARTHOST), SMARTHOST_IP))
    assert s1.b.log(r"connect to %s\[%s\]:587: Network is unreachable" % (re.escape(SMARTHOST), SMARTHOST_IP6))
    assert on_b in s1.b.box("mailq").stdout.decode()
    s1.b.stop(signal.SIGKILL)
    s1.net.heal(SMARTHOST_IP)
    s1.b.relayd(3535)
    s1.b.box("sendmail", "-q")
    s1.b.wait_log(": %s: to=.*status=sent" % on_b)
    assert len(s1.gmail.wait(count + 1)) == count + 1
    wait(lambda: "Mail queue is empty" in s1.b.box("mailq").stdout.decode())


def test_the_first_relay_keeps_mail_while_the_second_is_down(s1):
    count = len(s1.gmail.messages)
    s1.b.stop()
    s1.a.sh('echo body | %s mail -s "kept" -r %s %s' % (RELAYBOX, SENDER, GMAIL))
    line = s1.a.wait_log("status=deferred")[0]
    assert re.search(r"relay=none, .*dsn=4.4.1, status=deferred \(connect to 10.20.8.37\[10.20.8.37\]:3535: Connection refused\)$", line), line
    s1.b.relayd(3535)
    s1.a.box("sendmail", "-q")
    s1.gmail.wait(count + 1)
