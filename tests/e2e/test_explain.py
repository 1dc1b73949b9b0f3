"""relayctl explain and sendmail -bv: every step with its file and line, with a daemon and without. That its verdicts are what clients are
told, rows of differential/rows say (differential/verdicts.py)."""
import json
import re

from lab import Relay

MAIN = """compatibility_level = 3.6
mydestination =
relay_domains = relay.test
smtpd_peername_lookup = no
smtpd_restriction_classes = strict, empty
strict = reject_non_fqdn_sender,
  check_sender_access inline:{ {bad@x.test=REJECT go away} }
empty = permit
smtpd_client_restrictions = check_client_access cidr:DIR/clients
smtpd_helo_restrictions = check_helo_access pcre:DIR/helos
smtpd_recipient_restrictions = permit_sasl_authenticated, check_recipient_access texthash:DIR/rcpts, warn_if_reject reject_unauth_destination,
  reject
smtpd_etrn_restrictions = reject
"""
FILES = {"clients": "# who\n10.0.0.0/8\tOK\n\n198.51.100.0/24\tREJECT no\n", "helos": "if /x/\n/^ex/ DEFER_IF_PERMIT wait\nendif\n",
         "rcpts": "#\nu@relay.test strict\nv@relay.test empty, reject\n"}


def relay_of(tmp_path):
    return Relay(tmp_path, MAIN.replace("DIR", str(tmp_path)), files=FILES)


def explain(relay, *args):
    return relay.run("relayctl", "explain", *args).stdout.decode().replace(relay.dir, "DIR")


def test_every_word_says_what_it_did_and_where(tmp_path):
    with relay_of(tmp_path) as relay:
        text = explain(relay, "u@relay.test", "--from", "bad@x.test", "--client", "10.1.1.1", "--helo", "example.test")
        port = relay.port
    want = """a client unknown[10.1.1.1] of port PORT (NAME)
smtpd_client_restrictions (main.cf:N):
        cidr:DIR/clients: unknown: not found
        cidr:DIR/clients: 10.1.1.1: OK (DIR/clients:2)
    check_client_access cidr:DIR/clients: permit
smtpd_helo_restrictions (main.cf:N):
        pcre:DIR/helos: example.test: DEFER_IF_PERMIT wait (DIR/helos:2)
    check_helo_access pcre:DIR/helos: deferred, unless something rejects: 450 4.7.1 <example.test>: Helo command rejected: wait
smtpd_sender_restrictions (default): empty
smtpd_relay_restrictions (default):
    permit_mynetworks: dunno
    permit_sasl_authenticated: dunno
    defer_unauth_destination: dunno
smtpd_recipient_restrictions (main.cf:N):
    permit_sasl_authenticated: dunno
        texthash:DIR/rcpts: u@relay.test: strict (DIR/rcpts:2)
    check_recipient_access texthash:DIR/rcpts: the list that the table gives
        strict: its list
            reject_non_fqdn_sender: dunno
        inline:{ {bad@x.test=REJECT go away} }: bad@x.test: REJECT go away
            check_sender_access inline:{ {bad@x.test=REJECT go away} }: reject: 554 5.7.1 <bad@x.test>: Sender address rejected: go away
    reject_unauth_destination: not reached
    reject: not reached
client 10.1.1.1: 554 5.7.1 <bad@x.test>: Sender address rejected: go away
smtpd_client_restrictions (main.cf:N):
        cidr:DIR/clients: unknown: not found
        cidr:DIR/clients: 10.1.1.1: OK (DIR/clients:2)
    check_client_access cidr:DIR/clients: permit
smtpd_helo_restrictions (main.cf:N):
        pcre:DIR/helos: example.test: DEFER_IF_PERMIT wait (DIR/helos:2)
    check_helo_access pcre:DIR/helos: deferred, unless something rejects: 450 4.7.1 <example.test>: Helo command rejected: wait
smtpd_etrn_restrictions (main.cf:N):
    reject: reject: 554 5.7.1 <relay.test>: Etrn command rejected: Access denied
client 10.1.1.1, for ETRN: 554 5.7.1 <relay.test>: Etrn command rejected: Access denied
"""
    got = text[text.index("a client "):]
    assert re.sub(r"main.cf:\d+", "main.cf:N", re.sub(r"port %d \(.*?\)" % port, "port PORT (NAME)", got)) == want


def verdict(relay, *args):
    return re.findall("^client .*?: (.*)$", explain(relay, *args), re.M)[0]


