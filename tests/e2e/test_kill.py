"""kill -9 at random moments under load: every message that got 250 arrives, whole and unaltered."""
import hashlib
import json
import os
import random
import shutil
import smtplib
import socket
import threading
import time

import pytest
from lab import SLOW, Relay, Sink, wait

pytestmark = pytest.mark.long
KILLS = int(os.environ.get("RELAYBOX_KILLS", "30" if SLOW > 1 else "100"))
SENDERS = 4
RECENT = 3      # core/store/compact.c: as many segments at the end are left alone
IN_FLIGHT = 20  # default_destination_concurrency_limit


class Ledger:
    """What was sent, and what was promised. Written before and after each message, never guessed."""

    def __init__(self):
        self.lock, self.sent, self.acked, self.number = threading.Lock(), {}, {}, 0  # acked: name -> (when, queue id)
        self.late = {}  # acknowledged while the power went: see tests/fault/test_power.py
        self.got, self.copies = {}, 0   # name -> what arrived, one hash a copy

    def arrive(self, sink, message):
        """The sink's END: of a long run only the sums are kept."""
        with self.lock:
            self.got.setdefault(message.rcpts[0].split("@")[0], []).append(hashlib.sha256(message.body).hexdigest())
            self.copies += 1
        message.content = b""

    def next(self, rng):
        with self.lock:
            self.number += 1
            name = "m%06d" % self.number
        # some small, some above the big-body threshold's neighbourhood, with dots and long lines
        size = rng.choice([50, 300, 4096, 4096, 20000, 300000])
        line = (name + " ." + "x" * rng.randrange(1, 900)).encode()
        body = b".\r\n" + b"\r\n".join([line] * (1 + size // len(line))) + b"\r\n"
        self.sent[name] = hashlib.sha256(body).hexdigest()
        return name, b"Subject: " + name.encode() + b"\r\n\r\n" + body


def sender(port, ledger, stop, seed):
    rng = random.Random(seed)
    while not stop.is_set():
        try:
            with smtplib.SMTP("127.0.0.1", port, timeout=20) as c:
                c.ehlo("load.test")
                while not stop.is_set():
                    name, content = ledger.next(rng)
                    if c.mail("load@example.com")[0] != 250 or c.rcpt(name + "@example.org")[0] != 250:
                        break
                    code, text = c.data(content)
                    if code == 250:
                        ledger.acked[name] = (time.monotonic(), text.decode().split()[-1])
        except (OSError, smtplib.SMTPException):
            time.sleep(0.01)


def drain(relay, ledger):
    """Deliver all that waits, however much that is; it is stuck when nothing arrives any more."""
    copies, since = -1, 0
    while not relay.empty():
        relay.run("relayctl", "flush")
        if ledger.copies != copies:
            copies, since = ledger.copies, time.monotonic()
        assert time.monotonic() < since + 30 * SLOW, "nothing arrives, and the queue is not empty:\n" + relay.mailq()[-2000:]
        time.sleep(0.2)


def judge(ledger, limit):
    """The promise. Returns the number of copies beyond the first."""
    lost = [n for n in ledger.acked if n not in ledger.got]
    assert not lost, "%d of %d acknowledged messages lost: %s" % (
        len(lost), len(ledger.acked), [(n, ledger.acked[n]) for n in lost[:5]])
    altered = [n for n, hashes in ledger.got.items() if any(h != ledger.sent.get(n) for h in hashes)]
    assert not altered, altered[:5]
    extra = sum(len(hashes) - 1 for hashes in ledger.got.values())
    assert extra <= limit, "%d extra copies, at most %d were in flight" % (extra, limit)
    return extra


def test_kill_minus_9_under_load_loses_nothing(tmp_path):
    rng = random.Random(4711)
    ledger = Ledger()
    with Sink(script={"END": ledger.arrive}) as sink:
        r = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nminimal_backoff_time = 1s\nmaximal_backoff_time = 2s\n"
                  "queue_run_delay = 1s\nsmtpd_client_connection_count_limit = 0\nqueue_big_threshold = 65536\n"
                  "queue_segment_size = 1048576\n" % sink.port)
        for k in range(KILLS):
            if k % 4 == 3:
                # also while it reads the log of its predecessor
                r.spawn()
                time.sleep(rng.uniform(0.0, 0.02) * SLOW)
                r.kill()
            r.start()
            stop = threading.Event()
            threads = [threading.Thread(target=sender, args=(r.port, ledger, stop, k * SENDERS + n)) for n in range(SENDERS)]
            for t in threads:
                t.start()
            time.sleep(rng.uniform(0.005, 0.3) * SLOW)
            r.kill()
            stop.set()
            for t in threads:
                t.join()
        with r:
            drain(r, ledger)
    assert len(ledger.acked) > KILLS, "the load was no load: %d" % len(ledger.acked)
    extra = judge(ledger, KILLS * IN_FLIGHT)
    print("%d kills under load: %d acknowledged, lost 0, altered 0, %d delivered, %d extra copies" % (
        KILLS, len(ledger.acked), len(ledger.got), extra))


class Grown:
    """A queue whose state is known, to be killed on again and again: what waits, what is finished, each killed copy compared."""

    def __init__(self, folder, more):
        self.ledger, self.refuse, self.everything = Ledger(), True, False
        self.sink = Sink(script={"RCPT": self.on_rcpt, "END": self.ledger.arrive})
        self.relay = Relay(folder / "r", "relayhost = [127.0.0.1]:%d\nminimal_backoff_time = 300s\n"
                           "smtpd_client_connection_count_limit = 0\n%s" % (self.sink.port, more))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.relay.process:
            self.relay.kill()
        self.sink.close()

    def on_rcpt(self, sink, argument):
        # every third message waits, or all
        if self.refuse and (self.everything or int(argument.partition("<m")[2][:6]) % 3 == 0):
            return "450 4.2.0 later"

    def grow(self, count, size):
        with smtplib.SMTP("127.0.0.1", self.relay.port, timeout=20) as c:
            c.ehlo("load.test")
            for _ in range(count):
                name = "m%06d" % len(self.ledger.sent)
                body = b"%s\r\n" % name.encode() * (size // 9)
                self.ledger.sent[name] = hashlib.sha256(body).hexdigest()
                assert c.mail("load@example.com")[0] == c.rcpt(name + "@example.org")[0] == 250
                assert c.data(b"Subject: x\r\n\r\n" + body)[0] == 250
                self.ledger.acked[name] = None
        self.waiting = {n for n in self.ledger.acked if self.everything or int(n[1:]) % 3 == 0}
        wait(lambda: self.queued() == self.waiting, 30)

    def keep(self):
        shutil.move(self.relay.path("queue"), self.relay.path("grown"))

    def lay(self):
        shutil.rmtree(self.relay.path("queue"), ignore_errors=True)
        shutil.copytree(self.relay.path("grown"), self.relay.path("queue"), ignore=shutil.ignore_patterns("control", "submit"))

    def start_seconds(self):
        """From the process to the first connection that is accepted, with what was kept."""
        self.lay()
        self.relay.spawn()
        began = time.monotonic()
        wait(lambda: answers(self.relay.port), every=0.0005)
        took = time.monotonic() - began
        self.relay.kill()
        return took

    def queued(self):
        rows = self.relay.run("relayctl", "queue", "--json").stdout.decode().splitlines()
        return {json.loads(row)["recipients"][0]["address"].split("@")[0] for row in rows}

    def compare(self):
        there = self.queued()
        assert there == self.waiting, "lost: %s; back again: %s" % (sorted(self.waiting - there)[:5], sorted(there - self.waiting)[:5])

    def close(self, kills, what):
        """What the last kill left is delivered."""
        self.refuse = False
        drain(self.relay, self.ledger)
        judge(self.ledger, 0)
        print("%d kills during %s: %d acknowledged, lost 0, altered 0, extra copies 0" % (kills, what, len(self.ledger.acked)))


def answers(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def test_kill_minus_9_during_recovery_loses_nothing(tmp_path):
    rng, inside = random.Random(4712), 0
    with Grown(tmp_path, "queue_segment_size = 67108864\n") as g:
        g.relay.start()
        g.grow(1200, 9000)
        # the ends of those that are delivered are durable
        time.sleep(1)
        # no footer: the next start reads all of it
        g.relay.kill()
        g.keep()
        took = min(g.start_seconds() for _ in range(5))
        for _ in range(KILLS):
            if inside >= KILLS // 4:
                break
            g.lay()
            # the start after a kill is killed as well, mostly
            for _ in range(rng.randrange(1, 4)):
                g.relay.spawn()
                time.sleep(rng.uniform(0, took))
                inside += not answers(g.relay.port)
                g.relay.kill()
            g.relay.start()
            g.compare()
            g.relay.kill()
        assert inside >= KILLS // 8, "only %d of the kills came before relayd answered" % inside
        g.relay.start()
        g.close(inside, "recovery")


def test_kill_minus_9_during_compaction_loses_nothing(tmp_path):
    rng, inside = random.Random(4713), 0
    # one large segment, which is not worth it while segments are that large; it is when they are small
    with Grown(tmp_path, "queue_segment_size = 67108864\n") as g:

        def segments():
            return {n for n in os.listdir(g.relay.path("queue", "log")) if n.endswith(".seg")}

        def until_compaction():
            "Nothing else writes: a new segment is that of the first copies."
            g.lay()
            before = segments()
            g.relay.start()
            wait(lambda: segments() - before, every=0.001)
            return before

        for count, size in [(1000, 40000)] + [(3, 100)] * RECENT:
            g.relay.start()
            g.grow(count, size)
            g.relay.stop()
        with open(g.relay.path("main.cf"), "a") as f:
            f.write("queue_segment_size = 4194304\n")
        g.keep()
        before, began = until_compaction(), time.monotonic()
        wait(lambda: before - segments(), every=0.001)
        took = time.monotonic() - began
        g.relay.kill()
        for _ in range(KILLS):
            if inside >= KILLS // 8:
                break
            before = until_compaction()
            time.sleep(rng.uniform(0, took))
            g.relay.kill()
            # the segment that is emptied is still there
            inside += before <= segments()
            g.relay.start()
            g.compare()
            g.relay.kill()
        assert inside >= KILLS // 16, "only %d of the kills came before a segment was empty" % inside
        g.relay.start()
        g.close(inside, "compaction")


def test_kill_minus_9_while_the_queue_drains_repeats_little(tmp_path):
    """With no new mail results have no flush to ride with: what a kill may repeat is bounded all the same."""
    kills = 6
    with Grown(tmp_path, "") as g:
        g.relay.start()
        g.everything = True
        g.grow(1500, 300)
        for k in range(kills):
            g.refuse, before = False, len(g.sink.messages)
            g.relay.run("relayctl", "flush")
            wait(lambda: len(g.sink.messages) > before + 100 + 20 * k, every=0.001)
            g.relay.kill()
            g.refuse = True
            g.relay.start()
        g.refuse = False
        drain(g.relay, g.ledger)
        # in flight, in the batch that is being flushed, in the next one
        extra = judge(g.ledger, kills * 3 * IN_FLIGHT)
        print("%d kills while the queue drains: %d acknowledged, lost 0, altered 0, %d extra copies" % (kills, len(g.ledger.acked), extra))
