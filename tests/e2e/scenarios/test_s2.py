"""S2: two regions, each with a mail host and a relay; mail between them, out by the provider's smarthost, and in from the internet."""
import email
import email.policy
import os
import pwd
import re
import smtplib
import time
from email.message import EmailMessage

import pytest

from lab import wait
from peers import NUMBER, QID, SPLIT, Authority, check, filled, smarthost

MTA_CN, RELAY_CN, RELAY_JP, MTA_JP = "172.16.128.11", "172.16.22.11", "10.20.8.11", "10.20.128.11"
CLIENT_CN, CLIENT_JP, PUBLIC_JP, GOOGLE = "172.16.128.12", "10.20.128.12", "47.74.14.72", "209.85.128.50"
SES, SES_IP, USER, PASSWORD = "email-smtp.us-east-1.amazonaws.com", "100.24.90.91", "AKIAEXAMPLE", "Bx9:/+secret"
CN, JP, GMAIL = "suzuki@alicloud-mail-cntest.com", "suzuki@alicloud-mail-jptest.com", "someone@gmail.com"
SHORT = "iZuf6h1kfgutxc3el68z2lZ"


class System:
    def __init__(self, net, tmp_path_factory):
        authority = Authority(tmp_path_factory.mktemp("ca"))
        net.dns("%s. A %s" % (SES, SES_IP), "gmail.com. MX 5 mx.gmail.com.", "mx.gmail.com. A 64.233.189.26",
                "alicloud-mail-cntest.com. MX 10 rsmtp.alicloud-mail-cntest.com.", "rsmtp.alicloud-mail-cntest.com. A " + PUBLIC_JP,
                "alicloud-mail-jptest.com. MX 10 smtp.alicloud-mail-jptest.com.", "smtp.alicloud-mail-jptest.com. A 47.74.5.208",
                "50.128.85.209.in-addr.arpa. PTR mail-wm1-f50.google.com.", "mail-wm1-f50.google.com. A " + GOOGLE)
        self.mta_cn = net.host("mta_cn", MTA_CN, hostname=SHORT)
        self.relay_cn = net.host("relay_cn", RELAY_CN, hostname=SHORT)
        self.mta_jp = net.host("mta_jp", MTA_JP, hostname=SHORT)
        self.relay_jp = net.host("relay_jp", RELAY_JP, PUBLIC_JP, hostname="rsmtp.alicloud-mail-cntest.com")
        self.client_cn, self.client_jp, self.google = net.host("client-cn", CLIENT_CN), net.host("client-jp", CLIENT_JP), net.host("google", GOOGLE)
        self.ses = net.host("ses", SES_IP)
        self.gmail = net.host("gmail", "64.233.189.26").sink(25)
        smarthost(self.ses, SES, authority, USER, PASSWORD)
        passwords = filled("s2/sasl_passwd", {"<AWS SESのSMTPエンドポイント>": SES, "<SMTPユーザ>": USER, "<SMTPパスワード>": PASSWORD})
        for host in (self.mta_cn, self.relay_cn, self.mta_jp, self.relay_jp):
            host.write("/etc/postfix/main.cf", filled("s2/%s/main.cf" % host.name, {}))
            tables = {"transport": filled("s2/%s/transport" % host.name, {})}
            if host.name.endswith("jp"):
                tables["sasl_passwd"] = passwords
                host.write("/etc/ssl/certs/ca-bundle.crt", authority.bundle)
            # the document's commands
            for table, text in tables.items():
                host.write("/etc/postfix/" + table, text)
                host.run("chmod", "600", "/etc/postfix/" + table)
                host.box("postmap", "/etc/postfix/" + table)
            if host.name.startswith("mta"):
                host.run("useradd", "-m", "suzuki")
            host.relayd()

    def send(self, host, server, sender, rcpt, subject="件名 test", body="本文 test message\n"):
        """Send-MailMessage -Encoding UTF8"""
        m = EmailMessage()
        m["From"], m["To"], m["Subject"] = sender, rcpt, subject
        m.set_content(body)
        with host.network():
            s = smtplib.SMTP(server, 25, timeout=60)
        with s:
            s.send_message(m, sender, [rcpt])

    def mailbox(self, host):
        folder = host.path("/home/suzuki/Maildir/new")
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def arrived(self, host, count):
        """The newest of so many mails in suzuki's mailbox, and its file."""
        names = wait(lambda: self.mailbox(host) if len(self.mailbox(host)) >= count else None)
        files = [host.path("/home/suzuki/Maildir/new/" + name) for name in names]
        newest = max(files, key=os.path.getmtime)
        with open(newest, "rb") as f:
            return email.message_from_binary_file(f, policy=email.policy.default), newest

    def check_path(self, rcpt, *hops, last):
        """Each hop's lines for the mail that went through last; a hop is a host and where it handed the mail to."""
        qid = None
        for host, target in hops:
            if qid is None:
                qid = re.search(r": (%s): to=<%s>.*status=sent" % (QID, rcpt), host.wait_log("to=<%s>.*status=sent" % rcpt)[-1]).group(1)
            host.wait_log(qid + ": removed")
            line = host.log(r"\]: %s: to=" % qid)[-1]
            assert re.search(r"postfix/smtp\[\d+\]: %s: to=<%s>, relay=%s, (conn_use=\d+, )?delay=%s, delays=%s, dsn=2.0.0, status=sent "
                             r"\(250 .*\)$" % (qid, rcpt, target, NUMBER, SPLIT), line), line
            found = re.search("queued as (%s)" % QID, line)
            qid = found.group(1) if found else None
        if last:
            last.wait_log(qid + ": removed")
            check([x for x in last.log(r"\]: %s: " % qid) if "/smtpd[" not in x and "/cleanup[" not in x and "from=<" not in x], SHORT,
                  ("local", r"%s: to=<%s>, relay=local, delay=%s, delays=%s, dsn=2.0.0, status=sent \(delivered to maildir\)" % (qid, rcpt, NUMBER, SPLIT)),
                  ("qmgr", qid + ": removed"))


