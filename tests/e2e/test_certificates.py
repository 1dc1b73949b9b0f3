"""Whose certificate a client gets: by the name that it asks for, by the kind of key that it takes, after a reload; and what it has to show."""
import smtplib
import ssl
import subprocess

import pytest

from lab import RELAYBOX, Authority, Relay, Sink, wait

LISTENER = "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = %s\nsmtpd_tls_key_file = %s\n"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ca")


def context(authority, cert=None, **more):
    c = ssl.create_default_context(cadata=authority.bundle)
    for name, value in more.items():
        setattr(c, name, value)
    if cert:
        c.load_cert_chain(*cert)
    return c


def shown(port, authority, name, **more):
    """The subject's name and the cipher of what a client gets that asks for `name` (None: for none)."""
    c = context(authority, **more)
    c.check_hostname = False
    s = smtplib.SMTP("127.0.0.1", port, timeout=60)
    s.ehlo()
    assert s.docmd("STARTTLS")[0] == 220
    t = c.wrap_socket(s.sock, server_hostname=name)
    subject = dict(x[0] for x in t.getpeercert()["subject"])["commonName"]
    cipher = t.cipher()[0]
    t.close()
    return subject, cipher


def joined(folder, name, pair):
    """A file with the key, then the certificate."""
    path = folder / (name + ".both")
    path.write_text(open(pair[1]).read() + open(pair[0]).read())
    return str(path)


def rsa(authority, name):
    return authority.issue(name, file=name + ".rsa", kind="rsa:2048")


ASKED = ((None, "relay.test"), ("elsewhere.test", "relay.test"), ("a.test", "a.test"), ("A.Test", "a.test"), ("x.b.test", "b.test"),
         ("y.x.b.test", "b.test"), ("b.test", "relay.test"), ("own.b.test", "own.b.test"))


@pytest.mark.parametrize("kind", ["texthash", "inline", "cdb"])
def test_the_name_that_is_asked_for(tmp_path, authority, kind):
    pairs = {name: authority.issue(name) for name in ("a.test", "b.test", "own.b.test")}
    # a key and its chain may stand in one file, or in two
    values = {"a.test": joined(tmp_path, "a", pairs["a.test"]), ".b.test": ", ".join(pairs["b.test"][::-1]),
              "own.b.test": joined(tmp_path, "own", pairs["own.b.test"])}
    table = tmp_path / "sni"
    table.write_text("".join("%s %s\n" % x for x in values.items()))
    spec = "%s:%s" % (kind, table)
    if kind == "inline":
        spec = "inline:{%s}" % ", ".join("{ %s = %s }" % (k, v.replace(",", " ")) for k, v in values.items())
    elif kind == "cdb":
        subprocess.run([RELAYBOX, "mapgen", "-F", spec], check=True)
    with Relay(tmp_path, LISTENER % authority.issue("relay.test") + "tls_server_sni_maps = %s\n" % spec) as relay:
        for name, want in ASKED:
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                assert shown(relay.port, authority, name, minimum_version=version, maximum_version=version)[0] == want, name
        # a new one for the same name
        if kind == "texthash":
            (tmp_path / "a.both").write_text(open(joined(tmp_path, "new", authority.issue("new.a.test"))).read())
            relay.run("relayctl", "reload")
            assert shown(relay.port, authority, "a.test")[0] == "new.a.test"


@pytest.mark.parametrize("table,why", [
    ("texthash:%s/sni", "tls_server_sni_maps: %s/none: No such file or directory"),
    ("regexp:%s/sni", "tls_server_sni_maps: regexp:%s/sni: a table of this type cannot be read through"),
    ("inline:{ { x.test = %s/empty } }", "tls_server_sni_maps: x.test: no usable certificate chain in it")])
def test_a_table_that_cannot_be_used_stops_the_start(tmp_path, authority, table, why):
    """Else a listener whose level is may would go on without TLS."""
    (tmp_path / "sni").write_text("x.test %s/none\n" % tmp_path if table.startswith("text") else "/x/ y\n")
    (tmp_path / "empty").write_text("nothing\n")
    relay = Relay(tmp_path, LISTENER % authority.issue("relay.test") + "tls_server_sni_maps = %s\n" % (table % tmp_path))
    r = relay.run("relayd", "-t", check=False)
    assert r.returncode == 78 and why % ((tmp_path,) * why.count("%s")) in r.stderr.decode()
    relay.write("main.cf", open(relay.path("main.cf")).read().replace("tls_server_sni_maps", "# "))
    with relay:
        relay.write("main.cf", open(relay.path("main.cf")).read().replace("# ", "tls_server_sni_maps"))
        relay.run("relayctl", "reload", check=False)
        wait(lambda: relay.log_lines("tls_server_sni_maps: "))
        with smtplib.SMTP("127.0.0.1", relay.port) as c:
            c.ehlo()
            assert c.has_extn("starttls")


