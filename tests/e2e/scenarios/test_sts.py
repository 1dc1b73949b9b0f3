"""MTA-STS: relayd obeys the policies of the domains it sends to, good and broken in every way; they outlive it and their web servers."""
import re
import signal
import smtplib
import ssl

import pytest

from faults import Certificates, tlsa
from lab import RELAYBOX, wait
from peers import Web
from test_mxcheck import needs_signed_zones, nsd, resolver

GOOD, CLEAR, SELF, EXPIRED, OTHER, FOREIGN = ("198.51.100.%d" % n for n in range(10, 16))
WEB, DEAD, CLOSED = "198.51.100.80", "198.51.100.81", "198.51.100.82"
POLICY = "version: STSv1\r\nmode: %s\r\n%smax_age: %d\r\n"
RECORD = "v=STSv1; id=%s;"
MAIN = """myhostname = relaybox.lab
mydestination =
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
maillog_file = /var/log/maillog
smtpd_relay_restrictions = permit_mynetworks, reject
minimal_backoff_time = 1s
smtp_dns_support_level = dnssec
smtp_tls_security_level = dane
smtp_tls_mta_sts = yes
smtp_tls_policy_maps = texthash:/etc/postfix/policy
transport_maps = texthash:/etc/postfix/transport
smtp_tls_loglevel = 1
smtp_connection_cache_on_demand = no
"""
SINK = """myhostname = a.mx.lab
mydestination =
mynetworks = 0.0.0.0/0
default_transport = discard:
smtpd_tls_security_level = may
smtpd_tls_chain_files = /etc/postfix/chain.pem
"""


def policy(mode, *hosts, age=604800):
    return 200, "text/plain", POLICY % (mode, "".join("mx: %s\r\n" % h for h in hosts), age)


# domain: its MX hosts (of mx.lab), its page, how the session is called (None: in clear, "": there is none), whether mail is sent, a word of the log
CASES = {
    "ok": (["a"], policy("enforce", "a.mx.lab"), "Verified", True, "MTA-STS policy of ok.lab: mode enforce"),
    "star": (["a"], policy("enforce", "*.mx.lab"), "Verified", True, None),
    "charset": (["a"], (200, "text/plain; charset=utf-8", policy("enforce", "a.mx.lab")[2]), "Verified", True, None),
    "clear": (["clear"], policy("enforce", "clear.mx.lab"), "", False, "TLS is required, but was not offered"),
    "foreign": (["foreign"], policy("enforce", "a.mx.lab"), "", False, "MX host foreign.mx.lab is not in the MTA-STS policy of foreign.lab"),
    "second": (["foreign", "a"], policy("enforce", "a.mx.lab"), "Verified", True, None),
    "self": (["self"], policy("enforce", "self.mx.lab"), "", False, "not trusted"),
    "expired": (["expired"], policy("enforce", "*.mx.lab"), "", False, "not trusted"),
    "other": (["other"], policy("enforce", "*.mx.lab"), "", False, "another name"),
    "test-clear": (["clear"], policy("testing", "clear.mx.lab"), None, True, r"\(testing\): host clear.mx.lab.*it offers no TLS"),
    "test-self": (["self"], policy("testing", "self.mx.lab"), "Untrusted", True, r"\(testing\): host self.mx.lab"),
    "test-other": (["other"], policy("testing", "*.mx.lab"), "Trusted", True, r"\(testing\): host other.mx.lab.*another name"),
    "test-list": (["a"], policy("testing", "b.mx.lab"), "Trusted", True, r"\(testing\): host a.mx.lab.*not in the policy"),
    "none": (["clear"], policy("none"), None, True, None),
    "unannounced": (["clear"], policy("enforce", "a.mx.lab"), None, True, None),
    "two": (["clear"], policy("enforce", "a.mx.lab"), None, True, None),
    "by-table": (["clear"], policy("enforce", "a.mx.lab"), None, True, None),
    "bracket": (["a"], policy("enforce", "a.mx.lab"), None, True, None),
    # policies that cannot be had or are none
    "404": (["clear"], (404, "text/plain", "no"), None, True, "policy of 404.lab: https://mta-sts.404.lab answers 404"),
    "moved": (["clear"], (301, "text/plain", "no"), None, True, "answers 301"),
    "html": (["clear"], (200, "text/html", policy("enforce", "a.mx.lab")[2]), None, True, "no text/plain"),
    "bad": (["clear"], (200, "text/plain", "mode: enforce\r\n"), None, True, "policy of bad.lab: it is not valid: missing"),
    "large": (["clear"], (200, "text/plain", policy("enforce", "a.mx.lab")[2] + "x: y\r\n" * 15000), None, True, "too large"),
    "pieces": (["clear"], (200, "text/plain", list(policy("enforce", "a.mx.lab")[2] + "x: y\r\n" * 100)), "", False, "MX host clear.mx.lab is not in the MTA-STS policy of pieces.lab"),
    "crumbs": (["clear"], (200, "text/plain", list(policy("enforce", "a.mx.lab")[2] + "x: y\r\n" * 2000)), None, True, "too many pieces"),
    "web-name": (["clear"], policy("enforce", "a.mx.lab"), None, True, "policy of web-name.lab: .*another name"),
    "web-closed": (["clear"], policy("enforce", "a.mx.lab"), None, True, "policy of web-closed.lab: .*refused"),
    "web-dead": (["clear"], policy("enforce", "a.mx.lab"), None, True, "policy of web-dead.lab: "),
    # proven TLSA records count before a policy
    "dane-good": (["pinned"], policy("enforce", "a.mx.lab"), "Verified", True, None),
    "dane-wrong": (["unpinned"], policy("enforce", "*.mx.lab"), "Untrusted", False, "no TLSA record"),
}
ADDRESSES = {"a": GOOD, "clear": CLEAR, "self": SELF, "expired": EXPIRED, "other": OTHER, "foreign": FOREIGN, "pinned": SELF, "unpinned": GOOD}
WEBS = {"web-closed": CLOSED, "web-dead": DEAD}
SIGNED = ["$ORIGIN .", "$TTL 300", ". SOA ns. root. 1 60 60 8640000 60", ". NS ns.", "ns. A 192.0.2.53", "plain. NS ns."]


