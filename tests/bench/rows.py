"""rows - the rows of make bench: each a function that measures and returns lines of the table.

A line is (what, budget, ours, peer, ratio, met): texts, and whether the budget is met (None: there is none, or nothing to
compare with). Everything measured also goes into ctx.raw for results.json. Comparisons are paired: A B A B ..., the
medians of each and the median of the rounds' own ratios.
"""
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from functools import partial

import checks
import dma
import load
import tables
import tools
import trust
from mta import KINDS, RELAYBOX
from place import ROOT, Unable, isolate

POSTFIXES = ["postfix", "postfix-tuned"]
# what is measured without a binary of relaybox
PEER = re.compile(r"(ask )?(postfix|postmap|cdb|dma|true|tools|ours)")


class Context:
    """What a row is told: how thorough to be, and where its numbers go."""

    def __init__(self, quick, full, alone=False):
        """alone: one round, without the peers; --beside takes care of rounds and pairs."""
        self.quick, self.full, self.alone, self.raw = quick, full, alone, {}
        self.rounds = 1 if alone else 3 if quick else 5

    @property
    def peers(self):
        return ROOT and not self.alone

    def say(self, text):
        sys.stderr.write("\r\033[K  %s" % text if sys.stderr.isatty() else "")
        sys.stderr.flush()

    def count(self, normal, quick):
        return quick if self.quick else normal

    def measure(self, key, fn, *args, rounds=None, **kw):
        """fn in a place of its own, rounds times; every result is kept under key."""
        for i in range(rounds or 1):
            self.say("%s %d/%d" % (key, i + 1, rounds or 1))
            self.raw.setdefault(key, []).append(isolate(fn, *args, **kw))
        return self.raw[key][-1]

    def paired(self, variants, rounds=None):
        """variants: name -> function of no arguments; A B A B ... Those that cannot run are left out, with the reason."""
        lost = {}
        if self.alone:
            variants = {name: fn for name, fn in variants.items() if not PEER.match(name)}
            if not variants:
                return
        for i in range(rounds or self.rounds):
            for name, fn in variants.items():
                if name in lost:
                    continue
                self.say("%s %d/%d" % (name, i + 1, rounds or self.rounds))
                try:
                    self.raw.setdefault(name, []).append(fn())
                except Unable as e:
                    lost[name] = str(e)
                    self.raw.pop(name, None)
        if lost:
            self.raw["unable"] = lost
        if not self.raw.get(next(iter(variants))):
            raise Unable("; ".join("%s: %s" % pair for pair in lost.items()))

    def median(self, name, field):
        if self.alone and name not in self.raw:
            return math.nan
        return statistics.median(r[field] for r in self.raw[name])

    def ratio(self, ours, peer, field):
        if self.alone and not (ours in self.raw and peer in self.raw):
            return math.nan
        return statistics.median(a[field] / b[field] for a, b in zip(self.raw[ours], self.raw[peer]) if b[field])

    def best(self, names, field, most=True):
        """The peer that does best here, or None."""
        there = [n for n in names if self.raw.get(n)]
        return (max if most else min)(there, key=lambda n: self.median(n, field)) if there else None


def beside(ctx, what, field, budget, limit, peers=POSTFIXES, most=True, unit="/s", form="%.0f", ours="relayd"):
    """A line that compares relayd's field with the best peer's; limit is the ratio to reach, or to stay below."""
    name, ours = ours, form % ctx.median(ours, field) + unit
    peer = ctx.best(peers, field, most)
    if not peer:
        return what, budget, ours, "", "", None
    ratio = ctx.ratio(name, peer, field)
    shown = "%.1fx" % ratio if most or ratio > 1 else "1/%.1f" % (1 / ratio) if ratio > 0 else "0"
    met = None if limit is None else ratio >= limit if most else ratio <= limit
    return what, budget, ours, form % ctx.median(peer, field) + unit + " " + peer.split(" ")[0].split(",")[0], shown, met


def runs(kinds, counts, **kw):
    """Variants for paired(): one relay run for each kind, with its own number of messages."""
    return {kind: (lambda k=kind, n=n: isolate(load.relay, k, n, **kw)) for kind, n in zip(kinds, counts)}


# --- throughput ---------------------------------------------------------------------------------------------------------

