"""Every TLS row (level, server, certificate, policy) by both roads: through relayd, and through sendmail without a daemon. What is
covered by one is covered by the other, and neither a password nor a mail goes in clear that was meant to be covered."""
import base64
import os
import re
import ssl
import subprocess
import sys
import time

import pytest
from lab import RELAYBOX, SLOW, Authority, Relay, Sink, SinkSession
from test_tls import fingerprint

SENT, WAITS = True, False
CONTENT = "Subject: x\n\nx\n"


@pytest.fixture(scope="module")
def cas(tmp_path_factory):
    own, strange = Authority(tmp_path_factory.mktemp("own")), Authority(tmp_path_factory.mktemp("strange"))
    for ca in (own, strange):
        ca.localhost = ca.issue("localhost")
    own.other = own.issue("mx.other.test")
    return {"own": own, "strange": strange}


class Broken(SinkSession):
    """STARTTLS that comes to nothing, in the way that the server is told."""

    def do_STARTTLS(self, argument):
        how = self.server.how
        if how == "refused":
            self.say("454 4.7.0 TLS not available due to local problem")
            return
        self.say("220 2.0.0 go")
        if how == "eof":
            raise ConnectionError("gone")
        if how == "junk":
            time.sleep(0.2)  # not with the 220, which is refused for that alone
            self.wfile.write(b"500 what is this?\r\n" * 20)
            raise ConnectionError("gone")
        self.secure_it()

    def do_AUTH(self, argument):
        self.server.auths.append((self.secure, argument))
        super().do_AUTH(argument)


def server(cas, how="good", users=None):
    """good, or one of: none (no STARTTLS), other (certificate for another name), old (no common version), eof, junk, refused."""
    if how == "none":
        sink = Sink(users=users)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*(cas["own"].other if how == "other" else cas["own"].localhost))
        if how == "old":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        sink = Sink(tls=context, users=users)
    sink.how, sink.auths = how, []
    sink.RequestHandlerClass = Broken
    return sink


class OpenAuth(Broken):
    """AUTH is offered in clear, too."""

    def do_EHLO(self, argument):
        self.say("250-sink.example.test\r\n%s250 AUTH PLAIN LOGIN" % ("" if self.secure else "250-STARTTLS\r\n"))


def world(folder, ca, main, policy=None, env=None):
    text = "inet_protocols = ipv4\nsmtp_tls_CAfile = %s/ca.pem\nsmtp_tls_loglevel = 1\nsendmail_spool = %s/kept\n" % (ca.dir, folder)
    box = Relay(folder / "r", text + main + ("smtp_tls_policy_maps = texthash:%s/r/policy\n" % folder if policy else ""), env=env)
    (folder / "kept").mkdir()
    if policy:
        box.write("policy", policy + "\n")
    return box


def put_by(road, box):
    """Give it a mail; what was said about it: relayd's log line, or sendmail's words."""
    if road == "relayd":
        with box:
            box.run("sendmail", "-f", "a@example.com", "b@example.org", stdin=CONTENT)
            box.wait_log("status=")
            return box.log()
    box.write("main.cf", open(box.path("main.cf")).read() + "sendmail_submission = direct\n")
    done = box.run("sendmail", "-f", "a@example.com", "b@example.org", stdin=CONTENT, check=False)
    return done.stderr.decode()


ROADS = pytest.mark.parametrize("road", ["relayd", "direct"])


# --- levels, servers, certificates ------------------------------------------------------------------------------------

