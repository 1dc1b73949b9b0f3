"""mxcheck and a real Postfix: what it says of open and closed relays, recipients, next hops and old TLS is what Postfix does, and
what swaks, posttls-finger and openssl see."""
import email
import email.policy
import json
import re

import pytest

from lab import RELAYBOX, Authority, wait
from net import lent
from peers import smarthost

CLIENT, CLOSED, OPEN, SMART, LB, WORLD = "203.0.113.9", "198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4", "203.0.113.25"
SIX = "2001:db8::25"
MX = """\
myhostname = mx.{name}.example
mydestination = {name}.example
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
smtpd_tls_security_level = may
smtpd_tls_chain_files = /etc/chain.pem
smtpd_client_connection_count_limit = 0
"""


class System:
    """A stranger; a Postfix that is closed to it, one that is open, a provider's that wants a password."""

    def __init__(self, net, folder):
        net.dns("closed.example. MX 10 mx.closed.example.", "mx.closed.example. A " + CLOSED, "mx.open.example. A " + OPEN,
                "smart.example. A " + SMART, "open.example. MX 10 mx.open.example.", "mx.open.example. AAAA " + SIX,
                ".".join("520000000000000000000000" "8bd01002") + ".ip6.arpa. PTR mx.open.example.", "far.example. MX 10 world.example.", "world.example. A " + WORLD)
        self.net, self.ca = net, Authority(folder)
        self.client = net.host("client", CLIENT)
        self.client.write("/etc/ca.pem", self.ca.bundle)
        self.world = net.host("world", WORLD).sink(25)
        self.closed = self.mx(net, "closed", CLOSED, "smtpd_tls_protocols = >=TLSv1.2\n"
                              "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\nsmtpd_recipient_restrictions = check_recipient_access "
                              "inline:{ {later@closed.example = 450 4.2.0 not now} }\n")
        self.open = self.mx(net, "open", OPEN, "smtpd_tls_protocols = >=TLSv1\nmynetworks = 0.0.0.0/0\ninet_protocols = all\n",
                            "ip -6 addr add %s/128 dev lo nodad" % SIX)
        self.smart = net.host("smart", SMART)
        smarthost(self.smart, "smart.example", self.ca, "me", "se:cret#", services="465 inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n")

    def mx(self, net, name, address, more, first="true"):
        host = net.host(name, address)
        host.sh(first)
        host.write("/etc/ca.pem", self.ca.bundle)
        cert, key = self.ca.issue("mx.%s.example" % name)
        host.write("/etc/chain.pem", open(key).read() + open(cert).read())
        host.write("/etc/postfix/main.cf", MX.format(name=name) + more)
        host.postfix("25 inet n - n - - smtpd\n587 inet n - n - - smtpd\n26 inet n - n - - smtpd\n  -o smtpd_upstream_proxy_protocol=haproxy\n")
        return host

    def check(self, *args, code=0, host=None):
        done = (host or self.client).run(RELAYBOX, "mxcheck", "--json", *([] if host else ["-4"]), "--ca", "/etc/ca.pem", "--helo", "client.example", *args, check=False)
        assert done.returncode == code, done
        return [json.loads(line) for line in done.stdout.splitlines()]

    def swaks(self, *args):
        done = self.client.run("swaks", "--helo", "client.example", "--quit-after", "RCPT", *args, check=False)
        return done.returncode, done.stdout.decode()

    def nothing_was_sent(self):
        for host in (self.closed, self.open, self.smart):
            assert not host.log(r"postfix/(cleanup|qmgr)\[\d+\]: [0-9A-F]{6,}: ") and "Mail queue is empty" in host.sh("postqueue -p")
        assert not self.world.messages


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    with lent(tmp_path_factory.mktemp("net")) as net:
        yield System(net, tmp_path_factory.mktemp("ca"))


def found(result, verdict, check, text=""):
    return [f["text"] for f in result["findings"] if f["verdict"] == verdict and f["check"] == check and text in f["text"]]


# --- open relays ---------------------------------------------------------------------------------------------------------------


