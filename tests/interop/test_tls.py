"""TLS with a real Postfix at the other end: sessions resumed in both directions, port 465 in both directions."""
import pytest

from lab import RELAYBOX, Authority
from net import lent

US, THEM, WORLD = "172.16.1.11", "172.16.1.12", "203.0.113.25"
HOST = """\
myhostname = {name}
mydestination =
mynetworks = 127.0.0.0/8, 172.16.1.0/24
inet_protocols = ipv4
relayhost = {next}
smtp_tls_security_level = {level}
smtp_tls_CAfile = /etc/ca.pem
smtp_tls_loglevel = 2
smtp_tls_session_cache_database = btree:$data_directory/smtp_scache
smtp_connection_cache_on_demand = no
smtpd_tls_security_level = may
smtpd_tls_chain_files = /etc/chain.pem
smtpd_tls_loglevel = 2
{more}
"""
SERVICES = "25 inet n - n - - smtpd\n465 inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n"
REUSED = r"postfix/%s\[\d+\]: %s\[%s\](:\d+)?: Reusing old session"


class System:
    def __init__(self, net, folder, ours="", theirs="", them_by=""):
        """We hand on to Postfix, and Postfix to the world; or with them_by, Postfix hands on to us, by that next hop."""
        net.dns("us.example.jp. A " + US, "them.example.jp. A " + THEM, "world.example.net. A " + WORLD)
        ca = Authority(folder)
        self.us, self.them = net.host("us", US), net.host("them", THEM)
        self.world = net.host("world", WORLD).sink(25)
        out = "[world.example.net]"
        for host, name, hop, more in ((self.us, "us", out if them_by else "[them.example.jp]:25", ours),
                                      (self.them, "them", them_by or out, theirs)):
            cert, key = ca.issue(name + ".example.jp")
            host.write("/etc/ca.pem", ca.bundle)
            host.write("/etc/chain.pem", open(key).read() + open(cert).read())
            host.write("/etc/postfix/main.cf", HOST.format(name=name + ".example.jp", next=hop, level="may" if hop == out else "secure", more=more))
        self.us.write("/etc/postfix/master.cf", SERVICES)
        self.us.relayd()
        self.them.postfix(SERVICES)

    def send(self, host, count):
        for _ in range(count):
            before = len(self.world.messages)
            host.box("sendmail", "-f", "app@example.jp", "b@dest.example.net", stdin="Subject: x\n\nbody\n")
            self.world.wait(before + 1)


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_sessions_with_postfix_as_the_server(tmp_path, version):
    with lent(tmp_path) as net:
        s = System(net, tmp_path / "ca", ours="smtp_tls_mandatory_protocols = " + version)
        s.send(s.us, 4)
        ours = s.us.wait_log(REUSED % ("smtp", "them.example.jp", THEM), 3)
        theirs = s.them.wait_log(r"postfix/smtpd\[\d+\]: \S+\[%s\]: Reusing old session" % US, 3)
        print("%s: 4 handshakes, %d reused says relaybox, %d reused says Postfix" % (version, len(ours), len(theirs)))
        assert len(ours) == len(theirs) == 3
        assert len(s.us.log("Verified TLS connection established to them.example.jp.*: %s " % version)) == 4


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_sessions_with_postfix_as_the_client(tmp_path, version):
    with lent(tmp_path) as net:
        s = System(net, tmp_path / "ca", theirs="smtputf8_enable = no\nsmtp_tls_mandatory_protocols = >=%s, <=%s" % (version, version),
                   them_by="[us.example.jp]:25")
        for _ in range(4):
            before = len(s.world.messages)
            s.them.run("sendmail", "-f", "app@example.jp", "b@dest.example.net", stdin="Subject: x\n\nbody\n")
            s.world.wait(before + 1)
        theirs = s.them.wait_log(r"postfix/smtp\[\d+\]: us.example.jp\[%s\]:25: Reusing old session" % US, 3)
        print("%s: 4 handshakes, %d reused says Postfix" % (version, len(theirs)))
        assert len(s.them.log("Verified TLS connection established to us.example.jp.*: %s " % version)) == 4


def test_tls_from_the_first_byte_in(tmp_path):
    with lent(tmp_path) as net:
        s = System(net, tmp_path / "ca", theirs="smtputf8_enable = no\nsmtp_tls_wrappermode = yes", them_by="[us.example.jp]:465")
        s.them.run("sendmail", "-f", "app@example.jp", "b@dest.example.net", stdin="Subject: x\n\nbody\n")
        s.world.wait(1, 30)
        s.us.wait_log(r"TLS connection established from \S+\[%s\]: TLSv1.3" % THEM)


def test_tls_from_the_first_byte_out(tmp_path):
    """The port says it: there is no parameter for it here."""
    with lent(tmp_path) as net:
        s = System(net, tmp_path / "ca")
        s.us.write("/etc/postfix/main.cf", s.us.read("/etc/postfix/main.cf").replace("jp]:25", "jp]:465"))
        s.us.run(RELAYBOX, "relayctl", "reload")
        s.send(s.us, 1)
        s.us.wait_log(r"Verified TLS connection established to them.example.jp\[%s\]:465: TLSv1.3" % THEM)
        s.them.wait_log(r"TLS connection established from \S+\[%s\]: TLSv1.3" % US)
