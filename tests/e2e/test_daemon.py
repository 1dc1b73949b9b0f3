"""The daemon as a process: signals, reload, the lock, the log's two forms, the environment, bad configuration."""
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import threading
import tempfile
import time

import pytest
from lab import RELAYBOX, SANDBOX, SANITIZER, SLOW, free_port, Relay, Sink, wait


def send(port, rcpt="b@example.org", **kw):
    with smtplib.SMTP("127.0.0.1", port) as c:
        return c.sendmail("a@example.com", [rcpt], "Subject: x\r\n\r\nx\r\n", **kw)


def test_reload_takes_the_new_configuration_and_keeps_sessions(tmp_path):
    with Sink() as first, Sink() as second:
        r = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nsandbox = yes\n" % first.port)
        with r:
            send(r.port)
            first.wait(1)
            kept = smtplib.SMTP("127.0.0.1", r.port)
            kept.ehlo("kept")
            with open(r.path("main.cf"), "a") as f:
                f.write("relayhost = [127.0.0.1]:%d\n" % second.port)
            r.process.send_signal(signal.SIGHUP)
            r.wait_log("reload -- version")
            send(r.port)
            second.wait(1)
            kept.sendmail("a@example.com", ["kept@example.org"], "Subject: x\r\n\r\nx\r\n")
            second.wait(2)
            kept.quit()


def test_reload_of_a_wrong_configuration_changes_nothing(tmp_path):
    with Sink() as sink:
        r = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\n" % sink.port)
        with r:
            with open(r.path("main.cf"), "a") as f:
                f.write("smtpd_timeout = soon\n")
            done = r.run("relayctl", "reload", check=False)
            assert done.returncode != 0 and b"main.cf:" in done.stderr and b"smtpd_timeout" in done.stderr
            r.process.send_signal(signal.SIGHUP)
            r.wait_log(r"error: .*main.cf:\d+: .*smtpd_timeout")
            r.wait_log(r"error: reload refused: the configuration has errors; what was in force stays in force")
            send(r.port)
            sink.wait(1)


@pytest.mark.parametrize("change,says", [
    (lambda r: os.rename(r.path("main.cf"), r.path("main.cf.new")), "main.cf is gone"),
    (lambda r: r.write("main.cf", "queue_directory = %s\n" % r.path("other")), "another queue_directory needs a restart"),
])
def test_reload_never_falls_back_to_what_nobody_wrote(tmp_path, change, says):
    with Sink() as sink:
        r = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\n" % sink.port)
        with r:
            change(r)
            r.process.send_signal(signal.SIGHUP)
            r.wait_log("error: reload refused: %s; what was in force stays in force" % says)
            send(r.port)
            sink.wait(1)


@pytest.mark.skipif(not SANDBOX, reason="no Landlock here")
@pytest.mark.parametrize("name, text", [("main.cf", "relayhost = [127.0.0.1]:2\n"), ("master.cf", "%d inet n - n - - smtpd\n"),
                                        ("main.cf", "http_listen = 127.0.0.1:%d\n"), ("main.cf", "transport_maps = inline:{a.test=discard:}\n")])
def test_new_ports_need_a_restart_where_the_sandbox_is_required(tmp_path, name, text):
    with Relay(tmp_path / "r", "relayhost = [127.0.0.1]:1\n") as r:
        with open(r.path(name), "a") as f:
            f.write(text % free_port() if "%" in text else text)
        r.process.send_signal(signal.SIGHUP)
        r.wait_log("error: reload refused: a new port needs a restart where sandbox = required")
        r.stop()
        r.start()


@pytest.mark.skipif(not SANDBOX or SLOW > 1, reason="no Landlock here, or sanitizers, who may write into /tmp")
def test_files_in_folders_that_nothing_was_read_from_need_a_restart(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "table").write_text("a.test discard:\n")
    with Relay(tmp_path / "r", "relayhost = [127.0.0.1]:1\ntransport_maps = inline:{b.test=discard:}\n") as r:
        main = open(r.path("main.cf")).read()
        r.write("main.cf", main + "transport_maps = texthash:%s/other/table\n" % tmp_path)
        r.process.send_signal(signal.SIGHUP)
        r.wait_log("error: %s/other/table: nothing in its folder was read when relayd was started, so the sandbox hides it: restart" % tmp_path)
        r.wait_log("reload refused")
        # where something was read others may come
        r.write("table", "a.test discard:\n")
        r.write("main.cf", main + "transport_maps = texthash:%s\n" % r.path("table"))
        reload(r)
        send(r.port, "b@a.test")
        r.wait_log("to=<b@a.test>, relay=none.*status=sent")


