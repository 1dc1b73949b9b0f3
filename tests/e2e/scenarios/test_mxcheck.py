"""mxcheck against a world of its own: a signed root zone, a validating resolver, a real Postfix, and every fault of faults.py."""
import concurrent.futures
import contextlib
import itertools
import json
import os
import re
import socket
import ssl
import threading
import time

import pytest

from faults import CLIENT, HOSTS, NAMES, POLICIES, Certificates, of_deep, of_lists, of_parked, rows, rsa, tlsa, zone_of
from lab import RELAYBOX, ROOT, SLOW, wait
from test_spf import JUDGES

ADDRESS = "198.51.100.%d"
pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion")  # the old ones are what is looked for
CHUNKED = ("good",)  # policies that are served in chunks


class Server(threading.Thread):
    """A mail server that may be odd. tls: a context; None: not offered."""

    def __init__(self, host, address, name, tls=None, greeting="220 %s ESMTP", delay=0, hello=None, words=("PIPELINING", "SIZE 10000000"),
                 starttls="220 2.0.0 go", garbage=False, refuses=False, reads_on=False, offers=lambda turn: True):
        super().__init__(daemon=True)
        self.name_, self.tls, self.delay, self.words, self.starttls, self.garbage = name, tls, delay, words, starttls, garbage
        self.refuses, self.reads_on, self.offers, self.turn = refuses, reads_on, offers, 0
        self.greeting = greeting and (greeting % name if "%s" in greeting else greeting)
        self.hello = hello or name
        with host.network():
            self.listener = socket.create_server((address, 25), backlog=128)
        self.ended = threading.Event()
        self.start()

    def run(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        with contextlib.suppress(OSError, ssl.SSLError), conn:
            self.talk(conn)

    def talk(self, conn):
        conn.settimeout(120)
        if self.ended.wait(self.delay) or self.greeting is None:
            self.ended.wait(600)
            return
        if self.greeting == "":
            return
        conn.sendall(self.greeting.encode() + b"\r\n")
        secure, pending = False, b""
        self.turn += 1
        offers = self.offers(self.turn)
        while True:
            while b"\r\n" not in pending:
                got = conn.recv(4096)
                if not got:
                    return
                pending += got
            line, pending = pending.split(b"\r\n", 1)
            verb = line.split()[0].upper() if line.split() else b""
            if verb == b"EHLO" and self.words is None:
                conn.sendall(b"502 5.5.2 what?\r\n")
            elif verb in (b"EHLO", b"HELO") and self.refuses:
                conn.sendall((self.refuses if isinstance(self.refuses, str) else "550 5.7.1 who are you?").encode() + b"\r\n")
            elif verb in (b"EHLO", b"HELO"):
                lines = [self.hello]
                if verb == b"EHLO":
                    lines += list(self.words) + (["STARTTLS"] if self.tls and not secure and offers else [])
                conn.sendall("".join("250%s%s\r\n" % ("-" if i + 1 < len(lines) else " ", x) for i, x in enumerate(lines)).encode())
            elif verb == b"STARTTLS":
                conn.sendall(self.starttls.encode() + b"\r\n")
                if self.garbage:
                    conn.recv(4096)
                    conn.sendall(b"this is not TLS at all\r\n")
                elif self.starttls.startswith("220"):
                    conn, secure = self.tls.wrap_socket(conn, server_side=True), True
                    pending = pending if self.reads_on else b""
            elif verb == b"QUIT":
                conn.sendall(b"221 2.0.0 bye\r\n")
                return
            else:
                conn.sendall(b"502 5.5.2 no\r\n")

    def close(self):
        self.ended.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Https(threading.Thread):
    """The policies, by the host name that is asked for."""

    def __init__(self, host, address, cert, key, wrong):
        super().__init__(daemon=True)
        self.context = self.load(cert, key)
        other = self.load(*wrong)

        def choose(sock, name, context):
            if name == "mta-sts.sts-badcert.lab":
                sock.context = other
        self.context.sni_callback = choose
        with host.network():
            self.listener = socket.create_server((address, 443), backlog=128)
        self.start()

    @staticmethod
    def load(cert, key):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(cert, key)
        return c

    def run(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, raw):
        with contextlib.suppress(OSError, ssl.SSLError), self.context.wrap_socket(raw, server_side=True) as conn:
            request = b""
            while b"\r\n\r\n" not in request:
                got = conn.recv(4096)
                if not got:
                    return
                request += got
            assert request.startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\n")
            name = re.search(rb"Host: mta-sts\.([^.]*)\.", request).group(1).decode()
            status, kind, body = POLICIES[name]
            head = "HTTP/1.1 %d X\r\nContent-Type: %s\r\nLocation: https://x.lab/\r\n" % (status, kind)
            if name in CHUNKED:
                half = len(body) // 2
                conn.sendall((head + "Transfer-Encoding: chunked\r\n\r\n").encode())
                for piece in (body[:half], body[half:]):
                    conn.sendall(("%x\r\n%s\r\n" % (len(piece), piece)).encode())
                conn.sendall(b"0\r\n\r\n")
            else:
                conn.sendall((head + "Content-Length: %d\r\n\r\n%s" % (len(body), body)).encode())
            conn.unwrap()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def certificates(folder):
    c = Certificates(folder)
    # more names than are shown: the last one counts, too
    c.issue("any", "any.mx.lab", names=",".join("DNS:n%d.decoy.lab" % i for i in range(80)) + ",DNS:*.mx.lab")
    c.issue("a", "a.mx.lab")
    for name, start, end in (("expired", -30, -3), ("soon", -2, 10), ("verysoon", -2, 3), ("future", 2, 100)):
        c.issue(name, name + ".mx.lab", start=start, end=end)
    c.issue("wrongname", "elsewhere.lab")
    c.issue("private-ca", "private-ca.mx.lab", by="private")
    c.issue("weak", "weak.mx.lab", bits=1024)
    for name in ("selfsigned", "vouched"):
        c.root(name, name + ".mx.lab", "DNS:%s.mx.lab" % name)
    for name, start, end in (("expired", -30, -3), ("soon", -2, 10), ("future", 2, 100), ("name", -2, 200), ("weak", -2, 200), ("private", -2, 200), ("dane", -2, 200),
                             ("good", -2, 200)):
        c.issue("rsa-" + name, "elsewhere.lab" if name == "name" else "both-%s.mx.lab" % name, start=start, end=end, bits=1024 if name == "weak" else 2048,
                by="private" if name == "private" else "between", names="DNS:both.mx.lab" if name == "good" else None)
    c.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "300", "-keyout", "rsa-self.key", "-out", "rsa-self.pem", "-subj", "/CN=both-self.mx.lab",
              "-addext", "subjectAltName=DNS:both-self.mx.lab")
    c.openssl("req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "300", "-keyout", "edwards.key", "-out", "edwards.pem", "-subj", "/CN=edwards.mx.lab")
    for name, start, end in (("expired", -30, -3), ("soon", -2, 10), ("name", -2, 200), ("private", -2, 200), ("dane", -2, 200)):
        c.issue("turns-" + name, "elsewhere.lab" if name == "name" else "turns-%s.mx.lab" % name, start=start, end=end, by="private" if name == "private" else "between")
    c.issue("nosni-expired", "nosni-expired.mx.lab", start=-30, end=-3)
    c.issue("https", "mta-sts.lab", names=",".join("DNS:mta-sts.%s.lab" % name for name in POLICIES))
    return c


def servers(host, c):
    def tls(name="any", cert=None, **more):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(c.path(cert or name + ".pem"), c.path(name + ".key"))
        for key, value in more.items():
            setattr(context, key, value)
        return context
    def both(name):
        context = tls()
        context.load_cert_chain(c.path("rsa-%s.pem" % name), c.path("rsa-%s.key" % name))
        return context

    def unless_named(name):
        context = tls(name)
        context.sni_callback = lambda sock, said, _: setattr(sock, "context", good) if said else None
        return context

    def turns(name):
        """Two servers behind one address, each in its turn."""
        context, other, turn = tls(), tls(name), itertools.count()
        context.sni_callback = lambda sock, said, _: setattr(sock, "context", other) if next(turn) % 2 else None
        return context

    def only(ciphers, name="rsa-good"):
        context = tls(name)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers + ":@SECLEVEL=0")
        return context
    good = tls()
    odd = {
        "tls11only": dict(tls=tls(minimum_version=ssl.TLSVersion.TLSv1_1, maximum_version=ssl.TLSVersion.TLSv1_1)),
        "edwards": dict(tls=tls("edwards")),
        "starttls-421": dict(tls=good, starttls="421 4.7.0 not now"), "starttls-500": dict(tls=good, starttls="500 5.5.2 what?"),
        "ehlo-421": dict(refuses="421 4.7.0 too many"), "later": dict(greeting="450 4.7.1 come again"), "odd-greeting": dict(greeting="250 hello"),
        "plain-auth": dict(words=("AUTH PLAIN LOGIN",)), "literal-name": dict(tls=good, hello="[192.0.2.1]"), "polite": dict(tls=good, hello="Hello client.lab"),
        "sized": dict(tls=good, hello="250"), "longname": dict(tls=good, greeting="220 " + "x" * 200),
        "both": dict(tls=both("good")), "nosni-expired": dict(tls=unless_named("nosni-expired")), "nosni-name": dict(tls=unless_named("wrongname")),
        "turns": dict(tls=turns("a")),
        "static": dict(tls=only("ECDHE+AESGCM:AES128-SHA:AES256-GCM-SHA384")), "anonymous": dict(tls=only("ECDHE+AESGCM:AECDH-AES128-SHA")),
        "null": dict(tls=only("ECDHE+AESGCM:ECDHE-RSA-NULL-SHA")), "injection": dict(tls=good, reads_on=True),
        "sometimes": dict(tls=good, offers=lambda turn: turn % 2), "seldom": dict(tls=good, offers=lambda turn: turn > 3),
        "tarpit": dict(tls=good, delay=6), "silent": dict(greeting=None), "deny": dict(greeting="554 5.7.1 go away"),
        "busy": dict(greeting="421 4.3.2 later"), "ssh": dict(greeting="SSH-2.0-OpenSSH_9.2"), "drop": dict(greeting=""),
        "plaintext": dict(tls=good, starttls="454 4.7.0 not now"), "notls": dict(), "garbage": dict(tls=good, garbage=True),
        "tls10": dict(tls=tls(minimum_version=ssl.TLSVersion.TLSv1)), "tls11": dict(tls=tls(minimum_version=ssl.TLSVersion.TLSv1_1)),
        "helo-refused": dict(refuses=True), "oldtls": dict(tls=tls(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)),
        "nobanner": dict(tls=good, greeting="220 ESMTP"), "noname": dict(tls=good, hello="localhost"),
        "clearauth": dict(tls=good, words=("AUTH PLAIN LOGIN",)), "xclient": dict(tls=good, words=("XCLIENT NAME ADDR",)),
        "xforward": dict(tls=good, words=("XFORWARD NAME ADDR",)), "expn": dict(tls=good, words=("PIPELINING", "expn")),
        "turn": dict(tls=good, words=("TURN",)), "link2state": dict(tls=good, words=("X-LINK2STATE",)), "exch50": dict(tls=good, words=("XEXCH50",)),
        "cisco": dict(words=("SIZE 1000", "XXXXXXXA")), "stars": dict(tls=good, greeting="220 ****************************2******"),
        "othername": dict(tls=good, hello="a.mx.lab"), "dynname": dict(tls=good, hello="a.mx.lab"), "helo": dict(tls=None, words=None), "asked": dict(tls=good, hello="nobody.mx.lab"), "alone": dict(tls=tls("any", "any.leaf")),
    }
    odd.update({name: dict(tls=tls(name)) for name in ("expired", "soon", "verysoon", "future", "wrongname", "selfsigned", "vouched", "weak",
                                                  "private-ca")})
    odd.update({"turns-" + name: dict(tls=turns("turns-" + name)) for name in ("expired", "soon", "name", "private", "dane")})
    odd.update({"both-" + name: dict(tls=both(name)) for name in ("expired", "soon", "future", "name", "self", "weak", "private", "dane")})
    silent = ("closed", "filtered", "unreachable")
    made = [Server(host, ADDRESS % HOSTS[name], name + ".mx.lab", **odd.get(name, dict(tls=good))) for name in HOSTS if name not in silent]
    return made + [Https(host, "198.51.100.80", c.path("https.pem"), c.path("https.key"), (c.path("a.pem"), c.path("a.key")))]


