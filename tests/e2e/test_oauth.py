"""Logins with a token: the bytes of RFC 7628 and XOAUTH2, a token file that is renewed, and refusals that cost no mail."""
import base64
import json
import os

import pytest
from lab import Relay, Sink

USER = "someone@example.com"
MAIN = """\
relayhost = [127.0.0.1]:{port}
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = texthash:{dir}/sasl_passwd
smtp_sasl_security_options = noanonymous
smtp_sasl_mechanism_filter = {mechanism}
smtp_connection_cache_on_demand = no
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
"""
SHAPES = {
    "OAUTHBEARER": lambda user, token: "n,a=%s,\1auth=Bearer %s\1\1" % (user, token),
    "XOAUTH2": lambda user, token: "user=%s\1auth=Bearer %s\1\1" % (user, token),
}
# what a client answers to the error: a lone ^A (RFC 7628 section 3.2.3), or nothing
ACKNOWLEDGED = {"OAUTHBEARER": "AQ==", "XOAUTH2": ""}
ERROR = json.dumps({"status": "invalid_token", "scope": "mail", "schemes": "bearer"})


class Provider(Sink):
    """Takes one token, and remembers what was said."""

    def __init__(self, token, user=USER):
        self.token, self.user, self.said, self.acknowledged = token, user, [], []
        script = {"AUTH": self.auth, "": self.acknowledge(""), "AQ==": self.acknowledge("AQ=="), "*": self.acknowledge("*")}
        super().__init__(script=script, extensions=("PIPELINING", "AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER"))

    def auth(self, _, argument):
        mechanism, _, initial = argument.partition(" ")
        if not initial:  # RFC 4954 section 4: what makes the line too long waits for this
            self.next_line = lambda line: self.auth(_, mechanism + " " + line)
            return "334 "
        self.said.append((mechanism, base64.b64decode(initial, validate=True).decode()))
        if self.said[-1][1] == SHAPES[mechanism](self.user.replace("=", "=3D").replace(",", "=2C") if mechanism == "OAUTHBEARER" else self.user,
                                                 self.token):
            return "235 2.7.0 Accepted"
        return "334 " + base64.b64encode(ERROR.encode()).decode()

    def acknowledge(self, line):
        def answer(_, argument):
            self.acknowledged.append(line)
            return "535 5.7.8 Username and token not accepted"
        return answer


def relay(tmp_path, provider, mechanism, secret, user=USER):
    r = Relay(tmp_path / "r", MAIN.format(port=provider.port, dir=tmp_path / "r", mechanism=mechanism.lower()))
    r.write("sasl_passwd", "[127.0.0.1]:%d %s:%s\n" % (provider.port, user, secret))
    return r


def send(r):
    r.run("sendmail", "-f", "a@example.com", "b@example.org", stdin="Subject: x\n\nx\n")


@pytest.mark.parametrize("mechanism", SHAPES)
def test_token_file_is_read_for_each_login(tmp_path, mechanism):
    file = tmp_path / "token"
    file.write_text("ya29.first-token_1~/+==\nexpires 2026\n")
    with Provider("ya29.first-token_1~/+==") as provider, relay(tmp_path, provider, mechanism, "file:%s" % file) as r:
        send(r)
        provider.wait(1)
        provider.token = "t2" * 1500  # as long as some are, and without an end of line
        (tmp_path / "new").write_text(provider.token)
        os.rename(tmp_path / "new", file)
        send(r)
        provider.wait(2)
        assert [said for said, _ in provider.said] == [mechanism] * 2 and not provider.acknowledged
        assert "first-token" not in r.log() and "t2t2" not in r.log()


@pytest.mark.parametrize("mechanism", SHAPES)
def test_token_may_stand_in_the_table(tmp_path, mechanism):
    with Provider("abc.def") as provider, relay(tmp_path, provider, mechanism, "abc.def") as r:
        send(r)
        provider.wait(1)


@pytest.mark.parametrize("mechanism", SHAPES)
def test_refused_token_is_logged_and_the_mail_waits_for_a_better_one(tmp_path, mechanism):
    file = tmp_path / "token"
    file.write_text("stale\n")
    with Provider("fresh") as provider, relay(tmp_path, provider, mechanism, "file:%s" % file) as r:
        send(r)
        line = r.wait_log("status=")[0]
        assert "status=deferred" in line and "dsn=4.7.8" in line, line
        assert "SASL authentication failed; server 127.0.0.1[127.0.0.1] said: 535 5.7.8 Username and token not accepted" in line
        assert provider.acknowledged[0] == ACKNOWLEDGED[mechanism]
        assert "warning: host 127.0.0.1[127.0.0.1] refused the token: " + ERROR in r.log()
        file.write_text("fresh\n")
        provider.wait(1)
        r.wait_log("status=sent")
        assert not r.log_lines("status=bounced") and "stale" not in r.log() and "fresh" not in r.log()


@pytest.mark.parametrize("content, says", [(None, "No such file or directory"), ("", "no token in its first line"),
                                           ("two words\n", "no token in its first line"), ("\nsecond\n", "no token in its first line"),
                                           ("x" * 13000, "File too large")])
def test_without_a_token_nothing_is_said(tmp_path, content, says):
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with Provider("good") as provider, relay(tmp_path, provider, "XOAUTH2", "file:%s" % file) as r:
        send(r)
        line = r.wait_log("status=")[0]
        assert "status=deferred" in line and "token file %s: %s" % (file, says) in line, line
        assert not provider.said
        file.write_text("good\n")
        provider.wait(1)


def test_mechanism_must_be_asked_for_by_name(tmp_path):
    """A password is not a token: without the filter, PLAIN is used though the server offers others first."""
    with Provider("good") as provider:
        provider.script["AUTH"] = lambda _, argument: provider.said.append(argument.split()[0]) or "235 2.7.0 ok"
        with relay(tmp_path, provider, "", "file:secret") as r:
            send(r)
            provider.wait(1)
            assert provider.said == ["PLAIN"]


def test_user_name_is_escaped(tmp_path):
    user = "a,b=c@example.com"
    with Provider("good", user) as provider, relay(tmp_path, provider, "OAUTHBEARER", "good", user) as r:
        send(r)
        provider.wait(1)


def test_sendmail_without_relayd_uses_the_file_too(tmp_path):
    file = tmp_path / "token"
    file.write_text("direct\n")
    with Provider("direct") as provider:
        r = relay(tmp_path, provider, "XOAUTH2", "file:%s" % file)
        with open(r.path("main.cf"), "a") as f:
            f.write("queue_directory = %s/none\n" % tmp_path)
        send(r)
        assert len(provider.wait(1)) == 1
