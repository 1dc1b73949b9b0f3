"""mxcheck's other modes and outputs: lists, rounds, monitoring; each option of its help has its place here or in test_applets."""
import base64
import contextlib
import email
import email.policy
import itertools
import json
import os
import pty
import re
import select
import signal
import socket
import socketserver
import ssl
import subprocess
import threading
import time

import pytest

from lab import RELAYBOX, SLOW, Sink, certificate, free_port, wait

HERE = os.path.dirname(os.path.abspath(__file__))


def mxcheck(*args, code=0, stdin="", env=None, seconds=60):
    done = subprocess.run([RELAYBOX, "mxcheck", *map(str, args)], input=stdin, capture_output=True, text=True, timeout=seconds * SLOW,
                          env=dict(os.environ, **(env or {})))
    assert code is None or done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


def objects(*args, **kw):
    return [json.loads(line) for line in mxcheck("--json", *args, **kw).stdout.splitlines()]


def found(result, verdict, check, text=""):
    return [f["text"] for f in result["findings"] if f["verdict"] == verdict and f["check"] == check and text in f["text"]]


@pytest.fixture
def sink(request):
    """A function that makes a Sink, which ends with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda **kw: stack.enter_context(Sink(**kw))


@pytest.fixture(scope="module")
def cert(tmp_path_factory):
    return certificate(str(tmp_path_factory.mktemp("cert")))


@pytest.mark.parametrize("args, word", [
    (("-s", "mx.test:smtp"), "a port is a number"), (("-s", "mx.test:0"), "a port is a number"), (("-s", ":25"), "not a name"), (("-s", ""), "not a name"),
    (("",), "not a name"), (("-p", 0, "x.test"), '--port: "0" is not a value that makes sense here: it takes PORT'), (("-t", 0, "x.test"), "makes sense"), (("--dns", "ns.test", "x.test"), "makes sense"),
    (("--dns", "127.0.0.1,ns", "x.test"), "makes sense"), (("-s", "mx.test", "--rcpt", "a@x.test"), "stands alone"),
    (("--rcpt", "nobody"), "not an address"), (("--dkim", "--rcpt", "a@x.test"), "asks DNS only"), (("--send", "--to", "a@x.test", "-s", "mx.test:x"), "a port is a number"),
])
def test_arguments_without_a_meaning_are_refused(args, word):
    done = mxcheck(*args, code=64)
    assert word in done.stderr and not done.stdout


def test_a_dead_resolver_is_not_the_domains_fault():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        nobody = "127.0.0.1:%d" % s.getsockname()[1]
    x = objects("--dns", nobody, "x.test", code=1)[0]
    assert [(f["check"], f["text"]) for f in x["findings"]] == [("mx", "nothing can be looked up from here: Connection refused")]
    assert mxcheck("--dns", nobody, "--nagios", "x.test", code=3).stdout.startswith("MXCHECK UNKNOWN - x.test: mx: nothing")


def test_every_option_of_the_help_has_a_test():
    text = mxcheck("--help").stdout
    tests = "".join(open(os.path.join(HERE, name)).read() for name in ("test_applets.py", "test_mxcheck_modes.py"))
    options = re.findall(r"^  (?:-(\w),? ?)?(?:--([a-z-]+))?", text, re.M)
    missing = [long or short for short, long in options if (short or long) and
               not (short and '"-%s"' % short in tests or long and re.search(r'"--%s["=]' % long, tests))]
    assert len(options) > 15 and not missing
    assert mxcheck("-h").stdout == text


def test_unreasonable_values_are_refused():
    for args in (["-p", "66000"], ["-w", "x"], ["-C", ","], ["--tls", "perhaps"], ["--watch", "0"], ["--count", "x"], ["-t", "soon"],
                 ["--no-such"], []):
        assert "--help" in mxcheck(*args, *(["x.org"] if args else []), code=64).stderr
        plugin = mxcheck("--nagios", *args, *(["x.org"] if args else []), code=3)
        assert plugin.stdout == "MXCHECK UNKNOWN - the command line is wrong: see standard error\n" and "--help" in plugin.stderr
    assert mxcheck("--nagios", "-f", "/nonexistent/list", code=3).stdout == "MXCHECK UNKNOWN - it cannot look: see standard error\n"
    assert re.fullmatch(r"relaybox \S+\n", mxcheck("-V").stdout) and mxcheck("--version").stdout == mxcheck("-V").stdout


# --- lists -----------------------------------------------------------------------------------------------------------------


def test_a_list_keeps_its_order(dns, sink, tmp_path):
    names = ["d%d.test" % i for i in range(700)]
    server = dns({(n, "MX"): [(0, "")] for n in names[::2]})
    (tmp_path / "list").write_text("# all of them\n\n" + "".join("%s  not this\n" % n for n in names))
    out = objects("--dns", server, "-f", tmp_path / "list", code=1)
    assert [x["target"] for x in out] == names
    assert all(found(x, "note", "mx", "null MX") for x in out[::2]) and all(found(x, "problem", "mx", "not exist") for x in out[1::2])
    again = objects("--dns", server, "first.test", "--file", "-", stdin="\n".join(names), code=1)
    assert [x["target"] for x in again] == ["first.test"] + names
    assert "cannot read" in mxcheck("-f", tmp_path / "none", code=66).stderr


def test_one_slow_target_does_not_stop_the_others(dns, sink, tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.2", 0))
        silent.listen()
        port = silent.getsockname()[1]
        fast = sink(port=port)
        records = {("slow.test", "MX"): [(10, "slow.mx")], ("slow.mx", "A"): ["127.0.0.2"], ("fast.mx", "A"): ["127.0.0.1"]}
        records.update({("f%d.test" % i, "MX"): [(10, "fast.mx")] for i in range(20)})
        out = objects("--dns", dns(records), "-4", "-t", "3", "-p", port, "slow.test", *["f%d.test" % i for i in range(20)], code=1)
    assert found(out[0], "problem", "banner") and fast.sessions == 1
    assert all(x["hosts"][0]["addresses"][0]["finished"] for x in out[1:])


class Silent(socketserver.StreamRequestHandler):
    """Takes STARTTLS and then says nothing."""

    def handle(self):
        for line in (b"220 mx.test ESMTP\r\n", b"250-mx.test\r\n250 STARTTLS\r\n", b"220 2.0.0 go\r\n"):
            self.wfile.write(line)
            self.rfile.readline()
        while self.connection.recv(4096):
            pass


def test_many_handshakes_at_once(dns):
    """None is refused for want of room for its keys, however many wait for their server."""
    records = {("d%d.test" % i, "MX"): [(10, "mx%d.test" % i)] for i in range(100)}
    records.update({("mx%d.test" % i, "A"): ["127.0.0.1"] for i in range(100)})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Silent) as server:
        server.daemon_threads = True
        server.socket.listen(256)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        out = objects("--dns", dns(records), "-4", "-p", server.server_address[1], "-t", 6 * SLOW, *("d%d.test" % i for i in range(100)), code=1)
        server.shutdown()
    waited = [x for x in out if any("no answer in time" in f["text"] for f in x["findings"])]
    assert len(waited) > 64 and not any("allocation" in f["text"] for x in out for f in x["findings"])


def test_a_server_is_looked_at_once_in_a_run(dns, sink, cert):
    """Whatever many domains share it, and all are told of it; for other names at its address only who it is is asked again."""
    records = {("d%d.test" % i, "MX"): [(10, "mx.test")] for i in range(30)}
    records.update({("other.test", "MX"): [(10, "mx2.test")], ("mx.test", "A"): ["127.0.0.1"], ("mx2.test", "A"): ["127.0.0.1"]})
    names = ["d%d.test" % i for i in range(30)]
    server = sink(tls=cert)
    args = "--dns", dns(records), "-4", "-p", server.port, "--ca", cert[0], "--watch", "1", "--count", "2"
    out = objects(*args, *names)
    looks, server.sessions = server.sessions, 0
    assert looks <= 2 * 5
    for x in out:
        assert found(x, "warning", "name"), x
        assert [(f["verdict"], f["check"], re.sub(r"\d+ ms", "", f["text"])) for f in x["findings"] if f.get("host")] == \
            [(f["verdict"], f["check"], re.sub(r"\d+ ms", "", f["text"])) for f in out[0]["findings"] if f.get("host")]
    with_other = objects(*args[:-4], *names, "other.test")
    assert server.sessions <= looks and found(with_other[-1], "warning", "name")


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_wants_our_certificate(sink, cert, newest):
    """Before TLS 1.3 its alert is that of one that finds no cipher."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*cert)
    context.load_verify_locations(cert[0])
    context.verify_mode, context.maximum_version = ssl.CERT_REQUIRED, newest
    x = objects("-s", "localhost:%d" % sink(tls=context).port, "-4", "--ca", cert[0], code=1)[0]
    assert found(x, "problem", "tls", "it demands a client certificate"), x


