"""Clients with certificates, at a real Postfix and at relayd: the same main.cf, the same client, the same answers."""
import os
import re
import smtplib
import ssl
import subprocess

import pytest

from lab import Authority, wait
from net import lent

US, CLIENT = "172.16.1.11", "172.16.10.5"
MAIN = """compatibility_level = 3.6
myhostname = relay.test
relay_domains = relay.test
mynetworks = 127.0.0.1
smtpd_tls_cert_file = /etc/postfix/cert.pem
smtpd_tls_key_file = /etc/postfix/key.pem
smtpd_tls_CAfile = /etc/postfix/ca.pem
smtpd_tls_received_header = yes
smtpd_tls_loglevel = 1
relay_clientcerts = hash:/etc/postfix/clientcerts
relayhost = [172.16.10.5]:2525
mydestination =
"""
MASTER = "smtp inet n - n - - smtpd\n465 inet n - n - - smtpd\n -o smtpd_tls_wrappermode=yes\n"
RULES = "smtpd_relay_restrictions = %s, reject_unauth_destination\n"
# name of the case, and what is in main.cf
CASES = {
    "fingerprints": "smtpd_tls_security_level = may\nsmtpd_tls_ask_ccert = yes\n" + RULES % "permit_tls_clientcerts",
    "fingerprints of old": "smtpd_tls_security_level = may\nsmtpd_tls_ask_ccert = yes\nsmtpd_tls_fingerprint_digest = md5\n" +
                           RULES % "permit_tls_clientcerts",
    "authority": "smtpd_tls_security_level = may\nsmtpd_tls_ask_ccert = yes\n" + RULES % "permit_tls_all_clientcerts",
    "access": "smtpd_tls_security_level = may\nsmtpd_tls_ask_ccert = yes\n" + RULES % "check_ccert_access hash:/etc/postfix/access",
    "nobody is asked": "smtpd_tls_security_level = may\n" + RULES % "permit_tls_all_clientcerts, permit_tls_clientcerts",
    "required": "smtpd_tls_security_level = encrypt\nsmtpd_tls_req_ccert = yes\n" + RULES % "permit_tls_all_clientcerts",
    "required where TLS is not": "smtpd_tls_security_level = may\nsmtpd_tls_req_ccert = yes\n" + RULES % "permit_tls_all_clientcerts",
    "one authority in the middle": "smtpd_tls_security_level = may\nsmtpd_tls_ask_ccert = yes\nsmtpd_tls_ccert_verifydepth = 0\n" +
                             RULES % "permit_tls_all_clientcerts",
}


def fingerprint(cert, digest):
    return subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-fingerprint", "-" + digest], capture_output=True, text=True,
                          check=True).stdout.split("=")[1].strip()


def key_fingerprint(cert, digest):
    key = subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-pubkey"], capture_output=True, check=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key, capture_output=True, check=True).stdout
    out = subprocess.run(["openssl", "dgst", "-" + digest, "-c"], input=der, capture_output=True, check=True).stdout.decode()
    return out.split("= ")[1].strip().upper()


class Clients:
    """Certificates: of the authority, by its key in the table, of a middle authority, of somebody else's."""
    def __init__(self, folder):
        self.authority = Authority(folder / "ca")
        self.v = {"none": None, "known": self.authority.issue("known.test"), "by its key": self.authority.issue("key.test"),
                  "odd (name)": self.authority.issue("odd-name.test"), "stranger": Authority(folder / "other").issue("stranger.test"),
                  "deep": self.deep(folder / "ca", "deep", ["middle"]), "deeper": self.deep(folder / "ca", "deeper", ["middle", "lower"])}
        self.server = self.authority.issue("relay.test")

    def deep(self, folder, last, between):
        """Below authorities in the middle; the client sends those, too."""
        a = self.authority
        for name, issuer in zip(between + [last], ["ca"] + between):
            a.issue(name + ".test", file=name, by=issuer, extensions=None if name == last else "basicConstraints=critical,CA:TRUE")
        (folder / (last + "-chain.pem")).write_text("".join(a.read(name + ".pem") for name in [last] + between[::-1]))
        return str(folder / (last + "-chain.pem")), str(folder / (last + ".key"))


