"""faults - what can be wrong with a domain: a row for each fault says how it is planted and what mxcheck must say of it.

A row is (name, records, verdict, check, text). The domain is NAME.lab, or the name itself when it has a dot. Records are lines
of a zone with @ for the domain; a line replaces the clean records of its name and type, "-TYPE name" takes them away.
"""
import base64
import hashlib
import os
import re
import subprocess
import time

CLIENT = "198.51.100.10"  # SPF is asked about it

# the hosts: name -> last byte of the address; what they do is in test_mxcheck.py
HOSTS = {name: 100 + i for i, name in enumerate(
    ["closed", "filtered", "unreachable", "noptr", "wrongptr", "tarpit", "silent", "deny", "busy", "ssh", "drop", "plaintext", "notls",
     "garbage", "oldtls", "nobanner", "noname", "clearauth", "xclient", "helo", "expired", "soon", "verysoon", "future", "wrongname", "alone",
     "selfsigned", "weak", "private-ca", "vouched", "listed", "asked", "odd", "tls10", "tls11", "helo-refused",
     "xforward", "expn", "turn", "link2state", "exch50", "cisco", "stars", "othername", "generic", "hexname", "dynname", "dslname", "rawname",
     "both", "both-expired", "both-soon", "both-name", "both-self", "both-weak", "both-future", "both-private", "both-dane", "nosni-expired", "nosni-name",
     "static", "anonymous", "null", "injection", "sometimes", "seldom",
     "tls11only", "edwards", "starttls-421", "starttls-500", "ehlo-421", "later", "odd-greeting", "plain-auth", "literal-name", "polite", "sized",
     "d-selector", "d-matching", "d-usage0", "d-512", "d-anchor", "longname", "turns", "turns-expired", "turns-soon", "turns-name", "turns-private", "turns-dane"])}
# names of addresses; elsewhere it is the host's own
NAMES = {"wrongptr": "a.mx.lab.", "generic": "198-51-100-%d.isp.lab.", "hexname": "c63364%02x.isp.lab.", "dynname": "h1.dyn.isp.lab.",
         "dslname": "host.dsl.isp.lab.", "rawname": "ip%d.100.51.198.isp.lab."}



def spki(path):
    """The public key of a certificate, as DER in base64."""
    pem = subprocess.run(["openssl", "x509", "-in", path, "-noout", "-pubkey"], check=True, capture_output=True).stdout
    return b"".join(pem.split(b"\n")[1:-2]).decode()


def rsa(bits):
    key = subprocess.run(["openssl", "genrsa", str(bits)], check=True, capture_output=True).stdout
    pem = subprocess.run(["openssl", "rsa", "-pubout"], input=key, check=True, capture_output=True).stdout
    return b"".join(pem.split(b"\n")[1:-2]).decode()


def txt(text):
    return '"%s"' % text


def mx(host):
    return "@ MX 10 %s.mx.lab." % host


def spf(text):
    return "@ TXT " + txt("v=spf1 " + text)


def dmarc(text):
    return "_dmarc.@ TXT " + txt("v=DMARC1; " + text)


def dkim(text):
    return "s1._domainkey.@ TXT " + txt(text)


def ns(*servers):
    return mx("noptr") + "".join("\n@ NS %s." % s for s in servers)


STS = "_mta-sts.@ TXT \"v=STSv1; id=1;\"\nmta-sts.@ A 198.51.100.80"
POLICY = "version: STSv1\r\nmode: %s\r\nmx: %s\r\nmax_age: %d\r\n"

# what mta-sts.NAME.lab serves: (status, type, body)
POLICIES = {
    "good": (200, "text/plain", POLICY % ("enforce", "a.mx.lab", 604800)),
    "sts-404": (404, "text/plain", "no"),
    "sts-redirect": (301, "text/plain", ""),
    "sts-mismatch": (200, "text/plain", POLICY % ("enforce", "other.mx.lab", 604800)),
    "sts-testing-mismatch": (200, "text/plain", POLICY % ("testing", "*.a.mx.lab", 604800)),
    "sts-none": (200, "text/plain", POLICY % ("none", "a.mx.lab", 604800)),
    "sts-html": (200, "text/html", POLICY % ("enforce", "*.mx.lab", 604800)),
    "sts-mode": (200, "text/plain", POLICY % ("strict", "a.mx.lab", 604800)),
    "sts-short": (200, "text/plain", POLICY % ("enforce", "a.mx.lab", 600)),
    "sts-large": (200, "text/plain", POLICY % ("enforce", "a.mx.lab", 604800) + "x: y\r\n" * 15000),
    "sts-untrusted": (200, "text/plain", POLICY % ("enforce", "selfsigned.mx.lab", 604800)),
    "sts-notls": (200, "text/plain", POLICY % ("enforce", "notls.mx.lab", 604800)),
    "sts-unused": (200, "text/plain", POLICY % ("enforce", "a.mx.lab\r\nmx: old.mx.lab", 604800)),
    "sts-norecord": (200, "text/plain", POLICY % ("enforce", "a.mx.lab", 604800)),
    "sts-500": (500, "text/plain", "no"),
    "sts-nomx": (200, "text/plain", "version: STSv1\r\nmode: enforce\r\nmax_age: 604800\r\n"),
    "sts-nomode": (200, "text/plain", "version: STSv1\r\nmx: a.mx.lab\r\nmax_age: 604800\r\n"),
    "sts-noage": (200, "text/plain", "version: STSv1\r\nmode: enforce\r\nmx: a.mx.lab\r\n"),
    "sts-noversion": (200, "text/plain", "mode: enforce\r\nmx: a.mx.lab\r\nmax_age: 604800\r\n"),
    "sts-age": (200, "text/plain", POLICY % ("enforce", "a.mx.lab", 31557601)),
    "sts-pattern": (200, "text/plain", POLICY % ("enforce", "*@a.mx.lab", 604800)),
    "sts-prose": (200, "text/plain", "this is our policy\r\n" + POLICY % ("enforce", "a.mx.lab", 604800)),
    "sts-id": (200, "text/plain", POLICY % ("enforce", "a.mx.lab", 604800)),
}


# a host in the domain itself
OWN_HOST = "@ MX 10 m.@\nm.@ A 198.51.100.10"


