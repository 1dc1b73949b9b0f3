"""load - the measurements themselves, each one run inside a place of its own and returning plain numbers."""
import os
import random
import re
import signal
import subprocess
import threading
import time
from statistics import median

import place
import tools
from mta import KINDS, RELAYBOX, Deep, Relayd
from place import Unable, cpu_ms, forget_peak, peak_rss_mib, pss_mib, settle, tree

SINK = 2600


class Watch:
    """The peak of a tree's memory, looked at every so often while a block runs."""

    def __init__(self, pid, every=0.05):
        self.pid, self.every, self.peak, self.done = pid, every, 0.0, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self):
        while not self.done.wait(self.every):
            self.peak = max(self.peak, pss_mib(self.pid))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def load_options(sessions=50, size=4096, per_connection=0, destinations=0, recipients=1, pipelining="-p", to=None, secure=None):
    options = [secure] if secure else []
    options += ["-s", sessions, "-l", size, "-m", per_connection, "-r", recipients]
    options += [pipelining] if pipelining else []
    options += ["-d", destinations] if destinations else []
    return options + (["-t", to] if to else [])


def direct(count, **load):
    """source to sink, with nothing between: what the tools alone can do."""
    sink = tools.Sink(SINK)
    options = load_options(**load)
    tools.source(SINK, "-n", min(count, 500), *options)
    sink.reset()
    sent = tools.source(SINK, "-n", count, *options)
    got = sink.wait(count)
    return {"rate": count * 1e9 / (got["last_ns"] - sent["start_ns"]), "accept_p50_ms": sent["accept_us"]["p50"] / 1e3}


def pass_through(mta, sink, count, **load):
    """count messages through mta to the sink: end-to-end rate, CPU and delays."""
    sink.reset()
    used = cpu_ms(mta.pid)
    sent = tools.source(mta.port, "-n", count, *load_options(**load))
    got = sink.wait(count * load.get("recipients", 1) if load.get("destinations") else count, 300)
    used = cpu_ms(mta.pid) - used
    if got["unique"] < count:
        raise Unable("of %d messages %d arrived" % (count, got["unique"]))
    seconds = (got["last_ns"] - sent["start_ns"]) / 1e9
    return {"rate": count / seconds, "mb_s": got["bytes"] / 1e6 / seconds, "cpu_ms": used / count,
            "accept_p50_ms": sent["accept_us"]["p50"] / 1e3, "accept_p99_ms": sent["accept_us"]["p99"] / 1e3,
            "secured": got["secured"], "resumed": got["resumed"], "accept_rate": sent["rate"], "age_p50_ms": got["age_us"]["p50"] / 1e3}


def relay(kind, count, warm=200, queue="disk", params=None, files=(), memory=False, address="127.0.0.1", sink_options=(), **load):
    """A fresh relay of that kind, warmed up, then measured."""
    sink = tools.Sink(SINK, *sink_options, address=address)
    with KINDS[kind](SINK, queue=queue, files=files, **(params or {})) as mta:
        warm = min(warm, count)
        if warm:
            pass_through(mta, sink, warm, **load)
        if not memory:
            return pass_through(mta, sink, count, **load)
        forget_peak(mta.pid)
        with Watch(mta.pid) as watch:
            result = pass_through(mta, sink, count, **load)
        return dict(result, peak_pss_mib=watch.peak, peak_rss_mib=peak_rss_mib(mta.pid))


# --- TLS -----------------------------------------------------------------------------------------------------------------

