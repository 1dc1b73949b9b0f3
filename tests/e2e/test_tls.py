"""TLS on the way out and in: levels, policies, certificates on both sides, sessions that are resumed and what they may not skip."""
import contextlib
import os
import pathlib
import smtplib
import socket
import ssl
import subprocess
import threading

import pytest
from lab import RELAYBOX, SLOW, Authority, Relay, Sink, SinkSession, free_port, wait

MAIN = """\
inet_protocols = ipv4
relayhost = [localhost]:{port}
smtp_tls_security_level = secure
smtp_tls_CAfile = {ca}
smtp_tls_loglevel = 2
smtp_connection_cache_on_demand = no
"""
CACHED = "smtp_tls_session_cache_database = btree:/nowhere/smtp_scache\n"


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("ca"))
    made.localhost = made.issue("localhost")
    made.client = made.issue("client.example.test")
    return made


@pytest.fixture(scope="module")
def strange_ca(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("strange"))
    made.localhost = made.issue("localhost")
    return made


def server_context(ca, version=None, clients=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ca.localhost)
    if version:
        context.minimum_version = context.maximum_version = version
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients.dir + "/ca.pem")
    return context


def relay(tmp_path, ca, port, main="", **more):
    return Relay(tmp_path / "r", MAIN.format(port=port, ca=ca.dir + "/ca.pem") + main, **more)


def send(r, rcpt="b@example.org"):
    r.run("sendmail", "-f", "a@example.com", rcpt, stdin="Subject: x\n\nx\n")


def send_in_turn(r, sink, count):
    """One after the other, each on a connection of its own."""
    for _ in range(count):
        before = len(sink.messages)
        send(r)
        sink.wait(before + 1)
    return [resumed for _, resumed, _ in sink.secured[-count:]]


# --- sessions that are resumed ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)
def test_sessions_are_resumed_and_forgotten_tickets_cost_no_mail(tmp_path, ca, version):
    with Sink(tls=server_context(ca, version)) as sink, relay(tmp_path, ca, sink.port, CACHED) as r:
        reused = send_in_turn(r, sink, 4)
        print("%s: %d handshakes, %d reused" % (version.name, len(reused), sum(reused)))
        assert reused == [False, True, True, True]
        assert len(r.log_lines(r"postfix/smtp\[\d+\]: localhost\[127.0.0.1\]:%d: Reusing old session$" % sink.port)) == 3
        # what was verified once is verified still
        assert len(r.log_lines("Verified TLS connection established to localhost")) == 4
        sink.tls = server_context(ca, version)  # new ticket keys: as after a restart
        reused = send_in_turn(r, sink, 2)
        print("after the server forgot: %d handshakes, %d reused" % (len(reused), sum(reused)))
        assert reused == [False, True]
        assert not r.log_lines("status=(deferred|bounced)")


def test_sessions_are_resumed_unless_that_is_taken_away(tmp_path, ca):
    with Sink(tls=server_context(ca)) as sink, relay(tmp_path, ca, sink.port) as r:
        assert send_in_turn(r, sink, 3) == [False, True, True]
    with Sink(tls=server_context(ca)) as sink, relay(tmp_path, ca, sink.port, "smtp_tls_session_cache_database =\n") as r:
        before = len(r.log_lines("Reusing old session"))
        assert send_in_turn(r, sink, 3) == [False] * 3
        assert len(r.log_lines("Reusing old session")) == before