def second(answer):
    """A verb's script: this answer the second time, and only then."""
    times = itertools.count(1)
    return lambda sink, argument: answer if next(times) == 2 else None


@pytest.mark.parametrize("more, verdict, check, text", [
    (dict(script={"STARTTLS": lambda sink, argument: "DROP"}), "problem", "tls", "the server closed the connection"),
    (dict(script={"STARTTLS": lambda sink, argument: "220 go\r\n250 injected"}), "problem", "tls", "data after the reply to STARTTLS"),
    (dict(script={"EHLO": second("421 4.3.2 busy")}), "problem", "ehlo", "refused under TLS: 421 4.3.2 busy"),
    (dict(script={"EHLO": second("DROP")}), "problem", "ehlo", "the server closed the connection, under TLS"),
    (dict(extensions=("SIZE 1000",)), "warning", "ehlo", "larger than 1000 bytes"),
])
def test_what_failed_is_told_where_it_failed(sink, cert, more, verdict, check, text):
    x = objects("-s", "localhost:%d" % sink(tls=cert, **more).port, "-4", "--ca", cert[0], code=None)[0]
    assert len(found(x, verdict, check, text)) == 1 and not [f for f in x["findings"] if f["verdict"] == "problem" and f["check"] != check], x


def test_no_name_is_in_the_words_of_a_server_without_ehlo(sink):
    x = objects("-s", "localhost:%d" % sink(script={"EHLO": lambda sink, argument: "502 5.5.2 no"}).port, "-4")[0]
    assert not [f for f in x["findings"] if "calls itself" in f["text"] or "does not begin with a host name, but" in f["text"]], x


def test_a_certificate_for_no_host(sink, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90", "-keyout", "k", "-out", "c",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=email:a@localhost"], cwd=tmp_path, check=True, stderr=subprocess.DEVNULL)
    x = objects("-s", "localhost:%d" % sink(tls=(str(tmp_path / "c"), str(tmp_path / "k"))).port, "-4", "--ca", tmp_path / "c")[0]
    assert found(x, "warning", "name") == ["the certificate names no host in its subjectAltName"], x


def test_one_family_only(dns):
    server = dns({("x.test", "MX"): [(10, "mx.test")], ("mx.test", "A"): ["127.0.0.1"], ("mx.test", "AAAA"): ["::1"]})
    port = free_port()
    for option, addresses in (("-4", ["127.0.0.1"]), ("-6", ["::1"]), ("-q", ["127.0.0.1", "::1"])):
        x = objects("--dns", server, "-p", port, option, "x.test", code=1)[0]
        assert sorted(a["address"] for a in x["hosts"][0]["addresses"]) == addresses


def test_both_families_are_missed(dns, sink):
    """Servers and name servers; whoever looks at one family only does not ask for the other."""
    port = sink().port
    for family, address in (("A", "127.0.0.1"), ("AAAA", "::1")):
        server = dns({("x.test", "MX"): [(10, "mx.test")], ("mx.test", family): [address], ("x.test", "NS"): ["ns.test"], ("ns.test", family): [address]})
        x = objects("--dns", server, "-p", port, "x.test", code=family == "AAAA")[0]
        verdict, other = ("note", "IPv6") if family == "A" else ("warning", "IPv4")
        assert found(x, verdict, "address", "no MX host has an %s address" % other) and found(x, verdict, "ns", "no name server has an %s address" % other)
    assert not found(objects("--dns", server, "-p", port, "-6", "x.test", code=1)[0], "warning", "address", "IPv4")


def test_lists_that_most_receivers_ask(dns, sink):
    port = sink(address="127.0.0.3").port
    records = {("x.test", "MX"): [(10, "mx.test")], ("mx.test", "A"): ["127.0.0.3"], ("3.0.0.127.zen.spamhaus.org", "A"): ["127.0.0.4"],
               ("x.test.dbl.spamhaus.org", "A"): ["127.0.1.2"], ("test.multi.surbl.org", "A"): ["127.0.0.2"], ("x.test.multi.surbl.org", "A"): ["127.0.0.64"]}
    x = objects("--dns", dns(records), "-4", "-p", port, "--lists", "x.test", code=1)[0]
    assert found(x, "problem", "dnsbl", "listed in zen.spamhaus.org as 127.0.0.4") and found(x, "problem", "dnsbl", "x.test is listed in multi.surbl.org as 127.0.0.64")
    assert found(x, "warning", "dnsbl", "dbl.spamhaus.org has no test entry") and len(found(x, "warning", "dnsbl", "does not exist")) >= 3
    x = objects("--dns", dns(records), "-4", "-p", port, "--name-list", "multi.surbl.org", "--parked", "x.test", code=1)[0]
    assert len([f for f in x["findings"] if f["check"] == "dnsbl"]) == 2 and found(x, "problem", "parked", "it takes mail")


def test_progress_shows_on_a_terminal_only(dns, tmp_path):
    server = dns({})
    master, slave = pty.openpty()
    try:
        p = subprocess.Popen([RELAYBOX, "mxcheck", "--dns", server, "-o", str(tmp_path / "out"), "-f", "-"], stdin=subprocess.PIPE,
                             stderr=slave, stdout=subprocess.PIPE)
        p.communicate(("x%d.test\n" * 50 % tuple(range(50))).encode(), timeout=60 * SLOW)
        seen = os.read(master, 65536).decode()
    finally:
        os.close(master)
        os.close(slave)
    assert re.search(r"\d+ of 50, \d+ with problems", seen) and seen.endswith("\r\033[K")
    assert mxcheck("--dns", server, "a.test", "b.test", code=1).stderr == ""


# --- expectations --------------------------------------------------------------------------------------------------------------