def zone(c):
    lines = list(SIGNED)
    for name, address in ADDRESSES.items():
        lines.append("%s.mx.lab. A %s" % (name, address))
    lines += ["_25._tcp.pinned.mx.lab. TLSA " + tlsa(3, 1, 1, c.path("self.pem")), "_25._tcp.unpinned.mx.lab. TLSA 3 1 1 " + "00" * 32]
    for name, (hosts, *_) in CASES.items():
        lines += ["%s.lab. MX %d %s.mx.lab." % (name, 5 + 5 * i, host) for i, host in enumerate(hosts)]
        lines.append("mta-sts.%s.lab. A %s" % (name, WEBS.get(name, WEB)))
        if name != "unannounced":
            lines.append('_mta-sts.%s.lab. TXT "%s"' % (name, RECORD % "1"))
    return "\n".join(lines + ['_mta-sts.two.lab. TXT "%s"' % (RECORD % "2")]) + "\n"


def plain(serial, ident):
    """A zone that the tests may change: the domain change.plain."""
    return "\n".join(["$ORIGIN .", "$TTL 1", "plain. SOA ns. root. %d 60 60 8640000 1" % serial, "plain. NS ns.", "change.plain. MX 10 clear.mx.lab.",
                      "short.plain. MX 10 clear.mx.lab.", "mta-sts.short.plain. A " + WEB, '_mta-sts.short.plain. TXT "%s"' % (RECORD % "1"),
                      "mta-sts.change.plain. A " + WEB, '_mta-sts.change.plain. TXT "%s"' % (RECORD % ident)]) + "\n"


class World:
    def send(self, *rcpts):
        with self.mta.network():
            client = smtplib.SMTP("127.0.0.1", 25, timeout=60)
        refused = client.sendmail("a@lab", list(rcpts), "Subject: x\r\n\r\nx\r\n")
        client.quit()
        assert not refused, refused

    def outcome(self, rcpt, seconds=90):
        def line():
            "its fate to be in the log"
            return (self.mta.log(r"to=<%s>.*status=" % re.escape(rcpt)) or [None])[0]
        return wait(line, seconds)

    def ctl(self, *args):
        return self.mta.run(RELAYBOX, "relayctl", "-c", "/etc/postfix", *args).stdout.decode()

    def restart(self):
        assert self.mta.stop() == 0
        self.mta.relayd()


