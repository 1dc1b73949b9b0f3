"""testssl.sh against STARTTLS and port 465: nothing is worse than its "ok" but what docs/security.md tells."""
import json
import subprocess

import pytest

from lab import Authority, Relay, free_port

# what is less than "ok", and why that is so; docs/security.md, "What testssl.sh says", has the same
TOLD = {
    "cipherlist_AVERAGE": "servers of the last decade have nothing better than CBC, and mail would go in clear then",
    "LUCKY13": "the same ciphers; the library takes the same time for every padding",
    # of the certificate that this test makes, and of the machine that it runs on
    "cert_revocation": "ours has no authority that revokes",
    "DNS_CAArecord": "nor a domain",
    "cert_expirationStatus": "it is for a test",
    "cert_notAfter": "it is for a test",
    "engine_problem": "no GOST in this OpenSSL",
    "sessionresumption_ticket": "said when openssl s_client ends its SMTP session before the ticket has come",
}
FINE = ("OK", "INFO", "DEBUG")


# what is asked, in parts that run at once, and what its end is known by
PARTS = {"protocols": (["-p", "-s", "-f", "-S"], {"SSLv2", "TLS1_3", "cipherlist_NULL", "PFS_ciphers"}), "attacks": (["-U"], {"heartbleed", "ROBOT", "RC4"})}


@pytest.mark.long
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("wrapped", [False, True], ids=["starttls", "465"])
def test_nothing_is_worse_than_ok_but_what_is_told(tmp_path, wrapped, part):
    asks, ends = PARTS[part]
    cert, key = Authority(tmp_path / "ca").issue("localhost")
    with Relay(tmp_path / "r", "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = %s, %s\n" % (key, cert)) as relay:
        relay.stop()
        port = free_port()
        relay.write("master.cf", "%d inet n - n - - smtpd\n%d inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n" % (relay.port, port))
        relay.start()
        at = ["localhost:%d" % port] if wrapped else ["-t", "smtp", "localhost:%d" % relay.port]
        done = subprocess.run(["testssl", "--ip", "127.0.0.1", "--nodns", "none", "--quiet", "--color", "0", "--warnings", "off", "--add-ca",
                               str(tmp_path / "ca" / "ca.pem"), "--jsonfile", str(tmp_path / "found"), *asks, *at],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=450)
    found = json.loads((tmp_path / "found").read_text())
    ids = {row["id"] for row in found}
    # it came to its end
    assert ends <= ids, done.stdout[-2000:]
    assert [row for row in found if row["severity"] not in FINE and row["id"].split()[0] not in TOLD] == []
