"""Restriction lists over TCP, limits of listeners and of clients that err, and what a session keeps when the settings change."""
import json
import socket
import time

import pytest

import lab
from lab import Relay, wait

STRANGERS = "mynetworks = 192.0.2.0/24\nrelay_domains = relayed.test\ncompatibility_level = 3.6\n"


class Client(lab.Client):
    def begin(self, sender="a@outside.test"):
        self.say("EHLO client.test")
        return self.say("MAIL FROM:<%s>" % sender)


def judge(tmp_path, main_cf, *lines):
    with Relay(tmp_path, STRANGERS + main_cf) as relay, Client(relay.port) as c:
        got = [c.greeting] + [c.say(line) for line in lines]
    return got, relay.log()


HELLO, MAIL, RCPT = "EHLO client.test", "MAIL FROM:<a@outside.test>", "RCPT TO:<x@relayed.test>"
UNKNOWN = "unknown[127.0.0.1]"


@pytest.mark.parametrize("main_cf, lines, wants", [
    # each list at its place; Postfix's answers
    ("smtpd_client_restrictions = reject", [HELLO, MAIL, RCPT], {3: "554 5.7.1 <%s>: Client host rejected: Access denied" % UNKNOWN}),
    ("smtpd_client_restrictions = reject\nsmtpd_delay_reject = no", [HELLO, MAIL, "QUIT"],
     {0: "554 5.7.1 <%s>: Client host rejected: Access denied" % UNKNOWN, 1: "503 5.7.0 Error: access denied for %s" % UNKNOWN,
      2: "503 5.7.0 Error: access denied for %s" % UNKNOWN, 3: "221 2.0.0 Bye"}),
    ("smtpd_helo_restrictions = reject_non_fqdn_helo_hostname\nsmtpd_delay_reject = no", ["EHLO x", HELLO, MAIL, RCPT],
     {1: "504 5.5.2 <x>: Helo command rejected: need fully-qualified hostname", 4: "250 2.1.5 Ok"}),
    ("smtpd_sender_restrictions = reject\nsmtpd_delay_reject = no", [HELLO, MAIL, RCPT],
     {2: "554 5.7.1 <a@outside.test>: Sender address rejected: Access denied", 3: "503 5.5.1 Error: need MAIL command"}),
    ("smtpd_data_restrictions = reject", [HELLO, MAIL, RCPT, "DATA", "NOOP"],
     {4: "554 5.7.1 <DATA>: Data command rejected: Access denied", 5: "250 2.0.0 Ok"}),
    ("smtpd_end_of_data_restrictions = reject", [HELLO, MAIL, RCPT, "DATA", "Subject: x\r\n\r\n.", MAIL],
     {5: "554 5.7.1 <END-OF-MESSAGE>: End-of-data rejected: Access denied", 6: "250 2.1.0 Ok"}),
    ("smtpd_sender_restrictions = check_sender_access inline:{outside.test=strict}\nsmtpd_restriction_classes = strict\nstrict = reject",
     [HELLO, MAIL, RCPT], {3: "554 5.7.1 <a@outside.test>: Sender address rejected: Access denied"}),
    # an address is what the client wrote, not what it becomes
    ("smtpd_recipient_restrictions = reject_non_fqdn_recipient\nmyorigin = relayed.test", [HELLO, MAIL, "RCPT TO:<x>", "RCPT TO:<postmaster>"],
     {3: "504 5.5.2 <x>: Recipient address rejected: need fully-qualified address", 4: "250 2.1.5 Ok"}),
    ("smtpd_sender_restrictions = reject_non_fqdn_sender\nmyorigin = example.test", [HELLO, "MAIL FROM:<x>", RCPT, "RCPT TO:<postmaster>"],
     {3: "504 5.5.2 <x>: Sender address rejected: need fully-qualified address"}),
    ("smtpd_sender_restrictions = reject_non_fqdn_sender\nmyorigin = example.test\nsmtpd_delay_reject = no", [HELLO, "MAIL FROM:<x>"],
     {2: "504 5.5.2 <x>: Sender address rejected: need fully-qualified address"}),
    ("myorigin = far.test", [HELLO, MAIL, "RCPT TO:<x>"], {3: "454 4.7.1 <x>: Relay access denied"}),
    # nothing is refused for good
    ("soft_bounce = yes\nsmtpd_sender_restrictions = reject", [HELLO, "FOO", "MAIL FROM:<a b>", MAIL, RCPT, "DATA"],
     {2: "400 4.5.2 Error: command not recognized", 3: "401 4.1.7 Bad sender address syntax",
      5: "454 4.7.1 <a@outside.test>: Sender address rejected: Access denied", 6: "454 4.5.1 Error: no valid recipients"}),
    ("smtpd_helo_required = yes", [MAIL, RCPT], {1: "503 5.5.1 Error: send HELO/EHLO first"}),
])
def test_lists_are_judged_where_postfix_judges_them(tmp_path, main_cf, lines, wants):
    got, log = judge(tmp_path, main_cf, *lines)
    for at, want in wants.items():
        assert got[at] == want, (at, got, log)


