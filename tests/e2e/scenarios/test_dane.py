"""Levels dane and dane-only on a signed zone: relayd and a real Postfix deliver to the same servers, good and broken in every way,
and do the same with each."""
import re
import smtplib
import ssl

import pytest

from faults import Certificates, tlsa
from lab import RELAYBOX, wait
from test_mxcheck import needs_signed_zones, nsd, resolver

GOOD, CLEAR, SELF, EXPIRED, OTHER, DOMAIN = ("198.51.100.%d" % n for n in range(10, 16))
ZERO = "00" * 32
WORDS = ("Verified", "Trusted", "Untrusted", "Anonymous")
MAIN = """myhostname = %s.lab
mydestination =
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
maillog_file = /var/log/maillog
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_dns_support_level = dnssec
smtp_host_lookup = dns
smtp_tls_security_level = dane
smtp_tls_policy_maps = texthash:/etc/postfix/policy
smtp_tls_loglevel = 1
smtp_connection_cache_on_demand = no
"""


def cases(c):
    """Domain, address, TLSA records of its host, how the session is called (None: in clear), whether mail is sent."""
    leaf, between, key = c.path("a.leaf"), c.path("between.leaf"), tlsa(3, 1, 1, c.path("a.leaf"))
    return [
        # usage 3: selectors, matching types; dates and names do not count
        ("ee-301", GOOD, [tlsa(3, 0, 1, leaf)], "Verified", True), ("ee-311", GOOD, [key], "Verified", True),
        ("ee-302", GOOD, [tlsa(3, 0, 2, leaf)], "Verified", True), ("ee-312", GOOD, [tlsa(3, 1, 2, leaf)], "Verified", True),
        ("ee-300", GOOD, [tlsa(3, 0, 0, leaf)], "Verified", True), ("ee-310", GOOD, [tlsa(3, 1, 0, leaf)], "Verified", True),
        ("ee-self", SELF, [tlsa(3, 1, 1, c.path("self.pem"))], "Verified", True),
        ("ee-expired", EXPIRED, [tlsa(3, 1, 1, c.path("old.leaf"))], "Verified", True),
        ("ee-name", OTHER, [tlsa(3, 1, 1, c.path("other.leaf"))], "Verified", True),
        ("ee-wrong", GOOD, ["3 1 1 " + ZERO], "Untrusted", False), ("ee-above", GOOD, [tlsa(3, 1, 1, between)], "Untrusted", False),
        # usage 2: names and dates count
        ("ta-201", GOOD, [tlsa(2, 0, 1, between)], "Verified", True), ("ta-211", GOOD, [tlsa(2, 1, 1, between)], "Verified", True),
        ("ta-212", GOOD, [tlsa(2, 1, 2, between)], "Verified", True), ("ta-domain", DOMAIN, [tlsa(2, 1, 1, between)], "Verified", True),
        ("ta-name", OTHER, [tlsa(2, 1, 1, between)], "*", False), ("ta-expired", EXPIRED, [tlsa(2, 1, 1, between)], "Untrusted", False),
        ("ta-leaf", GOOD, [tlsa(2, 1, 1, leaf)], "Untrusted", False),
        # several records
        ("roll-over", GOOD, ["3 1 1 " + ZERO, key], "Verified", True),
        ("agility", GOOD, ["3 1 2 " + ZERO * 2, key], "Untrusted", False),
        ("some-usable", GOOD, ["1 1 1 " + ZERO, key], "Verified", True),
        # unusable ones: TLS with whomever
        ("pkix", GOOD, ["1 1 1 " + ZERO], "Untrusted", True), ("short", GOOD, ["3 1 1 abcdef"], "Untrusted", True),
        ("unknown", GOOD, ["3 1 9 " + ZERO], "Untrusted", True), ("pkix-clear", CLEAR, ["1 1 1 " + ZERO], None, False),
        # no fall-back; and no records
        ("clear", CLEAR, [key], None, False), ("none-clear", CLEAR, [], None, True), ("none", GOOD, [], "Untrusted", True),
        # a host that cannot be asked about is passed over
        ("servfail", CLEAR, None, None, False),
        # level dane-only
        ("only-ok", GOOD, [key], "Verified", True), ("only-none", GOOD, [], None, False), ("only-pkix", GOOD, ["1 1 1 " + ZERO], None, False),
    ]


SPECIAL = [  # domain, how its session is called, whether mail is sent, the relay
    ("skip", "Verified", True, "ee-311.mx.lab"), ("alias", "Verified", True, "alias.mx.lab"), ("alias-own", "Verified", True, "alias-own.mx.lab"),
    ("alias-plain", "Untrusted", True, "alias-plain.mx.lab"),
]
PLAIN = [("to-signed.plain", "Trusted", True), ("to-wrong.plain", "Untrusted", False), ("to-plain.plain", "Untrusted", True),
         ("only-signed.plain", None, False), ("only-plain.plain", None, False), ("only-own.lab", None, False)]


