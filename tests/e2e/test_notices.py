"""Notices at a running relayd: to the sender, to the postmaster, in an administrator's words; what RFC 3461 asks for goes to the next hop."""
import email
import email.policy
import re

import pytest

from lab import Relay, Sink, wait
from test_access import Client

TEMPLATES = """failure_template = <<EOF
Charset: utf-8
From: Robot <bounces>
Subject: It came back
Postmaster-Subject: A copy

M\u00fcll of $myhostname, kept for $maximal_queue_lifetime_days days, costs $$5.
EOF
"""


def refuse(_, argument):
    if "<no" in argument:
        return "550 5.1.1 unknown user here"
    return "450 4.2.1 full mailbox" if "<later" in argument else None


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notices")
    with Sink(script={"RCPT": refuse}) as sink:
        relay = Relay(folder, "relayhost = [127.0.0.1]:%d\nmynetworks = 127.0.0.0/8\nmyorigin = example.jp\nmydestination =\n"
                      "notify_classes = bounce, 2bounce, delay, protocol, policy\nerror_notice_recipient = errors@sink.test\n"
                      "bounce_template_file = %s/bounce.cf\ndelay_warning_time = 1s\nminimal_backoff_time = 1s\nmaximal_backoff_time = 1s\n"
                      "queue_run_delay = 1s\n" % (sink.port, folder), files={"bounce.cf": TEMPLATES})
        with relay:
            yield relay, sink


def send(relay, rcpts, sender="s@a.test", more=""):
    with Client(relay.port) as c:
        c.say("EHLO client.test")
        assert c.say("MAIL FROM:<%s>%s" % (sender, more)).startswith("250")
        for r in rcpts:
            assert c.say("RCPT TO:%s" % r).startswith("250")
        assert c.say("DATA").startswith("354")
        return c.say("Subject: original\r\n\r\nbody of it\r\n.").split()[-1]


def notice(sink, rcpt, about):
    def came():
        "the notice to %s" % rcpt
        return [m for m in sink.messages if m.rcpts == [rcpt] and about.encode() in m.content]
    return email.message_from_bytes(wait(came)[0].content.replace(b"\r\n", b"\n"), policy=email.policy.default)


def report(m):
    """The fields of the delivery report, recipient by recipient."""
    part = [p for p in m.walk() if p.get_content_type() == "message/delivery-status"][0]
    return [dict(p.items()) for p in part.get_payload()]


def test_a_failure_in_other_words(world):
    relay, sink = world
    qid = send(relay, ["<no1@y.test> NOTIFY=FAILURE ORCPT=rfc822;orig@y.test"], "failed@a.test", " ENVID=env1 RET=HDRS")
    m = notice(sink, "failed@a.test", qid)
    assert m["Subject"] == "It came back" and m["From"] == "Robot <bounces@example.jp>" and m["Auto-Submitted"] == "auto-replied"
    text = m.get_payload()[0]
    assert text.get_content_charset() == "utf-8"
    assert "M\u00fcll of relay.example.test, kept for 5 days, costs $5.\n" in text.get_content()
    assert "<no1@y.test>: host 127.0.0.1[127.0.0.1] said: 550 5.1.1 unknown user here (in\n    reply to RCPT TO command)" in text.get_content()
    head, one = report(m)
    assert head["Reporting-MTA"] == "dns; relay.example.test" and head["Original-Envelope-Id"] == "env1"
    assert head["X-relaybox-Sender"] == "rfc822; failed@a.test"
    assert {k: one[k] for k in ("Final-Recipient", "Original-Recipient", "Action", "Status", "Diagnostic-Code")} == {
        "Final-Recipient": "rfc822; no1@y.test", "Original-Recipient": "rfc822;orig@y.test", "Action": "failed", "Status": "5.1.1",
        "Diagnostic-Code": "smtp; 550 5.1.1 unknown user here"}
    assert m.get_payload()[2].get_content_type() == "text/rfc822-headers" and "Return-Path: <failed@a.test>" in m.as_string()
    copy = notice(sink, "postmaster@example.jp", qid)
    assert copy["Subject"] == "A copy" and "M\u00fcll" not in copy.get_payload()[0].get_content()


def test_a_delay_and_a_success(world):
    relay, sink = world
    qid = send(relay, ["<later@y.test>", "<ok@y.test> NOTIFY=SUCCESS"], "slow@a.test")
    m = notice(sink, "slow@a.test", "Successful Mail Delivery Report")
    # the sink does not do DSN, so nobody else tells
    assert re.search(r"<ok@y.test>: delivery via\s+127\.0\.0\.1\[127\.0\.0\.1\]:%d: 250 " % sink.port, m.get_payload()[0].get_content())
    assert report(m)[1]["Action"] == "relayed"
    m = notice(sink, "slow@a.test", "Delayed Mail (still being retried)")
    assert "THIS IS A WARNING ONLY" in m.get_payload()[0].get_content() and "Will-Retry-Until" in report(m)[1]
    assert report(m)[1]["Action"] == "delayed"
    assert notice(sink, "postmaster@example.jp", "Postmaster Warning: Delayed Mail")
    relay.run("postsuper", "-d", qid)


def test_a_notice_that_comes_back_goes_to_the_postmaster(world):
    relay, sink = world
    qid = send(relay, ["<no2@y.test>"], "")
    m = notice(sink, "postmaster@example.jp", qid)
    assert m["Auto-Submitted"] == "auto-generated" and report(m)[0]["X-relaybox-Sender"].startswith("rfc822; MAILER-DAEMON@")
    assert "body of it" in m.as_string()


def test_wishes_go_to_a_next_hop_that_knows_them(tmp_path):
    said = []
    with Sink(extensions=("PIPELINING", "8BITMIME", "DSN"), script={v: lambda _, a: said.append(a) for v in ("MAIL", "RCPT")}) as sink, \
            Relay(tmp_path, "relayhost = [127.0.0.1]:%d\nmynetworks = 127.0.0.0/8\n" % sink.port) as relay:
        send(relay, ["<u@y.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;o+2Bx@y.test"], more=" RET=FULL ENVID=a+3Db")
        sink.wait(1)
    assert "RET=FULL" in said[0] and "ENVID=a+3Db" in said[0]
    assert "NOTIFY=SUCCESS,FAILURE" in said[1] and "ORCPT=rfc822;o+2Bx@y.test" in said[1]


def test_a_session_with_errors(world):
    relay, sink = world
    with Client(relay.port) as c:
        c.say("EHLO client.test")
        c.say("FOO")
        # in every spelling, and from a client that goes on although it was refused
        for line in ("AUTH PLAIN c2VjcmV0", "AUTH\tPLAIN\tc2VjcmV0", " auth plain c2VjcmV0", "AUTH=PLAIN c2VjcmV0", "c2VjcmV0",
                     "VRFY somebody@y.test", "5c2VjcmV0"):
            c.say(line)
    m = notice(sink, "errors@sink.test", "Transcript of session follows")
    text = m.get_content()
    assert m["Subject"] == "relaybox SMTP server: errors from unknown[127.0.0.1]" and m["From"].startswith("Mail Delivery System <")
    assert " In:  FOO\n" in text and " Out: 500 5.5.2 Error: command not recognized\n" in text and "VRFY somebody@y.test\n" in text
    assert "2VjcmV0" not in text and "2VjcmV0" not in relay.log()
