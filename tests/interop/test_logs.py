"""Log analysers made for Postfix read relayd's log, and their numbers are the truth."""
import re
import smtplib

import pytest

from lab import wait
from net import lent
from peers import filled

RELAY, GOOD, WORLD = "172.16.1.11", "172.16.10.5", "203.0.113.25"
STRANGERS = ["198.51.100.%d" % n for n in (7, 8, 9)]


@pytest.fixture(scope="module")
def relay(tmp_path_factory):
    """A relay after a day's work: 12 accepted (9 sent, 2 bounced with their notices, 1 deferred), 6 refused, 3 probes."""
    with lent(tmp_path_factory.mktemp("net")) as net:
        net.dns("dest.example.net. MX 10 mx.example.net.", "mx.example.net. A " + WORLD, "example.jp. MX 10 mx.example.net.")
        answers = {"<nobody@": "550 5.1.1 no such user", "<busy@": "450 4.2.1 mailbox busy"}
        world = net.host("world", WORLD).sink(25, script={"RCPT": lambda _, a: next((v for k, v in answers.items() if k in a), None)})
        client, host = net.host("client", GOOD), net.host("relay", RELAY, hostname="mailtest1")
        host.write("/etc/postfix/main.cf", filled("s4/relay/main.cf"))
        host.relayd()

        def send(sender, rcpt):
            with sender.network():
                s = smtplib.SMTP(RELAY, 25, timeout=30)
            with s:
                s.sendmail("app@example.jp", [rcpt], "Subject: x\r\n\r\nbody\r\n")
        for n in range(9):
            send(client, "user%d@dest.example.net" % n)
        for name in ("nobody", "nobody", "busy"):
            send(client, name + "@dest.example.net")
        for i, address in enumerate(STRANGERS):
            stranger = net.host("stranger%d" % i, address)
            for _ in range(i + 1):
                with pytest.raises(smtplib.SMTPRecipientsRefused):
                    send(stranger, "victim@dest.example.net")
            with stranger.connect(RELAY, 25):
                pass
        wait(lambda: len(world.messages) == 11)
        host.wait_log("status=deferred")
        host.wait_log("disconnect from", 18)
        yield host


def test_pflogsumm_counts_the_truth(relay):
    report = relay.run("pflogsumm", "--problems-first", "/var/log/maillog").stdout.decode()
    totals = dict((name.strip(), int(n)) for n, name in re.findall(r"(?m)^ +(\d+)k? +([a-z][a-z ]+?)(?: +\(\d+ *(?:%|deferrals)\))?$", report.split("Per-Hour")[0]))
    wanted = {"received": 12, "delivered": 11, "deferred": 1, "bounced": 2, "rejected": 6, "recipients": 10, "senders": 1}
    assert {k: totals.get(k) for k in wanted} == wanted, report
    assert "Relay access denied (total: 6)" in report, report


def test_fail2ban_sees_every_refused_client(relay):
    done = relay.run("fail2ban-regex", "--out", "ip", "/var/log/maillog", "postfix[mode=normal]", check=False)
    found = done.stdout.decode().split()
    assert sorted(found) == sorted(a for i, a in enumerate(STRANGERS) for _ in range(i + 1)), done.stdout.decode() + done.stderr.decode()


def test_fail2ban_lets_good_clients_alone(relay):
    done = relay.run("fail2ban-regex", "--out", "ip", "/var/log/maillog", "postfix[mode=aggressive]", check=False)
    assert GOOD not in done.stdout.decode().split()
