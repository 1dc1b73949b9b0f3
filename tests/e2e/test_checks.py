"""Header and body checks, and what access tables want done with mail, at a running relayd: one serves all cases."""
import json
import os
import re
import smtplib

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
                    ("Subject: x\n\nx", "filtered@a.test"))]
            relay.kill()
        with relay:
            queue = {m["queue_id"]: m for m in queued(relay)}
            assert sorted(queue) == sorted(qids) and {m["queue_name"] for m in queue.values()} == {"hold"}
            for qid in qids[2:]:
                assert queue[qid]["recipients"][0]["delay_reason"] == "FILTER smtp:[127.0.0.1]:1: relaybox has no content filters"
            assert not sink.messages
            relay.run("postsuper", "-H", "ALL")
            sink.wait(3)
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
        relay = Relay(tmp_path, "relayhost = [127.0.0.1]:%d\nmynetworks = 127.0.0.0/8\nheader_checks = regexp:%s/header\n"
                      "virtual_alias_maps = inline:{u@sink.test=other@sink.test}\nalways_bcc = all@sink.test\n" % (sink.port, tmp_path),
                      files={"header": HEADER})
        relay.write("master.cf", "%d inet n - n - - smtpd\n -o receive_override_options=no_header_body_checks,no_address_mappings\n" % relay.port)
        with relay:
            _, (m,) = arrives(relay, sink, "Subject: refuse\n\nx")
            assert m.rcpts == ["u@sink.test"]


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


# --- on the way out: what Postfix 3.7.11 says and sends with the same tables ---

SENT_HEADER = r"""
/^Subject: rej/ REJECT no
/^Subject: warn/ WARN watch it
/^Subject: info/ INFO told
/^Subject: say/ INFO
/^Subject: hold/ HOLD why not
/^Subject: filter/ FILTER smtp:x
/^Subject: prep/ PREPEND X-Extra: 1
/^Subject: prebad/ PREPEND none
/^Subject: prenone/ PREPEND
/^Subject: repl (.*)/ REPLACE Subject: new $1
/^Subject: repbad/ REPLACE none
/^Subject: ign/ IGNORE
/^Subject: strip/ STRIP gone
/^Subject: dunno/ DUNNO
/^Subject: unk/ FROBNICATE it
/^X-Re: (.*)/ REPLACE X-Re: <$1>
/^X-Y/ INFO x
/^(Received|Message-Id|Date|From):/ IGNORE
"""
SENT_BODY = "/badword/ REJECT body no\n/infoword/ INFO body yes\n/prepword/ PREPEND before\n/replword/ REPLACE after\n/ignword/ IGNORE\n" \
    "/stripword/ STRIP\n"
PARTS = "pre\n--b\nSubject: a\nContent-Type: text/plain\n\nx\n--b\nContent-Type: message/rfc822\n\nSubject: z\nContent-Type: text/plain\n\n" \
    "infoword\n--b--\n"
