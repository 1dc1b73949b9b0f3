"""TLS reports (RFC 8460): sessions are counted, over a restart, and the next night those who ask for it get what was counted, once."""
import email
import gzip
import json
import re
import smtplib
import ssl
import subprocess
import time

import dkim
import pytest

from faults import Certificates, tlsa
from lab import RELAYBOX, wait
from peers import Web
from test_mxcheck import needs_signed_zones, nsd, resolver

GOOD, CLEAR, SELF = ("198.51.100.%d" % n for n in range(10, 13))
WEB = "198.51.100.80"
OURS = "172.16.1.11"
POLICY = "version: STSv1\r\nmode: %s\r\nmx: *.mx.lab\r\nmax_age: 604800\r\n"
MAIN = """myhostname = relaybox.lab
mydestination =
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
maillog_file = /var/log/maillog
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_dns_support_level = dnssec
smtp_tls_security_level = dane
smtp_tls_mta_sts = yes
smtp_tlsrpt_enable = yes
tlsrpt_organization = The "Lab"
tlsrpt_contact = tls@relaybox.lab
dkim_key_directory = /etc/dkim
smtp_tls_policy_maps = texthash:/etc/postfix/policy
transport_maps = texthash:/etc/postfix/transport
"""
MAILTO, POST = "mailto:reports@rua.lab", "https://collect.lab/tls?x=1"
# domain: its MX host, the mode of its policy (None: it has none), where its reports go, what they tell: type, successes, failures
CASES = {
    "plain": ("good", None, MAILTO, [("no-policy-found", 2, {})]),
    "clear": ("clear", None, MAILTO + "," + POST, [("no-policy-found", 0, {"starttls-not-supported": 1})]),
    "enforce": ("good", "enforce", POST, [("sts", 1, {})]),
    "held": ("clear", "enforce", MAILTO, [("sts", 0, {"starttls-not-supported": 1})]),
    "self": ("self", "enforce", MAILTO, [("sts", 0, {"certificate-not-trusted": 1})]),
    "foreign": ("elsewhere", "enforce", MAILTO, [("sts", 0, {"validation-failure": 1})]),
    "testing": ("self", "testing", MAILTO, [("sts", 0, {"certificate-not-trusted": 1})]),
    "missing": ("good", "missing", MAILTO, [("no-policy-found", 1, {}), ("sts", 0, {"sts-policy-fetch-error": 1})]),
    "broken": ("good", "broken", MAILTO, [("no-policy-found", 1, {}), ("sts", 0, {"sts-policy-invalid": 1})]),
    "pinned": ("pinned", None, MAILTO, [("tlsa", 1, {})]),
    "wrong": ("wrong", None, MAILTO, [("tlsa", 0, {"validation-failure": 1})]),
    # nobody asks for a report, or not in words that are understood, or nothing that counts was seen
    "silent": ("good", None, None, None),
    "ftp": ("good", None, "ftp://collect.lab/", None),
    "table": ("good", None, MAILTO, None),
    "bracket": ("good", None, MAILTO, None),
    "optional": ("good", None, MAILTO, None),
}
ADDRESSES = {"good": GOOD, "clear": CLEAR, "self": SELF, "elsewhere.other": GOOD, "pinned": SELF, "wrong": GOOD}
RESULTS = {"starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted", "validation-failure",
           "tlsa-invalid", "dnssec-invalid", "dane-required", "sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def is_count(x):
    return isinstance(x, int) and not isinstance(x, bool) and x >= 0


def is_text(x):
    return isinstance(x, str) and x != ""


def is_list(of):
    return lambda x: isinstance(x, list) and all(conforms(one, of) for one in x)


def is_one_of(*words):
    return lambda x: x in words


# a report's shape (section 4.4): members with what they must be; those that end in ? may be missing, others may not be there
FAILURE = {"result-type": lambda x: x in RESULTS, "sending-mta-ip?": is_text, "receiving-mx-hostname?": is_text, "receiving-ip?": is_text,
           "failed-session-count": is_count, "failure-reason-code?": is_text}
SHAPE = {
    "organization-name": is_text, "date-range": {"start-datetime": TIME.fullmatch, "end-datetime": TIME.fullmatch}, "contact-info": is_text,
    "report-id": is_text, "policies": is_list({
        "policy": {"policy-type": is_one_of("tlsa", "sts", "no-policy-found"), "policy-string?": is_list(is_text), "policy-domain": is_text,
                   "mx-host?": is_list(is_text)},
        "summary": {"total-successful-session-count": is_count, "total-failure-session-count": is_count},
        "failure-details?": is_list(FAILURE),
    }),
}


def conforms(value, shape):
    if callable(shape):
        return bool(shape(value))
    names = {name.rstrip("?") for name in shape}
    return isinstance(value, dict) and set(value) <= names and all(
        conforms(value[name.rstrip("?")], what) if name.rstrip("?") in value else name.endswith("?") for name, what in shape.items())


def zone(c, key):
    lines = ["$ORIGIN .", "$TTL 300", ". SOA ns. root. 1 60 60 8640000 60", ". NS ns.", "ns. A 192.0.2.53", "a.mx.lab. A " + GOOD]
    lines += ["%s. A %s" % (name if "." in name else name + ".mx.lab", address) for name, address in ADDRESSES.items()]
    lines += ["_25._tcp.pinned.mx.lab. TLSA " + tlsa(3, 1, 1, c.path("self.pem")), "_25._tcp.wrong.mx.lab. TLSA 3 1 1 " + "00" * 32,
              "collect.lab. A " + WEB, "rua.lab. MX 10 clear.mx.lab.", "mta-sts.rua.lab. A " + WEB, '_mta-sts.rua.lab. TXT "v=STSv1; id=1;"',
              '_smtp._tls.rua.lab. TXT "v=TLSRPTv1; rua=%s"' % MAILTO, "mail._domainkey.relaybox.lab. TXT " + key]
    for name, (host, mode, rua, _) in CASES.items():
        lines.append("%s.lab. MX 10 %s." % (name, "elsewhere.other" if host == "elsewhere" else host + ".mx.lab"))
        if mode:
            lines += ["mta-sts.%s.lab. A %s" % (name, WEB), '_mta-sts.%s.lab. TXT "v=STSv1; id=1;"' % name]
        if rua:
            lines.append('_smtp._tls.%s.lab. TXT "v=TLSRPTv1; rua=%s"' % (name, rua))
    return "\n".join(lines) + "\n"


class World:
    def send(self, rcpt, header=""):
        with self.mta.network(), smtplib.SMTP("127.0.0.1", 25, timeout=60) as client:
            client.sendmail("a@lab", [rcpt], header + "Subject: x\r\n\r\nx\r\n")

        def line():
            "its fate to be in the log"
            return self.mta.log(r"to=<%s>.*status=" % re.escape(rcpt)) or None
        return wait(line, 60)[0]

    def tallies(self):
        return re.findall(r"^tally (\d+) (\S+) (\S+) (\d+) (\d+)$", self.mta.read("/var/spool/relaybox/tlsrpt"), re.M)

    def verifies(self, content):
        return dkim.DKIM(content, minkey=2048).verify(dnsfunc=lambda *_, **__: self.key)


@pytest.fixture(scope="module")
def world(net, tmp_path_factory):
    needs_signed_zones(net)
    w = World()
    folder = tmp_path_factory.mktemp("tlsrpt")
    c = w.c = Certificates(folder / "certificates")
    for name in ("good", "wrong"):
        c.issue(name, "good.mx.lab", names="DNS:good.mx.lab,DNS:wrong.mx.lab")
    c.root("self", "self.mx.lab", names="DNS:self.mx.lab")
    c.issue("web", "collect.lab", names="DNS:collect.lab,DNS:mta-sts.rua.lab," + ",".join("DNS:mta-sts.%s.lab" % name for name in CASES))
    made = subprocess.run([RELAYBOX, "mapgen", "--dkim", "relaybox.lab", "mail"], cwd=folder, check=True, capture_output=True).stdout
    w.key = b"".join(re.findall(rb'"([^"]*)"', made))
    net.ns.write("/etc/nsd/root", zone(c, " ".join('"%s"' % x.decode() for x in re.findall(rb'"([^"]*)"', made))))
    net.ns.sh("cd /etc/nsd && k=$(ldns-keygen -a ECDSAP256SHA256 -k .) && ldns-signzone -o . root $k && cp $k.key anchor")
    nsd(net.ns, "192.0.2.53", [(".", "root.signed")])
    mx = net.host("mx", GOOD, CLEAR, SELF, WEB)

    def context(name):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(c.path(name + ".pem"), c.path(name + ".key"))
        return made
    w.sinks = {a: mx.sink(25, address=a, tls=name and context(name)) for a, name in ((GOOD, "good"), (CLEAR, None), (SELF, "self"))}
    pages = {"mta-sts.%s.lab" % name: (200, "text/plain", POLICY % case[1]) for name, case in CASES.items() if case[1] in ("enforce", "testing")}
    pages.update({"mta-sts.rua.lab": (200, "text/plain", POLICY % "enforce"), "mta-sts.broken.lab": (200, "text/plain", "no policy"),
                  "collect.lab": (201, "text/plain", "")})
    w.web = Web(mx, WEB, c.path("web.pem"), c.path("web.key"), pages)
    w.mta = host = net.host("relaybox", OURS)
    resolver(host, net.ns.read("/etc/nsd/anchor"))
    host.write("/etc/ssl/certs/ca-certificates.crt", c.read("ca.pem"))
    host.write("/etc/dkim/relaybox.lab.mail.pem", (folder / "relaybox.lab.mail.pem").read_text(), 0o600)
    host.write("/etc/postfix/main.cf", MAIN)
    host.write("/etc/postfix/policy", "table.lab may\n")
    host.write("/etc/postfix/transport", "bracket.lab smtp:[good.mx.lab]\n")
    host.relayd()
    for name in CASES:
        w.send("u@%s.lab" % name, "TLS-Required: No\r\n" if name == "optional" else "")
    # what is counted outlives a restart, and goes on
    assert host.stop() == 0
    w.first = w.tallies()
    host.relayd()
    w.send("again@plain.lab")
    assert host.stop() == 0
    w.second = w.tallies()
    # two nights later
    text = host.read("/var/spool/relaybox/tlsrpt")
    w.day = int(time.time() // 86400) - 2
    host.write("/var/spool/relaybox/tlsrpt", re.sub(r"(?m)^tally \d+ ", "tally %d " % w.day, text))
    host.relayd()
    wanted = [rua for _, _, rua, tells in CASES.values() if tells]
    w.mails, w.posts = sum(MAILTO in rua for rua in wanted), sum(POST in rua for rua in wanted)

    def told():
        "all reports to arrive"
        return (len(w.reports_by_mail()) >= w.mails and len(w.reports_by_post()) >= w.posts) or None
    w.reports_by_mail = lambda: [m for m in w.sinks[CLEAR].messages if m.rcpts == ["reports@rua.lab"]]
    w.reports_by_post = lambda: [r for r in w.web.requests if r[0] == "collect.lab"]
    try:
        wait(told, 60)
    except AssertionError as e:
        raise AssertionError("%s\n%s\n%s" % (e, text, host.read("/var/log/maillog")[-6000:]))
    return w


def unpacked(message):
    parsed = email.message_from_bytes(message.content)
    return json.loads(gzip.decompress(parsed.get_payload()[1].get_payload(decode=True)))


def test_counts_outlive_a_restart(world):
    assert world.first, "nothing was counted"
    assert [t[1:] for t in world.first if t[2] == "plain.lab"] == [("no-policy-found", "plain.lab", "1", "0")]
    assert [t[1:] for t in world.second if t[2] == "plain.lab"] == [("no-policy-found", "plain.lab", "2", "0")]
    assert not {"table.lab", "bracket.lab", "optional.lab"} & {t[2] for t in world.second}, world.second


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[3]])
def test_reports_tell_what_was_counted(world, name):
    _, _, rua, tells = CASES[name]
    found = [unpacked(m) for m in world.reports_by_mail()] if MAILTO in rua else [json.loads(gzip.decompress(r[2])) for r in world.reports_by_post()]
    mine = [r for r in found if r["policies"][0]["policy"]["policy-domain"] == name + ".lab"]
    assert len(mine) == 1, found
    report = mine[0]
    assert conforms(report, SHAPE), report
    assert report["organization-name"] == 'The "Lab"' and report["contact-info"] == "tls@relaybox.lab"
    date = time.strftime("%Y-%m-%d", time.gmtime(world.day * 86400))
    assert report["date-range"] == {"start-datetime": date + "T00:00:00Z", "end-datetime": date + "T23:59:59Z"}
    got = sorted((p["policy"]["policy-type"], p["summary"]["total-successful-session-count"],
                  {d["result-type"]: d["failed-session-count"] for d in p.get("failure-details", [])}) for p in report["policies"])
    assert got == sorted(tells, key=lambda t: t[0]), report
    for p in report["policies"]:
        kind, strings = p["policy"]["policy-type"], p["policy"].get("policy-string", [])
        assert p["summary"]["total-failure-session-count"] == sum(d["failed-session-count"] for d in p.get("failure-details", []))
        if kind == "sts" and name not in ("missing", "broken"):
            assert strings[0] == "version: STSv1" and p["policy"]["mx-host"] == ["*.mx.lab"]
        elif kind == "tlsa":
            assert strings and all(s.startswith("3 1 1 ") for s in strings)
        for d in p.get("failure-details", []):
            assert d["receiving-ip"] in (GOOD, CLEAR, SELF)
            assert d["receiving-mx-hostname"].endswith((".mx.lab", ".other"))