def rows():
    good = rsa(2048)
    includes = "\n".join("i%d.@ TXT \"v=spf1 ip4:192.0.2.%d ?all\"" % (i, i) for i in range(11))
    return [
        # MX and addresses
        ("gone", "-ALL @", "problem", "mx", "does not exist"),
        ("nomx", "-MX @\n@ A 198.51.100.10", "note", "mx", "no MX record"),
        ("nullmx", "@ MX 0 .", "note", "mx", "null MX: this domain"),
        ("nullplus", "@ MX 0 .\n@ MX 10 a.mx.lab.", "problem", "mx", "beside other"),
        ("cname", "@ MX 10 alias.mx.lab.", "warning", "mx", "alias.mx.lab is an alias"),
        ("literal", "@ MX 10 198.51.100.10.", "problem", "mx", "is an address"),
        ("private", "@ MX 10 private.mx.lab.", "warning", "address", "10.1.2.3 is not a public address"),
        ("noaddr", "@ MX 10 nowhere.mx.lab.", "problem", "address", "nowhere.mx.lab has no address"),
        ("nothing", "-MX @", "problem", "address", "nothing.lab has no address"),
        ("onlytxt", "@ MX 10 onlytxt.mx.lab.", "problem", "address", "no data record"),
        ("share", "@ MX 10 a.mx.lab.\n@ MX 10 listed.mx.lab.", "note", "mx", "same preference"),
        ("double", "@ MX 10 a.mx.lab.\n@ MX 20 a.mx.lab.", "note", "mx", "is there twice"),
        ("x.lame", "", "problem", "mx", "try again (the resolver: SERVFAIL, or no answer in time)"),
        ("x.bogus", "", "problem", "dnssec", "bogus"),
        ("x.plain", "", "note", "dnssec", "unsigned"),
        ("lamehost", "@ MX 10 host.lame.", "problem", "address", "try again"),
        ("bogushost", "@ MX 10 host.bogus.", "problem", "address", "bogus"),
        ("alias-chain", "@ MX 10 second.mx.lab.", "warning", "mx", "second.mx.lab is an alias"),
        ("alias-gone", "@ MX 10 dangling.mx.lab.", "problem", "address", "dangling.mx.lab has no address"),
        ("dangling", "-ALL @\n+ CNAME gone.lab2.", "problem", "mx", "the domain is an alias of gone.lab2, which does not exist"),
        ("loopback", OWN_HOST.replace("198.51.100.10", "127.0.0.1"), "warning", "address", "127.0.0.1 is not a public address"),
        ("benchmark", OWN_HOST.replace("198.51.100.10", "198.18.0.1"), "warning", "address", "198.18.0.1 is not a public address"),
        ("carrier", OWN_HOST.replace("198.51.100.10", "100.64.0.1"), "warning", "address", "100.64.0.1 is not a public address"),
        ("linklocal", OWN_HOST.replace("198.51.100.10", "169.254.7.1"), "warning", "address", "169.254.7.1 is not a public address"),
        ("rfc1918", OWN_HOST.replace("198.51.100.10", "192.168.1.1"), "warning", "address", "192.168.1.1 is not a public address"),
        ("twohosts", "@ MX 10 a.mx.lab.\n@ MX 20 nowhere.mx.lab.", "problem", "address", "nowhere.mx.lab has no address"),
        # name servers: such a domain is a zone of its own, at ns and, where it is named, at ns2, as test_mxcheck.py says
        ("ns-one", ns("ns"), "note", "ns", "only one name server"),
        ("ns-refused", ns("ns", "ns2"), "warning", "ns", "ns2 [192.0.2.54] is lame: REFUSED"),
        ("ns-servfail", ns("ns", "ns2"), "warning", "ns", "ns2 [192.0.2.54] is lame: SERVFAIL"),
        ("ns-resolver", ns("ns", "ns3"), "warning", "ns", "ns3 [192.0.2.55] is lame: it is no authority"),
        ("ns-silent", ns("ns", "deaf.ns"), "warning", "ns", "deaf.ns [%s] does not answer: timed out" % ("198.51.100.%d" % HOSTS["filtered"])),
        ("ns-closed", ns("ns", "dead.ns"), "warning", "ns", "dead.ns [%s] does not answer" % ("198.51.100.%d" % HOSTS["closed"])),
        ("ns-noaddr", ns("ns", "nowhere.ns"), "warning", "ns", "nowhere.ns has no address"),
        # all of them; their addresses are known above only
        ("x.lame", "", "problem", "ns", "none of the 1 name servers of lame serves it"),
        ("x.lame", "", "warning", "ns", "dead.ns [198.51.100.%d] does not answer: Connection refused" % HOSTS["closed"]),
        ("x.glued", "", "problem", "ns", "none of the 2 name servers of glued serves it"),
        ("x.glued", "", "warning", "ns", "a.glued [192.0.2.54] is lame: REFUSED"),
        ("x.glued", "", "warning", "ns", "b.glued [198.51.100.%d] does not answer: timed out" % HOSTS["filtered"]),
        ("x.bogus", "", "note", "ns", "only one name server"),
        ("ns-serial", ns("ns", "ns2"), "warning", "ns", "serial 1 at ns, but 2 at ns2"),
        ("ns-alias", ns("ns", "alias.ns"), "warning", "ns", "alias.ns is an alias of ns2"),
        ("ns-private", ns("ns", "private.ns"), "warning", "ns", "private.ns [10.1.2.3] has an address that is not public"),
        ("ns-more", ns("ns2", "ns2b") + "\n@ DELEGATED ns2.", "warning", "ns", "the zone itself names ns2b, the zone above does not"),
        ("ns-less", ns("ns2") + "\n@ DELEGATED ns2.\n@ DELEGATED ns2b.", "warning", "ns", "the zone above names ns2b, the zone itself does not"),
        # signatures
        ("ds-late", ns("ns2") + "\n@ SIGNED 13 -20 2", "warning", "dnssec", "the signatures end in"),
        ("ds-hours", ns("ns2") + "\n@ SIGNED 13 -20 0.5", "warning", "dnssec", "hours"),
        ("ds-ended", ns("ns2") + "\n@ SIGNED 13 -20 -1", "problem", "dnssec", "bogus"),
        ("ds-sha1", ns("ns2") + "\n@ SIGNED 7 -2 20", "warning", "dnssec", "SHA-1"),
        ("ds-sha1-5", ns("ns2") + "\n@ SIGNED 5 -2 20", "warning", "dnssec", "SHA-1"),
        ("ds-digest", ns("ns2") + "\n@ SIGNED 13 -2 20 -1", "warning", "dnssec", "SHA-1 digest only"),
        ("ds-none", ns("ns2") + "\n@ SIGNED 13 -2 20 none", "warning", "dnssec", "no DS record that counts"),
        ("ds-nsec3", ns("ns2") + "\n@ SIGNED 13 -2 20 -2 10", "note", "dnssec", "NSEC3 with 10 iterations"),
        ("ds-many", ns("ns2") + "\n@ SIGNED 13 -2 20 -2 150", "warning", "dnssec", "NSEC3 with 150 iterations"),
        ("ds-stale", ns("ns", "ns2") + "\n@ SIGNED 13 -2 20\n@ STALE -20 -1", "problem", "ns", "has signatures that have ended"),
        ("ds-bare", ns("ns", "ns2") + "\n@ SIGNED 13 -2 20\n@ STALE none", "problem", "ns", "has the zone without signatures"),
        # reaching it
        ("closed", mx("closed"), "problem", "connect", "refused"),
        ("filtered", mx("filtered"), "problem", "connect", "timed out"),
        ("unreachable", mx("unreachable"), "problem", "connect", "unreachable"),
        ("noptr", mx("noptr"), "note", "ptr", "not found"),
        ("wrongptr", mx("wrongptr"), "note", "ptr", "does not resolve to address"),
        # the dialogue
        ("tarpit", mx("tarpit"), "warning", "banner", "the greeting takes"),
        ("silent", mx("silent"), "problem", "banner", "no answer in time"),
        ("deny", mx("deny"), "problem", "banner", "554"),
        ("busy", mx("busy"), "problem", "banner", "421"),
        ("ssh", mx("ssh"), "problem", "banner", "malformed"),
        ("helo-refused", mx("helo-refused"), "problem", "ehlo", "refused: 550 5.7.1 who are you"),
        ("drop", mx("drop"), "problem", "banner", "closed the connection"),
        ("notls", mx("notls"), "warning", "tls", "not offered"),
        ("starttls-refused", mx("plaintext"), "problem", "tls", "454"),
        ("garbage", mx("garbage"), "problem", "tls", "an invalid record: the peer may not speak TLS"),
        ("oldtls", mx("oldtls"), "problem", "tls", "only TLS 1.0 or 1.1"),
        ("tls10", mx("tls10"), "note", "tls", "TLS 1.0 and 1.1 are still accepted"),
        ("tls11", mx("tls11"), "note", "tls", "TLS 1.1 is still accepted"),
        ("tls11only", mx("tls11only"), "problem", "tls", "only TLS 1.0 or 1.1"),
        ("edwards", mx("edwards"), "warning", "tls", "the peer refused the handshake: it finds no cipher"),
        ("starttls-421", mx("starttls-421"), "problem", "tls", "421"),
        ("starttls-500", mx("starttls-500"), "problem", "tls", "500"),
        ("ehlo-421", mx("ehlo-421"), "problem", "ehlo", "421"),
        ("later", mx("later"), "problem", "banner", "450"),
        ("odd-greeting", mx("odd-greeting"), "problem", "banner", "250"),
        ("plain-auth", mx("plain-auth"), "warning", "auth", "AUTH PLAIN LOGIN in clear"),
        ("literal-name", mx("literal-name"), "note", "ehlo", "calls itself \"[192.0.2.1]\""),
        ("polite", mx("polite"), "note", "ehlo", "does not begin with a host name, but with \"Hello\""),
        ("sized", mx("sized"), "note", "ehlo", "does not begin with a host name, but with \"250\""),
        ("longname", mx("longname"), "note", "banner", "does not begin with a host name"),
        ("nobanner", mx("nobanner"), "note", "banner", "does not begin with a host name"),
        ("noname", mx("noname"), "note", "ehlo", "calls itself \"localhost\""),
        ("nonsense-name", mx("asked"), "note", "ehlo", "no address"),
        ("clearauth", mx("clearauth"), "note", "auth", "before STARTTLS"),
        ("xclient", mx("xclient"), "warning", "ehlo", "XCLIENT"),
        ("helo", mx("helo"), "note", "ehlo", "no extensions"),
        ("xforward", mx("xforward"), "warning", "ehlo", "XFORWARD"),
        ("expn", mx("expn"), "note", "ehlo", "EXPN"),
        ("turn", mx("turn"), "warning", "ehlo", "TURN is offered"),
        ("link2state", mx("link2state"), "note", "ehlo", "X-LINK2STATE"),
        ("exch50", mx("exch50"), "note", "ehlo", "XEXCH50"),
        ("cisco", mx("cisco"), "warning", "ehlo", "XXXXXXXX"),
        ("cisco-stars", mx("stars"), "warning", "banner", "*****"),
        ("othername", mx("othername"), "note", "ehlo", "calls itself a.mx.lab, which is another address"),
        ("generic-ptr", mx("generic"), "note", "ptr", "is a generic name"),
        ("generic-hex", mx("hexname"), "note", "ptr", "is a generic name"),
        ("generic-dyn", mx("dynname"), "note", "ptr", "is a generic name"),
        ("generic-dsl", mx("dslname"), "note", "ptr", "is a generic name"),
        ("generic-raw", mx("rawname"), "note", "ptr", "is a generic name"),
        # certificates
        ("expired", mx("expired"), "problem", "expiry", "expired"),
        ("soon", mx("soon"), "warning", "expiry", "expires in"),
        ("verysoon", mx("verysoon"), "problem", "expiry", "expires in"),
        ("future", mx("future"), "problem", "expiry", "not valid yet"),
        ("wrongname", mx("wrongname"), "warning", "name", "not for wrongname.mx.lab"),
        ("intermediate", mx("alone"), "warning", "trust", "an intermediate is missing"),
        ("selfsigned", mx("selfsigned"), "warning", "trust", "self-signed"),
        ("weak", mx("weak"), "warning", "key", "RSA 1024"),
        ("private-ca", mx("private-ca"), "warning", "trust", "unable to get local issuer"),
        # two certificates: ECDSA and RSA; and one for clients that say no name
        ("both-expired", mx("both-expired"), "problem", "expiry", "RSA certificate expired"),
        ("both-soon", mx("both-soon"), "warning", "expiry", "RSA certificate expires in"),
        ("both-future", mx("both-future"), "problem", "expiry", "RSA certificate is not valid yet"),
        ("both-name", mx("both-name"), "warning", "name", "RSA certificate is for elsewhere.lab, not for both-name"),
        ("both-self", mx("both-self"), "warning", "trust", "RSA certificate not trusted: self-signed"),
        ("both-private", mx("both-private"), "warning", "trust", "RSA certificate not trusted: unable to get local issuer"),
        ("both-weak", mx("both-weak"), "warning", "key", "RSA certificate's key is weak: RSA 1024"),
        ("both-dane", mx("both-dane"), "problem", "dane", "no TLSA record matches the RSA certificate"),
        ("nosni-expired", mx("nosni-expired"), "warning", "sni", "for nosni-expired.mx.lab, and has expired"),
        ("nosni-name", mx("nosni-name"), "note", "sni", "which is for elsewhere.lab"),
        # DANE: the hosts have TLSA records in the zone that test_mxcheck.py makes
        ("dane-mismatch", mx("soon"), "problem", "dane", "no TLSA record matches"),
        ("dane-usage", mx("wrongptr"), "warning", "dane", "usages 0 and 1"),
        ("dane-length", mx("clearauth"), "warning", "dane", "wrong length"),
        ("dane-selector", mx("d-selector"), "warning", "dane", "a number that is not known"),
        ("dane-matching", mx("d-matching"), "warning", "dane", "a number that is not known"),
        ("dane-usage0", mx("d-usage0"), "warning", "dane", "usages 0 and 1"),
        ("dane-512", mx("d-512"), "warning", "dane", "wrong length"),
        ("dane-anchor", mx("d-anchor"), "problem", "dane", "no TLSA record matches"),
        ("dane-left", mx("listed"), "note", "dane", "match no certificate that was seen"),
        ("dane-anchor-expired", mx("expired"), "problem", "dane", "no TLSA record matches"),
        ("dane-notls", mx("notls"), "problem", "dane", "no STARTTLS"),
        ("dane-unsigned", "@ MX 10 host.plain.", "warning", "dane", "without DNSSEC"),
        ("dane.plain", "", "warning", "dane", "MX records are not signed"),
        ("dane-servfail", mx("nobanner"), "problem", "dane", "cannot be looked up"),
        # MTA-STS
        ("sts-id", STS.replace("id=1", "id=a-b"), "problem", "mta-sts", "letters and digits"),
        ("sts-noid", "_mta-sts.@ TXT \"v=STSv1;\"", "problem", "mta-sts", "missing"),
        ("sts-longid", "_mta-sts.@ TXT \"v=STSv1; id=%s;\"" % ("a" * 33), "problem", "mta-sts", "1 to 32 letters"),
        ("sts-twice-id", "_mta-sts.@ TXT \"v=STSv1; id=1; id=2;\"", "problem", "mta-sts", "there twice"),
        ("sts-500", STS, "problem", "mta-sts", "answers 500"),
        ("sts-nomx", STS, "problem", "mta-sts", "\"mx\": missing"),
        ("sts-nomode", STS, "problem", "mta-sts", "\"mode\": missing"),
        ("sts-noage", STS, "problem", "mta-sts", "\"max_age\": missing"),
        ("sts-noversion", STS, "problem", "mta-sts", "\"version\": missing"),
        ("sts-age", STS, "problem", "mta-sts", "31557600"),
        ("sts-pattern", STS, "problem", "mta-sts", "not a host name or *.domain"),
        ("sts-prose", STS, "problem", "mta-sts", "not key: value"),
        ("sts-two", "_mta-sts.@ TXT \"v=STSv1; id=1;\"\n_mta-sts.@ TXT \"v=STSv1; id=2;\"", "problem", "mta-sts", "2 records"),
        ("sts-nohost", "_mta-sts.@ TXT \"v=STSv1; id=1;\"\n-A mta-sts.@", "problem", "mta-sts", "not found"),
        ("sts-404", STS, "problem", "mta-sts", "answers 404"),
        ("sts-redirect", STS, "problem", "mta-sts", "answers 301"),
        ("sts-badcert", STS, "problem", "mta-sts", "another name"),
        ("sts-closed", STS.replace(".80", ".%d" % HOSTS["closed"]), "problem", "mta-sts", "refused"),
        ("sts-mismatch", STS, "problem", "mta-sts", "does not name a.mx.lab"),
        ("sts-testing-mismatch", STS, "warning", "mta-sts", "does not name a.mx.lab"),
        ("sts-none", STS, "note", "mta-sts", "mode none"),
        ("sts-html", STS, "problem", "mta-sts", "text/html"),
        ("sts-mode", STS, "problem", "mta-sts", "not a mode"),
        ("sts-short", STS, "warning", "mta-sts", "600 seconds"),
        ("sts-large", STS, "problem", "mta-sts", "too large"),
        ("sts-untrusted", STS + "\n" + mx("selfsigned"), "problem", "mta-sts", "not trusted"),
        ("sts-notls", STS + "\n" + mx("notls"), "problem", "mta-sts", "there is no TLS"),
        ("sts-unused", STS, "note", "mta-sts", "old.mx.lab"),
        # TLS reports
        ("rpt-bad", "_smtp._tls.@ TXT \"v=TLSRPTv1; rua=nobody\"", "problem", "tls-rpt", "not a list"),
        ("rpt-alike", "_smtp._tls.@ TXT \"V=TLSRPTv1; rua=mailto:a@b.lab\"", "warning", "tls-rpt", "does not begin with v=TLSRPTv1"),
        ("rpt-two", "_smtp._tls.@ TXT \"v=TLSRPTv1; rua=mailto:a@b.lab\"\n_smtp._tls.@ TXT \"v=TLSRPTv1; rua=mailto:c@b.lab\"", "problem",
         "tls-rpt", "2 records"),
        ("rpt-empty", "_smtp._tls.@ TXT \"v=TLSRPTv1; rua=\"", "problem", "tls-rpt", "nobody is named"),
        ("rpt-norua", "_smtp._tls.@ TXT \"v=TLSRPTv1;\"", "problem", "tls-rpt", "missing"),
        ("rpt-http", "_smtp._tls.@ TXT \"v=TLSRPTv1; rua=http://a.lab/\"", "problem", "tls-rpt", "not a list"),
        # SPF
        ("spf-none", "-TXT @", "warning", "spf", "no record"),
        ("spf-alike", "@ TXT " + txt("v=spf1; a -all"), "warning", "spf", "does not begin with v=spf1"),
        ("spf-two", spf("-all") + "\n" + spf("~all"), "problem", "spf", "2 SPF records"),
        ("spf-syntax", spf("ipv4:192.0.2.1 -all"), "problem", "spf", "ipv4:192.0.2.1"),
        ("spf-lookups", spf(" ".join("include:i%d.@" % i for i in range(11)) + " -all") + "\n" + includes, "problem", "spf", "11 lookups"),
        ("spf-voids", spf("a:n1.@ a:n2.@ a:n3.@ -all"), "problem", "spf", "3 lookups find nothing"),
        ("spf-plus", spf("+all"), "problem", "spf", "+all"),
        ("spf-end", spf("ip4:198.51.100.10"), "warning", "spf", "no all"),
        ("spf-neutral", spf("?all"), "warning", "spf", "?all says nothing"),
        ("spf-ptr", spf("ptr -all"), "warning", "spf", "uses ptr"),
        ("spf-loop", spf("include:@ -all"), "problem", "spf", "lookups"),
        ("spf-include", spf("include:none.@ -all"), "problem", "spf", "has no SPF record"),
        ("spf-lame", spf("include:x.lame -all"), "warning", "spf", "cannot be looked up now"),
        ("spf-open-quarters", spf("ip4:0.0.0.0/2 ip4:64.0.0.0/2 ip4:128.0.0.0/2 ip4:192.0.0.0/2 -all"), "problem", "spf", "everybody may send"),
        ("spf-open-v6", spf("ip4:198.51.100.10 ip6:::/0 -all"), "problem", "spf", "everybody may send for this domain over IPv6"),
        ("spf-open-mx", spf("mx/0 -all"), "problem", "spf", "everybody may send"),
        ("spf-open-redirect", spf("redirect=open.@") + "\nopen.@ TXT \"v=spf1 +all\"", "problem", "spf", "+all"),
        ("spf-open-deep", spf("include:a.@ -all") + "\na.@ TXT \"v=spf1 include:b.@ -all\"\nb.@ TXT \"v=spf1 +all\"", "problem", "spf", "everybody may send"),
        ("spf-equals-a", spf("a=x.lab ip4:198.51.100.10 -all"), "warning", "spf", "a=x.lab counts for nothing"),
        ("spf-equals-include", spf("include=x.lab ip4:198.51.100.10 -all"), "warning", "spf", "include=x.lab counts for nothing"),
        ("spf-version-twice", spf("v=spf1 ip4:198.51.100.10 -all"), "warning", "spf", "v=spf1 counts for nothing"),
        ("spf-cidr", spf("ip4:198.51.100.10/33 -all"), "problem", "spf", "ip4:198.51.100.10/33"),
        ("spf-address", spf("ip4:198.51.100 -all"), "problem", "spf", "ip4:198.51.100"),
        ("spf-family", spf("ip4:2001:db8::1 -all"), "problem", "spf", "ip4:2001:db8::1"),
        ("spf-word", spf("everybody -all"), "problem", "spf", "everybody"),
        ("spf-macro", spf("exists:%{z}.@ -all"), "problem", "spf", "%{z}"),
        ("spf-macro-zero", spf("exists:%{d0}.@ -all"), "problem", "spf", "%{d0}"),
        ("spf-redirect-none", spf("redirect=none.@"), "problem", "spf", "has no SPF record"),
        ("spf-redirect-two", spf("redirect=a.@ redirect=b.@"), "problem", "spf", "redirect"),
        ("spf-include-two", spf("include:t.@ -all") + "\nt.@ TXT \"v=spf1 -all\"\nt.@ TXT \"v=spf1 ~all\"", "problem", "spf", "t.spf-include-two.lab has 2 SPF records"),
        ("spf-include-syntax", spf("include:t.@ -all") + "\nt.@ TXT \"v=spf1 ip4:x -all\"", "problem", "spf", "ip4:x"),
        ("spf-circle", spf("include:t.@ -all") + "\nt.@ TXT \"v=spf1 include:@ -all\"".replace(":@", ":spf-circle.lab"), "problem", "spf", "lookups"),
        ("spf-tab", "@ TXT \"v=spf1\\009-all\"", "warning", "spf", "behind v=spf1 is the byte 0x09"),
        ("spf-fail", spf("ip4:192.0.2.0/24 -all exp=why.@") + "\nwhy.@ TXT \"%{i} is not ours\"", "problem", "spf",
         "198.51.100.10: fail, -all: 198.51.100.10 is not ours"),
        ("spf-soft", spf("mx:other.@ ~all") + "\nother.@ MX 10 listed.mx.lab.", "warning", "spf", "198.51.100.10: softfail"),
        ("spf-sender", spf("exists:%{l}.%{o}._spf.@ -all") + "\nalice.spf-sender.lab._spf.@ A 127.0.0.2\nalice.far.lab._spf.@ A 127.0.0.2",
         "problem", "spf", "198.51.100.10: fail, -all"),
        ("spf-mxmany", spf("mx:many.@ -all") + "".join("\nmany.@ MX %d m%d.@" % (i, i) for i in range(11)), "problem", "spf", "more than 10 hosts"),
        ("spf-open-include", spf("include:open.@ -all") + "\nopen.@ TXT \"v=spf1 +all\"", "problem", "spf", "everybody may send"),
        ("spf-open-zero", spf("ip4:198.51.100.10/0 -all"), "problem", "spf", "everybody may send for this domain over IPv4"),
        ("spf-open-halves", spf("ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all"), "problem", "spf", "ip4:128.0.0.0/1: everybody may send"),
        ("spf-open-a", spf("a:a.mx.lab/0 -all"), "problem", "spf", "everybody may send"),
        ("spf-open-exists", spf("exists:a.mx.lab -all"), "problem", "spf", "everybody may send"),
        ("spf-half", spf("ip4:128.0.0.0/1 -all"), "warning", "spf", "a large part of the Internet"),
        ("spf-redirect", spf("ip4:198.51.100.10 -all redirect=x.@"), "warning", "spf", "never followed"),
        ("spf-behind", spf("ip4:198.51.100.10 -all a"), "warning", "spf", "nothing behind all"),
        ("spf-equals", spf("ip4=192.0.2.1 ip4:198.51.100.10 -all"), "warning", "spf", "ip4=192.0.2.1 counts for nothing"),
        ("spf-long", spf("ip4:198.51.100.10 " + "ip4:192.0.2.1 " * 32 + "-all"), "note", "spf", "is long"),
        # what it is for
        ("null-sends", "@ MX 0 .\n" + spf("ip4:198.51.100.10 -all"), "warning", "parked", "null MX, but SPF lets somebody send"),
        ("null-plus", "@ MX 0 .\n" + spf("+all"), "warning", "parked", "null MX, but SPF lets somebody send"),
        ("null-include", "@ MX 0 .\n" + spf("include:i.@ -all") + "\ni.@ TXT \"v=spf1 ip4:198.51.100.10 -all\"", "warning", "parked", "lets somebody send"),
        ("null-exists", "@ MX 0 .\n" + spf("exists:%{i}.@ -all"), "warning", "parked", "lets somebody send"),
        ("null-reports", "@ MX 0 .", "warning", "dmarc", "null-reports.lab, which takes no mail"),
        ("null-tlsrpt", "@ MX 0 .", "warning", "tls-rpt", "null-tlsrpt.lab, which takes no mail"),
        ("dot-missing", "@ MX 10 mx.@.@\nmx.dot-missing.lab.dot-missing.lab.lab2 A 192.0.2.1".replace(".@.@", ".dot-missing.lab.dot-missing.lab."), "warning", "mx",
         "has the domain in it twice"),
        # the wrong place
        ("apex-dmarc", "@ TXT " + txt("v=DMARC1; p=reject") + "\n@ TXT " + txt("v=spf1 ip4:198.51.100.10 -all"), "warning", "dmarc", "stands at apex-dmarc.lab itself"),
        ("apex-sts", "@ TXT " + txt("v=STSv1; id=1") + "\n@ TXT " + txt("v=spf1 ip4:198.51.100.10 -all"), "warning", "mta-sts", "stands at apex-sts.lab itself"),
        ("apex-rpt", "@ TXT " + txt("v=TLSRPTv1; rua=mailto:t@@") + "\n@ TXT " + txt("v=spf1 ip4:198.51.100.10 -all"), "warning", "tls-rpt", "stands at apex-rpt.lab itself"),
        ("apex-bimi", "@ TXT " + txt("v=BIMI1; l=") + "\n@ TXT " + txt("v=spf1 ip4:198.51.100.10 -all"), "warning", "bimi", "stands at apex-bimi.lab itself"),
        ("twice-dmarc", "-TXT _dmarc.@\n_dmarc.twice-dmarc.lab.@ TXT " + txt("v=DMARC1; p=reject"), "warning", "dmarc", "stands at _dmarc.twice-dmarc.lab.twice-dmarc.lab"),
        ("twice-rpt", "-TXT _smtp._tls.@\n_smtp._tls.twice-rpt.lab.@ TXT " + txt("v=TLSRPTv1; rua=mailto:t@@"), "warning", "tls-rpt", "stands at _smtp._tls.twice-rpt.lab.twice"),
        ("twice-sts", "_mta-sts.twice-sts.lab.@ TXT " + txt("v=STSv1; id=1"), "warning", "mta-sts", "stands at _mta-sts.twice-sts.lab.twice"),
        ("twice-bimi", "default._bimi.twice-bimi.lab.@ TXT " + txt("v=BIMI1; l="), "warning", "bimi", "stands at default._bimi.twice-bimi.lab.twice"),
        ("sts-norecord", "mta-sts.@ A 198.51.100.80", "warning", "mta-sts", "a policy at https://mta-sts.sts-norecord.lab, but no record"),
        # CAA
        ("caa-nobody", OWN_HOST + "\nm.@ CAA 0 issue \";\"", "note", "caa", "nobody may issue"),
        ("caa-unknown", OWN_HOST + "\nm.@ CAA 0 isue \"ca.lab\"", "note", "caa", "nobody knows: isue"),
        ("caa-critical", OWN_HOST + "\nm.@ CAA 128 policy \"1\"", "warning", "caa", "critical, so nobody issues: policy"),
        ("caa-above", OWN_HOST + "\n@ CAA 128 policy \"1\"", "warning", "caa", "of caa-above.lab has a tag"),
        # DMARC
        ("dmarc-none", "-TXT _dmarc.@", "note", "dmarc", "no record"),
        ("dmarc-alike", "_dmarc.@ TXT " + txt("v=dmarc1; p=reject"), "warning", "dmarc", "\"v=dmarc1; p=reject\" does not begin with v=DMARC1"),
        ("dmarc-try", dmarc("p=reject; t=y; rua=mailto:d@@"), "note", "dmarc", "t=y"),
        ("dmarc-np", dmarc("p=reject; np=none; rua=mailto:d@@"), "warning", "dmarc", "np=none"),
        ("dmarc-psd", dmarc("p=reject; psd=yes; rua=mailto:d@@"), "warning", "dmarc", "psd=yes"),
        ("dmarc-two", dmarc("p=none") + "\n" + dmarc("p=reject"), "problem", "dmarc", "2 records"),
        ("dmarc-p", dmarc("p=refuse"), "problem", "dmarc", "p=refuse"),
        ("dmarc-nop", dmarc("rua=mailto:d@@"), "warning", "dmarc", "no valid p="),
        ("dmarc-capital", dmarc("P=reject"), "problem", "dmarc", "names of tags are small letters"),
        ("dmarc-capital-sp", dmarc("p=reject; SP=none; rua=mailto:d@@"), "warning", "dmarc", "names of tags are small letters"),
        ("dmarc-weak", dmarc("p=none; rua=mailto:d@@"), "note", "dmarc", "p=none"),
        ("dmarc-pct", dmarc("p=reject; pct=20; rua=mailto:d@@"), "note", "dmarc", "20%"),
        ("dmarc-sp", dmarc("p=reject; sp=none; rua=mailto:d@@"), "warning", "dmarc", "sp=none"),
        ("dmarc-rua", dmarc("p=reject"), "note", "dmarc", "no reports"),
        ("dmarc-uri", dmarc("p=reject; rua=reports@b.lab"), "warning", "dmarc", "not a mailto:"),
        ("dmarc-two", dmarc("p=reject") + "\n" + dmarc("p=none"), "problem", "dmarc", "2 records"),
        ("dmarc-p-rua", dmarc("p=sometimes; rua=mailto:d@@"), "warning", "dmarc", "no valid p="),
        ("dmarc-p-alone", dmarc("p=sometimes"), "problem", "dmarc", "p=sometimes"),
        ("dmarc-sp-bad", dmarc("p=reject; sp=all; rua=mailto:d@@"), "warning", "dmarc", "sp=all"),
        ("dmarc-np", dmarc("p=reject; np=none; rua=mailto:d@@"), "warning", "dmarc", "np=none"),
        ("dmarc-rf", dmarc("p=reject; rf=afrf; rua=mailto:d@@"), "note", "dmarc", "rf= is not read"),
        ("dmarc-aspf", dmarc("p=reject; aspf=x; rua=mailto:d@@"), "warning", "dmarc", "aspf=x"),
        ("dmarc-twice", dmarc("p=reject; p=none; rua=mailto:d@@"), "warning", "dmarc", "there twice"),
        ("dmarc-size", dmarc("p=reject; rua=mailto:d@@!10x"), "warning", "dmarc", "not a mailto:"),
        ("dmarc-novalue", dmarc("p=reject; rua=mailto:d@@; reject"), "warning", "dmarc", "not name=value"),
        ("dmarc-ruf", dmarc("p=reject; rua=mailto:d@@; ruf=mailto:r@reports.net"), "warning", "dmarc", "reports.net does not agree"),
        ("dmarc-blank", dmarc("p=reject; rua=mailto: d@@"), "warning", "dmarc", "not a mailto:"),
        ("dmarc-version", "_dmarc.@ TXT " + txt("v=DMARC12; p=reject"), "warning", "dmarc", "does not begin with v=DMARC1;"),
        ("dmarc-fo", dmarc("p=reject; fo=2; rua=mailto:d@@"), "warning", "dmarc", "fo=2"),
        ("dmarc-adkim", dmarc("p=none; adkim=x; rua=mailto:d@@"), "note", "dmarc", "p=none: forged"),
        ("dmarc-unknown", dmarc("p=reject; ruaa=x; rua=mailto:d@@"), "note", "dmarc", "nobody knows"),
        ("dmarc-ri", dmarc("p=reject; ri=3600; rua=mailto:d@@"), "note", "dmarc", "ri= is not read"),
        ("dmarc-deaf", dmarc("p=reject; rua=mailto:d@deaf.@"), "warning", "dmarc", "deaf.dmarc-deaf.lab, which does not exist"),
        ("dmarc-deaf-null", dmarc("p=reject; rua=mailto:d@n.@") + "\nn.@ MX 0 .", "warning", "dmarc", "n.dmarc-deaf-null.lab, which takes no mail"),
        ("dmarc-deaf-ruf", dmarc("p=reject; rua=mailto:d@@; ruf=mailto:d@n.@") + "\nn.@ TXT hello", "warning", "dmarc", "which has no MX record and no address"),
        ("rpt-deaf", "_smtp._tls.@ TXT \"v=TLSRPTv1; rua=mailto:t@gone.@\"", "warning", "tls-rpt", "gone.rpt-deaf.lab, which does not exist"),
        ("dmarc-external", dmarc("p=reject; rua=mailto:r@collector.net.lab2"), "warning", "dmarc", "does not agree"),
        # DKIM
        ("dkim-none", "-TXT s1._domainkey.@", "problem", "dkim", "no key"),
        ("dkim-two", dkim("v=DKIM1; p=" + good) + "\n" + dkim("v=DKIM1; p="), "problem", "dkim", "more than one"),
        ("dkim-nop", dkim("v=DKIM1; k=rsa"), "problem", "dkim", "missing"),
        ("dkim-version", dkim("v=DKIM2; p=" + good), "problem", "dkim", "not the version"),
        ("dkim-late", dkim("k=rsa; v=DKIM1; p=" + good), "problem", "dkim", "not the version"),
        ("dkim-twice", dkim("v=DKIM1; p=" + good + "; p="), "problem", "dkim", "there twice"),
        ("dkim-dsa", dkim("v=DKIM1; k=dsa; p=" + good), "problem", "dkim", "k=dsa"),
        ("dkim-768", dkim("v=DKIM1; p=" + rsa(768)), "problem", "dkim", "RSA 768"),
        ("dkim-short-ed", dkim("v=DKIM1; k=ed25519; p=AAAA"), "problem", "dkim", "not a public key"),
        ("dkim-revoked", dkim("v=DKIM1; p="), "warning", "dkim", "revoked"),
        ("dkim-1024", dkim("v=DKIM1; p=" + rsa(1024)), "warning", "dkim", "RSA 1024"),
        ("dkim-512", dkim("v=DKIM1; p=" + rsa(512)), "problem", "dkim", "RSA 512"),
        ("dkim-testing", dkim("v=DKIM1; t=y; p=" + good), "note", "dkim", "for testing"),
        ("dkim-sha1", dkim("v=DKIM1; h=sha1; p=" + good), "problem", "dkim", "h=sha1"),
        ("dkim-service", dkim("v=DKIM1; s=other; p=" + good), "problem", "dkim", "s=other: the key is not for mail"),
        ("dkim-base64", dkim("v=DKIM1; p=%%%"), "problem", "dkim", "not base64"),
        ("dkim-kind", dkim("v=DKIM1; k=ed25519; p=" + good), "problem", "dkim", "not a public key"),
        # BIMI
        ("bimi-http", "default._bimi.@ TXT \"v=BIMI1; l=http://x.lab/a.svg\"", "problem", "bimi", "not an https"),
        ("bimi-two", "default._bimi.@ TXT \"v=BIMI1; l=\"\ndefault._bimi.@ TXT \"v=BIMI1; l=;\"", "problem", "bimi", "2 records"),
        ("bimi-nol", "default._bimi.@ TXT \"v=BIMI1; a=https://x.lab/a.pem\"", "problem", "bimi", "missing"),
        ("bimi-avp", "default._bimi.@ TXT \"v=BIMI1; l=; avp=nobody\"", "problem", "bimi", "avp=nobody"),
        ("bimi-vmc-http", "default._bimi.@ TXT \"v=BIMI1; l=https://x.lab/a.svg; a=http://x.lab/a.pem\"", "problem", "bimi", "not an https"),
        ("bimi-png", "default._bimi.@ TXT \"v=BIMI1; l=https://x.lab/a.png\"", "warning", "bimi", "no .svg"),
        ("bimi-dmarc", "default._bimi.@ TXT \"v=BIMI1; l=https://x.lab/a.svg\"\n" + dmarc("p=none"), "warning", "bimi", "not enforced"),
        ("bimi-vmc", "default._bimi.@ TXT \"v=BIMI1; l=https://x.lab/a.svg\"", "note", "bimi", "no mark certificate"),
        # block lists
        ("dnsbl-listed", mx("listed"), "problem", "dnsbl", "listed in bl.lab as 127.0.0.2: spam was seen"),
        ("dnsbl-error", mx("asked"), "note", "dnsbl", "127.255.255.254: an error"),
        ("dnsbl-odd", mx("odd"), "warning", "dnsbl", "no block list"),
        ("dnsbl-name", "", "problem", "dnsbl", "dnsbl-name.lab is listed in names.lab as 127.0.1.2: bad name"),
        ("dnsbl-name-error", "", "note", "dnsbl", "127.255.255.252: an error"),
        ("dnsbl-host-name", mx("xclient"), "problem", "dnsbl", "xclient.mx.lab is listed in names.lab"),
    ]


