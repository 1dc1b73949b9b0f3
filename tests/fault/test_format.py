"""A queue that this version cannot know: the start is refused with a clear word, nothing is touched, and the right version still
finds all of it."""
import hashlib
import os
import smtplib
import struct
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lab import Relay, Sink, wait  # noqa: E402

TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def of_version(number):
    """The segment, its header that of another version of the format, and whole."""
    def change(data):
        head = b"relaybox queue log %04d\n" % number + data[24:60]
        head += struct.pack("<I", crc32c(head))
        return head + head + data[128:]
    return change


def with_record(place, value):
    """The segment, its first record of another type (place 8) or version of it (9), and whole."""
    def change(data):
        salt, = struct.unpack("<I", data[32:36])
        head = bytearray(data[128:164])
        head[place] = value
        return data[:128] + bytes(head) + struct.pack("<I", crc32c(head, salt)) + data[168:]
    return change


def tree(folder):
    """What every file of the queue holds."""
    out = {}
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    out[path] = hashlib.sha256(f.read()).hexdigest()
    return out


def log_of(relay):
    names = os.listdir(relay.path("queue", "log"))
    assert len(names) == 1, names
    return relay.path("queue", "log", names[0])


@pytest.mark.parametrize("closed, change, word", [
    (True, of_version(3), "another version"), (False, of_version(3), "another version"), (True, of_version(0), "another version"),
    (False, with_record(8, 9), "type 9"), (False, with_record(9, 3), "version 3")],
    ids=["next version, closed", "next version, killed", "version before", "unknown record", "next version of a record"])
def test_a_format_that_is_not_known_is_refused_and_left_alone(tmp_path, closed, change, word):
    with Sink(script={"MAIL": lambda sink, argument: "450 4.3.0 later" if sink.refuse else None}) as sink:
        sink.refuse = True
        relay = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\n" % sink.port)
        relay.start()
        with smtplib.SMTP("127.0.0.1", relay.port) as c:
            for i in range(3):
                c.sendmail("a@example.com", "m%d@example.org" % i, b"Subject: x\r\n\r\n%d\r\n" % i)
        relay.stop() if closed else relay.kill()
        path = log_of(relay)
        with open(path, "rb") as f:
            ours = f.read()
        assert struct.unpack("<I", ours[60:64])[0] == crc32c(ours[:60]), "this is not the checksum of the format"
        with open(path, "wb") as f:
            f.write(change(ours))
        before = tree(relay.path("queue"))
        relay.spawn()
        assert relay.process.wait(10) != 0
        relay.process = None
        assert word in relay.stderr() + relay.log(), relay.stderr() + relay.log()
        assert tree(relay.path("queue")) == before
        with open(path, "wb") as f:
            f.write(ours)
        sink.refuse = False
        with relay:
            relay.run("relayctl", "flush")
            wait(relay.empty)
        assert sorted(m.rcpts[0] for m in sink.messages) == ["m%d@example.org" % i for i in range(3)]
