"""Queues of other versions: what an earlier one wrote is delivered without loss; what a later one put into an envelope holds that
message and nothing else, until a version comes that knows it."""
import glob
import hashlib
import json
import os
import re
import smtplib
import struct
import sys
import tarfile

import pytest
from lab import ROOT, SLOW, Relay, Sink, wait

sys.path.insert(0, os.path.join(ROOT, "tests", "fault"))
from test_format import crc32c  # noqa: E402

SPOOLS = sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "spools", "*.tar.gz")))


def unpack(path, relay):
    with tarfile.open(path) as tar:
        tar.extractall(relay.dir)
    with open(relay.path("expected.json")) as f:
        return json.load(f)


def held_id(relay):
    return re.search(r"^(\w+)! ", relay.mailq(), re.M).group(1)


@pytest.mark.parametrize("path", SPOOLS, ids=[os.path.basename(p)[:4] for p in SPOOLS])
@pytest.mark.parametrize("lives", [0, 2], ids=["at once", "after two more starts"])
def test_a_queue_of_an_earlier_format_is_delivered_without_loss(tmp_path, path, lives):
    with Sink(script={"RCPT": lambda sink, argument: None if sink.willing else "450 4.2.0 later"}) as sink:
        sink.willing = False
        relay = Relay(tmp_path, "relayhost = [127.0.0.1]:%d\nmydestination =\nqueue_segment_size = 65536\n" % sink.port)
        expected = unpack(path, relay)
        listed = relay.mailq()
        for key in expected:
            assert key.split(" ")[-1] in listed
        assert "done1@x.test" not in listed and len(re.findall(r"^\w+!", listed, re.M)) == 1
        for _ in range(lives):
            # tried, so that states are written beside the old records; killed, so that they are read again
            relay.start()
            relay.run("relayctl", "flush")
            relay.wait_log("status=deferred", 10)
            relay.kill()
        sink.willing = True
        with relay:
            qid = held_id(relay)
            shown = relay.run("relayctl", "show", qid).stdout.decode()
            assert "held@x.test" in shown and "X-Test: held" in shown
            relay.run("relayctl", "release", qid)
            relay.run("relayctl", "flush")
            wait(relay.empty, 30)
        got = {}
        for m in sink.messages:
            name = re.search(rb"^Subject: (.*?)\r$", m.header, re.M).group(1).decode()
            if name == "Undelivered Mail Returned to Sender":
                continue
            assert m.header.count(b"X-Test: " + name.encode()) == 1, m.header
            for r in m.rcpts:
                assert got.setdefault("%s %s" % (name, r), hashlib.sha256(m.body).hexdigest()) == hashlib.sha256(m.body).hexdigest()
        assert got == expected
        assert sum(m.rcpts == ["bounced-to@x.test"] for m in sink.messages) == 1
        assert not os.listdir(relay.path("queue", "corrupt")) and not relay.log_lines("damaged|warning.*corrupt")


def rename_field(data, old, new):
    """The segment, where that field of the first envelope which has it is called otherwise."""
    salt, = struct.unpack("<I", data[32:36])
    at, mark = 128, data[28:32]
    while data[at:at + 4] == mark:
        length, = struct.unpack("<I", data[at + 4:at + 8])
        head_length, = struct.unpack("<I", data[at + 12:at + 16])
        head = data[at + 40:at + 40 + head_length]
        if data[at + 8] == 1 and b"\n" + old + b" " in head:
            head = head.replace(b"\n" + old + b" ", b"\n" + new + b" ")
            header = data[at:at + 24] + struct.pack("<I", crc32c(head)) + data[at + 28:at + 36]
            header += struct.pack("<I", crc32c(header, salt))
            return data[:at] + header + head + data[at + 40 + head_length:]
        at += 40 + length
    raise AssertionError("no envelope has %s" % old)


def change(relay, old, new):
    for path in sorted(glob.glob(relay.path("queue", "log", "*.seg"))):
        with open(path, "r+b") as f:
            data = f.read()
            try:
                data = rename_field(data, old, new)
            except AssertionError:
                continue
            f.seek(0)
            f.write(data)
            return
    raise AssertionError("no envelope has %s" % old)


def test_a_field_that_must_be_known_holds_its_message_and_says_so(tmp_path):
    with Sink(script={"RCPT": lambda sink, argument: None if sink.willing else "450 4.2.0 later"}) as sink:
        sink.willing = False
        relay = Relay(tmp_path, "relayhost = [127.0.0.1]:%d\nmydestination =\nqueue_segment_size = 65536\n" % sink.port)
        relay.start()
        with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="one.example") as c:
            c.sendmail("s@example.com", ["strange@x.test"], "Subject: strange\r\n\r\nkept\r\n", ["ENVID=strange"])
        with smtplib.SMTP("127.0.0.1", relay.port) as c:
            c.sendmail("s@example.com", ["plain@x.test"], "Subject: plain\r\n\r\nx\r\n")
        relay.wait_log("status=deferred", 2)
        relay.kill()
        change(relay, b"envid", b"route")
        sink.willing = True
        why = r'held: the envelope has the field "route", which this version of relaybox does not know'
        for life in range(1, 4):
            relay.start()
            relay.run("relayctl", "flush")
            qid = held_id(relay)
            relay.wait_log("warning: %s: %s|%s: warning: %s|%s: %s" % (qid, why, qid, why, qid, why), life)
            assert why in relay.mailq()
            shown = relay.run("relayctl", "show", qid).stdout.decode()
            assert "queue: hold" in shown and why in shown and "kept" in shown
            # enough mail that a sparse segment is emptied
            with smtplib.SMTP("127.0.0.1", relay.port) as c:
                for i in range(100):
                    c.sendmail("s@example.com", ["fill@x.test"], "Subject: f\r\n\r\n" + ("x" * 70 + "\r\n") * 60)
            relay.wait_log(": removed", 100 * life)
            relay.stop() if life == 2 else relay.kill()
            # without a daemon it says the same
            assert why in relay.mailq() and "queue: hold" in relay.run("relayctl", "show", qid).stdout.decode()
        assert not any("strange@x.test" in m.rcpts for m in sink.messages)
        assert not os.listdir(relay.path("queue", "corrupt"))
        # a version that knows the field comes
        relay.start()
        relay.stop()
        for path in glob.glob(relay.path("queue", "log", "*.seg")):
            with open(path, "rb") as f:
                data = f.read()
            if b"\nroute " in data:
                with open(path, "wb") as f:
                    f.write(unsealed(rename_field(data, b"route", b"envid")))
        with relay:
            wait(relay.empty, 20 * SLOW)
        got = [m for m in sink.messages if "strange@x.test" in m.rcpts]
        assert len(got) == 1 and got[0].body == b"kept\r\n"


def unsealed(data):
    """The segment without its footer."""
    at, = struct.unpack("<I", data[-20:-16])
    return data[:at] if data[-32:-25] == b"sealed\n" else data
