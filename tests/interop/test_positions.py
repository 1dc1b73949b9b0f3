"""The documents' systems with a real Postfix in the place of any one relaybox, and with one relaybox among real Postfixes: the same
files, the same mail, the other daemon."""
import pytest

import test_s1
import test_s2
import test_s3
import test_s4
import test_s5
from net import lent


def s1(net, factory):
    s = test_s1.System(net, factory)
    count, _, _ = s.send("件名 by CEN")
    message = s.gmail.wait(count + 1)[count]
    assert message.sender == test_s1.SENDER and "本文".encode() in message.body or b"5pys5paH" in message.body
    assert s.ses.log("sasl_username=" + test_s1.USER)


def s2(net, factory):
    s = test_s2.System(net, factory)
    s.send(s.client_cn, test_s2.MTA_CN, test_s2.CN, test_s2.JP)
    message, _ = s.arrived(s.mta_jp, 1)
    assert message["Subject"] == "件名 test" and message.get_content() == "本文 test message\n"
    s.send(s.client_jp, test_s2.MTA_JP, test_s2.JP, test_s2.CN)
    s.arrived(s.mta_cn, 1)
    s.send(s.client_cn, test_s2.MTA_CN, test_s2.CN, test_s2.GMAIL)
    s.gmail.wait(1)
    # Postfix waits 3 s at a time for its probe, three times, then defers: ask as a server does, again
    for attempt in range(3):
        if test_s2.rcpt(s, test_s2.CN).startswith("250"):
            break
    s.send(s.google, test_s2.PUBLIC_JP, test_s2.GMAIL, test_s2.CN)
    s.arrived(s.mta_cn, 2)
    assert "Relay access denied" in test_s2.rcpt(s, test_s2.GMAIL)


def s3(net, factory):
    s = test_s3.System(net)
    host = test_s3.sending_host(net, "host", "10.0.9.30", "[relay.example.co.jp]")
    for n in range(6):
        host.box("sendmail", "-f", "app@example.co.jp", "a%d@dest.example.net" % n, stdin="Subject: x\n\nbody\n")
    s.world.wait(6, 30)
    # in turn to both relays: whoever they are, they see the client behind the balancer
    for n in range(4):
        test_s3.talk(s.sender, ["b%d@dest.example.net" % n])
    s.world.wait(10, 30)
    for relay in s.relays:
        relay.wait_log(r"client=\S+\[%s\]" % test_s3.SENDER)


def s4(net, factory):
    s = test_s4.System(net)
    for sender in (s.a, s.b):
        assert s.through(sender)[0] == test_s4.C
    assert test_s4.offer(s.stranger, test_s4.C)[0] in (454, 554)
    s.c.stop()
    assert s.through(s.a)[0] == test_s4.D


def s5(net, factory):
    s = test_s5.System(net, factory)
    s.submit(60, "bulk")
    test_s5.wait(lambda: len(s.arrived("bulk")) >= 60, 60)
    assert len(s.arrived("bulk")) == 60 and s.provider.meter.most <= 10
    assert s.sv1.log("Trusted TLS connection established to sandbox.smtps.jp")


PLACES = {s1: ("a", "b"), s2: ("mta_cn", "relay_cn", "relay_jp", "mta_jp"), s3: ("host", "one", "two"), s4: ("a", "b", "c", "d"), s5: ("sv1",)}


def run(system, real, tmp_path, factory):
    with lent(tmp_path, real=real) as net:
        system(net, factory)
        for place in PLACES[system]:
            log = next(h for h in net.hosts if h.name == place).read("/var/log/maillog")
            # each was what it should be
            assert ("daemon started -- version 3." in log) == (place in real), log


@pytest.mark.parametrize("system, place", [(s, p) for s in PLACES for p in PLACES[s]], ids=lambda x: getattr(x, "__name__", x))
def test_postfix_in_one_place(system, place, tmp_path, tmp_path_factory):
    run(system, (place,), tmp_path, tmp_path_factory)


# of two places, the other one is a case above
@pytest.mark.parametrize("system, place", [(s, p) for s in PLACES for p in PLACES[s] if len(PLACES[s]) > 2],
                         ids=lambda x: getattr(x, "__name__", x))
def test_relaybox_in_one_place(system, place, tmp_path, tmp_path_factory):
    run(system, tuple(p for p in PLACES[system] if p != place), tmp_path, tmp_path_factory)
