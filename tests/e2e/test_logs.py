"""The log: two forms with the same facts, places to write to, masked addresses, and what trace makes of it."""
import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

import facts
import lab
from lab import RELAYBOX, Client, Relay, Sink, certificate, free_port, wait


class Talk(Client):
    def mail(self, sender, *rcpts, content="Subject: x\r\n\r\nx"):
        return self.say("MAIL FROM:<%s> SMTPUTF8" % sender if not sender.isascii() else "MAIL FROM:<%s>" % sender,
                        *["RCPT TO:<%s>" % r for r in rcpts], "DATA", content + "\r\n.")


BOTH = "log_also = %s\nlog_also_format = json\n"


def both(folder, main_cf, **more):
    return Relay(folder, main_cf + BOTH % os.path.join(str(folder), "json"), **more)


def read(relay, name="json"):
    with open(relay.path(name), encoding="utf-8") as f:
        return f.read()


def compared(relay):
    """After the end: the named events, all of them equal in both forms."""
    relay.stop()
    return facts.compare(relay.log(), read(relay))


def refuse(sink, argument):
    return {"<no": "550 5.1.1 <no@x.test>: no (such) user, ask a@b.test", "<la": "451 4.2.0 later"}.get(argument.split(":", 1)[1][:3])


@pytest.mark.skipif(not lab.FACTS, reason="forms are not compared here")
def test_every_relay_is_compared_and_no_difference_is_overlooked(tmp_path):
    """What conftest.py has each relay do at its end is really done, and fails for whatever is missing, more or other in one form."""
    with Sink(script={"RCPT": refuse}) as sink, Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nmynetworks = 127.0.0.0/8\n" % sink.port) as relay:
        with Client(relay.port) as c:
            c.say("EHLO client.test", "MAIL FROM:<a@b.test>", "RCPT TO:<yes@x.test>", "RCPT TO:<no@x.test>", "DATA", "Subject: x\r\n\r\nx\r\n.", "MAIL FROM:<bad", "QUIT")
        sink.wait(1)
        relay.wait_log("removed", 1)
        relay.stop()
        text, jsons = relay.log(), read(relay, "facts").splitlines()
        named = facts.compare(text, "\n".join(jsons))
        assert {"start", "connect", "accept", "message-id", "active", "delivery", "notice", "removed", "disconnect", "stop"} <= named
        events = [json.loads(line) for line in jsons]
        other = [[line for k, line in enumerate(jsons) if k != i] for i in range(len(jsons))]
        for i, event in enumerate(events):
            changed = [{k: v for k, v in event.items() if k != key} for key in event] + [dict(event, more=1)]
            changed += [dict(event, **{k: v + (1 if isinstance(v, (int, float)) else "x")}) for k, v in event.items() if isinstance(v, (int, float, str))]
            other += [jsons[:i] + [json.dumps(e)] + jsons[i + 1:] for e in changed]
        blind = []
        for lines in other:
            try:
                facts.compare(text, "\n".join(lines))
                blind.append(lines)
            except (AssertionError, KeyError):
                pass
        assert len(other) > 100 and not blind, blind[0]
        # and the end of a relay does compare: a line that only one form has
        with open(relay.path("facts"), "a") as f:
            f.write(jsons[-1] + "\n")
        with pytest.raises(AssertionError):
            relay.stop()
        os.unlink(relay.path("facts"))