def zones(c, table):
    leaf = c.path("a.leaf")
    key, between = tlsa(3, 1, 1, leaf), tlsa(2, 1, 1, c.path("between.leaf"))
    lines = ["$ORIGIN .", "$TTL 300", ". SOA ns. root. 1 60 60 8640000 60", ". NS ns.", "ns. A 192.0.2.53", "plain. NS ns.", "a.mx.lab. A " + GOOD]
    for name, address, records, *_ in table:
        lines += ["%s.lab. MX 10 %s.mx.lab." % (name, name), "%s.mx.lab. A %s" % (name, address)]
        lines += ["_25._tcp.%s.mx.lab. TLSA %s" % (name, r) for r in records or []]
        if records is None:
            lines += ["_25._tcp.%s.mx.lab. NS dead.ns." % name]
    lines += ["dead.ns. A 192.0.2.99", "skip.lab. MX 5 servfail.mx.lab.", "skip.lab. MX 10 ee-311.mx.lab.",
              "alias.lab. MX 10 alias.mx.lab.", "alias.mx.lab. CNAME alias-real.mx.lab.", "alias-real.mx.lab. A " + GOOD,
              "_25._tcp.alias-real.mx.lab. TLSA " + between, "_25._tcp.alias.mx.lab. TLSA 3 1 1 " + ZERO,
              "alias-own.lab. MX 10 alias-own.mx.lab.", "alias-own.mx.lab. CNAME bare.mx.lab.", "bare.mx.lab. A " + GOOD,
              "_25._tcp.alias-own.mx.lab. TLSA " + key,
              "alias-plain.lab. MX 10 alias-plain.mx.lab.", "alias-plain.mx.lab. CNAME host.plain.",
              "only-own.lab. MX 10 host.plain.",
              "from-plain.mx.lab. A " + GOOD, "_25._tcp.from-plain.mx.lab. TLSA " + key]
    plain = ["$ORIGIN .", "$TTL 300", "plain. SOA ns. root. 1 60 60 8640000 60", "plain. NS ns.", "host.plain. A " + GOOD,
             "_25._tcp.host.plain. TLSA 3 1 1 " + ZERO, "to-signed.plain. MX 10 from-plain.mx.lab.", "to-wrong.plain. MX 10 ee-wrong.mx.lab.",
             "to-plain.plain. MX 10 host.plain.", "only-signed.plain. MX 10 ee-311.mx.lab.", "only-plain.plain. MX 10 host.plain."]
    return "\n".join(lines) + "\n", "\n".join(plain) + "\n"


def servers(host, c):
    def context(name):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(c.path(name + ".pem"), c.path(name + ".key"))
        return made
    return {address: host.sink(25, address=address, tls=name and context(name)) for address, name in (
        (GOOD, "a"), (CLEAR, None), (SELF, "self"), (EXPIRED, "old"), (OTHER, "other"), (DOMAIN, "domain"))}


def certificates(folder):
    c = Certificates(folder)
    c.issue("a", "a.mx.lab", names="DNS:*.mx.lab")
    c.issue("old", "old.mx.lab", names="DNS:*.mx.lab", start=-20, end=-10)
    c.issue("other", "other.example", names="DNS:other.example")
    c.issue("domain", "ta-domain.lab", names="DNS:ta-domain.lab")
    c.root("self", "self.example")
    return c


class World:
    pass


@pytest.fixture(scope="module")
def world(net, tmp_path_factory):
    needs_signed_zones(net)
    w = World()
    w.c = certificates(tmp_path_factory.mktemp("certificates"))
    w.table = cases(w.c)
    root, plain = zones(w.c, w.table)
    net.ns.write("/etc/nsd/root", root)
    net.ns.write("/etc/nsd/plain", plain)
    net.ns.sh("cd /etc/nsd && k=$(ldns-keygen -a ECDSAP256SHA256 -k .) && ldns-signzone -o . root $k && cp $k.key anchor")
    nsd(net.ns, "192.0.2.53", [(".", "root.signed"), ("plain.", "plain")])
    w.sinks = servers(net.host("mx", GOOD, CLEAR, SELF, EXPIRED, OTHER, DOMAIN), w.c)
    w.mtas = {}
    for name, address in (("relaybox", "172.16.1.11"), ("postfix", "172.16.1.12")):
        w.mtas[name] = host = net.host(name, address)
        resolver(host, net.ns.read("/etc/nsd/anchor"))
        host.write("/etc/postfix/main.cf", MAIN % name)
        host.write("/etc/postfix/policy", "".join("%s dane-only\n" % d for d in domains(w) if d.startswith("only-")))
    w.mtas["relaybox"].relayd()
    w.mtas["postfix"].postfix("25 inet n - n - - smtpd\n")
    return w