def test_warn_if_reject_only_warns(tmp_path):
    got, log = judge(tmp_path, "smtpd_recipient_restrictions = warn_if_reject, reject", HELLO, MAIL, RCPT)
    assert got[3] == "250 2.1.5 Ok"
    assert ("NOQUEUE: reject_warning: RCPT from %s: 554 5.7.1 <x@relayed.test>: Recipient address rejected: Access denied; "
            "from=<a@outside.test> to=<x@relayed.test> proto=ESMTP helo=<client.test>" % UNKNOWN) in log


def test_json_of_a_refusal_has_its_parts_as_keys(tmp_path):
    with Relay(tmp_path, STRANGERS + "log_format = json") as relay:
        with Client(relay.port) as c:
            c.begin()
            c.say("RCPT TO:<x@third.test>")
        wait(lambda: '"event":"reject"' in relay.log())
        line = next(json.loads(l) for l in relay.log().splitlines() if '"event":"reject"' in l)
    assert line["queue_id"] == "NOQUEUE" and line["code"] == 454 and line["enhanced"] == "4.7.1"
    assert line["client"] == "127.0.0.1" and line["name"] == "unknown" and line["command"] == "RCPT" and line["helo"] == "client.test"
    assert line["from"] == "a@outside.test" and line["to"] == "x@third.test" and line["proto"] == "ESMTP"
    assert line["text"] == "<x@third.test>: Relay access denied"
    assert line["message"] == ("NOQUEUE: reject: RCPT from %s: 454 4.7.1 <x@third.test>: Relay access denied; from=<a@outside.test> "
                               "to=<x@third.test> proto=ESMTP helo=<client.test>" % UNKNOWN)


def test_json_begins_with_the_first_line(tmp_path):
    """What the configuration's warnings say is an event as well, not text beside the log."""
    relay = Relay(tmp_path, "log_format = json\nnosuch_parameter = 1\nmaillog_file = /dev/stderr\n")
    with relay:
        pass
    lines = [json.loads(line) for line in relay.stderr().splitlines()]
    assert any("nosuch_parameter" in line["message"] and line["severity"] == "warning" for line in lines)
    assert relay.run("relayd", "-t").stderr.startswith(b"relayd: ")


def test_clients_that_err_are_slowed(tmp_path):
    with Relay(tmp_path, STRANGERS + "smtpd_soft_error_limit = 3\nsmtpd_error_sleep_time = 1s") as relay, Client(relay.port) as c:
        start = time.monotonic()
        for _ in range(3):
            assert c.say("BOGUS").startswith("500")
        assert time.monotonic() - start < 0.9
        # nobody else waits with it
        with Client(relay.port) as other:
            start = time.monotonic()
            c.socket.sendall(b"NOOP\r\n")
            assert other.say("NOOP").startswith("250")
            assert time.monotonic() - start < 0.5
        assert c.reply().startswith("250") and time.monotonic() - start > 0.8
        assert c.say("NOOP").startswith("250") and time.monotonic() - start > 1.8