def test_both_forms_say_the_same_of_mail(tmp_path):
    with Sink(script={"RCPT": refuse}, tls=certificate(str(tmp_path))) as sink:
        with both(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nvirtual_alias_maps = inline:{ { old@x.test = new@x.test } }\n"
                  "smtp_tls_security_level = may\nsmtp_tls_loglevel = 2\nsmtputf8_enable = yes\n" % sink.port) as relay:
            with Talk(relay.port) as c:
                c.say("EHLO client.test")
                assert c.mail("a@b.test", "yes@x.test", "no@x.test", "later@x.test", "old@x.test").startswith("250")
                assert c.mail("", "yes@x.test", content="Message-ID: <odd id\"\\@x>\r\nResent-To: y@x.test\r\n\r\nx").startswith("250")
                c.say("QUIT")
            relay.run("sendmail", "-f", "me@b.test", "yes@x.test", stdin="Subject: x\n\nx\n")
            relay.run("sendmail", "yes@x.test", stdin="Subject: x\n\nx\n", extra_env={"POSTFIX_sendmail_submission": "maildrop"})
            sink.wait(4)
            relay.wait_log("removed", 4)
            queued = relay.wait_log("status=deferred")[0].split("]: ")[1].split(":")[0]
            for job in ("-h", "-H", "-r", "-e"):
                relay.run("postsuper", job, queued)
            relay.wait_log("requeued")
            relay.process.send_signal(signal.SIGHUP)
            relay.wait_log("reload --")
        seen = compared(relay)
    assert seen >= {"connect", "disconnect", "accept", "message-id", "active", "delivery", "removed", "notice", "tls", "start", "reload", "stop",
                    "placed on hold", "released from hold", "requeued"}


def test_both_forms_say_the_same_of_refusals(tmp_path):
    cert, key = certificate(str(tmp_path))
    with both(tmp_path / "r", "smtpd_recipient_restrictions = check_recipient_access inline:{ { warn@here.test = WARN why not } }, "
              "permit\nmynetworks = 127.0.0.9\nrelay_domains = here.test\nmessage_size_limit = 1000\n"
              "queue_minfree = 2000\nheader_checks = regexp:{ {/^X-Bad: (.*)/ REJECT no $$1} {/^X-Odd:/ WARN odd} }\nbody_checks = "
              "regexp:{ {/^bad$$/ WARN } }\nsmtpd_sasl_auth_enable = yes\nsmtpd_tls_auth_only = no\nsmtpd_tls_security_level = may\n"
              "smtpd_tls_loglevel = 1\nsmtpd_tls_cert_file = %s\nsmtpd_tls_key_file = %s\nsmtpd_sasl_password_maps = inline:{ { u@x.test = {PLAIN}p } }\n"
              "smtputf8_enable = yes\nhopcount_limit = 3\nsmtpd_client_connection_count_limit = 2\nsmtpd_helo_required = yes\nrelayhost = [127.0.0.1]:1\n" % (cert, key)) as relay:
        with Talk(relay.port) as c:
            c.say("MAIL FROM:<a@b.test>", "HELO \x1b[31m", "EHLO client.test", "RCPT TO:<x@here.test>", "MAIL FROM:<a b>", "AUTH PLAIN AHVAeC50ZXN0AHE=")
            c.say("MAIL FROM:<a@b.test> SIZE=2000", "MAIL FROM:<a@b.test>", "RCPT TO:<x@third.test>", "RCPT TO:<>", "RCPT TO:<x@here.test>",
                  "RCPT TO:<warn@here.test>")
            c.say("DATA", "X-Bad: \"one\"\\\r\n\r\nbad\r\n.")
            c.mail("\xe4@b.test", "x@here.test", content="Received: a\r\nReceived: b\r\nReceived: c\r\nReceived: d\r\n\r\nx")
            c.mail("a@b.test", "x@here.test", content="X-Odd: y\r\n\r\nbad")
            c.mail("a@b.test", "x@here.test", content="x" * 900 + "\r\n" + "y" * 900)
            with Talk(relay.port) as other:
                other.say("EHLO x")
                with socket.create_connection(("127.0.0.1", relay.port), 20) as third:
                    assert third.recv(100).startswith(b"421")
            c.say("BOGUS", "STARTTLS")
        with Talk(relay.port) as c:
            c.say("EHLO client.test", "MAIL FROM:<a@b.test>", "RCPT TO:<x@here.test>", "DATA")
            c.socket.sendall(b"x\n.\n")
            relay.wait_log("after STARTTLS|SSL_accept")
        relay.wait_log("lost connection after DATA")
        with socket.create_connection(("127.0.0.1", relay.port), 20) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            while s.recv(1000):
                pass
        relay.wait_log("non-SMTP")
        seen = compared(relay)
    assert seen >= {"reject", "warn", "warning", "illegal-address", "auth-failed", "limit", "break", "bare-lf", "not-smtp", "tls-failed"}