def context(cert):
    c = ssl.create_default_context()
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    if cert:
        c.load_cert_chain(*cert)
    return c


class Box:
    def __init__(self, net, clients, real):
        self.real = real
        self.host = h = net.host("us", US, hostname="relay.test")
        self.client = net.host("client", CLIENT)
        known, key, odd = (clients.v[name][0] for name in ("known", "by its key", "stranger"))
        for name, path in (("ca.pem", clients.authority.dir + "/ca.pem"), ("cert.pem", clients.server[0]), ("key.pem", clients.server[1])):
            with open(path) as f:
                h.write("/etc/postfix/" + name, f.read())
        os.chmod(h.path("/etc/postfix/key.pem"), 0o600)
        h.write("/etc/postfix/clientcerts", "".join("%s yes\n%s yes\n" % (fingerprint(known, d), key_fingerprint(key, d)) for d in ("sha256", "md5")))
        h.write("/etc/postfix/access", "%s REJECT go away\n%s OK\n" % (fingerprint(odd, "sha256"), key_fingerprint(key, "sha256")))
        self.sink = self.client.sink(2525)

    def life(self, case, clients):
        """What each client is told on both ports, and what is in the log and in Received."""
        self.host.write("/etc/postfix/main.cf", MAIN + CASES[case])
        self.host.write("/etc/postfix/master.cf", MASTER)
        self.host.relayd()
        told = {}
        for name, cert in clients.v.items():
            for port in (25, 465):
                told[name, port] = self.talk(port, cert)
        return told, self.log(told), self.fields(told)

    def talk(self, port, cert):
        said = []
        with self.client.network():
            try:
                s = smtplib.SMTP_SSL(US, port, timeout=30, context=context(cert)) if port == 465 else smtplib.SMTP(US, port, timeout=30)
                s.ehlo("client.test")
                if port == 25:
                    s.starttls(context=context(cert))
                    said.append(s.ehlo("client.test")[0])
                said.append(s.docmd("MAIL FROM:<a@b.test>"))
                said.append(s.docmd("RCPT TO:<x@elsewhere.test>"))
                if said[-1][0] != 250:
                    said.append(s.docmd("RCPT TO:<ours@relay.test>"))
                if s.docmd("DATA")[0] == 354:
                    s.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
                    said.append(s.getreply()[0])
                s.quit()
            except smtplib.SMTPConnectError as e:
                said.append((e.smtp_code, e.smtp_error))
            except smtplib.SMTPServerDisconnected:
                said.append("gone")
        # whose 421 the client reads depends on how fast it talks on
        return ["gone" if port == 25 and x == 421 else x for x in said]

    def log(self, told):
        wait(lambda: len(self.host.log("disconnect from unknown")) >= len(told))
        lines = [re.sub(r"^.*smtpd\[\d+\]: (?:[0-9A-F]+: )?", "", line) for line in self.host.logs().splitlines() if "smtpd[" in line]
        words = r"^(?:Anonymous|Untrusted|Trusted|Verified) TLS connection established|^NOQUEUE: abort|Client certificate rejected"
        # what this relay does not say there, and that it says ESMTPS
        return sorted(re.sub(r" key-exchange .*| proto=\w+", "", line) for line in lines if re.search(words, line))

    def fields(self, told):
        """Of the mail that came through."""
        wait(lambda: len(self.sink.messages) >= sum(250 in said[1:] for said in told.values()), seconds=60)
        return sorted(re.findall(r"(?m)^\t\((?:Client|No client) .*$", m.header.decode())[0] for m in self.sink.messages)


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    return Clients(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize("case", CASES)
def test_a_client_is_treated_as_by_postfix(tmp_path, clients, case):
    got = {}
    for real in (True, False):
        with lent(tmp_path / str(real), real=("us",) if real else ()) as net:
            net.dns("relay.test. A " + US)
            got[real] = Box(net, clients, real).life(case, clients)
    assert got[False][0] == got[True][0]
    assert got[False][1] == got[True][1]
    assert got[False][2] == got[True][2] != []
