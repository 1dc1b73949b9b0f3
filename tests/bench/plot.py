#!/usr/bin/python3
"""plot.py - docs/performance.md's tables and plots, from the numbers that tests/bench/run kept.

    tests/bench/plot.py [build/bench/results.json]

Writes docs/performance/*.svg and whatever stands between <!-- NAME --> and <!-- end --> in docs/performance.md: machine,
table, growth. Medians; a plot has a point for each x and a line for each relay.
"""
import json
import math
import os
import re
import statistics
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(TOP, "docs", "performance.md")
FOLDER = os.path.join(TOP, "docs", "performance")
COLORS = {"relayd": "#1668a8", "postfix": "#b5541c", "empty": "#888888"}
NAMES = {"relayd": "relaybox", "postfix": "Postfix", "empty": "relaybox, empty queue"}
W, H, LEFT, RIGHT, TOP_EDGE, BOTTOM = 640, 360, 70, 20, 40, 50

# file, title, x axis, raw key, y axis, the number in a measurement (or a function of it and x)
PLOTS = (
    ("sessions", "Rate and sessions (4 KiB messages, queue on disk)", "sessions", "sessions", "messages/s", "rate"),
    ("cpu", "CPU and sessions", "sessions", "sessions", "CPU ms per message", "cpu_ms"),
    ("delay", "Delay of the 250 and sessions (median)", "sessions", "sessions", "ms from end of data to 250", "accept_p50_ms"),
    ("size", "Throughput and message size (20 sessions)", "KiB per message", "size", "MB/s", "mb_s"),
    ("depth", "Rate for new mail and deferred messages in the queue", "deferred messages", "depth", "messages/s", "rate"),
    ("memory", "Memory and deferred messages in the queue", "deferred messages", "depth", "MiB resident", "rss_mib"),
    ("destinations", "Rate and destinations (50 sessions)", "next hops", "destinations", "messages/s", "rate"),
)


def series(raw, key, field):
    """relay -> [(x, median)], from measurements named "KEY RELAY X"."""
    found = {}
    for name, runs in raw.items():
        parts = name.split()
        if len(parts) == 3 and parts[0] == key:
            found.setdefault(parts[1], []).append((int(parts[2]), statistics.median(r[field] for r in runs)))
    return {relay: sorted(points) for relay, points in found.items()}


def short(n):
    for size, suffix in (1e6, "M"), (1e3, "k"):
        if n >= size and n % (size / 10) == 0:
            return "%g%s" % (n / size, suffix)
    return "%g" % n


class Scale:
    """A logarithmic axis."""

    def __init__(self, values, start, end):
        low, high = min(values), max(values)
        self.low, self.high = math.log10(low) - 0.05, math.log10(high) + 0.05
        self.start, self.end = start, end

    def at(self, value):
        return self.start + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self):
        steps = (1, 2, 5) if self.high - self.low < 3 else (1,)
        return [s * 10.0 ** e for e in range(math.floor(self.low), math.ceil(self.high) + 1) for s in steps
                if self.low <= math.log10(s * 10.0 ** e) <= self.high]


