"""What servers answer, and how much, and once more: long replies are cut and believed, and a reply that nobody asked for never
becomes the answer to something else."""
import re
import smtplib
import time

import pytest
from lab import Relay, Sink, SinkSession, wait

SOON = "minimal_backoff_time = 1s\nmaximal_backoff_time = 1s\nqueue_run_delay = 1s\nmynetworks = 127.0.0.0/8\n"
LONG = "x" * 5000
MANY = "".join("250-line %d of a server that has much to say\r\n" % i for i in range(1000))


def relay_to(tmp_path, port, more=""):
    return Relay(tmp_path / "relay", "relayhost = [127.0.0.1]:%d\n%s%s" % (port, SOON, more))


def send(relay, names, domain="x.example"):
    with smtplib.SMTP("127.0.0.1", relay.port, timeout=30) as s:
        for name in names:
            s.sendmail("sender@example.test", ["%s@%s" % (name, domain)], "Subject: %s\r\n\r\nbody %s\r\n" % (name, name))


def fates(relay, names, seconds=60):
    """name -> every status that was logged for it, once each has had sent or bounced"""
    def told():
        text = relay.log()
        found = {n: re.findall(r"to=<%s@x\.example>.*status=(\w+)" % n, text) for n in names}
        return all(set(v) & {"sent", "bounced"} for v in found.values()) and found
    return wait(told, seconds)


@pytest.mark.parametrize("where", ["greeting", "EHLO", "EHLO lines", "MAIL", "RCPT", "END", "END lines"])
def test_a_long_reply_is_cut_and_its_code_believed(tmp_path, where):
    class Session(SinkSession):
        def say(self, line):
            verb = getattr(self, "verb", "")
            if where == "greeting" and line.startswith("220 "):
                line += " " + LONG
            if where == "MAIL" and line.startswith("250 2.1.0"):
                line += LONG
            if where == "RCPT" and line.startswith("250 2.1.5"):
                line = "250-2.1.5 " + LONG + "\r\n" + line
            if where == "END" and "queued as" in line:
                line += " " + LONG
            if where == "END lines" and "queued as" in line:
                line = MANY + line
            if where == "EHLO" and line.startswith("250-"):
                line = line.replace("\r\n250-", "\r\n250-X-LONG %s\r\n250-" % LONG, 1)
            if where == "EHLO lines" and line.startswith("250-"):
                line = line.replace("\r\n250-", "\r\n" + MANY + "250-", 1)
            super().say(line)

    with Sink() as sink:
        sink.RequestHandlerClass = Session
        with relay_to(tmp_path, sink.port) as relay:
            send(relay, ["one"])
            assert fates(relay, ["one"])["one"] == ["sent"]
            assert len(sink.messages) == 1


@pytest.mark.parametrize("code, fate", [("550 5.7.1", "bounced"), ("450 4.7.1", "sent")])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "END"])
def test_a_long_refusal_is_one(tmp_path, verb, code, fate):
    said = []

    def refuse(sink, argument):
        if said:
            return None
        said.append(argument)
        return code + " " + LONG

    with Sink(script={verb: refuse}) as sink, relay_to(tmp_path, sink.port) as relay:
        send(relay, ["one"])
        assert fates(relay, ["one"])["one"] == (["deferred", "sent"] if fate == "sent" else ["bounced"])


class Twice(SinkSession):
    """answers one thing twice, a while apart: the end of content, or a few times RCPT, MAIL, RSET"""
    what, apart, left = "END", 0.3, []

    def say(self, line):
        super().say(line)
        last = getattr(self, "line", "")
        kinds = {"END": "queued as" in line or line.startswith("554 5.7.1"), "RCPT": line.startswith(("250 2.1.5", "550 5.1.1")),
                 "MAIL": line.startswith("250 2.1.0"), "RSET": last == "RSET"}
        if kinds[self.what] and self.left:
            self.left.pop()
            time.sleep(self.apart)
            super().say(line)

    def do_RSET(self, argument):
        self.line = "RSET"
        super().do_RSET(argument)
        self.line = ""


@pytest.mark.parametrize("extensions", [("PIPELINING", "CHUNKING", "ENHANCEDSTATUSCODES", "8BITMIME"), ("PIPELINING",), ("8BITMIME",)],
                         ids=["chunking", "pipelining", "stepwise"])
@pytest.mark.parametrize("what", ["END", "RCPT", "MAIL", "RSET"])
def test_a_server_that_answers_twice_shifts_nothing(tmp_path, what, extensions):
    names = ["good1", "norcpt1", "bad1", "good2", "bad2", "norcpt2", "good3", "good4"]

    def rcpt(sink, argument):
        return "550 5.1.1 no such user" if "norcpt" in argument else None

    def end(sink, message):
        return "554 5.7.1 spam" if "bad" in message.rcpts[0] else None

    class Session(Twice):
        pass
    Session.what, Session.left = what, [1] * (1000 if what == "END" else 3)
    with Sink(script={"RCPT": rcpt, "END": end}, extensions=extensions) as sink:
        sink.RequestHandlerClass = Session
        with relay_to(tmp_path, sink.port, "smtp_destination_concurrency_limit = 1\n") as relay:
            send(relay, names)
            found = fates(relay, names, 90)
            for name in names:
                assert found[name][-1] == ("sent" if name.startswith("good") else "bounced"), (name, found[name])
                assert len([f for f in found[name] if f in ("sent", "bounced")]) == 1, (name, found[name])
            delivered = [m.rcpts[0].partition("@")[0] for m in sink.messages if m.sender]
            assert sorted(set(delivered)) == sorted(n for n in names if n.startswith("good"))
