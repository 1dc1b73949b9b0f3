"""What a supervisor is told over NOTIFY_SOCKET (sd_notify)."""
import os
import re
import signal
import socket

import pytest

from lab import Relay, wait


class Supervisor:
    def __init__(self, name):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(name)
        self.sock.settimeout(30)

    def next(self):
        """The next message but signs of life, as a dict."""
        while (text := self.sock.recv(4096).decode()) == "WATCHDOG=1":
            pass
        return dict(line.split("=", 1) for line in text.splitlines())

    def all(self):
        self.sock.settimeout(0)
        try:
            while True:
                yield self.sock.recv(4096).decode()
        except BlockingIOError:
            return


def over(r):
    "the one session to be over"
    stats = r.run("relayctl", "stats").stdout.decode()
    return re.search(r"^SMTP sessions now +0$", stats, re.M) and re.search(r"^connections taken +1$", stats, re.M)


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_supervisor_is_told_of_each_step(tmp_path, kind):
    path = str(tmp_path / "notify") if kind == "path" else "@relaybox-test-%d" % os.getpid()
    boss = Supervisor("\0" + path[1:] if kind == "abstract" else path)
    r = Relay(tmp_path / "r", "", env={"NOTIFY_SOCKET": path})
    with r:
        assert boss.next() == {"READY": "1", "STATUS": "serving"}
        # it is true when it is said
        socket.create_connection(("127.0.0.1", r.port), 15).close()
        wait(lambda: over(r))
        r.process.send_signal(signal.SIGHUP)
        began = boss.next()
        assert began["RELOADING"] == "1" and int(began["MONOTONIC_USEC"]) > 0
        assert boss.next() == {"READY": "1", "STATUS": "serving"}
        r.write("main.cf", "queue_run_delay = soon\n")
        r.process.send_signal(signal.SIGHUP)
        assert boss.next()["RELOADING"] == "1"
        refused = boss.next()
        assert refused["READY"] == "1" and "refused" in refused["STATUS"]
        assert r.stop() == 0
        # the time that shutdown_timeout gives, and some to close the queue
        assert boss.next() == {"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "18000000", "STATUS": "ending: 0 sessions and 0 deliveries under way"}
    assert list(boss.all()) == []


@pytest.mark.parametrize("own", [True, False])
def test_supervisor_gets_signs_of_life(tmp_path, own):
    boss = Supervisor(str(tmp_path / "notify"))
    env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}
    with Relay(tmp_path / "r", "", env=env if own else dict(env, WATCHDOG_PID="1")) as r:
        assert boss.next()["READY"] == "1"
        if own:
            assert [boss.sock.recv(100) for _ in range(5)] == [b"WATCHDOG=1"] * 5
        assert r.stop() == 0
        assert boss.next()["STOPPING"] == "1"
    assert own or list(boss.all()) == []


def test_supervisor_that_is_not_there_keeps_nobody_from_serving(tmp_path):
    for name in (str(tmp_path / "nothing"), "relative", "/" + "x" * 200):
        with Relay(tmp_path / "r", "", env={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "100000"}) as r:
            wait(lambda: r.log_lines("NOTIFY_SOCKET"))
            assert r.stop() == 0