def context(c, name):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(c.path(name + ".pem"), c.path(name + ".key"))
    return made


@pytest.fixture(scope="module")
def world(net, tmp_path_factory):
    needs_signed_zones(net)
    w = World()
    w.net, w.c = net, Certificates(tmp_path_factory.mktemp("certificates"))
    c = w.c
    c.issue("a", "a.mx.lab")
    c.issue("expired", "expired.mx.lab", start=-20, end=-10)
    c.issue("other", "other.example")
    c.root("self", "self.mx.lab", names="DNS:self.mx.lab")
    c.issue("web", "mta-sts.lab", names=",".join("DNS:mta-sts.%s.lab" % name for name in CASES if name != "web-name") +
            ",DNS:mta-sts.change.plain,DNS:mta-sts.short.plain")
    net.ns.write("/etc/nsd/root", zone(c))
    net.ns.write("/etc/nsd/plain", plain(1, "1"))
    net.ns.sh("cd /etc/nsd && k=$(ldns-keygen -a ECDSAP256SHA256 -k .) && ldns-signzone -o . root $k && cp $k.key anchor")
    nsd(net.ns, "192.0.2.53", [(".", "root.signed"), ("plain.", "plain")])
    w.nsd = net.ns.processes[-1]
    mx = net.host("mx", CLEAR, SELF, EXPIRED, OTHER, FOREIGN, WEB, DEAD, CLOSED)
    w.sinks = {address: mx.sink(25, address=address, tls=name and context(c, name)) for address, name in (
        (CLEAR, None), (SELF, "self"), (EXPIRED, "expired"), (OTHER, "other"), (FOREIGN, "a"))}
    net.cut(DEAD)
    w.pages = {"mta-sts.%s.lab" % name: case[1] for name, case in CASES.items()}
    w.pages["mta-sts.change.plain"] = policy("enforce", "a.mx.lab")
    w.pages["mta-sts.short.plain"] = policy("enforce", "a.mx.lab", age=10)
    w.web = Web(mx, WEB, c.path("web.pem"), c.path("web.key"), w.pages)
    w.real = net.host("a", GOOD)
    w.real.write("/etc/postfix/main.cf", SINK)
    w.real.write("/etc/postfix/chain.pem", c.read("a.key") + c.read("a.pem"), 0o600)
    w.real.postfix("25 inet n - n - - smtpd\ndiscard unix - - n - - discard\n")
    w.mta = host = net.host("relaybox", "172.16.1.11")
    resolver(host, net.ns.read("/etc/nsd/anchor"))
    host.write("/etc/ssl/certs/ca-certificates.crt", c.read("ca.pem"))
    host.write("/etc/postfix/main.cf", MAIN)
    host.write("/etc/postfix/policy", "by-table.lab may\n")
    host.write("/etc/postfix/transport", "bracket.lab smtp:[clear.mx.lab]\n")
    host.relayd()
    w.send(*["u@%s.lab" % name for name in CASES])
    return w


@pytest.mark.parametrize("name", CASES)
def test_each_domain_gets_what_its_policy_says(world, name):
    hosts, _, word, sent, said = CASES[name]
    line = world.outcome("u@%s.lab" % name)
    assert ("status=sent" in line) == sent, line
    if sent:
        assert "relay=%s.mx.lab" % hosts[-1] in line or name == "bracket", line
    if not sent:
        assert "status=deferred" in line, line
    if said:
        assert world.mta.log(said), world.mta.read("/var/log/maillog")
    if word:
        assert world.mta.log("%s TLS connection established to %s.mx.lab" % (word, hosts[-1]))


def test_hosts_that_no_policy_names_are_not_called(world):
    world.outcome("u@second.lab")
    world.outcome("u@foreign.lab")
    assert world.sinks[FOREIGN].sessions == 0


def test_the_clear_server_got_only_what_it_may(world):
    got = {rcpt.split("@")[1][:-4] for m in world.sinks[CLEAR].messages for rcpt in m.rcpts}
    for name in CASES:
        world.outcome("u@%s.lab" % name)
    got = {rcpt.split("@")[1][:-4] for m in world.sinks[CLEAR].messages for rcpt in m.rcpts}
    assert got == {name for name, case in CASES.items() if case[2] is None}