def test_thresholds_of_time_and_days(sink, cert):
    slow = sink(tls=cert, script={"CONNECT": lambda *_: time.sleep(0.3)})
    where = ["--server", "127.0.0.1:%d" % slow.port, "--ca", cert[0]]
    assert found(objects(*where, "-w", ",100")[0], "warning", "time", "slow")
    bad = objects(*where, "-w", "60,100", "--critical", "40,200", code=1)[0]
    assert found(bad, "problem", "time", "slow") and found(bad, "problem", "expiry", "expires in")
    calm = objects(*where, "--warning", "20,100000", "-C", "2,100000")[0]
    assert not found(calm, "warning", "time") and found(calm, "ok", "expiry")
    out = mxcheck(*where, "--nagios", "-w", "60", "-C", "1", code=1).stdout
    assert re.fullmatch(r"MXCHECK WARNING - 127.0.0.1: .*expir.* \| time=\d\.\d+s;;;0 days=\d+;60:;1:\n", out)
    assert mxcheck(*where, "--nagios", "-w", "1,90000", "-c", "40,95000", code=2).stdout.rstrip().endswith(";40:")
    assert mxcheck(*where, "--nagios", "-w", "1", "-C", "40,1", code=2).stdout.startswith("MXCHECK CRITICAL")
    assert mxcheck(*where, "--nagios", "-w", "1", "-C", "1", code=0).stdout.startswith("MXCHECK OK")


def test_several_servers_each_with_its_port(sink, cert):
    plain, starttls = sink(), sink(tls=cert)
    names = ["127.0.0.1:%d" % plain.port, "localhost:%d" % starttls.port]
    x = objects("-4", "-s", names[0], "--server", names[1], "--ca", cert[0], "--sni", "localhost", "--deep")
    assert [o["target"] for o in x] == names and [o["hosts"][0]["name"] for o in x] == ["127.0.0.1", "localhost"]
    assert found(x[0], "warning", "tls", "not offered") and found(x[1], "ok", "tls") and not found(x[1], "warning", "name")
    assert found(x[1], "ok", "ciphers", "with forward secrecy") and not found(x[1], "problem", "injection")
    assert "goes to one server" in mxcheck("--send", "-s", names[0], "-s", names[1], "--to", "a@b.test", code=64).stderr


def test_levels_of_tls(sink, cert):
    plain, starttls = sink(), sink(tls=cert)
    where = "127.0.0.1:%d" % plain.port
    assert found(objects("-s", where)[0], "warning", "tls", "not offered")
    assert found(objects("--server", where, "--tls", "must", code=1)[0], "problem", "tls")
    assert not found(objects("--server", where, "--tls", "none")[0], "warning", "tls")
    x = objects("-s", "127.0.0.1:%d" % starttls.port, "--tls=may", "--ca", cert[0])[0]
    assert found(x, "ok", "tls") and not found(x, "warning", "trust")
    assert found(objects("-s", "127.0.0.1:%d" % starttls.port)[0], "warning", "trust")


@pytest.mark.parametrize("greeting", [b"220 s.test ESMTP", b"554 5.7.1 go away"])
def test_implicit_tls_and_openssl_agree(cert, greeting):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*cert)
    said = []

    def serve(listener):
        one = listener.accept()[0]
        listener.close()
        with contextlib.suppress(OSError), context.wrap_socket(one, server_side=True) as c:
            c.settimeout(30)
            time.sleep(0.02)
            c.sendall(greeting + b"\r\n")
            said.append(c.recv(1000))
            c.sendall(b"250 s.test\r\n")
            c.recv(1000)

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(30)
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        x = objects("--tls", "implicit", "--server", "localhost:%d" % listener.getsockname()[1], "-4", "--ca", cert[0], "--helo", "probe.test",
                    code=greeting[0] != ord("2"))[0]
        thread.join(30)
    a = x["hosts"][0]["addresses"][0]
    tls = a["tls"]
    assert a["banner_ms"] >= 20 and a["tls_ms"] > 0
    if greeting.startswith(b"554"):
        assert found(x, "problem", "banner", "refused: 554 5.7.1 go away")
        return
    assert a["ehlo_ms"] > 0
    seen = subprocess.run(["openssl", "x509", "-in", cert[0], "-noout", "-fingerprint", "-sha256"], capture_output=True, text=True).stdout
    assert said == [b"EHLO probe.test\r\n"] and tls["sha256"] in seen and tls["name_matches"] and tls["version"].startswith("TLSv1.")


# --- outputs ------------------------------------------------------------------------------------------------------------------