@ROADS
@pytest.mark.parametrize("level, how, authority, end, says", [
    ("none", "good", "own", SENT, None),
    ("none", "none", "own", SENT, None),
    ("may", "good", "own", SENT, None),
    ("may", "good", "strange", SENT, None),
    ("may", "other", "strange", SENT, None),
    ("may", "none", "own", SENT, None),
    ("may", "refused", "own", SENT, None),
    ("may", "eof", "own", WAITS, "Cannot start TLS"),
    ("may", "junk", "own", WAITS, "Cannot start TLS"),
    ("may", "old", "own", WAITS, "Cannot start TLS"),
    ("encrypt", "good", "strange", SENT, None),
    ("encrypt", "none", "own", WAITS, "TLS is required, but was not offered"),
    ("encrypt", "refused", "own", WAITS, "TLS is required, but"),
    ("encrypt", "eof", "own", WAITS, "Cannot start TLS"),
    ("encrypt", "junk", "own", WAITS, "Cannot start TLS"),
    ("encrypt", "old", "own", WAITS, "Cannot start TLS"),
    ("verify", "good", "own", SENT, None),
    ("verify", "good", "strange", WAITS, "not trusted"),
    ("verify", "other", "own", WAITS, "not verified"),
    ("verify", "none", "own", WAITS, "TLS is required, but was not offered"),
    ("secure", "good", "own", SENT, None),
    ("secure", "good", "strange", WAITS, "not trusted"),
    ("secure", "other", "own", WAITS, "not verified"),
    ("secure", "eof", "own", WAITS, "Cannot start TLS"),
    ("fingerprint", "good", "own", WAITS, "without anything to match"),
])
def test_level(tmp_path, cas, road, level, how, authority, end, says):
    main = "relayhost = [localhost]:%d\nsmtp_tls_security_level = %s\n"
    if how == "old":
        main += "smtp_tls_protocols = >=TLSv1.3\nsmtp_tls_mandatory_protocols = >=TLSv1.3\n"
    with server(cas, how) as sink:
        said = put_by(road, world(tmp_path, cas[authority], main % (sink.port, level)))
        assert bool(sink.messages) == end, said
        assert bool(sink.secured) == (end and level != "none" and how in ("good", "other")) or not end, sink.secured
        assert says is None or says in said


@ROADS
@pytest.mark.parametrize("policy, authority, end, says", [
    ("none", "own", SENT, None),
    ("may", "strange", SENT, None),
    ("encrypt", "strange", SENT, None),
    ("encrypt protocols=TLSv1.3", "own", SENT, None),
    ("encrypt protocols=TLSv1.1", "own", WAITS, "protocols"),
    ("encrypt ciphers=high exclude=aNULL:RC4", "own", SENT, None),
    ("encrypt ciphers=null", "own", WAITS, "ciphers=null"),
    ("encrypt exclude=AES128-SHA", "own", WAITS, "exclude=AES128-SHA"),
    ("secure tafile=/etc/ssl/one.pem", "own", WAITS, "tafile="),
    ("secure match=", "own", WAITS, "match="),
    ("encrypt match=localhost", "own", WAITS, "match="),
    ("secure connection_reuse=no", "own", SENT, None),
    ("fingerprint match={x509}", "strange", SENT, None),
    ("fingerprint match={key}", "strange", SENT, None),
    ("fingerprint match={other}", "own", WAITS, "not verified"),
    ("fingerprint", "own", WAITS, "without anything to match"),
    ("verify match=other.example.test", "own", WAITS, "not verified"),
    ("verify match=other.example.test:hostname", "own", SENT, None),
    ("secure", "strange", WAITS, "not trusted"),
    ("secure match=.example.test", "own", WAITS, "not verified"),
    ("secure servername=hostname", "own", SENT, None),
    ("dane", "own", WAITS, "dane needs smtp_dns_support_level = dnssec"),
    ("dane-only", "own", WAITS, "dane-only needs smtp_dns_support_level = dnssec"),
    ("sometimes", "own", WAITS, "does not begin with a TLS level"),
    ("secure mach=localhost", "own", WAITS, "mach=localhost"),
])
def test_policy(tmp_path, cas, road, policy, authority, end, says):
    cert = cas["own"].localhost[0]
    policy = policy.format(x509=fingerprint(cert), key=fingerprint(cert, "key"), other=fingerprint(cas["strange"].localhost[0]))
    with server(cas) as sink:
        box = world(tmp_path, cas[authority], "relayhost = [localhost]:%d\nsmtp_tls_security_level = may\n" % sink.port,
                    "[localhost]:%d %s" % (sink.port, policy))
        said = put_by(road, box)
        assert bool(sink.messages) == end, said
        assert bool(sink.secured) == (end and policy != "none") or not end, sink.secured
        assert says is None or says in said


