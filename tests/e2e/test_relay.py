"""The first document's systems, end to end: typed, queued, carried over two hops, delivered; down and up again."""
import os
import re
import smtplib
import socket
import subprocess
import threading
import time

import pytest
from lab import RELAYBOX, ROOT, SLOW, Relay, Sink, certificate, free_port, wait

# seeds: main.cf of S1, comments and all, with its placeholders filled in
S1_MAIN = """#以下をコメントアウトし変更
#inet_interfaces = localhost
inet_interfaces = {interfaces}

#以下をコメントアウトし変更
#mydestination = $myhostname, localhost.$mydomain, localhost
mydestination = localhost

#以下を追加
mynetworks = 172.16.0.0/12, 10.0.0.0/8, 127.0.0.0/8

#上海リージョンのECSにのみ以下を追加
relayhost = {relayhost}

#以下を追加
smtp_sasl_auth_enable = yes
smtp_sasl_security_options = noanonymous
smtp_sasl_password_maps = hash:{dir}/sasl_passwd
smtp_use_tls = yes
smtp_tls_security_level = may
smtp_tls_note_starttls_offer = yes
smtp_tls_CAfile = {ca}

"""
S1_MASTER = """{port}      inet  n       -       n       -       -       smtpd
#smtp      inet  n       -       n       -       -       smtpd
"""


def hop(folder, relayhost, sasl, ca, port, more=""):
    folder = str(folder)
    r = Relay(folder, S1_MAIN.format(interfaces="all", relayhost=relayhost, dir=folder, ca=ca) +
              "inet_interfaces = 127.0.0.1\n" + more, S1_MASTER.format(port=port), port)
    r.write("sasl_passwd", sasl)
    os.chmod(r.path("sasl_passwd"), 0o600)
    r.run("postmap", "hash:" + r.path("sasl_passwd"))
    return r


class Smarthost:
    """aiosmtpd with STARTTLS and AUTH: a real, foreign server."""

    def __init__(self, port, cert, key, users):
        import ssl
        from aiosmtpd.controller import Controller
        from aiosmtpd.smtp import AuthResult
        self.messages = []
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(cert, key)

        def authenticate(server, session, envelope, mechanism, data):
            ok = users.get(data.login.decode()) == data.password.decode()
            return AuthResult(success=ok, handled=ok)
        self.controller = Controller(self, hostname="127.0.0.1", port=port, tls_context=tls, require_starttls=True,
                                     auth_required=True, authenticator=authenticate)

    async def handle_DATA(self, server, session, envelope):
        self.messages.append(envelope)
        return "250 2.0.0 OK smarthost"

    def __enter__(self):
        self.controller.start()
        return self

    def __exit__(self, *_):
        self.controller.stop()


def test_s1_two_hops_and_a_smarthost_with_tls_and_auth(tmp_path):
    cert, key = certificate(str(tmp_path))
    port = free_port()
    with Smarthost(port, cert, key, {"AKIAUSER": "p@ss:w#rd$"}) as smarthost:
        b = hop(tmp_path / "b", "[127.0.0.1]:%d" % port, "[127.0.0.1]:%d AKIAUSER:p@ss:w#rd$\n" % port, cert, free_port(),
                "myhostname = b.example.test\nsmtp_tls_loglevel = 1\n")
        a = hop(tmp_path / "a", "[127.0.0.1]:%d" % b.port, "", cert, free_port(), "myhostname = a.example.test\n")
        with a, b:
            a.run("mail", "-s", "件名 subject", "-r", "from@example.com", "to@example.org", stdin="本文 body\n")
            wait(lambda: smarthost.messages)
            message = smarthost.messages[0]
            assert message.mail_from == "from@example.com" and message.rcpt_tos == ["to@example.org"]
            import email
            import email.header
            parsed = email.message_from_bytes(message.original_content)
            assert str(email.header.make_header(email.header.decode_header(parsed["Subject"]))) == "件名 subject"
            assert parsed.get_payload(decode=True).decode("utf-8").replace("\r\n", "\n") == "本文 body\n"
            qid = re.search(r"postfix/pickup\[\d+\]: ([0-9A-F]+): uid=%d from=<from@example.com>" % os.getuid(), a.log()).group(1)
            a.wait_log(r"postfix/qmgr\[\d+\]: %s: removed" % qid)
            b.wait_log("removed")
            # the document's lines, in their order, on the first hop
            mine = [re.sub(r"^.*postfix/", "", line) for line in a.log_lines(qid)]
            expected = [r"pickup\[\d+\]: X: uid=\d+ from=<from@example.com>$",
                        r"cleanup\[\d+\]: X: message-id=<.+>$",
                        r"qmgr\[\d+\]: X: from=<from@example.com>, size=\d+, nrcpt=1 \(queue active\)$",
                        r"smtp\[\d+\]: X: to=<to@example.org>, relay=127.0.0.1\[127.0.0.1\]:%d, delay=[\d.]+, "
                        r"delays=[\d.]+/[\d.]+/[\d.]+/[\d.]+, dsn=2.0.0, status=sent \(250 2.0.0 Ok: queued as [0-9A-F]+\)$" % b.port,
                        r"qmgr\[\d+\]: X: removed$"]
            assert len(mine) == len(expected), mine
            for line, pattern in zip(mine, expected):
                assert re.match(pattern.replace("X", qid), line), line
            assert re.search(r"smtpd\[\d+\]: [0-9A-F]+: client=unknown\[127.0.0.1\]", b.log())
            assert b.log_lines(r"(Trusted|Verified) TLS connection established to 127.0.0.1\[127.0.0.1\]:%d: TLSv1.3 with cipher TLS_" % port)
            assert "warning" not in a.log(), a.log()


