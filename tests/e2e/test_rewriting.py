"""What becomes of addresses where no Postfix can be asked: settings of our own, sendmail without a daemon, explain. The rest are rows of
differential/rows/rewriting.rows."""
import os
import re
import smtplib
import sys

import pytest

from lab import LOGIN, Relay, Sink

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "differential"))
from table import fields  # noqa: E402


def test_one_sender_for_all_mail(tmp_path):
    """OVERWRITE_FROM, for a container without a main.cf: the envelope's sender and the From field; the rest stays."""
    with Sink() as sink:
        settings = {"myhostname": "relay.example.test", "queue_directory": tmp_path / "queue", "maillog_file": tmp_path / "log",
                    "inet_interfaces": "127.0.0.1", "alias_maps": "", "smtpd_peername_lookup": "no", **({"mail_owner": LOGIN} if LOGIN else {})}
        relay = Relay(tmp_path, env={"OVERWRITE_FROM": '"Doe, Joe" <joe@company.test>', "RELAYHOST": "[127.0.0.1]:%d" % sink.port,
                                     **{"POSTFIX_" + name: str(value) for name, value in settings.items()}})
        os.unlink(relay.path("main.cf"))
        with relay, smtplib.SMTP("127.0.0.1", relay.port) as client:
            client.sendmail("a@b.test", ["x@y.test"], "From: A <a@b.test>\r\nReply-To: r@b.test\r\nSubject: s\r\n\r\nx\r\n")
            m = sink.wait(1)[0]
    assert (m.sender, m.rcpts) == ("joe@company.test", ["x@y.test"])
    assert fields(m.header) == ['From: "Doe, Joe" <joe@company.test>', "Reply-To: r@b.test", "Subject: s"]


def test_sendmail_without_a_daemon_rewrites_too(tmp_path):
    with Sink() as sink:
        relay = Relay(tmp_path, "relayhost = [127.0.0.1]:%d\nmyorigin = example.test\nsendmail_submission = direct\nalways_bcc = copy@far.test\n"
                      "virtual_alias_maps = inline:{ {team@v.test=a@far.test, b@far.test} }\nsmtp_generic_maps = inline:{ {me@example.test=me@isp.test} }\n"
                      "sender_canonical_maps = inline:{ {joe=me} }\n" % sink.port)
        relay.run("sendmail", "-f", "joe", "team@v.test", "joe", stdin="From: Joe <joe>\nTo: team@v.test\n\nx\n")
        m = sink.wait(1)[0]
    assert (m.sender, sorted(m.rcpts)) == ("me@isp.test", ["a@far.test", "b@far.test", "copy@far.test", "joe@example.test"])
    assert fields(m.header) == ["From: Joe <me@isp.test>", "To: team@v.test"]


def test_probes_ask_about_what_a_recipient_becomes(tmp_path):
    asked = []

    def rcpt(_, argument):
        asked.append(argument)
        return "550 5.1.1 nobody" if "gone" in argument else None

    with Sink(script={"RCPT": rcpt}) as sink:
        relay = Relay(tmp_path, "relayhost = [127.0.0.1]:%d\nrelay_domains = v.test\naddress_verify_poll_delay = 1s\naddress_verify_map =\n"
                      "unverified_recipient_reject_code = 550\nsmtpd_recipient_restrictions = reject_unverified_recipient\n"
                      "virtual_alias_domains =\nvirtual_alias_maps = inline:{ {one@v.test=real@far.test} {two@v.test=a@far.test b@far.test} "
                      "{old@v.test=gone@far.test} {loop@v.test=pool@v.test} {pool@v.test=loop@v.test} }\n" % sink.port)
        with relay, smtplib.SMTP("127.0.0.1", relay.port) as client:
            client.ehlo("client.test")
            client.mail("a@b.test")
            assert [client.rcpt(name + "@v.test")[0] for name in ("one", "two", "old", "loop")] == [250, 250, 550, 450]
    assert [re.search("<(.*?)>", a).group(1) for a in asked] == ["real@far.test", "gone@far.test"]