@ROADS
@pytest.mark.parametrize("digest, made_with, end", [
    ("md5", "md5", SENT), ("sha1", "sha1", SENT), ("sha256", "sha256", SENT), ("SHA256", "sha256", SENT), ("sha512", "sha512", SENT),
    ("md5", "sha256", WAITS), ("sha256", "md5", WAITS),
])
@pytest.mark.parametrize("what", ["x509", "key"])
def test_fingerprint_digest(tmp_path, cas, road, digest, made_with, end, what):
    with server(cas) as sink:
        said = put_by(road, world(tmp_path, cas["strange"], "relayhost = [localhost]:%d\nsmtp_tls_security_level = fingerprint\n"
                      "smtp_tls_fingerprint_digest = %s\nsmtp_tls_fingerprint_cert_match = 00:11 %s\n" %
                      (sink.port, digest, fingerprint(cas["own"].localhost[0], what, made_with).lower())))
        assert bool(sink.messages) == end, said
        assert end or "without anything to match" in said


def test_what_cannot_be_done_is_told_at_the_start(tmp_path, cas):
    box = world(tmp_path, cas["own"], "relayhost = [localhost]\nsmtp_tls_security_level = dane\n")
    done = box.run("relayd", "-t", check=False)
    assert done.returncode and "dane needs smtp_dns_support_level = dnssec" in done.stderr.decode()
    box.write("main.cf", open(box.path("main.cf")).read() + "smtp_tls_security_level = may\nsmtp_tls_policy_maps = texthash:%s\n" % box.path("policy"))
    box.write("policy", "a.test secure tafile=/x\nb.test secure\nc.test dane\nd.test encrypt exclude=AES128-SHA\ne.test mya\n")
    said = box.run("relayd", "-t", check=False).stderr.decode()
    assert [re.search(r"policy: (\w)\.test", line).group(1) for line in sorted(said.splitlines()) if ".test" in line] == list("acde"), said
    box.write("main.cf", open(box.path("main.cf")).read() + "smtp_tls_fingerprint_digest = sha3\n")
    done = box.run("relayd", "-t", check=False)
    assert done.returncode and "smtp_tls_fingerprint_digest" in done.stderr.decode()


def test_dane_in_an_option_of_a_transport_is_refused(tmp_path, cas):
    box = world(tmp_path, cas["own"], "relayhost = [localhost]\n")
    box.write("master.cf", "slow unix - - n - - smtp -o smtp_tls_security_level=dane\n")
    done = box.run("relayd", "-t", check=False)
    assert done.returncode and "dane needs smtp_dns_support_level = dnssec" in done.stderr.decode()


# --- a password ---------------------------------------------------------------------------------------------------------

@ROADS
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_server_that_repeats_the_login_puts_it_into_no_log(tmp_path, cas, road, mechanism):
    class Echo(Broken):
        def do_AUTH(self, argument):
            if " " not in argument:
                self.say("334 VXNlcm5hbWU6")
                self.rfile.readline()
                self.say("334 UGFzc3dvcmQ6")
                argument = self.rfile.readline().decode().strip()
            self.say("500 5.5.2 unrecognized: " + argument)

    with server(cas, users={"u": "s3cret-word"}) as sink:
        sink.RequestHandlerClass = Echo
        box = world(tmp_path, cas["own"], "relayhost = [localhost]:%d\nsmtp_tls_security_level = encrypt\nsmtp_sasl_auth_enable = yes\n"
                    "smtp_sasl_mechanism_filter = %s\nsmtp_sasl_tls_security_options = noanonymous\n"
                    "smtp_sasl_password_maps = inline:{{[localhost]:%d = u:s3cret-word}}\n" % (sink.port, mechanism, sink.port))
        said = put_by(road, box)
        assert "500" in said and "repeats the login" in said, said
        for secret in (b"\0u\0s3cret-word", b"s3cret-word"):
            assert base64.b64encode(secret).decode() not in said and secret.decode() not in said


@ROADS
@pytest.mark.parametrize("how", ["eof", "junk", "old", "refused"])
def test_a_password_never_follows_a_handshake_that_failed(tmp_path, cas, road, how):
    with server(cas, how, users={"u": "secret"}) as sink:
        sink.RequestHandlerClass = OpenAuth
        box = world(tmp_path, cas["own"], "relayhost = [localhost]:%d\nsmtp_tls_security_level = may\nsmtp_sasl_auth_enable = yes\n"
                    "smtp_sasl_security_options = noanonymous\nsmtp_sasl_password_maps = texthash:%s/r/passwords\n"
                    "smtp_tls_protocols = >=TLSv1.3\nminimal_backoff_time = 1s\nqueue_run_delay = 1s\n" % (sink.port, tmp_path))
        box.write("passwords", "[localhost]:%d u:secret\n" % sink.port)
        said = put_by(road, box)
        assert not sink.messages and not sink.auths and "Cannot start TLS" in said, (said, sink.auths)