def hop(address, port=25):
    return r"%s\[%s\]:%d" % (address, address, port)


@pytest.fixture(scope="module")
def s2(net, tmp_path_factory):
    return System(net, tmp_path_factory)


def test_privileges_are_given_up_and_tables_stay_readable(s2):
    for host in (s2.mta_cn, s2.relay_cn, s2.mta_jp, s2.relay_jp):
        with open("/proc/%d/status" % host.mta.pid) as f:
            uid = int(re.search(r"Uid:\s+\d+\s+(\d+)", f.read()).group(1))
        assert uid != 0 and pwd.getpwuid(uid).pw_name in ("relaybox", "postfix", "nobody")
        assert os.stat(host.path("/etc/postfix/transport")).st_mode & 0o077 == 0
        assert os.stat(host.path("/etc/postfix/transport")).st_uid == 0


def test_from_china_to_japan(s2):
    count = len(s2.mailbox(s2.mta_jp))
    s2.send(s2.client_cn, MTA_CN, CN, JP)
    message, file = s2.arrived(s2.mta_jp, count + 1)
    assert message["Subject"] == "件名 test" and message.get_content() == "本文 test message\n"
    assert len(message.get_all("Received")) == 4
    assert os.stat(file).st_uid == int(s2.mta_jp.sh("id -u suzuki")) != 0
    assert os.stat(file).st_mode & 0o077 == 0
    s2.check_path(JP, (s2.mta_cn, hop(RELAY_CN)), (s2.relay_cn, hop(RELAY_JP)), (s2.relay_jp, hop(MTA_JP)), last=s2.mta_jp)
    s2.mta_cn.wait_log(r"smtpd\[\d+\]: connect from unknown\[172\.16\.128\.12\]")


def test_from_japan_to_china(s2):
    count = len(s2.mailbox(s2.mta_cn))
    s2.send(s2.client_jp, MTA_JP, JP, CN)
    message, file = s2.arrived(s2.mta_cn, count + 1)
    assert message["Subject"] == "件名 test"
    assert os.stat(file).st_uid == int(s2.mta_cn.sh("id -u suzuki")) != 0
    s2.check_path(CN, (s2.mta_jp, hop(RELAY_JP)), (s2.relay_jp, hop(RELAY_CN)), (s2.relay_cn, hop(MTA_CN)), last=s2.mta_cn)
    # no probe for a client of mynetworks
    assert not s2.relay_jp.log("double-bounce")


def test_from_china_out_by_the_smarthost(s2):
    s2.send(s2.client_cn, MTA_CN, CN, GMAIL)
    message = s2.gmail.wait(1)[-1]
    assert message.sender == CN and message.rcpts == [GMAIL]
    assert "本文 test message" in email.message_from_bytes(message.content, policy=email.policy.default).get_content()
    s2.check_path(GMAIL, (s2.mta_cn, hop(RELAY_CN)), (s2.relay_cn, hop(RELAY_JP)), (s2.relay_jp, r"%s\[%s\]:587" % (SES, SES_IP)), last=None)
    assert s2.ses.log(r"client=\S+\[10\.20\.8\.11\], sasl_method=(PLAIN|LOGIN|CRAM-MD5), sasl_username=" + USER)
    assert s2.ses.log(r"TLS connection established from \S+\[10\.20\.8\.11\]")