def of_deep():
    """What --deep finds: (host, verdict, check, text)."""
    return [("static", "note", "ciphers", "without forward secrecy are taken: "), ("static", "note", "ciphers", "AES128-SHA"),
            ("anonymous", "note", "ciphers", "without a certificate are taken: AECDH-AES128-SHA"), ("null", "warning", "ciphers", "hide nothing are taken: ECDHE-"),
            ("injection", "problem", "injection", "what stands behind STARTTLS in clear is answered under TLS"),
            ("turns", "note", "certificate", "another certificate was seen on "), ("turns-expired", "problem", "expiry", "the other certificate expired 3 days ago"),
            ("turns-soon", "warning", "expiry", "the other certificate expires in 9 days"), ("turns-name", "warning", "name", "the other certificate is for elsewhere.lab"),
            ("turns-private", "warning", "trust", "other certificate not trusted"), ("turns-dane", "problem", "dane", "no TLSA record matches the certificate that some connections get"),
            ("sometimes", "warning", "tls", "STARTTLS is offered only sometimes: "), ("seldom", "warning", "tls", "STARTTLS is offered only sometimes: ")]


def of_lists():
    """Lists that are none: (list, option, verdict, text)."""
    return [("gone.bl", "--dnsbl", "warning", "gone.bl does not exist"), ("empty.lab", "--dnsbl", "warning", "empty.lab has no test entry"),
            ("all.lab", "--dnsbl", "warning", "all.lab lists everything"), ("empty.lab", "--name-list", "warning", "empty.lab has no test entry"),
            ("allnames.lab", "--name-list", "warning", "allnames.lab lists everything"), ("gone.bl", "--name-list", "warning", "gone.bl does not exist"),
            ("wild.lab", "--dnsbl", "warning", "wild.lab answers 192.0.2.9"), ("x.lame", "--dnsbl", "note", "does not answer")]


