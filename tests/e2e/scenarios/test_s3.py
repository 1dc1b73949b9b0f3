"""S3: a pair of relays behind a load balancer, a real HAProxy: PROXY protocol, health checks over HTTP, one relay killed under load."""
import re
import signal
import smtplib
import socket
import threading
import time

import pytest

from lab import RELAYBOX, SLOW, wait

BALANCER, ONE, TWO, SENDER, STRANGER, WORLD = "10.0.1.10", "10.0.2.11", "10.0.3.12", "10.0.9.21", "192.0.2.77", "203.0.113.25"
RELAY = """\
mydomain = example.co.jp
mydestination = localhost
mynetworks = %s
relay_domains = example.co.jp
transport_maps = inline:{example.co.jp=relay:[10.0.4.40]:25}
inet_protocols = ipv4
http_listen = 80
smtpd_upstream_proxy_protocol = haproxy
smtpd_upstream_proxy_networks = 10.0.1.10
smtpd_client_connection_count_limit = 0
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
"""
NETWORKS = "cidr:/etc/postfix/network_table"
TABLE = "10.0.9.0/24 OK\n127.0.0.0/8 OK\n"
HAPROXY = """\
global
	stats socket /run/haproxy.sock mode 600 level admin
defaults
	mode tcp
	timeout connect 2s
	timeout client 60s
	timeout server 60s
	timeout check 2s
listen smtp
	bind :25
	option httpchk GET /readyz
	balance roundrobin
	option redispatch
	default-server check port 80 inter 200ms fall 2 rise 2 send-proxy-v2
	server one 10.0.2.11:25
	server two 10.0.3.12:25
"""


class System:
    def __init__(self, net):
        net.dns("relay.example.co.jp. A " + BALANCER, "mxname.example.co.jp. MX 10 relay.example.co.jp.", "mxname.example.co.jp. A 192.0.2.99",
                "dest.example.net. MX 10 mx.example.net.", "mx.example.net. A " + WORLD)
        self.balancer, self.sender, self.stranger = (net.host("balancer", BALANCER), net.host("sender", SENDER), net.host("stranger", STRANGER))
        self.world = net.host("world", WORLD).sink(25, script={"RCPT": lambda sink, a: "550 5.1.1 no such user" if "<nobody@" in a else None})
        self.home = net.host("home", "10.0.4.40").sink(25)
        self.relays = [net.host("one", ONE), net.host("two", TWO)]
        for host, networks in zip(self.relays, (NETWORKS, "10.0.9.0/24, 127.0.0.0/8")):
            host.write("/etc/postfix/main.cf", RELAY % networks)
            host.write("/etc/postfix/network_table", TABLE)
            self.start(host)
        text = HAPROXY
        for host in self.relays:
            if host.name in net.real:  # it has no page for health checks
                text = text.replace("%s:25" % host.addresses[0], "%s:25 no-check" % host.addresses[0])
        self.balancer.haproxy(text, 25)
        wait(lambda: all(self.up(host.name) for host in self.relays), 30)

    def start(self, host):
        if host.name in host.net.real:
            # one more door, without a PROXY header, to see that it serves
            host.postfix("smtp inet n - n - - smtpd\n2525 inet n - n - - smtpd\n  -o smtpd_upstream_proxy_protocol=\n", port=2525)
            return
        # its port 25 waits for a PROXY header: ask port 80 instead
        host.mta = host.spawn(RELAYBOX, "relayd", "-c", "/etc/postfix", log="/var/log/maillog")
        wait(lambda: self.http(host, "/readyz") == 200, 20)

    def http(self, host, path):
        try:
            with self.balancer.connect(host.addresses[0], 80, 5) as s:
                s.sendall(b"GET %s HTTP/1.0\r\n\r\n" % path.encode())
                return int(s.recv(500).split()[1])
        except (OSError, IndexError):
            return None

    def up(self, name):
        out = ""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            try:
                s.connect(self.balancer.path("/run/haproxy.sock"))
            except OSError:
                return False
            s.sendall(b"show stat\n")
            while True:
                piece = s.recv(65536).decode()
                if not piece:
                    break
                out += piece
        return next(line for line in out.splitlines() if line.startswith("smtp,%s," % name)).split(",")[17].startswith(("UP", "no check"))

    def log(self, pattern):
        return [line for host in self.relays for line in host.log(pattern)]


@pytest.fixture(scope="module")
def s3(net):
    return System(net)


def talk(host, rcpts, subject="x", sender="app@example.co.jp", address=BALANCER):
    with host.network():
        s = smtplib.SMTP(address, 25, timeout=30 * SLOW)
    with s:
        s.sendmail(sender, rcpts, "Subject: %s\r\n\r\nbody\r\n" % subject)