def test_a_listener_takes_no_more_sessions_than_its_limit(tmp_path):
    with Relay(tmp_path, STRANGERS + "default_process_limit = 2\nsmtpd_client_connection_count_limit = 0") as relay:
        first, second = Client(relay.port), Client(relay.port)
        third = socket.create_connection(("127.0.0.1", relay.port), 30)
        third.settimeout(0.5)
        with pytest.raises(socket.timeout):
            third.recv(1)
        assert 'has reached its process limit "2"' in relay.log()
        first.close()
        third.settimeout(10)
        assert third.recv(100).startswith(b"220")
        third.close()
        second.close()


def test_a_session_keeps_the_settings_it_began_with(tmp_path):
    with Relay(tmp_path, STRANGERS) as relay, Client(relay.port) as old:
        old.begin()
        assert old.say("RCPT TO:<x@relayed.test>").startswith("250")
        relay.write("main.cf", open(relay.path("main.cf")).read().replace("relayed.test", "other.test"))
        relay.run("relayctl", "reload")
        wait(lambda: "reload --" in relay.log())
        assert old.say("RCPT TO:<y@relayed.test>") == "250 2.1.5 Ok"
        assert old.say("RCPT TO:<y@other.test>") == "454 4.7.1 <y@other.test>: Relay access denied"
        with Client(relay.port) as new:
            new.begin()
            assert new.say("RCPT TO:<y@relayed.test>") == "454 4.7.1 <y@relayed.test>: Relay access denied"
            assert new.say("RCPT TO:<y@other.test>") == "250 2.1.5 Ok"


@pytest.mark.parametrize("limit, long, orcpt", [(1000, True, True), (3000, False, False), (2500, True, True)])
def test_the_recipient_limit_is_what_is_configured(tmp_path, limit, long, orcpt):
    with Relay(tmp_path, STRANGERS + "smtpd_recipient_limit = %d\nlocal_recipient_maps =" % limit) as relay, Client(relay.port) as c:
        c.begin()
        # the longest that RFC 5321 allows: 64 and 255
        domain = ".".join(["d" * 63] * 3 + ["d" * 49]) + ".relayed.test" if long else "relayed.test"
        assert len(domain) <= 255
        for n in range(limit):
            rcpt = "%s@%s" % (("user%d-" % n).ljust(64, "u") if long else "user%d" % n, domain)
            got = c.say("RCPT TO:<%s>%s" % (rcpt, " ORCPT=rfc822;%s" % rcpt if orcpt else ""))
            assert got == "250 2.1.5 Ok", (n, got)
        assert c.say("RCPT TO:<more@relayed.test>") == "452 4.5.3 Error: too many recipients"
        assert c.say("DATA").startswith("354")
        assert c.say("Subject: x\r\n\r\nx\r\n.").startswith("250 2.0.0 Ok: queued")


def test_bare_line_feeds_are_named_when_data_never_ends(tmp_path):
    with Relay(tmp_path, STRANGERS + "smtpd_timeout = 1s") as relay, Client(relay.port) as c:
        c.begin()
        c.say("RCPT TO:<x@relayed.test>")
        c.say("DATA")
        c.socket.sendall(b"Subject: x\n\nbody\n.\n")
        assert c.reply().startswith("421 4.4.2")
        wait(lambda: "timeout after DATA" in relay.log())
        assert "no <CR><LF>.<CR><LF> from %s, but lines that end in a bare <LF>" % UNKNOWN in relay.log()


@pytest.mark.parametrize("strict, want", [("no", "250 2.1.5 Ok"), ("yes", "501 5.1.3 Bad recipient address syntax")])
def test_addresses_with_one_reading_are_taken_unless_strict(tmp_path, strict, want):
    lines = ["RCPT TO:" + path for path in ("<Name <x@relayed.test>>", "<<x@relayed.test>>", "<x@relayed.test (y)>", "<x@relayed.test>>")]
    got, log = judge(tmp_path, "strict_rfc821_envelopes = " + strict, HELLO, MAIL, *lines)
    assert got[3:] == [want] * len(lines), log