def test_json_says_why_there_is_no_start(tmp_path):
    """Whoever reads the log as JSON is not given text when the configuration is refused, or a port is taken."""
    taken = socket.create_server(("127.0.0.1", 0))
    for port, main_cf in ((free_port(), "smtpd_relay_restrictions = bogus_word\n"), (taken.getsockname()[1], "")):
        relay = Relay(tmp_path / str(port), "log_format = json\nmaillog_file = /dev/stdout\n" + main_cf, port=port)
        done = relay.run("relayd", check=False)
        assert done.returncode != 0 and not done.stderr
        events = [json.loads(line) for line in done.stdout.decode().splitlines()]
        assert any(e["severity"] == "error" for e in events)
    taken.close()


# --- places ---------------------------------------------------------------------------------------------------------------


class Server:
    """A log server: records, as they come."""

    def __init__(self, kind, address):
        self.records, self.connections, self.kind = [], [], kind
        self.socket = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET, kind)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(address)
        if kind == socket.SOCK_STREAM:
            self.socket.listen()
        self.socket.settimeout(0.1)
        self.closing = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.closing:
            try:
                if self.kind == socket.SOCK_DGRAM:
                    self.records.append(self.socket.recv(65536))
                    continue
                connection = self.socket.accept()[0]
                connection.settimeout(None)
                self.connections.append(connection)
                threading.Thread(target=self.read, args=(connection,), daemon=True).start()
            except TimeoutError:
                pass

    def read(self, connection):
        f = connection.makefile("rb")
        try:
            for line in iter(lambda: self.record(connection, f), b""):
                self.records.append(line[:-1] if line.endswith(b"\n") else b"broken frame")
        except OSError:
            pass

    def record(self, connection, f):
        """One, framed by its length from afar; b"" at the end."""
        if connection.family == socket.AF_UNIX:
            return f.readline()
        length = f.read(1)
        while length and length[-1:].isdigit():
            length += f.read(1) or b"?"
        return f.read(int(length)) if re.fullmatch(rb"\d+ ", length) else length and b"?"

    def close(self):
        self.closing = True
        self.thread.join()
        self.socket.close()
        for connection in self.connections:
            connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def has(self, pattern):
        def there():
            return [r for r in self.records if re.search(pattern, r.decode())]
        there.__doc__ = "a record like %s" % pattern
        return wait(there)[0].decode()


def remote(service, text):
    return r"^<22>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+ postfix/%s \d+ - - %s" % (service, text)


PLACES = [
    ("unix datagram", socket.SOCK_DGRAM, r"^<22>\w{3} [ \d]\d [\d:]{8} postfix/master\[\d+\]: daemon started"),
    ("unix stream", socket.SOCK_STREAM, r"^<22>\w{3} [ \d]\d [\d:]{8} postfix/master\[\d+\]: daemon started"),
    ("udp", socket.SOCK_DGRAM, remote("master", "daemon started")),
    ("tcp", socket.SOCK_STREAM, remote("master", "daemon started")),
]


@pytest.mark.parametrize("place, kind, line", PLACES, ids=[p[0] for p in PLACES])
def test_syslog_has_each_record_beside_the_file(tmp_path, place, kind, line):
    port = free_port()
    address = str(tmp_path / "dev") if place.startswith("unix") else ("127.0.0.1", port)
    name = "syslog:unix:" + address if place.startswith("unix") else "syslog:%s:127.0.0.1:%d" % (place, port)
    server = Server(kind, address)
    relay = Relay(tmp_path / "r", "log_also = %s\n" % name)
    with relay:
        server.has(line)
        # JSON from now on, without a restart
        relay.write("main.cf", open(relay.path("main.cf")).read() + "log_also_format = json\n")
        relay.run("relayctl", "reload")
        record = server.has('"event":"reload"')
        assert json.loads(record[record.index("{"):])["version"]
    server.has('"event":"stop"')
    assert b"broken frame" not in server.records
    # syslogd knows the host; a file is told it
    text = [re.sub(r"^.*?\]: ", "", line) for line in relay.log().splitlines()]
    got = [json.loads(r[r.index(b"{"):])["message"] if b"{\"time\"" in r else re.sub(r"^.*?(\]:| - -) ", "", r.decode()) for r in server.records]
    assert got == text
    server.close()