def domains(w):
    return [name + ".lab" for name, *_ in w.table] + [name + ".lab" for name, *_ in SPECIAL] + [name for name, *_ in PLAIN]


@pytest.fixture(scope="module", params=["relaybox", "postfix"])
def outcome(world, request):
    """What became of a mail to each domain: sent or not, the session's word, the log line."""
    host, names = world.mtas[request.param], domains(world)
    with host.network():
        client = smtplib.SMTP("127.0.0.1", 25, timeout=60)
    refused = client.sendmail("a@lab", ["u@" + name for name in names], "Subject: x\r\n\r\nx\r\n")
    client.quit()
    assert not refused, refused

    def done():
        "every recipient to have a status"
        lines = host.log("status=")
        return all(any("to=<u@%s>" % name in line for line in lines) for name in names) or None
    wait(done, 90)
    out = {}
    for name in names:
        line = host.log(r"to=<u@%s>.*status=" % re.escape(name))[0]
        mx = {"to-signed.plain": "from-plain.mx.lab", "to-wrong.plain": "ee-wrong.mx.lab", "only-signed.plain": "none"}.get(
            name, "host.plain" if name.endswith("plain") or name == "only-own.lab" else name.replace(".lab", ".mx.lab"))
        words = {re.search("(%s) TLS" % "|".join(WORDS), x).group(1) for x in host.log("TLS connection established to %s\\[" % re.escape(mx))}
        out[name] = ("status=sent" in line, words, line)
    out["log"] = host.read("/var/log/maillog")
    return out


def test_each_server_gets_what_its_records_say(world, outcome):
    wrong = []
    for name, _, _, word, sent in world.table:
        got, words, line = outcome[name + ".lab"]
        if got != sent or (word != "*" and words != ({word} if word else set())):
            wrong.append("%s: want %s %s, got %s\n    %s" % (name, sent, word, words, line))
    assert not wrong, "\n".join(wrong)


def test_aliases_and_hosts_that_cannot_be_asked_about(outcome):
    for name, word, sent, relay in SPECIAL:
        got, _, line = outcome[name + ".lab"]
        assert got == sent and "relay=%s" % relay in line or not sent, line
    for host in ("alias", "alias-real"):
        assert "Untrusted TLS connection established to %s.mx.lab" % host not in outcome["log"]
    assert re.search("Verified TLS connection established to alias(-real)?.mx.lab", outcome["log"])


def test_domains_that_are_not_signed(outcome):
    for name, word, sent in PLAIN:
        got, words, line = outcome[name]
        assert got == sent and (not word or words == {word}), (words, line)


def test_nothing_went_in_clear_that_should_not(world, outcome):
    """The server without TLS got the one mail for which nothing is published, from each."""
    got = [rcpt for m in world.sinks[CLEAR].messages for rcpt in m.rcpts]
    assert got and all("none-clear.lab" in rcpt for rcpt in got), got


def test_explain_names_the_level(world):
    said = world.mtas["relaybox"].run(RELAYBOX, "relayctl", "-c", "/etc/postfix", "explain", "u@ee-311.lab").stdout.decode()
    assert "TLS level dane " in said and "TLSA" in said, said
    said = world.mtas["relaybox"].run(RELAYBOX, "relayctl", "-c", "/etc/postfix", "explain", "u@only-ok.lab").stdout.decode()
    assert "TLS level dane-only " in said, said


def test_without_a_resolver_to_believe_nothing_starts_and_nothing_is_sent(world):
    host = world.mtas["relaybox"]
    before = host.read("/etc/resolv.conf")
    try:
        host.write("/etc/resolv.conf", "nameserver 192.0.2.53\n")
        done = host.run(RELAYBOX, "relayd", "-c", "/etc/postfix", "-t", check=False)
        assert done.returncode and b"validating resolver" in done.stderr, done.stderr

        def put_off():
            "mail to wait, once the file was read again"
            with host.network(), smtplib.SMTP("127.0.0.1", 25, timeout=60) as client:
                client.sendmail("a@lab", ["late@ee-301.lab"], "Subject: x\r\n\r\nx\r\n")
            return host.log("to=<late@ee-301.lab>.*status=deferred.*needs a validating resolver") or None
        wait(put_off, 20)
        host.write("/etc/resolv.conf", "nameserver 192.0.2.53\noptions trust-ad\n")
        assert not host.run(RELAYBOX, "relayd", "-c", "/etc/postfix", "-t", check=False).returncode
    finally:
        host.write("/etc/resolv.conf", before)
