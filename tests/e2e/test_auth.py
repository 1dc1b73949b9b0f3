"""Clients that log in: tables of ours, Dovecot's protocol with a server that misbehaves, what may be offered, and who may then relay."""
import base64
import os
import smtplib
import socket
import ssl
import subprocess
import threading

import pytest

from lab import RELAYBOX, Relay, Sink, certificate, free_port

# "Hello world!" of libxcrypt, and RFC 7677's "pencil"
SHA512 = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
BCRYPT = "$2b$05$abcdefghijklmnopqrstuu7nFISH/8YdwlXD3lw69A4iBUf6fvWAW"
SCRAM = ("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
         ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")
USERS = "alice %s\nbob@here.test %s\ncarol {PLAIN}pass word:with, all\ndave %s\nbroken nonsense\n" % (SHA512, BCRYPT, SCRAM)
STRANGERS = "mynetworks = 192.0.2.0/24\nmydestination =\n"
TABLE = "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_password_maps = texthash:%s/users\n"


def with_tls(folder):
    cert, key = certificate(str(folder))
    return "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = %s\nsmtpd_tls_key_file = %s\n" % (cert, key)


def client(port, tls=True):
    c = smtplib.SMTP("127.0.0.1", port, timeout=60)
    c.ehlo("client.test")
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        c.starttls(context=context)
        c.ehlo("client.test")
    return c


def plain(user, password):
    return base64.b64encode(("\0%s\0%s" % (user, password)).encode()).decode()


def login(c, user, password, mechanism="PLAIN"):
    if mechanism == "PLAIN":
        code, text = c.docmd("AUTH PLAIN", plain(user, password))
    else:
        assert c.docmd("AUTH LOGIN") == (334, b"VXNlcm5hbWU6")
        assert c.docmd(base64.b64encode(user.encode()).decode()) == (334, b"UGFzc3dvcmQ6")
        code, text = c.docmd(base64.b64encode(password.encode()).decode())
    return "%d %s" % (code, text.decode())


def relays(c):
    """May this client send to strangers?"""
    c.docmd("MAIL FROM:<a@b.test>")
    code = c.docmd("RCPT TO:<x@elsewhere.test>")[0]
    c.docmd("RSET")
    return code == 250


YES = "235 2.7.0 Authentication successful"
NO = "535 5.7.8 Error: authentication failed: (reason unavailable)"


def test_users_of_a_table_log_in_and_relay(tmp_path):
    with Sink() as sink, Relay(tmp_path, STRANGERS + with_tls(tmp_path) + TABLE % tmp_path + "relayhost = [127.0.0.1]:%d\n"
                               "smtpd_sasl_local_domain = here.test\nsmtpd_sasl_authenticated_header = yes\n" % sink.port,
                               files={"users": USERS}) as relay:
        for user, password, mechanism in (("alice", "Hello world!", "PLAIN"), ("alice", "Hello world!", "LOGIN"),
                                          ("bob@here.test", "Hello world!", "PLAIN"), ("bob", "Hello world!", "LOGIN"),
                                          ("carol", "pass word:with, all", "PLAIN"), ("dave", "pencil", "PLAIN")):
            with client(relay.port) as c:
                assert c.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]
                assert not relays(c)
                assert login(c, user, password, mechanism) == YES, user
                assert relays(c), user
                # RFC 4954 section 4: once; and the EHLO after it offers it no more
                assert c.docmd("AUTH PLAIN", plain(user, password))[0] == 503
                c.ehlo("client.test")
                assert "auth" not in c.esmtp_features
        with client(relay.port) as c:
            assert login(c, "bob", "Hello world!") == YES
            c.sendmail("a@b.test", ["x@elsewhere.test"], "Subject: x\n\nbody\n")
        header = sink.wait(1)[0].header
        assert b"(Authenticated sender: bob@here.test)" in header and b"with ESMTPSA" in header
        assert "sasl_method=PLAIN, sasl_username=bob@here.test" in relay.log()
        assert "broken\" cannot log in" in relay.stderr() + relay.log()