def test_a_closed_postfix_is_closed(system):
    x = system.check("--open-relay", "mx.closed.example", "--rcpt", "me@far.example")[0]
    assert x["problems"] == 0 and len(found(x, "ok", "refused")) > 20 and not found(x, "ok", "accepted"), x["findings"]
    assert found(x, "ok", "refused", "foreign to foreign: <postmaster@example.net> to <me@far.example>: 554 5.7.1"), x["findings"]
    assert "Relay access denied" in system.swaks("--server", CLOSED, "-f", "postmaster@example.net", "-t", "me@far.example")[1]
    # Postfix heard every form that was said, and took none
    assert len(system.closed.log("reject: RCPT from .*%s" % re.escape(CLIENT))) > 15
    system.nothing_was_sent()


def test_an_open_postfix_is_open(system):
    x = system.check("--open-relay", "mx.open.example", "--rcpt", "me@far.example", code=2)[0]
    taken = found(x, "problem", "accepted")
    assert any(t.startswith("foreign to foreign: <postmaster@example.net> to <me@far.example>: 250 2.1.5") for t in taken), x["findings"]
    assert any(t.startswith("null sender: <>") for t in taken)
    code, said = system.swaks("--server", OPEN, "-f", "postmaster@example.net", "-t", "me@far.example")
    assert code == 0 and "250 2.1.5" in said
    system.nothing_was_sent()


def test_both_families_are_looked_at(system):
    """From the server itself: between these hosts there is only IPv4."""
    addresses = system.check("open.example", host=system.open)[0]["hosts"][0]["addresses"]
    assert {a["address"] for a in addresses} == {OPEN, SIX} and all(a["finished"] and a["tls"]["trust"] == "Trusted" for a in addresses)
    assert [a["ptr"] for a in addresses if a["address"] == SIX] == ["mx.open.example"]
    x = system.check("--server", "[%s]:587" % SIX, host=system.open)[0]
    assert found(x, "ok", "tls", "TLSv1.3") and found(x, "note", "name", "an address has no name to verify")
    x = system.check("--open-relay", SIX, host=system.open)[0]
    assert x["problems"] == 0 and found(x, "ok", "later", "<postmaster@[IPv6:%s]>" % SIX)


# --- recipients --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rcpt, code, verdict, text", [
    ("root@closed.example", 0, "ok", "accepted: 250 2.1.5"), ("nobody-here@closed.example", 1, "problem", "User unknown in local recipient table"),
    ("later@closed.example", 75, "warning", "later: 450 4.2.0"),
])
def test_rcpt_is_answered_as_postfix_answers(system, rcpt, code, verdict, text):
    x = system.check("--rcpt", rcpt, "--from", "a@far.example", code=code)[0]
    assert found(x, verdict, "rcpt", text) and [h["name"] for h in x["hosts"]] == ["mx.closed.example"], x["findings"]
    swaks, said = system.swaks("-f", "a@far.example", "-t", rcpt, "--server", CLOSED)
    assert swaks == (24 if code else 0) and text.split(": ")[-1] in said
    system.nothing_was_sent()


# --- this host's own next hop ----------------------------------------------------------------------------------------------------


def relay(system, code=0, level="secure", password="se:cret#", more=""):
    system.client.write("/etc/postfix/sasl_passwd", "[smart.example]:587 me@smart.example:%s\n" % password)
    system.client.write("/etc/postfix/main.cf", "myhostname = client.example\ninet_protocols = ipv4\nrelayhost = [smart.example]:587\n"
                        "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = texthash:/etc/postfix/sasl_passwd\n"
                        "smtp_sasl_security_options = noanonymous\nsmtp_tls_CAfile = /etc/ca.pem\nsmtp_tls_security_level = %s\n%s" % (level, more))
    return system.check("--relay", "-c", "/etc/postfix", "--from", "me@smart.example", "--rcpt", "you@far.example", code=code)[0]