def test_sessions_are_forgotten_after_their_time(tmp_path, ca):
    """The age counts from the full handshake: with no time at all there is nothing to resume."""
    with Sink(tls=server_context(ca)) as sink, relay(tmp_path, ca, sink.port, CACHED + "smtp_tls_session_cache_timeout = 0\n") as r:
        assert send_in_turn(r, sink, 3) == [False] * 3


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)
def test_a_session_made_at_a_lower_level_does_not_count_at_a_higher_one(tmp_path, ca, version):
    with Sink(tls=server_context(ca, version)) as sink:
        # one server, three next hops, of which the policy thinks differently
        r = relay(tmp_path, ca, sink.port, CACHED + "disable_dns_lookups = yes\nsmtp_tls_policy_maps = texthash:%s/policy\n"
                  "transport_maps = inline:{strict.test=smtp:localhost:%d, named.test=smtp:localhost:0%d}\n"
                  % (tmp_path / "r", sink.port, sink.port))
        r.write("policy", "[localhost]:%d may\nlocalhost:%d secure match=other.example.test\nlocalhost:0%d verify\n" % ((sink.port,) * 3))
        with r:
            assert send_in_turn(r, sink, 2) == [False, True]
            send(r, "b@strict.test")
            line = r.wait_log("status=deferred")[0]
            assert "Server certificate not verified" in line and "to=<b@strict.test>" in line, line
            send(r, "b@named.test")
            sink.wait(3)
            # the strict one ended in its handshake; the third began anew
            assert sink.secured[-1][1] is False
            assert len(r.log_lines("Trusted TLS connection established")) == 2
            assert len(r.log_lines("Verified TLS connection established")) == 1
            assert len(r.log_lines("Reusing old session")) == 1


class Stumbling(SinkSession):
    """Breaks off in the handshake as often as the server is told to."""

    def do_STARTTLS(self, argument):
        if self.server.stumble:
            self.server.stumble -= 1
            self.say("220 2.0.0 go")
            raise ConnectionError("stumbled")
        super().do_STARTTLS(argument)


@pytest.mark.parametrize("level", ["may", "secure"])
def test_handshake_that_fails_with_an_old_session_is_repeated_without_it(tmp_path, ca, level):
    with Sink(tls=server_context(ca)) as sink, relay(tmp_path, ca, sink.port, CACHED + "smtp_tls_security_level = %s\n" % level) as r:
        sink.RequestHandlerClass, sink.stumble = Stumbling, 0
        assert send_in_turn(r, sink, 1) == [False]
        sink.stumble = 1
        # not put off, and not in clear either
        assert send_in_turn(r, sink, 1) == [False] and len(sink.secured) == 2
        assert send_in_turn(r, sink, 1) == [True]
        assert len(r.log_lines("SSL_connect error to localhost")) == 1 and not r.log_lines("status=deferred")


def test_other_authorities_after_a_reload_end_what_the_old_ones_allowed(tmp_path, ca, strange_ca):
    with Sink(tls=server_context(ca)) as sink, relay(tmp_path, ca, sink.port, CACHED) as r:
        assert send_in_turn(r, sink, 2) == [False, True]
        # in a folder that the sandbox knows
        r.write("strange.pem", strange_ca.bundle)
        with open(r.path("main.cf"), "a") as f:
            f.write("smtp_tls_CAfile = %s\n" % r.path("strange.pem"))
        r.run("relayctl", "reload")
        send(r)
        assert "Server certificate not trusted" in r.wait_log("status=deferred")[0]


