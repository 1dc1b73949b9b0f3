"""Clients that log in at a real Dovecot, at the submission services of Debian's own master.cf."""
import os
import re
import subprocess

import pytest

from lab import Relay, Sink, certificate, free_port, wait

DOVECOT = """
base_dir = {0}/run
state_dir = {0}/run
log_path = {0}/dovecot.log
protocols =
ssl = no
auth_mechanisms = {1}
disable_plaintext_auth = no
default_internal_user = root
default_internal_group = root
default_login_user = nobody
passdb {{
  driver = passwd-file
  args = scheme=plain username_format=%Lu {0}/passwd
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}}
service anvil {{
  chroot =
}}
service auth {{
  unix_listener {0}/auth {{
    mode = 0666
  }}
}}
"""


class Dovecot:
    def __init__(self, folder, mechanisms="plain login"):
        self.dir = str(folder)
        os.makedirs(self.dir + "/run")
        with open(self.dir + "/passwd", "w") as f:
            f.write("carol@x.test:{PLAIN}pass word::::::\nlocked@x.test:{PLAIN}pass word::::::nologin=y reason=closed\n")
        with open(self.dir + "/dovecot.conf", "w") as f:
            f.write(DOVECOT.format(self.dir, mechanisms))

    def __enter__(self):
        self.process = subprocess.Popen(["dovecot", "-F", "-c", self.dir + "/dovecot.conf"], stdin=subprocess.DEVNULL)
        wait(lambda: os.path.exists(self.dir + "/auth"))
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)


def stock_master(port, tls_port):
    """Debian's, with the submission services uncommented and on ports of ours."""
    with open("/usr/share/postfix/master.cf.dist") as f:
        lines = f.read().splitlines()
    out, inside = [], False
    for line in lines:
        if re.match(r"#(submissions?|smtps) +inet", line):
            inside = True
        elif inside and not line.startswith("#  "):
            inside = False
        line = line[1:] if inside and not line.startswith("#     ") else line
        for name, number in (("submissions", tls_port), ("submission", port), ("smtps", tls_port)):
            if line.startswith(name + " "):
                line = "127.0.0.1:%d%s" % (number, line[len(name):])
        out.append("#" + line if line.startswith("smtp ") and " inet " in line else line)
    return "\n".join(out) + "\n"


def swaks(port, *args):
    done = subprocess.run(["swaks", "--server", "127.0.0.1:%d" % port, "--from", "carol@x.test", "--to", "y@elsewhere.test", *args],
                          capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dovecot")
    cert, key = certificate(str(folder))
    port, tls_port = free_port(), free_port()
    with Dovecot(folder / "dovecot"), Sink() as sink, Relay(
            folder / "relay", "mynetworks = 192.0.2.0/24\nmydestination =\nrelayhost = [127.0.0.1]:%d\nsmtpd_tls_cert_file = %s\n"
            "smtpd_tls_key_file = %s\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = %s/dovecot/auth\ncompatibility_level = 3.6\n"
            "mua_client_restrictions =\nmua_helo_restrictions =\nmua_sender_restrictions =\n"
            % (sink.port, cert, key, folder), master_cf=stock_master(port, tls_port), port=port) as relay:
        yield relay, sink, port, tls_port


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("tls", ["-tls", "-tlsc"])
def test_users_submit_with_the_services_of_debian(house, mechanism, tls):
    relay, sink, port, tls_port = house
    before = len(sink.messages)
    code, said = swaks(tls_port if tls == "-tlsc" else port, tls, "--auth", mechanism, "--auth-user", "Carol@x.test",
                       "--auth-password", "pass word")
    assert code == 0, said
    sink.wait(before + 1)
    # as Dovecot calls him
    assert relay.log_lines("sasl_method=%s, sasl_username=carol@x.test" % mechanism)


@pytest.mark.parametrize("user, password, want", [
    ("carol@x.test", "wrong", "535 5.7.8 Error: authentication failed:"),
    ("nobody@x.test", "pass word", "535 5.7.8 Error: authentication failed:"),
    ("locked@x.test", "pass word", "535 5.7.8 Error: authentication failed: closed"),
])
def test_dovecot_says_no(house, user, password, want):
    relay, _, port, _ = house
    code, said = swaks(port, "-tls", "--auth", "PLAIN", "--auth-user", user, "--auth-password", password)
    assert code != 0 and want in said, said
    assert relay.log_lines(r"warning: .*: SASL PLAIN authentication failed: .*sasl_username=%s" % user)


def test_strangers_do_not_submit(house):
    _, _, port, _ = house
    code, said = swaks(port, "-tls")
    assert code != 0 and "554 5.7.1 <y@elsewhere.test>: Recipient address rejected: Access denied" in said, said
    code, said = swaks(port)
    assert code != 0 and "530 5.7.0 Must issue a STARTTLS command first" in said, said