def test_real_addresses_count_behind_the_balancer(s3):
    count = len(s3.world.messages)
    for n in range(4):
        talk(s3.sender, ["a%d@dest.example.net" % n])
    s3.world.wait(count + 4)
    for host in s3.relays:
        assert len(host.log(r"client=unknown\[10\.0\.9\.21\]")) == 2, host.name
    for _ in range(2):
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            talk(s3.stranger, ["a@dest.example.net"])
        assert refused.value.recipients["a@dest.example.net"] == (454, b"4.7.1 <a@dest.example.net>: Relay access denied")
    for host in s3.relays:
        host.wait_log(r"NOQUEUE: reject: RCPT from unknown\[192\.0\.2\.77\]: 454 4\.7\.1 <a@dest\.example\.net>: Relay access denied")
    assert not s3.log(r"\[10\.0\.1\.10\]")


def test_header_from_a_stranger_is_refused(s3):
    for host in s3.relays:
        with s3.stranger.connect(host.addresses[0], 25) as s:
            s.sendall(b"PROXY TCP4 10.0.9.21 10.0.2.11 40000 25\r\nEHLO x\r\n")
            try:
                assert s.recv(500) == b""
            except ConnectionError:
                pass
        host.wait_log(r"warning: PROXY header refused from \[192\.0\.2\.77\]")


def test_a_thousand_probes_leave_no_line(s3):
    before = [host.log() for host in s3.relays]
    for n in range(1000):
        host = s3.relays[n % 2]
        with s3.balancer.connect(host.addresses[0], 25) as s:
            if n % 4 > 1:
                s.sendall(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")
                s.recv(100)
    assert all(s3.http(host, path) == 200 for host in s3.relays for path in ("/healthz", "/readyz", "/") for _ in range(20))
    # HAProxy's own checks have come all the time, too
    assert [host.log() for host in s3.relays] == before


def sending_host(net, name, address, relayhost):
    host = net.host(name, address)
    host.write("/etc/postfix/main.cf", "mydestination = localhost\nmynetworks = 127.0.0.0/8\nrelayhost = %s\ninet_protocols = ipv4\n" % relayhost)
    host.relayd()
    return host


def test_relayhost_by_name_with_and_without_brackets(s3, net):
    for n, relayhost in enumerate(("relay.example.co.jp", "[relay.example.co.jp]", "mxname.example.co.jp", "[relay.example.co.jp]:25")):
        host = sending_host(net, "app%d" % n, "10.0.9.%d" % (31 + n), relayhost)
        host.box("sendmail", "-f", "app@example.co.jp", "b%d@dest.example.net" % n, stdin="Subject: x\n\nx\n")
        host.wait_log(r"to=<b%d@dest\.example\.net>, relay=relay\.example\.co\.jp\[10\.0\.1\.10\]:25, .*status=sent" % n)
        assert s3.log(r"client=unknown\[10\.0\.9\.%d\]" % (31 + n))


def test_notices_reach_the_domain_the_relay_carries(s3):
    count = len(s3.home.messages)
    talk(s3.sender, ["nobody@dest.example.net"])
    notice = s3.home.wait(count + 1)[-1]
    assert notice.sender == "" and notice.rcpts == ["app@example.co.jp"]
    assert "550 5.1.1 no such user" in " ".join(notice.content.decode().split())
    assert s3.log("sender non-delivery notification")


def test_relay_killed_under_load_loses_nothing(s3):
    """Eight clients send; one relay is killed with -9 and started again."""
    acked, end, lock = [], threading.Event(), threading.Lock()

    def client(n):
        for i in range(100000):
            if end.is_set():
                return
            subject = "load-%d-%d" % (n, i)
            try:
                talk(s3.sender, ["load@dest.example.net"], subject)
            except (OSError, smtplib.SMTPException):
                time.sleep(0.02)
                continue
            with lock:
                acked.append(subject)
            time.sleep(0.01)
    victim = s3.relays[0]
    threads = [threading.Thread(target=client, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    try:
        wait(lambda: len(acked) > 40)
        victim.mta.send_signal(signal.SIGKILL)
        victim.mta.wait()
        wait(lambda: not s3.up("one"), 20)
        while_down = len(acked)
        wait(lambda: len(acked) > while_down + 8)  # the other relay carries on
        s3.start(victim)
        wait(lambda: s3.up("one"), 20)
        seen = len(victim.log("client="))
        wait(lambda: len(victim.log("client=")) > seen + 3)
    finally:
        end.set()
        for t in threads:
            t.join(60 * SLOW)

    def missing():
        arrived = {re.search(rb"Subject: (\S+)", m.content).group(1).decode() for m in list(s3.world.messages)}
        return [s for s in acked if s not in arrived]
    wait(lambda: not missing(), 30)
    assert len(acked) > 50


def test_relay_that_stops_is_taken_out(s3):
    victim = s3.relays[1]
    assert victim.stop() == 0
    wait(lambda: not s3.up("two"), 20)
    talk(s3.sender, ["later@dest.example.net"])
    s3.start(victim)
    wait(lambda: s3.up("two"), 20)