UNSUPPORTED = "warning: unsupported command in smtp_header_checks map: "
SENT = [
    ("Subject: rej x", "b\n", "Subject: rej x", "b\n", [UNSUPPORTED + "REJECT no"]),
    ("Subject: warn x", "b\n", "Subject: warn x", "b\n", ["warning: header Subject: warn x: watch it"]),
    ("Subject: info x", "b\n", "Subject: info x", "b\n", ["info: header Subject: info x: told"]),
    ("Subject: say x", "b\n", "Subject: say x", "b\n", ["info: header Subject: say x"]),
    ("Subject: hold x", "b\n", "Subject: hold x", "b\n", [UNSUPPORTED + "HOLD why not"]),
    ("Subject: filter x", "b\n", "Subject: filter x", "b\n", [UNSUPPORTED + "FILTER smtp:x"]),
    ("Subject: prep x", "b\n", "X-Extra: 1\nSubject: prep x", "b\n", ["prepend: header Subject: prep x: X-Extra: 1"]),
    ("Subject: prebad x", "b\n", "Subject: prebad x", "b\n",
     ['warning: bad PREPEND header text "none" in smtp_header_checks map -- need "headername: headervalue"']),
    ("Subject: prenone x", "b\n", "Subject: prenone x", "b\n", ["warning: PREPEND action without text in smtp_header_checks map"]),
    ("Subject: repl x", "b\n", "Subject: new x", "b\n", ["replace: header Subject: repl x: Subject: new x"]),
    ("Subject: repbad x", "b\n", "Subject: repbad x", "b\n",
     ['warning: bad REPLACE header text "none" in smtp_header_checks map -- need "headername: headervalue"']),
    ("Subject: ign x", "b\n", "", "b\n", []),
    ("Subject: strip x", "b\n", "", "b\n", ["strip: header Subject: strip x: gone"]),
    ("Subject: dunno x", "b\n", "Subject: dunno x", "b\n", []),
    ("Subject: unk x", "b\n", "Subject: unk x", "b\n", [UNSUPPORTED + "FROBNICATE it"]),
    ("X-Re: one\n  two\n\tthree\nX-Y: " + "z" * 100, "b\n", "X-Re: <one\n  two\n\tthree>\nX-Y: " + "z" * 100, "b\n",
     ["replace: header X-Re: one?  two??three: X-Re: <one?  two??three>", "info: header X-Y: " + "z" * 55 + ": x"]),
    ("Subject: x", "badword\ninfoword here\na\nprepword here\nreplword\nignword\nstripword " + "q" * 100 + "\n\nz\n", "Subject: x",
     "badword\ninfoword here\na\nbefore\nprepword here\nafter\n\nz\n",
     ["warning: unsupported command in smtp_body_checks map: REJECT body no", "info: body infoword here: body yes",
      "prepend: body prepword here: before", "replace: body replword: after", "strip: body stripword " + "q" * 50]),
    ("Content-Type: multipart/mixed; boundary=b\nMIME-Version: 1.0", PARTS, "Content-Type: multipart/mixed; boundary=b\nMIME-Version: 1.0", PARTS,
     ["info: header Content-Type: multipart/mixed; boundary=b: mime=Content-Type", "info: header MIME-Version: 1.0: mime=MIME-Version",
      "info: header Subject: a: mime=Subject", "info: header Content-Type: text/plain: mime=Content-Type",
      "info: header Content-Type: message/rfc822: mime=Content-Type", "info: header Subject: z: nested=Subject",
      "info: header Content-Type: text/plain: mime=Content-Type", "info: body infoword: body yes"]),
]


def test_mail_that_is_sent(tmp_path):
    with Sink() as sink:
        relay = Relay(tmp_path, "relayhost = [127.0.0.1]:%d\nmynetworks = 127.0.0.0/8\nsmtp_header_checks = regexp:%s/header_checks\n"
                      "smtp_mime_header_checks = regexp:%s/mime_header_checks\nsmtp_nested_header_checks = regexp:%s/nested_header_checks\n"
                      "smtp_body_checks = regexp:%s/body_checks\n" % ((sink.port,) + (tmp_path,) * 4),
                      files={"header_checks": SENT_HEADER, "mime_header_checks": "/^(.*): *(.*)$/ INFO mime=$1\n",
                             "nested_header_checks": "/^(.*): *(.*)$/ INFO nested=$1\n", "body_checks": SENT_BODY})
        with relay:
            for header, body, want_header, want_body, want_log in SENT:
                seen = len(relay.log())
                qid, (m,) = arrives(relay, sink, header + "\n\n" + body.rstrip("\n"))
                # the local client's missing fields are left out again by the table
                assert m.content.decode().replace("\r\n", "\n") == (want_header and want_header + "\n") + "\n" + want_body
                said = [re.sub(r".*?postfix/smtp(\[\d+\])?: (%s: )?" % qid, "", line) for line in relay.log()[seen:].splitlines()
                        if "postfix/smtp" in line and "postfix/smtpd" not in line and "status=" not in line]
                assert said == want_log
            # a large message, in pieces
            text = "x" * 70 + "\n"  # the whole body is looked at, however long it is
            qid, (m,) = arrives(relay, sink, "Subject: repl x\n\n" + text * 20000 + "replword\n" + text * 20000)
            assert m.body.count(b"x" * 70 + b"\r\n") == 40000 and b"\r\nafter\r\n" in m.body and len(m.body) == 40000 * 72 + 9


