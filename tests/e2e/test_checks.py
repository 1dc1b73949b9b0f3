"""Header and body checks, and what access tables want done with mail, at a running relayd: one serves all cases."""
import json
import os
import re

import pytest

from lab import Relay, Sink, wait
from test_access import Client
from test_drops import drop, plain

HEADER = r"""
/^Subject: refuse/ REJECT no such shop
/^Subject: later/ REJECT 4.7.9 later
/^Subject: hold/ HOLD let us see
/^Subject: drop/ DISCARD bye
/^Subject: elsewhere/ REDIRECT boss@sink.test
/^Subject: copy/ BCC copy@sink.test
/^Subject: filter/ FILTER smtp:[127.0.0.1]:1
/^Subject: old (.*)/ REPLACE Subject: new $1
/^X-Secret:/ IGNORE
"""
BODY = "/forbidden/ REJECT 5.7.8 that word\n/password: .*/ REPLACE password: (removed)\n"
SENDERS = "held@a.test HOLD\ngone@a.test DISCARD\nmoved@a.test REDIRECT boss@sink.test\ncopied@a.test BCC copy@sink.test\n" \
    "marked@a.test PREPEND X-Marked: yes\nfiltered@a.test FILTER smtp:[127.0.0.1]:1\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checks")
    with Sink() as sink:
        relay = Relay(folder, "relayhost = [127.0.0.1]:%d\nmynetworks = 127.0.0.0/8\nheader_checks = regexp:%s/header\n"
                      "body_checks = regexp:%s/body\nsmtpd_sender_restrictions = check_sender_access texthash:%s/senders\n"
                      "minimal_backoff_time = 1s\nqueue_run_delay = 1s\n" % ((sink.port,) + (folder,) * 3),
                      files={"header": HEADER, "body": BODY, "senders": SENDERS})
        with relay:
            yield relay, sink


def send(relay, content, sender="s@a.test", rcpt="u@sink.test"):
    with Client(relay.port) as c:
        c.say("EHLO client.test")
        assert c.say("MAIL FROM:<%s>" % sender).startswith("250")
        assert c.say("RCPT TO:<%s>" % rcpt).startswith("250")
        assert c.say("DATA").startswith("354")
        return c.say(content.replace("\n", "\r\n") + "\r\n.")


def arrives(relay, sink, content, sender="s@a.test"):
    """The one message that comes of it."""
    before = len(sink.messages)
    answer = send(relay, content, sender)
    assert answer.startswith("250 2.0.0 Ok: queued as "), answer
    qid = answer.split()[-1]
    relay.wait_log("qmgr.*%s: removed" % qid)
    new = [m for m in sink.messages[before:]]
    return qid, new


def queued(relay):
    return [json.loads(line) for line in relay.run("postqueue", "-j").stdout.decode().splitlines()]


def test_refusals(world):
    relay, sink = world
    before = len(sink.messages)
    assert send(relay, "Subject: refuse\n\nx") == "550 5.7.1 no such shop"
    assert send(relay, "Subject: later\n\nx") == "451 4.7.9 later"
    assert send(relay, "Subject: x\n\na forbidden word") == "550 5.7.8 that word"
    relay.wait_log(r"cleanup.*: reject: header Subject: refuse from unknown\[127.0.0.1\]; from=<s@a.test> to=<u@sink.test> proto=ESMTP "
                   r"helo=<client.test>: 5.7.1 no such shop$")
    assert len(sink.messages) == before


def test_what_is_changed_on_the_way(world):
    relay, sink = world
    _, (m,) = arrives(relay, sink, "Subject: old hat\nX-Secret: a\n b\nTo: u@sink.test\n\nuser: me\npassword: x\nbye")
    assert b"Subject: new hat\r\n" in m.header and b"Secret" not in m.header and b" b\r\n" not in m.header
    assert m.body == b"user: me\r\npassword: (removed)\r\nbye\r\n"


def test_other_recipients(world):
    relay, sink = world
    for content, sender in (("Subject: elsewhere\n\nx", "s@a.test"), ("Subject: x\n\nx", "moved@a.test")):
        qid, (m,) = arrives(relay, sink, content, sender)
        assert m.rcpts == ["boss@sink.test"]
        relay.wait_log("%s: to=<boss@sink.test>, orig_to=<u@sink.test>" % qid)
    for content, sender in (("Subject: copy\n\nx", "s@a.test"), ("Subject: x\n\nx", "copied@a.test")):
        _, got = arrives(relay, sink, content, sender)
        assert sorted(r for m in got for r in m.rcpts) == ["copy@sink.test", "u@sink.test"]