class OpenSSL:
    """openssl s_server with a few words of SMTP at its standard input and output: TLS from the first byte."""

    def __init__(self, ca, port, version):
        self.bodies, self.connections, self.reused = 0, 0, 0
        self.process = subprocess.Popen(["openssl", "s_server", "-accept", str(port), version, "-cert", ca.localhost[0],
                                         "-key", ca.localhost[1], "-no_anti_replay"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self.thread = threading.Thread(target=self.converse, daemon=True)
        self.thread.start()
        wait(lambda: self.listening)

    listening = False

    def say(self, text):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(text.encode() + b"\n")
            self.process.stdin.flush()

    def converse(self):
        in_data = False
        for raw in self.process.stdout:
            line = raw.decode(errors="replace").strip()
            if in_data:
                in_data = line != "."
                if not in_data:
                    self.bodies += 1
                    self.say("250 2.0.0 Ok")
            elif line == "ACCEPT":
                self.listening = True
            elif line.startswith("Reused session-id"):
                self.reused += 1
            elif line.startswith("Secure Renegotiation IS"):
                self.connections += 1
                self.say("220 s_server ESMTP")
            elif line.startswith(("EHLO", "MAIL", "RCPT")):
                self.say("250 2.0.0 Ok")
            elif line.startswith("DATA"):
                in_data = True
                self.say("354 go")
            elif line.startswith("QUIT"):
                self.say("221 2.0.0 Bye")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.thread.join()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_resumes_and_a_restarted_one_gets_its_mail(tmp_path, ca, version):
    port = free_port()
    with relay(tmp_path, ca, port, CACHED + "smtp_tls_wrappermode = yes\n") as r:
        for round in range(2):
            with OpenSSL(ca, port, version) as server:
                for n in range(3):
                    send(r)
                    wait(lambda: server.bodies == n + 1)
                print("openssl %s, life %d: %d handshakes, %d reused" % (version, round + 1, server.connections, server.reused))
                assert (server.connections, server.reused) == (3, 2)
                # what is ended now has been read to its end: a reply that was still on its way would be a second delivery
                wait(lambda: len(r.log_lines("status=sent")) == 3 * (round + 1))
        assert len(r.log_lines("Reusing old session")) == 4


# --- how much TLS, and with whom ---------------------------------------------------------------------------------------

def fingerprint(cert, what="x509", algorithm="sha256"):
    if what == "x509":
        text = subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-fingerprint", "-" + algorithm], check=True, capture_output=True).stdout
        return text.decode().strip().split("=")[1]
    key = subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-pubkey"], check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key, check=True, capture_output=True).stdout
    text = subprocess.run(["openssl", "dgst", "-" + algorithm, "-c"], input=der, check=True, capture_output=True).stdout
    return text.decode().strip().split("= ")[1].upper()


SENT, DEFERRED = "status=sent", "status=deferred"
TRUSTED, VERIFIED = "Trusted TLS connection established to localhost", "Verified TLS connection established to localhost"
UNTRUSTED = "Untrusted TLS connection established to localhost"


@pytest.mark.parametrize("policy, authority, end, says", [
    ("none", "own", SENT, None),
    ("may", "own", SENT, TRUSTED),
    ("may", "strange", SENT, UNTRUSTED),
    ("encrypt", "strange", SENT, UNTRUSTED),
    ("encrypt protocols=TLSv1.2", "own", SENT, "TLSv1.2 with cipher ECDHE-"),
    ("encrypt protocols=>=TLSv1.3", "own", SENT, "TLSv1.3 with cipher TLS_"),
    ("fingerprint match={x509}", "strange", SENT, VERIFIED),
    ("fingerprint match={key}", "strange", SENT, VERIFIED),
    ("fingerprint match=00:{x509}|{x509}", "own", SENT, VERIFIED),
    ("fingerprint match={other}", "own", DEFERRED, "Server certificate not verified: certificate fingerprint mismatch"),
    ("fingerprint", "own", DEFERRED, "without anything to match"),
    ("verify", "own", SENT, VERIFIED),
    ("verify", "strange", DEFERRED, "Server certificate not trusted"),
    ("verify match=other.example.test", "own", DEFERRED, "Server certificate not verified: certificate is for another name: localhost"),
    ("verify match=other.example.test:hostname", "own", SENT, VERIFIED),
    ("secure", "own", SENT, VERIFIED),
    ("secure", "strange", DEFERRED, "Server certificate not trusted"),
    ("secure match=nexthop", "own", SENT, VERIFIED),
    ("secure match=.example.test", "own", DEFERRED, "Server certificate not verified"),
    ("dane-only", "own", DEFERRED, "TLS level dane-only needs smtp_dns_support_level = dnssec"),
    ("sometimes", "own", DEFERRED, "does not begin with a TLS level"),
    ("secure mach=localhost", "own", DEFERRED, 'unknown attribute "mach=localhost"'),
])
def test_policy(tmp_path, ca, strange_ca, policy, authority, end, says):
    cert = ca.localhost[0]
    policy = policy.format(x509=fingerprint(cert), key=fingerprint(cert, "key"), other=fingerprint(strange_ca.localhost[0]))
    with Sink(tls=server_context(ca)) as sink:
        r = relay(tmp_path, ca if authority == "own" else strange_ca, sink.port, "smtp_tls_security_level = may\n"
                  "smtp_tls_policy_maps = texthash:%s/policy\n" % (tmp_path / "r"))
        r.write("policy", "[localhost]:%d %s\n" % (sink.port, policy))
        with r:
            send(r)
            line = r.wait_log("status=")[0]
            assert end in line, r.log()
            assert len(sink.messages) == (end == SENT)
            assert says in r.log() if says else not sink.secured, r.log()


@pytest.mark.parametrize("level, end", [("may", SENT), ("encrypt", DEFERRED), ("secure", DEFERRED)])
def test_server_without_tls(tmp_path, ca, level, end):
    with Sink() as sink, relay(tmp_path, ca, sink.port, "smtp_tls_security_level = %s\n" % level) as r:
        send(r)
        line = r.wait_log("status=")[0]
        assert end in line and ("TLS is required, but was not offered by host localhost[127.0.0.1]" in line) == (end == DEFERRED), line
        assert len(sink.messages) == (end == SENT)


@pytest.mark.parametrize("level, end", [("may", SENT), ("encrypt", DEFERRED)])
def test_server_that_speaks_no_common_version(tmp_path, ca, level, end):
    """As Postfix does: in clear only where that is allowed, and not before the mail has waited for a while."""
    main = "smtp_tls_security_level = %s\nsmtp_tls_protocols = TLSv1.3\nsmtp_tls_mandatory_protocols = TLSv1.3\n" % level
    main += "minimal_backoff_time = 1s\nmaximal_backoff_time = 1s\nqueue_run_delay = 1s\n"
    with Sink(tls=server_context(ca, ssl.TLSVersion.TLSv1_2)) as sink, relay(tmp_path, ca, sink.port, main) as r:
        send(r)
        assert DEFERRED in r.wait_log("status=")[0]
        assert not sink.messages
        assert end in r.wait_log("status=", 2)[1]
        assert len(sink.messages) == (end == SENT) and not sink.secured
        assert "SSL_connect error to localhost[127.0.0.1]" in r.log()


# --- who we are ----------------------------------------------------------------------------------------------------------

def test_client_certificate_is_shown_to_a_server_that_demands_it(tmp_path, ca):
    cert, key = ca.client
    both = tmp_path / "both.pem"
    with open(cert) as c, open(key) as k:
        both.write_text(k.read() + c.read())
    ways = ["smtp_tls_cert_file = %s\nsmtp_tls_key_file = %s\n" % (cert, key), "smtp_tls_cert_file = %s\n" % both,
            "smtp_tls_chain_files = %s\n" % both]
    for n, way in enumerate(ways):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            folder = tmp_path / ("%d%s" % (n, version.name))
            with Sink(tls=server_context(ca, version, clients=ca)) as sink, relay(folder, ca, sink.port, CACHED + way) as r:
                assert send_in_turn(r, sink, 2) == [False, True], r.log()
                subjects = [dict(part[0] for part in peer["subject"]) for _, _, peer in sink.secured]
                assert subjects == [{"commonName": "client.example.test"}] * 2


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)
def test_mail_waits_when_a_server_demands_a_certificate_that_we_do_not_have(tmp_path, ca, version):
    with Sink(tls=server_context(ca, version, clients=ca)) as sink, relay(tmp_path, ca, sink.port) as r:
        send(r)
        assert DEFERRED in r.wait_log("status=")[0]
        assert not sink.messages


def test_wrong_client_certificate_stops_the_start(tmp_path, ca):
    r = relay(tmp_path, ca, free_port(), "smtp_tls_cert_file = %s\nsmtp_tls_key_file = %s\n" % (ca.client[0], ca.localhost[1]))
    r.spawn()
    assert r.process.wait(20 * SLOW) != 0
    assert "the private key is not that of the first certificate" in r.stderr() + r.log()


def peer_of(connection):
    return ssl.DER_cert_to_PEM_cert(connection.sock.getpeercert(True))


def test_renewed_certificate_is_taken_at_a_reload_and_sessions_go_on(tmp_path, ca):
    for name in ("cert", "key"):
        (tmp_path / name).write_bytes(open(ca.localhost[name == "key"], "rb").read())
    trust = ssl.create_default_context(cafile=ca.dir + "/ca.pem")
    with Sink() as sink:
        r = relay(tmp_path, ca, sink.port, "smtp_tls_security_level = none\nsmtpd_tls_security_level = may\n"
                  "smtpd_tls_cert_file = %s/cert\nsmtpd_tls_key_file = %s/key\n" % (tmp_path, tmp_path))
        with r, contextlib.closing(smtplib.SMTP("127.0.0.1", r.port, timeout=30 * SLOW)) as old:
            old._host = "localhost"
            old.starttls(context=trust)
            first = peer_of(old)
            renewed = Authority.issue(ca, "localhost")
            for name, file in zip(("cert", "key"), renewed):
                (tmp_path / name).write_bytes(open(file, "rb").read())
            # nobody asked yet
            with smtplib.SMTP("127.0.0.1", r.port, timeout=30 * SLOW) as before:
                before._host = "localhost"
                before.starttls(context=trust)
                assert peer_of(before) == first
            r.run("relayctl", "reload")
            with smtplib.SMTP("127.0.0.1", r.port, timeout=30 * SLOW) as new:
                new._host = "localhost"
                new.starttls(context=trust)
                assert peer_of(new) != first
                assert peer_of(new) == ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(open(renewed[0]).read()))
                new.sendmail("a@example.com", ["new@example.org"], "Subject: x\r\n\r\nx\r\n")
            old.sendmail("a@example.com", ["old@example.org"], "Subject: x\r\n\r\nx\r\n")
            sink.wait(2)
            # a certificate that does not work changes nothing
            (tmp_path / "key").write_text("no key\n")
            assert r.run("relayctl", "reload", check=False).returncode != 0
            assert "reload refused: a certificate cannot be used" in r.log()
            with smtplib.SMTP("127.0.0.1", r.port, timeout=30 * SLOW) as still:
                still._host = "localhost"
                still.starttls(context=trust)