def samples(text):
    """The exposition format, strictly: each metric's lines together after its HELP and TYPE, no sample twice."""
    metrics, current = {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split()[2]
            assert current not in metrics
            metrics[current] = {}
        elif line.startswith("# TYPE "):
            assert line.split()[2:] == [current, "gauge"]
        else:
            m = re.fullmatch(r'(\w+)(\{(?:\w+="(?:[^"\\\n]|\\.)*",?)*\})? (-?[0-9.]+)', line)
            assert m and m[1] == current and m[2] not in metrics[current], line
            metrics[current][m[2]] = float(m[3])
    return metrics


def test_prometheus_metrics(sink, dns, cert, tmp_path):
    good = sink(tls=cert)
    server = dns({("x.test", "MX"): [(10, "localhost")], ("localhost", "A"): ["127.0.0.1"]})
    out = tmp_path / "mx.prom"
    out.write_text("old\n")
    before = os.stat(out).st_ino
    mxcheck("--dns", server, "-4", "-p", good.port, "--prometheus", "--output", out, "--ca", cert[0], "x.test", 'qu"ote\\.test', code=1)
    m = samples(out.read_text())
    labels = '{target="x.test",host="localhost",address="127.0.0.1"'
    assert m["mxcheck_reached"] == {labels + "}": 1}
    assert set(m["mxcheck_step_seconds"]) == {labels + ',step="%s"}' % s for s in ("connect", "banner", "ehlo", "tls")}
    assert all(0 < v < 60 for v in m["mxcheck_step_seconds"].values())
    assert time.time() + 28 * 86400 < m["mxcheck_certificate_expires_timestamp_seconds"][labels + "}"] < time.time() + 31 * 86400
    assert m["mxcheck_finding"]['{target="x.test",check="spf",verdict="warning"}'] == 1
    assert m["mxcheck_findings"]['{target="qu\\"ote\\\\.test",verdict="problem"}'] == 1
    assert abs(m["mxcheck_last_run_timestamp_seconds"][None] - time.time()) < 100 * SLOW
    assert os.stat(out).st_ino != before and os.listdir(tmp_path) == ["mx.prom"]
    assert samples(mxcheck("--dns", server, "--prometheus", "nx.test", code=1).stdout)
    assert "cannot write" in mxcheck("--dns", server, "-o", tmp_path / "none" / "x", "nx.test", code=73).stderr


def test_the_verdict_comes_first(sink, cert):
    """A line for each target: the word, the worst finding, what to do; what else is wrong; all the rest on -v."""
    where = ["--server", "127.0.0.1:%d" % sink().port]
    said, loud, quiet = mxcheck(*where).stdout, mxcheck(*where, "-v").stdout, mxcheck(*where, "-q").stdout
    verdict = "warning  127.0.0.1: tls of 127.0.0.1 [127.0.0.1]: STARTTLS is not offered -> mail to this server"
    assert said.startswith(verdict) and loud.startswith(verdict) and quiet == said.splitlines()[0] + "\n"
    assert "ok " not in said and "note " not in said and "fine (-v shows all)" in said and said.count("STARTTLS is not offered") == 1
    assert "ok       connect" in loud and "note     " in loud
    assert mxcheck(*where, "--quiet").stdout == quiet and mxcheck(*where, "--verbose").stdout.count("\n") == loud.count("\n")
    good = ["--server", "localhost:%d" % sink(tls=cert).port, "-4", "--ca", cert[0]]
    assert mxcheck(*good, "-q").stdout == "" and mxcheck(*good).stdout.startswith("ok       localhost: nothing wrong\n  0 problems")


def test_text_is_broken_at_the_edge_of_the_terminal(sink):
    port = sink().port
    for columns in (40, 72, 200):
        pid, fd = pty.fork()
        if pid == 0:
            os.execvpe("sh", ["sh", "-c", "stty cols %d; exec %s mxcheck -v --server 127.0.0.1:%d" % (columns, RELAYBOX, port)], dict(os.environ, NO_COLOR="1"))
        text = b""
        with contextlib.suppress(OSError):
            while piece := os.read(fd, 65536):
                text += piece
        os.close(fd)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        lines = text.decode().replace("\r", "").splitlines()
        words = " ".join(" ".join(lines).split())
        assert "STARTTLS is not offered -> mail to this server travels in clear; set Postfix: smtpd_tls_security_level = may" in words, text
        if columns > 60:
            assert max(map(len, lines)) <= columns and (columns == 200 or len(lines) > 12), lines


@pytest.mark.parametrize("greeting, said, text", [
    ("mx.test ESMTP Postfix", "set smtpd_tls_security_level = may", "Postfix"), ("mx.test ESMTP Exim 4.96", "set tls_advertise_hosts", "Exim"),
    ("mx.test Microsoft ESMTP MAIL Service ready", "set Enable-ExchangeCertificate", "Exchange"), ("mx.google.com ESMTP x", "set in your provider's settings", "Google"),
    ("a.mail.protection.outlook.com Microsoft ESMTP MAIL Service ready", "set in your provider's settings", "Microsoft"), ("mx.test ESMTP", "set Postfix: smtpd_tls", "nobody"),
])
def test_advice_is_in_the_words_of_the_server(sink, greeting, said, text):
    server = sink()
    server.greeting = greeting
    x = objects("-s", "127.0.0.1:%d" % server.port)[0]
    advice = [f["advice"] for f in x["findings"] if f["check"] == "tls"]
    assert len(advice) == 1 and said in advice[0], advice


def test_explain_tells_the_rule(sink, dns):
    every = mxcheck("--explain", "all").stdout
    words = re.findall(r"^(\S+)$", every, re.M)
    assert len(words) == len(set(words)) > 30
    for word in words:
        one = mxcheck("--explain", word).stdout
        assert one.startswith(word + "\n  ") and one in every
    assert "RFC 7672" in mxcheck("--explain", "dane").stdout
    assert "no keyword" in mxcheck("--explain", "dan", code=64).stderr
    x = objects("--dns", dns({("x.test", "MX"): [(10, "mx.test")], ("mx.test", "A"): ["127.0.0.1"]}), "-p", sink().port, "x.test")[0]
    assert {f["check"] for f in x["findings"]} <= set(words)


def test_compare_two_runs(sink, dns, tmp_path):
    port = sink().port
    records = {("x.test", "MX"): [(10, "mx.test")], ("mx.test", "A"): ["127.0.0.1"], ("y.test", "MX"): [(0, "")]}
    more = {**records, **{("x.test", "TXT"): ["v=spf1 \"-all"], ("z.test", "MX"): [(0, "")]}}
    a, b = tmp_path / "a", tmp_path / "b"
    for path, r, names in ((a, records, ["x.test", "y.test"]), (b, more, ["x.test", "z.test"])):
        mxcheck("--json", "-o", path, "--dns", dns(r), "-p", port, *names, code=1 if path == b else 0)
    assert mxcheck("--compare", a, a).stdout == "0 changes\n" and mxcheck("-q", "--compare", b, b).stdout == ""
    out = mxcheck("--compare", a, b, code=1).stdout
    assert re.search(r"^  - warning  spf: no record$", out, re.M) and re.search(r"^  \+ problem  spf: ", out, re.M)
    assert re.search(r"^z.test\n  \+ note     mx: null MX", out, re.M) and re.search(r"^y.test\n  - note     mx: null MX", out, re.M)
    assert not re.search(r"^  [-+] .* ms$", out, re.M)
    (tmp_path / "c").write_text("{}\n")
    assert "is not what --json prints" in mxcheck("--compare", a, tmp_path / "c", code=65).stderr
    assert "two files" in mxcheck("--compare", a, code=64).stderr and "cannot read" in mxcheck("--compare", a, tmp_path / "none", code=66).stderr


def in_chromium(page, tmp_path, *more):
    return subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=%s" % (tmp_path / "profile"), *more, page.as_uri()],
                          capture_output=True, text=True, timeout=120 * SLOW)


def test_a_page_to_hand_on(sink, dns, cert, tmp_path):
    """One file, which a browser shows as it is meant, whatever strangers wrote."""
    page = tmp_path / "page.html"
    evil = "</td><script>document.title='taken'</script><img src=x onerror=document.title='taken'>&amp;"
    records = {("x.test", "MX"): [(10, "mx.test")], ("mx.test", "A"): ["127.0.0.1"], ("x.test", "TXT"): ["v=spf1 include:" + evil + " -all"]}
    server = sink()
    server.greeting = "mx.test " + evil
    mxcheck("--dns", dns(records), "-4", "-p", server.port, "--html", page, "x.test", "nx.test", code=1)
    text = page.read_text()
    assert "<script" not in text and "http" not in re.sub(r"http-equiv", "", text.split("<body>")[0]) and "src=" not in text.replace("img src=x onerror", "")
    done = in_chromium(page, tmp_path, "--dump-dom")
    dom = done.stdout
    assert "<title>mxcheck</title>" in dom and dom.count("<section>") == 2 and "taken'&lt;/script&gt;" in dom, done
    assert dom.count('class="problem"') == text.count('class="problem"') > 1 and "the domain does not exist" in dom
    picture = tmp_path / "page.png"
    in_chromium(page, tmp_path, "--screenshot=%s" % picture, "--window-size=900,1200")
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 10000