def test_from_the_internet_with_a_probe_before_the_answer(s2):
    count = len(s2.mailbox(s2.mta_cn))
    s2.send(s2.google, PUBLIC_JP, GMAIL, CN)
    message, _ = s2.arrived(s2.mta_cn, count + 1)
    assert message["From"] == GMAIL and message["Subject"] == "件名 test"
    probe = re.search(r": (%s): to=" % QID, s2.relay_jp.wait_log("status=deliverable")[0]).group(1)
    check(s2.relay_jp.log(r"\]: %s: " % probe), "rsmtp",
          ("cleanup", r"%s: message-id=<\d{14}\.%s@rsmtp\.alicloud-mail-cntest\.com>" % (probe, probe)),
          ("qmgr", probe + r": from=<double-bounce@rsmtp\.alicloud-mail-cntest\.com>, size=[1-9]\d*, nrcpt=1 \(queue active\)"),
          ("smtp", probe + r": to=<%s>, relay=%s, (conn_use=\d+, )?delay=%s, delays=%s, dsn=2\.1\.5, status=deliverable \(250 2\.1\.5 Ok\)"
           % (CN, hop(RELAY_CN), NUMBER, SPLIT)),
          ("qmgr", probe + ": removed"))
    lines = s2.relay_jp.log()
    at = {word: next(i for i, line in enumerate(lines) if re.search(word, line)) for word in (
        r"connect from mail-wm1-f50\.google\.com\[209\.85\.128\.50\]", r"verify\[\d+\]: cache btree:\S+verify_cache full cleanup: retained=0",
        "status=deliverable", r"client=mail-wm1-f50\.google\.com\[209\.85\.128\.50\]")}
    assert list(at.values()) == sorted(at.values())
    # known now
    s2.send(s2.google, PUBLIC_JP, GMAIL, CN)
    s2.arrived(s2.mta_cn, count + 2)
    assert len(s2.relay_jp.log("status=deliverable")) == 1


def rcpt(s2, rcpt_to):
    with s2.google.network():
        s = smtplib.SMTP(PUBLIC_JP, 25, timeout=60)
    with s:
        s.ehlo("mail-wm1-f50.google.com")
        s.mail(GMAIL)
        code, text = s.rcpt(rcpt_to)
        return "%d %s" % (code, text.decode())


def test_outsider_to_a_third_domain_is_refused_without_a_probe(s2):
    probes = len(s2.relay_jp.log("double-bounce"))
    assert rcpt(s2, GMAIL) == "454 4.7.1 <%s>: Relay access denied" % GMAIL
    s2.relay_jp.wait_log(r"NOQUEUE: reject: RCPT from mail-wm1-f50\.google\.com\[209\.85\.128\.50\]: 454 4\.7\.1 <someone@gmail\.com>: Relay access denied; "
                         r"from=<someone@gmail\.com> to=<someone@gmail\.com> proto=ESMTP helo=<mail-wm1-f50\.google\.com>")
    assert len(s2.relay_jp.log("double-bounce")) == probes


def test_next_hop_that_is_away_puts_the_outsider_off(s2, net):
    time.sleep(3)  # till no connection is kept
    net.refuse(RELAY_CN)
    try:
        assert re.match(r"450 4\.1\.1 <tanaka@alicloud-mail-cntest\.com>: Recipient address rejected: unverified address: connect to "
                        r"172\.16\.22\.11\[172\.16\.22\.11\]:25: ", rcpt(s2, "tanaka@alicloud-mail-cntest.com"))
        assert rcpt(s2, CN).startswith("250")
    finally:
        net.heal(RELAY_CN)
    s2.relay_jp.wait_log("to=<tanaka@.*status=undeliverable")


def test_outsider_that_breaks_off_during_the_probe_leaves_nothing(s2, net):
    net.cut(RELAY_CN)
    try:
        with s2.google.connect(PUBLIC_JP, 25) as s:
            s.recv(200)
            s.sendall(b"EHLO g\r\n")
            s.recv(500)
            s.sendall(b"MAIL FROM:<a@gmail.com>\r\n")
            s.recv(200)
            s.sendall(b"RCPT TO:<sato@alicloud-mail-cntest.com>\r\n")
            s2.relay_jp.wait_log("double-bounce.*queue active", len(s2.relay_jp.log("double-bounce.*queue active")))
    finally:
        net.heal(RELAY_CN)
    s2.relay_jp.wait_log("to=<sato@.*status=", seconds=60)
    assert b"Mail queue is empty" in s2.relay_jp.box("mailq", "-C", "/etc/postfix").stdout


def test_answers_survive_a_restart(s2):
    probes = len(s2.relay_jp.log("double-bounce"))
    s2.relay_jp.stop()
    s2.relay_jp.relayd()
    count = len(s2.mailbox(s2.mta_cn))
    s2.send(s2.google, PUBLIC_JP, GMAIL, CN)
    s2.arrived(s2.mta_cn, count + 1)
    assert len(s2.relay_jp.log("double-bounce")) == probes


def test_where_the_recipient_list_decides_the_refusal_is_final(s2):
    s2.relay_jp.stop()
    s2.relay_jp.relayd(25, "-o", "smtpd_relay_restrictions=")
    # the third domain is asked about first: the document's order without the relay list
    assert rcpt(s2, "someone@no-such-domain.invalid").startswith(("450 4.1.", "554 5.7.1"))
    assert s2.relay_jp.log("reject: RCPT from mail-wm1-f50")
    s2.relay_jp.stop()
    s2.relay_jp.relayd(25, "-o", "smtpd_relay_restrictions=permit_mynetworks, reject_unauth_destination")
    assert rcpt(s2, GMAIL) == "554 5.7.1 <%s>: Relay access denied" % GMAIL
    s2.relay_jp.stop()
    s2.relay_jp.relayd()