def test_wrong_password_defers_and_never_bounces(tmp_path):
    cert, key = certificate(str(tmp_path))
    port = free_port()
    with Smarthost(port, cert, key, {"u": "right"}) as smarthost:
        r = hop(tmp_path / "r", "[127.0.0.1]:%d" % port, "[127.0.0.1]:%d u:wrong\n" % port, cert, free_port())
        with r:
            r.run("sendmail", "-f", "a@example.com", "b@example.org", stdin="Subject: x\n\nx\n")
            line = r.wait_log("status=")[0]
            assert "status=deferred" in line and "SASL authentication failed; server 127.0.0.1[127.0.0.1] said: 535" in line, line
            assert not smarthost.messages


def test_smarthost_down_then_up(tmp_path):
    port = free_port()
    r = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nqueue_run_delay = 1s\nminimal_backoff_time = 2s\n"
              "maximal_backoff_time = 4s\n" % port)
    with r:
        r.run("sendmail", "-f", "a@example.com", "b@example.org", stdin="Subject: x\n\nx\n")
        first = r.wait_log("status=deferred")[0]
        at = time.monotonic()
        assert re.search(r"to=<b@example.org>, relay=none, delay=[\d.]+, delays=[\d.]+/[\d.]+/[\d.]+/0, dsn=4.4.1, "
                         r"status=deferred \(connect to 127.0.0.1\[127.0.0.1\]:%d: Connection refused\)" % port, first), first
        listing = r.mailq()
        assert "b@example.org" in listing and "Connection refused" in listing and "in 1 Request" in listing, listing
        with Sink(port) as sink:
            sink.wait(1, 20)
            assert time.monotonic() - at > 1.5, "tried again before it was due"
            r.wait_log("status=sent")
            wait(r.empty)


def test_dead_slow_and_silent_destinations_cost_others_nothing(tmp_path):
    """Each has more mail than fits into memory for it; mail to others passes at once, and nobody's is lost."""
    many, dead, passed = 400, free_port(), threading.Event()

    def sleepy(sink, argument):
        passed.wait()  # until the others' mail went through, however busy the machine is
    with Sink() as good, Sink(script={"END": sleepy}) as slow, socket.create_server(("127.0.0.1", 0), backlog=128) as silent:
        ports = {"dead": dead, "slow": slow.port, "silent": silent.getsockname()[1], "good": good.port}
        r = Relay(tmp_path / "r", "transport_maps = inline:{%s}\nminimal_backoff_time = 2s\nmaximal_backoff_time = 4s\nshutdown_timeout = 1s\n" %
                  ", ".join("%s.test=smtp:[127.0.0.1]:%d" % pair for pair in ports.items()))
        with r, smtplib.SMTP("127.0.0.1", r.port) as client:
            try:
                for i in range(many):
                    for name in "dead", "slow", "silent":
                        client.sendmail("a@example.com", ["b%d@%s.test" % (i, name)], "Subject: %d\r\n\r\nx\r\n" % i)
                waits = []
                for i in range(20):
                    client.sendmail("a@example.com", ["b%d@good.test" % i], "Subject: %d\r\n\r\nx\r\n" % i)
                    at = time.monotonic()
                    good.wait(i + 1)
                    waits.append(time.monotonic() - at)
                assert sorted(waits)[10] < 0.2 * SLOW, waits
                assert slow.most_open <= 20, "more than the limit of a destination"
                assert not slow.messages, "it was to be slow"
            finally:
                passed.set()
            # most of the dead one's mail is not even looked at when it is due again
            line = r.wait_log(r"smtp:\[127.0.0.1\]:%d is tried again: while it was suspended \d+ messages were put off unread" % dead)[0]
            assert int(re.search(r"(\d+) messages", line).group(1)) > 0 and "Connection refused" in line, line
            with Sink(dead) as back:
                back.wait(many, 40)
                assert len({m.rcpts[0] for m in back.messages}) == many
            slow.wait(many, 40)
            wait(lambda: len(r.run("relayctl", "queue", "--ids").stdout.split()) == many)
            assert len({m.rcpts[0] for m in slow.messages}) == many


