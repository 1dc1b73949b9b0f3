"""Settings whose effect is only seen from outside: of the server, at the start, and on the way of real mail."""
import os
import smtplib
import socket
import subprocess
import tempfile

import pytest
from lab import LOGIN, RELAYBOX, Relay, Sink, free_port, wait


def client(relay, port=None):
    return smtplib.SMTP("127.0.0.1", port or relay.port, timeout=20)


def test_server_settings_change_its_answers(tmp_path):
    with Relay(tmp_path, "mydestination =\nmynetworks = 192.0.2.0/24\nsmtpd_client_event_limit_exceptions =\ndisable_vrfy_command = yes\n"
               "smtpd_discard_ehlo_keywords = pipelining, dsn\nrelay_domains = here.example\nrelay_domains_reject_code = 550\n"
               "smtpd_relay_restrictions = reject_unauth_destination\nsmtpd_recipient_limit = 2\nstrict_rfc821_envelopes = yes\n"
               "smtpd_junk_command_limit = 2\nsmtpd_hard_error_limit = 5\n") as relay:
        with client(relay) as s:
            offered = s.ehlo("me.example")[1].decode()
            assert "PIPELINING" not in offered and "DSN" not in offered and "8BITMIME" in offered and "VRFY" not in offered
            assert s.docmd("VRFY x")[0] == 502
            assert s.docmd("MAIL FROM:a@b.example")[0] == 501
            assert s.docmd("MAIL FROM:<a@b.example>")[0] == 250
            assert s.docmd("RCPT TO:<u@else.example>")[0] == 550
        with client(relay) as s:
            s.ehlo("me.example")
            s.docmd("MAIL FROM:<a@b.example>")
            assert [s.docmd("RCPT TO:<u%d@here.example>" % i)[0] for i in range(3)] == [250, 250, 452]
        with client(relay) as s:
            codes = []
            with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
                for _ in range(12):
                    codes.append(s.docmd("NOOP")[0])
            assert 2 <= len(codes) <= 9


@pytest.mark.parametrize("limit, what", [("smtpd_client_message_rate_limit", "MAIL"), ("smtpd_client_recipient_rate_limit", "RCPT"),
                                         ("smtpd_client_connection_rate_limit", "CONNECT")])
def test_rates_count_for_whom_no_exception_is_made(tmp_path, limit, what):
    for exceptions, refused in ("", True), ("127.0.0.0/8", False):
        with Relay(tmp_path / ("x" + exceptions.replace("/", "_")), "mydestination =\nrelayhost = [127.0.0.1]:9\n%s = 2\n"
                   "anvil_rate_time_unit = 600s\nsmtpd_client_event_limit_exceptions = %s\n" % (limit, exceptions)) as relay:
            codes = []
            for i in range(3):
                try:
                    with client(relay) as s:
                        s.ehlo("me.example")
                        codes.append(s.docmd("MAIL FROM:<a@b.example>")[0])
                        codes[-1] = max(codes[-1], s.docmd("RCPT TO:<u@x.example>")[0]) if codes[-1] == 250 else codes[-1]
                except (smtplib.SMTPConnectError, smtplib.SMTPServerDisconnected) as e:
                    codes.append(getattr(e, "smtp_code", 421))
            assert codes[:2] == [250, 250], what
            assert (codes[2] >= 420) == refused, (what, codes)


def test_a_next_hop_by_address_needs_no_brackets(tmp_path):
    with Sink() as sink, Relay(tmp_path, "mydestination =\ntransport_maps = texthash:$config_directory/transport\n"
                               "relayhost = 127.0.0.1:%d\n" % sink.port,
                               files={"transport": "table.example smtp:127.0.0.1:%d\n" % sink.port}) as relay:
        assert subprocess.run([RELAYBOX, "relayd", "-c", relay.dir, "-t"], capture_output=True).returncode == 0
        for rcpt in "u@table.example", "u@else.example":
            assert b"127.0.0.1:%d" % sink.port in relay.run("relayctl", "-c", relay.dir, "explain", rcpt).stdout
            with client(relay) as s:
                s.sendmail("a@b.example", [rcpt], "Subject: x\r\n\r\nx\r\n")
        assert sorted(m.rcpts[0] for m in sink.wait(2)) == ["u@else.example", "u@table.example"]


def test_aliases_with_slips_reach_everybody_else(tmp_path):
    with Sink() as sink, Relay(tmp_path, "mydestination = relay.example.test\nrelayhost = [127.0.0.1]:%d\n"
                               "alias_maps = texthash:%s/aliases\n" % (sink.port, tmp_path),
                               files={"aliases": "one h@x.example\nteam: a@x.example; b@x.example, CORP\\jd <c@x.example>, slip@, \"d@x.example\"\n"
                                      "hole: /dev/null\nlist: :include:%s/list\n" % tmp_path,
                                      "list": "e@x.example\n'f@x.example'\nJoe @ Work <g@x.example>\n"}) as relay:
        assert 'aliases:2: warning: "team": "slip@" is not an address' in relay.stderr()
        for rcpt in "team", "hole", "list", "one":
            with client(relay) as s:
                s.sendmail("a@b.example", [rcpt + "@relay.example.test"], "Subject: x\r\n\r\nx\r\n")
        got = sorted(r for m in sink.wait(3) for r in m.rcpts)
        assert got == ["a@x.example", "b@x.example", "c@x.example", "d@x.example", "e@x.example", "g@x.example", "h@x.example"]
        relay.wait_log(r"to=<hole@relay.example.test>.*status=sent \(delivered to file: /dev/null\)")
        relay.wait_log(r"alias team: not an address, left out: \"slip@\"")
        relay.wait_log(r"list, line 2 \(alias list\): not an address, left out: \"'f@x.example'\"")
        wait(relay.empty)