def test_mails_have_the_form_of_reports_and_are_signed(world):
    for m in world.reports_by_mail():
        parsed = email.message_from_bytes(m.content)
        assert parsed.get_content_type() == "multipart/report" and parsed.get_param("report-type") == "tlsrpt"
        text, attached = parsed.get_payload()
        assert text.get_content_type() == "text/plain" and attached.get_content_type() == "application/tlsrpt+gzip"
        domain = parsed["TLS-Report-Domain"]
        assert re.fullmatch(r"relaybox\.lab!%s!%d!%d!1\.json\.gz" % (re.escape(domain), world.day * 86400, world.day * 86400 + 86399),
                            attached.get_filename()), attached.get_filename()
        assert parsed["TLS-Report-Submitter"] == "relaybox.lab" and parsed["From"] == "<tls@relaybox.lab>"
        assert re.match(r"Report Domain: %s Submitter: relaybox.lab\s+Report-ID: <\S+>" % re.escape(domain), parsed["Subject"]), parsed["Subject"]
        assert parsed["TLS-Required"] == "No"
        assert world.verifies(m.content)


def test_posts_have_the_type_of_reports(world):
    for _, head, _ in world.reports_by_post():
        assert head.startswith("POST /tls?x=1 HTTP/1.1\r\n") and "\r\nContent-Type: application/tlsrpt+gzip\r\n" in head, head


def test_reports_come_once_and_tell_nothing_of_themselves(world):
    """Their mail goes past the policy of whom it goes to, and is not counted; what was told is told no more."""
    assert len(world.reports_by_mail()) == world.mails and len(world.reports_by_post()) == world.posts
    assert world.mta.stop() == 0
    assert world.tallies() == []
    world.mta.relayd()
    assert len(world.reports_by_mail()) == world.mails


def test_a_damaged_file_is_told(world):
    assert world.mta.stop() == 0
    world.mta.write("/var/spool/relaybox/tlsrpt", "relaybox tlsrpt 1\ntally x\nend\n")
    world.mta.relayd()
    world.mta.wait_log("tlsrpt is damaged")
