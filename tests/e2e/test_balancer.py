"""What stands before a relay: health checks over HTTP, connections without a word, the PROXY protocol."""
import re
import signal
import socket
import struct
import threading

import pytest
from lab import Relay, Sink, free_port, wait

CLIENT = b"\x7f\x00\x00\x01"
V2 = b"\r\n\r\n\0\r\nQUIT\n"


def v1(client, family="TCP4", server="192.0.2.1"):
    return ("PROXY %s %s %s 40000 25\r\n" % (family, client, server)).encode()


def v2(client, command=0x21):
    body = socket.inet_aton(client) + socket.inet_aton("192.0.2.1") + struct.pack(">HH", 40000, 25) if command == 0x21 else b""
    return V2 + bytes((command, 0x11 if body else 0)) + struct.pack(">H", len(body)) + body


def read_all(s):
    got = b""
    try:
        while True:
            piece = s.recv(4096)
            if not piece:
                return got
            got += piece
    except ConnectionError:
        return got


def http(port, request):
    with socket.create_connection(("127.0.0.1", port), 20) as s:
        s.sendall(request)
        return read_all(s)


def get(port, path, method="GET"):
    return http(port, ("%s %s HTTP/1.1\r\nHost: x\r\n\r\n" % (method, path)).encode())


def status(answer):
    return int(answer.split()[1])


def converse(port, head, *lines):
    """The last reply line to each line, after the greeting; [] when the connection was refused."""
    with socket.create_connection(("127.0.0.1", port), 20) as s, s.makefile("rb") as f:
        s.sendall(head)
        replies = []
        for line in (None, *lines):
            if line:
                s.sendall(line.encode() + b"\r\n")
            try:
                reply = f.readline()
                while reply[3:4] == b"-":
                    reply = f.readline()
            except ConnectionError:
                return replies
            if not reply:
                return replies
            replies.append(reply.decode().strip())
        return replies


def rcpt(port, head, to="someone@third.test"):
    return converse(port, head, "EHLO client.test", "MAIL FROM:<a@outside.test>", "RCPT TO:<%s>" % to, "QUIT")[3:4]


def proxied(tmp_path, more=""):
    return Relay(tmp_path / "r", "smtpd_upstream_proxy_protocol = haproxy\n" + more)


def test_health_is_told_and_not_logged(tmp_path):
    port = free_port()
    with Relay(tmp_path / "r", "http_listen = 127.0.0.1:%d\nhttp_ready_queue_limit = 1\nrelayhost = [127.0.0.1]:1\nmynetworks = 127.0.0.0/8\n" % port) as relay:
        before = relay.log()
        for path in ("/healthz", "/readyz", "/", "/readyz?from=balancer"):
            answer = get(port, path)
            assert status(answer) == 200 and (path == "/" or answer.endswith(b"\r\n\r\nok\n")), answer
            assert b"Connection: close" in answer
        assert get(port, "/healthz", "HEAD").endswith(b"\r\n\r\n")
        assert status(get(port, "/secret")) == 404
        assert status(get(port, "/healthz", "POST")) == 405
        assert status(http(port, b"EHLO x\r\n\r\n")) == 400
        assert status(http(port, b"GET / HTTP/1.1\r\nA: " + b"x" * 9000)) == 431
        assert relay.log() == before
        # more in the queue than may be
        for _ in range(2):
            relay.run("sendmail", "-f", "a@b.test", "c@d.test", stdin="Subject: x\n\nx\n")
        wait(lambda: status(get(port, "/readyz")) == 503)
        assert b"http_ready_queue_limit" in get(port, "/readyz")
        assert status(get(port, "/healthz")) == 200
        # a client that sends nothing does not stay, nor do many of them hinder
        idle = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(40)]
        assert status(get(port, "/healthz")) == 200
        for s in idle:
            s.settimeout(60)
            assert read_all(s) == b""
            s.close()
        assert relay.stop() == 0