def test_who_the_client_is_counts(tmp_path):
    with relay_of(tmp_path) as relay:
        here = lambda *more: verdict(relay, "v@relay.test", "--from", "a@b.test", *more)  # noqa: E731
        assert here("--client", "198.51.100.7") == "554 5.7.1 <unknown[198.51.100.7]>: Client host rejected: no"
        assert here("--client", "192.0.2.7") == "accepted"
        assert here("--client", "192.0.2.7", "--helo", "host.test") == "accepted"
        assert here("--client", "192.0.2.7", "--helo", "exx") == "450 4.7.1 <exx>: Helo command rejected: wait"
        nobody = verdict(relay, "w@far.test", "--client", "192.0.2.7")
        assert nobody.startswith("454 4.7.1 <w@far.test>: ") or nobody.startswith("554 "), nobody
        assert verdict(relay, "w@far.test", "--client", "192.0.2.7", "--sasl", "me") == "accepted"
        assert "would reject (warn_if_reject)" not in explain(relay, "x@relay.test", "--client", "192.0.2.7")
        assert relay.run("relayctl", "explain", "x@relay.test", "--port", "9", check=False).returncode == 69
        assert relay.run("relayctl", "explain", "x@relay.test", "--client", "nobody", check=False).returncode == 69
        assert verdict(relay, "v@relay.test", "--port", str(relay.port)) == "accepted"
        assert "smtpd_" not in explain(relay, "v@relay.test")


def test_without_a_daemon_it_says_the_same(tmp_path):
    relay = relay_of(tmp_path)
    args = ["u@relay.test", "--from", "bad@x.test", "--client", "10.1.1.1", "--helo", "example.test"]
    with relay:
        text, steps = explain(relay, *args), explain(relay, *args, "--json")
        bv = relay.run("sendmail", "-bv", "-f", "a@b.test", "u@relay.test", "v@relay.test").stdout
    assert explain(relay, *args) == text and explain(relay, *args, "--json") == steps
    assert relay.run("sendmail", "-bv", "-f", "a@b.test", "u@relay.test", "v@relay.test").stdout == bv and bv.count(b"=> transport") == 2
    steps = [json.loads(line) for line in steps.splitlines()]
    assert len(steps) == len(text.splitlines())
    rule = [s for s in steps if s["step"] == "rule" and s["verdict"] == "reject"][0]
    assert rule == {"step": "rule", "level": "3", "rule": "check_sender_access inline:{ {bad@x.test=REJECT go away} }", "verdict": "reject",
                    "reply": "554 5.7.1 <bad@x.test>: Sender address rejected: go away"}
    assert {"step": "client", "client": "10.1.1.1", "reply": rule["reply"]} in steps
    assert [s["at"] for s in steps if s["step"] == "lookup" and s["key"] == "u@relay.test" and "value" in s] == ["DIR/rcpts:2"]
    (tmp_path / "main.cf").write_text((tmp_path / "main.cf").read_text() + "smtpd_data_restrictions = nonsense\n")
    done = relay.run("relayctl", "explain", "u@relay.test", check=False)
    assert done.returncode == 78 and b"nonsense" in done.stderr


def test_no_probe_is_sent(tmp_path):
    with Relay(tmp_path, "mydestination =\nrelayhost = [127.0.0.1]:9\nsmtpd_peername_lookup = no\nrelay_domains = relay.test\n"
               "smtpd_recipient_restrictions = sleep 200, reject_unverified_recipient\nsmtpd_reject_footer = see\\c /x\n") as relay:
        text = explain(relay, "u@relay.test", "--client", "192.0.2.1")
        assert "asks for a probe of: u@relay.test" in text and "waits, in seconds: 200" in text
        assert text.endswith("client 192.0.2.1: accepted (if a probe of u@relay.test finds it good)\n")
        assert "postfix/smtp[" not in relay.log()


def test_no_address_is_judged_too(tmp_path):
    with relay_of(tmp_path) as relay:
        for address, want in (("", "554 5.7.1 <>: "), ("<>", "454 4.7.1 <<>>: "), ("@", "554 5.7.1 <@>: "), ("-x@relay.test", "501 5.1.3 ")):
            assert verdict(relay, "--client", "192.0.2.1", "--", address).startswith(want), address
        assert verdict(relay, "v@relay.test", "--client", "192.0.2.7") == "accepted"


def test_who_gets_a_copy_is_told_with_its_way(tmp_path):
    main = """mydestination =
relay_domains = relay.test
smtpd_peername_lookup = no
transport_maps = inline:{ { archive.test = smtp:[192.0.2.9] } { boss.test = smtp:[192.0.2.8] } }
relayhost = [192.0.2.7]
recipient_bcc_maps = inline:{ u@relay.test=u@archive.test }
sender_bcc_maps = inline:{ s@x.test=s@boss.test }
"""
    with Relay(tmp_path, main) as relay:
        def copies(*args):
            return re.findall(r"^a copy goes to (\S+)\n(?:.*\n)*?=> transport smtp, nexthop (\S+)$", explain(relay, *args), re.M)

        of_recipient, of_sender = ("u@archive.test", "[192.0.2.9]"), ("s@boss.test", "[192.0.2.8]")
        assert copies("u@relay.test", "--from", "s@x.test") == [of_recipient, of_sender]
        assert copies("u@relay.test", "--from", "t@x.test") == copies("u@relay.test") == [of_recipient]
        assert copies("v@relay.test", "--from", "s@x.test") == [of_sender] and copies("v@relay.test") == []
        text = explain(relay, "u@relay.test", "--from", "s@x.test")
        assert "recipient_bcc_maps: inline:{ u@relay.test=u@archive.test }: u@relay.test: u@archive.test" in text and "s@x.test: s@boss.test" in text