def test_what_large_receivers_ask(sink, dns):
    port = sink().port
    records = {("x.test", "MX"): [(10, "mx.test")], ("mx.test", "A"): ["127.0.0.1"], ("x.test", "TXT"): ["v=spf1 ip4:192.0.2.1 -all"],
               ("_dmarc.x.test", "TXT"): ["v=DMARC1; p=none; rua=mailto:d@x.test"], ("1.2.0.192.in-addr.arpa", "PTR"): ["out.x.test"], ("out.x.test", "A"): ["192.0.2.1"]}

    def verdicts(change, *args):
        x = objects("--dns", dns({**records, **change}), "-4", "-p", port, *args, "x.test", code=None)[0]
        return {f["check"]: (f["verdict"], f["text"]) for f in x["findings"] if f["check"] in ("gmail", "yahoo", "microsoft")}
    fine = verdicts({})
    assert {v for v, _ in fine.values()} == {"ok"} and "(not seen: DKIM, a name of the address that sends)" in fine["gmail"][1] and "(not seen: DKIM)" in fine["microsoft"][1]
    assert "(not seen: DKIM)" in verdicts({}, "--ip", "192.0.2.1")["yahoo"][1]
    assert {t for _, t in verdicts({("_dmarc.x.test", "TXT"): []}).values()} == {"not what it asks of senders: DMARC missing"}
    assert {t for _, t in verdicts({}, "--selector", "s1").values()} == {"not what it asks of senders: DKIM missing"}
    assert "SPF" in verdicts({("x.test", "TXT"): []})["gmail"][1] and "SPF, a name of the address" in verdicts({}, "--ip", "192.0.2.2")["yahoo"][1]
    assert verdicts({("out.x.test", "A"): ["192.0.2.9"]}, "--ip", "192.0.2.1")["gmail"][0] == "note"
    assert verdicts({("x.test", "MX"): [(0, "")]}) == {}


def test_watch_shows_what_changed():
    port = free_port()
    p = subprocess.Popen([RELAYBOX, "mxcheck", "-q", "--server", "127.0.0.1:%d" % port, "--watch", "1"], stdout=subprocess.PIPE, text=True)
    try:
        text = ""

        def reads(what):
            nonlocal text
            end = time.monotonic() + 30 * SLOW
            while what not in text:
                assert time.monotonic() < end and p.poll() is None, text
                if select.select([p.stdout], [], [], 0.2)[0]:
                    text += os.read(p.stdout.fileno(), 65536).decode()

        reads("refused")
        with Sink(port=port):
            reads("+ ok       127.0.0.1 127.0.0.1 banner")
            assert "- problem  127.0.0.1 127.0.0.1 connect: connection refused" in text and "changes" in text
        reads("+ problem  127.0.0.1 127.0.0.1 connect")
        assert p.poll() is None
    finally:
        p.send_signal(signal.SIGINT)
        p.wait(30 * SLOW)
    assert p.returncode == -signal.SIGINT


def test_watch_ends_after_its_count(sink, tmp_path):
    server = sink()
    out = mxcheck("--server", "127.0.0.1:%d" % server.port, "--watch", "1", "--count", "2", "-o", tmp_path / "x").stdout
    assert out == "" and server.sessions == 2 and ": 0 changes" in (tmp_path / "x").read_text()
    assert len(objects("--server", "127.0.0.1:%d" % server.port, "--watch", "1", "--count", "3")) == 3 and server.sessions == 5


# --- would it be taken? -----------------------------------------------------------------------------------------------------------


def answers(refused="550 5.1.1 no such user"):
    """RCPT answers by the name of the recipient."""
    return {"RCPT": lambda _, a: refused if "nobody" in a else "450 4.2.0 not now" if "later" in a else None}


def test_rcpt_of_a_domain_without_mail(dns):
    x = objects("--dns", dns({("x.test", "MX"): [(0, "")]}), "--rcpt", "a@x.test", code=1)[0]
    assert found(x, "problem", "mx", "nullMX") and found(x, "problem", "rcpt", "556 5.1.10")
    assert all(f["advice"] for f in x["findings"])


def test_rcpt_asks_in_the_order_of_a_delivery(dns, sink):
    server = sink(address="127.0.0.2", script=answers())
    backup = sink(address="127.0.0.3", port=server.port)
    where = ["--dns", dns({("x.test", "MX"): [(30, "backup.test"), (10, "gone.test"), (20, "mx.test")], ("mx.test", "A"): ["127.0.0.2"],
                           ("gone.test", "A"): ["127.0.0.9"], ("backup.test", "A"): ["127.0.0.3"]}), "-4", "-p", server.port]
    x = objects(*where, "--rcpt", "somebody@x.test")[0]
    assert [h["name"] for h in x["hosts"]] == ["gone.test", "mx.test"]
    assert found(x, "ok", "rcpt", "accepted: 250 2.1.5") and found(x, "problem", "connect", "refused")
    x = objects(*where, "--rcpt", "nobody@x.test", code=1)[0]
    assert found(x, "problem", "rcpt", "refused: 550 5.1.1 ") and found(x, "problem", "rcpt", "no such user")
    assert backup.sessions == 0
    x = objects(*where, "--rcpt", "later@x.test")[0]  # the next one takes it, as in a delivery
    assert found(x, "ok", "rcpt") and backup.sessions == 1
    backup.close()
    assert found(objects(*where, "--rcpt", "later@x.test", code=75)[0], "warning", "rcpt", "later: ")
    assert "later" in mxcheck(*where, "--rcpt", "later@x.test", "nobody@x.test", code=75).stdout
    assert not server.messages and not backup.messages
    assert mxcheck("--rcpt", "x.test", code=64)
    assert found(objects("--dns", dns({}), "--rcpt", "a@nx.test", code=1)[0], "problem", "rcpt", "not found")


def test_rcpt_says_who_asks(dns, sink):
    said = []
    server = sink(script={"MAIL": lambda _, a: said.append(a), "EHLO": lambda _, a: said.append(a)})
    where = ["--dns", dns({("x.test", "MX"): [(10, "mx.test")], ("mx.test", "A"): ["127.0.0.1"]}), "-4", "-p", server.port, "--helo", "me.test"]
    mxcheck(*where, "--from", "a@b.test", "--rcpt", "c@x.test")
    mxcheck(*where, "--from", "<>", "--rcpt", "c@x.test")
    assert said[0] == "me.test" and [a.split()[0] for a in said if a != "me.test"] == ["FROM:<a@b.test>", "FROM:<>"]


def test_rcpt_agrees_with_swaks_and_postfix(dns, sink, cert, tmp_path):
    """swaks asks the same up to RCPT, and posttls-finger sees the same certificate and cipher."""
    (tmp_path / "main.cf").write_text("myhostname = me.test\n")
    server = sink(script=answers(), tls=cert)
    where = ["--dns", dns({("x.test", "MX"): [(10, "localhost")], ("localhost", "A"): ["127.0.0.1"]}), "-4", "-p", server.port]
    for user in ("somebody", "nobody", "later"):
        swaks = subprocess.run(["swaks", "--server", "127.0.0.1", "-p", str(server.port), "--to", user + "@x.test", "--quit-after", "RCPT",
                                "--tls"], capture_output=True, text=True, timeout=60 * SLOW)
        code = {"somebody": 0, "nobody": 1, "later": 75}[user]
        x = objects(*where, "--rcpt", user + "@x.test", "--ca", cert[0], "--tls", "must", code=code)[0]
        assert (swaks.returncode == 0) == (code == 0)
        tls = found(x, "ok", "tls")[0]
        assert re.search(r"TLSv1\.\d", tls)[0] in swaks.stdout and tls.split("cipher ")[1].split()[0] in swaks.stdout
        finger = subprocess.run(["posttls-finger", "-c", "-l", "encrypt", "-P", "/nowhere", "[127.0.0.1]:%d" % server.port], capture_output=True,
                                text=True, timeout=60 * SLOW, env=dict(os.environ, MAIL_CONFIG=str(tmp_path)))
        assert tls.split(": ")[1].split(" (")[0] in finger.stdout + finger.stderr


# --- this host's own way out ----------------------------------------------------------------------------------------------------------