def test_tls_from_the_first_byte_both_ways(tmp_path, ca):
    """Two relays: one says it in its first byte, the other expects it there."""
    port = free_port()
    with Sink() as sink:
        b = Relay(tmp_path / "b", "relayhost = [127.0.0.1]:%d\nsmtpd_tls_cert_file = %s\nsmtpd_tls_key_file = %s\nsmtpd_tls_loglevel = 1\n"
                  "smtpd_tls_received_header = yes\n" % (sink.port, *ca.localhost),
                  "%d inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n" % port, port=port)
        with b, relay(tmp_path, ca, port, CACHED + "smtp_tls_wrappermode = yes\n") as a:
            send(a)
            send(a)
            messages = sink.wait(2)
            assert b"(using TLSv1.3 with cipher TLS_" in messages[0].header
            assert a.log_lines("Verified TLS connection established to localhost")
            b.wait_log(r"connect from unknown\[127.0.0.1\]$", 2)
            b.wait_log(r"Anonymous TLS connection established from unknown\[127.0.0.1\]: TLSv1.3", 2)
        with b.start():
            # clear text on such a port is not answered in clear
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 10 * SLOW) as s:
                s.sendall(b"EHLO x\r\n" * 20)
                assert not s.recv(512).startswith((b"2", b"5"))
            b.wait_log(r"SSL_accept error from unknown\[127.0.0.1\]: ")