def test_relay_logs_in_and_asks(system):
    x = relay(system)
    assert x["target"] == "smtp:[smart.example]:587 (relayhost)" and x["problems"] == 0
    assert found(x, "ok", "tls", "Verified, level secure: TLSv1.3") and found(x, "ok", "auth", "logged in") and found(x, "ok", "rcpt", "accepted: 250")
    finger = system.client.run("posttls-finger", "-c", "-l", "secure", "-F", "/etc/ca.pem", "-L", "summary", "[smart.example]:587")
    assert b"Verified TLS connection established to smart.example[%s]:587: TLSv1.3" % SMART.encode() in finger.stdout + finger.stderr
    code, said = system.swaks("--server", "smart.example:587", "-tls", "-a", "PLAIN", "-au", "me@smart.example", "-ap", "se:cret#",
                              "-f", "me@smart.example", "-t", "you@far.example")
    assert code == 0 and "250 2.1.5" in said
    system.nothing_was_sent()


@pytest.mark.parametrize("change, check, text, swaks", [
    (dict(password="wrong"), "auth", "535 5.7.8", ("-tls", "-a", "PLAIN", "-au", "me@smart.example", "-ap", "wrong")),
    (dict(more="smtp_sasl_auth_enable = no\n"), "rcpt", "554 5.7.1", ("-tls",)),
    (dict(more="smtp_tls_secure_cert_match = other.example\n"), "tls", "not verified", None),
    (dict(more="smtp_tls_CAfile = /etc/other.pem\n"), "tls", "not trusted", None),
    (dict(level="none"), "rcpt", "554 5.7.1", ()),
])
def test_relay_finds_what_postfix_refuses(system, change, check, text, swaks):
    system.client.sh("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=Other -keyout /dev/null "
                     "-out /etc/other.pem 2>/dev/null")
    x = relay(system, code=1, **change)
    assert x["problems"] == 1 and found(x, "problem", check, text), x["findings"]
    if swaks is not None:
        code, said = system.swaks("--server", "smart.example:587", "-f", "me@smart.example", "-t", "you@far.example", *swaks)
        assert code in (24, 28) and text in said
    system.nothing_was_sent()


# --- old TLS -------------------------------------------------------------------------------------------------------------------


def takes(system, where, version, *more):
    done = system.client.run("openssl", "s_client", "-connect", where, version, "-cipher", "ALL:@SECLEVEL=0", *more, check=False)
    return b"Cipher is (NONE)" not in done.stdout


@pytest.mark.parametrize("host, old", [("mx.open.example", True), ("mx.closed.example", False)])
def test_old_tls_at_postfix(system, host, old):
    for port, verdict in ((25, "note"), (587, "warning")):
        x = system.check("--server", "%s:%d" % (host, port))[0]
        assert found(x, "ok", "tls", "TLSv1.3") and not found(x, "problem", "tls")
        assert bool(found(x, verdict, "tls", "TLS 1.0 and 1.1 are still accepted")) == old, x["findings"]
        assert old or not [f for f in x["findings"] if f["check"] == "tls" and f["verdict"] != "ok"]
        for version in ("-tls1", "-tls1_1"):
            assert takes(system, "%s:%d" % (host, port), version, "-starttls", "smtp") == old


@pytest.mark.parametrize("port, options, said", [
    (4650, ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], None), (4651, ["-tls1_2"], ""), (4652, ["-cipher", "ALL:@SECLEVEL=1"], ""),
    (4653, ["-cipher", "ALL:@SECLEVEL=0"], "TLS 1.0 and 1.1 are still accepted"),
    (4654, ["-cipher", "ALL:@SECLEVEL=0", "-no_tls1"], "TLS 1.1 is still accepted"),
    (4655, ["-cipher", "ALL:@SECLEVEL=0", "-no_tls1_1"], "TLS 1.0 is still accepted"),
])
def test_old_tls_at_openssl(system, port, options, said):
    """TLS from the first byte, and behind it a shell that says what a mail server says."""
    cert, key = system.ca.issue("client.example")
    system.client.write("/etc/s.pem", open(key).read() + open(cert).read())
    system.client.spawn("sh", "-c", "mkfifo /run/back\nopenssl s_server -accept %d -cert /etc/s.pem -quiet %s < /run/back |\n"
                        "{ echo '220 client.example ESMTP'\nwhile read -r line; do\n"
                        "case $line in EHLO*) echo '250 client.example';; QUIT*) echo '221 bye';; esac\ndone; } > /run/back".replace(
                            "/back", "/%d" % port) % (port, " ".join(options)))
    wait(lambda: b":%d " % port in system.client.run("ss", "-ltn").stdout)
    x = system.check("--server", "%s:%d" % (CLIENT, port), "--tls", "implicit", code=1 if said is None else 0)[0]
    if said is None:
        assert found(x, "problem", "tls", "only TLS 1.0 or 1.1"), x["findings"]
    else:
        assert found(x, "warning", "tls") == ([said] if said else []), x["findings"]