def relay_conf(folder, text, **files):
    folder.mkdir(exist_ok=True)
    (folder / "main.cf").write_text("myhostname = r.test\nsmtp_sasl_security_options = noanonymous\n" + text)
    for name, content in files.items():
        (folder / name).write_text(content)
    return ["--relay", "-c", folder, "-4"]


def test_relay_walks_every_next_hop(sink, cert, tmp_path):
    rcpts = []
    note = {"RCPT": lambda _, a: rcpts.append(a)}
    first, second, third = sink(tls=cert, users={"me": "secret"}, script=note), sink(), sink(script=note)
    conf = relay_conf(tmp_path / "etc", """relayhost = [localhost]:%d
smtp_fallback_relay = [127.0.0.1]:%d
smtp_tls_security_level = may
smtp_tls_CAfile = %s
smtp_tls_policy_maps = inline:{ {[localhost]:%d = secure match=localhost} }
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = inline:{ {[localhost]:%d = me:secret} }
transport_maps = texthash:%s/transport, cidr:/dev/null
""" % (first.port, second.port, cert[0], first.port, first.port, tmp_path / "etc"),
                      transport="a.test smtp:[127.0.0.1]:%d\n.b.test smtp:[127.0.0.1]:%d\nx@c.test relay:[127.0.0.1]:%d\n"
                      "no.test error:5.1.1 no\n* :\n" % (third.port, third.port, third.port))
    done = mxcheck("--json", *conf)
    out = [json.loads(line) for line in done.stdout.splitlines()]
    assert [x["target"] for x in out] == [
        "smtp:[localhost]:%d (relayhost)" % first.port, "smtp:[127.0.0.1]:%d (smtp_fallback_relay)" % second.port,
        "relay:[127.0.0.1]:%d (smtp_fallback_relay)" % second.port, "smtp:[127.0.0.1]:%d (transport_maps for .b.test)" % third.port,
        "relay:[127.0.0.1]:%d (transport_maps for x@c.test)" % third.port]
    assert "cidr:/dev/null cannot be walked" in done.stderr
    assert found(out[0], "ok", "tls", "Verified, level secure") and found(out[0], "ok", "auth", "PLAIN") and found(out[0], "ok", "rcpt")
    assert not found(out[1], "ok", "tls") and not found(out[1], "ok", "auth") and all(x["problems"] == 0 for x in out)
    assert sorted(rcpts) == ["TO:<postmaster@b.test>", "TO:<postmaster@r.test>", "TO:<x@c.test>"]
    assert not first.messages and not second.messages and not third.messages
    mxcheck(*conf, "--rcpt", "probe@z.test", "--from", "s@z.test")
    assert sorted(rcpts[3:]) == ["TO:<probe@z.test>", "TO:<probe@z.test>", "TO:<x@c.test>"]


def test_relay_asks_the_drain_relay_before_it_is_needed(sink, tmp_path):
    first, last = sink(), sink(script={"RCPT": lambda *_: "554 5.7.1 Relay access denied"})
    done = mxcheck("--json", *relay_conf(tmp_path / "etc", "relayhost = [127.0.0.1]:%d\ndrain_relay = [127.0.0.1]:%d\n" % (first.port, last.port)), code=1)
    out = [json.loads(line) for line in done.stdout.splitlines()]
    assert [x["target"] for x in out] == ["smtp:[127.0.0.1]:%d (relayhost)" % first.port, "smtp:[127.0.0.1]:%d (drain_relay)" % last.port]
    assert out[0]["problems"] == 0 and out[1]["problems"] == 1


@pytest.mark.parametrize("change, check, text", [
    ({"password": "wrong"}, "auth", "535"),
    ({"level": "secure", "ca": "/etc/ssl/certs/ca-certificates.crt"}, "tls", "not trusted"),
    ({"level": "secure match=other.test"}, "tls", "not verified"),
    ({"tls": False}, "tls", "was not offered"),
    ({"mechanisms": "noplaintext"}, "auth", "no mechanism"),
    ({"script": {"RCPT": lambda *_: "554 5.7.1 Relay access denied"}}, "rcpt", "Relay access denied"),
    ({"script": {"CONNECT": lambda *_: "554 5.7.1 blocked"}}, "banner", "blocked"),
    ({"script": {"EHLO": lambda *_: "DROP"}}, "dialogue", "lost connection"),
    ({"host": "[nx.invalid]"}, "address", "not found"),
    ({"port": 1}, "connect", "refused"),
])
def test_relay_finds_the_fault(sink, cert, tmp_path, dns, change, check, text):
    server = sink(tls=cert if change.get("tls", True) else None, users={"me": "secret"}, script=change.get("script"))
    port = change.get("port", server.port)
    conf = relay_conf(tmp_path / "etc", """relayhost = %s:%d
smtp_tls_security_level = encrypt
smtp_tls_policy_maps = static:{%s}
smtp_tls_CAfile = %s
smtp_sasl_auth_enable = yes
smtp_sasl_tls_security_options = %s
smtp_sasl_password_maps = static:{me:%s}
""" % (change.get("host", "[localhost]"), port, change.get("level", "secure"), change.get("ca", cert[0]), change.get("mechanisms", "noanonymous"),
       change.get("password", "secret")))
    x = objects(*conf, "-t", 5 * SLOW, "--dns", dns({}), code=1)[0]
    assert x["problems"] == 1 and found(x, "problem", check, text), x["findings"]
    assert all(f.get("advice") for f in x["findings"] if f["verdict"] == "problem")
    assert mxcheck(*conf, "-t", 5 * SLOW, "--dns", dns({}), "--nagios", code=2).stdout.startswith("MXCHECK CRITICAL")


def test_relay_without_a_next_hop_says_so(tmp_path, dns, sink):
    server = sink()
    conf = relay_conf(tmp_path / "etc", "")
    assert "--rcpt" in mxcheck(*conf, code=78).stderr
    records = {("x.test", "MX"): [(10, "mx.test")], ("mx.test", "A"): ["127.0.0.1"]}
    nobody = {**records, ("mx.test", "A"): ["127.0.0.77"]}  # whatever else runs here has its port 25 elsewhere
    x = objects(*conf, "--dns", dns(nobody), "--rcpt", "a@x.test", "-t", 3, code=1)[0]
    assert x["target"] == "smtp:x.test (default_transport)" and x["hosts"][0]["name"] == "mx.test"
    conf = relay_conf(tmp_path / "etc", "relayhost = x.test:%d\n" % server.port)
    assert found(objects(*conf, "--dns", dns(records))[0], "ok", "rcpt")
    (tmp_path / "etc" / "main.cf").write_text("relayhost = [x\nsmtp_tls_security_level = perhaps\n")
    assert "smtp_tls_security_level" in mxcheck(*conf, code=78).stderr


# --- open relays ------------------------------------------------------------------------------------------------------------------------


def closed(_, argument):
    """A server for own.test that looks at the last domain only, as it should, and takes nothing else."""
    rcpt = re.search(r"<(.*)>", argument)[1]
    return None if re.fullmatch(r"postmaster(@own\.test)?", rcpt) else "554 5.7.1 Relay access denied"


def test_open_relay_finds_a_closed_server_closed(sink):
    server = sink(script={"RCPT": closed})
    x = objects("--open-relay", "127.0.0.1", "-p", server.port)[0]
    assert x["problems"] == 0 and len(found(x, "ok", "refused")) > 20 and not found(x, "ok", "accepted")
    assert server.sessions == 1 and not server.messages