class Bare(Relay):
    """A relayd whose /dev is empty, as in a root that holds nothing but it."""

    def spawn(self, *options):
        self.process = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev && exec "$@"', "sh", RELAYBOX, "relayd", "-c", self.dir, *options],
            env=self.env, stdin=subprocess.DEVNULL, stderr=open(self.path("stderr"), "ab"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_without_dev_random_tls_works_both_ways(tmp_path, ca):
    cert, key = ca.localhost
    with Sink(tls=ca.localhost) as sink:
        r = Bare(tmp_path / "r", MAIN.format(port=sink.port, ca=ca.dir + "/ca.pem") + "smtpd_tls_security_level = encrypt\n"
                 "smtpd_tls_cert_file = %s\nsmtpd_tls_key_file = %s\n" % (cert, key))
        with r:
            with smtplib.SMTP("127.0.0.1", r.port, timeout=30) as s:
                s.starttls(context=ssl._create_unverified_context())
                s.sendmail("a@example.com", ["b@example.org"], "Subject: x\r\n\r\nx\r\n")
            assert sink.wait(1)
            assert len(sink.secured) == 1


def test_a_client_certificate_that_cannot_be_used_starts_nothing(tmp_path, ca):
    """level may: TLS is wanted, so a mistake in what it needs is one, not mail in clear"""
    r = relay(tmp_path, ca, 25, "smtp_tls_security_level = may\nsmtp_tls_cert_file = /nowhere/cert.pem\n")
    r.spawn()
    assert r.process.wait(30) != 0
    assert "smtp_tls_security_level: TLS is not available: " in r.stderr() + r.log()


def test_ca_file_completes_the_chain_of_the_server(tmp_path):
    """smtpd_tls_cert_file has the certificate alone; a client that knows the root only must be given what is between."""
    made = Authority(tmp_path / "ca")
    made.issue("Between", file="mid", extensions="basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign")
    made.issue("localhost", file="leaf", by="mid")
    (tmp_path / "ca" / "bundle.pem").write_text(made.read("ca.pem") + made.read("mid.pem"))
    base = "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {0}/leaf.pem\nsmtpd_tls_key_file = {0}/leaf.key\n".format(made.dir)
    for n, (more, good) in enumerate((("", False), ("smtpd_tls_CAfile = %s/bundle.pem\n" % made.dir, True))):
        context = ssl.create_default_context(cafile=made.dir + "/ca.pem")
        with Relay(tmp_path / str(n), base + more) as relay, smtplib.SMTP("localhost", relay.port) as c:
            c._host = "localhost"
            if good:
                assert c.starttls(context=context)[0] == 220
            else:
                with pytest.raises(ssl.SSLCertVerificationError):
                    c.starttls(context=context)
                c.close()


@pytest.mark.parametrize("kind", ["ed25519", "rsa-pss"])
def test_a_key_that_cannot_be_verified_is_named_and_nothing_goes_in_clear(tmp_path, ca, kind):
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", kind, "-nodes", "-keyout", key, "-out", cert, "-days", "30", "-subj", "/CN=localhost"],
                   check=True, capture_output=True)
    with Sink(tls=(cert, key)) as sink, relay(tmp_path, ca, sink.port, "smtp_tls_security_level = encrypt\n") as r:
        send(r)

        def deferred():
            return "status=deferred" in r.log()
        wait(deferred)
        assert "an Ed25519 or RSA-PSS key cannot be verified here" in r.log()
        assert not sink.messages


