"""Clients that log in by SCRAM-SHA-256: with a client made of hashlib, one of OpenSSL's for the channel, and gsasl."""
import os
import re
import subprocess

import pytest

import scram
from lab import RELAYBOX, Relay
from test_auth import NO, SCRAM, SHA512, STRANGERS, TABLE, YES, client, login, plain, relays, with_tls

PLAIN_AND_SCRAM = "carol {PLAIN}pass word, all=1\ndave %s\n" % SCRAM
OFFER = "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS"


def made_entry(password):
    return subprocess.run([RELAYBOX, "mapgen", "--password", "--scram"], input=password + "\n", capture_output=True, text=True,
                          check=True).stdout.strip()


def offered(c):
    c.ehlo("client.test")
    return c.esmtp_features.get("auth", "").strip()


@pytest.fixture
def relay(tmp_path):
    users = PLAIN_AND_SCRAM + "erin %s\nw,eird=x {PLAIN}odd\n" % made_entry("made here")
    with Relay(tmp_path, STRANGERS + with_tls(tmp_path) + TABLE % tmp_path, files={"users": users}) as r:
        yield r


def test_entries_of_all_kinds_log_in_and_relay(relay):
    for user, password in (("dave", "pencil"), ("carol", "pass word, all=1"), ("erin", "made here"), ("w,eird=x", "odd")):
        for initial in (True, False):
            with client(relay.port) as c:
                assert offered(c) == OFFER
                assert not relays(c)
                assert scram.login(c, scram.Scram(user, password), initial=initial) == YES, user
                assert relays(c)
                assert c.docmd("AUTH SCRAM-SHA-256", scram.Scram(user, password).first())[0] == 503
        # the same entries serve a password in plain text
        with client(relay.port) as c:
            assert login(c, user, password) == YES, user
    with client(relay.port) as c:
        assert scram.login(c, scram.Scram("dave", "pencil", authzid="dave")) == YES
    for text in ("pencil", "pass word, all", "made here"):
        assert text not in relay.log()


def test_what_fails_relays_nothing_and_is_told(relay):
    def wrong_nonce(x):
        x.whole += "x"

    def other_header(x):
        x.header = "y,,"

    tries = (("dave", "Pencil", {}, None), ("carol", "pass", {}, None), ("nobody", "pencil", {}, None),
             ("dave", "pencil", {}, wrong_nonce), ("dave", "pencil", {}, other_header))
    clients = [client(relay.port) for _ in tries]
    for c, (user, password, more, change) in zip(clients, tries):
        x = scram.Scram(user, password, **more)
        code, text = c.docmd("AUTH SCRAM-SHA-256", x.first())
        assert code == 334, user
        x.final(text)
        if change:
            change(x)
        c.putcmd(x.proof())
    for c, (user, _, _, _) in zip(clients, tries):
        assert c.getreply()[0] == 535, user
        assert not relays(c)
        c.close()
    assert relay.log_lines(r"warning: unknown\[127.0.0.1\]: SASL SCRAM-SHA-256 authentication failed: \(reason unavailable\), sasl_username=nobody$")
    assert relay.log_lines(r"SASL SCRAM-SHA-256 authentication failed: the channel is not the client's: is somebody between\?, sasl_username=dave$")


@pytest.mark.parametrize("first,why", [
    ("n,,n=dave", "malformed response"), ("n,,r=x", "malformed response"), ("n,,m=x,n=dave,r=x", "malformed response"),
    ("n,,n=da=ve,r=x", "malformed response"), ("n,,n=,r=x", "malformed response"), ("n,,n=dave,r=", "malformed response"),
    ("n,,n=dave,r=" + "x" * 257, "malformed response"), ("", "malformed response"), ("n", "malformed response"), ("n,,", "malformed response"),
    ("z,,n=dave,r=x", "malformed response"), ("n,a=,n=dave,r=x", "malformed response"), ("n,,n=%s,r=x" % ("u" * 256), "malformed response"),
    ("n,a=carol,n=dave,r=x", "no right to act for another user"), ("p=tls-unique,,n=dave,r=x", "the channel binding is not tls-exporter"),
    ("p=tls-exporter,,n=dave,r=x", "channel binding is of SCRAM-SHA-256-PLUS"),
    # the client saw an offer without PLUS, which is not what was sent
    ("y,,n=dave,r=x", "the client was not told that channels can be bound: is somebody between?")])