def test_nobody_asks_for_a_policy_that_would_not_count(world):
    world.outcome("u@by-table.lab")
    world.outcome("u@bracket.lab")
    asked = {name for name, *_ in world.web.requests}
    assert "mta-sts.ok.lab" in asked
    assert not asked & {"mta-sts.%s.lab" % name for name in ("by-table", "bracket", "unannounced", "two", "dane-good", "dane-wrong")}, asked


def test_a_known_domain_is_not_asked_about_again(world):
    world.outcome("u@ok.lab")
    before = len([1 for name, *_ in world.web.requests if name == "mta-sts.ok.lab"])
    world.send("again@ok.lab")
    assert "status=sent" in world.outcome("again@ok.lab")
    assert before == len([1 for name, *_ in world.web.requests if name == "mta-sts.ok.lab"]) == 1


def test_explain_says_which_policy_counts(world):
    world.outcome("u@ok.lab")
    world.outcome("u@404.lab")
    assert "MTA-STS: mode enforce until 20" in world.ctl("explain", "u@ok.lab"), world.ctl("explain", "u@ok.lab")
    assert re.search("MTA-STS: no policy: .*answers 404", world.ctl("explain", "u@404.lab"))
    assert "smtp_tls_policy_maps counts" in world.ctl("explain", "u@by-table.lab")
    assert "MTA-STS" not in world.ctl("explain", "u@bracket.lab")
    assert "TLSA" in world.ctl("explain", "u@dane-good.lab")


def test_a_new_policy_frees_what_the_old_one_held(world):
    world.send("u@change.plain")
    assert "not in the MTA-STS policy" in world.outcome("u@change.plain")
    world.pages["mta-sts.change.plain"] = policy("none")
    world.net.ns.write("/etc/nsd/plain", plain(2, "2"))
    world.nsd.send_signal(signal.SIGHUP)

    def sent():
        "the new policy to count"
        world.mta.run(RELAYBOX, "relayctl", "-c", "/etc/postfix", "flush")
        return world.mta.log("to=<u@change.plain>.*status=sent") or None
    wait(sent, 60, every=0.5)


def test_policies_are_fetched_ahead_of_their_end(world):
    """Ten seconds are half of nothing: a second request comes by itself."""
    world.send("u@short.plain")
    assert "not in the MTA-STS policy" in world.outcome("u@short.plain")

    def again():
        "a second request"
        return len([1 for name, *_ in world.web.requests if name == "mta-sts.short.plain"]) > 1
    wait(again, 30)


def test_policies_outlive_their_web_server_and_us(world):
    for name in CASES:
        world.outcome("u@%s.lab" % name)
    world.web.close()
    kept = world.mta.read("/var/spool/relaybox/sts")
    assert kept.startswith("relaybox sts 1\n") and kept.endswith("\nend\n") and "\nclear.lab 1 " in kept, kept
    world.restart()
    world.send("later@clear.lab", "later@ok.lab", "later@none.lab", "later@short.plain")
    assert "TLS is required, but was not offered" in world.outcome("later@clear.lab")
    assert "status=sent" in world.outcome("later@ok.lab")
    assert "status=sent" in world.outcome("later@none.lab")

    def over():
        "a policy to end that nobody could fetch anew"
        world.mta.run(RELAYBOX, "relayctl", "-c", "/etc/postfix", "flush")
        return world.mta.log("to=<later@short.plain>.*status=sent") or None
    wait(over, 60, every=0.5)
    # the control: without the file nothing is known, and nothing can be
    assert world.mta.stop() == 0
    world.mta.write("/var/spool/relaybox/sts", kept.replace("enforce", "enforced"))
    world.mta.relayd()
    world.send("last@clear.lab")
    assert "status=sent" in world.outcome("last@clear.lab")
    assert world.mta.log("sts is damaged")


def test_without_authorities_nothing_starts(world):
    before = world.mta.read("/etc/ssl/certs/ca-certificates.crt")
    world.mta.run("rm", "/etc/ssl/certs/ca-certificates.crt")
    try:
        done = world.mta.run(RELAYBOX, "relayd", "-c", "/etc/postfix", "-t", check=False)
        assert done.returncode and b"smtp_tls_mta_sts" in done.stderr and b"smtp_tls_CAfile" in done.stderr, done.stderr
    finally:
        world.mta.write("/etc/ssl/certs/ca-certificates.crt", before)