def test_reload_moves_a_listener(tmp_path):
    r = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:1\nsandbox = yes\n")
    with r:
        other = free_port()
        r.write("master.cf", "%d inet n - n - - smtpd\n" % other)
        r.run("relayctl", "reload")
        assert smtplib.SMTP("127.0.0.1", other).noop()[0] == 250
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", r.port), 2)


def test_term_finishes_what_is_under_way(tmp_path):
    def slow(sink, message):
        r.wait_log("terminating on signal 15")
    with Sink(script={"END": slow}) as sink:
        r = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\n" % sink.port)
        r.start()
        send(r.port)
        r.wait_log("queue active")
        wait(lambda: sink.sessions)
        assert r.stop() == 0
        assert len(sink.messages) == 1
        assert r.log_lines("terminating on signal 15") and r.log_lines("status=sent")
        assert "Mail queue is empty" in r.mailq()


def test_usr1_tries_the_queue_now(tmp_path):
    port = free_port()
    r = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\n" % port)
    with r:
        send(r.port)
        r.wait_log("status=deferred")
        with Sink(port) as sink:
            r.process.send_signal(signal.SIGUSR1)
            sink.wait(1)


def test_second_relayd_on_a_spool_does_not_start(tmp_path):
    r = Relay(tmp_path / "r", "")
    with r:
        done = subprocess.run([RELAYBOX, "relayd", "-c", r.dir, "-o", "maillog_file=", "-o", "log_also="], capture_output=True, timeout=30)
        assert done.returncode != 0


def test_json_log_has_the_same_fields(tmp_path):
    with Sink() as sink:
        r = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\nlog_format = json\n" % sink.port)
        with r:
            send(r.port)
            sink.wait(1)
            r.wait_log("removed")
        events = [json.loads(line) for line in r.log().splitlines()]
        sent = [e for e in events if e.get("status") == "sent"][0]
        assert sent["service"] == "smtp" and sent["to"] == "b@example.org" and sent["dsn"] == "2.0.0"
        assert sent["relay"] == "127.0.0.1[127.0.0.1]:%d" % sink.port and "queued as" in sent["text"]
        assert sent["queue_id"] and "status=sent" in sent["message"]
        assert any(e["message"].endswith("removed") and e["queue_id"] == sent["queue_id"] for e in events)


def test_environment_overrides_and_secrets_from_files(tmp_path):
    with Sink(users={"user": "p$x #y:z"}) as sink:
        secret = tmp_path / "secret"
        secret.write_text("p$x #y:z\n")
        r = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:1\n", env={
            "RELAYHOST": "[127.0.0.1]:%d" % sink.port, "RELAYHOST_USERNAME": "user", "RELAYHOST_PASSWORD_FILE": str(secret),
            "POSTFIX_smtp_tls_security_level": "none", "POSTFIX_myhostname": "from.environment.test"})
        with r:
            with smtplib.SMTP("127.0.0.1", r.port) as c:
                assert c.ehlo("x")[1].startswith(b"from.environment.test")
            send(r.port)
            sink.wait(1)