def test_what_fails_relays_nothing_and_is_told(tmp_path):
    tries = (("alice", "hello world!"), ("nobody", "Hello world!"), ("broken", "nonsense"), ("alice", "x" * 300), ("bob", SHA512))
    with Relay(tmp_path, STRANGERS + with_tls(tmp_path) + TABLE % tmp_path, files={"users": USERS}) as relay:
        clients = [client(relay.port) for _ in tries]
        # side by side: each no takes its time
        for c, (user, password) in zip(clients, tries):
            c.putcmd("AUTH PLAIN", plain(user, password))
        for c, (user, password) in zip(clients, tries):
            assert "%d %s" % (lambda r: (r[0], r[1].decode()))(c.getreply()) == NO, user
            assert not relays(c)
            c.close()
        for user, password in tries:
            assert relay.log_lines(r"warning: unknown\[127.0.0.1\]: SASL PLAIN authentication failed: .*sasl_username=%s$" % user)
        assert "ello world" not in relay.log() and "nonsense" not in relay.log().replace("{PLAIN}", "")


def test_protocol_of_the_exchange(tmp_path):
    with Relay(tmp_path, STRANGERS + with_tls(tmp_path) + TABLE % tmp_path, files={"users": USERS}) as relay:
        with client(relay.port) as c:
            assert c.docmd("AUTH")[0] == 501
            assert c.docmd("AUTH GSSAPI")[0] == 535
            assert c.docmd("AUTH PLAIN", "%%%")[0] == 501
            assert c.docmd("AUTH PLAIN", base64.b64encode(b"no nul").decode())[0] == 535
            assert c.docmd("AUTH PLAIN", base64.b64encode(b"other\0alice\0Hello world!").decode())[0] == 535
            assert c.docmd("AUTH PLAIN") == (334, b"")
            assert c.docmd("*")[0] == 501
            assert not relays(c)
            c.docmd("MAIL FROM:<a@b.test>")
            assert c.docmd("AUTH PLAIN", plain("alice", "Hello world!"))[0] == 503
            c.docmd("RSET")
            assert c.docmd("AUTH PLAIN") == (334, b"")
            assert c.docmd(plain("alice", "Hello world!"))[0] == 235
            assert relays(c)


def test_no_logins_in_clear_unless_told_so(tmp_path):
    with Relay(tmp_path, STRANGERS + with_tls(tmp_path) + TABLE % tmp_path, files={"users": USERS}) as relay:
        with client(relay.port, tls=False) as c:
            assert "auth" not in c.esmtp_features
            assert c.docmd("AUTH PLAIN", plain("alice", "Hello world!"))[0] == 538
            assert not relays(c)
        # the name came in clear: a login does not
        with client(relay.port) as c:
            assert login(c, "alice", "Hello world!") == YES
    clear = tmp_path / "clear"
    with Relay(clear, STRANGERS + TABLE % clear + "smtpd_tls_auth_only = no\nbroken_sasl_auth_clients = yes\n",
               files={"users": USERS}) as relay:
        with client(relay.port, tls=False) as c:
            assert b"AUTH PLAIN LOGIN\n" in c.ehlo_resp + b"\n" and b"AUTH=PLAIN LOGIN" in c.ehlo_resp
            assert login(c, "carol", "pass word:with, all") == YES
            assert relays(c)
        assert "passwords may come in clear" in relay.stderr()


def test_clients_that_may_not_and_clients_that_try_too_often(tmp_path):
    with Relay(tmp_path, STRANGERS + TABLE % tmp_path + "smtpd_tls_auth_only = no\nsmtpd_sasl_exceptions_networks = !127.0.0.1, 127.0.0.0/8\n"
               "smtpd_client_auth_rate_limit = 2\nsmtpd_client_event_limit_exceptions =\n", files={"users": USERS}) as relay:
        def from_address(address):
            c = smtplib.SMTP("127.0.0.1", relay.port, timeout=60, source_address=(address, 0))
            c.ehlo("client.test")
            return c
        with from_address("127.0.0.2") as c:
            assert "auth" not in c.esmtp_features
            assert c.docmd("AUTH PLAIN", plain("carol", "pass word:with, all"))[0] == 503
        for want in (235, 235, 450):
            with from_address("127.0.0.1") as c:
                assert c.docmd("AUTH PLAIN", plain("carol", "pass word:with, all"))[0] == want
        assert relay.log_lines("AUTH command rate limit exceeded: 3 from")