def reverse(address):
    return ".".join(reversed(address.split("."))) + ".in-addr.arpa."


SOA = "$ORIGIN %s\n$TTL 300\n@ SOA ns. root. %d 60 60 8640000 60\n"
AT_NS2 = {"ns-serial": 2, "good": 1}  # serials
ALGORITHMS = {"5": "RSASHA1 -b 1024", "7": "RSASHA1-NSEC3-SHA1 -b 1024", "13": "ECDSAP256SHA256"}


def directives(records, word):
    return [line.split()[2:] for line in records.splitlines() if line.split()[1:2] == [word]]


def signing(name, records):
    """Shell lines that sign NAME's zone: "@ SIGNED algorithm from until [ds [nsec3 iterations]]", in days from now; the DS record goes to
    the file ds. "@ STALE from until" is what ns2 has instead; "none": no signatures."""
    now, script = time.time(), []
    for algorithm, start, until, *more in directives(records, "SIGNED"):
        ds = more[0] if more else "-2"
        nsec3 = "-n -t %s" % more[1] if more[1:] else "-n -t 0" if algorithm == "7" else ""
        script.append("k=$(ldns-keygen -a %s -k %s.lab)" % (ALGORITHMS[algorithm], name))
        for days, to in [((start, until), name + ".signed")] + [(stale, name + ".stale") for stale in directives(records, "STALE")]:
            if days[0] != "none":
                script.append("ldns-signzone %s -i %d -e %d -f %s %s $k" % (nsec3, *(now + 86400 * float(day) for day in days), to, name))
            else:
                script.append("cp %s %s" % (name, to))
        if ds != "none":
            script.append("ldns-key2ds -n %s $k.key >> ds" % ds)
    return script