@pytest.mark.parametrize("line,says", [
    ("smtpd_timeout = soon", "smtpd_timeout"),
    ("smtpd_recipient_restrictions = check_policy_service unix:x, reject_unauth_destination", "check_policy_service"),
    ("smtpd_milters = inet:localhost:8891", "smtpd_milters"),
    ("content_filter = smtp:[127.0.0.1]:10024", "content_filter"),
    ("transport_maps = hash:/no/such/file", "/no/such/file"),
    ("mynetworks = 10.0.0.1/8", "10.0.0.0/8"),
    ("myhostname = ${x", "myhostname"),
    ("mynetworks = 10.0.0.1/%s" % ("9" * 5000), "bad mask value"),
    ("transport_maps = %s:/x" % ("y" * 5000), "unsupported map type"),
    ("relayhost = [smtp.example", "missing ]"),
    ("relayhost = 192.0.2.1:smpt", "use a port number"),
    ("default_transport = smtp:[smtp.example]:smpt", "use a port number"),
    ("relay_transport = uucp:there", "no transport is called \"uucp\""),
    ("local_transport = lmtp:unix:", "without a path"),
    ("smtp_fallback_relay = [a.example], [b.example]:0", "port 0"),
    ("smtp_bind_address = 2001:db8::1", "not an IPv4 address"),
    ("smtp_tls_mandatory_protocols = TLSv9", "use TLSv1.2"),
    ("smtp_tls_protocols = !TLSv1.2, !TLSv1.3", "only TLSv1.2 and TLSv1.3"),
    ("smtpd_tls_protocols = SSLv4", "unknown TLS protocol"),
    ("lmtp_tls_protocols = SSLv4", "lmtp_tls_protocols"),
    ("smtp_tls_security_level = dane-only", "needs smtp_dns_support_level = dnssec"),
    ("smtp_tls_policy_maps = hash:/no/such/file", "/no/such/file"),
    ("smtp_sasl_security_options = noplain", "bad value \"noplain\" for smtp_sasl_security_options: use words of noplaintext"),
    ("smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = hash:/no/such/file", "/no/such/file"),
    ("smtp_tls_security_level = verify\nsmtp_tls_CAfile = /no/such/file", "/no/such/file"),
    ("smtpd_recipient_restrictions = permit\nsmtpd_relay_restrictions = permit, reject_unauth_destination", "open relay"),
], ids=lambda text: text[:40])
def test_wrong_configuration_says_where_and_does_not_start(tmp_path, line, says):
    r = Relay(tmp_path / "r", line + "\n")
    with open(r.path("main.cf")) as f:
        number = 1 + f.read().split("\n").index(line.split("\n")[-1])
    for check in ["-t"], []:
        done = subprocess.run([RELAYBOX, "relayd", "-c", r.dir, *check], capture_output=True, text=True, timeout=30)
        assert done.returncode == 78 and says in done.stderr, done.stderr
        told = [finding for finding in done.stderr.splitlines() if says in finding]
        assert len(set(told)) == len(told) and any(re.search(r"main.cf:\d+: ", finding) for finding in told), done.stderr
        assert "main.cf:%d: " % number in done.stderr or "CAfile" in line, done.stderr


@pytest.mark.parametrize("networks,told", [("10.0.0.0/8, 0.0.0.0/0", ["0.0.0.0/0"]), ("0.0.0.0/1, 128.0.0.0/1", ["0.0.0.0/1", "128.0.0.0/1"]),
                                           ("10.0.0.0/8 [fd00::]/16", []), ("[2000::]/3", ["[2000::]/3"])])