def of_parked():
    """Domains that are to be parked: (name, records, text)."""
    shut = "@ MX 0 .\n" + spf("-all") + "\n"
    return [("parked-mx", spf("-all"), "parked, but it takes mail"), ("parked-none", "-MX @\n@ A 198.51.100.10\n" + spf("-all"), "parked, but it takes mail"),
            ("parked-spf", "@ MX 0 .", "null MX, but SPF lets somebody send"), ("parked-nospf", "@ MX 0 .\n-TXT @", "SPF does not forbid all mail"),
            ("parked-soft", "@ MX 0 .\n" + spf("~all"), "SPF does not forbid all mail"), ("parked-open", "@ MX 0 .\n" + spf("?all"), "SPF does not forbid all mail"),
            ("parked-dmarc", shut + "-TXT _dmarc.@", "DMARC does not have forged mail refused"),
            ("parked-p-none", shut + dmarc("p=none"), "DMARC does not have forged mail refused"),
            ("parked-sp", shut + dmarc("p=reject; sp=none"), "DMARC does not have forged mail refused"),
            ("parked-pct", shut + dmarc("p=reject; pct=10"), "DMARC does not have forged mail refused"),
            ("parked-t", shut + dmarc("p=reject; t=y"), "DMARC does not have forged mail refused")]