def draw(title, x_name, y_name, lines):
    """An SVG of lines, both axes logarithmic; readable on light and dark pages."""
    points = [p for line in lines.values() for p in line if p[0] > 0 and p[1] > 0]
    x = Scale([p[0] for p in points], LEFT, W - RIGHT)
    y = Scale([p[1] for p in points], H - BOTTOM, TOP_EDGE)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">' % (W, H),
           '<rect width="100%" height="100%" fill="#ffffff"/>',
           '<text x="%d" y="20" font-size="14" font-weight="bold">%s</text>' % (LEFT, title)]
    for tick in x.ticks():
        out.append('<path d="M%.1f %dV%d" stroke="#e4e4e4"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>' % (
            x.at(tick), TOP_EDGE, H - BOTTOM, x.at(tick), H - BOTTOM + 16, short(tick)))
    for tick in y.ticks():
        out.append('<path d="M%d %.1fH%d" stroke="#e4e4e4"/><text x="%d" y="%.1f" text-anchor="end">%s</text>' % (
            LEFT, y.at(tick), W - RIGHT, LEFT - 6, y.at(tick) + 4, short(tick)))
    out.append('<text x="%d" y="%d" text-anchor="middle">%s</text>' % ((LEFT + W - RIGHT) / 2, H - 12, x_name))
    out.append('<text transform="translate(16 %d) rotate(-90)" text-anchor="middle">%s</text>' % (
        (TOP_EDGE + H - BOTTOM) / 2, y_name))
    for i, (relay, line) in enumerate(lines.items()):
        color = COLORS[relay]
        shown = [(x.at(a), y.at(b)) for a, b in line if a > 0 and b > 0]
        out.append('<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>' % (
            color, " ".join("%.1f,%.1f" % p for p in shown)))
        out += ['<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>' % (*p, color) for p in shown]
        out.append('<text x="%d" y="20" text-anchor="end" fill="%s">%s</text>' % (
            W - RIGHT - 80 * i, color, NAMES[relay]) if len(lines) < 3 and relay != "empty" else "")
    return "\n".join(line for line in out if line) + "\n</svg>\n"


def number(value):
    return "%.0f" % value if value >= 100 else "%.1f" % value if value >= 10 else "%.2f" % value


def growth_table(x_name, y_name, lines):
    """The plot's numbers, for readers who want them."""
    xs = sorted({p[0] for line in lines.values() for p in line})
    rows = ["| %s | %s |" % (x_name, " | ".join(short(x) for x in xs)), "| --- |" + " ---: |" * len(xs)]
    for relay, line in lines.items():
        values = dict(line)
        rows.append("| %s, %s | %s |" % (NAMES[relay], y_name, " | ".join(
            number(values[x]) if x in values else "" for x in xs)))
    return "\n".join(rows)


def budget_table(results):
    rows = ["| what | budget | relaybox | beside | ratio | met |", "| --- | --- | ---: | --- | ---: | --- |"]
    for name, row in results["rows"].items():
        if name != "growth":
            rows += ["| %s | %s |" % (" | ".join(line[:5]), {True: "yes", False: "**no**", None: ""}[line[5]])
                     for line in row["lines"]]
    return "\n".join(rows)


def replace(page, name, text):
    return re.sub(r"(<!-- %s -->\n).*?(<!-- end -->)" % name, lambda m: m.group(1) + text + "\n" + m.group(2), page,
                  flags=re.S)


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(TOP, "build", "bench", "results.json")
    with open(path) as f:
        results = json.load(f)
    with open(PAGE) as f:
        page = f.read()
    os.makedirs(FOLDER, exist_ok=True)
    m = results["machine"]
    quick = [name for name, row in results["rows"].items() if row["quick"]]
    page = replace(page, "machine", "%d cores (%s), %d GiB of memory, %s, Linux %s, %s; one append and flush takes %s ms. "
                   "The load average before the start was %.1f%s.%s" % (
                       m["cores"], m["cpu"], m["memory_gib"], m["system"], m["kernel"], m["filesystem"], m["flush_ms"],
                       m["load"], ": other work was going on, which slows everything measured" if m["load"] > 1 else "",
                       "\nThree short rounds only (`--quick`): %s." % ", ".join(quick) if quick else ""))
    page = replace(page, "table", budget_table(results))
    raw = results["rows"].get("growth", {}).get("raw", {})
    for file, title, x_name, key, y_name, field in PLOTS:
        lines = series(raw, key, field)
        if not lines:
            continue
        with open(os.path.join(FOLDER, file + ".svg"), "w") as f:
            f.write(draw(title, x_name, y_name, lines))
        page = replace(page, file, "![%s](performance/%s.svg)\n\n%s" % (title, file, growth_table(x_name, y_name, lines)))
    with open(PAGE, "w") as f:
        f.write(page)


main()