def test_a_listener_without_its_certificate_stays_closed(tmp_path):
    port, tls = free_port(), free_port()
    with Relay(tmp_path, "mydestination =\n", port=port,
               master_cf="%d inet n - n - - smtpd\n%d inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n" % (port, tls)) as relay:
        assert "TLS is not available on port %d, which stays closed" % tls in relay.stderr()
        with client(relay) as s:
            assert s.noop()[0] == 250
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", tls), 5)


def test_why_the_start_failed_is_on_stderr_too(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        relay = Relay(tmp_path, "mydestination =\n", port=taken.getsockname()[1])
        done = subprocess.run([RELAYBOX, "relayd", "-c", relay.dir], capture_output=True, text=True, timeout=30, env=relay.env)
    assert done.returncode and "bind 127.0.0.1 port %d" % relay.port in done.stderr and "bind 127.0.0.1 port" in relay.log()


@pytest.mark.skipif(not LOGIN, reason="needs root")
@pytest.mark.parametrize("owner, uid", [("12345", 12345), ("12345:54321", 12345), ("0", 0), ("root", 0)])
def test_mail_owner_may_be_a_number(tmp_path, owner, uid):
    relay = Relay(tmp_path, "mydestination =\nmail_owner = %s\nmaillog_file =\n" % owner)
    with relay.start():
        status = open("/proc/%d/status" % relay.process.pid).read()
        assert "\nUid:\t%d\t" % uid in status
        if ":" in owner:
            assert "\nGid:\t54321\t" in status
        assert "no such user" not in relay.stderr() and "staying" not in relay.stderr()


@pytest.mark.skipif(not LOGIN, reason="needs root")
def test_a_check_by_root_looks_for_mail_owner(tmp_path):
    relay = Relay(tmp_path, "mydestination =\nmail_owner = no-such-user\n")
    done = relay.run("relayd", "-t", check=False)
    assert done.returncode == 78 and b"mail_owner no-such-user: no such user: make it (" in done.stderr


@pytest.mark.skipif(os.path.exists("/dev/log"), reason="there is a system log")
def test_background_without_any_log_says_what_to_set(tmp_path):
    done = Relay(tmp_path, "mydestination =\nmaillog_file =\n").run("relayd", "-d", check=False)
    assert done.returncode == 73 and b"no system log takes lines at /dev/log: No such file or directory: set maillog_file" in done.stderr


@pytest.mark.skipif(not LOGIN, reason="needs root")
def test_a_queue_that_may_not_be_written_comes_with_a_cure():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        relay = Relay(folder, "mydestination =\nmaillog_file =\n")
        os.mkdir(relay.path("queue"), 0o700)
        done = subprocess.run([RELAYBOX, "relayd", "-c", relay.dir], capture_output=True, text=True, timeout=30, env=relay.env,
                              preexec_fn=lambda: (os.setgroups([]), os.setgid(65534), os.setuid(65534)))
    assert done.returncode and "uid 65534 may not write there: give it the folder (chown -R 65534:65534)" in done.stderr


def test_two_relays_on_one_queue_are_told(tmp_path):
    with Relay(tmp_path, "mydestination =\n") as relay:
        done = subprocess.run([RELAYBOX, "relayd", "-c", relay.dir, "-o", "smtpd_listen=", "-o", "maillog_file=", "-o", "log_also="], capture_output=True,
                              text=True, timeout=30, env=relay.env)
        assert done.returncode and ("in use by another process: relayd runs already" in done.stderr or "bind" in done.stderr)


def test_a_service_may_hide_its_clients(tmp_path):
    port, other = free_port(), free_port()
    with Sink() as sink, Relay(tmp_path, "mydestination =\nrelayhost = [127.0.0.1]:%d\n" % sink.port, port=port, master_cf="%d inet n - n - - smtpd\n"
                               "%d inet n - n - - smtpd\n  -o smtpd_hide_client_session=yes\n" % (port, other)) as relay:
        for at in port, other:
            with client(relay, at) as s:
                s.sendmail("a@b.example", ["u@x.example"], "Subject: x\r\n\r\nx\r\n")
        shown, hidden = [m.header.decode() for m in sorted(sink.wait(2), key=lambda m: b"from" not in m.header.split(b"\r\n")[0])]
        assert shown.startswith("Received: from ") and "127.0.0.1" in shown and hidden.startswith("Received: by relay.example.test (relaybox)\r\n\tid ")
        assert "127.0.0.1" not in hidden and "userid" not in hidden and "client=unknown[127.0.0.1]" in relay.log()
