"""mxcheck's other modes and outputs: lists, rounds, monitoring; each option of its help has its place here or in test_applets."""
import contextlib
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import time

import pytest

from lab import RELAYBOX, SLOW, Dns, Sink, certificate, free_port, wait

HERE = os.path.dirname(os.path.abspath(__file__))


def mxcheck(*args, code=0, stdin="", env=None, seconds=60):
    done = subprocess.run([RELAYBOX, "mxcheck", *map(str, args)], input=stdin, capture_output=True, text=True, timeout=seconds * SLOW,
                          env=dict(os.environ, **(env or {})))
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
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


@pytest.fixture
def dns():
    made = []

    def make(records):
        made.append(Dns(records))
        return "127.0.0.1:%d" % made[-1].port

    yield make
    for d in made:
        d.sock.close()


@pytest.fixture(scope="module")
def cert(tmp_path_factory):
    return certificate(str(tmp_path_factory.mktemp("cert")))


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
    assert found(out[0], "problem", "banner") and fast.sessions == 20
    assert all(x["hosts"][0]["addresses"][0]["finished"] for x in out[1:])


def test_one_family_only(dns):
    server = dns({("x.test", "MX"): [(10, "mx.test")], ("mx.test", "A"): ["127.0.0.1"], ("mx.test", "AAAA"): ["::1"]})
    port = free_port()
    for option, addresses in (("-4", ["127.0.0.1"]), ("-6", ["::1"]), ("-q", ["127.0.0.1", "::1"])):
        x = objects("--dns", server, "-p", port, option, "x.test", code=1)[0]
        assert sorted(a["address"] for a in x["hosts"][0]["addresses"]) == addresses


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
    assert re.fullmatch(r"MXCHECK WARNING - 127.0.0.1: .*expir.* \| time=\d\.\d+s days=\d+\n", out)
    assert mxcheck(*where, "--nagios", "-w", "1", "-C", "40,1", code=2).stdout.startswith("MXCHECK CRITICAL")
    assert mxcheck(*where, "--nagios", "-w", "1", "-C", "1", code=0).stdout.startswith("MXCHECK OK")


def test_levels_of_tls(sink, cert):
    plain, starttls = sink(), sink(tls=cert)
    where = "127.0.0.1:%d" % plain.port
    assert found(objects("-s", where)[0], "warning", "tls", "not offered")
    assert found(objects("--server", where, "--tls", "must", code=1)[0], "problem", "tls")
    assert not found(objects("--server", where, "--tls", "none")[0], "warning", "tls")
    x = objects("-s", "127.0.0.1:%d" % starttls.port, "--tls=may", "--ca", cert[0])[0]
    assert found(x, "ok", "tls") and not found(x, "warning", "trust")
    assert found(objects("-s", "127.0.0.1:%d" % starttls.port)[0], "warning", "trust")


def test_implicit_tls_and_openssl_agree(cert):
    port = free_port()
    server = subprocess.Popen(["openssl", "s_server", "-accept", "127.0.0.1:%d" % port, "-cert", cert[0], "-key", cert[1], "-quiet"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        def listens():
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
        wait(listens)
        p = subprocess.Popen([RELAYBOX, "mxcheck", "--json", "-t", "20", "--tls", "implicit", "--server", "localhost:%d" % port, "-4", "--ca",
                              cert[0], "--helo", "probe.test"], stdout=subprocess.PIPE, text=True)
        server.stdin.write(b"220 s.test ESMTP\r\n")
        server.stdin.flush()
        assert server.stdout.readline() == b"EHLO probe.test\r\n"
        server.stdin.write(b"250 s.test\r\n")
        server.stdin.flush()
        x = json.loads(p.communicate(timeout=60 * SLOW)[0])
        tls = x["hosts"][0]["addresses"][0]["tls"]
        print_out = subprocess.run(["openssl", "x509", "-in", cert[0], "-noout", "-fingerprint", "-sha256"], capture_output=True, text=True).stdout
        assert tls["sha256"] in print_out and tls["name_matches"] and tls["version"].startswith("TLSv1.")
    finally:
        server.kill()
        server.wait()


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
    assert time.time() + 28 * 86400 < m["mxcheck_certificate_expires_seconds"][labels + "}"] < time.time() + 31 * 86400
    assert m["mxcheck_finding"]['{target="x.test",check="spf",verdict="warning"}'] == 1
    assert m["mxcheck_findings"]['{target="qu\\"ote\\\\.test",verdict="problem"}'] == 1
    assert abs(m["mxcheck_last_run_seconds"][None] - time.time()) < 100 * SLOW
    assert os.stat(out).st_ino != before and os.listdir(tmp_path) == ["mx.prom"]
    assert samples(mxcheck("--dns", server, "--prometheus", "nx.test", code=1).stdout)
    assert "cannot write" in mxcheck("--dns", server, "-o", tmp_path / "none" / "x", "nx.test", code=73).stderr


def test_quiet_shows_only_what_is_not_fine(sink):
    where = ["--server", "127.0.0.1:%d" % sink().port]
    loud, quiet = mxcheck(*where).stdout, mxcheck(*where, "-q").stdout
    assert "ok " in loud and "ok " not in quiet and "warning" in quiet
    assert mxcheck(*where, "--quiet").stdout == quiet


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