def tls_in(key):
    """Parameters with which a relay offers STARTTLS."""
    return {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": tools.certificate(key)}


def tls_out(resume=False):
    """Parameters with which a relay insists on STARTTLS, verifies nothing, and resumes sessions or none."""
    return {"smtp_tls_security_level": "encrypt",
            "smtp_tls_session_cache_database": "btree:DIR/data/smtp_scache" if resume else ""}


def shakes_in(kind, count, key, resume, sessions=10):
    """TLS sessions with a client that does no more than EHLO behind each handshake."""
    tools.Sink(SINK)
    with KINDS[kind](SINK, **tls_in(key)) as mta:
        options = ["-q", "-m", 1, "-s", sessions, "-Z" if resume else "-z"]
        tools.source(mta.port, "-n", 50, *options)
        used = cpu_ms(mta.pid)
        sent = tools.source(mta.port, "-n", count, *options)
        used = cpu_ms(mta.pid) - used
        if not resume and sent["resumed"] or resume and sent["resumed"] < count / 2:
            raise Unable("of %d TLS sessions %d were resumed" % (count, sent["resumed"]))
    return {"rate": sent["rate"], "cpu_ms": used / count, "resumed": sent["resumed"] / count}


def tls_relay(kind, count, key="rsa", **load):
    """4 KiB and more over TLS both ways."""
    pem = tools.certificate(key)
    params = dict(load.pop("params", {}), **tls_in(key), **tls_out())
    return relay(kind, count, params=params, sink_options=["-z", pem], secure="-z", **load)


def shakes_out(kind, count, key, resume):
    """Mail that comes in clear and leaves on a connection each: CPU with TLS on the way out, and what TLS adds. Two places."""
    def run(more, options):
        params = dict({"smtp_connection_cache_on_demand": "no"}, **more)
        return place.isolate(relay, kind, count, warm=20, params=params, sink_options=options, sessions=10)
    clear = run({"smtp_tls_security_level": "none"}, [])
    got = run(tls_out(resume), ["-z", tools.certificate(key)])
    if got["secured"] < count * 0.95 or (got["resumed"] > 0) != resume:
        raise Unable("of %d messages %d went over TLS, %d of them resumed" % (count, got["secured"], got["resumed"]))
    return {"rate": got["rate"], "cpu_ms": (got["cpu_ms"] * count - clear["cpu_ms"] * count) / got["secured"], "all_cpu_ms": got["cpu_ms"],
            "resumed": got["resumed"] / got["secured"]}


# --- what else ---------------------------------------------------------------------------------------------------------

def flushes(kind, count, **load):
    """fsync, fdatasync and their like per message, counted by strace: in a run of its own, as it slows everything."""
    sink = tools.Sink(SINK)
    with KINDS[kind](SINK) as mta:
        pass_through(mta, sink, min(count, 50), **load)
        sink.reset()
        report = os.path.join(mta.dir, "strace")
        pids = [word for pid in tree(mta.pid) for word in ("-p", str(pid))]
        tracer = subprocess.Popen(["strace", "-f", "-c", "-o", report, "-e", "trace=fsync,fdatasync,syncfs,sync_file_range,sync",
                                   *pids], stderr=subprocess.PIPE)
        tracer.stderr.readline()
        time.sleep(0.5)
        sent = tools.source(mta.port, "-n", count, *load_options(**load))
        sink.wait(count)
        settle(mta.pid)
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=30)
        with open(report) as f:
            calls = sum(int(m.group(1)) for m in re.finditer(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s.*sync", f.read(), re.M))
        return {"per_message": calls / count, "accepted": sent["accepted"]}


def idle(kind, sessions, secure=False):
    """Memory when nothing happens, with so many sessions that said EHLO and wait; under TLS or not."""
    tools.Sink(SINK)
    with KINDS[kind](SINK, **(tls_in("rsa") if secure else {})) as mta:
        settle(mta.pid)
        time.sleep(2)                      # relayd gives back what only its start needed when a second has gone by
        result = {"pss_mib": pss_mib(mta.pid), "processes": len(tree(mta.pid))}
        if sessions:
            held = tools.Held(mta.port, sessions, *["-z"] * secure)
            settle(mta.pid)
            result = {"pss_mib": pss_mib(mta.pid), "processes": len(tree(mta.pid))}
            held.close()
        return result


def start(kind, rounds):
    """Milliseconds from the command to the first 220, on an empty queue."""
    tools.Sink(SINK)
    times = []
    with KINDS[kind](SINK) as mta:
        for _ in range(rounds):
            mta.stop()
            times.append(mta.boot() * 1000)
    return {"ms": sorted(times)[rounds // 2]}


def dead_domain(mta):
    """Parameters that route dead.example.test to a port where nobody listens."""
    return {"transport_maps": "inline:{dead.example.test=smtp:[127.0.0.1]:%d}" % mta.dead_port}


def fill(mta, count, size):
    """Queue so many messages for the dead destination, and wait until each was deferred."""
    began = time.monotonic()
    tools.source(mta.port, "-n", count, "-s", 50, "-P", "-l", size, "-t", "x@dead.example.test", "-T", 1800)
    settle(mta.pid, 600)
    return time.monotonic() - began


def beside(empty, deep, sink, count, rounds, before=lambda: None):
    """New mail through both in turn, rounds times: the median rates, and the median of the rounds' ratios."""
    pairs = []
    for _ in range(rounds):
        rate = pass_through(empty, sink, count)["rate"]
        before()
        pairs.append((pass_through(deep, sink, count)["rate"], rate))
        settle(deep.pid)                   # what it still does would count against the empty one
    return {"rate": median(d for d, _ in pairs), "empty_rate": median(e for _, e in pairs), "share": median(d / e for d, e in pairs)}


def depth(queued, count, rounds, size=4096):
    """New mail's rate beside so many deferred messages and on an empty queue, before they are tried again and while they
    all are; memory; start-up on that queue. Filling takes minutes, in which a machine with other work changes: so the
    empty queue is another relayd's, and the two take turns."""
    sink = tools.Sink(SINK)
    params = dead_domain(Relayd)
    with Relayd(SINK, **params) as empty, Deep(SINK, **params) as deep:
        for mta in empty, deep:
            pass_through(mta, sink, 500)
        filling = fill(deep, queued, size)
        forget_peak(deep.pid)
        memory = pss_mib(deep.pid)
        rest = beside(empty, deep, sink, count, rounds)
        due = beside(empty, deep, sink, count, rounds, deep.flush)
        grown = peak_rss_mib(deep.pid)
        deep.stop()
        starts = deep.boot()
        again = pass_through(deep, sink, min(count, 200))["rate"]
    return dict(rest, due=due, fill_s=filling, pss_mib=memory, rss_mib=grown, start_ms=starts * 1000, again_rate=again)


def write_message(path):
    """4 KiB as a script would hand them to sendmail."""
    with open(path, "w") as f:
        f.write("From: <bench@example.test>\nTo: <sink@example.test>\nSubject: one of many\n\n")
        f.write(("a line of the body, as long as lines are in mail that people write\n" * 60)[:3900] + "\n")


def submit(kind, runs):
    """One `sendmail -t` after the other, durable when it returns."""
    sink = tools.Sink(SINK)
    with KINDS[kind](SINK) as mta:
        message = os.path.join(mta.dir, "message")
        write_message(message)
        command, env = mta.sendmail
        tools.repeat(5, message, *command, env=env)
        result = tools.repeat(runs, message, *command, env=env)
        sink.wait(runs + 5)
    return {"ms": result["wall_us"]["p50"] / 1e3, "cpu_ms": result["cpu_ms"], "rss_mib": result["rss_kib"] / 1024}


def straight(runs):
    """The same without a relayd: straight to the relayhost, which has it when it returns."""
    sink = tools.Sink(SINK)
    message = os.path.join(tools.DIR, "message")
    write_message(message)
    env = {"RELAYHOST": "[127.0.0.1]:%d" % SINK, "POSTFIX_queue_directory": "/nonexistent", "MAIL_CONFIG": "/nonexistent",
           "HOME": "/nonexistent", "POSTFIX_myhostname": "bench.example.test"}
    result = tools.repeat(runs, message, RELAYBOX, "sendmail", "-t", "-f", "bench@example.test", env=env)
    sink.wait(runs)
    return {"ms": result["wall_us"]["p50"] / 1e3, "cpu_ms": result["cpu_ms"], "rss_mib": result["rss_kib"] / 1024}


def floor(runs):
    """The cost of starting any program."""
    result = tools.repeat(runs, "/dev/null", "/bin/true")
    return {"ms": result["wall_us"]["p50"] / 1e3, "cpu_ms": result["cpu_ms"], "rss_mib": result["rss_kib"] / 1024}


# one line each of the tables that the builders read: a route by name, and one by address
MAPGEN_LINES = {
    "names": lambda k: "user%07d@d%d.example.test smtp:[relay%d.example.test]\n" % (k, k % 1000, k % 97),
    "addresses": lambda k: "user%d@example%d.org relay:[10.%d.%d.%d]:25\n" % (k, k % 1000, k >> 16, k >> 8 & 255, k & 255),
}


def mapgen_input(count, lines):
    """The table all builders read: distinct keys, shuffled."""
    path = os.path.join(tools.DIR, "map-%s-%d" % (lines, count))
    if not os.path.exists(path):
        keys = list(range(count))
        random.Random(1).shuffle(keys)
        with open(path, "w") as f:
            f.writelines(map(MAPGEN_LINES[lines], keys))
    return path


def mapgen(which, path):
    """Build a table once; seconds and memory."""
    target = path + ".out"
    if not os.path.exists(target):
        os.link(path, target)
    os.makedirs(os.path.join(tools.DIR, "conf"), exist_ok=True)
    with open(os.path.join(tools.DIR, "conf", "main.cf"), "w") as f:
        f.write("compatibility_level = 3.6\n")
    commands = {"relaybox": [RELAYBOX, "mapgen", "cdb:" + target],
                "postmap": ["postmap", "-c", os.path.join(tools.DIR, "conf"), "cdb:" + target],
                "cdb": ["cdb", "-c", "-m", target + ".cdb", target]}
    result = tools.repeat(1, "/dev/null", *commands[which])
    return {"s": result["wall_us"]["max"] / 1e6, "rss_mib": result["rss_kib"] / 1024}


def lookups(which, path):
    """Ask a table for every one of its keys; keys per second. The table is the one that mapgen() made last."""
    target, keys = path + ".out", path + ".keys"
    if not os.path.exists(keys):
        with open(path) as f, open(keys, "w") as out:
            out.writelines(line.split(" ", 1)[0] + "\n" for line in f)
    with open(keys) as f:
        count = sum(1 for _ in f)
    commands = {"relaybox": [RELAYBOX, "mapgen", "-q", "-", "cdb:" + target],
                "postmap": ["postmap", "-c", os.path.join(tools.DIR, "conf"), "-q", "-", "cdb:" + target]}
    result = tools.repeat(1, keys, *commands[which])
    return {"per_s": count / (result["wall_us"]["max"] / 1e6), "rss_mib": result["rss_kib"] / 1024}


def destinations(kind, count, number):
    """Mail to so many destinations in turn, each with a next hop of its own: 127.0.x.y, all of them the same sink."""
    table = "".join("d%d.example.test smtp:[127.0.%d.%d]:%d\n" % (k, 1 + k // 250, 1 + k % 250, SINK) for k in range(number))
    return relay(kind, count, files={"transport": table}, address="0.0.0.0", sessions=50, destinations=number,
                 params={"transport_maps": "texthash:DIR/transport"})
