"""pairs - the same rows with two binaries of relaybox in turn: what --beside does.

Each round measures every row once with each binary, without the peers, and the one that goes first changes from round to
round. The change of a figure is the median of the rounds' own ratios, so that what disturbs a round disturbs both.
"""
import json
import math
import os
import shutil
import statistics
import sys

import checks
import load
import mta
import place
import rows
import tools

RESULTS = os.path.join(tools.DIR, "beside.json")
# figures that are told: is more better?
FIGURES = {"rate": True, "mb_s": True, "per_s": True, "cpu_ms": False, "ms": False, "s": False, "start_ms": False, "accept_p50_ms": False,
           "age_p50_ms": False, "per_message": False, "pss_mib": False, "rss_mib": False, "peak_rss_mib": False, "bytes": False}
WORSE = 3.0                                # per cent that are said to be too much


def use(binary):
    """Every module that starts relaybox starts this one."""
    for module in mta, load, rows, checks:
        module.RELAYBOX = binary


def figures(raw):
    """(what was measured, which figure) -> its value, of one round."""
    found = {}
    for name, results in raw.items():
        for result in results if isinstance(results, list) else [{name: results}]:
            for field, value in result.items() if isinstance(result, dict) else ():
                if field in FIGURES and isinstance(value, (int, float)):
                    found.setdefault((name, field), []).append(value)
    return {key: statistics.median(values) for key, values in found.items()}


def measure(fn, binary, quick, full):
    use(binary)
    ctx = rows.Context(quick, full, alone=True)
    fn(ctx)
    return figures(ctx.raw)


def change(field, pairs):
    """By how many per cent the new one is worse (below 0: better); None where the old one has nothing."""
    ratios = [new / old for new, old in pairs if old]
    if not ratios:
        return None
    ratio = statistics.median(ratios)
    if FIGURES[field]:
        return (1 / ratio - 1) * 100 if ratio else math.inf
    return (ratio - 1) * 100


def lines(row, rounds):
    """The table's lines of one row."""
    for key in rounds[0][0]:
        pairs = [(new[key], old[key]) for new, old in rounds if key in new and key in old]
        if not pairs:
            continue
        worse = change(key[1], pairs)
        yield (row, *key, statistics.median(n for n, _ in pairs), statistics.median(o for _, o in pairs), worse)


def show(line, out=sys.stdout):
    row, name, field, new, old, worse = line
    out.write("%-14s %-30s %-14s %12.4g %12.4g %9s  %s\n" % (
        row, name[:30], field, new, old, "" if worse is None else "%+.1f %%" % worse,
        "worse than %g %%" % WORSE if worse is not None and worse > WORSE else ""))
    out.flush()


def run(table, names, new, old, quick, full, n):
    """The rows of `names` with both binaries; prints and keeps the table. How many figures became worse."""
    print("%-14s %-30s %-14s %12s %12s %9s" % ("row", "measured", "figure", "new", "old", "worse by"))
    kept, bad = [], 0
    for row in names:
        rounds = []
        try:
            for i in range(n):
                order = (new, old) if i % 2 == 0 else (old, new)
                got = {binary: measure(table[row], binary, quick, full) for binary in order}
                rounds.append((got[new], got[old]))
        except place.Unable as e:
            print("%-14s not here: %s" % (row, str(e).splitlines()[0][:200]))
            continue
        finally:
            use(new)
            shutil.rmtree(mta.RUN, ignore_errors=True)
        for line in lines(row, rounds):
            show(line)
            kept.append(line)
            bad += line[5] is not None and line[5] > WORSE
    with open(RESULTS, "w") as f:
        json.dump({"new": new, "old": old, "quick": quick, "lines": kept}, f, indent=1)
    return bad
