"""REQUIRETLS and TLS-Required: No (RFC 8689): in, through the queue and a restart, out to good and bad servers, and back as notices."""
import re
import smtplib
import ssl

import pytest

from faults import Certificates
from lab import wait
from peers import Web

GOOD, OTHER, CLEAR, SELF, LATE = ("198.51.100.%d" % n for n in range(10, 15))
WEB = "198.51.100.80"
POLICY = "version: STSv1\r\nmode: %s\r\nmx: *.mx.lab\r\nmax_age: 604800\r\n"
MAIN = """myhostname = relaybox.lab
mydestination =
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
maillog_file = /var/log/maillog
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_tls_security_level = may
smtpd_tls_chain_files = /etc/postfix/chain.pem
minimal_backoff_time = 1s
requiretls_enable = yes
smtp_tls_mta_sts = yes
smtp_tls_loglevel = 1
smtp_tls_policy_maps = texthash:/etc/postfix/policy
transport_maps = texthash:/etc/postfix/transport
"""
PEER = """myhostname = other.mx.lab
mydestination =
mynetworks = 0.0.0.0/0
default_transport = discard:
smtpd_tls_security_level = may
smtpd_tls_chain_files = /etc/postfix/chain.pem
"""
# no policy can be announced for a name that is so long
LONG = ".".join(["x" * 60] * 4)
# domain: its MX host, the mode of its policy (None: it has none), what becomes of mail with REQUIRETLS
CASES = {
    "good": ("good", "enforce", "status=sent"),
    "testing": ("good", "testing", "status=sent"),
    "other": ("other", "enforce", r"dsn=5.7.30, status=bounced \(REQUIRETLS is required, but was not offered by host other.mx.lab"),
    "clear": ("clear", "enforce", "dsn=5.7.10, status=bounced"),
    "self": ("self", "enforce", "dsn=5.7.10, status=bounced"),
    "unproven": ("good", None, r"dsn=5.7.30, status=bounced \(REQUIRETLS: the MX hosts of unproven.lab are proven neither"),
    "bracket": ("good", None, "status=sent"),
    "bracket-other": ("other", None, "dsn=5.7.30, status=bounced"),
    "table": ("clear", None, "bounced"),
    # LMTP is the end of its way: it need not be offered there, but nothing goes to another host in clear
    "lmtp-good": ("good", None, "status=sent"),
    "lmtp-clear": ("clear", None, "dsn=5.7.10, status=bounced"),
    "lmtp-self": ("self", None, "dsn=5.7.10, status=bounced"),
    # the first of its hops is a socket of this machine; the one that takes it is not
    "lmtp-list": ("clear", None, "dsn=5.7.10, status=bounced"),
    LONG: ("clear", None, r"dsn=5.7.30, status=bounced \(REQUIRETLS: the MX hosts of %s.lab are proven neither" % LONG),
}
ADDRESSES = {"good": GOOD, "other": OTHER, "clear": CLEAR, "self": SELF, "late": LATE}


class World:
    def client(self, tls=True):
        with self.mta.network():
            made = smtplib.SMTP("127.0.0.1", 25, timeout=60)
        if tls:
            made.starttls(context=ssl._create_unverified_context())  # the relay's own certificate is not what this is about
        made.ehlo()
        return made

    def send(self, rcpt, sender="sender@good.lab", required=True, header=""):
        client = self.client()
        client.mail(sender, ["REQUIRETLS"] if required else [])
        assert client.rcpt(rcpt)[0] == 250
        assert client.data(header + "Subject: x\r\n\r\nthe content\r\n")[0] == 250
        client.quit()

    def outcome(self, rcpt, what="status="):
        def line():
            "its fate to be in the log"
            return (self.mta.log(r"to=<%s>.*%s" % (re.escape(rcpt), what)) or [None])[0]
        return wait(line, 60)