def test_a_log_server_that_is_away_costs_no_mail_and_no_record(tmp_path):
    port = free_port()
    with Sink() as sink:
        relay = Relay(tmp_path, "log_also = syslog:tcp:127.0.0.1:%d\nrelayhost = [127.0.0.1]:%d\n" % (port, sink.port))
        with relay:
            relay.wait_log("log server syslog:tcp:.*: Connection refused: records wait")
            with Talk(relay.port) as c:
                c.say("EHLO x")
                c.mail("a@b.test", "one@x.test")
            sink.wait(1)
            server = Server(socket.SOCK_STREAM, ("127.0.0.1", port))
            server.has("daemon started")
            server.has("to=<one@x.test>")
            # it goes in the middle, and comes again
            server.close()
            with Talk(relay.port) as c:
                c.say("EHLO x")
                c.mail("a@b.test", "two@x.test")
            sink.wait(2)
            server = Server(socket.SOCK_STREAM, ("127.0.0.1", port))
            with Talk(relay.port) as c:
                c.say("EHLO x")
                c.mail("a@b.test", "three@x.test")
            server.has("to=<three@x.test>")
        server.has("terminating on")
        assert b"broken frame" not in server.records
        server.close()


@pytest.mark.parametrize("value", ["mail.log", "stdout", "syslog:tcp:localhost:514", "syslog:tcp:127.0.0.1", "syslog:tls:127.0.0.1:514"])
def test_a_place_that_is_none_is_refused(tmp_path, value):
    for name in ("maillog_file", "log_also"):
        relay = Relay(tmp_path, "%s = %s\n" % (name, value))
        done = relay.run("relayd", "-t", check=False)
        assert done.returncode == 78 and b'%s: "%s" is no place for a log' % (name.encode(), value.encode()) in done.stderr


def test_both_files_are_opened_anew_after_a_rotation(tmp_path):
    with both(tmp_path / "r", "") as relay:
        for name in ("log", "json"):
            os.rename(relay.path(name), relay.path(name + ".1"))
        relay.run("relayctl", "reload")
        relay.wait_log("reload --")
        wait(lambda: '"event":"reload"' in read(relay))  # one file is written after the other
        assert "reload --" not in read(relay, "log.1") + read(relay, "json.1")


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_both_files_are_opened_anew_by_the_helper(tmp_path):
    """Once root is given up, only it may make them anew in a folder of root's."""
    os.chmod(tmp_path, 0o755)
    relay = both(tmp_path / "r", "mail_owner = 12525\n")
    os.chmod(tmp_path / "r", 0o755)
    with relay:
        for name in ("log", "json"):
            os.rename(relay.path(name), relay.path(name + ".1"))
        relay.run("relayctl", "reload")
        relay.wait_log("reload --")
        wait(lambda: '"event":"reload"' in read(relay))


# --- addresses ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask, sender, reply", [
    ("smart", r"from=<f\*t@\*{6}.test>", "no user n*o@*.test here"), ("paranoid", r"from=<\*@\*.test>", "no user *@*.test here"),
    ("hash", r"from=<[0-9a-f]{16}>", "no user [0-9a-f]{16} here"),
])
def test_addresses_are_masked_wherever_they_stand(tmp_path, mask, sender, reply):
    def no(sink, argument):
        return "550 5.1.1 no user no@x.test here" if "<no@" in argument else None

    with Sink(script={"RCPT": no}) as sink:
        with both(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nlog_address_mask = %s\nheader_checks = regexp:{ {/^Subject:/ WARN see} }\n"
                  "virtual_alias_maps = inline:{ { second@there.test = third@there.test } }\n" % (sink.port, mask)) as relay:
            with Talk(relay.port) as c:
                c.say("EHLO client.test")
                c.mail("first@sender.test", "second@there.test", "no@x.test", content="Subject: of fourth@sender.test\r\n\r\nx")
                c.say("MAIL FROM:<fifth@@sender.test>", "MAIL FROM:<first@sender.test>", "RCPT TO:<sixth@there.test> X=1")
            relay.wait_log("removed", 2)
        text, jsons = relay.log(), read(relay)
        for log in (text, jsons):
            assert not re.search("(first|second|third|fourth|fifth|sixth|no)@", log), log
            assert re.search("message-id.*@relay.example.test", log)
        assert re.search(sender, text) and re.search(reply.replace("*", r"\*"), text)
        assert "helo=<client.test>" in text
        qid = re.search(r"(\w+): client=", text).group(1)
        assert "sent " in relay.run("relayctl", "trace", qid).stdout.decode()