def test_both_kinds_of_keys(tmp_path, authority):
    second = authority.issue("relay.test")
    with Relay(tmp_path, LISTENER % rsa(authority, "relay.test") + "smtpd_tls_eccert_file = %s\nsmtpd_tls_eckey_file = %s\n" % second) as relay:
        for ciphers, want in (("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA"), ("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA")):
            c = context(authority, maximum_version=ssl.TLSVersion.TLSv1_2)
            c.check_hostname = False
            c.set_ciphers(ciphers)
            with smtplib.SMTP("127.0.0.1", relay.port) as s:
                s.starttls(context=c)
                assert s.sock.cipher()[0].startswith(want)
    alone = tmp_path / "alone"
    with Relay(alone, LISTENER % ("", "") + "smtpd_tls_eccert_file = %s\nsmtpd_tls_eckey_file = %s\n" % second) as relay:
        assert shown(relay.port, authority, None)[0] == "relay.test"


@pytest.mark.parametrize("trust", ["smtpd_tls_CAfile = %s/ca.pem\n", "smtpd_tls_CApath = %s/trusted\n"])
def test_a_client_that_comes_again_is_still_who_it_is(tmp_path, authority, trust):
    """A resumed session would have no certificate under TLS 1.3: there is none."""
    known = authority.issue("known.test")
    trusted = tmp_path / "ca" / "trusted"
    trusted.mkdir()
    (trusted / "ca.pem").write_text(authority.bundle)
    authority.openssl("rehash", str(trusted))
    with Sink() as sink, Relay(tmp_path, LISTENER % authority.issue("relay.test") + trust % authority.dir + "smtpd_tls_ask_ccert = yes\n"
                               "mynetworks = 192.0.2.1\nrelayhost = [127.0.0.1]:%d\nsmtpd_tls_received_header = yes\n"
                               "smtpd_relay_restrictions = permit_tls_all_clientcerts, reject_unauth_destination\n" % sink.port) as relay:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            c = context(authority, known, minimum_version=version, maximum_version=version)
            c.check_hostname, session = False, None
            for _ in range(2):
                s = smtplib.SMTP("127.0.0.1", relay.port, timeout=60)
                s.ehlo()
                assert s.docmd("STARTTLS")[0] == 220
                s.sock = c.wrap_socket(s.sock, session=session)
                s.file = None
                s.ehlo()
                s.sendmail("a@b.test", ["x@elsewhere.test"], "Subject: x\n\nbody\n")
                session = s.sock.session
                s.quit()
        for m in sink.wait(4):
            assert b'\t(Client CN "known.test", Issuer "Test CA" (verified OK))\r\n' in m.header


def test_what_a_restriction_needs_is_told(tmp_path, authority):
    rules = "smtpd_relay_restrictions = permit_tls_clientcerts, reject_unauth_destination\n"
    with Relay(tmp_path, LISTENER % authority.issue("relay.test") + rules) as relay:
        assert "permit_tls_clientcerts: no client is asked for a certificate, so nobody is let in by one: set smtpd_tls_ask_ccert" in relay.stderr()
    done = relay.run("relayd", "-t", check=False)
    assert b"permit_tls_clientcerts" in done.stdout + done.stderr
    relay.write("main.cf", relay_text(relay) + "smtpd_tls_fingerprint_digest = sha3\nsmtpd_tls_req_ccert = yes\n")
    done = relay.run("relayd", "-t", check=False)
    text = (done.stdout + done.stderr).decode()
    assert 'smtpd_tls_fingerprint_digest: there is no digest "sha3"' in text
    assert "smtpd_tls_req_ccert: port %d demands no TLS" % relay.port in text
    assert "no client is asked" not in text
    relay.write("main.cf", relay_text(relay).replace("smtpd_tls_CAfile", "smtp_tls_CAfile") +
                "smtpd_tls_fingerprint_digest = sha256\nsmtpd_tls_security_level = encrypt\n")
    assert b"smtpd_tls_req_ccert: no authority is trusted" in relay.run("relayd", "-t").stderr


def relay_text(relay):
    with open(relay.path("main.cf")) as f:
        return f.read()
