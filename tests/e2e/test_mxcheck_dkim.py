"""mxcheck --dkim: does DNS fit the keys that sign on this host? A key for each fault, and what is said of it."""
import json
import os
import re
import shutil
import socket
import subprocess

import pytest

from lab import RELAYBOX, Dns
from test_dkim import make_keys
from test_mxcheck_modes import found, mxcheck, objects

ED25519 = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def public(bits):
    key = subprocess.run(["openssl", "genrsa", str(bits)], capture_output=True, check=True).stdout
    pem = subprocess.run(["openssl", "rsa", "-pubout"], input=key, capture_output=True, check=True).stdout
    return "v=DKIM1; k=rsa; p=" + b"".join(pem.splitlines()[1:-1]).decode()


class Host:
    """A configuration with a folder of keys, and a name server beside it."""

    def __init__(self, folder):
        self.folder, self.keys = folder, folder / "keys"
        self.record = make_keys(str(self.keys), "fits.test", "mail").decode()
        self.key = self.keys / "fits.test.mail.pem"
        self.main_cf("dkim_key_directory = %s\n" % self.keys)
        self.servers = []

    def main_cf(self, text):
        (self.folder / "main.cf").write_text("alias_maps =\n" + text)

    def domains(self, *names):
        for name in names:
            shutil.copy(self.key, self.keys / ("%s.mail.pem" % name))

    def ask(self, records, *args, code=0):
        self.servers.append(Dns({(".", "A"): [], **{(n if "_domainkey" in n else "mail._domainkey." + n, "TXT"): r for n, r in records.items()}}))
        return objects("--dkim", "-c", self.folder, "--dns", "127.0.0.1:%d" % self.servers[-1].port, *args, code=code)


@pytest.fixture
def host(tmp_path):
    h = Host(tmp_path)
    yield h
    for server in h.servers:
        server.sock.close()


def worst(result):
    said = [f for f in result["findings"] if f["verdict"] in ("problem", "warning")]
    return [(f["verdict"], f["check"], f["text"]) for f in said]


def test_a_record_that_fits(host):
    one, = host.ask({"fits.test": [host.record]})
    assert one["target"] == "fits.test" and not worst(one) and found(one, "ok", "dkim", "RSA 2048")
    assert found(one, "ok", "dkim-key") == ["mail._domainkey.fits.test: fits %s" % host.key]


def test_each_fault_of_a_record_is_told(host):
    key = host.record.split("p=")[1]
    rows = {
        "gone.test": (None, "problem", "dkim", "no key"), "failing.test": ("fails", "warning", "dkim", "cannot be looked up now: SERVFAIL"),
        "other.test": ([public(2048)], "problem", "dkim-key", "RSA 2048 is another key than "), "small.test": ([public(1024)], "problem", "dkim-key", "RSA 1024 is"),
        "tiny.test": ([public(768)], "problem", "dkim", "RSA 768"), "revoked.test": (["v=DKIM1; p="], "problem", "dkim", "revoked"),
        "testing.test": (["v=DKIM1; t=y:s; p=" + key], "note", "dkim", "for testing"), "sha1.test": (["h=sha1; p=" + key], "problem", "dkim", "h=sha1"),
        "web.test": (["v=DKIM1; s=web; p=" + key], "problem", "dkim", "not for mail"), "kind.test": (["v=DKIM1; k=dsa; p=" + key], "problem", "dkim", "k=dsa"),
        "edwards.test": ([ED25519], "problem", "dkim-key", "Ed25519 is another key"), "syntax.test": (["v=DKIM1; p=!"], "problem", "dkim", "base64"),
        "words.test": (["v=spf1 -all"], "problem", "dkim", "v=spf1"), "two.test": ([host.record, "v=DKIM1; p="], "problem", "dkim", "more than one"),
    }
    host.domains(*rows)
    records = {n: None if r[0] == "fails" else r[0] for n, r in rows.items() if r[0]}
    results = {x["target"]: x for x in host.ask({"fits.test": [host.record], **records}, code=1)}
    assert set(results) == {"fits.test", *rows}
    for name, (_, verdict, check, text) in rows.items():
        assert found(results[name], verdict, check, text), (name, results[name])
    assert not worst(results["fits.test"]) and not worst(results["testing.test"])
    # what is missing or another is shown as it has to be
    for name in ("gone.test", "other.test"):
        note, = [f for f in results[name]["findings"] if f["verdict"] == "note"]
        assert note["advice"] == host.record
    # a name that is there, without a TXT record
    host.servers.append(Dns({("mail._domainkey.fits.test", "A"): ["192.0.2.1"]}))
    one = objects("--dkim", "-c", host.folder, "--dns", "127.0.0.1:%d" % host.servers[-1].port, "fits.test", code=1)[0]
    assert found(one, "problem", "dkim", "has no TXT record")