def test_lmtp_has_names_of_its_own(tmp_path):
    with Sink() as sink:
        relay = Relay(tmp_path, "relayhost =\ndefault_transport = lmtp:inet:127.0.0.1:%d\nmynetworks = 127.0.0.0/8\n"
                      "smtp_header_checks = regexp:{{/^Subject:/ IGNORE}}\nlmtp_header_checks = regexp:{{/^Subject: .*/ REPLACE Subject: by lmtp}}\n"
                      % sink.port)
        with relay:
            _, (m,) = arrives(relay, sink, "Subject: x\n\nx")
            assert b"Subject: by lmtp\r\n" in m.header


def test_8bit_content_as_it_is(tmp_path):
    with Sink(extensions=("PIPELINING",)) as sink:
        relay = Relay(tmp_path, "relayhost = [127.0.0.1]:%d\nmynetworks = 127.0.0.0/8\ndisable_mime_output_conversion = yes\n" % sink.port)
        with relay:
            _, (m,) = arrives(relay, sink, "Subject: x\n\n\u00e9")
            assert m.body == "\u00e9\r\n".encode() and b"quoted" not in m.header


def test_a_line_of_cleanup_has_checks_of_its_own(tmp_path):
    """The recipe that takes the client's address out of submitted mail, and no other."""
    with Sink() as sink:
        relay = Relay(tmp_path, "relayhost = [127.0.0.1]:%d\nmynetworks = 127.0.0.0/8\nheader_checks = regexp:{{/^X-A:/ IGNORE}}\n" % sink.port)
        private = Relay(tmp_path / "unused", "")  # for a second port
        relay.write("master.cf", "%d inet n - n - - smtpd\n%d inet n - n - - smtpd\n -o cleanup_service_name=private\n"
                    "cleanup unix n - n - 0 cleanup\nprivate unix n - n - 0 cleanup\n -o { header_checks = regexp:{{/^Received:/ IGNORE}} }\n"
                    % (relay.port, private.port))
        with relay:
            _, (m,) = arrives(relay, sink, "Received: from a\nX-A: b\nSubject: x\n\nx")
            assert b"Received: from a\r\n" in m.header and b"X-A" not in m.header
            relay.port, port = private.port, relay.port
            _, (m,) = arrives(relay, sink, "Received: from a\nX-A: b\nSubject: x\n\nx")
            # the field of ours is one like any other
            assert b"Received" not in m.header and b"client.test" not in m.header and b"X-A: b\r\n" in m.header
            relay.port = port
        relay.write("master.cf", "%d inet n - n - - smtpd\n -o cleanup_service_name=nosuch\n" % relay.port)
        done = relay.run("relayd", "-t", "-c", relay.dir, check=False)
        assert done.returncode != 0 and b'cleanup_service_name: no line of master.cf is called "nosuch"' in done.stdout + done.stderr


def test_sendmail_leaves_the_checks_of_the_way_out_to_relayd(tmp_path):
    with Sink() as sink:
        relay = Relay(tmp_path, "relayhost = [127.0.0.1]:%d\nsmtp_header_checks = inline:{ { Subject: s = PREPEND X-Seen: yes } }\n"
                      "smtp_body_checks = inline:{ { body = PREPEND seen } }\n" % sink.port)
        with relay:
            done = relay.run("sendmail", "x@far.test", stdin="Subject: s\n\nbody\n")
            m = sink.wait(1)[0]
    assert m.header.count(b"X-Seen: yes\r\n") == 1 and m.body == b"seen\r\nbody\r\n"
    assert done.stderr == b""


@pytest.mark.parametrize("which,gone", [("header", b"X-A"), ("mime_header", b"Content-Type")])
def test_lines_of_nothing_on_their_way_out_are_looked_at_in_turns(tmp_path, which, gone):
    """Each line is an item of its own. lab.py sees to it that no step of the loop is long."""
    body = "\r\n" * 600000
    with Sink() as sink, Relay(tmp_path, "relayhost = [127.0.0.1]:%d\nsmtp_%s_checks = regexp:{ {/: x/ IGNORE} }\n"
                               % (sink.port, which)) as relay:
        with smtplib.SMTP("127.0.0.1", relay.port) as client:
            client.sendmail("a@b.test", ["x@y.test"], "Subject: s\r\nX-A: x\r\nContent-Type: x\r\n\r\n" + body)
        m = sink.wait(1, seconds=60)[0]
    assert m.body == body.encode() and gone not in m.header
