"""sendmail without a daemon follows the configuration that relayd would follow: one road out for both."""
import re

import pytest
from lab import Relay, Sink, free_port

CONTENT = "Subject: x\n\nx\n"


def box(folder, main, **files):
    made = Relay(folder / "r", "inet_protocols = ipv4\nsendmail_submission = direct\nsmtp_tls_security_level = none\n"
                 "sendmail_spool = %s/kept\n%s\n" % (folder, main))
    (folder / "kept").mkdir()
    for name, text in files.items():
        made.write(name, text + "\n")
    return made


def send(made, sender="a@example.com", rcpts=("b@example.org",), check=True):
    return made.run("sendmail", "-f", sender, *rcpts, stdin=CONTENT, check=check).stderr.decode()


def test_fallback_relay_takes_over(tmp_path):
    with Sink() as sink:
        send(box(tmp_path, "relayhost = [127.0.0.1]:%d\nsmtp_fallback_relay = [127.0.0.1]:%d" % (free_port(), sink.port)))
        assert len(sink.messages) == 1


def test_a_soft_refusal_moves_to_the_fallback_relay(tmp_path):
    with Sink(script={"RCPT": lambda *_: "450 4.7.1 greylisted"}) as first, Sink() as second:
        send(box(tmp_path, "relayhost = [127.0.0.1]:%d\nsmtp_fallback_relay = [127.0.0.1]:%d" % (first.port, second.port)))
        assert len(second.messages) == 1 and not first.messages


def test_discarded_keywords_are_not_used(tmp_path):
    said = []
    with Sink(extensions=("PIPELINING", "CHUNKING", "SIZE 1000000"), script={"MAIL": lambda _, a: said.append(a), "BDAT": lambda *_: said.append("BDAT")}) as sink:
        send(box(tmp_path, "relayhost = [127.0.0.1]:%d\nsmtp_discard_ehlo_keywords = chunking, size" % sink.port))
        assert len(sink.messages) == 1 and said == ["FROM:<a@example.com>"]


@pytest.mark.parametrize("sender, password", [("me@example.com", "mine"), ("a@example.com", "all")])
def test_passwords_by_sender(tmp_path, sender, password):
    users = {}
    with Sink(users=users) as sink:
        users["u"] = password
        made = box(tmp_path, "relayhost = [127.0.0.1]:%d\nsmtp_sasl_auth_enable = yes\nsmtp_sasl_security_options = noanonymous\n"
                   "smtp_sender_dependent_authentication = yes\nsmtp_sasl_password_maps = texthash:%s/r/passwords" % (sink.port, tmp_path),
                   passwords="me@example.com u:mine\n[127.0.0.1]:%d u:all" % sink.port)
        said = send(made, sender)
        assert len(sink.messages) == 1, said


def test_tables_by_sender_and_transports(tmp_path):
    with Sink() as one, Sink() as two, Sink() as three:
        made = box(tmp_path, "relayhost = [127.0.0.1]:%d\nsender_dependent_relayhost_maps = texthash:%s/r/senders\n"
                   "transport_maps = texthash:%s/r/transport" % (one.port, tmp_path, tmp_path),
                   senders="me@example.com [127.0.0.1]:%d" % two.port, transport="special.test smtp:[127.0.0.1]:%d\ngone.test error:5.1.1 gone" % three.port)
        send(made, rcpts=("b@example.org", "c@special.test"))
        send(made, sender="me@example.com")
        assert [[m.rcpts for m in s.messages] for s in (one, two, three)] == [[["b@example.org"]], [["b@example.org"]], [["c@special.test"]]]
        done = made.run("sendmail", "-f", "a@example.com", "d@gone.test", stdin=CONTENT, check=False)
        assert done.returncode == 67 and b"gone" in done.stderr


def test_lmtp_names_count_for_lmtp(tmp_path):
    verbs = []
    with Sink(script={"LHLO": lambda s, a: verbs.append("LHLO " + a), "MAIL": lambda s, a: verbs.append("MAIL")}) as sink:
        made = box(tmp_path, "default_transport = lmtp:[127.0.0.1]:%d\nlmtp_lhlo_name = lmtp.example.test" % sink.port)
        send(made)
        assert verbs == ["LHLO lmtp.example.test", "MAIL"] and len(sink.messages) == 1


def test_bind_address_is_used(tmp_path):
    made = box(tmp_path, "relayhost = [192.0.2.1]:25\nsmtp_bind_address = 192.0.2.77\nsmtp_connect_timeout = 2s")
    # not an address of this machine: the connection is not made from another one in its place
    # glibc and musl have different words
    assert re.search("Cannot assign requested address|Address not available", send(made))


def test_a_password_that_is_missing_keeps_the_mail(tmp_path):
    with Sink(users={"u": "p"}) as sink:
        said = send(box(tmp_path, "relayhost = [127.0.0.1]:%d" % sink.port))
        assert "530" in said and "kept in" in said and not sink.messages


def test_what_happened_is_logged(tmp_path):
    with Sink() as sink:
        made = box(tmp_path, "relayhost = [127.0.0.1]:%d" % sink.port)
        send(made)
        assert made.log_lines(r"postfix/smtp\[\d+\]: [0-9A-F]+: to=<b@example.org>, relay=127.0.0.1\[127.0.0.1\]:\d+, .*status=sent \(250")