def test_connections_without_a_word_leave_no_line(tmp_path):
    with Relay(tmp_path / "r", "mynetworks = 127.0.0.0/8\n") as relay:
        before = relay.log()
        for i in range(1000):
            s = socket.create_connection(("127.0.0.1", relay.port), 20)
            if i % 3 == 0:
                s.recv(100)
            if i % 3 == 1:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            s.close()
        wait(lambda: re.search(rb"of these without a word\s+1000\n", relay.run("relayctl", "stats").stdout))
        assert relay.log() == before
        assert converse(relay.port, b"", "QUIT")[1].startswith("221")
        relay.wait_log("disconnect from unknown.*quit=1 commands=1")


def test_silent_probes_through_a_proxy_leave_no_line(tmp_path):
    with proxied(tmp_path, "mynetworks = 192.0.2.0/24\nsmtpd_upstream_proxy_networks = 127.0.0.1\n"
                 "smtpd_client_connection_count_limit = 0\n") as relay:
        before = relay.log()
        for head in (b"", v2("0.0.0.0", 0x20), None, V2[:5], b"PROXY UNKNOWN\r\n"):
            for n in range(200):
                with socket.create_connection(("127.0.0.1", relay.port), 20) as s:
                    s.sendall(v1("198.51.100.%d" % n) if head is None else head)
        wait(lambda: re.search(rb"of these without a word\s+1000\n", relay.run("relayctl", "stats").stdout))
        assert relay.log() == before


def test_strangers_probes_leave_no_line_and_their_words_are_refused(tmp_path):
    with proxied(tmp_path, "smtpd_upstream_proxy_networks = 192.0.2.1\n") as relay:
        before = relay.log()
        for _ in range(50):
            socket.create_connection(("127.0.0.1", relay.port), 20).close()
        wait(lambda: re.search(rb"of these without a word\s+50\n", relay.run("relayctl", "stats").stdout))
        assert relay.log() == before
        for head in (v1("192.0.2.9"), v2("192.0.2.9"), b"EHLO x\r\n"):
            assert converse(relay.port, head, "EHLO x") == []
        assert len(relay.wait_log(r"warning: PROXY header refused from \[127\.0\.0\.1\]: not in smtpd_upstream_proxy_networks", 3)) == 3


def test_the_address_behind_the_proxy_counts(tmp_path):
    with Sink() as sink, proxied(tmp_path, "mynetworks = 198.51.100.0/24, [2001:db8::]/32\nsmtpd_upstream_proxy_networks = 127.0.0.1\n"
                                 "relayhost = [127.0.0.1]:%d\n" % sink.port) as relay:
        assert rcpt(relay.port, v1("198.51.100.7"))[0].startswith("250")
        assert rcpt(relay.port, v1("2001:db8::7", "TCP6", "2001:db8::1"))[0].startswith("250")
        assert rcpt(relay.port, v2("198.51.100.8"))[0].startswith("250")
        assert rcpt(relay.port, v2("203.0.113.9"))[0].startswith("454 4.7.1")
        # LOCAL and UNKNOWN: the proxy itself, which is not in mynetworks
        assert rcpt(relay.port, v2("0.0.0.0", 0x20))[0].startswith("454 4.7.1")
        assert rcpt(relay.port, b"PROXY UNKNOWN\r\n")[0].startswith("454 4.7.1")
        relay.wait_log(r"connect from unknown\[198\.51\.100\.7\]")
        relay.wait_log(r"connect from unknown\[2001:db8::7\]")
        relay.wait_log(r"NOQUEUE: reject: RCPT from unknown\[203\.0\.113\.9\]: 454 4\.7\.1 <someone@third\.test>: Relay access denied")
        for head in (b"EHLO x\r\n", v1("1.2.3.4").replace(b"\r\n", b"\n"), v1("01.2.3.4"), v1("1.2.3.4") .replace(b"25", b"-25"),
                     V2 + b"\x21\x31\0\0", V2 + b"\x31\x11\0\0"):
            assert converse(relay.port, head, "EHLO x") == []
        assert len(relay.wait_log(r"warning: haproxy read error from \[127\.0\.0\.1\]", 6)) == 6


