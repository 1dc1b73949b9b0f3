"""What lies in maildrop/ is a stranger's word: whoever may write a file there writes envelopes by hand (threats F2)."""
import os
import socket
import time

import pytest

from lab import SLOW, Relay, Sink, wait

LATE = 4102444800 * 10 ** 6  # the year 2100


def drop(r, fields, content, name="0006617b1c9a0000-%08x", number=[0]):
    """A drop with these envelope fields, as maildrop_write makes it: complete at once under its name."""
    number[0] += 1
    text = b"".join(b"%s %d %s\n" % (k.encode(), len(v), v) for k, v in
                    [(k, v.encode() if isinstance(v, str) else v) for k, v in [("envelope", "1"), *fields, ("end", "")]])
    path = r.path("queue", "maildrop", name % number[0])
    with open(path + ".new", "wb") as f:
        f.write(b"relaybox-maildrop 1\n%08x\n" % len(text) + text)
        if isinstance(content, int):
            f.truncate(f.tell() + content)
        else:
            f.write(content)
    os.rename(path + ".new", path)
    return path


def plain(sender="a@x.org", rcpts=("b@x.org",), **more):
    more = {"arrival": "1", "size": "0", "header_size": "0", "flags": "4", "uid": "0", **more}
    return [*more.items(), ("sender", sender), *[("rcpt", x) for x in rcpts]]


@pytest.fixture
def relay(tmp_path):
    with Sink() as sink, Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\n" % sink.port) as r:
        r.sink = sink
        yield r


@pytest.mark.parametrize("sender, rcpts", [
    ("a@x.org> SIZE=1", ["b@x.org"]), ("a@x.org", ["b@x.org> NOTIFY=NEVER"]), ("a@x.org\r\nRCPT TO:<c@x.org>", ["b@x.org"]),
    ("a@x.org", ["b@x.org\nX: y"]), ("a b@x.org", ["b@x.org"]), ("a@x.org", [""]), ("a@x.org", []), ("a@x.org", ["b@x.org", "c@"]),
    ("a@x.org", ["\x7f@x.org"]), ("a@x.org", ["b@" + "x" * 2000]),
])
def test_an_address_that_no_parser_takes_is_no_message(relay, sender, rcpts):
    path = drop(relay, plain(sender, rcpts), b"Subject: x\n\nx\n")
    relay.wait_log("maildrop/%s: not a message: left alone" % os.path.basename(path))
    good = drop(relay, plain(), b"Subject: good\n\nx\n")
    assert b"good" in relay.sink.wait(1)[0].content
    wait(lambda: not os.path.exists(good))
    assert os.path.exists(path) and len(relay.sink.messages) == 1


def test_origin_marks_and_times_are_not_believed(relay):
    drop(relay, plain(arrival=str(LATE), flags="12", uid="0", client_name="bank.example", client_addr="192.0.2.1", helo="bank\r\nX-Forged: 1",
                      proto="ESMTPS", sasl_user="root", envid="x\r\nX-Forged: 2"), b"Subject: x\n\nx\n")
    [m] = relay.sink.wait(1)
    assert b"bank" not in m.content and b"X-Forged" not in m.content and b"userid %d" % os.getuid() in m.content
    assert not relay.log_lines("delay=-|client=")
    relay.wait_log("removed")


def test_times_from_the_future_grow_old_all_the_same(tmp_path):
    with Relay(tmp_path / "r", "relayhost = [127.0.0.1]:1\nmaximal_queue_lifetime = 1s\nminimal_backoff_time = 1s\nmaximal_backoff_time = 1s\n"
               "queue_run_delay = 1s\nbounce_queue_lifetime = 1s\n") as r:
        drop(r, plain(sender="", arrival=str(2 ** 63 - 1)), b"Subject: x\n\nx\n")
        r.wait_log("status=(expired|bounced)|undeliverable notification", seconds=20)


def test_a_large_drop_is_refused_before_it_is_read(tmp_path):
    """Ten sparse files of 200 MB: nobody waits, and memory stays what it is."""
    with Relay(tmp_path / "r") as r:
        for _ in range(10):
            drop(r, plain(), 200 << 20)
        r.wait_log("Message size exceeds fixed limit", 10)
        with open("/proc/%d/status" % r.process.pid) as f:
            peak = int(f.read().split("VmHWM:")[1].split()[0])
        assert peak < 32 * 1024 or SLOW > 1  # the sanitizers keep freed memory


def test_a_legal_drop_of_40_mb_costs_others_nothing(tmp_path):
    with Relay(tmp_path / "r", "default_transport = discard\nmessage_size_limit = 60000000\n") as r:
        drop(r, plain(), b"Subject: x\n\n" + b"0123456789abcdef\n" * (40 * 65536))
        slowest = 0
        while not r.log_lines("status=sent"):
            began = time.monotonic()
            with socket.create_connection(("127.0.0.1", r.port), 20) as s:
                assert s.recv(100).startswith(b"220 ")
            slowest = max(slowest, time.monotonic() - began)
            assert slowest < 15
        with open("/proc/%d/status" % r.process.pid) as f:
            peak = int(f.read().split("VmHWM:")[1].split()[0])
        assert peak < 32 * 1024 or SLOW > 1


@pytest.mark.parametrize("content", [b"Subject: x\n\nx\n", b"Subject: x\nX: " + b"y\n " * 60000 + b"\n\nx\n",
                                     b"Subject: x\nX: " + b"y\n " * 60000 + b"\n\n" + b"x\n" * 100000], ids=["small", "header", "body"])
def test_a_drop_that_checks_pass_by_is_one_message(tmp_path, content):
    """No rule can match, which is seen at once: what reads the drop is told once that it may go on."""
    with Sink() as sink, Relay(tmp_path, "relayhost = [127.0.0.1]:%d\nheader_checks = regexp:{ {/^zz/ WARN x} }\n" % sink.port) as relay:
        first = drop(relay, plain(), content)
        wait(lambda: not os.path.exists(first))
        relay.run("sendmail", "-f", "a@x.org", "last@x.org", stdin="Subject: last\n\nx\n")
        relay.wait_log("to=<last@x.org>.*status=sent")
        wait(lambda: relay.empty())
        assert len(sink.messages) == 2