def own_zones(table, key):
    """name -> (its delegation, its records), of the domains that have name servers of their own."""
    made = {}
    for name, records, *_ in table:
        lines = zone_of(name, records, key).splitlines()
        servers = [line for line in lines if line.split()[1] == "NS"]
        if servers:
            above = ["%s.lab. NS %s" % (name, *server) for server in directives(records, "DELEGATED")]
            made[name] = above or servers, [line for line in lines if line.split()[0].endswith(name + ".lab.")]
    return made


def root_zone(table, key, c, ds):
    lines = ["$ORIGIN .", "$TTL 300", ". SOA ns. root. 1 60 60 8640000 60", ". NS ns.", "ns. A 192.0.2.53", "ns2. A 192.0.2.54", "ns3. A 192.0.2.55",
             "ns2b. A 192.0.2.54", "private.ns. A 10.1.2.3", "alias.ns. CNAME ns2.",
             "deaf.ns. A %s" % (ADDRESS % HOSTS["filtered"]), ds, "a.mx.lab. A 198.51.100.10",
             reverse("198.51.100.10") + " PTR a.mx.lab.", "alias.mx.lab. CNAME a.mx.lab.", "second.mx.lab. CNAME alias.mx.lab.", "dangling.mx.lab. CNAME gone.mx.lab.", "private.mx.lab. A 10.1.2.3",
             "onlytxt.mx.lab. TXT hello", "lame. NS dead.ns.", "dead.ns. A %s" % (ADDRESS % HOSTS["closed"]), "plain. NS ns.",
             "bogus. NS ns.", "glued. NS a.glued.", "glued. NS b.glued.", "a.glued. A 192.0.2.54",
             "b.glued. A %s" % (ADDRESS % HOSTS["filtered"]),
             "bogus. DS 12345 13 2 %s" % ("ab" * 32), "bl.lab. TXT list"]
    for name, last in HOSTS.items():
        lines.append("%s.mx.lab. A %s" % (name, ADDRESS % last))
        ptr = NAMES.get(name, name + ".mx.lab.")
        ptr = ptr % last if "%" in ptr else ptr
        if name != "noptr":
            lines.append("%s PTR %s" % (reverse(ADDRESS % last), ptr))
        if ".isp.lab." in ptr:
            lines.append("%s A %s" % (ptr, ADDRESS % last))
    lines += ["2.0.0.127.bl.lab. A 127.0.0.2", "test.names.lab. A 127.0.1.2", "names.lab. TXT list", "dnsbl-name.lab.names.lab. A 127.0.1.2",
              "dnsbl-name.lab.names.lab. TXT \"bad name\"", "dnsbl-name-error.lab.names.lab. A 127.255.255.252", "xclient.mx.lab.names.lab. A 127.0.1.3",
              "empty.lab. TXT list", "*.all.lab. A 127.0.0.2", "*.allnames.lab. A 127.0.1.2", "*.wild.lab. A 192.0.2.9", "reports.net. MX 10 a.mx.lab."]
    for name, answer in (("listed", "127.0.0.2"), ("asked", "127.255.255.254"), ("odd", "192.0.2.9")):
        owner = reverse(ADDRESS % HOSTS[name]).replace("in-addr.arpa", "bl.lab")
        lines += ["%s A %s" % (owner, answer), "%s TXT \"spam was seen\"" % owner]
    zero = "00" * 32
    lines += ["_25._tcp.a.mx.lab. TLSA " + tlsa(3, 1, 1, c.path("a.pem")), "_25._tcp.a.mx.lab. TLSA " + tlsa(2, 1, 2, c.path("between.leaf")),
              "_25._tcp.vouched.mx.lab. TLSA " + tlsa(3, 0, 0, c.path("vouched.pem")), "_25._tcp.soon.mx.lab. TLSA 3 1 1 " + zero,
              "_25._tcp.d-selector.mx.lab. TLSA 3 2 1 " + zero, "_25._tcp.d-matching.mx.lab. TLSA 3 1 3 " + zero, "_25._tcp.d-usage0.mx.lab. TLSA 0 1 1 " + zero,
              "_25._tcp.d-512.mx.lab. TLSA 3 1 2 " + zero, "_25._tcp.d-anchor.mx.lab. TLSA 2 0 1 " + zero,
              "_25._tcp.turns-dane.mx.lab. TLSA " + tlsa(3, 1, 1, c.path("any.pem")),
              "_25._tcp.both-dane.mx.lab. TLSA " + tlsa(3, 1, 1, c.path("any.pem")), "_25._tcp.both.mx.lab. TLSA " + tlsa(3, 1, 1, c.path("any.pem")),
              "_25._tcp.both.mx.lab. TLSA " + tlsa(3, 1, 1, c.path("rsa-good.pem")),
              "_25._tcp.wrongptr.mx.lab. TLSA 1 1 1 " + zero, "_25._tcp.clearauth.mx.lab. TLSA 3 1 1 abcdef",
              "_25._tcp.listed.mx.lab. TLSA 3 1 1 " + zero, "_25._tcp.listed.mx.lab. TLSA " + tlsa(3, 1, 1, c.path("any.pem")),
              "_25._tcp.expired.mx.lab. TLSA " + tlsa(2, 1, 1, c.path("between.leaf")), "_25._tcp.notls.mx.lab. TLSA 3 1 1 " + zero,
              "_25._tcp.nobanner.mx.lab. NS dead.ns."]
    own = own_zones(table, key)
    for name, records, *_ in table:
        if not name.endswith((".plain", ".lame", ".bogus", ".glued")):
            above, inside = own.get(name, ([], []))
            lines += above + [line for line in zone_of(name, records, key).splitlines() if line not in inside]
    return "\n".join(lines) + "\n"