def test_first_messages_that_end_the_exchange(relay, first, why):
    with client(relay.port) as c:
        code, text = c.docmd("AUTH SCRAM-SHA-256", scram.b64(first.encode()) or "=")
        assert (code, text.decode()) == (535, "5.7.8 Error: authentication failed: " + why)
        assert not relays(c)


def test_an_exchange_that_is_given_up_or_goes_on_too_long(relay):
    with client(relay.port) as c:
        assert c.docmd("AUTH SCRAM-SHA-256", scram.Scram("dave", "pencil").first())[0] == 334
        assert c.docmd("*")[0] == 501
        assert scram.login(c, scram.Scram("carol", "pass word, all=1")) == YES
    with client(relay.port) as c:
        x = scram.Scram("dave", "pencil")
        code, text = c.docmd("AUTH SCRAM-SHA-256", x.first())
        assert c.docmd(x.final(text))[0] == 334
        assert c.docmd(scram.b64(b"more"))[0] == 535
        assert not relays(c)
    # a client that goes in the middle costs nobody anything
    c = client(relay.port)
    assert c.docmd("AUTH SCRAM-SHA-256", scram.Scram("dave", "pencil").first())[0] == 334
    c.close()
    with client(relay.port) as c:
        assert scram.login(c, scram.Scram("dave", "pencil")) == YES


def salt_of(relay, user):
    with client(relay.port) as c:
        x = scram.Scram(user, "x")
        x.final(c.docmd("AUTH SCRAM-SHA-256", x.first())[1])
        assert c.docmd("*")[0] == 501
        return x.salt, x.rounds


def test_a_user_who_does_not_exist_has_a_salt_that_stays(tmp_path):
    relay = Relay(tmp_path, STRANGERS + with_tls(tmp_path) + TABLE % tmp_path, files={"users": "dave %s\n" % SCRAM})
    with relay:
        before = [salt_of(relay, "nobody"), salt_of(relay, "nobody"), salt_of(relay, "else")]
        assert before[0] == before[1] and before[0] != before[2]
        dave = salt_of(relay, "dave")
        assert [len(s[0]) for s in before] == [len(dave[0])] * 3 and before[0][1] == dave[1] == 4096
    with Relay(tmp_path, STRANGERS + with_tls(tmp_path) + TABLE % tmp_path, files={"users": "dave %s\n" % SCRAM}) as relay:
        assert salt_of(relay, "nobody") == before[0]
    secret = tmp_path / "queue" / "auth.secret"
    assert secret.stat().st_size == 32 and secret.stat().st_mode & 0o777 == 0o600