def test_open_relay_finds_an_open_one(sink):
    server = sink()
    x = objects("--open-relay", "127.0.0.1", "-p", server.port, "--rcpt", "me@far.test", code=2)[0]
    assert found(x, "problem", "accepted", "<me@far.test>") and found(x, "note", "accepted", "percent hack") and not server.messages
    assert "-> refuse it" in mxcheck("--open-relay", "127.0.0.1", "-p", server.port, code=2).stdout


@pytest.mark.parametrize("name, pattern", [
    ("percent hack", r"[^@\"]*%[^@]*@.*"), ("source route", r"@.*:.*"), ("bang path", r"[^@]*![^@]*(@.*)?"),
    ("quoted", r"\".*\"(@.*)?"), ("two domains", r"[^@\":]+@[^@]+@[^@]+"),
])
def test_open_relay_finds_each_trick(sink, name, pattern):
    server = sink(script={"RCPT": lambda _, a: None if re.fullmatch(pattern, re.search(r"<(.*)>", a)[1]) else "554 5.7.1 no"})
    x = objects("--open-relay", "127.0.0.1", "-p", server.port, code=2)[0]
    hits = found(x, "problem", "accepted")
    assert hits and all(name in h for h in hits) and not found(x, "problem", "refused")


@pytest.mark.parametrize("sender, name", [(r"<>", "null sender"), (r"<postmaster@\[.*\]>", "own"), (r"<root@localhost>", "localhost")])
def test_open_relay_finds_trust_in_senders(sink, sender, name):
    last = []
    server = sink(script={"MAIL": lambda _, a: last.append(a), "RCPT": lambda _, a: None if re.match("FROM:" + sender, last[-1]) and
                          "<relay-test@example.com>" in a else "554 5.7.1 no"})
    x = objects("--open-relay", "127.0.0.1", "-p", server.port, code=2)[0]
    hits = found(x, "problem", "accepted")
    assert hits and all(name in h for h in hits)


def test_open_relay_without_an_answer_says_nothing(sink):
    x = objects("--open-relay", "127.0.0.1", "-p", "1", code=1)[0]
    assert found(x, "problem", "connect") and not found(x, "ok", "refused")
    again = sink(script={"RSET": lambda *_: "421 4.7.0 too many", "RCPT": closed})  # a server that hangs up each time
    x = objects("--open-relay", "127.0.0.1", "-p", again.port, code=0)[0]
    assert len(found(x, "ok", "refused")) > 20 and again.sessions > 20
    with socket.create_server(("127.0.0.1", 0)) as silent:
        x = objects("--open-relay", "127.0.0.1", "-p", silent.getsockname()[1], "-t", SLOW, code=1)[0]
    assert len(x["findings"]) == 2 and found(x, "problem", "dialogue", "timed out"), x["findings"]


def test_open_relay_that_puts_off_is_not_called_closed(sink):
    for reply, verdict in (("450 4.7.1 greylisted", "note"), ("454 4.7.1 Relay access denied", "ok")):
        server = sink(script={"RCPT": lambda *_, reply=reply: reply})
        x = objects("--open-relay", "127.0.0.1", "-p", server.port, code=0)[0]
        assert {f["verdict"] for f in x["findings"] if f["check"] == "later"} == {verdict} and len(found(x, verdict, "later")) > 20


# --- a test mail ---------------------------------------------------------------------------------------------------------------------------


def commands(text):
    return [line.split("--> ")[1] for line in text.splitlines() if "--> " in line]


def test_send_delivers_and_shows_the_dialogue(sink, cert, tmp_path):
    server = sink(tls=cert, users={"me": "se$cret}"})
    (tmp_path / "password").write_text("se$cret}\nmore\n")
    (tmp_path / "b.csv").write_bytes(b"a,b\n")
    done = mxcheck("--send", "--server", "127.0.0.1:%d" % server.port, "--from", "a@b.test", "--to", "c@d.test", "--to", "e@f.test, g@h.test",
                   "--auth", "me", "--password-file", tmp_path / "password", "--header", "X-Test: 7", "--subject", "Grüße",
                   "--body", "one\n.two\n", "--attach", tmp_path / "b.csv", "--ca", cert[0], "--helo", "me.test")
    m = server.messages[0]
    assert m.sender == "a@b.test" and m.rcpts == ["c@d.test", "e@f.test", "g@h.test"]
    parsed = email.message_from_bytes(m.content, policy=email.policy.default)
    text, file = parsed.iter_parts()
    assert parsed["X-Test"] == "7" and parsed["Subject"] == "Grüße" and parsed["From"] == "a@b.test"
    assert m.content.count(b"\r\none\r\n.two\r\n") == 1 and file.get_filename() == "b.csv" and file.get_payload(decode=True).replace(b"\r\n", b"\n") == b"a,b\n"
    said = commands(done.stdout)
    assert said[:2] == ["EHLO me.test", "STARTTLS"] and said[2:4] == ["EHLO me.test", "AUTH PLAIN"] and said[-1] == "QUIT"
    assert "RCPT TO:<e@f.test>" in said and "..two" in said and "." in said and "TLS: TLSv1" in done.stdout and "Trusted" in done.stdout
    assert "<-- 250 2.0.0 Ok: queued as SINK1" in done.stdout
    times = [(float(a), float(b)) for a, b in re.findall(r"^ +(\d+\.\d+) \+ *(\d+\.\d+) ms  (?:-->|<--|\*\*\*)", done.stdout, re.M)]
    assert len(times) == len(done.stdout.splitlines()) and times == sorted(times, key=lambda t: t[0])
    secret = base64.b64encode(b"\0me\0se$cret}").decode()
    assert secret not in done.stdout and "se$cret" not in done.stdout + done.stderr


def test_send_finds_the_server_and_the_text(dns, sink, tmp_path):
    server = sink()
    where = ["--send", "--dns", dns({("d.test", "MX"): [(10, "mx.test")], ("mx.test", "A"): ["127.0.0.1"]}), "-4", "-p", server.port, "--from", "<>"]
    (tmp_path / "body").write_text("from a file\n")
    assert "connected to mx.test[127.0.0.1]" in mxcheck(*where, "--to", "a@d.test", "--body", "@%s" % (tmp_path / "body")).stdout
    assert mxcheck(*where, "-q", "--to", "a@d.test", "--body", "-", stdin="from a pipe\n").stdout == ""
    assert [(m.sender, m.body) for m in server.messages] == [("", b"from a file\r\n"), ("", b"from a pipe\r\n")]
    many = mxcheck(*where, "--to", "a@d.test", "--body", "line\n" * 500).stdout
    assert len(many.splitlines()) < 120 and "more lines)" in many and len(server.messages[2].body) == 3000
    assert "--server" in mxcheck(*where, "--to", "a@d.test,b@e.test", code=64).stderr
    for bad in (["--to", "a@d.test", "more"], [], ["--to", "a@d.test", "--header", "none"], ["--to", "a@d.test", "--attach", "/none"],
                ["--to", "a@d.test", "--quit-after", "lunch"]):
        mxcheck(*where, *bad, code=64)
    assert len(server.messages) == 3


