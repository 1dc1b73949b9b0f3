"""kill -9 at random moments under load: every message that got 250 arrives, whole and unaltered (threats 4.1)."""
import hashlib
import os
import random
import smtplib
import threading
import time

from lab import SLOW, Relay, Sink, wait

KILLS = int(os.environ.get("RELAYBOX_KILLS", "30" if SLOW > 1 else "100"))
SENDERS = 4
IN_FLIGHT = 20  # default_destination_concurrency_limit


class Ledger:
    """What was sent, and what was promised. Written before and after each message, never guessed."""

    def __init__(self):
        self.lock, self.sent, self.acked, self.number = threading.Lock(), {}, {}, 0  # acked: name -> (when, queue id)

        self.late = {}  # acknowledged while the power went: see tests/fault/test_power.py

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


def test_kill_minus_9_under_load_loses_nothing(tmp_path):
    rng = random.Random(4711)
    ledger = Ledger()
    with Sink() as sink:
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
            r.run("relayctl", "flush")
            wait(r.empty, 60)
        got = {}
        for m in sink.messages:
            name = m.rcpts[0].split("@")[0]
            got.setdefault(name, []).append(hashlib.sha256(m.body).hexdigest())
    assert len(ledger.acked) > KILLS, "the load was no load: %d" % len(ledger.acked)
    lost = [n for n in ledger.acked if n not in got]
    assert not lost, "%d of %d acknowledged messages lost: %s" % (
        len(lost), len(ledger.acked), [(n, ledger.acked[n]) for n in lost[:5]])
    altered = [n for n, hashes in got.items() if any(h != ledger.sent[n] for h in hashes)]
    assert not altered, altered[:5]
    extra = sum(len(hashes) - 1 for hashes in got.values())
    assert extra <= KILLS * IN_FLIGHT
    print("%d kills, %d acknowledged, %d delivered, %d extra copies" % (KILLS, len(ledger.acked), len(got), extra))
