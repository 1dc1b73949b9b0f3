"""The page for people at "/": its figures, what it hides and quotes, and how a browser shows it."""
import http.server
import json
import re
import socket
import struct
import subprocess
import threading
import urllib.request
import zlib

import pytest
from lab import Relay, Sink, free_port, wait

MAIL = "Subject: x\n\nx\n"
EVIL = "<script>document.title='evil'</script>&\"'"


def page(port):
    """Status, header fields and text."""
    try:
        with urllib.request.urlopen("http://127.0.0.1:%d/" % port, timeout=20) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read().decode()


def figures(text):
    return {name: int(value) for name, value in re.findall(r"<td class=n id=(\w+)>(\d+)", text)}


def becomes(port, name, want):
    def told():
        return figures(page(port)[2])[name] == want
    told.__doc__ = "%s to be %d" % (name, want)
    wait(told)


class Shown(Relay):
    def __init__(self, folder, main_cf=""):
        self.http = free_port()
        super().__init__(folder, "http_listen = 127.0.0.1:%d\nmynetworks = 127.0.0.0/8\n%s" % (self.http, main_cf))

    def send(self, to):
        self.run("sendmail", "-f", "app@relay.example.test", to, stdin=MAIL)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Mail that was delivered, put off and refused, by servers that say evil things."""
    script = {"RCPT": lambda sink, a: "550 5.1.1 no <%s> %s" % ("nobody@customer.test", EVIL) if "nobody" in a else
              "450 4.2.2 full %s" % EVIL if "full" in a else None}
    with Sink(script=script) as sink:
        with Shown(tmp_path_factory.mktemp("page") / "r", "relayhost = [127.0.0.1]:%d\nsmtpd_recipient_restrictions = "
                   "check_recipient_access inline:{{wrong@customer.test = REJECT not here}}\n" % sink.port) as relay:
            for to in ("alice@customer.test", "nobody@customer.test", "full@customer.test"):
                relay.send(to)
            relay.run("mail", "-S", "mta=smtp://127.0.0.1:%d" % relay.port, "-r", "app@relay.example.test", "-s", "x", "wrong@customer.test",
                      stdin="x\n", check=False)
            becomes(relay.http, "rejects_total", 1)
            becomes(relay.http, "deferred_total", 1)
            becomes(relay.http, "sent_total", 1)
            becomes(relay.http, "finished_total", 3)
            yield relay


def test_figures_are_those_of_relayctl(world):
    shown, stats = figures(page(world.http)[2]), json.loads(world.run("relayctl", "stats", "--json").stdout)
    keys = {key for key, value in stats.items() if isinstance(value, int)}
    assert set(shown) == keys
    assert {k: shown[k] for k in keys if not re.search("uptime|memory_bytes|loop_|flush", k)} == \
        {k: stats[k] for k in keys if not re.search("uptime|memory_bytes|loop_|flush", k)}
    cards = dict((label, value) for value, label in re.findall(r"<div class=k><b>(\d+)</b><small>([^<]+)", page(world.http)[2]))
    assert int(cards["messages queued"]) == stats["queued_messages"] == 1
    assert int(cards["commands refused"]) == stats["rejects_total"] == 1


def test_what_happened_is_told_with_queue_ids(world):
    status, headers, text = page(world.http)
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8" and ">ready</span>" in text
    for log, word in (("alice", "delivered"), ("nobody", "bounced"), ("full", "deferred")):
        qid = re.search(r" (\w+): to=<%s@" % log, world.log()).group(1)
        assert re.search(r"<code>%s</code><td class=\w+><i>%s</i>" % (qid, word), text), (qid, word)
    assert re.search(r"<code>NOQUEUE</code><td class=no><i>refused</i><td>w\*\*\*@customer.test<td class=o>[^<]*127.0.0.1[^<]*<td>554 5.7.1 ", text)
    assert "1 deferred" in text and text.count("<svg") == 4 and "room on disk" in text


def test_addresses_are_masked_and_words_of_strangers_quoted(world):
    text = page(world.http)[2]
    assert "a***@customer.test" in text and "&lt;n***@customer.test&gt;" in text
    for name in ("alice", "nobody", "full@", "wrong"):
        assert name not in text
    assert "&lt;script&gt;document.title='evil'&lt;/script&gt;&amp;&quot;" in text
    assert text.count("<script") == 1


def test_addresses_are_shown_where_that_is_wanted(tmp_path):
    with Sink() as sink, Shown(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nhttp_mask_addresses = no\n" % sink.port) as relay:
        relay.send("alice@customer.test")
        becomes(relay.http, "sent_total", 1)
        assert "<td>alice@customer.test<td" in page(relay.http)[2]


def test_nothing_but_the_page_is_asked_for_or_run(world):
    _, headers, text = page(world.http)
    policy = headers["Content-Security-Policy"]
    nonce = re.search(r"script-src 'nonce-(\w{32})'", policy).group(1)
    assert policy.startswith("default-src 'none';") and "style-src 'nonce-%s'" % nonce in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "<script nonce=%s>" % nonce in text and "<style nonce=%s>" % nonce in text
    assert not re.search(r"(src|href|action)=|url\(|https?://|@import| on\w+=| style=", text)
    wait(lambda: nonce not in page(world.http)[1]["Content-Security-Policy"])


def test_page_says_why_it_takes_no_mail(tmp_path):
    with Shown(tmp_path / "r", "relayhost = [127.0.0.1]:1\nhttp_ready_queue_limit = 1\n") as relay:
        relay.send("a@b.test")
        relay.send("a@b.test")
        status, _, text = wait(lambda: page(relay.http) if page(relay.http)[0] == 503 else None)
        assert status == 503 and ">more than http_ready_queue_limit messages in the queue</span>" in text


# --- in a browser --------------------------------------------------------------------------------------------------------------


def chromium(folder, *args):
    done = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage",
                           "--hide-scrollbars", "--user-data-dir=%s/profile" % folder, *args], capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def pixels(path):
    """Width, height and rows of RGB bytes of a PNG."""
    with open(path, "rb") as f:
        data = f.read()
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    assert depth == 8 and colour in (2, 6)
    size, at, packed = 3 if colour == 2 else 4, 8, b""
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        packed += data[at + 8:at + 8 + n] if kind == b"IDAT" else b""
        at += 12 + n
    raw, rows, before = zlib.decompress(packed), [], bytearray(width * size)
    for y in range(height):
        kind, line = raw[y * (width * size + 1)], bytearray(raw[y * (width * size + 1) + 1:(y + 1) * (width * size + 1)])
        for i, byte in enumerate(line):
            a, b, c = line[i - size] if i >= size else 0, before[i], before[i - size] if i >= size else 0
            p = a + b - c
            near = a if abs(p - a) <= abs(p - b) and abs(p - a) <= abs(p - c) else b if abs(p - b) <= abs(p - c) else c
            line[i] = (byte + (0, a, b, (a + b) // 2, near)[kind]) & 255
        rows.append(line)
        before = line
    return width, height, size, rows


class Front:
    """Stands before the relay and counts who asks for the page; may forbid its script."""

    def __init__(self, relay, scripts=True, on_second=None):
        front, self.asked = self, 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                front.asked += self.path == "/"
                if front.asked == 2 and on_second:
                    on_second()
                status, headers, text = page(relay.http)
                policy = headers["Content-Security-Policy"]
                self.send_response(status)
                self.send_header("Content-Type", headers["Content-Type"])
                self.send_header("Content-Security-Policy", policy if scripts else re.sub("script-src [^;]+", "script-src 'none'", policy))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def test_browser_shows_it_with_and_without_script(world, tmp_path):
    for scripts in (True, False):
        with Front(world, scripts) as front:
            text = chromium(tmp_path, "--virtual-time-budget=30000", "--dump-dom", front.url)
        assert (front.asked > 1) == scripts
        assert "<title>relay.example.test</title>" in text and "Last deliveries" in text and "a***@customer.test" in text
        assert figures(re.sub(r'class="n" id="(\w+)"', r"class=n id=\1", text))["messages_total"] >= 3


def test_browser_obeys_light_and_dark_and_narrow(world, tmp_path):
    url, seen = "http://127.0.0.1:%d/" % world.http, {}
    for name, size, dark in (("wide", "1280,700", 1), ("dark", "1280,700", 0), ("narrow", "500,700", 1)):
        path = tmp_path / ("%s.png" % name)
        chromium(tmp_path, "--window-size=" + size, "--blink-settings=preferredColorScheme=%d" % dark, "--screenshot=%s" % path, url)
        seen[name] = pixels(path)
    for name, light in (("wide", True), ("dark", False), ("narrow", True)):
        width, height, size, rows = seen[name]
        corner = sum(rows[height - 1][:3]) / 3
        assert corner > 200 if light else corner < 60
        # nothing reaches the right border: the page is not wider than the window
        edge = [bytes(row[(width - 2) * size:(width - 2) * size + 3]) for row in rows]
        assert len(set(edge)) == 1
        assert len({bytes(row[x * size:x * size + 3]) for row in rows[::7] for x in range(0, width, 7)}) > 8


def test_script_brings_what_is_new(world, tmp_path):
    """A browser that stays asks again, and shows what has changed meanwhile."""
    def more_mail():
        before = figures(page(world.http)[2])["sent_total"]
        world.send("later@customer.test")
        becomes(world.http, "sent_total", before + 1)
    with Front(world, on_second=more_mail) as front:
        text = chromium(tmp_path, "--virtual-time-budget=30000", "--dump-dom", front.url)
    assert front.asked >= 2 and "l***@customer.test" in text and ">no answer<" not in text


HOSTS = [  # who is asked for, whether the page and the metrics are given
    ("127.0.0.1", True), ("127.0.0.1:%d", True), ("[::1]:%d", True), ("localhost:%d", True), ("relaybox:%d", True), ("relay.example.test", True),
    ("Relay.Example.Test:%d", True), ("relay.mail.svc.cluster.local:%d", True), ("status.mine.test", True), (None, True),
    ("evil.test:%d", False), ("evil.test", False), ("relay.example.test.evil.test", False), ("xrelay.example.test", False), ("127.0.0.1.evil.test", False),
    ("local", True), ("evil.test.", False),
]


@pytest.mark.parametrize("host, given", HOSTS)
def test_who_asks_by_a_name_of_nobody_is_told_nothing(named, host, given):
    """A name that a web page made up and had point here would give it what its visitor's browser sees; health is no secret."""
    fields = b"" if host is None else b"Host: %s\r\n" % (host % named.http if "%" in host else host).encode()
    for path, status in (("/", given), ("/metrics", given), ("/healthz", True), ("/readyz", True)):
        with socket.create_connection(("127.0.0.1", named.http), 20) as s:
            s.sendall(b"GET %s HTTP/1.1\r\n%s\r\n" % (path.encode(), fields))
            answer = s.makefile("rb").read().split(b"\r\n")
        assert answer[0] == (b"HTTP/1.1 200 OK" if status else b"HTTP/1.1 421 Misdirected Request"), path
        assert status or answer[-1] == b"not a name of this relay: see http_hosts in relaybox.conf(5)\n"


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    with Shown(tmp_path_factory.mktemp("named") / "r", "http_hosts = $myhostname .mine.test .svc .local\n") as relay:
        yield relay
