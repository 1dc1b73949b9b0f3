"""The way out: who is heard to the end, who gets the queue, and what a kill in the middle of it costs."""
import os
import random
import signal
import smtplib
import socket
import time

import pytest

from lab import SLOW, Relay, Sink, free_port, wait
from test_balancer import get, status


def term(r):
    r.process.send_signal(signal.SIGTERM)


def ended(r):
    code = r.process.wait(30 * SLOW)
    r.process = None
    return code


def lines(sock):
    return sock.makefile("rwb", buffering=0)


def ask(f, line):
    f.write(line + b"\r\n")
    while (reply := f.readline())[3:4] == b"-":
        pass
    return reply


def submit(r, *names, sender="a@example.com"):
    with smtplib.SMTP("127.0.0.1", r.port, timeout=30) as c:
        for name in names:
            c.sendmail(sender, [name], "Subject: %s\r\n\r\n%s\r\n" % (name, name))


def test_client_in_a_message_is_heard_to_its_end_and_others_hear_421(tmp_path):
    with Sink() as sink, Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nshutdown_timeout = 60s\n" % sink.port) as r:
        idle, busy = (socket.create_connection(("127.0.0.1", r.port), 30) for _ in range(2))
        idle_f, f = lines(idle), lines(busy)
        assert idle_f.readline().startswith(b"220") and f.readline().startswith(b"220")
        for line in (b"EHLO x", b"MAIL FROM:<a@example.com>", b"RCPT TO:<b@example.com>"):
            assert ask(f, line).startswith(b"250")
        assert ask(f, b"DATA").startswith(b"354")
        term(r)
        assert idle_f.readline().startswith(b"421 4.3.2 ") and idle_f.readline() == b""
        assert ask(f, b"Subject: x\r\n\r\nx\r\n.").startswith(b"250 2.0.0 Ok")
        assert f.readline().startswith(b"421 4.3.2 ") and f.readline() == b""
        assert ended(r) == 0
        assert not r.log_lines("shutdown_timeout is over")
    # what was promised is there: no delivery is begun any more
    assert "b@example.com" in r.mailq() and not sink.messages


def test_time_that_is_over_is_told_to_the_client(tmp_path):
    with Relay(tmp_path / "r", "shutdown_timeout = 1s\n") as r:
        with socket.create_connection(("127.0.0.1", r.port), 30) as s:
            f = lines(s)
            f.readline()
            for line in (b"EHLO x", b"MAIL FROM:<a@example.com>", b"RCPT TO:<b@example.com>"):
                ask(f, line)
            assert ask(f, b"DATA").startswith(b"354")
            f.write(b"Subject: half\r\n")
            term(r)
            assert f.readline().startswith(b"421 4.3.2 ")
        assert ended(r) == 0 and r.log_lines("shutdown_timeout is over: 1 sessions") and r.empty()


def test_who_has_connected_is_not_reset(tmp_path):
    """Connections that nobody has accepted yet are greeted, or hear 421; a socket that is closed over their heads would reset them."""
    with Relay(tmp_path / "r") as r:
        r.process.send_signal(signal.SIGSTOP)
        clients = [socket.create_connection(("127.0.0.1", r.port), 30) for _ in range(100)]
        term(r)
        r.process.send_signal(signal.SIGCONT)
        heard = [[line[:3] for line in c.makefile("rb")] for c in clients]
        assert all(h in ([b"421"], [b"220", b"421"]) for h in heard) and [b"220", b"421"] in heard
        assert ended(r) == 0


def test_who_came_just_before_the_end_may_bring_one_message(tmp_path):
    with Relay(tmp_path / "r", "shutdown_timeout = 60s\nsmtpd_forbid_unauth_pipelining = no\n") as r:
        old, new = (socket.create_connection(("127.0.0.1", r.port), 30) for _ in range(2))
        old_f, f = lines(old), lines(new)
        assert f.readline().startswith(b"220") and old_f.readline().startswith(b"220") and ask(old_f, b"EHLO x").startswith(b"250")
        assert ask(old_f, b"MAIL FROM:<a@example.com>").startswith(b"250") and ask(old_f, b"RSET").startswith(b"250")
        r.process.send_signal(signal.SIGSTOP)
        f.write(b"HELO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n")
        term(r)
        r.process.send_signal(signal.SIGCONT)
        assert old_f.readline().startswith(b"421 4.3.2 ")
        assert [f.readline()[:3] for _ in range(4)] == [b"250", b"250", b"250", b"354"]
        assert ask(f, b"Subject: x\r\n\r\nx\r\n.").startswith(b"250 2.0.0 Ok")
        assert f.readline().startswith(b"421 4.3.2 ") and f.readline() == b""
        assert ended(r) == 0
    assert "b@example.com" in r.mailq()


WAITING = "relayhost = [127.0.0.1]:%d\nshutdown_timeout = 60s\n"


def full(tmp_path, main_cf, *names, **more):
    """A relay whose next hop does not answer, and mail that waits for it."""
    r = Relay(tmp_path / "r", WAITING % free_port() + main_cf, **more).start()
    submit(r, *names)
    for name in names:
        r.wait_log("to=<%s>, .*status=deferred" % name)
    return r