@ROADS
@pytest.mark.parametrize("how", ["eof", "old"])
def test_without_a_password_the_clear_waits_a_while(tmp_path, cas, road, how):
    with server(cas, how) as sink:
        main = "relayhost = [localhost]:%d\nsmtp_tls_security_level = may\nsmtp_tls_protocols = >=TLSv1.3\nminimal_backoff_time = 1s\n" \
            "maximal_backoff_time = 2s\nqueue_run_delay = 1s\n" % sink.port
        box = world(tmp_path, cas["own"], main)
        if road == "relayd":
            with box:
                box.run("sendmail", "-f", "a@example.com", "b@example.org", stdin=CONTENT)
                assert "Cannot start TLS" in box.wait_log("status=deferred")[0]
                assert "relay=localhost" in box.wait_log("status=sent")[0] and not sink.secured
                assert box.log_lines(r"SSL_connect error to localhost\[127.0.0.1\]")
            return
        assert "Cannot start TLS" in put_by(road, box) and not sink.messages
        subprocess.run(["sleep", "1.2"], check=True)
        box.run("sendmail", "-q")
        assert len(sink.messages) == 1 and not sink.secured


@ROADS
def test_a_login_of_the_environment_may_stay_clear_on_this_machine(tmp_path, cas, road):
    with server(cas, "none", users={"u": "secret"}) as sink:
        env = {"RELAYHOST": "[localhost]:%d" % sink.port, "RELAYHOST_USERNAME": "u", "RELAYHOST_PASSWORD": "secret"}
        said = put_by(road, world(tmp_path, cas["own"], "", env=env))
        assert len(sink.messages) == 1, said



# --- a name that the DNS said -------------------------------------------------------------------------------------------

# in a network and with a resolver of its own: the MX of smart.test is mx.other.test, which has a good certificate for that name
WORLD = """
import ssl, subprocess, sys
sys.path.insert(0, {here!r})
from lab import Dns, Sink
subprocess.run("ip link set lo up && mount --bind {folder}/resolv.conf /etc/resolv.conf", shell=True, check=True)
dns = Dns({{("smart.test", "MX"): [(10, "mx.other.test")], ("mx.other.test", "A"): ["127.0.0.1"], ("127.0.0.1", "A"): []}}, 53)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain({cert!r}, {key!r})
with Sink(port=2525, tls=context) as sink:
    done = subprocess.run([{relaybox!r}, "sendmail", "-f", "a@example.com", "b@example.org"], input=b"\\n\\nx\\n", stderr=subprocess.PIPE,
                          env=dict(MAIL_CONFIG={folder!r}, HOME={folder!r}))
    print(len(sink.messages), done.stderr.decode())
"""


@pytest.mark.skipif(os.getuid() != 0, reason="needs namespaces")
@pytest.mark.parametrize("level, policy, end", [("secure", "", "0"), ("verify", "", "1"), ("may", "smart.test:2525 secure", "0"), ("may", ".test secure", "1"),
                                                ("may", "smart.test:2525 secure match=mx.other.test", "1")])
def test_secure_does_not_believe_the_name_of_the_mx(tmp_path, cas, level, policy, end):
    cert, key = cas["own"].other
    for name, text in (("resolv.conf", "nameserver 127.0.0.1\n"), ("policy", policy + "\n"), ("main.cf", "\n".join([
            "myhostname = box.example.test", "relayhost = smart.test:2525", "inet_protocols = ipv4", "sendmail_submission = direct", "alias_maps =",
            "smtp_tls_security_level = " + level, "smtp_tls_CAfile = %s/ca.pem" % cas["own"].dir, "smtp_tls_policy_maps = texthash:%s/policy" % tmp_path,
            "queue_directory = %s/none" % tmp_path, "maillog_file = %s/log" % tmp_path, ""]))):
        (tmp_path / name).write_text(text)
    script = WORLD.format(here=os.path.dirname(os.path.abspath(__file__)), folder=str(tmp_path), cert=cert, key=key, relaybox=os.path.abspath(RELAYBOX))
    done = subprocess.run(["unshare", "-m", "-n", sys.executable, "-c", script], capture_output=True, text=True, timeout=60 * SLOW)
    assert done.stdout.split()[:1] == [end], done.stdout + done.stderr
    assert end == "1" or "not verified" in done.stdout