def test_a_proxy_that_names_no_client_has_its_own_rights_and_limits(tmp_path):
    heads = (v2("0.0.0.0", 0x20), b"PROXY UNKNOWN\r\n")
    with proxied(tmp_path / "a", "smtpd_client_connection_rate_limit = 2\nanvil_rate_time_unit = 1h\nsmtpd_client_event_limit_exceptions =\n") as relay:
        for head in heads:  # loopback, and nobody wrote mynetworks down
            assert rcpt(relay.port, head)[0].startswith("454 4.7.1")
        assert converse(relay.port, heads[1])[0].startswith("421 4.7.0")
    with proxied(tmp_path / "b", "mynetworks = 127.0.0.1\n") as relay:
        for head in heads:
            assert rcpt(relay.port, head)[0].startswith("250")


def test_words_right_behind_the_header_are_logged_as_any(tmp_path):
    with proxied(tmp_path, "mynetworks = 192.0.2.0/24\nsmtpd_upstream_proxy_networks = 127.0.0.1\nsmtpd_forbid_unauth_pipelining = no\n") as relay:
        with socket.create_connection(("127.0.0.1", relay.port), 20) as s:
            s.sendall(v2("198.51.100.7") + b"EHLO x\r\nQUIT\r\n")
            assert b"221" in read_all(s)
        relay.wait_log(r"disconnect from unknown\[198\.51\.100\.7\]")
        assert relay.log_lines(r"\]: connect from unknown\[198\.51\.100\.7\]")


def test_loopback_from_a_proxy_has_no_rights_unless_configured(tmp_path):
    trust = "smtpd_upstream_proxy_networks = 127.0.0.1\n"
    for n, (networks, answer) in enumerate((("", "454 4.7.1"), ("mynetworks = 127.0.0.0/8\n", "250"))):
        with proxied(tmp_path / str(n), trust + networks) as relay:
            for head in (v1("127.0.0.1"), v2("127.0.0.1"), v2("127.9.9.9"), v1("127.0.0.1")):
                assert rcpt(relay.port, head)[0].startswith(answer), networks
        with Relay(tmp_path / ("plain%d" % n), networks) as relay:
            assert rcpt(relay.port, b"")[0].startswith("250")


def test_header_that_does_not_come_ends_the_connection(tmp_path):
    with proxied(tmp_path, "smtpd_upstream_proxy_networks = 127.0.0.1\nsmtpd_upstream_proxy_timeout = 1s\n") as relay:
        with socket.create_connection(("127.0.0.1", relay.port), 30) as s:
            assert read_all(s) == b""
        relay.wait_log("haproxy read error: no PROXY header in time")


def test_health_is_told_while_the_last_deliveries_finish(tmp_path):
    port, go_on = free_port(), threading.Event()
    with Sink(script={"END": lambda sink, argument: go_on.wait(60) and None}) as sink:
        with Relay(tmp_path / "r", "http_listen = 127.0.0.1:%d\nrelayhost = [127.0.0.1]:%d\nmynetworks = 127.0.0.0/8\nshutdown_timeout = 60s\n" %
                   (port, sink.port)) as relay:
            relay.run("sendmail", "-f", "a@b.test", "c@d.test", stdin="Subject: x\n\nx\n")
            wait(lambda: sink.open)
            relay.process.send_signal(signal.SIGTERM)
            relay.wait_log("terminating on signal")
            for _ in range(5):
                answer = get(port, "/readyz")
                assert status(answer) == 503 and answer.endswith(b"\r\n\r\nshutting down\n"), answer
            assert status(get(port, "/healthz")) == 200
            with pytest.raises(OSError):
                socket.create_connection(("127.0.0.1", relay.port), 5)
            go_on.set()
            assert relay.process.wait(30) == 0 and len(sink.messages) == 1


def test_stopping_relay_is_not_ready(tmp_path):
    port = free_port()
    with Relay(tmp_path / "r", "http_listen = 127.0.0.1:%d\n" % port) as relay:
        assert status(get(port, "/readyz")) == 200
        relay.process.send_signal(signal.SIGTERM)

        def away():
            try:
                return status(get(port, "/readyz")) == 503
            except (OSError, IndexError):
                return True
        wait(away)