# --- chains of more than 16 KiB, which the library can neither read nor write -----------------------------------------

@pytest.fixture(scope="module")
def long_chain(tmp_path_factory):
    """An authority with .short and .long, certificates of some 14 and 17 KiB for localhost."""
    made = Authority(tmp_path_factory.mktemp("long"))
    for what, names in ("short", 500), ("long", 600):
        made.issue("localhost", *("host%05d.some.example.org" % i for i in range(names)), file="l")
        path = os.path.join(made.dir, what + ".pem")
        with open(path, "w") as f:
            f.write(made.read("l.key") + made.read("l.pem"))
        setattr(made, what, path)
    return made


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)
@pytest.mark.parametrize("level", ["may", "encrypt", "verify"])
def test_a_servers_chain_that_is_too_long_is_named_and_nothing_goes_in_clear(tmp_path, long_chain, level, version):
    for what, good in ("short", True), ("long", False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(getattr(long_chain, what))
        context.minimum_version = context.maximum_version = version
        with Sink(tls=context) as sink, relay(tmp_path / what, long_chain, sink.port, "smtp_tls_security_level = %s\n" % level) as r:
            send(r)
            r.wait_log("status=%s" % ("sent" if good else "deferred"))
            assert len(sink.messages) == good
            assert good or ": the peer's message is too large: a chain of certificates may have 16 KiB" in r.log()


def test_our_own_chain_that_is_too_long_is_told_before_the_start(tmp_path, long_chain):
    main = "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = %s\n"
    with Relay(tmp_path / "short", main % long_chain.short) as r, smtplib.SMTP("localhost", r.port) as c:
        c._host = "localhost"
        assert c.starttls(context=ssl.create_default_context(cafile=long_chain.dir + "/ca.pem"))[0] == 220
    r = Relay(tmp_path / "long", main % long_chain.long)
    done = r.run("relayd", "-t", check=False)
    assert b"its chain of certificates has more than the 16 KiB" in done.stderr, done
    r.write("main.cf", pathlib.Path(r.path("main.cf")).read_text().replace("_level = may", "_level = encrypt"))
    done = r.run("relayd", "-t", check=False)
    assert done.returncode and b"its chain of certificates has more than the 16 KiB" in done.stderr, done