def test_a_changed_table_counts_while_the_old_destination_is_dead(tmp_path):
    dead = free_port()
    with Sink() as sink:
        r = Relay(tmp_path / "r", "transport_maps = texthash:%s/r/transport\ninitial_destination_concurrency = 1\n"
                  "minimal_backoff_time = 4s\n" % tmp_path, files={"transport": "x.test smtp:[127.0.0.1]:%d\n" % dead})
        with r:
            r.run("sendmail", "-f", "a@example.com", "first@x.test", stdin="Subject: x\n\nx\n")
            r.wait_log("to=<first@x.test>.*Connection refused")
            time.sleep(2.5)
            r.run("sendmail", "-f", "a@example.com", "second@x.test", stdin="Subject: x\n\nx\n")
            r.wait_log("to=<second@x.test>.*delivery temporarily suspended")
            r.wait_log("to=<first@x.test>.*Connection refused", 2)
            # dead for another four seconds; the second is due before that
            r.write("transport", "x.test smtp:[127.0.0.1]:%d\n" % sink.port)
            assert sink.wait(1)[0].rcpts == ["second@x.test"]


def test_queue_survives_restart(tmp_path):
    port = free_port()
    r = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\n" % port)
    with r:
        for i in range(20):
            r.run("sendmail", "-f", "a@example.com", "b%d@example.org" % i, stdin="Subject: %d\n\nbody %d\n" % (i, i))
        assert "in 20 Requests" in r.mailq()
    assert "in 20 Requests" in r.mailq(), "offline listing"
    with Sink(port) as sink, r:
        r.run("relayctl", "flush")
        got = sink.wait(20)
        assert sorted(m.rcpts[0] for m in got) == sorted("b%d@example.org" % i for i in range(20))
        wait(r.empty)


def test_maildrop_is_picked_up_at_start(tmp_path):
    with Sink() as sink:
        r = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\n" % sink.port)
        with r:
            pass
        r.run("sendmail", "-f", "a@example.com", "b@example.org", stdin="Subject: x\n\nleft while nobody was there\n")
        assert len(os.listdir(r.path("queue", "maildrop"))) == 1
        with r:
            assert b"left while nobody was there" in sink.wait(1)[0].content
            wait(lambda: not os.listdir(r.path("queue", "maildrop")))


def test_a_local_program_may_name_many_recipients(tmp_path):
    rcpts = ["somebody-%d@x.org" % n for n in range(8000)]
    with Sink() as sink, Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\n" % sink.port) as r:
        r.run("sendmail", "-t", stdin="Bcc: %s\n\nx\n" % ",\n ".join(rcpts))
        wait(lambda: sum(len(m.rcpts) for m in list(sink.messages)) == 8000 or None)
        assert sorted(rcpt for m in sink.messages for rcpt in m.rcpts) == sorted(rcpts)