def test_what_is_dropped_is_gone(world):
    relay, sink = world
    before = len(sink.messages)
    for content, sender in (("Subject: drop\n\nx", "s@a.test"), ("Subject: x\n\nx", "gone@a.test")):
        answer = send(relay, content, sender)
        assert answer.startswith("250 2.0.0 Ok: queued as ")
        assert not relay.log_lines("qmgr.*" + answer.split()[-1])
    relay.wait_log(": discard: header Subject: drop from")
    relay.wait_log("NOQUEUE: discard: RCPT from unknown.*: <gone@a.test>: Sender address triggers DISCARD action;")
    assert len(sink.messages) == before


def test_a_field_of_an_access_table_stands_before_all(world):
    relay, sink = world
    _, (m,) = arrives(relay, sink, "Subject: x\n\nx", "marked@a.test")
    assert re.search(rb"X-Marked: yes\r\nReceived: from client.test", m.header)


def test_held_mail_stays_held_and_says_why(tmp_path):
    """Through kill -9, as it was answered with 250; released, it goes."""
    with Sink() as sink:
        relay = Relay(tmp_path, "relayhost = [127.0.0.1]:%d\nmynetworks = 127.0.0.0/8\nheader_checks = regexp:%s/header\n"
                      "smtpd_sender_restrictions = check_sender_access texthash:%s/senders\n" % (sink.port, tmp_path, tmp_path),
                      files={"header": HEADER, "senders": SENDERS})
        with relay:
            qids = [send(relay, *what).split()[-1] for what in (("Subject: hold\n\nx",), ("Subject: x\n\nx", "held@a.test"),
                    ("Subject: filter\n\nx",), ("Subject: x\n\nx", "filtered@a.test"))]
            relay.kill()
        with relay:
            queue = {m["queue_id"]: m for m in queued(relay)}
            assert sorted(queue) == sorted(qids) and {m["queue_name"] for m in queue.values()} == {"hold"}
            for qid in qids[2:]:
                assert queue[qid]["recipients"][0]["delay_reason"] == "FILTER smtp:[127.0.0.1]:1: relaybox has no content filters"
            assert not sink.messages
            relay.run("postsuper", "-H", "ALL")
            sink.wait(4)
            wait(relay.empty)


def test_local_mail_that_is_refused_comes_back(world):
    relay, sink = world
    before = len(sink.messages)
    drop(relay, plain(sender="me@sink.test"), b"Subject: refuse\n\nx\n")
    relay.wait_log("cleanup.*: reject: header Subject: refuse from local; from=<me@sink.test> to=<.*>: 5.7.1 no such shop")
    relay.wait_log("status=bounced .*no such shop")
    relay.wait_log("sender non-delivery notification")

    def came():
        "the notice"
        return [m for m in sink.messages[before:] if m.rcpts == ["me@sink.test"]]
    (notice,) = wait(came)
    assert b"no such shop" in notice.body and b"Status: 5.7.1" in notice.body and b"Subject: refuse" in notice.body
    assert not os.listdir(relay.path("queue", "maildrop"))


def test_local_mail_that_is_dropped_is_gone(world):
    relay, _ = world
    drop(relay, plain(sender="gone2@sink.test"), b"Subject: drop\n\nx\n")
    relay.wait_log("discard: header Subject: drop from local; from=<gone2@sink.test>")
    wait(lambda: not os.listdir(relay.path("queue", "maildrop")))


def test_a_service_that_is_not_checked(tmp_path):
    with Sink() as sink:
        relay = Relay(tmp_path, "relayhost = [127.0.0.1]:%d\nmynetworks = 127.0.0.0/8\nheader_checks = regexp:%s/header\n" % (sink.port, tmp_path),
                      files={"header": HEADER})
        relay.write("master.cf", "%d inet n - n - - smtpd\n -o receive_override_options=no_header_body_checks\n" % relay.port)
        with relay:
            arrives(relay, sink, "Subject: refuse\n\nx")


def test_many_rules_and_a_hostile_line_block_nobody(tmp_path):
    """While one message keeps a thread busy, others are answered."""
    rules = "".join("/^(X-%d: .*[a-z]+[0-9]*x)+$/ REJECT\n" % i for i in range(1000))
    with Sink() as sink:
        relay = Relay(tmp_path, "relayhost = [127.0.0.1]:%d\nmynetworks = 127.0.0.0/8\nheader_checks = regexp:%s/header\nbody_checks = regexp:%s/header\n"
                      % (sink.port, tmp_path, tmp_path), files={"header": rules})
        with relay, Client(relay.port) as slow, Client(relay.port) as quick:
            for c in (slow, quick):
                c.begin()
                assert c.say("RCPT TO:<u@sink.test>").startswith("250")
                assert c.say("DATA").startswith("354")
            slow.socket.sendall(b"Subject: x\r\n\r\n" + (b"X-5: " + b"a1" * 900 + b"\r\n") * 500 + b".\r\n")
            for _ in range(20):
                with Client(relay.port) as other:
                    assert other.say("NOOP").startswith("250")
            slow.socket.settimeout(300)
            assert slow.reply().startswith("250")
            assert quick.say("Subject: x\r\n\r\nx\r\n.").startswith("250")
            sink.wait(2)