class Resolver(threading.Thread):
    """In the place of a name server: passes on what ns says, and is no authority for it."""

    def __init__(self, host):
        super().__init__(daemon=True)
        with host.network():
            self.socket, self.out = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self.socket.bind(("192.0.2.55", 53))
        self.out.connect(("192.0.2.53", 53))
        self.out.settimeout(2)
        self.start()

    def run(self):
        while True:
            query, peer = self.socket.recvfrom(4096)
            if not query:
                return
            with contextlib.suppress(OSError):
                self.out.send(query)
                answer = bytearray(self.out.recv(4096))
                answer[2] &= ~4
                self.socket.sendto(answer, peer)

    def close(self):
        self.out.sendto(b"", ("192.0.2.55", 53))


def needs_signed_zones(net):
    for tool in ("unbound", "ldns-signzone", "dig"):
        if net.ns.run("sh", "-c", "command -v " + tool, check=False).returncode:
            pytest.skip("%s is not installed" % tool)


def nsd(host, address, zones):
    # without a limit of its own: it would pass over names that are not there, of which it answers 200 a second, all of a zone together
    host.write("/etc/nsd/nsd.conf", 'server:\n ip-address: %s\n username: ""\n pidfile: ""\n database: ""\n zonesdir: /etc/nsd\n'
               ' xfrdfile: /run/xfrd.state\n zonelistfile: /run/zone.list\n server-count: 1\n xfrdir: /run\n rrl-ratelimit: 0\nremote-control:\n control-enable: no\n'
               % address + "".join('zone:\n name: "%s"\n zonefile: %s\n' % z for z in zones))
    host.spawn("nsd", "-d", "-c", "/etc/nsd/nsd.conf")


def name_servers(net, table, key, c):
    """ns has the root and all that is not said to be elsewhere; the root's key."""
    ns, ns2, zones, zones2 = net.ns, net.host("ns2", "192.0.2.54"), [], [("ns-servfail.lab.", "none")]
    asked = {name: records for name, records, *_ in table}
    script = []
    for name, (_, records) in own_zones(table, key).items():
        at_ns = any(line.endswith(" NS ns.") for line in records)
        signed = signing(name, asked[name])
        script += signed
        for host, serial, into in ((ns, 1, zones if at_ns else []), (ns2, AT_NS2.get(name) or (1 if signed or not at_ns else None), zones2)):
            if serial:
                host.write("/etc/nsd/" + name, SOA % (name + ".lab.", serial) + "\n".join(records) + "\n")
                into.append((name + ".lab.", name + ".signed" if signed else name))
    ns.sh("cd /etc/nsd\n" + "\n".join(script))
    for name, _ in zones2:
        stale = "/etc/nsd/%s" % name.replace(".lab.", ".stale")
        if ns.read("/etc/nsd/" + name.replace(".lab.", ".signed")):
            ns2.write("/etc/nsd/" + name.replace(".lab.", ".signed"), ns.read(stale) or ns.read("/etc/nsd/" + name.replace(".lab.", ".signed")))
    ns.write("/etc/nsd/root", root_zone(table, key, c, ns.read("/etc/nsd/ds")))
    nsd(ns2, "192.0.2.54", zones2)
    cert = tlsa(3, 1, 1, c.path("any.pem"))
    plain = "$ORIGIN plain.\n$TTL 300\n@ SOA ns. root. 1 60 60 8640000 60\n@ NS ns.\nhost A %s\n_25._tcp.host TLSA %s\n%s\n%s\n" % (
        ADDRESS % HOSTS["xclient"], cert, zone_of("x.plain", "", key), zone_of("dane.plain", "", key))
    ns.write("/etc/nsd/plain", plain)
    ns.write("/etc/nsd/bogus", "$ORIGIN bogus.\n$TTL 300\n@ SOA ns. root. 1 60 60 8640000 60\n@ NS ns.\nhost A %s\nx MX 10 a.mx.lab.\n"
             % (ADDRESS % HOSTS["xclient"]))
    ns.sh("cd /etc/nsd && k=$(ldns-keygen -a ECDSAP256SHA256 -k .) && ldns-signzone -o . root $k && cp $k.key anchor")
    nsd(ns, "192.0.2.53", zones + [(".", "root.signed"), ("plain.", "plain"), ("bogus.", "bogus")])
    return ns.read("/etc/nsd/anchor")