@pytest.mark.parametrize("main_cf, said", [
    ("smtpd_sasl_auth_enable = yes\n", "smtpd_sasl_auth_enable: smtpd_sasl_type = cyrus is not done: set it to dovecot"),
    ("smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet:nowhere.test:1\n", "smtpd_sasl_path: inet:nowhere.test:1"),
    ("smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path =\n", "smtpd_sasl_path: name Dovecot's socket"),
    ("smtpd_sasl_auth_enable = yes\nsmtpd_sasl_password_maps = texthash:/nowhere/users\n", "smtpd_sasl_password_maps: texthash:/nowhere/users"),
    ("smtpd_sasl_auth_enable = yes\nsmtpd_sasl_password_maps = static:x\nsmtpd_sasl_security_options = noplaintext\n",
     "smtpd_sasl_security_options: nobody could log in"),
    ("smtpd_sasl_auth_enable = yes\nsmtpd_sasl_password_maps = static:x\nsmtpd_sasl_security_options = nosuch\n",
     "bad value \"nosuch\" for smtpd_sasl_security_options"),
], ids=["cyrus", "inet name", "no path", "no table", "noplaintext", "unknown option"])
def test_a_set_up_in_which_nobody_could_log_in_is_refused(tmp_path, main_cf, said):
    relay = Relay(tmp_path, STRANGERS + main_cf)
    done = subprocess.run([RELAYBOX, "relayd", "-c", relay.dir, "-t"], capture_output=True, text=True, env=relay.env)
    assert done.returncode != 0 and said in done.stderr + done.stdout
    assert "main.cf:" in done.stderr + done.stdout


def test_users_from_the_environment(tmp_path):
    (tmp_path / "secret").write_text("u1:p1\nu2@x.test:p:2\n")
    main_cf = STRANGERS + with_tls(tmp_path)
    for name, env in (("value", {"SMTPD_SASL_USERS": "u1:p1,u2@x.test:p:2"}), ("file", {"SMTPD_SASL_USERS_FILE": str(tmp_path / "secret")})):
        with Relay(tmp_path / name, main_cf, env=env) as relay:
            for user, password, want in (("u1", "p1", YES), ("u2@x.test", "p:2", YES)):
                with client(relay.port) as c:
                    assert login(c, user, password) == want
                    assert relays(c)
            with client(relay.port) as c:
                assert login(c, "u1", "p:2") == NO
    relay = Relay(tmp_path / "bad", main_cf, env={"SMTPD_SASL_USERS": "u1"})
    done = subprocess.run([RELAYBOX, "relayd", "-c", relay.dir, "-t"], capture_output=True, text=True, env=relay.env)
    assert done.returncode != 0 and "SMTPD_SASL_USERS: element 1 is not user:password" in done.stderr + done.stdout


def test_mapgen_makes_entries_that_log_in(tmp_path):
    made = [subprocess.run([RELAYBOX, "mapgen", "--password"], input=text, capture_output=True, text=True, check=True).stdout.strip()
            for text in ("pässword 1\n", "pässword 1\n", "pässword 1")]
    assert len(set(made)) == 3 and all(entry.startswith("$6$") for entry in made)
    with Relay(tmp_path, STRANGERS + TABLE % tmp_path + "smtpd_tls_auth_only = no\n",
               files={"users": "".join("u%d %s\n" % (i, entry) for i, entry in enumerate(made))}) as relay:
        for i in range(3):
            with client(relay.port, tls=False) as c:
                assert login(c, "u%d" % i, "pässword 1") == YES
    for text in ("", "\n", "x" * 300 + "\n"):
        done = subprocess.run([RELAYBOX, "mapgen", "--password"], input=text, capture_output=True, text=True)
        assert done.returncode == 65 and not done.stdout and "password" in done.stderr


HANDSHAKE = b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t1\nCUID\t2\nCOOKIE\tabc\nDONE\n"