# --- a balancer in between -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def balancer(system):
    """HAProxy before the closed Postfix, well and badly."""
    lb = system.net.host("lb", LB)
    cert, key = system.ca.issue("lb.example")
    lb.write("/etc/haproxy/site.pem", open(cert).read() + open(key).read())
    old = "ssl crt /etc/haproxy/site.pem ssl-min-ver TLSv1.0 ciphers ALL:@SECLEVEL=0"
    text = "defaults\n mode tcp\n timeout connect 2s\n timeout client 30s\n timeout server 30s\n"
    for port, bind, server in ((25, "", CLOSED + ":25"), (26, "", CLOSED + ":7"), (27, "", CLOSED + ":25 send-proxy"),
                               (28, "", CLOSED + ":26 send-proxy-v2"), (29, "", CLOSED + ":26"), (465, "ssl crt /etc/haproxy/site.pem", CLOSED + ":25"),
                               (4650, old, CLOSED + ":25")):
        text += "listen p%d\n bind :%d %s\n server s %s\n" % (port, port, bind, server)
    lb.haproxy(text, 25)
    return lb


@pytest.mark.parametrize("port, verdict, check, text", [
    (25, None, None, None),
    (26, "problem", "banner", "closed the connection"),  # nobody is behind it
    (27, "problem", "ehlo", "command not recognized"),  # Postfix does not expect a PROXY header
    (28, None, None, None),
    (29, "problem", "banner", "421 4.3.0"),  # it expects one that does not come
    (465, None, None, None),
    (4650, "warning", "tls", "TLS 1.0 and 1.1 are still accepted"),
])
def test_behind_haproxy(system, balancer, port, verdict, check, text):
    args = ["--server", "%s:%d" % (LB, port), *(["--tls", "implicit"] if port == 4650 else [])]
    x = system.check(*args, code=1 if verdict == "problem" else 0)[0]
    bad = [(f["verdict"], f["check"]) for f in x["findings"] if f["verdict"] in ("warning", "problem") and f["check"] != "name"]
    assert bad == ([(verdict, check)] if verdict else []) and (not verdict or found(x, verdict, check, text)), x["findings"]
    if port in (25, 26, 28, 29):  # at 27 swaks goes on, one reply behind
        code, said = system.swaks("--server", "%s:%d" % (LB, port), "-f", "a@far.example", "-t", "root@closed.example")
        assert (code == 0) == (not verdict), said


# --- a whole configuration -------------------------------------------------------------------------------------------------------


