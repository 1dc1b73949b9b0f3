"""Limits of a client: as many as were allowed, and not one more. IPv6 and PROXY addresses have tests of their own."""
import os
import smtplib
import socket
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Relay, free_port  # noqa: E402

ALLOWED = 3


@pytest.fixture
def relay(tmp_path, request):
    with Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nsmtpd_client_event_limit_exceptions =\nanvil_rate_time_unit = 1h\n%s = %d\n"
               % (free_port(), request.param, ALLOWED)) as r:
        yield r


def greeting(relay):
    """Code of the greeting, and the session."""
    smtp = smtplib.SMTP()
    return smtp.connect("127.0.0.1", relay.port)[0], smtp


@pytest.mark.parametrize("relay", ["smtpd_client_message_rate_limit"], indirect=True)
def test_messages_of_a_client_in_a_time(relay):
    codes = []
    for _ in range(ALLOWED + 2):
        with smtplib.SMTP("127.0.0.1", relay.port) as smtp:
            smtp.ehlo("x")
            codes.append(smtp.mail("a@example.com")[0])
    assert codes == [250] * ALLOWED + [450] * 2


@pytest.mark.parametrize("relay", ["smtpd_client_recipient_rate_limit"], indirect=True)
def test_recipients_of_a_client_in_a_time(relay):
    codes = []
    for _ in range(ALLOWED):
        with smtplib.SMTP("127.0.0.1", relay.port) as smtp:
            smtp.ehlo("x")
            smtp.mail("a@example.com")
            codes += [smtp.rcpt("b%d@example.org" % n)[0] for n in range(2)]
    assert codes == [250] * ALLOWED + [450] * (len(codes) - ALLOWED)


@pytest.mark.parametrize("relay", ["smtpd_client_connection_rate_limit"], indirect=True)
def test_connections_of_a_client_in_a_time(relay):
    codes = []
    for _ in range(ALLOWED + 2):
        code, smtp = greeting(relay)
        codes.append(code)
        smtp.close()
    assert codes == [220] * ALLOWED + [421] * 2
    relay.wait_log("Connection rate limit exceeded")


@pytest.mark.parametrize("relay", ["smtpd_client_connection_count_limit"], indirect=True)
def test_connections_of_a_client_at_once(relay):
    held = [greeting(relay) for _ in range(ALLOWED + 1)]
    assert [code for code, _ in held] == [220] * ALLOWED + [421]
    # one that leaves makes room for one
    held[0][1].quit()
    relay.wait_log("disconnect from")
    held += [greeting(relay) for _ in range(2)]
    assert [code for code, _ in held[-2:]] == [220, 421]
    for _, smtp in held:
        smtp.close()


@pytest.mark.parametrize("relay", ["smtpd_recipient_limit"], indirect=True)
def test_recipients_of_a_message(relay):
    with smtplib.SMTP("127.0.0.1", relay.port) as smtp:
        smtp.ehlo("x")
        smtp.mail("a@example.com")
        assert [smtp.rcpt("b%d@example.org" % n)[0] for n in range(ALLOWED + 1)] == [250] * ALLOWED + [452]


@pytest.mark.parametrize("relay", ["smtpd_hard_error_limit"], indirect=True)
def test_errors_of_a_session(relay):
    with socket.create_connection(("127.0.0.1", relay.port), 20) as s:
        file = s.makefile("rb")
        assert file.readline().startswith(b"220 ")
        codes = []
        for _ in range(ALLOWED):
            s.sendall(b"NONSENSE\r\n")
            codes.append(file.readline()[:3])
        codes += [line[:3] for line in file]
    assert codes == [b"500"] * ALLOWED + [b"421"]