def test_each_fault_of_a_key_is_told(host):
    def make(name, text, mode=0o600):
        (host.keys / name).write_bytes(text)
        os.chmod(host.keys / name, mode)

    edwards = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, check=True).stdout
    small = subprocess.run(["openssl", "genrsa", "1024"], capture_output=True, check=True).stdout
    make("open.test.mail.pem", host.key.read_bytes(), 0o644)
    make("edwards.test.mail.pem", edwards)
    make("small.test.private", small)
    make("both.test.private", small, 0o604)
    make("none.test.mail.pem", b"nothing\n")
    rows = {"open.test": "everybody may open", "edwards.test": "an Ed25519 key, which cannot sign here: make an RSA key", "small.test": "2048 bits",
            "none.test": "no RSA private key", "both.test": "chmod 600 it; "}
    results = {x["target"]: x for x in host.ask({n: [host.record] for n in ("fits.test", *rows)}, code=1)}
    for name, text in rows.items():
        assert found(results[name], "problem", "dkim-key", text) and any(str(host.keys) in f["text"] for f in results[name]["findings"]), results[name]
    # the key is compared whoever may read it; one that is none is not
    assert found(results["open.test"], "ok", "dkim-key") and not found(results["edwards.test"], "ok", "dkim-key")
    assert not worst(results["fits.test"])
    # and nothing starts with such a key, which is said with its file
    for name in ("open.test.mail.pem", "small.test.private", "both.test.private", "none.test.mail.pem"):
        os.unlink(host.keys / name)
    done = subprocess.run([RELAYBOX, "relayd", "-c", host.folder, "-t"], capture_output=True, text=True)
    assert done.returncode != 0 and re.search(r"main.cf:2: dkim_key_directory: %s/edwards.test.mail.pem: an Ed25519 key, .*mapgen --dkim" % host.keys, done.stderr)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to have a key that others cannot read")
def test_who_may_not_read_a_key_is_told_so(host):
    server = Dns({("mail._domainkey.fits.test", "TXT"): [host.record]})
    host.servers.append(server)
    for folder in [host.folder, *list(host.folder.parents)[:-2], host.keys]:
        os.chmod(folder, os.stat(folder).st_mode | 0o055)
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", RELAYBOX, "mxcheck", "--dkim", "-c", host.folder, "--json", "--dns",
                           "127.0.0.1:%d" % server.port], capture_output=True, text=True)
    one = json.loads(done.stdout)
    assert done.returncode == 0 and worst(one) == [("warning", "dkim-key", "%s: Permission denied" % host.key)] and found(one, "ok", "dkim", "RSA 2048")


def test_the_tables_of_opendkim_and_the_next_selector(host):
    (host.folder / "KeyTable").write_text("ours fits.test:2026a:%s\nany %%:shared:%s\n" % (host.key, host.key))
    (host.folder / "SigningTable").write_text("*@fits.test ours\n*@*.sub.test ours\nboss@guest.test any\n*@*.many.test any\n")
    host.main_cf("dkim_key_table = %s/KeyTable\ndkim_signing_table = refile:%s/SigningTable\n" % (host.folder, host.folder))
    records = {"2026a._domainkey.fits.test": [host.record], "shared._domainkey.guest.test": [host.record]}
    assert [(x["target"], worst(x)) for x in host.ask(records)] == [("fits.test", []), ("guest.test", [])]
    # whoever a pattern means can be asked for by name
    for name, want in (("a.sub.test", "2026a._domainkey.fits.test"), ("a.many.test", "shared._domainkey.a.many.test")):
        one = host.ask({**records, "shared._domainkey.a.many.test": [host.record]}, name)[0]
        assert found(one, "ok", "dkim-key") == ["%s: fits %s" % (want, host.key)]
    assert found(host.ask(records, "foreign.test", code=1)[0], "problem", "dkim-key", "no key of this host signs")
    # a folder's key signs for the domains below it; the next selector can be looked at before it is used
    host.main_cf("dkim_key_directory = %s\n" % host.keys)
    assert found(host.ask({"fits.test": [host.record]}, "a.b.Fits.test")[0], "ok", "dkim-key")
    shutil.copy(host.key, host.keys / "fits.test.next.pem")
    one = host.ask({"fits.test": [host.record]}, "--selector", "next", code=1)[0]
    assert worst(one) == [("problem", "dkim", "next._domainkey.fits.test: no key")]