def test_send_tells_what_failed(sink, cert):
    server = sink(tls=cert, users={"me": "right"}, script={"RCPT": lambda _, a: "550 5.1.1 unknown" if "nobody" in a else None})
    where = ["--send", "--server", "127.0.0.1:%d" % server.port, "--from", "a@b.test"]
    wrong = mxcheck(*where, "--to", "c@d.test", "--auth", "me", env={"MXCHECK_PASSWORD": "wrong"}, code=75)
    assert "535 5.7.8 no" in wrong.stdout and "535" in wrong.stderr
    assert "530" in mxcheck(*where, "--to", "c@d.test", code=69).stderr
    login = {"MXCHECK_PASSWORD": "right"}
    assert "unknown" in mxcheck(*where, "--to", "nobody@d.test", "--auth", "me", env=login, code=67).stderr
    assert "not offered" in mxcheck(*where[:2], "127.0.0.1:%d" % sink().port, "--to", "c@d.test", "--tls", "must", code=75).stderr
    assert "--password-file" in mxcheck(*where, "--to", "c@d.test", "--auth", "me", code=64).stderr
    assert not server.messages
    plain = sink(users={"me": "right"})  # a password goes in clear only where that is asked for
    where[2] = "127.0.0.1:%d" % plain.port
    assert "no TLS" in mxcheck(*where, "--to", "c@d.test", "--auth", "me", env=login, code=75).stderr
    mxcheck(*where, "--to", "c@d.test", "--auth", "me", "--tls", "none", env=login)
    assert len(plain.messages) == 1


@pytest.mark.parametrize("stage, last", [("ehlo", "EHLO"), ("tls", "STARTTLS"), ("auth", "AUTH"), ("mail", "MAIL"), ("rcpt", "RCPT")])
def test_send_quits_where_swaks_does(sink, cert, stage, last):
    """The commands of both up to there, in the same order."""
    server = sink(tls=cert, users={"me": "right"})
    done = mxcheck("--send", "--server", "127.0.0.1:%d" % server.port, "--from", "a@b.test", "--to", "c@d.test", "--auth", "me", "--quit-after",
                   stage, "--helo", "me.test", env={"MXCHECK_PASSWORD": "right"})
    said = [c.split()[0] for c in commands(done.stdout) if c != "RSET"]
    assert said[-2:] == [last, "QUIT"] and not server.messages
    swaks = subprocess.run(["swaks", "--server", "127.0.0.1", "-p", str(server.port), "-f", "a@b.test", "-t", "c@d.test", "-tls", "-a", "PLAIN", "-au",
                            "me", "-ap", "right", "--helo", "me.test", "-q", {"ehlo": "FIRST-EHLO"}.get(stage, stage).upper()],
                           capture_output=True, text=True, timeout=60 * SLOW)
    assert [line.split()[1] for line in swaks.stdout.splitlines() if re.match(r" ?[~-]> ", line)] == said
    if stage in ("mail", "rcpt"):
        refusing = sink(script={stage.upper(): lambda *_: "554 5.7.1 no"})
        mxcheck("--send", "--server", "127.0.0.1:%d" % refusing.port, "--from", "a@b.test", "--to", "c@d.test", "--quit-after", stage, code=69)


def test_send_asks_for_the_password_on_a_terminal(sink, cert):
    server = sink(tls=cert, users={"me": "typed"})
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(RELAYBOX, [RELAYBOX, "mxcheck", "--send", "--server", "127.0.0.1:%d" % server.port, "--from", "a@b.test", "--to", "c@d.test",
                            "--auth", "me"])
    seen = b""
    end = time.monotonic() + 30 * SLOW
    try:
        while b"Password: " not in seen:
            assert time.monotonic() < end
            if select.select([fd], [], [], 0.2)[0]:
                seen += os.read(fd, 4096)
        os.write(fd, b"typed\n")
        with contextlib.suppress(OSError):
            while time.monotonic() < end:
                if select.select([fd], [], [], 0.2)[0]:
                    seen += os.read(fd, 4096)
    finally:
        os.close(fd)
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0 and len(server.messages) == 1 and b"typed" not in seen


ESCAPE = "\x1b[31mred\x1b[2J\x07"


def shows_no_escape(*args, code=0, env=None):
    """What the command prints, on a pipe: without a byte that steers a terminal."""
    done = subprocess.run([RELAYBOX, *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True, timeout=60 * SLOW, env=dict(os.environ, **(env or {})))
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == code, text
    assert not [c for c in text if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160], text
    return text


@pytest.mark.parametrize("form", [(), ("--json",), ("--nagios",), ("--prometheus",)])
def test_records_cannot_steer_a_terminal(dns, form):
    records = {("x.test", "MX"): [(10, "mx.x.test")], ("mx.x.test", "A"): ["127.0.0.1"],
               ("x.test", "TXT"): ["v=spf1 exp=%s include:%s ~all" % (ESCAPE, ESCAPE), "v=spf1 " + ESCAPE],
               ("_dmarc.x.test", "TXT"): ["v=DMARC1; p=none; rua=mailto:%s@x; %s=1" % (ESCAPE, ESCAPE)],
               ("s1._domainkey.x.test", "TXT"): ["v=DKIM1; k=%s; s=%s; h=%s; p=%s" % (ESCAPE, ESCAPE, ESCAPE, ESCAPE)],
               ("_smtp._tls.x.test", "TXT"): ["v=TLSRPTv1; rua=%s" % ESCAPE], ("_mta-sts.x.test", "TXT"): ["v=STSv1; id=%s" % ESCAPE]}
    text = shows_no_escape("mxcheck", "--dns", dns(records), "-p", free_port(), "--selector", "s1", *form, "x.test", code=2 if "--nagios" in form else 1)
    if not form:
        assert "\\033[31mred\\033[2J\\007" in text, text


class Rude(socketserver.ThreadingTCPServer):
    """A server whose every reply holds escapes."""
    daemon_threads = True
    allow_reuse_address = True

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            evil = ESCAPE.encode() + b"\xc2\x9b31m\x9b31m"
            self.wfile.write(b"220 " + evil + b" ESMTP\r\n")
            for line in self.rfile:
                code = {b"EHLO": b"250-%s\r\n250-%s\r\n250", b"MAIL": b"250", b"RCPT": b"550 5.1.1", b"QUIT": b"221"}.get(line[:4].upper(), b"250")
                if b"%s" in code:
                    code %= (evil, evil)
                self.wfile.write(code + b" " + evil + b"\r\n")

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()


@pytest.fixture
def rude():
    with Rude() as server:
        yield server
        server.shutdown()


def test_replies_cannot_steer_a_terminal(rude, tmp_path):
    at = "127.0.0.1:%d" % rude.port
    text = shows_no_escape("mxcheck", "--send", "--server", at, "--from", "a@b.test", "--to", "c@d.test", code=67)
    assert "<-- 220 \\033[31mred" in text
    for form in ((), ("--json",), ("--nagios",), ("--prometheus",)):
        shows_no_escape("mxcheck", "-s", at, *form, code=1 if form == ("--nagios",) else 0)
    (tmp_path / "main.cf").write_text("relayhost = [127.0.0.1]:%d\nsendmail_submission = direct\nsmtp_tls_security_level = none\n"
                                      "queue_directory = %s/none\n" % (rude.port, tmp_path))
    shows_no_escape("sendmail", "-v", "-C", tmp_path, "c@d.test", code=67)