@pytest.fixture(scope="module")
def world(net, tmp_path_factory):
    w = World()
    w.net, w.c = net, Certificates(tmp_path_factory.mktemp("certificates"))
    c = w.c
    for name in ("good", "other", "late", "relaybox"):
        c.issue(name, name + ".mx.lab")
    c.root("self", "self.mx.lab", names="DNS:self.mx.lab")
    c.issue("web", "mta-sts.lab", names=",".join("DNS:mta-sts.%s.lab" % name for name in [*CASES, "late"] if name != LONG))
    net.dns(*["%s.mx.lab. A %s" % item for item in ADDRESSES.items()])
    for name, (host, mode, _) in [*CASES.items(), ("late", ("late", "enforce", None))]:
        net.dns("%s.lab. MX 10 %s.mx.lab." % (name, host))
        if mode:
            net.dns("mta-sts.%s.lab. A %s" % (name, WEB), '_mta-sts.%s.lab. TXT "v=STSv1; id=1;"' % name)
    w.mx = net.host("mx", GOOD, CLEAR, SELF, LATE, WEB)
    w.said = []

    def mail(sink, argument):
        w.said.append(argument)

    def sink(address, name, port=25, extensions=("REQUIRETLS",)):
        context = None
        if name:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(c.path(name + ".pem"), c.path(name + ".key"))
        return w.mx.sink(port, address=address, tls=context, script={"MAIL": mail},
                         extensions=("PIPELINING", "8BITMIME", "SIZE 50000000", "DSN", *extensions))
    w.sink = sink
    w.sinks = {address: sink(address, name) for address, name in ((GOOD, "good"), (CLEAR, None), (SELF, "self"))}
    w.lmtp = {address: sink(address, name, 24, ()) for address, name in ((GOOD, "good"), (CLEAR, None), (SELF, "self"))}
    Web(w.mx, WEB, c.path("web.pem"), c.path("web.key"), {"mta-sts.%s.lab" % name: (200, "text/plain", POLICY % (case[1] or "none"))
                                                           for name, case in [*CASES.items(), ("late", (0, "enforce"))]})
    peer = net.host("other", OTHER)
    peer.write("/etc/postfix/main.cf", PEER)
    peer.write("/etc/postfix/chain.pem", c.read("other.key") + c.read("other.pem"), 0o600)
    peer.postfix("25 inet n - n - - smtpd\ndiscard unix - - n - - discard\n")
    w.mta = host = net.host("relaybox", "172.16.1.11")
    host.write("/etc/ssl/certs/ca-certificates.crt", c.read("ca.pem"))
    host.write("/etc/postfix/main.cf", MAIN)
    host.write("/etc/postfix/chain.pem", c.read("relaybox.key") + c.read("relaybox.pem"), 0o600)
    host.write("/etc/postfix/policy", "table.lab encrypt\n")
    host.write("/etc/postfix/transport", "bracket.lab smtp:[good.mx.lab]\nbracket-other.lab smtp:[other.mx.lab]\n" +
               "".join("lmtp-%s.lab lmtp:inet:%s.mx.lab:24\n" % (name, name) for name in ("good", "clear", "self")) +
               "lmtp-list.lab lmtp:unix:/run/nobody, inet:clear.mx.lab:24\n")
    host.relayd()
    for name in CASES:
        w.send("u@%s.lab" % name)
    return w


def test_it_is_offered_under_tls_only(world):
    with world.client(tls=False) as plain:
        assert "requiretls" not in plain.esmtp_features
        assert plain.mail("a@good.lab", ["REQUIRETLS"])[0] == 530
    with world.client() as covered:
        assert "requiretls" in covered.esmtp_features


@pytest.mark.parametrize("name", CASES)
def test_it_goes_on_by_proven_tls_or_comes_back(world, name):
    line = world.outcome("u@%s.lab" % name)
    assert re.search(CASES[name][2], line), line


def lmtp_of(world, address):
    return [m.rcpts for m in world.lmtp[address].messages]


