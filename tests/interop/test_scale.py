"""Relays behind a real HAProxy, nothing shared: a rolling restart under load, and from four relays to two with their queues given away."""
import os
import shutil
import signal
import socket
import subprocess

import pytest
from lab import Relay, Sink, free_port, wait, SLOW
from test_kill import Ledger, judge
from test_upgrade import Load

pytestmark = pytest.mark.skipif(not shutil.which("haproxy"), reason="needs HAProxy")

RELAY = """\
relayhost = [127.0.0.1]:%d
mynetworks = 127.0.0.0/8
http_listen = 127.0.0.1:%d
shutdown_delay = 1h
shutdown_timeout = 60s
smtpd_client_connection_count_limit = 0
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
"""
# what docs/scaling.md says
HAPROXY = """\
global
	stats socket %s mode 600
defaults
	mode tcp
	timeout connect 5s
	timeout client 300s
	timeout server 300s
	timeout check 5s
listen smtp
	bind 127.0.0.1:%d
	balance roundrobin
	option httpchk GET /readyz
	option redispatch
	retries 3
	default-server inter 200ms fall 1 rise 1
"""


class Site:
    """Relays behind one balancer."""

    def __init__(self, folder, upstream, n=4, leaving=()):
        self.dir, self.port = folder, free_port()
        self.health = [free_port() for _ in range(n)]
        self.relays = [Relay(folder / ("r%d" % i), RELAY % (upstream, self.health[i]) +
                             ("drain_relay = [127.0.0.1]:%d\n" % self.port if i in leaving else "")) for i in range(n)]
        self.stats = str(folder / "stats")
        text = HAPROXY % (self.stats, self.port)
        for i, r in enumerate(self.relays):
            text += "\tserver r%d 127.0.0.1:%d check port %d\n" % (i, r.port, self.health[i])
        (folder / "haproxy.cfg").write_text(text)

    def __enter__(self):
        for r in self.relays:
            r.start()
        with open(self.dir / "haproxy.log", "wb") as log:
            self.haproxy = subprocess.Popen(["haproxy", "-db", "-f", str(self.dir / "haproxy.cfg")], stdout=log, stderr=log)
        wait(lambda: all(self.is_up(i) for i in range(len(self.relays))), 30)
        return self

    def __exit__(self, *_):
        self.haproxy.terminate()
        self.haproxy.wait()
        for r in self.relays:
            if r.process:
                r.kill()

    def is_up(self, i):
        out = b""
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(self.stats)
            except OSError:
                return None
            s.sendall(b"show stat\n")
            while piece := s.recv(65536):
                out += piece
        return next(line for line in out.decode().splitlines() if line.startswith("smtp,r%d," % i)).split(",")[17] == "UP"

    def stop(self, i):
        """As a supervisor does it: TERM, and by then the balancer has seen /readyz. Here the second TERM stands for the end of shutdown_delay, so
        that no busy machine is too slow for it."""
        r = self.relays[i]
        r.process.send_signal(signal.SIGTERM)
        wait(lambda: not self.is_up(i), 30)
        r.process.send_signal(signal.SIGTERM)
        code = r.process.wait(90 * SLOW)
        r.process = None
        assert code == 0, r.log()[-3000:]

    def start(self, i):
        self.relays[i].start()
        wait(lambda: self.is_up(i), 30)


def more(ledger, n):
    enough = len(ledger.acked) + n
    wait(lambda: len(ledger.acked) >= enough, 60)


def test_rolling_restart_under_load(tmp_path):
    ledger = Ledger()
    with Sink(script={"END": ledger.arrive}) as sink, Site(tmp_path, sink.port) as site:
        load = Load(site.port, ledger)
        for i in range(4):
            more(ledger, 30)
            site.stop(i)
            more(ledger, 10)
            site.start(i)
        more(ledger, 30)
        load.end()
        assert load.refused == []
        wait(lambda: all(r.empty() for r in site.relays), 60)
        extra = judge(ledger, 0)
        took = [len(r.log_lines("smtpd.* client=")) for r in site.relays]
        assert all(took), took
        print("%d acknowledged, lost 0, refused 0, %d duplicates, %d sessions ended between commands" % (len(ledger.acked), extra, load.reset))


def test_from_four_to_two_with_their_queues_given_away(tmp_path):
    ledger, away = Ledger(), [True]
    # an outage upstream, so that there are queues
    with Sink(script={"MAIL": lambda s, a: "450 4.3.2 later" if away[0] else None, "END": ledger.arrive}) as sink, Site(tmp_path, sink.port, leaving=(2, 3)) as site:
        load = Load(site.port, ledger)
        more(ledger, 100)
        for i in (2, 3):
            site.stop(i)
            # all of it is elsewhere, and nothing waits for a relay that will not come back
            assert site.relays[i].empty()
        more(ledger, 30)
        load.end()
        assert load.refused == [] and not ledger.got
        assert sum(len(r.log_lines("smtpd.* client=")) for r in site.relays[2:]) > 10
        away[0] = False
        wait(lambda: all(r.empty() for r in site.relays[:2]), 60)
        extra = judge(ledger, 0)
        print("%d acknowledged, lost 0, refused 0, %d duplicates" % (len(ledger.acked), extra))