class Server(threading.Thread):
    """A Dovecot whose answer to AUTH is said beforehand; None: it hangs up."""

    def __init__(self, path, handshake, answer):
        super().__init__(daemon=True)
        self.listening = socket.socket(socket.AF_UNIX if isinstance(path, str) else socket.AF_INET)
        self.listening.bind(path)
        self.listening.listen(8)
        self.handshake, self.answer, self.asked = handshake, answer, []
        self.start()

    def run(self):
        while True:
            try:
                c = self.listening.accept()[0]
            except OSError:
                return
            with c, c.makefile("rb") as lines:
                try:
                    self.serve(c, lines)
                except (BrokenPipeError, ConnectionResetError):
                    pass

    def serve(self, c, lines):
        # in two pieces, as a network may
        c.sendall(self.handshake[:20])
        c.sendall(self.handshake[20:])
        for line in lines:
            if line.startswith(b"AUTH\t"):
                self.asked.append(line.decode())
                if self.answer:
                    c.sendall(self.answer)
                    lines.read(1)
                return

    def close(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


@pytest.mark.parametrize("handshake, answer, want", [
    (HANDSHAKE, b"OK\t1\tuser=Carol@x.test\n", YES),
    (HANDSHAKE, b"OK\t1\n", YES),
    (HANDSHAKE, b"OK\t1\tuser=carol\tnologin\treason=closed\n", "535 5.7.8 Error: authentication failed: closed"),
    (HANDSHAKE, b"FAIL\t1\tuser=carol\n", NO),
    (HANDSHAKE, b"FAIL\t1\tuser=carol\treason=account is closed\n", "535 5.7.8 Error: authentication failed: account is closed"),
    (HANDSHAKE, b"FAIL\t1\tuser=carol\ttemp\n", "454 4.7.0 Temporary authentication failure: the authentication server cannot tell now"),
    (HANDSHAKE, b"CONT\t1\tYWJj\n", "454 4.7.0 Temporary authentication failure: the authentication server wants more than a user and a password"),
    (HANDSHAKE, b"OK\t2\tuser=carol\n", "454 4.7.0 Temporary authentication failure: the authentication server answered what was not asked"),
    (HANDSHAKE, None, "454 4.7.0 Temporary authentication failure: the authentication server hung up"),
    (HANDSHAKE, b"x" * 20000, "454 4.7.0 Temporary authentication failure: the authentication server's line has no end"),
    (HANDSHAKE.replace(b"VERSION\t1", b"VERSION\t2"), b"OK\t1\n",
     "454 4.7.0 Temporary authentication failure: the authentication server speaks another version of its protocol"),
    (HANDSHAKE.replace(b"MECH\tPLAIN", b"MECH\tGSSAPI"), b"OK\t1\n",
     "454 4.7.0 Temporary authentication failure: the authentication server has no PLAIN: add it to its auth_mechanisms"),
    (b"OK\t1\tuser=evil\n" + HANDSHAKE, b"OK\t1\n", "454 4.7.0 Temporary authentication failure: the authentication server answered what was not asked"),
], ids=["yes", "yes without a name", "kept out", "no", "no with a reason", "later", "more steps", "another question's", "hangs up", "endless line",
        "another version", "no PLAIN", "unasked"])
def test_dovecots_answers(tmp_path, handshake, answer, want):
    os.makedirs(tmp_path / "queue")
    relay = Relay(tmp_path, STRANGERS + "smtpd_sasl_auth_enable = yes\nsmtpd_tls_auth_only = no\nsmtpd_sasl_type = dovecot\n"
                  "smtpd_sasl_path = private/auth\n")
    os.makedirs(tmp_path / "queue/private")
    server = Server(str(tmp_path / "queue/private/auth"), handshake, answer)
    with relay, client(relay.port, tls=False) as c:
        assert login(c, "carol", "s3cret\t") == "535 5.7.8 Error: authentication failed: malformed response"
        assert login(c, "carol", "s3cret", "LOGIN") == want
        assert relays(c) == (want == YES)
        assert "s3cret" not in relay.log()
    server.close()
    if server.asked:
        fields = server.asked[0].rstrip("\n").split("\t")
        assert fields[:4] == ["AUTH", "1", "PLAIN", "service=smtp"] and "rip=127.0.0.1" in fields and "secured" not in fields
        assert fields[-1] == "resp=" + plain("carol", "s3cret")


def test_dovecot_that_is_away_and_comes_back(tmp_path):
    port = free_port()
    with Relay(tmp_path, STRANGERS + with_tls(tmp_path) + "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\n"
               "smtpd_sasl_security_options = noplaintext\nsmtpd_sasl_tls_security_options = noanonymous\nsmtpd_tls_auth_only = no\n"
               "smtpd_sasl_path = inet:127.0.0.1:%d\n" % port) as relay:
        with client(relay.port, tls=False) as c:
            assert "auth" not in c.esmtp_features
        with client(relay.port) as c:
            assert login(c, "carol", "x").startswith("454 4.7.0 Temporary authentication failure: ")
            server = Server(("127.0.0.1", port), HANDSHAKE, b"OK\t1\tuser=carol@x.test\n")
            assert login(c, "carol", "x") == YES
            assert relays(c)
        server.close()
        assert "\tsecured\t" in server.asked[0]