def test_a_drop_that_is_refused_is_not_lost(tmp_path):
    r = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\n" % free_port())
    with r:
        pass
    r.run("sendmail", "b@example.org", stdin="Received: from x\n" * 60 + "\nturns in circles\n")
    refused = r.run("sendmail", "b@example.org", stdin="".join("X-%d: %s\n" % (n, "x" * 900) for n in range(5000)) + "\nx\n", check=False)
    assert refused.returncode == 69 and b"all header fields together are larger than 4194304 bytes" in refused.stderr
    with r:
        r.wait_log(r"maildrop/\S+: refused: .*too many hops: left alone")
        (name,) = os.listdir(r.path("queue", "maildrop"))
        with open(r.path("queue", "maildrop", name)) as f:
            assert "turns in circles" in f.read()


def test_headers_as_people_send_them(tmp_path):
    many = "To: " + ",\r\n ".join("somebody-%04d@department.example.org" % n for n in range(2600)) + "\r\n"
    contents = {
        "large": many + many.replace("To:", "Cc:") + "Subject: large\r\n\r\nbody\r\n",
        "mbox": ">From bob@x.org Sun Nov 22 10:00:00 2026\r\nSubject: mbox\r\n\r\nbody\r\n",
    }
    with Sink() as sink, Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\n" % sink.port) as r:
        for content in contents.values():
            with smtplib.SMTP("127.0.0.1", r.port) as c:
                c.sendmail("a@x.org", ["b@x.org"], content)
        wait(lambda: len(sink.messages) == 2 or None)
        got = {name: next(m.content for m in sink.messages if b"Subject: %s\r\n" % name.encode() in m.content) for name in contents}
        assert many.encode() in got["large"]
        assert b"\r\nX-Mailbox-Line: >From bob@x.org Sun Nov 22 10:00:00 2026\r\nSubject: mbox\r\n" in got["mbox"]
        assert got["mbox"].endswith(b"\r\n\r\nbody\r\n")


def test_a_notice_has_the_servers_words(tmp_path):
    def refuse(sink, argument):
        return "550 5.1.1 <bad> no such user, caf\u00e9" if "<bad@" in argument else None

    with Sink(script={"RCPT": refuse}) as sink, Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nnotify_classes = bounce\nbounce_notice_recipient = pm@x.org\n"
              % sink.port) as r:
        with smtplib.SMTP("127.0.0.1", r.port) as c:
            c.sendmail("a@x.org", ["bad@x.org"], "Subject: x\r\n\r\nbody\r\n")
        wait(lambda: len(sink.messages) == 2 or None)
        notice = next(m for m in sink.messages if m.sender == "").content.decode()
        copy = next(m for m in sink.messages if m.sender).content.decode()
    assert re.match(r"Received: by \S+ \(.*\)\r\n\tid ", notice)
    assert re.search(r"\r\nMessage-Id: <\S+>\r\n", notice)
    assert "Remote-MTA: dns; 127.0.0.1\r\nDiagnostic-Code: smtp; 550 5.1.1 <bad> no such user, caf\u00e9\r\n" in notice
    assert "charset=utf-8" in notice and "\r\nSubject: Undelivered Mail Returned to Sender\r\n" in notice
    assert "\r\nSubject: Postmaster Copy: Undelivered Mail\r\n" in copy and "\r\nbody\r\n" not in copy


def test_local_maildir_and_mbox_by_alias(tmp_path):
    r = Relay(tmp_path / "r", "mydestination = example.test, localhost\nmyorigin = example.test\n"
              "alias_maps = texthash:%s/aliases\n" % (tmp_path / "r"),
              files={"aliases": "box: %s/Maildir/\nfile: %s/mbox\nboth: box, file\n" % (tmp_path, tmp_path)})
    with r:
        r.run("sendmail", "-f", "a@example.com", "box@example.test", stdin="Subject: one\n\nFrom here\n.\nend\n", check=True)
        r.run("sendmail", "-i", "-f", "a@example.com", "file", stdin="Subject: two\n\nFrom here\n.\nend\n")
        new = str(tmp_path / "Maildir" / "new")
        wait(lambda: os.path.isdir(new) and os.listdir(new))
        text = open(os.path.join(new, os.listdir(new)[0])).read()
        assert text.startswith("Return-Path: <a@example.com>\n") and "\nDelivered-To: " in text and text.endswith("\n\nFrom here\n"), text
        wait(lambda: os.path.exists(str(tmp_path / "mbox")))
        r.wait_log("status=sent", 2)
        text = open(str(tmp_path / "mbox")).read()
        assert text.startswith("From a@example.com ") and "\n>From here\n.\nend\n" in text, text
        assert r.log_lines(r"relay=local, .*status=sent \(delivered to file: %s/Maildir/?\)" % tmp_path)