def many(ctx):
    """50 sessions, many messages per connection, 4 KiB"""
    ctx.paired(runs(["relayd"] + POSTFIXES, [ctx.count(20000, 6000)] + [ctx.count(1500, 600)] * 2, sessions=50))
    what = "50 sessions, many messages each"
    return [beside(ctx, what, "rate", ">= 30x Postfix", 30),
            beside(ctx, what + ": CPU", "cpu_ms", "<= 1/45", 1 / 45, most=False, unit=" ms", form="%.3f")]


def one(ctx):
    """50 sessions, a connection for each message, 4 KiB"""
    ctx.paired(runs(["relayd"] + POSTFIXES, [ctx.count(15000, 5000)] + [ctx.count(1500, 600)] * 2, sessions=50,
                    per_connection=1))
    what = "50 sessions, a connection per message"
    return [beside(ctx, what, "rate", ">= 15x Postfix", 15),
            beside(ctx, what + ": CPU", "cpu_ms", "<= 1/30", 1 / 30, most=False, unit=" ms", form="%.3f")]


def single(ctx):
    """one session, one message at a time, 4 KiB"""
    ctx.paired(runs(["relayd"] + POSTFIXES, [ctx.count(2000, 500)] + [ctx.count(600, 300)] * 2, sessions=1))
    what = "1 session"
    return [beside(ctx, what, "rate", ">= 3x Postfix", 3),
            beside(ctx, what + ": accept p50", "accept_p50_ms", "<= 1/2 of Postfix's", 1 / 2, most=False, unit=" ms", form="%.2f"),
            beside(ctx, what + ": end to end p50", "age_p50_ms", "", None, most=False, unit=" ms", form="%.2f")]


def flush(ctx):
    """flushes to the disk per message, counted by strace"""
    if not shutil.which("strace"):
        raise Unable("strace is not installed")
    lines = []
    for sessions, budget, good in (50, "<= 0.1", lambda n: n <= 0.1), (1, "1", lambda n: 0.99 <= n <= 1.05):
        shown = {}
        for kind in ["relayd", "postfix"] if ctx.peers else ["relayd"]:
            key = "%s %d" % (kind, sessions)
            shown[kind] = ctx.measure(key, load.flushes, kind, ctx.count(1000, 300), sessions=sessions)["per_message"]
        lines.append(("flushes per message, %d session%s" % (sessions, "s" * (sessions > 1)), budget,
                      "%.3f" % shown["relayd"], "%.2f postfix" % shown["postfix"] if "postfix" in shown else "", "",
                      good(shown["relayd"])))
    return lines