def test_the_next_hop_is_told_and_nothing_goes_in_clear(world):
    for name in CASES:
        world.outcome("u@%s.lab" % name)
    assert world.sinks[CLEAR].messages == [] and world.sinks[SELF].messages == []
    assert lmtp_of(world, CLEAR) == lmtp_of(world, SELF) == [] and lmtp_of(world, GOOD) == [["u@lmtp-good.lab"]]
    got = [m for m in world.sinks[GOOD].messages if m.rcpts[0].startswith("u@")]
    assert {m.rcpts[0] for m in got} == {"u@good.lab", "u@testing.lab", "u@bracket.lab"}
    assert len([s for s in world.said if s.startswith("FROM:<sender@good.lab>") and s.endswith("REQUIRETLS")]) >= 3, world.said


def test_notices_have_it_too_and_bring_no_content(world):
    back = sum("bounced" in case[2] for case in CASES.values())

    def notices():
        "every notice to be back"
        found = [m for m in world.sinks[GOOD].messages if m.rcpts == ["sender@good.lab"]]
        return found if len(found) >= back else None
    for m in wait(notices, 60):
        assert b"the content" not in m.body and b"Subject: x" in m.body, m.body
    assert all(s.endswith("REQUIRETLS") for s in world.said if s.startswith("FROM:<>")), world.said


def test_it_outlives_a_restart(world):
    world.send("u@late.lab")
    assert "status=deferred" in world.outcome("u@late.lab")
    assert world.mta.stop() == 0
    late = world.sink(LATE, "late")
    late.extensions.remove("REQUIRETLS")
    world.mta.relayd()
    assert "dsn=5.7.30" in world.outcome("u@late.lab", "status=bounced")
    assert late.messages == []


def test_mail_without_it_goes_as_ever_beside_it(world):
    world.outcome("u@other.lab")
    world.send("plain@other.lab", required=False)
    assert "status=sent" in world.outcome("plain@other.lab")
    world.send("both@good.lab", required=False)
    world.send("both@good.lab")
    assert "status=sent" in world.outcome("both@good.lab")


def test_tls_required_no_overrides_what_recipients_publish_and_nothing_else(world):
    world.send("held@clear.lab", required=False)
    assert "TLS is required, but was not offered" in world.outcome("held@clear.lab")
    world.send("free@clear.lab", required=False, header="TLS-Required: No\r\n")
    assert "status=sent" in world.outcome("free@clear.lab")
    world.send("free@self.lab", required=False, header="tls-required:  no \r\n")
    assert "status=sent" in world.outcome("free@self.lab")
    # other words mean nothing, what the administrator wrote stays, and REQUIRETLS counts before the field
    world.send("yes@clear.lab", required=False, header="TLS-Required: Yes\r\n")
    assert "TLS is required, but was not offered" in world.outcome("yes@clear.lab")
    world.send("free@table.lab", required=False, header="TLS-Required: No\r\n")
    assert "TLS is required, but was not offered" in world.outcome("free@table.lab")
    world.send("must@clear.lab", header="TLS-Required: No\r\n")
    assert "dsn=5.7.10" in world.outcome("must@clear.lab")
    assert [m.rcpts for m in world.sinks[CLEAR].messages] == [["free@clear.lab"]]


def test_sendmail_asks_for_it(world):
    for name in ("good", "other"):
        world.mta.box("sendmail", "-f", "sender@good.lab", "-O", "requiretls=yes", "local@%s.lab" % name, stdin="Subject: x\n\nx\n")
    assert "status=sent" in world.outcome("local@good.lab")
    assert "dsn=5.7.30, status=bounced" in world.outcome("local@other.lab")


def test_a_switch_turns_the_field_off(world):
    world.mta.write("/etc/postfix/main.cf", MAIN + "tls_required_enable = no\n")
    assert world.mta.stop() == 0
    world.mta.relayd()
    world.send("off@clear.lab", required=False, header="TLS-Required: No\r\n")
    assert "TLS is required, but was not offered" in world.outcome("off@clear.lab")