def resolver(host, anchor):
    host.write("/etc/unbound/anchor", anchor)
    host.write("/etc/unbound/hints", ". 3600 IN NS ns.\nns. 3600 IN A 192.0.2.53\n")
    host.write("/etc/unbound/unbound.conf", 'server:\n interface: 0.0.0.0\n access-control: 172.16.0.0/12 allow\n username: ""\n chroot: ""\n pidfile: ""\n use-syslog: no\n'
               ' do-ip6: no\n directory: "/etc/unbound"\n module-config: "validator iterator"\n root-hints: hints\n trust-anchor-file: anchor\n'
               ' local-zone: "100.51.198.in-addr.arpa." nodefault\n do-not-query-localhost: no\n num-threads: 1\n qname-minimisation: no\n'
               'remote-control:\n control-enable: no\n')
    host.write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions trust-ad\n")
    host.spawn("unbound", "-d", "-c", "/etc/unbound/unbound.conf")

    def secure():
        "a validated answer"
        return b" ad" in host.run("dig", "+dnssec", "+time=1", "+tries=1", "a.mx.lab", check=False).stdout
    wait(secure, 20)


with open(os.path.join(ROOT, "docs", "mxcheck.schema.json"), encoding="utf-8") as f:
    SCHEMA = json.load(f)
KINDS = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}


def follows_schema(value, schema, where):
    """What docs/mxcheck.schema.json says of an object of --json, and nothing beyond it."""
    assert value == schema.get("const", value) and value in schema.get("enum", [value]), (where, value)
    assert isinstance(value, KINDS[schema["type"]] if "type" in schema else object), (where, value)
    if isinstance(value, dict):
        assert set(schema["required"]) <= set(value) <= set(schema["properties"]), (where, sorted(value))
        for name, inner in value.items():
            follows_schema(inner, schema["properties"][name], where + "." + name)
    for inner in value if isinstance(value, list) else []:
        follows_schema(inner, schema["items"], where)


# a network of IPv6 and a client of IPv4: it takes the one for the other (RFC 7208 5.6 does not); no parts of a name: 7.3
SPF_DIFFERS = {("Mail::SPF", "spf-open-v6"): ("pass",), ("pyspf", "spf-macro-zero"): ("fail",)}


class World:
    pass


@pytest.fixture(scope="module")
def world(net, tmp_path_factory):
    needs_signed_zones(net)
    w = World()
    w.net, w.c = net, certificates(tmp_path_factory.mktemp("certificates"))
    key = rsa(2048)
    good = ("good", "_mta-sts.@ TXT \"v=STSv1; id=1;\"\nmta-sts.@ A 198.51.100.80\n" + "default._bimi.@ TXT \"v=BIMI1; l=https://x.lab/a.svg; "
            "a=https://x.lab/a.pem\"\n_dmarc.@ TXT \"v=DMARC1; p=reject; rua=mailto:d@@,mailto:r@reports.net\"\nsub.@ MX 10 a.mx.lab.\n"
            "sub.@ TXT \"v=spf1 mx -all\"\n@ SIGNED 13 -2 200\n@ CAA 0 issue \"ca.lab\"\n@ NS ns.\n@ NS ns2.\ngood.lab._report._dmarc.reports.net TXT \"v=DMARC1\"")
    w.rows = rows()
    parked = [("parked", "@ MX 0 .\n@ TXT \"v=spf1 -all\"\n_dmarc.@ TXT \"v=DMARC1; p=reject; rua=mailto:d@reports.net\"\n-TXT _smtp._tls.@\n"
               "parked.lab._report._dmarc.reports.net TXT \"v=DMARC1\"")] + of_parked()
    anchor = name_servers(net, [good, ("xn--bcher-kva", "")] + w.rows + parked, key, w.c)
    # it says each time that there is nothing at an address
    net.router.sh("echo 0 > /proc/sys/net/ipv4/icmp_ratelimit")
    w.mta = net.host("mta", "198.51.100.10")
    w.odd = net.host("odd", *[ADDRESS % last for last in HOSTS.values()], "198.51.100.80")
    net.cut(ADDRESS % HOSTS["filtered"])
    net.refuse(ADDRESS % HOSTS["unreachable"])
    w.client = net.host("client", "172.16.1.11")
    w.client.write("/etc/ca.pem", w.c.read("ca.pem"))
    w.client.write("/etc/dnsroot.key", anchor)
    w.mta.write("/etc/postfix/chain.pem", w.c.read("a.key") + w.c.read("a.pem"), 0o600)
    w.mta.write("/etc/postfix/main.cf", "myhostname = a.mx.lab\nmydestination =\ninet_protocols = ipv4\nsmtpd_peername_lookup = no\n"
                "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = /etc/postfix/chain.pem\nsmtpd_tls_protocols = >=TLSv1.2\nsmtpd_client_connection_count_limit = 0\n")
    w.mta.postfix("25 inet n - n - - smtpd\n")
    running = servers(w.odd, w.c) + [Resolver(net.host("ns3", "192.0.2.55"))]
    resolver(w.client, anchor)
    yield w
    for s in running:
        s.close()


def mxcheck(world, *args, host=None):
    done = (host or world.client).run(RELAYBOX, "mxcheck", "--json", "--ca", "/etc/ca.pem", "-4", "-t", str(20 * SLOW), "--helo", "client.lab", *args,
                            check=False, timeout=180)
    assert done.returncode in (0, 1), done.stderr
    return {json.loads(line)["target"]: json.loads(line) for line in done.stdout.splitlines()}


@pytest.fixture(scope="module")
def results(world):
    names = [name if "." in name else name + ".lab" for name, *_ in world.rows]
    return mxcheck(world, "--selector", "s1", "--dnsbl", "bl.lab", "--name-list", "names.lab", "--ip", CLIENT, *names)