def zone_of(name, lines, key):
    """The records of a domain: clean ones, but for what the lines say."""
    domain = name if "." in name else name + ".lab"
    clean = ["@ MX 10 a.mx.lab.", spf("ip4:198.51.100.10 -all"), dmarc("p=reject; rua=mailto:d@@"), dkim("v=DKIM1; p=" + key),
             "_smtp._tls.@ TXT \"v=TLSRPTv1; rua=mailto:t@@\""]
    replaced = set()
    for line in lines.splitlines():
        owner, kind = line.split()[:2]
        replaced.add((kind, owner[1:]) if owner.startswith("-") else (owner, kind))
    if ("@", "ALL") in replaced:
        return "\n".join(line.replace("+", domain + ".", 1) if line.startswith("+") else line.replace(" ", ". ", 1) for line in lines.splitlines()[1:])
    keep = [c for c in clean if tuple(c.split()[:2]) not in replaced]
    out = []
    for line in keep + [x for x in lines.splitlines() if not x.startswith("-")]:
        owner, kind, data = line.split(None, 2)
        owner = owner.replace("@", domain) + "."
        if kind in ("DELEGATED", "SIGNED", "STALE"):
            continue
        if kind == "TXT":
            data = re.sub(r"(?<=[:.])@(?=\s|$)", domain, data.strip('"').replace("@@", "@" + domain))
            data = '"%s"' % data if "\\" in data else " ".join('"%s"' % data[i:i + 200] for i in range(0, len(data), 200))
        else:
            data = data.replace(".@", ".%s." % domain)
        out.append("%s %s %s" % (owner, kind, data))
    return "\n".join(out)