def test_it_is_offered_where_it_works_for_all(tmp_path):
    cases = (("dave %s\nalice %s\n" % (SCRAM, SHA512), "", "PLAIN LOGIN"), ("dave %s\n" % SCRAM, "", OFFER),
             ("dave %s\n" % SCRAM, "smtpd_sasl_tls_security_options = noplaintext\n", "SCRAM-SHA-256 SCRAM-SHA-256-PLUS"),
             ("dave %s\n" % SCRAM, "smtpd_sasl_mechanism_filter = !scram-sha-256-plus, !login, static:rest\n", "PLAIN SCRAM-SHA-256"),
             ("dave %s\n" % SCRAM, "smtpd_sasl_mechanism_filter = plain\n", "PLAIN"),
             ("dave %s\n" % SCRAM, "smtpd_tls_protocols = TLSv1.2\n", "PLAIN LOGIN SCRAM-SHA-256"))
    for i, (users, more, want) in enumerate(cases):
        folder = tmp_path / str(i)
        folder.mkdir()
        with Relay(folder, STRANGERS + with_tls(folder) + TABLE % folder + more, files={"users": users}) as relay:
            with client(relay.port) as c:
                assert offered(c) == want, more
                if "PLUS" not in want and "SCRAM" in want:
                    # a client that could bind and is told the truth
                    assert scram.login(c, scram.Scram("dave", "pencil", flag="y")) == YES
                elif "SCRAM" not in want:
                    assert c.docmd("AUTH SCRAM-SHA-256", scram.Scram("dave", "pencil").first())[0] == 535
                if "PLAIN" not in want:
                    assert c.docmd("AUTH PLAIN", plain("dave", "pencil"))[0] == 535
    clear = tmp_path / "clear"
    with Relay(clear, STRANGERS + TABLE % clear + "smtpd_tls_auth_only = no\nsmtpd_sasl_security_options = noplaintext\n",
               files={"users": "dave %s\n" % SCRAM}) as relay:
        with client(relay.port, tls=False) as c:
            assert offered(c) == "SCRAM-SHA-256"
            assert scram.login(c, scram.Scram("dave", "pencil")) == YES
        assert "passwords may come in clear" not in relay.stderr()


class OpenSSL:
    """An SMTP client under TLS that knows what the channel exports."""
    def __init__(self, port):
        self.p = subprocess.Popen(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port, "-starttls", "smtp", "-nocommands", "-tls1_3",
                                   "-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen", "32"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.exporter = None
        # what it prints of the handshake ends, at some time, with the EHLO before it
        self.send("NOOP")
        for line in self.p.stdout:
            found = re.match(rb"\s+Keying material: ([0-9A-F]{64})", line)
            if found:
                self.exporter = bytes.fromhex(found[1].decode())
            if line.startswith(b"250 2.0.0 Ok"):
                break
        self.docmd("EHLO client.test")

    def send(self, line):
        self.p.stdin.write(line.encode() + b"\r\n")
        self.p.stdin.flush()

    def docmd(self, command, argument=""):
        self.send(("%s %s" % (command, argument)).strip())
        for line in self.p.stdout:
            found = re.match(rb"(\d{3})([ -])(.*?)\r?\n", line)
            if found and found[2] == b" ":
                return int(found[1]), found[3]
        raise AssertionError("the server went")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.p.kill()
        self.p.communicate()


def test_a_login_that_is_bound_to_its_channel(relay):
    with OpenSSL(relay.port) as c:
        x = scram.Scram("dave", "pencil", flag="p=tls-exporter", binding=c.exporter)
        assert scram.login(c, x, plus=True) == YES
        assert relays(c)
    for binding, why in ((bytes(32), "the channel is not the client's: is somebody between?"), (b"", "the channel is not the client's: is somebody between?")):
        with OpenSSL(relay.port) as c:
            x = scram.Scram("dave", "pencil", flag="p=tls-exporter", binding=binding)
            assert scram.login(c, x, plus=True) == "535 5.7.8 Error: authentication failed: " + why
            assert not relays(c)
    with OpenSSL(relay.port) as c:
        assert scram.login(c, scram.Scram("dave", "pencil"), plus=True) == ("535 5.7.8 Error: authentication failed: SCRAM-SHA-256-PLUS without "
                                                                            "channel binding")


@pytest.mark.parametrize("mechanism,option", [("SCRAM-SHA-256", ["--no-cb"]), ("SCRAM-SHA-256-PLUS", [])])
def test_gsasl_logs_in(relay, tmp_path, mechanism, option):
    r = subprocess.run(["gsasl", "--smtp", "--connect", "127.0.0.1:%d" % relay.port, "--starttls", "--x509-ca-file=", "--mechanism", mechanism,
                        "--authentication-id", "dave", "--password", "pencil"] + option, input="", capture_output=True, text=True, timeout=60,
                       env=dict(os.environ, HOME=str(tmp_path)))
    assert "235 2.7.0 Authentication successful" in r.stdout, r.stdout + r.stderr
    relay.wait_log(r"disconnect from .* auth=1")