def test_every_planted_fault_is_found(world, results):
    missed = []
    for name, _, verdict, check, text in world.rows:
        result = results[name if "." in name else name + ".lab"]
        if not any(f["verdict"] == verdict and f["check"] == check and text in f["text"] and (verdict == "note" or f.get("advice"))
                   for f in result["findings"]):
            missed.append("%s: no %s %s %r in:\n%s" % (name, verdict, check, text, "\n".join(
                "    %(verdict)s %(check)s %(text)s" % f for f in result["findings"] if f["verdict"] != "ok" or f["check"] == check)))
    for x in results.values():
        follows_schema(x, SCHEMA, x["target"])
    keywords = set(re.findall(r"^(\S+)$", world.client.run(RELAYBOX, "mxcheck", "--explain", "all").stdout.decode(), re.M))
    assert {f["check"] for x in results.values() for f in x["findings"]} <= keywords
    silent = [f for x in results.values() for f in x["findings"] if f["verdict"] in ("warning", "problem") and not f.get("advice")]
    assert len(world.rows) + len(of_lists()) + len(of_parked()) + len(of_deep()) >= 300 and not silent, silent
    assert not missed, "%d of %d missed\n%s" % (len(missed), len(world.rows), "\n".join(missed))


def test_a_closer_look(world):
    """--deep finds each fault, and none at servers without one."""
    hosts = sorted({"%s.mx.lab" % host for host, *_ in of_deep()})
    result = mxcheck(world, "--deep", *(word for host in hosts + ["a.mx.lab", "both.mx.lab"] for word in ("-s", host)))
    for host, verdict, check, text in of_deep():
        assert [f for f in result[host + ".mx.lab"]["findings"] if (f["verdict"], f["check"]) == (verdict, check) and text in f["text"]], (host, text, result[host + ".mx.lab"])
    # Postfix takes anonymous ciphers and keys of its own kind; both.mx.lab takes all that its library has
    for host in ("a.mx.lab", "both.mx.lab"):
        assert not [f for f in result[host]["findings"] if f["verdict"] in ("warning", "problem") and "hide nothing" not in f["text"]], result[host]
    assert not [f for f in result["turns.mx.lab"]["findings"] if f["check"] == "sni"]
    fine = [f["text"] for f in result["static.mx.lab"]["findings"] if f["check"] == "ciphers" and f["verdict"] == "ok"]
    asked = world.client.sh("for c in $(openssl ciphers 'ECDHE:DHE:RSA:@SECLEVEL=0' | tr : ' '); do openssl s_client -starttls smtp -connect static.mx.lab:25 -tls1_2 "
                            "-cipher $c:@SECLEVEL=0 < /dev/null 2>&1 | sed -n 's/^    Cipher *: \\([A-Z].*\\)/\\1/p'; done")
    ours = sorted(set(" ".join(f["text"].split(": ")[1] for f in result["static.mx.lab"]["findings"] if f["check"] == "ciphers").split()))
    assert ours == sorted(set(asked.split())), (ours, asked, fine)


def test_sni_is_what_is_asked_for_and_verified(world):
    def names(*args):
        return [f["verdict"] for f in mxcheck(world, "-s", "nosni-name.mx.lab", *args)["nosni-name.mx.lab"]["findings"] if f["check"] == "name"]
    assert names() == [] and names("--sni", "any.mx.lab") == [] and names("--sni", "other.example") == ["warning"]


@pytest.mark.parametrize("target, args, verdict, check, text, advice", [
    ("198.51.100.10", (), "note", "name", "the certificate is for a.mx.lab; an address has no name to verify", "--sni gives a name"),
    ("::1", (), "problem", "address", "no address of a usable family", "leave -4 or -6 away"),
    (".", (), "problem", "mx", "not a domain name", "labels of 1 to 63"),
    ("-", (), "problem", "mx", "does not exist", "spelling"),
    ("*.lab", (), "problem", "mx", "does not exist", "spelling"),
    ("notls.mx.lab", ("--tls", "must", "-s"), "problem", "tls", "no TLS, which --tls=must asks for", "offer STARTTLS"),
    ("<user@good.lab>", (), "problem", "mx", "an address, not a domain name", "--rcpt"),
    ("mailto:user@good.lab", (), "problem", "mx", "an address, not a domain name", "--rcpt"),
])
def test_advice_fits_what_was_asked(world, target, args, verdict, check, text, advice):
    """And each thing is said once."""
    x = next(iter(mxcheck(world, *args, target).values()))["findings"]
    found = [f for f in x if f["check"] == check and f["verdict"] != "ok"]
    assert [f["verdict"] for f in found] == [verdict] and text in found[0]["text"] and advice in found[0]["advice"], x


@pytest.mark.parametrize("zone, option, verdict, text", of_lists())
def test_lists_that_are_none(world, zone, option, verdict, text):
    """What each list must have, and must not have, tells a dead one (RFC 5782 5)."""
    found = mxcheck(world, option, zone, "good.lab")["good.lab"]["findings"]
    assert [f for f in found if f["check"] == "dnsbl" and f["verdict"] == verdict and text in f["text"]], found


def test_parked_domains(world):
    result = mxcheck(world, "--parked", "parked.lab", *(name + ".lab" for name, *_ in of_parked()))
    assert not [f for f in result["parked.lab"]["findings"] if f["verdict"] in ("warning", "problem")], result["parked.lab"]
    for name, _, text in of_parked():
        assert [f for f in result[name + ".lab"]["findings"] if f["check"] == "parked" and f["verdict"] == "problem" and text in f["text"]], (name, text)


SLOW_ONES = ("filtered", "tarpit", "silent", "ns-silent", "lamehost", "bogushost", "spf-lame", "dane-servfail", "ns-servfail", "ns-private", "ds-ended")