def test_unknown_local_recipient_bounces_to_the_sender(tmp_path):
    with Sink() as sink:
        r = Relay(tmp_path / "r", "mydestination = example.test\nrelayhost = [127.0.0.1]:%d\n" % sink.port)
        with r:
            r.run("sendmail", "-f", "a@example.com", "nobody-here@example.test", stdin="Subject: x\n\nx\n")
            notice = sink.wait(1)[0]
            assert notice.sender == "" and notice.rcpts == ["a@example.com"]
            import email
            m = email.message_from_bytes(notice.content)
            assert m.get_content_type() == "multipart/report" and m.get_param("report-type") == "delivery-status"
            status = m.get_payload(1).get_payload(1)
            assert status["Action"] == "failed" and status["Status"] == "5.1.1" and "nobody-here@example.test" in status["Final-Recipient"]
            assert r.log_lines("sender non-delivery notification: [0-9A-F]+")
            wait(r.empty)


def test_permanent_refusal_bounces_and_half_accepted_mail_is_split(tmp_path):
    def rcpt(sink, argument):
        return "550 5.1.1 no such user" if "bad" in argument else "450 4.2.0 later" if "slow" in argument else None
    with Sink(script={"RCPT": rcpt}) as sink:
        r = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\n" % sink.port)
        with r:
            r.run("sendmail", "-f", "a@example.com", "good@x.test", "bad@x.test", "slow@x.test", stdin="Subject: x\n\nx\n")
            got = sink.wait(2)
            assert sorted(m.rcpts for m in got) == [["a@example.com"], ["good@x.test"]]
            assert r.log_lines(r"to=<bad@x.test>, .*dsn=5.1.1, status=bounced \(host 127.0.0.1\[127.0.0.1\] said: 550 5.1.1 no such user "
                               r"\(in reply to RCPT TO command\)\)")
            listing = r.mailq()
            assert "slow@x.test" in listing and "good@x.test" not in listing and "bad@x.test" not in listing


OUTSIDERS = [
    ("", 454, "4.7.1"),
    ("compatibility_level = 3.6\n", 454, "4.7.1"),
    ("smtpd_recipient_restrictions =\n", 454, "4.7.1"),
    ("smtpd_recipient_restrictions = permit_mynetworks\n", 454, "4.7.1"),
    ("relay_domains = other.test\n", 454, "4.7.1"),
    ("smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n", 554, "5.7.1"),
    ("smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination\n", 554, "5.7.1"),
]


@pytest.mark.parametrize("config,code,enhanced", OUTSIDERS)
def test_outsider_is_refused(tmp_path, config, code, enhanced):
    r = Relay(tmp_path / "r", "mynetworks = 192.0.2.0/24\nmydestination = example.test\n" + config)
    with r, smtplib.SMTP("127.0.0.1", r.port) as c:
        c.ehlo("outside.test")
        c.mail("a@outside.test")
        got, text = c.rcpt("victim@third.test")
        assert (got, text.decode()) == (code, "%s <victim@third.test>: Relay access denied" % enhanced)
        for trick in ("victim%third.test@example.test", "@example.test:victim@third.test", '"victim@third.test"@example.test',
                      "victim@third.test@example.test"):
            assert c.docmd("RCPT", "TO:<%s>" % trick)[0] >= 400, trick
        r.wait_log(r"NOQUEUE: reject: RCPT from unknown\[127.0.0.1\]: %d %s <victim@third.test>: Relay access denied; "
                   r"from=<a@outside.test> to=<victim@third.test> proto=ESMTP helo=<outside.test>" % (code, re.escape(enhanced)))
        c.quit()
        r.wait_log(r"disconnect from unknown\[127.0.0.1\] ehlo=1 mail=1 rcpt=0/5 quit=1 commands=3/8$")


