"""tables - what tables cost: recipients through maps, a large one at the start, rules for each header field."""
import os
import socket
import subprocess
import time
from statistics import median

import load
import tools
from mta import KINDS, RELAYBOX

RECIPIENTS = 1000
RULES = 1000


def transaction(port, count):
    """Milliseconds from MAIL to the answer to the content, all recipients pipelined."""
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        f = s.makefile("rb")

        def reply():
            while True:
                line = f.readline()
                if line[3:4] != b"-":
                    return line
        reply()
        s.sendall(b"EHLO bench.example.test\r\n")
        reply()
        began = time.monotonic()
        s.sendall(b"MAIL FROM:<sender@example.test>\r\n" + b"".join(b"RCPT TO:<user%d@d%d.example.test>\r\n" % (k, k % 50) for k in range(count)) + b"DATA\r\n")
        refused = [line for line in (reply() for _ in range(count + 2)) if line[:1] not in b"23"]
        assert not refused, refused[0]
        s.sendall(b"From: sender@example.test\r\nSubject: x\r\n\r\nx\r\n.\r\n")
        answer = reply()
        took = time.monotonic() - began
        assert answer.startswith(b"250"), answer
        return took * 1000


def maps(mapped, rounds, entries=20000):
    """One message for RECIPIENTS, whose addresses go through five tables of so many entries, or through none."""
    tools.Sink(load.SINK)
    params, files = {}, {}
    if mapped:
        for name, line in (("canonical", "old%d@d%d.example.test new%d@example.test\n"), ("recipient", "user%d@d%d.example.test user%d@a.example.test\n"),
                           ("virtual", "user%d@a.example.test user%d@b.example.test\n"), ("relocated", "gone%d@d%d.example.test x%d@example.test\n"),
                           ("bcc", "nobody%d@d%d.example.test x%d@example.test\n")):
            files[name] = "".join(line % ((k, k % 50, k) if line.count("%d") == 3 else (k, k)) for k in range(entries))
        params = {"canonical_maps": "cdb:DIR/canonical", "recipient_canonical_maps": "cdb:DIR/recipient", "virtual_alias_maps": "cdb:DIR/virtual",
                  "virtual_alias_domains": "", "relocated_maps": "cdb:DIR/relocated", "recipient_bcc_maps": "cdb:DIR/bcc"}
    mta = KINDS["relayd"](load.SINK, **params)
    for name, text in files.items():
        mta.write(name, text)
        subprocess.run([RELAYBOX, "mapgen", "cdb:" + os.path.join(mta.dir, name)], check=True)
    with mta:
        transaction(mta.port, 10)
        times = [transaction(mta.port, RECIPIENTS) for _ in range(rounds)]
    return {"ms": median(times)}


def start(path, rounds):
    """Milliseconds to the first 220, with path.out.cdb as virtual_alias_maps, or without."""
    tools.Sink(load.SINK)
    params = {"virtual_alias_maps": "cdb:%s.out" % path, "virtual_alias_domains": ""} if path else {}
    times = []
    with KINDS["relayd"](load.SINK, **params) as mta:
        for _ in range(rounds):
            mta.stop()
            times.append(mta.boot() * 1000)
    return {"ms": median(times)}


def rules(number, count):
    """Messages through header_checks with so many expressions, none of which fits."""
    text = "".join("/^(Subject|X-Word): .*word%d(buy|sell)[0-9]+ (now|here)/ REJECT %d\n" % (k, k) for k in range(number))
    params = {"header_checks": "regexp:DIR/checks"} if number else {}
    return load.relay("relayd", count, files={"checks": text}, params=params, sessions=20)


# --- rows: see rows.py ----------------------------------------------------------------------------------------------------

def row_maps(ctx):
    """1,000 recipients of one message through five tables"""
    ctx.paired({"no maps": lambda: load.place.isolate(maps, False, ctx.count(11, 5)), "five maps": lambda: load.place.isolate(maps, True, ctx.count(11, 5))})
    plain, mapped = ctx.median("no maps", "ms"), ctx.median("five maps", "ms")
    return [("1,000 recipients through five maps, one transaction", "<= 50 ms", "%.1f ms" % mapped, "%.1f ms without maps" % plain, "%.2fx" % (mapped / plain),
             mapped <= 50)]


def row_large(ctx):
    """start with a table of 1,000,000 entries"""
    n = ctx.count(1000000, 100000)
    path = load.mapgen_input(n, "names")
    if not os.path.exists(path + ".out.cdb"):
        load.mapgen("relaybox", path)
    ctx.paired({"no table": lambda: load.place.isolate(start, None, 11), "large table": lambda: load.place.isolate(start, path, 11)})
    plain, large = ctx.median("no table", "ms"), ctx.median("large table", "ms")
    return [("start with a cdb of {:,} entries".format(n), "<= 1 ms more", "%.1f ms" % large, "%.1f ms without" % plain, "%.2fx" % (large / plain), large - plain <= 1)]


def row_rules(ctx):
    """1,000 regexp header checks"""
    n = ctx.count(8000, 2000)
    ctx.paired({"no rules": lambda: load.place.isolate(rules, 0, n), "1000 rules": lambda: load.place.isolate(rules, RULES, n)})
    more = ctx.median("1000 rules", "cpu_ms") - ctx.median("no rules", "cpu_ms")
    lost = 100 - 100 * ctx.ratio("1000 rules", "no rules", "rate")
    return [("1,000 regexp header checks: CPU of a message", "<= 1 ms more", "%.3f ms" % ctx.median("1000 rules", "cpu_ms"),
             "%.3f ms without" % ctx.median("no rules", "cpu_ms"), "+%.3f ms" % more, more <= 1),
            ("1,000 regexp header checks: rate", "<= 5 % less", "%.0f/s" % ctx.median("1000 rules", "rate"), "%.0f/s without" % ctx.median("no rules", "rate"),
             "%+.0f %%" % -lost, lost <= 5)]