def postfix_tools(count, many_messages):
    """smtp-source straight to smtp-sink: Postfix's own measure of the wire."""
    if not ROOT or not shutil.which("smtp-sink"):
        raise Unable("smtp-source and smtp-sink are not here, or not without root")
    subprocess.Popen(["smtp-sink", "-u", "nobody", "127.0.0.1:%d" % load.SINK, "4096"], stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    began = time.monotonic()
    subprocess.run(["smtp-source", "-s", "50", "-m", str(count), "-l", "4096", "-f", "a@example.test", "-t",
                    "b@example.test"] + ["-d"] * many_messages + ["127.0.0.1:%d" % load.SINK], check=True)
    return {"rate": count / (time.monotonic() - began)}


def direct(ctx):
    """source straight to sink: what the tools do with nothing between"""
    lines = []
    for name, per in ("many messages each", 0), ("a connection per message", 1):
        n = ctx.count(40000, 10000)
        ctx.paired({"ours " + name: lambda: isolate(load.direct, n, sessions=50, per_connection=per),
                    "postfix's " + name: lambda: isolate(postfix_tools, n // 4, per == 0)})
        there = "postfix's " + name in ctx.raw
        lines.append(("tools alone, 50 sessions, " + name, "well above smtp-source", "%.0f/s" % ctx.median("ours " + name, "rate"),
                      "%.0f/s smtp-source" % ctx.median("postfix's " + name, "rate") if there else "",
                      "%.1fx" % ctx.ratio("ours " + name, "postfix's " + name, "rate") if there else "", None))
    return lines


def tmpfs(ctx):
    """a queue in memory: the share of the tools' own rate"""
    lines = []
    for what, per, n, least in ("many messages each", 0, ctx.count(30000, 8000), 30), ("a connection per message", 1, ctx.count(15000, 5000), 65):
        ours, tools_alone = "relayd, " + what, "tools, " + what
        ctx.paired({ours: lambda: isolate(load.relay, "relayd", n, queue="tmpfs", sessions=50, per_connection=per),
                    tools_alone: lambda: isolate(load.direct, n, sessions=50, per_connection=per)})
        share = ctx.ratio(ours, tools_alone, "rate")
        lines.append(("queue in memory, 50 sessions, %s: share of the tools alone" % what, ">= %d %%" % least, "%.0f/s" % ctx.median(ours, "rate"),
                      "%.0f/s tools" % ctx.median(tools_alone, "rate"), "%.0f %%" % (100 * share), 100 * share >= least))
    return lines


def big(ctx):
    """messages of 1 MiB and 10 MiB, 100 at once"""
    params = {"params": {"message_size_limit": "20000000"}, "memory": True, "warm": 20, "sessions": 100}
    ctx.paired(runs(["relayd"] + POSTFIXES, [ctx.count(600, 200)] + [ctx.count(200, 100)] * 2, size=1 << 20, **params))
    ctx.measure("relayd 10 MiB", load.relay, "relayd", 100, size=10 << 20, rounds=ctx.count(3, 1), **params)
    rss, larger = ctx.median("relayd", "peak_rss_mib"), ctx.median("relayd 10 MiB", "peak_rss_mib")
    peer = ctx.best(POSTFIXES, "peak_pss_mib", most=False)
    return [beside(ctx, "1 MiB messages, 100 at once", "mb_s", ">= 2x Postfix", 2, unit=" MB/s"),
            ("1 MiB messages, 100 at once: RSS", "<= 32 MiB", "%.1f MiB" % rss,
             "%.0f MiB %s" % (ctx.median(peer, "peak_pss_mib"), peer) if peer else "", "", rss <= 32),
            ("10 MiB messages, 100 at once: RSS", "<= 32 MiB", "%.1f MiB" % larger, "", "", larger <= 32)]


# --- TLS -----------------------------------------------------------------------------------------------------------------

KEYS = {"rsa": "RSA-2048", "ec": "P-256"}


def tls(ctx):
    """4 KiB over STARTTLS both ways: many messages per connection, and one"""
    lines = []
    for what, per, counts, budget, limit in (
            ("many messages each", 0, (ctx.count(10000, 3000), ctx.count(600, 300)), ">= 10x Postfix", 10),
            ("a connection per message", 1, (ctx.count(3000, 1000), ctx.count(600, 300)), ">= 3x Postfix", 3)):
        names = ["relayd" + ", one" * per, "postfix" + ", one" * per]
        ctx.paired({name: (lambda name=name, n=n: isolate(load.tls_relay, name.split(",")[0], n, sessions=50, per_connection=per))
                    for name, n in zip(names, counts)})
        what = "TLS both ways, 50 sessions, " + what
        lines += [beside(ctx, what, "rate", budget, limit, names[1:], ours=names[0]),
                  beside(ctx, what + ": CPU", "cpu_ms", "", None, names[1:], False, " ms", "%.3f", ours=names[0])]
    return lines


def shakes(ctx, fn, what, resume, counts):
    """fn, in places of its own, for both kinds of keys."""
    lines = []
    for key, words in KEYS.items():
        names = ["relayd " + key, "postfix " + key]
        ctx.paired({name: (lambda name=name, n=n: fn(name.split()[0], n, key, resume)) for name, n in zip(names, counts)})
        lines.append(beside(ctx, "%s, %s: CPU" % (what, words), "cpu_ms", "<= Postfix's", 1, names[1:], False, " ms", "%.2f", ours=names[0]))
    return lines


def tls_in(ctx):
    """full TLS sessions from clients"""
    return shakes(ctx, partial(isolate, load.shakes_in), "full TLS session in", False, [ctx.count(1500, 400)] * 2)


def tls_in_again(ctx):
    """resumed TLS sessions from clients"""
    return shakes(ctx, partial(isolate, load.shakes_in), "resumed TLS session in", True, [ctx.count(1500, 400)] * 2)


def tls_out(ctx):
    """full TLS sessions with servers: what TLS adds to a message on a connection of its own"""
    return shakes(ctx, load.shakes_out, "full TLS session out", False, [ctx.count(1500, 500), ctx.count(500, 200)])


def tls_out_again(ctx):
    """resumed TLS sessions with servers"""
    return shakes(ctx, load.shakes_out, "resumed TLS session out", True, [ctx.count(1500, 500), ctx.count(500, 200)])


def tls_big(ctx):
    """10 MiB over TLS both ways, 20 at once"""
    ctx.paired({kind: (lambda kind=kind, n=n: isolate(load.tls_relay, kind, n, size=10 << 20, sessions=20, warm=10, memory=True,
                                                     params={"message_size_limit": "20000000"}))
                for kind, n in (("relayd", ctx.count(60, 20)), ("postfix", ctx.count(60, 20)))})
    what = "10 MiB over TLS both ways, 20 at once"
    return [beside(ctx, what, "mb_s", ">= Postfix's", 1, ["postfix"], unit=" MB/s"),
            beside(ctx, what + ": CPU", "cpu_ms", "<= Postfix's", 1, ["postfix"], False, " ms", "%.0f"),
            (what + ": RSS", "<= 32 MiB", "%.1f MiB" % ctx.median("relayd", "peak_rss_mib"), "", "", ctx.median("relayd", "peak_rss_mib") <= 32)]


def tls_idle(ctx):
    """memory with 2,000 idle TLS sessions"""
    ours = ctx.measure("relayd", load.idle, "relayd", 2000, secure=True)["pss_mib"]
    return [("memory with 2,000 idle TLS sessions", "<= 100 MiB", "%.1f MiB" % ours, "", "", ours <= 100)]


# --- trust ---------------------------------------------------------------------------------------------------------------

def signed(ctx):
    """50 sessions, many messages per connection, 4 KiB, signed with DKIM (RSA-2048); Postfix with OpenDKIM"""
    ctx.paired({kind: (lambda kind=kind, n=n: isolate(trust.signed, kind, n, sessions=50))
                for kind, n in zip(["relayd"] + POSTFIXES, [ctx.count(5000, 2000)] + [ctx.count(1500, 600)] * 2)})
    return [beside(ctx, "signed with DKIM, 50 sessions", "rate", ">= 5x Postfix + OpenDKIM", 5)]


def policies(ctx):
    """4 KiB over TLS to a domain's MX host: with DANE, with MTA-STS, and with neither; what is known of the domain is warm"""
    ctx.paired({"relayd " + policy: lambda policy=policy: isolate(trust.policed, policy, ctx.count(15000, 5000), sessions=50) for policy in trust.POLICIES})
    lines = []
    for policy, word in ("dane", "DANE"), ("sts", "MTA-STS"):
        if "relayd " + policy not in ctx.raw:
            lines.append(("TLS out with %s, 50 sessions: rate" % word, ">= 95 % of the rate without", "", ctx.raw.get("unable", {}).get("relayd " + policy, ""), "", None))
            continue
        share = ctx.ratio("relayd " + policy, "relayd none", "rate")
        lines.append(("TLS out with %s, 50 sessions: rate" % word, ">= 95 % of the rate without", "%.0f/s" % ctx.median("relayd " + policy, "rate"),
                      "%.0f/s without" % ctx.median("relayd none", "rate"), "%.0f %%" % (100 * share), share >= 0.95))
    return lines


def logins(ctx):
    """a session that sends mail while others log in, 200 a second with $6$ hashes: until each 250"""
    ctx.paired({"relayd": lambda: isolate(trust.beside_logins, 200, ctx.count(6000, 3000)), "relayd alone": lambda: isolate(trust.beside_logins, 0, ctx.count(6000, 3000))})
    p99 = ctx.median("relayd", "accept_p99_ms")
    return [("a session beside 200 logins/s: accept p99", "< 50 ms", "%.1f ms" % p99, "%.1f ms alone" % ctx.median("relayd alone", "accept_p99_ms"), "", p99 < 50)]


# --- states -------------------------------------------------------------------------------------------------------------

def depth(ctx):
    """deferred messages in the queue: new mail's rate, memory, start-up"""
    lines = []
    budgets = {10000: (None, None, None), 100000: (90, 200, None), 1000000: (90, 1000, 320)}
    for n in ([10000] if ctx.quick else [100000] + ([1000000] if ctx.full else [])):
        share, start, rss = budgets[n]
        got = ctx.measure("relayd %d" % n, load.depth, n, ctx.count(10000, 4000), ctx.rounds, limit=3600)
        what = "{:,} deferred in the queue: ".format(n)
        for rates, when in (got, ""), (got["due"], " while all are due"):
            percent = 100 * rates["share"]
            lines.append((what + "rate for new mail" + when, share and ">= %d %% of empty" % share or "", "%.0f/s" % rates["rate"],
                          "%.0f/s empty" % rates["empty_rate"], "%.0f %%" % percent, share and percent >= share))
        lines += [(what + "start to first 220", start and "<= %g s" % (start / 1000) or "", "%.0f ms" % got["start_ms"], "", "",
                   start and got["start_ms"] <= start),
                  (what + "RSS", rss and "<= %d MiB" % rss or "", "%.1f MiB" % got["rss_mib"], "", "",
                   rss and got["rss_mib"] <= rss)]
    return lines


def idle(ctx):
    """memory when nothing happens"""
    lines = []
    for n, budget in (0, 1.5), (1000, 6), (10000, 48):
        ours = ctx.measure("relayd %d" % n, load.idle, "relayd", n)["pss_mib"]
        peer = ""
        if n == 0 and ctx.peers:
            got = ctx.measure("postfix 0", load.idle, "postfix", 0)
            peer = "%.1f MiB postfix, %d processes" % (got["pss_mib"], got["processes"])
        lines.append(("idle memory" if not n else "memory with {:,} idle sessions".format(n), "<= %g MiB" % budget,
                      "%.2f MiB" % ours, peer, "", ours <= budget))
    return lines


def start(ctx):
    """the command to the first 220, empty queue"""
    ours = ctx.measure("relayd", load.start, "relayd", ctx.count(11, 5))["ms"]
    peer = ctx.measure("postfix", load.start, "postfix", 3)["ms"] if ctx.peers else None
    return [("start to first 220", "<= 10 ms", "%.1f ms" % ours, "%.0f ms postfix" % peer if peer else "",
             "1/%.0f" % (peer / ours) if peer else "", ours <= 10)]


# --- programs -----------------------------------------------------------------------------------------------------------

def sendmail(ctx):
    """one `sendmail -t` after the other"""
    n = ctx.count(150, 50)
    ctx.paired({"relayd": lambda: isolate(load.submit, "relayd", n), "postfix": lambda: isolate(load.submit, "postfix", n),
                "dma": lambda: isolate(dma.submit, n, dma.fetch()), "direct": lambda: isolate(load.straight, n), "true": lambda: isolate(load.floor, n)})
    lines = [beside(ctx, "sendmail -t", "ms", "<= 1/7 of Postfix's", 1 / 7, ["postfix"], False, " ms", "%.1f"),
             beside(ctx, "sendmail -t", "ms", "<= 1/2 of dma's", 1 / 2, ["dma"], False, " ms", "%.1f"),
             beside(ctx, "sendmail -t: CPU", "cpu_ms", "<= 1/7 of Postfix's", 1 / 7, ["postfix"], False, " ms", "%.1f"),
             beside(ctx, "sendmail -t: CPU", "cpu_ms", "<= 1/2 of dma's", 1 / 2, ["dma"], False, " ms", "%.1f")]
    if "dma" not in ctx.raw:
        for i in 1, 3:
            lines[i] = ("sendmail -t beside dma", "<= 1/2 of dma's", lines[i][2], ctx.raw.get("unable", {}).get("dma", ""), "", None)
    straight = ctx.median("direct", "ms")
    lines.append(("sendmail -t straight to a relayhost", "< 40 ms (no stall)", "%.1f ms" % straight, "", "", straight < 40))
    return lines + [("an empty program (the floor)", "", "%.1f ms" % ctx.median("true", "ms"), "", "", None)]


def binary(ctx):
    """the program file"""
    size = os.stat(RELAYBOX).st_size
    ctx.raw["bytes"] = size
    return [("static binary, all applets", "<= 1.5 MiB", "%.0f KiB" % (size / 1024), "", "", size <= 3 << 19)]


def mapgen(ctx):
    """build a table of 1,000,000 entries and ask for all of them"""
    n, lines = ctx.count(1000000, 100000), []
    for kind in load.MAPGEN_LINES:
        path = load.mapgen_input(n, kind)
        lines += mapgen_lines(ctx, path, kind, "mapgen, {:,} entries, routes by {}".format(n, kind))
    return lines + lookups(ctx, path, "lookups, {:,} entries".format(n))


def mapgen_lines(ctx, path, kind, what):
    """Lines of the mapgen row: one table, built by each."""
    names = {"relaybox": RELAYBOX, "postmap": "postmap", "cdb": "cdb"}
    ctx.paired({name + " " + kind: lambda name=name: isolate(load.mapgen, name, path) for name, program in names.items()
                if shutil.which(program)})
    ours, lines = ctx.median("relaybox " + kind, "s"), []
    for peer, budget, limit in ("postmap", ">= 5x faster", 1 / 5), ("cdb", "<= 2.5x of cdb -c", 2.5):
        name = peer + " " + kind
        if name not in ctx.raw:
            lines.append((what, budget, "%.2f s" % ours, "" if ctx.alone else peer + " is not installed", "", None))
            continue
        ratio = ctx.ratio("relaybox " + kind, name, "s")
        lines.append((what, budget, "%.2f s" % ours, "%.2f s %s" % (ctx.median(name, "s"), peer),
                      "%.1fx faster" % (1 / ratio) if limit < 1 else "%.2fx" % ratio, ratio <= limit))
    return lines


def lookups(ctx, path, what):
    """Lines of the mapgen row: the table it has made is asked for all of its keys."""
    ctx.paired({"ask " + name: lambda name=name: isolate(load.lookups, name, path) for name, program in
                (("relaybox", RELAYBOX), ("postmap", "postmap")) if shutil.which(program)})
    ours = "%.2f M/s" % (ctx.median("ask relaybox", "per_s") / 1e6)
    if "ask postmap" not in ctx.raw:
        return [(what, ">= postmap's", ours, "postmap is not installed", "", None)]
    ratio = ctx.ratio("ask relaybox", "ask postmap", "per_s")
    return [(what, ">= postmap's", ours, "%.2f M/s postmap" % (ctx.median("ask postmap", "per_s") / 1e6), "%.1fx" % ratio, ratio >= 1)]


def mxcheck(ctx):
    """look at 1,000 domains; the resolver and the servers take 50 ms for each answer"""
    for _ in range(ctx.rounds):
        ctx.measure("mxcheck", checks.run, 1000, 0.05)
    what = "mxcheck, 1,000 domains, 50 ms for each answer"
    took, rss = ctx.median("mxcheck", "s"), ctx.median("mxcheck", "rss_mib")
    return [(what, "<= 10 s", "%.1f s" % took, "", "", took <= 10),
            (what + ": RSS", "<= 32 MiB", "%.1f MiB" % rss, "", "", rss <= 32)]


# --- growth: for the plots of docs/performance.md, not in the default set -------------------------------------------------

def growth(ctx):
    """how the cost grows with sessions, size, queue depth and destinations"""
    quick = ctx.quick
    for kind in ["relayd"] + (["postfix"] if ctx.peers else []):
        n = 1 if kind == "relayd" else 0.1
        for sessions in (1, 5, 20, 50, 100) if quick else (1, 2, 5, 10, 20, 50, 100, 200):
            ctx.measure("sessions %s %d" % (kind, sessions), load.relay, kind, int((500 + 150 * min(sessions, 50)) * n),
                        rounds=3, sessions=sessions)
        for kib in (1, 16, 128, 1024) if quick else (1, 4, 16, 64, 256, 1024):
            ctx.measure("size %s %d" % (kind, kib), load.relay, kind, int(max(300, min(8000, 200000 // kib)) * max(n, 0.2)),
                        rounds=3, sessions=20, size=kib << 10, warm=50)
    for queued in (1000, 10000, 50000) if quick else (1000, 10000, 30000, 100000) + ((300000, 1000000) if ctx.full else ()):
        ctx.measure("depth relayd %d" % queued, load.depth, queued, 5000, 3, limit=3600)
    for n in (1, 10, 100) if quick else (1, 10, 100, 1000):
        for kind in ["relayd"] + (["postfix"] if ctx.peers else []):
            ctx.measure("destinations %s %d" % (kind, n), load.destinations, kind, 5000 if kind == "relayd" else 600, n,
                        rounds=3)
    return [("growth", "", "%d measurements" % len(ctx.raw), "", "", None)]


ROWS = {f.__name__: f for f in (many, one, single, flush, direct, tmpfs, big, tls, tls_in, tls_in_again, tls_out, tls_out_again, tls_big,
                                tls_idle, signed, policies, logins, depth, idle, start, sendmail, binary, mapgen, mxcheck)}
ROWS.update(maps=tables.row_maps, large=tables.row_large, rules=tables.row_rules)
EXTRA = {"growth": growth}