def test_explain_tells_what_an_address_becomes(tmp_path):
    with Sink() as sink, Relay(tmp_path, "relayhost = [127.0.0.1]:%d\nvirtual_alias_maps = inline:{ {team@v.test=a@far.test, b@far.test} {x@v.test=y@v.test} {y@v.test=x@v.test} }\n"
                               "sender_canonical_maps = inline:{ {me@b.test=you@b.test} }\n" % sink.port) as relay:
        text = relay.run("relayctl", "explain", "team@v.test", "--from", "me@b.test").stdout.decode()
        loop = relay.run("relayctl", "explain", "x@v.test").stdout.decode()
        unknown = relay.run("relayctl", "explain", "nobody@v.test").stdout.decode()
    assert "the sender becomes you@b.test" in text and "becomes a@far.test" in text and "becomes b@far.test" in text
    assert text.count("=> transport smtp, nexthop [127.0.0.1]:%d" % sink.port) == 2
    assert "virtual_alias_maps: inline:{" in text
    assert "=> 451 4.6.0 Alias expansion error" in loop
    assert "=> transport smtp" in unknown


def test_addresses_of_a_huge_header_are_written_again_in_turns(tmp_path):
    """Routes and angles without a meaning cost most. lab.py sees to it that no step of the loop is long."""
    odd = "To: inside@lan.test, " + "<@a,@b:" * 1200 + "c@d" + ">" * 1200 + "\r\n"
    with Sink() as sink, Relay(tmp_path, "relayhost = [127.0.0.1]:%d\nsmtp_generic_maps = inline:{ {inside@lan.test=me@isp.test} }\n" % sink.port) as relay:
        with smtplib.SMTP("127.0.0.1", relay.port) as client:
            client.sendmail("a@b.test", ["x@y.test"], odd * 300 + "Subject: s\r\n\r\nx\r\n")
        m = sink.wait(1)[0]
    assert m.header.count(b"me@isp.test") == 300 and b"inside@lan.test" not in m.header and m.body == b"x\r\n"


@pytest.mark.parametrize("end", ["\r\nbody\r\n..\r\n", "\r\n", ""])
def test_a_large_header_goes_out_mapped_and_in_slices(tmp_path, end):
    """Its fields in the pieces in which it is read: no step of the loop has them all (lab.Relay looks at each relay's log), and
    more may come of them than waits in a connection's buffer. What the addresses of a message may cost is bounded: those behind it stay."""
    # one field that is longer than a piece, many that are short
    to = "To: " + ",\r\n ".join("u%060d@inside.test" % n for n in range(1200)) + "\r\n"
    cc = "".join("Cc: User %d <user%d@inside.test>,\r\n\tother%d@inside.test\r\n" % (n, n, n) for n in range(15000))
    with Sink() as sink, Relay(tmp_path, "relayhost = [127.0.0.1]:%d\nsmtp_generic_maps = inline:{ {@inside.test = @outside.test} }\n"
                               "message_size_limit = 20000000\nheader_size_limit = 1000000\n" % sink.port) as relay:
        with smtplib.SMTP("127.0.0.1", relay.port) as client:
            client.sendmail("a@inside.test", ["x@y.test"], "From: a@inside.test\r\n" + to + cc + "Subject: s\r\n" + end)
        m = sink.wait(1, 60)[0]
    got = m.content.decode()
    found = re.findall(r"(\w+)@(in|out)side\.test", got[got.index("From: "):])
    names, domains = [name for name, _ in found], [domain for _, domain in found]
    same = names == re.findall(r"(\w+)@inside", "a@inside" + to + cc)  # pytest would tell for minutes how they differ
    assert same and m.sender == "a@outside.test"
    mapped = domains.count("out")
    assert 3000 < mapped < 4000 and set(domains[:mapped]) == {"out"}
    # Message-Id and Date come behind the header's own fields
    assert re.sub(r"(?m)^(Message-Id|Date): .*\r\n", "", got[got.index("Subject: s"):]) in ("Subject: s\r\n" + end, "Subject: s\r\n\r\n" + end)