def test_relay_asks_every_transport(system):
    c = system.client
    c.write("/etc/postfix/transport", "wrap.example smtp:[smart.example]:465\nslow.example slow:[mx.open.example]\nlocal.example lmtp:unix:/run/none\n"
            "far.example smtp:\nerr.example error:no\n")
    c.write("/etc/postfix/senders", "third@x.example [mx.open.example]:587\n")
    c.write("/etc/postfix/sasl", "[smart.example]:587 me@smart.example:se:cret#\n[smart.example]:465 me@smart.example:se:cret#\n"
            "other@x.example me@smart.example:wrong\n")
    c.write("/etc/postfix/master.cf", "smtp unix - - n - - smtp\nslow unix - - n - 1 smtp\n  -o smtp_tls_security_level=none\n"
            "relay unix - - n - - smtp\nlmtp unix - - n - - lmtp\n")
    c.write("/etc/postfix/main.cf", "myhostname = client.example\ninet_protocols = ipv4\nrelayhost = [smart.example]:587, [mx.open.example]\n"
            "smtp_fallback_relay = [mx.closed.example]\nsmtp_sasl_auth_enable = yes\nsmtp_sender_dependent_authentication = yes\n"
            "smtp_sasl_password_maps = texthash:/etc/postfix/sasl\nsmtp_sasl_security_options = noanonymous\nsmtp_tls_CAfile = /etc/ca.pem\n"
            "smtp_tls_security_level = secure\nsmtp_tls_policy_maps = inline:{ {[mx.closed.example] = may}, {[mx.open.example] = none} }\n"
            "transport_maps = texthash:/etc/postfix/transport\nsender_dependent_relayhost_maps = texthash:/etc/postfix/senders\n")
    said = {x["target"]: {(f["verdict"], f["check"]) for f in x["findings"]}
            for x in system.check("--relay", "-c", "/etc/postfix", "--from", "me@smart.example", code=1)}
    fine = {("ok", "connect"), ("ok", "rcpt")}
    assert said["smtp:[smart.example]:587 (relayhost)"] == said["smtp:[smart.example]:465 (transport_maps for wrap.example)"] == \
        fine | {("ok", "tls"), ("ok", "auth")}
    # the policy of one, and what its master.cf says of another
    assert said["smtp:[mx.open.example] (relayhost)"] == said["slow:[mx.open.example] (transport_maps for slow.example)"] == fine
    assert said["smtp:[mx.open.example]:587 (sender_dependent_relayhost_maps)"] == fine | {("ok", "tls")}
    assert said["smtp:[mx.closed.example] (smtp_fallback_relay)"] == {("ok", "connect"), ("ok", "tls"), ("problem", "rcpt")}
    assert ("problem", "tls") in said["smtp:far.example (transport_maps for far.example)"]
    assert said["lmtp:unix:/run/none (transport_maps for local.example)"] == {("problem", "connect")}
    # this sender has a password of its own, which is wrong
    other = {x["target"]: x for x in system.check("--relay", "-c", "/etc/postfix", "--from", "other@x.example", code=1)}
    assert found(other["smtp:[smart.example]:587 (relayhost)"], "problem", "auth", "535 5.7.8")
    system.nothing_was_sent()


# --- a test mail; the last test, for after it something was sent --------------------------------------------------------------------


def test_send_goes_through_postfix_as_from_swaks(system):
    c = system.client
    c.write("/etc/password", "se:cret#\n")
    c.write("/etc/a.csv", "a,b\n")
    mail = ["--from", "me@smart.example", "--to", "you@far.example", "--server", "smart.example", "--helo", "client.example"]
    done = c.run(RELAYBOX, "mxcheck", "--send", *mail, "--port", "587", "--tls", "must", "--ca", "/etc/ca.pem", "--auth", "me@smart.example",
                 "--password-file", "/etc/password", "--header", "X-Test: 1", "--attach", "/etc/a.csv", "--body", "hello\n").stdout.decode()
    c.run("swaks", *mail, "--port", "587", "-tls", "-a", "PLAIN", "-au", "me@smart.example", "-ap", "se:cret#", "--header", "X-Test: 1",
          "--attach-type", "text/csv", "--attach", "@/etc/a.csv", "--body", "hello\n")
    ours, theirs = system.world.wait(2)[:2]
    assert re.search(r"<-- 250 2.0.0 Ok: queued as ([0-9A-F]+)", done)[1] in system.smart.read("/var/log/maillog")
    for m in (ours, theirs):
        parsed = email.message_from_bytes(m.content, policy=email.policy.default)
        text, file = parsed.iter_parts()
        assert (m.sender, m.rcpts) == ("me@smart.example", ["you@far.example"]) and parsed["X-Test"] == "1" and parsed["From"] == "me@smart.example"
        assert text.get_content().strip() == "hello" and file.get_content_type() == "text/csv" and "a,b" in file.get_content()
