"""What is told over HTTP to who watches: metrics, in the manual and to a real Prometheus; the dashboard and the alerts that go with them."""
import json
import os
import re
import resource
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import pytest
from lab import ROOT, SANITIZER, Relay, Sink, certificate, free_port, wait

OPEN = "application/openmetrics-text; version=1.0.0"
MAIL = "Subject: x\n\nx\n"


def fetch(port, path="/metrics", accept=None):
    """Status, type and text."""
    request = urllib.request.Request("http://127.0.0.1:%d%s" % (port, path), headers={"Accept": accept} if accept else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.headers["Content-Type"], e.read().decode()


def samples(text):
    """{name{labels}: value}; each is there once."""
    rows = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    names = [name for name, _, _ in rows]
    assert len(names) == len(set(names)), [n for n in names if names.count(n) > 1]
    return {name: float(value) for name, _, value in rows}


def value(port, name):
    """Of a fresh scrape; 0: it is not there."""
    return samples(fetch(port)[2]).get(name, 0)


def becomes(port, name, want):
    def told():
        return value(port, name) == want
    told.__doc__ = "%s to be %s" % (name, want)
    wait(told)


def promtool(*args, stdin=None):
    done = subprocess.run(["promtool", *args], input=stdin, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


class Watched(Relay):
    def __init__(self, folder, main_cf="", **more):
        self.http = free_port()
        super().__init__(folder, "http_listen = 127.0.0.1:%d\nmynetworks = 127.0.0.0/8\n%s" % (self.http, main_cf), **more)


class Client:
    """An SMTP client that is as wrong as the test wants it."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.file = self.socket.makefile("rb")
        self.reply()

    def reply(self):
        line = self.file.readline()
        while line[3:4] == b"-":
            line = self.file.readline()
        return line.decode()

    def say(self, *lines):
        for line in lines:
            self.socket.sendall(line.encode() + b"\r\n")
            last = self.reply()
        return last

    def close(self):
        self.file.close()
        self.socket.close()


def families(text):
    return {line.split()[2]: line.split()[3] for line in text.splitlines() if line.startswith("# TYPE ")}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A relay to which everything has happened once, and what it tells."""
    folder = tmp_path_factory.mktemp("metrics")
    script = {"RCPT": lambda sink, argument: "550 5.1.1 no such user" if "nobody" in argument else "450 4.2.2 full" if "full" in argument else None}
    with Sink(tls=certificate(str(folder)), script=script) as sink:
        cert, key = certificate(str(folder))
        with Watched(folder / "r", "relayhost = [127.0.0.1]:%d\nsmtp_tls_security_level = may\nsmtpd_tls_security_level = may\nsmtpd_tls_cert_file = %s\n"
                     "smtpd_tls_key_file = %s\nsmtpd_client_message_rate_limit = 5\nsmtpd_client_event_limit_exceptions =\n" %
                     (sink.port, cert, key)) as relay:
            for to in ("a@c.test", "nobody@c.test", "full@c.test"):
                relay.run("sendmail", "-f", "a@b.test", to, stdin=MAIL)
            client = Client(relay.port)
            client.say("EHLO c.test", "MAIL FROM:<a@b.test>", "RCPT TO:<x@c.test>")
            assert client.say("DATA").startswith("354") and client.say("Subject: x\r\n\r\nx\r\n.").startswith("250")
            assert client.say("MAIL FROM:<@@>")[:3] == "501"
            client.close()
            for i in range(6):
                client = Client(relay.port)
                last = client.say("EHLO c.test", "MAIL FROM:<a@b.test>")
                assert client.say("QUIT")[:3] == "221"
                client.close()
            assert last.startswith("450")
            sink.wait(2)
            becomes(relay.http, "relaybox_sent_total", 3)
            becomes(relay.http, "postfix_smtpd_disconnects_total", 7)
            yield relay, sink


def test_what_happened_is_counted(world):
    relay, _ = world
    _, kind, text = fetch(relay.http)
    got = samples(text)
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    want = {
        "postfix_smtpd_connects_total": 7, "postfix_smtpd_disconnects_total": 7,
        'postfix_smtpd_messages_processed_total{sasl_method=""}': 1,
        'postfix_smtpd_connections_lost_total{after_stage="MAIL"}': 1,
        'postfix_smtpd_messages_rejected_total{code="450"}': 1 + 1,
        'relaybox_refusals_total{command="MAIL",reason="4.7.1"}': 2,
        'relaybox_limits_total{limit="client_message_rate"}': 2,
        'postfix_smtp_messages_processed_total{status="sent"}': 3,
        'postfix_smtp_messages_processed_total{status="bounced"}': 1,
        'postfix_smtp_messages_processed_total{status="deferred"}': 1,
        'postfix_smtp_delivery_delay_seconds_count{stage="transmission"}': 5,
        'relaybox_smtpd_sessions_total{level="may",version="none"}': 7,
        "postfix_bounce_non_delivery_notification_total": 1,
        "postfix_qmgr_messages_inserted_receipients_count": 5,
        "postfix_qmgr_messages_removed_total": 4,
        "relaybox_messages_total": 4, "relaybox_submissions_total": 3,
        "relaybox_queued_messages": 1, 'relaybox_queue_messages{queue="deferred"}': 1, 'relaybox_queue_messages{queue="active"}': 0,
        'postfix_showq_message_size_bytes_count{queue="deferred"}': 1,
        "relaybox_healthy": 1, "relaybox_ready": 1, "relaybox_stopping": 0,
        "relaybox_destination_messages{transport=\"smtp\",nexthop=\"[127.0.0.1]:%d\"}" % world[1].port: 1,
    }
    for name, count in want.items():
        assert got.get(name) == count, (name, got.get(name), sorted(got))
    tls = [n for n in got if n.startswith("relaybox_smtp_sessions_total")]
    assert tls and all('level="may",version="TLSv1.' in n for n in tls)
    assert got["relaybox_flush_seconds_count"] == got["relaybox_flushes_total"] > 0
    assert got["relaybox_room_bytes"] > got["relaybox_room_kept_bytes"] > 0


def test_figures_are_those_of_relayctl(world):
    relay, _ = world
    stats = json.loads(relay.run("relayctl", "stats", "--json").stdout)
    got = samples(fetch(relay.http)[2])
    compared = 0
    for key, count in stats.items():
        if not isinstance(count, int) or re.search("uptime|memory_bytes|loop_|flush", key):
            continue
        assert got["relaybox_" + key] == count, key
        compared += 1
    assert compared > 15


def test_promtool_finds_nothing(world):
    code, said = promtool("check", "metrics", stdin=fetch(world[0].http)[2])
    assert (code, said) == (0, "")


def test_open_metrics_for_who_accepts_it(world):
    _, kind, text = fetch(world[0].http, accept="text/html, %s;q=0.5" % OPEN)
    assert kind == OPEN + "; charset=utf-8" and text.endswith("# EOF\n") and text.count("# EOF") == 1
    assert families(text)["relaybox_messages"] == "counter" and "relaybox_messages_total " in text
    assert 'le="1000.0"' in text


def test_every_metric_is_in_the_manual(world):
    with open(os.path.join(ROOT, "docs/man/relaybox-metrics.5"), encoding="utf-8") as f:
        told = set(re.findall(r"^\.It Li (\w+)", f.read(), re.M))
    assert told == set(families(fetch(world[0].http)[2]))


def example(name):
    return os.path.join(ROOT, "docs/examples", name)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def dashboard_queries():
    """Every query of the dashboard, with what Grafana puts in place of its variables."""
    board = json.loads(read(example("grafana-dashboard.json")))
    queries = [t["expr"] for p in board["panels"] for t in p["targets"]]
    assert len({p["id"] for p in board["panels"]}) == len(board["panels"]) > 20
    return [q.replace("$__rate_interval", "1m").replace("$instance", ".*") for q in queries]


def test_alert_rules_are_sound():
    code, said = promtool("check", "rules", example("prometheus-alerts.yml"))
    assert code == 0 and "SUCCESS" in said and "WARN" not in said.upper(), said


def test_examples_ask_for_metrics_that_are_there(world):
    known = families(fetch(world[0].http)[2])
    asked = set(re.findall(r"\b(?:relaybox|postfix)_[a-z_]+", " ".join(dashboard_queries() +
        re.findall(r"^ +expr: (.*(?:\n {10}.*)*)", read(example("prometheus-alerts.yml")), re.M))))
    assert len(asked) > 30
    unknown = [m for m in asked if m not in known and re.sub("_(bucket|sum|count)$", "", m) not in known]
    assert not unknown


def scrape_config(folder, port):
    path = os.path.join(str(folder), "prometheus.yml")
    with open(path, "w", encoding="utf-8") as f:
        f.write("global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files: ['%s']\nscrape_configs:\n  - job_name: relaybox\n"
                "    static_configs:\n      - targets: ['127.0.0.1:%d']\n" % (example("prometheus-alerts.yml"), port))
    return path


class Prometheus:
    def __init__(self, folder, target):
        self.port = free_port()
        self.out = open(os.path.join(str(folder), "prometheus.log"), "wb")
        self.process = subprocess.Popen(["prometheus", "--config.file=" + scrape_config(folder, target), "--storage.tsdb.path=%s/tsdb" % folder,
                                         "--web.listen-address=127.0.0.1:%d" % self.port], stdout=self.out, stderr=self.out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
        self.out.close()

    def ask(self, path, **query):
        with urllib.request.urlopen("http://127.0.0.1:%d/api/v1/%s?%s" % (self.port, path, urllib.parse.urlencode(query)), timeout=30) as answer:
            got = json.load(answer)
        assert got["status"] == "success", got
        return got["data"]

    def query(self, text):
        return self.ask("query", query=text)["result"]

    def target(self):
        try:
            targets = self.ask("targets")["activeTargets"]
        except OSError:
            return None
        return targets[0] if targets and targets[0]["health"] != "unknown" else None


def test_a_real_prometheus_scrapes_it(world, tmp_path):
    relay, _ = world
    with Prometheus(tmp_path, relay.http) as p:
        target = wait(p.target, 60)
        assert target["health"] == "up" and target["lastError"] == "", target
        wait(lambda: p.query("relaybox_messages_total"), 60)
        assert p.query("relaybox_messages_total")[0]["value"][1] == "4"
        assert len(p.query("postfix_showq_message_age_seconds_bucket")) == 33
        # a rate needs two scrapes
        wait(lambda: p.query("rate(relaybox_flush_seconds_count[1m])"), 60)
        for query in dashboard_queries():
            assert p.query(query), query

        def judged():
            return all(r["health"] != "unknown" for g in p.ask("rules")["groups"] for r in g["rules"])
        wait(judged, 60)
        rules = {r["name"]: r for g in p.ask("rules")["groups"] for r in g["rules"]}
        assert len(rules) > 10 and all(r["health"] == "ok" for r in rules.values()), rules
        assert rules["RelayDown"]["state"] == rules["RelayUnhealthy"]["state"] == rules["RelayQueueDamaged"]["state"] == "inactive"


def test_health_says_why_and_goes_on_in_the_drain(tmp_path):
    go_on = threading.Event()
    with Sink(script={"END": lambda sink, argument: go_on.wait(60) and None}) as sink:
        with Watched(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nshutdown_timeout = 60s\n" % sink.port) as relay:
            assert fetch(relay.http, "/readyz") == (200, "text/plain; charset=utf-8", "ok\n")
            relay.run("sendmail", "-f", "a@b.test", "c@d.test", stdin=MAIL)
            wait(lambda: sink.open)
            relay.process.terminate()
            relay.wait_log("terminating on signal")
            becomes(relay.http, "relaybox_stopping", 1)
            assert fetch(relay.http, "/readyz")[::2] == (503, "shutting down\n")
            assert fetch(relay.http, "/healthz")[0] == 200
            assert value(relay.http, "relaybox_ready") == 0 and value(relay.http, "relaybox_healthy") == 1
            assert value(relay.http, "relaybox_deliveries_in_flight") == 1
            go_on.set()
            assert relay.process.wait(30) == 0


def cpu(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """A relay with mail for 10,000 destinations, whose sessions do not end."""
    go_on = threading.Event()
    with Sink(address="0.0.0.0", script={"CONNECT": lambda sink, argument: go_on.wait(300) and None}) as sink:
        folder = tmp_path_factory.mktemp("crowd") / "r"
        relay = Watched(folder, "transport_maps = texthash:%s/transport\nslow_destination_concurrency_limit = 1\nqmgr_message_active_limit = 20000\n" % folder,
                        files={"transport": "".join("d%d-%d.test slow:[127.0.%d.%d]:%d\n" % (i, j, i, j, sink.port) for i in range(1, 51)
                                                     for j in range(1, 201))})
        relay.write("master.cf", "%d inet n - n - - smtpd\nslow unix - - n - 2 smtp\n" % relay.port)
        try:
            with relay:
                for part in range(50):
                    relay.run("sendmail", "-f", "a@b.test", *["u@d%d-%d.test" % (part + 1, i + 1) for i in range(200)], stdin=MAIL)
                becomes(relay.http, "relaybox_destinations", 10000)
                yield relay
        finally:
            go_on.set()


def test_many_destinations_are_few_rows(crowd):
    """Twenty scrapes of 10,000 destinations cost little, whatever else the machine does."""
    got = samples(fetch(crowd.http)[2])
    for of in ("messages", "waiting", "in_flight", "window", "suspended"):
        assert len([n for n in got if n.startswith("relaybox_destination_%s{" % of)]) == 101
    waiting = [n for n in got if n.startswith("relaybox_destination_waiting{")]
    in_flight = sum(got[n.replace("waiting", "in_flight")] for n in waiting)
    assert in_flight == 2 and sum(got[n] for n in waiting) == 10000 - in_flight
    assert got['relaybox_destination_waiting{transport="other",nexthop="other"}'] >= 9800
    before = cpu(crowd.process.pid)
    for _ in range(20):
        fetch(crowd.http)
        time.sleep(0.3)  # past the time in which an answer is shared
    spent = (cpu(crowd.process.pid) - before) / 20
    assert spent < 0.01, "%.4f s of CPU for a scrape: one a second would be more than 1 %%" % spent


def test_figures_have_every_destination_and_all_the_rest(crowd):
    one = json.loads(crowd.run("relayctl", "stats", "--json").stdout)
    assert len({d["nexthop"] for d in one["destinations"]}) == len(one["destinations"]) == 10000
    assert sum(d["waiting"] + d["in_flight"] for d in one["destinations"]) == 10000 and one["minutes"]


def test_slow_scrapers_harm_nothing(crowd):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, most) if most > 0 else 4096, most))
    with open(crowd.path("main.cf"), "a", encoding="ascii") as f:
        f.write("http_destination_limit = 1000\n")
    crowd.run("relayctl", "reload")
    wait(lambda: len([n for n in samples(fetch(crowd.http)[2]) if n.startswith("relaybox_destination_window{")]) == 1001)
    files, slow = "/proc/%d/fd" % crowd.process.pid, []
    before = len(os.listdir(files))
    for i in range(1000):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        s.bind(("127.0.%d.%d" % (1 + i % 40, 1 + i % 250), 0))
        s.connect(("127.0.0.1", crowd.http))
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        slow.append(s)
        if i % 100 == 50:
            assert fetch(crowd.http, "/readyz")[0] == 200
    # the last of them are seated a moment later, and an answer is as old as the one that it shares
    wait(lambda: samples(fetch(crowd.http)[2])['relaybox_limits_total{limit="http_connections"}'] > 0)
    assert len(os.listdir(files)) < before + 80
    with open("/proc/%d/status" % crowd.process.pid, encoding="ascii") as f:
        held = int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))
    assert SANITIZER or held < 80000, "%d kB" % held
    crowd.run("sendmail", "-f", "a@b.test", "c@d.test", stdin=MAIL)
    for s in slow:
        s.close()
