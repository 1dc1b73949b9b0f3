"""What TERM does as process 1 of a container: no new mail, what is under way ends within shutdown_timeout, the rest stays, exit 0."""
import os
import re
import signal
import smtplib
import socket
import subprocess
import threading

import pytest

from lab import RELAYBOX, Relay, Sink, wait

pytestmark = pytest.mark.skipif(os.getuid() != 0 or subprocess.run(["unshare", "-p", "-f", "true"], capture_output=True).returncode != 0,
                                reason="needs a process namespace of its own")


class Container(Relay):
    def spawn(self, *options):
        with open(self.path("stderr"), "ab") as err:
            self.process = subprocess.Popen(["unshare", "-p", "-f", "--kill-child", RELAYBOX, "relayd", "-c", self.dir, *options], env=self.env,
                                            stdin=subprocess.DEVNULL, stderr=err)

    def term(self):
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as f:
            pid = int(f.read().split()[0])
        with open("/proc/%d/status" % pid) as f:
            assert re.search(r"^NSpid:\s+\d+\s+1$", f.read(), re.M), "not process 1"
        os.kill(pid, signal.SIGTERM)

    def refuses(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 15).close()
        except ConnectionRefusedError:
            return True
        return False


@pytest.mark.parametrize("answered", [True, False], ids=["in_time", "too_late"])
def test_process_1_ends_what_is_under_way_and_exits_0(tmp_path, answered):
    under_way, go_on = threading.Event(), threading.Event()

    def slow(sink, argument):
        under_way.set()
        go_on.wait(60)
    with Sink(script={"END": slow}) as sink:
        r = Container(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nshutdown_timeout = %s\n" % (sink.port, "60s" if answered else "1s"))
        r.start()
        try:
            with smtplib.SMTP("127.0.0.1", r.port) as client:
                client.sendmail("a@example.com", ["b@example.com"], "Subject: x\r\n\r\nx\r\n")
            assert under_way.wait(30)
            r.term()
            wait(r.refuses)
            if answered:
                assert r.process.poll() is None, "a delivery is under way"
                go_on.set()
            assert r.process.wait(60) == 0
            assert bool(r.log_lines("shutdown_timeout is over")) != answered
        finally:
            go_on.set()
            r.kill()
        # nothing is lost: it was delivered, or it is in the queue
        assert r.empty() == answered and "b@example.com" in r.log() + r.mailq()
        assert not answered or len(sink.messages) == 1