def test_queue_goes_to_drain_relay(tmp_path):
    names = ["u%d@example.com" % i for i in range(30)]
    with Sink() as peer:
        r = full(tmp_path, "drain_relay = [127.0.0.1]:%d\ntransport_maps = inline:{ kept.test=lmtp:inet:127.0.0.1:%d }\n" % (peer.port, free_port()), *names,
                 "stays@kept.test", "held@example.com")
        held = next(line.split()[0] for line in r.run("relayctl", "queue", "--to", "held@example.com", "--ids").stdout.decode().splitlines())
        r.run("relayctl", "hold", held)
        term(r)
        assert ended(r) == 0
        assert sorted(m.rcpts[0] for m in peer.messages) == sorted(names)
        assert {m.sender for m in peer.messages} == {"a@example.com"}
    queue = r.mailq()
    # what does not leave by SMTP is another matter, and who holds mail means it
    assert "stays@kept.test" in queue and "held@example.com" in queue and "2 Requests" in queue


@pytest.mark.parametrize("how", ["refuses", "is_away"])
def test_drain_relay_that_takes_nothing_costs_nothing(tmp_path, how):
    """No notice, however old the mail, and the time of its next try stays."""
    names = ["u%d@example.com" % i for i in range(50)]
    with Sink(script={"RCPT": lambda sink, argument: "550 5.7.1 relay access denied"}) as peer:
        r = full(tmp_path, "drain_relay = [127.0.0.1]:%d\nmaximal_queue_lifetime = 1h\nlog_also =\n" % (peer.port if how == "refuses" else free_port()), *names)
        term(r)
        assert ended(r) == 0
        assert not peer.messages and (not peer.sessions) == (how == "is_away")
    assert not r.log_lines("status=bounced|non-delivery notification|status=expired")
    assert all(name in r.mailq() for name in names)
    # the next start goes on as if nothing had been
    with Sink() as upstream:
        r.write("main.cf", "myhostname = relay.example.test\nqueue_directory = %s/queue\nmaillog_file = %s/log\nrelayhost = [127.0.0.1]:%d\n"
                "inet_interfaces = 127.0.0.1\nmail_owner = root\nalias_maps =\n" % (r.dir, r.dir, upstream.port))
        with r:
            r.run("relayctl", "flush")
            wait(r.empty, 30)
        assert sorted(m.rcpts[0] for m in upstream.messages) == sorted(names)


def test_mail_under_way_to_its_own_next_hop_is_not_sent_twice(tmp_path):
    import threading
    go_on = threading.Event()
    with Sink(script={"END": lambda sink, argument: go_on.wait(60) and None}) as sink, Sink() as peer:
        r = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nshutdown_timeout = 60s\ndrain_relay = [127.0.0.1]:%d\n"
                  "smtp_destination_concurrency_limit = 2\ninitial_destination_concurrency = 2\n" % (sink.port, peer.port)).start()
        submit(r, *("u%d@example.com" % i for i in range(10)))
        wait(lambda: sink.open == 2)
        term(r)
        # those that only waited are away before the two that run end
        wait(lambda: len(peer.messages) == 8)
        go_on.set()
        assert ended(r) == 0
        got = sorted(m.rcpts[0] for m in sink.messages + peer.messages)
        assert got == sorted("u%d@example.com" % i for i in range(10)) and r.empty()


def test_kill_during_the_drain_loses_nothing(tmp_path):
    rng = random.Random(20)
    names, got = set(), []
    with Sink(script={"END": lambda sink, m: got.append(m.rcpts[0])}) as peer:
        main_cf = "drain_relay = [127.0.0.1]:%d\nqueue_minfree = 0\n" % peer.port
        r = Relay(tmp_path / "r", WAITING % free_port() + main_cf)
        for k in range(10):
            r.start()
            new = ["k%d-%d@example.com" % (k, i) for i in range(60)]
            submit(r, *new)
            names.update(new)
            before = len(got)
            term(r)
            wait(lambda: len(got) > before + rng.randrange(20) or r.process.poll() is not None)
            r.kill()
        r.start()
        term(r)
        assert ended(r) == 0
    lost = names - set(got)
    assert not [n for n in lost if n not in r.mailq()], lost
    print("%d messages, lost 0, %d extra copies in 10 kills" % (len(names), len(got) - len(set(got))))
    # only what was under way when it was killed can have come twice
    assert len(got) - len(set(got)) <= 10 * 20


def test_wrong_drain_relay_is_told_before_the_start(tmp_path):
    r = Relay(tmp_path / "r", "drain_relay = [127.0.0.1\n")
    done = r.run("relayd", "-t", check=False)
    assert done.returncode == 78 and b"drain_relay: " in done.stderr


def test_delay_lets_balancers_see_it_first(tmp_path):
    port = free_port()
    with Relay(tmp_path / "r", "shutdown_delay = 1h\nhttp_listen = 127.0.0.1:%d\ndefault_transport = discard\nmynetworks = 127.0.0.0/8\n" % port) as r:
        assert status(get(port, "/readyz")) == 200
        term(r)
        r.wait_log("terminating on signal 15: mail is taken for 3600 more seconds")
        assert get(port, "/readyz").endswith(b"shutting down\n") and status(get(port, "/healthz")) == 200
        submit(r, "late@example.com")
        # whoever means it says it twice
        term(r)
        assert ended(r) == 0
        assert r.log_lines("to=<late@example.com>")