def test_keys_of_one_transport_and_of_the_other_image(host):
    (host.folder / "more").mkdir()
    os.rename(host.key, host.folder / "more" / "fits.test.private")
    host.key = host.folder / "more" / "fits.test.private"
    host.domains("own.test")
    host.main_cf("dkim_key_directory = %s\ndkim_selector = mail\n" % host.keys)
    (host.folder / "master.cf").write_text("smtp unix - - n - - smtp\nslow unix - - n - - smtp -o dkim_key_directory=%s/more -o { dkim_selector=x,fits.test=s2 }\n"
                                           "lmtp unix - - n - - lmtp -o dkim_key_directory=/nonexistent\n" % host.folder)
    records = {"own.test": [host.record], "s2._domainkey.fits.test": [host.record]}
    assert [(x["target"], worst(x)) for x in host.ask(records)] == [("own.test", []), ("fits.test", [])]


def test_a_configuration_without_keys_and_a_dead_resolver(host):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        nobody = "127.0.0.1:%d" % s.getsockname()[1]
    assert mxcheck("--dkim", "-c", host.folder, "--dns", nobody, "--nagios", code=3).stdout.startswith(
        "MXCHECK UNKNOWN - fits.test: dkim: nothing can be looked up from here: ")
    host.main_cf("dkim_key_directory = /nonexistent/keys\n")
    assert "/nonexistent/keys" in mxcheck("--dkim", "-c", host.folder, code=78).stderr
    host.main_cf("")
    done = mxcheck("--dkim", "-c", host.folder, "x.test", code=78)
    assert "signs no mail" in done.stderr and not done.stdout
    (host.folder / "KeyTable").write_text("any %%:shared:%s\n" % host.key)
    (host.folder / "SigningTable").write_text("* any\n")
    host.main_cf("dkim_key_table = %s/KeyTable\ndkim_signing_table = refile:%s/SigningTable\n" % (host.folder, host.folder))
    assert "name those that matter" in mxcheck("--dkim", "-c", host.folder, code=64).stderr


def test_every_form_of_output_has_it(host, tmp_path):
    host.domains("other.test")
    server = Dns({("mail._domainkey.fits.test", "TXT"): [host.record], ("mail._domainkey.other.test", "TXT"): ["v=DKIM1; t=y; p=\x1b[31m"]})
    host.servers.append(server)
    args = ("--dkim", "-c", host.folder, "--dns", "127.0.0.1:%d" % server.port)
    text = mxcheck(*args, code=1).stdout
    assert re.search(r"^ok +fits.test: nothing wrong$", text, re.M) and re.search(r"^problem +other.test: dkim: ", text, re.M) and "\x1b" not in text
    assert mxcheck(*args, "--nagios", "fits.test").stdout.startswith("MXCHECK OK - fits.test: 2 fine | ")
    assert mxcheck(*args, "--nagios", "other.test", code=2).stdout.startswith("MXCHECK CRITICAL - other.test: dkim: ")
    assert 'mxcheck_findings{target="other.test",verdict="problem"} 1' in mxcheck(*args, "--prometheus", code=1).stdout
    mxcheck(*args, "--html", tmp_path / "page", code=1)
    assert "mail._domainkey.other.test" in (tmp_path / "page").read_text()
    assert "RFC 8301" in mxcheck("--explain", "dkim-key").stdout
