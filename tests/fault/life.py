"""life - what a queue lives through, one file-system call at a time: relayd itself, under at_call.

A life has two parts, a process each. Youth: mail small and large is accepted, delivered, refused for good (a notice goes back),
deferred, expired by hand; segments fill and become empty. Age: a start from what that left, compaction, segments used again, the
end. at_call counts the calls that relayd makes below its queue and strikes at one of them. Afterwards the queue is opened without
it, the sink takes everything, and what was acknowledged must have arrived unaltered, or its notice.
"""
import hashlib
import os
import smtplib
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lab import RELAYBOX, SLOW, Relay, Sink  # noqa: E402


FLUSHES = ("fsync", "fdatasync")


class Gone(Exception):
    """relayd is not there any more, or not yet."""


class Mail:
    """The ledger of one life, and the sink's mind about it. The first word of a name says what becomes of the message."""

    def __init__(self, before=None):
        self.sent, self.acked, self.began, self.got, self.notices, self.refuse = {}, {}, {}, {}, set(), True
        if before:
            self.sent, self.acked, self.notices = dict(before.sent), dict(before.acked), set(before.notices)
            self.got = {name: list(sums) for name, sums in before.got.items()}
        self.sink = Sink(script={"RCPT": self.on_rcpt, "END": self.on_end})

    def on_rcpt(self, sink, argument):
        name = argument.partition("<")[2]
        if name.startswith("no-"):
            return "550 5.1.1 nobody here"
        if name.startswith(("later-", "late-")) and self.refuse:
            return "450 4.2.0 later"

    def on_end(self, sink, message):
        name = message.rcpts[0].split("@")[0]
        if name.startswith("s-"):
            self.notices.add(name[2:])
        else:
            self.got.setdefault(name, []).append(hashlib.sha256(message.body).hexdigest())
        message.content = b""

    def put(self, smtp, kind, size):
        """One message; True when it was acknowledged."""
        name = "%s-%d" % (kind, len(self.sent))
        body = b"".join(b"%s %d\r\n" % (name.encode(), i) for i in range(1 + size // 12))
        self.sent[name], self.began[name] = hashlib.sha256(body).hexdigest(), time.monotonic()
        for code, text in (smtp.mail("s-%s@example.com" % name), smtp.rcpt(name + "@example.org")):
            if code != 250:
                smtp.rset()
                return False
        code, text = smtp.data(b"Subject: " + name.encode() + b"\r\n\r\n" + body)
        if code == 250:
            self.acked[name] = text.decode().split()[-1]
        elif code not in (451, 452):
            raise AssertionError("%d %s" % (code, text.decode()))
        return code == 250

    def id_of(self, kind):
        return next((qid for name, qid in self.acked.items() if name.startswith(kind + "-")), None)

    def settled(self, name):
        return name in self.got or (name in self.notices and name.startswith(("no-", "late-")))

    def judge(self, crashes):
        lost = [n for n in self.acked if not self.settled(n)]
        assert not lost, "acknowledged and lost: %s" % lost
        altered = [n for n, sums in self.got.items() if any(s != self.sent.get(n) for s in sums)]
        assert not altered, "altered: %s" % altered
        often = {n: len(sums) for n, sums in self.got.items() if len(sums) > 1 + crashes}
        assert not often, "more copies than crashes allow: %s" % often


class Watched(Relay):
    """A relayd under at_call; `strike` are its options, none: relayd alone."""

    def __init__(self, at_call, folder, place, port, more=""):
        self.at_call, self.place, self.strike, self.calls, self.hit, self.struck = at_call, str(place), [], [], None, []
        super().__init__(folder, "relayhost = [127.0.0.1]:%d\nqueue_directory = %s/queue\nminimal_backoff_time = 1s\n"
                         "maximal_backoff_time = 2s\nqueue_segment_size = 65536\nqueue_big_threshold = 32768\n%s" % (port, self.place, more))

    def spawn(self, *options):
        if self.strike is None:
            super().spawn(*options)
            return
        self.process = subprocess.Popen([self.at_call, *self.strike, self.place, self.path("calls"), RELAYBOX, "relayd", "-c", self.dir,
                                         *options], env=self.env, stdin=subprocess.DEVNULL, stderr=open(self.path("stderr"), "ab"))

    def start(self, *options):
        self.hit, self.calls = None, []
        self.spawn(*options)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Gone()
            try:
                # who is struck while somebody connects may leave him waiting
                self.session(1).close()
                return self
            except (OSError, smtplib.SMTPException):
                time.sleep(0.002)
        raise AssertionError("relayd does not answer: " + self.log()[-2000:])

    def session(self, patience=20):
        smtp = smtplib.SMTP("127.0.0.1", self.port, timeout=patience)
        smtp.ehlo("load.test")
        return smtp

    def finish(self):
        """Wait for the end; its status. Afterwards `calls` are rows of (call, path), `hit` is (when, call, path) or None."""
        status, self.process = self.process.wait(30), None
        if self.strike is not None:
            self.read_report()
        return status

    def read_report(self):
        with open(self.path("calls")) as f:
            rows = [line.rstrip("\n").split(" ") for line in f]
        self.calls = [(r[1], r[2].replace(self.place, "")) for r in rows if r[0].isdigit() and len(r) == 3]
        hit = next(((float(r[1]), r[2], r[3].replace(self.place, "")) for r in rows if r[0] == "hit"), None)
        if hit and not self.hit:
            self.struck.append("%s %s" % hit[1:])
        self.hit = hit

    def stop(self, *_):
        if self.process:
            self.process.terminate()
            return self.finish()
        return 0

    def pid(self):
        with open(self.path("calls")) as f:
            return int(f.readline().split()[1])

    def patient(self, what, seconds, tries=0):
        """Wait for it while relayd lives; did it come? On a busy machine seconds are few: so many tries are made at least."""
        end = time.monotonic() + seconds
        while not what() and (time.monotonic() < end or tries > 0):
            tries -= 1
            if self.process.poll() is not None:
                raise Gone()
            time.sleep(0.01)
        return what()

    def spares(self):
        return [n for n in os.listdir(os.path.join(self.place, "queue", "log")) if n.startswith("spare-")]


def youth(relay, mail):
    """The first process, on no queue. True when all of it happened."""
    smtp = relay.session()
    for kind, size in (("ok", 300), ("no", 300), ("later", 2000), ("late", 300), ("ok", 100000)):
        mail.put(smtp, kind, size)
    for i in range(16):
        mail.put(smtp, *(("later", 2000) if i % 4 == 3 else ("ok", 20000)))
    if mail.id_of("late"):
        relay.run("relayctl", "expire", mail.id_of("late"), check=False)
        relay.run("relayctl", "flush", check=False)
    done = relay.patient(lambda: all(mail.settled(n) for n in mail.acked if not n.startswith("later")), 2)
    smtp.quit()
    return done


def age(relay, mail):
    """The second one, on what the first left. Sparse segments are compacted and become spare, and the next mail uses them again."""
    smtp = relay.session()
    mail.put(smtp, "ok", 300)
    done = relay.patient(lambda: relay.spares(), 3)
    spares = len(relay.spares())
    for _ in range(5):
        mail.put(smtp, "ok", 20000)
    smtp.quit()
    return bool(done) and relay.patient(lambda: len(relay.spares()) < spares, 1)


def live(relay, mail, part, strike=(), at=0, each=None):
    """One process, its `at`th call struck. Returns its calls and the hit; without a hit everything must have happened."""
    relay.strike, done = [*strike, "-n", str(at)], False
    try:
        relay.start()
        done = part(relay, mail)
        if each:
            each(relay, mail)
        status = relay.stop()
    except (Gone, OSError, smtplib.SMTPException):
        status = relay.finish() if relay.process.poll() is not None else relay.stop()
    if not relay.hit:
        assert done and status == 0, "%s: status %d, all done: %s, %s" % (part.__name__, status, done, relay.log()[-3000:])
    return relay.calls, relay.hit


def strike_start(relay, strike, at):
    """The start after a strike, struck again; returns the hit."""
    relay.strike = [*strike, "-n", str(at)]
    try:
        relay.start()
        relay.stop()
    except Gone:
        relay.finish()
    return relay.hit


def settle(relay, mail, crashes):
    """Open the queue once more, deliver everything, compare with what was promised."""
    relay.strike, mail.refuse = None, False
    relay.start()

    try:
        relay.run("relayctl", "flush")
        assert relay.patient(relay.empty, 20), "what is queued does not leave: " + relay.mailq()
    finally:
        relay.kill()
    mail.judge(crashes)