def test_a_network_of_everybody_is_warned_of(tmp_path, networks, told):
    r = Relay(tmp_path / "r", "mynetworks = %s\n" % networks)
    done = subprocess.run([RELAYBOX, "relayd", "-c", r.dir, "-t"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and re.findall(r"main.cf:\d+: warning: mynetworks: with (\S+) strangers", done.stderr) == told, done.stderr


def test_a_transport_with_options_is_named_where_it_is_written(tmp_path):
    r = Relay(tmp_path / "r", "")
    with open(r.path("master.cf"), "w") as f:
        f.write("127.0.0.1:%d inet n - n - - smtpd\nslow unix - - n - - smtp\n  -o smtp_tls_mandatory_protocols=TLSv9\n" % r.port)
    done = subprocess.run([RELAYBOX, "relayd", "-c", r.dir, "-t"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 78 and re.search(r"master.cf:\d: smtp_tls_mandatory_protocols: unknown TLS protocol", done.stderr), done.stderr


def test_a_listener_with_options_is_named_where_it_is_written(tmp_path):
    r = Relay(tmp_path / "r", "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\nsmtpd_tls_protocols = SSLv4\n")
    with open(r.path("master.cf"), "w") as f:
        f.write("127.0.0.1:%d inet n - n - - smtpd\n127.0.0.1:%d inet n - n - - smtpd -o smtpd_relay_restrictions=permit\n" % (r.port, free_port()))
    done = subprocess.run([RELAYBOX, "relayd", "-c", r.dir, "-t"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 78 and re.search(r"master.cf:2: smtpd_relay_restrictions: .*open relay", done.stderr), done.stderr
    assert done.stderr.count("SSLv4") == 1 and re.search(r"main.cf:\d+: smtpd_tls_protocols", done.stderr), done.stderr


def test_a_reload_with_a_wrong_client_side_changes_nothing(tmp_path):
    with Sink() as sink:
        with Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\n" % sink.port) as r:
            with open(r.path("main.cf"), "a") as f:
                f.write("smtp_tls_policy_maps = hash:/no/such/file\n")
            r.process.send_signal(signal.SIGHUP)
            r.wait_log("smtp_tls_policy_maps: .*no/such/file")
            assert not r.log_lines("reload -- ")
            send(r.port)
            sink.wait(1)


def reload(r, times=1):
    for _ in range(times):
        n = len(r.log_lines("reload -- "))
        r.process.send_signal(signal.SIGHUP)
        r.wait_log("reload -- ", n + 1)


def test_what_began_before_reloads_ends_with_its_own_settings(tmp_path):
    go = threading.Event()

    def slow(sink, message):
        go.wait(60 * SLOW)
    with Sink(script={"END": slow}) as there, Sink() as sink:
        r = Relay(tmp_path / "r", "relayhost = [127.0.0.1]:%d\ntransport_maps = inline:{slow.test=slow:[127.0.0.1]:%d}\n" % (sink.port, there.port))
        with open(r.path("master.cf"), "w") as f:
            f.write("127.0.0.1:%d inet n - n - - smtpd -o smtpd_banner=first\nslow unix - - n - - smtp -o smtp_helo_name=slow.example\n" % r.port)
        with r:
            send(r.port, "b@slow.test")
            wait(lambda: there.sessions)
            early = smtplib.SMTP("127.0.0.1", r.port, timeout=30 * SLOW)
            early.ehlo("early.example")
            assert early.docmd("MAIL FROM:<a@example.com>")[0] == early.docmd("RCPT TO:<b@example.org>")[0] == 250
            assert early.docmd("DATA")[0] == 354
            early.send("Subject: early\r\n\r\nfirst half\r\n")
            with open(r.path("master.cf"), "w") as f:
                f.write("127.0.0.1:%d inet n - n - - smtpd -o smtpd_banner=second\n" % r.port)
            with open(r.path("main.cf"), "a") as f:
                f.write("transport_maps =\n")
            reload(r)
            late = smtplib.SMTP(timeout=30 * SLOW)
            assert late.connect("127.0.0.1", r.port)[1] == b"second"
            reload(r, 3)
            time.sleep(7)                  # old settings are looked at after five seconds
            go.set()
            early.send("second half\r\n.\r\n")
            assert early.getreply()[0] == 250
            assert early.docmd("RSET")[0] == late.noop()[0] == 250
            wait(lambda: len(sink.messages) == 1 and len(there.messages) == 1, 20)
            early.quit()
            late.quit()
            time.sleep(2)                  # now the oldest can go
            send(r.port)
            sink.wait(2)
            assert r.stop() == 0


@pytest.mark.skipif(os.environ.get("RELAYBOX_PASS") == "san", reason="the sanitizers keep freed memory")
def test_reloads_keep_no_memory(tmp_path):
    def resident(r):
        with open("/proc/%d/status" % r.process.pid) as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    with Relay(tmp_path / "r", "") as r:
        reload(r, 10)
        time.sleep(6.5)
        before = resident(r)
        reload(r, 60)
        # sixty generations would be more than 3 MB
        wait(lambda: resident(r) - before < 1500)


def test_postconf_style_output(tmp_path):
    r = Relay(tmp_path / "r", "relayhost = [x.example]:587\n")
    assert b"relayhost = [x.example]:587\n" in r.run("relayd", "-c", r.dir, "-n").stdout
    everything = r.run("relayd", "-c", r.dir, "-D").stdout.decode()
    assert "maximal_queue_lifetime = 5d\n" in everything and "queue_run_delay = 300s\n" in everything


def test_postconf_style_output_of_a_refused_configuration(tmp_path):
    r = Relay(tmp_path / "r", "myhostname = h.example\nrelayhost = [$myhostname]\nqueue_run_delay = soon\nsmtpd_milters = unix:x\n")
    for option, wants in (("-n", ["relayhost = [$myhostname]\n", "queue_run_delay = soon\n"]), ("-D", ["myorigin = $myhostname\n", "queue_run_delay = 300s\n"]),
                          ("-x", ["relayhost = [h.example]\n", "myorigin = h.example\n", "queue_run_delay = soon\n"]),
                          ("-nx", ["relayhost = [h.example]\n"]), ("-Dx", ["myorigin = h.example\n", "relayhost =\n"])):
        done = r.run("relayd", "-c", r.dir, option)
        assert all(want in done.stdout.decode() for want in wants), (option, done.stdout)
        assert b"smtpd_milters" in done.stderr and b"queue_run_delay" in done.stderr
        assert ("myorigin" in done.stdout.decode()) == ("n" not in option)


def test_background_start_returns_when_it_serves(tmp_path):
    r = Relay(tmp_path / "r", "")
    done = subprocess.run([RELAYBOX, "relayd", "-c", r.dir, "-d"], env=r.env, timeout=30, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert done.returncode == 0
    assert smtplib.SMTP("127.0.0.1", r.port).noop()[0] == 250
    pid = int(r.log_lines("daemon started")[0].split("[")[1].split("]")[0])
    os.kill(pid, signal.SIGTERM)
    wait(lambda: r.log_lines("terminating"))
    wait(lambda: not os.path.exists("/proc/%d" % pid) or open("/proc/%d/stat" % pid).read().split()[2] == "Z")


def test_background_start_that_fails_says_where_to_look(tmp_path):
    with Relay(tmp_path / "r", "") as r:
        done = subprocess.run([RELAYBOX, "relayd", "-c", r.dir, "-d"], env=r.env, timeout=30 * SLOW, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert done.returncode == 69
        assert r.path("log").encode() + b" says why" in done.stderr
        assert r.log_lines("error: ")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to have something to give up")
def test_root_is_given_up_and_the_sandbox_closed(tmp_path):
    os.chmod(tmp_path, 0o755)
    r = Relay(tmp_path / "r", "mail_owner = nobody\n")
    with r:
        with open("/proc/%d/status" % r.process.pid) as f:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        assert status["Uid"].split()[0] != "0" and status["Groups"].strip() == ""
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"


def test_a_configuration_directory_that_is_not_there_is_named(tmp_path):
    (tmp_path / "main.cf").write_text("alias_maps =\n")
    for directory, why in ((tmp_path / "etc", b"No such file or directory"), (tmp_path / "main.cf", b"this is a file"), (tmp_path, None)):
        p = subprocess.run([RELAYBOX, "relayd", "-c", directory, "-t"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said = b"configuration directory %s: " % bytes(directory)
        assert p.returncode == 0 and (said + why in p.stderr if why else said not in p.stderr), p.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs root and network namespaces")
def test_relayhost_alone_is_enough_for_any_user():
    # not below pytest's folder, which is root's alone
    spool = tempfile.mkdtemp()
    os.chown(spool, 65534, 65534)
    script = 'ip link set lo up 2>/dev/null; echo 1024 > /proc/sys/net/ipv4/ip_unprivileged_port_start; exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"'
    daemon = subprocess.Popen(["unshare", "-n", "sh", "-c", script, "sh", RELAYBOX, "relayd", "-c", "/nonexistent"], stderr=subprocess.PIPE,
                              env={"RELAYHOST": "[127.0.0.1]:9", "POSTFIX_queue_directory": spool, "POSTFIX_alias_maps": "", "PATH": os.environ["PATH"], **SANITIZER})
    try:
        seen = b""
        while b"daemon started" not in seen:
            line = daemon.stderr.readline()
            assert line, seen
            seen += line
        with open("/proc/%d/net/tcp" % daemon.pid) as f:
            assert ":%04X " % 2525 in f.read()
    finally:
        daemon.terminate()
        assert daemon.wait(30 * SLOW) == 0
        shutil.rmtree(spool)


def test_what_others_lock_keeps_no_mail_from_being_taken(tmp_path):
    """Mailboxes that somebody holds locked keep the threads that deliver there; the flush before 250 has its own."""
    boxes = [tmp_path / ("box%d" % i) for i in range(2)]
    with Relay(tmp_path / "r", "mydestination = example.test\nlocal_recipient_maps =\ndefault_transport = discard\n",
               files={"aliases": "".join("a%d: %s\n" % (i, box) for i, box in enumerate(boxes))}) as r:
        r.stop()
        r.write("main.cf", open(r.path("main.cf")).read() + "alias_maps = texthash:%s\n" % r.path("aliases"))
        r.start()
        with contextlib.ExitStack() as held:
            for box in boxes:
                f = held.enter_context(open(box, "w"))
                fcntl.lockf(f, fcntl.LOCK_EX)
            for i in range(len(boxes)):
                r.run("sendmail", "-f", "a@x.org", "a%d@example.test" % i, stdin="Subject: x\n\nx\n")
            r.wait_log("queue active", len(boxes))
            with smtplib.SMTP("127.0.0.1", r.port, timeout=30) as s:
                s.sendmail("a@x.org", ["b@x.org"], "Subject: taken\r\n\r\nx\r\n")
            assert not r.log_lines("to=<a0@")  # it is still tried, for five seconds: taken meanwhile
