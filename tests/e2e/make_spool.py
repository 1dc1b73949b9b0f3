"""Make a queue with one of everything, as the binary in $RELAYBOX writes it, and pack it: tests/e2e/spools/FORMAT.tar.gz.

    RELAYBOX=/path/to/an/older/relaybox tests/e2e/make_spool.py 0001

test_queue_format.py opens it with the binary of today. Make a new one whenever the format of the log changes, and keep the old
ones: somebody upgrades from there."""
import hashlib
import json
import os
import smtplib
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Relay, Sink, wait  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
MAIN = ("relayhost = [127.0.0.1]:%d\nmydestination =\nqueue_segment_size = 65536\nqueue_big_threshold = 32768\nmessage_size_limit = 1000000\n"
        "queue_compress = %s\nsmtpd_client_connection_count_limit = 0\n")


def answer(sink, argument):
    if "done" in argument:
        return None
    return "550 5.1.1 no such user" if "never" in argument else "450 4.2.0 later"


class Maker:
    def __init__(self, folder):
        self.expected = {}
        self.sink = Sink(script={"RCPT": answer})
        self.relay = Relay(folder, MAIN % (self.sink.port, "no"))

    def send(self, name, *rcpts, body="hello", options=(), rcpt_options=(), sender="s@example.com"):
        body = body.replace("\n", "\r\n") + "\r\n"
        content = "Subject: %s\r\nX-Test: %s\r\n\r\n" % (name, name) + body
        with smtplib.SMTP("127.0.0.1", self.relay.port) as c:
            c.sendmail(sender, rcpts, content, options, rcpt_options)
        for r in rcpts:
            if "done" not in r and "never" not in r:
                self.expected["%s %s" % (name, r)] = hashlib.sha256(body.encode()).hexdigest()

    def settled(self, count):
        self.relay.wait_log("status=deferred", count)

    def make(self):
        relay = self.relay
        relay.start()
        for i in range(5):
            self.send("small-%d" % i, "small%d@x.test" % i)
        self.send("dsn", "dsn@x.test", options=["RET=HDRS", "ENVID=id+2B1"], rcpt_options=["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;old@x.test"])
        self.send("null", "null@x.test", sender="<>")
        self.send("states", "done1@x.test", "later1@x.test", "done2@y.test", "later2@y.test")
        self.send("bounced", "never@x.test", "later3@x.test", sender="bounced-to@x.test")
        self.send("big", "big1@x.test", "big2@y.test", body="\n".join("line %d of a large message" % i for i in range(3000)))
        for i in range(60):
            self.send("ended", "done%d@x.test" % i, body="x" * 1000 + "\n" + "y" * 900)
        self.send("held", "held@x.test")
        self.settled(5 + 1 + 1 + 2 + 1 + 2 + 1 + 1)
        relay.wait_log(": removed", 60)
        relay.run("relayctl", "hold", [line.split(": ")[1] for line in relay.log_lines("to=<held@")][0])
        relay.stop()
        # a second life: what was sealed lies before it, and this one ends with a kill
        relay.write("main.cf", open(relay.path("main.cf")).read().replace("queue_compress = no", "queue_compress = yes"))
        relay.start()
        for i in range(3):
            self.send("deflated-%d" % i, "deflated%d@x.test" % i, body="\n".join("line %d of compressible text" % k for k in range(500)))
        self.send("deflated big", "big3@x.test", body="\n".join("line %d of another large message" % i for i in range(3000)))
        self.send("last", "last@x.test")
        self.settled(14 + 5)
        time.sleep(2)  # results are in the log a second later
        wait(lambda: len(os.listdir(relay.path("queue", "log"))) >= 2)
        relay.kill()
        self.sink.close()

    def pack(self, name):
        os.makedirs(os.path.join(HERE, "spools"), exist_ok=True)
        with open(self.relay.path("expected.json"), "w") as f:
            json.dump(self.expected, f, indent=1, sort_keys=True)
        with tarfile.open(os.path.join(HERE, "spools", name + ".tar.gz"), "w:gz") as tar:
            tar.add(self.relay.path("expected.json"), "expected.json")
            for sub in ("log", "big", "corrupt"):
                tar.add(self.relay.path("queue", sub), "queue/" + sub)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        maker = Maker(folder)
        maker.make()
        maker.pack(sys.argv[1])
        print("%d recipients wait" % len(maker.expected), sorted(os.listdir(maker.relay.path("queue", "log"))))