def test_every_run_says_the_same(world, results):
    """Whatever order answers come in, and however servers turn them round: 20 runs."""
    def of(result):
        return sorted((f["verdict"], f.get("host", ""), f.get("address", ""), f["check"], re.sub(r"(, )?\d+ ms$", "", f["text"])) for f in result["findings"])
    names = sorted({name + ".lab" for name, *_ in world.rows if "." not in name and name not in SLOW_ONES})
    slow = sorted({name if "." in name else name + ".lab" for name, *_ in world.rows} - set(names))

    def in_vain():
        "those that wait for time-outs, beside the others"
        return [{name: of(x) for name, x in mxcheck(world, "--selector", "s1", "--ip", CLIENT, *(slow if turn % 2 else reversed(slow))).items()} for turn in range(4)]
    waiting = concurrent.futures.ThreadPoolExecutor(1).submit(in_vain) if SLOW == 1 else None
    # what is planted in DNS needs no handshakes to be found
    records = sorted({name + ".lab" for name, lines, *_ in world.rows if ".mx.lab" not in lines and not name.startswith("sts-")} & set(names))
    first = None
    for turn in range(20 if SLOW == 1 else 2):
        got = {}
        for some, args in ((records, ("--tls", "none")), ([name for name in names if name not in records], ())):
            got.update({name: of(x) for name, x in mxcheck(world, "--selector", "s1", "--ip", CLIENT, *args, *(some if turn % 2 else reversed(some))).items()})
        first = first or got
        assert set(got) == set(names)
        for name in names:
            assert got[name] == first[name], (turn, name, set(got[name]) ^ set(first[name]))
    rounds = waiting.result(600) if waiting else []
    for name in slow if rounds else []:
        assert all(got[name] == rounds[0][name] for got in rounds), (name, [set(got[name]) ^ set(rounds[0][name]) for got in rounds])


def test_faults_of_dns_records_bring_no_others(world, results):
    """What is planted in one record is the only thing that is wrong."""
    for name, _, verdict, check, _ in world.rows:
        if name.startswith(("ns-", "dmarc-", "dkim-", "rpt-", "spf-", "bimi-")) and name != "bimi-dmarc":
            others = [f for f in results[name + ".lab"]["findings"] if f["verdict"] in ("warning", "problem") and f["check"] != check]
            assert not others, (name, others)


def test_a_clean_domain_has_no_warning(world):
    result = mxcheck(world, "--selector", "s1", "--dnsbl", "bl.lab", "--ip", CLIENT, "good.lab")["good.lab"]
    bad = [f for f in result["findings"] if f["verdict"] != "ok"]
    assert not bad, bad
    said = {f["check"]: f["text"] for f in result["findings"]}
    for check, text in (("dnssec", "secure"), ("dane", "matches"), ("mta-sts", "enforce"), ("tls-rpt", "reports go"), ("spf", "pass"),
                        ("dmarc", "p=reject"), ("ns", "2 servers of good.lab"), ("dkim", "RSA 2048"), ("bimi", "logo"), ("dnsbl", "not in bl.lab"), ("ptr", "a.mx.lab")):
        assert text in said[check], (check, said)


@pytest.fixture
def walled(world):
    """A host whose resolver is elsewhere and that has no other DNS; a function to run mxcheck there."""
    if not hasattr(world, "walled"):
        world.walled = world.net.host("walled", "172.16.1.12")
        world.walled.write("/etc/resolv.conf", "nameserver 172.16.1.11\noptions trust-ad\n")
        world.walled.write("/etc/ca.pem", world.c.read("ca.pem"))
    yield world.walled
    world.walled.sh("ip route del 192.0.2.0/24 || true\nip addr del 192.0.2.53/32 dev lo || true\nip addr del 192.0.2.54/32 dev lo || true")


def not_checked(world, host):
    result = mxcheck(world, "--selector", "s1", "--ip", CLIENT, "good.lab", host=host)["good.lab"]
    bad = [f for f in result["findings"] if f["verdict"] != "ok"]
    assert [(f["verdict"], f["check"]) for f in bad] == [("note", "ns")] and "were not checked" in bad[0]["text"], bad


def test_name_servers_behind_a_firewall_are_no_fault(world, walled):
    walled.sh("ip link add deaf type veth peer name other\nip link set deaf up\nip link set other up\nip route add 192.0.2.0/24 dev deaf\n"
              "for a in 53 54; do ip neigh add 192.0.2.$a lladdr 02:00:00:00:00:01 dev deaf nud permanent; done")
    assert b"no servers" in walled.run("dig", "+time=1", "+tries=1", "@192.0.2.53", "good.lab", "SOA", check=False).stdout
    not_checked(world, walled)
    walled.sh("ip route del 192.0.2.0/24\nip route add prohibit 192.0.2.0/24")
    not_checked(world, walled)


def test_another_who_answers_for_the_name_servers_is_no_fault(world, walled):
    """Many networks send every question to a resolver of their own."""
    walled.sh("ip addr add 192.0.2.53/32 dev lo\nip addr add 192.0.2.54/32 dev lo")
    walled.write("/etc/unbound/unbound.conf", 'server:\n interface: 192.0.2.53\n interface: 192.0.2.54\n access-control: 0.0.0.0/0 allow_snoop\n'
                 ' username: ""\n chroot: ""\n pidfile: ""\n use-syslog: no\n do-ip6: no\n directory: "/etc/unbound"\n'
                 'remote-control:\n control-enable: no\nforward-zone:\n name: "."\n forward-addr: 172.16.1.11\n')
    unbound = walled.spawn("unbound", "-d", "-c", "/etc/unbound/unbound.conf")
    try:
        wait(lambda: b"ns. root. 1 " in walled.run("dig", "+time=1", "+tries=1", "@192.0.2.53", "good.lab", "SOA", check=False).stdout)
        not_checked(world, walled)
    finally:
        unbound.kill()
        unbound.wait()


def test_dig_says_the_same_of_name_servers(world, results):
    """Whatever dig finds at each of the servers, without recursion."""
    c = world.client
    for name, at, answer in (("ns-refused", "192.0.2.54", b"REFUSED"), ("ns-servfail", "192.0.2.54", b"SERVFAIL"),
                             ("ns-resolver", "192.0.2.55", b"flags: qr;"), ("ns-serial", "192.0.2.54", b"ns. root. 2 60"),
                             ("ns-one", "192.0.2.53", b"flags: qr aa;")):
        done = c.run("dig", "+norecurse", "+time=1", "+tries=1", "@" + at, name + ".lab", "SOA", check=False)
        assert answer in done.stdout + done.stderr, (name, done)
    with_serial = c.run("dig", "+nssearch", "good.lab").stdout
    assert with_serial.count(b"SOA ns. root. 1 60") == 2