class Certificates:
    """An authority, one below it, and what they issue; validity as days from now."""

    def __init__(self, folder):
        self.dir = str(folder)
        os.makedirs(self.dir, exist_ok=True)
        self.root("ca", "Lab CA")
        self.root("private", "Private CA")
        self.issue("between", "Lab Between", "ca", ca=True)

    def openssl(self, *args):
        subprocess.run(["openssl", *args], cwd=self.dir, check=True, capture_output=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def read(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def root(self, name, subject, names=None):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "300", "-keyout", name + ".key",
                     "-out", name + ".pem", "-subj", "/CN=" + subject, *(["-addext", "subjectAltName=" + names] if names else []))

    def issue(self, name, subject, by="between", names=None, start=-2, end=200, ca=False, bits=None):
        """NAME.pem: the certificate and those above it; NAME.key."""
        kind = ["rsa:%d" % bits] if bits else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        self.openssl("req", "-newkey", *kind, "-nodes", "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=" + subject)
        ext = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n" if ca else "subjectAltName=%s\n" % (names or "DNS:" + subject)
        stamp = ["%s" % time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 86400 * days)) for days in (start, end)]
        for path, text in ((name + ".ext", ext), ("index." + name, ""), ("serial." + name, "%04x\n" % (len(os.listdir(self.dir)) + 256)),
                           ("conf." + name, "[ca]\ndefault_ca=x\n[x]\ndatabase=index.%s\nserial=serial.%s\nnew_certs_dir=.\npolicy=p\n"
                                            "default_md=sha256\n[p]\ncommonName=supplied\n" % (name, name))):
            with open(self.path(path), "w") as f:
                f.write(text)
        self.openssl("ca", "-batch", "-notext", "-config", "conf." + name, "-in", name + ".csr", "-cert", by + ".pem", "-keyfile", by + ".key",
                     "-out", name + ".leaf", "-extfile", name + ".ext", "-startdate", stamp[0], "-enddate", stamp[1])
        with open(self.path(name + ".pem"), "w") as f:
            f.write(self.read(name + ".leaf") + (self.read(by + ".pem") if by == "between" else ""))


def tlsa(usage, selector, matching, path):
    """The data of a TLSA record for a certificate."""
    if selector:
        data = base64.b64decode(spki(path))
    else:
        data = subprocess.run(["openssl", "x509", "-in", path, "-outform", "DER"], check=True, capture_output=True).stdout
    if matching:
        data = (hashlib.sha256 if matching == 1 else hashlib.sha512)(data).digest()
    return "%d %d %d %s" % (usage, selector, matching, data.hex())