def test_what_the_server_refuses_by_itself_is_logged_as_postfix_logs_it(tmp_path):
    r = Relay(tmp_path / "r", "mynetworks = 192.0.2.0/24\nrelay_domains = here.test\nmessage_size_limit = 1000\nqueue_minfree = 1\n")
    name = re.escape("unknown[127.0.0.1]")
    with r:
        with smtplib.SMTP("127.0.0.1", r.port) as c:
            c.ehlo("x")
            assert c.docmd("MAIL", "FROM:<a b@here.test>")[0] == 501
            assert c.docmd("MAIL", "FROM:<a@b.test> SIZE=1001")[0] == 552
            assert c.mail("a@b.test")[0] == 250
            assert c.docmd("RCPT", "TO: <a b@here.test>")[0] == 501
            assert c.docmd("RCPT", "TO:<-a@here.test>") == (501, b"5.1.3 Bad recipient address syntax")
            assert c.rcpt("a@here.test")[0] == 250
            assert c.docmd("DATA")[0] == 354
            c.send(b"Subject: x\r\n\r\n")
            c.close()
        with smtplib.SMTP("127.0.0.1", r.port) as c:
            assert c.docmd("X-Mailer: \033x")[0] == 221
        r.wait_log("disconnect from", 2)
    for line in (r"warning: Illegal address syntax from %s in MAIL command: <a b@here.test>", r"NOQUEUE: reject: MAIL from %s: 552 5.3.4 "
                 "Message size exceeds fixed limit; from=<a@b.test> proto=ESMTP helo=<x>", r"warning: Illegal address syntax from %s in RCPT "
                 "command: <a b@here.test>", r"NOQUEUE: reject: RCPT from %s: 501 5.1.3 Bad recipient address syntax; from=<a@b.test> "
                 "to=<-a@here.test> proto=ESMTP helo=<x>", r"lost connection after DATA \(14 bytes\) from %s",
                 r"warning: non-SMTP command from %s: X-Mailer: \?x", r"disconnect from %s unknown=0/1 commands=0/1"):
        assert r.log_lines(": " + line % name + "$"), line + "\n" + r.log()


def test_anybody_may_write_to_the_postmaster(tmp_path):
    with Sink() as sink:
        r = Relay(tmp_path / "r", "mynetworks = 192.0.2.0/24\nmydestination =\nrelayhost = [127.0.0.1]:%d\n" % sink.port)
        with r, smtplib.SMTP("127.0.0.1", r.port) as c:
            assert c.sendmail("a@outside.test", ["Postmaster"], "Subject: x\r\n\r\nx\r\n") == {}
            assert c.sendmail("a@outside.test", ["postmaster", "other"], "Subject: x\r\n\r\nx\r\n")["other"][0] == 454
            assert sorted(r for m in sink.wait(2) for r in m.rcpts) == ["Postmaster@relay.example.test", "postmaster@relay.example.test"]


def test_what_the_transport_table_sends_back_is_refused_at_once(tmp_path):
    r = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:1\ntransport_maps = inline:{ { gone.test = error:5.1.2 moved } { off.test = error: } "
              "{ late.test = retry:not today } { void.test = discard: } }\n")
    with r, smtplib.SMTP("127.0.0.1", r.port) as c:
        c.ehlo("x")
        c.mail("a@b.test")
        for domain, code, text in (("gone", 550, "5.1.2 <u@%s>: Recipient address rejected: moved"), ("off", 550, "5.1.1 <u@%s>: Recipient "
                                   "address rejected: Address is undeliverable"), ("late", 450, "4.1.1 <u@%s>: Recipient address rejected: "
                                   "not today"), ("void", 250, "2.1.5 Ok"), ("other", 250, "2.1.5 Ok")):
            domain += ".test"
            assert c.rcpt("u@" + domain) == (code, (text.replace("%s", domain)).encode())


def test_local_recipients_are_checked_as_they_are_delivered(tmp_path):
    r = Relay(tmp_path / "r", "mydestination = example.test\nrecipient_delimiter = +\nalias_maps = texthash:%s/aliases\n" % (tmp_path / "r"),
              files={"aliases": "postmaster: root\n"})
    with r, smtplib.SMTP("127.0.0.1", r.port) as c:
        c.ehlo("outside.test")
        c.mail("a@outside.test")
        assert c.rcpt("root@example.test")[0] == 250
        assert c.rcpt("root+extension@example.test")[0] == 250
        assert c.rcpt("Postmaster@example.test")[0] == 250
        assert c.rcpt("nobody-here@example.test") == (
            550, b"5.1.1 <nobody-here@example.test>: Recipient address rejected: User unknown in local recipient table")


