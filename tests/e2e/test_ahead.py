"""The next message's commands go with the content of the one before it, where the server pipelines: seen by a server that reads
the wire, and with servers that go away in the middle of it. What is never wrong: nothing lost, nothing twice but what a
connection took along at the end of its content."""
import collections
import smtplib
import socket
import threading

import pytest
from lab import Relay, Sink, wait

FEW = "default_destination_concurrency_limit = %d\ninitial_destination_concurrency = %d\nminimal_backoff_time = 1s\n" \
    "maximal_backoff_time = 1s\nqueue_run_delay = 1s\n"
MESSAGES = 30


def relay_to(tmp_path, port, at_once, more=""):
    return Relay(tmp_path / "relay", "relayhost = [127.0.0.1]:%d\nmynetworks = 127.0.0.0/8\nsmtpd_client_connection_count_limit = 0\n"
                 "qmgr_message_active_limit = 1000\n" % port + FEW % (at_once, at_once) + more)


def fill(relay):
    with smtplib.SMTP("127.0.0.1", relay.port, timeout=30) as s:
        for i in range(MESSAGES):
            s.sendmail("from%d@example.test" % i, ["to%d@example.test" % i], "Subject: %d\r\n\r\nbody %d\r\n" % (i, i))


def check_all_came(messages):
    got = collections.Counter((m.sender, tuple(m.rcpts)) for m in messages)
    assert len(got) == MESSAGES
    assert sum(got.values()) == MESSAGES, [k for k, c in got.items() if c > 1]
    for m in messages:
        assert m.sender.replace("from", "to") == m.rcpts[0]
        assert ("body %s\r\n" % m.sender[4:].partition("@")[0]).encode() in m.body


class Wire(threading.Thread):
    """A server of one connection at a time that greets once `gate` is set, and notes what stood behind each end of content."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.behind, self.messages, self.gate = self.listener.getsockname()[1], [], 0, threading.Event()
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self.converse(connection)

    def converse(self, connection):
        data, content = b"", False
        self.gate.wait(60)
        connection.sendall(b"220 wire.example.test ESMTP\r\n")
        while True:
            more = connection.recv(65536)
            if not more:
                return
            data += more
            while b"\r\n" in data:
                if content:
                    head, end, rest = data.partition(b"\r\n.\r\n")
                    if not end:
                        break
                    content, data = False, rest
                    self.messages += 1
                    self.behind.append(data)
                    connection.sendall(b"250 2.0.0 Ok\r\n")
                    continue
                line, _, data = data.partition(b"\r\n")
                verb = line[:4].upper()
                content = verb == b"DATA"
                connection.sendall(b"250-wire.example.test\r\n250 PIPELINING\r\n" if verb == b"EHLO" else b"354 go\r\n" if content else
                                   b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                if verb == b"QUIT":
                    return


def all_taken(wire):
    "all messages at the server"
    return wire.messages == MESSAGES


def test_the_next_commands_come_with_the_content(tmp_path):
    wire = Wire()
    with relay_to(tmp_path, wire.port, 1) as relay:
        fill(relay)
        wire.gate.set()
        wait(lambda: all_taken(wire), 30)
        wait(relay.empty)
    ahead = [b for b in wire.behind if b.startswith(b"MAIL FROM:<from") and b.endswith(b"DATA\r\n")]
    # not behind the first one of a connection, and nothing is left behind the last
    assert len(ahead) == MESSAGES - 2, wire.behind
    assert not wire.behind[0]


def through(tmp_path, at_once, script, more=""):
    """MESSAGES through a relay to a Sink with this script, let in once all are queued."""
    gate = threading.Event()
    script = dict(script, CONNECT=lambda sink, argument: gate.wait(60) and None)
    with Sink(script=script) as sink:
        with relay_to(tmp_path, sink.port, at_once, more) as relay:
            fill(relay)
            gate.set()
            sink.wait(MESSAGES, 60)
            wait(relay.empty, 30)
        check_all_came(sink.messages)
        return sink, relay


def every(n, answer):
    """A script's function: each n-th call gets the answer."""
    calls = [0]

    def fn(sink, argument):
        with sink.lock:
            calls[0] += 1
            return answer if calls[0] % n == 0 else None
    return fn


@pytest.mark.parametrize("at_once", [1, 3])
def test_all_come_once_over_few_connections(tmp_path, at_once):
    sink, relay = through(tmp_path, at_once, {})
    assert sink.most_open <= at_once and sink.sessions <= at_once
    assert len(relay.log_lines(r"conn_use=%d, .*status=sent" % (MESSAGES // (at_once * 3)))) >= 1


@pytest.mark.parametrize("verb,answer", [
    ("MAIL", "421 4.7.0 enough for one connection"), ("MAIL", "DROP"), ("MAIL", "450 4.7.1 not now"), ("RCPT", "451 4.7.1 greylisted"),
    ("DATA", "421 4.3.2 going down"), ("END", "452 4.3.1 full"), ("END", "421 4.3.2 going down"), ("END", "DROP"),
])
def test_a_server_that_goes_or_refuses_loses_and_doubles_nothing(tmp_path, verb, answer):
    through(tmp_path, 2, {verb: every(4, answer)})


def test_a_limit_of_messages_for_a_connection_is_kept(tmp_path):
    sink, _ = through(tmp_path, 1, {}, more="smtp_connection_reuse_count_limit = 5\n")
    assert max(collections.Counter(m.session for m in sink.messages).values()) == 5


def test_a_refusal_for_good_is_of_its_own_message(tmp_path):
    gate = threading.Event()
    script = {"CONNECT": lambda sink, argument: gate.wait(60) and None,
              "END": lambda sink, m: "554 5.7.1 no" if m.sender.startswith("from1") else None}
    with Sink(script=script) as sink, relay_to(tmp_path, sink.port, 1) as relay:
        fill(relay)
        gate.set()
        refused = [i for i in range(MESSAGES) if str(i).startswith("1")]
        wait(relay.empty, 30)
        mine = {m.sender for m in sink.messages if m.sender}
        assert mine == {"from%d@example.test" % i for i in range(MESSAGES) if i not in refused}
        notices = {m.rcpts[0] for m in sink.messages if not m.sender}
        assert notices == {"from%d@example.test" % i for i in refused}