def test_a_domain_is_the_same_however_it_is_written(world):
    for name in ("good.lab.", "GOOD.Lab"):
        result = mxcheck(world, "--selector", "s1", name)["good.lab"]
        assert not [f for f in result["findings"] if f["verdict"] != "ok"], result
    for name in ("b\u00fccher.lab", "B\u00dcCHER.LAB", "xn--bcher-kva.lab"):
        result = mxcheck(world, "--selector", "s1", name)["xn--bcher-kva.lab"]
        assert not [f for f in result["findings"] if f["verdict"] in ("warning", "problem")] and result.get("given", name) == name, result
    for name in ("a..lab", "a" * 64 + ".lab"):
        assert [f["text"] for f in mxcheck(world, name)[name]["findings"]] == ["not a domain name"]


def test_dmarc_comes_from_above(world):
    result = mxcheck(world, "sub.good.lab")["sub.good.lab"]
    assert any(f["check"] == "dmarc" and "taken from good.lab" in f["text"] for f in result["findings"])


@pytest.mark.parametrize("sender, result", [
    ("alice@spf-sender.lab", "pass"), ("Alice@SPF-Sender.lab", "pass"), ("alice@far.lab", "pass"), ("alice", "pass"), ("bob@spf-sender.lab", "fail"),
    ("alice@elsewhere.lab", "fail"), ("<>", "fail"), ("@spf-sender.lab", "fail"),
])
def test_spf_is_asked_for_the_sender(world, sender, result):
    found = mxcheck(world, "--ip", CLIENT, "--from", sender, "spf-sender.lab")["spf-sender.lab"]["findings"]
    assert [f["text"].split()[1].strip(",") for f in found if f["check"] == "spf" and f["text"].startswith(CLIENT)] == [result], found


def test_others_evaluate_spf_the_same(world, results):
    """pyspf and Mail::SPF, for a client that may send and for one that may not."""
    names = [name for name, *_ in world.rows if name.startswith(("spf-", "null-")) and name not in ("spf-lame",)] + ["good"]
    for client in (CLIENT, "203.0.113.99", "2001:db8::9"):
        ours = mxcheck(world, "--ip", client, *(name + ".lab" for name in names))
        asked = "".join("%s postmaster@%s.lab %s\n" % (client, name, name) for name in names)
        for judge, command in JUDGES.items():
            theirs = dict(line.split() for line in world.client.run(*command, stdin=asked).stdout.decode().splitlines())
            odd = {}
            for name in names:
                said = [f["text"].split()[1].strip(",") for f in ours[name + ".lab"]["findings"] if f["check"] == "spf" and f["text"].startswith(client + ": ")]
                if said != [theirs[name]] and theirs[name] not in SPF_DIFFERS.get((judge, name), ()):
                    odd[name] = said, theirs[name]
            assert not odd, (judge, client, odd)


def test_dane_makes_a_self_signed_certificate_good(world):
    result = mxcheck(world, "--server", "vouched.mx.lab")["vouched.mx.lab"]
    assert [f["verdict"] for f in result["findings"] if f["check"] in ("dane", "trust")] == ["ok", "note"]


def test_others_say_the_same(world, results):
    """dig about records, delv about DNSSEC, posttls-finger about DANE, openssl about the chain."""
    c = world.client
    for name in ("good", "share", "double", "nullplus", "literal"):
        x = (results.get(name + ".lab") or mxcheck(world, "good.lab")["good.lab"])["hosts"]
        mx = c.run("dig", "+short", name + ".lab", "MX").stdout.decode().split("\n")
        assert sorted("%d %s." % (h["preference"], h["name"]) for h in x) == sorted(mx[:-1]), name
        for a in (a for h in x for a in h["addresses"]):
            assert c.run("dig", "+short", "-x", a["address"]).stdout.decode() == a["ptr"] + ".\n"
    delv = ["delv", "+root=.", "-a", "/etc/delv.key", "@127.0.0.1"]
    key = re.search(r"DNSKEY\s+(\d+) (\d+) (\d+) (\S.*?)\s*(;|$)", c.read("/etc/dnsroot.key"), re.M)
    c.write("/etc/delv.key", 'trust-anchors { . static-key %s %s %s "%s"; };\n' % (key[1], key[2], key[3], key[4].replace(" ", "")))
    assert b"fully validated" in c.run(*delv, "good.lab", "MX", check=False).stdout
    assert b"fully validated" not in c.run(*delv, "x.plain", "MX", check=False).stdout
    assert b"SERVFAIL" in c.run("dig", "x.bogus", "MX").stdout and b"NOERROR" in c.run("dig", "+cd", "x.bogus", "MX").stdout
    c.write("/etc/postfix/main.cf", "compatibility_level = 3.6\n")
    for host, verdict in (("a", b"Verified"), ("soon", b"Untrusted|not verified|no matching")):
        done = c.run("posttls-finger", "-l", "dane", "-L", "summary,certmatch", "[%s.mx.lab]" % host, check=False)
        assert re.search(verdict, done.stdout + done.stderr), (host, done)
    seen = mxcheck(world, "good.lab")["good.lab"]["hosts"][0]["addresses"][0]["tls"]
    done = c.run("sh", "-c", "openssl s_client -starttls smtp -connect a.mx.lab:25 < /dev/null 2>/dev/null | tee /run/seen | "
                 "openssl x509 -noout -fingerprint -sha256 -subject -issuer -enddate -dateopt iso_8601").stdout.decode()
    ends = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seen["not_after"]))
    assert seen["sha256"] in done and "notAfter=" + ends in done and "New, %s, Cipher" % seen["version"] in c.read("/run/seen"), (seen, done)
    assert seen["chain_length"] == len(re.findall(r"^ \d+ s:", c.read("/run/seen"), re.M))
    for host, code in (("a", "0"), ("expired", "10"), ("alone", "21|20"), ("selfsigned", "18")):
        done = c.run("openssl", "s_client", "-starttls", "smtp", "-connect", "%s.mx.lab:25" % host, "-CAfile", "/etc/ca.pem", check=False)
        assert re.search(rb"Verify return code: (%s) " % code.encode(), done.stdout), (host, done)
