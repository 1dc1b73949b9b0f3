"""reject_unverified_recipient: the recipient's own server is asked before the client is answered, and the answer is kept."""
import re
import socket
import threading
import time

import pytest

from lab import Relay, Sink, wait

MAIN = """\
mynetworks = 192.0.2.0/24
relay_domains = inner.test
transport_maps = inline:{inner.test=relay:[127.0.0.1]:%d, third.test=relay:[127.0.0.1]:%d}
smtpd_recipient_restrictions = permit_mynetworks, reject_unverified_recipient, reject_unauth_destination
smtpd_client_connection_count_limit = 0
"""


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.file = self.socket.makefile("rb")
        assert self.reply().startswith("220")
        self.say("EHLO client.test")

    def reply(self):
        while True:
            line = self.file.readline().decode()
            if line[3:4] != "-":
                return line.strip()

    def send(self, line):
        self.socket.sendall(line.encode() + b"\r\n")

    def say(self, line):
        self.send(line)
        return self.reply()

    def rcpt(self, rcpt):
        self.say("RSET")
        assert self.say("MAIL FROM:<someone@outside.test>").startswith("250")
        return self.say("RCPT TO:<%s>" % rcpt)

    def close(self):
        self.file.close()
        self.socket.close()

    __enter__ = lambda self: self  # noqa: E731

    def __exit__(self, *_):
        self.close()


class Answers:
    """A script for the sink's RCPT: by local part, else 250; slow ones wait until they are released."""

    def __init__(self):
        self.asked, self.go = [], threading.Event()

    def __call__(self, sink, argument):
        rcpt = re.search("<(.*)>", argument).group(1)
        self.asked.append(rcpt)
        if rcpt.startswith("slow"):
            self.go.wait(60)
        return {"gone": "550 5.1.1 <%s>: no such user here" % rcpt, "busy": "451 4.3.0 come back"}.get(rcpt.split("@")[0])


@pytest.fixture
def lab(tmp_path):
    answers = Answers()
    with Sink(script={"RCPT": answers}) as sink:
        relay = Relay(tmp_path / "r", MAIN % (sink.port, sink.port))
        with relay:
            relay.answers = answers
            yield relay
        answers.go.set()


def test_recipient_is_asked_for_before_the_client_is_answered(lab):
    with Client(lab.port) as c:
        assert c.rcpt("user@inner.test") == "250 2.1.5 Ok"
        assert lab.answers.asked == ["user@inner.test"]
        reply = c.rcpt("gone@inner.test")
        assert re.match(r"450 4\.1\.1 <gone@inner\.test>: Recipient address rejected: undeliverable address: host 127\.0\.0\.1\[127\.0\.0\.1\] "
                        r"said: 550 5\.1\.1 <gone@inner\.test>: no such user here", reply), reply
        reply = c.rcpt("busy@inner.test")
        assert reply.startswith("450 4.1.1 <busy@inner.test>: Recipient address rejected: unverified address: "), reply
        # known by now
        n = len(lab.answers.asked)
        c.rcpt("user@inner.test"), c.rcpt("gone@inner.test"), c.rcpt("busy@inner.test")
        assert len(lab.answers.asked) == n
    qid = re.search(r"(\w+): to=<user@inner", lab.wait_log("to=<user@inner")[0]).group(1)
    for line in (r"postfix/cleanup\[\d+\]: %s: message-id=<\d{14}\.%s@relay\.example\.test>$" % (qid, qid),
                 r"postfix/qmgr\[\d+\]: %s: from=<double-bounce@relay\.example\.test>, size=[1-9]\d*, nrcpt=1 \(queue active\)$" % qid,
                 r"postfix/smtp\[\d+\]: %s: to=<user@inner\.test>, relay=127\.0\.0\.1\[127\.0\.0\.1\]:\d+, (conn_use=\d+, )?delay=[\d.]+, "
                 r"delays=[\d./]+, dsn=2\.1\.5, status=deliverable \(250 2\.1\.5 Ok\)$" % qid,
                 r"postfix/qmgr\[\d+\]: %s: removed$" % qid,
                 r"NOQUEUE: reject: RCPT from unknown\[127\.0\.0\.1\]: 450 4\.1\.1 <gone@inner\.test>: .*undeliverable address",
                 r"to=<gone@inner\.test>, .*dsn=5\.1\.1, status=undeliverable \(host "):
        assert lab.log_lines(line), line
    assert lab.empty()


def test_stranger_to_a_third_domain_causes_no_probe(lab):
    with Client(lab.port) as c:
        assert c.rcpt("user@third.test") == "454 4.7.1 <user@third.test>: Relay access denied"
        assert c.rcpt("user@other.test") == "454 4.7.1 <user@other.test>: Relay access denied"
    assert not lab.answers.asked
    assert not lab.log_lines("double-bounce")


def test_answers_survive_a_restart(lab):
    with Client(lab.port) as c:
        c.rcpt("user@inner.test"), c.rcpt("gone@inner.test")
    lab.kill()
    lab.start()
    with Client(lab.port) as c:
        assert c.rcpt("user@INNER.test").startswith("250")
        assert c.rcpt("gone@inner.test").startswith("450 4.1.1")
    assert lab.answers.asked == ["user@inner.test", "gone@inner.test"]
    assert lab.log_lines(r"verify\[\d+\]: cache btree:\S+/verify_cache full cleanup: retained=2 dropped=0 entries")


def test_clients_share_one_probe(lab):
    said = []

    def one():
        with Client(lab.port) as c:
            said.append(c.rcpt("slow@inner.test"))
    threads = [threading.Thread(target=one) for _ in range(8)]
    for t in threads:
        t.start()
    wait(lambda: lab.answers.asked)
    time.sleep(0.3)
    lab.answers.go.set()
    for t in threads:
        t.join(60)
    assert said == ["250 2.1.5 Ok"] * 8
    assert lab.answers.asked == ["slow@inner.test"]


def test_wait_is_bounded_and_the_late_answer_counts(lab):
    lab.write("main.cf", open(lab.path("main.cf")).read() + "address_verify_poll_count = 2\naddress_verify_poll_delay = 1s\n")
    lab.run("relayctl", "reload")
    with Client(lab.port) as c:
        assert c.rcpt("slow@inner.test") == ("450 4.1.1 <slow@inner.test>: Recipient address rejected: unverified address: "
                                             "Address verification in progress")
        lab.answers.go.set()
        lab.wait_log("to=<slow@inner.test>.*deliverable")
        assert c.rcpt("slow@inner.test").startswith("250")
    assert len(lab.answers.asked) == 1


def test_client_that_breaks_off_during_the_probe_leaves_nothing(lab):
    def sessions():
        return re.search(rb"SMTP sessions now\s+(\d+)", lab.run("relayctl", "stats").stdout).group(1)
    for how in ("close", "reset", "pipelined"):
        c = Client(lab.port)
        c.send("MAIL FROM:<someone@outside.test>")
        c.send("RCPT TO:<slow-%s@inner.test>" % how)
        if how == "pipelined":
            c.send("DATA")
        wait(lambda: "slow-%s@inner.test" % how in lab.answers.asked)  # noqa: B023
        if how == "reset":
            c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        c.close()
    lab.answers.go.set()
    wait(lambda: sessions() == b"0")
    lab.wait_log("to=<slow-.*status=deliverable", 3)
    assert lab.empty()
    with Client(lab.port) as c:
        assert c.rcpt("slow-close@inner.test").startswith("250")
        assert c.rcpt("user@inner.test").startswith("250")
    assert lab.stop() == 0