def test_configuration_that_would_relay_for_all_does_not_start(tmp_path):
    r = Relay(tmp_path / "r", "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks\n")
    done = subprocess.run([RELAYBOX, "relayd", "-c", r.dir, "-t"], capture_output=True)
    assert done.returncode == 78 and b"open relay" in done.stderr


def test_demo_shows_a_mail_and_leaves_nothing_behind():
    done = subprocess.run([os.path.join(ROOT, "tests", "demo", "run")], capture_output=True, timeout=120 * SLOW,
                          env=dict(os.environ, BUILD=os.path.relpath(os.path.dirname(RELAYBOX), ROOT)))
    text = done.stdout.decode()
    assert done.returncode == 0, text + done.stderr.decode()
    assert "mail -s" in text and text.count("status=sent") == 2 and "東京は21度です" in text


FIELDS = [
    ("root <root>", "root <root@example.jp>"),
    ("root", "root@example.jp"),
    ("\"root\" <root>", "\"root\" <root@example.jp>"),
    ("root (root)", "root@example.jp (root)"),
    ("(root) root", "root@example.jp (root)"),
    ("root <(root (\\) root)) root>", "root <root@example.jp (root (\\) root))>"),
    ("a@b.example, a <a>, b <b@c.example>, Group: a, g <a@host>;", "a@b.example, a <a@example.jp>, b <b@c.example>,\r\n\tGroup: a@example.jp, g <a@host.example.jp>;"),
    ("\"a b\" <\"a b\">", "\"a b\" <\"a b\"@example.jp>"),
    ("not <an address", "not <an, address@example.jp"),
    ("a@b.example (c),  d@e.example", "a@b.example (c),  d@e.example"),
]


@pytest.mark.parametrize("written,want", FIELDS, ids=[f[0] for f in FIELDS])
def test_addresses_in_headers_are_completed_as_postfix_does(tmp_path, written, want):
    """The display name and comments may hold the same word; a field without an address to complete stays as it is."""
    with Sink() as sink:
        r = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nmyorigin = example.jp\nmydomain = example.jp\nappend_dot_mydomain = yes\n" % sink.port)
        with r:
            r.run("sendmail", "-f", "a@example.com", "b@example.org", stdin="From: %s\nSubject: s\n\nx\n" % written)
            assert b"\r\nFrom: %s\r\n" % want.encode() in sink.wait(1)[0].header


@pytest.mark.parametrize("keep, local", [("no", ["root@example.jp"]), ("yes", ["root@example.jp", "root@example.jp"])])
def test_a_recipient_named_twice_gets_one_copy(tmp_path, keep, local):
    """Twice is once where it was written in the same way; else once only without enable_original_recipient."""
    with Sink() as sink, Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nmyorigin = example.jp\nenable_original_recipient = %s\n"
                               % (sink.port, keep)) as r:
        with smtplib.SMTP("127.0.0.1", r.port) as client:
            client.sendmail("a@example.com", ["b@x.org", "B@X.org", "c@x.org", "b@x.org"], "Subject: s\n\nx\n")
        r.run("sendmail", "root", "root@example.jp", "root", stdin="Subject: s\n\nx\n")
        assert sorted(m.rcpts for m in sink.wait(2)) == [["b@x.org", "c@x.org"], local]


@pytest.mark.parametrize("how", [("sendmail", "-q"), ("relayctl", "flush")])
def test_mail_of_deferred_transports_waits_for_a_flush(tmp_path, how):
    with Sink() as sink, Relay(tmp_path, "relayhost = [127.0.0.1]:%d\ndefer_transports = other, slow\nqueue_run_delay = 1s\nminimal_backoff_time = 1s\n"
                               "transport_maps = inline:{ {slow.test=slow:[127.0.0.1]:%d} }\n" % (sink.port, sink.port)) as relay:
        with open(relay.path("master.cf"), "a") as f:
            f.write("slow unix - - n - - smtp\n")
        relay.run("relayctl", "reload")
        relay.run("sendmail", "-f", "a@b.test", "x@slow.test", "y@fast.test", stdin="Subject: x\n\nx\n")
        assert sink.wait(1)[0].rcpts == ["y@fast.test"]
        # not even when its time has come again
        relay.wait_log(r"to=<x@slow.test>, .*relay=none.* dsn=4.3.2, status=deferred \(deferred transport\)", 2)
        assert len(sink.messages) == 1
        relay.run(*how)
        assert sink.wait(2)[1].rcpts == ["x@slow.test"]