# --- trace ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "json"])
def test_trace_follows_a_message_to_the_next_relay(tmp_path, form):
    with Sink() as sink:
        last = Relay(tmp_path / "last", "relayhost = [127.0.0.1]:%d\nlog_format = %s\n" % (sink.port, form))
        first = Relay(tmp_path / "first", "relayhost = [127.0.0.1]:%d\nlog_format = text\n" % last.port)
        with last, first:
            with Talk(first.port) as c:
                c.say("EHLO x")
                c.mail("a@b.test", "c@d.test")
            sink.wait(1)
            last.wait_log("removed")
            first.wait_log("removed")
            qid = re.search(r"(\w+): client=", first.log()).group(1)
            there = re.search(r"queued as (\w+)", first.log()).group(1)
            story = first.run("relayctl", "trace", qid, "--log", first.path("log"), "--log", last.path("log")).stdout.decode()
            assert re.search(r"what happened:\n(.*\n)*.*queued as %s\n(.*\n)*there, as %s:\n.*arrived from unknown\[127.0.0.1\]\n(.*\n)*.*sent +c@d.test .*\n"
                             r"(.*\n)*now: not in the queue since" % (there, there), story), story
            # one stream of all, the other way round, behind what a collector writes before it
            piped = "".join("2026-01-01T00:00:00Z relay-0 stdout F %s\n" % line for line in (last.log() + first.log()).splitlines())
            assert "there, as %s:" % there in first.run("relayctl", "trace", qid, "--log", "-", stdin=piped).stdout.decode()
            # without the other log there is nothing to tell
            assert "there, as" not in first.run("relayctl", "trace", qid).stdout.decode()


def test_trace_takes_no_words_of_strangers_for_a_line(tmp_path):
    log = tmp_path / "log"
    log.write_text('{"time":"2026-01-01T00:00:00.000Z","host":"h","service":"smtp","pid":1,"severity":"info","queue_id":"ABCDEF123456",'
                   '"text":"\\"queue_id\\":\\"AAAAAAAAAAAA\\"","message":"ABCDEF123456: to=<a@b>, status=sent (queued as ABCDEF123456)"}\n')
    relay = Relay(tmp_path / "r")
    assert b"nor in the log" in relay.run("relayctl", "trace", "AAAAAAAAAAAA", "--log", str(log), check=False).stderr
    done = relay.run("relayctl", "trace", "ABCDEF123456", "--log", str(log))
    assert b"there, as" not in done.stdout


def test_what_is_said_again_and_again_is_counted(tmp_path):
    """A next hop that is misconfigured says so for each message: ten times a minute are enough, and the end says how many more."""
    with Sink(script={"MAIL": lambda sink, argument: "530 5.7.0 Authentication required"}, extensions=[]) as sink:
        with both(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nsmtp_destination_concurrency_failed_cohort_limit = 0\n" % sink.port) as relay:
            for i in range(16):
                with Talk(relay.port) as c:
                    c.say("EHLO x")
                    c.mail("a@b.test", "c%d@d.test" % i)
                relay.wait_log("to=<c%d@d.test>.*status=deferred" % i)
        assert "repeated" in compared(relay)
        assert len(relay.log_lines("next hop configuration problem")) == 11
        assert len(relay.log_lines(r"warning: next hop configuration problem.*\(6 times more within a minute\)")) == 1
